"""Maps the arena's metres to pixels and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SUPER = 2  # supersampling: everything is drawn this much larger
Points = list[tuple[float, float]]


class Camera:
    """Maps metres (y up) to pixels of the supersampled arena (y down)."""

    def __init__(self, bounds: tuple[float, float, float, float], size: int) -> None:
        """Fit `bounds` into a square of `size` px with a small margin."""
        x0, y0, x1, y1 = bounds
        self.size = size
        margin = 0.35
        self.scale = size / (max(x1 - x0, y1 - y0) + 2 * margin)  # px a metre, before supersampling
        self._left, self._top = x0 - margin, y1 + margin

    def point(self, at: tuple[float, float]) -> tuple[float, float]:
        """Metres to drawn pixels."""
        k = self.scale * SUPER
        return (at[0] - self._left) * k, (self._top - at[1]) * k

    def points(self, path: NDArray[np.floating]) -> Points:
        """Metres to drawn pixels, many at once."""
        k = self.scale * SUPER
        return [((x - self._left) * k, (self._top - y) * k) for x, y in path.tolist()]

    def length(self, metres: float) -> float:
        """Metres to drawn pixels."""
        return metres * self.scale * SUPER

    def final(self, at: tuple[float, float]) -> tuple[float, float]:
        """Metres to pixels of the finished picture."""
        x, y = self.point(at)
        return x / SUPER, y / SUPER

    def world(self, pixel: tuple[float, float]) -> tuple[float, float]:
        """Pixels of the finished picture to metres."""
        return pixel[0] / self.scale + self._left, self._top - pixel[1] / self.scale
