"""What a certificate is judged against in one call: the edges, half-planes and radii near each NPC, and its own start.

Recovery is not a second algorithm. Every requirement is the smaller of the full one and "no worse than the start's
committed segment", so an NPC off its certificate is bound by never-closer, one on it by the rule. Where the start is
short of the full margin, a motion must also gain a tenth of eps by its end: rounding cannot wear the margin down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, KINDS, Clearway, RuleTables
from npc_sdk.constraints.clearance import inside, length, point_distance, segment_distance
from npc_sdk.errors import ConstraintError
from npc_sdk.shield.brake import brake, brake_end, travel
from npc_sdk.shield.heading import Headings, direction, promised_headings
from npc_sdk.shield.moving import Others, Targets, never_worse, targets
from npc_sdk.shield.outstanding import Outstanding
from npc_sdk.shield.separation import separate

FLOAT32 = 3e-7  # relative rounding of commands on the wire, with room to spare
_FAR = 1e8
_OWN = 4  # points of an NPC's own: where it is and would rest, as expected and as seen


@dataclass(frozen=True, slots=True)
class ShieldConfig:
    """Margins that the certificate keeps beyond the rules. The last hop matches with `Certified.tolerance`, at most the
    first of them, and with the second."""

    tolerance: float = 0.02  # m off its expected place at which an NPC still runs a step
    velocity_tolerance: float = 0.05  # m/s off its expected velocity at which it still adopts a chunk
    eps: float = 1e-3  # m, for rounding; widened with the size of the coordinates
    largest_coordinate: float = 1e4  # m, beyond which a game must rebase to a local origin
    compiled: bool = True  # by compiled loops where numba is there; False: by the NumPy code that defines them


@dataclass(frozen=True, slots=True)
class Movers:
    """The living NPCs: where they will be at the apply tick, and where the snapshot showed them.

    position and velocity: exact at the tick the answer applies (assumption K2). seen_position and seen_velocity: at the
    tick of the snapshot; None where the answer applies at that very tick. names: role and type of each, by which rules
    say whom to spare; None: all of them are just NPCs. heading: rad, of cars, at the apply tick, and as the snapshot
    showed it; None where it applies at that very tick. airborne: who obeys nobody for now; None: all obey.
    """

    ids: NDArray[np.uint32]  # n
    position: Float[np.ndarray, "n 2"]
    velocity: Float[np.ndarray, "n 2"]
    seen_position: Float[np.ndarray, "n 2"] | None = None
    seen_velocity: Float[np.ndarray, "n 2"] | None = None
    names: tuple[frozenset[str], ...] | None = None
    heading: Float[np.ndarray, " n"] | None = None
    seen_heading: Float[np.ndarray, " n"] | None = None
    airborne: Bool[np.ndarray, " n"] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Requirements on every step of this call. k near edges, j near NPCs, p shapes, c kinds of rules."""

    dt: float
    eps: float
    position: Float[np.ndarray, "n 2"]
    velocity: Float[np.ndarray, "n 2"]
    speed: Float[np.ndarray, " n"]  # certified, a little under the limit
    acceleration: Float[np.ndarray, " n"]
    body: Float[np.ndarray, " n"]  # radius
    edges: Float[np.ndarray, "n k 4"]  # far away where an NPC has fewer
    edge_kind: NDArray[np.int64]  # n k
    edge_column: Float[np.ndarray, "n k c"]  # 1 in the column of the edge's kind
    swept: Float[np.ndarray, "n k"]  # clearance that the whole segment needs
    final: Float[np.ndarray, "n k"]  # clearance that its end needs
    lost: tuple[tuple[int, int, float], ...]  # (NPC, shape, signed clearance it must not go below)
    home: Float[np.ndarray, "n 2"]
    leash: Float[np.ndarray, " n"]
    clearways: tuple[tuple[Clearway, Float[np.ndarray, " n"]], ...]  # and how far outside each NPC must come to rest
    them: Targets  # whom rules about others are about
    spare: float  # m that a motion must have in hand against them
    turn: Float[np.ndarray, " n"]  # rad per tick by which the direction may change at this NPC's speeds; infinity: any
    turn_above: Float[np.ndarray, " n"]  # m/s from which it binds
    turn_give: float  # m/s by which the velocity may be off
    headings: Headings | None  # of cars
    moves: Float[np.ndarray, "m 2"]  # m/s, all that a body can be told; without rows anything
    planes: Float[np.ndarray, "n j 3"]  # x . (0, 1) <= 2
    plane_slack: Float[np.ndarray, "n j"]  # what 2 keeps in hand beyond the bare rule
    frozen: Bool[np.ndarray, " n"]  # only the brake is left, until promises that cross another's have run out
    tolerance: Float[np.ndarray, " n"]  # m off its place at which each NPC may run this chunk
    broken: Bool[np.ndarray, "n c"]  # the start is off its certificate
    near: Bool[np.ndarray, "n c"]  # within this chunk's reach


