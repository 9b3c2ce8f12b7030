"""Where turning one weight leads to another plan, among the plans that were weighed. Exact arithmetic, no roll-out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.designer.choice import Choice, differs, rivals

_PAST = 0.01  # of a weight (or of 1, for small ones) beyond where two plans draw level
_UNNAMED = frozenset({"elite", "sample", "blend"})  # families that are no manoeuvre a designer would know
_REACH = 8.0  # of a slider


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change of one weight that changes the choice, among the plans that were weighed.

    Attributes:
        term: whose weight.
        weight: at which the other plan draws level.
        past: a little further on: at this weight the other plan has won.
        family: of the other plan.
        leads: how much each term speaks for the chosen plan against that one, under the weights of now, in the order
            of the terms: weight x (feature of the other - feature of the chosen). They add up to what it lost by.
    """

    term: str
    weight: float
    past: float
    family: str
    leads: tuple[float, ...]


def flips(choice: Choice) -> tuple[Flip, ...]:
    """Return where turning one weight first leads to another plan, in the order of `Explanation.flips`."""
    found, others = [], rivals(choice)
    for m in range(len(choice.weighed)):
        for sign in (1.0, -1.0):
            flip = _walk(choice, others, m, sign)
            if flip is not None:
                rank = (flip.family in _UNNAMED, flip.past > _REACH, abs(flip.weight - choice.weights[m]), flip.term)
                found.append((rank, flip))
    return tuple(flip for _, flip in sorted(found, key=lambda pair: pair[0]))


def _walk(choice: Choice, others: NDArray[np.intp], m: int, sign: float) -> Flip | None:
    """Turn one weight up or down, from winner to winner, until the winner is another plan than the chosen one."""
    pool = np.append(others, choice.chosen)
    objective, slope = choice.objective[pool], sign * choice.features[pool, m]
    now, most = len(pool) - 1, math.inf if sign > 0 else float(choice.weights[m])
    for _ in pool:
        closing = slope < slope[now] - 1e-12  # falls behind less with every step
        gap = objective - objective[now]
        at = np.where(closing, gap / np.where(closing, slope[now] - slope, 1.0), math.inf)
        reached, winner = float(at.min()), int(at.argmin())
        if not reached < most:
            return None
        if differs(choice, int(pool[winner])):
            ahead = slope < slope[winner] - 1e-12
            after = (objective - objective[winner])[ahead] / (slope[winner] - slope[ahead])
            room = min(float(after.min(initial=math.inf)), most) - reached  # to where the next one wins
            level = float(choice.weights[m] + sign * reached)
            past = level + sign * min(_PAST * max(level, 1.0), 0.5 * room)
            return _flip(choice, m, level, past, int(pool[winner]))
        now = winner
    return None


def _flip(choice: Choice, m: int, level: float, past: float, other: int) -> Flip:
    leads = choice.weights * (choice.features[other] - choice.features[choice.chosen])
    return Flip(choice.terms[m], level, past, choice.families[other], tuple(leads.tolist()))


def first_crossings(
    gap: NDArray[np.float64], slope: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return, per term, the smallest weight change at which a rival's gap is closed (inf: none), and which rival's."""
    if not len(gap):
        return np.full(slope.shape[1], math.inf), np.zeros(slope.shape[1], np.intp)
    closing = slope > 1e-12
    distance = np.where(closing, gap[:, None] / np.where(closing, slope, 1.0), math.inf)  # v M
    return distance.min(0), distance.argmin(0)
