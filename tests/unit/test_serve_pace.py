"""The lead follows what answers have taken."""

from __future__ import annotations

import pytest

from npc_sdk.serve.pace import MOST_TICKS, WINDOW, Pace


@pytest.mark.parametrize(
    ("latency_ms", "ticks"), [(5.0, 1), (28.0, 1), (31.0, 2), (60.0, 2), (70.0, 3), (110.0, 4), (500.0, MOST_TICKS)]
)
def test_the_lead_covers_the_latency_and_no_more(latency_ms: float, ticks: int) -> None:
    pace = Pace()
    for _ in range(WINDOW):
        pace.note(latency_ms)
    assert pace.ticks(30.0) == ticks


def test_a_slow_spell_raises_the_lead_and_passes() -> None:
    pace = Pace()
    for _ in range(WINDOW):
        pace.note(10.0)
    for _ in range(5):
        pace.note(80.0)
    assert pace.ticks(30.0) == 3
    for _ in range(WINDOW):
        pace.note(10.0)
    assert pace.ticks(30.0) == 1


def test_a_fixed_lead_stays() -> None:
    pace = Pace(fixed=3)
    pace.note(1.0)
    assert pace.ticks(30.0) == 3
