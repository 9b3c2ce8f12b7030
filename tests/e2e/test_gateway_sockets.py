"""Pages, by real WebSockets, and a brain behind the gateway that is a plain ZeroMQ socket."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import zmq
from waiting import DEADLINE_S, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from npc_bridge.conformance import sample_schema
from npc_bridge.frames import Kind
from npc_bridge.keys import PeerKeys, ServerKeys
from npc_bridge.limits import LIMITS
from npc_bridge.messages import Hello, Welcome, decode, encode
from npc_bridge.server import BridgeServer, Endpoints
from npc_sdk.gateway.page import FLOOD
from npc_sdk.gateway.start import Gateway, Settings

HERE = Origin("http://localhost:8000")
SCHEMA = sample_schema()


class Router:
    """A brain that says what the test says."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str = "tcp://127.0.0.1:*") -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, int(1000 * DEADLINE_S))
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.RCVBUF, 1 << 14)  # what is large takes its time
        self.socket.bind(endpoint)
        self.endpoint = str(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def hear(self) -> tuple[bytes, bytes]:
        """Waits for a message; returns who said what."""
        peer, frame = self.socket.recv_multipart()
        return peer, frame

    def knows(self, peer: bytes) -> bool:
        """Says whether a peer is still there."""
        try:
            self.socket.send_multipart([peer, b"?"])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as one:
        yield one


@pytest.fixture
def brain(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[Router]:
    router = Router(context)
    yield router
    router.socket.close()


@contextmanager
def gateway(endpoint: str, keys: PeerKeys | None = None, pages: int = LIMITS.games) -> Iterator[str]:
    """A gateway on a thread of its own; yields where it listens."""
    settings = Settings("127.0.0.1", 0, endpoint, frozenset({HERE}), keys, pages)
    urls: list[str] = []
    listening, ended = threading.Event(), threading.Event()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def ready(url: str) -> None:
        urls.append(url)
        listening.set()

    async def work() -> None:
        stops.append((asyncio.get_running_loop(), asyncio.Event()))
        await Gateway(settings).run(stops[0][1], ready)
        ended.set()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        assert listening.wait(DEADLINE_S)
        yield urls[0]
    finally:
        stops[0][0].call_soon_threadsafe(stops[0][1].set)
        thread.join()
    assert ended.is_set()


@contextmanager
def page(url: str, origin: Origin | None = HERE) -> Iterator[ClientConnection]:
    """A page, without what the gateway says of the brain."""
    with connect(url, origin=origin, compression=None, max_size=None) as one:
        yield one


@contextmanager
def joined(url: str) -> Iterator[ClientConnection]:
    """A page whose brain is there."""
    with page(url) as one:
        assert word(one) == "up"
        yield one


def word(one: ClientConnection) -> str:
    """What the gateway says next about the brain."""
    said = one.recv(DEADLINE_S)
    assert isinstance(said, str)
    return said.split(" ")[0]


def told_to_go(one: ClientConnection) -> tuple[int, str]:
    """Why a page was closed; what it hears before does not count."""
    with suppress(ConnectionClosed):
        while True:
            one.recv(DEADLINE_S)
    assert one.close_code is not None
    return one.close_code, one.close_reason or ""


def test_a_message_is_a_message_both_ways_and_each_page_a_peer_of_its_own(brain: Router) -> None:
    largest = bytes(LIMITS.frame_bytes)
    with gateway(brain.endpoint) as url, joined(url) as one, joined(url) as other:
        peers = []
        for said, message in ((one, b"one"), (other, b"other"), (one, b""), (one, largest)):
            said.send(message)
            peer, frame = brain.hear()
            assert frame == message
            peers.append(peer)
        assert peers[0] == peers[2] == peers[3] != peers[1]
        for peer, message in ((peers[1], largest), (peers[0], b""), (peers[0], b"one")):
            brain.socket.send_multipart([peer, message])
        brain.socket.send_multipart([peers[0], b"never", b"ours"])
        assert [one.recv(DEADLINE_S) for _ in range(3)] == [b"", b"one", b""]
        assert other.recv(DEADLINE_S) == largest


def test_a_page_plays_with_a_brain_and_a_keyed_one_asks_for_the_gateways_key(tmp_path: Path) -> None:
    hello = Hello((1,), "test", "page", SCHEMA, 7)
    keys = ServerKeys.make(tmp_path / "keys")
    good = PeerKeys.load(keys.add("game", ["game"]))
    bad = PeerKeys.load(keys.add("watch", ["observer"]))
    for asked, given in ((None, None), (keys, good)):
        with BridgeServer(Endpoints(control="", telemetry=""), keys=asked) as server:
            sessions = set()
            with gateway(server.endpoints.data, given) as url, joined(url) as one, joined(url) as other:
                for said in (one, other):
                    said.send(encode(hello))
                    welcome = decode(bytes(said.recv(DEADLINE_S)), SCHEMA)  # type: ignore[arg-type]  # binary
                    assert isinstance(welcome, Welcome)
                    sessions.add(welcome.session)
            assert len(sessions) == 2
    with BridgeServer(Endpoints(control="", telemetry=""), keys=keys) as server:
        for given in (None, bad):
            with gateway(server.endpoints.data, given) as url, page(url) as one:
                assert told_to_go(one)[1].endswith("does not speak ZeroMQ, or asks for another key")


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (None, "expected one Origin, got 0"),
        ("null", "origin: expected SCHEME://HOST[:PORT] of a page, such as http://localhost:8000, got 'null'"),
        ("http://localhost:8001", "npc-sdk gateway --origin http://localhost:8001"),
    ],
)
def test_a_page_of_another_origin_is_refused_and_the_log_says_how_it_would_be_let_in(
    brain: Router, origin: Origin | None, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(brain.endpoint) as url:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused, page(url, origin):
                pass
            assert refused.value.response.status_code == 403
        assert caplog.text.count(told) == 1, "and says it once"
        with joined(url) as one:
            one.send(b"mine")
            assert brain.hear()[1] == b"mine"


def test_what_is_too_big_or_text_ends_its_page_alone(brain: Router, caplog: pytest.LogCaptureFixture) -> None:
    with gateway(brain.endpoint) as url, joined(url) as honest:
        for message, code, reason in (
            (bytes(LIMITS.frame_bytes + 1), CloseCode.MESSAGE_TOO_BIG, ""),
            ("text", CloseCode.UNSUPPORTED_DATA, "expected binary messages, got text"),
        ):
            with joined(url) as one:
                one.send(message)
                got = told_to_go(one)
                assert got[0] == code
                assert reason in got[1]
        assert "expected binary messages, got text" in caplog.text
        honest.send(b"mine")
        assert brain.hear()[1] == b"mine", "and nothing else was passed on"


def test_a_flood_is_told_why_it_ends_and_others_play_on(brain: Router) -> None:
    """A machine so busy that no second takes 2,400 messages ends no page."""
    with gateway(brain.endpoint) as url, joined(url) as honest, joined(url) as flood:
        honest.send(b"before")
        peer, _ = brain.hear()
        with suppress(ConnectionClosed):
            for _ in range(5 * FLOOD):
                flood.send(b"x")
        if flood.close_code is not None:
            code, reason = told_to_go(flood)
            assert code == CloseCode.POLICY_VIOLATION
            assert "at most 240 messages in a second" in reason
        honest.send(b"after")
        heard = [brain.hear()]
        while heard[-1] != (peer, b"after"):
            heard.append(brain.hear())


def test_a_slow_page_gets_the_newest_action_and_all_else(brain: Router) -> None:
    def frame(kind: Kind, number: int) -> bytes:
        return b"NPCW\x01" + bytes([kind]) + number.to_bytes(4, "little") + bytes(1 << 16)

    with socket.socket() as slow, gateway(brain.endpoint) as url:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        slow.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        with connect(url, origin=HERE, compression=None, sock=slow) as one, joined(url) as other:
            one.send(b"hello")
            peer, _ = brain.hear()
            other.send(b"hello")
            quick, _ = brain.hear()
            for number in range(399):
                brain.socket.send_multipart([peer, frame(Kind.ACTION, number)])
            for last in (Kind.WELCOME, Kind.ACTION):
                brain.socket.send_multipart([peer, frame(last, 399)])
            for _ in range(50):
                brain.socket.send_multipart([quick, b"quick"])
                assert other.recv(DEADLINE_S) == b"quick", "nobody waits for a slow page"
            got = [
                said
                for said in iter(lambda: one.recv(DEADLINE_S), frame(Kind.ACTION, 399))
                if not isinstance(said, str)
            ]
            assert frame(Kind.WELCOME, 399) in got
            assert len(got) < 300, f"{len(got)} of 400 old actions waited for it"


def test_a_brain_that_goes_and_comes_back_is_told_and_the_page_stays(
    brain: Router, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    with gateway(brain.endpoint) as url, joined(url) as one:
        one.send(b"before")
        assert brain.hear()[1] == b"before"
        brain.socket.close()
        assert [word(one), word(one)] == ["down", "refused"]
        one.send(b"lost")
        with pytest.raises(TimeoutError):
            one.recv(0.3)  # some tries later, the same is not said again
        back = Router(context, brain.endpoint)
        try:
            assert one.recv(DEADLINE_S) == f"up {brain.endpoint}"
            one.send(b"after")
            peer, frame = back.hear()
            assert frame == b"after", "nothing is kept for a brain that is not there"
            back.socket.send_multipart([peer, b"yes"])
            assert one.recv(DEADLINE_S) == b"yes"
        finally:
            back.socket.close()


def test_a_brain_that_is_none_is_told(brain: Router) -> None:
    def answer() -> None:
        with suppress(OSError):  # until it is closed
            while True:
                with listener.accept()[0] as peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=answer)
        thread.start()
        with gateway(endpoint) as url, page(url) as one:
            code, reason = told_to_go(one)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert code == CloseCode.TRY_AGAIN_LATER
    assert reason == f"{endpoint} does not speak ZeroMQ, or asks for another key"


def test_a_page_that_goes_is_gone_at_the_brain(brain: Router) -> None:
    last = bytes(LIMITS.frame_bytes)
    with gateway(brain.endpoint) as url, joined(url) as stays:
        stays.send(b"stays")
        peer, _ = brain.hear()
        with joined(url) as goes:
            goes.send(b"goes")
            gone, _ = brain.hear()
            assert brain.knows(gone)
            goes.send(last)
        assert brain.hear() == (gone, last), "what it said last goes out"
        until(lambda: not brain.knows(gone))
        with joined(url) as cut:
            cut.send(b"cut")
            gone, _ = brain.hear()
            cut.socket.shutdown(socket.SHUT_RDWR)
            until(lambda: not brain.knows(gone))
        assert brain.knows(peer)


def test_one_page_more_than_the_limit_is_told_so(brain: Router) -> None:
    with gateway(brain.endpoint, pages=2) as url, joined(url), ExitStack() as leaving:
        leaving.enter_context(joined(url))
        with page(url) as third:
            assert told_to_go(third) == (CloseCode.TRY_AGAIN_LATER, "expected at most 2 pages, got one more")
        leaving.close()

        def let_in() -> bool:
            with page(url) as one:
                try:
                    one.send(b"in")
                    return word(one) == "up"
                except ConnectionClosed:
                    return False

        until(let_in)


@contextmanager
def command(*options: str) -> Iterator[subprocess.Popen[str]]:
    asked = [sys.executable, "-m", "npc_sdk", "gateway", "--listen", "ws://127.0.0.1:0", "--origin", HERE, *options]
    process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_command_says_where_it_listens_and_lets_pages_go_when_it_is_told_to_end(brain: Router) -> None:
    with command("--brain", brain.endpoint, "--verbose") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["ready"] is True
        assert said["pid"] == process.pid
        with joined(said["url"]) as one:
            with socket.create_connection(("127.0.0.1", int(said["url"].rpartition(":")[2]))) as stranger:
                stranger.sendall(b"\xff\x00\x00\r\n\r\n")
                assert stranger.recv(1) == b""
            one.send(b"last")
            process.send_signal(signal.SIGTERM)
            assert told_to_go(one) == (CloseCode.GOING_AWAY, "the gateway ends")
        assert brain.hear()[1] == b"last"
        assert process.wait(DEADLINE_S) == 0
        told = process.communicate()[1]
        assert "a page left" in told
        assert "Traceback" not in told, "what breaks HTTP is no news"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "ws://0.0.0.0:0"], "which other machines can reach"),
        (["--origin", "*"], "origin: expected SCHEME://HOST"),
        (["--brain", "127.0.0.1:5757"], "expected tcp://127.0.0.1:PORT or ipc://PATH"),
        (["--key", "nowhere.toml"], "keys: expected a file nowhere.toml"),
    ],
)
def test_what_it_cannot_do_it_says_at_once(options: list[str], told: str) -> None:
    with command(*options) as process:
        out, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    assert told in error
    assert not out


def test_a_taken_port_is_named(brain: Router) -> None:
    with gateway(brain.endpoint) as url, command("--listen", url) as process:
        assert "is another gateway running?" in process.communicate(timeout=DEADLINE_S)[1]
        assert process.returncode == 2
