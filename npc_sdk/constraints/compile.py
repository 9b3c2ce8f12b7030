"""Rules into plain arrays, one row per NPC: what the shield certifies against and the planner scores against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from npc_sdk.constraints.clearance import polygon_edges
from npc_sdk.constraints.moves import grid_moves
from npc_sdk.constraints.rules import (
    KINDS,
    AccelerationLimit,
    AllyDistance,
    AttackLimit,
    AttackTokens,
    Cooldown,
    FriendlyFire,
    HoldFire,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    MoveInTurn,
    Navmesh,
    NoStop,
    Points,
    Reserve,
    Rule,
    ShareLimit,
    SpeedLimit,
    Splash,
    StayClear,
    StayNear,
    TurnLimit,
    Who,
    parse_who,
)
from npc_sdk.constraints.union import outline
from npc_sdk.errors import ConstraintError

TRIGGERS = ("fire", "throw")
"""The discrete commands that are attacks, in the order of the shield's triggers."""

KIND = {name: index for index, name in enumerate(KINDS)}


class Body(Protocol):
    """What an NPC's body can do: the schema's kinematics."""

    @property
    def max_speed(self) -> float: ...
    @property
    def max_acceleration(self) -> float: ...
    @property
    def brake(self) -> float: ...
    @property
    def radius(self) -> float: ...
    @property
    def cell(self) -> float: ...
    @property
    def diagonals(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def turn_rate(self) -> float: ...


class Outline(Protocol):
    """A declared polygon; only those of kind "wall" bind everybody."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def vertices(self) -> tuple[tuple[float, float], ...]: ...


@dataclass(frozen=True, slots=True)
class Clearway:
    """A polygon in which no centre may come to rest."""

    kind: int  # index into KINDS
    edges: Float[np.ndarray, "e 4"]
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Apart:
    """One rule about the distance from entities that somebody else moves."""

    kind: int  # index into KINDS
    to: str  # role or type of the entities
    distance: float  # m, between centres
    top_speed: float  # m/s that they are declared not to exceed
    near: bool  # True: stay within, False: keep away
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` attacks by one group within any `ticks`."""

    kind: int
    name: str
    most: int
    ticks: int
    attack: tuple[bool, ...]  # per TRIGGERS: what counts
    counter: str  # field that counts them in the game, "" without
    squads: bool  # whether a squad shares the count
    group: Int[np.ndarray, " n"]  # squad or id: NPCs of one number share the count
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Attackers hold their weight for `ticks` from each attack on; together no more than the capacity."""

    kind: int
    name: str
    capacity: float
    ticks: Int[np.ndarray, " n"]
    attack: Bool[np.ndarray, "n t"]
    weight: Float[np.ndarray, " n"]
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Stock:
    """A field that attacks use up, and what must be left of it."""

    kind: int
    name: str
    field: str
    cost: float
    least: float
    attack: tuple[bool, ...]
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Turns:
    """At most `most` of a group in motion at a time; each of them for `ticks`, if somebody waits."""

    kind: int
    most: int
    ticks: int
    group: Int[np.ndarray, " n"]  # NPCs of one number take turns
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Cone:
    """Who must not be in the line of fire."""

    kind: int
    to: str
    reach: float  # m
    spread: float  # rad to either side of the aim
    clearance: float  # m
    top_speed: float  # m/s, of those who are no NPCs
    attack: tuple[bool, ...]
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Burst:
    """Who must not be where an attack bursts."""

    kind: int
    to: str
    radius: float  # m
    flight: float  # s
    top_speed: float  # m/s, of those who are no NPCs
    attack: tuple[bool, ...]
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the time an expression is to hold at most. A forecast: the planner prices it, nobody certifies it."""

    name: str
    of: str  # an expression over the quantities of objectives
    most: float
    seconds: float
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Clear:
    """How far plans are to keep from where the player will be. A forecast: the planner ranks by it."""

    name: str
    distance: float  # m
    top_speed: float  # m/s that the player is declared not to exceed
    confidence: float
    seconds: float  # how far ahead
    binds: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class RuleTables:
    """All rules of `n` NPCs as arrays. Metres, seconds; infinity or 0 where a rule does not bind.

    A shape is one polygon (wall, keep-out, keep-in or the bounds) or a mesh of several; `edges` holds all outlines in
    turn.
    """

    dt: float
    ids: NDArray[np.uint32]  # n
    radius: Float[np.ndarray, " n"]
    body_speed: float  # m/s, whatever the rules say
    speed: Float[np.ndarray, " n"]  # the smaller of body and rules
    acceleration: Float[np.ndarray, " n"]  # also the brake
    home: Float[np.ndarray, "n 2"]
    leash: Float[np.ndarray, " n"]  # infinity: none
    spacing: Float[np.ndarray, "n n"]  # 0: none
    hold_fire: Bool[np.ndarray, " n"]
    turn: Float[np.ndarray, " n"]  # rad/s, infinity: none
    turn_above: Float[np.ndarray, " n"]  # m/s from which it binds
    no_stop: tuple[Clearway, ...]
    apart: tuple[Apart, ...]
    windows: tuple[Window, ...]
    pools: tuple[Pool, ...]
    stocks: tuple[Stock, ...]
    cones: tuple[Cone, ...]
    bursts: tuple[Burst, ...]
    turns: tuple[Turns, ...]
    edges: Float[np.ndarray, "e 4"]
    edge_shape: Int[np.ndarray, " e"]
    shape_first: Int[np.ndarray, " p"]  # row of its first edge
    shape_kind: Int[np.ndarray, " p"]  # index into KINDS
    shape_inside: Bool[np.ndarray, " p"]  # True: stay inside
    shape_mask: Bool[np.ndarray, "n p"]  # binds this NPC
    shape_name: tuple[str, ...]
    applies: Bool[np.ndarray, "n c"]  # c = len(KINDS)
    shares: tuple[Share, ...] = ()  # forecasts, no concern of the shield; so are the next
    clear: tuple[Clear, ...] = ()
    # m/s, all velocities that a body can be told, standing still first; without rows any
    moves: Float[np.ndarray, "k 2"] = field(default_factory=lambda: np.zeros((0, 2)))
    steers: bool = False  # bodies are cars: `turn` limits them at every speed, `turn_above` is what tells a direction

    def rows(self, ids: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Finds the rows of NPCs by id. Raises KeyError for an id that was not compiled."""
        order = np.argsort(self.ids)
        place = np.minimum(np.searchsorted(self.ids, ids, sorter=order), len(self.ids) - 1)
        if len(ids) and (len(self.ids) == 0 or np.any(self.ids[order[place]] != ids)):
            raise KeyError(f"NPC ids: expected some of {self.ids.tolist()}, got {np.asarray(ids).tolist()}")
        return order[place]


def bound(rule: Rule, ids: NDArray[np.uint32], squads: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Says which NPCs a rule binds.

    Raises:
        ConstraintError: the selector is a persona, which only the caller can turn into ids.
    """
    return _selected(rule.name, rule.who, ids, squads)


def compile_rules(
    rules: Sequence[Rule],
    *,
    ids: ArrayLike,
    squads: ArrayLike,
    homes: ArrayLike,
    kinematics: Body,
    walls: Sequence[Outline],
    bounds: tuple[float, float, float, float],
    dt: float,
) -> RuleTables:
    """Turns rules, the body's own limits, the walls and the bounds into tables.

    Of several limits on one NPC the strictest holds. Walls and bounds always bind everybody. Satisfiability is
    `check_rules`' concern, so that a set of rules that was accepted once never fails in the middle of a fight.
    """
    names = np.asarray(ids, dtype=np.uint32)
    teams = np.asarray(squads, dtype=np.int64)
    n = len(names)
    everybody = np.ones(n, np.bool_)
    speed = np.full(n, float(kinematics.max_speed))
    acceleration = np.full(n, float(min(kinematics.max_acceleration, kinematics.brake)))
    leash, spacing, hold_fire = np.full(n, np.inf), np.zeros((n, n)), np.zeros(n, np.bool_)
    turn, turn_above = np.full(n, np.inf), np.full(n, np.inf)
    no_stop: list[Clearway] = []
    apart: list[Apart] = []
    windows: list[Window] = []
    stocks: list[Stock] = []
    cones: list[Cone] = []
    bursts: list[Burst] = []
    turns: list[Turns] = []
    shares: list[Share] = []
    clear: list[Clear] = []
    pools: dict[str, list[tuple[AttackTokens, NDArray[np.bool_]]]] = {}
    x0, y0, x1, y1 = bounds
    shapes: list[tuple[str, str, NDArray[np.float64], NDArray[np.bool_]]] = [
        ("wall", wall.name, _ring(wall.vertices), everybody) for wall in walls if wall.kind == "wall"
    ]
    shapes.append(("bounds", "bounds", _ring(((x0, y0), (x1, y0), (x1, y1), (x0, y1))), everybody))
    for rule in rules:
        mask = bound(rule, names, teams)
        match rule:
            case KeepOut() | KeepIn():
                shapes.append((rule.kind, rule.name, _ring(rule.polygon), mask))
            case Navmesh():
                shapes.append((rule.kind, rule.name, outline(rule.polygons), mask))
            case Leash():
                leash = np.where(mask, np.minimum(leash, rule.radius), leash)
            case SpeedLimit():
                speed = np.where(mask, np.minimum(speed, rule.speed), speed)
            case AccelerationLimit():
                acceleration = np.where(mask, np.minimum(acceleration, rule.acceleration), acceleration)
            case AllyDistance():
                pair = mask[:, None] & mask[None]
                spacing = np.where(pair, np.maximum(spacing, rule.distance), spacing)
            case NoStop():
                no_stop.append(Clearway(KIND[rule.kind], _ring(rule.polygon), mask))
            case TurnLimit():
                turn = np.where(mask, np.minimum(turn, rule.rate), turn)
                turn_above = np.where(mask, np.minimum(turn_above, rule.above), turn_above)
            case MoveInTurn():
                group = teams if rule.per == "squad" else np.zeros(n, np.int64)
                turns.append(Turns(KIND[rule.kind], rule.most, _ticks(rule.seconds, dt), group, mask))
            case HoldFire():
                hold_fire = hold_fire | mask
            case KeepAway() | StayNear():
                near = isinstance(rule, StayNear)
                apart.append(Apart(KIND[rule.kind], rule.to, rule.distance, rule.top_speed, near, mask))
            case Cooldown() | AttackLimit():
                windows.append(_window(rule, mask, names, teams, dt))
            case AttackTokens():
                pools.setdefault(rule.pool or rule.name, []).append((rule, mask))
            case Reserve():
                attack = _attack(rule.attack)
                stocks.append(Stock(KIND[rule.kind], rule.name, rule.field, rule.cost, rule.least, attack, mask))
            case FriendlyFire():
                sector = (rule.reach, rule.spread, rule.clearance)
                cones.append(Cone(KIND[rule.kind], rule.to, *sector, rule.top_speed, _attack(rule.attack), mask))
            case Splash():
                bursts.append(
                    Burst(
                        KIND[rule.kind], rule.to, rule.radius, rule.flight, rule.top_speed, _attack(rule.attack), mask
                    )
                )
            case ShareLimit():
                shares.append(Share(rule.name, rule.of, rule.most, rule.seconds, mask))
            case StayClear():
                wanted = (rule.distance, rule.top_speed, rule.confidence, rule.seconds)
                clear.append(Clear(rule.name, *wanted, mask))
    np.fill_diagonal(spacing, 0.0)
    outlines = [edges for _, _, edges, _ in shapes]
    lengths = [len(outline) for outline in outlines]
    kinds = np.array([KIND[kind] for kind, _, _, _ in shapes], np.int64)
    masks = np.stack([mask for _, _, _, mask in shapes], 1)  # n p
    applies = np.zeros((n, len(KINDS)), np.bool_)
    for column, kind in enumerate(kinds):
        applies[:, kind] |= masks[:, column]
    applies[:, KIND["leash"]] = np.isfinite(leash)
    applies[:, KIND["speed"]] = applies[:, KIND["acceleration"]] = True
    applies[:, KIND["spacing"]] = (spacing > 0).any(1)
    applies[:, KIND["hold_fire"]] = hold_fire
    applies[:, KIND["turn"]] = np.isfinite(turn)
    steers = kinematics.kind == "car"
    if steers:
        turn, turn_above = np.minimum(turn, kinematics.turn_rate), 0.5 * acceleration * dt  # half of what a start is
    applies[:, KIND["steering"]] = steers
    applies[:, KIND["grid"]] = kinematics.cell > 0.0
    shared = tuple(_pool(name, members, n, dt) for name, members in pools.items())
    several: list[Clearway | Apart | Window | Pool | Stock | Cone | Burst | Turns] = [*no_stop, *apart, *windows]
    several += [*shared, *stocks, *cones, *bursts, *turns]
    for compiled in several:
        applies[:, compiled.kind] |= compiled.binds
    return RuleTables(
        dt=float(dt),
        ids=names,
        radius=np.full(n, float(kinematics.radius)),
        body_speed=float(kinematics.max_speed),
        speed=speed,
        acceleration=acceleration,
        home=np.asarray(homes, dtype=np.float64).reshape(n, 2),
        leash=leash,
        spacing=spacing,
        hold_fire=hold_fire,
        turn=turn,
        turn_above=turn_above,
        no_stop=tuple(no_stop),
        apart=tuple(apart),
        windows=tuple(windows),
        pools=shared,
        stocks=tuple(stocks),
        cones=tuple(cones),
        bursts=tuple(bursts),
        turns=tuple(turns),
        edges=np.concatenate(outlines),
        edge_shape=np.repeat(np.arange(len(shapes)), lengths),
        shape_first=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        shape_kind=kinds,
        shape_inside=np.isin(kinds, [KIND["bounds"], KIND["keep_in"], KIND["navmesh"]]),
        shape_mask=masks,
        shape_name=tuple(name for _, name, _, _ in shapes),
        applies=applies,
        shares=tuple(shares),
        clear=tuple(clear),
        moves=grid_moves(kinematics.cell, kinematics.diagonals, dt),
        steers=steers,
    )


def _ring(points: Points) -> Float[np.ndarray, "e 4"]:
    return polygon_edges(np.asarray(points))


def _attack(which: str) -> tuple[bool, ...]:
    return tuple(which in ("any", trigger) for trigger in TRIGGERS)


def _ticks(seconds: float, dt: float) -> int:
    """Returns the fewest ticks that last so long."""
    return max(1, math.ceil(seconds / dt - 1e-9))


def _window(
    rule: Cooldown | AttackLimit,
    mask: NDArray[np.bool_],
    ids: NDArray[np.uint32],
    squads: NDArray[np.int64],
    dt: float,
) -> Window:
    """Puts the NPCs a rule binds into the groups that it counts by."""
    shared = isinstance(rule, AttackLimit) and rule.per == "squad"
    most, counter = (1, "") if isinstance(rule, Cooldown) else (rule.most, rule.counter)
    return Window(
        kind=KIND[rule.kind],
        name=rule.name,
        most=most,
        ticks=_ticks(rule.seconds, dt),
        attack=_attack(rule.attack),
        counter=counter,
        squads=shared,
        group=squads if shared else ids.astype(np.int64),
        binds=mask,
    )


def _pool(name: str, members: list[tuple[AttackTokens, NDArray[np.bool_]]], n: int, dt: float) -> Pool:
    """Joins the rules of one pool; an NPC that several of them bind weighs what the heaviest says."""
    ticks, weight, attack = np.zeros(n, np.int64), np.zeros(n), np.zeros((n, len(TRIGGERS)), np.bool_)
    for rule, mask in members:
        ticks = np.where(mask, np.maximum(ticks, _ticks(rule.seconds, dt)), ticks)
        weight = np.where(mask, np.maximum(weight, rule.weight), weight)
        attack |= mask[:, None] & np.array(_attack(rule.attack))
    capacity = min(rule.capacity for rule, _ in members)
    return Pool(KIND[AttackTokens.kind], name, capacity, ticks, attack, weight, np.asarray(attack.any(1)))


def _selected(name: str, who: Who, ids: NDArray[np.uint32], squads: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not isinstance(who, str):
        return np.isin(ids, who)
    head, tail = parse_who(name, who)
    if head == "all":
        return np.ones(len(ids), np.bool_)
    if head == "squad":
        return np.asarray(squads == int(tail))
    raise ConstraintError(f"rule '{name}', key 'who': expected {who!r} to be resolved to ids before compiling", [name])
