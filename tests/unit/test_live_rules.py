"""Rules that change, NPCs that change sides, games that come back: what holds while something else is turned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from deviating_game import DT, HALF, HZ, Restless

from npc_bridge.errors import Refused
from npc_bridge.ladder import Ladder
from npc_bridge.messages import Action, EntityBlock, Snapshot
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema
from npc_bridge.session import GameJoined, GameLeft, SchemaChanged
from npc_sdk.constraints import KeepOut
from npc_sdk.designer.board import Board
from npc_sdk.errors import ConstraintError, ControlError
from npc_sdk.runtime import Orders, Report, Runtime, RuntimeConfig, View
from npc_sdk.runtime.game import check_game
from npc_sdk.serve.brain import Brain
from npc_sdk.serve.pace import Pace
from npc_sdk.serve.start import _admission, _later
from npc_sdk.shield import ShieldConfig

BODY = Kinematics(max_speed=6.0, max_acceleration=30.0, brake=30.0, radius=0.4, turn_rate=6.0)
EAST, WEST = (1.0, 0.0), (-1.0, 0.0)


def the_schema(half: float = HALF, kinematics: Kinematics = BODY) -> Schema:
    pose = [Field(n, "m" if n in "xy" else "m/s", -1e5, 1e5, role=n) for n in ("x", "y", "vx", "vy")]
    npc = (*pose, Field("squad", "1", 0, 63, role="squad"))
    return Schema(
        game="small",
        tick_hz=HZ,
        coordinates="wire",
        bounds=(-half, -half, half, half),
        entities=(
            EntityType("player", "player", 2, tuple(pose)),
            EntityType("guard", "npc", 4, (*npc, Field("shots", "1", 0, 1e6, role="shots"))),
            EntityType("drone", "npc", 4, npc),
            EntityType("mode", "mode", 1, (Field("hold_fire", "1", 0, 1, role="hold_fire"),)),
        ),
        channels=(
            Channel("move_x", "m/s", -8, 8),
            Channel("move_y", "m/s", -8, 8),
            Channel("aim", "rad", -np.pi, np.pi),
            Channel("fire", "1", 0, 1, kind="discrete", count=2),
        ),
        kinematics=kinematics,
    )


class Runner:
    """Runs one way as fast as it may, and fires where it aims."""

    def __init__(self, way: tuple[float, float] = EAST, fires: bool = False) -> None:
        self.way, self.hands = way, np.array([0.0, float(fires), 0.0, 0.0], np.float32)

    def decide(self, view: View) -> Orders:
        rows = np.flatnonzero(view.due)
        moves = np.broadcast_to(np.float32(self.way) * 9, (len(rows), view.committed.shape[2], 2))
        return Orders(rows, moves, np.tile(self.hands, (len(view.slot), 1)), (None,) * len(rows))

    def forget(self, key: str) -> None:
        """Remembers nothing."""


@dataclass
class Play:
    """A game of guards and drones in virtual time that does as it is told."""

    brain: Runtime
    guards: np.ndarray  # n 5: x y vx vy squad
    drones: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)))
    schema: Schema = field(default_factory=the_schema)
    tick: int = 0
    loss: tuple[int, ...] = ()  # ticks whose answers get lost

    def __post_init__(self) -> None:
        self.ladder = Ladder(self.schema)
        self.ladder.start(1)
        self.shots = np.zeros(len(self.guards))

    @property
    def ids(self) -> Any:
        return np.concatenate([101 + np.arange(len(self.guards)), 201 + np.arange(len(self.drones))]).astype(np.uint32)

    def snapshot(self) -> Snapshot:
        guards = np.c_[self.guards, self.shots]
        blocks = {
            "guard": EntityBlock(self.ids[: len(guards)], np.float32(guards)),
            "drone": EntityBlock(self.ids[len(guards) :], np.float32(self.drones)),
        }
        return Snapshot(1, self.schema.schema_id, self.tick, self.tick, self.tick, blocks, self.ladder.executing)

    def step(self) -> tuple[Action, Report]:
        ((_, action, report),) = self.brain.tick([("g", self.snapshot())])
        if self.tick not in self.loss:
            self.ladder.accept(action)
        bodies = np.concatenate([self.guards, self.drones])
        moved = self.ladder.step(self.tick, self.ids, bodies[:, :4]).commands[:, :2].astype(np.float64)
        for rows, first in ((self.guards, 0), (self.drones, len(self.guards))):
            rows[:, 2:4] = moved[first : first + len(rows)]
            rows[:, :2] += rows[:, 2:4] * DT
        self.tick += 1
        return action, report


def play(board: Board, guards: Any, decider: Any = None, schema: Schema | None = None, **more: Any) -> Play:
    schema = schema or the_schema()
    config = RuntimeConfig(lead_ticks=more.pop("lead", 2), horizon=10, stagger=False)
    brain = Runtime(decider or Runner(), lambda: board.snapshot, config)
    brain.register("g", schema)
    return Play(brain, np.array(guards, float), schema=schema, **more)


def add(board: Board, **rule: Any) -> None:
    board.apply({"op": "add_rule", "rule": rule})


def test_a_rule_for_a_squad_binds_who_joins_it_while_the_game_runs() -> None:
    board = Board()
    add(board, rule="speed_limit", speed=1.0, who="squad:1")
    game = play(board, [[0, 0, 0, 0, 0], [0, 5, 0, 0, 1]])
    for _ in range(15):
        game.step()
    assert game.guards[0, 2] > 5.0
    assert game.guards[1, 2] <= 1.0
    game.guards[0, 4] = 1.0
    for _ in range(20):
        game.step()
    assert np.hypot(*game.guards[0, 2:4]) <= 1.0 + 1e-6


def test_an_npc_type_that_lacks_a_field_or_has_nobody_is_no_reason_to_fail() -> None:
    board = Board()
    add(board, rule="attack_limit", most=1, seconds=1.0, counter="shots")
    add(board, rule="reserve", field="shots", least=0, cost=0)
    game = play(board, [[0, 0, 0, 0, 0]], drones=np.array([[3.0, 3.0, 0, 0, 0]]))
    for _ in range(3):
        game.step()
    game.drones = np.zeros((0, 5))  # the block is there, and empty
    game.step()
    game.guards, game.shots, game.drones = np.zeros((0, 5)), np.zeros(0), np.array([[3.0, 3.0, 0, 0, 0]])
    game.step()


def test_whom_to_spare_may_be_a_type_of_npcs() -> None:
    def fires(to: str) -> bool:
        board = Board()
        add(board, rule="friendly_fire", reach=9.0, to=to)
        mate = np.array([[4.0, 0.0, 0, 0, 0]])
        _, report = play(board, [[0, 0, 0, 0, 0]], Runner(fires=True), drones=mate).step()
        return bool(report.certified.triggers[0, :, 0].any())

    assert fires("guard")  # itself it need not spare
    assert not fires("drone")
    assert not fires("npc")


@pytest.mark.parametrize(
    ("rule", "to"), [("friendly_fire", "dorne"), ("keep_away", "npc"), ("stay_near", "guard"), ("keep_away", "mode")]
)
def test_a_rule_that_would_hold_of_nobody_is_refused(rule: str, to: str) -> None:
    brain = Runtime(Restless(0), lambda: board.snapshot)
    board = Board(admit=brain.admit)
    brain.register("g", the_schema())
    table = {"rule": rule, "name": "typo", "to": to, "reach": 5.0, "distance": 5.0, "top_speed": 5.0}
    for key in ("distance", "top_speed") if rule == "friendly_fire" else ("reach",):
        del table[key]
    with pytest.raises(ControlError, match=f"'typo', key 'to'.*'{to}'"):
        board.apply({"op": "add_rule", "rule": table})


@pytest.mark.parametrize("lead", [0, 2])
@pytest.mark.parametrize("lost", [(), tuple(range(31, 60, 2))])
def test_a_weaker_brake_never_takes_an_npc_into_the_wall_it_would_have_stopped_at(
    lead: int, lost: tuple[int, ...]
) -> None:
    for start in np.arange(8.0, 11.0, 0.25):
        board = Board()
        game = play(board, [[start - 30 * 0.16, 0, 0, 0, 0]], lead=lead, loss=lost)
        for _ in range(30):
            game.step()
        add(board, rule="acceleration_limit", acceleration=6.0)
        pace, hardest = [], []
        for _ in range(60):
            before = game.guards[0, 2:4].copy()
            _, report = game.step()
            pace.append(np.hypot(*game.guards[0, 2:4]))
            hardest.append(np.hypot(*(game.guards[0, 2:4] - before)) / DT)
            assert report.certified.guarded.all()
            assert game.guards[0, 0] <= HALF - BODY.radius
        assert min(pace) == 0.0  # it stops, and then the limit holds
        assert max(hardest[pace.index(0.0) + 9 :]) <= 6.0


def test_a_stronger_brake_waits_too() -> None:
    board = Board()
    add(board, rule="acceleration_limit", name="gentle", acceleration=6.0)
    game = play(board, [[-8, 0, 0, 0, 0]])
    for _ in range(40):
        game.step()
    board.apply({"op": "remove_rule", "name": "gentle"})
    rates = [float(game.step()[0].brake[0]) for _ in range(60)]
    assert max(rates[:20]) < 6.0  # what was sent with it still runs
    assert rates[-1] > 20.0


def test_what_was_sent_before_another_schema_still_binds() -> None:
    board = Board()
    add(board, rule="attack_limit", most=2, seconds=10.0)
    game = play(board, [[0, 0, 0, 0, 0]], Runner(fires=True))
    action, report = game.step()
    assert report.certified.triggers.sum() == 2
    after = game.brain.change_schema("g", the_schema(HALF + 1))
    assert len(after.outstanding) == 1
    game.schema = the_schema(HALF + 1)
    later, report = game.step()
    assert later.chunk == action.chunk + 1  # a last hop that stays in the session drops what does not count up
    assert report.certified.triggers.sum() <= 2
    assert sum(len(after.outstanding.attacks.of(("", (True, True), False), 101)) for _ in "1") == 2


FAR = (70_000.0, -40_000.0)


@pytest.mark.parametrize("rule", ["keep_out", "keep_in", "no_stop", "navmesh"])
def test_a_game_that_streams_about_an_origin_far_off_plays_as_one_at_home(rule: str) -> None:
    """Rules are the world's; in float32, so far off, a place would be told to half a centimetre."""
    corners = [(-3.0, -2.0), (3.5, -2.0), (3.5, 2.0), (-3.0, 2.0)]
    played = []
    for origin in ((0.0, 0.0), FAR):
        board, place = Board(), [(x + origin[0], y + origin[1]) for x, y in corners]
        add(board, rule=rule, **({"polygons": [place]} if rule == "navmesh" else {"polygon": place}))
        outside = rule in ("keep_out", "no_stop")
        game = play(board, [[-6.0 if outside else 0.0, 0.1, 0, 0, 0]], schema=replace(the_schema(), origin=origin))
        for _ in range(45):
            _, report = game.step()
            assert report.certified.guarded.all()
        played.append(game.guards.copy())
    np.testing.assert_allclose(played[1], played[0], atol=1e-9)
    assert played[0][0, 0] < 3.5


