"""The examples run as a reader would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from npc_sdk.demo.brain import Brain, free_endpoints, serve_command

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_small_game_of_ones_own_gets_plans() -> None:
    endpoints = free_endpoints()
    brain = Brain(serve_command(endpoints, "constant-velocity", 1, "cpu"))
    try:
        brain.start()
        brain.wait_ready(60)
        command = [sys.executable, str(EXAMPLES / "02_connect_a_game.py"), endpoints.data, "151"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    finally:
        brain.stop()
    assert len(said) == 6
    assert "rungs [0, 0]" in said[-1]
    distance = [float(line.split("nearest NPC")[1].split("m")[0]) for line in said]
    assert distance[-1] < distance[0] - 2, "they hunt"


def test_without_a_brain_the_game_goes_on_and_says_why() -> None:
    command = [sys.executable, str(EXAMPLES / "02_connect_a_game.py"), free_endpoints().data, "61"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert "rungs [2, 2]" in said[-1], "the game's own script"
    assert "NotListening" in said[-1]
