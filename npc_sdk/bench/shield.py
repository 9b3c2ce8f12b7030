"""`npc-sdk bench shield`: what certifying a chunk costs on one core, compiled and in NumPy, taking turns."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import AllyDistance, RuleTables, compile_rules
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.experiments.zoo import Body, Outline
from npc_sdk.options import count
from npc_sdk.shield import Certified, Movers, Outstanding, ShieldConfig, certify

Floats = NDArray[np.float64]

STEPS = 6
DT = 1 / 30
SPEED, ACCELERATION, RADIUS, SPACING = 4.0, 16.0, 0.35, 1.0
PITCH = 2.2  # m between NPCs: leaves each about eight that it must be kept apart from
FAILING = 0.1  # most of the NPCs whose proposal fails and is expanded
SCENES = 6  # different ones, so that no answer comes from a warm cache alone
EDGES = 320
PROMISED_MS, PROMISED_TAIL, PROMISED_US = 1.0, 3.0, 5.0

CONTESTANTS: dict[str, ShieldConfig] = {
    "compiled": ShieldConfig(),
    "numpy": ShieldConfig(compiled=False),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One question to the shield."""

    movers: Movers
    tables: RuleTables
    outstanding: Outstanding
    proposals: Floats  # n m 2

    def ask(self, config: ShieldConfig) -> Certified:
        """Certifies."""
        return certify(self.movers, self.tables, self.outstanding, self.proposals, config=config)


