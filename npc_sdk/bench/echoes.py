"""Servers that answer rows of floats by rows of floats, each over another wire: `python -m npc_sdk.bench.echoes KIND`.

Prints the port it listens at and ends when standard input does. What each of them does besides is the comparison.
`bridge_keys` takes the folder of its keys as well.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from npc_bridge.endpoints import Context, Socket, send_now, server_options
from npc_bridge.keys import ServerKeys
from npc_bridge.limits import Limits
from npc_bridge.messages import Action
from npc_bridge.schema import MOVE, Channel, EntityType, Field, Kinematics, Schema
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import Offer, ServerSession, SnapshotArrived

NPCS, FIELDS, CHANNELS = 100, 32, 4
PLANNER = "planner"  # name of a thread that does nothing else
ANY = "tcp://127.0.0.1:*"
GRPC = "/bench.Echo/Ask"
ANY_RATE = Offer(limits=Limits(snapshots_per_s=1 << 30))  # a bench asks as fast as it is answered


def schema(npcs: int = NPCS) -> Schema:
    """Returns a game of so many NPCs with FIELDS numbers each, told by CHANNELS."""
    numbers = tuple(Field(f"f{i}", "1", -100.0, 100.0) for i in range(FIELDS))
    return Schema(
        game="bench",
        tick_hz=60.0,
        coordinates="wire",
        bounds=(-50.0, -50.0, 50.0, 50.0),
        entities=(EntityType("npc", "npc", npcs, numbers),),
        channels=(
            *(Channel(name, "m/s", -6.0, 6.0) for name in MOVE),
            *(Channel(name, "1", -1.0, 1.0) for name in ("a", "b")),
        ),
        kinematics=Kinematics(max_speed=6.0, max_acceleration=30.0, brake=30.0, radius=0.3, turn_rate=6.0),
    )


def answer(ids: np.ndarray, tick: int, chunk: int, received_us: int = 0) -> Action:
    """Returns one step for every NPC, as a planner would; the same one at all times, as the other servers do."""
    steps, expected, nothing, status, bark = _still(len(ids))
    return Action(
        session=0, schema_id=0, source_tick=tick, apply_tick=tick + 1, valid_until_tick=tick + 1, chunk=chunk,
        sequence=0, received_us=received_us, planned_us=0, sent_us=0, ids=ids, steps=steps, expected=expected,
        brake=nothing, tolerance=nothing, status=status, bark=bark,
    )  # fmt: skip


@cache
def _still(n: int) -> tuple[np.ndarray, ...]:
    return (
        np.zeros((n, 1, CHANNELS), np.float32),
        np.zeros((n, 1, 4), np.float32),
        np.zeros(n, np.float32),
        np.ones(n, np.uint8),
        np.zeros(n, np.uint16),
    )


REPLY = np.zeros((NPCS, CHANNELS), np.float32)
STAMPS = struct.Struct("<qqq")  # tick, when it came, when its answer went, us


def raw_polled(said: Callable[[bytes], bytes] = lambda state: REPLY.tobytes()) -> None:
    """ZeroMQ and nothing else, polled as the bridge polls."""
    router = _router()
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    while True:
        poller.poll(200)
        try:
            while True:
                peer, state = router.recv_multipart(zmq.NOBLOCK)
                send_now(router, peer, said(state))
        except zmq.Again:
            continue


def raw_stamped() -> None:
    """As `raw_polled`; every answer says which question it is for, and when that came and went."""

    def stamped(state: bytes) -> bytes:
        received = time.monotonic_ns() // 1000
        return state[:8] + struct.pack("<qq", received, time.monotonic_ns() // 1000) + REPLY.tobytes()

    raw_polled(stamped)


def raw_blocking() -> None:
    """ZeroMQ and nothing else, waiting for each message."""
    router = _router()
    while True:
        peer, _ = router.recv_multipart()
        send_now(router, peer, REPLY.tobytes())


def session() -> None:
    """The bridge's headers, limits, checks and session, answered on the thread that reads."""
    router, chunk = _router(), 0
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    game = ServerSession(lambda: 1, ANY_RATE, lambda schema: ())
    while True:
        poller.poll(200)
        try:
            while True:
                peer = router.recv(zmq.NOBLOCK)
                frame = router.recv(zmq.NOBLOCK) if router.getsockopt(zmq.RCVMORE) else b""
                if router.getsockopt(zmq.RCVMORE):
                    raise SystemExit("bench: a frame was expected, several came")
                received = game.receive(frame, 0)
                for reply in received.replies:
                    send_now(router, peer, reply)
                for event in received.events:
                    if isinstance(event, SnapshotArrived):
                        chunk += 1
                        snapshot = event.snapshot
                        action = answer(snapshot.blocks["npc"].ids, snapshot.tick, chunk)
                        send_now(router, peer, game.action(action, 0))
        except zmq.Again:
            continue


