"""Vectors that every implementation of the protocol must agree with.

`vectors/` holds, per case, `name.bin` (one frame) and `name.json`: for a valid one its meaning, for an invalid one the
error code a receiver gives. `ladder_*.json` are scripts of the last hop.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from ..border import Border
from ..delta import diff, snapped
from ..errors import ErrorCode, RemoteProtocolError
from ..frames import FLAG_DELTA, FLAG_FALLBACK, FLAG_REPLAY, HEADER_BYTES, Header, Kind
from ..ladder import Ladder
from ..limits import LIMITS
from ..messages import (
    ACTION,
    BLOCK,
    DELTA,
    Ack,
    Action,
    Bye,
    Control,
    EntityBlock,
    ErrorReport,
    Executing,
    Hello,
    Message,
    SchemaChange,
    Snapshot,
    Telemetry,
    Welcome,
    decode,
    encode,
)
from ..packing import Value, pack, unpack
from ..schema import Channel, EntityType, Field, Kinematics, Polygon, Schema

KEPT_BYTES = 1 << 16

POSE = (
    Field("x", "m", -12.0, 12.0, role="x"),
    Field("y", "m", -12.0, 12.0, role="y"),
    Field("vx", "m/s", -10.0, 10.0, role="vx", coding="q16"),
    Field("vy", "m/s", -10.0, 10.0, role="vy", coding="q16"),
)


def sample_schema() -> Schema:
    """Returns the schema that all vectors share: every nan policy, coding and channel kind, and a unicode name."""
    return Schema(
        game="conformance",
        tick_hz=30.0,
        coordinates="wire",
        bounds=(-12.0, -12.0, 12.0, 12.0),
        entities=(
            EntityType(
                "player",
                "player",
                2,
                (*POSE, Field("health", "hp", 0.0, 100.0, role="health", nan="clamp", coding="q8")),
            ),
            EntityType(
                "npc",
                "npc",
                24,
                (*POSE, Field("größe", "1", 0.0, 9.0, nan="mask", default=1.0, aliases=("size",), coding="f16")),
            ),
            EntityType("mode", "mode", 1, (Field("hold_fire", "1", 0.0, 1.0, role="hold_fire"),)),
        ),
        channels=(
            Channel("move_x", "m/s", -6.0, 6.0),
            Channel("move_y", "m/s", -6.0, 6.0),
            Channel("aim", "rad", -math.pi, math.pi, hold=True),
            Channel("fire", "1", 0.0, 1.0, kind="discrete", count=2),
        ),
        kinematics=Kinematics(max_speed=4.0, max_acceleration=16.0, brake=16.0, radius=0.35, turn_rate=2.0 * math.pi),
        polygons=(Polygon("pillar", "wall", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), True),),
        barks=("flanking",),
    )


def grid_schema() -> Schema:
    """Returns the same schema with bodies that go by whole cells."""
    schema = sample_schema()
    able = replace(schema.kinematics, max_acceleration=300.0, brake=300.0)
    return replace(schema, kinematics=replace(able, kind="grid", cell=0.09375, diagonals=True))


def car_schema() -> Schema:
    """Returns the same schema with cars, which show where they head."""
    schema = sample_schema()
    heading = Field("heading", "rad", -4.0, 4.0, role="heading")
    entities = tuple(replace(e, fields=(*e.fields, heading)) if e.role == "npc" else e for e in schema.entities)
    return replace(schema, entities=entities, kinematics=replace(schema.kinematics, kind="car"))


def sample_snapshot(npcs: int = 3, players: int = 1, executing: bool = True) -> Snapshot:
    """Returns a legal snapshot with distinct numbers in it."""
    ids = np.arange(101, 101 + npcs, dtype=np.uint32)
    player = np.zeros((players, 5), np.float32) + np.float32(0.5)
    npc = np.zeros((npcs, 5), np.float32) + np.arange(npcs, dtype=np.float32)[:, None] / np.float32(8.0)
    doing = Executing(
        ids, np.full(npcs, 7, np.uint32), np.arange(npcs, dtype=np.uint16) % 6, np.arange(npcs, dtype=np.uint8) % 5
    )
    return Snapshot(
        session=0x01020304,
        schema_id=sample_schema().schema_id,
        tick=300,
        time_us=10_000_000,
        sequence=42,
        blocks={
            "player": EntityBlock(np.arange(1, 1 + players, dtype=np.uint32), player),
            "npc": EntityBlock(ids, npc),
        },
        executing=doing if executing else Executing.none(),
    )


def sample_action(npcs: int = 3, m: int = 6, chunk: int = 7, apply_tick: int = 302) -> Action:
    """Returns a legal action that moves NPC i along x at i / 8 m/s."""
    n = npcs
    speed = np.arange(n, dtype=np.float32) / np.float32(8.0)
    steps = np.zeros((n, m, 4), np.float32)
    steps[:, :, 0] = speed[:, None]
    expected = np.zeros((n, m, 4), np.float32)
    expected[:, :, 0] = speed[:, None] * np.arange(m, dtype=np.float32) / np.float32(32.0)
    expected[:, :, 2] = speed[:, None]
    return Action(
        session=0x01020304,
        schema_id=sample_schema().schema_id,
        source_tick=apply_tick - 2,
        apply_tick=apply_tick,
        valid_until_tick=apply_tick + m - 1,
        chunk=chunk,
        sequence=5,
        received_us=1_000,
        planned_us=9_000,
        sent_us=9_100,
        ids=np.arange(101, 101 + n, dtype=np.uint32),
        steps=steps,
        expected=expected,
        brake=np.full(n, 16.0, np.float32),
        tolerance=np.full(n, 0.0625, np.float32),
        status=np.full(n, 3, np.uint8),
        bark=np.arange(n, dtype=np.uint16),
    )


def valid() -> Iterator[tuple[str, bytes]]:
    """Yields name and frame of every valid case."""
    schema = sample_schema()
    snapshot, action = sample_snapshot(), sample_action()
    special = np.zeros((4, 5), np.float32)
    special[:, 0] = [-0.0, 1e-45, -12.0, 12.0]  # minus zero, the smallest subnormal, both bounds
    messages: dict[str, Message] = {
        "hello": Hello((1,), "vectors 1", "conformance", schema, nonce=9),
        "hello_two_majors": Hello((1, 2), "vectors 1", "conformance", schema, nonce=9, capabilities=("delta",)),
        "hello_grid": Hello((1,), "vectors 1", "conformance", grid_schema(), nonce=9),
        "hello_car": Hello((1,), "vectors 1", "conformance", car_schema(), nonce=9),
        "hello_unicode": Hello((1,), "vectors 1", "Überlebende 生存者 🎮", schema),
        "hello_resume": Hello((1,), "vectors 1", "conformance", schema, nonce=10, resume="7f" * 16),
        "welcome": Welcome(0x01020304, 1, 9, schema.sha256),
        "welcome_resume": Welcome(0x01020304, 1, 10, schema.sha256, resume="7f" * 16),
        "welcome_full": Welcome(
            0xFFFFFFFF,
            1,
            0xFFFFFFFF,
            schema.sha256,
            barks=("flanking", "taking cover"),
            model={"name": "arena", "sha256": "00" * 32},
            warnings=("field npc.size: the game has none, default 1 stands in",),
            control="tcp://127.0.0.1:5758",
            telemetry="tcp://127.0.0.1:5759",
        ),
        "schema_change": SchemaChange(0x01020304, schema),
        "snapshot": snapshot,
        "snapshot_no_blocks": replace(sample_snapshot(), blocks={}, executing=Executing.none()),
        "snapshot_empty_block": sample_snapshot(npcs=0),
        "snapshot_one": sample_snapshot(npcs=1),
        "snapshot_full": sample_snapshot(npcs=24, players=2),
        "snapshot_not_moved_yet": sample_snapshot(executing=False),
        "snapshot_replayed": replace(snapshot, flags=snapshot.flags | FLAG_REPLAY),
        "snapshot_largest_numbers": replace(
            snapshot, session=0xFFFFFFFF, tick=(1 << 62) - 1, time_us=-(1 << 63), sequence=0xFFFFFFFF
        ),
        "snapshot_special_floats": replace(
            snapshot, blocks={"npc": EntityBlock(np.arange(1, 5, dtype=np.uint32), special)}
        ),
        "action": action,
        "action_no_npcs": sample_action(npcs=0),
        "action_one_step": sample_action(m=1),
        "action_all_npcs": sample_action(npcs=24),
        "action_most_steps": sample_action(npcs=1, m=LIMITS.steps),
        "error": ErrorReport(0x01020304, ErrorCode.VALUE, False, "expected 0..100, got nan", "fix the field", 300),
        "error_fatal": ErrorReport(0, ErrorCode.VERSION, True, "expected major version 1, got 2", "update"),
        "bye": Bye(0x01020304),
        "control": Control(1, "set_weights", {"scope": "global", "weights": {"exposure": 4.0}}),
        "control_no_arguments": Control(0xFFFFFFFF, "ping"),
        "ack": Ack(1, 17, 0, "", {"weights": {"exposure": 4.0}}),
        "ack_refused": Ack(2, 17, ErrorCode.CONTROL, "weight 'exposure': expected at least 0, got -1"),
        "telemetry": Telemetry(3, "plans", 0x01020304, 300, 10_000_000, {"npc": [101, 102], "j": [0.5, None]}),
        **_more_snapshots(snapshot),
        **_deltas(snapshot),
        **_more_actions(action),
        **_more_bodies(schema),
    }
    for name, message in messages.items():
        yield name, encode(message, schema)


def _more_snapshots(good: Snapshot) -> dict[str, Message]:
    def with_npc(**cells: float) -> Snapshot:
        names = sample_schema().columns("npc")
        values = good.blocks["npc"].values.copy()
        for name, value in cells.items():
            values[1, names.index(name)] = value
        return replace(good, blocks={**good.blocks, "npc": EntityBlock(good.blocks["npc"].ids, values)})

    player = good.blocks["player"].values.copy()
    player[0, 4] = math.nan
    ill = {**good.blocks, "player": EntityBlock(good.blocks["player"].ids, player)}
    mode = EntityBlock(np.array([9], np.uint32), np.ones((1, 1), np.float32))
    last = EntityBlock(np.array([0xFFFFFFFF, 1], np.uint32), good.blocks["npc"].values[:2])
    return {
        "snapshot_tick_0": replace(good, tick=0, time_us=0, sequence=0),
        "snapshot_fallback_flag": replace(good, flags=good.flags | FLAG_FALLBACK),
        "snapshot_one_type_of_three": replace(good, blocks={"mode": mode}),
        "snapshot_all_types": replace(good, blocks={**good.blocks, "mode": mode}),
        "snapshot_largest_id_first": replace(good, blocks={"npc": last}),
        "snapshot_out_of_range_is_clamped": with_npc(x=12.5, vy=-1e30),
        "snapshot_nan_is_clamped": replace(good, blocks=ill),
        "snapshot_nan_is_masked": with_npc(größe=math.nan),
        "snapshot_infinity_is_masked": with_npc(größe=math.inf),
    }


def _deltas(good: Snapshot) -> dict[str, Message]:
    schema = sample_schema()
    before = snapped(good, schema)
    npc = before.blocks["npc"]
    moved = npc.values.copy()
    moved[:, 0] += np.float32(0.5)
    moved[1, 1] = np.float32(-0.0)
    moved[2, 2:] = [-10.0, 10.0, 2.5]
    after = snapped(replace(before, tick=303, blocks={**before.blocks, "npc": EntityBlock(npc.ids, moved)}), schema)
    born = EntityBlock(np.array([103, 500], np.uint32), after.blocks["npc"].values[1:])
    return {
        "delta": diff(before, after),
        "delta_keyframe": diff(None, after),
        "delta_keyframe_nothing": diff(None, replace(after, blocks={})),
        "delta_nothing_changed": diff(before, replace(before, tick=301)),
        "delta_born_and_gone": diff(before, replace(after, blocks={"npc": born})),
        "delta_all_gone": diff(before, replace(after, blocks={})),
        "delta_from_tick_0": diff(replace(before, tick=0), after),
        "delta_replayed": diff(before, replace(after, flags=after.flags | FLAG_REPLAY)),
        "delta_not_moved_yet": diff(before, replace(after, executing=Executing.none())),
        "delta_full": diff(None, snapped(sample_snapshot(npcs=24, players=2), schema)),
    }


def _more_actions(good: Action) -> dict[str, Message]:
    edge = good.steps.copy()
    edge[0, :, 0], edge[0, :, 1], edge[1, :, 3] = -6.0, 6.0, 1.0
    edge[2, :, 2] = np.float32(-0.0)
    none = np.zeros(3, np.float32)
    return {
        "action_fallback": replace(good, flags=FLAG_FALLBACK),
        "action_replayed": replace(good, flags=FLAG_REPLAY),
        "action_valid_beyond_its_steps": replace(good, valid_until_tick=(1 << 62) - 1),
        "action_valid_for_one_tick": replace(good, valid_until_tick=good.apply_tick),
        "action_for_this_very_tick": replace(good, source_tick=good.apply_tick),
        "action_at_the_ends_of_ranges": replace(good, steps=edge),
        "action_no_brake_no_tolerance": replace(good, brake=none, tolerance=none),
        "action_every_status": replace(good, status=np.array([0, 4, 7], np.uint8)),
        "action_largest_numbers": replace(
            good,
            chunk=0xFFFFFFFF,
            sequence=0xFFFFFFFF,
            received_us=-(1 << 63),
            planned_us=(1 << 63) - 1,
            bark=np.full(3, 0xFFFF, np.uint16),
            ids=np.array([0xFFFFFFFF, 7, 1], np.uint32),
        ),
    }


def _more_bodies(schema: Schema) -> dict[str, Message]:
    whole = [0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
    below = [-1, -32, -33, -128, -129, -32768, -32769, -(1 << 31), -(1 << 31) - 1, -(1 << 63)]
    texts: list[Value] = ["x" * n for n in (0, 31, 32, 255, 256)]
    deep: Value = {"a": {"b": {"c": {"d": {"e": [[1.5]]}}}}}
    return {
        "welcome_delta": Welcome(1, 1, 0, schema.sha256, capabilities=("delta",), model={}, heartbeat_ms=60_000),
        "error_keyframe": ErrorReport(7, ErrorCode.KEYFRAME, False, "expected a baseline", "send a keyframe", 300),
        "error_empty": ErrorReport(0, ErrorCode.INTERNAL, True, "", ""),
        "control_deep": Control(2, "set", deep if isinstance(deep, dict) else {}),
        "control_unicode": Control(3, "größe", {"名": "🎮", "": None}),
        "telemetry_whole_numbers": Telemetry(4, "numbers", body={"whole": [*whole, *below]}),
        "telemetry_floats": Telemetry(5, "floats", body={"x": [1.5, -0.0, 5e-324, 1.7976931348623157e308, 0.1]}),
        "telemetry_texts": Telemetry(6, "texts", body={"texts": texts}),
        "telemetry_bytes": Telemetry(7, "bytes", body={"raw": [b"", bytes(255), bytes(256)]}),
        "telemetry_arrays": Telemetry(8, "arrays", body={"a": [[], [None] * 15, [True] * 16, [False] * 300]}),
        "telemetry_maps": Telemetry(9, "maps", body={f"{i:02d}": i for i in range(16)}),
        "telemetry_no_body": Telemetry(0xFFFFFFFF, "", time_us=-1),
    }


def lenient() -> Iterator[tuple[str, bytes]]:
    """Yields name and frame of what receivers take, though nobody writes it so."""
    yield "body_not_sorted", _body(Kind.CONTROL, b"\x82\xa4verb\xa1v\xa9arguments\x80")
    yield "body_unknown_key", _body(Kind.BYE, b"\x81\xa5later\x01")
    yield "body_long_forms", _body(Kind.CONTROL, b"\xde\x00\x02\xd9\x04verb\xd9\x01v\xda\x00\x09arguments\xdf\0\0\0\0")
    yield "body_float32", _body(Kind.TELEMETRY, b"\x82\xa5topic\xa1t\xa4body\x81\xa1x\xca\x3f\xc0\x00\x00")
    yield (
        "body_long_number",
        _body(Kind.ERROR, b"\x84\xa4code\xcf\0\0\0\0\0\0\0\x01\xa5fatal\xc2\xa4text\xa0\xa6remedy\xa0"),
    )


def invalid() -> Iterator[tuple[str, bytes, ErrorCode]]:
    """Yields name, frame and the code a receiver gives, for every invalid case."""
    schema = sample_schema()
    snapshot = encode(sample_snapshot(), schema)
    action = encode(sample_action(), schema)
    yield "empty", b"", ErrorCode.MAGIC
    yield "http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", ErrorCode.MAGIC
    yield "magic_wrong", b"NPCX" + snapshot[4:], ErrorCode.MAGIC
    yield "magic_only", b"NPCW", ErrorCode.LENGTH
    yield "header_cut", snapshot[:47], ErrorCode.LENGTH
    yield "major_0", snapshot[:4] + b"\x00" + snapshot[5:], ErrorCode.VERSION
    yield "major_2", snapshot[:4] + b"\x02" + snapshot[5:], ErrorCode.VERSION
    yield "major_2_cut", b"NPCW\x02\x01", ErrorCode.VERSION
    yield "kind_0", snapshot[:5] + b"\x00" + snapshot[6:], ErrorCode.VALUE
    yield "kind_11", snapshot[:5] + b"\x0b" + snapshot[6:], ErrorCode.VALUE
    yield "flags_unknown", _patch(snapshot, 6, "<H", 0x8001), ErrorCode.VALUE
    yield "flags_delta_of_an_action", _patch(action, 6, "<H", FLAG_DELTA), ErrorCode.VALUE
    yield "tick_too_large", _patch(snapshot, 16, "<Q", 1 << 62), ErrorCode.VALUE
    yield "too_long", snapshot + bytes(LIMITS.frame_bytes), ErrorCode.LIMIT
    yield from _invalid_snapshots(schema, snapshot)
    yield from _invalid_deltas(schema)
    yield from _invalid_actions(action)
    yield from _invalid_bodies(schema)


def _invalid_snapshots(schema: Schema, good: bytes) -> Iterator[tuple[str, bytes, ErrorCode]]:
    table = HEADER_BYTES
    yield "snapshot_header_only", good[:HEADER_BYTES], ErrorCode.LENGTH
    yield "snapshot_one_byte_short", good[:-1], ErrorCode.LENGTH
    yield "snapshot_one_byte_long", good + b"\x00", ErrorCode.LENGTH
    yield "snapshot_other_schema", _patch(good, 12, "<I", 0xDEADBEEF), ErrorCode.SCHEMA
    yield "snapshot_fields_set", _patch(good, 40, "<H", 5), ErrorCode.VALUE
    yield "snapshot_dtype_0", _patch(good, 42, "<B", 0), ErrorCode.VALUE
    yield "snapshot_dtype_2", _patch(good, 42, "<B", 2), ErrorCode.VALUE
    yield "snapshot_too_many_blocks", _patch(good, 43, "<B", 255), ErrorCode.LIMIT
    yield "snapshot_count_wrong", _patch(good, 36, "<I", 5), ErrorCode.VALUE
    yield "snapshot_count_huge", _patch(good, 36, "<I", 0xFFFFFFFF), ErrorCode.LIMIT
    yield "snapshot_executing_huge", _patch(good, 44, "<I", 0xFFFFFFFF), ErrorCode.LIMIT
    yield "snapshot_rows_overflow", _patch(good, table + 4, "<I", 0x40000001), ErrorCode.LIMIT
    yield "snapshot_rows_above_max_count", _patch(good, table + 4, "<I", 3), ErrorCode.LIMIT
    yield "snapshot_width_wrong", _patch(good, table + 2, "<H", 6), ErrorCode.VALUE
    yield "snapshot_type_unknown", _patch(good, table + BLOCK.size, "<H", 9), ErrorCode.VALUE
    yield "snapshot_type_twice", _patch(good, table + BLOCK.size, "<H", 0), ErrorCode.VALUE
    player = table + 16 + 16  # behind the block table and the player's id
    npc_ids = player + 32  # 5 float32, padded
    npc = npc_ids + 16
    yield "snapshot_nan", _patch(good, player, "<f", math.nan), ErrorCode.VALUE
    yield "snapshot_infinity", _patch(good, player, "<f", math.inf), ErrorCode.VALUE
    yield "snapshot_minus_infinity", _patch(good, npc + 4, "<f", -math.inf), ErrorCode.VALUE
    yield "snapshot_signalling_nan", _patch(good, npc, "<I", 0x7F800001), ErrorCode.VALUE
    yield "snapshot_id_0", _patch(good, npc_ids, "<I", 0), ErrorCode.VALUE
    yield "snapshot_id_twice", _patch(good, npc_ids, "<I", 102), ErrorCode.VALUE
    yield "snapshot_id_in_two_types", _patch(good, npc_ids, "<I", 1), ErrorCode.VALUE
    yield "snapshot_rung_5", _patch(good, len(good) - 16, "<B", 5), ErrorCode.VALUE
    one = replace(sample_snapshot(), executing=Executing.none())
    ones = np.ones(2, np.uint32)
    twice = Executing(ones, ones, ones.astype(np.uint16), ones.astype(np.uint8))
    yield "snapshot_executing_twice", encode(replace(one, executing=twice), schema), ErrorCode.VALUE


def _invalid_deltas(schema: Schema) -> Iterator[tuple[str, bytes, ErrorCode]]:
    deltas = _deltas(sample_snapshot())
    good, whole = encode(deltas["delta"], schema), encode(deltas["delta_keyframe"], schema)
    table = HEADER_BYTES + DELTA.size
    bits = table + 16 + 16  # behind the block table and the player's id
    npc_bits = bits + 16 + 16  # behind the bits and the NPCs' ids: none of the player's cells changed
    yield "delta_sub_header_cut", good[: table - 1], ErrorCode.LENGTH
    yield "delta_table_cut", good[: table + 15], ErrorCode.LENGTH
    yield "delta_ids_cut", good[: table + 16 + 15], ErrorCode.LENGTH
    yield "delta_bits_cut", good[: npc_bits + 1], ErrorCode.LENGTH
    yield "delta_cells_cut", good[: npc_bits + 16 + 15], ErrorCode.LENGTH
    yield "delta_one_byte_short", good[:-1], ErrorCode.LENGTH
    yield "delta_one_byte_long", good + b"\x00", ErrorCode.LENGTH
    yield "delta_a_bit_too_many", _patch(good, npc_bits + 1, "<B", good[npc_bits + 1] | 0x80), ErrorCode.VALUE
    yield "delta_more_bits_than_cells", _patch(good, npc_bits, "<H", 0x7FFF), ErrorCode.LENGTH
    yield "delta_baseline_now", _patch(good, HEADER_BYTES, "<Q", 303), ErrorCode.VALUE
    yield "delta_baseline_later", _patch(good, HEADER_BYTES, "<Q", (1 << 64) - 1), ErrorCode.VALUE
    yield "delta_keyframe_with_baseline", _patch(whole, HEADER_BYTES, "<Q", 300), ErrorCode.VALUE
    yield "delta_reserved_set", _patch(good, HEADER_BYTES + 8, "<Q", 1), ErrorCode.VALUE
    yield "delta_read_as_whole", _patch(good, 6, "<H", 1), ErrorCode.VALUE
    yield "delta_other_schema", _patch(good, 12, "<I", 0xDEADBEEF), ErrorCode.SCHEMA
    yield "delta_count_huge", _patch(good, 36, "<I", 0xFFFFFFFF), ErrorCode.LIMIT
    yield "delta_executing_huge", _patch(good, 44, "<I", 0xFFFFFFFF), ErrorCode.LIMIT
    yield "delta_rows_above_max_count", _patch(good, table + 4, "<I", 3), ErrorCode.LIMIT
    yield "delta_width_wrong", _patch(good, table + 2, "<H", 6), ErrorCode.VALUE


def _invalid_actions(good: bytes) -> Iterator[tuple[str, bytes, ErrorCode]]:
    sub, data = HEADER_BYTES, HEADER_BYTES + ACTION.size
    steps = data + 16
    expected = steps + 3 * 6 * 4 * 4
    brake = expected + 3 * 6 * 4 * 4
    yield "action_header_only", good[:HEADER_BYTES], ErrorCode.LENGTH
    yield "action_one_byte_short", good[:-1], ErrorCode.LENGTH
    yield "action_one_byte_long", good + b"\x00", ErrorCode.LENGTH
    yield "action_sub_header_size", _patch(good, 44, "<I", 40), ErrorCode.VALUE
    yield "action_count_huge", _patch(good, 36, "<I", 0xFFFFFFFF), ErrorCode.LIMIT
    yield "action_steps_0", _patch(good, sub + 36, "<H", 0), ErrorCode.LIMIT
    yield "action_steps_65", _patch(good, sub + 36, "<H", 65), ErrorCode.LIMIT
    yield "action_channels_wrong", _patch(good, sub + 38, "<H", 3), ErrorCode.VALUE
    yield "action_reserved_set", _patch(good, sub + 40, "<Q", 1), ErrorCode.VALUE
    yield "action_apply_before_source", _patch(good, sub, "<Q", 299), ErrorCode.VALUE
    yield "action_valid_before_apply", _patch(good, sub + 8, "<Q", 301), ErrorCode.VALUE
    yield "action_valid_too_large", _patch(good, sub + 8, "<Q", 1 << 62), ErrorCode.VALUE
    yield "action_id_0", _patch(good, data, "<I", 0), ErrorCode.VALUE
    yield "action_id_twice", _patch(good, data, "<I", 102), ErrorCode.VALUE
    yield "action_step_nan", _patch(good, steps, "<f", math.nan), ErrorCode.VALUE
    yield "action_step_out_of_range", _patch(good, steps, "<f", 6.5), ErrorCode.VALUE
    yield "action_fire_half", _patch(good, steps + 12, "<f", 0.5), ErrorCode.VALUE
    yield "action_expected_infinite", _patch(good, expected, "<f", math.inf), ErrorCode.VALUE
    yield "action_brake_negative", _patch(good, brake, "<f", -1.0), ErrorCode.VALUE
    yield "action_brake_nan", _patch(good, brake, "<f", math.nan), ErrorCode.VALUE
    yield "action_tolerance_negative", _patch(good, brake + 16, "<f", -1.0), ErrorCode.VALUE
    yield "action_status_unknown", _patch(good, brake + 32, "<B", 8), ErrorCode.VALUE
    yield "action_sub_header_cut", good[: data - 1], ErrorCode.LENGTH
    yield "action_ids_cut", good[: data + 11], ErrorCode.LENGTH
    yield "action_steps_cut", good[: expected - 4], ErrorCode.LENGTH
    yield "action_other_schema", _patch(good, 12, "<I", 0xDEADBEEF), ErrorCode.SCHEMA
    yield "action_dtype_0", _patch(good, 42, "<B", 0), ErrorCode.VALUE
    yield "action_blocks_set", _patch(good, 43, "<B", 1), ErrorCode.VALUE
    yield "action_fields_set", _patch(good, 40, "<H", 4), ErrorCode.VALUE
    yield "action_step_infinite", _patch(good, steps, "<f", -math.inf), ErrorCode.VALUE
    yield "action_step_below_range", _patch(good, steps, "<f", -6.5), ErrorCode.VALUE
    yield "action_fire_2", _patch(good, steps + 12, "<f", 2.0), ErrorCode.VALUE
    yield "action_expected_nan", _patch(good, expected + 12, "<f", math.nan), ErrorCode.VALUE
    yield "action_brake_infinite", _patch(good, brake, "<f", math.inf), ErrorCode.VALUE
    yield "action_tolerance_nan", _patch(good, brake + 16, "<f", math.nan), ErrorCode.VALUE
    yield "action_tolerance_infinite", _patch(good, brake + 16, "<f", math.inf), ErrorCode.VALUE


def _invalid_bodies(schema: Schema) -> Iterator[tuple[str, bytes, ErrorCode]]:
    bye = encode(Bye(1))
    yield "bye_cut", bye[:-1], ErrorCode.LENGTH
    yield "bye_flags", _patch(bye, 6, "<H", 1), ErrorCode.VALUE
    yield "bye_count", _patch(bye, 36, "<I", 1), ErrorCode.VALUE
    yield "body_array", _body(Kind.BYE, b"\x90"), ErrorCode.VALUE
    yield "body_nothing", _body(Kind.BYE, b""), ErrorCode.LENGTH
    yield "body_rest", _body(Kind.BYE, b"\x80\x80"), ErrorCode.LENGTH
    yield "body_cut", _body(Kind.BYE, b"\x81\xa1a"), ErrorCode.LENGTH
    yield "body_key_twice", _body(Kind.BYE, b"\x82\xa1a\x01\xa1a\x02"), ErrorCode.LENGTH
    yield "body_key_number", _body(Kind.BYE, b"\x81\x01\x01"), ErrorCode.LENGTH
    yield "body_extension", _body(Kind.BYE, b"\x81\xa1a\xd4\x05\x00"), ErrorCode.LENGTH
    yield "body_timestamp", _body(Kind.BYE, b"\x81\xa1a\xd6\xff\x00\x00\x00\x00"), ErrorCode.LENGTH
    yield "body_not_utf8", _body(Kind.BYE, b"\x81\xa1a\xa1\xff"), ErrorCode.LENGTH
    yield "body_surrogate", _body(Kind.BYE, b"\x81\xa1a\xa3\xed\xa0\x80"), ErrorCode.LENGTH
    yield "body_overlong_utf8", _body(Kind.BYE, b"\x81\xa1a\xa2\xc0\x81"), ErrorCode.LENGTH
    yield "body_nan", _body(Kind.BYE, pack({"a": math.nan})), ErrorCode.VALUE
    yield "body_deep", _body(Kind.BYE, b"\x81\xa1a" * 9 + b"\x01"), ErrorCode.LIMIT
    yield "body_very_deep", _body(Kind.BYE, b"\x81\xa1a" + b"\x91" * 5000 + b"\x01"), ErrorCode.LIMIT
    yield "body_array_claims_4_billion", _body(Kind.BYE, b"\x81\xa1a\xdd\xff\xff\xff\xff"), ErrorCode.LENGTH
    yield "body_large", _body(Kind.BYE, pack({"a": [bytes(1000)] * 300})), ErrorCode.LIMIT
    yield "hello_no_schema", _body(Kind.HELLO, pack({"majors": [1], "client": "c", "game": "g"})), ErrorCode.VALUE
    hello: dict[str, Value] = {"majors": [1], "client": "c", "game": "g", "capabilities": []}
    blob = schema.canonical()
    named = Header(Kind.HELLO, schema_id=schema.schema_id)
    yield "hello_schema_cut", _body(named, pack({**hello, "schema": blob[:-1]})), ErrorCode.SCHEMA
    yield "hello_schema_not_canonical", _body(named, pack({**hello, "schema": blob + b"\xc0"})), ErrorCode.SCHEMA
    yield "hello_schema_id_wrong", _body(Kind.HELLO, pack({**hello, "schema": blob})), ErrorCode.SCHEMA
    weak: dict[str, Value] = {**unpack(grid_schema().canonical())["kinematics"], "brake": 8.0}  # type: ignore[dict-item]  # a map
    impossible = pack({**unpack(grid_schema().canonical()), "kinematics": weak})
    yield "hello_grid_that_cannot_stop", _body(named, pack({**hello, "schema": impossible})), ErrorCode.SCHEMA
    yield "hello_majors_text", _body(named, pack({**hello, "majors": ["1"], "schema": blob})), ErrorCode.VALUE
    yield "hello_name_long", _body(named, pack({**hello, "game": "g" * 65, "schema": blob})), ErrorCode.VALUE
    yield "welcome_session_0", encode(Welcome(0, 1, 9, schema.sha256)), ErrorCode.VALUE
    report: dict[str, Value] = {"code": 99, "fatal": True, "text": "t", "remedy": "r"}
    yield "error_code_unknown", _body(Kind.ERROR, pack(report)), ErrorCode.VALUE
    yield "error_fatal_number", _body(Kind.ERROR, pack({**report, "code": 1, "fatal": 1})), ErrorCode.VALUE
    yield "control_no_verb", _body(Kind.CONTROL, pack({"arguments": {}})), ErrorCode.VALUE
    yield "control_arguments_list", _body(Kind.CONTROL, pack({"verb": "v", "arguments": []})), ErrorCode.VALUE
    yield "ack_revision_negative", encode(Ack(1, -1)), ErrorCode.VALUE
    yield "bye_dtype_1", _patch(bye, 42, "<B", 1), ErrorCode.VALUE
    yield "bye_blocks", _patch(bye, 43, "<B", 1), ErrorCode.VALUE
    yield "bye_fields", _patch(bye, 40, "<H", 1), ErrorCode.VALUE
    yield "bye_longer_than_it_says", bye + b"\x80", ErrorCode.LENGTH
    yield "body_infinity", _body(Kind.BYE, pack({"a": -math.inf})), ErrorCode.VALUE
    yield "body_key_bytes", _body(Kind.BYE, b"\x81\xc4\x01a\x01"), ErrorCode.LENGTH
    yield "body_reserved_byte", _body(Kind.BYE, b"\x81\xa1a\xc1"), ErrorCode.LENGTH
    yield "body_text_long", _body(Kind.BYE, pack({"a": "x" * 4097})), ErrorCode.LENGTH
    yield "body_too_many_items", _body(Kind.BYE, pack({"a": [0] * 4097})), ErrorCode.LENGTH
    yield "body_map_claims_4_billion", _body(Kind.BYE, b"\xdf\xff\xff\xff\xff"), ErrorCode.LENGTH
    yield "hello_client_number", _body(named, pack({**hello, "client": 1, "schema": blob})), ErrorCode.VALUE
    yield "hello_major_256", _body(named, pack({**hello, "majors": [256], "schema": blob})), ErrorCode.VALUE
    yield (
        "hello_capabilities_text",
        _body(named, pack({**hello, "capabilities": "delta", "schema": blob})),
        ErrorCode.VALUE,
    )
    yield "hello_resume_number", _body(named, pack({**hello, "resume": 1, "schema": blob})), ErrorCode.VALUE
    yield "hello_schema_text", _body(named, pack({**hello, "schema": "blob"})), ErrorCode.VALUE
    yield "schema_no_schema", _body(Kind.SCHEMA, b"\x80"), ErrorCode.VALUE
    yield "welcome_no_limits", _body(Header(Kind.WELCOME, session=1), pack({"major": 1})), ErrorCode.VALUE
    yield "welcome_heartbeat_0", encode(Welcome(1, 1, 9, schema.sha256, heartbeat_ms=0)), ErrorCode.VALUE
    yield "welcome_fresh_steps_0", encode(Welcome(1, 1, 9, schema.sha256, fresh_steps=0)), ErrorCode.VALUE
    yield "welcome_tolerance_negative", encode(Welcome(1, 1, 9, "", velocity_tolerance=-0.1)), ErrorCode.VALUE
    yield "welcome_resume_long", encode(Welcome(1, 1, 9, schema.sha256, resume="r" * 65)), ErrorCode.VALUE
    yield "error_text_long", _body(Kind.ERROR, pack({**report, "code": 1, "text": "t" * 1025})), ErrorCode.VALUE
    yield "telemetry_no_topic", _body(Kind.TELEMETRY, pack({"body": {}})), ErrorCode.VALUE
    yield "telemetry_body_list", _body(Kind.TELEMETRY, pack({"topic": "t", "body": []})), ErrorCode.VALUE
    yield "control_verb_long", encode(Control(1, "v" * 65)), ErrorCode.VALUE
    yield "ack_code_16", encode(Ack(1, 1, 16)), ErrorCode.VALUE


def _patch(data: bytes, offset: int, form: str, value: float) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, value)
    return bytes(changed)


def _body(header: Kind | Header, body: bytes) -> bytes:
    head = Header(header) if isinstance(header, Kind) else header
    return head._replace(extra=len(body)).pack() + body


# reading them back


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an implementation makes of a frame: its meaning, or the code of its refusal."""

    meaning: Mapping[str, object] | None
    code: ErrorCode | None


