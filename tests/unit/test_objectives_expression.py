from __future__ import annotations

import pytest

from npc_sdk.errors import ExpressionError
from npc_sdk.objectives.expression import MOST_NODES, parse
from npc_sdk.objectives.vocabulary import QUANTITIES


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("player.distanc - 7", 1, "did you mean 'player.distance'"),
        ("7 + plyer.distance", 5, "did you mean 'player.distance'"),
        ("  self.x + bogus", 12, "unknown quantity 'bogus'"),
        ("relux(self.x)", 1, "did you mean 'relu'"),
        ("__import__('os').system('true')", 1, "unknown function"),
        ("self.x.__class__", 1, "unknown quantity"),
        ("(lambda: 1)()", 2, "unknown function"),
        ("[1, 2]", 1, "List is not part of the language"),
        ("'text'", 1, "expected a number"),
        ("True", 1, "expected a number"),
        ("1 if self.x else 2", 1, "IfExp is not part of the language"),
        ("self.x and 1", 1, "BoolOp is not part of the language"),
        ("1 < self.x < 2", 1, "Compare is not part of the language"),
        ("self.x == 1", 1, "Compare is not part of the language"),
        ("self.x % 2", 1, "BinOp is not part of the language"),
        ("~self.x", 1, "UnaryOp is not part of the language"),
        ("self.x ** self.y", 11, "constant power"),
        ("self.x ** 99", 11, "constant power"),
        ("self.x / 0", 10, "division by zero"),
        ("clip(self.x)", 1, "clip takes 3 arguments, got 1"),
        ("max(self.x, 1, default=2)", 1, "max takes"),
        ("max(*self.x)", 1, "max takes"),
        ("1e999", 1, "finite"),
        ("9" * 400, 1, "finite"),
        ("f(1)(2)", 1, "unknown function"),
        ("self.x[0]", 1, "Subscript is not part of the language"),
        ("(1).real", 1, "expected a name"),
        ("self.x +", 9, "not an expression"),
        ("", 1, "not an expression"),
        ("self.x\nimport os", 7, "plain ASCII"),
        ("\x00", 1, "plain ASCII"),
        ("self.x + größe", 12, "plain ASCII"),
        ("1 + * 2", 5, "not an expression"),
        ("  a b", 5, "not an expression"),
    ],
)
def test_what_does_not_belong_is_named_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text, QUANTITIES)
    assert caught.value.column == column


def test_too_long_and_too_large_texts_are_refused() -> None:
    with pytest.raises(ExpressionError, match="at most 500 characters"):
        parse("1+" * 300 + "1", QUANTITIES)
    with pytest.raises(ExpressionError, match="too large"):
        parse("+".join(["1"] * MOST_NODES), QUANTITIES)


def test_names_are_collected() -> None:
    assert parse("relu(player.y + 4 - self.y) * pi", QUANTITIES).names == {"player.y", "self.y"}