def survey(
    movers: Movers,
    tables: RuleTables,
    outstanding: Outstanding,
    steps: int,
    config: ShieldConfig,
    others: Others,
    apply_tick: int,
) -> Ground:
    """Gathers what `steps` steps from the movers' start at the apply tick can meet, and judges that start.

    Raises:
        ValueError: bodies are cars, and no heading is given.
        ConstraintError: a tolerance eats up half an NPC's acceleration, or coordinates are too large to certify.
    """
    rows = tables.rows(movers.ids)
    position = np.asarray(movers.position, np.float64).reshape(-1, 2)
    velocity = np.asarray(movers.velocity, np.float64).reshape(-1, 2)
    dt = tables.dt
    eps = rounding(tables, position, config)
    margin = eps + config.tolerance
    speed, acceleration = certified_limits(tables, rows, config)
    give = turn_give(tables, rows, config)
    pace = np.maximum(speed, np.hypot(velocity[:, 0], velocity[:, 1]))
    reach = pace * dt * steps + travel(pace, acceleration, dt)
    stop = brake_end(position, velocity, acceleration, dt)

    broken = np.zeros((len(rows), len(KINDS)), np.bool_)
    near = np.zeros_like(broken)
    broken[:, KIND["speed"]] = np.hypot(velocity[:, 0], velocity[:, 1]) > tables.speed[rows] * (1.0 + 1e-6)
    broken[:, KIND["grid"]] = runs_on(tables, velocity, acceleration)

    body = tables.radius[rows]
    edges, shape = _near_edges(tables, rows, position, reach + body + margin)
    kind = np.where(shape >= 0, tables.shape_kind[shape], -1)
    committed = segment_distance(position[:, None], stop[:, None], edges)
    allowed = inside(position, tables.edges, tables.shape_first) == tables.shape_inside
    lost_shape = tables.shape_mask[rows] & ~allowed  # n p
    for npc, slot in np.argwhere(committed <= 0.0):
        lost_shape[npc, shape[npc, slot]] = True
    full = (body + margin)[:, None]
    skip = np.take_along_axis(lost_shape, shape, 1)
    swept = np.where(skip, -np.inf, np.minimum(full, committed))
    final = np.where(skip, -np.inf, np.minimum(full, committed + 0.1 * eps))
    short = committed < body[:, None] + 0.5 * eps
    for column in np.unique(tables.shape_kind):
        near[:, column] = (kind == column).any(1)
        broken[:, column] = (short & (kind == column)).any(1) | lost_shape[:, tables.shape_kind == column].any(1)
    lost = tuple(
        (int(npc), int(which), min(_signed(tables, int(which), position[npc]), _signed(tables, int(which), stop[npc])))
        for npc, which in np.argwhere(lost_shape)
    )

    home, limit = tables.home[rows], tables.leash[rows]
    away = np.maximum(length(position - home), length(stop - home))
    tether = np.minimum(margin, limit - away + 0.1 * eps)
    broken[:, KIND["leash"]] = away > limit - 0.5 * eps
    near[:, KIND["leash"]] = away + reach > limit

    clearways = []
    for way in tables.no_stop:
        outside = clear_of(way, stop)
        bound = way.binds[rows]
        clearways.append((way, np.where(bound, np.minimum(margin, outside + 0.1 * eps), -np.inf)))
        broken[:, way.kind] |= bound & (outside < 0.5 * eps)
        near[:, way.kind] |= bound & (clear_of(way, position) < reach)

    them = targets(tables, rows, others)
    stopping = brake(velocity, acceleration, dt)
    first = np.zeros(len(rows), np.int64)
    everybody = np.arange(len(rows))
    in_hand = never_worse(them, everybody, position, stopping, first, acceleration, dt, 0.0)  # n j
    gap = np.hypot(*np.moveaxis(position[:, None] - them.place, -1, 0))  # n j
    time = dt * (them.age_ticks + steps) + pace / acceleration
    touch = np.where(
        them.near,
        gap + reach[:, None] > them.distance,
        gap - reach[:, None] < them.distance + time[:, None] * them.top_speed,
    )
    for column in np.unique(them.kind):
        ours = them.kind == column
        broken[:, column] = (in_hand[:, ours] < -1e-9).any(1)
        near[:, column] = (touch & them.binds)[:, ours].any(1)

    held = _held(movers, outstanding, position, velocity, acceleration, dt)
    planes, slack, tight, frozen = _half_planes(position, held, tables.spacing[np.ix_(rows, rows)], reach, margin, eps)
    broken[:, KIND["spacing"]] = tight
    near[:, KIND["spacing"]] = np.isfinite(planes[:, :, 2]).any(1)
    # A chunk that starts short of the full margin has less to give away: offsets must not add up from chunk to chunk.
    clear = np.where(skip, np.inf, swept - body[:, None])
    resting = [np.where(way.binds[rows], need, np.inf) for way, need in clearways]
    least = (room.min(1, initial=np.inf) for room in (clear, slack, in_hand))
    spare = np.minimum.reduce([tether, *least, *resting])
    return Ground(
        dt=dt,
        eps=eps,
        position=position,
        velocity=velocity,
        speed=speed,
        acceleration=acceleration,
        body=body,
        edges=edges,
        edge_kind=kind,
        edge_column=(kind[..., None] == np.arange(len(KINDS))).astype(np.float64),
        swept=swept,
        final=final,
        lost=lost,
        home=home,
        leash=limit - tether,
        clearways=tuple(clearways),
        them=them,
        spare=margin,
        turn=tables.turn[rows] * dt,
        turn_above=tables.turn_above[rows],
        turn_give=give,
        headings=headings(movers, tables, outstanding, rows, give, apply_tick),
        moves=tables.moves,
        planes=planes,
        plane_slack=slack,
        frozen=frozen,
        tolerance=np.clip(spare - 0.5 * eps, min(0.1 * eps, config.tolerance), config.tolerance),
        broken=broken,
        near=near,
    )


