"""The demo's window: events in, ticks at a fixed rate, frames in between."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pygame
from jaxtyping import Float

from npc_sdk.demo import theme
from npc_sdk.demo.brain import Brain, Endpoints
from npc_sdk.demo.captions import draw_keys, draw_reel
from npc_sdk.demo.controls import Hands, player_action
from npc_sdk.demo.figures import facts, measure
from npc_sdk.demo.layout import ARENA, SIZE
from npc_sdk.demo.picture import Banner
from npc_sdk.demo.play import Cast
from npc_sdk.demo.reel import Reel
from npc_sdk.demo.show import Show, Stage
from npc_sdk.demo.wish import WishField, draw_notice
from npc_sdk.envs.arena import DT

_DRAW_HZ = 60
_SLOW_MS = 12.0  # when drawing takes longer than this, every tick is drawn once instead of twice
REWIND_S = 3.0
_NOTICE_S = 5.0  # that a refusal stays in the picture
_MOST_TICKS = 3  # caught up per frame after a hitch
ONCE_MORE = Banner("Once more", "press any key to play yourself")
YOUR_TURN = Banner("Your turn", "WASD and mouse; H shows all keys")
HELP = (
    ("W A S D", "move"),
    ("mouse", "aim; left button fires, right button or G throws a grenade"),
    ("Tab, click", "select an NPC and see why it does what it does; a second click lets go"),
    ("sliders", "weights, live; right click puts one back"),
    ("F", "freeze and resume: turn weights and watch the plans swing"),
    ("Backspace, Left", "go back three seconds"),
    ("Shift + drag", "paint a zone that nobody may enter (Z: paint without Shift); U takes it away"),
    ("C", "beside it, the same match with the zone as a mere wish"),
    ("T or /", "write a wish that nobody trained"),
    ("Space", "the selected NPC: move the weight it names, and see it change its mind"),
    ("M", "next forecast: learned, constant velocity, untrained"),
    ("K", "kill the brain: the NPCs go on with the game's own script"),
    ("R", "start the brain again"),
    ("H", "this help"),
    ("Esc", "quit"),
)


def play(window: pygame.Surface, brain: Brain, endpoints: Endpoints, args: argparse.Namespace) -> None:
    """Play until the window is closed: the reel first, unless somebody was named to play."""
    reel = Reel() if args.player is None else None
    cast = Cast(args.npcs, args.seed, scripted=args.player == "script", staged=reel is not None)
    show = Show(brain, endpoints, cast)
    try:
        Window(window, show, reel).run()
    finally:
        show.close()


class Window:
    """The loop around a show."""

    def __init__(self, window: pygame.Surface, show: Show, reel: Reel | None = None) -> None:
        """Show `show` in `window`; a reel plays until a key or button is pressed."""
        self._window = window
        self._show = show
        self._reel = reel
        self._help = False
        self._wish = WishField()
        self._painting = False  # the mouse paints without Shift
        self._sketching = False
        self._notice, self._noticed = "", 0.0  # the brain's last no, and when it came
        self._running = True
        self._firing = False
        self._draw_ms = 0.0

    def run(self) -> None:
        """Take in events, advance by whole ticks, draw in between."""
        clock, owed = pygame.time.Clock(), 0.0
        before = time.perf_counter()
        while self._running:
            begun = time.perf_counter()
            owed = min(owed + begun - before, _MOST_TICKS * DT)
            before = begun
            for event in pygame.event.get():
                self._take(event)
            ticked = False
            while owed >= DT:
                owed -= DT
                self._tick()
                ticked = True
            if ticked or self._draw_ms < _SLOW_MS:
                self._draw(owed / DT)
            self._show.frame_ms.append(1e3 * (time.perf_counter() - begun))
            clock.tick(_DRAW_HZ)

    def _tick(self) -> None:
        show, reel = self._show, self._reel
        if reel is None:
            show.advance(self._action())
            return
        if show.stage is Stage.PLAYING:
            reel.step(show)
        show.advance(reel.action(show))
        if reel.over:
            self._reel = Reel()
            show.begin(replace(show.cast, seed=show.cast.seed + 1), ONCE_MORE)

    def _take_over(self) -> None:
        """Let the human play."""
        self._reel = None
        self._show.begin(replace(self._show.cast, staged=False), YOUR_TURN)

    def _draw(self, share: float) -> None:
        begun = time.perf_counter()
        self._window.blit(self._show.draw(share), (0, 0))
        self._draw_words()
        if self._reel is None:
            draw_keys(self._window)
        else:
            figures = measure(self._show)
            told = facts(self._show, figures, self._reel.weights_before)
            draw_reel(self._window, self._reel, told, figures, self._show.desk.refusal)
        if self._help:
            _draw_help(self._window)
        pygame.display.flip()
        self._draw_ms += 0.1 * (1e3 * (time.perf_counter() - begun) - self._draw_ms)

    def _draw_words(self) -> None:
        """Draw the open line, or the brain's last no for a while."""
        now, refusal = time.perf_counter(), self._show.desk.refusal
        if refusal != self._notice:
            self._notice, self._noticed = refusal, now
        self._wish.look(self._show)
        if self._wish.open:
            self._wish.draw(self._window, refusal)
        elif refusal and now - self._noticed < _NOTICE_S:
            draw_notice(self._window, refusal)
        elif self._painting:
            theme.write(self._window, "paint", (ARENA.left + 16, ARENA.top + 10), 18, theme.ACCENT, bold=True)

    def _take(self, event: pygame.event.Event) -> None:
        if event.type == pygame.QUIT:
            self._running = False
        elif self._reel is not None:
            if event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE:
                self._running = False
            elif event.type in (pygame.KEYDOWN, pygame.MOUSEBUTTONDOWN):
                self._take_over()
        elif event.type == pygame.KEYDOWN:
            self._key(event)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button in (1, 3):
            self._press(event)
        elif event.type == pygame.MOUSEBUTTONUP:
            self._firing = False
            self._show.release()
            if self._sketching:
                self._sketching = False
                self._show.desk.end_sketch()
        elif event.type == pygame.MOUSEMOTION and self._sketching:
            self._show.sketch(event.pos)
        elif event.type == pygame.MOUSEMOTION:
            self._show.drag(event.pos)

    def _press(self, event: pygame.event.Event) -> None:
        """A button went down: on the arena it may paint, else it is for panel, NPC or gun."""
        paints = self._painting or pygame.key.get_mods() & pygame.KMOD_SHIFT
        if paints and event.button == 1 and ARENA.collidepoint(event.pos):
            self._sketching = True
            self._show.sketch(event.pos)
            return
        taken = self._show.press(event.pos, reset=event.button == 3)
        self._firing = event.button == 1 and not taken

    def _key(self, event: pygame.event.Event) -> None:
        show = self._show
        if self._wish.open:
            self._wish.key(event.key, getattr(event, "unicode", ""), show)
        elif event.key == pygame.K_ESCAPE:
            self._running = False
        elif event.key == pygame.K_TAB:
            show.desk.select_next(-1 if event.mod & pygame.KMOD_SHIFT else 1)
        elif event.key == pygame.K_h:
            self._help = not self._help
        elif event.key == pygame.K_z:
            self._painting = not self._painting
        elif event.key in (pygame.K_t, pygame.K_SLASH):
            show.desk.refusal = ""
            self._wish.start()
        elif event.key in _KEYS:
            _KEYS[event.key](show)

    def _action(self) -> Float[np.ndarray, "6"]:
        keys, buttons = pygame.key.get_pressed(), pygame.mouse.get_pressed()
        if self._wish.open:  # letters are for the line
            return player_action(Hands(aim=self._show.aim(pygame.mouse.get_pos())), self._show.player_at)
        hands = Hands(
            up=bool(keys[pygame.K_w]),
            down=bool(keys[pygame.K_s]),
            left=bool(keys[pygame.K_a]),
            right=bool(keys[pygame.K_d]),
            fire=self._firing,
            throw=bool(keys[pygame.K_g]) or (bool(buttons[2]) and pygame.mouse.get_pos()[0] < ARENA.right),
            aim=self._show.aim(pygame.mouse.get_pos()),
        )
        return player_action(hands, self._show.player_at)


