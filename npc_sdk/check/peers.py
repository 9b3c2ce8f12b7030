"""`npc-sdk check peers`: hunts for a peer that the server cannot bear, over sockets, beside a game that behaves."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

import numpy as np

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.peers.hunt import Side

FULL = 10_000
MORE_LATE = 0.01  # share of answers that may be late beyond the control's
GROWTH_KIB = 64 * 1024  # what ZeroMQ holds of messages without an end, and lets go late


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("peers", help="attack a server with raw ZeroMQ scripts, drips and floods")
    parser.add_argument("--scripts", type=count, default=FULL, help="and as many of the control (10000)")
    parser.add_argument("--seed", type=natural, default=0)
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check peers`. Returns 1 when the server or the game beside them suffered."""
    from npc_sdk.experiments.peers.hunt import run

    sides = []
    with progress(2 * args.scripts, "check peers", "script") as bar:
        for well_behaved in (True, False):
            first = bar.n

            def told(done: int, first: int = first) -> None:
                bar.update(first + done - bar.n)

            sides.append(run(args.scripts, args.seed, well_behaved=well_behaved, told=told))
    control, side = sides
    figures = _figures(args, control, side)
    emit(_lines(figures), figures, args.json)
    return 0 if figures["passed"] else 1


def _figures(args: Namespace, control: Side, side: Side) -> dict[str, Json]:
    hostile, usual = _side(side), _side(control)
    late = side.late / max(1, side.answered) <= control.late / max(1, control.answered) + MORE_LATE
    whole = not side.died and not hostile["incidents"] and not hostile["slow"]
    kept = side.sessions == 1 and not side.unsafe and side.growth_kib <= GROWTH_KIB
    return {
        "passed": bool(whole and kept and late and side.answered > 0 and _is_control(control, usual)),
        "hostile": hostile,
        "control": usual,
        "seed": args.seed,
        "machine": machine(),
    }


def _is_control(side: Side, figures: dict[str, Json]) -> bool:
    """Says whether all peers of the control joined, and nobody was cut off."""
    return figures["joined"] == side.scripts + side.sessions and not figures["rebound"]


def _side(side: Side) -> dict[str, Json]:
    p50, p99 = np.percentile(side.latency_ms or [0.0], (50, 99))
    return {
        "scripts": side.scripts,
        "died": side.died,
        "status": side.status,
        "incidents": int(side.server.get("incidents", 0)),
        "slow": int(side.server.get("slow", 0)),
        "cpu_ms_max": side.server.get("cpu_ms_max", 0.0),
        "rss_kib": int(side.server.get("rss_kib", 0)),
        "growth_kib": side.growth_kib,
        "multipart": int(side.server.get("multipart", 0)),
        "refused": int(side.server.get("refused", 0)),
        "joined": int(side.server.get("joined", 0)),
        "rebound": int(side.server.get("rebound", 0)),
        "pushed": side.pushed,
        "answered": side.answered,
        "late": side.late,
        "latency_ms_p50": float(p50),
        "latency_ms_p99": float(p99),
        "unsafe": side.unsafe,
        "sessions": side.sessions,
        "faults": sorted(side.faults),
        "wall_s": side.wall_s,
    }


def _lines(figures: dict[str, Json]) -> list[str]:
    lines = []
    for name in ("hostile", "control"):
        side = figures[name]
        assert isinstance(side, dict)
        lines.append(
            f"{name}: {side['scripts']} scripts in {side['wall_s']:.0f} s; {side['joined']} sessions, "
            f"{side['rebound']} times cut off for memory; {side['incidents']} incidents, "
            f"{side['slow']} slow turns (longest {side['cpu_ms_max']:.1f} ms), memory {side['growth_kib'] / 1024:+.1f} "
            f"MiB; the game: {side['late']} of {side['answered']} answers late, p50 {side['latency_ms_p50']:.2f} ms, "
            f"p99 {side['latency_ms_p99']:.2f}, {side['sessions']} session, {side['faults'] or 'no faults'}"
        )
    return [*lines, "passed" if figures["passed"] else "failed"]
