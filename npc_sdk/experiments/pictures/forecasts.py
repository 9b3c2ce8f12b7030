"""Rules of class H, which are forecasts: what the planner makes of them, nothing that is promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npc_sdk.constraints import ShareLimit, StayClear
from npc_sdk.experiments.pictures.stage import DT, Floats
from npc_sdk.experiments.pictures.view import ASKED, KEPT, OTHER, Area, Curves, Floor, Picture, Way

_MODEL_STEP_S = 0.1


def share_limit() -> Picture:
    """An NPC that gains by being exposed, more in the first eight seconds than later, and pays the planner's price."""
    rule = ShareLimit("quiet", "player.sees_me", 0.2, 5.0)
    free, priced = _shares(rule, 1.0 - 1e-9), _shares(rule, rule.most)
    view = Curves("share of the last 5 s exposed", DT * np.arange(1.0, 1.0 + len(free)), free, priced, (rule.most, 1.1))
    says = "A forecast: how much of the last 5 s an NPC was exposed. The price takes a while to bring it below a fifth"
    return Picture("share_limit", says, view, rule.most - float(free[-1]), rule.most - float(priced[-1]), "")


def stay_clear() -> Picture:
    """One decision of an arena NPC six metres from the player."""
    rule = StayClear("berth", 1.5, 4.0, seconds=1.0)
    free, player = _planned(())
    bent, _ = _planned((rule,))
    steps = np.arange(1, 1 + round(rule.seconds / _MODEL_STEP_S))
    reach = rule.top_speed * _MODEL_STEP_S * steps

    def clear(path: Floats) -> float:
        return float((np.hypot(*(path[steps] - player).T) - reach).min() - rule.distance)

    turn = np.linspace(0.0, 2.0 * np.pi, 80)
    ring = (rule.distance + reach[-1]) * np.stack([np.cos(turn), np.sin(turn)], 1)
    middle = player - np.array([2.0, 0.0])
    floor = Floor(
        (float(middle[0]) - 5.1, float(middle[1]) - 2.5),
        10.2,
        (Area((player + ring,)),),
        (Way(OTHER, player[None], 0.35), Way(ASKED, free, 0.35), Way(KEPT, bent, 0.35)),
    )
    says = "A forecast: the plan that an NPC chose, and the one it chooses to stay clear of wherever the player can be"
    return Picture("stay_clear", says, floor, clear(free), clear(bent))


PICTURES: Mapping[str, Callable[[], Picture]] = {rule.__name__: rule for rule in (share_limit, stay_clear)}


def _shares(rule: ShareLimit, most: float) -> Floats:
    """Returns the share of the last seconds, tick by tick, of an NPC that is exposed whenever the gain is worth it."""
    from npc_sdk.constraints import Share
    from npc_sdk.planner.prices import Price

    limit = Share(rule.name, rule.of, most, rule.seconds, np.ones(1, np.bool_))
    price, shares = Price(), []
    for tick in range(round(12.0 / DT)):
        gain = 6.0 if tick * DT < 8.0 else 3.0
        price.look(limit, tick, float(gain > price.value), DT, DT)
        shares.append(price.share)
    return np.array(shares)


def _planned(rules: tuple[StayClear, ...]) -> tuple[Floats, Floats]:
    """Returns the path that an NPC of the arena decides on, and where the player stands."""
    import torch

    from npc_bridge.ladder import Ladder
    from npc_bridge.messages import EntityBlock, Snapshot
    from npc_sdk.designer.board import Board
    from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.runtime import Runtime, RuntimeConfig
    from npc_sdk.runtime.decide import PlannerDecider
    from npc_sdk.world import ConstantVelocity

    board = Board()
    for rule in rules:
        table = {"rule": rule.rule, "name": rule.name, "distance": rule.distance, "top_speed": rule.top_speed}
        board.apply({"op": "add_rule", "rule": {**table, "seconds": rule.seconds}})
    arena = Arena([make_map("test", 1)], ArenaConfig(npcs=4), seed=4)
    schema = arena_schema(arena.maps[0], arena.config)
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=32), torch.device("cpu"), explain=True)
    brain = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    brain.register("picture", schema)
    blocks = snapshot_blocks(arena, 0)
    player = arena.pos[0, 1] + np.array([6.0, 0.0])
    values = blocks["player"].values.copy()
    values[:, :2], values[:, 2:4] = player, 0.0
    blocks["player"] = EntityBlock(blocks["player"].ids, values)
    shown = Snapshot(0, schema.schema_id, 0, 0, 0, blocks, Ladder(schema).executing)
    ((_, _, report),) = brain.tick([("picture", shown)])
    evidence = report.evidence[int(blocks["npc"].ids[0])]
    path = evidence.paths[evidence.choice.chosen].astype(np.float64)
    return np.concatenate([arena.pos[0, 1][None], path])[:11], np.asarray(player, np.float64)
