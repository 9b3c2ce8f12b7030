"""Rules of class H in a decision: what share limits cost now, how wide forecasts of the player are, what came of them.

Per game and NPC it keeps the prices of `share_limit` and the miss rates of `stay_clear`, and forgets them with the
game, the NPC or the rule. Without such rules it does nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.constraints import Clear, ClearStanding, Share, Standing
from npc_sdk.objectives.features import evaluate
from npc_sdk.objectives.quantities import Quantities
from npc_sdk.objectives.terms import TermSet, priced_term
from npc_sdk.planner.plan import Plan
from npc_sdk.planner.prices import Prices
from npc_sdk.planner.problem import Clearance, PlannerConfig, Problem
from npc_sdk.planner.score import present
from npc_sdk.runtime.view import View
from npc_sdk.tensors import Scene
from npc_sdk.world.conformal import Adaptive, Calibration
from npc_sdk.world.forecast import DT, PLAYER_SLOT, Memory


@dataclass(slots=True)
class _Kept:
    """What is remembered about one game."""

    prices: Prices = field(default_factory=Prices)
    rates: dict[tuple[str, float, float], dict[int, Adaptive]] = field(default_factory=dict)  # by rule, then NPC


@dataclass(frozen=True, slots=True)
class _Row:
    """One deciding NPC: its place in the view, in its game's tables and among those that decide."""

    due: int
    game: int
    local: int
    npc: int
    scene: int


