"""The last word on every chunk: each step is certified, or replaced by the nearest certified one, or by the brake.

Knows neither world model nor planner nor weights: they enter only through proposals, and no proposal is trusted.
The proof is docs/explanation/shield.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, KINDS, RuleTables
from npc_sdk.constraints.clearance import segment_and_end_distance, segment_distance
from npc_sdk.shield.brake import brake, segment_end
from npc_sdk.shield.ground import Ground, Movers, ShieldConfig, signed_clearance, survey
from npc_sdk.shield.outstanding import Outstanding

REASONS = ("as proposed", "projected", "blended", "nearest", "brake")
"""How a step came about, from untouched to the last resort."""

_BLENDS = np.array([0.25, 0.5, 0.75])
_RING = np.arange(12) * (2.0 * np.pi / 12)
_TURNS = np.deg2rad([-90.0, -60.0, -30.0, -15.0, 15.0, 30.0, 60.0, 90.0])
_SAMPLES = np.array([0.25, 0.5, 0.75, 1.0])
_SAME = 1e-4  # m/s below which a change is rounding, not interference
_HUGE = 1e30  # m/s
_DEFAULT = ShieldConfig()


@dataclass(frozen=True, slots=True)
class Certified:
    """A chunk of m steps for n NPCs that the shield vouches for. c runs over KINDS; margins >= 0 are safe."""

    velocities: Float[np.ndarray, "n m 2"]  # representable in float32
    expected: Float[np.ndarray, "n m 4"]  # x y vx vy at the start of each step
    points: Float[np.ndarray, "n m 2 2"]  # what to hand to Outstanding.add once the chunk is sent
    triggers: Bool[np.ndarray, "n m t"]
    brake: Float[np.ndarray, " n"]  # m/s^2 for the last hop
    tolerance: Float[np.ndarray, " n"]  # m for the last hop; less where the start is short of margin
    guarded: Bool[np.ndarray, " n"]  # the start is on its certificate for every rule
    broken: Bool[np.ndarray, "n c"]  # rules that the start is off
    active: Bool[np.ndarray, "n c"]  # rules within this chunk's reach
    rejected: Bool[np.ndarray, "n c"]  # rules that turned down a proposed step
    margins: Float[np.ndarray, "n c"]  # smallest over the chunk; infinity where no rule is near
    changed: Bool[np.ndarray, "n m"]
    rank: NDArray[np.int8]  # n m, index into REASONS

    @property
    def reason(self) -> tuple[str, ...]:
        """The worst of REASONS per NPC, or why it is unguarded."""
        return tuple(
            "unguarded: " + ", ".join(KINDS[c] for c in np.flatnonzero(broken))
            if broken.any()
            else REASONS[int(rank.max(initial=0))]
            for broken, rank in zip(self.broken, self.rank, strict=True)
        )


def certify(
    movers: Movers,
    tables: RuleTables,
    outstanding: Outstanding,
    proposals: Float[np.ndarray, "n m 2"],
    *,
    triggers: Bool[np.ndarray, "n m t"] | None = None,
    hold_fire: bool = False,
    config: ShieldConfig = _DEFAULT,
) -> Certified:
    """Certifies one chunk for all living NPCs of a game together.

    Args:
        movers: where the NPCs are; `outstanding.forget(tick of that snapshot)` must have been called.
        tables: compiled rules that know every mover.
        outstanding: chunks issued before; not changed here.
        proposals: velocities per tick, m/s. Anything at all: NaN, infinity and 1e300 included.
        triggers: discrete commands that hold-fire forbids (fire, throw), per step.
        hold_fire: the game's flag in the snapshot.
        config: margins.

    Raises:
        KeyError: a mover was not compiled into the tables.
        ConstraintError: the tolerances or the coordinates make certification impossible (see `survey`).
    """
    wanted = _sane(np.asarray(proposals, np.float64))
    n, m, _ = wanted.shape
    ground = survey(movers, tables, outstanding, m, config)
    velocities, points, limited = _roll(ground, wanted)
    fails = _rejections(ground, tables, points[:, :, 0], points[:, :, 1])  # n m c
    bad = np.any(fails, axis=2) | ~np.all(np.isfinite(wanted), axis=2)
    rank = np.where(_norm(velocities - wanted) > _SAME, 1, 0).astype(np.int8)
    rank[~np.all(np.isfinite(wanted), axis=2)] = 1
    first = np.where(bad.any(1), bad.argmax(1), m)
    rejected = limited & (np.arange(m) <= first[:, None])[..., None]
    rejected |= fails & (np.arange(m) <= first[:, None])[..., None]
    for step in range(m):
        todo = np.flatnonzero(first <= step)
        if len(todo):
            _repair(ground, tables, wanted, step, todo, velocities, points, rank, rejected)
    shots = np.zeros((n, m, 0), np.bool_) if triggers is None else np.asarray(triggers, np.bool_)
    held = tables.hold_fire[tables.rows(movers.ids)] & hold_fire
    stopped = shots & held[:, None, None]
    changed = (rank > 0) | stopped.any(2)
    rejected_any = rejected.any(1)
    rejected_any[:, KIND["hold_fire"]] = stopped.any((1, 2))
    margins = _margins(ground, tables, movers, velocities, points)
    margins[:, KIND["hold_fire"]] = np.where(held, 0.0, np.inf)
    before = np.concatenate([ground.velocity[:, None], velocities[:, :-1]], 1)
    return Certified(
        velocities=velocities,
        expected=np.concatenate([points[:, :, 0], before], 2),
        points=points,
        triggers=shots & ~stopped,
        brake=ground.acceleration,
        tolerance=ground.tolerance,
        guarded=~np.any(ground.broken, axis=1),
        broken=ground.broken,
        active=_active(ground, wanted, held) | rejected_any,
        rejected=rejected_any,
        margins=margins,
        changed=changed,
        rank=rank,
    )


def _sane(proposals: Float[np.ndarray, "n m 2"]) -> Float[np.ndarray, "n m 2"]:
    """Makes every non-number NaN and every number one whose square is finite; both are far beyond any limit."""
    return np.where(np.isfinite(proposals), np.clip(proposals, -_HUGE, _HUGE), np.nan)


def project(
    wanted: Float[np.ndarray, "... 2"],
    velocity: Float[np.ndarray, "... 2"],
    speed: Float[np.ndarray, ...],
    change: Float[np.ndarray, ...],
) -> Float[np.ndarray, "... 2"]:
    """Returns a command within the speed disc and the acceleration disc, near the wanted one.

    Shortening to the speed limit and then towards the present velocity lands in both discs at once: they are convex
    and the velocity lies in both. Where the velocity is too fast, only the brake is left, and so for non-finite wishes.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size = _norm(wanted)
        usable = np.isfinite(size)
        target = np.where(usable[..., None], wanted, 0.0)
        target = target * np.minimum(1.0, speed / np.maximum(np.where(usable, size, 0.0), 1e-12))[..., None]
    step = target - velocity
    command = velocity + step * np.minimum(1.0, change / np.maximum(_norm(step), 1e-12))[..., None]
    slowest = velocity * np.maximum(0.0, 1.0 - change / np.maximum(_norm(velocity), 1e-12))[..., None]
    too_fast = _norm(command) > speed * (1.0 + 1e-9)
    # What is certified must be what the wire can carry.
    exact: Float[np.ndarray, "... 2"] = np.where(too_fast[..., None], slowest, command).astype(np.float32)
    return exact.astype(np.float64)


