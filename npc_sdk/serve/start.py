"""Puts a brain together and runs it until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

import npc_sdk
from npc_bridge.errors import ErrorCode, Refused
from npc_bridge.keys import ServerKeys
from npc_bridge.limits import Limits
from npc_bridge.schema import Schema
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import Offer
from npc_sdk.designer.barks import BARK_TEXTS
from npc_sdk.designer.board import Board
from npc_sdk.designer.persona import SHIPPED, PersonaLibrary
from npc_sdk.errors import ConstraintError, InputError
from npc_sdk.kernels.warm import warm_up
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.runtime.game import check_game
from npc_sdk.runtime.tick import at_once
from npc_sdk.serve.brain import Brain, Planner
from npc_sdk.serve.logs import set_up
from npc_sdk.serve.models import Loaded, choices, device_of, load
from npc_sdk.serve.pace import Pace
from npc_sdk.shield import Ledger, ShieldConfig

log = logging.getLogger(__name__)

CONTROLS_PER_S = 90  # per designer: a slider dragged at 60 frames a second, and room to ask and look meanwhile


def serve(args: argparse.Namespace) -> int:
    """Serves until interrupted; prints one JSON line once it listens."""
    set_up(args.log_format, args.verbose)
    torch.set_num_threads(args.threads)
    _give_way()
    warm_up()
    recipe = Recipe(args.model, device_of(args.device), args.seed, args.candidates, args.personas, args.pose_tolerance)
    parts = assemble(recipe, args.log, partial(_later, ThreadPoolExecutor(1, "remarks")))
    parts = replace(parts, deadline_ms=args.deadline_ms, lead_ticks=args.lead_ticks, metrics=args.metrics)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    if args.attached:
        threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    gc.collect()
    gc.freeze()  # what is loaded now stays: no collection during a fight walks through it
    with parts.ledger or nullcontext():
        run(parts, (args.data, args.control, args.telemetry), stop.is_set, args.keys and ServerKeys(args.keys))
    return 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides about a brain's answers, besides what it is sent and the time it has."""

    model: str  # `arena`, one without learning, or a checkpoint folder
    device: torch.device
    seed: int
    candidates: int  # plans tried per NPC
    personas: Path | None  # folder; None for the shipped ones
    pose_tolerance: float  # m off its place at which an NPC still runs a step


@dataclass(frozen=True, slots=True)
class Parts:
    """A brain before it listens."""

    runtime: Runtime
    planner: Planner  # of the runtime
    board: Board
    forecasts: Mapping[str, Loaded]  # by the names that the board knows
    loaded: Loaded  # the one that games are told of, and must fit
    ledger: Ledger | None = None  # of the shield; whoever runs the brain closes it
    deadline_ms: float = 20.0  # of planning, per tick
    lead_ticks: int = 0  # 0 adapts
    metrics: str | None = None  # address to show figures at


def assemble(recipe: Recipe, log: Path | None = None, later: Callable[[Callable[[], None]], object] = at_once) -> Parts:
    """Puts a brain together.

    Args:
        recipe: of it.
        log: file for what the shield sees and answers.
        later: has work done that no tick waits for.

    Raises:
        InputError: there is no such model or folder, or nothing can be written to the log.
    """
    loaded = load(recipe.model, recipe.device, recipe.seed)
    # All that was imagined is kept: what turned weights choose among it is then what a new decision would choose.
    config = PlannerConfig(seed=recipe.seed, candidates=recipe.candidates, elites=recipe.candidates)
    decider = PlannerDecider(loaded.forecast, config, recipe.device, explain=True, calibration=loaded.calibration)
    library = PersonaLibrary(recipe.personas or SHIPPED, DEFAULT_TERMS.names)
    ledger = _ledger(log)
    shield = ShieldConfig(tolerance=recipe.pose_tolerance)
    runtime = Runtime(decider, lambda: board.snapshot, RuntimeConfig(shield=shield), ledger, later)
    forecasts = choices(loaded, recipe.device, recipe.seed)
    board = Board(library, admit=runtime.admit, forecasts=tuple(forecasts))
    return Parts(runtime, decider, board, forecasts, loaded, ledger)