class ForecastRules:
    """Applies the rules of class H to decisions. One thread at a time.

    Args:
        calibration: of the forecast in use; None leaves only what the player can reach.
    """

    def __init__(self, calibration: Calibration | None = None) -> None:
        self._calibration = calibration
        self._games: dict[str, _Kept] = {}

    def forget(self, key: str) -> None:
        """Drops what it remembers about a game."""
        self._games.pop(key, None)

    def use(self, calibration: Calibration | None) -> None:
        """Draws by another calibration from now on; what became of another model's forecasts says nothing about it."""
        self._calibration = calibration
        for kept in self._games.values():
            kept.rates.clear()

    def apply(
        self, view: View, rows: NDArray[np.intp], scene: Scene, memory: Memory, problem: Problem, config: PlannerConfig
    ) -> Problem:
        """Returns the problem with the prices of now among its terms, and with what it must keep clear of."""
        shares = {s.name: s for tables in view.rules for s in tables.shares}
        if not shares and not any(tables.clear for tables in view.rules):
            for game in view.games:
                self.forget(game.key)
            return problem
        self._prune(view)
        deciding = list(_deciding(view, rows))
        if shares:
            problem = self._priced(view, deciding, tuple(shares.values()), scene, memory, problem, config)
        if any(tables.clear for tables in view.rules):
            problem = replace(problem, clear=self._clearance(view, deciding, problem))
        return problem

    def standings(
        self, view: View, rows: NDArray[np.intp], problem: Problem, result: Plan
    ) -> tuple[tuple[Standing, ...], ...]:
        """Returns where every deciding NPC stands now, and takes down what it was told about the player."""
        if not any(tables.shares or tables.clear for tables in view.rules):
            return ()
        out: list[tuple[Standing, ...]] = []
        centres = _of_chosen(result, result.verified.player[..., :2])
        spreads = _of_chosen(result, result.verified.spread)
        short = _of_chosen(result, result.verified.short)
        for row in _deciding(view, rows):
            tables, kept = view.rules[row.game], self._games[view.games[row.game].key]
            told: list[Standing] = [kept.prices.of(s, row.npc).standing(s) for s in tables.shares if s.binds[row.local]]
            for column, rule in enumerate(tables.clear):
                if rule.binds[row.local] and problem.clear is not None:
                    rate = self._rate(kept, rule, row.npc)
                    factor = float(problem.clear.factor[row.due, column])
                    steps = _steps(rule, centres.shape[1])
                    radius = factor * np.maximum(spreads[row.due, :steps], 1e-3)
                    rate.issue(int(view.apply_tick[row.game]), centres[row.due, :steps], radius)
                    told.append(_clear_standing(rule, rate, float(radius[-1]), bool(short[row.due] == 0.0)))
            out.append(tuple(told))
        return tuple(out)

    def _prune(self, view: View) -> None:
        """Forgets rules and NPCs that are gone."""
        for index, (game, tables) in enumerate(zip(view.games, view.rules, strict=True)):
            kept = self._games.setdefault(game.key, _Kept())
            npcs = set(view.ids[view.game == index].tolist())
            kept.prices.keep(tables.shares, npcs)
            wanted = {_key(rule) for rule in tables.clear}
            kept.rates = {
                rule: {npc: rate for npc, rate in rates.items() if npc in npcs}
                for rule, rates in kept.rates.items()
                if rule in wanted
            }

    def _priced(
        self,
        view: View,
        deciding: list[_Row],
        shares: tuple[Share, ...],
        scene: Scene,
        memory: Memory,
        problem: Problem,
        config: PlannerConfig,
    ) -> Problem:
        """Measures every limited expression in the present, lets prices follow, and puts them beside the weights."""
        terms = tuple(priced_term(s.name, s.of) for s in shares)
        now = present(problem, scene, memory, config)
        quantities, n = Quantities(now), len(deciding)
        held = [evaluate(t.expression, quantities, now.own).expand(n, 1, 1)[:, 0, 0].cpu().numpy() for t in terms]
        prices = np.zeros((n, len(shares)), np.float32)
        for row in deciding:
            kept, game = self._games[view.games[row.game].key], view.games[row.game]
            for s in view.rules[row.game].shares:
                if s.binds[row.local]:
                    column = next(c for c, other in enumerate(shares) if other.name == s.name)
                    price = kept.prices.of(s, row.npc)
                    extent = float(np.nan_to_num(held[column][row.due], nan=1.0))
                    price.look(s, int(view.apply_tick[row.game]), extent, game.dt, DT)
                    prices[row.due, column] = price.value
        paid = torch.from_numpy(prices).to(problem.weights)
        return replace(
            problem, terms=TermSet((*problem.terms.terms, *terms)), weights=torch.cat([problem.weights, paid], 1)
        )

    def _clearance(self, view: View, deciding: list[_Row], problem: Problem) -> Clearance:
        """Looks what became of former forecasts, and says how wide the next ones are."""
        width = max(len(tables.clear) for tables in view.rules)
        h = problem.committed.shape[2]
        columns = {name: np.zeros((len(deciding), width)) for name in ("distance", "factor", "top_speed")}
        steps = np.ones((len(deciding), width), np.int64)
        place, since = np.zeros((len(deciding), 2)), np.zeros(len(deciding))
        table = view.table
        for row in deciding:
            at = table.pose[row.scene, PLAYER_SLOT, :2].astype(np.float64)
            seen = bool(table.seen[row.scene, PLAYER_SLOT])
            place[row.due], since[row.due] = at, float(table.age[row.scene, PLAYER_SLOT]) + view.lag[row.game]
            game, kept = view.games[row.game], self._games[view.games[row.game].key]
            for column, rule in enumerate(view.rules[row.game].clear):
                if not rule.binds[row.local]:
                    continue
                rate = self._rate(kept, rule, row.npc)
                rate.look(int(view.apply_tick[row.game]), at if seen else None, game.ticks_per_step)
                steps[row.due, column] = _steps(rule, h)
                columns["distance"][row.due, column] = rule.distance
                columns["top_speed"][row.due, column] = rule.top_speed
                columns["factor"][row.due, column] = self._factor(_steps(rule, h), seen, rate.alpha)
        like = problem.weights
        return Clearance(
            **{name: torch.from_numpy(column).to(like) for name, column in columns.items()},
            steps=torch.from_numpy(steps).to(like.device),
            place=torch.from_numpy(place).to(like),
            since=torch.from_numpy(since).to(like),
        )

    def _factor(self, steps: int, seen: bool, alpha: float) -> float:
        return math.inf if self._calibration is None else self._calibration.factor(steps, seen, alpha)

    @staticmethod
    def _rate(kept: _Kept, rule: Clear, npc: int) -> Adaptive:
        rates = kept.rates.setdefault(_key(rule), {})
        if npc not in rates:
            rates[npc] = Adaptive(rule.confidence)
        return rates[npc]


def _key(rule: Clear) -> tuple[str, float, float]:
    """What a miss rate belongs to: a rule that asks for something else begins anew."""
    return rule.name, rule.confidence, rule.seconds


def _steps(rule: Clear, horizon: int) -> int:
    return min(horizon, max(1, round(rule.seconds / DT)))


def _clear_standing(rule: Clear, rate: Adaptive, radius: float, kept: bool) -> ClearStanding:
    basis = "conformal" if math.isfinite(radius) else "reach"
    return ClearStanding(rule.name, rule.confidence, 1.0 - rate.alpha, basis, radius, kept, rate.settled, rate.coverage)


def _deciding(view: View, rows: NDArray[np.intp]) -> Iterator[_Row]:
    """Lists those that decide, game by game, which is the order of `rows`."""
    first = {index: int(np.flatnonzero(view.game == index)[0]) for index in set(view.game[rows].tolist())}
    for due, row in enumerate(rows.tolist()):
        game = int(view.game[row])
        yield _Row(due, game, row - first[game], int(view.ids[row]), int(view.scene[row]))


def _of_chosen(result: Plan, values: torch.Tensor) -> NDArray[np.float64]:
    """Takes what belongs to each NPC's chosen candidate."""
    index = torch.arange(len(result.chosen), device=values.device)
    out: NDArray[np.float64] = values[index, result.chosen].double().cpu().numpy()
    return out
