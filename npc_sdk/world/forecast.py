"""What a forecast promises: it remembers, filters and imagines. Learned and plain ones are interchangeable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from npc_sdk.tensors import Scene

DT = 0.1  # s, one model step
PLAYER_SLOT = 0  # slots hold players first; this world has one player
EVENTS = ("hit_taken", "hit_dealt", "player_fires")

Mode = Literal["duet", "factored", "interactive"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a forecast carries from one observation to the next, per scene and slot."""

    z: Float[Tensor, "b e d"]  # abstract latent; width 0 for forecasts without one
    pose: Float[Tensor, "b e 4"]  # last seen, or for the player the model's own belief
    heading: Float[Tensor, "b e 2"]  # cos, sin
    variance: Float[Tensor, "b e"]  # m^2 per axis, of the believed position
    known: Bool[Tensor, "b e"]  # the slot was filled at the last observation
    trace: Float[Tensor, "b p c"]  # per place of the map, what speaks for the player going there; p may be 0

    def rows(self, index: Int[Tensor, k]) -> Memory:
        """Takes the scenes `index`, in that order."""
        return Memory(**{f.name: getattr(self, f.name)[index] for f in fields(Memory)})

    def latent(self, z: Float[Tensor, "b e d"]) -> Memory:
        """Puts another latent in, everything else kept: for ablations."""
        return replace(self, z=z)


def join(memories: Sequence[Memory]) -> Memory:
    """Stacks the memories of several games, padding them to the widest with empty slots and places."""

    def stacked(parts: list[Tensor]) -> Tensor:
        width = max(p.shape[1] for p in parts)
        return torch.cat([widened(p, width) for p in parts])

    return Memory(**{f.name: stacked([getattr(m, f.name) for m in memories]) for f in fields(Memory)})


def widened(part: Shaped[Tensor, "b w ..."], width: int) -> Shaped[Tensor, "b v ..."]:
    """Fills the second axis with zeros up to `width`, or cuts it there."""
    rest = part.new_zeros(part.shape[0], max(0, width - part.shape[1]), *part.shape[2:])
    return torch.cat([part[:, :width], rest], 1)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which NPCs decide now, and the velocity plans they compare. Plans obey the declared limits already."""

    scene_index: Int[Tensor, n]
    slot: Int[Tensor, n]
    moves: Float[Tensor, "n s h 2"]  # m/s per model step
    committed: Float[Tensor, "b e h 2"]  # what all NPCs have said they will do; used for those not deciding


@dataclass(frozen=True, slots=True)
class Imagined:
    """Where each candidate plan would lead. Entry k of an axis `h` is the state after model step k + 1."""

    own: Float[Tensor, "n s h 4"]  # the deciding NPC, integrated exactly from its moves, walls ignored
    player: Float[Tensor, "n s h 6"]  # x y vx vy cos sin
    spread: Float[Tensor, "n s h"]  # m, one sigma per axis of the player's position
    others: Float[Tensor, "b e h 4"]  # everybody under the committed plans
    events: Float[Tensor, "n s h q"]  # probability within the step, as EVENTS


@runtime_checkable
class Forecast(Protocol):
    """Anything that can say what the player and the others will do. Thread-safe after construction: holds no play."""

    def start(self, b: int, e: int) -> Memory:
        """Makes the memory of `b` scenes with `e` slots that have seen nothing."""

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        """Takes one observation in. To be called every DT seconds of game time."""

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        """Rolls every candidate out from `scene`, which `memory` has already taken in."""


def integrate(pose: Float[Tensor, "*r 4"], moves: Float[Tensor, "*r h 2"]) -> Float[Tensor, "*r h 4"]:
    """Integrates declared kinematics exactly: each step moves by velocity times DT and ends with that velocity."""
    return torch.cat([pose[..., None, :2] + moves.cumsum(-2) * DT, moves], -1)


def everybody(scene: Scene, committed: Float[Tensor, "b e h 2"]) -> Float[Tensor, "b e h 4"]:
    """Moves NPCs by their committed plans and everything else by its last velocity."""
    drift = scene.pose[:, :, None, 2:].expand_as(committed)
    moves = torch.where(scene.npcs[..., None, None], committed, drift)
    return integrate(scene.pose, moves)
