"""The one update rule: how a body whose intent is hidden moves on, given the others and what they do.

Pose is explicit and integrated; what the rule learns are the change of velocity and heading and the drift of the latent. Only ReLU and matrix
products run per step and candidate (reference/performance.md section 0: one Mish costs more than the product that feeds it).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from npc_sdk.world.forecast import DT
from npc_sdk.world.terrain import Terrain, ring

RELATION = 11  # numbers that describe one body as another sees it


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """Sizes and bounds of the update rule."""

    latent: int = 48
    message: int = 64
    heads: int = 4
    hidden: int = 96
    neighbours: int = 6
    max_turn_speed: float = 2.2  # m/s, largest change of velocity within one step
    max_speed: float = 5.5  # m/s
    radius: float = 0.35  # m, kept from walls
    probe_radii: tuple[float, ...] = (1.0, 2.5)  # m
    probes: int = 8  # per radius


@dataclass(frozen=True, slots=True)
class Body:
    """One body per row, as the rule carries it on."""

    pose: Float[Tensor, "*r 4"]
    heading: Float[Tensor, "*r 2"]
    z: Float[Tensor, "*r d"]
    variance: Float[Tensor, "*r"]
    clearance: Float[Tensor, "*r"]  # m to the nearest wall
    slope: Float[Tensor, "*r 2"]  # away from it


@dataclass(frozen=True, slots=True)
class Near:
    """The bodies one row attends to."""

    pose: Float[Tensor, "*r k 4"]
    heading: Float[Tensor, "*r k 2"]
    key: Float[Tensor, "*r k m"]
    valid: Bool[Tensor, "*r k"]


def relate(
    pose: Float[Tensor, "*r 4"],
    heading: Float[Tensor, "*r 2"],
    other: Float[Tensor, "*r k 4"],
    facing: Float[Tensor, "*r k 2"],
    terrain: Terrain,
) -> tuple[Float[Tensor, "*r k f"], Float[Tensor, "*r k 2"]]:
    """Describes each other body as seen from this one; also gives the unit vector towards it."""
    gap = other[..., :2] - pose[..., None, :2]
    distance = (gap.square().sum(-1) + 1e-4).sqrt()
    unit = gap / distance[..., None]
    here = pose[..., None, :2].expand_as(gap)
    clear = terrain.clearance(here, here + gap)
    in_view = (unit * heading[..., None, :]).sum(-1)
    faced = -(unit * facing).sum(-1)
    speed = (other[..., 2:] - pose[..., None, 2:]) * 0.2
    columns = torch.stack([distance / 6, 1 / (1 + distance), in_view, faced, clear], -1)
    return torch.cat([gap / 6, unit, speed, columns], -1), unit


class Attend(nn.Module):
    """Messages from the near bodies: one additive layer, then a few heads that choose whom to listen to."""

    def __init__(self, config: UpdateConfig, features: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.keys = nn.Linear(config.latent + features, config.message)
        self.own = nn.Linear(config.latent, config.message, bias=False)
        self.relation = nn.Linear(RELATION, config.message, bias=False)
        self.score = nn.Linear(config.message, config.heads)

    def forward(
        self, z: Float[Tensor, "*r d"], relation: Float[Tensor, "*r k f"], unit: Float[Tensor, "*r k 2"], near: Near
    ) -> tuple[Float[Tensor, "*r m"], Float[Tensor, "*r a 2"]]:
        """Returns the mixed messages and, per head, the mean direction of those listened to."""
        hidden = torch.relu(self.relation(relation) + near.key + self.own(z)[..., None, :])  # r k m
        score = self.score(hidden).masked_fill(~near.valid[..., None], -1e4)
        share = score.softmax(-2) * near.valid[..., None]  # r k a
        direction = share.transpose(-1, -2) @ unit  # r a 2
        split = hidden.reshape(*hidden.shape[:-1], self.heads, -1)  # r k a m/a
        return (split * share[..., None]).sum(-3).flatten(-2), direction


class Update(nn.Module):
    """Moves bodies one step on."""

    def __init__(self, config: UpdateConfig, features: int) -> None:
        super().__init__()
        self.config = config
        self.attend = Attend(config, features)
        self.basis = config.heads + 3
        points = len(config.probe_radii) * config.probes
        inputs = config.latent + config.message + 2 * config.heads + points + 12
        self.first = nn.Linear(inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.parts = (config.latent, 2 * self.basis, 2 * self.basis, 2, 2, 2, 1, 1, 1)
        self.last = nn.Linear(config.hidden, sum(self.parts))
        self.leak = nn.Parameter(torch.full((config.latent,), -2.0))
        self.register_buffer("ring", ring(config.probe_radii, config.probes, torch.device("cpu")), persistent=False)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()

    def body(
        self,
        pose: Float[Tensor, "*r 4"],
        heading: Float[Tensor, "*r 2"],
        z: Float[Tensor, "*r d"],
        variance: Float[Tensor, "*r"],
        terrain: Terrain,
    ) -> Body:
        """Completes a body with what the map says about its place."""
        return Body(pose, heading, z, variance, *terrain.slope(pose[..., :2]))

    def forward(self, body: Body, near: Near, terrain: Terrain) -> tuple[Body, Float[Tensor, "*r 2"]]:
        """Moves `body` on by DT. Returns it with the logits of (player fires, is alive)."""
        config = self.config
        relation, unit = relate(body.pose, body.heading, near.pose, near.heading, terrain)
        message, direction = self.attend(body.z, relation, unit, near)
        velocity = body.pose[..., 2:]
        around = terrain.nearest(body.pose[..., None, :2] + self.ring).clamp(-1, 3) / 3
        plain = torch.stack([body.clearance.clamp(max=3) / 3, body.variance.sqrt() * 0.2], -1)
        speed = velocity.norm(dim=-1, keepdim=True) * 0.2
        inputs = [
            body.z,
            message,
            direction.flatten(-2),
            around,
            velocity * 0.2,
            speed,
            body.heading,
            body.pose[..., :2] / 12,
            body.slope,
        ]
        hidden = torch.relu(self.first(torch.cat([*inputs, plain, self._along(body)], -1)))
        hidden = torch.relu(self.second(hidden))
        drift, pull, turn, free, free_turn, push, growth, fires, alive = self.last(hidden).split(self.parts, -1)

        basis = torch.cat(
            [direction, (velocity * 0.2)[..., None, :], body.heading[..., None, :], body.slope[..., None, :]], -2
        )
        change = _bounded((_steer(basis, pull) + free) * 4, config.max_turn_speed)
        moved = _bounded(velocity + change, config.max_speed)
        place = body.pose[..., :2] + (velocity + moved) * (DT / 2) + _bounded(push * 0.1, 0.1)
        clearance, slope = terrain.slope(place)
        inside = (config.radius - clearance).clamp(0, 0.5)
        place = place + slope * inside[..., None]
        heading = body.heading + _steer(basis, turn) + free_turn
        heading = heading / (heading.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        variance = (body.variance + torch.nn.functional.softplus(growth[..., 0]) * 0.1).clamp(max=144.0)
        z = body.z + torch.sigmoid(self.leak) * (drift - body.z)
        return Body(torch.cat([place, moved], -1), heading, z, variance, clearance + inside, slope), torch.cat(
            [fires, alive], -1
        )

    def _along(self, body: Body) -> Float[Tensor, "*r 1"]:
        return (body.slope * body.pose[..., 2:]).sum(-1, keepdim=True) * 0.2


def _steer(basis: Float[Tensor, "*r v 2"], weights: Float[Tensor, "*r w"]) -> Float[Tensor, "*r 2"]:
    """Sums the vectors, each scaled and turned by a learned pair: directions generalise over rotations."""
    forward, sideways = weights.chunk(2, -1)
    x = (forward * basis[..., 0] - sideways * basis[..., 1]).sum(-1)
    y = (forward * basis[..., 1] + sideways * basis[..., 0]).sum(-1)
    return torch.stack([x, y], -1)


def _bounded(vector: Float[Tensor, "*r 2"], limit: float) -> Float[Tensor, "*r 2"]:
    """Shortens vectors longer than `limit`."""
    length = (vector.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    return vector * (limit / length).clamp(max=1)
