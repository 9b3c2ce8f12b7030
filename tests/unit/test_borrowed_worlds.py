"""Worlds that others wrote as games: where everybody is, what a velocity comes to, who was pushed, what is recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from npc_bridge.ladder import LadderResult
from npc_bridge.messages import RUNG_CALLBACK, RUNG_PLAN, RUNG_TAIL, Executing
from npc_bridge.recording import read
from npc_bridge.schema import Kinematics
from npc_sdk.cli import main
from npc_sdk.constraints import from_table
from npc_sdk.envs.pettingzoo import KNOWN, NamedColumns, Nearest, Push, Shown, World, adapt, world_of
from npc_sdk.envs.pettingzoo.game import FIRST_NPC, FIRST_PLAYER, BorrowedGame
from npc_sdk.envs.pettingzoo.mpe import METRES, simple_tag
from npc_sdk.envs.pettingzoo.pursuit import pursuit
from npc_sdk.envs.pettingzoo.scripts import SCRIPTS, Script, reachable
from npc_sdk.errors import ConstraintError, InputError, ModelError
from npc_sdk.experiments.borrowed import figures, judge, play
from npc_sdk.experiments.leaders import Alone, executed
from npc_sdk.train.recordings import read_recordings

BODY = Kinematics(max_speed=4.0, max_acceleration=16.0, brake=16.0, radius=0.3, turn_rate=6.0)
DT = 0.1


def row(*numbers: float) -> NDArray[np.float32]:
    """A float32 vector, as observations are."""
    return np.array(numbers, np.float32)


class Yard(ParallelEnv[str, np.ndarray, np.ndarray]):  # type: ignore[misc]  # PettingZoo ships no types
    """Two walkers and a runner that goes east; who walks beyond x = 3 is pushed back. Units are half metres."""

    metadata = {"name": "yard"}  # noqa: RUF012  # PettingZoo's convention

    def __init__(self, cycles: int = 1000) -> None:
        self.possible_agents = ["walker_0", "walker_1", "runner_0"]
        self.cycles = cycles

    def observation_space(self, agent: str) -> Box:
        return Box(-np.inf, np.inf, (5,), np.float32)

    def action_space(self, agent: str) -> Box:
        return Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, seed: int | None = None, options: object = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.agents = self.possible_agents[:]
        self.tick = 0
        self.place = {"walker_0": np.array([1.0, 2.0]), "walker_1": np.array([-3.0, 0.0]), "runner_0": np.zeros(2)}
        self.speed = {agent: np.zeros(2) for agent in self.agents}
        return self.seen(), {}

    def seen(self) -> dict[str, np.ndarray]:
        return {a: row(7.0, *self.place[a], *self.speed[a]) for a in self.agents}

    def step(self, actions: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        self.tick += 1
        for agent, action in actions.items():
            self.speed[agent] = 8.0 * np.asarray(action, np.float64)
            self.place[agent] = self.place[agent] + self.speed[agent] * DT
            if self.place[agent][0] > 3.0:
                self.place[agent][0] = 2.5
        acting = self.agents
        rewards = {agent: 1.0 if agent == "walker_0" else 4.0 for agent in acting}
        over = self.tick >= self.cycles
        if over:
            self.agents = []
        return self.seen(), rewards, dict.fromkeys(acting, over), dict.fromkeys(acting, False), {a: {} for a in acting}


def east(
    env: object, observations: object, agents: Sequence[str], rng: np.random.Generator
) -> Mapping[str, np.ndarray]:
    return {agent: row(0.25, 0.0) for agent in agents}


YARD = World(
    make=lambda mode: Yard(),
    view=NamedColumns({"walker_*": "npc", "runner_*": "player"}, x=1, y=2, vx=3, vy=4),
    act=Push(pairs=((0, 0), (1, 1)), size=2, gain=8.0),
    body=BODY,
    half=6.0,
    metres=0.5,
    middle=(1.0, 0.0),
    others=east,
    walls=lambda env: [[(2.0, 2.0), (4.0, 2.0), (4.0, 4.0)]],
)


def begun(world: World = YARD, env: Yard | None = None) -> BorrowedGame:
    game = adapt(env or world.make(None), world)
    game.reset(3)
    return game


def still(game: BorrowedGame) -> Script:
    return lambda: np.zeros((len(game.ids), 2))


def to(velocity: Sequence[float]) -> Callable[[BorrowedGame], Script]:
    return lambda game: lambda: np.tile(velocity, (len(game.ids), 1))


def test_named_columns_show_who_fits_a_pattern_where_its_columns_say() -> None:
    view = NamedColumns({"wolf_*": "npc", "sheep": "player"}, x=2, y=0, vx=1, vy=3)
    seen = {"wolf_7": row(1, 2, 3, 4), "sheep": row(5, 6, 7, 8), "tree": row(0, 0, 0, 0)}
    assert view(Yard(), seen) == [Shown("wolf_7", "npc", (3, 1), (2, 4)), Shown("sheep", "player", (7, 5), (6, 8))]


def test_who_is_shown_ahead_is_where_its_velocity_takes_it() -> None:
    view = NamedColumns({"*": "npc"}, x=0, y=1, vx=2, vy=3, ahead=0.5)
    assert view(Yard(), {"a": row(1, 2, 4, -6)}) == [Shown("a", "npc", (3, -1), (4, -6))]


def test_a_push_makes_up_for_friction() -> None:
    act = Push(pairs=((2, 1), (3, 3)), size=5, keep=0.75, gain=0.5)
    action = np.asarray(act(np.array([-0.2, 0.5]), np.array([0.4, 0.2])), np.float64)
    assert action.tolist() == pytest.approx([0.0, 1.0, 0.0, 0.7, 0.0])
    assert 0.75 * 0.4 + 0.5 * (action[2] - action[1]) == pytest.approx(-0.2)
    assert 0.75 * 0.2 + 0.5 * action[3] == pytest.approx(0.5)


def test_a_push_is_no_stronger_than_it_can_be() -> None:
    act = Push(pairs=((1, 0), (2, 2)), size=3, gain=0.5)
    assert np.asarray(act(np.array([9.0, -9.0]), np.zeros(2))).tolist() == [0.0, 1.0, -1.0]


def test_a_discrete_action_is_the_one_nearest_to_the_wish() -> None:
    act = Nearest({4: (0, 0), 0: (-10, 0), 1: (10, 0), 2: (0, 10)})
    wishes = {(9, 4): 1, (-6, 1): 0, (1, 2): 4, (3, 7): 2, (0, -10): 4}
    assert {wish: act(np.array(wish, float), np.zeros(2)) for wish in wishes} == wishes


def test_units_become_metres_about_the_middle() -> None:
    game = begun()
    assert game.agents == ("walker_0", "walker_1")
    assert game.ids.tolist() == [FIRST_NPC, FIRST_NPC + 1]
    assert game.pose.tolist() == [[0.0, 1.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0]]
    assert game.players.tolist() == [[-0.5, 0.0, 0.0, 0.0]]
    assert game.schema.bounds == (-6.0, -6.0, 6.0, 6.0)
    assert game.schema.polygons[0].vertices == ((0.5, 1.0), (1.5, 1.0), (1.5, 2.0))


def test_a_snapshot_says_where_npcs_are_face_and_belong() -> None:
    game = begun()
    game.step(np.array([[2.0, 0.0], [0.0, -1.0]]))
    rows = game.blocks()
    columns = game.schema.columns("npc")
    said = dict(zip(columns, rows["npc"].values[1].tolist(), strict=True))
    assert said["y"] == pytest.approx(-0.1)
    assert (said["vx"], said["vy"]) == pytest.approx((0.0, -1.0))
    assert said["heading"] == pytest.approx(np.arctan2(0.1, 1.6)), "towards the player"
    assert (said["home_x"], said["home_y"]) == pytest.approx((-2.0, 0.0))
    player = dict(zip(game.schema.columns("player"), rows["player"].values[0].tolist(), strict=True))
    assert (player["x"], player["vx"], player["heading"]) == pytest.approx((-0.4, 1.0, 0.0))
    assert rows["player"].ids.tolist() == [FIRST_PLAYER]


def test_a_velocity_told_is_the_velocity_had() -> None:
    game = begun()
    stepped = game.step(np.array([[2.0, -1.0], [-3.0, 0.5]]))
    assert game.pose.tolist() == pytest.approx(np.array([[0.2, 0.9, 2.0, -1.0], [-2.3, 0.05, -3.0, 0.5]]))
    assert stepped.astray.tolist() == [False, False]
    assert stepped.reward == pytest.approx(2.5), "the mean of the NPCs', not of the player"


def test_whom_the_world_pushes_is_astray() -> None:
    game = begun()
    assert [game.step(np.array([[4.0, 0.0], [0.0, 0.0]])).astray.tolist() for _ in range(3)] == [
        [False, False],
        [False, False],
        [True, False],
    ]


def test_without_columns_the_velocity_is_the_difference_of_places() -> None:
    view = NamedColumns({"walker_*": "npc", "runner_*": "player"}, x=1, y=2)
    game = begun(replace(YARD, view=view))
    assert game.pose[:, 2:].tolist() == [[0, 0], [0, 0]]
    game.step(np.array([[2.0, -1.0], [0.0, 0.5]]))
    assert game.pose[:, 2:] == pytest.approx(np.array([[2.0, -1.0], [0.0, 0.5]]), abs=1e-6)


def test_who_is_gone_keeps_its_row_and_leaves_the_snapshots() -> None:
    env = Yard()
    game = begun(env=env)
    env.agents.remove("walker_0")
    game.step(np.zeros((2, 2)))
    assert game.alive.tolist() == [False, True]
    assert game.ids.tolist() == [FIRST_NPC, FIRST_NPC + 1]
    assert game.blocks()["npc"].ids.tolist() == [FIRST_NPC + 1]


def test_nobody_new_comes_during_an_episode() -> None:
    env = Yard()
    game = begun(env=env)
    env.agents.append("walker_2")
    env.place["walker_2"] = env.speed["walker_2"] = np.zeros(2)
    with pytest.raises(InputError, match="expected nobody new during an episode, got npc 'walker_2'"):
        game.step(np.zeros((2, 2)))


def test_a_view_without_npcs_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least one entity with the role 'npc', got none of: walker_0"):
        begun(replace(YARD, view=NamedColumns({"bear_*": "npc"}, x=0, y=0)))


def test_without_a_player_there_is_still_room_for_one() -> None:
    """The first slot is the player's, in the model and in the planner."""
    game = begun(replace(YARD, view=NamedColumns({"walker_*": "npc"}, x=1, y=2)))
    assert [(entity.role, entity.max_count) for entity in game.schema.entities] == [("player", 1), ("npc", 2)]
    assert len(game.blocks()["player"].ids) == 0
    diary = play(game, Alone(game, still(game)), 1)
    assert np.isnan(figures([diary]).distance_m)
    assert judge(game, diary, []).total() == 0


