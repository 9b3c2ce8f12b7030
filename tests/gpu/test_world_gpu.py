"""The world model gives the same answers on CUDA tensors as on the CPU."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import pytest
import torch

from npc_sdk.geometry import SdfGrid
from npc_sdk.geometry.places import build_places
from npc_sdk.tensors import FEATURES, Grids, Places, Scene, places
from npc_sdk.world import Decision, Imagined, Memory, Mode, WorldModel

Part = TypeVar("Part", Scene, Decision, Grids, Places, Memory)

pytestmark = pytest.mark.gpu


def there(value: Part) -> Part:
    """Moves every tensor of a dataclass to the GPU."""
    moved = {f.name: getattr(value, f.name) for f in fields(value)}
    moved = {
        k: v.cuda() if isinstance(v, torch.Tensor) else there(v) if isinstance(v, Grids | Places) else v
        for k, v in moved.items()
    }
    return replace(value, **moved)


def a_scene(b: int = 4, npcs: int = 8, grenades: int = 2) -> Scene:
    g = torch.Generator().manual_seed(0)
    e = 1 + npcs + grenades
    kind = torch.full((b, e), 2)
    kind[:, 0], kind[:, 1 + npcs :] = 1, 3
    angle = torch.rand(b, e, generator=g) * 6.28
    features = torch.rand(b, e, len(FEATURES), generator=g)
    for column, which in enumerate((1, 2, 3)):
        features[..., column] = (kind == which).float()
    smooth = torch.rand(3, 1, 13, 13, generator=g) * 4 - 0.5
    values = torch.nn.functional.interpolate(smooth, size=(97, 97), mode="bilinear", align_corners=True)[:, 0]
    tables = [build_places(SdfGrid((-12.0, -12.0), 0.25, v), 0.35) for v in values.numpy()]
    return Scene(
        kind=kind,
        pose=torch.randn(b, e, 4, generator=g) * 3,
        heading=torch.stack([angle.cos(), angle.sin()], -1),
        features=features,
        mask=kind > 0,
        seen=torch.rand(b, e, generator=g) > 0.3,
        age=torch.rand(b, e, generator=g),
        walls=Grids(values, torch.full((3, 2), -12.0), 0.25),
        map_index=torch.arange(b) % 3,
        places=places(tables, torch.device("cpu")),
    )


@pytest.mark.parametrize("mode", ["duet", "factored", "interactive"])
def test_imagining_on_the_gpu_agrees_with_the_cpu(mode: Mode) -> None:
    torch.manual_seed(0)
    model, scene = WorldModel().eval(), a_scene()
    g = torch.Generator().manual_seed(1)
    committed = torch.randn(*scene.kind.shape, 5, 2, generator=g)
    decision = Decision(torch.arange(4), torch.arange(4) + 1, torch.randn(4, 8, 5, 2, generator=g), committed)

    def answer(model: WorldModel, scene: Scene, decision: Decision) -> Imagined:
        memory = model.start(*scene.kind.shape)
        for _ in range(3):
            memory = model.filter(memory, scene)
        return model.imagine(memory, scene, decision, mode)

    with torch.inference_mode():
        here = answer(model, scene, decision)
        gpu = answer(model.cuda(), there(scene), there(decision))
    for f in fields(Imagined):
        torch.testing.assert_close(getattr(gpu, f.name).cpu(), getattr(here, f.name), atol=2e-2, rtol=2e-2)
