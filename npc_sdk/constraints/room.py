"""How much room rules leave a body: signed metres, at least 0 where it may be, never steeper than a metre per metre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.constraints.clearance import inside, point_distance, polygon_edges
from npc_sdk.constraints.compile import Outline
from npc_sdk.constraints.rules import KeepIn, KeepOut, Leash, Navmesh, NoStop, Rule
from npc_sdk.constraints.union import outline

Bounds: TypeAlias = tuple[float, float, float, float]
Place: TypeAlias = KeepOut | KeepIn | Navmesh | Leash
PLACES = (KeepOut, KeepIn, Navmesh, Leash)
_ONCE = 2_000_000  # distances measured at once


def room(
    rule: Place | NoStop, points: Float[np.ndarray, "k 2"], home: Float[np.ndarray, 2], radius: float
) -> Float[np.ndarray, " k"]:
    """Returns the room that a rule leaves at some places; for a clearway, to come to rest there with the centre."""
    if isinstance(rule, Leash):
        return np.asarray(rule.radius - np.hypot(*(points - home).T))
    if isinstance(rule, NoStop):
        return _signed(polygon_edges(np.asarray(rule.polygon)), points, within=False)
    if isinstance(rule, Navmesh):
        return np.asarray(_signed(outline(rule.polygons), points, within=True) - radius)
    within = isinstance(rule, KeepIn)
    return np.asarray(_signed(polygon_edges(np.asarray(rule.polygon)), points, within) - radius)


def room_within(bounds: Bounds, points: Float[np.ndarray, "k 2"], radius: float) -> Float[np.ndarray, " k"]:
    """Returns the room that the game's bounds leave."""
    x, y = points.T
    aside = np.minimum(np.minimum(x - bounds[0], bounds[2] - x), np.minimum(y - bounds[1], bounds[3] - y))
    return np.asarray(aside - radius)


def room_beside(wall: Outline, points: Float[np.ndarray, "k 2"], radius: float) -> Float[np.ndarray, " k"]:
    """Returns the room that a wall leaves."""
    return np.asarray(_signed(polygon_edges(np.asarray(wall.vertices)), points, within=False) - radius)


def places_of(rules: Sequence[Rule]) -> list[Place]:
    """Returns those of the rules that say where a body may be."""
    return [rule for rule in rules if isinstance(rule, PLACES)]


def _signed(edges: Float[np.ndarray, "e 4"], points: Float[np.ndarray, "k 2"], within: bool) -> NDArray[np.float64]:
    """Returns each point's distance from an outline, negative on the side where it must not be."""
    parts = np.array_split(points, 1 + len(points) * len(edges) // _ONCE)
    return np.concatenate([_signed_at_once(edges, part, within) for part in parts])


def _signed_at_once(
    edges: Float[np.ndarray, "e 4"], points: Float[np.ndarray, "k 2"], within: bool
) -> NDArray[np.float64]:
    distance = point_distance(points[:, None], edges[None]).min(1)
    good = inside(points, edges, np.zeros(1, np.int64))[:, 0] == within
    return np.asarray(np.where(good, distance, -distance))
