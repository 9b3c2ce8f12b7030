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
from npc_sdk.geometry.places import FARTHEST, PlaceTables
from npc_sdk.geometry.roads import CELL

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
class Places:
    """The places of many maps, each map laid out in `g` ways: entry map * g + turn of an index."""

    spots: Float[Tensor, "m p 2"]  # m
    there: Bool[Tensor, "m p"]  # False where padded
    way: Float[Tensor, "m c p"]  # m of way from each grid node to each place
    origin: Float[Tensor, "m 2"]
    columns: int
    turns: Float[Tensor, "g 2 2"]  # what turns a map as stored into the way it is laid out
    order: Int[Tensor, "g c"]  # where each node of a map as laid out is stored

    def split(self, index: Int[Tensor, "*b"]) -> tuple[Int[Tensor, "*b"], Int[Tensor, "*b"]]:
        """Returns which stored map an index stands for, and which turn of it."""
        return index // len(self.turns), index % len(self.turns)

    def sample(self, index: Int[Tensor, " b"], xy: Float[Tensor, "b 2"]) -> Float[Tensor, "b p"]:
        """Returns the way from each point to every place of its map, in m."""
        cells = self.way.shape[1]
        stored, turn = self.split(index)
        local = (xy[:, None] @ self.turns[turn])[:, 0]
        last = torch.tensor([self.columns - 1.001, cells // self.columns - 1.001], device=xy.device)
        at = torch.minimum(((local - self.origin[stored]) / CELL).clamp_min(0), last)
        node = at.floor()
        corners = torch.tensor([0, 1, self.columns, self.columns + 1], device=xy.device)
        first = (node[:, 1] * self.columns + node[:, 0]).long() + stored * cells
        a, b, c, d = self.way.reshape(-1, self.way.shape[2])[first[:, None] + corners].unbind(1)  # b p
        x, y = (at - node).unsqueeze(1).unbind(-1)  # b 1
        return torch.lerp(torch.lerp(a, b, x), torch.lerp(c, d, x), y)


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
    places: Places

    @property
    def npcs(self) -> Bool[Tensor, "b e"]:
        """Which slots hold NPCs."""
        return self.kind == NPC


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


def places(tables: list[PlaceTables], device: torch.device, turns: Tensor | None = None) -> Places:
    """Puts the maps' places on the device, padded to one size."""
    rows, columns = (max(t.way.shape[axis] for t in tables) for axis in (0, 1))
    count = max(len(t.spots) for t in tables)
    spots, there = np.full((len(tables), count, 2), 1e3, np.float32), np.zeros((len(tables), count), np.bool_)
    way = np.full((len(tables), rows, columns, count), FARTHEST, np.float32)
    for k, t in enumerate(tables):
        r, c, p = t.way.shape
        spots[k, :p], there[k, :p], way[k, :r, :c, :p] = t.spots, True, t.way
    turns = torch.eye(2)[None] if turns is None else turns
    return Places(
        spots=torch.from_numpy(spots).to(device),
        there=torch.from_numpy(there).to(device),
        way=torch.from_numpy(way).reshape(len(tables), rows * columns, count).to(device),
        origin=torch.tensor(np.array([t.origin for t in tables]), dtype=torch.float32, device=device),
        columns=columns,
        turns=turns.to(device),
        order=node_order(rows, columns, turns).to(device),
    )


def node_order(rows: int, columns: int, turns: Float[Tensor, "g 2 2"]) -> Int[Tensor, "g c"]:
    """Where each node of a turned grid lies in the stored one; grids that are turned are squares."""
    if len(turns) == 1:
        return torch.arange(rows * columns)[None]
    half = (columns - 1) / 2
    line = torch.arange(columns) - half
    y, x = torch.meshgrid(line, line, indexing="ij")
    node = (torch.stack([x, y], -1).reshape(-1, 2) @ turns.cpu() + half).round().long()  # g c 2
    return node[..., 1] * columns + node[..., 0]


def scene(
    table: BeliefTable, walls: Grids, places: Places, map_of_world: NDArray[np.int64], device: torch.device
) -> Scene:
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
        places=places,
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
