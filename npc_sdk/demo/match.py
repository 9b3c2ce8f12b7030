"""One match in the arena, as a game would run it: bodies, shots, its log, and what the eye needs between ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt32
from numpy.typing import NDArray

from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Schema
from npc_sdk.demo.line import Moved
from npc_sdk.demo.paint import Corners
from npc_sdk.demo.scene import Flash, GrenadeView, PlayerView
from npc_sdk.demo.settings import Request
from npc_sdk.envs.arena.config import DT, ArenaConfig
from npc_sdk.envs.arena.maps import ArenaMap
from npc_sdk.envs.arena.stream import FIRST_NPC, arena_schema, snapshot_blocks
from npc_sdk.envs.arena.world import Arena, Events
from npc_sdk.geometry import ray_distances

_FLASH_S = 0.5  # after this nothing of a shot or blast is left to see
_MODE_ID = 100  # of the hold-fire switch; players have lower ids, NPCs higher ones
SPACING = 0.8  # m that NPCs keep between their centres, come what may


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What every NPC is bound by, besides walls and its own declared kinematics."""

    spacing: float  # m between centres

    def requests(self) -> list[Request]:
        """The rules as the board takes them."""
        return [
            {"rule": "ally_distance", "name": "spacing", "distance": self.spacing},
            {"rule": "hold_fire", "name": "hold_fire"},
        ]


@dataclass(frozen=True, slots=True)
class Bodies:
    """n NPCs at one moment."""

    position: Float[np.ndarray, "n 2"]  # m
    velocity: Float[np.ndarray, "n 2"]  # m/s
    alive: Bool[np.ndarray, "n"]


@dataclass(frozen=True, slots=True)
class Step(Bodies):
    """What the audit needs to know about one executed tick of n NPCs; the bodies are those before it."""

    command: Float[np.ndarray, "n k"]
    rung: NDArray[np.uint8]
    fired: Bool[np.ndarray, "n"]
    guarded: Bool[np.ndarray, "n"]  # on a step that the shield vouches for
    hold_fire: bool
    hold_known: Bool[np.ndarray, "n"]  # the decision knew the flag
    ruled: bool  # the brain had confirmed the house rules
    zones: tuple[Corners, ...] = ()  # painted ones that bound by then


@dataclass(frozen=True, slots=True)
class Kept:
    """A match as it stood before a tick."""

    arena: Arena
    tick: int
    logged: int  # ticks
    hold_fire: bool
    held: dict[int, bool]
    before: tuple[NDArray[np.float64], NDArray[np.float64]]
    flashes: tuple[Flash, ...]


