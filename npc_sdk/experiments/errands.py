"""A small game for comparing ways to keep rules: NPCs run errands among zones, mates and a player who walks about.

Every NPC is sent to a place, and to another as soon as it is there. All places can be reached by a disc of the body's
size without touching a wall or a zone; whoever does not get there was held up by how the rules are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.designer.board import Board
from npc_sdk.designer.request import Table
from npc_sdk.envs.arena import BOUNDS, DT, NPC_KINEMATICS, TICK_HZ, Arena, ArenaConfig, ArenaMap, make_map
from npc_sdk.envs.arena.players import STYLES, ScriptedPlayers
from npc_sdk.experiments.lockstep import Players, Trace
from npc_sdk.experiments.stage import new_board
from npc_sdk.geometry import UNREACHABLE, MapTables, build_map, point_in_polygon, ring_edges, segment_distance
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.shield import ShieldConfig

Floats = NDArray[np.float64]

RULES = ("keep_out", "ally_distance", "keep_away")
SPACING, AWAY = 0.9, 1.2  # m between centres of NPCs, and from the player
ZONES, ZONE_SIZE = 3, (0.8, 1.8)  # keep-out zones a world, m from the middle to a corner
ROOM = 0.15  # m of play that places have beyond what rules ask for
THERE = 0.5  # m from its place at which an NPC has arrived
LIMIT_S = 20.0  # in which an errand should be done: a way across the map and back takes half of it
STUCK_S, STUCK_M = 5.0, 0.25  # who moves less than this for so long, with somewhere to be, is deadlocked
PLAYER_SPEED = ArenaConfig().player_body.max_speed


@dataclass(frozen=True, slots=True)
class ErrandsConfig:
    """Which episodes are played."""

    seeds: int = 16
    seconds: float = 40.0
    npcs: int = 6
    first_seed: int = 9000
    split: str = "test"
    without: tuple[str, ...] = ()  # which of RULES nobody asks for; ways lead round zones all the same


@dataclass(frozen=True, slots=True)
class World:
    """One map with its zones, and the places that errands lead to."""

    map: ArenaMap
    zones: tuple[Floats, ...]
    spots: Floats  # q 2, m, all of which can be reached from each other
    seed: int


def make_world(split: str, seed: int) -> World:
    """Draws zones into a map and finds the places of its largest connected part.

    Raises:
        ValueError: there are fewer than twenty places.
    """
    rng = np.random.default_rng([seed, 5])
    arena_map = make_map(split, seed)
    zones = tuple(_zone(rng) for _ in range(ZONES))
    tables = build_map(
        (*arena_map.polygons, *(_wall(z, k) for k, z in enumerate(zones))), BOUNDS, NPC_KINEMATICS.radius
    )
    spots = _connected(tables, _free(rng, tables, zones))
    if len(spots) < 20:
        raise ValueError(f"map {arena_map.name} with zones: expected at least 20 places, got {len(spots)}")
    return World(arena_map, zones, spots, seed)


def _zone(rng: np.random.Generator) -> Floats:
    centre, corners = rng.uniform(-8.0, 8.0, 2), int(rng.integers(4, 8))
    angle = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
    reach = rng.uniform(*ZONE_SIZE, corners)
    ring: Floats = centre + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return ring.round(3)


@dataclass(frozen=True, slots=True)
class _Outline:
    name: str
    kind: str
    vertices: tuple[tuple[float, float], ...]
    opaque: bool = False


def _wall(zone: Floats, index: int) -> _Outline:
    return _Outline(f"out_{index}", "wall", tuple((float(x), float(y)) for x, y in zone))


def _free(rng: np.random.Generator, tables: MapTables, zones: tuple[Floats, ...]) -> Floats:
    """Draws places with room about them."""
    spots = rng.uniform(-11.0, 11.0, (400, 2))
    room = NPC_KINEMATICS.radius + ROOM
    good = tables.sdf.sample(spots) >= room + 0.1  # the grid interpolates
    for zone in zones:
        corners = [(float(x), float(y)) for x, y in zone]
        clear = segment_distance(spots, ring_edges(corners)).min(-1) >= room
        good &= clear & ~point_in_polygon(spots, corners)
    out: Floats = spots[good]
    return out


def _connected(tables: MapTables, spots: Floats) -> Floats:
    """Keeps the places that most others can be walked to from."""
    field_of = tables.path_field(spots[:8])  # 8 r c
    column, row = (np.rint((spots[:, k] - BOUNDS[k]) / 0.5).astype(np.int64) for k in range(2))
    ways = field_of[:, row, column]  # 8 q
    reached = ways < UNREACHABLE / 2
    out: Floats = spots[reached[int(reached.sum(1).argmax())]]
    return out


def rules(world: World, without: Collection[str] = ()) -> tuple[Table, ...]:
    """The rules of a world as the board takes them."""
    zones = [{"rule": "keep_out", "name": f"out_{i}", "polygon": z.tolist()} for i, z in enumerate(world.zones)]
    every: list[Table] = [
        *zones,
        {"rule": "ally_distance", "name": "apart", "distance": SPACING},
        {"rule": "keep_away", "name": "away", "distance": AWAY, "top_speed": PLAYER_SPEED},
    ]
    return tuple(table for table in every if table["rule"] not in without)


def errand_board(world: World, without: Collection[str] = ()) -> Board:
    """A board on which nothing counts but the errand."""
    board = new_board(rules(world, without))
    for name in DEFAULT_TERMS.names:
        board.apply({"op": "set_weight", "scope": "global", "term": name, "value": 0.0})
    board.apply({"op": "add_term", "name": "errand", "expression": "home.path", "unit": 1.0, "weight": 1.0})
    return board


@dataclass(slots=True)
class Log:
    """What became of the errands of one world."""

    given: list[int] = field(default_factory=list)  # tick
    taken: list[float] = field(default_factory=list)  # s until done; infinity where it was not


class Errands:
    """Plays the player, and sends NPCs about. The game's own doing: it looks at nothing but where NPCs are."""

    def __init__(self, world: World, npcs: int, players: Players) -> None:
        self.world, self._players = world, players
        self._rng = np.random.default_rng([world.seed, 6])
        self._goal = np.full(npcs, -1)
        self._since = np.zeros(npcs, np.int64)
        self.log = Log()

    def place(self, arena: Arena) -> None:
        """Puts the NPCs on places of their own, at rest, and gives everybody an errand."""
        p, spots = arena.config.players, self.world.spots
        chosen: list[int] = []
        for k in self._rng.permutation(len(spots)):
            gaps = np.hypot(*(spots[chosen] - spots[k]).T)
            clear = np.hypot(*(arena.pos[0, 0] - spots[k])) >= AWAY + 1.0
            if len(chosen) < len(self._goal) and clear and (gaps >= SPACING + 2 * ROOM).all():
                chosen.append(int(k))
        if len(chosen) < len(self._goal):
            raise ValueError(f"map {self.world.map.name}: expected room for {len(self._goal)} NPCs, got {len(chosen)}")
        arena.pos[0, p:] = spots[chosen]
        for npc in range(len(self._goal)):
            self._send(arena, npc)

    def act(self, arena: Arena) -> NDArray[np.floating]:
        """Sees who has arrived, and moves the player."""
        p = arena.config.players
        gap = arena.pos[0, p:] - arena.home[0, p:]
        for npc in np.flatnonzero(np.hypot(gap[:, 0], gap[:, 1]) <= THERE):
            self.log.given.append(int(self._since[npc]))
            self.log.taken.append((int(arena.tick[0]) - int(self._since[npc])) * DT)
            self._send(arena, int(npc))
        return self._players.act(arena)

    def close(self, arena: Arena) -> None:
        """Writes down what was not done by the end."""
        self.log.given += self._since.tolist()
        self.log.taken += [np.inf] * len(self._since)

    def _send(self, arena: Arena, npc: int) -> None:
        """Gives an NPC another place, not beside another's and some way off."""
        spots, here = self.world.spots, arena.pos[0, arena.config.players + npc]
        others = spots[np.delete(self._goal, npc)[np.delete(self._goal, npc) >= 0]]
        for k in self._rng.permutation(len(spots)):
            far = np.hypot(*(spots[k] - here)) >= 4.0
            if far and (np.hypot(*(others - spots[k]).T) >= SPACING + 2 * THERE).all():
                break
        self._goal[npc], self._since[npc] = k, int(arena.tick[0])
        arena.home[0, arena.config.players + npc] = spots[k]


