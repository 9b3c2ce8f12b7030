"""The outline of several polygons taken together: what a navigation mesh leaves as walls."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from npc_sdk.constraints.clearance import area, inside, polygon_edges

_JOINED = 1e-6  # m: polygons nearer than this to each other are joined


def outline(polygons: tuple[tuple[tuple[float, float], ...], ...]) -> Float[np.ndarray, "e 4"]:
    """Returns the edges of the union of simple polygons: those parts of their edges with none of them beyond.

    Polygons may share edges or parts of them, overlap, and leave holes. Gaps below a micrometre count as joined.
    """
    corners = [np.asarray(polygon, np.float64) for polygon in polygons]
    edges = [polygon_edges(ring if area(ring) > 0 else ring[::-1]) for ring in corners]
    every = np.concatenate(edges)
    # Where two edges all but cover each other, each must be cut where the other has been.
    cut = np.concatenate([_split(e, np.concatenate([_crossings(e, every), _ends(e, every)])) for e in every])
    found = []
    for part in np.concatenate([_split(edge, _ends(edge, cut)) for edge in cut]):
        way = part[2:] - part[:2]
        outward = np.array([way[1], -way[0]]) / np.hypot(*way)
        beyond = (0.5 * (part[:2] + part[2:]) + outward * _JOINED)[None]
        if not any(inside(beyond, other, np.zeros(1, np.int64))[0, 0] for other in edges):
            found.append(part)
    return _once(np.array(found))


def _once(parts: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, "e 4"]:
    """Lets ends that are joined be one point, and parts with the same ends one edge.

    Two edges in one place would be no wall too few, but whoever stands behind both would count as inside.
    """
    ends = parts.reshape(-1, 2)
    # Of those that each end meets, the first.
    first = np.array([np.argmax(np.hypot(*(ends - end).T) <= 2.0 * _JOINED) for end in ends], np.intp)
    while (first != first[first]).any():  # and of those that these meet
        first = first[first]
    pairs = first.reshape(-1, 2)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return np.concatenate([ends[pairs[:, 0]], ends[pairs[:, 1]]], axis=1)


def _crossings(edge: Float[np.ndarray, 4], every: Float[np.ndarray, "e 4"]) -> Float[np.ndarray, " q"]:
    """Returns where other edges cross an edge, as shares of it; for those that end there, see `_ends`."""
    start, way = edge[:2], edge[2:] - edge[:2]
    first, across = every[:, :2], every[:, 2:] - every[:, :2]
    turned = way[0] * across[:, 1] - way[1] * across[:, 0]
    gap = first - start
    with np.errstate(divide="ignore", invalid="ignore"):
        here = (gap[:, 0] * across[:, 1] - gap[:, 1] * across[:, 0]) / turned
        there = (gap[:, 0] * way[1] - gap[:, 1] * way[0]) / turned
    return np.asarray(here[(np.abs(turned) > 1e-12) & (there > 0.0) & (there < 1.0)])


def _ends(edge: Float[np.ndarray, 4], every: Float[np.ndarray, "e 4"]) -> Float[np.ndarray, " q"]:
    """Returns where other edges end on an edge, as shares of it."""
    start, way = edge[:2], edge[2:] - edge[:2]
    length = float(np.hypot(*way))
    gap = every.reshape(-1, 2) - start
    beside = np.abs(gap[:, 0] * way[1] - gap[:, 1] * way[0]) / length
    return np.asarray(((gap @ way) / length**2)[beside < _JOINED])


def _split(edge: Float[np.ndarray, 4], cuts: Float[np.ndarray, " q"]) -> Float[np.ndarray, "q 4"]:
    """Cuts an edge at shares of it."""
    start, way = edge[:2], edge[2:] - edge[:2]
    short = _JOINED / float(np.hypot(*way))
    cuts = np.sort(cuts[(cuts > short) & (cuts < 1.0 - short)])
    apart = cuts[np.diff(cuts, prepend=0.0) > short]
    points = np.concatenate([[start], start + apart[:, None] * way, [edge[2:]]])
    return np.concatenate([points[:-1], points[1:]], 1)
