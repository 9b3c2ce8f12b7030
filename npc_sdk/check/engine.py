"""`npc-sdk check engine`: how often an engine's bodies do not do what they are told, and what that costs the rules."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npc_sdk.experiments.report import Json, add_json, emit, table

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.executed import Floats, Judged, Play

_FREE = "free"  # ticks in which the game knows of nothing that was in the way
_MM = 1e3


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("engine", help="compare what an engine's bodies were told with what they did")
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG", help="what games printed: docs/howto/engines.md")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check engine`. Returns 1 if rules were broken in every log, or in any by an NPC itself.

    Raises:
        InputError: a file is no such log.
    """
    from npc_sdk.experiments.executed import judge, read_play

    plays = sorted((read_play(path) for path in args.logs), key=lambda play: (play.engine, play.less, play.tolerance))
    rows = [_figures(play, judge(play)) for play in plays]
    smallest = _smallest(rows)
    passed = bool(smallest) and not any(row["npc_violations"] for row in rows)
    figures = {"passed": passed, "smallest": [_named(row) for row in smallest], "plays": rows}
    emit(_lines(rows, smallest, passed), figures, args.json)
    return 0 if passed else 1


def _smallest(rows: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """Returns of each engine the first log from which on, in both numbers, no rule broke."""
    out: dict[Json, Mapping[str, Json]] = {}
    for row in rows:
        beyond = [r for r in rows if r["engine"] == row["engine"] and _at_least(r, row)]
        if not any(r["violations"] for r in beyond):
            out.setdefault(row["engine"], row)
    return list(out.values())


def _at_least(row: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    return all(row[name] >= other[name] for name in ("less", "tolerance_m"))  # type: ignore[operator] # both are numbers


def _named(row: Mapping[str, Json]) -> dict[str, Json]:
    return {name: row[name] for name in ("engine", "less", "tolerance_m")}


def _figures(play: Play, judged: Judged) -> dict[str, Json]:
    from npc_sdk.audit import BRAKE, PLAN

    causes = [{"cause": str(name) or _FREE, **_spread(play.off[play.cause == name])} for name in np.unique(play.cause)]
    return {
        "engine": play.engine,
        "less": round(play.less, 4),
        "tolerance_m": play.tolerance,
        "npc_ticks": play.rung.size,
        "led": _spread(play.off[play.led]),
        "causes": causes,
        "on_plan": _share(play.rung[play.led] == PLAN),
        "on_brake": _share(play.rung[play.led] == BRAKE),
        "violations": len(judged.led),
        "rules": dict(Counter(violation.rule for violation in judged.led)),
        "npc_violations": judged.npcs,
        "game_violations": judged.games,
        "deepest_m": judged.deepest,
        "nearest_m": judged.nearest,
    }


def _spread(off: Floats) -> dict[str, Json]:
    """How often motion differed, and by how much where it did."""
    from npc_sdk.experiments.executed import OFF

    far = off[off > OFF]
    marks = np.quantile(far, (0.5, 0.9, 0.99, 1.0)) if len(far) else np.zeros(4)
    names = ("p50_mm", "p90_mm", "p99_mm", "max_mm")
    return {
        "ticks": off.size,
        "off": _share(off > OFF),
        **{name: float(mark) * _MM for name, mark in zip(names, marks, strict=True)},
    }


def _share(which: np.ndarray) -> float:
    return float(which.mean()) if which.size else 0.0


def _lines(rows: Sequence[Mapping[str, Json]], smallest: Sequence[Mapping[str, Json]], passed: bool) -> list[str]:
    lines = list[str]()
    for row in rows:
        lines += [
            f"{row['engine']}: declared {_percent(row['less'])} less than bodies can do, pose tolerance "
            f"{row['tolerance_m']:g} m, {row['npc_ticks']} NPC-ticks; led: on a plan {_percent(row['on_plan'])}, "
            f"on the brake {_percent(row['on_brake'])}",
            *_by_cause(row),
            f"rules broken while led: {row['violations']} NPC-ticks {row['rules'] or ''}, {row['npc_violations']} by "
            f"NPCs, up to {row['deepest_m']:.3f} m in a zone; by knock-back and teleports: {row['game_violations']}",
            f"least room to a zone while led: {row['nearest_m']:.4f} m",
            "",
        ]
    lines += [
        f"{row['engine']}: no rule was broken while led from {_percent(row['less'])} less, {row['tolerance_m']:g} m on"
        for row in smallest
    ]
    return [*lines, "passed" if passed else "failed: rules were broken in every log, or by NPCs"]


def _by_cause(row: Mapping[str, Json]) -> list[str]:
    led, causes = row["led"], row["causes"]
    assert isinstance(led, Mapping)
    assert isinstance(causes, list)
    header = ("", "NPC-ticks", "differ", "p50 mm", "p90 mm", "p99 mm", "max mm")
    body = []
    for found in ({"cause": "while led", **led}, *causes):
        marks = [f"{found[mark]:.1f}" for mark in ("p50_mm", "p90_mm", "p99_mm", "max_mm")]
        body.append([str(found["cause"]), str(found["ticks"]), _percent(found["off"]), *marks])
    return table(header, body)


def _percent(share: Json) -> str:
    assert isinstance(share, float)
    return f"{100 * share:.1f} %"
