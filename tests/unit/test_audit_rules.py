"""The checker on rules about turning, stopping, others and attacks: each judged on a trace made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_audit import DT, limits, part, straight, walk

from npc_sdk.audit import CALLBACK, Apart, Limits, Quota, Share, Stock, Trace, Turns, Zone, audit

ALL = np.ones(1, bool)


def found(trace: Trace, declared: Limits, rule: str) -> dict[str, int]:
    return {who: count for who, count in audit(trace, declared).rules[rule].violations.items() if count}


def shots(*ticks: int, length: int = 12, n: int = 1, npc: int = 0) -> Any:
    fired = np.zeros((length, n, 2), bool)
    fired[list(ticks), npc, 0] = True
    return fired


def test_a_turn_counts_only_at_speed() -> None:
    corner = np.concatenate([straight((2.0, 0.0), 3), straight((0.0, 2.0), 3)])
    bound = {"turn": np.array([3.0]), "turn_above": np.array([1.0])}
    assert found(walk(corner), limits(**bound), "turn") == {"npc": 1}
    assert found(walk(0.3 * corner), limits(**bound), "turn") == {}
    gentle = np.stack([[2.0 * np.cos(a), 2.0 * np.sin(a)] for a in 2.9 * DT * np.arange(6)])[:, None]
    assert found(walk(gentle), limits(**bound), "turn") == {}


def test_resting_in_a_clearway_is_a_breach_and_crossing_it_is_not() -> None:
    door = Zone("no_stop", "door", np.array([(1.0, -1.0), (2.0, -1.0), (2.0, 1.0), (1.0, 1.0)]), False, ALL)
    across = straight((3.0, 0.0), 12)
    stops = across.copy()
    stops[5:] = 0.0
    assert 1.0 < walk(stops).position[-1, 0, 0] < 2.0
    assert found(walk(across), limits(clearways=(door,)), "no_stop") == {}
    assert found(walk(stops), limits(clearways=(door,)), "no_stop") == {"npc": 7}


def away(near: bool = False, distance: float = 2.0, top_speed: float = 3.0) -> Apart:
    return Apart("stay_near" if near else "keep_away", distance, top_speed, near, ALL, (0,))


def beside(*places: tuple[float, float], ticks: int = 12) -> Any:
    """Another one that goes straight from the first place to the last."""
    way = np.linspace(0.0, 1.0, ticks + 1)[:, None]
    return (np.array(places[0]) * (1 - way) + np.array(places[-1]) * way)[:, None]


def test_who_came_too_close_is_to_blame() -> None:
    declared = limits(apart=(away(),))
    towards, still = straight((3.0, 0.0), 12), straight((0.0, 0.0), 12)
    assert found(walk(still, others=beside((2.5, 0.0), (1.5, 0.0))), declared, "keep_away")["external"] > 0
    assert "npc" not in found(walk(still, others=beside((2.5, 0.0), (1.5, 0.0))), declared, "keep_away")
    rest_then_go = np.concatenate([straight((0.0, 0.0), 2), towards[:10]])
    assert found(walk(rest_then_go, others=beside((2.5, 0.0))), declared, "keep_away")["npc"] > 0
    leaving = np.concatenate([straight((0.0, 0.0), 2), straight((-1.0, 0.0), 10)])
    assert set(found(walk(leaving, others=beside((1.9, 0.0), (1.1, 0.0))), declared, "keep_away")) == {"external"}


def test_who_ran_off_is_to_blame() -> None:
    declared = limits(apart=(away(near=True),))
    still, off = straight((0.0, 0.0), 12), np.concatenate([straight((0.0, 0.0), 2), straight((3.0, 0.0), 10)])
    assert set(found(walk(still, others=beside((1.5, 0.0), (2.5, 0.0))), declared, "stay_near")) == {"external"}
    assert "npc" in found(walk(off, others=beside((-1.5, 0.0))), declared, "stay_near")


def test_where_float32_puts_a_body_is_nobodys_doing_and_where_it_went_is() -> None:
    """A motion that closes in by 6 um as it is sent, and not as float32 rounds it: found after 40 million steps."""
    start, far = np.array([[524.80987549, -453.44882202]]), beside((-822.32418189, -527.23715025), ticks=1)
    declared, told = limits(apart=(away(near=True),)), np.array([[[-0.0000826, 0.00139]]]) / DT
    exact = walk(told, start, others=far)
    rounded = replace(exact, position=exact.position.astype(np.float32).astype(np.float64))
    gaps = [np.linalg.norm(t.position[:, 0] - t.others[0], axis=-1) for t in (exact, rounded)]
    assert gaps[0][1] < gaps[0][0]
    assert gaps[1][1] > gaps[1][0] + 1e-5
    assert set(found(exact, declared, "stay_near")) == {"external"}
    assert set(found(rounded, declared, "stay_near")) == {"external"}
    for sent, put, who in ((3e-5, 3e-5, "npc"), (0.0, 4e-5, "external"), (0.0, 6e-5, "npc"), (-6e-5, 6e-5, "npc")):
        off = walk(np.array([[[sent, 0.0]]]) / DT, start, others=far)
        off.position[1, 0, 0] = start[0, 0] + put
        assert set(found(off, declared, "stay_near")) == {who}, "half a step of float32 is 31 um here"


def test_one_who_is_faster_than_declared_excuses_for_as_long_as_promises_run() -> None:
    declared = limits(apart=(away(),))
    place = beside((9.0, 0.0), ticks=60)
    place[5:] = (2.5, 0.0)  # a jump
    go = np.concatenate([straight((0.0, 0.0), 6), straight((2.0, 0.0), 10), straight((0.0, 0.0), 44)])
    assert set(found(walk(go, others=place), declared, "keep_away")) <= {"breach", "inadmissible", "external"}
    late = np.concatenate([straight((0.0, 0.0), 45), straight((2.0, 0.0), 15)])
    assert "npc" in found(walk(late, others=place), declared, "keep_away")


def test_an_npc_that_started_on_its_way_is_excused_until_it_could_have_stopped() -> None:
    declared = limits(apart=(away(),), acceleration=np.array([5.0]))
    rushing = np.concatenate([straight((3.0, 0.0), 2), straight((0.0, 0.0), 2), straight((3.0, 0.0), 8)])
    verdicts = found(walk(rushing, others=beside((2.05, 0.0))), declared, "keep_away")
    assert verdicts["inadmissible"] >= 1
    assert verdicts["npc"] >= 1


@pytest.mark.parametrize(("ticks", "broken"), [((0, 4), 0), ((0, 3), 1), ((0, 1, 2), 2), ((0, 4, 8), 0)])
def test_a_window_is_counted_from_the_attack_that_ends_it(ticks: tuple[int, ...], broken: int) -> None:
    quota = Quota("cooldown", 1, 4, np.array([True, False]), np.zeros(1, np.int64), ALL)
    trace = walk(straight((0.0, 0.0), 12), attacks=shots(*ticks))
    assert found(trace, limits(quotas=(quota,)), "cooldown") == ({"npc": broken} if broken else {})
    other = Quota("cooldown", 1, 4, np.array([False, True]), np.zeros(1, np.int64), ALL)
    assert found(trace, limits(quotas=(other,)), "cooldown") == {}


def test_a_window_that_the_game_filled_is_not_the_npcs_fault() -> None:
    quota = Quota("attack_limit", 1, 9, np.array([True, True]), np.zeros(1, np.int64), ALL)
    driver = np.zeros((12, 1), np.uint8)
    driver[0] = CALLBACK
    trace = walk(straight((0.0, 0.0), 12), attacks=shots(0, 5), driver=driver)
    assert found(trace, limits(quotas=(quota,)), "attack_limit") == {"external": 1}


def test_a_squad_is_counted_together() -> None:
    fired = shots(0, n=2) | shots(3, n=2, npc=1)
    trace = walk(np.zeros((12, 2, 2)), ((0.0, 0.0), (5.0, 0.0)), attacks=fired)
    both, any_ = np.ones(2, bool), np.array([True, True])
    together = Quota("attack_limit", 1, 9, any_, np.zeros(2, np.int64), both)
    alone = Quota("attack_limit", 1, 9, any_, np.arange(2), both)
    assert found(trace, limits(2, quotas=(together,)), "attack_limit") == {"npc": 1}
    assert found(trace, limits(2, quotas=(alone,)), "attack_limit") == {}


def test_weights_of_those_who_lately_attacked_add_up() -> None:
    fired = shots(0, n=2) | shots(3, n=2, npc=1)
    trace = walk(np.zeros((12, 2, 2)), ((0.0, 0.0), (5.0, 0.0)), attacks=fired)

    def share(ticks: int, capacity: float) -> Share:
        both, weight = np.ones(2, bool), np.array([1.0, 2.0])
        return Share("attack_tokens", capacity, np.full(2, ticks), weight, np.ones((2, 2), bool), both)

    assert found(trace, limits(2, shares=(share(4, 2.0),)), "attack_tokens") == {"npc": 1}
    assert found(trace, limits(2, shares=(share(3, 2.0),)), "attack_tokens") == {}
    assert found(trace, limits(2, shares=(share(4, 3.0),)), "attack_tokens") == {}
    alive = np.ones((13, 2), bool)
    alive[2:, 0] = False
    dead = walk(np.zeros((12, 2, 2)), ((0.0, 0.0), (5.0, 0.0)), attacks=fired, alive=alive)
    assert found(dead, limits(2, shares=(share(4, 2.0),)), "attack_tokens") == {}


def test_an_attack_needs_what_it_costs() -> None:
    ammo = np.array([2.0, *np.ones(5), *np.zeros(7)])[:, None]
    trace = walk(straight((0.0, 0.0), 12), attacks=shots(0, 5, 9), levels={"ammo": ammo})
    stock = Stock("reserve", "ammo", 1.0, 0.0, np.array([True, False]), ALL)
    assert found(trace, limits(stocks=(stock,)), "reserve") == {"npc": 1}
    keep = Stock("reserve", "ammo", 1.0, 1.0, np.array([True, False]), ALL)
    assert found(trace, limits(stocks=(keep,)), "reserve") == {"npc": 2}


def test_a_shot_and_a_throw_in_one_tick_are_counted_as_two() -> None:
    both = shots(4)
    both[4, 0, 1] = True
    trace = walk(straight((0.0, 0.0), 12), attacks=both, levels={"ammo": np.full((13, 1), 1.0)})
    quota = Quota("cooldown", 1, 1, np.array([True, True]), np.zeros(1, np.int64), ALL)
    assert found(trace, limits(quotas=(quota,)), "cooldown") == {"npc": 1}
    stock = Stock("reserve", "ammo", 1.0, 0.0, np.array([True, True]), ALL)
    assert found(trace, limits(stocks=(stock,)), "reserve") == {"npc": 1}


def test_rules_about_one_field_add_up() -> None:
    both = shots(4)
    both[4, 0, 1] = True
    trace = walk(straight((0.0, 0.0), 12), attacks=both, levels={"ammo": np.full((13, 1), 2.0)})
    fire, throw = (Stock("reserve", "ammo", cost, 0.0, np.eye(2, dtype=bool)[k], ALL) for k, cost in enumerate((1, 2)))
    assert found(trace, limits(stocks=(fire, throw)), "reserve") == {"npc": 2}
    assert found(trace, limits(stocks=(throw,)), "reserve") == {}


def test_who_died_has_given_its_token_back_also_when_it_lives_again() -> None:
    fired = shots(0, n=2) | shots(5, n=2, npc=1)
    alive = np.ones((13, 2), bool)
    alive[2:4, 0] = False
    share = Share("attack_tokens", 1.0, np.full(2, 9), np.ones(2), np.ones((2, 2), bool), np.ones(2, bool))
    for living, broken in ((alive, {}), (np.ones((13, 2), bool), {"npc": 1})):
        trace = walk(np.zeros((12, 2, 2)), ((0.0, 0.0), (5.0, 0.0)), attacks=fired, alive=living)
        assert found(trace, limits(2, shares=(share,)), "attack_tokens") == broken


def test_stopping_at_once_is_no_turn() -> None:
    for x in (-2.0, 2.0):
        for y in (-1.5, 1.5):
            stops = np.concatenate([straight((x, y), 3), straight((0.0, 0.0), 3)])
            bound = {"turn": np.array([3.0]), "turn_above": np.array([1.0])}
            assert found(walk(stops), limits(**bound), "turn") == {}


def in_turn(*spans: tuple[int, int], most: int = 1, first: Any = (0.0, 0.0), **more: Any) -> tuple[Trace, Limits]:
    """NPCs three metres apart, each moving in its ticks from the first to before the last."""
    commands = np.zeros((60, len(spans), 2))
    for npc, (start, end) in enumerate(spans):
        commands[start:end, npc, 0] = 1.0
    places = [(0.0, 3.0 * npc) for npc in range(len(spans))]
    trace = walk(commands, places, **more)
    velocity = trace.velocity.copy()
    velocity[0] = first
    n = len(spans)
    rule = Turns("in_turn", most, np.zeros(n, int), np.ones(n, bool))
    return replace(trace, velocity=velocity), limits(n, turns=(rule,))


def test_two_that_move_where_one_may_are_both_to_blame() -> None:
    assert found(*in_turn((0, 10), (10, 20)), "in_turn") == {}
    assert found(*in_turn((0, 10), (9, 20)), "in_turn") == {"npc": 2}
    assert found(*in_turn((0, 10), (9, 20), most=2), "in_turn") == {}
    trace, declared = in_turn((0, 10), (9, 20))
    apart = replace(declared.turns[0], group=np.array([0, 1]))
    assert found(trace, replace(declared, turns=(apart,)), "in_turn") == {}
    free = replace(declared.turns[0], binds=np.array([True, False]))
    assert found(trace, replace(declared, turns=(free,)), "in_turn") == {}
    assert audit(trace, declared).rules["in_turn"].min_margin == -1.0


def test_who_is_moved_by_the_game_excuses_its_group_until_promises_have_run_out() -> None:
    trace, declared = in_turn((0, 10), (5, 6), (50, 60), (50, 60))
    driver = trace.driver.copy()
    driver[5, 1] = CALLBACK
    assert found(replace(trace, driver=driver), declared, "in_turn") == {"external": 2, "npc": 20}
    trace, declared = in_turn((0, 10), (5, 6), (12, 16), (12, 16))
    assert found(replace(trace, driver=driver), declared, "in_turn") == {"external": 10}


def test_a_start_with_too_many_in_motion_is_inadmissible_and_one_with_few_is_not() -> None:
    assert found(*in_turn((0, 5), (0, 5), first=(1.0, 0.0)), "in_turn") == {"inadmissible": 10}
    assert found(*in_turn((0, 5), (0, 5), (50, 55), (50, 55), first=(1.0, 0.0)), "in_turn") == {
        "inadmissible": 20 - 10,
        "npc": 10,
    }
    assert found(*in_turn((0, 5), (0, 5)), "in_turn") == {"npc": 10}


def test_who_comes_back_in_motion_excuses_its_group() -> None:
    trace, declared = in_turn((0, 30), (10, 12))
    alive = trace.alive.copy()
    alive[:10, 1] = False
    velocity = trace.velocity.copy()
    velocity[10, 1] = (1.0, 0.0)
    assert found(replace(trace, alive=alive), declared, "in_turn") == {"npc": 4}
    assert found(replace(trace, alive=alive, velocity=velocity), declared, "in_turn") == {"inadmissible": 4}


def test_two_sessions_do_not_take_turns_with_each_other() -> None:
    trace, declared = in_turn((0, 10), (9, 20))
    apart = np.tile(np.array([1, 2]), (60, 1))
    assert found(replace(trace, session=apart), declared, "in_turn") == {"breach": 2}
    assert found(replace(trace, session=np.ones_like(apart)), declared, "in_turn") == {"npc": 2}


def test_turns_are_judged_as_one_over_traces_that_go_on() -> None:
    trace, declared = in_turn((0, 40), (0, 8), (30, 31), first=(1.0, 0.0))
    whole = audit(trace, declared).rules["in_turn"].violations
    first = audit(part(trace, 0, 25), declared)
    rest = audit(part(trace, 25, 60), declared, standing=first.standing)
    summed = {k: first.rules["in_turn"].violations[k] + rest.rules["in_turn"].violations[k] for k in whole}
    assert summed == whole
    assert (whole["npc"], whole["inadmissible"]) == (2, 16)
