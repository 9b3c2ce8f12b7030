"""Procedural maps: 6-12 occluders on 24 x 24 m, always connected; training, validation and test maps are disjoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_bridge.schema import Polygon
from npc_sdk.errors import InputError
from npc_sdk.geometry import Bounds, MapTables, Point, build_map, point_in_polygon, ring_edges, segment_distance

SPLITS = ("train", "validation", "test")
BOUNDS: Bounds = (-12.0, -12.0, 12.0, 12.0)
RADIUS = 0.35  # m, of every body
_GAP = 1.3  # m between occluders, and to the border
_SPAWNS = 64
_GROUP = 12  # spawn places next to each other, enough for a squad


@dataclass(frozen=True, slots=True)
class ArenaMap:
    """One map: walls and zones, and where squads and players may start."""

    name: str
    polygons: tuple[Polygon, ...]
    spawns: Float[np.ndarray, "p 2"]  # walkable places, spread out

    @property
    def tables(self) -> MapTables:
        """The static tables; computed on first use, then kept."""
        return build_map(self.polygons, BOUNDS, RADIUS)

    def with_zones(self, zones: tuple[Polygon, ...]) -> ArenaMap:
        """Returns the map with zones drawn in; zones stop neither bodies nor sight."""
        if any(z.kind != "zone" for z in zones):
            raise InputError(f"expected polygons of kind 'zone', got {[z.kind for z in zones]}")
        return ArenaMap(self.name, (*self.polygons, *zones), self.spawns)


@lru_cache(maxsize=1024)
def make_map(split: str, index: int) -> ArenaMap:
    """Returns map `index` of a split, always the same one.

    The split is part of the generator's seed, so the splits share no map.
    """
    if split not in SPLITS:
        raise InputError(f"map split: expected one of {', '.join(SPLITS)}, got {split!r}")
    if index < 0:
        raise InputError(f"map index: expected 0 or more, got {index}")
    rng = np.random.Generator(np.random.SFC64([SPLITS.index(split), index]))
    rings: list[tuple[Point, ...]] = []
    while len(rings) < 6:  # a crowded draw starts over
        rings = _place(rng)
    walls = tuple(Polygon(name=f"wall_{i}", kind="wall", vertices=r, opaque=True) for i, r in enumerate(rings))
    return ArenaMap(f"{split}-{index}", walls, _spawn_points(rng, walls))


def _place(rng: np.random.Generator) -> list[tuple[Point, ...]]:
    """Throws occluders on the floor and keeps those that leave a gap all around.

    Outlines grown by a body's radius then neither touch each other nor the border, and each is simply connected, so
    what is left between them is connected.
    """
    wanted = int(rng.integers(9, 13))
    rings: list[tuple[Point, ...]] = []
    for _ in range(120):
        if len(rings) == wanted:
            break
        ring = _outline(rng)
        at = np.array(ring)
        if (np.abs(at) > 12.0 - _GAP).any() or any(_gap(ring, other) < _GAP for other in rings):
            continue
        rings.append(ring)
    return rings


def _gap(one: tuple[Point, ...], two: tuple[Point, ...]) -> float:
    """Distance between two outlines, 0 when one lies in the other."""
    a, b = np.array(one), np.array(two)
    if point_in_polygon(a, two).any() or point_in_polygon(b, one).any():
        return 0.0
    # Outlines that cross have a vertex inside the other or cross like a plus; midpoints catch the plus.
    dense_a, dense_b = _dense(a), _dense(b)
    if point_in_polygon(dense_a, two).any() or point_in_polygon(dense_b, one).any():
        return 0.0
    return float(min(segment_distance(a, ring_edges(two)).min(), segment_distance(b, ring_edges(one)).min()))


def _dense(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    part = np.linspace(0.0, 1.0, 13)[:-1, None, None]
    return (ring + part * (np.roll(ring, -1, axis=0) - ring)).reshape(-1, 2)


def _outline(rng: np.random.Generator) -> tuple[Point, ...]:
    """Draws one box, slanted box, L or triangle; counter-clockwise."""
    kind = rng.choice(4, p=(0.3, 0.25, 0.3, 0.15))
    long, wide = float(rng.uniform(2.5, 6.0)), float(rng.uniform(0.8, 2.0))
    turn = float(rng.integers(4)) * np.pi / 2
    if kind == 0:
        ring = [(0, 0), (long, 0), (long, wide), (0, wide)]
    elif kind == 1:
        ring = [(0, 0), (long, 0), (long, wide), (0, wide)]
        turn = float(rng.uniform(0, np.pi))
    elif kind == 2:
        thick, other = float(rng.uniform(0.8, 1.3)), float(rng.uniform(2.5, 4.5))
        ring = [(0, 0), (long, 0), (long, thick), (thick, thick), (thick, other), (0, other)]
        turn += float(rng.uniform(-0.4, 0.4))
    else:
        ring = [(0, 0), (long, 0), (float(rng.uniform(0.2, 0.8)) * long, float(rng.uniform(2.0, 4.0)))]
        turn = float(rng.uniform(0, 2 * np.pi))
    at = np.array(ring, np.float64)
    at -= at.mean(axis=0)
    c, s = np.cos(turn), np.sin(turn)
    centre = rng.uniform(-10.5, 10.5, 2)
    placed = np.stack([c * at[:, 0] - s * at[:, 1], s * at[:, 0] + c * at[:, 1]], axis=1) + centre
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in placed)


def _spawn_points(rng: np.random.Generator, walls: tuple[Polygon, ...]) -> NDArray[np.float64]:
    """Places at least 1 m from each other and 0.6 m from walls."""
    sdf = build_map(walls, BOUNDS, RADIUS).sdf
    draw = rng.uniform(-11.2, 11.2, (1200, 2))
    draw = draw[sdf.sample(draw) > 0.6]
    kept: list[NDArray[np.float64]] = []
    for p in draw:
        if len(kept) == _SPAWNS:
            break
        if all((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 >= 1.0 for q in kept):
            kept.append(p)
    return np.array(kept)
