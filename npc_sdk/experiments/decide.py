"""What a forecast is worth in decisions: the same planner, samples and fights under each, and a tuned script beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_sdk.envs.arena import STYLES
from npc_sdk.envs.arena.npcs import TUNED, Utility
from npc_sdk.experiments.contest import ContestConfig, Score, batches, fight, joined
from npc_sdk.experiments.kept import Cache, in_turn
from npc_sdk.experiments.rivals import ROWS, Rivals
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.experiments.stage import Witness
from npc_sdk.experiments.stats import Interval, paired_t
from npc_sdk.runtime import Decider, Orders, View

Floats = NDArray[np.float64]

SCRIPT = "utility_ai"
NAMES = (*ROWS, SCRIPT)
Piece = tuple[str, tuple[int, ...]]  # row and seeds
_COLUMNS = ("score", "dealt", "taken", "won", "seconds")


@dataclass(frozen=True, slots=True)
class DecideConfig:
    """Which fights are fought, and by whom."""

    seeds: int = 30  # fights per style, each on a map of its own
    styles: tuple[str, ...] = STYLES
    seconds: float = 20.0
    npcs: int = 4
    first_seed: int = 7000
    split: str = "test"
    persona: str = ""  # of the planned NPCs; "" is the terms' default weights
    utility: Utility = TUNED  # what the script weighs

    @property
    def contest(self) -> ContestConfig:
        """The fights as a contest."""
        return ContestConfig(
            seeds=self.seeds * len(self.styles),
            seconds=self.seconds,
            npcs=self.npcs,
            split=self.split,
            first_seed=self.first_seed,
            persona=self.persona,
            styles=self.styles,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one row did in each fight, and what its decisions cost."""

    score: Score
    cpu_s: float  # spent in deciding
    decisions: int  # of single NPCs

    @property
    def ms_per_npc(self) -> float:
        """Milliseconds of processor time per NPC and decision."""
        return 1e3 * self.cpu_s / max(1, self.decisions)

    @property
    def interval(self) -> Interval:
        """The mean score with its 95 % bounds, hp."""
        return paired_t(self.score.score)


class Timed:
    """A decider that says what it cost."""

    def __init__(self, inner: Decider) -> None:
        self._inner = inner
        self.cpu_s = 0.0
        self.decisions = 0
        if isinstance(inner, Witness):
            self.watch = inner.watch

    def decide(self, view: View) -> Orders:
        """Answers as the one inside."""
        begun = time.process_time()
        orders = self._inner.decide(view)
        self.cpu_s += time.process_time() - begun
        self.decisions += int(view.due.sum())
        return orders

    def forget(self, key: str) -> None:
        """Passes it on."""
        self._inner.forget(key)


def played(config: DecideConfig, rivals: Rivals, row: str, seeds: tuple[int, ...]) -> Outcome:
    """Plays one batch of fights of one row."""
    contest = config.contest
    if row == SCRIPT:
        inner: Decider = ScriptedDecider("utility", config.npcs, seeds, utility=config.utility)
        contest = replace(contest, persona="")
    else:
        inner = rivals.decider(row)
    decider = Timed(inner)
    score = fight(contest, row, decider, seeds)
    return Outcome(score, decider.cpu_s, decider.decisions)


def pieces(config: DecideConfig, rows: tuple[str, ...]) -> list[Piece]:
    """Returns what there is to play: all rows of a batch, then the next batch, so that a part is a fair comparison."""
    return [(row, seeds) for seeds in batches(config.contest) for row in rows]


def measure(
    config: DecideConfig,
    rivals: Rivals,
    rows: tuple[str, ...],
    folder: Path,
    model_sha256: str,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> dict[str, Outcome]:
    """Plays what `folder` does not have yet; `done` is called after each of the pieces."""
    played_by = asdict(config) | {"seeds": None}
    caches = {row: Cache(folder, rivals.fingerprint(played_by, config.persona, model_sha256, (row,))) for row in rows}
    parts: dict[str, list[Outcome]] = {row: [] for row in rows}
    for outcome in in_turn(partial(_kept, config, rivals, caches), pieces(config, rows), jobs):
        parts[outcome.score.name].append(outcome)
        done()
    return {row: _whole(found) for row, found in parts.items()}


def _kept(config: DecideConfig, rivals: Rivals, caches: Mapping[str, Cache], piece: Piece) -> Outcome:
    """Reads what one row did in a batch, or plays and keeps it."""
    row, seeds = piece

    def table() -> dict[str, Floats | float]:
        now = played(config, rivals, row, seeds)
        columns = {name: getattr(now.score, name) for name in _COLUMNS}
        return columns | {"cpu_s": now.cpu_s, "decisions": float(now.decisions)}

    kept = caches[row].table(f"{row}_{seeds[0]}_{len(seeds)}", table)
    score = Score(row, **{name: kept[name] for name in _COLUMNS})
    return Outcome(score, float(kept["cpu_s"]), int(kept["decisions"]))


def _whole(parts: list[Outcome]) -> Outcome:
    score = joined([part.score for part in parts])
    return Outcome(score, sum(part.cpu_s for part in parts), sum(part.decisions for part in parts))


def gain(results: Mapping[str, Outcome], row: str, rival: str) -> Interval:
    """Compares two rows fight by fight, hp."""
    return paired_t(results[row].score.score - results[rival].score.score)


@dataclass(frozen=True, slots=True)
class Closed:
    """Which share of the way from one row to another a third one goes, with its 95 % bootstrap interval over fights."""

    share: float
    low: float
    high: float


def closed(results: Mapping[str, Outcome], row: str, floor: str, ceiling: str, seed: int = 0) -> Closed:
    """Compares mean scores; the interval is over resampled fights."""
    mine, low, high = (results[name].score.score for name in (row, floor, ceiling))
    picks = np.random.default_rng(seed).integers(0, len(mine), (4000, len(mine)))
    way = (high - low)[picks].mean(1)
    share = (mine - low)[picks].mean(1) / np.where(np.abs(way) < 1e-9, np.nan, way)
    bounds = np.nanquantile(share, (0.025, 0.975))
    return Closed(float((mine - low).mean() / (high - low).mean()), float(bounds[0]), float(bounds[1]))


def default_row(results: Mapping[str, Outcome]) -> str:
    """Returns which learned row has the most score over the frozen forecast per millisecond."""
    learned = [row for row in results if row.startswith("learned")]
    floor = float(results["frozen"].score.score.mean())
    return max(learned, key=lambda row: (results[row].score.score.mean() - floor) / results[row].ms_per_npc)
