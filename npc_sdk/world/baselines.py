"""Forecasts without learning: the honest comparison, and what runs before a model is trained."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from npc_sdk.tensors import Scene
from npc_sdk.world.forecast import DT, EVENTS, PLAYER_SLOT, Decision, Imagined, Memory, Mode, everybody, integrate

# Standing bodies keep some uncertainty: fitted by eye to arena play, in m and m/s.
_SIGMA_SEEN, _SIGMA_GROWTH = 0.05, 1.5
_HIT_RANGE = 16.0  # m


class ConstantVelocity:
    """Everybody keeps the last velocity that was seen; an unseen player has kept it since, for at most `patience`.

    Args:
        patience: s after which an unseen player is thought to have stopped; endless drift would leave the map.
        device: where memories are made.
    """

    def __init__(self, patience: float = 0.5, device: torch.device | None = None) -> None:
        self.patience = patience
        self.device = device or torch.device("cpu")

    def start(self, b: int, e: int) -> Memory:
        zeros = torch.zeros(b, e, 4, device=self.device)
        known = torch.zeros(b, e, dtype=torch.bool, device=self.device)
        heading = torch.zeros(b, e, 2, device=self.device)
        return Memory(zeros[..., :0], zeros, heading, zeros[..., 0], known, zeros[:, :0])

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        drifting = (~scene.seen & memory.known & (scene.age < self.patience + 1e-6))[..., None]
        stopped = torch.cat([memory.pose[..., :2], torch.zeros_like(memory.pose[..., 2:])], -1)
        moved = torch.cat([memory.pose[..., :2] + memory.pose[..., 2:] * DT, memory.pose[..., 2:]], -1)
        unseen = torch.where(drifting, moved, stopped)
        first = scene.seen | ~memory.known
        pose = torch.where(first[..., None], scene.pose, unseen)
        heading = torch.where(first[..., None], scene.heading, memory.heading)
        sigma = (_SIGMA_SEEN + _SIGMA_GROWTH * scene.age).clamp(max=12.0)
        return Memory(memory.z, pose, heading, sigma**2, scene.mask, memory.trace)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        return _unmoved_by_plans(memory, scene, decision, memory.pose[:, PLAYER_SLOT, 2:])


class Frozen(ConstantVelocity):
    """Everybody but the NPCs stays where last seen: what a game gets with no forecast at all."""

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        sigma = (_SIGMA_SEEN + _SIGMA_GROWTH * scene.age).clamp(max=12.0)
        return Memory(memory.z, scene.pose, scene.heading, sigma**2, scene.mask, memory.trace)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        return _unmoved_by_plans(memory, scene, decision, torch.zeros_like(memory.pose[:, PLAYER_SLOT, 2:]))


def _unmoved_by_plans(memory: Memory, scene: Scene, decision: Decision, drift: Float[Tensor, "b 2"]) -> Imagined:
    n, s, h, _ = decision.moves.shape
    at = decision.scene_index
    own = integrate(scene.pose[at, decision.slot][:, None].expand(n, s, 4), decision.moves)
    path = integrate(memory.pose[:, PLAYER_SLOT], drift[:, None].expand(-1, h, 2))  # b h 4
    facing = memory.heading[:, PLAYER_SLOT][:, None].expand(-1, h, 2)
    player = torch.cat([path, facing], -1)[at][:, None].expand(n, s, h, 6)
    spread = widening(memory, h)[at][:, None].expand(n, s, h)
    others = everybody(scene, decision.committed).clone()
    others[:, PLAYER_SLOT] = path
    return Imagined(own, player, spread, others, prior_events(own, player))


def widening(memory: Memory, h: int) -> Float[Tensor, "b h"]:
    """Lets the uncertainty of the player's place grow with time, m."""
    now = memory.variance[:, PLAYER_SLOT, None].sqrt()
    return (now + torch.arange(1, h + 1, device=now.device) * DT * _SIGMA_GROWTH).clamp(max=12.0)


def prior_events(own: Float[Tensor, "n s h 4"], player: Float[Tensor, "n s h 6"]) -> Float[Tensor, "n s h q"]:
    """Guesses hits from range and facing alone, walls ignored: a prior, not a claim."""
    gap = own[..., :2] - player[..., :2]
    distance = gap.norm(dim=-1)
    near = (1 - distance / _HIT_RANGE).clamp(0, 1)
    faced = ((gap * player[..., 4:]).sum(-1) / distance.clamp(min=1e-3)).clamp(0, 1)
    columns = {"hit_taken": 0.05 * near * faced, "hit_dealt": 0.03 * near, "player_fires": 0.2 * near * faced}
    return torch.stack([columns[name] for name in EVENTS], -1)
