"""Polygons as edge tables, and the exact distances that everything else is built from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # x0 y0 x1 y1, m

MITRE = 1.5  # times the distance that an outline is moved by: the most that its sharp corners move
FAR = 1e4  # m; padding lies here, further than any map may reach


class Shape(Protocol):
    """What geometry reads of a polygon: a simple, counter-clockwise outline; walls block bodies, opaque ones sight."""

    @property
    def kind(self) -> str: ...
    @property
    def vertices(self) -> tuple[Point, ...]: ...
    @property
    def opaque(self) -> bool: ...


def ring_edges(vertices: Sequence[Point]) -> Float[np.ndarray, "v 4"]:
    """Returns the closed outline's edges as rows x0 y0 x1 y1."""
    start = np.asarray(vertices, np.float64).reshape(-1, 2)
    return np.concatenate([start, np.roll(start, -1, axis=0)], axis=1)


def polygon_edges(rings: Iterable[Sequence[Point]]) -> Float[np.ndarray, "v 4"]:
    """Returns the edges of all outlines, one after the other; no outline gives an empty table."""
    tables = [ring_edges(ring) for ring in rings]
    return np.concatenate(tables) if tables else np.zeros((0, 4))


def bounds_ring(bounds: Bounds) -> tuple[Point, ...]:
    """Returns the rectangle's corners, counter-clockwise."""
    x0, y0, x1, y1 = bounds
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def pad_edges(tables: Sequence[NDArray[np.floating]]) -> Float[np.ndarray, "w v 4"]:
    """Stacks edge tables of several worlds; the padding is points far outside every map, which block nothing."""
    width = max((len(t) for t in tables), default=0)
    out = np.full((len(tables), width, 4), FAR)
    for row, table in zip(out, tables, strict=True):
        row[: len(table)] = table
    return out


def signed_area(vertices: Sequence[Point]) -> float:
    """Returns the enclosed area in m^2, positive when counter-clockwise."""
    e = ring_edges(vertices)
    return float(0.5 * np.sum(e[:, 0] * e[:, 3] - e[:, 2] * e[:, 1]))


def point_in_polygon(points: Float[np.ndarray, "... 2"], vertices: Sequence[Point]) -> Bool[np.ndarray, "..."]:
    """Tells which points lie inside (even-odd rule; points exactly on the outline may go either way)."""
    e = ring_edges(vertices)
    x, y = points[..., 0, None], points[..., 1, None]
    straddles = (e[:, 1] > y) != (e[:, 3] > y)
    rise = np.where(e[:, 3] == e[:, 1], 1.0, e[:, 3] - e[:, 1])
    crossing = e[:, 0] + (y - e[:, 1]) * (e[:, 2] - e[:, 0]) / rise
    inside: NDArray[np.bool_] = (straddles & (x < crossing)).sum(-1) % 2 == 1
    return inside


def closest_on_edges(
    points: Float[np.ndarray, "... 2"], edges: Float[np.ndarray, "*w v 4"]
) -> tuple[Float[np.ndarray, "... v"], Float[np.ndarray, "... v"]]:
    """Returns x and y of the nearest point of every edge; leading axes of `edges` match those of `points`."""
    x, y = points[..., 0, None], points[..., 1, None]
    x0, y0 = edges[..., 0], edges[..., 1]
    dx, dy = edges[..., 2] - x0, edges[..., 3] - y0
    length2 = np.maximum(dx * dx + dy * dy, 1e-18)
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / length2, 0.0, 1.0)
    return x0 + along * dx, y0 + along * dy


def segment_distance(
    points: Float[np.ndarray, "... 2"], edges: Float[np.ndarray, "*w v 4"]
) -> Float[np.ndarray, "... v"]:
    """Returns the distance in m from every point to every edge."""
    cx, cy = closest_on_edges(points, edges)
    dx, dy = points[..., 0, None] - cx, points[..., 1, None] - cy
    distance: NDArray[np.floating] = np.sqrt(dx * dx + dy * dy)
    return distance


def signed_distance(
    points: Float[np.ndarray, "... 2"],
    rings: Sequence[Sequence[Point]],
    bounds: Bounds | None = None,
    compiled: bool = False,
) -> Float[np.ndarray, "..."]:
    """Returns metres to the nearest outline: positive in free space, negative inside one or outside `bounds`.

    `compiled` as in `build_map`.
    """
    points = np.asarray(points, np.float64)
    nearest = np.full(points.shape[:-1], np.inf)
    if compiled:
        from npc_sdk.kernels import outlines

        first = np.cumsum([0, *(len(ring) for ring in rings)])
        flat = outlines.signed_distance(points.reshape(-1, 2), polygon_edges(rings), first)
        nearest = np.asarray(flat).reshape(nearest.shape)
    else:
        for ring in rings:
            distance = segment_distance(points, ring_edges(ring)).min(-1)
            nearest = np.minimum(nearest, np.where(point_in_polygon(points, ring), -distance, distance))
    if bounds is not None:
        x, y = points[..., 0], points[..., 1]
        inset = np.minimum(np.minimum(x - bounds[0], bounds[2] - x), np.minimum(y - bounds[1], bounds[3] - y))
        nearest = np.minimum(nearest, inset)
    return nearest


def offset_ring(vertices: Sequence[Point], distance: float) -> Float[np.ndarray, "v 2"]:
    """Moves the outline of a counter-clockwise polygon outward; sharp corners move at most MITRE x distance."""
    at = np.asarray(vertices, np.float64)
    ahead = np.roll(at, -1, axis=0) - at
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)  # outward of the edge that leaves the vertex
    both = normal + np.roll(normal, 1, axis=0)
    reach = both / np.maximum(0.5 * np.sum(both * both, axis=1, keepdims=True), 1e-9)
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    moved: NDArray[np.float64] = at + distance * reach * np.minimum(1.0, MITRE / np.maximum(length, 1e-9))
    return moved


def convex_corners(vertices: Sequence[Point]) -> Bool[np.ndarray, "v"]:
    """Tells which vertices of a counter-clockwise polygon stick out (paths bend only there)."""
    at = np.asarray(vertices, np.float64)
    back, ahead = at - np.roll(at, 1, axis=0), np.roll(at, -1, axis=0) - at
    turn: NDArray[np.bool_] = back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0] > 0
    return turn
