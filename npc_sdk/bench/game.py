"""A small real game for measurements: the arena at 30 Hz with work in every frame, led by a brain over real sockets."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_bridge.client import Client
from npc_bridge.messages import RUNG_BRAKE, RUNG_NONE, STATUS_PLANNED, Action
from npc_sdk.bench.pace import Load, Pacer
from npc_sdk.envs.arena import TICK_HZ, Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
from npc_sdk.envs.arena.players import ScriptedPlayers

FIRST_NPC = 101
HELD_ACTIONS = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was measured."""

    tick: int
    start: float  # perf_counter, s
    work_ms: float  # sleep excluded
    cpu_ms: float  # of the game's thread: what is left of work_ms when other processes' turns are taken out
    bridge_ms: float  # inside push and poll
    rung: NDArray[np.uint8]  # n
    living: NDArray[np.bool_]  # n
    chunk: NDArray[np.uint32]  # n, executed
    decided: NDArray[np.int64]  # n, new decisions among the actions that arrived
    ages_ms: tuple[float, ...]  # of chunks that were executed for the first time
    age_ticks: tuple[int, ...]
    stale: int  # NPCs that executed a step they must not have


class Game:
    """One arena with a client. One thread.

    Args:
        endpoint: of the brain.
        npcs: how many.
        seed: of the map and the player.
        load: the work of a frame.
        looks: frames between two ticks, of a game that draws more often than it moves.
    """

    def __init__(self, endpoint: str, npcs: int, seed: int, load: Load, looks: int = 0) -> None:
        config = ArenaConfig(npcs=npcs, mortal=False, max_ticks=10**9)
        arena_map = make_map("test", seed)
        self.arena = Arena([arena_map], config, [seed])
        self.schema = arena_schema(arena_map, config)
        self.client = Client(endpoint, self.schema, "bench", fallback=self._stand_by)
        self._players = ScriptedPlayers(["circler"], [seed])
        self._load = load
        self._pacer = Pacer(TICK_HZ * (1 + looks))
        self._arrived: list[Action] = []  # since the last tick
        self._ids = (FIRST_NPC + np.arange(npcs)).astype(np.uint32)
        self._pushed: dict[int, float] = {}
        self._actions: dict[tuple[int, int], Action] = {}  # by session and chunk
        self._used: set[tuple[int, int]] = set()
        self._tick = 0

    @property
    def npcs(self) -> int:
        """How many there are."""
        return len(self._ids)

    @property
    def tick(self) -> int:
        """Of the next frame."""
        return self._tick

    def look(self) -> tuple[float, float]:
        """Plays one frame between two ticks; returns its start (perf_counter, s) and its ms of CPU time."""
        start, cpu = self._pacer.wait(), time.thread_time()
        self._arrived += self.client.poll()
        self._load.run()
        return start, (time.thread_time() - cpu) * 1e3

    def frame(self, *, brain: bool) -> Frame:
        """Plays one frame, with the brain or as if there were none."""
        start = self._pacer.wait()
        cpu = time.thread_time()
        tick, bridge = self._tick, 0.0
        pose = np.concatenate([self.arena.pos[0], self.arena.vel[0]], -1)[1:].astype(np.float32)
        living = self.arena.alive[0, 1:]
        decided = np.zeros(len(pose), np.int64)
        rung, chunk, step = np.full(len(pose), RUNG_NONE, np.uint8), np.zeros(len(pose), np.uint32), None
        if brain:
            before = time.perf_counter()
            self._arrived += self.client.poll()
            bridge += time.perf_counter() - before
            result = self.client.step(tick, self._ids, pose, living)
            commands, rung, chunk, step = result.commands, result.rung, result.chunk, result.step
        else:
            commands = self._stand_by(tick, self._ids, pose)
        applied = time.perf_counter()
        player = self._players.act(self.arena)
        self.arena.step(np.concatenate([player[:, None], commands[None]], 1))
        self._load.run()
        self._tick = tick + 1
        if brain:
            blocks = snapshot_blocks(self.arena, 0)
            before = time.perf_counter()
            self.client.push(self._tick, blocks)
            bridge += time.perf_counter() - before
            self._pushed[self._tick] = before
            self._pushed.pop(self._tick - 300, None)
        work, cpu = time.perf_counter() - start, time.thread_time() - cpu
        # What follows measures; it is no part of the frame.
        for action in self._arrived:
            self._actions[action.session, action.chunk] = action
            decided += np.isin(self._ids, action.ids[(action.status & STATUS_PLANNED) > 0])
        self._arrived.clear()
        stale = 0 if step is None else self._stale(tick, pose, rung, chunk, step)
        ages_ms, age_ticks = self._ages(tick, applied, chunk)
        return Frame(
            tick=tick,
            start=start,
            work_ms=work * 1e3,
            cpu_ms=cpu * 1e3,
            bridge_ms=bridge * 1e3,
            rung=rung,
            living=living.copy(),
            chunk=chunk,
            decided=decided,
            ages_ms=ages_ms,
            age_ticks=age_ticks,
            stale=stale,
        )

    def close(self) -> None:
        """Leaves the brain."""
        self.client.close()

    def _ages(self, tick: int, now: float, chunk: NDArray[np.uint32]) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """How old the picture behind each chunk was when its first step ran."""
        ms: list[float] = []
        ticks: list[int] = []
        for number in {(self.client.ladder.session, int(c)) for c in chunk if c} - self._used:
            action = self._actions.get(number)
            if action is not None and action.source_tick in self._pushed:
                ms.append((now - self._pushed[action.source_tick]) * 1e3)
                ticks.append(tick - action.source_tick)
            self._used.add(number)
        while len(self._actions) > HELD_ACTIONS:
            self._actions.pop(next(iter(self._actions)))
        return tuple(ms), tuple(ticks)

    def _stale(
        self,
        tick: int,
        pose: NDArray[np.float32],
        rung: NDArray[np.uint8],
        chunk: NDArray[np.uint32],
        step: NDArray[np.uint16],
    ) -> int:
        """Counts NPCs that ran a step of a past, foreign or mismatched chunk; judged anew, not by the ladder."""
        wrong = 0
        for row in np.flatnonzero(rung < 2):  # plan or tail
            action = self._actions.get((self.client.ladder.session, int(chunk[row])))
            if action is None:
                wrong += 1
                continue
            k, mine = int(step[row]), int(np.flatnonzero(action.ids == self._ids[row])[0])
            off = np.hypot(*(pose[row, :2] - action.expected[mine, k, :2]))
            fresh = action.apply_tick + k == tick <= action.valid_until_tick
            wrong += not (fresh and off <= action.tolerance[mine] + 1e-6)
        return wrong

    def _stand_by(self, tick: int, ids: NDArray[np.uint32], pose: NDArray[np.floating]) -> NDArray[np.float32]:
        """The game's own behaviour: walk slowly round in circles and look ahead."""
        phase = 0.05 * tick + ids.astype(np.float64)
        commands = np.zeros((len(ids), 6), np.float32)
        commands[:, 0], commands[:, 1], commands[:, 2] = (
            np.cos(phase),
            np.sin(phase),
            (phase + np.pi) % (2 * np.pi) - np.pi,
        )
        return commands


def fallen_back(frame: Frame) -> bool:
    """Whether every living NPC was on the game's callback or braking."""
    rung = frame.rung[frame.living]
    return bool(((rung >= 2) & (rung <= RUNG_BRAKE)).all())
