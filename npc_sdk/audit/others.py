"""Judges motion near what somebody else moves: was it the NPC that came too close, or the other?

A breach is the NPC's if standing still would have been strictly better in that very tick. From the definition.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from npc_sdk.audit.measure import closest_approach
from npc_sdk.audit.trace import Apart, Limits, Trace

WORSE = 1e-5  # m by which a motion must be worse than none to be to blame


def distance_margin(
    before: Float[np.ndarray, "... 2"], after: Float[np.ndarray, "... 2"], rule: Apart
) -> Float[np.ndarray, ...]:
    """Returns the smallest margin while an offset goes straight from `before` to `after`."""
    if rule.near:
        farthest = np.maximum(np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1))
        return np.asarray(rule.distance - farthest)
    return np.asarray(closest_approach(before, after) - rule.distance)


def margins_and_blame(
    trace: Trace, limits: Limits, rule: Apart, other: int
) -> tuple[Float[np.ndarray, "t a"], Bool[np.ndarray, "t a"], Bool[np.ndarray, " t"]]:
    """Returns each NPC's margin, whether standing still would have been better, and whether the other was too fast.

    A motion that is no worse as it was sent is not made so by where float32 puts the body.
    """
    place, whom = trace.position, trace.others[:, other][:, None]
    start = place[:-1] - whom[:-1]
    real = distance_margin(start, place[1:] - whom[1:], rule)
    frozen = distance_margin(start, place[:-1] - whom[1:], rule)
    sent = distance_margin(start, place[:-1] + trace.command * limits.dt - whom[1:], rule)
    unrounded = np.clip(sent, real, real + placed_within(place[1:]))
    return real, frozen > unrounded + WORSE, too_fast(trace, limits, rule, other)


def placed_within(place: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "..."]:
    """Returns how far from where it was sent a game that keeps places in float32 may put a body, m.

    Half a step of float32 along each axis: 4 um at 100 m, 31 um at 1 km.
    """
    step = np.spacing(np.abs(place).astype(np.float32)).astype(np.float64)
    return np.asarray(np.linalg.norm(0.5 * step, axis=-1))


def too_fast(trace: Trace, limits: Limits, rule: Apart, other: int) -> Bool[np.ndarray, " t"]:
    """Says in which ticks an entity went faster than declared (assumption K4)."""
    way = np.linalg.norm(np.diff(trace.others[:, other], axis=0), axis=-1)
    return np.asarray(~(way <= rule.top_speed * limits.dt * (1.0 + 1e-6) + 1e-9))


def brake_is_no_worse(
    position: Float[np.ndarray, "k 2"],
    velocity: Float[np.ndarray, "k 2"],
    whom: Float[np.ndarray, " 2"],
    rule: Apart,
    limits: Limits,
    asked: Int[np.ndarray, " k"],
) -> Bool[np.ndarray, " k"]:
    """Says whose brake, begun now, can do no harm wherever the other goes: in each tick it keeps the distance for sure,
    or every way that the other may have gone makes it no worse than standing still."""
    place, speed = position.copy(), np.linalg.norm(velocity, axis=-1)
    heading = velocity / np.where(speed > 0.0, speed, 1.0)[:, None]
    good = np.ones(len(place), np.bool_)
    reach = 0.0
    while np.any(speed > 0.0):
        speed = np.maximum(speed - limits.brake[asked] * limits.dt, 0.0)
        reach += rule.top_speed * limits.dt
        next_place = place + heading * (speed * limits.dt)[:, None]
        sure = distance_margin(place - whom, next_place - whom, rule) >= reach
        from_ = next_place - whom if rule.near else place - whom
        along = np.sum(heading * from_, axis=-1) * (-1.0 if rule.near else 1.0)
        good &= sure | (along >= reach) | (speed <= 0.0)
        place = next_place
    return good
