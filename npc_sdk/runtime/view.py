"""What a decider is given and what it answers: plain arrays over all NPCs of all games in this tick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from npc_sdk.belief import BeliefTable
from npc_sdk.constraints import RuleTables, Standing
from npc_sdk.designer.choice import Choice
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.runtime.game import Game
from npc_sdk.shield import ShieldConfig

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class View:
    """Everything a decision may depend on. `n` living NPCs of `g` games; `b` scenes of `e` slots.

    The own NPCs' poses in `table` are those at the tick at which the answer applies; everything else is as last seen.
    """

    games: tuple[Game, ...]
    table: BeliefTable
    game: Ints  # n, index into games
    scene: Ints  # n
    slot: Ints  # n
    ids: NDArray[np.uint32]  # n
    position: Floats  # n 2, m, at the apply tick
    velocity: Floats  # n 2, m/s
    heading: NDArray[np.float64]  # n, rad, where cars head by then, and others last went or faced
    due: NDArray[np.bool_]  # n, decides now
    committed: Floats  # b e h 2, what everybody has said it will do from the apply tick on
    planned: NDArray[np.bool_]  # n, has such a plan
    weights: NDArray[np.float64]  # n M
    rules: tuple[RuleTables, ...]  # per game, rows in the order of that game's NPCs
    apply_tick: Ints  # g
    floor: NDArray[np.float64]  # n j 3, each NPC's part of the floor now: x . (0, 1) <= 2, m
    shield: ShieldConfig  # what the shield keeps in hand
    lag: NDArray[np.float64]  # g, s from when players were as the table shows them to the apply tick, at most
    board: BoardSnapshot
    late: Callable[[], bool]  # True once the time for this tick is used up


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one NPC weighed, for explaining, drawing and barking. Nothing downstream decides on it."""

    choice: Choice
    paths: Floats  # v h 2, m, of the candidates in `choice`
    ghosts: Floats  # v h 2, m, where the player was imagined to go under each


@dataclass(frozen=True, slots=True)
class Orders:
    """A decider's answer."""

    rows: Ints  # k, which of the n NPCs have a new plan
    moves: Floats  # k h 2, m/s per model step
    hands: Floats  # n 4, aim (rad), fire, throw, reach (m) of every NPC
    evidence: tuple[Evidence | None, ...]  # k
    wasted: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # k, share of candidates that break a rule
    standings: tuple[tuple[Standing, ...], ...] = ()  # k, or none where no rule of class H is in force


@runtime_checkable
class Decider(Protocol):
    """Chooses plans. The planner and every scripted baseline are deciders; the shield comes after all of them."""

    def decide(self, view: View) -> Orders:
        """Answers for the NPCs that are due, by `view.late()` with the best it has."""

    def forget(self, key: str) -> None:
        """Drops what it remembers about a game."""
