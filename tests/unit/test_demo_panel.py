"""The panel: sliders, buttons, and one sentence why."""

from __future__ import annotations

from dataclasses import replace

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.demo import theme
from npc_sdk.demo.layout import PERSONAS, WEIGHTS, WHY
from npc_sdk.demo.panel import (
    MAX_WEIGHT,
    Assigned,
    HeldFire,
    Knob,
    Panel,
    PanelView,
    Reached,
    Turned,
    hex_colour,
    knob_place,
    persona_buttons,
    persona_place,
    place_of,
    reach_place,
    weight_at,
)

AREA = WEIGHTS.unionall([PERSONAS, WHY])
VIEW = PanelView(
    reaches=("all", "squad A"),
    reach=0,
    knobs=(Knob("engage", 1.0, 1.0), Knob("exposure", 0.5, 0.5)),
    personas=persona_buttons({"sentry": {"description": "Stays.", "colour": "#00ff00"}, "flanker": {}}),
    persona="",
    hold_fire=False,
    why="",
    selected="",
)


@pytest.fixture
def panel() -> Panel:
    return Panel()


def find(panel: Panel, view: PanelView, kind: type) -> list[tuple[tuple[int, int], object]]:
    """Presses everywhere, as a blind user would, and returns where something of that kind happened."""
    found = []
    for x in range(AREA.left, AREA.right, 6):
        for y in range(AREA.top, AREA.bottom, 6):
            touch = panel.press((x, y), view)
            panel.release()
            if isinstance(touch, kind):
                found.append(((x, y), touch))
    return found


@given(st.floats(0.0, 1.0))
def test_a_slider_shows_the_weight_that_was_set_by_its_place(place: float) -> None:
    assert place_of(weight_at(place)) == pytest.approx(place, abs=0.03)


def test_a_slider_reaches_from_nothing_to_its_end() -> None:
    assert weight_at(0.0) == 0.0
    assert weight_at(-3.0) == 0.0
    assert weight_at(1.0) == weight_at(5.0) == MAX_WEIGHT
    assert place_of(0.0) == 0.0
    assert place_of(100.0) == 1.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_further_right_is_never_less(a: float, b: float) -> None:
    assert weight_at(min(a, b)) <= weight_at(max(a, b))


def test_one_drag_turns_one_weight_and_is_one_drag(panel: Panel) -> None:
    at, touch = next((a, t) for a, t in find(panel, VIEW, Turned) if isinstance(t, Turned) and t.term == "exposure")
    assert isinstance(touch, Turned)
    pressed = panel.press(at, VIEW)
    moved = [panel.move((at[0] + d, at[1] + 40), VIEW) for d in (10, 20, 30)]
    assert isinstance(pressed, Turned)
    assert all(isinstance(m, Turned) and m.term == "exposure" and m.drag == pressed.drag for m in moved)
    panel.release()
    assert panel.move((at[0], at[1]), VIEW) is None
    assert panel.press(at, VIEW) != pressed


def test_a_right_click_puts_a_slider_back(panel: Panel) -> None:
    at, _ = find(panel, VIEW, Turned)[0]
    touch = panel.press(at, VIEW, reset=True)
    assert isinstance(touch, Turned)
    assert (touch.term, touch.value) == ("engage", 1.0)
    assert panel.move((at[0] + 50, at[1]), VIEW) is None


def test_buttons_say_what_they_are_for(panel: Panel) -> None:
    assert {t for _, t in find(panel, VIEW, Assigned)} == {Assigned("sentry"), Assigned("flanker")}
    assert {t for _, t in find(panel, VIEW, Reached)} == {Reached(0), Reached(1)}
    assert find(panel, VIEW, HeldFire)


def test_the_places_of_knobs_and_buttons_are_where_a_press_acts(panel: Panel) -> None:
    for weight in (0.0, 0.5, 2.0, MAX_WEIGHT):
        touch = panel.press(knob_place(VIEW, "exposure", weight), VIEW)
        panel.release()
        assert isinstance(touch, Turned)
        assert touch.term == "exposure"
        assert touch.value == pytest.approx(weight, rel=0.05)
    assert panel.press(persona_place(VIEW, "flanker"), VIEW) == Assigned("flanker")
    assert panel.press(reach_place(VIEW, -1), VIEW) == Reached(1)
    for place in (lambda: knob_place(VIEW, "grace", 1.0), lambda: persona_place(VIEW, "grace")):
        with pytest.raises(KeyError, match="grace"):
            place()


def test_a_knob_eases_to_a_weight_that_somebody_else_turned(panel: Panel) -> None:
    turned = replace(VIEW, knobs=(Knob("engage", 1.0, 1.0), Knob("exposure", 8.0, 0.5)))
    x, y = knob_place(turned, "exposure", 8.0)
    surface, white = pygame.Surface((1280, 720)), []
    panel.draw(surface, VIEW, 0.0)
    for passed in (0.02, 5.0):
        panel.draw(surface, turned, passed)
        white.append(surface.get_at((x, y))[:3] == theme.WHITE)
    assert white == [False, True]


def test_the_sentence_why_stands_in_its_card_and_a_long_one_is_not_cut(panel: Panel) -> None:
    surface = pygame.Surface((1280, 720))
    seen = []
    for why in (
        "",
        "Left.",
        "Left: right is 1.2 m nearer but seen 0.8 s longer; below exposure 0.6 I choose right. " * 2,
    ):
        panel.draw(surface, replace(VIEW, why=why, selected="npc 101"), 1.0)
        seen.append(pygame.image.tobytes(surface.subsurface(WHY), "RGB"))
    assert len(set(seen)) == 3


def test_a_panel_is_drawn_inside_its_area(panel: Panel) -> None:
    surface = pygame.Surface((1280, 720))
    surface.fill((1, 2, 3))
    panel.draw(surface, replace(VIEW, hold_fire=True, selected="npc 101"), 0.1)
    inside = surface.subsurface(AREA).copy()
    surface.fill((1, 2, 3), AREA)
    assert pygame.transform.average_color(surface)[:3] == (1, 2, 3)
    assert pygame.transform.average_color(inside)[:3] != (1, 2, 3)


def test_colours_of_personas_are_read_and_bad_ones_are_grey() -> None:
    assert hex_colour("#0a0B0c") == (10, 11, 12)
    assert hex_colour("red") == hex_colour("#12345z") == theme.GREY
