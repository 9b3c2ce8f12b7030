"""A recorded game in the place of a server: what was overtaken, lost or gone on with is so again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from npc_bridge.conformance import sample_action, sample_schema, sample_snapshot
from npc_bridge.messages import Action, Hello, encode
from npc_bridge.recording import ChannelId, Direction, Recorder, read
from npc_bridge.session import (
    ClientSession,
    GameJoined,
    GameLeft,
    Greeting,
    Offer,
    ServerSession,
    SessionEvent,
    SnapshotArrived,
)
from npc_sdk.errors import InputError
from npc_sdk.experiments.replay import differing
from npc_sdk.experiments.tape import Tape, Told, heard

SCHEMA, BLOCKS = sample_schema(), sample_snapshot().blocks
EXECUTING = sample_snapshot().executing


class Line:
    """A game and a brain in step, recorded at the game's end."""

    def __init__(self, path: Path) -> None:
        numbers = count(100)
        self.game = ClientSession(SCHEMA, Greeting("test", "game"), 7)
        self.brain = ServerSession(lambda: next(numbers), Offer(), lambda schema: ())
        self.recorder = Recorder(path, SCHEMA)
        self.now_us = 0

    def connect(self, *, heard: bool = True) -> None:
        hello = self.game.connected(self.now_us)
        self.up(hello)
        if heard:
            for reply in self.brain.receive(hello, self.now_us).replies:
                self.down(reply)

    def snapshot(self, tick: int, *, answered: bool = True, arrives: bool = True, lead: int = 2) -> None:
        data = self.game.snapshot(tick, 0, BLOCKS, EXECUTING)
        assert data is not None
        self.up(data)
        self.brain.receive(data, self.now_us)
        if answered:
            action = self.brain.action(answer(tick, lead), self.now_us)
            if arrives:
                self.down(action)

    def up(self, data: bytes) -> None:
        self.now_us += 33_000
        self.recorder.write(self.now_us, Direction.UP, ChannelId.DATA, data)

    def down(self, data: bytes) -> None:
        self.game.receive(data, self.now_us)
        self.recorder.write(self.now_us, Direction.DOWN, ChannelId.DATA, data)


def answer(tick: int, lead: int = 2) -> Action:
    return replace(sample_action(apply_tick=tick + lead), source_tick=tick, chunk=tick)


def turns(tape: Tape) -> list[tuple[list[type[SessionEvent]], int]]:
    """Plays a tape; returns what came in every turn, and how far ahead its answer is to aim."""
    found = []
    while not tape.over:
        events: Sequence[SessionEvent] = tape.poll(50.0)
        found.append(([type(event) for event in events], Told(tape).ticks(30.0)))
        for event in events:
            if isinstance(event, SnapshotArrived):
                tape.send(event.session, answer(event.snapshot.tick, tape.lead_ticks))
    return found


def test_what_was_overtaken_is_not_asked_for_and_every_answer_aims_as_far_as_then(tmp_path: Path) -> None:
    line = Line(tmp_path / "a.npcrec")
    line.connect()
    line.snapshot(1, lead=3)
    line.snapshot(2, answered=False)
    line.snapshot(3, lead=1)
    line.recorder.close()
    recording = read(tmp_path / "a.npcrec")
    then = heard(recording)
    tape = Tape(recording, then)
    assert tape.poll(0.0) == [], "a brain that looks again at once overtakes nothing"
    assert turns(tape) == [([GameJoined, SnapshotArrived], 3), ([SnapshotArrived], 1), ([], 1)]
    assert tape.unanswered == 1
    assert then.lost == 0
    assert then.answers.keys() == tape.answers.keys() == {(100, 1), (100, 3)}
    assert differing(then.answers, tape.answers) == []


def test_a_session_that_was_gone_on_with_is_gone_on_with_again(tmp_path: Path) -> None:
    line = Line(tmp_path / "a.npcrec")
    line.connect()
    line.snapshot(1)
    line.game.lost()
    line.connect(heard=False)  # a try that came to nothing
    line.game.lost()
    line.connect()
    line.snapshot(2, arrives=False)
    line.snapshot(3)
    line.game.restart(None, line.now_us)
    line.connect()
    line.snapshot(1)
    line.recorder.close()
    recording = read(tmp_path / "a.npcrec")
    then = heard(recording)
    tape = Tape(recording, then)
    kinds = [kinds for kinds, _ in turns(tape)]
    assert kinds == [[GameJoined, SnapshotArrived], [SnapshotArrived], [GameLeft, GameJoined, SnapshotArrived], []]
    assert tape.answers.keys() == {(100, 1), (100, 3), (101, 1)}
    assert then.lost == 1


def test_a_session_after_a_goodbye_is_a_new_one(tmp_path: Path) -> None:
    line = Line(tmp_path / "a.npcrec")
    line.connect()
    line.snapshot(1)
    goodbye = line.game.bye()
    assert goodbye is not None
    line.up(goodbye)
    line.game = ClientSession(SCHEMA, Greeting("test", "game"), 90)
    line.brain = ServerSession(lambda: 101, Offer(), lambda schema: ())
    line.connect()
    line.snapshot(1)
    line.recorder.close()
    recording = read(tmp_path / "a.npcrec")
    tape = Tape(recording, heard(recording))
    kinds = [kinds for kinds, _ in turns(tape)]
    assert kinds == [[GameJoined, SnapshotArrived], [GameLeft, GameJoined, SnapshotArrived], []]
    assert tape.answers.keys() == {(100, 1), (101, 1)}


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("chunk", 9, "chunk: recorded 1, replayed 9"),
        ("brake", np.array([16, 15, 16], np.float32), "brake[1]: recorded 16.0, replayed 15.0"),
        ("ids", np.array([101], np.uint32), "ids: recorded shape (3,), replayed shape (1,)"),
        ("steps", -np.zeros((3, 6, 4), np.float32), "steps[0, 0, 0]: recorded 0.0, replayed -0.0"),
    ],
)
def test_the_first_difference_is_told_by_field_and_index(field: str, change: object, said: str) -> None:
    one = answer(1)
    other = replace(one, **{field: change}, received_us=5, planned_us=6, sent_us=7)  # type: ignore[arg-type]
    (found,) = differing({(1, 1): one}, {(1, 1): other})
    assert str(found) == f"session {one.session}, answer to tick 1: {said}"
    clocks = replace(one, received_us=5, planned_us=6, sent_us=7)
    assert differing({(1, 1): one, (1, 2): one}, {(1, 1): clocks}) == []


def test_a_recording_without_answers_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.npcrec", SCHEMA) as recorder:
        recorder.write(1, Direction.UP, ChannelId.DATA, encode(Hello((1,), "test", "game", SCHEMA)))
        recorder.write(2, Direction.DOWN, ChannelId.DATA, b"nonsense")
    with pytest.raises(InputError, match="expected a brain's answers"):
        heard(read(tmp_path / "a.npcrec"))
