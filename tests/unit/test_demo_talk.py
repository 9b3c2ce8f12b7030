"""What is agreed with a brain: a new session hears everything again, rules count once confirmed, refusals are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from fake_line import FakeLine

from npc_sdk.demo.designer import Designer
from npc_sdk.demo.heard import Heard
from npc_sdk.demo.settings import Reach, Request
from npc_sdk.demo.talk import Talk

SPACING: Request = {"rule": "ally_distance", "name": "spacing", "distance": 0.8}
SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
EXPLANATION = {
    "npc": 101,
    "family": "flank_left",
    "parts": [{"term": "exposure", "weight": 1.0, "value": 0.4}],
    "flips": [{"term": "exposure", "weight": 0.6, "past": 0.59, "family": "flank_right", "leads": [0.1]}],
}
EVERYBODY = Reach("all", "global", (101, 102))


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def echoed() -> list[Request]:
    return []


@pytest.fixture
def talk(line: FakeLine, echoed: list[Request]) -> Talk:
    def echo(requests: Sequence[Request]) -> None:
        echoed.extend(requests)

    talk = Talk(cast(Designer, line), echo)
    talk.open([SPACING], played=0)
    return talk


def test_a_session_counts_as_agreed_once_every_rule_is_confirmed_and_a_new_one_does_not(
    talk: Talk, line: FakeLine
) -> None:
    assert not talk.agreed
    talk.follow(7)
    assert [request["op"] for request in line.asked] == ["add_rule"]
    line.answer({})
    talk.hear(played=40)
    assert talk.agreed
    assert talk.confirmed == 40
    talk.insist()
    line.answer({})
    talk.hear(played=90)
    assert talk.confirmed == 40  # it has bound since then

    talk.follow(7)
    assert talk.agreed
    talk.follow(8)
    assert not talk.agreed
    assert line.sessions == [7, 8]
    talk.follow(0)
    assert line.asked == []


def test_what_was_turned_is_told_to_a_new_session_and_to_the_control_match(
    talk: Talk, line: FakeLine, echoed: list[Request]
) -> None:
    talk.follow(1)
    talk.change(*talk.settings.set_weight(EVERYBODY, "exposure", 3.0))
    assert line.asked[-1] == echoed[-1]
    talk.follow(2)
    assert [request["op"] for request in line.asked] == ["add_rule", "set_weights"]
    talk.reset()
    talk.follow(3)
    assert line.asked == []


def test_a_zone_is_a_law_from_its_confirmation_and_may_be_refused(talk: Talk, line: FakeLine) -> None:
    talk.follow(1)
    line.answer({})
    talk.hear(5)
    talk.forbid(SQUARE)
    assert talk.paint.zones == (SQUARE,)
    assert not talk.painted
    line.answer({})
    talk.hear(9)
    assert talk.painted
    assert talk.agreed
    assert talk.confirmed == 5  # the match's own rules were known before
    assert talk.paint.bound(played=30, delay=20) == (SQUARE,)
    talk.follow(2)
    assert len(line.asked) == 2  # the zone again, too
    talk.allow()
    assert "painted_1" not in talk.settings.rules

    talk.forbid(SQUARE)
    line.answer("expected a place that all of them allow")
    talk.hear(12)
    assert talk.paint.zones == ()
    assert talk.refusal == "expected a place that all of them allow"


def test_a_wish_and_a_forecast_are_kept_only_if_the_brain_takes_them(
    talk: Talk, line: FakeLine, echoed: list[Request]
) -> None:
    talk.follow(1)
    line.asked.clear()
    wish: Request = {"op": "add_term", "name": "north", "expression": "self.y"}
    talk.ask(wish)
    line.answer("column 1: no")
    talk.hear(1)
    assert not talk.settings.terms
    talk.ask(wish)
    line.answer({})
    talk.hear(2)
    assert talk.settings.terms == {"north": wish}
    assert echoed == [wish]

    swap = talk.settings.set_forecast("untrained")
    talk.ask(*swap)
    assert echoed == [wish]
    line.answer({})
    talk.hear(3)
    assert echoed == [wish, *swap]

    talk.ask(*talk.settings.set_forecast("nonsense"))
    line.answer("unknown forecast")
    talk.hear(3)
    assert talk.settings.forecast == "learned"  # what the brain plans with
    assert echoed == [wish, *swap]

    talk.ask({"op": "status"})
    line.answer({"weights_sha256": "abc"})
    talk.hear(4)
    assert talk.weights_sha256 == "abc"


def test_the_weight_that_a_flip_moves_moves_in_the_control_match_too(
    talk: Talk, line: FakeLine, echoed: list[Request]
) -> None:
    talk.follow(1)
    line.answer({})
    talk.hear(1)
    talk.flip(101)
    assert [request["op"] for request in line.asked] == ["replan"]
    line.answer({"explanation": EXPLANATION})
    talk.hear(2)
    turned, again = line.asked
    assert again["op"] == "replan"
    assert turned["changes"] == [{"scope": "npc:101", "term": "exposure", "value": 0.59}]
    assert echoed == [turned]  # the decision itself is the real match's alone


def test_weights_are_heard_by_npc_and_defaults_by_persona() -> None:
    heard = Heard()
    assert heard.default("exposure", "") == 1.0
    assert heard.spans == []
    heard.take(
        {
            "terms": [{"name": "exposure", "default": 0.5}, {"name": "flank", "default": 0.2}],
            "personas": {"sentry": {"colour": "#102030", "weights": {"exposure": 2.0}}},
            "npcs": {"101": {"weights": {"exposure": 0.5}}, "102": {"weights": {"exposure": 2.0}}},
            "forecasts": ["learned", "frozen"],
        }
    )
    assert (heard.default("exposure", "sentry"), heard.default("flank", "sentry")) == (2.0, 0.2)
    assert heard.spans == [{"term": "exposure", "low": 0.5, "high": 2.0}]
    assert [(button.name, button.colour) for button in heard.personas] == [("sentry", (16, 32, 48))]
    heard.take({"npcs": {}, "terms": "nonsense"})
    assert heard.forecasts == ("learned", "frozen")
    assert heard.default("exposure", "") == 0.5
    assert heard.spans == []
