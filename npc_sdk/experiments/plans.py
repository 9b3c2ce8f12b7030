"""Imagined against realised plans: the same candidates under every forecast, and for real in copies of the fight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk.envs.arena import DT, Arena, ArenaConfig, ScriptedPlayers, ticks_in
from npc_sdk.errors import InputError
from npc_sdk.experiments import stage
from npc_sdk.experiments.kept import Cache, in_turn
from npc_sdk.experiments.rivals import ROWS, Rivals
from npc_sdk.experiments.stage import Witness, cast, lock_step, new_board
from npc_sdk.experiments.stats import spearman
from npc_sdk.planner.plan import propose, roll_out
from npc_sdk.planner.score import objective
from npc_sdk.runtime import Orders, View
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world.forecast import PLAYER_SLOT

Floats = NDArray[np.float64]

REAL = "exact"  # the row that plays candidates for real
CLEARLY = 0.1  # m
_HOLD = 0  # the candidate that stands still


@dataclass(frozen=True, slots=True)
class PlansConfig:
    """At which states candidates are compared."""

    fights: int = 32
    seconds: float = 20.0
    npcs: int = 4
    split: str = "test"
    first_seed: int = 3000  # apart from the contests' and the sweeps'
    every_s: float = 2.0  # between states of one fight
    batch: int = 16
    persona: str = ""
    leader: str = "learned_duet"  # whose plans are carried out


@dataclass(frozen=True, slots=True)
class States:
    """`n` states, `s` candidates each."""

    objective: dict[str, Floats]  # J by row: n s
    moved: dict[str, Floats]  # how far the player is imagined to leave the path it takes if the NPC stands: n s, m
    seen: NDArray[np.bool_]  # n, the squad sees the player


def joined(parts: Sequence[States]) -> States:
    """Puts states together."""

    def whole(tables: list[dict[str, Floats]]) -> dict[str, Floats]:
        return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

    return States(
        whole([p.objective for p in parts]), whole([p.moved for p in parts]), np.concatenate([p.seen for p in parts])
    )


def _first_tick(every: int) -> int:
    """When the first state comes: not where a fight begins, and in a tick in which NPCs decide."""
    return every // 2 // 3 * 3


class Probe:
    """Decides by one row, and asks all rows about its candidates every so often."""

    def __init__(self, deciders: Mapping[str, PlannerDecider], leader: str, every_ticks: int) -> None:
        self._deciders = deciders
        self._leader = deciders[leader]
        self._every = every_ticks
        self.found: list[States] = []

    def watch(self, arena: Arena, players: ScriptedPlayers) -> None:
        """Lets the rows that are privileged look behind the scenes."""
        self._arena = arena
        for decider in self._deciders.values():
            if isinstance(decider, Witness):
                decider.watch(arena, players)

    def forget(self, key: str) -> None:
        """Drops what all rows remember about a game."""
        for decider in self._deciders.values():
            decider.forget(key)

    @torch.inference_mode()
    def decide(self, view: View) -> Orders:
        """Answers as the leading row does."""
        for decider in self._deciders.values():
            decider.observe(view)
        if int(view.apply_tick[0]) % self._every == _first_tick(self._every):
            self._compare(view)
        return self._leader.decide(view)

    def _compare(self, view: View) -> None:
        world = np.array([int(game.key) for game in view.games])[view.game]
        rows = np.flatnonzero(view.due & self._arena.alive[world, PLAYER_SLOT])
        if not len(rows):
            return
        lead = self._leader
        scene, memory = lead.observe(view)
        moves, tags = propose(scene, lead.problem(view, rows, memory), lead.config)
        J: dict[str, Floats] = {}
        moved: dict[str, Floats] = {}
        for name, decider in self._deciders.items():
            scene, memory = decider.observe(view)
            problem = decider.problem(view, rows, memory)
            found = roll_out(decider.forecast, memory, scene, problem, decider.config, moves, tags, decider.config.rank)
            J[name] = objective(found.features, problem.weights).numpy()
            gap = found.player[..., :2] - found.player[:, _HOLD, None, :, :2]
            moved[name] = gap.norm(dim=-1).mean(-1).double().numpy()
        self.found.append(States(J, moved, view.table.seen[view.scene[rows], PLAYER_SLOT]))


def batches(config: PlansConfig) -> list[tuple[int, ...]]:
    """Returns the seeds of the fights that are played together."""
    return stage.batches(config.first_seed, config.fights, config.batch)


def measure(
    config: PlansConfig,
    rivals: Rivals,
    folder: Path,
    model_sha256: str,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> States:
    """Compares at all states, or takes from `folder` what it has; `done` is called after each of the batches.

    Raises:
        InputError: the fights end before the first moment that is compared.
    """
    first_s = _first_tick(ticks_in(config.every_s)) * DT
    if config.seconds <= first_s:
        raise InputError(
            f"plans: expected fights of more than {first_s:g} s, where the first states are, got {config.seconds:g}"
        )
    cache = Cache(folder, rivals.fingerprint(asdict(config) | {"fights": None}, config.persona, model_sha256))
    parts = []
    for states in in_turn(partial(_kept, config, rivals, cache), batches(config), jobs):
        parts.append(states)
        done()
    return joined(parts)


def _kept(config: PlansConfig, rivals: Rivals, cache: Cache, seeds: tuple[int, ...]) -> States:
    """Reads one batch's states, or makes and keeps them."""

    def table() -> dict[str, Floats]:
        now = compare(config, rivals, seeds)
        J = {f"J {name}": values for name, values in now.objective.items()}
        moved = {f"moved {name}": values for name, values in now.moved.items()}
        return J | moved | {"seen": now.seen.astype(np.float64)}

    kept = cache.table(f"states_{seeds[0]}_{len(seeds)}", table)

    def part(kind: str) -> dict[str, Floats]:
        return {name.removeprefix(kind): values for name, values in kept.items() if name.startswith(kind)}

    return States(part("J "), part("moved "), kept["seen"] > 0.5)


