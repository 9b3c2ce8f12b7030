"""Rules in another frame of reference: designers write in the world's, a far-off game streams in its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from npc_sdk.constraints.rules.places import KeepIn, KeepOut, Navmesh, NoStop
from npc_sdk.constraints.rules.read import Points
from npc_sdk.constraints.rules.table import Rule


def moved(rules: Sequence[Rule], by: tuple[float, float]) -> tuple[Rule, ...]:
    """Returns the rules with all that lies at a place moved, m. Distances, and what goes by homes, stay as they are."""
    return tuple(rules) if by == (0.0, 0.0) else tuple(_moved(rule, by) for rule in rules)


def _moved(rule: Rule, by: tuple[float, float]) -> Rule:
    match rule:
        case KeepOut() | KeepIn() | NoStop():
            return replace(rule, polygon=shifted(rule.polygon, by))
        case Navmesh():
            return replace(rule, polygons=tuple(shifted(polygon, by) for polygon in rule.polygons))
        case _:
            return rule


def shifted(polygon: Points, by: tuple[float, float]) -> Points:
    """Returns a polygon moved, m."""
    return tuple((x + by[0], y + by[1]) for x, y in polygon)
