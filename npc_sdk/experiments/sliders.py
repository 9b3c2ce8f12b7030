"""An optimiser at the designer's sliders, and in the player's shoes: CMA-ES against a planner under the shield.

What it bends is all that a designer may turn, every weight over four decades, and where the player goes, at any speed
up to the declared one; what it is after is the smallest margin of tight rules. Even searches plan with the trained
model, odd ones with an untrained one. The worlds of a generation are one fight with the same luck.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import CHANNELS, Arena, ArenaConfig, make_map
from npc_sdk.experiments import kept, stress
from npc_sdk.experiments.adversary import Floats, Found, Verdict, between, descend, kept_searches, verdict
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.stage import new_board, planner
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Decider, Runtime, RuntimeConfig
from npc_sdk.serve.models import load

KNOTS = 8  # of the player's way
TICKS = 90
NPCS = 5
SIZE = len(DEFAULT_TERMS.names) + 2 * KNOTS


@dataclass(frozen=True, slots=True)
class Walk:
    """Players who go as they are told and keep their guns down: k knots over the fight, w worlds."""

    velocity: Floats  # k w 2, m/s

    def act(self, arena: Arena) -> NDArray[np.float32]:
        """The actions of all players: w 6."""
        out = np.zeros((arena.worlds, len(CHANNELS)), np.float32)
        out[:, :2] = between(self.velocity, int(arena.tick[0]) / TICKS)
        return out


def search(index: int, seed: int, episodes: int, candidates: int) -> Found:
    """Looks for the weights and the player's way with the smallest margin, in one fight."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    forecast = load("untrained" if index % 2 else "arena", device, seed).forecast
    brain = planner(forecast, device, PlannerConfig(candidates=candidates, seed=seed))
    return descend(SIZE, (seed, index, 1), episodes, lambda tried: judge(index, seed, brain, np.stack(tried)))


def judge(index: int, seed: int, brain: Decider, numbers: Floats) -> list[Verdict]:
    """Plays one fight as often as there are rows of numbers, all in one arena; w SIZE."""
    worlds, terms = len(numbers), len(DEFAULT_TERMS.names)
    bent = np.tanh(numbers)
    rng = np.random.default_rng([seed, index, 2])
    rules = stress.draw_rules(rng, TICKS)
    arena, board = _fight(index, seed, rules, rng, worlds), new_board(rules.tables())
    _turn(board, 10.0 ** (stress.DECADES * bent[:, :terms]))
    way = bent[:, terms:].reshape(worlds, KNOTS, 2).swapaxes(0, 1)  # k w 2
    walk = Walk(arena.config.player_body.max_speed * way)
    for w in range(worlds):
        brain.forget(str(w))
    runtime = Runtime(brain, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    trace = LockStep(arena, runtime, walk, (), stress.EVERY_TICKS).run(TICKS)
    return [verdict(report) for report in stress.judged(trace, arena, rules)]


def _fight(index: int, seed: int, rules: stress.RuleSet, rng: np.random.Generator, worlds: int) -> Arena:
    """The same start in every world."""
    config, fight = ArenaConfig(npcs=NPCS, mortal=False, hold_fire=rules.silence), make_map("test", 7000 + index)
    one = Arena([fight], config, [seed + index])
    stress.place(one, rules, rng)
    arena = Arena([fight] * worlds, config, [seed + index] * worlds)
    arena.pos[:], arena.home[:] = one.pos, one.home
    return arena


def _turn(board: Board, weights: Floats) -> None:
    for w, row in enumerate(weights.tolist()):
        for term, value in zip(DEFAULT_TERMS.names, row, strict=True):
            board.apply({"op": "set_weight", "scope": f"faction:{w}", "term": term, "value": value})


def hunt(
    searches: int, episodes: int, seed: int, candidates: int, folder: Path | None = None, jobs: int = 1
) -> Iterator[Found]:
    """Yields one result per search, each in a fight of its own; finished ones in the folder are not done again."""
    how = partial(search, seed=seed, episodes=episodes, candidates=candidates)
    shipped = f"{kept.code_in('.')}-{episodes}"
    yield from kept_searches(how, f"sliders_{candidates}_{seed}", shipped, searches, folder, jobs)
