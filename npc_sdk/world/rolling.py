"""The compiled rollout as one operation of autograd: what goes into the kernel, what comes out, and the gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.kernels import backward
from npc_sdk.kernels import rollout as kernel
from npc_sdk.kernels.arrays import array
from npc_sdk.world.forecast import DT
from npc_sdk.world.update import Update

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Given:
    """What a rollout starts from, as the kernel takes it."""

    start: tuple[Tensor, ...]
    beside: kernel.Beside
    walls: kernel.Ground
    ways: kernel.Field


def rolled(update: Update, given: Given, steps: int) -> tuple[tuple[Tensor, ...], kernel.Tape]:
    """Runs the kernel with room for `steps` steps on the tape."""
    weights = _weights(update)
    rows, near = given.beside.path.shape[1:3]
    start = kernel.Start(
        np.repeat(np.arange(len(given.beside.key)), rows // len(given.beside.key)),
        *(array(part).copy() for part in given.start),
    )
    tape = kernel.tape(weights, rows, near, given.ways.table.shape[2] // 3, steps)
    found = kernel.roll(weights, start, given.beside, given.walls, given.ways, tape)
    return tuple(torch.from_numpy(part) for part in found), tape


def _learned(update: Update) -> tuple[Tensor, ...]:
    """What the kernel's gradient is told of, in the order `_Rolling` returns it."""
    attend = update.attend
    layers = (update.first, update.second, update.last)
    return (
        attend.relation.weight,
        attend.own.weight,
        attend.score.weight,
        *(part for layer in layers for part in (layer.weight, layer.bias)),
        update.leak,
    )


def with_gradients(update: Update, given: Given, keys: Float[Tensor, "g k m"]) -> tuple[Tensor, ...]:
    """Returns what `rolled` does, as one operation of autograd; row r is group r."""
    roll: Callable[..., tuple[Tensor, ...]] = _Rolling.apply
    return roll(update, given, keys, *given.start[:4], *_learned(update))


class _Rolling(torch.autograd.Function):
    """The kernel as one operation of autograd."""

    @staticmethod
    def forward(ctx: Any, update: Update, given: Given, *parts: Tensor) -> tuple[Tensor, ...]:
        """`parts` are the keys, pose, heading, latent and variance of the rows, then `_learned`."""
        found, tape = rolled(update, given, len(given.beside.path))
        ctx.given, ctx.tape, ctx.update = given, tape, update
        ctx.variance = array(found[2])
        ctx.save_for_backward(*parts[5:])
        return found

    @staticmethod
    def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor | None, ...]:
        tape, (_, own, score, first, _, second, _, last, _, leak) = ctx.tape, ctx.saved_tensors
        rows, near, width = ctx.given.beside.key.shape
        share = leak.sigmoid()

        pose, heading, z, variance = (np.zeros(part.shape, np.float32) for part in ctx.given.start[:4])
        mixed, attended, one, two, told = (
            np.empty_like(part) for part in (tape.mixed, tape.share, tape.one, tape.two, tape.told)
        )
        slopes = backward.Slopes(
            pose=pose,
            heading=heading,
            z=z,
            variance=variance,
            key=np.zeros((rows, near, width), np.float32),
            leak=np.zeros(share.shape, np.float32),
            mixed=mixed,
            own=np.empty((len(tape.pose), rows, width), np.float32),
            share=attended,
            one=one,
            two=two,
            told=told,
        )
        backward.pull_back(
            backward.Backward(*(array(part) for part in (own, score, first, second, last))),
            _limits(ctx.update),
            array(share),
            ctx.given.beside.valid,
            tape,
            ctx.variance,
            backward.Wanted(*(array(part) for part in wanted)),
            slopes,
        )

        def matrix(out: Floats, into: Floats) -> Tensor:
            a, b = (torch.from_numpy(part).flatten(0, 1) for part in (out, into))
            return a.T @ b

        def bias(out: Floats) -> Tensor:
            return torch.from_numpy(out).sum((0, 1))

        learned = (
            matrix(slopes.mixed, tape.seen),
            matrix(slopes.own, np.ascontiguousarray(tape.given[..., : own.shape[1]])),
            matrix(slopes.share, tape.mixed),
            matrix(slopes.one, tape.given),
            bias(slopes.one),
            matrix(slopes.two, tape.one),
            bias(slopes.two),
            matrix(slopes.told, tape.two),
            bias(slopes.told),
            torch.from_numpy(slopes.leak) * share * (1 - share),
        )
        starts = (slopes.key, slopes.pose, slopes.heading, slopes.z, slopes.variance)
        return None, None, *(torch.from_numpy(part) for part in starts), *learned


def _weights(update: Update) -> kernel.Weights:
    attend = update.attend
    return kernel.Weights(
        relation=array(attend.relation.weight.T),
        own=array(attend.own.weight.T),
        score=array(attend.score.weight.T),
        first=array(update.first.weight.T),
        first_bias=array(update.first.bias),
        second=array(update.second.weight.T),
        second_bias=array(update.second.bias),
        last=array(update.last.weight.T),
        last_bias=array(update.last.bias),
        leak=array(update.leak.sigmoid()),
        ring=array(update.ring),
        limits=_limits(update),
    )


def _limits(update: Update) -> Floats:
    config = update.config
    return np.array([config.max_turn_speed, config.max_speed, config.radius, DT], np.float32)
