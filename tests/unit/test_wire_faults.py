"""What a bad line does: everything within its bounds, all of it now and then, and the same again for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.experiments.wire.faults import Counts, Line, Weather, Worst

WORST = Worst()
TIMES = np.arange(0.0, 120.0, 1 / 30)


def fates(seed: int, key: int = 0, counts: Counts | None = None) -> list[tuple[float, ...]]:
    line = Line(Weather(seed, WORST), (seed, key), counts or Counts())
    return [line.take(float(now), 100)[1] for now in TIMES]


def test_the_same_seed_does_the_same_and_another_seed_or_line_does_not() -> None:
    assert fates(3) == fates(3)
    assert fates(3) != fates(4)
    assert fates(3, key=0) != fates(3, key=1)


@pytest.mark.parametrize("seed", range(5))
def test_messages_are_late_within_bounds_lost_and_sent_twice_about_as_often_as_said(seed: int) -> None:
    counts, weather = Counts(), Weather(seed, WORST)
    for now, leaves in zip(TIMES.tolist(), fates(seed, counts=counts), strict=True):
        stall = weather.stall(now)
        begin = now if stall is None else stall[1]
        assert all(begin <= leave <= begin + WORST.delay_s for leave in leaves)
        assert len(leaves) <= 2
    assert counts.sent == len(TIMES)
    assert 0.02 < counts.dropped / counts.sent < WORST.loss
    assert 0.01 < counts.duplicated / counts.sent < WORST.twice
    assert counts.delayed > 0.5 * (counts.sent - counts.dropped)
    assert max(max(leaves, default=0.0) - now for now, leaves in zip(TIMES, fates(seed), strict=True)) > WORST.stall_s


@pytest.mark.parametrize("seed", range(5))
def test_a_stall_comes_in_every_period_and_lasts_as_long_as_said(seed: int) -> None:
    weather = Weather(seed, WORST)
    found = {stall for now in TIMES.tolist() if (stall := weather.stall(now)) is not None}
    assert [number for number, _ in sorted(found)] == list(range(round(TIMES[-1] / WORST.stall_every_s)))
    ticks = sum(weather.stall(now) is not None for now in TIMES.tolist())
    assert ticks / 30 == pytest.approx(len(found) * WORST.stall_s, rel=0.05)


def test_what_leaves_after_a_later_one_counts_as_out_of_order() -> None:
    counts = Counts()
    line = Line(Weather(0, WORST), (0,), counts)
    for number in (0, 2, 2, 1, 3):
        line.leave(number)
    assert counts.reordered == 1


def test_some_messages_arrive_without_their_end() -> None:
    counts = Counts()
    line = Line(Weather(0, WORST), (0,), counts)
    sizes = [size for now in TIMES for _, leaves, size in [line.take(float(now), 100)] if leaves]
    assert all(0 <= size <= 100 for size in sizes)
    assert counts.truncated == sum(size < 100 for size in sizes) > 0
    assert len({size for size in sizes if size < 100}) > 10


def test_nothing_happens_in_calm_weather() -> None:
    counts, weather = Counts(), Weather(0, WORST)
    weather.calm = True
    line = Line(weather, (0,), counts)
    assert [line.take(float(now), 100) for now in TIMES] == [(k, (now,), 100) for k, now in enumerate(TIMES)]
    assert counts == Counts(sent=len(TIMES))
