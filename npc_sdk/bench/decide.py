"""`npc-sdk bench decide`: does learning change decisions for the better, and what does a better one cost?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from npc_sdk.envs.arena.players import ALL_STYLES, STYLES
from npc_sdk.experiments import rival_options
from npc_sdk.experiments.report import Json, emit, machine, progress, table
from npc_sdk.options import count

if TYPE_CHECKING:
    from npc_sdk.experiments.charts import Bar
    from npc_sdk.experiments.decide import Outcome

_DUELS = (("learned_duet", "constant_velocity"), ("learned_duet", "z_reset"), ("learned_duet", "utility_ai"))


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk bench decide`."""
    rival_options.add_arguments(parser, first_seed=7000)
    parser.add_argument("--seeds", type=count, default=30, help="fights per style (30)")
    parser.add_argument("--styles", nargs="+", choices=ALL_STYLES, default=list(STYLES), help="of the players (4)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="only these (all)")
    parser.add_argument("--quick", action="store_true", help="1 seed, 1 s, 12 candidates: does it run at all")


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench decide`."""
    import torch

    from npc_sdk.errors import InputError, nearest
    from npc_sdk.experiments import decide
    from npc_sdk.experiments.charts import bars_png
    from npc_sdk.experiments.rivals import rivals

    torch.set_num_threads(1)
    if args.quick:
        args.seeds, args.seconds, args.candidates = 1, 1.0, 12
    rows = tuple(dict.fromkeys(args.rows or decide.NAMES))
    for row in rows:
        if row not in decide.NAMES:
            raise InputError(f"--rows: unknown row {row!r}{nearest(row, decide.NAMES)}")
    config = decide.DecideConfig(
        args.seeds, tuple(args.styles), args.seconds, args.npcs, args.first_seed, persona=args.persona
    )
    contestants, sha256 = rivals(args)
    with progress(len(decide.pieces(config, rows)), "decide", "batch") as bar:
        results = decide.measure(config, contestants, rows, args.out, sha256, args.jobs, bar.update)
    gains = {f"{a} - {b}": decide.gain(results, a, b) for a, b in _DUELS if {a, b} <= set(results)}
    figures: dict[str, Json] = {
        "rows": {name: _row(outcome) for name, outcome in results.items()},
        "gains": {name: asdict(gain) for name, gain in gains.items()},
        "model": args.model,
        "model_sha256": sha256,
        "persona": args.persona,
        "candidates": args.candidates,
        "seeds": config.seeds,
        "styles": list(config.styles),
        "seconds": config.seconds,
        "npcs": config.npcs,
        "first_seed": config.first_seed,
        "split": config.split,
        "machine": machine(),
    }
    lines = _lines(results)
    if {"learned_duet", "constant_velocity", "exact"} <= set(results):
        way = decide.closed(results, "learned_duet", "constant_velocity", "exact")
        figures["gap_closed"] = asdict(way)
        lines.append(f"way from constant velocity to exact: {way.share:.2f} ({way.low:.2f} to {way.high:.2f})")
    if {"frozen", "learned_duet"} <= set(results):
        figures["default"] = decide.default_row(results)
        lines.append(f"most score over frozen per millisecond: {figures['default']}")
    lines += [f"{name}: {gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})" for name, gain in gains.items()]
    bars = [_bar(name, outcome) for name, outcome in results.items()]
    bars_png(args.out / "decide.png", "damage dealt minus taken, hp", bars)
    emit([*lines, f"picture: {args.out / 'decide.png'}"], figures, args.json)
    return 0


def _row(outcome: Outcome) -> Json:
    score, interval = outcome.score, outcome.interval
    return {
        "score": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "fights": interval.pairs,
        "dealt": float(score.dealt.mean()),
        "taken": float(score.taken.mean()),
        "won": float(score.won.mean()),
        "ms_per_npc": outcome.ms_per_npc,
        "scores": score.score.tolist(),
    }


def _lines(results: dict[str, Outcome]) -> list[str]:
    body = []
    for name, outcome in results.items():
        s, i = outcome.score, outcome.interval
        numbers = [f"{i.mean:+.1f}", f"{i.mean - i.low:.1f}", f"{s.dealt.mean():.1f}", f"{s.taken.mean():.1f}"]
        body.append([name, *numbers, f"{100 * s.won.mean():.0f} %", f"{outcome.ms_per_npc:.2f}"])
    return table(("forecast", "score hp", "+-", "dealt", "taken", "won", "ms per NPC"), body)


def _bar(name: str, outcome: Outcome) -> Bar:
    from npc_sdk.experiments.charts import Bar

    i = outcome.interval
    return Bar(name, i.mean, i.low, i.high, f"{outcome.ms_per_npc:.2f} ms")
