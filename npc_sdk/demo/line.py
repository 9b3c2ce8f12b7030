"""The game's end of the line to the brain: a push, a poll and a step of the ladder per tick. Never waits."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_bridge.faults import Fault
from npc_bridge.ladder import LadderResult
from npc_bridge.messages import STATUS_GUARDED, STATUS_PLANNED, Action, EntityBlock
from npc_bridge.schema import Schema

_KEPT_ACTIONS = 12
_PATIENCE = 9  # shows of a still world, a tick apart, in which an answer to the last push should have come
_SHOWN_BEFORE = 3  # ticks: ten decisions a second for every NPC mean that all have decided by then
_KEPT_PUSHES = 64  # ticks; an older answer is of no interest


class Bridge(Protocol):
    """What a line needs of `npc_bridge.client.Client`."""

    @property
    def session(self) -> int:
        """Number of the open session, 0 without one."""

    @property
    def fault(self) -> Fault | None:
        """What is wrong now."""

    def push(self, tick: int, blocks: Mapping[str, EntityBlock]) -> bool:
        """Send the game's state."""

    def poll(self) -> tuple[Action, ...]:
        """Return the actions accepted now."""

    def step(
        self, tick: int, ids: NDArray[np.uint32], pose: NDArray[np.floating], alive: NDArray[np.bool_] | None = None
    ) -> LadderResult:
        """Pick every NPC's command."""

    def bark(self, number: int) -> str:
        """Return a line to call out."""

    def restart(self, schema: Schema | None = None) -> None:
        """Begin another session."""

    def close(self) -> None:
        """Say goodbye."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One tick's commands and where they came from."""

    result: LadderResult
    guarded: NDArray[np.bool_]  # n, runs a step that the shield vouches for
    source_ticks: NDArray[np.int64]  # n, of the snapshot that the step rests on; -1 without a step
    push_poll_ms: float
    decisions: int  # new plans among the actions that arrived
    ages_ms: tuple[float, ...]  # of the decisions that came into force in this tick, since their snapshot left
    barks: Mapping[int, str]  # npc -> line
    stale: int = 0  # steps that were run though their plan had expired, or belonged to another session: must stay 0


@dataclass(slots=True)
class _Taken:
    """What the actions brought that have arrived since the last tick."""

    decisions: int = 0
    barks: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Held:
    """A received action, and which of its NPCs have not used it yet."""

    action: Action
    row: dict[int, int] = field(default_factory=dict)
    unused: set[int] = field(default_factory=set)


