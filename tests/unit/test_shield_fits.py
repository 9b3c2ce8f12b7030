"""Arrays from outside are held to their declared shapes, at every depth, and what is wrong is said by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from empty_square import square

from npc_sdk.constraints import KINDS, AttackTokens, Cooldown, KeepOut, RuleTables
from npc_sdk.experiments.zoo import Body
from npc_sdk.shield import Aim, Certified, Movers, Outstanding, ShieldConfig, Wanted, certify
from npc_sdk.shield.fits import Sizes, check, check_answer, check_tables

N, M, T = 3, 4, 2


def tables() -> RuleTables:
    """A square, a triangle inside it, and two rules about attacks: 7 edges of 2 outlines."""
    pit = KeepOut("pit", ((1.0, 0.0), (2.0, 0.0), (2.0, 1.0)))
    rules = (pit, Cooldown("reload", 0.5), AttackTokens("tokens", 1.0, 0.5))
    return square(rules, Body(4.0, 16.0, 16.0, 0.3), 0.1, 9.0, N)


def answer() -> Certified:
    places = np.array([[0.0, 0.0], [-3.0, 1.0], [4.0, -2.0]])
    movers = Movers(np.arange(101, 101 + N, dtype=np.uint32), places, np.zeros((N, 2)))
    return certify(movers, tables(), Outstanding(), np.zeros((N, M, 2)), config=ShieldConfig(compiled=False))


def sizes() -> Sizes:
    return {"n": N, "m": M, "c": len(KINDS), "t": T}


def test_what_was_compiled_and_answered_fits() -> None:
    check_tables(tables())
    check_tables(square((), Body(4.0, 16.0, 16.0, 0.3), 0.1, 9.0, 0))
    check_answer(answer(), sizes())


def test_a_number_in_a_shape_is_that_number() -> None:
    movers = Movers(np.arange(N, dtype=np.uint32), np.zeros((N, 3)), np.zeros((N, 3)))
    with pytest.raises(ValueError, match=r"^Movers.position: expected shape \(n 2\) with n=3, got \(3, 3\)$"):
        check(movers, sizes())


def test_what_is_inside_another_one_is_checked_by_the_same_sizes() -> None:
    shots = np.zeros((N, M, T), np.bool_)
    check(Wanted(shots, aim=Aim(np.zeros((N, M)), np.zeros((N, M)))), sizes())
    with pytest.raises(ValueError, match=r"^Aim.reach: expected shape \(n m\) with n=3 m=4, got \(3, 5\)$"):
        check(Wanted(shots, aim=Aim(np.zeros((N, M)), np.zeros((N, M + 1)))), sizes())


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("windows", {"binds": np.ones(N + 1, np.bool_)}, r"Window.binds: expected shape \(n\) with n=3, got \(4,\)"),
        ("pools", {"attack": np.ones((N, 3), np.bool_)}, r"Pool.attack: expected shape \(n t\) .* t=2, got \(3, 3\)"),
        ("windows", {"kind": len(KINDS)}, f"kind: expected 0 to {len(KINDS) - 1}, got .* to {len(KINDS)}"),
    ],
)
def test_every_rule_of_the_tables_is_checked(part: str, changes: dict[str, Any], said: str) -> None:
    good = tables()
    (rule,) = getattr(good, part)
    with pytest.raises(ValueError, match=said):
        check_tables(replace(good, **{part: (replace(rule, **changes),)}))


@pytest.mark.parametrize(
    ("name", "index", "said"),
    [
        ("edge_shape", [0, 0, 0, 0, 1, 1, 2], "expected 0 to 1, got 0 to 2"),
        ("edge_shape", [-1, 0, 0, 0, 1, 1, 1], "expected 0 to 1, got -1 to 1"),
        ("shape_first", [0, 7], "expected 0 to 6, got 0 to 7"),
        ("shape_first", [-1, 3], "expected 0 to 6, got -1 to 3"),
        ("shape_first", [4, 4], "expected every outline to have edges"),
        ("shape_first", [4, 0], "expected every outline to have edges"),
        ("shape_kind", [0, len(KINDS)], f"expected 0 to {len(KINDS) - 1}, got 0 to {len(KINDS)}"),
    ],
)
def test_an_index_may_go_as_far_as_what_it_points_into(name: str, index: list[int], said: str) -> None:
    changes: dict[str, Any] = {name: np.array(index)}
    with pytest.raises(ValueError, match=f"^RuleTables.{name}: {said}"):
        check_tables(replace(tables(), **changes))


def test_the_last_edge_may_be_an_outline_of_its_own() -> None:
    check_tables(replace(tables(), shape_first=np.array([0, 6])))
    check_tables(replace(tables(), shape_first=np.array([0, 1])))


def test_an_answer_is_held_to_the_shapes_and_the_sizes_of_its_numbers() -> None:
    good = answer()
    for wrong, said in (
        (replace(good, margins=good.margins[:-1]), r"^Certified.margins: expected shape \(n c\)"),
        (replace(good, rank=good.rank[:, 1:]), r"^rank: expected shape \(3, 4\) of int8, got \(3, 3\) of int8$"),
        (replace(good, rank=good.rank.astype(np.int32)), r"^rank: .* got \(3, 4\) of int32$"),
        (replace(good, brake=good.brake.astype(np.float32)), r"^brake: expected float64, got float32$"),
    ):
        with pytest.raises(ValueError, match=said):
            check_answer(wrong, sizes())
