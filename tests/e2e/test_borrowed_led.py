"""Worlds that others wrote, led by a real brain over real sockets: planned, steered while they run, held to a rule."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guide import BORROWED, blocks, commands

from npc_bridge.client import ControlClient
from npc_bridge.messages import Action, Snapshot
from npc_bridge.packing import Value
from npc_bridge.recording import Direction, read
from npc_sdk import cli
from npc_sdk.constraints import from_table
from npc_sdk.demo.brain import Brain, Endpoints, free_endpoints, serve_command
from npc_sdk.designer.client import Designer
from npc_sdk.envs.pettingzoo import KNOWN, BorrowedGame, adapt, world_of
from npc_sdk.experiments.borrowed import figures, judge, play
from npc_sdk.experiments.leaders import Led

HUNT = {"approach": 3.0, "engage": 0.0, "exposure": 0.0}
TURN = 50  # ticks, before the weights are turned
AFTER = 70
RULE: dict[str, Value] = {"rule": "ally_distance", "name": "room", "distance": 1.0}


@pytest.fixture(scope="module")
def brain() -> Iterator[Endpoints]:
    """One for all: it leads any game."""
    endpoints = free_endpoints()
    process = Brain([*serve_command(endpoints, "constant-velocity", 1, "cpu"), "--deadline-ms", "500"])
    try:
        process.start()
        process.wait_ready(120)
        yield endpoints
    finally:
        process.stop()


@pytest.mark.parametrize("name", KNOWN)
def test_a_weight_turned_while_it_plays_brings_npcs_near(brain: Endpoints, name: str, tmp_path: Path) -> None:
    world = world_of(name)
    game = adapt(world.make(None), world, name)
    game.reset(11)
    seen = 0
    with Designer(brain.control, timeout_s=30.0) as designer:

        def turn(_: BorrowedGame) -> None:
            nonlocal seen
            seen += 1
            if seen == TURN:
                designer.set_weights([{"term": term, "value": value} for term, value in HUNT.items()])

        leader = Led(game, brain.data, record=tmp_path / "play.npcrec", fast=True)
        try:
            designer.add_rule(RULE)
            diary = play(game, leader, TURN + AFTER, turn)
        finally:
            leader.close()
            for term in HUNT:
                designer.unset_weight("global", term)
            designer.remove_rule("room")
    found = figures([diary])
    assert found.planned > 0.7, leader.client.fault
    gaps = [
        np.linalg.norm(p[:, :2] - q[:, None, :2], axis=2).mean() for p, q in zip(diary.pose, diary.players, strict=True)
    ]
    before, after = np.mean(gaps[TURN - 20 : TURN]), np.mean(gaps[-20:])
    assert after < 0.9 * before, "they hunt from then on"
    report = judge(game, diary, [from_table(RULE)])
    assert report.total() == 0
    assert report.rules["spacing"].steps > 100
    said = [message for _, message in read(tmp_path / "play.npcrec").messages(Direction.UP, Direction.DOWN)]
    assert sum(isinstance(m, Snapshot) for m in said) > 0.9 * len(diary.command)
    assert sum(isinstance(m, Action) for m in said) > 0.7 * len(diary.command)


def test_a_world_that_the_guide_declares_is_planned_for(
    brain: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no player."""
    (tmp_path / "my_world.py").write_text(blocks(BORROWED, "python")[-1])
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.chdir(tmp_path)
    command = [brain.data if word.startswith("tcp:") else word for word in commands(BORROWED)[-1]]
    assert cli.main([*command, "--seconds", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["planned"] > 0.7
    assert found["distance_m"] is None


def test_without_a_brain_the_script_plays_on(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = free_endpoints().data
    command = [
        "play",
        "sisl/pursuit-v5",
        "--endpoint",
        nobody,
        "--script",
        "chase",
        "--seconds",
        "3",
        "--fast",
        "--json",
    ]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["planned"], found["ticks"]) == (0.0, 30)
    assert found["distance_m"] < 4.0


def test_whom_the_world_pushes_is_not_taken_for_a_liar(brain: Endpoints) -> None:
    world = world_of("mpe2/simple_tag_v3")
    calls = 0

    def slipping(wanted: np.ndarray, now: np.ndarray) -> object:
        nonlocal calls
        calls += 1
        return world.act(0.5 * wanted if calls % 20 == 0 else wanted, now)

    game = adapt(world.make(None), replace(world, act=slipping), "ice")  # type: ignore[arg-type]  # of the same kind
    game.reset(11)
    before = breaches(brain)
    leader = Led(game, brain.data, fast=True)
    try:
        found = figures([play(game, leader, 60)])
    finally:
        leader.close()
    assert found.astray > 0.02
    assert breaches(brain) == before


def breaches(brain: Endpoints) -> int:
    """How often the brain has caught a game moving otherwise than declared."""
    with ControlClient(brain.control, 30_000) as control:
        counters = control.request("status").result["counters"]
    assert isinstance(counters, dict)
    return int(str(counters["breaches"]))
