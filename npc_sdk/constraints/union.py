"""The outline of several polygons taken together: what a navigation mesh leaves as walls."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from npc_sdk.constraints.clearance import area, inside, polygon_edges

_JOINED = 1e-6  # m: polygons nearer than this to each other are joined
_SAME = 9  # decimals to which split points are rounded, so that edges that meet there share them


def outline(polygons: tuple[tuple[tuple[float, float], ...], ...]) -> Float[np.ndarray, "e 4"]:
    """Returns the edges of the union of simple polygons: those parts of their edges with none of them beyond.

    Polygons may share edges or parts of them, overlap, and leave holes. Gaps below a micrometre count as joined.
    """
    corners = [np.asarray(polygon, np.float64) for polygon in polygons]
    edges = [polygon_edges(ring if area(ring) > 0 else ring[::-1]) for ring in corners]
    every = np.concatenate(edges)
    kept: dict[tuple[float, ...], Float[np.ndarray, 4]] = {}
    for own in edges:
        for edge in own:
            for part in _split(edge, every):
                way = part[2:] - part[:2]
                outward = np.array([way[1], -way[0]]) / np.hypot(*way)
                beyond = (0.5 * (part[:2] + part[2:]) + outward * _JOINED)[None]
                if not any(inside(beyond, other, np.zeros(1, np.int64))[0, 0] for other in edges):
                    kept[tuple(np.round(part, _SAME).tolist())] = part
    return np.array(list(kept.values())).reshape(-1, 4)


def _split(edge: Float[np.ndarray, 4], every: Float[np.ndarray, "e 4"]) -> Float[np.ndarray, "q 4"]:
    """Cuts an edge wherever another one meets it or ends on it."""
    start, way = edge[:2], edge[2:] - edge[:2]
    first, across = every[:, :2], every[:, 2:] - every[:, :2]
    length = float(np.hypot(*way))
    turned = way[0] * across[:, 1] - way[1] * across[:, 0]
    gap = first - start
    with np.errstate(divide="ignore", invalid="ignore"):
        here = (gap[:, 0] * across[:, 1] - gap[:, 1] * across[:, 0]) / turned
        there = (gap[:, 0] * way[1] - gap[:, 1] * way[0]) / turned
    slack = _JOINED / np.maximum(np.hypot(across[:, 0], across[:, 1]), _JOINED)
    meets = (np.abs(turned) > 1e-12) & (there >= -slack) & (there <= 1.0 + slack)
    ends = every.reshape(-1, 2)
    along = (ends - start) @ way / length**2
    beside = np.abs((ends[:, 0] - start[0]) * way[1] - (ends[:, 1] - start[1]) * way[0]) / length
    cuts = np.concatenate([here[meets], along[beside < _JOINED]])
    cuts = np.sort(cuts[(cuts > _JOINED / length) & (cuts < 1.0 - _JOINED / length)])
    apart = np.concatenate([[True], np.diff(cuts) > _JOINED / length]) if len(cuts) else np.zeros(0, np.bool_)
    points = np.concatenate([[start], np.round(start + cuts[apart][:, None] * way, _SAME), [edge[2:]]])
    return np.concatenate([points[:-1], points[1:]], 1)