def test_a_game_moves_its_origin_while_it_plays_and_what_was_sent_moves_along() -> None:
    board = Board()
    add(board, rule="ally_distance", distance=2.0)
    game = play(board, [[-4, 0, 0, 0, 0], [2, 0, 0, 0, 0]], lead=0)
    for _ in range(4):
        game.step()
    before = game.brain._games["g"].outstanding.points(game.ids, game.guards[:, :2])
    after = game.brain.change_schema("g", replace(game.schema, origin=(100.0, 50.0)))
    there = after.outstanding.points(game.ids, game.guards[:, :2] - [100.0, 50.0])
    np.testing.assert_allclose(there, before - [100.0, 50.0], atol=1e-9)


def test_a_zone_that_a_far_off_game_declares_lies_where_the_world_has_it() -> None:
    board = Board()
    zone = Polygon("vault", "zone", ((1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)), False)
    schema = replace(the_schema(), origin=FAR, polygons=(zone,))
    runtime = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(lead_ticks=0, horizon=10))
    a_brain(runtime, board)._seat(GameJoined(1, "small", schema, ()))
    add(board, rule="keep_out", zone="vault")
    (rule,) = board.snapshot.rules
    assert isinstance(rule, KeepOut)
    assert rule.polygon[0] == (FAR[0] + 1.0, FAR[1] + 1.0)


