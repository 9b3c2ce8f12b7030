"""Rules: reading them from tables, compiling them, and refusing what nobody could obey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from npc_sdk.constraints import (
    KIND,
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
    SpeedLimit,
    Splash,
    StayNear,
    TurnLimit,
    check_rules,
    compile_rules,
    from_table,
    margins,
    parse_who,
)
from npc_sdk.constraints.clearance import (
    area,
    inside,
    is_simple,
    length,
    point_distance,
    polygon_edges,
    segment_and_end_distance,
    segment_distance,
)
from npc_sdk.constraints.moves import grid_moves
from npc_sdk.errors import ConstraintError

SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
U = ((0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (4.0, 6.0), (4.0, 2.0), (2.0, 2.0), (2.0, 6.0), (0.0, 6.0))


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


@dataclass(frozen=True)
class Outline:
    name: str
    kind: str
    vertices: tuple[tuple[float, float], ...]


def compiled(rules: list[Rule], n: int = 3, walls: tuple[Outline, ...] = (), **more: Any) -> RuleTables:
    settings: dict[str, Any] = {
        "ids": np.arange(101, 101 + n),
        "squads": np.arange(n) % 2,
        "homes": np.zeros((n, 2)),
        "kinematics": Body(),
        "walls": walls,
        "bounds": (-12.0, -12.0, 12.0, 12.0),
        "dt": 1 / 30,
    }
    return compile_rules(rules, **(settings | more))


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ({"rule": "keep_out", "name": "pit", "polygon": [[0, 0], [4, 0], [4, 4], [0, 4]]}, KeepOut("pit", SQUARE)),
        ({"rule": "keep_in", "name": "hall", "zone": "hall", "who": "squad:1"}, KeepIn("hall", SQUARE, "squad:1")),
        ({"rule": "leash", "radius": 5}, Leash("leash", 5.0)),
        ({"rule": "speed_limit", "speed": 2.5, "who": [101, 102]}, SpeedLimit("speed_limit", 2.5, (101, 102))),
        ({"rule": "acceleration_limit", "acceleration": 9.0}, AccelerationLimit("acceleration_limit", 9.0)),
        ({"rule": "ally_distance", "name": "d", "distance": 1.2, "who": "squad:0"}, AllyDistance("d", 1.2, "squad:0")),
        ({"rule": "hold_fire", "name": "truce"}, HoldFire("truce")),
        ({"rule": "no_stop", "name": "door", "zone": "hall"}, NoStop("door", SQUARE)),
        ({"rule": "navmesh", "polygons": [SQUARE]}, Navmesh("navmesh", (SQUARE,))),
        ({"rule": "keep_away", "distance": 2, "top_speed": 5}, KeepAway("keep_away", 2.0, 5.0)),
        ({"rule": "stay_near", "distance": 2, "top_speed": 5, "to": "van"}, StayNear("stay_near", 2.0, 5.0, "van")),
        ({"rule": "turn_limit", "rate": 3}, TurnLimit("turn_limit", 3.0, 1.0)),
        ({"rule": "cooldown", "seconds": 0.5}, Cooldown("cooldown", 0.5)),
        ({"rule": "attack_limit", "most": 3, "seconds": 4, "per": "squad"}, AttackLimit("attack_limit", 3, 4, "squad")),
        ({"rule": "attack_tokens", "capacity": 2, "seconds": 1}, AttackTokens("attack_tokens", 2.0, 1.0)),
        ({"rule": "reserve", "field": "ammo"}, Reserve("reserve", "ammo")),
        ({"rule": "move_in_turn", "most": 1, "seconds": 2}, MoveInTurn("move_in_turn", 1, 2.0, "squad")),
        ({"rule": "friendly_fire", "reach": 9}, FriendlyFire("friendly_fire", 9.0)),
        ({"rule": "splash", "radius": 3}, Splash("splash", 3.0, 0.0)),
        ({"rule": "reaction_time", "seconds": 0.2}, ReactionTime("reaction_time", 0.2)),
    ],
)  # fmt: skip
def test_a_table_becomes_a_rule(table: dict[str, object], rule: Rule) -> None:
    assert from_table(table, {"hall": SQUARE}) == rule
    assert all((rule.class_, rule.text, rule.assumptions or not rule.kind))
    assert rule.tier == 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"rule": "leesh", "radius": 5}, ["leesh", "'leash'"]),
        ({}, ["'rule'", "None"]),
        ({"rule": "leash", "raduis": 5}, ["unknown key 'raduis'", "'radius'"]),
        ({"rule": "leash"}, ["'radius'", "above 0", "None"]),
        ({"rule": "leash", "radius": -1}, ["above 0", "-1"]),
        ({"rule": "leash", "radius": float("nan")}, ["above 0", "nan"]),
        ({"rule": "leash", "radius": True}, ["above 0", "True"]),
        ({"rule": "leash", "radius": 1, "name": ""}, ["'name'"]),
        ({"rule": "leash", "radius": 1, "tier": 1}, ["'tier'", "1"]),
        ({"rule": "leash", "radius": 1, "who": "squd:1"}, ["'who'", "squd:1", "'squad'"]),
        ({"rule": "leash", "radius": 1, "who": "squad:x"}, ["'who'", "squad:x"]),
        ({"rule": "leash", "radius": 1, "who": "squad:²"}, ["'who'", "squad:²"]),
        ({"rule": "leash", "radius": 1, "who": []}, ["'who'", "[]"]),
        ({"rule": "leash", "radius": 1, "who": [2**32]}, ["'who'", "4294967296"]),
        ({"rule": "reaction_time", "seconds": 0.2, "who": "squad:0"}, ["'who'", "all", "squad:0"]),
        ({"rule": "attack_limit", "most": 0, "seconds": 1}, ["'most'", "whole number above 0", "0"]),
        ({"rule": "attack_limit", "most": 2, "seconds": 1, "per": "team"}, ["'per'", "npc, squad", "team"]),
        ({"rule": "navmesh", "polygons": []}, ["'polygons'", "list of polygons", "[]"]),
        ({"rule": "navmesh", "polygons": [[[0, 0], [1, 1]]]}, ["'polygons'", "at least 3"]),
        ({"rule": "reserve", "cost": 1}, ["'field'", "text", "None"]),
        ({"rule": "reserve", "field": "ammo", "cost": -1}, ["'cost'", "at least 0", "-1"]),
        ({"rule": "friendly_fire", "reach": 9, "spread": 2.0}, ["'spread'", "from 0 to 1.5", "2.0"]),
        ({"rule": "keep_away", "distance": 2, "top_speed": 5, "to": 3}, ["'to'", "text", "3"]),
        ({"rule": "keep_out"}, ["exactly one", "'zone'", "'polygon'"]),
        ({"rule": "keep_out", "zone": "hal"}, ["'zone'", "hal", "'hall'"]),
        ({"rule": "keep_out", "polygon": [[0, 0], [1, 1]]}, ["at least 3"]),
        ({"rule": "keep_out", "polygon": [[0, 0], [1, 1], "x"]}, ["[x, y]", "'x'"]),
        ({"rule": "keep_out", "polygon": [[0, 0], [1, 1], [1, float("inf")]]}, ["[x, y]", "inf"]),
    ],
)
def test_a_wrong_table_says_what_was_expected_and_what_came(table: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConstraintError) as error:
        from_table(table, {"hall": SQUARE})
    for word in words:
        assert word in str(error.value)


def test_a_selector_is_split() -> None:
    assert parse_who("r", "all") == ("all", "")
    assert parse_who("r", "squad:-1") == ("squad", "-1")
    assert parse_who("r", "persona:flanker") == ("persona", "flanker")


def test_of_several_limits_the_strictest_holds_for_those_it_binds() -> None:
    tables = compiled(
        [
            SpeedLimit("a", 3.0), SpeedLimit("b", 2.0, "squad:1"), AccelerationLimit("c", 8.0, (103,)),
            Leash("d", 5.0, (101,)), Leash("e", 4.0, (101,)), HoldFire("h", (102,)),
            AllyDistance("f", 1.0), AllyDistance("g", 2.0, (101, 102)),
        ]
    )  # fmt: skip
    assert tables.speed.tolist() == [3.0, 2.0, 3.0]
    assert tables.acceleration.tolist() == [16.0, 16.0, 8.0]
    assert tables.leash.tolist() == [4.0, np.inf, np.inf]
    assert tables.spacing.tolist() == [[0.0, 2.0, 1.0], [2.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    assert tables.hold_fire.tolist() == [False, True, False]
    assert tables.applies[:, KIND["leash"]].tolist() == [True, False, False]
    assert tables.applies[:, KIND["spacing"]].all()


def test_a_body_that_brakes_less_than_it_accelerates_is_certified_by_its_brake() -> None:
    assert compiled([], kinematics=Body(brake=10.0)).acceleration.tolist() == [10.0] * 3


def test_walls_bind_everybody_and_zones_only_whom_a_rule_names() -> None:
    walls = (Outline("w", "wall", SQUARE), Outline("z", "zone", U))
    tables = compiled([KeepOut("pit", U, "squad:1")], walls=walls)
    assert tables.shape_name == ("w", "bounds", "pit")
    assert tables.shape_mask.tolist() == [[True, True, False], [True, True, True], [True, True, False]]
    assert tables.shape_inside.tolist() == [False, True, False]
    assert len(tables.edges) == 4 + 4 + 8
    assert tables.shape_first.tolist() == [0, 4, 8]


def test_rows_are_found_by_id_in_any_order() -> None:
    tables = compiled([], ids=[7, 3, 5])
    assert tables.rows(np.array([5, 7], np.uint32)).tolist() == [2, 0]
    assert tables.rows(np.array([], np.uint32)).tolist() == []
    with pytest.raises(KeyError, match="9"):
        tables.rows(np.array([9], np.uint32))


def test_a_persona_must_be_resolved_before_compiling() -> None:
    with pytest.raises(ConstraintError, match="persona:sentry"):
        compiled([Leash("post", 3.0, "persona:sentry")])


def admit(rules: list[Rule], homes: Any = ((0.0, 0.0),), **body: float) -> None:
    n = len(homes)
    check_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.zeros(n),
        homes=np.array(homes),
        kinematics=Body(**body),
        bounds=(-12.0, -12.0, 12.0, 12.0),
    )


FAR = ((8.0, 8.0), (11.0, 8.0), (11.0, 11.0), (8.0, 11.0))
WIDE = ((-1.0, -1.0), (5.0, -1.0), (5.0, 5.0), (-1.0, 5.0))


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ([KeepIn("far", FAR), Leash("post", 3.0), SpeedLimit("slow", 1.0)], ["far", "post"]),
        ([KeepIn("hall", SQUARE), KeepOut("pit", WIDE), KeepOut("other", FAR)], ["hall", "pit"]),
        ([KeepIn("hall", SQUARE), KeepIn("far", FAR)], ["hall", "far"]),
        ([KeepOut("bow tie", ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))], ["bow tie"]),
        ([KeepOut("line", ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0)))], ["line"]),
        ([KeepOut("spike", ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (2.0, 3.0), (2.0, 2.0), (0.0, 2.0)))], ["spike"]),
        ([Leash("post", 3.0), Leash("post", 4.0)], ["post"]),
    ],
)
def test_rules_that_cannot_hold_together_are_refused_by_name(rules: list[Rule], names: list[str]) -> None:
    with pytest.raises(ConstraintError) as error:
        admit(rules)
    assert list(error.value.rules) == names
    for name in names:
        assert name in str(error.value)


def test_a_brake_below_the_acceleration_limit_is_refused_unless_a_rule_lowers_the_limit() -> None:
    with pytest.raises(ConstraintError, match="brakes at 10"):
        admit([], brake=10.0)
    with pytest.raises(ConstraintError) as error:
        admit([AccelerationLimit("sporty", 12.0)], brake=10.0)
    assert error.value.rules == ("sporty",)
    admit([AccelerationLimit("calm", 9.0)], brake=10.0)


def test_more_npcs_than_a_zone_can_hold_apart_are_refused() -> None:
    rules: list[Rule] = [KeepIn("hall", SQUARE), AllyDistance("spread", 3.0)]
    admit(rules, homes=[(1.0, 1.0)] * 3)
    with pytest.raises(ConstraintError) as error:
        admit(rules, homes=[(1.0, 1.0)] * 12)
    assert error.value.rules == ("spread", "hall")


def test_rules_that_can_hold_together_are_admitted() -> None:
    admit([])
    admit([KeepIn("hall", SQUARE), Leash("post", 3.0), KeepOut("far", FAR), AllyDistance("spread", 1.0), HoldFire("h")])
    admit([KeepOut("u", U), KeepIn("all", ((-11.0, -11.0), (11.0, -11.0), (11.0, 11.0), (-11.0, 11.0)))])


def test_margins_are_signed_distances_from_each_rule() -> None:
    tables = compiled(
        [KeepOut("pit", SQUARE), Leash("post", 5.0), SpeedLimit("slow", 2.0), AllyDistance("spread", 1.0)],
        n=2,
        homes=np.array([[-3.0, 2.0], [0.0, 0.0]]),
    )
    positions = np.array([[[[-1.0, 2.0], [2.0, 2.0]]]])  # outside, then deep inside
    velocities = np.array([[[[1.0, 0.0], [3.0, 0.0]]]])
    others = np.array([[[-1.0, 4.0], [2.0, 2.5]]])
    found = margins(tables, np.array([0]), positions, velocities, np.array([[1.0, 0.0]]), 0.1, others, np.array([1]))[
        0, 0
    ]
    assert found[:, KIND["keep_out"]] == pytest.approx([1.0 - 0.35, -2.0 - 0.35])
    assert found[:, KIND["leash"]] == pytest.approx([3.0, 0.0])
    assert found[:, KIND["speed"]] == pytest.approx([1.0, -1.0])
    assert found[:, KIND["acceleration"]] == pytest.approx([16.0, 16.0 - 20.0])
    assert found[:, KIND["spacing"]] == pytest.approx([1.0, -0.5])
    assert found[:, KIND["bounds"]] == pytest.approx([10.0 - 0.35, 10.0 - 0.35])
    assert np.isinf(found[:, [KIND["wall"], KIND["keep_in"], KIND["hold_fire"]]]).all()


def test_margins_of_several_are_those_of_each_plan_by_itself() -> None:
    """All but the acceleration, which also goes by the step before; and one's own row, not one's place, counts."""
    tables = compiled(
        [
            KeepOut("pit", SQUARE, (103,)), KeepIn("hall", U, (101,)), KeepIn("wide", WIDE, (101,)),
            Leash("post", 5.0, (103,)), SpeedLimit("slow", 2.0, (101,)), AccelerationLimit("calm", 8.0, (103,)),
            AllyDistance("spread", 1.0, (101, 103)), AllyDistance("far", 3.0, (101, 102)),
        ],
        n=4,
        homes=np.array([[1.0, 2.0], [3.0, 4.0], [-5.0, 6.0], [0.0, 0.0]]),
    )  # fmt: skip
    rng, rows, among = np.random.default_rng(7), np.array([2, 0]), np.array([1, 0, 2])
    places, velocities = rng.uniform(-5, 5, (2, 3, 4, 2)), rng.uniform(-3, 3, (2, 3, 4, 2))
    start, others = rng.uniform(-3, 3, (2, 2)), rng.uniform(-5, 5, (3, 4, 2))
    found = margins(tables, rows, places, velocities, start, 0.5, others, among)
    assert found.shape == (2, 3, 4, len(KIND))
    for i, j, k in np.ndindex(2, 3, 4):
        before = velocities[i, j, k - 1] if k else start[i]
        here, way = places[i : i + 1, j : j + 1, k : k + 1], velocities[i : i + 1, j : j + 1, k : k + 1]
        alone = margins(tables, rows[i : i + 1], here, way, before[None], 0.5, others[:, k : k + 1], among)
        np.testing.assert_allclose(found[i, j, k], alone[0, 0, 0])
    kinds = np.isfinite(found).all((1, 2))
    binding = tables.applies[rows] & (np.arange(len(KIND)) != KIND["hold_fire"])
    assert (kinds == binding).all(), "each kind where a rule binds, and nowhere else"


def test_spacing_is_from_the_nearest_of_those_who_must_be_apart() -> None:
    tables = compiled([AllyDistance("spread", 1.0, (101, 102, 103))], n=4, homes=np.zeros((4, 2)))
    here, still = np.array([[[[2.0, 1.0], [3.0, 1.0]]]]), np.zeros((1, 1, 2, 2))
    others = np.array([[[2.0, 4.0], [3.0, 5.0]], [[2.0, 9.0], [5.0, 1.0]], [[2.0, 1.1], [3.0, 1.1]]])
    more = (tables, np.array([0]), here, still, np.zeros((1, 2)), 0.1)
    assert margins(*more, others, np.array([1, 2, 3]))[0, 0, :, KIND["spacing"]] == pytest.approx([2.0, 1.0])
    nobody = margins(*more, np.zeros((0, 2, 2)), np.zeros(0, np.int64))
    assert np.isinf(nobody[..., KIND["spacing"]]).all()


def test_of_two_zones_of_one_kind_the_nearer_is_the_margin() -> None:
    tables = compiled([KeepOut("pit", SQUARE), KeepOut("far", FAR)])
    here, nobody = np.array([[[[6.0, 2.0], [9.0, 7.0]]]]), (np.zeros((0, 2, 2)), np.zeros(0, np.int64))
    found = margins(tables, np.array([1]), here, here, np.zeros((1, 2)), 0.5, *nobody)
    assert found[0, 0, :, KIND["keep_out"]] == pytest.approx([2.0 - 0.35, 1.0 - 0.35])


def test_acceleration_is_the_change_of_velocity_from_step_to_step() -> None:
    velocities = np.array([[[[1.0, 2.0], [4.0, 6.0], [4.0, 5.0]]]])
    more = (np.zeros((0, 3, 2)), np.zeros(0, np.int64))
    found = margins(compiled([]), np.array([1]), velocities, velocities, np.array([[1.0, 0.0]]), 0.5, *more)
    assert found[0, 0, :, KIND["acceleration"]] == pytest.approx([16.0 - 4.0, 16.0 - 10.0, 16.0 - 2.0])


@pytest.mark.parametrize(
    ("cell", "dt", "step"),
    [
        (0.5, 0.25, 2.0),
        (0.7, 1.0, 0.699999988079071),
        (0.3, 1.0, 0.29999998211860657),
        (1.1, 1.0, 1.0999999046325684),
        (0.3, 0.1, 3.0),  # 0.3 / 0.1 is 3 but for the last bit
    ],
)
def test_a_step_is_the_largest_that_travels_and_is_no_more_than_a_cell(cell: float, dt: float, step: float) -> None:
    sides = [[0.0, 0.0], [step, 0.0], [-step, 0.0], [0.0, step], [0.0, -step]]
    corners = [[step, step], [step, -step], [-step, step], [-step, -step]]
    assert grid_moves(cell, False, dt).tolist() == sides
    assert grid_moves(cell, True, dt).tolist() == sides + corners
    assert grid_moves(0.0, True, dt).shape == (0, 2)


def test_segment_distance_agrees_with_a_dense_sampling() -> None:
    rng = np.random.default_rng(3)
    start, end, edges = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)), rng.normal(size=(300, 4))
    share = np.linspace(0.0, 1.0, 400)[:, None, None]
    samples = start + share * (end - start)
    dense = point_distance(samples, edges).min(0)
    found, last = segment_and_end_distance(start, end, edges)
    assert np.all(found <= dense + 1e-12)
    assert np.all(dense - found <= np.hypot(*(end - start).T) / 399)
    assert last == pytest.approx(point_distance(end, edges))
    assert (found == 0.0).any()


def test_lengths_and_the_edges_of_a_polygon() -> None:
    assert length(np.array([[3.0, 4.0], [-5.0, 0.0], [0.0, -2.0]])).tolist() == [5.0, 5.0, 2.0]
    edges = polygon_edges(np.array([(1, 2), (5, 2), (1, 5)]))
    assert edges.tolist() == [[1, 2, 5, 2], [5, 2, 1, 5], [1, 5, 1, 2]]
    assert edges.dtype == np.float64, "whatever the corners are written in"


def test_where_one_side_is_a_point_the_distance_is_from_there() -> None:
    edge, point = np.array([1.0, 2.0, 4.0, 6.0]), np.array([1.0, 2.0, 1.0, 2.0])  # 5 m long, and of no length
    for place, far in [((4.9, 2.2), 3.0), ((7.0, 10.0), 5.0), ((-2.0, -2.0), 5.0), ((2.5, 4.0), 0.0)]:
        here = np.array(place)
        assert point_distance(here, edge) == pytest.approx(far, abs=1e-12)
        assert segment_and_end_distance(here, here, edge) == pytest.approx((far, far), abs=1e-12)
    assert point_distance(np.array([4.0, 6.0]), point) == 5.0
    assert segment_and_end_distance(np.array([4.0, 6.0]), np.array([4.0, 2.0]), point) == pytest.approx((3.0, 3.0))
    assert segment_distance(np.array([4.0, 2.0]), np.array([4.0, 6.0]), point) == 3.0


def test_a_fast_segment_does_not_tunnel_through_a_thin_wall() -> None:
    wall = np.array([0.0, -5.0, 0.0, 5.0])
    assert segment_distance(np.array([-100.0, 0.1]), np.array([100.0, 0.2]), wall) == 0.0


def test_inside_follows_a_concave_outline() -> None:
    edges = polygon_edges(np.array(U))
    points = np.array([[1.0, 5.0], [3.0, 4.0], [3.0, 1.0], [7.0, 1.0], [5.0, 5.9]])
    assert inside(points, edges, np.zeros(1, np.int64))[:, 0].tolist() == [True, False, True, False, True]
    none = inside(points, np.zeros((0, 4)), np.zeros(0, np.int64))
    assert none.shape == (5, 0)
    assert none.dtype == np.bool_


@pytest.mark.parametrize("way", [1, -1])
def test_a_point_level_with_corners_is_inside_what_it_is_between(way: int) -> None:
    kite = np.array([(5.0, 1.0), (6.0, 3.0), (5.0, 4.0), (3.0, 3.0)])[::way]
    block = np.array([(8.0, 3.0), (9.0, 3.0), (9.0, 5.0), (8.0, 5.0)])[::way]
    edges = np.concatenate([polygon_edges(kite), polygon_edges(block)])
    points = np.array([(4.0, 3.0), (2.0, 3.0), (7.0, 3.0), (4.0, 1.0), (4.0, 4.0), (2.0, 5.0), (8.0, 6.0)])
    found = inside(points[:, None], edges, np.array([0, 4]))
    assert found.tolist() == [[[True, False]], *[[[False, False]]] * 6]
    beside = np.array([(7.999, 4.0), (8.001, 4.0), (8.999, 4.0), (9.001, 4.0), (3.001, 3.0), (2.999, 3.0)])
    assert inside(beside, edges, np.array([0, 4])).any(1).tolist() == [False, True, True, False, True, False]


CROSSED = ((0.0, 0.0), (3.0, 0.0), (0.0, 2.0), (2.0, 2.0))
TOUCHING = ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (2.0, 0.0), (0.0, 3.0))


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize(
    ("corners", "simple"),
    [
        (SQUARE, True),
        (SQUARE[:3], True),
        (U, True),
        (((0, 0), (2, 0), (0, 3)), True),
        (SQUARE[:2], False),
        (SQUARE[:1], False),
        (((0, 0), (1, 0), (3, 0)), False),
        (CROSSED, False),
        (TOUCHING, False),
        ((SQUARE[0], *SQUARE), False),
        ((*SQUARE[:3], (4.0, 6.0), (4.0, 4.0), SQUARE[3]), False),  # a spike
        ((*U[:5], (2.0, 0.0), *U[6:]), False),
    ],
)
def test_simple_polygons_are_told_from_others(
    corners: tuple[tuple[float, float], ...], simple: bool, first: int, way: int
) -> None:
    """Wherever one begins, and whichever way one goes round."""
    assert is_simple(np.roll(np.array(corners), first, axis=0)[::way]) == simple


@pytest.mark.parametrize(("away", "gap", "meet"), [(0.0, 1.5e-9, False), (0.0, 0.5e-9, True), (1e6, 1e-4, True)])
def test_edges_less_than_a_billionth_of_their_coordinates_apart_meet(away: float, gap: float, meet: bool) -> None:
    """Between -1 m and 1 m, a nanometre."""
    left, right = [(0, 0), (0, -1), (1, -1), (1, 0)], [(0.3 + gap, 0), (0.3 + gap, -0.5), (0.3, -0.5), (0.3, 0)]
    assert is_simple(np.array([*left, *right]) + np.array([[0.0, away]])) != meet


def test_an_area_that_is_small_beside_the_coordinates_is_none() -> None:
    corner, far = np.array([(0, 0), (1, 0), (0, -1)]), np.array([[0.0, 1e6]])
    assert is_simple(0.1 * corner + far)
    assert not is_simple(0.01 * corner + far)
    assert is_simple(0.01 * corner)


def test_at_a_billionth_of_the_coordinates_edges_meet_and_an_area_is_one() -> None:
    far = np.array([[0.0, 1e9]])
    comb = np.array([(0, 0), (0, -9), (9, -9), (9, 0), (4, 0), (4, -4), (3, -4), (3, 0)])
    assert not is_simple(comb + far), "1 m"
    assert is_simple(np.array([(0, 0), (2, 0), (0, -1)]) + far), "1 m^2"
    assert not is_simple(np.array([(0, 0), (1, 0), (0, -1)]) + far)


def test_an_area_is_positive_the_left_way_round() -> None:
    corners = np.array([(5, 3), (9, 4), (7, 8)], np.uint8)
    assert area(corners) == 0.5 * (4 * 5 - 2 * 1)
    assert area(corners[::-1]) == -9.0
