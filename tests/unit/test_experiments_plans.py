"""Imagined against realised plans, and what forecasts are worth in fights: small, real runs and hand-made tables."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from npc_sdk.cli import main
from npc_sdk.errors import InputError
from npc_sdk.experiments import decide, plans
from npc_sdk.experiments.contest import Score
from npc_sdk.experiments.linear import RidgeForecast
from npc_sdk.experiments.record import RecordConfig, record
from npc_sdk.experiments.rivals import ROWS, Rivals
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Orders, View
from npc_sdk.train.dataset import build_dataset
from npc_sdk.train.recordings import read_recordings
from npc_sdk.world import ModelConfig, WorldModel

BRIEF = plans.PlansConfig(fights=2, seconds=2.0, every_s=1.0, batch=2)


@lru_cache
def contestants(folder: Path) -> Rivals:
    record(RecordConfig(4, 4.0), folder / "play")
    torch.manual_seed(0)
    ridge = RidgeForecast.fitted(build_dataset(read_recordings([folder / "play"]).plays))
    return Rivals(WorldModel(ModelConfig()).eval(), ridge, PlannerConfig(candidates=12))


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Rivals:
    return contestants(tmp_path_factory.mktemp("rivals"))


def test_every_row_is_asked_about_the_same_candidates(rivals: Rivals, tmp_path: Path) -> None:
    found = plans.measure(BRIEF, rivals, tmp_path, "")
    n = len(found.seen)
    assert n == 16  # two fights, four NPCs, at 0.5 and 1.5 s
    assert set(found.objective) == set(ROWS) - {"learned_duet_verified"}
    assert all(J.shape == (n, 12) for J in found.objective.values())
    whole = np.ones(n, np.bool_)
    assert plans.rank(found, "exact", whole) == plans.Ranking(1.0, 0.0, plans.rank(found, "exact", whole).moves_more)
    assert plans.rank(found, "frozen", whole).spearman < 1.0
    assert (found.moved["constant_velocity"] == 0).all()
    assert found.moved["exact"][:, 1:].max() > 0.0
    assert found.moved["ridge"][:, 1:].max() > 0.0
    again = plans.measure(BRIEF, rivals, tmp_path, "")  # read back
    np.testing.assert_array_equal(again.objective["ridge"], found.objective["ridge"])


def test_ranks_regret_and_who_moves_the_player_more_are_as_defined() -> None:
    states = plans.States(
        {"a": np.array([[3.0, 2.0, 1.0]]), "exact": np.array([[1.0, 5.0, 4.0]])},
        {"a": np.array([[0.0, 1.0, 1.0]]), "exact": np.array([[0.0, 1.0, 0.5]])},
        np.array([True]),
    )
    found = plans.rank(states, "a", np.array([True]))
    assert found.spearman == pytest.approx(-0.5)
    assert found.regret == 3.0  # takes the last, 4, where 1 could be had
    assert found.moves_more == 0.75  # one pair right, one undecided
    assert np.isnan(plans.rank(states, "a", np.array([False])).spearman)


def test_the_model_that_forgets_starts_every_look_from_nothing(rivals: Rivals) -> None:
    forgetful = rivals.decider("z_reset").forecast
    seen = []
    forgetful._model = _Spy(seen)  # type: ignore[attr-defined]
    memory = rivals.learned.start(1, 3)
    forgetful.filter(dataclasses.replace(memory, z=memory.z + 1.0), None)  # type: ignore[arg-type]
    assert (seen[0].z == 0).all()


class _Spy:
    def __init__(self, seen: list[object]) -> None:
        self._seen = seen

    def filter(self, memory: object, scene: object) -> None:
        self._seen.append(memory)


def test_a_ridge_that_was_fitted_on_other_play_is_another_measurement(rivals: Rivals, tmp_path: Path) -> None:
    record(RecordConfig(4, 4.0, seed=9), tmp_path)
    other = RidgeForecast.fitted(build_dataset(read_recordings([tmp_path]).plays))
    prints = {dataclasses.replace(rivals, ridge=ridge).fingerprint({}, "", "") for ridge in (rivals.ridge, other)}
    assert len(prints) == 2
    assert dataclasses.replace(rivals).fingerprint({}, "", "") in prints
    without = {dataclasses.replace(rivals, ridge=r).fingerprint({}, "", "", ("exact",)) for r in (rivals.ridge, other)}
    assert len(without) == 1


def test_kept_results_of_a_row_depend_on_its_roll_outs_and_on_the_luck(rivals: Rivals) -> None:
    prints = {rivals.fingerprint({}, "", "", (row,)) for row in ("learned_factored", "learned_duet")}
    prints |= {dataclasses.replace(rivals, seed=seed).fingerprint({}, "", "", ("exact",)) for seed in (0, 1)}
    assert len(prints) == 4


def test_fights_too_short_to_have_a_state_are_refused(rivals: Rivals, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more than 1 s, where the first states are, got 0\.9"):
        plans.measure(plans.PlansConfig(fights=1, seconds=0.9), rivals, tmp_path, "model")


@pytest.mark.parametrize("row", [*ROWS, "utility_ai"])
def test_another_model_is_another_measurement_for_the_rows_that_use_it(rivals: Rivals, row: str) -> None:
    prints = {rivals.fingerprint({}, "", model, (row,)) for model in ("a", "b")}
    assert len(prints) == (2 if row.startswith("learned") or row == "z_reset" else 1)


def test_rows_differ_in_forecast_and_roll_out_only(rivals: Rivals) -> None:
    deciders = {row: rivals.decider(row) for row in ROWS}
    for row, decider in deciders.items():
        assert (decider.config.rank, decider.config.verify) == (ROWS[row].rank, ROWS[row].verify)
        assert dataclasses.replace(decider.config, rank="duet", verify="duet") == rivals.planner
    assert deciders["learned_duet"].forecast is deciders["learned_factored"].forecast is rivals.learned
    assert deciders["exact"].watch == deciders["exact"].forecast.watch  # type: ignore[attr-defined]


def test_a_measurement_goes_on_where_it_stopped_and_says_what_decisions_cost(rivals: Rivals, tmp_path: Path) -> None:
    config = decide.DecideConfig(seeds=1, styles=("kiter", "camper"), seconds=0.4)
    rows = ("frozen", "exact", "utility_ai")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decide.measure(config, rivals, rows, tmp_path, "model", done=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["frozen_7000_2.json"]
    kept = (tmp_path / "frozen_7000_2.json").stat().st_mtime_ns
    done: list[None] = []
    found = decide.measure(config, rivals, rows, tmp_path, "model", done=lambda: done.append(None))
    assert len(done) == 3
    assert (tmp_path / "frozen_7000_2.json").stat().st_mtime_ns == kept
    assert [len(o.score.score) for o in found.values()] == [2, 2, 2]
    assert found["frozen"].decisions == 4 * 2 * 4
    assert found["exact"].ms_per_npc > found["frozen"].ms_per_npc > found["utility_ai"].ms_per_npc > 0
    more = decide.measure(dataclasses.replace(config, seeds=2), rivals, ("frozen",), tmp_path, "model")
    assert len(more["frozen"].score.score) == 4  # a batch of two is no batch of four
    of_config = (tmp_path / "frozen_7000_2.json").read_text()
    decide.measure(config, rivals, ("frozen", "z_reset"), tmp_path, "model")
    of_model = (tmp_path / "z_reset_7000_2.json").read_text()
    decide.measure(config, rivals, ("frozen", "z_reset"), tmp_path, "another")
    assert (tmp_path / "frozen_7000_2.json").read_text() == of_config
    assert (tmp_path / "z_reset_7000_2.json").read_text() != of_model


def outcome(name: str, scores: list[float], cpu_s: float = 1.0) -> decide.Outcome:
    column = np.array(scores)
    return decide.Outcome(Score(name, column, column, column, column, column), cpu_s, 1000)


def test_gains_are_paired_and_the_way_to_the_ceiling_is_a_share() -> None:
    found = {
        "frozen": outcome("frozen", [0.0, 0.0, 0.0]),
        "constant_velocity": outcome("constant_velocity", [1.0, 11.0, 21.0]),
        "learned_duet": outcome("learned_duet", [6.0, 16.0, 26.0], cpu_s=4.0),
        "learned_factored": outcome("learned_factored", [4.0, 14.0, 24.0]),
        "exact": outcome("exact", [9.0, 19.0, 29.0]),
    }
    gain = decide.gain(found, "learned_duet", "constant_velocity")
    assert (gain.mean, gain.low, gain.high) == (5.0, 5.0, 5.0)
    way = decide.closed(found, "learned_duet", "constant_velocity", "exact")
    assert (way.share, way.low, way.high) == pytest.approx((0.625, 0.625, 0.625))
    assert decide.default_row(found) == "learned_factored"


def test_timing_counts_what_was_decided() -> None:
    class Slow:
        def decide(self, view: View) -> Orders:
            sum(range(200_000))
            return None  # type: ignore[return-value]

        def forget(self, key: str) -> None:
            raise AssertionError

    class Due:
        due = np.array([True, False, True])

    timed = decide.Timed(Slow())
    timed.decide(Due())  # type: ignore[arg-type]
    assert timed.decisions == 2
    assert timed.cpu_s > 0.0


@pytest.mark.parametrize("command", [["bench", "decide"], ["evaluate", "plans"]])
def test_the_commands_run_and_speak_json(
    command: list[str], rivals: Rivals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    record(RecordConfig(4, 4.0), tmp_path / "play")
    asked = [*command, "--quick", "--json", "--out", str(tmp_path / "out"), "--train", str(tmp_path / "play")]
    assert main(asked) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(ROWS) - set(figures["rows"]) <= {"learned_duet_verified"}
    if command[0] == "bench":
        assert set(figures["rows"]) == set(decide.NAMES)
        assert all({"score", "ms_per_npc"} <= set(row) for row in figures["rows"].values())
        assert (tmp_path / "out" / "decide.png").stat().st_size > 1000
    else:
        assert figures["rows"]["exact"]["spearman"] == 1.0


def test_an_unknown_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "decide", "--rows", "exakt", "--out", str(tmp_path)]) == 2
    assert "unknown row 'exakt', did you mean 'exact'?" in capsys.readouterr().err
