"""What the numbers in data messages may be: checked once, where they come in or go out, and trusted from there on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .cells import Floats
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .messages import RUNG_NONE, STATUS_BITS, Action, EntityBlock, Snapshot, U32s
from .schema import FLOAT32_MAX, EntityType, Schema


@dataclass(frozen=True, slots=True)
class Admitted:
    """A snapshot fit for use, and what had to be done to it."""

    snapshot: Snapshot
    clamped: int = 0  # numbers pulled into their range
    masked: int = 0  # entities left out
    note: str = ""  # the first such case: field, entity, expected, got


class Border:
    """Checks the data messages of one schema. No I/O, no clock, safe to share between threads."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._entities = {entity.name: _Columns(entity) for entity in schema.entities}
        channels = schema.channels
        self._low = np.array([c.low for c in channels], np.float32)
        self._high = np.array([c.high for c in channels], np.float32)
        self._commands = _Range(self._low, self._high)
        self._discrete = [i for i, c in enumerate(channels) if c.kind == "discrete"]

    def admit(self, snapshot: Snapshot) -> Admitted:
        """Checks a received snapshot by the schema's ranges and nan policies.

        Raises:
            RemoteProtocolError: NaN or infinity in a field with policy `reject`, or an id that is 0 or there twice.
        """
        _check_ids([block.ids for block in snapshot.blocks.values()], "SNAPSHOT")
        doing = snapshot.executing
        _check_ids([doing.ids], "executing")
        if len(doing.rung) and doing.rung.max() > RUNG_NONE:
            got = int(snapshot.executing.rung.max())
            raise RemoteProtocolError(ErrorCode.VALUE, f"executing: rung expected 0..{RUNG_NONE}, got {got}")
        dirty = {name: block for name, block in snapshot.blocks.items() if not self._entities[name].clean(block.values)}
        if not dirty:
            return Admitted(snapshot)
        blocks, clamped, masked, note = dict(snapshot.blocks), 0, 0, ""
        for name, block in dirty.items():
            columns = self._entities[name]
            note = note or columns.describe(block)
            blocks[name], count, lost = columns.repair(block)
            clamped += count
            masked += lost
        return Admitted(replace(snapshot, blocks=blocks), clamped, masked, note)

    def fit(self, action: Action) -> Action:
        """Prepares an action for sending: commands are pulled into their channel's range, discrete ones rounded.

        Raises:
            LocalProtocolError: anything a receiver would refuse, above all a number that is not finite.
        """
        steps = np.clip(action.steps, self._low, self._high)
        steps[..., self._discrete] = np.rint(steps[..., self._discrete])
        fitted = replace(action, steps=steps)
        problem = self._problem(fitted)
        if problem:
            raise LocalProtocolError(problem)
        return fitted

    def check(self, action: Action) -> None:
        """Checks a received action.

        Raises:
            RemoteProtocolError: a number that is not finite, out of its range, or ids and ticks that make no sense.
        """
        problem = self._problem(action)
        if problem:
            raise RemoteProtocolError(ErrorCode.VALUE, problem)

    def _problem(self, action: Action) -> str:
        if not action.source_tick <= action.apply_tick <= action.valid_until_tick:
            return (
                "ACTION: expected source <= apply <= valid until, got ticks "
                f"{action.source_tick}, {action.apply_tick}, {action.valid_until_tick}"
            )
        if _repeated(action.ids) is not None:
            return f"ACTION: expected ids above 0, each once, got {_repeated(action.ids)} again or 0"
        if not self._commands.holds(action.steps):
            inside = (action.steps >= self._low) & (action.steps <= self._high)  # false for NaN
            n, i, c = (int(axis[0]) for axis in np.nonzero(~inside))
            channel = self._schema.channels[c]
            return (
                f"channel '{channel.name}' of NPC {action.ids[n]}, step {i}: "
                f"expected {channel.low:g}..{channel.high:g}, got {action.steps[n, i, c]:g}"
            )
        discrete = action.steps[..., self._discrete]  # all at once: every NumPy call here is a call in the game's frame
        broken = discrete != np.rint(discrete)
        if broken.any():
            column = self._discrete[int(np.nonzero(broken)[-1][0])]
            return f"channel '{self._schema.channels[column].name}': expected whole numbers"
        if not np.isfinite(action.expected).all():
            return "ACTION: expected finite poses"
        for name, values in (("brake", action.brake), ("tolerance", action.tolerance)):
            if len(values) and not (values.min() >= 0 and values.max() <= FLOAT32_MAX):  # false for NaN
                return f"ACTION: {name} expected finite numbers of at least 0"
        if len(action.status) and action.status.max() > STATUS_BITS:
            return f"ACTION: status expected bits {STATUS_BITS:#x} only"
        return ""


