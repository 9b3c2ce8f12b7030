"""Both ends of a session without I/O: bytes and times go in, events and bytes come out.

What may happen when is in two tables, CLIENT_TABLE and SERVER_TABLE; everything else is a protocol error.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

from .border import Border
from .cells import Floats
from .codec import Codec, codec_of
from .delta import CAPABILITY, Baselines, diff, snapped
from .errors import ErrorCode, LocalProtocolError, MessageTooLarge, Refused, RemoteProtocolError, SchemaMismatch
from .faults import REMEDIES
from .frames import FLAG_KEYFRAME, MAJOR, Kind, read_header
from .limits import LIMITS, Limits
from .messages import (
    ERROR_TEXT_BYTES,
    Action,
    Bye,
    Delta,
    EntityBlock,
    ErrorReport,
    Executing,
    Hello,
    Message,
    SchemaChange,
    Snapshot,
    Stamp,
    Welcome,
    decode,
    encode,
    encode_stamped,
)
from .packing import clip_text
from .records import record
from .schema import Schema

HELLO_AGAIN_US = 250_000  # an unanswered HELLO is repeated
REFUSED_AGAIN_US = 1_000_000  # a refused client asks again: the brain may have been restarted with another model
FORGIVE_AFTER = 100  # good messages in a row that wipe out the bad ones before


class Phase(Enum):
    """Where a session stands, on either side."""

    IDLE = "idle"  # client: not connected; server: no HELLO yet
    GREETING = "greeting"  # client: HELLO sent
    LIVE = "live"
    REFUSED = "refused"  # client: fatal ERROR; asks again after a while
    CLOSED = "closed"  # server: over, for ever


# Asked for with every message: Python 3.11 takes as long to look a member up as to compare two blocks.
LIVE = Phase.LIVE


class Cue(Enum):
    """What moves a session on, besides messages."""

    CONNECTED = "connected"
    LOST = "lost"
    FATAL = "fatal"  # an ERROR with the fatal flag, in either direction


CLIENT_TABLE: Mapping[tuple[Phase, Kind | Cue], Phase] = {
    (Phase.IDLE, Cue.CONNECTED): Phase.GREETING,
    (Phase.IDLE, Cue.LOST): Phase.IDLE,
    (Phase.GREETING, Cue.CONNECTED): Phase.GREETING,
    (Phase.GREETING, Cue.LOST): Phase.IDLE,
    (Phase.GREETING, Cue.FATAL): Phase.REFUSED,
    (Phase.GREETING, Kind.WELCOME): Phase.LIVE,
    (Phase.GREETING, Kind.ERROR): Phase.GREETING,
    (Phase.LIVE, Cue.CONNECTED): Phase.GREETING,
    (Phase.LIVE, Cue.LOST): Phase.IDLE,
    (Phase.LIVE, Cue.FATAL): Phase.REFUSED,
    (Phase.LIVE, Kind.WELCOME): Phase.LIVE,
    (Phase.LIVE, Kind.ACTION): Phase.LIVE,
    (Phase.LIVE, Kind.ERROR): Phase.LIVE,
    (Phase.REFUSED, Cue.CONNECTED): Phase.GREETING,
    (Phase.REFUSED, Cue.LOST): Phase.IDLE,
    (Phase.REFUSED, Cue.FATAL): Phase.REFUSED,
    (Phase.REFUSED, Kind.ERROR): Phase.REFUSED,
}

SERVER_TABLE: Mapping[tuple[Phase, Kind | Cue], Phase] = {
    (Phase.IDLE, Kind.HELLO): Phase.LIVE,
    (Phase.IDLE, Cue.FATAL): Phase.CLOSED,
    (Phase.LIVE, Kind.HELLO): Phase.LIVE,
    (Phase.LIVE, Kind.SCHEMA): Phase.LIVE,
    (Phase.LIVE, Kind.SNAPSHOT): Phase.LIVE,
    (Phase.LIVE, Kind.BYE): Phase.CLOSED,
    (Phase.LIVE, Cue.LOST): Phase.CLOSED,
    (Phase.LIVE, Cue.FATAL): Phase.CLOSED,
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """A schema, its checks and its codec, replaced together."""

    schema: Schema
    border: Border
    codec: Codec

    @classmethod
    def of(cls, schema: Schema, limits: Limits) -> _Layout:
        return cls(schema, Border(schema), codec_of(schema, limits))


# the game's end


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The session is open, or its schema was replaced."""

    welcome: Welcome


