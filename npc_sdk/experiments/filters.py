"""Other people's safety filters, for comparison: what a wish becomes in one tick under each of them.

Each is as good as its own literature makes it: the same margins, the same declared limits, and gains that fit the
brake. None of them certifies the brake after a step, which is what the shield does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.optimize import nnls

from npc_sdk.constraints import RuleTables, shape_clearance
from npc_sdk.shield import ShieldConfig, certified_limits, project

Floats = NDArray[np.float64]

SIDES = 32  # of the polygons that stand in for discs in a quadratic program
SIGHT = 3.0  # m within which edges and others become constraints
SLACK = 1e3  # weight of a relaxed constraint's violation: cbfpy's default
_TINY = 1e-9
_RING = np.arange(16) * (2 * np.pi / 16)
_SCALES = np.array([1.0, 0.75, 0.5, 0.25, 0.0])
_TURNS = np.deg2rad([-90.0, -60.0, -30.0, 30.0, 60.0, 90.0])


@dataclass(frozen=True, slots=True)
class Moment:
    """What a filter knows: everybody's true state, the wishes, and the rules. `n` NPCs, `o` players."""

    position: Floats  # n 2, m
    velocity: Floats  # n 2, m/s
    wished: Floats  # n 2, m/s
    players: Floats  # o 4, m and m/s
    tables: RuleTables
    rows: NDArray[np.intp]  # n, of `tables`
    config: ShieldConfig

    @property
    def limits(self) -> tuple[Floats, Floats]:
        """Speed and acceleration, as the shield certifies them."""
        return certified_limits(self.tables, self.rows, self.config)

    @property
    def margin(self) -> float:
        """Metres kept beyond every rule."""
        return self.config.eps + self.config.tolerance


Filter: TypeAlias = Callable[[Moment], Floats]


def nothing(moment: Moment) -> Floats:
    """Lets the plan run as it is."""
    return moment.wished


def next_state(moment: Moment) -> Floats:
    """Takes the wish or, of some two dozen commands, the one nearest to it after which all rules hold; else brakes.

    Looks one tick ahead and no further. Mates and players are taken to stand still for that tick.
    """
    out = np.empty_like(moment.wished)
    speed, acceleration = moment.limits
    change = acceleration * moment.tables.dt
    for i in range(len(out)):
        now, wish = moment.velocity[i], moment.wished[i]
        tried = project(_variants(wish, now, change[i]), now, speed[i], change[i])  # k 2
        good = _next_holds(moment, i, moment.position[i] + tried * moment.tables.dt)
        far = np.hypot(*(tried - wish).T)
        stop = now * max(0.0, 1.0 - change[i] / max(float(np.hypot(*now)), 1e-12))
        out[i] = tried[np.argmin(np.where(good, far, np.inf))] if good.any() else stop
    return out


def _variants(wish: Floats, now: Floats, change: float) -> Floats:
    """The wish, slower and turned ones, and the rim of what can be reached in a tick."""
    cos, sin = np.cos(_TURNS), np.sin(_TURNS)
    turned = np.stack([wish[0] * cos - wish[1] * sin, wish[0] * sin + wish[1] * cos], 1)
    ring = now + change * np.stack([np.cos(_RING), np.sin(_RING)], 1)
    return np.concatenate([wish * _SCALES[:, None], turned, ring])


def _next_holds(moment: Moment, i: int, places: Float[np.ndarray, "k 2"]) -> Bool[np.ndarray, " k"]:
    tables, row = moment.tables, moment.rows[i]
    clear = shape_clearance(tables, places)[:, tables.shape_mask[row]]
    good: NDArray[np.bool_] = clear.min(1, initial=np.inf) >= tables.radius[row] + moment.config.eps
    mates = np.arange(len(moment.position)) != i
    gap = np.hypot(*np.moveaxis(places[:, None] - moment.position[mates], -1, 0))
    good &= (gap >= tables.spacing[row, moment.rows[mates]] + moment.config.eps).all(1)
    for rule in tables.apart:
        if rule.binds[row] and not rule.near:
            before = np.hypot(*(moment.position[i] - moment.players[:, :2]).T)
            after = np.hypot(*np.moveaxis(places[:, None] - moment.players[:, :2], -1, 0))
            good &= ((after >= rule.distance) | (after >= before)).all(1)
    return good


def barrier(moment: Moment) -> Floats:
    """A control barrier function filter as a quadratic program; where it has no solution, the brake."""
    return _barriers(moment, relaxed=False)


def relaxed_barrier(moment: Moment) -> Floats:
    """The same as it usually comes: every barrier may be violated at a price, so that there always is a solution."""
    return _barriers(moment, relaxed=True)


