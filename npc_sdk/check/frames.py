"""`npc-sdk check frames`: hunts for a frame that the bridge cannot bear, in process, by mutation."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from npc_bridge.errors import ErrorCode
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.fuzz.frames import Found

FULL = 10_000_000
GROWTH_KIB = 1024.0  # per million frames
SWING_KIB = 8 * 1024.0  # by which memory differs between shards
TELLING = 100_000  # frames: before, caches fill
SILENT = ("AUTH", "BUSY", "DEADLINE", "MODEL", "INTERNAL", "STALE")
"""Codes that no frame alone is answered with, and STALE, which small hunts do not always meet."""


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("frames", help="break frames and have server, client and board read them")
    parser.add_argument("--frames", type=count, default=FULL, help="(10000000)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="keep finished shards in this folder, and do not judge them again")
    parser.add_argument("--jobs", type=count, default=1, help="processes that judge (1)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check frames`. Returns 1 when a frame was too much, or the hunt met too little."""
    from npc_sdk.experiments.fuzz import frames

    start, total, held = time.perf_counter(), frames.Found(), list[float]()
    with progress(args.frames, "check frames", "frame") as bar:
        for found in frames.hunt(args.frames, args.seed, args.out, args.jobs):
            total.plus(found.table())
            total.examples += found.examples
            held.append(found.held_kib)
            bar.update(found.frames)
    figures = _figures(args, total, held, time.perf_counter() - start)
    emit(_lines(figures, total), figures, args.json)
    return 0 if figures["passed"] else 1


def _figures(args: Namespace, total: Found, held_kib: Sequence[float], wall_s: float) -> dict[str, Json]:
    codes = {code.name: int(total.codes[code]) for code in ErrorCode}
    unmet = [name for name, times in codes.items() if not times and name not in SILENT]
    growth, allowed = _growth(total.frames, held_kib) if total.frames >= TELLING else (None, 0.0)
    flat = growth is None or growth <= allowed
    clean = not (total.crashes or total.unsafe or total.slow)
    return {
        "passed": clean and flat and not unmet and 0 < total.accepted < total.frames,
        "frames": total.frames,
        "accepted": total.accepted,
        "crashes": total.crashes,
        "unsafe": total.unsafe,
        "slow": total.slow,
        "cpu_ms_max": total.cpu_ms_max,
        "growth_kib": growth,
        "growth_kib_allowed": allowed,
        "judgements": total.shapes,
        "refusals": [f"{name}: {times}" for name, times in codes.items()],
        "unmet": unmet,
        "seed": args.seed,
        "wall_s": wall_s,
        "machine": machine(),
    }


def _growth(frames: int, held_kib: Sequence[float]) -> tuple[float, float]:
    """Returns by how much memory grew from the middle third of the shards to the last, and by how much it may."""
    third = max(1, len(held_kib) // 3)
    growth = median(held_kib[-third:]) - median(held_kib[third : 2 * third])
    return growth, SWING_KIB + GROWTH_KIB * frames * (1.0 - 2.0 * third / len(held_kib)) / 1e6


def _lines(figures: dict[str, Json], total: Found) -> list[str]:
    lines = [f"example: {text[:300]}" for text in total.examples[:5]]
    lines.append(
        f"{total.frames} frames, {100 * total.accepted / total.frames:.0f} % let in: {total.crashes} crashes, "
        f"{total.unsafe} unsafe, {total.slow} slow; the longest took {total.cpu_ms_max:.1f} ms of CPU time; "
        f"memory {_told(figures)}"
    )
    refusals = figures["refusals"]
    assert isinstance(refusals, list)
    lines.append("refused: " + ", ".join(str(one) for one in refusals))
    return [*lines, "passed" if figures["passed"] else f"failed; codes that were not met: {figures['unmet']}"]


def _told(figures: dict[str, Json]) -> str:
    if figures["growth_kib"] is None:
        return f"is judged from {TELLING} frames on"
    return f"grew by {figures['growth_kib']:.0f} KiB, {figures['growth_kib_allowed']:.0f} are allowed"
