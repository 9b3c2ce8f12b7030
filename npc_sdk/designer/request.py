"""The fields of a designer's request: plain values from outside, checked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from npc_sdk.errors import ControlError, nearest
from npc_sdk.objectives.weights import SCOPES, Scope

SCOPE_FORMS = ("global", "faction:NAME", "squad:NUMBER", "persona:NAME", "npc:ID")
TARGET_FORMS = ("global", "faction:NAME", "squad:NUMBER", "npc:ID")
_SCOPE = re.compile(r"(global)|(faction|persona):[\w-]{1,32}|(squad|npc):(0|[1-9]\d{0,9})")
_COMMON = frozenset({"op", "who", "group"})

ScopeKey = tuple[Scope, str]
Table = Mapping[str, object]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class NpcKey:
    """What decides which weights an NPC gets, besides its persona."""

    id: int
    squad: int = -1  # -1: none
    faction: str = ""


def check_fields(op: Table, needed: frozenset[str], allowed: frozenset[str]) -> None:
    """Raise ControlError where a request lacks a field it needs or has one it may not have."""
    known = needed | allowed
    for key in op:
        if key not in known | _COMMON:
            raise ControlError(f"{op['op']}: unknown field {key!r}{nearest(str(key), known)}", valid=sorted(known))
    for key in sorted(needed - op.keys()):
        raise ControlError(f"{op['op']}: field {key!r} is missing", valid=sorted(known))


_KINDS: dict[type, str] = {str: "text", float: "a number", bool: "true or false", dict: "a table", list: "a list"}


def get(table: Table, key: str, kind: type[_T], default: _T | None = None) -> _T:
    """Return a field of the wanted kind; whole numbers pass for numbers, booleans do not."""
    value = table.get(key, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        value = float(value)
    if not isinstance(value, kind):
        raise ControlError(f"field {key!r}: expected {_KINDS[kind]}, got {value!r}")
    return value


def scope_of(text: str, forms: tuple[str, ...]) -> ScopeKey:
    """Return scope and key of a text such as `squad:2` that has one of the `forms`."""
    word, _, key = text.partition(":")
    allowed = [form.partition(":")[0] for form in forms]
    for scope in SCOPES:
        if scope == word and scope in allowed and _SCOPE.fullmatch(text):
            return scope, key
    raise ControlError(f"scope: expected one of {', '.join(forms)}, got {text!r}", valid=forms)


def scope_text(at: ScopeKey) -> str:
    """Return the text that `scope_of` reads."""
    scope, key = at
    return f"{scope}:{key}" if key else scope


def npc_of(value: object) -> NpcKey:
    """Return the NPC that an inspect request asks about: `{id, squad?, faction?}` or just its id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return NpcKey(value)
    if not isinstance(value, dict):
        raise ControlError(f"npcs: expected ids or tables with id, squad and faction, got {value!r}")
    ids = {}
    for key, default in (("id", None), ("squad", -1)):
        number = value.get(key, default)
        if not isinstance(number, int) or isinstance(number, bool):
            raise ControlError(f"npcs: {key}: expected a whole number, got {number!r}")
        ids[key] = number
    return NpcKey(ids["id"], ids["squad"], get(value, "faction", str, ""))
