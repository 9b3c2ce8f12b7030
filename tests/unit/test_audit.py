"""The checker's verdicts on episodes whose culprit is known, and its distances against brute force."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_sdk.audit import BRAKE, CALLBACK, CATEGORIES, PLAN, AuditConfig, AuditReport, Limits, Trace, Zone, audit
from npc_sdk.audit.measure import closest_approach, coast_to_rest, path_to_outline, winding, zone_margin

DT = 0.1
U = np.array([[0.0, 0.0], [6.0, 0.0], [6.0, 6.0], [4.0, 6.0], [4.0, 2.0], [2.0, 2.0], [2.0, 6.0], [0.0, 6.0]])
PIT = np.array([[2.0, -2.0], [4.0, -2.0], [4.0, 2.0], [2.0, 2.0]])


def limits(n: int = 1, **more: Any) -> Limits:
    settings: dict[str, Any] = {
        "dt": DT,
        "radius": np.full(n, 0.25),
        "speed": np.full(n, 4.0),
        "acceleration": np.full(n, 100.0),
        "home": np.zeros((n, 2)),
        "leash": np.full(n, np.inf),
        "spacing": np.zeros((n, n)),
        "hold_fire": np.zeros(n, bool),
        "zones": (),
    }
    settings |= more
    return Limits(**{"brake": settings["acceleration"], **settings})


def pit(n: int = 1, keep_in: bool = False) -> Zone:
    return Zone("keep_in" if keep_in else "keep_out", "pit", PIT, keep_in, np.ones(n, bool))


def walk(commands: Any, start: Any = ((0.0, 0.0),), **more: Any) -> Trace:
    """An engine that does what it is told; commands t a 2."""
    told = np.array(commands, float)
    ticks, n, _ = told.shape
    place = np.array(start, float) + np.concatenate([np.zeros((1, n, 2)), np.cumsum(told, 0) * DT])
    settings: dict[str, Any] = {
        "ids": np.arange(101, 101 + n, dtype=np.uint32),
        "position": place,
        "velocity": np.concatenate([told[:1], told]),
        "command": told,
        "alive": np.ones((ticks + 1, n), bool),
        "driver": np.full((ticks, n), PLAN, np.uint8),
        "attacks": np.zeros((ticks, n, 2), bool),
        "hold_fire": np.zeros(ticks, bool),
        "hold_known": np.zeros((ticks, n), bool),
    }
    return Trace(**(settings | more))


def straight(velocity: tuple[float, float], ticks: int) -> NDArray[np.float64]:
    return np.tile(np.array(velocity), (ticks, 1, 1))


def part(trace: Trace, first: int, last: int) -> Trace:
    """Ticks `first` to before `last`; bodies have one row more."""
    rows = {f.name: getattr(trace, f.name) for f in fields(trace) if f.name not in ("ids", "levels")}
    ticks = len(trace.command)
    return replace(trace, **{k: v[first : last + (len(v) > ticks)] for k, v in rows.items()})


def verdict(trace: Trace, declared: Limits, rule: str) -> tuple[dict[str, int], AuditReport]:
    report = audit(trace, declared)
    return {k: v for k, v in report.rules[rule].violations.items() if v}, report


def test_walking_into_a_zone_is_the_npcs_doing() -> None:
    found, report = verdict(walk(straight((3.0, 0.0), 10)), limits(zones=(pit(),)), "keep_out")
    assert found == {"npc": 5}  # its body touches in the sixth tick of ten, and it was able to brake before
    assert report.total() == 5
    assert report.rules["keep_out"].steps == 10
    assert report.rules["keep_out"].min_margin < 0
    assert report.examples[0].npc == 101
    assert report.examples[0].tick == 5


def test_stopping_before_it_is_not() -> None:
    commands = np.concatenate([straight((3.0, 0.0), 5), straight((0.0, 0.0), 5)])
    found, report = verdict(walk(commands), limits(zones=(pit(),)), "keep_out")
    assert found == {}
    assert report.rules["keep_out"].min_margin == pytest.approx(2.0 - 1.5 - 0.25)
    assert report.steps == 10
    assert report.excused_steps == 0


def test_jumping_over_a_corner_between_ticks_is_seen() -> None:
    trace = walk(np.array([[[14.0, 14.0]], [[0.0, 0.0]]]), start=[[1.2, 1.4]])
    declared = limits(zones=(pit(),), speed=np.full(1, 99.0), acceleration=np.full(1, 1e5))
    assert verdict(trace, declared, "keep_out")[0] == {"npc": 1}


def test_leaving_a_keep_in_is_seen() -> None:
    trace = walk(straight((0.0, 3.0), 8), start=[[3.0, 0.0]])
    assert verdict(trace, limits(zones=(pit(keep_in=True),)), "keep_in")[0]["npc"] >= 2


def test_the_games_own_behaviour_is_external() -> None:
    trace = walk(straight((3.0, 0.0), 10), driver=np.full((10, 1), CALLBACK, np.uint8))
    found, report = verdict(trace, limits(zones=(pit(),)), "keep_out")
    assert found == {"external": 5}
    assert report.total() == 0
    assert report.excused_steps == 10
    assert report.rules["keep_out"].min_margin == np.inf


def test_what_the_game_left_without_a_brake_is_inadmissible_until_it_has_one() -> None:
    """Released at 3 m/s just before the zone, it brakes as hard as it may, and later goes in again by itself."""
    speeds = [3.0] * 5 + [2.0, 1.0, 0.0] + [-3.0] * 4 + [3.0] * 6
    driver = np.array([CALLBACK] * 5 + [BRAKE] * 3 + [PLAN] * 10, np.uint8)[:, None]
    trace = walk(np.array([[[s, 0.0]] for s in speeds]), driver=driver, start=[[0.2, 0.0]])
    found, _ = verdict(trace, limits(zones=(pit(),), acceleration=np.full(1, 10.0)), "keep_out")
    assert found["inadmissible"] >= 2
    assert found["npc"] >= 1
    assert "external" not in found


def test_an_npc_that_spawned_in_a_zone_is_inadmissible() -> None:
    assert verdict(walk(straight((0.0, 0.0), 3), start=[[3.0, 0.0]]), limits(zones=(pit(),)), "keep_out")[0] == {
        "inadmissible": 3
    }


def test_an_engine_that_does_not_do_as_told_is_a_breach() -> None:
    trace = walk(straight((0.0, 0.0), 4))
    place = trace.position.copy()
    place[2:, 0, 0] = 3.0
    found, report = verdict(replace(trace, position=place), limits(zones=(pit(),)), "keep_out")
    assert found == {"breach": 3}
    assert report.total() == 0


def test_speed_acceleration_and_leash_are_held_to_their_limits() -> None:
    commands = np.array([[[1.0, 0.0]], [[5.0, 0.0]], [[5.0, 0.0]]])
    report = audit(walk(commands), limits(acceleration=np.full(1, 30.0), leash=np.full(1, 1.0)))
    assert report.rules["speed"].violations["npc"] == 2
    assert report.rules["acceleration"].violations["npc"] == 1
    assert report.rules["leash"].violations["npc"] == 1
    assert report.total() == 4


def test_float32_commands_at_the_limit_are_within_it() -> None:
    commands = np.float32(straight((4.0, 0.0), 3) / np.sqrt(2.0) * [[1.0, 1.0]]).astype(float)
    commands[..., 1] = commands[..., 0]
    assert audit(walk(commands), limits()).total() == 0


def test_two_that_pass_between_ticks_were_too_close() -> None:
    """At every tick they are 2 m apart or more; in between they are not."""
    commands = np.array([[[20.0, 0.0], [-20.0, 0.0]]] * 2)
    start = [[-2.0, 0.0], [2.0, 0.1]]
    declared = limits(2, spacing=1.0 - np.eye(2), speed=np.full(2, 99.0), acceleration=np.full(2, 1e5))
    trace = walk(commands, start=start, driver=np.full((2, 2), PLAN, np.uint8))
    found, report = verdict(trace, declared, "spacing")
    assert found == {"npc": 4}
    assert report.rules["spacing"].min_margin == pytest.approx(0.1 - 1.0)


def test_meeting_one_that_the_game_drives_is_external() -> None:
    commands = np.tile(np.array([[3.0, 0.0], [0.0, 0.0]]), (10, 1, 1))
    driver = np.tile(np.array([CALLBACK, PLAN], np.uint8), (10, 1))
    trace = walk(commands, start=[[-2.0, 0.0], [0.0, 0.0]], driver=driver)
    found, report = verdict(trace, limits(2, spacing=1.0 - np.eye(2)), "spacing")
    assert set(found) == {"external"}
    assert report.total() == 0


def test_an_excused_pair_does_not_hide_one_that_is_not() -> None:
    """101 is overrun by the game's 102 while it runs into 103 itself."""
    commands = np.tile(np.array([[3.0, 0.0], [3.0, 0.0], [0.0, 0.0]]), (8, 1, 1))
    driver = np.tile(np.array([PLAN, CALLBACK, PLAN], np.uint8), (8, 1))
    trace = walk(commands, start=[[0.0, 0.0], [0.0, 0.1], [2.5, 0.0]], driver=driver)
    found, _ = verdict(trace, limits(3, spacing=1.0 - np.eye(3)), "spacing")
    assert found["npc"] >= 4
    assert found["external"] >= 8


