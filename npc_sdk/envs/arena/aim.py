"""The one rule by which NPCs aim, fire and throw, whoever moves them: comparisons are then about movement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.envs.arena.config import MAX_REACH
from npc_sdk.envs.arena.maps import RADIUS
from npc_sdk.geometry.vectors import wrap

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_LEAD = 0.1  # s a seen target is led by: the age of the picture when the shot falls
_REMEMBER = 4.0  # s for which the last seen place is watched
_FIRE_REACH = 14.0  # m
_THROW_NEAR, _ALLY_CLEAR = 4.0, 4.0  # m


@dataclass(frozen=True, slots=True)
class Shooting:
    """The weapon half of an action, per NPC."""

    aim: Float[np.ndarray, "m"]  # rad, (-pi, pi]
    fire: Bool[np.ndarray, "m"]
    throw: Bool[np.ndarray, "m"]
    reach: Float[np.ndarray, "m"]  # m

    def columns(self) -> Float[np.ndarray, "m 4"]:
        """Returns aim, fire, throw, reach as channel values (float32)."""
        return np.stack([self.aim, self.fire, self.throw, self.reach], axis=-1).astype(np.float32)


def scan_clock(now: Floats, ids: NDArray[np.integer]) -> Floats:
    """Returns the clock that drives glances, s: apart for every entity id, so that a squad does not look one way."""
    clock: Floats = now + 0.37 * ids
    return clock


def aim_and_fire(
    pose: Float[np.ndarray, "m 4"],
    heading: Float[np.ndarray, "m"],
    move: Float[np.ndarray, "m 2"],
    target: Float[np.ndarray, "m 4"],
    seen: Bool[np.ndarray, "m"],
    age: Float[np.ndarray, "m"],
    allies: Float[np.ndarray, "m e 2"],
    ally_known: Bool[np.ndarray, "m e"],
    scan: Float[np.ndarray, "m"],
) -> Shooting:
    """Aims at the believed target, fires when it is seen and on target, throws where it hides.

    A target out of sight for less than 4 s is flushed with a grenade if it is 4-10 m away, nobody of the squad is
    within 4 m of the place, and no squad mate is nearer to it. Later the NPC looks where it goes, glancing around.

    Args:
        pose: own x y vx vy.
        heading: own, rad.
        move: own velocity wanted, m/s.
        target: believed x y vx vy of the target.
        seen: the squad sees it now.
        age: s since it was seen.
        allies: places of the squad's members (own included is fine).
        ally_known: which of them exist.
        scan: a clock in s, different per NPC, that drives the glances.
    """
    place = target[:, :2] + np.where(seen, _LEAD, 0.0)[:, None] * target[:, 2:4]
    gap = place - pose[:, :2]
    distance = np.hypot(gap[:, 0], gap[:, 1])
    bearing = np.arctan2(gap[:, 1], gap[:, 0])
    still = np.hypot(move[:, 0], move[:, 1]) < 0.3
    course = np.where(still, heading, np.arctan2(move[:, 1], move[:, 0]) + 0.8 * np.sin(2.2 * scan))
    course = np.where(still, heading + 0.5 * np.sign(np.sin(0.9 * scan)), course)
    aim = wrap(np.where(seen | (age < _REMEMBER), bearing, course))
    off = np.abs(wrap(bearing - heading))
    on_target = off < np.maximum(0.06, 1.3 * RADIUS / np.maximum(distance, RADIUS))
    fire = seen & on_target & (distance <= _FIRE_REACH)
    from_place = allies - place[:, None]
    mates = np.where(ally_known, np.hypot(from_place[..., 0], from_place[..., 1]), np.inf)
    nearest_mate = mates.min(1, initial=np.inf)
    mine = distance <= nearest_mate + 1e-3
    hiding = ~seen & (age > 0.3) & (age < _REMEMBER)
    throw = (
        hiding & mine & (distance >= _THROW_NEAR) & (distance <= MAX_REACH) & (nearest_mate > _ALLY_CLEAR) & (off < 0.3)
    )
    return Shooting(aim, fire, throw, np.clip(distance, 0.0, MAX_REACH))


def limited(
    wanted: Float[np.ndarray, "... 2"], velocity: Float[np.ndarray, "... 2"], speed: float, change: float
) -> Float[np.ndarray, "... 2"]:
    """Returns the velocity nearest to `wanted` within `speed` (m/s) and within `change` (m/s) of the present one."""
    size = np.hypot(wanted[..., 0], wanted[..., 1])
    capped = wanted * np.minimum(1.0, speed / np.maximum(size, 1e-9))[..., None]
    step = capped - velocity
    size = np.hypot(step[..., 0], step[..., 1])
    reached: Floats = velocity + step * np.minimum(1.0, change / np.maximum(size, 1e-9))[..., None]
    return reached
