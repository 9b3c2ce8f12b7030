"""The velocities of a body that goes by whole cells: all it can ever be told."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def grid_moves(cell: float, diagonals: bool, dt: float) -> Float[np.ndarray, "k 2"]:
    """Returns the moves in m/s, standing still first; no rows for a body that is not bound to cells.

    A step is the largest float32 that is no more than a cell per tick, so that the wire carries what is certified and
    nobody goes further than declared.

    Args:
        cell: m; 0: none.
        diagonals: whether a move may go along both axes.
        dt: seconds per tick.
    """
    if cell <= 0.0:
        return np.zeros((0, 2))
    pace = cell / dt
    step = np.float32(pace)
    if float(step) > pace * (1.0 + 1e-12):
        step = np.nextafter(step, np.float32(0.0))
    sides = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)] if diagonals else []
    return np.array([*sides, *corners], np.float64) * float(step)
