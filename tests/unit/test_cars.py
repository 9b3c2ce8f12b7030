"""Cars: where they may turn to, at rest, too; that nothing that was sent turns one faster; and a game of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from empty_square import square

from npc_bridge.errors import SchemaError
from npc_bridge.ladder import Ladder
from npc_bridge.messages import EntityBlock, Snapshot
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema
from npc_sdk.audit import Limits, Trace, audit
from npc_sdk.audit.measure import turned_by
from npc_sdk.constraints import KIND, RuleTables, TurnLimit
from npc_sdk.designer.board import Board
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body, by_car, make_setting, play
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.courses import courses
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.shield import Certified, Movers, Outstanding, ShieldConfig, Wanted, certify, check_margins
from npc_sdk.shield.ground import headings as ground_headings
from npc_sdk.shield.heading import (
    Cone,
    Headings,
    about_heading,
    about_velocity,
    direction,
    promised_headings,
    within_cone,
)
from npc_sdk.world import ConstantVelocity

DT, TURN = 1 / 30, 0.1
CAR = Body(4.0, 16.0, 16.0, 0.3, kind="car", turn_rate=TURN / DT)
TELLS = ShieldConfig(velocity_tolerance=0.003)
BOTH = pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.skipif(not AVAILABLE, reason="numba is not there"))]
)


def tables_for(*rules: Any, body: Body = CAR, n: int = 1) -> RuleTables:
    return square(rules, body, DT, 30.0, n)


def polar(angle: Any, pace: Any = 1.0) -> Any:
    return np.stack([np.cos(angle), np.sin(angle)], -1) * np.asarray(pace)[..., None]


def ask(wish: Any, velocity: Any = (0.0, 0.0), heading: float = 0.0, compiled: bool = True, **more: Any) -> Certified:
    """One car's answer; `seen` is the heading that the snapshot shows, if it is another one."""
    seen = more.pop("seen", None)
    movers = Movers(
        np.array([101], np.uint32),
        np.zeros((1, 2)),
        np.array([velocity], float),
        heading=np.array([heading]),
        seen_heading=None if seen is None else np.array([seen]),
    )
    wishes = np.atleast_2d(np.array(wish, float))[None]
    config = replace(TELLS, compiled=compiled)
    tables, outstanding = more.pop("tables", tables_for()), more.pop("outstanding", Outstanding())
    return certify(movers, tables, outstanding, wishes, config=config, **more)


def fast(*angles: float) -> Any:
    """What a chunk tells that is run at full speed."""
    return np.repeat(polar(np.array([angles]), 4.0)[:, :, None], 2, 2)


def courses_of(answer: Certified) -> Any:
    return np.arctan2(answer.velocities[0, :, 1], answer.velocities[0, :, 0])


@BOTH
@pytest.mark.parametrize("heading", [0.0, 1.0, -3.1])
def test_a_car_at_rest_starts_within_a_ticks_turn_of_its_heading(heading: float, compiled: bool) -> None:
    left = ask(polar(heading + 1.0, 3.0), heading=heading, compiled=compiled)
    assert turned_by(polar(heading), left.velocities[0, 0]) == pytest.approx(TURN, abs=2e-6)
    assert np.hypot(*left.velocities[0, 0]) == pytest.approx(16 * DT, rel=0.02)
    assert left.rejected[0, KIND["steering"]]
    assert not left.rejected[0, KIND["turn"]]
    assert ask(polar(heading, 0.3), heading=heading, compiled=compiled).reason == ("as proposed",)
    back = ask(polar(heading + 3.0, 3.0), heading=heading, compiled=compiled)
    assert not back.velocities.any(), "neither backwards nor on the spot"
    assert not ask([math.nan, 1.0], heading=heading, compiled=compiled).velocities.any()


@BOTH
def test_a_moving_car_turns_by_no_more_than_its_velocity_may_hide(compiled: bool) -> None:
    quick = ask(polar(0.4 + TURN * np.arange(6), 4.0), polar(0.0, 3.0), compiled=compiled)
    turns = np.diff(np.concatenate([[0.0], courses_of(quick)]))
    assert (turns <= TURN).all()
    assert (turns[1:] > 0.95 * TURN).all()
    slow = ask(polar(0.4, 4.0), polar(0.0, 0.3), compiled=compiled)
    assert 0.5 * TURN < courses_of(slow)[0] < TURN
    brakes = ask(polar(3.0, 4.0), polar(0.0, 3.0), compiled=compiled)
    assert courses_of(brakes)[0] == pytest.approx(0.0, abs=1e-6)
    assert np.hypot(*brakes.velocities[0, 0]) == pytest.approx(3.0 - 16 * DT, rel=0.02)


