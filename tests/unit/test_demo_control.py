"""The control match: honest play without the rule, counted as the audit counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npc_sdk.demo.control import Control
from npc_sdk.demo.settings import Request
from npc_sdk.demo.twin import DECIDE_TICKS, Start, TwinView
from npc_sdk.envs.arena import Arena, ArenaConfig, ScriptedPlayers, make_map

HUNT: Request = {"op": "set_weights", "changes": [{"scope": "global", "term": "home", "value": 1000.0}], "who": "test"}


def start(
    arena: Arena,
    zone: tuple[tuple[float, float], ...],
    scripted: bool = True,
    model: str = "constant-velocity",
    settings: tuple[Request, ...] = (HUNT,),
) -> Control:
    player = ScriptedPlayers(["camper"], 3) if scripted else None
    return Control(Start(arena, player, (zone,), settings, model, 0))


def box(x: float, y: float, half: float) -> tuple[tuple[float, float], ...]:
    return ((x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half))


def play(control: Control, ticks: int) -> list[TwinView]:
    return [view for _ in range(ticks) for view in control.go(None)]


def displaced() -> tuple[Arena, tuple[float, float]]:
    """An arena whose first NPC is two metres from the home it is drawn to, on open floor."""
    arena = Arena([make_map("test", 1)], ArenaConfig(npcs=4, mortal=False), 3)
    home = (float(arena.pos[0, 1, 0]), float(arena.pos[0, 1, 1]))
    for angle in np.linspace(0, 2 * np.pi, 16):
        way = 2.5 * np.array([np.cos(angle), np.sin(angle)])
        line = np.array(home) + np.linspace(0, 1, 9)[:, None] * way
        others = np.hypot(*(arena.pos[0, 2:, None] - line[None]).T).min()
        if arena.maps[0].tables.sdf.sample(line).min() > 0.7 and others > 1.0:
            arena.pos[0, 1] += way
            return arena, home
    raise AssertionError("no room")


def test_a_wish_gives_way_to_a_greater_one_and_every_tick_inside_is_counted() -> None:
    arena, home = displaced()
    control = start(arena, box(*home, 0.8))
    views = play(control, 60)
    assert len(views) == 60
    counts = [view.broken for view in views]
    assert counts[0] == 0
    assert counts[-1] > 10
    assert counts == sorted(counts)
    inside = [np.hypot(*(view.places[1] - home)) < 0.8 for view in views]
    assert counts[-1] >= sum(inside) > 5


def test_who_was_painted_over_is_not_counted_until_it_has_been_out() -> None:
    arena = Arena([make_map("test", 1)], ArenaConfig(npcs=4, mortal=False), 3)
    home = arena.pos[0, 1]
    assert play(start(arena, box(float(home[0]), float(home[1]), 1.5)), 30)[-1].broken == 0


def test_it_decides_as_often_as_the_real_match_and_only_as_far_as_that_has_come() -> None:
    arena, home = displaced()
    control = start(arena, box(*home, 0.8))
    assert [len(control.go(None)) for _ in range(6)] == [0, 0, DECIDE_TICKS, 0, 0, DECIDE_TICKS]


def test_it_plans_with_the_forecast_that_the_real_match_was_given() -> None:
    def places(control: Control) -> NDArray[np.float32]:
        return np.stack([view.places for view in play(control, 30)])

    swap: Request = {"op": "set_forecast", "name": "untrained", "who": "test"}
    zone = box(9.0, 9.0, 0.5)
    kept = places(start(displaced()[0], zone, settings=()))
    other = places(start(displaced()[0], zone, settings=(), model="untrained"))
    assert not np.array_equal(kept, other)
    np.testing.assert_array_equal(places(start(displaced()[0], zone, settings=(swap,))), other)
    turned = start(displaced()[0], zone, settings=())
    turned.turn([swap])
    np.testing.assert_array_equal(places(turned), other)


def test_learned_is_what_the_brain_was_started_with() -> None:
    control = start(displaced()[0], box(9.0, 9.0, 0.5), model="arena")
    for name in ("untrained", "learned"):
        control.turn([{"op": "set_forecast", "name": name, "who": "test"}])
        assert len(play(control, DECIDE_TICKS)) == DECIDE_TICKS


def test_a_weight_turned_makes_nobody_forget_what_was_seen() -> None:
    control = start(displaced()[0], box(9.0, 9.0, 0.5))
    play(control, DECIDE_TICKS)
    kept = dict(control._decider._kept)
    control.turn([HUNT])
    assert kept
    assert control._decider._kept == kept


def test_it_repeats_what_a_human_does() -> None:
    arena, home = displaced()
    control = start(arena, box(*home, 0.8), scripted=False)
    before = arena.pos[0, 0].copy()
    action = np.array([2.0, 0.0, 0.0, 0.0, 0.0, 0.0], np.float32)
    views = [view for _ in range(9) for view in control.go(action)]
    assert np.hypot(*(views[-1].places[0] - before)) > 0.2
    assert len(views) == 9