class Line:
    """One game's session. Used from the game's thread.

    Args:
        client: is polled, pushed to and closed here.
    """

    def __init__(self, client: Bridge) -> None:
        self._client = client
        self._held: deque[_Held] = deque(maxlen=_KEPT_ACTIONS)
        self._pushed: dict[int, float] = {}
        self._told = 0  # session that was pushed to last
        self._ahead = -1  # ticks before now that this session is still to be shown
        self._last, self._heard, self._waited = -1, -1, 0  # tick pushed last, newest one answered, shows since the push
        self._taken = _Taken()  # since the last tick
        self._result: LadderResult | None = None
        self._ids = np.zeros(0, np.uint32)

    @property
    def live(self) -> bool:
        """Whether a session is open."""
        return self._client.session != 0

    @property
    def session(self) -> int:
        """Number of the open session, 0 without one."""
        return self._client.session

    @property
    def answered(self) -> bool:
        """Whether the brain has sent a plan in this session."""
        return any(held.action.session == self.session for held in self._held)

    @property
    def fault(self) -> str:
        """What is wrong, in words; empty while all is well."""
        fault = self._client.fault
        return "" if fault is None else f"{type(fault).__name__}: {fault.text}"

    @property
    def remedy(self) -> str:
        """What to do about the fault."""
        fault = self._client.fault
        return "" if fault is None else fault.remedy

    def restart(self, schema: Schema) -> None:
        """Begin another fight: a new session on another map."""
        self._held.clear()
        self._pushed.clear()
        self._taken = _Taken()
        self._last = self._heard = -1
        self._client.restart(schema)

    def listen(self) -> None:
        """Keep the line going while nobody moves."""
        self._take_in()

    def show(self, tick: int, blocks: Mapping[str, EntityBlock]) -> None:
        """Stream a world that stands still to a session that has not seen it: there are plans before anybody moves.

        A brain that meets NPCs plans for some of them at a time, so it is shown the world a few times over, as if it
        had stood still before. A brain may pass over a state for a newer one; where none comes it is shown again.
        """
        if self.live and self._told != self.session:
            self._ahead = min(_SHOWN_BEFORE, tick)
        if self.live and self._ahead >= 0:
            self._push(tick - self._ahead, blocks)
            self._ahead -= 1
        self._waited += 1
        if self.live and self._heard < self._last < tick and self._waited > _PATIENCE:
            self._push(tick, blocks)

    @property
    def met(self) -> bool:
        """Whether the session has seen the world and answered."""
        return self.live and self._told == self.session and self._ahead < 0 and len(self._held) > 0

    def pause(self) -> None:
        """Stop the clock of the decisions on their way: the game lets them wait, not the brain."""
        self._pushed = dict.fromkeys(self._pushed, math.inf)

    def close(self) -> None:
        """Say goodbye."""
        self._client.close()

    def tick(
        self,
        tick: int,
        blocks: Mapping[str, EntityBlock],
        ids: NDArray[np.uint32],
        pose: Float[np.ndarray, "n 4"],
        alive: NDArray[np.bool_],
    ) -> Moved:
        """Stream the world as it is before this tick, take in what came, and pick every NPC's command."""
        start = time.perf_counter()
        if tick not in self._pushed or self._told != self.session:
            self._push(tick, blocks)
        self._ahead = -1
        self._take_in()
        now = time.perf_counter()
        taken, self._taken = self._taken, _Taken()
        result = self._client.step(tick, ids, pose, alive)
        self._result, self._ids = result, ids
        guarded, sources, ages = self._came_into_force(ids, result, now)
        stale = sum(self._is_stale(chunk, tick) for chunk in result.chunk.tolist())
        return Moved(result, guarded, sources, 1e3 * (now - start), taken.decisions, ages, taken.barks, stale)

    def chunk(self, npc: int) -> NDArray[np.float32]:
        """The rest of the chunk that `npc` ran a step of in the last tick: a view of the message itself."""
        if self._result is not None:
            at = np.flatnonzero(self._ids == npc)
            if len(at) and (held := self._find(int(self._result.chunk[at[0]]))) is not None and npc in held.row:
                return held.action.expected[held.row[npc], int(self._result.step[at[0]]) :, :2]
        return np.zeros((0, 2), np.float32)

    def _push(self, tick: int, blocks: Mapping[str, EntityBlock]) -> None:
        self._pushed[tick] = time.perf_counter()
        self._pushed.pop(tick - _KEPT_PUSHES, None)
        self._told, self._last, self._waited = self.session, tick, 0
        self._client.push(tick, blocks)

    def _take_in(self) -> None:
        """Keep the actions that have arrived."""
        for action in self._client.poll():
            planned = (action.status & STATUS_PLANNED) > 0
            self._taken.decisions += int(planned.sum())
            self._heard = max(self._heard, action.source_tick)
            row = {int(npc): i for i, npc in enumerate(action.ids)}
            self._held.append(_Held(action, row, {int(npc) for npc in action.ids[planned]}))
            for npc, bark in zip(action.ids, action.bark, strict=True):
                if bark:
                    self._taken.barks[int(npc)] = self._client.bark(int(bark))

    def _came_into_force(
        self, ids: NDArray[np.uint32], result: LadderResult, now: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], tuple[float, ...]]:
        guarded, sources = np.zeros(len(ids), np.bool_), np.full(len(ids), -1, np.int64)
        ages = []
        for i, npc in enumerate(int(x) for x in ids):
            held = self._find(int(result.chunk[i]))
            if held is None or npc not in held.row:
                continue
            guarded[i] = bool(held.action.status[held.row[npc]] & STATUS_GUARDED)
            sources[i] = held.action.source_tick
            if npc in held.unused:
                held.unused.discard(npc)
                pushed = self._pushed.get(held.action.source_tick)
                if pushed is not None and math.isfinite(pushed):
                    ages.append(1e3 * (now - pushed))
        return guarded, sources, tuple(ages)

    def _is_stale(self, chunk: int, tick: int) -> bool:
        """Whether a step of this chunk must not have been run at this tick; looked at here, apart from the ladder."""
        held = self._find(chunk)
        if held is None:
            return bool(chunk)
        action = held.action
        return self.session not in (0, action.session) or not action.apply_tick <= tick <= action.valid_until_tick

    def _find(self, chunk: int) -> _Held | None:
        """The received action with that number; 0 is none."""
        return next((held for held in self._held if chunk and held.action.chunk == chunk), None)
