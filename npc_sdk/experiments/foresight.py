"""`npc-sdk evaluate plans`: do forecasts know which plans are good? The same candidates, imagined and for real."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from npc_sdk.experiments import rival_options
from npc_sdk.experiments.report import Json, emit, machine, progress, table
from npc_sdk.options import count

if TYPE_CHECKING:
    from npc_sdk.experiments.plans import Ranking


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk evaluate plans`."""
    rival_options.add_arguments(parser, first_seed=3000)
    parser.add_argument("--fights", type=count, default=32, help="from which states are taken (32)")
    parser.add_argument("--quick", action="store_true", help="2 fights of 3 s, 12 candidates: does it run at all")


def main(args: Namespace) -> int:
    """Runs `npc-sdk evaluate plans`."""
    import torch

    from npc_sdk.experiments import plans
    from npc_sdk.experiments.rivals import rivals

    torch.set_num_threads(1)
    if args.quick:
        args.fights, args.seconds, args.candidates = 2, 3.0, 12
    config = plans.PlansConfig(args.fights, args.seconds, args.npcs, first_seed=args.first_seed, persona=args.persona)
    contestants, sha256 = rivals(args)
    with progress(len(plans.batches(config)), "plans", "batch") as bar:
        found = plans.measure(config, contestants, args.out, sha256, args.jobs, bar.update)
    parts = {"all": found.seen | True, "seen": found.seen, "unseen": ~found.seen}
    ranked = {part: {row: plans.rank(found, row, use) for row in found.objective} for part, use in parts.items()}
    floor = ranked["all"]["constant_velocity"].regret
    figures: dict[str, Json] = {
        "states": len(found.seen),
        "seen": float(found.seen.mean()),
        "rows": {
            row: asdict(r) | {"regret_of_cv": r.regret / floor if floor else None} for row, r in ranked["all"].items()
        },
        "rows_seen": {row: asdict(r) for row, r in ranked["seen"].items()},
        "rows_unseen": {row: asdict(r) for row, r in ranked["unseen"].items()},
        "candidates": args.candidates,
        "model": args.model,
        "model_sha256": sha256,
        "persona": args.persona,
        "fights": config.fights,
        "first_seed": config.first_seed,
        "machine": machine(),
    }
    emit(_lines(ranked), figures, args.json)
    return 0


def _lines(ranked: dict[str, dict[str, Ranking]]) -> list[str]:
    lines = []
    for part, rows in ranked.items():
        body = [[row, f"{r.spearman:.3f}", f"{r.regret:.3f}", f"{r.moves_more:.3f}"] for row, r in rows.items()]
        lines += [*table((f"{part} states", "spearman", "regret", "moves more"), body), ""]
    return lines[:-1]
