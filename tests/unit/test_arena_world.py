"""The arena's physics."""

from __future__ import annotations

import numpy as np
import pytest

from npc_bridge.schema import Polygon
from npc_sdk.envs.arena import BOUNDS, DT, RADIUS, Arena, ArenaConfig, ArenaMap, make_map
from npc_sdk.errors import InputError
from npc_sdk.geometry import signed_distance

PARTS = (
    "tick",
    "pos",
    "vel",
    "heading",
    "health",
    "ammo",
    "cooldown",
    "grenades",
    "shots",
    "alive",
    "grenade_pos",
    "grenade_id",
)


def box(x0: float, y0: float, x1: float, y1: float, kind: str = "wall") -> Polygon:
    ring = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Polygon(name=f"{kind}_{x0}_{y0}", kind=kind, vertices=ring, opaque=kind == "wall")


def empty_map(*polygons: Polygon) -> ArenaMap:
    places = np.stack(np.meshgrid(np.arange(-10.0, 11, 3), np.arange(-10.0, 11, 3)), -1).reshape(-1, 2)
    return ArenaMap("empty", polygons, places)


def duel(*polygons: Polygon, **rules: object) -> Arena:
    """One player at (-3, 0) and NPCs at (3, 0), (3, 6), (3, -6), (9, 9); all look left, the player right."""
    arena = Arena([empty_map(*polygons)], ArenaConfig(npcs=4, **rules), 1)  # type: ignore[arg-type]
    arena.pos[0] = [(-3, 0), (3, 0), (3, 6), (3, -6), (9, 9)]
    arena.heading[0] = [0, np.pi, np.pi, np.pi, np.pi]
    return arena


def still(arena: Arena) -> np.ndarray:
    actions = np.zeros((arena.worlds, arena.config.agents, 6), np.float32)
    actions[..., 2] = arena.heading
    return actions


