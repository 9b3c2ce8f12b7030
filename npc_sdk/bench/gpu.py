"""Encode, plan and score on the GPU beside the CPU: one table. Needs torch and NumPy only."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, make_map
from npc_sdk.envs.arena.players import STYLES, ScriptedPlayers
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Orders, Runtime, RuntimeConfig, View
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world.model import ModelConfig, WorldModel

WORLDS = (1, 8, 32)  # of 16 NPCs each
REPEATS = 20


class _Timed:
    """A decider that times another and remembers the last view."""

    def __init__(self, inner: PlannerDecider) -> None:
        self.inner = inner
        self.view: View | None = None

    def decide(self, view: View) -> Orders:
        self.view = view
        return self.inner.decide(view)

    def forget(self, key: str) -> None:
        self.inner.forget(key)


def measure(device: torch.device, worlds: int, repeats: int = REPEATS) -> dict[str, float | int | str]:
    """Times whole decisions (encode, imagine, score, choose) of `worlds` games with 16 NPCs, untrained weights."""
    config = ArenaConfig(npcs=16, mortal=False)
    arena = Arena([make_map("test", i) for i in range(worlds)], config, seed=1)
    torch.manual_seed(0)
    decider = _Timed(PlannerDecider(WorldModel(ModelConfig()).to(device).eval(), PlannerConfig(), device))
    board = Board()
    runtime = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    players = ScriptedPlayers([STYLES[i % len(STYLES)] for i in range(worlds)], seed=1)
    LockStep(arena, runtime, players).run(10)
    view = decider.view
    assert view is not None
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        decider.inner.decide(view)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(times[3:], [50, 95])
    return {"device": str(device), "npcs": worlds * 16, "p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def main(args: argparse.Namespace) -> int:
    """Prints the table; without a GPU says so and still succeeds."""
    devices = [torch.device("cpu")]
    if torch.cuda.is_available():
        devices.append(torch.device("cuda"))
        print(f"GPU: {torch.cuda.get_device_name(0)}, torch {torch.__version__}")
    else:
        print(f"no CUDA device here (torch {torch.__version__}): nothing to compare with")
        if args.json:
            print(json.dumps({"gpu": None, "rows": []}))
        return 0
    rows = [measure(device, worlds) for worlds in WORLDS for device in devices]
    print(f"{'device':>8} {'NPCs':>6} {'p50 ms':>9} {'p95 ms':>9}")
    for row in rows:
        print(f"{row['device']:>8} {row['npcs']:>6} {row['p50_ms']:>9} {row['p95_ms']:>9}")
    if args.json:
        print(json.dumps({"gpu": torch.cuda.get_device_name(0), "rows": rows}))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    raise SystemExit(main(parser.parse_args()))