def _barriers(moment: Moment, *, relaxed: bool) -> Floats:
    out = np.empty_like(moment.wished)
    speed, acceleration = moment.limits
    change = acceleration * moment.tables.dt
    for i in range(len(out)):
        now = moment.velocity[i]
        normals, bounds = _half_planes(moment, i, acceleration[i] / speed[i])
        rims = [_rim(np.zeros(2), speed[i], now), _rim(now, change[i], -now)]
        hard = np.concatenate([rim[0] for rim in rims]), np.concatenate([rim[1] for rim in rims])
        found = nearest(moment.wished[i], (normals, bounds), hard, SLACK if relaxed else None)
        stop = now * max(0.0, 1.0 - change[i] / max(float(np.hypot(*now)), 1e-12))
        out[i] = stop if found is None else found
    return project(out, moment.velocity, speed, change)


def _half_planes(moment: Moment, i: int, gain: float) -> tuple[Floats, Floats]:
    """The barriers dh/dt >= -gain h as normals and bounds, normal . u >= bound.

    h is the distance in hand from each edge, mate and player nearby. The gain, acceleration / speed, is the largest
    at which the approach speed gain x h can still be braked off. Mates share what they must give way (Wang, Ames and
    Egerstedt 2017), players are taken to go on as they go.
    """
    tables, row, here = moment.tables, moment.rows[i], moment.position[i]
    normals, bounds = list[Floats](), list[float]()

    def add(gap: Floats, needed: float, share: float, drift: float) -> None:
        """Adds one barrier: `gap` from it to here, `drift` the speed at which it comes."""
        far = float(np.hypot(*gap))
        if _TINY < far < needed + SIGHT:
            normals.append(gap / far)
            bounds.append(drift - share * gain * (far - needed))

    mine = tables.shape_mask[row][tables.edge_shape]
    edges = tables.edges[mine]
    along = edges[:, 2:] - edges[:, :2]
    part = np.clip(((here - edges[:, :2]) * along).sum(1) / ((along * along).sum(1) + 1e-30), 0.0, 1.0)
    for gap in here - (edges[:, :2] + part[:, None] * along):
        add(gap, float(tables.radius[row]) + moment.margin, 1.0, 0.0)
    for j in range(len(moment.position)):
        needed = float(tables.spacing[row, moment.rows[j]])
        if j != i and needed > 0.0:
            add(here - moment.position[j], needed + 2 * moment.margin, 0.5, 0.0)
    for rule in tables.apart:
        for player in moment.players if rule.binds[row] and not rule.near else ():
            gap = here - player[:2]
            drift = float(gap @ player[2:]) / max(float(np.hypot(*gap)), _TINY)
            add(gap, rule.distance + moment.margin, 1.0, drift)
    return np.array(normals).reshape(-1, 2), np.array(bounds)


def _rim(centre: Floats, radius: float, towards: Floats) -> tuple[Floats, Floats]:
    """A polygon within a disc, one corner of it in the direction `towards`: normals and bounds, normal . u >= bound."""
    first = np.arctan2(towards[1], towards[0])
    angle = first + (np.arange(SIDES) + 0.5) * (2 * np.pi / SIDES)
    normals = -np.stack([np.cos(angle), np.sin(angle)], 1)
    return normals, normals @ centre - radius * np.cos(np.pi / SIDES)


Planes: TypeAlias = tuple[Floats, Floats]  # normals q 2 and bounds q: normal . u >= bound


def nearest(wish: Floats, barriers: Planes, hard: Planes, slack: float | None) -> Floats | None:
    """Finds the velocity nearest to a wish by an exact quadratic program; None where there is none.

    minimise |u - wish|^2 + slack sum s^2 with normal . u + s >= bound for the barriers, normal . u >= bound for `hard`;
    without `slack`, s is 0. Solved as least distance programming by non-negative least squares (Lawson and Hanson 1974,
    chapter 23).

    Args:
        wish: 2.
        barriers: what may be relaxed.
        hard: what may not.
        slack: the weight of a violation, None: nothing is relaxed.
    """
    normals = np.concatenate([barriers[0], hard[0]])
    rest = np.concatenate([barriers[1], hard[1]]) - normals @ wish
    columns = normals
    if slack is not None:
        free = np.zeros((len(rest), len(barriers[1])))
        np.fill_diagonal(free, slack**-0.5)
        columns = np.concatenate([normals, free], 1)
    if (rest <= 0.0).all():
        return wish.copy()
    system = np.concatenate([columns.T, rest[None]])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    dual, _ = nnls(system, goal, maxiter=50 * system.shape[1])
    residual = system @ dual - goal
    if residual[-1] > -_TINY:
        return None
    return np.asarray(wish - residual[:2] / residual[-1])
