"""Rules at load: a set that nobody could obey is refused by its smallest part, what is hardly meant is remarked on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from npc_sdk.constraints import (
    AllyDistance,
    AttackLimit,
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
from npc_sdk.constraints.room import Bounds
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


def admit(
    rules: list[Rule], homes: Any = ((0.0, 0.0),), walls: tuple[Outline, ...] = (), bounds: Bounds = BOUNDS
) -> None:
    n = len(homes)
    check_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.zeros(n),
        homes=np.array(homes),
        kinematics=BODY,
        bounds=bounds,
        walls=walls,
    )


def refused(rules: list[Rule], *scene: Any, **more: Any) -> ConstraintError:
    """Returns what a set is refused for, among rules that have nothing to do with it."""
    with pytest.raises(ConstraintError) as error:
        admit([*ASIDE[:2], *rules, *ASIDE[2:]], *scene, **more)
    for name in error.value.rules:
        assert f"'{name}'" in str(error.value)
    return error.value


def test_a_wrong_value_in_a_rule_made_in_python_is_told_as_one_in_a_table_is() -> None:
    error = refused([Leash("post", -1.0)])
    assert error.rules == ("post",)
    assert str(error) == "rule 'post', key 'radius': expected a number above 0, got -1.0"
    error = refused([NoStop("door", HALL[:2])])
    assert error.rules == ("door",)
    assert str(error).startswith("rule 'door', key 'polygon': expected at least 3 points, got ((-3.0")
    admit([AttackLimit("few", np.int64(2), np.float32(0.5)), Leash("post", np.float32(2.0))])  # type: ignore[arg-type]  # NumPy's numbers will do


def test_every_polygon_of_a_mesh_must_be_a_simple_one() -> None:
    error = refused([Navmesh("floor", (HALL, (*HALL[:2], HALL[3], HALL[2])))])
    assert error.rules == ("floor",)
    assert str(error).startswith("rule 'floor': expected a simple polygon (3 or more corners, ")
    assert str(error).endswith("got 4 corners that are not one")


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


def test_bounds_leave_room_up_to_a_body_from_each_of_their_sides() -> None:
    hall = (10.0, 20.0, 30.0, 26.0)
    corners = [(10.4, 20.4), (29.6, 20.4), (29.6, 25.6), (10.4, 25.6)]
    admit([Leash("post", 0.1)], corners, bounds=hall)
    for beyond in [(9.0, 23.0), (31.0, 23.0), (20.0, 19.0), (20.0, 27.0)]:  # 1.35 m from where a body may be
        assert refused([Leash("post", 1.1)], [beyond], bounds=hall).rules == ("post",)
        admit([Leash("post", 1.35)], [beyond], bounds=hall)


def test_half_the_diagonal_of_a_cell_of_the_grid_is_given_and_no_more() -> None:
    """So a place as small as a point is found, wherever it lies. The grid's points are 4 m x 3 m apart, 5 m across."""
    grid = (-40.0, 100.0, -40.0 + 95 * 4.0, 100.0 + 95 * 3.0)
    point = Leash("post", 1e-300)
    admit([point], [(2.0, 110.5)], bounds=grid)
    admit([point], [(-40.0 - 2.5, 100.0)], bounds=grid)
    assert refused([point], [(-40.0 - 2.51, 100.0)], bounds=grid).rules == ("post",)


def test_walls_leave_no_room_either_and_are_nobodys_rule() -> None:
    wall = (Outline("block", "wall", box(-3, -3, 3, 3)),)
    assert refused([Leash("post", 2.0)], walls=wall).rules == ("post",)
    admit([Leash("post", 4.0)], walls=wall)
    admit([Leash("post", 2.0)], walls=(Outline("block", "zone", box(-3, -3, 3, 3)),))
    apart = (Outline("west", "wall", box(-3, -3, -0.35, 3)), Outline("east", "wall", box(0.35, -3, 3, 3)))
    admit([Leash("post", 0.3)], walls=apart)  # a body just fits between them
    closed = (*apart, Outline("door", "wall", box(-1, -3, 1, 3)))
    for order in (closed, closed[::-1]):
        assert refused([Leash("post", 2.0)], walls=order).rules == ("post",)


def test_everybody_is_asked_about_its_own_home() -> None:
    """The first has room about its home; what holds for it holds for nobody else."""
    error = refused([Leash("post", 1.0), KeepOut("pit", box(4, 1, 8, 5))], [(0.0, 0.0), (6.0, 3.0), (6.1, 3.0)])
    assert error.rules == ("post", "pit")
    assert str(error) == "rules 'post', 'pit': expected a place that all of them allow, got none for NPC 102"


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


@pytest.mark.parametrize(
    ("zone", "distance", "most"),
    [
        (box(4.0, -2.0, 9.7, 0.7), 3.0, 5),  # centres have 5 m x 2 m: (5 + 3) (2 + 3) / (sqrt(3 / 4) 3^2) = 5.1
        (box(4.0, -2.0, 4.9, 4.0), 2.0, 4),  # 0.2 m x 5.3 m: 4.6
    ],
)
def test_a_zone_holds_no_more_than_the_densest_packing_of_those_whom_it_binds(
    zone: Points, distance: float, most: int
) -> None:
    def rules(inside: int) -> list[Rule]:
        return [AllyDistance("spread", distance), KeepIn("hall", zone, tuple(range(101, 101 + inside)))]

    error = refused(rules(most + 1), [(4.5, -1.0)] * 9)
    assert f"room for {most + 1} NPCs {distance:g} m apart, got a zone that holds at most {most}" in str(error)
    admit(rules(most), [(4.5, -1.0)] * 9)


