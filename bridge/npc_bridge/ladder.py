"""The last hop: which command an NPC gets in this tick, whatever became of the brain. Normative in PROTOCOL.md, Ladder.

Arithmetic only: no I/O, no clock, no geometry. A certified step runs only in its own tick and only from the place it
was certified for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import LocalProtocolError
from .messages import (
    RUNG_BRAKE,
    RUNG_CALLBACK,
    RUNG_NONE,
    RUNG_PLAN,
    RUNG_TAIL,
    U8,
    U16,
    Action,
    Executing,
    Floats,
    U32s,
)
from .schema import MOVE, Schema

HELD = 8  # newest actions kept: enough for m = 6 steps, 6 ticks of lead and one action per tick
FRESH_STEPS = 4  # steps after which a newer chunk is overdue: three ticks between decisions, and one of grace
VELOCITY_TOLERANCE = 0.05  # m/s

Fallback: TypeAlias = Callable[[int, U32s, Floats], Floats]
"""The game's own behaviour: (tick, ids n, pose n 4) -> commands (n, k) for NPCs without a plan."""

_NEVER = -1


@dataclass(frozen=True, slots=True, eq=False)
class LadderResult:
    """What n NPCs do in one tick.

    Args:
        commands: n k, always finite and within the channels' ranges.
        rung: n, RUNG_*.
        chunk: n, of the step that runs; 0 on rungs below the tail.
        step: n, its index; 0 on rungs below the tail.
    """

    commands: Floats
    rung: U8
    chunk: U32s
    step: U16


@dataclass(frozen=True, slots=True)
class LadderCounters:
    """NPC-ticks per rung since the start, and what was not executed."""

    planned: int = 0
    tail: int = 0
    callback: int = 0
    brake: int = 0
    stale_dropped: int = 0  # NPC rows of actions that came too late, twice, or for another session
    off_pose: int = 0  # NPC-ticks in which the newest due chunk did not match the NPC's pose


