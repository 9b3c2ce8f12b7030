"""Counts what the shield did, per kind of rule: the numbers that `npc-sdk check shield` prints."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import KINDS
from npc_sdk.shield.certify import Certified


def _counts() -> NDArray[np.int64]:
    return np.zeros(len(KINDS), np.int64)


@dataclass(slots=True)
class Tally:
    """Running totals over certified chunks; one NPC in one call counts once per kind of rule."""

    steps: int = 0
    unguarded: int = 0
    changed: int = 0
    active: NDArray[np.int64] = field(default_factory=_counts)
    changed_by: NDArray[np.int64] = field(default_factory=_counts)
    broken: NDArray[np.int64] = field(default_factory=_counts)
    min_margin: NDArray[np.float64] = field(default_factory=lambda: np.full(len(KINDS), np.inf))

    def add(self, certified: Certified) -> None:
        """Counts one answer. Margins of NPCs that came off their certificate elsewhere do not count."""
        touched = np.asarray(np.any(certified.changed, axis=1))
        self.steps += len(certified.guarded)
        self.unguarded += int(np.sum(~certified.guarded))
        self.changed += int(np.sum(touched))
        self.active += certified.active.sum(0)
        self.changed_by += (certified.rejected & touched[:, None]).sum(0)
        self.broken += certified.broken.sum(0)
        if len(certified.guarded):
            sound = np.where(certified.broken, np.inf, certified.margins).min(0)
            self.min_margin = np.minimum(self.min_margin, sound)

    def rows(self) -> dict[str, dict[str, float | int | None]]:
        """Returns one row per kind of rule, ready for JSON; min_margin is None where the rule was never near."""
        return {
            kind: {
                "active": int(self.active[c]),
                "changed": int(self.changed_by[c]),
                "unguarded": int(self.broken[c]),
                "min_margin": float(self.min_margin[c]) if np.isfinite(self.min_margin[c]) else None,
            }
            for c, kind in enumerate(KINDS)
        }
