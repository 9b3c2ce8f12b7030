"""Hunts for a violation that an NPC caused: games of the rule zoo by the thousand.

Everything is done in shards that are counted apart, so that a long hunt can be stopped, resumed and spread over
processes. The control plays some of the same games without the shield: what it does not break proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import KINDS
from npc_sdk.experiments import kept, zoo
from npc_sdk.experiments.kept import in_turn
from npc_sdk.shield import Tally, certify

GAMES = 6  # per shard
TICKS = 120  # per game
RATES = (20, 30, 60, 100, 144)  # Hz
BY_CELLS = 0.2  # share of games whose bodies go by whole cells
BY_CAR = 0.25  # share of the other games whose bodies are cars
CONTROL_EVERY = 4  # shards, one of which is played without the shield, too
_STOPS_WITHIN = 60  # ticks
_SHARD = (
    *("shield", "kernels", "constraints", "audit"),
    *(f"experiments/{name}.py" for name in ("zoo", "campaign", "culprits", "rooms", "blame")),
)

Counts = NDArray[np.float64]


@dataclass(slots=True)
class Totals:
    """Running counts of one arm, shielded or control, by kind of rule."""

    steps: int = 0
    excused: int = 0
    unguarded: int = 0  # certificates whose start was off
    certified: int = 0
    interventions: int = 0  # certificates that differ from the proposal
    ran: int = 0  # NPC-ticks of planned motion
    altered: int = 0  # of them changed by the shield
    wasted: float = 0.0  # share of the planner's candidates that break a rule, summed over `ran`
    bound: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))  # NPC-ticks a rule was in force
    active: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    changed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    min_margin: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, float("inf")))
    violations: dict[str, dict[str, int]] = field(
        default_factory=lambda: {kind: dict.fromkeys(audit.CATEGORIES, 0) for kind in KINDS}
    )
    examples: list[audit.Violation] = field(default_factory=list)

    def judged(self, report: audit.AuditReport) -> None:
        """Takes the checker's word on one game in."""
        self.steps += report.steps
        self.excused += report.excused_steps
        self.examples += [v for v in report.examples if v.category == "npc"][:3]
        for kind, rule in report.rules.items():
            self.bound[kind] += rule.steps
            self.min_margin[kind] = min(self.min_margin[kind], rule.min_margin)
            for category, count in rule.violations.items():
                self.violations[kind][category] += count

    def certified_by(self, tally: Tally) -> None:
        """Takes in what the shield did in one game."""
        self.certified += tally.steps
        self.interventions += tally.changed
        self.unguarded += tally.unguarded
        for column, kind in enumerate(KINDS):
            self.active[kind] += int(tally.active[column])
            self.changed[kind] += int(tally.changed_by[column])

    def plus(self, table: Mapping[str, Counts]) -> None:
        """Adds what a shard kept."""
        self.steps += int(table["whole"][0])
        self.excused += int(table["whole"][1])
        self.unguarded += int(table["whole"][2])
        self.certified += int(table["whole"][3])
        self.interventions += int(table["whole"][4])
        self.ran += int(table["whole"][5])
        self.altered += int(table["whole"][6])
        self.wasted += float(table["whole"][7])
        for column, kind in enumerate(KINDS):
            bound, active, changed, margin, *broken = table["rules"][column].tolist()
            self.bound[kind] += int(bound)
            self.active[kind] += int(active)
            self.changed[kind] += int(changed)
            self.min_margin[kind] = min(self.min_margin[kind], margin)
            for category, count in zip(audit.CATEGORIES, broken, strict=True):
                self.violations[kind][category] += int(count)

    def table(self) -> dict[str, Counts]:
        """Returns the counts as arrays, to be kept."""
        columns = (self.bound, self.active, self.changed, self.min_margin)
        rules = [[*(column[kind] for column in columns), *self.violations[kind].values()] for kind in KINDS]
        whole: list[float] = [self.steps, self.excused, self.unguarded, self.certified, self.interventions]
        whole += [self.ran, self.altered, self.wasted]
        return {"whole": np.array(whole, np.float64), "rules": np.array(rules, np.float64)}

    def caused(self, kind: str | None = None, category: str = "npc") -> int:
        """Violations of a category, of one kind of rule or of all."""
        return sum(self.violations[k][category] for k in KINDS if kind in (None, k))

    def share_broken(self, kind: str) -> float:
        """Share of the NPC-ticks under a kind of rule in which it did not hold."""
        return self.broken(kind) / max(1, min(self.bound[kind], self.steps))

    def broken(self, kind: str) -> int:
        """NPC-ticks in which the rule did not hold, whoever caused it."""
        return sum(self.violations[kind].values())


