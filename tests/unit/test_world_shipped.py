"""The model in the package fits the arena in the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch

from npc_sdk.envs.arena import arena_schema, make_map
from npc_sdk.serve.models import ARENA, load
from npc_sdk.world import load_model

FOLDER = Path(str(files("npc_sdk") / "models" / "arena"))


def test_the_shipped_model_was_trained_on_the_schema_the_arena_declares() -> None:
    """When this fails, the arena's fields changed: train again as docs/howto/train.md says, and ship the result."""
    model = load_model(FOLDER, interface_sha256=arena_schema(make_map("train", 0)).interface_sha256)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_shipped_model_is_small_and_carries_no_training_state() -> None:
    assert sorted(p.name for p in FOLDER.iterdir()) == ["calibration.json", "config.json", "model.safetensors"]
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 3_000_000


def test_the_shipped_calibration_is_of_the_shipped_weights_and_says_something_at_95_percent() -> None:
    """When this fails after training: npc-sdk evaluate coverage --save."""
    calibration = load(ARENA, torch.device("cpu")).calibration
    assert calibration is not None
    for steps in (5, 10, 15, 20):
        for seen in (True, False):
            assert 1.0 < calibration.factor(steps, seen, 0.05) < 50.0
