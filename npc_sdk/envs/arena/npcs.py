"""Scripted NPCs: baselines written in good faith, and varied play for training. They read beliefs, never the truth."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.belief import NPC, PLAYER, PROJECTILE, BeliefTable
from npc_sdk.envs.arena.aim import aim_and_fire
from npc_sdk.envs.arena.covers import Covers
from npc_sdk.envs.arena.dice import Dice, world_seeds
from npc_sdk.envs.arena.stream import FIRST_NPC, NPC_KINEMATICS
from npc_sdk.errors import InputError, nearest
from npc_sdk.geometry import MapTables, RoadAtlas, grid_index
from npc_sdk.geometry.vectors import across, unit, wrap

KINDS = ("random", "chase", "utility", "explore")
SPEED = NPC_KINEMATICS.max_speed
STEP_S = 0.1  # between decisions

_LUCK = 20  # purpose of random numbers
_FAR = 1e3
_EXPLORATIONS = 8

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Utility:
    """What the utility AI weighs: considerations are in 0..1, the behaviour with the highest score is carried out."""

    advance: float = 0.45
    advance_far: float = 0.35
    advance_stale: float = 0.25  # nobody seen for long
    advance_hurt: float = 0.3  # taken off
    strafe: float = 0.60
    strafe_unwatched: float = 0.25
    flank: float = 0.40
    flank_exposed: float = 0.30
    cover_reloading: float = 0.75
    cover_hurt: float = 0.55
    retreat_hurt: float = 1.05
    retreat_near: float = 0.35
    commit: float = 0.12  # for what it is at
    hold: float = 0.8  # s it stays at something
    far: float = 7.0  # m from which the player counts as far
    stand: float = 5.5  # m at which an advance ends
    range: float = 6.0  # m kept while strafing
    strafe_speed: float = 2.6  # m/s
    flank_range: float = 5.5  # m
    hurt: float = 60.0  # hp below which it feels hurt


# The best of 60 trials of 16 fights on validation maps: npc-sdk tune utility --out tuned
TUNED = Utility(
    advance=0.835,
    advance_far=0.226,
    advance_stale=0.25,
    advance_hurt=0.382,
    strafe=1.446,
    strafe_unwatched=0.379,
    flank=0.189,
    flank_exposed=0.316,
    cover_reloading=1.599,
    cover_hurt=1.299,
    retreat_hurt=1.108,
    retreat_near=0.672,
    commit=0.095,
    hold=1.063,
    far=17.965,
    stand=4.911,
    range=14.846,
    strafe_speed=5.298,
    flank_range=4.798,
    hurt=32.831,
)


@dataclass(frozen=True, slots=True)
class Minds:
    """What each living NPC of the batch knows at a decision; m rows."""

    scene: Ints  # m, row of the belief table
    slot: Ints  # m
    world: Ints  # m
    npc: Ints  # m, 0.. within the world
    pose: Floats  # m 4
    heading: Floats  # m
    health: Floats  # m
    ammo: Floats  # m
    reloading: Bools  # m
    target: Floats  # m 4, believed
    target_heading: Floats  # m
    seen: Bools  # m
    age: Floats  # m, s
    cleared: Bools  # m
    gap: Floats  # m 2, to the target
    range: Floats  # m
    allies: Floats  # m e 2
    ally_known: Bools  # m e, without itself
    bomb: Floats  # m 2, nearest known grenade
    bomb_range: Floats  # m
    clock: Floats  # m, s


class ScriptedNpcs:
    """Drives all NPCs of a batch of worlds from beliefs, ten times a second.

    Args:
        kinds: per world, one of KINDS for all its NPCs, or one per NPC.
        maps: the tables of each world's map.
        npcs: NPCs per world.
        seed: one per world, or one for all (then world i uses seed + i).
        utility: what the utility AI weighs.
    """

    def __init__(
        self,
        kinds: Sequence[str | Sequence[str]],
        maps: Sequence[MapTables],
        npcs: int,
        seed: int | Sequence[int] = 0,
        utility: Utility | None = None,
    ) -> None:
        self._weighs = utility or Utility()
        rows = [[k] * npcs if isinstance(k, str) else list(k) for k in kinds]
        if len(rows) != len(maps) or any(len(row) != npcs for row in rows):
            raise InputError(f"scripted NPCs: expected kinds for {len(maps)} worlds of {npcs} NPCs")
        for name in {name for row in rows for name in row}:
            if name not in KINDS:
                raise InputError(f"NPC kind {name!r} is unknown{nearest(name, KINDS)}")
        w = len(maps)
        self.kinds = tuple(tuple(row) for row in rows)
        self._kind = np.array([[KINDS.index(name) for name in row] for row in rows])
        self._dice = Dice(world_seeds(seed, w), _LUCK, (npcs, 4))
        self._atlas = RoadAtlas([m.roads for m in maps])
        self._covers = Covers(maps)
        self._sdf = np.stack([m.sdf.values for m in maps])
        self._maps = tuple(maps)
        self._free = [np.argwhere(m.walkable) for m in maps]
        shape = (w, npcs)
        self._decisions = 0
        self._drift = np.zeros((*shape, 2))
        self._search, self._search_until = np.zeros((*shape, 2)), np.zeros(shape)
        self._mode, self._mode_until = np.zeros(shape, np.int64), np.zeros(shape)
        self._goal = np.zeros((*shape, 2))
        self._whim, self._whim_until = np.zeros((*shape, 4)), np.zeros(shape)
        self._hiding, self._hiding_until = np.zeros((*shape, 2)), np.zeros(shape)

    @classmethod
    def mixture(cls, maps: Sequence[MapTables], npcs: int, seed: int | Sequence[int] = 0) -> ScriptedNpcs:
        """Returns NPCs of all kinds mixed within each world, half of them exploring: varied play for training."""
        seeds = world_seeds(seed, len(maps))
        weights = (0.1, 0.2, 0.25, 0.45)
        rows = []
        for s in seeds:
            rng = np.random.Generator(np.random.SFC64([s, _LUCK + 1]))
            rows.append([KINDS[i] for i in rng.choice(len(KINDS), npcs, p=weights)])
        return cls(rows, maps, npcs, seeds)

    def clone(self) -> ScriptedNpcs:
        """Returns an independent copy that will act the same way."""
        return deepcopy(self)

    def act(self, table: BeliefTable) -> Float[np.ndarray, "w n 6"]:
        """Decides for every NPC that the table knows as its scene's own; call once per 0.1 s.

        Returns:
            Actions by world and NPC number (entity id minus the first NPC's), float32; the move is the velocity
            wanted, within the declared speed; getting there takes time (`aim.limited`). NPCs that are not in the table
            get zeros.
        """
        luck = self._dice.normal()
        out = np.zeros((*self._kind.shape, 6), np.float32)
        m = self._minds(table)
        self._decisions += 1
        if not m.scene.size:
            return out
        kind, throws = self._kind[m.world, m.npc], luck[m.world, m.npc]
        moves = np.zeros((len(KINDS), len(kind), 2))
        for index, behave in enumerate((self._random, self._chase, self._utility, self._explore)):
            if (kind == index).any():
                moves[index] = behave(m, throws)
        move = moves[kind, np.arange(len(kind))]
        size = np.hypot(move[:, 0], move[:, 1])
        move = move * np.minimum(1.0, SPEED / np.maximum(size, 1e-9))[:, None]
        weapons = aim_and_fire(
            m.pose, m.heading, move, m.target, m.seen, m.age, m.allies, m.ally_known, m.clock + 1.7 * m.npc
        )
        out[m.world, m.npc, :2] = move
        out[m.world, m.npc, 2:] = weapons.columns()
        return out

    def _minds(self, table: BeliefTable) -> Minds:
        scene, slot = np.nonzero(table.own & (table.kind == NPC))
        world = table.world[scene]
        npc = table.ids[scene, slot].astype(np.int64) - FIRST_NPC
        pose = table.pose[scene, slot].astype(np.float64)
        player = (table.kind == PLAYER).argmax(1)[scene]
        known_player = (table.kind == PLAYER).any(1)[scene]
        target = table.pose[scene, player].astype(np.float64)
        gap = target[:, :2] - pose[:, :2]
        xy = table.pose[scene, :, :2].astype(np.float64)
        ally = (table.own & (table.kind == NPC))[scene]
        ally[np.arange(len(slot)), slot] = False
        bombs = (table.kind == PROJECTILE)[scene]
        landing = xy + 0.4 * table.pose[scene, :, 2:4]
        away = np.where(bombs, np.hypot(*np.moveaxis(landing - pose[:, None, :2], -1, 0)), _FAR)
        bomb = away.argmin(1)
        rows = np.arange(len(slot))
        clock = np.full(len(slot), self._decisions * STEP_S)
        return Minds(
            scene=scene,
            slot=slot,
            world=world,
            npc=npc,
            pose=pose,
            heading=table.heading[scene, slot].astype(np.float64),
            health=table.health[scene, slot].astype(np.float64),
            ammo=table.ammo[scene, slot].astype(np.float64),
            reloading=(table.ammo[scene, slot] < 0.5) & (table.cooldown[scene, slot] > 0.3),
            target=target,
            target_heading=table.heading[scene, player].astype(np.float64),
            seen=table.seen[scene, player] & known_player,
            age=np.where(known_player, table.age[scene, player], 99.0),
            cleared=table.cleared[scene, player],
            gap=gap,
            range=np.hypot(gap[:, 0], gap[:, 1]),
            allies=xy,
            ally_known=ally,
            bomb=landing[rows, bomb],
            bomb_range=away[rows, bomb],
            clock=clock,
        )

    # behaviours; each returns the velocities wanted, m 2

    def _random(self, m: Minds, luck: Floats) -> Floats:
        """Wanders smoothly, turning away from walls."""
        drift = 0.93 * self._drift[m.world, m.npc] + 1.0 * luck[:, :2]
        self._drift[m.world, m.npc] = drift
        return drift + self._from_walls(m, 2.0)

    def _chase(self, m: Minds, luck: Floats) -> Floats:
        """Runs to where the player was last seen; searches around when nobody is there."""
        goal = self._hunt_goal(m, luck)
        stop = m.seen & (m.range < 3.0)
        return self._walk(m, goal, SPEED) * ~stop[:, None]

    def _hunt_goal(self, m: Minds, luck: Floats) -> Floats:
        """The believed place, or, once it is found empty, places further and further around it."""
        lost = m.cleared | (m.age > 90.0)
        at = self._search[m.world, m.npc]
        there = np.hypot(*(at - m.pose[:, :2]).T) < 1.0
        renew = lost & (there | (m.clock >= self._search_until[m.world, m.npc]))
        radius = np.where(m.age > 90.0, 7.0, np.minimum(1.5 + 1.0 * m.age, 7.0))
        middle = np.where((m.age > 90.0)[:, None], m.pose[:, :2], m.target[:, :2])
        guess = self._open_place(m.world, middle + radius[:, None] * luck[:, :2])
        at = np.where(renew[:, None], guess, at)
        self._search[m.world, m.npc] = at
        until = np.where(renew, m.clock + 6.0, np.where(lost, self._search_until[m.world, m.npc], 0.0))
        self._search_until[m.world, m.npc] = until
        return np.where(lost[:, None], at, m.target[:, :2])

    def _utility(self, m: Minds, luck: Floats) -> Floats:
        """Scores advance, strafe, flank, cover and retreat with considerations in 0..1 and commits for a moment."""
        back = np.arctan2(-m.gap[:, 1], -m.gap[:, 0])  # from the player to me
        exposed = m.seen & (np.abs(wrap(back - m.target_heading)) < 0.9) & (m.range < 15.0)
        u = self._weighs
        hurt = np.clip((u.hurt - m.health) / (0.75 * u.hurt), 0.0, 1.0)
        fresh = np.clip(1.0 - m.age / 5.0, 0.0, 1.0)
        far = np.clip((m.range - u.far) / 6.0, 0.0, 1.0)
        near = np.clip((4.0 - m.range) / 3.0, 0.0, 1.0)
        looked_at = np.abs(wrap(back - m.target_heading)) / np.pi  # 0: stares at me, 1: back turned
        flank = u.flank + u.flank_exposed * exposed * (1 - hurt) + 0.10 * (m.npc % 2)
        scores = np.stack(
            [
                u.advance + u.advance_far * far + u.advance_stale * (1 - fresh) - u.advance_hurt * hurt,
                m.seen * (u.strafe * (1 - far) + u.strafe_unwatched * looked_at - 0.25 * hurt * exposed),
                flank * (fresh > 0) * (m.range < 12.0),
                exposed * (u.cover_reloading * m.reloading + u.cover_hurt * hurt) + 0.1 * near,
                u.retreat_hurt * hurt**2 * fresh + u.retreat_near * near * hurt,
            ],
            axis=1,
        )
        held = self._mode[m.world, m.npc]
        rows = np.arange(len(held))
        scores[rows, held] += u.commit  # keep doing it unless something is clearly better
        best = scores.argmax(1)
        switch = (best != held) & ((m.clock >= self._mode_until[m.world, m.npc]) | (hurt > 0.8))
        mode = np.where(switch, best, held)
        self._mode[m.world, m.npc] = mode
        until = self._mode_until[m.world, m.npc]
        self._mode_until[m.world, m.npc] = np.where(switch, m.clock + u.hold, until)
        goal = self._hunt_goal(m, luck)
        side = np.where(m.npc % 2 == 0, 1.0, -1.0)
        around = m.target_heading + side * 2.0
        beside = m.target[:, :2] + u.flank_range * np.stack([np.cos(around), np.sin(around)], -1)
        goal = np.where((mode == 2)[:, None], self._open_place(m.world, beside), goal)
        goal = np.where((mode >= 3)[:, None], self._hiding_place(m, mode), goal)
        move = self._walk(m, goal, SPEED)
        hold = (mode == 0) & m.seen & (m.range < u.stand)
        move = np.where(hold[:, None], 0.0, move)
        beat = side * np.where(np.floor(m.clock / 1.3 + 0.37 * m.npc) % 2 == 0, 1.0, -1.0)
        radial = np.clip(1.2 * (m.range - u.range), -3.0, 3.0)
        strafe = across(m.gap) * (u.strafe_speed * beat)[:, None] + unit(m.gap) * radial[:, None]
        move = np.where(((mode == 1) & m.seen)[:, None], strafe + self._from_walls(m, 1.5), move)
        return self._dodge(m, move + self._spread(m, 2.0))

    def _explore(self, m: Minds, luck: Floats) -> Floats:
        """Picks a whim every second or two: wander, stand, go somewhere, close in, back off, circle, hide or hunt."""
        w, n = m.world, m.npc
        renew = m.clock >= self._whim_until[w, n]
        spin = np.where(renew[:, None], luck, self._whim[w, n])
        self._whim[w, n] = spin
        self._whim_until[w, n] = np.where(renew, m.clock + 0.8 + 0.8 * np.abs(luck[:, 3]), self._whim_until[w, n])
        share = 0.5 * (1.0 + np.tanh(0.8 * spin[:, 2]))  # about even in 0..1
        whim = np.minimum((share * _EXPLORATIONS).astype(np.int64), _EXPLORATIONS - 1)
        somewhere = self._open_place(w, 7.0 * spin[:, :2])
        self._goal[w, n] = np.where(renew[:, None], somewhere, self._goal[w, n])
        pace = np.clip(2.6 + 1.0 * spin[:, 0], 0.8, SPEED)
        wander = 2.2 * spin[:, :2]
        toward, sideways = unit(m.gap), across(m.gap) * np.where(spin[:, 1] < 0, -1.0, 1.0)[:, None]
        options = np.stack(
            [
                wander + self._from_walls(m, 2.0),
                0.0 * wander,
                self._walk(m, self._goal[w, n], SPEED) * (pace / SPEED)[:, None],
                toward * pace[:, None],
                -toward * pace[:, None] + self._from_walls(m, 2.0),
                sideways * pace[:, None] + toward * np.clip(m.range - 6.0, -1.5, 1.5)[:, None],
                self._walk(m, self._hiding_place(m, np.full(len(w), 3)), SPEED),
                self._walk(m, self._hunt_goal(m, luck), SPEED),
            ]
        )
        chosen = options[whim, np.arange(len(w))]
        bold = np.abs(spin[:, 3]) > 1.2
        return np.where(bold[:, None], chosen, self._dodge(m, chosen))

    # pieces

    def _walk(self, m: Minds, goal: Floats, speed: float) -> Floats:
        """Velocity along the shortest way, slowing down on arrival."""
        way, length = self._atlas.waypoints(m.world, m.pose[:, :2], goal)
        return unit(way - m.pose[:, :2]) * (speed * np.minimum(length / 0.5, 1.0))[:, None]

    def _open_place(self, world: Ints, xy: Floats) -> Floats:
        """The walkable grid node next to each place."""
        bounds, shape = self._atlas.bounds, self._atlas.shape
        node = self._atlas.snap[world, grid_index(bounds, shape, xy)]
        row, column = np.divmod(node, shape[1])
        return np.stack([bounds[0] + 0.5 * column, bounds[1] + 0.5 * row], axis=-1)

    def _hiding_place(self, m: Minds, mode: Ints) -> Floats:
        """A place the believed player cannot see; far from it in retreat (mode 4). Kept for a second."""
        w, n = m.world, m.npc
        look = np.flatnonzero((mode >= 3) & (m.clock >= self._hiding_until[w, n]))
        if look.size:
            keep_off = np.where(mode[look] == 4, 10.0, 4.0)
            known = np.ones((look.size, 1), np.bool_)
            spot = self._covers.hidden(w[look], m.pose[look, :2], m.target[look, None, :2], known, keep_off)
            self._hiding[w[look], n[look]] = spot
            self._hiding_until[w[look], n[look]] = m.clock[look] + 1.0
        return self._hiding[w, n]

    def _spread(self, m: Minds, reach: float) -> Floats:
        """Pushes squad mates apart within `reach` m."""
        gap = m.pose[:, None, :2] - m.allies
        distance = np.hypot(gap[..., 0], gap[..., 1])
        close = m.ally_known & (distance < reach) & (distance > 1e-6)
        push = np.where(close, (reach - distance) / np.maximum(distance, 0.1), 0.0)[..., None] * gap
        return np.asarray(1.5 * push.sum(1), np.float64)

    def _dodge(self, m: Minds, move: Floats) -> Floats:
        """Leaves the blast of known grenades."""
        danger = m.bomb_range < 3.6
        if not danger.any():
            return move
        away = unit(m.pose[:, :2] - m.bomb + 1e-3)
        goal = np.clip(m.pose[:, :2] + 3.0 * away, -11.4, 11.4)
        return np.where(danger[:, None], self._walk(m, self._open_place(m.world, goal), SPEED), move)

    def _from_walls(self, m: Minds, strength: float) -> Floats:
        """Velocity away from a wall nearer than 0.8 m."""
        x, y = m.pose[:, 0], m.pose[:, 1]
        cell = 24.0 / (self._sdf.shape[1] - 1)
        j = np.clip(np.rint((x + 12.0) / cell).astype(np.int64), 1, self._sdf.shape[2] - 2)
        i = np.clip(np.rint((y + 12.0) / cell).astype(np.int64), 1, self._sdf.shape[1] - 2)
        s, w = self._sdf, m.world
        slope = np.stack([s[w, i, j + 1] - s[w, i, j - 1], s[w, i + 1, j] - s[w, i - 1, j]], axis=-1).astype(np.float64)
        close = np.clip((0.8 - s[w, i, j]) / 0.45, 0.0, 1.0)
        away: Floats = unit(slope) * (strength * close)[:, None]
        return away
