"""Where an NPC imagines the player: the answers to all its plans, gathered into the few that differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.demo.scene import Thought

APART = 0.7  # m, at the last moment: answers nearer to each other than this are one
MOST = 3
LEAST_SHARE = 0.06
_SHARPNESS = 4.0  # a plan worse by a quarter of the spread of J counts e times less


@dataclass(frozen=True, slots=True)
class Ghost:
    """One imagined answer of the player."""

    path: Float[np.ndarray, "t 2"]  # m, at 0.5, 1 and 1.5 s
    share: float  # 0..1, of how much the plans that lead to it are worth


def ghosts(thought: Thought) -> tuple[Ghost, ...]:
    """Return the answers that differ, the one to the chosen plan first.

    A plan counts by its J, as in the planner's own blend: exp(-(J - best) / scale), scale a quarter of the spread of J.
    """
    if not len(thought.ghost):
        return ()
    found = [Ghost(thought.ghost, 0.0)]
    share = _shares(thought)
    for i in np.argsort(-share, kind="stable").tolist():
        path = thought.ghosts[i]
        near = next((k for k, known in enumerate(found) if _apart(path, known.path) < APART), None)
        if near is None:
            found.append(Ghost(path, float(share[i])))
        else:
            found[near] = Ghost(found[near].path, found[near].share + float(share[i]))
    others = sorted(found[1:], key=lambda ghost: -ghost.share)[: MOST - 1]
    return (found[0], *(ghost for ghost in others if ghost.share >= LEAST_SHARE))


def _apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.hypot(*(a[-1] - b[-1])))


def _shares(thought: Thought) -> NDArray[np.float64]:
    cost = thought.alternatives_objective[: len(thought.ghosts)]
    counted = thought.feasible[: len(cost)] & np.isfinite(cost)
    if not counted.any():
        return np.zeros(len(cost))
    cost = np.where(counted, cost, np.inf)
    best = cost[counted].min()
    scale = float(cost[counted].std()) / _SHARPNESS
    weight = np.exp(-(cost - best) / scale) if scale > 0 else counted.astype(np.float64)
    return np.asarray(weight / weight.sum())
