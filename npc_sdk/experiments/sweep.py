"""Steerability in virtual time: sweeps of one weight at a time on common random numbers, and personas told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import ArenaConfig
from npc_sdk.experiments.kept import Cache, fingerprint
from npc_sdk.experiments.metrics import METRICS, VERSION, Measures, mean
from npc_sdk.experiments.scripted import ScriptedDecider
from npc_sdk.experiments.stage import Cast, cast, new_board, play
from npc_sdk.experiments.stats import nearest_centroid, spearman
from npc_sdk.objectives.terms import DEFAULT_TERMS, Term
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Decider

Floats = NDArray[np.float64]

LEVELS = tuple(2.0**k for k in range(-3, 4))  # octaves, 1 is neutral
NAMES = tuple(METRICS)
RHO_WANTED, MOVED_WANTED = 0.75, 0.2


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """How the sliders are tried. Every value but `seeds` changes what is measured."""

    model: str = "arena"
    seeds: int = 8
    seconds: float = 12.0
    npcs: int = 4
    split: str = "test"
    levels: tuple[float, ...] = LEVELS
    candidates: int = 32  # of the planner, as in play
    first_seed: int = 0

    def fights(self) -> Cast:
        """One fight per seed, on held-out maps, all player styles in turn."""
        return cast(self.split, range(self.first_seed, self.first_seed + self.seeds))

    def arena(self) -> ArenaConfig:
        """Nobody dies, so that every level plays equally long."""
        return ArenaConfig(npcs=self.npcs, squad_size=4, mortal=False)

    def fingerprint(self, model_sha256: str) -> str:
        """Names everything a cached result depends on."""
        planner = asdict(PlannerConfig(candidates=self.candidates))
        return fingerprint(asdict(self), planner, model_sha256, DEFAULT_TERMS.formulas, VERSION)


@dataclass(frozen=True, slots=True)
class Curve:
    """What one slider did: metrics per level and seed."""

    term: str
    metrics: Floats  # levels seeds metrics, as NAMES

    def means(self) -> Floats:
        """Means over seeds: levels metrics."""
        return mean(self.metrics, axis=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well one slider steers its own metric."""

    term: str
    metric: str
    direction: str
    means: tuple[float, ...]
    spearman: float  # in the declared direction
    moved: float  # share of the random-to-best range between the lowest and the highest level
    random: float
    best: float
    step_errors: int  # neighbouring levels whose means go the wrong way
    cross_talk: float  # largest effect on another term's metric / effect on its own
    grade: str  # works, weak or dead


def run_worlds(config: SweepConfig, decider: Decider, fights: Cast, prepare: Callable[[Board], None]) -> Floats:
    """Plays the fights with weights that `prepare` sets and returns every metric per world: w metrics."""
    board = new_board()
    prepare(board)
    _, played = play(fights, config.arena(), decider, board, config.seconds)
    measures = Measures(played, [m.tables for m in fights.maps])
    return np.stack([measures.per_world(name) for name in NAMES], axis=1)


def sweep_term(config: SweepConfig, decider: Decider, term: str) -> Curve:
    """Plays all levels of one term's weight, all seeds, as one batch of worlds."""
    fights = config.fights()
    worlds = [(level, seed) for level in config.levels for seed in range(config.seeds)]

    def prepare(board: Board) -> None:
        for w, (level, _) in enumerate(worlds):
            set_weight(board, w, term, level)

    values = run_worlds(config, decider, fights.repeat(len(config.levels)), prepare)
    return Curve(term, values.reshape(len(config.levels), config.seeds, len(NAMES)))


def alone(config: SweepConfig, decider: Decider, term: str) -> Floats:
    """Plays with one term at the highest level and all others off: metrics per seed. What the term can do at best."""
    fights = config.fights()

    def prepare(board: Board) -> None:
        for w in range(config.seeds):
            for name in DEFAULT_TERMS.names:
                set_weight(board, w, name, config.levels[-1] if name == term else 0.0)

    return run_worlds(config, decider, fights, prepare)


def at_random(config: SweepConfig) -> Floats:
    """Plays with NPCs that move at random: metrics per seed."""
    fights = config.fights()
    return run_worlds(config, ScriptedDecider("random", config.npcs, fights.seeds), fights, lambda board: None)


def personas(config: SweepConfig, decider: Decider, names: Sequence[str]) -> Floats:
    """Plays all personas on the same fights: personas seeds metrics."""
    fights = config.fights()

    def prepare(board: Board) -> None:
        for p, name in enumerate(names):
            for s in range(config.seeds):
                target = f"faction:{p * config.seeds + s}"
                board.apply({"op": "assign_persona", "target": target, "persona": name})

    values = run_worlds(config, decider, fights.repeat(len(names)), prepare)
    return values.reshape(len(names), config.seeds, len(NAMES))


def set_weight(board: Board, world: int, term: str, value: float) -> None:
    """Sets one world's weight; a world's NPCs are the faction named after it."""
    board.apply({"op": "set_weight", "scope": f"faction:{world}", "term": term, "value": float(value)})


def ranges(terms: Sequence[Term], curves: Sequence[Curve], random: Floats, best: Sequence[Floats]) -> dict[str, float]:
    """Returns the random-to-best range of every metric that a term declares; of the others, what was seen at all."""
    seen = np.concatenate([c.means() for c in curves] + [mean(b, axis=0)[None] for b in best])
    floor = mean(random, axis=0)
    width = {name: float(np.ptp(np.append(seen[:, k], floor[k]))) for k, name in enumerate(NAMES)}
    for term, curve, alone_ in zip(terms, curves, best, strict=True):
        width[term.metric] = _span(term, curve, random, alone_)
    return width


