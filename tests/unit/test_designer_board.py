from __future__ import annotations

import os
from pathlib import Path

import msgpack
import numpy as np
import pytest

from npc_bridge.errors import ErrorCode
from npc_bridge.messages import Control
from npc_sdk.constraints import HoldFire, KeepOut, Rule, SpeedLimit
from npc_sdk.designer.answer import answer
from npc_sdk.designer.board import UNDO_STEPS, Board, NpcKey
from npc_sdk.designer.persona import PersonaLibrary
from npc_sdk.errors import ConstraintError, ControlError
from npc_sdk.objectives.terms import DEFAULT_TERMS

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    (tmp_path / "bold.toml").write_text("[weights]\nexposure = 0.0\nattack = 3.0\n")
    (tmp_path / "shy.toml").write_text("[weights]\nexposure = 3.0\n")
    return tmp_path


@pytest.fixture
def board(personas: Path) -> Board:
    return Board(PersonaLibrary(personas, DEFAULT_TERMS.names))


def weight(board: Board, term: str, npc: int = 101, squad: int = 0, faction: str = "") -> float:
    row = board.snapshot.resolve([NpcKey(npc, squad, faction)])[0]
    return float(row[board.snapshot.terms.index(term)])


def turn(board: Board, term: str, value: float, scope: str = "global", **more: object) -> dict[str, object]:
    return board.apply({"op": "set_weight", "scope": scope, "term": term, "value": value, **more})


def refused(board: Board, **op: object) -> ControlError:
    before = board.snapshot
    with pytest.raises(ControlError) as caught:
        board.apply(op)
    assert board.snapshot is before
    return caught.value


def test_a_fresh_board_has_the_terms_defaults(board: Board) -> None:
    row = board.snapshot.resolve([NpcKey(101)])[0]
    np.testing.assert_array_equal(row, [term.default for term in DEFAULT_TERMS.terms])


def test_the_narrower_scope_wins(board: Board) -> None:
    turn(board, "exposure", 1.0)
    turn(board, "exposure", 2.0, "faction:red")
    assert weight(board, "exposure", faction="red") == 2.0
    turn(board, "exposure", 4.0, "squad:1")
    assert weight(board, "exposure", squad=1, faction="red") == 4.0
    board.apply({"op": "assign_persona", "target": "npc:101", "persona": "shy"})
    assert weight(board, "exposure", squad=1, faction="red") == 3.0
    turn(board, "exposure", 7.0, "persona:shy")
    assert weight(board, "exposure", squad=1, faction="red") == 7.0
    turn(board, "exposure", 9.0, "npc:101")
    assert weight(board, "exposure", squad=1, faction="red") == 9.0
    assert weight(board, "exposure", npc=102, squad=2) == 1.0


def test_unset_lets_the_wider_scope_show_again(board: Board) -> None:
    turn(board, "exposure", 1.0)
    turn(board, "exposure", 4.0, "npc:101")
    turn(board, "flank", 4.0, "npc:101")
    reply = board.apply({"op": "unset_weight", "scope": "npc:101", "term": "exposure"})
    assert (reply["old"], reply["new"]) == (4.0, None)
    assert weight(board, "exposure") == 1.0
    assert weight(board, "flank") == 4.0
    board.apply({"op": "unset_weight", "scope": "npc:101"})
    assert weight(board, "flank") == 0.25


def test_the_narrowest_assignment_of_a_persona_counts(board: Board) -> None:
    board.apply({"op": "assign_persona", "target": "global", "persona": "bold"})
    board.apply({"op": "assign_persona", "target": "squad:1", "persona": "shy"})
    assert weight(board, "exposure", squad=0) == 0.0
    assert weight(board, "exposure", squad=1) == 3.0
    board.apply({"op": "assign_persona", "target": "squad:1", "persona": ""})
    assert weight(board, "exposure", squad=1) == 0.0