def _toggle(show: Show) -> None:
    """Freeze, or resume."""
    if show.frozen:
        show.resume()
    else:
        show.freeze()


def _space(show: Show) -> None:
    """Take the selected NPC at its word; without one, freeze or resume."""
    if show.desk.selected:
        show.flip(show.desk.selected)
    else:
        _toggle(show)


def _control(show: Show) -> None:
    """Start the control match, or end it."""
    if show.control is None:
        show.start_control()
    else:
        show.stop_control()


_KEYS: dict[int, Callable[[Show], None]] = {
    pygame.K_f: _toggle,
    pygame.K_SPACE: _space,
    pygame.K_BACKSPACE: lambda show: show.rewind(REWIND_S),
    pygame.K_LEFT: lambda show: show.rewind(REWIND_S),
    pygame.K_u: Show.unpaint,
    pygame.K_c: _control,
    pygame.K_m: lambda show: show.desk.swap_forecast(),
    pygame.K_k: Show.kill_brain,
    pygame.K_r: Show.restart_brain,
}


def _draw_help(window: pygame.Surface) -> None:
    """Lay the keys over everything."""
    width, height = 940, 66 + 34 * len(HELP)
    plate = theme.rounded(width, height, 14, theme.CARD, theme.CARD_EDGE, 244)
    left, top = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
    window.blit(plate, (left, top))
    theme.write(window, "Keys", (left + 26, top + 20), 20, theme.TEXT, bold=True)
    for i, (key, meaning) in enumerate(HELP):
        theme.write(window, key, (left + 26, top + 58 + 34 * i), 19, theme.ACCENT)
        theme.write(window, meaning, (left + 210, top + 58 + 34 * i), 19, theme.TEXT)