def judge(frame: bytes) -> Verdict:
    """Decodes a frame and checks its numbers, as a receiver does."""
    schema = sample_schema()
    border = Border(schema)
    try:
        message = decode(frame, schema)
        if isinstance(message, Snapshot):
            border.admit(message)
        if isinstance(message, Action):
            border.check(message)
    except RemoteProtocolError as error:
        return Verdict(None, error.code)
    described = describe(message)
    return Verdict({"kind": type(message).__name__, **described}, None)


def describe(value: object) -> dict[str, object]:
    """Returns a message as plain JSON: arrays as nested lists, bytes as hex, a schema as its hash, NaN as text."""
    return {f.name: _json(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]  # messages are dataclasses


def _json(value: object) -> object:
    if isinstance(value, Schema):
        return value.sha256
    if isinstance(value, np.ndarray):
        return value.tolist() if np.isfinite(value).all() else _json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no number for it
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return describe(value)
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class _Session:
    """A line of a ladder's script: another session begins."""

    number: int


def ladder_scripts() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Yields name and lines of every ladder case: actions accepted and ticks stepped, with what must come out."""
    chunks = [(7, 302), (8, 303), (9, 304)]
    yield "ladder_plan", _play([*chunks, 302, 303, 304, 305])
    yield "ladder_tail_then_brake", _play([(7, 302), 302, 303, 304, 305, 306, 307, 308, 309])
    yield "ladder_not_yet_due", _play([(7, 305), 302, 303, 304, 305])
    yield "ladder_off_pose", _play([(7, 302), 302, 303], shift=0.0635)
    yield "ladder_on_the_edge", _play([(7, 302), 302, 303], shift=0.0625)
    yield "ladder_off_velocity", _play([(7, 302), 302, 303], push=0.0625)
    yield "ladder_older_chunk_dropped", _play([(8, 302), (7, 303), 302, 303])
    yield "ladder_too_late", _play([302, 303, 310, (7, 302), 311])
    yield "ladder_other_session", _play([(7, 302), 302], session=5)
    yield "ladder_brake_to_rest", _play([302, 303, 304, 305, 306], push=1.5)
    sessions: list[tuple[int, int] | int | _Session] = [(7, 302), 303, _Session(5), 304, _Session(6), 305]
    yield "ladder_brake_outlives_session", _play(sessions, push=1.5, brake=8.0)
    far = [(chunk, 392 + chunk) for chunk in range(8, 16)]
    yield "ladder_eight_are_held", _play([(7, 302), *far[:-1], 302])
    yield "ladder_nine_are_not", _play([(7, 302), *far, 302])
    elsewhere = sample_action(npcs=2, chunk=8, apply_tick=303)
    elsewhere = replace(elsewhere, expected=elsewhere.expected + np.array([1.0, 0.0, 0.0, 0.0], np.float32))
    yield "ladder_newer_one_is_off_pose", _play([(7, 302), 302, elsewhere, 303])
    busy = sample_action(npcs=2, m=2)
    busy = replace(busy, steps=busy.steps + np.array([0.0, 0.0, 0.5, 1.0], np.float32), valid_until_tick=303)
    yield "ladder_holds_what_is_declared_so", _play([busy, 302, 303, 304, 305])


def _play(
    lines: Sequence[tuple[int, int] | Action | int | _Session],
    shift: float = 0.0,
    push: float = 0.0,
    session: int = 0x01020304,
    brake: float = 16.0,
) -> list[dict[str, object]]:
    ladder = Ladder(sample_schema())
    script: list[dict[str, object]] = []
    ids = np.array([101, 102], np.uint32)
    pose = np.zeros((2, 4))
    pose[:, 2] = [push, 0.125 + push]
    pose[0, 1] = shift
    for line in [_Session(session), *lines]:
        if isinstance(line, _Session):
            ladder.start(line.number)
            script.append({"start": line.number, "fresh_steps": 4, "velocity_tolerance": 0.05})
            continue
        if isinstance(line, tuple | Action):
            said = line if isinstance(line, Action) else sample_action(npcs=2, chunk=line[0], apply_tick=line[1])
            action = replace(said, brake=np.full(2, brake, np.float32))
            accepted = ladder.accept(action)
            script.append({"accept": encode(action, sample_schema()).hex(), "accepted": accepted})
            if len(script) == 2:
                pose[:, :2] += action.expected[:, 0, :2]
            continue
        before = pose.tolist()
        result = ladder.step(line, ids, pose)
        pose[:, :2] += result.commands[:, :2].astype(np.float64) / 32.0
        pose[:, 2:] = result.commands[:, :2]
        script.append({"tick": line, "ids": ids.tolist(), "pose": before, **describe(result)})
    script.append({"counters": describe(ladder.counters)})
    return script


def vectors() -> Iterator[tuple[str, bytes]]:
    """Yields every file of `vectors/` with its content."""
    yield "schema.bin", sample_schema().canonical()
    for name, frame in valid():
        verdict = judge(frame)
        assert verdict.meaning is not None, name
        yield f"{name}.bin", frame
        yield f"{name}.json", _lines({"valid": True, **verdict.meaning})
    for name, frame in lenient():
        verdict = judge(frame)
        assert verdict.meaning is not None, name
        yield f"{name}.bin", frame
        yield f"{name}.json", _lines({"valid": True, "written": False, **verdict.meaning})
    for name, frame, code in invalid():
        verdict = judge(frame)
        assert verdict.code is code, (name, verdict.code, code)
        if len(frame) <= KEPT_BYTES:  # larger ones are not kept: readers make their own
            yield f"{name}.bin", frame
        yield f"{name}.json", _lines({"valid": False, "code": int(code), "error": code.name})
    for name, script in ladder_scripts():
        yield f"{name}.json", _lines({"ladder": script})


def _lines(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n").encode()


def folder() -> Path:
    """Returns where the vectors are installed."""
    return Path(str(files("npc_bridge"))) / "vectors"


def write(target: Path) -> int:
    """Writes all vectors into a folder and returns how many files that makes."""
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, content in vectors():
        (target / name).write_bytes(content)
        count += 1
    return count
