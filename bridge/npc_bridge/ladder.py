"""The last hop: which command an NPC gets in this tick, whatever became of the brain. Normative in PROTOCOL.md, Ladder.

Arithmetic only: no I/O, no clock, no geometry. A certified step runs only in its own tick and only from the place it
was certified for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .cells import Floats
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
        before: the ladder that this one replaces: it goes on counting from there, and NPCs brake as they were told.
    """

    def __init__(self, schema: Schema, fallback: Fallback | None = None, before: Ladder | None = None) -> None:
        self._fallback = fallback
        self._dt = schema.dt
        self._brake = schema.kinematics.brake
        self._low = np.array([c.low for c in schema.channels], np.float32)
        self._high = np.array([c.high for c in schema.channels], np.float32)
        self._default = np.array([c.default for c in schema.channels], np.float32)
        self._hold = np.array([c.hold for c in schema.channels])
        self._move = np.array([schema.channel(name) for name in MOVE], np.intp)
        self._counts = asdict(before.counters if before else LadderCounters())
        self._last_ids: U32s = before._last_ids.copy() if before else np.zeros(0, np.uint32)
        self._last_commands = np.tile(self._default, (len(self._last_ids), 1))
        self._executing = Executing.none()
        self._held: deque[_Held] = deque(maxlen=HELD)  # newest first
        self._former = before._told() if before else {}  # m/s^2, by NPC: of its last chunk when this session began
        self.start(0)

    def start(
        self, session: int, fresh_steps: int = FRESH_STEPS, velocity_tolerance: float = VELOCITY_TOLERANCE
    ) -> None:
        """Begins a session with the numbers of its WELCOME; chunks of the one before are dropped.

        What an NPC brakes with stays: it may be on a brake that was certified with it, and what it was told last is all
        that is known of its rules.
        """
        self._former = self._told()
        self._held.clear()
        self._session = session
        self._tick = _NEVER
        self._fresh_steps = fresh_steps
        self._velocity_square = velocity_tolerance * velocity_tolerance  # infinite where `**` would raise
        self._chunk = _NEVER

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
        held = _Held(action, self._held[0] if self._held else None)
        if action.session != self._session or action.chunk <= self._chunk or held.last <= self._tick:
            self._counts["stale_dropped"] += len(action.ids)
            return False
        self._chunk = action.chunk
        self._held.appendleft(held)
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
        pick = self._pick(tick, ids, here, living)
        commands, runs = pick.commands, pick.runs
        if not runs.all():
            rest = ~runs
            commands[rest] = self._without_plan(ids[rest], here[rest])
            commands[~living] = self._default
        fresh = (pick.chunk == pick.newest_due) & (pick.age < self._fresh_steps)
        rung = np.where(runs, np.where(fresh, RUNG_PLAN, RUNG_TAIL), RUNG_BRAKE).astype(np.uint8)
        rung[~living] = RUNG_NONE
        self._call_back(tick, ids, here, living & ~pick.any_valid, commands, rung)
        self._count(rung, int(np.count_nonzero(pick.off_pose)))
        self._tick = tick
        self._last_ids, self._last_commands = ids.copy(), commands
        chunk, step = pick.chunk.astype(np.uint32), pick.age.astype(np.uint16)
        self._executing = Executing(self._last_ids, chunk, step, rung)
        return LadderResult(commands.copy(), rung, chunk, step)

    def _pick(self, tick: int, ids: U32s, pose: NDArray[np.float64], living: NDArray[np.bool_]) -> _Pick:
        """Goes through the held actions from the newest on, until every living NPC has a step that it may run."""
        pick = _Pick.none(len(ids), len(self._default))
        for held in self._held:
            age = tick - held.action.apply_tick
            if age < 0:
                continue
            row, named = held.rows(ids)
            if not named.any():
                continue
            pick.newest_due[named & (pick.newest_due == 0)] = held.action.chunk
            if tick > held.last:
                continue
            off = pose - held.action.expected[row, age]  # n 4
            square = off * off
            near = square[:, 0] + square[:, 1] <= held.action.tolerance[row].astype(np.float64) ** 2  # false for NaN
            steady = square[:, 2] + square[:, 3] <= self._velocity_square
            pick.offer(held.action, row, age, named & living, near & steady)
            if np.array_equal(pick.runs, living):
                break
        return pick

    def _without_plan(self, ids: U32s, pose: NDArray[np.float64]) -> Floats:
        """Returns braking commands: v max(0, 1 - A dt / |v|) on the move channels, the others held or default."""
        commands = np.tile(self._default, (len(ids), 1))
        if self._hold.any():
            commands[:, self._hold] = self._last_of(ids)[:, self._hold]
        velocity = np.where(np.isfinite(pose[:, 2:]), pose[:, 2:], 0.0)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        kept = np.maximum(0.0, 1.0 - self._brake_of(ids) * self._dt / np.maximum(speed, 1e-12))
        commands[:, self._move] = np.clip(velocity * kept[:, None], self._low[self._move], self._high[self._move])
        return commands

    def _told(self) -> dict[int, float]:
        """Returns m/s^2 by NPC of the last tick: what it brakes with."""
        return dict(zip(self._last_ids.tolist(), self._brake_of(self._last_ids).tolist(), strict=True))

    def _brake_of(self, ids: U32s) -> NDArray[np.float64]:
        """Returns n, m/s^2: of the newest held action that names the NPC, else its former one, else the schema's."""
        brake = np.array([self._former.get(npc, self._brake) for npc in ids.tolist()], np.float64)
        for held in reversed(self._held):
            row, named = held.rows(ids)
            brake[named] = held.action.brake[row[named]]
        return brake

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


