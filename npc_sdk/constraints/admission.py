"""Refuses, at load, sets of rules that nobody could obey, and names the rules that conflict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npc_sdk.constraints.clearance import is_simple
from npc_sdk.constraints.compile import Body, Outline, bound
from npc_sdk.constraints.room import Bounds, Place, places_of, room, room_beside, room_within
from npc_sdk.constraints.rules import (
    AccelerationLimit,
    AllyDistance,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    Navmesh,
    NoStop,
    Rule,
    StayNear,
)
from npc_sdk.constraints.rules.read import points
from npc_sdk.errors import ConstraintError

_GRID = 96  # points per axis over which "is there any room left" is asked
_SHARE = math.sqrt(0.75)  # distances squared that each of equally spaced points takes up, at least (Fejes Toth 1949)

_T = TypeVar("_T")


def smallest(items: Sequence[_T], fails: Callable[[Sequence[_T]], bool]) -> list[_T]:
    """Returns as many of the items as it takes to fail, none of them needless: each is left out if that still fails."""
    keep = list(items)
    for item in items:
        rest = [other for other in keep if other is not item]
        if fails(rest):
            keep = rest
    return keep


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
            if not is_simple(np.asarray(polygon)):
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
    bounds: Bounds,
    walls: Sequence[Outline] = (),
) -> None:
    """Refuses a set of rules that no NPC could obey: no place to be or to rest, no legal brake, no room for all.

    Room is asked for on a grid over the bounds, with the cell's half diagonal given in the rules' favour: a set
    that can be satisfied is never refused; slivers of room below the cell size may pass unnoticed. What can be
    satisfied only by never doing something is not refused either: see `remarks`.

    Raises:
        ConstraintError: `rules` holds a smallest conflicting set of names, or the one whose values are wrong.
    """
    check_values(rules)
    check_polygons(rules)
    _check_brake(rules, kinematics)
    names, teams = np.asarray(ids), np.asarray(squads)
    places = np.asarray(homes, dtype=np.float64).reshape(-1, 2)
    floor = _Floor.of(bounds, walls, kinematics.radius)

    def refusal(some: Sequence[Rule]) -> ConstraintError | None:
        try:
            _check_all(some, _binding(some, names, teams), names, places, floor)
        except ConstraintError as error:
            return error
        return None

    error = refusal(rules)
    while error is not None:  # what one NPC cannot obey may hold a smaller part that another cannot
        named = [rule for rule in rules if rule.name in error.rules]
        smaller = (refusal([other for other in named if other is not rule]) for rule in named)
        less = next((found for found in smaller if found is not None), None)
        if less is None:
            raise error
        error = less


def _binding(rules: Sequence[Rule], names: NDArray[np.uint32], teams: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Says which NPCs each rule binds: n c."""
    return np.array([bound(rule, names, teams) for rule in rules], np.bool_).reshape(len(rules), len(names)).T


def _check_all(
    rules: Sequence[Rule],
    binding: NDArray[np.bool_],
    names: NDArray[np.uint32],
    places: NDArray[np.float64],
    floor: _Floor,
) -> None:
    """Refuses what some NPC, or some of them together, cannot obey."""
    seen: set[tuple[bytes, bytes]] = set()
    for row in range(len(names)):
        bound_by = [rule for rule, binds in zip(rules, binding[row], strict=True) if binds]
        leashed = any(isinstance(rule, Leash) for rule in bound_by)
        key = (binding[row].tobytes(), places[row].tobytes() if leashed else b"")
        if key not in seen:
            seen.add(key)
            _check_distances(bound_by, int(names[row]))
            _check_room(bound_by, places[row], floor, int(names[row]))
    for rule, binds in zip(rules, binding.T, strict=True):
        if isinstance(rule, AllyDistance):
            _check_zones(rule, binds, rules, binding, floor.radius)
            _check_leashes(rule, binds, rules, binding, places)


def _check_brake(rules: Sequence[Rule], kinematics: Body) -> None:
    """Refuses an acceleration that the brake cannot undo: not every motion could be stopped as promised."""
    limits = [(rule.acceleration, rule.name) for rule in rules if isinstance(rule, AccelerationLimit)]
    limit, name = min([(float(kinematics.max_acceleration), "the body's max_acceleration"), *limits])
    if kinematics.brake < limit:
        raise ConstraintError(
            f"rule '{name}': expected a brake of at least the acceleration limit {limit:g} m/s^2, "
            f"got a body that brakes at {kinematics.brake:g} m/s^2",
            [name],
        )


def _check_distances(rules: list[Rule], npc: int) -> None:
    """Refuses to keep further away from somebody than to stay near him."""
    away = [rule for rule in rules if isinstance(rule, KeepAway)]
    near = [rule for rule in rules if isinstance(rule, StayNear)]
    for far, close in product(away, near):
        if far.to == close.to and far.distance > close.distance:
            raise ConstraintError(
                f"rules '{far.name}', '{close.name}': expected a distance from every '{far.to}' that both allow, got "
                f"at least {far.distance:g} m and at most {close.distance:g} m for NPC {npc}",
                [far.name, close.name],
            )


