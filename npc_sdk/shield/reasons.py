"""An answer in a few numbers, and those numbers in one sentence. Read off the arrays afterwards; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import KINDS
from npc_sdk.shield.certify import REASONS, Certified

DISTANCES = (
    *("wall", "bounds", "keep_out", "keep_in", "navmesh", "no_stop", "leash", "keep_away", "stay_near", "spacing"),
    *("friendly_fire", "splash"),
)
"""Kinds of rules whose margin is in metres."""

_COLUMNS = np.array([KINDS.index(kind) for kind in DISTANCES], np.intp)
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


def certificate(certified: Certified, row: int) -> Certificate:
    """Returns what the answer says of the NPC in a row."""
    margins = certified.margins[row, _COLUMNS]
    least = int(margins.argmin())
    near = bool(np.isfinite(margins[least]))
    return Certificate(
        accepted=not certified.changed[row].any(),
        candidate=int(certified.rank[row].max(initial=0)),
        active=_bits(certified.active[row]),
        rejected=_bits(certified.rejected[row]),
        broken=_bits(certified.broken[row]),
        margin=float(margins[least]) if near else None,
        nearest=int(_COLUMNS[least]) if near else -1,
    )


def _bits(kinds: NDArray[np.bool_]) -> int:
    return sum(1 << int(column) for column in np.flatnonzero(kinds))


def kinds_in(bits: int) -> tuple[str, ...]:
    """Returns the names of the kinds of rules in a set."""
    return tuple(kind for column, kind in enumerate(KINDS) if bits >> column & 1)


def _words(bits: int) -> str:
    return ", ".join(kind.replace("_", " ") for kind in kinds_in(bits))