def test_how_close_leashes_hold_npcs_is_told() -> None:
    spread, post = AllyDistance("spread", 5.0), Leash("post", 1.0)
    error = refused([spread, post, Leash("theirs", 9.0, (104,))], [(5.0, 3.0), (6.0, 3.0), (9.0, 3.0), (0.0, 0.0)])
    assert error.rules == ("spread", "post")
    assert "5 m apart, got two NPCs that are never more than 3 m apart" in str(error)
    assert refused([spread, post], np.array([(5, 3), (3, 3)], np.uint8)).rules == ("spread", "post")
    admit([spread, post], [(5.0, -3.0), (9.0, -6.0)])  # homes 5 m apart
    spread, post = AllyDistance("spread", 2.0), Leash("post", 1.5)
    error = refused([spread, post], [(5.0, 3.0)] * 6)
    assert "2 m apart, got 6 NPCs within 1.5 m of one home, which holds at most 5" in str(error)
    admit([spread, post], [(5.0, 3.0)] * 5)


def test_whoever_is_just_far_enough_apart_at_the_ends_of_two_leashes_is_admitted() -> None:
    admit([AllyDistance("spread", 2.0), Leash("post", 1.0)], [(5.0, 3.0)] * 2)
    admit([AllyDistance("spread", 1.0), Leash("post", 1.0, (101,)), Leash("wide", 3.0)], [(5.0, 3.0)] * 10)


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


def test_what_is_unreachable_is_told_with_where_from_and_how_much() -> None:
    """From where the NPC is; its home, about which its leash goes, is another. Nothing to spare if nothing is said."""
    (remark,) = remarks(
        [KeepOut("strip", box(1, -12, 2, 12)), Leash("post", 4.0)],
        ids=[104],
        squads=[0],
        homes=[(0.0, 1.0)],
        places=[(-1.0, 0.5)],
        kinematics=BODY,
        bounds=BOUNDS,
    )
    assert remark.rules == ("strip",)
    assert remark.text.startswith("rule 'strip': unreachable for NPC 104 from (-1.00, 0.50): (2.")
    assert remark.text.endswith(", as 20 % of the room it may be in; no way there is 0.7 m wide")  # 7.5 m^2 of 37.8


def test_nothing_is_said_about_ways_for_whoever_stands_where_there_is_no_room() -> None:
    assert Told([KeepOut("pit", box(-1, -1, 1, 1)), KeepOut("strip", box(2, -12, 3, 12))]).remarks() == ()


def test_what_cuts_off_some_who_are_not_leashed_is_reported_once_wherever_their_homes_are() -> None:
    told = Told([KeepOut("strip", box(1, -12, 2, 12))], [(0.0, 0.0), (-1.0, 0.0)])
    assert len(told.remarks()) == 1


def test_a_gap_between_a_zone_and_the_bounds_is_a_way_only_if_a_body_fits() -> None:
    """The bounds are 12 m from the middle, and the body is 0.7 m wide."""
    for gap, reported in [(0.6, ("strip",)), (0.8, None)]:
        for strip in [
            box(1, -12, 2, 12 - gap),
            box(1, gap - 12, 2, 12),
            box(gap - 12, 1, 12, 2),
            box(-12, 1, 12 - gap, 2),
        ]:
            told = Told([KeepOut("strip", strip)]).remarks()
            assert [remark.rules for remark in told] == ([reported] if reported else [])


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
    block = box(-5, -1, -1, 1)
    post, wall = Leash("post", 4.0), Outline("w", "wall", block)
    for beside in (Told([KeepOut("pit", block), post], [(2.0, 0.0)]), Told([post], [(2.0, 0.0)], (wall,))):
        assert replace(beside, homes=[(-0.65, 0.0)]).remarks() == (), "a body just fits there"
    twice: list[Rule] = [KeepOut("pit", box(-1, -1, 1, 1)), KeepOut("hole", box(-1, -1, 0.5, 1)), Leash("post", 4.0)]
    assert [remark.rules for remark in Told(twice, [(2.0, 0.0)], homes=[(0.0, 0.0)]).remarks()] == [("pit", "post")]


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
    (remark,) = Told([AttackTokens("alone", 1.0, 1.0, 2.0)], [(0.0, 0.0)] * 2).remarks()
    assert remark == Remark(
        ("alone",), "rule 'alone': NPCs 101, 102 will never attack: each weighs 2, and the pool holds 1"
    )
    some = Told([Reserve("keep", "ammo", 2.0, 11.0, who=(102,))], [(0.0, 0.0)] * 2, most={"ammo": 12.0}).remarks()
    assert [remark.text.split(" will ")[0] for remark in some] == ["rule 'keep': NPC 102"]
    keep = Reserve("keep", "ammo", 2.0, 11.0)
    (remark,) = Told([keep], most={"ammo": 12.0}).remarks()
    assert remark == Remark(
        ("keep",), "rule 'keep': NPC 101 will never fire: that takes 13 of 'ammo', which holds at most 12"
    )
    assert Told([keep], most={"ammo": 13.0}).remarks() == ()
    assert Told([keep], most={"stamina": 1.0}).remarks() == ()


@pytest.mark.parametrize(
    ("count", "who"),
    [
        (1, "NPC 101"),
        (2, "NPCs 101, 102"),
        (4, "NPCs 101, 102, 103, 104"),
        (5, "NPCs 101, 102, 103, 104 and 1 more"),
        (7, "NPCs 101, 102, 103, 104 and 3 more"),
    ],
)
def test_the_first_four_whom_a_remark_is_about_are_named(count: int, who: str) -> None:
    (remark,) = Told([AttackTokens("heavy", 1.0, 1.0, 2.0)], [(0.0, 0.0)] * count).remarks()
    assert f"rule 'heavy': {who} will never attack" in remark.text
