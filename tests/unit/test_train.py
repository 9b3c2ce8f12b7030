"""From recordings to a model: what is learned from, that learning helps, and that an interrupted run loses nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from world_scenes import BOX, a_play

from npc_bridge.messages import EntityBlock, Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Schema
from npc_sdk import cli
from npc_sdk.errors import InputError, ModelError
from npc_sdk.train import Dataset, TrainConfig, Trainer, build_dataset, read_recordings, train
from npc_sdk.train.losses import onward_loss
from npc_sdk.train.moments import HORIZONS, find_moments, whole
from npc_sdk.world import ModelConfig, UpdateConfig
from npc_sdk.world.update import Body

SMALL = ModelConfig(update=UpdateConfig(latent=16, habit=8, message=16, hidden=32), filter_hidden=32)
QUICK = TrainConfig(model=SMALL, streams=8, chunk=8, horizon=4)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build_dataset([a_play(seed, style=("left", "right")[seed % 2]) for seed in range(8)])


def test_a_dataset_holds_what_the_squad_saw_and_apart_from_it_what_was_true(dataset: Dataset) -> None:
    hidden = ~dataset.seen[..., 0] & (dataset.age[..., 0] < 90)
    assert 0.02 < hidden.float().mean() < 0.98
    believed, true = dataset.pose[:, :, 0, :2], dataset.truth.player[..., :2]
    assert torch.equal(believed[dataset.seen[..., 0]], true[dataset.seen[..., 0]])
    assert (believed[hidden] - true[hidden]).norm(dim=-1).mean() > 0.1
    assert dataset.truth.fires.sum() == 8 * 11
    assert dataset.truth.hit_taken[..., 1].sum() == 8 * 11


def test_turning_a_window_turns_everything_in_it_alike(dataset: Dataset) -> None:
    rows, first = torch.zeros(8, dtype=torch.long), torch.zeros(8, dtype=torch.long)
    turned = dataset.window(rows, first, 20, torch.arange(8))
    gap = turned.pose[:, :, 1, :2] - turned.truth.player[..., :2]
    torch.testing.assert_close(gap.norm(dim=-1), gap[:1].norm(dim=-1).expand(8, -1))
    scene = turned.scene(5)
    clear = scene.walls.sample(scene.map_index, scene.pose[:, 1, :2])
    torch.testing.assert_close(clear, clear[:1].expand(8), atol=1e-3, rtol=1e-3)
    assert len({tuple(p.tolist()) for p in turned.truth.player[:, 0, :2].round(decimals=3)}) == 8


def test_recorded_moves_lead_from_pose_to_pose(dataset: Dataset) -> None:
    window = whole(dataset)
    moves = window.moves(3, 5)
    reached = window.pose[:, 3, 1, :2] + moves[:, 1].sum(1) * 0.1
    torch.testing.assert_close(reached, window.pose[:, 8, 1, :2], atol=1e-4, rtol=1e-4)


def test_moments_ask_only_where_the_squad_has_ever_seen_a_living_player(dataset: Dataset) -> None:
    moments = find_moments(dataset, stride=5)
    assert (dataset.age[moments.row, moments.t, 0] < 90).all()
    assert moments.valid.shape == (len(moments.row), len(HORIZONS))
    late = moments.t + HORIZONS[-1] >= dataset.length[moments.row]
    assert not moments.valid[late, -1].any()


def test_the_next_velocity_counts_where_the_player_was_and_is_in_sight(dataset: Dataset) -> None:
    rows = torch.arange(len(dataset.length))
    steps = 30
    window = dataset.window(rows, torch.zeros_like(rows), steps)
    true, seen = window.truth.player[:, :, 2:], window.age[..., 0] == 0
    counted = seen[:, 1:] & seen[:, :-1]
    assert 0 < counted.sum() < counted.numel()

    def loss(off: torch.Tensor) -> float:
        """The loss of velocities that are off by `off` (b t) times (3, 4) m/s."""
        told = true + off[..., None] * torch.tensor([3.0, 4.0])
        nothing = torch.zeros(len(rows))
        bodies = [
            Body(torch.cat([told[:, t], told[:, t]], -1), told[:, t], nothing[:, None], nothing, nothing, told[:, t])
            for t in range(steps)
        ]
        return float(onward_loss(window, bodies))

    every = torch.ones(len(rows), steps)
    assert loss(0 * every) == pytest.approx(0.1)  # the root is rounded off near zero
    assert loss(every) == pytest.approx(5.0, abs=0.01)
    assert loss(torch.cat([every[:, :1], (~counted).float()], 1)) == pytest.approx(0.1)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset: Dataset) -> None:
    one, two = (Trainer(dataset, QUICK) for _ in range(2))
    other = Trainer(dataset, TrainConfig(model=SMALL, streams=8, chunk=8, horizon=4, seed=1))
    for trainer in (one, two, other):
        trainer.run(steps=3)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))


def test_training_may_begin_with_the_weights_of_a_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    _record(tmp_path / "play", count=1)
    first = train([tmp_path / "play"], tmp_path / "first", QUICK, steps=2, quiet=True).model
    onward = dataclasses.replace(QUICK, start=str(tmp_path / "first"))
    begun = Trainer(dataset, onward)
    for model in (begun.model, begun.average):
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), model.parameters(), strict=True))
    second = train([tmp_path / "play"], tmp_path / "second", onward, steps=1, quiet=True).model
    moved = [(a - b).abs().max() for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert 0.0 < max(moved) < 0.1
    begun_with = hashlib.sha256((tmp_path / "first" / "model.safetensors").read_bytes()).hexdigest()
    assert json.loads((tmp_path / "second" / "config.json").read_text())["notes"]["start_sha256"] == begun_with
    document = json.loads((tmp_path / "first" / "config.json").read_text())
    (tmp_path / "first" / "config.json").write_text(json.dumps(document | {"interface_sha256": "0" * 64}))
    with pytest.raises(ModelError, match="expected a model for schema interface"):
        train([tmp_path / "play"], tmp_path / "third", onward, steps=1, quiet=True)


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    _record(tmp_path / "play", count=2)
    straight = train([tmp_path / "play"], tmp_path / "straight", QUICK, steps=6, quiet=True).model

    def stop(step: int, share: float, parts: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("npc_sdk.train.run._shown", lambda bar: stop)
        with pytest.raises(KeyboardInterrupt):
            train([tmp_path / "play"], tmp_path / "halved", QUICK, steps=6, quiet=True)
    assert not (tmp_path / "halved" / "run.safetensors.new").exists()
    resumed = train([tmp_path / "play"], tmp_path / "halved", QUICK, steps=6, quiet=True)
    assert resumed.steps == 6
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.model.parameters(), strict=True))


def test_a_folder_that_holds_another_run_is_refused(tmp_path: Path) -> None:
    _record(tmp_path / "play", count=1)
    train([tmp_path / "play"], tmp_path / "out", QUICK, steps=1, quiet=True)
    with pytest.raises(ModelError, match="expected a run of this configuration"):
        train([tmp_path / "play"], tmp_path / "out", QUICK, steps=2, quiet=True)


def test_jobs_share_the_fights_of_a_step_and_go_on_only_together(dataset: Dataset, tmp_path: Path) -> None:
    shares = [Trainer(dataset, QUICK, rank=rank, jobs=3).state()[0]["stream.row"] for rank in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]  # of 8
    _record(tmp_path / "play", count=1)
    train([tmp_path / "play"], tmp_path / "out", QUICK, steps=1, quiet=True, jobs=2)
    with pytest.raises(ModelError, match="expected a run of this configuration"):
        train([tmp_path / "play"], tmp_path / "out", QUICK, steps=1, quiet=True)


def test_training_names_the_schema_it_was_trained_on(tmp_path: Path) -> None:
    schema = _record(tmp_path / "play", count=1)
    train([tmp_path / "play"], tmp_path / "out", QUICK, steps=1, quiet=True)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["interface_sha256"] == schema.interface_sha256


def test_recordings_are_read_as_plays_with_their_hidden_style(tmp_path: Path) -> None:
    schema = _record(tmp_path, count=3)
    read = read_recordings([tmp_path])
    assert read.interface_sha256 == schema.interface_sha256
    assert [p.label for p in read.plays] == ["left", "right", "left"]
    np.testing.assert_allclose(
        read.plays[0].frames.pose[:, 0], a_play(0, steps=40, style="left").frames.pose[:, 0], atol=1e-5
    )


def test_a_recording_cut_off_in_the_middle_is_read_up_to_there(tmp_path: Path) -> None:
    _record(tmp_path, count=1)
    (file,) = tmp_path.glob("*.npcrec")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (play,) = read_recordings([tmp_path]).plays
    assert 5 < play.steps < 40


def test_nothing_to_read_and_two_ways_to_stop_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        read_recordings([tmp_path])
    with pytest.raises(InputError, match="one of steps and budget_s"):
        train([tmp_path], tmp_path / "out")


def test_recordings_of_two_games_are_refused(tmp_path: Path) -> None:
    _record(tmp_path, count=1)
    _record(tmp_path, count=1, first=5, ammo="shells")
    with pytest.raises(ModelError, match="expected one schema interface, got 2"):
        read_recordings([tmp_path])


def _schema(ammo: str) -> Schema:
    body = tuple(
        Field(n, u, -100, 100, role=n)
        for n, u in (("x", "m"), ("y", "m"), ("vx", "m/s"), ("vy", "m/s"), ("heading", "rad"))
    )
    rest = (Field("health", "hp", 0, 200, role="health"), Field("shots", "1", 0, 1e6, role="shots"))
    extra = (Field("squad", "1", 0, 9, role="squad"), Field(ammo, "1", 0, 99, role="ammo"))
    return Schema(
        game="toy",
        tick_hz=30,
        coordinates="wire",
        bounds=(-12.0, -12.0, 12.0, 12.0),
        entities=(
            EntityType("player", "player", 1, (*body, *rest)),
            EntityType("npc", "npc", 4, (*body, *rest, *extra)),
        ),
        channels=(Channel("move_x", "m/s", -6, 6), Channel("move_y", "m/s", -6, 6)),
        kinematics=Kinematics(max_speed=4.0, max_acceleration=16.0, brake=16.0, radius=0.35, turn_rate=6.28),
        polygons=(BOX,),
    )


def _record(folder: Path, count: int, first: int = 0, ammo: str = "ammo") -> Schema:
    """Writes toy fights as a game would stream them, at 30 Hz, every third snapshot on a model step."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = _schema(ammo)
    for i in range(first, first + count):
        style = ("left", "right")[i % 2]
        f = a_play(i, steps=40, style=style).frames
        with Recorder(folder / f"fight_{i}.npcrec", schema) as recorder:
            for tick in range(0, 3 * 40):
                t = tick // 3
                body = np.concatenate([f.pose[t], f.heading[t][:, None], f.health[t][:, None], f.shots[t][:, None]], 1)
                npc = np.concatenate([body[1:5], np.zeros((4, 2), np.float32)], 1)
                blocks = {"player": EntityBlock(f.ids[t, :1], body[:1]), "npc": EntityBlock(f.ids[t, 1:5], npc)}
                data = encode(Snapshot(1, schema.schema_id, tick, tick * 33_333, tick, blocks), schema)
                recorder.write(tick * 33_333, Direction.UP, ChannelId.DATA, data)
        (folder / f"fight_{i}.json").write_text(json.dumps({"style": style}))
    return schema


