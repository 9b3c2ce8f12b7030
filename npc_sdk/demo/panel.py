"""The designer's panel: whom to act on, sliders, personas, the why card. Draws and hit-tests; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.scene import Entry, Why
from npc_sdk.demo.theme import Colour, mix

MAX_WEIGHT = 8.0
_KNEE = 0.25  # the slider is linear below about this weight and logarithmic above
SLIDER_TERMS = ("engage", "exposure", "flank", "cover", "cohesion", "spacing", "attack")
_EASE = 0.3  # share of the way that a knob moves towards its value each frame
_ROW = 45
_BAR_ROW = 21
_LOG_HEIGHT = 150
_LOG_ROW = 17


@dataclass(frozen=True, slots=True)
class Knob:
    """One weight as the panel shows it."""

    term: str
    value: float
    default: float
    doc: str = ""


@dataclass(frozen=True, slots=True)
class PersonaButton:
    """One persona of the library."""

    name: str
    description: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class PanelView:
    """What the panel shows in one frame."""

    reaches: tuple[str, ...]  # labels
    reach: int  # the chosen one
    knobs: tuple[Knob, ...]
    personas: tuple[PersonaButton, ...]
    persona: str  # of those in reach, "" if mixed or none
    hold_fire: bool
    why: Why | None
    selected: str  # who is selected, in words, "" for nobody
    connected: bool
    log: tuple[Entry, ...]  # newest last


@dataclass(frozen=True, slots=True)
class Turned:
    """A slider was moved; `drag` counts drags, so that one drag is one step of undo."""

    term: str
    value: float
    drag: int


@dataclass(frozen=True, slots=True)
class Reached:
    """Another set of NPCs was chosen to act on."""

    index: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """A persona button was pressed."""

    persona: str


@dataclass(frozen=True, slots=True)
class HeldFire:
    """The hold-fire switch was pressed."""


Touch = Turned | Reached | Assigned | HeldFire


def place_of(weight: float) -> float:
    """Return where on its track, 0..1, a weight is drawn."""
    return min(1.0, math.log1p(max(0.0, weight) / _KNEE) / math.log1p(MAX_WEIGHT / _KNEE))


def weight_at(place: float) -> float:
    """Return the weight at a place 0..1 of the track; snaps to 0 at the left end and to two digits."""
    if place <= 0.012:
        return 0.0
    return float(f"{min(MAX_WEIGHT, _KNEE * math.expm1(min(1.0, place) * math.log1p(MAX_WEIGHT / _KNEE))):.2g}")


class Panel:
    """Two columns of cards. Keeps what only the eye needs: eased knob places and the drag in progress."""

    def __init__(self, area: pygame.Rect) -> None:
        """Lay out in `area`."""
        half = (area.width - 8) // 2
        self._left = pygame.Rect(area.left, area.top, half, area.height)
        right, width = area.left + half + 8, area.width - half - 8
        self._right = pygame.Rect(right, area.top, width, area.height - _LOG_HEIGHT - 8)
        self._log = pygame.Rect(right, self._right.bottom + 8, width, _LOG_HEIGHT)
        self._shown: dict[str, float] = {}
        self._bars: dict[str, float] = {}
        self._dragging = ""
        self._drags = 0
        self._hover = (0, 0)

    # hit tests

    def press(self, at: tuple[int, int], view: PanelView, reset: bool = False) -> Touch | None:
        """A button of the mouse went down; `reset` puts a slider back to its default."""
        for index, box in enumerate(self._reach_boxes(view)):
            if box.collidepoint(at):
                return Reached(index)
        for knob, track in zip(view.knobs, self._tracks(view), strict=True):
            if track.inflate(18, 24).collidepoint(at):
                self._drags += 1
                if reset:
                    return Turned(knob.term, knob.default, self._drags)
                self._dragging = knob.term
                return self._turned(at, track)
        for button, box in zip(view.personas, self._persona_boxes(view), strict=True):
            if box.collidepoint(at):
                return Assigned(button.name)
        return HeldFire() if self._hold_box(view).collidepoint(at) else None

    def move(self, at: tuple[int, int], view: PanelView) -> Touch | None:
        """The mouse moved."""
        self._hover = at
        for knob, track in zip(view.knobs, self._tracks(view), strict=True):
            if knob.term == self._dragging:
                return self._turned(at, track)
        return None

    def release(self) -> None:
        """The mouse was let go."""
        self._dragging = ""

    def _turned(self, at: tuple[int, int], track: pygame.Rect) -> Turned:
        return Turned(self._dragging, weight_at((at[0] - track.left) / track.width), self._drags)

    # layout

    def _reach_boxes(self, view: PanelView) -> list[pygame.Rect]:
        inner = self._left.inflate(-24, 0)
        width = (inner.width - 4 * (len(view.reaches) - 1)) // max(1, len(view.reaches))
        return [pygame.Rect(inner.left + i * (width + 4), inner.top + 38, width, 24) for i in range(len(view.reaches))]

    def _tracks(self, view: PanelView) -> list[pygame.Rect]:
        inner = self._left.inflate(-24, 0)
        top = self._left.top + 74
        return [pygame.Rect(inner.left + 4, top + i * _ROW + 26, inner.width - 8, 6) for i in range(len(view.knobs))]

    def _persona_boxes(self, view: PanelView) -> list[pygame.Rect]:
        inner = self._left.inflate(-24, 0)
        top = self._left.top + 74 + len(view.knobs) * _ROW + 36
        across = 3
        width = (inner.width - 6 * (across - 1)) // across
        return [
            pygame.Rect(inner.left + i % across * (width + 6), top + i // across * 36, width, 30)
            for i in range(len(view.personas))
        ]

    def _hold_box(self, view: PanelView) -> pygame.Rect:
        inner = self._left.inflate(-24, 0)
        return pygame.Rect(inner.left, self._left.bottom - 42, inner.width, 30)

    # drawing

    def draw(self, surface: pygame.Surface, view: PanelView) -> None:
        """Draw both columns."""
        for box in (self._left, self._right, self._log):
            surface.blit(theme.rounded(box.width, box.height, 10, theme.CARD, theme.CARD_EDGE), box)
        self._draw_weights(surface, view)
        self._draw_personas(surface, view)
        hold = self._hold_box(view)
        label = "fire is held: release" if view.hold_fire else "hold fire"
        button(surface, hold, label, theme.BAD, view.hold_fire, hold.collidepoint(self._hover))
        self._draw_why(surface, view)
        self._draw_log(surface, view.log)

    def _draw_log(self, surface: pygame.Surface, log: tuple[Entry, ...]) -> None:
        """Show what was said and done lately, the newest at the bottom, older lines fainter."""
        box = self._log
        title(surface, "LOG", (box.left + 12, box.top + 12))
        rows = (box.height - 38) // _LOG_ROW
        shown = log[-rows:]
        for i, entry in enumerate(shown):
            y = box.top + 32 + i * _LOG_ROW
            fade = 0.35 * (len(shown) - 1 - i) / max(1, rows - 1)
            ink = theme.TEXT if entry.squad < 0 else theme.squad_colour(entry.squad)
            theme.write(surface, f"{entry.time:.1f}", (box.left + 46, y), 12, theme.FAINT, align=1.0)
            line = theme.wrap(entry.text, 12, box.width - 66)[0]
            theme.write(surface, line, (box.left + 54, y), 12, mix(ink, theme.CARD, fade))

    def _draw_weights(self, surface: pygame.Surface, view: PanelView) -> None:
        title(surface, "WEIGHTS", (self._left.left + 12, self._left.top + 13))
        note = "live, no training" if view.connected else "kept for the next brain"
        theme.write(surface, note, (self._left.right - 12, self._left.top + 12), 12, theme.FAINT, align=1.0)
        for index, (label, box) in enumerate(zip(view.reaches, self._reach_boxes(view), strict=True)):
            button(surface, box, label, theme.ACCENT, index == view.reach, box.collidepoint(self._hover))
        for knob, track in zip(view.knobs, self._tracks(view), strict=True):
            self._draw_slider(surface, knob, track)

    def _draw_slider(self, surface: pygame.Surface, knob: Knob, track: pygame.Rect) -> None:
        target = place_of(knob.value)
        shown = self._shown.get(knob.term, target)
        shown += (target - shown) * (1.0 if knob.term == self._dragging else _EASE)
        self._shown[knob.term] = shown
        warm = track.inflate(18, 24).collidepoint(self._hover) or knob.term == self._dragging
        theme.write(surface, knob.term, (track.left, track.top - 21), 14, theme.TEXT)
        changed = abs(knob.value - knob.default) > 1e-6
        value = theme.ACCENT if changed else theme.MUTED
        theme.write(surface, f"{knob.value:.3g}", (track.right, track.top - 21), 14, value, align=1.0)
        surface.blit(theme.rounded(track.width, 6, 3, (38, 46, 59)), track)
        lit = round(shown * track.width)
        if lit > 6:
            surface.blit(theme.rounded(lit, 6, 3, mix(theme.CARD, theme.ACCENT, 0.85 if changed else 0.5)), track)
        mark = track.left + round(place_of(knob.default) * track.width)
        pygame.draw.rect(surface, theme.MUTED, (mark - 1, track.bottom + 4, 2, 5))
        radius = 8 if warm else 7
        knob_disc = theme.disc(radius, theme.WHITE if warm else theme.TEXT)
        centre = (track.left + lit, track.centery)
        surface.blit(theme.disc(radius + 2, theme.CARD), (centre[0] - radius - 3, centre[1] - radius - 3))
        surface.blit(knob_disc, (centre[0] - radius - 1, centre[1] - radius - 1))

    def _draw_personas(self, surface: pygame.Surface, view: PanelView) -> None:
        boxes = self._persona_boxes(view)
        if not boxes:
            return
        title(surface, "PERSONA", (self._left.left + 12, boxes[0].top - 24))
        described = ""
        for persona, box in zip(view.personas, boxes, strict=True):
            warm = box.collidepoint(self._hover)
            described = persona.description if warm or (persona.name == view.persona and not described) else described
            button(surface, box, persona.name, persona.colour, persona.name == view.persona, warm)
        for i, line in enumerate(theme.wrap(described, 12, self._left.width - 24)[:2]):
            theme.write(surface, line, (self._left.left + 12, boxes[-1].bottom + 8 + 15 * i), 12, theme.MUTED)

    def _draw_why(self, surface: pygame.Surface, view: PanelView) -> None:
        box, why = self._right.inflate(-24, -24), view.why
        title(surface, "WHY", (box.left, box.top + 1))
        if why is None:
            empty = f"{view.selected}: waiting for its next decision." if view.selected else ""
            hint = empty or "Tab, or a click on an NPC, shows why it does what it does."
            for i, line in enumerate(theme.wrap(hint, 14, box.width)):
                theme.write(surface, line, (box.left, box.top + 32 + 19 * i), 14, theme.MUTED)
            self._bars.clear()
            return
        theme.write(surface, view.selected, (box.right, box.top), 12, theme.MUTED, align=1.0)
        y = box.top + 26
        theme.write(surface, why.family.replace("_", " "), (box.left, y), 19, theme.TEXT, bold=True)
        y += 27
        if why.lead is not None and why.runner_up:
            against = f"leads {why.runner_up.replace('_', ' ')} by {why.lead:.3g}"
            theme.write(surface, against, (box.left, y), 13, theme.GOOD)
            y += 21
        for line in theme.wrap(why.sentence, 14, box.width)[:6]:
            theme.write(surface, line, (box.left, y), 14, theme.TEXT)
            y += 18
        y += 8
        pygame.draw.line(surface, theme.CARD_EDGE, (box.left, y), (box.right, y))
        self._draw_parts(surface, why, pygame.Rect(box.left, y + 9, box.width, box.bottom - y - 9))

    def _draw_parts(self, surface: pygame.Surface, why: Why, box: pygame.Rect) -> None:
        """Bars that add up: one a term, largest first, then the small ones together, then J."""
        foot = 58 if why.shield else 34
        room = max(1, (box.height - 22 - foot) // _BAR_ROW - 1)
        theme.write(surface, "term", (box.left, box.top), 12, theme.FAINT)
        theme.write(surface, "weight", (box.left + 130, box.top), 12, theme.FAINT, align=1.0)
        theme.write(surface, "weight x feature", (box.right, box.top), 12, theme.FAINT, align=1.0)
        rows = rows_of(why.parts, room)
        largest = max([abs(value) for _, _, value in rows], default=1.0) or 1.0
        y = box.top + 18
        for term, weight, value in rows:
            theme.write(surface, term, (box.left, y), 13, theme.TEXT)
            if weight is not None:
                theme.write(surface, f"{weight:.3g}", (box.left + 130, y), 13, theme.MUTED, align=1.0)
            track = pygame.Rect(box.left + 140, y + 5, box.width - 140 - 52, 8)
            shown = self._bars.get(term, 0.0)
            shown += (abs(value) / largest - shown) * _EASE
            self._bars[term] = shown
            surface.blit(theme.rounded(track.width, 8, 4, (32, 39, 51)), track)
            lit = round(shown * track.width)
            if lit >= 8:
                surface.blit(
                    theme.rounded(lit, 8, 4, theme.FAINT if weight is None else theme.ramp(min(1.0, shown * 0.75))),
                    track,
                )
            theme.write(surface, f"{value:.3f}", (box.right, y), 13, theme.TEXT, align=1.0)
            y += _BAR_ROW
        pygame.draw.line(surface, theme.CARD_EDGE, (box.left, y + 2), (box.right, y + 2))
        theme.write(surface, "J, the sum", (box.left, y + 8), 13, theme.TEXT, bold=True)
        theme.write(surface, f"{why.objective:.3f}", (box.right, y + 8), 13, theme.TEXT, bold=True, align=1.0)
        if why.shield:
            theme.write(surface, why.shield, (box.left, y + 32), 13, theme.ACCENT)


def rows_of(parts: Sequence[tuple[str, float, float]], room: int) -> list[tuple[str, float | None, float]]:
    """Return the largest parts, and the rest as one row, so that the rows still add up."""
    ordered = sorted((p for p in parts if p[2] != 0.0), key=lambda p: -abs(p[2]))
    if len(ordered) <= room:
        return [(term, weight, value) for term, weight, value in ordered]
    kept: list[tuple[str, float | None, float]] = [(t, w, v) for t, w, v in ordered[: room - 1]]
    rest = ordered[room - 1 :]
    return [*kept, (f"{len(rest)} more", None, math.fsum(v for _, _, v in rest))]


def title(surface: pygame.Surface, text: str, at: tuple[float, float]) -> None:
    """Write the heading of a card."""
    theme.write(surface, text, at, 11, theme.MUTED, bold=True)


def button(surface: pygame.Surface, box: pygame.Rect, label: str, colour: Colour, chosen: bool, warm: bool) -> None:
    """Draw a button: filled when chosen, brighter under the mouse."""
    fill = mix(theme.CARD, colour, 0.8 if chosen else 0.22 if warm else 0.1)
    edge = mix(theme.CARD, colour, 0.9 if chosen else 0.5)
    surface.blit(theme.rounded(box.width, box.height, 7, fill, edge), box)
    ink = theme.BACKGROUND if chosen else mix(theme.TEXT, colour, 0.2)
    image = theme.words(label, 13, ink)
    surface.blit(image, (box.centerx - image.get_width() // 2, box.centery - image.get_height() // 2))


def persona_buttons(described: Mapping[str, object]) -> tuple[PersonaButton, ...]:
    """Read the `personas` of an inspect reply."""
    buttons = []
    for name, facts in described.items():
        table = facts if isinstance(facts, Mapping) else {}
        buttons.append(PersonaButton(name, str(table.get("description", "")), hex_colour(str(table.get("colour", "")))))
    return tuple(buttons)


def hex_colour(text: str) -> Colour:
    """Read `#rrggbb`; anything else is grey."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
        return theme.GREY
    return (int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16))
