"""The compiled codec answers as the code that defines the wire does, or not at all."""

from __future__ import annotations

import gc
import runpy
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core._multiarray_umath import _get_sfloat_dtype

from npc_bridge import codec as door
from npc_bridge.border import Border
from npc_bridge.codec import NoCodec, codec_of
from npc_bridge.conformance import describe, sample_action, sample_schema, sample_snapshot
from npc_bridge.errors import LocalProtocolError, RemoteProtocolError
from npc_bridge.frames import HEADER_BYTES
from npc_bridge.limits import LIMITS
from npc_bridge.messages import (
    Action,
    EntityBlock,
    Executing,
    Snapshot,
    decode,
    encode,
)
from npc_bridge.session import Acted, ClientSession, Greeting, Offer, ServerSession, SnapshotArrived

pytest.importorskip("npc_bridge_codec", reason="the compiled codec is not installed: pip install ./bridge/codec")

SCHEMA = sample_schema()
CODEC = codec_of(SCHEMA, LIMITS)
SNAPSHOT = sample_snapshot(npcs=5, players=2)
ACTION = sample_action(npcs=5, m=3)
SEEN = encode(SNAPSHOT, SCHEMA)
TOLD = encode(ACTION, SCHEMA)
HEADS = {"SNAPSHOT": (SEEN, HEADER_BYTES + 32), "ACTION": (TOLD, HEADER_BYTES + 48)}  # with table or timing
ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38, 6.0, -6.0, 6.0000005, 100.0, 0.5, 1.0], np.float32)

scaled = _get_sfloat_dtype()  # of NumPy's own tests: a type as those of other packages, without a number
seeds = st.integers(0, 1 << 32)


def growing(*parts: np.ndarray) -> bool:
    """Says whether ids come in the order that the codec asks for."""
    ids = np.concatenate(parts).astype(np.int64)
    return bool((np.diff(ids, prepend=0) > 0).all())


def read_snapshot(frame: bytes, session: int, last_tick: int) -> Snapshot | None:
    """What the codec should answer, by the code that defines it."""
    try:
        message = decode(frame, SCHEMA)
        if not isinstance(message, Snapshot) or message.session != session or message.tick <= last_tick:
            return None
        admitted = Border(SCHEMA).admit(message)
    except RemoteProtocolError:
        return None
    if admitted.clamped or admitted.masked or admitted.snapshot is not message:
        return None
    blocks = [block.ids for block in message.blocks.values()]
    return message if growing(*blocks, np.zeros(0)) and growing(message.executing.ids) else None


def read_action(frame: bytes, session: int) -> Action | None:
    try:
        message = decode(frame, SCHEMA)
        if not isinstance(message, Action) or message.session != session:
            return None
        Border(SCHEMA).check(message)
    except RemoteProtocolError:
        return None
    return message if growing(message.ids) else None


def same(one: Snapshot | Action | None, other: Snapshot | Action | None) -> bool:
    """Says whether two answers are the same, to the types of their arrays and whether they may be written to."""
    if one is None or other is None:
        return one is other
    return describe(one) == describe(other) and [*_shapes(one)] == [*_shapes(other)]


def _shapes(value: object) -> Iterator[object]:
    if isinstance(value, np.ndarray):
        yield value.shape, value.dtype, value.flags.writeable, value.flags.aligned, value.tobytes()
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _shapes(part)
    elif isinstance(value, Snapshot | Action | EntityBlock | Executing):
        yield type(value)
        for field in fields(value):
            yield from _shapes(getattr(value, field.name))
    else:
        yield type(value), value


def agree(frame: bytes, session: int, last_tick: int = -1) -> bool:
    """Holds both functions that read against their definitions; says whether one of them took the frame."""
    seen, told = CODEC.read_snapshot(frame, session, last_tick), CODEC.read_action(frame, session)
    assert same(seen, read_snapshot(frame, session, last_tick)), frame.hex()
    assert same(told, read_action(frame, session)), frame.hex()
    return seen is not None or told is not None


