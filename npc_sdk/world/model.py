"""The world model: filters what a squad sees into a latent per entity, and imagines where plans lead."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from npc_sdk.tensors import FEATURES, Scene
from npc_sdk.world import quick
from npc_sdk.world.destinations import AIM, TRACE, Destinations, Looked, Ways
from npc_sdk.world.forecast import DT, PLAYER_SLOT, Decision, Imagined, Memory, Mode
from npc_sdk.world.rollout import Rolled, duet, factored, interactive, nearest, pick, roll
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import RELATION, Body, Near, Update, UpdateConfig, course, parked, seen_from

DOUBT_LOOKS = 50  # at nobody in particular that a habit begins with: 5 s. Another number: another checkpoint version
WATCHED_S = 10.0  # s, what the last number of z counts the time in sight in


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that fixes the shape of a world model's weights."""

    features: tuple[str, ...] = FEATURES
    update: UpdateConfig = field(default_factory=UpdateConfig)
    filter_hidden: int = 96
    event_hidden: int = 32
    destination_hidden: int = 32
    trait_hidden: int = 192


class Filter(nn.Module):
    """A gated cell: blends the predicted latent with what the observation says.

    Beside it a player's z holds its habit: the mean of what was made of it at all times it was in sight, drawn to zero
    while they are few (`DOUBT_LOOKS`), and last how long that was (`WATCHED_S`). A mean over a fight tells who plays
    where no moment does, and training through a second of play would not teach a gate to keep it.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        update, hidden = config.update, config.filter_hidden
        self.latent, self.habit = update.latent, update.habit
        self.seen = nn.Linear(len(config.features) + 8 + RELATION, hidden)
        self.surprise = nn.Linear(11 + AIM + update.message + 2 * update.heads, hidden, bias=False)  # players only
        self.carried = nn.Linear(update.hidden_state, hidden, bias=False)
        self.out = nn.Linear(hidden, 2 * update.latent)
        self.trait = nn.Sequential(
            nn.Linear(self.seen.in_features + self.surprise.in_features + update.latent, config.trait_hidden),
            nn.ReLU(),
            nn.Linear(config.trait_hidden, update.habit - 1),
        )
        self.search = nn.Linear(update.hidden_state, 3)
        with torch.no_grad():
            self.out.bias[: update.latent] = torch.linspace(-0.5, -4.5, update.latent)  # remembers for 0.3 s to 9 s
            self.out.weight[update.latent :].mul_(4)  # latents of about unit size from the start
            self.search.weight.mul_(0.1)

    def forward(
        self,
        z: Float[Tensor, "b e d"],
        inputs: Float[Tensor, "b e f"],
        mask: Bool[Tensor, "b e"],
        surprise: Float[Tensor, "b q"],
        seen: Bool[Tensor, "b 1"],
    ) -> Float[Tensor, "b e d"]:
        """Returns z after the observation, zero where nobody is; `seen` says whether the player is in sight."""
        b, e, d = z.shape
        there = mask.clone()
        there[:, PLAYER_SLOT] = True
        rows = there.flatten().nonzero()[:, 0]  # most fights have fewer bodies than there is room for
        before = z.flatten(0, 1).index_select(0, rows)
        hidden = self.seen(inputs.flatten(0, 1)[rows]) + self.carried(before)
        players = (rows % e == PLAYER_SLOT).nonzero()[:, 0]
        hidden = torch.relu(hidden.index_add(0, players, self.surprise(surprise)))
        gate, candidate = self.out(hidden).chunk(2, -1)
        latent = torch.lerp(before[:, : self.latent], candidate, torch.sigmoid(gate))
        image = self.trait(torch.cat([inputs[:, PLAYER_SLOT], surprise, z[:, PLAYER_SLOT, : self.latent]], -1))
        habit = latent.new_zeros(len(rows), self.habit)
        habit = habit.index_copy(0, players, self._settled(z[:, PLAYER_SLOT, self.latent :], image, seen))
        blended = torch.cat([latent, habit], -1) * mask.flatten()[rows, None]
        return z.new_zeros(b * e, d).index_copy(0, rows, blended).reshape(b, e, d)

    def _settled(
        self, habit: Float[Tensor, "b h"], image: Float[Tensor, "b h-1"], seen: Bool[Tensor, "b 1"]
    ) -> Float[Tensor, "b h"]:
        """Takes one more look into the mean."""
        looks = habit[:, -1:] * (WATCHED_S / DT)
        share = seen / (looks + 1 + DOUBT_LOOKS)
        traits = habit[:, :-1] + share * (image - habit[:, :-1])
        return torch.cat([traits, (looks + seen.to(looks)) * (DT / WATCHED_S)], -1)


class EventHead(nn.Module):
    """Says how likely this NPC is hit by, or hits, the player within the step."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.player = nn.Linear(config.update.hidden_state, config.event_hidden)
        self.npc = nn.Linear(config.update.hidden_state + len(config.features), config.event_hidden, bias=False)
        self.relation = nn.Linear(RELATION, config.event_hidden, bias=False)
        self.out = nn.Linear(config.event_hidden, 2)

    def forward(
        self, player: Float[Tensor, "*#r d"], npc: Float[Tensor, "*#r e"], relation: Float[Tensor, "*#r f"]
    ) -> Float[Tensor, "*#r 2"]:
        """Returns the logits of (hit_taken, hit_dealt); `npc` is latent and features joined."""
        logits: Tensor = self.out(torch.relu(self.player(player) + self.npc(npc) + self.relation(relation)))
        return logits


