"""Small worlds for planner and objective tests: a few boxes, one player, one or more squads, everything explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from npc_sdk.geometry import MapTables, build_map
from npc_sdk.geometry.places import build_places
from npc_sdk.objectives.situation import Lookup
from npc_sdk.objectives.terms import DEFAULT_TERMS, TermSet
from npc_sdk.planner.fields import FieldBook, Goals
from npc_sdk.planner.motion import Body
from npc_sdk.planner.problem import Bounds, Problem
from npc_sdk.tensors import FEATURES, Grids, Scene, grids
from npc_sdk.tensors import places as place_tables
from npc_sdk.world.baselines import ConstantVelocity
from npc_sdk.world.forecast import Memory

ARENA = (-12.0, -12.0, 12.0, 12.0)
RADIUS = 0.35


@dataclass(frozen=True)
class Block:
    vertices: tuple[tuple[float, float], ...]
    kind: str = "wall"
    opaque: bool = True
    name: str = "block"


def box(x: float, y: float, half_x: float, half_y: float) -> Block:
    return Block(
        ((x - half_x, y - half_y), (x + half_x, y - half_y), (x + half_x, y + half_y), (x - half_x, y + half_y))
    )


def random_blocks(seed: int, count: int = 8) -> list[Block]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        x, y = rng.uniform(-9, 9, 2)
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        size = rng.uniform(1.0, 2.2)
        out.append(Block(tuple((float(x + size * np.cos(t)), float(y + size * np.sin(t))) for t in turns)))
    return out


@dataclass(frozen=True)
class Toy:
    tables: list[MapTables]
    scene: Scene
    memory: Memory
    problem: Problem
    forecast: ConstantVelocity
    book: FieldBook

    def with_weights(self, **weights: float) -> Problem:
        """All weights 0 but these."""
        terms = self.problem.terms
        row = torch.zeros(len(terms.names))
        for name, value in weights.items():
            row[terms.index(name)] = value
        return replace(self.problem, weights=row.expand(len(self.problem.ids), -1))


def make_toy(
    *,
    npcs: np.ndarray,  # b k 4
    player: np.ndarray,  # b 4
    facing: np.ndarray | None = None,  # b
    blocks: list[list[Block]] | None = None,  # per scene
    grenades: np.ndarray | None = None,  # b g 5: x y vx vy fuse
    terms: TermSet = DEFAULT_TERMS,
    horizon: int = 20,
    tick: int = 0,
    age: float = 0.0,
    free: Lookup | None = None,
    leash: float = np.inf,
    spacing: float = 0.0,
) -> Toy:
    """Every NPC of every scene decides; slot 0 is the player, then the NPCs (the first leads), then grenades."""
    b, k = npcs.shape[:2]
    blocks = blocks or [[] for _ in range(b)]
    tables = [build_map(one, ARENA, RADIUS) for one in blocks]
    thrown = np.zeros((b, 0, 5)) if grenades is None else grenades
    facing = np.zeros(b) if facing is None else facing
    g, e = thrown.shape[1], 1 + k + thrown.shape[1]
    pose = np.concatenate([player[:, None], npcs, thrown[..., :4]], 1).astype(np.float32)
    kind = np.array([1] + [2] * k + [3] * g)
    feature = np.zeros((b, e, len(FEATURES)), np.float32)
    feature[:, 0, FEATURES.index("player")] = 1
    feature[:, 1 : 1 + k, FEATURES.index("npc")] = 1
    feature[:, 1 : 1 + k, FEATURES.index("own")] = 1
    feature[:, 1, FEATURES.index("leader")] = 1
    feature[:, 1 : 1 + k, FEATURES.index("health")] = 1
    feature[:, 1 + k :, FEATURES.index("projectile")] = 1
    feature[:, 1 + k :, FEATURES.index("fuse")] = thrown[..., 4] / 2.0
    heading = np.zeros((b, e, 2), np.float32)
    heading[..., 0] = 1
    heading[:, 0] = np.stack([np.cos(facing), np.sin(facing)], -1)
    walls = grids([t.sdf for t in tables], torch.device("cpu"))
    scene = Scene(
        kind=torch.tensor(kind).expand(b, e),
        pose=torch.tensor(pose),
        heading=torch.tensor(heading),
        features=torch.tensor(feature),
        mask=torch.ones(b, e, dtype=torch.bool),
        seen=torch.full((b, e), age == 0.0),
        age=torch.full((b, e), age),
        walls=walls,
        map_index=torch.arange(b),
        places=place_tables([build_places(t.sdf, t.radius) for t in tables], torch.device("cpu")),
    )
    forecast = ConstantVelocity()
    memory = forecast.filter(forecast.start(b, e), scene)
    book = FieldBook(tables, torch.device("cpu"))
    row = np.repeat(np.arange(b), k)
    own = npcs.reshape(b * k, 4)[:, :2]
    goals = Goals(
        map=row,
        player=player[row, :2],
        facing=facing[row],
        own=own,
        leader=npcs[row, 0, :2],
        home=own,
        lost=np.zeros(b * k, np.bool_),
        age=np.full(b * k, age),
        ids=np.arange(b * k) + 101,
    )
    n = b * k
    index = torch.tensor(row)
    if free is None:
        free = Lookup(Grids(walls.values - RADIUS, walls.origin, walls.cell), index)
    problem = Problem(
        scene_index=index,
        slot=torch.arange(1, k + 1).repeat(b),
        ids=torch.arange(n) + 101,
        tick=torch.full((n,), tick),
        weights=torch.tensor([t.default for t in terms.terms]).expand(n, -1),
        home=torch.tensor(own, dtype=torch.float32),
        bounds=Bounds(
            Body(torch.full((n,), 4.0), torch.full((n,), 16.0)),
            free,
            torch.full((n,), leash),
            torch.full((n,), spacing),
        ),
        fields=book.fields(goals),
        committed=torch.zeros(b, e, horizon, 2),
        planned=torch.zeros(n, dtype=torch.bool),
        elites=torch.zeros(n, 0, horizon, 2),
        terms=terms,
    )
    return Toy(tables, scene, memory, problem, forecast, book)


def random_toy(seed: int, scenes: int = 4, squad: int = 4, **options: object) -> Toy:
    rng = np.random.default_rng(seed)
    blocks = [random_blocks(seed * 100 + i) for i in range(scenes)]
    spots = []
    for one in blocks:
        tables = build_map(one, ARENA, RADIUS)
        free = np.argwhere(tables.walkable)[:, ::-1] * 0.5 - 12.0
        spots.append(free[rng.choice(len(free), squad + 1, replace=False)])
    places = np.array(spots, np.float64)
    speeds = rng.uniform(-2, 2, places.shape)
    poses = np.concatenate([places, speeds], -1)
    grenades = np.concatenate(
        [rng.uniform(-10, 10, (scenes, 1, 2)), np.zeros((scenes, 1, 2)), np.full((scenes, 1, 1), 1.2)], -1
    )
    return make_toy(
        npcs=poses[:, 1:],
        player=poses[:, 0],
        facing=rng.uniform(-np.pi, np.pi, scenes),
        blocks=blocks,
        grenades=grenades,
        **options,  # type: ignore[arg-type]
    )
