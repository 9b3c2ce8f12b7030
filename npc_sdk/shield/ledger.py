"""The shield's log: what it saw and what it answered, so that anyone can have it answer again and compare bit by bit.

Layout: 8 bytes of magic; then records `length u32, body, checksum u32`, little-endian, where the body is a msgpack map
packed by zlib and the checksum runs on from the record before: none can be changed, left out or moved on its own. A
`begin` says that a game starts afresh, `rules` are the tables that later steps refer to by number, a `step` is one
call, and `end` is written last. Nothing read here is ever executed: arrays of a few kinds of numbers, and known types.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar, cast

import msgpack
import numpy as np

from npc_sdk.constraints import KINDS, TRIGGERS, RuleTables
from npc_sdk.constraints.compile import Apart, Burst, Clearway, Cone, Pool, Stock, Turns, Window
from npc_sdk.errors import LedgerError
from npc_sdk.shield.attacks import Wanted
from npc_sdk.shield.case import Case
from npc_sdk.shield.certify import Certified
from npc_sdk.shield.fire import Aim
from npc_sdk.shield.fits import check, check_answer, check_array, check_ids, check_tables
from npc_sdk.shield.ground import Movers, ShieldConfig
from npc_sdk.shield.moving import Others

_Kind = TypeVar("_Kind")

MAGIC = b"NPCLEDG\x01"
SUFFIX = ".npcledger"
_LENGTH, _CHECK = struct.Struct("<I"), struct.Struct("<I")
_MOST_BYTES = 1 << 26  # of one record, packed or not: a thousand NPCs among a thousand walls take a tenth
_KNOWN: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(RuleTables, Clearway, Apart, Window, Pool, Stock, Cone, Burst, Turns),
        *(Movers, Others, Wanted, Aim, ShieldConfig, Certified),
    )
}
_DTYPES = ("|b1", "|i1", "|u1", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")


@dataclass(frozen=True, slots=True)
class Begin:
    """A game starts: afresh, or with what another one of the log had been promised or had attacked."""

    game: str
    promises: str = ""  # of which game
    attacks: str = ""  # of which game
    by: tuple[float, float] = (0.0, 0.0)  # m, by which the places of the promises lie elsewhere in the new one


@dataclass(frozen=True, slots=True)
class Step:
    """One call and its answer. `record` and `byte` say where in the file it is."""

    record: int
    byte: int
    game: str
    chunk: int
    case: Case
    answer: Certified


class Ledger:
    """Writes a log; use it as a context manager or call `close`. Not thread-safe.

    Args:
        path: of the file; replaced if it exists.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: BinaryIO = Path(path).open("wb")  # noqa: SIM115  # closed by close
        self._file.write(MAGIC)
        self._check = zlib.crc32(MAGIC)
        self._tables: RuleTables | None = None
        self._rules = -1

    def begin(self, game: str, *, promises: str = "", attacks: str = "", by: tuple[float, float] = (0.0, 0.0)) -> None:
        """Notes that a game starts: afresh, or with all the promises, moved, or just the attacks, of another one."""
        self._write({"is": "begin", "game": game, "promises": promises, "attacks": attacks, "by": list(by)})

    def step(self, game: str, chunk: int, case: Case, answer: Certified) -> None:
        """Notes one call and its answer, which has been sent as chunk number `chunk`."""
        if case.tables is not self._tables:
            self._tables, self._rules = case.tables, self._rules + 1
            self._write({"is": "rules", "tables": _plain(case.tables)})
        seen = {field.name: _plain(getattr(case, field.name)) for field in fields(case) if field.name != "tables"}
        self._write(
            {"is": "step", "game": game, "chunk": chunk, "rules": self._rules, **seen, "answer": _plain(answer)}
        )

    def close(self) -> None:
        """Ends the log."""
        if not self._file.closed:
            self._write({"is": "end"})
            self._file.close()

    def _write(self, body: Mapping[str, object]) -> None:
        data = zlib.compress(cast(bytes, msgpack.packb(body)), 1)
        record = _LENGTH.pack(len(data)) + data
        self._check = zlib.crc32(record, self._check)
        self._file.write(record + _CHECK.pack(self._check))
        self._file.flush()  # whatever ends the writer, what has been answered is there

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: str | os.PathLike[str]) -> Iterator[Begin | Step]:
    """Yields what a log holds, in order.

    Raises:
        LedgerError: no log, cut short, changed, or of things that are not known; says at which record and byte.
    """
    path = Path(path)
    rules: list[RuleTables] = []
    for number, byte, body in _bodies(path):
        try:
            match body["is"]:
                case "begin":
                    game, promises, attacks = (str(body[name]) for name in ("game", "promises", "attacks"))
                    yield Begin(game, promises, attacks, _shift(body["by"]))
                case "rules":
                    rules.append(_is(RuleTables, _value(body["tables"])))
                    check_tables(rules[-1])
                case "step":
                    yield _step(number, byte, body, rules)
                case "end":
                    return
                case other:
                    raise ValueError(f"expected a begin, rules, a step or an end, got {other!r}")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise LedgerError(path, number, byte, f"expected a record of this version, got {error}") from None