def stage(config: ErrandsConfig, seed: int) -> tuple[Arena, Errands, Board]:
    """Sets up one episode."""
    world = make_world(config.split, seed)
    arena = Arena([world.map], ArenaConfig(npcs=config.npcs, mortal=False), [seed])
    errands = Errands(world, config.npcs, ScriptedPlayers([STYLES[seed % len(STYLES)]], [seed]))
    errands.place(arena)
    return arena, errands, errand_board(world, config.without)


def stuck(trace: Trace, players: int) -> float:
    """Returns the share of NPC-ticks within a standstill of STUCK_S or longer while there is somewhere to be."""
    span = round(STUCK_S * TICK_HZ)
    place = trace.pos[:, 0, players:]  # t+1 a 2
    if len(place) <= span:
        return 0.0
    still = np.zeros(place.shape[:2], np.bool_)
    for first in range(len(place) - span):
        window = place[first : first + span + 1]
        moved = np.hypot(*np.moveaxis(window - window[0], -1, 0)).max(0)  # a
        still[first : first + span + 1] |= moved < STUCK_M
    return float(still.mean())


def limits(arena: Arena, world: World, without: Collection[str] = ()) -> audit.Limits:
    """The rules as declared, written down anew for the checker."""
    n, p, body = arena.config.npcs, arena.config.players, NPC_KINEMATICS
    everybody = np.ones(n, np.bool_)
    x0, y0, x1, y1 = BOUNDS
    border = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    walls = [
        audit.Zone("wall", z.name, np.array(z.vertices), keep_in=False, binds=everybody)
        for z in world.map.polygons
        if z.kind == "wall"
    ]
    zones = [audit.Zone("keep_out", f"out_{i}", z, keep_in=False, binds=everybody) for i, z in enumerate(world.zones)]
    away = audit.Apart("keep_away", AWAY, PLAYER_SPEED, False, everybody, tuple(range(p)))
    spacing = np.zeros((n, n)) if "ally_distance" in without else np.where(np.eye(n, dtype=np.bool_), 0.0, SPACING)
    asked = () if "keep_out" in without else zones
    give = (ShieldConfig().velocity_tolerance + 3e-7 * body.max_speed) / DT
    return audit.Limits(
        dt=DT,
        radius=np.full(n, body.radius),
        speed=np.full(n, body.max_speed),
        acceleration=np.full(n, body.max_acceleration),
        brake=np.full(n, body.max_acceleration - give),
        home=arena.home[0, p:],
        leash=np.full(n, np.inf),
        spacing=spacing,
        hold_fire=np.zeros(n, np.bool_),
        zones=(*walls, audit.Zone("bounds", "bounds", border, keep_in=True, binds=everybody), *asked),
        apart=() if "keep_away" in without else (away,),
    )


def audit_trace(trace: Trace, arena: Arena) -> audit.Trace:
    """What happened, as the checker takes it."""
    p = arena.config.players
    return audit.Trace(
        ids=(101 + np.arange(arena.config.npcs)).astype(np.uint32),
        position=trace.pos[:, 0, p:],
        velocity=trace.vel[:, 0, p:],
        command=trace.command[:, 0, :, :2].astype(np.float64),
        alive=trace.alive[:, 0, p:],
        driver=trace.rung[:, 0],
        attacks=np.stack([trace.fired, trace.threw], -1)[:, 0, p:],
        hold_fire=trace.hold_fire[:, 0],
        hold_known=np.zeros((*trace.command.shape[:1], arena.config.npcs), np.bool_),
        others=trace.pos[:, 0, :p],
    )
