"""Takes an explanation at its word: moves the weight it names past where it says, and lets the NPC decide again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npc_sdk.demo.scene import Flip, Why
from npc_sdk.demo.settings import Reach, Request, Settings

_MOST_TRIES = 4  # a decision that was on its way when the match froze may still come in between


@dataclass(slots=True)
class Flipping:
    """One NPC's choice on its way to another. Asks through requests, is fed the answers, waits for nothing.

    Both decisions are taken by the brain at the same moment of the frozen match and with the same random numbers; all
    that differs is the one weight.
    """

    npc: int
    verified: bool | None = None  # None: not known yet, or no single weight can flip the choice
    said: Flip | None = None  # what the explanation promised
    done: bool = False
    _tick: int = -1
    _tries: int = 0

    def begin(self) -> list[Request]:
        """Ask for the decision as it is, with its explanation."""
        self._tries += 1
        self.said = None
        return [self._decide()]

    def hear(self, why: Why, settings: Settings) -> list[Request]:
        """Take in one decision; returns what to ask next."""
        if self.said is None:
            return self._promised(why, settings)
        weight = next((w for term, w, _ in why.parts if term == self.said.term), None)
        if why.tick != self._tick or weight is None or abs(weight - self.said.past) > 1e-4 * max(1.0, self.said.past):
            if self._tries < _MOST_TRIES:
                return self.begin()
            self.done = True
            return []
        self.verified, self.done = why.family == self.said.family, True
        return []

    def _promised(self, why: Why, settings: Settings) -> list[Request]:
        """Move the weight that the explanation names."""
        if why.flip is None:
            self.done = True
            return []
        self.said, self._tick = why.flip, why.tick
        reach = Reach(f"npc {self.npc}", f"npc:{self.npc}", (self.npc,))
        return [*settings.set_weight(reach, why.flip.term, why.flip.past, f"flip {self.npc}"), self._decide()]

    def _decide(self) -> Request:
        return {"op": "replan", "npc": self.npc}


def is_replan_of(request: Mapping[str, object], npc: int) -> bool:
    """Whether a request asks an NPC to decide again."""
    return request.get("op") == "replan" and request.get("npc") == npc
