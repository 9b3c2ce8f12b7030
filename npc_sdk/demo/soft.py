"""A zone as a wish instead of a rule: the expression that grows with how deep a body is inside it."""

from __future__ import annotations

import math

from npc_sdk.demo.paint import Corners
from npc_sdk.demo.settings import Request

NAME = "soft_zone"


def soft_zone(corners: Corners, radius: float, index: int) -> Request:
    """Return the request for a term that is 0 outside a convex zone, and inside as large as the way out in m.

    Args:
        corners: counter-clockwise, 8 at most.
        radius: of a body, m.
        index: tells several zones apart.
    """
    sides = ", ".join(_outward(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
    expression = f"relu({radius:g} - max({sides}))"
    return {"op": "add_term", "name": f"{NAME}_{index}", "expression": expression, "weight": 1.0}


def _outward(a: tuple[float, float], b: tuple[float, float]) -> str:
    """Return the signed distance of self from the line through a side: positive outside."""
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    nx, ny = (b[1] - a[1]) / length, (a[0] - b[0]) / length
    return f"{nx:.4f}*self.x+{ny:.4f}*self.y-{nx * a[0] + ny * a[1]:.3f}".replace("+-", "-").replace("--", "+")