def draw(seed: int) -> zoo.Setting:
    """Draws a game: 20 to 144 Hz, speeds and accelerations over two decades, a few NPCs or many, open or crammed."""
    rng = np.random.default_rng([seed, 77])
    rate = float(rng.choice(RATES))
    speed = float(0.3 * 100.0 ** rng.random())
    acceleration = max(float(100.0 ** rng.random()), speed * rate / _STOPS_WITHIN)
    setting = zoo.make_setting(
        seed, 1.0 / rate, speed, acceleration, float(rng.uniform(0.6, 1.5)), int(rng.choice([6, 12, 40, 160]))
    )
    if rng.random() < BY_CELLS:
        return zoo.by_cells(setting, seed)
    return zoo.by_car(setting, seed) if rng.random() < BY_CAR else setting


def shard(index: int, seed: int, shielded: bool) -> Totals:
    """Plays one shard of zoo games."""
    totals = Totals()
    shield = certify if shielded else zoo.unshielded
    for game in range(GAMES):
        number = seed * 1_000_003 + index * GAMES + game
        setting = draw(number)
        if len(setting.ids):
            result = zoo.play(setting, number, TICKS, shield)
            totals.judged(result.report)
            totals.certified_by(result.tally)
    return totals


def _kept(index: int, seed: int, shielded: bool, folder: Path | None, shipped: str) -> Totals:
    name = f"{'zoo' if shielded else 'control'}_{seed}_{index}"
    return kept.shard(folder, shipped, name, Totals(), partial(shard, index, seed, shielded))


def hunt(steps: int, seed: int, *, shielded: bool, folder: Path | None = None, jobs: int = 1) -> Iterator[Totals]:
    """Yields shards until so many NPC-ticks are played; finished ones in the folder are not played again."""
    work = partial(_kept, seed=seed, shielded=shielded, folder=folder, shipped=code())
    every = 1 if shielded else CONTROL_EVERY
    done = first = 0
    while done < steps:
        block = [every * k for k in range(first, first + 4 * jobs)]
        for totals in in_turn(work, block, jobs):
            if done < steps:
                done += totals.steps
                yield totals
        first += len(block)


@dataclass(frozen=True, slots=True)
class Planned:
    """Fights in which a planner proposes, under tight rules and weights over four decades; odd shards plan blindly."""

    model: str  # of even shards; the untrained one of odd ones
    candidates: int
    steps: int  # NPC-ticks of all shards together
    seed: int

    def shard(self, index: int) -> Totals:
        """Plays one shard: a quarter of the NPCs attack, the others follow their plans."""
        import torch

        from npc_sdk.experiments import stress
        from npc_sdk.experiments.stage import planner
        from npc_sdk.planner.problem import PlannerConfig
        from npc_sdk.serve.models import load

        torch.set_num_threads(1)
        device, config = torch.device("cpu"), stress.StressConfig(steps=self.steps, seed=self.seed)
        forecast = load("untrained" if index % 2 else self.model, device, self.seed).forecast
        brain = planner(forecast, device, PlannerConfig(candidates=self.candidates, seed=self.seed))
        batch = stress.run_batch(config, index, brain, shielded=True, ticks=config.ticks)
        totals = Totals()
        for report in batch.reports:
            totals.judged(report)
        totals.certified_by(batch.tally)
        totals.ran, totals.altered, totals.wasted = batch.ticks, batch.changed, batch.wasted * batch.ticks
        return totals

    def hunt(self, folder: Path | None = None, jobs: int = 1) -> Iterator[Totals]:
        """Yields all shards; finished ones in the folder are not played again."""
        from npc_sdk.experiments.stress import StressConfig

        work = partial(_planned, self, folder, kept.code_in("."))
        yield from in_turn(work, range(StressConfig(steps=self.steps).batches), jobs)


def _planned(what: Planned, folder: Path | None, shipped: str, index: int) -> Totals:
    name = f"planned_{kept.fingerprint(asdict(what))}_{index}"
    return kept.shard(folder, shipped, name, Totals(), partial(what.shard, index))


def code() -> str:
    """Names the code that a shard depends on: shield, constraints, checker and games."""
    return kept.code_in(*_SHARD)
