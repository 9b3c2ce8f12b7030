"""The first window: up before anything slow, and timed from the start of the process."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pygame
import pytest

from npc_sdk.demo.headless import plays_reel
from npc_sdk.demo.layout import SIZE
from npc_sdk.demo.splash import draw_title, since_start_ms

FIRST = """
import argparse, sys
import pygame
from npc_sdk.demo import splash

def shown():
    print(*sorted(sys.modules))
    raise SystemExit(0)

pygame.display.flip = shown
splash.run(argparse.Namespace())
"""


def test_the_window_is_up_before_the_game_its_world_or_torch_are_imported() -> None:
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    run = subprocess.run(
        [sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    loaded = set(run.stdout.split())
    assert "npc_sdk.demo.theme" in loaded, run.stderr
    for slow in ("torch", "numba", "scipy", "zmq", "pettingzoo", "npc_sdk.demo.show", "npc_sdk.envs.arena"):
        assert slow not in loaded


def test_the_time_since_the_start_counts_from_before_the_imports() -> None:
    code = "import time; time.sleep(0.3); from npc_sdk.demo.splash import since_start_ms as f; print(f())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    floor = 300.0 if os.path.exists("/proc/self/stat") else 0.0
    assert float(told.stdout.splitlines()[-1]) > floor
    assert since_start_ms() > 0.0


def test_the_title_card_moves_while_one_waits() -> None:
    pictures = []
    for seconds in (0.0, 0.5):
        surface = pygame.Surface(SIZE)
        draw_title(surface, seconds)
        pictures.append(pygame.image.tobytes(surface, "RGB"))
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("options", "plays"),
    [({}, True), ({"frames": 1799}, False), ({"frames": 4000}, True), ({"kill_at": 3}, False), ({"drag_at": 0}, False)],
)
def test_a_long_enough_run_plays_the_reel_unless_something_else_was_asked_for(
    options: dict[str, int], plays: bool
) -> None:
    asked = {"frames": 1800, "kill_at": None, "restart_at": None, "drag_at": None, **options}
    assert plays_reel(argparse.Namespace(**asked)) == plays
