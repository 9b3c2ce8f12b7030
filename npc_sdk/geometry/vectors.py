"""Plane vectors and angles, batched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns vectors of length 1 (the zero vector stays about zero): ... 2."""
    out: NDArray[np.float64] = vector / np.maximum(np.hypot(vector[..., 0], vector[..., 1]), 1e-6)[..., None]
    return out


def across(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns unit vectors a quarter turn counter-clockwise: ... 2."""
    u = unit(vector)
    return np.stack([-u[..., 1], u[..., 0]], axis=-1)


def wrap(angle: NDArray[np.floating]) -> NDArray[np.float64]:
    """Wraps radians into (-pi, pi]."""
    return np.asarray(np.pi - (np.pi - angle) % (2 * np.pi), np.float64)
