"""Keeps some frames of a run, and writes them as one contact sheet and one small GIF."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray
from PIL import Image

from npc_sdk.demo import theme

GIF_BYTES = 4_000_000  # what a README may weigh
GIF_SIZE = (640, 360)
GIF_FRAMES = 360
SHEET_ACROSS = 3  # frames side by side
SHEET_WIDTH = 640
_CAPTION = 34
_SAME = 255  # index of a pixel that stays as it is
_HOLD = 5  # a pixel whose colour changes by less than this, of 255, stays as it is: soft edges would cost most of it


@dataclass(frozen=True, slots=True)
class _Change:
    """What is new in a frame of the GIF, as palette indices; the rest is _SAME."""

    pixels: NDArray[np.uint8]  # h w

    def then(self, later: _Change) -> _Change:
        """Both changes at once."""
        return _Change(np.where(later.pixels == _SAME, self.pixels, later.pixels))


class Film:
    """Records a run of known length."""

    def __init__(self, frames: int, hz: float, stills: Set[int]) -> None:
        """Prepare for `frames` frames at `hz`; `stills` are those of the contact sheet."""
        self._sheet_at = stills
        self._every = max(1, -(-frames // GIF_FRAMES), round(hz / 12))
        self._hz = hz
        self._sheet: list[tuple[str, Image.Image]] = []
        self._gif: list[_Change] = []
        self._palette: Image.Image | None = None  # chosen with the first frame
        self._shown: NDArray[np.uint8] = np.zeros((GIF_SIZE[1], GIF_SIZE[0]), np.uint8)  # indices

    def wants(self, frame: int) -> bool:
        """Whether this frame will be kept, so that others need not be drawn."""
        return frame in self._sheet_at or frame % self._every == 0

    def add(self, frame: int, screen: pygame.Surface, caption: str) -> None:
        """Take a frame in."""
        if frame in self._sheet_at:
            self._sheet.append((caption, _scaled(screen, SHEET_WIDTH)))
        if frame % self._every == 0:
            self._gif.append(self._change(_scaled(screen, GIF_SIZE[0])))

    def _change(self, image: Image.Image) -> _Change:
        """Find out what a viewer would notice, and show it."""
        if self._palette is None:
            self._palette = _palette(image)
            self._shown = np.asarray(image.quantize(palette=self._palette, dither=Image.Dither.NONE))
            return _Change(self._shown)
        colours = np.array(self._palette.getpalette(), np.int16).reshape(-1, 3)
        off = np.abs(np.asarray(image, np.int16) - colours[self._shown]).max(-1)
        fresh = np.asarray(image.quantize(palette=self._palette, dither=Image.Dither.NONE))
        new = np.where(off > _HOLD, fresh, self._shown)
        change = _Change(np.where(new == self._shown, np.uint8(_SAME), new))
        self._shown = new
        return change

    def write_sheet(self, path: Path) -> None:
        """Write the contact sheet as PNG."""
        height = self._sheet[0][1].height
        gap = 12
        across = SHEET_ACROSS * (SHEET_WIDTH + gap) + gap
        down = -(-len(self._sheet) // SHEET_ACROSS) * (height + _CAPTION + gap) + gap
        sheet = pygame.Surface((across, down))
        sheet.fill(theme.BACKGROUND)
        for i, (caption, image) in enumerate(self._sheet):
            x = gap + i % SHEET_ACROSS * (SHEET_WIDTH + gap)
            y = gap + i // SHEET_ACROSS * (height + _CAPTION + gap)
            sheet.blit(pygame.image.frombytes(image.tobytes(), image.size, "RGB"), (x, y))
            theme.write(sheet, caption, (x + 2, y + height + 7), 20, theme.TEXT)
        pygame.image.save(sheet, str(path))

    def write_gif(self, path: Path) -> None:
        """Write the GIF; every second frame is left out until it is small enough."""
        changes, step = self._gif, self._every
        while True:
            self._write(path, changes, step / self._hz)
            if path.stat().st_size <= GIF_BYTES or len(changes) < 4:
                return
            pairs = zip(changes[::2], changes[1::2], strict=False)
            changes, step = [a.then(b) for a, b in pairs], step * 2

    def _write(self, path: Path, changes: list[_Change], seconds: float) -> None:
        assert self._palette is not None
        frames = []
        for change in changes:
            frame = Image.fromarray(change.pixels, "P")
            frame.putpalette(self._palette.getpalette() or [])
            frames.append(frame)
        due = [round(100 * seconds * k) for k in range(len(frames) + 1)]  # a GIF counts in hundredths
        lasts = [10 * (b - a) for a, b in pairwise(due)]
        rest = frames[1:]
        frames[0].save(path, save_all=True, append_images=rest, duration=lasts, loop=0, disposal=1, transparency=_SAME)


def every_ninth(frames: int) -> set[int]:
    """Return nine frames of a run, spread evenly, the last one among them."""
    return {max(0, round((i + 1) * frames / 9) - 1) for i in range(9)}


def _palette(image: Image.Image) -> Image.Image:
    """Choose one palette for all frames: what the first holds most, and the theme's colours in steps down to the floor.

    Flat areas then stay the same from frame to frame, and the small bright shapes keep their colours.
    """
    accents = (*theme.SQUADS[:2], theme.PLAYER, theme.GOOD, theme.BAD, theme.RAMP[2], theme.RAMP[3], theme.TEXT)
    steps = [theme.mix(accent, theme.FLOOR, share / 10) for accent in accents for share in range(10)]
    steps += [theme.mix(theme.TEXT, theme.CARD, share / 8) for share in range(8)]
    steps += [theme.WHITE, theme.BADGE, theme.GROOVE, theme.GREY]
    common = (image.quantize(_SAME - len(steps)).getpalette() or [])[: 3 * (_SAME - len(steps))]
    palette = Image.new("P", (1, 1))
    whole = common + [value for colour in steps for value in colour]
    palette.putpalette(whole + [0] * (3 * 256 - len(whole)))
    return palette


def _scaled(screen: pygame.Surface, width: int) -> Image.Image:
    height = round(screen.get_height() * width / screen.get_width())
    small = pygame.transform.smoothscale(screen, (width, height))
    return Image.frombytes("RGB", (width, height), pygame.image.tobytes(small, "RGB"))
