"""`npc-sdk bench bridge`: a round trip of the bridge beside bare ZeroMQ and other wires, taking turns in one run."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import zmq
from numpy.typing import NDArray

from npc_bridge import codec
from npc_bridge.client import Client
from npc_bridge.endpoints import client_options, game_context
from npc_bridge.frames import FLAG_KEYFRAME
from npc_bridge.keys import PeerKeys, ServerKeys
from npc_bridge.messages import EntityBlock, Executing, Hello, Snapshot, encode
from npc_bridge.session import Offer, ServerSession
from npc_sdk.bench.echoes import FIELDS, GRPC, NPCS, rows, schema
from npc_sdk.errors import InputError
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count

Floats = NDArray[np.float64]
Ask = Callable[[], object]

PROMISED_RAW, PROMISED_JSON, PROMISED_GRPC, PROMISED_DECODE_US, PROMISED_KEYS = 1.3, 12.0, 5.0, 10.0, 1.5
PATIENCE_S = 20.0
SHARE = {"json": 0.1, "grpc": 0.2}  # of the round trips, for wires that are slow
KEYS = "bridge_keys"
NEEDS = {"grpc": "grpc", "websocket": "websockets"}  # packages of the extra `bench`


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--rounds", type=count, default=9, help="in which all take their turn (9)")
    parser.add_argument("--asks", type=count, default=400, help="round trips of each in a round (400)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 150: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Measures and reports; exit status 0 where it ran."""
    rounds, asks = (2, 150) if args.quick else (args.rounds, args.asks)
    found = measure(rounds, asks)
    figures = _figures(found, decode_us(rounds * asks))
    emit(_told(found, figures), figures, args.json)
    return 0


def measure(rounds: int, asks: int) -> dict[str, Floats]:
    """Returns rounds x asks, us, by wire; those whose packages are not installed are left out."""
    names = [name for name in (*CLIENTS, KEYS) if importlib.util.find_spec(NEEDS.get(name, "zmq"))]
    found: dict[str, list[Floats]] = {name: [] for name in names}
    with ExitStack() as stack, progress(rounds * len(names), "bench bridge", "turn") as bar:
        ask = {name: stack.enter_context(_with_keys() if name == KEYS else _contestant(name)) for name in names}
        for one in ask.values():
            _timed(one, 20)
        for _ in range(rounds):
            for name in names:
                found[name].append(_timed(ask[name], max(5, round(asks * SHARE.get(name, 1.0)))))
                bar.update()
    return {name: np.array(times) for name, times in found.items()}


def decode_us(times: int) -> float:
    """Returns the median time of reading and checking one snapshot before it is handed over, us."""
    game = schema()
    server = ServerSession(lambda: 1, Offer(), lambda schema: ())
    server.receive(encode(Hello((1,), "bench", "bench", game)), 0)
    frames = []
    for tick in range(times):
        blocks = blocks_of()
        frames.append(encode(Snapshot(1, game.schema_id, tick, 0, tick, blocks, Executing.none(), FLAG_KEYFRAME), game))
    taken = []
    for tick, frame in enumerate(frames):
        start = time.perf_counter()
        received = server.receive(frame, tick * 10_000)  # a hundred a second
        taken.append(time.perf_counter() - start)
        assert len(received.events) == 1, received.replies
    return 1e6 * float(np.median(taken))


@contextmanager
def _contestant(name: str) -> Iterator[Ask]:
    """Starts a server and connects to it."""
    with served(name) as (_, port), CLIENTS[name](port) as ask:
        yield ask


@contextmanager
def _with_keys() -> Iterator[Ask]:
    """Starts a bridge with keys and connects to it."""
    with tempfile.TemporaryDirectory() as folder:
        mine = PeerKeys.load(ServerKeys.make(folder).add("bench", ["game"]))
        with served(KEYS, folder) as (_, port), _bridge(port, mine) as ask:
            yield ask