@BOTH
def test_a_start_is_held_to_every_heading_that_the_car_may_have_by_then(compiled: bool) -> None:
    """Half of what it was sent may have been run: it may head as it did, as it was told to, or anything between."""
    promised = Outstanding()
    promised.add(1, 7, np.array([101], np.uint32), np.zeros((1, 3, 2, 2)), fast(0.05, 0.08, 0.06))
    between = ask(polar(1.0, 3.0), compiled=compiled, outstanding=promised)
    assert courses_of(between)[0] == pytest.approx(TURN, abs=2e-6)  # as far as from 0.0
    other = ask(polar(-1.0, 3.0), compiled=compiled, outstanding=promised)
    assert courses_of(other)[0] == pytest.approx(0.08 - TURN, abs=2e-6)  # and as far as from 0.08
    seen = ask(polar(-1.0, 3.0), compiled=compiled, seen=0.07)
    assert courses_of(seen)[0] == pytest.approx(0.07 - TURN, abs=2e-6)
    promised.add(2, 7, np.array([101], np.uint32), np.zeros((1, 1, 2, 2)), fast(0.3))
    assert not ask(polar(0.0, 3.0), compiled=compiled, outstanding=promised).velocities.any(), "it waits"
    promised.forget(8)
    assert ask(polar(0.0, 3.0), compiled=compiled, outstanding=promised).velocities.any()


@BOTH
def test_a_start_is_held_to_earlier_steps_of_its_own_chunk(compiled: bool) -> None:
    wish = np.concatenate([np.tile(polar(1.0, 0.3), (1, 1)), np.zeros((1, 2)), np.tile(polar(1.0, 0.3), (4, 1))])
    answer = ask(wish, compiled=compiled)
    course = courses_of(answer)
    assert course[0] == pytest.approx(TURN, abs=2e-6)
    # The first step may have been missed: from rest no further than a tick's turn from where the chunk began.
    assert course[2] == pytest.approx(TURN, abs=2e-6)


@BOTH
def test_nothing_is_sent_that_a_start_still_to_run_would_have_to_turn_back_from(compiled: bool) -> None:
    promised = Outstanding()
    told = np.zeros((1, 6, 2, 2))
    told[0, 5, 1] = polar(0.0, 0.4)  # from rest, at tick 5
    promised.add(1, 5, np.array([101], np.uint32), np.zeros((1, 6, 2, 2)), told)
    wish = polar(0.4 + TURN * np.arange(6), 4.0)
    free = courses_of(ask(wish, polar(0.0, 3.0), compiled=compiled))
    held = courses_of(ask(wish, polar(0.0, 3.0), compiled=compiled, outstanding=promised))
    assert free.max() > 4 * TURN
    assert held.max() == pytest.approx(TURN, abs=1e-5)
    for apply_tick, left in ((4, TURN), (5, free.max())):  # at tick 5 it has been run, or never will be
        asked = Wanted(np.zeros((1, 6, 2), np.bool_), apply_tick)
        later = courses_of(ask(wish, polar(0.0, 3.0), compiled=compiled, outstanding=promised, wanted=asked))
        assert later.max() == pytest.approx(left, abs=1e-5)
    promised.forget(6)
    assert courses_of(ask(wish, polar(0.0, 3.0), compiled=compiled, outstanding=promised)).max() > 4 * TURN


