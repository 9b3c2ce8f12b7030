"""The search for weights: what it tries, and that it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

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