def make_scene(seed: int, npcs: int, edges: int) -> Scene:
    """Draws a crowd between four-cornered obstacles, a chunk sent two ticks ago, and proposals of which few fail.

    The floor grows with the NPCs, so that each has as many neighbours; obstacles stand where four cells meet.
    """
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(npcs)))
    cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[:npcs] + 0.5
    corners = np.stack(np.meshgrid(np.arange(side + 1), np.arange(side + 1)), -1).reshape(-1, 2)
    chosen = corners[rng.permutation(len(corners))[: edges // 4 - 1]]
    turns = rng.uniform(0, np.pi, len(chosen))[:, None] + np.arange(4) * 0.5 * np.pi
    outlines = PITCH * chosen[:, None] + 0.35 * np.stack([np.cos(turns), np.sin(turns)], -1)  # w 4 2
    ids = np.arange(1, npcs + 1, dtype=np.uint32)
    home = PITCH * cells + rng.uniform(-0.25, 0.25, (npcs, 2))
    tables = compile_rules(
        [AllyDistance("spread", SPACING)],
        ids=ids,
        squads=np.zeros(npcs),
        homes=home,
        kinematics=Body(SPEED, ACCELERATION, ACCELERATION, RADIUS),
        walls=[Outline(f"wall {k}", "wall", tuple(map(tuple, points.tolist()))) for k, points in enumerate(outlines)],
        bounds=(-1.0, -1.0, side * PITCH + 1.0, side * PITCH + 1.0),
        dt=DT,
    )
    config, outstanding = ShieldConfig(), Outstanding()
    start = Movers(ids, home, np.zeros((npcs, 2)))
    first = certify(start, tables, outstanding, _headings(rng, npcs, SPEED), config=config)
    outstanding.add(0, STEPS - 1, ids, first.points, first.told)
    outstanding.forget(2)
    movers = Movers(ids, first.expected[:, 2, :2], first.expected[:, 2, 2:])
    calm = certify(movers, tables, outstanding, _headings(rng, npcs, 0.7 * SPEED), config=config)
    proposals, bold = calm.velocities.copy(), _headings(rng, npcs, SPEED)
    failing = expanded(certify(movers, tables, outstanding, bold, config=config)).nonzero()[0][: int(FAILING * npcs)]
    proposals[failing] = bold[failing]
    return Scene(movers, tables, outstanding, proposals)


def _headings(rng: np.random.Generator, npcs: int, speed: float) -> Floats:
    """One wish per NPC, the same at every step."""
    angle = rng.uniform(0, 2 * np.pi, (npcs, 1))
    return np.repeat(speed * np.stack([np.cos(angle), np.sin(angle)], -1), STEPS, axis=1)


def expanded(answer: Certified) -> NDArray[np.bool_]:
    """Says whose proposal failed and was replaced by a candidate."""
    return np.asarray((answer.rank >= 2).any(1))


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this process on one core, where the system lets it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def measure(npcs: int, edges: int, calls: int, done: Callable[[int], object]) -> dict[str, Json]:
    """Times every contestant on the same scenes, one after the other within each round, first one first in turn."""
    scenes = [make_scene(seed, npcs, edges) for seed in range(SCENES)]
    names = list(CONTESTANTS)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    share = {name: [float(expanded(scene.ask(CONTESTANTS[name])).mean()) for scene in scenes] for name in names}
    for call in range(calls):
        scene = scenes[call % SCENES]
        for k in range(len(names)):
            name = names[(call + k) % len(names)]
            wall, busy = time.perf_counter(), time.thread_time()
            scene.ask(CONTESTANTS[name])
            times[name].append(((time.perf_counter() - wall) * 1e3, (time.thread_time() - busy) * 1e3))
        done(1)
    row: dict[str, Json] = {"npcs": npcs, "edges": len(scenes[0].tables.edges), "calls": calls}
    rows = {name: _figures(np.array(times[name]), npcs, share[name]) for name in names}
    row |= rows
    row["ratio"] = rows["numpy"]["p50_ms"] / rows["compiled"]["p50_ms"]
    row["tail"] = rows["compiled"]["p99_ms"] / rows["compiled"]["p50_ms"]
    row["cpu_tail"] = rows["compiled"]["cpu_p99_ms"] / rows["compiled"]["cpu_p50_ms"]
    return row


def _figures(times: Floats, npcs: int, share: list[float]) -> dict[str, float]:
    """Summarises one contestant: wall time, and what of it this thread had the core for."""
    (p50, cpu_p50), (p95, _), (p99, cpu_p99) = np.percentile(times, [50, 95, 99], axis=0).tolist()
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "cpu_p50_ms": cpu_p50,
        "cpu_p99_ms": cpu_p99,
        "us_per_npc": p50 / npcs * 1e3,
        "expanded": float(np.mean(share)),
    }


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk bench shield`."""
    parser.add_argument("--calls", type=count, default=300, help="of 64 NPCs; a tenth as many of 1,024 (300)")
    parser.add_argument("--quick", action="store_true", help="12 calls: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench shield`."""
    calls = 12 if args.quick else args.calls
    few = max(SCENES, calls // 10)
    # The last crowd stands between as many obstacles per NPC as the first.
    sizes = [(64, EDGES, calls), (1024, EDGES, few), (1024, EDGES * 1024 // 64, few)]
    with one_core(), progress(sum(size[2] for size in sizes), "shield", "call") as bar:
        crowds = [measure(*size, bar.update) for size in sizes]
    first, second = crowds[0], crowds[1]
    figures: dict[str, Json] = {"passed": _kept(first, second), "crowds": crowds, "steps": STEPS, "machine": machine()}
    emit([*_lines(crowds), *_verdict(first, second)], figures, args.json)
    return 0 if args.quick or figures["passed"] else 1


def _of(crowd: Mapping[str, Json], key: str, name: str = "compiled") -> float:
    figures = crowd[name]
    assert isinstance(figures, Mapping)
    value = figures[key]
    assert isinstance(value, float)
    return value


def _kept(first: Mapping[str, Json], second: Mapping[str, Json]) -> bool:
    tail = first["tail"]
    assert isinstance(tail, float)
    fast = _of(first, "p50_ms") <= PROMISED_MS and tail <= PROMISED_TAIL
    return fast and _of(second, "us_per_npc") <= PROMISED_US


def _verdict(first: Mapping[str, Json], second: Mapping[str, Json]) -> list[str]:
    return [
        f"64 NPCs: {first['ratio']:.0f} times as fast as NumPy, p50 {_of(first, 'p50_ms'):.2f} ms "
        f"(promise {PROMISED_MS:g}), p99 {first['tail']:.1f} times that (promise {PROMISED_TAIL:g}; "
        f"{first['cpu_tail']:.1f} in CPU time)",
        f"1,024 NPCs: {second['ratio']:.0f} times as fast as NumPy, {_of(second, 'us_per_npc'):.1f} us per NPC "
        f"(promise {PROMISED_US:g})",
    ]


def _lines(crowds: list[dict[str, Json]]) -> list[str]:
    keys = ("p50_ms", "p95_ms", "p99_ms", "cpu_p50_ms", "cpu_p99_ms", "us_per_npc", "expanded")
    rows = [
        [f"{name}, {crowd['npcs']} NPCs, {crowd['edges']} edges", *(f"{_of(crowd, key, name):.3g}" for key in keys)]
        for crowd in crowds
        for name in CONTESTANTS
    ]
    return table(["shield", "p50 ms", "p95 ms", "p99 ms", "CPU p50", "CPU p99", "us/NPC", "expanded"], rows)
