"""What a world model is worth: its errors on held-out play beside forecasts that learned nothing, or only a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from npc_sdk.belief import NPC, PROJECTILE
from npc_sdk.tensors import Scene
from npc_sdk.train.dataset import Dataset, Window
from npc_sdk.train.moments import FARTHEST, HORIZONS, NAMES, Moments, find_moments, follow, whole
from npc_sdk.train.ridge import Arrays, direct, iterated
from npc_sdk.train.scores import auroc, brier, effective_rank, linear_probe, mean_over
from npc_sdk.world import DT, PLAYER_SLOT, ConstantVelocity, Memory, WorldModel
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import parked, relate

ROWS = ("model", "identity", "constant_velocity", "ridge_direct", "ridge_iterated", "z_zeroed", "z_shuffled")
_PATIENCES = (0.0, 0.3, 0.6, 1.0, 2.0)  # s, of constant velocity; chosen on training play
_EVENT_STEPS = 10
_PIECE = 256  # rows read side by side where nothing but z is asked for: thousands at once would not fit into memory

Tree: TypeAlias = "float | str | Mapping[str, Tree]"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said at the moments of a dataset."""

    place: dict[str, Float[Tensor, "m k 2"]]  # per row of the report
    sigma: Float[Tensor, "m k"]
    z: Float[Tensor, "m d"]
    chance: Float[Tensor, "q x"]  # of events, for all NPCs and steps asked
    happened: Float[Tensor, "q x"]
    npc_error: Float[Tensor, "k"]
    projectile_error: Float[Tensor, "k"]


def evaluate(
    model: WorldModel,
    test: Dataset,
    train: Dataset,
    unseen_styles: Sequence[str] = (),
    without_regularizer: WorldModel | None = None,
    stride: int = 5,
    seed: int = 0,
) -> dict[str, Tree]:
    """Asks the model and its rivals at every `stride`-th step of `test`; rivals and the probe are fitted on `train`.

    NPCs move as they really did. Errors are means over all moments at which the squad has ever seen the player.

    Args:
        unseen_styles: labels of plays by styles that were in no training play; reported apart, not in the main rows.
        without_regularizer: a second model trained without one, for its row.
    """
    moments, fitted_on = find_moments(test, stride), find_moments(train, stride)
    answers = ask(model, test, moments, stride, seed)
    place = dict(answers.place) | rivals(test, train, moments, fitted_on)
    if without_regularizer is not None:
        place["no_regularizer"] = ask(without_regularizer, test, moments, stride, seed).place["model"]
    error = {name: (at - moments.target).norm(dim=-1) for name, at in place.items()}  # m k
    labels = [test.labels[i] for i in test.play[moments.row].tolist()]
    held_out = torch.tensor([label in unseen_styles for label in labels])
    known = ~held_out
    z_train = latents(model, train, fitted_on, stride)
    report: dict[str, Tree] = {
        "moments": float(known.sum()),
        "unseen_now_fraction": float((~moments.seen[known]).float().mean()),
        "player_error_m": _table(error, moments.valid & known[:, None]),
        "player_error_seen_now_m": _table(error, moments.valid & (known & moments.seen)[:, None]),
        "player_error_unseen_now_m": _table(error, moments.valid & (known & ~moments.seen)[:, None]),
        "player_error_unseen_style_m": _table(error, moments.valid & held_out[:, None]),
        "player_error_by_style_m": {
            style: _table(
                {"model": error["model"]}, moments.valid & torch.tensor([label == style for label in labels])[:, None]
            )["model"]
            for style in sorted(set(labels))
        },
        "npc_error_m": dict(zip(NAMES, answers.npc_error.tolist(), strict=True)),
        "projectile_error_m": dict(zip(NAMES, answers.projectile_error.tolist(), strict=True)),
        "spread_ratio": _calibration(error["model"], answers.sigma, moments.valid & known[:, None]),
        "events": _events(answers),
        "latent": {"std": float(answers.z.std(0).mean()), "effective_rank": effective_rank(answers.z)},
        "style_probe": _probe(
            z_train,
            [train.labels[i] for i in train.play[fitted_on.row].tolist()],
            answers.z[known],
            [x for x, k in zip(labels, known.tolist(), strict=True) if k],
        ),
    }
    if without_regularizer is not None:
        z = latents(without_regularizer, test, moments, stride)
        report["latent_no_regularizer"] = {"std": float(z.std(0).mean()), "effective_rank": effective_rank(z)}
    return report


