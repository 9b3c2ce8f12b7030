"""The door to the compiled codec: SNAPSHOT and ACTION as nearly all are, read, judged and written in one go.

It is a package of its own (`pip install ./bridge/codec`, which needs a C compiler). It answers None for whatever is
wrong or only rare, and so does what stands here in its place where it is not installed: `messages` and `border` decide
then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Protocol

import numpy as np

from .limits import Limits
from .messages import Action, EntityBlock, Executing, Snapshot
from .schema import Schema

VERSION = 1  # of the compiled one that fits; another is not used


def _installed() -> ModuleType | None:
    try:
        import npc_bridge_codec
    except ImportError:
        return None
    return npc_bridge_codec if npc_bridge_codec.VERSION == VERSION else None


compiled = _installed()


class Codec(Protocol):
    """The usual data messages of one schema."""

    def read_snapshot(self, frame: bytes, session: int, last_tick: int, /) -> Snapshot | None:
        """Returns a complete snapshot of this session, newer than `last_tick` and within the schema's ranges."""
        return None

    def write_snapshot(
        self,
        session: int,
        tick: int,
        time_us: int,
        sequence: int,
        blocks: Mapping[str, EntityBlock],
        executing: Executing,
        /,
    ) -> bytes | None:
        """Returns a complete snapshot as `messages.encode` would."""
        return None

    def read_action(self, frame: bytes, session: int, /) -> Action | None:
        """Returns an action for this session that `Border.check` would pass."""
        return None

    def write_action(self, action: Action, session: int, sequence: int, sent_us: int, /) -> bytes | None:
        """Returns an action that `Border.fit` would leave alone, as `messages.encode_stamped` would."""
        return None


class NoCodec(Codec):
    """Leaves everything to `messages` and `border`: all of the above answer None."""


def codec_of(schema: Schema, limits: Limits) -> Codec:
    """Returns the codec of a schema, compiled where it is installed."""
    if compiled is None:
        return NoCodec()
    codec: Codec = compiled.Codec(
        schema_id=schema.schema_id,
        frame_bytes=limits.frame_bytes,
        rows=limits.entities,
        steps=limits.steps,
        entities=tuple(
            (
                entity.name,
                entity.max_count,
                _floats(f.low for f in entity.fields),
                _floats(f.high for f in entity.fields),
            )
            for entity in schema.entities
        ),
        low=_floats(c.low for c in schema.channels),
        high=_floats(c.high for c in schema.channels),
        discrete=bytes(c.kind == "discrete" for c in schema.channels),
        classes=(Snapshot, EntityBlock, Executing, Action),
    )
    return codec


def _floats(numbers: Iterable[float]) -> bytes:
    return np.fromiter(numbers, np.float32).tobytes()
