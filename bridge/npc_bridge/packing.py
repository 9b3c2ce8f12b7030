"""msgpack within strict bounds: what is read here is plain data of known size, depth and type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import msgpack

from .errors import ErrorCode, RemoteProtocolError
from .limits import LIMITS, Limits

Value: TypeAlias = "bool | int | float | str | bytes | Sequence[Value] | Mapping[str, Value] | None"


def pack(value: Value) -> bytes:
    """Writes canonical msgpack: map keys sorted, integers as short as possible, floats as float64."""
    return cast(bytes, msgpack.packb(_sorted(value), use_bin_type=True))


def unpack(data: bytes | memoryview, limits: Limits = LIMITS) -> dict[str, Value]:
    """Reads one msgpack map with string keys.

    Raises:
        RemoteProtocolError: anything else, duplicate keys, extension types, NaN or infinity, or beyond the limits.
    """
    if len(data) > limits.body_bytes:
        raise RemoteProtocolError(ErrorCode.LIMIT, f"body: expected at most {limits.body_bytes} bytes, got {len(data)}")
    try:
        body = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique,
            ext_hook=_no_extension,
            max_str_len=limits.text_bytes,
            max_bin_len=limits.body_bytes,
            max_array_len=limits.items,
            max_map_len=limits.items,
            max_ext_len=0,
        )
    except msgpack.StackError:
        raise RemoteProtocolError(ErrorCode.LIMIT, f"body: nested deeper than {limits.depth}") from None
    except (ValueError, TypeError, msgpack.UnpackException) as error:  # msgpack's own errors derive from these
        raise RemoteProtocolError(ErrorCode.LENGTH, f"body: expected one msgpack map, got {error}") from None
    if not isinstance(body, dict):
        raise RemoteProtocolError(ErrorCode.VALUE, f"body: expected a map, got {type(body).__name__}")
    _check(body, "body", limits.depth, limits)
    return cast(dict[str, Value], body)


class Reader:
    """Takes typed entries out of a received map; every refusal names the entry. Entries nobody asks for are ignored."""

    def __init__(self, body: Mapping[str, Value], where: str, limits: Limits = LIMITS) -> None:
        self._body = body
        self._where = where
        self._limits = limits

    def has(self, key: str) -> bool:
        """Says whether a key that may be left out is there."""
        return key in self._body

    def _take(self, key: str) -> Value:
        if key not in self._body:
            raise RemoteProtocolError(ErrorCode.VALUE, f"{self._where}: expected '{key}', got nothing")
        return self._body[key]

    def _wrong(self, key: str, expected: str, got: object) -> RemoteProtocolError:
        return RemoteProtocolError(ErrorCode.VALUE, f"{self._where}.{key}: expected {expected}, got {got!r:.80}")

    def integer(self, key: str, low: int, high: int) -> int:
        """Returns an integer within low..high."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(key, f"an integer {low}..{high}", value)
        return value

    def number(self, key: str) -> float:
        """Returns a finite number as float."""
        value = self._take(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(key, "a number", value)
        return float(value)

    def flag(self, key: str) -> bool:
        """Returns a boolean."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def text(self, key: str, most_bytes: int | None = None) -> str:
        """Returns a string of at most `most_bytes` in UTF-8 (names by default)."""
        value = self._take(key)
        most = self._limits.name_bytes if most_bytes is None else most_bytes
        if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > most:
            raise self._wrong(key, f"a string of at most {most} bytes", value)
        return value

    def blob(self, key: str, most_bytes: int) -> bytes:
        """Returns a byte string of at most `most_bytes`."""
        value = self._take(key)
        if not isinstance(value, bytes) or len(value) > most_bytes:
            raise self._wrong(key, f"at most {most_bytes} bytes", value)
        return value

    def items(self, key: str, most: int) -> list[Value]:
        """Returns a list of at most `most` items."""
        value = self._take(key)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(key, f"a list of at most {most}", value)
        return value

    def texts(self, key: str, most: int, most_bytes: int | None = None) -> tuple[str, ...]:
        """Returns a list of strings."""
        rows = self.items(key, most)
        return tuple(Reader({key: row}, self._where, self._limits).text(key, most_bytes) for row in rows)

    def integers(self, key: str, most: int, low: int, high: int) -> tuple[int, ...]:
        """Returns a list of integers within low..high."""
        rows = self.items(key, most)
        return tuple(Reader({key: row}, self._where, self._limits).integer(key, low, high) for row in rows)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Returns a list of exactly `count` finite numbers."""
        rows = self.items(key, count)
        if len(rows) != count:
            raise self._wrong(key, f"{count} numbers", rows)
        return tuple(Reader({key: row}, self._where, self._limits).number(key) for row in rows)

    def map(self, key: str) -> dict[str, Value]:
        """Returns a map."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "a map", value)
        return value

    def maps(self, key: str, most: int) -> list[Reader]:
        """Returns a list of maps, each as a reader that knows its place."""
        rows = self.items(key, most)
        readers = []
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise self._wrong(f"{key}[{index}]", "a map", row)
            readers.append(Reader(row, f"{self._where}.{key}[{index}]", self._limits))
        return readers


def _sorted(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def _unique(pairs: list[tuple[object, object]]) -> dict[object, object]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key twice")
    if not all(isinstance(key, str) for key in body):
        raise ValueError("a key that is no text")
    return body


def _no_extension(code: int, data: bytes) -> object:
    raise ValueError(f"extension type {code}")


def _check(value: Value, where: str, depth: int, limits: Limits) -> None:
    if isinstance(value, dict):
        if depth == 0:
            raise RemoteProtocolError(ErrorCode.LIMIT, f"{where}: nested deeper than {limits.depth}")
        for item in value.values():
            _check(item, where, depth - 1, limits)
    elif isinstance(value, list):
        if depth == 0:
            raise RemoteProtocolError(ErrorCode.LIMIT, f"{where}: nested deeper than {limits.depth}")
        for item in value:
            _check(item, where, depth - 1, limits)
    elif isinstance(value, float) and not math.isfinite(value):
        raise RemoteProtocolError(ErrorCode.VALUE, f"{where}: expected finite numbers, got {value}")


def clip_text(text: str, most_bytes: int) -> str:
    """Cuts a string to at most `most_bytes` of UTF-8, at a character's border."""
    return text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
