"""The game's sockets. `Client` only polls: `push` and `poll` never block and never raise, whatever the brain does."""

from __future__ import annotations

import logging
import secrets
import struct
import time
from collections.abc import Callable, Mapping
from types import TracebackType

import numpy as np
import zmq
from numpy.typing import NDArray

from .delta import CAPABILITY
from .endpoints import Context, Socket, client_options, game_context, is_near, keep_alive
from .errors import ControlRefused, ControlTimeout, ErrorCode, LocalProtocolError, MessageTooLarge, RemoteProtocolError
from .faults import (
    Connecting,
    Fault,
    LocalFault,
    NotLetIn,
    NotListening,
    NotOurProtocol,
    SessionLost,
    Silent,
    TooLarge,
    of_code,
)
from .frames import MAJOR
from .greeting import Mechanism, Question
from .keys import PeerKeys
from .ladder import Fallback, Ladder, LadderCounters, LadderResult
from .messages import (
    Ack,
    Action,
    Control,
    EntityBlock,
    ErrorReport,
    Executing,
    Telemetry,
    U32s,
    Welcome,
    decode,
    encode,
)
from .packing import Value
from .recording import ChannelId, Direction, Recorder
from .schema import Schema
from .session import LIVE, Acted, ClientSession, Greeting, Phase, Reported, Welcomed

LOG = logging.getLogger(__name__)

FRAMES_PER_POLL = 16
MONITOR_EVENTS_PER_POLL = 32
WATCH_US = 100_000  # between looks at a connection that works
NEAR_US = 150_000  # a peer on this machine that has not shaken hands, or answered HELLO, by then is not ours, or hangs
FAR_US = 1_000_000  # the same on another machine: a handshake with keys takes four trips there and back
SILENT_US = 1_500_000  # without actions while snapshots are sent
REOPEN_US = 1_000_000  # libzmq gives some peers up for ever; a new socket does not
POLLIN = int(zmq.POLLIN)  # as a plain number: the enum's arithmetic costs as much as asking the socket
MONITOR_EVENT = struct.Struct("=hi")
CLIENT_NAME = "npc_bridge python"


