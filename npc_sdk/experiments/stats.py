"""The few statistics the experiments report. NumPy only; every random draw comes from a given seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranks(values: Float[np.ndarray, " m"]) -> Floats:
    """Returns ranks from 1 on; equal values share the mean of their ranks."""
    x = np.asarray(values, np.float64)
    _, inverse, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Floats = (last - (count - 1) / 2)[inverse]
    return shared


def spearman(x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"]) -> float:
    """Returns Spearman's rank correlation in -1..1; 0 when one side is constant or not finite."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return 0.0
    a, b = ranks(x), ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of paired differences with its 95 % confidence bounds."""

    mean: float
    low: float
    high: float
    pairs: int


# Two-sided 95 % points of Student's t by degrees of freedom (Abramowitz and Stegun, table 26.10).
_T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}
_T95 |= {12: 2.179, 15: 2.131, 20: 2.086, 25: 2.060, 29: 2.045, 40: 2.021, 60: 2.000, 120: 1.980}


def t95(freedom: int) -> float:
    """Returns the two-sided 95 % point of Student's t, rounded up to the next tabled value."""
    return _T95[max(d for d in _T95 if d <= max(1, freedom))]


def paired_t(differences: Float[np.ndarray, " m"]) -> Interval:
    """Returns the mean of paired differences with its 95 % t interval; one pair has no finite bounds."""
    x = np.asarray(differences, np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, -np.inf, np.inf, len(x))
    half = t95(len(x) - 1) * float(x.std(ddof=1)) / np.sqrt(len(x))
    return Interval(mean, mean - half, mean + half, len(x))


def paired_bootstrap(differences: Float[np.ndarray, " m"], seed: int, draws: int = 4000) -> Interval:
    """Returns the mean of paired differences with its 95 % percentile interval over resampled pairs."""
    x = np.asarray(differences, np.float64)
    picks = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    low, high = np.quantile(x[picks].mean(1), (0.025, 0.975))
    return Interval(float(x.mean()), float(low), float(high), len(x))


def nearest_centroid(
    features: Float[np.ndarray, "m f"], label: Int[np.ndarray, " m"], fold: Int[np.ndarray, " m"]
) -> float:
    """Returns the share of rows whose label the nearest class centroid names, leaving out one fold at a time.

    Rows of one fold (one seed: same map, same player) never help to judge each other. Columns are scaled by the
    spread within the classes of the other folds.
    """
    right = 0
    for left_out in np.unique(fold):
        test, fit = fold == left_out, fold != left_out
        classes = np.unique(label[fit])
        centroids = np.stack([features[fit & (label == c)].mean(0) for c in classes])  # c f
        residual = features[fit] - centroids[np.searchsorted(classes, label[fit])]
        spread = np.sqrt((residual**2).mean(0))
        scale = np.maximum(spread, 1e-9 + 1e-3 * np.abs(centroids).max(0))
        gap = (features[test][:, None] - centroids) / scale  # m c f
        right += int((classes[(gap**2).sum(-1).argmin(1)] == label[test]).sum())
    return right / len(label)


def quantiles(values: Floats, *points: float) -> tuple[float, ...]:
    """Returns percentiles (50, 95, ...), NaN when there is no value."""
    if len(values) == 0:
        return tuple(float("nan") for _ in points)
    return tuple(float(q) for q in np.percentile(values, points))
