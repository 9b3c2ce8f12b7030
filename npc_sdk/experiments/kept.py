"""Long measurements in pieces: what is finished stays in a folder, and pieces may be spread over processes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")


def fingerprint(*values: object) -> str:
    """Names everything that a result depends on (what JSON can hold), so that it is not taken for another one."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


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


def in_turn(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Does the work on every item, in as many processes; yields the results in the order of the items."""
    if jobs <= 1:
        yield from map(work, items)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, items)
