"""Searches for the numbers with which NPCs win most: the weights of a planner, or what the utility AI weighs.

Both by the same search on the same fights, so that neither is compared in a state its rival would not be left in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import STYLES, ArenaConfig, ticks_in
from npc_sdk.envs.arena.npcs import Utility
from npc_sdk.experiments.kept import fingerprint
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.experiments.stage import Cast, cast, new_board, play
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.runtime import Decider

Numbers = Mapping[str, float]

_LEAST, _MOST = 0.02, 8.0  # weights
_OCTAVES = 1.5  # either way for a number of the utility AI


@dataclass(frozen=True, slots=True)
class TuneConfig:
    """On which fights numbers are tried; the same for every trial."""

    trials: int = 60
    fights: int = 16
    seconds: float = 15.0
    npcs: int = 4
    split: str = "validation"
    first_seed: int = 0
    seed: int = 0  # of the search

    def cast(self) -> Cast:
        """The fights."""
        return cast(self.split, range(self.first_seed, self.first_seed + self.fights), STYLES)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best numbers found, what they scored, and what the usual ones did."""

    numbers: dict[str, float]
    score: float  # hp, damage dealt minus taken, mean over the fights
    usual: float


Trial = Callable[[Numbers], float]


def of_weights(config: TuneConfig, brain: Callable[[], Decider]) -> Trial:
    """Scores weights of all terms."""

    def score(numbers: Numbers) -> float:
        board = new_board()
        for name, value in numbers.items():
            board.apply({"op": "set_weight", "scope": "global", "term": name, "value": value})
        return _scored(config, brain(), board)

    return score


def of_utility(config: TuneConfig) -> Trial:
    """Scores the utility AI."""

    def score(numbers: Numbers) -> float:
        script = ScriptedDecider("utility", config.npcs, config.cast().seeds, utility=Utility(**numbers))
        return _scored(config, script, new_board())

    return score


def _scored(config: TuneConfig, decider: Decider, board: Board) -> float:
    rules = ArenaConfig(npcs=config.npcs, max_ticks=ticks_in(config.seconds))
    _, played = play(config.cast(), rules, decider, board, config.seconds)
    return float((played.dealt - played.taken).sum(1).mean())


def weight_space() -> dict[str, tuple[float, float, float]]:
    """Returns per term its usual weight, 0.02 for those usually off, and the bounds of the search."""
    return {t.name: (max(t.default, _LEAST), _LEAST, _MOST) for t in DEFAULT_TERMS.terms}


def utility_space() -> dict[str, tuple[float, float, float]]:
    """Returns per number of the utility AI its usual value and the bounds of the search."""
    usual = asdict(Utility())
    wide = 2.0**_OCTAVES
    return {f.name: (usual[f.name], usual[f.name] / wide, usual[f.name] * wide) for f in fields(Utility)}


def search(
    config: TuneConfig,
    trial: Trial,
    space: Mapping[str, tuple[float, float, float]],
    folder: Path,
    subject: str = "",
) -> Iterator[Tuned]:
    """Tries numbers, the usual ones first. Yields the best so far after every trial.

    Goes on with what `folder` has of this search, to the same result as without a stop; `subject` tells apart what the
    configuration does not say, such as the model. Other searches in the folder are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=fingerprint(asdict(config) | {"trials": None}, dict(space), subject),
        storage=JournalStorage(JournalFileBackend(str(folder / "trials.log"))),
        direction="maximize",
        load_if_exists=True,
    )

    def objective(asked: optuna.Trial) -> float:
        return trial({name: asked.suggest_float(name, low, high, log=True) for name, (_, low, high) in space.items()})

    while (done := len(study.get_trials(states=[TrialState.COMPLETE]))) < config.trials:
        if not done and not study.get_trials(states=[TrialState.WAITING]):
            study.enqueue_trial({name: usual for name, (usual, _, _) in space.items()})
        seed = [config.seed, done]  # of each trial, so that a stop changes nothing
        study.sampler = optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence(seed).generate_state(1)[0]), multivariate=True, n_startup_trials=10
        )
        study.optimize(objective, n_trials=1)
        yield _best(study)
    if done:
        yield _best(study)


def _best(study: optuna.Study) -> Tuned:
    first = next(t for t in study.trials if t.value is not None)
    return Tuned(dict(study.best_params), float(study.best_value), float(first.value or 0.0))
