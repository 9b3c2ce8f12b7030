"""The JavaScript client in Node."""

from __future__ import annotations

import subprocess

import pytest
from yard import CLIENTS, needed, play

from npc_bridge.conformance import check

JS = CLIENTS / "js"


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    needed("node", "npm")
    if not (JS / "node_modules" / "zeromq").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=JS, check=True, capture_output=True, timeout=300)


def test_it_agrees_with_every_vector() -> None:
    report = check(["node", str(JS / "conformance.mjs")])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "pygame")


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain() -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    play("Node", version, lambda endpoint: ["node", str(JS / "example" / "yard.mjs"), endpoint, "600"])
