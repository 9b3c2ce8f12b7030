"""`sisl/pursuit-v5` of PettingZoo: four pursuers on a board surround an evader (J. K. Gupta et al., 2017).

A pursuer goes by one cell a step, along an axis, or stays: kinematics `grid`. The evader wanders by the world's own
random script. It is caught where pursuers stand on every free cell beside it; then the episode ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npc_bridge.schema import Kinematics
from npc_sdk.envs.pettingzoo.view import Nearest, Observations, Outline, Shown, World

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv

CELL = 0.5  # m
CELLS = 16  # along a side
STEPS = 10.0  # a second
PURSUERS = 4
MAX_CYCLES = 10_000  # the caller ends an episode

BODY = Kinematics(
    kind="grid",
    cell=CELL,
    max_speed=CELL * STEPS,
    max_acceleration=2.0 * CELL * STEPS * STEPS,  # any step after any other
    brake=2.0 * CELL * STEPS * STEPS,
    radius=0.4 * CELL,
    turn_rate=2.0 * np.pi,
)


def pursuit() -> World:
    """Returns the world; NPCs are the pursuers, the player is the evader."""
    return World(
        make=_make,
        view=_look,
        act=Nearest({4: (0, 0), 0: (-STEPS, 0), 1: (STEPS, 0), 2: (0, STEPS), 3: (0, -STEPS)}),
        body=BODY,
        half=CELLS * CELL / 2,
        metres=CELL,
        middle=((CELLS - 1) / 2, (CELLS - 1) / 2),
        tick_hz=STEPS,
        walls=_building,
    )


def _make(render_mode: str | None) -> ParallelEnv[Any, Any, Any]:
    from pettingzoo.env_registry.registration import make

    options = {"n_pursuers": PURSUERS, "n_evaders": 1, "render_mode": render_mode}
    return make("parallel", "sisl/pursuit-v5", max_cycles=MAX_CYCLES, **options)


def _look(env: ParallelEnv[Any, Any, Any], observations: Observations) -> Sequence[Shown]:
    """Shows who is on the board; observations hold no places, so it is asked."""
    board = env.unwrapped.env
    pursuers = [(f"pursuer_{k}", board.pursuer_layer.get_position(k)) for k in range(board.pursuer_layer.n_agents())]
    evaders = [(f"evader_{k}", board.evader_layer.get_position(k)) for k in range(board.evader_layer.n_agents())]
    shown = [Shown(name, "npc", (float(x), float(y))) for name, (x, y) in pursuers]
    return shown + [Shown(name, "player", (float(x), float(y))) for name, (x, y) in evaders]


def _building(env: ParallelEnv[Any, Any, Any]) -> Sequence[Outline]:
    """Outlines the one building, a rectangle of cells that are -1."""
    built = np.argwhere(env.unwrapped.env.map_matrix == -1)
    (x0, y0), (x1, y1) = built.min(0) - 0.5, built.max(0) + 0.5
    return [[(float(x0), float(y0)), (float(x1), float(y0)), (float(x1), float(y1)), (float(x0), float(y1))]]
