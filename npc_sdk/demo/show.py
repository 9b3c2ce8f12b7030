"""The demo itself: match, brain, designer's line and picture, one tick at a time; the loops around it are elsewhere."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pygame
from jaxtyping import Float

from npc_bridge.client import Client
from npc_bridge.packing import Value
from npc_sdk.demo import theme
from npc_sdk.demo.arena_view import ArenaView
from npc_sdk.demo.because import Telling
from npc_sdk.demo.brain import Brain, Endpoints
from npc_sdk.demo.designer import Designer
from npc_sdk.demo.flip import Flipping, is_replan_of
from npc_sdk.demo.inset import draw_inset, draw_law
from npc_sdk.demo.judge import Judge
from npc_sdk.demo.layout import ARENA, SIZE
from npc_sdk.demo.line import Line
from npc_sdk.demo.match import Match
from npc_sdk.demo.paint import Corners, Paint, is_painted, outline
from npc_sdk.demo.panel import (
    SLIDER_TERMS,
    Assigned,
    HeldFire,
    Knob,
    Panel,
    PanelView,
    PersonaButton,
    Reached,
    Touch,
    Turned,
    persona_buttons,
)
from npc_sdk.demo.rewind import Moment, Past
from npc_sdk.demo.scene import NpcView, Scene, Status, Why
from npc_sdk.demo.script import OwnScript
from npc_sdk.demo.settings import Reach, Request, Settings, reaches, term_request
from npc_sdk.demo.strip import draw_strip
from npc_sdk.demo.tally import Tally
from npc_sdk.demo.thoughts import number, read_why
from npc_sdk.demo.twin import Start, Twin, TwinView
from npc_sdk.envs.arena import DT, STYLES, TICK_HZ, ArenaConfig, ArenaMap, ScriptedPlayers, make_map
from npc_sdk.errors import InputError

_EXPLAIN_TICKS = 6
_INSPECT_TICKS = 30
_PENDING_TICKS = 24  # how long a slider shows what was turned before it shows what the brain says again
_BETWEEN_TICKS = 60  # after a match
_GREETING_TICKS = 30  # before another cast begins: time enough for the board to be cleared
_MEET_TICKS = 60  # at most, for the brain to take up another match
_BINDING_TICKS = 20  # a chunk, the lead and a stop: from then on a rule that was just confirmed binds
_MAPS = "test"
FORECASTS = ("learned", "constant-velocity", "untrained")  # that one key goes round
_ADDED_SLIDERS = 3  # of wishes that were added; they take the place of the last ones


class Stage(Enum):
    """Where a match stands."""

    MEETING = "meeting"  # the brain is to take it up; nobody moves
    PLAYING = "playing"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Cast:
    """What is played."""

    npcs: int
    seed: int
    scripted: bool  # the player is played by a script
    judged: bool = False  # whole matches are kept, to be judged at the end
    staged: bool = False  # nobody dies: the reel needs its actors for a minute


@dataclass(slots=True)
class _Bark:
    text: str
    age: float = 0.0  # s


@dataclass(slots=True)
class _Board:
    """What the brain's board was last heard to hold."""

    personas: tuple[PersonaButton, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict)  # defaults
    weights: Mapping[int, Mapping[str, float]] = field(default_factory=dict)  # npc -> term -> weight
    persona_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    forecasts: tuple[str, ...] = ()  # that the brain can plan with
    pending: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)  # (target, term) -> tick, value


