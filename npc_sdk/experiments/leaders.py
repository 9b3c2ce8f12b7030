"""Who leads the NPCs of somebody else's world: a script alone, or a brain at the other end of the wire."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from npc_bridge.client import Client
from npc_bridge.ladder import Fallback, LadderResult
from npc_bridge.messages import RUNG_CALLBACK, RUNG_NONE, Executing, Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_sdk.envs.pettingzoo import BorrowedGame
from npc_sdk.envs.pettingzoo.scripts import Script

SUFFIX = ".npcrec"
GREETING_S = 2.0  # to wait for a session before an episode begins
PATIENCE_S = 1.0  # for an answer, where the world goes at the brain's pace
_LOOK_S = 5e-4  # between looks for an answer


class Leader(Protocol):
    """Who leads the NPCs of one episode."""

    def lead(self, tick: int) -> LadderResult:
        """Says what each NPC does in this tick."""

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Sees the world as a tick begins; `astray` were moved otherwise than told in the tick before."""

    def close(self) -> None:
        """The episode is over."""


class Alone:
    """A script, without a brain. What it would have shown to one is recorded.

    Args:
        game: after its reset.
        script: of the NPCs.
        record: file to write, None for none.
    """

    def __init__(self, game: BorrowedGame, script: Script, record: Path | None = None) -> None:
        self._game = game
        self._script = script
        self._recorder = None if record is None else Recorder(record, game.schema)
        self._sequence = 0

    def lead(self, tick: int) -> LadderResult:
        """Says what the script makes of it."""
        rung = np.where(self._game.alive, RUNG_CALLBACK, RUNG_NONE).astype(np.uint8)
        nothing = np.zeros(len(rung), np.uint32)
        return LadderResult(self._script().astype(np.float32), rung, nothing, nothing.astype(np.uint16))

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Writes the snapshot that would have been sent."""
        if self._recorder is None:
            return
        schema, time_us = self._game.schema, round(tick * 1e6 / self._game.schema.tick_hz)
        snapshot = Snapshot(1, schema.schema_id, tick, time_us, self._sequence, self._game.blocks())
        self._recorder.write(time_us, Direction.UP, ChannelId.DATA, encode(snapshot, schema))
        self._sequence += 1

    def close(self) -> None:
        """Closes the recording."""
        if self._recorder is not None:
            self._recorder.close()


class Led:
    """A brain at the other end of the wire, and a script for NPCs that it has no plan for.

    Waits for each answer: the world stands still meanwhile.

    Args:
        game: after its reset.
        endpoint: of the brain's data channel.
        script: of NPCs without a plan; without it they brake.
        record: file to write, None for none.
        fast: goes at the brain's pace: on as soon as the answer is there, and not before. Else a tick takes a tick.
    """

    def __init__(
        self,
        game: BorrowedGame,
        endpoint: str,
        script: Script | None = None,
        record: Path | None = None,
        *,
        fast: bool = False,
    ) -> None:
        self._game = game
        self._fast = fast
        self._recorder = None if record is None else Recorder(record, game.schema)
        fallback = None if script is None else self._of(script)
        self.client = Client(endpoint, game.schema, fallback=fallback, recorder=self._recorder)
        self._due_s = time.monotonic()

    def _of(self, script: Script) -> Fallback:
        def fallback(tick: int, ids: NDArray[np.uint32], pose: NDArray[np.float32]) -> NDArray[np.float32]:
            return script()[np.isin(self._game.ids, ids)].astype(np.float32)

        return fallback

    def lead(self, tick: int) -> LadderResult:
        """Takes the last hop."""
        return self.client.step(tick, self._game.ids, self._game.pose, self._game.alive)

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Sends a snapshot and waits for the answer. Before the first it waits for the session."""
        if tick == 0:
            self._greet()
        self._due_s += self._game.schema.dt
        deadline_s = time.monotonic() + PATIENCE_S if self._fast else self._due_s
        if self.client.push(tick, self._game.blocks(), executed(self.client.ladder.executing, self._game.ids[astray])):
            while not any(action.source_tick >= tick for action in self.client.poll()):
                if time.monotonic() >= deadline_s:
                    break
                time.sleep(_LOOK_S)
        else:
            self.client.poll()
        if self._fast:
            self._due_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - time.monotonic()))

    def _greet(self) -> None:
        deadline = time.monotonic() + GREETING_S
        while not self.client.session and time.monotonic() < deadline:
            self.client.poll()
            time.sleep(_LOOK_S)
        self._due_s = time.monotonic()

    def close(self) -> None:
        """Leaves the brain, and closes the recording."""
        self.client.close()
        if self._recorder is not None:
            self._recorder.close()


def executed(ran: Executing, astray: NDArray[np.uint32]) -> Executing:
    """Says what NPCs did: those whom the world moved otherwise than told were in the game's hands, on its callback."""
    theirs = np.isin(ran.ids, astray)
    return Executing(
        ran.ids,
        np.where(theirs, 0, ran.chunk).astype(np.uint32),
        np.where(theirs, 0, ran.step).astype(np.uint16),
        np.where(theirs, RUNG_CALLBACK, ran.rung).astype(np.uint8),
    )
