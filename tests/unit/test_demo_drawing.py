"""The picture of the arena says what the scene says. Judged by pixels, on a surface without a window."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest
from PIL import Image

from npc_bridge.schema import Polygon
from npc_sdk.demo import theme
from npc_sdk.demo.arena_view import ArenaView
from npc_sdk.demo.film import GIF_BYTES, Film
from npc_sdk.demo.panel import Panel, PanelView
from npc_sdk.demo.scene import (
    BRAKE,
    CALLBACK,
    PLAN,
    BeliefView,
    Entry,
    Flash,
    GrenadeView,
    NpcView,
    PlayerView,
    Scene,
    Status,
    Thought,
    Why,
)
from npc_sdk.demo.strip import draw_strip

BOUNDS = (-12.0, -12.0, 12.0, 12.0)
WALL = Polygon("wall", "wall", ((-2.0, 4.0), (2.0, 4.0), (2.0, 6.0), (-2.0, 6.0)), True)
ZONE = Polygon("no_go", "zone", ((-8.0, -8.0), (-4.0, -8.0), (-4.0, -4.0), (-8.0, -4.0)), False)
EDGES = np.array([(-12.0, -12.0, 12.0, -12.0)])
AHEAD = np.stack([np.linspace(0.0, 4.0, 21)[1:], np.zeros(20)], 1).astype(np.float32)
THOUGHT = Thought(
    family="seek",
    objective=1.0,
    lead=0.2,
    path=AHEAD,
    alternatives=np.stack([AHEAD[:, ::-1], -AHEAD]),
    alternatives_objective=np.array([1.5, math.nan]),
    ghost=AHEAD + np.float32(3.0),
    exposed=True,
)
NPC = NpcView(
    id=101,
    squad=0,
    at=(0.0, 0.0),
    heading=math.pi / 2,
    health=1.0,
    alive=True,
    leader=True,
    rung=PLAN,
    persona="",
    bark="",
    bark_age=0.0,
    chunk=AHEAD[:3],
    thought=THOUGHT,
)
SCENE = Scene(
    time=0.0,
    npcs=(NPC,),
    player=PlayerView((8.0, -8.0), 0.0, 1.0, True),
    beliefs=(),
    grenades=(),
    flashes=(),
    hold_fire=False,
    selected=0,
)


@pytest.fixture(scope="module")
def view() -> ArenaView:
    return ArenaView((WALL, ZONE), BOUNDS, EDGES, 480)


def colour(view: ArenaView, at: tuple[float, float]) -> tuple[int, int, int]:
    x, y = view.camera.final(at)
    r, g, b, _ = view.image.get_at((round(x), round(y)))
    return (r, g, b)


def distance(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    return math.dist(a, b)


def test_a_place_is_found_again_from_its_pixel(view: ArenaView) -> None:
    for at in ((0.0, 0.0), (-11.0, 7.5), (12.0, -12.0)):
        assert view.camera.world(view.camera.final(at)) == pytest.approx(at)


def test_the_plan_is_drawn_in_the_squads_colour_along_its_path(view: ArenaView) -> None:
    view.draw(SCENE)
    for x in (1.5, 2.5, 3.5):
        assert distance(colour(view, (x, 0.0)), theme.squad_colour(0)) < 60
    assert distance(colour(view, (3.5, 0.7)), theme.FLOOR) < 40


def test_an_npc_that_the_brain_does_not_lead_is_grey_and_has_no_plan(view: ArenaView) -> None:
    for rung in (CALLBACK, BRAKE):
        view.draw(replace(SCENE, npcs=(replace(NPC, rung=rung, chunk=AHEAD[:0]),)))
        ring = colour(view, (0.25, 0.0))
        assert max(ring) - min(ring) < 40
        assert distance(colour(view, (3.0, 0.0)), theme.FLOOR) < 40
    view.draw(SCENE)
    ring = colour(view, (-0.25, 0.0))
    assert max(ring) - min(ring) > 80


def test_a_forbidden_zone_is_red_and_a_wall_is_not(view: ArenaView) -> None:
    view.draw(SCENE)
    r, g, b = np.mean([colour(view, (x, -6.0)) for x in np.linspace(-7.5, -4.5, 40)], axis=0)
    assert r > theme.FLOOR[0] + 15
    assert r > 1.2 * max(g, b)
    assert distance(colour(view, (0.0, 5.0)), theme.WALL) < 15


def test_a_lost_player_is_shown_as_a_circle_of_doubt(view: ArenaView) -> None:
    place = (6.0, 3.0)
    view.draw(replace(SCENE, beliefs=(BeliefView(0, place, 2.0, 1.0, seen=True),)))
    seen = colour(view, place)
    view.draw(replace(SCENE, beliefs=(BeliefView(0, place, 2.0, 1.0, seen=False),)))
    assert colour(view, place) != seen


def test_everything_at_once_is_drawn(view: ArenaView) -> None:
    npcs = tuple(
        replace(
            NPC, id=101 + i, at=(i - 4.0, i - 3.0), health=i / 8, alive=i != 3, rung=i % 5, bark="Moving in!", squad=i
        )
        for i in range(8)
    )
    flashes = tuple(
        Flash((0.0, 0.0), to, age, squad, hit)
        for to in ((3.0, 3.0), None)
        for age in (0.0, 0.1, 0.4, 0.6)
        for squad, hit in ((-1, False), (1, True))
    )
    before = view.draw(SCENE).copy()
    after = view.draw(
        Scene(
            time=3.3,
            npcs=npcs,
            player=PlayerView((1.0, 1.0), 2.0, 0.0, False),
            beliefs=(BeliefView(0, (50.0, -50.0), 500.0, 99.0, False),),
            grenades=(GrenadeView((2.0, 2.0), 1.4), GrenadeView((-30.0, 2.0), 0.0)),
            flashes=flashes,
            hold_fire=True,
            selected=102,
        )
    )
    assert pygame.image.tobytes(before, "RGB") != pygame.image.tobytes(after, "RGB")


def test_the_strip_turns_red_when_a_rule_is_broken_or_the_line_is_down() -> None:
    area = pygame.Rect(0, 0, 1280, 64)
    good = Status((10.0, 60.0), 40.0, math.nan, 0, (8, 0, 0, 0), "arena", "", "brain running", 1.0, 0.3)
    reds = []
    for status in (good, replace(good, broken=3), replace(good, fault="NotListening: nothing listens at tcp://x")):
        surface = pygame.Surface(area.size)
        draw_strip(surface, area, status)
        pixels = pygame.surfarray.array3d(surface)[300:].astype(int)  # w h 3, without the sparkline
        reds.append(int(((pixels - theme.BAD) ** 2).sum(-1).__lt__(900).sum()))
    assert reds[0] == 0
    assert reds[1] > 10
    assert reds[2] > 10


def test_the_why_card_and_the_log_are_drawn() -> None:
    panel = Panel(pygame.Rect(656, 8, 616, 640))
    why = Why(
        npc=101,
        family="flank_left",
        runner_up="hold",
        objective=6.0,
        lead=0.4,
        parts=tuple((f"term{i}", 1.0, 0.5) for i in range(12)),
        sentence="NPC 101 chose flank left over hold, mostly for flank, and much more could be said about it.",
        shield="the shield changed it: spacing",
    )
    empty = PanelView(("all",), 0, (), (), "", False, None, "npc 101", False, ())
    pictures = []
    for shown in (empty, replace(empty, why=why), replace(empty, log=(Entry(1.0, "brain killed", -1),) * 9)):
        surface = pygame.Surface((1280, 720))
        panel.draw(surface, shown)
        pictures.append(pygame.image.tobytes(surface, "RGB"))
    assert len(set(pictures)) == 3


def test_a_film_keeps_the_last_frame_and_stays_small(tmp_path: Path) -> None:
    frames = 40
    film = Film(frames, 30.0)
    screen = pygame.Surface((1280, 720))
    assert film.wants(frames - 1)
    for frame in range(frames):
        screen.fill((20, 20, 90))
        screen.fill((240, 240, 240), (30 * frame, 300, 60, 60))
        if film.wants(frame):
            film.add(frame, screen, f"frame {frame}")
    film.write_sheet(tmp_path / "contact.png")
    film.write_gif(tmp_path / "demo.gif")
    assert (tmp_path / "demo.gif").stat().st_size < GIF_BYTES
    with Image.open(tmp_path / "demo.gif") as gif:
        assert getattr(gif, "n_frames", 1) > 10
    with Image.open(tmp_path / "contact.png") as sheet:
        assert sheet.width > 1900
        last = np.asarray(sheet)[-402:, -652:]  # the lower right frame
    assert last[165, 600, 0] > 200
    assert last[165, 100, 0] < 60
