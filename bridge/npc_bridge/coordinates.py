"""From an engine's ground plane to the wire's and back: metres, x to the right, y up, angles counter-clockwise from x.

An engine's place is the two numbers that lie on its ground; height does not travel. PROTOCOL.md, Coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LocalProtocolError

Numbers = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Preset:
    """How an engine counts. Places, velocities and accelerations are told alike.

    Args:
        units: of the engine in a metre.
        up: 1 or -1, which way the second number grows on the wire.
        turn: 1 or -1, which way angles grow on the wire.
        zero: rad, the wire's angle of the engine's 0.
        degrees: whether the engine counts angles in degrees.
    """

    units: float
    up: int
    turn: int
    zero: float = 0.0
    degrees: bool = False

    def to_wire(self, place: Numbers) -> Numbers:
        """Returns ... 2, m or m/s, of the engine's two numbers on the ground."""
        return np.asarray(place * np.array([1.0, self.up]) / self.units)

    def from_wire(self, place: Numbers) -> Numbers:
        """Returns ... 2, the engine's two numbers."""
        return np.asarray(place * np.array([1.0, self.up]) * self.units)

    def angle_to_wire(self, angle: Numbers) -> Numbers:
        """Returns rad in -pi..pi."""
        turned = self.zero + self.turn * (np.radians(angle) if self.degrees else angle)
        return np.asarray(np.arctan2(np.sin(turned), np.cos(turned)))

    def angle_from_wire(self, angle: Numbers) -> Numbers:
        """Returns the engine's angle, within half a turn of its 0."""
        turned = self.turn * (angle - self.zero)
        wrapped = np.arctan2(np.sin(turned), np.cos(turned))
        return np.asarray(np.degrees(wrapped) if self.degrees else wrapped)


_PRESETS = {
    "wire": Preset(1.0, 1, 1),
    "unity": Preset(1.0, 1, -1, 0.5 * math.pi, degrees=True),  # X and Z; yaw about Y, clockwise from Z
    "unreal": Preset(100.0, -1, -1, degrees=True),  # X and Y in centimetres; yaw clockwise from X
    "godot": Preset(1.0, -1, 1, 0.5 * math.pi),  # X and Z; rotation about Y, counter-clockwise from -Z
    "pygame": Preset(1.0, -1, -1),  # x and y down, in pixels, as in LÖVE, a canvas and Godot's 2-D
}


def preset(name: str, units: float | None = None) -> Preset:
    """Returns a preset by its name in the schema; `units` in a metre, such as pixels, where it is not the usual one.

    Raises:
        LocalProtocolError: there is none of that name, or the units are not above 0.
    """
    if name not in _PRESETS:
        raise LocalProtocolError(f"coordinates: expected one of {', '.join(_PRESETS)}, got {name!r}")
    if units is not None and not 0.0 < units < math.inf:
        raise LocalProtocolError(f"coordinates: expected units in a metre above 0, got {units!r}")
    usual = _PRESETS[name]
    return usual if units is None else Preset(units, usual.up, usual.turn, usual.zero, usual.degrees)