def _waiting(socket: Socket) -> bool:
    """Says whether a message is there; asking is cheaper than the exception where there is none."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & POLLIN)


def _clock_us() -> int:
    return time.monotonic_ns() // 1000


class Client:
    """Connects one game to a brain. All calls from one thread.

    Args:
        endpoint: of the brain's data channel, such as `tcp://127.0.0.1:5757`.
        schema: of the game.
        name: of this game instance; the schema's by default.
        fallback: the game's own behaviour for NPCs without a plan; without it they brake.
        majors: protocol versions to offer.
        delta: sends what changes instead of everything, where the brain can read it: for links that are slow.
        keys: for a brain that asks for them: `PeerKeys.load` reads them.
        recorder: gets every data frame sent and received.
        context: a ZeroMQ context to share, needed for inproc endpoints.
        clock_us: monotonic microseconds.
    """

    def __init__(
        self,
        endpoint: str,
        schema: Schema,
        name: str = "",
        *,
        fallback: Fallback | None = None,
        majors: tuple[int, ...] = (MAJOR,),
        delta: bool = False,
        keys: PeerKeys | None = None,
        recorder: Recorder | None = None,
        context: Context | None = None,
        clock_us: Callable[[], int] = _clock_us,
    ) -> None:
        self.endpoint = endpoint
        self.ladder = Ladder(schema, fallback)
        self.snapshots_sent = 0
        self.snapshots_dropped = 0  # no session, or the brain does not read
        self._fallback = fallback
        self._keys = keys
        self._recorder = recorder
        self._clock_us = clock_us
        self._own_context = context is None
        self._context: Context = context if context is not None else game_context()
        greeting = Greeting(CLIENT_NAME, name or schema.game, majors, (CAPABILITY,) if delta else ())
        self._session = ClientSession(schema, greeting, secrets.randbits(32))
        self._fault: Fault | None = Connecting(None, f"connecting to {endpoint}", "wait a second")
        self._fault_tick = -1  # of the snapshot a passing fault is about
        self._tick = -1
        self._closed = False
        self._patience_us = NEAR_US if is_near(endpoint) else FAR_US
        self._watched_us = 0
        self._unanswered_us: int | None = None
        self._hello: bytes | None = None
        self._open()

    @property
    def fault(self) -> Fault | None:
        """What is wrong now, None if nothing is."""
        return self._fault

    @property
    def schema(self) -> Schema:
        """The schema that snapshots are built from."""
        return self._session.schema

    @property
    def session(self) -> int:
        """Number of the open session, 0 if there is none."""
        return self._session.session

    @property
    def welcome(self) -> Welcome | None:
        """What the brain said when it opened the last session, None before the first."""
        return self._session.welcome

    @property
    def counters(self) -> LadderCounters:
        """NPC-ticks per rung and what was dropped."""
        return self.ladder.counters

    def push(
        self,
        tick: int,
        blocks: Mapping[str, EntityBlock],
        executing: Executing | None = None,
        time_us: int | None = None,
    ) -> bool:
        """Sends the game's state at a tick; never blocks, never raises.

        Args:
            tick: the engine's; grows.
            blocks: rows by entity type.
            executing: what NPCs did in the last tick; the ladder's own record by default.
            time_us: game time; tick / tick_hz by default.

        Returns:
            False if nothing was sent: no session, the brain does not read, or `fault` says what is wrong.
        """
        self._tick = max(self._tick, tick)
        try:
            data = self._session.snapshot(
                tick,
                round(tick * 1e6 / self._session.schema.tick_hz) if time_us is None else time_us,
                blocks,
                self.ladder.executing if executing is None else executing,
            )
        except MessageTooLarge as error:
            self._passing(TooLarge(ErrorCode.LIMIT, str(error), of_code(ErrorCode.LIMIT, "").remedy), tick)
            data = None
        except LocalProtocolError as error:
            self._passing(LocalFault(None, str(error), "pass arrays as the schema declares them"), tick)
            data = None
        if data is None or not self._send(data):
            self.snapshots_dropped += 1
            return False
        if self._unanswered_us is None:
            self._unanswered_us = self._clock_us()
        self.snapshots_sent += 1
        return True

    def poll(self) -> tuple[Action, ...]:
        """Takes in what has arrived and feeds the ladder; never blocks, never raises.

        Returns:
            The actions accepted now, oldest first.
        """
        if self._closed:
            return ()
        now_us = self._clock_us()
        if self._session.phase is not LIVE or now_us - self._watched_us >= WATCH_US:
            self._watch(now_us)
        accepted = []
        for _ in range(FRAMES_PER_POLL):
            data = self._receive()
            if data is None:
                break
            action = self._take(data, now_us)
            if action is not None:
                accepted.append(action)
        hello = self._hello or self._session.due(now_us)
        if hello is not None:
            self._hello = None if self._send(hello) else hello
        self._judge_silence(now_us)
        return tuple(accepted)

    def step(
        self, tick: int, ids: U32s, pose: NDArray[np.floating], alive: NDArray[np.bool_] | None = None
    ) -> LadderResult:
        """Picks every NPC's command for this tick; see `Ladder.step`."""
        return self.ladder.step(tick, ids, pose, alive)

    def restart(self, schema: Schema | None = None) -> None:
        """Leaves the session and opens another: after a level restart, or with another schema."""
        if schema is not None:
            self.ladder = Ladder(schema, self._fallback, self.ladder)
        self._tick = -1
        self._hello = self._session.restart(schema, self._clock_us())

    def bark(self, number: int) -> str:
        """Returns the text of a bark, "" for 0 and unknown ones."""
        barks = self.welcome.barks if self.welcome is not None else ()
        return barks[number - 1] if 1 <= number <= len(barks) else ""

    def close(self) -> None:
        """Says goodbye and closes the sockets; calling it again does nothing."""
        if self._closed:
            return
        bye = self._session.bye()
        if bye is not None:
            self._send(bye)
            self._socket.linger = 100  # for the goodbye, on loopback
        self._closed = True
        self._shut()
        if self._own_context:
            self._context.term()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # sockets

    def _open(self) -> None:
        self._socket: Socket = self._context.socket(zmq.DEALER)
        client_options(self._socket, self._keys)
        self._monitor: Socket = self._socket.get_monitor_socket()
        self._tcp_us: int | None = None  # when TCP connected, while ZeroMQ's handshake lasts
        self._greeted_us: int | None = None  # when the ZeroMQ peer appeared, until it answers
        self._down_us: int | None = self._clock_us()
        self._question: Question | None = None  # to a peer that hung up during ZeroMQ's handshake, once per socket
        self._asked_us: int | None = None  # when, until it is answered
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            text = f"endpoint '{self.endpoint}': {error.strerror}"
            self._lasting(LocalFault(None, text, "use tcp://127.0.0.1:PORT, ipc://PATH or inproc://NAME"))
        if self.endpoint.startswith("inproc://"):
            self._handshaken(self._clock_us())  # inproc has no handshake to wait for

    def _shut(self) -> None:
        self._drop_question()
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()

    def _send(self, data: bytes) -> bool:
        if self._closed:
            return False
        try:
            self._socket.send(data, zmq.NOBLOCK)
        except zmq.ZMQError:  # nobody there, or the peer does not read
            return False
        self._record(Direction.UP, data)
        return True

    def _receive(self) -> bytes | None:
        try:
            if not _waiting(self._socket):
                return None
            data = self._socket.recv(zmq.NOBLOCK)
            while self._socket.getsockopt(zmq.RCVMORE):
                self._socket.recv(zmq.NOBLOCK)
                data = b""  # several frames are never ours
        except zmq.ZMQError:
            return None
        return data

    def _record(self, direction: Direction, data: bytes) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.write(self._clock_us(), direction, ChannelId.DATA, data)
        except (OSError, ValueError) as error:  # disk full, or closed by its owner
            LOG.warning("recording stopped: %s", error)
            self._recorder = None

    # what the peer is

    def _watch(self, now_us: int) -> None:
        """Follows the connection through ZeroMQ's monitor."""
        self._watched_us = now_us
        for _ in range(MONITOR_EVENTS_PER_POLL):
            try:
                if not _waiting(self._monitor):
                    break
                event = MONITOR_EVENT.unpack(self._monitor.recv(zmq.NOBLOCK)[:6])[0]
                self._monitor.recv(zmq.NOBLOCK)  # the address
            except zmq.ZMQError:
                break
            self._connection(event, now_us)
        if self._tcp_us is not None and now_us - self._tcp_us > self._patience_us:
            self._not_ours("accepts connections, but does not speak ZeroMQ; it may also be a brain that hangs")
        if self._question is not None and self._asked_us is not None:
            self._ask(self._question, now_us - self._asked_us)
        if self._greeted_us is not None and now_us - self._greeted_us > self._patience_us:
            self._not_ours("speaks ZeroMQ, but does not answer HELLO; it may also be a brain that hangs")
        if self._down_us is not None and now_us - self._down_us > REOPEN_US:
            self._shut()
            self._open()

    def _ask(self, question: Question, waited_us: int) -> None:
        """Names what the peer is once it has said so, or should have."""
        mechanism = question.look()
        if mechanism is not None or waited_us > self._patience_us:
            self._asked_us = None
            question.close()
            self._hung_up(mechanism)

    def _connection(self, event: int, now_us: int) -> None:
        if event == zmq.EVENT_CONNECTED:
            self._tcp_us = now_us
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._handshaken(now_us)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._tcp_us = None  # it is known why the handshake failed
            self._not_let_in(
                "does not let this key in", "let it in (npc-sdk keys add), or take this game's newest file"
            )
        elif event == zmq.EVENT_CONNECT_RETRIED:
            self._down_us = now_us  # libzmq is at it
        elif event == zmq.EVENT_CLOSED and self._tcp_us is None:
            self._gone(now_us)
            self._drop_question()
            self._not_listening()
        elif event == zmq.EVENT_DISCONNECTED:
            if self._tcp_us is not None and self._question is None:
                self._question, self._asked_us = Question(self.endpoint), now_us
            elif self._session.phase is not Phase.IDLE:
                text = f"the connection to {self.endpoint} broke"
                self._lasting(SessionLost(ErrorCode.SESSION, text, of_code(ErrorCode.SESSION, "").remedy))
            self._gone(now_us)

    def _drop_question(self) -> None:
        """Forgets who hung up: it is there after all, or gone."""
        if self._question is not None:
            self._question.close()
        self._question = self._asked_us = None

    def _handshaken(self, now_us: int) -> None:
        self._drop_question()
        self._tcp_us = self._down_us = None
        self._greeted_us = now_us
        self._hello = self._session.connected(now_us)

    def _gone(self, now_us: int) -> None:
        self._tcp_us = self._greeted_us = self._unanswered_us = self._hello = None
        self._down_us = now_us
        self._session.lost()

    def _not_listening(self) -> None:
        if isinstance(self._fault, NotListening):
            return  # said already, and whether a connection broke before
        broke = "the connection broke, and " if isinstance(self._fault, SessionLost) else ""
        text = f"{broke}nothing listens at {self.endpoint}"
        self._lasting(NotListening(None, text, "start the brain (npc-sdk serve), or correct the port"))

    def _hung_up(self, mechanism: Mechanism | None) -> None:
        """Says why the peer ends ZeroMQ's handshake, by what it is ready to speak; None is not known."""
        match mechanism, self._keys is not None:
            case Mechanism.CURVE, True:
                remedy = "take the file that npc-sdk keys add wrote beside this brain, or correct the port"
                self._not_let_in("hangs up on this key, which is for another brain", remedy)
            case Mechanism.CURVE, False:
                remedy = "give Client the file that npc-sdk keys add wrote for this game: keys=PeerKeys.load(PATH)"
                self._not_let_in("asks for keys, and this game has none", remedy)
            case Mechanism.NULL, True:
                remedy = "start the brain with --keys, leave the keys out, or correct the port"
                self._not_let_in("asks for no keys, and this game insists on them", remedy)
            case _:
                self._not_ours("closes the connection during ZeroMQ's handshake")

    def _not_let_in(self, what: str, remedy: str) -> None:
        self._lasting(NotLetIn(ErrorCode.AUTH, f"the peer at {self.endpoint} {what}", remedy))

    def _not_ours(self, what: str) -> None:
        text = f"the peer at {self.endpoint} {what}"
        self._lasting(NotOurProtocol(ErrorCode.MAGIC, text, "correct the port: npc-sdk serve prints its own"))

    # what the peer says

    def _take(self, data: bytes, now_us: int) -> Action | None:
        self._record(Direction.DOWN, data)
        if self._session.phase is Phase.IDLE:
            return None  # left over from a connection that broke
        try:
            event = self._session.receive(data, now_us)
        except RemoteProtocolError as error:
            self._greeted_us = None  # it did answer
            fault = of_code(error.code, f"from {self.endpoint}: {error}")
            if self._session.phase is LIVE:
                self._passing(fault, self._tick)
            else:
                self._lasting(fault)
            return None
        match event:
            case Acted(action):
                self._unanswered_us = None
                if action.source_tick > self._fault_tick:
                    self._fault = None
                if self.ladder.accept(action):
                    return action
            case Welcomed(welcome):
                self._greeted_us = None
                if welcome.session != self.ladder.session:
                    self.ladder.start(welcome.session, welcome.fresh_steps, welcome.velocity_tolerance)
                self._unanswered_us = None
                self._fault = None
            case Reported(report):
                self._greeted_us = None
                self._reported(report)
        return None

    def _reported(self, report: ErrorReport) -> None:
        fault = of_code(report.code, report.text, report.remedy)
        if report.fatal:
            self._lasting(fault)
        else:
            self._passing(fault, max(report.tick, self._tick if report.tick == 0 else 0))

    def _judge_silence(self, now_us: int) -> None:
        if self._unanswered_us is not None and now_us - self._unanswered_us > SILENT_US and self._fault is None:
            text = f"the brain at {self.endpoint} has sent no action for {SILENT_US / 1e6:g} s"
            self._passing(Silent(ErrorCode.DEADLINE, text, of_code(ErrorCode.DEADLINE, "").remedy), -1)

    def _lasting(self, fault: Fault) -> None:
        """Shows a fault until WELCOME."""
        self._fault = fault
        self._fault_tick = 1 << 62

    def _passing(self, fault: Fault, tick: int) -> None:
        """Shows a fault until an action answers a later snapshot."""
        self._fault = fault
        self._fault_tick = tick


