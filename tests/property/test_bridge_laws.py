"""Laws of the wire: decode undoes encode, hostile bytes raise one exception only, cut recordings read to the cut."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_bridge.border import Border
from npc_bridge.conformance import describe, sample_action, sample_schema, sample_snapshot, valid
from npc_bridge.delta import Baselines, apply, diff, snapped
from npc_bridge.errors import ErrorCode, RecordingError, RemoteProtocolError, SchemaError
from npc_bridge.ladder import Ladder
from npc_bridge.messages import (
    Ack,
    Action,
    Control,
    Delta,
    EntityBlock,
    ErrorReport,
    Executing,
    Snapshot,
    Telemetry,
    decode,
    encode,
)
from npc_bridge.recording import ChannelId, Direction, Recorder, read
from npc_bridge.schema import Schema
from npc_bridge.session import Offer, ServerSession

SCHEMA = sample_schema()
BORDER = Border(SCHEMA)
FRAMES = [frame for _, frame in valid()]

u32 = st.integers(0, (1 << 32) - 1)
tick = st.integers(0, (1 << 62) - 1)
i64 = st.integers(-(1 << 63), (1 << 63) - 1)
seeds = st.integers(0, 1 << 32)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
bodies = st.dictionaries(st.text(max_size=8), values, max_size=4)


@st.composite
def snapshots(draw: Callable[[st.SearchStrategy[int]], int]) -> Snapshot:
    rng = np.random.default_rng(draw(seeds))
    counts = {"player": draw(st.integers(0, 2)), "npc": draw(st.integers(0, 24)), "mode": draw(st.integers(0, 1))}
    blocks = {}
    for name, n in counts.items():
        raw = rng.integers(0, 1 << 32, (n, len(SCHEMA.columns(name))), np.uint32)
        blocks[name] = EntityBlock(rng.integers(0, 1 << 32, n, np.uint32), raw.view(np.float32))  # any bits, NaN too
    n = draw(st.integers(0, 9))
    executing = Executing(
        rng.integers(0, 1 << 32, n, np.uint32),
        rng.integers(0, 1 << 32, n, np.uint32),
        rng.integers(0, 1 << 16, n, np.uint16),
        rng.integers(0, 1 << 8, n, np.uint8),
    )
    return Snapshot(draw(u32), SCHEMA.schema_id, draw(tick), draw(i64), draw(u32), blocks, executing)


@given(snapshots())
def test_snapshots_survive_the_wire_bit_by_bit(snapshot: Snapshot) -> None:
    frame = encode(snapshot, SCHEMA)
    again = decode(frame, SCHEMA)
    assert isinstance(again, Snapshot)
    assert encode(again, SCHEMA) == frame
    for name, block in snapshot.blocks.items():
        assert again.blocks[name].values.tobytes() == block.values.tobytes()
        assert again.blocks[name].ids.tobytes() == block.ids.tobytes()


@given(snapshots(), snapshots(), seeds)
def test_a_difference_leads_from_the_one_to_the_other_bit_by_bit(one: Snapshot, other: Snapshot, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (replace(s, tick=tick) for s, tick in ((one, 5), (other, 6)))
    kept = one.blocks["npc"]  # some entities of the first are in the second, some of their cells as they were
    ids = rng.permutation(np.concatenate([kept.ids, other.blocks["npc"].ids]))[:24]
    _, at, mine = np.intersect1d(ids, kept.ids, return_indices=True)
    values = rng.integers(0, 1 << 32, (len(ids), kept.values.shape[1]), np.uint32).view(np.float32)
    values[at] = np.where(rng.random((len(at), 1)) < 0.5, kept.values[mine], values[at])
    other = replace(other, blocks={**other.blocks, "npc": EntityBlock(ids, values)})
    a, b = (snapped(with_numbers(s), SCHEMA) for s in (one, other))
    assert encode(snapped(b, SCHEMA), SCHEMA) == encode(b, SCHEMA)
    for baseline in (a, None):
        delta = decode(encode(diff(baseline, b), SCHEMA), SCHEMA)
        assert isinstance(delta, Delta)
        assert encode(apply(delta, baseline), SCHEMA) == encode(b, SCHEMA)


def with_numbers(snapshot: Snapshot) -> Snapshot:
    """Returns it with numbers alone in columns that have a code for nothing else."""
    blocks = {}
    for name, block in snapshot.blocks.items():
        whole = np.array([f.coding[0] == "q" for f in SCHEMA.entity(name).fields])
        lost = ~np.isfinite(block.values) & whole
        blocks[name] = EntityBlock(block.ids, np.where(lost, np.float32(1), block.values))
    return replace(snapshot, blocks=blocks)


@given(st.integers(0, 24), st.integers(1, 64), seeds)
def test_actions_survive_the_wire(n: int, m: int, seed: int) -> None:
    action = sample_action(npcs=n, m=m, apply_tick=2 + seed)
    again = decode(encode(action, SCHEMA), SCHEMA)
    assert isinstance(again, Action)
    assert describe(again) == describe(action)


@given(u32, bodies, st.text(max_size=15))
def test_bodies_survive_the_wire(number: int, body: dict[str, object], text: str) -> None:
    for message in (
        Control(number, text, body),  # type: ignore[arg-type]  # values are what hypothesis made
        Ack(number, number, 0, text, body),  # type: ignore[arg-type]
        Telemetry(number, text, number, 5, -5, body),  # type: ignore[arg-type]
        ErrorReport(number, ErrorCode.BUSY, True, text, text, 9),
    ):
        again = decode(encode(message))
        assert again == message


def receive(frame: bytes) -> None:
    """Does all that a receiver does with untrusted bytes; only RemoteProtocolError may leave decode."""
    try:
        message = decode(frame, SCHEMA)
        if isinstance(message, Delta):
            message = Baselines().whole(message)
        if isinstance(message, Snapshot):
            admitted = BORDER.admit(message).snapshot
            assert all(np.isfinite(block.values).all() for block in admitted.blocks.values())
        if isinstance(message, Action):
            BORDER.check(message)
            ladder = Ladder(SCHEMA)
            ladder.start(message.session)
            ladder.accept(message)
            result = ladder.step(message.apply_tick, np.array([101, 102], np.uint32), np.zeros((2, 4)))
            assert np.isfinite(result.commands).all()
    except RemoteProtocolError:
        pass
    server = ServerSession(lambda: 1, Offer(), lambda schema: ())
    server.receive(FRAMES[0], 0)
    server.receive(frame, 1)  # never raises


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_what_they_should(data: bytes) -> None:
    receive(data)
    receive(b"NPCW\x01" + data)
    receive(FRAMES[0][:48] + data)


@settings(max_examples=300)
@given(st.sampled_from(FRAMES), st.lists(st.tuples(seeds, st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_frames_raise_only_what_they_should(frame: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(frame)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    receive(bytes(mutated))


@given(st.sampled_from(FRAMES), seeds)
def test_cut_frames_are_always_refused(frame: bytes, at: int) -> None:
    cut = frame[: at % len(frame)]
    try:
        decode(cut, SCHEMA)
    except RemoteProtocolError:
        return
    raise AssertionError("a cut frame was taken for a whole one")


@given(seeds, st.integers(0, 255))
def test_mutated_schemas_raise_only_schema_errors(at: int, value: int) -> None:
    data = bytearray(SCHEMA.canonical())
    data[at % len(data)] = value
    try:
        again = Schema.from_canonical(bytes(data))
    except SchemaError:
        return
    assert again.canonical() == bytes(data)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), seeds)
def test_a_recording_cut_anywhere_reads_up_to_the_cut(frames: list[bytes], at: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npcw"
        ends = []
        with Recorder(path, SCHEMA) as recorder:
            recorder.flush()
            schema_end = path.stat().st_size
            for i, frame in enumerate(frames):
                recorder.write(i, Direction.UP, ChannelId.DATA, frame)
                recorder.flush()
                ends.append(path.stat().st_size)
        data = path.read_bytes()
        cut = at % (len(data) + 1)
        path.write_bytes(data[:cut])
        try:
            got = [record.data for record in read(path)]
        except RecordingError:
            assert cut < schema_end
            return
        assert cut >= schema_end
        assert got == frames[: sum(end <= cut for end in ends)]


@settings(max_examples=60)
@given(seeds)
def test_what_the_ladder_runs_is_due_and_valid_and_on_its_pose(seed: int) -> None:
    """A slow, literal copy of the rules in PROTOCOL.md agrees with the ladder, whatever arrives."""
    rng = np.random.default_rng(seed)
    ladder = Ladder(SCHEMA)
    ladder.start(7)
    held: list[Action] = []
    for now in range(300, 325):
        if rng.random() < 0.7:
            action = sample_action(
                int(rng.integers(1, 4)), int(rng.integers(1, 7)), now, now + int(rng.integers(-3, 5))
            )
            fields = {"session": 7 if rng.random() < 0.9 else 8, "source_tick": 290, "brake": action.brake / now}
            action = Action(**{**{f: getattr(action, f) for f in action.__slots__}, **fields})
            if ladder.accept(action):
                held = [*held, action][-8:]
        ids = np.array([103, 101, 102], np.uint32)
        pose = np.zeros((3, 4))
        pose[:, 0] = rng.uniform(0, 0.1, 3)
        pose[:, 2] = np.array([0.25, 0.0, 0.125]) + rng.uniform(-0.06, 0.06, 3)
        result = ladder.step(now, ids, pose)
        for row, npc in enumerate(ids):
            mine = [(a, int(np.flatnonzero(a.ids == npc)[0])) for a in reversed(held) if npc in a.ids]
            due = [(a, i) for a, i in mine if a.apply_tick <= now]
            valid_now = [(a, i) for a, i in due if now <= min(a.valid_until_tick, a.apply_tick + a.steps.shape[1] - 1)]
            fits = [(a, i) for a, i in valid_now if matches(a, i, now, pose[row])]
            if fits:
                chosen, i = fits[0]
                step = now - chosen.apply_tick
                assert result.rung[row] == (0 if chosen is due[0][0] and step < 4 else 1)
                assert (result.chunk[row], result.step[row]) == (chosen.chunk, step)
                assert result.commands[row].tolist() == chosen.steps[i, step].tolist()
            else:
                assert result.rung[row] == 3
                a = mine[0][0].brake[mine[0][1]] if mine else 16.0
                kept = max(0.0, 1.0 - a / 30.0 / max(abs(pose[row, 2]), 1e-12))
                np.testing.assert_allclose(result.commands[row], [pose[row, 2] * kept, 0, 0, 0], rtol=1e-6)


def matches(action: Action, row: int, now: int, pose: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    off = pose - action.expected[row, now - action.apply_tick]
    return bool(np.hypot(*off[:2]) <= action.tolerance[row] and np.hypot(*off[2:]) <= 0.05)


def test_snapshot_samples_are_legal() -> None:
    receive(encode(sample_snapshot(), SCHEMA))
