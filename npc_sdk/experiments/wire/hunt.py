"""Plays games over bad lines in real time, kills their brain now and then, and has the checker judge what happened."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from npc_sdk.envs.arena import DT
from npc_sdk.errors import SdkError
from npc_sdk.experiments import campaign, kept
from npc_sdk.experiments.kept import in_turn
from npc_sdk.experiments.wire import game
from npc_sdk.experiments.wire.faults import Counts, Worst
from npc_sdk.experiments.wire.proxy import Proxy

CONTROL_EVERY = 10  # shards, one of which is played without shield and ladder, too
PLANNED_EVERY = 4  # shards, one of which is the planner's, every other one of these untrained: a tenth of the steps
OWN_WAYS_EVERY = 5  # shards, one of which lets the game move NPCs without a plan
READY_S = 300.0  # a brain may take this long to load on a busy machine that compiles its kernels for the first time
_KILL_EVERY_TICKS = 180
_AT_ONCE = 8  # shards handed to each process before it is asked whether that was enough

_CODE = ("shield", "constraints", "audit", "kernels", "geometry", "planner", "runtime", "serve", "experiments/wire",
         "experiments/zoo.py")  # fmt: skip

Values = NDArray[np.float64]


class WireError(SdkError):
    """The brain process of the hunt did not come up, or cannot on this system."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a shard is."""

    ticks: int = 450  # per game
    games: int = 2  # on one brain, each on its own line
    crowd: int = game.CROWD  # NPCs per game, at least; at most twice as many
    planned_crowd: int = 8  # the same where the planner plans: it is slow beside a game on few cores
    worst: Worst = field(default_factory=Worst)


@dataclass(slots=True)
class Events:
    """What was done to the brains, and what they did by themselves."""

    kills: int = 0
    restarts: int = 0
    deaths: int = 0  # of brains that nobody had killed
    stalls: int = 0
    late_ticks: int = 0  # that began later than a tick after they were due
    planned_steps: int = 0  # NPC-ticks under the real planner
    untrained_steps: int = 0  # those of them with an untrained model


@dataclass(slots=True)
class Shard:
    """What some games came to."""

    totals: campaign.Totals = field(default_factory=campaign.Totals)
    messages: Counts = field(default_factory=Counts)
    tolls: game.Tolls = field(default_factory=game.Tolls)
    events: Events = field(default_factory=Events)

    def table(self) -> dict[str, Values]:
        """Returns all counts as arrays, to be kept."""
        parts = (self.messages, self.tolls, self.events)
        return self.totals.table() | {type(part).__name__: _numbers(part) for part in parts}

    def plus(self, table: Mapping[str, Values]) -> None:
        """Adds what a shard kept."""
        self.totals.plus(table)
        for part in (self.messages, self.tolls, self.events):
            _add(part, table[type(part).__name__])


def _numbers(part: Counts | game.Tolls | Events) -> Values:
    return np.array([getattr(part, f.name) for f in fields(part)], np.float64)


def _add(part: Counts | game.Tolls | Events, numbers: Values) -> None:
    for f, number in zip(fields(part), numbers, strict=True):
        setattr(part, f.name, getattr(part, f.name) + int(number))


