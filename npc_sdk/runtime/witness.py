"""Compares what was declared with what a snapshot shows. Reports; decides nothing.

K1: a body moves as it was told. The snapshot says which step of which chunk, or that the brake, drove an NPC in the
tick before it; what that came to is known here. K4: nobody else is faster than the rules about them declare. Both are
docs/explanation/shield.md. Who was not there, alive and under the same id, in the snapshot before is not judged: it has
spawned. Nor is an NPC that is in the air, that the game's callback drove, or whose chunk is not one of ours: nobody
knows what it was told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_bridge.ladder import VELOCITY_TOLERANCE
from npc_bridge.messages import RUNG_BRAKE, RUNG_TAIL, Action, Executing, Snapshot
from npc_bridge.schema import MOVE, POSE, Schema
from npc_sdk.constraints import RuleTables

EXECUTED = (
    1e-3  # m that a tick's motion may differ from its command's: the shield's eps, and what the audit calls exact
)
JUMP = 1.0  # m beyond what the declared speed allows: nobody runs like that, somebody was put there
_ULPS = 8  # of float32 at the largest coordinate, as the shield's eps
_HELD = 64  # newest chunks kept: far more than the game's own ladder holds, as many of them may have been lost

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Breach:
    """One entity that did not do what was declared, between the last snapshot and this one.

    `what` is `place` or `velocity` (K1: it is not where, or not as fast as, it was told to be), `speed` or `jump` (K4:
    on average faster than declared; further than declared by over a metre).
    """

    tick: int  # of the snapshot that shows it
    entity: int
    assumption: str  # "K1" or "K4"
    what: str
    excess: float  # how far off, in `unit`
    unit: str  # "m" or "m/s"


@dataclass(frozen=True, slots=True)
class Findings:
    """What one look came to."""

    judged: int = 0  # entities whose motion could be compared
    breaches: tuple[Breach, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rows:
    """One entity type's living rows in one snapshot."""

    ids: NDArray[np.uint32]  # n
    pose: Floats  # n 4


@dataclass(frozen=True, slots=True)
class _Told:
    """What one NPC can have been told: a velocity, and from where if the snapshot before does not show that."""

    velocity: Floats  # n 2, NaN where it was not told this
    start: Floats  # n 2, m
    slack: Floats  # n, m, how far from `start` it may have been


