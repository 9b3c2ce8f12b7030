"""Motion near what somebody else moves: never worse than standing still, whatever the other does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_sdk.constraints import (
    KIND,
    AccelerationLimit,
    KeepAway,
    NoStop,
    Rule,
    RuleTables,
    StayNear,
    TurnLimit,
    compile_rules,
)
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body
from npc_sdk.shield import Case, Certified, Movers, Others, Outstanding, ShieldConfig, Wanted, certify, issue
from npc_sdk.shield.ground import turn_give
from npc_sdk.shield.moving import Targets, never_worse

Floats = NDArray[np.float64]

DT, M = 1 / 30, 6
PLAYER = frozenset(["player"])
DOOR = ((2.0, -1.0), (3.0, -1.0), (3.0, 1.0), (2.0, 1.0))


def tables_for(*rules: Rule) -> RuleTables:
    return compile_rules(
        rules,
        ids=[101],
        squads=[0],
        homes=[[0.0, 0.0]],
        kinematics=Body(4.0, 16.0, 16.0, 0.3),
        walls=[],
        bounds=(-50.0, -50.0, 50.0, 50.0),
        dt=DT,
    )


def ask(
    tables: RuleTables,
    wish: tuple[float, float],
    *,
    place: tuple[float, float] = (0.0, 0.0),
    velocity: tuple[float, float] = (0.0, 0.0),
    player: tuple[float, float] | None = None,
    age: int = 0,
    compiled: bool = True,
) -> Certified:
    who = Movers(np.array([101], np.uint32), np.array([place]), np.array([velocity]))
    others = Others.none() if player is None else Others(np.array([player]), (PLAYER,), age)
    wishes, config = np.broadcast_to(np.array(wish), (1, M, 2)), ShieldConfig(compiled=compiled)
    return certify(who, tables, Outstanding(), wishes, others=others, config=config)


def walked(answer: Certified) -> float:
    return float(answer.points[0, -1, 1, 0] - answer.points[0, 0, 0, 0])


def test_an_npc_stops_short_of_where_the_player_may_be_by_then() -> None:
    tables = tables_for(KeepAway("room", 2.0, top_speed=5.0))
    far, near = ask(tables, (4.0, 0.0), player=(9.0, 0.0)), ask(tables, (4.0, 0.0), player=(3.0, 0.0))
    assert not far.rejected[0, KIND["keep_away"]]
    assert walked(far) > 0.5
    assert near.rejected[0, KIND["keep_away"]]
    assert walked(near) < 0.2
    assert near.guarded.all()
    assert near.margins[0, KIND["keep_away"]] >= 0.0


def test_going_away_is_free_however_near_the_player_is() -> None:
    tables = tables_for(KeepAway("room", 2.0, top_speed=5.0))
    answer = ask(tables, (-4.0, 0.0), player=(6.0, 0.0), age=2)
    assert walked(answer) < -0.5
    assert answer.guarded.all()


def test_a_case_is_answered_with_the_others_that_it_shows() -> None:
    tables, near = tables_for(KeepAway("room", 2.0, top_speed=5.0)), Others(np.array([[3.0, 0.0]]), (PLAYER,))
    movers, wish = (
        Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.zeros((1, 2))),
        np.full((1, M, 2), [4.0, 0.0]),
    )
    case = Case(movers, tables, wish, near, Wanted(np.zeros((1, M, 2), np.bool_)), ShieldConfig())
    assert walked(issue(Outstanding(), case, 1)) == walked(ask(tables, (4.0, 0.0), player=(3.0, 0.0)))


@pytest.mark.parametrize(
    ("rules", "change", "told"),
    [
        ((), {"velocity": np.array([[np.nan, 0.0]])}, "velocity in numbers"),
        ((), {"position": np.array([[2e4, 0.0]])}, "rebase"),
        ((AccelerationLimit("soft", 1.0),), {}, "velocity tolerance"),
        ((TurnLimit("steady", 0.01, 0.1),), {}, "turn limit"),
    ],
)
def test_a_look_that_cannot_be_answered_leaves_nothing_behind(
    rules: tuple[Rule, ...], change: dict[str, Floats], told: str
) -> None:
    asked = Case(
        Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.zeros((1, 2))),
        tables_for(),
        np.zeros((1, M, 2)),
        Others.none(),
        Wanted(np.zeros((1, M, 2), np.bool_)),
        ShieldConfig(),
    )
    promised, late = Outstanding(), Wanted(np.zeros((1, M, 2), np.bool_), tick=100, apply_tick=100)
    issue(promised, asked, 1)
    with pytest.raises(ConstraintError, match=told):
        issue(
            promised, replace(asked, movers=replace(asked.movers, **change), tables=tables_for(*rules), wanted=late), 2
        )
    assert len(promised) == 1, "nothing is forgotten"
    issue(promised, replace(asked, wanted=late), 2)
    assert len(promised) == 1, "the first chunk is over by then"


def test_the_age_of_what_is_known_widens_where_the_player_may_be() -> None:
    tables = tables_for(KeepAway("room", 2.0, top_speed=5.0))
    fresh, stale = (ask(tables, (4.0, 0.0), player=(4.0, 0.0), age=age) for age in (0, 6))
    assert walked(stale) < walked(fresh) - 0.1


def test_standing_still_is_always_right_and_moving_off_ones_certificate_is_said() -> None:
    tables = tables_for(KeepAway("room", 2.0, top_speed=5.0))
    still = ask(tables, (0.0, 0.0), player=(0.5, 0.0))
    assert still.guarded.all()
    assert not still.changed.any()
    rushing = ask(tables, (4.0, 0.0), velocity=(4.0, 0.0), player=(2.5, 0.0))
    assert not rushing.guarded.any()
    assert rushing.broken[0, KIND["keep_away"]]
    assert rushing.reason == ("unguarded: keep_away",)
    assert (rushing.rank == 4).all()  # only the brake is left


def test_an_escort_never_walks_off_and_may_always_come_nearer() -> None:
    tables = tables_for(StayNear("escort", 4.0, top_speed=3.0, to="player"))
    off, back = ask(tables, (4.0, 0.0), player=(-3.5, 0.0)), ask(tables, (-4.0, 0.0), player=(-9.0, 0.0))
    assert walked(off) < 0.1
    assert off.rejected[0, KIND["stay_near"]]
    assert walked(back) < -0.5


@pytest.mark.parametrize("compiled", [True, False])
def test_a_margin_of_nothing_is_enough(compiled: bool) -> None:
    """An NPC flees from a player who would just have come to where it stands by the end of the first tick."""
    tables, step = tables_for(KeepAway("room", 2.0, top_speed=0.125)), 0.125 * DT
    for player, kept in ((-step, True), (1e-6 - step, False)):
        flight = ask(tables, (2.0, 0.0), velocity=(2.0, 0.0), player=(player, 0.0), compiled=compiled)
        assert flight.guarded[0] == kept


def test_rules_about_others_ask_nothing_where_there_are_none() -> None:
    tables = tables_for(KeepAway("room", 2.0, top_speed=5.0, to="protected"))
    for player in (None, (1.0, 0.0)):
        answer = ask(tables, (4.0, 0.0), player=player)
        assert walked(answer) > 0.5
        assert not answer.active[0, KIND["keep_away"]]


def test_an_npc_walks_through_a_clearway_but_does_not_stop_in_it() -> None:
    tables = tables_for(NoStop("door", DOOR))
    place, velocity, inside = (1.2, 0.0), (0.0, 0.0), 0
    for _ in range(200):
        answer = ask(tables, (4.0, 0.0), place=place, velocity=velocity)
        stop = answer.points[0, 0, 1]
        assert not 2.0 < stop[0] < 3.0
        place = (float(place[0] + answer.velocities[0, 0, 0] * DT), 0.0)
        velocity = (float(answer.velocities[0, 0, 0]), 0.0)
        inside += 2.0 < place[0] < 3.0
    slow = ask(tables, (0.5, 0.0), place=(1.9, 0.0))
    assert slow.rejected[0, KIND["no_stop"]]
    spawned = ask(tables, (0.0, 0.0), place=(2.5, 0.0))
    assert spawned.broken[0, KIND["no_stop"]]


def test_a_turn_is_cut_to_what_a_tick_allows_at_speed_and_free_when_slow() -> None:
    tables = tables_for(TurnLimit("steady", 4.0, above=1.0))
    answer = ask(tables, (0.0, 4.0), velocity=(3.0, 0.0))
    path = np.concatenate([[[3.0, 0.0]], answer.velocities[0]])
    turned = np.abs(np.diff(np.unwrap(np.arctan2(path[:, 1], path[:, 0]))))
    fast = np.hypot(*path[:-1].T) > 1.0
    assert fast[:3].all()
    assert np.all(turned[fast] <= 4.0 * DT)
    assert turned[0] > 0.001
    assert answer.rejected[0, KIND["turn"]]
    slow = ask(tables, (0.0, 4.0), velocity=(0.5, 0.0))
    assert slow.velocities[0, 1, 1] > abs(slow.velocities[0, 1, 0])


def test_a_turn_limit_finer_than_the_velocity_tolerance_can_tell_is_refused() -> None:
    tables = tables_for(TurnLimit("hairline", 0.2, above=0.1))
    with pytest.raises(ConstraintError, match="turn"):
        ask(tables, (1.0, 0.0))
    certify(
        Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.zeros((1, 2))),
        tables,
        Outstanding(),
        np.zeros((1, M, 2)),
        config=ShieldConfig(velocity_tolerance=1e-5),
    )


@pytest.mark.parametrize(
    ("rate", "above", "tells"), [(3.0, 0.75, True), (3.0, 0.7, False), (120.0, 0.12, True), (120.0, 0.09, False)]
)
def test_a_turn_limit_is_taken_where_a_velocity_tells_three_quarters_of_it(
    rate: float, above: float, tells: bool
) -> None:
    """3 rad/s are a tenth of a radian a tick; 0.05 m/s hide three quarters of that below 0.72 m/s."""
    tables = tables_for(TurnLimit("steady", rate, above))
    if tells:
        assert turn_give(tables, np.zeros(1, np.intp), ShieldConfig()) == pytest.approx(0.05 + 3e-7 * 4.0, abs=1e-9)
    else:
        with pytest.raises(ConstraintError, match=f"got {rate:g} rad/s above {above:g} m/s"):
            turn_give(tables, np.zeros(1, np.intp), ShieldConfig())


def test_a_slow_velocity_hides_less_by_rounding() -> None:
    slow = replace(tables_for(), speed=np.full(1, 0.5))
    assert turn_give(slow, np.zeros(1, np.intp), ShieldConfig()) == pytest.approx(0.05 + 3e-7 * 0.5, abs=1e-9)


def kept(*, distance: float, near: bool, top_speed: float, speed: float, change: float) -> float:
    """The margin of one who walks straight off from an entity 3 m behind; ticks of a second."""
    them = Targets(
        np.array([[-3.0, 0.0]]),
        np.array([distance]),
        np.array([top_speed]),
        np.array([near]),
        np.zeros(1, np.int64),
        np.ones((1, 1), np.bool_),
        0,
    )
    command, once = np.array([[speed, 0.0]]), np.zeros(1, np.int64)
    return float(never_worse(them, once, np.zeros((1, 2)), command, once, np.array([change]), 1.0, 0.0)[0, 0])


def test_every_motion_is_measured_against_every_rule_that_binds_its_npc() -> None:
    """Ticks of half a second: one goes 1 m and then 0.5 m to the right, one 1.5 m upwards, and one stands."""
    keep_away_and_stay_near, dt, spare = np.array([False, True]), 0.5, 0.25
    them = Targets(
        np.array([[10.0, 0.0], [0.0, -20.0]]),
        np.array([2.0, 30.0]),
        np.array([1.0, 2.0]),
        keep_away_and_stay_near,
        np.zeros(2, np.int64),
        np.array([[True, False], [True, True]]),
        1,
    )
    npc, step, acceleration = np.array([1, 0, 1]), np.array([3, 0, 0]), np.array([2.0, 12.0, 2.0])
    start, command = np.array([[4.0, 0.0], [7.0, 4.0], [9.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    found = never_worse(them, npc, start, command, step, acceleration, dt, spare)
    # The first one's second tick is the sixth: the entities may have come 3 m and 6 m by then. The second one leaves.
    assert found[0] == pytest.approx([4.5 - 2.0 - spare - 3.0, 30.0 - spare - np.hypot(5.5, 20.0) - 6.0])
    assert found[1, 0] == pytest.approx(4.0 - spare - 1.0)
    assert (found[[1, 2, 2], [1, 0, 1]] > 1e6).all(), "no rule, or no motion"


def test_a_brake_is_followed_to_its_last_tick_and_one_longer_than_2000_ticks_is_vouched_for_by_nobody() -> None:
    change = 2.0**-10
    walked = change * (2000 * 2001 // 2)
    last = kept(distance=1e4, near=True, top_speed=0.0, speed=2000 * change, change=change)
    assert last == pytest.approx(1e4 - 3.0 - walked, abs=1e-9)
    assert kept(distance=1e4, near=True, top_speed=0.0, speed=2000.5 * change, change=change) == -np.inf
    assert kept(distance=1e4, near=True, top_speed=0.0, speed=2000 * 8.0, change=8.0) > -np.inf


def test_at_rest_there_is_nothing_to_answer_for() -> None:
    """The second tick goes at a billionth of a metre per second, which counts as none: the first is answered for."""
    assert kept(distance=50.0, near=True, top_speed=5.0, speed=2e-9, change=1e-9) == pytest.approx(50.0 - 3.0 - 5.0)
    slow = kept(distance=50.0, near=True, top_speed=5.0, speed=1e-9, change=1.0)
    assert slow == kept(distance=50.0, near=True, top_speed=5.0, speed=0.0, change=1.0) > 1e6


def test_nobody_else_is_no_place_and_no_name() -> None:
    assert Others.none().position.shape == (0, 2)
    assert Others.none().names == ()
