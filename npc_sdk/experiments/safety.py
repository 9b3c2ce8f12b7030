"""What each approach to rules gives and costs: the same planner, wishes and episodes, other ways of keeping rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from npc_bridge.messages import Action, Snapshot
from npc_sdk import audit
from npc_sdk.constraints import KINDS
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.envs.arena import DT, ticks_in
from npc_sdk.experiments import errands, filters
from npc_sdk.experiments.errands import ErrandsConfig
from npc_sdk.experiments.kept import Cache, code_in, fingerprint, in_turn
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Decider, Orders, Report, Runtime, RuntimeConfig, View
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world import Forecast

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One approach: how the planner minds the rules, and what stands between it and the game.

    `filter` is None where the shield does.
    """

    rules: str  # as `PlannerConfig.rules`
    price: float = 0.0
    filter: filters.Filter | None = None
    more: float = 1.0  # times as many candidates as the others: what bending them would have cost
    says: str = ""


OURS, FLOOR, CEILING = "ours", "random", "none"
ROWS: dict[str, Row] = {
    "none": Row("price", filter=filters.nothing, says="no rule known, nothing in between"),
    **{
        f"soft_{price}": Row("price", float(price), filters.nothing, says=f"a metre of breach costs {price} of J")
        for price in ("1", "10", "100", "1e3", "1e4")
    },
    "next_state": Row("price", filter=filters.next_state, says="the nearest command after which rules hold"),
    "cbf_qp_relaxed": Row("price", filter=filters.relaxed_barrier, says="barriers with slack, as they usually come"),
    "cbf_qp": Row("price", filter=filters.barrier, says="barriers without slack, brake where unsolvable"),
    "ranking_only": Row("rank", filter=filters.nothing, says="feasible plans first, nothing in between"),
    "shield_only": Row("price", says="no rule known, then the shield"),
    "generate_and_filter": Row("rank", more=1.25, says="feasible plans first, more of them, then the shield"),
    OURS: Row("project", says="plans bent to the rules, feasible first, then the shield"),
    FLOOR: Row("", says="a random walk, then the shield"),
}
_CODE = (
    *("planner", "shield", "constraints", "geometry", "kernels", "runtime/decide.py"),
    *(f"experiments/{name}.py" for name in ("errands", "filters", "safety", "lockstep")),
)  # that an episode depends on most
COLUMNS = ("steps", "violations", "errands", "given", "kept", "stuck", "intervened", "certified", "wasted", "decisions")
TIMES = ("decide_s", "filter_s")


class Timed:
    """A decider that says what it cost, and how many candidates it wasted."""

    def __init__(self, inner: Decider) -> None:
        self._inner = inner
        self.cpu_s = self.wasted = 0.0
        self.decisions = 0

    def decide(self, view: View) -> Orders:
        """Answers as the one inside."""
        begun = time.process_time()
        orders = self._inner.decide(view)
        self.cpu_s += time.process_time() - begun
        self.decisions += int(view.due.sum())
        self.wasted += float(orders.wasted.sum())
        return orders

    def forget(self, key: str) -> None:
        """Passes it on."""
        self._inner.forget(key)


class Guarded(Runtime):
    """The runtime as it is, counting what the shield changes of what runs next and what that takes."""

    filter_s = 0.0
    changed = certified = 0

    def _certify(
        self, view: View, orders: Orders, index: int, rows: slice, snapshot: Snapshot, board: BoardSnapshot
    ) -> tuple[Action, Report]:
        begun = time.process_time()
        action, report = super()._certify(view, orders, index, rows, snapshot, board)
        self.filter_s += time.process_time() - begun
        self.changed += int((report.certified.rank[:, 0] > 0).sum())
        self.certified += len(report.ids)
        return action, report


