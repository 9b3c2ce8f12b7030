"""Lays one frame out of its parts: arena, panel, strip, what is written over the arena. Reads plain values only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.arena_view import ArenaView
from npc_sdk.demo.inset import draw_inset, draw_law
from npc_sdk.demo.layout import ARENA, SIZE
from npc_sdk.demo.match import Match
from npc_sdk.demo.panel import Panel, PanelView
from npc_sdk.demo.scene import Scene, Status
from npc_sdk.demo.strip import draw_strip
from npc_sdk.demo.twin import TwinView
from npc_sdk.envs.arena import DT


@dataclass(frozen=True, slots=True)
class Banner:
    """Two lines across the arena: why nobody moves."""

    head: str
    line: str


@dataclass(frozen=True, slots=True)
class Frame:
    """All that one drawn moment shows."""

    clock: float  # ticks
    scene: Scene
    panel: PanelView
    status: Status
    zone_broken: int  # how often the painted zones were
    control: TwinView | None
    banner: Banner | None
    frozen: bool


class Picture:
    """The screen. Keeps the static layer of a match, and what the panel eases."""

    def __init__(self, panel: Panel) -> None:
        """Prepare a screen; `open` a match before anything is drawn."""
        self._screen = pygame.Surface(SIZE)
        self._panel = panel
        self._drawn = 0.0  # ticks

    def open(self, match: Match) -> None:
        """Draw another match from now on."""
        schema, arena = match.schema, match.arena
        self._view = ArenaView(schema.polygons, schema.bounds, arena.edges[0], ARENA.width)
        self._walls = [polygon for polygon in schema.polygons if polygon.kind == "wall"]
        self._squads: list[int] = arena.squad[0, match.first_npc :].tolist()

    def draw(self, frame: Frame) -> pygame.Surface:
        """Draw one moment and return the screen; it is overwritten by the next call."""
        screen, zones = self._screen, frame.scene.zones
        screen.fill(theme.BACKGROUND)
        screen.blit(self._view.draw(frame.scene), ARENA)
        self._panel.draw(screen, frame.panel, (frame.clock - self._drawn) * DT)
        self._drawn = frame.clock
        draw_strip(screen, frame.status)
        for corners in zones:
            xs, ys = zip(*corners, strict=True)
            draw_law(screen, self.pixel((sum(xs) / len(xs), min(ys))), frame.zone_broken)
        if frame.control is not None and zones:
            x, y = np.mean(np.array(zones[-1]), 0)
            far = (bool(x < 0), bool(y > 0))  # the corner of the arena that is farthest from the zone
            draw_inset(screen, frame.control, zones, self._walls, self._squads, far)
        if frame.banner is not None:
            _draw_banner(screen, frame.banner)
        elif frame.frozen:
            theme.write(screen, "frozen", (ARENA.centerx, ARENA.top + 12), 26, theme.ACCENT, bold=True, align=0.5)
        return screen

    def aim(self, at: tuple[int, int]) -> tuple[float, float]:
        """Where in the arena a pixel is, m."""
        return self._view.camera.world((at[0] - ARENA.left, at[1] - ARENA.top))

    def pixel(self, at: tuple[float, float]) -> tuple[float, float]:
        """Where on the screen a place in the arena is."""
        x, y = self._view.camera.final(at)
        return x + ARENA.left, y + ARENA.top


def _draw_banner(screen: pygame.Surface, banner: Banner) -> None:
    """Write two lines on a plate in the middle of the arena."""
    head, line = theme.words(banner.head, 38, theme.TEXT, True), theme.words(banner.line, 23, theme.MUTED)
    plate = theme.rounded(max(head.get_width(), line.get_width()) + 72, 126, 18, theme.CARD, theme.CARD_EDGE, 240)
    top = ARENA.centery - 63
    screen.blit(plate, (ARENA.centerx - plate.get_width() // 2, top))
    theme.write(screen, banner.head, (ARENA.centerx, top + 24), 38, theme.TEXT, bold=True, align=0.5)
    theme.write(screen, banner.line, (ARENA.centerx, top + 76), 23, theme.MUTED, align=0.5)
