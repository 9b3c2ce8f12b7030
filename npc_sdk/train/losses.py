"""What training asks of a world model on one chunk of play: filter it, roll on from it, compare with what came."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from npc_sdk.belief import NEVER_S
from npc_sdk.tensors import Scene
from npc_sdk.train.dataset import Truth, Window
from npc_sdk.world import DT, PLAYER_SLOT, Memory, WorldModel
from npc_sdk.world.destinations import AHEAD, destination_loss
from npc_sdk.world.forecast import join
from npc_sdk.world.regularizers import REGULARIZERS
from npc_sdk.world.rollout import Rolled
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, parked, relate

_EVERY = 4  # observations from one start of a rollout to the next
_SOON = 3.0  # s; errors count the less the later, from about here on
_PROMPT = 0.3  # s; where it faces can hardly be known later, and whom it aims at now decides who is hit
_ASKED = 2  # NPCs per scene whose events are asked about


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part of the loss counts."""

    place: float = 1.0
    velocity: float = 0.1
    heading: float = 2.0
    onward: float = 3.0  # velocity one step after a player in sight, which no rollout's errors blur
    believed: float = 0.3  # where the filter thinks an unseen player is
    spread: float = 0.05
    embedding: float = 0.1  # predicted latent against the filtered latent of the later observation
    collapse: float = 0.5  # the regularizer
    events: float = 0.6
    destination: float = 1.0  # where the player will be, as a choice among the map's places
    unseen: float = 0.3  # weight of rollouts that start with the player out of sight
    never_seen: float = 0.05  # the same, where the squad has never seen the player


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one pass over a chunk gives."""

    loss: Float[Tensor, ""]
    parts: dict[str, Tensor]
    memory: Memory  # at the end of the chunk, detached


def chunk_loss(
    model: WorldModel,
    window: Window,
    memory: Memory,
    steps: int,
    horizon: int,
    weights: LossWeights,
    regularizer: str,
    generator: torch.Generator,
) -> Chunk:
    """Filters `steps` observations and rolls on for `horizon` from the middle and from the end."""
    states: list[Memory] = []
    predicted: list[Body] = []
    for t in range(steps):
        body, memory = model.follow(memory, window.scene(t))
        predicted.append(body)
        states.append(memory)
    starts = tuple(range(_EVERY - 1, steps, _EVERY))
    launched = join([states[t] for t in starts])
    scene = _stack([window.scene(t) for t in starts])
    rolled = model.roll(launched, scene, torch.cat([window.moves(t, horizon) for t in starts]))
    truth = _after(window, starts, horizon)
    counts = _counts(window, scene, starts, horizon, weights)
    z = torch.stack([s.z[:, PLAYER_SLOT] for s in states], 1)  # b t d
    here = window.kind[:, :steps, PLAYER_SLOT] > 0
    parts = _pose_parts(rolled, truth, counts)
    parts |= _belief_parts(window, states)
    parts["onward"] = onward_loss(window, predicted)
    parts["destination"] = _destination(window, states, weights)
    parts["events"] = _events(model, window, starts, launched, scene, rolled, truth, counts, generator)
    parts["embedding"] = _embedding(rolled, z, here & window.valid[:, :steps], starts)
    parts["collapse"] = REGULARIZERS[regularizer](z[here][:, :-1], generator)  # the last one only counts
    loss = sum((getattr(weights, name) * value for name, value in parts.items()), start=z.new_zeros(()))
    return Chunk(
        loss,
        {name: value.detach() for name, value in parts.items()} | {"sight": _in_sight(rolled, truth, counts)},
        Memory(*[_detached(memory, n) for n in Memory.__slots__]),
    )


def _in_sight(rolled: Rolled, truth: Truth, counts: Float[Tensor, "b h"]) -> Float[Tensor, ""]:
    """The error one second ahead, or as far as is rolled, from players in sight: for the progress line only."""
    late = min(counts.shape[1], 10) - 1
    gap = (rolled.others[:, PLAYER_SLOT, late, :2] - truth.player[:, late, :2]).norm(dim=-1).detach()
    return _mean(gap, counts[:, late] == 1)


def _detached(memory: Memory, name: str) -> Tensor:
    value: Tensor = getattr(memory, name)
    return value.detach()


def _stack(scenes: list[Scene]) -> Scene:
    first = scenes[0]
    names = ("kind", "pose", "heading", "features", "mask", "seen", "age")
    return Scene(
        **{n: torch.cat([getattr(s, n) for s in scenes]) for n in names},
        walls=first.walls,
        map_index=torch.cat([s.map_index for s in scenes]),
        places=first.places,
    )


def _after(window: Window, starts: tuple[int, ...], horizon: int) -> Truth:
    """The truth of the `horizon` steps after each start, stacked over starts."""
    names = ("player", "heading", "alive", "fires", "hit_taken", "hit_dealt")
    return Truth(
        **{n: torch.cat([getattr(window.truth, n)[:, t + 1 : t + 1 + horizon] for t in starts]) for n in names}
    )


def _counts(
    window: Window, scene: Scene, starts: tuple[int, ...], horizon: int, weights: LossWeights
) -> Float[Tensor, "b h"]:
    """How much each target counts: nothing once the player is dead or the fight over, little while it is unseen."""
    alive = torch.cat([(window.truth.alive & window.valid)[:, t : t + 1 + horizon] for t in starts]).float()
    there = alive.cumprod(1)[:, 1:] * (scene.kind[:, PLAYER_SLOT] > 0)[:, None]
    age = scene.age[:, PLAYER_SLOT]
    weight = torch.where(age >= NEVER_S, weights.never_seen, torch.where(age > 0, weights.unseen, 1.0))
    return there * weight[:, None]


def _pose_parts(rolled: Rolled, truth: Truth, counts: Float[Tensor, "b h"]) -> dict[str, Tensor]:
    horizon = counts.shape[1]
    ahead = torch.arange(1, horizon + 1, device=counts.device) * DT
    late = 1 / (_SOON + ahead)
    weight = counts * (late / late.mean())
    total = counts.sum().clamp(min=1)
    path = rolled.others[:, PLAYER_SLOT]
    gap = (path[..., :2] - truth.player[..., :2]).square().sum(-1)  # b h
    speed = ((path[..., 2:] - truth.player[..., 2:]).square().sum(-1) + 1e-2).sqrt()
    aside = (rolled.heading - truth.heading).square().sum(-1)  # of the ends of both unit vectors: about the angle
    prompt = counts / (_PROMPT + ahead)
    surprise = rolled.variance.log() + gap.detach().clamp(max=100) / (2 * rolled.variance)
    return {
        "place": (weight * (gap + 1e-4).sqrt()).sum() / total,
        "velocity": (weight * speed).sum() / total,
        "heading": (prompt * (aside + 1e-3).sqrt()).sum() / prompt.sum().clamp(min=1),
        "spread": (counts * surprise).sum() / total,
    }


def _belief_parts(window: Window, states: list[Memory]) -> dict[str, Tensor]:
    """The filter's own idea of where an unseen player is, against the truth."""
    steps = len(states)
    pose = torch.stack([s.pose[:, PLAYER_SLOT, :2] for s in states], 1)
    variance = torch.stack([s.variance[:, PLAYER_SLOT] for s in states], 1)
    age = window.age[:, :steps, PLAYER_SLOT]
    counts = ((age > 0) & (age < NEVER_S) & window.truth.alive[:, :steps] & window.valid[:, :steps]).float()
    gap = (pose - window.truth.player[:, :steps, :2]).square().sum(-1)
    surprise = variance.clamp(min=1e-4).log() + gap.detach().clamp(max=100) / (2 * variance.clamp(min=1e-4))
    total = counts.sum().clamp(min=1)
    return {"believed": (counts * ((gap + 1e-4).sqrt() + 0.2 * surprise)).sum() / total}


