"""What a game declares once, so that nothing has to be named per message: entities, fields, channels, bodies, walls.

The canonical bytes of a schema (msgpack, sorted keys) are its identity: their SHA-256 travels in WELCOME, in
recordings and in model files, its first four bytes in the header of every data frame.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields

import numpy as np
from numpy.typing import NDArray

from .errors import RemoteProtocolError, SchemaError, SchemaMismatch
from .limits import LIMITS
from .packing import Reader, Value, pack, unpack

UNITS = ("1", "m", "m/s", "m/s^2", "rad", "rad/s", "s", "hp")
ENTITY_ROLES = ("player", "npc", "projectile", "protected", "resource", "mode", "door", "item")
FIELD_ROLES: dict[str, str | None] = {  # role -> the unit it must have; None: any
    "x": "m",
    "y": "m",
    "vx": "m/s",
    "vy": "m/s",
    "heading": "rad",
    "health": None,
    "ammo": "1",
    "cooldown": "s",
    "grenades": "1",
    "shots": "1",
    "squad": "1",
    "leader": "1",
    "home_x": "m",
    "home_y": "m",
    "fuse": "s",
    "alive": "1",
    "hold_fire": "1",
    "airborne": "1",
}
POSE = ("x", "y", "vx", "vy")
MOVE = ("move_x", "move_y")  # the channels that hold the velocity wanted
ATTACKS = ("fire", "throw")  # the channels that hurt somebody
NAN_POLICIES = ("reject", "clamp", "mask")
CHANNEL_KINDS = ("continuous", "discrete")
KINEMATICS_KINDS = ("velocity", "grid", "car")
_KIND_KEYS = {"cell": "grid", "diagonals": "grid"}  # keys of kinematics that one kind alone has
POLYGON_KINDS = ("wall", "zone")
CODINGS = {"f32": "<f4", "f16": "<f2", "q16": "<u2", "q8": "<u1"}
"""How a column travels in delta snapshots: as a float, or as a whole number that divides low..high into equal parts."""
COORDINATES = ("wire", "unity", "unreal", "godot", "pygame")
FLOAT32_MAX = float(np.finfo(np.float32).max)
HALF_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Field:
    """One named number of an entity.

    Args:
        name: an identifier, unique in its entity type.
        unit: one of UNITS.
        low: smallest legal value; smaller ones are clamped and counted.
        high: largest legal value.
        role: what the rules of the SDK take it for, one of FIELD_ROLES, or "".
        nan: what NaN or infinity leads to: `reject` the message, `clamp` (NaN to the default, infinity to the bound),
            or `mask` the entity out.
        default: stands in where a game lacks the field.
        aliases: other names under which models or games may know it.
        coding: how it travels in delta snapshots, one of CODINGS; in full ones it is always float32.
    """

    name: str
    unit: str
    low: float
    high: float
    role: str = ""
    nan: str = "reject"
    default: float = 0.0
    aliases: tuple[str, ...] = ()
    coding: str = "f32"

    def __post_init__(self) -> None:
        where = f"field '{self.name}'"
        _identifier(self.name, where)
        _one_of(self.unit, UNITS, f"{where}: unit")
        _one_of(self.nan, NAN_POLICIES, f"{where}: nan")
        _range(self, where)
        if self.role:
            _one_of(self.role, tuple(FIELD_ROLES), f"{where}: role")
            unit = FIELD_ROLES[self.role]
            if unit is not None and self.unit != unit:
                raise SchemaError(f"{where}: role '{self.role}' expected unit '{unit}', got '{self.unit}'")
        _store(self, "aliases", tuple(self.aliases))
        for alias in self.aliases:
            _identifier(alias, f"{where}: alias")
        _one_of(self.coding, tuple(CODINGS), f"{where}: coding")
        _codes(self, where)


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of thing in the game: its rows share one list of fields."""

    name: str
    role: str
    max_count: int
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        where = f"entity '{self.name}'"
        _identifier(self.name, where)
        _one_of(self.role, ENTITY_ROLES, f"{where}: role")
        _whole(self.max_count, 1, LIMITS.entities, f"{where}: max_count")
        _store(self, "fields", tuple(self.fields))
        _count(len(self.fields), 1, LIMITS.fields, f"{where}: fields")
        _unique((n for f in self.fields for n in (f.name, *f.aliases)), f"{where}: field or alias")
        _unique((f.role for f in self.fields if f.role), f"{where}: field role")

    @property
    def has_pose(self) -> bool:
        """True if fields with the roles x, y, vx and vy exist."""
        return set(POSE) <= {f.role for f in self.fields}