def test_what_was_sent_says_what_a_car_may_head_for_and_what_a_start_still_to_run_leaves() -> None:
    """Ticks 3 to 6 of an older chunk, the new one begins at 4: a start that may run after it has begun is one later."""
    stop, ids = (0.0, 0.0), np.array([101, 102, 103, 104, 105], np.uint32)
    slow, fast_x, fast_y = (0.3, 0.3), (0.8, 0.0), (0.0, 0.8)
    told = {
        101: [(stop, polar(1.05)), (stop, stop), ((0.0, 0.5), polar(1.02)), (stop, polar(0.96))],
        102: [(stop, polar(-3.2)), (stop, polar(-3.15)), (fast_x, polar(3.1)), (slow, polar(-2.9))],
        103: [(stop, stop), (stop, stop), (fast_x, (2.0, 0.0)), (fast_y, polar(0.06))],
    }
    sent = Outstanding()
    for npc, pairs in told.items():
        sent.add(npc, 6, np.array([npc], np.uint32), np.zeros((1, 4, 2, 2)), np.array([pairs], float))
    heading, none = np.array([1.0, -3.0, 0.05, 2.0, -1.0]), np.nan
    seen = np.array([[1.0, none], [-3.0, none], [0.05, none], [2.07, 2.05], [-1.03, none]])
    known = promised_headings(ids, sent, heading, seen, np.array([0.1, 2.0, 0.1, 0.1, 0.1]), np.full(5, 0.5), 4)
    assert known.low == pytest.approx([-0.04, -0.2, -0.05, 0.0, -0.03], abs=1e-12)
    assert known.high == pytest.approx([0.05, 0.1, 0.01, 0.07, 0.0], abs=1e-12)
    tick, half = 0.1 - 1e-6, 0.5 * math.pi - 1e-6
    assert known.least == pytest.approx([0.02 - tick, 0.1 - half, -np.inf, -np.inf, -np.inf], abs=1e-12)
    assert known.most == pytest.approx([-0.04 + tick, 0.1 + half, np.inf, np.inf, np.inf], abs=1e-12)
    assert known.expected.tolist() == heading.tolist()


def test_a_car_is_told_within_a_ticks_turn_of_all_that_it_may_head_for() -> None:
    inf, half = np.inf, 0.5 * math.pi - 1e-6
    headings = Headings(
        expected=np.array([1.0, -3.0, 0.5, 0.0]),
        low=np.array([-0.1, 0.0, 0.0, 0.0]),
        high=np.array([0.0, 0.05, 0.02, 0.0]),
        least=np.array([-inf, -0.3, -inf, 0.0]),
        most=np.array([inf, 0.4, inf, 0.0]),
    )
    # Two at rest; three in motion: within what a start leaves, outside of it, and where it leaves just this direction.
    tells, rows = np.array([False, False, True, True, True]), np.array([0, 2, 1, 1, 3])
    axis = polar(np.array([2.0, 2.0, 3.1, 2.0, 0.0]))
    before = np.zeros((5, 2, 2))
    before[0], before[1, 1] = polar(np.array([0.85, 1.1])), (0.6, 0.0)
    turn = np.array([0.2, 3.0, 0.3, 0.3, 0.3])
    cone = about_heading(Cone(axis, np.full(5, -0.2), np.full(5, 0.2)), tells, headings, rows, turn, before)
    ahead = 6.1 - 2 * math.pi
    assert cone.axis == pytest.approx(np.array([polar(1.0), polar(0.5), *axis[2:]]))
    assert cone.low == pytest.approx([0.1 - 0.2 + 1e-6, 0.02 - half, -0.3 - ahead, inf, 0.0], abs=1e-12)
    assert cone.high == pytest.approx([-0.15 + 0.2 - 1e-6, -0.5 + half, 0.2, -inf, 0.0], abs=1e-12)


def test_a_velocity_hides_more_of_its_direction_the_slower_it_is() -> None:
    give, inf = 0.05, np.inf
    now = np.array([[3.0, 4.0], [-0.5, 0.0], [0.0, -0.46], [0.02, 0.0], [8.0, 0.0], [0.0, 0.0], [0.25, 0.0]])
    turn = np.array([0.1, inf, 0.2, 1.0, 9.0, 0.1, 0.1])
    above = np.array([0.5, 0.5, 0.5, 0.06, 0.5, 0.5, 0.3])
    cone, binds = about_velocity(now, turn, above, give)
    assert binds.tolist() == [True, False, True, True, True, False, False]
    room = [0.1 - math.asin(0.01) - 1e-6, inf, 0.2 - math.asin(give / 0.46) - 1e-6, 0.0, 0.5 * math.pi, inf, inf]
    assert cone.high == pytest.approx(room, abs=1e-12)
    assert cone.low == pytest.approx(np.negative(room), abs=1e-12)
    assert cone.axis[:3] == pytest.approx(np.array([[0.6, 0.8], [-1.0, 0.0], [0.0, -1.0]]))
    assert not cone.axis[5].any()


