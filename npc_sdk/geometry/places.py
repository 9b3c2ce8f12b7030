"""Places spread evenly over a map's floor, with the way to each from everywhere: where somebody may be going."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from npc_sdk.geometry.grids import SdfGrid, fill_blocked, path_field
from npc_sdk.geometry.polygons import Point
from npc_sdk.geometry.roads import CELL

SPACING = 2.4  # m between neighbouring places
FARTHEST = 60.0  # m; what is cut off counts as this far


@dataclass(frozen=True, slots=True)
class PlaceTables:
    """The places of one map. The grid is the map's 0.5 m grid, row by row from the lower left of the bounds."""

    origin: Point
    spots: Float[np.ndarray, "p 2"]  # m
    way: Float[np.ndarray, "r c p"]  # m of way from each node to each place, float32


def build_places(sdf: SdfGrid, radius: float) -> PlaceTables:
    """Takes every node where a body of `radius` (m) fits and that keeps `SPACING` to those taken before it."""
    stride = round(CELL / sdf.cell)
    walkable = sdf.values[::stride, ::stride] >= radius
    nodes = np.argwhere(walkable)[:, ::-1] * CELL + np.array(sdf.origin)
    taken: list[int] = []
    free = np.ones(len(nodes), np.bool_)
    while free.any():
        taken.append(int(free.argmax()))
        free &= np.hypot(*(nodes - nodes[taken[-1]]).T) >= SPACING
    spots = nodes[taken].reshape(-1, 2)
    way = path_field(~walkable, CELL, spots, origin=sdf.origin)
    way = np.minimum(fill_blocked(way, walkable, CELL), np.float32(FARTHEST))
    return PlaceTables(sdf.origin, spots, np.ascontiguousarray(np.moveaxis(way, 0, -1)))
