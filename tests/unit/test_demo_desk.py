"""What a designer does at the desk: whom it acts on, what the panel shows meanwhile, and what is asked when."""

from __future__ import annotations

from typing import cast

import pytest
from fake_line import FakeLine

from npc_sdk.demo.designer import Designer
from npc_sdk.demo.desk import Desk
from npc_sdk.demo.match import Match
from npc_sdk.demo.panel import SLIDER_TERMS, Assigned, HeldFire, Reached, Turned
from npc_sdk.demo.scene import Why
from npc_sdk.demo.talk import Talk
from npc_sdk.envs.arena import ArenaConfig, make_map


class Table:
    """A desk with a match on it and a brain that says what a test says."""

    def __init__(self) -> None:
        self.line = FakeLine()
        self.talk = Talk(cast(Designer, self.line), echo=lambda requests: None)
        self.desk = Desk(self.talk)
        self.match = Match(make_map("test", 1), ArenaConfig(npcs=8), seed=1)
        self.desk.lay(self.match)
        self.talk.follow(1)
        self.line.asked.clear()

    def ops(self) -> list[str]:
        return [str(request["op"]) for request in self.line.asked]

    def value(self, term: str) -> float:
        return next(knob.value for knob in self.desk.view().knobs if knob.term == term)


@pytest.fixture
def table() -> Table:
    return Table()


def test_a_slider_shows_what_was_turned_until_the_brain_has_had_time_to_say_so(table: Table) -> None:
    table.talk.heard.take({"terms": [{"name": "exposure", "default": 0.5}]})
    table.desk.tick(100, led=True, frozen=False)
    assert table.value("exposure") == 0.5
    table.desk.touch(Turned("exposure", 4.0, 1))
    assert table.desk.turned("exposure") == 4.0
    assert (table.value("exposure"), table.value("attack")) == (4.0, 1.0)
    table.desk.tick(140, led=True, frozen=False)
    assert table.value("exposure") == 0.5  # the brain says otherwise
    table.talk.heard.take({"npcs": {"101": {"weights": {"exposure": 3.0}}}})
    assert table.value("exposure") == 3.0
    table.talk.follow(0)
    assert table.value("exposure") == 4.0  # it will be told to the next brain


def test_the_panel_acts_on_whom_it_names(table: Table) -> None:
    desk = table.desk
    assert [reach.label for reach in desk.reaches()] == ["all", "squad A", "squad B"]
    desk.touch(Reached(1))
    desk.touch(Assigned("sentry"))
    assert ("assign_persona", "squad:0") in {(r["op"], r.get("target")) for r in table.line.asked}
    desk.select(106)
    desk.touch(Reached(3))
    assert desk.view().selected == "npc 106, squad B"
    desk.select(0)
    assert desk.view().reach == 2  # the button is gone
    desk.touch(HeldFire())
    assert table.match.hold_fire
    desk.clear()
    assert desk.view().reach == 0
    assert table.talk.settings.replay() == []


def test_the_brain_hears_that_a_match_went_back_to_before_hold_fire_was_switched(table: Table) -> None:
    def told() -> list[object]:
        return [request["on"] for request in table.line.asked if request["op"] == "set_mode"]

    start = table.match.keep()
    table.desk.touch(HeldFire())
    assert told() == [True]
    table.match.back(start)
    table.desk.agree()
    assert told() == [True, False]
    table.talk.follow(2)  # what was not sent by now never will be
    assert told() == [False]


def test_hold_fire_stays_for_the_next_match_as_all_that_is_turned(table: Table) -> None:
    table.desk.touch(HeldFire())
    after = Match(make_map("test", 2), ArenaConfig(npcs=8), seed=2)
    table.desk.lay(after)
    assert after.hold_fire
    table.desk.clear()
    table.desk.lay(last := Match(make_map("test", 3), ArenaConfig(npcs=8), seed=3))
    assert not last.hold_fire


def test_the_key_goes_round_the_living(table: Table) -> None:
    first = table.match.first_npc
    table.match.arena.alive[0, [first + 1, *range(first + 4, first + 8)]] = False
    chosen = []
    for _ in range(4):
        table.desk.select_next()
        chosen.append(table.desk.selected)
    table.desk.select_next(-1)
    assert chosen == [101, 103, 104, 101]
    assert table.desk.selected == 104


def test_one_key_goes_round_the_usual_forecasts_that_the_brain_has(table: Table) -> None:
    def names() -> list[str]:
        return [str(request["name"]) for request in table.line.asked if request["op"] == "set_forecast"]

    for _ in range(3):
        table.desk.swap_forecast()
    assert names() == ["constant-velocity", "untrained", "learned"]
    table.talk.heard.take({"forecasts": ["constant-velocity", "frozen", "untrained"]})
    for _ in range(3):
        table.desk.swap_forecast()
    assert names()[3:] == ["constant-velocity", "untrained", "constant-velocity"]
    table.desk.swap_forecast("frozen")
    assert names()[-1] == "frozen"


def test_a_wish_gets_a_slider_once_it_is_taken_and_a_mistake_is_said_at_once(table: Table) -> None:
    table.desk.add_term("north")
    assert "column 6" in table.desk.refusal
    table.desk.add_term("north = self.y")
    assert table.desk.refusal == ""
    assert table.desk.wishes == ()
    table.line.answer({})
    table.talk.hear(1)
    assert [knob.term for knob in table.desk.view().knobs] == [*SLIDER_TERMS[:4], "north"]


def test_a_stroke_becomes_a_law_and_a_slip_of_the_hand_does_not(table: Table) -> None:
    for corner in ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0)):
        table.desk.sketch(corner)
    assert len(table.desk.stroke) == 3
    table.desk.end_sketch()
    assert table.desk.stroke == ()
    assert (len(table.desk.zones), table.desk.laws) == (1, ())
    table.line.answer({})
    table.talk.hear(1)
    assert table.desk.laws == table.desk.zones
    table.desk.sketch((5.0, 5.0))
    table.desk.end_sketch()
    assert "some area" in table.desk.refusal


def test_a_frozen_match_lets_everybody_say_why_and_a_running_one_the_selected(table: Table) -> None:
    def asked(frozen: bool) -> set[object]:
        table.line.asked.clear()
        for clock in range(60, 90):
            table.desk.tick(clock, led=True, frozen=frozen)
        return {request["npc"] for request in table.line.asked if request["op"] == "explain"}

    assert asked(False) == set()
    assert {"inspect", "status"} <= set(table.ops())
    table.desk.select(102)
    assert asked(False) == {102}
    assert asked(True) == set(range(101, 109))
    table.line.whys = {102: Why(102, "cover", "", 1.0, None, (), "")}
    table.desk.tick(91, led=True, frozen=True)
    assert table.desk.view().why == "Cover."

    table.line.asked.clear()
    table.desk.turn(table.desk.reaches()[0], "exposure", 2.0)
    table.line.asked.clear()
    table.desk.tick(120, led=False, frozen=False)
    assert "set_weights" in table.ops()  # what was asked before came to nothing
    table.line.asked.clear()
    table.talk.follow(0)
    table.desk.tick(121, led=False, frozen=False)
    assert table.ops() == []
