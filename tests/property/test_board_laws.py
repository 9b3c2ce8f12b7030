"""Laws of the designers' board, whatever is asked of it."""

from __future__ import annotations

import msgpack
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npc_bridge.messages import Control, decode, encode
from npc_sdk.designer.answer import answer
from npc_sdk.designer.board import Board, BoardSnapshot, NpcKey
from npc_sdk.designer.persona import SHIPPED, PersonaLibrary
from npc_sdk.errors import ControlError
from npc_sdk.objectives.terms import DEFAULT_TERMS

LIBRARY = PersonaLibrary(SHIPPED, DEFAULT_TERMS.names)
NPCS = [NpcKey(101, 0, "red"), NpcKey(102, 1, "red"), NpcKey(103, 1)]

scopes = st.sampled_from(["global", "faction:red", "squad:0", "squad:1", "persona:sentry", "npc:101", "npc:103"])
targets = st.sampled_from(["global", "faction:red", "squad:1", "npc:102"])
terms = st.sampled_from([*DEFAULT_TERMS.names, "north", "west"])
weights = st.one_of(st.floats(0, 100), st.integers(0, 8))
polygon = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]
requests = st.one_of(
    st.fixed_dictionaries({"op": st.just("set_weight"), "scope": scopes, "term": terms, "value": weights}),
    st.fixed_dictionaries({"op": st.just("unset_weight"), "scope": scopes}, optional={"term": terms}),
    st.fixed_dictionaries(
        {"op": st.just("assign_persona"), "target": targets, "persona": st.sampled_from(["", *LIBRARY.personas])}
    ),
    st.fixed_dictionaries(
        {"op": st.just("add_term"), "name": st.sampled_from(["north", "west"]), "expression": st.just("self.y")}
    ),
    st.fixed_dictionaries({"op": st.just("remove_term"), "name": st.sampled_from(["north", "west", "flank"])}),
    st.fixed_dictionaries(
        {
            "op": st.just("add_rule"),
            "rule": st.sampled_from(
                [
                    {"rule": "hold_fire", "name": "a", "who": "persona:sentry"},
                    {"rule": "keep_out", "name": "b", "polygon": polygon},
                    {"rule": "leash", "name": "b", "radius": -1.0},
                ]
            ),
        }
    ),
    st.fixed_dictionaries({"op": st.just("remove_rule"), "name": st.sampled_from(["a", "b"])}),
    st.fixed_dictionaries({"op": st.just("set_mode"), "mode": st.just("hold_fire"), "on": st.booleans()}),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=5,
)
operations = st.sampled_from(Board().operations)
fields = st.sampled_from(
    ["scope", "term", "value", "target", "persona", "name", "expression", "unit", "norm", "weight", "rule", "mode"]
)


def essence(snapshot: BoardSnapshot) -> tuple[object, ...]:
    """What a snapshot says, but for its revision."""
    rows = snapshot.resolve(NPCS).tobytes()
    personas = tuple(map(snapshot.persona_of, NPCS))
    return snapshot.terms, rows, personas, snapshot.rules_for(NPCS), dict(snapshot.modes)


@given(st.lists(requests, max_size=12))
def test_undo_takes_back_exactly_one_change_and_redo_brings_it_again(ops: list[dict[str, object]]) -> None:
    board = Board(LIBRARY)
    past = [essence(board.snapshot)]
    for op in ops:
        try:
            board.apply(op)
        except ControlError:
            assert essence(board.snapshot) == past[-1]
        else:
            past.append(essence(board.snapshot))
    for said in reversed(past[:-1]):
        board.apply({"op": "undo"})
        assert essence(board.snapshot) == said
    for said in past[1:]:
        board.apply({"op": "redo"})
        assert essence(board.snapshot) == said


@given(st.lists(requests, max_size=12))
def test_revisions_only_grow_and_weights_stay_finite_and_not_negative(ops: list[dict[str, object]]) -> None:
    board = Board(LIBRARY)
    for op in ops:
        before = board.snapshot.revision
        try:
            reply = board.apply(op)
        except ControlError:
            assert board.snapshot.revision == before
            continue
        assert reply["revision"] == board.snapshot.revision == before + 1
        rows = board.snapshot.resolve(NPCS)
        assert rows.shape == (len(NPCS), len(board.snapshot.terms.terms))
        assert np.isfinite(rows).all()
        assert (rows >= 0).all()


@given(st.lists(requests, max_size=6))
def test_what_inspect_tells_can_travel(ops: list[dict[str, object]]) -> None:
    board = Board(LIBRARY)
    for number, op in enumerate([*ops, {"op": "inspect", "npcs": [101, {"id": 102, "squad": 1}]}]):
        ack = answer(board, Control(number, str(op["op"]), {k: v for k, v in op.items() if k != "op"}))  # type: ignore[misc]
        assert decode(encode(ack)) == ack


@given(operations, st.dictionaries(fields, anything, max_size=4))
def test_no_request_does_worse_than_being_refused(verb: str, arguments: dict[str, object]) -> None:
    board = Board(LIBRARY)
    before = board.snapshot
    try:
        reply = board.apply({**arguments, "op": verb})
    except ControlError:
        assert board.snapshot is before
    else:
        msgpack.packb(reply)
