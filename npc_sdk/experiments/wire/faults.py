"""What a bad line does to messages, drawn from a seed: late, lost, twice, out of order, cut, or held back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_DELAYS = (0.1, 0.4, 1.0)  # of the worst delay, how much a spell may take at most


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst that a line does."""

    delay_s: float = 0.2  # of a message, each way
    loss: float = 0.2  # share of messages that never arrive
    twice: float = 0.1  # share of messages that arrive twice, each at a time of its own
    cut: float = 0.02  # share of messages that arrive without their end
    spell_s: float = 2.0  # how long a line is about as bad
    stall_s: float = 2.0  # how long nothing gets through at all
    stall_every_s: float = 8.0  # between the beginnings of two such times


@dataclass(frozen=True, slots=True)
class Spell:
    """How bad the line is for a while."""

    delay_s: float
    loss: float
    twice: float
    cut: float


CALM = Spell(0.0, 0.0, 0.0, 0.0)


class Weather:
    """How bad the line is when. Everything follows from the seed; all lines of a proxy share it."""

    def __init__(self, seed: int, worst: Worst) -> None:
        self.calm = False  # nothing happens to messages for now
        self._seed = seed
        self._worst = worst

    def spell(self, now_s: float) -> Spell:
        """Returns how bad it is at a time, s since the beginning."""
        if self.calm:
            return CALM
        rng = np.random.default_rng([self._seed, 1, int(now_s / self._worst.spell_s)])
        loss, twice, cut = rng.random(3)
        return Spell(
            float(rng.choice(_DELAYS)) * self._worst.delay_s,
            float(loss) * self._worst.loss,
            float(twice) * self._worst.twice,
            float(cut) * self._worst.cut,
        )

    def stall(self, now_s: float) -> tuple[int, float] | None:
        """Returns number and end of the stall that it is in at a time, None if there is none."""
        if self.calm:
            return None
        worst = self._worst
        number = int(now_s / worst.stall_every_s)
        share = np.random.default_rng([self._seed, 2, number]).uniform(0.2, 0.6)
        begin = (number + float(share)) * worst.stall_every_s
        return (number, begin + worst.stall_s) if begin <= now_s < begin + worst.stall_s else None


@dataclass(slots=True)
class Counts:
    """What became of the messages of one or more lines."""

    sent: int = 0
    dropped: int = 0
    delayed: int = 0  # by a millisecond or more
    duplicated: int = 0
    truncated: int = 0
    reordered: int = 0  # left after one that had come later
    stalled: int = 0  # held back until the end of a stall
    undeliverable: int = 0  # nobody was there any more, or he did not read


class Line:
    """One direction between a game and the brain.

    Args:
        weather: how bad it is when.
        key: of this line and direction, all its own randomness.
        counts: to add to.
    """

    def __init__(self, weather: Weather, key: tuple[int, ...], counts: Counts) -> None:
        self._weather = weather
        self._rng = np.random.default_rng(key)
        self._counts = counts
        self._taken = 0
        self._left = -1  # number of the latest message that has left

    def take(self, now_s: float, size: int) -> tuple[int, tuple[float, ...], int]:
        """Takes a message in; returns its number, when copies leave (s; never if it is lost), and how much of it."""
        spell, stall, counts = self._weather.spell(now_s), self._weather.stall(now_s), self._counts
        number, self._taken = self._taken, self._taken + 1
        lost, twice, cut, where, *delays = self._rng.random(6).tolist()
        counts.sent += 1
        if lost < spell.loss:
            counts.dropped += 1
            return number, (), 0
        copies = 2 if twice < spell.twice else 1
        begin = now_s if stall is None else stall[1]
        leaves = tuple(begin + delay * spell.delay_s for delay in delays[:copies])
        counts.duplicated += copies - 1
        counts.stalled += stall is not None
        counts.delayed += min(leaves) - now_s >= 1e-3
        counts.truncated += cut < spell.cut
        return number, leaves, int(where * size) if cut < spell.cut else size

    def leave(self, number: int) -> None:
        """Notes that a message leaves, for the first time or again."""
        self._counts.reordered += number < self._left
        self._left = max(self._left, number)
