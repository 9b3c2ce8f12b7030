"""The hard rules a designer may declare. Each says its class, tier, assumptions, and itself in words.

Classes: S is structural on the action, N1 is one step plus a brake, N1 joint concerns two NPCs that both move.
A rule of tier 0 is never traded for anything; no rule here is a forecast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from npc_sdk.errors import ConstraintError, nearest

KINDS = ("wall", "bounds", "keep_out", "keep_in", "leash", "speed", "acceleration", "spacing", "hold_fire")
"""The columns of every per-rule array. A kind is what the shield counts and reports by."""

Who: TypeAlias = str | tuple[int, ...]
"""Whom a rule binds: "all", "squad:K", "persona:NAME" (resolved to ids by the caller), or a tuple of NPC ids."""

Points: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class KeepOut:
    """Keeps the NPC's whole body out of a simple polygon, convex or not."""

    name: str
    polygon: Points
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "keep_out"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K3", "K5", "K6")
    text: ClassVar[str] = "the body never overlaps the zone"


@dataclass(frozen=True, slots=True)
class KeepIn:
    """Keeps the NPC's whole body inside a simple polygon, convex or not."""

    name: str
    polygon: Points
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "keep_in"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K3", "K5", "K6")
    text: ClassVar[str] = "the body never leaves the zone"


@dataclass(frozen=True, slots=True)
class Leash:
    """Keeps the NPC's centre within `radius` metres of its home."""

    name: str
    radius: float
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "leash"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K3", "K5", "K6")
    text: ClassVar[str] = "the centre stays within the radius of home"


@dataclass(frozen=True, slots=True)
class SpeedLimit:
    """Limits the commanded speed, m/s."""

    name: str
    speed: float
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "speed"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K5")
    text: ClassVar[str] = "the commanded speed never exceeds the limit"


@dataclass(frozen=True, slots=True)
class AccelerationLimit:
    """Limits the change of velocity per second, m/s^2. Braking obeys it too, so it is also the brake."""

    name: str
    acceleration: float
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "acceleration"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K5", "K6")
    text: ClassVar[str] = "velocity never changes faster than the limit"


@dataclass(frozen=True, slots=True)
class AllyDistance:
    """Keeps the centres of any two NPCs that it binds at least `distance` metres apart."""

    name: str
    distance: float
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "spacing"
    class_: ClassVar[str] = "N1 joint"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K4b", "K5", "K6")
    text: ClassVar[str] = "two bound NPCs are never closer than the distance"


@dataclass(frozen=True, slots=True)
class HoldFire:
    """Forbids firing and throwing in every decision that knows the game's hold-fire flag to be set."""

    name: str
    who: Who = "all"
    tier: int = 0
    kind: ClassVar[str] = "hold_fire"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K3")
    text: ClassVar[str] = "no shot and no throw is decided while the flag is known to be set"


Rule: TypeAlias = KeepOut | KeepIn | Leash | SpeedLimit | AccelerationLimit | AllyDistance | HoldFire

_ZONES: dict[str, type[KeepOut] | type[KeepIn]] = {"keep_out": KeepOut, "keep_in": KeepIn}
_LIMITS: dict[str, tuple[type[Leash] | type[SpeedLimit] | type[AccelerationLimit] | type[AllyDistance], str]] = {
    "leash": (Leash, "radius"),
    "speed_limit": (SpeedLimit, "speed"),
    "acceleration_limit": (AccelerationLimit, "acceleration"),
    "ally_distance": (AllyDistance, "distance"),
}
RULES = (*_ZONES, *_LIMITS, "hold_fire")
"""The names a table's `rule` key may have."""


def from_table(table: Mapping[str, object], zones: Mapping[str, Points] | None = None) -> Rule:
    """Reads one rule from a parsed TOML table.

    `rule` says which; `name` and `who` go with every rule; a zone rule has either `zone`, the name of a declared
    polygon looked up in `zones`, or `polygon`, a list of points in metres.

    Raises:
        ConstraintError: names the rule, the key, what was expected and what came.
    """
    kind = table.get("rule")
    if not isinstance(kind, str) or kind not in RULES:
        raise ConstraintError(
            f"key 'rule': expected one of {', '.join(RULES)}, got {kind!r}{nearest(str(kind), RULES)}"
        )
    name = table.get("name", kind)
    if not isinstance(name, str) or not name:
        raise ConstraintError(f"rule '{kind}', key 'name': expected a text, got {name!r}")
    keys = {"rule", "name", "who", "tier"}
    keys |= {"zone", "polygon"} if kind in _ZONES else {_LIMITS[kind][1]} if kind in _LIMITS else set()
    for key in table:
        if key not in keys:
            raise ConstraintError(f"rule '{name}': unknown key '{key}'{nearest(key, sorted(keys))}")
    who, tier = _who(name, table.get("who", "all")), _tier(name, table.get("tier", 0))
    if kind in _ZONES:
        return _ZONES[kind](name, _polygon(name, table, zones or {}), who, tier)
    if kind in _LIMITS:
        rule, key = _LIMITS[kind]
        return rule(name, _positive(name, key, table.get(key)), who, tier)
    return HoldFire(name, who, tier)


def parse_who(name: str, who: str) -> tuple[str, str]:
    """Splits a selector into ("all", ""), ("squad", number) or ("persona", name)."""
    head, _, tail = who.partition(":")
    if who == "all" or (head == "squad" and tail.removeprefix("-").isdigit()) or (head == "persona" and tail):
        return head, tail
    raise ConstraintError(
        f"rule '{name}', key 'who': expected all, squad:K, persona:NAME or a list of ids, got {who!r}"
        + nearest(head, ("all", "squad", "persona"))
    )


def _who(name: str, value: object) -> Who:
    if isinstance(value, str):
        parse_who(name, value)
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, int) and v >= 0 for v in value):
        return tuple(value)
    raise ConstraintError(
        f"rule '{name}', key 'who': expected all, squad:K, persona:NAME or a list of ids, got {value!r}"
    )


def _tier(name: str, value: object) -> int:
    if isinstance(value, bool) or value != 0:
        raise ConstraintError(f"rule '{name}', key 'tier': expected 0 (the only tier of a hard rule), got {value!r}")
    return 0


def _positive(name: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise ConstraintError(f"rule '{name}', key '{key}': expected a number above 0, got {value!r}")
    return float(value)


def _polygon(name: str, table: Mapping[str, object], zones: Mapping[str, Points]) -> Points:
    if ("zone" in table) == ("polygon" in table):
        raise ConstraintError(f"rule '{name}': expected exactly one of the keys 'zone' and 'polygon'")
    zone = table.get("zone")
    if zone is not None:
        if not isinstance(zone, str) or zone not in zones:
            raise ConstraintError(
                f"rule '{name}', key 'zone': expected one of {', '.join(sorted(zones)) or '(no zone is declared)'}, "
                f"got {zone!r}{nearest(str(zone), sorted(zones))}"
            )
        return zones[zone]
    points = table["polygon"]
    if not isinstance(points, (list, tuple)) or len(points) < 3:
        raise ConstraintError(f"rule '{name}', key 'polygon': expected at least 3 points, got {points!r}")
    return tuple(_point(name, point) for point in points)


def _point(name: str, value: object) -> tuple[float, float]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        x, y = value
        if isinstance(x, (int, float)) and isinstance(y, (int, float)) and math.isfinite(x) and math.isfinite(y):
            return float(x), float(y)
    raise ConstraintError(f"rule '{name}', key 'polygon': expected points [x, y] in metres, got {value!r}")
