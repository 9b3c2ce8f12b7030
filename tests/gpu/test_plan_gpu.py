"""Encode, plan and score give the same answer on CUDA tensors as on the CPU, within float32's reach."""

from __future__ import annotations

import pytest
import torch

from npc_sdk.bench.gpu import measure
from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, make_map
from npc_sdk.envs.arena.players import ScriptedPlayers
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world.model import ModelConfig, WorldModel


class Notes:
    """Keeps J of every decision."""

    def __init__(self) -> None:
        self.objective: list[float] = []

    def answered(self, tick: int, answers: list[tuple[str, object, object]]) -> None:
        for _, _, report in answers:
            for evidence in report.evidence.values():  # type: ignore[attr-defined]  # the runtime's Report
                self.objective.append(float(evidence.choice.objective[evidence.choice.chosen]))


def first_decisions(device: torch.device) -> list[float]:
    torch.manual_seed(0)
    model = WorldModel(ModelConfig()).to(device).eval()
    board, notes = Board(), Notes()
    decider = PlannerDecider(model, PlannerConfig(), device, explain=True)
    runtime = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    arena = Arena([make_map("test", 0)], ArenaConfig(npcs=8), seed=1)
    LockStep(arena, runtime, ScriptedPlayers(["kiter"], seed=1), [notes]).run(1)
    return notes.objective


@pytest.mark.gpu
def test_the_same_decision_on_both_devices() -> None:
    cpu, gpu = first_decisions(torch.device("cpu")), first_decisions(torch.device("cuda"))
    assert len(cpu) == 8
    assert gpu == pytest.approx(cpu, rel=1e-2, abs=1e-2)


@pytest.mark.gpu
def test_decisions_are_timed_on_the_gpu() -> None:
    row = measure(torch.device("cuda"), 1, repeats=2)
    assert row["npcs"] == 16


def test_the_decision_repeats_on_the_cpu() -> None:
    assert first_decisions(torch.device("cpu")) == first_decisions(torch.device("cpu"))
