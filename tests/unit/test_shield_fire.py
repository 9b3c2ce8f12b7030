"""Nobody who is to be spared is in the line of fire, or where something bursts, wherever he may have gone by then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npc_sdk.audit import Cone
from npc_sdk.audit.fire import to_sector
from npc_sdk.constraints import KIND, Burst, FriendlyFire, Rule, SpeedLimit, Splash, compile_rules
from npc_sdk.constraints import Cone as Line
from npc_sdk.experiments.zoo import Body
from npc_sdk.shield import Aim, Certified, Movers, Others, Outstanding, ShieldConfig, Wanted, certify
from npc_sdk.shield.fire import Range, in_the_burst, in_the_line

DT, M = 1 / 30, 6
WARD = frozenset(["protected", "civilian"])


def fire(
    *rules: Rule, angle: float, mate: tuple[float, float] = (6.0, 0.0), reach: float = 4.0, **more: Any
) -> Certified:
    """Two NPCs; one of them, the first at the origin, wants to fire and throw at every step."""
    tables = compile_rules(
        rules,
        ids=[101, 102],
        squads=[0, 0],
        homes=np.zeros((2, 2)),
        kinematics=Body(4.0, 16.0, 16.0, 0.3),
        walls=[],
        bounds=(-50.0, -50.0, 50.0, 50.0),
        dt=DT,
    )
    seen = {name: np.array(more.pop(name)) for name in ("seen_position", "seen_velocity") if name in more}
    pace = np.array([more.pop("pace", (0.0, 0.0)), (0.0, 0.0)])
    who = Movers(np.array([101, 102], np.uint32), np.array([(0.0, 0.0), mate]), pace, **seen)
    shots = np.zeros((2, M, 2), bool)
    shots[more.pop("shooter", 0), more.pop("steps", slice(None))] = True
    aim = more.pop("aim", Aim(np.full((2, M), angle), np.full((2, M), reach)))
    tick = more.pop("tick", 0)
    wanted, wishes = Wanted(shots, tick + more.pop("age", 0), tick, aim=aim), np.repeat(pace[:, None], M, 1)
    return certify(who, tables, Outstanding(), wishes, wanted=wanted, **more)


LINE = FriendlyFire("mates", 10.0, 0.05, 0.5)


def test_a_mate_in_the_line_of_fire_silences_and_one_beside_it_does_not() -> None:
    blocked = fire(LINE, angle=0.0)
    assert not blocked.triggers[0, :, 0].any()
    assert blocked.triggers[0, :, 1].all()  # throws are another matter
    assert blocked.rejected[0, KIND["friendly_fire"]]
    assert blocked.changed[0].all(), "one of two attacks was turned down"
    assert fire(LINE, angle=0.6).triggers[0, :, 0].all()
    assert fire(LINE, angle=0.6, tick=50).triggers[0, :, 0].all(), "how long ago a mate was seen is what counts"
    assert fire(LINE, angle=np.pi).triggers[0, :, 0].all()
    assert fire(LINE, angle=0.0, mate=(12.0, 0.0)).triggers[0, :, 0].all()


def test_who_asks_for_no_attack_is_not_said_to_be_turned_down() -> None:
    at_the_shooter = fire(LINE, angle=np.pi)
    assert at_the_shooter.active[:, KIND["friendly_fire"]].tolist() == [True, False]
    assert not at_the_shooter.rejected[:, KIND["friendly_fire"]].any()


def test_a_shot_is_judged_from_where_the_shooter_is_and_not_from_where_it_could_stop() -> None:
    moving = fire(LINE, angle=0.0, mate=(2.0, 0.0), pace=(0.0, 4.0), steps=0)
    assert not moving.triggers[0, 0, 0]
    ahead = fire(LINE, angle=0.0, mate=(2.0, 0.9), pace=(0.0, 4.0), steps=0)
    assert ahead.triggers[0, 0, 0], "it will never be there at that step"


def test_one_attack_is_enough_for_a_rule_to_be_about() -> None:
    for angle, hit in ((0.0, True), (np.pi, False)):
        answer = fire(LINE, angle=angle, steps=2)
        assert answer.active[:, KIND["friendly_fire"]].tolist() == [True, False]
        assert answer.rejected[:, KIND["friendly_fire"]].tolist() == [hit, False]
        assert answer.triggers[0, 2, 0] != hit


def test_rules_of_a_kind_that_bind_others_take_nothing_back() -> None:
    rules = (replace(LINE, who=(101,)), replace(LINE, who=(102,)))
    for angle, hit in ((0.0, True), (np.pi, False)):
        answer = fire(*rules, angle=angle)
        assert answer.active[:, KIND["friendly_fire"]].tolist() == [True, False]
        assert answer.rejected[:, KIND["friendly_fire"]].tolist() == [hit, False]


def test_later_steps_and_older_looks_leave_a_mate_more_time_to_walk_in() -> None:
    near = fire(LINE, angle=0.0, mate=(6.0, 1.15))
    assert near.triggers[0, 0, 0]
    assert not near.triggers[0, -1, 0]
    assert not fire(LINE, angle=0.0, mate=(6.0, 1.15), age=6).triggers[0].any(0)[0]


def test_others_are_spared_by_role_or_type_as_fast_as_declared() -> None:
    def against(to: str, top_speed: float) -> bool:
        rule = FriendlyFire("wards", 10.0, 0.05, 0.5, to, top_speed)
        others = Others(np.array([[6.0, 1.0]]), (WARD,))
        return bool(fire(rule, angle=0.0, mate=(-6.0, 0.0), others=others).triggers[0, -1, 0])

    assert against("player", 9.0)
    assert against("civilian", 0.1)
    assert not against("civilian", 9.0)
    assert not against("protected", 9.0)


def test_a_mate_may_still_be_as_fast_as_its_body_whatever_limit_has_come_since() -> None:
    at = (6.0, 1.6)
    assert not fire(LINE, angle=0.0, mate=at, age=6).triggers[0, -1, 0]
    assert not fire(LINE, SpeedLimit("slow", 0.1), angle=0.0, mate=at, age=6).triggers[0, -1, 0]


def test_a_mate_is_looked_for_where_it_was_seen_and_not_where_it_is_expected() -> None:
    away, ahead = [(0.0, 0.0), (-9.0, 0.0)], [(0.0, 0.0), (6.0, 0.0)]
    assert fire(LINE, angle=0.0, mate=(6.0, 0.0), seen_position=away).triggers[0, :, 0].all()
    assert not fire(LINE, angle=0.0, mate=(-9.0, 0.0), seen_position=ahead).triggers[0, :, 0].any()


def test_a_mate_that_was_seen_faster_than_its_body_is_taken_to_stay_so() -> None:
    at = (6.0, 2.6)  # 1.76 m beside the widened line: six ticks at 9 m/s, and more than a body of 4 m/s covers in these
    assert fire(LINE, angle=0.0, mate=at, age=1).triggers[0, :, 0].all()
    thrown = fire(LINE, angle=0.0, mate=at, age=1, seen_velocity=[(0.0, 0.0), (9.0, 0.0)])
    assert thrown.triggers[0, :, 0].tolist() == [True] * 5 + [False]


def test_everybody_spares_the_others_whoever_shoots_first_in_the_list() -> None:
    rule = FriendlyFire("wards", 10.0, 0.05, 0.5, "civilian", 0.1)
    for shooter in (0, 1):
        stand = -5.0 * shooter
        ward = Others(np.array([[stand + 6.0, 0.0]]), (WARD,))
        answer = fire(rule, angle=0.0, mate=(-5.0, 0.0), others=ward, shooter=shooter)
        assert not answer.triggers[shooter, :, 0].any()


def test_the_line_is_wider_by_what_any_of_the_places_may_be_off() -> None:
    """Half a metre of clearance and twice the slack of a pose tolerance, which the checker cannot see."""
    rule = FriendlyFire("wards", 10.0, 0.0, 0.5, "civilian", 0.0)
    config = ShieldConfig(tolerance=0.1)
    for beside, free in ((0.69, False), (0.71, True)):
        ward = Others(np.array([[6.0, beside]]), (WARD,))
        answer = fire(rule, angle=0.0, mate=(-9.0, 0.0), others=ward, config=config)
        assert answer.triggers[0, 0, 0] == free


def test_a_burst_spares_whom_it_may_meet_after_its_flight() -> None:
    rule = Splash("bystanders", 1.5, 0.5, "npc")
    assert not fire(rule, angle=0.0).triggers[0, :, 1].any()  # 4 m ahead, the mate at 6 m may run 2 m in the flight
    assert fire(rule, angle=0.0, mate=(14.0, 0.0), reach=6.0).triggers[0, :, 1].all()
    assert not fire(rule, angle=0.0, mate=(10.0, 0.0), reach=1.0).triggers[0, :, 1].any()  # the thrower itself
    slow = Splash("bystanders", 1.0, 0.0, "npc")
    assert fire(slow, angle=0.0).triggers[0, 0, 1]


def test_an_aim_that_is_no_number_or_unknown_hits_somebody() -> None:
    aim = Aim(np.full((2, M), np.nan), np.full((2, M), 4.0))
    for rule in (LINE, Splash("bystanders", 1.0, 0.0, "npc", attack="fire")):
        assert not fire(rule, angle=0.0, mate=(40.0, 0.0), aim=aim).triggers[0, :, 0].any()
        assert not fire(rule, angle=0.0, mate=(40.0, 0.0), aim=None).triggers[0, :, 0].any()
    wild = Aim(np.zeros((2, M)), np.full((2, M), np.inf))
    assert not fire(Splash("b", 1.0, 0.0, "npc"), angle=0.0, mate=(40.0, 0.0), aim=wild).triggers[0, :, 1].any()


@pytest.mark.parametrize("seed", range(60))
def test_whoever_the_shield_calls_out_of_the_line_is_so_by_the_checkers_measure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rule = FriendlyFire("mates", float(rng.uniform(1, 12)), float(rng.uniform(0, 1.5)), float(rng.uniform(0, 2)))
    angle, mate = float(rng.uniform(-np.pi, np.pi)), rng.uniform(-10, 10, 2)
    answer = fire(rule, angle=angle, mate=(float(mate[0]), float(mate[1])))
    cone = Cone("friendly_fire", rule.reach, rule.spread, rule.clearance, np.ones(2, bool), np.ones(2, bool), True)
    for step in np.flatnonzero(answer.triggers[0, :, 0]):
        turn = rng.uniform(0, 2 * np.pi, 200)
        near = mate + 4.0 * step * DT * np.stack([np.cos(turn), np.sin(turn)], 1)
        assert to_sector(near, angle, cone).min() >= rule.clearance


BOTH = np.ones(1, bool)


def seen(place: Any, stand: Any = (0.0, 0.0), slack: float = 0.25) -> Range:
    """One who may be hit and stays where it is, and one shooter who asks for a single step."""
    stands = np.array([[stand]], float)
    return Range(np.array([place], float), (WARD,), np.zeros(1), np.array([-1]), 0, DT, stands, slack)


@pytest.mark.parametrize("seed", range(4))
def test_the_line_of_fire_is_the_sector_widened_by_clearance_and_twice_the_slack(seed: int) -> None:
    """In the plane turned so that an edge of the sector lies along x: left of the one, right of the other, behind."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(300):
        angle, spread, slack = rng.uniform(-4, 4), rng.uniform(0, 1.5), rng.uniform(0, 1)
        stand, place = rng.uniform(-20, 20, 2), rng.uniform(-20, 20, 2)
        place = np.where(rng.random() < 0.7, stand + rng.normal(size=2) * 4.0, place)
        rule = Line(0, "civilian", 5.0, spread, 0.5, 0.0, (True, False), BOTH)
        gap, room = complex(*(place - stand)), 0.5 + 2.0 * slack
        left, right, along = (gap * np.exp(-1j * (angle + by)) for by in (spread, -spread, 0.0))
        out = left.imag >= room or right.imag <= -room or along.real <= -room or abs(gap) >= 5.0 + room
        aim = Aim(np.array([[angle]]), np.ones((1, 1)))
        found.append(bool(in_the_line(rule, aim, seen(place, stand, slack))[0, 0]))
        assert found[-1] is not bool(out)
    assert 50 < sum(found) < 250


@pytest.mark.parametrize("place", [(5.0, 1.0), (5.0, -1.0), (-1.0, 0.0), (11.0, 0.0)])
def test_who_just_touches_the_widened_line_of_fire_is_out_of_it(place: tuple[float, float]) -> None:
    rule, aim = Line(0, "civilian", 10.0, 0.0, 0.5, 0.0, (True, False), BOTH), Aim(np.zeros((1, 1)), np.ones((1, 1)))
    assert not in_the_line(rule, aim, seen(place)).any()
    assert in_the_line(rule, aim, seen(np.array(place) * (1.0 - 1e-9))).all()


def test_a_burst_reaches_its_radius_and_twice_the_slack_and_who_just_touches_that_is_out_of_it() -> None:
    rule, aim = Burst(0, "civilian", 1.0, 0.0, 0.0, (False, True), BOTH), Aim(np.zeros((1, 1)), np.full((1, 1), 4.0))
    for stand in (0.0, 2.0):
        assert not in_the_burst(rule, aim, seen((stand + 5.5, 0.0), (stand, 0.0))).any()
        assert in_the_burst(rule, aim, seen((stand + 5.499, 0.0), (stand, 0.0))).all()
