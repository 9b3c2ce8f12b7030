"""A grid of bins over a stretch of floor: which of many boxes can be near a place, without looking at all of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import exactly

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST = 64  # bins along a side
_SHARE = 2.0  # boxes per bin that are worth a bin


class Grid(NamedTuple):
    """Bins of one size; bin (column, row) holds boxes[first[row * columns + column] : first[... + 1]]."""

    x: float
    y: float
    cell: float
    columns: int
    rows: int
    first: Ints
    boxes: Ints


@exactly
def line(at, first, cell, count):  # type: ignore[no-untyped-def]
    """Returns which of `count` columns or rows a coordinate is in, the outermost beyond the grid."""
    return int(min(max(math.floor((at - first) / cell), 0.0), count - 1.0))


@exactly
def spread(boxes, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Puts boxes (k 4: x0 y0 x1 y1) into the bins that they touch; those off the stretch x0 y0 x1 y1 into none."""
    count = len(boxes)
    side = min(max(math.sqrt(count / _SHARE), 1.0), float(_MOST))
    cell = max(max(x1 - x0, y1 - y0) / side, 1e-9)
    columns, rows = int((x1 - x0) / cell) + 1, int((y1 - y0) / cell) + 1
    first = np.zeros(columns * rows + 2, np.int64)
    span = np.empty((count, 4), np.int64)
    for k in range(count):
        if boxes[k, 0] > x1 or boxes[k, 2] < x0 or boxes[k, 1] > y1 or boxes[k, 3] < y0:
            span[k, 0], span[k, 1], span[k, 2], span[k, 3] = 0, -1, 0, -1
            continue
        span[k, 0], span[k, 1] = line(boxes[k, 0], x0, cell, columns), line(boxes[k, 2], x0, cell, columns)
        span[k, 2], span[k, 3] = line(boxes[k, 1], y0, cell, rows), line(boxes[k, 3], y0, cell, rows)
        for r in range(span[k, 2], span[k, 3] + 1):
            for c in range(span[k, 0], span[k, 1] + 1):
                first[r * columns + c + 2] += 1
    for bin_ in range(columns * rows):
        first[bin_ + 2] += first[bin_ + 1]
    held = np.empty(first[-1], np.int64)
    for k in range(count):
        for r in range(span[k, 2], span[k, 3] + 1):
            for c in range(span[k, 0], span[k, 1] + 1):
                held[first[r * columns + c + 1]] = k
                first[r * columns + c + 1] += 1
    return Grid(x0, y0, cell, columns, rows, first, held)