def _span(term: Term, curve: Curve, random: Floats, alone_: Floats) -> float:
    """From random play to the best mean; from the worst level where that is worse than random, which is stricter."""
    column = NAMES.index(term.metric)
    start = np.append(curve.means()[:, column], mean(random, axis=0)[column])
    worst = float(start.min() if term.direction == "rises" else start.max())
    return abs(_best(term, curve, alone_) - worst)


def _best(term: Term, curve: Curve, alone_: Floats) -> float:
    """The best mean the term's metric reached, on its own or at any level."""
    column = NAMES.index(term.metric)
    reached = np.append(curve.means()[:, column], mean(alone_, axis=0)[column])
    return float(reached.max() if term.direction == "rises" else reached.min())


def verdict(term: Term, curve: Curve, random: Floats, best: Floats, scales: Mapping[str, float]) -> Verdict:
    """Judges one slider.

    Args:
        term: declares metric and direction.
        curve: of this term.
        random: metrics per seed of NPCs that move at random.
        best: metrics per seed with this term alone.
        scales: random-to-best range per metric, for cross-talk.
    """
    column, sign = NAMES.index(term.metric), 1.0 if term.direction == "rises" else -1.0
    means = curve.means()
    own = means[:, column]
    floor, ceiling = float(mean(random, axis=0)[column]), _best(term, curve, best)
    span = _span(term, curve, random, best)
    moved = sign * float(own[-1] - own[0]) / span if span > 1e-9 else 0.0
    rho = sign * spearman(np.arange(len(own)), own)
    effects = {
        name: abs(means[-1, k] - means[0, k]) / scale
        for k, name in enumerate(NAMES)
        if (scale := scales.get(name, 0.0)) > 1e-9
    }
    mine = effects.pop(term.metric, 0.0)
    good = int(rho >= RHO_WANTED) + int(moved >= MOVED_WANTED)
    return Verdict(
        term=term.name,
        metric=term.metric,
        direction=term.direction,
        means=tuple(float(x) for x in own),
        spearman=float(rho),
        moved=float(moved),
        random=floor,
        best=ceiling,
        step_errors=int((sign * np.diff(own) < 0).sum()),
        cross_talk=max(effects.values(), default=0.0) / mine if mine > 1e-9 else float("inf"),
        grade=("dead", "weak", "works")[good],
    )


def cross_talk(curves: Sequence[Curve], scales: Mapping[str, float]) -> Floats:
    """Returns how far each slider moves each metric between its ends, in random-to-best ranges: terms metrics."""
    width = np.array([scales.get(name, 0.0) for name in NAMES])
    moves = np.stack([c.means()[-1] - c.means()[0] for c in curves])
    return np.where(width > 1e-9, moves / np.maximum(width, 1e-9), 0.0)


def told_apart(values: Floats) -> float:
    """Returns how often the nearest centroid names the persona, leaving out one seed at a time.

    Args:
        values: personas seeds metrics; a metric without a value anywhere is left out, single gaps take the mean.
    """
    kinds, seeds, _ = values.shape
    rows = values.reshape(kinds * seeds, -1)
    rows = rows[:, np.isfinite(rows).any(0)]
    rows = np.where(np.isfinite(rows), rows, np.nanmean(rows, axis=0))
    label, fold = np.repeat(np.arange(kinds), seeds), np.tile(np.arange(seeds), kinds)
    return nearest_centroid(rows, label, fold)


@dataclass(frozen=True, slots=True)
class Result:
    """A whole measurement of steerability."""

    config: SweepConfig
    terms: tuple[Term, ...]
    curves: tuple[Curve, ...]
    verdicts: tuple[Verdict, ...]
    talk: Floats  # terms metrics, as NAMES
    personas: tuple[str, ...]
    persona_accuracy: float  # NaN when they were left out


def measure(
    config: SweepConfig,
    persona_config: SweepConfig | None,
    terms: Sequence[Term],
    names: Sequence[str],
    brain: Callable[[], Decider],
    folder: Path,
    model_sha256: str,
    done: Callable[[], object],
) -> Result:
    """Measures all sliders and personas, or takes what `folder` has of them.

    Args:
        config: of the sliders.
        persona_config: of the personas; None leaves them out.
        terms: the sliders to try.
        names: personas to tell apart.
        brain: makes a fresh planner.
        folder: keeps finished pieces.
        model_sha256: of the model's weights, "" for none.
        done: called after each of the `pieces(terms)`.
    """
    cache = Cache(folder, config.fingerprint(model_sha256))
    random = cache.get("at_random", lambda: at_random(config))
    done()
    curves, best = [], []
    for term in terms:
        curves.append(Curve(term.name, cache.get(f"term_{term.name}", partial(_swept, config, brain, term.name))))
        done()
        best.append(cache.get(f"alone_{term.name}", partial(_alone, config, brain, term.name)))
        done()
    accuracy = float("nan")
    if persona_config is not None:
        kept = Cache(folder, persona_config.fingerprint(model_sha256))
        accuracy = told_apart(kept.get("personas", lambda: personas(persona_config, brain(), names)))
    done()
    scales = ranges(terms, curves, random, best)
    verdicts = [verdict(t, c, random, b, scales) for t, c, b in zip(terms, curves, best, strict=True)]
    talk = cross_talk(curves, scales)
    return Result(config, tuple(terms), tuple(curves), tuple(verdicts), talk, tuple(names), accuracy)


def pieces(terms: Sequence[Term]) -> int:
    """How often `measure` reports progress."""
    return 2 * len(terms) + 2


def _swept(config: SweepConfig, brain: Callable[[], Decider], name: str) -> Floats:
    return sweep_term(config, brain(), name).metrics


def _alone(config: SweepConfig, brain: Callable[[], Decider], name: str) -> Floats:
    return alone(config, brain(), name)
