"""Schemas: what is refused at declaration, identity by canonical bytes, and the fit of a model to a game."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from npc_bridge.conformance import POSE, sample_schema
from npc_bridge.errors import SchemaError, SchemaMismatch
from npc_bridge.packing import pack, unpack
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema, adapt

SCHEMA = sample_schema()
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def field(**changes: object) -> Field:
    return Field(**{"name": "hp", "unit": "hp", "low": 0.0, "high": 9.0, **changes})  # type: ignore[arg-type]


def channel(**changes: object) -> Channel:
    return Channel(**{"name": "move_x", "unit": "m/s", "low": -6.0, "high": 6.0, **changes})  # type: ignore[arg-type]


def kinematics(**changes: object) -> Kinematics:
    return replace(SCHEMA.kinematics, **changes)  # type: ignore[arg-type]


def on_grid(**changes: object) -> Schema:
    able = {"kind": "grid", "cell": 0.1, "max_acceleration": 300.0, "brake": 300.0}
    return replace(SCHEMA, kinematics=kinematics(**{**able, **changes}))


def _with_fire(**changes: object) -> Schema:
    fire = channel(**{"name": "fire", "unit": "1", "low": 0.0, "high": 1.0, "kind": "discrete", "count": 2, **changes})
    return replace(SCHEMA, channels=(*(c for c in SCHEMA.channels if c.name != "fire"), fire))


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("an identifier", lambda: field(name="not a name")),
    ("a printable name", lambda: field(name="")),
    ("at most 64 bytes", lambda: field(name="a" * 65)),
    ("field 'hp': unit: expected one of", lambda: field(unit="furlong")),
    ("nan: expected one of", lambda: field(nan="hope")),
    ("role: expected one of", lambda: field(role="hero")),
    ("role 'x' expected unit 'm', got 'hp'", lambda: field(role="x")),
    ("low < high", lambda: field(low=9.0)),
    ("low < high within float32", lambda: field(high=1e39)),
    ("a finite number, got nan", lambda: field(low=math.nan)),
    ("a number, got 'x'", lambda: field(low="x")),
    ("a number, got True", lambda: field(low=True)),
    ("default expected 0..9, got 10", lambda: field(default=10.0)),
    ("alias: expected an identifier", lambda: field(aliases=("a b",))),
    ("role: expected one of", lambda: EntityType("npc", "boss", 1, POSE)),
    ("max_count", lambda: EntityType("npc", "npc", 0, POSE)),
    ("fields: expected 1..256 of them, got 0", lambda: EntityType("npc", "npc", 1, ())),
    ("'x' is there twice", lambda: EntityType("npc", "npc", 1, (*POSE, field(name="x")))),
    ("'x' is there twice", lambda: EntityType("npc", "npc", 1, (*POSE, field(aliases=("x",))))),
    ("field role: 'x' is there twice", lambda: EntityType("n", "npc", 1, (*POSE, field(name="q", unit="m", role="x")))),
    ("kind: expected one of", lambda: channel(kind="fuzzy")),
    ("count of a continuous channel", lambda: channel(count=3)),
    ("count of a discrete channel", lambda: channel(kind="discrete", count=1)),
    ("expected low 0, high 1", lambda: channel(kind="discrete", count=2)),
    ("whole default", lambda: channel(kind="discrete", low=0.0, high=1.0, count=2, default=0.5)),
    ("kind: expected one of", lambda: kinematics(kind="rocket")),
    ("max_speed expected a number above 0", lambda: kinematics(max_speed=0.0)),
    ("brake", lambda: kinematics(brake=math.inf)),
    ("kinematics: cell expected a number above 0, got 0", lambda: kinematics(kind="grid")),
    ("diagonals expected true or false, got 1", lambda: kinematics(kind="grid", cell=0.1, diagonals=1)),
    ("kind 'velocity' expected no cell and no diagonals, got cell 0.1", lambda: kinematics(cell=0.1)),
    ("kind 'velocity' expected no cell and no diagonals, got cell 0", lambda: kinematics(diagonals=True)),
    ("max_speed expected at least 4.5 m/s, its fastest step, got 4", lambda: on_grid(cell=0.15)),
    ("max_speed expected at least 4.24264", lambda: on_grid(cell=0.1, diagonals=True)),
    ("max_acceleration expected at least 180 m/s^2, any step", lambda: on_grid(max_acceleration=179.0)),
    ("brake expected at least 180 m/s^2, any step after any other, got 170", lambda: on_grid(brake=170.0)),
    ("expected one of wall, zone", lambda: Polygon("p", "lake", SQUARE, True)),
    ("opaque expected true or false", lambda: Polygon("p", "wall", SQUARE, 1)),  # type: ignore[arg-type]
    ("vertices: expected 3..256", lambda: Polygon("p", "wall", SQUARE[:2], True)),
    ("vertex 0: expected (x, y)", lambda: Polygon("p", "wall", ((0.0,), *SQUARE), True)),  # type: ignore[arg-type]
    ("counter-clockwise", lambda: Polygon("p", "wall", SQUARE[::-1], True)),
    ("edges 0 and 2 meet", lambda: Polygon("p", "wall", ((0, 0), (4, 0), (4, 4), (2, -1), (0, 4)), True)),
    ("edges 1 and 3 meet", lambda: Polygon("p", "wall", ((0, 0), (4, 0), (4, 4), (4, 1), (0, 4)), True)),
    ("game: expected a printable name", lambda: replace(SCHEMA, game="a\nb")),
    ("coordinates: expected one of", lambda: replace(SCHEMA, coordinates="polar")),
    ("tick_hz expected 1..1000", lambda: replace(SCHEMA, tick_hz=0.5)),
    ("bounds expected x0, y0, x1, y1", lambda: replace(SCHEMA, bounds=(0.0, 0.0, 0.0, 1.0))),
    ("origin expected x, y", lambda: replace(SCHEMA, origin=(1.0, 2.0, 3.0))),  # type: ignore[arg-type]
    ("schema: origin", lambda: replace(SCHEMA, origin=(math.nan, 0.0))),
    ("entities: expected 1..16", lambda: replace(SCHEMA, entities=())),
    ("entity: 'npc' is there twice", lambda: replace(SCHEMA, entities=(SCHEMA.entities[1],) * 2)),
    ("channel 'fire': expected default 0 and no hold, got default 0, hold True", lambda: _with_fire(hold=True)),
    ("channel 'fire': expected default 0 and no hold, got default 1, hold False", lambda: _with_fire(default=1.0)),
    ("expected a channel 'move_y'", lambda: replace(SCHEMA, channels=SCHEMA.channels[:1])),
    ("at least -7..7", lambda: replace(SCHEMA, kinematics=kinematics(max_speed=7.0))),
    ("bark: expected a printable name", lambda: replace(SCHEMA, barks=("",))),
    (
        "at most 65536 canonical bytes",
        lambda: replace(SCHEMA, polygons=tuple(Polygon(f"p{i}", "wall", SQUARE, True) for i in range(1000))),
    ),
]


@pytest.mark.parametrize(("text", "declare"), REFUSED)
def test_a_wrong_declaration_is_refused_with_its_place(text: str, declare: Callable[[], object]) -> None:
    with pytest.raises(SchemaError) as refused:
        declare()
    assert text in str(refused.value)


def test_canonical_bytes_are_the_identity() -> None:
    again = Schema.from_canonical(SCHEMA.canonical())
    assert again == SCHEMA
    assert again.sha256 == SCHEMA.sha256
    assert SCHEMA.schema_id == int.from_bytes(bytes.fromhex(SCHEMA.sha256)[:4], "big")
    assert replace(SCHEMA, tick_hz=30).canonical() == SCHEMA.canonical()
    assert replace(SCHEMA, tick_hz=60).sha256 != SCHEMA.sha256


def test_an_origin_is_part_of_the_identity_and_none_leaves_it_as_it_was() -> None:
    far = replace(SCHEMA, origin=(70_000.25, -3.0))
    assert Schema.from_canonical(far.canonical()) == far
    assert far.sha256 != SCHEMA.sha256
    assert far.interface_sha256 == SCHEMA.interface_sha256
    assert "origin" not in unpack(SCHEMA.canonical())
    assert replace(far, origin=(0.0, -0.0)).canonical() == SCHEMA.canonical()


def test_only_a_grid_names_its_cells_in_the_canonical_form() -> None:
    """What a kind of body does not have is no part of its identity: games without a grid stay what they were."""
    plain = unpack(SCHEMA.canonical())["kinematics"]
    assert isinstance(plain, dict)
    assert not {"cell", "diagonals"} & set(plain)
    again = Schema.from_canonical(on_grid(diagonals=False).canonical())
    assert (again.kinematics.kind, again.kinematics.cell, again.kinematics.diagonals) == ("grid", 0.1, False)
    assert on_grid(cell=0.125).sha256 != on_grid().sha256
    whole = unpack(on_grid().canonical())
    short = {k: v for k, v in whole["kinematics"].items() if k != "cell"}  # type: ignore[union-attr]
    with pytest.raises(SchemaError, match="cell"):
        Schema.from_canonical(pack({**whole, "kinematics": short}))  # type: ignore[dict-item]


def test_minus_zero_has_one_form() -> None:
    assert field(low=-0.0).low == field(low=0.0).low
    assert math.copysign(1.0, field(low=-0.0).low) == 1.0


@pytest.mark.parametrize("change", ["unknown", "missing", "integer", "cut", "list"])
def test_bytes_that_are_not_canonical_are_refused(change: str) -> None:
    body = unpack(SCHEMA.canonical())
    match change:
        case "unknown":
            data = pack({**body, "zzz": 1})
        case "missing":
            data = pack({k: v for k, v in body.items() if k != "game"})
        case "integer":
            data = pack({**body, "tick_hz": 30})
        case "cut":
            data = SCHEMA.canonical()[:-3]
        case _:
            data = b"\x90"
    with pytest.raises(SchemaError):
        Schema.from_canonical(data)


def test_the_interface_is_what_a_model_depends_on() -> None:
    unseen = replace(
        SCHEMA,
        game="other",
        bounds=(0.0, 0.0, 5.0, 5.0),
        polygons=(),
        barks=(),
        entities=tuple(replace(e, max_count=1) for e in SCHEMA.entities),
    )
    assert unseen.interface_sha256 == SCHEMA.interface_sha256
    assert replace(SCHEMA, kinematics=kinematics(brake=20.0)).interface_sha256 != SCHEMA.interface_sha256
    assert replace(SCHEMA, entities=SCHEMA.entities[:2]).interface_sha256 != SCHEMA.interface_sha256


def test_lookups() -> None:
    assert SCHEMA.columns("player") == ("x", "y", "vx", "vy", "health")
    assert SCHEMA.role_column("player", "health") == 4
    assert SCHEMA.role_column("npc", "health") is None
    assert SCHEMA.channel("fire") == 3
    assert SCHEMA.channel("dance") is None
    assert SCHEMA.entity("npc").has_pose
    assert not SCHEMA.entity("mode").has_pose
    assert SCHEMA.dt == pytest.approx(1 / 30)
    with pytest.raises(KeyError):
        SCHEMA.entity("dragon")


def with_entity(index: int, **changes: object) -> Schema:
    entities = list(SCHEMA.entities)
    entities[index] = replace(entities[index], **changes)  # type: ignore[arg-type]
    return replace(SCHEMA, entities=tuple(entities))


def test_equal_schemas_fit_without_a_word() -> None:
    fit = adapt(SCHEMA, replace(SCHEMA, game="other", polygons=()))
    assert fit.warnings == ()
    assert fit.channels == (0, 1, 2, 3)
    assert fit.entities["npc"].columns == (0, 1, 2, 3, 4)


def test_missing_extra_and_renamed_fields_are_bridged_with_a_warning() -> None:
    fields = (
        Field("armour", "1", 0.0, 1.0),
        Field("pos_x", "m", -12.0, 12.0, role="x"),
        *POSE[1:],
        Field("size", "1", 0.0, 10.0),
    )
    fit = adapt(SCHEMA, with_entity(1, fields=fields))
    assert fit.entities["npc"].columns == (1, 2, 3, 4, 5)
    told = " | ".join(fit.warnings)
    assert "npc.x: the game's 'pos_x' stands in" in told
    assert "npc.größe: the game's 'size' stands in" in told
    assert "npc.größe: the model knows 0..9, the game has 0..10" in told
    assert "npc.armour: not known to the model" in told
    fit = adapt(SCHEMA, with_entity(1, fields=POSE))
    assert "npc.größe: the game has none, default 1" in fit.warnings[0]
    rows = fit.entities["npc"].take(np.ones((2, 4), np.float32) * 3)
    assert rows.tolist() == [[3, 3, 3, 3, 1]] * 2
    assert rows.dtype == np.float32


def test_entity_types_are_found_by_role_and_may_be_missing() -> None:
    fit = adapt(SCHEMA, with_entity(1, name="guard"))
    assert fit.entities["npc"].game_entity == "guard"
    assert "the game's 'guard' stands in" in fit.warnings[0]
    fit = adapt(SCHEMA, replace(SCHEMA, entities=SCHEMA.entities[:2]))
    assert "entity 'mode': the game has none" in fit.warnings[0]
    fit = adapt(replace(SCHEMA, entities=SCHEMA.entities[:2]), SCHEMA)
    assert "entity 'mode': not known to the model" in fit.warnings[0]
    assert "tick_hz" in adapt(SCHEMA, replace(SCHEMA, tick_hz=60.0)).warnings[0]


MISFITS: list[tuple[str, Callable[[], Schema]]] = [
    ("npc.größe", lambda: with_entity(1, fields=(*POSE, Field("größe", "s", 0.0, 9.0)))),
    ("npc.x", lambda: with_entity(1, fields=POSE[1:])),
    ("npc", lambda: replace(SCHEMA, entities=SCHEMA.entities[:1])),
    ("player", lambda: with_entity(0, role="protected")),
    ("kinematics.max_speed", lambda: replace(SCHEMA, kinematics=kinematics(max_speed=5.0))),
    ("channel.fire", lambda: replace(SCHEMA, channels=SCHEMA.channels[:3])),
    ("channel.jump", lambda: replace(SCHEMA, channels=(*SCHEMA.channels, channel(name="jump")))),
    ("channel.move_x", lambda: replace(SCHEMA, channels=(channel(low=-8.0), *SCHEMA.channels[1:]))),
]


@pytest.mark.parametrize(("name", "game"), MISFITS, ids=[name for name, _ in MISFITS])
def test_what_cannot_be_bridged_is_refused_by_name(name: str, game: Callable[[], Schema]) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        adapt(SCHEMA, game())
    assert name in refused.value.fields
    assert name in str(refused.value)
