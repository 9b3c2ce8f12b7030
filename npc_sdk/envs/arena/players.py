"""Scripted players: hidden styles that react to what the player sees, hears and remembers.

A style and its hidden numbers (side, range, boldness, tempo, aim delay) stay fixed for a fight. Given them, a player is
deterministic but for a small hand tremor: watching how it moves tells what it will do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from npc_sdk.envs.arena.config import DT, MAX_REACH
from npc_sdk.envs.arena.dice import Dice, Luck, world_seeds
from npc_sdk.envs.arena.world import Arena
from npc_sdk.errors import InputError, nearest
from npc_sdk.geometry import closest_on_edges, line_of_sight
from npc_sdk.geometry.vectors import across, unit, wrap

STYLES = ("charger", "kiter", "circler", "camper")
HELD_OUT_STYLES = ("stalker",)  # in no training data
ALL_STYLES = STYLES + HELD_OUT_STYLES

DECISION_TICKS = 3  # a player decides at 10 Hz and holds in between
_STEP = DECISION_TICKS * DT  # s
_TREMOR, _TRAITS = 10, 11  # purposes of random numbers
_FORGET = 6.0  # s
_HEARING = 14.0  # m at which a shot is located
_AT_WALL = 0.75  # m between its middle and the wall it runs along
_INERTIA = 0.5  # share of the last velocity wanted that stays
_NEVER = 99.0
_PER_WORLD = (
    *("_held", "_places", "_facing", "_age", "_shots", "_near", "_away_until", "_flip_until", "_bout", "_stuck"),
    *("_flip", "_flight", "_move", "_aim", "_map_row"),
)
_STICKY = 2.5  # m by which another NPC must be nearer to be minded instead

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Traits:
    """The hidden numbers of each world's player."""

    style: NDArray[np.int64]  # index into ALL_STYLES
    side: Floats  # +1 counter-clockwise, -1 clockwise
    range: Floats  # m it likes to keep
    boldness: Floats  # 0..1
    tempo: Floats  # s of its rhythm
    delay: Floats  # share of the aim error left after 0.1 s


@dataclass(frozen=True, slots=True)
class Sense:
    """What the players know at a decision."""

    now: Floats  # w, s since the start
    pos: Floats  # w 2
    health: Floats  # w
    hurt: Floats  # w, s since last hurt
    places: Floats  # w n 2, where NPCs were last noticed
    facing: Floats  # w n, rad, as last seen
    age: Floats  # w n, s
    seen: Bools  # w n
    known: Bools  # w n
    near: NDArray[np.int64]  # w, the NPC it minds most
    alert: Bools  # w, whether any is known
    gap: Floats  # w 2, from the player to that NPC
    range: Floats  # w, its distance
    in_sight: Bools  # w, it is seen now
    watchers: NDArray[np.int64]  # w, how many seen NPCs face the player
    open: Bools  # w, no wall is between it and where it minds the NPC
    wall: Floats  # w, m to the nearest occluder
    off_wall: Floats  # w 2, unit vector away from it


