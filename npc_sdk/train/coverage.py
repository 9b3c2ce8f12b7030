"""How far off forecasts of the player are over whole plans, beside what they take their uncertainty for.

One window per fight: windows of one fight resemble each other, and split-conformal radii rest on examples that
are exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.belief import NEVER_S
from npc_sdk.tensors import FEATURES
from npc_sdk.train.dataset import Dataset
from npc_sdk.train.evaluate import rows_of
from npc_sdk.train.moments import follow, whole
from npc_sdk.world import PLAYER_SLOT, Forecast
from npc_sdk.world.conformal import Calibration, scores
from npc_sdk.world.forecast import Decision, Mode

LENGTHS = (5, 10, 15, 20)  # model steps of windows that are calibrated: 0.5 to 2 s
LEVELS = (0.8, 0.9, 0.95, 0.99)
_SETTLED = 10  # steps after which a fight's windows begin: a filter that has seen nothing yet says nothing


@dataclass(frozen=True, slots=True)
class Windows:
    """One window of each of `m` fights."""

    error: Float[np.ndarray, "m h"]  # m, of the player's place after 1..h steps
    spread: Float[np.ndarray, "m h"]  # m, what the forecast took for one sigma
    seen: Bool[np.ndarray, " m"]  # the player was in sight when the forecast was made
    labels: tuple[str, ...]  # how each player plays


def joined(parts: Sequence[Windows]) -> Windows:
    """Puts windows together."""
    return Windows(
        np.concatenate([p.error for p in parts]),
        np.concatenate([p.spread for p in parts]),
        np.concatenate([p.seen for p in parts]),
        tuple(label for p in parts for label in p.labels),
    )


@torch.inference_mode()
def windows(forecast: Forecast, dataset: Dataset, seed: int, mode: Mode = "duet") -> Windows:
    """Asks a forecast about one window of every fight that has one, drawn at random: who decided, and when.

    NPCs move as they really did. Fights in which no squad has ever seen the player, or which end at once, have none.
    """
    row, t, slot = _drawn(dataset, np.random.default_rng(seed))
    window, h = whole(dataset), LENGTHS[-1]
    error, spread = np.zeros((len(row), h)), np.zeros((len(row), h))
    for step, memory, scene in follow(forecast, window, 1):
        mine = (t == step).nonzero()[:, 0]
        if not len(mine):
            continue
        here = row[mine]
        moves = window.moves(step, h)[here]  # k e h 2
        own = torch.arange(len(here))
        decision = Decision(own, slot[mine], moves[own, slot[mine]][:, None], moves)
        imagined = forecast.imagine(memory.rows(here), rows_of(scene, here), decision, mode)
        there = dataset.truth.player[here[:, None], step + 1 + torch.arange(h), :2]
        error[mine] = (imagined.player[:, 0, :, :2] - there).norm(dim=-1).double().numpy()
        spread[mine] = imagined.spread[:, 0].double().numpy()
    labels = tuple(dataset.labels[p] for p in dataset.play[row].tolist())
    return Windows(error, spread, dataset.seen[row, t, PLAYER_SLOT].numpy(), labels)


def _drawn(
    dataset: Dataset, rng: np.random.Generator
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Draws a squad, a step and an NPC of each fight: rows of the dataset, steps, slots."""
    h, steps = LENGTHS[-1], dataset.kind.shape[1]
    at = torch.arange(steps)
    lives = torch.stack([dataset.truth.alive.roll(-k, 1) for k in range(h + 1)]).all(0)
    known = (dataset.age[..., PLAYER_SLOT] < NEVER_S) & (dataset.kind[..., PLAYER_SLOT] > 0) & lives
    known &= (at >= _SETTLED) & (at + h < dataset.length[:, None])
    own = dataset.features[..., FEATURES.index("own")] > 0.5
    ours = own & (dataset.features[..., FEATURES.index("npc")] > 0.5) & (dataset.kind > 0)  # r t e
    chosen = []
    for play in dataset.play.unique().tolist():
        mine = (known & ours.any(-1) & (dataset.play == play)[:, None]).nonzero()
        if len(mine):
            row, t = mine[int(rng.integers(len(mine)))].tolist()
            chosen.append((row, t, int(rng.choice(ours[row, t].nonzero()[:, 0].numpy()))))
    index = torch.tensor(chosen, dtype=torch.int64).reshape(-1, 3)
    return index[:, 0], index[:, 1], index[:, 2]


def calibrated(found: Windows, model_sha256: str, notes: Mapping[str, str]) -> Calibration:
    """Makes a calibration of windows."""
    table = scores(found.error, found.spread)  # m h

    def ordered(use: Bool[np.ndarray, " m"]) -> dict[int, Float[np.ndarray, " n"]]:
        return {h: np.sort(table[use, h - 1]) for h in LENGTHS}

    return Calibration(ordered(found.seen), ordered(~found.seen), model_sha256, notes)


@dataclass(frozen=True, slots=True)
class Cover:
    """How often forecasts of one kind held, beside how often they were to."""

    group: str  # "seen" or "unseen": whether the player was in sight
    seconds: float  # of the window
    level: float
    coverage: float
    radius: float  # m at the end, median
    of_reach: float  # that radius as a share of how far the player can run by then
    windows: int


def coverage(calibration: Calibration, test: Windows, top_speed: float, step_s: float) -> list[Cover]:
    """Compares other fights' windows with what a calibration says of them."""
    table = scores(test.error, test.spread)
    out = []
    for group, use in (("seen", test.seen), ("unseen", ~test.seen)):
        for h in LENGTHS:
            for level in LEVELS:
                factor = calibration.factor(h, group == "seen", 1.0 - level)
                held, end = table[use, h - 1] <= factor, factor * np.maximum(test.spread[use, h - 1], 1e-3)
                known = bool(use.any())
                radius = float(np.median(end)) if known else float("nan")
                share = float(held.mean()) if known else float("nan")
                reach = top_speed * h * step_s
                out.append(Cover(group, h * step_s, level, share, radius, radius / reach, int(use.sum())))
    return out