def test_a_snapshot_never_changes(board: Board) -> None:
    before = board.snapshot
    row = before.resolve([NpcKey(101)]).copy()
    turn(board, "exposure", 9.0)
    board.apply({"op": "add_term", "name": "north", "expression": "relu(player.y - self.y)"})
    np.testing.assert_array_equal(before.resolve([NpcKey(101)]), row)
    assert board.snapshot.revision == before.revision + 2


def test_a_new_term_is_in_force_at_once_and_can_be_weighed(board: Board) -> None:
    board.apply({"op": "add_term", "name": "north", "expression": "relu(player.y - self.y)", "unit": 2, "weight": 0.5})
    assert board.snapshot.terms.names[-1] == "north"
    assert weight(board, "north") == 0.5
    turn(board, "north", 3.0, "squad:1")
    assert weight(board, "north", squad=1) == 3.0
    board.apply({"op": "remove_term", "name": "north"})
    assert board.snapshot.terms.names == DEFAULT_TERMS.names
    board.apply({"op": "undo"})
    assert weight(board, "north", squad=1) == 3.0


def test_a_term_can_be_rewritten_but_a_built_in_cannot(board: Board) -> None:
    board.apply({"op": "add_term", "name": "north", "expression": "self.y"})
    reply = board.apply({"op": "add_term", "name": "north", "expression": "-self.y"})
    assert (reply["old"], reply["new"]) == ("self.y", "-self.y")
    assert "built in" in str(refused(board, op="add_term", name="exposure", expression="self.y"))
    assert refused(board, op="remove_term", name="exposure").valid == ("north",)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ({"op": "set_wieght"}, "unknown op 'set_wieght', did you mean 'set_weight'?"),
        ({}, "unknown op None"),
        ({"op": "set_weight", "value": 1.0}, "set_weight: field 'term' is missing"),
        (
            {"op": "set_weight", "term": "flank", "value": 1.0, "scoop": 1},
            "unknown field 'scoop', did you mean 'scope'?",
        ),
        ({"op": "set_weight", "term": "flnk", "value": 1.0}, "unknown term 'flnk', did you mean 'flank'?"),
        ({"op": "set_weight", "term": "flank", "value": -1}, "expected a finite number >= 0, got -1.0"),
        ({"op": "set_weight", "term": "flank", "value": float("nan")}, "got nan"),
        ({"op": "set_weight", "term": "flank", "value": 1e7}, "expected 0..1e+06"),
        ({"op": "set_weight", "term": "flank", "value": True}, "field 'value': expected a number, got True"),
        ({"op": "set_weight", "term": "flank", "value": 10**400}, "field 'value': expected a number"),
        ({"op": "set_weight", "term": "flank", "value": 1.0, "scope": "squad:one"}, "got 'squad:one'"),
        ({"op": "set_weight", "term": "flank", "value": 1.0, "scope": "global:1"}, "got 'global:1'"),
        ({"op": "set_weight", "term": "flank", "value": 1.0, "scope": "persona:shi"}, "did you mean 'shy'?"),
        ({"op": "unset_weight", "term": "flank"}, "global says nothing about 'flank'"),
        ({"op": "assign_persona", "target": "npc:1", "persona": "shi"}, "unknown persona 'shi', did you mean 'shy'?"),
        ({"op": "assign_persona", "target": "persona:shy", "persona": "shy"}, "got 'persona:shy'"),
        ({"op": "add_term", "name": "n", "expression": "relu(player.yy)"}, "did you mean 'player.y'? at column 6"),
        ({"op": "add_term", "name": "n", "expression": "__import__('os')"}, "unknown function"),
        ({"op": "add_term", "name": "n", "expression": "self.y", "norm": "l2"}, "unknown norm 'l2'"),
        ({"op": "add_term", "name": "n", "expression": "self.y", "unit": 0}, "expected a finite unit > 0"),
        ({"op": "add_term", "name": "n", "expression": "self.y", "weight": -1}, "expected 0..1e+06, got -1"),
        ({"op": "add_term", "name": "not a name", "expression": "self.y"}, "expected letters, digits and _"),
        ({"op": "remove_rule", "name": "vault"}, "no rule 'vault', and none is known"),
        ({"op": "add_rule", "rule": {"rule": "keepout"}}, "did you mean 'keep_out'?"),
        ({"op": "add_rule", "rule": 3}, "field 'rule': expected a table, got 3"),
        ({"op": "add_rule", "rule": {"rule": "keep_out", "zone": "vault"}}, "(no zone is declared)"),
        ({"op": "add_rule", "rule": {"rule": "hold_fire", "who": "persona:shi"}}, "unknown persona 'shi'"),
        ({"op": "set_mode", "mode": "hold", "on": True}, "unknown mode 'hold', did you mean 'hold_fire'?"),
        ({"op": "set_mode", "mode": "hold_fire", "on": 1}, "expected true or false, got 1"),
        ({"op": "undo"}, "nothing to undo"),
        ({"op": "redo"}, "nothing to redo"),
        ({"op": "inspect", "npcs": ["x"]}, "npcs: expected ids"),
        ({"op": "inspect", "npcs": [{"squad": 1}]}, "npcs: id: expected a whole number, got None"),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(board: Board, op: dict[str, object], message: str) -> None:
    assert message in str(refused(board, **op))


