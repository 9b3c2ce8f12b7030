"""Shaping and walking as compiled loops: what `motion.py` does step by step on any device, here for the CPU.

Twenty steps on a few hundred short vectors cost torch more to start than to compute; tests compare the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import compiled

Floats = NDArray[np.float32]
_F = np.float32
GROUND = _F(0.02)  # m by which a grid of distances may be off where a step and its brake would end
CLOSE = _F(1e-4)  # m, for rounding


class Planes(NamedTuple):
    """Grids of one size and, for each row, which one it reads."""

    values: Floats  # m r c
    origin: Floats  # m 2, m
    cell: np.float32  # m
    plane: NDArray[np.int64]  # n, or n f


class Limits(NamedTuple):
    """What each row's body can do."""

    speed: Floats  # n, m/s
    acceleration: Floats  # n, m/s^2
    dt: np.float32  # s


class Held(NamedTuple):
    """What each row is held to beside body and ground; empty where nothing is. `q` entities, `j` half-planes."""

    home: Floats  # n 2, m
    leash: Floats  # n, m; infinity: none
    turn: Floats  # n, rad per step; infinity: any
    turn_above: Floats  # n, m/s
    planes: Floats  # n j 3, m: x . (0, 1) <= 2
    steps: int  # from the first one on in which the half-planes bind
    place: Floats  # n q 2, m
    pace: Floats  # n q 2, m/s
    distance: Floats  # n q, m; infinity: does not bind
    top_speed: Floats  # n q, m/s
    near: NDArray[np.bool_]  # n q, True: stay within
    age: Floats  # n, s since the entities were seen there
    spare: np.float32  # m


@compiled
def _short(x, y, most):  # type: ignore[no-untyped-def]
    by = min(most / max(np.sqrt(x * x + y * y), _F(1e-6)), _F(1))
    return x * by, y * by


@compiled
def _length(x, y):  # type: ignore[no-untyped-def]
    return np.sqrt(x * x + y * y)


@compiled
def _clearance(free, plane, x, y):  # type: ignore[no-untyped-def]
    """Clearance at the nearest node, corrected to first order, and its slope."""
    rows, columns = free.values.shape[1:]
    values, cell = free.values[plane], free.cell
    at_x, at_y = (x - free.origin[plane, 0]) / cell, (y - free.origin[plane, 1]) / cell
    c = int(min(max(np.rint(at_x), _F(0)), _F(columns - 1)))
    r = int(min(max(np.rint(at_y), _F(0)), _F(rows - 1)))
    east = values[r, min(c + 1, columns - 1)] - values[r, max(c - 1, 0)]
    north = values[min(r + 1, rows - 1), c] - values[max(r - 1, 0), c]
    east, north = east / (_F(2) * cell), north / (_F(2) * cell)
    return values[r, c] + ((at_x - _F(c)) * east + (at_y - _F(r)) * north) * cell, east, north


@compiled
def _fastest(room, brake, dt):  # type: ignore[no-untyped-def]
    """The speed from which a step and the brake after it take `room` metres."""
    # A step of dt at speed v and a brake of A, tick by tick, take at most v dt + v^2 / 2A: solved for v.
    return brake * (np.sqrt(dt * dt + _F(2) * room / brake) - dt)


@compiled
def _way(speed, brake, dt):  # type: ignore[no-untyped-def]
    """The metres of a step and the brake after it: what `_fastest` inverts."""
    return speed * (dt + _F(0.5) * speed / brake)


