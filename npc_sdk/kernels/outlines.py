"""What a map's tables ask of its outlines for thousands of places at once: twins of `npc_sdk.geometry`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.clearance import signed
from npc_sdk.kernels.compiled import exactly

_TINY = 1e-18  # m^2, of an edge without length


@exactly
def sees(a: NDArray[Any], b: NDArray[Any], edges: NDArray[Any]) -> NDArray[np.bool_]:
    """Tells whether no edge crosses the way from each place to each other one, as `geometry.sight.line_of_sight`.

    Args:
        a: g 2, m.
        b: n 2, m, of the same type.
        edges: v 4, m, of the same type.

    Returns:
        g n.
    """
    out = np.ones((len(a), len(b)), np.bool_)
    for i in range(len(a)):
        ax, ay = a[i, 0], a[i, 1]
        for j in range(len(b)):
            dx, dy = b[j, 0] - ax, b[j, 1] - ay
            for v in range(len(edges)):
                x0, y0 = edges[v, 0], edges[v, 1]
                ex, ey = edges[v, 2] - x0, edges[v, 3] - y0
                rx, ry = ax - x0, ay - y0
                side, turn = ex * ry - ey * rx, ex * dy - ey * dx
                if side * (side + turn) < 0:
                    end = dy * rx - dx * ry
                    if end * (end - turn) <= 0:
                        out[i, j] = False
                        break
    return out


@exactly
def signed_distance(
    points: NDArray[np.float64], edges: NDArray[np.float64], first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns metres to the nearest outline, negative inside one, as `geometry.polygons.signed_distance`.

    Args:
        points: k 2, m.
        edges: v 4, m, of closed outlines.
        first: q+1, outline i has the edges from first[i] to first[i + 1].

    Returns:
        k, infinite where there is no outline.
    """
    out = np.full(len(points), np.inf)
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        for q in range(len(first) - 1):
            least, odd = np.inf, False
            for v in range(first[q], first[q + 1]):
                x0, y0, x1, y1 = edges[v, 0], edges[v, 1], edges[v, 2], edges[v, 3]
                dx, dy = x1 - x0, y1 - y0
                along = ((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, _TINY)
                along = min(max(along, 0.0), 1.0)
                gx, gy = x - (x0 + along * dx), y - (y0 + along * dy)
                least = min(least, gx * gx + gy * gy)
                if (y0 > y) != (y1 > y):
                    odd ^= x < x0 + (y - y0) * dx / dy
            distance = math.sqrt(least)
            out[i] = min(out[i], -distance if odd else distance)
    return out


@exactly
def clearance(
    points: NDArray[np.float64], edges: NDArray[np.float64], first: NDArray[np.int64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Returns each place's signed distance from every outline, positive on the side that is allowed.

    As `constraints.shape_clearance`, but for the last bit.

    Args:
        points: k 2, m.
        edges: v 4, m, of closed outlines.
        first: p, where each outline's edges begin.
        inside: p, whether the inside is the allowed side.

    Returns:
        k p, m.
    """
    out = np.empty((len(points), len(first)))
    for i in range(len(points)):
        for p in range(len(first)):
            end = first[p + 1] if p + 1 < len(first) else len(edges)
            out[i, p] = signed(points[i, 0], points[i, 1], edges, first[p], end, inside[p])
    return out