def test_an_episode_ends_when_its_world_ends_it() -> None:
    game = begun(env=Yard(cycles=4))
    diary = play(game, Alone(game, still(game)), 9)
    assert (len(diary.command), len(diary.pose), diary.over) == (4, 5, True)
    assert figures([diary]).ended == 1


def test_figures_are_means_over_npcs_and_ticks() -> None:
    game = begun()
    found = figures([play(game, Alone(game, still(game)), 1)])
    gaps = [np.hypot(0.5, 1.0), 1.5, np.hypot(0.4, 1.0), 1.6]
    assert found.distance_m == pytest.approx(np.mean(gaps))
    assert found.distances_m == pytest.approx((np.mean(gaps),))
    assert (found.near_share, found.reward, found.planned, found.astray) == (0.0, 2.5, 0.0, 0.0)


def test_who_went_astray_was_in_the_games_hands() -> None:
    ids = np.array([101, 102, 103], np.uint32)
    rung = np.array([RUNG_PLAN, RUNG_PLAN, RUNG_TAIL], np.uint8)
    ran = Executing(ids, np.array([7, 7, 6], np.uint32), np.array([1, 1, 4], np.uint16), rung)
    said = executed(ran, np.array([102], np.uint32))
    assert said.rung.tolist() == [RUNG_PLAN, RUNG_CALLBACK, RUNG_TAIL]
    assert (said.chunk.tolist(), said.step.tolist()) == ([7, 0, 6], [1, 0, 4])


