"""Braking arithmetic of one body: the twin of `npc_sdk.shield.brake`, in float64."""

from __future__ import annotations

import math

from npc_sdk.kernels.clearance import length
from npc_sdk.kernels.compiled import exactly


@exactly
def travel(speed, acceleration, dt):  # type: ignore[no-untyped-def]
    """Returns the metres covered by one tick at `speed` and the brake to rest after it."""
    step = acceleration * dt
    ticks = math.floor(speed / step)
    return dt * ((ticks + 1.0) * speed - step * ticks * (ticks + 1.0) / 2.0)


@exactly
def brake(vx, vy, acceleration, dt):  # type: ignore[no-untyped-def]
    """Returns the command of one braking tick."""
    left = max(0.0, 1.0 - acceleration * dt / max(length(vx, vy), 1e-12))
    return vx * left, vy * left


@exactly
def rest(px, py, ux, uy, acceleration, dt):  # type: ignore[no-untyped-def]
    """Returns where the body rests after one tick of the command u and the brake."""
    speed = length(ux, uy)
    share = travel(speed, acceleration, dt) / max(speed, 1e-12)
    return px + ux * share, py + uy * share
