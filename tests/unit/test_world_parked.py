"""A model is told where NPCs are, not how they move: logged velocities say what somebody planned (ADR 0014)."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from torch import Tensor
from world_scenes import a_decision, a_model, a_play, a_scene, filtered

from npc_sdk.belief import NPC, PROJECTILE
from npc_sdk.tensors import Scene
from npc_sdk.train.dataset import build_dataset
from npc_sdk.train.evaluate import ask
from npc_sdk.train.losses import LossWeights, chunk_loss
from npc_sdk.train.moments import find_moments
from npc_sdk.world import Imagined, Mode, rollout
from npc_sdk.world.forecast import everybody, integrate
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import relate


def imagined(monkeypatch: pytest.MonkeyPatch, mode: Mode, kind: int, factor: float) -> Imagined:
    """What comes of the same places if bodies of a kind are said to move `factor` times as fast along them."""

    def faster(path: Tensor, which: Tensor) -> Tensor:
        return torch.cat([path[..., :2], path[..., 2:] * torch.where(which, factor, 1.0)[..., None]], -1)

    def all_faster(scene: Scene, committed: Tensor) -> Tensor:
        path = everybody(scene, committed)
        return faster(path, (scene.kind == kind)[..., None].expand(path.shape[:-1]))

    def own_faster(pose: Tensor, moves: Tensor) -> Tensor:
        path = integrate(pose, moves)
        return faster(path, torch.full(path.shape[:-1], kind == NPC))

    monkeypatch.setattr(rollout, "everybody", all_faster)
    monkeypatch.setattr(rollout, "integrate", own_faster)
    model, scene = a_model(), a_scene()
    with torch.inference_mode():
        return model.imagine(filtered(model, scene), scene, a_decision(scene), mode)


@pytest.mark.parametrize("mode", ["duet", "factored", "interactive"])
def test_what_is_imagined_depends_on_where_npcs_are_and_not_on_how_fast_they_get_there(
    monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    as_is, faster = (imagined(monkeypatch, mode, NPC, factor) for factor in (1.0, 3.0))
    assert not as_is.own.equal(faster.own)
    for part in ("player", "spread", "events"):
        torch.testing.assert_close(getattr(as_is, part), getattr(faster, part), rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["duet", "factored", "interactive"])
def test_grenades_are_seen_to_fly(monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    as_is, faster = (imagined(monkeypatch, mode, PROJECTILE, factor) for factor in (1.0, 3.0))
    assert not as_is.player.equal(faster.player)


@pytest.mark.parametrize("kind", [NPC, PROJECTILE])
def test_the_filter_is_not_told_what_npcs_intend_either(kind: int) -> None:
    model, scene = a_model(), a_scene()
    memory = filtered(model, scene, 1)
    pose = torch.where((scene.kind == kind)[..., None] & (torch.arange(4) > 1), scene.pose * 3, scene.pose)
    as_is, faster = (model.filter(memory, s).z[:, 0] for s in (scene, replace(scene, pose=pose)))
    assert as_is.equal(faster) == (kind == NPC)


@pytest.mark.parametrize("kind", [NPC, PROJECTILE])
def test_the_player_is_moved_on_without_being_told_how_npcs_came_to_be_where_they_were(kind: int) -> None:
    model, scene = a_model(), a_scene()
    memory = filtered(model, scene, 1)
    known = memory.known & (scene.kind != kind)  # of those just met only the velocity is known
    faster = torch.where((scene.kind == kind)[..., None] & (torch.arange(4) > 1), scene.pose * 3, scene.pose)
    told = [model.follow(replace(memory, known=known), replace(scene, pose=p))[0].pose for p in (scene.pose, faster)]
    assert told[0].equal(told[1]) == (kind == NPC)


def test_reports_ask_for_hits_without_telling_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = build_dataset([a_play(seed, steps=80) for seed in range(2)])
    running = replace(dataset, pose=dataset.pose + torch.tensor([0.0, 0.0, 1.0, 0.0]))
    told: list[Tensor] = []

    def spy(pose: Tensor, heading: Tensor, other: Tensor, facing: Tensor, terrain: Terrain) -> tuple[Tensor, Tensor]:
        told.append(other)
        return relate(pose, heading, other, facing, terrain)

    monkeypatch.setattr(import_module("npc_sdk.train.evaluate"), "relate", spy)
    ask(a_model(), running, find_moments(running, 5), 5, 0)
    assert told
    assert all((other[..., 2:] == 0).all() for other in told)


def test_training_asks_for_hits_without_telling_how_the_npcs_got_there() -> None:
    dataset = build_dataset([a_play(seed, steps=40) for seed in range(2)])
    rows = torch.arange(2)
    window = dataset.window(rows, torch.zeros(2, dtype=torch.long), 40, torch.zeros(2, dtype=torch.long))
    pose = window.pose.clone()
    pose[:, 8:, 1:5, 2:] += 3.0  # after the last observation that is filtered
    model = a_model()

    def parts(pose: Tensor) -> dict[str, Tensor]:
        memory, dice = model.start(2, pose.shape[2]), torch.Generator().manual_seed(0)
        return chunk_loss(model, replace(window, pose=pose), memory, 8, 6, LossWeights(), "none", dice).parts

    as_is, faster = parts(window.pose), parts(pose)
    assert as_is["events"] > 0
    assert as_is["events"].equal(faster["events"])
