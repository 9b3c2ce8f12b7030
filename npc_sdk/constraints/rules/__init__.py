"""The rules a designer may declare. Each says its class, tier, assumptions, and itself in words.

Classes: S is structural on the action; N1 is one step plus a brake; N1 joint concerns two NPCs that both move; J is a
joint allocation, T a counter over time; X depends on somebody else and is attributed. A rule of tier 0 is never traded
for anything. Class H, and it alone, is a forecast: tier 1, the planner's business, nothing that the shield certifies.
"""

from __future__ import annotations

from npc_sdk.constraints.rules.attacks import (
    AttackLimit,
    AttackTokens,
    Cooldown,
    FriendlyFire,
    HoldFire,
    Reserve,
    Splash,
)
from npc_sdk.constraints.rules.forecasts import ShareLimit, StayClear
from npc_sdk.constraints.rules.motion import AccelerationLimit, AllyDistance, MoveInTurn, SpeedLimit, TurnLimit
from npc_sdk.constraints.rules.others import KeepAway, ReactionTime, StayNear
from npc_sdk.constraints.rules.places import KeepIn, KeepOut, Leash, Navmesh, NoStop
from npc_sdk.constraints.rules.read import Points, Who, parse_who
from npc_sdk.constraints.rules.rebase import moved, shifted
from npc_sdk.constraints.rules.table import KINDS, RULES, TYPES, Rule, Zone, from_table

__all__ = [
    "KINDS",
    "RULES",
    "TYPES",
    "AccelerationLimit",
    "AllyDistance",
    "AttackLimit",
    "AttackTokens",
    "Cooldown",
    "FriendlyFire",
    "HoldFire",
    "KeepAway",
    "KeepIn",
    "KeepOut",
    "Leash",
    "MoveInTurn",
    "Navmesh",
    "NoStop",
    "Points",
    "ReactionTime",
    "Reserve",
    "Rule",
    "ShareLimit",
    "SpeedLimit",
    "Splash",
    "StayClear",
    "StayNear",
    "TurnLimit",
    "Who",
    "Zone",
    "from_table",
    "moved",
    "parse_who",
    "shifted",
]
