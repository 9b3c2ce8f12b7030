"""Rules about what somebody else moves, and about what may be known of him."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npc_sdk.constraints import KeepAway, ReactionTime, StayNear
from npc_sdk.experiments.pictures.places import ways
from npc_sdk.experiments.pictures.stage import DT, Floats, Stage, played, towards
from npc_sdk.experiments.pictures.view import OTHER, Area, Curves, Floor, Picture, Way

_ROOM, _LEASH = 1.6, 3.0  # m
_TURN = np.linspace(0.0, 2.0 * np.pi, 80)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
_LATE = 0.3  # s
FAR_OFF = (25.0, 25.0)  # where a player is of whom a scene is not


def keep_away() -> Picture:
    """A player that stands in an NPC's way."""
    whom = np.tile(np.array([[5.0, 0.3]]), (111, 1, 1))
    stage = Stage((KeepAway("room", _ROOM, 1.5),), np.array([[1.0, -0.4]]), 110, towards((9.3, -0.2)), others=whom)
    says = "An NPC goes round the player whom it would have run into"
    return _seen("keep_away", says, stage, (Area((whom[0, 0] + _ROOM * _CIRCLE,)),))


def stay_near() -> Picture:
    """An escort that wants to run off."""
    whom = np.tile(np.array([FAR_OFF, [3.4, -0.6]]), (76, 1, 1))
    rule = StayNear("escort", _LEASH, 1.5)
    stage = Stage((rule,), np.array([[2.6, 0.4]]), 75, towards((9.3, 0.6)), others=whom)
    says = "An escort that would have run off stays within three metres of whom it protects"
    return _seen("stay_near", says, stage, (Area((whom[0, 1] + _LEASH * _CIRCLE,), True),))


def reaction_time() -> Picture:
    """A player who jumps aside, as the squads of the arena get to know of it."""
    where = np.array([0.0 if tick < 30 else min(2.0, 0.16 * (tick - 29)) for tick in range(75)])
    rule = ReactionTime("human", _LATE)
    at_once, later = _known(where, 0.0), _known(where, rule.seconds)
    age = [_age(where, known) for known in (at_once, later)]
    view = Curves("where the player is known to be, m", DT * np.arange(len(where)), at_once, later)
    says = "A player's step aside is known to decisions 0.3 s after it happened, not at once"
    return Picture("reaction_time", says, view, age[0] - rule.seconds, age[1] - rule.seconds, "s")


PICTURES: Mapping[str, Callable[[], Picture]] = {rule.__name__: rule for rule in (keep_away, stay_near, reaction_time)}


def _seen(rule: str, says: str, stage: Stage, areas: tuple[Area, ...]) -> Picture:
    both = played(stage, rule)
    them = Way(OTHER, both.kept.others[:, -1], 0.35)
    floor = Floor((0.0, -2.5), 10.2, areas, (them, *ways(both)))
    return Picture(rule, says, floor, both.margin_asked, both.margin_kept)


def _known(where: Floats, reaction_s: float) -> Floats:
    """Returns how far aside a squad beside the player believes it to be, tick by tick; NaN: it knows of none."""
    from npc_bridge.messages import EntityBlock, Snapshot
    from npc_sdk.belief import Sight
    from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
    from npc_sdk.runtime import Game

    arena = Arena([make_map("test", 1)], ArenaConfig(npcs=4), seed=4)
    schema = arena_schema(arena.maps[0], arena.config)
    game, known = Game("picture", schema, 10, Sight()), np.full(len(where), np.nan)
    beside = arena.pos[0, 1] + np.array([1.0, 0.0])
    for tick, aside in enumerate(where):
        blocks = snapshot_blocks(arena, 0)
        values = blocks["player"].values.copy()
        values[:, :2], values[:, 2:4] = beside + np.array([0.0, aside]), 0.0
        blocks["player"] = EntityBlock(blocks["player"].ids, values)
        shown = Snapshot(0, schema.schema_id, tick, round(tick * DT * 1e6), tick, blocks)
        table = game.observe(shown, round(reaction_s / DT))
        if table.seen[0, 0]:
            known[tick] = table.pose[0, 0, 1] - beside[1]
    return known


def _age(where: Floats, known: Floats) -> float:
    """Returns how old the newest change is when it is first known, s."""
    return float(np.argmax(known > 1e-3) - np.argmax(where > 1e-3)) * DT
