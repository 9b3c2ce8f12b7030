"""Recordings: the wire itself, appended to a file. Readable up to the last complete record, however the writer ended.

Layout (all little-endian): 64 bytes `magic 8 s, version u32, header size u32, start i64 (us since 1970), schema SHA-256
32 s, zeros 8`; then records `length u32, time_us u64, direction u8, channel u8, bytes, crc32 u32` where length counts
the bytes and the checksum covers everything of the record before it. The first record is the canonical schema.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from .delta import Baselines
from .errors import LocalProtocolError, RecordingError, RemoteProtocolError, SchemaError
from .frames import Kind
from .limits import LIMITS
from .messages import Delta, Message, Snapshot, decode
from .schema import Schema

MAGIC = b"NPCWREC\x00"
VERSION = 1
HEAD = struct.Struct("<8sIIq32s8x")  # 64 bytes
RECORD = struct.Struct("<IQBB")
CRC = struct.Struct("<I")
MOST_BYTES = LIMITS.frame_bytes  # of one record


class Direction(IntEnum):
    """Who sent the bytes."""

    UP = 0  # game to brain
    DOWN = 1  # brain to game


class ChannelId(IntEnum):
    """Where they were sent."""

    SCHEMA = 0  # the canonical schema, first record only
    DATA = 1
    CONTROL = 2
    TELEMETRY = 3
    NOTE = 4  # a msgpack map about the recording itself, such as seed and map


class Record(NamedTuple):
    """One message as it was on the wire."""

    time_us: int
    direction: Direction
    channel: ChannelId
    data: bytes


class Recorder:
    """Writes a recording; use it as a context manager or call `close`.

    Args:
        path: of the file; replaced if it exists.
        schema: of the game.
        start_us: wall clock at the start, us since 1970.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Schema, start_us: int = 0) -> None:
        self._file: BinaryIO = Path(path).open("wb")  # noqa: SIM115  # closed by close
        self._file.write(HEAD.pack(MAGIC, VERSION, HEAD.size, start_us, bytes.fromhex(schema.sha256)))
        self.write(0, Direction.UP, ChannelId.SCHEMA, schema.canonical())
        self._file.flush()

    def write(self, time_us: int, direction: Direction, channel: ChannelId, data: bytes) -> None:
        """Appends one message; `time_us` on a monotonic clock."""
        if len(data) > MOST_BYTES:
            raise LocalProtocolError(f"record: expected at most {MOST_BYTES} bytes, got {len(data)}")
        head = RECORD.pack(len(data), time_us, direction, channel) + data
        self._file.write(head + CRC.pack(zlib.crc32(head)))

    def flush(self) -> None:
        """Hands everything written so far to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Ends the recording."""
        self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording opened for reading; iterate over it for its records."""

    path: Path
    schema: Schema
    start_us: int

    def __iter__(self) -> Iterator[Record]:
        """Yields the records after the schema, up to the first that is cut off or damaged."""
        with self.path.open("rb") as file:
            file.seek(HEAD.size)
            _read_record(file)  # the schema
            while True:
                record = _read_record(file)
                if record is None:
                    return
                yield record

    def messages(self, *directions: Direction) -> Iterator[tuple[Record, Message]]:
        """Yields what was said on the data channel in some directions, and what it means; deltas are made whole.

        Raises:
            RemoteProtocolError: bytes that are no message, or a delta whose baseline was not recorded; says where.
        """
        seen, newest = Baselines(), -1
        for number, record in enumerate(self, 1):
            if record.channel is not ChannelId.DATA:
                continue
            if record.direction is Direction.DOWN and record.data[5:6] == bytes([Kind.WELCOME]):
                seen.clear()
                newest = -1
            if record.direction not in directions:
                continue
            try:
                message = decode(record.data, self.schema)
                if isinstance(message, Snapshot | Delta):
                    if message.tick > newest:
                        message, newest = seen.whole(message), message.tick
                    elif isinstance(message, Delta):
                        continue  # the brain dropped it, and kept what it had of that tick
            except RemoteProtocolError as error:
                raise RemoteProtocolError(error.code, f"{self.path.name}: record {number}: {error}") from None
            yield record, message


def read(path: str | os.PathLike[str]) -> Recording:
    """Opens a recording.

    Raises:
        RecordingError: not a recording, of another version, or cut off before the end of its schema.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size or head[:8] != MAGIC:
            raise RecordingError(f"{path.name}: expected a recording, got {len(head)} bytes starting {head[:8]!r}")
        _, version, size, start_us, sha256 = HEAD.unpack(head)
        if (version, size) != (VERSION, HEAD.size):
            raise RecordingError(f"{path.name}: expected recording version {VERSION}, got {version}")
        first = _read_record(file)
    if first is None or first.channel is not ChannelId.SCHEMA:
        raise RecordingError(f"{path.name}: expected a schema as first record; the file is cut off or damaged")
    try:
        schema = Schema.from_canonical(first.data)
    except SchemaError as error:
        raise RecordingError(f"{path.name}: {error}") from None
    if schema.sha256 != sha256.hex():
        raise RecordingError(f"{path.name}: expected schema {sha256.hex()}, got {schema.sha256}")
    return Recording(path, schema, start_us)


def _read_record(file: BinaryIO) -> Record | None:
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return None
    length, time_us, direction, channel = RECORD.unpack(head)
    if length > MOST_BYTES or direction > max(Direction) or channel > max(ChannelId):
        return None
    data = file.read(length)
    tail = file.read(CRC.size)
    if len(data) < length or len(tail) < CRC.size or CRC.unpack(tail)[0] != zlib.crc32(head + data):
        return None
    return Record(time_us, Direction(direction), ChannelId(channel), data)