class Filtered(Runtime):
    """The runtime with another filter in the place of the shield; one tick at a time."""

    filter_s = 0.0
    changed = certified = 0

    def __init__(
        self, inner: filters.Filter, decider: Decider, board: Callable[[], BoardSnapshot], config: RuntimeConfig
    ) -> None:
        super().__init__(decider, board, config)
        self._filter = inner

    def _certify(
        self, view: View, orders: Orders, index: int, rows: slice, snapshot: Snapshot, board: BoardSnapshot
    ) -> tuple[Action, Report]:
        action, report = super()._certify(view, orders, index, rows, snapshot, board)
        frame, tables = report.game.frame, view.rules[index]
        assert frame is not None
        begun = time.process_time()
        moment = filters.Moment(
            position=view.position[rows].astype(np.float64),
            velocity=view.velocity[rows].astype(np.float64),
            wished=report.proposals[:, 0],
            players=frame.pose[0, :1].astype(np.float64),
            tables=tables,
            rows=tables.rows(report.ids),
            config=self.config.shield,
        )
        command = self._filter(moment)
        self.filter_s += time.process_time() - begun
        off = np.hypot(*(command - moment.wished).T) > 1e-4
        self.changed += int(off.sum())
        self.certified += len(off)
        return _with(action, report, command, moment), report


def _with(action: Action, report: Report, command: Floats, moment: filters.Moment) -> Action:
    """The same action with another command in its first step, the only one that is run."""
    steps, expected = action.steps.copy(), action.expected.copy()
    for axis, name in enumerate(("move_x", "move_y")):
        column = [c.name for c in report.game.schema.channels].index(name)
        steps[:, :, column] = command[:, None, axis]
    expected[:, 0] = np.concatenate([moment.position, moment.velocity], 1)
    return replace(action, steps=steps, expected=expected)


