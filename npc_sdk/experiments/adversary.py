"""An optimiser against the shield: CMA-ES over what NPCs propose and where the others go, for the smallest margin.

Each search plays one game of the rule zoo over and over with the same luck and the same bad link; only the script
changes. Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772; the implementation is the library cmaes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from npc_sdk.audit import AuditReport
from npc_sdk.errors import MissingDependency
from npc_sdk.experiments import zoo
from npc_sdk.experiments.campaign import code, draw
from npc_sdk.experiments.kept import Cache, in_turn
from npc_sdk.shield import Shield, certify

Floats = NDArray[np.float64]
Verdict: TypeAlias = tuple[float, int]
"""The smallest margin, m, and how often an NPC broke a rule."""

KNOTS = 8  # of each script, spread over the game
TICKS = 60
MOST_NPCS = 4
_FASTER = 3.0  # times the body's speed that a proposal may ask for
_PLACES = ("wall", "bounds", "keep_out", "keep_in", "no_stop", "leash", "keep_away", "stay_near", "spacing")


@dataclass(frozen=True, slots=True)
class Playbook:
    """A script from numbers: proposals and the others' velocities go straight from knot to knot."""

    setting: zoo.Setting
    numbers: Floats

    @property
    def _tables(self) -> tuple[Floats, Floats]:
        n, o = len(self.setting.ids), len(self.setting.others)
        bent = np.tanh(self.numbers)
        ours, theirs = np.split(bent, [2 * KNOTS * n])
        return ours.reshape(KNOTS, n, 2), theirs.reshape(KNOTS, o, 2)

    def wishes(self, tick: int) -> Floats:
        """Proposals for every step of a chunk."""
        ours, _ = self._tables
        steps = [between(ours, (tick + k) / TICKS) for k in range(self.setting.steps)]
        return np.stack(steps, 1) * self.setting.body.max_speed * _FASTER

    def others(self, tick: int, whom: Floats) -> Floats:
        """The others' next places, at most as fast as declared."""
        _, theirs = self._tables
        pace = between(theirs, tick / TICKS)
        size = np.maximum(np.hypot(pace[:, 0], pace[:, 1]), 1.0)[:, None]
        return np.asarray(whom + pace / size * self.setting.top_speed * self.setting.dt * (1.0 - 1e-9))


def between(knots: Floats, share: float) -> Floats:
    """Returns where a way that goes straight from knot to knot is, a share of it done; k ..."""
    along = min(max(share, 0.0), 1.0) * (len(knots) - 1)
    first = min(int(along), len(knots) - 2)
    part = along - first
    return np.asarray(knots[first] * (1.0 - part) + knots[first + 1] * part)


@dataclass(frozen=True, slots=True)
class Found:
    """The worst that a search found."""

    margin: float  # m, over all rules about distances; at least 0: no rule broken
    violations: int  # caused by NPCs, of any rule, in all episodes of the search
    episodes: int
    numbers: Floats  # of the worst script


def game(index: int, seed: int) -> zoo.Setting:
    """The game of a search, of at most a few NPCs."""
    for number in range(1000):
        setting = draw(seed * 1_000_003 + 7919 * index + number)
        if 1 <= len(setting.ids) <= MOST_NPCS and setting.others.size:
            return replace(setting, delay=min(setting.delay, 2))
    raise AssertionError("expected a small game among a thousand")


def judge(setting: zoo.Setting, seed: int, numbers: Floats, shield: Shield = certify) -> Verdict:
    """Plays a script; see `verdict`."""
    return verdict(zoo.play(setting, seed, TICKS, shield, Playbook(setting, numbers)).report)


def verdict(report: AuditReport) -> Verdict:
    """Returns the smallest margin of the rules about distances, m, and the violations caused by NPCs."""
    margins = [report.rules[kind].min_margin for kind in _PLACES if kind in report.rules]
    return float(min(margins)), report.total("npc")


def search(index: int, seed: int, episodes: int, shield: Shield = certify) -> Found:
    """Looks for the script with the smallest margin in one game.

    Raises:
        MissingDependency: the optimiser is not installed.
    """
    setting = game(index, seed)
    size = 2 * KNOTS * (len(setting.ids) + len(setting.others))
    return descend(size, (seed, index), episodes, lambda tried: [judge(setting, index, one, shield) for one in tried])


def descend(size: int, seeds: Sequence[int], episodes: int, played: Callable[[list[Floats]], list[Verdict]]) -> Found:
    """Looks for the numbers with the smallest margin, a generation at a time.

    Args:
        size: how many numbers there are.
        seeds: of the search.
        episodes: to be played.
        played: plays one episode for each of several sets of numbers.

    Raises:
        MissingDependency: the optimiser is not installed.
    """
    try:
        from cmaes import CMA
    except ImportError as error:
        raise MissingDependency("cmaes", "tune") from error
    rng = np.random.default_rng(seeds)
    optimizer = CMA(mean=rng.normal(size=size), sigma=0.8, seed=int(rng.integers(2**31)))
    worst, numbers, violations, done = np.inf, np.zeros(size), 0, 0
    while done < episodes:
        tried = [optimizer.ask() for _ in range(min(optimizer.population_size, max(2, episodes - done)))]
        told = played(tried)
        violations += sum(broken for _, broken in told)
        done += len(tried)
        margins = [margin for margin, _ in told]
        if min(margins) < worst:
            worst, numbers = min(margins), tried[int(np.argmin(margins))]
        if len(tried) == optimizer.population_size:
            optimizer.tell(list(zip(tried, margins, strict=True)))
    return Found(float(worst), violations, done, numbers)


def hunt(searches: int, episodes: int, seed: int, folder: Path | None = None, jobs: int = 1) -> Iterator[Found]:
    """Yields one result per search; finished ones in the folder are not done again."""
    how = partial(search, seed=seed, episodes=episodes)
    yield from kept_searches(how, f"adversary_{seed}", f"{code()}-{episodes}", searches, folder, jobs)


def kept_searches(
    how: Callable[[int], Found], name: str, shipped: str, searches: int, folder: Path | None, jobs: int
) -> Iterator[Found]:
    """Yields the searches that `how` makes by number; finished ones in the folder are not done again.

    Args:
        how: makes one.
        name: of their files.
        shipped: names all that their results depend on.
        searches: how many.
        folder: None keeps nothing.
        jobs: processes.
    """
    yield from in_turn(partial(_kept, how, name, shipped, folder), range(searches), jobs)


def _kept(how: Callable[[int], Found], name: str, shipped: str, folder: Path | None, index: int) -> Found:
    if folder is None:
        return how(index)

    def table() -> dict[str, Floats]:
        found = how(index)
        return {"found": np.array([found.margin, found.violations, found.episodes]), "numbers": found.numbers}

    kept = Cache(folder, shipped).table(f"{name}_{index}", table)
    margin, violations, played = kept["found"].tolist()
    return Found(margin, int(violations), int(played), kept["numbers"])
