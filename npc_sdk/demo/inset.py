"""What a painted zone is worth: how often it was broken; and, in an inset, the control match, where it is a wish."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame

from npc_bridge.schema import Polygon
from npc_sdk.demo import theme
from npc_sdk.demo.layout import ARENA
from npc_sdk.demo.paint import Corners
from npc_sdk.demo.theme import mix
from npc_sdk.demo.twin import TwinView

SIDE = 216  # px
_FOOT = 58
_REACH = 6.5  # m around the zone's middle
_SUPER = 2
_BODY = 0.5  # m


def draw_inset(
    screen: pygame.Surface,
    view: TwinView,
    zones: Sequence[Corners],
    walls: Sequence[Polygon],
    squads: Sequence[int],
    corner: tuple[bool, bool],
) -> None:
    """Draw it into a corner of the arena.

    Args:
        screen: the whole picture.
        view: where the control match stands.
        zones: painted, at least one.
        walls: of the arena.
        squads: of the NPCs, in the order of the view's places.
        corner: right instead of left, bottom instead of top.
    """
    box = pygame.Rect(0, 0, SIDE, SIDE + _FOOT)
    right, bottom = corner
    box.left = ARENA.right - 14 - box.width if right else ARENA.left + 14
    box.top = ARENA.bottom - 14 - box.height if bottom else ARENA.top + 14
    screen.blit(theme.rounded(box.width, box.height, 14, theme.CARD, theme.BAD), box)
    screen.blit(_picture(view, zones, walls, squads), (box.left + 8, box.top + 8))
    theme.write(screen, "as a mere wish", (box.left + 14, box.bottom - 54), 19, theme.MUTED)
    ink = theme.BAD if view.broken else theme.TEXT
    theme.write(screen, f"broken {view.broken}", (box.left + 14, box.bottom - 32), 25, ink, bold=True)


def draw_law(screen: pygame.Surface, at: tuple[float, float], broken: int) -> None:
    """Write below a painted zone how often it was broken."""
    text, ink = f"broken {broken}", theme.GOOD if broken == 0 else theme.BAD
    image = theme.words(text, 25, ink, True)
    plate = theme.rounded(image.get_width() + 24, 38, 12, theme.BACKGROUND, ink, 235)
    box = plate.get_rect(midbottom=(round(at[0]), round(at[1]))).clamp(ARENA.inflate(-8, -8))
    screen.blit(plate, box)
    screen.blit(image, (box.left + 12, box.top + 7))


def _picture(
    view: TwinView, zones: Sequence[Corners], walls: Sequence[Polygon], squads: Sequence[int]
) -> pygame.Surface:
    side = (SIDE - 16) * _SUPER
    canvas = pygame.Surface((side, side))
    canvas.fill(theme.FLOOR)
    middle, scale = np.mean(np.array(zones[-1]), 0), side / (2 * _REACH)

    def point(at: Sequence[float]) -> tuple[float, float]:
        return (at[0] - middle[0]) * scale + side / 2, (middle[1] - at[1]) * scale + side / 2

    for wall in walls:
        pygame.draw.polygon(canvas, theme.WALL, [point(corner) for corner in wall.vertices])
    for zone in zones:
        corners = [point(corner) for corner in zone]
        pygame.draw.polygon(canvas, mix(theme.FLOOR, theme.ZONE, 0.22), corners)
        pygame.draw.lines(canvas, theme.ZONE, True, corners, 3)
    for place, alive, squad in zip(view.places[1:], view.alive[1:], squads, strict=True):
        colour = theme.squad_colour(squad) if alive else theme.FAINT
        pygame.draw.circle(canvas, theme.BACKGROUND, point(place), _BODY * scale + 3)
        pygame.draw.circle(canvas, colour, point(place), _BODY * scale)
    pygame.draw.circle(canvas, theme.BACKGROUND, point(view.places[0]), _BODY * scale + 3)
    pygame.draw.circle(canvas, theme.PLAYER, point(view.places[0]), _BODY * scale)
    return pygame.transform.smoothscale(canvas, (SIDE - 16, SIDE - 16))
