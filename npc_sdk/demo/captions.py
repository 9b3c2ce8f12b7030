"""What the reel lays over the demo: headline card, cursor, the line being drawn or typed, and the end card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.figures import Figures, card
from npc_sdk.demo.hand import Hand, ease
from npc_sdk.demo.layout import ARENA, HEADLINE
from npc_sdk.demo.reel import CARD_S, Reel
from npc_sdk.demo.theme import mix

_FADE_S = 0.35
_CURSOR = ((0, 0), (0, 26), (6, 20), (11, 30), (15, 28), (10, 18), (19, 18))
KEYS = (
    ("WASD, mouse", "move, aim, fire"),
    ("F", "freeze"),
    ("Shift + drag", "draw a law"),
    ("T", "type a wish"),
    ("Tab, Space", "why? and flip it"),
    ("K, R", "kill the brain, restart"),
    ("Backspace", "rewind 3 s"),
    ("M, H", "forecast, all keys"),
)


def draw_reel(
    screen: pygame.Surface, reel: Reel, facts: Mapping[str, str], figures: Figures, refusal: str = ""
) -> None:
    """Lay the reel's part over a drawn frame."""
    _headline(screen, reel, facts)
    if reel.hand.wish.open:
        reel.hand.wish.draw(screen, refusal)
    if reel.hand.shown:
        _cursor(screen, reel.hand)
    if reel.ending:
        _end_card(screen, figures, ease((reel.time - reel.length + CARD_S) / 0.6))


def draw_keys(screen: pygame.Surface) -> None:
    """Fill the headline card with what a player can press."""
    screen.blit(theme.rounded(HEADLINE.width, HEADLINE.height, 12, theme.CARD, theme.CARD_EDGE), HEADLINE)
    for i, (key, meaning) in enumerate(KEYS):
        x, beside = ((20, 146), (326, 410))[i % 2]
        y = HEADLINE.top + 14 + i // 2 * 31
        theme.write(screen, key, (HEADLINE.left + x, y), 19, theme.ACCENT)
        theme.write(screen, meaning, (HEADLINE.left + beside, y), 19, theme.TEXT)


def _headline(screen: pygame.Surface, reel: Reel, facts: Mapping[str, str]) -> None:
    """Write the scene's title and caption; both fade in, and a bar says how far the reel is."""
    box, inside = HEADLINE, HEADLINE.inflate(-40, -24)
    screen.blit(theme.rounded(box.width, box.height, 12, mix(theme.CARD, theme.ACCENT, 0.06), theme.CARD_EDGE), box)
    fade = ease((reel.time - reel.scene.start) / _FADE_S)
    ground = mix(theme.CARD, theme.ACCENT, 0.06)
    theme.write(
        screen, reel.scene.title, (inside.left, inside.top), 36, mix(ground, theme.ACCENT, _step(fade)), bold=True
    )
    theme.write(
        screen, f"{reel.number + 1} / {len(reel.scenes)}", (inside.right, inside.top + 10), 18, theme.MUTED, align=1.0
    )
    fade = ease((reel.time - reel.caption.at) / _FADE_S)
    for i, line in enumerate(caption_lines(reel.caption.text.format_map(facts))):
        theme.write(screen, line, (inside.left, inside.top + 48 + 29 * i), 23, mix(ground, theme.TEXT, _step(fade)))
    _progress(screen, pygame.Rect(inside.left, box.bottom - 14, inside.width, 4), reel)


def caption_lines(text: str) -> list[str]:
    """Break a caption as the headline card has room for it: two lines."""
    return theme.wrap(text, 23, HEADLINE.width - 40)


def _progress(screen: pygame.Surface, box: pygame.Rect, reel: Reel) -> None:
    starts = [scene.start for scene in reel.scenes]
    for start, end in zip(starts, [*starts[1:], reel.length], strict=True):
        left = box.left + round(start / reel.length * box.width)
        width = round((end - start) / reel.length * box.width) - 5
        done = min(1.0, max(0.0, (reel.time - start) / (end - start)))
        screen.blit(theme.rounded(width, box.height, 2, theme.GROOVE), (left, box.top))
        if done * width >= 4:
            screen.blit(theme.rounded(round(done * width), box.height, 2, theme.ACCENT), (left, box.top))


def _step(share: float) -> float:
    """Fade in eighths: rendered text is kept, and a GIF has few colours."""
    return round(share * 8) / 8


def _cursor(screen: pygame.Surface, hand: Hand) -> None:
    x, y = hand.at
    if hand.down:
        ring = theme.disc(20, theme.ACCENT, 110)
        screen.blit(ring, (x - ring.get_width() / 2, y - ring.get_height() / 2))
    scale = 1.25
    corners = [(x + scale * dx, y + scale * dy) for dx, dy in _CURSOR]
    pygame.draw.polygon(screen, theme.WHITE, corners)
    pygame.draw.aalines(screen, theme.BACKGROUND, True, corners)
    pygame.draw.lines(screen, theme.BACKGROUND, True, corners, 2)


def _end_card(screen: pygame.Surface, figures: Figures, rise: float) -> None:
    """Lay this run's own figures over the arena."""
    rows = card(figures)
    box = pygame.Rect(ARENA.left + 40, 0, ARENA.width - 80, 92 + 41 * len(rows))
    box.centery = ARENA.centery + round(30 * (1.0 - rise))
    plate = theme.rounded(box.width, box.height, 18, theme.CARD, theme.ACCENT, 246).copy()
    _rows(plate, rows)
    plate.set_alpha(round(255 * rise))
    screen.blit(plate, box)


def _rows(plate: pygame.Surface, rows: Sequence[tuple[str, str, theme.Colour]]) -> None:
    theme.write(plate, "This run", (32, 24), 34, theme.ACCENT, bold=True)
    for i, (label, value, ink) in enumerate(rows):
        y = 80 + 41 * i
        theme.write(plate, label, (32, y), 25, theme.MUTED)
        theme.write(plate, value, (plate.get_width() - 32, y), 27, ink, align=1.0)
