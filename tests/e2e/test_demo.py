"""The demo as a whole: real brain process, real sockets. Order, counts and ticks; never milliseconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest
from demo_player import Player
from documented import documented_keys, printed_keys
from PIL import Image

from npc_sdk.demo.brain import Brain, free_endpoints
from npc_sdk.demo.panel import MAX_WEIGHT, knob_place
from npc_sdk.demo.play import Cast
from npc_sdk.demo.scene import CALLBACK, PLAN, TAIL
from npc_sdk.demo.show import Show, Stage
from npc_sdk.demo.window import Window


@pytest.fixture
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.show.close()
    assert not player.brain.alive


@pytest.mark.timeout(240)
def test_a_killed_brain_leaves_npcs_to_their_script_and_a_new_one_gets_the_designers_settings(player: Player) -> None:
    show = player.show
    player.until(player.planned)
    everybody = show.desk.reaches()[0]
    for npc in show.match.ids:
        drawn = show.scene(1.0).npcs[int(npc) - 101]
        assert (len(drawn.chunk) > 0) == (drawn.rung in (PLAN, TAIL))
    show.desk.turn(everybody, "exposure", 4.0)
    player.until(lambda: [row["low"] for row in show.weights if row["term"] == "exposure"] == [4.0])

    first = player.brain.pid
    show.kill_brain()
    player.until(player.on_their_own)
    assert not player.brain.alive
    assert show.fault
    assert {npc.rung for npc in show.scene(1.0).npcs if npc.alive} == {CALLBACK}
    assert all(len(npc.chunk) == 0 for npc in show.scene(1.0).npcs)
    show.draw(1.0)

    show.restart_brain()
    assert player.brain.pid != first
    player.until(player.planned)
    player.until(lambda: show.led)
    assert not show.fault
    player.until(lambda: [row["low"] for row in show.weights if row["term"] == "exposure"] == [4.0])
    assert show.violations["npc"] == 0


@pytest.mark.timeout(240)
def test_a_selected_npc_says_why_and_the_parts_add_up(player: Player) -> None:
    show = player.show
    player.until(player.planned)
    show.desk.select_next()
    player.until(lambda: show.desk.why is not None)
    why = show.desk.why
    assert why is not None
    assert why.npc == show.desk.selected
    assert sum(value for _, _, value in why.parts) == pytest.approx(why.objective, rel=1e-4)
    show.desk.assign(show.desk.reaches()[0], "sentry")
    player.until(lambda: {npc.persona for npc in show.scene(1.0).npcs if npc.alive} == {"sentry"})
    show.desk.hold_fire()
    before = len(show.match.log)
    player.until(lambda: len(show.match.log) > before + 60 or show.stage is not Stage.PLAYING)
    known = [step for step in show.match.log if step.hold_fire and step.hold_known.all()]
    assert known
    assert not any(step.fired.any() for step in known)


@pytest.mark.timeout(240)
def test_the_window_takes_keys_and_mouse(player: Player) -> None:
    show = player.show
    player.until(player.planned)
    pygame.display.init()
    window = pygame.display.set_mode((1280, 720))
    try:
        for key in (pygame.K_TAB, pygame.K_h, pygame.K_f, pygame.K_f, pygame.K_k):
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0))
        at, to = (knob_place(show.desk.view(), "exposure", weight) for weight in (2.0, MAX_WEIGHT))
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=at))
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=to, rel=(44, 0), buttons=(1, 0, 0)))
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, pos=to))
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        Window(window, show).run()
        picture = pygame.surfarray.array3d(window)
    finally:
        pygame.display.quit()
    assert picture.std() > 10
    assert show.desk.selected
    player.until(lambda: not player.brain.alive)  # a killed process ends soon, not at once
    assert not player.brain.alive
    assert show.desk.turned("exposure") == MAX_WEIGHT


@pytest.mark.timeout(240)
def test_the_headless_demo_writes_pictures_and_prints_what_is_documented(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npc_sdk", "demo", "--headless", "--frames", "120", "--npcs", "4", "--json"]
    command += ["--model", "constant-velocity", "--out", str(tmp_path), "--kill-at", "90"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout.splitlines()[-1])
    assert printed == json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert printed_keys(printed) == documented_keys("demo")
    assert printed["frames"] == 120
    assert printed["decisions"] > 0
    assert printed["fallback_ticks"] > 0
    assert printed["violations"] == 0
    assert (printed["brain_starts"], printed["matches"]) == (1, 1)
    with Image.open(tmp_path / "contact.png") as sheet:
        assert sheet.width >= 1900
    with Image.open(tmp_path / "demo.gif") as gif:
        assert getattr(gif, "n_frames", 1) > 10
    assert (tmp_path / "demo.gif").stat().st_size <= 4_000_000


def test_a_wrong_request_ends_with_one_line() -> None:
    command = [sys.executable, "-m", "npc_sdk", "demo", "--headless", "--npcs", "400"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 2
    assert run.stderr.strip() == "npc-sdk: --npcs: expected 4..24, got 400"


def test_a_match_waits_for_a_brain_that_is_starting_but_not_for_a_dead_one() -> None:
    brain = Brain([sys.executable, "-c", "import time; time.sleep(60)"])  # never gets ready
    show = Show(brain, free_endpoints(), Cast(4, 1, scripted=True), patience_s=10.0)
    try:
        waited = []
        for dead in (False, False, True):
            if dead:
                show.kill_brain()
                brain.stop()
            begun = 0
            while not show.advance(None):
                begun += show.stage is Stage.MEETING
                assert begun < 1000
            waited.append(begun)
            show.match.arena.health[:, 0] = 0.0
            show.match.arena.alive[:, 0] = False
            while show.stage is not Stage.OVER:
                show.advance(None)
        assert waited[0] >= 300
        assert waited[1] >= 300  # the next one, too: it had not listened yet
        assert waited[2] < 10
    finally:
        show.close()
