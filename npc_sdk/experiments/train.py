"""`npc-sdk train`: learns a world model from recordings."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from npc_sdk.options import count, duration, natural


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk train`."""
    parser.add_argument("recordings", nargs="+", type=Path, help="recording files, or folders of them")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the checkpoint; an interrupted run there goes on"
    )
    parser.add_argument("--minutes", type=duration, help="how long to train (7, unless --steps is given)")
    parser.add_argument("--steps", type=count, help="train this many steps instead: the same result on every run")
    parser.add_argument(
        "--regularizer", choices=("sigreg", "vicreg", "none"), default="sigreg", help="against collapse of the latent"
    )
    parser.add_argument("--start", default="", help="begin with the weights of this checkpoint folder, or of: arena")
    parser.add_argument("--rate", type=duration, help="learning rate (0.004; 0.0015 with --start)")
    parser.add_argument("--horizon", type=count, default=30, metavar="STEPS", help="steps rolled on, 0.1 s each (30)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--jobs", type=count, default=1, help="processes that train together, each on one core; not on a GPU (1)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")


def main(args: Namespace) -> int:
    """Runs `npc-sdk train`."""
    import torch

    from npc_sdk.serve.models import ARENA, shipped
    from npc_sdk.train import TrainConfig, train

    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    budget = None if args.steps is not None else 60 * (args.minutes if args.minutes is not None else 7.0)
    start = str(shipped()) if args.start == ARENA else args.start
    rate = args.rate or (0.0015 if start else TrainConfig().learning_rate)
    config = TrainConfig(
        regularizer=args.regularizer, seed=args.seed, start=start, learning_rate=rate, horizon=args.horizon
    )
    try:
        done = train(
            args.recordings, args.out, config, budget_s=budget, steps=args.steps, device=device, jobs=args.jobs
        )
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {args.out}")
        return 130
    print(f"{done.steps} steps in {done.spent_s:.0f} s; checkpoint in {done.folder}")
    if args.json:
        print(json.dumps({"steps": done.steps, "spent_s": round(done.spent_s, 1), "checkpoint": str(done.folder)}))
    return 0