def compare(config: PlansConfig, rivals: Rivals, seeds: tuple[int, ...]) -> States:
    """Plays one batch and asks every row along the way."""
    deciders = {name: rivals.decider(name) for name in ROWS if ROWS[name].rank == ROWS[name].verify}
    probe = Probe(deciders, config.leader, ticks_in(config.every_s))
    board = new_board(persona=config.persona)
    lock_step(cast(config.split, seeds), ArenaConfig(npcs=config.npcs), probe, board).run(ticks_in(config.seconds))
    return joined(probe.found)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well one row foresees which plans are good."""

    spearman: float  # of imagined and realised J over the candidates of a state, mean over states
    regret: float  # realised J of the plan it thinks best, over that of the best one, mean over states
    moves_more: float  # share of pairs of plans of which it knows which one moves the player more; 0.5 is guessing


def rank(states: States, row: str, use: NDArray[np.bool_]) -> Ranking:
    """Compares a row with what happened, at some of the states."""
    J, real = states.objective[row][use], states.objective[REAL][use]
    if not len(J):
        return Ranking(float("nan"), float("nan"), float("nan"))
    rho = [spearman(a, b) for a, b in zip(J, real, strict=True)]
    regret = real[np.arange(len(J)), J.argmin(1)] - real.min(1)
    return Ranking(float(np.mean(rho)), float(regret.mean()), _moves_more(states, row, use))


def _moves_more(states: States, row: str, use: NDArray[np.bool_]) -> float:
    """Looks at neighbouring candidates that differ by at least CLEARLY in how far they really move the player."""
    told, truth = (np.diff(states.moved[name][use], axis=1) for name in (row, REAL))
    clear = np.abs(truth) >= CLEARLY
    right = np.where(np.abs(told) < 1e-6, 0.5, np.sign(told) == np.sign(truth))
    return float(right[clear].mean()) if clear.any() else float("nan")
