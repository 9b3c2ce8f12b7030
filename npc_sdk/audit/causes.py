"""Who or what moved each NPC in each tick, from what was declared and what was executed. No rule is asked here."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.audit.trace import BRAKE, CALLBACK, NONE, TAIL, Limits, Trace

OWN, GAME, K1, K2, K3, K4, K4B, K6, K5, MISS = range(10)
"""Causes. Of two NPCs that came too close, the one with the larger number tells."""

CATEGORY = (
    "npc",
    "external",
    "breach",
    "breach",
    "breach",
    "breach",
    "breach",
    "breach",
    "inadmissible",
    "miss",
)
ASSUMPTION = ("", "", "K1", "K2", "K3", "K4", "K4b", "K6", "K5", "")
CATEGORIES = ("npc", "external", "breach", "inadmissible", "miss")
ASSUMPTIONS = ("K1", "K2", "K3", "K4", "K4b", "K5", "K6")

Causes = NDArray[np.int64]
_SLOW = 1e-9  # m/s
_TURNED = 1e-4  # rad, beyond what float32 hides of a heading


def moved_by(trace: Trace, limits: Limits, executed: float, place: float, pace: float) -> Causes:
    """Returns the cause of every NPC's motion: t a, `OWN` where it did what it had been told.

    Args:
        trace: what was executed.
        limits: for the length of a tick.
        executed: m that a tick's motion, and a tick at the new velocity, may differ from the command's.
        place: m that the place on which a step or a brake was based may be off.
        pace: m/s that the velocity may be.
    """
    living = trace.alive[:-1] & trace.alive[1:]
    cause = np.zeros(living.shape, np.int64)
    cause[_does_not_brake(trace, limits)] = K6
    cause[_misled(trace, place, pace)] = K2
    moved = trace.position[1:] - trace.position[:-1]
    off_place = np.linalg.norm(moved - trace.command * limits.dt, axis=-1)
    off_pace = np.linalg.norm(trace.velocity[1:] - trace.command, axis=-1) * limits.dt
    cause[(off_place > executed) | (off_pace > executed)] = K1
    if len(trace.heading):
        cause[_heads_elsewhere(trace)] = K1
    cause[trace.driver == CALLBACK] = GAME
    if len(trace.airborne):
        cause[trace.airborne] = GAME
    cause[~living] = OWN
    return cause


def _heads_elsewhere(trace: Trace) -> Bool[np.ndarray, "t a"]:
    """Says where a car's heading came out as another one than its command's, or than before where it had none."""
    goes = (trace.command != 0.0).any(-1)
    told = np.where(goes, np.arctan2(trace.command[..., 1], trace.command[..., 0]), trace.heading[:-1])
    off = trace.heading[1:] - told
    return np.asarray(np.abs(np.arctan2(np.sin(off), np.cos(off))) > _TURNED)


def _does_not_brake(trace: Trace, limits: Limits) -> Bool[np.ndarray, "t a"]:
    """Says where nobody drove an NPC, or the last hop that was to brake did less than it was told (K6)."""
    idle = trace.driver == NONE
    if not len(trace.braking):
        return np.asarray(idle)
    before, speed = trace.velocity[:-1], np.linalg.norm(trace.velocity[:-1], axis=-1)
    kept = np.maximum(0.0, 1.0 - trace.braking * limits.dt / np.maximum(speed, _SLOW))
    off = np.linalg.norm(trace.command - before * kept[..., None], axis=-1)
    return np.asarray(idle | ((trace.driver == BRAKE) & (off > 1e-4 * limits.speed)))


def _misled(trace: Trace, place: float, pace: float) -> Bool[np.ndarray, "t a"]:
    """Says where what drove an NPC was meant for another place or velocity than it had (K2)."""
    if not len(trace.believed):
        return np.zeros(trace.driver.shape, np.bool_)
    off: Float[np.ndarray, "t a"] = np.linalg.norm(trace.believed[..., :2] - trace.position[:-1], axis=-1)
    wrong: Float[np.ndarray, "t a"] = np.linalg.norm(trace.believed[..., 2:] - trace.velocity[:-1], axis=-1)
    return np.asarray((off > place) | (wrong > pace))  # NaN: nobody knows


def outdated(trace: Trace, tick: int, since: Int[np.ndarray, " a"]) -> Bool[np.ndarray, " a"]:
    """Says who ran a step that was decided before a tick of its own: what was sent then could still run."""
    if not len(trace.decided):
        return np.zeros(len(since), np.bool_)
    return np.asarray((trace.driver[tick] <= TAIL) & (trace.decided[tick] < since))


def astray(trace: Trace, limits: Limits, cause: Causes, executed: float) -> Int[np.ndarray, "t a"]:
    """Returns why an NPC may have been where nobody had to expect it: t a, `OWN` where there is no such excuse.

    It was faster than its limit, or others were shown where it had been before.
    """
    way = np.linalg.norm(trace.position[1:] - trace.position[:-1], axis=-1)
    return np.where((way > limits.speed * limits.dt + executed) | (cause == K2), cause, OWN)


def strangers(
    trace: Trace, tick: int | slice, one: NDArray[np.intp], two: NDArray[np.intp]
) -> Bool[np.ndarray, "*t q"]:
    """Says which pairs are not certified together: by different sessions (K4b)."""
    if not len(trace.session):
        return np.zeros(trace.driver[tick, one].shape, np.bool_)
    first, second = trace.session[tick, one], trace.session[tick, two]
    return np.asarray((first != second) & (first > 0) & (second > 0))
