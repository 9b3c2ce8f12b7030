"""The panel: sliders, buttons, and a why card whose rows add up."""

from __future__ import annotations

from dataclasses import replace

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.demo import theme
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
    persona_buttons,
    place_of,
    rows_of,
    weight_at,
)

AREA = pygame.Rect(656, 8, 616, 640)
VIEW = PanelView(
    reaches=("all", "squad A"),
    reach=0,
    knobs=(Knob("engage", 1.0, 1.0), Knob("exposure", 0.5, 0.5)),
    personas=persona_buttons({"sentry": {"description": "Stays.", "colour": "#00ff00"}, "flanker": {}}),
    persona="",
    hold_fire=False,
    why=None,
    selected="",
    connected=True,
    log=(),
)


@pytest.fixture
def panel() -> Panel:
    return Panel(AREA)


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


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 9), st.floats(-9, 9)), max_size=20),
    st.integers(1, 12),
)
def test_the_rows_of_the_why_card_add_up_whatever_room_there_is(
    parts: list[tuple[str, float, float]], room: int
) -> None:
    rows = rows_of(parts, room)
    assert len(rows) <= room
    assert sum(value for _, _, value in rows) == pytest.approx(sum(value for _, _, value in parts), abs=1e-9)


def test_a_panel_is_drawn_inside_its_area(panel: Panel) -> None:
    surface = pygame.Surface((1280, 720))
    surface.fill((1, 2, 3))
    panel.draw(surface, replace(VIEW, hold_fire=True, selected="npc 101"))
    inside = surface.subsurface(AREA).copy()
    surface.fill((1, 2, 3), AREA)
    assert pygame.transform.average_color(surface)[:3] == (1, 2, 3)
    assert pygame.transform.average_color(inside)[:3] != (1, 2, 3)


def test_colours_of_personas_are_read_and_bad_ones_are_grey() -> None:
    assert hex_colour("#0a0B0c") == (10, 11, 12)
    assert hex_colour("red") == hex_colour("#12345z") == theme.GREY
