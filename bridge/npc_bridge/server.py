"""The brain's sockets: one I/O thread owns them all, a planner thread takes events and hands in answers.

The I/O thread reads frames, lets each peer's ServerSession judge them, and keeps only the newest snapshot per game for
the planner. The planner never waits for a game and no game for another.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeAlias

import zmq

from .endpoints import Context, Socket, bind, send_now, server_options
from .errors import BridgeError, EndpointError, ErrorCode, RemoteProtocolError, ServerError
from .frames import Kind, read_header
from .gate import Gate
from .keys import ServerKeys
from .memory import MemoryWatch
from .messages import Ack, Action, Control, Hello, Telemetry, decode, encode
from .packing import Value
from .schema import Schema
from .session import (
    LIVE,
    Admit,
    GameJoined,
    GameLeft,
    Offer,
    Received,
    SchemaChanged,
    ServerSession,
    SessionCounters,
    SnapshotArrived,
    error_frame,
)

LOG = logging.getLogger(__name__)

SILENCE_US = 10_000_000  # a game that says nothing for so long has left
TURN, TURN_S = 64, 0.005  # frames read from one socket, and seconds, before the others get their turn
PART_BUDGET = 256  # parts of a forbidden multipart message discarded per turn
WAITING_CONTROLS = 64  # requests the brain has not taken yet
WAITING_EVENTS = 1024  # with so many it has not taken, nobody joins
PUBLISH_QUEUE = 100  # telemetry messages kept for a slow reader
IDLE_MS = 200  # that the I/O thread sleeps at most
LOOK_US = 100_000  # between looks at memory
FAREWELL_MS = 250  # for the last messages to go out, and to be read: what is unread when a connection ends is lost
REBIND_S = 2.0  # for the system to let a port go


@dataclass(frozen=True, slots=True)
class ControlRequested:
    """A designer asks for something; answer with `BridgeServer.acknowledge(event.peer, ...)`."""

    peer: bytes
    control: Control


Event: TypeAlias = GameJoined | SchemaChanged | SnapshotArrived | GameLeft | ControlRequested


def _clock_us() -> int:
    return time.monotonic_ns() // 1000


def _admit_all(schema: Schema) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the three channels listen; TCP port 0 takes any free port, "" leaves a channel out."""

    data: str = "tcp://127.0.0.1:0"
    control: str = "tcp://127.0.0.1:0"
    telemetry: str = "tcp://127.0.0.1:0"


@dataclass(slots=True)
class ServerCounters:
    """What the server as a whole has seen."""

    dropped_stale: int = 0  # snapshots replaced by newer ones before the planner took them
    dropped_actions: int = 0  # answers to games that were gone or did not read
    multipart: int = 0  # forbidden multipart messages
    refused: int = 0  # frames answered with a fatal ERROR outside a session
    rebound: int = 0  # times that all connections were cut to get memory back


@dataclass(slots=True)
class _Peer:
    """One data socket on the other side, and its session."""

    routing_id: bytes
    session: ServerSession
    gone: bool = False  # its connection broke; another may go on with the session


