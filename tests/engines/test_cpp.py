"""The C++ client and its C ABI, compiled by g++ with warnings as errors."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from yard import CLIENTS, PATIENCE_S, PLANNED, TAIL, needed, play

from npc_bridge.conformance import check, sample_schema, valid
from npc_bridge.messages import Action
from npc_bridge.server import BridgeServer
from npc_bridge.session import Offer, SnapshotArrived

CPP = CLIENTS / "cpp"
WARNINGS = ("-O1", "-Wall", "-Wextra", "-Werror", "-I", str(CPP / "include"))
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SPEED = 0.5  # m/s, of the guard that a test's own brain moves
HZ = 30.0
STEPS = 12
MANGLED = 4000


@pytest.fixture(scope="module", autouse=True)
def compiler() -> None:
    needed("g++", "gcc", headers=("zmq.hpp",))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cpp")


@pytest.fixture(scope="module")
def conformance(build: Path) -> str:
    return _linked(build / "conformance", "-std=c++17", *WARNINGS, *SANITIZERS, str(CPP / "conformance.cpp"))


def _linked(program: Path, *arguments: str) -> str:
    _compiled("g++", *arguments, "-lzmq", "-o", str(program))
    return str(program)


def _compiled(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_it_agrees_with_every_vector(conformance: str) -> None:
    report = check([conformance])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (225, 15)
    assert report.presets == ("wire", "unreal")


@pytest.mark.timeout(300)
def test_mangled_frames_are_judged_within_their_bounds(conformance: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frames = [frame for _, frame in valid()]
    for i in range(MANGLED):
        (tmp_path / f"mangled{i}.bin").write_bytes(_mangled(frames[i % len(frames)], rng))
    (tmp_path / "schema.bin").write_bytes(sample_schema().canonical())
    (tmp_path / "cases.txt").write_text("".join(f"frame mangled{i}\n" for i in range(MANGLED)), "ascii")
    verdicts = tmp_path / "verdicts.txt"
    done = subprocess.run([conformance, str(tmp_path), str(verdicts)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    words = [line.split(" ")[2] for line in verdicts.read_text("ascii").splitlines()]
    assert len(words) == MANGLED
    assert {"ok", "error"} == set(words)


@pytest.mark.timeout(300)
def test_sessions_faults_and_sizes_are_as_the_protocol_says(build: Path) -> None:
    session = _linked(build / "session", "-std=c++17", *WARNINGS, *SANITIZERS, str(CPP / "tests" / "session.cpp"))
    done = subprocess.run([session], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _mangled(frame: bytes, rng: np.random.Generator) -> bytes:
    """Sets some bytes to anything, mostly to what makes sizes large, and cuts every other frame short."""
    data = bytearray(frame)
    for at in rng.integers(6, len(data), rng.integers(0, 6)):
        data[at] = rng.choice([0x00, 0x7F, 0xFF, int(rng.integers(256))])
    return bytes(data[: rng.integers(len(data) // 2, len(data) + 1)] if rng.random() < 0.5 else data)


@pytest.mark.timeout(300)
def test_a_c_program_is_steered_and_goes_on_without_its_brain(build: Path) -> None:
    objects = str(build / "guard.o"), str(build / "npcw.o")
    _compiled("gcc", "-std=c11", *WARNINGS, *SANITIZERS, "-c", str(CPP / "example" / "guard.c"), "-o", objects[0])
    _compiled("g++", "-std=c++17", *WARNINGS, *SANITIZERS, "-c", str(CPP / "src" / "npcw.cpp"), "-o", objects[1])
    guard = _linked(build / "guard", *SANITIZERS, *objects)
    lines = []
    with ExitStack() as stack:
        endpoint = stack.enter_context(_brain())
        process = subprocess.Popen([guard, endpoint, "12"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.split(" ")[2:4] == ["fine", str(PLANNED)] and len(lines) > 2 * HZ:
                stack.close()  # the brain
        process.stdout.close()
    assert process.wait(PATIENCE_S) == 0, lines[-50:]
    assert lines[-1].startswith("counters planned ")
    rows = [line.split(" ") for line in lines if line.startswith("tick ")]
    x = np.array([float(row[4]) for row in rows])
    steered = np.flatnonzero([int(row[3]) <= TAIL for row in rows])
    assert x[steered] - x[steered - 1] == pytest.approx(SPEED / HZ, abs=2e-4)
    fresh = sum(row[3] == str(PLANNED) for row in rows)
    assert fresh > 0.5 * np.ptp(steered), "how it moves is what its newest plan expects"
    assert np.diff(x)[-10:] == pytest.approx(0.0), "without a plan it stands, as its own behaviour says"
    assert {row[2] for row in rows} >= {"fine", "not_listening"}


@contextmanager
def _brain() -> Iterator[str]:
    """A brain that lets every NPC go to the right; yields its endpoint."""
    ended = threading.Event()
    with BridgeServer(offer=Offer(velocity_tolerance=1.2 * SPEED)) as server:
        thinking = threading.Thread(target=_think, args=(server, ended))
        thinking.start()
        try:
            yield server.endpoints.data
        finally:
            ended.set()
            thinking.join()


def _think(server: BridgeServer, ended: threading.Event) -> None:
    chunk = 0
    while not ended.is_set():
        for event in server.poll(20):
            if isinstance(event, SnapshotArrived):
                chunk += 1
                server.send(event.session, _to_the_right(event, chunk))


def _to_the_right(arrived: SnapshotArrived, chunk: int) -> Action:
    """Returns a plan of SPEED; its tolerances let it run whether or not the plan before is still going on."""
    npcs, tick = arrived.snapshot.blocks["npc"], arrived.snapshot.tick
    n = len(npcs.ids)
    steps = np.zeros((n, STEPS, 2), np.float32)
    steps[:, :, 0] = SPEED
    expected = np.zeros((n, STEPS, 4), np.float32)
    expected[:, :, :2] = npcs.values[:, None, :2]
    expected[:, :, 2] = npcs.values[:, None, 2]
    return Action(
        session=0,
        schema_id=0,
        source_tick=tick,
        apply_tick=tick,
        valid_until_tick=tick + STEPS - 1,
        chunk=chunk,
        sequence=0,
        received_us=arrived.received_us,
        planned_us=arrived.received_us,
        sent_us=0,
        ids=npcs.ids,
        steps=steps,
        expected=expected,
        brake=np.full(n, 16, np.float32),
        tolerance=np.full(n, 1.0, np.float32),
        status=np.ones(n, np.uint8),
        bark=np.zeros(n, np.uint16),
    )


@pytest.mark.timeout(600)
def test_a_yard_is_planned_steered_and_outlives_its_brain(build: Path) -> None:
    yard = _linked(build / "yard", "-std=c++17", *WARNINGS, str(CPP / "example" / "yard.cpp"))
    version = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    play("C++", f"g++ {version}", lambda endpoint: [yard, endpoint, "600"])