class WorldModel(nn.Module):
    """Joint-embedding world model over entity sets; implements `Forecast`.

    Pose and velocity are explicit and integrated. `z` holds what is hidden. NPC poses follow their given moves exactly;
    the player's follow the update rule; projectiles fly on. One rule serves filter, training and all ways to imagine.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.update = Update(self.config.update, len(self.config.features))
        self.cell = Filter(self.config)
        self.pair = EventHead(self.config)
        self.destinations = Destinations(self.config.update.hidden_state, self.config.destination_hidden)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.update.leak.device

    def start(self, b: int, e: int) -> Memory:
        like = self.update.leak
        pose = like.new_zeros(b, e, 4)
        known = torch.zeros(b, e, dtype=torch.bool, device=like.device)
        z, trace = like.new_zeros(b, e, self.config.update.hidden_state), like.new_zeros(b, 0, TRACE)
        return Memory(z, pose, pose[..., :2], pose[..., 0], known, trace)

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        return self.follow(memory, scene)[1]

    def follow(self, memory: Memory, scene: Scene) -> tuple[Body, Memory]:
        """Filters one observation; returns with it the player as it was predicted before that was taken in."""
        terrain = Terrain.of(scene.walls, scene.map_index)
        player = PLAYER_SLOT
        known = memory.known[:, player, None]
        place = torch.where(known, memory.pose[:, player], scene.pose[:, player])
        index = nearest(scene.pose[..., :2], scene.mask, place[:, :2], self.config.update.neighbours)
        ways = Ways.of(memory.trace, scene.places, scene.map_index)
        predicted = self._predict(memory, scene, place, index, ways, terrain)
        return predicted, self._correct(memory, scene, predicted, index, ways, terrain)

    def roll(self, memory: Memory, scene: Scene, moves: Float[Tensor, "b e h 2"]) -> Rolled:
        """Rolls all entities on together, NPCs by their moves: the interactive core, also what is trained."""
        return roll(self.update, memory, scene, moves)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        if mode == "duet":
            return duet(self.update, self.pair, memory, scene, decision)
        if mode == "factored":
            return factored(self.update, self.pair, memory, scene, decision)
        return interactive(self.update, self.pair, memory, scene, decision)

    def _predict(
        self,
        memory: Memory,
        scene: Scene,
        place: Float[Tensor, "b 4"],
        index: Int[Tensor, "b k"],
        ways: Ways,
        terrain: Terrain,
    ) -> Body:
        """Moves the remembered player on by the NPC moves that really happened."""
        player = PLAYER_SLOT
        heading = torch.where(memory.known[:, player, None], memory.heading[:, player], scene.heading[:, player])
        body = self.update.body(place, heading, memory.z[:, player], memory.variance[:, player], terrain)
        now, known = pick(scene.pose, index), pick(memory.known, index)[..., None]
        before = torch.where(known, pick(memory.pose, index)[..., :2], now[..., :2])
        moved = torch.where(known, (now[..., :2] - before) / DT, now[..., 2:])
        others = parked(torch.cat([before, moved], -1), pick(scene.npcs, index))
        return quick.moved(self.update, body, self._near(memory.z, scene, index), others, ways, terrain)

    def _near(self, z: Float[Tensor, "b e d"], scene: Scene, index: Int[Tensor, "b k"]) -> Near:
        keys = self.update.attend.keys(torch.cat([pick(z, index), pick(scene.features, index)], -1))
        return Near(pick(scene.heading, index), keys, pick(scene.mask, index))

    def _correct(
        self,
        memory: Memory,
        scene: Scene,
        predicted: Body,
        index: Int[Tensor, "b k"],
        ways: Ways,
        terrain: Terrain,
    ) -> Memory:
        """Takes the observation in: pose where seen, own belief where not, and the latent everywhere."""
        player = PLAYER_SLOT
        seen, known = scene.seen[:, player, None], memory.known[:, player, None]
        pose = torch.where(seen | ~known, scene.pose[:, player], predicted.pose)
        heading = torch.where(seen | ~known, scene.heading[:, player], predicted.heading)
        z = torch.cat([predicted.z[:, None], memory.z[:, player + 1 :]], 1) * memory.known[..., None]
        near = self._near(z, scene, index)
        around = parked(torch.cat([pose[:, None], scene.pose[:, player + 1 :]], 1), scene.npcs)
        facing = torch.cat([heading[:, None], scene.heading[:, player + 1 :]], 1)
        relation, unit = quick.around(pose, heading, around, facing, terrain)  # b e
        message, direction = self.update.attend(z[:, player], pick(relation, index), pick(unit, index), near)
        way = course(pose, heading).detach()
        vectors = torch.stack([*(pose - predicted.pose).split(2, -1), heading - predicted.heading, heading], 1)
        aim = quick.look(ways, pose[:, :2]).unflatten(1, (-1, 3))
        vectors = seen_from(torch.cat([vectors, direction, aim[..., 1:]], 1), way[:, None]).flatten(1)
        speed = pose[:, 2:].norm(dim=-1, keepdim=True) * 0.2
        surprise = torch.cat([vectors, aim[..., 0], message, speed, seen.float(), known.float()], -1)
        inputs = torch.cat([scene.features, _placed(scene, pose, heading), relation], -1)
        z = self.cell(z, inputs, scene.mask, surprise, seen)
        looked = Looked(pose[:, :2], seen, known, pick(scene.pose, index)[..., :2], near.valid)
        trace = self.destinations(memory.trace, z[:, player], looked, scene.places, scene.map_index)
        return self._settle(scene, z, pose, heading, predicted, seen, trace)

    def _settle(
        self,
        scene: Scene,
        z: Tensor,
        pose: Tensor,
        heading: Tensor,
        predicted: Body,
        seen: Bool[Tensor, "b 1"],
        trace: Tensor,
    ) -> Memory:
        """Lets the new latent shift an unseen player's believed place and its uncertainty."""
        search = self.cell.search(z[:, PLAYER_SLOT])
        shift = search[:, :2] / (1 + search[:, :2].abs())
        place = torch.where(seen, pose[:, :2], pose[:, :2] + shift)
        unseen = (predicted.variance * 2 * torch.sigmoid(search[:, 2])).clamp(0.05**2, 144.0)
        first = scene.features[:, PLAYER_SLOT, self.config.features.index("sigma")] * 12
        fresh = scene.age[:, PLAYER_SLOT] > 90
        variance = torch.where(
            seen[:, 0], 0.05**2 * torch.ones_like(unseen), torch.where(fresh, first.square(), unseen)
        )
        player = PLAYER_SLOT + 1
        poses = torch.cat([torch.cat([place, pose[:, 2:]], -1)[:, None], scene.pose[:, player:]], 1)
        headings = torch.cat([heading[:, None], scene.heading[:, player:]], 1)
        variances = torch.cat([variance[:, None], torch.zeros_like(scene.age[:, player:])], 1)
        return Memory(z, poses, headings, variances, scene.mask, trace)


def _placed(scene: Scene, pose: Float[Tensor, "b 4"], heading: Float[Tensor, "b 2"]) -> Float[Tensor, "b e 8"]:
    """Gives every entity its place, velocity and facing as numbers about 0..1, the player's as believed."""
    player = PLAYER_SLOT + 1
    poses = torch.cat([pose[:, None], scene.pose[:, player:]], 1)
    headings = torch.cat([heading[:, None], scene.heading[:, player:]], 1)
    from_player = poses[..., :2] - pose[:, None, :2]
    return torch.cat([poses[..., :2] / 12, poses[..., 2:] * 0.2, headings, from_player / 12], -1)
