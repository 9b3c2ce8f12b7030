"""The demo itself: match, brain, designer's line and picture, one tick at a time; the loops around it are elsewhere."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pygame
from jaxtyping import Float

from npc_bridge.client import Client
from npc_sdk.demo import theme
from npc_sdk.demo.arena_view import ArenaView
from npc_sdk.demo.brain import Brain, Endpoints
from npc_sdk.demo.designer import Designer
from npc_sdk.demo.judge import Judge
from npc_sdk.demo.line import Line
from npc_sdk.demo.match import Match
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
from npc_sdk.demo.scene import Entry, NpcView, Scene, Status, Why
from npc_sdk.demo.script import OwnScript
from npc_sdk.demo.settings import Reach, Request, Settings, reaches
from npc_sdk.demo.strip import draw_strip
from npc_sdk.demo.tally import Tally
from npc_sdk.demo.thoughts import number
from npc_sdk.envs.arena import DT, STYLES, TICK_HZ, ArenaConfig, ArenaMap, ScriptedPlayers, make_map

SIZE = (1280, 720)
_ARENA = pygame.Rect(8, 8, 640, 640)
_PANEL = pygame.Rect(656, 8, 616, 640)
_STRIP = pygame.Rect(0, 656, 1280, 64)
_EXPLAIN_TICKS = 6
_INSPECT_TICKS = 30
_PENDING_TICKS = 24  # how long a slider shows what was turned before it shows what the brain says again
_BETWEEN_TICKS = 60  # after a match
_MEET_TICKS = 60  # at most, for the brain to take up another match
_BINDING_TICKS = 20  # a chunk, the lead and a stop: from then on a rule that was just confirmed binds
_MAPS = "test"


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


@dataclass(slots=True)
class _Bark:
    text: str
    age: float = 0.0  # s


@dataclass(slots=True)
class _Board:
    """What the brain's board was last heard to hold."""

    personas: tuple[PersonaButton, ...] = ()
    terms: Mapping[str, tuple[float, str]] = field(default_factory=dict)  # default, doc
    weights: Mapping[int, Mapping[str, float]] = field(default_factory=dict)  # npc -> term -> weight
    persona_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
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
        self._cast = cast
        self._settings = Settings()
        self._board = _Board()
        self._panel = Panel(_PANEL)
        self._reach = 0
        self._clock = 0  # ticks since the show began, matches and pauses
        self._number = 0
        self.refusal = ""  # the brain's last no to a request
        self._judge = Judge(thorough=cast.judged)
        self._log: deque[Entry] = deque(maxlen=20)
        brain.start()
        self._designer = Designer(endpoints.control, endpoints.telemetry)
        self._open(make_map(_MAPS, cast.seed % 1000))
        self._line = Line(Client(endpoints.data, self.match.schema, fallback=lambda *asked: self._script(*asked)))
        self._until = round(patience_s * TICK_HZ)

    # a match

    def _open(self, bare: ArenaMap) -> None:
        """Set the stage for a match on a map."""
        config = ArenaConfig(npcs=self._cast.npcs)
        seed = self._cast.seed + 7919 * self._number
        self.match = Match(bare, config, seed)
        arena = self.match.arena
        self._script = OwnScript(arena, seed)
        style = STYLES[(self._cast.seed + self._number) % len(STYLES)]
        self._player = ScriptedPlayers([style], seed)
        self._view = ArenaView(self.match.schema.polygons, self.match.schema.bounds, arena.edges[0], _ARENA.width)
        self._barks: dict[int, _Bark] = {}
        self._session = 0
        self._ruled: set[str] = set()  # rules the brain has confirmed
        self._confirmed = self._clock  # when it confirmed the last of them
        self.stage = Stage.MEETING
        self._since = self._clock
        self._settings.set_rules(self.match.rules.requests())
        self.selected = 0

    def _next(self) -> None:
        self._judge.take(self.match)
        self._number += 1
        self._open(make_map(_MAPS, (self._cast.seed + self._number) % 1000))
        self._line.restart(self.match.schema)
        self._until = _MEET_TICKS

    def advance(self, action: Float[np.ndarray, "6"] | None) -> bool:
        """Do one tick; `action` is the human's, None while a script plays. False if no tick was played."""
        self._clock += 1
        self._keep_in_touch()
        waited = self._clock - self._since
        if self.stage is Stage.MEETING:
            self._line.listen()
            if self.led or waited > self._until or (not self.brain.alive and waited > 3):
                self.stage = Stage.PLAYING
            return False
        if self.stage is Stage.OVER:
            self._line.listen()
            if waited > _BETWEEN_TICKS:
                self._next()
            return False
        self._play(action)
        if self.match.over:
            self.stage, self._since = Stage.OVER, self._clock
        return True

    def _play(self, action: Float[np.ndarray, "6"] | None) -> None:
        match = self.match
        self._script.look()
        player = self._player.act(match.arena)[0] if action is None or self._cast.scripted else action
        moved = self._line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
        match.step(np.asarray(player, np.float64), moved, self.bound)
        for bark in self._barks.values():
            bark.age += DT
        for npc, text in moved.barks.items():
            self._barks[npc] = _Bark(text)
            self._note(f"{npc}: {text}", self._squad_of(npc))
        for npc in match.fallen:
            self._note(f"{npc} is down", self._squad_of(npc))
        self.tally.tick(moved.result.rung, moved.decisions, moved.ages_ms, moved.push_poll_ms, match.unseen)
        self._judge.follow(match)

    def _note(self, text: str, squad: int = -1) -> None:
        self._log.append(Entry(self._clock * DT, text, squad))

    def _squad_of(self, npc: int) -> int:
        return next((squad for squad, members in self.match.squads.items() if npc in members), -1)

    @property
    def led(self) -> bool:
        """Whether the brain has this match and knows its rules."""
        return self._line.live and self._ruled >= set(self._settings.rules)

    @property
    def bound(self) -> bool:
        """Whether the rules bind by now: what was promised before they were known has run out (assumption K3)."""
        return self.led and self._clock - self._confirmed > _BINDING_TICKS

    def _keep_in_touch(self) -> None:
        """Bring a new session to the designer's settings, take in answers, and ask what the panel wants to know."""
        session = self._line.session
        if session != self._session:
            self._note("the brain leads" if session else "no brain: the game's own script leads")
            self._session = session
            self._ruled.clear()
            self._designer.forget()
            if session:
                self._designer.ask(*self._settings.replay())
        for request, answer in self._designer.answers():
            self._answered(request, answer)
        if not session:
            return
        if not self.led and self._clock % _INSPECT_TICKS == 0:
            self._designer.ask(*self._settings.replay())  # what was asked before came to nothing
        if self._clock % _INSPECT_TICKS == 1:
            self._designer.ask({"op": "inspect", "npcs": self._npcs()})
        if self.selected and self._clock % _EXPLAIN_TICKS == 0:
            self._designer.ask({"op": "explain", "npc": self.selected})

    def _answered(self, request: Request, answer: Mapping[str, object] | str) -> None:
        if request["op"] == "add_rule" and not isinstance(answer, str):
            rule = request["rule"]
            if isinstance(rule, Mapping):
                if str(rule["name"]) not in self._ruled:
                    self._confirmed = self._clock
                self._ruled.add(str(rule["name"]))
        elif request["op"] == "inspect" and not isinstance(answer, str):
            self._inspected(answer)
        elif isinstance(answer, str):
            self.refusal = answer
            self._note(f"refused: {answer}")

    def _inspected(self, reply: Mapping[str, object]) -> None:
        terms, personas, npcs = (reply.get(key) for key in ("terms", "personas", "npcs"))
        board = self._board
        if isinstance(terms, (list, tuple)):
            rows = [row for row in terms if isinstance(row, Mapping)]
            board.terms = {str(r.get("name")): (number(r.get("default")), str(r.get("doc", ""))) for r in rows}
        if isinstance(personas, Mapping):
            board.personas = persona_buttons(personas)
            board.persona_weights = {str(n): _numbers(p, "weights") for n, p in personas.items()}
        if isinstance(npcs, Mapping):
            board.weights = {int(str(npc)): _numbers(row, "weights") for npc, row in npcs.items()}

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
        self._designer.ask(*self._settings.set_weight(reach, term, value, group))

    def assign(self, reach: Reach, persona: str) -> None:
        """Give out a persona."""
        self._board.pending.clear()
        self._note(f"{reach.label}: {persona}")
        self._designer.ask(*self._settings.assign(reach, persona), {"op": "inspect", "npcs": self._npcs()})

    def hold_fire(self) -> None:
        """Raise or lower the game's hold-fire flag."""
        self.match.hold_fire = not self.match.hold_fire
        self._designer.ask(*self._settings.set_mode("hold_fire", self.match.hold_fire))

    def turned(self, term: str) -> float | None:
        """The last value a slider was given for everybody."""
        return self._settings.everywhere.get(term)

    def press(self, at: tuple[int, int], reset: bool = False) -> bool:
        """Handle a click; True if it was for panel or NPC, False if it is the player's."""
        if _PANEL.collidepoint(at):
            self.touch(self._panel.press(at, self._panel_view(), reset))
            return True
        npc = self._npc_at(at) if _ARENA.collidepoint(at) else 0
        if npc and not reset:
            self.select(0 if npc == self.selected else npc)
        return bool(npc)

    def drag(self, at: tuple[int, int]) -> None:
        """Handle a movement of the mouse."""
        self.touch(self._panel.move(at, self._panel_view()))

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
        if self.brain.alive:
            self._note(f"brain killed, pid {self.brain.pid}")
        self.brain.kill()

    def restart_brain(self) -> None:
        """Start the brain again."""
        if not self.brain.alive:
            self._note("brain started again")
        self.brain.start()

    def aim(self, at: tuple[int, int]) -> tuple[float, float]:
        """Where in the arena a pixel is, m."""
        return self._view.camera.world((at[0] - _ARENA.left, at[1] - _ARENA.top))

    @property
    def why(self) -> Why | None:
        """The newest explanation of the selected NPC."""
        return self._designer.why(self.selected) if self.selected else None

    @property
    def player_at(self) -> tuple[float, float]:
        """Where the player stands, m."""
        x, y = self.match.arena.pos[0, 0]
        return float(x), float(y)

    def close(self) -> None:
        """End everything."""
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
        screen.blit(self._view.draw(self.scene(share)), _ARENA)
        self._panel.draw(screen, self._panel_view())
        draw_strip(screen, _STRIP, self._status())
        if self.stage is not Stage.PLAYING:
            self._announce()
        return screen

    def scene(self, share: float) -> Scene:
        """Put together what one drawn frame of the arena shows."""
        match, mind, tick = self.match, self._designer.mind, self.match.tick
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
        )

    def _panel_view(self) -> PanelView:
        found, board = self.reaches(), self._board
        self._reach = min(self._reach, len(found) - 1)
        reach = found[self._reach]
        shown = next((npc for npc in reach.npcs if npc in board.weights), 0)
        personas = {self._designer.mind.personas.get(npc, self._settings.personas.get(npc, "")) for npc in reach.npcs}
        persona = next(iter(personas)) if len(personas) == 1 else ""
        knobs = []
        for term in SLIDER_TERMS:
            default, doc = board.terms.get(term, (1.0, ""))
            default = board.persona_weights.get(persona, {}).get(term, default)
            value = board.weights.get(shown, {}).get(term, default)
            since, turned = board.pending.get((reach.target, term), (-(10**9), value))
            fresh = self._clock - since < _PENDING_TICKS or not self._line.live
            knobs.append(Knob(term, turned if fresh and since >= 0 else value, default, doc))
        return PanelView(
            reaches=tuple(r.label for r in found),
            reach=self._reach,
            knobs=tuple(knobs),
            personas=board.personas,
            persona=persona,
            hold_fire=self.match.hold_fire,
            why=self.why,
            selected=self._selected_in_words(),
            connected=self._line.live,
            log=tuple(self._log),
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
            rungs=tally.now,
            model=f"{self.brain.model} {self.brain.model_sha256[:12]}".strip(),
            fault=fault,
            brain=f"brain {self.brain.describe()}",
            planned_fraction=tally.planned_fraction,
            unseen_fraction=tally.unseen_fraction,
        )

    def _announce(self) -> None:
        """Say across the arena why nobody moves."""
        if self.stage is Stage.OVER:
            alive = bool(self.match.arena.alive[0, 0])
            head = "The player stands" if alive else "The squads have won"
            line = "next match in a moment"
        else:
            head = f"Match {self._number + 1}"
            line = "waiting for the brain" if not self._line.live else "here we go"
        banner(self.screen, _ARENA, head, line)

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
    width = max(theme.words(head, 26, theme.TEXT, True).get_width(), theme.words(line, 15, theme.MUTED).get_width())
    plate = theme.rounded(width + 60, 92, 14, theme.CARD, theme.CARD_EDGE, 235)
    left, top = box.centerx - plate.get_width() // 2, box.centery - 46
    screen.blit(plate, (left, top))
    theme.write(screen, head, (box.centerx, top + 20), 26, theme.TEXT, bold=True, align=0.5)
    theme.write(screen, line, (box.centerx, top + 55), 15, theme.MUTED, align=0.5)


def _numbers(row: object, key: str) -> dict[str, float]:
    table = row.get(key) if isinstance(row, Mapping) else None
    return {str(k): number(v) for k, v in table.items()} if isinstance(table, Mapping) else {}