class Match:
    """One world of the arena, its script for NPCs nobody leads, and its log."""

    def __init__(self, arena_map: ArenaMap, config: ArenaConfig, seed: int) -> None:
        """Start a match on a map."""
        self.arena = Arena([arena_map], config, seed)
        self.rules = HouseRules(SPACING)
        self.schema: Schema = arena_schema(arena_map, config)
        self.ids: UInt32[np.ndarray, "n"] = (FIRST_NPC + np.arange(config.npcs)).astype(np.uint32)
        self.hold_fire = False
        self.log: list[Step] = []
        self.fallen: tuple[int, ...] = ()  # NPCs that died in the last tick
        self.unseen = True  # after the last tick: no NPC sees the player
        self._held: dict[int, bool] = {}  # the flag by tick
        self.first_npc = config.players
        self._before = self._look()
        self._flashes: list[Flash] = []

    @property
    def tick(self) -> int:
        """The engine's clock."""
        return int(self.arena.tick[0])

    @property
    def over(self) -> bool:
        """Whether one side is dead or the time is up."""
        return bool(self.arena.over[0])

    @property
    def alive(self) -> Bool[np.ndarray, "n"]:
        """Which NPCs live."""
        return self.arena.alive[0, self.first_npc :]

    @property
    def pose(self) -> Float[np.ndarray, "n 4"]:
        """x y vx vy of the NPCs, as precise as the wire carries them."""
        rows = np.concatenate([self.arena.pos[0], self.arena.vel[0]], -1)[self.first_npc :]
        return rows.astype(np.float32)

    @property
    def squads(self) -> dict[int, list[int]]:
        """NPC ids by squad."""
        squads: dict[int, list[int]] = {}
        for npc, squad in zip(self.ids, self.arena.squad[0, self.first_npc :], strict=True):
            squads.setdefault(int(squad), []).append(int(npc))
        return squads

    def blocks(self) -> dict[str, EntityBlock]:
        """What is streamed: the arena's rows, with the designer's hold-fire switch."""
        blocks = snapshot_blocks(self.arena, 0)
        values = np.full_like(blocks["mode"].values, float(self.hold_fire))
        return {**blocks, "mode": EntityBlock(np.array([_MODE_ID], np.uint32), values)}

    def keep(self) -> Kept:
        """Return this moment, for `back`."""
        held, before = dict(self._held), self._before
        return Kept(self.arena.clone(), self.tick, len(self.log), self.hold_fire, held, before, tuple(self._flashes))

    def back(self, kept: Kept) -> None:
        """Go back to an earlier moment of this match; what was played after it is no longer part of it."""
        self.arena = kept.arena.clone()
        del self.log[kept.logged :]
        self.hold_fire, self._held = kept.hold_fire, dict(kept.held)
        self._before, self._flashes = kept.before, list(kept.flashes)
        self.fallen = ()

    def step(self, player: Float[np.ndarray, "6"], moved: Moved, ruled: bool, zones: tuple[Corners, ...] = ()) -> None:
        """Advance one tick.

        Args:
            player: the player's action.
            moved: what the NPCs do.
            ruled: whether the brain had confirmed the house rules.
            zones: painted ones that bind.
        """
        arena, first = self.arena, self.first_npc
        npcs, tick = moved.result.commands, self.tick
        self._before = self._look()
        self._held[tick] = self.hold_fire
        bodies = self.now()
        events = arena.step(np.concatenate([player[None], npcs])[None].astype(np.float32))
        fired = events.fired[0, first:] | events.threw[0, first:]
        self.fallen = tuple(int(npc) for npc in self.ids[bodies.alive & ~self.alive])
        known = np.array([self._held.get(source, False) for source in moved.source_ticks.tolist()], np.bool_)
        held = self._held[tick]
        self.log.append(
            Step(
                bodies.position,
                bodies.velocity,
                bodies.alive,
                command=npcs,
                rung=moved.result.rung,
                fired=fired,
                guarded=moved.guarded,
                hold_fire=held,
                hold_known=known,
                ruled=ruled,
                zones=zones,
            )
        )
        self.unseen = not bool(arena.view().npc_sees.any())
        self._remember(events)

    def now(self) -> Bodies:
        """The NPCs' bodies at this moment."""
        arena, first = self.arena, self.first_npc
        return Bodies(arena.pos[0, first:].copy(), arena.vel[0, first:].copy(), arena.alive[0, first:].copy())

    def _look(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.arena.pos[0].copy(), self.arena.heading[0].copy()

    def _remember(self, events: Events) -> None:
        """Keep shots and blasts for as long as they can be seen."""
        arena = self.arena
        aged = [replace(f, age=f.age + DT) for f in self._flashes]
        self._flashes = [f for f in aged if f.age < _FLASH_S]
        for a in np.flatnonzero(events.fired[0]):
            at, heading = arena.pos[0, a], float(arena.heading[0, a])
            reach = float(ray_distances(at, np.array(heading), arena.edges[0], 18.0))
            hit = bool(events.hit[0, a])
            if hit:
                reach = min(reach, self._first_in_line(int(a), heading))
            to = (float(at[0]) + reach * math.cos(heading), float(at[1]) + reach * math.sin(heading))
            self._flashes.append(Flash((float(at[0]), float(at[1])), to, 0.0, int(arena.squad[0, a]), hit))
        for g in np.flatnonzero(events.exploded[0]):
            x, y = events.blasts[0, g]
            self._flashes.append(Flash((float(x), float(y)), None, 0.0, -1))

    def _first_in_line(self, shooter: int, heading: float) -> float:
        """How far along its line of fire a shooter's nearest opponent stands, m."""
        arena = self.arena
        gap = arena.pos[0] - arena.pos[0, shooter]
        along = gap[:, 0] * math.cos(heading) + gap[:, 1] * math.sin(heading)
        aside = np.abs(gap[:, 0] * math.sin(heading) - gap[:, 1] * math.cos(heading))
        opponent = (arena.is_npc != arena.is_npc[shooter]) & (along > 0) & (aside < 1.5)
        return float(along[opponent].min(initial=18.0))

    # what the eye sees between two ticks

    def eased(self, share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions and headings of all agents, `share` of the way from the last tick to this one."""
        old_at, old_heading = self._before
        at, heading = self.arena.pos[0], self.arena.heading[0]
        turn = (heading - old_heading + np.pi) % (2 * np.pi) - np.pi
        jumped = np.hypot(*(at - old_at).T) > 1.0  # a new place, not a movement
        moved = old_at + (at - old_at) * share
        return np.where(jumped[:, None], at, moved), old_heading + turn * share

    def player_view(self, share: float) -> PlayerView:
        """The player for the eye."""
        at, heading = self.eased(share)
        health = float(self.arena.health[0, 0]) / self.arena.config.health
        return PlayerView((float(at[0, 0]), float(at[0, 1])), float(heading[0]), health, bool(self.arena.alive[0, 0]))

    def grenade_views(self) -> tuple[GrenadeView, ...]:
        """Grenades for the eye."""
        live = np.flatnonzero(self.arena.grenade_id[0] > 0)
        return tuple(
            GrenadeView((float(self.arena.grenade_pos[0, g, 0]), float(self.arena.grenade_pos[0, g, 1])), float(f))
            for g, f in zip(live, self.arena.grenade_fuse[0, live], strict=True)
        )

    def flashes(self, share: float) -> tuple[Flash, ...]:
        """Shots and blasts for the eye."""
        return tuple(replace(f, age=f.age + share * DT) for f in self._flashes)