class _Held:
    """One action, ready to be looked up by NPC."""

    def __init__(self, action: Action, before: _Held | None) -> None:
        self.action = action
        self.last = min(action.valid_until_tick, action.apply_tick + action.steps.shape[1] - 1)  # tick with a step
        self._ids = action.ids.tobytes()
        self._order: NDArray[np.intp]
        self._sorted: U32s
        if before is not None and before._ids == self._ids:  # as nearly always
            self._order, self._sorted = before._order, before._sorted
        else:
            self._order = np.argsort(action.ids)
            self._sorted = action.ids[self._order]

    def rows(self, ids: U32s) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Returns n, the action's row of each NPC, and n, whether it has one."""
        if not len(self._sorted):
            return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
        at = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        return self._order[at], self._sorted[at] == ids


@dataclass(slots=True, eq=False)
class _Pick:
    """The newest step that each of n NPCs may run now, filled in from the newest action to the oldest."""

    commands: Floats  # n k, meaningful where one runs
    runs: NDArray[np.bool_]
    any_valid: NDArray[np.bool_]  # alive, and some chunk is time-valid, on its pose or not
    off_pose: NDArray[np.bool_]  # alive, and the newest time-valid chunk does not match the pose
    chunk: NDArray[np.int64]  # 0 where none runs
    age: NDArray[np.int64]  # ticks since the chunk's first step
    newest_due: NDArray[np.int64]  # 0 where none is due

    @classmethod
    def none(cls, n: int, k: int) -> _Pick:
        """Returns one in which no NPC has a step yet."""
        flags, numbers = np.zeros((3, n), np.bool_), np.zeros((3, n), np.int64)
        return cls(np.zeros((n, k), np.float32), *flags, *numbers)

    def offer(
        self, action: Action, row: NDArray[np.intp], age: int, named: NDArray[np.bool_], ok: NDArray[np.bool_]
    ) -> None:
        """Gives the action's step to the NPCs that it names and fits and that have none yet."""
        self.off_pose |= named & ~self.any_valid & ~ok
        self.any_valid |= named
        taken = named & ok & ~self.runs
        self.commands[taken] = action.steps[row[taken], age]
        self.chunk[taken] = action.chunk
        self.age[taken] = age
        self.runs |= taken
