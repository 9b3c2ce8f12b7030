"""Tables sampled on square grids: values[row, column] at origin + cell * (column, row)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.geometry.polygons import Bounds, Point, signed_distance

UNREACHABLE = 1e3  # m; finite, so that sums and interpolation stay finite
_DIAGONAL = np.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class SdfGrid:
    """Distance in m to the nearest wall or arena border, positive where free."""

    origin: Point
    cell: float
    values: Float[np.ndarray, "r c"]  # float32

    def sample(self, xy: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "..."]:
        """Interpolates bilinearly; outside the grid the border value holds."""
        return sample_grid(self.values, self.origin, self.cell, xy)


def sample_grid(
    values: Float[np.ndarray, "r c"], origin: Point, cell: float, xy: Float[np.ndarray, "... 2"]
) -> Float[np.ndarray, "..."]:
    """Interpolates a grid bilinearly at `xy` (m)."""
    rows, columns = values.shape
    x = np.clip((xy[..., 0] - origin[0]) / cell, 0, columns - 1.001)
    y = np.clip((xy[..., 1] - origin[1]) / cell, 0, rows - 1.001)
    i, j = y.astype(np.int64), x.astype(np.int64)
    fx, fy = x - j, y - i
    low = values[i, j] * (1 - fx) + values[i, j + 1] * fx
    high = values[i + 1, j] * (1 - fx) + values[i + 1, j + 1] * fx
    out: NDArray[np.floating] = low * (1 - fy) + high * fy
    return out


def grid_points(bounds: Bounds, cell: float, shape: tuple[int, ...] | None = None) -> Float[np.ndarray, "r c 2"]:
    """Returns the positions of the grid's nodes, the first on the lower left corner of `bounds`.

    Args:
        bounds: of the map.
        cell: m between nodes.
        shape: rows and columns, of a grid that was thinned out; as many as cover the bounds by default.
    """
    columns, rows = round((bounds[2] - bounds[0]) / cell) + 1, round((bounds[3] - bounds[1]) / cell) + 1
    rows, columns = shape or (rows, columns)
    x, y = np.meshgrid(bounds[0] + cell * np.arange(columns), bounds[1] + cell * np.arange(rows))
    return np.stack([x, y], axis=-1)


def build_sdf(rings: Sequence[Sequence[Point]], bounds: Bounds, cell: float = 0.25, compiled: bool = False) -> SdfGrid:
    """Samples the signed distance to the outlines and to the bounds; `compiled` as in `build_map`."""
    values = signed_distance(grid_points(bounds, cell), rings, bounds, compiled)
    return SdfGrid(origin=(bounds[0], bounds[1]), cell=cell, values=values.astype(np.float32))


def path_field(
    blocked: Bool[np.ndarray, "r c"], cell: float, targets: Float[np.ndarray, "k 2"], origin: Point = (0.0, 0.0)
) -> Float[np.ndarray, "k r c"]:
    """Returns metres of the shortest 8-connected way from each node to each target; blocked or cut off: 1000.

    Eight directions overrate slanted ways by up to 8 %. No way cuts a blocked corner.
    """
    from npc_sdk.kernels import compiled, ways  # here, so that a game without a brain does not load a compiler

    rows, columns = blocked.shape
    free = ~blocked
    field = np.full((len(targets), rows + 2, columns + 2), UNREACHABLE, np.float32)
    column = np.clip(np.rint((targets[:, 0] - origin[0]) / cell).astype(np.int64), 0, columns - 1)
    row = np.clip(np.rint((targets[:, 1] - origin[1]) / cell).astype(np.int64), 0, rows - 1)
    field[np.arange(len(targets)), row + 1, column + 1] = 0.0
    inner = field[:, 1:-1, 1:-1]
    inner[:, blocked] = UNREACHABLE
    padded = np.pad(free, 1)
    steps = np.full((len(ways.NEIGHBOURS), rows, columns), UNREACHABLE, np.float32)
    for step, (dr, dc) in zip(steps, ways.NEIGHBOURS, strict=True):
        beside = padded[1 + dr : rows + 1 + dr, 1:-1] & padded[1:-1, 1 + dc : columns + 1 + dc]
        step[free & beside] = cell * (_DIAGONAL if dr and dc else 1.0)
    (ways.spread if compiled.AVAILABLE else _spread)(field, steps)
    return inner.copy()


def _spread(field: NDArray[np.float32], steps: NDArray[np.float32]) -> None:
    """What `npc_sdk.kernels.ways.spread` does, where nothing can be compiled."""
    from npc_sdk.kernels.ways import NEIGHBOURS

    _, rows, columns = steps.shape
    inner = field[:, 1:-1, 1:-1]
    before = np.full_like(inner, np.nan)
    while not np.array_equal(before, inner):
        before = inner.copy()
        for (dr, dc), step in zip(NEIGHBOURS, steps, strict=True):
            np.minimum(inner, field[:, 1 + dr : rows + 1 + dr, 1 + dc : columns + 1 + dc] + step, out=inner)


def fill_blocked(
    field: Float[np.ndarray, "k r c"], free: Bool[np.ndarray, "r c"], cell: float
) -> Float[np.ndarray, "k r c"]:
    """Continues a field into the blocked nodes beside free ones, so that interpolation next to walls stays smooth."""
    known, out = free.copy(), field.copy()
    for _ in range(2):
        best = np.full_like(out, UNREACHABLE)
        padded = np.pad(np.where(known, out, UNREACHABLE), ((0, 0), (1, 1), (1, 1)), constant_values=UNREACHABLE)
        rows, columns = free.shape
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                step = cell * float(np.hypot(dr, dc))
                best = np.minimum(best, padded[:, 1 + dr : rows + 1 + dr, 1 + dc : columns + 1 + dc] + np.float32(step))
        out = np.where(known, out, np.minimum(best, UNREACHABLE)).astype(np.float32)
        grown = np.pad(known, 1)
        known = known | grown[:-2, 1:-1] | grown[2:, 1:-1] | grown[1:-1, :-2] | grown[1:-1, 2:]
    return out


def nearest_free(free: Bool[np.ndarray, "r c"]) -> NDArray[np.int32]:
    """Returns for every node the flat index of a free node near it (itself where free)."""
    rows, columns = free.shape
    index = np.where(free, np.arange(rows * columns).reshape(rows, columns), -1).astype(np.int32)
    while (index < 0).any() and free.any():
        padded = np.pad(index, 1, constant_values=-1)
        spread = index
        for dr, dc in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            other = padded[1 + dr : rows + 1 + dr, 1 + dc : columns + 1 + dc]
            spread = np.where(spread < 0, other, spread)
        index = spread
    return index
