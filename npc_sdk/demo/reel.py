"""The reel: sixty seconds in which the demo shows itself. A table, and the small driver that plays it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from npc_sdk.demo.controls import Hands, player_action
from npc_sdk.demo.hand import (
    FRAME_HZ,
    Gesture,
    Hand,
    ask,
    assign,
    call,
    drag,
    flip,
    multiply,
    paint,
    put_back,
    type_wish,
    until_planned,
)
from npc_sdk.demo.show import Show

REEL_S = 60.0
CARD_S = 3.5  # at the end, for which the run's own figures are shown
WISH = "north = relu(player.y + 4 - self.y)"


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written from `at` on; figures in braces are measured in this run (see `figures.facts`)."""

    at: float  # s
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """Something that is done at a time."""

    at: float  # s
    act: Gesture


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of the reel: from `start` until the next one starts."""

    start: float  # s
    title: str
    captions: tuple[Caption, ...]
    cues: tuple[Cue, ...] = ()
    stills: tuple[float, ...] = ()  # when the pictures of the contact sheet are taken, s
    stand: float = math.inf  # from then on the player stands its ground and fires, as a hand on the mouse would


SCENES = (
    Scene(
        0.0,
        "They imagine you",
        (
            Caption(0.0, "Bright: the plan each NPC chose. Thin: plans it tried, from good (mint) to bad (wine)."),
            Caption(4.0, "Amber ghosts: where they imagine YOU in 0.5, 1 and 1.5 s. Undecided? Several."),
            Caption(7.4, "{sight}"),
        ),
        stills=(6.5,),
    ),
    Scene(
        10.0,
        "Change their mind",
        (
            Caption(10.0, 'Freeze. Drag "exposure": how much they mind being seen by you.'),
            Caption(12.6, "The plans swing as it moves: the same imagined futures, ranked anew."),
            Caption(16.8, "They melt into cover. 0 gradient steps: weights {weights_before} before, {weights} after."),
        ),
        (
            Cue(10.4, call("freeze")),
            Cue(10.4, call("prepare_control")),  # reads its libraries while nobody moves
            Cue(10.8, drag("exposure", 0.0, 0.7)),
            Cue(12.8, drag("exposure", 4.0, 3.0)),
            Cue(16.8, call("resume")),
        ),
        stills=(15.9, 19.2),
    ),
    Scene(
        20.0,
        "Draw a law",
        (
            Caption(20.0, "Draw a zone that no body may enter, whatever it wishes."),
            Caption(23.2, "Aggression x 1000: the aggressive persona's attack and approach. They line up at its edge."),
            Caption(28.0, "Law: broken {zone_broken}. Inset: the same as a mere wish, broken {control_zone_broken}."),
        ),
        (
            Cue(20.0, call("freeze")),
            Cue(20.2, paint(1.8)),
            Cue(22.8, assign("aggressive")),
            Cue(24.2, multiply(1000.0, "attack", "approach")),
            Cue(24.8, call("start_control")),
            Cue(24.8, call("resume")),
        ),
        stills=(22.2, 30.8),
        stand=20.0,
    ),
    Scene(
        32.0,
        "A wish nobody trained",
        (
            Caption(32.0, "Type a formula. No data, no training: it counts from the next decision."),
            Caption(37.0, '"Be 4 m north of the player." They drift north.'),
        ),
        (
            Cue(32.0, call("unpaint")),
            Cue(32.1, assign("default")),
            Cue(33.0, put_back("exposure")),
            Cue(34.0, type_wish(WISH, 2.4)),
        ),
        stills=(36.2, 39.4),
    ),
    Scene(
        40.0,
        "Kill the brain",
        (
            Caption(40.0, "The brain is another process. Kill it."),
            Caption(42.0, "The frame does not notice. Every NPC goes on with the game's own script."),
            Caption(44.4, "Start it again ..."),
            Caption(47.4, "... and the plans are back. Stale plans executed: {stale}."),
        ),
        (Cue(41.2, call("kill_brain")), Cue(44.2, call("restart_brain")), Cue(47.3, until_planned)),
        stills=(43.6, 49.4),
    ),
    Scene(
        50.0,
        "Why?",
        (
            Caption(50.0, "Ask one. It weighs its plan against one it did not take, in units you can see."),
            Caption(53.4, "Space moves that slider to where it changes its mind. {flip}"),
            Caption(56.5, "This run's own figures."),
        ),
        (Cue(50.1, call("freeze")), Cue(50.2, ask), Cue(53.4, flip), Cue(56.0, call("resume"))),
        stills=(53.2, 55.8),
    ),
)


class Reel:
    """Plays the table once: every cue in its order, one gesture after another, as a single hand would."""

    def __init__(self, scenes: tuple[Scene, ...] = SCENES, length: float = REEL_S) -> None:
        """Begin at 0 s."""
        self.scenes = scenes
        self.length = length
        self.hand = Hand()
        self.weights_before = ""  # hash of the model's numbers when the reel began, as soon as the brain has told
        self._frame = 0
        self._waiting = [cue for scene in scenes for cue in scene.cues]
        self._gesture: Iterator[None] | None = None

    @property
    def time(self) -> float:
        """Since the reel began, s; it stands still while the show waits for the next match, or the hand for a brain."""
        return self._frame / FRAME_HZ

    @property
    def over(self) -> bool:
        """Whether it has been played."""
        return self.time >= self.length

    @property
    def number(self) -> int:
        """Which scene is on, from 0."""
        return max(i for i, scene in enumerate(self.scenes) if scene.start <= self.time)

    @property
    def scene(self) -> Scene:
        """The scene that is on."""
        return self.scenes[self.number]

    @property
    def caption(self) -> Caption:
        """What is written now."""
        return [c for c in self.scene.captions if c.at <= self.time][-1]

    @property
    def ending(self) -> bool:
        """Whether the end card is up."""
        return self.time >= self.length - CARD_S

    def action(self, show: Show) -> Float[np.ndarray, "6"] | None:
        """Return what the player does where the reel plays it, None where the script does."""
        if self.time < self.scene.stand or self.over:
            return None
        at = show.player_at
        nearest = min(
            (npc.at for npc in show.scene(1.0).npcs if npc.alive), key=lambda npc: math.dist(npc, at), default=at
        )
        return player_action(Hands(fire=True, aim=nearest), at)

    @property
    def frame(self) -> int:
        """How many frames have been played."""
        return self._frame

    def step(self, show: Show) -> None:
        """Do what is due in this frame, and let a frame's time pass unless the hand holds the clock."""
        self.weights_before = self.weights_before or show.weights_sha256
        while self._advance(show):
            pass
        self._frame += not self.hand.holds

    def _advance(self, show: Show) -> bool:
        """Carry a gesture on, or take up the next that is due; False when nothing more is to be done in this frame."""
        if self._gesture is None:
            if not self._waiting or self._waiting[0].at > self.time:
                return False
            self._gesture = self._waiting.pop(0).act(self.hand, show)
        if next(self._gesture, self) is self:
            self._gesture = None
            return True
        return False
