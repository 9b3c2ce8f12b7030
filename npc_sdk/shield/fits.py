"""Holds arrays that were read from outside to the shapes that their types declare: compiled loops do not look twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from npc_sdk.constraints import KINDS, TRIGGERS, RuleTables
from npc_sdk.shield.certify import Certified
from npc_sdk.shield.ground import Movers

_DECLARED = re.compile(r"(Float|Int|Bool)\[np\.ndarray, ['\"]([^'\"]*)['\"]\]")
_KINDS = {"Float": "f", "Int": "iu", "Bool": "b"}
Sizes = dict[str, int]


def check(value: object, sizes: Sizes) -> None:
    """Checks every array of a dataclass, and of the dataclasses in it, against the shape in its annotation.

    Args:
        value: of any dataclass with annotations as `Float[np.ndarray, "n 2"]`.
        sizes: what letters stand for; those not in it are learned from the first array that has them. Items of a tuple
            have only n and t in common.

    Raises:
        ValueError: names the field, what was expected, and what came.
    """
    if not is_dataclass(value):
        return
    for field in fields(value):
        held, declared = getattr(value, field.name), _DECLARED.search(str(field.type))
        if declared is not None and held is not None:
            for array in held.values() if isinstance(held, Mapping) else (held,):
                check_array(f"{type(value).__name__}.{field.name}", array, declared[1], declared[2].split(), sizes)
        elif is_dataclass(held):
            check(held, sizes)
        elif isinstance(held, tuple):
            for item in held:
                check(item, {letter: sizes[letter] for letter in "nt"})


def check_array(name: str, array: object, kind: str, letters: list[str], sizes: Sizes) -> None:
    """Checks one array.

    Raises:
        ValueError: names it, what was expected, and what came.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS[kind]:
        raise ValueError(
            f"{name}: expected numbers of kind {kind}, got {getattr(array, 'dtype', type(array).__name__)}"
        )
    # Letters that were not known stand for what this array has.
    same = array.ndim == len(letters)
    if same:
        wanted = [int(d) if d.isdigit() else sizes.setdefault(d, n) for d, n in zip(letters, array.shape, strict=True)]
        same = wanted == list(array.shape)
    if not same:
        known = " ".join(f"{letter}={sizes[letter]}" for letter in dict.fromkeys(letters) if letter in sizes)
        raise ValueError(f"{name}: expected shape ({' '.join(letters)}) with {known}, got {array.shape}")


def check_ids(value: Movers | RuleTables, count: int) -> None:
    """Checks that there is one number per NPC.

    Raises:
        ValueError: says how many were expected, and how many came.
    """
    if value.ids.dtype != np.uint32 or value.ids.shape != (count,):
        raise ValueError(f"ids: expected {count} of uint32, got {value.ids.shape} of {value.ids.dtype}")


def check_tables(tables: RuleTables) -> None:
    """Checks compiled rules, and that what points into them does not point beyond.

    Raises:
        ValueError: see `check`.
    """
    sizes: Sizes = {"c": len(KINDS), "t": len(TRIGGERS)}
    check(tables, sizes)
    check_ids(tables, sizes["n"])
    groups = (tables.no_stop, tables.apart, tables.windows, tables.pools, tables.stocks, tables.cones, tables.bursts)
    kinds = [int(rule.kind) for group in (*groups, tables.turns) for rule in group]
    for name, index, end in (
        ("edge_shape", tables.edge_shape, sizes["p"]),
        ("shape_first", tables.shape_first, sizes["e"]),
        ("shape_kind", tables.shape_kind, len(KINDS)),
        ("kind", np.array(kinds, np.int64), len(KINDS)),
    ):
        if len(index) and not (index.min() >= 0 and index.max() < end):
            raise ValueError(f"RuleTables.{name}: expected 0 to {end - 1}, got {index.min()} to {index.max()}")
    if np.any(np.diff(tables.shape_first) <= 0):
        raise ValueError("RuleTables.shape_first: expected every outline to have edges, in turn")


def check_answer(answer: Certified, sizes: Sizes) -> None:
    """Checks an answer to a case of such sizes.

    Raises:
        ValueError: see `check`; or numbers are not of the size that the shield answers with.
    """
    check(answer, sizes)
    steps = answer.velocities.shape[:2]
    if answer.rank.dtype != np.int8 or answer.rank.shape != steps:
        raise ValueError(f"rank: expected shape {steps} of int8, got {answer.rank.shape} of {answer.rank.dtype}")
    for field in fields(answer):
        if getattr(getattr(answer, field.name), "dtype", None) == np.float32:
            raise ValueError(f"{field.name}: expected float64, got float32")
