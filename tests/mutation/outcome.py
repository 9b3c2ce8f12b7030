"""What came of every mutant, and the list of those that no test can tell from the code."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_module_from_key, orig_function_and_class_names_from_key

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
FATES = {
    "killed": "killed",
    "timeout": "killed",
    "segfault": "killed",
    "survived": "survived",
    "no tests": "not covered",
}
COLUMNS = ("mutants", "killed", "survived", "equivalent", "not covered", "not run")


@dataclass(frozen=True, slots=True)
class Change:
    """One mutant as a reader sees it; known again wherever the function moves, and gone once the line is another."""

    function: str  # with module and class; "" of every one
    was: str
    now: str

    def covers(self, other: Change) -> bool:
        """Says whether another change is this one, made somewhere in its line."""
        parts = other.was.split(self.was)
        heads = (self.was.join(parts[:k]) + self.now + self.was.join(parts[k:]) for k in range(1, len(parts)))
        return other.now in heads


class Judged(Protocol):
    """A mutant that something came of."""

    @property
    def path(self) -> str:
        """Its file."""

    @property
    def fate(self) -> str:
        """What came of it, of COLUMNS."""

    @property
    def function(self) -> str:
        """The function that it is a mutant of, with module and class."""

    @property
    def change(self) -> Change:
        """What it changes."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant as mutmut keeps it."""

    key: str  # mutmut's name for it
    path: str
    fate: str

    @property
    def function(self) -> str:
        """Reads it off mutmut's name."""
        name, owner = orig_function_and_class_names_from_key(self.key)
        return ".".join(filter(None, (get_module_from_key(self.key), owner, name)))

    @property
    def change(self) -> Change:
        """Reads it off the code that mutmut wrote."""
        lines = get_diff_for_mutant(self.key, path=self.path).splitlines()[2:]
        was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
        return Change(self.function, was, now)


@dataclass(slots=True)
class Outcome:
    """The table's rows, and what somebody must look at."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)  # by path
    survivors: list[tuple[str, Change]] = field(default_factory=list)
    stale: list[Change] = field(default_factory=list)  # listed as equivalent, but no mutant any more
    wrong: list[Change] = field(default_factory=list)  # listed as equivalent, but killed

    @property
    def clean(self) -> bool:
        """Whether nothing is left to look at among what was run."""
        return not (self.survivors or self.stale or self.wrong)


def mutants(paths: Collection[str] = ()) -> list[Mutant]:
    """Returns every mutant that mutmut has made, of these files or of all."""
    found = []
    for path in sorted(map(str, walk_mutatable_files())):
        data = SourceFileMutationData(path=path)
        data.load()
        fates = ((key, FATES.get(status_by_exit_code[code], "not run")) for key, code in data.exit_code_by_key.items())
        found += [Mutant(key, path, fate) for key, fate in fates if not paths or path in paths]
    return found


def equivalents(text: str) -> dict[Change, str]:
    """Reads the changes that are none, each with the argument."""
    read = tomllib.loads(text)
    entries = [*read.get("mutant", []), *read.get("everywhere", [])]
    return {Change(entry.get("in", ""), entry["was"], entry["now"]): entry["because"] for entry in entries}


def judged(made: Collection[Judged], listed: Mapping[Change, str]) -> Outcome:
    """Puts mutants and the list of equivalents together."""
    outcome, functions = Outcome(), {change.function for change in listed}
    everywhere = [change for change in listed if not change.function]
    seen: set[Change] = set()
    for mutant in made:
        change = mutant.change if mutant.fate == "survived" or mutant.function in functions else None
        fate = mutant.fate
        if change is not None and change in listed:
            seen.add(change)
            fate = "equivalent" if fate == "survived" else fate
            outcome.wrong += [change] if fate == "killed" else []
        elif change is not None and fate == "survived" and any(each.covers(change) for each in everywhere):
            fate = "equivalent"
        elif change is not None and fate == "survived":
            outcome.survivors.append((mutant.path, change))
        outcome.counts.setdefault(mutant.path, Counter())[fate] += 1
    looked_at = {mutant.function for mutant in made}
    modules = {function.rpartition(".")[0] for function in looked_at}
    outcome.stale = [
        change
        for change in listed
        if change not in seen and any(change.function.startswith(f"{module}.") for module in modules)
    ]
    return outcome


def told(outcome: Outcome) -> Iterator[str]:
    """Yields the lines of the report."""
    yield f"{'':44}" + "".join(f"{column:>13}" for column in COLUMNS)
    total: Counter[str] = Counter()
    for path, counts in [*outcome.counts.items(), ("all", total)]:
        yield f"{path:44}" + "".join(f"{counts[c] if c != 'mutants' else counts.total():13}" for c in COLUMNS)
        if counts is not total:
            total.update(counts)
    for path, change in outcome.survivors:
        yield f"\nsurvived in {path}: {change.function}\n  - {change.was}\n  + {change.now}"
    for change in outcome.stale:
        yield f"\nlisted as equivalent, but no mutant any more: {change.function}\n  - {change.was}\n  + {change.now}"
    for change in outcome.wrong:
        yield f"\nlisted as equivalent, but killed: {change.function}\n  - {change.was}\n  + {change.now}"
