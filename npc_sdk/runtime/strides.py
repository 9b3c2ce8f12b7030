"""Plans are imagined as if bodies could have any velocity. One that goes by whole cells follows them step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def strides(wanted: NDArray[np.floating], tick: int, moves: Floats) -> Floats:
    """Returns steps that come to the wanted velocities on average, not nearest to each: half a cell would never be any.

    When a step is due follows from the tick alone, so that answer after answer goes on in the same rhythm.

    Args:
        wanted: n m 2, m/s, in the ticks from `tick` on.
        tick: of the first of them.
        moves: k 2, m/s, all that a body can do; with a step along both axes among them, or not.
    """
    pace = float(np.abs(moves).max())
    share = np.minimum(np.abs(np.asarray(wanted, np.float64)) / pace, 1.0)  # n m 2, of the ticks
    when = tick + np.arange(wanted.shape[1])
    if (moves != 0.0).all(1).any():
        goes = _due(share, when[:, None])
    else:
        both = share.sum(2)
        along = share / np.maximum(both, 1e-12)[..., None]
        both = np.minimum(both, 1.0)
        first = _due(along[..., 0], np.floor(both * when))
        goes = _due(both, when)[..., None] & np.stack([first, ~first], 2)
    steps = np.where(goes, np.sign(wanted) * pace, 0.0)
    return np.where(np.isfinite(wanted), steps, np.nan)


def _due(share: Floats, count: NDArray[np.number]) -> NDArray[np.bool_]:
    """Says which of the turns counted take place when a share of all does, as evenly as can be."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.floor(share * (count + 1.0)) > np.floor(share * count))