@torch.inference_mode()
def ask(model: WorldModel, dataset: Dataset, moments: Moments, stride: int, seed: int) -> Answers:
    """Filters through a dataset and rolls on from its moments, also with the latent zeroed and swapped."""
    window = whole(dataset)
    generator = torch.Generator().manual_seed(seed)
    place: dict[str, list[Tensor]] = {name: [] for name in ("model", "z_zeroed", "z_shuffled")}
    sigmas, zs, chances, happened, errors = [], [], [], [], []
    for t, memory, scene in follow(model, window, stride):
        here = moments.row[moments.t == t]
        if not len(here):
            continue
        moves = window.moves(t, FARTHEST)[here]
        then, now = rows_of(scene, here), memory.rows(here)
        rolled = model.roll(now, then, moves)
        at = torch.tensor(HORIZONS) - 1
        place["model"].append(rolled.others[:, PLAYER_SLOT, at, :2])
        place["z_zeroed"].append(
            model.roll(now.latent(torch.zeros_like(now.z)), then, moves).others[:, PLAYER_SLOT, at, :2]
        )
        other = torch.randperm(len(here), generator=generator)
        place["z_shuffled"].append(model.roll(now.latent(now.z[other]), then, moves).others[:, PLAYER_SLOT, at, :2])
        sigmas.append(rolled.variance[:, at].sqrt())
        zs.append(now.z[:, PLAYER_SLOT])
        said, came = _event_answers(
            model, window, t, here, then, now, rolled.others[:, PLAYER_SLOT], rolled.heading, rolled.z, rolled.logits
        )
        chances.append(said)
        happened.append(came)
        errors.append(_body_errors(window, t, here, rolled.others))
    order = torch.argsort(moments.t, stable=True)
    back = torch.argsort(order, stable=True)
    bodies = torch.stack(errors).nansum(0)  # k 2 2: sum and count, per type
    mean = bodies[..., 0] / bodies[..., 1].clamp(min=1)
    return Answers(
        {name: torch.cat(parts)[back] for name, parts in place.items()},
        torch.cat(sigmas)[back],
        torch.cat(zs)[back],
        torch.cat(chances),
        torch.cat(happened),
        mean[:, 0],
        mean[:, 1],
    )


@torch.inference_mode()
def latents(model: WorldModel, dataset: Dataset, moments: Moments, stride: int) -> Float[Tensor, "m d"]:
    """The player's latent at each moment."""
    out = torch.zeros(len(moments.row), model.config.update.hidden_state)
    for rows in torch.arange(len(dataset.length)).split(_PIECE):
        mine = (moments.row >= rows[0]) & (moments.row <= rows[-1])
        for t, memory, _ in follow(model, whole(dataset, rows), stride):
            now = mine & (moments.t == t)
            out[now] = memory.z[moments.row[now] - rows[0], PLAYER_SLOT]
    return out


def rivals(test: Dataset, train: Dataset, moments: Moments, fitted_on: Moments) -> dict[str, Float[Tensor, "m k 2"]]:
    """The forecasts to beat, each as strong as honest fitting makes it."""
    health = test_health(test)
    a, b = Arrays.of(train, health), Arrays.of(test, health)
    plays = np.unique(train.play.numpy())
    check = np.isin(train.play.numpy(), plays[::5])
    last = test.pose[moments.row, moments.t, PLAYER_SLOT]
    return {
        "identity": last[:, None, :2].expand(-1, len(HORIZONS), 2),
        "constant_velocity": _drift(last, test.age[moments.row, moments.t, PLAYER_SLOT], _patience(train, fitted_on)),
        "ridge_direct": torch.from_numpy(direct(a, fitted_on, b, moments, check)).float(),
        "ridge_iterated": torch.from_numpy(iterated(a, train.truth.player, b, moments, check)).float(),
    }


def test_health(dataset: Dataset) -> int:
    """The column of the features that holds health."""
    from npc_sdk.tensors import FEATURES

    return FEATURES.index("health")


def _drift(last: Float[Tensor, "m 4"], age: Float[Tensor, "m"], patience: float) -> Float[Tensor, "m k 2"]:
    """Constant velocity since the player was last seen; one not seen for longer than `patience` has stopped there."""
    model = ConstantVelocity(patience)
    moved = last[:, :2] + last[:, 2:] * age.clamp(max=model.patience)[:, None]
    ahead = torch.tensor(HORIZONS) * DT
    going = (age <= patience)[:, None, None]
    return moved[:, None] + last[:, None, 2:] * ahead[:, None] * going


def _patience(train: Dataset, moments: Moments) -> float:
    last, age = train.pose[moments.row, moments.t, PLAYER_SLOT], train.age[moments.row, moments.t, PLAYER_SLOT]
    at = HORIZONS.index(10)
    use = moments.valid[:, at]
    errors = [mean_over((_drift(last, age, p)[:, at] - moments.target[:, at]).norm(dim=-1), use) for p in _PATIENCES]
    return _PATIENCES[int(np.argmin(errors))]


