from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.errors import ControlError
from npc_sdk.objectives.weights import SCOPES, NpcKeys, WeightBook

TERMS = ("engage", "cover", "danger")
KEYS = {
    "global": [""],
    "faction": ["red", "blue"],
    "squad": ["0", "1"],
    "persona": ["sentry", "rusher"],
    "npc": ["7", "8"],
}
weights = st.floats(0, 1e6, allow_nan=False)
edits = st.lists(
    st.sampled_from(SCOPES).flatmap(
        lambda scope: st.tuples(st.just(scope), st.sampled_from(KEYS[scope]), st.sampled_from(TERMS), weights)
    ),
    max_size=20,
)
npcs = st.builds(
    NpcKeys,
    faction=st.sampled_from(["", "red", "blue"]),
    squad=st.sampled_from(["", "0", "1"]),
    persona=st.sampled_from(["", "sentry", "rusher"]),
    npc=st.sampled_from(["7", "8"]),
)


@given(edits, npcs)
def test_the_narrowest_scope_that_says_anything_wins(edits: list[tuple], npc: NpcKeys) -> None:
    book = WeightBook(dict.fromkeys(TERMS, 1.0))
    said: dict[tuple[str, str, str], float] = {}
    for scope, key, term, value in edits:
        book.set(scope, key, {term: value})
        said[scope, key, term] = value
    expected = []
    for term in TERMS:
        value = 1.0
        for scope in SCOPES:  # from wide to narrow
            key = npc.key(scope)
            if scope == "global" or key:
                value = said.get((scope, key, term), value)
        expected.append(value)
    np.testing.assert_array_equal(book.current.resolve([npc])[0], expected)
    assert book.current.revision == len(edits)


@given(edits, npcs)
def test_a_snapshot_never_changes(edits: list[tuple], npc: NpcKeys) -> None:
    book = WeightBook(dict.fromkeys(TERMS, 1.0))
    book.set("global", "", {"cover": 3.0})
    before = book.current
    for scope, key, term, value in edits:
        book.set(scope, key, {term: value})
    np.testing.assert_array_equal(before.resolve([npc]), [[1.0, 3.0, 1.0]])


@given(edits, npcs)
def test_origin_names_the_scope_the_weight_comes_from(edits: list[tuple], npc: NpcKeys) -> None:
    book = WeightBook(dict.fromkeys(TERMS, 1.0))
    for scope, key, term, value in edits:
        book.set(scope, key, {term: value})
    row = book.current.resolve([npc])[0]
    for i, term in enumerate(TERMS):
        scope = book.current.origin(npc, term)
        stored = 1.0 if scope is None else book.current.layers[scope, npc.key(scope)][term]
        assert row[i] == stored


@given(st.one_of(st.floats(max_value=-1e-9), st.sampled_from([math.nan, math.inf, -math.inf, True, "2", None])))
def test_a_weight_is_a_finite_number_of_at_least_zero(value: object) -> None:
    book = WeightBook(dict.fromkeys(TERMS, 1.0))
    before = book.current
    with pytest.raises(ControlError):
        book.set("global", "", {"cover": 2.0, "danger": value})
    assert book.current is before
