"""Holds a server to what PROTOCOL.md says a brain does: peers come, say something, and what comes back is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import zmq

from ..border import Border
from ..delta import CAPABILITY, diff, snapped
from ..endpoints import Context, client_options
from ..errors import ErrorCode, RemoteProtocolError
from ..frames import MAJOR, Kind, read_header
from ..limits import LIMITS
from ..messages import (
    Action,
    Bye,
    EntityBlock,
    ErrorReport,
    Hello,
    Message,
    SchemaChange,
    Snapshot,
    Welcome,
    decode,
    encode,
)
from ..schema import Schema
from .cases import invalid, sample_schema

WAIT_S = 3.0  # for an answer; a brain that plans may take a moment with its first
SESSION_AT = 8  # byte of the header


class Unlike(Exception):
    """A server did something else than it should."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server got right."""

    checks: int
    wrong: tuple[str, ...]  # a sentence for each check that it failed

    @property
    def passed(self) -> bool:
        """True where nothing is wrong."""
        return not self.wrong

    def told(self) -> list[str]:
        """Returns the lines to print."""
        return [
            *self.wrong,
            f"{self.checks} checks: {f'{len(self.wrong)} wrong' if self.wrong else 'all as it should'}",
        ]


class Peer:
    """A game by hand, on a connection of its own."""

    _nonces = count(1)

    def __init__(self, context: Context, endpoint: str, schema: Schema) -> None:
        self.schema = schema
        self.tick = 0
        self._socket = context.socket(zmq.DEALER)
        client_options(self._socket)
        self._socket.setsockopt(zmq.IMMEDIATE, 0)  # the first frame may wait for the connection
        self._socket.connect(endpoint)

    def close(self) -> None:
        """Leaves without a word."""
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        """Sends one message."""
        self._socket.send_multipart(frames)

    def receive(self) -> Message:
        """Returns what comes next.

        Raises:
            Unlike: nothing comes, or something that no client could read.
        """
        if not self._socket.poll(round(1e3 * WAIT_S)):
            raise Unlike(f"expected an answer within {WAIT_S:g} s, got none")
        try:
            return decode(self._socket.recv(), self.schema)
        except RemoteProtocolError as error:
            raise Unlike(f"expected a message that can be read, got: {error}") from None

    def hello(self, **changed: object) -> Hello:
        """Returns a HELLO of its own."""
        hello = Hello((MAJOR,), "conformance", "conformance", self.schema, next(self._nonces))
        return replace(hello, **changed)  # type: ignore[arg-type]  # each check passes what Hello takes

    def welcomed(self, hello: Hello) -> Welcome:
        """Says HELLO, and returns the WELCOME."""
        self.send(encode(hello))
        got = self.receive()
        if not isinstance(got, Welcome):
            raise Unlike(f"HELLO: expected WELCOME, got {_name(got)}")
        return got

    def refused(self, code: ErrorCode, fatal: bool, *frames: bytes) -> ErrorReport:
        """Sends something, and returns the ERROR, which must be this one."""
        self.send(*frames)
        got = self.receive()
        while isinstance(got, Action):  # of a snapshot before
            got = self.receive()
        if not isinstance(got, ErrorReport) or got.code is not code or got.fatal is not fatal:
            wanted = f"ERROR {code.name}{' fatal' if fatal else ' that is not fatal'}"
            raise Unlike(f"expected {wanted}, got {_name(got)}")
        if not got.text or not got.remedy:
            raise Unlike(f"ERROR {code.name}: expected a text and a remedy, got {got.text!r} and {got.remedy!r}")
        return got

    def snapshot(self, session: int, tick: int | None = None) -> Snapshot:
        """Returns the state at the next tick: two of every entity, all fields at their defaults."""
        self.tick += 1
        blocks, first = {}, 1
        for entity in self.schema.entities:
            rows = min(2, entity.max_count)
            values = np.tile(np.array([f.default for f in entity.fields], np.float32), (rows, 1))
            blocks[entity.name] = EntityBlock(np.arange(first, first + rows, dtype=np.uint32), values)
            first += rows
        at = self.tick if tick is None else tick
        return Snapshot(session, self.schema.schema_id, at, 0, self.tick, blocks)

    def state(self, session: int, tick: int | None = None) -> bytes:
        """Returns the same as a frame."""
        return encode(self.snapshot(session, tick), self.schema)


