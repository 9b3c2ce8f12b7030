"""What a forecast is worth in decisions: the same planner, samples and fights under each, and a tuned script beside."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.envs.arena import STYLES
from npc_sdk.envs.arena.npcs import TUNED, Utility
from npc_sdk.experiments.contest import ContestConfig, Score, batches, fight, joined, seeds_of
from npc_sdk.experiments.rivals import ROWS, Rivals, fingerprint
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.experiments.stats import Interval, paired_t
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Decider, Orders, View

Floats = NDArray[np.float64]

SCRIPT = "utility_ai"
NAMES = (*ROWS, SCRIPT)
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

    def fingerprint(self, model_sha256: str, planner: PlannerConfig) -> str:
        """Names everything a result depends on, besides the row and how many fights there are."""
        return fingerprint(asdict(self) | {"seeds": None}, self.persona, model_sha256, planner)


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


class Timed:
    """A decider that says what it cost."""

    def __init__(self, inner: Decider) -> None:
        self._inner = inner
        self.cpu_s = 0.0
        self.decisions = 0
        if hasattr(inner, "watch"):
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


def played(config: DecideConfig, rivals: Rivals, piece: tuple[str, int]) -> Outcome:
    """Plays one batch of fights of one row."""
    row, first = piece
    contest = config.contest
    if row == SCRIPT:
        inner: Decider = ScriptedDecider("utility", config.npcs, seeds_of(contest, first), utility=config.utility)
        contest = replace(contest, persona="")
    else:
        inner = rivals.decider(row)
    decider = Timed(inner)
    score = fight(contest, row, decider, first)
    return Outcome(score, decider.cpu_s, decider.decisions)


def pieces(config: DecideConfig, rows: tuple[str, ...]) -> list[tuple[str, int]]:
    """Returns what there is to play: all rows of a batch, then the next batch, so that a part is a fair comparison."""
    return [(row, first) for first in batches(config.contest) for row in rows]


def measure(
    config: DecideConfig, rivals: Rivals, rows: tuple[str, ...], folder: Path, fingerprint: str, jobs: int = 1
) -> Iterator[tuple[str, int]]:
    """Plays what `folder` does not have yet; yields each piece as it is done. `outcomes` reads them all."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pieces(config, rows)
    todo = [piece for piece in wanted if _read(config, folder, piece, fingerprint) is None]
    yield from (piece for piece in wanted if piece not in todo)
    work = partial(_play, config, rivals, folder, fingerprint)
    if jobs <= 1:
        yield from map(work, todo)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap_unordered(work, todo)


def _play(
    config: DecideConfig, rivals: Rivals, folder: Path, fingerprint: str, piece: tuple[str, int]
) -> tuple[str, int]:
    done = played(config, rivals, piece)
    values = {name: getattr(done.score, name).tolist() for name in _COLUMNS}
    values |= {"fingerprint": fingerprint, "cpu_s": done.cpu_s, "decisions": done.decisions}
    path = _path(config, folder, piece)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values))
    part.replace(path)
    return piece


def _path(config: DecideConfig, folder: Path, piece: tuple[str, int]) -> Path:
    row, first = piece
    return folder / f"{row}_{first}_{len(seeds_of(config.contest, first))}.json"


def _read(config: DecideConfig, folder: Path, piece: tuple[str, int], fingerprint: str) -> Outcome | None:
    path = _path(config, folder, piece)
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    if values["fingerprint"] != fingerprint:
        return None
    columns = {name: np.array(values[name], np.float64) for name in _COLUMNS}
    return Outcome(Score(piece[0], **columns), float(values["cpu_s"]), int(values["decisions"]))


def outcomes(config: DecideConfig, rows: tuple[str, ...], folder: Path, fingerprint: str) -> dict[str, Outcome]:
    """Puts together what was played."""
    out = {}
    for row in rows:
        found = [_read(config, folder, (row, first), fingerprint) for first in batches(config.contest)]
        parts = [part for part in found if part is not None]
        assert len(parts) == len(found), "measure() comes first"
        score = joined([part.score for part in parts])
        out[row] = Outcome(score, sum(p.cpu_s for p in parts), sum(p.decisions for p in parts))
    return out


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
