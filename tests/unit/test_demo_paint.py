"""Strokes become zones, zones become rules or wishes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.audit.measure import zone_margin
from npc_sdk.demo.paint import MOST_CORNERS, Paint, is_painted, outline
from npc_sdk.demo.soft import soft_zone
from npc_sdk.geometry import point_in_polygon, signed_area
from npc_sdk.objectives.expression import parse
from npc_sdk.objectives.vocabulary import QUANTITIES

SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
strokes = st.lists(st.tuples(st.floats(-12, 12), st.floats(-12, 12)), max_size=60)


@given(strokes)
def test_a_stroke_becomes_a_convex_polygon_of_few_corners_inside_its_hull(stroke: list[tuple[float, float]]) -> None:
    corners = outline(stroke)
    if not corners:
        return
    assert 3 <= len(corners) <= MOST_CORNERS
    assert signed_area(corners) >= 0.5  # counter-clockwise
    assert set(corners) <= {(round(x, 2), round(y, 2)) for x, y in stroke}
    for i, (x, y) in enumerate(corners):
        (ax, ay), (bx, by) = corners[i - 1], corners[(i + 1) % len(corners)]
        assert (x - ax) * (by - y) - (y - ay) * (bx - x) > 0


def test_a_circle_keeps_most_of_its_area() -> None:
    circle = [(3 * math.cos(a), 3 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 50)]
    assert signed_area(outline(circle)) > 0.85 * math.pi * 9


@pytest.mark.parametrize(
    "stroke", [[], [(0, 0)], [(0, 0), (5, 5)], [(0, 0), (1, 1), (2, 2)], [(0, 0), (0.5, 0), (0, 0.5)]]
)
def test_a_slip_of_the_hand_is_no_zone(stroke: list[tuple[float, float]]) -> None:
    assert outline(stroke) == ()


def test_a_zone_binds_once_it_was_confirmed_and_old_promises_have_run_out() -> None:
    paint = Paint()
    rule = paint.request(SQUARE)["rule"]
    assert isinstance(rule, dict)
    name = str(rule["name"])
    assert is_painted(name)
    assert not is_painted("spacing")
    assert (paint.zones, paint.bound(1000, 20)) == ((SQUARE,), ())
    paint.confirmed(name, 100)
    assert paint.bound(120, 20) == ()
    assert paint.bound(121, 20) == (SQUARE,)
    paint.confirmed(name, 200)  # by a brain that was started again
    assert paint.bound(220, 20) == ()
    assert [r["op"] for r in paint.removal()] == ["remove_rule"]
    assert (paint.zones, name in paint) == ((), False)


def test_a_refused_zone_is_gone_and_a_late_yes_to_a_removed_one_changes_nothing() -> None:
    paint = Paint()
    paint.request(SQUARE)
    paint.refused("painted_1")
    assert paint.zones == ()
    paint.request(SQUARE)
    paint.removal()
    paint.confirmed("painted_2", 5)
    assert paint.bound(1000, 0) == ()


@given(st.floats(-1.5, 3.5), st.floats(-1.5, 3.5))
def test_the_wish_is_as_large_as_the_audit_finds_a_body_deep_inside(x: float, y: float) -> None:
    turned = tuple((round(px * 0.8 - py * 0.6, 3), round(px * 0.6 + py * 0.8, 3)) for px, py in SQUARE)
    request = soft_zone(turned, 0.35, 0)
    text = str(request["expression"])
    assert parse(text, QUANTITIES).names == {"self.x", "self.y"}
    wish = eval(  # the language is a subset of Python's
        text.replace("self.x", "x").replace("self.y", "y"), {"x": x, "y": y, "relu": lambda v: max(0.0, v), "max": max}
    )
    at = np.array([[x, y]])
    margin = float(zone_margin(at, at, np.array(turned), np.array([0.35]), keep_in=False)[0])
    if point_in_polygon(at, turned)[0]:
        assert wish == pytest.approx(-margin, abs=0.02)
    elif margin > 0.02:
        assert wish < 0.35  # near a corner the lines reach further than the zone
    assert wish >= 0.0


def test_the_largest_zone_that_can_be_painted_fits_into_one_wish() -> None:
    ring = [(-7.3 + 4 * math.cos(a), -8.9 + 4 * math.sin(a)) for a in np.linspace(0.1, 2 * math.pi + 0.1, 200)]
    corners = outline(ring)
    assert len(corners) == MOST_CORNERS
    parse(str(soft_zone(corners, 0.35, 3)["expression"]), QUANTITIES)
