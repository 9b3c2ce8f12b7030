"""Plays a demo in real time without a window, for tests that look at what it does."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from npc_sdk.demo.brain import Brain, free_endpoints, serve_command
from npc_sdk.demo.play import Cast
from npc_sdk.demo.scene import CALLBACK, TAIL
from npc_sdk.demo.show import Show

PATIENCE_S = 60.0  # how long a busy machine may take for what should be at once


class Player:
    """One show and its loop.

    Args:
        staged: nobody dies, so that no fight is over before what is waited for.
    """

    def __init__(self, *, staged: bool = False) -> None:
        self.endpoints = endpoints = free_endpoints()
        self.brain = Brain(serve_command(endpoints, "constant-velocity", 1, "cpu"))
        self.brain.start()
        self.brain.wait_ready(PATIENCE_S)
        self.show = Show(self.brain, endpoints, Cast(4, 1, scripted=True, staged=staged), patience_s=PATIENCE_S)
        self.ticks = 0

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        due = time.monotonic()
        while not holds():
            assert time.monotonic() < end, "did not happen in time"
            self.ticks += self.show.advance(None)
            due = max(due + 1 / 30, time.monotonic() - 1 / 30)
            time.sleep(max(0.0, due - time.monotonic()))

    def rungs(self) -> np.ndarray:
        """The rungs of the living NPCs in the last tick; nothing before the first."""
        match = self.show.match
        return match.log[-1].rung[match.log[-1].alive] if match.log else np.zeros(0, np.uint8)

    def planned(self) -> bool:
        rungs = self.rungs()
        return len(rungs) > 0 and bool((rungs <= TAIL).all())

    def on_their_own(self) -> bool:
        rungs = self.rungs()
        return len(rungs) > 0 and bool((rungs == CALLBACK).all())