@dataclass(frozen=True, slots=True)
class _Floor:
    """Where a body may be as far as bounds and walls are concerned, on a grid."""

    points: NDArray[np.float64]  # k 2
    free: NDArray[np.bool_]  # k
    slack: float  # m given in the rules' favour
    radius: float
    # By rule; of a leash, of whom it was last asked for.
    _known: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def allows(self, rule: Place | NoStop, home: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Says where a rule lets an NPC be, or come to rest."""
        if isinstance(rule, Leash) or rule.name not in self._known:
            self._known[rule.name] = room(rule, self.points, home, self.radius) >= -self.slack
        return self._known[rule.name]

    @classmethod
    def of(cls, bounds: Bounds, walls: Sequence[Outline], radius: float) -> _Floor:
        x, y = np.linspace(bounds[0], bounds[2], _GRID), np.linspace(bounds[1], bounds[3], _GRID)
        slack = 0.5 * math.hypot(x[1] - x[0], y[1] - y[0])
        grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        free = room_within(bounds, grid, radius) >= -slack
        for wall in walls:
            if wall.kind == "wall":
                free &= room_beside(wall, grid, radius) >= -slack
        return cls(grid, free, slack, radius)


def _check_room(rules: list[Rule], home: NDArray[np.float64], floor: _Floor, npc: int) -> None:
    """Refuses rules that leave one NPC nowhere to be, or nowhere to come to rest."""
    zones = [*places_of(rules), *(rule for rule in rules if isinstance(rule, NoStop))]
    allowed = {rule.name: floor.allows(rule, home) for rule in zones}

    def nowhere(some: Sequence[Rule]) -> bool:
        left = floor.free.copy()
        for rule in some:
            left &= allowed[rule.name]
        return not left.any()

    if zones and nowhere(zones):
        few = smallest(zones, nowhere)
        what = "a place to rest" if any(isinstance(rule, NoStop) for rule in few) else "a place"
        raise ConstraintError(
            f"{listed(few)}: expected {what} that all of them allow, got none for NPC {npc}", names_of(few)
        )


def _check_zones(
    rule: AllyDistance,
    binds: NDArray[np.bool_],
    rules: Sequence[Rule],
    binding: NDArray[np.bool_],
    radius: float,
) -> None:
    """Refuses a spacing that a keep-in zone cannot hold for all the NPCs that it binds."""
    for zone, inside in zip(rules, binding.T, strict=True):
        if isinstance(zone, KeepIn):
            corners = np.asarray(zone.polygon)
            # Centres lie inside the zone's box shrunk by the body.
            wide, high = np.maximum(corners.max(0) - corners.min(0) - 2 * radius, 0.0)
            apart, count = rule.distance, int((binds & inside).sum())
            holds = _holds((wide + apart) * (high + apart), math.hypot(wide, high), apart)
            if count > holds:
                raise ConstraintError(
                    f"rules '{rule.name}', '{zone.name}': expected room for {count} NPCs {apart:g} m apart, "
                    f"got a zone that holds at most {holds}",
                    [rule.name, zone.name],
                )


def _check_leashes(
    rule: AllyDistance,
    binds: NDArray[np.bool_],
    rules: Sequence[Rule],
    binding: NDArray[np.bool_],
    homes: NDArray[np.float64],
) -> None:
    """Refuses a spacing that leashes do not leave room for: two that never get apart, or many about one home."""
    reach = np.full(len(homes), np.inf)
    for leash, mask in zip(rules, binding.T, strict=True):
        if isinstance(leash, Leash):
            reach[mask & binds] = np.minimum(reach[mask & binds], leash.radius)
    for crowd in _crowds(rule.distance, reach, homes):
        named: list[Rule] = [rule, *(leash for leash in rules if isinstance(leash, Leash))]
        what = f"{listed(named)}: expected room to be {rule.distance:g} m apart, got {crowd}"
        raise ConstraintError(what, names_of(named))


def _crowds(distance: float, reach: NDArray[np.float64], homes: NDArray[np.float64]) -> Iterator[str]:
    """Says which NPCs are held too close together, `reach` metres about their homes; infinity: anywhere."""
    held = np.flatnonzero(np.isfinite(reach))
    for row in held:
        mates = held[held > row]
        gap = homes[mates] - homes[row]
        furthest = np.hypot(gap[:, 0], gap[:, 1]) + reach[mates] + reach[row]
        if (furthest < distance).any():
            yield f"two NPCs that are never more than {furthest.min():g} m apart"
    about, which = np.unique(homes[held], axis=0, return_inverse=True)
    for home in range(len(about)):
        together = held[which.ravel() == home]
        radius = float(reach[together].max())
        holds = _holds(math.pi * (radius + 0.5 * distance) ** 2, 2.0 * radius, distance)
        if len(together) > holds:
            yield f"{len(together)} NPCs within {radius:g} m of one home, which holds at most {holds}"


def _holds(area: float, widest: float, distance: float) -> int:
    """Returns how many points so far apart a convex place has room for, at most.

    Args:
        area: of the place widened by half the distance, m^2: discs of that radius about the points do not overlap.
        widest: how far apart two points in it can be, m.
        distance: between any two, m.
    """
    return 1 if widest < distance else math.floor(area / (_SHARE * distance * distance))


def listed(rules: Sequence[Rule]) -> str:
    """Names rules: rules 'a', 'b'."""
    return ("rules " if len(rules) > 1 else "rule ") + ", ".join(f"'{rule.name}'" for rule in rules)


def names_of(rules: Sequence[Rule]) -> list[str]:
    """Returns the rules' names."""
    return [rule.name for rule in rules]