def test_a_refusal_carries_the_current_value_and_the_valid_names(board: Board) -> None:
    turn(board, "flank", 2.0)
    error = refused(board, op="set_weight", term="flank", value=-1.0, scope="squad:1")
    assert error.current == 2.0
    assert refused(board, op="set_weight", term="flnk", value=1.0).valid == DEFAULT_TERMS.names
    assert refused(board, op="assign_persona", target="npc:1", persona="x").valid == ("bold", "shy")


def test_at_least_a_hundred_changes_can_be_undone_and_redone(board: Board) -> None:
    for step in range(150):
        turn(board, "exposure", float(step))
    for step in reversed(range(149)):
        board.apply({"op": "undo"})
        assert weight(board, "exposure") == step
    for step in range(1, 150):
        board.apply({"op": "redo"})
        assert weight(board, "exposure") == step


def test_a_drag_is_one_step_of_undo(board: Board) -> None:
    turn(board, "flank", 1.0)
    for value in (0.5, 1.0, 2.0):
        turn(board, "exposure", value, group="drag-1")
    turn(board, "exposure", 3.0, group="drag-2")
    board.apply({"op": "undo"})
    assert weight(board, "exposure") == 2.0
    board.apply({"op": "undo"})
    assert weight(board, "exposure") == 0.5  # the term's default
    assert weight(board, "flank") == 1.0


def test_a_drag_after_an_undo_is_a_step_of_its_own(board: Board) -> None:
    turn(board, "exposure", 1.0, group="drag")
    board.apply({"op": "undo"})
    turn(board, "exposure", 2.0, group="drag")
    assert board.apply({"op": "undo"})["undo"] == 0
    assert weight(board, "exposure") == 0.5


def test_a_change_after_an_undo_forgets_what_could_be_redone(board: Board) -> None:
    turn(board, "exposure", 1.0)
    board.apply({"op": "undo"})
    turn(board, "exposure", 2.0)
    assert "nothing to redo" in str(refused(board, op="redo"))


def test_undo_remembers_a_bounded_number_of_steps(board: Board) -> None:
    for step in range(UNDO_STEPS + 10):
        reply = turn(board, "exposure", float(step))
    assert reply["undo"] == UNDO_STEPS >= 100


