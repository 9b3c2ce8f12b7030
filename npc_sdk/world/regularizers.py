"""Keeps latents from collapsing, behind one signature: samples in, a number out that does not grow with their count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

_KNOTS, _REACH = 17, 3.0  # half grid on [0, 3], doubled by symmetry (LeJEPA, minimal example)
_SLICES = 64

Regularizer = Callable[[Float[Tensor, "n d"], torch.Generator], Float[Tensor, ""]]
Name = Literal["sigreg", "vicreg", "none"]


class _Sketched(torch.autograd.Function):
    """The Epps-Pulley distance to a standard normal along given directions, divided by the sample count.

    Uniform knots t = k h let cos and sin of every knot follow from those of the first by the angle recurrence
    cos((k+1)a) = cos(ka) cos(a) - sin(ka) sin(a), and the gradient is gathered in the same pass.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, projected: Float[Tensor, "n s"]) -> Float[Tensor, ""]:
        n, slices = projected.shape
        step = _REACH / (_KNOTS - 1)
        cosine, sine = (projected * step).cos(), (projected * step).sin()
        real, imaginary = torch.ones_like(projected), torch.zeros_like(projected)
        total = projected.new_zeros(())
        gradient = torch.zeros_like(projected)
        for knot in range(1, _KNOTS):
            real, imaginary = real * cosine - imaginary * sine, imaginary * cosine + real * sine
            t = knot * step
            window = torch.exp(torch.tensor(-t * t / 2, dtype=projected.dtype, device=projected.device))
            weight = 2 * step * window * (0.5 if knot == _KNOTS - 1 else 1.0)  # trapezoid; at t = 0 the distance is 0
            gap, odd = real.mean(0) - window, imaginary.mean(0)
            total = total + (weight * (gap.square() + odd.square())).sum()
            gradient += (2 * weight * t / n) * (odd * real - gap * imaginary)
        ctx.save_for_backward(gradient / slices)
        return total / slices

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *outer: Tensor) -> Tensor:
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]  # set by save_for_backward
        scaled: Tensor = gradient * outer[0]
        return scaled


def sigreg(z: Float[Tensor, "n d"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Measures how far `z` is from a standard normal along random directions (SIGReg, arXiv 2511.08544)."""
    directions = torch.randn(z.shape[1], _SLICES, generator=generator, device=generator.device).to(z)
    distance: Tensor = _Sketched.apply(z @ (directions / directions.norm(dim=0)))  # type: ignore[no-untyped-call]  # torch
    return distance


def vicreg(z: Float[Tensor, "n d"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Asks for unit spread per dimension and no correlation between them (VICReg, arXiv 2105.04906)."""
    centred = z - z.mean(0)
    covariance = centred.T @ centred / max(len(z) - 1, 1)
    spread = torch.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
    off = covariance - torch.diag(covariance.diagonal())
    return spread + off.square().sum() / z.shape[1]


def none(z: Float[Tensor, "n d"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Leaves the latent alone."""
    return z.new_zeros(())


REGULARIZERS: dict[str, Regularizer] = {"sigreg": sigreg, "vicreg": vicreg, "none": none}
