"""Rules in a TOML file: `[[constraints]]` tables, each known by the line on which it begins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from npc_sdk.constraints import Points, Rule, ShareLimit, from_table
from npc_sdk.errors import ConstraintError, ExpressionError
from npc_sdk.objectives.terms import priced_term

_HEADER = re.compile(r"^\s*\[\[\s*constraints\s*\]\]\s*(#.*)?$")
_SYNTAX_LINE = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of one file, as they stand there."""

    path: Path
    tables: tuple[dict[str, object], ...]
    lines: tuple[int, ...]  # 1-based, of each table's header

    @property
    def places(self) -> dict[str, str]:
        """Where each rule stands, by name: `rules.toml:3`."""
        names = (str(table.get("name", table.get("rule"))) for table in self.tables)
        return {name: f"{self.path.name}:{line}" for name, line in zip(names, self.lines, strict=True)}


def located(text: str, places: Mapping[str, str]) -> str:
    """Adds to a message where the rules that it names stand: `... (rules.toml:3, more.toml:12)`."""
    named = [place for name, place in places.items() if f"'{name}'" in text]
    return f"{text} ({', '.join(named)})" if named else text


def read_rule(table: Mapping[str, object], zones: Mapping[str, Points] | None = None) -> Rule:
    """Reads one rule, as `from_table`, and the expression in it if it has one.

    Raises:
        ConstraintError: names the rule, the key, what was expected and what came.
    """
    rule = from_table(table, zones)
    if isinstance(rule, ShareLimit):
        try:
            priced_term(rule.name, rule.of)
        except ExpressionError as error:
            raise ConstraintError(f"rule '{rule.name}', key 'of': {error}", [rule.name]) from error
    return rule


def read_rulebook(path: str | Path) -> Rulebook:
    """Reads a file of rules. Zones are the game's, so a rule that names one is looked at only by the brain.

    Raises:
        ConstraintError: with file and line, the rule, the key, what was expected and what came.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConstraintError(f"{path}: expected a file of rules in UTF-8, got {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise ConstraintError(f"{path}:{line}: expected TOML, got {error}") from error
    tables = document.pop("constraints", None)
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        extra = next(iter(document), "constraints")
        raise ConstraintError(f"{path}: expected nothing but [[constraints]] tables, got {extra!r}")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)]
    book = Rulebook(path, tuple(tables), tuple(lines) if len(lines) == len(tables) else (0,) * len(tables))
    for table, line in zip(book.tables, book.lines, strict=True):
        try:
            if "zone" not in table:
                read_rule(table)
        except ConstraintError as error:
            raise ConstraintError(f"{path}:{line}: {error}", error.rules) from error
    return book