class ScriptedPlayers:
    """Drives the player of every world of an arena; call `act` once per tick, from the arena's first tick on.

    Args:
        styles: one of ALL_STYLES per world.
        seed: one per world, or one for all (then world i uses seed + i); hidden numbers come from it.
    """

    def __init__(self, styles: Sequence[str], seed: int | Sequence[int] = 0) -> None:
        for name in styles:
            if name not in ALL_STYLES:
                raise InputError(f"player style {name!r} is unknown{nearest(name, ALL_STYLES)}")
        self.styles = tuple(styles)
        self.seeds = world_seeds(seed, len(self.styles))
        self.traits: Traits | None = None  # set at the first tick
        self._held = np.zeros((len(self.styles), 6), np.float32)
        self._copied = False

    def clone(self) -> ScriptedPlayers:
        """Returns an independent copy that will act the same way."""
        return deepcopy(self)

    def imagined(self, world: Int[np.ndarray, " r"], luck: Luck) -> ScriptedPlayers:
        """Returns the players of `r` copies of some worlds they have met, with hands that tremble by `luck`."""
        twin = copy(self)
        twin._copied = True
        twin.styles = tuple(self.styles[w] for w in world)
        twin.seeds = tuple(self.seeds[w] for w in world)
        for name in _PER_WORLD:
            setattr(twin, name, getattr(self, name)[world])
        twin.traits = twin._t = Traits(**{f.name: getattr(self._t, f.name)[world] for f in fields(Traits)})
        twin._tremor = luck
        twin._rows = np.arange(len(world))
        return twin

    def act(self, arena: Arena) -> Float[np.ndarray, "w 6"]:
        """Returns the players' actions for this tick (float32)."""
        tick = int(arena.tick[0])
        if tick == 0 and not self._copied:
            self.meet(arena)
        if tick % DECISION_TICKS == 0:
            self._held = self._decide(arena)
        return self._held

    def meet(self, arena: Arena) -> None:
        """Takes the maps in and forgets everything; `act` does so at the first tick."""
        w, n = arena.worlds, arena.config.npcs
        if w != len(self.styles):
            raise InputError(f"scripted players: expected an arena of {len(self.styles)} worlds, got {w}")
        self.traits = self._t = _draw_traits(self.styles, self.seeds)
        self._tremor: Dice | Luck = Dice(self.seeds, _TREMOR, (2,))
        self._atlas, self._map_row = arena.atlas, arena.map_row
        self._rows = np.arange(w)
        self._places, self._facing = np.zeros((w, n, 2)), np.zeros((w, n))
        self._age, self._shots = np.full((w, n), _NEVER), np.zeros((w, n), np.int64)
        self._near = np.zeros(w, np.int64)
        self._away_until, self._flip_until = np.zeros(w), np.zeros(w)
        self._bout, self._stuck = np.zeros(w), np.zeros(w)
        self._flip, self._flight = np.ones(w), np.ones(w)
        self._move = np.zeros((w, 2))
        self._aim = arena.heading[:, 0].copy()

    def _decide(self, arena: Arena) -> NDArray[np.float32]:
        s = self._sense(arena)
        self._turn_round(s, arena.vel[:, 0])
        wishes = np.stack([self._charge(s), self._kite(s), self._circle(s), self._camp(s), self._stalk(s)])
        wish = np.where(s.alert[:, None], wishes[self._t.style, self._rows], self._roam(s))
        wish = self._dodge(arena, s, wish + self._from_border(s))
        move = _INERTIA * self._move + (1 - _INERTIA) * wish + 0.05 * self._tremor.normal()
        size = np.maximum(np.hypot(move[:, 0], move[:, 1]) / 5.0, 1.0)
        self._move = move / size[:, None]
        return self._weapons(arena, s, self._move)

    # what the player knows

    def _sense(self, arena: Arena) -> Sense:
        p = arena.config.players
        pos, npcs, alive = arena.pos[:, 0], arena.pos[:, p:], arena.alive[:, p:]
        seen = arena.view().player_sees[:, 0]
        shots = arena.shots[:, p:]
        gap = npcs - pos[:, None]
        heard = (shots > self._shots) & (np.hypot(gap[..., 0], gap[..., 1]) <= _HEARING)
        self._shots = shots.copy()
        noticed = (seen | heard) & alive
        self._places = np.where(noticed[..., None], npcs, self._places)
        self._facing = np.where(noticed, arena.heading[:, p:], self._facing)
        self._age = np.where(noticed, 0.0, np.where(alive, np.minimum(self._age + _STEP, _NEVER), _NEVER))
        known, rows = self._age < _FORGET, self._rows
        away = self._places - pos[:, None]
        distance = np.where(known, np.hypot(away[..., 0], away[..., 1]), 1e3)
        mind = distance + 1.5 * self._age
        mind[rows, self._near] -= _STICKY
        near = self._near = mind.argmin(1)
        cx, cy = closest_on_edges(pos, arena.opaque_edges)
        to_wall = np.hypot(pos[:, 0, None] - cx, pos[:, 1, None] - cy)
        edge = to_wall.argmin(1)
        wall, off_wall = to_wall[rows, edge], unit(pos - np.stack([cx[rows, edge], cy[rows, edge]], -1))
        back = np.abs(wrap(np.arctan2(-away[..., 1], -away[..., 0]) - self._facing))
        return Sense(
            now=np.asarray(arena.tick * DT, np.float64),
            pos=pos,
            health=arena.health[:, 0],
            hurt=arena.unhurt[:, 0],
            places=self._places,
            facing=self._facing,
            age=self._age,
            seen=seen,
            known=known,
            near=near,
            alert=np.asarray(known.any(1)),
            gap=away[rows, near],
            range=distance[rows, near],
            in_sight=seen[rows, near],
            watchers=(seen & (back < 0.6)).sum(1),
            open=line_of_sight((pos + away[rows, near])[:, None], pos[:, None], arena.opaque_edges)[:, 0],
            wall=wall,
            off_wall=off_wall,
        )

    # the styles; each computes the velocity it wants for all worlds, the caller picks

    def _charge(self, s: Sense) -> Floats:
        """Waits behind a wall, rushes whoever comes near, circles it at arm's length, and slips away after a bout."""
        t, mine = self._t, self._t.style == 0
        self._bout = np.where(s.in_sight & (s.range < 4.0), self._bout + _STEP, self._bout)
        done = self._bout > 1.0 + 1.5 * t.boldness
        self._bout = np.where(done, 0.0, self._bout)
        leaving = self._leaves(s, mine, done, 4.0 + t.tempo)
        toward, around = unit(s.gap), across(s.gap) * t.side[:, None]
        orbit = 4.0 * around + 2.5 * (s.range - 2.2)[:, None] * toward
        way, _ = self._atlas.waypoints(self._map_row, s.pos, s.pos + s.gap)
        rush = np.where((s.in_sight & (s.range < 3.2))[:, None], orbit, 4.6 * unit(way - s.pos))
        attacks = ~leaving & (s.range < 5.0 + 2.0 * t.boldness)
        return np.where(attacks[:, None], rush, self._lap(s, self._far_side(s), 4.8))

    def _kite(self, s: Sense) -> Floats:
        """Keeps its range while drifting to its side; runs round a wall when stared at by several or pressed."""
        t, mine = self._t, self._t.style == 1
        toward, around = unit(s.gap), across(s.gap) * (t.side * self._flip)[:, None]
        spring = np.clip(1.5 * (s.range - t.range), -4.5, 4.0)
        fight = 2.8 * around + spring[:, None] * toward
        pressed = (s.watchers >= 1 + np.rint(t.boldness)) | (s.range < 0.6 * t.range)
        leaving = self._leaves(s, mine, pressed, 5.0 + 1.5 * t.tempo)
        return np.where(leaving[:, None], self._lap(s, t.side * self._flip, 4.8), fight)

    def _circle(self, s: Sense) -> Floats:
        """Runs laps round the nearest wall, always the same way; sprints when watched."""
        t, mine = self._t, self._t.style == 2
        caught = (s.watchers >= 1) & (s.range < 6.0 + 3.0 * (1 - t.boldness))
        leaving = self._leaves(s, mine, caught, 4.5 + t.tempo)
        return self._lap(s, t.side * self._flip, np.where(leaving, 4.8, 3.6 + 1.2 * t.boldness))

    def _camp(self, s: Sense) -> Floats:
        """Keeps a wall between itself and the NPC it minds, and still while it is there; sprints when found."""
        t, mine = self._t, self._t.style == 3
        found = (s.in_sight & (s.range < 4.0 + 3.0 * (1 - t.boldness))) | (s.watchers >= 2)
        leaving = self._leaves(s, mine, found, 3.0 + t.tempo)
        pace = np.where(s.open | (s.range < 7.0), 4.4, 0.0)
        return self._lap(s, self._far_side(s), np.where(leaving, 4.8, pace))

    def _stalk(self, s: Sense) -> Floats:
        """Creeps up from behind, and slips behind a wall when its prey turns."""
        t, mine = self._t, self._t.style == 4
        facing = s.facing[self._rows, s.near]
        behind = s.pos + s.gap - 2.2 * np.stack([np.cos(facing), np.sin(facing)], -1)
        way, _ = self._atlas.waypoints(self._map_row, s.pos, behind)
        leaving = self._leaves(s, mine, s.watchers >= 1, 4.5 + t.tempo)
        return np.where(leaving[:, None], self._lap(s, self._far_side(s), 4.8), 3.2 * unit(way - s.pos))

    # what all styles share

    def _leaves(self, s: Sense, mine: Bools, start: Bools, lasting: Floats) -> Bools:
        """Says who breaks contact: from `start` on for `lasting` seconds."""
        start = mine & start & (s.now >= self._away_until)
        self._away_until = np.where(start, s.now + lasting, self._away_until)
        return np.asarray(mine & (s.now < self._away_until))

    def _lap(self, s: Sense, side: Floats, speed: Floats | float) -> Floats:
        """Velocity along the nearest wall at arm's length, counter-clockwise round it for side +1."""
        ahead = across(s.off_wall) * side[:, None]
        keep = np.clip(1.6 * (_AT_WALL - s.wall), -2.0, 2.0)[:, None] * s.off_wall
        pace = np.broadcast_to(np.asarray(speed, np.float64), s.wall.shape)[:, None]
        return pace * unit(ahead + keep) + np.where(pace == 0.0, keep, 0.0)

    def _far_side(self, s: Sense) -> Floats:
        """Which way round the nearest wall leads away from the NPC it minds; kept while undecided."""
        turn = (across(s.off_wall) * -unit(s.gap)).sum(-1)
        self._flight = np.where(np.abs(turn) > 0.25, np.sign(turn), self._flight)
        return self._flight

    def _roam(self, s: Sense) -> Floats:
        """What it does while it knows of nobody: laps at a walk."""
        return self._lap(s, self._t.side * self._flip, 3.0)

    def _turn_round(self, s: Sense, velocity: Floats) -> None:
        """Changes the way round when stuck, or when an NPC is close ahead."""
        slow = np.hypot(velocity[:, 0], velocity[:, 1]) < 0.8
        self._stuck = np.where(slow, self._stuck + _STEP, 0.0)
        ahead = (unit(s.gap) * unit(velocity)).sum(-1) > 0.7
        turn = (self._stuck > 0.5) | (ahead & s.in_sight & (s.range < 2.4) & (s.now >= self._flip_until))
        self._flip = np.where(turn, -self._flip, self._flip)
        self._flip_until = np.where(turn, s.now + 1.5, self._flip_until)
        self._stuck = np.where(turn, 0.0, self._stuck)

    def _from_border(self, s: Sense) -> Floats:
        """Velocity away from the border when near it."""
        return -4.0 * np.sign(s.pos) * np.clip((np.abs(s.pos) - 10.9) / 0.7, 0.0, 1.0)

    def _dodge(self, arena: Arena, s: Sense, move: Floats) -> Floats:
        """Runs from grenades that will land near; the bold leave later."""
        live = arena.grenade_id > 0
        landing = arena.grenade_pos + arena.grenade_vel * arena.grenade_flight[..., None]
        gap = s.pos[:, None] - landing
        distance = np.where(live, np.hypot(gap[..., 0], gap[..., 1]), 1e3)
        g = distance.argmin(1)
        near = distance[self._rows, g] < 4.2 - self._t.boldness
        return np.where(near[:, None], 5.0 * unit(gap[self._rows, g]) + self._from_border(s), move)

    def _weapons(self, arena: Arena, s: Sense, move: Floats) -> NDArray[np.float32]:
        """Aims with the player's delay, fires when on target, throws at hidden or crowded NPCs."""
        t = self._t
        sweep = 0.9 * np.sin(2 * np.pi * s.now / (2.0 * t.tempo))
        course = np.arctan2(move[:, 1], move[:, 0]) + sweep
        at = np.arctan2(s.gap[:, 1], s.gap[:, 0])
        mind = s.alert & (s.age[self._rows, s.near] < 2.5)
        wanted = np.where(mind, at, course)
        self._aim = wrap(self._aim + (1 - t.delay) * wrap(wanted - self._aim))
        off = np.abs(wrap(at - arena.heading[:, 0]))
        sneaky = (t.style == 4) & (s.range > 4.5) & (s.hurt > 2.0)
        fire = s.in_sight & (off < np.maximum(0.06, 0.5 / np.maximum(s.range, 0.5))) & (s.range < 14.0) & ~sneaky
        since = s.age[self._rows, s.near]
        hidden = s.alert & (since > 0.4) & (since < 2.5)
        mate = np.hypot(*np.moveaxis(s.places - (s.pos + s.gap)[:, None], -1, 0)) < 2.5
        crowd = s.in_sight & ((mate & s.known).sum(1) >= 3)
        throw = (hidden | crowd) & (s.range > 4.5) & (s.range < MAX_REACH) & (off < 0.3) & (t.style != 4)
        reach = np.clip(s.range, 0.0, MAX_REACH)
        return np.stack([move[:, 0], move[:, 1], self._aim, fire, throw, reach], axis=-1).astype(np.float32)


def _draw_traits(names: Sequence[str], seeds: Sequence[int]) -> Traits:
    numbers = np.zeros((len(names), 5))
    for w, seed in enumerate(seeds):
        rng = np.random.Generator(np.random.SFC64([seed, _TRAITS]))
        numbers[w] = rng.uniform((-1.0, 4.0, 0.0, 0.9, 0.3), (1.0, 8.0, 1.0, 2.2, 0.6))
    side, range_, boldness, tempo, delay = numbers.T
    style = np.array([ALL_STYLES.index(n) for n in names])
    return Traits(style, np.where(side < 0, -1.0, 1.0), range_, boldness, tempo, delay)