class Witness:
    """Watches one game: `tell` it every chunk that is sent, `look` at every snapshot."""

    def __init__(self, schema: Schema) -> None:
        self._dt = schema.dt
        self._schema = schema
        self._move = np.array([schema.channel(name) for name in MOVE], np.intp)
        self._low = np.array([schema.channels[c].low for c in self._move])
        self._high = np.array([schema.channels[c].high for c in self._move])
        self._npcs = [e.name for e in schema.entities if e.role == "npc" and e.has_pose]
        self._others = [(e.name, {e.name, e.role}) for e in schema.entities if e.role != "npc" and e.has_pose]
        self._session = 0
        self._begin(0)

    def _begin(self, session: int) -> None:
        self._session = session
        self._issued: deque[Action] = deque(maxlen=_HELD)  # oldest first
        self._ran = 0  # the newest chunk that the game is known to hold
        self._tick = -1
        self._rows: Mapping[str, _Rows] = {}

    def tell(self, action: Action) -> None:
        """Notes what the NPCs are told from now on."""
        if action.session != self._session:
            self._begin(action.session)
        self._issued.append(action)

    def look(self, snapshot: Snapshot, tables: RuleTables) -> Findings:
        """Compares a snapshot with the one before it.

        Args:
            snapshot: newer than the one before.
            tables: the rules in force.
        """
        if snapshot.session != self._session:
            self._begin(snapshot.session)
        rows = {name: self._read(snapshot, name) for name in (*self._npcs, *(name for name, _ in self._others))}
        running = set(snapshot.executing.chunk.tolist())  # of an ended session, too, until the game has its first chunk
        self._ran = max([self._ran, *(action.chunk for action in self._issued if action.chunk in running)])
        findings = []
        if 0 <= self._tick < snapshot.tick:
            for name in self._npcs:
                findings.append(self._as_told(snapshot, *_both(self._rows[name], rows[name])))
            for name, names in self._others:
                speeds = [rule.top_speed for rule in tables.apart if rule.to in names and rule.binds.any()]
                if speeds:
                    findings.append(self._no_faster(snapshot.tick, min(speeds), *_both(self._rows[name], rows[name])))
        self._tick, self._rows = snapshot.tick, rows
        return Findings(sum(f.judged for f in findings), tuple(b for f in findings for b in f.breaches))

    def _read(self, snapshot: Snapshot, name: str) -> _Rows:
        block = snapshot.blocks.get(name)
        if block is None:
            return _Rows(np.zeros(0, np.uint32), np.zeros((0, 4)))
        alive = self._schema.role_column(name, "alive")
        living = np.ones(len(block.ids), np.bool_) if alive is None else block.values[:, alive] > 0.5
        flies = self._schema.role_column(name, "airborne")
        if flies is not None:  # it does not do what it is told, and says so
            living &= block.values[:, flies] <= 0.5
        columns = np.array([self._schema.role_column(name, role) for role in POSE], np.intp)
        return _Rows(block.ids[living], block.values[living][:, columns].astype(np.float64))

    def _as_told(self, snapshot: Snapshot, ids: NDArray[np.uint32], before: Floats, now: Floats) -> Findings:
        """K1: looks at the last tick of every NPC that the brain drove in it."""
        doing = _doing(snapshot.executing, ids)
        gap = snapshot.tick - self._tick
        running = set(doing.chunk.tolist())
        ran = [action for action in self._issued if action.chunk in running]
        told = [self._step(action, snapshot.tick - 1, ids, before, doing, gap) for action in ran]
        if gap == 1 and (doing.rung == RUNG_BRAKE).any():
            told += [self._braked(rates, doing.rung, before) for rates in self._rates(ids, before, now)]
        if not told:
            return Findings()
        velocity = np.stack([t.velocity for t in told])  # c n 2
        place = np.stack([t.start for t in told]) + velocity * self._dt
        off = np.hypot(*np.moveaxis(now[:, :2] - place, -1, 0)) - np.stack([t.slack for t in told])  # c n
        pace = np.hypot(*np.moveaxis(now[:, 2:] - velocity, -1, 0))
        known = ~np.isnan(pace)
        best = np.where(known, np.maximum(off, pace * self._dt), np.inf).argmin(0)
        column = np.arange(len(ids))
        off, pace, known = off[best, column], pace[best, column], known[best, column]
        tolerance = _tolerance(now)
        far = known & (off > tolerance)
        fast = known & ~far & (pace > min(tolerance / self._dt, VELOCITY_TOLERANCE))
        found = [Breach(snapshot.tick, int(ids[i]), "K1", "place", float(off[i]), "m") for i in np.flatnonzero(far)]
        found += [
            Breach(snapshot.tick, int(ids[i]), "K1", "velocity", float(pace[i]), "m/s") for i in np.flatnonzero(fast)
        ]
        return Findings(int(known.sum()), tuple(found))

    def _step(
        self, action: Action, tick: int, ids: NDArray[np.uint32], before: Floats, doing: _Doing, gap: int
    ) -> _Told:
        """Who ran a step of this chunk, and what it said.

        After a gap the start of the tick is not in any snapshot. It is where the chunk expected it, within its
        tolerance, or the last hop would not have run the step.
        """
        age = tick - action.apply_tick
        runs = (doing.rung <= RUNG_TAIL) & (doing.chunk == action.chunk) & (doing.step == age)
        velocity, start, slack = np.full((len(ids), 2), np.nan), before[:, :2].copy(), np.zeros(len(ids))
        if runs.any() and 0 <= age < action.steps.shape[1]:
            row, named = _rows_of(action.ids, ids)
            runs &= named
            velocity[runs] = action.steps[row[runs], age][:, self._move]
            if gap > 1:
                start[runs] = action.expected[row[runs], age, :2]
                slack[runs] = action.tolerance[row[runs]]
        return _Told(velocity, start, slack)

    def _braked(self, rates: Floats, rung: NDArray[np.uint8], before: Floats) -> _Told:
        """What the last hop makes of the brake at these rates, m/s^2 (PROTOCOL.md, Ladder)."""
        speed = np.hypot(before[:, 2], before[:, 3])
        kept = np.maximum(0.0, 1.0 - rates * self._dt / np.maximum(speed, 1e-12))
        velocity = np.clip(before[:, 2:] * kept[:, None], self._low, self._high)
        velocity[rung != RUNG_BRAKE] = np.nan
        return _Told(velocity, before[:, :2], np.zeros(len(before)))

    def _rates(self, ids: NDArray[np.uint32], before: Floats, now: Floats) -> list[Floats]:
        """The rates at which each NPC may be braking: those of every chunk that may be the newest the game has.

        It has the newest that it ran; each later one may have come or been lost. Who has run none of this session may
        have one of an earlier session, of which nothing is known but that it asks for no more than the body can do.
        """
        out, settled = list[Floats](), np.zeros(len(ids), np.bool_)
        for action in reversed(self._issued):
            row, named = _rows_of(action.ids, ids)
            rates = np.where(named & ~settled, action.brake[row].astype(np.float64), np.nan)
            if not any(np.array_equal(rates, other, equal_nan=True) for other in out):
                out.append(rates)
            if action.chunk == self._ran:
                settled |= named
            if settled.all():
                return out
        speed = np.hypot(before[:, 2], before[:, 3])
        along = (now[:, 2:] * before[:, 2:]).sum(1) / np.maximum(speed, 1e-12)
        former = np.clip((speed - along) / self._dt, 0.0, self._schema.kinematics.brake)
        return [*out, np.where(settled, np.nan, former)]

    def _no_faster(self, tick: int, top_speed: float, ids: NDArray[np.uint32], before: Floats, now: Floats) -> Findings:
        """K4: looks at how far everybody else came."""
        passed = (tick - self._tick) * self._dt
        further = np.hypot(*(now[:, :2] - before[:, :2]).T) - top_speed * passed
        found = []
        for i in np.flatnonzero(further > _tolerance(now)):
            excess = float(further[i])
            if excess > JUMP:
                found.append(Breach(tick, int(ids[i]), "K4", "jump", excess, "m"))
            else:
                found.append(Breach(tick, int(ids[i]), "K4", "speed", excess / passed, "m/s"))
        return Findings(len(ids), tuple(found))


