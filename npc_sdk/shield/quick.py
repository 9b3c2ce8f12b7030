"""The certificate by compiled loops where numba is there: arrays in, the same verdicts out (docs/adr/0016)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, KINDS, RuleTables
from npc_sdk.kernels import certificate as kernel
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.kernels.moving import Them
from npc_sdk.shield.ground import Movers, ShieldConfig, certified_limits, headings, rounding, turn_give
from npc_sdk.shield.moving import Others, targets
from npc_sdk.shield.outstanding import Outstanding

_FASTEST = 1e6  # m/s; what is faster is no game's doing, and left to the definition
_COLUMNS = kernel.Columns(
    leash=KIND["leash"],
    speed=KIND["speed"],
    acceleration=KIND["acceleration"],
    turn=KIND["turn"],
    spacing=KIND["spacing"],
    grid=KIND["grid"],
    steering=KIND["steering"],
    kinds=len(KINDS),
)


def serves(movers: Movers, config: ShieldConfig) -> bool:
    """Says whether the compiled loops may certify these movers."""
    if not (AVAILABLE and config.compiled and len(movers.ids)):
        return False
    return bool(np.abs(movers.velocity).max() <= _FASTEST)


def judge(
    movers: Movers,
    tables: RuleTables,
    outstanding: Outstanding,
    rows: NDArray[np.intp],
    wishes: Float[np.ndarray, "n m 2"],
    config: ShieldConfig,
    others: Others,
    apply_tick: int,
    tried: kernel.Tried,
) -> kernel.Answer:
    """Certifies what moves; raises as `npc_sdk.shield.ground.survey` does."""
    position, velocity = _floats(movers.position).reshape(-1, 2), _floats(movers.velocity).reshape(-1, 2)
    eps = rounding(tables, position, config)
    speed, acceleration = certified_limits(tables, rows, config)
    give = turn_give(tables, rows, config)
    seen, moving = movers.seen_position, movers.seen_velocity
    them = targets(tables, rows, others)
    course = headings(movers, tables, outstanding, rows, give, apply_tick)
    arcs = (
        np.zeros((len(rows), 5))
        if course is None
        else np.stack([course.expected, course.low, course.high, course.least, course.most], 1)
    )
    crowd = kernel.Movers(
        rows=_plain(rows, np.int64),
        order=np.argsort(position[:, 0]),
        position=position,
        velocity=velocity,
        seen_position=position if seen is None else _floats(seen).reshape(-1, 2),
        seen_velocity=velocity if moving is None else _floats(moving).reshape(-1, 2),
        promised=_floats(outstanding.points(movers.ids, position)),
        certified_speed=speed,
        certified_acceleration=acceleration,
        speed=tables.speed[rows],
        acceleration=tables.acceleration[rows],
        radius=tables.radius[rows],
        home=tables.home[rows],
        leash=tables.leash[rows],
        turn=tables.turn[rows] * tables.dt,
        turn_above=tables.turn_above[rows],
        heading=arcs,
    )
    return kernel.certify(  # type: ignore[no-any-return]
        _rules(tables),
        crowd,
        Them(
            place=_floats(them.place),
            distance=_floats(them.distance),
            top_speed=_floats(them.top_speed),
            near=_plain(them.near, np.bool_),
            kind=_plain(them.kind, np.int64),
            binds=_plain(them.binds, np.bool_),
            age_ticks=int(them.age_ticks),
        ),
        kernel.Terms(eps, float(config.tolerance), give),
        tried,
        _COLUMNS,
        wishes,
    )


def _plain(values: NDArray[Any], kind: type) -> NDArray[Any]:
    """The values as an array of the one kind and layout that the loops are compiled for."""
    if isinstance(values, np.ndarray) and values.dtype == kind and values.flags.carray:
        return values
    return np.require(values, kind, ["C", "W"])


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return _plain(values, np.float64)


@lru_cache(maxsize=64)
def _rules(tables: RuleTables) -> kernel.Rules:
    """Lays the tables of one game out for the loops."""
    ways = [way.edges for way in tables.no_stop]
    return kernel.Rules(
        dt=float(tables.dt),
        spacing=_floats(tables.spacing),
        widest=float(tables.spacing.max(initial=0.0)),
        edges=_floats(tables.edges),
        shape_first=_plain(np.append(tables.shape_first, len(tables.edges)), np.int64),
        shape_kind=_plain(tables.shape_kind, np.int64),
        shape_inside=_plain(tables.shape_inside, np.bool_),
        shape_mask=_plain(tables.shape_mask, np.bool_),
        way_edges=_floats(np.concatenate([np.zeros((0, 4)), *ways])),
        way_first=_plain(np.cumsum([0, *(len(way) for way in ways)]), np.int64),
        way_kind=np.array([way.kind for way in tables.no_stop], np.int64),
        way_binds=np.array([way.binds for way in tables.no_stop], np.bool_).reshape(len(ways), len(tables.ids)),
        moves=_floats(tables.moves),
        steers=tables.steers,
    )
