"""The checker names the assumption that did not hold, by its number, and for as long as it may be felt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_audit import limits, pit, straight, walk

from npc_sdk.audit import BRAKE, NONE, PLAN, Apart, Burst, Forecast, Limits, Quota, Share, Trace, audit

ALL = np.ones(1, bool)


def named(trace: Trace, declared: Limits, rule: str) -> dict[str, int]:
    """Violations of a rule by category, those of a breach by the number of the assumption."""
    found = audit(trace, declared).rules[rule]
    kinds = {k: v for k, v in found.violations.items() if v and k != "breach"}
    numbers = {k: v for k, v in found.assumptions.items() if v and k != "K5"}
    assert sum(numbers.values()) == found.violations["breach"], "every breach has a number"
    assert found.assumptions["K5"] == found.violations["inadmissible"]
    return kinds | numbers


def test_a_velocity_that_is_not_the_one_told_is_a_breach_of_k1_though_the_place_is_right() -> None:
    """Stopped by the game, it is flung on at 3 m/s: what it does until it has a legal brake is not its own."""
    speeds = np.array([0.0, 0.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    trace = walk(speeds[:, None, None] * [1.0, 0.0], start=[[1.0, 0.0]])
    flung = trace.velocity.copy()
    flung[2] = (3.0, 0.0)
    soft = limits(zones=(pit(),), acceleration=np.array([5.0]))
    assert named(replace(trace, velocity=flung), soft, "keep_out") == {"K1": 3}
    assert named(trace, replace(soft, acceleration=np.array([50.0]), brake=np.array([50.0])), "keep_out") == {"npc": 3}


@pytest.mark.parametrize(
    ("off", "name"), [((0.5, 0.0, 0.0, 0.0), "K2"), ((0.0, 0.0, 0.0, 0.2), "K2"), ((0,) * 4, "npc")]
)
def test_a_step_that_was_meant_for_another_pose_is_a_breach_of_k2(off: tuple[float, ...], name: str) -> None:
    trace = walk(straight((3.0, 0.0), 10))
    pose = np.concatenate([trace.position, trace.velocity], 2)[:-1]
    trace = replace(trace, believed=pose + np.array(off))
    assert named(trace, limits(zones=(pit(),)), "keep_out") == {name: 5}


@pytest.mark.parametrize(("told", "since", "who"), [(4, 6, "K3"), (0, 6, "npc"), (4, 9, "inadmissible")])
def test_a_zone_that_was_not_told_in_time_is_a_breach_of_k3(told: int, since: int, who: str) -> None:
    """Told in time, going in is the NPC's own. Told too late, it is not; nor is it if told when it was in already."""
    zone = replace(pit(), since=since, told=told)
    going_on = walk(straight((3.0, 0.0), 10))
    assert named(going_on, limits(zones=(zone,), notice=5), "keep_out") == {who: 10 - since}


def test_a_late_zone_excuses_until_there_is_a_legal_brake_outside_it() -> None:
    speeds = [3.0] * 6 + [-3.0] * 6 + [3.0] * 8
    trace = walk(np.array([[[s, 0.0]] for s in speeds]))
    found = named(trace, limits(zones=(replace(pit(), since=5, told=5),), notice=3), "keep_out")
    assert found == {"K3": 2, "npc": found["npc"]}
    assert found["npc"] > 0


def test_a_late_zone_is_the_games_doing_whatever_else_the_npc_is_excused_for() -> None:
    """It spawned in a wall, and a zone comes up about it: out of the wall it was not, into the zone it did not go."""
    trace = walk(straight((0.0, 0.0), 8), start=[[3.0, 0.0]])
    zones = (replace(pit(), kind="wall"), replace(pit(), since=4, told=4))
    assert named(trace, limits(zones=zones, notice=5), "wall") == {"inadmissible": 8}
    assert named(trace, limits(zones=zones, notice=5), "keep_out") == {"K3": 4}


def test_a_zone_told_in_time_to_one_that_could_not_leave_is_inadmissible() -> None:
    trace = walk(straight((0.0, 0.0), 12), start=[[3.0, 0.0]])
    zone = replace(pit(), since=6, told=0)
    assert named(trace, limits(zones=(zone,), notice=5), "keep_out") == {"inadmissible": 6}


@pytest.mark.parametrize(("decided", "who"), [(2, "inadmissible"), (8, "npc"), (None, "npc")])
def test_a_step_that_was_decided_without_a_legal_brake_goes_on_being_for_the_old_cause(
    decided: int | None, who: str
) -> None:
    """It spawned in the pit, walks out, rests, and goes in again: by a step of then, or by one of now."""
    speeds = [-3.0] * 7 + [0.0] * 3 + [3.0] * 7
    trace = walk(np.array([[[s, 0.0]] for s in speeds]), start=[[2.5, 0.0]])
    when = np.zeros(17, np.int64)
    if decided is not None:
        when[10:] = decided
        trace = replace(trace, decided=when[:, None])
    report = audit(trace, limits(zones=(pit(),)))
    last = [v.category for v in report.examples if v.tick >= 10]
    assert last
    assert set(last) == {who}
    assert {v.category for v in report.examples if v.tick < 8} == {"inadmissible"}


