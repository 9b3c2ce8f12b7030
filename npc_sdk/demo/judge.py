"""Hands a match's log to the independent audit: how often did an NPC break a rule it was bound by?"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from npc_sdk.audit import CATEGORIES, AuditReport, Limits, Standing, Trace, Zone, audit
from npc_sdk.demo.match import Bodies, Match, Step
from npc_sdk.demo.paint import Corners
from npc_sdk.shield import ShieldConfig

PAINTED = "painted"  # the rule under which painted zones are reported
log = logging.getLogger(__name__)

_CAUSES = tuple(category for category in CATEGORIES if category != "miss")  # a match has no forecasts to miss
_TOLD = 10  # violations that are logged one by one
FOLLOW_TICKS = 60  # the count on the screen is brought up to date this often
_LEAD_IN_TICKS = 20  # before a moment that a match goes back to: who is bound by what there is found out anew
_HOLD_S = 0.0005  # for which the judge may keep the interpreter to itself while the game wants it


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some consecutive ticks of a match during which the same rules were known to the brain. Nothing in it changes."""

    ids: NDArray[np.uint32]
    steps: tuple[Step, ...]
    after: Bodies
    limits: Limits
    begins: bool  # the rules changed before its first tick


class Judge:
    """Keeps the score of broken rules over all matches. Looks at them on a thread of its own."""

    def __init__(self, thorough: bool = True) -> None:
        """Start at nothing; `thorough` keeps whole matches, to be judged as a whole when `total` is asked for."""
        self.broken = 0  # so far, by NPCs, as far as has been looked
        self.zone_broken = 0  # of these, painted zones
        self._kept: list[Stretch] = []
        self._thorough = thorough
        self._looked = 0
        self._waiting: SimpleQueue[tuple[list[Stretch], bool] | None] = SimpleQueue()
        sys.setswitchinterval(_HOLD_S)
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)
        self._thread.start()

    def follow(self, match: Match) -> None:
        """Look at the last ticks, every so often."""
        if len(match.log) - self._looked >= FOLLOW_TICKS:
            self._look(match)

    def take(self, match: Match) -> None:
        """Close a match."""
        self._look(match)
        self._looked = 0
        if self._thorough:
            self._kept += stretches(match, 0)

    def branch(self, match: Match, first: int) -> None:
        """Close what was played from tick `first` on: the match goes back to before it."""
        self._look(match)
        self._looked = first
        self._waiting.put((stretches(match, max(0, first - _LEAD_IN_TICKS), first), False))
        if self._thorough:
            self._kept += stretches(match, first)

    def total(self, match: Match) -> dict[str, int]:
        """Return violations by whose doing they were: closed matches and the one still on. Takes its time."""
        counts: Counter[str] = Counter()
        painted = 0
        for stretch in (*self._kept, *stretches(match, 0)):
            report = judge(stretch)
            counts.update({category: report.total(category) for category in _CAUSES})
            painted += painted_broken(report)
            for violation in report.examples[:_TOLD]:
                if violation.category == "npc":
                    log.warning("rule broken by an NPC: %s", violation)
        self.zone_broken = painted
        return {category: counts[category] for category in _CAUSES}

    def close(self) -> None:
        """Finish what was begun and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _look(self, match: Match) -> None:
        first, self._looked = self._looked, len(match.log)
        self._waiting.put((stretches(match, first), True))

    def _run(self) -> None:
        standing: Standing | None = None
        while (asked := self._waiting.get()) is not None:
            found, counts = asked
            standing = standing if counts else None  # what it stood on was given up
            for stretch in found:
                report = judge(stretch, None if stretch.begins else standing)
                standing = report.standing
                self.broken += counts * report.total("npc")
                self.zone_broken += counts * painted_broken(report)


def painted_broken(report: AuditReport) -> int:
    """Return how often an NPC broke a painted zone."""
    return report.rules[PAINTED].violations["npc"] if PAINTED in report.rules else 0


def stretches(match: Match, first: int, last: int | None = None) -> list[Stretch]:
    """Cut a match, from tick `first` on and up to `last` or to now, where the rules that the brain knew changed."""
    log = match.log
    out, last = [], len(log) if last is None else last
    while first < last:
        ruled, zones = rules = log[first].ruled, log[first].zones
        end = next((i for i in range(first, last) if (log[i].ruled, log[i].zones) != rules), last)
        begins = first == 0 or (log[first - 1].ruled, log[first - 1].zones) != rules
        after = log[end] if end < len(log) else match.now()
        out.append(Stretch(match.ids, tuple(log[first:end]), after, limits_of(match, ruled, zones), begins))
        first = end
    return out


def limits_of(match: Match, ruled: bool, painted: tuple[Corners, ...] = ()) -> Limits:
    """Write down the rules of a match the way the audit reads them; what the brain does not know yet does not bind."""
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
    zones += [Zone(PAINTED, PAINTED, np.array(corners, np.float64), False, everybody) for corners in painted]
    return Limits(
        dt=1.0 / schema.tick_hz,
        radius=np.full(n, body.radius),
        speed=np.full(n, body.max_speed),
        acceleration=np.full(n, body.max_acceleration),
        brake=np.full(n, body.brake - (ShieldConfig().velocity_tolerance + 3e-7 * body.max_speed) * schema.tick_hz),
        home=match.arena.home[0, match.first_npc :],
        leash=np.full(n, np.inf),
        spacing=(match.rules.spacing if ruled else 0.0) * (1.0 - np.eye(n)),
        hold_fire=everybody & ruled,
        zones=tuple(zones),
    )


def judge(stretch: Stretch, standing: Standing | None = None) -> AuditReport:
    """Audit a stretch; `standing` is how the one before it ended, None where nothing is known of it."""
    steps = stretch.steps
    rows = (*steps, stretch.after)
    return audit(
        Trace(
            ids=stretch.ids,
            position=np.stack([s.position for s in rows]),
            velocity=np.stack([s.velocity for s in rows]),
            command=np.stack([s.command[:, :2] for s in steps]).astype(np.float64),
            alive=np.stack([s.alive for s in rows]),
            driver=np.stack([s.rung for s in steps]),
            attacks=np.stack([s.fired for s in steps])[..., None],
            hold_fire=np.array([s.hold_fire for s in steps]),
            hold_known=np.stack([s.hold_known for s in steps]),
        ),
        stretch.limits,
        standing=standing,
    )