@pytest.mark.parametrize("kind", HEADS)
def test_every_byte_of_a_head_is_read_as_it_is_defined(kind: str) -> None:
    frame, head = HEADS[kind]
    session = int.from_bytes(frame[8:12], "little")
    taken = 0
    for at in range(head):
        for value in range(256):
            taken += agree(frame[:at] + bytes([value]) + frame[at + 1 :], session)
    assert head < taken < head * 255  # the usual ones and the unusual ones


@pytest.mark.parametrize("kind", HEADS)
def test_every_number_is_judged_as_it_is_defined(kind: str) -> None:
    frame, head = HEADS[kind]
    session = int.from_bytes(frame[8:12], "little")
    taken = 0
    for at in range(head, len(frame), 4):
        for word in [
            *(value.tobytes() for value in ODD),
            b"\0\0\0\0",
            b"\4\4\4\4",
            b"\7\7\7\7",
            b"\x08\0\0\0",
            b"\0\0\0\x05",
        ]:
            taken += agree(frame[:at] + word + frame[at + 4 :], session)
    assert 0 < taken < (len(frame) - head) // 4 * 17


@pytest.mark.parametrize("kind", HEADS)
def test_a_frame_that_is_cut_or_too_long_is_left_to_others(kind: str) -> None:
    frame, _ = HEADS[kind]
    session = int.from_bytes(frame[8:12], "little")
    assert agree(frame, session)
    for size in range(len(frame)):
        assert not agree(frame[:size], session)
    for more in (1, 4, 16):
        assert not agree(frame + bytes(more), session)


@settings(max_examples=1000)
@given(seeds, st.integers(0, 24), st.integers(0, 2), st.booleans())
def test_snapshots_are_read_and_written_as_they_are_defined(seed: int, npcs: int, players: int, mode: bool) -> None:
    rng = np.random.default_rng(seed)
    snapshot = _snapshot(rng, npcs, players, mode)
    frame = encode(snapshot, SCHEMA)
    agree(frame, snapshot.session, snapshot.tick - int(rng.integers(0, 2)))
    agree(_bent(frame, rng), snapshot.session)
    args = (snapshot.session, snapshot.tick, snapshot.time_us, snapshot.sequence, snapshot.blocks, snapshot.executing)
    assert CODEC.write_snapshot(*args) == frame


