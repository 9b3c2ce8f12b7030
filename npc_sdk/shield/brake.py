"""Braking arithmetic of a velocity-commanded body: p+ = p + u dt, v+ = u, |u - v| <= a dt.

Executing speed s for a tick and braking afterwards is one straight segment. That is why the shield needs no more than
"is this segment clear", and why corners and doorways are no special cases.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def travel(speed: Float[np.ndarray, ...], acceleration: Float[np.ndarray, ...], dt: float) -> Float[np.ndarray, ...]:
    """Returns the metres covered by one tick at `speed` and the brake to rest after it.

    S(s) = dt ((k + 1) s - a dt k (k + 1) / 2), where k = floor(s / (a dt)) is the number of ticks that still move.
    """
    step = acceleration * dt
    ticks = np.floor(speed / step)
    length: Float[np.ndarray, ...] = dt * ((ticks + 1.0) * speed - step * ticks * (ticks + 1.0) / 2.0)
    return length


def stop_distance(
    speed: Float[np.ndarray, ...], acceleration: Float[np.ndarray, ...], dt: float
) -> Float[np.ndarray, ...]:
    """Returns the metres that a brake from `speed`, begun now, takes to rest."""
    return travel(np.maximum(speed - acceleration * dt, 0.0), acceleration, dt)


def brake(
    velocity: Float[np.ndarray, "... 2"], acceleration: Float[np.ndarray, ...], dt: float
) -> Float[np.ndarray, "... 2"]:
    """Returns the command of one braking tick: v max(0, 1 - a dt / |v|)."""
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    left = np.maximum(0.0, 1.0 - acceleration * dt / np.maximum(speed, 1e-12))
    return np.asarray(velocity * left[..., None])


def segment_end(
    position: Float[np.ndarray, "... 2"],
    command: Float[np.ndarray, "... 2"],
    acceleration: Float[np.ndarray, ...],
    dt: float,
) -> Float[np.ndarray, "... 2"]:
    """Returns where the body rests after one tick of `command` and the brake."""
    speed = np.hypot(command[..., 0], command[..., 1])
    length = travel(speed, acceleration, dt)
    return np.asarray(position + command * (length / np.maximum(speed, 1e-12))[..., None])


def brake_end(
    position: Float[np.ndarray, "... 2"],
    velocity: Float[np.ndarray, "... 2"],
    acceleration: Float[np.ndarray, ...],
    dt: float,
) -> Float[np.ndarray, "... 2"]:
    """Returns where the body rests after a brake begun now."""
    return segment_end(position, brake(velocity, acceleration, dt), acceleration, dt)