class Brains:
    """The brain of some games: started, killed by SIGKILL, and started again at the same address.

    Args:
        kind: of the brain, one of `brain.KINDS`.
        seed: of the games' setting.
        crowd: NPCs that the setting has at least.
        data: where it listens.

    Raises:
        WireError: this system cannot fork.
    """

    def __init__(self, kind: str, seed: int, crowd: int, data: str) -> None:
        if not hasattr(os, "fork"):
            raise WireError(f"check wire: expected a system with fork and SIGKILL, got {sys.platform}")
        asked = ("--kind", kind, "--seed", str(seed), "--crowd", str(crowd), "--data", data)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "npc_sdk.experiments.wire.brain", *asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._pid = 0
        self._up = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Brains:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Has a brain started; returns at once.

        Raises:
            WireError: the process that starts brains has ended.
        """
        assert self._process.stdin is not None
        if self._process.poll() is not None:
            raise WireError(f"brain: expected a process that starts it, got one that ended with {self._process.poll()}")
        self._up.clear()
        self._pid = 0
        self._process.stdin.write("start\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Waits until it listens.

        Raises:
            WireError: it does not come up.
        """
        until = time.monotonic() + READY_S
        while not self._up.wait(0.05):
            if self._process.poll() is not None or time.monotonic() > until:
                raise WireError(f"brain: expected it to listen within {READY_S:g} s, got {self._process.poll()}")

    def kill(self) -> bool:
        """Kills it at once; False if there is none yet."""
        if not self._up.is_set():
            return False
        os.kill(self._pid, signal.SIGKILL)
        self._up.clear()
        return True

    @property
    def died(self) -> bool:
        """Whether a brain that listened has ended by itself."""
        if not self._up.is_set():
            return False
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            self._up.clear()
            return True
        return False

    def close(self) -> None:
        """Ends whatever runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                if line.startswith("{"):
                    self._pid = int(json.loads(line)["pid"])
                    self._up.set()


def kind_of(index: int) -> str:
    """Returns which brain a shard has."""
    if index % PLANNED_EVERY != PLANNED_EVERY - 1:
        return "hostile"
    return "untrained" if index // PLANNED_EVERY % 2 else "arena"


def shard(index: int, seed: int, shielded: bool, size: Size, hop: Callable[[], game.Hop] | None = None) -> Shard:
    """Plays one shard in real time.

    Args:
        index: which.
        seed: of the hunt.
        shielded: False for the control: no shield, and a last hop that takes any step.
        size: how much it is.
        hop: makes another last hop than the shipped one, for tests of the hunt.
    """
    number, kind = seed * 10_007 + index, kind_of(index) if shielded else "control"
    planned = kind in ("arena", "untrained")
    crowd = size.planned_crowd if planned else size.crowd
    setting = game.draw(number, wards=not planned, crowd=crowd)
    result = Shard()
    with ExitStack() as stack:
        data = _free_endpoint()
        brains = stack.enter_context(Brains(kind, number, crowd, data))
        brains.start()
        lines = [stack.enter_context(Proxy(data, number * 100 + k, size.worst)) for k in range(size.games)]
        brains.wait()
        games = []
        for k, line in enumerate(lines):
            last = hop() if hop else game.ladder if shielded else game.Reckless()
            own = shielded and index % OWN_WAYS_EVERY == OWN_WAYS_EVERY - 1
            games.append(game.Game(setting, number * 100 + k, line.endpoint, own_ways=own, hop=last))
            stack.callback(games[-1].close)
        _play(games, brains, result.events, np.random.default_rng([number, 9]), size)
    for line in lines:
        _add(result.messages, _numbers(line.counts))
        result.events.stalls += line.stalls
    for one in games:
        for report in one.judge(1e-3 if shielded else 1e9):
            result.totals.judged(report)
        _add(result.tolls, _numbers(one.tolls))
    if planned:
        result.events.planned_steps = result.totals.steps
        result.events.untrained_steps = result.totals.steps * (kind == "untrained")
    return result


def _play(games: list[game.Game], brains: Brains, events: Events, rng: np.random.Generator, size: Size) -> None:
    """Plays all games tick by tick at their pace; kills the brain now and then, and starts it again."""
    kills = _kills(rng, size.ticks)
    begin_again, due = 0, time.perf_counter()
    for tick in range(size.ticks):
        events.late_ticks += time.perf_counter() - due > DT
        due = max(due, time.perf_counter() - DT)  # what is late stays late: no ticks in a heap
        time.sleep(max(0.0, due - time.perf_counter()))
        due += DT
        if brains.died:
            events.deaths += 1
            begin_again = tick
        elif kills and tick >= kills[0] and brains.kill():
            events.kills += 1
            kills.pop(0)
            begin_again = tick + int(rng.integers(1, 30))
        if begin_again and tick >= begin_again:
            begin_again = 0
            events.restarts += 1
            brains.start()
        for one in games:
            one.play()


def _kills(rng: np.random.Generator, ticks: int) -> list[int]:
    """Draws the ticks at which the brain is killed."""
    count = max(1, round(ticks / _KILL_EVERY_TICKS))
    return [int((k + rng.uniform(0.3, 0.8)) * ticks / count) for k in range(count)]


def _free_endpoint() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}"


def _kept(index: int, seed: int, shielded: bool, size: Size, folder: Path | None, shipped: str) -> Shard:
    name = f"{'wire' if shielded else 'control'}_{seed}_{index}"
    return kept.shard(folder, shipped, name, Shard(), partial(shard, index, seed, shielded, size))


def hunt(
    steps: int, seed: int, *, shielded: bool, size: Size, folder: Path | None = None, jobs: int = 1
) -> Iterator[Shard]:
    """Yields shards until so many NPC-ticks are played; finished ones in the folder are not played again."""
    work = partial(_kept, seed=seed, shielded=shielded, size=size, folder=folder, shipped=code(size))
    every = 1 if shielded else CONTROL_EVERY
    done = first = 0
    each = size.games * size.ticks * size.crowd  # at least
    while done < steps:
        block = [every * k for k in range(first, first + math.ceil((steps - done) / each))][: _AT_ONCE * jobs]
        for found in in_turn(work, block, jobs):
            done += found.totals.steps
            yield found
        first += len(block)


def code(size: Size) -> str:
    """Names what a shard depends on: its size, and all code between a proposal and the verdict."""
    return kept.fingerprint(repr(size), kept.code_in(*_CODE), kept.code_in(".", package="npc_bridge"))
