"""Rules about attacks: what has been sent counts until it is known not to have happened; what is given is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_sdk.constraints import (
    KIND,
    AttackLimit,
    AttackTokens,
    Cooldown,
    HoldFire,
    Reserve,
    Rule,
    RuleTables,
    compile_rules,
)
from npc_sdk.experiments.zoo import Body
from npc_sdk.shield import Sent, Wanted
from npc_sdk.shield.attacks import Permitted, permit

DT = 0.1
M = 6


def tables_for(*rules: Rule, n: int = 2) -> RuleTables:
    return compile_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.arange(n) // 2,
        homes=np.zeros((n, 2)),
        kinematics=Body(4.0, 16.0, 16.0, 0.3),
        walls=[],
        bounds=(-9.0, -9.0, 9.0, 9.0),
        dt=DT,
    )


class Range:
    """Asks for attacks chunk by chunk; every chunk is sent."""

    def __init__(self, *rules: Rule, n: int = 2) -> None:
        self.tables, self.sent, self.n = tables_for(*rules, n=n), Sent(), n

    def ask(self, apply: int, wish: Any = True, rows: Any = None, **more: Any) -> Permitted:
        rows = np.arange(self.n) if rows is None else np.array(rows)
        shots = np.zeros((len(rows), M, 2), bool)
        shots[:, :, 0] = wish
        wanted = Wanted(shots, apply, more.pop("tick", apply), **more)
        answer = permit(self.tables, rows, self.sent, wanted)
        self.sent.add(apply, self.tables, rows, answer.triggers)
        return answer

    def see(self, tick: int, **fields: Any) -> None:
        told = {name: np.asarray(values, float) for name, values in fields.items()}
        self.sent.observe(tick, self.tables, np.arange(self.n), told)


def when(answer: Permitted, npc: int = 0) -> list[int]:
    return np.flatnonzero(answer.triggers[npc, :, 0]).tolist()


def test_a_cooldown_spaces_attacks_across_chunks() -> None:
    field = Range(Cooldown("reload", 0.4), n=1)
    assert when(field.ask(0)) == [0, 4]
    assert when(field.ask(6)) == [2]  # 8 is the first tick that is 4 after 4
    assert field.ask(12).stopped[0, KIND["cooldown"]]


def test_two_chunks_may_ask_for_the_same_attack_and_pay_for_it_once() -> None:
    field = Range(AttackLimit("burst", 2, 2.0), n=1)
    assert when(field.ask(0)) == [0, 1]
    assert when(field.ask(0)) == [0, 1]
    assert when(field.ask(1)) == [0]  # tick 1 again, and no third one


def test_an_attack_before_others_that_are_on_their_way_counts_with_them() -> None:
    field = Range(AttackLimit("burst", 1, 1.0), n=1)
    only_late = np.zeros(M, bool)
    only_late[5] = True
    assert when(field.ask(0, only_late)) == [5]
    assert when(field.ask(0)) == [5]  # one at 0 would share a window with the one at 5


def test_a_window_is_open_at_one_end() -> None:
    field = Range(AttackLimit("burst", 1, 1.0), n=1)
    assert when(field.ask(0)) == [0]
    assert when(field.ask(9)) == [1]  # tick 10, not 9: ten ticks later


def test_an_attack_between_two_that_share_no_window_is_allowed() -> None:
    field = Range(AttackLimit("burst", 2, 1.0), n=1)
    fourth = np.arange(M) == 3
    assert when(field.ask(0, fourth)) == [3]
    assert when(field.ask(10, fourth)) == [3]
    assert when(field.ask(5, np.arange(M) == 0)) == [0]  # 3 and 5, or 5 and 13


def test_what_is_left_of_a_limit_is_what_its_fullest_window_leaves() -> None:
    field = Range(AttackLimit("burst", 3, 1.0), n=1)
    assert field.ask(0, np.arange(M) < 2).margins[0, KIND["attack_limit"]] == 1.0
    assert field.ask(20, np.arange(M) == 0).margins[0, KIND["attack_limit"]] == 1.0


def test_what_a_counter_gives_back_is_given_back_to_no_limit_without_one() -> None:
    field = Range(AttackLimit("counted", 1, 1.0, counter="shots"), AttackLimit("sent", 1, 1.0), n=1)
    field.see(0, shots=[0])
    assert when(field.ask(0)) == [0]
    field.see(3, shots=[0])
    assert when(field.ask(3)) == []
    assert when(field.ask(6)) == [4]


def test_a_squad_shares_its_limit_also_with_those_who_are_gone() -> None:
    field = Range(AttackLimit("burst", 3, 5.0, per="squad"), n=4)
    answer = field.ask(0)
    assert answer.triggers[:2, :, 0].sum() == 3
    assert answer.triggers[2:, :, 0].sum() == 3
    assert not field.ask(6, rows=[1, 2, 3]).triggers.any()  # NPC 0 is dead, its attacks still count


def test_a_counter_gives_back_what_did_not_happen_and_keeps_the_latest() -> None:
    field = Range(AttackLimit("burst", 3, 1.0, counter="shots"), n=1)
    field.see(0, shots=[5])
    assert when(field.ask(0)) == [0, 1, 2]
    field.see(4, shots=[6])  # one of the three happened; it may have been that of tick 2
    assert when(field.ask(4)) == [0, 1]
    field.see(10, shots=[6])
    assert when(field.ask(10)) == [0, 1, 2] or pytest.fail("nothing more happened until tick 10")
    field = Range(AttackLimit("one", 1, 1.0, counter="shots"), n=1)
    field.see(0, shots=[0])
    both = np.array([True, False, False, False, False, False])
    field.ask(0, both)
    field.ask(1, both)
    field.see(3, shots=[1])
    assert when(field.ask(8)) == [2]  # if it was at tick 0 or 1: not before tick 10 or 11


def test_a_shot_that_nobody_sent_uses_up_the_limit_too() -> None:
    field = Range(AttackLimit("burst", 1, 1.0, counter="shots"), n=1)
    field.see(0, shots=[0])
    field.see(5, shots=[1])  # the game's own behaviour fired
    assert when(field.ask(9)) == [5]  # it may have been at tick 4


def test_a_shot_that_nobody_sent_uses_up_the_limit_of_its_squad() -> None:
    field = Range(AttackLimit("burst", 1, 1.0, per="squad", counter="shots"), n=4)
    field.see(0, shots=[0, 0, 0, 0])
    field.see(5, shots=[1, 0, 0, 0])
    assert when(field.ask(9, rows=[1])) == [5]
    assert when(field.ask(9, rows=[2])) == [0]


def test_a_shot_that_only_a_second_look_at_the_same_tick_shows_counts() -> None:
    field = Range(AttackLimit("burst", 1, 1.0, counter="shots"), n=1)
    field.see(5, shots=[0])
    field.see(5, shots=[1])
    assert when(field.ask(9)) == [5]  # it may have been at tick 4


def test_too_many_attacks_of_the_games_own_forbid_no_longer_than_the_window() -> None:
    field = Range(AttackLimit("burst", 1, 1.0, counter="shots"), n=1)
    field.see(0, shots=[0])
    field.see(5, shots=[2])  # both at tick 4 at the latest
    assert when(field.ask(13)) == [1]


def test_a_counter_that_starts_again_gives_nothing_back() -> None:
    field = Range(AttackLimit("burst", 1, 2.0, counter="shots"), n=1)
    field.see(0, shots=[9])
    assert when(field.ask(0)) == [0]
    field.see(6, shots=[0])
    assert when(field.ask(6)) == []


def test_tokens_are_held_from_the_attack_on_and_go_by_weight() -> None:
    heavy, light = (
        AttackTokens("h", 2.0, 0.5, 2.0, "all", who=(101,)),
        AttackTokens("l", 2.0, 0.5, 1.0, "all", who=(102, 103)),
    )
    field = Range(heavy, light, n=3)
    first = np.array([True, False, False, False, False, False])
    answer = field.ask(0, first)
    assert [when(answer, npc) for npc in range(3)] == [[0], [], []]
    later = field.ask(4)
    assert [when(later, npc) for npc in range(3)] == [[0, 1, 2, 3, 4, 5], [], []]  # who holds them may go on
    assert later.stopped[1:, KIND["attack_tokens"]].all()
    other = Range(heavy, light, n=3)
    answer = other.ask(0, first, priority=np.array([0.0, 1.0, np.nan]))
    assert [when(answer, npc) for npc in range(3)] == [[], [0], [0]]  # 101 weighs too much beside them
    third = Range(AttackTokens("t", 1.0, 0.5), n=3)
    answer = third.ask(0, first, priority=np.array([np.nan, np.nan, -9.0]))
    assert [when(answer, npc) for npc in range(3)] == [[], [], [0]]  # no number is the lowest of all


def test_tokens_count_attacks_that_another_chunk_may_still_make() -> None:
    field = Range(AttackTokens("t", 1.0, 0.2), n=2)
    late = np.zeros((2, M), bool)
    late[0, 4] = True
    assert when(field.ask(0, late)) == [4]
    second_only = np.array([[False], [True]])
    assert when(field.ask(0, second_only), 1) == [0, 1, 2]  # an attack at 3 would be held into tick 4
    assert when(field.ask(6, second_only), 1) == [0, 1, 2, 3, 4, 5]  # what 101 had ran out with tick 5


def test_a_squad_whose_number_is_an_id_is_not_that_npc() -> None:
    field = Range(AttackTokens("t", 1.0, 0.5, attack="any"), AttackLimit("squad", 9, 1.0, "squad"), n=2)
    squads = np.array([101, 101])
    field.tables = replace(field.tables, windows=(replace(field.tables.windows[0], group=squads),))
    assert when(field.ask(0, np.array([[False], [True]])), 1) == [0, 1, 2, 3, 4, 5]
    assert not field.ask(2, np.array([[True], [False]])).triggers.any()  # 102 holds the only token
    other = Range(Reserve("r", "ammo", 1.0, 0.0, "any"), AttackLimit("squad", 9, 1.0, "squad"), n=2)
    other.tables = replace(other.tables, windows=(replace(other.tables.windows[0], group=squads),))
    ammo = {"ammo": np.array([1.0, 9.0])}
    assert when(other.ask(0, np.array([[False], [True]]), fields=ammo), 1) == [0, 1, 2, 3, 4, 5]
    assert when(other.ask(0, np.array([[True], [False]]), fields=ammo)) == [0]  # what 102 uses is its own


def test_tokens_that_one_holds_longer_than_a_chunk_are_held_in_later_ones() -> None:
    long, short = AttackTokens("l", 1.0, 2.0, pool="p", who=(101,)), AttackTokens("s", 1.0, 0.1, pool="p", who=(102,))
    field = Range(long, short, n=2)
    first = np.zeros((2, M), bool)
    first[0, 0] = True
    assert when(field.ask(0, first)) == [0]
    field.see(10)  # nothing that is still held is forgotten
    assert when(field.ask(16, np.array([[False], [True]])), 1) == [4, 5]


def test_a_reserve_counts_what_is_on_its_way() -> None:
    field = Range(Reserve("keep", "ammo", 1.0, 1.0), n=1)
    assert when(field.ask(0, fields={"ammo": np.array([3.0])})) == [0, 1]
    assert when(field.ask(6, tick=1, fields={"ammo": np.array([2.0])})) == []  # the one at tick 1 is not in it yet
    assert when(field.ask(6, tick=6, fields={"ammo": np.array([2.0])})) == [0]
    assert when(field.ask(20)) == []  # the game lacks the field: nothing can be promised
    assert when(field.ask(20, fields={"ammo": np.array([np.nan])})) == []


def test_rules_count_only_the_attacks_they_name() -> None:
    tables, sent = tables_for(Cooldown("reload", 9.0, attack="throw"), n=1), Sent()
    answer = permit(tables, np.arange(1), sent, Wanted(np.ones((1, M, 2), bool)))
    assert answer.triggers[0, :, 0].all()
    assert answer.triggers[0, :, 1].tolist() == [True] + [False] * (M - 1)


def test_hold_fire_leaves_nothing_to_count() -> None:
    field = Range(HoldFire("truce"), AttackLimit("burst", 1, 1.0), n=1)
    assert when(field.ask(0, hold_fire=True)) == []
    assert when(field.ask(6)) == [0]


def test_a_rule_is_active_for_those_whom_it_binds_and_who_want_what_it_counts() -> None:
    field = Range(Cooldown("reload", 0.4, who=(101, 102)), AttackLimit("throws", 1, 1.0, attack="throw"), n=3)
    answer = field.ask(0, np.array([np.arange(M) == 2, np.arange(M) >= 0, np.arange(M) >= 0]))
    assert answer.active[:, KIND["cooldown"]].tolist() == [True, True, False]
    assert answer.stopped[:, KIND["cooldown"]].tolist() == [False, True, False]
    assert np.isfinite(answer.margins[:, KIND["cooldown"]]).tolist() == [True, True, False]
    assert not answer.active[:, KIND["attack_limit"]].any()
    assert np.isinf(answer.margins[:, KIND["attack_limit"]]).all()


def test_hold_fire_binds_who_must_hold_it_and_turns_down_who_asked() -> None:
    field, wish = Range(HoldFire("truce", (101, 103)), n=3), np.zeros((3, M), bool)
    wish[0, 4], wish[1] = True, True
    answer = field.ask(0, wish, hold_fire=True)
    assert [when(answer, npc) for npc in range(3)] == [[], [0, 1, 2, 3, 4, 5], []]
    assert answer.active[:, KIND["hold_fire"]].tolist() == [True, False, True]
    assert answer.stopped[:, KIND["hold_fire"]].tolist() == [True, False, False]
    assert answer.margins[:, KIND["hold_fire"]].tolist() == [0.0, np.inf, 0.0]


def test_rules_about_one_field_add_up_what_their_attacks_cost() -> None:
    """A throw takes two of what a shot takes one of: after the throw there is nothing left for the shot."""
    field = Range(Reserve("aim", "stamina", 1.0, 0.0, "fire"), Reserve("heave", "stamina", 2.0, 0.0, "throw"), n=1)
    wish = np.zeros((1, M, 2), bool)
    wish[0, 0, 1] = wish[0, 1, 0] = True

    def asked(stamina: float) -> list[Any]:
        wanted = Wanted(wish, 0, fields={"stamina": np.array([stamina])})
        return np.argwhere(permit(field.tables, np.arange(1), Sent(), wanted).triggers[0]).tolist()

    assert asked(2.0) == [[0, 1]]
    assert asked(3.0) == [[0, 1], [1, 0]]
    last = Range(Reserve("aim", "stamina", 1.0, 1.0, "fire"), Reserve("heave", "stamina", 1.0, 0.0, "throw"), n=1)
    late = np.zeros(M, bool)
    late[5] = True
    stamina = {"stamina": np.array([2.0])}
    assert when(last.ask(0, late, tick=0, fields=stamina)) == [5]
    wish[:] = False
    wish[0, 0, 1] = True  # before that shot, which must leave one
    assert not permit(last.tables, np.arange(1), last.sent, Wanted(wish, 0, fields=stamina)).triggers.any()


def test_an_attack_costs_what_the_rules_about_it_say_and_not_what_others_about_the_field_do() -> None:
    field = Range(Reserve("aim", "stamina", 0.5, 0.0, "fire"), Reserve("heave", "stamina", 2.0, 0.0, "throw"), n=1)
    assert when(field.ask(0, fields={"stamina": np.array([1.0])})) == [0, 1]


def test_a_refused_attack_leaves_what_the_field_holds() -> None:
    """A throw on its way that no rule about the field counts for this NPC takes nothing from it."""
    mine, theirs = Reserve("mine", "ammo", 1.0, who=(101,)), Reserve("theirs", "ammo", 1.0, 0.0, "any", who=(102,))
    field = Range(mine, theirs, Cooldown("any", 0.1, "any"), n=2)
    ammo = {"ammo": np.array([0.5, 0.0])}
    assert field.ask(0, fields=ammo).margins[0, KIND["reserve"]] == 0.5
    throw = np.zeros((2, M, 2), bool)
    throw[0, 3, 1] = True
    field.sent.add(0, field.tables, np.arange(2), throw)
    answer = field.ask(0, fields=ammo)
    assert not answer.triggers.any()
    assert answer.margins[0, KIND["reserve"]] == 0.5


@pytest.mark.parametrize("rule", [Cooldown("c", 0.1), AttackLimit("a", 1, 0.1), Reserve("r", "ammo", attack="any")])
def test_a_shot_and_a_throw_in_one_tick_are_two_attacks(rule: Rule) -> None:
    tables = tables_for(rule, n=1)
    wanted = Wanted(np.ones((1, 1, 2), bool), fields={"ammo": np.array([1.0])})
    assert permit(tables, np.arange(1), Sent(), wanted).triggers.sum() == 1


def test_an_npc_that_the_counter_says_nothing_of_is_given_nothing_back() -> None:
    field = Range(AttackLimit("burst", 1, 2.0, counter="shots"), n=1)
    for tick in (0, 3):
        field.see(tick, shots=[np.nan])
        assert when(field.ask(tick)) == ([0] if tick == 0 else [])


def test_a_counter_of_one_who_was_gone_gives_nothing_back() -> None:
    """It may have begun anew, and come to more than before."""
    field = Range(AttackLimit("burst", 2, 2.0, counter="shots"), n=1)
    field.see(0, shots=[1])
    assert when(field.ask(0)) == [0, 1]
    field.sent.observe(2, field.tables, np.arange(0), {})
    field.see(6, shots=[2])
    assert when(field.ask(6)) == []


def test_who_changes_squads_takes_along_what_it_may_still_do() -> None:
    field = Range(AttackLimit("burst", 1, 1.0, per="squad"), n=4)
    late = np.zeros(M, bool)
    late[5] = True
    assert when(field.ask(0, late, rows=[0])) == [5]
    squads = np.array([1, 0, 1, 1])
    field.tables = replace(field.tables, windows=(replace(field.tables.windows[0], group=squads),))
    field.see(2)
    assert when(field.ask(2, rows=[2])) == []  # with 101's attack at 5 there would be two


def test_where_ticks_begin_anew_nothing_counts_any_more() -> None:
    field = Range(AttackLimit("burst", 1, 9.0, counter="shots"), n=1)
    field.see(50, shots=[3])
    assert when(field.ask(50)) == [0]
    field.see(1, shots=[5])  # the new level's own count, not two more than there were
    assert when(field.ask(1)) == [0]


def test_rules_that_bind_nobody_may_be_looked_at() -> None:
    field = Range(AttackTokens("t", 1.0, 0.5), AttackLimit("burst", 1, 1.0, counter="shots"), n=0)
    field.see(3, shots=[])
    assert field.ask(3).triggers.shape == (0, M, 2)


def test_what_the_longest_window_reaches_is_remembered() -> None:
    field = Range(AttackLimit("burst", 1, 2.0), Cooldown("reload", 0.1), n=1)
    assert when(field.ask(0)) == [0]
    field.see(10)
    assert when(field.ask(16)) == [4]


def test_what_no_window_reaches_is_forgotten() -> None:
    field = Range(AttackLimit("burst", 1, 1.0), n=1)
    field.ask(0)
    field.see(9)
    assert field.sent.of(("", (True, True), False), 101) == [(0, 101, 0)]
    field.see(11)
    assert field.sent.of(("", (True, True), False), 101) == []


@pytest.mark.parametrize("seed", range(40))
def test_no_subset_of_what_was_sent_breaks_a_rule(seed: int) -> None:
    """Whatever chunks are run or not: counted from the definition, window by window and tick by tick."""
    rng = np.random.default_rng(seed)
    most, length, hold = int(rng.integers(1, 4)), int(rng.integers(2, 15)), int(rng.integers(1, 8))
    capacity, n = float(rng.integers(1, 3)), 4
    rules = [
        AttackLimit("w", most, length * DT, str(rng.choice(["npc", "squad"]))),
        AttackTokens("t", capacity, hold * DT),
    ]
    field = Range(*rules, n=n)
    happened = np.zeros((80, n), bool)
    sent: NDArray[np.bool_] = np.zeros((90, n), bool)
    for tick in range(70):
        if rng.random() < 0.6:
            apply = tick + int(rng.integers(0, 3))
            answer = field.ask(apply, rng.random((n, M)) < 0.4, tick=tick, priority=rng.random(n))
            sent[apply : apply + M] |= answer.triggers[:, :, 0].T
        happened[tick] = sent[tick] & (rng.random(n) < rng.choice([0.3, 1.0]))
    group = np.arange(n) if rules[0].per == "npc" else np.arange(n) // 2  # type: ignore[union-attr]  # the first one
    for start in range(80):
        inside = happened[start : start + length]
        assert max(inside[:, group == g].sum() for g in np.unique(group)) <= most
        recent = happened[max(0, start - hold + 1) : start + 1].any(0)
        assert recent.sum() <= capacity
