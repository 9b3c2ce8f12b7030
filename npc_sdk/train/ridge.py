"""Linear forecasts fitted in float64: what learning has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.belief import NPC
from npc_sdk.train.dataset import Dataset
from npc_sdk.train.moments import HORIZONS, Moments
from npc_sdk.world import DT, PLAYER_SLOT

Floats = NDArray[np.float64]

_PAST = (1, 2, 3, 5, 8)  # steps back
_NEAREST = 3  # NPCs
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the regularisation, per row


@dataclass(frozen=True, slots=True)
class Ridge:
    """One fitted linear map."""

    mean: Floats
    scale: Floats
    weights: Floats
    offset: Floats

    def __call__(self, inputs: Floats) -> Floats:
        return (inputs - self.mean) / self.scale @ self.weights + self.offset


def fit_ridge(inputs: Floats, targets: Floats, check: NDArray[np.bool_]) -> Ridge:
    """Fits by normal equations, with the strength that is best on the rows in `check` when fitted on the rest."""
    best, chosen = np.inf, _STRENGTHS[0]
    for strength in _STRENGTHS:
        ridge = _solved(inputs[~check], targets[~check], strength)
        error = np.linalg.norm(ridge(inputs[check]) - targets[check], axis=-1).mean() if check.any() else 0.0
        if error < best:
            best, chosen = error, strength
    return _solved(inputs, targets, chosen)


def _solved(inputs: Floats, targets: Floats, strength: float) -> Ridge:
    mean, scale = inputs.mean(0), inputs.std(0) + 1e-6
    x, offset = (inputs - mean) / scale, targets.mean(0)
    gram = x.T @ x + strength * len(x) * np.eye(x.shape[1])
    return Ridge(mean, scale, np.linalg.solve(gram, x.T @ (targets - offset)), offset)


@dataclass(frozen=True, slots=True)
class Arrays:
    """A dataset as NumPy, as the ridge reads it."""

    kind: NDArray[np.int8]
    pose: Floats
    heading: Floats
    seen: NDArray[np.bool_]
    age: Floats
    health: Floats
    length: NDArray[np.int64]

    @staticmethod
    def of(dataset: Dataset, health: int) -> Arrays:
        """Reads a dataset; `health` is the column of the features."""
        numbers = (dataset.pose, dataset.heading, dataset.age, dataset.features[..., health])
        pose, heading, age, hp = (np.asarray(t.numpy(), np.float64) for t in numbers)
        return Arrays(dataset.kind.numpy(), pose, heading, dataset.seen.numpy(), age, hp, dataset.length.numpy())


def direct(train: Arrays, moments: Moments, test: Arrays, asked: Moments, check_rows: NDArray[np.bool_]) -> Floats:
    """Fits one map per horizon, apart for seen and unseen moments; returns its answers on `asked`: m k 2."""
    out = np.zeros((len(asked.row), len(HORIZONS), 2))
    row, t = moments.row.numpy(), moments.t.numpy()
    to, at = asked.row.numpy(), asked.t.numpy()
    base, aim = train.pose[row, t, PLAYER_SLOT, :2], test.pose[to, at, PLAYER_SLOT, :2]
    for i, k in enumerate(HORIZONS):
        x, y = _direct_inputs(train, row, t, k), moments.target[:, i].numpy() - base
        ask = _direct_inputs(test, to, at, k)
        for now in (True, False):
            use = (moments.valid[:, i] & (moments.seen == now)).numpy()
            wanted = asked.seen.numpy() == now
            if use.any() and wanted.any():
                ridge = fit_ridge(x[use], y[use], check_rows[row[use]])
                out[wanted, i] = aim[wanted] + ridge(ask[wanted])
    return out


def _direct_inputs(a: Arrays, row: NDArray[np.int64], t: NDArray[np.int64], k: int) -> Floats:
    """Own state and past, the nearest NPCs' state relative to the player, and what they will do until then."""
    own = a.pose[row, t, PLAYER_SLOT]
    age = np.minimum(a.age[row, t, PLAYER_SLOT], 5.0)[:, None]
    past = [np.concatenate([a.pose[row, np.maximum(t - d, 0), PLAYER_SLOT, :2] - own[:, :2]], 1) for d in _PAST]
    faced = a.heading[row, t, PLAYER_SLOT]
    slots, there = _nearest(a, row, t, own)
    npc = _npcs(a, row, t, slots, own, there)
    stops = sorted({1, min(k, 5), k})
    ahead = [_moved(a, row, t, slots, d) * there[..., None] for d in stops]
    drift = own[:, 2:] * age
    parts = [
        own,
        own[:, :2] ** 2,
        faced,
        age,
        drift,
        a.health[row, t, PLAYER_SLOT][:, None],
        *past,
        npc,
        *[m.reshape(len(row), -1) for m in ahead],
    ]
    return np.concatenate(parts, 1)


