"""Where an NPC imagines the player, and why it does what it does, in words: both say what the numbers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_sdk.demo.because import READ_S, Telling, because
from npc_sdk.demo.ghosts import APART, MOST, ghosts
from npc_sdk.demo.scene import Flip, Thought, Why


def to(*place: float) -> NDArray[np.float32]:
    return (np.array([[1.0], [2.0], [3.0]]) / 3.0 * np.array(place)).astype(np.float32)


def thought(costs: list[float], ends: list[tuple[float, float]], feasible: list[bool] | None = None) -> Thought:
    return Thought(
        family="keep",
        objective=min(costs, default=0.0),
        lead=0.1,
        path=to(1.0, 1.0),
        alternatives=np.zeros((len(costs), 2, 2), np.float32),
        alternatives_objective=np.array(costs),
        feasible=np.array(feasible or [True] * len(costs), np.bool_),
        ghost=to(*(ends[0] if ends else (0.0, 0.0))),
        ghosts=np.array([to(*end) for end in ends], np.float32).reshape(len(ends), 3, 2),
        exposed=False,
    )


def test_answers_that_do_not_differ_are_one_ghost() -> None:
    found = ghosts(thought([1.0, 1.1, 1.2], [(3.0, 0.0), (3.0, 0.5 * APART), (3.0, 0.0)]))
    assert len(found) == 1
    assert found[0].share == pytest.approx(1.0)


def test_an_undecided_npc_imagines_the_player_in_several_places_the_answer_to_its_plan_first() -> None:
    found = ghosts(thought([1.0, 1.01, 5.0], [(3.0, 0.0), (0.0, 3.0), (-3.0, 0.0)]))
    assert [ghost.path[-1].tolist() for ghost in found] == [[3.0, 0.0], [0.0, 3.0]]  # the third is worth too little
    assert found[0].share > found[1].share > 0.4


def test_no_more_ghosts_than_can_be_told_apart_and_their_shares_are_no_more_than_one() -> None:
    ends = [(3.0 * k, 0.0) for k in range(8)]
    found = ghosts(thought([1.0 + 1e-3 * k for k in range(8)], ends))
    assert len(found) <= MOST
    assert sum(ghost.share for ghost in found) <= 1.0


def test_a_plan_that_breaks_a_rule_or_has_no_cost_says_nothing_about_the_player() -> None:
    told = thought([1.0, 0.5, float("nan")], [(3.0, 0.0), (0.0, 3.0), (0.0, -3.0)], [True, False, True])
    assert len(ghosts(told)) == 1
    assert len(ghosts(thought([1.0, 1.0], [(3.0, 0.0), (0.0, 3.0)], [False, False]))) == 1
    assert ghosts(Thought("keep", 1.0, 0.1, to(1, 1), to(1, 1)[None], np.ones(1), np.ones(1, np.bool_),
                          np.zeros((0, 2), np.float32), np.zeros((0, 0, 2), np.float32), False)) == ()  # fmt: skip


def why(leads: dict[str, float], weight: float = 0.5, flip: Flip | None = None, runner_up: str = "flank_right") -> Why:
    parts = tuple((term, weight, 1.0) for term in leads)
    return Why(101, "flank_left", runner_up, 1.0, 0.1, parts, "", flip=flip, leads=leads)


def test_a_sentence_tells_differences_in_what_one_can_see() -> None:
    # Seen 0.3 s longer: 0.4 of the 0.71 s that 2 s count, in units of 0.25, times the weight.
    # 1.2 m nearer: in units of 4 m.
    leads = {"exposure": 0.5 * 0.4 / 0.25, "approach": -0.5 * 1.2 / 4.0}
    assert because(why(leads)) == "Left: right is 1.2 m nearer but seen 0.3 s longer."
    assert because(why({"attack": 0.5 * 0.3 / 7.08 / 0.01})) == "Left: right is 0.3 hits weaker."


def test_the_plan_that_is_compared_is_the_one_that_the_named_change_leads_to() -> None:
    nearer, stronger = {"approach": -0.5 * 1.2 / 4.0}, {"attack": -0.5 * 0.3 / 7.08 / 0.01}
    down = why(nearer, flip=Flip("approach", 0.6, 0.59, "flank_right", nearer))
    assert because(down) == "Left: right is 1.2 m nearer; below approach 0.60 I choose right."
    parts = (("approach", 0.5, 1.0), ("attack", 0.5, 1.0))
    up = replace(why(nearer, flip=Flip("attack", 1.5, 1.52, "cover", stronger)), parts=parts)
    assert because(up) == "Left: cover is 0.3 hits stronger; above attack 1.50 I choose cover."


def test_the_loudest_difference_is_told_that_is_large_enough_to_be_told() -> None:
    assert "farther from cover" in because(why({"cover": 0.3, "exposure": 0.2}))
    assert "0.0" not in because(why({"exposure": 0.5 * 0.001, "spacing": 0.5 * 0.0004, "cover": 1e-4}))


def test_a_wish_of_the_designers_own_is_told_by_its_weighted_part() -> None:
    assert because(why({"north": 0.73})) == "Left: right is 0.73 worse on north."
    assert because(why({"north": -0.73})) == "Left: right is 0.73 better on north."


def test_a_plan_that_the_shield_changed_says_so() -> None:
    told = replace(why({}, runner_up=""), shield="the shield changed it: spacing")
    assert because(told) == "Left; the shield changed it: spacing."


def test_a_sentence_stays_until_it_can_be_read_unless_it_was_asked_for() -> None:
    first, second = why({}, runner_up=""), replace(why({}, runner_up=""), family="cover")
    telling = Telling()
    for told, now, at_once, text in (
        (first, 0.0, False, "Left."),
        (second, 0.1, False, "Left."),
        (second, 0.2, True, "Cover."),
        (first, 0.2 + READ_S, False, "Left."),
        (replace(second, npc=102), 3.0, False, "Cover."),
        (None, 3.1, False, ""),
    ):
        telling.hear(told, now, at_once)
        assert telling.text == text


def test_without_a_rival_or_a_difference_little_is_said() -> None:
    assert because(why({}, runner_up="")) == "Left."
    assert because(why({})) == "Left: right is as good."
    assert because(why({}, runner_up="flank_left")) == "Left: another way is as good."
