"""The Lua client in LÖVE, without a window."""

from __future__ import annotations

import subprocess

import pytest
from yard import CLIENTS, needed, play

from npc_bridge.conformance import check

LUA = CLIENTS / "lua"


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    needed("love")


def test_it_agrees_with_every_vector() -> None:
    report = check(["love", str(LUA / "conformance")])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "pygame")


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain() -> None:
    version = subprocess.run(["love", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    play("LÖVE", version, lambda endpoint: ["love", str(LUA / "example"), endpoint, "600", "headless"])
