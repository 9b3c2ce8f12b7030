"""How far planned positions are from breaking each rule: the planner's forecast of the shield. Margins >= 0 are safe.

These are margins at points in time, not the shield's swept certificate; they rank plans, they guarantee nothing.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from npc_sdk.constraints.clearance import inside, point_distance
from npc_sdk.constraints.compile import KIND, RuleTables
from npc_sdk.constraints.rules import KINDS


def margins(
    tables: RuleTables,
    rows: Int[np.ndarray, " n"],
    positions: Float[np.ndarray, "n s h 2"],
    velocities: Float[np.ndarray, "n s h 2"],
    start_velocity: Float[np.ndarray, "n 2"],
    step_s: float,
    others: Float[np.ndarray, "o h 2"],
    other_rows: Int[np.ndarray, " o"],
) -> Float[np.ndarray, "n s h c"]:
    """Returns the margin to every kind of rule, in metres, m/s or m/s^2; infinity where none binds.

    `rows` are the deciding NPCs' rows of `tables`; `others` are where the NPCs of `other_rows` are expected to be.
    Hold-fire has no margin on positions and is always infinite here.
    """
    n, s, h, _ = positions.shape
    out = np.full((n, s, h, len(KINDS)), np.inf)
    for npc, row in enumerate(rows):
        points = positions[npc].reshape(-1, 2)
        clear = shape_clearance(tables, points)  # sh p
        clear = np.where(tables.shape_mask[row], clear - tables.radius[row], np.inf)
        for kind in np.unique(tables.shape_kind):
            out[npc, ..., kind] = clear[:, tables.shape_kind == kind].min(1).reshape(s, h)
    away = positions - tables.home[rows][:, None, None]
    out[..., KIND["leash"]] = tables.leash[rows][:, None, None] - np.hypot(away[..., 0], away[..., 1])
    out[..., KIND["speed"]] = tables.speed[rows][:, None, None] - np.hypot(velocities[..., 0], velocities[..., 1])
    before = np.concatenate([np.broadcast_to(start_velocity[:, None, None], (n, s, 1, 2)), velocities[:, :, :-1]], 2)
    change = np.hypot(velocities[..., 0] - before[..., 0], velocities[..., 1] - before[..., 1]) / step_s
    out[..., KIND["acceleration"]] = tables.acceleration[rows][:, None, None] - change
    apart = positions[:, :, :, None] - others.transpose(1, 0, 2)[None, None]  # n s h o 2
    needed = tables.spacing[rows][:, None, None, other_rows]  # n 1 1 o
    gap = np.where(needed > 0, np.hypot(apart[..., 0], apart[..., 1]) - needed, np.inf)
    out[..., KIND["spacing"]] = gap.min(-1, initial=np.inf)
    return out


def shape_clearance(tables: RuleTables, points: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k p"]:
    """Returns each point's signed distance from every outline: positive on the allowed side."""
    distance = point_distance(points[:, None], tables.edges[None])  # k e
    nearest = np.minimum.reduceat(distance, tables.shape_first, axis=1)  # k p
    allowed = inside(points, tables.edges, tables.shape_first) == tables.shape_inside
    return np.where(allowed, nearest, -nearest)
