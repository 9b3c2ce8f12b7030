"""What may stand in a rule's keys, and what is said about anything else: which rule, which key, expected, came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from npc_sdk.constraints import KeepIn, KeepOut, Navmesh, NoStop, ShareLimit, SpeedLimit, StayClear, from_table, moved
from npc_sdk.constraints.rules import read
from npc_sdk.errors import ConstraintError

NOT_NUMBERS = (True, False, "3", None, [1.0], float("nan"))
WORDS = ("near", "nearest", "far")


def refused(reader: read.Reader, value: object) -> str:
    """Returns the words with which a value for the key `pace` of the rule `slow` is refused."""
    with pytest.raises(ConstraintError) as caught:
        reader("slow", "pace", value)
    return str(caught.value)


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0.0, -1.0, math.inf])
def test_a_positive_number(value: object) -> None:
    assert refused(read.positive, value) == f"rule 'slow', key 'pace': expected a number above 0, got {value!r}"
    assert read.positive("slow", "pace", 0.5) == 0.5
    assert isinstance(read.positive("slow", "pace", 3), float)


def test_a_number_of_at_least_nothing() -> None:
    least, limited = read.number(2.0), read.number(1.5, 4.0)
    assert least("slow", "pace", None) == 2.0
    assert [least("slow", "pace", x) for x in (0, 0.5, 1e9, math.inf)] == [0.0, 0.5, 1e9, math.inf]
    assert [limited("slow", "pace", x) for x in (None, 0.0, 4)] == [1.5, 0.0, 4.0]
    assert isinstance(limited("slow", "pace", 4), float)
    for value in (True, "3", [1.0], float("nan"), -1e-9):
        assert refused(least, value) == f"rule 'slow', key 'pace': expected a number at least 0, got {value!r}"
        assert refused(limited, value) == f"rule 'slow', key 'pace': expected a number from 0 to 4, got {value!r}"
    assert "from 0 to 4, got 4.5" in refused(limited, 4.5)


def test_a_share() -> None:
    asked, given = read.fraction(), read.fraction(0.95)
    assert given("slow", "pace", None) == 0.95
    assert [asked("slow", "pace", x) for x in (1e-9, 0.5, 1 - 1e-9)] == [1e-9, 0.5, 1 - 1e-9]
    assert given("slow", "pace", 0.5) == 0.5
    for value in (*NOT_NUMBERS, 0.0, 1.0, 0, 1, 1.5, -0.5):
        told = f"rule 'slow', key 'pace': expected a number above 0 and below 1, got {value!r}"
        assert refused(asked, value) == told
        assert value is None or refused(given, value) == told


def test_a_time() -> None:
    lasting = read.duration(10.0)
    assert lasting("slow", "pace", None) == 10.0
    assert lasting("slow", "pace", 0.25) == 0.25
    assert refused(lasting, 0) == "rule 'slow', key 'pace': expected a number above 0, got 0"


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, -1])
def test_a_count(value: object) -> None:
    assert refused(read.count, value) == f"rule 'slow', key 'pace': expected a whole number above 0, got {value!r}"
    assert [read.count("slow", "pace", n) for n in (1, 2)] == [1, 2]


def test_a_text() -> None:
    asked, given, empty = read.word(), read.word("all"), read.word("")
    assert asked("slow", "pace", "fast") == given("slow", "pace", "fast") == "fast"
    assert given("slow", "pace", None) == given("slow", "pace", "all") == "all"
    assert empty("slow", "pace", None) == empty("slow", "pace", "") == ""
    for value in ("", 3, ["all"]):
        assert refused(given, value) == f"rule 'slow', key 'pace': expected a text, got {value!r}"
    assert refused(asked, None) == "rule 'slow', key 'pace': expected a text, got None"


def test_one_of_some_words() -> None:
    choice = read.one_of(WORDS, "far")
    assert choice("slow", "pace", None) == "far"
    assert [choice("slow", "pace", word) for word in WORDS] == list(WORDS)
    told = "rule 'slow', key 'pace': expected one of near, nearest, far, got "
    assert refused(choice, "neerest") == told + "'neerest', did you mean 'nearest'?"
    for value in (3, "xyz"):
        assert refused(choice, value) == told + repr(value)


def test_an_outline() -> None:
    zones = {"yard": ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), "attic": ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0))}
    assert read.polygon("slow", {"zone": "attic"}, zones) == zones["attic"]
    assert read.polygon("slow", {"polygon": [[0, 0], (1, 0), [0, 2.5]]}, zones) == ((0, 0), (1, 0), (0, 2.5))
    both: Mapping[str, object] = {"zone": "yard", "polygon": zones["yard"]}
    for table in ({}, both):
        with pytest.raises(
            ConstraintError, match=r"^rule 'slow': expected exactly one of the keys 'zone' and 'polygon'$"
        ):
            read.polygon("slow", table, zones)
    wrong: list[tuple[Mapping[str, object], Mapping[str, read.Points], str]] = [
        ({"zone": "yart"}, zones, "'zone': expected one of attic, yard, got 'yart', did you mean 'yard'?"),
        ({"zone": 3}, zones, "'zone': expected one of attic, yard, got 3"),
        ({"zone": "yard"}, {}, "'zone': expected one of (no zone is declared), got 'yard'"),
        ({"polygon": [[0, 0], [1, 0], [0, "2"]]}, zones, "'polygon': expected points [x, y] in metres, got [0, '2']"),
    ]
    for table, known, words in wrong:
        with pytest.raises(ConstraintError) as caught:
            read.polygon("slow", table, known)
        assert str(caught.value) == f"rule 'slow', key {words}"


def test_points() -> None:
    corner = [[0, 0], [1, 0], [0, 1]]
    assert read.points("slow", "pace", corner) == ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    few: tuple[object, ...] = (corner[:2], "abc", None, 7)
    for value in few:
        assert refused(read.points, value) == f"rule 'slow', key 'pace': expected at least 3 points, got {value!r}"
    wrong: list[Any] = [[1, 2, 3], [1], "ab", 7, None, ["1", 2], [1, "2"], [math.inf, 0], [0, math.nan], {1: 2, 3: 4}]
    for point in wrong:
        told = f"rule 'slow', key 'pace': expected points [x, y] in metres, got {point!r}"
        assert refused(read.points, [*corner, point]) == told


def test_meshes() -> None:
    corner = [[0, 0], [1, 0], [0, 1]]
    assert read.meshes("slow", "pace", [corner, tuple(corner)]) == (((0, 0), (1, 0), (0, 1)),) * 2
    for value in ([], "abc", None, 7):
        assert refused(read.meshes, value) == f"rule 'slow', key 'pace': expected a list of polygons, got {value!r}"
    assert refused(read.meshes, [corner, corner[:2]]).startswith("rule 'slow', key 'pace': expected at least 3 points")


def test_whom_a_rule_binds() -> None:
    for value in ("all", "squad:3", "squad:-3", "persona:bold", (0,), [read.LAST_ID], (4, 0)):
        assert read.selector("slow", value) == (tuple(value) if isinstance(value, list) else value)
    told = "rule 'slow', key 'who': expected all, squad:K, persona:NAME or a list of ids, got "
    wrong: list[Any] = [(), [], [3, "4"], [-1], [3, -1], [read.LAST_ID + 1], [1.0], 3, None]
    for value in wrong:
        with pytest.raises(ConstraintError) as caught:
            read.selector("slow", value)
        assert str(caught.value) == f"{told}{value!r}"
    for text, hint in (("", ""), ("squad:", ""), ("squad:x", ""), ("persona:", ""), ("al", ", did you mean 'all'?")):
        with pytest.raises(ConstraintError) as caught:
            read.selector("slow", text)
        assert str(caught.value).startswith(f"{told}{text!r}{hint}")


def test_the_tier_of_a_hard_rule_and_of_a_forecast() -> None:
    assert (read.tier("slow", 0), read.forecast_tier("slow", 1)) == (0, 1)
    for value in (False, 1, "0", None):
        with pytest.raises(
            ConstraintError, match=r"^rule 'slow', key 'tier': expected 0 .the only tier of a hard rule"
        ):
            read.tier("slow", value)
    for value in (True, 0, 2, "1", None):
        with pytest.raises(
            ConstraintError, match=r"^rule 'slow', key 'tier': expected 1 .a rule of class H is a"
        ) as caught:
            read.forecast_tier("slow", value)
        assert str(caught.value).endswith(f"tier 0 is for rules that hold by proof), got {value!r}")
        assert caught.value.rules == ("slow",)
    with pytest.raises(ConstraintError, match="key 'tier': expected 1"):
        ShareLimit("slow", "1", 0.5, tier=0)
    with pytest.raises(ConstraintError, match="key 'tier': expected 1"):
        StayClear("slow", 1.0, 1.0, tier=0)


def test_a_table_without_a_tier_has_that_of_its_class_and_a_wrong_one_is_told_with_rule_and_key() -> None:
    stay = {"rule": "stay_clear", "name": "berth", "distance": 3.0, "top_speed": 5.0}
    slow = {"rule": "speed_limit", "name": "slow", "speed": 1.0}
    assert from_table(stay).tier == from_table(stay | {"tier": 1}).tier == 1
    assert from_table(slow).tier == from_table(slow | {"tier": 0}).tier == 0
    for table, told in (
        (stay | {"tier": 0}, "rule 'berth', key 'tier': expected 1 "),
        (slow | {"tier": 1}, "rule 'slow', key 'tier': expected 0 "),
        (slow | {"speed": "x"}, "rule 'slow', key 'speed': expected a number above 0, got 'x'"),
    ):
        with pytest.raises(ConstraintError) as caught:
            from_table(table)
        assert str(caught.value).startswith(told)


def test_what_lies_at_a_place_moves_with_the_frame_and_nothing_else_does() -> None:
    corner = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    there = ((3.0, -2.0), (4.0, -2.0), (3.0, -1.0))
    slow = SpeedLimit("slow", 1.0)
    rules = (KeepOut("a", corner), KeepIn("b", corner), NoStop("c", corner), Navmesh("d", (corner, there)), slow)
    assert moved(rules, (3.0, -2.0)) == (
        KeepOut("a", there),
        KeepIn("b", there),
        NoStop("c", there),
        Navmesh("d", (there, ((6.0, -4.0), (7.0, -4.0), (6.0, -3.0)))),
        slow,
    )
    for by in ((1.0, 0.0), (0.0, 1.0)):
        [rule] = moved(rules[:1], by)
        assert rule == KeepOut("a", tuple((x + by[0], y + by[1]) for x, y in corner))
    assert all(a is b for a, b in zip(moved(list(rules), (0.0, 0.0)), rules, strict=True)), "not even copied"