def rows_of(scene: Scene, rows: Tensor) -> Scene:
    """Takes some scenes out of a batch; maps stay whole."""
    names = ("kind", "pose", "heading", "features", "mask", "seen", "age", "map_index")
    return Scene(**{n: getattr(scene, n)[rows] for n in names}, walls=scene.walls, places=scene.places)


def _event_answers(
    model: WorldModel,
    window: Window,
    t: int,
    here: Tensor,
    scene: Scene,
    memory: Memory,
    path: Tensor,
    heading: Tensor,
    z: Tensor,
    logits: Tensor,
) -> tuple[Float[Tensor, "q x"], Float[Tensor, "q x"]]:
    """Asks for the events of the next second, for every NPC of the squad that lives."""
    b, h = len(here), _EVENT_STEPS
    npc = parked(window.pose[here, t + 1 : t + 1 + h])  # b h e 4
    terrain = Terrain.of(scene.walls, scene.map_index[:, None].expand(b, h))
    facing = scene.heading[:, None].expand(b, h, -1, 2)
    relation, _ = relate(path[:, :h], heading[:, :h], npc, facing, terrain)
    latent = torch.cat([memory.z, scene.features], -1)[:, None]
    hits = torch.sigmoid(model.pair(z[:, :h, None], latent, relation))  # b h e 2
    fires = torch.sigmoid(logits[:, :h, None, :1]).expand(-1, -1, npc.shape[2], -1)
    truth = window.truth
    came = torch.stack([truth.hit_taken[here, t + 1 : t + 1 + h], truth.hit_dealt[here, t + 1 : t + 1 + h]], -1)
    fired = truth.fires[here, t + 1 : t + 1 + h, None, None].expand_as(fires)
    going = (truth.alive & window.valid)[here, t + 1 : t + 1 + h]
    ours = (scene.npcs & (scene.features[..., 3] > 0.5))[:, None] & going[..., None]
    return torch.cat([hits, fires], -1)[ours], torch.cat([came, fired], -1)[ours]


def _body_errors(window: Window, t: int, here: Tensor, others: Float[Tensor, "b e h 4"]) -> Float[Tensor, "k 2 2"]:
    """Sums and counts of the position errors of NPCs and projectiles."""
    out = []
    for k in HORIZONS:
        gap = (others[:, :, k - 1, :2] - window.pose[here, t + k, :, :2]).norm(dim=-1)
        going = window.valid[here, t + k, None]
        for kind in (NPC, PROJECTILE):
            same = (window.kind[here, t] == kind) & (window.kind[here, t + k] == kind) & going
            out.append(torch.stack([(gap * same).sum(), same.sum().to(gap)]))
    return torch.stack(out).reshape(len(HORIZONS), 2, 2)


def _table(error: dict[str, Tensor], use: Bool[Tensor, "m k"]) -> dict[str, Tree]:
    return {
        name: {NAMES[i]: mean_over(value[:, i], use[:, i]) for i in range(len(NAMES))} for name, value in error.items()
    }


def _calibration(error: Tensor, sigma: Tensor, use: Bool[Tensor, "m k"]) -> dict[str, Tree]:
    """Root mean square of error over what the model expected; 1 is calibrated, above 1 overconfident."""
    ratio = error.square() / (2 * sigma.square())
    return {NAMES[i]: mean_over(ratio[:, i], use[:, i]) ** 0.5 for i in range(len(NAMES))}


def _events(answers: Answers) -> dict[str, Tree]:
    names = ("hit_taken", "hit_dealt", "player_fires")
    out: dict[str, Tree] = {}
    for i, name in enumerate(names):
        said, came = answers.chance[:, i], answers.happened[:, i]
        rate = float(came.mean()) if len(came) else 0.0
        out[name] = {
            "brier": brier(said, came),
            "brier_base_rate": rate * (1 - rate),
            "auroc": auroc(said, came),
            "rate": rate,
        }
    return out


def _probe(z: Tensor, labels: list[str], asked: Tensor, truth: list[str]) -> dict[str, Tree]:
    kinds = sorted(set(labels))
    if len(kinds) < 2 or not set(truth) <= set(kinds) or not len(asked):
        return {"accuracy": float("nan"), "chance": float("nan")}
    label, wanted = (torch.tensor([kinds.index(x) for x in xs]) for xs in (labels, truth))
    accuracy, common = linear_probe(z, label, asked, wanted, len(kinds))
    return {"accuracy": accuracy, "chance": max(common, 1 / len(kinds))}
