"""Made-up scenes and fights for the tests of the world model: small, quick, and without the arena."""

from __future__ import annotations

import numpy as np
import torch

from npc_bridge.schema import Polygon
from npc_sdk.belief import NPC, PLAYER, Frame
from npc_sdk.geometry import SdfGrid
from npc_sdk.geometry.places import build_places
from npc_sdk.tensors import FEATURES, Grids, Places, Scene, places
from npc_sdk.train.dataset import Play
from npc_sdk.world import Decision, Forecast, Memory, ModelConfig, UpdateConfig, WorldModel

BOX = Polygon("box", "wall", ((-2.0, -1.0), (2.0, -1.0), (2.0, 1.0), (-2.0, 1.0)), opaque=True)


def a_scene(b: int = 3, npcs: int = 6, grenades: int = 2, seed: int = 0) -> Scene:
    """Random bodies on three random maps."""
    g = torch.Generator().manual_seed(seed)
    e = 1 + npcs + grenades
    kind = torch.full((b, e), 2)
    kind[:, 0], kind[:, 1 + npcs :] = 1, 3
    pose = torch.randn(b, e, 4, generator=g) * torch.tensor([5.0, 5.0, 2.0, 2.0])
    angle = torch.rand(b, e, generator=g) * 6.28
    features = torch.rand(b, e, len(FEATURES), generator=g)
    for column, which in enumerate((1, 2, 3)):
        features[..., column] = (kind == which).float()
    walls = Grids(torch.rand(3, 97, 97, generator=g) * 4 - 0.5, torch.full((3, 2), -12.0), 0.25)
    seen = torch.rand(b, e, generator=g) > 0.3
    heading = torch.stack([angle.cos(), angle.sin()], -1)
    index = torch.arange(b) % 3
    return Scene(kind, pose, heading, features, kind > 0, seen, (~seen).float(), walls, index, places_of(walls))


def places_of(walls: Grids) -> Places:
    """The places on the floor of each map."""
    tables = [build_places(SdfGrid((-12.0, -12.0), walls.cell, v), 0.35) for v in walls.values.numpy()]
    return places(tables, torch.device("cpu"))


def a_decision(scene: Scene, s: int = 4, h: int = 8, seed: int = 0) -> Decision:
    """One deciding NPC per scene; its first candidate is its committed plan."""
    g = torch.Generator().manual_seed(seed)
    b, e = scene.kind.shape
    committed = torch.randn(b, e, h, 2, generator=g) * (scene.kind == 2)[..., None, None]
    index, slot = torch.arange(b), torch.arange(b) % 3 + 1
    moves = torch.randn(b, s, h, 2, generator=g) * 2
    moves[:, 0] = committed[index, slot]
    return Decision(index, slot, moves, committed)


def a_play(seed: int, steps: int = 60, npcs: int = 4, style: str = "") -> Play:
    """A player circles the middle, one way or the other by its style; NPCs in the west lose it behind the box."""
    rng = np.random.default_rng(seed)
    e = 1 + npcs + 2
    turn = 1.0 if style == "left" else -1.0
    angle = rng.uniform(0, 6.28) + turn * np.arange(steps) * 0.06
    pose = np.zeros((steps, e, 4), np.float32)
    pose[:, 0, 0], pose[:, 0, 1] = 6 * np.cos(angle), 6 * np.sin(angle)
    pose[:-1, 0, 2:] = np.diff(pose[:, 0, :2], axis=0) / 0.1
    pose[-1, 0, 2:] = pose[-2, 0, 2:]
    pose[:, 1 : 1 + npcs, :2] = rng.uniform((-10, -0.8), (-8, 0.8), (npcs, 2))
    kind = np.zeros((steps, e), np.int8)
    kind[:, 0], kind[:, 1 : 1 + npcs] = PLAYER, NPC
    ids = np.where(kind == PLAYER, 1, np.where(kind == NPC, 100 + np.arange(e), 0)).astype(np.uint32)
    heading = np.zeros((steps, e), np.float32)
    heading[:, 0] = np.arctan2(pose[:, 0, 3], pose[:, 0, 2])
    zeros = np.zeros((steps, e), np.float32)
    shots = zeros.copy()
    shots[:, 0] = np.arange(steps) // 5
    health = np.where(kind > 0, 100.0, 0.0).astype(np.float32)
    health[:, 1] -= shots[:, 0]
    squad = np.where(kind == NPC, 0, -1).astype(np.int64)
    off = np.zeros((steps, e), np.bool_)
    frames = Frame(
        ids,
        kind,
        pose,
        heading,
        health,
        zeros,
        zeros,
        shots,
        zeros,
        squad,
        off,
        np.zeros((steps, e, 2), np.float32),
        kind > 0,
    )
    return Play(frames, (BOX,), (-12.0, -12.0, 12.0, 12.0), 1, style)


def a_model(seed: int = 0, neighbours: int = 8) -> WorldModel:
    torch.manual_seed(seed)
    update = UpdateConfig(latent=16, habit=8, message=16, hidden=24, neighbours=neighbours)
    return WorldModel(ModelConfig(update=update, filter_hidden=24)).eval()


def filtered(model: Forecast, scene: Scene, times: int = 3) -> Memory:
    memory = model.start(*scene.kind.shape)
    for _ in range(times):
        memory = model.filter(memory, scene)
    return memory
