"""Presets: what engines call a place and an angle is the same place and angle on the wire."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_bridge.coordinates import preset
from npc_bridge.errors import LocalProtocolError
from npc_bridge.schema import COORDINATES

EAST, NORTH = 0.0, 0.5 * math.pi


@pytest.mark.parametrize(
    ("name", "east", "north", "facing_east", "facing_north"),
    [
        ("wire", (1, 0), (0, 1), 0.0, NORTH),
        ("unity", (1, 0), (0, 1), 90.0, 0.0),  # X right, Z ahead; a yaw of 0 looks along Z
        ("unreal", (100, 0), (0, -100), 0.0, -90.0),  # Y is to the right of X
        ("godot", (1, 0), (0, -1), -NORTH, 0.0),  # a rotation of 0 looks along -Z
        ("pygame", (1, 0), (0, -1), 0.0, -NORTH),
    ],
)
def test_a_metre_and_a_look_to_the_east_and_the_north(
    name: str, east: tuple[float, float], north: tuple[float, float], facing_east: float, facing_north: float
) -> None:
    one = preset(name)
    assert one.to_wire(np.array([east, north])).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert one.from_wire(np.eye(2)).tolist() == [list(map(float, east)), list(map(float, north))]
    assert one.angle_to_wire(np.array([facing_east, facing_north])) == pytest.approx([EAST, NORTH])
    assert one.angle_from_wire(np.array([EAST, NORTH])) == pytest.approx([facing_east, facing_north])


@given(st.sampled_from(COORDINATES), st.floats(0.01, 1000.0), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_there_and_back(name: str, units: float, a: float, b: float) -> None:
    one = preset(name, units)
    assert one.from_wire(one.to_wire(np.array([a, b]))) == pytest.approx([a, b], abs=1e-9)
    turned = one.angle_from_wire(one.angle_to_wire(np.array(a)))
    whole = 360.0 if one.degrees else 2 * math.pi
    off = (float(turned) - a) / whole
    assert off == pytest.approx(round(off), abs=1e-9)
    assert abs(float(turned)) <= 0.5 * whole + 1e-9
    assert -math.pi <= float(one.angle_to_wire(np.array(a))) <= math.pi


def test_pixels_are_as_many_as_the_game_says() -> None:
    assert preset("pygame", 32.0).to_wire(np.array([64.0, 32.0])).tolist() == [2.0, -1.0]
    assert preset("unreal").to_wire(np.array([50.0, 0.0])).tolist() == [0.5, 0.0]


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(LocalProtocolError, match="expected one of wire, unity, unreal, godot, pygame, got 'source'"):
        preset("source")
    for units in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(LocalProtocolError, match=f"above 0, got {units!r}"):
            preset("unity", units)
