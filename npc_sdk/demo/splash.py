"""The first thing one sees: a title card, up before anything slow is imported and while the brain starts."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.brain import Brain, serve_command, usual_endpoints
from npc_sdk.demo.layout import SIZE

_IMPORTED = time.perf_counter()
_FRAME_S = 1.0 / 30.0


def run(args: argparse.Namespace) -> int:
    """Open the window, start the brain, load the rest behind the title card, and play until the window is closed."""
    pygame.display.init()
    window = pygame.display.set_mode(SIZE, pygame.RESIZABLE | pygame.SCALED)
    pygame.display.set_caption("npc-sdk demo")
    draw_title(window, 0.0)
    pygame.display.flip()
    print(f"first window after {since_start_ms():.0f} ms", file=sys.stderr)
    endpoints = usual_endpoints()
    print(f"designers: control {endpoints.control}, telemetry {endpoints.telemetry}", file=sys.stderr)
    brain = Brain(serve_command(endpoints, args.model, args.seed, args.device))
    brain.start()
    try:
        _wait_for_imports(window)
        from npc_sdk.demo.window import play

        play(window, brain, endpoints, args)
    finally:
        brain.stop()
        pygame.quit()
    return 0


def _wait_for_imports(window: pygame.Surface) -> None:
    """Keep the card moving and the window answering while another thread imports the game."""
    loading = threading.Thread(target=_import, daemon=True)
    begun = time.perf_counter()
    loading.start()
    while loading.is_alive():
        pygame.event.pump()
        draw_title(window, time.perf_counter() - begun)
        pygame.display.flip()
        time.sleep(_FRAME_S)


def _import() -> None:
    import npc_sdk.demo.window  # noqa: F401  what takes a while is done when it is wanted


def draw_title(surface: pygame.Surface, seconds: float) -> None:
    """Draw the title card, with dots that say that something is going on."""
    surface.fill(theme.BACKGROUND)
    middle = SIZE[0] // 2
    theme.write(surface, "They imagine you.", (middle, 264), 64, theme.TEXT, bold=True, align=0.5)
    theme.write(surface, "npc-sdk: world models and planning for game NPCs", (middle, 352), 27, theme.MUTED, align=0.5)
    for i, colour in enumerate((*theme.SQUADS[:2], theme.PLAYER)):
        beat = 0.5 + 0.5 * max(0.0, 1.0 - abs((2.0 * seconds - i) % 3.0 - 1.0))
        image = theme.disc(8, theme.mix(theme.BACKGROUND, colour, round(beat, 1)))
        surface.blit(image, (middle - 49 + 40 * i, 430))


def since_start_ms() -> float:
    """Return how long ago this process began; without /proc, since this module was imported."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return 1e3 * (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):
        return 1e3 * (time.perf_counter() - _IMPORTED)