def bridge(asked: Callable[[], None] = lambda: None, keys: ServerKeys | None = None) -> None:
    """The whole bridge: its I/O thread, and another one that plans."""
    with BridgeServer(Endpoints(control="", telemetry=""), ANY_RATE, keys=keys) as server:
        _listening(int(server.endpoints.data.rpartition(":")[2]))
        chunk = 0
        gc.collect()
        gc.freeze()  # as `npc-sdk serve` does
        while True:
            for event in server.poll(200):
                if isinstance(event, SnapshotArrived):
                    chunk += 1
                    asked()
                    snapshot = event.snapshot
                    action = answer(snapshot.blocks["npc"].ids, snapshot.tick, chunk, event.received_us)
                    server.send(event.session, action)


def bridge_keys() -> None:
    """The whole bridge, which encrypts and lets in only whom it knows."""
    bridge(keys=ServerKeys(Path(sys.argv[2])))


def bridge_planning() -> None:
    """The whole bridge, in a process that plans a fight half of the time while it is asked."""
    from npc_sdk.bench.planning import HalfTime

    bridge(HalfTime(PLANNER).ask)


def json_tcp() -> None:
    """Lists of numbers as JSON, a line each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _listening(listener.getsockname()[1])
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rwb") as file:
            for line in file:
                np.array(json.loads(line), np.float32)
                file.write(json.dumps(REPLY.tolist()).encode() + b"\n")
                file.flush()


def rows() -> Any:
    """Returns the class of a protobuf message with `repeated float values`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    message = file.message_type.add(name="Rows")
    kind = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="values", number=1, type=kind.TYPE_FLOAT, label=kind.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Rows"))


def grpc() -> None:
    """gRPC with repeated floats."""
    import grpc as library

    kind = rows()

    def ask(request: Any, context: Any) -> Any:
        np.array(request.values, np.float32)
        return kind(values=REPLY.ravel().tolist())

    handler = library.unary_unary_rpc_method_handler(ask, kind.FromString, kind.SerializeToString)
    server = library.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((library.method_handlers_generic_handler("bench.Echo", {"Ask": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _listening(port)
    server.wait_for_termination()


def websocket() -> None:
    """Raw floats in WebSocket messages."""
    from websockets.sync.server import serve

    def talk(connection: Any) -> None:
        for message in connection:
            np.frombuffer(message, np.float32)
            connection.send(REPLY.tobytes())

    with serve(talk, "127.0.0.1", 0, compression=None) as server:
        _listening(server.socket.getsockname()[1])
        server.serve_forever()


KINDS: dict[str, Callable[[], None]] = {
    "raw_polled": raw_polled,
    "raw_blocking": raw_blocking,
    "raw_stamped": raw_stamped,
    "session": session,
    "bridge": bridge,
    "bridge_keys": bridge_keys,
    "bridge_planning": bridge_planning,
    "json": json_tcp,
    "grpc": grpc,
    "websocket": websocket,
}


def _router() -> Socket:
    context: Context = zmq.Context.instance()
    router = context.socket(zmq.ROUTER)
    server_options(router)
    router.bind(ANY)
    _listening(int(router.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2]))
    return router


def _listening(port: int) -> None:
    print(port, flush=True)


def _until_closed() -> None:
    sys.stdin.read()
    os._exit(0)  # the others may be in C


if __name__ == "__main__":
    threading.Thread(target=_until_closed, daemon=True).start()
    KINDS[sys.argv[1]]()
