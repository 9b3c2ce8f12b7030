"""When to think, and how far ahead an answer must aim: as few ticks as make nearly all answers come in time."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 45  # answers that are looked back on: 1.5 s at 30 per second
SHARE = 0.95  # of them that should be in time
FEW = 15  # answers that say too little: the first ones of a brain may happen to be quick, and who aims too near brakes
START_TICKS = 2  # the lead before anything is known
MOST_TICKS = 4  # beyond it a chunk that ends in time (`RuntimeConfig.ahead_ticks`) would not reach to the next
LEAST_MS = -8.0  # slack that any game has: it sends and looks once per frame
QUEUE_MS = 2.0  # that every snapshot waits, however idle the brain
STEP_MS = 1.0  # of the slack's estimate, which settles where SHARE of the answers that it bears on come in time


@dataclass(frozen=True, slots=True)
class _Sent:
    """An answer whose fate is not known yet."""

    chunk: int
    apply_tick: int
    spare_ms: float  # that the game's looks, a lead apart, left over; negative where they left too little


class Pace:
    """Learns the lead from measured latencies and from which answers the game says it came to execute.

    A game sends its snapshot somewhere within a frame and looks for answers at a fixed place of a later one, so an
    answer that aims `lead` ticks ahead has `lead` frames and a `slack` that only the game knows. Answers that came too
    late tell how small it can be; those in time let it grow. Each moves the estimate a little, as a quantile is
    followed: a hiccup of the machine is not the pace of the game.

    A brain that needs longer than a tick finds a snapshot waiting that is already old. An answer to it may come too
    late where one to the next would not, and chunks reach far enough ahead to bridge the gap.

    Args:
        fixed: this many ticks, whatever is measured; 0 to adapt.
    """

    def __init__(self, fixed: int = 0) -> None:
        self._fixed = fixed
        self._works: deque[float] = deque(maxlen=WINDOW)
        self._sent: dict[int, deque[_Sent]] = {}
        self._heard: dict[int, int] = {}  # tick of the last snapshot learned from
        self._slack: float | None = None  # ms

    def note(
        self, session: int, chunk: int, apply_tick: int, lead: int, latency_ms: float, work_ms: float, tick_hz: float
    ) -> None:
        """Remembers an answer, how long after the snapshot's arrival it was sent, and how long it was worked on.

        The work on a game's first answer says nothing: it reads the map's tables for the first time.
        """
        if session in self._sent:
            self._works.append(work_ms)
        answers = self._sent.setdefault(session, deque(maxlen=WINDOW))
        answers.append(_Sent(chunk, apply_tick, lead * 1000.0 / tick_hz - latency_ms))

    def learn(self, session: int, tick: int, chunk: int, tick_hz: float) -> None:
        """Takes in the newest `chunk` that a game executed in the tick before `tick`, 0 if all its NPCs braked.

        After a pause of the game nothing is learned: it did not look for the answers that came meanwhile.
        """
        answers, due = self._sent.get(session, deque()), None
        heard, self._heard[session] = self._heard.get(session, tick), tick
        if tick - heard > MOST_TICKS:
            answers.clear()
        while answers and answers[0].apply_tick < tick:
            due = answers.popleft()
        if due is None:
            return
        slack, late = self._slack_ms(tick_hz), chunk < due.chunk
        if late and due.spare_ms > -LEAST_MS:
            return  # it was there in time: something else kept it from being executed
        slack = slack - SHARE * STEP_MS if late and -due.spare_ms < slack else slack + (1 - SHARE) * STEP_MS
        self._slack = min(max(slack, LEAST_MS), 900.0 / tick_hz)

    def forget(self, session: int) -> None:
        """Drops what it knows of a game that has left."""
        self._sent.pop(session, None)
        self._heard.pop(session, None)

    def ticks(self, tick_hz: float, age_ms: float = 0.0) -> int:
        """Returns the lead for the next answer, to a snapshot that arrived `age_ms` ago.

        Once it knows how long answers take, what is too old is passed over (`fresh`). Before, an old one is answered
        further ahead: up to a tick old it is in any case, as a game sends one per tick.
        """
        if self._fixed:
            return self._fixed
        least = START_TICKS if len(self._works) < FEW else 1
        if not self._works:
            return min(MOST_TICKS, least + round(age_ms * tick_hz / 1000.0))
        return max(least, min(MOST_TICKS, math.ceil((self._worst() - self._slack_ms(tick_hz)) * tick_hz / 1000.0)))

    def fresh(self, age_ms: float, tick_hz: float) -> bool:
        """Says whether an answer to a snapshot that arrived `age_ms` ago can still come in time, or none ever could."""
        if not self._works:
            return True
        room = self.ticks(tick_hz) * 1000.0 / tick_hz + self._slack_ms(tick_hz) - self._worst()
        return room <= 0.0 or age_ms <= max(room, QUEUE_MS)

    def _worst(self) -> float:
        return sorted(self._works)[int(SHARE * (len(self._works) - 1))]

    def _slack_ms(self, tick_hz: float) -> float:
        return 500.0 / tick_hz if self._slack is None else self._slack