def test_two_that_were_not_certified_together_break_k4b() -> None:
    commands = np.tile(np.array([[3.0, 0.0], [0.0, 0.0]]), (10, 1, 1))
    trace = walk(commands, start=[[-2.0, 0.0], [0.0, 0.0]])
    apart = limits(2, spacing=1.0 - np.eye(2))
    assert set(named(trace, apart, "spacing")) == {"npc"}
    assert set(named(replace(trace, session=np.tile([1, 2], (10, 1))), apart, "spacing")) == {"K4b"}
    assert set(named(replace(trace, session=np.tile([1, 1], (10, 1))), apart, "spacing")) == {"npc"}


def test_what_two_sessions_granted_in_one_window_breaks_k4b() -> None:
    both, any_ = np.ones(2, bool), np.array([True, True])
    fired = np.zeros((12, 2, 2), bool)
    fired[2, 0, 0], fired[4, 1, 0] = True, True
    trace = walk(np.zeros((12, 2, 2)), ((0.0, 0.0), (5.0, 0.0)), attacks=fired)
    apart = replace(trace, session=np.tile([1, 2], (12, 1)))
    quota = limits(2, quotas=(Quota("attack_limit", 1, 9, any_, np.zeros(2, np.int64), both),))
    share = limits(2, shares=(Share("attack_tokens", 1.0, np.full(2, 9), np.ones(2), np.ones((2, 2), bool), both),))
    for declared, rule in ((quota, "attack_limit"), (share, "attack_tokens")):
        assert named(trace, declared, rule) == {"npc": 1}
        assert named(apart, declared, rule) == {"K4b": 1}


@pytest.mark.parametrize("driver", [BRAKE, NONE])
def test_a_last_hop_that_does_not_brake_is_a_breach_of_k6(driver: int) -> None:
    drivers = np.full((10, 1), PLAN, np.uint8)
    drivers[3:] = driver
    trace = walk(straight((3.0, 0.0), 10), driver=drivers, braking=np.full((10, 1), 100.0))
    assert named(trace, limits(zones=(pit(),)), "keep_out") == {"K6": 5}


def test_a_last_hop_that_brakes_as_told_is_no_excuse() -> None:
    """It was told to brake at 2 m/s^2, and did: that is not enough for where it was sent."""
    speeds = np.array([3.0, 3.0, 3.0, 2.8, 2.6, 2.4, 2.2, 2.0, 1.8, 1.6])
    drivers = np.array([PLAN] * 3 + [BRAKE] * 7, np.uint8)[:, None]
    trace = walk(speeds[:, None, None] * [1.0, 0.0], driver=drivers, braking=np.full((10, 1), 2.0))
    assert set(named(trace, limits(zones=(pit(),)), "keep_out")) == {"npc"}


def bursting(place: Any, top_speed: float, promised: int = 3) -> dict[str, int]:
    """Who is to blame for a burst at (4, 0), three ticks after tick 4, with a ward on this way."""
    thrown = np.zeros((12, 1, 2), bool)
    thrown[4, 0, 1] = True
    burst = Burst("splash", 1.0, promised, np.array([False, True]), ALL, False, (0,), top_speed)
    trace = walk(
        straight((0.0, 0.0), 12), attacks=thrown, aim=np.zeros((12, 1)), reach=np.full((12, 1), 4.0),
        others=np.array(place, float)[:, None],
    )  # fmt: skip
    return named(trace, limits(bursts=(burst,)), "splash")


def test_a_ward_that_ran_into_a_burst_faster_than_declared_broke_k4() -> None:
    running = [(9.0 - 0.8 * max(0, t - 1), 0.0) for t in range(13)]
    assert bursting(running, 9.0) == {"npc": 1}
    assert bursting(running, 3.0) == {"K4": 1}
    standing = [(4.5, 0.0)] * 13
    assert bursting(standing, 3.0) == {"npc": 1}


def test_one_who_was_faster_than_declared_breaks_k4() -> None:
    rule = Apart("keep_away", 1.0, 2.0, False, ALL, (0,))
    place = np.array([(9.0, 0.0)] * 5 + [(2.2, 0.0)] * 8)[:, None]
    trace = walk(straight((1.5, 0.0), 12), others=place)
    assert named(trace, limits(apart=(rule,)), "keep_away")["K4"] >= 3


def test_a_forecast_that_did_not_come_true_is_a_miss_and_nobodys_fault() -> None:
    place = np.array([(2.0 + 0.1 * t, 0.0) for t in range(13)])[:, None]
    ahead = np.arange(1, 5)
    right = Forecast(0, 0, 3, place[3, 0] + ahead[:, None] * [0.1, 0.0], np.full(4, 0.05))
    wrong = Forecast(0, 0, 3, place[3, 0] + ahead[:, None] * [0.0, 0.1], np.full(4, 0.2))
    trace = walk(straight((0.0, 0.0), 12), others=place)
    assert named(replace(trace, forecasts=(right,)), limits(), "forecast") == {}
    report = audit(replace(trace, forecasts=(right, wrong)), limits())
    assert {k: v for k, v in report.rules["forecast"].violations.items() if v} == {"miss": 3}
    assert report.total() == 0
