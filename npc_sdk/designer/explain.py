"""Why an NPC did what it did, read off the numbers of the decision afterwards. Decides nothing.

With features f, weights w and candidates v, the objective is J_v = sum_m w_m f_vm and the smallest J among the
admissible candidates is chosen. Everything here is exact arithmetic on those stored numbers, nothing is imagined again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

_PAST = 0.01  # of a weight (or of 1, for small ones) beyond where two plans draw level
_UNNAMED = frozenset({"elite", "sample", "blend"})  # families that are no manoeuvre a designer would know
_REACH = 8.0  # of a slider
_SAME_PLAN = 0.02  # of J: plans whose weighted parts differ by less are one plan to a designer


@dataclass(frozen=True, slots=True)
class ShieldChange:
    """What the shield made of the chosen plan: the `rules` that were active, and the largest `shift` of a step in m."""

    changed: bool = False
    rules: tuple[str, ...] = ()
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One NPC's decision, as the planner saw it.

    Attributes:
        npc: entity id.
        terms: names of the M terms.
        weights: [M].
        features: [v, M], in units of each term.
        objective: J of the v candidates, smaller is better.
        feasible: [v], False where a constraint forecast ruled the candidate out.
        families: where each candidate came from, e.g. "flank_left".
        chosen: index of the plan that was taken.
        shield: what the shield did to it.
        steps: [v], how deep each candidate's forecast breaks a rule, in steps of the planner's tolerance; 0: feasible.
            No weight makes up for a step. Where none are given the infeasible are one step deep.
    """

    npc: int
    terms: tuple[str, ...]
    weights: NDArray[np.float64]
    features: NDArray[np.float64]
    objective: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    families: tuple[str, ...]
    chosen: int
    shield: ShieldChange = ShieldChange()
    steps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        """Hold all numbers as doubles; raise ValueError where the parts do not fit together."""
        for name in ("weights", "features", "objective"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        if not len(self.steps):
            object.__setattr__(self, "steps", np.where(self.feasible, 0, 1))
        v, m = self.features.shape
        for name, shape, expected in (
            ("weights", self.weights.shape, (m,)),
            ("terms", (len(self.terms),), (m,)),
            ("objective", self.objective.shape, (v,)),
            ("feasible", self.feasible.shape, (v,)),
            ("steps", self.steps.shape, (v,)),
            ("families", (len(self.families),), (v,)),
        ):
            if shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, got {shape}")
        if not 0 <= self.chosen < v:
            raise ValueError(f"chosen: expected 0..{v - 1}, got {self.chosen}")


@dataclass(frozen=True, slots=True)
class Part:
    """One term's share of a decision.

    Attributes:
        term: its name.
        weight: in force when the NPC decided.
        feature: of the chosen plan, in the term's units.
        value: weight x feature; the values of all parts add up to J.
        lead: weight x (feature of the runner-up - feature of the chosen); > 0 speaks for the choice, 0 without one.
        raise_to: the smallest weight above the present one at which another candidate wins, None if none does.
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
class Flip:
    """The smallest change of one weight that changes the choice, among the plans that were weighed.

    Attributes:
        term: whose weight.
        weight: at which the other plan draws level.
        past: a little further on: at this weight the other plan has won.
        family: of the other plan.
    """

    term: str
    weight: float
    past: float
    family: str


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


def rechosen(choice: Choice, weights: NDArray[np.float64]) -> Choice:
    """Return the choice among the same candidates under other weights: feasible first, then by J, as the planner does.

    What the shield made of the former plan says nothing about this one, and is left out.

    Args:
        choice: a decision.
        weights: [M], in the order of the choice's terms.
    """
    objective = (choice.features * weights).sum(-1)
    chosen = int(np.lexsort((objective, choice.steps))[0])
    return replace(choice, weights=weights, objective=objective, chosen=chosen, shield=ShieldChange())


def verdict(choice: Choice) -> Verdict:
    """Return what was chosen, over what, and for which term."""
    return _weighed(choice, _rivals(choice, choice.objective))[0]


def _weighed(choice: Choice, rivals: NDArray[np.intp]) -> tuple[Verdict, NDArray[np.float64], NDArray[np.float64]]:
    """Return the verdict, each term's part of J, and its part of the lead."""
    second = _runner_up(choice, choice.objective, rivals)
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
    weights, features, objective = choice.weights, choice.features, choice.objective
    rivals = _rivals(choice, objective)
    short, values, leads = _weighed(choice, rivals)
    own = features[choice.chosen]
    gap = objective[rivals] - objective[choice.chosen]
    slope = own - features[rivals]  # v M, how fast a rising weight closes the gap to each rival
    up, up_rival = _first_crossings(gap, slope)
    down, down_rival = _first_crossings(gap, -slope)
    down[down > weights] = math.inf  # a weight below 0 is none
    parts = [
        Part(
            term=term,
            weight=float(weights[m]),
            feature=float(own[m]),
            value=float(values[m]),
            lead=float(leads[m]),
            raise_to=float(weights[m] + up[m]) if up[m] < math.inf else None,
            lower_to=float(weights[m] - down[m]) if down[m] < math.inf else None,
            raise_family=choice.families[rivals[up_rival[m]]] if up[m] < math.inf else "",
            lower_family=choice.families[rivals[down_rival[m]]] if down[m] < math.inf else "",
        )
        for m, term in enumerate(choice.terms)
    ]
    flips = _flips(choice, rivals)
    return Explanation(
        npc=choice.npc,
        family=short.family,
        runner_up=short.runner_up,
        objective=short.objective,
        lead=short.lead,
        parts=tuple(parts),
        remainder=short.objective - math.fsum(part.value for part in parts),
        leading=short.leading,
        rejected=int(np.count_nonzero(~choice.feasible)),
        shield=choice.shield,
        flips=flips,
        sentence=_sentence(choice, flips, short),
    )


def _rivals(choice: Choice, objective: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the candidates the chosen plan was weighed against: no deeper in a rule than it is, with a finite J.

    A candidate with a smaller J that lost all the same lost on something other than the weights, so no weight tells
    anything about it.
    """
    same = choice.steps == choice.steps[choice.chosen]
    weighed = same & np.isfinite(objective) & (objective >= objective[choice.chosen])
    weighed[choice.chosen] = False
    return np.flatnonzero(weighed)


def _runner_up(choice: Choice, objective: NDArray[np.float64], rivals: NDArray[np.intp]) -> int | None:
    """Return the best rival that is another plan: of another family, and not the same one under another name."""
    if not len(rivals):
        return None
    family = choice.families[choice.chosen]
    distinct = [int(v) for v in rivals if _differs(choice, int(v))]
    others = distinct or [int(v) for v in rivals if choice.families[v] != family]
    return min(others or [int(v) for v in rivals], key=lambda v: float(objective[v]))


def _first_crossings(
    gap: NDArray[np.float64], slope: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return, per term, the smallest weight change at which a rival's gap is closed (inf: none), and which rival's."""
    if not len(gap):
        return np.full(slope.shape[1], math.inf), np.zeros(slope.shape[1], np.intp)
    closing = slope > 1e-12
    distance = np.where(closing, gap[:, None] / np.where(closing, slope, 1.0), math.inf)  # v M
    return distance.min(0), distance.argmin(0)


def _largest(terms: tuple[str, ...], shares: NDArray[np.float64]) -> str:
    """Return the term with the largest share, "" where none is above zero."""
    if not len(terms):
        return ""
    best = int(np.argmax(shares))
    return terms[best] if shares[best] > 0 else ""


def _sentence(choice: Choice, flips: tuple[Flip, ...], short: Verdict) -> str:
    """Return one sentence: what, why, against what, what would change it, what the shield did."""
    text = f"NPC {choice.npc} chose {_words(short.family)}"
    if short.lead is not None:
        text += f" over {_words(short.runner_up)} by {short.lead:.2f}"
    if short.leading:
        text += f", mostly for {_words(short.leading)}"
    if flips:
        flip = flips[0]
        verb = "raised" if flip.past > flip.weight else "lowered"
        text += f"; it would take {_words(flip.family)} with {_words(flip.term)} {verb} to {flip.weight:.2f}"
    if choice.shield.changed:
        rules = ", ".join(choice.shield.rules) or "a rule"
        text += f"; the shield moved it by {choice.shield.shift:.2f} m for {rules}"
    elif not choice.feasible[choice.chosen]:
        text += "; no plan met every constraint, so this is the nearest to it"
    return text + "."


def _flips(choice: Choice, rivals: NDArray[np.intp]) -> tuple[Flip, ...]:
    """Return where turning one weight first leads to another plan, in the order of `Explanation.flips`."""
    found = []
    for m in range(len(choice.terms)):
        for sign in (1.0, -1.0):
            flip = _walk(choice, rivals, m, sign)
            if flip is not None:
                rank = (flip.family in _UNNAMED, flip.past > _REACH, abs(flip.weight - choice.weights[m]), flip.term)
                found.append((rank, flip))
    return tuple(flip for _, flip in sorted(found, key=lambda pair: pair[0]))


def _walk(choice: Choice, rivals: NDArray[np.intp], m: int, sign: float) -> Flip | None:
    """Turn one weight up or down, from winner to winner, until the winner is another plan than the chosen one."""
    pool = np.append(rivals, choice.chosen)
    objective, slope = choice.objective[pool], sign * choice.features[pool, m]
    now, most = len(pool) - 1, math.inf if sign > 0 else float(choice.weights[m])
    for _ in pool:
        closing = slope < slope[now] - 1e-12  # falls behind less with every step
        gap = objective - objective[now]
        at = np.where(closing, gap / np.where(closing, slope[now] - slope, 1.0), math.inf)
        reached, winner = float(at.min()), int(at.argmin())
        if not reached < most:
            return None
        if _differs(choice, int(pool[winner])):
            ahead = slope < slope[winner] - 1e-12
            after = (objective - objective[winner])[ahead] / (slope[winner] - slope[ahead])
            room = min(float(after.min(initial=math.inf)), most) - reached  # to where the next one wins
            level = float(choice.weights[m] + sign * reached)
            past = level + sign * min(_PAST * max(level, 1.0), 0.5 * room)
            return Flip(choice.terms[m], level, past, choice.families[pool[winner]])
        now = winner
    return None


def _differs(choice: Choice, other: int) -> bool:
    """Whether another candidate is another plan: of another family, and not the same one under another name."""
    if choice.families[other] == choice.families[choice.chosen]:
        return False
    apart = np.abs(choice.features[other] - choice.features[choice.chosen]) @ choice.weights
    return bool(apart > _SAME_PLAN * abs(float(choice.objective[choice.chosen])))


def _words(name: str) -> str:
    return name.replace("_", " ")
