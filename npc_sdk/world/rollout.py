"""Three ways to imagine from one rule: everybody per candidate, one shared forecast, or deciding NPC and player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from npc_sdk.tensors import Grids, Scene
from npc_sdk.world import quick
from npc_sdk.world.destinations import Ways
from npc_sdk.world.forecast import PLAYER_SLOT, Decision, Imagined, Memory, everybody, integrate
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, Near, Update, parked

PairHead = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Rolled:
    """An interactive rollout: entry k of an axis `h` is the state after model step k + 1."""

    others: Float[Tensor, "b e h 4"]  # the player's entry included
    heading: Float[Tensor, "b h 2"]  # of the player
    z: Float[Tensor, "b h d"]  # predicted latent of the player
    variance: Float[Tensor, "b h"]
    logits: Float[Tensor, "b h 2"]  # player fires, player is alive


def nearest(
    place: Float[Tensor, "b e 2"], mask: Bool[Tensor, "b e"], centre: Float[Tensor, "b 2"], count: int
) -> Int[Tensor, "b k"]:
    """Finds the slots of the `count` valid bodies nearest to each player."""
    others = PLAYER_SLOT + 1
    far = (place[:, others:] - centre[:, None]).square().sum(-1).masked_fill(~mask[:, others:], 1e6)
    return far.topk(min(count, far.shape[1]), dim=1, largest=False).indices + others


def pick(table: Shaped[Tensor, "b e *f"], index: Int[Tensor, "b k"]) -> Shaped[Tensor, "b k *f"]:
    """Takes the slots `index` of each scene."""
    rows = torch.arange(len(index), device=index.device)[:, None]
    return table[rows, index]


def roll(update: Update, memory: Memory, scene: Scene, moves: Float[Tensor, "b e h 2"]) -> Rolled:
    """Rolls every scene on once: NPCs by `moves`, projectiles by their velocity, the player by the rule."""
    terrain = Terrain.of(scene.walls, scene.map_index)
    others = everybody(scene, moves)
    body = _player(update, memory, terrain)
    index = nearest(scene.pose[..., :2], scene.mask, body.pose[:, :2], update.config.neighbours)
    near = Near(
        pick(scene.heading, index), update.attend.keys(pick(_known(memory, scene), index)), pick(scene.mask, index)
    )
    acting = pick(_acting(scene.pose, others, scene.npcs[..., None]), index)  # b k h 4
    ways = Ways.of(memory.trace, scene.places, scene.map_index)
    course = quick.alone(update, body, near, acting.permute(2, 0, 1, 3), ways, terrain)
    pose, heading = course.path.split((4, 2), -1)  # b h .
    others = torch.cat([pose[:, None], others[:, PLAYER_SLOT + 1 :]], 1)
    return Rolled(others, heading, course.z, course.variance, course.logits)


def _acting(
    start: Float[Tensor, "*#r 4"], path: Float[Tensor, "*#r h 4"], npc: Bool[Tensor, "*#r 1"] | None = None
) -> Float[Tensor, "*#r h 4"]:
    """Where each body is when a step begins, with the velocity it has within the step; NPCs are parked there."""
    before = torch.cat([start[..., None, :2], path[..., :-1, :2]], -2)
    return parked(torch.cat([before, path[..., 2:]], -1), npc)


def _known(memory: Memory, scene: Scene) -> Float[Tensor, "b e k"]:
    return torch.cat([memory.z, scene.features], -1)


def interactive(update: Update, pair: PairHead, memory: Memory, scene: Scene, decision: Decision) -> Imagined:
    """Rolls a whole copy of the scene per candidate: exact but dear; for elites and checks."""
    n, s, h, _ = decision.moves.shape
    at = decision.scene_index.repeat_interleave(s)  # ns
    moves = decision.committed[at].clone()
    moves[torch.arange(n * s, device=at.device), decision.slot.repeat_interleave(s)] = decision.moves.reshape(
        n * s, h, 2
    )
    rolled = roll(update, memory.rows(at), _scene_rows(scene, at), moves)
    shared = roll(update, memory, scene, decision.committed)
    player = torch.cat([rolled.others[:, PLAYER_SLOT], rolled.heading], -1).reshape(n, s, h, 6)
    z = rolled.z.reshape(n, s, h, -1)
    spread, fires = rolled.variance.sqrt().reshape(n, s, h), rolled.logits[..., 0].reshape(n, s, h)
    return _imagined(pair, memory, scene, decision, player, z, spread, fires, shared.others)


def factored(update: Update, pair: PairHead, memory: Memory, scene: Scene, decision: Decision) -> Imagined:
    """Rolls the shared forecast once; candidates only move the deciding NPC."""
    n, s, h, _ = decision.moves.shape
    shared = roll(update, memory, scene, decision.committed)
    at = decision.scene_index
    player = torch.cat([shared.others[:, PLAYER_SLOT], shared.heading], -1)[at, None].expand(n, s, h, 6)
    z = shared.z[at, None].expand(n, s, h, -1)
    spread, fires = shared.variance.sqrt()[at, None].expand(n, s, h), shared.logits[at, None, :, 0].expand(n, s, h)
    return _imagined(pair, memory, scene, decision, player, z, spread, fires, shared.others)


def duet(update: Update, pair: PairHead, memory: Memory, scene: Scene, decision: Decision) -> Imagined:
    """Rolls the deciding NPC and the player per candidate; the rest follow their committed plans.

    The committed plan of each deciding NPC rides along as one more candidate, so the shared forecast of the player
    costs no pass of its own. Scenes in which nobody decides keep the player's last velocity in `others`.
    """
    n, s, h, _ = decision.moves.shape
    at, slot = decision.scene_index, decision.slot
    rows = torch.arange(n, device=at.device)
    moves = torch.cat([decision.moves, decision.committed[at, slot][:, None]], 1)  # n s+1 h 2
    start = scene.pose[at, slot][:, None].expand(n, s + 1, 4)
    mine = _acting(start, integrate(start, moves))[:, :, None]  # n s+1 1 h 4
    others = everybody(scene, decision.committed)

    mask = scene.mask[at].clone()
    mask[rows, slot] = False
    player = memory.pose[:, PLAYER_SLOT, :2]
    index = torch.cat(
        [slot[:, None], nearest(scene.pose[at, :, :2], mask, player[at], update.config.neighbours - 1)], 1
    )  # n k
    mask[rows, slot] = True
    keys = update.attend.keys(_known(memory, scene))[at]
    near = Near(pick(scene.heading[at], index)[:, None], pick(keys, index)[:, None], pick(mask, index)[:, None])
    theirs = _acting(scene.pose, others, scene.npcs[..., None])[at]
    rest = pick(theirs, index[:, 1:])[:, None].expand(n, s + 1, -1, h, 4)
    acting = torch.cat([mine, rest], 2).permute(3, 0, 1, 2, 4).contiguous()  # h n s+1 k 4

    body = _spread_out(_player(update, memory, Terrain.of(scene.walls, scene.map_index)), at, s + 1)
    terrain = Terrain.of(scene.walls, scene.map_index[at][:, None])
    ways = Ways.of(memory.trace, scene.places, scene.map_index).rows(at[:, None])
    course = quick.run(update, body, near, acting, ways, terrain)
    others = others.clone()
    others[at, PLAYER_SLOT] = course.path[:, s, :, :4]
    z, spread, fires = course.z[:, :s], course.variance[:, :s].sqrt(), course.logits[:, :s, :, 0]
    return _imagined(pair, memory, scene, decision, course.path[:, :s], z, spread, fires, others)


def _imagined(
    pair: PairHead,
    memory: Memory,
    scene: Scene,
    decision: Decision,
    player: Tensor,
    z: Tensor,
    spread: Tensor,
    fires: Tensor,
    others: Tensor,
) -> Imagined:
    """Completes a rollout with the deciding NPC's own path and the chances of events."""
    n, s = decision.moves.shape[:2]
    at, slot = decision.scene_index, decision.slot
    own = integrate(scene.pose[at, slot][:, None].expand(n, s, 4), decision.moves)
    terrain = Terrain.of(scene.walls, scene.map_index[at][:, None])
    relation = quick.related(player, parked(own), scene.heading[at, slot], terrain)
    npc = torch.cat([memory.z[at, slot], scene.features[at, slot]], -1)[:, None, None]
    hits = pair(z, npc, relation)
    events = torch.sigmoid(torch.cat([hits, fires[..., None]], -1))
    return Imagined(own=own, player=player, spread=spread, others=others, events=events)


def _player(update: Update, memory: Memory, terrain: Terrain) -> Body:
    p = PLAYER_SLOT
    return update.body(memory.pose[:, p], memory.heading[:, p], memory.z[:, p], memory.variance[:, p], terrain)


def _spread_out(body: Body, at: Tensor, s: int) -> Body:
    def out(part: Tensor) -> Tensor:
        return part[at][:, None].expand(len(at), s, *part.shape[1:])

    return Body(
        out(body.pose), out(body.heading), out(body.z), out(body.variance), out(body.clearance), out(body.slope)
    )


def _scene_rows(scene: Scene, at: Tensor) -> Scene:
    walls: Grids = scene.walls
    return Scene(
        scene.kind[at],
        scene.pose[at],
        scene.heading[at],
        scene.features[at],
        scene.mask[at],
        scene.seen[at],
        scene.age[at],
        walls,
        scene.map_index[at],
        scene.places,
    )
