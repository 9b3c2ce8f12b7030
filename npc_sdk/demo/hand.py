"""The reel's hand: a cursor that eases from place to place and does with the show what a mouse and keys would.

A gesture is a generator: it yields once per frame until it is done. Nothing here knows what a scene is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pygame

from npc_sdk.demo.because import PICTURED
from npc_sdk.demo.panel import SLIDER_TERMS, knob_place, persona_place, reach_place
from npc_sdk.demo.scene import CALLBACK, NpcView
from npc_sdk.demo.show import Show
from npc_sdk.demo.wish import WishField
from npc_sdk.envs.arena import TICK_HZ

FRAME_HZ = float(TICK_HZ)  # the reel's frames are the match's ticks, and those of its pauses
_GLIDE_PX_S = 900.0  # how fast the cursor travels between two things
_LEAST_GLIDE_S = 0.35
_REACH = (1.6, 4.4)  # m, of a law that is drawn around the player: at least, at most
_CLEAR = 1.0  # m that it keeps from any NPC
_CORNERS = 8
_PATIENCE_S = 20.0  # for a brain that was started again
_ASK_S = 0.6  # by then every NPC of a frozen match has told why

Gesture = Callable[["Hand", Show], Iterator[None]]
Pixel = tuple[float, float]


@dataclass(slots=True)
class Hand:
    """What of the hand is to be seen."""

    at: Pixel = (1130.0, 610.0)
    shown: bool = False
    down: bool = False
    holds: bool = False  # the reel's clock stands still until what it waits for has come
    wish: WishField = field(default_factory=WishField)  # the line in which it types


def ease(share: float) -> float:
    """Map 0..1 to 0..1, slow at both ends."""
    s = min(1.0, max(0.0, share))
    return s * s * (3.0 - 2.0 * s)


def frames(seconds: float) -> range:
    """Return the frames that a time takes, counted from 1 to the last."""
    return range(1, max(1, round(seconds * FRAME_HZ)) + 1)


def wait(seconds: float) -> Iterator[None]:
    """Let time pass."""
    for _ in frames(seconds):
        yield


def call(method: str) -> Gesture:
    """Press a key: call a method of the show that takes nothing."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        getattr(show, method)()
        yield

    return gesture


def until_planned(hand: Hand, show: Show) -> Iterator[None]:
    """Hold the clock until a brain that was started again leads every NPC, or has had its time."""
    for _ in frames(_PATIENCE_S):
        hand.holds = not (show.led and show.tally.now[CALLBACK] == 0)
        if not hand.holds:
            return
        yield
    hand.holds = False


def drag(term: str, to: float, seconds: float) -> Gesture:
    """Take a slider's knob and move it."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        yield from _travel(hand, show, lambda: _knob(show, term))
        begin, end = hand.at, knob_place(show.desk.view(), term, to)
        hand.down = show.press(_pixel(hand.at))
        for k in frames(seconds):
            _move(hand, show, _between(begin, end, ease(k / len(frames(seconds)))))
            yield
        show.release()
        hand.down = False
        yield from _leave(hand)

    return gesture


def put_back(*terms: str) -> Gesture:
    """Put sliders back with a right click."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        for term in terms:
            yield from _travel(hand, show, partial(_knob, show, term))
            show.press(_pixel(hand.at), reset=True)
            yield from _tap(hand)
        yield from _leave(hand)

    return gesture


def assign(persona: str) -> Gesture:
    """Press a persona's button."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        yield from _travel(hand, show, lambda: persona_place(show.desk.view(), persona))
        show.press(_pixel(hand.at))
        yield from _tap(hand)
        yield from _leave(hand)

    return gesture


def multiply(factor: float, *terms: str) -> Gesture:
    """Multiply weights of every squad, further than a slider goes."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        now = {knob.term: knob.value for knob in show.desk.view().knobs}
        for reach in show.desk.reaches()[1:]:
            for term in terms:
                show.desk.turn(reach, term, factor * now[term])
        yield

    return gesture