class BridgeServer:
    """Serves games on loopback.

    Use as a context manager. `poll`, `send`, `acknowledge` and `publish` may be called from any thread.

    Args:
        endpoints: where to listen.
        offer: what games are told in WELCOME; its control and telemetry addresses are filled in.
        admit: decides about a game by its schema, on the I/O thread; raises Refused or SchemaMismatch.
        context: a ZeroMQ context to share, needed for inproc endpoints.
        clock_us: monotonic microseconds.
        keys: lets in only peers on their list, and those from other machines, too.
        memory: tells when peers make the process hold too much; all connections are cut then, and games come back
            over new ones.

    Raises:
        EndpointError: an endpoint is not loopback, and there are no keys; or it is taken.
        KeysError: the folder holds no keys.
    """

    def __init__(
        self,
        endpoints: Endpoints | None = None,
        offer: Offer | None = None,
        admit: Admit = _admit_all,
        context: Context | None = None,
        clock_us: Callable[[], int] = _clock_us,
        keys: ServerKeys | None = None,
        memory: MemoryWatch | None = None,
    ) -> None:
        wanted, offer = endpoints or Endpoints(), offer or Offer()
        self.counters = ServerCounters()
        self._over = SessionCounters()  # of all sessions that are over
        self._admit = admit
        self._clock_us = clock_us
        self._memory = memory or MemoryWatch()
        self._own_context = context is None
        self._context: Context = context if context is not None else zmq.Context()
        self._sockets: list[Socket] = []
        self._farewell = ""  # said when it closes
        self._gate: Gate | None = None
        try:
            if keys is not None:
                self._gate = Gate(self._context, keys)
                self._sockets.append(self._gate.socket)
            self.endpoints = self._bind_all(wanted, offer)
            wake_name = f"inproc://npc-bridge-wake-{id(self)}-{secrets.token_hex(4)}"
            self._wake_in = self._open(zmq.PAIR, offer)
            self._wake_in.bind(wake_name)
            self._wake_out = self._open(zmq.PAIR, offer)
            self._wake_out.connect(wake_name)
        except (BridgeError, zmq.ZMQError):
            self._close_sockets()
            raise
        self._offer = replace(offer, control=self.endpoints.control, telemetry=self.endpoints.telemetry)
        self._peers: dict[bytes, _Peer] = {}
        self._by_session: dict[int, _Peer] = {}
        self._control_rate: dict[bytes, tuple[int, int]] = {}
        self._changed = threading.Condition()  # guards what the planner takes
        self._events: deque[Event] = deque()
        self._newest: dict[int, SnapshotArrived] = {}
        self._controls_waiting = 0
        self._wake_lock = threading.Lock()
        self._outbox: deque[tuple[Socket, tuple[bytes, ...]]] = deque()
        self._telemetry_sequence = 0
        self._stopping = False
        self._failed = False
        self._discarding: set[Socket] = set()
        self._thread = threading.Thread(target=self._run, name="npc-bridge-io", daemon=True)
        self._thread.start()

    def __enter__(self) -> BridgeServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, farewell: str = "") -> None:
        """Stops the I/O thread and closes all sockets; calling it again does nothing.

        With a farewell what has been answered goes out first, and then it: every game is told why its session ends,
        every designer whose request was not taken that nobody will.
        """
        if self._stopping:
            return
        self._farewell = farewell
        self._stopping = True
        self._wake()
        self._thread.join()
        with self._changed:
            self._changed.notify_all()
        self._close_sockets()

    def poll(self, timeout_ms: float = 0.0) -> list[Event]:
        """Returns what has happened: joins, leaves and requests in order, then the newest snapshot of each game.

        Waits at most `timeout_ms` for the first event.

        Raises:
            ServerError: the I/O thread ended: nothing will come any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._newest or self._stopping, timeout_ms / 1000.0)
            if self._failed:
                raise ServerError("server: its I/O thread ended; its log says how")
            events = [*self._events, *self._newest.values()]
            self._events.clear()
            self._newest.clear()
            self._controls_waiting = 0
            return events

    def send(self, session: int, action: Action) -> bool:
        """Sends an action to a game; False if the game has left.

        Session, schema id, sequence and `sent_us` are filled in, commands are pulled into their ranges.

        Raises:
            LocalProtocolError: a number that is not finite, or an array that does not fit; nothing is sent.
        """
        peer = self._by_session.get(session)
        if peer is None or peer.session.number != session:
            return False
        self._post(self._data, peer.routing_id, peer.session.action(action, self._clock_us(), session))
        return True

    def acknowledge(self, peer: bytes, ack: Ack) -> None:
        """Answers a ControlRequested."""
        if self._control is not None:
            self._post(self._control, peer, encode(ack))

    def publish(self, topic: str, body: Mapping[str, Value], session: int = 0, tick: int = 0) -> None:
        """Sends telemetry to whoever reads it; slow readers lose some, and can tell by the sequence."""
        if self._telemetry is None:
            return
        with self._wake_lock:
            self._telemetry_sequence = (self._telemetry_sequence + 1) & 0xFFFFFFFF
            sequence = self._telemetry_sequence
        message = Telemetry(sequence, topic, session, tick, self._clock_us(), body)
        self._post(self._telemetry, encode(message))

    def total(self) -> SessionCounters:
        """Returns what all sessions so far have seen."""
        counted = SessionCounters()
        with self._changed:
            for part in (self._over, *(peer.session.counters for peer in self._by_session.values())):
                counted.add(part)
        return counted

    @property
    def games(self) -> int:
        """Number of open sessions."""
        return len(self._by_session)

    def session_counters(self, session: int) -> SessionCounters | None:
        """Returns what a session has seen so far, None if it is over."""
        peer = self._by_session.get(session)
        return replace(peer.session.counters) if peer is not None else None

    # sockets

    def _bind_all(self, wanted: Endpoints, offer: Offer) -> Endpoints:
        self._data = self._open(zmq.ROUTER, offer, "game")
        data = bind(self._data, wanted.data, self._gate is not None)
        self._control, control = self._open_optional(zmq.ROUTER, wanted.control, offer, "designer")
        self._telemetry, telemetry = self._open_optional(zmq.PUB, wanted.telemetry, offer, "observer")
        return Endpoints(data, control, telemetry)

    def _open(self, kind: int, offer: Offer, role: str = "") -> Socket:
        socket = self._context.socket(kind)
        self._sockets.append(socket)
        server_options(socket, offer.limits)
        if self._gate is not None and role:
            self._gate.guard(socket, role)
        if kind == zmq.PUB:
            socket.setsockopt(zmq.SNDHWM, PUBLISH_QUEUE)
        return socket

    def _open_optional(self, kind: int, endpoint: str, offer: Offer, role: str) -> tuple[Socket | None, str]:
        if not endpoint:
            return None, ""
        socket = self._open(kind, offer, role)
        return socket, bind(socket, endpoint, self._gate is not None)

    def _close_sockets(self) -> None:
        for socket in self._sockets:
            socket.close(FAREWELL_MS if self._farewell else 0)
        if self._own_context:
            self._context.term()

    def _post(self, socket: Socket, *parts: bytes) -> None:
        self._outbox.append((socket, parts))
        self._wake()

    def _wake(self) -> None:
        with self._wake_lock:
            try:
                self._wake_out.send(b"", zmq.NOBLOCK)
            except zmq.Again:
                pass  # enough wake-ups are already waiting
            except zmq.ZMQError:
                LOG.debug("the server is closing")

    # the I/O thread

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:  # a dead thread must not look like a brain with nothing to do
            LOG.exception("the I/O thread ended")
            with self._changed:
                self._failed = True
                self._changed.notify_all()

    def _serve(self) -> None:
        poller = self._poller()
        next_sweep_us = next_look_us = 0
        while not self._stopping:
            ready = dict(poller.poll(IDLE_MS))
            if self._gate is not None and self._gate.socket in ready:
                self._gate.answer()
            if self._wake_in in ready:
                self._drain_wakes()
            self._flush()
            if self._data in ready:
                self._drain(self._data, self._on_data)
            if self._control is not None and self._control in ready:
                self._drain(self._control, self._on_control)
            now_us = self._clock_us()
            if now_us >= next_sweep_us:
                next_sweep_us = now_us + 1_000_000
                self._sweep(now_us)
            if now_us >= next_look_us:
                next_look_us = now_us + LOOK_US
                if self._memory.alarmed(now_us) and self._rebind():
                    poller = self._poller()
        self._flush()
        if self._farewell:
            self._say_farewell()

    def _poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        for socket in (self._wake_in, self._data, self._control, self._gate.socket if self._gate else None):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        return poller

    def _rebind(self) -> bool:
        """Cuts all connections, which frees what ZeroMQ keeps for them, and listens at the same addresses again."""
        at = self.endpoints
        if any(endpoint.startswith("inproc:") for endpoint in (at.data, at.control, at.telemetry)):
            return False  # threads of this very process, which could not connect again
        LOG.warning("memory grew too far: all connections are cut, games come back by themselves")
        self.counters.rebound += 1
        self._flush()
        for socket in (self._data, self._control, self._telemetry):
            if socket is not None:
                self._sockets.remove(socket)
                self._discarding.discard(socket)
                socket.close(0)
        for peer in self._peers.values():
            peer.gone = True
        self._listen_again()
        self._memory.settle(self._clock_us())
        return True

    def _listen_again(self) -> None:
        end = time.monotonic() + REBIND_S
        while True:
            known = list(self._sockets)
            try:
                self._bind_all(self.endpoints, self._offer)
                return
            except (EndpointError, zmq.ZMQError):  # the system has not let the port go yet
                for socket in [socket for socket in self._sockets if socket not in known]:
                    self._sockets.remove(socket)
                    socket.close(0)
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)

    def _say_farewell(self) -> None:
        for peer in list(self._peers.values()):
            self._apply(peer, peer.session.close(ErrorCode.SESSION, self._farewell))
        with self._changed:
            waiting = list(self._events)
        for event in waiting:
            if isinstance(event, ControlRequested) and self._control is not None:
                ack = Ack(event.control.request, 0, ErrorCode.BUSY, self._farewell)
                self._send_now(self._control, (event.peer, encode(ack)))
        time.sleep(FAREWELL_MS / 1000)

    def _drain_wakes(self) -> None:
        try:
            while True:
                self._wake_in.recv(zmq.NOBLOCK)
        except zmq.Again:
            return

    def _flush(self) -> None:
        while self._outbox:
            socket, parts = self._outbox.popleft()
            self._send_now(socket, parts)

    def _send_now(self, socket: Socket, parts: tuple[bytes, ...]) -> None:
        try:
            send_now(socket, *parts)
        except zmq.ZMQError as error:  # the peer is gone or does not read
            if socket is self._data:
                self.counters.dropped_actions += 1
            if error.errno == zmq.EHOSTUNREACH and socket is self._data and parts[0] in self._peers:
                self._peers[parts[0]].gone = True

    def _drain(self, socket: Socket, take: Callable[[bytes, bytes], None]) -> None:
        """Reads up to TURN messages frame by frame: one that has more parts than two breaks the protocol."""
        end = time.perf_counter() + TURN_S
        for _ in range(TURN):
            if time.perf_counter() > end:
                return
            try:
                if socket in self._discarding and not self._discard(socket):
                    return
                routing_id = socket.recv(zmq.NOBLOCK)
                frame = socket.recv(zmq.NOBLOCK) if socket.getsockopt(zmq.RCVMORE) else b""
                if socket.getsockopt(zmq.RCVMORE):
                    self._discarding.add(socket)
                    self.counters.multipart += 1
                    self._on_multipart(socket, routing_id)
                    continue
            except zmq.Again:
                return
            take(routing_id, frame)

    def _discard(self, socket: Socket) -> bool:
        """Throws away parts of a forbidden message, some per turn; True when it has ended."""
        for _ in range(PART_BUDGET):
            if not socket.getsockopt(zmq.RCVMORE):
                self._discarding.discard(socket)
                return True
            socket.recv(zmq.NOBLOCK)
        return False

    def _on_multipart(self, socket: Socket, routing_id: bytes) -> None:
        text = "message: expected one frame, got several"
        peer = self._peers.get(routing_id) if socket is self._data else None
        if peer is not None:
            self._apply(peer, peer.session.bad(ErrorCode.LENGTH, text))
        else:
            self._send_now(socket, (routing_id, error_frame(ErrorCode.LENGTH, text)))

    def _on_data(self, routing_id: bytes, frame: bytes) -> None:
        known = self._peers.get(routing_id) or self._resumed(routing_id, frame)
        if known is None and len(self._peers) >= self._offer.limits.games:
            text = f"HELLO: expected at most {self._offer.limits.games} games, got one more"
            self._send_quietly(routing_id, error_frame(ErrorCode.BUSY, text))
            return
        if len(self._events) >= WAITING_EVENTS and frame[5:6] == bytes([Kind.HELLO]):
            self._send_quietly(routing_id, error_frame(ErrorCode.BUSY, "HELLO: the brain takes no events now"))
            return
        peer = known or _Peer(routing_id, ServerSession(self._new_number, self._offer, self._admit))
        peer.gone = False
        try:
            received = peer.session.receive(frame, self._clock_us())
        except Exception:  # the session loop: whatever goes wrong here ends this session and no other
            incident = secrets.token_hex(4)
            LOG.exception("incident %s: session %d closed", incident, peer.session.number)
            text = f"the brain failed (incident {incident})"
            live = peer.session.phase is LIVE
            received = (
                peer.session.close(ErrorCode.INTERNAL, text)
                if live
                else Received(replies=(error_frame(ErrorCode.INTERNAL, text),))
            )
        if known is None and peer.session.phase is not LIVE:
            self.counters.refused += 1
        self._apply(peer, received)

    def _resumed(self, routing_id: bytes, frame: bytes) -> _Peer | None:
        """Finds the peer whose session a HELLO from another connection goes on with, and moves it there."""
        if frame[5:6] != bytes([Kind.HELLO]) or b"resume" not in frame:
            return None  # as nearly all: not worth reading twice
        try:
            hello = decode(frame, None, self._offer.limits)
        except RemoteProtocolError:
            return None  # its own session says what is wrong with it
        assert isinstance(hello, Hello)  # by its kind
        peer = next((peer for peer in self._peers.values() if peer.session.resumes(hello)), None)
        if peer is not None:
            del self._peers[peer.routing_id]
            peer.routing_id = routing_id
            self._peers[routing_id] = peer
        return peer

    def _apply(self, peer: _Peer, received: Received) -> None:
        for reply in received.replies:
            self._send_quietly(peer.routing_id, reply)
        if peer.session.phase is LIVE:
            self._peers[peer.routing_id] = peer
        else:
            self._peers.pop(peer.routing_id, None)
        with self._changed:
            for event in received.events:
                self._note(peer, event)
            if received.events:
                self._changed.notify_all()

    def _send_quietly(self, routing_id: bytes, reply: bytes) -> None:
        try:
            send_now(self._data, routing_id, reply)
        except zmq.ZMQError:
            LOG.debug("a reply found no reader")

    def _note(self, peer: _Peer, event: Event) -> None:
        match event:
            case SnapshotArrived():
                if event.session in self._newest:
                    self.counters.dropped_stale += 1
                    peer.session.counters.dropped_stale += 1
                self._newest[event.session] = event
                return
            case GameJoined():
                self._by_session[event.session] = peer
                self._clear_away(event.game, peer)
            case GameLeft():
                self._by_session.pop(event.session, None)
                self._over.add(peer.session.counters)
                peer.session.counters = SessionCounters()
                self._newest.pop(event.session, None)
            case SchemaChanged():
                self._newest.pop(event.session, None)  # laid out by the old schema
        self._events.append(event)

    def _clear_away(self, game: str, newcomer: _Peer) -> None:
        """Ends what a game left behind that is back without going on with it; where several have its name, nothing."""
        others = [peer for peer in self._peers.values() if peer.session.game == game and peer is not newcomer]
        if len(others) == 1 and others[0].gone:
            del self._peers[others[0].routing_id]
            for event in others[0].session.lost("the game was started anew").events:
                self._note(others[0], event)

    def _on_control(self, routing_id: bytes, frame: bytes) -> None:
        assert self._control is not None  # called for its frames only
        try:
            header = read_header(frame, self._offer.limits)
            if header.kind is not Kind.CONTROL:
                raise RemoteProtocolError(ErrorCode.MAGIC, f"control: expected CONTROL, got {header.kind.name}")
            control = decode(frame, None, self._offer.limits)
        except RemoteProtocolError as error:
            self._send_now(self._control, (routing_id, error_frame(error.code, str(error), fatal=False)))
            return
        assert isinstance(control, Control)  # by its kind
        if self._controls_waiting >= WAITING_CONTROLS or not self._in_rate(routing_id):
            text = "control: too many requests; try again in a second"
            ack = Ack(control.request, 0, ErrorCode.BUSY, text)
            self._send_now(self._control, (routing_id, encode(ack)))
            return
        with self._changed:
            self._controls_waiting += 1
            self._events.append(ControlRequested(routing_id, control))
            self._changed.notify_all()

    def _in_rate(self, routing_id: bytes) -> bool:
        second = self._clock_us() // 1_000_000
        at, count = self._control_rate.get(routing_id, (second, 0))
        count = count + 1 if at == second else 1
        self._control_rate[routing_id] = (second, count)
        return count <= self._offer.limits.controls_per_s

    def _sweep(self, now_us: int) -> None:
        for peer in list(self._peers.values()):
            if now_us - peer.session.last_heard_us > SILENCE_US:
                self._apply(peer, peer.session.lost("the game fell silent"))
        second = now_us // 1_000_000
        self._control_rate = {k: v for k, v in self._control_rate.items() if v[0] >= second - 1}

    def _new_number(self) -> int:
        while True:
            number = secrets.randbits(32)
            if number and number not in self._by_session:
                return number
