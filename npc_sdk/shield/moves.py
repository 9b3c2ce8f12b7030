"""Which velocities a limit leaves: those of a sector of directions, and those of a body that goes by whole cells."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_EARLIER = 1e-6  # m/s: of two moves as near as each other the earlier one, whatever the last bit says
_ROOM = 1.0 + 1e-9  # of a limit, which may be a move's own speed


def nearest_move(
    moves: Float[np.ndarray, "k 2"],
    wanted: Float[np.ndarray, "... 2"],
    velocity: Float[np.ndarray, "... 2"],
    speed: Float[np.ndarray, ...],
    change: Float[np.ndarray, ...],
    turn: Float[np.ndarray, ...] | float,
) -> Float[np.ndarray, "... 2"]:
    """Returns the move nearest to the wanted one of those that the limits allow and that end in one tick's brake.

    Standing still is one of them wherever the body can stop at once. Where it cannot, only the brake is left.
    """
    now, most, step = velocity[..., None, :], np.asarray(speed)[..., None], np.asarray(change)[..., None]
    pace = length(moves)
    legal = (pace <= most * _ROOM) & (pace <= step * _ROOM) & (length(moves - now) <= step * _ROOM)
    kept = within_sector(np.broadcast_to(moves, (*legal.shape, 2)), now, np.asarray(turn)[..., None])
    legal &= length(kept - moves) <= _EARLIER
    far = length(moves - wanted[..., None, :]) + _EARLIER * np.arange(len(moves))
    best = moves[np.where(legal, far, np.inf).argmin(-1)]
    slowest = velocity * np.maximum(0.0, 1.0 - change / np.maximum(length(velocity), 1e-12))[..., None]
    some = np.asarray(legal.any(-1))[..., None]
    exact: Float[np.ndarray, "... 2"] = np.where(some, best, slowest).astype(np.float32)
    return exact.astype(np.float64)


def within_sector(
    wanted: Float[np.ndarray, "... 2"], velocity: Float[np.ndarray, "... 2"], turn: Float[np.ndarray, ...] | float
) -> Float[np.ndarray, "... 2"]:
    """Returns the point nearest to the wanted velocity whose direction is at most `turn` from that of `velocity`."""
    if np.isposinf(turn).all():
        return wanted
    ahead = velocity / np.maximum(length(velocity), 1e-12)[..., None]
    side = ahead[..., 0] * wanted[..., 1] - ahead[..., 1] * wanted[..., 0]
    angle = np.arctan2(side + 0.0, np.sum(ahead * wanted, -1) + 0.0)  # of nothing, -0.0 would be half a turn
    bound = np.where(np.isfinite(turn), np.sign(angle) * turn, 0.0)
    cos, sin = np.cos(bound), np.sin(bound)
    edge = np.stack([ahead[..., 0] * cos - ahead[..., 1] * sin, ahead[..., 0] * sin + ahead[..., 1] * cos], -1)
    on_edge = edge * np.maximum(np.sum(edge * wanted, -1), 0.0)[..., None]
    return np.asarray(np.where((np.abs(angle) > turn)[..., None], on_edge, wanted))


def length(vectors: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns the vectors' lengths."""
    out: Float[np.ndarray, ...] = np.hypot(vectors[..., 0], vectors[..., 1])
    return out
