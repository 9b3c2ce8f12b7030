"""The PettingZoo world passes PettingZoo's own tests, with warnings as errors."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("pettingzoo")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PettingZoo's tests import its own old-style worlds
    from pettingzoo.test import (
        api_test,
        max_cycles_test,
        parallel_api_test,
        parallel_seed_test,
        render_test,
        seed_test,
        state_test,
    )

from pettingzoo.env_registry.registration import make

from npc_sdk.envs import columns
from npc_sdk.envs.arena import env as arena_env
from npc_sdk.errors import InputError


def parallel(**options: object) -> arena_env.ArenaEnv:
    return arena_env.parallel_env(**{"npcs": 4, "maps": 2, **options})


def turn_based(**options: object):  # type: ignore[no-untyped-def]
    return arena_env.env(**{"npcs": 4, "maps": 2, **options})


def test_api() -> None:
    api_test(turn_based(), num_cycles=60)


def test_parallel_api() -> None:
    parallel_api_test(parallel(), num_cycles=120)


def test_seed() -> None:
    seed_test(turn_based, num_cycles=40)


def test_parallel_seed() -> None:
    parallel_seed_test(parallel, num_cycles=60)


def test_render() -> None:
    render_test(turn_based)


def test_state() -> None:
    state_test(turn_based(), parallel())


def test_max_cycles() -> None:
    max_cycles_test(arena_env)


@pytest.mark.parametrize("kind", ["parallel", "aec"])
def test_it_is_registered_and_names_its_columns(kind: str) -> None:
    world = make(kind, "npc_sdk/arena-v0", npcs=5)
    world.reset(seed=0)
    names = columns(world)
    assert len(names.observation) == world.observation_space("npc_4").shape[0]
    assert names.action == ("move_x", "move_y", "aim", "fire", "throw", "reach")
    assert world.action_space("player_0").shape == (6,)
    assert len(names.state) == world.state_space.shape[0]
    for listed in (names.observation, names.action, names.state):
        assert len(set(listed)) == len(listed)


def test_columns_refuses_worlds_of_others() -> None:
    class Other:
        unwrapped = None

    with pytest.raises(InputError, match=r"expected a world of npc_sdk\.envs"):
        columns(Other())  # type: ignore[arg-type]


def test_named_columns_hold_what_they_say() -> None:
    world = parallel()
    observations, _ = world.reset(seed=4)
    names, state = columns(world), world.state()
    for agent in world.agents:
        seen = dict(zip(names.observation, observations[agent], strict=True))
        truth = dict(zip(names.state, state, strict=True))
        assert seen["self.x"] == truth[f"{agent}.x"]
        assert seen["self.player"] == (agent == "player_0")


def test_an_npc_that_cannot_see_the_player_is_not_told_where_it_is() -> None:
    world = parallel()
    world.reset(seed=1)
    names = columns(world)
    arena = world._arena
    assert arena is not None
    arena.pos[0, 1:] = arena.maps[0].spawns[:4]
    arena.heading[0, 1:] = 0.0
    arena.pos[0, 0] = arena.pos[0, 1:].min(axis=0) - 0.01  # behind all of them
    arena._view = None
    assert not arena.view().npc_sees.any()
    seen = world._observer
    assert seen is not None
    fresh = type(seen)(arena)
    fresh.look()
    row = dict(zip(names.observation, fresh.observations()[1], strict=True))
    assert row["other_0.seen"] == 0
    assert row["other_0.age"] == 10
    assert row["other_0.x"] != pytest.approx(arena.pos[0, 0, 0])


def test_the_dead_leave_and_the_last_reward_says_so() -> None:
    world = parallel()
    world.reset(seed=2)
    assert world._arena is not None
    world._arena.health[0, 1] = 0.0
    world._arena.alive[0, 1] = False
    actions = {agent: world.action_space(agent).low * 0 for agent in world.agents}
    _, _, terminations, truncations, _ = world.step(actions)
    assert terminations["npc_0"]
    assert not truncations["npc_0"]
    assert "npc_0" not in world.agents
    assert len(world.agents) == 4


def test_it_can_be_pickled_and_copied_in_the_middle_of_a_fight() -> None:
    world = parallel()
    world.reset(seed=3)
    actions = {agent: world.action_space(agent).high for agent in world.agents}
    world.step(actions)
    twins = [pickle.loads(pickle.dumps(world)), copy.deepcopy(world)]
    expected = world.step(actions)[0]
    for twin in twins:
        got = twin.step(actions)[0]
        assert all(np.array_equal(got[a], expected[a]) for a in expected)


def test_a_chosen_map_is_used() -> None:
    world = parallel()
    world.reset(seed=0, options={"map": 1})
    assert world._arena is not None
    assert world._arena.maps[0].name == "train-1"
    with pytest.raises(InputError, match="map: expected an index"):
        world.reset(options={"map": "one"})


def test_pictures_show_the_arena() -> None:
    world = parallel(render_mode="rgb_array")
    world.reset(seed=0)
    picture = world.render()
    assert picture is not None
    assert picture.shape == (480, 480, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) >= 4  # floor, walls, squad, player


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="render_mode"):
        parallel(render_mode="ansi")
    with pytest.raises(InputError, match="reset"):
        parallel().state()
