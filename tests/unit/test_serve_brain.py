"""The brain's loop, between a server and a runtime that are stood in for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from npc_bridge.messages import Executing, Snapshot
from npc_bridge.session import SnapshotArrived
from npc_sdk.serve.brain import Brain, _Seat
from npc_sdk.serve.pace import WINDOW, Pace

HZ = 30.0


class Thinking:
    """A runtime that notes which ticks it was asked about."""

    def __init__(self) -> None:
        self.ticks: list[int] = []

    def tick(self, due: list[tuple[str, Snapshot]], *_: Any) -> list[Any]:
        self.ticks += [snapshot.tick for _, snapshot in due]
        return []


def arrived(tick: int, age_ms: float, session: int = 7) -> SnapshotArrived:
    received_us = time.monotonic_ns() // 1000 - round(age_ms * 1e3)
    ran = Executing(*(np.zeros(1, t) for t in (np.uint32, np.uint32, np.uint8, np.uint8)))
    return SnapshotArrived(session, Snapshot(session, 1, tick, 0, tick, {}, ran), received_us)


def a_brain(events: list[list[SnapshotArrived]]) -> tuple[Brain, Thinking]:
    pace = Pace()
    for tick in range(WINDOW):
        pace.note(7, tick + 1, tick + 1, 1, 40.0, work_ms=40.0, tick_hz=HZ)
    pace.forget(7)
    runtime, server = Thinking(), SimpleNamespace(poll=lambda _: events.pop(0))
    board: Any = SimpleNamespace(refresh=list)
    brain = Brain(server, runtime, board, "", 100.0, pace)  # type: ignore[arg-type]
    for session in (7, 8):
        brain._seats[session] = _Seat("game", SimpleNamespace(tick_hz=HZ), SimpleNamespace())  # type: ignore[arg-type]
    return brain, runtime


def test_a_snapshot_that_has_waited_too_long_is_passed_over_but_not_two_in_a_row() -> None:
    brain, runtime = a_brain([[arrived(1, 1.0)], [arrived(2, 25.0)], [arrived(3, 25.0)], [arrived(4, 25.0)]])
    for _ in range(4):
        brain.step()
    assert runtime.ticks == [1, 3]


def test_one_game_is_not_passed_over_for_another() -> None:
    brain, runtime = a_brain([[arrived(1, 25.0)], [arrived(10, 25.0, 8)], [arrived(2, 25.0)], [arrived(11, 25.0, 8)]])
    for _ in range(4):
        brain.step()
    assert runtime.ticks == [2, 11]
