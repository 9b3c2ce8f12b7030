"""How the numbers of delta snapshots are coded: which cells changed, and each column as its field declares.

A cell is one number of one entity. Columns travel as float32, as float16, or as whole numbers that divide low..high
into equal parts. What is coded is first moved to the nearest number that has a code, so that both sides hold the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LocalProtocolError
from .schema import CODINGS, EntityType

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Codes = tuple[NDArray[np.generic], ...]
"""Per coding, in the order of CODINGS, the codes of the changed cells, row by row."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The codings of one entity type's `f` fields."""

    entity: EntityType
    of: Mapping[str, Bools]  # by coding, f: which columns have it
    low: NDArray[np.float64]  # f
    high: NDArray[np.float64]  # f

    @classmethod
    def declared(cls, entity: EntityType) -> Columns:
        """Returns those of an entity type."""
        fields = entity.fields
        low, high = (np.array([getattr(f, end) for f in fields]) for end in ("low", "high"))
        return cls(entity, {name: np.array([f.coding == name for f in fields]) for name in CODINGS}, low, high)

    def snapped(self, ids: NDArray[np.uint32], values: Floats) -> Floats:
        """Returns a copy of n f, moved to the nearest numbers that have a code; columns of float32 stay as they are.

        Whole numbers have no code for NaN and infinity: what the policy `clamp` makes of them is told instead.

        Raises:
            LocalProtocolError: such a number in a column of whole numbers with the policy `reject`.
        """
        out = values.copy()
        whole = self.of["q16"] | self.of["q8"]
        broken = ~np.isfinite(values) & whole
        if broken.any():
            self._refuse(ids, values, broken)
            default = np.array([f.default for f in self.entity.fields], np.float32)
            out = np.where(np.isnan(values) & whole, default, values)
        for name, of in self.of.items():
            if name != "f32" and of.any():
                low, high = self.low[of], self.high[of]
                out[:, of] = _floats(name, _codes(name, _within(out[:, of], low, high, name), low, high), low, high)
        return out

    def _refuse(self, ids: NDArray[np.uint32], values: Floats, broken: Bools) -> None:
        refused = np.argwhere(broken & [f.nan == "reject" for f in self.entity.fields])
        if len(refused):
            row, column = refused[0].tolist()
            field = self.entity.fields[column]
            raise LocalProtocolError(
                f"field '{field.name}' of entity '{self.entity.name}' {ids[row]}: expected a number, as its coding "
                f"'{field.coding}' has no other, got {values[row, column]}"
            )

    def codes(self, values: Floats, changed: Bools) -> Codes:
        """Returns the codes of the changed cells (n f) of numbers that have one."""
        found: list[NDArray[np.generic]] = []
        for name, of in self.of.items():
            cells = changed & of
            column = np.nonzero(cells)[1]
            found.append(_codes(name, values[cells], self.low[column], self.high[column]))
        return tuple(found)

    def counts(self, changed: Bools) -> tuple[int, ...]:
        """Returns how many of the changed cells there are per coding."""
        per_column = changed.sum(0)
        return tuple(int(per_column[of].sum()) for of in self.of.values())

    def write(self, into: Floats, changed: Bools, codes: Sequence[NDArray[np.generic]]) -> None:
        """Writes what the changed cells are coded as into n f numbers."""
        for (name, of), given in zip(self.of.items(), codes, strict=True):
            cells = changed & of
            column = np.nonzero(cells)[1]
            into[cells] = _floats(name, given, self.low[column], self.high[column])


def _codes(
    name: str, values: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.generic]:
    dtype = CODINGS[name]
    if name[0] == "q":
        values = np.rint((values.astype(np.float64) - low) / (high - low) * np.iinfo(dtype).max)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return values.astype(dtype)


def _floats(
    name: str, codes: NDArray[np.generic], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.generic]:
    if name == "f32":
        return codes
    with np.errstate(invalid="ignore"):
        values = codes.astype(np.float64)
    if name[0] == "q":
        values = low + (high - low) * values / np.iinfo(CODINGS[name]).max
    return _within(values, low, high, name).astype(np.float32)


def _within(
    values: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64], name: str
) -> NDArray[np.floating]:
    """Pulls numbers into their range; those of float16 that are none stay so, for the schema's policy to judge."""
    inside = np.clip(values, low, high)
    return np.where(np.isinf(values), values, inside) if name == "f16" else inside
