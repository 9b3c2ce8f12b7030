"""The mutants that the tests are judged by: what is changed, and the list of changes that no test can tell."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest
from mutation import operators
from mutation.outcome import EQUIVALENT, Change, equivalents, judged, told
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import mutate_file_contents

ROOT = Path(__file__).resolve().parents[2]


def mutants_of(*body: str) -> set[str]:
    """The lines that take the place of one in this function's body."""
    whole = ["def f(a, b, c):", *(f"    {line}" for line in body)]
    made = mutate_file_contents("f.py", "\n".join(whole) + "\n").code
    lines = {line.strip() for line in made.splitlines() if "mutmut" not in line}
    return {line for line in lines if line and not line.startswith(("def", "from", "#"))} - set(map(str.strip, body))


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutators, "mutation_operators", list(mutators.mutation_operators))
    monkeypatch.setattr("mutmut.mutation.file_mutation.mutation_operators", mutators.mutation_operators)
    operators.install()


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("return a + b * 2", {"return a - b * 2", "return a + b / 2", "return a + b * 3"}),
        ("return a <= b", {"return a < b"}),
        ("return a and not b", {"return a or not b", "return a and b"}),
        ("return c(a, b)", {"return c(b, a)"}),
        ("return c(a, a)", set()),
        ("return max(a, b)", {"return min(a, b)"}),
        ("return c.any(axis=1)", {"return c.all(axis=1)", "return c.any(axis=2)"}),
        ("return c(a, axis=b)", {"return c(a)"}),
        ("return Place(a, x=b)", set()),
        ("return zip(a, b, strict=True)", {"return zip(b, a, strict=True)"}),
        ("return c(a, axis=True)", {"return c(a, axis=False)", "return c(a)"}),
        ("return True", {"return False"}),
        ("return [x for x in a if x]", {"return [x for x in a if not (x)]"}),
        ("c.add(a)", {"pass"}),
        ("c[a] = b", {"pass"}),
        ("c = b", set()),
        ("c |= b", {"pass", "c = b", "c &= b"}),
        ("raise a", {"pass"}),
        ("return 'text'", set()),
    ],
)
def test_a_line_is_changed_in_every_way_that_says_something(line: str, mutants: set[str]) -> None:
    assert mutants_of(line) == mutants


def test_a_condition_is_turned_round() -> None:
    assert "if not (a):" in mutants_of("if a:", "    return b", "return c")
    assert "while not (a):" in mutants_of("while a:", "    a = b", "return c")


@dataclass(frozen=True)
class Made:
    """A mutant as `judged` sees it."""

    change: Change
    fate: str
    path: str = "shop/till.py"

    @property
    def function(self) -> str:
        return self.change.function


PAY, OWE = Change("shop.till.pay", "a + b", "a - b"), Change("shop.till.owe", "a < b", "a <= b")


def test_survivors_are_told_from_equivalents_and_a_wrong_or_stale_list_is_told() -> None:
    plain = judged([Made(PAY, "survived"), Made(OWE, "killed")], {})
    assert plain.survivors == [("shop/till.py", PAY)]
    assert not plain.clean
    listed = judged([Made(PAY, "survived"), Made(OWE, "killed")], {PAY: "because"})
    assert listed.clean
    assert listed.counts["shop/till.py"] == {"equivalent": 1, "killed": 1}
    assert judged([Made(OWE, "killed")], {OWE: "because"}).wrong == [OWE]
    gone = Change("shop.till.pay", "a + c", "a - c")
    assert judged([Made(PAY, "killed")], {gone: "because", Change("shop.door.open", "x", "y"): "because"}).stale == [
        gone
    ]
    assert judged([Made(PAY, "not run")], {}).clean


def test_an_entry_for_every_function_covers_each_place_in_a_line_and_nothing_else() -> None:
    twice = [Change("shop.till.pay", "f(-1) + f(-1)", now) for now in ("f(-2) + f(-1)", "f(-1) + f(-2)")]
    listed = equivalents('everywhere = [{ was = "f(-1", now = "f(-2", because = "none is known" }]')
    found = judged([Made(change, "survived") for change in twice], listed)
    assert found.clean
    assert found.counts["shop/till.py"] == {"equivalent": 2}
    other = Change("shop.till.pay", "f(-1) + g(-1)", "f(-1) + g(-2)")
    assert judged([Made(other, "survived")], listed).survivors == [("shop/till.py", other)]


def test_the_table_counts_by_file_and_in_all() -> None:
    made = [Made(PAY, "survived"), Made(OWE, "killed"), Made(OWE, "killed", "shop/door.py")]
    rows = [line.split() for line in told(judged(made, {})) if line.startswith(("shop", "all"))]
    assert rows == [
        ["shop/till.py", "2", "1", "1", "0", "0", "0"],
        ["shop/door.py", "1", "1", "0", "0", "0", "0"],
        ["all", "3", "2", "1", "0", "0", "0"],
    ]


def test_no_entry_of_the_list_is_about_a_line_that_is_gone() -> None:
    listed = equivalents(EQUIVALENT.read_text("utf-8"))
    folders = (ROOT / "npc_sdk" / "shield", ROOT / "npc_sdk" / "constraints")
    everything = "\n".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    for change, because in listed.items():
        assert because.strip(), change
        assert change.was != change.now, change
        found = source_of(change.function) if change.function else everything
        assert change.was in found, f"{change.function or 'no file'} has no more a line {change.was!r}"


def source_of(function: str) -> str:
    """The lines of a function or method, joined by single spaces."""
    parts = function.split(".")
    cut = next(k for k in range(len(parts), 0, -1) if ROOT.joinpath(*parts[:k]).with_suffix(".py").exists())
    text = ROOT.joinpath(*parts[:cut]).with_suffix(".py").read_text("utf-8")
    node: ast.AST = ast.parse(text)
    for name in parts[cut:]:
        found = (n for n in ast.iter_child_nodes(node) if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
        node = next(n for n in found if n.name == name)
    return " ".join(line.strip() for line in (ast.get_source_segment(text, node) or "").splitlines())