class Ladder:
    """Holds the newest actions of a session and picks every NPC's command.

    Args:
        schema: names the channels (`move_x` and `move_y` are the velocity), their defaults and the brake.
        fallback: the game's own behaviour; without it NPCs brake.
        counters: to go on counting from, those of the ladder this one replaces.
    """

    def __init__(
        self, schema: Schema, fallback: Fallback | None = None, counters: LadderCounters | None = None
    ) -> None:
        self._fallback = fallback
        self._dt = schema.dt
        self._brake = schema.kinematics.brake
        self._low = np.array([c.low for c in schema.channels], np.float32)
        self._high = np.array([c.high for c in schema.channels], np.float32)
        self._default = np.array([c.default for c in schema.channels], np.float32)
        self._hold = np.array([c.hold for c in schema.channels])
        self._move = np.array([schema.channel(name) for name in MOVE], np.intp)
        self._counts = asdict(counters or LadderCounters())
        self._last_ids = np.zeros(0, np.uint32)
        self._last_commands = np.zeros((0, len(schema.channels)), np.float32)
        self._executing = Executing.none()
        self.start(0)

    def start(
        self, session: int, fresh_steps: int = FRESH_STEPS, velocity_tolerance: float = VELOCITY_TOLERANCE
    ) -> None:
        """Begins a session with the numbers of its WELCOME; chunks of the one before are dropped."""
        self._session = session
        self._tick = _NEVER
        self._fresh_steps = fresh_steps
        self._velocity_tolerance = velocity_tolerance
        self._chunk = _NEVER
        self._slot = 0
        self._table = _Table.empty(np.zeros(0, np.uint32), 1, len(self._default))

    @property
    def session(self) -> int:
        """The session whose actions are accepted, 0 before the first."""
        return self._session

    @property
    def counters(self) -> LadderCounters:
        """What has happened so far."""
        return LadderCounters(**self._counts)

    @property
    def executing(self) -> Executing:
        """What each NPC did in the last tick; goes into the next snapshot."""
        return self._executing

    def accept(self, action: Action) -> bool:
        """Takes a checked action in; False if it is stale and was dropped."""
        last = min(action.valid_until_tick, action.apply_tick + action.steps.shape[1] - 1)
        if action.session != self._session or action.chunk <= self._chunk or last <= self._tick:
            self._counts["stale_dropped"] += len(action.ids)
            return False
        self._chunk = action.chunk
        self._table = self._table.wide_enough(action)
        self._slot = (self._slot + 1) % HELD
        self._table.put(action, self._slot)
        return True

    def step(
        self, tick: int, ids: U32s, pose: NDArray[np.floating], alive: NDArray[np.bool_] | None = None
    ) -> LadderResult:
        """Picks the commands of one tick.

        Args:
            tick: the engine's; expected to grow.
            ids: n NPC ids.
            pose: n 4, x y vx vy before this tick moves anybody, m and m/s.
            alive: n; the dead get default commands and rung RUNG_NONE.
        """
        n = len(ids)
        if pose.shape != (n, 4):
            raise LocalProtocolError(f"pose: expected shape {(n, 4)}, got {pose.shape}")
        ids = np.asarray(ids, np.uint32)
        here = np.asarray(pose, np.float64)
        living = np.ones(n, np.bool_) if alive is None else np.asarray(alive, np.bool_)
        pick = self._table.pick(tick, ids, here, self._velocity_tolerance)
        commands = self._without_plan(ids, here, pick.brake, pick.found)
        runs = pick.runs & living
        commands[runs] = pick.steps[runs]
        fresh = (pick.chunk == pick.newest_due) & (pick.age < self._fresh_steps)
        rung = np.where(runs, np.where(fresh, RUNG_PLAN, RUNG_TAIL), RUNG_BRAKE).astype(np.uint8)
        rung[~living] = RUNG_NONE
        commands[~living] = self._default
        self._call_back(tick, ids, here, living & ~pick.any_valid, commands, rung)
        self._count(rung, int((pick.off_pose & living).sum()))
        chunk = np.where(runs, pick.chunk, 0).astype(np.uint32)
        step = np.where(runs, pick.age, 0).astype(np.uint16)
        self._tick = tick
        self._last_ids, self._last_commands = ids.copy(), commands
        self._executing = Executing(self._last_ids, chunk, step, rung)
        return LadderResult(commands.copy(), rung, chunk, step)

    def _without_plan(
        self, ids: U32s, pose: NDArray[np.float64], brake: NDArray[np.float64], found: NDArray[np.bool_]
    ) -> Floats:
        """Returns braking commands: v max(0, 1 - A dt / |v|) on the move channels, the others held or default."""
        commands = np.tile(self._default, (len(ids), 1))
        if self._hold.any():
            commands[:, self._hold] = self._last_of(ids)[:, self._hold]
        velocity = np.where(np.isfinite(pose[:, 2:]), pose[:, 2:], 0.0)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        slowing = np.where(found, brake, self._brake) * self._dt
        kept = np.maximum(0.0, 1.0 - slowing / np.maximum(speed, 1e-12))
        commands[:, self._move] = np.clip(velocity * kept[:, None], self._low[self._move], self._high[self._move])
        return commands

    def _last_of(self, ids: U32s) -> Floats:
        if np.array_equal(ids, self._last_ids):
            return self._last_commands
        commands = np.tile(self._default, (len(ids), 1))
        _, now, before = np.intersect1d(ids, self._last_ids, return_indices=True)
        commands[now] = self._last_commands[before]
        return commands

    def _call_back(
        self,
        tick: int,
        ids: U32s,
        pose: NDArray[np.float64],
        needed: NDArray[np.bool_],
        commands: Floats,
        rung: U8,
    ) -> None:
        """Lets the game command the NPCs without a time-valid chunk; what it gets wrong stays a brake."""
        if self._fallback is None or not needed.any():
            return
        wanted = np.asarray(self._fallback(tick, ids[needed], pose[needed].astype(np.float32)), np.float32)
        if wanted.shape != (int(needed.sum()), len(self._default)):
            raise LocalProtocolError(
                f"fallback: expected shape {(int(needed.sum()), len(self._default))}, got {wanted.shape}"
            )
        usable = np.isfinite(wanted).all(axis=1)
        rows = np.flatnonzero(needed)[usable]
        commands[rows] = np.clip(wanted[usable], self._low, self._high)
        rung[rows] = RUNG_CALLBACK

    def _count(self, rung: U8, off_pose: int) -> None:
        per_rung = np.bincount(rung, minlength=RUNG_NONE)
        for name, index in (
            ("planned", RUNG_PLAN),
            ("tail", RUNG_TAIL),
            ("callback", RUNG_CALLBACK),
            ("brake", RUNG_BRAKE),
        ):
            self._counts[name] += int(per_rung[index])
        self._counts["off_pose"] += off_pose


