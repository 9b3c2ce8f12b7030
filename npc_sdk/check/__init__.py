"""`npc-sdk check`: hunts for what must not happen, each hunt with proof that it could have found something."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from npc_sdk.check import adversary, attribution, engine, frames, peers, replay, shield, wire

_DECLARE = (
    *(shield.declare, adversary.declare, wire.declare, attribution.declare, replay.declare),
    *(frames.declare, peers.declare, engine.declare),
)
_MAIN = {
    "shield": shield.main,
    "adversary": adversary.main,
    "wire": wire.main,
    "attribution": attribution.main,
    "replay": replay.main,
    "frames": frames.main,
    "peers": peers.main,
    "engine": engine.main,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk check`."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for declare in _DECLARE:
        declare(kinds)


def main(args: Namespace) -> int:
    """Runs the hunt that was asked for."""
    return _MAIN[str(args.what)](args)
