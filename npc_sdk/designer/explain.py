"""Why an NPC did what it did, read off the numbers of the decision afterwards. Decides nothing.

Everything here is exact arithmetic on those stored numbers, nothing is imagined again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import Standing
from npc_sdk.designer.choice import Choice, ShieldChange, differs, rivals
from npc_sdk.designer.flips import Flip, first_crossings, flips


@dataclass(frozen=True, slots=True)
class Part:
    """One term's share of a decision.

    Attributes:
        term: its name.
        weight: in force when the NPC decided.
        feature: of the chosen plan, in the term's units.
        value: weight x feature; the values of all parts add up to J.
        lead: weight x (feature of the runner-up - feature of the chosen); > 0 speaks for the choice, 0 without one.
        raise_to: the smallest weight above the present one at which another candidate wins, None if none does; always
            None of a priced term, as is `lower_to`.
        lower_to: the largest weight >= 0 below the present one at which another candidate wins, None if none does.
        raise_family: the family that wins at `raise_to`, or "".
        lower_family: the family that wins at `lower_to`, or "".
    """

    term: str
    weight: float
    feature: float
    value: float
    lead: float
    raise_to: float | None
    lower_to: float | None
    raise_family: str
    lower_family: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one NPC took its plan.

    Attributes:
        npc: entity id.
        family: of the chosen plan.
        runner_up: family of the best admissible plan of another family that differs noticeably, or "".
        objective: J of the chosen plan.
        lead: J of the runner-up minus J, None without a runner-up.
        parts: one a term, in the order of the terms; their values add up to `objective`.
        remainder: objective minus that sum: rounding, and nothing else.
        leading: the term that speaks loudest against the runner-up (without one: the largest part), or "".
        rejected: how many candidates were ruled out as infeasible.
        shield: what the shield changed.
        standings: where the NPC stood with its rules of class H: forecasts, never guarantees.
        flips: changes of one weight that would lead to another plan, one a term and direction at most. Those to plans
            with a name come before those to unnamed samples, those in a slider's reach before the others, then the
            smallest.
        sentence: all this in one plain sentence.
    """

    npc: int
    family: str
    runner_up: str
    objective: float
    lead: float | None
    parts: tuple[Part, ...]
    remainder: float
    leading: str
    rejected: int
    shield: ShieldChange
    standings: tuple[Standing, ...]
    flips: tuple[Flip, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The choice in short: what every decision is reported with. The fields are those of `Explanation`."""

    family: str
    runner_up: str
    objective: float
    lead: float | None
    leading: str


def verdict(choice: Choice) -> Verdict:
    """Return what was chosen, over what, and for which term."""
    return _weighed(choice, rivals(choice))[0]


def _weighed(choice: Choice, others: NDArray[np.intp]) -> tuple[Verdict, NDArray[np.float64], NDArray[np.float64]]:
    """Return the verdict, each term's part of J, and its part of the lead."""
    second = _runner_up(choice, others)
    own = choice.features[choice.chosen]
    values = choice.weights * own
    leads = choice.weights * (choice.features[second] - own) if second is not None else np.zeros_like(values)
    total = float(choice.objective[choice.chosen])
    short = Verdict(
        family=choice.families[choice.chosen],
        runner_up="" if second is None else choice.families[second],
        objective=total,
        lead=None if second is None else float(choice.objective[second]) - total,
        leading=_largest(choice.terms, np.abs(values) if second is None else leads),
    )
    return short, values, leads


def explain(choice: Choice) -> Explanation:
    """Return why `choice` was made."""
    others, turns = rivals(choice), flips(choice)
    short, values, leads = _weighed(choice, others)
    return Explanation(
        npc=choice.npc,
        family=short.family,
        runner_up=short.runner_up,
        objective=short.objective,
        lead=short.lead,
        parts=_parts(choice, others, values, leads),
        remainder=short.objective - math.fsum(values.tolist()),
        leading=short.leading,
        rejected=int(np.count_nonzero(~choice.feasible)),
        shield=choice.shield,
        standings=choice.standings,
        flips=turns,
        sentence=_sentence(choice, turns, short),
    )


def _parts(
    choice: Choice, others: NDArray[np.intp], values: NDArray[np.float64], leads: NDArray[np.float64]
) -> tuple[Part, ...]:
    weights, own = choice.weights, choice.features[choice.chosen]
    gap = choice.objective[others] - choice.objective[choice.chosen]
    slope = own - choice.features[others]  # v M, how fast a rising weight closes the gap to each rival
    up, up_rival = first_crossings(gap, slope)
    down, down_rival = first_crossings(gap, -slope)
    down[down > weights] = math.inf  # a weight below 0 is none
    for side in (up, down):
        side[len(choice.weighed) :] = math.inf  # prices are not for turning
    return tuple(
        Part(
            term=term,
            weight=float(weights[m]),
            feature=float(own[m]),
            value=float(values[m]),
            lead=float(leads[m]),
            raise_to=float(weights[m] + up[m]) if up[m] < math.inf else None,
            lower_to=float(weights[m] - down[m]) if down[m] < math.inf else None,
            raise_family=choice.families[others[up_rival[m]]] if up[m] < math.inf else "",
            lower_family=choice.families[others[down_rival[m]]] if down[m] < math.inf else "",
        )
        for m, term in enumerate(choice.terms)
    )


def _runner_up(choice: Choice, others: NDArray[np.intp]) -> int | None:
    """Return the best rival that is another plan: of another family, and not the same one under another name."""
    if not len(others):
        return None
    everyone: list[int] = others.tolist()
    distinct = [v for v in everyone if differs(choice, v)]
    named = distinct or [v for v in everyone if choice.families[v] != choice.families[choice.chosen]]
    return min(named or everyone, key=lambda v: float(choice.objective[v]))


def _largest(terms: tuple[str, ...], shares: NDArray[np.float64]) -> str:
    """Return the term with the largest share, "" where none is above zero."""
    if not len(terms):
        return ""
    best = int(np.argmax(shares))
    return terms[best] if shares[best] > 0 else ""


def _sentence(choice: Choice, turns: tuple[Flip, ...], short: Verdict) -> str:
    """Return one sentence: what, why, against what, what would change it, what the shield did."""
    text = f"NPC {choice.npc} chose {_words(short.family)}"
    if short.lead is not None:
        text += f" over {_words(short.runner_up)} by {short.lead:.2f}"
    if short.leading:
        text += f", mostly for {_words(short.leading)}"
    if turns:
        flip = turns[0]
        verb = "raised" if flip.past > flip.weight else "lowered"
        text += f"; it would take {_words(flip.family)} with {_words(flip.term)} {verb} to {flip.weight:.2f}"
    if choice.shield.changed:
        rules = ", ".join(choice.shield.rules) or "a rule"
        text += f"; the shield moved it by {choice.shield.shift:.2f} m for {rules}"
    elif not choice.feasible[choice.chosen]:
        text += "; no plan met every constraint, so this is the nearest to it"
    for standing in choice.standings:
        text += f"; forecast rule {standing.words}"
    return text + "."


def _words(name: str) -> str:
    return name.replace("_", " ")
