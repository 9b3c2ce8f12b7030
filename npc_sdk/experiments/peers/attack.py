"""Peers that follow scripts, one after another; and two kinds that never stop: one drips bytes, one floods."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from random import Random

import numpy as np

from npc_bridge.conformance import sample_schema, sample_snapshot
from npc_bridge.frames import MAGIC, Kind
from npc_bridge.messages import Bye, encode
from npc_sdk.experiments.peers.scripts import (
    COMMAND,
    GREETING,
    HELLO,
    MANY,
    MORE,
    Script,
    frame,
    hostile,
    polite,
    ready,
)

PATIENCE_S = 3.0  # with a server that does not read or answer
AT_ONCE = 4  # peers of a process
READY = b"\x05READY"
READY_S = 0.1  # that a peer without patience waits for it
DRIP_S = 0.02  # between two bytes
FLOOD_S = 0.5  # of one flood
BREAK_S = 0.2  # between two that break off
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no goodbye


def attack(endpoint: str, seed: int, count: int, well_behaved: bool, told: Callable[[int], None]) -> None:
    """Runs so many scripts, some at once, beside drips and floods; `told` hears of each that is done.

    Args:
        endpoint: of the server.
        seed: of the scripts.
        count: of them.
        well_behaved: all of them do as they should, and nobody drips or floods: the control.
        told: is called with 1 per script.
    """
    stopping = threading.Event()
    shares = [range(k, count, AT_ONCE) for k in range(AT_ONCE)]
    steady = () if well_behaved else (drip, drip, flood, flood_parts, break_off)
    with ThreadPoolExecutor(AT_ONCE + len(steady)) as pool:
        lasting = [pool.submit(kind, endpoint, stopping) for kind in steady]
        passing = [pool.submit(_work, endpoint, seed, share, well_behaved, told) for share in shares]
        wait(passing)
        stopping.set()
        for peer in (*passing, *lasting):
            peer.result()  # a peer that could not do what it should is an error


def _work(endpoint: str, seed: int, share: range, well_behaved: bool, told: Callable[[int], None]) -> None:
    for number in share:
        if well_behaved:
            _say_all(endpoint)
        else:
            run(endpoint, hostile(Random(f"{seed} {number}")))
        told(1)


def run(endpoint: str, script: Script) -> None:
    """Does what a script says; what the server makes of it does not matter here."""
    with contextlib.suppress(OSError), _line(endpoint) as line:
        said = heard = b""
        for part in script.parts:
            line.sendall(part)
            said += part
            if READY in said and READY not in heard:
                heard += _answer(line)  # ZeroMQ hangs up on who sends messages before it has heard READY
            else:
                _discard(line)
            time.sleep(script.pause_s)
        time.sleep(script.wait_s)
        _discard(line)
        if script.reset:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _say_all(endpoint: str) -> None:
    """Joins, and leaves with a BYE."""
    with contextlib.suppress(OSError), _line(endpoint) as line:
        session = _join(line)
        line.sendall(frame(encode(Bye(session))))


def drip(endpoint: str, stopping: threading.Event) -> None:
    """Says all as it should be said, a byte at a time, again and again."""
    while not stopping.is_set():
        with contextlib.suppress(OSError), _line(endpoint) as line:
            for byte in b"".join(polite().parts):
                if stopping.wait(DRIP_S):
                    return
                line.send(bytes([byte]))


def flood(endpoint: str, stopping: threading.Event) -> None:
    """Joins, and sends snapshots as fast as they go out."""
    schema, tick = sample_schema(), 0
    while not stopping.is_set():
        with contextlib.suppress(OSError), _line(endpoint) as line:
            session = _join(line)
            until = time.monotonic() + FLOOD_S
            while time.monotonic() < until and not stopping.is_set():
                tick += 1
                good = replace(sample_snapshot(), session=session, tick=tick)
                line.sendall(frame(encode(good, schema)) * 16)
                _discard(line)
            line.sendall(frame(encode(Bye(session))))


def flood_parts(endpoint: str, stopping: threading.Event) -> None:
    """Sends messages of very many empty parts."""
    parts = frame(b"", MORE) * MANY
    while not stopping.is_set():
        with contextlib.suppress(OSError), _line(endpoint) as line:
            line.sendall(GREETING + ready())
            _answer(line)
            while not stopping.wait(FLOOD_S):
                line.sendall(parts + frame(b""))
                _discard(line)


def break_off(endpoint: str, stopping: threading.Event) -> None:
    """Sends many small messages, a PING after every few, and resets the connection, again and again."""
    said = (frame(MAGIC) * 40 + frame(b"\x04PING\x00\x00", COMMAND)) * 60
    while not stopping.wait(BREAK_S):
        with contextlib.suppress(OSError), _line(endpoint) as line:
            line.sendall(GREETING + ready())
            _answer(line)
            line.sendall(said)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _line(endpoint: str) -> socket.socket:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def _join(line: socket.socket) -> int:
    """Opens a session; returns its number."""
    line.sendall(GREETING + ready())
    _answer(line, PATIENCE_S)
    line.sendall(frame(HELLO))
    heard, until = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        part = line.recv(1 << 16)
        if not part:
            raise ConnectionResetError
        heard += part
        at = heard.find(MAGIC + bytes([1, Kind.WELCOME]))
        if at >= 0 and len(heard) >= at + 12:
            return int(np.frombuffer(heard, "<u4", 1, at + 8)[0])
        if MAGIC + bytes([1, Kind.ERROR]) in heard:
            raise OSError("refused")
    raise TimeoutError


def _answer(line: socket.socket, patience_s: float = READY_S) -> bytes:
    """Waits for the server's READY; returns what came."""
    heard, until = b"", time.monotonic() + patience_s
    line.settimeout(patience_s)
    with contextlib.suppress(TimeoutError):
        while READY not in heard and time.monotonic() < until:
            part = line.recv(1 << 16)
            if not part:
                break
            heard += part
    line.settimeout(PATIENCE_S)
    return heard


def _discard(line: socket.socket) -> None:
    """Reads what is there."""
    line.setblocking(False)
    try:
        while line.recv(1 << 16):
            pass
    except BlockingIOError:
        pass
    finally:
        line.settimeout(PATIENCE_S)
