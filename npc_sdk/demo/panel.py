"""The designer's panel: whom to act on, five sliders, personas, one sentence why. Decides nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.layout import PERSONAS, WEIGHTS, WHY
from npc_sdk.demo.theme import Colour, mix

MAX_WEIGHT = 8.0  # at the right end of a slider; a script may set more, and the figure beside it says so
_KNEE = 0.25  # the slider is linear below about this weight and logarithmic above
SLIDER_TERMS = ("exposure", "attack", "approach", "flank", "cohesion")
_EASE_S = 0.09  # in which a knob goes two thirds of the way to its value
_ROW = 44
_LABEL, _VALUE = 128, 84  # px beside a track
_LINES = 3  # of the sentence


@dataclass(frozen=True, slots=True)
class Knob:
    """One weight as the panel shows it."""

    term: str
    value: float
    default: float


@dataclass(frozen=True, slots=True)
class PersonaButton:
    """One persona of the library."""

    name: str
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
    why: str  # one sentence, "" while there is none
    selected: str  # who is selected, in words, "" for nobody


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
    """Three cards. Keeps what only the eye needs: eased knob places and the drag in progress."""

    def __init__(self) -> None:
        """Start with every knob where its weight is."""
        self._shown: dict[str, float] = {}
        self._dragging = ""
        self._drags = 0
        self._hover = (0, 0)

    # hit tests

    def press(self, at: tuple[int, int], view: PanelView, reset: bool = False) -> Touch | None:
        """A button of the mouse went down; `reset` puts a slider back to its default."""
        for index, box in enumerate(_reach_boxes(view)):
            if box.collidepoint(at):
                return Reached(index)
        for knob, track in zip(view.knobs, _tracks(view), strict=True):
            if track.inflate(18, 28).collidepoint(at):
                self._drags += 1
                if reset:
                    return Turned(knob.term, knob.default, self._drags)
                self._dragging = knob.term
                return self._turned(at, track)
        for button, box in zip(view.personas, _persona_boxes(view), strict=False):
            if box.collidepoint(at):
                return Assigned(button.name)
        return HeldFire() if _persona_boxes(view)[-1].collidepoint(at) else None

    def move(self, at: tuple[int, int], view: PanelView) -> Touch | None:
        """The mouse moved."""
        self._hover = at
        for knob, track in zip(view.knobs, _tracks(view), strict=True):
            if knob.term == self._dragging:
                return self._turned(at, track)
        return None

    def release(self) -> None:
        """The mouse was let go."""
        self._dragging = ""

    def _turned(self, at: tuple[int, int], track: pygame.Rect) -> Turned:
        return Turned(self._dragging, weight_at((at[0] - track.left) / track.width), self._drags)

    # drawing

    def draw(self, surface: pygame.Surface, view: PanelView, passed: float) -> None:
        """Draw the cards, `passed` seconds after they were drawn last."""
        for box in (WEIGHTS, PERSONAS, WHY):
            surface.blit(theme.rounded(box.width, box.height, 12, theme.CARD, theme.CARD_EDGE), box)
        for index, (label, box) in enumerate(zip(view.reaches, _reach_boxes(view), strict=True)):
            button(surface, box, label, theme.ACCENT, index == view.reach, box.collidepoint(self._hover))
        for knob, track in zip(view.knobs, _tracks(view), strict=True):
            self._draw_slider(surface, knob, track, passed)
        boxes = _persona_boxes(view)
        for persona, box in zip(view.personas, boxes, strict=False):
            warm = box.collidepoint(self._hover)
            button(surface, box, persona.name, persona.colour, persona.name == view.persona, warm)
        button(surface, boxes[-1], "hold fire", theme.BAD, view.hold_fire, boxes[-1].collidepoint(self._hover))
        _draw_why(surface, view)

    def _draw_slider(self, surface: pygame.Surface, knob: Knob, track: pygame.Rect, passed: float) -> None:
        target = place_of(knob.value)
        held = knob.term == self._dragging
        shown = self._shown.get(knob.term, target)
        shown += (target - shown) * (1.0 if held else 1.0 - math.exp(-passed / _EASE_S))
        self._shown[knob.term] = shown
        warm = held or track.inflate(18, 28).collidepoint(self._hover)
        changed = abs(knob.value - knob.default) > 1e-6
        theme.write(surface, knob.term, (track.left - _LABEL, track.centery - 14), 22, theme.TEXT)
        value, ink = (
            f"{knob.value:.3g}" if knob.value < 1000 else f"{knob.value:.0f}",
            theme.TEXT if not changed else theme.ACCENT,
        )
        theme.write(surface, value, (track.right + _VALUE, track.centery - 15), 24, ink, align=1.0)
        surface.blit(theme.rounded(track.width, track.height, 4, theme.GROOVE), track)
        lit = round(shown * track.width)
        if lit > 8:
            surface.blit(
                theme.rounded(lit, track.height, 4, mix(theme.CARD, theme.ACCENT, 0.9 if changed else 0.55)), track
            )
        mark = track.left + round(place_of(knob.default) * track.width)
        pygame.draw.rect(surface, theme.MUTED, (mark - 1, track.bottom + 5, 3, 6))
        radius = 12 if held else 11 if warm else 10
        centre = (track.left + lit, track.centery)
        for size, fill in ((radius + 3, theme.CARD), (radius, theme.ACCENT if held else theme.WHITE)):
            surface.blit(theme.disc(size, fill), (centre[0] - size - 1, centre[1] - size - 1))


def knob_place(view: PanelView, term: str, weight: float) -> tuple[int, int]:
    """Return the pixel at which a slider shows a weight: where a hand would put the mouse."""
    for knob, track in zip(view.knobs, _tracks(view), strict=True):
        if knob.term == term:
            return round(track.left + place_of(weight) * track.width), track.centery
    raise KeyError(term)


def reach_place(view: PanelView, index: int) -> tuple[int, int]:
    """Return the pixel in the middle of the button for a set of NPCs."""
    return _reach_boxes(view)[index].center


def persona_place(view: PanelView, persona: str) -> tuple[int, int]:
    """Return the pixel in the middle of a persona's button."""
    for button_, box in zip(view.personas, _persona_boxes(view), strict=False):
        if button_.name == persona:
            return box.center
    raise KeyError(persona)


