"""Rules in a file: every mistake is said with file and line, and a set goes in force as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from npc_sdk.constraints import Rule
from npc_sdk.designer.board import Board
from npc_sdk.designer.rulebook import located, read_rulebook
from npc_sdk.errors import ConstraintError, ControlError

GOOD = """# rules of the vault
[[constraints]]
rule = "leash"
name = "post"
radius = 4.0

[[constraints]]  # keep off
rule = "keep_out"
name = "vault"
polygon = [
    [2, 2], [6, 2],
    [6, 5],
]
"""


def book(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_the_line_of_every_rule(tmp_path: Path) -> None:
    found = read_rulebook(book(tmp_path, GOOD))
    assert [table["name"] for table in found.tables] == ["post", "vault"]
    assert found.lines == (2, 7)
    said = "rules 'vault', 'post': no room"
    assert located(said, found.places) == f"{said} (rules.toml:2, rules.toml:7)"
    assert located(said, {"post": "first.toml:9"} | {"vault": "rules.toml:7"}) == f"{said} (first.toml:9, rules.toml:7)"
    assert located("something else", found.places) == "something else"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("radius", "raduis"), ["rules.toml:2:", "raduis", "'radius'"]),
        (GOOD.replace('"keep_out"', '"keep_uot"'), ["rules.toml:7:", "keep_uot", "'keep_out'"]),
        (GOOD + "\n[[constraints]]\nrule = ", ["rules.toml:16:", "TOML"]),
        ("weights = 1\n", ["[[constraints]]", "'weights'"]),
        ("", ["[[constraints]]"]),
        ("constraints = [1]\n", ["[[constraints]]"]),
    ],
)
def test_a_wrong_file_says_what_and_where(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConstraintError) as error:
        read_rulebook(book(tmp_path, text))
    for word in words:
        assert word in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConstraintError, match=r"no\.toml"):
        read_rulebook(tmp_path / "no.toml")


def test_rules_go_in_force_together_or_not_at_all(tmp_path: Path) -> None:
    def admit(rules: tuple[Rule, ...]) -> None:
        if any(rule.name == "vault" for rule in rules):
            raise ConstraintError("rules 'post', 'vault': no room", ["post", "vault"])

    tables = list(read_rulebook(book(tmp_path, GOOD)).tables)
    board = Board(admit=admit)
    with pytest.raises(ControlError, match="'post', 'vault'"):
        board.apply({"op": "add_rules", "rules": tables})
    assert board.snapshot.rules == ()
    free = Board()
    revision = free.snapshot.revision
    free.apply({"op": "add_rules", "rules": tables})
    assert [rule.name for rule in free.snapshot.rules] == ["post", "vault"]
    assert free.snapshot.revision == revision + 1
    free.apply({"op": "undo"})
    assert free.snapshot.rules == ()


@pytest.mark.parametrize("rules", [[], ["leash"], [{"rule": "hold_fire"}, {"rule": "hold_fire"}]])
def test_a_list_that_is_none_is_refused(rules: list[object]) -> None:
    with pytest.raises(ControlError, match="rules: expected"):
        Board().apply({"op": "add_rules", "rules": rules})
