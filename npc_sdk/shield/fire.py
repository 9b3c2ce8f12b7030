"""Where attacks go: nobody who is to be spared may be in the line of fire, or where something bursts.

Nobody asks where the others intend to go: each is within its top speed times the time since it was seen. So the answer
holds whatever chunks are sent to them afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.constraints import Burst, Cone, RuleTables


@dataclass(frozen=True, slots=True)
class Aim:
    """Where each step's attack goes."""

    angle: Float[np.ndarray, "n m"]  # rad
    reach: Float[np.ndarray, "n m"]  # m, of what bursts


@dataclass(frozen=True, slots=True)
class Range:
    """Everybody who may be hit, where they were seen, and where the shooters will be."""

    place: Float[np.ndarray, "b 2"]
    names: tuple[frozenset[str], ...]  # b
    top_speed: Float[np.ndarray, " b"]  # m/s; NaN: as the rule says
    shooter: Int[np.ndarray, " b"]  # which of the n it is, -1: none of them
    age_ticks: int  # from the look at them to the first step
    dt: float
    stand: Float[np.ndarray, "n m 2"]  # the shooters' places
    slack: float  # m by which any of the places may be off

    def within(self, rule: Cone | Burst, later_s: float = 0.0) -> tuple[NDArray[np.intp], Float[np.ndarray, "q m"]]:
        """Returns whom a rule spares, and how far each may have come by each step and some seconds more."""
        spared = np.array([k for k, names in enumerate(self.names) if rule.to in names], np.intp)
        speed = np.where(np.isnan(self.top_speed[spared]), rule.top_speed, self.top_speed[spared])
        steps = np.arange(self.stand.shape[1])
        return spared, speed[:, None] * ((self.age_ticks + steps) * self.dt + later_s)


def in_the_line(rule: Cone, aim: Aim, where: Range) -> Bool[np.ndarray, "n m"]:
    """Says at which steps somebody may be in a shooter's line of fire.

    Out of it is who is wholly left of its left edge, right of its right one, behind it, or beyond its end. An aim that
    is no number may be anywhere.
    """
    spared, reach = where.within(rule)
    gap = where.place[spared][None, :, None] - where.stand[:, None]  # n q m 2
    room = (rule.clearance + 2.0 * where.slack + reach)[None]  # 1 q m
    left, right = (aim.angle + rule.spread)[:, None], (aim.angle - rule.spread)[:, None]  # n 1 m
    out = -np.sin(left) * gap[..., 0] + np.cos(left) * gap[..., 1] >= room
    out |= np.sin(right) * gap[..., 0] - np.cos(right) * gap[..., 1] >= room
    out |= -np.cos(aim.angle)[:, None] * gap[..., 0] - np.sin(aim.angle)[:, None] * gap[..., 1] >= room
    out |= np.hypot(gap[..., 0], gap[..., 1]) >= rule.reach + room
    own = where.shooter[spared][None] == np.arange(len(aim.angle))[:, None]  # n q
    return np.asarray((~out & ~own[..., None]).any(1) | ~np.isfinite(aim.angle))


def in_the_burst(rule: Burst, aim: Aim, where: Range) -> Bool[np.ndarray, "n m"]:
    """Says at which steps somebody may be, by then, where an attack bursts; the shooter itself is asked, too."""
    spared, reach = where.within(rule, rule.flight)
    with np.errstate(invalid="ignore"):
        ahead = np.stack([np.cos(aim.angle), np.sin(aim.angle)], -1) * aim.reach[..., None]
    gap = where.place[spared][None, :, None] - (where.stand + ahead)[:, None]  # n q m 2
    near = np.hypot(gap[..., 0], gap[..., 1]) < (rule.radius + 2.0 * where.slack + reach)[None]
    return np.asarray(near.any(1) | ~np.isfinite(ahead).all(-1))


def forbidden(
    tables: RuleTables, rows: NDArray[np.intp], aim: Aim | None, where: Range
) -> list[tuple[Cone | Burst, Bool[np.ndarray, "n m"]]]:
    """Returns for each rule the steps at which it forbids an attack; all of them where the game knows no aim."""
    shape = where.stand.shape[:2]
    found: list[tuple[Cone | Burst, NDArray[np.bool_]]] = []
    rules: list[Cone | Burst] = [*tables.cones, *tables.bursts]
    for rule in rules:
        hit = np.ones(shape, np.bool_)
        if aim is not None:
            hit = in_the_line(rule, aim, where) if isinstance(rule, Cone) else in_the_burst(rule, aim, where)
        found.append((rule, hit & rule.binds[rows][:, None]))
    return found
