"""The exceptions of the brain, one tree.

```
SdkError
+-- InputError            a value from outside is wrong; the message says what was expected, what came, and where
|   +-- PersonaError      a persona file: path, line and field
|   +-- ControlError      a designer's request: the current value and the names that would have been valid
|   +-- ExpressionError   the text of a term: column
|   +-- ConstraintError   a rule, or a set of rules that cannot hold together: the names of the rules
|   +-- ModelError        a checkpoint that does not fit the game
|   +-- LedgerError       a log of the shield: path, record and byte
+-- MissingDependency     an optional package is absent; the message is the command that installs it
```
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class SdkError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(SdkError, ValueError):
    """A value from outside is wrong."""


class PersonaError(InputError):
    """A persona file is wrong: `path`, `line` (1-based, 0 when the file as a whole is meant) and `field`."""

    def __init__(self, path: Path, line: int, field: str, problem: str) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {field}: {problem}" if field else f"{where}: {problem}")
        self.path = path
        self.line = line
        self.field = field
        self.problem = problem


class ControlError(InputError):
    """A request that the board refuses; the board is unchanged.

    `current` is the value that stays in force, `valid` the names that would have been accepted.
    """

    def __init__(self, message: str, *, current: object = None, valid: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.current = current
        self.valid = tuple(valid)


class ExpressionError(InputError):
    """The text of a term does not parse; `column` is 1-based."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        super().__init__(f"{problem} at column {column} of {text!r}")
        self.text = text
        self.column = column


class ConstraintError(InputError):
    """A rule cannot be accepted; `rules` names every rule that takes part in the conflict."""

    def __init__(self, message: str, rules: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.rules = tuple(rules)


class ModelError(InputError):
    """A checkpoint does not fit the game, or cannot be read."""


class LedgerError(InputError):
    """A log of the shield is none, cut short or changed: `path`, `record` (0 is the first) and `byte`."""

    def __init__(self, path: Path, record: int, byte: int, problem: str) -> None:
        super().__init__(f"{path}: record {record} (byte {byte}): {problem}")
        self.path = path
        self.record = record
        self.byte = byte
        self.problem = problem


class MissingDependency(SdkError, ImportError):
    """An optional package is absent."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'npc-sdk[{extra}]'")
        self.package = package
        self.extra = extra


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the known name nearest to `name`, or the list of known names."""
    names = sorted(known)
    return meant(name, names) or (f", expected one of {', '.join(names)}" if names else ", and none is known")


def meant(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the known name nearest to `name`, or nothing: for texts that list the names."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
