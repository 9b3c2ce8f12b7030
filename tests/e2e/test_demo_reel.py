"""The reel's hand on a real show with a real brain, its scenes cut short; and a key that ends it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest
from demo_player import PATIENCE_S, Player
from documented import documented_keys, printed_keys
from PIL import Image

from npc_sdk.demo.captions import draw_reel
from npc_sdk.demo.figures import facts, measure
from npc_sdk.demo.hand import ask, assign, call, drag, flip, multiply, paint, put_back, type_wish
from npc_sdk.demo.panel import Reached
from npc_sdk.demo.reel import WISH, Caption, Cue, Reel, Scene
from npc_sdk.demo.show import Stage
from npc_sdk.demo.window import Window

pytestmark = pytest.mark.timeout(240)

SHORT = (
    Scene(
        0.0,
        "Everything",
        (Caption(0.0, "{weights_before} {weights} {zone_broken} {control_zone_broken} {stale} {flip} {sight}"),),
        tuple(
            Cue(0.1, act)
            for act in (
                call("freeze"),
                drag("exposure", 4.0, 0.4),
                paint(0.3),
                assign("aggressive"),
                multiply(1000.0, "attack", "approach"),
                call("resume"),
                type_wish(WISH, 0.3),
            )
        ),
    ),
)


@pytest.fixture
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.show.close()


@pytest.fixture
def immortal() -> Iterator[Player]:
    player = Player(staged=True)
    yield player
    player.show.close()


def play(player: Player, scenes: tuple[Scene, ...], seconds: float) -> None:
    reel = Reel(scenes, length=seconds)

    def over() -> bool:
        if player.show.stage is Stage.PLAYING:
            reel.step(player.show)
        return reel.over

    player.until(over)
    figures = measure(player.show)
    draw_reel(player.show.draw(1.0), reel, facts(player.show, figures, ""), figures)


def weights(player: Player, term: str) -> list[float]:
    return [row["low"] for row in player.show.weights if row["term"] == term]  # type: ignore[misc]  # numbers, in JSON


def test_what_the_hand_does_reaches_the_brain(immortal: Player) -> None:
    player, show = immortal, immortal.show
    player.until(player.planned)
    play(player, SHORT, 9.0)
    player.until(lambda: "north" in show.desk.wishes and len(show.desk.zones) == 1)
    assert show.desk.turned("exposure") == pytest.approx(4.0, rel=0.05)
    player.until(lambda: weights(player, "attack") == [2000.0] and weights(player, "approach") == [2000.0])
    player.until(lambda: weights(player, "north") == [1.0])

    cues = tuple(Cue(0.0, act) for act in (call("unpaint"), assign("default"), put_back("exposure")))
    tidy = (Scene(0.0, "", (Caption(0.0, ""),), cues),)
    play(player, tidy, 3.0)
    player.until(lambda: weights(player, "attack") == [0.5] and weights(player, "exposure") == [0.5])
    assert not show.desk.zones

    asked = (Scene(0.0, "", (Caption(0.0, ""),), (Cue(0.0, call("freeze")), Cue(0.0, ask), Cue(0.0, flip))),)
    play(player, asked, 4.0)
    player.until(lambda: show.flip_verified is not None)
    assert show.frozen
    assert show.desk.why is not None
    show.resume()


def test_a_key_ends_the_reel_and_the_human_plays_with_nothing_turned(player: Player) -> None:
    show = player.show
    player.until(player.planned)
    show.desk.turn(show.desk.reaches()[0], "exposure", 4.0)
    show.desk.add_term(WISH)
    show.desk.touch(Reached(1))
    player.until(lambda: "north" in show.desk.wishes and weights(player, "exposure") == [4.0])
    pygame.display.init()
    try:
        window = Window(pygame.display.set_mode((1280, 720)), show, Reel())
        begun, before = time.monotonic(), show.matches
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_h, mod=0))
        pygame.time.set_timer(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, mod=0), 2500, 1)
        window.run()
        assert 2.0 < time.monotonic() - begun < PATIENCE_S  # the first key did not end the window, Esc did
    finally:
        pygame.display.quit()
    assert show.matches == before + 1
    player.until(player.planned)
    player.until(lambda: weights(player, "exposure") == [0.5])
    assert not show.desk.wishes
    assert show.desk.view().reach == 0
    assert weights(player, "north") == []


def test_escape_ends_the_window_also_during_the_reel(player: Player) -> None:
    pygame.display.init()
    try:
        window = Window(pygame.display.set_mode((1280, 720)), player.show, Reel())
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, mod=0))
        window.run()
    finally:
        pygame.display.quit()
    assert player.show.matches == 1


def test_a_run_without_a_window_plays_the_whole_reel_and_shows_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npc_sdk", "demo", "--headless", "--npcs", "4", "--json"]
    command += ["--model", "constant-velocity", "--out", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=230, check=False)
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout.splitlines()[-1])
    assert printed_keys(printed) == documented_keys("demo")
    assert (printed["frames"], printed["matches"], printed["brain_starts"]) == (1800, 1, 2)
    assert (printed["zone_broken"], printed["violations"], printed["stale_steps"]) == (0, 0, 0)
    assert printed["control_zone_broken"] is not None
    assert printed["flip_verified"] is not None
    assert printed["planned_fraction_led"] > printed["planned_fraction"]
    assert "north" in {row["term"] for row in printed["weights"]}
    with Image.open(tmp_path / "contact.png") as sheet:
        assert sheet.size[0] > 1900
        assert sheet.size[1] > 4 * 360  # twelve pictures, three in a row
    with Image.open(tmp_path / "demo.gif") as gif:
        assert getattr(gif, "n_frames", 1) >= 90
    assert (tmp_path / "demo.gif").stat().st_size <= 4_000_000
