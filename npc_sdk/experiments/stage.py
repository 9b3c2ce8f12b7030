"""What all experiments in virtual time share: fights by seed, a brain in lock-step, and the play as measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from npc_bridge.messages import Action, Snapshot
from npc_sdk.designer.barks import BARK_KEYS
from npc_sdk.designer.board import Board
from npc_sdk.designer.persona import SHIPPED, PersonaLibrary
from npc_sdk.designer.request import Table
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.envs.arena import DT, Arena, ArenaConfig, ArenaMap, make_map, ticks_in
from npc_sdk.envs.arena.players import ALL_STYLES, ScriptedPlayers
from npc_sdk.experiments.lockstep import LockStep, Observer, Players, Trace
from npc_sdk.experiments.metrics import Play
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Decider, Report, Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world import Forecast
from npc_sdk.world.conformal import Calibration

Bare: TypeAlias = Callable[[Action, Report, NDArray[np.floating]], Action]
SAMPLE_TICKS = 3  # between moments that are measured


@runtime_checkable
class Witness(Protocol):
    """A decider that looks behind the scenes: for ceilings only."""

    def watch(self, arena: Arena, players: ScriptedPlayers) -> None:
        """Called with the fights before they begin."""


class Unshielded(Runtime):
    """A control: the same brain, whose plans go out in place of the certified steps.

    Args:
        bare: makes an action of what was certified, its report, and the plans (n m 2, m/s).
    """

    def __init__(
        self, bare: Bare, decider: Decider, board: Callable[[], BoardSnapshot], config: RuntimeConfig | None = None
    ) -> None:
        super().__init__(decider, board, config)
        self._bare = bare

    def tick(
        self,
        due: Sequence[tuple[str, Snapshot]],
        late: Callable[[], bool] = lambda: False,
        lead_ticks: int | None = None,
    ) -> list[tuple[str, Action, Report]]:
        """Answers with the plans instead of the certified steps."""
        return [
            (key, self._bare(a, report, _plans(a, report)), report)
            for key, a, report in super().tick(due, late, lead_ticks)
        ]


def _plans(action: Action, report: Report) -> NDArray[np.floating]:
    game, ticks = report.game, range(action.apply_tick, action.apply_tick + action.steps.shape[1])
    return np.stack([game.plans.at(tick, game.ticks_per_step)[report.slots] for tick in ticks], 1)


@dataclass(frozen=True, slots=True)
class Cast:
    """Which fights: one world per entry; everything random follows from the seed."""

    maps: tuple[ArenaMap, ...]
    seeds: tuple[int, ...]
    styles: tuple[str, ...]

    def repeat(self, times: int) -> Cast:
        """The same fights several times over, block after block: common random numbers for several settings."""
        return Cast(self.maps * times, self.seeds * times, self.styles * times)


def cast(split: str, seeds: Sequence[int], styles: Sequence[str] = ALL_STYLES) -> Cast:
    """Returns one fight per seed: map, start and player style all follow from it."""
    return Cast(
        tuple(make_map(split, seed) for seed in seeds),
        tuple(seeds),
        tuple(styles[seed % len(styles)] for seed in seeds),
    )


def batches(first: int, count: int, size: int) -> list[tuple[int, ...]]:
    """Returns `count` seeds from `first` on, as many together as are played together."""
    seeds = range(first, first + count)
    return [tuple(seeds[i : i + size]) for i in range(0, count, size)]


def persona_names() -> tuple[str, ...]:
    """Returns the names of the shipped personas."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def new_board(rules: Sequence[Table] = (), persona: str = "", forecasts: Sequence[str] = ()) -> Board:
    """Returns a board with the shipped personas and no scope set, or everybody wearing one; forecasts by name."""
    library = PersonaLibrary(SHIPPED, DEFAULT_TERMS.names, BARK_KEYS)
    board = Board(library, forecasts=forecasts)
    for rule in rules:
        board.apply({"op": "add_rule", "rule": rule})
    if persona:
        board.apply({"op": "assign_persona", "target": "global", "persona": persona})
    return board


