"""A float64 ridge as a forecast: one fitted step, applied over and over, that answers to where NPCs are and go."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.tensors import FEATURES, Scene
from npc_sdk.train.dataset import Dataset
from npc_sdk.train.ridge import Arrays, Ridge, fit_step, step_inputs, stepped
from npc_sdk.world import ConstantVelocity
from npc_sdk.world.baselines import prior_events, widening
from npc_sdk.world.forecast import PLAYER_SLOT, Decision, Imagined, Memory, Mode, everybody, integrate

_PAST = 3  # velocities remembered


class RidgeForecast(ConstantVelocity):
    """Moves the player by a linear map of its own pose, its last velocities and the nearest NPCs.

    The last velocities are kept where other forecasts keep their latent.
    """

    def __init__(self, step: Ridge) -> None:
        super().__init__()
        self._step = step

    @classmethod
    def fitted(cls, train: Dataset) -> RidgeForecast:
        """Fits the step on recorded play; every tenth row only picks the strength of the regularisation."""
        arrays = Arrays.of(train, FEATURES.index("health"))
        return cls(fit_step(arrays, train.truth.player, np.arange(len(train.length)) % 10 == 0))

    @property
    def sha256(self) -> str:
        """Of the fitted numbers: another fit forecasts otherwise."""
        parts = (self._step.mean, self._step.scale, self._step.weights, self._step.offset)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def start(self, b: int, e: int) -> Memory:
        memory = super().start(b, e)
        return memory.latent(torch.zeros(b, e, 2 * _PAST))

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        last = torch.where(memory.known[..., None], memory.pose[..., 2:], scene.pose[..., 2:])
        z = torch.cat([last, memory.z[..., :-2]], -1)
        return super().filter(memory, scene).latent(z)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        n, s, h, _ = decision.moves.shape
        at = decision.scene_index
        shared = everybody(scene, decision.committed)
        own = integrate(scene.pose[at, decision.slot][:, None].expand(n, s, 4), decision.moves)
        row = at.repeat_interleave(s)
        paths = torch.cat([scene.pose[:, :, None], shared], 2)[row].numpy().astype(np.float64)  # r e h+1 4
        paths[np.arange(n * s), decision.slot.repeat_interleave(s).numpy(), 1:] = own.reshape(n * s, h, 4).numpy()
        player = _floats(self._rolled(memory, scene, row, paths)).reshape(n, s, h, 4)
        facing = memory.heading[:, PLAYER_SLOT][at][:, None, None].expand(n, s, h, 2)
        player = torch.cat([player, facing], -1)
        spread = widening(memory, h)[at][:, None].expand(n, s, h)
        return Imagined(own, player, spread, shared, prior_events(own, player))

    def _rolled(self, memory: Memory, scene: Scene, row: Tensor, paths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Applies the step along everybody's paths: r h 4."""
        rows, e, steps, _ = paths.shape
        around = paths.transpose(0, 2, 1, 3)  # r h+1 e 4
        flat = np.zeros((rows, steps, e))
        there = scene.mask.numpy() * scene.kind.numpy()
        fight = Arrays(
            kind=np.repeat(there[row.numpy()][:, None], steps, 1).astype(np.int8),
            pose=around,
            heading=np.repeat(scene.heading.numpy().astype(np.float64)[row.numpy()][:, None], steps, 1),
            seen=flat > 0,
            age=flat,
            health=flat,
            length=np.full(rows, steps),
        )
        state = memory.pose[row, PLAYER_SLOT].numpy().astype(np.float64)
        past = memory.z[row, PLAYER_SLOT].numpy().astype(np.float64).reshape(rows, _PAST, 2)
        out = np.empty((rows, steps - 1, 4))
        for k in range(steps - 1):
            moved = stepped(self._step, step_inputs(fight, np.arange(rows), np.full(rows, k), state, past), state)
            past = np.concatenate([state[:, None, 2:], past[:, :-1]], 1)
            state = out[:, k] = moved
        return out


def _floats(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
