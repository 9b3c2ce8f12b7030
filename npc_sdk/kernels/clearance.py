"""Distances of one point or segment from polygon edges: the twin of `npc_sdk.constraints.clearance`, in float64.

Edges come as four numbers, not as a row: handing a row to a function costs more than what is computed with it.
"""

from __future__ import annotations

import math

from npc_sdk.kernels.compiled import exactly

_TINY = 1e-30


@exactly
def length(x, y):  # type: ignore[no-untyped-def]
    """Returns the length of a vector."""
    return math.sqrt(x * x + y * y)


@exactly
def from_point(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Returns the distance of a point from the edge a..b."""
    dx, dy = bx - ax, by - ay
    rx, ry = px - ax, py - ay
    along = min(max((rx * dx + ry * dy) / (dx * dx + dy * dy + _TINY), 0.0), 1.0)
    return length(rx - along * dx, ry - along * dy)


@exactly
def _squared(rx, ry, vx, vy, norm):  # type: ignore[no-untyped-def]
    along = min(max((rx * vx + ry * vy) * norm, 0.0), 1.0)
    gx, gy = rx - along * vx, ry - along * vy
    return gx * gx + gy * gy


@exactly
def from_segment(sx, sy, ex, ey, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Returns the distance between the segment s..e and the edge a..b, 0 where they meet, and that of e alone."""
    dx, dy = bx - ax, by - ay
    ux, uy = ex - sx, ey - sy
    edge_norm = 1.0 / (dx * dx + dy * dy + _TINY)
    path_norm = 1.0 / (ux * ux + uy * uy + _TINY)
    start_x, start_y, end_x, end_y = sx - ax, sy - ay, ex - ax, ey - ay
    last = _squared(end_x, end_y, dx, dy, edge_norm)
    best = min(last, _squared(start_x, start_y, dx, dy, edge_norm))
    best = min(best, _squared(-start_x, -start_y, ux, uy, path_norm))
    far_x, far_y = dx - start_x, dy - start_y
    best = min(best, _squared(far_x, far_y, ux, uy, path_norm))
    apart = (dx * start_y > dy * start_x) == (dx * end_y > dy * end_x)
    apart |= (uy * start_x > ux * start_y) == (ux * far_y > uy * far_x)
    return (math.sqrt(best) if apart else 0.0), math.sqrt(last)


@exactly
def at_least(sx, sy, ex, ey, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Returns the square of a distance that the segments s..e and a..b are no nearer than: that of their boxes."""
    gx = max(min(sx, ex) - max(ax, bx), min(ax, bx) - max(sx, ex), 0.0)
    gy = max(min(sy, ey) - max(ay, by), min(ay, by) - max(sy, ey), 0.0)
    return gx * gx + gy * gy


@exactly
def holds(px, py, edges, first, end):  # type: ignore[no-untyped-def]
    """Says by the even-odd rule whether the outline in the rows first..end holds a point."""
    odd = False
    for e in range(first, end):
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (ay > py) != (by > py):
            rise = by - ay
            side = (px - ax) * rise - (py - ay) * (bx - ax)
            if (side < 0) == (rise > 0):
                odd = not odd
    return odd


@exactly
def signed(px, py, edges, first, end, inside):  # type: ignore[no-untyped-def]
    """Returns a point's signed distance from the outline in the rows first..end, positive on the allowed side."""
    nearest = math.inf
    for e in range(first, end):
        nearest = min(nearest, from_point(px, py, edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]))
    return nearest if holds(px, py, edges, first, end) == inside else -nearest