@dataclass(frozen=True, slots=True, eq=False)
class _Pick:
    """The newest chunk that each of n NPCs may run now."""

    runs: NDArray[np.bool_]
    any_valid: NDArray[np.bool_]  # some chunk is time-valid, on its pose or not
    off_pose: NDArray[np.bool_]  # the newest time-valid chunk does not match the pose
    found: NDArray[np.bool_]  # the NPC was named by some held action
    chunk: NDArray[np.int64]
    newest_due: NDArray[np.int64]
    age: NDArray[np.int64]  # ticks since the chunk's first step
    steps: Floats  # n k
    brake: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Held chunks per NPC: r NPCs sorted by id, HELD slots written in turn, m steps, k channels."""

    ids: U32s  # r
    chunk: NDArray[np.int64]  # r HELD, _NEVER where empty
    apply: NDArray[np.int64]  # r HELD
    until: NDArray[np.int64]  # r HELD, last tick that has a step
    tolerance: NDArray[np.float64]  # r HELD
    steps: Floats  # r HELD m k
    expected: Floats  # r HELD m 4
    brake: NDArray[np.float64]  # r HELD

    @classmethod
    def empty(cls, ids: U32s, m: int, k: int) -> _Table:
        r = len(ids)
        return cls(
            ids=ids,
            chunk=np.full((r, HELD), _NEVER, np.int64),
            apply=np.zeros((r, HELD), np.int64),
            until=np.full((r, HELD), _NEVER, np.int64),
            tolerance=np.zeros((r, HELD)),
            steps=np.zeros((r, HELD, m, k), np.float32),
            expected=np.zeros((r, HELD, m, 4), np.float32),
            brake=np.zeros((r, HELD)),
        )

    def wide_enough(self, action: Action) -> _Table:
        """Returns a table with a row for every NPC of the action; NPCs no held action names give up theirs."""
        m = action.steps.shape[1]
        if m <= self.steps.shape[2]:
            if np.array_equal(action.ids, self.ids):
                return self
            if np.isin(action.ids, self.ids, assume_unique=True).all():
                return self
        named = (self.chunk > _NEVER).any(axis=1)
        ids = np.union1d(self.ids[named], action.ids).astype(np.uint32)
        wider = _Table.empty(ids, max(m, self.steps.shape[2]), action.steps.shape[2])
        rows = np.searchsorted(ids, self.ids[named])
        for name in ("chunk", "apply", "until", "tolerance", "brake"):
            getattr(wider, name)[rows] = getattr(self, name)[named]
        held = self.steps.shape[2]
        wider.steps[rows, :, :held] = self.steps[named]
        wider.expected[rows, :, :held] = self.expected[named]
        return wider

    def put(self, action: Action, slot: int) -> None:
        """Writes an action into a slot of its NPCs; the slot of all others becomes empty."""
        m = action.steps.shape[1]
        rows = np.searchsorted(self.ids, action.ids)
        self.chunk[:, slot] = _NEVER
        self.until[:, slot] = _NEVER
        self.chunk[rows, slot] = action.chunk
        self.apply[rows, slot] = action.apply_tick
        self.until[rows, slot] = min(action.valid_until_tick, action.apply_tick + m - 1)
        self.tolerance[rows, slot] = action.tolerance
        self.steps[rows, slot, :m] = action.steps
        self.expected[rows, slot, :m] = action.expected
        self.brake[rows, slot] = action.brake

    def pick(self, tick: int, ids: U32s, pose: NDArray[np.float64], velocity_tolerance: float) -> _Pick:
        if not len(self.ids):
            return _nothing(len(ids), self.steps.shape[3])
        row = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found = self.ids[row] == ids
        chunk = np.where(found[:, None], self.chunk[row], _NEVER)  # n HELD
        age = tick - self.apply[row]  # n HELD
        due = (chunk > _NEVER) & (age >= 0)
        valid = due & (tick <= self.until[row])
        at = np.where(valid, age, 0)
        slots = np.arange(HELD)[None, :]
        off = pose[:, None, :] - self.expected[row[:, None], slots, at]  # n HELD 4
        near = (off[..., :2] ** 2).sum(axis=-1) <= self.tolerance[row] ** 2  # false for NaN
        steady = (off[..., 2:] ** 2).sum(axis=-1) <= velocity_tolerance**2
        ok = valid & near & steady
        best = np.where(ok, chunk, _NEVER).argmax(axis=1)
        each = np.arange(len(ids))
        runs = ok[each, best]
        newest_valid = np.where(valid, chunk, _NEVER).argmax(axis=1)
        any_valid: NDArray[np.bool_] = np.any(valid, axis=1)
        return _Pick(
            runs=runs,
            any_valid=any_valid,
            off_pose=any_valid & ~ok[each, newest_valid],
            found=np.asarray((chunk > _NEVER).any(axis=1)),
            chunk=chunk[each, best],
            newest_due=np.where(due, chunk, _NEVER).max(axis=1),
            age=at[each, best],
            steps=self.steps[row, best, at[each, best]],
            brake=self.brake[row, chunk.argmax(axis=1)],
        )


def _nothing(n: int, k: int) -> _Pick:
    no = np.zeros(n, np.bool_)
    never = np.full(n, _NEVER, np.int64)
    return _Pick(no, no, no, no, never, never, np.zeros(n, np.int64), np.zeros((n, k), np.float32), np.zeros(n))