def paint(seconds: float) -> Gesture:
    """Draw a forbidden zone around the player, as large as fits between the NPCs."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        corners = around(show.player_at, [npc.at for npc in _living(show)])
        yield from _travel(hand, show, lambda: show.pixel(corners[0]))
        outline = [show.pixel(corner) for corner in (*corners, corners[0])]
        hand.down = True
        for k in frames(seconds):
            along = ease(k / len(frames(seconds))) * (len(outline) - 1)
            side = min(int(along), len(outline) - 2)
            hand.at = _between(outline[side], outline[side + 1], along - side)
            show.sketch(_pixel(hand.at))
            yield
        hand.down = False
        show.desk.end_sketch()
        yield from _leave(hand)

    return gesture


def type_wish(line: str, seconds: float) -> Gesture:
    """Type a wish letter by letter, and enter it."""

    def gesture(hand: Hand, show: Show) -> Iterator[None]:
        hand.wish.start()
        for k in frames(seconds):
            for letter in line[len(hand.wish.text) : math.ceil(len(line) * k / len(frames(seconds)))]:
                hand.wish.key(0, letter, show)
            yield
        hand.wish.key(pygame.K_RETURN, "", show)
        yield from wait(1.0)
        hand.wish.key(pygame.K_ESCAPE, "", show)

    return gesture


def ask(hand: Hand, show: Show) -> Iterator[None]:
    """Click the NPC that can say best what would change its mind."""
    yield from wait(_ASK_S)
    for npc in sorted((view.id for view in _living(show)), key=partial(_vague, show))[:1]:
        yield from _travel(hand, show, partial(_body, show, npc))
        show.desk.select(npc)
        yield from _tap(hand)
    yield from _leave(hand)


def flip(hand: Hand, show: Show) -> Iterator[None]:
    """Look at the selected NPC's own sliders, and press Space: one moves to where it changes its mind."""
    if show.desk.selected:
        yield from _travel(hand, show, lambda: reach_place(show.desk.view(), -1))
        show.press(_pixel(hand.at))
        yield from _tap(hand)
        show.flip(show.desk.selected)
    yield from _leave(hand)


def around(player: tuple[float, float], npcs: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return a polygon around the player that no NPC stands in, counter-clockwise, m."""
    nearest = min((math.dist(player, npc) for npc in npcs), default=math.inf)
    radius = min(max(nearest - _CLEAR, _REACH[0]), _REACH[1])
    angles = [2.0 * math.pi * k / _CORNERS for k in range(_CORNERS)]
    return tuple((player[0] + radius * math.cos(a), player[1] + radius * math.sin(a)) for a in angles)


def _living(show: Show) -> list[NpcView]:
    return [npc for npc in show.scene(1.0).npcs if npc.alive]


def _body(show: Show, npc: int) -> Pixel:
    return next(show.pixel(view.at) for view in show.scene(1.0).npcs if view.id == npc)


def _knob(show: Show, term: str) -> Pixel:
    view = show.desk.view()
    return knob_place(view, term, next(knob.value for knob in view.knobs if knob.term == term))


def _vague(show: Show, npc: int) -> tuple[bool, ...]:
    """Rank what an NPC says: first those who name a slider, and a plan that one can picture."""
    why = show.desk.whys.get(npc)
    if why is None or why.flip is None:
        return (True,)
    to, term = why.flip.family, why.flip.term
    return (
        term not in SLIDER_TERMS or to not in PICTURED,
        why.family not in PICTURED,
        term != "exposure",
        to != why.runner_up,
    )


def _travel(hand: Hand, show: Show, target: Callable[[], Pixel]) -> Iterator[None]:
    """Bring the cursor to something, which may move meanwhile."""
    hand.shown = True
    begin = hand.at
    count = len(frames(max(_LEAST_GLIDE_S, math.dist(begin, target()) / _GLIDE_PX_S)))
    for k in range(1, count + 1):
        _move(hand, show, _between(begin, target(), ease(k / count)))
        yield


def _tap(hand: Hand) -> Iterator[None]:
    hand.down = True
    yield from wait(0.25)
    hand.down = False


def _leave(hand: Hand) -> Iterator[None]:
    yield from wait(0.4)
    hand.shown = False


def _move(hand: Hand, show: Show, at: Pixel) -> None:
    hand.at = at
    show.drag(_pixel(at))


def _between(a: Pixel, b: Pixel, share: float) -> Pixel:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _pixel(at: Pixel) -> tuple[int, int]:
    return round(at[0]), round(at[1])
