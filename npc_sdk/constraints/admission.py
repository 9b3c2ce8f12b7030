"""Refuses, at load, sets of rules that nobody could obey, and names the rules that conflict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npc_sdk.constraints.clearance import inside, is_simple, point_distance, polygon_edges
from npc_sdk.constraints.compile import Body, bound
from npc_sdk.constraints.rules import AccelerationLimit, AllyDistance, KeepIn, KeepOut, Leash, Navmesh, NoStop, Rule
from npc_sdk.constraints.rules.read import points
from npc_sdk.constraints.union import outline
from npc_sdk.errors import ConstraintError

_GRID = 96  # points per axis over which "is there any room left" is asked


def check_values(rules: Sequence[Rule]) -> None:
    """Reads every rule's values as if they came from a table: who makes a rule in Python may get a sign wrong, too.

    Raises:
        ConstraintError: names the rule, the key, what was expected and what came.
    """
    for rule in rules:
        try:
            for key, read in rule.keys.items():
                value = getattr(rule, key)
                read(rule.name, key, value.item() if isinstance(value, np.generic) else value)
            if isinstance(rule, (KeepOut, KeepIn, NoStop)):
                points(rule.name, "polygon", rule.polygon)
        except ConstraintError as error:
            raise ConstraintError(str(error), [rule.name]) from None


def check_polygons(rules: Sequence[Rule]) -> None:
    """Refuses zones that are not simple polygons, and two rules of one name.

    Raises:
        ConstraintError: names the rule.
    """
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise ConstraintError(f"rule '{rule.name}': expected a name of its own, got one that is taken", [rule.name])
        seen.add(rule.name)
        polygons = rule.polygons if isinstance(rule, Navmesh) else ()
        if isinstance(rule, (KeepOut, KeepIn, NoStop)):
            polygons = (rule.polygon,)
        for polygon in polygons:
            if not is_simple(np.asarray(polygon, dtype=np.float64)):
                raise ConstraintError(
                    f"rule '{rule.name}': expected a simple polygon (3 or more corners, some area, no edge that meets "
                    f"another), got {len(polygon)} corners that are not one",
                    [rule.name],
                )


def check_rules(
    rules: Sequence[Rule],
    *,
    ids: ArrayLike,
    squads: ArrayLike,
    homes: ArrayLike,
    kinematics: Body,
    bounds: tuple[float, float, float, float],
) -> None:
    """Refuses a set of rules that leaves some NPC no place to be, or no legal brake.

    Room is asked for on a grid over the bounds, with the cell's half diagonal given in the rules' favour: a set
    that can be satisfied is never refused; slivers of room below the cell size may pass unnoticed.

    Raises:
        ConstraintError: `rules` holds a smallest conflicting set of names, or the one whose values are wrong.
    """
    check_values(rules)
    check_polygons(rules)
    names, teams = np.asarray(ids, dtype=np.uint32), np.asarray(squads, dtype=np.int64)
    places = np.asarray(homes, dtype=np.float64).reshape(-1, 2)
    limits = [(rule.acceleration, rule.name) for rule in rules if isinstance(rule, AccelerationLimit)]
    limit = min([(float(kinematics.max_acceleration), "the body's max_acceleration"), *limits])
    if kinematics.brake < limit[0]:
        raise ConstraintError(
            f"rule '{limit[1]}': expected a brake of at least the acceleration limit {limit[0]:g} m/s^2, "
            f"got a body that brakes at {kinematics.brake:g} m/s^2",
            [limit[1]],
        )
    binding = np.stack([bound(rule, names, teams) for rule in rules], 1) if rules else np.zeros((len(names), 0), bool)
    seen: set[tuple[bytes, bytes]] = set()
    for row in range(len(names)):
        bound_by = [rule for rule, binds in zip(rules, binding[row], strict=True) if binds]
        leashed = any(isinstance(rule, Leash) for rule in bound_by)
        key = (binding[row].tobytes(), places[row].tobytes() if leashed else b"")
        if key not in seen:
            seen.add(key)
            _check_room(bound_by, places[row], kinematics.radius, bounds, int(names[row]))
    _check_crowd(rules, binding, kinematics.radius, bounds)


def _check_room(
    rules: list[Rule], home: NDArray[np.float64], radius: float, bounds: tuple[float, float, float, float], npc: int
) -> None:
    """Finds a smallest set of rules that leaves one NPC nowhere to stand, by dropping rules one at a time."""
    zones = [rule for rule in rules if isinstance(rule, (KeepOut, KeepIn, Navmesh, Leash))]
    if not zones:
        return
    grid, slack = _grid(bounds)
    allowed = [_allows(rule, grid, home, radius, slack) for rule in zones]
    free = _in_bounds(grid, bounds, radius - slack)
    if _any_room(allowed, free):
        return
    keep = list(range(len(zones)))
    for index in list(keep):
        rest = [k for k in keep if k != index]
        if not _any_room([allowed[k] for k in rest], free):
            keep = rest
    names = [zones[k].name for k in keep]
    listed = ", ".join(f"'{name}'" for name in names)
    raise ConstraintError(f"rules {listed}: expected a place that all of them allow, got none for NPC {npc}", names)


def _check_crowd(
    rules: Sequence[Rule], binding: NDArray[np.bool_], radius: float, bounds: tuple[float, float, float, float]
) -> None:
    """Refuses a spacing that the smallest keep-in zone of all its NPCs cannot hold: discs of d/2 overfill it."""
    for column, rule in enumerate(rules):
        if not isinstance(rule, AllyDistance):
            continue
        for other, zone in enumerate(rules):
            if not isinstance(zone, KeepIn):
                continue
            count = int((binding[:, column] & binding[:, other]).sum())
            half = rule.distance / 2.0
            points = np.asarray(zone.polygon)
            low, high = points.min(0), points.max(0)
            # Centres lie inside the zone's box shrunk by the body; discs of radius d/2 about them do not overlap.
            room = np.maximum(high - low - 2 * radius, 0.0) + 2 * half
            holds = math.floor(0.9069 * room[0] * room[1] / (math.pi * half * half) + 1e-9)
            if count > max(1, holds):
                raise ConstraintError(
                    f"rules '{rule.name}', '{zone.name}': expected room for {count} NPCs {rule.distance:g} m apart, "
                    f"got a zone that holds at most {max(1, holds)}",
                    [rule.name, zone.name],
                )


def _any_room(allowed: list[NDArray[np.bool_]], free: NDArray[np.bool_]) -> bool:
    left = free.copy()
    for mask in allowed:
        left &= mask
    return bool(left.any())


def _grid(bounds: tuple[float, float, float, float]) -> tuple[NDArray[np.float64], float]:
    x, y = np.linspace(bounds[0], bounds[2], _GRID), np.linspace(bounds[1], bounds[3], _GRID)
    slack = 0.5 * math.hypot(x[1] - x[0], y[1] - y[0])
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2), slack


def _in_bounds(
    grid: NDArray[np.float64], bounds: tuple[float, float, float, float], margin: float
) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = bounds
    x, y = grid.T
    within: NDArray[np.bool_] = (x >= x0 + margin) & (x <= x1 - margin) & (y >= y0 + margin) & (y <= y1 - margin)
    return within


def _allows(
    rule: KeepOut | KeepIn | Navmesh | Leash,
    grid: NDArray[np.float64],
    home: NDArray[np.float64],
    radius: float,
    slack: float,
) -> NDArray[np.bool_]:
    if isinstance(rule, Leash):
        leashed: NDArray[np.bool_] = np.hypot(*(grid - home).T) <= rule.radius + slack
        return leashed
    edges = outline(rule.polygons) if isinstance(rule, Navmesh) else polygon_edges(np.asarray(rule.polygon))
    distance = point_distance(grid[:, None], edges[None]).min(1)
    within = inside(grid, edges, np.zeros(1, np.int64))[:, 0]
    good = ~within if isinstance(rule, KeepOut) else within
    clearance = np.where(good, distance, -distance)
    roomy: NDArray[np.bool_] = clearance >= radius - slack
    return roomy
