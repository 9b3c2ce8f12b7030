"""One line of text in which a player writes a wish that nobody trained, and what the brain said to it."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.layout import ARENA
from npc_sdk.demo.show import Show

LONGEST = 200  # characters
EXAMPLE = "north = relu(player.y + 4 - self.y)"
_MARGIN, _HEIGHT = 16, 94


@dataclass(slots=True)
class WishField:
    """The line while it is open. Enter asks the brain, which may say no; Esc leaves."""

    text: str = ""
    open: bool = False
    _asked: bool = False

    def start(self) -> None:
        """Open an empty line."""
        self.text, self.open, self._asked = "", True, False

    def key(self, key: int, letters: str, show: Show) -> None:
        """Take in a key that was pressed while the line is open."""
        if key == pygame.K_ESCAPE:
            self.open = False
        elif key in (pygame.K_RETURN, pygame.K_KP_ENTER):
            self._asked = True
            show.desk.add_term(self.text)
        elif key == pygame.K_BACKSPACE:
            self._edit(self.text[:-1], show)
        elif letters and letters.isprintable() and letters.isascii():
            self._edit((self.text + letters)[:LONGEST], show)

    def look(self, show: Show) -> None:
        """Close once the brain has taken the wish."""
        if self._asked and not show.desk.refusal and self.text.partition("=")[0].strip() in show.desk.wishes:
            self.open = False

    def _edit(self, text: str, show: Show) -> None:
        self.text, self._asked = text, False
        show.desk.refusal = ""

    def draw(self, screen: pygame.Surface, refusal: str) -> None:
        """Draw the line over the foot of the arena, and below it what is wrong with it."""
        box = pygame.Rect(ARENA.left + _MARGIN, ARENA.bottom - _MARGIN - _HEIGHT, ARENA.width - 2 * _MARGIN, _HEIGHT)
        edge = theme.BAD if refusal else theme.ACCENT
        screen.blit(theme.rounded(box.width, box.height, 14, theme.BACKGROUND, edge, 244), box)
        size = next((s for s in (29, 26, 22, 18) if theme.face(s).size(self.text)[0] < box.width - 40), 14)
        text, ink = (self.text, theme.TEXT) if self.text else (EXAMPLE, theme.FAINT)
        theme.write(screen, text, (box.left + 16, box.top + 12), size, ink)
        caret = box.left + 18 + theme.face(size).size(self.text)[0]
        pygame.draw.rect(screen, theme.ACCENT, (caret, box.top + 12, 3, size + 2))
        below = refusal or "a new wish: Enter adds it, Esc leaves"
        for i, row in enumerate(theme.wrap(below, 17, box.width - 32)[:2]):
            theme.write(screen, row, (box.left + 16, box.top + 50 + 19 * i), 17, theme.BAD if refusal else theme.MUTED)


def draw_notice(screen: pygame.Surface, text: str) -> None:
    """Say over the foot of the arena why something was refused."""
    rows = theme.wrap(text, 16, ARENA.width - 80)[:3]
    box = pygame.Rect(ARENA.left + 24, ARENA.bottom - 34 - 21 * len(rows), ARENA.width - 48, 18 + 21 * len(rows))
    screen.blit(theme.rounded(box.width, box.height, 10, theme.CARD, theme.BAD, 244), box)
    for i, row in enumerate(rows):
        theme.write(screen, row, (box.left + 16, box.top + 9 + 21 * i), 16, theme.TEXT)
