"""What becomes of each rule in the tables: whose it is, in which ticks it counts, and what kind of margin it has."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from npc_sdk.constraints import (
    KIND,
    KINDS,
    AccelerationLimit,
    AllyDistance,
    AttackLimit,
    AttackTokens,
    Cooldown,
    FriendlyFire,
    HoldFire,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    MoveInTurn,
    Navmesh,
    NoStop,
    ReactionTime,
    Reserve,
    Rule,
    RuleTables,
    ShareLimit,
    SpeedLimit,
    Splash,
    StayClear,
    StayNear,
    TurnLimit,
    compile_rules,
)
from npc_sdk.experiments.zoo import Body, Outline

IDS, SQUADS, HOMES = [7, 3, 5], [2, 2, 9], [(1, 2), (3, 4), (5, 6)]
CORNER = ((1.0, 2.0), (5.0, 2.0), (1.0, 5.0))
EDGES = [[1.0, 2.0, 5.0, 2.0], [5.0, 2.0, 1.0, 5.0], [1.0, 5.0, 1.0, 2.0]]
DT = 0.25


def tables(*rules: Rule, **more: Any) -> RuleTables:
    settings: dict[str, Any] = {
        "ids": IDS,
        "squads": SQUADS,
        "homes": HOMES,
        "kinematics": Body(4.0, 16.0, 12.0, 0.35),
        "walls": (),
        "bounds": (-9.0, -8.0, 7.0, 6.0),
        "dt": DT,
    }
    return compile_rules(rules, **(settings | more))


def plain(rows: Any) -> list[tuple[object, ...]]:
    """Lets rows of a table be compared."""
    cells = [[getattr(row, field.name) for field in fields(row)] for row in rows]
    return [tuple(cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in row) for row in cells]


def test_without_rules_there_is_what_the_body_and_the_bounds_allow() -> None:
    found = tables()
    assert found.dt == DT
    assert found.ids.tolist() == IDS
    assert found.ids.dtype == np.uint32, "as they travel"
    assert found.home.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert found.home.dtype == np.float64
    assert found.radius.tolist() == [0.35] * 3
    assert found.body_speed == 4.0
    assert found.speed.tolist() == [4.0] * 3
    assert found.acceleration.tolist() == [12.0] * 3, "what the brake undoes"
    assert found.leash.tolist() == found.turn.tolist() == found.turn_above.tolist() == [np.inf] * 3
    assert not found.spacing.any()
    assert not found.hold_fire.any()
    assert found.edges.tolist() == [
        [-9.0, -8.0, 7.0, -8.0],
        [7.0, -8.0, 7.0, 6.0],
        [7.0, 6.0, -9.0, 6.0],
        [-9.0, 6.0, -9.0, -8.0],
    ]
    assert found.shape_name == ("bounds",)
    assert [found.moves.shape, found.steers] == [(0, 2), False]
    assert {KINDS[kind] for kind in np.flatnonzero(found.applies.all(0))} == {"bounds", "speed", "acceleration"}
    assert {KINDS[kind] for kind in np.flatnonzero(found.applies.any(0))} == {"bounds", "speed", "acceleration"}


def test_outlines_stand_in_turn_each_with_its_edges_and_its_inside() -> None:
    found = tables(
        KeepOut("pit", CORNER, (3,)),
        KeepIn("hall", CORNER),
        Navmesh("floor", (CORNER,)),
        walls=(Outline("zone", "zone", CORNER), Outline("block", "wall", CORNER)),
    )
    assert found.shape_name == ("block", "bounds", "pit", "hall", "floor")
    assert [KINDS[kind] for kind in found.shape_kind] == ["wall", "bounds", "keep_out", "keep_in", "navmesh"]
    assert found.shape_inside.tolist() == [False, True, False, True, True]
    assert found.shape_first.tolist() == [0, 3, 7, 10, 13]
    assert found.edge_shape.tolist() == [0] * 3 + [1] * 4 + [2] * 3 + [3] * 3 + [4] * 3
    assert found.edges[[7, 8, 9]].tolist() == found.edges[[0, 1, 2]].tolist() == EDGES
    assert found.shape_mask.tolist() == [[True, True, bound, True, True] for bound in (False, True, False)]


def test_places_and_distances_that_somebody_else_sets_are_rows_of_their_own() -> None:
    found = tables(NoStop("door", CORNER, (3,)), KeepAway("room", 2.0, 5.0, "van", (7, 5)), StayNear("ward", 4.0, 6.0))
    assert plain(found.no_stop) == [(KIND["no_stop"], EDGES, [False, True, False])]
    assert plain(found.apart) == [
        (KIND["keep_away"], "van", 2.0, 5.0, False, [True, False, True]),
        (KIND["stay_near"], "protected", 4.0, 6.0, True, [True] * 3),
    ]


def test_attacks_are_counted_by_npc_or_by_squad_within_whole_ticks() -> None:
    found = tables(
        Cooldown("calm", 1.0, "throw", (5,)),
        AttackLimit("few", 3, 1.1, "squad", "fire", "shots"),
        AttackLimit("fewer", 2, 0.1, "npc", "any", "", "squad:2"),
    )
    both, group = (True, True), KIND["attack_limit"]
    assert plain(found.windows) == [
        (KIND["cooldown"], "calm", 1, 4, (False, True), "", False, IDS, [False, False, True]),
        (group, "few", 3, 5, (True, False), "shots", True, SQUADS, [True] * 3),
        (group, "fewer", 2, 1, both, "", False, IDS, [True, True, False]),
    ]
    by_number = tables(AttackLimit("few", 3, 1.1, "squad"), squads=np.array(SQUADS, np.float32)).windows[0].group
    assert by_number.dtype == np.int64


@pytest.mark.parametrize(
    ("seconds", "dt", "ticks"), [(1.1, 0.1, 11), (0.3, 0.1, 3), (1.11, 0.1, 12), (1e-12, 0.1, 1), (0.2, 0.1, 2)]
)
def test_a_time_is_the_fewest_ticks_that_last_so_long(seconds: float, dt: float, ticks: int) -> None:
    """In binary, 1.1 s are a little more than eleven ticks of 0.1 s, and 0.3 s a little less than three."""
    assert tables(Cooldown("calm", seconds), dt=dt).windows[0].ticks == ticks


def test_an_npc_in_one_pool_by_several_rules_holds_the_heaviest_weight_for_the_longest() -> None:
    (shared, alone) = tables(
        AttackTokens("light", 3.0, 2.0, 1.0, "shared", "fire", (7, 3)),
        AttackTokens("heavy", 2.5, 1.0, 2.0, "shared", "throw", (3,)),
        AttackTokens("alone", 1.0, 0.5),
    ).pools
    kind, attack = KIND["attack_tokens"], [[True, False], [True, True], [False, False]]
    assert plain([shared]) == [
        (kind, "shared", 2.5, [8, 8, 0], attack, [1.0, 2.0, 0.0], [True, True, False]),
    ]
    assert plain([alone]) == [(kind, "alone", 1.0, [2] * 3, [[True, True]] * 3, [1.0] * 3, [True] * 3)]


def test_what_attacks_use_up_and_whom_they_must_not_hit_are_rows_of_their_own() -> None:
    found = tables(
        Reserve("keep", "ammo", 2.0, 3.0, "any", (7,)),
        FriendlyFire("line", 9.0, 0.25, 0.75, "van", 1.5, "fire", (3,)),
        Splash("blast", 3.0, 0.5, "crowd", 2.5, "throw", (5,)),
    )
    assert plain(found.stocks) == [
        (KIND["reserve"], "keep", "ammo", 2.0, 3.0, (True, True), [True, False, False]),
    ]
    assert plain(found.cones) == [
        (KIND["friendly_fire"], "van", 9.0, 0.25, 0.75, 1.5, (True, False), [False, True, False])
    ]
    assert plain(found.bursts) == [
        (KIND["splash"], "crowd", 3.0, 0.5, 2.5, (False, True), [False, False, True]),
    ]


def test_turns_are_taken_within_a_squad_or_among_all() -> None:
    found = tables(MoveInTurn("pair", 1, 2.0, "squad", (3, 5)), MoveInTurn("all", 2, 0.5, "all"))
    assert plain(found.turns) == [
        (KIND["in_turn"], 1, 8, SQUADS, [False, True, True]),
        (KIND["in_turn"], 2, 2, [0, 0, 0], [True] * 3),
    ]
    assert found.turns[1].group.dtype == np.int64


def test_forecasts_are_rows_that_make_no_margin() -> None:
    found = tables(ShareLimit("seen", "exposed", 0.2, 8.0, (7,)), StayClear("shy", 3.0, 5.0, 0.9, 2.0, (5,)))
    assert plain(found.shares) == [("seen", "exposed", 0.2, 8.0, [True, False, False])]
    assert plain(found.clear) == [("shy", 3.0, 5.0, 0.9, 2.0, [False, False, True])]
    assert (found.applies == tables().applies).all()


def test_of_several_turn_limits_the_strictest_holds_from_the_lowest_speed() -> None:
    found = tables(TurnLimit("wide", 3.0, 0.5), TurnLimit("tight", 2.0, 1.5, (3,)))
    assert found.turn.tolist() == [3.0, 2.0, 3.0]
    assert found.turn_above.tolist() == [0.5] * 3


def test_a_car_turns_no_faster_than_its_body_or_a_rule_says() -> None:
    car = Body(4.0, 16.0, 12.0, 0.35, kind="car", turn_rate=2.5)
    found = tables(TurnLimit("wide", 3.0), TurnLimit("tight", 2.0, 1.0, (3,)), kinematics=car)
    assert found.steers
    assert found.turn.tolist() == [2.5, 2.0, 2.5]
    assert found.turn_above.tolist() == [0.5 * 12.0 * DT] * 3, "half of what one tick from a standstill comes to"
    assert found.applies[:, KIND["steering"]].all()
    assert found.applies[:, KIND["turn"]].all(), "by the rules"
    assert not tables(kinematics=car).applies[:, KIND["turn"]].any(), "no rule asks for it"


def test_a_body_on_a_grid_has_so_many_moves_and_is_judged_by_them() -> None:
    found = tables(kinematics=Body(4.0, 16.0, 12.0, 0.35, cell=0.5, diagonals=True))
    assert found.moves[:3].tolist() == [[0.0, 0.0], [2.0, 0.0], [-2.0, 0.0]], "0.5 m in a tick of 0.25 s"
    assert len(found.moves) == 9
    assert found.applies[:, KIND["grid"]].all()


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (KeepOut("r", CORNER, (3,)), "keep_out"),
        (KeepIn("r", CORNER, (3,)), "keep_in"),
        (Navmesh("r", (CORNER,), (3,)), "navmesh"),
        (NoStop("r", CORNER, (3,)), "no_stop"),
        (Leash("r", 2.0, (3,)), "leash"),
        (KeepAway("r", 2.0, 5.0, "player", (3,)), "keep_away"),
        (StayNear("r", 2.0, 5.0, "player", (3,)), "stay_near"),
        (TurnLimit("r", 2.0, 1.0, (3,)), "turn"),
        (HoldFire("r", (3,)), "hold_fire"),
        (Cooldown("r", 1.0, "any", (3,)), "cooldown"),
        (AttackLimit("r", 1, 1.0, "npc", "any", "", (3,)), "attack_limit"),
        (AttackTokens("r", 1.0, 1.0, 1.0, "", "any", (3,)), "attack_tokens"),
        (Reserve("r", "ammo", who=(3,)), "reserve"),
        (FriendlyFire("r", 9.0, who=(3,)), "friendly_fire"),
        (Splash("r", 3.0, 0.5, who=(3,)), "splash"),
        (MoveInTurn("r", 1, 1.0, "squad", (3,)), "in_turn"),
    ],
)  # fmt: skip
def test_a_kind_of_margin_is_only_for_those_whom_a_rule_of_it_binds(rule: Rule, kind: str) -> None:
    more = tables(rule).applies & ~tables().applies
    assert more[:, KIND[kind]].tolist() == [False, True, False]
    assert more.sum() == 1


def test_a_kind_of_margin_is_for_all_whom_rules_of_it_bind_together() -> None:
    found = tables(KeepOut("west", CORNER, (7,)), KeepOut("east", CORNER, (3,)))
    assert found.applies[:, KIND["keep_out"]].tolist() == [True, True, False]
    found = tables(Cooldown("a", 1.0, who=(5,)), Cooldown("b", 2.0, who=(3,)))
    assert found.applies[:, KIND["cooldown"]].tolist() == [False, True, True]


def test_two_who_must_be_apart_both_have_the_margin_and_one_alone_has_none() -> None:
    pair = tables(AllyDistance("spread", 2.0, (7, 5)))
    assert pair.applies[:, KIND["spacing"]].tolist() == [True, False, True]
    assert pair.spacing.tolist() == [[0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]
    assert not tables(AllyDistance("spread", 2.0, (7,))).applies[:, KIND["spacing"]].any()


def test_rules_of_several_kinds_leave_each_others_rows_alone() -> None:
    found = tables(
        SpeedLimit("slow", 2.0, (7,)), AccelerationLimit("calm", 9.0, (3,)), ReactionTime("late", 0.2), HoldFire("h")
    )
    assert found.speed.tolist() == [2.0, 4.0, 4.0]
    assert found.acceleration.tolist() == [12.0, 9.0, 12.0]
    assert found.hold_fire.all()


@pytest.mark.parametrize("ids", [[], [7], [7, 3, 5]])
def test_an_id_that_was_not_compiled_is_told_with_those_that_were(ids: list[int]) -> None:
    found = tables(ids=ids, squads=[0] * len(ids), homes=[(0.0, 0.0)] * len(ids))
    assert found.rows(np.array(ids, np.uint32)).tolist() == list(range(len(ids)))
    for asked in ([9], [*ids, 9], [1, *ids]):
        with pytest.raises(KeyError) as error:
            found.rows(np.array(asked, np.uint32))
        assert error.value.args == (f"NPC ids: expected some of {ids}, got {asked}",)
