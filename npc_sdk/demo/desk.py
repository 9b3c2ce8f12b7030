"""The designer's desk: whom one acts on, and every turn of a slider, persona, zone, wish or forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from npc_sdk.demo.because import Telling
from npc_sdk.demo.match import Match
from npc_sdk.demo.paint import Corners, outline
from npc_sdk.demo.panel import (
    SLIDER_TERMS,
    Assigned,
    HeldFire,
    Knob,
    Panel,
    PanelView,
    Reached,
    Touch,
    Turned,
)
from npc_sdk.demo.scene import Why
from npc_sdk.demo.settings import Reach, reaches, term_request
from npc_sdk.demo.talk import Talk
from npc_sdk.envs.arena import DT
from npc_sdk.errors import InputError

FORECASTS = ("learned", "constant-velocity", "untrained")  # that one key goes round
_EXPLAIN_TICKS = 6
_INSPECT_TICKS = 30
_PENDING_TICKS = 24  # how long a slider shows what was turned before it shows what the brain says again
_ADDED_SLIDERS = 3  # of wishes that were added; they take the place of the last ones


class Desk:
    """What a designer does to the match that lies on it."""

    def __init__(self, talk: Talk) -> None:
        """Carry everything out through `talk`; `lay` a match down before anything else."""
        self.panel = Panel()
        self.selected = 0  # NPC that says why, 0 for nobody
        self._talk = talk
        self._telling = Telling()
        self._reach = 0
        self._pending: dict[tuple[str, str], tuple[int, float]] = {}  # (target, term) -> tick, value
        self._clock = 0

    def lay(self, match: Match) -> None:
        """Begin with another match; what was turned stays."""
        self._match = match
        match.hold_fire = self._talk.settings.modes.get("hold_fire", False)
        self.selected = 0

    def clear(self) -> None:
        """Take back all that was turned."""
        self._talk.reset()
        self._reach = 0

    def tick(self, clock: int, led: bool, frozen: bool) -> None:
        """Ask what the panel wants to know.

        Args:
            clock: ticks, matches and pauses.
            led: the brain has the match and knows its rules.
            frozen: the match stands still.
        """
        self._clock = clock
        self._telling.hear(self.why, clock * DT, frozen)
        if not self._talk.session:
            return
        if not led and clock % _INSPECT_TICKS == 0:
            self._talk.insist()  # what was asked before came to nothing
        if clock % _INSPECT_TICKS == 1:
            self._inspect()
        if clock % _INSPECT_TICKS == _INSPECT_TICKS // 2:
            self._talk.ask({"op": "status"})
        if frozen and clock % _EXPLAIN_TICKS == 1:  # nothing else is to be told: everybody's turn
            for npc in self._living():
                self._explain(npc)
        if self.selected and clock % _EXPLAIN_TICKS == 0:
            self._explain(self.selected)

    # whom one acts on

    def select(self, npc: int) -> None:
        """Choose an NPC to explain, 0 for nobody."""
        self.selected = npc
        if npc:
            self._explain(npc)
        self._reach = min(self._reach, len(self.reaches()) - 1)

    def select_next(self, step: int = 1) -> None:
        """Choose the next living NPC."""
        living = self._living()
        if living:
            at = living.index(self.selected) + step if self.selected in living else 0
            self.select(living[at % len(living)])

    def reaches(self) -> tuple[Reach, ...]:
        """Whom one can act on: everybody, each squad, the selected NPC."""
        return reaches(self._match.squads, self.selected)

    @property
    def why(self) -> Why | None:
        """The newest explanation of the selected NPC."""
        return self.whys.get(self.selected)

    @property
    def whys(self) -> Mapping[int, Why]:
        """The newest explanation of every NPC that has been asked: all of them while the match is frozen."""
        return self._talk.whys

    # what is turned

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
        self._pending[reach.target, term] = (self._clock, value)
        self._talk.change(*self._talk.settings.set_weight(reach, term, value, group))

    def turned(self, term: str) -> float | None:
        """The last value a slider was given for everybody."""
        return self._talk.settings.everywhere.get(term)

    def assign(self, reach: Reach, persona: str) -> None:
        """Give out a persona."""
        self._pending.clear()
        self._talk.change(*self._talk.settings.assign(reach, persona))
        self._inspect()

    def hold_fire(self) -> None:
        """Raise or lower the game's hold-fire flag."""
        self._match.hold_fire = not self._match.hold_fire
        self.agree()

    def agree(self) -> None:
        """Tell the brain the match's hold-fire flag: it obeys its own switch too, and that one does not go back."""
        self._talk.change(*self._talk.settings.set_mode("hold_fire", self._match.hold_fire))

    def swap_forecast(self, name: str = "") -> None:
        """Let the brain plan with another forecast: the named one, or the next of the usual three."""
        usual = [known for known in FORECASTS if known in (self._talk.heard.forecasts or FORECASTS)]
        now = self._talk.settings.forecast or self._talk.mind.forecast
        after = usual[(usual.index(now) + 1) % len(usual)] if now in usual else usual[0]
        self._talk.ask(*self._talk.settings.set_forecast(name or after))

    def add_term(self, line: str) -> None:
        """Add a wish such as `north = relu(player.y + 4 - self.y)`; what is wrong with it is in `refusal`."""
        self.refusal = ""
        try:
            request = term_request(line)
        except InputError as error:
            self.refusal = str(error)
        else:
            self._talk.ask(request)

    @property
    def wishes(self) -> tuple[str, ...]:
        """Names of the added terms."""
        return tuple(self._talk.settings.terms)

    @property
    def refusal(self) -> str:
        """The last no to what was asked for, in words."""
        return self._talk.refusal

    @refusal.setter
    def refusal(self, text: str) -> None:
        self._talk.refusal = text

    # what is painted

    def paint(self, polygon: Sequence[tuple[float, float]]) -> None:
        """Forbid a place from now on: a hard rule of the running brain, or the reason why not in `refusal`.

        Args:
            polygon: a stroke in m; its hull counts.
        """
        self.refusal = ""
        corners = outline(polygon)
        if corners:
            self._talk.forbid(corners)
        else:
            self.refusal = "a zone needs some area: drag round a place"

    def sketch(self, at: tuple[float, float]) -> None:
        """Lead the stroke of a zone on to a place, m."""
        self._talk.paint.stroke.append(at)

    def end_sketch(self) -> None:
        """Let go of the stroke: what it surrounds is forbidden."""
        stroke = self.stroke
        self._talk.paint.stroke.clear()
        self.paint(stroke)

    @property
    def stroke(self) -> tuple[tuple[float, float], ...]:
        """The zone under the mouse, m, while it is being painted."""
        return tuple(self._talk.paint.stroke)

    @property
    def zones(self) -> tuple[Corners, ...]:
        """The painted zones, m."""
        return self._talk.paint.zones

    @property
    def laws(self) -> tuple[Corners, ...]:
        """Those that the brain has taken as rules, m."""
        return tuple(corners for corners, _ in self._talk.paint.laws.values())

    # what the panel shows

    def view(self) -> PanelView:
        """Put together what the panel shows."""
        found, mind, settings = self.reaches(), self._talk.mind, self._talk.settings
        self._reach = min(self._reach, len(found) - 1)
        reach = found[self._reach]
        personas = {mind.personas.get(npc, settings.personas.get(npc, "")) for npc in reach.npcs}
        persona = next(iter(personas)) if len(personas) == 1 else ""
        added = self.wishes[-_ADDED_SLIDERS:]
        return PanelView(
            reaches=tuple(r.label for r in found),
            reach=self._reach,
            knobs=tuple(
                self._knob(reach, term, persona) for term in (*SLIDER_TERMS[: len(SLIDER_TERMS) - len(added)], *added)
            ),
            personas=self._talk.heard.personas,
            persona=persona,
            hold_fire=self._match.hold_fire,
            why=self._telling.text,
            selected=self._selected_in_words(),
        )

    def _knob(self, reach: Reach, term: str, persona: str) -> Knob:
        """Show what was just turned, or what the brain says the first NPC in reach weighs."""
        heard = self._talk.heard
        default = heard.default(term, persona)
        shown = next((npc for npc in reach.npcs if npc in heard.weights), 0)
        value = heard.weights.get(shown, {}).get(term, default)
        if (turned := self._pending.get((reach.target, term))) is not None:
            since, wanted = turned
            if self._clock - since < _PENDING_TICKS or not self._talk.session:
                value = wanted
        return Knob(term, value, default)

    def _selected_in_words(self) -> str:
        if not self.selected:
            return ""
        squad = next((squad for squad, npcs in self._match.squads.items() if self.selected in npcs), -1)
        persona = self._talk.mind.personas.get(self.selected, "")
        return f"npc {self.selected}, squad {chr(65 + squad)}" + (f", {persona}" if persona else "")

    def _living(self) -> list[int]:
        return [int(npc) for npc in self._match.ids[self._match.alive]]

    def _explain(self, npc: int) -> None:
        self._talk.ask({"op": "explain", "npc": npc})

    def _inspect(self) -> None:
        squads = self._match.squads.items()
        self._talk.ask({"op": "inspect", "npcs": [{"id": npc, "squad": s} for s, npcs in squads for npc in npcs]})
