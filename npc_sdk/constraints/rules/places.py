"""Rules about where an NPC may be. Class N1: one step and the brake after it, exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npc_sdk.constraints.rules.read import Points, Reader, Who, meshes, positive

_STATIC = ("K1", "K2", "K3", "K5", "K6")


@dataclass(frozen=True, slots=True)
class KeepOut:
    """Keeps the NPC's whole body out of a simple polygon, convex or not."""

    name: str
    polygon: Points
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "keep_out"
    kind: ClassVar[str] = "keep_out"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = _STATIC
    text: ClassVar[str] = "the body never overlaps the zone"
    keys: ClassVar[dict[str, Reader]] = {}


@dataclass(frozen=True, slots=True)
class KeepIn:
    """Keeps the NPC's whole body inside a simple polygon, convex or not."""

    name: str
    polygon: Points
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "keep_in"
    kind: ClassVar[str] = "keep_in"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = _STATIC
    text: ClassVar[str] = "the body never leaves the zone"
    keys: ClassVar[dict[str, Reader]] = {}


@dataclass(frozen=True, slots=True)
class Navmesh:
    """Keeps the NPC's whole body inside the union of simple polygons: a navigation mesh, holes and all."""

    name: str
    polygons: tuple[Points, ...]
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "navmesh"
    kind: ClassVar[str] = "navmesh"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = _STATIC
    text: ClassVar[str] = "the body never leaves the mesh"
    keys: ClassVar[dict[str, Reader]] = {"polygons": meshes}


@dataclass(frozen=True, slots=True)
class NoStop:
    """Keeps the NPC from coming to rest with its centre in a simple polygon; it may walk through."""

    name: str
    polygon: Points
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "no_stop"
    kind: ClassVar[str] = "no_stop"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = _STATIC
    text: ClassVar[str] = "the centre never comes to rest in the zone: a doorway is not blocked"
    keys: ClassVar[dict[str, Reader]] = {}


@dataclass(frozen=True, slots=True)
class Leash:
    """Keeps the NPC's centre within `radius` metres of its home."""

    name: str
    radius: float
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "leash"
    kind: ClassVar[str] = "leash"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = _STATIC
    text: ClassVar[str] = "the centre stays within the radius of home"
    keys: ClassVar[dict[str, Reader]] = {"radius": positive}
