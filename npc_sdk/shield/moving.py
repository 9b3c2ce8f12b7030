"""Motion near what somebody else moves: no distance can be promised, but that no motion makes it worse can.

For every tick of a step and the brake after it: either the distance is kept wherever the other may be by then, or the
motion is no worse than standing still, however the other moves. Both shift by a tick when a tick has passed, so the
brake keeps its certificate; at rest there is nothing to answer for. The proof is docs/explanation/shield.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.constraints import RuleTables
from npc_sdk.constraints.clearance import length, point_distance
from npc_sdk.kernels.moving import MOST_TICKS

_REST = 1e-9  # m/s
_ANYWHERE = 1e9  # m: margin of what does not bind


@dataclass(frozen=True, slots=True)
class Others:
    """Living entities that the shield does not move, as the snapshot showed them."""

    position: Float[np.ndarray, "o 2"]
    names: tuple[frozenset[str], ...]  # o, role and type of each
    age_ticks: int = 0  # from the snapshot to the tick at which the answer applies

    @classmethod
    def none(cls) -> Others:
        """Nobody else."""
        return cls(np.zeros((0, 2)), ())


@dataclass(frozen=True, slots=True)
class Targets:
    """Pairs of a rule and an entity, `j` of them."""

    place: Float[np.ndarray, "j 2"]
    distance: Float[np.ndarray, " j"]
    top_speed: Float[np.ndarray, " j"]  # m/s
    near: Bool[np.ndarray, " j"]  # True: stay within the distance
    kind: Int[np.ndarray, " j"]
    binds: Bool[np.ndarray, "n j"]
    age_ticks: int


def targets(tables: RuleTables, rows: NDArray[np.intp], others: Others) -> Targets:
    """Finds whom each rule is about."""
    pairs = [(rule, o) for rule in tables.apart for o, names in enumerate(others.names) if rule.to in names]
    whom = np.array([o for _, o in pairs], np.intp)
    return Targets(
        place=np.asarray(others.position, np.float64).reshape(-1, 2)[whom],
        distance=np.array([rule.distance for rule, _ in pairs]),
        top_speed=np.array([rule.top_speed for rule, _ in pairs]),
        near=np.array([rule.near for rule, _ in pairs], np.bool_),
        kind=np.array([rule.kind for rule, _ in pairs], np.int64),
        binds=np.array([rule.binds[rows] for rule, _ in pairs], np.bool_).reshape(len(pairs), len(rows)).T,
        age_ticks=others.age_ticks,
    )


def never_worse(
    them: Targets,
    npc: Int[np.ndarray, " x"],
    start: Float[np.ndarray, "x 2"],
    command: Float[np.ndarray, "x 2"],
    step: Int[np.ndarray, " x"],
    acceleration: Float[np.ndarray, " x"],
    dt: float,
    spare: float,
) -> Float[np.ndarray, "x j"]:
    """Returns by how many metres each motion keeps each rule, with `spare` in hand; negative: it does not.

    A motion is one tick of `command` and the brake. `step` counts the ticks from the one at which the answer applies.
    """
    out = np.full((len(npc), len(them.distance)), _ANYWHERE)
    speed = np.hypot(command[:, 0], command[:, 1])
    moving = speed > _REST
    which, whom = np.nonzero(them.binds[npc] & moving[:, None])
    if len(which) == 0:
        return out
    change = acceleration[which] * dt
    way = _Way(start[which] - them.place[whom], command[which] / speed[which][:, None], speed[which], change)
    near = them.near[whom]
    rule = _Rule(near, them.distance[whom] - np.where(near, spare, -spare), them.top_speed[whom] * dt)
    tick = them.age_ticks + step[which] + 1
    margin = _by_tick(way, rule, tick, dt, spare)
    out[which, whom] = margin
    return out


@dataclass(frozen=True, slots=True)
class _Way:
    """Steps and the brakes after them, as seen from where an entity was."""

    start: Float[np.ndarray, "x 2"]
    heading: Float[np.ndarray, "x 2"]
    speed: Float[np.ndarray, " x"]
    change: Float[np.ndarray, " x"]  # m/s per tick


@dataclass(frozen=True, slots=True)
class _Rule:
    """What each way is measured by."""

    near: Bool[np.ndarray, " x"]
    distance: Float[np.ndarray, " x"]  # m, with the spare
    reach: Float[np.ndarray, " x"]  # m per tick


def _by_tick(way: _Way, rule: _Rule, tick: Int[np.ndarray, " x"], dt: float, spare: float) -> Float[np.ndarray, " x"]:
    """Returns the margin of each way, tick by tick: far enough, or no worse than standing still."""
    worst, travelled, left = np.full(len(tick), np.inf), np.zeros(len(tick)), way.speed.copy()
    worst[way.speed / way.change > MOST_TICKS] = -np.inf
    for _ in range(MOST_TICKS + 1):
        rolls = left > _REST
        if not rolls.any():
            break
        here = way.start + way.heading * travelled[:, None]
        there = here + way.heading * (left * dt)[:, None]
        nearest = point_distance(np.zeros_like(here), np.concatenate([here, there], -1))
        farthest = np.maximum(length(here), length(there))
        apart = np.where(rule.near, rule.distance - farthest, nearest - rule.distance)
        harmless = np.where(rule.near, -np.sum(way.heading * there, -1), np.sum(way.heading * here, -1)) - spare
        worst = np.where(rolls, np.minimum(worst, np.maximum(apart, harmless) - rule.reach * tick), worst)
        travelled += left * dt
        left = np.maximum(left - way.change, 0.0)
        tick = tick + 1
    return worst