def half_planes(
    movers: Movers, tables: RuleTables, outstanding: Outstanding, steps: int, config: ShieldConfig
) -> Float[np.ndarray, "n j 3"]:
    """Returns each NPC's part of the floor, x . (0, 1) <= 2 in metres, as the next `steps` steps will be judged by it.

    Where a step and the brake after it end must lie in all of them; an NPC that no spacing rule binds has none near.
    """
    rows = tables.rows(movers.ids)
    spacing = tables.spacing[np.ix_(rows, rows)]
    if not (spacing > 0).any():
        return np.zeros((len(rows), 0, 3))
    position = np.asarray(movers.position, np.float64).reshape(-1, 2)
    velocity = np.asarray(movers.velocity, np.float64).reshape(-1, 2)
    eps = rounding(tables, position, config)
    speed, acceleration = certified_limits(tables, rows, config)
    pace = np.maximum(speed, length(velocity))
    reach = pace * tables.dt * steps + travel(pace, acceleration, tables.dt)
    held = _held(movers, outstanding, position, velocity, acceleration, tables.dt)
    return _half_planes(position, held, spacing, reach, eps + config.tolerance, eps)[0]


def astray(
    tables: RuleTables,
    rows: NDArray[np.intp],
    position: Float[np.ndarray, "q 2"],
    velocity: Float[np.ndarray, "q 2"],
    config: ShieldConfig,
    eps: float,
) -> Bool[np.ndarray, " q"]:
    """Says who has no brake that keeps the rules about places and speed: of `survey`'s judgement what stands still."""
    limit = certified_limits(tables, rows, config)[1]
    stop = brake_end(position, velocity, limit, tables.dt)
    short = (
        segment_distance(position[:, None], stop[:, None], tables.edges[None]) < tables.radius[rows, None] + 0.5 * eps
    )
    out: NDArray[np.bool_] = (short & tables.shape_mask[rows][:, tables.edge_shape]).any(1)
    allowed = inside(position, tables.edges, tables.shape_first) == tables.shape_inside
    out |= (tables.shape_mask[rows] & ~allowed).any(1)
    home = tables.home[rows]
    out |= np.maximum(length(position - home), length(stop - home)) > tables.leash[rows] - 0.5 * eps
    for way in tables.no_stop:
        out |= way.binds[rows] & (clear_of(way, stop) < 0.5 * eps)
    out |= runs_on(tables, velocity, limit)
    return np.asarray(out | (length(velocity) > tables.speed[rows] * (1.0 + 1e-6)))


