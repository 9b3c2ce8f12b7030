"""What the commands that compare forecasts have in common; read without torch."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from npc_sdk.options import count


def add_arguments(parser: ArgumentParser) -> None:
    """Declares what says which rivals compete."""
    parser.add_argument("--model", default="arena", help="the learned model: arena or a checkpoint folder")
    parser.add_argument("--train", nargs="+", type=Path, metavar="PATH", help="recordings the ridge is fitted on")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--persona", default="", help="of the planned NPCs (the default weights)")
    parser.add_argument("--out", type=Path, required=True, help="folder for results; what is there is not done again")
    parser.add_argument("--jobs", type=count, default=1, help="processes (1)")
