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
_GAP = 1.1  # m between occluders, and to the border
_DENSE = 0.5  # m between points along an outline
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
    while len(rings) < 8:  # a crowded draw starts over
        rings = _place(rng)
    walls = tuple(Polygon(name=f"wall_{i}", kind="wall", vertices=r, opaque=True) for i, r in enumerate(rings))
    return ArenaMap(f"{split}-{index}", walls, _spawn_points(rng, walls))


def _place(rng: np.random.Generator) -> list[tuple[Point, ...]]:
    """Throws occluders on the floor and keeps those that leave a gap all around.

    Outlines grown by a body's radius then neither touch each other nor the border, and each is simply connected, so
    what is left between them is connected.
    """
    wanted = int(rng.integers(11, 13))
    rings: list[tuple[Point, ...]] = []
    taken = np.zeros((0, 2))  # points along the outlines placed so far
    for _ in range(600):
        if len(rings) == wanted:
            break
        ring = _outline(rng)
        if (np.abs(np.array(ring)) > 12.0 - _GAP).any():
            continue
        dense = _dense(np.array(ring))
        if len(taken) and (
            segment_distance(taken, ring_edges(ring)).min() < _GAP + _DENSE / 2 or _inside(ring, rings, taken)
        ):
            continue
        rings.append(ring)
        taken = np.concatenate([taken, dense])
    return rings


def _inside(ring: tuple[Point, ...], rings: list[tuple[Point, ...]], taken: NDArray[np.float64]) -> bool:
    """Whether one outline lies within another; outlines that cross are near each other anyway."""
    return bool(point_in_polygon(taken, ring).any()) or any(
        point_in_polygon(np.array(ring[:1]), r).any() for r in rings
    )


def _dense(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points along an outline, at most `_DENSE` apart."""
    ahead = np.roll(ring, -1, axis=0) - ring
    counts = np.ceil(np.hypot(ahead[:, 0], ahead[:, 1]) / _DENSE).astype(np.int64)
    return np.concatenate(
        [p + np.arange(n)[:, None] / n * step for p, step, n in zip(ring, ahead, counts, strict=True)]
    )


def _outline(rng: np.random.Generator) -> tuple[Point, ...]:
    """Draws one box, slanted box, triangle, L or T, thick enough to hide behind; counter-clockwise."""
    kind = rng.choice(5, p=(0.25, 0.25, 0.15, 0.2, 0.15))
    long, wide, thick = float(rng.uniform(4.0, 7.5)), float(rng.uniform(1.4, 3.0)), float(rng.uniform(1.0, 1.5))
    at = float(rng.uniform(0.2, 0.8)) * long
    turn = float(rng.integers(4)) * np.pi / 2
    if kind == 0:
        ring = [(0, 0), (long, 0), (long, wide), (0, wide)]
    elif kind == 1:
        ring = [(0, 0), (long, 0), (long, wide), (0, wide)]
        turn = float(rng.uniform(0, np.pi))
    elif kind == 2:
        ring = [(0, 0), (1.2 * long, 0), (at, 0.5 + wide)]
        turn = float(rng.uniform(0, 2 * np.pi))
    elif kind == 3:
        arm = thick + 1.4 * wide
        ring = [(0, 0), (long, 0), (long, thick), (thick, thick), (thick, arm), (0, arm)]
        turn += float(rng.uniform(-0.4, 0.4))
    else:
        left = min(at, long - thick)
        stem = [(left + thick, thick), (left + thick, thick + wide), (left, thick + wide), (left, thick)]
        ring = [(-0.5, 0), (long + 0.5, 0), (long + 0.5, thick), *stem, (-0.5, thick)]
        turn += float(rng.uniform(-0.4, 0.4))
    xy = np.array(ring, np.float64)
    xy -= (xy.min(axis=0) + xy.max(axis=0)) / 2
    c, s = np.cos(turn), np.sin(turn)
    centre = rng.uniform(-10.0, 10.0, 2)
    placed = np.stack([c * xy[:, 0] - s * xy[:, 1], s * xy[:, 0] + c * xy[:, 1]], axis=1) + centre
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