def test_after_the_game_let_go_promises_of_others_may_still_run() -> None:
    commands = np.tile(np.array([[2.0, 0.0], [0.0, 0.0]]), (40, 1, 1))
    commands[12:, 0] = 0.0
    commands[14:18, 1] = [-2.0, 0.0]
    commands[18:36, 1] = [3.0, 0.0]
    commands[36:, 1] = [-4.0, 0.0]
    driver = np.full((40, 2), PLAN, np.uint8)
    driver[:12, 0] = CALLBACK
    trace = walk(commands, start=[[-2.0, 0.0], [2.0, 0.0]], driver=driver)
    short, _ = verdict(trace, limits(2, spacing=1.0 - np.eye(2)), "spacing")
    assert set(short) <= {"inadmissible"}
    strict = audit(trace, limits(2, spacing=1.0 - np.eye(2)), AuditConfig(settle_ticks=0))
    assert strict.rules["spacing"].violations["npc"] > 0


def test_a_trace_cut_in_two_is_judged_as_in_one_piece() -> None:
    rng = np.random.default_rng(5)
    declared = limits(3, spacing=1.5 * (1.0 - np.eye(3)), zones=(pit(3),))
    seen = dict.fromkeys(CATEGORIES, 0)
    for _ in range(20):
        commands = np.cumsum(rng.normal(0.0, 0.5, (60, 3, 2)), 0).clip(-3.0, 3.0)
        driver = np.repeat(np.where(rng.random((6, 3)) < 0.2, CALLBACK, PLAN), 10, 0).astype(np.uint8)
        whole = walk(commands, start=[[-2.0, 0.0], [1.0, 3.5], [5.0, 0.0]], driver=driver)
        cut = int(rng.integers(1, 60))
        first = audit(part(whole, 0, cut), declared)
        second = audit(part(whole, cut, 60), declared, standing=first.standing)
        one = audit(whole, declared)
        assert first.excused_steps + second.excused_steps == one.excused_steps
        for category in CATEGORIES:
            assert first.total(category) + second.total(category) == one.total(category)
            seen[category] += one.total(category)
        np.testing.assert_array_equal(second.standing.off, one.standing.off)
        np.testing.assert_array_equal(second.standing.pairs_off, one.standing.pairs_off)
        np.testing.assert_array_equal(second.standing.apart, one.standing.apart)
    assert min(seen["npc"], seen["external"], seen["inadmissible"]) > 0