@record
class Acted:
    """A checked action of this session came in."""

    action: Action


@dataclass(frozen=True, slots=True)
class Reported:
    """The server reports an error; if it was fatal the session is already over."""

    report: ErrorReport


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of another session, or one repeated."""

    kind: Kind


ClientEvent: TypeAlias = Welcomed | Acted | Reported | Ignored


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a client says of itself in HELLO."""

    client: str
    game: str
    majors: tuple[int, ...] = (MAJOR,)
    capabilities: tuple[str, ...] = ()


class ClientSession:
    """The game's end of a session.

    Args:
        schema: of the game.
        greeting: the rest of HELLO.
        nonce: random number of 32 bits; counted up per attempt.
    """

    def __init__(self, schema: Schema, greeting: Greeting, nonce: int, limits: Limits = LIMITS) -> None:
        self.phase = Phase.IDLE
        self.welcome: Welcome | None = None
        self._layout = _Layout.of(schema, limits)
        self._greeting = greeting
        self._nonce = nonce
        self._limits = limits
        self._sequence = 0
        self._hello_us: int | None = None
        self._sent: Baselines | None = None  # where deltas were agreed on
        self._answered = -1  # tick of the newest snapshot that the server is known to have
        self._told = -1  # of the newest that was told
        self._resume = ""  # goes on with the session that is, or was, open

    @property
    def schema(self) -> Schema:
        """The schema that frames are built from."""
        return self._layout.schema

    @property
    def session(self) -> int:
        """Number of the open session, 0 if there is none."""
        return self.welcome.session if self.welcome is not None and self.phase is LIVE else 0

    def connected(self, now_us: int) -> bytes:
        """Begins a handshake; returns the HELLO to send."""
        self._move(Cue.CONNECTED)
        self._nonce = (self._nonce + 1) & 0xFFFFFFFF
        self._hello_us = now_us
        return self._hello()

    def lost(self) -> None:
        """Notes that the connection is gone."""
        self._move(Cue.LOST)
        self._hello_us = None

    def restart(self, schema: Schema | None, now_us: int) -> bytes | None:
        """Leaves the session and asks for another, say after a level restart; returns HELLO unless unconnected."""
        self._resume = ""
        if schema is not None:
            self._layout = _Layout.of(schema, self._limits)
        return None if self.phase is Phase.IDLE else self.connected(now_us)

    def due(self, now_us: int) -> bytes | None:
        """Returns a HELLO if one has to be repeated now."""
        if self.phase is LIVE or self._hello_us is None:
            return None
        waited_us = now_us - self._hello_us
        if self.phase is Phase.REFUSED and waited_us >= REFUSED_AGAIN_US:
            return self.connected(now_us)
        if self.phase is Phase.GREETING and waited_us >= HELLO_AGAIN_US:
            self._hello_us = now_us
            return self._hello()
        return None

    def snapshot(
        self, tick: int, time_us: int, blocks: Mapping[str, EntityBlock], executing: Executing
    ) -> bytes | None:
        """Returns a SNAPSHOT to send, None without a session.

        Raises:
            LocalProtocolError: arrays that do not fit the schema.
        MessageTooLarge: a message beyond the server's limits.
        """
        if self.welcome is None or self.phase is not LIVE:
            return None
        session, most = self.welcome.session, self.welcome.limits.frame_bytes
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        data = None
        if self._sent is None:
            data = self._layout.codec.write_snapshot(session, tick, time_us, self._sequence, blocks, executing)
        if data is None:
            schema = self._layout.schema
            snapshot = Snapshot(
                session, schema.schema_id, tick, time_us, self._sequence, blocks, executing, FLAG_KEYFRAME
            )
            data = encode(snapshot if self._sent is None else self._delta(snapshot, self._sent), schema)
        if len(data) > most:
            raise MessageTooLarge(f"SNAPSHOT: expected at most {most} bytes, got {len(data)}")
        return data

    def _delta(self, snapshot: Snapshot, sent: Baselines) -> Delta:
        try:
            coded = snapped(snapshot, self._layout.schema)
        except (TypeError, AttributeError) as error:  # no arrays at all
            raise LocalProtocolError(f"SNAPSHOT: {error}") from None
        if snapshot.tick <= self._told:  # said again: which one the server keeps is not known
            sent.drop(snapshot.tick)
            return diff(None, coded)
        self._told = snapshot.tick
        baseline = sent.get(self._answered) if self._answered < snapshot.tick else None
        sent.keep(coded)
        return diff(baseline, coded)

    def bye(self) -> bytes | None:
        """Returns a BYE to send, None without a session."""
        return encode(Bye(self.session)) if self.session else None

    def receive(self, data: bytes, now_us: int) -> ClientEvent:
        """Takes one frame in.

        Raises:
            RemoteProtocolError: the server broke the protocol.
        """
        layout = self._layout
        if self.phase is LIVE and self.welcome is not None:  # where an action has its place
            action = layout.codec.read_action(data, self.welcome.session)
            if action is not None:
                return self._acted(action)
        header = read_header(data, self._limits)
        if header.kind is Kind.ACTION and header.session != self.session:
            return Ignored(Kind.ACTION)
        message = decode(data, layout.schema, self._limits, header)
        if isinstance(message, Welcome):
            return self._welcomed(message)
        if isinstance(message, ErrorReport):
            return self._reported(message, now_us)
        if isinstance(message, Action):
            self._move(Kind.ACTION)
            layout.border.check(message)
            return self._acted(message)
        raise RemoteProtocolError(ErrorCode.VALUE, f"client: expected WELCOME, ACTION or ERROR, got {header.kind.name}")

    def _acted(self, action: Action) -> ClientEvent:
        if self._sent is not None and self._sent.get(action.source_tick) is not None:
            self._answered = max(self._answered, action.source_tick)
        return Acted(action)

    def _welcomed(self, welcome: Welcome) -> ClientEvent:
        if self.phase is not Phase.GREETING and welcome.session != self.session:
            return Ignored(Kind.WELCOME)
        if self.phase is Phase.GREETING and welcome.nonce != self._nonce:
            return Ignored(Kind.WELCOME)
        if welcome.schema_sha256 != self.schema.sha256:
            raise RemoteProtocolError(
                ErrorCode.SCHEMA, f"WELCOME: expected schema {self.schema.sha256}, got {welcome.schema_sha256}"
            )
        if welcome.major not in self._greeting.majors:
            raise RemoteProtocolError(
                ErrorCode.VERSION, f"WELCOME: expected a major of {self._greeting.majors}, got {welcome.major}"
            )
        self._move(Kind.WELCOME)
        self.welcome, self._resume = welcome, welcome.resume
        self._sent = Baselines() if CAPABILITY in welcome.capabilities else None
        self._answered = self._told = -1
        return Welcomed(welcome)

    def _reported(self, report: ErrorReport, now_us: int) -> ClientEvent:
        if report.session not in (0, self.session):
            return Ignored(Kind.ERROR)
        if report.fatal:
            self._move(Cue.FATAL)
            # a session that is merely unknown is opened anew at once, anything else after a while
            self._hello_us = now_us - (REFUSED_AGAIN_US if report.code is ErrorCode.SESSION else 0)
        else:
            self._move(Kind.ERROR)
            if report.code is ErrorCode.KEYFRAME:
                self._answered = -1
        return Reported(report)

    def _hello(self) -> bytes:
        greeting = self._greeting
        return encode(
            Hello(
                majors=greeting.majors,
                client=greeting.client,
                game=greeting.game,
                schema=self.schema,
                nonce=self._nonce,
                capabilities=greeting.capabilities,
                resume=self._resume,
            )
        )

    def _move(self, cause: Kind | Cue) -> None:
        self.phase = _next(CLIENT_TABLE, self.phase, cause)


