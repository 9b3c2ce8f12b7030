"""One server, one game that behaves, and peers that do not: what the game and the server notice of them."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from npc_bridge.client import Client
from npc_bridge.conformance import sample_schema, sample_snapshot
from npc_sdk.errors import SdkError
from npc_sdk.experiments.peers.attack import attack

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

HZ = 60.0
LATE_MS = 1000.0 / HZ  # from receive to send in the server
START_S = 60.0
AFTER_S = 1.0  # that the game plays on when the peers have gone
SETTLED = 0.25  # share of the scripts after which memory is watched


@dataclass(slots=True)
class Side:
    """What was noticed, of hostile peers or of as many that behave."""

    scripts: int = 0
    pushed: int = 0
    answered: int = 0
    late: int = 0  # answers
    unsafe: int = 0  # answers with numbers that are not finite
    sessions: int = 0  # that the game had
    faults: set[str] = field(default_factory=set)  # that the game was shown
    latency_ms: list[float] = field(default_factory=list)
    growth_kib: int = 0  # of the server's memory, from SETTLED on
    wall_s: float = 0.0
    server: Mapping[str, float] = field(default_factory=dict)  # its last report
    died: bool = False
    status: int | None = None  # that the server ended with, if it did


class Host:
    """The server's process.

    Raises:
        SdkError: it does not start.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "npc_sdk.experiments.peers.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        first = self._line()
        if not first:
            raise SdkError("the server under attack did not start")
        self.data = str(first["data"])

    @property
    def status(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def report(self) -> Mapping[str, float]:
        """Returns what it counted; nothing if it has died."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("report\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {}
        return self._line()

    def _line(self) -> Mapping[str, float]:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        return json.loads(said) if said else {}

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has died
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def run(scripts: int, seed: int, *, well_behaved: bool, told: Callable[[int], None]) -> Side:
    """Has so many peers come and go while a game plays; `told` hears how many have gone so far.

    Raises:
        SdkError: the server does not start, the game is not answered at first, or the peers fail by themselves.
    """
    side = Side(scripts=scripts)
    spawn = multiprocessing.get_context("spawn")
    done: Synchronized[int] = spawn.Value("q", 0)
    with Host() as host, closing(Client(host.data, sample_schema())) as client:
        game = _Game(client, side)
        game.play_until(lambda: side.answered > 0)
        begun = time.perf_counter()
        peers = spawn.Process(target=_attack, args=(host.data, seed, scripts, well_behaved, done))
        peers.start()
        game.play_until(partial(_passed, done, SETTLED * scripts, peers, told))
        settled = host.report()
        game.play_until(partial(_passed, done, scripts + 1.0, peers, told))
        peers.join()
        if peers.exitcode:
            raise SdkError("the peers did not do what they should; their words are above")
        side.wall_s = time.perf_counter() - begun
        until = time.monotonic() + AFTER_S
        game.play_until(lambda: time.monotonic() > until)
        side.server = host.report()
        side.status = host.status
        side.died = side.status is not None or not side.server
        if settled and side.server:
            side.growth_kib = int(side.server["rss_kib"] - settled["rss_kib"])
    return side


class _Game:
    """A game at 60 frames a second that streams and looks for answers, and keeps count."""

    def __init__(self, client: Client, side: Side) -> None:
        self._client = client
        self._side = side
        self._blocks = sample_snapshot().blocks
        self._tick = 0
        self._sessions: set[int] = set()
        self._due = time.perf_counter()

    def play_until(self, over: Callable[[], bool]) -> None:
        """Plays on.

        Raises:
            SdkError: nobody answers at first.
        """
        until = time.monotonic() + START_S
        while not over():
            self._frame()
            if not self._side.answered and time.monotonic() > until:
                raise SdkError(f"the game is not answered: {self._client.fault}")

    def _frame(self) -> None:
        side, client = self._side, self._client
        self._due = max(self._due + 1.0 / HZ, time.perf_counter())
        time.sleep(max(0.0, self._due - time.perf_counter()))
        for action in client.poll():
            ms = (action.sent_us - action.received_us) / 1e3
            side.answered += 1
            side.latency_ms.append(ms)
            side.late += ms > LATE_MS
            side.unsafe += not bool(np.isfinite(action.steps).all() and np.isfinite(action.expected).all())
        if client.session:
            self._sessions.add(client.session)
            side.sessions = len(self._sessions)
            if client.fault is not None:
                side.faults.add(type(client.fault).__name__)
        self._tick += 1
        side.pushed += client.push(self._tick, self._blocks)


def _attack(endpoint: str, seed: int, scripts: int, well_behaved: bool, done: Synchronized[int]) -> None:
    def told(number: int) -> None:
        with done.get_lock():
            done.value += number

    attack(endpoint, seed, scripts, well_behaved, told)


def _passed(
    done: Synchronized[int], enough: float, peers: multiprocessing.process.BaseProcess, told: Callable[[int], None]
) -> bool:
    """Says whether so many scripts are done, or the peers are gone; tells of the new ones."""
    now = done.value
    told(now)
    return now >= enough or not peers.is_alive()