class ControlClient:
    """A designer's line to the brain, for scripts and panels: each request waits for its answer.

    Args:
        endpoint: of the control channel.
        timeout_ms: for each request.
        context: a ZeroMQ context to share.
        keys: for a brain that asks for them.
    """

    def __init__(
        self, endpoint: str, timeout_ms: int = 1000, context: Context | None = None, keys: PeerKeys | None = None
    ) -> None:
        self.endpoint = endpoint
        self.revision = 0  # of the board, as of the last answer
        self._timeout_ms = timeout_ms
        self._own_context = context is None
        self._context: Context = context if context is not None else game_context()
        self._socket: Socket = self._context.socket(zmq.DEALER)
        client_options(self._socket, keys)
        self._socket.setsockopt(zmq.IMMEDIATE, 0)  # the first request may wait for the connection
        self._socket.connect(endpoint)
        self._request = secrets.randbits(16)

    def request(self, verb: str, arguments: Mapping[str, Value] | None = None, timeout_ms: int | None = None) -> Ack:
        """Asks for something and returns the answer.

        Raises:
            ControlTimeout: no answer in time.
            ControlRefused: the brain said no; the text says why.
        """
        wait_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        self._request = (self._request + 1) & 0xFFFFFFFF
        try:
            self._socket.send(encode(Control(self._request, verb, arguments or {})), zmq.NOBLOCK)
        except zmq.Again:
            raise self._nobody(verb, wait_ms) from None
        deadline = time.monotonic() + wait_ms / 1000.0
        while True:
            left_ms = round((deadline - time.monotonic()) * 1000)
            if left_ms <= 0 or not self._socket.poll(left_ms):
                raise self._nobody(verb, wait_ms)
            try:
                message = decode(self._socket.recv())
            except RemoteProtocolError as error:
                raise ControlRefused(error.code, f"from {self.endpoint}: {error}") from None
            except LocalProtocolError:  # a data message: this is not a control channel
                raise ControlRefused(ErrorCode.MAGIC, f"{self.endpoint} is no control channel") from None
            if isinstance(message, ErrorReport):
                raise ControlRefused(message.code, f"{verb}: {message.text}; {message.remedy}")
            if isinstance(message, Ack) and message.request == self._request:
                self.revision = message.revision or self.revision
                if message.code:
                    raise ControlRefused(ErrorCode(message.code), f"{verb}: {message.text}", message.result)
                return message

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
        if self._own_context:
            self._context.term()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _nobody(self, verb: str, wait_ms: int) -> ControlTimeout:
        return ControlTimeout(
            f"{verb}: no answer from {self.endpoint} within {wait_ms} ms; start the brain, or correct the port"
        )


