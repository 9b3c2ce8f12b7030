"""Wishes into what a body may do: the twins of `project`, `_ways` and `_limited` in `npc_sdk.shield.certify`, and of
`npc_sdk.shield.heading` and `moves`."""

from __future__ import annotations

import math

import numpy as np

from npc_sdk.kernels.clearance import length
from npc_sdk.kernels.compiled import exactly

_CREEP = 1e-8  # m/s, as in the definition
_ROUNDED = 1e-6  # rad
_EARLIER = 1e-6  # m/s
_ROOM = 1.0 + 1e-9


@exactly
def wrapped(angle):  # type: ignore[no-untyped-def]
    """Returns the same direction as an angle within half a turn of 0."""
    return math.atan2(math.sin(angle), math.cos(angle))


@exactly
def cone(vx, vy, turn, above, give, steers, heading, low, high, least, most):  # type: ignore[no-untyped-def]
    """Returns the axis and the sides of the directions that v may turn to in a tick, and whether v tells its own.

    `low` to `high` is what a car may head for by now, `least` to `most` what starts sent before leave, both in rad from
    its expected heading.
    """
    speed = length(vx, vy)
    tells = math.isfinite(turn) and speed > above - give
    ax, ay = vx / max(speed, 1e-12), vy / max(speed, 1e-12)
    if tells:
        room = min(max(turn - math.asin(min(1.0, give / max(speed, 1e-12))) - _ROUNDED, 0.0), 0.5 * math.pi)
        if not steers:
            return ax, ay, -room, room, True
        ahead = wrapped(math.atan2(ay + 0.0, ax + 0.0) - heading)
        if least <= ahead and ahead <= most:
            return ax, ay, max(-room, least - ahead), min(room, most - ahead), True
        return ax, ay, math.inf, -math.inf, True
    if not steers:
        return ax, ay, -math.inf, math.inf, False
    turn = min(turn, 0.5 * math.pi) - _ROUNDED
    return math.cos(heading), math.sin(heading), max(high - turn, least), min(low + turn, most), False


@exactly
def within(wx, wy, ax, ay, low, high):  # type: ignore[no-untyped-def]
    """Returns the point of a cone that is nearest to the wish w: nothing where the cone holds none."""
    if low > high:
        return 0.0, 0.0
    if math.isinf(high):
        return wx, wy
    angle = math.atan2(ax * wy - ay * wx + 0.0, ax * wx + ay * wy + 0.0)
    if low <= angle and angle <= high:
        return wx, wy
    bound = min(max(angle, low), high)
    cos, sin = math.cos(bound), math.sin(bound)
    ex, ey = ax * cos - ay * sin, ax * sin + ay * cos
    along = max(ex * wx + ey * wy, 0.0)
    return ex * along, ey * along


@exactly
def nearest_move(moves, wx, wy, vx, vy, speed, change, ax, ay, low, high):  # type: ignore[no-untyped-def]
    """Returns the row of the move nearest to the wish of those that the limits allow; -1 where they allow none."""
    best, nearest = -1, math.inf
    for k in range(len(moves)):
        mx, my = moves[k, 0], moves[k, 1]
        pace = length(mx, my)
        if pace > speed * _ROOM or pace > change * _ROOM or length(mx - vx, my - vy) > change * _ROOM:
            continue
        tx, ty = within(mx, my, ax, ay, low, high)
        far = length(mx - wx, my - wy) + _EARLIER * k
        if length(tx - mx, ty - my) <= _EARLIER and far < nearest:
            best, nearest = k, far
    return best


@exactly
def project(wx, wy, vx, vy, speed, change, ax, ay, low, high, moves):  # type: ignore[no-untyped-def]
    """Returns a command within the speed disc, the acceleration disc and the cone of directions, near the wish."""
    if not math.isfinite(length(wx, wy)):
        wx, wy = 0.0, 0.0
    tx, ty = within(wx, wy, ax, ay, low, high)
    share = min(1.0, speed / max(length(tx, ty), 1e-12))
    tx, ty = tx * share, ty * share
    best = nearest_move(moves, tx, ty, vx, vy, speed, change, ax, ay, low, high)
    if best >= 0:
        return moves[best, 0], moves[best, 1]
    sx, sy = tx - vx, ty - vy
    share = min(1.0, change / max(length(sx, sy), 1e-12))
    ux, uy = vx + sx * share, vy + sy * share
    if length(ux, uy) < _CREEP:
        ux, uy = 0.0, 0.0
    if length(ux, uy) > speed * (1.0 + 1e-9) or len(moves):
        share = max(0.0, 1.0 - change / max(length(vx, vy), 1e-12))
        ux, uy = vx * share, vy * share
    return np.float64(np.float32(ux)), np.float64(np.float32(uy))


@exactly
def limited(wx, wy, vx, vy, speed, change, ax, ay, low, high, moves, same):  # type: ignore[no-untyped-def]
    """Says whether the speed, the acceleration and the turn limit, and a body's moves, turn a wish down."""
    fast = not (length(wx, wy) <= speed * (1.0 + 1e-5))
    hard = not (length(wx - vx, wy - vy) <= change * (1.0 + 1e-5))
    tx, ty = within(wx, wy, ax, ay, low, high)
    between = len(moves) > 0
    for k in range(len(moves)):
        if length(moves[k, 0] - wx, moves[k, 1] - wy) <= same:
            between = False
    return fast, hard, length(tx - wx, ty - wy) > same, between
