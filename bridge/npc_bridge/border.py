"""What the numbers in data messages may be: checked once, where they come in or go out, and trusted from there on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .cells import Floats
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .messages import RUNG_NONE, STATUS_BITS, U4, Action, EntityBlock, Snapshot, U32s
from .schema import EntityType, Schema

MOST_TILED = 512  # rows of a range that are kept: many times 256 fields of 4096 would be much memory for a moment's use
RUNGS = bytes(range(RUNG_NONE + 1))  # the numbers that may stand there: stripping them is the fastest look at all
STATUSES = bytes(range(STATUS_BITS + 1))


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
        self._rows, self._movers, self._told = _Ids(), _Ids(), _Ids()  # of snapshots, of executing, of actions

    def admit(self, snapshot: Snapshot) -> Admitted:
        """Checks a received snapshot by the schema's ranges and nan policies.

        Raises:
            RemoteProtocolError: NaN or infinity in a field with policy `reject`, or an id that is 0 or there twice.
        """
        self._rows.check([block.ids for block in snapshot.blocks.values()], "SNAPSHOT")
        doing = snapshot.executing
        self._movers.check([doing.ids], "executing")
        if doing.rung.tobytes().strip(RUNGS):
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

    def fit(self, action: Action) -> Floats:
        """Returns the steps to send: commands are pulled into their channel's range, discrete ones rounded.

        Raises:
            LocalProtocolError: anything a receiver would refuse, above all a number that is not finite.
        """
        steps = action.steps
        if not self._commands.holds(steps):
            steps = np.clip(steps, self._low, self._high)
        if self._discrete:
            steps = steps.copy()
            steps[..., self._discrete] = np.rint(steps[..., self._discrete])
        problem = self._outside(action.ids, steps) if steps is not action.steps else ""
        problem = problem or self._problem(action)
        if problem:
            raise LocalProtocolError(problem)
        return steps

    def check(self, action: Action) -> None:
        """Checks a received action.

        Raises:
            RemoteProtocolError: a number that is not finite, out of its range, or ids and ticks that make no sense.
        """
        problem = self._problem(action) or self._outside(action.ids, action.steps)
        if problem:
            raise RemoteProtocolError(ErrorCode.VALUE, problem)

    def _outside(self, ids: U32s, steps: Floats) -> str:
        """Says which command is out of its channel's range, "" if none is."""
        if not self._commands.holds(steps):
            inside = (steps >= self._low) & (steps <= self._high)  # false for NaN
            n, i, c = (int(axis[0]) for axis in np.nonzero(~inside))
            channel = self._schema.channels[c]
            return (
                f"channel '{channel.name}' of NPC {ids[n]}, step {i}: "
                f"expected {channel.low:g}..{channel.high:g}, got {steps[n, i, c]:g}"
            )
        if self._discrete:
            discrete = steps[..., self._discrete]  # all at once: every NumPy call here is a call in the game's frame
            broken = discrete != np.rint(discrete)
            if broken.any():
                column = self._discrete[int(np.nonzero(broken)[-1][0])]
                return f"channel '{self._schema.channels[column].name}': expected whole numbers"
        return ""

    def _problem(self, action: Action) -> str:
        """Says what is wrong besides the commands, "" if nothing is."""
        if not action.source_tick <= action.apply_tick <= action.valid_until_tick:
            return (
                "ACTION: expected source <= apply <= valid until, got ticks "
                f"{action.source_tick}, {action.apply_tick}, {action.valid_until_tick}"
            )
        wrong = self._told.wrong([action.ids])
        if wrong is not None:
            return f"ACTION: expected ids above 0, each once, got {wrong} again or 0"
        if not np.isfinite(action.expected).all():
            return "ACTION: expected finite poses"
        for name, values in (("brake", action.brake), ("tolerance", action.tolerance)):
            if not _proper(values):
                return f"ACTION: {name} expected finite numbers of at least 0"
        if action.status.tobytes().strip(STATUSES):
            return f"ACTION: status expected bits {STATUS_BITS:#x} only"
        return ""


def _proper(values: Floats) -> bool:
    """Says whether all numbers are finite and none is below 0; mostly by the bytes with their signs and magnitudes."""
    high = values.tobytes()[3::4]
    if high.isascii() and 0x7F not in high:
        return True
    return bool((np.isfinite(values) & (values >= 0)).all())


class _Range:
    """A range per column. NumPy compares two blocks of one shape several times as fast as a block with a row."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self._tiled = low[None], high[None]

    def holds(self, values: Floats) -> bool:
        """Says whether every number of some rows lies within; NaN does not."""
        low, high = self._tiled
        rows = values.reshape(-1, low.shape[1])
        n = len(rows)
        if n > MOST_TILED:
            low, high = low[:1], high[:1]
        elif n > len(low):
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


class _Ids:
    """Checks lists of ids; one that is the same as the last, as nearly all are, costs nothing."""

    def __init__(self) -> None:
        self._good = b""

    def wrong(self, parts: list[U32s]) -> int | None:
        """Returns an id that is 0 or there twice, None if all is well."""
        if any(part.dtype != U4 for part in parts):
            return _repeated(np.concatenate(parts))  # what is sent is refused for its type later
        told = parts[0].tobytes() if len(parts) == 1 else b"".join([part.tobytes() for part in parts])
        if told == self._good:
            return None
        bad = _repeated(np.frombuffer(told, U4))
        if bad is None:
            self._good = told
        return bad

    def check(self, parts: list[U32s], where: str) -> None:
        bad = self.wrong(parts)
        if bad is not None:
            text = f"{where}: expected ids above 0, each once, got {bad} again or 0"
            raise RemoteProtocolError(ErrorCode.VALUE, text)


def _repeated(ids: U32s) -> int | None:
    """Returns an id that is 0 or there twice, None if all is well."""
    if not len(ids) or (ids[0] > 0 and (ids[1:] > ids[:-1]).all()):
        return None  # the usual case: growing
    ordered = np.sort(ids)
    if ordered[0] == 0:
        return 0
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    return int(ordered[twice[0]]) if len(twice) else None
