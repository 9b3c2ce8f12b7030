"""The report on a model: its rows, its measures, and that the rivals are as strong as they should be."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from world_scenes import a_play

from npc_sdk.train import Dataset, build_dataset, evaluate
from npc_sdk.train.evaluate import ROWS, latents
from npc_sdk.train.moments import NAMES, find_moments
from npc_sdk.train.ridge import fit_ridge
from npc_sdk.train.scores import auroc, brier, effective_rank, linear_probe
from npc_sdk.world import ModelConfig, UpdateConfig, WorldModel

STYLES = ("left", "right")


@pytest.fixture(scope="module")
def datasets() -> tuple[Dataset, Dataset]:
    train = build_dataset([a_play(seed, style=STYLES[seed % 2]) for seed in range(10)])
    test = build_dataset([a_play(seed, style=(*STYLES, "other")[seed % 3]) for seed in range(30, 36)])
    return test, train


@pytest.fixture(scope="module")
def model() -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(
        ModelConfig(update=UpdateConfig(latent=16, habit=8, message=16, hidden=24), filter_hidden=24)
    ).eval()


@pytest.fixture(scope="module")
def report(datasets: tuple[Dataset, Dataset], model: WorldModel) -> dict[str, object]:
    return dict(evaluate(model, *datasets, unseen_styles=("other",), without_regularizer=model))


def test_the_report_has_every_row_at_every_horizon(report: dict[str, object]) -> None:
    table = report["player_error_m"]
    assert isinstance(table, dict)
    assert set(table) == {*ROWS, "no_regularizer"}
    for row in table.values():
        assert tuple(row) == NAMES == ("0.1", "0.5", "1.0", "3.0")
        assert all(math.isfinite(v) and v >= 0 for v in row.values())


def test_a_ridge_learns_circling_that_constant_velocity_cannot(report: dict[str, object]) -> None:
    table = report["player_error_m"]
    assert isinstance(table, dict)
    assert table["ridge_direct"]["1.0"] < 0.7 * table["constant_velocity"]["1.0"]
    assert table["constant_velocity"]["1.0"] < table["identity"]["1.0"]


@torch.inference_mode()
def test_latents_are_the_same_however_many_plays_are_read_at_once(
    datasets: tuple[Dataset, Dataset], model: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = find_moments(datasets[0], 5)
    together = latents(model, datasets[0], moments, 5)
    monkeypatch.setattr(sys.modules[latents.__module__], "_PIECE", 4)
    assert together.std(0).max() > 0.01
    assert torch.allclose(latents(model, datasets[0], moments, 5), together, atol=1e-5)


def test_unseen_styles_are_reported_apart(report: dict[str, object]) -> None:
    by_style, apart = report["player_error_by_style_m"], report["player_error_unseen_style_m"]
    assert isinstance(by_style, dict)
    assert isinstance(apart, dict)
    assert set(by_style) == {"left", "right", "other"}
    assert apart["model"]["1.0"] == pytest.approx(by_style["other"]["1.0"])


def test_npcs_with_declared_kinematics_have_no_error(report: dict[str, object]) -> None:
    errors = report["npc_error_m"]
    assert isinstance(errors, dict)
    assert max(errors.values()) < 1e-3


def test_ridge_finds_a_linear_map_in_spite_of_useless_and_doubled_columns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    x = np.concatenate([x, x[:, :2], np.ones((400, 1))], 1)
    y = x[:, :2] @ np.array([[1.0, 2.0], [-1.0, 0.5]]) + 3.0
    ridge = fit_ridge(x, y, np.arange(400) % 5 == 0)
    assert np.abs(ridge(x) - y).max() < 1e-2


def test_scores_know_perfect_and_useless_forecasts() -> None:
    came = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert auroc(torch.tensor([0.1, 0.2, 0.8, 0.9]), came) == 1.0
    assert auroc(torch.full((4,), 0.5), came) == 0.5
    assert auroc(torch.tensor([0.9, 0.8, 0.2, 0.1]), came) == 0.0
    assert math.isnan(auroc(came, torch.zeros(4)))
    assert brier(came, came) == 0.0
    flat = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)) * torch.ones(1, 8)
    assert effective_rank(flat) == pytest.approx(1.0, abs=0.05)
    assert effective_rank(torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))) > 7.5


def test_a_probe_reads_what_is_linear_and_gives_chance_otherwise() -> None:
    g = torch.Generator().manual_seed(0)
    label = torch.randint(3, (600,), generator=g)
    z = torch.randn(600, 6, generator=g)
    blind, common = linear_probe(z[:400], label[:400], z[400:], label[400:], 3)
    assert abs(blind - 1 / 3) < 0.12
    assert 0.3 < common < 0.5
    z[:, :3] += 3 * torch.nn.functional.one_hot(label, 3)
    assert linear_probe(z[:400], label[:400], z[400:], label[400:], 3)[0] > 0.9
