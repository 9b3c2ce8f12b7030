"""Personas: named weights in TOML files, reloaded while the game runs.

A persona is data and nothing but data: no code anywhere asks for one by name.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from npc_sdk.designer.barks import BARK_KEYS
from npc_sdk.errors import PersonaError, nearest

SHIPPED = Path(__file__).parent.parent / "personas"  # the files that come with the package
MAX_FILE_BYTES = 64 * 1024  # a persona is a page of numbers; more is a mistake or an attack
_FIELDS = ("description", "colour", "weights", "barks")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_SYNTAX_LINE = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class Persona:
    """What one persona file says.

    Attributes:
        name: the file's stem.
        weights: term -> weight, finite and >= 0; a term not named here keeps the weight of the wider scopes.
        description: one sentence for the designer's panel.
        colour: `#rrggbb` to draw its NPCs in, or "".
        barks: bark key -> this persona's wording of it.
    """

    name: str
    weights: Mapping[str, float]
    description: str = ""
    colour: str = ""
    barks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class PersonaEvent(Enum):
    """What a refresh found."""

    LOADED = "loaded"
    CHANGED = "changed"
    REJECTED = "rejected"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PersonaChange:
    """One file that differs from the last look; `error` is set when it was rejected."""

    event: PersonaEvent
    name: str
    error: PersonaError | None = None


def load_persona(path: Path, terms: Collection[str], barks: Collection[str] = BARK_KEYS) -> Persona:
    """Return the persona in `path`.

    Args:
        path: a TOML file whose stem is the persona's name.
        terms: names a weight may be given for.
        barks: keys that may be reworded.

    Raises:
        PersonaError: with file, line and field.
    """
    if not _NAME.fullmatch(path.stem):
        raise PersonaError(path, 0, "", "expected a file name of a-z, 0-9, _ and -, at most 32 characters")
    return parse_persona(path.stem, _read(path), path, terms, barks)


def parse_persona(
    name: str, text: str, path: Path, terms: Collection[str], barks: Collection[str] = BARK_KEYS
) -> Persona:
    """Return the persona that `text` describes; `path` only serves the error messages."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise PersonaError(path, line, "", f"expected TOML, got {error}") from error

    def wrong(problem: str, *at: str) -> PersonaError:
        return PersonaError(path, line_of(text, at), ".".join(at), problem)

    for key in table:
        if key not in _FIELDS:
            raise wrong(f"unknown key{nearest(key, _FIELDS)}", key)
    description, colour = table.get("description", ""), table.get("colour", "")
    if not isinstance(description, str):
        raise wrong(f"expected a sentence in quotes, got {description!r}", "description")
    if not isinstance(colour, str) or (colour and not _COLOUR.fullmatch(colour)):
        raise wrong(f"expected a colour like '#d9483b', got {colour!r}", "colour")
    for section in ("weights", "barks"):
        if not isinstance(table.get(section, {}), dict):
            raise wrong(f"expected a table, got {table[section]!r}", section)

    weights = {}
    for term, value in table.get("weights", {}).items():
        if term not in terms:
            raise wrong(f"unknown term{nearest(term, terms)}", "weights", term)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise wrong(f"expected a finite number >= 0, got {value!r}", "weights", term)
        weights[term] = float(value)
    wording = {}
    for bark, line in table.get("barks", {}).items():
        if bark not in barks:
            raise wrong(f"unknown bark{nearest(bark, barks)}", "barks", bark)
        if not isinstance(line, str) or not 0 < len(line) <= 80:
            raise wrong(f"expected 1 to 80 characters in quotes, got {line!r}", "barks", bark)
        wording[bark] = line
    return Persona(name, MappingProxyType(weights), description, colour, MappingProxyType(wording))


def line_of(text: str, at: tuple[str, ...]) -> int:
    """Return the 1-based line on which the field `at` is given in the TOML `text`, 0 when it is not there.

    tomllib keeps no positions. The text is read once more, line by line: a field starts behind the last prefix that
    is whole without it.
    """
    lines = text.splitlines()
    whole = 0
    for end in range(1, len(lines) + 1):
        try:
            value: object = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # inside a value of several lines
        for key in at:
            if not isinstance(value, dict) or key not in value:
                break
            value = value[key]
        else:
            return whole + 1
        whole = end
    return 0


class PersonaLibrary:
    """The personas in a directory of `*.toml` files, re-read when a file changes.

    An invalid file keeps the last good version in play, and so does a deleted one: NPCs may still wear it. Not
    thread-safe; `refresh` is cheap enough (one stat a file) to call every second.
    """

    def __init__(self, directory: Path, terms: Collection[str], barks: Collection[str] = BARK_KEYS) -> None:
        """Look at `directory` for the first time; files that are wrong are listed in `errors`.

        Raises:
            PersonaError: if there is no such directory.
        """
        if not directory.is_dir():
            raise PersonaError(directory, 0, "", "expected a directory of persona files, found none")
        self._directory = directory
        self._terms = terms
        self._barks = barks
        self._stamps: dict[str, tuple[int, int]] = {}
        self._personas: dict[str, Persona] = {}
        self._errors: dict[str, PersonaError] = {}
        self.refresh()

    @property
    def personas(self) -> Mapping[str, Persona]:
        """Return name -> the last good version."""
        return MappingProxyType(dict(sorted(self._personas.items())))

    @property
    def errors(self) -> tuple[PersonaError, ...]:
        """Return what is wrong with files right now."""
        return tuple(self._errors.values())

    def refresh(self, terms: Collection[str] | None = None) -> tuple[PersonaChange, ...]:
        """Re-read files that changed since the last look and return what changed.

        Args:
            terms: the names that are known now, where terms were added or removed; rejected files are then tried again.
        """
        if terms is not None and set(terms) != set(self._terms):
            self._terms = terms
            for name in self._errors:
                self._stamps.pop(name, None)
        found = {path.stem: path for path in sorted(self._directory.glob("*.toml"))}
        changes = [PersonaChange(PersonaEvent.MISSING, name) for name in self._stamps if name not in found]
        for change in changes:
            del self._stamps[change.name]
            self._errors.pop(change.name, None)
        for name, path in found.items():
            stamp = _stamp(path)
            if stamp is not None and stamp != self._stamps.get(name):
                self._stamps[name] = stamp
                changes.append(self._reload(name, path))
        return tuple(changes)

    def _reload(self, name: str, path: Path) -> PersonaChange:
        try:
            persona = load_persona(path, self._terms, self._barks)
        except PersonaError as error:
            self._errors[name] = error
            return PersonaChange(PersonaEvent.REJECTED, name, error)
        event = PersonaEvent.CHANGED if name in self._personas else PersonaEvent.LOADED
        self._personas[name] = persona
        self._errors.pop(name, None)
        return PersonaChange(event, name)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PersonaError(path, 0, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise PersonaError(path, 0, "", f"expected at most {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PersonaError(path, line, "", "expected UTF-8 text") from error


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one version of a file from the next, None when it vanished meanwhile."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
