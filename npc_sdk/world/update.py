"""The one update rule: how a body whose intent is hidden moves on, given the others and what they do.

Pose is explicit and integrated; the rule learns the change of velocity and heading, and the drift of the latent. It
sees and answers in directions of the body itself, so what it learns facing north holds facing east. Only ReLU and
matrix products run per step and candidate: on a CPU one Mish costs more than the product that feeds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from npc_sdk.world.destinations import AHEAD, AIM
from npc_sdk.world.forecast import DT
from npc_sdk.world.terrain import Terrain, ring

RELATION = 15  # numbers that describe one body as another sees it


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """Sizes and bounds of the update rule."""

    latent: int = 48  # what the rule moves on
    habit: int = 96  # what only observations change, beside it
    message: int = 32
    heads: int = 4
    hidden: int = 96
    neighbours: int = 5
    max_turn_speed: float = 2.2  # m/s, largest change of velocity within one step
    max_speed: float = 5.5  # m/s
    radius: float = 0.35  # m, kept from walls
    probe_radii: tuple[float, ...] = (1.0, 2.5)  # m
    probes: int = 8  # per radius

    @property
    def hidden_state(self) -> int:
        """The size of z: latent and habit."""
        return self.latent + self.habit


@dataclass(frozen=True, slots=True)
class Body:
    """One body per row, as the rule carries it on."""

    pose: Float[Tensor, "*#r 4"]
    heading: Float[Tensor, "*#r 2"]
    z: Float[Tensor, "*#r d"]
    variance: Float[Tensor, "*#r"]
    clearance: Float[Tensor, "*#r"]  # m to the nearest wall
    slope: Float[Tensor, "*#r 2"]  # away from it


@dataclass(frozen=True, slots=True)
class Near:
    """The bodies one row attends to, chosen once per rollout; their poses come step by step."""

    heading: Float[Tensor, "*#r k 2"]
    key: Float[Tensor, "*#r k m"]
    valid: Bool[Tensor, "*#r k"]


def parked(pose: Float[Tensor, "*#r 4"], npc: Bool[Tensor, "*#r"] | None = None) -> Float[Tensor, "*#r 4"]:
    """Leaves NPCs, by default all bodies are, their place and takes their velocity: it tells who planned (ADR 0014)."""
    velocity = torch.zeros_like(pose[..., 2:]) if npc is None else pose[..., 2:] * ~npc[..., None]
    return torch.cat([pose[..., :2], velocity], -1)


@torch.no_grad()
def relate(
    pose: Float[Tensor, "*#r 4"],
    heading: Float[Tensor, "*#r 2"],
    other: Float[Tensor, "*#r k 4"],
    facing: Float[Tensor, "*#r k 2"],
    terrain: Terrain,
) -> tuple[Float[Tensor, "*#r k f"], Float[Tensor, "*#r k 2"]]:
    """Describes each other body as seen from this one, so that turning the world changes nothing.

    Returns the description and, in the world's frame, the unit vector towards each other body.
    """
    here, ahead = pose[..., None, :], heading[..., None, :]
    gap = other[..., :2] - here[..., :2]
    distance = length(gap).clamp_(min=1e-2)
    unit = gap / distance
    way = course(pose, heading)[..., None, :]
    wide = torch.zeros_like(unit)
    along = [
        seen_from(v, unit) for v in (here[..., 2:] * 0.2 + wide, other[..., 2:] * 0.2, ahead + wide, facing + wide)
    ]
    clear = terrain.clearance(here[..., :2], gap)[..., None]
    columns = [seen_from(gap, way) / 6, seen_from(unit, way), *along, distance / 6, 1 / (1 + distance), clear]
    return torch.cat(columns, -1), unit


def course(pose: Float[Tensor, "*#r 4"], heading: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r 2"]:
    """The direction a body moves in, or where it hardly moves, the one it faces."""
    return _unit(pose[..., 2:] + 0.3 * heading)


def seen_from(vector: Float[Tensor, "*#r 2"], frame: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r 2"]:
    """Gives the parts of `vector` along the unit vector `frame` and to its left."""
    x, y = frame[..., :1], frame[..., 1:]
    u, v = vector[..., :1], vector[..., 1:]
    return torch.cat([u * x + v * y, x * v - y * u], -1)


def length(vector: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r 1"]:
    """The length of each vector; reducing an axis of two costs ten times as much."""
    return torch.hypot(vector[..., :1], vector[..., 1:])


class Attend(nn.Module):
    """Messages from the near bodies: one additive layer, then a few heads that choose whom to listen to."""

    def __init__(self, config: UpdateConfig, features: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.keys = nn.Linear(config.hidden_state + features, config.message)
        self.own = nn.Linear(config.hidden_state, config.message, bias=False)
        self.relation = nn.Linear(RELATION, config.message, bias=False)
        self.score = nn.Linear(config.message, config.heads, bias=False)  # a bias would not change the choice

    def forward(
        self,
        z: Float[Tensor, "*#r d"],
        relation: Float[Tensor, "*#r k f"],
        unit: Float[Tensor, "*#r k 2"],
        near: Near,
    ) -> tuple[Float[Tensor, "*#r m"], Float[Tensor, "*#r a 2"]]:
        """Returns the mixed messages and, per head, the mean direction of those listened to."""
        hidden = torch.relu_(self.relation(relation) + (near.key + self.own(z)[..., None, :]))  # r k m
        share = self.score(hidden).masked_fill(~near.valid[..., None], -1e4).softmax(-2)  # r k a
        split = hidden.reshape(*hidden.shape[:-1], self.heads, -1)  # r k a m/a
        return (split * share[..., None]).sum(-3).flatten(-2), share.transpose(-1, -2) @ unit


class Update(nn.Module):
    """Moves bodies one step on."""

    ring: Tensor

    def __init__(self, config: UpdateConfig, features: int) -> None:
        super().__init__()
        self.config = config
        self.attend = Attend(config, features)
        self.basis = config.heads + 3 + len(AHEAD)
        points = len(config.probe_radii) * config.probes
        inputs = config.hidden_state + config.message + 2 * config.heads + points + 9 + AIM
        self.first = nn.Linear(inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.parts = (config.latent, 2 * self.basis, 2 * self.basis, 2 * self.basis, 1, 2)
        self.last = nn.Linear(config.hidden, sum(self.parts))
        self.leak = nn.Parameter(torch.linspace(-2.0, -7.0, config.latent))  # remembers for 1 s to minutes
        self.register_buffer("ring", ring(config.probe_radii, config.probes, torch.device("cpu")), persistent=False)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()

    def body(
        self,
        pose: Float[Tensor, "*#r 4"],
        heading: Float[Tensor, "*#r 2"],
        z: Float[Tensor, "*#r d"],
        variance: Float[Tensor, "*#r"],
        terrain: Terrain,
    ) -> Body:
        """Completes a body with what the map says about its place."""
        return Body(pose, heading, z, variance, *terrain.slope(pose[..., :2]))

    def forward(
        self,
        body: Body,
        near: Near,
        others: Float[Tensor, "*#r k 4"],
        aim: Float[Tensor, "*#r q"],
        terrain: Terrain,
    ) -> tuple[Body, Float[Tensor, "*#r 2"]]:
        """Moves `body` on by DT while `others` move. Returns it with the logits of (player fires, is alive).

        `aim` says how far its likely destinations are and which way they lie (`Ways.look`).

        Gradients run back in time through the latent and the integration only, not through what the body sees.
        """
        config = self.config
        relation, unit = relate(body.pose, body.heading, others, near.heading, terrain)
        message, direction = self.attend(body.z, relation, unit, near)
        way = course(body.pose, body.heading).detach()
        around = self._surroundings(body, way, terrain)
        listened = seen_from(direction, way[..., None, :]).flatten(-2)
        aim = aim.unflatten(-1, (len(AHEAD), 3))
        towards = aim[..., 1:]
        aimed = torch.cat([aim[..., 0], seen_from(towards, way[..., None, :]).flatten(-2)], -1)
        hidden = torch.relu_(self.first(torch.cat([body.z, message, listened, around, aimed], -1)))
        hidden = torch.relu_(self.second(hidden))
        drift, pull, turn, push, growth, logits = self.last(hidden).split(self.parts, -1)

        velocity, heading = body.pose[..., 2:], body.heading.detach()
        own = torch.stack([velocity.detach() * 0.2, heading, body.slope.detach()], -2)
        basis = torch.cat([direction, own, towards], -2)
        change = _bounded(_steer(basis, pull) * 4, config.max_turn_speed)
        moved = _bounded(velocity + change, config.max_speed)
        place = body.pose[..., :2] + (velocity + moved) * (DT / 2) + _steer(basis, push) * 0.1
        clearance, slope = terrain.slope(place)
        inside = (config.radius - clearance).clamp_(0, 0.5)
        heading = _unit(body.heading + _steer(basis, turn))
        variance = (body.variance + torch.nn.functional.softplus(growth[..., 0]) * 0.1).clamp(max=144.0)
        latent, habit = body.z.split((config.latent, config.habit), -1)
        z = torch.cat([torch.lerp(latent, drift, torch.sigmoid(self.leak)), habit.expand(*drift.shape[:-1], -1)], -1)
        pose = torch.cat([place + slope * inside[..., None], moved], -1)
        return Body(pose, heading, z, variance, clearance + inside, slope), logits

    @torch.no_grad()
    def _surroundings(self, body: Body, way: Float[Tensor, "*#r 2"], terrain: Terrain) -> Float[Tensor, "*#r f"]:
        """Describes the body's own motion and the walls around it, ahead first."""
        place, velocity = body.pose.split(2, -1)
        ahead, left = way[..., None, :], torch.stack([-way[..., 1], way[..., 0]], -1)[..., None, :]
        ring = place[..., None, :] + self.ring[:, :1] * ahead + self.ring[:, 1:] * left
        around = terrain.nearest(ring).clamp_(-1, 3) / 3
        speed = length(velocity) * 0.2
        plain = torch.stack([body.clearance.clamp(max=3) / 3, body.variance.sqrt() * 0.2], -1)
        return torch.cat(
            [around, speed, seen_from(body.heading, way), seen_from(body.slope, way), place / 12, plain], -1
        )


def _steer(basis: Float[Tensor, "*#r v 2"], weights: Float[Tensor, "*#r w"]) -> Float[Tensor, "*#r 2"]:
    """Sums the vectors, each scaled and turned by a learned pair: directions generalise over rotations."""
    forward, sideways = weights.chunk(2, -1)
    x = (forward * basis[..., 0] - sideways * basis[..., 1]).sum(-1)
    y = (forward * basis[..., 1] + sideways * basis[..., 0]).sum(-1)
    return torch.stack([x, y], -1)


def _bounded(vector: Float[Tensor, "*#r 2"], limit: float) -> Float[Tensor, "*#r 2"]:
    """Shortens vectors longer than `limit`."""
    bounded: Tensor = vector * (limit / length(vector.detach()).clamp(min=limit))
    return bounded


def _unit(vector: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r 2"]:
    unit: Tensor = vector / length(vector + 1e-9).clamp(min=1e-3)  # off zero, where the gradient of a length is NaN
    return unit
