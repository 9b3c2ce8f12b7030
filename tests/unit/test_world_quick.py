"""The compiled rollout is the rule, for any batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from world_scenes import a_decision, a_model, a_scene, filtered

from npc_sdk.kernels import places, plans, rollout
from npc_sdk.kernels.warm import warm_up
from npc_sdk.objectives.situation import Lookup
from npc_sdk.planner import motion
from npc_sdk.tensors import Grids, Places
from npc_sdk.world import ModelConfig, WorldModel, destinations, quick
from npc_sdk.world.destinations import AHEAD, Ways
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, Near, Update, relate

TURNED = torch.stack([torch.eye(2), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])])
Given = tuple[Update, Body, Near, torch.Tensor, Ways, Terrain]


def inputs(n: int, s: int, h: int = 6, k: int = 5) -> Given:
    generator = torch.Generator().manual_seed(100 * n + s)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def unit(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(draw(*shape), dim=-1)

    torch.manual_seed(n)
    update = WorldModel(ModelConfig()).eval().update
    with torch.no_grad():
        update.last.weight.mul_(10.0)  # as lively as a trained one
    line = torch.linspace(-12.0, 12.0, 97)
    hills = (line[:, None] / 2).sin() + (line / 3).cos()
    walls = Grids(torch.stack([hills, -hills]), torch.full((2, 2), -12.0), 0.25)
    terrain = Terrain.of(walls, torch.arange(n)[:, None] % 2)
    bumps = torch.stack([hills[::2, ::2] * (i + 1) for i in range(7)], -1).reshape(1, -1, 7)
    places = Places(
        torch.zeros(1, 7, 2),
        torch.ones(1, 7, dtype=torch.bool),
        bumps,
        torch.full((1, 2), -12.0),
        49,
        TURNED,
        torch.stack([torch.arange(49 * 49), torch.arange(49 * 49).reshape(49, 49).T.flip(0).flatten()]),
    )
    share = draw(n, len(AHEAD), 7).softmax(-1)
    ways = Ways(share, places, torch.arange(n) % len(TURNED), torch.arange(n)[:, None])
    pose = torch.cat([draw(n, s, 2) * 5, draw(n, s, 2) * 2], -1)
    body = update.body(pose, unit(n, s, 2), draw(n, s, update.config.hidden_state), draw(n, s).abs(), terrain)
    near = Near(unit(n, 1, k, 2), draw(n, 1, k, 32), draw(n, 1, k) > -1)
    others = torch.cat([draw(h, n, s, k, 2) * 5, draw(h, n, s, k, 2)], -1)
    return update, body, near, others, ways, terrain


@pytest.mark.parametrize(("n", "s"), [(5, 33), (1, 2), (16, 14)])
def test_the_kernel_rolls_as_the_rule_does(n: int, s: int) -> None:
    given = inputs(n, s)
    with torch.inference_mode():
        told, expected = quick.by_kernel(*given), quick.by_rule(*given)
    for name in ("path", "z", "variance", "logits"):
        gap = (getattr(told, name) - getattr(expected, name)).abs()
        assert gap.quantile(0.98) < 1e-4, name  # a place on the border of two cells may be read in either
        assert gap.max() < 0.1, name
    assert (expected.path[:, :, -1] - expected.path[:, :, 0]).abs().max() > 1.0  # something happened


def test_the_kernel_takes_over_where_there_are_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs(2, 3)
    taken: list[str] = []
    course = quick.by_rule(*given)
    for name in ("by_kernel", "by_rule"):
        monkeypatch.setattr(quick, name, lambda *_, name=name: taken.append(name) or course)
    with torch.inference_mode():
        quick.run(*given)
    quick.run(*given)
    assert taken == ["by_kernel", "by_rule"]


@pytest.mark.parametrize(("n", "h"), [(16, 1), (16, 6), (40, 3)])
def test_the_kernel_runs_gradients_back_as_autograd_does(n: int, h: int) -> None:
    update, body, near, others, ways, terrain = inputs(n, 1, h)
    generator = torch.Generator().manual_seed(h)
    wanted = {
        name: torch.randn(n, 1, h, *size, generator=generator)
        for name, size in (("path", (6,)), ("z", (body.z.shape[-1],)), ("variance", ()), ("logits", (2,)))
    }
    results = []
    for rolls in (quick.by_kernel, quick.by_rule):
        update.zero_grad()
        leaves = [part.clone().requires_grad_() for part in (body.pose, body.heading, body.z, body.variance)]
        key = near.key.clone().requires_grad_()
        start = Body(*leaves, body.clearance, body.slope)
        course = rolls(update, start, Near(near.heading, key, near.valid), others, ways, terrain)
        sum((getattr(course, name) * weight).sum() for name, weight in wanted.items()).backward()
        learned = {name: p.grad for name, p in update.named_parameters() if not name.startswith("attend.keys")}
        results.append([*(leaf.grad for leaf in leaves), key.grad, *learned.values()])
    assert len(results[1]) == 5 + 10
    for told, expected in zip(*results, strict=True):
        assert expected.norm() > 0.1
        assert (told - expected).norm() < 2e-3 * expected.norm()  # a place on a border may be read in either cell


def test_gradients_want_one_row_per_group() -> None:
    with pytest.raises(ValueError, match="one row per group, got 3"):
        quick.by_kernel(*inputs(2, 3))


def test_the_kernel_follows_the_weights() -> None:
    given = inputs(2, 3)
    with torch.no_grad():
        before = quick.by_kernel(*given).path
        given[0].last.bias.add_(0.5)
        assert not torch.equal(quick.by_kernel(*given).path, before)
        torch.testing.assert_close(quick.by_kernel(*given).path[:, :, 0], quick.by_rule(*given).path[:, :, 0])


def test_the_kernel_leaves_its_input_as_it_was() -> None:
    given = inputs(2, 3)
    body = given[1]
    before = replace(body, pose=body.pose.clone(), z=body.z.clone())
    with torch.inference_mode():
        quick.by_kernel(*given)
    assert torch.equal(before.pose, body.pose)
    assert torch.equal(before.z, body.z)


def test_both_describe_an_npc_alike() -> None:
    _, body, _, others, _, terrain = inputs(3, 4)
    player = torch.cat([body.pose, body.heading], -1)[:, :, None].expand(3, 4, 6, 6).contiguous()
    own = others[:, :, :, 0].permute(1, 2, 0, 3).contiguous()
    facing = torch.nn.functional.normalize(torch.ones(3, 2), dim=-1)
    with torch.inference_mode():
        told = quick.related(player, own, facing, terrain)
    expected = quick.related(player, own, facing, terrain)  # gradients are on: the rule's own words
    assert (told - expected).abs().quantile(0.98) < 1e-5
    assert (told - expected).abs().max() < 0.2


def test_both_move_one_body_per_scene_alike() -> None:
    update, body, near, others, ways, terrain = inputs(4, 1)
    flat = Body(*(getattr(body, n)[:, 0] for n in ("pose", "heading", "z", "variance", "clearance", "slope")))
    row = replace(terrain, base=terrain.base[:, 0], shift=terrain.shift[:, 0])
    given = (
        update,
        flat,
        Near(near.heading[:, 0], near.key[:, 0], near.valid[:, 0]),
        others[0, :, 0],
        replace(ways, scene=torch.arange(4)),
    )
    with torch.inference_mode():
        told = quick.moved(*given, row)
    update, flat, near, moving, ways = given
    expected, _ = update(flat, near, moving, ways.look(flat.pose[:, :2]), row)
    for name in ("pose", "heading", "z", "variance"):
        torch.testing.assert_close(getattr(told, name), getattr(expected, name), atol=2e-3, rtol=1e-3)


def test_both_describe_all_around_one_body_per_scene_alike() -> None:
    _, body, near, others, _, terrain = inputs(6, 1)
    row = replace(terrain, base=terrain.base[:, 0], shift=terrain.shift[:, 0])
    given = body.pose[:, 0], body.heading[:, 0], others[0, :, 0], near.heading[:, 0], row
    for told, expected in zip(quick.around(*given), relate(*given), strict=True):
        assert (told - expected).abs().quantile(0.98) < 1e-5
        assert (told - expected).abs().max() < 0.2


def test_a_model_filters_and_rolls_alike_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    model, scene = a_model(1), a_scene()
    moves = a_decision(scene).committed

    def imagined() -> tuple[torch.Tensor, ...]:
        model.zero_grad()
        memory = filtered(model, scene)
        rolled = model.roll(memory, scene, moves)
        (rolled.others[:, 0].sum() + rolled.z.sum() + memory.trace[..., : len(AHEAD)].square().mean()).backward()
        learned = [p.grad for p in model.parameters() if p.grad is not None]
        return tuple(part.detach().clone() for part in (memory.z, memory.trace, rolled.others, rolled.z, *learned))

    told = imagined()
    for module in (quick, destinations):
        monkeypatch.setattr(module, "serves", lambda tensor: False)
    expected = imagined()
    assert len(told) == len(expected) > 20
    for one, other in zip(told, expected, strict=True):
        assert (one - other).norm() < 0.02 * other.norm() + 1e-5


def test_warming_up_runs_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: set[str] = set()
    kernels = {rollout: ("roll", "relate", "look"), places: ("score",), plans: ("shape", "follow")}
    for module, names in kernels.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, name=name: ran.add(name))
    warm_up()
    assert ran == {name for names in kernels.values() for name in names}


def test_warming_up_compiles_what_a_decision_uses() -> None:
    warm_up()
    given = inputs(2, 3)
    kernels = (rollout.roll, rollout.relate, rollout.look, places.score, plans.shape, plans.follow)
    model, scene = a_model(), a_scene()
    before = [len(kernel.signatures) for kernel in kernels]
    body, own = given[1], given[3].permute(1, 2, 0, 3, 4)[..., 0, :].contiguous()
    free = Lookup(Grids(torch.ones(1, 9, 9), torch.zeros(1, 2), 0.5), torch.zeros(2, dtype=torch.long))
    limits = motion.Body(torch.ones(2), torch.ones(2))
    with torch.inference_mode():
        quick.by_kernel(*given)
        filtered(model, scene)
        quick.related(torch.zeros(2, 3, 6, 6), own, torch.ones(2, 2), given[5])
        motion.shape(free, limits, 0.1, body.pose[:, 0], torch.ones(2, 3, 6, 2))
        motion.follow(limits, 0.1, body.pose[:, 0], [free], 6, 0.5)
    assert [len(kernel.signatures) for kernel in kernels] == before == [1] * 6
