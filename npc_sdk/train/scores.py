"""Small measures of forecasts: calibration of events, spread of latents, what a linear map can read from them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy


def brier(chance: Float[Tensor, "n"], happened: Float[Tensor, "n"]) -> float:
    """Returns the mean squared error of probabilities; 0 is perfect."""
    return float((chance - happened).square().mean()) if len(chance) else math.nan


def auroc(chance: Float[Tensor, "n"], happened: Float[Tensor, "n"]) -> float:
    """Returns how often an event was thought likelier than a non-event; ties count half. NaN without both kinds."""
    yes = happened > 0.5
    positives, negatives = int(yes.sum()), int((~yes).sum())
    if not positives or not negatives:
        return math.nan
    _, inverse, counts = chance.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    rank = (last - (counts - 1) / 2)[inverse]
    return float((rank[yes].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def effective_rank(z: Float[Tensor, "n d"]) -> float:
    """Returns the exponential of the entropy of the normalised singular values: how many directions are in use."""
    values = torch.linalg.svdvals((z - z.mean(0)).double())
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))


def linear_probe(
    z: Float[Tensor, "n d"], label: Int[Tensor, "n"], asked: Float[Tensor, "m d"], truth: Int[Tensor, "m"], kinds: int
) -> tuple[float, float]:
    """Fits a logistic regression; returns its accuracy on `asked`, and that of guessing the commonest label."""
    mean, scale = z.mean(0), z.std(0) + 1e-4
    inputs, weight = (z - mean) / scale, torch.zeros(z.shape[1] + 1, kinds, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(inputs @ weight[:-1] + weight[-1], label) + 1e-3 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        guess = ((asked - mean) / scale @ weight[:-1] + weight[-1]).argmax(1)
    return float((guess == truth).float().mean()), float(torch.bincount(truth, minlength=kinds).max() / len(truth))


def mean_over(values: Float[Tensor, "m"], use: Bool[Tensor, "m"]) -> float:
    """Returns the mean over the rows in `use`; NaN without any."""
    return float(values[use].mean()) if bool(use.any()) else math.nan