@dataclass(frozen=True, slots=True)
class _Doing:
    """What each of n NPCs did in the last tick; rung 255 where the snapshot does not say."""

    chunk: NDArray[np.int64]
    step: NDArray[np.int64]
    rung: NDArray[np.uint8]


def _doing(executing: Executing, ids: NDArray[np.uint32]) -> _Doing:
    row, named = _rows_of(executing.ids, ids)
    if not len(executing.ids):
        return _Doing(np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64), np.full(len(ids), 255, np.uint8))
    rung = np.where(named, executing.rung[row], 255).astype(np.uint8)
    return _Doing(executing.chunk[row].astype(np.int64), executing.step[row].astype(np.int64), rung)


def _both(before: _Rows, now: _Rows) -> tuple[NDArray[np.uint32], Floats, Floats]:
    """Returns who lives in both snapshots, and their poses in each."""
    ids, first, second = np.intersect1d(before.ids, now.ids, assume_unique=True, return_indices=True)
    return ids, before.pose[first], now.pose[second]


def _rows_of(known: NDArray[np.uint32], ids: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Returns the row of each of `ids` in `known`, and whether it is there."""
    if not len(known):
        return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
    order = np.argsort(known)
    row = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
    return row, known[row] == ids


def _tolerance(pose: Floats) -> float:
    """How far off a place may be, m: a millimetre, or what float32 coordinates of this size cannot tell."""
    largest = np.float32(np.abs(pose[:, :2]).max(initial=0.0))
    return max(EXECUTED, _ULPS * float(np.spacing(largest)))
