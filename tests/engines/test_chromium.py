"""The JavaScript client in Chromium, through the gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from yard import Scene, needed, play

from npc_bridge.conformance import check

BROWSER = [sys.executable, str(Path(__file__).with_name("chromium.py"))]


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    needed("chromium")


def test_it_agrees_with_every_vector(tmp_path: Path) -> None:
    report = check([*BROWSER, "judge", str(tmp_path)])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "pygame")


def test_a_page_of_another_origin_is_not_let_in(tmp_path: Path) -> None:
    scene = Scene([*BROWSER, "yard", str(tmp_path), "tcp://127.0.0.1:1", "http://other.example"])
    try:
        scene.until(lambda tick: tick.fault == "not_listening", since=0)
    finally:
        scene.close()
    told = [line for line in scene.said if "origin 'http://127.0.0.1:" in line]
    assert told
    assert "npc-sdk gateway --origin http://127.0.0.1:" in told[0]


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(tmp_path: Path) -> None:
    told = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout
    play("Chromium", told.split()[1], lambda endpoint: [*BROWSER, "yard", str(tmp_path), endpoint])
