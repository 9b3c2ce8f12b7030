"""The guide to other people's worlds, as code: what a reader would type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "howto" / "pettingzoo.md"


def blocks(language: str) -> list[str]:
    """The page's code in a language, unindented, in order."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def commands() -> list[list[str]]:
    """The page's `npc-sdk` commands without their first word, in order."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("npc-sdk")]
