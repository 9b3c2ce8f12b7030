"""The shield's answers in places small enough to judge by eye."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from chunk_laws import hangs_together
from numpy.typing import NDArray

from npc_sdk.audit.measure import turned_by
from npc_sdk.constraints import (
    KIND,
    KINDS,
    AccelerationLimit,
    AllyDistance,
    HoldFire,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    NoStop,
    RuleTables,
    TurnLimit,
    compile_rules,
)
from npc_sdk.errors import ConstraintError
from npc_sdk.shield import (
    REASONS,
    Certified,
    Movers,
    Others,
    Outstanding,
    ShieldConfig,
    Tally,
    Wanted,
    certified_limits,
    certify,
    half_planes,
    project,
)
from npc_sdk.shield.brake import brake, brake_end, segment_end, stop_distance, travel
from npc_sdk.shield.ground import rounding, survey
from npc_sdk.shield.separation import separate

DT = 1 / 30
M = 6
BOX = ((2.0, -3.0), (5.0, -3.0), (5.0, 3.0), (2.0, 3.0))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    max_speed: float = 4.0
    max_acceleration: float = 16.0
    brake: float = 16.0
    radius: float = 0.35
    cell: float = 0.0
    diagonals: bool = False
    kind: str = "velocity"
    turn_rate: float = 6.0


def tables_for(*rules: Any, n: int = 1, homes: Any = None) -> RuleTables:
    return compile_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.zeros(n),
        homes=np.zeros((n, 2)) if homes is None else homes,
        kinematics=Body(),
        walls=[],
        bounds=(-12.0, -12.0, 12.0, 12.0),
        dt=DT,
    )


def movers(position: Any, velocity: Any = None) -> Movers:
    place = np.array(position, float)
    n = len(place)
    speed = np.zeros((n, 2)) if velocity is None else np.array(velocity, float)
    return Movers(np.arange(101, 101 + n, dtype=np.uint32), place, speed)


def ask(tables: RuleTables, who: Movers, wish: Any, **more: Any) -> Certified:
    wishes = np.broadcast_to(np.array(wish, float), (len(who.ids), M, 2))
    return certify(who, tables, more.pop("outstanding", Outstanding()), wishes, **more)


def drive(tables: RuleTables, who: Movers, wish: Any, ticks: int, **more: Any) -> tuple[Movers, list[Certified]]:
    """Lets the first step of every answer run."""
    answers = []
    for _ in range(ticks):
        answers.append(ask(tables, who, wish, **more))
        who = Movers(who.ids, who.position + answers[-1].velocities[:, 0] * DT, answers[-1].velocities[:, 0])
    return who, answers


def test_travel_is_the_sum_of_a_tick_and_the_braking_ticks_after_it() -> None:
    rng = np.random.default_rng(0)
    for speed in [0.0, 16 * DT, *rng.uniform(0, 20, 50)]:
        covered, left = 0.0, float(speed)
        while left > 0.0:
            covered += left * DT
            left = max(0.0, left - 16 * DT)
        assert float(travel(np.array(speed), np.array(16.0), DT)) == pytest.approx(covered, abs=1e-12)
        rest = stop_distance(np.array(speed), np.array(16.0), DT)
        assert float(rest) == pytest.approx(max(0.0, covered - speed * DT), abs=1e-9)


def test_braking_stays_on_the_committed_segment() -> None:
    place, speed = np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]])
    end = brake_end(place, speed, np.array([16.0]), DT)
    for _ in range(20):
        assert brake_end(place, speed, np.array([16.0]), DT) == pytest.approx(end)
        speed = brake(speed, np.array([16.0]), DT)
        assert segment_end(place, speed, np.array([16.0]), DT) == pytest.approx(end)
        place = place + speed * DT
    assert place == pytest.approx(end)


@pytest.mark.parametrize("wish", [[9.0, 0.0], [1e30, -1e30], [1e308, 1e308], [np.nan, 0.0], [0.0, np.inf], [0.1, 0.0]])
def test_a_projected_wish_is_in_both_discs(wish: list[float]) -> None:
    for now in ([0.0, 0.0], [4.0, 0.0], [-2.0, 3.0]):
        out = project(np.array([wish]), np.array([now]), np.array([4.0]), np.array([0.5]))[0]
        assert np.hypot(*out) <= 4.0 + 1e-6
        assert np.hypot(*(out - now)) <= 0.5 + 1e-6


def test_a_body_that_is_too_fast_only_brakes() -> None:
    out = project(np.array([[9.0, 0.0]]), np.array([[8.0, 0.0]]), np.array([4.0]), np.array([0.5]))
    assert out == pytest.approx(np.array([[7.5, 0.0]]))


def test_a_legal_wish_goes_through_untouched() -> None:
    answer = ask(tables_for(), movers([[0.0, 0.0]], [[1.0, 0.0]]), [1.0, 0.0])
    assert not answer.changed.any()
    assert answer.velocities[0] == pytest.approx(np.tile([1.0, 0.0], (M, 1)))
    assert answer.guarded.all()
    assert answer.reason == ("as proposed",)
    assert answer.expected[0, 2] == pytest.approx([2 * DT, 0.0, 1.0, 0.0])
    assert answer.brake[0] < 16.0
    assert answer.tolerance[0] == ShieldConfig().tolerance


@pytest.mark.parametrize("compiled", [True, False])
def test_what_was_certified_is_certified_again_as_it_is(compiled: bool) -> None:
    """Limits taken to the full are no reason to say that a rule turned a wish down, whatever float32 made of them."""
    config, rng = ShieldConfig(compiled=compiled), np.random.default_rng(0)
    tables, who = tables_for(TurnLimit("steady", 6.0, 1.0)), movers([[0.0, 0.0]], [[3.0, 0.0]])
    for wish in rng.normal(size=(20, 2)) * 40.0:
        first = ask(tables, who, wish, config=config)
        again = ask(tables, who, first.velocities, config=config)
        assert first.rejected.any()
        assert not again.rejected.any()
        assert again.reason == ("as proposed",)
        np.testing.assert_allclose(again.velocities, first.velocities, rtol=1e-6)


@pytest.mark.parametrize(
    "rule", [KeepOut("pit", BOX), KeepIn("hall", ((-5.0, -9.0), (2.0, -9.0), (2.0, 9.0), (-5.0, 9.0)))]
)
def test_running_at_an_edge_ends_beside_it(rule: Any) -> None:
    who, answers = drive(tables_for(rule), movers([[0.0, 0.0]]), [40.0, 0.0], 90)
    gap = 2.0 - 0.35 - who.position[0, 0]
    assert 0.0 <= gap < 0.05
    assert min(a.margins[0, KIND[rule.kind]] for a in answers) >= 0.0
    assert answers[-1].rejected[0, KIND[rule.kind]]
    assert all(a.guarded.all() for a in answers)


def test_a_wish_along_an_edge_slides() -> None:
    start = movers([[1.6, 0.0]], [[0.0, 0.0]])
    who, _ = drive(tables_for(KeepOut("pit", BOX)), start, [3.0, 3.0], 30)
    assert who.position[0, 1] > 1.0
    assert who.position[0, 0] <= 1.65


def test_a_leash_ends_at_its_radius() -> None:
    who, answers = drive(tables_for(Leash("post", 2.0)), movers([[0.0, 0.0]]), [0.0, -9.0], 60)
    assert 1.9 < -who.position[0, 1] <= 2.0
    assert answers[-1].active[0, KIND["leash"]]


def test_two_that_run_at_each_other_stop_apart() -> None:
    wish = np.stack([np.tile([9.0, 0.0], (M, 1)), np.tile([-9.0, 0.0], (M, 1))])
    tables = tables_for(AllyDistance("spread", 1.0), n=2)
    _, answers = drive(tables, movers([[-3.0, 0.0], [3.0, 0.05]]), wish, 90)
    apart = [float(np.hypot(*(a.expected[0, 0, :2] - a.expected[1, 0, :2]))) for a in answers]
    assert 1.0 <= min(apart) < 1.3
    assert all(a.guarded.all() for a in answers)
    assert any(a.rejected[:, KIND["spacing"]].all() for a in answers)


def test_what_was_promised_to_one_is_not_given_to_another() -> None:
    tables = tables_for(AllyDistance("spread", 1.0), n=2)
    outstanding = Outstanding()
    who = movers([[-0.8, 0.0], [0.8, 0.0]])
    only_first = np.stack([np.tile([9.0, 0.0], (M, 1)), np.zeros((M, 2))])
    only_second = np.stack([np.zeros((M, 2)), np.tile([-9.0, 0.0], (M, 1))])
    free = certify(who, tables, outstanding, only_second)
    first = certify(who, tables, outstanding, only_first)
    outstanding.add(1, M - 1, who.ids, first.points, first.told)
    second = certify(who, tables, outstanding, only_second)
    assert second.points[1, -1, 1, 0] > free.points[1, -1, 1, 0] + 0.01  # it must leave room that it had before
    reached = first.points[0, -1, 1], second.points[1, -1, 1]
    assert np.hypot(*(reached[0] - reached[1])) >= 1.0


def test_hold_fire_masks_only_those_it_binds_and_only_while_the_flag_is_set() -> None:
    tables = tables_for(HoldFire("truce", (101,)), n=2)
    who, shots = movers([[0.0, 0.0], [5.0, 0.0]]), np.ones((2, M, 2), bool)
    free = ask(tables, who, [0.0, 0.0], wanted=Wanted(shots))
    held = ask(tables, who, [0.0, 0.0], wanted=Wanted(shots, hold_fire=True))
    assert free.triggers.all()
    assert not held.triggers[0].any()
    assert held.triggers[1].all()
    assert held.changed[0].all()
    assert held.active[:, KIND["hold_fire"]].tolist() == [True, False]
    assert held.rejected[:, KIND["hold_fire"]].tolist() == [True, False]


HOSTILE = [np.nan, np.inf, -np.inf, 1e30, -1e300, 1.7e308]


@pytest.mark.parametrize("number", HOSTILE)
def test_no_number_is_hostile_enough(number: float) -> None:
    tables = tables_for(KeepOut("pit", BOX), AllyDistance("spread", 1.0), Leash("post", 5.0), n=3)
    who = movers([[0.0, 0.0], [-2.0, 1.0], [0.0, -4.0]], [[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    wish = np.zeros((3, M, 2))
    wish[0], wish[1, 2], wish[2, :, 1] = number, number, number
    answer = certify(who, tables, Outstanding(), wish)
    assert np.isfinite(answer.velocities).all()
    assert np.hypot(*np.moveaxis(answer.velocities, 2, 0)).max() <= 4.0
    assert answer.guarded.all()


def test_nobody_is_a_legal_question() -> None:
    answer = certify(movers(np.zeros((0, 2))), tables_for(n=0), Outstanding(), np.zeros((0, M, 2)))
    assert answer.velocities.shape == (0, M, 2)
    tally = Tally()
    tally.add(answer)
    assert tally.steps == 0
    assert tally.rows()["wall"]["min_margin"] is None
    near = Others(np.zeros((1, 2)), (frozenset(["player"]),))
    tables = tables_for(KeepAway("room", 2.0, 3.0))
    some = certify(movers(np.zeros((0, 2))), tables, Outstanding(), np.zeros((0, M, 2)), others=near)
    assert some.velocities.shape == (0, M, 2)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (movers([[3.0, 0.5]]), "keep_out"),
        (movers([[1.8, 0.0]]), "keep_out"),
        (movers([[1.2, 0.0]], [[4.0, 0.0]]), "keep_out"),
        (movers([[-7.0, 0.0]]), "leash"),
        (movers([[0.0, 0.0]], [[-6.0, 0.0]]), "speed"),
        (movers([[-11.9, 0.0]]), "bounds"),
    ],
)
def test_a_start_without_a_legal_brake_is_reported(start: Movers, kind: str) -> None:
    answer = ask(tables_for(KeepOut("pit", BOX), Leash("post", 5.0)), start, [0.0, 0.0])
    assert not answer.guarded.any()
    assert answer.broken[0, KIND[kind]]
    assert kind in answer.reason[0]
    assert answer.tolerance[0] <= ShieldConfig().tolerance


def test_two_that_start_too_close_are_both_reported_and_may_part() -> None:
    tables = tables_for(AllyDistance("spread", 1.0), n=2)
    start = movers([[-0.3, 0.0], [0.3, 0.0]])
    together = np.stack([np.tile([4.0, 0.0], (M, 1)), np.tile([-4.0, 0.0], (M, 1))])
    closer, _ = drive(tables, start, together, 30)
    assert np.hypot(*(closer.position[0] - closer.position[1])) >= 0.6 - 1e-9
    apart, answers = drive(tables, start, -together, 30)
    assert np.hypot(*(apart.position[0] - apart.position[1])) > 1.5
    assert not answers[0].guarded.any()
    assert answers[-1].guarded.all()


def test_a_chunk_that_comes_home_does_not_leave_again() -> None:
    """Who is back on its certificate in the middle of a chunk is held to the rule, whether another arrives or not."""
    tables, wishes = tables_for(Leash("post", 2.0)), np.zeros((1, 16, 2))
    wishes[0, :, 0] = np.where(np.arange(16) < 2, -2.0, 2.0)
    answer = certify(movers([[2.03, 0.0]]), tables, Outstanding(), wishes)
    assert not answer.guarded[0]
    away = np.hypot(*np.moveaxis(answer.points[0], -1, 0)).max(1)  # per step and the brake after it
    home = int(np.argmax(away <= 2.0))
    assert away[:home].min() > 2.0
    assert 0 < home < 8, "it does come home"
    assert away[home:].max() <= 2.0
    assert (answer.rank[0, home + 1 :] == REASONS.index("brake")).all()
    here = answer.expected[0, :, :2] + answer.velocities[0] * DT
    np.testing.assert_allclose(answer.expected[0, 1:], np.concatenate([here, answer.velocities[0]], 1)[:-1])


HALL = ((2.0, -9.0), (11.0, -9.0), (11.0, 9.0), (2.0, 9.0))
THERE = ((0.2, -1.0), (4.0, -1.0), (4.0, 1.0), (0.2, 1.0))


@pytest.mark.parametrize(
    ("rule", "edge", "out"),
    [
        (KeepOut("pit", BOX), 2.0 - 0.35, -1.0),
        (KeepIn("hall", HALL), 2.0 + 0.35, 1.0),
        (Leash("post", 1.75), 2.0, -1.0),
        (NoStop("door", BOX), 2.0, -1.0),
    ],
)
@pytest.mark.parametrize(("pace", "far"), [(0.02, 6e-3), (4.0, 0.9)])
def test_who_is_off_its_certificate_brakes_from_where_it_would_be_vouched_for(
    rule: Any, edge: float, out: float, pace: float, far: float
) -> None:
    """Each starts a little further on the wrong side and walks out of it, by less than eps a step or a great deal."""
    off = np.linspace(0.0, far, 13)[1:]
    start = movers(np.stack([edge - out * off, 0.0 * off], 1), np.zeros((12, 2)))
    others = KeepOut("theirs", THERE, (113,)), NoStop("their door", THERE, (113,))  # bind none of them
    tables = tables_for(rule, *others, n=13, homes=np.tile([0.25, 0.0], (13, 1)))
    wishes = np.broadcast_to([out * pace, 0.0], (12, 16, 2))
    chunk = certify(start, tables, Outstanding(), wishes)
    hangs_together(chunk, start, DT)
    assert not chunk.guarded.any()
    judged = [
        certify(movers(here[:, :2], here[:, 2:]), tables, Outstanding(), wishes).guarded
        for here in np.moveaxis(chunk.expected, 1, 0)
    ]
    home = np.logical_or.accumulate(np.array(judged).T, 1)
    assert home[:, -1].sum() >= 6
    assert ((chunk.rank == REASONS.index("brake")) == home).all()


@pytest.mark.parametrize(("over", "home"), [(1, 1), (3, 3)])
def test_who_is_too_fast_brakes_until_it_rests(over: int, home: int) -> None:
    """It is `over` ticks of braking above its top speed; once home it brakes on, whatever it wishes."""
    brake_ms = 16.0 * DT - 0.05 - 3e-7 * 4.0  # m/s per tick, as certified
    answer = ask(tables_for(), movers([[0.0, 0.0]], [[4.0 + over * brake_ms, 0.0]]), [4.0, 0.0])
    assert answer.reason == ("unguarded: speed",)
    assert np.diff(answer.velocities[0, :, 0]) == pytest.approx(-np.full(M - 1, answer.brake[0] * DT), abs=1e-5)
    assert (answer.rank[0] == REASONS.index("brake")).tolist() == [step >= home for step in range(M)]


@pytest.mark.parametrize(("pace", "good"), [(4.0, True), (4.0 * (1.0 + 9e-7), True), (4.0 * (1.0 + 2e-6), False)])
def test_a_body_at_its_top_speed_is_on_its_certificate_and_float32_does_not_take_that_away(
    pace: float, good: bool
) -> None:
    for config in (ShieldConfig(), ShieldConfig(compiled=False)):
        answer = ask(tables_for(), movers([[0.0, 0.0]], [[pace, 0.0]]), [4.0, 0.0], config=config)
        assert answer.guarded[0] == good
        assert answer.broken[0, KIND["speed"]] != good


def test_a_planner_is_shown_the_half_planes_that_its_steps_are_judged_by() -> None:
    tables, outstanding = tables_for(AllyDistance("spread", 1.0), n=3), Outstanding()
    who = movers([[-1.7, 0.0], [1.7, 0.2], [0.0, -4.4]], [[1.0, 0.0], [0.0, 2.0], [0.5, 0.0]])
    first = ask(tables, who, [0.5, 0.0])
    outstanding.add(1, M - 1, who.ids, first.points, first.told)
    shown = half_planes(who, tables, outstanding, M, ShieldConfig())
    ground = survey(who, tables, outstanding, M, ShieldConfig(), Others.none(), 0)
    np.testing.assert_array_equal(shown, ground.planes)
    assert np.isfinite(shown[..., 2]).any(1).tolist() == [True, True, False]
    assert shown.shape == (3, 1, 3), "as many as anybody has neighbours"
    assert half_planes(who, tables_for(n=3), outstanding, M, ShieldConfig()).shape == (3, 0, 3)
    alone = replace(who, position=9.0 * who.position - [0.0, 20.0], velocity=np.zeros((3, 2)))
    assert half_planes(alone, tables, Outstanding(), M, ShieldConfig()).shape == (3, 0, 3)


def test_half_planes_come_in_the_order_of_those_that_they_are_against() -> None:
    n, place = 24, np.random.default_rng(0).uniform(-1.0, 1.0, (24, 2))
    planes = half_planes(movers(place), tables_for(AllyDistance("spread", 1.0), n=n), Outstanding(), M, ShieldConfig())
    for npc in range(n):
        towards = place[[*range(npc + 1, n), *range(npc)]] - place[npc]
        along = (planes[npc, :, :2] * towards).sum(1)
        assert (along > 0.99 * np.hypot(*towards.T)).all()


def test_promises_are_found_by_id_and_bind_from_the_tick_on_until_their_last() -> None:
    promised, outstanding = np.random.default_rng(0).normal(size=(3, 3, 2, 2)), Outstanding()
    outstanding.add(1, 5, np.array([9, 4, 6], np.uint32), promised, promised)  # steps at ticks 3, 4 and 5
    outstanding.add(2, 5, np.zeros(0, np.uint32), promised[:0], promised[:0])
    assert len(outstanding) == 1
    here = np.arange(8.0).reshape(4, 2)
    outstanding.forget(4)
    found = outstanding.points(np.array([4, 7, 9, 6], np.uint32), here)
    for row, known in ((0, 1), (2, 0), (3, 2)):
        left = [here[row], promised[known, 1, 0], promised[known, 1, 1], promised[known, 2, 1]]
        np.testing.assert_array_equal(found[row], left)
    np.testing.assert_array_equal(found[1], np.tile(here[1], (4, 1)))
    np.testing.assert_array_equal(
        outstanding.points(np.array([9, 4, 6], np.uint32), here[:3])[:, 1:], found[[2, 0, 3], 1:]
    )
    outstanding.forget(2)  # the first step is still to come
    assert outstanding.points(np.array([9, 4, 6], np.uint32), here[:3]).shape == (3, 1 + 4, 2)
    outstanding.forget(5)
    assert len(outstanding) == 1
    outstanding.forget(6)
    assert len(outstanding) == 0
    outstanding.add(3, 9, np.array([9, 4, 6], np.uint32), promised, promised)
    outstanding.clear()
    assert len(outstanding) == 0


def test_before_the_first_look_a_chunk_binds_from_tick_0() -> None:
    promised, outstanding = np.random.default_rng(0).normal(size=(1, 3, 2, 2)), Outstanding()
    outstanding.add(1, 2, np.array([9], np.uint32), promised, promised)
    found = outstanding.points(np.array([9], np.uint32), np.zeros((1, 2)))
    np.testing.assert_array_equal(found[0], [[0.0, 0.0], promised[0, 0, 0], *promised[0, :, 1]])


def test_promises_lie_elsewhere_when_the_origin_has_moved_and_tell_the_same() -> None:
    points, told = np.random.default_rng(0).normal(size=(2, 1, 3, 2, 2))
    outstanding, ids, here = Outstanding(), np.array([9], np.uint32), np.array([[7.0, -4.0]])
    outstanding.add(1, 2, ids, points, told)
    outstanding.add(2, 3, ids, 2.0 * points, told)
    before, commands = outstanding.points(ids, here), outstanding.commands(ids)
    outstanding.shift((0.0, 0.0))
    np.testing.assert_array_equal(outstanding.points(ids, here), before)
    outstanding.shift((1.0, 0.0))
    outstanding.shift((0.0, -2.5))
    np.testing.assert_allclose(outstanding.points(ids, here)[:, 1:], before[:, 1:] + [1.0, -2.5])
    for one, two in zip(outstanding.commands(ids), commands, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("tick", "moving"), [(2, True), (3, True), (4, False), (5, True), (6, False)])
def test_who_holds_a_step_that_moves_it_is_in_motion_until_that_is_over(tick: int, moving: bool) -> None:
    """Two chunks of two steps, from ticks 3 and 4 on: the first step of one moves, and the last one of the other."""
    outstanding, told = Outstanding(), np.zeros((2, 2, 2, 2))
    told[0, :, 0] = (1.0, 1.0)  # the velocity before a step is none that it tells
    told[1, 0, 1] = (0.0, 0.5)
    outstanding.add(1, 4, np.array([7, 9], np.uint32), np.zeros((2, 2, 2, 2)), told)
    if tick >= 5:
        outstanding.add(2, 5, np.array([9], np.uint32), np.zeros((1, 2, 2, 2)), told[1:, ::-1])
    outstanding.forget(tick)
    assert outstanding.moving(np.array([9, 8, 7], np.uint32)).tolist() == [moving, False, False]


def test_a_promise_that_somebody_walked_into_leaves_only_the_brake_until_it_has_run_out() -> None:
    tables = tables_for(AllyDistance("spread", 1.0), n=2)
    outstanding = Outstanding()
    apart = movers([[-3.0, 0.0], [3.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]])
    wish = np.stack([np.tile([4.0, 0.0], (M, 1)), np.zeros((M, 2))])
    first = certify(apart, tables, outstanding, wish)
    outstanding.add(1, M - 1, apart.ids, first.points, first.told)
    walked_in = movers([[-3.0, 0.0], [-1.9, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    away = np.stack([np.tile([0.0, 2.0], (M, 1)), np.tile([2.0, 0.0], (M, 1))])
    stuck = certify(walked_in, tables, outstanding, away)
    assert not stuck.guarded.any()
    assert not stuck.velocities.any()
    outstanding.forget(M)
    free = certify(walked_in, tables, outstanding, away)
    assert free.guarded.all()
    assert free.velocities.any(axis=(1, 2)).all()


def test_one_that_spawned_in_a_zone_may_leave_but_not_go_deeper() -> None:
    tables = tables_for(KeepOut("pit", BOX))
    deeper, _ = drive(tables, movers([[2.5, 0.0]]), [4.0, 0.0], 30)
    assert deeper.position[0, 0] <= 2.5 + 1e-6
    left, answers = drive(tables, movers([[2.5, 0.0]]), [-4.0, 0.0], 30)
    assert left.position[0, 0] < 1.0
    assert answers[-1].guarded.all()


def test_one_outside_its_keep_in_comes_back() -> None:
    tables = tables_for(KeepIn("hall", BOX))
    home, answers = drive(tables, movers([[0.0, 0.0]]), [4.0, 0.0], 45)
    assert answers[-1].guarded.all()
    assert 2.0 < home.position[0, 0] < 5.0


def test_a_chunk_short_of_margin_may_be_off_its_pose_by_less() -> None:
    tables = tables_for(KeepOut("pit", BOX))
    config = ShieldConfig()
    near = 2.0 - 0.35 - config.eps - 0.25 * config.tolerance
    answer = ask(tables, movers([[near, 0.0]]), [0.0, 1.0])
    assert answer.guarded.all()
    assert 0.0 < answer.tolerance[0] < 0.5 * config.tolerance


@pytest.mark.parametrize("compiled", [False, True])
def test_limits_of_motion_are_active_where_they_can_matter(compiled: bool) -> None:
    tables = tables_for(TurnLimit("steady", 2.0, 3.0, who=(101, 102)), n=4)
    pace = np.array([[3.5, 0.0], [2.0, 0.0], [3.5, 0.0], [4.0, 0.0]])
    who = movers(np.arange(-4.0, 4.0).reshape(4, 2), pace)
    wishes = np.repeat(pace[:, None], M, 1)
    wishes[1, 1:, 0] = 1.48  # of 0.53 m/s a tick
    active = certify(who, tables, Outstanding(), wishes, config=ShieldConfig(compiled=compiled)).active
    assert active[:, KIND["turn"]].tolist() == [True, False, False, False], "who is fast, and has a limit"
    assert active[:, KIND["speed"]].tolist() == [False, False, False, True], "who is near its top speed"
    assert active[:, KIND["acceleration"]].tolist() == [False, True, False, False]
    assert not active[:, [KIND["grid"], KIND["steering"]]].any()


def test_who_is_too_fast_brakes_as_hard_as_it_may() -> None:
    for pace in (0.6, 6.0):
        found = project(np.array([[4.0, 0.0]]), np.array([[pace, 0.0]]), np.array([0.3]), np.array([0.2]))
        assert found[0] == pytest.approx([pace - 0.2, 0.0], abs=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_wish_that_turns_too_fast_is_turned_down_as_turning(compiled: bool) -> None:
    tables = tables_for(TurnLimit("steady", 2.0, 2.0))
    wish = 3.0 * np.array([np.cos(0.12), np.sin(0.12)])
    answer = ask(tables, movers([[0.0, 0.0]], [[3.0, 0.0]]), wish, config=ShieldConfig(compiled=compiled))
    assert [kind for kind in KIND if answer.rejected[0, KIND[kind]]] == ["turn"]


def test_the_brake_from_where_an_npc_will_be_is_its_own_like_that_from_where_it_was_seen() -> None:
    tables, there = tables_for(AllyDistance("spread", 1.0), n=2), [[0.0, 0.0], [3.0, 0.0]]
    who = movers(there, [[4.0, 0.0], [0.0, 0.0]])
    parts = [
        half_planes(
            replace(who, seen_position=np.array(there), seen_velocity=seen), tables, Outstanding(), M, ShieldConfig()
        )
        for seen in (who.velocity, np.zeros((2, 2)))
    ]
    assert parts[0].tolist() == parts[1].tolist(), "the brake from rest lies within the other"
    rest = half_planes(movers(there), tables, Outstanding(), M, ShieldConfig())
    assert rest.tolist() != parts[0].tolist()
    late = replace(movers(there), seen_position=np.array(there), seen_velocity=who.velocity)
    assert half_planes(late, tables, Outstanding(), M, ShieldConfig())[1].tolist() == parts[0][1].tolist()


def test_coordinates_too_large_to_certify_are_refused() -> None:
    with pytest.raises(ConstraintError, match="rebase"):
        ask(tables_for(), movers([[2e4, 0.0]]), [0.0, 0.0])


def test_eps_covers_what_float32_takes_away_from_a_long_brake() -> None:
    """Moved tick by tick in float32, a body that brakes for 240 ticks ends 60 float32 steps beside its way."""
    far, dt, body = 8000.0, 1 / 144, Body(10.0, 6.0, 6.0, 0.35)
    bounds = (far - 50.0, far - 50.0, far + 50.0, far + 50.0)
    tables = compile_rules(
        (), ids=[101], squads=[0], homes=np.zeros((1, 2)), kinematics=body, walls=[], bounds=bounds, dt=dt
    )
    ulp = float(np.spacing(np.float32(far + 50.0)))
    worst = 0.0
    for share in np.linspace(0.05, 2.0, 40):
        heading = np.array([1.0, share * ulp / dt / 10.0]) / np.hypot(1.0, share * ulp / dt / 10.0)
        place, speed = np.float32([far, far]), 10.0
        while speed > 0.0:
            speed = max(0.0, speed - 6.0 * dt)
            place = (place.astype(np.float64) + speed * dt * heading).astype(np.float32)
        gap = place.astype(np.float64) - far
        worst = max(worst, abs(heading[0] * gap[1] - heading[1] * gap[0]))
    assert 8.0 * ulp < worst < rounding(tables, np.full((1, 2), far), ShieldConfig(velocity_tolerance=0.02))
    for give, change in ((0.02, 6.0 * dt - 0.02), (0.03, 3.0 * dt)):  # at least half of what a tick may change
        eps = rounding(tables, np.full((1, 2), far), ShieldConfig(velocity_tolerance=give))
        assert eps == pytest.approx((4.0 + 0.36 * 10.0 / change) * ulp)
    short = replace(tables, acceleration=np.full(1, 600.0))
    assert rounding(short, np.full((1, 2), far), ShieldConfig()) == pytest.approx(8.0 * ulp)


def test_eps_goes_with_the_size_of_a_dolls_house_too() -> None:
    house = replace(tables_for(), edges=0.02 * tables_for().edges, acceleration=np.full(1, 600.0))
    eps = rounding(house, np.zeros((0, 2)), ShieldConfig(eps=1e-9))
    assert eps == pytest.approx(8.0 * float(np.spacing(np.float32(0.24))))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_wish_too_small_to_have_a_direction_is_a_stop(compiled: bool) -> None:
    rng = np.random.default_rng(0)
    tables = tables_for(TurnLimit("steady", 6.0, 0.3))
    for _ in range(300):
        angle, small = rng.uniform(0, 2 * np.pi), rng.normal(size=2) * 10.0 ** rng.uniform(-17, -14)
        now = 0.45 * np.array([np.cos(angle), np.sin(angle)])
        answer = ask(tables, movers([[0.0, 0.0]], [now]), small, config=ShieldConfig(0.02, 0.02, compiled=compiled))
        after = answer.velocities[0, 0]
        assert abs(turned_by(now, after)) <= 6.0 * DT


def test_a_tolerance_that_eats_the_acceleration_of_somebody_is_refused() -> None:
    tables, who = tables_for(AccelerationLimit("gentle", 8.0, (102,)), n=2), movers([[0.0, 0.0], [5.0, 0.0]])
    text = r"velocity tolerance: expected at most half of .*per tick \(0.133333 m/s\), got 0.2 m/s"
    with pytest.raises(ConstraintError, match=text):
        ask(tables, who, [0.0, 0.0], config=ShieldConfig(velocity_tolerance=0.2))


def test_limits_are_certified_with_room_for_the_last_hop_and_for_float32() -> None:
    speed, rate = certified_limits(tables_for(n=2), np.array([1]), ShieldConfig())
    assert speed == pytest.approx([4.0 * (1.0 - 1e-6)], rel=1e-9)
    assert rate * DT == pytest.approx([16.0 * DT - 0.05 - 3e-7 * 4.0], abs=1e-9)


def test_an_unknown_npc_is_an_error() -> None:
    with pytest.raises(KeyError, match="102"):
        ask(tables_for(n=1), movers([[0.0, 0.0], [1.0, 0.0]]), [0.0, 0.0])


def test_outstanding_points_are_forgotten_by_tick_alone() -> None:
    outstanding = Outstanding()
    ids = np.array([7, 3], np.uint32)
    points = np.arange(2 * 3 * 2 * 2, dtype=float).reshape(2, 3, 2, 2)
    told = np.arange(1.0, 25.0).reshape(2, 3, 2, 2)
    outstanding.add(1, 12, ids, points, told)  # applies at 10
    filler = np.zeros((2, 2))
    assert outstanding.points(ids, filler).shape == (2, 1 + 1 + 3, 2)
    commands, ticks = outstanding.commands(ids)
    assert (commands.tolist(), ticks.tolist()) == (told.tolist(), [10, 11, 12])
    outstanding.forget(12)
    last = outstanding.points(ids, filler)
    assert last.shape == (2, 1 + 1 + 1, 2)
    assert last[0, 1:].tolist() == [points[0, 2, 0].tolist(), points[0, 2, 1].tolist()]
    other = outstanding.points(np.array([3, 9], np.uint32), filler)
    assert other[0, 2].tolist() == points[1, 2, 1].tolist()
    assert not other[1].any()
    commands, ticks = outstanding.commands(np.array([3, 9], np.uint32))
    assert commands.tolist() == [[told[1, 2].tolist()], [[[0.0, 0.0], [0.0, 0.0]]]]
    assert ticks.tolist() == [12]
    outstanding.forget(13)
    assert len(outstanding) == 0
    outstanding.add(2, 20, ids, points, told)
    outstanding.add(3, 20, np.zeros(0, np.uint32), np.zeros((0, 3, 2, 2)), np.zeros((0, 3, 2, 2)))
    assert len(outstanding) == 1
    outstanding.clear()
    assert len(outstanding) == 0


def test_slabs_are_as_wide_as_the_hulls_are_apart() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(10, 12, 2)) + rng.normal(size=(10, 1, 2)) * 8.0
    first, second = np.nonzero(np.triu(np.ones((10, 10), bool), 1))
    slabs = separate(points, first, second)
    angle = np.linspace(0, 2 * np.pi, 6001)
    normals = np.stack([np.cos(angle), np.sin(angle)])
    for i, j, gap, normal in zip(first, second, slabs.gap, slabs.normal, strict=True):
        dense = ((points[j] @ normals).min(0) - (points[i] @ normals).max(0)).max()
        assert np.hypot(*normal) == pytest.approx(1.0)
        assert gap == pytest.approx((points[j] @ normal).min() - (points[i] @ normal).max())
        if dense > 0:
            assert gap >= dense - 1e-4


def test_a_tally_counts_per_rule() -> None:
    tables = tables_for(KeepOut("pit", BOX))
    tally = Tally()
    _, answers = drive(tables, movers([[0.0, 0.0]]), [40.0, 0.0], 60)
    for answer in answers:
        tally.add(answer)
    rows = tally.rows()
    assert tally.steps == 60
    assert tally.unguarded == 0
    assert tally.changed > 0
    assert set(rows) == set(KINDS)
    keep_out, margin = rows["keep_out"], rows["keep_out"]["min_margin"]
    assert keep_out["active"] == 60 or int(keep_out["active"] or 0) > 20
    assert int(keep_out["changed"] or 0) > 0
    assert margin is not None
    assert margin >= 0.0
    assert REASONS[0] == "as proposed"
