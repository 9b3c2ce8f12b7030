"""What NPCs pay for an expression whose share of the time is limited: one Lagrange multiplier per NPC and rule.

The price is the dual variable of "mean of x <= most" and climbs by projected dual ascent on what was measured:

    price <- min(MOST, max(0, price + RATE / seconds * dt * (x - most)))

(Altman 1999 for the dual of such a limit; as a queue of what is still to be made up for, Neely 2010, section 4).
Summed up: as long as the price is below MOST, the mean of x over any time T exceeds `most` by no more than
(price at the end - price at the beginning) * seconds / (RATE * T).

Both bounds are hard stops, so what could not be helped is not carried on (no wind-up): the price falls as soon as
x does. Nor is time carried over in which nobody decided. No clock and no chance here: same measurements, same prices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from npc_sdk.constraints import Share, ShareStanding

RATE = 80.0  # of J per unit of the expression: how far the price climbs for a whole window of nothing but breach
MOST = 40.0  # the dearest that an expression becomes: more than the other terms come to, and soon made good
GAP_S = 0.5  # the longest time between two looks that counts as watched


@dataclass(slots=True)
class Price:
    """One NPC under one limit."""

    value: float = 0.0
    tick: int | None = None  # of the last look
    _window: deque[tuple[int, float, float]] = field(default_factory=deque)  # tick, s, how much of them held
    _watched: float = 0.0  # s in the window
    _held: float = 0.0  # s of these

    @property
    def share(self) -> float:
        """How much of the watched part of the window the expression held."""
        return min(1.0, max(0.0, self._held / self._watched)) if self._watched > 0 else 0.0

    def look(self, limit: Share, tick: int, held: float, tick_s: float, first_s: float) -> None:
        """Takes in that the expression held to the extent `held`, 0..1, since the last look, or for `first_s`."""
        passed = first_s if self.tick is None else min((tick - self.tick) * tick_s, GAP_S)
        if passed <= 0:
            return
        self.tick = tick
        self._window.append((tick, passed, held * passed))
        self._watched += passed
        self._held += held * passed
        while (tick - self._window[0][0]) * tick_s >= limit.seconds:
            _, before, of_it = self._window.popleft()
            self._watched -= before
            self._held -= of_it
        climb = RATE / limit.seconds * passed * (held - limit.most)
        self.value = min(MOST, max(0.0, self.value + climb))

    def standing(self, limit: Share) -> ShareStanding:
        """Where the NPC stands."""
        met = self.share <= limit.most
        return ShareStanding(limit.name, self.share, limit.most, limit.seconds, self.value, met)


class Prices:
    """All prices of one game, by rule and NPC."""

    def __init__(self) -> None:
        self._prices: dict[tuple[str, str], dict[int, Price]] = {}

    def keep(self, limits: Iterable[Share], npcs: Collection[int]) -> None:
        """Forgets rules that are gone or ask about something else, and NPCs that are gone."""
        wanted = {(limit.name, limit.of) for limit in limits}
        self._prices = {
            rule: {npc: price for npc, price in rows.items() if npc in npcs}
            for rule, rows in self._prices.items()
            if rule in wanted
        }

    def of(self, limit: Share, npc: int) -> Price:
        """Returns an NPC's price under a limit, a new one at first sight."""
        return self._prices.setdefault((limit.name, limit.of), {}).setdefault(npc, Price())
