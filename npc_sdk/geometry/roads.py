"""Shortest ways around polygons: corner nodes, the distances between them, and what each place sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.geometry.grids import UNREACHABLE, grid_points, nearest_free
from npc_sdk.geometry.polygons import (
    FAR,
    MITRE,
    Bounds,
    Point,
    bounds_ring,
    closest_on_edges,
    convex_corners,
    offset_ring,
    pad_edges,
    point_in_polygon,
    polygon_edges,
    ring_edges,
    signed_distance,
)
from npc_sdk.geometry.sight import line_of_sight

CELL = 0.5  # m, of the grid that knows which corners each place sees
_CORNER_CLEARANCE = 0.2  # m kept between the body and the corner it rounds
_FITS = 0.05  # m that a passage must be wider than the body: what is kept from walls on both sides, and a little
_EASY = 0.3  # m: through less plans find their way now and then
_SQUEEZE = 8.0  # m that a way round may be longer than one through such a passage
_BESIDE = 0.01  # m between a bar and the nodes on both sides of it


@dataclass(frozen=True, slots=True)
class Roads:
    """The ways of one map for bodies of one radius. A shortest way bends only at corners, so corners are enough."""

    bounds: Bounds
    nodes: Float[np.ndarray, "n 2"]  # m
    between: Float[np.ndarray, "n n"]  # float32, m along the ways
    sees: Bool[np.ndarray, "g n"]  # which nodes each grid node can walk straight to
    snap: NDArray[np.int32]  # g: flat index of the nearest walkable grid node
    walkable: Bool[np.ndarray, "r c"]
    walls: Float[np.ndarray, "v 4"]  # outlines grown by almost the radius, and bars: a straight way crosses none


def grid_index(bounds: Bounds, shape: tuple[int, ...], xy: Float[np.ndarray, "... 2"]) -> NDArray[np.int64]:
    """Returns the flat index of the grid node nearest to each point."""
    rows, columns = shape
    column = np.clip(np.rint((xy[..., 0] - bounds[0]) / CELL), 0, columns - 1).astype(np.int64)
    row = np.clip(np.rint((xy[..., 1] - bounds[1]) / CELL), 0, rows - 1).astype(np.int64)
    index: NDArray[np.int64] = row * columns + column
    return index


def build_roads(
    rings: Sequence[Sequence[Point]],
    bounds: Bounds,
    radius: float,
    distance: Float[np.ndarray, "r c"],
    compiled: bool = False,
) -> Roads:
    """Builds the ways around the outlines.

    Args:
        rings: the outlines.
        bounds: of the map.
        radius: of the bodies, m.
        distance: signed, at the nodes of the `CELL` grid.
        compiled: as in `build_map`.
    """
    walkable = distance >= radius
    about, fits, easy = radius + _CORNER_CLEARANCE, 2 * radius + _FITS, 2 * radius + _EASY
    corners = [offset_ring(r, about)[convex_corners(r)] for r in rings]
    passages = _passages(rings, MITRE * about + radius, radius, compiled)
    # Where a corner's own node might lie in the wall across, one half-way does instead; beside the bounds it moves in.
    halves = _middles(_long(passages, easy, np.inf))
    gates = _gates(_long(passages, fits, easy))
    x0, y0, x1, y1 = bounds
    inner = np.array([(x0 + radius, y0 + radius), (x1 - radius, y1 - radius)])
    nodes = np.clip(np.concatenate([gates.reshape(-1, 2), halves, *corners]), *inner)
    around = [[(float(x), float(y)) for x, y in offset_ring(r, 0.9 * radius)] for r in rings]
    beside = [_long(_across(ring, bounds_ring(bounds)), 0.0, fits) for ring in rings]
    # What sees through a narrow passage would be nearer than all about it, and a trap: it is barred, but for its gate.
    walls = np.concatenate([polygon_edges(around), _long(passages, 0.0, easy), *beside])
    flat = grid_points(bounds, CELL, walkable.shape).reshape(-1, 2)
    sees = np.zeros((len(flat), len(nodes)), np.bool_)
    # A body may stand within a grown outline: these reach further at corners. What it sees from there is by chance.
    free = walkable.reshape(-1) & ~np.any(
        [np.zeros(len(flat), np.bool_), *(point_in_polygon(flat, r) for r in around)], 0
    )
    coarse = walls.astype(np.float32)
    sees[free] = _sees(flat[free].astype(np.float32), nodes.astype(np.float32), coarse, compiled)
    gap = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
    between = np.where(_sees(nodes, nodes, walls, compiled), gap, UNREACHABLE)
    pair = np.arange(0, 2 * len(gates), 2)
    between[pair, pair + 1] = between[pair + 1, pair] = _SQUEEZE
    for k in range(len(nodes)):  # Floyd-Warshall, one middle node at a time
        between = np.minimum(between, between[:, k, None] + between[None, k])
    return Roads(bounds, nodes, between.astype(np.float32), sees, nearest_free(walkable).reshape(-1), walkable, walls)


def _sees(
    a: Float[np.ndarray, "g 2"], b: Float[np.ndarray, "n 2"], walls: Float[np.ndarray, "v 4"], compiled: bool
) -> Bool[np.ndarray, "g n"]:
    """Tells from which places one can walk straight to which others."""
    if compiled:
        from npc_sdk.kernels import outlines

        return np.asarray(outlines.sees(a, b, walls))
    return line_of_sight(a[:, None], b[None], walls)


def _across(outline: Sequence[Point], other: Sequence[Point]) -> Float[np.ndarray, "q 4"]:
    """Returns the straight ways from each corner of an outline across to each edge of another."""
    corners = np.asarray(outline, np.float64)[:, None]
    there = np.stack(closest_on_edges(corners[:, 0], ring_edges(other)), axis=-1)  # v e 2
    return np.concatenate([np.broadcast_to(corners, there.shape), there], axis=-1).reshape(-1, 4)


def _passages(rings: Sequence[Sequence[Point]], most: float, radius: float, compiled: bool) -> Float[np.ndarray, "k 4"]:
    """Returns the ways across, shorter than `most`, that lead through no wall.

    The middle of such a way is as far from every outline as its ends are from it, or as a body is wide.
    """
    found = [np.zeros((0, 4)), *(_long(_across(a, b), 0.0, most) for a in rings for b in rings)]
    ways = np.concatenate(found)
    room = signed_distance(_middles(ways), rings, compiled=compiled)
    return np.asarray(ways[room >= np.minimum(0.49 * _length(ways), radius)])


def _gates(bars: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, "q 2 2"]:
    """Returns two places, one on either side of the middle of each bar."""
    way, middle = bars[:, 2:] - bars[:, :2], _middles(bars)
    aside = _BESIDE * np.stack([-way[:, 1], way[:, 0]], axis=1) / _length(bars)[:, None]
    return np.stack([middle - aside, middle + aside], axis=1)


def _middles(ways: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, "q 2"]:
    return np.asarray(ways.reshape(-1, 2, 2).mean(1))


def _length(ways: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, " q"]:
    return np.asarray(np.linalg.norm(ways[:, 2:] - ways[:, :2], axis=1))


def _long(ways: Float[np.ndarray, "q 4"], least: float, most: float) -> Float[np.ndarray, "k 4"]:
    """Picks the ways that are at least so long, and longer than nothing, but not so long as `most`."""
    length = _length(ways)
    return np.asarray(ways[(length > 0.0) & (length >= least) & (length < most)])


class RoadAtlas:
    """The ways of many worlds, padded into one set of tables and asked in one call."""

    def __init__(self, roads: Sequence[Roads]) -> None:
        width = max(len(r.nodes) for r in roads)
        count = len(roads)
        self.bounds, self.shape = roads[0].bounds, roads[0].walkable.shape
        if any(r.bounds != self.bounds for r in roads):
            raise ValueError("expected maps with the same bounds")
        self.nodes = np.full((count, width, 2), FAR, np.float32)
        self.between = np.full((count, width, width), UNREACHABLE, np.float32)
        self.sees = np.zeros((count, roads[0].sees.shape[0], width), np.bool_)
        self.snap = np.stack([r.snap for r in roads])
        self.walls = pad_edges([r.walls for r in roads]).astype(np.float32)
        for w, r in enumerate(roads):
            n = len(r.nodes)
            self.nodes[w, :n], self.between[w, :n, :n], self.sees[w, :, :n] = r.nodes, r.between, r.sees

    def _links(self, world: NDArray[np.int64], xy: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m n"]:
        """Straight distance to the nodes a place can walk to."""
        at = self.snap[world, grid_index(self.bounds, self.shape, xy)]
        gap = self.nodes[world] - xy[:, None]
        length: NDArray[np.float32] = np.sqrt(gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1])
        return np.where(self.sees[world, at], length, np.float32(UNREACHABLE))

    def waypoints(
        self, world: NDArray[np.int64], start: Float[np.ndarray, "m 2"], goal: Float[np.ndarray, "m 2"]
    ) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
        """Returns for each walker the next place to head for, and the way's length in m."""
        start, goal = start.astype(np.float32), goal.astype(np.float32)
        gap = goal - start
        length = np.sqrt(gap[:, 0] * gap[:, 0] + gap[:, 1] * gap[:, 1])
        clear = line_of_sight(start[:, None], goal[:, None], self.walls[world])[:, 0]
        toward = goal.copy()
        around = np.flatnonzero(~clear)
        if around.size and self.nodes.shape[1]:
            w = world[around]
            last = self._links(w, goal[around])
            onward = (self.between[w] + last[:, None, :]).min(-1)  # m n
            total = self._links(w, start[around]) + onward
            best = total.argmin(-1)
            way = total[np.arange(around.size), best]
            found = way < UNREACHABLE
            toward[around] = np.where(found[:, None], self.nodes[w, best], goal[around])
            length[around] = np.where(found, way, length[around] * np.float32(1.5))
        return toward, length
