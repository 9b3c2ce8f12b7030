from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.experiments.stats import nearest_centroid, paired_bootstrap, paired_t, ranks, spearman, t95


def test_ranks_share_the_mean_of_equal_values() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_spearman_sees_order_not_size() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    assert spearman(x, x**3) == pytest.approx(1.0)
    assert spearman(x, -np.exp(x)) == pytest.approx(-1.0)
    assert spearman(x, np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)


def test_spearman_of_a_dead_slider_is_zero() -> None:
    assert spearman(np.arange(7.0), np.full(7, 2.0)) == 0.0
    assert spearman(np.arange(3.0), np.array([0.0, np.nan, 1.0])) == 0.0


def test_paired_t_matches_the_textbook() -> None:
    interval = paired_t(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert interval.mean == 3.0
    assert interval.high - interval.mean == pytest.approx(2.776 * np.sqrt(2.5 / 5))


def test_one_pair_proves_nothing() -> None:
    assert paired_t(np.array([5.0])).low == -np.inf


def test_t_points_never_fall_below_the_true_ones() -> None:
    assert t95(29) == 2.045
    assert t95(35) == t95(29)  # the true point is smaller
    assert t95(1000) == t95(120)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        interval = paired_bootstrap(rng.normal(1.0, 2.0, 40), seed, draws=400)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_nearest_centroid_leaves_the_judged_fold_out() -> None:
    # Within a fold the rows are alike, across folds they carry no label: leaving rows (not folds) out would score 1.
    rng = np.random.default_rng(1)
    fold, label = np.repeat(np.arange(20), 4), np.tile(np.arange(4), 20)
    useless = rng.normal(size=(80, 3))
    assert nearest_centroid(useless, label, fold) < 0.5
    useful = useless + 8 * np.eye(4)[label][:, :3]
    assert nearest_centroid(useful, label, fold) > 0.95
