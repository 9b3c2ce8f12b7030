"""Scores places by compiled loops, as one operation of autograd; `Destinations.by_rule` is the definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from npc_sdk.geometry.roads import CELL
from npc_sdk.kernels import places as kernel
from npc_sdk.kernels.arrays import array
from npc_sdk.tensors import Places

if TYPE_CHECKING:
    from npc_sdk.world.destinations import Destinations, Looked


def by_kernel(
    scorer: Destinations,
    trace: Float[Tensor, "b p c"],
    z: Float[Tensor, "b d"],
    looked: Looked,
    places: Places,
    index: Int[Tensor, " b"],
    rates: tuple[float, float],
) -> Float[Tensor, "b p c"]:
    """Returns what `Destinations.by_rule` does, and the same gradients."""
    stored, turn = places.split(index)
    map_ = kernel.Map(
        spots=array(places.spots),
        way=array(places.way),
        origin=array(places.origin),
        turns=array(places.turns),
        stored=array(stored),
        turn=array(turn),
        cell=np.float32(CELL),
        columns=places.columns,
    )
    seen = kernel.Seen(
        *(array(part) for part in (looked.place, looked.seen[:, 0], looked.known[:, 0], looked.others, looked.valid))
    )
    learned = (scorer.place.weight, scorer.place.bias, scorer.out.weight, scorer.out.bias, scorer.keep.sigmoid())
    score: Callable[..., Tensor] = _Scoring.apply
    return score(map_, seen, np.array(rates, np.float32), trace, scorer.context(z), *learned)


class _Scoring(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        map_: kernel.Map,
        seen: kernel.Seen,
        rates: kernel.Floats,
        trace: Tensor,
        context: Tensor,
        *parts: Tensor,
    ) -> Tensor:
        weight, bias, out, out_bias, keep = (array(part) for part in parts)
        layers = kernel.Layers(np.ascontiguousarray(weight.T), bias, out, out_bias, keep, rates)
        given = array(trace), array(context)
        inputs, after = np.empty((*trace.shape[:2], kernel.INPUTS), np.float32), np.empty(trace.shape, np.float32)
        kernel.score(layers, map_, seen, *given, inputs, after)
        ctx.kept = layers, seen.known, *given, inputs
        return torch.from_numpy(after)

    @staticmethod
    def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor | None, ...]:
        layers, known, trace, context, inputs = ctx.kept
        slopes = kernel.Slopes(
            np.empty((*trace.shape[:2], trace.shape[2] - 2), np.float32),
            *(np.zeros_like(part) for part in (context, *layers[:5])),
        )
        kernel.unscore(layers, known, trace, context, inputs, array(wanted[0]), slopes)
        logits, context, weight, *rest = (torch.from_numpy(part) for part in slopes)
        return None, None, None, torch.nn.functional.pad(logits, (0, 2)), context, weight.T, *rest
