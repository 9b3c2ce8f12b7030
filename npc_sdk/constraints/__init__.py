"""Hard rules: declared, checked for conflicts at load, and compiled into plain tables. NumPy only."""

from __future__ import annotations

from npc_sdk.constraints.admission import check_polygons, check_rules
from npc_sdk.constraints.compile import KIND, Body, Outline, RuleTables, compile_rules
from npc_sdk.constraints.margins import margins, shape_clearance
from npc_sdk.constraints.rules import (
    KINDS,
    RULES,
    AccelerationLimit,
    AllyDistance,
    HoldFire,
    KeepIn,
    KeepOut,
    Leash,
    Points,
    Rule,
    SpeedLimit,
    Who,
    from_table,
    parse_who,
)

__all__ = [
    "KIND",
    "KINDS",
    "RULES",
    "AccelerationLimit",
    "AllyDistance",
    "Body",
    "HoldFire",
    "KeepIn",
    "KeepOut",
    "Leash",
    "Outline",
    "Points",
    "Rule",
    "RuleTables",
    "SpeedLimit",
    "Who",
    "check_polygons",
    "check_rules",
    "compile_rules",
    "from_table",
    "margins",
    "parse_who",
    "shape_clearance",
]
