"""An answer in a few numbers, and those numbers in one sentence. Read off the arrays afterwards; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npc_sdk.constraints import KINDS
from npc_sdk.shield.certify import REASONS, Certified

DISTANCES = (
    *("wall", "bounds", "keep_out", "keep_in", "navmesh", "no_stop", "leash", "keep_away", "stay_near", "spacing"),
    *("friendly_fire", "splash"),
)
"""Kinds of rules whose margin is in metres."""

_COLUMNS = np.array([KINDS.index(kind) for kind in DISTANCES], np.intp)
_BITS = 1 << np.arange(len(KINDS))
_CAME = ("goes as proposed", "shortened to what rules about motion allow", "blended towards the brake",
         "took the nearest certified step", "brakes")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one NPC's chunk came to. Sets of kinds of rules are bits, the lowest for the first of `KINDS`."""

    accepted: bool  # moves and attacks go out as proposed
    candidate: int  # the last resort that a step needed, index into REASONS
    active: int  # rules within the chunk's reach
    rejected: int  # rules that turned down a proposed step or attack
    broken: int  # rules that the start is off
    margin: float | None  # m, the smallest of all rules about distances; None where none is near
    nearest: int  # whose that is, index into KINDS; -1 where none is near

    def numbers(self) -> dict[str, bool | int | float | None]:
        """Returns the fields by name, as telemetry carries them."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def reason(self) -> str:
        """How the chunk came about, in one sentence."""
        parts = [_CAME[self.candidate] if self.candidate < len(_CAME) else REASONS[-1]]
        if self.broken:
            parts.insert(0, f"off its certificate for {_words(self.broken)}")
        if self.rejected:
            parts.append(f"{_words(self.rejected)} turned {'an attack' if not self.candidate else 'the proposal'} down")
        if self.margin is not None:
            parts.append(f"{self.margin:.2f} m to spare for {KINDS[self.nearest].replace('_', ' ')}")
        return "; ".join(parts)


def certificates(certified: Certified) -> list[Certificate]:
    """Returns what the answer says of each NPC, in the order of its rows."""
    n = len(certified.guarded)
    margins = certified.margins[:, _COLUMNS]
    least = margins.argmin(1)
    margin = margins[np.arange(n), least]
    columns = (
        ~certified.changed.any(1),
        certified.rank.max(1, initial=0),
        *(kinds @ _BITS for kinds in (certified.active, certified.rejected, certified.broken)),
        np.where(np.isfinite(margin), _COLUMNS[least], -1),
    )
    rows = zip(*(column.tolist() for column in columns), margin.tolist(), strict=True)
    return [
        Certificate(accepted, candidate, active, rejected, broken, room if nearest >= 0 else None, nearest)
        for accepted, candidate, active, rejected, broken, nearest, room in rows
    ]


def kinds_in(bits: int) -> tuple[str, ...]:
    """Returns the names of the kinds of rules in a set."""
    return tuple(kind for column, kind in enumerate(KINDS) if bits >> column & 1)


def _words(bits: int) -> str:
    return ", ".join(kind.replace("_", " ") for kind in kinds_in(bits))
