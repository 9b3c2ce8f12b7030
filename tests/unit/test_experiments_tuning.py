"""The search for weights: what it tries, and that it goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from npc_sdk.envs.arena.npcs import Utility
from npc_sdk.experiments import tuning
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.objectives.terms import DEFAULT_TERMS

BRIEF = tuning.TuneConfig(trials=3, fights=2, seconds=1.0)
SPACE = {"a": (1.0, 0.1, 10.0), "b": (2.0, 1.0, 4.0)}


def test_the_usual_numbers_come_first_and_a_search_goes_on(tmp_path: Path) -> None:
    asked: list[dict[str, float]] = []

    def trial(numbers: tuning.Numbers) -> float:
        asked.append(dict(numbers))
        return -abs(numbers["a"] - 3.0)

    search = tuning.search(BRIEF, trial, SPACE, tmp_path)
    assert next(search).usual == -2.0
    search.close()
    assert asked == [{"a": 1.0, "b": 2.0}]
    found = list(tuning.search(BRIEF, trial, SPACE, tmp_path))[-1]
    assert len(asked) == 3
    assert found.score == max(-abs(numbers["a"] - 3.0) for numbers in asked)
    assert found.usual == -2.0
    assert all(0.1 <= numbers["a"] <= 10.0 and 1.0 <= numbers["b"] <= 4.0 for numbers in asked)
    assert list(tuning.search(BRIEF, trial, SPACE, tmp_path))[-1] == found
    assert len(asked) == 3


def test_a_search_that_is_stopped_asks_what_it_would_have_asked(tmp_path: Path) -> None:
    asked: dict[str, list[float]] = {"whole": [], "stopped": []}

    def run(name: str, trials: int) -> None:
        def trial(numbers: tuning.Numbers) -> float:
            if len(asked[name]) == 2 and not stopped and name == "stopped":
                stopped.append(name)
                raise KeyboardInterrupt
            asked[name].append(numbers["a"])
            return -abs(numbers["a"] - 3.0)

        list(tuning.search(replace(BRIEF, trials=trials), trial, SPACE, tmp_path / name))

    stopped: list[str] = []
    run("whole", 14)
    with pytest.raises(KeyboardInterrupt):
        run("stopped", 14)
    run("stopped", 5)
    run("stopped", 14)
    assert asked["stopped"] == asked["whole"]
    assert len(set(asked["whole"])) == 14


def test_the_usual_numbers_come_first_even_if_their_trial_was_stopped(tmp_path: Path) -> None:
    def stop(numbers: tuning.Numbers) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(tuning.search(BRIEF, stop, SPACE, tmp_path))
    assert next(tuning.search(BRIEF, lambda numbers: numbers["a"], SPACE, tmp_path)).usual == 1.0


def test_another_search_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    def found(config: tuning.TuneConfig, of: str, value: float) -> float:
        return list(tuning.search(config, lambda numbers: value, SPACE, tmp_path, of))[-1].score

    assert found(BRIEF, "a", 1.0) == 1.0
    assert found(BRIEF, "b", 2.0) == 2.0
    assert found(replace(BRIEF, fights=99), "a", 3.0) == 3.0
    assert found(BRIEF, "a", 9.0) == 1.0


def test_weights_and_numbers_of_the_script_change_what_fights_score() -> None:
    assert set(tuning.weight_space()) == set(DEFAULT_TERMS.names)
    usual = {name: value for name, (value, _, _) in tuning.utility_space().items()}
    assert Utility(**usual) == Utility()
    longer = tuning.TuneConfig(fights=2, seconds=8.0)
    trial = tuning.of_utility(longer)
    assert trial(usual) == trial(usual) != trial(usual | {"strafe": 0.1, "advance": 2.0, "stand": 1.0})
    made: list[ScriptedDecider] = []

    def brain() -> ScriptedDecider:
        made.append(ScriptedDecider("chase", longer.npcs, longer.cast().seeds))
        return made[-1]

    assert isinstance(tuning.of_weights(longer, brain)({"harm": 2.0}), float)
    assert len(made) == 1
