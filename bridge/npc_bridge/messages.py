"""Messages as typed values, and the only two doors to bytes: `encode` and `decode`.

SNAPSHOT and ACTION are a header and raw little-endian blocks, laid out by the schema both sides know; the rest are a
header and a msgpack map. Decoding checks structure and limits; what the numbers may be is checked by `border`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .cells import Bools, Columns, Floats
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError, SchemaError
from .frames import FLAG_DELTA, FLAG_KEYFRAME, HEADER_BYTES, LAST_TICK, U32, Header, Kind, gap, padded, read_header
from .limits import LIMITS, Limits
from .packing import Reader, Value, pack, unpack
from .records import record
from .schema import CODINGS, Schema

U8: TypeAlias = NDArray[np.uint8]
U16: TypeAlias = NDArray[np.uint16]
U32s: TypeAlias = NDArray[np.uint32]

STATUS_GUARDED = 1
STATUS_PLANNED = 2  # in this very tick
STATUS_CHANGED = 4  # by the shield
STATUS_BITS = STATUS_GUARDED | STATUS_PLANNED | STATUS_CHANGED

RUNG_PLAN, RUNG_TAIL, RUNG_CALLBACK, RUNG_BRAKE, RUNG_NONE = range(5)

WIRE = {name: np.dtype(name) for name in ("<u1", "<u2", "<u4", "<f2", "<f4")}
U1, U2, U4, F4 = (WIRE[name] for name in ("<u1", "<u2", "<u4", "<f4"))
WRONG_TYPES = (struct.error, OverflowError, TypeError, AttributeError, UnicodeEncodeError)  # inside a message
COUNT_AT = 36  # byte of the header from which on it says what follows: count, fields, dtype, blocks, extra
BLOCK = struct.Struct("<HHI")  # entity type index, fields, rows
DELTA = struct.Struct("<QQ")  # baseline, reserved
ACTION = struct.Struct("<QQqqIHHQ")  # apply, valid until, received, planned, chunk, m, k, reserved
EXECUTING = (("ids", "<u4"), ("chunk", "<u4"), ("step", "<u2"), ("rung", "<u1"))
ERROR_TEXT_BYTES = 1024
POSE_FIELDS = 4


@record
class EntityBlock:
    """The rows of one entity type: ids (n) and values (n, fields), in the schema's units and field order."""

    ids: U32s
    values: Floats


@record
class Executing:
    """What each NPC did in the last tick: the chunk and step it executed and the rung of the ladder (RUNG_*)."""

    ids: U32s
    chunk: U32s
    step: U16
    rung: U8

    @classmethod
    def none(cls) -> Executing:
        """Returns the record of a game that has not moved an NPC yet."""
        return cls(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint16), np.zeros(0, np.uint8))


@record
class Snapshot:
    """The dynamic part of a game at one tick.

    Args:
        session: issued by the server.
        schema_id: of the registered schema.
        tick: engine tick.
        time_us: game time.
        sequence: counts this client's snapshots.
        flags: FLAG_* of `frames`.
        blocks: rows by entity type name.
        executing: what NPCs did in the tick before this one.
    """

    session: int
    schema_id: int
    tick: int
    time_us: int
    sequence: int
    blocks: Mapping[str, EntityBlock]
    executing: Executing = field(default_factory=Executing.none)
    flags: int = FLAG_KEYFRAME


@record
class CellBlock:
    """The cells of one entity type that differ from a baseline: those of an entity that it lacks differ from 0.

    ids: n, of all rows there are now. changed: n f. values: n f, of which only the changed cells mean anything; they
    have a code (`cells`).
    """

    ids: U32s
    changed: Bools
    values: Floats


@record
class Delta:
    """A snapshot told by what differs from an older one; `delta` makes and applies it.

    Args:
        session: issued by the server.
        schema_id: of the registered schema.
        tick: engine tick.
        time_us: game time.
        sequence: counts this client's snapshots.
        baseline: tick of the older one; None: everything differs.
        blocks: by entity type name; a type that is left out has no rows.
        executing: what NPCs did in the tick before this one.
        flags: FLAG_* of `frames`, besides those that say what it is.
    """

    session: int
    schema_id: int
    tick: int
    time_us: int
    sequence: int
    baseline: int | None
    blocks: Mapping[str, CellBlock]
    executing: Executing = field(default_factory=Executing.none)
    flags: int = 0


