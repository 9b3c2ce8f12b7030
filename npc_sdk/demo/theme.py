"""Colours and type of the demo: one dark palette, two faces that travel with the dependencies."""

from __future__ import annotations

import io
from functools import lru_cache

import pygame
from PIL import ImageFont

Colour = tuple[int, int, int]

BACKGROUND: Colour = (13, 16, 22)
FLOOR: Colour = (21, 26, 34)
GRID: Colour = (27, 33, 43)
WALL: Colour = (47, 57, 73)
WALL_EDGE: Colour = (84, 99, 122)
SHADOW: Colour = (9, 11, 15)
CARD: Colour = (20, 25, 33)
CARD_EDGE: Colour = (36, 44, 57)
GROOVE: Colour = (40, 49, 63)
TEXT: Colour = (230, 234, 241)
MUTED: Colour = (156, 167, 185)
FAINT: Colour = (83, 94, 112)
ACCENT: Colour = (255, 190, 92)
PLAYER: Colour = (255, 190, 92)
GOOD: Colour = (126, 222, 160)
BAD: Colour = (255, 98, 92)
ZONE: Colour = (226, 74, 74)
GREY: Colour = (128, 137, 152)
BADGE: Colour = (70, 78, 93)
WHITE: Colour = (255, 255, 255)
SQUADS: tuple[Colour, ...] = (
    (92, 205, 238),
    (190, 150, 255),
    (126, 222, 160),
    (255, 138, 128),
    (240, 140, 205),
    (150, 190, 255),
)
# From the best candidate to the worst: mint, sand, ember, wine.
RAMP: tuple[Colour, ...] = ((118, 240, 190), (206, 206, 120), (226, 128, 84), (128, 54, 88))


@lru_cache(maxsize=8192)
def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Blends from `a` (share 0) to `b` (share 1)."""
    s = min(1.0, max(0.0, share))
    return (round(a[0] + (b[0] - a[0]) * s), round(a[1] + (b[1] - a[1]) * s), round(a[2] + (b[2] - a[2]) * s))


def squad_colour(squad: int) -> Colour:
    """The colour of a squad."""
    return SQUADS[squad % len(SQUADS)]


@lru_cache(maxsize=1024)
def ramp(share: float) -> Colour:
    """The colour of a candidate: 0 is the best of its NPC, 1 the worst."""
    place = min(1.0, max(0.0, share)) * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    return mix(RAMP[low], RAMP[low + 1], place - low)


@lru_cache(maxsize=32)
def face(size: int, bold: bool = False) -> pygame.font.Font:
    """Returns a face at `size` px: the regular one that Pillow carries, the bold one that pygame carries."""
    if not pygame.font.get_init():
        pygame.font.init()
    if bold:
        return pygame.font.Font(pygame.font.get_default_font(), size)
    regular = ImageFont.load_default(size)
    if isinstance(regular, ImageFont.FreeTypeFont):
        return pygame.font.Font(io.BytesIO(regular.font_bytes), size)
    return pygame.font.Font(None, size)


@lru_cache(maxsize=2048)
def words(text: str, size: int, colour: Colour, bold: bool = False) -> pygame.Surface:
    """Returns rendered text; kept, because most of it stays the same from frame to frame."""
    return face(size, bold).render(text, True, colour)


def write(
    surface: pygame.Surface,
    text: str,
    at: tuple[float, float],
    size: int = 14,
    colour: Colour = TEXT,
    *,
    bold: bool = False,
    align: float = 0.0,
) -> int:
    """Writes text with its top at `at`; align 0, 0.5 or 1 puts its left, middle or right there. Returns its width."""
    image = words(text, size, colour, bold)
    surface.blit(image, (round(at[0] - align * image.get_width()), round(at[1])))
    return image.get_width()


def wrap(text: str, size: int, width: int) -> list[str]:
    """Breaks text into lines of at most `width` px."""
    font, lines = face(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.size(longer)[0] > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


@lru_cache(maxsize=256)
def rounded(
    width: int, height: int, radius: int, fill: Colour, edge: Colour | None = None, alpha: int = 255
) -> pygame.Surface:
    """Returns a rounded box with soft edges."""
    scale = 4
    # Transparent pixels carry the box's own colour, so that scaling down leaves no dark fringe.
    big = pygame.Surface((width * scale, height * scale), pygame.SRCALPHA)
    big.fill((*(edge or fill), 0))
    whole = big.get_rect()
    if edge is not None:
        pygame.draw.rect(big, (*edge, alpha), whole, border_radius=radius * scale)
        pygame.draw.rect(big, (*fill, alpha), whole.inflate(-2 * scale, -2 * scale), border_radius=(radius - 1) * scale)
    else:
        pygame.draw.rect(big, (*fill, alpha), whole, border_radius=radius * scale)
    return pygame.transform.smoothscale(big, (width, height))


@lru_cache(maxsize=256)
def disc(radius: float, fill: Colour, alpha: int = 255) -> pygame.Surface:
    """Returns a disc with soft edges."""
    scale = 4
    size = round(2 * radius) + 2
    big = pygame.Surface((size * scale, size * scale), pygame.SRCALPHA)
    big.fill((*fill, 0))
    pygame.draw.circle(big, (*fill, alpha), (size * scale // 2, size * scale // 2), round(radius * scale))
    return pygame.transform.smoothscale(big, (size, size))
