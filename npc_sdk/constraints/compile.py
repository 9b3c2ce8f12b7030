"""Rules into plain arrays, one row per NPC: what the shield certifies against and the planner scores against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from npc_sdk.constraints.clearance import polygon_edges
from npc_sdk.constraints.rules import (
    KINDS,
    AccelerationLimit,
    AllyDistance,
    HoldFire,
    KeepIn,
    KeepOut,
    Leash,
    Points,
    Rule,
    SpeedLimit,
    Who,
    parse_who,
)
from npc_sdk.errors import ConstraintError

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


class Outline(Protocol):
    """A declared polygon; only those of kind "wall" bind everybody."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def vertices(self) -> tuple[tuple[float, float], ...]: ...


@dataclass(frozen=True, slots=True)
class RuleTables:
    """All hard rules of `n` NPCs as arrays. Metres, seconds; infinity or 0 where a rule does not bind.

    A shape is one polygon (wall, keep-out, keep-in or the bounds); `edges` holds all outlines in turn.
    """

    dt: float
    ids: NDArray[np.uint32]  # n
    radius: Float[np.ndarray, " n"]
    speed: Float[np.ndarray, " n"]  # the smaller of body and rules
    acceleration: Float[np.ndarray, " n"]  # also the brake
    home: Float[np.ndarray, "n 2"]
    leash: Float[np.ndarray, " n"]  # infinity: none
    spacing: Float[np.ndarray, "n n"]  # 0: none
    hold_fire: Bool[np.ndarray, " n"]
    edges: Float[np.ndarray, "e 4"]
    edge_shape: Int[np.ndarray, " e"]
    shape_first: Int[np.ndarray, " p"]  # row of its first edge
    shape_kind: Int[np.ndarray, " p"]  # index into KINDS
    shape_inside: Bool[np.ndarray, " p"]  # True: stay inside
    shape_mask: Bool[np.ndarray, "n p"]  # binds this NPC
    shape_name: tuple[str, ...]
    applies: Bool[np.ndarray, "n c"]  # c = len(KINDS)

    def rows(self, ids: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Finds the rows of NPCs by id. Raises KeyError for an id that was not compiled."""
        order = np.argsort(self.ids, kind="stable")
        place = np.minimum(np.searchsorted(self.ids, ids, sorter=order), max(len(self.ids) - 1, 0))
        if len(ids) and (len(self.ids) == 0 or np.any(self.ids[order[place]] != ids)):
            raise KeyError(f"NPC ids: expected some of {self.ids.tolist()}, got {np.asarray(ids).tolist()}")
        return order[place] if len(ids) else np.zeros(0, np.intp)


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
    x0, y0, x1, y1 = bounds
    shapes: list[tuple[str, str, Points, NDArray[np.bool_]]] = [
        ("wall", wall.name, wall.vertices, everybody) for wall in walls if wall.kind == "wall"
    ]
    shapes.append(("bounds", "bounds", ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), everybody))
    for rule in rules:
        mask = bound(rule, names, teams)
        match rule:
            case KeepOut() | KeepIn():
                shapes.append((rule.kind, rule.name, rule.polygon, mask))
            case Leash():
                leash = np.where(mask, np.minimum(leash, rule.radius), leash)
            case SpeedLimit():
                speed = np.where(mask, np.minimum(speed, rule.speed), speed)
            case AccelerationLimit():
                acceleration = np.where(mask, np.minimum(acceleration, rule.acceleration), acceleration)
            case AllyDistance():
                pair = mask[:, None] & mask[None]
                spacing = np.where(pair, np.maximum(spacing, rule.distance), spacing)
            case HoldFire():
                hold_fire = hold_fire | mask
    np.fill_diagonal(spacing, 0.0)
    outlines = [polygon_edges(np.asarray(points)) for _, _, points, _ in shapes]
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
    return RuleTables(
        dt=float(dt),
        ids=names,
        radius=np.full(n, float(kinematics.radius)),
        speed=speed,
        acceleration=acceleration,
        home=np.asarray(homes, dtype=np.float64).reshape(n, 2),
        leash=leash,
        spacing=spacing,
        hold_fire=hold_fire,
        edges=np.concatenate(outlines),
        edge_shape=np.repeat(np.arange(len(shapes)), lengths),
        shape_first=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        shape_kind=kinds,
        shape_inside=np.isin(kinds, [KIND["bounds"], KIND["keep_in"]]),
        shape_mask=masks,
        shape_name=tuple(name for _, name, _, _ in shapes),
        applies=applies,
    )


def _selected(name: str, who: Who, ids: NDArray[np.uint32], squads: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not isinstance(who, str):
        return np.isin(ids, np.asarray(who, dtype=np.uint32))
    head, tail = parse_who(name, who)
    if head == "all":
        return np.ones(len(ids), np.bool_)
    if head == "squad":
        return np.asarray(squads == int(tail))
    raise ConstraintError(f"rule '{name}', key 'who': expected {who!r} to be resolved to ids before compiling", [name])
