"""Motion near what somebody else moves: the twin of `npc_sdk.shield.moving`, for one NPC and one entity."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.clearance import from_point, length
from npc_sdk.kernels.compiled import exactly

Floats = NDArray[np.float64]
_REST = 1e-9  # m/s
MOST_TICKS = 2_000  # of a brake: whoever needs so long to stop cannot be vouched for
ANYWHERE = 1e9  # m: margin of what does not bind


class Them(NamedTuple):
    """Pairs of a rule and an entity, j of them (`npc_sdk.shield.moving.Targets`)."""

    place: Floats  # j 2
    distance: Floats  # j
    top_speed: Floats  # j
    near: NDArray[np.bool_]  # j
    kind: NDArray[np.int64]  # j
    binds: NDArray[np.bool_]  # n j
    age_ticks: int


@exactly
def never_worse(gx, gy, distance, top_speed, near, tick, ux, uy, acceleration, dt):  # type: ignore[no-untyped-def]
    """Returns by how many metres a tick of the command u, and the brake after it, keeps a rule that binds the NPC.

    Args:
        gx: from the entity, as seen, to where the NPC starts.
        gy: the same across.
        distance: of the rule.
        top_speed: of the entity.
        near: whether to stay within the distance.
        tick: ticks from seeing the entity to the end of this one.
        ux: command.
        uy: the same across.
        acceleration: of the brake.
        dt: of a tick.
    """
    speed = length(ux, uy)
    if not speed > _REST:
        return ANYWHERE
    if speed / (acceleration * dt) > MOST_TICKS:
        return -math.inf
    hx, hy = ux / speed, uy / speed
    worst, travelled, left = math.inf, 0.0, speed
    while left > _REST:
        ax, ay = gx + hx * travelled, gy + hy * travelled
        bx, by = ax + hx * (left * dt), ay + hy * (left * dt)
        if near:
            far = max(length(ax, ay), length(bx, by))
            margin = max(distance - far, -(hx * bx + hy * by))
        else:
            margin = max(from_point(0.0, 0.0, ax, ay, bx, by) - distance, hx * ax + hy * ay)
        worst = min(worst, margin - top_speed * tick * dt)
        travelled += left * dt
        left = max(left - acceleration * dt, 0.0)
        tick += 1
    return worst
