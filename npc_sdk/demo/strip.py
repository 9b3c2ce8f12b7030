"""The status strip below the arena: how the frame runs, how the brain runs, and what was broken (nothing)."""

from __future__ import annotations

import pygame

from npc_sdk.demo import theme
from npc_sdk.demo.scene import Status
from npc_sdk.demo.theme import mix

_BUDGET_MS = 1000.0 / 30.0


def draw_strip(surface: pygame.Surface, area: pygame.Rect, status: Status) -> None:
    """Draw the strip into `area`."""
    surface.fill(theme.CARD, area)
    pygame.draw.line(surface, theme.CARD_EDGE, area.topleft, area.topright)
    x = area.left + 14
    _sparkline(surface, pygame.Rect(x, area.top + 10, 150, area.height - 20), status.frame_ms)
    x += 166
    for label, value, colour, width in (
        ("frame", f"{status.frame_ms[-1]:.1f} ms" if status.frame_ms else "-", theme.TEXT, 84),
        ("decisions", f"{status.decisions_s:.0f} /s", theme.TEXT, 76),
        ("decision age", _ms(status.decision_age_ms), theme.TEXT, 92),
        ("planned", f"{status.planned_fraction * 100:.0f} %", theme.TEXT, 66),
        ("player unseen", f"{status.unseen_fraction * 100:.0f} %", theme.TEXT, 96),
        ("rules broken", str(status.broken), theme.GOOD if status.broken == 0 else theme.BAD, 90),
    ):
        theme.write(surface, label, (x, area.top + 12), 12, theme.FAINT)
        theme.write(surface, value, (x, area.top + 28), 17, colour)
        x += width
    x = _rungs(surface, x, area.top, status.rungs)
    _brain(surface, pygame.Rect(x, area.top, area.right - x - 14, area.height), status)


def _ms(value: float) -> str:
    return "-" if value != value else f"{value:.0f} ms"


def _sparkline(surface: pygame.Surface, box: pygame.Rect, frame_ms: tuple[float, ...]) -> None:
    """Draw the last frame times, the budget of a tick as a line at two thirds of the height."""
    surface.blit(theme.rounded(box.width, box.height, 6, theme.BACKGROUND), box)
    top = _BUDGET_MS * 1.5
    budget = box.bottom - round(box.height / 1.5)
    pygame.draw.line(surface, theme.CARD_EDGE, (box.left + 4, budget), (box.right - 4, budget))
    for i, ms in enumerate(frame_ms[-(box.width - 8) // 2 :]):
        height = max(2, round(min(ms, top) / top * (box.height - 4)))
        colour = mix(theme.GOOD, theme.BAD, (ms - 0.6 * _BUDGET_MS) / (0.6 * _BUDGET_MS))
        pygame.draw.rect(surface, colour, (box.left + 4 + 2 * i, box.bottom - 2 - height, 1, height))


def _rungs(surface: pygame.Surface, x: int, top: int, rungs: tuple[int, int, int, int]) -> int:
    """Draw how many NPCs are on which rung of the ladder, and return where the next column starts."""
    colours = (theme.GOOD, theme.ACCENT, theme.GREY, theme.BAD)
    theme.write(surface, "plan  tail  script  brake", (x, top + 12), 12, theme.FAINT)
    for i, (count, colour) in enumerate(zip(rungs, colours, strict=True)):
        theme.write(surface, str(count), (x + (0, 29, 56, 96)[i], top + 28), 17, colour if count else theme.FAINT)
    return x + 142


def _brain(surface: pygame.Surface, box: pygame.Rect, status: Status) -> None:
    """Write how the brain is, and what is wrong with the line to it."""
    well = not status.fault
    surface.blit(theme.disc(5, theme.GOOD if well else theme.BAD), (box.left, box.top + 14))
    theme.write(surface, status.brain, (box.left + 18, box.top + 11), 13, theme.TEXT)
    second = f"model {status.model}" if well else status.fault
    for i, line in enumerate(theme.wrap(second, 12, box.width - 18)[:2]):
        theme.write(surface, line, (box.left + 18, box.top + 29 + 15 * i), 12, theme.MUTED if well else theme.BAD)
