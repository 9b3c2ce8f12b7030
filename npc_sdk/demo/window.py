"""The demo's window: events in, ticks at a fixed rate, frames in between."""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import pygame
from jaxtyping import Float

from npc_sdk.demo import theme
from npc_sdk.demo.brain import Brain, serve_command, usual_endpoints
from npc_sdk.demo.controls import Hands, player_action
from npc_sdk.demo.show import SIZE, Cast, Show
from npc_sdk.envs.arena import DT

FRAME_HZ = 60
_SLOW_MS = 12.0  # when drawing takes longer than this, every tick is drawn once instead of twice
_PATIENCE_S = 20.0  # the first match waits this long for the brain, then it starts on the game's own script
_MOST_TICKS = 3  # caught up per frame after a hitch
HELP = (
    ("W A S D", "move"),
    ("mouse", "aim; left button fires, right button or G throws a grenade"),
    ("Tab, click", "select an NPC and see why it does what it does; a second click lets go"),
    ("sliders", "weights, live; right click puts one back"),
    ("K", "kill the brain: the NPCs go on with the game's own script"),
    ("R", "start the brain again"),
    ("P", "pause"),
    ("H", "this help"),
    ("Esc", "quit"),
)


def run(args: argparse.Namespace) -> int:
    """Play until the window is closed."""
    pygame.display.init()
    pygame.font.init()
    window = pygame.display.set_mode(SIZE, pygame.RESIZABLE | pygame.SCALED)
    pygame.display.set_caption("npc-sdk demo")
    endpoints = usual_endpoints()
    print(f"designers: control {endpoints.control}, telemetry {endpoints.telemetry}", file=sys.stderr)
    brain = Brain(serve_command(endpoints, args.model, args.seed, args.device))
    cast = Cast(args.npcs, args.seed, scripted=args.player == "script")
    show = Show(brain, endpoints, cast, patience_s=_PATIENCE_S)
    try:
        Window(window, show).run()
    finally:
        show.close()
        pygame.quit()
    return 0


class Window:
    """The loop around a show."""

    def __init__(self, window: pygame.Surface, show: Show) -> None:
        """Show `show` in `window`."""
        self._window = window
        self._show = show
        self._paused = False
        self._help = False
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
                if not self._paused:
                    self._show.advance(self._action())
                ticked = True
            if ticked or self._draw_ms < _SLOW_MS:
                self._draw(owed / DT)
            self._show.frame_ms.append(1e3 * (time.perf_counter() - begun))
            clock.tick(FRAME_HZ)

    def _draw(self, share: float) -> None:
        begun = time.perf_counter()
        self._window.blit(self._show.draw(1.0 if self._paused else share), (0, 0))
        if self._paused:
            theme.write(self._window, "paused", (328, 20), 18, theme.ACCENT, bold=True, align=0.5)
        if self._help:
            _draw_help(self._window)
        pygame.display.flip()
        self._draw_ms += 0.1 * (1e3 * (time.perf_counter() - begun) - self._draw_ms)

    def _take(self, event: pygame.event.Event) -> None:
        if event.type == pygame.QUIT:
            self._running = False
        elif event.type == pygame.KEYDOWN:
            self._key(event)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button in (1, 3):
            taken = self._show.press(event.pos, reset=event.button == 3)
            self._firing = event.button == 1 and not taken
        elif event.type == pygame.MOUSEBUTTONUP:
            self._firing = False
            self._show.release()
        elif event.type == pygame.MOUSEMOTION:
            self._show.drag(event.pos)

    def _key(self, event: pygame.event.Event) -> None:
        show = self._show
        if event.key == pygame.K_ESCAPE:
            self._running = False
        elif event.key == pygame.K_TAB:
            show.select_next(-1 if event.mod & pygame.KMOD_SHIFT else 1)
        elif event.key == pygame.K_k:
            show.kill_brain()
        elif event.key == pygame.K_r:
            show.restart_brain()
        elif event.key == pygame.K_p:
            self._paused = not self._paused
        elif event.key == pygame.K_h:
            self._help = not self._help

    def _action(self) -> Float[np.ndarray, "6"]:
        keys, buttons = pygame.key.get_pressed(), pygame.mouse.get_pressed()
        hands = Hands(
            up=bool(keys[pygame.K_w]),
            down=bool(keys[pygame.K_s]),
            left=bool(keys[pygame.K_a]),
            right=bool(keys[pygame.K_d]),
            fire=self._firing,
            throw=bool(keys[pygame.K_g]) or (bool(buttons[2]) and pygame.mouse.get_pos()[0] < 648),
            aim=self._show.aim(pygame.mouse.get_pos()),
        )
        return player_action(hands, self._show.player_at)


def _draw_help(window: pygame.Surface) -> None:
    """Lay the keys over everything."""
    width, height = 620, 66 + 30 * len(HELP)
    plate = theme.rounded(width, height, 14, theme.CARD, theme.CARD_EDGE, 244)
    left, top = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
    window.blit(plate, (left, top))
    theme.write(window, "Keys", (left + 26, top + 20), 20, theme.TEXT, bold=True)
    for i, (key, meaning) in enumerate(HELP):
        theme.write(window, key, (left + 26, top + 58 + 30 * i), 15, theme.ACCENT)
        theme.write(window, meaning, (left + 140, top + 58 + 30 * i), 15, theme.TEXT)
