"""Watches for memory that a peer takes without ever finishing a message: ZeroMQ keeps its parts without bound."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

ALLOWED_BYTES = 256 << 20
SETTLE_US = 1_000_000


def resident_bytes(pid: int | str = "self") -> int:
    """Returns the memory that a process holds, 0 where the system does not tell (it does on Linux)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def give_back() -> None:
    """Returns freed memory to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class MemoryWatch:
    """Tells when a process has grown by more than is allowed since it was last in order.

    Args:
        allowed_bytes: of growth. A brain that takes up more by itself, say with another model, gives one false alarm
            per so many bytes: a moment without answers.
        resident: measures.
    """

    def __init__(self, allowed_bytes: int = ALLOWED_BYTES, resident: Callable[[], int] = resident_bytes) -> None:
        self._allowed = allowed_bytes
        self._resident = resident
        self._least = resident()
        self._settled_us = 0

    def alarmed(self, now_us: int) -> bool:
        """Measures, and says whether something has to be done."""
        if now_us < self._settled_us:
            give_back()
        held = self._resident() or self._least  # what cannot be measured has not changed
        self._least = min(self._least, held)
        return now_us >= self._settled_us and held - self._least > self._allowed

    def settle(self, now_us: int) -> None:
        """Takes the least that will be held in the next second as in order: what was cut is freed by and by."""
        self._settled_us = now_us + SETTLE_US
        self._least = self._resident()
