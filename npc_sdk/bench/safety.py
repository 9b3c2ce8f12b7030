"""`npc-sdk bench safety`: what each approach to rules gives and costs, on the same episodes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from npc_sdk.experiments.charts import Bar
    from npc_sdk.experiments.safety import Outcome

WANTED_PRICE, WANTED_INTERVENED, WANTED_REACHED, WANTED_STUCK = 0.95, 0.02, 0.99, 0.005


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk bench safety`."""
    parser.add_argument("--model", default="constant-velocity", help="the planner's forecast (constant-velocity)")
    parser.add_argument("--seeds", type=count, default=16, help="episodes per row (16)")
    parser.add_argument("--first-seed", type=natural, default=9000, help="of the first; the others follow (9000)")
    parser.add_argument("--seconds", type=duration, default=40.0, help="length of an episode in game time (40)")
    parser.add_argument("--npcs", type=count, default=6, help="per episode (6)")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="only these, beside none and random (all)")
    parser.add_argument("--without", nargs="+", default=(), metavar="RULE", help="no rule of these kinds is asked for")
    parser.add_argument("--out", type=Path, required=True, help="folder for results; what is there is not done again")
    parser.add_argument("--jobs", type=count, default=1, help="processes (1)")
    parser.add_argument("--quick", action="store_true", help="1 seed, 1 s, 12 candidates: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench safety`. Returns 1 when an NPC behind the shield broke a rule."""
    import torch

    from npc_sdk.experiments import errands, safety
    from npc_sdk.experiments.charts import bars_png
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.serve.models import load

    torch.set_num_threads(1)
    if args.quick:
        args.seeds, args.seconds, args.candidates = 1, 1.0, 12
    _check_names("--rows", "row", args.rows or (), safety.ROWS)
    _check_names("--without", "rule", args.without, errands.RULES)
    needed = {*(args.rows or safety.ROWS), safety.CEILING, safety.FLOOR}
    rows = tuple(row for row in safety.ROWS if row in needed)
    without = tuple(sorted(set(args.without)))
    config = errands.ErrandsConfig(args.seeds, args.seconds, args.npcs, args.first_seed, without=without)
    how, loaded = PlannerConfig(candidates=args.candidates), load(args.model, torch.device("cpu"))
    named = loaded.sha256 or args.model
    with progress(len(rows) * args.seeds, "safety", "episode") as bar:
        results = safety.measure(config, how, loaded.forecast, named, rows, args.out, args.jobs, bar.update)
    prices = {row: safety.price(results, row) for row in rows}
    guarded = [row for row in rows if safety.ROWS[row].filter is None]
    broken = sum(int(results[row].columns["violations"].sum()) for row in guarded)
    figures: dict[str, Json] = {
        "passed": broken == 0,
        "rows": {row: _row(results[row]) | {"price": asdict(prices[row])} for row in rows},
        "model": args.model,
        "model_sha256": loaded.sha256,
        "candidates": args.candidates,
        "seeds": config.seeds,
        "first_seed": config.first_seed,
        "seconds": config.seconds,
        "npcs": config.npcs,
        "without": list(without),
        "split": config.split,
        "machine": machine(),
    }
    lines = _lines(results, {row: (p.all, p.low, p.high) for row, p in prices.items()})
    if safety.OURS in results:
        lines += _verdict(results[safety.OURS], figures)
    bars = _bars(results)
    bars_png(args.out / "safety.png", "errands per NPC and minute, and rules broken per 100,000 NPC-steps", bars)
    emit([*lines, f"picture: {args.out / 'safety.png'}"], figures, args.json)
    return 0 if broken == 0 else 1


def _check_names(option: str, what: str, names: Collection[str], known: Collection[str]) -> None:
    from npc_sdk.errors import InputError, nearest

    for name in names:
        if name not in known:
            raise InputError(f"{option}: unknown {what} {name!r}{nearest(name, known)}")


def _row(outcome: Outcome) -> dict[str, Json]:
    from npc_sdk.experiments.safety import ROWS

    return {
        "says": ROWS[outcome.row].says,
        "violations_per_100000": outcome.violations,
        "violations_by_rule": outcome.worst_rules,
        "steps": int(outcome.columns["steps"].sum()),
        "score": float(outcome.score.mean()),
        "scores": outcome.score.tolist(),
        "interventions": outcome.intervened,
        "wasted_candidates": outcome.wasted,
        "reached": outcome.reached,
        "deadlocked": outcome.stuck,
        "plan_ms_per_npc": outcome.plan_ms,
        "filter_us_per_npc": outcome.filter_us,
    }


def _lines(results: Mapping[str, Outcome], prices: Mapping[str, tuple[float, float, float]]) -> list[str]:
    head = (
        "approach",
        "broken / 1e5",
        "score",
        "price",
        "changed",
        "wasted",
        "reached",
        "deadlock",
        "plan ms",
        "after us",
    )
    body = []
    for row, o in results.items():
        share = "{:.2f} ({:.2f}-{:.2f})".format(*prices[row])
        shares = [f"{100 * x:.1f} %" for x in (o.intervened, o.wasted, o.reached, o.stuck)]
        numbers = [f"{o.violations:.1f}", f"{o.score.mean():.2f}", share, *shares]
        body.append([row, *numbers, f"{o.plan_ms:.2f}", f"{o.filter_us:.0f}"])
    return table(head, body)


def _verdict(ours: Outcome, figures: Mapping[str, Json]) -> list[str]:
    rows = figures["rows"]
    assert isinstance(rows, dict)
    price = rows[ours.row]["price"]
    kept = "none" if price["share_kept"] == 0 else f"{price['kept']:.2f}"
    return [
        f"price of safety {price['all']:.2f} (promise {WANTED_PRICE:g}); on the {100 * price['share_kept']:.0f} % of "
        f"episodes in which the unshielded break nothing: {kept}",
        f"interventions {100 * ours.intervened:.1f} % of NPC-ticks (promise {100 * WANTED_INTERVENED:g}), "
        f"errands done in time {100 * ours.reached:.1f} % (promise {100 * WANTED_REACHED:g}), "
        f"deadlocked for 5 s or more {100 * ours.stuck:.2f} % of NPC-ticks (promise {100 * WANTED_STUCK:g})",
    ]


def _bars(results: Mapping[str, Outcome]) -> list[Bar]:
    from npc_sdk.experiments.charts import Bar
    from npc_sdk.experiments.stats import paired_t

    bars = []
    for row, outcome in results.items():
        interval = paired_t(outcome.score)
        spread = max(interval.mean - interval.low, 0.0) if len(outcome.score) > 1 else 0.0
        bars.append(
            Bar(row, interval.mean, interval.mean - spread, interval.mean + spread, f"{outcome.violations:.0f}")
        )
    return bars