def test_the_sign_of_a_zero_turns_no_direction_round() -> None:
    assert direction(np.array([[-0.0, -0.0], [-0.0, 0.0], [0.0, -0.0]])).tolist() == [0.0, 0.0, 0.0]
    assert direction(np.array([[-2.0, -0.0], [-2.0, 0.0]])).tolist() == [math.pi, math.pi]


def test_what_is_nearest_in_a_cone_lies_on_its_edge_or_is_nothing() -> None:
    """A cone from 0.3 to 0.8 rad: what is just within and just outside of its edges, far outside, and behind it."""

    def nearest(wanted: float, low: float = -0.2, high: float = 0.3) -> Any:
        cone = Cone(polar(np.array([0.5, 2.0])), np.array([low, -1.0]), np.array([high, 1.0]))
        found = within_cone(polar(np.array([wanted, 3.2]), 3.0), cone)
        assert found[1] == pytest.approx(polar(3.0, 3.0 * math.cos(0.2))), "whatever the other cone is"
        return found[0]

    for within in (0.31, 0.5, 0.79):
        assert nearest(within).tolist() == polar(within, 3.0).tolist()
    for wanted, edge in ((0.29, 0.3), (-0.9, 0.3), (0.81, 0.8), (2.1, 0.8)):
        assert nearest(wanted) == pytest.approx(polar(edge, 3.0 * math.cos(wanted - edge)))
    assert nearest(0.9, 0.1, 0.1) == pytest.approx(polar(0.6, 3.0 * math.cos(0.3))), "a cone of one direction"
    assert nearest(-2.5).tolist() == [0.0, 0.0]
    assert nearest(0.5, 0.1, -0.1).tolist() == [0.0, 0.0], "a cone that holds nothing"
    assert nearest(0.5, np.inf, -np.inf).tolist() == [0.0, 0.0]
    assert nearest(3.0, -np.inf, np.inf).tolist() == polar(3.0, 3.0).tolist()


@BOTH
def test_a_velocity_that_tells_no_direction_is_taken_off_what_may_change(compiled: bool) -> None:
    slow = 0.8 * tables_for().turn_above[0]
    start = ask(polar(0.0, 4.0), polar(0.0, slow), compiled=compiled).velocities[0, 0]
    assert 0.1 < np.linalg.norm(start) <= CAR.max_acceleration * DT - slow


@BOTH
def test_a_start_is_held_to_where_a_velocity_points_that_is_too_slow_to_tell_it(compiled: bool) -> None:
    slow = 0.5 * tables_for().turn_above[0]
    start = ask(polar(0.0, 4.0), polar(1.5 * TURN, slow), compiled=compiled)
    assert courses_of(start)[0] == pytest.approx(0.5 * TURN, abs=2e-6)
    assert not ask(polar(0.0, 4.0), (0.0, slow), compiled=compiled).velocities.any(), "no course is within both"


def test_a_velocity_tells_its_direction_from_what_it_may_be_off_below_the_limit_on() -> None:
    tables, give = tables_for(), 0.003
    above = float(tables.turn_above[0])
    movers = Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.zeros((1, 2)), heading=np.zeros(1))
    for before, start in ((above - 2 * give, True), (above, False)):
        sent, told = Outstanding(), np.zeros((1, 1, 2, 2))
        told[0, 0] = polar(0.0, before), polar(0.05, 1.0)
        sent.add(1, 9, movers.ids, np.zeros((1, 1, 2, 2)), told)
        found = ground_headings(movers, tables, sent, np.array([0]), give, 5)
        assert found is not None
        assert np.isfinite(found.least[0]) == start


def test_a_turn_limit_makes_a_car_steer_less_and_what_tells_no_direction_is_refused() -> None:
    tables = tables_for(TurnLimit("steady", 0.5 * TURN / DT, 3.0))
    answer = ask(polar(0.3, 4.0), polar(0.0, 3.5), tables=tables)
    assert 0.3 * TURN < courses_of(answer)[0] < 0.5 * TURN
    check_margins(tables, TELLS)
    with pytest.raises(ConstraintError, match="turn"):
        check_margins(tables_for(), ShieldConfig())
    with pytest.raises(ValueError, match="heading of every car"):
        certify(Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.zeros((1, 2))), tables_for(), Outstanding(),
                np.zeros((1, 1, 2)), config=TELLS)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kidnaps", [0.0, 0.02])
