"""What NPCs of a borrowed world do without a brain: wander, or chase. Within what their bodies are declared to do."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from npc_bridge.schema import Kinematics
from npc_sdk.envs.pettingzoo.game import BorrowedGame
from npc_sdk.geometry import RoadAtlas, build_map

Floats = NDArray[np.float64]
Script: TypeAlias = Callable[[], Floats]
"""Returns the velocity that each NPC is told to have in the tick that begins: n 2, m/s."""

_WHIM_S = 1.0  # between changes of mind
_CLEAR = 0.1  # m kept from the border and from outlines, beside the body
_THERE = 0.1  # m from where it was heading for


def wander(game: BorrowedGame, seed: int) -> Script:
    """Each NPC heads for a random place, and for another after a second or so."""
    rng, body = np.random.default_rng([seed, 1]), game.world.body
    reach = game.world.half - body.radius - _CLEAR
    ways = _ways(game)
    goals = rng.uniform(-reach, reach, (len(game.ids), 2))

    def script() -> Floats:
        bored = rng.random(len(goals)) < 1.0 / (game.world.tick_hz * _WHIM_S)
        goals[bored] = rng.uniform(-reach, reach, (int(bored.sum()), 2))
        return _walk(game, ways, goals)

    return script


def chase(game: BorrowedGame, seed: int) -> Script:
    """Each NPC takes the shortest way to the nearest player."""
    ways = _ways(game)

    def script() -> Floats:
        place, players = game.pose[:, :2], game.players[game.present, :2]
        if not len(players):
            return _walk(game, ways, place)
        gap = np.linalg.norm(players - place[:, None], axis=2)
        return _walk(game, ways, players[gap.argmin(1)])

    return script


SCRIPTS: MappingProxyType[str, Callable[[BorrowedGame, int], Script]] = MappingProxyType(
    {"random": wander, "chase": chase}
)


def _ways(game: BorrowedGame) -> RoadAtlas:
    return RoadAtlas([build_map(game.schema.polygons, game.schema.bounds, game.world.body.radius).roads])


def _walk(game: BorrowedGame, ways: RoadAtlas, goals: Floats) -> Floats:
    """Takes everybody a tick on along the shortest way to its goal."""
    pose, body, dt = game.pose, game.world.body, 1.0 / game.world.tick_hz
    toward, _ = ways.waypoints(np.zeros(len(pose), np.int64), pose[:, :2], goals)
    gap = toward.astype(np.float64) - pose[:, :2]
    if body.kind == "grid":
        return _step(gap, body.cell, dt)
    return reachable(pose[:, 2:], gap / max(dt, _THERE / body.max_speed), body, dt)


def _step(gap: Floats, cell: float, dt: float) -> Floats:
    """Goes by a cell along the axis on which more of the way is left, where that is at least half a cell."""
    along = np.abs(gap) >= np.abs(gap).max(1, keepdims=True)
    along[:, 1] &= ~along[:, 0]
    return np.where(along & (np.abs(gap) >= 0.5 * cell), np.sign(gap) * cell / dt, 0.0)


def reachable(now: Floats, wish: Floats, body: Kinematics, dt: float) -> Floats:
    """Returns the velocity nearest to a wish that a body can have in the next tick: n 2, m/s."""
    wish = wish * np.minimum(1.0, body.max_speed / np.maximum(np.hypot(*wish.T), 1e-9))[:, None]
    change = wish - now
    most = body.max_acceleration * dt
    return np.asarray(now + change * np.minimum(1.0, most / np.maximum(np.hypot(*change.T), 1e-9))[:, None])
