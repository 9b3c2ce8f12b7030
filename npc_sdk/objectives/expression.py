"""A small arithmetic language: parsed by an allow-list into a tree, never executed as Python.

Grammar: numbers, names such as `player.distance`, `+ - * / **`, unary minus, one comparison at a time (1 where true,
0 where not), and the functions in FUNCTIONS. A power needs a constant exponent.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection
from dataclasses import dataclass

from npc_sdk.errors import ExpressionError, nearest

LONGEST = 500  # characters; a term that needs more is two terms
MOST_NODES = 120  # bounds the time one term can take per tick
DEEPEST = 40  # keeps evaluation far from the recursion limit
LARGEST_POWER = 8.0  # x**9 of metres overflows float32 for reachable x

FUNCTIONS: dict[str, tuple[int, int]] = {  # name -> fewest, most arguments
    "min": (2, 8),
    "max": (2, 8),
    "abs": (1, 1),
    "relu": (1, 1),
    "sqrt": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "sin": (1, 1),
    "cos": (1, 1),
    "hypot": (2, 2),
    "clip": (3, 3),
    "where": (3, 3),
}
CONSTANTS = {"pi": math.pi}

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator applied to its arguments."""

    operator: str
    arguments: tuple[Node, ...]


Node = Number | Name | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed text: the tree and the quantities it reads."""

    text: str
    root: Node
    names: frozenset[str]


def parse(text: str, known: Collection[str]) -> Expression:
    """Parses `text`, allowing only the names in `known`.

    Raises:
        ExpressionError: with the 1-based column of the first thing that does not belong.
    """
    if len(text) > LONGEST:
        raise ExpressionError(text[:40] + "...", LONGEST + 1, f"expected at most {LONGEST} characters, got {len(text)}")
    odd = next((i for i, c in enumerate(text) if not " " <= c <= "~"), None)
    if odd is not None:
        raise ExpressionError(text, odd + 1, f"expected one line of plain ASCII, got {text[odd]!r}")
    indent = len(text) - len(text.lstrip(" "))
    try:
        tree = ast.parse(text.strip(" "), mode="eval")
    except SyntaxError as error:  # offset 0: the text ends too early
        column = indent + error.offset if error.offset else len(text) + 1
        raise ExpressionError(text, column, f"not an expression: {error.msg}") from None
    except (RecursionError, MemoryError) as error:  # nesting too deep for Python's own parser
        raise ExpressionError(text, 1, f"not an expression: {error}") from None
    reader = _Reader(text, indent, known)
    root = reader.node(tree.body, 1)
    return Expression(text, root, frozenset(reader.names))


class _Reader:
    """Walks Python's syntax tree and keeps what the grammar allows."""

    def __init__(self, text: str, indent: int, known: Collection[str]) -> None:
        self._text = text
        self._indent = indent
        self._known = known
        self._nodes = 0
        self.names: set[str] = set()

    def node(self, at: ast.expr, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES or depth > DEEPEST:
            raise self._error(at, f"too large: expected at most {MOST_NODES} parts, nested at most {DEEPEST} deep")
        match at:
            case ast.Constant():
                return self._number(at)
            case ast.Name() | ast.Attribute():
                return self._name(at)
            case ast.UnaryOp(op=ast.USub()):
                return Call("neg", (self.node(at.operand, depth + 1),))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.node(at.operand, depth + 1)
            case ast.BinOp() if type(at.op) in _BINARY:
                return self._binary(at, depth)
            case ast.Compare() if len(at.ops) == 1 and type(at.ops[0]) in _COMPARE:
                sides = (self.node(at.left, depth + 1), self.node(at.comparators[0], depth + 1))
                return Call(_COMPARE[type(at.ops[0])], sides)
            case ast.Call():
                return self._call(at, depth)
        raise self._error(at, f"{type(at).__name__} is not part of the language")

    def _number(self, at: ast.Constant) -> Number:
        if isinstance(at.value, bool) or not isinstance(at.value, int | float):
            raise self._error(at, f"expected a number, got {at.value!r}")
        try:
            value = float(at.value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._error(at, "expected a finite number")
        return Number(value)

    def _name(self, at: ast.Name | ast.Attribute) -> Node:
        parts: list[str] = []
        inner: ast.expr = at
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self._error(at, "expected a name such as player.distance")
        name = ".".join([inner.id, *reversed(parts)])
        if name in CONSTANTS:
            return Number(CONSTANTS[name])
        if name not in self._known:
            raise self._error(at, f"unknown quantity {name!r}{nearest(name, self._known)}")
        self.names.add(name)
        return Name(name)

    def _binary(self, at: ast.BinOp, depth: int) -> Node:
        operator = _BINARY[type(at.op)]
        left, right = self.node(at.left, depth + 1), self.node(at.right, depth + 1)
        if operator == "**" and not (isinstance(right, Number) and 0 <= right.value <= LARGEST_POWER):
            raise self._error(at.right, f"expected a constant power of 0..{LARGEST_POWER:g}")
        if operator == "/" and isinstance(right, Number) and right.value == 0:
            raise self._error(at.right, "division by zero")
        return Call(operator, (left, right))

    def _call(self, at: ast.Call, depth: int) -> Node:
        if not isinstance(at.func, ast.Name) or at.func.id not in FUNCTIONS:
            name = ast.unparse(at.func)
            raise self._error(at.func, f"unknown function {name!r}{nearest(name, FUNCTIONS)}")
        fewest, most = FUNCTIONS[at.func.id]
        if at.keywords or not fewest <= len(at.args) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest}..{most}"
            raise self._error(at, f"{at.func.id} takes {wanted} arguments, got {len(at.args) + len(at.keywords)}")
        return Call(at.func.id, tuple(self.node(argument, depth + 1) for argument in at.args))

    def _error(self, at: ast.expr, problem: str) -> ExpressionError:
        return ExpressionError(self._text, self._indent + at.col_offset + 1, problem)
