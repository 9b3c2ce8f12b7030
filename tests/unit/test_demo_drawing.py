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
from npc_sdk.demo.camera import Camera
from npc_sdk.demo.film import Film, every_ninth
from npc_sdk.demo.labels import Labels
from npc_sdk.demo.layout import SIZE, STRIP
from npc_sdk.demo.scene import (
    BRAKE,
    CALLBACK,
    PLAN,
    BeliefView,
    Flash,
    GrenadeView,
    NpcView,
    PlayerView,
    Scene,
    Status,
    Thought,
)
from npc_sdk.demo.strip import draw_strip

BOUNDS = (-12.0, -12.0, 12.0, 12.0)
WALL = Polygon("wall", "wall", ((-2.0, 4.0), (2.0, 4.0), (2.0, 6.0), (-2.0, 6.0)), True)
ZONE = ((-8.0, -8.0), (-4.0, -8.0), (-4.0, -4.0), (-8.0, -4.0))
EDGES = np.array([(-12.0, -12.0, 12.0, -12.0)])
AHEAD = np.stack([np.linspace(0.0, 4.0, 21)[1:], np.zeros(20)], 1).astype(np.float32)
THOUGHT = Thought(
    family="seek",
    objective=1.0,
    lead=0.2,
    path=AHEAD,
    alternatives=np.stack([AHEAD[:, ::-1], -AHEAD]),
    alternatives_objective=np.array([1.5, math.nan]),
    feasible=np.ones(2, np.bool_),
    ghost=np.array([(8.0, -6.0), (8.0, -4.0), (8.0, -2.0)], np.float32),
    ghosts=np.zeros((2, 3, 2), np.float32) + np.float32(-6.0),
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
    return ArenaView((WALL,), BOUNDS, EDGES, 480)


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


def redness(view: ArenaView) -> float:
    r, g, b = np.mean([colour(view, (x, -6.0)) for x in np.linspace(-7.5, -4.5, 40)], axis=0)
    return float(r - max(g, b))


def test_a_painted_zone_is_red_until_it_is_taken_away_and_a_wall_is_not(view: ArenaView) -> None:
    seen = []
    for zones in ((), (ZONE,), ()):
        view.draw(replace(SCENE, npcs=(), zones=zones))
        seen.append(redness(view))
    assert seen[1] > seen[0] + 15
    assert seen[2] == seen[0]
    assert distance(colour(view, (0.0, 5.0)), theme.WALL) < 15


def test_the_stroke_of_a_zone_is_drawn_while_it_is_painted(view: ArenaView) -> None:
    view.draw(replace(SCENE, stroke=((-9.0, 9.0), (-5.0, 9.0))))
    assert distance(colour(view, (-7.0, 9.0)), theme.ZONE) < 40


def test_the_player_is_drawn_where_each_plan_imagines_it_to_go(view: ArenaView) -> None:
    for place in ((8.0, -2.0), (-6.0, -6.0)):  # the answer to the plan, and to the one alternative that is worth much
        view.draw(replace(SCENE, npcs=(replace(NPC, thought=None),)))
        without = colour(view, place)
        view.draw(SCENE)
        r, _, b = colour(view, place)
        assert r - b > without[0] - without[2] + 8


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


def test_an_unseen_player_is_dimmed(view: ArenaView) -> None:
    light = []
    for seen in (True, False):
        view.draw(replace(SCENE, beliefs=(BeliefView(0, (-3.0, -3.0), 1.0, 1.0, seen),)))
        light.append(sum(colour(view, (8.25, -8.0))))
    assert light[1] < 0.75 * light[0]


def test_labels_give_way_to_each_other() -> None:
    image = pygame.Surface((480, 480))
    labels = Labels(image, Camera(BOUNDS, 480))
    taken: list[pygame.Rect] = []
    plate = pygame.Surface((100, 20))
    boxes = [labels.room(plate, (240.0, 240.0), taken, -1) for _ in range(4)]
    placed = [box for box in boxes if box is not None]
    assert len(placed) == 3
    assert boxes[3] is None
    assert all(not a.colliderect(b) for i, a in enumerate(placed) for b in placed[:i])
    assert image.get_rect().contains(labels.room(plate, (0.0, 0.0), taken, 1) or plate.get_rect())


def test_the_strip_turns_red_when_a_rule_is_broken_or_the_line_is_down() -> None:
    good = Status((10.0, 60.0), 40.0, math.nan, 0, "9f6be315b9d6", "learned", "", "running")
    reds = []
    for status in (
        good,
        replace(good, broken=3),
        replace(good, fault="NotListening: nothing at tcp://x", brain="killed"),
    ):
        surface = pygame.Surface(SIZE)
        draw_strip(surface, status)
        pixels = pygame.surfarray.array3d(surface)[300:, STRIP.top :].astype(int)  # w h 3, without the sparkline
        reds.append(int(((pixels - theme.BAD) ** 2).sum(-1).__lt__(900).sum()))
    assert reds[0] == 0
    assert reds[1] > 10
    assert reds[2] > 10


def filmed(frames: int, stills: set[int]) -> Film:
    film = Film(frames, 30.0, stills)
    screen = pygame.Surface(SIZE)
    for frame in range(frames):
        screen.fill((20, 20, 90))
        screen.fill((240, 240, 240), (30 * frame, 300, 60, 60))
        if film.wants(frame):
            film.add(frame, screen, f"frame {frame}")
    return film


def test_a_film_keeps_the_frames_it_was_asked_for(tmp_path: Path) -> None:
    assert max(every_ninth(40)) == 39
    assert len(every_ninth(40)) == 9
    filmed(40, every_ninth(40)).write_sheet(tmp_path / "contact.png")
    with Image.open(tmp_path / "contact.png") as sheet:
        assert sheet.width > 1900
        last = np.asarray(sheet)[-406:, -652:]  # the lower right frame
    assert last[165, 600, 0] > 200
    assert last[165, 100, 0] < 60


def test_every_frame_of_a_gif_shows_what_was_there_and_nothing_of_before(tmp_path: Path) -> None:
    filmed(40, set()).write_gif(tmp_path / "demo.gif")
    with Image.open(tmp_path / "demo.gif") as gif:
        count = getattr(gif, "n_frames", 1)
        assert count == 20
        lasts = 0
        for k in range(count):
            gif.seek(k)
            lasts += gif.info["duration"]
            row = np.asarray(gif.convert("RGB"))[165, :, 0] > 200
            assert np.flatnonzero(row).mean() == pytest.approx(30 * k + 15, abs=2)
            assert 26 <= row.sum() <= 34
        assert lasts == pytest.approx(1e3 * 40 / 30, abs=10)


def test_a_gif_that_would_be_too_large_shows_fewer_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = filmed(40, set())
    film.write_gif(tmp_path / "whole.gif")
    size = (tmp_path / "whole.gif").stat().st_size
    monkeypatch.setattr("npc_sdk.demo.film.GIF_BYTES", size - 1)
    film.write_gif(tmp_path / "less.gif")
    with Image.open(tmp_path / "less.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 10
        gif.seek(9)
        row = np.asarray(gif.convert("RGB"))[165, :, 0] > 200
    assert np.flatnonzero(row).mean() == pytest.approx(30 * 19 + 15, abs=2)  # of two frames, the later one
    assert (tmp_path / "less.gif").stat().st_size < size
