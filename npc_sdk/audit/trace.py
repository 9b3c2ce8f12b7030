"""What the checker is given: what was declared, and what really happened. Plain numbers, from no other part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

PLAN, TAIL, CALLBACK, BRAKE, NONE = range(5)
"""Who drove an NPC in a tick: the newest chunk, the rest of one, the game's own behaviour, the brake, nobody."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon that a body of an NPC must not overlap, or must not leave. `kind` is the name it is reported under."""

    kind: str
    name: str
    corners: Float[np.ndarray, "v 2"]
    keep_in: bool
    binds: Bool[np.ndarray, " a"]
    since: int = 0  # tick from which it is there
    told: int = 0  # tick from which every decision knew of it


@dataclass(frozen=True, slots=True)
class Mesh:
    """Polygons whose union a body of an NPC must not leave."""

    kind: str
    name: str
    polygons: tuple[Float[np.ndarray, "v 2"], ...]
    binds: Bool[np.ndarray, " a"]
    outline: Float[np.ndarray, "q 2 2"]  # as `mesh_outline` finds it


@dataclass(frozen=True, slots=True)
class Apart:
    """A distance from entities that somebody else moves: to be kept, or with `near` not to be exceeded."""

    kind: str
    distance: float
    top_speed: float  # m/s that the entities are declared not to exceed
    near: bool
    binds: Bool[np.ndarray, " a"]
    whom: tuple[int, ...]  # columns of the trace's `others`


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `most` attacks of a group within any `ticks`."""

    kind: str
    most: int
    ticks: int
    attack: Bool[np.ndarray, " k"]  # what counts
    group: Int[np.ndarray, " a"]
    binds: Bool[np.ndarray, " a"]


@dataclass(frozen=True, slots=True)
class Share:
    """Attackers weigh something for `ticks` from each attack on; together at most the capacity."""

    kind: str
    capacity: float
    ticks: Int[np.ndarray, " a"]
    weight: Float[np.ndarray, " a"]
    attack: Bool[np.ndarray, "a k"]
    binds: Bool[np.ndarray, " a"]


@dataclass(frozen=True, slots=True)
class Stock:
    """What an attack costs of a field, and what must be left of it."""

    kind: str
    field: str  # of the trace's `levels`
    cost: float
    least: float
    attack: Bool[np.ndarray, " k"]
    binds: Bool[np.ndarray, " a"]


@dataclass(frozen=True, slots=True)
class Turns:
    """At most `most` of a group in motion at a time."""

    kind: str
    most: int
    group: Int[np.ndarray, " a"]
    binds: Bool[np.ndarray, " a"]


@dataclass(frozen=True, slots=True)
class Cone:
    """Who must be at least `clearance` from the line of fire, a sector of `reach` and `spread` about the aim."""

    kind: str
    reach: float
    spread: float  # rad to either side
    clearance: float
    attack: Bool[np.ndarray, " k"]
    binds: Bool[np.ndarray, " a"]
    npcs: bool  # whether all other NPCs are to be spared
    whom: tuple[int, ...] = ()  # columns of the trace's `others`
    top_speed: float = float("inf")  # m/s that these are declared not to exceed


@dataclass(frozen=True, slots=True)
class Burst:
    """Who must be at least `radius` from where an attack bursts, `flight_ticks` after it."""

    kind: str
    radius: float
    flight_ticks: int
    attack: Bool[np.ndarray, " k"]
    binds: Bool[np.ndarray, " a"]
    npcs: bool
    whom: tuple[int, ...] = ()
    top_speed: float = float("inf")


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where somebody else was expected to be, when a plan was chosen by it. Nobody breaks it: it is missed or not."""

    npc: int  # column of the trace: whose plan
    other: int  # column of the trace's `others`
    tick: int  # row of `others` at which it was made
    place: Float[np.ndarray, "h 2"]  # in the rows after
    radius: Float[np.ndarray, " h"]  # m