def planner(
    forecast: Forecast,
    device: torch.device,
    config: PlannerConfig | None = None,
    calibration: Calibration | None = None,
) -> PlannerDecider:
    """Returns the planner on a forecast."""
    return PlannerDecider(forecast, config or PlannerConfig(), device, calibration=calibration)


class PlanChanges:
    """Observes how far each new plan leads from the one before, in metres, mean over the horizon."""

    def __init__(self, worlds: int, npcs: int) -> None:
        self._sum = np.zeros((worlds, npcs))
        self._count = np.zeros((worlds, npcs))
        self._before: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        """Compares plans after a brain tick with those before it."""
        for key, action, report in answers:
            plans, ticks = report.game.plans, report.game.ticks_per_step
            before = self._before.get(key)
            if before is not None:
                now = plans.ahead(action.apply_tick, ticks)[report.slots]
                kept = type(plans)(*before)
                old = kept.ahead(action.apply_tick, ticks)[report.slots]
                gap = np.cumsum(now - old, axis=1) * (ticks / report.game.schema.tick_hz)
                change = np.linalg.norm(gap, axis=-1).mean(1)
                compared = (kept.start[report.slots] >= 0) & (plans.start[report.slots] == action.apply_tick)
                rows = report.slots - 1  # one player in slot 0
                self._sum[int(key), rows[compared]] += change[compared]
                self._count[int(key), rows[compared]] += 1
            self._before[key] = (plans.moves.copy(), plans.start.copy())

    def mean(self) -> NDArray[np.float64]:
        """The mean change per world and NPC; NaN without two plans."""
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), np.nan)


def play_of(trace: Trace, arena: Arena, plan_change: NDArray[np.float64]) -> Play:
    """Samples a trace of one player and its NPCs for the metrics."""
    p = arena.config.players
    step = slice(None, None, SAMPLE_TICKS)
    change = np.diff(trace.vel[:, :, p:], axis=0)
    moving = trace.alive[:-1, :, p:]
    acceleration = (np.linalg.norm(change, axis=-1) / DT * moving).sum(0) / np.maximum(moving.sum(0), 1)
    return Play(
        dt=SAMPLE_TICKS * DT,
        player=trace.pos[step, :, 0],
        facing=trace.heading[step, :, 0],
        player_alive=trace.alive[step, :, 0],
        pos=trace.pos[step, :, p:],
        vel=trace.vel[step, :, p:],
        heading=trace.heading[step, :, p:],
        alive=trace.alive[step, :, p:],
        squad=arena.squad[:, p:],
        leader=arena.leader[:, p:],
        home=arena.home[:, p:],
        grenades=trace.grenade_pos[step],
        armed=trace.grenade_active[step],
        dealt=trace.damage_dealt[:, :, p:].sum(0),
        taken=trace.damage_taken[:, :, p:].sum(0),
        acceleration=acceleration,
        plan_change=plan_change,
    )


def lock_step(
    fights: Cast,
    config: ArenaConfig,
    decider: Decider,
    board: Board,
    observers: Sequence[Observer] = (),
    players: Players | None = None,
) -> LockStep:
    """Sets up the fights with one brain; weights of world w are set in the scope `faction:w`."""
    arena = Arena(fights.maps, config, fights.seeds)
    players = players or ScriptedPlayers(fights.styles, fights.seeds)
    if isinstance(decider, Witness) and isinstance(players, ScriptedPlayers):
        decider.watch(arena, players)
    runtime = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    return LockStep(arena, runtime, players, observers)


def play(
    fights: Cast,
    config: ArenaConfig,
    decider: Decider,
    board: Board,
    seconds: float,
    observers: Sequence[Observer] = (),
) -> tuple[Trace, Play]:
    """Plays the fights and returns what happened, whole and sampled."""
    changes = PlanChanges(len(fights.maps), config.npcs)
    stage = lock_step(fights, config, decider, board, (changes, *observers))
    trace = stage.run(ticks_in(seconds))
    return trace, play_of(trace, stage.arena, changes.mean())
