"""What can go wrong between a game and its brain, each begun and ended at will: a stopped brain, a bad line, a plug."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from npc_sdk.bench.cable import Cable
from npc_sdk.experiments.wire.faults import Worst
from npc_sdk.experiments.wire.proxy import Proxy

CUT_EVERY_S = 0.7
CUT_WITHIN = 4096  # bytes after which a connection is cut, at most: in the middle of a message, as a rule
NEVER_S = 1e9


class Trouble(Protocol):
    """One kind of trouble on a way from a game to its brain."""

    endpoint: str
    """Where the game connects."""

    @property
    def happened(self) -> int:
        """How often it happened so far."""

    def begin(self) -> None:
        """Makes it happen from now on."""

    def turn(self) -> None:
        """Goes on; called once per tick between begin and end."""

    def end(self) -> None:
        """Makes all well again."""

    def close(self) -> None:
        """Leaves nothing behind."""


class Stopped:
    """The brain's process is stopped, as by a debugger or a machine that swaps, and goes on after a while."""

    def __init__(self, endpoint: str, pid: int, stop_s: float) -> None:
        self.endpoint = endpoint
        self.happened = 0
        self._pid = pid
        self._stop_s = stop_s
        self._until = 0.0

    def begin(self) -> None:
        """Stops it."""
        os.kill(self._pid, signal.SIGSTOP)
        self.happened += 1
        self._until = time.monotonic() + self._stop_s

    def turn(self) -> None:
        """Lets it go on when its time is over."""
        if time.monotonic() > self._until:
            os.kill(self._pid, signal.SIGCONT)

    def end(self) -> None:
        """Lets it go on."""
        os.kill(self._pid, signal.SIGCONT)

    def close(self) -> None:
        """Lets it go on."""
        os.kill(self._pid, signal.SIGCONT)


class BadLine:
    """Messages are lost, doubled, overtaken or cut."""

    def __init__(self, endpoint: str, seed: int, worst: Worst, what: str) -> None:
        self._proxy = Proxy(endpoint, seed, worst)
        self._proxy.weather.calm = True
        self._what = what
        self.endpoint = self._proxy.endpoint

    @property
    def happened(self) -> int:
        """Messages that it happened to."""
        return int(getattr(self._proxy.counts, self._what))

    def begin(self) -> None:
        """Lets the weather turn bad."""
        self._proxy.weather.calm = False

    def turn(self) -> None:
        """Leaves it to the weather."""

    def end(self) -> None:
        """Lets it turn good."""
        self._proxy.weather.calm = True

    def close(self) -> None:
        """Takes the line away."""
        self._proxy.close()


class Pulled:
    """The connection is cut again and again, wherever a message happens to be."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self._cable = Cable(endpoint)
        self._rng = np.random.default_rng(seed)
        self._next = 0.0
        self.endpoint = self._cable.endpoint

    @property
    def happened(self) -> int:
        """Connections that were cut."""
        return self._cable.cuts

    def begin(self) -> None:
        """Cuts at once."""
        self._next = time.monotonic()

    def turn(self) -> None:
        """Cuts when it is time."""
        if time.monotonic() >= self._next:
            self._next += CUT_EVERY_S
            self._cable.cut(int(self._rng.integers(CUT_WITHIN)))

    def end(self) -> None:
        """Leaves it in."""

    def close(self) -> None:
        """Takes the cable away."""
        self._cable.close()


def _line(what: str, worst: Worst) -> Callable[[str, int, float, int], Trouble]:
    return lambda endpoint, pid, stop_s, seed: BadLine(endpoint, seed, worst, what)


TROUBLES: dict[str, Callable[[str, int, float, int], Trouble]] = {
    "stopped": lambda endpoint, pid, stop_s, seed: Stopped(endpoint, pid, stop_s),
    "drops": _line("dropped", Worst(0.0, 0.8, 0.0, 0.0, 1.0, 0.0, NEVER_S)),
    "duplicates": _line("duplicated", Worst(0.06, 0.0, 1.0, 0.0, 1.0, 0.0, NEVER_S)),
    "reorders": _line("reordered", Worst(0.4, 0.0, 0.0, 0.0, 1.0, 0.0, NEVER_S)),
    "truncations": _line("truncated", Worst(0.0, 0.0, 0.0, 0.6, 1.0, 0.0, NEVER_S)),
    "cuts": lambda endpoint, pid, stop_s, seed: Pulled(endpoint, seed),
}
"""Makers by name: (endpoint and process id of the brain, seconds that it is stopped for, seed) -> trouble."""
