"""A game without libzmq: the bytes of PROTOCOL.md, section 12, over a plain TCP socket."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from npc_bridge.conformance import sample_schema
from npc_bridge.messages import ErrorReport, Hello, Message, Welcome, decode, encode
from npc_bridge.server import BridgeServer, Endpoints

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
        self.pings = 0
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
            self.command(body)

    def command(self, body: bytes) -> None:
        if body[:5] == b"\x04PING":
            self.pings += 1
            self.send(b"\x04PONG" + body[7:], COMMAND)

    def until_hung_up(self, data: bytes) -> None:
        while True:
            self.socket.sendall(data)
            self.frame()


@pytest.fixture
def server() -> Iterator[BridgeServer]:
    with BridgeServer(Endpoints(control="", telemetry="")) as one:
        yield one


def test_a_game_joins_by_hand_and_is_kept_as_long_as_it_answers_pings(server: BridgeServer) -> None:
    raw = Raw(server.endpoints.data)
    raw.send(encode(Hello((1,), "raw", "by hand", SCHEMA)))
    assert isinstance(raw.message(), Welcome)
    while raw.pings < 4:  # two seconds, longer than the brain waits for an answer
        raw.command(raw.frame()[1])
    raw.send(encode(Hello((1,), "raw", "by hand", SCHEMA)))
    assert isinstance(raw.message(), Welcome), "still connected"
    raw.socket.close()


def test_who_does_not_answer_pings_is_hung_up_on(server: BridgeServer) -> None:
    raw = Raw(server.endpoints.data)
    with pytest.raises(ConnectionResetError):
        raw.until_hung_up(b"")
    raw.socket.close()


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
