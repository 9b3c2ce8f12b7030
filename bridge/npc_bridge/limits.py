"""What a peer may send at most. The server names its limits in WELCOME; these are the defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on what is read from a peer."""

    frame_bytes: int = 1 << 20  # of one message; also ZeroMQ's MAXMSGSIZE
    body_bytes: int = 1 << 18  # of a msgpack body
    schema_bytes: int = 1 << 16  # of a canonical schema
    depth: int = 8  # nesting of a msgpack body
    items: int = 4096  # of one msgpack map or array
    text_bytes: int = 4096  # of one msgpack string
    name_bytes: int = 64  # of a name: game, entity type, field, channel, verb
    entity_types: int = 16
    entities: int = 4096  # per snapshot, all types together
    fields: int = 256  # per entity type
    channels: int = 64
    steps: int = 64  # per action chunk
    polygons: int = 1024
    vertices: int = 256  # per polygon
    barks: int = 1024
    games: int = 64  # sessions at a time
    snapshots_per_s: int = 240  # per game; more are dropped and counted
    controls_per_s: int = 30  # per peer; more get BUSY
    bad_messages: int = 10  # per session, then it is closed


LIMITS = Limits()
