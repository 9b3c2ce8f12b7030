"""The brain's process: started, killed for real, started again. A small stand-in plays the brain."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable

import pytest

from npc_sdk.demo.brain import Brain, BrainError, free_endpoints, serve_command

READY = json.dumps({"ready": True, "model": "toy", "model_sha256": "abc"})
LISTENS = [sys.executable, "-c", f"print('hello'); print('''{READY}''', flush=True); input()"]
FAILS = [sys.executable, "-c", "raise SystemExit('no such model')"]
PATIENCE_S = 20.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def test_a_brain_is_ready_once_it_says_so_and_names_its_model() -> None:
    brain = Brain(LISTENS)
    assert (brain.alive, brain.pid, brain.describe()) == (False, 0, "not started")
    brain.start()
    brain.wait_ready(PATIENCE_S)
    assert (brain.model, brain.model_sha256) == ("toy", "abc")
    assert brain.describe() == f"running, pid {brain.pid}"
    brain.stop()
    assert not brain.alive


def test_a_killed_brain_is_dead_and_comes_back_as_another_process() -> None:
    brain = Brain(LISTENS)
    brain.start()
    brain.wait_ready(PATIENCE_S)
    first, process = brain.pid, brain._process
    brain.kill()
    until(lambda: not brain.alive)
    assert process is not None
    if hasattr(signal, "SIGKILL"):
        assert process.returncode == -signal.SIGKILL
    assert brain.describe() == f"killed, pid was {first}"
    assert not brain.ended
    brain.kill()
    brain.start()
    brain.start()
    brain.wait_ready(PATIENCE_S)
    assert brain.pid != first
    assert brain.starts == 2
    brain.stop()


def test_a_brain_that_cannot_start_says_why() -> None:
    brain = Brain(FAILS)
    brain.start()
    with pytest.raises(BrainError, match="ended with status 1: no such model"):
        brain.wait_ready(PATIENCE_S)
    assert brain.ended
    brain.stop()


def test_the_command_line_names_every_endpoint_once() -> None:
    endpoints = free_endpoints()
    assert len({endpoints.data, endpoints.control, endpoints.telemetry}) == 3
    command = serve_command(endpoints, "arena", 3, "cpu")
    for endpoint in (endpoints.data, endpoints.control, endpoints.telemetry):
        assert command.count(endpoint) == 1
