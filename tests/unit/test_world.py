"""The world model and the plain forecasts: what they promise, whatever the weights."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from world_scenes import a_decision, a_model, a_scene, filtered

from npc_sdk.errors import ModelError
from npc_sdk.tensors import Grids, node_order
from npc_sdk.world import (
    DT,
    EVENTS,
    ConstantVelocity,
    Forecast,
    Frozen,
    Mode,
    UpdateConfig,
    join,
    load_model,
    save_model,
)
from npc_sdk.world.destinations import AIM
from npc_sdk.world.model import DOUBT_LOOKS, WATCHED_S
from npc_sdk.world.regularizers import REGULARIZERS, sigreg
from npc_sdk.world.terrain import Terrain

COLUMNS = ("kind", "pose", "heading", "features", "mask", "seen", "age")
MODES: tuple[Mode, ...] = ("duet", "factored", "interactive")


def forecasts() -> list[Forecast]:
    return [a_model(), ConstantVelocity(), Frozen()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("index", range(3))
def test_every_forecast_answers_every_mode_in_the_promised_shapes(mode: Mode, index: int) -> None:
    model, scene = forecasts()[index], a_scene()
    decision = a_decision(scene)
    n, s, h, _ = decision.moves.shape
    with torch.inference_mode():
        out = model.imagine(filtered(model, scene), scene, decision, mode)
    assert out.own.shape == (n, s, h, 4)
    assert out.player.shape == (n, s, h, 6)
    assert out.spread.shape == (n, s, h)
    assert out.others.shape == (*scene.kind.shape, h, 4)
    assert out.events.shape == (n, s, h, len(EVENTS))
    for part in (out.own, out.player, out.spread, out.others, out.events):
        assert part.isfinite().all()
    assert ((out.events >= 0) & (out.events <= 1)).all()
    assert (out.spread > 0).all()


@pytest.mark.parametrize("index", range(3))
def test_the_deciding_npc_is_integrated_exactly(index: int) -> None:
    model, scene = forecasts()[index], a_scene()
    decision = a_decision(scene)
    with torch.inference_mode():
        own = model.imagine(filtered(model, scene), scene, decision, "duet").own
    start = scene.pose[decision.scene_index, decision.slot, :2]
    torch.testing.assert_close(own[..., :2], start[:, None, None] + (decision.moves * DT).cumsum(2))
    torch.testing.assert_close(own[..., 2:], decision.moves)


def test_duet_and_interactive_agree_where_both_attend_to_everybody() -> None:
    """With room for all neighbours the two are one computation: only the deciding NPC's plan differs."""
    model, scene = a_model(neighbours=8), a_scene()
    decision = a_decision(scene)
    memory = filtered(model, scene)
    with torch.inference_mode():
        duet, full = (model.imagine(memory, scene, decision, mode) for mode in ("duet", "interactive"))
    torch.testing.assert_close(duet.player, full.player, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(duet.events, full.events, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(duet.others, full.others, atol=1e-4, rtol=1e-4)


def test_factored_gives_the_committed_candidate_the_same_player_as_duet() -> None:
    model, scene = a_model(), a_scene()
    decision = a_decision(scene)
    memory = filtered(model, scene)
    with torch.inference_mode():
        duet, shared = (model.imagine(memory, scene, decision, mode) for mode in ("duet", "factored"))
    torch.testing.assert_close(duet.player[:, 0], shared.player[:, 0], atol=1e-4, rtol=1e-4)


def test_in_a_duet_the_player_answers_to_the_plan_and_in_a_factored_forecast_it_does_not() -> None:
    model, scene = a_model(), a_scene()
    decision = a_decision(scene)
    memory = filtered(model, scene)
    with torch.inference_mode():
        duet, shared = (model.imagine(memory, scene, decision, mode).player for mode in ("duet", "factored"))
    assert (duet[:, 1:] - duet[:, :1]).abs().max() > 1e-4
    assert (shared[:, 1:] - shared[:, :1]).abs().max() == 0


def test_turning_the_world_turns_the_forecast_with_it() -> None:
    """The rule speaks in the body's own directions; only the place on the map is seen from outside, and is cut here."""
    model, scene = a_model(), a_scene()
    with torch.no_grad():
        model.update.first.weight[:, -AIM - 4 : -AIM - 2] = 0.0  # place
        model.cell.seen.weight.zero_()
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # row vectors

    def turned(part: torch.Tensor) -> torch.Tensor:
        return (part.reshape(-1, 2) @ quarter).reshape(part.shape)

    both = torch.stack([scene.walls.values, scene.walls.values.transpose(1, 2).flip(2)], 1).flatten(0, 1)
    walls = replace(scene.walls, values=both, origin=scene.walls.origin.repeat_interleave(2, 0))
    turns = torch.stack([torch.eye(2), quarter.T])
    laid_out = replace(scene.places, turns=turns, order=node_order(49, 49, turns))
    scene = replace(scene, walls=walls, places=laid_out, map_index=2 * scene.map_index)
    other = replace(scene, pose=turned(scene.pose), heading=turned(scene.heading), map_index=scene.map_index + 1)
    moves = a_decision(scene, h=5).committed
    with torch.inference_mode():
        plain = model.roll(filtered(model, scene), scene, moves).others[:, 0]
        there = model.roll(filtered(model, other), other, turned(moves)).others[:, 0]
    torch.testing.assert_close(turned(plain), there, atol=2e-3, rtol=1e-3)


def test_the_order_of_npc_slots_does_not_matter() -> None:
    model, scene = a_model(), a_scene()
    order = torch.tensor([0, 4, 2, 6, 1, 3, 5, 7, 8])
    mixed = replace(scene, **{name: getattr(scene, name)[:, order] for name in COLUMNS})
    moves = a_decision(scene).committed
    with torch.inference_mode():
        plain = model.roll(filtered(model, scene), scene, moves)
        other = model.roll(filtered(model, mixed), mixed, moves[:, order])
    torch.testing.assert_close(plain.others[:, 0], other.others[:, 0], atol=1e-4, rtol=1e-4)


def test_what_a_squad_has_not_seen_changes_nothing() -> None:
    """An unseen player's pose column is where it was last seen; the filter reads it once, then keeps its own belief."""
    model, scene = a_model(), a_scene()
    memory = filtered(model, scene)
    hidden = replace(scene, seen=scene.seen.clone().index_fill_(1, torch.tensor([0]), False))
    elsewhere = hidden.pose.clone()
    elsewhere[:, 0] += 3.0
    with torch.inference_mode():
        one, two = model.filter(memory, hidden), model.filter(memory, replace(hidden, pose=elsewhere))
    torch.testing.assert_close(one.pose[:, 0], two.pose[:, 0])
    torch.testing.assert_close(one.z[:, 0], two.z[:, 0])


def test_a_seen_player_is_where_it_is_seen() -> None:
    model, scene = a_model(), a_scene()
    seen = replace(scene, seen=torch.ones_like(scene.seen))
    torch.testing.assert_close(filtered(model, seen).pose[:, 0], scene.pose[:, 0])


def test_a_players_habit_is_the_mean_of_all_looks_after_some_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, scene, config = a_model(), a_scene(), a_model().config.update
    scenes = [replace(scene, seen=torch.full_like(scene.seen, seen)) for seen in (True, False, True, True, False)]
    made = torch.tensor([1.0, 100.0, 4.0, 1.0, 100.0])[:, None].expand(-1, config.habit - 1)
    looks = iter(made)
    monkeypatch.setattr(model.cell.trait, "forward", lambda hidden: next(looks).expand(len(hidden), -1))
    memory = model.start(*scene.kind.shape)
    for one in scenes:
        memory = model.filter(memory, one)
    habit = memory.z[:, :, config.latent :]
    torch.testing.assert_close(habit[:, 0, :-1], torch.full_like(habit[:, 0, :-1], 6.0 / (3 + DOUBT_LOOKS)))
    torch.testing.assert_close(habit[:, 0, -1], torch.full((len(habit),), 3 * DT / WATCHED_S))
    assert (habit[:, 1:] == 0).all(), "of players only"
    rolled = model.roll(memory, scene, a_decision(scene).committed)
    for k in range(rolled.z.shape[1]):
        torch.testing.assert_close(rolled.z[:, k, config.latent :], habit[:, 0], rtol=0.0, atol=0.0)


def test_memories_of_games_of_different_width_join_and_come_apart() -> None:
    model = a_model()
    small, wide = a_scene(b=2, npcs=3, grenades=1), a_scene(b=3, npcs=6)
    memories = [filtered(model, small), filtered(model, wide)]
    both = join(memories)
    assert both.z.shape[:2] == (5, 9)
    torch.testing.assert_close(both.rows(torch.tensor([2, 3, 4])).pose, memories[1].pose)
    assert not both.known[:2, 5:].any()


def test_empty_slots_change_nothing() -> None:
    model, scene = a_model(), a_scene()
    b = scene.kind.shape[0]

    def longer(part: torch.Tensor) -> torch.Tensor:
        return torch.cat([part, part.new_zeros(b, 3, *part.shape[2:])], 1)

    padded = replace(scene, **{name: longer(getattr(scene, name)) for name in COLUMNS})
    moves = a_decision(scene).committed
    with torch.inference_mode():
        plain = model.roll(filtered(model, scene), scene, moves)
        other = model.roll(filtered(model, padded), padded, longer(moves))
    torch.testing.assert_close(plain.others[:, 0], other.others[:, 0], atol=1e-4, rtol=1e-4)


def test_constant_velocity_goes_on_as_last_seen_and_then_stands() -> None:
    scene = a_scene()
    seen = replace(scene, seen=torch.ones_like(scene.seen), age=torch.zeros_like(scene.age))
    model = ConstantVelocity(patience=0.25)
    memory = model.filter(model.start(*scene.kind.shape), seen)
    for step in range(1, 6):
        gone = replace(seen, seen=torch.zeros_like(scene.seen), age=torch.full_like(scene.age, step * DT))
        memory = model.filter(memory, gone)
    moved = scene.pose[:, 0, :2] + 2 * DT * scene.pose[:, 0, 2:]
    torch.testing.assert_close(memory.pose[:, 0, :2], moved)
    assert (memory.pose[:, 0, 2:] == 0).all()


def test_a_model_reads_back_as_it_was_written(tmp_path: pytest.TempPathFactory) -> None:
    model, scene = a_model(3), a_scene()
    save_model(model, str(tmp_path), "abc")
    again = load_model(str(tmp_path), interface_sha256="abc")
    moves = a_decision(scene).committed
    with torch.inference_mode():
        one, two = (m.roll(filtered(m, scene), scene, moves).others for m in (model, again))
    assert torch.equal(one, two)


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_remedy(tmp_path: object) -> None:
    folder = str(tmp_path)
    with pytest.raises(ModelError, match=r"config.json: expected the description"):
        load_model(folder)
    save_model(a_model(), folder, "abc")
    with pytest.raises(ModelError, match="train one on recordings of this game"):
        load_model(folder, interface_sha256="other")
    with open(f"{folder}/model.safetensors", "wb") as file:
        file.write(b"not tensors")
    with pytest.raises(ModelError, match="expected the weights"):
        load_model(folder)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as text:
        text.write('{"kind": "npc_sdk.world", "version": 1}')
    with pytest.raises(ModelError, match="version 4, got 1; train it again"):
        load_model(folder)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as text:
        text.write('{"kind": "something else"}')
    with pytest.raises(ModelError, match="written by something else"):
        load_model(folder)


def test_terrain_reads_what_the_grid_holds() -> None:
    g = torch.Generator().manual_seed(1)
    walls = Grids(torch.randn(3, 33, 33, generator=g), torch.tensor([[-4.0, -4.0]]).expand(3, 2), 0.25)
    index, xy = torch.randint(3, (40,), generator=g), torch.rand(40, 2, generator=g) * 7 - 3.5
    place = xy.clone().requires_grad_()
    expected = walls.sample(index, place)
    expected.sum().backward()
    value, slope = Terrain.of(walls, index).slope(xy)
    torch.testing.assert_close(value, expected.detach(), atol=1e-5, rtol=1e-5)
    assert place.grad is not None
    torch.testing.assert_close(slope, place.grad, atol=1e-4, rtol=1e-4)
    nodes = ((xy + 4) / 0.25).round().long()
    read = Terrain.of(walls, index).nearest(xy[:, None])[:, 0]
    assert torch.equal(read, walls.values[index, nodes[:, 1], nodes[:, 0]])


def test_sigreg_by_recurrence_is_the_textbook_form_with_its_gradient() -> None:
    generator = torch.Generator().manual_seed(5)
    z = (torch.randn(70, 6, generator=generator) * 1.4 + 0.2).double()
    fast = z.clone().requires_grad_()
    value = sigreg(fast, torch.Generator().manual_seed(7))
    value.backward()
    slow = z.clone().requires_grad_()
    directions = torch.randn(6, 64, generator=torch.Generator().manual_seed(7)).double()
    projected = slow @ (directions / directions.norm(dim=0))
    t = torch.linspace(0, 3, 17, dtype=torch.double)
    window = torch.exp(-t.square() / 2)
    angle = projected[..., None] * t  # n s t
    gap = (angle.cos().mean(0) - window).square() + angle.sin().mean(0).square()
    textbook = 2 * torch.trapezoid(gap * window, t).mean()
    textbook.backward()
    assert value.item() == pytest.approx(textbook.item(), rel=1e-9)
    assert fast.grad is not None
    assert slow.grad is not None
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-10, rtol=1e-6)


@pytest.mark.parametrize("name", ["sigreg", "vicreg"])
def test_regularizers_prefer_a_spread_latent_and_do_not_count_samples(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(4000, 8, generator=generator)
    collapsed = spread * 0.01
    measure = REGULARIZERS[name]

    def of(z: torch.Tensor) -> float:
        return float(measure(z, torch.Generator().manual_seed(1)))

    assert of(collapsed) > 3 * of(spread)
    assert of(collapsed) == pytest.approx(of(torch.cat([collapsed, collapsed])), rel=0.02)
    assert float(REGULARIZERS["none"](spread, generator)) == 0.0


def test_rollouts_stay_bounded_over_a_minute_with_random_weights() -> None:
    model, scene = a_model(), a_scene()
    memory = filtered(model, scene)
    with torch.inference_mode():
        rolled = model.roll(memory, scene, torch.zeros(*scene.kind.shape, 600, 2))
    assert rolled.others[:, 0].isfinite().all()
    assert rolled.others[:, 0, :, 2:].norm(dim=-1).max() <= UpdateConfig().max_speed + 1e-3
    assert math.isfinite(float(rolled.z.abs().max()))
