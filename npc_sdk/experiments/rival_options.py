"""What the commands that compare forecasts have in common; read without torch."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from npc_sdk.experiments.report import add_json
from npc_sdk.options import count, duration, natural


def add_arguments(parser: ArgumentParser, first_seed: int) -> None:
    """Declares what says which rivals compete, and in what fights."""
    parser.add_argument("--model", default="arena", help="the learned model: arena or a checkpoint folder")
    parser.add_argument("--train", nargs="+", type=Path, metavar="PATH", help="recordings the ridge is fitted on")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--persona", default="", help="of the planned NPCs (the default weights)")
    parser.add_argument("--out", type=Path, required=True, help="folder for results; what is there is not done again")
    parser.add_argument("--jobs", type=count, default=1, help="processes (1)")
    parser.add_argument("--seconds", type=duration, default=20.0, help="longest length of a fight in game time (20)")
    parser.add_argument("--npcs", type=count, default=4, help="per fight (4)")
    parser.add_argument(
        "--first-seed", type=natural, default=first_seed, help=f"of the fights; the others follow ({first_seed})"
    )
    add_json(parser)