class Told(Alone):
    """A script whose steps are said to be a brain's: what the audit then finds is the NPCs' own doing."""

    def lead(self, tick: int) -> LadderResult:
        """Says it planned them."""
        done = super().lead(tick)
        return replace(done, rung=np.full(len(done.rung), RUNG_PLAN, np.uint8))


PIT = from_table({"rule": "keep_out", "name": "pit", "polygon": [[-1.2, -2.0], [-0.8, -2.0], [-0.8, 2.0], [-1.2, 2.0]]})


@pytest.mark.parametrize(("leader", "category"), [(Told, "npc"), (Alone, "external")])
def test_who_walks_through_a_pit_is_found_out(leader: type[Alone], category: str) -> None:
    game = begun()
    diary = play(game, leader(game, to((1.0, 0.0))(game)), 14)
    rule = judge(game, diary, [PIT]).rules["keep_out"]
    assert rule.violations[category] > 5
    assert sum(rule.violations.values()) == rule.violations[category]


def test_a_distance_from_the_player_is_judged_by_where_the_player_is() -> None:
    away = from_table({"rule": "keep_away", "name": "berth", "distance": 0.9, "top_speed": 1.0})
    game = begun()
    diary = play(game, Told(game, to((2.0, 0.0))(game)), 12)
    assert judge(game, diary, [away]).rules["keep_away"].violations["npc"] > 0
    game.reset(3)
    diary = play(game, Told(game, still(game)), 12)
    assert judge(game, diary, [away]).total() == 0


