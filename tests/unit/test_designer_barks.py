from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.designer.barks import BARK_KEYS, BARK_TEXTS, BARKS, BarkTracker, Intent, bark_key, motion

PLAYER = np.array([10.0, 0.0])


def path(x: float, y: float) -> np.ndarray:
    return np.linspace([0.0, 0.0], [x, y], 21)


def intent(x: float, y: float, family: str = "seek", leading: str = "", seen: bool = True, npc: int = 101) -> Intent:
    return Intent(npc, family, leading, path(x, y), PLAYER, seen)


def said(number: int) -> str:
    return BARKS[number].key


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0.0, 0.0, "hold"),
        (0.3, 0.3, "hold"),
        (4.0, 0.0, "advance"),
        (-4.0, 0.0, "retreat"),
        (2.0, 3.0, "flank_left"),
        (2.0, -3.0, "flank_right"),
        (0.0, 4.0, "flank_left"),
        (4.0, 0.4, "advance"),
    ],
)
def test_motion_is_named_as_the_mover_sees_it(x: float, y: float, expected: str) -> None:
    assert motion(path(x, y), PLAYER) == expected


@given(st.floats(-math.pi, math.pi), st.floats(-6, 6), st.floats(-6, 6))
def test_motion_does_not_depend_on_where_north_is(angle: float, x: float, y: float) -> None:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    margin = 1e-6  # at the very border of two names rounding decides
    for dx in (-margin, margin):
        straight = motion(path(x + dx, y), PLAYER)
        if straight == motion(path(x - dx, y), PLAYER):
            assert motion(path(x, y) @ turn.T + 3.0, PLAYER @ turn.T + 3.0) in (straight, motion(path(x, y), PLAYER))


def test_a_bark_never_names_a_flank_that_is_not_walked() -> None:
    assert bark_key(intent(4.0, 0.0, family="flank_left")) == "advance"
    assert bark_key(intent(1.0, -4.0, family="flank_left")) == "flank_right"
    assert bark_key(intent(1.0, 4.0, family="flank_left")) == "flank_left"


def test_the_leading_term_speaks_only_where_the_motion_agrees() -> None:
    assert bark_key(intent(-3.0, 0.0, leading="cover")) == "cover"
    assert bark_key(intent(4.0, 0.0, leading="cover")) == "advance"
    assert bark_key(intent(-3.0, 0.0, leading="danger")) == "danger"
    assert bark_key(intent(0.0, 0.0, leading="danger")) == "hold"
    assert bark_key(intent(4.0, 0.0, leading="cohesion")) == "regroup"
    assert bark_key(intent(4.0, 0.0, leading="spacing")) == "spread"
    assert bark_key(intent(4.0, 0.0, seen=False)) == "search"


def test_an_npc_speaks_when_its_intent_changes_and_not_before() -> None:
    tracker = BarkTracker(tick_hz=30)
    assert tracker.update(0, intent(4.0, 0.0)) == 0
    assert tracker.update(3, intent(4.0, 0.0)) == 0
    assert said(tracker.update(6, intent(1.0, 4.0, family="flank_left"))) == "flank_left"
    assert tracker.update(9, intent(1.0, 4.0, family="flank_left")) == 0


def test_an_npc_is_quiet_for_a_while_and_then_tells_what_is_still_news() -> None:
    tracker = BarkTracker(tick_hz=30, quiet_s=3.0)
    tracker.update(0, intent(4.0, 0.0))
    assert tracker.update(3, intent(1.0, 4.0, family="flank_left")) != 0
    assert tracker.update(30, intent(-4.0, 0.0, family="retreat")) == 0
    assert tracker.update(92, intent(-4.0, 0.0, family="retreat")) == 0
    assert said(tracker.update(93, intent(-4.0, 0.0, family="retreat"))) == "retreat"


def test_a_change_that_went_back_is_not_told() -> None:
    tracker = BarkTracker(tick_hz=30, quiet_s=3.0)
    tracker.update(0, intent(4.0, 0.0))
    tracker.update(3, intent(1.0, 4.0, family="flank_left"))
    tracker.update(30, intent(-4.0, 0.0, family="retreat"))
    assert tracker.update(120, intent(1.0, 4.0, family="flank_left")) == 0


def test_the_same_line_is_not_said_twice_in_a_row() -> None:
    tracker = BarkTracker(tick_hz=30, quiet_s=1.0)
    tracker.update(0, intent(4.0, 0.0))
    assert said(tracker.update(30, intent(1.0, 4.0, family="flank_left"))) == "flank_left"
    assert tracker.update(90, intent(1.0, 4.0, family="flank_left", leading="flank")) == 0


def test_two_npcs_do_not_talk_over_each_other() -> None:
    tracker = BarkTracker(tick_hz=30, squad_quiet_s=0.8)
    for npc in (101, 102):
        tracker.update(0, intent(4.0, 0.0, npc=npc))
    assert tracker.update(30, intent(-4.0, 0.0, family="retreat", npc=101)) != 0
    assert tracker.update(31, intent(-4.0, 0.0, family="retreat", npc=102)) == 0
    assert tracker.update(54, intent(-4.0, 0.0, family="retreat", npc=102)) != 0


def test_ids_are_stable_and_zero_is_silence() -> None:
    assert [bark.id for bark in BARKS] == list(range(len(BARKS)))
    assert BARK_TEXTS[0] == ""
    assert all(BARK_TEXTS[1:])
    assert len(set(BARK_KEYS)) == len(BARKS) - 1
    assert replace(BARKS[2], text="x").key == "flank_left"
