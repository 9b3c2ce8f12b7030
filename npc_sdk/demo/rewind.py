"""The last seconds of a match, kept so that it can go back to an earlier moment of itself and on from there."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from npc_sdk.demo.match import Kept
from npc_sdk.demo.script import OwnScript
from npc_sdk.envs.arena import TICK_HZ, ScriptedPlayers

REACH_S = 10.0
_EVERY_TICKS = 6  # a moment costs half a millisecond and some 200 kB
_MOST = round(REACH_S * TICK_HZ) // _EVERY_TICKS + 1


@dataclass(frozen=True, slots=True)
class Moment:
    """All that a match's future depends on apart from the brain, and what the eye still sees of its past."""

    match: Kept
    script: OwnScript
    player: ScriptedPlayers
    barks: Mapping[int, tuple[str, float]]  # npc -> what it called out, and how long ago, s


class Past:
    """Keeps a moment every fifth of a second, for ten seconds."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._moments: deque[Moment] = deque(maxlen=_MOST)

    def wants(self, tick: int) -> bool:
        """Whether the moment before this tick is to be kept."""
        return tick % _EVERY_TICKS == 0

    def keep(self, moment: Moment) -> None:
        """Keep a moment that nobody changes any more."""
        self._moments.append(moment)

    def back(self, tick: int) -> Moment | None:
        """Return the last moment that is not after `tick`, or the oldest; what came later is forgotten."""
        while len(self._moments) > 1 and self._moments[-1].match.tick > tick:
            self._moments.pop()
        return self._moments.pop() if self._moments else None