def test_a_rule_about_a_persona_cannot_be_judged_here() -> None:
    game = begun()
    diary = play(game, Alone(game, still(game)), 2)
    with pytest.raises(ConstraintError, match="expected NPCs, got 'persona:sentry'"):
        judge(game, diary, [from_table({"rule": "leash", "radius": 2.0, "who": "persona:sentry"})])


def test_what_a_script_plays_can_be_learned_from(tmp_path: Path) -> None:
    game = begun()
    leader = Alone(game, to((0.5, 0.0))(game), tmp_path / "a.npcrec")
    play(game, leader, 6)
    leader.close()
    played = read_recordings([tmp_path]).plays[0]
    assert played.steps == 7
    assert played.radius == BODY.radius
    assert played.frames.pose[:, 0, 0] == pytest.approx(-0.5 + 0.1 * np.arange(7)), "slot 0 is the player"
    assert played.frames.pose[:, 1, 0] == pytest.approx(0.05 * np.arange(7), abs=1e-6)
    assert read(tmp_path / "a.npcrec").schema == game.schema


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bounds": (-6.0, -6.0, 6.0, 5.0)}, "expected bounds that are a square around 0, 0"),
        ({"bounds": (-6.0, -5.0, 6.0, 5.0)}, "expected bounds that are a square around 0, 0"),
        ({"bounds": (0.0, 0.0, 6.0, 6.0)}, "expected bounds that are a square around 0, 0"),
        ({"entities": 1}, "expected an entity type with the role 'player', got none"),
    ],
)
def test_a_map_that_training_would_turn_wrongly_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    game = begun()
    if "entities" in changed:
        changed = {"entities": game.schema.entities[1:]}
    game.schema = replace(game.schema, **changed)
    leader = Alone(game, still(game), tmp_path / "a.npcrec")
    leader.close()
    with pytest.raises(ModelError, match=said):
        read_recordings([tmp_path])


