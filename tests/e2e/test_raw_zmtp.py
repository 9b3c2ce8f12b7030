"""A game without libzmq: the bytes of PROTOCOL.md, section 12, over a plain TCP socket."""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from waiting import until

from npc_bridge.client import Client
from npc_bridge.conformance import sample_schema
from npc_bridge.memory import MemoryWatch, resident_bytes
from npc_bridge.messages import ErrorReport, Hello, Message, Welcome, decode, encode
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import GameJoined

PAGE = Path(__file__).resolve().parents[2] / "bridge" / "PROTOCOL.md"
SCHEMA = sample_schema()
COMMAND, LONG, MORE = 4, 2, 1


def shown(name: str) -> bytes:
    """Returns the bytes that the page shows under a name."""
    found = re.search(rf"^```\n{name}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, name
    return bytes.fromhex("".join(line[:47] for line in found[1].splitlines()))


class Raw:
    """ZMTP by hand."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("tcp://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.socket.sendall(shown("greeting"))
        greeting = self.take(64)
        assert greeting[:10] == shown("greeting")[:10]
        assert greeting[12:16] == b"NULL"
        self.socket.sendall(shown("READY"))
        assert b"ROUTER" in self.frame()[1]

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data

    def frame(self) -> tuple[int, bytes]:
        flags = self.take(1)[0]
        size = struct.unpack(">Q", self.take(8))[0] if flags & LONG else self.take(1)[0]
        return flags, self.take(size)

    def send(self, body: bytes, flags: int = 0) -> None:
        long = len(body) > 255
        size = struct.pack(">Q", len(body)) if long else bytes([len(body)])
        self.socket.sendall(bytes([flags | (LONG if long else 0)]) + size + body)

    def message(self) -> Message:
        while True:
            flags, body = self.frame()
            if not flags & COMMAND:
                assert not flags & MORE
                return decode(body, SCHEMA)
            assert body[:5] != b"\x04PING", "the brain sends none"

    def ping(self, tenths: int) -> None:
        self.send(b"\x04PING" + struct.pack(">H", tenths) + b"mine", COMMAND)
        assert self.frame() == (COMMAND, b"\x04PONGmine")

    def never_end(self, part: bytes) -> None:
        while True:
            self.send(part, MORE)

    def until_hung_up(self, data: bytes) -> None:
        while True:
            self.socket.sendall(data)
            self.frame()


@pytest.fixture
def server() -> Iterator[BridgeServer]:
    with BridgeServer(Endpoints(control="", telemetry="")) as one:
        yield one


def test_a_game_joins_by_hand_and_its_pings_are_answered(server: BridgeServer) -> None:
    raw = Raw(server.endpoints.data)
    raw.send(encode(Hello((1,), "raw", "by hand", SCHEMA)))
    assert isinstance(raw.message(), Welcome)
    raw.ping(tenths=20)
    raw.send(encode(Hello((1,), "raw", "by hand", SCHEMA)))
    assert isinstance(raw.message(), Welcome), "still connected"
    raw.socket.close()


def test_who_falls_silent_for_longer_than_it_said_is_hung_up_on(server: BridgeServer) -> None:
    raw = Raw(server.endpoints.data)
    raw.ping(tenths=2)
    with pytest.raises(ConnectionResetError):
        raw.frame()
    raw.socket.close()


BUSY_BRAIN = """
import sys, time
from npc_bridge.server import BridgeServer, Endpoints

def admit(schema):
    time.sleep(1.0)  # the thread that reads is busy meanwhile
    return ()

with BridgeServer(Endpoints(control="", telemetry=""), admit=admit) as server:
    print(server.endpoints.data, flush=True)
    sys.stdin.readline()
"""


def test_a_peer_that_floods_a_busy_brain_and_breaks_off_does_not_end_its_process() -> None:
    """libzmq 4.3.5 aborts where a heartbeat of its own falls due for such a peer."""
    with Popen([sys.executable, "-c", BUSY_BRAIN], stdin=PIPE, stdout=PIPE, text=True) as brain:
        assert brain.stdin is not None
        assert brain.stdout is not None
        endpoint = brain.stdout.readline().strip()
        first, second = Raw(endpoint), Raw(endpoint)
        first.send(encode(Hello((1,), "raw", "by hand", SCHEMA)))
        second.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.until_hung_up(bytes(2000))
        second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
        second.socket.close()
        assert isinstance(first.message(), Welcome)
        first.ping(tenths=20)
        first.socket.close()
        brain.stdin.close()
        assert brain.wait(10.0) == 0


@pytest.mark.parametrize("body", [b"", b"NPCW", bytes(300)])
def test_frames_of_every_length_are_answered(server: BridgeServer, body: bytes) -> None:
    raw = Raw(server.endpoints.data)
    raw.send(body)
    assert isinstance(raw.message(), ErrorReport)
    raw.socket.close()


def test_a_frame_beyond_the_limit_ends_the_connection(server: BridgeServer) -> None:
    raw = Raw(server.endpoints.data)
    raw.socket.sendall(bytes([LONG]) + struct.pack(">Q", 1 << 40))
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        raw.until_hung_up(bytes(1 << 16))
    raw.socket.close()


def test_what_an_unfinished_message_holds_is_given_back_and_games_go_on() -> None:
    allowed = 48 << 20
    with BridgeServer(memory=MemoryWatch(allowed)) as server, Client(server.endpoints.data, SCHEMA) as game:
        until(lambda: game.poll() == () and game.session)
        session, before = game.session, resident_bytes()
        peer = Raw(server.endpoints.data)
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            peer.never_end(bytes(512 << 10))
        peer.socket.close()
        until(lambda: server.counters.rebound)
        until(lambda: game.poll() == () and game.session and game.fault is None)
        assert game.session == session
        assert [type(event) for event in server.poll()] == [GameJoined]
        until(lambda: resident_bytes() - before < allowed // 2)
        assert server.counters.rebound <= 2  # a cut frees it all
