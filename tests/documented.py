"""What the reference page says a command prints, for tests that hold the command to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from npc_sdk.constraints import KINDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"


def documented_keys(command: str) -> set[str]:
    """Return the keys in the table of the section `## npc-sdk COMMAND`; `a.b` is nested, `a[].b` nested in a list."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^## npc-sdk {re.escape(command)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{PAGE.name} has no section for npc-sdk {command}"
    return set(re.findall(r"^\| `([^`]+)` \|", section[1], re.MULTILINE))


def printed_keys(value: object, within: str = "") -> set[str]:
    """Return the keys of a printed object in the same notation, `<rule>` for any kind of rule."""
    if isinstance(value, list):
        return {key for item in value for key in printed_keys(item, f"{within}[]")}
    if not isinstance(value, Mapping):
        return set()
    keys = set()
    for name, inner in value.items():
        name = "<rule>" if name in KINDS else name
        path = f"{within}.{name}" if within else str(name)
        keys |= {path} | printed_keys(inner, path)
    return keys
