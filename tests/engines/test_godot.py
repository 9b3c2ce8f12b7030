"""The GDScript client in Godot 3."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from yard import CLIENTS, needed, play

from npc_bridge.conformance import check

PROJECT = CLIENTS / "gdscript"


@pytest.fixture
def godot(tmp_path: Path) -> list[str]:
    """What starts the engine; it keeps its own folders in a HOME that may be written."""
    needed("godot3-server")
    return ["env", f"HOME={tmp_path}", "godot3-server", "--no-window", "--path", str(PROJECT)]


def test_it_agrees_with_every_vector(godot: list[str]) -> None:
    report = check([*godot, "-s", "conformance.gd"])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 11)
    assert report.presets == ("wire", "godot", "pygame")


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(godot: list[str]) -> None:
    version = subprocess.run(["godot3-server", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    play("Godot", version, lambda endpoint: [*godot, endpoint, "600"])
