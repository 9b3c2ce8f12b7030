"""Planned NPCs against scripted ones: the same fights, the same hands, the same shield; only the feet differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.envs.arena import ALL_STYLES, TICK_HZ, ArenaConfig, ticks_in
from npc_sdk.experiments import stage
from npc_sdk.experiments.scripted import SCRIPTED, Kind, ScriptedDecider
from npc_sdk.experiments.stage import cast, new_board, play
from npc_sdk.experiments.stats import Interval, paired_t
from npc_sdk.runtime import Decider

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ContestConfig:
    """Which fights are fought."""

    seeds: int = 32
    seconds: float = 30.0
    npcs: int = 8
    split: str = "test"
    first_seed: int = 1000  # apart from the sweeps'
    persona: str = ""  # of the planned NPCs; "" is the terms' default weights
    batch: int = 16  # worlds played together
    styles: tuple[str, ...] = ALL_STYLES  # of the players, in turn


@dataclass(frozen=True, slots=True)
class Score:
    """What one side of NPCs did in each fight."""

    name: str
    score: Floats  # per seed: damage dealt minus taken, hp
    dealt: Floats  # per seed, hp
    taken: Floats  # per seed, hp
    won: Floats  # per seed, 1 where the player died
    seconds: Floats  # per seed, until one side was dead or time was up


@dataclass(frozen=True, slots=True)
class Duel:
    """One planner against one rival on the same seeds."""

    planner: str
    rival: str
    difference: Interval  # of scores, hp
    better: float  # share of fights with a higher score

    @property
    def beats(self) -> bool:
        """Whether the lower 95 % bound is above zero."""
        return self.difference.low > 0.0


def contestants(
    config: ContestConfig, planners: Mapping[str, Callable[[], Decider]]
) -> dict[str, Callable[[tuple[int, ...]], Decider]]:
    """Returns who fights, by name; each makes a fresh decider for a batch of fights, given their seeds."""

    def planned(make: Callable[[], Decider]) -> Callable[[tuple[int, ...]], Decider]:
        return lambda seeds: make()

    def scripted(kind: Kind) -> Callable[[tuple[int, ...]], Decider]:
        return lambda seeds: ScriptedDecider(kind, config.npcs, seeds)

    return {name: planned(make) for name, make in planners.items()} | {kind: scripted(kind) for kind in SCRIPTED}


def batches(config: ContestConfig) -> list[tuple[int, ...]]:
    """Returns the seeds of the batches of one contestant."""
    return stage.batches(config.first_seed, config.seeds, config.batch)


def fight(config: ContestConfig, name: str, decider: Decider, seeds: tuple[int, ...]) -> Score:
    """Plays one batch of one contestant."""
    board = new_board(persona=config.persona)
    rules = ArenaConfig(npcs=config.npcs, max_ticks=ticks_in(config.seconds))
    fights = cast(config.split, seeds, config.styles)
    trace, played = play(fights, rules, decider, board, config.seconds)
    dealt, taken = played.dealt.sum(1), played.taken.sum(1)
    standing = trace.alive[:, :, 0] & trace.alive[:, :, 1:].any(2)  # both sides
    return Score(
        name=name,
        score=dealt - taken,
        dealt=dealt,
        taken=taken,
        won=(~trace.alive[-1, :, 0]).astype(np.float64),
        seconds=standing[:-1].sum(0) / TICK_HZ,
    )


def joined(parts: list[Score]) -> Score:
    """Puts the batches of one contestant together."""
    columns = {n: np.concatenate([getattr(p, n) for p in parts]) for n in ("score", "dealt", "taken", "won", "seconds")}
    return Score(parts[0].name, **columns)


def duel(planner: Score, rival: Score) -> Duel:
    """Compares two contestants seed by seed."""
    gap = planner.score - rival.score
    return Duel(planner.name, rival.name, paired_t(gap), float((gap > 0).mean()))