def random_actions(rng: np.random.Generator, worlds: int, agents: int, ticks: int) -> np.ndarray:
    """Wild commands that last half a second each."""
    shape = (ticks // 15 + 1, worlds, agents)
    low, high = (-9, -9, -np.pi, 0, -1.2, 0), (9, 9, np.pi, 1, 0.7, 12)
    return np.repeat(rng.uniform(low, high, (*shape, 6)), 15, axis=0)[:ticks].astype(np.float32)


def snapshot(arena: Arena, world: int) -> list[bytes]:
    return [getattr(arena, name)[world].tobytes() for name in PARTS]


def test_a_world_alone_and_in_a_batch_gives_the_same_bytes() -> None:
    maps, rng = [make_map("train", i % 4) for i in range(6)], np.random.default_rng(0)
    config = ArenaConfig(npcs=6, mortal=False)
    actions = random_actions(rng, 6, 7, 200)
    batch, alone = Arena(maps, config, 40), Arena([maps[4]], config, 44)
    for step in actions:
        batch.step(step)
        alone.step(step[4:5])
        assert snapshot(batch, 4) == snapshot(alone, 0)
    assert batch.shots[4].sum() > 0
    assert batch.next_grenade[4] > 1001


def test_the_same_seed_gives_the_same_fight_and_another_seed_another_one() -> None:
    actions = random_actions(np.random.default_rng(1), 1, 9, 60)
    runs = []
    for seed in (5, 5, 6):
        arena = Arena([make_map("train", 0)], seed=seed)
        for step in actions:
            arena.step(step)
        runs.append(snapshot(arena, 0))
    assert runs[0] == runs[1] != runs[2]


def test_a_clone_runs_on_alike_and_leaves_the_original_alone() -> None:
    actions = random_actions(np.random.default_rng(2), 2, 9, 120)
    arena = Arena([make_map("train", 0), make_map("test", 1)], seed=3)
    for step in actions[:60]:
        arena.step(step)
    twin, before = arena.clone(), snapshot(arena, 1)
    for step in actions[60:]:
        twin.step(step)
    assert snapshot(arena, 1) == before
    for step in actions[60:]:
        arena.step(step)
    assert snapshot(arena, 1) == snapshot(twin, 1)
    arena.reset()
    twin.reset()
    assert snapshot(arena, 1) == snapshot(twin, 1)


@pytest.mark.parametrize("index", range(3))
def test_no_body_ever_enters_a_wall_or_leaves_the_arena(index: int) -> None:
    arena_map = make_map("train", index)
    arena = Arena([arena_map], ArenaConfig(npcs=24, mortal=False), index)
    rings = [p.vertices for p in arena_map.polygons]
    for step in random_actions(np.random.default_rng(index), 1, 25, 300):
        arena.step(step)
        assert signed_distance(arena.pos[0], rings, BOUNDS).min() > RADIUS - 1e-3


def test_a_body_executes_commands_within_its_limits_exactly() -> None:
    arena = duel()
    actions, velocity = still(arena), np.array([0.3, -0.2], np.float32)
    actions[0, 1, :2] = velocity
    start = arena.pos[0, 1].copy()
    arena.step(actions)
    assert np.array_equal(arena.vel[0, 1], velocity.astype(np.float64))
    assert np.array_equal(arena.pos[0, 1], start + velocity.astype(np.float64) * DT)


def test_physics_limits_are_looser_for_npcs_than_what_the_game_declares() -> None:
    arena = duel()
    actions = still(arena)
    actions[0, :, :2] = (0.0, 100.0)
    speeds = []
    for _ in range(12):
        arena.step(actions)
        speeds.append(np.hypot(*arena.vel[0].T))
    assert speeds[0][0] == pytest.approx(20.0 * DT)
    assert speeds[0][1] == pytest.approx(40.0 * DT)
    assert speeds[-1][0] == pytest.approx(5.0)
    assert speeds[-1][1] == pytest.approx(6.0)


def test_a_body_slides_along_a_wall() -> None:
    arena = duel(box(4, -5, 5, 5))
    actions = still(arena)
    actions[0, 1, :2] = (3.0, 2.0)
    for _ in range(45):
        arena.step(actions)
    assert arena.pos[0, 1, 0] == pytest.approx(4 - RADIUS, abs=1e-6)
    assert arena.pos[0, 1, 1] > 2.0
    assert arena.vel[0, 1] == pytest.approx([0.0, 2.0], abs=1e-6)


def test_zones_stop_neither_bodies_nor_sight() -> None:
    arena = duel(box(-1, -5, 1, 5, kind="zone"))
    assert arena.view().clear[0, 0, 0]
    actions = still(arena)
    actions[0, 1, :2] = (-6.0, 0.0)
    for _ in range(30):
        arena.step(actions)
    assert abs(arena.pos[0, 1, 0]) < 3.0


def shoot(arena: Arena, ticks: int = 1) -> dict[str, np.ndarray]:
    actions, sums = still(arena), {}
    actions[0, 0, 3] = 1.0
    for _ in range(ticks):
        events = arena.step(actions)
        for name in ("fired", "hit", "damage_dealt", "damage_taken"):
            sums[name] = sums.get(name, 0) + getattr(events, name)[0]
    return sums


def test_shots_hit_who_stands_ahead_and_are_counted_for_both_sides() -> None:
    arena = duel()
    sums = shoot(arena, 60)
    assert sums["fired"][0] == 7  # every 0.3 s
    assert sums["hit"][0] >= 5
    assert sums["damage_dealt"][0] == sums["damage_taken"][1] == 15.0 * sums["hit"][0]
    assert arena.alive[0, 1] == (arena.health[0, 1] > 0)


def test_walls_stop_shots() -> None:
    sums = shoot(duel(box(-1, -2, 1, 2)), 60)
    assert sums["fired"][0] == 7
    assert sums["hit"].sum() == 0


def test_hits_thin_out_with_distance() -> None:
    shares = []
    for gap in (3.0, 14.0):
        arena = duel(mortal=False)
        arena.pos[0, 1] = (-3 + gap, 0)
        arena.pos[0, 2:] = (9, 9)
        sums = shoot(arena, 600)
        shares.append(sums["hit"][0] / sums["fired"][0])
    assert shares[0] > 0.9
    assert 0.2 < shares[1] < 0.8


def test_an_empty_magazine_takes_its_time_to_reload() -> None:
    arena = duel(mortal=False)
    shoot(arena, 20 * 9)
    assert arena.shots[0, 0] == 20
    assert arena.ammo[0, 0] == 0
    assert arena.cooldown[0, 0] > 1.0
    assert shoot(arena, 30)["fired"][0] == 0
    shoot(arena, 30)
    assert arena.ammo[0, 0] >= 16


def test_immortals_keep_some_health_while_damage_counts_on() -> None:
    arena = duel(mortal=False)
    sums = shoot(arena, 400)
    assert sums["damage_taken"][1] > 150
    assert arena.health[0, 1] == 1.0
    assert arena.alive.all()


def test_the_dead_neither_move_nor_shoot_and_the_fight_ends_with_one_side() -> None:
    arena = duel()
    arena.alive[0, 1] = False
    arena.health[0, 1] = 0
    actions = still(arena)
    actions[0, :, 0], actions[0, :, 3] = 3.0, 1.0
    before = arena.pos[0, 1].copy()
    arena.step(actions)
    assert np.array_equal(arena.pos[0, 1], before)
    assert arena.shots[0, 1] == 0
    assert not arena.over[0]
    arena.alive[0, 1:] = False
    assert arena.over[0]


def throw(arena: Arena, reach: float) -> float:
    """Lets the player throw ahead; returns the seconds until the blast."""
    actions = still(arena)
    actions[0, 0, 4:] = (1.0, reach)
    events = arena.step(actions)
    assert events.threw[0, 0]
    actions[0, 0, 4] = 0.0
    for tick in range(1, 60):
        if arena.step(actions).exploded.any():
            return (tick + 1) * DT
    raise AssertionError("expected a blast")


def test_a_grenade_flies_is_seen_as_an_entity_and_hurts_both_sides_by_distance() -> None:
    arena = duel()
    arena.pos[0, 2] = (1.0, 0.0)
    assert throw(arena, 5.0) == pytest.approx(1.5, abs=2 * DT)
    hurt = 100 - arena.health[0]
    assert hurt[1] == pytest.approx(60 * (1 - 1 / 3), abs=0.5)
    assert hurt[2] == pytest.approx(60 * (1 - 1 / 3), abs=0.5)
    assert hurt[0] == hurt[3] == 0
    near = duel()
    throw(near, 0.0)
    assert near.health[0, 0] == pytest.approx(40, abs=0.5)


def test_walls_shield_from_a_blast_but_not_from_the_throw() -> None:
    arena = duel(box(-1, -2, 1, 2), box(3.5, -2, 4, 2))
    arena.pos[0, 1], arena.pos[0, 2] = (2.0, 0.0), (4.5, 0.0)
    throw(arena, 6.0)
    assert arena.health[0, 1] < 100
    assert arena.health[0, 2] == 100


def test_grenade_ids_are_never_used_again() -> None:
    arena = duel(mortal=False)
    actions, ids = still(arena), set()
    actions[0, :, 4:] = (1.0, 5.0)
    for _ in range(450):
        arena.step(actions)
        ids |= set(arena.grenade_id[0].tolist())
    assert len(ids) - 1 == arena.next_grenade[0] - 1001 > 8


def test_hold_fire_is_announced_and_not_enforced() -> None:
    arena = duel(hold_fire=((0, 10), (20, 30)))
    assert arena.hold_fire[0]
    assert shoot(arena, 9)["fired"][0] == 1
    shoot(arena, 1)
    assert not arena.hold_fire[0]
    shoot(arena, 10)
    assert arena.hold_fire[0]


def test_sight_needs_cone_reach_and_a_clear_line() -> None:
    arena = duel()
    view = arena.view()
    assert view.npc_sees[0, 0, 0]
    assert view.player_sees[0, 0, 0]
    arena = duel()
    arena.heading[0, 1] = 0.0
    assert not arena.view().npc_sees[0, 0, 0]
    arena = duel(box(-1, -2, 1, 2))
    assert not arena.view().npc_sees[0, 0, 0]
    arena = duel()
    arena.pos[0, :2] = [(-11, 0), (11, 0)]
    assert not arena.view().npc_sees[0, 0, 0]


def test_the_hurt_recover_after_a_while() -> None:
    arena = duel()
    arena.health[0, 0], arena.unhurt[0, 0] = 50.0, 0.0
    for _ in range(150):
        arena.step(still(arena))
    assert arena.health[0, 0] == pytest.approx(54.0, abs=0.3)


def test_what_is_not_finite_counts_as_zero() -> None:
    arena = duel()
    actions = still(arena)
    actions[0, 1] = np.nan
    actions[0, 2, :2] = np.inf
    arena.step(actions)
    assert np.isfinite(arena.pos).all()
    assert np.array_equal(arena.vel[0, 1:3], np.zeros((2, 2)))


@pytest.mark.parametrize("rules", [{"npcs": 3}, {"npcs": 25}, {"squad_size": 0}, {"hold_fire": ((5, 5),)}])
def test_impossible_rules_are_refused(rules: dict[str, object]) -> None:
    with pytest.raises(InputError, match="arena config"):
        ArenaConfig(**rules)  # type: ignore[arg-type]


def test_actions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected actions"):
        duel().step(np.zeros((1, 3, 6), np.float32))


def test_squads_start_together_each_with_a_leader_away_from_the_player() -> None:
    arena = Arena([make_map("train", i) for i in range(4)], ArenaConfig(npcs=10, squad_size=4), 7)
    assert arena.squad[0].tolist() == [-1] + [0] * 4 + [1] * 4 + [2] * 2
    assert arena.leader.sum(1).tolist() == [3] * 4
    assert np.array_equal(arena.home, arena.pos)
    anchors = arena.pos[:, [1, 5, 9]]
    assert (np.hypot(*np.moveaxis(anchors - arena.pos[:, :1], -1, 0)) > 6).all()
