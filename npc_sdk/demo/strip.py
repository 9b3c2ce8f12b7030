"""The status strip: how the frame runs, how the brain runs and with what, and what was broken (nothing)."""

from __future__ import annotations

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.layout import STRIP
from npc_sdk.demo.scene import Status
from npc_sdk.demo.theme import Colour, mix

_BUDGET_MS = 1000.0 / 30.0
_SPARK = 190
HASH_DIGITS = 8


def draw_strip(surface: pygame.Surface, status: Status) -> None:
    """Draw the strip."""
    surface.fill(theme.CARD, STRIP)
    pygame.draw.line(surface, theme.CARD_EDGE, STRIP.topleft, STRIP.topright, 2)
    x = STRIP.left + 14
    _sparkline(surface, pygame.Rect(x, STRIP.top + 8, _SPARK, STRIP.height - 16), status.frame_ms)
    x += _SPARK + 22
    good = theme.GOOD if status.broken == 0 else theme.BAD
    for label, value, colour, width in (
        ("frame", f"{status.frame_ms[-1]:.1f} ms" if status.frame_ms else "-", theme.TEXT, 110),
        ("decisions", f"{status.decisions_s:.0f} /s", theme.TEXT, 118),
        ("decision age", _ms(status.decision_age_ms), theme.TEXT, 138),
        ("rules broken", str(status.broken), good, 138),
    ):
        _figure(surface, x, label, value, colour)
        x += width
    if status.fault:
        _fault(surface, pygame.Rect(x, STRIP.top, STRIP.right - x - 14, STRIP.height), status)
        return
    _figure(surface, x, "model", status.model_sha256[:HASH_DIGITS] or "none", theme.TEXT)
    _figure(surface, x + 130, "forecast", status.forecast or "-", theme.ACCENT)
    x = STRIP.right - 110
    _figure(surface, x, "brain", status.brain, theme.GOOD if status.brain == "running" else theme.BAD)


def _figure(surface: pygame.Surface, x: int, label: str, value: str, colour: Colour) -> None:
    theme.write(surface, label, (x, STRIP.top + 8), 17, theme.MUTED)
    theme.write(surface, value, (x, STRIP.top + 28), 24, colour)


def _ms(value: float) -> str:
    return "-" if value != value else f"{value:.0f} ms"


def _sparkline(surface: pygame.Surface, box: pygame.Rect, frame_ms: tuple[float, ...]) -> None:
    """Draw the last frame times, the budget of a tick as a line at two thirds of the height."""
    surface.blit(theme.rounded(box.width, box.height, 8, theme.BACKGROUND), box)
    top, bar = _BUDGET_MS * 1.5, 3
    budget = box.bottom - round(box.height / 1.5)
    pygame.draw.line(surface, theme.FAINT, (box.left + 5, budget), (box.right - 5, budget))
    for i, ms in enumerate(frame_ms[-((box.width - 10) // bar) :]):
        height = max(3, round(min(ms, top) / top * (box.height - 6)))
        colour = mix(theme.GOOD, theme.BAD, (ms - 0.6 * _BUDGET_MS) / (0.6 * _BUDGET_MS))
        pygame.draw.rect(surface, colour, (box.left + 5 + bar * i, box.bottom - 3 - height, bar - 1, height))


def _fault(surface: pygame.Surface, box: pygame.Rect, status: Status) -> None:
    """Write what is wrong on the line to the brain, and what to do."""
    surface.blit(theme.disc(7, theme.BAD), (box.left, box.top + 12))
    width = theme.write(surface, f"brain {status.brain}", (box.left + 24, box.top + 9), 20, theme.BAD, bold=True)
    lines = theme.wrap(status.fault, 15, box.width - width - 50)
    for i, line in enumerate(lines[:3]):
        theme.write(surface, line, (box.left + width + 44, box.top + 6 + 17 * i), 15, theme.MUTED)
