"""Scores imagined plans: the features of every term, and how badly a forecast breaks the rules."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.belief import NEVER_S, PLAYER
from npc_sdk.objectives.features import features
from npc_sdk.objectives.situation import Lookup, Situation
from npc_sdk.planner.motion import Held
from npc_sdk.planner.problem import PlannerConfig, Problem
from npc_sdk.tensors import FEATURES, Scene
from npc_sdk.world.forecast import EVENTS, PLAYER_SLOT, Imagined, Memory, integrate

NPC_KIND, PROJECTILE_KIND = 2, 3
FUSE_SCALE = 2.0  # s per unit of the feature "fuse"
FAR = 1e6  # m; where a slot is empty
TRUSTED = 10  # steps of mates' plans that count against a candidate: by then they have decided anew ten times
RULES = ("ground", "leash", "spacing", "apart")
_TIER = 1e6  # steps of tolerance, more than any rule of tier 1 can be broken by


def situation(problem: Problem, scene: Scene, memory: Memory, imagined: Imagined, config: PlannerConfig) -> Situation:
    """Joins a forecast with the tables that the quantities read."""
    at, slot, h = problem.scene_index, problem.slot, imagined.own.shape[2]
    start, others = scene.pose[at, slot], imagined.others[:, :, :h]
    own_squad = _feature(scene, "own")[at] > 0.5  # n e
    near, allied = _nearest(problem, scene, own_squad & _others(problem, scene, NPC_KIND), config.mates)
    leads = own_squad & (_feature(scene, "leader")[at] > 0.5) & scene.mask[at]
    leader = leads.long().argmax(1)
    led = leads.any(1) & (leader != slot)
    thrown, armed = _nearest(problem, scene, _others(problem, scene, PROJECTILE_KIND), config.grenades)
    previous = problem.committed[at, slot][:, :h]
    walls = Lookup(scene.walls, scene.map_index[at])
    feature = scene.features[at, slot]
    return Situation(
        dt=problem.dt,
        start=start,
        own=imagined.own,
        player=imagined.player,
        spread=imagined.spread,
        events=imagined.events,
        target=memory.pose[at, PLAYER_SLOT, :2],
        unseen=~scene.seen[at, PLAYER_SLOT],
        age=scene.age[at, PLAYER_SLOT],
        cleared=_feature(scene, "cleared")[at, PLAYER_SLOT] > 0.5,
        health=feature[:, FEATURES.index("health")],
        ammo=feature[:, FEATURES.index("ammo")],
        home=problem.home,
        allies=others[at[:, None], near],  # n a h 4
        allied=allied,
        leader=torch.where(led[:, None, None], others[at, leader], start[:, None].expand(-1, h, -1)),
        led=led,
        grenades=others[at[:, None], thrown],  # n g h 4
        armed=armed,
        fuse=_feature(scene, "fuse")[at].gather(1, thrown) * FUSE_SCALE,
        previous=integrate(start, previous)[..., :2],
        planned=problem.planned,
        walls=walls,
        sight=problem.sight or walls,
        player_path=problem.fields.to("player"),
        search_path=problem.fields.to("search"),
        home_path=problem.fields.to("home"),
        cover=problem.fields.to("cover"),
        view=config.view,
        blast=config.blast,
        patience=config.patience,
    )


def score(
    problem: Problem, scene: Scene, memory: Memory, imagined: Imagined, config: PlannerConfig
) -> Float[Tensor, "n s M"]:
    """Returns the features of every candidate, averaged over the horizon, what comes soon counting most."""
    return features(situation(problem, scene, memory, imagined, config), problem.terms)


def breaches(problem: Problem, scene: Scene, imagined: Imagined, config: PlannerConfig) -> Float[Tensor, "n s rules"]:
    """Returns by how many metres each candidate breaks each of RULES at its worst, 0 where it keeps it.

    Speed and acceleration are kept by construction. Walls and zones are also looked at half-way between steps and where
    the last step's brake would end.
    """
    own, start = imagined.own, scene.pose[problem.scene_index, problem.slot]
    bounds = problem.bounds
    xy = own[..., :2]
    before = torch.cat([start[:, None, None, :2].expand(-1, own.shape[1], 1, -1), xy[:, :, :-1]], 2)
    last = own[:, :, -1:]
    speed = torch.hypot(last[..., 2], last[..., 3])
    tail = last[..., :2] + last[..., 2:] * (speed / (2 * bounds.body.acceleration[:, None, None]))[..., None]
    ground = bounds.free.at(torch.cat([xy, (xy + before) / 2, tail], 2)).amin(-1)  # n s
    away = torch.hypot(*(xy - problem.home[:, None, None]).unbind(-1)).amax(-1)
    leash = bounds.leash[:, None] - away
    others = _others(problem, scene, NPC_KIND)
    near, there = _nearest(problem, scene, others, config.neighbours)
    h = min(TRUSTED, own.shape[2])
    mates = imagined.others[problem.scene_index[:, None], near][:, :, :h, :2]  # n a h 2
    gap = xy[:, :, None, :h] - mates[:, None]  # n s a h 2
    apart = torch.hypot(gap[..., 0], gap[..., 1]).masked_fill(~there[:, None, :, None], FAR).flatten(2).amin(-1)
    spacing = apart - bounds.spacing[:, None]
    kept = torch.full_like(leash, FAR) if bounds.held is None else _apart(bounds.held, imagined)
    return torch.stack([ground, leash, spacing, kept], -1).neg().clamp_min(0.0)  # n s rules


def _apart(held: Held, imagined: Imagined) -> Float[Tensor, "n s"]:
    """Returns the least distance in hand from the imagined player while a plan makes it worse."""
    gap = imagined.own[..., :2] - imagined.player[..., :2]  # n s h 2
    far, opening = torch.hypot(gap[..., 0], gap[..., 1]), (gap * imagined.own[..., 2:]).sum(-1)
    out = torch.full_like(far[..., 0], FAR)
    for q in range(held.distance.shape[1]):
        distance, near = held.distance[:, q, None, None], held.near[:, q, None, None]
        room = torch.where(near, distance - far, far - distance)
        worse = torch.where(near, opening > 0, opening < 0) & distance.isfinite()
        out = torch.minimum(out, room.masked_fill(~worse, FAR).amin(-1))
    return out


def present(problem: Problem, scene: Scene, memory: Memory, config: PlannerConfig) -> Situation:
    """Returns the moment of the decision as a situation of one candidate and one step. Events it does not know."""
    at = problem.scene_index
    own = scene.pose[at, problem.slot][:, None, None]  # n 1 1 4
    player = torch.cat([memory.pose[at, PLAYER_SLOT], memory.heading[at, PLAYER_SLOT]], -1)[:, None, None]
    spread = memory.variance[at, PLAYER_SLOT].sqrt()[:, None, None]
    events = own.new_zeros(*own.shape[:3], len(EVENTS))
    return situation(problem, scene, memory, Imagined(own, player, spread, scene.pose[:, :, None], events), config)


def shortfall(problem: Problem, scene: Scene, imagined: Imagined) -> Float[Tensor, "n s"]:
    """Returns by what share of its distance each candidate falls short of being clear of the player, at its worst.

    The player is forecast within factor x spread of its imagined place, and cannot be further than it can run from
    where it was seen last: a plan is clear of it where it is clear of either disc. Nobody is to be kept clear of where
    no player is known.
    """
    clear = problem.clear
    if clear is None:
        return imagined.spread.new_zeros(imagined.spread.shape[:2])
    steps = torch.arange(1, imagined.own.shape[2] + 1, device=imagined.own.device)
    from_player = torch.hypot(*(imagined.own[..., :2] - imagined.player[..., :2]).unbind(-1))  # n s h
    from_place = torch.hypot(*(imagined.own[..., :2] - clear.place[:, None, None]).unbind(-1))
    spread = imagined.spread.clamp_min(1e-3)
    ahead = clear.since[:, None, None] + steps * problem.dt
    worst = torch.zeros_like(spread[..., 0])
    for distance, factor, top_speed, last in zip(
        *(column.unbind(1) for column in (clear.distance, clear.factor, clear.top_speed, clear.steps)), strict=True
    ):
        off = distance[:, None, None]
        margin = torch.maximum(
            from_player - factor[:, None, None] * spread, from_place - top_speed[:, None, None] * ahead
        )
        short = ((off - margin) / off.clamp_min(1e-6)).masked_fill(steps > last[:, None, None], 0.0)
        worst = torch.maximum(worst, short.amax(-1) * (distance > 0)[:, None])
    at = problem.scene_index
    known = scene.mask[at, PLAYER_SLOT] & (scene.kind[at, PLAYER_SLOT] == PLAYER) & (clear.since < NEVER_S)
    return worst * known[:, None]


def objective(features: Float[Tensor, "n s M"], weights: Float[Tensor, "n M"]) -> Float[Tensor, "n s"]:
    """Sums weight x feature in float64, so that the parts add up to J and rounding does not reorder plans."""
    return (features.double() * weights.double()[:, None]).sum(-1)


def steps_over(depth: Float[Tensor, "n s"], short: Float[Tensor, "n s"], tolerance: float) -> Float[Tensor, "n s"]:
    """Counts by how many tolerances rules are broken, those of tier 0 before those of tier 1: 0 where feasible.

    One number (a whole one, in float64) with the order of (tier 0, tier 1): no breach of tier 1 makes up for a step of
    tier 0.
    """
    return (depth / tolerance).floor().double() * _TIER + (short / tolerance).floor().clamp_max(_TIER - 1.0)


def ranking(steps: Float[Tensor, "n s"], J: Float[Tensor, "n s"]) -> Int[Tensor, "n s"]:
    """Orders candidates: feasible before infeasible, less infeasible before more, then by J; ties keep their order."""
    by_objective = J.argsort(dim=1, stable=True)
    by_steps = steps.gather(1, by_objective).argsort(dim=1, stable=True)
    return by_objective.gather(1, by_steps)


def order(
    depth: Float[Tensor, "n s"], short: Float[Tensor, "n s"], J: Float[Tensor, "n s"], config: PlannerConfig
) -> Int[Tensor, "n s"]:
    """Orders candidates: feasible first, or, where rules are priced, by J and the price of the worst breach."""
    if config.rules == "price":
        return (J + config.price * depth).argsort(dim=1, stable=True)
    return ranking(steps_over(depth, short, config.tolerance), J)


def _feature(scene: Scene, name: str) -> Float[Tensor, "b e"]:
    return scene.features[..., FEATURES.index(name)]


def _others(problem: Problem, scene: Scene, kind: int) -> Bool[Tensor, "n e"]:
    """Which slots of each NPC's scene hold another entity of a kind."""
    at = problem.scene_index
    slots = torch.arange(scene.kind.shape[1], device=at.device)
    return (scene.kind[at] == kind) & scene.mask[at] & (slots != problem.slot[:, None])


def _nearest(
    problem: Problem, scene: Scene, wanted: Bool[Tensor, "n e"], count: int
) -> tuple[Int[Tensor, "n a"], Bool[Tensor, "n a"]]:
    """Finds the slots of the `count` nearest wanted entities, and which of these exist."""
    at = problem.scene_index
    gap = scene.pose[at, :, :2] - scene.pose[at, problem.slot, :2][:, None]
    distance = torch.hypot(gap[..., 0], gap[..., 1]).masked_fill(~wanted, FAR)
    found, index = distance.topk(min(count, distance.shape[1]), dim=1, largest=False)
    return index, found < FAR
