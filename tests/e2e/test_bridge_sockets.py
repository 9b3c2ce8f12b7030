"""Client and server over real sockets on loopback: handshake, kill and restart, and every way a peer can be wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zmq
from waiting import DEADLINE_S, until

from npc_bridge import faults
from npc_bridge.client import Client, ControlClient, TelemetryReader
from npc_bridge.conformance import sample_schema, sample_snapshot
from npc_bridge.delta import snapped
from npc_bridge.endpoints import is_near
from npc_bridge.errors import (
    ControlRefused,
    ControlTimeout,
    EndpointError,
    ErrorCode,
    LocalProtocolError,
    Refused,
    SchemaMismatch,
)
from npc_bridge.limits import Limits
from npc_bridge.messages import (
    Ack,
    Action,
    Bye,
    Delta,
    EntityBlock,
    ErrorReport,
    Hello,
    SchemaChange,
    Snapshot,
    Telemetry,
    Welcome,
    decode,
    encode,
)
from npc_bridge.recording import Recorder, read
from npc_bridge.schema import Schema
from npc_bridge.server import BridgeServer, ControlRequested, Endpoints, Event
from npc_bridge.session import GameJoined, GameLeft, Offer, SchemaChanged, SnapshotArrived

SCHEMA = sample_schema()
BLOCKS = sample_snapshot().blocks
IDS = BLOCKS["npc"].ids
FAULT_S = 1.0  # what a fault may take, promised; asserted loosely, as machines stall


def answer(arrived: SnapshotArrived, chunk: int) -> Action:
    """Returns a plan that stands still where the NPCs of the snapshot are."""
    npcs = arrived.snapshot.blocks["npc"]
    n, tick = len(npcs.ids), arrived.snapshot.tick
    return Action(
        session=0,
        schema_id=0,
        source_tick=tick,
        apply_tick=tick + 1,
        valid_until_tick=tick + 6,
        chunk=chunk,
        sequence=0,
        received_us=arrived.received_us,
        planned_us=arrived.received_us,
        sent_us=0,
        ids=npcs.ids,
        steps=np.zeros((n, 6, 4), np.float32),
        expected=np.zeros((n, 6, 4), np.float32),
        brake=np.full(n, 16, np.float32),
        tolerance=np.full(n, 0.05, np.float32),
        status=np.ones(n, np.uint8),
        bark=np.ones(n, np.uint16),
    )


class Brain:
    """A planner thread that answers every snapshot and remembers all events."""

    def __init__(self, server: BridgeServer) -> None:
        self.server = server
        self.events: list[Event] = []
        self._chunk = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop:
            for event in self.server.poll(20):
                self.events.append(event)
                if isinstance(event, SnapshotArrived):
                    self._chunk += 1
                    self.server.send(event.session, answer(event, self._chunk))
                    self.server.publish("tick", {"tick": event.snapshot.tick}, event.session)
                elif isinstance(event, ControlRequested):
                    code = ErrorCode.CONTROL if event.control.verb == "wrong" else 0
                    ack = Ack(event.control.request, 3, code, "no" if code else "", dict(event.control.arguments))
                    self.server.acknowledge(event.peer, ack)

    def seen(self, kind: type[Event]) -> list[Event]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def close(self) -> None:
        self._stop = True
        self._thread.join()


@contextmanager
def brain(**options: object) -> Iterator[Brain]:
    with BridgeServer(**options) as server:  # type: ignore[arg-type]  # each test passes what BridgeServer takes
        thinking = Brain(server)
        yield thinking
        thinking.close()


class Game:
    """Pushes and polls at growing ticks."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tick = 0
        self.actions: list[Action] = []

    def turn(self) -> None:
        self.tick += 1
        self.client.push(self.tick, BLOCKS)
        self.actions += self.client.poll()

    def plays(self) -> bool:
        self.turn()
        return self.client.fault is None and bool(self.actions)

    def has(self, fault: type[faults.Fault]) -> bool:
        self.turn()
        return type(self.client.fault) is fault


@pytest.fixture
def thinking() -> Iterator[Brain]:
    with brain() as running:
        yield running


