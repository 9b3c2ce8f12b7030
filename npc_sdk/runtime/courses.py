"""Plans are imagined as if bodies could go any way at once. A car follows them by turning as it goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npc_sdk.shield.heading import wrapped

Floats = NDArray[np.float64]

_TURN = 0.75  # of what a tick may turn: the rest is what a slow velocity hides of its own direction
_SLOWEST = 0.25  # of the wanted speed, while it turns: at rest it could not turn at all


def courses(heading: Floats, velocity: Floats, wanted: NDArray[np.floating], turn: Floats, step: Floats) -> Floats:
    """Returns velocities along a heading that turns to where a plan wants to go, the slower the further off it is.

    A plan's own velocities would let a car stand that wants to go back: of those ahead, none is nearest to them.

    Args:
        heading: n, rad, at the start.
        velocity: n 2, m/s, at the start.
        wanted: n m 2, m/s.
        turn: n, rad per tick.
        step: n, m/s per tick.
    """
    out = np.empty(wanted.shape)
    course, pace = heading, np.hypot(velocity[:, 0], velocity[:, 1])
    for k in range(wanted.shape[1]):
        x, y = wanted[:, k, 0].astype(np.float64), wanted[:, k, 1].astype(np.float64)
        off = wrapped(np.arctan2(y, x) - course)
        aim = np.hypot(x, y)
        course = np.where(aim > 0.0, course + np.clip(off, -_TURN * turn, _TURN * turn), course)
        aim = aim * np.maximum(np.cos(off), _SLOWEST)
        pace = pace + np.clip(aim - pace, -step, step)
        out[:, k] = np.stack([np.cos(course), np.sin(course)], 1) * pace[:, None]
    return out
