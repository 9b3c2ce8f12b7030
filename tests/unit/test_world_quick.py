"""A recorded rule is the rule, for any batch."""

from __future__ import annotations

import pytest
import torch

from npc_sdk.tensors import Grids
from npc_sdk.world import ModelConfig, WorldModel
from npc_sdk.world.destinations import AIM
from npc_sdk.world.quick import step_of
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, Near


def inputs(n: int, s: int, k: int = 5) -> tuple[Body, Near, torch.Tensor, torch.Tensor, Terrain]:
    generator = torch.Generator().manual_seed(100 * n + s)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def unit(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(draw(*shape), dim=-1)

    walls = Grids(draw(2, 97, 97), torch.full((2, 2), -12.0), 0.25)
    terrain = Terrain.of(walls, torch.arange(n)[:, None] % 2)
    body = Body(draw(n, s, 4), unit(n, s, 2), draw(n, s, 48), draw(n, s).abs(), draw(n, s), draw(n, s, 2))
    near = Near(unit(n, 1, k, 2), draw(n, 1, k, 32), draw(n, 1, k) > -1)
    return body, near, draw(n, s, k, 4), draw(n, s, AIM), terrain


@pytest.mark.parametrize(("n", "s"), [(5, 33), (1, 2), (16, 14)])
def test_a_recording_gives_the_same_bits(n: int, s: int) -> None:
    torch.manual_seed(1)
    update = WorldModel(ModelConfig()).eval().update
    with torch.inference_mode():
        step_of(update, *inputs(3, 7))  # recorded at another size
        body, near, others, aim, terrain = inputs(n, s)
        told, logits = step_of(update, body, near, others, aim, terrain)(body, others, aim)
        expected, expected_logits = update(body, near, others, aim, terrain)
    for name in ("pose", "heading", "z", "variance", "clearance", "slope"):
        assert torch.equal(getattr(told, name), getattr(expected, name)), name
    assert torch.equal(logits, expected_logits)


def test_a_recording_follows_the_weights() -> None:
    update = WorldModel(ModelConfig()).eval().update
    body, near, others, aim, terrain = inputs(2, 3)
    with torch.inference_mode(False), torch.no_grad():
        step = step_of(update, body, near, others, aim, terrain)
        before = step(body, others, aim)[0].pose
        update.last.bias.add_(0.5)
        assert not torch.equal(step(body, others, aim)[0].pose, before)


def test_with_gradients_the_rule_itself_runs() -> None:
    update = WorldModel(ModelConfig()).update
    body, near, others, aim, terrain = inputs(2, 3)
    moved, _ = step_of(update, body, near, others, aim, terrain)(body, others, aim)
    moved.pose.sum().backward()
    assert update.last.weight.grad is not None
