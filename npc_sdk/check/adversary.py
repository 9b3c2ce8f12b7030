"""`npc-sdk check adversary`: an optimiser looks for proposals and players that push a margin below zero."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("adversary", help="optimise hostile scripts against the shield")
    parser.add_argument("--searches", type=count, default=100, help="games, one search each (100)")
    parser.add_argument("--episodes", type=count, default=100, help="scripts played per search (100)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="keep finished searches in this folder, and do not repeat them")
    parser.add_argument("--jobs", type=count, default=1, help="processes that search (1)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check adversary`. Returns 1 when a script made an NPC break a rule."""
    from npc_sdk.experiments import adversary

    start = time.perf_counter()
    rows: list[dict[str, Json]] = []
    with progress(args.searches, "check adversary", "search") as bar:
        for index, found in adversary.hunt(args.searches, args.episodes, args.seed, args.out, args.jobs):
            eps = adversary.game(index, args.seed).config.eps
            rows.append(
                {
                    "search": index,
                    "margin_m": found.margin,
                    "margin_in_eps": found.margin / eps,
                    "violations": found.violations,
                    "episodes": found.episodes,
                }
            )
            bar.update()
    margins = [float(str(row["margin_m"])) for row in rows]
    violations = sum(int(str(row["violations"])) for row in rows)
    figures: dict[str, Json] = {
        "passed": violations == 0 and min(margins) >= 0.0,
        "searches": len(rows),
        "episodes": sum(int(str(row["episodes"])) for row in rows),
        "violations": violations,
        "min_margin_m": min(margins),
        "min_margin_in_eps": min(float(str(row["margin_in_eps"])) for row in rows),
        "found": rows,
        "seed": args.seed,
        "wall_s": time.perf_counter() - start,
        "machine": machine(),
    }
    emit(_lines(figures, rows), figures, args.json)
    return 0 if figures["passed"] else 1


def _lines(figures: dict[str, Json], rows: list[dict[str, Json]]) -> list[str]:
    worst = sorted(rows, key=lambda row: float(str(row["margin_in_eps"])))[:10]
    shown = [
        [str(r["search"]), f"{r['margin_m']:.6f}", f"{r['margin_in_eps']:.2f}", str(r["violations"])] for r in worst
    ]
    lines = table(("search", "smallest margin, m", "in eps", "violations"), shown)
    lines.append(
        f"{figures['searches']} searches, {figures['episodes']} episodes: {figures['violations']} violations, "
        f"smallest margin {figures['min_margin_m']:.6f} m"
    )
    return [*lines, "passed" if figures["passed"] else "failed"]