def _step(number: int, byte: int, body: Mapping[str, object], rules: Sequence[RuleTables]) -> Step:
    """Reads one call.

    Raises:
        KeyError, IndexError, TypeError, ValueError: something is missing, of another kind, or does not fit.
    """
    case = Case(
        movers=_is(Movers, _value(body["movers"])),
        tables=rules[_is(int, body["rules"])],
        proposals=_is(np.ndarray, _value(body["proposals"])),
        others=_is(Others, _value(body["others"])),
        wanted=_is(Wanted, _value(body["wanted"])),
        config=_is(ShieldConfig, _value(body["config"])),
    )
    answer = _is(Certified, _value(body["answer"]))
    sizes = {"n": len(case.movers.position), "c": len(KINDS), "t": len(TRIGGERS), "o": len(case.others.names)}
    check_array("proposals", case.proposals, "Float", ["n", "m", "2"], sizes)
    for part in (case.movers, case.others, case.wanted):
        check(part, sizes)
    check_ids(case.movers, sizes["n"])
    check_answer(answer, sizes)
    return Step(number, byte, _is(str, body["game"]), _is(int, body["chunk"]), case, answer)


def _bodies(path: Path) -> Iterator[tuple[int, int, Mapping[str, object]]]:
    """Yields number, first byte and content of every record up to the end."""
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise LedgerError(path, 0, 0, f"expected a shield log, got {magic!r}")
        check, number = zlib.crc32(MAGIC), 0
        while True:
            byte = file.tell()
            head = file.read(_LENGTH.size)
            size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            if size > _MOST_BYTES:
                raise LedgerError(path, number, byte, f"expected at most {_MOST_BYTES} bytes, got {size}")
            data, tail = file.read(size), file.read(_CHECK.size)
            if len(tail) < _CHECK.size:
                got = len(head) + len(data) + len(tail)
                raise LedgerError(path, number, byte, f"expected a whole record, got {got} bytes: the log is cut short")
            check = zlib.crc32(head + data, check)
            if _CHECK.unpack(tail)[0] != check:
                raise LedgerError(path, number, byte, "expected the checksum of what was written, got another one")
            body = _unpacked(path, number, byte, data)
            yield number, byte, body
            if body.get("is") == "end":
                return
            number += 1


def _unpacked(path: Path, number: int, byte: int, data: bytes) -> Mapping[str, object]:
    try:
        inflate = zlib.decompressobj()
        body = msgpack.unpackb(inflate.decompress(data, _MOST_BYTES))
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise LedgerError(path, number, byte, f"expected a packed record, got {error}") from None
    if not isinstance(body, dict):
        raise LedgerError(path, number, byte, f"expected a map, got {type(body).__name__}")
    return body


def _plain(value: object) -> object:
    """Turns what the shield handles into what msgpack carries."""
    if isinstance(value, np.ndarray):
        return {"is": "array", "of": value.dtype.str, "shape": list(value.shape), "data": value.tobytes()}
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, Mapping):
        return {"is": "map", "of": {str(k): _plain(v) for k, v in value.items()}}
    if isinstance(value, frozenset):
        return {"is": "set", "of": sorted(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _value(plain: object) -> object:
    """Turns it back.

    Raises:
        ValueError: an array or a type that is not known here.
        TypeError: fields that a type does not have.
    """
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    name = plain["is"]
    if name == "array":
        if plain["of"] not in _DTYPES:
            raise ValueError(f"expected an array of {', '.join(_DTYPES)}, got {plain['of']!r}")
        return np.frombuffer(plain["data"], plain["of"]).reshape(plain["shape"]).copy()
    if name == "map":
        return {key: _value(item) for key, item in dict(plain["of"]).items()}
    if name == "set":
        return frozenset(plain["of"])
    if name not in _KNOWN:
        raise ValueError(f"expected one of {', '.join(_KNOWN)}, got {name!r}")
    return _KNOWN[name](**{key: _value(item) for key, item in plain.items() if key != "is"})


def _shift(value: object) -> tuple[float, float]:
    x, y = _is(list, value)
    return float(x), float(y)


def _is(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
