"""The widest slab between two point sets: the twin of `npc_sdk.shield.separation`, in float64.

Between disjoint hulls the widest slab is that of their closest points, which walking from support to support finds in
a few steps (Gilbert, Johnson and Keerthi 1988). Hulls that meet have no closest points: there the fan of the
definition is searched. Whatever is found, the slab is computed from all points, so no mistake here makes it unsound.
"""

from __future__ import annotations

import math

from npc_sdk.kernels.compiled import exactly

_STEPS = 40
_COARSE = 32  # as in the definition
_FINE = 17
_ROUNDS = 4


@exactly
def slab(one, two):  # type: ignore[no-untyped-def]
    """Returns normal and borders of a slab: one . normal <= low, two . normal >= high; positive high - low parts them.

    Args:
        one: p 2.
        two: q 2.
    """
    found, nx, ny = _closest(one, two)
    if not found:
        nx, ny = _widest(one, two)
    low, high = _borders(one, two, nx, ny)
    return nx, ny, low, high


@exactly
def _borders(one, two, nx, ny):  # type: ignore[no-untyped-def]
    low, high = -math.inf, math.inf
    for k in range(len(one)):
        low = max(low, one[k, 0] * nx + one[k, 1] * ny)
    for k in range(len(two)):
        high = min(high, two[k, 0] * nx + two[k, 1] * ny)
    return low, high


@exactly
def _nearest(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Returns the point of the segment a..b that is nearest to the origin."""
    dx, dy = bx - ax, by - ay
    along = min(max(-(ax * dx + ay * dy) / (dx * dx + dy * dy + 1e-300), 0.0), 1.0)
    return ax + along * dx, ay + along * dy


@exactly
def _closest(one, two):  # type: ignore[no-untyped-def]
    """Returns whether the hulls are clearly apart, and the direction from the nearest point of one to that of two.

    Walks through the differences of points, two - one, towards the origin. a and b span where it is now.
    """
    ox, oy = one[0, 0], one[0, 1]
    ax, ay = two[0, 0] - ox, two[0, 1] - oy
    bx, by = ax, ay
    vx, vy = ax, ay
    for _ in range(_STEPS):
        size = vx * vx + vy * vy
        if size < 1e-18:
            break
        i, j, top, bottom = 0, 0, -math.inf, math.inf
        for k in range(len(one)):
            reach = (one[k, 0] - ox) * vx + (one[k, 1] - oy) * vy
            if reach > top:
                i, top = k, reach
        for k in range(len(two)):
            reach = (two[k, 0] - ox) * vx + (two[k, 1] - oy) * vy
            if reach < bottom:
                j, bottom = k, reach
        if bottom - top >= size * (1.0 - 1e-10):
            norm = math.sqrt(size)
            return True, vx / norm, vy / norm
        wx, wy = two[j, 0] - one[i, 0], two[j, 1] - one[i, 1]
        fx, fy = _nearest(ax, ay, wx, wy)
        gx, gy = _nearest(bx, by, wx, wy)
        if fx * fx + fy * fy <= gx * gx + gy * gy:
            bx, by = wx, wy
            nx, ny = fx, fy
        else:
            ax, ay = wx, wy
            nx, ny = gx, gy
        if nx * nx + ny * ny >= size:
            break
        vx, vy = nx, ny
    return False, 0.0, 0.0


@exactly
def _widest(one, two):  # type: ignore[no-untyped-def]
    """Returns the best normal of a fan that narrows around the best so far."""
    angle, widest = 0.0, -math.inf
    for k in range(_COARSE):
        nx, ny = math.cos(k * (2.0 * math.pi / _COARSE)), math.sin(k * (2.0 * math.pi / _COARSE))
        low, high = _borders(one, two, nx, ny)
        if high - low > widest:
            angle, widest = k * (2.0 * math.pi / _COARSE), high - low
    half = 2.0 * math.pi / _COARSE
    for _ in range(_ROUNDS):
        middle, widest = angle, -math.inf
        for k in range(_FINE):
            there = middle + half * (-1.0 + k * (2.0 / (_FINE - 1)))
            low, high = _borders(one, two, math.cos(there), math.sin(there))
            if high - low > widest:
                angle, widest = there, high - low
        half *= 0.125
    return math.cos(angle), math.sin(angle)
