"""The JavaScript client in Chromium, through the gateway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from yard import Scene, needed, play

from npc_bridge.conformance import check
from npc_bridge.server import BridgeServer, Endpoints

BROWSER = [sys.executable, str(Path(__file__).with_name("chromium.py"))]


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    needed("chromium")


def test_it_agrees_with_every_vector(tmp_path: Path) -> None:
    report = check([*BROWSER, "judge", str(tmp_path)])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "pygame")


@contextmanager
def yard(profile: Path, *words: str) -> Iterator[Scene]:
    scene = Scene([*BROWSER, "yard", str(profile), *words])
    try:
        yield scene
    finally:
        scene.close()


def test_a_page_of_another_origin_is_not_let_in(tmp_path: Path) -> None:
    with yard(tmp_path, "tcp://127.0.0.1:1", "http://other.example") as scene:
        scene.until(lambda tick: tick.fault == "not_listening", since=0)
    told = [line for line in scene.said if "origin 'http://127.0.0.1:" in line]
    assert len(told) == 1
    assert "npc-sdk gateway --origin http://127.0.0.1:" in told[0]


def test_a_page_outlives_its_gateway(tmp_path: Path) -> None:
    with BridgeServer(Endpoints(control="", telemetry="")) as server, yard(tmp_path, server.endpoints.data) as scene:
        scene.until(lambda tick: tick.fault == "fine", since=0)
        (told,) = [line for line in scene.said if line.startswith("gateway ")]
        os.kill(int(told.split()[1]), signal.SIGTERM)
        lost = scene.until(lambda tick: tick.fault == "lost")
        scene.until(lambda tick: tick.fault == "fine", since=lost.number)
        assert [tick.number for tick in scene.ticks] == list(range(len(scene.ticks)))


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(tmp_path: Path) -> None:
    told = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout
    play("Chromium", told.split()[1], lambda endpoint: [*BROWSER, "yard", str(tmp_path), endpoint])
