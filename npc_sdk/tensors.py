"""The only border between NumPy and torch: belief tables become scenes, map tables become lookup grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.belief import NPC, PLAYER, PROJECTILE, BeliefTable
from npc_sdk.geometry import SdfGrid

FEATURES = (
    "player",
    "npc",
    "projectile",
    "own",
    "leader",
    "seen",
    "age",
    "sigma",
    "health",
    "ammo",
    "cooldown",
    "fired",
    "fuse",
    "cleared",
)


@dataclass(frozen=True, slots=True)
class Grids:
    """Tables sampled on a square grid, one per map: `values[m, row, column]` at `origin + cell * (column, row)`."""

    values: Float[Tensor, "m g g"]
    origin: Float[Tensor, " ..."]
    cell: float

    def sample(self, index: Int[Tensor, " ..."], xy: Float[Tensor, "... 2"]) -> Float[Tensor, " ..."]:
        """Interpolates bilinearly at `xy` (m) on the map `index`; outside the grid the border value holds."""
        rows, columns = self.values.shape[1:]
        at = (xy - self.origin[index]) / self.cell
        x = at[..., 0].clamp(0, columns - 1 - 1e-4)
        y = at[..., 1].clamp(0, rows - 1 - 1e-4)
        column, row = x.floor(), y.floor()
        fx, fy = x - column, y - row
        flat = self.values.reshape(-1)
        base = index * (rows * columns) + row.long() * columns + column.long()
        low = flat[base] * (1 - fx) + flat[base + 1] * fx
        high = flat[base + columns] * (1 - fx) + flat[base + columns + 1] * fx
        return low * (1 - fy) + high * fy


@dataclass(frozen=True, slots=True)
class Scene:
    """What `b` squads believe, as tensors. Poses in m and m/s; padded slots have kind 0 and mask False."""

    kind: Int[Tensor, " ..."]
    pose: Float[Tensor, "b e 4"]
    heading: Float[Tensor, "b e 2"]  # cos, sin
    features: Float[Tensor, "b e f"]  # as FEATURES, all about 0..1
    mask: Bool[Tensor, "b e"]
    seen: Bool[Tensor, "b e"]
    age: Float[Tensor, " ..."]  # s
    walls: Grids  # signed distance to the nearest wall, m, positive where free
    map_index: Int[Tensor, " b"]


def grids(sdfs: list[SdfGrid], device: torch.device) -> Grids:
    """Puts the maps' signed distance grids on the device, padded to one size. All must have one cell size."""
    cells = {sdf.cell for sdf in sdfs}
    if len(cells) != 1:
        raise ValueError(f"expected grids of one cell size, got {sorted(cells)}")
    rows = max(sdf.values.shape[0] for sdf in sdfs)
    columns = max(sdf.values.shape[1] for sdf in sdfs)
    padded = [
        np.pad(sdf.values, [(0, rows - sdf.values.shape[0]), (0, columns - sdf.values.shape[1])], mode="edge")
        for sdf in sdfs
    ]
    return Grids(
        values=torch.from_numpy(np.stack(padded).astype(np.float32)).to(device),
        origin=torch.tensor(np.array([sdf.origin for sdf in sdfs]), dtype=torch.float32, device=device),
        cell=float(sdfs[0].cell),
    )


def scene(table: BeliefTable, walls: Grids, map_of_world: NDArray[np.int64], device: torch.device) -> Scene:
    """Makes the tensors of a belief table; `map_of_world[w]` says which grid each world uses."""

    def on(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return Scene(
        kind=on(table.kind.astype(np.int64)),
        pose=on(table.pose),
        heading=on(np.stack([np.cos(table.heading), np.sin(table.heading)], -1).astype(np.float32)),
        features=on(features(table)),
        mask=on(table.kind > 0),
        seen=on(table.seen),
        age=on(table.age),
        walls=walls,
        map_index=on(map_of_world[table.world]),
    )


def features(table: BeliefTable) -> NDArray[np.float32]:
    """Scales a table's columns to about 0..1, in the order of FEATURES: b e f."""
    columns = (
        table.kind == PLAYER,
        table.kind == NPC,
        table.kind == PROJECTILE,
        table.own,
        table.leader,
        table.seen,
        np.minimum(table.age, 5.0) / 5.0,
        table.sigma / 12.0,
        table.health / 100.0,
        table.ammo / 30.0,
        np.minimum(table.cooldown, 2.0),
        table.fired,
        table.fuse / 2.0,
        table.cleared,
    )
    return np.stack([np.asarray(c, np.float32) for c in columns], -1) * (table.kind > 0)[..., None]
