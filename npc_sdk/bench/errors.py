"""`npc-sdk bench errors`: every usual mistake, made on purpose against a real brain; named how, and after how long."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import zmq

from npc_bridge import faults
from npc_bridge.client import Client
from npc_bridge.errors import ErrorCode, SchemaMismatch
from npc_bridge.faults import Fault
from npc_bridge.messages import EntityBlock, ErrorReport, Hello, Snapshot, Welcome, decode, encode
from npc_bridge.schema import Schema, adapt
from npc_sdk.bench.process import BrainProcess
from npc_sdk.designer.persona import SHIPPED, PersonaLibrary
from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
from npc_sdk.errors import PersonaError, SdkError
from npc_sdk.experiments.report import add_json, emit, machine, progress, table
from npc_sdk.objectives.terms import DEFAULT_TERMS

PROMISED_MS = 1000.0
PATIENCE_S = 10.0  # for what should take a second
TICK_S = 1 / 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one mistake was reported."""

    case: str
    type: str  # of the fault or error
    text: str
    remedy: str
    ms: float
    alive: bool  # a well-behaved game beside it is still being answered

    @property
    def passed(self) -> bool:
        """Whether it was typed, told what to do, came in time and hurt nobody."""
        return bool(self.type and self.remedy and self.alive and self.ms <= PROMISED_MS)


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
        """Streams until the brain answers; False if it does not."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.frame():
                return True
        return False

    def push_huge(self) -> None:
        """Tries to send 10 MB as one snapshot."""
        n, width = 500_000, len(self.schema.entity("npc").fields)
        rows = EntityBlock(np.arange(1, n + 1, dtype=np.uint32), np.zeros((n, width), np.float32))
        self.client.push(self._tick + 1, {"npc": rows})


Case = Callable[[Witness, Path], tuple[str, str, str, float]]
"""Makes one mistake; returns the error's type, text and remedy, and milliseconds until it showed."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", default="constant-velocity", help="of the brain the mistakes are made against")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench errors`. Returns 1 when a mistake is not named as promised."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        personas = Path(folder) / "personas"
        shutil.copytree(SHIPPED, personas)
        with BrainProcess(*_anywhere(args.model), "--personas", str(personas)) as brain:
            witness = Witness(str(brain.wait()["data"]))
            if not witness.answered():
                raise SdkError(f"the brain does not answer: {witness.client.fault}; it said: {brain.last_words}")
            with progress(len(CASES), "bench errors", "case") as bar:
                for name, case in CASES.items():
                    kind, text, remedy, ms = case(witness, personas)
                    alive = witness.answered() and brain.alive
                    outcomes.append(Outcome(name, kind, text, remedy, ms, alive))
                    bar.update()
            witness.client.close()
    figures: dict[str, object] = {
        "passed": all(o.passed for o in outcomes),
        "worst_ms": max(o.ms for o in outcomes),
        "promised_ms": PROMISED_MS,
        "cases": [asdict(o) | {"passed": o.passed} for o in outcomes],
        "machine": machine(),
    }
    rows = [(o.case, o.type, f"{o.ms:.0f}", "yes" if o.alive else "NO", o.remedy[:60]) for o in outcomes]
    emit(table(("mistake", "named", "ms", "alive", "remedy"), rows), figures, args.json)
    return 0 if figures["passed"] else 1


def _anywhere(model: str) -> list[str]:
    at = "tcp://127.0.0.1:0"
    options = ["--model", model, "--data", at, "--control", at, "--telemetry", at]
    return [*options, "--candidates", "16", "--lead-ticks", "0"]


def _shown(client: Client) -> tuple[str, str, str, float]:
    """Polls a fresh client until it names what is wrong."""
    start = time.perf_counter()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        client.poll()
        fault = client.fault
        if fault is not None and not isinstance(fault, faults.Connecting):
            return _told(fault, start)
        time.sleep(0.002)
    return "", "no fault was shown", "", PATIENCE_S * 1e3


def _told(fault: Fault, start: float) -> tuple[str, str, str, float]:
    return type(fault).__name__, fault.text, fault.remedy, (time.perf_counter() - start) * 1e3