# the brain's end


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server tells every game in WELCOME."""

    server: str = ""
    lead_ticks: int = 2
    fresh_steps: int = 4
    velocity_tolerance: float = 0.05
    heartbeat_ms: int = 500
    barks: tuple[str, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = (CAPABILITY,)
    control: str = ""
    telemetry: str = ""
    limits: Limits = LIMITS


Admit: TypeAlias = Callable[[Schema], tuple[str, ...]]
"""Decides about a game by its schema: returns warnings for WELCOME, or raises Refused or SchemaMismatch. Quick."""


@dataclass(frozen=True, slots=True)
class GameJoined:
    """A session is open."""

    session: int
    game: str
    schema: Schema
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """A game registered another schema in its session."""

    session: int
    schema: Schema
    warnings: tuple[str, ...]


@record
class SnapshotArrived:
    """A checked snapshot; older ones of the same game that nobody took are dropped and counted.

    Args:
        session: of the game.
        snapshot: within the schema's ranges, finite, ids unique.
        received_us: server clock.
        clamped: numbers that had to be pulled into their range.
        masked: entities left out because of NaN.
        note: the first such case.
    """

    session: int
    snapshot: Snapshot
    received_us: int
    clamped: int = 0
    masked: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class GameLeft:
    """A session is over."""

    session: int
    reason: str


SessionEvent: TypeAlias = GameJoined | SchemaChanged | SnapshotArrived | GameLeft


@dataclass(frozen=True, slots=True)
class Received:
    """What one frame led to: events for the brain and frames for the game."""

    events: tuple[SessionEvent, ...] = ()
    replies: tuple[bytes, ...] = ()


@dataclass(slots=True)
class SessionCounters:
    """What a session has seen."""

    snapshots: int = 0
    dropped_stale: int = 0  # replaced by a newer one before the brain took them
    dropped_rate: int = 0  # more often than the limit
    bad: int = 0
    clamped: int = 0
    masked: int = 0
    actions: int = 0

    def add(self, other: SessionCounters) -> None:
        """Counts another's, too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class ServerSession:
    """The brain's end of a session with one peer; `receive` belongs to the I/O thread, `action` to the planner's.

    Args:
        numbers: gives each session it opens a number, never 0.
        offer: the fixed part of WELCOME.
        admit: decides about the game.
    """

    def __init__(self, numbers: Callable[[], int], offer: Offer, admit: Admit) -> None:
        self.phase = Phase.IDLE
        self.number = 0
        self.counters = SessionCounters()
        self.last_heard_us = 0
        self._resume = ""
        self._numbers = numbers
        self._offer = offer
        self._admit = admit
        self._layout: _Layout | None = None
        self._hello: Hello | None = None
        self._welcome: Welcome | None = None
        self._last_tick = -1
        self._bad = 0
        self._good = 0
        self._second = 0
        self._in_second = 0
        self._sequence = 0
        self._seen: Baselines | None = None  # where deltas were agreed on

    @property
    def game(self) -> str:
        """Name that the game gave itself, "" before HELLO."""
        return self._hello.game if self._hello is not None else ""

    def resumes(self, hello: Hello) -> bool:
        """Says whether a HELLO asks to go on with this very session, unchanged."""
        mine = self._hello
        if self.phase is not LIVE or mine is None:
            return False
        if not secrets.compare_digest(hello.resume.encode(), self._resume.encode()):
            return False
        return replace(hello, nonce=mine.nonce, resume=mine.resume) == mine

    def receive(self, data: bytes, now_us: int) -> Received:
        """Takes one frame in; never raises for what a peer sends."""
        self.last_heard_us = now_us
        try:
            received = self._receive(data, now_us)
        except RemoteProtocolError as error:
            return self.bad(error.code, str(error), _tick_of(data))
        self._good += 1
        if self._good >= FORGIVE_AFTER:
            self._bad = 0
        return received

    def bad(self, code: ErrorCode, text: str, tick: int = 0) -> Received:
        """Counts a bad message and answers it; the tenth closes the session. To lack a baseline is nobody's fault."""
        if code is ErrorCode.KEYFRAME:
            return Received(replies=(encode(_report(self.number, code, False, text, tick)),))
        self._good = 0
        self._bad += 1
        self.counters.bad += 1
        if self.phase is not LIVE:
            return self._refuse(code, text)
        if self._bad >= self._offer.limits.bad_messages:
            return self.close(code, f"{text} (message {self._bad} of this kind; the session is closed)")
        return Received(replies=(encode(_report(self.number, code, False, text, tick)),))

    def close(self, code: ErrorCode, text: str) -> Received:
        """Ends a live session from this side."""
        self._move(Cue.FATAL)
        return Received((GameLeft(self.number, text),), (encode(_report(self.number, code, True, text)),))

    def lost(self, reason: str) -> Received:
        """Ends a live session whose peer is gone."""
        self._move(Cue.LOST)
        return Received((GameLeft(self.number, reason),))

    def action(self, action: Action, now_us: int, session: int = 0) -> bytes:
        """Returns an ACTION to send: session, schema, sequence and time are filled in, ranges clipped.

        Args:
            action: what was planned.
            now_us: server clock.
            session: that it was planned for, the one that is open by default. The game may be in another one by now:
                then it takes no notice.

        Raises:
            LocalProtocolError: a number that is not finite or an array that does not fit.
        """
        layout = self._layout
        if layout is None:
            raise LocalProtocolError("ACTION: expected an open session, got none")
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        session = session or self.number
        data = layout.codec.write_action(action, session, self._sequence, now_us)
        if data is None:
            stamp = Stamp(session, layout.schema.schema_id, self._sequence, now_us)
            data = encode_stamped(action, layout.schema, self._fitting(action, layout), stamp)
        self.counters.actions += 1
        return data

    def _fitting(self, action: Action, layout: _Layout) -> Floats:
        if action.steps.ndim != 3 or action.steps.shape[2] != len(layout.schema.channels):
            raise LocalProtocolError(
                f"ACTION: steps expected shape (n, m, {len(layout.schema.channels)}), got {action.steps.shape}"
            )
        return layout.border.fit(action)

    def _receive(self, data: bytes, now_us: int) -> Received:
        live = self.phase is LIVE
        if live and self._layout is not None and self._seen is None and not self._spent(now_us):
            usual = self._layout.codec.read_snapshot(data, self.number, self._last_tick)
            if usual is not None:
                self._count(now_us)
                return self._arrived(SnapshotArrived(self.number, usual, now_us))
        header = read_header(data, self._offer.limits)
        if not live and header.kind is not Kind.HELLO:
            return self._refuse(ErrorCode.SESSION, f"{header.kind.name}: expected HELLO first", header.session)
        if header.kind is not Kind.HELLO and header.session != self.number:
            report = _report(
                header.session,
                ErrorCode.SESSION,
                True,
                f"{header.kind.name}: expected session {self.number}, got {header.session}",
            )
            return Received(replies=(encode(report),))
        if header.kind is Kind.SNAPSHOT:  # judged by its header first: what is dropped costs nothing
            spent = self._spent(now_us)
            self._count(now_us)
            if spent:
                self.counters.dropped_rate += 1
                return Received()
            if header.tick <= self._last_tick:
                return self._stale(header.tick)
        message = decode(data, self._layout.schema if self._layout else None, self._offer.limits, header)
        match message:
            case Hello():
                return self._greeted(message)
            case Snapshot() | Delta():
                return self._snapshot(message, now_us)
            case SchemaChange():
                return self._registered(message)
            case Bye():
                self._move(Kind.BYE)
                return Received((GameLeft(self.number, "the game said goodbye"),))
        raise RemoteProtocolError(
            ErrorCode.VALUE, f"server: expected HELLO, SCHEMA, SNAPSHOT or BYE, got {header.kind.name}"
        )

    def _greeted(self, hello: Hello) -> Received:
        if self.phase is LIVE and hello == self._hello and self._welcome is not None:
            return Received(replies=(encode(self._welcome),))  # said twice because the answer took long
        if self.resumes(hello) and self._welcome is not None:
            self._hello = hello
            self._welcome = self._make_welcome(hello, self._welcome.warnings)
            return Received(replies=(encode(self._welcome),))
        if MAJOR not in hello.majors:
            return self._refuse(
                ErrorCode.VERSION,
                f"HELLO: expected major version {MAJOR}, got {', '.join(map(str, hello.majors)) or 'none'}",
            )
        warnings = self._register(hello.schema)
        if isinstance(warnings, Received):
            return warnings
        left = (GameLeft(self.number, "the game said HELLO again"),) if self.phase is LIVE else ()
        self._move(Kind.HELLO)
        self.number, self._last_tick, self._bad = self._numbers(), -1, 0
        self._resume = secrets.token_hex(16)
        self._hello = hello
        self._welcome = self._make_welcome(hello, warnings)
        joined = GameJoined(self.number, hello.game, hello.schema, warnings)
        return Received((*left, joined), (encode(self._welcome),))

    def _registered(self, change: SchemaChange) -> Received:
        assert self._hello is not None  # LIVE implies a HELLO
        kind, other = (schema.kinematics.kind for schema in (self._hello.schema, change.schema))
        if kind != other:  # what has been sent is no motion of such a body
            return self._refuse(
                ErrorCode.SCHEMA,
                f"SCHEMA: expected bodies of kind '{kind}' as before, got '{other}'; begin a new session with HELLO",
            )
        told, asked = (schema.velocity_tolerance for schema in (self._hello.schema, change.schema))
        if told != asked:  # the last hop took its number with the session
            return self._refuse(
                ErrorCode.SCHEMA,
                "SCHEMA: expected bodies whose direction is told as before, by a velocity tolerance of "
                f"{told:g} m/s, got {asked:g}; begin a new session with HELLO",
            )
        warnings = self._register(change.schema)
        if isinstance(warnings, Received):
            return warnings
        self._hello = replace(self._hello, schema=change.schema)
        self._welcome = self._make_welcome(self._hello, warnings)
        return Received((SchemaChanged(self.number, change.schema, warnings),), (encode(self._welcome),))

    def _register(self, schema: Schema) -> tuple[str, ...] | Received:
        """Asks the brain; returns its warnings, or what a refusal leads to."""
        try:
            warnings = self._admit(schema)
        except SchemaMismatch as error:
            return self._refuse(ErrorCode.MODEL, str(error))
        except Refused as error:
            return self._refuse(error.code, str(error))
        self._layout = _Layout.of(schema, self._offer.limits)
        return warnings

    def _refuse(self, code: ErrorCode, text: str, session: int = 0) -> Received:
        if self.phase is LIVE:
            return self.close(code, text)
        return Received(replies=(encode(_report(session, code, True, text)),))

    def _make_welcome(self, hello: Hello, warnings: tuple[str, ...]) -> Welcome:
        offer = self._offer
        agreed = tuple(name for name in hello.capabilities if name in offer.capabilities)
        self._seen = Baselines() if CAPABILITY in agreed else None
        return Welcome(
            session=self.number,
            major=MAJOR,
            nonce=hello.nonce,
            schema_sha256=hello.schema.sha256,
            limits=offer.limits,
            heartbeat_ms=offer.heartbeat_ms,
            lead_ticks=offer.lead_ticks,
            fresh_steps=offer.fresh_steps,
            velocity_tolerance=min(offer.velocity_tolerance, hello.schema.velocity_tolerance),
            server=offer.server,
            capabilities=agreed,
            barks=offer.barks,
            model=offer.model,
            warnings=warnings,
            control=offer.control,
            telemetry=offer.telemetry,
            resume=self._resume,
        )

    def _snapshot(self, message: Snapshot | Delta, now_us: int) -> Received:
        assert self._layout is not None  # LIVE implies a schema
        snapshot = self._whole(message)
        admitted = self._layout.border.admit(snapshot)
        self.counters.clamped += admitted.clamped
        self.counters.masked += admitted.masked
        return self._arrived(
            SnapshotArrived(self.number, admitted.snapshot, now_us, admitted.clamped, admitted.masked, admitted.note)
        )

    def _arrived(self, event: SnapshotArrived) -> Received:
        self._last_tick = event.snapshot.tick
        self.counters.snapshots += 1
        return Received((event,))

    def _spent(self, now_us: int) -> bool:
        """Says whether one more snapshot in this second is beyond the limit."""
        return now_us // 1_000_000 == self._second and self._in_second >= self._offer.limits.snapshots_per_s

    def _count(self, now_us: int) -> None:
        """Counts one more snapshot in this second."""
        second = now_us // 1_000_000
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second

    def _stale(self, tick: int) -> Received:
        self.counters.dropped_stale += 1
        text = f"SNAPSHOT: expected a tick above {self._last_tick}, got {tick}"
        return Received(replies=(encode(_report(self.number, ErrorCode.STALE, False, text, tick)),))

    def _whole(self, message: Snapshot | Delta) -> Snapshot:
        if self._seen is not None:
            return self._seen.whole(message)
        if isinstance(message, Delta):
            raise RemoteProtocolError(ErrorCode.VALUE, "SNAPSHOT: expected no delta, as WELCOME did not agree to them")
        return message

    def _move(self, cause: Kind | Cue) -> None:
        self.phase = _next(SERVER_TABLE, self.phase, cause)


