"""Moments of recorded play at which forecasts are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.belief import NEVER_S
from npc_sdk.tensors import Scene
from npc_sdk.train.dataset import Dataset, Window
from npc_sdk.world import DT, PLAYER_SLOT, Forecast, Memory

HORIZONS = (1, 5, 10, 30)  # model steps
NAMES = tuple(f"{k * DT:.1f}" for k in HORIZONS)  # s, as in reports
FARTHEST = HORIZONS[-1]


@dataclass(frozen=True, slots=True)
class Moments:
    """Where forecasts are asked: one row per (squad, step) at which the squad has ever seen the player."""

    row: Int[Tensor, "m"]  # of the dataset
    t: Int[Tensor, "m"]
    seen: Bool[Tensor, "m"]  # now
    target: Float[Tensor, "m k 2"]  # true place after HORIZONS, m
    valid: Bool[Tensor, "m k"]  # the player still lives then, and the recording goes on


def find_moments(dataset: Dataset, stride: int) -> Moments:
    """Lists every `stride`-th step of all squads that have ever seen the player, while it lives."""
    p = PLAYER_SLOT
    known = (dataset.age[:, :, p] < NEVER_S) & (dataset.kind[:, :, p] > 0) & dataset.truth.alive
    steps = torch.arange(known.shape[1])
    asked = known & (steps % stride == stride - 1) & (steps < dataset.length[:, None] - 1)
    row, t = asked.nonzero(as_tuple=True)
    after = t[:, None] + torch.tensor(HORIZONS)
    inside = after < dataset.length[row, None]
    at = torch.minimum(after, dataset.length[row, None] - 1)
    lives = torch.stack([_alive_through(dataset, row, t, k) for k in HORIZONS], 1)
    return Moments(row, t, dataset.seen[row, t, p], dataset.truth.player[row[:, None], at, :2], inside & lives)


def _alive_through(dataset: Dataset, row: Int[Tensor, "m"], t: Int[Tensor, "m"], k: int) -> Bool[Tensor, "m"]:
    dead = (~dataset.truth.alive).long().cumsum(1)
    last = torch.minimum(t + k, dataset.length[row] - 1)
    return dead[row, last] == dead[row, t]


def whole(dataset: Dataset, rows: Int[Tensor, "b"] | None = None) -> Window:
    """The whole dataset, or some rows of it, as one window, with room after its end for the farthest horizon."""
    rows = torch.arange(len(dataset.length)) if rows is None else rows
    return dataset.window(rows, torch.zeros_like(rows), int(dataset.length[rows].max()) + FARTHEST)


def follow(forecast: Forecast, window: Window, stride: int) -> Iterator[tuple[int, Memory, Scene]]:
    """Filters all rows of a window side by side; yields every `stride`-th step."""
    b, steps, e = window.kind.shape
    memory = forecast.start(b, e)
    for t in range(steps - FARTHEST):
        scene = window.scene(t)
        memory = forecast.filter(memory, scene)
        if t % stride == stride - 1:
            yield t, memory, scene
