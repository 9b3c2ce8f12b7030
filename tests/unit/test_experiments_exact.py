"""The exact simulator as a forecast, against stepping the same arena by hand."""

from __future__ import annotations

import numpy as np
import torch

from npc_sdk import tensors
from npc_sdk.belief import Tracker
from npc_sdk.envs.arena import Arena, ArenaConfig, ScriptedPlayers, arena_frame, make_map
from npc_sdk.envs.arena.dice import Luck
from npc_sdk.experiments.exact import ExactForecast
from npc_sdk.geometry.places import build_places
from npc_sdk.tensors import Scene
from npc_sdk.world.forecast import EVENTS, Decision, Imagined

RULES = ArenaConfig(npcs=4)
SEEDS = (3, 4)
WEST, NORTH = (-3.0, 0.0), (0.0, 3.0)


def fights() -> tuple[Arena, ScriptedPlayers]:
    return Arena([make_map("test", s) for s in SEEDS], RULES, SEEDS), ScriptedPlayers(["kiter", "charger"], SEEDS)


def played_on(ticks: int) -> tuple[Arena, ScriptedPlayers, ExactForecast]:
    arena, players = fights()
    forecast = ExactForecast()
    forecast.watch(arena, players)
    actions = np.zeros((len(SEEDS), RULES.agents, 6), np.float32)
    for _ in range(ticks):
        actions[:, 0] = players.act(arena)
        arena.step(actions)
    return arena, players, forecast


def scene_of(arena: Arena) -> Scene:
    maps = [m.tables for m in arena.maps]
    table = Tracker(arena.opaque_edges, RULES.squads, RULES.npc_sight).update(arena_frame(arena), 0.1)
    walls = tensors.grids([m.sdf for m in maps], torch.device("cpu"))
    places = tensors.places([build_places(m.sdf, m.radius) for m in maps], torch.device("cpu"))
    return tensors.scene(table, walls, places, np.arange(len(maps)), torch.device("cpu"))


def imagined(arena: Arena, forecast: ExactForecast, steps: int = 10) -> Imagined:
    """NPC 2 of the second fight compares going west and north; everybody else stands."""
    scene = scene_of(arena)
    memory = forecast.filter(forecast.start(len(SEEDS), scene.kind.shape[1]), scene)
    moves = torch.tensor([WEST, NORTH])[None, :, None].expand(1, 2, steps, 2).contiguous()
    committed = torch.zeros(len(SEEDS), scene.kind.shape[1], steps, 2)
    return forecast.imagine(memory, scene, Decision(torch.tensor([1]), torch.tensor([2]), moves, committed), "duet")


def test_copies_of_a_fight_go_where_the_fight_goes() -> None:
    arena, players, _ = played_on(30)
    world = np.array([1, 1, 0])
    luck = Luck(np.random.default_rng(0), np.zeros(3, np.int64), (RULES.agents,))
    tremor = Luck(np.random.default_rng(0), np.zeros(3, np.int64), (2,))
    copies, minds = arena.imagined(world, luck), players.imagined(world, tremor)
    still = np.zeros((len(SEEDS), RULES.agents, 6), np.float32)
    for _ in range(15):
        still[:, 0] = players.act(arena)
        acts = np.zeros((3, RULES.agents, 6), np.float32)
        acts[:, 0] = minds.act(copies)
        arena.step(still)
        copies.step(acts)
    gap = np.abs(copies.pos - arena.pos[world])
    assert gap.max() < 0.2  # a trembling hand is all that differs
    assert np.abs(arena.pos[:, 0] - fights()[0].pos[:, 0]).max() > 1.0


def test_rows_of_a_group_share_their_luck() -> None:
    luck = Luck(np.random.default_rng(0), np.array([0, 0, 1]), (2,))
    first = luck.normal()
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0] != first[2]).all()
    assert (luck.normal() != first).all()


def test_a_candidate_is_played_for_real_and_the_fight_itself_stays() -> None:
    arena, players, forecast = played_on(30)
    before, memory_of_players = arena.pos.copy(), players._places.copy()
    found = imagined(arena, forecast)
    np.testing.assert_array_equal(arena.pos, before)
    np.testing.assert_array_equal(players._places, memory_of_players)
    own = found.own[0, :, :, :2].numpy() - before[1, 2]
    assert own[0, -1, 0] < -1.0 < own[1, -1, 0]
    assert own[1, -1, 1] > 0.3 > own[0, -1, 1]  # a wall is in the way
    # by hand: everybody stands, the player acts
    walk = np.zeros((len(SEEDS), RULES.agents, 6), np.float32)
    for _ in range(30):
        walk[:, 0] = players.act(arena)
        arena.step(walk)
    assert np.abs(found.player[0, :, -1, :2].numpy() - arena.pos[1, 0]).max() < 1.0


def test_the_place_of_an_unseen_player_is_known() -> None:
    arena, _, forecast = played_on(30)
    scene = scene_of(arena)
    memory = forecast.filter(forecast.start(len(SEEDS), scene.kind.shape[1]), scene)
    np.testing.assert_allclose(memory.pose[:, 0, :2].numpy(), arena.pos[:, 0], atol=1e-5)


def test_chances_are_rates_of_fire_times_the_share_of_shots_that_hit() -> None:
    arena, _, forecast = played_on(0)
    spot = arena.maps[1].spawns[0]
    arena.pos[1, 0], arena.pos[1, 2] = spot, spot + np.array([0.0, 1.0])  # face to face at one metre
    arena.heading[1, 0], arena.heading[1, 2] = np.pi / 2, -np.pi / 2
    found = imagined(arena, forecast, steps=1).events[0, 0, 0].numpy()
    chance = dict(zip(EVENTS, found.tolist(), strict=True))
    assert 0.1 < chance["hit_dealt"] <= 0.15 + 1e-6  # 12 shots in 8 s
    assert chance["hit_taken"] <= chance["player_fires"] <= 0.3