def test_a_game_joins_plays_and_leaves(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA, "arena 1") as client:
        assert type(client.fault) is faults.Connecting
        game = Game(client)
        until(game.plays)
        assert client.session == thinking.seen(GameJoined)[0].session  # type: ignore[union-attr]  # filtered by kind
        assert client.welcome is not None
        assert client.welcome.control == thinking.server.endpoints.control
        assert client.snapshots_sent > 0
        action = game.actions[-1]
        result = client.step(action.apply_tick, IDS, np.zeros((len(IDS), 4)))
        assert (result.rung == 0).all()
        assert client.counters.planned == len(IDS)
        assert thinking.server.session_counters(client.session) is not None
        session = client.session
    until(lambda: thinking.seen(GameLeft))
    assert thinking.server.session_counters(session) is None
    assert not thinking.server.send(session, action)


def test_barks_have_their_text() -> None:
    with (
        brain(offer=Offer(barks=("flanking",))) as thinking,
        Client(thinking.server.endpoints.data, SCHEMA) as client,
    ):
        until(Game(client).plays)
        assert [client.bark(n) for n in (0, 1, 2)] == ["", "flanking", ""]


@pytest.mark.parametrize("kind", ["inproc://brain", "ipc"])
def test_other_transports_work_alike(kind: str, tmp_path: Path) -> None:
    if kind == "ipc" and not zmq.has("ipc"):
        pytest.skip("this system has no ipc")
    endpoint = f"ipc://{tmp_path}/brain" if kind == "ipc" else kind
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with (
        brain(endpoints=Endpoints(data=endpoint, control="", telemetry=""), context=context) as thinking,
        Client(endpoint, SCHEMA, context=context) as client,
    ):
        until(Game(client).plays)
        assert thinking.server.endpoints.control == ""
        thinking.server.publish("nobody", {})
    context.term()


def test_two_games_do_not_mix(thinking: Brain) -> None:
    data = thinking.server.endpoints.data
    with Client(data, SCHEMA, "one") as one, Client(data, SCHEMA, "two") as two:
        games = Game(one), Game(two)
        until(lambda: games[0].plays() & games[1].plays())
        assert one.session != two.session
        for game in games:
            assert {action.session for action in game.actions} == {game.client.session}


def test_a_wire_recording_can_be_read_back(thinking: Brain, tmp_path: Path) -> None:
    with (
        Recorder(tmp_path / "play.npcw", SCHEMA) as recorder,
        Client(thinking.server.endpoints.data, SCHEMA, recorder=recorder) as client,
    ):
        until(Game(client).plays)
    kinds = [type(decode(record.data, SCHEMA)).__name__ for record in read(tmp_path / "play.npcw")]
    assert {"Hello", "Welcome", "Snapshot", "Action"} <= set(kinds)


def test_a_game_that_sends_what_changes_is_understood_and_recorded(thinking: Brain, tmp_path: Path) -> None:
    with (
        Recorder(tmp_path / "play.npcw", SCHEMA) as recorder,
        Client(thinking.server.endpoints.data, SCHEMA, delta=True, recorder=recorder) as client,
    ):
        game = Game(client)
        until(lambda: game.plays() and len(game.actions) > 20)
        assert client.welcome is not None
        assert client.welcome.capabilities == ("delta",)
        assert client.fault is None
    recording = read(tmp_path / "play.npcw")
    sent = [m for m in (decode(record.data, SCHEMA) for record in recording) if isinstance(m, Delta)]
    assert sent[0].baseline is None
    assert sent[-1].baseline is not None
    assert len(encode(sent[-1], SCHEMA)) < len(encode(sent[0], SCHEMA))
    wanted = snapped(sample_snapshot(), SCHEMA).blocks
    for message in (m for _, m in recording.messages() if isinstance(m, Snapshot)):
        for name, block in message.blocks.items():
            assert block.values.tobytes() == wanted[name].values.tobytes()


def test_a_recorder_that_fails_does_not_disturb_the_game(thinking: Brain, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "play.npcw", SCHEMA)
    recorder.close()
    with Client(thinking.server.endpoints.data, SCHEMA, recorder=recorder) as client:
        until(Game(client).plays)