def _reach_boxes(view: PanelView) -> list[pygame.Rect]:
    inner = WEIGHTS.inflate(-28, 0)
    width = (inner.width - 8 * (len(view.reaches) - 1)) // max(1, len(view.reaches))
    return [pygame.Rect(inner.left + i * (width + 8), inner.top + 14, width, 34) for i in range(len(view.reaches))]


def _tracks(view: PanelView) -> list[pygame.Rect]:
    left, width = WEIGHTS.left + 16 + _LABEL, WEIGHTS.width - 32 - _LABEL - _VALUE
    return [pygame.Rect(left, WEIGHTS.top + 74 + i * _ROW, width, 8) for i in range(len(view.knobs))]


def _persona_boxes(view: PanelView) -> list[pygame.Rect]:
    """One a persona, and the last for the hold-fire switch."""
    inner, count = PERSONAS.inflate(-24, -18), len(view.personas) + 1
    width = (inner.width - 6 * (count - 1)) // count
    return [pygame.Rect(inner.left + i * (width + 6), inner.top, width, inner.height) for i in range(count)]


def _draw_why(surface: pygame.Surface, view: PanelView) -> None:
    box = WHY.inflate(-32, -22)
    title = f"Why?  {view.selected}" if view.selected else "Why?"
    theme.write(surface, title, (box.left, box.top - 3), 17, theme.ACCENT if view.selected else theme.MUTED, bold=True)
    waiting = "thinking..." if view.selected else "Click an NPC or press Tab: it says why."
    text, ink = (view.why, theme.TEXT) if view.why else (waiting, theme.MUTED)
    size = next((s for s in (24, 22, 20) if len(theme.wrap(text, s, box.width)) <= _LINES), 18)
    for i, line in enumerate(theme.wrap(text, size, box.width)[: _LINES + 1]):
        theme.write(surface, line, (box.left, box.top + 23 + round(1.16 * size) * i), size, ink)


def button(surface: pygame.Surface, box: pygame.Rect, label: str, colour: Colour, chosen: bool, warm: bool) -> None:
    """Draw a button: filled when chosen, brighter under the mouse."""
    fill = mix(theme.CARD, colour, 0.85 if chosen else 0.28 if warm else 0.12)
    edge = mix(theme.CARD, colour, 0.95 if chosen else 0.5)
    surface.blit(theme.rounded(box.width, box.height, 9, fill, edge), box)
    ink = theme.BACKGROUND if chosen else mix(theme.TEXT, colour, 0.2)
    size = next((s for s in (19, 18, 17, 16, 15) if theme.face(s).size(label)[0] <= box.width - 8), 14)
    image = theme.words(label, size, ink)
    surface.blit(image, (box.centerx - image.get_width() // 2, box.centery - image.get_height() // 2))


def persona_buttons(described: Mapping[str, object]) -> tuple[PersonaButton, ...]:
    """Read the `personas` of an inspect reply."""
    buttons = []
    for name, facts in described.items():
        table = facts if isinstance(facts, Mapping) else {}
        buttons.append(PersonaButton(name, hex_colour(str(table.get("colour", "")))))
    return tuple(buttons)


def hex_colour(text: str) -> Colour:
    """Read `#rrggbb`; anything else is grey."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
        return theme.GREY
    return (int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16))
