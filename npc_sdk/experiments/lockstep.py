"""Many arenas through the one tick in virtual time: no sockets, no clock, every message the same as in play.

Every score, sweep and check runs on this. Same maps, seeds and settings give the same trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from npc_bridge.ladder import Ladder
from npc_bridge.messages import Action, Snapshot
from npc_sdk.envs.arena import CHANNELS, Arena, Events, arena_schema, snapshot_blocks
from npc_sdk.runtime import Report, Runtime


@runtime_checkable
class Players(Protocol):
    """Whoever plays the players of all worlds."""

    def act(self, arena: Arena) -> NDArray[np.floating]:
        """Returns the players' actions: w p 6, or w 6 for one player."""


@runtime_checkable
class Observer(Protocol):
    """Looks on; may keep what it sees, changes nothing."""

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        """Called after every brain tick."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened: t ticks, w worlds, a agents (players first), n NPCs, k channels, g grenade slots.

    Arrays with t + 1 rows are the truth before tick 0, 1, ... and after the last.
    """

    pos: NDArray[np.float64]  # t+1 w a 2, m
    vel: NDArray[np.float64]  # t+1 w a 2, m/s
    heading: NDArray[np.float64]  # t+1 w a, rad
    alive: NDArray[np.bool_]  # t+1 w a
    health: NDArray[np.float64]  # t+1 w a, hp
    ammo: NDArray[np.float64]  # t+1 w a, rounds
    grenade_pos: NDArray[np.float64]  # t+1 w g 2
    grenade_fuse: NDArray[np.float64]  # t+1 w g, s
    grenade_active: NDArray[np.bool_]  # t+1 w g
    command: NDArray[np.float32]  # t w n k, executed
    rung: NDArray[np.uint8]  # t w n
    guarded: NDArray[np.bool_]  # t w n, by the newest certificate
    fired: NDArray[np.bool_]  # t w a
    threw: NDArray[np.bool_]  # t w a
    damage_dealt: NDArray[np.float64]  # t w a, hp
    damage_taken: NDArray[np.float64]  # t w a, hp
    hold_fire: NDArray[np.bool_]  # t w


class LockStep:
    """Plays all worlds of an arena with one runtime.

    Args:
        arena: is stepped; clone it before if the start is still needed.
        runtime: with `lead_ticks` 0; gets a game per world, named "0", "1", ...
        players: play the players.
        every: ticks between snapshots; chunks must be at least as long.
    """

    def __init__(
        self, arena: Arena, runtime: Runtime, players: Players, observers: Iterable[Observer] = (), every: int = 3
    ) -> None:
        self.arena = arena
        self.runtime = runtime
        self._players = players
        self._observers = tuple(observers)
        self._every = every
        self._keys = [str(w) for w in range(arena.worlds)]
        schemas = [arena_schema(m, arena.config) for m in arena.maps]
        self._ladders = [Ladder(schema) for schema in schemas]
        self._schemas = schemas
        self._guarded = np.ones((arena.worlds, arena.config.npcs), np.bool_)
        self._tick = 0
        for key, schema in zip(self._keys, schemas, strict=True):
            runtime.register(key, schema)

    def run(self, ticks: int) -> Trace:
        """Plays on for some ticks and returns what happened in them."""
        before: list[dict[str, NDArray[np.generic]]] = [self._truth()]
        during: list[dict[str, NDArray[np.generic]]] = []
        for _ in range(ticks):
            during.append(self.step())
            before.append(self._truth())
        whole = {name: np.stack([row[name] for row in before]) for name in before[0]}
        whole |= {name: np.stack([row[name] for row in during]) for name in during[0]}
        return Trace(**{f.name: whole[f.name] for f in fields(Trace)})

    def step(self) -> dict[str, NDArray[np.generic]]:
        """Plays one tick and returns what was done in it."""
        if self._tick % self._every == 0:
            self._think()
        done = self._play()
        self._tick += 1
        return done

    def _think(self) -> None:
        """One brain tick over all worlds that still have living NPCs."""
        due = []
        for w, key in enumerate(self._keys):
            if self.arena.alive[w, self.arena.is_npc].any():
                due.append((key, self._snapshot(w)))
        answers = self.runtime.tick(due)
        for key, action, report in answers:
            world = int(key)
            self._ladders[world].accept(action)
            living = np.asarray(report.ids, np.int64) - 101
            self._guarded[world, living] = report.certified.guarded
        for observer in self._observers:
            observer.answered(self._tick, answers)

    def _snapshot(self, world: int) -> Snapshot:
        return Snapshot(
            session=0,
            schema_id=self._schemas[world].schema_id,
            tick=self._tick,
            time_us=round(self._tick * 1e6 / self._schemas[world].tick_hz),
            sequence=self._tick,
            blocks=snapshot_blocks(self.arena, world),
            executing=self._ladders[world].executing,
        )

    def _play(self) -> dict[str, NDArray[np.generic]]:
        arena, config = self.arena, self.arena.config
        players, n = config.players, config.npcs
        ids = (101 + np.arange(n)).astype(np.uint32)
        pose = np.concatenate([arena.pos, arena.vel], -1)[:, players:]
        actions = np.zeros((arena.worlds, config.agents, len(CHANNELS)), np.float32)
        actions[:, :players] = np.asarray(self._players.act(arena), np.float32).reshape(arena.worlds, players, -1)
        rung = np.zeros((arena.worlds, n), np.uint8)
        for w, ladder in enumerate(self._ladders):
            step = ladder.step(self._tick, ids, pose[w], arena.alive[w, players:])
            actions[w, players:] = step.commands
            rung[w] = step.rung
        hold = arena.hold_fire.copy()
        guarded = self._guarded.copy()
        events: Events = arena.step(actions)
        return {
            "command": actions[:, players:].copy(),
            "rung": rung,
            "guarded": guarded,
            "fired": events.fired,
            "threw": events.threw,
            "damage_dealt": events.damage_dealt,
            "damage_taken": events.damage_taken,
            "hold_fire": hold,
        }

    def _truth(self) -> dict[str, NDArray[np.generic]]:
        arena = self.arena
        return {
            "pos": arena.pos.copy(),
            "vel": arena.vel.copy(),
            "heading": arena.heading.copy(),
            "alive": arena.alive.copy(),
            "health": arena.health.copy(),
            "ammo": arena.ammo.astype(np.float64),
            "grenade_pos": arena.grenade_pos.copy(),
            "grenade_fuse": arena.grenade_fuse.copy(),
            "grenade_active": arena.grenade_id > 0,
        }
