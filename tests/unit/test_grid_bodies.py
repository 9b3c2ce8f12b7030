"""Bodies that go by whole cells: what the shield lets them do, what the checker says of them, and a game of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from empty_square import square

from npc_bridge.ladder import Ladder
from npc_bridge.messages import EntityBlock, Snapshot
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema
from npc_sdk.audit.measure import off_grid
from npc_sdk.constraints import KIND, AccelerationLimit, KeepOut, RuleTables, SpeedLimit, TurnLimit
from npc_sdk.constraints.moves import grid_moves
from npc_sdk.designer.board import Board
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body, by_cells, make_setting, play
from npc_sdk.kernels import projection
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.runtime.strides import strides
from npc_sdk.shield import Movers, Outstanding, ShieldConfig, certify, check_margins, project
from npc_sdk.shield.ground import runs_on
from npc_sdk.shield.heading import Cone
from npc_sdk.shield.moves import nearest_move
from npc_sdk.world import ConstantVelocity

DT = 0.1
CROSS, STAR = Body(5.0, 200.0, 200.0, 0.2, cell=0.5), Body(7.1, 200.0, 200.0, 0.2, cell=0.5, diagonals=True)
BOTH = pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.skipif(not AVAILABLE, reason="no numba"))]
)


def tables_for(*rules: Any, body: Body = CROSS, n: int = 1) -> RuleTables:
    return square(rules, body, DT, 12.0, n)


def answer(tables: RuleTables, wish: Any, velocity: Any = (0.0, 0.0), compiled: bool = True, m: int = 1) -> Any:
    who = Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.array([velocity], float))
    wishes = np.broadcast_to(np.array(wish, float), (1, m, 2))
    return certify(who, tables, Outstanding(), wishes, config=ShieldConfig(compiled=compiled))


@BOTH
@pytest.mark.parametrize(
    ("body", "wish", "step"),
    [
        (CROSS, (4.0, 1.0), (5.0, 0.0)),
        (CROSS, (1e30, -1.0), (5.0, 0.0)),
        (CROSS, (-0.1, -2.6), (0.0, -5.0)),
        (CROSS, (1.0, 2.0), (0.0, 0.0)),
        (CROSS, (4.0, 4.0), (5.0, 0.0)),  # as near to (0, 5): the first of the two
        (CROSS, (-4.0, 4.0), (-5.0, 0.0)),
        (CROSS, (math.nan, 9.0), (0.0, 0.0)),
        (CROSS, (math.inf, 0.0), (0.0, 0.0)),
        (STAR, (4.0, 4.0), (5.0, 5.0)),
        (STAR, (-1e9, 1e9), (-5.0, 5.0)),
        (STAR, (5.0, 2.0), (5.0, 0.0)),
    ],
)
def test_a_wish_becomes_the_nearest_step(body: Body, wish: Any, step: Any, compiled: bool) -> None:
    given = answer(tables_for(body=body), wish, compiled=compiled)
    assert given.velocities[0, 0].tolist() == list(step)
    assert given.guarded.all()
    assert given.rejected[0, KIND["grid"]]
    assert given.active[0, KIND["grid"]]
    assert given.expected[0, 0].tolist() == [0.0, 0.0, 0.0, 0.0]


@BOTH
def test_a_step_goes_through_as_proposed_and_ends_where_it_ends(compiled: bool) -> None:
    given = answer(tables_for(), (5.0, 0.0), (0.0, 5.0), compiled)
    assert given.reason == ("as proposed",)
    assert given.active[0, KIND["grid"]]
    assert not given.rejected.any()
    assert given.points[0, 0, 1] == pytest.approx([0.5, 0.0])  # no way to brake after it


@BOTH
def test_a_step_into_a_pit_is_none(compiled: bool) -> None:
    pit = KeepOut("pit", ((0.6, -1.0), (2.0, -1.0), (2.0, 1.0), (0.6, 1.0)))
    given = answer(tables_for(pit), (5.0, 0.0), compiled=compiled, m=3)
    assert (given.points[0, :, 1, 0] < 0.4).all()
    assert off_grid(given.velocities[0] * DT, 0.5, False).max() == 0.0
    assert given.rejected[0, KIND["keep_out"]]


@BOTH
def test_limits_leave_fewer_steps(compiled: bool) -> None:
    def step(wish: Any, *rules: Any, body: Body = CROSS, velocity: Any = (0.0, 0.0)) -> Any:
        return answer(tables_for(*rules, body=body), wish, velocity, compiled).velocities[0, 0].tolist()

    assert step((9.0, 9.0), SpeedLimit("slow", 6.0), body=STAR) == [5.0, 0.0]
    assert step((9.0, 0.0), SpeedLimit("slow", 4.0)) == [0.0, 0.0]
    assert step((-9.0, 0.0), AccelerationLimit("gentle", 60.0), velocity=(5.0, 0.0)) == [0.0, 0.0]
    assert step((9.0, 0.0), AccelerationLimit("gentle", 40.0)) == [0.0, 0.0]  # it could not stop at once
    turn = TurnLimit("steady", 10.0, 1.0)  # one radian a tick
    assert step((0.0, 9.0), turn, body=STAR, velocity=(5.0, 0.0)) == [5.0, 5.0]
    assert step((0.0, 9.0), turn, velocity=(5.0, 0.0)) == [5.0, 0.0]  # not round the corner


@BOTH
def test_a_body_that_cannot_stop_at_once_is_off_its_certificate_and_brakes(compiled: bool) -> None:
    given = answer(tables_for(), (5.0, 0.0), (30.0, 0.0), compiled, m=3)
    assert given.broken[0, KIND["grid"]]
    assert not given.guarded[0]
    assert given.velocities[0, 0] == pytest.approx([30.0 - 20.0, 0.0], abs=0.1)
    assert off_grid(given.velocities[0, 1:] * DT, 0.5, False).max() == 0.0


@BOTH
def test_a_body_that_comes_to_where_it_can_stop_at_once_stops(compiled: bool) -> None:
    quick = Body(60.0, 200.0, 200.0, 0.2, cell=0.5)
    given = answer(tables_for(body=quick), (5.0, 0.0), (55.0, 0.0), compiled, m=5)
    assert given.reason == ("unguarded: grid",)
    assert given.velocities[0, :, 0] == pytest.approx([35.0, 15.0, 0.0, 0.0, 0.0], abs=0.2)
    assert given.rank[0].tolist() == [1, 1, 4, 4, 4]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ([SpeedLimit("slow", 4.0)], "speed limit: expected at least 5 m/s, a cell per tick, got 4;"),
        ([SpeedLimit("slow", 4.0, who=(102,))], "speed limit: expected at least 5 m/s, a cell per tick, got 4;"),
        (
            [AccelerationLimit("gentle", 40.0), SpeedLimit("straight", 5.0)],
            "expected more than 50.5 m/s.2, so that a step of 0.5 m ends with its tick, got 40",
        ),
        (
            [AccelerationLimit("gentle", 60.0, who=(102,)), SpeedLimit("straight", 6.0, who=(101,))],
            "expected more than 71.2107 m/s.2, so that a step of 0.707107 m ends with its tick, got 60",
        ),
    ],
)
def test_limits_under_which_somebody_can_take_no_step_are_refused(rules: list[Any], text: str) -> None:
    with pytest.raises(ConstraintError, match=text):
        check_margins(tables_for(*rules, body=STAR, n=2), ShieldConfig())


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        (CROSS, []),
        (STAR, []),
        (CROSS, [AccelerationLimit("gentle", 60.0)]),
        (STAR, [SpeedLimit("straight", 6.0), AccelerationLimit("gentle", 60.0)]),
        (Body(0.6, 7.0, 7.0, 0.2, cell=0.05, diagonals=True), []),
    ],
)
def test_limits_under_which_everybody_can_take_some_step_and_stop_at_once_are_taken(
    body: Body, rules: list[Any]
) -> None:
    check_margins(tables_for(*rules, body=body, n=2), ShieldConfig())


def test_who_is_just_as_fast_as_it_can_brake_in_a_tick_does_not_run_on() -> None:
    pace, brake = np.array([[5.0, 0.0], [5.0 + 1e-6, 0.0], [0.0, -6.0]]), np.full(3, 5.0 / DT)
    assert runs_on(tables_for(n=3), pace, brake).tolist() == [False, True, True]
    assert not runs_on(tables_for(body=Body(7.1, 200.0, 200.0, 0.2), n=3), pace, brake).any(), "it goes on braking"


def test_a_square_whose_walls_are_too_far_off_is_refused() -> None:
    check_margins(square([], CROSS, DT, 1e4), ShieldConfig())
    with pytest.raises(ConstraintError, match="at most 10000 m from the origin, got 10001; rebase"):
        check_margins(square([], CROSS, DT, 10001.0), ShieldConfig())


def test_steps_are_float32_and_never_longer_than_declared() -> None:
    for rate in (3, 7, 30, 49, 60):
        for cell in (0.1, 1 / 3, 1.0, 1.7):
            steps = grid_moves(cell, True, 1 / rate)
            assert np.array_equal(steps, steps.astype(np.float32))
            assert steps.max() <= cell * rate * (1.0 + 1e-12)
            assert steps.max() == pytest.approx(cell * rate, rel=2e-7)


def test_a_move_may_use_a_limit_up_and_where_none_is_left_the_body_brakes() -> None:
    """Three bodies that a step to the right is at a limit of: by its pace, by its change, and by too slow a brake."""
    moves = tables_for().moves
    velocity = np.array([[4.0, 0.0], [-2.0, 0.0], [0.5, 0.0]])
    speed, change = np.array([5.0, 9.0, 9.0]), np.array([5.0, 7.0, 0.1])
    found = nearest_move(moves, np.tile([9.0, 0.0], (3, 1)), velocity, speed, change, None)
    assert found == pytest.approx(np.array([[5.0, 0.0], [5.0, 0.0], [0.4, 0.0]]))


@pytest.mark.skipif(not AVAILABLE, reason="no numba")
@pytest.mark.parametrize("turn", [np.inf, 0.0, 0.8, 1.5])
@pytest.mark.parametrize("body", [CROSS, STAR])
def test_both_ways_find_the_same_step(body: Body, turn: float) -> None:
    rng, moves = np.random.default_rng(7), tables_for(body=body).moves
    wish = rng.normal(size=(400, 2)) * 10.0 ** rng.uniform(-1, 3, (400, 1))
    now = np.where(rng.random((400, 1)) < 0.7, moves[rng.integers(len(moves), size=400)], rng.normal(size=(400, 2)) * 4)
    wish[::9] = wish[::9, :1] * rng.choice([-1.0, 1.0], (len(wish[::9]), 2))  # as near to two
    wish[0] = np.nan
    for speed, change in ((7.1, 15.0), (5.0, 6.0), (4.0, 6.0), (7.1, 4.0)):
        axis = now / np.maximum(np.hypot(*now.T), 1e-12)[:, None]
        cone = Cone(axis, np.full(400, -turn), np.full(400, turn))
        want = project(wish, now, np.full(400, speed), np.full(400, change), cone, moves)
        got = [
            projection.project(*w, *v, speed, change, *a, -turn, turn, moves)
            for w, v, a in zip(wish, now, axis, strict=True)
        ]
        np.testing.assert_allclose(got, want, rtol=3e-7, atol=0.0)


@pytest.mark.slow
def test_games_of_steps_break_no_rule_and_without_the_shield_hardly_a_step_is_one() -> None:
    for seed in range(8):
        setting = by_cells(make_setting(seed), seed)
        found = play(setting, seed, ticks=60).report
        assert found.total("npc") == 0, found.examples[:3]
        assert found.rules["grid"].steps == found.steps
        assert found.rules["grid"].min_margin >= 0.0
    kidnapped = play(replace(by_cells(make_setting(3), 3), kidnaps=0.03), 3, ticks=80).report
    assert kidnapped.total("npc") == 0, kidnapped.examples[:3]
    assert kidnapped.rules["grid"].violations["external"] > 0  # the game's own behaviour goes as it likes


@pytest.mark.slow
@pytest.mark.parametrize("forgets", ["steps", "limits"])
def test_the_checker_finds_a_shield_out_that_forgets_the_grid(forgets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("npc_sdk.shield.certify", fromlist=["certify"])
    if forgets == "steps":
        monkeypatch.setattr(module, "project", lambda *args: project(*args[:5]))
    else:
        monkeypatch.setattr(module, "nearest_move", lambda m, w, v, s, c, t: nearest_move(m, w, v, s * 9, c * 9, t))
    setting = by_cells(make_setting(0), 0)
    if forgets == "limits":
        setting = replace(setting, rules=(*setting.rules, SpeedLimit("creep", 0.9 * setting.body.cell / setting.dt)))
    plain = replace(setting.config, compiled=False)
    found = play(replace(setting, config=plain), 0, ticks=60).report
    assert found.rules["grid" if forgets == "steps" else "speed"].violations["npc"] > 0


def test_the_checker_measures_steps_by_itself() -> None:
    ways = np.array([[0.5, 0.0], [0.0, 0.0], [0.5, -0.5], [0.25, 0.0], [1.0, 0.0], [0.0, 0.51]])
    assert off_grid(ways, 0.5, True) == pytest.approx([0.0, 0.0, 0.0, 0.25, 0.5, 0.01])
    assert off_grid(ways, 0.5, False) == pytest.approx([0.0, 0.0, 0.5, 0.25, 0.5, 0.01])


@pytest.mark.parametrize("body", [CROSS, STAR])
@pytest.mark.parametrize("wanted", [(2.0, 0.0), (0.0, -4.9), (1.0, 1.0), (-3.0, 1.5), (0.3, 0.0)])
def test_steps_come_to_what_a_plan_wants_on_average(body: Body, wanted: tuple[float, float]) -> None:
    moves = tables_for(body=body).moves
    plan = np.broadcast_to(np.array(wanted), (1, 1000, 2))
    whole = strides(plan, 17, moves)[0]
    assert {tuple(step) for step in whole.tolist()} <= {tuple(move) for move in (moves + 0.0).tolist()}
    assert whole.mean(0) == pytest.approx(wanted, abs=0.02)
    later = strides(plan[:, :100], 17 + 300, moves)[0]
    assert np.array_equal(later, whole[300:400]), "the next answer goes on in the same rhythm"
    assert np.isnan(strides(np.full((1, 2, 2), np.nan), 0, moves)).all()


def grid_schema(diagonals: bool) -> Schema:
    pose = [Field(n, "m" if n in "xy" else "m/s", -40, 40, role=n) for n in ("x", "y", "vx", "vy")]
    top = 5.0 * (math.sqrt(2.0) if diagonals else 1.0)
    return Schema(
        game="board",
        tick_hz=1.0 / DT,
        coordinates="wire",
        bounds=(-12, -12, 12, 12),
        entities=(
            EntityType("player", "player", 1, pose),
            EntityType("npc", "npc", 2, (*pose, Field("squad", "1", 0, 63, role="squad"))),
        ),
        channels=(Channel("move_x", "m/s", -9, 9), Channel("move_y", "m/s", -9, 9)),
        kinematics=Kinematics(
            max_speed=top, max_acceleration=20 * top, brake=20 * top, radius=0.2, turn_rate=6.0,
            kind="grid", cell=0.5, diagonals=diagonals,
        ),
        polygons=(Polygon("house", "wall", ((-2, -2), (2, -2), (2, 2), (-2, 2)), True),),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("diagonals", [False, True])
def test_a_game_of_cells_is_led_from_schema_to_step(diagonals: bool) -> None:
    """Through the planner, the shield and the last hop, two ticks behind: on the grid and towards the player."""
    schema, board = grid_schema(diagonals), Board()
    board.apply({"op": "add_rule", "rule": {"rule": "ally_distance", "distance": 1.0}})
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=16, horizon=10), torch.device("cpu"))
    brain = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=2, horizon=10))
    brain.register("g", schema)
    ladder, ids = Ladder(schema), np.array([101, 102], np.uint32)
    ladder.start(1)
    place, pace, player = np.array([[-8.0, 3.0], [-8.0, -3.0]]), np.zeros((2, 2)), np.array([[8.0, 0.0, 0.0, 0.0]])
    flying, moved = [], []
    for tick in range(40):
        blocks = {
            "player": EntityBlock(np.array([1], np.uint32), np.float32(player)),
            "npc": EntityBlock(ids, np.float32(np.c_[place, pace, [[0.0], [0.0]]])),
        }
        snapshot = Snapshot(1, schema.schema_id, tick, tick * 100_000, tick, blocks, ladder.executing)
        ((_, action, report),) = brain.tick([("g", snapshot)])
        assert report.findings.breaches == ()
        assert report.certified.guarded.all()
        flying.append(action)
        ladder.accept(flying.pop(0)) if tick >= 2 else None
        step = ladder.step(tick, ids, np.c_[place, pace], np.ones(2, np.bool_))
        pace = step.commands[:, :2].astype(np.float64)
        place = place + pace * DT
        moved.append(pace * DT)
    assert ladder.counters.off_pose == 0
    assert off_grid(np.array(moved), 0.5, diagonals).max() < 1e-6
    assert np.hypot(*(place - player[:, :2]).T).max() < 12.0  # they began over 16 m away
    cells = (place - [[-8.0, 3.0], [-8.0, -3.0]]) / 0.5
    assert np.abs(cells - np.round(cells)).max() < 1e-6