def test_jobs_train_together_and_go_on(tmp_path: Path) -> None:
    _record(tmp_path / "play", count=2)
    alone = train([tmp_path / "play"], tmp_path / "alone", QUICK, steps=2, quiet=True)
    first = train([tmp_path / "play"], tmp_path / "both", QUICK, steps=2, quiet=True, jobs=2)
    again = train([tmp_path / "play"], tmp_path / "again", QUICK, steps=2, quiet=True, jobs=2)
    one, two, three = (torch.cat([p.flatten() for p in t.model.parameters()]) for t in (alone, first, again))
    assert torch.equal(two, three)
    assert not torch.equal(one, two)  # the other's fights count
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("jobs", "device"), [(0, "cpu"), (2, "cuda")])
def test_jobs_that_cannot_be_had_are_refused(tmp_path: Path, jobs: int, device: str) -> None:
    with pytest.raises(InputError, match="expected 1 job"):
        train([tmp_path], tmp_path / "model", QUICK, steps=1, jobs=jobs, device=device, quiet=True)


def test_the_command_trains_as_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[TrainConfig] = []

    def training(recordings: list[Path], out: Path, config: TrainConfig, **_: object) -> None:
        asked.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("npc_sdk.train.train", training)
    plain = ["train", "play", "--out", str(tmp_path)]
    for extra in ([], ["--start", "model"], ["--rate", "0.001", "--horizon", "15", "--seed", "3"]):
        assert cli.main([*plain, *extra]) == 130
    assert asked[0] == TrainConfig()
    assert asked[1] == TrainConfig(start="model", learning_rate=0.0015)
    assert asked[2] == TrainConfig(learning_rate=0.001, horizon=15, seed=3)
