"""Wishes into what a body may do: the twins of `project`, `_sector` and `_limited` in `npc_sdk.shield.certify`, and of
`npc_sdk.shield.moves`."""

from __future__ import annotations

import math

import numpy as np

from npc_sdk.kernels.clearance import length
from npc_sdk.kernels.compiled import exactly

_CREEP = 1e-8  # m/s, as in the definition
_EARLIER = 1e-6  # m/s
_ROOM = 1.0 + 1e-9


@exactly
def sector(vx, vy, turn, turn_above, turn_give):  # type: ignore[no-untyped-def]
    """Returns by how much the direction may change in a tick, whatever the velocity is within the tolerance of v."""
    speed = length(vx, vy)
    if not (math.isfinite(turn) and speed > turn_above - turn_give):
        return math.inf
    give = math.asin(min(1.0, turn_give / max(speed, 1e-12)))
    return min(max(turn - give - 1e-6, 0.0), 0.5 * math.pi)


@exactly
def within(wx, wy, vx, vy, turn):  # type: ignore[no-untyped-def]
    """Returns the point nearest to the wish w whose direction is at most `turn` from that of v."""
    if math.isinf(turn):
        return wx, wy
    speed = max(length(vx, vy), 1e-12)
    ax, ay = vx / speed, vy / speed
    angle = math.atan2(ax * wy - ay * wx + 0.0, ax * wx + ay * wy + 0.0)
    if not abs(angle) > turn:
        return wx, wy
    bound = turn if angle > 0 else -turn
    cos, sin = math.cos(bound), math.sin(bound)
    ex, ey = ax * cos - ay * sin, ax * sin + ay * cos
    along = max(ex * wx + ey * wy, 0.0)
    return ex * along, ey * along


@exactly
def nearest_move(moves, wx, wy, vx, vy, speed, change, turn):  # type: ignore[no-untyped-def]
    """Returns the row of the move nearest to the wish of those that the limits allow; -1 where they allow none."""
    best, nearest = -1, math.inf
    for k in range(len(moves)):
        mx, my = moves[k, 0], moves[k, 1]
        pace = length(mx, my)
        if pace > speed * _ROOM or pace > change * _ROOM or length(mx - vx, my - vy) > change * _ROOM:
            continue
        tx, ty = within(mx, my, vx, vy, turn)
        far = length(mx - wx, my - wy) + _EARLIER * k
        if length(tx - mx, ty - my) <= _EARLIER and far < nearest:
            best, nearest = k, far
    return best


@exactly
def project(wx, wy, vx, vy, speed, change, turn, moves):  # type: ignore[no-untyped-def]
    """Returns a command within the speed disc, the acceleration disc and the turning sector, near the wish."""
    if not math.isfinite(length(wx, wy)):
        wx, wy = 0.0, 0.0
    tx, ty = within(wx, wy, vx, vy, turn)
    share = min(1.0, speed / max(length(tx, ty), 1e-12))
    tx, ty = tx * share, ty * share
    best = nearest_move(moves, tx, ty, vx, vy, speed, change, turn)
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
def limited(wx, wy, vx, vy, speed, change, turn, moves, same):  # type: ignore[no-untyped-def]
    """Says whether the speed, the acceleration and the turn limit, and a body's moves, turn a wish down."""
    fast = not (length(wx, wy) <= speed * (1.0 + 1e-5))
    hard = not (length(wx - vx, wy - vy) <= change * (1.0 + 1e-5))
    tx, ty = within(wx, wy, vx, vy, turn)
    between = len(moves) > 0
    for k in range(len(moves)):
        if length(moves[k, 0] - wx, moves[k, 1] - wy) <= same:
            between = False
    return fast, hard, length(tx - wx, ty - wy) > same, between
