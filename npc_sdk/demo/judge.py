"""Hands a match's log to the independent audit: how often did an NPC break a rule it was bound by?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from npc_sdk.audit import CATEGORIES, AuditReport, Limits, Trace, Zone, audit
from npc_sdk.demo.match import Match, Step

FOLLOW_TICKS = 15  # the count on the screen is brought up to date twice a second


class Judge:
    """Keeps the score of broken rules over all matches."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.broken = 0  # so far, by NPCs, as far as has been looked
        self._finished: Counter[str] = Counter(dict.fromkeys(CATEGORIES, 0))

    def follow(self, match: Match) -> None:
        """Look at the last ticks, every so often."""
        if len(match.log) % FOLLOW_TICKS == 0:
            self.broken += _count(match, len(match.log) - FOLLOW_TICKS)["npc"]

    def take(self, match: Match) -> None:
        """Judge a match that is over as a whole."""
        self._finished += _count(match, 0)
        match.log.clear()

    def total(self, match: Match) -> dict[str, int]:
        """Return violations by whose doing they were: finished matches and the one still on."""
        counts = self._finished + _count(match, 0)
        return {category: counts[category] for category in CATEGORIES}


def _count(match: Match, first: int) -> Counter[str]:
    """Judge the ticks from `first` on, in stretches during which the same rules were known to the brain."""
    counts: Counter[str] = Counter()
    last = len(match.log)
    while first < last:
        ruled = match.log[first].ruled
        end = next((i for i in range(first, last) if match.log[i].ruled != ruled), last)
        report = judge(match, first, end, limits_of(match, ruled))
        counts.update({category: report.total(category) for category in CATEGORIES})
        first = end
    return counts


def limits_of(match: Match, ruled: bool) -> Limits:
    """Write down the rules of a match the way the audit reads them; the house rules bind once the brain knows them."""
    schema = match.schema
    n, body = len(match.ids), schema.kinematics
    everybody = np.ones(n, np.bool_)
    x0, y0, x1, y1 = schema.bounds
    zones = [
        Zone("wall", p.name, np.array(p.vertices, np.float64), False, everybody)
        for p in schema.polygons
        if p.kind == "wall"
    ]
    zones.append(Zone("bounds", "bounds", np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float), True, everybody))
    if ruled:
        zones.append(Zone("keep_out", "no_go", np.array(match.rules.zone, np.float64), False, everybody))
    return Limits(
        dt=1.0 / schema.tick_hz,
        radius=np.full(n, body.radius),
        speed=np.full(n, body.max_speed),
        acceleration=np.full(n, body.max_acceleration),
        home=match.arena.home[0, match.first_npc :],
        leash=np.full(n, np.inf),
        spacing=(match.rules.spacing if ruled else 0.0) * (1.0 - np.eye(n)),
        hold_fire=everybody & ruled,
        zones=tuple(zones),
    )


def judge(match: Match, first: int, end: int, limits: Limits) -> AuditReport:
    """Audit the ticks `first` to `end` of a match."""
    steps: Sequence[Step] = match.log[first:end]
    after = match.log[end] if end < len(match.log) else match.now()
    rows = [*steps, after]
    return audit(
        Trace(
            ids=match.ids,
            position=np.stack([s.position for s in rows]),
            velocity=np.stack([s.velocity for s in rows]),
            command=np.stack([s.command[:, :2] for s in steps]).astype(np.float64),
            alive=np.stack([s.alive for s in rows]),
            driver=np.stack([s.rung for s in steps]),
            shots=np.stack([s.fired for s in steps]),
            hold_fire=np.array([s.hold_fire for s in steps]),
            hold_known=np.stack([s.hold_known for s in steps]),
        ),
        limits,
    )
