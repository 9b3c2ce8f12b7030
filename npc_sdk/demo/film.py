"""Keeps some frames of a run, and writes them as one contact sheet and one small GIF."""

from __future__ import annotations

from pathlib import Path

import pygame
from PIL import Image

from npc_sdk.demo import theme

GIF_BYTES = 4_000_000  # what a README may weigh
GIF_WIDTH = 640
GIF_FRAMES = 90
SHEET_SIDE = 3  # frames across and down
SHEET_WIDTH = 640
_CAPTION = 30


class Film:
    """Records a run of known length."""

    def __init__(self, frames: int, hz: float) -> None:
        """Prepare for `frames` frames at `hz`; which of them are kept is fixed now."""
        count = SHEET_SIDE * SHEET_SIDE
        self._sheet_at = {max(0, round((i + 1) * frames / count) - 1) for i in range(count)}
        self._every = max(1, -(-frames // GIF_FRAMES), round(hz / 12))
        self._hz = hz
        self._sheet: list[tuple[str, Image.Image]] = []
        self._gif: list[Image.Image] = []

    def wants(self, frame: int) -> bool:
        """Whether this frame will be kept, so that others need not be drawn."""
        return frame in self._sheet_at or frame % self._every == 0

    def add(self, frame: int, screen: pygame.Surface, caption: str) -> None:
        """Take a frame in."""
        if frame in self._sheet_at:
            self._sheet.append((caption, _scaled(screen, SHEET_WIDTH)))
        if frame % self._every == 0:
            self._gif.append(_scaled(screen, GIF_WIDTH))

    def write_sheet(self, path: Path) -> None:
        """Write the contact sheet as PNG."""
        height = self._sheet[0][1].height
        gap = 12
        across = SHEET_SIDE * (SHEET_WIDTH + gap) + gap
        down = -(-len(self._sheet) // SHEET_SIDE) * (height + _CAPTION + gap) + gap
        sheet = pygame.Surface((across, down))
        sheet.fill(theme.BACKGROUND)
        for i, (caption, image) in enumerate(self._sheet):
            x = gap + i % SHEET_SIDE * (SHEET_WIDTH + gap)
            y = gap + i // SHEET_SIDE * (height + _CAPTION + gap)
            sheet.blit(pygame.image.frombytes(image.tobytes(), image.size, "RGB"), (x, y))
            theme.write(sheet, caption, (x + 2, y + height + 7), 16, theme.TEXT)
        pygame.image.save(sheet, str(path))

    def write_gif(self, path: Path) -> None:
        """Write the GIF; every second frame is left out until it is small enough."""
        frames, step = self._gif, self._every
        while True:
            palette = _palette(frames)
            flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
            millis = round(1000 * step / self._hz)
            flat[0].save(path, save_all=True, append_images=flat[1:], duration=millis, loop=0, optimize=False)
            if path.stat().st_size <= GIF_BYTES or len(frames) < 4:
                return
            frames, step = frames[::2], step * 2


def _palette(frames: list[Image.Image]) -> Image.Image:
    """Choose one palette for all frames: flat areas then stay the same from frame to frame, and cost nothing.

    Half of it is what is there most, the other half the theme's own colours in steps down to the floor: the small
    bright shapes would lose theirs otherwise.
    """
    strip = Image.new("RGB", (frames[0].width, frames[0].height * 3))
    for i, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        strip.paste(frame, (0, i * frame.height))
    common = (strip.quantize(128).getpalette() or [])[: 3 * 128]
    accents = (*theme.SQUADS[:4], theme.PLAYER, theme.GOOD, theme.BAD, theme.RAMP[2], theme.RAMP[3], theme.TEXT)
    steps = [theme.mix(accent, theme.FLOOR, share / 8) for accent in accents for share in range(8)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(common + [value for colour in steps for value in colour])
    return palette


def _scaled(screen: pygame.Surface, width: int) -> Image.Image:
    height = round(screen.get_height() * width / screen.get_width())
    small = pygame.transform.smoothscale(screen, (width, height))
    return Image.frombytes("RGB", (width, height), pygame.image.tobytes(small, "RGB"))
