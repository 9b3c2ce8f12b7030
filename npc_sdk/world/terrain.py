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

    flat: Float[Tensor, "cells"]
    base: Int[Tensor, "*#r"]
    shift: Float[Tensor, "*#r 2"]  # of the origin, in cells
    cell: float
    last: Float[Tensor, "2"]  # column and row
    stride: Float[Tensor, "2"]  # from place to index
    corners: Int[Tensor, "4"]  # from a node to the four around a place

    @staticmethod
    def of(walls: Grids, index: Int[Tensor, "*#r"]) -> Terrain:
        """Looks at the map `index` of each row."""
        rows, columns = walls.values.shape[1:]
        at = walls.values.device
        return Terrain(
            flat=walls.values.reshape(-1),
            base=index * (rows * columns),
            shift=walls.origin[index] / walls.cell,
            cell=walls.cell,
            last=torch.tensor([columns - 1.0, rows - 1.0], device=at),
            stride=torch.tensor([1.0, columns], device=at),
            corners=torch.tensor([0, 1, columns, columns + 1], device=at),
        )

    @torch.no_grad()
    def nearest(self, xy: Float[Tensor, "*#r k 2"]) -> Float[Tensor, "*#r k"]:
        """Reads the grid point nearest to each place; beyond the grid its border."""
        extra = (1,) * (xy.ndim - 1 - self.base.ndim)
        shift = self.shift.reshape(*self.shift.shape[:-1], *extra, 2)
        at = torch.minimum((xy / self.cell).sub_(shift).round_().clamp_(min=0), self.last)
        local = (at @ self.stride).long()
        return self.flat.take(local.add_(self.base.reshape(*self.base.shape, *extra)))

    @torch.no_grad()
    def slope(self, xy: Float[Tensor, "*#r 2"]) -> tuple[Float[Tensor, "*#r"], Float[Tensor, "*#r 2"]]:
        """Interpolates the distance to the nearest wall and its gradient, which points away from that wall."""
        at = torch.minimum((xy / self.cell).sub_(self.shift).clamp_(min=0), self.last - 1e-3)
        node = at.floor()
        corner = (node @ self.stride).long().add_(self.base)
        around = self.flat.take(corner[..., None] + self.corners)  # r 4
        fx, fy = (at - node).split(1, -1)
        low, high = around.split(2, -1)
        across = torch.lerp(low, high, fy)  # r 2: left and right
        up = high - low
        value = torch.lerp(across[..., :1], across[..., 1:], fx)
        slope = torch.cat([across[..., 1:] - across[..., :1], torch.lerp(up[..., :1], up[..., 1:], fx)], -1)
        return value[..., 0], slope / self.cell

    @torch.no_grad()
    def clearance(self, start: Float[Tensor, "*#r 2"], gap: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r"]:
        """Finds the least wall distance along `gap` (m, at most 1): about <= 0 where a wall hides the other end."""
        share = (torch.arange(_LOOKS, device=gap.device) + 0.5) / _LOOKS
        points = start[..., None, :] + gap[..., None, :] * share[:, None]
        return self.nearest(points).amin(-1).clamp_(-1, 1)


def ring(radii: tuple[float, ...], count: int, device: torch.device) -> Float[Tensor, "k 2"]:
    """Places `count` points on each circle around the origin."""
    angle = torch.arange(count, device=device) * (2 * math.pi / count)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    return torch.cat([circle * radius for radius in radii])