@dataclass(frozen=True, slots=True)
class Channel:
    """One number of an NPC's command.

    Args:
        name: an identifier; `move_x` and `move_y` are the velocity wanted.
        unit: one of UNITS.
        low: smallest command, the server clamps to it.
        high: largest command.
        kind: `continuous`, or `discrete` with the values 0..count-1.
        default: the command of an NPC without a plan.
        count: number of values of a discrete channel, else 0.
        hold: without a plan, repeat the last command instead of the default.
    """

    name: str
    unit: str
    low: float
    high: float
    kind: str = "continuous"
    default: float = 0.0
    count: int = 0
    hold: bool = False

    def __post_init__(self) -> None:
        where = f"channel '{self.name}'"
        _identifier(self.name, where)
        _one_of(self.unit, UNITS, f"{where}: unit")
        _one_of(self.kind, CHANNEL_KINDS, f"{where}: kind")
        _range(self, where)
        if self.kind == "continuous":
            _whole(self.count, 0, 0, f"{where}: count of a continuous channel")
            return
        _whole(self.count, 2, 1 << 16, f"{where}: count of a discrete channel")
        if (self.low, self.high) != (0.0, self.count - 1.0) or not self.default.is_integer():
            raise SchemaError(
                f"{where}: expected low 0, high {self.count - 1} and a whole default, "
                f"got {self.low:g}, {self.high:g} and {self.default:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinematics:
    """How NPC bodies move.

    With kind `velocity`: p+ = p + u dt and v+ = u, where |u| <= max_speed and |u - v| <= max_acceleration dt.
    With kind `grid` the same, and in a tick a body stands still or goes by one cell along an axis, with `diagonals`
    also along both: u is 0 or a cell per tick. It must be able to let any of these follow any other.
    With kind `car` the same as `velocity`, and u is 0 or along a heading, which turns by at most turn_rate dt in a tick
    and stays where it is while u is 0. The field with the role `heading` shows it.

    Args:
        max_speed: m/s.
        max_acceleration: m/s^2.
        brake: deceleration that is always possible, m/s^2.
        radius: of the body, m.
        turn_rate: rad/s.
        kind: one of KINEMATICS_KINDS.
        cell: how far a step of kind `grid` goes along an axis, m; 0 with other kinds.
        diagonals: whether such a step may go along both axes.
    """

    max_speed: float
    max_acceleration: float
    brake: float
    radius: float
    turn_rate: float
    kind: str = "velocity"
    cell: float = 0.0
    diagonals: bool = False

    def __post_init__(self) -> None:
        _one_of(self.kind, KINEMATICS_KINDS, "kinematics: kind")
        for name in ("max_speed", "max_acceleration", "brake", "radius", "turn_rate"):
            value = _number(getattr(self, name), f"kinematics: {name}")
            if value <= 0.0 or value > FLOAT32_MAX:
                raise SchemaError(f"kinematics: {name} expected a number above 0, got {value:g}")
            _store(self, name, value)
        cell = _number(self.cell, "kinematics: cell")
        if self.kind == "grid" and not 0.0 < cell <= FLOAT32_MAX:
            raise SchemaError(f"kinematics: cell expected a number above 0, got {cell:g}")
        if not isinstance(self.diagonals, bool):
            raise SchemaError(f"kinematics: diagonals expected true or false, got {self.diagonals!r}")
        if self.kind != "grid" and (cell != 0.0 or self.diagonals):
            raise SchemaError(f"kinematics: kind '{self.kind}' expected no cell and no diagonals, got cell {cell:g}")
        _store(self, "cell", cell)


@dataclass(frozen=True, slots=True)
class Polygon:
    """A static simple polygon, vertices counter-clockwise in metres; `wall` stops bodies, `zone` serves the rules."""

    name: str
    kind: str
    vertices: tuple[tuple[float, float], ...]
    opaque: bool

    def __post_init__(self) -> None:
        where = f"polygon '{self.name}'"
        _name(self.name, where)
        _one_of(self.kind, POLYGON_KINDS, f"{where}: kind")
        if not isinstance(self.opaque, bool):
            raise SchemaError(f"{where}: opaque expected true or false, got {self.opaque!r}")
        vertices = tuple(_point(v, f"{where}: vertex {i}") for i, v in enumerate(self.vertices))
        _count(len(vertices), 3, LIMITS.vertices, f"{where}: vertices")
        _store(self, "vertices", vertices)
        ring = np.array(vertices)
        if _area(ring) <= 0.0:
            raise SchemaError(f"{where}: expected counter-clockwise vertices, got area {_area(ring):g} m^2")
        crossing = _self_crossing(ring)
        if crossing is not None:
            raise SchemaError(f"{where}: expected a simple polygon, edges {crossing[0]} and {crossing[1]} meet")


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything static about a game.

    Args:
        game: its name.
        tick_hz: engine ticks per second.
        coordinates: the engine convention the client converts from; on the wire x is right, y up, metres, radians.
        bounds: x0, y0, x1, y1 of the playable rectangle, m.
        entities: the entity types, in the order of their wire index.
        channels: an NPC's command, in wire order.
        kinematics: of the entity types with role `npc`.
        polygons: walls and zones.
        barks: texts the game can show, besides those the brain announces.
        origin: x, y in the world, m, of what is 0, 0 on the wire: for games so large that float32 would round.
    """

    game: str
    tick_hz: float
    coordinates: str
    bounds: tuple[float, float, float, float]
    entities: tuple[EntityType, ...]
    channels: tuple[Channel, ...]
    kinematics: Kinematics
    polygons: tuple[Polygon, ...] = ()
    barks: tuple[str, ...] = ()
    origin: tuple[float, float] = (0.0, 0.0)
    _canonical: bytes = field(init=False, repr=False, compare=False)
    _sha256: str = field(init=False, repr=False, compare=False)
    _id: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _name(self.game, "schema: game")
        _one_of(self.coordinates, COORDINATES, "schema: coordinates")
        tick_hz = _number(self.tick_hz, "schema: tick_hz")
        if not 1.0 <= tick_hz <= 1000.0:
            raise SchemaError(f"schema: tick_hz expected 1..1000, got {tick_hz:g}")
        _store(self, "tick_hz", tick_hz)
        _store(self, "bounds", _bounds(self.bounds))
        _store(self, "origin", _origin(self.origin))
        for name in ("entities", "channels", "polygons", "barks"):
            _store(self, name, tuple(getattr(self, name)))
        _count(len(self.entities), 1, LIMITS.entity_types, "schema: entities")
        _count(len(self.channels), 1, LIMITS.channels, "schema: channels")
        _count(len(self.polygons), 0, LIMITS.polygons, "schema: polygons")
        _count(len(self.barks), 0, LIMITS.barks, "schema: barks")
        _unique((e.name for e in self.entities), "schema: entity")
        _unique((c.name for c in self.channels), "schema: channel")
        _unique((p.name for p in self.polygons), "schema: polygon")
        for bark in self.barks:
            _name(bark, "schema: bark")
        for name in MOVE:
            _moves(self, name)
        _steps(self)
        _heads(self)
        for name in ATTACKS:
            _rests(self, name)
        canonical = pack(_describe(self))
        if len(canonical) > LIMITS.schema_bytes:
            raise SchemaError(f"schema: expected at most {LIMITS.schema_bytes} canonical bytes, got {len(canonical)}")
        _store(self, "_canonical", canonical)
        _store(self, "_sha256", hashlib.sha256(canonical).hexdigest())
        _store(self, "_id", int(self._sha256[:8], 16))

    def canonical(self) -> bytes:
        """Returns the bytes that identify this schema."""
        return self._canonical

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical bytes, hexadecimal."""
        return self._sha256

    @property
    def schema_id(self) -> int:
        """First four bytes of the hash, big endian: the id in every data frame."""
        return self._id

    @property
    def interface_sha256(self) -> str:
        """Hash of what a model depends on: not the game's name, preset, bounds, origin, polygons, barks,
        codings nor counts."""
        interface = {k: v for k, v in _describe(self).items() if k in ("tick_hz", "channels", "kinematics")}
        interface["entities"] = [
            {"name": e.name, "role": e.role, "fields": [_describe(replace(f, coding="f32")) for f in e.fields]}
            for e in self.entities
        ]
        return hashlib.sha256(pack(interface)).hexdigest()

    @property
    def dt(self) -> float:
        """Seconds per tick."""
        return 1.0 / self.tick_hz

    @property
    def velocity_tolerance(self) -> float:
        """How far off its velocity a body may be for its direction to be told well enough, m/s; infinity: any.

        A car that starts goes at least half of what its acceleration allows in a tick, and what is off hides a quarter
        of a tick's turn.
        """
        body = self.kinematics
        if body.kind != "car":
            return math.inf
        start = 0.5 * min(body.max_acceleration, body.brake) * self.dt
        return 0.5 * start * math.sin(0.25 * min(body.turn_rate * self.dt, 0.5 * math.pi))

    def entity(self, name: str) -> EntityType:
        """Returns an entity type by name; KeyError if there is none."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise KeyError(name)

    def columns(self, entity: str) -> tuple[str, ...]:
        """Returns the names of an entity type's fields, in wire order."""
        return tuple(f.name for f in self.entity(entity).fields)

    def role_column(self, entity: str, role: str) -> int | None:
        """Returns the column that holds a role, None if no field has it."""
        for index, f in enumerate(self.entity(entity).fields):
            if f.role == role:
                return index
        return None

    def channel(self, name: str) -> int | None:
        """Returns a channel's index in a command, None if there is none."""
        for index, channel in enumerate(self.channels):
            if channel.name == name:
                return index
        return None

    @classmethod
    def from_canonical(cls, data: bytes) -> Schema:
        """Reads canonical bytes.

        Raises:
            SchemaError: they are no schema, or not its canonical form.
        """
        try:
            schema = _read(Reader(unpack(data), "schema"))
        except RemoteProtocolError as error:
            raise SchemaError(str(error)) from None
        if schema.canonical() != bytes(data):
            raise SchemaError("schema: expected canonical bytes (sorted keys, float64 numbers, nothing unknown)")
        return schema


@dataclass(frozen=True, slots=True)
class EntityColumns:
    """Where a model's entity type finds its fields in a game's rows."""

    game_entity: str
    columns: tuple[int, ...]  # per model field; -1: the default
    defaults: tuple[float, ...]

    def take(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rearranges a game's rows (n, game fields) into the model's (n, model fields)."""
        columns = np.array(self.columns)
        rows = values[:, np.maximum(columns, 0)]
        return np.where(columns >= 0, rows, np.array(self.defaults, np.float32))


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How a game's rows feed a model."""

    entities: Mapping[str, EntityColumns]  # by the model's entity types
    channels: tuple[int, ...]  # the game's channel per channel of the model
    warnings: tuple[str, ...]  # what to tell the user


def adapt(model: Schema, game: Schema) -> Adaptation:
    """Fits a game to a model trained on another schema.

    A missing, extra or renamed field gets a default and a warning.

    Raises:
        SchemaMismatch: another unit, other kinematics or channels, or bodies without a pose; names every field.
    """
    warnings: list[str] = []
    faults: list[tuple[str, str]] = []
    if model.tick_hz != game.tick_hz:
        warnings.append(f"tick_hz: the model was trained at {model.tick_hz:g}, the game runs at {game.tick_hz:g}")
    faults.extend(_differing_kinematics(model.kinematics, game.kinematics))
    channels = _adapt_channels(model, game, faults)
    entities: dict[str, EntityColumns] = {}
    for entity in model.entities:
        found = _counterpart(entity, model, game)
        if found is None:
            _lacking_entity(entity, warnings, faults)
            continue
        if found.name != entity.name:
            warnings.append(f"entity '{entity.name}': the game's '{found.name}' stands in (role {entity.role})")
        entities[entity.name] = _adapt_fields(entity, found, warnings, faults)
    used = {columns.game_entity for columns in entities.values()}
    warnings.extend(f"entity '{e.name}': not known to the model, ignored" for e in game.entities if e.name not in used)
    if faults:
        text = "the model does not fit the game: " + "; ".join(f"{name}: {what}" for name, what in faults)
        raise SchemaMismatch(text, tuple(name for name, _ in faults))
    return Adaptation(entities, channels, tuple(warnings))


def _differing_kinematics(model: Kinematics, game: Kinematics) -> Iterator[tuple[str, str]]:
    for f in dataclass_fields(Kinematics):
        expected, got = getattr(model, f.name), getattr(game, f.name)
        if expected != got:
            yield f"kinematics.{f.name}", f"expected {expected}, got {got}"


def _adapt_channels(model: Schema, game: Schema, faults: list[tuple[str, str]]) -> tuple[int, ...]:
    for name in sorted({c.name for c in game.channels} - {c.name for c in model.channels}):
        faults.append((f"channel.{name}", "expected no such channel"))
    columns = []
    for channel in model.channels:
        index = game.channel(channel.name)
        columns.append(-1 if index is None else index)
        if index is None:
            faults.append((f"channel.{channel.name}", "expected in the game, got nothing"))
            continue
        other = game.channels[index]
        for name in ("unit", "kind", "count", "low", "high"):
            expected, got = getattr(channel, name), getattr(other, name)
            if expected != got:
                faults.append((f"channel.{channel.name}", f"{name} expected {expected}, got {got}"))
    return tuple(columns)


def _counterpart(entity: EntityType, model: Schema, game: Schema) -> EntityType | None:
    for other in game.entities:
        if other.name == entity.name:
            return other
    known = {e.name for e in model.entities}
    same_role = [e for e in game.entities if e.role == entity.role and e.name not in known]
    return same_role[0] if len(same_role) == 1 else None


def _lacking_entity(entity: EntityType, warnings: list[str], faults: list[tuple[str, str]]) -> None:
    if entity.role in ("npc", "player"):
        faults.append((entity.name, f"expected an entity type with role '{entity.role}', got none"))
    else:
        warnings.append(f"entity '{entity.name}': the game has none, taken as empty")


def _adapt_fields(
    entity: EntityType, found: EntityType, warnings: list[str], faults: list[tuple[str, str]]
) -> EntityColumns:
    if entity.role != found.role:
        faults.append((entity.name, f"role expected '{entity.role}', got '{found.role}'"))
    roles = {f.role for f in found.fields}
    needed = [role for role in POSE if role in {f.role for f in entity.fields} or entity.role in ("npc", "player")]
    missing = [role for role in needed if role not in roles]
    faults.extend((f"{entity.name}.{role}", "expected a field with this pose role, got none") for role in missing)
    columns = []
    for wanted in entity.fields:
        index = _find_field(wanted, found)
        columns.append(index)
        where = f"{entity.name}.{wanted.name}"
        if index < 0:
            if wanted.role not in missing:
                warnings.append(f"field {where}: the game has none, default {wanted.default:g} stands in")
            continue
        other = found.fields[index]
        if other.name != wanted.name:
            warnings.append(f"field {where}: the game's '{other.name}' stands in")
        if other.unit != wanted.unit:
            faults.append((where, f"unit expected '{wanted.unit}', got '{other.unit}'"))
        if other.low < wanted.low or other.high > wanted.high:
            warnings.append(
                f"field {where}: the model knows {wanted.low:g}..{wanted.high:g}, "
                f"the game has {other.low:g}..{other.high:g}"
            )
    used = set(columns)
    extra = [f.name for index, f in enumerate(found.fields) if index not in used]
    warnings.extend(f"field {entity.name}.{name}: not known to the model, ignored" for name in extra)
    return EntityColumns(found.name, tuple(columns), tuple(f.default for f in entity.fields))


def _find_field(wanted: Field, found: EntityType) -> int:
    """Matches by name, then by alias of either side, then by role; -1 if nothing matches."""
    matches: tuple[Callable[[Field], bool], ...] = (
        lambda other: other.name == wanted.name,
        lambda other: other.name in wanted.aliases or wanted.name in other.aliases,
        lambda other: bool(wanted.role) and other.role == wanted.role,
    )
    for match in matches:
        for index, other in enumerate(found.fields):
            if match(other):
                return index
    return -1


# canonical form: plain maps named like the dataclasses' fields, without an origin that is none

_LEFT_OUT = (("origin", (0.0, 0.0)), ("coding", "f32"))  # of the canonical form


def _describe(part: object) -> dict[str, Value]:
    body: dict[str, Value] = {}
    for f in dataclass_fields(part):  # type: ignore[arg-type]  # only called with the dataclasses of this file
        foreign = isinstance(part, Kinematics) and _KIND_KEYS.get(f.name, part.kind) != part.kind
        if not f.name.startswith("_") and not foreign and (f.name, getattr(part, f.name)) not in _LEFT_OUT:
            body[f.name] = _plain(getattr(part, f.name))
    return body


def _plain(value: object) -> Value:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | bool | int | float):
        return value
    return _describe(value)


def _read(r: Reader) -> Schema:
    k = Reader(r.map("kinematics"), "schema.kinematics")
    steps = k.text("kind") == "grid"
    return Schema(
        game=r.text("game"),
        tick_hz=r.number("tick_hz"),
        coordinates=r.text("coordinates"),
        bounds=_four(r.numbers("bounds", 4)),
        entities=tuple(_read_entity(e) for e in r.maps("entities", LIMITS.entity_types)),
        channels=tuple(_read_channel(c) for c in r.maps("channels", LIMITS.channels)),
        kinematics=Kinematics(
            kind=k.text("kind"),
            max_speed=k.number("max_speed"),
            max_acceleration=k.number("max_acceleration"),
            brake=k.number("brake"),
            radius=k.number("radius"),
            turn_rate=k.number("turn_rate"),
            cell=k.number("cell") if steps else 0.0,
            diagonals=k.flag("diagonals") if steps else False,
        ),
        polygons=tuple(_read_polygon(p) for p in r.maps("polygons", LIMITS.polygons)),
        barks=r.texts("barks", LIMITS.barks),
        origin=_two(r.numbers("origin", 2)) if r.has("origin") else (0.0, 0.0),
    )


def _read_entity(r: Reader) -> EntityType:
    return EntityType(
        name=r.text("name"),
        role=r.text("role"),
        max_count=r.integer("max_count", 1, LIMITS.entities),
        fields=tuple(
            Field(
                name=f.text("name"),
                unit=f.text("unit"),
                low=f.number("low"),
                high=f.number("high"),
                role=f.text("role"),
                nan=f.text("nan"),
                default=f.number("default"),
                aliases=f.texts("aliases", LIMITS.fields),
                coding=f.text("coding") if f.has("coding") else "f32",
            )
            for f in r.maps("fields", LIMITS.fields)
        ),
    )


def _read_channel(r: Reader) -> Channel:
    return Channel(
        name=r.text("name"),
        unit=r.text("unit"),
        low=r.number("low"),
        high=r.number("high"),
        kind=r.text("kind"),
        default=r.number("default"),
        count=r.integer("count", 0, 1 << 16),
        hold=r.flag("hold"),
    )


def _read_polygon(r: Reader) -> Polygon:
    vertices = [Reader({"v": v}, "schema.polygon").numbers("v", 2) for v in r.items("vertices", LIMITS.vertices)]
    return Polygon(
        name=r.text("name"),
        kind=r.text("kind"),
        vertices=tuple((x, y) for x, y in vertices),
        opaque=r.flag("opaque"),
    )


# checks; each raises SchemaError with what was expected, what came and where


def _store(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)  # a frozen dataclass normalising itself


def _name(value: object, where: str) -> None:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise SchemaError(f"{where}: expected a printable name, got {value!r}")
    if len(value.encode("utf-8")) > LIMITS.name_bytes:
        raise SchemaError(f"{where}: expected at most {LIMITS.name_bytes} bytes, got {len(value.encode('utf-8'))}")


def _identifier(value: object, where: str) -> None:
    _name(value, where)
    if not isinstance(value, str) or not value.isidentifier():
        raise SchemaError(f"{where}: expected an identifier, got {value!r}")


def _one_of(value: object, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise SchemaError(f"{where}: expected one of {', '.join(allowed)}, got {value!r}")


def _whole(value: object, low: int, high: int, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SchemaError(f"{where}: expected {low}..{high}, got {value!r}")


def _count(value: int, low: int, high: int, where: str) -> None:
    if not low <= value <= high:
        raise SchemaError(f"{where}: expected {low}..{high} of them, got {value}")


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise SchemaError(f"{where}: expected a number, got {value!r}")
    number = float(value) + 0.0  # + 0.0 turns -0.0 into 0.0: one value, one canonical form
    if not math.isfinite(number):
        raise SchemaError(f"{where}: expected a finite number, got {number}")
    return number


def _range(part: Field | Channel, where: str) -> None:
    low, high, default = (_number(getattr(part, n), f"{where}: {n}") for n in ("low", "high", "default"))
    if not -FLOAT32_MAX <= low < high <= FLOAT32_MAX:
        raise SchemaError(f"{where}: expected low < high within float32, got {low:g} and {high:g}")
    if not low <= default <= high:
        raise SchemaError(f"{where}: default expected {low:g}..{high:g}, got {default:g}")
    for name, value in (("low", low), ("high", high), ("default", default)):
        _store(part, name, value)


def _codes(part: Field, where: str) -> None:
    """What a code stands for can be told from its neighbours as float32."""
    largest = max(abs(part.low), abs(part.high))
    if part.coding == "f16" and largest > HALF_MAX:
        raise SchemaError(f"{where}: coding 'f16' expected a range within {HALF_MAX:g}, got up to {largest:g}")
    if part.coding[0] == "q" and part.nan == "mask":
        raise SchemaError(f"{where}: coding '{part.coding}' has no NaN to mask by; expected f16, f32, or nan 'clamp'")
    if part.coding[0] == "q":
        step, finest = (part.high - part.low) / np.iinfo(CODINGS[part.coding]).max, 4 * np.spacing(np.float32(largest))
        if step < finest:
            raise SchemaError(
                f"{where}: coding '{part.coding}' expected steps of at least {finest:g}, which float32 tells apart at "
                f"{largest:g}, got {step:g}"
            )


def _point(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, tuple | list | np.ndarray) or len(value) != 2:
        raise SchemaError(f"{where}: expected (x, y), got {value!r}")
    return _number(value[0], where), _number(value[1], where)


def _four(values: tuple[float, ...]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = values
    return x0, y0, x1, y1


def _bounds(value: Iterable[float]) -> tuple[float, float, float, float]:
    numbers = tuple(_number(v, "schema: bounds") for v in value)
    if len(numbers) != 4 or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise SchemaError(f"schema: bounds expected x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {numbers}")
    return _four(numbers)


def _origin(value: Iterable[float]) -> tuple[float, float]:
    numbers = tuple(_number(v, "schema: origin") for v in value)
    if len(numbers) != 2:
        raise SchemaError(f"schema: origin expected x, y, got {numbers}")
    return _two(numbers)


def _two(numbers: Sequence[float]) -> tuple[float, float]:
    x, y = numbers
    return x, y


def _moves(schema: Schema, name: str) -> None:
    """Bodies are moved by two channels that reach their top speed: nothing certified is clipped."""
    top, index = schema.kinematics.max_speed, schema.channel(name)
    if index is None:
        raise SchemaError(f"schema: kinematics '{schema.kinematics.kind}' expected a channel '{name}', got none")
    channel = schema.channels[index]
    if (channel.unit, channel.kind) != ("m/s", "continuous") or not channel.low <= -top < top <= channel.high:
        raise SchemaError(
            f"channel '{name}': expected continuous m/s and at least {-top:g}..{top:g}, "
            f"got {channel.kind} {channel.unit} {channel.low:g}..{channel.high:g}"
        )


def _steps(schema: Schema) -> None:
    """Bodies of kind `grid` can go by a cell in a tick, and turn round or stop in the next."""
    body = schema.kinematics
    if body.kind != "grid":
        return
    fastest = body.cell * schema.tick_hz * (math.sqrt(2.0) if body.diagonals else 1.0)
    if fastest > body.max_speed * (1.0 + 1e-9):
        raise SchemaError(
            f"kinematics: max_speed expected at least {fastest:.9g} m/s, its fastest step, got {body.max_speed:g}"
        )
    for name in ("max_acceleration", "brake"):
        needed, limit = 2.0 * fastest * schema.tick_hz, getattr(body, name)
        if limit < needed:
            raise SchemaError(
                f"kinematics: {name} expected at least {needed:.9g} m/s^2, any step after any other, got {limit:g}"
            )


def _heads(schema: Schema) -> None:
    """Cars show where they head: standing still does not tell."""
    for entity in schema.entities if schema.kinematics.kind == "car" else ():
        if entity.role == "npc" and schema.role_column(entity.name, "heading") is None:
            raise SchemaError(
                f"entity '{entity.name}': kinematics 'car' expected a field with role 'heading', got none"
            )


def _rests(schema: Schema, name: str) -> None:
    """Without a plan nobody attacks: what is certified is what a plan sent, not what a last hop makes up."""
    index = schema.channel(name)
    channel = None if index is None else schema.channels[index]
    if channel is not None and (channel.hold or channel.default != 0.0):
        raise SchemaError(
            f"channel '{name}': expected default 0 and no hold, got default {channel.default:g}, hold {channel.hold}"
        )


def _unique(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"{where}: '{name}' is there twice")
        seen.add(name)


def _area(ring: NDArray[np.float64]) -> float:
    after = np.roll(ring, -1, axis=0)
    return float(0.5 * (ring[:, 0] * after[:, 1] - ring[:, 1] * after[:, 0]).sum())


def _self_crossing(ring: NDArray[np.float64]) -> tuple[int, int] | None:
    """Returns the first pair of edges that touch besides neighbours sharing their vertex.

    A spike or an edge of length 0 makes the edges on both its sides touch, so it is found too.
    """
    count = len(ring)
    a, b = ring, np.roll(ring, -1, axis=0)

    def side(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        turn = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.asarray(np.sign(turn))

    first, second = np.triu_indices(count, 1)
    apart = (second - first > 1) & ~((first == 0) & (second == count - 1))
    i, j = first[apart], second[apart]
    one, two = side(a[i], b[i], a[j]), side(a[i], b[i], b[j])
    three, four = side(a[j], b[j], a[i]), side(a[j], b[j], b[i])
    straddles = (one * two <= 0) & (three * four <= 0)
    overlaps = (
        np.maximum(np.minimum(a[i], b[i]), np.minimum(a[j], b[j]))
        <= np.minimum(np.maximum(a[i], b[i]), np.maximum(a[j], b[j]))
    ).all(axis=1)
    hits = np.flatnonzero(straddles & overlaps)
    return (int(i[hits[0]]), int(j[hits[0]])) if len(hits) else None
