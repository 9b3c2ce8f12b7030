"""Planned NPCs for recording: every fight under weights of its own, so that a model learns from plans of many kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import ArenaConfig, ArenaMap, ScriptedPlayers
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.stage import Cast, lock_step, new_board, planner
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.serve.models import load

CANDIDATES = 16  # half as many as in play: fast, and plans of lesser quality are worth seeing, too
_WEIGHTS = 40  # purpose of random numbers
_OCTAVES = 1.2  # one standard deviation of a weight around its usual value
_RARE = 0.2  # how often a wish that is usually off is weighed


def planned(model: str, rules: ArenaConfig, maps: Sequence[ArenaMap], players: ScriptedPlayers) -> LockStep:
    """Sets up fights in which NPCs plan with a model."""
    torch.set_num_threads(1)
    decider = planner(load(model, torch.device("cpu")).forecast, torch.device("cpu"), PlannerConfig(CANDIDATES))
    fights = Cast(tuple(maps), players.seeds, players.styles)
    return lock_step(fights, rules, decider, varied(players.seeds), players=players)


def varied(seeds: Sequence[int]) -> Board:
    """Returns a board on which every fight has weights of its own, around the usual ones."""
    board = new_board()
    for world, seed in enumerate(seeds):
        rng = np.random.Generator(np.random.SFC64([seed, _WEIGHTS]))
        for term in DEFAULT_TERMS.terms:
            usual = term.default or float(rng.random() < _RARE)
            weight = usual * 2.0 ** rng.normal(0.0, _OCTAVES)
            board.apply({"op": "set_weight", "scope": f"faction:{world}", "term": term.name, "value": weight})
    return board