def test_rules_are_read_named_and_undone(board: Board) -> None:
    board.declare_zones({"vault": ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))})
    board.apply({"op": "add_rule", "rule": {"rule": "keep_out", "name": "vault", "zone": "vault"}})
    board.apply({"op": "add_rule", "rule": {"rule": "keep_out", "name": "square", "polygon": SQUARE}})
    board.apply({"op": "add_rule", "rule": {"rule": "speed_limit", "name": "slow", "speed": 2.0, "who": "squad:1"}})
    rules = board.snapshot.rules
    assert [type(rule) for rule in rules] == [KeepOut, KeepOut, SpeedLimit]
    assert hash(rules)
    board.apply({"op": "remove_rule", "name": "vault"})
    assert [rule.name for rule in board.snapshot.rules] == ["square", "slow"]
    board.apply({"op": "undo"})
    assert [rule.name for rule in board.snapshot.rules] == ["vault", "square", "slow"]


def test_a_rule_for_a_persona_binds_who_wears_it_now(board: Board) -> None:
    board.apply({"op": "add_rule", "rule": {"rule": "hold_fire", "name": "truce", "who": "persona:shy"}})
    npcs = [NpcKey(101, 0), NpcKey(102, 0), NpcKey(103, 1)]
    assert board.snapshot.rules_for(npcs) == ()
    board.apply({"op": "assign_persona", "target": "squad:0", "persona": "shy"})
    assert board.snapshot.rules_for(npcs) == (HoldFire("truce", (101, 102)),)


def test_rules_that_cannot_hold_together_are_refused_by_name(board: Board) -> None:
    bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    error = refused(board, op="add_rule", rule={"rule": "keep_in", "name": "tie", "polygon": bow_tie})
    assert "'tie': expected a simple polygon" in str(error)

    def admit(rules: tuple[Rule, ...]) -> None:
        if len(rules) > 1:
            raise ConstraintError(" and ".join(rule.name for rule in rules) + " leave no room")

    strict = Board(admit=admit)
    strict.apply({"op": "add_rule", "rule": {"rule": "hold_fire", "name": "one"}})
    error = refused(strict, op="add_rule", rule={"rule": "hold_fire", "name": "two"})
    assert "one and two leave no room" in str(error)
    assert error.valid == ("one",)


def test_modes_start_off_and_are_switched(board: Board) -> None:
    assert dict(board.snapshot.modes) == {"hold_fire": False}
    reply = board.apply({"op": "set_mode", "mode": "hold_fire", "on": True})
    assert (reply["old"], reply["new"]) == (False, True)
    assert board.snapshot.modes["hold_fire"]


def test_an_edited_persona_file_is_in_force_after_a_refresh(board: Board, personas: Path) -> None:
    board.apply({"op": "assign_persona", "target": "squad:1", "persona": "shy"})
    path = personas / "shy.toml"
    path.write_text("[weights]\nexposure = 5.0\n")
    os.utime(path, ns=(1, 1))
    before = board.snapshot.revision
    board.refresh()
    assert weight(board, "exposure", squad=1) == 5.0
    assert board.snapshot.revision == before + 1
    path.write_text("[weights]\nexposure = -5.0\n")
    (change,) = board.refresh()
    assert change.error is not None
    assert weight(board, "exposure", squad=1) == 5.0
    assert board.snapshot.revision == before + 1


def test_inspect_shows_all_settings_and_where_a_weight_comes_from(board: Board) -> None:
    turn(board, "flank", 2.0, "squad:1")
    board.apply({"op": "assign_persona", "target": "npc:101", "persona": "bold"})
    reply = board.apply({"op": "inspect", "npcs": [{"id": 101, "squad": 1}, 102]})
    assert msgpack.unpackb(msgpack.packb(reply)) == reply
    assert reply["weights"] == {"squad:1": {"flank": 2.0}}
    assert reply["assigned"] == {"npc:101": "bold"}
    npcs = reply["npcs"]
    assert isinstance(npcs, dict)
    assert npcs["101"]["persona"] == "bold"
    assert npcs["101"]["weights"]["attack"] == 3.0
    assert {npcs["101"]["origin"][term] for term in ("flank", "attack", "engage")} == {"squad", "persona", "default"}
    assert npcs["102"]["persona"] == ""