@contextmanager
def served(name: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """Starts a server of `echoes`; yields its process id and its port.

    Raises:
        InputError: it does not start.
    """
    command = [sys.executable, "-m", "npc_sdk.bench.echoes", name, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            if not port:
                raise InputError(f"bench: the server of '{name}' did not start")
            yield process.pid, int(port)
        finally:
            process.kill()


def wait_joined(client: Client) -> None:
    """Waits until a game has its session.

    Raises:
        InputError: it does not come.
    """
    end = time.monotonic() + PATIENCE_S
    while not client.session:
        client.poll()
        if time.monotonic() > end:
            raise InputError(f"bench: {client.fault}")


def _timed(ask: Ask, times: int) -> Floats:
    taken = np.zeros(times)
    for i in range(times):
        start = time.perf_counter()
        ask()
        taken[i] = time.perf_counter() - start
    return taken * 1e6


def blocks_of(npcs: int = NPCS) -> dict[str, EntityBlock]:
    """Returns the state of so many NPCs."""
    ids = np.arange(1, npcs + 1, dtype=np.uint32)
    return {"npc": EntityBlock(ids, np.full((npcs, FIELDS), 0.5, np.float32))}


@contextmanager
def _bridge(port: int, keys: PeerKeys | None = None) -> Iterator[Ask]:
    with Client(f"tcp://127.0.0.1:{port}", schema(), keys=keys) as client:
        ticks, blocks = iter(range(1 << 30)), blocks_of()
        wait_joined(client)

        def ask() -> None:
            client.push(next(ticks), blocks)
            end = time.monotonic() + PATIENCE_S
            while not client.poll():
                if time.monotonic() > end:
                    raise InputError(f"bench bridge: no answer; {client.fault}")

        yield ask


@contextmanager
def _dealer(port: int) -> Iterator[zmq.Socket[bytes]]:
    context = game_context()  # whose I/O thread gives way, as that of the bridge does
    dealer = context.socket(zmq.DEALER)
    client_options(dealer)
    dealer.setsockopt(zmq.SNDTIMEO, round(1e3 * PATIENCE_S))
    dealer.setsockopt(zmq.RCVTIMEO, round(1e3 * PATIENCE_S))
    dealer.connect(f"tcp://127.0.0.1:{port}")
    try:
        yield dealer
    finally:
        dealer.close()
        context.term()


@contextmanager
def _raw_polled(port: int) -> Iterator[Ask]:
    with _dealer(port) as dealer:
        state, ready = _state(), int(zmq.POLLIN)

        def ask() -> None:
            dealer.send(state.tobytes())
            while not int(dealer.getsockopt(zmq.EVENTS)) & ready:
                pass
            np.frombuffer(dealer.recv(zmq.NOBLOCK), np.float32)

        yield ask


@contextmanager
def _raw_blocking(port: int) -> Iterator[Ask]:
    with _dealer(port) as dealer:
        state = _state()

        def ask() -> None:
            dealer.send(state.tobytes())
            np.frombuffer(dealer.recv(), np.float32)

        yield ask


@contextmanager
def _json(port: int) -> Iterator[Ask]:
    state = _state()
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rwb") as file:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask() -> None:
            file.write(json.dumps(state.tolist()).encode() + b"\n")
            file.flush()
            np.array(json.loads(file.readline()), np.float32)

        yield ask


@contextmanager
def _grpc(port: int) -> Iterator[Ask]:
    import grpc

    state, kind = _state(), rows()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            GRPC, request_serializer=kind.SerializeToString, response_deserializer=kind.FromString
        )

        def ask() -> None:
            np.array(call(kind(values=state.ravel().tolist()), timeout=PATIENCE_S).values, np.float32)

        yield ask


@contextmanager
def _websocket(port: int) -> Iterator[Ask]:
    from websockets.sync.client import connect

    state = _state()
    with connect(f"ws://127.0.0.1:{port}", compression=None) as connection:

        def ask() -> None:
            connection.send(state.tobytes())
            np.frombuffer(connection.recv(decode=False), np.float32)

        yield ask


CLIENTS = {
    "bridge": _bridge,
    "session": _bridge,
    "raw_polled": _raw_polled,
    "raw_blocking": _raw_blocking,
    "json": _json,
    "grpc": _grpc,
    "websocket": _websocket,
}


def _state() -> NDArray[np.float32]:
    return np.full((NPCS, FIELDS), 0.5, np.float32)


def _figures(found: Mapping[str, Floats], decode: float) -> dict[str, Json]:
    middle = {name: np.median(times, 1) for name, times in found.items()}  # per round

    def ratio(over: str, under: str) -> float:
        return float(np.median(middle[over] / middle[under])) if over in middle else float("nan")

    wires = {
        name: {f"p{q}_us": float(np.median(np.percentile(times, q, axis=1))) for q in (50, 95, 99)}
        for name, times in found.items()
    }
    return {
        "machine": machine(),
        "codec": "python" if codec.compiled is None else "compiled",
        "npcs": NPCS,
        "fields": FIELDS,
        "rounds": len(found["bridge"]),
        "ratio_to_raw_pyzmq_polled_p50": ratio("session", "raw_polled"),
        "ratio_to_raw_pyzmq_blocking_p50": ratio("session", "raw_blocking"),
        "ratio_with_planner_thread_p50": ratio("bridge", "raw_polled"),
        "json_over_tcp_ratio": ratio("json", "session"),
        "grpc_ratio": ratio("grpc", "session"),
        "websocket_ratio": ratio("websocket", "session"),
        "curve_ratio": ratio(KEYS, "bridge"),
        "decode_us_p50": decode,
        "wires": wires,
    }


def _told(found: Mapping[str, Floats], figures: Mapping[str, Json]) -> list[str]:
    wires = figures["wires"]
    assert isinstance(wires, dict)
    body = [[name, *(f"{wires[name][f'p{q}_us']:.0f}" for q in (50, 95, 99))] for name in found]
    missing = sorted(set(CLIENTS) - set(found))
    return [
        *table(("wire", "p50 us", "p95", "p99"), body),
        "",
        f"codec: {figures['codec']}",
        f"bridge / bare ZeroMQ polled alike {figures['ratio_to_raw_pyzmq_polled_p50']:.2f} (promise {PROMISED_RAW:g}), "
        f"with the planner's thread {figures['ratio_with_planner_thread_p50']:.2f}",
        f"JSON over TCP / bridge {figures['json_over_tcp_ratio']:.1f} (promise {PROMISED_JSON:g}), "
        f"gRPC / bridge {figures['grpc_ratio']:.1f} (promise {PROMISED_GRPC:g}), "
        f"WebSocket / bridge {figures['websocket_ratio']:.2f}",
        f"with keys / without {figures['curve_ratio']:.2f} (promise {PROMISED_KEYS:g})",
        f"reading and checking a snapshot {figures['decode_us_p50']:.1f} us (promise {PROMISED_DECODE_US:g})",
        *([f"not there: {', '.join(missing)}; pip install 'npc-sdk[bench]'"] if missing else []),
    ]
