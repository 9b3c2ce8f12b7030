"""Blends an iteration's candidates by the mean of its best (cross-entropy method, Rubinstein 1999)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from npc_sdk.planner.problem import PlannerConfig


def blend(
    moves: Float[Tensor, "n s h 2"], J: Float[Tensor, "n s"], feasible: Bool[Tensor, "n s"], config: PlannerConfig
) -> Float[Tensor, "n h 2"]:
    """Returns the mean of the `elites` best candidates, feasible ones only unless fewer are."""
    worst = J.masked_fill(~feasible, torch.inf)
    best = worst.topk(min(config.elites, J.shape[1]), dim=1, largest=False)
    share = torch.isfinite(best.values).to(moves.dtype)
    share = torch.where(share.sum(1, keepdim=True) > 0, share, torch.ones_like(share))
    share = share / share.sum(1, keepdim=True)
    chosen = moves.gather(1, best.indices[:, :, None, None].expand(-1, -1, *moves.shape[2:]))
    return torch.einsum("nk,nkhc->nhc", share, chosen)