def run(
    parts: Parts, endpoints: tuple[str, str, str], stopped: Callable[[], bool], keys: ServerKeys | None = None
) -> None:
    """Listens and serves until `stopped`; prints one JSON line once it listens.

    Args:
        parts: the brain.
        endpoints: of data, control and telemetry; port 0 takes any free one.
        stopped: asked again and again.
        keys: lets in only peers on their list, and those from other machines, too.

    Raises:
        EndpointError: an endpoint is not loopback, and there are no keys; or it is taken.
        KeysError: there are no keys in the folder.
    """
    loaded = parts.loaded
    offer = Offer(
        server=f"npc-sdk {npc_sdk.__version__}",
        lead_ticks=parts.lead_ticks or 1,
        barks=BARK_TEXTS[1:],
        model={"name": loaded.name, "sha256": loaded.sha256},
        limits=Limits(controls_per_s=CONTROLS_PER_S),
    )
    admit = _admission(loaded, parts.runtime.config.shield)
    with BridgeServer(Endpoints(*endpoints), offer, admit=admit, keys=keys) as server:
        at = server.endpoints
        ready = {"ready": True, "pid": os.getpid(), "data": at.data, "control": at.control, "telemetry": at.telemetry}
        pace = Pace(parts.lead_ticks)
        brain = Brain(server, parts.runtime, parts.planner, parts.board, parts.forecasts, parts.deadline_ms, pace)
        with shown(brain, parts.metrics) as url:
            ready |= {"model": loaded.name, "model_sha256": loaded.sha256, **({"metrics": url} if url else {})}
            print(json.dumps(ready), flush=True)
            brain.run(stopped)
            server.close("the brain is stopping, as it was told to")


@contextmanager
def shown(brain: Brain, address: str | None) -> Iterator[str]:
    """Shows a brain's figures where that is asked for; yields the address of the page, "" without one."""
    if address is None:
        yield ""
        return
    from npc_sdk.serve.metrics import Metrics  # the extra `metrics` is needed from here on

    with Metrics(address, brain) as metrics:
        yield metrics.url


def _ledger(path: Path | None) -> Ledger | None:
    """Opens the log that was asked for.

    Raises:
        InputError: nothing can be written there.
    """
    try:
        return None if path is None else Ledger(path)
    except OSError as error:
        raise InputError(f"log: expected a file that can be written, got {path}: {error.strerror}") from None


def _later(aside: Executor, work: Callable[[], None]) -> None:
    """Has work done on another thread; nobody waits for it, so what it raises goes to the log."""
    aside.submit(work).add_done_callback(_tell_failure)


def _tell_failure(done: Future[None]) -> None:
    if (error := done.exception()) is not None:
        log.error("what there is to remark on was not found: %r", error, exc_info=error)


def _give_way() -> None:
    """Lets the game finish its frame first where both share a core (Linux only).

    A batch process keeps its share of the cores, but takes none away by waking up. Threads started later do the same.
    """
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _until_closed(stop: threading.Event) -> None:
    """Waits for the end of standard input: a game that dies takes its brain along."""
    while sys.stdin.readline():
        pass
    stop.set()


def _admission(loaded: Loaded, shield: ShieldConfig) -> Callable[[Schema], tuple[str, ...]]:
    """Says which games the model fits and the shield can certify."""

    def admit(schema: Schema) -> tuple[str, ...]:
        try:
            check_game(schema, shield)
        except ConstraintError as error:
            raise Refused(ErrorCode.SCHEMA, str(error)) from None
        if loaded.interface_sha256 and schema.interface_sha256 != loaded.interface_sha256:
            raise Refused(
                ErrorCode.MODEL,
                f"model '{loaded.name}': expected a game with schema interface {loaded.interface_sha256[:12]}, "
                f"got {schema.interface_sha256[:12]} of game '{schema.game}'; train a model on recordings of it, "
                "or serve with --model constant-velocity",
            )
        return ()

    return admit
