"""`npc-sdk gateway`: lets games in web pages reach a brain."""

from __future__ import annotations

import argparse
from pathlib import Path

LISTEN, BRAIN = "ws://127.0.0.1:5760", "tcp://127.0.0.1:5757"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--origin", action="append", required=True, metavar="SCHEME://HOST[:PORT]",
        help="of pages that are let in, such as http://localhost:8000; give it again for more",
    )  # fmt: skip
    parser.add_argument("--listen", default=LISTEN, help=f"where pages connect; port 0 takes any free one ({LISTEN})")
    parser.add_argument("--brain", default=BRAIN, help=f"the data channel of npc-sdk serve ({BRAIN})")
    parser.add_argument(
        "--key", type=Path, help="file of a game's key, from npc-sdk keys, for a brain that asks for one"
    )
    parser.add_argument("--verbose", action="store_true", help="log who comes and goes to stderr")


def main(args: argparse.Namespace) -> int:
    """Serves until interrupted; prints one JSON line once it listens."""
    from npc_sdk.gateway.start import gateway  # websockets and ZeroMQ load here, not with the help text

    return gateway(args)