@settings(max_examples=1000)
@given(seeds, st.integers(0, 24), st.integers(1, 12))
def test_actions_are_read_and_written_as_they_are_defined(seed: int, npcs: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    action = _action(rng, npcs, m)
    frame = encode(action, SCHEMA)
    usual = agree(frame, action.session)
    agree(_bent(frame, rng), action.session)
    written = CODEC.write_action(action, action.session, action.sequence, action.sent_us)
    assert written == (frame if usual else None)


@settings(max_examples=200)
@given(seeds)
def test_a_session_takes_the_same_course_without_it(seed: int) -> None:
    one, other = _pair(), _pair(compiled=False)
    for sides in (one, other):
        _converse(*sides, np.random.default_rng(seed))
    assert one[2] == other[2]


def _pair(compiled: bool = True) -> tuple[ClientSession, ServerSession, list[object]]:
    """Returns both ends of a session that is open, and what has come of it so far."""
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(door, "compiled", None)
        client = ClientSession(SCHEMA, Greeting("law", "law"), 7)
        server = ServerSession(lambda: 1, Offer(limits=replace(LIMITS, snapshots_per_s=12)), lambda schema: ())
        for reply in server.receive(client.connected(0), 0).replies:
            client.receive(reply, 0)
    assert client.session == 1
    return client, server, []


def _converse(client: ClientSession, server: ServerSession, course: list[object], rng: np.random.Generator) -> None:
    """Has both say usual and unusual things for a second, and keeps what comes of each."""
    for turn in range(20):
        said = _snapshot(rng, 6, 1, True)
        tick = max(0, turn + int(rng.integers(-2, 2)))
        frame = client.snapshot(tick, said.time_us, said.blocks, said.executing) or b""
        frame = _bent(frame, rng) if rng.random() < 0.3 and frame else frame
        received = server.receive(frame, 70_000 * turn)
        course += [frame, len(received.events), *received.replies, replace(server.counters)]
        course += [describe(e.snapshot) for e in received.events if isinstance(e, SnapshotArrived)]
        try:
            told = server.action(replace(_action(rng, 6, 2), flags=0), 70_000 * turn, int(rng.integers(0, 2)))
        except LocalProtocolError as error:
            course.append(str(error))
            continue
        told = _bent(told, rng) if rng.random() < 0.3 else told
        try:
            event = client.receive(told, 70_000 * turn)
            course += [told, type(event), describe(event.action) if isinstance(event, Acted) else None]
        except RemoteProtocolError as error:
            course.append(str(error))


def _snapshot(rng: np.random.Generator, npcs: int, players: int, mode: bool) -> Snapshot:
    """Returns one that is usual in most of its parts."""
    wild = rng.random() < 0.3
    ids = np.cumsum(rng.integers(0 if wild else 1, 9, players + npcs + mode)).astype(np.uint32)
    low, high = (
        np.array([getattr(f, side) for f in SCHEMA.entity("npc").fields], np.float32) for side in ("low", "high")
    )
    values = rng.uniform(low, high, (npcs, len(low))).astype(np.float32).clip(low, high)
    if wild and values.size:
        values.flat[rng.integers(values.size)] = rng.choice(ODD)
    blocks = {"npc": EntityBlock(ids[players : players + npcs], values)}
    if players:
        blocks["player"] = EntityBlock(ids[:players], np.full((players, 5), 0.5, np.float32))
    if mode:
        blocks["mode"] = EntityBlock(ids[players + npcs :], np.ones((1, 1), np.float32))
    executing = Executing(
        blocks["npc"].ids,
        rng.integers(0, 1 << 32, npcs, np.uint32),
        rng.integers(0, 1 << 16, npcs, np.uint16),
        rng.integers(0, 6 if wild else 5, npcs, np.uint8),
    )
    return Snapshot(3, SCHEMA.schema_id, int(rng.integers(1 << 62)), int(rng.integers(-5, 5)), 9, blocks, executing)


def _action(rng: np.random.Generator, n: int, m: int) -> Action:
    """Returns one that is usual in most of its parts."""
    wild = rng.random() < 0.5
    source = int(rng.integers(1 << 40))
    steps = rng.uniform(-3.0, 3.0, (n, m, 4)).astype(np.float32)
    steps[..., 3] = rng.integers(0, 2, (n, m))
    expected = rng.normal(size=(n, m, 4)).astype(np.float32)
    brake, tolerance = rng.uniform(0.0, 9.0, (2, n)).astype(np.float32)
    odd = (steps, expected, brake, tolerance)[rng.integers(4)]
    if wild and odd.size:
        odd.flat[rng.integers(odd.size)] = rng.choice(ODD)
    return Action(
        session=int(rng.integers(1, 1 << 32)),
        schema_id=SCHEMA.schema_id,
        source_tick=source,
        apply_tick=source + int(rng.integers(0, 3)),
        valid_until_tick=source + int(rng.integers(0, 9)),
        chunk=int(rng.integers(1 << 32)),
        sequence=int(rng.integers(1 << 32)),
        received_us=int(rng.integers(-(1 << 62), 1 << 62)),
        planned_us=int(rng.integers(1 << 62)),
        sent_us=int(rng.integers(1 << 62)),
        ids=np.cumsum(rng.integers(0 if wild else 1, 9, n)).astype(np.uint32),
        steps=steps,
        expected=expected,
        brake=brake,
        tolerance=tolerance,
        status=rng.integers(0, 9 if wild else 8, n, np.uint8),
        bark=rng.integers(0, 1 << 16, n, np.uint16),
        flags=int(rng.choice([0, 4, 8, 1])),
    )


def _fresh(value: Any) -> Any:
    """Returns a copy that shares no array and no record with another."""
    if isinstance(value, dict):
        return {key: _fresh(part) for key, part in value.items()}
    if isinstance(value, Snapshot | Action | EntityBlock | Executing):
        return type(value)(*(_fresh(getattr(value, f.name)) for f in fields(value)))
    return value.copy() if isinstance(value, np.ndarray) else value


def _bent(frame: bytes, rng: np.random.Generator) -> bytes:
    """Returns it with one to three bytes changed."""
    bytes_ = bytearray(frame)
    for _ in range(rng.integers(1, 4)):
        bytes_[rng.integers(len(frame))] = rng.integers(256)
    return bytes(bytes_)


def _big_endian(array: np.ndarray) -> np.ndarray | None:
    return array.astype(array.dtype.newbyteorder(">")) if array.itemsize > 1 else None


class Strange:
    """No message at all."""


class Hostile(dict[str, EntityBlock]):
    """A mapping of another type."""


UNUSUAL: dict[str, Callable[[np.ndarray], Any]] = {
    "bytes the other way round": _big_endian,
    "as a list": lambda array: array.tolist(),
    "wider": lambda array: array.astype(np.float64),
    "every other one": lambda array: np.repeat(array, 2, 0)[::2],
    "a subclass": lambda array: array.view(np.matrix) if array.ndim == 2 else None,
    "one row fewer": lambda array: array[:-1],
    "one axis more": lambda array: array[None],
    "of a type without a number": lambda array: np.zeros(array.shape).view(scaled(1.0)),
    "nothing": lambda array: None,
}


@pytest.mark.parametrize("how", UNUSUAL)
def test_arrays_that_are_not_as_the_wire_has_them_are_left_to_others(how: str) -> None:
    told = [f.name for f in fields(Action) if isinstance(getattr(ACTION, f.name), np.ndarray)]
    for name in told:
        action = replace(ACTION, **{name: UNUSUAL[how](getattr(ACTION, name))})
        assert CODEC.write_action(action, 1, 2, 3) is None, name
    for name in ("ids", "values"):
        block = replace(SNAPSHOT.blocks["npc"], **{name: UNUSUAL[how](getattr(SNAPSHOT.blocks["npc"], name))})
        assert CODEC.write_snapshot(1, 2, 3, 4, {"npc": block}, SNAPSHOT.executing) is None, name
    for name in ("ids", "chunk", "step", "rung"):
        doing = replace(SNAPSHOT.executing, **{name: UNUSUAL[how](getattr(SNAPSHOT.executing, name))})
        assert CODEC.write_snapshot(1, 2, 3, 4, SNAPSHOT.blocks, doing) is None, name


@pytest.mark.parametrize("number", [-1, 1 << 32, 1 << 64, 1.0, True, None, "1", np.int64(1)])
def test_numbers_that_do_not_fit_the_header_are_left_to_others(number: Any) -> None:
    assert CODEC.write_action(ACTION, number, 2, 3) is None
    assert CODEC.write_action(ACTION, 1, number, 3) is None
    assert CODEC.write_snapshot(number, 2, 3, 4, SNAPSHOT.blocks, SNAPSHOT.executing) is None
    assert CODEC.write_snapshot(1, 2, 3, number, SNAPSHOT.blocks, SNAPSHOT.executing) is None
    assert CODEC.write_action(replace(ACTION, chunk=number), 1, 2, 3) is None
    if number != 1 << 32:
        assert CODEC.write_snapshot(1, number, 3, 4, SNAPSHOT.blocks, SNAPSHOT.executing) is None
        for name in ("source_tick", "apply_tick", "valid_until_tick"):
            assert CODEC.write_action(replace(ACTION, **{name: number}), 1, 2, 3) is None
    if number not in (-1, 1 << 32):
        assert CODEC.write_action(ACTION, 1, 2, number) is None
        assert CODEC.write_snapshot(1, 2, number, 4, SNAPSHOT.blocks, SNAPSHOT.executing) is None
        assert CODEC.write_action(replace(ACTION, received_us=number), 1, 2, 3) is None
        assert CODEC.write_action(replace(ACTION, planned_us=number), 1, 2, 3) is None
    assert CODEC.read_action(TOLD, number) is None
    assert CODEC.read_snapshot(SEEN, number, -1) is None
    assert CODEC.write_action(replace(ACTION, flags=number), 1, 2, 3) is None


def test_ticks_beyond_the_last_one_are_left_to_others() -> None:
    late = replace(ACTION, source_tick=1 << 62, apply_tick=1 << 62, valid_until_tick=1 << 62)
    assert CODEC.write_action(late, 1, 2, 3) is None
    assert CODEC.read_action(encode(late, SCHEMA), late.session) is None


def test_what_is_no_message_is_left_to_others() -> None:
    strange: Any = Strange()
    assert CODEC.write_action(strange, 1, 2, 3) is None
    assert CODEC.write_snapshot(1, 2, 3, 4, {"npc": strange}, SNAPSHOT.executing) is None
    assert CODEC.write_snapshot(1, 2, 3, 4, SNAPSHOT.blocks, strange) is None
    assert CODEC.write_snapshot(1, 2, 3, 4, strange, SNAPSHOT.executing) is None
    assert CODEC.write_snapshot(1, 2, 3, 4, Hostile(SNAPSHOT.blocks), SNAPSHOT.executing) is None
    assert CODEC.write_snapshot(1, 2, 3, 4, {"tank": SNAPSHOT.blocks["npc"]}, SNAPSHOT.executing) is None
    frames: tuple[Any, ...] = (strange, bytearray(SEEN), memoryview(SEEN), None)
    for frame in frames:
        assert CODEC.read_snapshot(frame, SNAPSHOT.session, -1) is None
        assert CODEC.read_action(frame, ACTION.session) is None


def test_a_good_frame_does_not_speak_for_the_next() -> None:
    bad: tuple[Any, ...] = (b"XPCW" + SEEN[4:], b"XPCW" + TOLD[4:], bytearray(SEEN), bytearray(TOLD), SEEN[:40], b"")
    for frame in bad:
        assert CODEC.read_snapshot(SEEN, SNAPSHOT.session, -1) is not None
        assert CODEC.read_snapshot(frame, SNAPSHOT.session, -1) is None
        assert CODEC.read_action(TOLD, ACTION.session) is not None
        assert CODEC.read_action(frame, ACTION.session) is None


def test_limits_are_kept() -> None:
    assert (
        codec_of(SCHEMA, replace(LIMITS, frame_bytes=len(SEEN))).read_snapshot(SEEN, SNAPSHOT.session, -1) is not None
    )
    for limits in (replace(LIMITS, frame_bytes=len(SEEN) - 1), replace(LIMITS, entities=4)):
        assert codec_of(SCHEMA, limits).read_snapshot(SEEN, SNAPSHOT.session, -1) is None
    assert codec_of(SCHEMA, replace(LIMITS, steps=3)).read_action(TOLD, ACTION.session) is not None
    for limits in (replace(LIMITS, frame_bytes=len(TOLD) - 1), replace(LIMITS, entities=4), replace(LIMITS, steps=2)):
        assert codec_of(SCHEMA, limits).read_action(TOLD, ACTION.session) is None


def test_what_is_just_within_the_limits_is_taken() -> None:
    npcs = EntityBlock(np.arange(1, 25, dtype=np.uint32), np.zeros((24, 5), np.float32))
    none = np.zeros(24, np.uint32)
    doing = Executing(npcs.ids, none, none.astype(np.uint16), none.astype(np.uint8))
    full = encode(replace(SNAPSHOT, blocks={"npc": npcs}, executing=doing), SCHEMA)
    told = encode(sample_action(npcs=24, m=64), SCHEMA)
    just = codec_of(SCHEMA, replace(LIMITS, entities=24, steps=64))
    assert just.read_snapshot(full, SNAPSHOT.session, -1) is not None
    assert just.read_action(told, ACTION.session) is not None


@pytest.mark.parametrize("name", [f.name for f in fields(Action)])
def test_an_action_without_one_of_its_parts_is_left_to_others(name: str) -> None:
    parts = {f.name: getattr(ACTION, f.name) for f in fields(Action)}
    alike: Any = SimpleNamespace(**parts)
    assert CODEC.write_action(alike, 1, 2, 3) is None, "asking another class might run anything"
    part = replace(ACTION)
    assert CODEC.write_action(part, 1, 2, 3) is not None
    delattr(part, name)
    assert CODEC.write_action(part, 1, 2, 3) is None


@pytest.mark.parametrize("slot", ["ids", "values"])
def test_a_snapshot_without_one_of_its_parts_is_left_to_others(slot: str) -> None:
    block = replace(SNAPSHOT.blocks["npc"])
    assert CODEC.write_snapshot(1, 2, 3, 4, {"npc": block}, SNAPSHOT.executing) is not None
    delattr(block, slot)
    assert CODEC.write_snapshot(1, 2, 3, 4, {"npc": block}, SNAPSHOT.executing) is None
    for name in ("ids", "chunk", "step", "rung"):
        doing = replace(SNAPSHOT.executing)
        delattr(doing, name)
        assert CODEC.write_snapshot(1, 2, 3, 4, SNAPSHOT.blocks, doing) is None


class Shrinking:
    """A block that takes the numbers of another away when it is asked for its own."""

    def __init__(self, others: np.ndarray) -> None:
        self._others = others

    @property
    def ids(self) -> np.ndarray:
        self._others.resize((1, 5), refcheck=False)
        return np.zeros(1, np.uint32)

    values = ids


def test_what_runs_code_when_it_is_asked_is_not_asked() -> None:
    others = np.full((2, 5), 0.5, np.float32)
    strange: Any = Shrinking(others)
    player = EntityBlock(np.array([1, 2], np.uint32), others)
    assert CODEC.write_snapshot(1, 2, 3, 4, {"player": player, "npc": strange}, SNAPSHOT.executing) is None
    assert others.shape == (2, 5)


def test_a_frame_that_is_shorter_than_its_table_is_left_to_others() -> None:
    for blocks, doing in ((2, 1), (3, 1), (3, 2), (255, 1)):
        head = SEEN[:36] + bytes(7) + bytes([blocks]) + doing.to_bytes(4, "little")
        for size in range(HEADER_BYTES + 8 * blocks + 16):
            assert not agree((head[:42] + b"\x01" + head[43:] + bytes(size))[: HEADER_BYTES + size], SNAPSHOT.session)


def test_more_rows_of_a_type_than_it_has_are_left_to_others() -> None:
    many = replace(
        SNAPSHOT, blocks={"player": EntityBlock(np.arange(1, 4, dtype=np.uint32), np.zeros((3, 5), np.float32))}
    )
    frame = encode(many, SCHEMA)
    assert len(frame) < LIMITS.frame_bytes
    assert not agree(frame, many.session)


def test_a_frame_lives_as_long_as_what_was_read_from_it() -> None:
    seen = CODEC.read_snapshot(bytes(bytearray(SEEN)), SNAPSHOT.session, -1)
    told = CODEC.read_action(bytes(bytearray(TOLD)), ACTION.session)
    assert seen is not None
    assert told is not None
    kept, steps = seen.blocks["npc"].values, told.steps
    del seen, told
    gc.collect()
    [bytes(4096) for _ in range(64)]
    np.testing.assert_array_equal(kept, SNAPSHOT.blocks["npc"].values)
    np.testing.assert_array_equal(steps, ACTION.steps)
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1.0


def test_nothing_is_left_behind() -> None:
    def use() -> None:
        codec, snapshot, action = codec_of(SCHEMA, LIMITS), _fresh(SNAPSHOT), _fresh(ACTION)
        frame, told = bytes(bytearray(SEEN)), bytes(bytearray(TOLD))
        for seen in (frame, frame[:-1], told):
            codec.read_snapshot(seen, SNAPSHOT.session, -1)
            codec.read_action(seen, ACTION.session)
        blocks = dict(snapshot.blocks)
        codec.write_snapshot(1, 2, 3, 4, blocks, snapshot.executing)
        codec.write_action(action, 1, 2, 3)
        del action.flags, snapshot.executing.rung, blocks["npc"].values
        codec.write_snapshot(1, 2, 3, 4, blocks, SNAPSHOT.executing)
        codec.write_snapshot(1, 2, 3, 4, SNAPSHOT.blocks, snapshot.executing)
        codec.write_action(action, 1, 2, 3)

    for _ in range(20):
        use()
    gc.collect()
    tracemalloc.start()
    try:
        use()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            use()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 4096  # one object of a call left behind would be 6 KiB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["read_snapshot", "write_snapshot", "read_action", "write_action"])
def test_a_call_with_too_few_arguments_says_so(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: expected . arguments, got 0"):
        getattr(CODEC, name)()


def test_a_codec_that_is_not_made_as_it_should_be_says_so() -> None:
    make: Any = type(CODEC)
    good: dict[str, Any] = {
        "schema_id": 1, "frame_bytes": 1, "rows": 1, "steps": 1, "entities": (("a", 1, bytes(4), bytes(4)),),
        "low": bytes(8), "high": bytes(8), "discrete": bytes(2), "classes": (Snapshot, EntityBlock, Executing, Action),
    }  # fmt: skip
    make(**good).read_snapshot(SEEN, 1, -1)
    for bad in (
        {"low": bytes(4)},
        {"low": bytes(7), "high": bytes(7)},
        {"discrete": b""},
        {"classes": (Snapshot,)},
        {"classes": (1, 2, 3, 4)},
        {"entities": ((1, 1, b"", b""),)},
        {"entities": (("a", 1, b"", bytes(4)),)},
        {"entities": (("a", 1, b"", b""),) * 256},
        {"entities": [("a", 1, b"", b"")]},
    ):
        with pytest.raises((TypeError, ValueError)):
            make(**{**good, **bad})
    with pytest.raises(TypeError):
        CODEC.__init__(**good)  # type: ignore[misc]
    half = make.__new__(make)
    with pytest.raises(ValueError, match="discrete"):
        half.__init__(**{**good, "discrete": b"", "entities": (("a", 1, bytes(4), bytes(4)),) * 200})
    with pytest.raises(TypeError, match="made already"):
        half.__init__(**good)
    assert half.write_snapshot(1, 2, 3, 4, {}, SNAPSHOT.executing) is None
    empty = make.__new__(make)
    assert empty.read_snapshot(SEEN, SNAPSHOT.session, -1) is None
    assert empty.read_action(TOLD, ACTION.session) is None
    assert empty.write_action(ACTION, 1, 2, 3) is None


def test_without_it_everything_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "compiled", None)
    absent = codec_of(SCHEMA, LIMITS)
    assert isinstance(absent, NoCodec)
    assert absent.read_snapshot(SEEN, SNAPSHOT.session, -1) is None
    assert absent.write_snapshot(1, 2, 3, 4, SNAPSHOT.blocks, SNAPSHOT.executing) is None
    assert absent.read_action(TOLD, ACTION.session) is None
    assert absent.write_action(ACTION, 1, 2, 3) is None


@pytest.mark.parametrize("versions", [(0, False), (door.VERSION, True)])
def test_a_codec_of_another_version_is_not_used(versions: tuple[int, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    version, used = versions
    monkeypatch.setitem(sys.modules, "npc_bridge_codec", SimpleNamespace(VERSION=version))
    assert (runpy.run_path(str(door.__file__), run_name="npc_bridge.codec")["compiled"] is not None) is used
