"""Radii of forecasts: as wide as finite samples ask for, honest again after players change, of these weights alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from npc_sdk.errors import ModelError
from npc_sdk.world.conformal import GAMMA, Adaptive, Calibration, quantile, read_calibration, scores

LEVELS = (0.8, 0.9, 0.95, 0.99)


def drawn(rng: np.random.Generator, count: int, widen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a walk of ten steps about its forecast, of fights of unlike scales, and what was said of the scale."""
    size = rng.uniform(0.2, 2.0, (count, 1))
    error = np.abs(np.cumsum(rng.standard_t(4, (count, 10)), 1)) * size * widen
    return error, size * np.sqrt(np.arange(1, 11))


def test_radii_hold_as_often_as_they_say_in_fights_like_those_they_are_from() -> None:
    rng = np.random.default_rng(3)
    test_error, test_scale = drawn(rng, 20_000)
    fresh = scores(test_error, test_scale)[:, -1]
    for level in LEVELS:
        held = []
        for _ in range(20):
            ordered = np.sort(scores(*drawn(rng, 400))[:, -1])
            held.append(float((fresh <= quantile(ordered, 1 - level)).mean()))
        assert abs(np.mean(held) - level) < 0.015, level


def test_a_small_sample_is_rounded_up_to_one_score_more() -> None:
    ordered = np.arange(1.0, 20.0)  # 19 scores: exactly enough for 95 %
    assert quantile(ordered, 0.05) == 19.0
    assert quantile(ordered[:-1], 0.05) == math.inf
    assert quantile(ordered, 0.5) == 10.0
    assert quantile(ordered, 1.0) == 0.0
    assert quantile(ordered, -0.2) == math.inf


def test_the_score_of_a_window_is_its_worst_step() -> None:
    table = scores(np.array([[1.0, 3.0, 2.0]]), np.array([[1.0, 1.0, 4.0]]))
    assert table.tolist() == [[1.0, 3.0, 3.0]]


def played(gamma: float, seed: int = 5) -> np.ndarray:
    """Whether each of 6,000 forecasts held; after the first 2,000 the player strays 1.6 times as far."""
    rng = np.random.default_rng(seed)
    ordered = np.sort(scores(*drawn(rng, 2000))[:, -1])
    rate = Adaptive(0.95, gamma)
    held = []
    for i in range(6000):
        error, scale = drawn(rng, 1, 1.6 if i >= 2000 else 1.0)
        factor = quantile(ordered, rate.alpha)
        centre = np.zeros((10, 2))
        rate.issue(0, centre, factor * scale[0])
        before = rate.held
        for k in range(10):
            rate.look(3 * (k + 1), np.array([error[0, k], 0.0]), 3)
        held.append(rate.held - before)
    assert rate.settled == 6000
    return np.array(held)


def test_coverage_comes_back_after_the_player_has_changed() -> None:
    moved, fixed = played(GAMMA), played(0.0)
    assert abs(fixed[:2000].mean() - 0.95) < 0.02
    assert fixed[2000:].mean() < 0.88  # so the shift is one
    assert abs(moved[3000:].mean() - 0.95) < 0.01
    worst = np.convolve(moved[2500:], np.ones(500) / 500, "valid").min()
    assert worst > 0.90


def test_what_nobody_saw_says_nothing() -> None:
    rate = Adaptive(0.9)
    rate.issue(0, np.zeros((4, 2)), np.ones(4))
    for tick in (3, 6, 9, 12):
        rate.look(tick, None, 3)
    assert (rate.settled, rate.alpha) == (0, pytest.approx(0.1))
    assert math.isnan(rate.coverage)


def test_feedback_comes_when_the_last_step_has_passed_and_not_before() -> None:
    rate = Adaptive(0.9, 0.01)
    rate.issue(0, np.zeros((4, 2)), np.ones(4))
    for tick in (3, 6, 9):
        rate.look(tick, np.array([5.0, 0.0]), 3)
        assert rate.settled == 0
        assert rate.alpha == pytest.approx(0.1)
    rate.look(12, np.array([0.0, 0.0]), 3)
    assert (rate.settled, rate.held) == (1, 0)
    assert rate.alpha == pytest.approx(0.1 + 0.01 * (0.1 - 1.0))


def test_a_calibration_comes_back_from_its_file_and_is_refused_for_other_weights(tmp_path: Path) -> None:
    ordered = np.sort(np.random.default_rng(0).uniform(0, 9, 50))
    made = Calibration({5: ordered, 10: ordered * 2}, {10: ordered * 3}, "aa", {"fights": "50"})
    path = tmp_path / "calibration.json"
    made.save(path)
    found = read_calibration(path, "aa")
    assert found.notes == {"fights": "50"}
    assert found.factor(5, True, 0.1) == pytest.approx(made.factor(5, True, 0.1), rel=1e-3)
    assert found.factor(7, True, 0.1) == found.factor(10, True, 0.1)  # the next longer window's
    assert found.factor(11, True, 0.1) == math.inf
    with pytest.raises(ModelError, match="expected scores of the weights bb"):
        read_calibration(path, "bb")


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"kind": "x", "version": 1}', '{"kind": "npc_sdk.calibration", "version": 1}',
     '{"kind":"npc_sdk.calibration","version":1,"model_sha256":"aa","notes":{},"seen":{"5":[2,1]},"unseen":{}}',
     '{"kind":"npc_sdk.calibration","version":1,"model_sha256":"aa","notes":{},"seen":{"five":[1]},"unseen":{}}'],
)  # fmt: skip
def test_a_damaged_calibration_is_a_typed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"calibration\.json"):
        read_calibration(path, "aa")
