"""One NPC's decision as plain numbers: what was weighed, what was chosen, and who else was in the running.

With features f, weights w and candidates v, the objective is J_v = sum_m w_m f_vm and the smallest J among the
admissible candidates is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import Standing

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
        priced: how many of the terms, the last ones, a rule prices; nobody can turn their weights.
        standings: where the NPC stood with its rules of class H: forecasts.
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
    priced: int = 0
    standings: tuple[Standing, ...] = ()

    @property
    def weighed(self) -> tuple[str, ...]:
        """The terms that designers weigh: all but the priced ones."""
        return self.terms[: len(self.terms) - self.priced]

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


def rivals(choice: Choice) -> NDArray[np.intp]:
    """Return the candidates the chosen plan was weighed against: no deeper in a rule than it is, with a finite J.

    A candidate with a smaller J that lost all the same lost on something other than the weights, so no weight tells
    anything about it.
    """
    objective = choice.objective
    same = choice.steps == choice.steps[choice.chosen]
    weighed = same & np.isfinite(objective) & (objective >= objective[choice.chosen])
    weighed[choice.chosen] = False
    return np.flatnonzero(weighed)


def differs(choice: Choice, other: int) -> bool:
    """Whether another candidate is another plan: of another family, and not the same one under another name."""
    if choice.families[other] == choice.families[choice.chosen]:
        return False
    apart = np.abs(choice.features[other] - choice.features[choice.chosen]) @ choice.weights
    return bool(apart > _SAME_PLAN * abs(float(choice.objective[choice.chosen])))
