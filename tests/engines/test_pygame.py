"""The Python client in pygame, without a display."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from yard import play

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "03_pygame_yard.py"


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = importlib.import_module("pygame")  # in the environment of the tests
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    play("pygame", pygame.version.ver, lambda endpoint: [sys.executable, str(EXAMPLE), endpoint, "600"])