@record
class Action:
    """Certified steps for n NPCs, k channels, m ticks; step i is for tick apply_tick + i.

    Args:
        session: of the game it is for.
        schema_id: of the schema its channels come from.
        source_tick: of the snapshot it answers.
        apply_tick: tick of the first step.
        valid_until_tick: last tick at which any step may run.
        chunk: number of this chunk, growing within a session.
        sequence: counts the server's actions to this game.
        received_us: server clock, when the snapshot came in.
        planned_us: server clock, when planning ended.
        sent_us: server clock, when the action was handed to the socket.
        ids: n NPC ids.
        steps: n m k, commands.
        expected: n m 4, x y vx vy at the start of each step.
        brake: n, deceleration to brake with, m/s^2.
        tolerance: n, how far off its expected place an NPC may be to run a step, m.
        status: n, STATUS_* bits.
        bark: n, number of a bark announced in WELCOME, 0 none.
        flags: FLAG_* of `frames`.
    """

    session: int
    schema_id: int
    source_tick: int
    apply_tick: int
    valid_until_tick: int
    chunk: int
    sequence: int
    received_us: int
    planned_us: int
    sent_us: int
    ids: U32s
    steps: Floats
    expected: Floats
    brake: Floats
    tolerance: Floats
    status: U8
    bark: U16
    flags: int = 0