def nothing_listening(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A game started before its brain, or with a wrong port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Client(f"tcp://127.0.0.1:{port}", witness.schema) as client:
        return _shown(client)


def other_protocol(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """The port belongs to a web server."""
    with _web_server() as endpoint, Client(endpoint, witness.schema) as client:
        return _shown(client)


@contextmanager
def _web_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    line, _ = server.accept()
                except TimeoutError:
                    continue
                with line:
                    line.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def wrong_version(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A game built against another major version."""
    with Client(witness.client.endpoint, witness.schema, majors=(99,)) as client:
        return _shown(client)


def unregistered_schema(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """Frames laid out by another schema than the one that was registered."""
    other = replace(witness.schema, game="other")
    with _raw(witness.client.endpoint) as dealer:
        dealer.send(encode(Hello((1,), "bench", "raw", witness.schema)))
        welcome = decode(dealer.recv(), witness.schema)
        if not isinstance(welcome, Welcome):
            return "", f"expected WELCOME, got {type(welcome).__name__}", "", 0.0
        frame = Snapshot(welcome.session, other.schema_id, 1, 0, 0, snapshot_blocks(witness.arena, 0))
        start = time.perf_counter()
        dealer.send(encode(frame, other))
        report = decode(dealer.recv(), witness.schema)
        if not isinstance(report, ErrorReport):
            return "", f"expected ERROR, got {type(report).__name__}", "", 0.0
        return _told(faults.of_code(report.code, report.text, report.remedy), start)


def model_against_game(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A game that measures a field in another unit than its model learned."""
    start = time.perf_counter()
    try:
        adapt(witness.schema, _in_other_units(witness.schema))
    except SchemaMismatch as error:
        text, ms = str(error), (time.perf_counter() - start) * 1e3
        return "SchemaMismatch", text, "declare the field in the unit that the text expects, or train again", ms
    return "", "nothing was raised", "", 0.0


def _in_other_units(schema: Schema) -> Schema:
    """The same game with health as a share instead of points."""
    entities = []
    for entity in schema.entities:
        fields = tuple(replace(f, unit="1", high=1.0, default=1.0) if f.name == "health" else f for f in entity.fields)
        entities.append(replace(entity, fields=fields))
    return replace(schema, entities=tuple(entities))


def nan_in_field(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A game that divides by zero."""
    start = time.perf_counter()
    for _ in range(30):
        witness.frame(spoil=True)
        fault = witness.client.fault
        if fault is not None:
            return _told(fault, start)
    return "", "no fault was shown", "", (time.perf_counter() - start) * 1e3


def ten_megabytes(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A game that streams its whole world in one snapshot."""
    start = time.perf_counter()
    witness.push_huge()
    fault = witness.client.fault
    return _told(fault, start) if fault is not None else ("", "no fault was shown", "", 0.0)


def ten_raw_megabytes(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A hostile peer that sends 10 MB: it loses its connection, which is all it may notice."""
    with _raw(witness.client.endpoint) as dealer:
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.send(encode(Hello((1,), "bench", "raw", witness.schema)))
        dealer.recv()
        start = time.perf_counter()
        dealer.send(bytes(10_000_000))
        cut = monitor.poll(round(PATIENCE_S * 1e3))
        ms = (time.perf_counter() - start) * 1e3
        dealer.disable_monitor()
        monitor.close(0)
    if not cut:
        return "", "the connection stays", "", ms
    remedy = faults.of_code(ErrorCode.LIMIT, "").remedy
    return "Disconnected", "the connection of a peer that sends more than the limit is cut", remedy, ms


def invalid_persona(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A typing error in a persona file that the running brain watches."""
    path = sorted(personas.glob("*.toml"))[0]
    good = path.read_text(encoding="utf-8")
    start = time.perf_counter()
    path.write_text(good + '\n[weights.oops]\nengage = "much"\n', encoding="utf-8")
    found = PersonaLibrary(personas, DEFAULT_TERMS.names, _barks()).errors
    ms = (time.perf_counter() - start) * 1e3
    for _ in range(15):  # the brain looks four times a second
        witness.frame()
    path.write_text(good, encoding="utf-8")
    error: PersonaError | None = next((e for e in found if e.path == path), None)
    if error is None:
        return "", f"nothing is wrong with {path.name}", "", ms
    remedy = f"correct line {error.line} of {path.name}; until then the last good version stays in play"
    return "PersonaError", str(error), remedy, ms


def _barks() -> tuple[str, ...]:
    from npc_sdk.designer.barks import BARK_KEYS

    return BARK_KEYS


def other_games_checkpoint(witness: Witness, personas: Path) -> tuple[str, str, str, float]:
    """A brain started with a model that was trained on another game."""
    from npc_sdk.world import ModelConfig, WorldModel, save_model

    folder = personas.parent / "other_game"
    save_model(WorldModel(ModelConfig()), folder, "0" * 64)
    with BrainProcess(*_anywhere(str(folder))) as brain:
        at = brain.wait()
        with Client(str(at["data"]), witness.schema) as client:
            return _shown(client)


@contextmanager
def _raw(endpoint: str) -> Iterator[zmq.Socket[bytes]]:
    """A bare socket that sends whatever it likes."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.rcvtimeo = round(PATIENCE_S * 1e3)
    dealer.connect(endpoint)
    try:
        yield dealer
    finally:
        dealer.close()
        context.term()


CASES: dict[str, Case] = {
    "nothing_listening": nothing_listening,
    "other_protocol": other_protocol,
    "wrong_version": wrong_version,
    "unregistered_schema": unregistered_schema,
    "model_against_game": model_against_game,
    "nan_in_field": nan_in_field,
    "ten_megabytes": ten_megabytes,
    "ten_raw_megabytes": ten_raw_megabytes,
    "invalid_persona": invalid_persona,
    "other_games_checkpoint": other_games_checkpoint,
}
