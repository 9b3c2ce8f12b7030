"""Which parts of the room for a body hang together. What is called apart is so for certain: see `Ground.parts`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.constraints.room import Bounds

_COARSE, _FINE = 64, 8  # cells along the longer side, and of each along its side

_EDGE = (1.0 + 1.0 / _FINE) * math.sqrt(0.5)  # large cells from an edge within which a small one may be on it

Room: TypeAlias = Callable[[Float[np.ndarray, "k 2"]], Float[np.ndarray, " k"]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The room on a grid of cells: to which part each belongs, 0 for none, and whether a body may be at its middle."""

    corner: Float[np.ndarray, 2]  # m
    cell: float  # m
    label: Int[np.ndarray, "y x"]
    sure: Bool[np.ndarray, "y x"]

    def at(self, points: Float[np.ndarray, "k 2"]) -> Int[np.ndarray, " k"]:
        """Returns the parts that some places are in."""
        x, y = np.floor((points - self.corner) / self.cell).astype(np.int64).T + 1
        label = np.pad(self.label, 1)  # 0 all round
        high, wide = label.shape
        return np.asarray(label[y.clip(0, high - 1), x.clip(0, wide - 1)])

    def apart_from(self, part: int) -> Bool[np.ndarray, "y x"]:
        """Returns the cells at whose middles a body may be, but in other parts than this one."""
        return np.asarray(self.sure & (self.label != part) & (self.label > 0))

    def middle(self, cells: Bool[np.ndarray, "y x"]) -> tuple[float, float]:
        """Returns the middle of one of some cells: of the one that is most among them."""
        y, x = np.nonzero(cells)
        pick = int(np.argmin(np.hypot(x - np.median(x), y - np.median(y))))
        place = self.corner + (np.array([x[pick], y[pick]]) + 0.5) * self.cell
        return float(place[0]), float(place[1])


@dataclass(frozen=True, slots=True)
class Ground:
    """The room for a body on a grid of cells: at their middles, nowhere steeper than a metre per metre."""

    corner: Float[np.ndarray, 2]  # m
    cell: float  # m
    room: Float[np.ndarray, "y x"]  # m

    def leashed(self, home: Float[np.ndarray, 2], radius: float) -> Ground:
        """Returns what of it is within a radius of home, a cell at least."""
        most = np.array(self.room.shape[::-1]) - 1
        first = np.floor((home - radius - self.corner) / self.cell).astype(np.int64).clip(0, most)
        last = (np.floor((home + radius - self.corner) / self.cell).astype(np.int64) + 1).clip(first + 1)
        near, corner = self.room[first[1] : last[1], first[0] : last[0]], self.corner + first * self.cell
        away = _middles(corner, self.cell, near.shape[1], near.shape[0]) - home
        return Ground(corner, self.cell, np.minimum(near, radius - np.hypot(away[..., 0], away[..., 1])))

    def parts(self) -> Parts:
        """Finds what hangs together.

        A cell counts as passable if a body may be anywhere in it, which the room at its middle bounds. So every way
        that a body can go leads through passable cells, and two places that passable cells do not join are apart. A
        way that is too narrow by less than a cell may pass unnoticed.
        """
        return Parts(self.corner, self.cell, _joined(self.room >= -self.cell * math.sqrt(0.5)), self.room >= 0.0)


def ground(rooms: Sequence[Room], bounds: Bounds) -> Ground:
    """Measures the room that several zones and walls leave, finely only near their edges.

    Args:
        rooms: signed metres that each leaves a body at some places, at least 0 where it may be.
        bounds: of the game, m.
    """
    wide, high = bounds[2] - bounds[0], bounds[3] - bounds[1]
    large = max(wide, high) / _COARSE
    columns, lines = math.ceil(wide / large), math.ceil(high / large)
    corner, cell = np.array([bounds[0], bounds[1]]), large / _FINE
    here = _middles(corner, large, columns, lines)
    there = _middles(corner, cell, columns * _FINE, lines * _FINE)
    least = np.full(there.shape[:2], np.inf)
    for room in rooms:
        coarse = room(here.reshape(-1, 2)).reshape(lines, columns)
        left = np.repeat(np.repeat(coarse, _FINE, 0), _FINE, 1)  # will do where a whole large cell is free, or barred
        asked = np.repeat(np.repeat(np.abs(coarse) <= _EDGE * large, _FINE, 0), _FINE, 1)
        left[asked] = room(there[asked])
        np.minimum(least, left, out=least)
    return Ground(corner, cell, least)


def _middles(corner: Float[np.ndarray, 2], cell: float, columns: int, lines: int) -> Float[np.ndarray, "y x 2"]:
    x, y = (corner[k] + (np.arange(count) + 0.5) * cell for k, count in enumerate((columns, lines)))
    return np.stack(np.meshgrid(x, y), -1)


def _joined(free: Bool[np.ndarray, "y x"]) -> Int[np.ndarray, "y x"]:
    """Numbers what hangs together, over corners too, from 1: runs of each line are joined with those they touch."""
    edge = np.diff(free.astype(np.int8), prepend=0, append=0)
    (line, first), last = np.nonzero(edge == 1), np.nonzero(edge == -1)[1]
    root = list(range(len(line)))

    def top(run: int) -> int:
        while root[run] != run:
            root[run] = root[root[run]]
            run = root[run]
        return run

    begins = [0, *np.cumsum((edge == 1).sum(1)).tolist()]
    left, right = first.tolist(), last.tolist()
    for above in range(1, len(free)):
        here, there = begins[above], begins[above - 1]
        while here < begins[above + 1] and there < begins[above]:
            if left[here] <= right[there] and left[there] <= right[here]:
                root[top(here)] = top(there)
            if right[here] < right[there]:
                here += 1
            else:
                there += 1
    label = np.zeros(free.shape, np.int64)
    tops: NDArray[np.int64] = np.array([top(run) for run in range(len(root))], np.int64)
    label[free] = np.repeat(np.unique(tops, return_inverse=True)[1] + 1, last - first)
    return label
