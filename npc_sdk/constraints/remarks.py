"""What a set of rules comes to that can be obeyed, but hardly as it was meant: told at load, and never refused.

An NPC that may not attack obeys its rules, and so does one behind a doorway too narrow for it. Nobody would see why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npc_sdk.constraints.admission import listed, names_of, smallest
from npc_sdk.constraints.compile import Body, Outline, bound
from npc_sdk.constraints.reach import Ground, Parts, ground
from npc_sdk.constraints.room import Bounds, Place, places_of, room, room_beside, room_within
from npc_sdk.constraints.rules import AttackTokens, Leash, Reserve, Rule

_DOES = {"any": "attack", "fire": "fire", "throw": "throw"}


@dataclass(frozen=True, slots=True)
class Remark:
    """One such thing, and the rules without which it would not be; none: it is the walls' doing alone."""

    rules: tuple[str, ...]
    text: str


def remarks(
    rules: Sequence[Rule],
    *,
    ids: ArrayLike,
    squads: ArrayLike,
    homes: ArrayLike,
    places: ArrayLike,
    kinematics: Body,
    bounds: Bounds,
    walls: Sequence[Outline] = (),
    most: Mapping[str, float] | None = None,
    spare: float = 0.0,
) -> tuple[Remark, ...]:
    """Returns what is unreachable and what can never happen under rules that `check_rules` admits.

    What is said is so for certain: room that is joined by a way too narrow by less than a few centimetres (a
    512th of the bounds) may pass as reachable.

    Args:
        rules: the set.
        ids: of the NPCs.
        squads: theirs.
        homes: theirs, m.
        places: where they are, m.
        kinematics: of their bodies.
        bounds: of the game, m.
        walls: declared polygons; those of kind "wall" bind everybody.
        most: the largest value of each field that attacks use up, as far as known.
        spare: what the shield keeps beyond the body, m.
    """
    names, teams = np.asarray(ids, np.uint32), np.asarray(squads, np.int64)
    homes, here = (np.asarray(points, np.float64).reshape(-1, 2) for points in (homes, places))
    binds = {rule.name: bound(rule, names, teams) for rule in rules}
    found = [*_too_heavy(rules, binds, names), *_too_little(rules, binds, names, most or {})]
    floor = _Floor(bounds, tuple(wall for wall in walls if wall.kind == "wall"), kinematics.radius + spare)
    seen: set[tuple[tuple[str, ...], bytes]] = set()
    for npc in range(len(names)):
        zones = [rule for rule in places_of(rules) if binds[rule.name][npc]]
        leashed = any(isinstance(rule, Leash) for rule in zones)
        alike = (tuple(names_of(zones)), homes[npc].tobytes() if leashed else b"")
        if alike not in seen and (zones or floor.walls):
            seen.add(alike)
            if leashed:
                found += _barred_home(zones, floor, homes[npc], int(names[npc]))
            found += _unreachable(zones, floor, homes[npc], here[npc], int(names[npc]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Floor:
    """What zones stand on. Measured once for every set of them. `radius`: of the body, and what is kept beyond it."""

    bounds: Bounds
    walls: tuple[Outline, ...]
    radius: float
    _known: dict[tuple[str, ...], Ground] = field(default_factory=dict)

    def parts(self, zones: Sequence[Place], home: NDArray[np.float64]) -> Parts:
        """Finds which parts of the room that some zones leave hang together."""
        fixed = [zone for zone in zones if not isinstance(zone, Leash)]
        key = tuple(names_of(fixed))
        if key not in self._known:
            rooms = [partial(room_within, self.bounds, radius=self.radius)]
            rooms += [partial(room_beside, wall, radius=self.radius) for wall in self.walls]
            rooms += [partial(room, zone, home=home, radius=self.radius) for zone in fixed]
            self._known[key] = ground(rooms, self.bounds)
        floor = self._known[key]
        for leash in zones:
            if isinstance(leash, Leash):
                floor = floor.leashed(home, leash.radius)
        return floor.parts()


def _too_heavy(
    rules: Sequence[Rule], binds: Mapping[str, NDArray[np.bool_]], names: NDArray[np.uint32]
) -> Iterator[Remark]:
    """Finds NPCs whose attack weighs more than their pool ever holds."""
    tokens = [rule for rule in rules if isinstance(rule, AttackTokens)]
    for rule in tokens:
        pool = [other for other in tokens if (other.pool or other.name) == (rule.pool or rule.name)]
        least = min(pool, key=lambda other: other.capacity)
        if rule.weight > least.capacity + 1e-9 and binds[rule.name].any():
            both = [rule] if least is rule else [rule, least]
            yield Remark(
                tuple(names_of(both)),
                f"{listed(both)}: {_npcs(names[binds[rule.name]])} will never {_DOES[rule.attack]}: "
                f"each weighs {rule.weight:g}, and the pool holds {least.capacity:g}",
            )


def _too_little(
    rules: Sequence[Rule],
    binds: Mapping[str, NDArray[np.bool_]],
    names: NDArray[np.uint32],
    most: Mapping[str, float],
) -> Iterator[Remark]:
    """Finds NPCs that must keep more of a field than it can ever hold beside the cost."""
    for rule in rules:
        if (
            isinstance(rule, Reserve)
            and rule.least + rule.cost > most.get(rule.field, np.inf)
            and binds[rule.name].any()
        ):
            yield Remark(
                (rule.name,),
                f"rule '{rule.name}': {_npcs(names[binds[rule.name]])} will never {_DOES[rule.attack]}: that takes "
                f"{rule.least + rule.cost:g} of '{rule.field}', which holds at most {most[rule.field]:g}",
            )


def _barred_home(zones: Sequence[Place], floor: _Floor, home: NDArray[np.float64], npc: int) -> Iterator[Remark]:
    """Finds a home, at the middle of a leash, where its NPC may not be."""
    barring: list[Rule] = [zone for zone in zones if room(zone, home[None], home, floor.radius)[0] < 0.0]
    walled = [room_within(floor.bounds, home[None], floor.radius)[0]]
    walled += [room_beside(wall, home[None], floor.radius)[0] for wall in floor.walls]
    if barring or min(walled) < 0.0:
        few = [*barring[:1], next(zone for zone in zones if isinstance(zone, Leash))]
        yield Remark(
            tuple(names_of(few)),
            f"{listed(few)}: unreachable for NPC {npc}: its home {_at(home)}, where it has no room to be",
        )


def _unreachable(
    zones: Sequence[Place], floor: _Floor, home: NDArray[np.float64], here: NDArray[np.float64], npc: int
) -> Iterator[Remark]:
    """Finds room that an NPC may be in, and cannot get to from where it is; none to speak of if no larger than it."""

    def beyond(some: Sequence[Place]) -> tuple[Parts, NDArray[np.bool_]]:
        known = floor.parts(some, home)
        mine = int(known.at(here[None])[0])
        return known, known.apart_from(mine) & (mine > 0)

    def cut_off(some: Sequence[Place]) -> bool:
        known, far = beyond(some)
        return float(far.sum()) * known.cell**2 > math.pi * floor.radius**2

    if cut_off(zones):
        few = smallest(zones, cut_off)
        known, far = beyond(zones)
        share = 100.0 * float(far.sum() / known.sure.sum())
        yield Remark(
            tuple(names_of(few)),
            f"{listed(few) if few else 'walls'}: unreachable for NPC {npc} from {_at(here)}: {_at(known.middle(far))}, "
            f"as {share:.0f} % of the room it may be in; no way there is {2.0 * floor.radius:g} m wide",
        )


def _at(place: Sequence[float] | NDArray[np.float64]) -> str:
    return f"({place[0]:.2f}, {place[1]:.2f})"


def _npcs(ids: NDArray[np.uint32]) -> str:
    shown = ", ".join(str(npc) for npc in ids[:4].tolist())
    return f"NPC {shown}" if len(ids) == 1 else f"NPCs {shown}" + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")
