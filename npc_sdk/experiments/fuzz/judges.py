"""Those who read frames off the wire, each with what it must never do: the server, the client, the designers' board."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Protocol

import numpy as np

from npc_bridge.border import Border
from npc_bridge.conformance import sample_action, sample_schema, sample_snapshot
from npc_bridge.delta import CAPABILITY
from npc_bridge.errors import ErrorCode, RemoteProtocolError
from npc_bridge.frames import HEADER, HEADER_BYTES, Kind, read_header
from npc_bridge.ladder import Ladder
from npc_bridge.limits import Limits
from npc_bridge.messages import Action, Control, EntityBlock, ErrorReport, SchemaChange, Snapshot, decode, encode
from npc_bridge.packing import Value
from npc_bridge.session import Acted, ClientSession, Greeting, Offer, Phase, ServerSession, SnapshotArrived, Welcomed
from npc_sdk.designer.answer import answer
from npc_sdk.designer.board import Board

SCHEMA = sample_schema()
ACCEPTED = "accepted"
LADDER_EVERY = 8  # actions that are taken, one of which is executed
ACTION_EVERY = 64  # snapshots, one of which is answered


PATIENT = Limits(bad_messages=100)  # so that a session lives for a while


class Unsafe(Exception):
    """Something was let through that must not be."""


class Judge(Protocol):
    """Reads frames. `take` raises nothing, whatever it reads; an Unsafe, too, is a find."""

    def seeds(self) -> list[bytes]:
        """Returns good frames to break."""

    def addressed(self, frame: bytes) -> bytes:
        """Returns a frame as it would have to be now: of this session, later than the last."""

    def take(self, frame: bytes) -> str:
        """Reads a frame; returns what it made of it: ACCEPTED, or a code and the shape of a refusal."""


class Server:
    """The brain's end of a session, reopened whenever it closes."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._now_us = 0
        self._tick = 0
        self._hello = _game().connected(0)
        self._answer = replace(sample_action(), source_tick=0, apply_tick=1, valid_until_tick=6)
        self._open()

    def seeds(self) -> list[bytes]:
        """Returns what games send: all kinds, deltas included."""
        game, brain = _game(), ServerSession(lambda: 1, Offer(), lambda schema: ())
        frames = [game.connected(0)]
        game.receive(brain.receive(frames[0], 0).replies[0], 0)
        for tick in range(1, 5):
            data = game.snapshot(tick, 0, _moved(tick), sample_snapshot().executing)
            assert data is not None
            frames.append(data)
            brain.receive(data, 0)
            game.receive(
                brain.action(
                    replace(self._answer, source_tick=tick, apply_tick=tick + 1, valid_until_tick=tick + 6), 0
                ),
                0,
            )
        whole = replace(sample_snapshot(), session=1, tick=9)
        return [*frames, encode(whole, SCHEMA), encode(SchemaChange(1, SCHEMA))]

    def addressed(self, frame: bytes) -> bytes:
        """Returns it for the open session, at the next tick."""
        return _addressed(frame, self._session.number, self._tick + 1)

    def take(self, frame: bytes) -> str:
        """Reads a frame as the server's I/O thread does."""
        self._now_us += 10_000  # a game may send 240 snapshots a second
        received = self._session.receive(frame, self._now_us)
        for event in received.events:
            if isinstance(event, SnapshotArrived):
                _check_snapshot(event.snapshot)
                self._tick = event.snapshot.tick if event.snapshot.tick < 1 << 40 else self._reopened()
        if self._session.phase is Phase.LIVE and self._tick % ACTION_EVERY == 0:
            self._session.action(self._answer, self._now_us)
        shape = ACCEPTED
        for reply in received.replies:
            said = decode(reply)
            if isinstance(said, ErrorReport):
                shape = _shape(said.code, said.text)
        if self._session.phase is not Phase.LIVE:
            self._open()
        return shape

    def _reopened(self) -> int:
        self._open()
        return 0

    def _open(self) -> None:
        self._session = ServerSession(lambda: next(self._numbers), Offer(), lambda schema: ())
        self._session.receive(
            ClientSession(SCHEMA, Greeting("fuzz", "game", capabilities=(CAPABILITY,)), 1).connected(0), 0
        )
        self._tick = 0


