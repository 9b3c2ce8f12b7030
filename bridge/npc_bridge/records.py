"""Dataclasses that are made for every message: type checkers hold them frozen, the interpreter does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Record = TypeVar("Record")


@dataclass_transform(frozen_default=True, eq_default=False)
def record(cls: type[Record]) -> type[Record]:
    """Returns a slotted dataclass whose values are not compared, as arrays are no truth values.

    Frozen ones take up to eight times as long to make (`object.__setattr__` once per field), which in a round trip of
    the bridge is as much as reading and judging its frames.
    """
    return dataclass(slots=True, eq=False)(cls)