def test_every_change_is_logged_with_who_when_old_and_new(board: Board) -> None:
    board.apply({"op": "set_weight", "term": "flank", "value": 2, "who": "ann"}, tick=77)
    board.apply({"op": "set_weight", "term": "flank", "value": 3, "who": "bob"}, tick=78)
    last = board.log[-1]
    assert (last.who, last.tick, last.op, last.subject) == ("bob", 78, "set_weight", "global flank")
    assert (last.old, last.new, last.revision) == (2.0, 3.0, board.snapshot.revision)


def test_a_runaway_script_cannot_pile_up_settings(board: Board) -> None:
    for npc in range(512):
        turn(board, "flank", 1.0, f"npc:{npc}")
    assert "at most 512 scopes" in str(refused(board, op="set_weight", term="flank", value=1.0, scope="npc:512"))
    turn(board, "flank", 2.0, "npc:511")


def test_the_control_channel_gets_a_reply_for_good_and_bad_requests(board: Board) -> None:
    good = answer(board, Control(7, "set_weight", {"term": "flank", "value": 2.0}), tick=5)
    assert (good.request, good.revision, good.code) == (7, board.snapshot.revision, 0)
    assert good.result["new"] == 2.0
    bad = answer(board, Control(8, "set_weight", {"term": "flank", "value": -2.0}))
    assert (bad.request, bad.code) == (8, ErrorCode.CONTROL)
    assert bad.result["current"] == 2.0
    assert "expected a finite number >= 0" in bad.text


def test_several_weights_turn_at_once_or_not_at_all(board: Board) -> None:
    changes = [
        {"term": "exposure", "value": 2.0},
        {"scope": "npc:101", "term": "cover", "value": 3.0},
        {"scope": "npc:101", "term": "exposure", "value": 4.0},
    ]
    before = board.snapshot.revision
    reply = board.apply({"op": "set_weights", "changes": changes})
    assert (board.snapshot.revision, reply["revision"]) == (before + 1, before + 1)
    assert (reply["old"], reply["new"]) == ([None, None, None], [2.0, 3.0, 4.0])
    assert [weight(board, "exposure", 102), weight(board, "exposure"), weight(board, "cover")] == [2.0, 4.0, 3.0]
    board.apply({"op": "undo"})
    assert weight(board, "exposure") == DEFAULT_TERMS.terms[DEFAULT_TERMS.index("exposure")].default
    error = refused(board, op="set_weights", changes=[*changes, {"term": "exposur", "value": 1.0}])
    assert "exposure" in str(error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([], "expected 1..256"),
        ([{"term": "cover", "value": 1.0}] * 257, "got 257"),
        (["cover"], "expected tables"),
        ([{"term": "cover"}], "'value' is missing"),
        ([{"term": "cover", "value": 1.0, "weight": 2.0}], "unknown field 'weight'"),
        ([{"term": "cover", "value": -1.0}], "cover"),
    ],
)
def test_wrong_changes_are_named(board: Board, changes: list[object], said: str) -> None:
    assert said in str(refused(board, op="set_weights", changes=changes))


def test_a_forecast_is_chosen_among_those_there_are(personas: Path) -> None:
    board = Board(PersonaLibrary(personas, DEFAULT_TERMS.names), forecasts=("learned", "frozen"))
    assert board.snapshot.forecast == "learned"
    reply = board.apply({"op": "set_forecast", "name": "frozen"})
    assert (reply["old"], reply["new"], board.snapshot.forecast) == ("learned", "frozen", "frozen")
    assert board.apply({"op": "inspect"})["forecasts"] == ["learned", "frozen"]
    error = refused(board, op="set_forecast", name="frozn")
    assert "did you mean 'frozen'" in str(error)
    assert (error.current, error.valid) == ("frozen", ("learned", "frozen"))
    board.apply({"op": "undo"})
    assert board.snapshot.forecast == "learned"
