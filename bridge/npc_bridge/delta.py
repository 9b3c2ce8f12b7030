"""Snapshots told by what differs from one that the other side has: for links where bytes cost more than looking.

`snapped` moves a snapshot to numbers that have a code; from there on nothing is lost: apply(diff(a, b), a) = b.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from .cells import Columns, Floats
from .errors import ErrorCode, RemoteProtocolError
from .frames import FLAG_DELTA, FLAG_KEYFRAME
from .messages import CellBlock, Delta, EntityBlock, Snapshot, U32s, as_wire, in_order
from .schema import Schema

CAPABILITY = "delta"
BASELINES = 64  # snapshots that a side keeps to tell others by, at most
BASELINE_BYTES = 1 << 24  # of their numbers


def snapped(snapshot: Snapshot, schema: Schema) -> Snapshot:
    """Returns a copy of a snapshot whose every number has a code; columns of float32 stay as they are.

    Raises:
        LocalProtocolError: arrays that do not fit the schema, or NaN or infinity that is to be rejected where
            the column has no code for it.
    """
    blocks = {}
    for index, name in in_order(snapshot.blocks, schema):
        block, entity = snapshot.blocks[name], schema.entities[index]
        shape = (len(block.ids), len(entity.fields))
        ids = as_wire(block.ids, "<u4", shape[:1], f"entity '{name}': ids").copy()
        values = as_wire(block.values, "<f4", shape, f"entity '{name}': values")
        blocks[name] = EntityBlock(ids, Columns.declared(entity).snapped(ids, values))
    return replace(snapshot, blocks=blocks)


def diff(baseline: Snapshot | None, snapshot: Snapshot) -> Delta:
    """Returns what a snapshot changes in an older one; None: in nothing. Bits are compared, so -0.0 is not 0.0."""
    blocks = {}
    for name, block in snapshot.blocks.items():
        before = _before(baseline, name, block.ids, block.values.shape[1])
        changed = block.values.view(np.uint32) != before.view(np.uint32)
        blocks[name] = CellBlock(block.ids, changed, block.values)
    return Delta(
        session=snapshot.session,
        schema_id=snapshot.schema_id,
        tick=snapshot.tick,
        time_us=snapshot.time_us,
        sequence=snapshot.sequence,
        baseline=None if baseline is None else baseline.tick,
        blocks=blocks,
        executing=snapshot.executing,
        flags=snapshot.flags & ~(FLAG_KEYFRAME | FLAG_DELTA),
    )


def apply(delta: Delta, baseline: Snapshot | None) -> Snapshot:
    """Returns the snapshot that a delta tells, as a keyframe. `baseline` is the one that it names."""
    blocks = {}
    for name, block in delta.blocks.items():
        before = _before(baseline, name, block.ids, block.changed.shape[1])
        blocks[name] = EntityBlock(block.ids, np.where(block.changed, block.values, before))
    return Snapshot(
        session=delta.session,
        schema_id=delta.schema_id,
        tick=delta.tick,
        time_us=delta.time_us,
        sequence=delta.sequence,
        blocks=blocks,
        executing=delta.executing,
        flags=delta.flags | FLAG_KEYFRAME,
    )


class Baselines:
    """The newest snapshots of one session, by tick; both sides keep them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Snapshot] = OrderedDict()
        self._bytes = 0

    def keep(self, snapshot: Snapshot) -> None:
        """Takes a snapshot in, in the place of one of the same tick; the oldest go where there are too many."""
        self.drop(snapshot.tick)
        self._kept[snapshot.tick] = snapshot
        self._bytes += _size(snapshot)
        while len(self._kept) > BASELINES or self._bytes > BASELINE_BYTES:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def get(self, tick: int) -> Snapshot | None:
        """Returns the snapshot of a tick, None where it is not kept."""
        return self._kept.get(tick)

    def drop(self, tick: int) -> None:
        """Forgets the snapshot of a tick, if it is kept."""
        if tick in self._kept:
            self._bytes -= _size(self._kept.pop(tick))

    def clear(self) -> None:
        """Forgets all of them."""
        self._kept.clear()
        self._bytes = 0

    def whole(self, message: Snapshot | Delta) -> Snapshot:
        """Returns a received snapshot whole, and keeps it.

        Raises:
            RemoteProtocolError: KEYFRAME, as the one that it is told by is not kept.
        """
        if isinstance(message, Delta):
            baseline = None if message.baseline is None else self.get(message.baseline)
            if message.baseline is not None and baseline is None:
                kept = f"{min(self._kept)}..{max(self._kept)}" if self._kept else "none"
                raise RemoteProtocolError(
                    ErrorCode.KEYFRAME,
                    f"SNAPSHOT: expected a baseline that is kept (ticks {kept}), got tick {message.baseline}",
                )
            message = apply(message, baseline)
        self.keep(message)
        return message


def _size(snapshot: Snapshot) -> int:
    return sum(block.values.nbytes for block in snapshot.blocks.values())


def _before(baseline: Snapshot | None, name: str, ids: U32s, width: int) -> Floats:
    """Returns n f, what a baseline says of entities; 0 of those it does not have."""
    before = np.zeros((len(ids), width), np.float32)
    block = None if baseline is None else baseline.blocks.get(name)
    if block is None or not len(block.ids):
        return before
    order = np.argsort(block.ids, kind="stable")
    at = np.minimum(np.searchsorted(block.ids[order], ids), len(order) - 1)
    row = order[at]
    known = block.ids[row] == ids
    before[known] = block.values[row[known]]
    return before
