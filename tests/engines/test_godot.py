"""The GDScript client in Godot 3."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from yard import CLIENTS, needed, play

from npc_bridge.conformance import check

PROJECT = CLIENTS / "gdscript"


@pytest.fixture
def godot(tmp_path: Path) -> list[str]:
    """What starts the engine; it keeps its own folders in a HOME that may be written."""
    needed("godot3-server")
    return ["env", f"HOME={tmp_path}", "godot3-server", "--no-window", "--path", str(PROJECT)]


def test_it_agrees_with_every_vector(godot: list[str]) -> None:
    report = check([*godot, "-s", "conformance.gd"])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "godot", "pygame")


@contextmanager
def echo(godot: list[str], port: int) -> Iterator[Iterator[str]]:
    """Runs the program that sends back what it receives; yields what becomes of its connections, but refusals."""
    command = [*godot, "-s", "echo.gd", f"tcp://127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    told = (line.split()[1] for line in process.stdout if line.startswith("event "))
    try:
        yield (event for event in told if event != "refused")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.timeout(60)
def test_messages_of_every_size_come_through_zeromq(godot: list[str]) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.RCVTIMEO, 10_000)
        with echo(godot, router.bind_to_random_port("tcp://127.0.0.1")) as events:
            peer, hello = router.recv_multipart()
            assert (next(events), hello) == ("up", b"hello")
            for size in (0, 1, 255, 256, 65_535, 65_536, 1 << 20):
                message = random.Random(size).randbytes(size)
                router.send_multipart([peer, message])
                assert router.recv_multipart() == [peer, message]
            router.send_multipart([peer, b"two", b"frames"])
            router.send_multipart([peer, b"one"])
            assert router.recv_multipart() == [peer, b"one"], "a message of several frames is dropped as a whole"


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"
MINE = READY[2:].replace(b"ROUTER", b"DEALER")
COMMAND, LONG = 4, 2


@contextmanager
def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The next connection, behind the client's greeting."""
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(10.0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert got(peer, len(GREETING)) == GREETING
        yield peer


def got(peer: socket.socket, size: int) -> bytes:
    """So many bytes."""
    out = b""
    while len(out) < size:
        more = peer.recv(size - len(out))
        assert more, f"expected {size} bytes, got {out!r} and the end"
        out += more
    return out


def frame(peer: socket.socket) -> bytes:
    """The body of the next frame that is no PING."""
    flags, size = got(peer, 2)
    if flags & LONG:
        size = int.from_bytes(bytes([size]) + got(peer, 7), "big")
    body = got(peer, size)
    return frame(peer) if flags & COMMAND and body.startswith(b"\x04PING") else body


def till_the_end(peer: socket.socket) -> None:
    """Waits for the client to hang up."""
    try:
        while peer.recv(1 << 16):
            pass
    except ConnectionResetError:
        return  # it had not read everything


def trickle(peer: socket.socket) -> None:
    """Sends a byte now and again, for five seconds."""
    for _ in range(100):
        peer.send(b"x")
        time.sleep(0.05)


@pytest.mark.timeout(60)
def test_bytes_of_zeromq_are_taken_as_they_come_and_violations_end_the_connection(godot: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, echo(godot, listener.getsockname()[1]) as events:
        listener.settimeout(10.0)
        with accepted(listener) as peer:
            ping = b"\x04\x0a\x04PING\x00\x14abc"
            for byte in GREETING + READY + ping + b"\x02" + (300).to_bytes(8, "big") + bytes(300) + b"\x00\x01x":
                peer.send(bytes([byte]))
            said = [frame(peer) for _ in range(5)]
            assert said[0] == MINE
            assert sorted(said[1:]) == sorted([b"\x04PONGabc", b"hello", bytes(300), b"x"])
            peer.send(b"\x02" + ((1 << 20) + 1).to_bytes(8, "big"))  # longer than a message may be
            with pytest.raises(ConnectionError):  # while its bytes still come
                trickle(peer)
        assert [next(events), next(events)] == ["up", "down"]
        with accepted(listener) as peer:
            peer.send(GREETING + READY)  # and no answer to its PING
            till_the_end(peer)
        assert [next(events), next(events)] == ["up", "down"]
        with accepted(listener) as peer:
            peer.send(GREETING + READY)
            assert [frame(peer), frame(peer)] == [MINE, b"hello"]
        began = time.monotonic()
        assert [next(events), next(events)] == ["up", "down"]
        assert time.monotonic() - began < 1.0, "an end is seen before heartbeats fail"
        for stranger in (
            b"HTTP/1.1 400 Bad Request\r\n",
            GREETING + READY.replace(b"ROUTER", b"DEALER"),
            b"",
            GREETING[:30],
        ):
            with accepted(listener) as peer:
                peer.send(stranger)
                began = time.monotonic()
                till_the_end(peer)
            assert next(events) == "stranger"
            assert not stranger.startswith(b"HTTP") or time.monotonic() - began < 1.5, "told before its time is over"


@pytest.mark.timeout(60)
def test_what_a_slow_reader_does_not_take_at_once_is_sent_later(godot: list[str]) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with echo(godot, listener.getsockname()[1]), accepted(listener) as peer:
            peer.send(GREETING + READY)
            assert [frame(peer), frame(peer)] == [MINE, b"hello"]
            messages = [random.Random(i).randbytes(1 << 20) for i in range(8)]
            for message in messages:
                peer.sendall(b"\x02" + len(message).to_bytes(8, "big") + message)
            assert [frame(peer) for _ in messages] == messages


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(godot: list[str]) -> None:
    told = subprocess.run([*godot, "--version"], capture_output=True, text=True)  # and its status is 255
    version = told.stdout.split()[-1]
    play("Godot", version, lambda endpoint: [*godot, endpoint, "600"])
