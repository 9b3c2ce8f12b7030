"""Pictures of an episode as its world draws itself: some frames side by side, or all of them one after another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npc_sdk.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from npc_sdk.envs.pettingzoo import BorrowedGame

SHOWN = 4  # frames of a PNG
WIDTH = 320  # px of a frame
GAP = 8  # px


class Strip:
    """Collects frames and writes them.

    Args:
        path: `.png` or `.gif`.

    Raises:
        InputError: it ends otherwise.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in (".png", ".gif"):
            raise InputError(f"render: expected a file ending in .png or .gif, got {path}")
        self._path = path
        self._frames: list[Image] = []

    def take(self, game: BorrowedGame) -> None:
        """Takes a picture of the world as it is."""
        from PIL import Image

        pixels = game.env.render()
        if pixels is None:
            raise InputError("render: expected the world to draw itself as rgb_array, got nothing")
        image = Image.fromarray(np.asarray(pixels, np.uint8))
        self._frames.append(image.resize((WIDTH, round(WIDTH * image.height / image.width))))

    def write(self, hz: float) -> None:
        """Writes what was taken; a GIF runs at the pace of the game."""
        from PIL import Image

        if self._path.suffix == ".gif":
            first, *rest = self._frames
            first.save(self._path, save_all=True, append_images=rest, duration=round(1000 / hz), loop=0)
            return
        at = np.linspace(0, len(self._frames) - 1, min(SHOWN, len(self._frames))).round().astype(int)
        chosen = [self._frames[k] for k in at]
        sheet = Image.new("RGB", (len(chosen) * (WIDTH + GAP) - GAP, chosen[0].height), "grey")
        for k, frame in enumerate(chosen):
            sheet.paste(frame, (k * (WIDTH + GAP), 0))
        sheet.save(self._path)
