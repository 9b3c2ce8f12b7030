"""A request off the control channel, carried out on the board and answered. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from npc_bridge.errors import ErrorCode
from npc_bridge.messages import Ack, Control
from npc_bridge.packing import Value
from npc_sdk.designer.board import Board
from npc_sdk.errors import ControlError


def answer(board: Board, control: Control, tick: int = 0) -> Ack:
    """Apply a request to the board; a refused one leaves it as it was and says what is valid.

    Args:
        board: what is turned.
        control: its verb is the op, its arguments the op's fields.
        tick: of the game, for the log.
    """
    try:
        reply = board.apply({**control.arguments, "op": control.verb}, tick)
    except ControlError as error:
        refusal = {"current": error.current, "valid": list(error.valid)}
        return Ack(control.request, board.snapshot.revision, ErrorCode.CONTROL, str(error), _values(refusal))
    return Ack(control.request, board.snapshot.revision, result=_values(reply))


def _values(reply: Mapping[str, object]) -> Mapping[str, Value]:
    """Say that a board's reply holds nothing but what the wire can carry (a property test holds it to that)."""
    return cast("Mapping[str, Value]", reply)