def test_games_of_cars_break_no_rule(kidnaps: float) -> None:
    for seed in range(8):
        found = play(replace(by_car(make_setting(seed), seed), kidnaps=kidnaps), seed, ticks=80).report
        assert found.total("npc") == 0, found.examples[:3]
        assert found.rules["steering"].steps == found.steps


@pytest.mark.slow
@pytest.mark.parametrize("forgets", ["what was sent", "its own steps", "the heading"])
def test_the_checker_finds_a_shield_out_that_forgets(forgets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("npc_sdk.shield.certify", fromlist=["certify"])
    ground = __import__("npc_sdk.shield.ground", fromlist=["survey"])
    about, promised = module.about_heading, ground.promised_headings
    if forgets == "its own steps":
        monkeypatch.setattr(module, "about_heading", lambda *args: about(*args[:5], args[5][:, :0]))
    elif forgets == "what was sent":
        nothing = {"low": 0.0, "high": 0.0, "least": -np.inf, "most": np.inf}
        bare = lambda ids: {name: np.full(len(ids), value) for name, value in nothing.items()}  # noqa: E731
        monkeypatch.setattr(ground, "promised_headings", lambda *args: replace(promised(*args), **bare(args[0])))
    else:
        monkeypatch.setattr(module, "about_heading", lambda cone, *args: cone)
    caught = 0
    for seed in range(40):
        setting = by_car(make_setting(seed, size=1.5, most=8), seed)
        plain = replace(setting, config=replace(setting.config, compiled=False))
        caught += play(plain, seed, ticks=100).report.rules["steering"].violations["npc"]
        if caught:
            return
    pytest.fail("not found out")


def judged(headings: Any, commands: Any, driver: int = 0) -> dict[str, int]:
    """What the checker says of one car's steering."""
    command = np.array(commands, float)[:, None]
    velocity = np.concatenate([np.zeros((1, 1, 2)), command])
    t = len(command)
    trace = Trace(
        ids=np.array([1], np.uint32),
        position=np.concatenate([np.zeros((1, 1, 2)), np.cumsum(command * DT, 0)]),
        velocity=velocity,
        command=command,
        alive=np.ones((t + 1, 1), np.bool_),
        driver=np.full((t, 1), driver, np.uint8),
        attacks=np.zeros((t, 1, 2), np.bool_),
        hold_fire=np.zeros(t, np.bool_),
        hold_known=np.zeros((t, 1), np.bool_),
        heading=np.array(headings, float)[:, None],
    )
    one = np.ones(1)
    limits = Limits(
        dt=DT, radius=one, speed=4 * one, acceleration=200 * one, brake=100 * one, home=np.zeros((1, 2)),
        leash=np.inf * one, spacing=np.zeros((1, 1)), hold_fire=np.zeros(1, np.bool_), zones=(), steering=TURN / DT,
    )  # fmt: skip
    found = audit(trace, limits).rules["steering"].violations
    return {who: count for who, count in found.items() if count}


def test_the_checker_judges_steering_at_every_speed_and_knows_a_car_that_was_turned() -> None:
    assert judged([0.0, 0.09, 0.09, 0.0], [polar(0.09), (0.0, 0.0), polar(0.0)]) == {}
    assert judged([0.0, 0.11], [polar(0.11, 1e-3)]) == {"npc": 1}
    assert judged([0.0, np.pi], [polar(np.pi)]) == {"npc": 1}  # backwards
    assert judged([0.0, 0.2], [polar(0.2)], driver=2) == {"external": 1}
    assert judged([0.0, 1.0, 1.0], [(0.0, 0.0), polar(1.0)]) == {}  # K1: it was turned where it stood; no NPC's doing
    assert judged([0.0, 1.0, 0.0], [(0.0, 0.0), polar(0.0)]) == {"breach": 1}  # told before anybody knew
    late = [(0.0, 0.0)] * 22
    assert judged([0.0, *[1.0] * 22, 0.0], [*late, polar(0.0)]) == {"npc": 1}


def test_plans_are_followed_by_turning_as_one_goes() -> None:
    heading, velocity = np.array([0.0]), np.zeros((1, 2))
    back = courses(heading, velocity, np.tile([-4.0, 0.1], (1, 60, 1)), np.array([TURN]), np.array([0.5]))
    pace, course = np.hypot(*back[0].T), np.unwrap(np.arctan2(back[0, :, 1], back[0, :, 0]))
    assert (np.abs(np.diff(course)) <= 0.75 * TURN + 1e-9).all()
    assert course[-1] == pytest.approx(np.arctan2(0.1, -4.0), abs=1e-6)
    assert pace[5] < 1.5 < pace[-1] == pytest.approx(4.0, rel=1e-3)
    stands = courses(heading, polar(np.zeros(1), 2.0), np.zeros((1, 9, 2)), np.array([TURN]), np.array([0.5]))
    assert not stands[0, -1].any()
    assert not stands[0, :, 1].any()


def car_schema(**changes: Any) -> Schema:
    pose = [Field(n, "m" if n in "xy" else "m/s", -40, 40, role=n) for n in ("x", "y", "vx", "vy")]
    facing = Field("facing", "rad", -4, 4, role="heading")
    settings = {"max_speed": 4.0, "max_acceleration": 16.0, "brake": 16.0, "radius": 0.3, "turn_rate": 3.0}
    return Schema(
        game="race",
        tick_hz=30,
        coordinates="wire",
        bounds=(-12, -12, 12, 12),
        entities=(
            EntityType("player", "player", 1, pose),
            EntityType("npc", "npc", 2, (*pose, facing, Field("squad", "1", 0, 63, role="squad"))),
        ),
        channels=(Channel("move_x", "m/s", -6, 6), Channel("move_y", "m/s", -6, 6)),
        kinematics=Kinematics(kind="car", **{**settings, **changes}),
        polygons=(Polygon("house", "wall", ((-2, -2), (2, -2), (2, 2), (-2, 2)), True),),
    )


def test_a_car_must_show_where_it_heads_and_its_last_hop_is_told_to_look_closely() -> None:
    schema = car_schema()
    assert Schema.from_canonical(schema.canonical()) == schema
    assert schema.velocity_tolerance == pytest.approx(0.25 * 16 / 30 * math.sin(0.025))
    blind = EntityType("npc", "npc", 2, tuple(f for f in schema.entity("npc").fields if f.role != "heading"))
    with pytest.raises(SchemaError, match="entity 'npc': kinematics 'car' expected a field with role 'heading'"):
        replace(schema, entities=(schema.entities[0], blind))
    assert replace(schema, kinematics=replace(schema.kinematics, kind="velocity")).velocity_tolerance == math.inf


@pytest.mark.slow
def test_a_game_of_cars_is_led_from_schema_to_steering() -> None:
    """Two NPCs that face away turn round and come, two ticks behind, through planner, shield and last hop."""
    schema, board = car_schema(), Board()
    board.apply({"op": "add_rule", "rule": {"rule": "ally_distance", "distance": 1.0}})
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=16, horizon=10), torch.device("cpu"))
    brain = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=2, horizon=10))
    brain.register("g", schema)
    ladder, ids = Ladder(schema), np.array([101, 102], np.uint32)
    ladder.start(1, velocity_tolerance=schema.velocity_tolerance)
    place, pace, facing = np.array([[-8.0, 3.0], [-8.0, -3.0]]), np.zeros((2, 2)), np.array([3.0, -3.0])
    player, flying, turns = np.array([[8.0, 0.0, 0.0, 0.0]]), [], []
    for tick in range(120):
        blocks = {
            "player": EntityBlock(np.array([1], np.uint32), np.float32(player)),
            "npc": EntityBlock(ids, np.float32(np.c_[place, pace, facing, [0.0, 0.0]])),
        }
        snapshot = Snapshot(1, schema.schema_id, tick, tick * 33_333, tick, blocks, ladder.executing)
        ((_, action, report),) = brain.tick([("g", snapshot)])
        assert report.findings.breaches == ()
        assert report.certified.guarded.all()
        flying.append(action)
        ladder.accept(flying.pop(0)) if tick >= 2 else None
        step = ladder.step(tick, ids, np.c_[place, pace], np.ones(2, np.bool_))
        pace = step.commands[:, :2].astype(np.float64)
        place = place + pace * DT
        goes = pace.any(1)
        turns.append(np.where(goes, turned_by(polar(facing), pace), 0.0))
        facing = np.where(goes, np.arctan2(pace[:, 1], pace[:, 0]), facing)
    assert ladder.counters.off_pose == 0
    assert np.max(turns) <= TURN * (1.0 + 1e-6)
    assert np.max(turns) > 0.5 * TURN
    assert np.hypot(*(place - player[:, :2]).T).max() < 13.0  # they began over 16 m away, facing away
