"""How far ahead an answer must aim: as few ticks as the brain has lately needed, so that it is there in time."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 45  # answers that are looked back on: 1.5 s at 30 per second
SHARE = 0.95  # of them that should have been in time
TRANSPORT_MS = 4.0  # from the socket to the game's next look at it
MOST_TICKS = 4  # beyond it a chunk that ends in time (`RuntimeConfig.ahead_ticks`) would not reach to the next


class Pace:
    """Learns the lead from measured latencies.

    Args:
        fixed: this many ticks, whatever is measured; 0 to adapt.
    """

    def __init__(self, fixed: int = 0) -> None:
        self._fixed = fixed
        self._latencies: deque[float] = deque(maxlen=WINDOW)

    def note(self, latency_ms: float) -> None:
        """Remembers how long one answer took, from the snapshot's arrival to its sending."""
        self._latencies.append(latency_ms)

    def ticks(self, tick_hz: float) -> int:
        """Returns the lead for the next answer."""
        if self._fixed:
            return self._fixed
        if not self._latencies:
            return 2
        worst = sorted(self._latencies)[math.ceil(SHARE * len(self._latencies)) - 1]
        return max(1, min(MOST_TICKS, math.ceil((worst + TRANSPORT_MS) * tick_hz / 1000.0)))