def test_a_restart_opens_a_new_session_with_ticks_from_zero(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        first = client.session
        client.step(game.tick, IDS, np.zeros((len(IDS), 4)))
        counted = client.counters
        game.tick = -1
        until(lambda: game.has(faults.StaleTicks))
        larger = replace(SCHEMA, bounds=(-20.0, -20.0, 20.0, 20.0))
        client.restart(larger)
        game.tick = -1
        until(lambda: game.plays() and client.session not in (0, first))
        assert client.schema == larger
        assert client.counters == counted
        until(lambda: thinking.seen(GameLeft))
        assert [event.session for event in thinking.seen(GameLeft)] == [first]  # type: ignore[union-attr]


def test_a_changed_schema_keeps_the_session(thinking: Brain) -> None:
    with raw_dealer(thinking.server.endpoints.data) as dealer:
        welcome = greet(dealer)
        other = replace(SCHEMA, barks=())
        dealer.send(encode(SchemaChange(welcome.session, other)))
        again = receive(dealer)
        assert isinstance(again, Welcome)
        assert (again.session, again.schema_sha256) == (welcome.session, other.sha256)
        until(lambda: thinking.seen(SchemaChanged))


# the brain dies


BRAIN = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_bridge_sockets import Brain
from npc_bridge.server import BridgeServer, Endpoints
server = BridgeServer(Endpoints(data=sys.argv[1], control="", telemetry=""))
print(server.endpoints.data, flush=True)
thinking = Brain(server)
while True:
    time.sleep(1)
"""


def start_brain(endpoint: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BRAIN, endpoint, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def stop_brain(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_brain_is_named_and_a_new_one_taken_up_with_nothing_stale() -> None:
    process, endpoint = start_brain("tcp://127.0.0.1:0")
    with Client(endpoint, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        first = client.session
        os.kill(process.pid, signal.SIGKILL)
        stop_brain(process)
        until(lambda: game.has(faults.NotListening))
        assert client.session == 0
        several_tries = time.monotonic() + 0.2
        until(lambda: game.has(faults.NotListening) and time.monotonic() > several_tries)
        assert client.fault is not None
        assert "the connection broke, and nothing listens" in client.fault.text
        game.actions.clear()
        ids = IDS
        lost_at = game.tick
        rungs = [client.step(lost_at + i, ids, np.zeros((len(ids), 4))).rung for i in range(30, 33)]
        assert (np.concatenate(rungs) == 3).all()
        for _ in range(20):
            game.turn()  # snapshots nobody must ever see
        silent_until = game.tick
        process, _ = start_brain(endpoint)
        until(game.plays)
        assert client.session not in (0, first)
        assert min(action.source_tick for action in game.actions) > silent_until
        assert {action.session for action in game.actions} == {client.session}
        assert client.counters.stale_dropped == 0
        stop_brain(process)


# peers that are wrong, seen from the game


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def tcp_server(reply: bytes, hang_up: bool) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stopping = threading.Event()
    kept: list[socket.socket] = []

    def serve() -> None:
        while not stopping.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            kept.append(peer)
            peer.settimeout(1.0)
            if reply:
                peer.recv(64)
                peer.sendall(reply)
            if hang_up:
                peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        thread.join()
        for peer in kept:
            peer.close()
        listener.close()


def assert_fault(endpoint: str, fault: type[faults.Fault], **options: object) -> faults.Fault:
    with Client(endpoint, SCHEMA, **options) as client:  # type: ignore[arg-type]  # each test passes what Client takes
        game = Game(client)
        began = time.monotonic()
        until(lambda: game.has(fault))
        took_s = time.monotonic() - began
        assert took_s < 3 * FAULT_S, f"{fault.__name__} took {took_s:.2f} s"
        assert client.fault is not None
        assert client.fault.text
        assert client.fault.remedy
        return client.fault


def test_nothing_listening_is_named() -> None:
    fault = assert_fault(f"tcp://127.0.0.1:{free_port()}", faults.NotListening)
    assert "nothing listens" in fault.text
    assert "npc-sdk serve" in fault.remedy


@pytest.mark.parametrize(
    ("reply", "hang_up"),
    [(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", True), (b"", True), (b"", False)],
    ids=["http", "hangs up", "silent"],
)
def test_another_protocol_is_named(reply: bytes, hang_up: bool) -> None:
    with tcp_server(reply, hang_up) as endpoint:
        assert_fault(endpoint, faults.NotOurProtocol)


@contextmanager
def clumsy(endpoint: str) -> Iterator[str]:
    """Passes on to a brain, but hangs up on the first who comes, and lets the second wait."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends: list[socket.socket] = []

        def pump(one: socket.socket, other: socket.socket) -> None:
            with suppress(OSError):
                while part := one.recv(1 << 16):
                    other.sendall(part)

        def serve() -> None:
            with suppress(OSError):
                for number in count():
                    peer, _ = listener.accept()
                    ends.append(peer)
                    if number == 0:
                        peer.recv(10)
                        peer.close()
                    elif number > 1:
                        ends.append(socket.create_connection((host, int(port))))
                        for pair in (ends[-2:], ends[:-3:-1]):
                            threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for end in ends:
            end.close()


def test_a_brain_whose_first_handshake_was_cut_is_no_stranger(thinking: Brain) -> None:
    with clumsy(thinking.server.endpoints.data) as endpoint, Client(endpoint, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        end = time.monotonic() + 0.4  # longer than a peer that hung up is waited for
        while time.monotonic() < end:
            game.turn()
            time.sleep(0.01)
        assert client.fault is None


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.REP, zmq.ROUTER], ids=["pub", "rep", "router"])
def test_another_zeromq_service_is_named(kind: int) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    other = context.socket(kind)
    other.linger = 0
    port = other.bind_to_random_port("tcp://127.0.0.1")
    assert_fault(f"tcp://127.0.0.1:{port}", faults.NotOurProtocol)
    other.close()
    context.term()