class _Range:
    """A range per column. NumPy compares two blocks of one shape several times as fast as a block with a row."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self._tiled = low[None], high[None]

    def holds(self, values: Floats) -> bool:
        """Says whether every number of some rows lies within; NaN does not."""
        low, high = self._tiled
        rows = values.reshape(-1, low.shape[1])
        n = len(rows)
        if n > len(low):
            self._tiled = low, high = np.tile(low[:1], (n, 1)), np.tile(high[:1], (n, 1))
        inside = (rows >= low[:n]) & (rows <= high[:n])
        return bool(np.count_nonzero(inside) == inside.size)


class _Columns:
    """Ranges and policies of one entity type, as arrays."""

    def __init__(self, entity: EntityType) -> None:
        self.entity = entity
        self.low = np.array([f.low for f in entity.fields], np.float32)
        self.high = np.array([f.high for f in entity.fields], np.float32)
        self.default = np.array([f.default for f in entity.fields], np.float32)
        self.reject = np.array([f.nan == "reject" for f in entity.fields])
        self.mask = np.array([f.nan == "mask" for f in entity.fields])
        self._range = _Range(self.low, self.high)

    def clean(self, values: Floats) -> bool:
        return self._range.holds(values)

    def describe(self, block: EntityBlock) -> str:
        row, column = (int(axis[0]) for axis in np.nonzero(~self._inside(block.values)))
        return self._place(block, row, column)

    def repair(self, block: EntityBlock) -> tuple[EntityBlock, int, int]:
        """Returns the block made legal, the numbers clamped and the entities masked."""
        broken = ~np.isfinite(block.values)
        refused = np.argwhere(broken & self.reject)
        if len(refused):
            raise RemoteProtocolError(ErrorCode.VALUE, self._place(block, int(refused[0, 0]), int(refused[0, 1])))
        keep = ~(broken & self.mask).any(axis=1)
        values = np.where(np.isnan(block.values), self.default, block.values)[keep]
        clipped = np.clip(values, self.low, self.high)
        clamped = int((~self._inside(block.values[keep])).sum())
        return EntityBlock(block.ids[keep], clipped), clamped, int((~keep).sum())

    def _inside(self, values: Floats) -> NDArray[np.bool_]:
        return (values >= self.low) & (values <= self.high)

    def _place(self, block: EntityBlock, row: int, column: int) -> str:
        f = self.entity.fields[column]
        return (
            f"field '{f.name}' of entity '{self.entity.name}' {block.ids[row]}: "
            f"expected {f.low:g}..{f.high:g}, got {block.values[row, column]:g}"
        )


def _check_ids(parts: list[U32s], where: str) -> None:
    if not parts:
        return
    bad = _repeated(np.concatenate(parts) if len(parts) > 1 else parts[0])
    if bad is not None:
        raise RemoteProtocolError(ErrorCode.VALUE, f"{where}: expected ids above 0, each once, got {bad} again or 0")


def _repeated(ids: U32s) -> int | None:
    """Returns an id that is 0 or there twice, None if all is well."""
    if not len(ids) or (ids[0] > 0 and (ids[1:] > ids[:-1]).all()):
        return None  # the usual case: growing
    ordered = np.sort(ids)
    if ordered[0] == 0:
        return 0
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    return int(ordered[twice[0]]) if len(twice) else None
