"""The theorem as a test: whatever is proposed, lost, late or braked, the independent checker finds nothing.

Section 5 of the plan's reference: random concave and needle-thin polygons, admitted starts, hostile streams. The shield
is the one that runs in play: by compiled loops where numba is there. The NumPy code that defines them plays the games
of `test_shield_mutants`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npc_sdk.constraints import NoStop
from npc_sdk.experiments.zoo import make_crowd, make_setting, play

RATES = st.sampled_from([20, 30, 60, 100, 144])


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**20),
    rate=RATES,
    speed=st.floats(0.3, 30.0),
    acceleration=st.floats(1.0, 100.0),
    size=st.floats(0.6, 2.0),
)
def test_no_proposal_stream_makes_an_admitted_npc_break_a_rule(
    seed: int, rate: int, speed: float, acceleration: float, size: float
) -> None:
    acceleration = max(acceleration, speed * rate / 60.0)  # stops within 60 ticks
    setting = make_setting(seed, 1.0 / rate, speed, acceleration, size)
    result = play(setting, seed, ticks=80)
    assert result.report.total("npc") == 0, result.report.examples[:3]
    for rule, found in result.report.rules.items():
        # The game raises the hold-fire flag without announcing it, and its others go where they please; there is
        # nobody else to blame for anything.
        known = {"hold_fire": "breach", "keep_away": "external", "stay_near": "external"}.get(rule)
        assert not any(count for who, count in found.violations.items() if who != known), result.report.examples[:3]
    assert result.tally.unguarded == 0  # it never comes off its certificate by itself


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**20), crowded=st.booleans())
def test_whatever_the_games_own_behaviour_leaves_behind_no_npc_is_to_blame(seed: int, crowded: bool) -> None:
    setting = make_crowd(seed) if crowded else make_setting(seed, size=0.8)
    result = play(replace(setting, kidnaps=0.01), seed, ticks=80)
    assert result.report.total("npc") == 0, result.report.examples[:3]


def test_games_of_as_many_npcs_as_belong_to_one_pit_and_doorway_are_drawn() -> None:
    def count(seed: int) -> int:
        rng = np.random.default_rng(seed)
        rng.choice(3)
        return int(rng.integers(2, 31))

    full = [seed for seed in range(400) if count(seed) == 30][:6]
    drawn = [make_setting(seed, most=30) for seed in full]
    assert any(isinstance(rule, NoStop) for setting in drawn for rule in setting.rules)
