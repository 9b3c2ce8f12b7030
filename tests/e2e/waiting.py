"""Waiting for what real sockets take their time for: by asking again, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 10.0


def until(what: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Repeats a poll until it holds, and fails after the deadline."""
    end = time.monotonic() + deadline_s
    while not what():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        time.sleep(0.002)