def test_a_known_world_is_named_by_its_id() -> None:
    assert {name: type(world_of(name)) for name in KNOWN} == dict.fromkeys(KNOWN, World)
    with pytest.raises(InputError, match=r"unknown world 'sisl/pursuit-v4'.*sisl/pursuit-v5"):
        world_of("sisl/pursuit-v4")


def test_a_view_of_ones_own_is_named_by_module_and_function(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_yard")
    module.yard, module.number = lambda: YARD, lambda: 3  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, "my_yard", module)
    assert world_of("anything", "my_yard:yard") is YARD
    for view, said in (
        ("my_yard:nothing", "view my_yard:nothing: AttributeError: "),
        ("no_such:yard", "expected a module no_such that is installed or in "),
        ("my_yard.inner:yard", r"expected a module my_yard\.inner that is installed or in "),
        ("my_yard", "expected module:function, got 'my_yard'"),
        (".my_yard:yard", "expected module:function"),
        ("my_yard:number", "expected my_yard:number to return a World, got int"),
    ):
        with pytest.raises(InputError, match=said):
            world_of("anything", view)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def yard():\n    return 1 +\n", r"view broken_yard:yard: SyntaxError: .*line 2"),
        ("def yard(size):\n    pass\n", "view broken_yard:yard: TypeError: .*'size'"),
        ("def yard():\n    import not_there\n", "view broken_yard:yard: No module named 'not_there'"),
        ("from json import not_there\n", "view broken_yard:yard: ImportError: cannot import name 'not_there'"),
    ],
)
def test_a_view_in_the_current_folder_is_found_and_what_is_wrong_in_it_is_told(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_yard.py").write_text(text)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.chdir(tmp_path)
    try:
        with pytest.raises(InputError, match=said):
            world_of("anything", "broken_yard:yard")
    finally:
        sys.modules.pop("broken_yard", None)


class Fragile(Yard):
    """Breaks in its third tick, and knows whether it was closed."""

    closed = False

    def step(self, actions: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        if self.tick == 2:
            raise RuntimeError("the yard broke")
        return super().step(actions)

    def close(self) -> None:
        self.closed = True


def test_the_shortest_play_is_a_tick_and_a_world_that_breaks_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env, module = Fragile(), ModuleType("my_yard")
    module.yard = lambda: replace(YARD, make=lambda mode: env)  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, "my_yard", module)
    command = ["play", "yard", "--view", "my_yard:yard", "--json", "--seconds"]
    assert main([*command, "0.01"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ticks"] == 1
    env.closed = False
    with pytest.raises(RuntimeError, match="the yard broke"):
        main([*command, "1"])
    assert env.closed


@pytest.mark.parametrize("name", ["half", "metres", "tick_hz"])
def test_a_world_without_size_is_refused(name: str) -> None:
    changed: dict[str, Any] = {name: 0.0}
    with pytest.raises(InputError, match=f"{name} expected a number above 0, got 0"):
        replace(YARD, **changed)


def gusts(game: BorrowedGame, seed: int) -> Script:
    """Commands to the very limits of what is declared, away from everything."""
    rng, body, dt = np.random.default_rng(seed), game.world.body, game.schema.dt

    def script() -> np.ndarray:
        now = game.pose[:, 2:]
        change = rng.normal(size=now.shape)
        far = now + 9.0 * change
        braked = now * np.maximum(0.0, 1.0 - body.brake * dt / np.maximum(np.hypot(*now.T), 1e-9))[:, None]
        return np.where(rng.random((len(now), 1)) < 0.3, braked, reachable(now, far, body, dt))

    return script


def test_chasers_of_simple_tag_obey_in_the_step_itself_up_to_their_limits() -> None:
    """Where nothing touches them: without that, K1 is exact. Shown where they are now, all would come a step late."""
    world = simple_tag()
    apart = np.array([[-40.0, 0.0], [0.0, 40.0], [40.0, 0.0]])
    assert isinstance(world.view, NamedColumns)
    for view, least, most in ((world.view, 0.0, 0.0), (replace(world.view, ahead=0.0), 0.8, 1.0)):
        game = adapt(world.make(None), replace(world, view=view))
        game.reset(5)
        for agent, place in zip(game.env.unwrapped.world.agents, apart, strict=False):
            agent.state.p_pos = place / METRES * 10
        game.step(np.zeros((3, 2)))
        found = figures([play(game, Alone(game, gusts(game, 1)), 60)])
        assert least <= found.astray <= most


def test_posts_of_simple_tag_are_where_it_has_them() -> None:
    game = adapt(simple_tag().make(None), simple_tag())
    game.reset(7)
    landmarks = game.env.unwrapped.world.landmarks
    for wall, landmark in zip(game.schema.polygons, landmarks, strict=True):
        corners = np.array(wall.vertices)
        assert corners.mean(0) == pytest.approx(METRES * landmark.state.p_pos, abs=1e-5)
        middles = (corners + np.roll(corners, 1, axis=0)) / 2
        nearest = np.linalg.norm(middles - corners.mean(0), axis=1).min()
        assert nearest == pytest.approx(METRES * landmark.size, abs=1e-5), "the octagon holds the post, just"


def test_the_fugitive_flees_and_stays() -> None:
    game = adapt(simple_tag().make(None), simple_tag())
    game.reset(2)
    diary = play(game, Alone(game, SCRIPTS["chase"](game, 2)), 150)
    places = np.stack(diary.players)[:, 0, :2]
    assert np.abs(places).max() < 1.25 * METRES, "where chasers can follow"
    assert figures([diary]).distance_m > 1.5


def test_pursuers_go_by_cells_and_stand_before_the_building() -> None:
    world = pursuit()
    game = adapt(world.make(None), world)
    game.reset(4)
    assert np.allclose(game.pose[:, :2] % 0.5, 0.25)
    assert game.schema.polygons[0].vertices == ((-1.5, -2.0), (2.0, -2.0), (2.0, 2.5), (-1.5, 2.5))
    for way in ((5.0, 0.0), (0.0, 5.0), (-5.0, 0.0), (0.0, -5.0), (0.0, 0.0)):
        before = game.pose[:, :2]
        stepped = game.step(np.tile(way, (4, 1)))
        free = ~stepped.astray
        assert free.any()
        assert game.pose[free, :2] == pytest.approx(before[free] + 0.1 * np.array(way))
        assert game.pose[~free, :2] == pytest.approx(before[~free]), "a wall, or the border"
    assert len(game.players) == 1


def test_schemas_of_all_episodes_share_one_interface() -> None:
    for make in KNOWN.values():
        game = adapt(make().make(None), make())
        schemas = []
        for seed in (1, 2):
            game.reset(seed)
            schemas.append(game.schema)
        assert schemas[0].interface_sha256 == schemas[1].interface_sha256
    game = begun()
    one = game.schema
    game.env.possible_agents = ["walker_0", "runner_0"]
    game.reset(1)
    assert game.schema.interface_sha256 == one.interface_sha256, "also with fewer NPCs"


@pytest.mark.parametrize("name", KNOWN)
def test_chasers_come_nearer_than_wanderers_and_both_go_as_they_are_told(name: str) -> None:
    world = world_of(name)
    game, distance = adapt(world.make(None), world), {}
    for script in SCRIPTS:
        diaries = []
        for seed in range(3):
            game.reset(seed)
            diaries.append(play(game, Alone(game, SCRIPTS[script](game, seed)), 80))
        found = figures(diaries)
        distance[script] = found.distance_m
        assert found.astray < 0.2
    assert distance["chase"] < distance["random"] - 0.5


def test_what_is_reachable_is_within_both_limits() -> None:
    now, wish = np.array([[3.9, 0.0], [0.0, 0.0], [1.0, 1.0]]), np.array([[9.0, 0.0], [0.0, -9.0], [1.2, 1.0]])
    assert reachable(now, wish, BODY, DT).tolist() == pytest.approx(np.array([[4.0, 0.0], [0.0, -1.6], [1.2, 1.0]]))
