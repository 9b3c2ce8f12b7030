"""`npc-sdk serve`: runs the brain and waits for games."""

from __future__ import annotations

import argparse
from pathlib import Path

from npc_sdk.options import count, duration, natural

DATA, CONTROL, TELEMETRY = "tcp://127.0.0.1:5757", "tcp://127.0.0.1:5758", "tcp://127.0.0.1:5759"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--model", default="arena", help="arena, constant-velocity, frozen, untrained or a checkpoint folder"
    )
    parser.add_argument("--data", default=DATA, help="where games connect; port 0 takes any free one")
    parser.add_argument("--control", default=CONTROL, help="where designers connect")
    parser.add_argument("--telemetry", default=TELEMETRY, help="where plans and figures are published")
    parser.add_argument("--keys", type=Path, help="folder of npc-sdk keys: only peers on its list are let in")
    parser.add_argument("--personas", type=Path, help="folder of persona files; the shipped ones by default")
    parser.add_argument("--lead-ticks", type=natural, default=0, help="ticks from state to answer; 0 adapts (0)")
    parser.add_argument("--deadline-ms", type=duration, default=20.0, help="of planning, per tick (20)")
    parser.add_argument("--candidates", type=count, default=32, help="plans tried per NPC (32)")
    parser.add_argument(
        "--pose-tolerance",
        type=duration,
        default=0.02,
        help="m off its place at which an NPC still runs a step; rules are kept by so much more (0.02)",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=count, default=1, help="of torch; more than one starves a game beside it")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--log", type=Path, help="write what the shield saw and answered to this file: `check replay`")
    parser.add_argument("--attached", action="store_true", help="end when standard input closes")
    parser.add_argument("--metrics", help="serve /metrics (Prometheus) and /healthz there, such as 127.0.0.1:9464")
    parser.add_argument("--verbose", action="store_true", help="log who joins and leaves, too, to stderr")
    parser.add_argument("--log-format", default="text", choices=("text", "json"), help="of the log on stderr (text)")


def main(args: argparse.Namespace) -> int:
    """Serves until interrupted; prints one JSON line once it listens."""
    from npc_sdk.serve.start import serve  # torch loads here, not with the help text

    return serve(args)
