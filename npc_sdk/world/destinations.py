"""Where the player may be going: places of the map are scored, and the way to the likely ones leads the rollout.

A rule that looks a few metres around cannot foresee a run round three corners to a hiding place. Forecasting where
somebody will be in a few seconds first, and the way there second, is what target-driven trajectory prediction does
(TNT, arXiv 2008.08294); here the targets are places spread over the floor and the ways follow the map's path fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from npc_sdk.geometry.roads import CELL
from npc_sdk.kernels.arrays import serves
from npc_sdk.kernels.places import INPUTS
from npc_sdk.tensors import Places
from npc_sdk.world.forecast import widened
from npc_sdk.world.scoring import by_kernel

AHEAD = (15, 30)  # model steps at which each of the two guesses says where the player is
TRACE = len(AHEAD) + 2  # per place: the logit of each guess, and the way there as a fast and a slow average
AIM = 3 * len(AHEAD)  # numbers that lead the rule: per guess, metres of way left and the direction to go
_FAST, _SLOW = 0.3, 0.07  # per step
_INPUTS = INPUTS + len(AHEAD)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the scorer reads: the player, and the NPCs near it."""

    place: Float[Tensor, "b 2"]
    seen: Bool[Tensor, "b 1"]
    known: Bool[Tensor, "b 1"]
    others: Float[Tensor, "b k 2"]
    valid: Bool[Tensor, "b k"]


class Destinations(nn.Module):
    """Filters, per place, how likely the player is there after each of `AHEAD` steps."""

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.place = nn.Linear(_INPUTS, hidden)
        self.context = nn.Linear(latent, hidden, bias=False)
        self.out = nn.Linear(hidden, len(AHEAD))
        self.keep = nn.Parameter(torch.tensor([0.0, 1.0]))

    def forward(
        self,
        trace: Float[Tensor, "b v c"],
        z: Float[Tensor, "b d"],
        looked: Looked,
        places: Places,
        index: Int[Tensor, " b"],
    ) -> Float[Tensor, "b p c"]:
        """Returns the trace after one more observation."""
        trace = widened(trace, places.spots.shape[1])
        if serves(trace):
            return by_kernel(self, trace, z, looked, places, index, (_FAST, _SLOW))
        return self.by_rule(trace, z, looked, places, index)

    def by_rule(
        self,
        trace: Float[Tensor, "b p c"],
        z: Float[Tensor, "b d"],
        looked: Looked,
        places: Places,
        index: Int[Tensor, " b"],
    ) -> Float[Tensor, "b p c"]:
        """Says in torch what `forward` does."""
        stored, turned = places.split(index)
        spots, turn = places.spots[stored], places.turns[turned]  # b p 2
        way = places.sample(index, looked.place)  # b p
        logits, past = trace.split(len(AHEAD), -1)
        fast, slow = torch.where(looked.known[..., None], past, way[..., None]).unbind(-1)
        walk = (spots - looked.place[:, None] @ turn).norm(dim=-1)
        away = torch.cdist(spots, looked.others @ turn).masked_fill(~looked.valid[:, None], 99.0)
        nearest = away.amin(-1)
        inputs = [
            way / 12,
            walk / 12,
            (fast - way) / 1.5,
            (slow - way) / 4,
            nearest.clamp(max=24) / 12,
            (walk - nearest).clamp(0, 12) / 6,
            (12 - nearest).clamp(min=0) / 12,
            1 / (1 + way),
            looked.seen.expand_as(way).float(),
        ]
        features = torch.cat([torch.stack(inputs, -1).detach(), logits * 0.3], -1)
        hidden = torch.relu(self.place(features) + self.context(z)[:, None])
        logits = logits * torch.sigmoid(self.keep) * looked.known[..., None] + self.out(hidden)
        fast, slow = torch.lerp(fast, way, _FAST), torch.lerp(slow, way, _SLOW)
        return torch.cat([logits, torch.stack([fast, slow], -1).detach()], -1)


def guesses(trace: Float[Tensor, "b v c"], places: Places, index: Int[Tensor, " b"]) -> Float[Tensor, "b q p"]:
    """Returns the log chances of each guess; all places are alike for a trace that has seen nothing."""
    there = places.there[places.split(index)[0]]
    logits = widened(trace, there.shape[1])[..., : len(AHEAD)].transpose(1, 2)
    return logits.masked_fill(~there[:, None], -1e4).log_softmax(-1)


@dataclass(frozen=True, slots=True)
class Ways:
    """The path field of each scene blended by its guesses, read at the node nearest to a place."""

    share: Float[Tensor, "g q p"]  # chances of the places, per scene
    places: Places
    index: Int[Tensor, " g"]  # of the scenes' maps
    scene: Int[Tensor, "*r"]  # of each row

    @staticmethod
    @torch.no_grad()
    def of(trace: Float[Tensor, "b v c"], places: Places, index: Int[Tensor, " b"]) -> Ways:
        """Blends the ways to all places by their chances, for one row per scene."""
        share = guesses(trace, places, index).exp()
        return Ways(share, places, index, torch.arange(len(index), device=index.device))

    def rows(self, at: Int[Tensor, "*r"]) -> Ways:
        """Takes the fields of the scenes `at`."""
        return replace(self, scene=self.scene[at])

    @torch.no_grad()
    def look(self, place: Float[Tensor, "*#r 2"]) -> Float[Tensor, "*#r q"]:
        """Reads at the node nearest to each place the metres of way left and the way on, by central differences."""
        places, columns = self.places, self.places.columns
        last = torch.tensor([columns - 1.0, places.way.shape[1] // columns - 1.0], device=place.device)
        stored, turn = (part[self.scene] for part in places.split(self.index))
        at = torch.minimum(((place - places.origin[stored]) / CELL).round_().clamp_(min=0), last)
        beside = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], device=place.device)
        nodes = torch.minimum((at[..., None, :] + beside).clamp_(min=0), last)  # r 5 2
        node = (nodes @ torch.tensor([1.0, columns], device=place.device)).long()
        node = places.order[turn[..., None], node]
        way = places.way[stored[..., None], node]  # r 5 p
        left, ahead, behind = (self.share[self.scene] @ way.transpose(-1, -2)).split((1, 2, 2), -1)  # r q .
        on = ((behind - ahead) / (2 * CELL)).clamp_(-1.5, 1.5)
        return torch.cat([left / 12, on], -1).flatten(-2)


def destination_loss(
    trace: Float[Tensor, "b t p c"],
    places: Places,
    index: Int[Tensor, " b"],
    truth: Float[Tensor, "b t q 2"],
    counts: Float[Tensor, "b t q"],
) -> Float[Tensor, ""]:
    """Cross entropy of the guesses against the places near which the player really was, in metres of way."""
    b, t, p, _ = trace.shape
    q = len(AHEAD)
    rows = index.repeat_interleave(t)
    log = guesses(trace.reshape(b * t, p, -1), places, rows).reshape(b, t, q, p)
    way = places.sample(rows.repeat_interleave(q), truth.reshape(-1, 2))
    there = places.there[places.split(index)[0]][:, None, None]
    wanted = (-(way.reshape(b, t, q, p) / 1.5).square()).masked_fill(~there, -1e4).softmax(-1)
    return -(counts[..., None] * wanted * log).sum() / counts.sum().clamp(min=1)