def test_a_place_too_far_for_float32_is_refused_until_the_game_moves_its_origin() -> None:
    far = replace(the_schema(), bounds=(69_000.0, -1000.0, 71_000.0, 1000.0))
    with pytest.raises(ConstraintError, match="rebase"):
        check_game(far, ShieldConfig())
    check_game(replace(the_schema(), origin=(70_000.0, 0.0)), ShieldConfig())


def a_brain(runtime: Runtime, board: Board) -> Brain:
    server = SimpleNamespace(poll=lambda _: [])
    planner = SimpleNamespace(use=lambda _: None)
    return Brain(server, runtime, planner, board, {}, 100.0, Pace())  # type: ignore[arg-type]


@pytest.mark.parametrize(("tick", "attacks"), [(40, 0), (0, 2)])
def test_a_game_that_comes_back_is_not_given_its_attacks_anew(tick: int, attacks: int) -> None:
    """Unless its ticks have begun anew: then its level has."""
    board = Board(forecasts=("plain",))
    add(board, rule="attack_limit", most=2, seconds=10.0)
    runtime = Runtime(Runner(fires=True), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    brain, schema = a_brain(runtime, board), the_schema()
    brain._seat(GameJoined(1, "small", schema, ()))
    game = Play(runtime, np.zeros((1, 5)), schema=schema, tick=30)
    ((_, _, report),) = runtime.tick([("1", game.snapshot())])
    assert report.certified.triggers.sum() == 2
    brain._leave(1)
    brain._seat(GameJoined(2, "small", schema, ()))
    game.tick = tick
    ((_, _, report),) = runtime.tick([("2", game.snapshot())])
    assert report.certified.triggers.sum() == attacks
    brain._seat(SchemaChanged(2, the_schema(HALF + 1), ()))
    assert len(runtime.attacks("2").of(("", (True, True), False), 101)) == 2


def test_games_that_have_left_are_remembered_up_to_a_number() -> None:
    board = Board(forecasts=("plain",))
    brain = a_brain(Runtime(Runner(), lambda: board.snapshot), board)
    for session in range(1, 70):
        brain._seat(GameJoined(session, f"game {session}", the_schema(), ()))
        brain._leave(session)
    assert len(brain._left) == 64
    assert "game 69" in brain._left
    brain._leave(70)  # one that was never there
    assert GameLeft  # events of this kind end here


def test_a_game_that_cannot_be_certified_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    brain = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    far, near = (Play(brain, np.array([[x, 0.0, 0, 0, 0]])) for x in (2e4, 0.0))
    for key in ("far", "near"):
        brain.register(key, the_schema())
    for _ in range(3):
        answers = brain.tick([("far", far.snapshot()), ("near", near.snapshot())])
        assert [key for key, _, _ in answers] == ["near"]
    assert caplog.text.count("rebase") == 1
    far.guards[:] = 0.0
    assert len(brain.tick([("far", far.snapshot()), ("near", near.snapshot())])) == 2


def test_a_game_whose_bodies_or_map_nothing_can_be_certified_for_is_refused() -> None:
    admit = _admission(SimpleNamespace(interface_sha256=""), ShieldConfig())  # type: ignore[arg-type]  # of a model that fits every game
    assert admit(the_schema()) == ()
    with pytest.raises(Refused, match="rebase"):
        admit(the_schema(2e4))
    slow = Kinematics(max_speed=6.0, max_acceleration=2.0, brake=2.0, radius=0.4, turn_rate=6.0)
    with pytest.raises(Refused, match="velocity tolerance"):
        admit(the_schema(kinematics=slow))


def test_a_zone_too_far_off_to_certify_is_refused() -> None:
    brain = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    board = Board(admit=brain.admit)
    brain.register("g", the_schema())
    Play(brain, np.zeros((1, 5))).step()
    with pytest.raises(ControlError, match="rebase"):
        add(board, rule="no_stop", polygon=[[2e4, 0], [2.1e4, 0], [2e4, 10]])


def test_a_zone_put_over_npcs_binds_the_others_at_once_and_the_log_says_whom_it_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board = Board()
    game = play(board, [[0, 0, 0, 0, 0], [-6, 5, 0, 0, 0]])
    game.step()
    add(board, rule="keep_out", polygon=[[-3, -9], [1, -9], [1, 9], [-3, 9]])
    _, report = game.step()
    assert report.certified.guarded.tolist() == [False, True]
    assert "rules changed over NPCs 101 (unguarded: keep_out)" in caplog.text
    for _ in range(90):
        _, report = game.step()
    assert report.certified.guarded.all()  # it has walked out, and the other one never in
    assert game.guards[0, 0] > 1.0 + BODY.radius
    assert game.guards[1, 0] < -3.0 - BODY.radius
    assert caplog.text.count("rules changed") == 1


def closing(x: float) -> dict[str, Any]:
    """A strip from one side of the floor to the other."""
    return {"rule": "keep_out", "name": "strip", "polygon": [[x, -99], [x + 1, -99], [x + 1, 99], [x, 99]]}


def test_what_a_rule_makes_unreachable_is_said_once_when_it_comes_into_force(caplog: pytest.LogCaptureFixture) -> None:
    brain = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    board = Board(admit=brain.admit)
    brain.register("g", the_schema())
    Play(brain, np.array([[-6.0, 0, 0, 0, 0]])).step()
    add(board, **closing(2.0))
    assert caplog.text.count("rule 'strip': unreachable for NPC 101 from (-6.00, 0.00)") == 1
    add(board, rule="attack_tokens", name="none", capacity=1.0, weight=2.0, seconds=1.0)
    assert caplog.text.count("unreachable") == 1
    assert caplog.text.count("NPC 101 will never attack") == 1
    board.apply({"op": "remove_rule", "name": "strip"})
    add(board, rule="reserve", name="many", field="shots", least=2e6)
    assert "will never fire: that takes 2e+06 of 'shots', which holds at most 1e+06" in caplog.text
    add(board, **closing(2.0))
    assert caplog.text.count("unreachable") == 2


def test_a_game_far_off_is_told_where_in_the_world_something_is_unreachable(caplog: pytest.LogCaptureFixture) -> None:
    brain = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    board = Board(admit=brain.admit)
    wall = Polygon("house", "wall", ((-9.0, 6.0), (-3.0, 6.0), (-3.0, 9.0), (-9.0, 9.0)), True)
    brain.register("g", replace(the_schema(), origin=FAR, polygons=(wall,)))
    Play(brain, np.array([[-6.0, 0, 0, 0, 0]])).step()
    add(board, rule="keep_out", name="strip", polygon=[[x + FAR[0], y + FAR[1]] for x, y in closing(2.0)["polygon"]])
    assert "rule 'strip': unreachable for NPC 101 from (69994.00, -40000.00)" in caplog.text
    x, y = caplog.text.split("40000.00): (")[1].split(")")[0].split(", ")
    assert float(x) > FAR[0] + 3.0
    assert abs(float(y) - FAR[1]) < HALF


def test_what_fails_on_a_thread_of_its_own_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise IndexError("no such cell")

    with ThreadPoolExecutor(1) as aside:
        _later(aside, lambda: None)
        _later(aside, fails)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "no such cell" in caplog.text


def test_a_limit_that_tolerances_leave_nothing_of_is_refused_by_its_name() -> None:
    brain = Runtime(Runner(), lambda: board.snapshot, RuntimeConfig(horizon=10, stagger=False))
    board = Board(admit=brain.admit)
    brain.register("g", the_schema())
    Play(brain, np.array([[0.0, 0, 0, 0, 0]])).step()
    steady = {"rule": "turn_limit", "name": "steady", "rate": 5.0, "above": 3.0}
    board.apply({"op": "add_rules", "rules": [steady, closing(9.0)]})
    with pytest.raises(ControlError, match=r"^rule 'hairline': turn limit: expected"):
        add(board, rule="turn_limit", name="hairline", rate=0.1, above=0.1)
    with pytest.raises(ControlError, match=r"^rule 'limp': velocity tolerance: expected"):
        add(board, rule="acceleration_limit", name="limp", acceleration=0.2)
    assert [rule.name for rule in board.snapshot.rules] == ["steady", "strip"]
