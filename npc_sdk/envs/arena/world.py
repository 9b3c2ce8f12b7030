"""The arena's physics, batched over worlds; the one implementation behind the PettingZoo world and all data.

Bodies move as commanded up to their physical limits, slide along walls and pass through each other. Zones, leashes,
spacing and hold-fire are not enforced here: keeping them is the shield's work, and must be able to fail without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.belief import in_view
from npc_sdk.envs.arena.config import CHANNELS, DT, MAX_REACH, ArenaConfig, Gun
from npc_sdk.envs.arena.dice import Dice, Luck, world_seeds
from npc_sdk.envs.arena.maps import BOUNDS, RADIUS, ArenaMap
from npc_sdk.geometry import RoadAtlas, closest_on_edges, line_of_sight, pad_edges
from npc_sdk.geometry.vectors import wrap

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_SHOTS, _PLACES = 0, 1  # purposes of random numbers
_PER_WORLD = (
    *("edges", "opaque_edges", "map_row", "squad", "leader", "tick", "pos", "vel", "home", "heading", "health"),
    *("cooldown", "throw_cooldown", "refill", "unhurt", "ammo", "grenades", "shots", "alive"),
    *("grenade_pos", "grenade_vel", "grenade_fuse", "grenade_flight", "grenade_owner", "grenade_id", "next_grenade"),
)
_CONTACT_PASSES = 4
_TOUCH = 1e-4  # m a body may overlap a wall after the last pass; otherwise it stays where it was


@dataclass(frozen=True, slots=True)
class Events:
    """What happened in one tick."""

    fired: Bool[np.ndarray, "w a"]
    threw: Bool[np.ndarray, "w a"]
    hit: Bool[np.ndarray, "w a"]  # the shooter hit an opponent
    damage_dealt: Float[np.ndarray, "w a"]  # hp, to opponents
    damage_taken: Float[np.ndarray, "w a"]  # hp, from anybody
    exploded: Bool[np.ndarray, "w g"]
    blasts: Float[np.ndarray, "w g 2"]  # where, valid where `exploded`


@dataclass(frozen=True, slots=True)
class View:
    """Who could see whom in the current tick; the dead neither see nor are seen."""

    clear: Bool[np.ndarray, "w p n"]  # no wall between player and NPC
    npc_sees: Bool[np.ndarray, "w n p"]
    player_sees: Bool[np.ndarray, "w p n"]


class Arena:
    """`w` worlds of one config, stepped together; `a` agents per world, players first.

    Positions in m, velocities in m/s, headings in rad, times in s. A world's future depends on its map, its seed and
    its actions alone, not on the batch it is in.

    Args:
        maps: one per world.
        config: the rules, the same for all worlds.
        seed: one per world, or one for all (then world i uses seed + i).
    """

    def __init__(
        self, maps: Sequence[ArenaMap], config: ArenaConfig | None = None, seed: int | Sequence[int] = 0
    ) -> None:
        self.maps = tuple(maps)
        self.config = config or ArenaConfig()
        self.seeds = world_seeds(seed, len(self.maps))
        c, w, a, g = self.config, len(self.maps), self.config.agents, self.config.max_grenades
        tables = [m.tables for m in self.maps]
        self.edges = pad_edges([t.edges for t in tables])  # w v 4, everything that stops bodies
        self.opaque_edges = pad_edges([t.opaque_edges for t in tables])  # w o 4
        self.atlas = RoadAtlas([t.roads for t in tables])
        self.map_row: Ints = np.arange(w)  # of `atlas`, per world
        self._sdf = np.stack([t.sdf.values for t in tables])
        self._sdf_cell = tables[0].sdf.cell
        self._shots: Dice | Luck = Dice(self.seeds, _SHOTS, (a,))
        self._places = Dice(self.seeds, _PLACES, ()).generators
        self._view: View | None = None

        npc = np.arange(a) - c.players
        self.is_npc: Bools = npc >= 0
        self.squad: Ints = np.where(self.is_npc, npc // c.squad_size, -1)[None].repeat(w, axis=0)
        self.leader: Bools = (self.is_npc & (npc % c.squad_size == 0))[None].repeat(w, axis=0)
        self._opposing: Bools = self.is_npc[:, None] != self.is_npc[None, :]
        bodies = [c.npc_body if npc else c.player_body for npc in self.is_npc]
        self._limits = np.array([(b.max_speed, b.max_acceleration, b.turn_rate) for b in bodies])
        guns = [c.npc_gun if npc else c.player_gun for npc in self.is_npc]
        self._gun = {f.name: np.array([getattr(gun, f.name) for gun in guns]) for f in fields(Gun)}

        self.tick: Ints = np.zeros(w, np.int64)
        self.pos: Floats = np.zeros((w, a, 2))
        self.vel: Floats = np.zeros((w, a, 2))
        self.home: Floats = np.zeros((w, a, 2))
        self.heading, self.health, self.cooldown = (np.zeros((w, a)) for _ in range(3))
        self.throw_cooldown, self.refill, self.unhurt = (np.zeros((w, a)) for _ in range(3))
        self.ammo, self.grenades, self.shots = (np.zeros((w, a), np.int64) for _ in range(3))
        self.alive: Bools = np.zeros((w, a), np.bool_)
        self.grenade_pos: Floats = np.zeros((w, g, 2))
        self.grenade_vel: Floats = np.zeros((w, g, 2))
        self.grenade_fuse: Floats = np.zeros((w, g))
        self.grenade_flight: Floats = np.zeros((w, g))  # s left in the air
        self.grenade_owner: Ints = np.full((w, g), -1)
        self.grenade_id: Ints = np.zeros((w, g), np.int64)  # 0: no grenade; ids are never used again
        self.next_grenade: Ints = np.full(w, 1001)
        self.reset()

    @property
    def worlds(self) -> int:
        """How many worlds are stepped together."""
        return len(self.maps)

    @property
    def hold_fire(self) -> Bools:
        """Per world, whether the mode flag asks for silence at the current tick."""
        asks = np.zeros(self.worlds, np.bool_)
        for first, last in self.config.hold_fire:
            asks |= (self.tick >= first) & (self.tick < last)
        return asks

    @property
    def over(self) -> Bools:
        """Per world, whether one side is dead or the time is up."""
        players, npcs = self.alive[:, ~self.is_npc].any(1), self.alive[:, self.is_npc].any(1)
        return ~players | ~npcs | (self.tick >= self.config.max_ticks)

    def clone(self) -> Arena:
        """Returns an independent copy that will run the same way under the same actions; maps are shared."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(twin, name, value.copy())
        twin._shots = deepcopy(self._shots)
        twin._places = deepcopy(self._places)
        return twin

    def imagined(self, world: Int[np.ndarray, " r"], luck: Luck) -> Arena:
        """Returns `r` copies of some worlds to try actions in, with shots that fall by `luck`. It cannot be reset."""
        twin = copy(self)
        twin.maps = tuple(self.maps[w] for w in world)
        twin.seeds = tuple(self.seeds[w] for w in world)
        for name in _PER_WORLD:
            setattr(twin, name, getattr(self, name)[world])
        twin._shots = luck
        twin._view = None
        return twin

    def reset(self) -> None:
        """Starts all worlds anew, at places drawn from their own generators."""
        c = self.config
        for w, generator in enumerate(self._places):
            self.pos[w], self.heading[w] = _placing(self.maps[w], c, generator)
        self.home = self.pos.copy()
        self.vel[:] = 0.0
        self.health[:] = c.health
        self.ammo[:] = self._gun["magazine"]
        for clock in (self.cooldown, self.throw_cooldown, self.refill, self.grenade_fuse, self.grenade_flight):
            clock[:] = 0.0
        self.unhurt[:] = c.recovery_delay
        self.grenades[:] = c.blast.supply
        self.shots[:] = 0
        self.alive[:] = True
        self.grenade_id[:] = 0
        self.grenade_owner[:] = -1
        self.grenade_pos[:] = self.grenade_vel[:] = 0.0
        self.next_grenade[:] = 1001
        self.tick[:] = 0
        self._view = None

    def step(self, actions: Float[np.ndarray, "w a 6"]) -> Events:
        """Advances all worlds by one tick of 1/30 s.

        Args:
            actions: per agent move_x move_y (m/s, the velocity wanted), aim (rad), fire and throw (above 0.5 is yes),
                reach (m). Values beyond the limits are cut; what is not finite counts as 0.
        """
        if actions.shape != (self.worlds, self.config.agents, len(CHANNELS)):
            raise ValueError(
                f"expected actions {(self.worlds, self.config.agents, len(CHANNELS))}, got {actions.shape}"
            )
        wish = np.nan_to_num(np.asarray(actions, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        wish[~self.alive] = 0.0
        self._turn(wish[..., 2])
        self._move(wish[..., :2])
        self._prepare_weapons()
        fired, hit, dealt, taken = self._shoot(wish[..., 3] > 0.5)
        threw = self._throw(wish[..., 4] > 0.5, wish[..., 5])
        exploded = self._burn_fuses(dealt, taken)
        self._hurt(taken)
        self.tick += 1
        self._view = None
        return Events(fired, threw, hit, dealt, taken, exploded, self.grenade_pos.copy())

    def view(self) -> View:
        """Returns who sees whom now; computed once per tick."""
        if self._view is None:
            p = self.config.players
            player, npc = self.pos[:, :p, None], self.pos[:, None, p:]  # w p 1 2, w 1 n 2
            clear = line_of_sight(player, npc, self.opaque_edges)
            clear &= self.alive[:, :p, None] & self.alive[:, None, p:]
            seen = clear & in_view(player, self.heading[:, :p, None], npc, self.config.player_sight)
            sees = clear & in_view(npc, self.heading[:, None, p:], player, self.config.npc_sight)
            self._view = View(clear, sees.swapaxes(1, 2), seen)
        return self._view

    def _turn(self, aim: Floats) -> None:
        most = self._limits[:, 2] * DT
        gap = wrap(aim - self.heading)
        self.heading = np.where(self.alive, wrap(self.heading + np.clip(gap, -most, most)), self.heading)

    def _move(self, wanted: Floats) -> None:
        """Moves bodies: speed and acceleration limits first, then contact with walls."""
        speed = np.sqrt(wanted[..., 0] ** 2 + wanted[..., 1] ** 2)
        most = self._limits[:, 0]
        velocity = np.where((speed > most)[..., None], wanted * (most / np.maximum(speed, 1e-9))[..., None], wanted)
        change = velocity - self.vel
        size = np.sqrt(change[..., 0] ** 2 + change[..., 1] ** 2)
        allowed = self._limits[:, 1] * DT
        limited = self.vel + change * (allowed / np.maximum(size, 1e-9))[..., None]
        velocity = np.where((size > allowed)[..., None], limited, velocity)
        velocity[~self.alive] = 0.0
        target = self.pos + velocity * DT
        near = np.argwhere((self._clearance(target) < RADIUS + 0.2) & self.alive)
        if len(near):
            w, a = near[:, 0], near[:, 1]
            rested, touched = _slide(self.pos[w, a], target[w, a], self.edges[w])
            target[w, a] = rested
            real = (rested - self.pos[w, a]) / DT
            velocity[w, a] = np.where(touched[:, None], real, velocity[w, a])
        self.pos, self.vel = target, velocity

    def _clearance(self, xy: Floats) -> Floats:
        """Distance to the nearest wall from the grid, good enough to leave bodies in the open alone: w a."""
        cell, g = self._sdf_cell, self._sdf.shape[1]
        x = np.clip((xy[..., 0] - BOUNDS[0]) / cell, 0, g - 1.001)
        y = np.clip((xy[..., 1] - BOUNDS[1]) / cell, 0, g - 1.001)
        i, j = y.astype(np.int64), x.astype(np.int64)
        w = self.map_row[:, None]
        near = np.minimum(
            np.minimum(self._sdf[w, i, j], self._sdf[w, i, j + 1]),
            np.minimum(self._sdf[w, i + 1, j], self._sdf[w, i + 1, j + 1]),
        )
        return np.asarray(near, np.float64)

    def _prepare_weapons(self) -> None:
        """Lets cooldowns run, ends reloads and refills grenades."""
        was_empty = (self.ammo == 0) & (self.cooldown > 0)
        self.cooldown = _run_down(self.cooldown)
        self.ammo = np.where(was_empty & (self.cooldown == 0), self._gun["magazine"].astype(np.int64), self.ammo)
        self.throw_cooldown = _run_down(self.throw_cooldown)
        blast = self.config.blast
        self.refill = np.where(self.grenades < blast.supply, self.refill + DT, 0.0)
        full = self.refill >= blast.refill
        self.grenades = self.grenades + full
        self.refill = np.where(full, 0.0, self.refill)

    def _shoot(self, trigger: Bools) -> tuple[Bools, Bools, Floats, Floats]:
        """Resolves all shots of the tick: who fired, who hit, damage dealt and taken."""
        error = self._shots.normal()
        fired = trigger & self.alive & (self.cooldown <= 0) & (self.ammo > 0)
        hit = np.zeros(fired.shape, np.bool_)
        dealt, taken = np.zeros(fired.shape), np.zeros(fired.shape)
        w, a = np.nonzero(fired)
        if w.size:
            first = self.struck(w, a, self.heading[w, a] + error[w, a] * self._gun["spread"][a])
            shot = np.flatnonzero(first >= 0)
            harm = self._gun["damage"][a[shot]]
            hit[w[shot], a[shot]] = True
            dealt[w[shot], a[shot]] = harm
            np.add.at(taken, (w[shot], first[shot]), harm)
            self.ammo = self.ammo - fired
            self.shots = self.shots + fired
            pause = np.where(self.ammo == 0, self._gun["reload"], self._gun["cooldown"])
            self.cooldown = np.where(fired, pause, self.cooldown)
        return fired, hit, dealt, taken

    def struck(
        self, w: Int[np.ndarray, " k"], a: Int[np.ndarray, " k"], angle: Float[np.ndarray, " k"]
    ) -> Int[np.ndarray, " k"]:
        """Returns whom a shot of agent `a` of world `w` along `angle` (rad) would hit now; -1: nobody."""
        ux, uy = np.cos(angle), np.sin(angle)
        gap = self.pos[w] - self.pos[w, a][:, None]  # k a 2
        along = gap[..., 0] * ux[:, None] + gap[..., 1] * uy[:, None]
        aside = np.abs(gap[..., 0] * uy[:, None] - gap[..., 1] * ux[:, None])
        target = (
            self._opposing[a] & self.alive[w] & (along > 0) & (along <= self._gun["reach"][a, None]) & (aside <= RADIUS)
        )
        depth = np.where(target, along, np.inf)
        first = depth.argmin(1)
        reach = depth[np.arange(w.size), first]
        struck = np.flatnonzero(np.isfinite(reach))
        start = self.pos[w, a][struck]
        end = start + np.stack([ux[struck], uy[struck]], -1) * reach[struck, None]
        struck = struck[line_of_sight(start[:, None], end[:, None], self.opaque_edges[w[struck]])[:, 0]]
        out: Ints = np.full(w.size, -1)
        out[struck] = first[struck]
        return out

    def spread(self, a: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Returns one standard deviation of the angle at which agents' shots leave, rad."""
        return np.asarray(self._gun["spread"][a], np.float64)

    def _throw(self, trigger: Bools, reach: Floats) -> Bools:
        """Puts thrown grenades into free slots; without one the grenade stays in the hand."""
        blast = self.config.blast
        threw = trigger & self.alive & (self.grenades > 0) & (self.throw_cooldown <= 0)
        for w, a in np.argwhere(threw):
            free = np.flatnonzero(self.grenade_id[w] == 0)
            if not free.size:
                threw[w, a] = False
                continue
            g, angle = free[0], self.heading[w, a]
            far = float(np.clip(reach[w, a], 0.0, MAX_REACH))
            ray = np.array([np.cos(angle), np.sin(angle)])
            landing = np.clip(self.pos[w, a] + far * ray, BOUNDS[0] + 0.1, BOUNDS[2] - 0.1)
            way = landing - self.pos[w, a]
            flight = float(np.sqrt(way[0] ** 2 + way[1] ** 2)) / blast.speed
            self.grenade_pos[w, g] = self.pos[w, a]
            self.grenade_vel[w, g] = way / max(flight, 1e-9)
            self.grenade_flight[w, g] = flight
            self.grenade_fuse[w, g] = blast.fuse
            self.grenade_owner[w, g] = a
            self.grenade_id[w, g] = self.next_grenade[w]
            self.next_grenade[w] += 1
            self.grenades[w, a] -= 1
            self.throw_cooldown[w, a] = blast.cooldown
        return threw

    def _burn_fuses(self, dealt: Floats, taken: Floats) -> Bools:
        """Flies grenades on and explodes those whose fuse ends; adds the harm to `dealt` and `taken`."""
        blast, live = self.config.blast, self.grenade_id > 0
        if not live.any():
            return np.zeros_like(live)
        moving = np.minimum(self.grenade_flight, DT)[..., None]
        self.grenade_pos = self.grenade_pos + self.grenade_vel * moving
        self.grenade_flight = np.maximum(self.grenade_flight - DT, 0.0)
        self.grenade_vel = np.where((self.grenade_flight > 0)[..., None], self.grenade_vel, 0.0)
        self.grenade_fuse = np.where(live, self.grenade_fuse - DT, 0.0)
        exploded = live & (self.grenade_fuse <= 1e-9)
        w, g = np.nonzero(exploded)
        if w.size:
            spot = self.grenade_pos[w, g]
            gap = self.pos[w] - spot[:, None]
            distance = np.sqrt(gap[..., 0] ** 2 + gap[..., 1] ** 2)  # k a
            open_ = line_of_sight(spot[:, None], self.pos[w], self.opaque_edges[w])
            harm = np.where(open_ & self.alive[w], blast.damage * np.maximum(1.0 - distance / blast.radius, 0.0), 0.0)
            np.add.at(taken, w, harm)
            owner = self.grenade_owner[w, g]
            np.add.at(dealt, (w, owner), (harm * self._opposing[owner]).sum(1))
            self.grenade_id[w, g] = 0
            self.grenade_owner[w, g] = -1
            self.grenade_fuse[w, g] = 0.0
        return exploded

    def _hurt(self, taken: Floats) -> None:
        c = self.config
        self.unhurt = np.where(taken > 0, 0.0, self.unhurt + DT)
        health = self.health - taken
        health = np.where(self.unhurt >= c.recovery_delay, np.minimum(health + c.recovery * DT, c.health), health)
        self.health = np.where(self.alive, np.maximum(health, 0.0 if c.mortal else 1.0), self.health)
        self.alive = self.alive & (self.health > 0)
        self.vel[~self.alive] = 0.0


def _run_down(clock: Floats) -> Floats:
    """Takes one tick off; what is left of rounding counts as run down."""
    return np.where(clock > DT + 1e-6, clock - DT, 0.0)


def _slide(start: Floats, target: Floats, edges: Floats) -> tuple[Floats, Bools]:
    """Pushes bodies out of walls along the deepest contact, a few times; k 2, and whether they touched.

    A step is shorter than a radius, so a centre never jumps over an edge. Who is still wedged stays at `start`.
    """
    at, wedged, touched = target.copy(), np.ones(len(target), np.bool_), np.zeros(len(target), np.bool_)
    for _ in range(_CONTACT_PASSES):
        rows = np.flatnonzero(wedged)
        overlap, away = _deepest(at[rows], edges[rows])
        inside = overlap > 0
        at[rows[inside]] += away[inside] * overlap[inside, None]
        touched[rows[inside]] = True
        wedged[rows[~inside]] = False
        if not inside.any():
            return at, touched
    rows = np.flatnonzero(wedged)
    overlap, _ = _deepest(at[rows], edges[rows])
    at[rows[overlap > _TOUCH]] = start[rows[overlap > _TOUCH]]
    return at, touched


def _deepest(at: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """How deep each body is in its nearest wall (m, negative outside), and the direction out of it: k, k 2."""
    cx, cy = closest_on_edges(at, edges)
    dx, dy = at[:, 0, None] - cx, at[:, 1, None] - cy
    square = dx * dx + dy * dy
    nearest, rows = square.argmin(1), np.arange(len(at))
    distance = np.sqrt(square[rows, nearest])
    out = np.stack([dx[rows, nearest], dy[rows, nearest]], axis=-1) / np.maximum(distance, 1e-9)[:, None]
    return RADIUS - distance, out


def _placing(arena_map: ArenaMap, config: ArenaConfig, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws the start: squads stand together, players away from them."""
    spots = arena_map.spawns
    free = np.ones(len(spots), np.bool_)
    chosen: list[int] = []
    for _ in range(config.players):
        chosen.append(int(rng.choice(np.flatnonzero(free))))
        free[chosen[-1]] = False
    away = np.sqrt(((spots[:, None] - spots[None, chosen]) ** 2).sum(-1)).min(1)
    for squad in range(config.squads):
        size = min(config.squad_size, config.npcs - squad * config.squad_size)
        far = np.flatnonzero(free & (away > 8.0))
        anchor = int(rng.choice(far if far.size else np.flatnonzero(free)))
        order = np.argsort(((spots - spots[anchor]) ** 2).sum(-1), kind="stable")
        members = [int(i) for i in order if free[i]][:size]
        free[members] = False
        chosen.extend(members)
    heading = rng.uniform(-np.pi, np.pi, config.agents)
    return spots[chosen].copy(), heading
