"""Scripted NPCs as deciders: the same belief, the same shield and the same hands as the planner, other feet."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from npc_sdk.envs.arena.npcs import ScriptedNpcs, Utility
from npc_sdk.runtime import Orders, View

Kind = Literal["random", "chase", "utility"]
SCRIPTED: tuple[Kind, ...] = ("random", "chase", "utility")


class ScriptedDecider:
    """Decides by script in every brain tick; for lock-step, where all NPCs are due together.

    Args:
        kind: which script.
        npcs: per world.
        seeds: one per world, in the order of the games "0", "1", ...
        horizon: model steps of the plans it hands out; a script asks for one velocity throughout.
        utility: what the utility AI weighs.
    """

    def __init__(
        self, kind: Kind, npcs: int, seeds: tuple[int, ...], horizon: int = 20, utility: Utility | None = None
    ) -> None:
        self._weighs = utility
        self._kind = kind
        self._npcs = npcs
        self._seeds = seeds
        self._horizon = horizon
        self._minds: ScriptedNpcs | None = None

    def forget(self, key: str) -> None:
        """Starts all over."""
        self._minds = None

    def decide(self, view: View) -> Orders:
        """Answers for all NPCs."""
        if self._minds is None:  # the first tick has all games
            maps = [game.map for game in view.games]
            self._minds = ScriptedNpcs([self._kind] * len(maps), maps, self._npcs, self._seeds, self._weighs)
        world = np.array([int(game.key) for game in view.games])
        actions = self._minds.act(replace(view.table, world=world[view.table.world]))
        mine = actions[world[view.game], view.ids.astype(np.int64) - 101]  # n 6
        rows = np.flatnonzero(view.due)
        moves = np.repeat(mine[rows, None, :2], self._horizon, axis=1)
        return Orders(rows.astype(np.int64), moves, mine[:, 2:], (None,) * len(rows))