def episode(config: ErrandsConfig, how: PlannerConfig, forecast: Forecast, row: str, seed: int) -> dict[str, Floats]:
    """Plays one episode of one row; returns COLUMNS, TIMES and violations by kind of rule."""
    torch.set_num_threads(1)
    arena, game, board = errands.stage(config, seed)
    kind = ROWS[row]
    if row == FLOOR:
        inner: Decider = ScriptedDecider("random", config.npcs, (seed,))
    else:
        planned = replace(how, rules=kind.rules, price=kind.price, candidates=round(how.candidates * kind.more))  # type: ignore[arg-type]  # rows name the planner's own ways
        inner = PlannerDecider(forecast, planned, torch.device("cpu"))
    decider, settings = Timed(inner), RuntimeConfig(lead_ticks=0, stagger=False)
    brain: Guarded | Filtered = (
        Guarded(decider, lambda: board.snapshot, settings)
        if kind.filter is None
        else Filtered(kind.filter, decider, lambda: board.snapshot, settings)
    )
    limits = errands.limits(arena, game.world, config.without)
    trace = LockStep(arena, brain, game, every=1).run(ticks_in(config.seconds))
    game.close(arena)
    report = audit.audit(errands.audit_trace(trace, arena), limits)
    taken, since = np.array(game.log.taken), np.array(game.log.given) * DT
    early = (since <= config.seconds - errands.LIMIT_S) | (taken <= errands.LIMIT_S)
    figures = {
        "steps": report.steps,
        "violations": report.total("npc"),
        "errands": int(np.isfinite(taken).sum()),
        "given": int(early.sum()),
        "kept": int((taken[early] <= errands.LIMIT_S).sum()),
        "stuck": errands.stuck(trace, arena.config.players),
        "intervened": brain.changed,
        "certified": brain.certified,
        "wasted": decider.wasted,
        "decisions": decider.decisions,
        "decide_s": decider.cpu_s,
        "filter_s": brain.filter_s,
    }
    rules = [float(report.rules[k].violations["npc"]) if k in report.rules else 0.0 for k in KINDS]
    return {name: np.array(float(value)) for name, value in figures.items()} | {"rules": np.array(rules)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one row did, one entry per episode."""

    row: str
    columns: Mapping[str, Floats]
    rules: Floats  # per kind of rule, over all episodes
    seconds: float  # of one episode
    npcs: int

    @property
    def score(self) -> Floats:
        """Errands done per NPC and minute, per episode."""
        return self.columns["errands"] / (self.npcs * self.seconds / 60.0)

    @property
    def violations(self) -> float:
        """Caused by NPCs, per 100,000 NPC-steps."""
        return 1e5 * self._sum("violations") / max(1.0, self._sum("steps"))

    @property
    def worst_rules(self) -> dict[str, int]:
        """NPC-ticks in which NPCs broke a kind of rule, where there are any."""
        return {kind: int(count) for kind, count in zip(KINDS, self.rules, strict=True) if count}

    @property
    def intervened(self) -> float:
        """Share of NPC-ticks in which what was planned was changed."""
        return self._sum("intervened") / max(1.0, self._sum("certified"))

    @property
    def reached(self) -> float:
        """Share of errands done in time, of those given early enough."""
        return self._sum("kept") / max(1.0, self._sum("given"))

    @property
    def stuck(self) -> float:
        """Share of NPC-ticks in a standstill of five seconds or more."""
        return float(self.columns["stuck"].mean())

    @property
    def wasted(self) -> float:
        """Share of candidates that break a rule."""
        return self._sum("wasted") / max(1.0, self._sum("decisions"))

    @property
    def plan_ms(self) -> float:
        """Processor time of a decision, ms per NPC."""
        return 1e3 * self._sum("decide_s") / max(1.0, self._sum("decisions"))

    @property
    def filter_us(self) -> float:
        """Processor time of what stands behind the planner, us per NPC and tick."""
        return 1e6 * self._sum("filter_s") / max(1.0, self._sum("certified"))

    def _sum(self, name: str) -> float:
        return float(self.columns[name].sum())


@dataclass(frozen=True, slots=True)
class Price:
    """(row - random) / (unshielded - random) of the scores: over all episodes, and over those kept."""

    all: float
    kept: float  # NaN where none is
    share_kept: float  # episodes in which the unshielded NPCs broke nothing
    low: float  # 95 % bounds of `all`, over resampled episodes
    high: float


def price(results: Mapping[str, Outcome], row: str, seed: int = 0) -> Price:
    """Says what share of the unshielded score a row reaches."""
    mine, floor, ceiling = (results[name].score for name in (row, FLOOR, CEILING))
    clean = results[CEILING].columns["violations"] == 0
    picks = np.random.default_rng(seed).integers(0, len(mine), (4000, len(mine)))
    drawn = (mine - floor)[picks].mean(1) / np.maximum((ceiling - floor)[picks].mean(1), 1e-9)
    low, high = np.quantile(drawn, (0.025, 0.975))
    kept = _share(mine[clean], floor[clean], ceiling[clean]) if clean.any() else float("nan")
    return Price(_share(mine, floor, ceiling), kept, float(clean.mean()), float(low), float(high))


def _share(mine: Floats, floor: Floats, ceiling: Floats) -> float:
    way = float((ceiling - floor).mean())
    return float((mine - floor).mean()) / way if way > 0 else float("nan")


def measure(
    config: ErrandsConfig,
    how: PlannerConfig,
    forecast: Forecast,
    model: str,
    rows: Sequence[str],
    folder: Path,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> dict[str, Outcome]:
    """Plays what `folder` does not have yet, seed by seed through all rows, so that a part is a fair comparison."""
    pieces = [(row, seed) for seed in range(config.first_seed, config.first_seed + config.seeds) for row in rows]
    parts: dict[str, list[dict[str, Floats]]] = {row: [] for row in rows}
    work = partial(_kept, config, how, forecast, model, folder, code_in(*_CODE))
    for (row, _), found in zip(pieces, in_turn(work, pieces, jobs), strict=True):
        parts[row].append(found)
        done()
    return {
        row: Outcome(
            row,
            {name: np.array([float(part[name]) for part in found]) for name in (*COLUMNS, *TIMES)},
            np.sum([part["rules"] for part in found], 0),
            config.seconds,
            config.npcs,
        )
        for row, found in parts.items()
    }


def _kept(
    config: ErrandsConfig,
    how: PlannerConfig,
    forecast: Forecast,
    model: str,
    folder: Path,
    shipped: str,
    piece: tuple[str, int],
) -> dict[str, Floats]:
    """Reads what one row did in an episode, or plays and keeps it."""
    row, seed = piece
    kind = ROWS[row]
    made_of = (asdict(config) | {"seeds": None, "first_seed": None}, asdict(how), model, shipped)
    named = fingerprint(*made_of, [kind.rules, kind.price, kind.more, row])
    return Cache(folder, named).table(f"{row}_{seed}", lambda: episode(config, how, forecast, row, seed))