class TelemetryReader:
    """Reads what the brain publishes; never blocks for longer than asked.

    Args:
        endpoint: of the telemetry channel.
        topics: those wanted; all by default.
        context: a ZeroMQ context to share.
        keys: for a brain that asks for them.
    """

    def __init__(
        self,
        endpoint: str,
        topics: tuple[str, ...] = (),
        context: Context | None = None,
        keys: PeerKeys | None = None,
    ) -> None:
        self.lost = 0  # messages that were published but did not arrive, by the gaps in their sequence
        self.bad = 0  # messages that were not readable
        self._topics = frozenset(topics)
        self._own_context = context is None
        self._context: Context = context if context is not None else game_context()
        self._socket: Socket = self._context.socket(zmq.SUB)
        client_options(self._socket, keys)
        self._socket.setsockopt(zmq.IMMEDIATE, 0)  # else the subscription leaves only at the first poll
        keep_alive(self._socket)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(endpoint)
        self._last: int | None = None

    def poll(self, timeout_ms: int = 0, most: int = 256) -> list[Telemetry]:
        """Returns what has arrived; waits up to `timeout_ms` for the first."""
        messages: list[Telemetry] = []
        if not self._socket.poll(timeout_ms):
            return messages
        for _ in range(most):
            try:
                data = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            message = self._read(data)
            if message is not None and (not self._topics or message.topic in self._topics):
                messages.append(message)
        return messages

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
        if self._own_context:
            self._context.term()

    def __enter__(self) -> TelemetryReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, data: bytes) -> Telemetry | None:
        try:
            message = decode(data)
        except (RemoteProtocolError, LocalProtocolError):
            self.bad += 1
            return None
        if not isinstance(message, Telemetry):
            self.bad += 1
            return None
        if self._last is not None and message.sequence > self._last:  # smaller: the brain was restarted
            self.lost += message.sequence - self._last - 1
        self._last = message.sequence
        return message
