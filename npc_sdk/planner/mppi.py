"""Blends an iteration's candidates by their soft rank in J (model predictive path integral, Williams et al. 2017)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from npc_sdk.planner.problem import PlannerConfig


def blend(
    moves: Float[Tensor, "n s h 2"], J: Float[Tensor, "n s"], feasible: Bool[Tensor, "n s"], config: PlannerConfig
) -> Float[Tensor, "n h 2"]:
    """Returns the mean of the candidates, each weighted by exp(-(J - min J) / temperature).

    The temperature is relative to the spread of J, so scaling all weights changes nothing. Infeasible candidates take
    no part unless all are.
    """
    fit = feasible | ~feasible.any(1, keepdim=True)
    inf = torch.inf
    low = J.masked_fill(~fit, inf).amin(1, keepdim=True)
    excess = (J - low).masked_fill(~fit, 0.0)
    count = fit.sum(1, keepdim=True)
    spread = (excess.square().sum(1, keepdim=True) / count).sqrt()
    share = torch.exp(-excess / (config.temperature * spread).clamp_min(1e-300)).masked_fill(~fit, 0.0)
    share = torch.where(spread > 0, share, fit.to(share.dtype))
    share = share / share.sum(1, keepdim=True)
    return torch.einsum("ns,nshc->nhc", share.to(moves.dtype), moves)
