"""Everything about a map that does not change, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from npc_sdk.geometry.grids import SdfGrid, build_sdf, fill_blocked, grid_points, path_field
from npc_sdk.geometry.polygons import Bounds, Point, Shape, bounds_ring, offset_ring, polygon_edges, ring_edges
from npc_sdk.geometry.roads import CELL, Roads, build_roads, grid_index

_COVER_OFFSET = 0.25  # m between the body and the wall it hides behind
_KEPT_FIELDS = 512  # per map, 10 kB each
_MOST_KEPT = 512  # maps
Walls: TypeAlias = tuple[tuple[tuple[Point, ...], bool], ...]
"""Outlines, and whether they stop sight."""
_COVER_SPACING = 1.2  # m between neighbouring hiding places


@dataclass(frozen=True, slots=True)
class MapTables:
    """The static tables of one map for bodies of one radius."""

    bounds: Bounds
    radius: float  # m
    edges: Float[np.ndarray, "v 4"]  # of everything that stops bodies, the border last
    opaque_edges: Float[np.ndarray, "o 4"]  # of everything that stops sight; the border is not in it
    sdf: SdfGrid  # distance to walls and border
    walkable: Bool[np.ndarray, "r c"]  # on the 0.5 m grid: a body's centre may be there
    cover: Float[np.ndarray, "p 2"]  # walkable places beside opaque walls
    roads: Roads

    _fields: dict[int, Float[np.ndarray, "r c"]] = field(default_factory=dict, repr=False, compare=False)

    def path_field(self, targets: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k r c"]:
        """Returns metres of way from each node of the 0.5 m grid (origin: lower left of the bounds) to each target.

        A target counts as the nearest walkable node; nodes inside walls continue the values around them.
        """
        spots = self.roads.snap[grid_index(self.bounds, self.walkable.shape, np.asarray(targets))]
        kept = self._fields
        wanted = list(dict.fromkeys(int(s) for s in spots))
        if len(kept) + len(wanted) > _KEPT_FIELDS:
            kept.clear()
        new = [s for s in wanted if s not in kept]
        if new:
            at = grid_points(self.bounds, CELL, self.walkable.shape).reshape(-1, 2)[new]
            found = path_field(~self.walkable, CELL, at, origin=(self.bounds[0], self.bounds[1]))
            kept.update(zip(new, fill_blocked(found, self.walkable, CELL), strict=True))
        return (
            np.stack([kept[int(s)] for s in spots]) if len(spots) else np.zeros((0, *self.walkable.shape), np.float32)
        )


_KEPT: dict[tuple[Walls, Bounds, float], MapTables] = {}  # oldest first


def build_map(polygons: Sequence[Shape], bounds: Bounds, radius: float, compiled: bool = False) -> MapTables:
    """Builds a map's tables from its polygons; zones do not block. The last 512 maps are kept.

    Args:
        polygons: of the map.
        bounds: of the map.
        radius: of the bodies, m.
        compiled: the same tables several times as fast, by loops that are compiled. A game without a brain has no use
            for a compiler, and does not load it.
    """
    x0, y0, x1, y1 = bounds
    key = tuple((tuple(p.vertices), p.opaque) for p in polygons if p.kind == "wall"), (x0, y0, x1, y1), radius
    tables = _KEPT.get(key)
    if tables is None:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        tables = _KEPT[key] = make_map_tables(*key, compiled)
    return tables


def make_map_tables(walls: Walls, bounds: Bounds, radius: float, compiled: bool) -> MapTables:
    """Makes a map's tables, as `build_map` does where it has none yet."""
    if compiled:
        from npc_sdk.kernels import compiled as loops

        compiled = loops.AVAILABLE
    rings = [vertices for vertices, _ in walls]
    opaque = [vertices for vertices, blocks in walls if blocks]
    sdf = build_sdf(rings, bounds, compiled=compiled)
    stride = round(CELL / sdf.cell)
    roads = build_roads(rings, bounds, radius, sdf.values[::stride, ::stride], compiled)
    return MapTables(
        bounds=bounds,
        radius=radius,
        edges=polygon_edges([*rings, bounds_ring(bounds)]),
        opaque_edges=polygon_edges(opaque),
        sdf=sdf,
        walkable=roads.walkable,
        cover=_cover_points(opaque, sdf, radius),
        roads=roads,
    )


def _cover_points(rings: Sequence[Sequence[Point]], sdf: SdfGrid, radius: float) -> Float[np.ndarray, "p 2"]:
    """Places along the outlines where a body stands close to the wall."""
    places = []
    for ring in rings:
        grown = offset_ring(ring, radius + _COVER_OFFSET)
        for x0, y0, x1, y1 in ring_edges([(float(x), float(y)) for x, y in grown]):
            count = max(1, round(float(np.hypot(x1 - x0, y1 - y0)) / _COVER_SPACING))
            part = (np.arange(count) + 0.5) / count
            places.append(np.stack([x0 + part * (x1 - x0), y0 + part * (y1 - y0)], axis=1))
    points = np.concatenate(places) if places else np.zeros((0, 2))
    return points[sdf.sample(points) >= radius] if len(points) else points
