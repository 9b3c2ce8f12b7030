"""`npc-sdk bench`: what to measure in real time."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from npc_sdk.bench import bridge, crowd, decide, errors, live, safety, shield


def add_arguments(parser: ArgumentParser) -> None:
    """Declares one sub-command per measurement."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    bridge.add_arguments(kinds.add_parser("bridge", help="a round trip beside bare ZeroMQ and other wires"))
    crowd.add_arguments(kinds.add_parser("crowd", help="many games at one bridge for minutes"))
    live.add_arguments(kinds.add_parser("live", help="a game and its brain as two processes, in real time"))
    decide.add_arguments(kinds.add_parser("decide", help="what each forecast is worth in fights, and what it costs"))
    errors.add_arguments(kinds.add_parser("errors", help="how fast and how clearly wrong input is reported"))
    safety.add_arguments(kinds.add_parser("safety", help="what each approach to hard rules gives, and what it costs"))
    shield.add_arguments(kinds.add_parser("shield", help="what certifying a chunk costs on one core"))


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench`."""
    measures = {
        "bridge": bridge.main,
        "crowd": crowd.main,
        "live": live.main,
        "decide": decide.main,
        "errors": errors.main,
        "safety": safety.main,
        "shield": shield.main,
    }
    return measures[args.what](args)
