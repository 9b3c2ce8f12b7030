"""The pages of the documentation, as code: what a reader would type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
BORROWED = DOCS / "howto" / "pettingzoo.md"


def blocks(page: Path, language: str) -> list[str]:
    """A page's code in a language, unindented, in order."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def lines(page: Path) -> list[str]:
    """All that a page has its reader type, in order."""
    return [line for block in blocks(page, "bash") for line in block.splitlines()]


def commands(page: Path) -> list[list[str]]:
    """A page's `npc-sdk` commands without their first word, in order."""
    return [shlex.split(line)[1:] for line in lines(page) if line.startswith("npc-sdk")]
