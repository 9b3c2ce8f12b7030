"""How a residual in units becomes a cost: each norm is 0 at 0 and about 1 at 1, so weights compare across norms."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from npc_sdk.objectives.terms import Norm

ENOUGH = 4.0  # units from which the bounded norm hardly grows: one outlier must not decide everything


def linear(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """|x|"""
    return x.abs()


def quadratic(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """x squared"""
    return x.square()


def smooth(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """Quadratic near 0, linear far out (pseudo-Huber), scaled to 1 at 1."""
    out: Tensor = ((x.square() + 1.0).sqrt() - 1.0) * (2.0**0.5 + 1.0)
    return out


def bounded(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """Linear near 0, never above ENOUGH + 1, scaled to 1 at 1."""
    x = x.abs()
    return (ENOUGH + 1.0) * x / (ENOUGH + x)


def signed(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """x itself: for wishes without an end, where less is always better."""
    return x


NORM: dict[Norm, Callable[[Tensor], Tensor]] = {
    "linear": linear,
    "quadratic": quadratic,
    "smooth": smooth,
    "bounded": bounded,
    "signed": signed,
}
WORST = 1e4  # what a residual that is not a number costs: much, yet finite, so that sums stay numbers


def finite(x: Float[Tensor, "*r"]) -> Float[Tensor, "*r"]:
    """Replaces NaN and infinities by WORST and keeps all else within it."""
    return torch.nan_to_num(x, nan=WORST, posinf=WORST, neginf=-WORST).clamp(-WORST, WORST)
