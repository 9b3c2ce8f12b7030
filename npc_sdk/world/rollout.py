"""Three ways to imagine from one rule: everybody per candidate, one shared forecast, or the deciding NPC and the player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from npc_sdk.tensors import Grids, Scene
from npc_sdk.world.forecast import PLAYER_SLOT, Decision, Imagined, Memory, everybody, integrate
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, Near, Update, relate

PairHead = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Rolled:
    """An interactive rollout: entry k of an axis `h` is the state after model step k + 1."""

    others: Float[Tensor, "b e h 4"]  # the player's entry included
    heading: Float[Tensor, "b h 2"]  # of the player
    z: Float[Tensor, "b h d"]  # predicted latent of the player
    variance: Float[Tensor, "b h"]
    logits: Float[Tensor, "b h 2"]  # player fires, player is alive


def neighbours(
    pose: Float[Tensor, "b e 4"],
    heading: Float[Tensor, "b e 2"],
    keys: Float[Tensor, "b e m"],
    mask: Bool[Tensor, "b e"],
    centre: Float[Tensor, "b c"],
    count: int,
) -> Near:
    """Finds the `count` valid bodies nearest to each player."""
    far = (pose[:, 1:, :2] - centre[:, None, :2]).square().sum(-1).masked_fill(~mask[:, 1:], 1e6)
    count = min(count, far.shape[1])
    index = far.topk(count, dim=1, largest=False).indices + PLAYER_SLOT + 1  # b k
    return Near(_pick(pose, index), _pick(heading, index), _pick(keys, index), mask.gather(1, index))


def roll(update: Update, memory: Memory, scene: Scene, moves: Float[Tensor, "b e h 2"]) -> Rolled:
    """Rolls every scene on once: NPCs by `moves`, projectiles by their velocity, the player by the rule."""
    terrain = Terrain.of(scene.walls, scene.map_index)
    others = everybody(scene, moves)
    keys = update.attend.keys(torch.cat([memory.z, scene.features], -1))
    body = _player(update, memory, terrain)
    bodies, logits = [], []
    for step in range(moves.shape[2]):
        before = scene.pose if step == 0 else others[:, :, step - 1]
        acting = torch.cat([before[..., :2], others[:, :, step, 2:]], -1)
        near = neighbours(acting, scene.heading, keys, scene.mask, body.pose, update.config.neighbours)
        body, logit = update(body, near, terrain)
        bodies.append(body)
        logits.append(logit)
    path = torch.stack([b.pose for b in bodies], 1)  # b h 4
    others = torch.cat([path[:, None], others[:, PLAYER_SLOT + 1 :]], 1)
    return Rolled(
        others=others,
        heading=torch.stack([b.heading for b in bodies], 1),
        z=torch.stack([b.z for b in bodies], 1),
        variance=torch.stack([b.variance for b in bodies], 1),
        logits=torch.stack(logits, 1),
    )


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

    The committed plan of each deciding NPC rides along as one more candidate, so the shared forecast of the player costs no pass of its own. Scenes in
    which nobody decides keep the player's last velocity in `others`.
    """
    n, s, h, _ = decision.moves.shape
    at, slot = decision.scene_index, decision.slot
    moves = torch.cat([decision.moves, decision.committed[at, slot][:, None]], 1)  # n s+1 h 2
    own = integrate(scene.pose[at, slot][:, None].expand(n, s + 1, 4), moves)
    others = everybody(scene, decision.committed)
    keys = update.attend.keys(torch.cat([memory.z, scene.features], -1))
    body = _spread_out(_player(update, memory, Terrain.of(scene.walls, scene.map_index)), at, s + 1)
    terrain = Terrain.of(scene.walls, at[:, None] * 0 + scene.map_index[at][:, None])
    cast = _Cast.of(scene, keys, at, slot)
    bodies, logits = [], []
    for step in range(h):
        before, mine = (
            (scene.pose[at], scene.pose[at, slot][:, None, :2].expand(n, s + 1, 2))
            if step == 0
            else (others[at, :, step - 1], own[:, :, step - 1, :2])
        )
        acting = torch.cat([before[..., :2], others[at, :, step, 2:]], -1)  # n e 4
        near = cast.near(acting, torch.cat([mine, own[:, :, step, 2:]], -1), body.pose, update.config.neighbours)
        body, logit = update(body, near, terrain)
        bodies.append(body)
        logits.append(logit)
    path = torch.cat(
        [torch.stack([b.pose for b in bodies], 2), torch.stack([b.heading for b in bodies], 2)], -1
    )  # n s+1 h 6
    others = others.clone()
    others[at, PLAYER_SLOT] = path[:, s, :, :4]
    z = torch.stack([b.z for b in bodies], 2)[:, :s]
    spread = torch.stack([b.variance for b in bodies], 2)[:, :s].sqrt()
    fires = torch.stack(logits, 2)[:, :s, :, 0]
    return _imagined(pair, memory, scene, decision, path[:, :s], z, spread, fires, others)


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who plays in a duet: the deciding NPC per candidate, the rest per scene."""

    heading: Float[Tensor, "n e 2"]
    keys: Float[Tensor, "n e m"]
    mask: Bool[Tensor, "n e"]
    own_heading: Float[Tensor, "n 1 1 2"]
    own_key: Float[Tensor, "n 1 1 m"]

    @staticmethod
    def of(scene: Scene, keys: Float[Tensor, "b e m"], at: Tensor, slot: Tensor) -> _Cast:
        mask = scene.mask[at].clone()
        mask[torch.arange(len(at), device=at.device), slot] = False
        return _Cast(
            scene.heading[at], keys[at], mask, scene.heading[at, slot][:, None, None], keys[at, slot][:, None, None]
        )

    def near(
        self, acting: Float[Tensor, "n e 4"], mine: Float[Tensor, "n s 4"], player: Float[Tensor, "n s 4"], count: int
    ) -> Near:
        """Joins the deciding NPC with those nearest to where the candidates' players are on average."""
        rest = neighbours(acting, self.heading, self.keys, self.mask, player.mean(1), count - 1)
        n, s, k = *mine.shape[:2], rest.valid.shape[1]

        def joined(own: Tensor, others: Tensor) -> Tensor:
            return torch.cat([own.expand(n, s, 1, own.shape[-1]), others[:, None].expand(n, s, k, own.shape[-1])], 2)

        valid = torch.cat([torch.ones_like(rest.valid[:, None, :1]), rest.valid[:, None]], 2).expand(n, s, k + 1)
        return Near(
            joined(mine[:, :, None], rest.pose),
            joined(self.own_heading, rest.heading),
            joined(self.own_key, rest.key),
            valid,
        )


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
    n, s, h, _ = decision.moves.shape
    at, slot = decision.scene_index, decision.slot
    own = integrate(scene.pose[at, slot][:, None].expand(n, s, 4), decision.moves)
    terrain = Terrain.of(scene.walls, scene.map_index[at][:, None, None].expand(n, s, h))
    facing = scene.heading[at, slot][:, None, None, None].expand(n, s, h, 1, 2)
    relation, _ = relate(player[..., :4], player[..., 4:], own[..., None, :], facing, terrain)
    npc = torch.cat([memory.z[at, slot], scene.features[at, slot]], -1)[:, None, None]
    hits = pair(z, npc, relation[..., 0, :])
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
    )


def _pick(table: Float[Tensor, "b e f"], index: Tensor) -> Float[Tensor, "b k f"]:
    return table.gather(1, index[..., None].expand(*index.shape, table.shape[-1]))
