"""A decider that wants all that is forbidden, and what its brain sends without a shield, for the control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import Action
from npc_sdk.belief import NPC
from npc_sdk.constraints import RuleTables
from npc_sdk.experiments import zoo
from npc_sdk.objectives.terms import TermSet
from npc_sdk.runtime import Evidence, Orders, Report, View
from npc_sdk.world import Forecast
from npc_sdk.world.conformal import Calibration

STEP_S = 0.1  # of a plan
_WHIM_TICKS = 24  # between what an NPC is after
_MISAIMED = 0.02  # share of aims that are no number, and as many that are no angle


class Hostile:
    """Runs at corners, pits, doorways and everybody, or proposes noise and what is no number; shoots at everybody.

    Args:
        setting: whose rules it would break.
        seed: of what it wants.
        horizon: model steps per plan.
    """

    def __init__(self, setting: zoo.Setting, seed: int, horizon: int) -> None:
        self._slow = replace(setting, steps=horizon, dt=STEP_S)
        self._rng = np.random.default_rng([seed, 7])
        self._styles: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def decide(self, view: View) -> Orders:
        """Answers for the NPCs that are due."""
        rows, moves, hands = [], [], np.zeros((len(view.ids), 4), np.float32)
        for index, (game, tables) in enumerate(zip(view.games, view.rules, strict=True)):
            mine = np.flatnonzero(view.game == index)
            if not len(mine):
                continue
            assert game.frame is not None
            here, whom = view.position[mine].astype(np.float64), _others(game.frame.pose[0], game.frame.kind[0])
            wanted = self._wishes(game.key, int(view.apply_tick[index]), tables, here, whom)
            due = view.due[mine]
            rows.append(mine[due])
            moves.append(wanted[due])
            hands[mine] = self._hands(here, whom)
        with np.errstate(over="ignore"):
            plans = np.concatenate(moves).astype(np.float32)
        picked = np.concatenate(rows).astype(np.int64)
        return Orders(picked, plans, hands, (None,) * len(picked))

    def forget(self, key: str) -> None:
        """Drops what it remembers about a game."""
        self._styles.pop(key, None)

    def use(self, forecast: Forecast, calibration: Calibration | None = None) -> None:
        """Forecasts nothing."""

    def again(self, key: str, npc: int, weights: NDArray[np.float64], terms: TermSet) -> Evidence | None:
        """Decides nothing twice."""
        return None

    def _wishes(
        self, key: str, tick: int, tables: RuleTables, here: NDArray[np.float64], whom: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        kept = self._styles.get(key)
        if kept is None or tick - kept[0] >= _WHIM_TICKS or len(kept[1]) != len(here):
            kept = self._styles[key] = (tick, zoo.styles(self._rng, self._slow))
        return zoo.wishes(self._rng, self._slow, tables.edges[:, :2], here, whom, kept[1])

    def _hands(self, here: NDArray[np.float64], whom: NDArray[np.float64]) -> NDArray[np.float32]:
        """Aim (at somebody, or anywhere), fire, throw and reach: n 4."""
        rng, n = self._rng, len(here)
        targets = np.concatenate([here, whom])
        gap = targets[rng.integers(len(targets), size=n)] - here
        at_somebody = rng.random(n) < 0.5
        aim = np.where(at_somebody, np.arctan2(gap[:, 1], gap[:, 0]), rng.uniform(-np.pi, np.pi, n))
        reach = np.where(at_somebody, np.hypot(*gap.T), rng.uniform(-1.0, 30.0, n))
        odd = rng.random(n)
        aim = np.where(odd < _MISAIMED, np.nan, np.where(odd < 2 * _MISAIMED, 1e3 * aim, aim))
        reach = np.where(rng.random(n) < _MISAIMED, np.inf, reach)
        shoots = rng.random((n, 2)) < 0.6
        return np.stack([aim, shoots[:, 0], shoots[:, 1], reach], 1).astype(np.float32)


def _others(pose: NDArray[np.float32], kind: NDArray[np.int8]) -> NDArray[np.float64]:
    """Places of everybody that is no NPC."""
    return pose[(kind != NPC) & (kind > 0), :2].astype(np.float64)


def bare(action: Action, report: Report, wanted: NDArray[np.floating]) -> Action:
    """Returns the plans as they are, short of what is no number, and everybody shooting: for the control."""
    game, steps = report.game, action.steps.copy()
    body = game.schema.kinematics.max_speed
    for axis, name in enumerate(("move_x", "move_y")):
        column = np.nan_to_num(wanted[:, :, axis], nan=0.0, posinf=body, neginf=-body)
        steps[:, :, game.schema.channel(name)] = column
    for name in ("fire", "throw"):
        steps[:, :, game.schema.channel(name)] = 1.0
    return replace(action, steps=steps)
