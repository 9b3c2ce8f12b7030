"""Small and large breaks of frames: bits, numbers, header fields, lengths, splices, and bodies as trees."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

import msgpack

from npc_bridge.frames import HEADER, HEADER_BYTES

MOST_BYTES = (1 << 20) + 4096  # a little more than a frame may have
HEADER_FIELDS = ((4, "B"), (5, "B"), (6, "<H"), (8, "<I"), (12, "<I"), (16, "<Q"), (24, "<q"), (32, "<I"), (36, "<I"),
                 (40, "<H"), (42, "B"), (43, "B"), (44, "<I"))  # fmt: skip
EDGES = (*range(5), 7, 8, 15, 16, 64, 127, 128, 255, 256, 4095, 4096, 4097, 1 << 15, (1 << 16) - 1, 1 << 16, 1 << 20,
         (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)  # fmt: skip
FLOATS = (float("nan"), float("inf"), float("-inf"), -0.0, 1e-45, 3.4e38, -3.4e38, 0.5, 1e9)
VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1 << 63, (1 << 64) - 1, 0.0, float("nan"), float("inf"), 1e308),
    *("", "x" * 5000, "ü", b"", b"\xff", [], {}, [[]], {"": {}}, [0] * 5000),
)

Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]
"""(random numbers, frame, other frames) -> a broken frame."""


def mutated(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Breaks a frame in one to four ways; now and then in none."""
    for _ in range(random.choice((0, 1, 1, 1, 1, 1, 2, 2, 3, 4))):
        frame = random.choice(MUTATIONS)(random, frame, others)
    return frame[:MOST_BYTES]


def flip_bits(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Turns some bits over."""
    data = bytearray(frame)
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def set_byte(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Gives one byte another value."""
    data = bytearray(frame)
    if data:
        data[random.randrange(len(data))] = random.choice((0, 1, 0x7F, 0x80, 0xC0, 0xDF, 0xFF, random.randrange(256)))
    return bytes(data)


def set_header_field(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Puts a number at the edge of something into one field of the header."""
    offset, form = random.choice(HEADER_FIELDS)
    return _put(frame, offset, form, random.choice(EDGES))


def set_number(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Puts such a number anywhere behind the header."""
    form = random.choice(("<H", "<I", "<Q"))
    return _put(frame, _place(random, frame, struct.calcsize(form)), form, random.choice(EDGES))


def set_float(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Puts a float that is none, or hardly one, anywhere behind the header."""
    return _put_bytes(frame, _place(random, frame, 4), struct.pack("<f", random.choice(FLOATS)))


def cut_off(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Leaves the end out."""
    return frame[: random.randrange(len(frame) + 1)]


def extend(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Adds to the end; seldom more than a frame may have."""
    size = random.choice((1, 2, 15, 16, 17, 64, 1024, 1024, MOST_BYTES if random.random() < 0.01 else 256))
    return frame + (bytes(size) if random.random() < 0.5 else random.randbytes(size))


def take_out(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Leaves a piece out of the middle."""
    begin = random.randrange(len(frame) + 1)
    return frame[:begin] + frame[begin + random.choice((1, 4, 8, 16, 48)) :]


def say_twice(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Has a piece twice."""
    begin = random.randrange(len(frame) + 1)
    return frame[: begin + random.choice((1, 4, 16, 48))] + frame[begin:]


def splice(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Goes on as another frame does."""
    other = random.choice(others)
    at = random.randrange(min(len(frame), len(other)) + 1)
    return frame[:at] + other[at:]


def swap_header(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Puts another frame's header before what it was not made for."""
    return random.choice(others)[:HEADER_BYTES] + frame[HEADER_BYTES:]


def break_body(random: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Changes one place of a msgpack body, and lets its length be true."""
    try:
        body = msgpack.unpackb(frame[HEADER_BYTES:], strict_map_key=False)
        packed = bytes(msgpack.packb(_changed(random, body)))
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        return flip_bits(random, frame, others)
    return _put(frame[:HEADER_BYTES], HEADER.size - 4, "<I", len(packed)) + packed


def _changed(random: Random, value: object) -> object:
    """Goes down a tree at random and changes what is there."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, random.choice(("", "x", "verb", "schema", 1, "z" * 70)): random.choice(VALUES)}
            case _:
                return {**value, key: _changed(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        match random.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value * random.choice((2, 3, 50))
            case _:
                return [*value[:at], _changed(random, value[at]), *value[at + 1 :]]
    if random.random() < 0.1:
        return _nested(random.choice((1, 7, 8, 9, 40, 500)))
    return random.choice(VALUES)


def _nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


def _place(random: Random, frame: bytes, size: int) -> int:
    """Picks an offset behind the header, as a rule where a number could be."""
    offset = HEADER_BYTES + random.randrange(max(1, len(frame) - HEADER_BYTES - size + 1))
    return offset - offset % 4 if random.random() < 0.8 else offset


def _put(frame: bytes, offset: int, form: str, value: int) -> bytes:
    size = struct.calcsize(form)
    return _put_bytes(frame, offset, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))


def _put_bytes(frame: bytes, offset: int, part: bytes) -> bytes:
    return frame if offset + len(part) > len(frame) else frame[:offset] + part + frame[offset + len(part) :]


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, set_byte, set_header_field, set_number, set_number, set_float, set_float, cut_off),
    *(extend, take_out, say_twice, splice, swap_header, break_body, break_body, break_body),
)