@compiled
def _nearest(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Distance of the segment a..b from the origin."""
    dx, dy = bx - ax, by - ay
    part = min(max(-(ax * dx + ay * dy) / max(dx * dx + dy * dy, _F(1e-12)), _F(0)), _F(1))
    return _length(ax + part * dx, ay + part * dy)


@compiled
def _apart(held, i, q, when, x, y, ux, uy, brake, dt):  # type: ignore[no-untyped-def]
    """Says whether a step and its brake keep a distance, or are no worse than standing still (docs, the shield)."""
    speed = _length(ux, uy)
    hx, hy = ux / speed, uy / speed
    x = x - held.place[i, q, 0] - held.pace[i, q, 0] * when
    y = y - held.place[i, q, 1] - held.pace[i, q, 1] * when
    far = _way(speed, brake, dt)
    first = held.age[i] + dt
    most = held.top_speed[i, q] * (first + speed / brake) + held.spare
    if not held.near[i, q] and _length(x, y) - far - held.distance[i, q] >= most:
        return True  # too far away to matter
    for piece in range(2):
        begin, end = (_F(0), speed * dt) if piece == 0 else (speed * dt, far)
        grown = held.top_speed[i, q] * (first if piece == 0 else first + speed / brake) + held.spare
        ax, ay, bx, by = x + hx * begin, y + hy * begin, x + hx * end, y + hy * end
        if held.near[i, q]:
            most = max(_length(ax, ay), _length(bx, by))
            kept = held.distance[i, q] - most >= grown or -(hx * bx + hy * by) >= grown
        else:
            kept = _nearest(ax, ay, bx, by) - held.distance[i, q] >= grown or hx * ax + hy * ay >= grown
        if not kept:
            return False
    return True


@compiled
def _within(free, held, i, plane, k, x, y, ux, uy, brake, dt, leash, clear):  # type: ignore[no-untyped-def]
    """Says whether a step and the brake after it keep ground, leash, half-planes and distances."""
    speed = _length(ux, uy)
    if speed < _F(1e-4):
        return True
    far = _way(speed, brake, dt)
    ex, ey = x + ux * (far / speed), y + uy * (far / speed)
    if clear < far + GROUND:  # else no wall can be met: a distance falls no faster than one goes
        floor, middle_x, middle_y = min(clear, _F(0)) - GROUND, _F(0.5) * (x + ex), _F(0.5) * (y + ey)
        if _clearance(free, plane, ex, ey)[0] < floor or _clearance(free, plane, middle_x, middle_y)[0] < floor:
            return False
    hx, hy = held.home[i]
    if _length(ex - hx, ey - hy) > leash + CLOSE:
        return False
    if k < held.steps:
        for j in range(held.planes.shape[1]):
            nx, ny, c = held.planes[i, j]
            if nx * ex + ny * ey > max(c, nx * x + ny * y) + CLOSE:
                return False
    for q in range(held.place.shape[1]):
        if held.distance[i, q] < np.inf and not _apart(held, i, q, _F(k) * dt, x, y, ux, uy, brake, dt):
            return False
    return True


@compiled
def _aimed(held, i, k, x, y, wx, wy, vx, vy, brake, dt, leash):  # type: ignore[no-untyped-def]
    """Bends a wish into leash and half-planes, beside those it must not come closer to, and into what it may turn."""
    speed = _length(wx, wy)
    if speed < _F(1e-4):
        return wx, wy
    far = _way(speed, brake, dt) / speed
    ex, ey = x + wx * far, y + wy * far
    bent = False
    for _ in range(2 if k < held.steps else 0):
        for j in range(held.planes.shape[1]):
            nx, ny, c = held.planes[i, j]
            over = nx * ex + ny * ey - max(c, nx * x + ny * y)
            if over > _F(0):
                ex, ey, bent = ex - over * nx, ey - over * ny, True
    hx, hy = held.home[i]
    away = _length(ex - hx, ey - hy)
    if away > leash:
        ex, ey, bent = hx + (ex - hx) * (leash / away), hy + (ey - hy) * (leash / away), True
    if bent:
        dx, dy = ex - x, ey - y
        length = max(_length(dx, dy), _F(1e-6))
        by = min(_fastest(length, brake, dt), speed) / length
        wx, wy = dx * by, dy * by
    for q in range(held.place.shape[1]):
        when = _F(k) * dt
        binds = held.distance[i, q] < np.inf and wx * wx + wy * wy > _F(1e-8)
        if binds and not _apart(held, i, q, when, x, y, wx, wy, brake, dt):
            gx = x - held.place[i, q, 0] - held.pace[i, q, 0] * when
            gy = y - held.place[i, q, 1] - held.pace[i, q, 1] * when
            worse = (gx * wx + gy * wy) / max(gx * gx + gy * gy, _F(1e-6))
            if (worse > _F(0)) == held.near[i, q]:
                wx, wy = wx - worse * gx, wy - worse * gy
    pace = _length(vx, vy)
    if held.turn[i] < np.inf and pace > held.turn_above[i]:
        ahead, side = (vx * wx + vy * wy) / pace, (vx * wy - vy * wx) / pace
        if abs(np.arctan2(side, ahead)) > held.turn[i]:
            bound = held.turn[i] if side > _F(0) else -held.turn[i]
            cos, sin = np.cos(bound), np.sin(bound)
            ux, uy = (vx * cos - vy * sin) / pace, (vx * sin + vy * cos) / pace
            along = max(ux * wx + uy * wy, _F(0))
            wx, wy = ux * along, uy * along
    return wx, wy


@compiled
def shape(free, limits, held, start, wished):  # type: ignore[no-untyped-def]
    """Makes every wished velocity plan (n s h 2) one that its body can follow from `start` (n 4), and its rules allow.

    `held` is empty (n is 0) where only body and ground count.
    """
    n, s, h, _ = wished.shape
    out = np.empty((n, s, h, 2), np.float32)
    dt, bound = limits.dt, len(held.leash) > 0
    for i in range(n):
        plane = free.plane[i]
        speed, brake = limits.speed[i], limits.acceleration[i]
        for j in range(s):
            x, y, vx, vy = start[i]
            for k in range(h):
                clear, east, north = _clearance(free, plane, x, y)
                steep = max(east * east + north * north, _F(1e-6))
                wx, wy = wished[i, j, k]
                most = _fastest(max(clear, _F(0)), brake, dt)
                over = max(-(wx * east + wy * north) - most * np.sqrt(steep), _F(0)) / steep
                wx, wy = _short(wx + over * east, wy + over * north, speed)
                leash = _F(np.inf)
                if bound:
                    hx, hy = held.home[i]
                    leash = max(held.leash[i], _length(x - hx, y - hy))
                    wx, wy = _aimed(held, i, k, x, y, wx, wy, vx, vy, brake, dt, leash)
                dx, dy = _short(wx - vx, wy - vy, brake * dt)
                ux, uy = vx + dx, vy + dy
                if bound and not _within(free, held, i, plane, k, x, y, ux, uy, brake, dt, leash, clear):
                    pace = max(_length(vx, vy), _F(1e-6))
                    left = max(_F(1) - brake * dt / pace, _F(0))
                    bx, by = vx * left, vy * left
                    ax, ay = ux, uy
                    ux, uy = bx, by
                    for part in (_F(0.25), _F(0.5), _F(0.75)):
                        cx, cy = ax + part * (bx - ax), ay + part * (by - ay)
                        if _within(free, held, i, plane, k, x, y, cx, cy, brake, dt, leash, clear):
                            ux, uy = cx, cy
                            break
                vx, vy = ux, uy
                x, y = x + vx * dt, y + vy * dt
                out[i, j, k, 0], out[i, j, k, 1] = vx, vy
    return out


@compiled
def follow(ways, limits, start, h, stop):  # type: ignore[no-untyped-def]
    """Walks down each row's distance fields at full speed to `stop` m of way short of its end; returns n f h 2."""
    n, f = ways.plane.shape
    rows, columns = ways.values.shape[1:]
    out = np.empty((n, f, h, 2), np.float32)
    dt, short = limits.dt, _F(1.001)
    for i in range(n):
        speed, change = limits.speed[i], limits.acceleration[i] * limits.dt
        for j in range(f):
            plane = ways.plane[i, j]
            x, y, vx, vy = start[i]
            for k in range(h):
                at_x = min(max((x - ways.origin[plane, 0]) / ways.cell, _F(0)), _F(columns) - short)
                at_y = min(max((y - ways.origin[plane, 1]) / ways.cell, _F(0)), _F(rows) - short)
                column, row = int(at_x), int(at_y)
                u, v = at_x - _F(column), at_y - _F(row)
                a, b = ways.values[plane, row, column], ways.values[plane, row, column + 1]
                c, d = ways.values[plane, row + 1, column], ways.values[plane, row + 1, column + 1]
                east = (b - a) + v * ((d - c) - (b - a))
                north = (c - a) + u * ((d - b) - (c - a))
                left = max(a + u * (b - a) + v * north - _F(stop), _F(0))
                pace = min(speed, left / (_F(2) * dt)) / max(np.sqrt(east * east + north * north), _F(1e-4))
                dx, dy = _short(vx + east * pace, vy + north * pace, change)
                vx, vy = vx - dx, vy - dy
                x, y = x + vx * dt, y + vy * dt
                out[i, j, k, 0], out[i, j, k, 1] = vx, vy
    return out
