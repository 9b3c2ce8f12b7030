"""The brain process of the hunt: loads everything once, then forks a serving process for every line on its input.

So a brain that was killed is replaced in a moment, with a memory as empty as that of one started anew. Not a command
of the public CLI: a brain that wants to break rules, or has no shield, is of use to nobody else.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
from functools import partial

import numpy as np
import torch

from npc_sdk.experiments.stage import Unshielded, new_board
from npc_sdk.experiments.wire import game
from npc_sdk.experiments.wire.hostile import Hostile, bare
from npc_sdk.kernels.warm import warm_up
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.serve.brain import Planner
from npc_sdk.serve.models import load
from npc_sdk.serve.start import Parts, run

KINDS = ("hostile", "control", "arena", "untrained")
DECADES = 2.0  # weights are 10 ** uniform(-2, 2)
_CANDIDATES = 8  # plans tried per NPC: enough to be the planner, few enough for dozens of NPCs on a shared core


def main(words: list[str]) -> None:
    """Forks a brain for every line on stdin, and ends it with the input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--crowd", type=int, required=True)
    parser.add_argument("--data", required=True)
    args = parser.parse_args(words)
    torch.set_num_threads(1)
    warm_up()
    parts = make(args.kind, args.seed, args.crowd, 0)
    gc.collect()
    gc.freeze()
    parent, child = os.getpid(), 0
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who was killed is gone at once
    print("loaded", flush=True)
    for generation, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            parts = make(args.kind, args.seed, args.crowd, generation)
            run(parts, (args.data, "tcp://127.0.0.1:0", "tcp://127.0.0.1:0"), lambda: os.getppid() != parent)
            os._exit(0)
    if child:
        with contextlib.suppress(ProcessLookupError):  # killed already
            os.kill(child, signal.SIGKILL)


def make(kind: str, seed: int, crowd: int, generation: int) -> Parts:
    """Puts a brain together that keeps the rules of a game; it wants something else in every generation."""
    device, planned = torch.device("cpu"), kind in ("arena", "untrained")
    setting = game.draw(seed, wards=not planned, crowd=crowd)
    loaded = load(kind if planned else "frozen", device, seed)
    board = new_board(game.tables(setting.rules), forecasts=(loaded.name,))
    rng = np.random.default_rng([seed, generation, 8])
    for name in DEFAULT_TERMS.names:
        weight = float(10.0 ** rng.uniform(-DECADES, DECADES))
        board.apply({"op": "set_weight", "scope": "global", "term": name, "value": weight})
    config = RuntimeConfig()
    planner: Planner
    if planned:
        planner = PlannerDecider(loaded.forecast, PlannerConfig(candidates=_CANDIDATES, seed=seed), device)
    else:
        planner = Hostile(setting, int(rng.integers(1 << 31)), config.horizon)
    runtime = (partial(Unshielded, bare) if kind == "control" else Runtime)(planner, lambda: board.snapshot, config)
    return Parts(runtime, planner, board, {loaded.name: loaded}, loaded)


if __name__ == "__main__":
    main(sys.argv[1:])
