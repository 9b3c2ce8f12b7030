from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from npc_sdk.errors import ControlError
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.objectives.weights import NpcKeys, WeightBook


def book() -> WeightBook:
    return WeightBook({"engage": 1.0, "cover": 0.5})


def test_weights_never_import_torch() -> None:
    code = "import sys, npc_sdk.objectives.weights, npc_sdk.objectives.terms; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_defaults_hold_where_nobody_says_anything() -> None:
    np.testing.assert_array_equal(book().current.resolve([NpcKeys()]), [[1.0, 0.5]])
    assert book().current.resolve([]).shape == (0, 2)


def test_an_empty_key_is_no_key() -> None:
    weights = book()
    weights.set("squad", "0", {"cover": 4.0})
    np.testing.assert_array_equal(weights.current.resolve([NpcKeys(), NpcKeys(squad="0")]), [[1, 0.5], [1, 4]])


def test_clearing_shows_the_wider_scope_again() -> None:
    weights = book()
    weights.set("global", "", {"cover": 2.0})
    weights.set("npc", "7", {"cover": 4.0, "engage": 3.0})
    weights.clear("npc", "7", ["cover"])
    np.testing.assert_array_equal(weights.current.resolve([NpcKeys(npc="7")]), [[3.0, 2.0]])
    weights.clear("npc", "7")
    np.testing.assert_array_equal(weights.current.resolve([NpcKeys(npc="7")]), [[1.0, 2.0]])
    assert ("npc", "7") not in weights.current.layers


def test_replacing_a_layer_forgets_what_it_said_before() -> None:
    weights = book()
    weights.replace("persona", "sentry", {"engage": 2.0})
    weights.replace("persona", "sentry", {"cover": 3.0})
    np.testing.assert_array_equal(weights.current.resolve([NpcKeys(persona="sentry")]), [[1.0, 3.0]])


def test_another_list_of_terms_drops_what_is_gone() -> None:
    weights = book()
    weights.set("global", "", {"cover": 2.0, "engage": 3.0})
    weights.with_terms({"engage": 1.0, "north": 0.0})
    np.testing.assert_array_equal(weights.current.resolve([NpcKeys()]), [[3.0, 0.0]])


@pytest.mark.parametrize(
    ("scope", "key", "changes", "message"),
    [
        ("globe", "", {"cover": 1.0}, "did you mean 'global'"),
        ("global", "x", {"cover": 1.0}, "expected no key"),
        ("squad", "", {"cover": 1.0}, "expected a key"),
        ("global", "", {"covr": 1.0}, "did you mean 'cover'"),
        ("global", "", {"cover": -1.0}, "expected a finite number >= 0, got -1.0"),
    ],
)
def test_wrong_requests_name_what_was_expected(scope: str, key: str, changes: dict[str, float], message: str) -> None:
    weights = book()
    with pytest.raises(ControlError, match=message):
        weights.set(scope, key, changes)
    assert weights.current.revision == 0


def test_wrong_defaults_are_refused() -> None:
    with pytest.raises(ControlError, match="finite number"):
        WeightBook({"engage": float("nan")})
    with pytest.raises(ControlError, match="finite number"):
        book().with_terms({"engage": -1.0})


def test_rows_are_read_only_and_kept() -> None:
    current = book().current
    current.resolve([NpcKeys()])[0][0] = 9.0  # a copy
    np.testing.assert_array_equal(current.resolve([NpcKeys()]), [[1.0, 0.5]])


def test_default_terms_make_a_book() -> None:
    weights = WeightBook({t.name: t.default for t in DEFAULT_TERMS.terms})
    assert weights.current.resolve([NpcKeys()]).shape == (1, len(DEFAULT_TERMS.names))