def error_frame(code: ErrorCode, text: str, session: int = 0, fatal: bool = True) -> bytes:
    """Returns an ERROR to send, with the code's remedy."""
    return encode(_report(session, code, fatal, text))


def _report(session: int, code: ErrorCode, fatal: bool, text: str, tick: int = 0) -> ErrorReport:
    return ErrorReport(session, code, fatal, clip_text(text, ERROR_TEXT_BYTES), REMEDIES[code], tick)


def _tick_of(data: bytes) -> int:
    """Returns the tick of a message that turned out bad, 0 where it has none."""
    try:
        return read_header(data).tick
    except RemoteProtocolError:
        return 0


def _next(table: Mapping[tuple[Phase, Kind | Cue], Phase], phase: Phase, cause: Kind | Cue) -> Phase:
    following = table.get((phase, cause))
    if following is None:
        raise RemoteProtocolError(ErrorCode.SESSION, f"{cause.name} has no place in phase {phase.value}")
    return following


__all__ = [
    "CLIENT_TABLE",
    "LIVE",
    "SERVER_TABLE",
    "Acted",
    "Admit",
    "ClientEvent",
    "ClientSession",
    "Cue",
    "GameJoined",
    "GameLeft",
    "Greeting",
    "Ignored",
    "Message",
    "Offer",
    "Phase",
    "Received",
    "Reported",
    "SchemaChanged",
    "ServerSession",
    "SessionCounters",
    "SessionEvent",
    "SnapshotArrived",
    "Welcomed",
    "error_frame",
]
