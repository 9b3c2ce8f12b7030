"""A game's frame loop with honest work in it, and the paired comparison of its frame times."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CALIBRATION_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Load:
    """A fixed amount of work, the same in every frame: part interpreter, part memory, as in a small game."""

    rounds: int
    _field: Floats = field(default_factory=lambda: np.linspace(0.0, 1.0, 4096), repr=False)

    def run(self) -> float:
        """Does the work and returns a number that depends on all of it."""
        total = 0.0
        for k in range(self.rounds):
            total += float(np.sin(self._field * k).sum())
            for i in range(200):
                total += i * 1e-9
        return total

    @classmethod
    def of_at_least(cls, work_ms: float) -> Load:
        """Sizes the work to take `work_ms` even when this machine has a quick moment."""
        one = cls(1)
        times = []
        for _ in range(CALIBRATION_ROUNDS):
            start = time.perf_counter()
            one.run()
            times.append(time.perf_counter() - start)
        quick = float(np.percentile(times, 10))
        return cls(max(1, int(np.ceil(1.15 * work_ms / 1e3 / quick))))


class Pacer:
    """Starts frames at a fixed rate; a late frame delays the next ones instead of being caught up in a burst."""

    def __init__(self, hz: float) -> None:
        self._period = 1.0 / hz
        self._due = time.perf_counter()

    def wait(self) -> float:
        """Sleeps until the next frame is due and returns its start (perf_counter, s)."""
        self._due += self._period
        left = self._due - time.perf_counter()
        if left > 0:
            time.sleep(left)
        else:
            self._due = time.perf_counter()
        return time.perf_counter()


ORDERS = (("off", "on", "control"), ("control", "on", "off"), ("on", "off", "control"), ("off", "control", "on"))


def block_order(group: int) -> tuple[str, str, str]:
    """Returns the order of one group's blocks: brain on, brain off, and off again as control, rotated against drift."""
    return ORDERS[group % len(ORDERS)]


@dataclass(frozen=True, slots=True)
class PairedRatios:
    """Median frame times of groups of blocks, compared within their group."""

    on_off: float  # median over groups of on / off
    off_off: float  # median over groups of control / off: what the machine's noise alone does
    on_off_quartiles: tuple[float, float]
    off_ms: float  # median work of a frame without the brain
    groups: int


def paired_ratios(groups: Sequence[Mapping[str, Sequence[float]]]) -> PairedRatios:
    """Compares blocks of frame times (ms) within each group.

    Args:
        groups: per group the frame times of its blocks `on`, `off` and `control`.
    """
    medians = [{name: float(np.median(block)) for name, block in group.items()} for group in groups]
    on = np.array([m["on"] / m["off"] for m in medians])
    control = np.array([m["control"] / m["off"] for m in medians])
    low, high = np.percentile(on, (25, 75))
    return PairedRatios(
        on_off=float(np.median(on)),
        off_off=float(np.median(control)),
        on_off_quartiles=(float(low), float(high)),
        off_ms=float(np.median([m["off"] for m in medians])),
        groups=len(groups),
    )
