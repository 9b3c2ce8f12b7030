"""`npc-sdk steer`: turns every weight over six octaves on held-out maps and reports what that did to behaviour."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npc_sdk.experiments.report import add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.experiments.sweep import Result

PERSONAS = ("aggressive", "cautious", "flanker", "sentry")


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk steer`."""
    parser.add_argument("--out", type=Path, default=Path("steer"), help="folder for curves and pictures (steer)")
    parser.add_argument(
        "--model", default="arena", help="arena, constant-velocity, frozen, untrained or a checkpoint folder"
    )
    parser.add_argument("--terms", nargs="+", metavar="TERM", help="only these (all)")
    parser.add_argument("--seeds", type=count, default=8, help="fights per level (8)")
    parser.add_argument(
        "--persona-seeds", type=natural, default=10, help="fights per persona, at least 2 (10); 0 leaves them out"
    )
    parser.add_argument("--seconds", type=duration, default=12.0, help="game time per fight (12)")
    parser.add_argument("--npcs", type=count, default=4, help="NPCs per fight (4)")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 4 s, 3 levels, 8 candidates: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk steer`. Dead sliders are named, not failed: this measures, the release checklist judges."""
    import torch

    from npc_sdk.experiments import sweep
    from npc_sdk.experiments.stage import planner
    from npc_sdk.objectives.terms import DEFAULT_TERMS
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.serve.models import device_of, load

    torch.set_num_threads(1)
    config = sweep.SweepConfig(args.model, args.seeds, args.seconds, args.npcs, candidates=args.candidates)
    if args.quick:
        config = sweep.SweepConfig(args.model, 2, 4.0, 4, levels=(0.125, 1.0, 8.0), candidates=8)
    fights = 2 if args.quick else args.persona_seeds
    terms = [DEFAULT_TERMS.terms[DEFAULT_TERMS.index(n)] for n in args.terms or DEFAULT_TERMS.names]
    device = device_of(args.device)
    loaded = load(args.model, device)
    with progress(sweep.pieces(terms), "steer", "batch") as bar:
        result = sweep.measure(
            config,
            replace(config, seeds=max(2, fights)) if fights else None,
            terms,
            PERSONAS,
            lambda: planner(loaded.forecast, device, PlannerConfig(candidates=config.candidates)),
            args.out,
            loaded.sha256,
            bar.update,
        )
    _draw(args.out, result)
    emit(_lines(result, args.out), _figures(result, loaded.sha256), args.json)
    return 0


def _lines(result: Result, out: Path) -> list[str]:
    rows = [
        (v.term, v.metric, v.direction, f"{v.spearman:+.2f}", f"{100 * v.moved:.0f} %", f"{v.cross_talk:.2f}", v.grade)
        for v in result.verdicts
    ]
    lines = table(("term", "metric", "should", "spearman", "moved", "cross-talk", "grade"), rows)
    dead = [v.term for v in result.verdicts if v.grade == "dead"]
    lines.append(f"dead sliders: {', '.join(dead) or 'none'}")
    if np.isfinite(result.persona_accuracy):
        lines.append(f"personas told apart: {result.persona_accuracy:.2f} of {', '.join(result.personas)}")
    return [*lines, f"pictures: {out / 'steer.png'}, {out / 'cross_talk.png'}"]


def _figures(result: Result, sha256: str) -> dict[str, object]:
    from npc_sdk.experiments.sweep import NAMES

    by_grade = {grade: [v.term for v in result.verdicts if v.grade == grade] for grade in ("works", "weak", "dead")}
    config = result.config
    return {
        "terms": [asdict(v) for v in result.verdicts],
        "levels": config.levels,
        **by_grade,
        "metrics": NAMES,
        "cross_talk": result.talk,
        "personas": result.personas,
        "persona_accuracy": result.persona_accuracy,
        "model": config.model,
        "model_sha256": sha256,
        "seeds": config.seeds,
        "seconds": config.seconds,
        "npcs": config.npcs,
        "candidates": config.candidates,
        "split": config.split,
        "machine": machine(),
    }


def _draw(out: Path, result: Result) -> None:
    """Writes the curves and the cross-talk matrix."""
    from npc_sdk.experiments.charts import Line, lines_png, matrix_png
    from npc_sdk.experiments.metrics import mean
    from npc_sdk.experiments.sweep import NAMES

    charts = []
    for v, curve in zip(result.verdicts, result.curves, strict=True):
        values = curve.metrics[:, :, NAMES.index(v.metric)]  # levels seeds
        middle = mean(values, axis=1)
        paired = values - mean(values, axis=0)  # what is left when the fight's own luck is taken out
        error = np.sqrt(mean(paired**2, axis=1) / values.shape[1])
        note = (
            f"should {'rise' if v.direction == 'rises' else 'fall'}, rho {v.spearman:+.2f}, moved {100 * v.moved:.0f} %"
        )
        charts.append(
            Line(
                f"{v.term}: {v.metric}",
                f"{note} ({v.grade})",
                result.config.levels,
                middle.tolist(),
                (middle - error).tolist(),
                (middle + error).tolist(),
            )
        )
    lines_png(out / "steer.png", charts)
    used = [k for k, name in enumerate(NAMES) if any(v.metric == name for v in result.verdicts)]
    names = [NAMES[k] for k in used]
    title = "from weight 1/8 to 8: change of each metric in random-to-best ranges"
    matrix_png(out / "cross_talk.png", result.talk[:, used], [v.term for v in result.verdicts], names, title)