def runs_on(
    tables: RuleTables, velocity: Float[np.ndarray, "q 2"], acceleration: Float[np.ndarray, " q"]
) -> Bool[np.ndarray, " q"]:
    """Says which bodies that go by whole cells cannot stop at once: their brake is no move."""
    return np.asarray(bool(tables.moves.size) & (length(velocity) > acceleration * tables.dt * (1.0 + 1e-9)))


def headings(
    movers: Movers,
    tables: RuleTables,
    outstanding: Outstanding,
    rows: NDArray[np.intp],
    give: float,
    apply_tick: int,
) -> Headings | None:
    """Returns where cars may head; None for other bodies.

    Raises:
        ValueError: they are cars, and no heading is given.
    """
    if not tables.steers:
        return None
    if movers.heading is None:
        raise ValueError("movers: expected the heading of every car, got none")
    heading = np.asarray(movers.heading, np.float64)
    seen = [heading if movers.seen_heading is None else np.asarray(movers.seen_heading, np.float64)]
    for velocity in (movers.velocity, movers.seen_velocity):
        if velocity is not None:
            seen.append(np.where((velocity != 0.0).any(1), direction(velocity), np.nan))
    turn = tables.turn[rows] * tables.dt
    tells = tables.turn_above[rows] - give
    return promised_headings(movers.ids, outstanding, heading, np.stack(seen, 1), turn, tells, apply_tick)


def check_numbers(movers: Movers) -> None:
    """Refuses movers of which nothing can be said: what is no number passes every comparison that should stop it.

    Raises:
        ConstraintError: says which of their numbers is none.
    """
    for name in ("velocity", "seen_position", "seen_velocity", "heading", "seen_heading"):
        told = getattr(movers, name)
        if told is not None and not np.isfinite(told).all():
            raise ConstraintError(f"movers: expected a {name} in numbers, got {np.asarray(told).tolist()}")


def check_movers(movers: Movers, tables: RuleTables, config: ShieldConfig) -> None:
    """Refuses movers that cannot be certified, before anything is remembered of the look that shows them.

    Raises:
        ConstraintError: see `check_numbers` and `survey`.
    """
    rows = tables.rows(movers.ids)
    check_numbers(movers)
    rounding(tables, movers.position, config)
    certified_limits(tables, rows, config)
    turn_give(tables, rows, config)


def check_margins(tables: RuleTables, config: ShieldConfig) -> None:
    """Refuses limits so tight that the tolerances of the last hop leave nothing of them, and places too far off.

    Raises:
        ConstraintError: says which limit, and what it would have to be.
    """
    everybody = np.arange(len(tables.ids))
    rounding(tables, np.zeros((0, 2)), config)
    turn_give(tables, everybody, config)
    speed, acceleration = certified_limits(tables, everybody, config)
    pace = length(tables.moves[1:])
    if len(pace) and np.any(speed < pace.min() * (1.0 - 1e-9)):
        raise ConstraintError(
            f"speed limit: expected at least {pace.min():.9g} m/s, a cell per tick, got {speed.min():g}; who is slower "
            "never moves"
        )
    fastest = np.where(pace <= speed[:, None] * (1.0 + 1e-9), pace, 0.0).max(1, initial=0.0)
    if runs_on(tables, fastest[:, None] * [1.0, 0.0], acceleration).any():
        needed = (float(fastest.max()) + config.velocity_tolerance) / tables.dt
        raise ConstraintError(
            f"acceleration limit: expected more than {needed:g} m/s^2, so that a step of "
            f"{float(fastest.max()) * tables.dt:g} m ends with its tick, got {float(tables.acceleration.min()):g}"
        )


