"""Every usual mistake of somebody who joins a game and a brain, made on purpose against real ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zmq

from npc_bridge import faults
from npc_bridge.client import Client
from npc_bridge.errors import ErrorCode, SchemaMismatch
from npc_bridge.faults import Fault
from npc_bridge.frames import MAJOR
from npc_bridge.keys import PeerKeys, ServerKeys
from npc_bridge.messages import EntityBlock, ErrorReport, Hello, Snapshot, Welcome, decode, encode
from npc_bridge.schema import Schema, adapt
from npc_sdk.bench.cable import Cable
from npc_sdk.designer.persona import PersonaLibrary
from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
from npc_sdk.errors import PersonaError
from npc_sdk.objectives.terms import DEFAULT_TERMS

PATIENCE_S = 10.0  # for what should take a moment
LOOK_S = 0.002  # between a game's looks at its fault
TICK_S = 1 / 30


class Witness:
    """A well-behaved game: proves after each mistake that the brain still answers and the game's calls still return."""

    def __init__(self, endpoint: str) -> None:
        config = ArenaConfig(npcs=4)
        self.arena = Arena([make_map("test", 0)], config, 0)
        self.schema = arena_schema(self.arena.maps[0], config)
        self.client = Client(endpoint, self.schema, "witness")
        self._tick = 0

    def frame(self, *, spoil: bool = False) -> bool:
        """Streams one tick; True if an action came back. `spoil` puts a NaN into a field."""
        self._tick += 1
        blocks = snapshot_blocks(self.arena, 0)
        if spoil:
            blocks["npc"].values[1, 2] = np.nan
        self.client.push(self._tick, blocks)
        time.sleep(TICK_S)
        return bool(self.client.poll())

    def answered(self) -> bool:
        """Streams until the brain answers and nothing is wrong any more; False if that does not come."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.frame() and self.client.fault is None:
                return True
        return False

    def push_huge(self) -> None:
        """Tries to send 10 MB as one snapshot."""
        n, width = 500_000, len(self.schema.entity("npc").fields)
        rows = EntityBlock(np.arange(1, n + 1, dtype=np.uint32), np.zeros((n, width), np.float32))
        self.client.push(self._tick + 1, {"npc": rows})


@dataclass(frozen=True, slots=True)
class Scene:
    """What mistakes are made with."""

    witness: Witness
    control: str  # of the brain that the witness plays with
    telemetry: str
    personas: Path  # that brain watches them
    guarded: str  # another brain: it asks for keys, and its model was trained on another game
    keys: ServerKeys  # of that brain
    other_keys: ServerKeys  # of no brain here


class Told(NamedTuple):
    """How a mistake was named; an empty type where it was not."""

    type: str  # of the fault or error
    text: str
    remedy: str
    ms: float  # from the mistake to its name


Case = Callable[[Scene], Told]
"""Makes one mistake."""


def make_keys(folder: Path) -> ServerKeys:
    """Makes keys of a brain that lets one game in, and one designer."""
    keys = ServerKeys.make(folder)
    keys.add("game", ["game"])
    keys.add("panel", ["designer"])
    return keys


def nothing_listening(scene: Scene) -> Told:
    """A game started before its brain, or with a wrong port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return _shown(scene, f"tcp://127.0.0.1:{port}")