def test_the_brains_other_channels_are_named(thinking: Brain) -> None:
    at = thinking.server.endpoints
    assert "expected CONTROL" in assert_fault(at.control, faults.NotOurProtocol).text
    assert_fault(at.telemetry, faults.NotOurProtocol)


@contextmanager
def fake_server(*replies: bytes) -> Iterator[str]:
    """A ROUTER that answers every message with the same frames."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.linger = 0
    port = router.bind_to_random_port("tcp://127.0.0.1")
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            if router.poll(20):
                routing_id, *_ = router.recv_multipart()
                for reply in replies:
                    router.send_multipart((routing_id, reply))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        stopping.set()
        thread.join()
        router.close()
        context.term()


def test_a_peer_that_answers_something_else_is_named() -> None:
    with fake_server(b"hello to you") as endpoint:
        assert_fault(endpoint, faults.NotOurProtocol)


def test_a_server_of_another_major_version_is_named() -> None:
    frame = bytearray(encode(ErrorReport(0, ErrorCode.INTERNAL, True, "", "")))
    frame[4] = 2
    with fake_server(bytes(frame)) as endpoint:
        assert_fault(endpoint, faults.VersionFault)


def test_a_client_without_a_common_version_is_refused(thinking: Brain) -> None:
    fault = assert_fault(thinking.server.endpoints.data, faults.VersionFault, majors=(2, 3))
    assert "2, 3" in fault.text
    assert_still_serving(thinking)


def test_a_welcome_for_another_schema_is_not_taken() -> None:
    with fake_server(encode(Welcome(7, 1, 0, "00" * 32))) as endpoint:
        fault = assert_fault(endpoint, faults.NotOurProtocol)  # its nonce is wrong: never answered
        assert "HELLO" in fault.text


def test_a_malformed_endpoint_is_a_fault_not_an_exception() -> None:
    with Client("nonsense", SCHEMA) as client:
        assert type(client.fault) is faults.LocalFault
        assert client.poll() == ()
        assert not client.push(1, BLOCKS)


# games that are wrong, seen from the server


def assert_still_serving(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client:
        until(Game(client).plays)


@contextmanager
def raw_dealer(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.rcvtimeo = int(DEADLINE_S * 1000)
    dealer.connect(endpoint)
    try:
        yield dealer
    finally:
        dealer.close()
        context.term()


def receive(dealer: zmq.Socket[bytes]) -> object:
    return decode(dealer.recv(), SCHEMA)


def greet(dealer: zmq.Socket[bytes]) -> Welcome:
    dealer.send(encode(Hello((1,), "test", "raw", SCHEMA)))
    welcome = receive(dealer)
    assert isinstance(welcome, Welcome)
    return welcome


def refusal(dealer: zmq.Socket[bytes], *frames: bytes) -> ErrorReport:
    dealer.send_multipart(frames)
    report = receive(dealer)
    assert isinstance(report, ErrorReport)
    assert report.remedy
    return report


def test_frames_of_a_stranger_are_refused_with_their_reason(thinking: Brain) -> None:
    snapshot = encode(sample_snapshot(), SCHEMA)
    with raw_dealer(thinking.server.endpoints.data) as dealer:
        assert refusal(dealer, b"GET / HTTP/1.1").code is ErrorCode.MAGIC
        assert refusal(dealer, snapshot[:4] + b"\x02" + snapshot[5:]).code is ErrorCode.VERSION
        assert refusal(dealer, snapshot).code is ErrorCode.SESSION
        assert refusal(dealer, snapshot, b"another part").code is ErrorCode.LENGTH
    assert_still_serving(thinking)
    assert thinking.server.counters.multipart == 1


def test_a_flood_of_frames_in_one_message_does_not_stop_the_others(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client, raw_dealer(thinking.server.endpoints.data) as dealer:
        game = Game(client)
        until(game.plays)
        dealer.send_multipart([b""] * 50_000)
        until(lambda: game.plays() and thinking.server.counters.multipart == 1)
        report = receive(dealer)
        assert isinstance(report, ErrorReport)
        assert report.code is ErrorCode.LENGTH
        game.actions.clear()
        until(game.plays)
        assert len(thinking.seen(GameJoined)) == 1


def test_a_frame_of_an_unregistered_schema_is_an_error_with_both_ids(thinking: Brain) -> None:
    with raw_dealer(thinking.server.endpoints.data) as dealer:
        session = greet(dealer).session
        other = replace(SCHEMA, game="other")
        frame = encode(replace(sample_snapshot(), session=session, schema_id=other.schema_id), other)
        report = refusal(dealer, frame)
        assert (report.code, report.fatal) == (ErrorCode.SCHEMA, False)
        assert f"{SCHEMA.schema_id:08x}" in report.text
        assert f"{other.schema_id:08x}" in report.text
    assert_still_serving(thinking)


def test_ten_bad_messages_close_the_session(thinking: Brain) -> None:
    with raw_dealer(thinking.server.endpoints.data) as dealer:
        session = greet(dealer).session
        bad = encode(replace(sample_snapshot(), session=session), SCHEMA)[:-1]
        reports = [refusal(dealer, bad) for _ in range(Limits().bad_messages)]
        assert [report.fatal for report in reports] == [False] * 9 + [True]
        assert refusal(dealer, bad).code is ErrorCode.SESSION
        until(lambda: thinking.seen(GameLeft))
    assert_still_serving(thinking)


def test_nan_in_a_field_is_named_and_play_goes_on(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        npc = BLOCKS["npc"]
        broken = npc.values.copy()
        broken[1, 2] = np.nan
        game.tick += 1
        assert client.push(game.tick, {**BLOCKS, "npc": EntityBlock(npc.ids, broken)})
        until(lambda: client.poll() or type(client.fault) is faults.ValueFault)
        until(lambda: client.poll() == () and type(client.fault) is faults.ValueFault)
        assert client.fault is not None
        assert "field 'vx' of entity 'npc' 102" in client.fault.text
        assert "nan" in client.fault.text
        until(game.plays)
    assert_still_serving(thinking)


def test_a_snapshot_of_ten_megabytes_is_not_sent_and_named(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        n = 500_000
        huge = EntityBlock(np.arange(1, n + 1, dtype=np.uint32), np.zeros((n, 5), np.float32))
        assert not client.push(game.tick + 1, {"npc": huge})
        assert type(client.fault) is faults.TooLarge
        until(game.plays)


def test_ten_megabytes_from_a_raw_peer_disturb_nobody(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client, raw_dealer(thinking.server.endpoints.data) as dealer:
        game = Game(client)
        until(game.plays)
        session = client.session
        dealer.send(bytes(10_000_000))
        for _ in range(30):
            game.turn()
            time.sleep(0.005)
        until(game.plays)
        assert client.session == session


def test_arrays_that_do_not_fit_are_a_fault_of_the_game(thinking: Brain) -> None:
    with Client(thinking.server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(game.plays)
        wrong = EntityBlock(IDS, np.zeros((len(IDS), 3), np.float32))
        assert not client.push(game.tick + 1, {"npc": wrong})
        assert type(client.fault) is faults.LocalFault
        assert "entity 'npc'" in client.fault.text
        until(game.plays)
        for nonsense in ({"npc": "x"}, {"npc": EntityBlock([1], [2.0])}, {"dragon": wrong}, None):  # type: ignore[arg-type]
            assert not client.push(game.tick + 1, nonsense)  # type: ignore[arg-type]  # on purpose
            assert type(client.fault) is faults.LocalFault
        assert not client.push(-1, BLOCKS)
        until(game.plays)


def test_a_game_the_brain_refuses_sees_why_and_gets_in_later() -> None:
    allowed = threading.Event()

    def admit(schema: Schema) -> tuple[str, ...]:
        if not allowed.is_set():
            raise SchemaMismatch("the model does not fit the game: npc.x: unit", ("npc.x",))
        return ("field npc.y: default",)

    with brain(admit=admit) as thinking, Client(thinking.server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(lambda: game.has(faults.ModelFault))
        assert client.fault is not None
        assert "npc.x" in client.fault.text
        allowed.set()
        until(game.plays)
        assert client.welcome is not None
        assert client.welcome.warnings == ("field npc.y: default",)


def test_a_brain_that_fails_inside_closes_that_session_only() -> None:
    def admit(schema: Schema) -> tuple[str, ...]:
        if schema.game == "bad":
            raise ZeroDivisionError("a bug")
        if schema.game == "full":
            raise Refused(ErrorCode.BUSY, "full")
        return ()

    with brain(admit=admit) as thinking:
        data = thinking.server.endpoints.data
        with Client(data, replace(SCHEMA, game="bad")) as client:
            game = Game(client)
            until(lambda: game.has(faults.BrainFault))
            assert client.fault is not None
            assert "incident" in client.fault.text
            assert "bug" not in client.fault.text
        with Client(data, replace(SCHEMA, game="full")) as client:
            game = Game(client)
            until(lambda: game.has(faults.Busy))
        assert_still_serving(thinking)


def test_one_game_more_than_the_limit_is_told_so() -> None:
    with brain(offer=Offer(limits=Limits(games=1))) as thinking:
        data = thinking.server.endpoints.data
        with Client(data, SCHEMA) as first:
            until(Game(first).plays)
            with Client(data, SCHEMA) as second:
                game = Game(second)
                until(lambda: game.has(faults.Busy))
                first.close()
                until(game.plays)


def test_a_brain_that_sends_nothing_is_named() -> None:
    with BridgeServer() as server, Client(server.endpoints.data, SCHEMA) as client:
        game = Game(client)
        until(lambda: game.has(faults.Silent))


def test_snapshots_nobody_takes_are_replaced_and_counted() -> None:
    with BridgeServer() as server, Client(server.endpoints.data, SCHEMA) as client:
        game = Game(client)

        def dropped() -> bool:
            game.turn()
            return server.counters.dropped_stale >= 3

        until(dropped)
        arrived = [event for event in server.poll(100) if isinstance(event, SnapshotArrived)]
        assert len(arrived) == 1
        plan = answer(arrived[0], 1)
        broken = replace(plan, steps=plan.steps * np.float32(np.nan))
        with pytest.raises(LocalProtocolError, match="move_x"):
            server.send(client.session, broken)


def test_joins_the_brain_does_not_take_are_bounded() -> None:
    with BridgeServer() as server, raw_dealer(server.endpoints.data) as dealer:
        session = greet(dealer).session
        bye = 0
        while True:  # join and leave until the server has had enough
            dealer.send(encode(Bye(session)))
            dealer.send(encode(Hello((1,), "test", "raw", SCHEMA, nonce=bye)))
            reply = receive(dealer)
            if isinstance(reply, ErrorReport):
                break
            assert isinstance(reply, Welcome)
            session, bye = reply.session, bye + 1
            assert bye < 5000
        assert reply.code is ErrorCode.BUSY
        server.poll()
        greet(dealer)


def test_a_game_that_vanishes_is_let_go_after_its_silence() -> None:
    clock = [0]
    with brain(clock_us=lambda: clock[0]) as thinking:
        with raw_dealer(thinking.server.endpoints.data) as dealer:
            greet(dealer)
        until(lambda: thinking.seen(GameJoined))
        clock[0] += 20_000_000
        until(lambda: thinking.seen(GameLeft))


def hello_of(number: int, resume: str = "", game: str = "game") -> bytes:
    return encode(Hello((1,), "raw", game, SCHEMA, nonce=number, resume=resume))


def test_a_session_moves_to_another_connection_even_where_no_room_is_left() -> None:
    limits = Limits(games=1)
    with brain(offer=Offer(limits=limits)) as thinking:
        with raw_dealer(thinking.server.endpoints.data) as first:
            first.send(hello_of(1))
            before = receive(first)
            assert isinstance(before, Welcome)
        with raw_dealer(thinking.server.endpoints.data) as second:
            assert refusal(second, hello_of(2, "0" * 32)).code is ErrorCode.BUSY
            second.send(hello_of(3, before.resume))
            after = receive(second)
            assert isinstance(after, Welcome)
            assert (after.session, after.nonce) == (before.session, 3)
            second.send(encode(replace(sample_snapshot(), session=after.session), SCHEMA))
            assert isinstance(decode(second.recv(), SCHEMA), Action)
        assert len(thinking.seen(GameJoined)) == 1
        assert thinking.seen(GameLeft) == []


def test_a_game_that_was_started_anew_takes_the_place_of_what_its_crash_left(thinking: Brain) -> None:
    with raw_dealer(thinking.server.endpoints.data) as first:
        first.send(hello_of(1))
        before = receive(first)
        assert isinstance(before, Welcome)
        first.send(encode(replace(sample_snapshot(), session=before.session), SCHEMA))
        until(lambda: len(thinking.seen(SnapshotArrived)) == 1)
    dropped = thinking.server.counters.dropped_actions

    def noticed() -> bool:
        thinking.server.send(before.session, answer(thinking.seen(SnapshotArrived)[0], 9))  # type: ignore[arg-type]
        return thinking.server.counters.dropped_actions > dropped

    until(noticed)
    with raw_dealer(thinking.server.endpoints.data) as other, raw_dealer(thinking.server.endpoints.data) as second:
        other.send(hello_of(1, game="another"))
        assert isinstance(receive(other), Welcome)
        assert thinking.seen(GameLeft) == []  # it is not that one that came back
        second.send(hello_of(2))
        assert isinstance(receive(second), Welcome)
    until(lambda: len(thinking.seen(GameJoined)) == 3)
    order = [type(event) for event in thinking.events if isinstance(event, GameJoined | GameLeft)]
    assert order == [GameJoined, GameJoined, GameLeft, GameJoined]


def test_games_of_one_name_are_not_taken_for_each_other_when_all_were_cut_off(thinking: Brain) -> None:
    """Which of them a newcomer would be nobody can tell, so that all may come back."""
    sessions = []
    for number in (1, 2):
        with raw_dealer(thinking.server.endpoints.data) as dealer:
            dealer.send(hello_of(number))
            welcome = receive(dealer)
            assert isinstance(welcome, Welcome)
            sessions.append(welcome)
            dealer.send(encode(replace(sample_snapshot(), session=welcome.session), SCHEMA))
            until(lambda: len(thinking.seen(SnapshotArrived)) == len(sessions))
    arrived = thinking.seen(SnapshotArrived)[0]
    assert isinstance(arrived, SnapshotArrived)
    dropped = thinking.server.counters.dropped_actions
    for welcome in sessions:

        def noticed(session: int = welcome.session, before: int = thinking.server.counters.dropped_actions) -> bool:
            thinking.server.send(session, answer(arrived, 9))
            return thinking.server.counters.dropped_actions > before

        until(noticed)
    assert thinking.server.counters.dropped_actions >= dropped + 2
    with raw_dealer(thinking.server.endpoints.data) as newcomer, raw_dealer(thinking.server.endpoints.data) as back:
        newcomer.send(hello_of(3))
        assert isinstance(receive(newcomer), Welcome)
        back.send(hello_of(4, sessions[0].resume))
        again = receive(back)
        assert isinstance(again, Welcome)
        assert again.session == sessions[0].session
    assert thinking.seen(GameLeft) == []


def test_an_action_for_a_vanished_game_is_dropped_and_counted() -> None:
    with BridgeServer() as server:
        events: list[Event] = []
        with raw_dealer(server.endpoints.data) as dealer:
            session = greet(dealer).session
            dealer.send(encode(replace(sample_snapshot(), session=session), SCHEMA))

            def arrived_yet() -> bool:
                events.extend(server.poll(50))
                return any(isinstance(event, SnapshotArrived) for event in events)

            until(arrived_yet)
        arrived = next(e for e in events if isinstance(e, SnapshotArrived))
        until(lambda: server.send(session, answer(arrived, 1)) and server.counters.dropped_actions)
        assert not any(isinstance(event, GameLeft) for event in server.poll(50))  # it may go on over another connection


# addresses


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:0", "tcp://*:5757", "tcp://192.168.1.5:5757", "tcp://example:1", "udp://x", "tcp://"]
)
def test_the_server_listens_on_loopback_only(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="expected"):
        BridgeServer(Endpoints(data=endpoint))


def test_who_is_near_is_known() -> None:
    """A peer on another machine may take its time."""
    near = ("tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "ipc:///tmp/brain", "inproc://brain")
    assert all(is_near(endpoint) for endpoint in near)
    assert not any(is_near(endpoint) for endpoint in ("tcp://192.168.1.5:1", "tcp://brain.example:1"))


def test_a_taken_port_is_named(thinking: Brain) -> None:
    with pytest.raises(EndpointError, match="in use"):
        BridgeServer(Endpoints(data=thinking.server.endpoints.data))


# designers


def test_a_request_is_acknowledged_with_a_revision(thinking: Brain) -> None:
    with ControlClient(thinking.server.endpoints.control, timeout_ms=5000) as control:
        ack = control.request("set", {"weight": 2.5})
        assert ack.result == {"weight": 2.5}
        assert control.revision == ack.revision == 3
        with pytest.raises(ControlRefused, match="no") as refused:
            control.request("wrong")
        assert refused.value.code is ErrorCode.CONTROL


def test_a_request_without_an_answer_times_out() -> None:
    with (
        ControlClient(f"tcp://127.0.0.1:{free_port()}", timeout_ms=50) as control,
        pytest.raises(ControlTimeout, match="no answer"),
    ):
        control.request("ping")


def test_a_request_at_the_wrong_port_is_refused(thinking: Brain) -> None:
    with ControlClient(thinking.server.endpoints.data, timeout_ms=5000) as control, pytest.raises(ControlRefused):
        control.request("ping")


def test_malformed_requests_are_answered_and_too_many_refused(thinking: Brain) -> None:
    with raw_dealer(thinking.server.endpoints.control) as dealer:
        assert refusal(dealer, b"what").code is ErrorCode.MAGIC
        assert refusal(dealer, encode(Hello((1,), "c", "g", SCHEMA))).code is ErrorCode.MAGIC
        assert refusal(dealer, b"one", b"two").code is ErrorCode.LENGTH
    limits = Limits(controls_per_s=1)
    with (
        brain(offer=Offer(limits=limits), clock_us=lambda: 5) as still,
        ControlClient(still.server.endpoints.control, timeout_ms=5000) as control,
    ):
        control.request("ping")
        with pytest.raises(ControlRefused) as refused:
            control.request("ping")
        assert refused.value.code is ErrorCode.BUSY


def test_telemetry_arrives_numbered(thinking: Brain) -> None:
    with (
        TelemetryReader(thinking.server.endpoints.telemetry, topics=("tick",)) as reader,
        Client(thinking.server.endpoints.data, SCHEMA) as client,
    ):
        game = Game(client)
        messages: list[Telemetry] = []

        def enough() -> bool:
            game.turn()
            messages.extend(reader.poll())
            return len(messages) >= 3

        until(enough)
        assert {message.topic for message in messages} == {"tick"}
        numbers = [message.sequence for message in messages]
        assert numbers == sorted(numbers)
        assert reader.lost == numbers[-1] - numbers[0] + 1 - len(numbers)
        assert messages[0].session == client.session
