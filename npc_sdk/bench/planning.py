"""A real planner that works half of the time, beside whatever else its process does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import torch

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, make_map
from npc_sdk.envs.arena.players import ScriptedPlayers
from npc_sdk.errors import InputError
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.kernels.warm import warm_up
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.serve.models import load

NPCS = 16
WARM_TICKS = 30
AWAKE_S = 0.1  # since the last request: a brain that is not asked plans nothing
NAP_S = 0.02


class HalfTime:
    """Plans a fight of NPCS under the shipped model on a thread of its own, and rests as long as each tick took.

    Args:
        name: of that thread, as the system shows it.
    """

    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        warm_up()
        cpu, board = torch.device("cpu"), Board()
        loaded = load("arena", cpu, 0)
        decider = PlannerDecider(loaded.forecast, PlannerConfig(), cpu, calibration=loaded.calibration)
        runtime = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0))
        arena = Arena([make_map("test", 0)], ArenaConfig(npcs=NPCS, mortal=False, max_ticks=10**9), [0])
        self._fight = LockStep(arena, runtime, ScriptedPlayers(["circler"], [0]))
        for _ in range(WARM_TICKS):
            self._fight.step()
        self._name = name
        self._asked = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Keeps it at work for AWAKE_S more.

        Raises:
            InputError: it has died.
        """
        if not self._thread.is_alive():
            raise InputError("bench: the planner has ended; what it said is above")
        self._asked = time.perf_counter()

    def _run(self) -> None:
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(self._name)
        while True:
            begun = time.perf_counter()
            if begun - self._asked > AWAKE_S:
                time.sleep(NAP_S)
                continue
            self._fight.step()
            time.sleep(time.perf_counter() - begun)
