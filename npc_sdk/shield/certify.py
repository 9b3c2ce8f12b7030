"""The last word on every chunk: each step is certified, or replaced by the nearest certified one, or by the brake.

Knows neither world model nor planner nor weights: they enter only through proposals, and no proposal is trusted.
The proof is docs/explanation/shield.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, KINDS, TRIGGERS, RuleTables
from npc_sdk.constraints.clearance import length, segment_and_end_distance, segment_distance
from npc_sdk.kernels.certificate import Answer, Tried
from npc_sdk.shield import quick
from npc_sdk.shield.attacks import Wanted, permit
from npc_sdk.shield.brake import brake, segment_end
from npc_sdk.shield.fire import Range
from npc_sdk.shield.ground import (
    Ground,
    Movers,
    ShieldConfig,
    astray,
    certified_limits,
    check_numbers,
    clear_of,
    rounding,
    signed_clearance,
    survey,
)
from npc_sdk.shield.heading import Cone, about_heading, about_velocity, within_cone
from npc_sdk.shield.moves import nearest_move
from npc_sdk.shield.moving import Others, never_worse
from npc_sdk.shield.outstanding import Outstanding
from npc_sdk.shield.turns import Waiting, take_turns

REASONS = ("as proposed", "projected", "blended", "nearest", "brake")
"""How a step came about, from untouched to the last resort."""

_BLENDS = np.array([0.25, 0.5, 0.75])
_RING = np.arange(12.0) * (2.0 * np.pi / 12)
_TURNS = np.array([-90.0, -60.0, -30.0, -15.0, 15.0, 30.0, 60.0, 90.0]) * (np.pi / 180.0)
_SAMPLES = np.array([0.25, 0.5, 0.75, 1.0])
_SAME = 1e-4  # m/s below which a change is rounding, not interference
_EARLIER = 1e-6  # m/s: of two candidates as near as each other the earlier one, whatever the last bit says
_TRIED = Tried(_SAME, _EARLIER, _BLENDS, _TURNS, _RING)
_HUGE = 1e30  # m/s
_CREEP = 1e-8  # m/s below which a command is none: the direction of so small a difference is rounding
_ANY = np.zeros((0, 2))  # moves of a body that may have any velocity
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
    def told(self) -> Float[np.ndarray, "n m 2 2"]:
        """The velocity expected before each step and the one that it tells, for `Outstanding.add`."""
        return np.stack([self.expected[..., 2:], self.velocities], 2)

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
    others: Others | None = None,
    wanted: Wanted | None = None,
    config: ShieldConfig = _DEFAULT,
) -> Certified:
    """Certifies one chunk for all living NPCs of a game together.

    Args:
        movers: where the NPCs are; `outstanding.forget(tick of that snapshot)` must have been called.
        tables: compiled rules that know every mover.
        outstanding: chunks issued before; not changed here.
        proposals: velocities per tick, m/s. Anything at all: NaN, infinity and 1e300 included.
        others: who else is there, for rules about them.
        wanted: the attacks asked for, and what rules about attacks must know.
        config: margins.

    Raises:
        KeyError: a mover was not compiled into the tables.
        ValueError: bodies are cars, and no heading is given.
        ConstraintError: the tolerances or the coordinates make certification impossible (see `survey`), or where a
            mover is, goes or heads is no number.
    """
    wishes = _sane(np.asarray(proposals, np.float64))
    n, m, _ = wishes.shape
    rows, whom = tables.rows(movers.ids), others or Others.none()
    check_numbers(movers)
    asked = wanted or Wanted(np.zeros((n, m, len(TRIGGERS)), np.bool_))
    flies = np.zeros(n, np.bool_) if movers.airborne is None else movers.airborne
    if flies.any():  # it is told to brake, and to hold its fire: that it would do so is not vouched for
        wishes = np.where(flies[:, None, None], np.nan, wishes)
        asked = replace(asked, triggers=asked.triggers & ~flies[:, None, None])
    waiting, wished, brakes = None, wishes, flies
    if tables.turns:
        moving = in_motion(movers, outstanding, config)
        waiting = take_turns(tables, rows, outstanding.moves, moving, wished, asked.priority, asked.tick)
        wishes, brakes = np.where(waiting.held[:, None, None], 0.0, wished), flies | waiting.held
    if quick.serves(movers, config):
        answer = quick.judge(movers, tables, outstanding, rows, wishes, config, whom, asked.apply_tick, _TRIED)
    else:
        answer = _judge(movers, tables, outstanding, wishes, config, whom, asked.apply_tick)
    answer.broken[:, KIND["airborne"]] = flies
    if answer.broken.any():
        _stay_home(tables, rows, answer, config)
    if brakes.any():
        _stand(tables, rows, answer, brakes, wished, config)
    if waiting is not None:
        _say(answer, waiting)
    where = None
    if tables.cones or tables.bursts:
        where = _range(movers, tables, answer.points[:, :, 0], whom, asked.apply_tick - asked.tick, config)
    allowed = permit(tables, rows, outstanding.attacks, asked, where)
    rejected = answer.rejected | allowed.stopped
    return Certified(
        velocities=answer.velocities,
        expected=answer.expected,
        points=answer.points,
        triggers=allowed.triggers,
        brake=certified_limits(tables, rows, config)[1],
        tolerance=answer.tolerance,
        guarded=~np.any(answer.broken, axis=1),
        broken=answer.broken,
        active=answer.active | allowed.active | rejected,
        rejected=rejected,
        margins=np.minimum(answer.margins, allowed.margins),
        changed=(answer.rank > 0) | (asked.triggers & ~allowed.triggers).any(2),
        rank=answer.rank,
    )


def _judge(
    movers: Movers,
    tables: RuleTables,
    outstanding: Outstanding,
    wishes: Float[np.ndarray, "n m 2"],
    config: ShieldConfig,
    others: Others,
    apply_tick: int,
) -> Answer:
    """Certifies what moves, attacks apart. This is the definition; `quick.judge` is its twin."""
    m = wishes.shape[1]
    ground = survey(movers, tables, outstanding, m, config, others, apply_tick)
    velocities, points, limited = _roll(ground, wishes)
    fails = _rejections(ground, tables, velocities, points[:, :, 0], points[:, :, 1], np.arange(m))  # n m c
    bad = np.any(fails, axis=2) | ~np.all(np.isfinite(wishes), axis=2)
    rank = (length(velocities - wishes) > _SAME).astype(np.int8)
    first = np.where(bad.any(1), bad.argmax(1), m)  # from there on each step is repaired, and says what it rejects
    rejected = (limited & (np.arange(m) < first[:, None])[..., None]).any(1)
    for step in range(m):
        todo = np.flatnonzero(first <= step)
        if len(todo):
            _repair(ground, tables, wishes, step, todo, velocities, points, rank, rejected)
    before = np.concatenate([ground.velocity[:, None], velocities[:, :-1]], 1)
    return Answer(
        velocities=velocities,
        expected=np.concatenate([points[:, :, 0], before], 2),
        points=points,
        rank=rank,
        tolerance=ground.tolerance,
        broken=ground.broken,
        active=_active(ground, wishes),
        rejected=rejected,
        margins=_margins(ground, tables, movers, velocities, points),
    )


def _stay_home(tables: RuleTables, rows: NDArray[np.intp], answer: Answer, config: ShieldConfig) -> None:
    """Lets chunks of NPCs off their certificate brake from the first step on before which the NPC is on it again.

    Never closer is asked of such a chunk as a whole, so it might come home and leave again as far as it had been. But
    who is home is held to the rule at once, and no later chunk need arrive. Its brake from there is legal.
    """
    off = np.flatnonzero(answer.broken.any(1))
    limit = certified_limits(tables, rows[off], config)[1]
    eps = rounding(tables, answer.expected[:, 0, :2], config)
    home = np.zeros(len(off), np.bool_)
    here, now = answer.expected[off, 0, :2], answer.expected[off, 0, 2:]
    for step in range(answer.velocities.shape[1]):
        if step:
            home |= ~astray(tables, rows[off], here, now, config, eps)
        _brake_at(step, answer, off[home], here[home], now[home], limit[home], tables.dt)
        now = answer.velocities[off, step]
        here = here + now * tables.dt


def _stand(
    tables: RuleTables,
    rows: NDArray[np.intp],
    answer: Answer,
    brakes: Bool[np.ndarray, " n"],
    wishes: Float[np.ndarray, "n m 2"],
    config: ShieldConfig,
) -> None:
    """Lets who has no turn, or is in the air, brake, whatever step would have been nearer to a rule about places."""
    held = np.flatnonzero(brakes)
    limit = certified_limits(tables, rows[held], config)[1]
    here, now = answer.expected[held, 0, :2], answer.expected[held, 0, 2:]
    for step in range(answer.velocities.shape[1]):
        _brake_at(step, answer, held, here, now, limit, tables.dt)
        now = answer.velocities[held, step]
        here = here + now * tables.dt
    as_wished = length(answer.velocities[held] - wishes[held]) <= _SAME
    answer.rank[held] = np.where(as_wished, 0, answer.rank[held])


def _say(answer: Answer, waiting: Waiting) -> None:
    """Adds to an answer what the rules about turns say."""
    answer.broken[waiting.broken] = answer.active[waiting.active] = answer.rejected[waiting.rejected] = True
    np.minimum(answer.margins, waiting.margins, out=answer.margins)


def _brake_at(
    step: int,
    answer: Answer,
    who: NDArray[np.intp],
    here: Float[np.ndarray, "q 2"],
    now: Float[np.ndarray, "q 2"],
    limit: Float[np.ndarray, " q"],
    dt: float,
) -> None:
    """Writes the brake into one step of an answer."""
    slowed = brake(now, limit, dt).astype(np.float32).astype(np.float64)
    answer.velocities[who, step] = slowed
    answer.expected[who, step] = np.concatenate([here, now], 1)
    answer.points[who, step, 0] = here
    answer.points[who, step, 1] = segment_end(here, slowed, limit, dt)
    answer.rank[who, step] = REASONS.index("brake")


def in_motion(movers: Movers, outstanding: Outstanding, config: ShieldConfig) -> Bool[np.ndarray, " n"]:
    """Says who moves, or may yet by what it was sent."""
    seen = movers.velocity if movers.seen_velocity is None else movers.seen_velocity
    fastest = np.maximum(length(np.asarray(seen, np.float64)), length(np.asarray(movers.velocity, np.float64)))
    return np.asarray(~(fastest <= config.velocity_tolerance) | outstanding.moving(movers.ids))


def _range(
    movers: Movers,
    tables: RuleTables,
    stand: Float[np.ndarray, "n m 2"],
    others: Others,
    age_ticks: int,
    config: ShieldConfig,
) -> Range:
    """Gathers who may be hit: the NPCs and the others, where the snapshot showed them."""
    seen = movers.position if movers.seen_position is None else movers.seen_position
    pace = movers.velocity if movers.seen_velocity is None else movers.seen_velocity
    n, o = len(stand), len(others.names)
    # Not the rules' limit: what was sent under another one still runs, and the game may drive an NPC itself.
    limit = np.maximum(tables.body_speed, length(np.asarray(pace, np.float64)))
    return Range(
        place=np.concatenate([np.asarray(seen, np.float64).reshape(-1, 2), others.position.reshape(-1, 2)]),
        names=(movers.names or (frozenset(["npc"]),) * n) + others.names,
        top_speed=np.concatenate([limit, np.full(o, np.nan)]),
        shooter=np.concatenate([np.arange(n), np.full(o, -1)]),
        age_ticks=age_ticks,
        dt=tables.dt,
        stand=stand,
        slack=rounding(tables, movers.position, config) + config.tolerance,
    )


def _sane(proposals: Float[np.ndarray, "n m 2"]) -> Float[np.ndarray, "n m 2"]:
    """Makes every non-number NaN and every number one whose square is finite; both are far beyond any limit."""
    return np.where(np.isfinite(proposals), np.clip(proposals, -_HUGE, _HUGE), np.nan)


def project(
    wanted: Float[np.ndarray, "... 2"],
    velocity: Float[np.ndarray, "... 2"],
    speed: Float[np.ndarray, ...],
    change: Float[np.ndarray, ...],
    cone: Cone | None = None,
    moves: Float[np.ndarray, "k 2"] = _ANY,
) -> Float[np.ndarray, "... 2"]:
    """Returns a command within the speed disc, the acceleration disc and a cone of directions, near the wanted one.

    Turning into the cone, shortening to the speed limit and then going towards the present velocity lands in all
    three at once: they are convex and the velocity lies in all of them, or in a cone that holds nothing. Where the
    velocity is too fast, only the brake is left, and so for non-finite wishes. A body that has only certain moves gets
    the one nearest to the shortened wish.
    """
    with np.errstate(over="ignore"):
        target = np.where(np.isfinite(length(wanted))[..., None], wanted, 0.0)
        target = target if cone is None else within_cone(target, cone)
        target = target * np.minimum(1.0, speed / np.maximum(length(target), 1e-12))[..., None]
    if len(moves):
        return nearest_move(moves, target, velocity, speed, change, cone)
    step = target - velocity
    command = velocity + step * np.minimum(1.0, change / np.maximum(length(step), 1e-12))[..., None]
    slowest = velocity * np.maximum(0.0, 1.0 - change / np.maximum(length(velocity), 1e-12))[..., None]
    command = np.where((length(command) < _CREEP)[..., None], 0.0, command)
    too_fast = length(command) > speed * (1.0 + 1e-9)
    # What is certified must be what the wire can carry.
    exact: Float[np.ndarray, "... 2"] = np.where(too_fast[..., None], slowest, command).astype(np.float32)
    return exact.astype(np.float64)


def _ways(
    ground: Ground, rows: NDArray[np.intp], now: Float[np.ndarray, "q 2"], before: Float[np.ndarray, "q k 2"]
) -> tuple[Cone, Float[np.ndarray, "q 2"], Float[np.ndarray, " q"]]:
    """Returns where each NPC may turn to, the velocity to go on from, and by how much it may change, m/s.

    A car whose velocity does not tell its direction starts as if from rest: its velocity may lie outside the cone, and
    what it has of it is taken off the change. `before` are its earlier commands of this chunk.
    """
    turn, change = ground.turn[rows], ground.acceleration[rows] * ground.dt
    cone, tells = about_velocity(now, turn, ground.turn_above[rows], ground.turn_give)
    if ground.headings is None:
        return cone, now, change
    cone = about_heading(cone, tells, ground.headings, rows, turn, before)
    rest = np.maximum(change - length(now), 0.0)
    return cone, np.where(tells[:, None], now, 0.0), np.where(tells, change, rest)


def _roll(
    ground: Ground, wanted: Float[np.ndarray, "n m 2"]
) -> tuple[Float[np.ndarray, "n m 2"], Float[np.ndarray, "n m 2 2"], Bool[np.ndarray, "n m c"]]:
    """Follows the proposals as far as speed and acceleration allow, blind to everything else."""
    n, m, _ = wanted.shape
    velocities, points = np.empty((n, m, 2)), np.empty((n, m, 2, 2))
    limited = np.zeros((n, m, len(KINDS)), np.bool_)
    here, now, everybody = ground.position, ground.velocity, np.arange(n)
    for step in range(m):
        cone, base, change = _ways(ground, everybody, now, velocities[:, :step])
        command = project(wanted[:, step], base, ground.speed, change, cone, ground.moves)
        limited[:, step] = _limited(ground, everybody, wanted[:, step], now, cone)
        points[:, step, 0] = here
        points[:, step, 1] = segment_end(here, command, ground.acceleration, ground.dt)
        velocities[:, step] = now = command
        here = here + command * ground.dt
    return velocities, points, limited


def _limited(
    ground: Ground, rows: NDArray[np.intp], wanted: Float[np.ndarray, "q 2"], now: Float[np.ndarray, "q 2"], cone: Cone
) -> Bool[np.ndarray, "q c"]:
    """Says whether what a body can do, or a rule about its motion, turns a wish down."""
    out = np.zeros((len(wanted), len(KINDS)), np.bool_)
    out[:, KIND["speed"]] = ~(length(wanted) <= ground.speed[rows] * (1.0 + 1e-5))
    change = ground.acceleration[rows] * ground.dt
    out[:, KIND["acceleration"]] = ~(length(wanted - now) <= change * (1.0 + 1e-5))
    turning = KIND["turn" if ground.headings is None else "steering"]
    out[:, turning] = length(within_cone(wanted, cone) - wanted) > _SAME
    if len(ground.moves):
        out[:, KIND["grid"]] = ~(length(ground.moves - wanted[:, None]).min(1) <= _SAME)
    return out


def _rejections(
    ground: Ground,
    tables: RuleTables,
    command: Float[np.ndarray, "n q 2"],
    start: Float[np.ndarray, "n #q 2"],
    end: Float[np.ndarray, "n q 2"],
    steps: Int[np.ndarray, " #q"],
    rows: NDArray[np.intp] | None = None,
) -> Bool[np.ndarray, "n q c"]:
    """Says which kinds of rules turn down the segments start..end (a step and the brake after it) of each NPC."""
    pick: NDArray[np.intp] | slice = slice(None) if rows is None else rows
    edges = ground.edges[pick][:, None]  # n 1 k 4
    clear, ends = segment_and_end_distance(start[:, :, None], end[:, :, None], edges)  # n q k
    short = (clear < ground.swept[pick][:, None]) | (ends < ground.final[pick][:, None])
    out: NDArray[np.bool_] = short.astype(np.float64) @ ground.edge_column[pick] > 0.0  # n q c
    out[..., KIND["leash"]] = length(end - ground.home[pick][:, None]) > ground.leash[pick][:, None]
    planes = ground.planes[pick][:, None]  # n 1 j 3
    over = end[:, :, None, 0] * planes[..., 0] + end[:, :, None, 1] * planes[..., 1] > planes[..., 2]
    out[..., KIND["spacing"]] = over.any(2) | ground.frozen[pick][:, None]
    for way, need in ground.clearways:
        out[..., way.kind] |= clear_of(way, end) < need[pick][:, None]
    margin = _against_others(ground, command, start, steps, ground.spare, rows)  # n q j
    for column in np.unique(ground.them.kind):
        out[..., column] = (margin[..., ground.them.kind == column] < 0.0).any(-1)
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


def _against_others(
    ground: Ground,
    command: Float[np.ndarray, "n q 2"],
    start: Float[np.ndarray, "n #q 2"],
    steps: Int[np.ndarray, " #q"],
    spare: float,
    rows: NDArray[np.intp] | None = None,
) -> Float[np.ndarray, "n q j"]:
    """Returns by how much each motion keeps each rule about what others move."""
    n, q, _ = command.shape
    npc = np.repeat(np.arange(n) if rows is None else rows, q)
    begin = np.broadcast_to(start, command.shape).reshape(-1, 2)
    when = np.broadcast_to(steps, (n, q)).ravel()
    flat = command.reshape(-1, 2)
    margin = never_worse(ground.them, npc, begin, flat, when, ground.acceleration[npc], ground.dt, spare)
    return margin.reshape(n, q, len(ground.them.distance))


def _repair(
    ground: Ground,
    tables: RuleTables,
    wanted: Float[np.ndarray, "n m 2"],
    step: int,
    todo: NDArray[np.intp],
    velocities: Float[np.ndarray, "n m 2"],
    points: Float[np.ndarray, "n m 2 2"],
    rank: NDArray[np.int8],
    rejected: Bool[np.ndarray, "n c"],
) -> None:
    """Writes one step of the NPCs `todo`: the certified candidate nearest to the proposal, else the brake."""
    if step == 0:
        here, now = ground.position[todo], ground.velocity[todo]
    else:
        now = velocities[todo, step - 1]
        here = points[todo, step - 1, 0] + now * ground.dt
    wish = wanted[todo, step]
    usable: NDArray[np.bool_] = np.all(np.isfinite(wish), axis=1)
    stopping = brake(now, ground.acceleration[todo], ground.dt).astype(np.float32).astype(np.float64)
    cone, base, change = _ways(ground, todo, now, velocities[todo, :step])
    aim, candidates = _candidates(wish, base, stopping, ground.speed[todo], change, cone, ground.moves)
    ends = segment_end(here[:, None], candidates, ground.acceleration[todo][:, None], ground.dt)
    fails = _rejections(ground, tables, candidates, here[:, None], ends, np.array([step]), todo)
    good = ~np.any(fails, axis=2)
    good[:, 0] &= usable
    far = length(candidates - aim[:, None]) + _EARLIER * np.arange(candidates.shape[1])
    choice = np.argmin(np.where(good, far, np.inf), 1)
    none = ~np.any(good, axis=1)
    line = np.arange(len(todo))
    command = np.where(none[:, None], stopping, candidates[line, choice])
    rejected[todo] |= fails[:, 0] | _limited(ground, todo, wish, now, cone)
    source = np.where(choice == 0, length(command - wish) > _SAME, np.where(choice <= len(_BLENDS), 2, 3))
    rank[todo, step] = np.where(none, 4, source)
    velocities[todo, step] = command
    points[todo, step, 0] = here
    points[todo, step, 1] = segment_end(here, command, ground.acceleration[todo], ground.dt)


def _candidates(
    wish: Float[np.ndarray, "n 2"],
    now: Float[np.ndarray, "n 2"],
    stopping: Float[np.ndarray, "n 2"],
    speed: Float[np.ndarray, " n"],
    change: Float[np.ndarray, " n"],
    cone: Cone,
    moves: Float[np.ndarray, "k 2"],
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n q 2"]]:
    """Returns the aim, and candidates within both discs: the aim, blends to the brake, turns of the wish, a ring."""
    aim = project(wish, now, speed, change, cone, moves)
    blends = aim[:, None] + (stopping - aim)[:, None] * _BLENDS[:, None]
    target = wish * np.minimum(1.0, speed / np.maximum(length(wish), 1e-12))[:, None]
    cos, sin = np.cos(_TURNS), np.sin(_TURNS)
    turned = np.stack(
        [target[:, :1] * cos - target[:, 1:] * sin, target[:, :1] * sin + target[:, 1:] * cos], 2
    ) * np.abs(cos)[:, None].clip(0.25)
    ring = now[:, None] + change[:, None, None] * np.stack([np.cos(_RING), np.sin(_RING)], 1)
    wishes = np.concatenate([blends, turned, ring], 1)
    each = Cone(cone.axis[:, None], cone.low[:, None], cone.high[:, None])
    rest = project(wishes, now[:, None], speed[:, None], change[:, None], each, moves)
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
    clear = segment_distance(start[:, :, None], end[:, :, None], ground.edges[:, None]).min(1)
    for column in np.unique(ground.edge_kind[ground.edge_kind >= 0]):
        out[:, column] = np.where(ground.edge_kind == column, clear - ground.body[:, None], np.inf).min(1)
    for npc, shape, _ in ground.lost:
        depth = signed_clearance(tables, shape, start[npc]).min() - ground.body[npc]
        out[npc, tables.shape_kind[shape]] = min(out[npc, tables.shape_kind[shape]], float(depth))
    out[:, KIND["leash"]] = tables.leash[rows] - length(end - ground.home[:, None]).max(1)
    out[:, KIND["speed"]] = tables.speed[rows] - length(velocities).max(1)
    change = velocities - np.concatenate([ground.velocity[:, None], velocities[:, :-1]], 1)
    out[:, KIND["acceleration"]] = tables.acceleration[rows] - length(change).max(1) / ground.dt
    planes = ground.planes[:, None]  # n 1 j 3
    left = planes[..., 2] - end[:, :, None, 0] * planes[..., 0] - end[:, :, None, 1] * planes[..., 1]
    out[:, KIND["spacing"]] = (left.min(1) + ground.plane_slack).min(1, initial=np.inf)
    for way, need in ground.clearways:
        room = np.where(np.isfinite(need), clear_of(way, end).min(1), np.inf)
        out[:, way.kind] = np.minimum(out[:, way.kind], room)
    against = _against_others(ground, velocities, start, np.arange(velocities.shape[1]), 0.0).min(1)
    for column in np.unique(ground.them.kind):
        out[:, column] = against[:, ground.them.kind == column].min(1)
    return out


def _active(ground: Ground, wanted: Float[np.ndarray, "n m 2"]) -> Bool[np.ndarray, "n c"]:
    """Says which rules about motion can matter in this chunk."""
    active = ground.near | ground.broken
    active[:, KIND["grid"]] = bool(ground.moves.size)
    before = np.concatenate([ground.velocity[:, None], wanted[:, :-1]], 1)
    active[:, KIND["speed"]] |= ~(length(wanted) < 0.95 * ground.speed[:, None]).all(1)
    limit = 0.95 * (ground.acceleration * ground.dt)[:, None]
    active[:, KIND["acceleration"]] = ~(length(wanted - before) < limit).all(1)
    fast = length(before) > ground.turn_above[:, None]
    if ground.headings is None:
        active[:, KIND["turn"]] = np.isfinite(ground.turn) & fast.any(1)
    else:
        active[:, KIND["steering"]] = True
    return np.asarray(active)
