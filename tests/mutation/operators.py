"""What is changed in a function to make a mutant of it: mutmut's changes that say something here, and those it lacks.

Left out are mutmut's that write None for every value and every argument, leave out positional arguments, and rewrite
texts: five thousand mutants of these packages, nearly all of which fail at the first call or change words alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst
from mutmut.mutation import mutators

OPPOSITES = {"min": "max", "minimum": "maximum", "any": "all", "argmin": "argmax", "floor": "ceil", "sin": "cos"}
OPPOSITES |= {there: here for here, there in OPPOSITES.items()}
SYMMETRIC = {"min", "max", "minimum", "maximum", "hypot", "array_equal"}  # the order of what they are given is nothing

STRICT = "strict"  # of zip: states that two are as long as each other, or may be otherwise; nothing goes by it


def negated(node: cst.If | cst.While | cst.CompIf) -> Iterable[cst.CSTNode]:
    """Lets a branch be taken where it was not, and the other way round."""
    asked = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    space = cst.SimpleWhitespace(" ")
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), asked), **_spaced(node, space))


def _spaced(node: cst.CSTNode, space: cst.SimpleWhitespace) -> dict[str, cst.SimpleWhitespace]:
    """A condition in parentheses needs no space before it; with `not` in front it does."""
    name = "whitespace_after_while" if isinstance(node, cst.While) else "whitespace_before_test"
    return {name: space}


def dropped(node: cst.Expr | cst.Assign | cst.AugAssign | cst.Del | cst.Raise) -> Iterable[cst.CSTNode]:
    """Leaves out a statement that is there for what it does; one that only names a value would be missed at once."""
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.Call):
        return
    if isinstance(node, cst.Assign) and any(isinstance(t.target, (cst.Name, cst.Tuple)) for t in node.targets):
        return
    yield cst.Pass(semicolon=node.semicolon)


def swapped(node: cst.Call) -> Iterable[cst.Call]:
    """Lets two neighbouring arguments change places."""
    if _called(node) in SYMMETRIC:
        return
    for k, (one, two) in enumerate(zip(node.args, node.args[1:], strict=False)):
        placed = not (one.keyword or two.keyword or one.star or two.star)
        if placed and not one.value.deep_equals(two.value):
            turned = (one.with_changes(value=two.value), two.with_changes(value=one.value))
            yield node.with_changes(args=[*node.args[:k], *turned, *node.args[k + 2 :]])


def without_option(node: cst.Call) -> Iterable[cst.Call]:
    """Leaves out one named argument of a function; without a field no object would come about."""
    if _called(node)[:1].isupper():
        return
    for k, argument in enumerate(node.args):
        if argument.keyword and argument.keyword.value != STRICT and len(node.args) > 1:
            rest = [*node.args[:k], *node.args[k + 1 :]]
            rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            yield node.with_changes(args=rest)


def flipped(node: cst.Arg | cst.Element | cst.Return | cst.Assign | cst.AnnAssign) -> Iterable[cst.CSTNode]:
    """Says yes for no, and no for yes."""
    if isinstance(node, cst.Arg) and node.keyword and node.keyword.value == STRICT:
        return
    if node.value is not None and isinstance(node.value, cst.Name):
        yield from (node.with_changes(value=turned) for turned in mutators.operator_name(node.value))


def opposite(node: cst.Call) -> Iterable[cst.Call]:
    """Takes the largest for the smallest, all for any, and their like."""
    if other := OPPOSITES.get(_called(node)):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        yield node.with_deep_changes(name, value=other)


def _called(node: cst.Call) -> str:
    name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    return name.value if isinstance(name, cst.Name) else ""


OPERATORS: mutators.OPERATORS_TYPE = [
    (cst.BaseNumber, mutators.operator_number),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.If, negated),
    (cst.While, negated),
    (cst.CompIf, negated),
    (cst.Expr, dropped),
    (cst.Assign, dropped),
    (cst.AugAssign, dropped),
    (cst.Del, dropped),
    (cst.Raise, dropped),
    (cst.Call, swapped),
    (cst.Call, without_option),
    (cst.Call, opposite),
    (cst.Arg, flipped),
    (cst.Element, flipped),
    (cst.Return, flipped),
    (cst.Assign, flipped),
    (cst.AnnAssign, flipped),
]


def install() -> None:
    """Has mutmut use these operators instead of its own."""
    mutators.mutation_operators[:] = OPERATORS  # type: ignore[index]  # a list, declared as a sequence
