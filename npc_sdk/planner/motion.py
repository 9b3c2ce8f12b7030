"""Pulls wished velocities through what a body can do: speed, acceleration, and walls it would have to brake for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from npc_sdk.kernels import plans as kernel
from npc_sdk.kernels.arrays import array, serves
from npc_sdk.objectives.situation import Lookup
from npc_sdk.tensors import Grids


@dataclass(frozen=True, slots=True)
class Body:
    """The declared kinematics of each deciding NPC."""

    speed: Float[Tensor, " n"]  # m/s
    acceleration: Float[Tensor, " n"]  # m/s^2, for braking too


class Ground:
    """The clearance grid of each row and its slope, read at the nearest node by one gather each.

    Args:
        free: signed distance of a body's centre to where it must not be, m.
    """

    def __init__(self, free: Lookup) -> None:
        values = free.grids.values
        rows, columns = values.shape[1:]
        padded = torch.nn.functional.pad(values[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
        east = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / (2 * free.grids.cell)
        north = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / (2 * free.grids.cell)
        self._table = torch.stack([values, east, north], -1).reshape(-1, 3)
        self._last = torch.tensor([columns - 1, rows - 1], device=values.device)
        self._base = (free.index * (rows * columns))[:, None]
        self._origin = free.grids.origin[free.index][:, None]
        self._cell = free.grids.cell
        self._columns = columns

    def look(self, xy: Float[Tensor, "n s 2"]) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s 2"]]:
        """Returns the clearance at each place, corrected to first order for rounding to the node, and its slope."""
        at = (xy - self._origin) / self._cell
        node = torch.minimum(at.round().clamp_min(0), self._last)
        index = (node[..., 1] * self._columns + node[..., 0]).long() + self._base
        found = self._table[index]  # n s 3
        slope = found[..., 1:]
        return found[..., 0] + ((at - node) * slope).sum(-1) * self._cell, slope


def step(
    ground: Ground,
    body: Body,
    dt: float,
    xy: Float[Tensor, "n s 2"],
    velocity: Float[Tensor, "n s 2"],
    wished: Float[Tensor, "n s 2"],
) -> Float[Tensor, "n s 2"]:
    """Returns the velocity nearest to `wished` that keeps the limits and could still brake before the wall ahead."""
    clearance, slope = ground.look(xy)
    steepness = slope.square().sum(-1).clamp_min(1e-6)
    into = -(wished * slope).sum(-1)  # speed towards the wall, times the steepness' root
    brake, room = body.acceleration[:, None], clearance.clamp_min(0.0)
    # A brake of A in steps of dt from speed v takes v^2 / 2A + v dt / 2: solved for v.
    most = brake * ((dt * dt / 4 + 2 * room / brake).sqrt() - dt / 2)
    most = torch.minimum(most, room / dt)
    over = (into - most * steepness.sqrt()).clamp_min(0.0) / steepness
    wished = limited(wished + over[..., None] * slope, body.speed[:, None])
    return velocity + limited(wished - velocity, brake * dt)


def limited(vector: Float[Tensor, "n s 2"], most: Float[Tensor, "n 1"]) -> Float[Tensor, "n s 2"]:
    """Shortens vectors to a length."""
    length = torch.hypot(vector[..., 0], vector[..., 1])
    return vector * (most / length.clamp_min(1e-6)).clamp(max=1.0)[..., None]


def shape(
    free: Lookup, body: Body, dt: float, start: Float[Tensor, "n 4"], wished: Float[Tensor, "n s h 2"]
) -> Float[Tensor, "n s h 2"]:
    """Makes every wished velocity plan one that the body can follow.

    Args:
        free: signed distance of a body's centre to where it must not be, m.
    """
    if not serves(wished):
        return shape_by_steps(free, body, dt, start, wished)
    planes = _planes(free.grids, free.index)
    return torch.from_numpy(kernel.shape(planes, _limits(body, dt), array(start), array(wished)))


def shape_by_steps(
    free: Lookup, body: Body, dt: float, start: Float[Tensor, "n 4"], wished: Float[Tensor, "n s h 2"]
) -> Float[Tensor, "n s h 2"]:
    """Does what `shape` does by torch operations, on any device."""
    ground = Ground(free)
    n, s, h, _ = wished.shape
    xy = start[:, None, :2].expand(n, s, 2)
    velocity = start[:, None, 2:].expand(n, s, 2)
    out = []
    for k in range(h):
        velocity = step(ground, body, dt, xy, velocity, wished[:, :, k])
        xy = xy + velocity * dt
        out.append(velocity)
    return torch.stack(out, 2)  # n s h 2


def follow(
    body: Body, dt: float, start: Float[Tensor, "n 4"], ways: list[Lookup], h: int, stop: float
) -> Float[Tensor, "n f h 2"]:
    """Walks down each distance field at full speed to `stop` metres of way short of its end. All share one stack."""
    grids, plane = ways[0].grids, torch.stack([w.index for w in ways], 1)  # n f
    if not serves(start):
        return follow_by_steps(body, dt, start, grids, plane, h, stop)
    return torch.from_numpy(kernel.follow(_planes(grids, plane), _limits(body, dt), array(start), h, stop))


def follow_by_steps(
    body: Body, dt: float, start: Float[Tensor, "n 4"], grids: Grids, plane: Int[Tensor, "n f"], h: int, stop: float
) -> Float[Tensor, "n f h 2"]:
    """Does what `follow` does by torch operations, on any device."""
    n, f = plane.shape
    rows, columns = grids.values.shape[1:]
    base, origin = plane * (rows * columns), grids.origin[plane]
    flat, corners = grids.values.reshape(-1), torch.tensor([0, 1, columns, columns + 1], device=start.device)
    most = torch.tensor([columns - 1.001, rows - 1.001], device=start.device)
    xy = start[:, None, :2].expand(n, f, 2)
    velocity = start[:, None, 2:].expand(n, f, 2)
    speed, change = body.speed[:, None], (body.acceleration * dt)[:, None]
    out = []
    for _ in range(h):
        at = torch.minimum(((xy - origin) / grids.cell).clamp_min(0), most)
        node = at.floor()
        part = at - node
        index = base + (node[..., 1] * columns + node[..., 0]).long()
        a, b, c, d = flat[index[..., None] + corners].unbind(-1)
        east = torch.lerp(b - a, d - c, part[..., 1])
        north = torch.lerp(c - a, d - b, part[..., 0])
        left = (a + part[..., 0] * (b - a) + part[..., 1] * north - stop).clamp_min(0.0)
        uphill = torch.stack([east, north], -1)
        pace = torch.minimum(speed, left / (2 * dt)) / torch.hypot(east, north).clamp_min(1e-4)
        velocity = velocity - limited(velocity + uphill * pace[..., None], change)
        xy = xy + velocity * dt
        out.append(velocity)
    return torch.stack(out, 2)  # n f h 2


def _planes(grids: Grids, index: Int[Tensor, "..."]) -> kernel.Planes:
    return kernel.Planes(array(grids.values), array(grids.origin), np.float32(grids.cell), array(index))


def _limits(body: Body, dt: float) -> kernel.Limits:
    return kernel.Limits(array(body.speed), array(body.acceleration), np.float32(dt))
