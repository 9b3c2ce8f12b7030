"""Thirty seconds of training on a few fights already foresee more than constant velocity, on maps never seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from npc_sdk.envs.arena.players import STYLES
from npc_sdk.experiments.record import RecordConfig, record
from npc_sdk.train import TrainConfig, build_dataset, evaluate, read_recordings, train


@pytest.mark.timeout(400)
def test_thirty_seconds_of_training_beat_constant_velocity(tmp_path: Path) -> None:
    record(RecordConfig(48, 15.0, 1, "train", STYLES), tmp_path / "train")
    record(RecordConfig(16, 15.0, 2, "test", STYLES), tmp_path / "test")
    trained = train([tmp_path / "train"], tmp_path / "model", TrainConfig(seed=1), budget_s=30.0, quiet=True)
    held_out = build_dataset(read_recordings([tmp_path / "test"]).plays)
    played = build_dataset(read_recordings([tmp_path / "train"]).plays)
    error = evaluate(trained.model, held_out, played)["player_error_m"]
    assert error["model"]["1.0"] < error["constant_velocity"]["1.0"], error  # type: ignore[index,call-overload]  # a tree
