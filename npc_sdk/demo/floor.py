"""What of the arena stands still: floor, walls, and zones that have been painted on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame
from numpy.typing import NDArray

from npc_bridge.schema import Polygon
from npc_sdk.demo import theme
from npc_sdk.demo.camera import SUPER, Camera, Points


def draw_floor(
    camera: Camera, polygons: Sequence[Polygon], bounds: tuple[float, float, float, float]
) -> pygame.Surface:
    """Return the layer that never changes: floor, grid, walls and their shadows."""
    size = camera.size * SUPER
    layer = pygame.Surface((size, size))
    layer.fill(theme.BACKGROUND)
    x0, y0, x1, y1 = bounds
    left, top = camera.point((x0, y1))
    side = camera.length(x1 - x0), camera.length(y1 - y0)
    layer.blit(theme.rounded(round(side[0]), round(side[1]), 10, theme.FLOOR, theme.CARD_EDGE), (left, top))
    for metres in np.arange(x0 + 2, x1, 2):
        x, _ = camera.point((float(metres), 0.0))
        pygame.draw.line(layer, theme.GRID, (x, top + 2), (x, top + side[1] - 3), 1)
    for metres in np.arange(y0 + 2, y1, 2):
        _, y = camera.point((0.0, float(metres)))
        pygame.draw.line(layer, theme.GRID, (left + 2, y), (left + side[0] - 3, y), 1)
    walls = [np.array(p.vertices) for p in polygons if p.kind == "wall"]
    _shadows(camera, layer, walls)
    for wall in walls:
        corners = camera.points(wall)
        pygame.draw.polygon(layer, theme.WALL, corners)
        pygame.draw.polygon(layer, theme.WALL_EDGE, corners, 2)
    return layer


def draw_zone(layer: pygame.Surface, corners: Points) -> None:
    """Hatch a forbidden zone."""
    mask = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
    pygame.draw.polygon(mask, (*theme.ZONE, 26), corners)
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    hatch = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
    tall = max(ys) - min(ys)
    for x in range(int(min(xs) - tall), int(max(xs)), 18):
        pygame.draw.line(hatch, (*theme.ZONE, 110), (x, max(ys)), (x + tall, min(ys)), 3)
    stencil = pygame.Surface(layer.get_size(), pygame.SRCALPHA)
    pygame.draw.polygon(stencil, (255, 255, 255, 255), corners)
    hatch.blit(stencil, (0, 0), special_flags=pygame.BLEND_RGBA_MULT)
    layer.blit(mask, (0, 0))
    layer.blit(hatch, (0, 0))
    pygame.draw.polygon(layer, theme.ZONE, corners, 3)


def _shadows(camera: Camera, layer: pygame.Surface, walls: list[NDArray[np.float64]]) -> None:
    """Lay a soft shadow to the lower right of every wall: drawn small and scaled up, so its edge is blurred."""
    size, coarse = layer.get_width(), layer.get_width() // 10
    shade = pygame.Surface((coarse, coarse), pygame.SRCALPHA)
    shade.fill((*theme.SHADOW, 0))
    for wall in walls:
        corners = [(x / 10 + 0.9, y / 10 + 1.1) for x, y in camera.points(wall)]
        pygame.draw.polygon(shade, (*theme.SHADOW, 190), corners)
    layer.blit(pygame.transform.smoothscale(shade, (size, size)), (0, 0))