def check_server(endpoint: str, schema: Schema | None = None) -> Served:
    """Holds a server to the protocol, as a game of a schema that it admits (the vectors' by default)."""
    context: Context = zmq.Context()
    game, wrong = schema or sample_schema(), []
    checks = [*CHECKS, *_refusals(game)]
    try:
        for name, check in checks:
            with _peers(context, endpoint, game) as make:
                try:
                    check(make)
                except Unlike as error:
                    wrong.append(f"{name}: {error}")
    finally:
        context.destroy(0)
    return Served(len(checks), tuple(wrong))


Make = Callable[[], Peer]
Check = Callable[[Make], None]


@contextmanager
def _peers(context: Context, endpoint: str, schema: Schema) -> Iterator[Make]:
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer(context, endpoint, schema))
        return made[-1]

    try:
        yield make
    finally:
        for peer in made:
            peer.close()


def _welcome_answers_hello(make: Make) -> None:
    peer = make()
    hello = peer.hello()
    welcome = peer.welcomed(hello)
    if welcome.nonce != hello.nonce or welcome.major != MAJOR or welcome.schema_sha256 != peer.schema.sha256:
        raise Unlike(f"WELCOME: expected nonce {hello.nonce}, major {MAJOR} and the schema's hash, got {welcome}")


def _a_hello_said_twice_makes_one_session(make: Make) -> None:
    peer = make()
    hello = peer.hello()
    first, second = peer.welcomed(hello), peer.welcomed(hello)
    if first != second:
        raise Unlike("expected the same WELCOME for the same HELLO, got another")


def _another_hello_makes_another_session(make: Make) -> None:
    peer = make()
    first, second = peer.welcomed(peer.hello()), peer.welcomed(peer.hello())
    if first.session == second.session:
        raise Unlike(f"expected a session besides {first.session}, got the same")


def _no_common_version_is_refused(make: Make) -> None:
    peer = make()
    peer.refused(ErrorCode.VERSION, True, encode(peer.hello(majors=(MAJOR + 1,))))


def _hello_comes_first(make: Make) -> None:
    peer = make()
    peer.refused(ErrorCode.SESSION, True, peer.state(5))


