"""Counts what a run showed: the figures of the status strip and of the summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from npc_sdk.demo.line import Moved
from npc_sdk.demo.scene import BRAKE, CALLBACK, NONE, TAIL

_RECENT = 90  # ticks over which rates are shown


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile, None of nothing."""
    return float(np.percentile(np.array(values), share)) if values else None


@dataclass(slots=True)
class Tally:
    """Running totals over all ticks of a run."""

    frames: int = 0
    decisions: int = 0
    npc_ticks: int = 0
    planned_ticks: int = 0
    fallback_ticks: int = 0  # NPC-ticks on the game's own script or the brake
    unseen_ticks: int = 0
    led_npc_ticks: int = 0  # without those from a kill of the brain until it leads again
    led_planned_ticks: int = 0
    stale_steps: int = 0  # run though their plan had expired
    push_poll_ms: list[float] = field(default_factory=list)
    decision_age_ms: list[float] = field(default_factory=list)
    now: tuple[int, int, int, int] = (0, 0, 0, 0)  # NPCs per rung in the last tick
    _lately: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))  # decisions by tick

    def tick(self, moved: Moved, unseen: bool, *, killed: bool = False) -> None:
        """Count one tick in; `killed` from a kill of the brain until it leads again."""
        per_rung = np.bincount(moved.result.rung, minlength=NONE + 1)
        living = int(per_rung[:NONE].sum())
        planned = int(per_rung[: TAIL + 1].sum())
        self.frames += 1
        self.decisions += moved.decisions
        self.npc_ticks += living
        self.planned_ticks += planned
        self.led_npc_ticks += 0 if killed else living
        self.led_planned_ticks += 0 if killed else planned
        self.stale_steps += moved.stale
        self.fallback_ticks += int(per_rung[CALLBACK] + per_rung[BRAKE])
        self.unseen_ticks += unseen
        self.push_poll_ms.append(moved.push_poll_ms)
        self.decision_age_ms.extend(moved.ages_ms)
        self.now = (int(per_rung[0]), int(per_rung[1]), int(per_rung[2]), int(per_rung[3]))
        self._lately.append(moved.decisions)

    @property
    def planned_fraction(self) -> float:
        """Share of the NPC-ticks so far that ran a certified step."""
        return self.planned_ticks / max(1, self.npc_ticks)

    @property
    def planned_fraction_led(self) -> float:
        """The same without the time from a kill of the brain until it leads again."""
        return self.led_planned_ticks / max(1, self.led_npc_ticks)

    @property
    def unseen_fraction(self) -> float:
        """Share of the ticks so far in which no NPC saw the player."""
        return self.unseen_ticks / max(1, self.frames)

    def decisions_s(self, hz: float) -> float:
        """New plans per second, lately."""
        return sum(self._lately) * hz / max(1, len(self._lately))

    def recent_age_ms(self) -> float:
        """Median age of the last decisions when they came into force."""
        recent = self.decision_age_ms[-60:]
        return float(np.median(recent)) if recent else float("nan")
