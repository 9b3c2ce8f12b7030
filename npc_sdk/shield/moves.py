"""Bodies that go by whole cells: of a handful of velocities, the nearest one that the limits leave."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from npc_sdk.constraints.clearance import length
from npc_sdk.shield.heading import Cone, within_cone

_EARLIER = 1e-6  # m/s: of two moves as near as each other the earlier one, whatever the last bit says
_ROOM = 1.0 + 1e-9  # of a limit, which may be a move's own speed


def nearest_move(
    moves: Float[np.ndarray, "k 2"],
    wanted: Float[np.ndarray, "... 2"],
    velocity: Float[np.ndarray, "... 2"],
    speed: Float[np.ndarray, ...],
    change: Float[np.ndarray, ...],
    cone: Cone | None,
) -> Float[np.ndarray, "... 2"]:
    """Returns the move nearest to the wanted one of those that the limits allow and that end in one tick's brake.

    Standing still is one of them wherever the body can stop at once. Where it cannot, only the brake is left.
    """
    most, step = np.asarray(speed)[..., None], np.asarray(change)[..., None]
    pace = length(moves)
    legal = (pace <= most * _ROOM) & (pace <= step * _ROOM)
    legal = legal & (length(moves - velocity[..., None, :]) <= step * _ROOM)
    if cone is not None:
        each = Cone(cone.axis[..., None, :], cone.low[..., None], cone.high[..., None])
        kept = within_cone(np.broadcast_to(moves, (*legal.shape, 2)), each)
        legal &= length(kept - moves) <= _EARLIER
    far = length(moves - wanted[..., None, :]) + _EARLIER * np.arange(len(moves))
    best = moves[np.argmin(np.where(legal, far, np.inf), axis=-1)]
    slowest = velocity * np.maximum(0.0, 1.0 - change / np.maximum(length(velocity), 1e-12))[..., None]
    any_legal = np.any(legal, axis=-1, keepdims=True)
    exact: Float[np.ndarray, "... 2"] = np.where(any_legal, best, slowest).astype(np.float32)
    return exact.astype(np.float64)
