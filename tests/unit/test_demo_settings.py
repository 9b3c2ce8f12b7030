"""What the panel turns reaches the board, and a fresh board is brought to the same settings."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from npc_sdk.demo.settings import Request, Settings, reaches, term_request
from npc_sdk.designer.board import Board
from npc_sdk.designer.persona import PersonaLibrary
from npc_sdk.designer.request import NpcKey
from npc_sdk.errors import InputError
from npc_sdk.objectives.terms import DEFAULT_TERMS

SQUADS = {0: [101, 102], 1: [103, 104]}
NPCS = [NpcKey(npc, squad) for squad, members in SQUADS.items() for npc in members]


def new_board() -> Board:
    return Board(PersonaLibrary(Path(str(files("npc_sdk") / "personas")), DEFAULT_TERMS.names))


@pytest.fixture
def board() -> Board:
    return new_board()


def carry_out(board: Board, requests: list[Request]) -> None:
    for request in requests:
        board.apply(request)


def weights(board: Board, term: str) -> list[float]:
    return [float(w) for w in board.snapshot.resolve(NPCS)[:, board.snapshot.terms.index(term)]]


def test_a_slider_for_all_acts_on_all_whatever_their_personas_say(board: Board) -> None:
    settings = Settings()
    everybody, squad, *_ = reaches(SQUADS, 0)
    carry_out(board, settings.assign(squad, "flanker"))
    carry_out(board, settings.set_weight(everybody, "flank", 7.0))
    assert weights(board, "flank") == [7.0, 7.0, 7.0, 7.0]


def test_a_slider_for_a_squad_or_an_npc_acts_on_nobody_else(board: Board) -> None:
    settings = Settings()
    _, _, second, one = reaches(SQUADS, 101)
    before = weights(board, "engage")
    carry_out(board, settings.set_weight(second, "engage", 3.0))
    carry_out(board, settings.set_weight(one, "engage", 5.0))
    assert weights(board, "engage") == [5.0, before[1], 3.0, 3.0]


def test_a_persona_button_undoes_what_was_turned_by_hand(board: Board) -> None:
    settings = Settings()
    everybody, first, *_ = reaches(SQUADS, 0)
    before = weights(board, "flank")[0]
    carry_out(board, settings.set_weight(first, "flank", 7.0))
    carry_out(board, settings.assign(everybody, "flanker"))
    assert len(set(weights(board, "flank"))) == 1
    assert weights(board, "flank")[0] not in (7.0, before)


def test_a_persona_for_all_replaces_those_of_squads(board: Board) -> None:
    settings = Settings()
    everybody, first, *_ = reaches(SQUADS, 0)
    carry_out(board, settings.assign(first, "sentry"))
    carry_out(board, settings.assign(everybody, "cautious"))
    assert {board.snapshot.persona_of(npc) for npc in NPCS} == {"cautious"}


def test_a_restarted_brain_is_brought_to_the_same_settings(board: Board) -> None:
    settings = Settings()
    everybody, first, _, one = reaches(SQUADS, 103)
    zone = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]
    settings.set_rules([{"rule": "keep_out", "name": "no_go", "polygon": zone}])
    carry_out(board, settings.replay())
    carry_out(board, settings.set_weight(everybody, "exposure", 4.0))
    carry_out(board, settings.assign(first, "flanker"))
    carry_out(board, settings.set_weight(one, "spacing", 0.25))
    carry_out(board, settings.set_mode("hold_fire", True))
    fresh = new_board()
    carry_out(fresh, settings.replay())
    np.testing.assert_array_equal(fresh.snapshot.resolve(NPCS), board.snapshot.resolve(NPCS))
    assert fresh.snapshot.modes == board.snapshot.modes
    assert fresh.snapshot.rules == board.snapshot.rules


def test_one_turn_of_a_slider_is_one_request_and_one_revision(board: Board) -> None:
    settings = Settings()
    everybody, squad, *_ = reaches(SQUADS, 0)
    carry_out(board, settings.assign(squad, "flanker"))
    requests = settings.set_weight(everybody, "flank", 7.0, "drag 1")
    before = board.snapshot.revision
    carry_out(board, requests)
    assert (len(requests), board.snapshot.revision) == (1, before + 1)


def test_wishes_and_forecast_are_replayed_before_the_weights_of_the_wishes() -> None:
    settings = Settings()
    request = term_request(" north = relu(player.y + 4 - self.y) ")
    settings.terms["north"] = request
    settings.set_forecast("frozen")
    everybody, *_ = reaches(SQUADS, 0)
    settings.set_weight(everybody, "north", 3.0)
    board = Board(forecasts=("learned", "frozen"))
    carry_out(board, settings.replay())
    assert weights(board, "north") == [3.0] * 4
    assert board.snapshot.forecast == "frozen"


def test_many_settings_are_replayed_in_requests_the_board_takes() -> None:
    settings = Settings()
    for npc in range(101, 161):
        reach = reaches({0: [npc]}, npc)[-1]
        for term in DEFAULT_TERMS.names[:8]:
            settings.set_weight(reach, term, 2.0)
    board = new_board()
    carry_out(board, settings.replay())
    assert (board.snapshot.resolve([NpcKey(160)])[0] == 2.0).sum() >= 8


@pytest.mark.parametrize(
    ("line", "said"),
    [("north", "column 6"), ("north =", "column 8"), ("= self.y", "column 1"), ("to north = self.y", "column 1")],
)
def test_a_wish_without_a_name_or_an_expression_says_where(line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        term_request(line)