def onward_loss(window: Window, predicted: list[Body]) -> Float[Tensor, ""]:
    """Compares the velocity predicted from each observation with that of the next, while the player is in sight."""
    steps = len(predicted)
    velocity = torch.stack([body.pose[:, 2:] for body in predicted[1:]], 1)
    gap = (velocity - window.truth.player[:, 1:steps, 2:]).square().sum(-1)
    seen = window.age[:, :steps, PLAYER_SLOT] == 0
    alive = (window.truth.alive & window.valid)[:, :steps]
    return _mean((gap + 1e-2).sqrt(), seen[:, 1:] & seen[:, :-1] & alive[:, 1:] & alive[:, :-1])


def _destination(window: Window, states: list[Memory], weights: LossWeights) -> Float[Tensor, ""]:
    """Asks, at every step, at which place the player was after each of AHEAD steps."""
    steps = len(states)
    at = torch.arange(steps)[:, None] + torch.tensor(AHEAD)  # t q
    died = (~(window.truth.alive & window.valid)).long().cumsum(1)
    lives = (died[:, at] == died[:, :steps, None]) & window.valid[:, :steps, None]
    age = window.age[:, :steps, PLAYER_SLOT]
    weight = torch.where(age >= NEVER_S, weights.never_seen, torch.where(age > 0, weights.unseen, 1.0))
    counts = lives * (window.kind[:, :steps, PLAYER_SLOT] > 0)[..., None] * weight[..., None]
    trace = torch.stack([s.trace for s in states], 1)
    return destination_loss(trace, window.places, window.map_index, window.truth.player[:, at, :2], counts)