class Game:
    """The game's end of a session, with the ladder behind it; connects again whenever it is refused."""

    def __init__(self) -> None:
        self._tick = 0
        self._taken = 0
        self._border = Border(SCHEMA)
        self._open()

    def seeds(self) -> list[bytes]:
        """Returns what brains send."""
        error = ErrorReport(1, ErrorCode.VALUE, False, "field", "mend it")
        actions = [encode(replace(sample_action(n, m), session=1), SCHEMA) for n, m in ((1, 1), (3, 6), (24, 12))]
        return [self._welcome, *actions, encode(error), encode(replace(error, fatal=True, code=ErrorCode.BUSY))]

    def addressed(self, frame: bytes) -> bytes:
        """Returns it for the open session."""
        return _addressed(frame, 1, None)

    def take(self, frame: bytes) -> str:
        """Reads a frame as the client does, and executes what it lets through."""
        try:
            event = self._session.receive(frame, 0)
        except RemoteProtocolError as error:
            return _shape(error.code, str(error))
        if isinstance(event, Welcomed):
            self._ladder.start(event.welcome.session, event.welcome.fresh_steps, event.welcome.velocity_tolerance)
        elif isinstance(event, Acted):
            self._taken += 1
            if self._ladder.accept(event.action) and self._taken % LADDER_EVERY == 0:
                self._execute(event.action)
        if self._session.phase is not Phase.LIVE:
            self._open()
        return f"{ACCEPTED} {type(event).__name__}"

    def _execute(self, action: Action) -> None:
        """Runs the last hop where the action would have NPCs be."""
        tick = min(action.apply_tick, 1 << 61)
        result = self._ladder.step(tick, action.ids, action.expected[:, 0])
        low = np.array([channel.low for channel in SCHEMA.channels], np.float32)
        high = np.array([channel.high for channel in SCHEMA.channels], np.float32)
        if not np.isfinite(result.commands).all():
            raise Unsafe(f"commands that are not finite: {result.commands[~np.isfinite(result.commands)][:3]}")
        planned = result.commands[result.rung < 2]  # brakes go on in the direction that the game told
        if not ((planned >= low) & (planned <= high)).all():
            raise Unsafe("commands out of their range")

    def _open(self) -> None:
        self._session = _game()
        brain = ServerSession(lambda: 1, Offer(barks=("hey",)), lambda schema: ())
        self._welcome = brain.receive(self._session.connected(0), 0).replies[0]
        self._session.receive(self._welcome, 0)
        self._ladder = Ladder(SCHEMA)
        self._ladder.start(1)


class Panel:
    """The control channel, and the board that requests turn."""

    def __init__(self) -> None:
        self._board = Board(forecasts=("plain", "other"))
        self._requests = 0

    def seeds(self) -> list[bytes]:
        """Returns what designers ask for."""
        return [encode(Control(k, verb, arguments)) for k, (verb, arguments) in enumerate(_requests())]

    def addressed(self, frame: bytes) -> bytes:
        """Returns it as it is: a control channel has no session."""
        return frame

    def take(self, frame: bytes) -> str:
        """Reads a frame as the server does and carries it out as the brain does."""
        self._requests += 1
        if self._requests % 5_000 == 0:  # or what was added would make every request slower than the last
            self._board = Board(forecasts=("plain", "other"))
        try:
            if read_header(frame).kind is not Kind.CONTROL:
                return "no request"
            control = decode(frame)
        except RemoteProtocolError as error:
            return _shape(error.code, str(error))
        assert isinstance(control, Control)  # by its kind
        ack = answer(self._board, control)
        encode(ack)
        return _shape(ErrorCode(ack.code), ack.text) if ack.code else ACCEPTED


JUDGES: Mapping[str, type[Server] | type[Game] | type[Panel]] = {"server": Server, "game": Game, "panel": Panel}


def _game() -> ClientSession:
    return ClientSession(SCHEMA, Greeting("fuzz", "game", capabilities=(CAPABILITY,)), 1)


def _requests() -> Iterator[tuple[str, dict[str, Value]]]:
    yield "set_weight", {"scope": "global", "term": "effort", "value": 0.5}
    yield (
        "set_weights",
        {"changes": [{"scope": "npc:7", "term": "effort", "value": 1.0}, {"term": "engage", "value": 2}]},
    )
    yield "unset_weight", {"scope": "npc:7"}
    yield "add_term", {"name": "shy", "expression": "max(0, 1 - player.distance / 6)", "weight": 2.0}
    yield "remove_term", {"name": "shy"}
    yield "set_mode", {"mode": "hold_fire", "on": True}
    yield "set_forecast", {"name": "other"}
    yield "add_rule", {"rule": {"rule": "keep_away", "name": "berth", "distance": 1.0, "top_speed": 3.0}}
    yield "add_rules", {"rules": [{"rule": "leash", "name": "near", "radius": 9.0}]}
    yield "remove_rule", {"name": "berth"}
    yield "undo", {}
    yield "redo", {}
    yield "inspect", {"npcs": [{"id": 7, "squad": 0}]}
    yield "no_such_verb", {"x": [1, {"y": None}]}


def _moved(tick: int) -> dict[str, EntityBlock]:
    blocks = {}
    for name, block in sample_snapshot().blocks.items():
        blocks[name] = replace(block, values=block.values + np.float32(0.01 * tick))
    return blocks


def _addressed(frame: bytes, session: int, tick: int | None) -> bytes:
    """Puts session and tick where they belong."""
    if len(frame) < HEADER_BYTES:
        return frame
    magic, major, kind, flags, _, schema_id, old, *rest = HEADER.unpack_from(frame)
    moved = old if tick is None or kind != Kind.SNAPSHOT else tick
    return HEADER.pack(magic, major, kind, flags, session, schema_id, moved, *rest) + frame[HEADER_BYTES:]


def _check_snapshot(snapshot: Snapshot) -> None:
    seen: set[int] = set()
    for entity in SCHEMA.entities:
        block = snapshot.blocks.get(entity.name)
        if block is None:
            continue
        for column, f in enumerate(entity.fields):
            values = block.values[:, column]
            if not ((values >= f.low - 1e-6) & (values <= f.high + 1e-6)).all():
                raise Unsafe(f"field '{f.name}' of a snapshot that was let in: {values}")
        ids = block.ids.tolist()
        if 0 in ids or len({*ids} | seen) != len(ids) + len(seen):
            raise Unsafe(f"ids of a snapshot that was let in: {ids}")
        seen.update(ids)


def _shape(code: ErrorCode, text: str) -> str:
    """Returns a code and its text without what differs from case to case."""
    return f"{code.name} {re.sub(r'[^a-zA-Z ]+', '#', text)[:48]}"
