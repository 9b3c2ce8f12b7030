from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npc_sdk.experiments import sweep
from npc_sdk.experiments.contest import Score, duel
from npc_sdk.experiments.kept import Cache
from npc_sdk.experiments.sweep import LEVELS, NAMES, Curve, SweepConfig, cross_talk, ranges, told_apart, verdict
from npc_sdk.objectives.terms import DEFAULT_TERMS

EFFORT = DEFAULT_TERMS.terms[DEFAULT_TERMS.index("effort")]  # speed_m_s falls
SPEED = NAMES.index("speed_m_s")
SEEDS = 4


def played(speeds: list[float]) -> Curve:
    """A curve in which nothing but the speed changes, with noise that the seeds share."""
    noise = np.linspace(-0.1, 0.1, SEEDS)
    metrics = np.ones((len(speeds), SEEDS, len(NAMES))) + noise[:, None]
    metrics[:, :, SPEED] = np.array(speeds)[:, None] + noise
    return Curve("effort", metrics)


def flat(speed: float) -> np.ndarray:
    return played([speed]).metrics[0]


def judge(speeds: list[float], random: float = 3.0, best: float = 0.0) -> sweep.Verdict:
    curve = played(speeds)
    scales = ranges([EFFORT], [curve], flat(random), [flat(best)])
    return verdict(EFFORT, curve, flat(random), flat(best), scales)


def test_a_slider_that_does_what_it_says_works() -> None:
    found = judge([2.4, 2.0, 1.6, 1.2, 0.8, 0.4, 0.3])
    assert found.grade == "works"
    assert found.spearman == pytest.approx(1.0)
    assert found.moved == pytest.approx(2.1 / 3.0)
    assert found.step_errors == 0
    assert found.cross_talk == pytest.approx(0.0)


def test_a_slider_that_moves_nothing_is_dead_and_named() -> None:
    assert judge([1.0] * 7).grade == "dead"


def test_a_slider_that_works_the_wrong_way_round_is_dead() -> None:
    found = judge([0.3, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4])
    assert found.grade == "dead"
    assert found.spearman == pytest.approx(-1.0)
    assert found.moved < 0


def test_a_perfect_order_with_no_effect_is_weak() -> None:
    found = judge([2.00, 1.99, 1.98, 1.97, 1.96, 1.95, 1.94])
    assert (found.grade, found.step_errors) == ("weak", 0)


def test_a_level_worse_than_random_widens_the_range() -> None:
    assert judge([6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]).moved == pytest.approx(1.0)


def test_cross_talk_shows_what_else_moved() -> None:
    curve = played([2.0, 1.0])
    other = NAMES.index("range_error_m")
    curve.metrics[1, :, other] += 0.5
    talk = cross_talk([curve], {"speed_m_s": 2.0, "range_error_m": 1.0})
    assert talk[0, SPEED] == pytest.approx(-0.5)
    assert talk[0, other] == pytest.approx(0.5)


def test_personas_that_differ_are_told_apart_and_copies_are_not() -> None:
    rng = np.random.default_rng(0)
    same = rng.normal(size=(4, 10, len(NAMES)))
    assert told_apart(same) < 0.6
    apart = same + 6 * rng.normal(size=(4, 1, len(NAMES)))
    apart[:, :, 3] = np.nan  # a metric that nobody has is left out
    apart[0, 0, 5] = np.nan
    assert told_apart(apart) > 0.9


def test_a_cut_short_sweep_goes_on_and_another_setting_starts_anew(tmp_path: Path) -> None:
    made: list[str] = []

    def make(tag: str) -> np.ndarray:
        made.append(tag)
        return np.array([1.0, np.nan])

    for _ in range(2):
        kept = Cache(tmp_path, "a").get("term", lambda: make("a"))
        assert np.isnan(kept[1])
    Cache(tmp_path, "b").get("term", lambda: make("b"))
    assert made == ["a", "b"]


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    asked = "from npc_sdk.experiments.sweep import SweepConfig; print(SweepConfig().fingerprint('x'))"
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    told = subprocess.run(
        [sys.executable, "-c", asked],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()
    assert told == SweepConfig().fingerprint("x")


def test_every_setting_has_its_own_fingerprint() -> None:
    prints = {
        SweepConfig().fingerprint("x"),
        SweepConfig(seconds=3.0).fingerprint("x"),
        SweepConfig(seeds=9).fingerprint("x"),
        SweepConfig().fingerprint("y"),
    }
    assert len(prints) == 4


def test_levels_are_octaves_around_one() -> None:
    assert LEVELS == (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def test_sweeps_and_fights_are_on_held_out_maps() -> None:
    assert all(m.name.startswith("test-") for m in SweepConfig(seeds=2).fights().maps)


def score(name: str, values: np.ndarray) -> Score:
    return Score(name, values, values, 0 * values, 0 * values, 0 * values + 1)


def test_a_duel_is_won_by_the_lower_bound_of_paired_fights() -> None:
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 50, 32)  # of the map and the player, shared by the pair
    better, worse = score("planned", luck + 10 + rng.normal(0, 3, 32)), score("chase", luck)
    assert duel(better, worse).beats
    assert not duel(worse, better).beats
    assert not duel(score("planned", luck[::-1] + 10), worse).beats, "unpaired, the same lead proves nothing"