@pytest.mark.parametrize(
    ("known", "driver", "category"), [(True, PLAN, "npc"), (False, PLAN, "breach"), (True, CALLBACK, "external")]
)
def test_a_shot_under_hold_fire_is_blamed_by_what_its_decision_knew(known: bool, driver: int, category: str) -> None:
    trace = walk(
        straight((0.0, 0.0), 4),
        attacks=np.array([[[True]], [[True]], [[False]], [[True]]]),
        hold_fire=np.array([False, True, True, True]),
        hold_known=np.full((4, 1), known),
        driver=np.full((4, 1), driver, np.uint8),
    )
    found, report = verdict(trace, limits(hold_fire=np.ones(1, bool)), "hold_fire")
    assert found == {category: 2}
    assert report.rules["hold_fire"].steps == 3


def test_the_dead_break_no_rules_and_the_risen_are_new() -> None:
    commands = straight((3.0, 0.0), 12)
    alive = np.ones((13, 1), bool)
    alive[5:10] = False
    trace = walk(commands, alive=alive)
    found, report = verdict(trace, limits(zones=(pit(),)), "keep_out")
    assert found == {"inadmissible": 2}
    assert report.steps == 6


def test_a_trace_with_nan_is_broken_not_clean() -> None:
    trace = walk(straight((1.0, 0.0), 3))
    command, place = trace.command.copy(), trace.position.copy()
    command[1:] = np.nan
    place[2:] = np.nan
    report = audit(replace(trace, command=command, position=place), limits(zones=(pit(),)))
    assert report.total("npc") > 0


def test_distances_agree_with_brute_force() -> None:
    rng = np.random.default_rng(5)
    start, end = rng.uniform(-2, 8, (40, 2)), rng.uniform(-2, 8, (40, 2))
    share = np.linspace(0, 1, 120)
    corner, following = U, np.roll(U, -1, 0)
    outline = (corner[:, None] + share[:, None] * (following - corner)[:, None]).reshape(-1, 2)
    path = start[:, None] + share[:, None] * (end - start)[:, None]
    dense = np.array([np.linalg.norm(p[:, None] - outline[None], axis=-1).min() for p in path])
    found = path_to_outline(start, end, U)
    assert np.all(found <= dense + 1e-9)
    assert np.all(dense - found < 0.2)
    assert np.any(found == 0.0)
    assert winding(np.array([[1.0, 5.0], [3.0, 4.0], [3.0, 1.0], [9.0, 1.0]]), U).tolist() == [True, False, True, False]
    inside = zone_margin(np.array([[1.0, 3.0]]), np.array([[1.0, 3.0]]), U, np.array([0.2]), False)
    assert inside == pytest.approx([-1.2])
    assert closest_approach(np.array([-1.0, 0.5]), np.array([1.0, 0.5])) == pytest.approx(0.5)


def test_coasting_sums_the_ticks_of_a_brake() -> None:
    rest = coast_to_rest(np.zeros((2, 2)), np.array([[3.0, 0.0], [0.0, 0.0]]), np.full(2, 10.0), DT)
    assert rest == pytest.approx(np.array([[(2.0 + 1.0) * DT, 0.0], [0.0, 0.0]]))
