"""Distances of points and segments from polygon edges, vectorised in float64. Edges are rows [ax, ay, bx, by]."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

Array: TypeAlias = np.ndarray

_TINY = 1e-30


def polygon_edges(vertices: Float[Array, "v 2"]) -> Float[Array, "v 4"]:
    """Returns the closed outline of a polygon as edges."""
    points = np.asarray(vertices, dtype=np.float64)
    return np.concatenate([points, np.roll(points, -1, axis=0)], axis=1)


def length(vectors: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns the lengths of vectors."""
    return np.asarray(np.hypot(vectors[..., 0], vectors[..., 1]))


def point_distance(points: Float[Array, "... 2"], edges: Float[Array, "... 4"]) -> Float[Array, ...]:
    """Returns the distance of each point from its edge; leading axes broadcast."""
    px, py = points[..., 0], points[..., 1]
    ax, ay = edges[..., 0], edges[..., 1]
    dx, dy = edges[..., 2] - ax, edges[..., 3] - ay
    rx, ry = px - ax, py - ay
    along = np.clip((rx * dx + ry * dy) / (dx * dx + dy * dy + _TINY), 0.0, 1.0)
    return np.asarray(np.hypot(rx - along * dx, ry - along * dy))


def segment_distance(
    start: Float[np.ndarray, "... 2"], end: Float[np.ndarray, "... 2"], edges: Float[np.ndarray, "... 4"]
) -> Float[np.ndarray, "..."]:
    """Returns the distance between the segment start..end and the edge, 0 where they meet; leading axes broadcast."""
    return segment_and_end_distance(start, end, edges)[0]


def segment_and_end_distance(
    start: Float[np.ndarray, "... 2"], end: Float[np.ndarray, "... 2"], edges: Float[np.ndarray, "... 4"]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Returns `segment_distance` and the distance of the end alone, which falls out on the way."""
    sx, sy, ex, ey = start[..., 0], start[..., 1], end[..., 0], end[..., 1]
    ax, ay = edges[..., 0], edges[..., 1]
    dx, dy = edges[..., 2] - ax, edges[..., 3] - ay
    ux, uy = ex - sx, ey - sy
    edge_norm = 1.0 / (dx * dx + dy * dy + _TINY)
    path_norm = 1.0 / (ux * ux + uy * uy + _TINY)
    # In the plane the closest pair of two disjoint segments always includes an end point.
    start_x, start_y, end_x, end_y = sx - ax, sy - ay, ex - ax, ey - ay
    last = _squared(end_x, end_y, dx, dy, edge_norm)
    best = np.minimum(last, _squared(start_x, start_y, dx, dy, edge_norm))
    best = np.minimum(best, _squared(-start_x, -start_y, ux, uy, path_norm))
    far_x, far_y = dx - start_x, dy - start_y
    best = np.minimum(best, _squared(far_x, far_y, ux, uy, path_norm))
    # Meeting: each segment's ends lie on both sides of the other.
    apart = (dx * start_y > dy * start_x) == (dx * end_y > dy * end_x)
    apart |= (uy * start_x > ux * start_y) == (ux * far_y > uy * far_x)
    return np.sqrt(best) * apart, np.sqrt(last)


def _squared(rx: Array, ry: Array, vx: Array, vy: Array, norm: Array) -> Array:
    """Squared distance of a point from a segment along v, seen from the segment's start."""
    along = np.minimum(np.maximum((rx * vx + ry * vy) * norm, 0.0), 1.0)
    gx, gy = rx - along * vx, ry - along * vy
    return np.asarray(gx * gx + gy * gy)


def inside(points: Float[Array, "... 2"], edges: Float[Array, "e 4"], first: Int[Array, " p"]) -> Bool[Array, "... p"]:
    """Says by the even-odd rule which polygons hold each point; polygon k's edges start at row first[k]."""
    x, y = points[..., None, 0], points[..., None, 1]
    ax, ay, bx, by = edges.T
    rise = by - ay
    crosses = (ay > y) != (by > y)
    # x < ax + (y - ay) (bx - ax) / rise, without the division
    side = (x - ax) * rise - (y - ay) * (bx - ax)
    hit = crosses & ((side < 0) == (rise > 0))
    counts = np.add.reduceat(hit.astype(np.int64), first, axis=-1)  # ... p
    odd: Bool[Array, "... p"] = (counts & 1).astype(np.bool_)
    return odd


def is_simple(vertices: Float[Array, "v 2"]) -> bool:
    """Says whether a polygon has some area, and no edge that meets one that is not next to it.

    Of two edges that fold back onto each other, and of those next to one of no length, some that are not neighbours
    meet; or it is a triangle without an area.
    """
    size = float(np.abs(vertices).max(initial=1.0))
    if abs(area(vertices)) < 1e-9 * size:
        return False
    edges, count = polygon_edges(vertices), len(vertices)
    start, end = np.split(edges[:, None], 2, -1)
    gap = segment_distance(start, end, edges[None])
    apart = (np.arange(count)[:, None] - np.arange(count)[None]) % count
    neighbours = (apart <= 1) | (apart == count - 1)
    return not np.any(gap[~neighbours] <= 1e-9 * size)


def area(vertices: Float[Array, "v 2"]) -> float:
    """Returns the signed area, positive for counter-clockwise corners."""
    points = np.asarray(vertices, dtype=np.float64)
    following = np.roll(points, -1, axis=0)
    return float(0.5 * np.sum(points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]))