def _nearest(a: Arrays, row: NDArray[np.int64], t: NDArray[np.int64], own: Floats) -> tuple[NDArray[np.int64], Floats]:
    gap = np.linalg.norm(a.pose[row, t, :, :2] - own[:, None, :2], axis=-1)
    gap[a.kind[row, t] != NPC] = 1e6
    slots = np.argsort(gap, axis=1, kind="stable")[:, :_NEAREST]
    return slots, (np.take_along_axis(gap, slots, 1) < 1e5).astype(np.float64)


def _npcs(
    a: Arrays, row: NDArray[np.int64], t: NDArray[np.int64], slots: NDArray[np.int64], own: Floats, there: Floats
) -> Floats:
    pose, heading = a.pose[row[:, None], t[:, None], slots], a.heading[row[:, None], t[:, None], slots]
    gap = pose[..., :2] - own[:, None, :2]
    distance = np.linalg.norm(gap, axis=-1, keepdims=True) + 1e-2
    parts = [gap, gap / distance, distance, 1 / (1 + distance), pose[..., 2:], heading]
    return (np.concatenate(parts, -1) * there[..., None]).reshape(len(row), -1)


def _moved(a: Arrays, row: NDArray[np.int64], t: NDArray[np.int64], slots: NDArray[np.int64], k: int) -> Floats:
    then = np.minimum(t + k, a.length[row] - 1)
    return a.pose[row[:, None], then[:, None], slots, :2] - a.pose[row[:, None], t[:, None], slots, :2]


def fit_step(train: Arrays, truth: torch.Tensor, check_rows: NDArray[np.bool_]) -> Ridge:
    """Fits how the player's pose changes within one step, on play in sight; for `step_inputs`."""
    row, t = (
        train.seen[:, 3:, PLAYER_SLOT] & (np.arange(3, train.seen.shape[1]) < train.length[:, None] - 1)
    ).nonzero()
    t = t + 3
    keep = np.random.default_rng(0).permutation(len(row))[:60_000]
    row, t = row[keep], t[keep]
    path = np.asarray(truth.numpy(), np.float64)  # r t 4
    now, then = path[row, t], path[row, t + 1]
    before = np.stack([path[row, t - d, 2:] for d in (1, 2, 3)], 1)
    return fit_ridge(step_inputs(train, row, t, now, before), then - now, check_rows[row])


def stepped(step: Ridge, inputs: Floats, state: Floats) -> Floats:
    """Applies one step to the player's poses, within the map and the player's speed."""
    moved = state + step(inputs)
    speed = np.linalg.norm(moved[:, 2:], axis=-1, keepdims=True)
    moved[:, 2:] *= np.minimum(1.0, 5.0 / np.maximum(speed, 1e-6))
    return np.concatenate([np.clip(moved[:, :2], -12, 12), moved[:, 2:]], 1)


def iterated(train: Arrays, truth: torch.Tensor, test: Arrays, asked: Moments, check_rows: NDArray[np.bool_]) -> Floats:
    """Fits one step and applies it over and over, NPCs moving as they did: m k 2."""
    step = fit_step(train, truth, check_rows)
    to, at = asked.row.numpy(), asked.t.numpy()
    state = test.pose[to, at, PLAYER_SLOT].copy()
    state[~asked.seen.numpy(), 2:] = 0.0
    past = np.stack([test.pose[to, np.maximum(at - d, 0), PLAYER_SLOT, 2:] for d in (1, 2, 3)], 1)
    out = np.zeros((len(to), len(HORIZONS), 2))
    for k in range(1, HORIZONS[-1] + 1):
        when = np.minimum(at + k - 1, test.length[to] - 1)
        moved = stepped(step, step_inputs(test, to, when, state, past), state)
        past = np.concatenate([state[:, None, 2:], past[:, :-1]], 1)
        state = moved
        if k in HORIZONS:
            out[:, HORIZONS.index(k)] = state[:, :2]
    return out


def step_inputs(a: Arrays, row: NDArray[np.int64], t: NDArray[np.int64], own: Floats, past: Floats) -> Floats:
    """What a step is told: the player's pose `own` (m 4) and its last velocities (m 3 2), and the nearest NPCs."""
    slots, there = _nearest(a, row, t, own)
    acting = _moved(a, row, t, slots, 1) / DT * there[..., None]
    return np.concatenate(
        [
            own,
            own[:, :2] ** 2,
            past.reshape(len(own), -1),
            _npcs(a, row, t, slots, own, there),
            acting.reshape(len(own), -1),
        ],
        1,
    )
