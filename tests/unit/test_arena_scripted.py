"""Scripted players and NPCs, their beliefs, and whole fights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from npc_sdk.belief import PLAYER, BeliefTable, Slots, Tracker
from npc_sdk.envs.arena import (
    ALL_STYLES,
    HELD_OUT_STYLES,
    KINDS,
    STYLES,
    Arena,
    ArenaConfig,
    Fight,
    ScriptedNpcs,
    ScriptedPlayers,
    aim_and_fire,
    arena_frame,
    arena_schema,
    limited,
    make_map,
    snapshot_blocks,
    unseen_fraction,
)
from npc_sdk.errors import InputError
from npc_sdk.geometry import line_of_sight


def fight(worlds: int = 4, kind: str = "utility", styles: tuple[str, ...] = STYLES, seed: int = 0) -> Fight:
    maps = [make_map("train", w % 4) for w in range(worlds)]
    arena = Arena(maps, ArenaConfig(npcs=6, squad_size=3, mortal=False), seed)
    players = ScriptedPlayers([styles[w % len(styles)] for w in range(worlds)], seed)
    return Fight(arena, players, ScriptedNpcs([kind] * worlds, [m.tables for m in maps], 6, seed))


def test_the_stalker_is_in_no_training_style() -> None:
    assert not set(HELD_OUT_STYLES) & set(STYLES)
    assert len(STYLES) >= 4
    assert set(ALL_STYLES) == {*STYLES, *HELD_OUT_STYLES}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fight_alone_and_in_a_batch_gives_the_same_bytes(kind: str) -> None:
    batch, alone = fight(4, kind, seed=10), fight(1, kind, styles=(STYLES[2],), seed=12)
    alone.arena.maps = batch.arena.maps[2:3]
    alone = Fight(
        Arena(batch.arena.maps[2:3], batch.arena.config, 12),
        ScriptedPlayers([batch.players.styles[2]], 12),
        ScriptedNpcs([kind], [batch.arena.maps[2].tables], 6, 12),
    )
    for _ in range(150):
        batch.step()
        alone.step()
    assert batch.arena.pos[2].tobytes() == alone.arena.pos[0].tobytes()
    assert batch.arena.health[2].tobytes() == alone.arena.health[0].tobytes()


def test_clones_of_players_and_npcs_go_on_alike() -> None:
    one = fight()
    for _ in range(60):
        one.step()
    arena, players = one.arena.clone(), one.players.clone()
    for _ in range(30):
        actions = np.zeros((4, 7, 6), np.float32)
        actions[:, 0] = players.act(arena)
        assert np.array_equal(actions[:, 0], one.players.act(one.arena))
        arena.step(actions)
        one.arena.step(actions)


def test_a_player_moves_by_its_hidden_numbers() -> None:
    """The same style and place with another side goes another way: the style is not all there is to know."""
    paths = []
    for side in (-1.0, 1.0):
        one = fight(1, styles=("circler",), seed=3)
        one.step()
        traits = one.players.traits
        assert traits is not None
        one.players._t = replace(traits, side=np.array([side]))
        for _ in range(60):
            one.step()
        paths.append(one.arena.pos[0, 0].copy())
    assert np.hypot(*(paths[0] - paths[1])) > 1.0


def test_a_player_does_not_react_to_npcs_it_has_neither_seen_nor_heard() -> None:
    arena = Arena([make_map("train", 0)], ArenaConfig(npcs=4), 0)
    players = ScriptedPlayers(["kiter"], 0)
    arena.heading[0, 0] = np.pi
    arena.pos[0, 1:] = arena.pos[0, 0] + [[5, 0], [6, 1], [5, -1], [6, 0]]  # behind its back
    other = arena.clone()
    other.pos[0, 1:] += 1.5
    arena.heading[0, 0] = other.heading[0, 0] = np.pi
    assert not arena.view().player_sees.any()
    assert not other.view().player_sees.any()
    assert np.array_equal(players.act(arena), ScriptedPlayers(["kiter"], 0).act(other))


def test_players_run_from_grenades() -> None:
    one = fight(1, styles=("camper",))
    for _ in range(30):
        one.step()
    arena = one.arena
    arena.grenade_id[0, 0], arena.grenade_fuse[0, 0] = 1001, 1.2
    arena.grenade_pos[0, 0] = arena.pos[0, 0] + [1.0, 0.3]
    start = np.hypot(*(arena.pos[0, 0] - arena.grenade_pos[0, 0]))
    for _ in range(24):
        one.step()
    assert np.hypot(*(arena.pos[0, 0] - arena.grenade_pos[0, 0])) > start + 0.8


def believed(one: Fight) -> tuple[BeliefTable, np.ndarray]:
    tracker = Tracker(one.arena.opaque_edges, one.arena.config.squads, one.arena.config.npc_sight)
    return tracker.update(arena_frame(one.arena), 0.1), one.arena.pos.copy()


@pytest.mark.parametrize("kind", KINDS)
def test_npcs_do_not_change_their_minds_when_the_hidden_player_is_elsewhere(kind: str) -> None:
    one = fight(4, kind)
    places = [w for w in range(4) if not one.arena.view().npc_sees[w].any()]
    assert places
    table, _ = believed(one)
    actions = one.npcs.clone().act(table)
    for w in places:
        spots = one.arena.maps[w].spawns
        hidden = [s for s in spots if not line_of_sight(s, one.arena.pos[w, 1:], one.arena.opaque_edges[w]).any()]
        if hidden:
            one.arena.pos[w, 0] = hidden[0]
    one.arena._view = None
    assert not one.arena.view().npc_sees[places].any()
    again = one.npcs.clone().act(believed(one)[0])
    assert np.array_equal(actions[places], again[places])


@pytest.mark.parametrize("kind", KINDS)
def test_scripted_npcs_keep_to_the_declared_speed_and_acceleration(kind: str) -> None:
    one = fight(4, kind)
    before = one.arena.vel.copy()
    for _ in range(90):
        actions = one.actions()[:, 1:, :2].astype(np.float64)
        assert np.hypot(actions[..., 0], actions[..., 1]).max() <= 4.0 + 1e-5
        change = actions - before[:, 1:]
        assert np.hypot(change[..., 0], change[..., 1]).max() <= 16.0 / 30 + 1e-5
        wish = np.concatenate([np.zeros((4, 1, 6)), one._wanted], axis=1)
        wish[:, 1:, :2] = actions
        one.arena.step(wish)
        before = one.arena.vel.copy()


def test_chasing_npcs_find_the_player_and_hurt_it() -> None:
    one = fight(4, "chase")
    hurt = np.zeros(4)
    for _ in range(900):
        hurt += one.step().damage_taken[:, 0]
    assert (one.arena.shots[:, 1:].sum(1) > 10).all()
    assert (hurt > 0).all()


def test_explorers_move_in_more_ways_than_chasers() -> None:
    spread = {}
    for kind in ("explore", "chase"):
        one = fight(4, kind)
        speeds = []
        for _ in range(240):
            one.step()
            speeds.append(np.hypot(*np.moveaxis(one.arena.vel[:, 1:], -1, 0)))
        spread[kind] = float(np.std(speeds))
    assert spread["explore"] > 0.8


def test_a_mixture_holds_every_kind_and_explores_most() -> None:
    tables = [make_map("train", 0).tables] * 40
    kinds = [kind for row in ScriptedNpcs.mixture(tables, 8, 0).kinds for kind in row]
    assert set(kinds) == set(KINDS)
    assert max(set(kinds), key=kinds.count) == "explore"


def aim(**changes: object) -> tuple[float, bool, bool, float]:
    inputs: dict[str, object] = {
        "pose": np.array([[0.0, 0, 0, 0]]),
        "heading": np.array([0.0]),
        "move": np.array([[0.0, 2.0]]),
        "target": np.array([[6.0, 0, 0, 0]]),
        "seen": np.array([True]),
        "age": np.array([0.0]),
        "allies": np.array([[[0.0, 0.0], [0.0, 5.0]]]),
        "ally_known": np.array([[False, True]]),
        "scan": np.array([0.0]),
    } | changes
    shooting = aim_and_fire(**inputs)  # type: ignore[arg-type]
    return float(shooting.aim[0]), bool(shooting.fire[0]), bool(shooting.throw[0]), float(shooting.reach[0])


def test_the_aim_rule_fires_at_what_it_sees_and_is_turned_to() -> None:
    assert aim() == (0.0, True, False, 6.0)
    assert not aim(heading=np.array([0.5]))[1]
    assert not aim(seen=np.array([False]), age=np.array([0.2]))[1]
    assert not aim(target=np.array([[15.0, 0, 0, 0]]))[1]


def test_the_aim_rule_throws_only_where_a_hidden_target_is_near_and_no_mate_is() -> None:
    hidden = {"seen": np.array([False]), "age": np.array([1.0])}
    assert aim(**hidden)[2]
    assert aim(**hidden)[3] == pytest.approx(6.0)
    assert not aim(**hidden | {"age": np.array([4.5])})[2]
    assert not aim(**hidden, target=np.array([[11.0, 0, 0, 0]]))[2]
    assert not aim(**hidden, target=np.array([[3.0, 0, 0, 0]]))[2]
    assert not aim(**hidden, allies=np.array([[[0.0, 0.0], [5.0, 1.0]]]))[2]


def test_a_lost_target_is_watched_for_a_while_then_the_npc_looks_where_it_goes() -> None:
    lost = {"seen": np.array([False])}
    assert aim(**lost, age=np.array([3.9]))[0] == 0.0
    assert aim(**lost, age=np.array([4.1]))[0] == pytest.approx(np.pi / 2)


def test_limited_velocities_keep_both_limits_and_reach_what_is_near() -> None:
    assert limited(np.array([3.0, 0.0]), np.array([2.9, 0.0]), 4.0, 0.5) == pytest.approx([3.0, 0.0])
    assert limited(np.array([9.0, 0.0]), np.array([0.0, 0.0]), 4.0, 0.5) == pytest.approx([0.5, 0.0])
    assert limited(np.array([0.0, 9.0]), np.array([0.0, 3.9]), 4.0, 0.5) == pytest.approx([0.0, 4.0])


def test_unknown_names_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match="did you mean 'camper'"):
        ScriptedPlayers(["campre"])
    with pytest.raises(InputError, match="did you mean 'chase'"):
        ScriptedNpcs(["chaes"], [make_map("train", 0).tables], 4)


def test_the_player_is_unseen_25_to_50_percent_of_the_time_in_ordinary_fights() -> None:
    measured = unseen_fraction(worlds=24, seconds=20.0)
    assert 0.25 <= measured.fraction <= 0.5
    assert set(measured.by_style) == set(STYLES)


def test_frames_and_streamed_blocks_tell_the_same() -> None:
    one = fight(2)
    for _ in range(120):
        one.step()
    whole = arena_frame(one.arena)
    streamed = Slots(arena_schema(one.arena.maps[1], one.arena.config)).frame(snapshot_blocks(one.arena, 1))
    agents = one.arena.config.agents
    for name in (
        "ids",
        "kind",
        "pose",
        "heading",
        "health",
        "ammo",
        "cooldown",
        "shots",
        "squad",
        "leader",
        "home",
        "alive",
    ):
        assert np.array_equal(getattr(whole, name)[1, :agents], getattr(streamed, name)[0, :agents]), name
    assert sorted(whole.ids[1]) == sorted(
        streamed.ids[0][streamed.ids[0] > 0].tolist() + [0] * (whole.ids[1] == 0).sum()
    )


def test_streamed_values_lie_within_their_declared_ranges() -> None:
    one = fight(1)
    schema = arena_schema(one.arena.maps[0], one.arena.config)
    for _ in range(200):
        one.step()
        for name, block in snapshot_blocks(one.arena, 0).items():
            entity = schema.entity(name)
            assert block.values.shape[1] == len(entity.fields)
            for column, field in zip(block.values.T, entity.fields, strict=True):
                assert ((column >= field.low) & (column <= field.high)).all(), (name, field.name)


def test_the_models_interface_does_not_depend_on_map_or_number_of_npcs() -> None:
    one = arena_schema(make_map("train", 0), ArenaConfig(npcs=4))
    two = arena_schema(make_map("test", 5), ArenaConfig(npcs=16))
    assert one.interface_sha256 == two.interface_sha256
    assert one.sha256 != two.sha256


def test_player_rows_of_a_belief_hold_no_ammunition() -> None:
    table, _ = believed(fight(1))
    assert (table.ammo[table.kind == PLAYER] == 0).all()
