"""An explanation is taken at its word: what is asked, in which order, and when it counts as kept."""

from __future__ import annotations

from npc_sdk.demo.flip import Flipping, is_replan_of
from npc_sdk.demo.scene import Flip, Why
from npc_sdk.demo.settings import Settings

FLIP = Flip("exposure", 0.6, 0.59, "flank_right")
REPLAN = {"op": "replan", "npc": 103}


def why(family: str, weight: float, flip: Flip | None = FLIP, tick: int = 30) -> Why:
    parts = (("exposure", weight, 0.4), ("cover", 1.0, 0.2))
    return Why(103, family, "hold", 0.6, 0.1, parts, "", tick, flip)


def test_the_promise_is_kept_when_the_named_plan_wins_at_the_named_weight() -> None:
    settings, flipping = Settings(), Flipping(103)
    assert flipping.begin() == [REPLAN]
    assert is_replan_of(REPLAN, 103)
    assert not is_replan_of(REPLAN, 104)
    turn, again = flipping.hear(why("flank_left", 1.0), settings)
    assert turn["changes"] == [{"scope": "npc:103", "term": "exposure", "value": 0.59}]
    assert again == REPLAN
    assert (flipping.verified, flipping.done) == (None, False)
    assert flipping.hear(why("flank_right", 0.59), settings) == []
    assert (flipping.verified, flipping.done) == (True, True)
    assert settings.own[103] == {"exposure": 0.59}


def test_another_plan_is_a_promise_that_was_not_kept() -> None:
    flipping = Flipping(103)
    flipping.begin()
    flipping.hear(why("flank_left", 1.0), Settings())
    flipping.hear(why("hold", 0.59), Settings())
    assert (flipping.verified, flipping.done) == (False, True)


def test_a_decision_about_another_moment_or_under_another_weight_proves_nothing() -> None:
    for late in (why("flank_right", 0.59, tick=31), why("flank_right", 1.0)):
        flipping = Flipping(103)
        flipping.begin()
        flipping.hear(why("flank_left", 1.0), Settings())
        assert flipping.hear(late, Settings()) == [REPLAN]
        assert (flipping.verified, flipping.done) == (None, False)


def test_it_gives_up_after_some_tries_and_at_once_where_nothing_flips() -> None:
    flipping, settings = Flipping(103), Settings()
    flipping.begin()
    for _ in range(20):
        flipping.hear(why("flank_left", 1.0), settings)
    assert (flipping.verified, flipping.done) == (None, True)
    flipping = Flipping(103)
    flipping.begin()
    assert flipping.hear(why("flank_left", 1.0, None), settings) == []
    assert (flipping.verified, flipping.done) == (None, True)