class Show:
    """Everything between the outer loop and the processes. One thread; nothing here waits for the brain."""

    def __init__(self, brain: Brain, endpoints: Endpoints, cast: Cast, patience_s: float) -> None:
        """Set up the first match.

        Args:
            brain: started here.
            endpoints: where it listens.
            cast: who plays.
            patience_s: how long the first match waits for the brain.
        """
        self.brain = brain
        self.tally = Tally()
        self.screen = pygame.Surface(SIZE)
        self.selected = 0
        self.frame_ms: deque[float] = deque(maxlen=150)
        self.cast = cast
        self._settings = Settings()
        self._board = _Board()
        self._panel = Panel()
        self._reach = 0
        self._clock = 0  # ticks since the show began, matches and pauses
        self._played = 0  # of these, ticks of matches
        self._drawn = 0.0  # on that clock
        self._number = 0
        self.refusal = ""  # the brain's last no to a request
        self.weights_sha256 = ""  # of the numbers in the brain's memory, as it last counted them
        self._telling = Telling()
        self._painted = False  # ever
        self._greeting: tuple[str, str] | None = None  # instead of what a match begins with
        self._flipping: Flipping | None = None
        self._twin: Twin | None = None
        self._killed = False  # the brain was killed and does not lead again yet
        self.frozen = False  # the match stands still; picture and designer's line go on
        self._judge = Judge(thorough=cast.judged)
        brain.start()
        self._designer = Designer(endpoints.control, endpoints.telemetry)
        self._open(make_map(_MAPS, cast.seed % 1000))
        self._line = Line(Client(endpoints.data, self.match.schema, fallback=lambda *asked: self._script(*asked)))
        self._until = round(patience_s * TICK_HZ)

    # a match

    def _open(self, bare: ArenaMap) -> None:
        """Set the stage for a match on a map."""
        config = ArenaConfig(npcs=self.cast.npcs, mortal=not self.cast.staged)
        seed = self.cast.seed + 7919 * self._number
        self.match = Match(bare, config, seed)
        arena = self.match.arena
        self._script = OwnScript(arena, seed)
        style = STYLES[(self.cast.seed + self._number) % len(STYLES)]
        self._player = ScriptedPlayers([style], seed)
        self._past, self._paint = Past(), Paint()
        self._view = ArenaView(self.match.schema.polygons, self.match.schema.bounds, arena.edges[0], ARENA.width)
        self._barks: dict[int, _Bark] = {}
        self._session = 0
        self._ruled: set[str] = set()  # rules the brain has confirmed
        self._confirmed = self._played  # when it confirmed the last of them
        self.stage = Stage.MEETING
        self._since = self._clock
        self._settings.set_rules(self.match.rules.requests())
        self.selected = 0

    def _next(self) -> None:
        self._judge.take(self.match)
        self.stop_control()
        self.unpaint()
        self._number += 1
        self._open(make_map(_MAPS, (self.cast.seed + self._number) % 1000))
        self._line.restart(self.match.schema)
        self._until = _MEET_TICKS

    def begin(self, cast: Cast, greeting: tuple[str, str]) -> None:
        """Begin another match with this cast and with nothing turned, after a greeting of two lines."""
        self.unpaint()
        self._designer.ask(*self._settings.clear())
        self.cast, self._greeting = cast, greeting
        self.frozen, self.refusal, self._reach = False, "", 0
        self.restart_brain()
        self.stage, self._since = Stage.OVER, self._clock - _BETWEEN_TICKS + _GREETING_TICKS

    def advance(self, action: Float[np.ndarray, "6"] | None) -> bool:
        """Do one tick; `action` is the human's, None while a script plays. False if no tick was played."""
        self._clock += 1
        self._keep_in_touch()
        waited = self._clock - self._since
        if self.stage is Stage.MEETING:
            if self.led:
                self._line.show(self.match.tick, self.match.blocks())
            self._line.listen()
            if (self.led and self._line.met) or waited > self._until or (not self.brain.alive and waited > 3):
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
        self._play(action)
        if self.match.over:
            self.stage, self._since = Stage.OVER, self._clock
        return True

    def _play(self, action: Float[np.ndarray, "6"] | None) -> None:
        match = self.match
        self._played += 1
        if self._past.wants(match.tick):
            self._past.keep(self._moment())
        self._script.look()
        scripted = action is None or self.cast.scripted
        player = self._player.act(match.arena)[0] if scripted else action
        if self._twin is not None:
            self._twin.tick(None if self.cast.scripted else np.asarray(player, np.float64))
        moved = self._line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
        zones = self._paint.bound(self._played, _BINDING_TICKS) if self.led else ()
        match.step(np.asarray(player, np.float64), moved, self.bound, zones)
        for bark in self._barks.values():
            bark.age += DT
        for npc, text in moved.barks.items():
            self._barks[npc] = _Bark(text)
        self._killed = self._killed and not (self.brain.ready and self.led)
        self.tally.tick(
            *(moved.result.rung, moved.decisions, moved.ages_ms, moved.push_poll_ms, match.unseen),
            killed=self._killed,
            stale=moved.stale,
        )
        self._judge.follow(match)

    def _moment(self) -> Moment:
        kept = self.match.keep()
        barks = {npc: (bark.text, bark.age) for npc, bark in self._barks.items()}
        return Moment(kept, self._script.clone(kept.arena), self._player.clone(), barks)

    def _squad_of(self, npc: int) -> int:
        return next((squad for squad, members in self.match.squads.items() if npc in members), -1)

    @property
    def led(self) -> bool:
        """Whether the brain has this match and knows its rules."""
        return self._line.live and self._ruled >= set(self._settings.rules)

    @property
    def bound(self) -> bool:
        """Whether the rules bind by now: what was promised before they were known has run out (assumption K3)."""
        return self.led and self._played - self._confirmed > _BINDING_TICKS

    def _keep_in_touch(self) -> None:
        """Bring a new session to the designer's settings, take in answers, and ask what the panel wants to know."""
        session = self._line.session
        if session != self._session:
            self._session = session
            self._ruled.clear()
            self._designer.follow(session)
            if session:
                self._designer.ask(*self._settings.replay())
        for request, answer in self._designer.answers():
            self._answered(request, answer)
        self._telling.hear(self.why, self._clock * DT, self.frozen)
        if not session:
            return
        if not self.led and self._clock % _INSPECT_TICKS == 0:
            self._designer.ask(*self._settings.replay())  # what was asked before came to nothing
        if self._clock % _INSPECT_TICKS == 1:
            self._designer.ask({"op": "inspect", "npcs": self._npcs()})
        if self._clock % _INSPECT_TICKS == _INSPECT_TICKS // 2:
            self._designer.ask({"op": "status"})
        if self.frozen and self._clock % _EXPLAIN_TICKS == 1:  # nothing else is to be told: everybody's turn
            for npc in self.match.ids[self.match.alive]:
                self._designer.ask({"op": "explain", "npc": int(npc)})
        if self.selected and self._clock % _EXPLAIN_TICKS == 0:
            self._designer.ask({"op": "explain", "npc": self.selected})

    def _answered(self, request: Request, answer: Mapping[str, object] | str) -> None:
        if request["op"] == "add_rule" and isinstance(rule := request["rule"], Mapping):
            self._law(str(rule["name"]), rule, answer)
        elif isinstance(answer, str):
            self.refusal = answer
            if request["op"] == "set_forecast":
                self._settings.forecast = self.forecast
        elif request["op"] == "status":
            self.weights_sha256 = str(answer.get("weights_sha256", ""))
        elif request["op"] == "inspect":
            self._inspected(answer)
        elif request["op"] == "add_term":
            self._settings.terms[str(request["name"])] = request
            if self._twin is not None:
                self._twin.tell([request])
        elif self._flipping is not None and is_replan_of(request, self._flipping.npc) and not self._flipping.done:
            self._flipped(self._flipping, answer)

    def _law(self, name: str, rule: Mapping[str, Value], answer: Mapping[str, object] | str) -> None:
        """Take in what the brain said to a rule."""
        known = name in self._ruled
        if isinstance(answer, str):
            self._paint.refused(name)
            self.refusal = answer
        elif not is_painted(name):
            self._confirmed = self._confirmed if known else self._played
            self._ruled.add(name)
        elif not known and name in self._paint:
            self._paint.confirmed(name, self._played)
            self._painted = True
            self._settings.rules[name] = dict(rule)
            self._ruled.add(name)

    def _flipped(self, flipping: Flipping, answer: Mapping[str, object]) -> None:
        why = read_why(answer)
        if why is None:
            return
        self._designer.ask(*flipping.hear(why, self._settings))

    def _inspected(self, reply: Mapping[str, object]) -> None:
        terms, personas, npcs, forecasts = (reply.get(key) for key in ("terms", "personas", "npcs", "forecasts"))
        board = self._board
        if isinstance(forecasts, (list, tuple)):
            board.forecasts = tuple(str(name) for name in forecasts)
        if isinstance(terms, (list, tuple)):
            rows = [row for row in terms if isinstance(row, Mapping)]
            board.terms = {str(r.get("name")): number(r.get("default")) for r in rows}
        if isinstance(personas, Mapping):
            board.personas = persona_buttons(personas)
            board.persona_weights = {str(n): _numbers(p, "weights") for n, p in personas.items()}
        if isinstance(npcs, Mapping):
            board.weights = {int(str(npc)): _numbers(row, "weights") for npc, row in npcs.items()}

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
        moment = self._past.back(self.match.tick - round(seconds * TICK_HZ))
        if moment is None:
            return
        self.stop_control()
        self._judge.branch(self.match, moment.match.logged)
        self.match.back(moment.match)
        self._script = moment.script.clone(self.match.arena)
        self._player = moment.player
        self._barks = {npc: _Bark(text, age) for npc, (text, age) in moment.barks.items()}
        self._line.restart(self.match.schema)
        self._session = 0
        self._ruled.clear()
        self.stage, self._since, self._until = Stage.MEETING, self._clock, _MEET_TICKS

    def paint(self, polygon: Sequence[tuple[float, float]]) -> None:
        """Forbid a place from now on: a hard rule of the running brain, or the reason why not in `refusal`.

        Args:
            polygon: a stroke in m; its hull counts.
        """
        self.refusal = ""
        corners = outline(polygon)
        if corners:
            self._designer.ask(self._paint.request(corners))
        else:
            self.refusal = "a zone needs some area: drag round a place"

    def sketch(self, at: tuple[int, int]) -> None:
        """Lead the stroke of a zone on to a pixel."""
        self._paint.stroke.append(self.aim(at))

    def end_sketch(self) -> None:
        """Let go of the stroke: what it surrounds is forbidden."""
        stroke = self.stroke
        self._paint.stroke.clear()
        self.paint(stroke)

    def unpaint(self) -> None:
        """Allow again what was painted."""
        self.stop_control()
        requests = self._paint.removal()
        for request in requests:
            self._settings.rules.pop(str(request["name"]), None)
            self._ruled.discard(str(request["name"]))
        self._designer.ask(*requests)

    def prepare_control(self) -> None:
        """Start the process of the control match, so that it has read its libraries when it is wanted."""
        if self._twin is None or not self._twin.alive:
            self._twin = Twin()

    def start_control(self) -> None:
        """Play the same match beside this one from now on, with the painted zones as soft wishes instead of rules."""
        self.prepare_control()
        assert self._twin is not None
        settings = tuple(r for r in self._settings.replay() if not _paints(r) and r["op"] != "set_forecast")
        named = self._settings.forecast
        self._twin.begin(
            Start(
                arena=self.match.arena.clone(),
                player=self._player.clone() if self.cast.scripted else None,
                zones=self._paint.zones,
                settings=settings,
                forecast=named if named not in ("", FORECASTS[0]) else self.brain.model,
                seed=self.cast.seed,
            )
        )

    def stop_control(self) -> None:
        """End the control match; what it counted stays."""
        if self._twin is not None:
            self._twin.end()

    @property
    def control(self) -> TwinView | None:
        """The control match as it stands, None while there is none."""
        return None if self._twin is None else self._twin.view

    @property
    def control_zone_broken(self) -> int | None:
        """NPC-ticks inside a painted zone in the control match, by NPCs that had been outside; None without a match."""
        return None if self._twin is None or not self._twin.begun else self._twin.broken

    @property
    def stroke(self) -> tuple[tuple[float, float], ...]:
        """The zone under the mouse, m, while it is being painted."""
        return tuple(self._paint.stroke)

    @property
    def zones(self) -> tuple[Corners, ...]:
        """The painted zones, m."""
        return self._paint.zones

    @property
    def zone_broken(self) -> int | None:
        """How often NPCs broke a painted zone through no fault of others, as far as the audit has looked.

        None while none was painted.
        """
        return self._judge.zone_broken if self._painted else None

    def swap_forecast(self, name: str = "") -> None:
        """Let the brain plan with another forecast: the named one, or the next of the usual three."""
        usual = [known for known in FORECASTS if known in (self._board.forecasts or FORECASTS)]
        now = self._settings.forecast or self.forecast
        after = usual[(usual.index(now) + 1) % len(usual)] if now in usual else usual[0]
        self._designer.ask(*self._settings.set_forecast(name or after))

    def add_term(self, line: str) -> None:
        """Add a wish such as `north = relu(player.y + 4 - self.y)`; what is wrong with it is in `refusal`."""
        self.refusal = ""
        try:
            request = term_request(line)
        except InputError as error:
            self.refusal = str(error)
        else:
            self._designer.ask(request)

    @property
    def wishes(self) -> tuple[str, ...]:
        """Names of the added terms."""
        return tuple(self._settings.terms)

    def flip(self, npc: int) -> None:
        """Freeze, move the weight that the NPC's explanation names just past its threshold, and let it decide again."""
        self.freeze()
        self.select(npc)
        self._flipping = Flipping(npc)
        self._designer.ask(*self._flipping.begin())

    @property
    def flip_verified(self) -> bool | None:
        """Whether the last `flip` came out as the explanation had said; None before it is known."""
        return None if self._flipping is None else self._flipping.verified

    # what hands do

    def touch(self, touch: Touch | None) -> None:
        """Carry out what the panel was asked for."""
        reach = self.reaches()[self._reach]
        if isinstance(touch, Turned):
            self.turn(reach, touch.term, touch.value, f"drag {touch.drag}")
        elif isinstance(touch, Assigned):
            self.assign(reach, touch.persona)
        elif isinstance(touch, Reached):
            self._reach = touch.index
        elif isinstance(touch, HeldFire):
            self.hold_fire()

    def turn(self, reach: Reach, term: str, value: float, group: str = "") -> None:
        """Turn a weight; requests of one `group` are one step of undo."""
        self._board.pending[reach.target, term] = (self._clock, value)
        self._change(*self._settings.set_weight(reach, term, value, group))

    def assign(self, reach: Reach, persona: str) -> None:
        """Give out a persona."""
        self._board.pending.clear()
        self._change(*self._settings.assign(reach, persona))
        self._designer.ask({"op": "inspect", "npcs": self._npcs()})

    def hold_fire(self) -> None:
        """Raise or lower the game's hold-fire flag."""
        self.match.hold_fire = not self.match.hold_fire
        self._change(*self._settings.set_mode("hold_fire", self.match.hold_fire))

    def _change(self, *requests: Request) -> None:
        """Turn the brain's board, and the control match's with it."""
        self._designer.ask(*requests)
        if self._twin is not None:
            self._twin.tell(list(requests))

    def turned(self, term: str) -> float | None:
        """The last value a slider was given for everybody."""
        return self._settings.everywhere.get(term)

    def press(self, at: tuple[int, int], reset: bool = False) -> bool:
        """Handle a click; True if it was for panel or NPC, False if it is the player's."""
        if at[0] > ARENA.right:
            self.touch(self._panel.press(at, self.panel_view(), reset))
            return True
        npc = self._npc_at(at) if ARENA.collidepoint(at) else 0
        if npc and not reset:
            self.select(0 if npc == self.selected else npc)
        return bool(npc)

    def drag(self, at: tuple[int, int]) -> None:
        """Handle a movement of the mouse."""
        self.touch(self._panel.move(at, self.panel_view()))

    def release(self) -> None:
        """Handle a button let go."""
        self._panel.release()

    def select(self, npc: int) -> None:
        """Choose an NPC to explain, 0 for nobody."""
        self.selected = npc
        if npc:
            self._designer.ask({"op": "explain", "npc": npc})
        self._reach = min(self._reach, len(self.reaches()) - 1)

    def select_next(self, step: int = 1) -> None:
        """Choose the next living NPC."""
        living = [int(n) for n, alive in zip(self.match.ids, self.match.alive, strict=True) if alive]
        if living:
            at = living.index(self.selected) + step if self.selected in living else 0
            self.select(living[at % len(living)])

    def kill_brain(self) -> None:
        """Kill the brain's process."""
        self._killed = True
        self.brain.kill()

    def restart_brain(self) -> None:
        """Start the brain again."""
        self.brain.start()

    def aim(self, at: tuple[int, int]) -> tuple[float, float]:
        """Where in the arena a pixel is, m."""
        return self._view.camera.world((at[0] - ARENA.left, at[1] - ARENA.top))

    def pixel(self, at: tuple[float, float]) -> tuple[float, float]:
        """Where on the screen a place in the arena is."""
        x, y = self._view.camera.final(at)
        return x + ARENA.left, y + ARENA.top

    @property
    def why(self) -> Why | None:
        """The newest explanation of the selected NPC."""
        return self.whys.get(self.selected)

    @property
    def whys(self) -> Mapping[int, Why]:
        """The newest explanation of every NPC that has been asked: all of them while the match is frozen."""
        return self._designer.whys

    @property
    def player_at(self) -> tuple[float, float]:
        """Where the player stands, m."""
        x, y = self.match.arena.pos[0, 0]
        return float(x), float(y)

    def close(self) -> None:
        """End everything."""
        if self._twin is not None:
            self._twin.close()
        self._judge.close()
        self._designer.close()
        self._line.close()
        self.brain.stop()

    def _npc_at(self, at: tuple[int, int]) -> int:
        x, y = self.aim(at)
        places, _ = self.match.eased(1.0)
        npcs = places[self.match.first_npc :]
        gap = np.hypot(npcs[:, 0] - x, npcs[:, 1] - y)
        gap[~self.match.alive] = math.inf
        nearest = int(gap.argmin())
        return int(self.match.ids[nearest]) if gap[nearest] < 0.7 else 0

    def reaches(self) -> tuple[Reach, ...]:
        """Whom one can act on: everybody, each squad, the selected NPC."""
        return reaches(self.match.squads, self.selected)

    def _npcs(self) -> list[dict[str, int]]:
        return [{"id": npc, "squad": squad} for squad, members in self.match.squads.items() for npc in members]

    # what is seen

    def draw(self, share: float) -> pygame.Surface:
        """Draw one moment, `share` of the way from the last tick to this one."""
        screen = self.screen
        screen.fill(theme.BACKGROUND)
        screen.blit(self._view.draw(self.scene(share)), ARENA)
        now = self._clock + share
        self._panel.draw(screen, self.panel_view(), (now - self._drawn) * DT)
        self._drawn = now
        draw_strip(screen, self._status())
        for corners in self.zones:
            xs, ys = zip(*corners, strict=True)
            draw_law(screen, self.pixel((sum(xs) / len(xs), min(ys))), self.zone_broken or 0)
        if self.control is not None and self.zones:
            self._draw_control(self.control)
        if self.stage is not Stage.PLAYING:
            self._announce()
        elif self.frozen:
            theme.write(screen, "frozen", (ARENA.centerx, ARENA.top + 12), 26, theme.ACCENT, bold=True, align=0.5)
        return screen

    def _draw_control(self, view: TwinView) -> None:
        """Draw the control match into the corner of the arena that is farthest from the zone."""
        match = self.match
        x, y = np.mean(np.array(self.zones[-1]), 0)
        walls = [polygon for polygon in match.schema.polygons if polygon.kind == "wall"]
        squads = match.arena.squad[0, match.first_npc :].tolist()
        draw_inset(self.screen, view, self.zones, walls, squads, (bool(x < 0), bool(y > 0)))

    def scene(self, share: float) -> Scene:
        """Put together what one drawn frame of the arena shows."""
        match, mind, tick = self.match, self._designer.mind, self.match.tick
        share = 1.0 if self.frozen else share
        arena, first = match.arena, match.first_npc
        places, headings = match.eased(share)
        rung = match.log[-1].rung if match.log else np.full(len(match.ids), 4, np.uint8)
        npcs = []
        for i, npc in enumerate(int(n) for n in match.ids):
            bark = self._barks.get(npc)
            a = first + i
            npcs.append(
                NpcView(
                    id=npc,
                    squad=int(arena.squad[0, a]),
                    at=(float(places[a, 0]), float(places[a, 1])),
                    heading=float(headings[a]),
                    health=float(arena.health[0, a]) / arena.config.health,
                    alive=bool(arena.alive[0, a]),
                    leader=bool(arena.leader[0, a]),
                    rung=int(rung[i]),
                    persona=mind.personas.get(npc, ""),
                    bark="" if bark is None else bark.text,
                    bark_age=0.0 if bark is None else bark.age,
                    chunk=self._line.chunk(npc),
                    thought=mind.thought(npc, tick),
                )
            )
        return Scene(
            time=self._clock * DT + share * DT,
            npcs=tuple(npcs),
            player=match.player_view(share),
            beliefs=mind.beliefs if self._line.live else (),
            grenades=match.grenade_views(),
            flashes=match.flashes(share),
            hold_fire=match.hold_fire,
            selected=self.selected,
            zones=self.zones,
            stroke=self.stroke,
        )

    def panel_view(self) -> PanelView:
        """Put together what the panel shows."""
        found, board = self.reaches(), self._board
        self._reach = min(self._reach, len(found) - 1)
        reach = found[self._reach]
        shown = next((npc for npc in reach.npcs if npc in board.weights), 0)
        personas = {self._designer.mind.personas.get(npc, self._settings.personas.get(npc, "")) for npc in reach.npcs}
        persona = next(iter(personas)) if len(personas) == 1 else ""
        knobs = []
        added = tuple(self._settings.terms)[-_ADDED_SLIDERS:]
        for term in (*SLIDER_TERMS[: len(SLIDER_TERMS) - len(added)], *added):
            default = board.terms.get(term, 1.0)
            default = board.persona_weights.get(persona, {}).get(term, default)
            value = board.weights.get(shown, {}).get(term, default)
            since, turned = board.pending.get((reach.target, term), (-(10**9), value))
            fresh = self._clock - since < _PENDING_TICKS or not self._line.live
            knobs.append(Knob(term, turned if fresh and since >= 0 else value, default))
        return PanelView(
            reaches=tuple(r.label for r in found),
            reach=self._reach,
            knobs=tuple(knobs),
            personas=board.personas,
            persona=persona,
            hold_fire=self.match.hold_fire,
            why=self._telling.text,
            selected=self._selected_in_words(),
        )

    def _selected_in_words(self) -> str:
        if not self.selected:
            return ""
        squad = self._squad_of(self.selected)
        persona = self._designer.mind.personas.get(self.selected, "")
        return f"npc {self.selected}, squad {chr(65 + squad)}" + (f", {persona}" if persona else "")

    def _status(self) -> Status:
        tally = self.tally
        fault = f"{self._line.fault} {self._line.remedy}".strip()
        if self.brain.ended and self.brain.last_words:
            fault = self.brain.last_words  # it knows better why nothing listens
        return Status(
            frame_ms=tuple(self.frame_ms),
            decisions_s=tally.decisions_s(TICK_HZ),
            decision_age_ms=tally.recent_age_ms(),
            broken=self._judge.broken,
            model_sha256=self.model,
            forecast=self.forecast,
            fault=fault,
            brain=self.brain.describe().partition(",")[0],
        )

    def _announce(self) -> None:
        """Say across the arena why nobody moves."""
        if self._greeting is not None:
            head, line = self._greeting
        elif self.stage is Stage.OVER:
            alive = bool(self.match.arena.alive[0, 0])
            head = "The player stands" if alive else "The squads have won"
            line = "next match in a moment"
        else:
            head = f"Match {self._number + 1}"
            line = "waiting for the brain" if not self._line.live else "here we go"
        banner(self.screen, ARENA, head, line)

    # what is reported

    @property
    def weights(self) -> list[dict[str, object]]:
        """The weights in force, as the brain last told: a row a term, the lowest and the highest over the NPCs."""
        rows = list(self._board.weights.values())
        return [
            {"term": term, "low": min(row[term] for row in rows), "high": max(row[term] for row in rows)}
            for term in (rows[0] if rows else ())
        ]

    @property
    def model(self) -> str:
        """SHA-256 of the model in use, "" for one without a file."""
        return self.brain.model_sha256

    @property
    def forecast(self) -> str:
        """The forecast that the brain says it plans with, "" before it has said so."""
        return self._designer.mind.forecast

    @property
    def swing_ms(self) -> list[float]:
        """From every turned weight to the plans it leads to, as soon as they were here."""
        return list(self._designer.swing_ms)

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


def banner(screen: pygame.Surface, box: pygame.Rect, head: str, line: str) -> None:
    """Write two lines on a plate in the middle of a box."""
    width = max(theme.words(head, 38, theme.TEXT, True).get_width(), theme.words(line, 23, theme.MUTED).get_width())
    plate = theme.rounded(width + 72, 126, 18, theme.CARD, theme.CARD_EDGE, 240)
    left, top = box.centerx - plate.get_width() // 2, box.centery - 63
    screen.blit(plate, (left, top))
    theme.write(screen, head, (box.centerx, top + 24), 38, theme.TEXT, bold=True, align=0.5)
    theme.write(screen, line, (box.centerx, top + 76), 23, theme.MUTED, align=0.5)


def _paints(request: Request) -> bool:
    rule = request.get("rule")
    return isinstance(rule, Mapping) and is_painted(str(rule.get("name")))


def _numbers(row: object, key: str) -> dict[str, float]:
    table = row.get(key) if isinstance(row, Mapping) else None
    return {str(k): number(v) for k, v in table.items()} if isinstance(table, Mapping) else {}
