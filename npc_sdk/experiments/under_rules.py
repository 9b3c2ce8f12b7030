"""The same fights with and without rules of class H: what they come to, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import Action
from npc_sdk.constraints import ClearStanding, Rule, ShareLimit, ShareStanding, StayClear
from npc_sdk.designer.request import Table
from npc_sdk.envs.arena import ALL_STYLES, TICK_HZ, ArenaConfig, ticks_in
from npc_sdk.experiments.metrics import Measures
from npc_sdk.experiments.stage import batches, cast, new_board, play
from npc_sdk.experiments.stats import Interval, paired_t
from npc_sdk.runtime import Decider, Report

Floats = NDArray[np.float64]
_MEASURED_ONLY = 0.999999  # a limit that no share exceeds, so that it is measured and nothing is paid


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """Which fights are fought."""

    seeds: int = 24
    seconds: float = 30.0
    npcs: int = 4
    split: str = "test"
    first_seed: int = 11000  # apart from all other experiments'
    batch: int = 12
    persona: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What some rules of class H ask for, by name."""

    limits: Mapping[str, float]  # of share limits
    distances: Mapping[str, float]  # m, to stay clear by

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Asked:
        """Reads it off the rules."""
        limits = {rule.name: rule.most for rule in rules if isinstance(rule, ShareLimit)}
        return cls(limits, {rule.name: rule.distance for rule in rules if isinstance(rule, StayClear)})


@dataclass(frozen=True, slots=True)
class ShareFound:
    """One `share_limit` over all fights, as far as squads could know."""

    rule: str
    share: float  # mean of the windows' share over NPCs and decisions
    met: float  # share of decisions at which it was met, whole windows only
    price: float  # mean
    dearest: float  # highest price of any NPC


@dataclass(frozen=True, slots=True)
class ClearFound:
    """One `stay_clear` over all fights."""

    rule: str
    kept: float  # share of decisions whose plan kept the distance as forecast
    coverage: float  # share of forecasts that held, of those that could be judged; NaN without any
    settled: int  # forecasts that could be judged
    near: float  # share of the time in which an NPC truly was nearer to the player than the distance


@dataclass(frozen=True, slots=True)
class Arm:
    """What happened in all fights of one kind; arrays have an entry per fight."""

    score: Floats  # damage dealt minus taken, hp
    dealt: Floats
    taken: Floats
    exposed: Floats  # true share of the time in which an NPC is in the player's view
    shares: tuple[ShareFound, ...]
    clear: tuple[ClearFound, ...]


class Standings:
    """Observes where NPCs stand.

    Args:
        limits: of share limits, by rule: what is to be met, also where nothing is paid for it.
        dt: s, one tick.
    """

    def __init__(self, limits: Mapping[str, float], dt: float) -> None:
        self._limits = limits
        self._dt = dt
        self.shares: dict[str, list[tuple[float, bool, float, bool]]] = {}  # share, met, price, whole window
        self.kept: dict[str, list[bool]] = {}
        self.newest: dict[tuple[str, str, int], ClearStanding] = {}

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        """Takes down what a brain tick reports."""
        for key, _, report in answers:
            for npc, standings in report.standings.items():
                for one in standings:
                    if isinstance(one, ShareStanding):
                        whole = tick * self._dt >= one.seconds
                        met = one.share <= self._limits[one.rule]
                        self.shares.setdefault(one.rule, []).append((one.share, met, one.price, whole))
                    else:
                        self.kept.setdefault(one.rule, []).append(one.kept)
                        self.newest[one.rule, key, npc] = one


def tables_without(rules: Sequence[Table]) -> list[Table]:
    """Returns the rules of the other arm: shares are measured there, not limited, and nobody stays clear."""
    kept = [rule for rule in rules if rule.get("rule") != "stay_clear"]
    return [{**rule, "most": _MEASURED_ONLY} if rule.get("rule") == "share_limit" else rule for rule in kept]


def fought(
    config: RulesConfig,
    rules: Sequence[Table],
    asked: Asked,
    make: Callable[[], Decider],
    done: Callable[[], object],
) -> Arm:
    """Plays all fights under some rules.

    Args:
        config: the fights.
        rules: as tables, in force from the beginning.
        asked: what is looked at, whether or not the rules ask for it.
        make: a fresh decider for a batch.
        done: called after each batch.
    """
    arena = ArenaConfig(npcs=config.npcs, max_ticks=ticks_in(config.seconds))
    columns: dict[str, list[Floats]] = {name: [] for name in ("dealt", "taken", "exposed")}
    near: dict[str, list[Floats]] = {name: [] for name in asked.distances}
    watched = []
    for seeds in batches(config.first_seed, config.seeds, config.batch):
        fights = cast(config.split, seeds, ALL_STYLES)
        standings = Standings(asked.limits, 1 / TICK_HZ)
        board = new_board(rules, persona=config.persona)
        _, played = play(fights, arena, make(), board, config.seconds, (standings,))
        measures = Measures(played, [m.tables for m in fights.maps])
        columns["dealt"].append(played.dealt.sum(1))
        columns["taken"].append(played.taken.sum(1))
        columns["exposed"].append(measures.per_world("exposed_fraction"))
        gap = measures.living(np.linalg.norm(measures.to_player(), axis=-1))
        for name, distance in asked.distances.items():
            near[name].append(np.where(np.isnan(gap), np.nan, gap < distance).reshape(-1))
        watched.append(standings)
        done()
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    apart = {name: float(np.nanmean(np.concatenate(parts))) for name, parts in near.items()}
    return Arm(whole["dealt"] - whole["taken"], **whole, shares=_shares(watched), clear=_clear(watched, apart))


def _shares(watched: Sequence[Standings]) -> tuple[ShareFound, ...]:
    out = []
    for rule in sorted({name for one in watched for name in one.shares}):
        rows = np.array([row for one in watched for row in one.shares.get(rule, [])], np.float64)
        whole = rows[:, 3] > 0.5
        met = float(rows[whole, 1].mean()) if whole.any() else float("nan")
        out.append(ShareFound(rule, float(rows[:, 0].mean()), met, float(rows[:, 2].mean()), float(rows[:, 2].max())))
    return tuple(out)


def _clear(watched: Sequence[Standings], near: Mapping[str, float]) -> tuple[ClearFound, ...]:
    out = []
    for rule, share in near.items():
        kept = [row for one in watched for row in one.kept.get(rule, [])]
        newest = [told for one in watched for (name, _, _), told in one.newest.items() if name == rule]
        settled = sum(told.settled for told in newest)
        held = sum(round(told.coverage * told.settled) for told in newest if told.settled)
        out.append(
            ClearFound(
                rule,
                float(np.mean(kept)) if kept else float("nan"),
                held / settled if settled else float("nan"),
                settled,
                share,
            )
        )
    return tuple(out)


def difference(ruled: Floats, free: Floats) -> Interval:
    """Returns what rules change per fight, with its 95 % bounds."""
    return paired_t(ruled - free)
