"""Muon for small matrices on a CPU: momentum made orthogonal, in float32.

Formula: K. Jordan et al., 2024 (kellerjordan.github.io/posts/muon); scaled to Adam's step as in Liu et al., 2025
(arXiv 2502.16982). `torch.optim.Muon` computes in bfloat16, which a CPU without instructions for it takes five times as
long for: a tenth of a training step here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Steps every matrix along the orthogonal matrix nearest to its Nesterov momentum."""

    def __init__(self, matrices: Iterable[Tensor], rate: float, momentum: float = 0.9) -> None:
        super().__init__(list(matrices), {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # takes no closure
        """Does one step; matrices without a gradient stay."""
        for group in self.param_groups:
            keep = group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].lerp_(matrix.grad, 1 - keep)
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.add_(orthogonal(matrix.grad.lerp(momentum, keep)), alpha=-group["lr"] * size)


def orthogonal(matrix: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Brings all singular values near 1 by Newton-Schulz rounds; they end within about 0.7 and 1.2."""
    a, b, c = _POLYNOMIAL
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    found: Tensor = x if matrix.shape[0] <= matrix.shape[1] else x.T
    return found
