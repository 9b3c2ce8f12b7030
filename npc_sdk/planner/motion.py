"""Pulls wished velocities through what a body can do and what the shield will let it: what is scored is what will run.

Speed, acceleration, ground, turning, leash, the NPC's half of the floor and distances from entities are kept step by
step, each with the brake that must still be possible after it. The shield has the last word all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.kernels import plans as kernel
from npc_sdk.kernels.arrays import array, serves
from npc_sdk.objectives.situation import Lookup
from npc_sdk.tensors import Grids

REST = 1e-4  # m/s


@dataclass(frozen=True, slots=True)
class Body:
    """The declared kinematics of each deciding NPC."""

    speed: Float[Tensor, " n"]  # m/s
    acceleration: Float[Tensor, " n"]  # m/s^2, for braking too


@dataclass(frozen=True, slots=True)
class Held:
    """What the shield will hold each deciding NPC to, beside body and ground. `q` entities, `j` half-planes."""

    home: Float[Tensor, "n 2"]  # m
    leash: Float[Tensor, " n"]  # m between home and where the brake would end, infinite without one
    turn: Float[Tensor, " n"]  # rad/s, infinite without a limit
    turn_above: Float[Tensor, " n"]  # m/s from which it binds
    planes: Float[Tensor, "n j 3"]  # m, the NPC's part of the floor now: x . (0, 1) <= 2
    steps: int  # of a plan, from the first on, in which the half-planes bind; later ones are dealt out anew
    place: Float[Tensor, "n q 2"]  # m, as last seen
    pace: Float[Tensor, "n q 2"]  # m/s, as last seen
    distance: Float[Tensor, "n q"]  # m, infinite where no rule binds
    top_speed: Float[Tensor, "n q"]  # m/s that the entity is declared not to exceed
    near: Bool[Tensor, "n q"]  # True: stay within the distance, False: keep it
    age: Float[Tensor, " n"]  # s since the entities were seen
    spare: float  # m to keep in hand against them

    def rows(self, first: int, last: int) -> Held:
        """Takes some NPCs."""
        cut = slice(first, last)
        return replace(
            self,
            home=self.home[cut],
            leash=self.leash[cut],
            turn=self.turn[cut],
            turn_above=self.turn_above[cut],
            planes=self.planes[cut],
            place=self.place[cut],
            pace=self.pace[cut],
            distance=self.distance[cut],
            top_speed=self.top_speed[cut],
            near=self.near[cut],
            age=self.age[cut],
        )


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
    fence: Fence | None = None,
    k: int = 0,
) -> Float[Tensor, "n s 2"]:
    """Returns a velocity near `wished` that keeps the limits and could still brake before what lies ahead.

    Args:
        fence: what else binds, None for nothing.
        k: which step of the plan this is.
    """
    clearance, slope = ground.look(xy)
    steepness = slope.square().sum(-1).clamp_min(1e-6)
    into = -(wished * slope).sum(-1)  # speed towards the wall, times the steepness' root
    most = fastest(clearance.clamp_min(0.0), body.acceleration[:, None], dt)
    over = (into - most * steepness.sqrt()).clamp_min(0.0) / steepness
    wished = limited(wished + over[..., None] * slope, body.speed[:, None])
    change = body.acceleration[:, None] * dt
    if fence is None:
        return velocity + limited(wished - velocity, change)
    wished = fence.aimed(k, xy, velocity, wished)
    aim = velocity + limited(wished - velocity, change)
    brake = velocity - limited(velocity, change)
    out = brake
    for part in (0.75, 0.5, 0.25, 0.0):  # the least braked one that holds is written last
        tried = aim + part * (brake - aim)
        out = torch.where(fence.holds(k, xy, tried, ground, clearance)[..., None], tried, out)
    return out


def fastest(room: Float[Tensor, "..."], brake: Float[Tensor, "..."], dt: float) -> Float[Tensor, "..."]:
    """Returns the speed from which a step and the brake after it take `room` metres."""
    # A step of dt at speed v and a brake of A, tick by tick, take at most v dt + v^2 / 2A: solved for v.
    return brake * ((dt * dt + 2 * room / brake).sqrt() - dt)


def way(speed: Float[Tensor, "..."], brake: Float[Tensor, "..."], dt: float) -> Float[Tensor, "..."]:
    """Returns the metres of a step and the brake after it: what `fastest` inverts."""
    return speed * (dt + speed / (2 * brake))


class Fence:
    """What plans are held to beside body and ground, step by step; the twin of the loops in `kernels.plans`."""

    def __init__(self, held: Held, body: Body, dt: float) -> None:
        self._held, self._brake, self._dt = held, body.acceleration[:, None], dt

    def aimed(
        self, k: int, xy: Float[Tensor, "n s 2"], velocity: Float[Tensor, "n s 2"], wished: Float[Tensor, "n s 2"]
    ) -> Float[Tensor, "n s 2"]:
        """Bends wishes into leash and half-planes, beside those not to come closer to, and into what may be turned."""
        held, speed = self._held, length(wished)
        end = self._end(xy, wished)
        start = end
        for _ in range(2 if k < held.steps else 0):
            for j in range(held.planes.shape[1]):
                normal, most = held.planes[:, None, j, :2], held.planes[:, None, j, 2]
                over = (end * normal).sum(-1) - torch.maximum(most, (xy * normal).sum(-1))
                end = end - over.clamp_min(0.0)[..., None] * normal
        home = held.home[:, None]
        away = length(end - home)
        inside = torch.where(away > self._leash(xy), self._leash(xy) / away.clamp_min(1e-6), torch.ones_like(away))
        end = torch.where((inside < 1.0)[..., None], home + (end - home) * inside[..., None], end)
        far = length(end - xy).clamp_min(1e-6)
        bent = (end - xy) * (torch.minimum(fastest(far, self._brake, self._dt), speed) / far)[..., None]
        wished = torch.where((end != start).any(-1, keepdim=True), bent, wished)
        for q in range(held.place.shape[1]):
            gap = xy - self._where(k, q)
            worse = (gap * wished).sum(-1) / gap.square().sum(-1).clamp_min(1e-6)
            fails = ~self._apart(k, q, xy, wished) & ((worse > 0) == held.near[:, None, q])
            wished = torch.where(fails[..., None], wished - worse[..., None] * gap, wished)
        return self._turned(velocity, wished)

    def holds(
        self,
        k: int,
        xy: Float[Tensor, "n s 2"],
        tried: Float[Tensor, "n s 2"],
        ground: Ground,
        clearance: Float[Tensor, "n s"],
    ) -> Bool[Tensor, "n s"]:
        """Says whether a step and the brake after it keep ground, leash, half-planes and distances."""
        held, end = self._held, self._end(xy, tried)
        floor = clearance.clamp_max(0.0) - float(kernel.GROUND)
        good = (ground.look(end)[0] >= floor) & (ground.look((xy + end) / 2)[0] >= floor)
        good |= clearance >= length(end - xy) + float(kernel.GROUND)  # a distance falls no faster than one goes
        good &= length(end - held.home[:, None]) <= self._leash(xy) + float(kernel.CLOSE)
        for j in range(held.planes.shape[1] if k < held.steps else 0):
            normal, most = held.planes[:, None, j, :2], held.planes[:, None, j, 2]
            most = torch.maximum(most, (xy * normal).sum(-1))
            good &= (end * normal).sum(-1) <= most + float(kernel.CLOSE)
        for q in range(held.place.shape[1]):
            good &= self._apart(k, q, xy, tried)
        return good | (length(tried) < REST)

    def _leash(self, xy: Float[Tensor, "n s 2"]) -> Float[Tensor, "n s"]:
        return torch.maximum(self._held.leash[:, None], length(xy - self._held.home[:, None]))

    def _end(self, xy: Float[Tensor, "n s 2"], velocity: Float[Tensor, "n s 2"]) -> Float[Tensor, "n s 2"]:
        speed = length(velocity)
        return xy + velocity * (way(speed, self._brake, self._dt) / speed.clamp_min(REST))[..., None]

    def _where(self, k: int, q: int) -> Float[Tensor, "n 1 2"]:
        return (self._held.place[:, q] + self._held.pace[:, q] * (k * self._dt))[:, None]

    def _apart(self, k: int, q: int, xy: Float[Tensor, "n s 2"], tried: Float[Tensor, "n s 2"]) -> Bool[Tensor, "n s"]:
        """Says who keeps a distance in a step and its brake, or does no worse than by standing still."""
        held, speed = self._held, length(tried)
        heading = tried / speed.clamp_min(REST)[..., None]
        gap = xy - self._where(k, q)
        far, near = way(speed, self._brake, self._dt), speed * self._dt
        first = held.age[:, None] + self._dt
        ends = torch.zeros_like(far), near, far
        kept = torch.ones_like(speed, dtype=torch.bool)
        for begin, end, later in zip(ends[:2], ends[1:], (first, first + speed / self._brake), strict=True):
            grown = held.top_speed[:, None, q] * later + held.spare
            a, b = gap + heading * begin[..., None], gap + heading * end[..., None]
            most = torch.maximum(length(a), length(b))
            within = (held.distance[:, None, q] - most >= grown) | (-(heading * b).sum(-1) >= grown)
            clear = (_nearest(a, b) - held.distance[:, None, q] >= grown) | ((heading * a).sum(-1) >= grown)
            kept &= torch.where(held.near[:, None, q], within, clear)
        return kept | (speed < REST) | held.distance[:, None, q].isinf()

    def _turned(self, velocity: Float[Tensor, "n s 2"], wished: Float[Tensor, "n s 2"]) -> Float[Tensor, "n s 2"]:
        pace, most = length(velocity), self._held.turn[:, None] * self._dt
        ahead = velocity / pace.clamp_min(REST)[..., None]
        side = ahead[..., 0] * wished[..., 1] - ahead[..., 1] * wished[..., 0]
        angle = torch.atan2(side, (ahead * wished).sum(-1))
        bound = torch.where(side > 0, most, -most).nan_to_num(posinf=0.0, neginf=0.0)
        cos, sin = bound.cos(), bound.sin()
        edge = torch.stack([ahead[..., 0] * cos - ahead[..., 1] * sin, ahead[..., 0] * sin + ahead[..., 1] * cos], -1)
        on_edge = edge * (edge * wished).sum(-1).clamp_min(0.0)[..., None]
        binds = (pace > self._held.turn_above[:, None]) & (angle.abs() > most)
        return torch.where(binds[..., None], on_edge, wished)


def length(vector: Float[Tensor, "... 2"]) -> Float[Tensor, "..."]:
    """Returns the lengths of vectors."""
    return torch.hypot(vector[..., 0], vector[..., 1])


def _nearest(a: Float[Tensor, "n s 2"], b: Float[Tensor, "n s 2"]) -> Float[Tensor, "n s"]:
    """Returns the distance of each segment a..b from the origin."""
    along = b - a
    part = (-(a * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)).clamp(0.0, 1.0)
    return length(a + part[..., None] * along)


def limited(vector: Float[Tensor, "n s 2"], most: Float[Tensor, "n 1"]) -> Float[Tensor, "n s 2"]:
    """Shortens vectors to a length."""
    return vector * (most / length(vector).clamp_min(1e-6)).clamp(max=1.0)[..., None]


def shape(
    free: Lookup,
    body: Body,
    dt: float,
    start: Float[Tensor, "n 4"],
    wished: Float[Tensor, "n s h 2"],
    held: Held | None = None,
) -> Float[Tensor, "n s h 2"]:
    """Makes every wished velocity plan one that the body can follow and the rules in `held` allow.

    Args:
        free: signed distance of a body's centre to where it must not be, m.
        held: what else binds, None for nothing.
    """
    if not serves(wished):
        return shape_by_steps(free, body, dt, start, wished, held)
    planes = _planes(free.grids, free.index)
    moves = kernel.shape(planes, _limits(body, dt), _held(held, dt), array(start), array(wished))
    return torch.from_numpy(moves)


def shape_by_steps(
    free: Lookup,
    body: Body,
    dt: float,
    start: Float[Tensor, "n 4"],
    wished: Float[Tensor, "n s h 2"],
    held: Held | None = None,
) -> Float[Tensor, "n s h 2"]:
    """Does what `shape` does by torch operations, on any device."""
    ground = Ground(free)
    fence = None if held is None else Fence(held, body, dt)
    n, s, h, _ = wished.shape
    xy = start[:, None, :2].expand(n, s, 2)
    velocity = start[:, None, 2:].expand(n, s, 2)
    out = []
    for k in range(h):
        velocity = step(ground, body, dt, xy, velocity, wished[:, :, k], fence, k)
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


def _held(held: Held | None, dt: float) -> kernel.Held:
    """Lays out what binds for the loops; no rows where nothing does."""
    if held is None:
        none = np.zeros(0, np.float32)
        two, three = np.zeros((0, 0), np.float32), np.zeros((0, 0, 3), np.float32)
        pairs = np.zeros((0, 0, 2), np.float32)
        near = np.zeros((0, 0), np.bool_)
        return kernel.Held(
            np.zeros((0, 2), np.float32), none, none, none, three, 0, pairs, pairs, two, two, near, none, np.float32(0)
        )
    return kernel.Held(
        array(held.home),
        array(held.leash),
        array(held.turn * dt),
        array(held.turn_above),
        array(held.planes),
        held.steps,
        array(held.place),
        array(held.pace),
        array(held.distance),
        array(held.top_speed),
        array(held.near),
        array(held.age),
        np.float32(held.spare),
    )
