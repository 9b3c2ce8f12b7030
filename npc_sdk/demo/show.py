"""The demo itself: match, brain, designer's desk and picture, one tick at a time; the loops around it are elsewhere."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from enum import Enum

import numpy as np
import pygame
from jaxtyping import Float

from npc_bridge.client import Client
from npc_sdk.demo.beside import Beside
from npc_sdk.demo.brain import Brain, Endpoints
from npc_sdk.demo.designer import Designer
from npc_sdk.demo.desk import Desk
from npc_sdk.demo.judge import Judge
from npc_sdk.demo.layout import ARENA
from npc_sdk.demo.line import Line
from npc_sdk.demo.match import Match
from npc_sdk.demo.paint import is_painted
from npc_sdk.demo.picture import Banner, Frame, Picture
from npc_sdk.demo.play import Cast, Play
from npc_sdk.demo.scene import Scene, Status
from npc_sdk.demo.settings import Request
from npc_sdk.demo.talk import Talk
from npc_sdk.demo.tally import Tally
from npc_sdk.demo.twin import Start, TwinView
from npc_sdk.envs.arena import DT, TICK_HZ

PATIENCE_S = 20.0  # a brain may have to read its libraries from a slow disk
_BETWEEN_TICKS = 60  # after a match
_GREETING_TICKS = 30  # before another cast begins: time enough for the board to be cleared
_MEET_TICKS = 60  # at most, for the brain to take up another match
_BINDING_TICKS = 20  # a chunk, the lead and a stop: from then on a rule that was just confirmed binds
_PICK_M = 0.7  # from an NPC's centre that a click still means it


class Stage(Enum):
    """Where a match stands."""

    MEETING = "meeting"  # the brain is to take it up; nobody moves
    PLAYING = "playing"
    OVER = "over"


class Show:
    """Everything between the outer loop and the processes. One thread; nothing here waits for the brain."""

    def __init__(self, brain: Brain, endpoints: Endpoints, cast: Cast, patience_s: float = PATIENCE_S) -> None:
        """Set up the first match.

        Args:
            brain: started here.
            endpoints: where it listens.
            cast: who plays.
            patience_s: how long a match waits for a brain that is starting.
        """
        self.brain = brain
        self.cast = cast
        self.tally = Tally()
        self.frame_ms: deque[float] = deque(maxlen=150)
        self.frozen = False  # the match stands still; picture and desk go on
        self._clock = 0  # ticks since the show began, matches and pauses
        self._played = 0  # of these, ticks of matches
        self._number = 0  # of the match
        self._greeting: Banner | None = None  # instead of what a match begins with
        self._killed = False  # the brain was killed and does not lead again yet
        self._judge = Judge(thorough=cast.judged)
        self._beside = Beside()
        brain.start()
        self._talk = Talk(Designer(endpoints.control, endpoints.telemetry), echo=self._beside.tell)
        self.desk = Desk(self._talk)
        self._picture = Picture(self.desk.panel)
        self._starting = round(patience_s * TICK_HZ)  # ticks that a brain may take to start
        self._open(self._starting)
        self._line = Line(Client(endpoints.data, self.match.schema, fallback=lambda *asked: self._play.script(*asked)))

    # a match

    @property
    def match(self) -> Match:
        """The match that is on."""
        return self._play.match

    def _open(self, patience: int) -> None:
        """Set the stage for a match, which waits so many ticks for the brain."""
        self._play = Play(self.cast, self._number)
        self._talk.open(self.match.rules.requests(), self._played)
        self.desk.lay(self.match)
        self._picture.open(self.match)
        self._meet(patience)

    def _meet(self, patience: int) -> None:
        """Let nobody move until the brain has plans, or so many ticks have passed."""
        self.stage, self._since, self._patience = Stage.MEETING, self._clock, patience

    def _next(self) -> None:
        self._judge.take(self.match)
        self.unpaint()
        self._number += 1
        self._open(_MEET_TICKS if self.brain.ready else self._starting)
        self._line.restart(self.match.schema)

    def begin(self, cast: Cast, greeting: Banner) -> None:
        """Begin another match with this cast and with nothing turned, after a greeting."""
        self.unpaint()
        self.desk.clear()
        self.cast, self._greeting, self.frozen = cast, greeting, False
        self.restart_brain()
        self.stage, self._since = Stage.OVER, self._clock - _BETWEEN_TICKS + _GREETING_TICKS

    def advance(self, action: Float[np.ndarray, "6"] | None) -> bool:
        """Do one tick; `action` is the human's, None while a script plays. False if no tick was played."""
        self._clock += 1
        self._talk.follow(self._line.session)
        self._talk.hear(self._played)
        self.desk.tick(self._clock, self.led, self.frozen)
        waited = self._clock - self._since
        if self.stage is Stage.MEETING:
            if self.led:
                self._line.show(self.match.tick, self.match.blocks())
            self._line.listen()
            if (self.led and self._line.met) or waited > self._patience or (not self.brain.alive and waited > 3):
                self.stage, self._greeting = Stage.PLAYING, None
            return False
        if self.stage is Stage.OVER:
            self._line.listen()
            if waited > _BETWEEN_TICKS:
                self._next()
            return False
        if self.frozen:
            self._line.show(self.match.tick, self.match.blocks())
            self._line.listen()
            return False
        self._tick(action)
        if self.match.over:
            self.stage, self._since = Stage.OVER, self._clock
        return True

    def _tick(self, action: Float[np.ndarray, "6"] | None) -> None:
        match = self.match
        self._played += 1
        player = self._play.begin_tick(None if self.cast.scripted else action)
        self._beside.tick(None if self.cast.scripted else player)
        moved = self._line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
        zones = self._talk.paint.bound(self._played, _BINDING_TICKS) if self.led else ()
        match.step(player, moved, self._bound, zones)
        self._play.end_tick(moved.barks)
        self._killed = self._killed and not (self.brain.ready and self.led)
        self.tally.tick(moved, match.unseen, killed=self._killed)
        self._judge.follow(match)

    @property
    def led(self) -> bool:
        """Whether the brain has this match and knows its rules."""
        return self._line.live and self._talk.agreed

    @property
    def session(self) -> int:
        """Number of the open session with the brain, 0 without one."""
        return self._line.session

    @property
    def _bound(self) -> bool:
        """Whether the rules bind by now: what was promised before they were known has run out (assumption K3)."""
        return self.led and self._played - self._talk.confirmed > _BINDING_TICKS

    # what is done to the match

    def freeze(self) -> None:
        """Let the match stand still; what is turned meanwhile swings the plans in the picture."""
        if not self.frozen:
            self.frozen = True
            self._line.pause()

    def resume(self) -> None:
        """Let the match go on: the next decisions are taken under what was turned."""
        self.frozen = False

    def rewind(self, seconds: float) -> None:
        """Go back to an earlier moment of this match, 10 s at most; the brain meets it as a fresh session.

        What was played and is given up stays in all counts.
        """
        moment = self._play.earlier(seconds)
        if moment is None:
            return
        self.stop_control()
        self._judge.branch(self.match, moment.match.logged)
        self._play.back(moment)
        self.desk.agree()
        self._line.restart(self.match.schema)
        self._talk.renew()
        self._meet(_MEET_TICKS)

    def flip(self, npc: int) -> None:
        """Freeze, move the weight that the NPC's explanation names just past its threshold, and let it decide again."""
        self.freeze()
        self.desk.select(npc)
        self._talk.flip(npc)

    def unpaint(self) -> None:
        """Allow again what was painted."""
        self.stop_control()
        self._talk.allow()

    def prepare_control(self) -> None:
        """Start the process of the control match, so that it has read its libraries when it is wanted."""
        self._beside.prepare()

    def start_control(self) -> None:
        """Play the same match beside this one from now on, with the painted zones as soft wishes instead of rules."""
        self._beside.begin(
            Start(
                arena=self.match.arena.clone(),
                player=self._play.player.clone() if self.cast.scripted else None,
                zones=self.desk.zones,
                settings=tuple(r for r in self._talk.settings.replay() if not _paints(r)),
                model=self.brain.model,
                seed=self.cast.seed,
            )
        )

    def stop_control(self) -> None:
        """End the control match; what it counted stays."""
        self._beside.end()

    def kill_brain(self) -> None:
        """Kill the brain's process."""
        self._killed = True
        self.brain.kill()

    def restart_brain(self) -> None:
        """Start the brain again."""
        self.brain.start()

    # what a mouse does

    def press(self, at: tuple[int, int], reset: bool = False) -> bool:
        """Handle a click; True if it was for panel or NPC, False if it is the player's."""
        if at[0] > ARENA.right:
            self.desk.touch(self.desk.panel.press(at, self.desk.view(), reset))
            return True
        npc = self._npc_at(at) if ARENA.collidepoint(at) else 0
        if npc and not reset:
            self.desk.select(0 if npc == self.desk.selected else npc)
        return bool(npc)

    def drag(self, at: tuple[int, int]) -> None:
        """Handle a movement of the mouse."""
        self.desk.touch(self.desk.panel.move(at, self.desk.view()))

    def release(self) -> None:
        """Handle a button let go."""
        self.desk.panel.release()

    def sketch(self, at: tuple[int, int]) -> None:
        """Lead the stroke of a zone on to a pixel."""
        self.desk.sketch(self.aim(at))

    def aim(self, at: tuple[int, int]) -> tuple[float, float]:
        """Where in the arena a pixel is, m."""
        return self._picture.aim(at)

    def pixel(self, at: tuple[float, float]) -> tuple[float, float]:
        """Where on the screen a place in the arena is."""
        return self._picture.pixel(at)

    def _npc_at(self, at: tuple[int, int]) -> int:
        x, y = self.aim(at)
        places, _ = self.match.eased(1.0)
        npcs = places[self.match.first_npc :]
        gap = np.hypot(npcs[:, 0] - x, npcs[:, 1] - y)
        gap[~self.match.alive] = math.inf
        nearest = int(gap.argmin())
        return int(self.match.ids[nearest]) if gap[nearest] < _PICK_M else 0

    # what is seen

    def draw(self, share: float) -> pygame.Surface:
        """Draw one moment, `share` of the way from the last tick to this one."""
        return self._picture.draw(
            Frame(
                clock=self._clock + share,
                scene=self.scene(share),
                panel=self.desk.view(),
                status=self._status(),
                zone_broken=self.zone_broken or 0,
                control=self.control,
                banner=self._banner(),
                frozen=self.frozen,
            )
        )

    def scene(self, share: float) -> Scene:
        """Put together what one drawn frame of the arena shows."""
        match, mind = self.match, self._talk.mind
        share = 1.0 if self.frozen else share
        return Scene(
            time=(self._clock + share) * DT,
            npcs=self._play.npcs(mind, self._line, share),
            player=match.player_view(share),
            beliefs=mind.beliefs if self._line.live else (),
            grenades=match.grenade_views(),
            flashes=match.flashes(share),
            hold_fire=match.hold_fire,
            selected=self.desk.selected,
            zones=self.desk.zones,
            stroke=self.desk.stroke,
        )

    @property
    def player_at(self) -> tuple[float, float]:
        """Where the player stands, m."""
        return self._play.player_at

    def _status(self) -> Status:
        fault = f"{self._line.fault} {self._line.remedy}".strip()
        if self.brain.ended and self.brain.last_words:
            fault = self.brain.last_words  # it knows better why nothing listens
        return Status(
            frame_ms=tuple(self.frame_ms),
            decisions_s=self.tally.decisions_s(TICK_HZ),
            decision_age_ms=self.tally.recent_age_ms(),
            broken=self.broken,
            model_sha256=self.model,
            forecast=self.forecast,
            fault=fault,
            brain=self.brain.describe().partition(",")[0],
        )

    def _banner(self) -> Banner | None:
        """Say why nobody moves, None while they do."""
        if self.stage is Stage.PLAYING:
            return None
        if self._greeting is not None:
            return self._greeting
        if self.stage is Stage.OVER:
            alive = bool(self.match.arena.alive[0, 0])
            return Banner("The player stands" if alive else "The squads have won", "next match in a moment")
        return Banner(f"Match {self.matches}", "here we go" if self._line.live else "waiting for the brain")

    # what is reported

    @property
    def control(self) -> TwinView | None:
        """The control match as it stands, None while there is none."""
        return self._beside.view

    @property
    def control_zone_broken(self) -> int | None:
        """NPC-ticks inside a painted zone in the control match, by NPCs that had been outside; None without a match."""
        return self._beside.broken

    @property
    def zone_broken(self) -> int | None:
        """How often NPCs broke a painted zone through no fault of others, as far as the audit has looked.

        None while none was painted.
        """
        return self._judge.zone_broken if self._talk.painted else None

    @property
    def flip_verified(self) -> bool | None:
        """Whether the last `flip` came out as the explanation had said; None before it is known."""
        return None if self._talk.flipping is None else self._talk.flipping.verified

    @property
    def flipped(self) -> bool:
        """Whether the last `flip` has come to an end."""
        return self._talk.flipping is not None and self._talk.flipping.done

    @property
    def weights(self) -> list[dict[str, object]]:
        """The weights in force, as the brain last told: a row a term, the lowest and the highest over the NPCs."""
        return self._talk.heard.spans

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the numbers in the brain's memory, as it last counted them."""
        return self._talk.weights_sha256

    @property
    def model(self) -> str:
        """SHA-256 of the model in use, "" for one without a file; before the brain plans, of the one it starts with."""
        mind = self._talk.mind
        return mind.model if mind.forecast else self.brain.model_sha256

    @property
    def forecast(self) -> str:
        """The forecast that the brain says it plans with, "" before it has said so."""
        return self._talk.mind.forecast

    @property
    def swing_ms(self) -> list[float]:
        """From every turned weight to the plans it leads to, as soon as they were here."""
        return self._talk.swing_ms

    @property
    def violations(self) -> dict[str, int]:
        """Rules broken so far, by whose doing."""
        return self._judge.total(self.match)

    @property
    def broken(self) -> int:
        """Rules broken by NPCs, as the status strip shows it."""
        return self._judge.broken

    @property
    def matches(self) -> int:
        """How many matches have begun."""
        return self._number + 1

    @property
    def fault(self) -> str:
        """What is wrong on the line to the brain."""
        return self._line.fault

    def close(self) -> None:
        """End everything."""
        self._beside.close()
        self._judge.close()
        self._talk.close()
        self._line.close()
        self.brain.stop()


def _paints(request: Request) -> bool:
    rule = request.get("rule")
    return isinstance(rule, Mapping) and is_painted(str(rule.get("name")))
