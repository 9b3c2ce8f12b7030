"""Long measurements in pieces: what is finished stays in a folder, and pieces may be spread over processes."""

from __future__ import annotations

import atexit
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")


def fingerprint(*values: object) -> str:
    """Names everything that a result depends on (what JSON can hold), so that it is not taken for another one."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def code_in(*parts: str, package: str = "npc_sdk") -> str:
    """Names what some files and folders of a package hold, so that a result is not taken for another code's."""
    root = Path(str(files(package)))
    paths = [
        path for part in parts for path in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    ]
    return fingerprint([path.read_text(encoding="utf-8") for path in sorted(paths)])


class Cache:
    """Finished pieces in a folder, so that a run that was cut short goes on."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, make: Callable[[], Floats]) -> Floats:
        """Returns a kept array, or makes and keeps it."""
        return self.table(name, lambda: {"values": make()})["values"]

    def table(self, name: str, make: Callable[[], Mapping[str, Floats | float]]) -> dict[str, Floats]:
        """Returns kept arrays by name, or makes and keeps them."""
        path = self._folder / f"{name}.json"
        values = self._read(path)
        if values is None:
            values = {key: np.asarray(value, np.float64) for key, value in make().items()}
            part = path.with_suffix(".part")
            lists = {key: value.tolist() for key, value in values.items()}
            part.write_text(json.dumps({"fingerprint": self._fingerprint, **lists}))
            part.replace(path)
        return values

    def _read(self, path: Path) -> dict[str, Floats] | None:
        if not path.exists():
            return None
        kept = json.loads(path.read_text())
        if kept.pop("fingerprint") != self._fingerprint:
            return None
        return {key: np.array(value, np.float64) for key, value in kept.items()}


class Tabled(Protocol):
    """Running counts that can be put into arrays and added up from them."""

    def table(self) -> Mapping[str, Floats]:
        """Returns the counts as arrays, to be kept."""
        ...

    def plus(self, table: dict[str, Floats], /) -> None:
        """Adds what was kept."""
        ...


Counts = TypeVar("Counts", bound=Tabled)


def shard(folder: Path | None, code: str, name: str, empty: Counts, play: Callable[[], Counts]) -> Counts:
    """Returns a shard as it was kept in the folder, or plays it and keeps it there.

    Args:
        folder: None keeps nothing.
        code: that the shard depends on; what other code left is played anew.
        name: of the shard.
        empty: takes in what was kept.
        play: plays it.
    """
    if folder is None:
        return play()
    played = list[Counts]()

    def make() -> Mapping[str, Floats]:
        played.append(play())
        return played[0].table()

    table = Cache(folder, code).table(name, make)
    if played:
        return played[0]
    empty.plus(table)
    return empty


def in_turn(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Does the work on every item, in as many processes; yields the results in the order of the items."""
    yield from map(work, items) if jobs <= 1 else _workers(jobs).imap(work, items)


@cache
def _workers(jobs: int) -> Pool:
    """Starts processes that stay until this one ends: each takes seconds to load what it needs."""
    pool = multiprocessing.get_context("spawn").Pool(jobs)
    atexit.register(pool.terminate)
    return pool
