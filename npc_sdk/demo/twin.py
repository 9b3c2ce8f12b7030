"""The control: the same match with the painted zone as a soft wish, played by a process of its own beside the real one.

It is honest play: the same arena, player, planner, model and weights, in lock-step and without the shield's rule about
that zone. The game's thread only looks at what has come; it never waits for the twin, and the twin runs a second
ahead at most.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from npc_sdk.demo.paint import Corners
from npc_sdk.demo.settings import Request
from npc_sdk.envs.arena import Arena, ScriptedPlayers

DECIDE_TICKS = 3  # as often as in the real match
_AHEAD_TICKS = 30
_POLL_S = 0.01
_NICE = 10  # it gives way to the game and its brain


@dataclass(frozen=True, slots=True)
class Start:
    """Where a twin begins, and under which settings."""

    arena: Arena
    player: ScriptedPlayers | None  # None: it repeats what the human does
    zones: tuple[Corners, ...]
    settings: tuple[Request, ...]  # house rules, personas, weights, added terms, forecast; not the painted rules
    model: str  # that the brain was started with, as `npc-sdk serve --model` has it
    seed: int


@dataclass(frozen=True, slots=True)
class TwinView:
    """The twin after one tick."""

    places: NDArray[np.float32]  # a 2, m, the player first
    alive: NDArray[np.bool_]  # a
    broken: int  # NPC-ticks inside a zone so far, by NPCs that have been outside


@dataclass(frozen=True, slots=True)
class _Stop:
    """The match is over."""


@dataclass(frozen=True, slots=True)
class _Go:
    """The twin may play one more tick; `action` is the human's."""

    action: NDArray[np.float32] | None


class Twin:
    """One control match at a time. Used from the game's thread; the pipe belongs to a thread of its own."""

    def __init__(self) -> None:
        """Start the process, which loads its libraries meanwhile."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there,), daemon=True, name="twin")
        self._out: SimpleQueue[object] = SimpleQueue()
        self._in: deque[tuple[int, TwinView]] = deque()
        self._said = threading.Event()
        self._thread = threading.Thread(target=self._relay, args=(here, there), daemon=True, name="twin")
        self._thread.start()
        self._number = 0  # of the match
        self.begun = False  # ever
        self._counted = 0  # in matches before this one
        self.view: TwinView | None = None  # at the tick of the real match, or as far as it has come
        self._credit = 0  # ticks of the real match that the twin has not shown yet

    @property
    def alive(self) -> bool:
        """Whether its process can still be talked to."""
        return self._thread.is_alive()

    def begin(self, start: Start) -> None:
        """Play from here."""
        self.end()
        self.begun = True
        self._number += 1
        self._out.put(start)
        for _ in range(_AHEAD_TICKS if start.player is not None else 0):
            self._out.put(_Go(None))

    def end(self) -> None:
        """Play no further; what was counted stays."""
        self._out.put(_Stop())
        self._counted, self.view, self._credit = self.broken, None, 0
        self._number += 1

    @property
    def broken(self) -> int:
        """NPC-ticks inside a zone, over all matches so far."""
        return self._counted + (0 if self.view is None else self.view.broken)

    def tell(self, requests: list[Request]) -> None:
        """Turn the twin's board as the real one is turned."""
        self._out.put(tuple(requests))

    def tick(self, action: NDArray[np.floating] | None) -> None:
        """The real match has gone on by one tick: the twin may, too."""
        self._out.put(_Go(None if action is None else np.asarray(action, np.float32)))
        self._credit += 1
        while self._credit and self._in:
            number, view = self._in.popleft()
            if number == self._number:  # else it is of a match that has ended
                self.view = view
                self._credit -= 1

    def close(self) -> None:
        """End it."""
        self._out.put(None)
        self._thread.join(5.0)

    def _relay(self, here: Connection, there: Connection) -> None:
        """Carry messages to and fro; starts and ends the process, too, for either may take its time."""
        self._process.start()
        there.close()
        try:
            while True:
                while not self._out.empty():
                    message = self._out.get()
                    here.send(message)
                    if message is None:
                        return
                while here.poll(_POLL_S):
                    self._in.append(here.recv())
        except (EOFError, OSError):
            return  # it has died; the picture stands still
        finally:
            here.close()
            self._process.join(2.0)
            if self._process.is_alive():
                self._process.kill()


# the other process


def _work(pipe: Connection) -> None:
    """Wait for a start, play, answer; until told to end."""
    from npc_sdk.demo.control import Control, warm  # torch: the game's process does without

    if hasattr(os, "nice"):
        os.nice(_NICE)
    warm()
    control: Control | None = None
    number = 0
    try:
        while (message := pipe.recv()) is not None:
            if isinstance(message, (Start, _Stop)):
                control = Control(message) if isinstance(message, Start) else None
                number += 1
            elif control is not None and isinstance(message, tuple):
                control.turn(message)
            elif control is not None and isinstance(message, _Go):
                for view in control.go(message.action):
                    pipe.send((number, view))
    except (EOFError, OSError, KeyboardInterrupt):
        return
