"""Scripted players: hidden styles that react to what the player sees, hears and remembers.

A style and its hidden numbers (side, range, boldness, tempo, aim delay) stay fixed for a fight. Given them, a player is
deterministic but for a small hand tremor: watching how it moves tells what it will do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.envs.arena.config import DT, MAX_REACH
from npc_sdk.envs.arena.covers import Covers
from npc_sdk.envs.arena.dice import Dice, world_seeds
from npc_sdk.envs.arena.vectors import across, unit, wrap
from npc_sdk.envs.arena.world import Arena
from npc_sdk.errors import InputError, nearest

STYLES = ("charger", "kiter", "circler", "camper")
HELD_OUT_STYLES = ("stalker",)  # in no training data
ALL_STYLES = STYLES + HELD_OUT_STYLES

DECISION_TICKS = 3  # a player decides at 10 Hz and holds in between
_STEP = DECISION_TICKS * DT  # s
_TREMOR, _TRAITS = 10, 11  # purposes of random numbers
_FORGET = 6.0  # s
_HEARING = 14.0  # m at which a shot is located
_PATROL_SPOTS = 6
_NEVER = 99.0

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
    patrol: Floats  # w s 2, places it visits when nobody is known


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
    distance: Floats  # w n
    near: NDArray[np.int64]  # w, the NPC it minds most
    alert: Bools  # w, whether any is known
    gap: Floats  # w 2, from the player to that NPC
    range: Floats  # w, its distance
    in_sight: Bools  # w, it is seen now
    watchers: NDArray[np.int64]  # w, how many seen NPCs face the player
    patrol: Floats  # w 2, next place of its round


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a style wants to go: towards a goal around walls, plus a free velocity."""

    goal: Floats  # w 2
    speed: Floats  # w, m/s towards the goal
    drift: Floats  # w 2, m/s


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

    def clone(self) -> ScriptedPlayers:
        """Returns an independent copy that will act the same way."""
        return deepcopy(self)

    def act(self, arena: Arena) -> Float[np.ndarray, "w 6"]:
        """Returns the players' actions for this tick (float32)."""
        tick = int(arena.tick[0])
        if tick == 0:
            self._start(arena)
        if tick % DECISION_TICKS == 0:
            self._held = self._decide(arena)
        return self._held

    def _start(self, arena: Arena) -> None:
        """Meets the maps and forgets everything."""
        w, n = arena.worlds, arena.config.npcs
        if w != len(self.styles):
            raise InputError(f"scripted players: expected an arena of {len(self.styles)} worlds, got {w}")
        self.traits = self._t = _draw_traits(arena, self.styles, self.seeds)
        self._tremor = Dice(self.seeds, _TREMOR, (2,))
        self._covers = Covers([m.tables for m in arena.maps])
        self._rows = np.arange(w)
        self._places, self._facing = np.zeros((w, n, 2)), np.zeros((w, n))
        self._age, self._shots = np.full((w, n), _NEVER), np.zeros((w, n), np.int64)
        self._hide_until, self._cover_until, self._bout, self._stuck = (np.zeros(w) for _ in range(4))
        self._cover, self._flip = np.zeros((w, 2)), np.ones(w)
        self._stop = np.zeros(w, np.int64)
        self._aim = arena.heading[:, 0].copy()

    def _decide(self, arena: Arena) -> NDArray[np.float32]:
        s = self._sense(arena)
        wishes = (self._charge(s), self._kite(s), self._circle(s, arena), self._camp(s), self._stalk(s))
        style = self._t.style
        goal = np.stack([x.goal for x in wishes])[style, self._rows]
        speed = np.stack([x.speed for x in wishes])[style, self._rows]
        drift = np.stack([x.drift for x in wishes])[style, self._rows]
        way, length = arena.atlas.waypoints(self._rows, s.pos, goal)
        move = unit(way - s.pos) * (speed * np.minimum(length / 0.6, 1.0))[:, None] + drift
        move = self._dodge(arena, s, move) + 0.12 * self._tremor.normal()
        size = np.maximum(np.hypot(move[:, 0], move[:, 1]) / 5.0, 1.0)
        move = move / size[:, None]
        return self._weapons(arena, s, move)

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
        known = self._age < _FORGET
        away = self._places - pos[:, None]
        distance = np.where(known, np.hypot(away[..., 0], away[..., 1]), 1e3)
        near = (distance + 1.5 * self._age).argmin(1)
        back = np.abs(wrap(np.arctan2(-away[..., 1], -away[..., 0]) - self._facing))
        rows = self._rows
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
            distance=distance,
            near=near,
            alert=np.asarray(known.any(1)),
            gap=away[rows, near],
            range=distance[rows, near],
            in_sight=seen[rows, near],
            watchers=(seen & (back < 0.6)).sum(1),
            patrol=self._patrol(pos),
        )

    def _patrol(self, pos: Floats) -> Floats:
        """The next place of its round; moves on when close."""
        goal = self._t.patrol[self._rows, self._stop % _PATROL_SPOTS]
        there = np.hypot(*(goal - pos).T) < 1.0
        self._stop = np.where(there, self._stop + 1, self._stop)
        return goal

    def _vanish(self, s: Sense, mine: Bools, start: Bools, lasting: Floats, keep_off: Floats) -> tuple[Bools, Floats]:
        """Breaks contact for a while: who is at it now, and its hiding place.

        The place is chosen at the start and again, at most once a second, whenever somebody sees it or comes near.
        """
        self._hide_until = np.where(start, s.now + lasting, self._hide_until)
        hiding = mine & (s.now < self._hide_until)
        near = s.alert & ((s.range < 6.0) | s.seen.any(1))
        look = np.flatnonzero(start | (hiding & near & (s.now >= self._cover_until)))
        if look.size:
            order = np.argsort(s.distance[look], axis=1, kind="stable")[:, :4]
            rows = look[:, None]
            self._cover[look] = self._covers.hidden(
                look, s.pos[look], s.places[rows, order], s.known[rows, order], keep_off[look]
            )
            self._cover_until[look] = s.now[look] + 1.0
        return hiding, self._cover

    # the styles; each computes its wish for all worlds, the caller picks

    def _charge(self, s: Sense) -> Wish:
        """Runs at the nearest NPC and circles it at arm's length; breaks off for a while after each bout."""
        t, mine = self._t, self._t.style == 0
        bout = mine & s.in_sight & (s.range < 4.0)
        self._bout = np.where(bout, self._bout + _STEP, self._bout)
        done = mine & ((self._bout > 1.0 + 2.0 * t.boldness) | (s.health < 15)) & (s.now >= self._hide_until)
        self._bout = np.where(done, 0.0, self._bout)
        hiding, cover = self._vanish(s, mine, done, 3.0 + 1.5 * t.tempo, np.full(len(s.now), 10.0))
        to, sideways = unit(s.gap), across(s.gap)
        close = s.in_sight & (s.range < 3.2) & ~hiding
        drift = (sideways * (4.2 * t.side)[:, None] + to * (2.0 * (s.range - 2.0))[:, None]) * close[:, None]
        chase = s.pos + s.gap
        goal = np.where(hiding[:, None], cover, np.where(s.alert[:, None], chase, s.patrol))
        return Wish(goal, np.where(close, 0.0, np.where(s.alert | hiding, 5.0, 4.0)), drift)

    def _kite(self, s: Sense) -> Wish:
        """Keeps its range and strafes in its rhythm; slips away when watched by several, hit or pressed."""
        t, mine = self._t, self._t.style == 1
        pressed = (s.watchers >= 1 + np.rint(2 * t.boldness)) | (s.hurt < 0.2) | (s.range < 0.6 * t.range)
        start = mine & s.alert & pressed & (s.now >= self._hide_until)
        hiding, cover = self._vanish(s, mine, start, 2.5 + 1.5 * t.tempo, t.range + 4.0)
        to, sideways = unit(s.gap), across(s.gap)
        beat = np.where((s.now / t.tempo).astype(np.int64) % 2 == 0, 1.0, -1.0) * t.side
        fight = s.in_sight & ~hiding
        radial = np.clip(1.8 * (s.range - t.range), -4.5, 3.5)
        drift = (to * radial[:, None] + sideways * (3.0 * beat)[:, None]) * fight[:, None]
        stand_off = s.alert & ~fight & ~hiding
        goal = np.where(hiding[:, None], cover, np.where(stand_off[:, None], s.pos + s.gap, s.patrol))
        closing = np.where(s.range > t.range, 3.0, 0.0)
        speed = np.where(hiding, 5.0, np.where(fight, 0.0, np.where(stand_off, closing, 3.0)))
        return Wish(goal, speed, drift)

    def _circle(self, s: Sense, arena: Arena) -> Wish:
        """Runs rings around the middle of the known NPCs, always the same way round until a wall stops it."""
        t = self._t
        weight = np.where(s.known, np.exp(-s.age / 2.0), 0.0)
        total = weight.sum(1)
        middle = (s.places * weight[..., None]).sum(1) / np.maximum(total, 1e-9)[:, None]
        middle = np.where(s.alert[:, None], 0.8 * middle, 0.0)
        slow = np.hypot(*arena.vel[:, 0].T) < 1.0
        self._stuck = np.where(slow, self._stuck + _STEP, 0.0)
        turn = self._stuck > 0.6
        self._flip = np.where(turn, -self._flip, self._flip)
        self._stuck = np.where(turn, 0.0, self._stuck)
        from_middle = s.pos - middle
        ahead = np.arctan2(from_middle[:, 1], from_middle[:, 0]) + 0.7 * t.side * self._flip
        ring = middle + (t.range + 3.0)[:, None] * np.stack([np.cos(ahead), np.sin(ahead)], -1)
        goal = np.clip(ring, -11.3, 11.3)
        return Wish(goal, np.full(len(s.now), 3.8) + 1.2 * t.boldness, np.zeros_like(goal))

    def _camp(self, s: Sense) -> Wish:
        """Sits behind cover, peeks out in its rhythm to shoot, and moves house when found."""
        t, mine = self._t, self._t.style == 3
        found = s.alert & ((s.range < 3.0 + 3.0 * (1 - t.boldness)) | (s.hurt < 0.15) | (s.watchers > 1))
        start = mine & (found | (s.now == 0.0)) & (s.now >= self._hide_until)
        hiding, cover = self._vanish(s, mine, start, np.full(len(s.now), 3.0), t.range + 5.0)
        phase = np.mod(s.now - self._hide_until, 1.5 + t.tempo)
        peeking = s.alert & ~hiding & (phase > 0.5 + t.tempo)
        stand = peeking & s.in_sight
        drift = across(s.gap) * (1.5 * t.side)[:, None] * stand[:, None]
        goal = np.where((peeking & ~stand)[:, None], s.pos + s.gap, cover)
        return Wish(goal, np.where(stand, 0.0, np.where(peeking, 2.5, 5.0)), drift)

    def _stalk(self, s: Sense) -> Wish:
        """Creeps up from behind, and vanishes when its prey turns round."""
        t, mine = self._t, self._t.style == 4
        spotted = mine & s.alert & ((s.watchers > 0) | (s.hurt < 0.3))
        hiding, cover = self._vanish(s, mine, spotted & (s.now >= self._hide_until), 2.5 + t.tempo, t.range + 5.0)
        facing = s.facing[self._rows, s.near]
        behind = s.pos + s.gap - 2.2 * np.stack([np.cos(facing), np.sin(facing)], -1)
        goal = np.where(hiding[:, None], cover, np.where(s.alert[:, None], behind, s.patrol))
        return Wish(goal, np.where(hiding, 5.0, np.where(s.alert, 3.4, 2.4)), np.zeros_like(goal))

    # what all styles share

    def _dodge(self, arena: Arena, s: Sense, move: Floats) -> Floats:
        """Runs from grenades that will land near; the bold leave later."""
        live = arena.grenade_id > 0
        if not live.any():
            return move
        landing = arena.grenade_pos + arena.grenade_vel * arena.grenade_flight[..., None]
        gap = s.pos[:, None] - landing
        distance = np.where(live, np.hypot(gap[..., 0], gap[..., 1]), 1e3)
        g = distance.argmin(1)
        near = distance[self._rows, g] < 4.2 - self._t.boldness
        away = unit(gap[self._rows, g] + 0.05 * across(gap[self._rows, g]))
        goal = np.clip(s.pos + 3.0 * away, -11.4, 11.4)
        way, _ = arena.atlas.waypoints(self._rows[near], s.pos[near], goal[near])
        move = move.copy()
        move[near] = 5.0 * unit(way - s.pos[near])
        return move

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


def _draw_traits(arena: Arena, names: Sequence[str], seeds: Sequence[int]) -> Traits:
    numbers, patrols = np.zeros((len(names), 5)), np.zeros((len(names), _PATROL_SPOTS, 2))
    for w, (arena_map, seed) in enumerate(zip(arena.maps, seeds, strict=True)):
        rng = np.random.Generator(np.random.SFC64([seed, _TRAITS]))
        numbers[w] = rng.uniform((-1.0, 4.0, 0.0, 0.9, 0.3), (1.0, 8.0, 1.0, 2.2, 0.6))
        patrols[w] = arena_map.spawns[rng.choice(len(arena_map.spawns), _PATROL_SPOTS, replace=False)]
    side, range_, boldness, tempo, delay = numbers.T
    style = np.array([ALL_STYLES.index(n) for n in names])
    return Traits(style, np.where(side < 0, -1.0, 1.0), range_, boldness, tempo, delay, patrols)
