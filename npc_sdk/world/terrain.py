"""Quick looks at the wall distance grids: what lies around a body and whether a wall stands between two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from npc_sdk.tensors import Grids

_LOOKS = 5  # samples along a line of sight


@dataclass(frozen=True, slots=True)
class Terrain:
    """The grids of many rows, flattened once so that each look is one gather."""

    flat: Float[Tensor, cells]
    base: Int[Tensor, "*r"]
    origin: Float[Tensor, "*r 2"]
    cell: float
    rows: int
    columns: int

    @staticmethod
    def of(walls: Grids, index: Int[Tensor, "*r"]) -> Terrain:
        """Looks at the map `index` of each row."""
        rows, columns = walls.values.shape[1:]
        return Terrain(
            walls.values.reshape(-1), index * (rows * columns), walls.origin[index], walls.cell, rows, columns
        )

    @torch.no_grad()
    def nearest(self, xy: Float[Tensor, "*r k 2"]) -> Float[Tensor, "*r k"]:
        """Reads the grid point nearest to each place; beyond the grid its border."""
        extra = (1,) * (xy.ndim - 1 - self.base.ndim)
        shift = self.origin / self.cell - 0.5  # rounds
        at = (xy / self.cell - shift.reshape(*shift.shape[:-1], *extra, 2)).int()
        column, row = at[..., 0].clamp_(0, self.columns - 1), at[..., 1].clamp_(0, self.rows - 1)
        return self.flat[self.base.reshape(*self.base.shape, *extra) + row * self.columns + column]

    @torch.no_grad()
    def slope(self, xy: Float[Tensor, "*r 2"]) -> tuple[Float[Tensor, "*r"], Float[Tensor, "*r 2"]]:
        """Interpolates the distance to the nearest wall and its gradient, which points away from that wall."""
        at = (xy - self.origin) / self.cell
        x, y = at[..., 0].clamp(0, self.columns - 1.001), at[..., 1].clamp(0, self.rows - 1.001)
        column, row = x.floor(), y.floor()
        fx, fy = x - column, y - row
        corner = self.base + row.long() * self.columns + column.long()
        a, b = self.flat[corner], self.flat[corner + 1]
        c, d = self.flat[corner + self.columns], self.flat[corner + self.columns + 1]
        right, left = b - a, d - c
        low, high = a + right * fx, c + left * fx
        along = right + (left - right) * fy
        return low + (high - low) * fy, torch.stack([along, high - low], -1) / self.cell

    @torch.no_grad()
    def clearance(self, start: Float[Tensor, "*r 2"], gap: Float[Tensor, "*r 2"]) -> Float[Tensor, "*r"]:
        """Finds the least wall distance along `gap` (m, at most 1): about <= 0 where a wall hides the other end."""
        share = (torch.arange(_LOOKS, device=gap.device) + 0.5) / _LOOKS
        points = start[..., None, :] + gap[..., None, :] * share[:, None]
        return self.nearest(points).amin(-1).clamp_(-1, 1)


def ring(radii: tuple[float, ...], count: int, device: torch.device) -> Float[Tensor, "k 2"]:
    """Places `count` points on each circle around the origin."""
    angle = torch.arange(count, device=device) * (2 * math.pi / count)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    return torch.cat([circle * radius for radius in radii])
