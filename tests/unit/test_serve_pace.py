"""The lead follows what answers have taken, and which of them came in time."""

from __future__ import annotations

import pytest

from npc_sdk.serve.pace import FEW, MOST_TICKS, START_TICKS, WINDOW, Pace

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


@pytest.mark.parametrize(("age_ms", "ticks"), [(0.0, 2), (16.0, 2), (17.0, 3), (60.0, 4), (900.0, MOST_TICKS)])
def test_a_snapshot_that_waited_for_the_maps_tables_is_answered_further_ahead(age_ms: float, ticks: int) -> None:
    assert Pace().ticks(HZ, age_ms) == ticks
    assert settled(5.0).ticks(HZ, age_ms) == 1, "later on such a one is passed over"


def test_the_work_on_a_games_first_answer_says_nothing() -> None:
    pace = Pace()
    note(pace, 120.0)
    assert pace.ticks(HZ) == 2, "as before anything is known"
    for tick in range(1, FEW + 1):
        note(pace, 20.0, tick)
    assert pace.ticks(HZ) == 1


def test_a_few_quick_answers_do_not_shorten_the_lead_but_a_slow_one_lengthens_it() -> None:
    quick, slow = Pace(), Pace()
    for tick in range(FEW):
        note(quick, 5.0, tick)
        assert quick.ticks(HZ) == START_TICKS
    note(quick, 5.0, FEW)
    assert quick.ticks(HZ) == 1
    note(slow, 5.0)
    note(slow, 90.0, 1)
    assert slow.ticks(HZ) == 3


def test_a_slow_spell_raises_the_lead_and_passes() -> None:
    pace = settled(10.0)
    for _ in range(5):
        note(pace, 90.0)
    assert pace.ticks(HZ) == 3
    for _ in range(WINDOW):
        note(pace, 10.0)
    assert pace.ticks(HZ) == 1


def played(pace: Pace, first: int, ticks: int, latency_ms: float, executed: int = 1) -> None:
    """Goes on for some ticks, in each of which the game executed the `executed`-th newest answer or none (0)."""
    for tick in range(first, first + ticks):
        pace.learn(7, tick=tick, chunk=max(0, tick - executed) if executed else 0, tick_hz=HZ)
        note(pace, latency_ms, tick)


@pytest.mark.parametrize("executed", [2, 3, 0])  # the answer before, the one before that, none: all braked
def test_answers_that_come_too_late_take_the_slack_away(executed: int) -> None:
    pace = Pace()
    played(pace, 0, 60, 40.0)
    assert pace.ticks(HZ) == 1
    played(pace, 60, 30, 40.0, executed)
    assert pace.ticks(HZ) == 2
    played(pace, 90, 500, 40.0)
    assert pace.ticks(HZ) == 1, "answers in time bring it back"


def test_one_late_answer_in_forty_is_no_reason_to_aim_further_ahead() -> None:
    pace = Pace()
    played(pace, 0, 60, 40.0)
    for spell in range(20):
        start = 60 + 40 * spell
        played(pace, start, 1, 40.0, executed=2)
        played(pace, start + 1, 39, 40.0)
        assert pace.ticks(HZ) == 1


def test_one_in_ten_is() -> None:
    pace = Pace()
    played(pace, 0, 60, 40.0)
    for spell in range(30):
        played(pace, 60 + 10 * spell, 1, 40.0, executed=2)
        played(pace, 61 + 10 * spell, 9, 40.0)
    assert pace.ticks(HZ) == 2


def test_a_pause_of_the_game_says_nothing() -> None:
    pace = Pace()
    played(pace, 0, 60, 40.0)
    for spell in range(1, 40):  # it comes back, and what it executes is of before the pause
        pace.learn(7, tick=100 * spell, chunk=3, tick_hz=HZ)
        for tick in range(5):
            note(pace, 40.0, 100 * spell + tick)
    assert pace.ticks(HZ) == 1


def test_an_answer_that_was_there_in_time_and_not_executed_says_nothing_about_lateness() -> None:
    pace = settled(10.0)
    pace.learn(7, tick=11, chunk=0, tick_hz=HZ)
    for tick in range(WINDOW):
        note(pace, 40.0, 100 + tick)
    assert pace.ticks(HZ) == 1


def test_a_game_that_left_is_forgotten() -> None:
    pace = settled(40.0)
    for game in range(0, 4000, 100):
        played(pace, game, 2, 40.0)
        pace.forget(7)
        pace.learn(7, tick=game + 3, chunk=0, tick_hz=HZ)
        pace.forget(7)
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