def other_protocol(scene: Scene) -> Told:
    """The port belongs to a web server, which finds the request a bad one."""
    with _tcp_server(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as endpoint:
        return _shown(scene, endpoint)


def silent_peer(scene: Scene) -> Told:
    """The port belongs to something that waits for more."""
    with _tcp_server(b"") as endpoint:
        return _shown(scene, endpoint)


@contextmanager
def _tcp_server(reply: bytes) -> Iterator[str]:
    """Answers everybody alike and hangs up; without a reply it just listens."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as lines:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    line, _ = server.accept()
                except TimeoutError:
                    continue
                lines.callback(line.close)
                if reply:
                    line.sendall(reply)
                    line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def control_port(scene: Scene) -> Told:
    """A game at the port for designers."""
    return _shown(scene, scene.control)


def telemetry_port(scene: Scene) -> Told:
    """A game at the port for observers."""
    return _shown(scene, scene.telemetry)


def deaf_peer(scene: Scene) -> Told:
    """The port belongs to another ZeroMQ program, which has nothing to say."""
    with _socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")
        return _shown(scene, f"tcp://127.0.0.1:{port}")


def connection_cut(scene: Scene) -> Told:
    """Somebody pulls the plug while NPCs are led."""
    with Cable(scene.witness.client.endpoint) as cable, Client(cable.endpoint, scene.witness.schema) as client:
        until = time.monotonic() + PATIENCE_S
        while not client.session and time.monotonic() < until:
            client.poll()
            time.sleep(LOOK_S)
        start = time.perf_counter()
        cable.cut()
        return _fault_of(client, start)


def no_key(scene: Scene) -> Told:
    """A game without a key, where the brain asks for one."""
    return _shown(scene, scene.guarded)


def key_not_let_in(scene: Scene) -> Told:
    """A key that the brain knows, but not for games."""
    return _shown(scene, scene.guarded, keys=PeerKeys.load(scene.keys.folder / "panel.toml"))


def key_of_another_brain(scene: Scene) -> Told:
    """A key that was made beside another brain."""
    return _shown(scene, scene.guarded, keys=PeerKeys.load(scene.other_keys.folder / "game.toml"))


def key_for_nobody(scene: Scene) -> Told:
    """A game that insists on its key, where the brain lets everybody in."""
    return _shown(scene, scene.witness.client.endpoint, keys=PeerKeys.load(scene.keys.folder / "game.toml"))


def wrong_version(scene: Scene) -> Told:
    """A game built against another major version."""
    return _shown(scene, scene.witness.client.endpoint, majors=(99,))


def unregistered_schema(scene: Scene) -> Told:
    """Frames laid out by another schema than the one that was registered."""
    other = replace(scene.witness.schema, game="other")
    with _raw(scene.witness.client.endpoint) as dealer:
        dealer.send(encode(Hello((1,), "bench", "raw", scene.witness.schema)))
        start = time.perf_counter()
        welcome = decode(dealer.recv(), scene.witness.schema)
        if not isinstance(welcome, Welcome):
            return _unnamed(f"expected WELCOME, got {type(welcome).__name__}", start)
        frame = Snapshot(welcome.session, other.schema_id, 1, 0, 0, snapshot_blocks(scene.witness.arena, 0))
        start = time.perf_counter()
        dealer.send(encode(frame, other))
        report = decode(dealer.recv(), scene.witness.schema)
        if not isinstance(report, ErrorReport):
            return _unnamed(f"expected ERROR, got {type(report).__name__}", start)
        return _told(faults.of_code(report.code, report.text, report.remedy), start)


def model_against_game(scene: Scene) -> Told:
    """A game that measures a field in another unit than its model learned."""
    start = time.perf_counter()
    try:
        adapt(scene.witness.schema, _in_other_units(scene.witness.schema))
    except SchemaMismatch as error:
        text, ms = str(error), (time.perf_counter() - start) * 1e3
        return Told("SchemaMismatch", text, "declare the field in the unit that the text expects, or train again", ms)
    return _unnamed("nothing was raised", start)


def _in_other_units(schema: Schema) -> Schema:
    """The same game with health as a share instead of points."""
    entities = []
    for entity in schema.entities:
        fields = tuple(replace(f, unit="1", high=1.0, default=1.0) if f.name == "health" else f for f in entity.fields)
        entities.append(replace(entity, fields=fields))
    return replace(schema, entities=tuple(entities))


def nan_in_field(scene: Scene) -> Told:
    """A game that divides by zero."""
    start = time.perf_counter()
    for _ in range(30):
        scene.witness.frame(spoil=True)
        fault = scene.witness.client.fault
        if fault is not None:
            return _told(fault, start)
    return _unnamed("no fault was shown", start)


def ten_megabytes(scene: Scene) -> Told:
    """A game that streams its whole world in one snapshot."""
    start = time.perf_counter()
    scene.witness.push_huge()
    fault = scene.witness.client.fault
    return _told(fault, start) if fault is not None else _unnamed("no fault was shown", start)


def ten_raw_megabytes(scene: Scene) -> Told:
    """A hostile peer that sends 10 MB: it loses its connection, which is all it may notice."""
    with _raw(scene.witness.client.endpoint) as dealer:
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.send(encode(Hello((1,), "bench", "raw", scene.witness.schema)))
        dealer.recv()
        start = time.perf_counter()
        dealer.send(bytes(10_000_000))
        cut = monitor.poll(round(PATIENCE_S * 1e3))
        ms = (time.perf_counter() - start) * 1e3
        dealer.disable_monitor()
        monitor.close(0)
    if not cut:
        return _unnamed("the connection stays", start)
    remedy = faults.of_code(ErrorCode.LIMIT, "").remedy
    return Told("Disconnected", "the connection of a peer that sends more than the limit is cut", remedy, ms)


def invalid_persona(scene: Scene) -> Told:
    """A typing error in a persona file that the running brain watches."""
    path = sorted(scene.personas.glob("*.toml"))[0]
    good = path.read_text(encoding="utf-8")
    start = time.perf_counter()
    path.write_text(good + '\n[weights.oops]\nengage = "much"\n', encoding="utf-8")
    found = PersonaLibrary(scene.personas, DEFAULT_TERMS.names, _barks()).errors
    ms = (time.perf_counter() - start) * 1e3
    for _ in range(15):  # the brain looks four times a second
        scene.witness.frame()
    path.write_text(good, encoding="utf-8")
    error: PersonaError | None = next((e for e in found if e.path == path), None)
    if error is None:
        return _unnamed(f"nothing is wrong with {path.name}", start)
    remedy = f"correct line {error.line} of {path.name}; until then the last good version stays in play"
    return Told("PersonaError", str(error), remedy, ms)


def _barks() -> tuple[str, ...]:
    from npc_sdk.designer.barks import BARK_KEYS

    return BARK_KEYS


def other_games_checkpoint(scene: Scene) -> Told:
    """A brain started with a model that was trained on another game."""
    return _shown(scene, scene.guarded, keys=PeerKeys.load(scene.keys.folder / "game.toml"))


def _shown(scene: Scene, endpoint: str, *, keys: PeerKeys | None = None, majors: tuple[int, ...] = (MAJOR,)) -> Told:
    """Says how a fresh client names what is wrong at an endpoint."""
    start = time.perf_counter()
    with Client(endpoint, scene.witness.schema, keys=keys, majors=majors) as client:
        return _fault_of(client, start)


def _fault_of(client: Client, start: float) -> Told:
    """Polls until the client names what is wrong."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        client.poll()
        fault = client.fault
        if fault is not None and not isinstance(fault, faults.Connecting):
            return _told(fault, start)
        time.sleep(LOOK_S)
    return _unnamed("no fault was shown", start)


def _told(fault: Fault, start: float) -> Told:
    return Told(type(fault).__name__, fault.text, fault.remedy, (time.perf_counter() - start) * 1e3)


def _unnamed(text: str, start: float) -> Told:
    return Told("", text, "", (time.perf_counter() - start) * 1e3)


@contextmanager
def _socket(kind: int) -> Iterator[zmq.Socket[bytes]]:
    """A bare socket."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    bare = context.socket(kind)
    bare.linger = 0
    bare.rcvtimeo = round(PATIENCE_S * 1e3)
    try:
        yield bare
    finally:
        bare.close()
        context.term()


@contextmanager
def _raw(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    """A bare socket that sends whatever it likes."""
    with _socket(zmq.DEALER) as dealer:
        dealer.connect(endpoint)
        yield dealer


CASES: dict[str, Case] = {
    "nothing_listening": nothing_listening,
    "other_protocol": other_protocol,
    "silent_peer": silent_peer,
    "deaf_peer": deaf_peer,
    "control_port": control_port,
    "telemetry_port": telemetry_port,
    "connection_cut": connection_cut,
    "no_key": no_key,
    "key_not_let_in": key_not_let_in,
    "key_of_another_brain": key_of_another_brain,
    "key_for_nobody": key_for_nobody,
    "wrong_version": wrong_version,
    "unregistered_schema": unregistered_schema,
    "model_against_game": model_against_game,
    "nan_in_field": nan_in_field,
    "ten_megabytes": ten_megabytes,
    "ten_raw_megabytes": ten_raw_megabytes,
    "invalid_persona": invalid_persona,
    "other_games_checkpoint": other_games_checkpoint,
}
