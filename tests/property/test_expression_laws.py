from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.errors import ExpressionError
from npc_sdk.objectives.expression import DEEPEST, FUNCTIONS, parse
from npc_sdk.objectives.features import evaluate

KNOWN = ("player.distance", "self.y", "danger")
VALUES = {"player.distance": 3.5, "self.y": -2.0, "danger": 0.25}

leaves = st.one_of(st.sampled_from(KNOWN), st.floats(0, 50).map(lambda x: f"{x:.3f}"), st.just("pi"))


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"-({t})"),
        inner.map(lambda t: f"({t}) ** 2"),
        inner.map(lambda t: f"relu({t})"),
        inner.map(lambda t: f"abs({t})"),
        two.map(lambda t: f"min({t[0]}, {t[1]})"),
        two.map(lambda t: f"max({t[0]}, {t[1]})"),
        two.map(lambda t: f"where({t[0]} < {t[1]}, {t[1]}, 2 * {t[0]})"),
        two.map(lambda t: f"clip({t[0]}, -3, abs({t[1]}))"),
    )


sources = st.recursive(leaves, _grown, max_leaves=8)


def python_value(source: str) -> float:
    """The same text by Python's own arithmetic."""
    for name, value in VALUES.items():
        source = source.replace(name, f"({value})")
    scope = {
        "relu": lambda x: max(x, 0.0),
        "where": lambda c, a, b: a if c else b,
        "clip": lambda x, low, high: min(max(x, low), high),
        "pi": math.pi,
        "abs": abs,
        "min": min,
        "max": max,
    }
    return float(eval(source, {"__builtins__": {}}, scope))


def refused_at(source: str) -> int:
    """The column of the complaint, 0 where there is none."""
    try:
        parse(source, KNOWN)
    except ExpressionError as error:
        return error.column
    return 0


@given(sources)
def test_expressions_mean_what_arithmetic_means(source: str) -> None:
    try:
        expected = python_value(source)
    except (ZeroDivisionError, OverflowError):
        return
    if not math.isfinite(expected) or abs(expected) > 1e12:
        return
    if refused_at(source):  # too long, too large, or a constant zero below the line
        return
    expression = parse(source, KNOWN)
    like = torch.zeros(2, 3, dtype=torch.float64)
    value = evaluate(expression, lambda name: torch.full_like(like, VALUES[name]), like)
    torch.testing.assert_close(value.expand(2, 3), torch.full_like(like, expected), rtol=1e-9, atol=1e-9)


@given(st.text(max_size=80))
def test_any_text_parses_or_raises_expression_error(text: str) -> None:
    assert refused_at(text) >= 0


@given(st.text(alphabet="()+-*/.,<>=0123456789abcdefxyz_[]{}'\"\\ :", max_size=60))
def test_hostile_punctuation_raises_nothing_else(text: str) -> None:
    assert refused_at(text) >= 0


@pytest.mark.parametrize("depth", [DEEPEST + 1, 90, 240])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(ExpressionError):
        parse("-" * depth + "1", KNOWN)


def test_every_function_evaluates() -> None:
    like = torch.ones(1, dtype=torch.float64)
    for name, (fewest, _) in FUNCTIONS.items():
        expression = parse(f"{name}({', '.join(['self.y'] * fewest)})", KNOWN)
        assert evaluate(expression, lambda _: like * 2.0, like).shape == (1,)
        constant = parse(f"{name}({', '.join(['2'] * fewest)})", KNOWN)
        torch.testing.assert_close(
            evaluate(constant, lambda _: like, like), evaluate(expression, lambda _: like * 2, like)[0]
        )
