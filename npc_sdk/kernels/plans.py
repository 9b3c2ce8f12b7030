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


@compiled
def _short(x, y, most):  # type: ignore[no-untyped-def]
    by = min(most / max(np.sqrt(x * x + y * y), _F(1e-6)), _F(1))
    return x * by, y * by


@compiled
def shape(free, limits, start, wished):  # type: ignore[no-untyped-def]
    """Makes every wished velocity plan (n s h 2) one that its body can follow from `start` (n 4)."""
    n, s, h, _ = wished.shape
    rows, columns = free.values.shape[1:]
    out = np.empty((n, s, h, 2), np.float32)
    dt, cell = limits.dt, free.cell
    for i in range(n):
        plane = free.plane[i]
        values = free.values[plane]
        speed, brake = limits.speed[i], limits.acceleration[i]
        for j in range(s):
            x, y, vx, vy = start[i]
            for k in range(h):
                at_x, at_y = (x - free.origin[plane, 0]) / cell, (y - free.origin[plane, 1]) / cell
                c = int(min(max(np.rint(at_x), _F(0)), _F(columns - 1)))
                r = int(min(max(np.rint(at_y), _F(0)), _F(rows - 1)))
                east = values[r, min(c + 1, columns - 1)] - values[r, max(c - 1, 0)]
                north = values[min(r + 1, rows - 1), c] - values[max(r - 1, 0), c]
                east, north = east / (_F(2) * cell), north / (_F(2) * cell)
                clear = values[r, c] + ((at_x - _F(c)) * east + (at_y - _F(r)) * north) * cell
                steep = max(east * east + north * north, _F(1e-6))
                wx, wy = wished[i, j, k]
                room = max(clear, _F(0))
                # A brake of A in steps of dt from speed v takes v^2 / 2A + v dt / 2: solved for v.
                most = brake * (np.sqrt(dt * dt / _F(4) + _F(2) * room / brake) - dt / _F(2))
                over = max(-(wx * east + wy * north) - min(most, room / dt) * np.sqrt(steep), _F(0)) / steep
                wx, wy = _short(wx + over * east, wy + over * north, speed)
                dx, dy = _short(wx - vx, wy - vy, brake * dt)
                vx, vy = vx + dx, vy + dy
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
