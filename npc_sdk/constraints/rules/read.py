"""Reads the values of a rule's keys. Every reader says what it expected, what came, and in which key of which rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from npc_sdk.errors import ConstraintError, meant

Who: TypeAlias = str | tuple[int, ...]
"""Whom a rule binds: "all", "squad:K", "persona:NAME" (resolved to ids by the caller), or a tuple of NPC ids."""

LAST_ID = 2**32 - 1
"""Ids travel as 32 bits."""

Points: TypeAlias = tuple[tuple[float, float], ...]

Reader: TypeAlias = Callable[[str, str, object], object]
"""Takes the rule's name, the key and what the table has there, None where it has nothing; returns the value."""


def positive(rule: str, key: str, value: object) -> float:
    """A number above 0 that must be given."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise ConstraintError(f"rule '{rule}', key '{key}': expected a number above 0, got {value!r}")
    return float(value)


def number(default: float, most: float = math.inf) -> Reader:
    """A number of at least 0, `default` where the table has none."""

    def read(rule: str, key: str, value: object) -> float:
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= most:
            wanted = "at least 0" if most == math.inf else f"from 0 to {most:g}"
            raise ConstraintError(f"rule '{rule}', key '{key}': expected a number {wanted}, got {value!r}")
        return float(value)

    return read


def fraction(default: float | None = None) -> Reader:
    """A number above 0 and below 1; without a default it must be given."""

    def read(rule: str, key: str, value: object) -> float:
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value < 1.0:
            raise ConstraintError(f"rule '{rule}', key '{key}': expected a number above 0 and below 1, got {value!r}")
        return float(value)

    return read


def duration(default: float) -> Reader:
    """A time above 0, s, `default` where the table has none."""

    def read(rule: str, key: str, value: object) -> float:
        return positive(rule, key, default if value is None else value)

    return read


def count(rule: str, key: str, value: object) -> int:
    """A whole number above 0 that must be given."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConstraintError(f"rule '{rule}', key '{key}': expected a whole number above 0, got {value!r}")
    return value


def word(default: str | None = None) -> Reader:
    """A name, `default` where the table has none; without a default it must be given."""

    def read(rule: str, key: str, value: object) -> str:
        if default is not None and value in (None, default):
            return default
        if not isinstance(value, str) or not value:
            raise ConstraintError(f"rule '{rule}', key '{key}': expected a text, got {value!r}")
        return value

    return read


def one_of(names: Collection[str], default: str) -> Reader:
    """One of some names, `default` where the table has none."""

    def read(rule: str, key: str, value: object) -> str:
        value = default if value is None else value
        if not isinstance(value, str) or value not in names:
            raise ConstraintError(
                f"rule '{rule}', key '{key}': expected one of {', '.join(names)}, got {value!r}"
                + meant(str(value), names)
            )
        return value

    return read


def polygon(rule: str, table: Mapping[str, object], zones: Mapping[str, Points]) -> Points:
    """The outline of a rule that has either `zone`, a declared polygon's name, or `polygon`, points in metres."""
    if ("zone" in table) == ("polygon" in table):
        raise ConstraintError(f"rule '{rule}': expected exactly one of the keys 'zone' and 'polygon'")
    zone = table.get("zone")
    if zone is not None:
        if not isinstance(zone, str) or zone not in zones:
            raise ConstraintError(
                f"rule '{rule}', key 'zone': expected one of {', '.join(sorted(zones)) or '(no zone is declared)'}, "
                f"got {zone!r}{meant(str(zone), zones)}"
            )
        return zones[zone]
    return points(rule, "polygon", table["polygon"])


def points(rule: str, key: str, value: object) -> Points:
    """At least three points in metres."""
    if not isinstance(value, (list, tuple)) or len(value) < 3:
        raise ConstraintError(f"rule '{rule}', key '{key}': expected at least 3 points, got {value!r}")
    return tuple(_point(rule, key, point) for point in value)


def meshes(rule: str, key: str, value: object) -> tuple[Points, ...]:
    """At least one polygon."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ConstraintError(f"rule '{rule}', key '{key}': expected a list of polygons, got {value!r}")
    return tuple(points(rule, key, polygon) for polygon in value)


def parse_who(name: str, who: str) -> tuple[str, str]:
    """Splits a selector into ("all", ""), ("squad", number) or ("persona", name)."""
    head, _, tail = who.partition(":")
    number = tail.removeprefix("-")
    if who == "all" or (head == "squad" and number.isascii() and number.isdigit()) or (head == "persona" and tail):
        return head, tail
    raise ConstraintError(
        f"rule '{name}', key 'who': expected all, squad:K, persona:NAME or a list of ids, got {who!r}"
        + meant(head, ("all", "squad", "persona"))
    )


def selector(rule: str, value: object) -> Who:
    """Whom a rule binds."""
    if isinstance(value, str):
        parse_who(rule, value)
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, int) and 0 <= v <= LAST_ID for v in value):
        return tuple(value)
    raise ConstraintError(
        f"rule '{rule}', key 'who': expected all, squad:K, persona:NAME or a list of ids, got {value!r}"
    )


def tier(rule: str, value: object) -> int:
    """The tier of a hard rule, of which there is one."""
    if isinstance(value, bool) or value != 0:
        raise ConstraintError(f"rule '{rule}', key 'tier': expected 0 (the only tier of a hard rule), got {value!r}")
    return 0


def forecast_tier(rule: str, value: object) -> int:
    """The tier of a rule of class H, of which there is one: a forecast must not stand beside what holds by proof."""
    if isinstance(value, bool) or value != 1:
        raise ConstraintError(
            f"rule '{rule}', key 'tier': expected 1 (a rule of class H is a forecast, and tier 0 is for rules "
            f"that hold by proof), got {value!r}",
            [rule],
        )
    return 1


def _point(rule: str, key: str, value: object) -> tuple[float, float]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        x, y = value
        if isinstance(x, (int, float)) and isinstance(y, (int, float)) and math.isfinite(x) and math.isfinite(y):
            return float(x), float(y)
    raise ConstraintError(f"rule '{rule}', key '{key}': expected points [x, y] in metres, got {value!r}")