class Stamp(NamedTuple):
    """What a server says of an ACTION: whose it is, and when it went out."""

    session: int
    schema_id: int
    sequence: int
    sent_us: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A game asks for a session."""

    majors: tuple[int, ...]
    client: str  # library and version
    game: str  # name of this game instance
    schema: Schema
    nonce: int = 0  # of this attempt; WELCOME repeats it, so that a HELLO sent twice makes one session
    capabilities: tuple[str, ...] = ()
    resume: str = ""  # of the WELCOME whose session is to go on, "" for a new one


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server opens a session.

    Args:
        session: number of the session, not 0.
        major: protocol version chosen.
        nonce: of the HELLO it answers.
        schema_sha256: of the registered schema.
        limits: what the server reads at most.
        heartbeat_ms: not used any more; 500.
        lead_ticks: apply_tick - source_tick the brain aims at.
        fresh_steps: steps of a chunk after which a newer one is overdue.
        velocity_tolerance: how far off its expected velocity an NPC may be to run a step, m/s.
        server: library and version.
        capabilities: names both sides have.
        barks: text of bark i + 1.
        model: facts about the loaded model, such as its name and hash.
        warnings: what differs between model and game and was bridged with defaults.
        control: endpoint of the designer's channel, "" if there is none.
        telemetry: endpoint of the telemetry channel, "" if there is none.
        resume: what a HELLO says to go on with this session over another connection; "" if that cannot be.
    """

    session: int
    major: int
    nonce: int
    schema_sha256: str
    limits: Limits = LIMITS
    heartbeat_ms: int = 500
    lead_ticks: int = 2
    fresh_steps: int = 4
    velocity_tolerance: float = 0.05
    server: str = ""
    capabilities: tuple[str, ...] = ()
    barks: tuple[str, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    control: str = ""
    telemetry: str = ""
    resume: str = ""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A game registers another schema in its session; answered with WELCOME."""

    session: int
    schema: Schema


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """A side tells the other what went wrong. Fatal: the session, if any, is closed."""

    session: int
    code: ErrorCode
    fatal: bool
    text: str  # expected, got, where
    remedy: str  # what a developer does about it
    tick: int = 0  # of the snapshot concerned


@dataclass(frozen=True, slots=True)
class Bye:
    """A game leaves."""

    session: int


@dataclass(frozen=True, slots=True)
class Control:
    """A designer's request, such as verb `set_weights`."""

    request: int  # number chosen by the asker, repeated in ACK
    verb: str
    arguments: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to one CONTROL."""

    request: int
    revision: int  # of the board after this request
    code: int = 0  # 0 done, else an ErrorCode
    text: str = ""
    result: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One published fact; a gap in `sequence` means that some were lost."""

    sequence: int
    topic: str
    session: int = 0
    tick: int = 0
    time_us: int = 0
    body: Mapping[str, Value] = field(default_factory=dict)


Message: TypeAlias = (
    Hello | Welcome | SchemaChange | Snapshot | Delta | Action | ErrorReport | Bye | Control | Ack | Telemetry
)


def encode(message: Message, schema: Schema | None = None) -> bytes:
    """Returns a message as one frame.

    Args:
        message: what to write.
        schema: lays out SNAPSHOT and ACTION; the others need none.

    Raises:
        LocalProtocolError: arrays of the wrong shape, numbers outside their type, or a schema missing.
    """
    try:
        if isinstance(message, Snapshot):
            return _encode_snapshot(message, _needed(schema))
        if isinstance(message, Delta):
            return _encode_delta(message, _needed(schema))
        if isinstance(message, Action):
            stamp = Stamp(message.session, message.schema_id, message.sequence, message.sent_us)
            return _encode_action(message, _needed(schema), message.steps, stamp)
        header, body = _body_of(message)
        packed = pack(body)
        return header._replace(extra=len(packed)).pack() + packed
    except WRONG_TYPES as error:
        raise LocalProtocolError(f"{type(message).__name__}: {error}") from None


def encode_stamped(action: Action, schema: Schema, steps: Floats, stamp: Stamp) -> bytes:
    """Returns an ACTION as one frame, with other steps (n m k) and another stamp than its own.

    Raises:
        LocalProtocolError: as `encode`.
    """
    try:
        return _encode_action(action, schema, steps, stamp)
    except WRONG_TYPES as error:
        raise LocalProtocolError(f"Action: {error}") from None


def decode(data: bytes, schema: Schema | None = None, limits: Limits = LIMITS, header: Header | None = None) -> Message:
    """Reads one frame.

    Args:
        data: the bytes.
        schema: lays out SNAPSHOT and ACTION; the others need none.
        limits: upper bounds.
        header: of these bytes, where the caller has read it already.

    Raises:
        RemoteProtocolError: whatever is wrong with the bytes.
        LocalProtocolError: a SNAPSHOT or ACTION, and no schema was passed.
    """
    if header is None:
        header = read_header(data, limits)
    if header.kind is Kind.SNAPSHOT and header.flags & FLAG_DELTA:
        return _decode_delta(data, header, _needed(schema), limits)
    if header.kind is Kind.SNAPSHOT:
        return _decode_snapshot(data, header, _needed(schema), limits)
    if header.kind is Kind.ACTION:
        return _decode_action(data, header, _needed(schema), limits)
    return _decode_body(data, header, limits)


def _needed(schema: Schema | None) -> Schema:
    if schema is None:
        raise LocalProtocolError("SNAPSHOT and ACTION need a schema: expected one, got None")
    return schema


# data messages


def _encode_snapshot(message: Snapshot, schema: Schema) -> bytes:
    table, rows = b"", 0
    parts: list[bytes] = []
    for index, name in in_order(message.blocks, schema):
        block, width = message.blocks[name], len(schema.entities[index].fields)
        count = len(block.ids)
        rows += count
        table += BLOCK.pack(index, width, count)
        parts.extend(_bytes(block.ids, "<u4", (count,), "entity '", name, "': ids"))
        parts.extend(_bytes(block.values, "<f4", (count, width), "entity '", name, "': values"))
    parts.extend(_executing_parts(message.executing))
    header = _snapshot_header(message, message.flags, rows)
    return b"".join((header.pack(), table, gap(len(table)), *parts))


def _encode_delta(message: Delta, schema: Schema) -> bytes:
    table, rows = b"", 0
    parts: list[bytes] = []
    for index, name in in_order(message.blocks, schema):
        block, entity = message.blocks[name], schema.entities[index]
        shape = (len(block.ids), len(entity.fields))
        rows += shape[0]
        table += BLOCK.pack(index, shape[1], shape[0])
        parts.extend(_bytes(block.ids, "<u4", shape[:1], f"entity '{name}': ids"))
        for what, array in (("changed", block.changed), ("values", block.values)):
            if array.shape != shape:
                raise LocalProtocolError(f"entity '{name}': {what}: expected shape {shape}, got {array.shape}")
        bits = np.packbits(block.changed, bitorder="little")
        parts.extend(_bytes(bits, "<u1", bits.shape, f"entity '{name}': changed"))
        for dtype, codes in zip(
            CODINGS.values(), Columns.declared(entity).codes(block.values, block.changed), strict=True
        ):
            parts.extend(_bytes(codes, dtype, codes.shape, f"entity '{name}': cells"))
    parts.extend(_executing_parts(message.executing))
    key = FLAG_KEYFRAME if message.baseline is None else 0
    header = _snapshot_header(message, message.flags | FLAG_DELTA | key, rows)
    return b"".join((header.pack(), DELTA.pack(message.baseline or 0, 0), table, gap(len(table)), *parts))


def in_order(blocks: Mapping[str, object], schema: Schema) -> list[tuple[int, str]]:
    """Returns index and name of the entity types of some blocks, as the wire has them.

    Raises:
        LocalProtocolError: the schema has no such type.
    """
    key = schema.sha256, tuple(blocks)
    known = _ORDERS.get(key)
    if known is not None:
        return known
    index_of = {entity.name: index for index, entity in enumerate(schema.entities)}
    unknown = sorted(set(blocks) - set(index_of))
    if unknown:
        raise LocalProtocolError(f"SNAPSHOT: entity types not in the schema: {', '.join(unknown)}")
    return _kept(_ORDERS, key, sorted((index_of[name], name) for name in blocks))


def _executing_parts(executing: Executing) -> Iterator[bytes]:
    doing = (len(executing.ids),)
    for name, dtype in EXECUTING:
        yield from _bytes(getattr(executing, name), dtype, doing, "executing: ", name)


def _snapshot_header(message: Snapshot | Delta, flags: int, rows: int) -> Header:
    return Header(
        Kind.SNAPSHOT,
        flags=flags,
        session=message.session,
        schema_id=message.schema_id,
        tick=message.tick,
        time_us=message.time_us,
        sequence=message.sequence,
        count=rows,
        dtype=1,
        blocks=len(message.blocks),
        extra=len(message.executing.ids),
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the arrays of a complete SNAPSHOT lie, by its table: read once for all that have the same."""

    blocks: tuple[tuple[str, int, int, tuple[int, int]], ...]  # entity type, where ids and values begin, shape
    executing: tuple[tuple[np.dtype[Any], int], ...]  # and where it begins
    size: int  # of the whole frame


_LAYOUTS: dict[tuple[str, bytes], _Layout] = {}  # by schema, and by what header and table say of arrays
_ORDERS: dict[tuple[str, tuple[str, ...]], list[tuple[int, str]]] = {}  # of entity types, by schema
_MOST_KEPT = 256
_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


def _kept(memory: dict[_Key, _Kept], key: _Key, value: _Kept) -> _Kept:
    """Remembers what was worked out for a table; frames of a game have few different ones."""
    if len(memory) >= _MOST_KEPT:
        memory.clear()
    memory[key] = value
    return value


def _decode_snapshot(data: bytes, header: Header, schema: Schema, limits: Limits) -> Snapshot:
    layout = _layout(data, header, schema, limits)
    if len(data) != layout.size:
        raise _length("SNAPSHOT", layout.size, len(data))
    blocks = {
        name: EntityBlock(np.ndarray(shape[0], U4, data, ids), np.ndarray(shape, F4, data, values))
        for name, ids, values, shape in layout.blocks
    }
    doing = header.extra
    return Snapshot(
        header.session,
        header.schema_id,
        header.tick,
        header.time_us,
        header.sequence,
        blocks,
        Executing(*[np.ndarray(doing, dtype, data, at) for dtype, at in layout.executing]),
        header.flags,
    )


def _layout(data: bytes, header: Header, schema: Schema, limits: Limits) -> _Layout:
    _same_schema(header, schema)
    _few_rows(header, limits)
    start = HEADER_BYTES + padded(header.blocks * BLOCK.size)
    key = schema.sha256, data[COUNT_AT:start]
    known = _LAYOUTS.get(key)
    if known is not None:
        return known
    blocks, at = [], start
    for index, width, rows in _read_table(data, header, schema, limits, HEADER_BYTES):
        values = at + padded(4 * rows)
        blocks.append((schema.entities[index].name, at, values, (rows, width)))
        at = values + padded(4 * rows * width)
    executing = []
    for _, name in EXECUTING:
        executing.append((WIRE[name], at))
        at += padded(WIRE[name].itemsize * header.extra)
    return _kept(_LAYOUTS, key, _Layout(tuple(blocks), tuple(executing), at))


def _decode_delta(data: bytes, header: Header, schema: Schema, limits: Limits) -> Delta:
    at = HEADER_BYTES + DELTA.size
    if len(data) < at:
        raise _length("SNAPSHOT: sub-header", at, len(data))
    baseline, reserved = DELTA.unpack_from(data, HEADER_BYTES)
    whole = bool(header.flags & FLAG_KEYFRAME)
    if reserved or (baseline != 0 if whole else baseline >= header.tick):
        wanted = "0, as it is a keyframe" if whole else f"a tick below {header.tick}"
        raise _value(f"SNAPSHOT: expected reserved 0 and as baseline {wanted}, got {reserved} and {baseline}")
    table = _read_table(data, header, schema, limits, at)
    cursor = _Cursor(data, at + padded(header.blocks * BLOCK.size))
    blocks, whole_bytes = {}, 0
    for index, width, rows in table:
        columns, cells = Columns.declared(schema.entities[index]), rows * width
        whole_bytes += 4 * cells
        if whole_bytes > limits.frame_bytes:  # few bytes may claim many cells
            raise _limit(f"SNAPSHOT: expected at most {limits.frame_bytes} bytes of cells, got {whole_bytes}")
        cursor.expect(padded(4 * rows) + -(-cells // 8))
        ids: U32s = cursor.take("<u4", rows)
        flags = np.unpackbits(cursor.take("<u1", -(-cells // 8)), bitorder="little")
        if flags[cells:].any():
            raise _value(f"entity '{columns.entity.name}': expected 0 behind the bits of {cells} cells")
        changed = flags[:cells].astype(np.bool_).reshape(rows, width)
        counts = list(zip(CODINGS.values(), columns.counts(changed), strict=True))
        cursor.expect(sum(padded(WIRE[dtype].itemsize * count) for dtype, count in counts))
        values = np.zeros((rows, width), np.float32)
        columns.write(values, changed, [cursor.take(dtype, count) for dtype, count in counts])
        blocks[columns.entity.name] = CellBlock(ids, changed, values)
    cursor.expect(sum(padded(WIRE[dtype].itemsize * header.extra) for _, dtype in EXECUTING))
    executing = Executing(*(cursor.take(dtype, header.extra) for _, dtype in EXECUTING))
    if cursor.at != len(data):
        raise _length("SNAPSHOT", cursor.at, len(data))
    return Delta(
        header.session,
        header.schema_id,
        header.tick,
        header.time_us,
        header.sequence,
        None if whole else baseline,
        blocks,
        executing,
        header.flags & ~(FLAG_DELTA | FLAG_KEYFRAME),
    )


def _read_table(data: bytes, header: Header, schema: Schema, limits: Limits, at: int) -> list[tuple[int, int, int]]:
    """Returns type, fields and rows of each block, having checked all that header and table say."""
    _same_schema(header, schema)
    _plain_header(header, dtype=1, fields=0)
    if header.blocks > len(schema.entities):
        raise _limit(f"SNAPSHOT: expected at most {len(schema.entities)} blocks, got {header.blocks}")
    _few_rows(header, limits)
    end = at + padded(header.blocks * BLOCK.size)
    if len(data) < end:
        raise _length("SNAPSHOT: block table", end, len(data))
    table = [BLOCK.unpack_from(data, at + i * BLOCK.size) for i in range(header.blocks)]
    _check_table(table, header, schema)
    return table


def _few_rows(header: Header, limits: Limits) -> None:
    if header.count > limits.entities or header.extra > limits.entities:
        raise _limit(f"SNAPSHOT: expected at most {limits.entities} rows, got {header.count} and {header.extra}")


def _check_table(table: Sequence[tuple[int, int, int]], header: Header, schema: Schema) -> None:
    last = -1
    for index, width, rows in table:
        if not last < index < len(schema.entities):
            raise _value(f"SNAPSHOT: expected growing entity types below {len(schema.entities)}, got {index}")
        entity = schema.entities[index]
        if width != len(entity.fields):
            raise _value(f"entity '{entity.name}': expected {len(entity.fields)} fields, got {width}")
        if rows > entity.max_count:
            raise _limit(f"entity '{entity.name}': expected at most {entity.max_count} rows, got {rows}")
        last = index
    if sum(rows for _, _, rows in table) != header.count:
        raise _value(f"SNAPSHOT: expected {header.count} rows in all, got {sum(rows for _, _, rows in table)}")


def _encode_action(message: Action, schema: Schema, steps: Floats, stamp: Stamp) -> bytes:
    n, k = len(message.ids), len(schema.channels)
    m = steps.shape[1] if steps.ndim == 3 else 0
    header = Header(
        Kind.ACTION,
        flags=message.flags,
        session=stamp.session,
        schema_id=stamp.schema_id,
        tick=message.source_tick,
        time_us=stamp.sent_us,
        sequence=stamp.sequence,
        count=n,
        dtype=1,
        extra=ACTION.size,
    )
    timing = ACTION.pack(
        message.apply_tick, message.valid_until_tick, message.received_us, message.planned_us, message.chunk, m, k, 0
    )
    return b"".join(
        (
            header.pack(),
            timing,
            *_bytes(message.ids, "<u4", (n,), "ACTION: ids"),
            *_bytes(steps, "<f4", (n, m, k), "ACTION: steps"),
            *_bytes(message.expected, "<f4", (n, m, POSE_FIELDS), "ACTION: expected"),
            *_bytes(message.brake, "<f4", (n,), "ACTION: brake"),
            *_bytes(message.tolerance, "<f4", (n,), "ACTION: tolerance"),
            *_bytes(message.status, "<u1", (n,), "ACTION: status"),
            *_bytes(message.bark, "<u2", (n,), "ACTION: bark"),
        )
    )


def _decode_action(data: bytes, header: Header, schema: Schema, limits: Limits) -> Action:
    _same_schema(header, schema)
    _plain_header(header, dtype=1, fields=0)
    if header.blocks or header.extra != ACTION.size:
        raise _value(f"ACTION: expected 0 blocks and a sub-header of {ACTION.size} bytes, got {header.extra}")
    if header.count > limits.entities:
        raise _limit(f"ACTION: expected at most {limits.entities} NPCs, got {header.count}")
    start = HEADER_BYTES + ACTION.size
    if len(data) < start:
        raise _length("ACTION: sub-header", start, len(data))
    apply, until, received, planned, chunk, m, k, reserved = ACTION.unpack_from(data, HEADER_BYTES)
    if k != len(schema.channels) or reserved:
        raise _value(f"ACTION: expected {len(schema.channels)} channels and reserved 0, got {k} and {reserved}")
    if max(apply, until) > LAST_TICK:
        raise _value(f"ACTION: expected ticks up to {LAST_TICK}, got {apply} and {until}")
    if not 1 <= m <= limits.steps:
        raise _limit(f"ACTION: expected 1..{limits.steps} steps, got {m}")
    n = header.count
    steps = start + padded(4 * n)
    expected = steps + padded(4 * n * m * k)
    brake = expected + padded(4 * n * m * POSE_FIELDS)
    tolerance = brake + padded(4 * n)
    status = tolerance + padded(4 * n)
    bark = status + padded(n)
    size = bark + padded(2 * n)
    if len(data) != size:
        raise _length("ACTION", size, len(data))
    return Action(
        session=header.session,
        schema_id=header.schema_id,
        source_tick=header.tick,
        apply_tick=apply,
        valid_until_tick=until,
        chunk=chunk,
        sequence=header.sequence,
        received_us=received,
        planned_us=planned,
        sent_us=header.time_us,
        ids=np.ndarray(n, U4, data, start),
        steps=np.ndarray((n, m, k), F4, data, steps),
        expected=np.ndarray((n, m, POSE_FIELDS), F4, data, expected),
        brake=np.ndarray(n, F4, data, brake),
        tolerance=np.ndarray(n, F4, data, tolerance),
        status=np.ndarray(n, U1, data, status),
        bark=np.ndarray(n, U2, data, bark),
        flags=header.flags,
    )


_Number = TypeVar("_Number", bound=np.generic)


class _Cursor:
    """Walks over aligned blocks without copying; the arrays it gives are read-only views."""

    def __init__(self, data: bytes, start: int) -> None:
        self.at = start
        self._data = data

    def take(self, dtype: str, count: int) -> NDArray[_Number]:
        block: NDArray[_Number] = np.ndarray(count, WIRE[dtype], self._data, self.at)
        self.at += padded(block.nbytes)
        return block

    def expect(self, size: int) -> None:
        """Raises RemoteProtocolError where the bytes end within the next `size`."""
        if self.at + padded(size) > len(self._data):
            raise _length("SNAPSHOT: at least", self.at + padded(size), len(self._data))


def _bytes(array: NDArray[np.generic], dtype: str, shape: tuple[int, ...], *where: str) -> tuple[bytes, bytes]:
    """Returns an array's block, and the zeros up to the next border."""
    if array.shape != shape or array.dtype != WIRE[dtype]:
        array = as_wire(array, dtype, shape, "".join(where))
    block = array.tobytes()
    return block, gap(len(block))


def as_wire(array: NDArray[np.generic], dtype: str, shape: tuple[int, ...], where: str) -> NDArray[Any]:
    """Returns an array as the wire has it, the same one if it is so already.

    Raises:
        LocalProtocolError: it has another shape, or numbers of another type.
    """
    if array.shape != shape:
        raise LocalProtocolError(f"{where}: expected shape {shape}, got {array.shape}")
    wanted = WIRE[dtype]
    if array.dtype != wanted:
        if array.dtype.newbyteorder("<") != wanted:
            raise LocalProtocolError(f"{where}: expected dtype {wanted.name}, got {array.dtype.name}")
        array = array.astype(wanted)
    return array


def _same_schema(header: Header, schema: Schema) -> None:
    if header.schema_id != schema.schema_id:
        raise RemoteProtocolError(
            ErrorCode.SCHEMA,
            f"{header.kind.name}: expected schema id {schema.schema_id:08x} as registered, got {header.schema_id:08x}",
        )


def _plain_header(header: Header, dtype: int, fields: int) -> None:
    if header.dtype != dtype or header.fields != fields:
        raise _value(
            f"{header.kind.name}: expected dtype {dtype} and fields {fields}, got {header.dtype} and {header.fields}"
        )


def _value(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorCode.VALUE, text)


def _limit(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorCode.LIMIT, text)


def _length(where: str, expected: int, got: int) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorCode.LENGTH, f"{where}: expected {expected} bytes, got {got}")


# messages with a msgpack body


def _body_of(message: Message) -> tuple[Header, Mapping[str, Value]]:
    match message:
        case Hello():
            return Header(Kind.HELLO, schema_id=message.schema.schema_id, sequence=message.nonce), {
                "majors": message.majors,
                "client": message.client,
                "game": message.game,
                "schema": message.schema.canonical(),
                "capabilities": message.capabilities,
                **_resume(message.resume),
            }
        case Welcome():
            return Header(Kind.WELCOME, session=message.session, sequence=message.nonce), _welcome_body(message)
        case SchemaChange():
            header = Header(Kind.SCHEMA, session=message.session, schema_id=message.schema.schema_id)
            return header, {"schema": message.schema.canonical()}
        case ErrorReport():
            return Header(Kind.ERROR, session=message.session, tick=message.tick), {
                "code": int(message.code),
                "fatal": message.fatal,
                "text": message.text,
                "remedy": message.remedy,
            }
        case Bye():
            return Header(Kind.BYE, session=message.session), {}
        case Control():
            header = Header(Kind.CONTROL, sequence=message.request)
            return header, {"verb": message.verb, "arguments": message.arguments}
        case Ack():
            return Header(Kind.ACK, sequence=message.request), {
                "revision": message.revision,
                "code": message.code,
                "text": message.text,
                "result": message.result,
            }
        case Telemetry():
            header = Header(
                Kind.TELEMETRY,
                session=message.session,
                tick=message.tick,
                time_us=message.time_us,
                sequence=message.sequence,
            )
            return header, {"topic": message.topic, "body": message.body}
    raise LocalProtocolError(f"expected a message, got {type(message).__name__}")


def _welcome_body(message: Welcome) -> dict[str, Value]:
    return {
        "major": message.major,
        "schema_sha256": message.schema_sha256,
        "limits": asdict(message.limits),
        "heartbeat_ms": message.heartbeat_ms,
        "lead_ticks": message.lead_ticks,
        "fresh_steps": message.fresh_steps,
        "velocity_tolerance": message.velocity_tolerance,
        "server": message.server,
        "capabilities": message.capabilities,
        "barks": message.barks,
        "model": message.model,
        "warnings": message.warnings,
        "control": message.control,
        "telemetry": message.telemetry,
        **_resume(message.resume),
    }


def _resume(token: str) -> dict[str, Value]:
    return {"resume": token} if token else {}


def _decode_body(data: bytes, header: Header, limits: Limits) -> Message:
    _plain_header(header, dtype=0, fields=0)
    if header.count or header.blocks or header.flags:
        raise _value(f"{header.kind.name}: expected count, blocks and flags 0, got {header}")
    if len(data) != HEADER_BYTES + header.extra:
        raise _length(header.kind.name, HEADER_BYTES + header.extra, len(data))
    r = Reader(unpack(memoryview(data)[HEADER_BYTES:], limits), header.kind.name, limits)
    match header.kind:
        case Kind.HELLO:
            return Hello(
                majors=r.integers("majors", 16, 0, 255),
                client=r.text("client"),
                game=r.text("game"),
                schema=_read_schema(r, header, limits),
                nonce=header.sequence,
                capabilities=r.texts("capabilities", 64),
                resume=_read_resume(r),
            )
        case Kind.WELCOME:
            return _read_welcome(r, header, limits)
        case Kind.SCHEMA:
            return SchemaChange(header.session, _read_schema(r, header, limits))
        case Kind.ERROR:
            return ErrorReport(
                session=header.session,
                code=ErrorCode(r.integer("code", 1, max(ErrorCode))),
                fatal=r.flag("fatal"),
                text=r.text("text", ERROR_TEXT_BYTES),
                remedy=r.text("remedy", ERROR_TEXT_BYTES),
                tick=header.tick,
            )
        case Kind.BYE:
            return Bye(header.session)
        case Kind.CONTROL:
            return Control(header.sequence, r.text("verb"), r.map("arguments"))
        case Kind.ACK:
            return Ack(
                request=header.sequence,
                revision=r.integer("revision", 0, U32),
                code=r.integer("code", 0, max(ErrorCode)),
                text=r.text("text", ERROR_TEXT_BYTES),
                result=r.map("result"),
            )
        case _:
            return Telemetry(
                header.sequence, r.text("topic"), header.session, header.tick, header.time_us, r.map("body")
            )


def _read_welcome(r: Reader, header: Header, limits: Limits) -> Welcome:
    if header.session == 0:
        raise _value("WELCOME: expected a session other than 0, got 0")
    model = r.map("model")
    m = Reader(model, "WELCOME.model", limits)
    return Welcome(
        session=header.session,
        major=r.integer("major", 1, 255),
        nonce=header.sequence,
        schema_sha256=r.text("schema_sha256"),
        limits=Limits(**dict(_read_limits(Reader(r.map("limits"), "WELCOME.limits", limits), r.map("limits")))),
        heartbeat_ms=r.integer("heartbeat_ms", 1, 60_000),
        lead_ticks=r.integer("lead_ticks", 0, 1000),
        fresh_steps=r.integer("fresh_steps", 1, 1000),
        velocity_tolerance=_at_least_zero(r.number("velocity_tolerance")),
        server=r.text("server"),
        capabilities=r.texts("capabilities", 64),
        barks=r.texts("barks", limits.barks),
        model={key: m.text(key, limits.text_bytes) for key in model},
        warnings=r.texts("warnings", limits.items, limits.text_bytes),
        control=r.text("control", 256),
        telemetry=r.text("telemetry", 256),
        resume=_read_resume(r),
    )


def _read_resume(r: Reader) -> str:
    return r.text("resume") if r.has("resume") else ""


def _read_limits(r: Reader, body: Mapping[str, Value]) -> Iterator[tuple[str, int]]:
    for f in fields(Limits):
        if f.name in body:  # a limit the peer does not name keeps its default
            yield f.name, r.integer(f.name, 1, U32)


def _at_least_zero(value: float) -> float:
    if value < 0.0:
        raise _value(f"WELCOME.velocity_tolerance: expected at least 0, got {value:g}")
    return value


_schema_of = lru_cache(maxsize=16)(Schema.from_canonical)  # games of one kind, and one that comes back, say the same


def _read_schema(r: Reader, header: Header, limits: Limits) -> Schema:
    try:
        schema = _schema_of(r.blob("schema", limits.schema_bytes))
    except SchemaError as error:
        raise RemoteProtocolError(ErrorCode.SCHEMA, str(error)) from None
    _same_schema(header, schema)
    return schema
