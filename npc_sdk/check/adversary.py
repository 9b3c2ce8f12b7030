"""`npc-sdk check adversary`: an optimiser looks for proposals, weights and players that push a margin below zero."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural
from npc_sdk.shield import ShieldConfig

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.adversary import Found

_KEPT = 10  # worst scripts of a corpus


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("adversary", help="optimise hostile scripts against the shield")
    parser.add_argument("--searches", type=count, default=100, help="games, one search each (100)")
    parser.add_argument("--episodes", type=count, default=100, help="scripts played per search (100)")
    parser.add_argument("--planned", type=natural, default=10, help="searches through the planner besides (10)")
    parser.add_argument("--candidates", type=count, default=8, help="the planner's candidates (8)")
    parser.add_argument("--corpus", type=Path, help="write the ten worst scripts there, with their games")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="keep finished searches in this folder, and do not repeat them")
    parser.add_argument("--jobs", type=count, default=1, help="processes that search (1)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check adversary`. Returns 1 when a script made an NPC break a rule."""
    from npc_sdk.experiments import adversary, corpus

    start = time.perf_counter()
    scripted: list[Found] = []
    planned: list[Found] = []
    with progress(args.searches + args.planned, "check adversary", "search") as bar:
        for found in adversary.hunt(args.searches, args.episodes, args.seed, args.out, args.jobs):
            scripted.append(found)
            bar.update()
        if args.planned:
            from npc_sdk.experiments import sliders

            asked = (args.planned, args.episodes, args.seed, args.candidates)
            for found in sliders.hunt(*asked, args.out, args.jobs):
                planned.append(found)
                bar.update()
    games = [adversary.game(index, args.seed) for index in range(len(scripted))]
    rows = [_row(k, "scripted", found, games[k].config.eps) for k, found in enumerate(scripted)]
    rows += [_row(k, "planned", found, ShieldConfig().eps) for k, found in enumerate(planned)]
    if args.corpus:
        order = sorted(range(len(scripted)), key=lambda k: scripted[k].margin / games[k].config.eps)
        cases = [corpus.Worst(games[k], k, scripted[k].numbers, scripted[k].margin) for k in order[:_KEPT]]
        corpus.write(args.corpus, cases)
    everything = [*scripted, *planned]
    margin, violations = min(f.margin for f in everything), sum(f.violations for f in everything)
    figures: dict[str, Json] = {
        "passed": violations == 0 and margin >= 0.0,
        "searches": len(scripted),
        "planned_searches": len(planned),
        "episodes": sum(f.episodes for f in everything),
        "violations": violations,
        "min_margin_m": margin,
        "min_margin_in_eps": min(float(str(row["margin_in_eps"])) for row in rows),
        "found": rows,
        "seed": args.seed,
        "wall_s": time.perf_counter() - start,
        "machine": machine(),
    }
    emit(_lines(figures, rows), figures, args.json)
    return 0 if figures["passed"] else 1


def _row(search: int, proposals: str, found: Found, eps: float) -> dict[str, Json]:
    return {
        "search": search,
        "proposals": proposals,
        "margin_m": found.margin,
        "margin_in_eps": found.margin / eps,
        "violations": found.violations,
        "episodes": found.episodes,
    }


def _lines(figures: dict[str, Json], rows: list[dict[str, Json]]) -> list[str]:
    worst = sorted(rows, key=lambda row: float(str(row["margin_in_eps"])))[:10]
    shown = [
        [*(str(r[key]) for key in ("proposals", "search")), f"{r['margin_m']:.6f}", f"{r['margin_in_eps']:.2f}"]
        for r in worst
    ]
    return [
        *table(("proposals", "search", "smallest margin, m", "in eps"), shown),
        f"{figures['searches']} scripted and {figures['planned_searches']} planned searches, {figures['episodes']} "
        f"episodes: {figures['violations']} violations, smallest margin {figures['min_margin_m']:.6f} m",
        "passed" if figures["passed"] else "failed",
    ]
