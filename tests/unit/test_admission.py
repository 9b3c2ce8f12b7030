"""Rules at load: a set that nobody could obey is refused by its smallest part, what is hardly meant is remarked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from npc_sdk.constraints import (
    AllyDistance,
    AttackTokens,
    Cooldown,
    HoldFire,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    Navmesh,
    NoStop,
    Points,
    Remark,
    Reserve,
    Rule,
    SpeedLimit,
    StayNear,
    check_rules,
    remarks,
)
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body, Outline

BODY = Body(4.0, 16.0, 16.0, 0.35)
BOUNDS = (-12.0, -12.0, 12.0, 12.0)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def rooms(door: float) -> Points:
    """Two rooms, 8 m and 5.6 m wide, and a doorway between them, 0.4 m long."""
    half = door / 2
    left, right = ((3.0, -4.0), (3.0, -half), (3.4, -half)), ((3.4, half), (3.0, half), (3.0, 4.0))
    return (-5.0, -4.0), *left, (3.4, -4.0), (9.0, -4.0), (9.0, 4.0), (3.4, 4.0), *right, (-5.0, 4.0)


HALL = box(-3.0, -2.0, 3.0, 2.0)
ASIDE: list[Rule] = [
    SpeedLimit("slow", 2.0),
    HoldFire("truce"),
    KeepOut("far", box(8, 8, 11, 11)),
    Cooldown("calm", 1.0),
]


def admit(rules: list[Rule], homes: Any = ((0.0, 0.0),), walls: tuple[Outline, ...] = ()) -> None:
    n = len(homes)
    check_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.zeros(n),
        homes=np.array(homes),
        kinematics=BODY,
        bounds=BOUNDS,
        walls=walls,
    )


def refused(rules: list[Rule], homes: Any = ((0.0, 0.0),), walls: tuple[Outline, ...] = ()) -> ConstraintError:
    """Returns what a set is refused for, among rules that have nothing to do with it."""
    with pytest.raises(ConstraintError) as error:
        admit([*ASIDE[:2], *rules, *ASIDE[2:]], homes, walls)
    for name in error.value.rules:
        assert f"'{name}'" in str(error.value)
    return error.value


def test_to_keep_further_away_than_to_stay_near_is_refused() -> None:
    away, near = KeepAway("room", 5.0, 3.0, "player"), StayNear("escort", 4.0, 3.0, "player")
    error = refused([away, KeepAway("less", 2.0, 3.0, "player"), near, StayNear("ward", 1.0, 3.0)])
    assert error.rules == ("room", "escort")
    assert "at least 5 m and at most 4 m" in str(error)
    admit([away, StayNear("escort", 5.0, 3.0, "player")])
    admit([away, StayNear("escort", 4.0, 3.0, "protected")])
    admit([KeepAway("room", 5.0, 3.0, "player", (101,)), StayNear("escort", 4.0, 3.0, "player", (102,))], [(0, 0)] * 2)


def test_a_clearway_that_covers_all_the_room_there_is_leaves_no_place_to_rest() -> None:
    error = refused([KeepIn("hall", HALL), NoStop("door", box(-4, -3, 4, 3))])
    assert error.rules == ("hall", "door")
    assert "a place to rest" in str(error)
    admit([KeepIn("hall", HALL), NoStop("door", box(-4, -3, 2, 3))])
    admit([NoStop("door", box(-4, -3, 4, 3))])


def test_walls_leave_no_room_either_and_are_nobodys_rule() -> None:
    wall = (Outline("block", "wall", box(-3, -3, 3, 3)),)
    assert refused([Leash("post", 2.0)], walls=wall).rules == ("post",)
    admit([Leash("post", 4.0)], walls=wall)
    admit([Leash("post", 2.0)], walls=(Outline("block", "zone", box(-3, -3, 3, 3)),))


def test_two_who_are_held_too_close_together_are_refused_with_the_leashes_that_hold_them() -> None:
    spread = AllyDistance("spread", 6.0)
    posts: list[Rule] = [Leash("left", 2.0, (101,)), Leash("right", 1.5, (102,)), Leash("wide", 9.0)]
    error = refused([spread, *posts, Leash("other", 1.0, (103,))], [(0.0, 0.0), (2.0, 0.0), (-9.0, -9.0)])
    assert error.rules == ("spread", "left", "right")
    assert "never more than 5.5 m apart" in str(error)
    admit([spread, *posts], [(0.0, 0.0), (3.0, 0.0), (9.0, 9.0)])
    admit([AllyDistance("spread", 6.0, (102, 103)), *posts], [(0.0, 0.0), (2.0, 0.0), (9.0, 9.0)])


@pytest.mark.parametrize(("npcs", "fits"), [(1, True), (2, True), (7, True), (12, False)])
def test_many_about_one_home_need_a_leash_that_holds_them(npcs: int, fits: bool) -> None:
    """Seven points 1 m apart are within 1 m of the middle one; of twelve, some are not."""
    rules: list[Rule] = [AllyDistance("spread", 1.0), Leash("post", 1.0)]
    if fits:
        admit(rules, [(0.0, 0.0)] * npcs)
    else:
        assert refused(rules, [(0.0, 0.0)] * npcs).rules == ("spread", "post")
        admit(rules, [(float(k), 0.0) for k in range(npcs)])


def test_two_do_not_fit_into_a_zone_that_is_nowhere_wide_enough() -> None:
    rules: list[Rule] = [AllyDistance("spread", 3.0), KeepIn("closet", box(0.0, 0.0, 2.0, 2.0))]
    assert refused(rules, [(1.0, 1.0)] * 2).rules == ("spread", "closet")
    admit(rules, [(1.0, 1.0)])


@dataclass(frozen=True)
class Told:
    rules: list[Rule]
    places: Any = ((0.0, 0.0),)
    walls: tuple[Outline, ...] = ()
    most: Any = None
    spare: float = 0.0
    homes: Any = None

    def remarks(self) -> tuple[Remark, ...]:
        n = len(self.places)
        homes = self.places if self.homes is None else self.homes
        admit(self.rules, homes, self.walls)  # what is remarked on is never refused
        return remarks(
            self.rules,
            ids=np.arange(101, 101 + n),
            squads=np.zeros(n),
            homes=homes,
            places=self.places,
            kinematics=BODY,
            bounds=BOUNDS,
            walls=self.walls,
            most=self.most,
            spare=self.spare,
        )


@pytest.mark.parametrize(
    ("door", "spare", "passable"),
    [(0.5, 0, False), (0.64, 0, False), (0.72, 0, True), (3, 0, True), (0.68, 0.03, False)],
)
def test_a_doorway_narrower_than_the_body_is_reported_at_load(door: float, spare: float, passable: bool) -> None:
    """The body is 0.7 m wide. Its room beyond the door is 4.9 m x 7.3 m, of 7.3 m x 7.3 m more on this side."""
    told = Told([KeepIn("hall", rooms(door)), *ASIDE], spare=spare).remarks()
    if passable:
        assert told == ()
        return
    (remark,) = told
    assert remark.rules == ("hall",)
    assert remark.text.startswith("rule 'hall': unreachable for NPC 101 from (0.00, 0.00): (6.2")
    assert f"as {100 * 4.9 / (4.9 + 7.3):.0f} % of the room" in remark.text
    assert f"no way there is {0.7 + 2 * spare:g} m wide" in remark.text


def test_whatever_closes_the_way_is_named_and_nothing_else() -> None:
    wall, gap = box(2, -11.9, 3, -0.2), box(2, 0.2, 3, 11.9)
    both: list[Rule] = [KeepOut("south", wall), KeepOut("north", gap)]
    (remark,) = Told([*both, *ASIDE]).remarks()
    assert remark.rules == ("south", "north")
    (remark,) = Told(both[:1], walls=(Outline("w", "wall", gap),)).remarks()
    assert remark.rules == ("south",)
    (remark,) = Told(ASIDE, walls=(Outline("w", "wall", gap), Outline("v", "wall", wall))).remarks()
    assert remark.rules == ()
    assert remark.text.startswith("walls: unreachable for NPC 101")
    assert Told(both[:1]).remarks() == ()


def test_what_cuts_a_leash_in_two_is_reported_once_for_those_alike() -> None:
    strip = KeepOut("strip", box(1, -12, 2, 12))
    told = Told([strip, Leash("post", 4.0)], [(0.0, 0.0), (0.0, 0.0), (4.0, 0.0)]).remarks()
    assert [remark.rules for remark in told] == [("strip",)] * 2
    assert "NPC 101" in told[0].text
    assert "NPC 103" in told[1].text
    near = Told([strip, Leash("post", 1.0)], [(-1.0, 0.0)]).remarks()
    assert near == (), "within its leash there is nothing beyond the strip"
    mesh = Navmesh("floor", (box(-4, -4, 0, 4), box(0, -0.1, 2, 0.1), box(2, -4, 6, 4)))
    assert [remark.rules for remark in Told([mesh], [(-2.0, 0.0)]).remarks()] == [("floor",)]


def test_a_leash_whose_whole_disc_lies_beyond_the_bounds_is_remarked_on() -> None:
    """It is admitted, as the grid on which room is looked for gives rules half a cell."""
    rules, homes = [Leash("post", 2.0)], [(97.5, 50.0)]
    body, bounds = Body(4.0, 16.0, 16.0, 0.1), (0.0, 0.0, 95.0, 95.0)
    check_rules(rules, ids=[101], squads=[0], homes=homes, kinematics=body, bounds=bounds)
    (remark,) = remarks(
        rules, ids=[101], squads=[0], homes=homes, places=[(94.0, 50.0)], kinematics=body, bounds=bounds
    )
    assert remark.text.startswith("rule 'post': unreachable for NPC 101: its home (97.50, 50.00)")


def test_room_no_larger_than_the_body_is_not_worth_a_word() -> None:
    assert (
        Told([KeepIn("hall", HALL), KeepOut("strip", box(1.95, -2.0, 2.25, 2.0))]).remarks() == ()
    )  # beyond it, centres have 0.05 m
    told = Told([KeepIn("hall", box(-3, -2, 5, 2)), KeepOut("strip", box(1.95, -2.0, 2.25, 2.0))]).remarks()
    assert [remark.rules for remark in told] == [("hall", "strip")]  # 2.1 m wide


def test_a_home_where_its_npc_may_not_be_is_reported() -> None:
    told = Told([KeepOut("pit", box(-1, -1, 1, 1)), Leash("post", 4.0)], [(2.0, 0.0)], homes=[(0.0, 0.0)]).remarks()
    assert [remark.rules for remark in told] == [("pit", "post")]
    assert "its home (0.00, 0.00)" in told[0].text
    walled = Told([Leash("post", 4.0)], [(2.0, 0.0)], (Outline("w", "wall", box(-1, -1, 1, 1)),), homes=[(0.0, 0.0)])
    assert [remark.rules for remark in walled.remarks()] == [("post",)]
    assert Told([Leash("post", 4.0)]).remarks() == ()


def test_attacks_that_can_never_be_are_reported_and_not_refused() -> None:
    light, heavy = (
        AttackTokens("light", 1.5, 1.0, 1.0, "all"),
        AttackTokens("heavy", 3.0, 1.0, 2.0, "all", "throw", (101,)),
    )
    told = Told([light, heavy, AttackTokens("alone", 1.0, 1.0, 1.0)], [(0.0, 0.0)] * 2).remarks()
    assert [remark.rules for remark in told] == [("heavy", "light")]
    assert told[0].text.endswith("NPC 101 will never throw: each weighs 2, and the pool holds 1.5")
    assert Told([light, AttackTokens("heavy", 3.0, 1.0, 2.0, "all", "any", (7,))]).remarks() == (), (
        "it binds nobody here"
    )
    keep = Reserve("keep", "ammo", 2.0, 11.0)
    (remark,) = Told([keep], most={"ammo": 12.0}).remarks()
    assert remark == Remark(
        ("keep",), "rule 'keep': NPC 101 will never fire: that takes 13 of 'ammo', which holds at most 12"
    )
    assert Told([keep], most={"ammo": 13.0}).remarks() == ()
    assert Told([keep], most={"stamina": 1.0}).remarks() == ()