def rounding(tables: RuleTables, position: Float[np.ndarray, "n 2"], config: ShieldConfig) -> float:
    """Returns eps: what float32 coordinates of this size may be off by the end of a brake.

    A brake is certified once for all its ticks, and each of them rounds. Its speeds fall evenly to nothing, so what is
    rounded away along an axis adds up to at most a quarter of a unit in the last place per tick: 0.36 in the plane.

    Raises:
        ConstraintError: they are too large to certify, or no numbers.
    """
    outlines = [tables.edges, *(way.edges for way in tables.no_stop)]
    largest = max(float(np.abs(numbers).max(initial=0.0)) for numbers in (position, *outlines))
    if not (np.isfinite(position).all() and largest <= config.largest_coordinate):
        raise ConstraintError(
            f"coordinates: expected at most {config.largest_coordinate:g} m from the origin, got {largest:g}; "
            "rebase to a local origin"
        )
    change = tables.acceleration * tables.dt
    change = np.maximum(change - config.velocity_tolerance, 0.5 * change)  # m/s per tick, at least
    ticks = float((tables.speed / change).max(initial=0.0))
    return max(config.eps, max(8.0, 4.0 + 0.36 * ticks) * float(np.spacing(np.float32(largest))))


def certified_limits(
    tables: RuleTables, rows: NDArray[np.intp], config: ShieldConfig
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Returns the speed and acceleration to certify with: under the limits by the velocity tolerance and rounding.

    A body that goes by whole cells has exact velocities, the fastest of which may be its top speed.
    """
    speed = tables.speed[rows] * (1.0 if len(tables.moves) else 1.0 - 1e-6)
    give = (config.velocity_tolerance + FLOAT32 * speed) / tables.dt
    limit = tables.acceleration[rows]
    if np.any(give > 0.5 * limit):
        raise ConstraintError(
            f"velocity tolerance: expected at most half of the slowest NPC's change per tick "
            f"({0.5 * float(limit.min()) * tables.dt:g} m/s), got {config.velocity_tolerance:g} m/s"
        )
    return speed, limit - give


def turn_give(tables: RuleTables, rows: NDArray[np.intp], config: ShieldConfig) -> float:
    """Returns by how much velocities may be off, in m/s, having made sure that directions can be told well enough."""
    give = config.velocity_tolerance + FLOAT32 * float(tables.speed[rows].max(initial=0.0))
    limited = np.flatnonzero(np.isfinite(tables.turn[rows]))
    for above, turn in zip(
        tables.turn_above[rows][limited].tolist(), (tables.turn[rows][limited] * tables.dt).tolist(), strict=True
    ):
        if not give < (above - give) * np.sin(min(0.75 * turn, 0.5 * np.pi)):
            raise ConstraintError(
                f"turn limit: expected a rate and a speed from which it binds at which a velocity that is off by "
                f"{give:g} m/s tells the direction to three quarters of a tick's turn, got "
                f"{turn / tables.dt:g} rad/s above {above:g} m/s"
            )
    return give


def _near_edges(
    tables: RuleTables, rows: NDArray[np.intp], position: Float[np.ndarray, "n 2"], reach: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k 4"], NDArray[np.int64]]:
    """Picks each NPC's edges within reach, padded to one width; shape -1 marks padding."""
    distance = point_distance(position[:, None], tables.edges[None])  # n e
    wanted = (distance <= reach[:, None]) & tables.shape_mask[rows][:, tables.edge_shape]
    width = int(wanted.sum(1).max(initial=0))
    order = np.argsort(~wanted)[:, :width]
    real = np.take_along_axis(wanted, order, 1)
    edges = np.where(real[..., None], tables.edges[order], np.array([_FAR, _FAR, _FAR + 1.0, _FAR]))
    return edges, np.where(real, tables.edge_shape[order], -1)


def clear_of(way: Clearway, points: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns each point's signed distance from a clearway, positive outside."""
    flat = points.reshape(-1, 2)
    distance = point_distance(flat[:, None], way.edges[None]).min(1)
    within = inside(flat, way.edges, np.zeros(1, np.int64))[:, 0]
    return np.asarray(np.where(within, -distance, distance).reshape(points.shape[:-1]))


def signed_clearance(tables: RuleTables, shape: int, points: Float[np.ndarray, "q 2"]) -> Float[np.ndarray, " q"]:
    """Returns each point's signed distance from one outline, positive on the allowed side."""
    edges = tables.edges[tables.edge_shape == shape]
    distance = point_distance(points[:, None], edges[None]).min(1)
    allowed = inside(points, edges, np.zeros(1, np.int64))[:, 0] == tables.shape_inside[shape]
    return np.asarray(np.where(allowed, distance, -distance))


def _signed(tables: RuleTables, shape: int, point: Float[np.ndarray, 2]) -> float:
    return float(signed_clearance(tables, shape, point[None])[0])


def _held(
    movers: Movers,
    outstanding: Outstanding,
    position: Float[np.ndarray, "n 2"],
    velocity: Float[np.ndarray, "n 2"],
    acceleration: Float[np.ndarray, " n"],
    dt: float,
) -> Float[np.ndarray, "n p 2"]:
    """Everywhere each NPC may come without a new chunk: issued paths, and the brakes from where it is and will be."""
    seen, moving = position, velocity
    if movers.seen_position is not None:
        seen = np.asarray(movers.seen_position, np.float64).reshape(-1, 2)
    if movers.seen_velocity is not None:
        moving = np.asarray(movers.seen_velocity, np.float64).reshape(-1, 2)
    ends = brake_end(np.stack([position, seen]), np.stack([velocity, moving]), acceleration, dt)  # 2 n 2
    own = np.stack([position, ends[0], seen, ends[1]], axis=1)  # n _OWN 2
    return np.concatenate([outstanding.points(movers.ids, position), own], axis=1)


def _half_planes(
    position: Float[np.ndarray, "n 2"],
    held: Float[np.ndarray, "n p 2"],
    spacing: Float[np.ndarray, "n n"],
    reach: Float[np.ndarray, " n"],
    margin: float,
    eps: float,
) -> tuple[Float[np.ndarray, "n j 3"], Float[np.ndarray, "n j"], Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Gives each NPC its half of the floor against every near one; says whose outstanding sets are too close.

    Frozen are those whose sets are too close because of what was promised, not because of where they are: somebody came
    off its promise. Half-planes of sets that overlap protect nobody, and a brake adds no point, so they wait for the
    promises to run out.
    """
    n = len(position)
    tight, frozen = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    extent = np.maximum(reach, length(held - position[:, None]).max(1))
    needed = spacing + 2.0 * margin
    apart = length(position[:, None] - position[None])
    close = np.triu((spacing > 0) & (apart < needed + extent[:, None] + extent[None] + eps), 1)
    first, second = np.nonzero(close)
    if len(first) == 0:
        return np.zeros((n, 0, 3)), np.zeros((n, 0)), tight, frozen
    slabs = separate(held, first, second)
    gap, rule, want = slabs.gap, spacing[first, second], needed[first, second]
    keep = np.minimum(want, gap + 0.1 * eps)
    middle = 0.5 * (slabs.low + slabs.high)
    lower, upper = middle - 0.5 * keep, middle + 0.5 * keep
    bad = gap < rule + 0.5 * eps
    np.logical_or.at(tight, first[bad], True)
    np.logical_or.at(tight, second[bad], True)
    if bad.any():
        bare = separate(held[:, -_OWN:], first[bad], second[bad]).gap
        crossed = gap[bad] < np.minimum(bare, rule[bad]) - 0.1 * eps
        frozen[first[bad][crossed]] = frozen[second[bad][crossed]] = True
    owner = np.concatenate([first, second])
    plane = np.concatenate([np.column_stack([slabs.normal, lower]), np.column_stack([-slabs.normal, -upper])])
    slack = np.tile(0.5 * (keep - rule), 2)
    order = np.argsort(owner, kind="stable")
    owner, plane, slack = owner[order], plane[order], slack[order]
    slot = np.arange(len(owner)) - np.searchsorted(owner, owner)
    planes = np.zeros((n, int(slot.max()) + 1, 3))
    planes[..., 2] = np.inf
    planes[owner, slot] = plane
    slacks = np.full(planes.shape[:2], np.inf)
    slacks[owner, slot] = slack
    return planes, slacks, tight, frozen
