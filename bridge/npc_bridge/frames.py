"""The 48 bytes that begin every message, and the aligned blocks behind them. One message is one ZeroMQ frame."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from .errors import ErrorCode, RemoteProtocolError
from .limits import LIMITS, Limits

MAGIC = b"NPCW"
MAJOR = 1
ALIGN = 16  # bytes; every block starts on such a border, so engines can read it in place
HEADER = struct.Struct("<4sBBHIIQqIIHBBI")  # PROTOCOL.md, Header
HEADER_BYTES = HEADER.size
_ZEROS = bytes(ALIGN)
U32 = (1 << 32) - 1
LAST_TICK = (1 << 62) - 1  # so that sums of ticks stay within 64 bits in every language

FLAG_KEYFRAME = 1  # complete, as every snapshot of version 1.0
FLAG_DELTA = 2  # SNAPSHOT: what differs from an older one; with FLAG_KEYFRAME from nothing
FLAG_FALLBACK = 4  # ACTION: planned without a finished search
FLAG_REPLAY = 8  # from a recording
KNOWN_FLAGS = FLAG_KEYFRAME | FLAG_DELTA | FLAG_FALLBACK | FLAG_REPLAY


class Kind(IntEnum):
    """What a message is; byte 5 of the header."""

    HELLO = 1
    WELCOME = 2
    SCHEMA = 3
    SNAPSHOT = 4
    ACTION = 5
    ERROR = 6
    CONTROL = 7
    ACK = 8
    TELEMETRY = 9
    BYE = 10


KINDS = {int(kind): kind for kind in Kind}


class Header(NamedTuple):
    """The fixed fields; their meaning per kind is in PROTOCOL.md."""

    kind: Kind
    flags: int = 0
    session: int = 0
    schema_id: int = 0
    tick: int = 0
    time_us: int = 0
    sequence: int = 0
    count: int = 0  # type: ignore[assignment]  # the wire's name for it, which tuples have for something else
    fields: int = 0
    dtype: int = 0  # 0: msgpack body, 1: float32 blocks
    blocks: int = 0
    extra: int = 0

    def pack(self) -> bytes:
        """Returns the 48 bytes; struct.error if a field is outside its type."""
        return HEADER.pack(
            MAGIC,
            MAJOR,
            self.kind,
            self.flags,
            self.session,
            self.schema_id,
            self.tick,
            self.time_us,
            self.sequence,
            self.count,
            self.fields,
            self.dtype,
            self.blocks,
            self.extra,
        )


def read_header(data: bytes, limits: Limits = LIMITS) -> Header:
    """Reads and checks what all kinds share.

    Raises:
        RemoteProtocolError: not our magic, another major version, too short, too long, or an unknown kind.
    """
    if len(data) > limits.frame_bytes:
        raise RemoteProtocolError(
            ErrorCode.LIMIT, f"message: expected at most {limits.frame_bytes} bytes, got {len(data)}"
        )
    if data[:4] != MAGIC:
        raise RemoteProtocolError(ErrorCode.MAGIC, f"message: expected it to begin with {MAGIC!r}, got {data[:4]!r}")
    if len(data) < 6:
        raise RemoteProtocolError(ErrorCode.LENGTH, f"message: expected at least {HEADER_BYTES} bytes, got {len(data)}")
    if data[4] != MAJOR:
        raise RemoteProtocolError(ErrorCode.VERSION, f"message: expected major version {MAJOR}, got {data[4]}")
    if len(data) < HEADER_BYTES:
        raise RemoteProtocolError(ErrorCode.LENGTH, f"message: expected at least {HEADER_BYTES} bytes, got {len(data)}")
    _, _, number, *rest = HEADER.unpack_from(data)
    kind = KINDS.get(number)
    if kind is None:
        raise RemoteProtocolError(ErrorCode.VALUE, f"message: expected a kind 1..{len(KINDS)}, got {number}")
    header = Header(kind, *rest)
    if header.flags & ~KNOWN_FLAGS:
        raise RemoteProtocolError(ErrorCode.VALUE, f"{kind.name}: unknown flags {header.flags & ~KNOWN_FLAGS:#x}")
    if header.flags & FLAG_DELTA and kind is not Kind.SNAPSHOT:
        raise RemoteProtocolError(ErrorCode.VALUE, f"{kind.name}: expected no delta, got flags {header.flags:#x}")
    if header.tick > LAST_TICK:
        raise RemoteProtocolError(ErrorCode.VALUE, f"{kind.name}: expected ticks up to {LAST_TICK}, got {header.tick}")
    return header


def padded(size: int) -> int:
    """Rounds a block's size up to the next border."""
    return -(-size // ALIGN) * ALIGN


def gap(size: int) -> bytes:
    """Returns the zeros from a block's end to the next border."""
    return _ZEROS[: -size % ALIGN]
