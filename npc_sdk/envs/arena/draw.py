"""A top-down picture of one world, drawn in memory with pygame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from npc_sdk.envs.arena.maps import BOUNDS, RADIUS
from npc_sdk.envs.arena.world import Arena
from npc_sdk.errors import MissingDependency

if TYPE_CHECKING:
    import pygame

SIZE = 480  # pixels
_SCALE = SIZE / (BOUNDS[2] - BOUNDS[0])
_FLOOR, _WALL, _ZONE, _PLAYER, _GRENADE, _DEAD = (
    (24, 26, 32),
    (88, 94, 108),
    (70, 44, 48),
    (240, 220, 120),
    (255, 90, 60),
    (60, 62, 70),
)
_SQUADS = ((96, 160, 255), (120, 220, 140), (220, 130, 240), (255, 160, 90), (120, 220, 220), (230, 120, 140))


def draw(arena: Arena, world: int = 0) -> pygame.Surface:
    """Returns a square surface of SIZE pixels; needs no display."""
    try:
        import pygame
    except ImportError:
        raise MissingDependency("pygame-ce", "demo") from None
    surface = pygame.Surface((SIZE, SIZE))
    surface.fill(_FLOOR)
    for polygon in arena.maps[world].polygons:
        colour = _WALL if polygon.kind == "wall" else _ZONE
        pygame.draw.polygon(surface, colour, [_pixel(v) for v in polygon.vertices])
    for g in np.flatnonzero(arena.grenade_id[world] > 0):
        centre = _pixel(arena.grenade_pos[world, g])
        pygame.draw.circle(surface, _GRENADE, centre, arena.config.blast.radius * _SCALE, 1)
        pygame.draw.circle(surface, _GRENADE, centre, 3)
    for a in range(arena.config.agents):
        at, heading = arena.pos[world, a], arena.heading[world, a]
        colour = _SQUADS[arena.squad[world, a] % len(_SQUADS)] if arena.is_npc[a] else _PLAYER
        alive = bool(arena.alive[world, a])
        pygame.draw.circle(surface, colour if alive else _DEAD, _pixel(at), RADIUS * _SCALE)
        if alive:
            nose = at + 0.8 * np.array([np.cos(heading), np.sin(heading)])
            pygame.draw.line(surface, colour, _pixel(at), _pixel(nose), 2)
    return surface


def pixels(arena: Arena, world: int = 0) -> NDArray[np.uint8]:
    """Returns the picture as rows of RGB pixels."""
    surface = draw(arena, world)
    import pygame

    return np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))


def _pixel(at: tuple[float, float] | NDArray[np.float64]) -> tuple[float, float]:
    return (float(at[0]) - BOUNDS[0]) * _SCALE, (BOUNDS[3] - float(at[1])) * _SCALE
