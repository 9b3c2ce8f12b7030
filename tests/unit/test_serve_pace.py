"""The lead follows what answers have taken, and which of them came in time."""

from __future__ import annotations

import pytest

from npc_sdk.serve.pace import MOST_TICKS, WINDOW, Pace

HZ = 30.0


def note(pace: Pace, latency_ms: float, tick: int = 0, lead: int = 1) -> None:
    pace.note(
        7, chunk=tick + 1, apply_tick=tick + lead, lead=lead, latency_ms=latency_ms, work_ms=latency_ms, tick_hz=HZ
    )


def settled(latency_ms: float) -> Pace:
    """A pace that has seen nothing but answers of one latency, one per tick."""
    pace = Pace()
    for tick in range(WINDOW):
        note(pace, latency_ms, tick)
    return pace


@pytest.mark.parametrize(
    ("latency_ms", "ticks"), [(5.0, 1), (48.0, 1), (51.0, 2), (82.0, 2), (84.0, 3), (120.0, 4), (500.0, MOST_TICKS)]
)
def test_until_it_knows_better_a_game_looks_half_a_frame_after_it_sends(latency_ms: float, ticks: int) -> None:
    pace = settled(latency_ms)
    assert pace.ticks(HZ) == ticks


def test_a_slow_spell_raises_the_lead_and_passes() -> None:
    pace = settled(10.0)
    for _ in range(5):
        note(pace, 90.0)
    assert pace.ticks(HZ) == 3
    for _ in range(WINDOW):
        note(pace, 10.0)
    assert pace.ticks(HZ) == 1


def test_answers_that_come_too_late_take_the_slack_away() -> None:
    pace = settled(40.0)
    assert pace.ticks(HZ) == 1
    pace.learn(7, tick=11, chunk=5, tick_hz=HZ)  # chunk 10, meant for tick 10, was not what ran in it
    assert pace.ticks(HZ) == 2


def test_answers_in_time_bring_the_slack_back() -> None:
    pace = Pace()
    late, in_time = 40.0, 45.0
    for tick in range(2000):
        note(pace, in_time, tick)
        pace.learn(7, tick=tick + 2, chunk=tick + 1, tick_hz=HZ)
    assert pace.ticks(HZ) == 1
    note(pace, late, 3000)
    pace.learn(7, tick=3002, chunk=2999, tick_hz=HZ)
    assert pace.ticks(HZ) == 2
    for tick in range(4000, 4400):
        note(pace, in_time, tick)
        pace.learn(7, tick=tick + 2, chunk=tick + 1, tick_hz=HZ)
    assert pace.ticks(HZ) == 1


def test_npcs_that_brake_although_an_answer_was_due_say_that_it_was_late() -> None:
    pace = settled(40.0)
    pace.learn(7, tick=11, chunk=0, tick_hz=HZ)
    assert pace.ticks(HZ) == 2


def test_an_answer_that_was_there_in_time_and_not_executed_says_nothing_about_lateness() -> None:
    pace = settled(10.0)
    pace.learn(7, tick=11, chunk=0, tick_hz=HZ)
    for tick in range(WINDOW):
        note(pace, 40.0, 100 + tick)
    assert pace.ticks(HZ) == 1


def test_a_game_that_left_is_forgotten() -> None:
    pace = settled(40.0)
    pace.forget(7)
    pace.learn(7, tick=11, chunk=0, tick_hz=HZ)
    assert pace.ticks(HZ) == 1


def test_a_snapshot_that_has_waited_too_long_is_passed_over() -> None:
    pace = Pace()
    assert pace.fresh(500.0, HZ)  # nothing is known yet
    for tick in range(WINDOW):
        note(pace, 40.0, tick)
    assert pace.ticks(HZ) == 1
    assert pace.fresh(5.0, HZ)
    assert not pace.fresh(15.0, HZ)


def test_where_no_answer_could_come_in_time_none_is_passed_over() -> None:
    slow, fixed = Pace(), Pace(1)
    for tick in range(WINDOW):
        note(slow, 180.0, tick)
        note(fixed, 60.0, tick)
    assert slow.fresh(20.0, HZ)
    assert fixed.fresh(20.0, HZ)


def test_a_fixed_lead_stays() -> None:
    pace = Pace(fixed=3)
    note(pace, 1.0)
    assert pace.ticks(HZ) == 3
