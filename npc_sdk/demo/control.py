"""Plays a control match in lock-step: what the twin's process does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.audit.measure import zone_margin
from npc_sdk.demo.settings import Request
from npc_sdk.demo.soft import soft_zone
from npc_sdk.demo.twin import DECIDE_TICKS, Start, TwinView
from npc_sdk.envs.arena import STYLES, Arena, ArenaConfig, ScriptedPlayers, arena_schema, make_map
from npc_sdk.experiments.lockstep import LockStep, Trace
from npc_sdk.experiments.stage import new_board, planner
from npc_sdk.kernels.warm import warm_up
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.serve.models import ARENA, Loaded, choices, load


def warm() -> None:
    """Do once, ahead of time, what the first decision would have to wait for."""
    torch.set_num_threads(1)
    warm_up()
    arena = Arena([make_map("train", 0)], ArenaConfig(npcs=4))
    control = Control(Start(arena, ScriptedPlayers([STYLES[0]]), (), (), ARENA, 0))
    for _ in range(DECIDE_TICKS):
        control.go(None)


class _Repeater:
    """A player that does what the human did."""

    def __init__(self) -> None:
        self.actions: list[NDArray[np.floating]] = []

    def act(self, arena: Arena) -> NDArray[np.floating]:
        return np.asarray(self.actions.pop(0))[None]


class Control:
    """One match without the rule. The settings are the real ones; zones are terms of weight 1."""

    def __init__(self, start: Start) -> None:
        device = torch.device("cpu")
        self._schema = arena_schema(start.arena.maps[0], start.arena.config)
        self._zones = start.zones
        self._forecasts = choices(load(start.model, device, start.seed), device, start.seed)
        self._board = new_board(forecasts=tuple(self._forecasts))
        named = self._named()
        how = PlannerConfig(seed=start.seed)
        self._decider = planner(named.forecast, device, how, calibration=named.calibration)
        softened = [soft_zone(zone, self._schema.kinematics.radius, i) for i, zone in enumerate(start.zones)]
        self.turn((*start.settings, *softened))
        runtime = Runtime(self._decider, lambda: self._board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
        self._human = _Repeater()
        self._play = LockStep(start.arena, runtime, start.player or self._human, every=DECIDE_TICKS)
        self._may = 0  # ticks
        npcs, players = start.arena.config.npcs, start.arena.config.players
        self._first = players
        self._been_out = np.zeros(npcs, np.bool_)  # who was painted over is not to blame
        self._broken = 0

    def turn(self, requests: Sequence[Request]) -> None:
        """Carry out what a designer turned."""
        for request in requests:
            self._board.apply(request)
        self._decider.use(self._named().forecast, self._named().calibration)

    def _named(self) -> Loaded:
        return self._forecasts[self._board.snapshot.forecast]

    def go(self, action: NDArray[np.floating] | None) -> list[TwinView]:
        """Play on as soon as a whole decision's ticks may be played."""
        self._may += 1
        if action is not None:
            self._human.actions.append(action)
        if self._may < DECIDE_TICKS:
            return []
        self._may -= DECIDE_TICKS
        trace = self._play.run(DECIDE_TICKS)
        return [self._look(trace, tick) for tick in range(DECIDE_TICKS)]

    def _look(self, trace: Trace, tick: int) -> TwinView:
        """Measure one tick as the audit of the real match does."""
        inside = self._inside(trace, tick)
        self._broken += int((inside & self._been_out).sum())
        self._been_out |= ~inside
        return TwinView(trace.pos[tick + 1, 0].astype(np.float32), trace.alive[tick + 1, 0], self._broken)

    def _inside(self, trace: Trace, tick: int) -> NDArray[np.bool_]:
        """Say which living NPCs' bodies overlapped a zone during a tick, by the audit's own measure."""
        before, after = trace.pos[tick, 0, self._first :], trace.pos[tick + 1, 0, self._first :]
        radius = np.full(len(before), self._schema.kinematics.radius)
        inside = np.zeros(len(before), np.bool_)
        for zone in self._zones:
            inside |= zone_margin(before, after, np.array(zone, np.float64), radius, keep_in=False) < 0.0
        return inside & trace.alive[tick, 0, self._first :]
