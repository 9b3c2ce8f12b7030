"""In which order requests leave, and which of them need not leave at all. The thread is stopped: nothing is sent."""

from __future__ import annotations

import pytest

from npc_sdk.demo.designer import Designer
from npc_sdk.demo.settings import Request, Settings, reaches

EVERYBODY = reaches({0: [101, 102]}, 0)[0]


@pytest.fixture
def designer() -> Designer:
    made = Designer("tcp://127.0.0.1:9", "tcp://127.0.0.1:9")
    made.close()
    return made


def explain(npc: int) -> Request:
    return {"op": "explain", "npc": npc}


def turn(term: str, value: float) -> Request:
    (request,) = Settings().set_weight(EVERYBODY, term, value)
    return request


def left(designer: Designer, question: bool = True) -> Request | None:
    asked = designer._next(question)
    return None if asked is None else asked.request


def test_of_a_drag_only_the_newest_value_leaves_and_its_wait_counts_from_the_first(designer: Designer) -> None:
    designer.ask(turn("cover", 1.0))
    since = next(iter(designer._asked.values())).since
    designer.ask(turn("cover", 2.0))
    designer.ask(turn("exposure", 3.0))
    asked = designer._next(True)
    assert asked is not None
    assert (asked.request, asked.since) == (turn("cover", 2.0), since)
    assert left(designer) == turn("exposure", 3.0)
    assert left(designer) is None


def test_a_slider_does_not_wait_behind_questions(designer: Designer) -> None:
    designer.ask(explain(101), explain(102), turn("cover", 1.0), {"op": "replan", "npc": 101})
    assert left(designer) == turn("cover", 1.0)
    assert left(designer) == {"op": "replan", "npc": 101}  # in the order of the changes: it is to know the weight
    assert left(designer, question=False) is None
    assert left(designer) == explain(101)


def test_what_the_brain_had_no_time_for_is_asked_again_unless_there_is_something_newer(designer: Designer) -> None:
    designer.ask(turn("cover", 1.0))
    busy = designer._next(True)
    assert busy is not None
    designer._put_back(busy)
    assert left(designer) == turn("cover", 1.0)
    designer.ask(turn("cover", 2.0))
    designer._put_back(busy)
    asked = designer._next(True)
    assert asked is not None
    assert (asked.request, asked.since) == (turn("cover", 2.0), busy.since)


def test_swung_plans_are_timed_from_the_turn_to_the_revision_that_knows_it(designer: Designer) -> None:
    designer._swings.extend([(5, 0.0), (6, 0.0), (8, 0.0)])
    designer._hear("swing", 7, {"revision": 4, "npcs": []})
    assert designer.swing_ms.maxlen is not None
    assert len(designer.swing_ms) == 0
    designer._hear("swing", 7, {"revision": 6, "npcs": []})
    assert len(designer.swing_ms) == 2
    designer.follow(9)
    designer._hear("swing", 7, {"revision": 8, "npcs": []})  # of the session before
    assert (len(designer.swing_ms), designer.mind.revision) == (2, 0)