def _events(
    model: WorldModel,
    window: Window,
    starts: tuple[int, ...],
    launched: Memory,
    scene: Scene,
    rolled: Rolled,
    truth: Truth,
    counts: Float[Tensor, "b h"],
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Asks a few NPCs per scene whether they hit or are hit, and the player whether it fires."""
    b, h = counts.shape
    chance = torch.rand(scene.kind.shape, generator=generator, device=generator.device).to(counts)
    slots = (chance * scene.npcs).topk(_ASKED, dim=1).indices  # b a
    rows = torch.arange(b, device=slots.device)[:, None]
    after = torch.cat([window.pose[:, t + 1 : t + 1 + h] for t in starts])  # b h e 4
    npc = parked(after.transpose(1, 2)[rows, slots].transpose(1, 2))  # b h a 4
    terrain = Terrain.of(scene.walls, scene.map_index[:, None].expand(b, h))
    facing = scene.heading[rows, slots][:, None].expand(b, h, _ASKED, 2)
    relation, _ = relate(rolled.others[:, PLAYER_SLOT], rolled.heading, npc, facing, terrain)
    latent = torch.cat([launched.z[rows, slots], scene.features[rows, slots]], -1)[:, None]
    hits = model.pair(rolled.z[:, :, None], latent, relation)  # b h a 2
    asked = [getattr(truth, name).transpose(1, 2)[rows, slots].transpose(1, 2) for name in ("hit_taken", "hit_dealt")]
    there = scene.npcs[rows, slots][:, None] * (counts > 0)[..., None]
    pairs = _mean(binary_cross_entropy_with_logits(hits, torch.stack(asked, -1), reduction="none").sum(-1), there)
    fires = _mean(binary_cross_entropy_with_logits(rolled.logits[..., 0], truth.fires, reduction="none"), counts > 0)
    lives = _mean(
        binary_cross_entropy_with_logits(rolled.logits[..., 1], truth.alive.float(), reduction="none"), counts >= 0
    )
    return pairs + fires + 0.2 * lives


def _mean(values: Float[Tensor, ...], there: Bool[Tensor, ...]) -> Float[Tensor, ""]:
    return (values * there).sum() / there.sum().clamp(min=1)


def _embedding(
    rolled: Rolled, z: Float[Tensor, "b t d"], here: Bool[Tensor, "b t"], starts: tuple[int, ...]
) -> Float[Tensor, ""]:
    """Compares predicted latents with the filtered ones of the observations that came.

    No gradient is stopped: the encoder, too, is drawn to what can be predicted, which filters noise out; heads and
    regularizer forbid the collapse that a stopped gradient would otherwise have to prevent (LeJEPA does the same).
    """
    b, steps = z.shape[:2]
    start = starts[0]
    ahead = min(steps - 1 - start, rolled.z.shape[1])
    gap = (rolled.z[:b, :ahead] - z[:, start + 1 : start + 1 + ahead]).square().mean(-1)
    return _mean(gap, here[:, start + 1 : start + 1 + ahead] & here[:, start, None])
