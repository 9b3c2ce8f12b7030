"""Has the shield answer a log again, and says where it answers otherwise. Bit by bit: on the machine that wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_sdk.errors import LedgerError
from npc_sdk.shield.case import issue
from npc_sdk.shield.certify import Certified, certify
from npc_sdk.shield.ledger import Begin, Step, read
from npc_sdk.shield.outstanding import Outstanding


@dataclass(frozen=True, slots=True)
class Difference:
    """The first number of an answer that is not what the log says."""

    record: int
    byte: int
    game: str
    tick: int  # of the snapshot
    npc: int  # its id
    field: str  # of `Certified`
    index: tuple[int, ...]  # in the field, the NPC's row first
    logged: float
    again: float

    def __str__(self) -> str:
        """Says it in one line."""
        place = "".join(f"[{i}]" for i in self.index)
        return (
            f"record {self.record} (byte {self.byte}): game {self.game!r}, tick {self.tick}, NPC {self.npc}: "
            f"{self.field}{place}: the log says {self.logged!r}, the shield {self.again!r}"
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """One step of a log, answered again."""

    npcs: int
    difference: Difference | None


def replay(path: str | os.PathLike[str]) -> Iterator[Checked]:
    """Answers every step of a log again, in its order, up to the first difference.

    Raises:
        LedgerError: see `ledger.read`; or what a step says does not fit together.
    """
    games: dict[str, Outstanding] = {}
    for entry in read(path):
        if isinstance(entry, Begin):
            games[entry.game] = games.get(entry.promises, Outstanding())
            games[entry.game].shift(entry.by)
            if entry.attacks in games:
                games[entry.game].attacks = games[entry.attacks].attacks
            continue
        promised = games.setdefault(entry.game, Outstanding())
        try:
            again = issue(promised, entry.case, entry.chunk, certify)
        except (KeyError, IndexError, TypeError, ValueError) as error:  # numbers that do not fit each other
            problem = f"expected a case that the shield can answer, got {error}"
            raise LedgerError(Path(path), entry.record, entry.byte, problem) from error
        difference = _first(entry, again)
        yield Checked(len(entry.case.movers.ids), difference)
        if difference is not None:
            return


def _first(step: Step, again: Certified) -> Difference | None:
    for field in fields(Certified):
        logged, answered = getattr(step.answer, field.name), getattr(again, field.name)
        if logged.tobytes() == answered.tobytes():
            continue
        index = tuple(np.argwhere(_bytes(logged) != _bytes(answered))[0, :-1].tolist())
        return Difference(
            record=step.record,
            byte=step.byte,
            game=step.game,
            tick=step.case.wanted.tick,
            npc=int(step.case.movers.ids[index[0]]),
            field=field.name,
            index=index,
            logged=float(logged[index]),
            again=float(answered[index]),
        )
    return None


def _bytes(numbers: NDArray[np.generic]) -> NDArray[np.uint8]:
    return numbers[..., None].view(np.uint8)