def _roll(
    ground: Ground, wanted: Float[np.ndarray, "n m 2"]
) -> tuple[Float[np.ndarray, "n m 2"], Float[np.ndarray, "n m 2 2"], Bool[np.ndarray, "n m c"]]:
    """Follows the proposals as far as speed and acceleration allow, blind to everything else."""
    n, m, _ = wanted.shape
    velocities, points = np.empty((n, m, 2)), np.empty((n, m, 2, 2))
    limited = np.zeros((n, m, len(KINDS)), np.bool_)
    here, now, everybody = ground.position, ground.velocity, np.arange(n)
    change = ground.acceleration * ground.dt
    for step in range(m):
        command = project(wanted[:, step], now, ground.speed, change)
        limited[:, step] = _limited(ground, everybody, wanted[:, step], now)
        points[:, step, 0] = here
        points[:, step, 1] = segment_end(here, command, ground.acceleration, ground.dt)
        velocities[:, step] = now = command
        here = here + command * ground.dt
    return velocities, points, limited


def _limited(
    ground: Ground, rows: NDArray[np.intp], wanted: Float[np.ndarray, "q 2"], now: Float[np.ndarray, "q 2"]
) -> Bool[np.ndarray, "q c"]:
    """Says whether the speed or the acceleration limit turns a wish down."""
    out = np.zeros((len(wanted), len(KINDS)), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        out[:, KIND["speed"]] = ~(_norm(wanted) <= ground.speed[rows] * (1.0 + 1e-5))
        change = ground.acceleration[rows] * ground.dt
        out[:, KIND["acceleration"]] = ~(_norm(wanted - now) <= change * (1.0 + 1e-5))
    return out


def _rejections(
    ground: Ground,
    tables: RuleTables,
    start: Float[np.ndarray, "n #q 2"],
    end: Float[np.ndarray, "n q 2"],
    rows: NDArray[np.intp] | None = None,
) -> Bool[np.ndarray, "n q c"]:
    """Says which kinds of rules turn down the segments start..end (one step and the brake after it) of each NPC."""
    pick: NDArray[np.intp] | slice = slice(None) if rows is None else rows
    out = np.zeros((*end.shape[:2], len(KINDS)), np.bool_)
    width = int(ground.edge_count[pick].max(initial=0))
    if width:
        edges = ground.edges[pick][:, None, :width]  # n 1 k 4
        clear, ends = segment_and_end_distance(start[:, :, None], end[:, :, None], edges)  # n q k
        short = (clear < ground.swept[pick][:, None, :width]) | (ends < ground.final[pick][:, None, :width])
        out = short.astype(np.float64) @ ground.edge_column[pick][:, :width] > 0.0
    out[..., KIND["leash"]] = _norm(end - ground.home[pick][:, None]) > ground.leash[pick][:, None]
    planes = ground.planes[pick][:, None]  # n 1 j 3
    if planes.shape[2]:
        over = end[:, :, None, 0] * planes[..., 0] + end[:, :, None, 1] * planes[..., 1] > planes[..., 2]
        out[..., KIND["spacing"]] = over.any(2) | ground.frozen[pick][:, None]
    index = {npc: place for place, npc in enumerate(range(len(ground.position)) if rows is None else rows.tolist())}
    for npc, shape, floor in ground.lost:
        if npc in index:
            place = index[npc]
            way = end[place] - start[place]
            path = start[place, :, None] + way[:, None] * _SAMPLES[:, None]  # q a 2
            depth = signed_clearance(tables, shape, path.reshape(-1, 2)).reshape(path.shape[:2])
            worse = (depth < floor).any(1) | (depth[:, -1] < floor + 0.1 * ground.eps)
            out[place, :, tables.shape_kind[shape]] |= worse
    return out


def _repair(
    ground: Ground,
    tables: RuleTables,
    wanted: Float[np.ndarray, "n m 2"],
    step: int,
    todo: NDArray[np.intp],
    velocities: Float[np.ndarray, "n m 2"],
    points: Float[np.ndarray, "n m 2 2"],
    rank: NDArray[np.int8],
    rejected: Bool[np.ndarray, "n m c"],
) -> None:
    """Writes one step of the NPCs `todo`: the certified candidate nearest to the proposal, else the brake."""
    if step == 0:
        here, now = ground.position[todo], ground.velocity[todo]
    else:
        now = velocities[todo, step - 1]
        here = points[todo, step - 1, 0] + now * ground.dt
    wish = wanted[todo, step]
    usable: NDArray[np.bool_] = np.all(np.isfinite(wish), axis=1)
    change = ground.acceleration[todo] * ground.dt
    stopping = brake(now, ground.acceleration[todo], ground.dt).astype(np.float32).astype(np.float64)
    aim, candidates = _candidates(wish, usable, now, stopping, ground.speed[todo], change)
    ends = segment_end(here[:, None], candidates, ground.acceleration[todo][:, None], ground.dt)
    fails = _rejections(ground, tables, here[:, None], ends, todo)
    good = ~np.any(fails, axis=2)
    good[:, 0] &= usable
    far = _norm(candidates - aim[:, None])
    choice = np.argmin(np.where(good, far, np.inf), 1)
    none = ~np.any(good, axis=1)
    line = np.arange(len(todo))
    command = np.where(none[:, None], stopping, candidates[line, choice])
    rejected[todo, step] |= fails[:, 0] | _limited(ground, todo, wish, now)
    moved = ~usable | (_norm(command - np.where(usable[:, None], wish, 0.0)) > _SAME)
    source = np.where(choice == 0, moved.astype(np.int8), np.where(choice <= len(_BLENDS), 2, 3))
    rank[todo, step] = np.where(none, 4, source)
    velocities[todo, step] = command
    points[todo, step, 0] = here
    points[todo, step, 1] = segment_end(here, command, ground.acceleration[todo], ground.dt)


def _candidates(
    wish: Float[np.ndarray, "n 2"],
    usable: Bool[np.ndarray, " n"],
    now: Float[np.ndarray, "n 2"],
    stopping: Float[np.ndarray, "n 2"],
    speed: Float[np.ndarray, " n"],
    change: Float[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n q 2"]]:
    """Returns the aim, and candidates within both discs: the aim, blends to the brake, turns of the wish, a ring."""
    aim = project(wish, now, speed, change)
    blends = aim[:, None] + (stopping - aim)[:, None] * _BLENDS[:, None]
    target = np.where(usable[:, None], wish, 0.0)
    target = target * np.minimum(1.0, speed / np.maximum(np.hypot(target[:, 0], target[:, 1]), 1e-12))[:, None]
    cos, sin = np.cos(_TURNS), np.sin(_TURNS)
    turned = np.stack(
        [target[:, :1] * cos - target[:, 1:] * sin, target[:, :1] * sin + target[:, 1:] * cos], 2
    ) * np.abs(cos)[:, None].clip(0.25)
    ring = now[:, None] + change[:, None, None] * np.stack([np.cos(_RING), np.sin(_RING)], 1)
    rest = project(np.concatenate([blends, turned, ring], 1), now[:, None], speed[:, None], change[:, None])
    return aim, np.concatenate([aim[:, None], rest], 1)


def _margins(
    ground: Ground,
    tables: RuleTables,
    movers: Movers,
    velocities: Float[np.ndarray, "n m 2"],
    points: Float[np.ndarray, "n m 2 2"],
) -> Float[np.ndarray, "n c"]:
    """Returns the smallest distance of the certified chunk from each bare rule."""
    out = np.full((len(velocities), len(KINDS)), np.inf)
    rows = tables.rows(movers.ids)
    start, end = points[:, :, 0], points[:, :, 1]
    if ground.edges.shape[1]:
        clear = segment_distance(start[:, :, None], end[:, :, None], ground.edges[:, None]).min(1, initial=np.inf)
        for column in np.unique(ground.edge_kind[ground.edge_kind >= 0]):
            out[:, column] = np.where(ground.edge_kind == column, clear - ground.body[:, None], np.inf).min(1)
    for npc, shape, _ in ground.lost:
        depth = signed_clearance(tables, shape, start[npc]).min(initial=np.inf) - ground.body[npc]
        out[npc, tables.shape_kind[shape]] = min(out[npc, tables.shape_kind[shape]], float(depth))
    out[:, KIND["leash"]] = tables.leash[rows] - _norm(end - ground.home[:, None]).max(1, initial=0.0)
    out[:, KIND["speed"]] = tables.speed[rows] - _norm(velocities).max(1, initial=0.0)
    change = velocities - np.concatenate([ground.velocity[:, None], velocities[:, :-1]], 1)
    out[:, KIND["acceleration"]] = tables.acceleration[rows] - _norm(change).max(1, initial=0.0) / ground.dt
    if ground.planes.shape[1]:
        planes = ground.planes[:, None]  # n 1 j 3
        left = planes[..., 2] - end[:, :, None, 0] * planes[..., 0] - end[:, :, None, 1] * planes[..., 1]
        out[:, KIND["spacing"]] = (left.min(1, initial=np.inf) + ground.plane_slack).min(1, initial=np.inf)
    return out


def _active(
    ground: Ground, wanted: Float[np.ndarray, "n m 2"], held: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, "n c"]:
    """Says which rules can matter in this chunk."""
    active = ground.near | ground.broken
    with np.errstate(over="ignore", invalid="ignore"):
        before = np.concatenate([ground.velocity[:, None], wanted[:, :-1]], 1)
        active[:, KIND["speed"]] |= ~(_norm(wanted) < 0.95 * ground.speed[:, None]).all(1)
        limit = 0.95 * (ground.acceleration * ground.dt)[:, None]
        active[:, KIND["acceleration"]] |= ~(_norm(wanted - before) < limit).all(1)
    active[:, KIND["hold_fire"]] = held
    return np.asarray(active)


def _norm(vectors: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    length: Float[np.ndarray, ...] = np.hypot(vectors[..., 0], vectors[..., 1])
    return length
