"""Reads one rule from a parsed TOML table, or from the same table sent by a designer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

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
from npc_sdk.constraints.rules.read import Points, forecast_tier, polygon, selector, tier
from npc_sdk.errors import ConstraintError, meant, nearest

Zone: TypeAlias = KeepOut | KeepIn | NoStop
Rule: TypeAlias = (
    Zone
    | Navmesh
    | Leash
    | KeepAway
    | StayNear
    | ReactionTime
    | SpeedLimit
    | AccelerationLimit
    | TurnLimit
    | AllyDistance
    | HoldFire
    | Cooldown
    | AttackLimit
    | AttackTokens
    | Reserve
    | FriendlyFire
    | Splash
    | MoveInTurn
    | ShareLimit
    | StayClear
)
_ZONES: tuple[type[Zone], ...] = (KeepOut, KeepIn, NoStop)
_OTHERS: tuple[type[Rule], ...] = (
    Navmesh,
    Leash,
    KeepAway,
    StayNear,
    ReactionTime,
    SpeedLimit,
    AccelerationLimit,
    TurnLimit,
    AllyDistance,
    HoldFire,
    Cooldown,
    AttackLimit,
    AttackTokens,
    Reserve,
    FriendlyFire,
    Splash,
    MoveInTurn,
    ShareLimit,
    StayClear,
)
TYPES: Mapping[str, type[Rule]] = {rule.rule: rule for rule in (*_ZONES, *_OTHERS)}
"""The rules there are, by what a table's `rule` key calls them."""

RULES = tuple(TYPES)
KINDS = ("wall", "bounds", *(rule.kind for rule in TYPES.values() if rule.kind), "grid", "steering", "airborne")
"""The columns of every per-rule array. A kind is what the shield counts by; walls, bounds and how a body moves, or that
it does not obey, need no rule. The wire numbers them: new ones come last."""


def from_table(table: Mapping[str, object], zones: Mapping[str, Points] | None = None) -> Rule:
    """Reads one rule.

    `rule` says which; `name` and `who` go with every rule; a zone rule has either `zone`, the name of a declared
    polygon looked up in `zones`, or `polygon`, a list of points in metres.

    Raises:
        ConstraintError: names the rule, the key, what was expected and what came.
    """
    word = table.get("rule")
    if not isinstance(word, str) or word not in TYPES:
        raise ConstraintError(f"key 'rule': expected one of {', '.join(RULES)}, got {word!r}{meant(str(word), RULES)}")
    kind = TYPES[word]
    name = table.get("name", word)
    if not isinstance(name, str) or not name:
        raise ConstraintError(f"rule '{word}', key 'name': expected a text, got {name!r}")
    own = {"zone", "polygon"} if kind in _ZONES else set(kind.keys)
    for key in table:
        if key not in own | {"rule", "name", "who", "tier"}:
            known = sorted(own | {"rule", "name", "who", "tier"})
            raise ConstraintError(f"rule '{name}': unknown key '{key}'{nearest(key, known)}")
    values: dict[str, object] = {
        "who": selector(name, table.get("who", "all")),
        "tier": _tier(kind, name, table),
    }
    if kind in _ZONES:
        values["polygon"] = polygon(name, table, zones or {})
    values |= {key: read(name, key, table.get(key)) for key, read in kind.keys.items()}
    return cast(Callable[..., Rule], kind)(name=name, **values)


def _tier(kind: type[Rule], name: str, table: Mapping[str, object]) -> int:
    return forecast_tier(name, table.get("tier", 1)) if kind.class_ == "H" else tier(name, table.get("tier", 0))
