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
from npc_sdk.constraints.clearance import point_distance

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
    fast, change = speed[which], acceleration[which] * dt
    heading = command[which] / fast[:, None]
    gap = start[which] - them.place[whom]
    worst = np.full(len(which), np.inf)
    travelled = np.zeros(len(which))
    tick = them.age_ticks + step[which] + 1
    left = fast.copy()
    while True:
        open_ = left > _REST
        if not open_.any():
            break
        here = gap + heading * travelled[:, None]
        there = here + heading * (left * dt)[:, None]
        reach = them.top_speed[whom] * tick * dt
        margin = np.where(
            them.near[whom],
            _within(here, there, heading, them.distance[whom], reach, spare),
            _beyond(here, there, heading, them.distance[whom], reach, spare),
        )
        worst = np.where(open_, np.minimum(worst, margin), worst)
        travelled += left * dt
        left = np.maximum(left - change, 0.0)
        tick = tick + 1
    out[which, whom] = worst
    return out


def _beyond(
    here: Float[np.ndarray, "x 2"],
    there: Float[np.ndarray, "x 2"],
    heading: Float[np.ndarray, "x 2"],
    distance: Float[np.ndarray, " x"],
    reach: Float[np.ndarray, " x"],
    spare: float,
) -> Float[np.ndarray, " x"]:
    """Margin of one tick's way past an entity that starts at the origin and may go `reach` by its end."""
    apart = point_distance(np.zeros_like(here), np.concatenate([here, there], -1)) - distance
    away = np.sum(heading * here, -1)
    return np.asarray(np.maximum(apart, away) - reach - spare)


def _within(
    here: Float[np.ndarray, "x 2"],
    there: Float[np.ndarray, "x 2"],
    heading: Float[np.ndarray, "x 2"],
    distance: Float[np.ndarray, " x"],
    reach: Float[np.ndarray, " x"],
    spare: float,
) -> Float[np.ndarray, " x"]:
    """Margin of one tick's way near an entity that starts at the origin: within reach throughout, or towards it."""
    far = np.maximum(np.hypot(here[:, 0], here[:, 1]), np.hypot(there[:, 0], there[:, 1]))
    towards = -np.sum(heading * there, -1)
    return np.asarray(np.maximum(distance - far, towards) - reach - spare)
