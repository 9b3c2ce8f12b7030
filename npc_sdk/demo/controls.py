"""Keys and mouse as an agent's action: the same six numbers that NPCs and scripted players use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

PLAYER_SPEED = 5.0  # m/s


@dataclass(frozen=True, slots=True)
class Hands:
    """What the human holds down."""

    up: bool = False
    down: bool = False
    left: bool = False
    right: bool = False
    fire: bool = False
    throw: bool = False
    aim: tuple[float, float] = (0.0, 0.0)  # m, where the mouse points


def player_action(hands: Hands, at: Sequence[float]) -> Float[np.ndarray, "6"]:
    """Return move_x move_y aim fire throw reach for a player standing at `at`."""
    x, y = float(hands.right) - float(hands.left), float(hands.up) - float(hands.down)
    size = math.hypot(x, y) or 1.0
    dx, dy = hands.aim[0] - at[0], hands.aim[1] - at[1]
    reach = min(10.0, math.hypot(dx, dy))
    return np.array(
        [
            PLAYER_SPEED * x / size,
            PLAYER_SPEED * y / size,
            math.atan2(dy, dx),
            float(hands.fire),
            float(hands.throw),
            reach,
        ]
    )
