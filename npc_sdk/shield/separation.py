"""Separating lines between the outstanding sets of NPCs: who may use which half of the floor.

Soundness needs no exact closest points. Any unit normal gives a valid slab, as its gap is computed from all points of
both sets; the search only makes the slab wide. Between disjoint convex sets the gap is quasi-concave in the angle, so
narrowing a bracket around the best of a coarse fan finds the widest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_COARSE = 32
_FINE = np.linspace(-1.0, 1.0, 17)
_ROUNDS = 4  # leaves the angle within 0.00003 rad
_FAN = np.arange(_COARSE) * (2.0 * math.pi / _COARSE)
_FAN_NORMALS = np.stack([np.cos(_FAN), np.sin(_FAN)])  # 2 k


@dataclass(frozen=True, slots=True)
class Slabs:
    """Slabs between pairs: first . normal <= low, second . normal >= high."""

    normal: Float[np.ndarray, "q 2"]
    low: Float[np.ndarray, " q"]
    high: Float[np.ndarray, " q"]

    @property
    def gap(self) -> Float[np.ndarray, " q"]:
        """Width of each slab; the distance between the hulls where positive."""
        return np.asarray(self.high - self.low)


def separate(points: Float[np.ndarray, "n p 2"], first: Int[np.ndarray, " q"], second: Int[np.ndarray, " q"]) -> Slabs:
    """Finds the widest slab between the point sets of each pair (first[k], second[k])."""
    reach = points @ _FAN_NORMALS  # n p k
    top, bottom = reach.max(1), reach.min(1)  # n k
    angle = _FAN[np.argmax(bottom[second] - top[first], axis=1)]
    half = 2.0 * math.pi / _COARSE
    one, two = points[first], points[second]
    for _ in range(_ROUNDS):
        angles = angle[:, None] + half * _FINE  # q a
        normals = np.stack([np.cos(angles), np.sin(angles)], 1)  # q 2 a
        gap = (two @ normals).min(1) - (one @ normals).max(1)  # q a
        angle = np.take_along_axis(angles, np.argmax(gap, axis=1)[:, None], 1)[:, 0]
        half *= 0.125
    normal = np.stack([np.cos(angle), np.sin(angle)], 1)
    low = np.einsum("qpd,qd->qp", one, normal).max(1)
    high = np.einsum("qpd,qd->qp", two, normal).min(1)
    return Slabs(normal, low, high)