def _a_frame_of_another_session_is_refused(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.refused(ErrorCode.SESSION, True, peer.state(session ^ 1))


def _a_snapshot_is_answered(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.send(peer.state(session))
    got = peer.receive()
    if not isinstance(got, Action):
        raise Unlike(f"SNAPSHOT: expected ACTION, got {_name(got)}")
    if got.session != session or got.source_tick != peer.tick:
        raise Unlike(f"ACTION: expected session {session}, tick {peer.tick}, got {got.session}, {got.source_tick}")
    try:
        Border(peer.schema).check(got)
    except RemoteProtocolError as error:
        raise Unlike(f"ACTION: {error}") from None


def _a_tick_that_does_not_grow_is_stale(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.send(peer.state(session, 7))
    report = peer.refused(ErrorCode.STALE, False, peer.state(session, 7))
    if report.tick != 7:
        raise Unlike(f"ERROR STALE: expected tick 7, got {report.tick}")


def _several_frames_are_none(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.refused(ErrorCode.LENGTH, False, peer.state(session), b"more")


def _the_tenth_bad_message_ends_the_session(make: Make) -> None:
    peer = make()
    welcome = peer.welcomed(peer.hello())
    bad = peer.state(welcome.session) + b"left over"
    for _ in range(welcome.limits.bad_messages - 1):
        peer.refused(ErrorCode.LENGTH, False, bad)
    peer.refused(ErrorCode.LENGTH, True, bad)
    peer.refused(ErrorCode.SESSION, True, peer.state(welcome.session))


def _another_schema_keeps_the_session(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.schema = replace(peer.schema, barks=(*peer.schema.barks, "conformance"))
    peer.send(encode(SchemaChange(session, peer.schema)))
    got = peer.receive()
    if not isinstance(got, Welcome) or (got.session, got.schema_sha256) != (session, peer.schema.sha256):
        raise Unlike(f"SCHEMA: expected WELCOME of session {session} with the new hash, got {_name(got)}")


def _a_schema_nobody_registered_is_refused(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.schema = replace(peer.schema, barks=(*peer.schema.barks, "conformance"))
    peer.refused(ErrorCode.SCHEMA, False, peer.state(session))


def _a_session_goes_on_over_another_connection(make: Make) -> None:
    peer, again = make(), make()
    before = peer.welcomed(peer.hello())
    peer.send(peer.state(before.session, 7))
    peer.receive()
    if not before.resume:
        return  # it offers none
    after = again.welcomed(again.hello(resume=before.resume))
    if after.session != before.session:
        raise Unlike(f"resume: expected session {before.session}, got {after.session}")
    again.refused(ErrorCode.STALE, False, again.state(after.session, 7))


def _an_unknown_secret_opens_a_session(make: Make) -> None:
    first, other = make(), make()
    before, after = first.welcomed(first.hello()), other.welcomed(other.hello(resume="0" * 32))
    if after.session == before.session:
        raise Unlike("resume: expected another session for a secret that is none, got the same")


def _goodbye_ends_a_session(make: Make) -> None:
    peer = make()
    session = peer.welcomed(peer.hello()).session
    peer.send(encode(Bye(session)))
    peer.refused(ErrorCode.SESSION, True, peer.state(session))


def _a_delta_without_its_baseline_asks_for_a_keyframe(make: Make) -> None:
    peer = make()
    welcome = peer.welcomed(peer.hello(capabilities=(CAPABILITY,)))
    if CAPABILITY not in welcome.capabilities:
        return  # it reads none
    before, after = (snapped(peer.snapshot(welcome.session), peer.schema) for _ in range(2))
    peer.refused(ErrorCode.KEYFRAME, False, encode(diff(before, after), peer.schema))
    peer.send(encode(diff(None, after), peer.schema))
    got = peer.receive()
    if not isinstance(got, Action):
        raise Unlike(f"a delta that is a keyframe: expected ACTION, got {_name(got)}")


CHECKS: tuple[tuple[str, Check], ...] = tuple(
    (check.__name__.strip("_").replace("_", " "), check)
    for check in (
        *(_welcome_answers_hello, _a_hello_said_twice_makes_one_session, _another_hello_makes_another_session),
        *(_no_common_version_is_refused, _hello_comes_first, _a_frame_of_another_session_is_refused),
        *(_a_snapshot_is_answered, _a_tick_that_does_not_grow_is_stale, _several_frames_are_none),
        *(_the_tenth_bad_message_ends_the_session, _another_schema_keeps_the_session),
        *(_a_schema_nobody_registered_is_refused, _a_session_goes_on_over_another_connection),
        *(_an_unknown_secret_opens_a_session, _goodbye_ends_a_session),
        _a_delta_without_its_baseline_asks_for_a_keyframe,
    )
)


def _refusals(schema: Schema) -> Iterator[tuple[str, Check]]:
    """Yields a check for every invalid vector that a game could send; those of data need the vectors' own schema."""
    own = schema == sample_schema()
    for name, frame, code in invalid():
        if len(frame) > LIMITS.frame_bytes:
            continue  # ZeroMQ hangs up on it
        try:
            kind = read_header(frame).kind
        except RemoteProtocolError:
            yield f"refuses {name}", _refusal(frame, code)
            continue
        if kind is Kind.HELLO:
            yield f"refuses {name}", _refusal(frame, code)
        elif kind is Kind.SNAPSHOT and own:
            yield f"refuses {name}", _refusal_in_play(frame, code)


def _refusal(frame: bytes, code: ErrorCode) -> Check:
    def check(make: Make) -> None:
        make().refused(code, True, frame)

    return check


def _refusal_in_play(frame: bytes, code: ErrorCode) -> Check:
    def check(make: Make) -> None:
        peer = make()
        session = peer.welcomed(peer.hello(capabilities=(CAPABILITY,))).session
        own = frame[:SESSION_AT] + session.to_bytes(4, "little") + frame[SESSION_AT + 4 :]
        peer.refused(code, False, own)

    return check


def _name(message: Message) -> str:
    if isinstance(message, ErrorReport):
        return f"ERROR {message.code.name} ({'fatal' if message.fatal else 'not fatal'}: {message.text})"
    return type(message).__name__.upper()
