"""One match being played: bodies, the scripted player, the NPCs' own script, what is called out, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from npc_sdk.demo.line import Line
from npc_sdk.demo.match import Match
from npc_sdk.demo.rewind import Moment, Past
from npc_sdk.demo.scene import NONE, NpcView
from npc_sdk.demo.script import OwnScript
from npc_sdk.demo.thoughts import Mind
from npc_sdk.envs.arena import DT, STYLES, TICK_HZ, ArenaConfig, ScriptedPlayers, make_map

_MAPS = "test"
_SILENT = ("", 0.0)


@dataclass(frozen=True, slots=True)
class Cast:
    """What is played."""

    npcs: int
    seed: int
    scripted: bool  # the player is played by a script
    judged: bool = False  # whole matches are kept, to be judged at the end
    staged: bool = False  # nobody dies: the reel needs its actors for a minute


class Play:
    """A match and all that its future depends on apart from the brain."""

    def __init__(self, cast: Cast, number: int) -> None:
        """Set up the match of that number, counted from 0."""
        seed, turn = cast.seed + 7919 * number, cast.seed + number
        config = ArenaConfig(npcs=cast.npcs, mortal=not cast.staged)
        self.match = Match(make_map(_MAPS, turn % 1000), config, seed)
        self.script = OwnScript(self.match.arena, seed)
        self.player = ScriptedPlayers([STYLES[turn % len(STYLES)]], seed)
        self._past = Past()
        self._barks: dict[int, tuple[str, float]] = {}  # npc -> what it called out, and how long ago, s

    def begin_tick(self, action: Float[np.ndarray, "6"] | None) -> Float[np.ndarray, "6"]:
        """Keep the moment, let the own script look on, and return what the player does: `action`, or by script."""
        match = self.match
        if self._past.wants(match.tick):
            kept = match.keep()
            self._past.keep(Moment(kept, self.script.clone(kept.arena), self.player.clone(), dict(self._barks)))
        self.script.look()
        return np.asarray(self.player.act(match.arena)[0] if action is None else action, np.float64)

    def end_tick(self, barks: Mapping[int, str]) -> None:
        """Let what was called out grow old, and take in what is called out now."""
        self._barks = {npc: (text, age + DT) for npc, (text, age) in self._barks.items()}
        self._barks |= {npc: (text, 0.0) for npc, text in barks.items()}

    def earlier(self, seconds: float) -> Moment | None:
        """Find the moment that lies so far back, 10 s at most; what came after it can no longer be gone back to."""
        return self._past.back(self.match.tick - round(seconds * TICK_HZ))

    def back(self, moment: Moment) -> None:
        """Go on from an earlier moment."""
        self.match.back(moment.match)
        self.script = moment.script.clone(self.match.arena)
        self.player = moment.player
        self._barks = dict(moment.barks)

    @property
    def player_at(self) -> tuple[float, float]:
        """Where the player stands, m."""
        x, y = self.match.arena.pos[0, 0]
        return float(x), float(y)

    def npcs(self, mind: Mind, line: Line, share: float) -> tuple[NpcView, ...]:
        """The NPCs for the eye, `share` of the way from the last tick to this one."""
        match, arena = self.match, self.match.arena
        places, headings = match.eased(share)
        rungs = match.log[-1].rung if match.log else np.full(len(match.ids), NONE, np.uint8)
        views = []
        for a, (npc, rung) in enumerate(zip(match.ids.tolist(), rungs.tolist(), strict=True), match.first_npc):
            bark, age = self._barks.get(npc, _SILENT)
            views.append(
                NpcView(
                    id=npc,
                    squad=int(arena.squad[0, a]),
                    at=(float(places[a, 0]), float(places[a, 1])),
                    heading=float(headings[a]),
                    health=float(arena.health[0, a]) / arena.config.health,
                    alive=bool(arena.alive[0, a]),
                    leader=bool(arena.leader[0, a]),
                    rung=rung,
                    persona=mind.personas.get(npc, ""),
                    bark=bark,
                    bark_age=age,
                    chunk=line.chunk(npc),
                    thought=mind.thought(npc, match.tick),
                )
            )
        return tuple(views)