@dataclass(frozen=True, slots=True)
class Limits:
    """The declared rules of `a` NPCs, in metres and seconds. Infinity or 0 where a rule does not bind."""

    dt: float
    radius: Float[np.ndarray, " a"]
    speed: Float[np.ndarray, " a"]
    acceleration: Float[np.ndarray, " a"]  # of any change of velocity, braking included
    brake: Float[np.ndarray, " a"]  # m/s^2 with which the last hop brakes for sure; at most the acceleration
    home: Float[np.ndarray, "a 2"]
    leash: Float[np.ndarray, " a"]  # infinity: none
    spacing: Float[np.ndarray, "a a"]  # between centres; 0: none
    hold_fire: Bool[np.ndarray, " a"]
    zones: tuple[Zone, ...]
    turn: Float[np.ndarray, " a"] | None = None  # rad/s of the direction of motion; None: nobody is bound
    turn_above: Float[np.ndarray, " a"] | None = None  # m/s from which it binds
    meshes: tuple[Mesh, ...] = ()
    clearways: tuple[Zone, ...] = ()  # in which no centre may come to rest
    apart: tuple[Apart, ...] = ()
    quotas: tuple[Quota, ...] = ()
    shares: tuple[Share, ...] = ()
    stocks: tuple[Stock, ...] = ()
    cones: tuple[Cone, ...] = ()
    bursts: tuple[Burst, ...] = ()
    turns: tuple[Turns, ...] = ()
    cell: float = 0.0  # m that a body goes along an axis in a tick, or not at all; 0: any way
    diagonals: bool = False  # whether it may go along both
    steering: float = float(
        "inf"
    )  # rad/s by which a car's heading may turn, at any speed; it goes nowhere but along it
    notice: int = 0  # ticks before `since` by which a zone must be told: what was sent before may run so long


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened in t ticks. Row k of `position` is the state before tick k; there is one row more than ticks.

    `k` kinds of attacks, `o` entities that somebody else moves.

    `hold_known` says whether the decision that an NPC executed had seen the flag set; a shot decided before the flag
    was raised is not the NPC's doing (assumption K3 asks games to announce it).

    `believed` is what a step or a brake was meant for: the pose that the chunk expected, or that the last hop braked
    from. `braking` is the rate that the newest chunk told the last hop, `session` whose chunk drove the NPC or, where
    none did, who certifies it; `decided` the tick of the snapshot that a step was decided on. Arrays without rows are
    not known, and nothing is concluded from them.
    """

    ids: NDArray[np.uint32]  # a
    position: Float[np.ndarray, "t1 a 2"]
    velocity: Float[np.ndarray, "t1 a 2"]
    command: Float[np.ndarray, "t a 2"]  # the velocity the NPC was told to have
    alive: Bool[np.ndarray, "t1 a"]
    driver: NDArray[np.uint8]  # t a
    attacks: Bool[np.ndarray, "t a k"]
    hold_fire: Bool[np.ndarray, " t"]
    hold_known: Bool[np.ndarray, "t a"]
    aim: Float[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0)))  # rad, of attacks
    reach: Float[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0)))  # m, to where they burst
    others: Float[np.ndarray, "t1 o 2"] = field(default_factory=lambda: np.zeros((0, 0, 2)))
    levels: Mapping[str, Float[np.ndarray, "t1 a"]] = field(default_factory=dict)  # of fields that attacks use up
    believed: Float[np.ndarray, "t a 4"] = field(default_factory=lambda: np.zeros((0, 0, 4)))  # NaN: not known
    braking: Float[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0)))  # m/s^2
    session: Int[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # 0: nobody
    decided: Int[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0), np.int64))  # of steps that ran
    forecasts: tuple[Forecast, ...] = ()
    heading: Float[np.ndarray, "t1 a"] = field(default_factory=lambda: np.zeros((0, 0)))  # rad, of cars
    airborne: Bool[np.ndarray, "t a"] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))  # the game moves them
