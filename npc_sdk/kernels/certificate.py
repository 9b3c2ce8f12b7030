"""The certificate of `npc_sdk.shield` as compiled loops over plain arrays, in float64: one call for a whole crowd.

In NumPy a call is some hundred operations on small arrays, and starting them costs more than what they compute. The
NumPy code (`npc_sdk.shield.certify` and `ground`) is the definition and says why; this is its twin, and a test plays
both. What is new here is what is left out: edges are looked for in bins, those whose box is far enough off are not
measured, and candidates are judged one after the other, the nearest first, only where a proposal failed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.bins import line, spread
from npc_sdk.kernels.braking import brake, rest, travel
from npc_sdk.kernels.clearance import at_least, from_point, from_segment, holds, length, signed
from npc_sdk.kernels.compiled import exactly
from npc_sdk.kernels.moving import ANYWHERE, never_worse
from npc_sdk.kernels.planes import OWN, longer, share
from npc_sdk.kernels.projection import cone, limited, project, wrapped

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SAMPLES = 4  # places along a segment at which an NPC on the wrong side of an outline is judged


class Rules(NamedTuple):
    """What `npc_sdk.constraints.RuleTables` holds about places; rows r are NPCs compiled, p outlines, w clearways."""

    dt: float
    spacing: Floats  # r r
    widest: float  # the largest of them
    edges: Floats  # e 4
    shape_first: Ints  # p+1
    shape_kind: Ints  # p
    shape_inside: Bools  # p
    shape_mask: Bools  # r p
    way_edges: Floats  # f 4
    way_first: Ints  # w+1
    way_kind: Ints  # w
    way_binds: Bools  # w r
    moves: Floats  # k 2, all that a body can be told; without rows anything
    steers: bool  # bodies are cars


class Movers(NamedTuple):
    """The NPCs of this call, and what limits each."""

    rows: Ints  # n, of Rules
    order: Ints  # n, by their first coordinate
    position: Floats  # n 2
    velocity: Floats  # n 2
    seen_position: Floats  # n 2, at the tick of the snapshot
    seen_velocity: Floats  # n 2
    promised: Floats  # n p 2, points of the chunks that may still be executed
    certified_speed: Floats  # n, a little under the limit
    certified_acceleration: Floats  # n
    speed: Floats  # n, limits
    acceleration: Floats  # n
    radius: Floats  # n
    home: Floats  # n 2
    leash: Floats  # n
    turn: Floats  # n, rad per tick
    turn_above: Floats  # n
    heading: Floats  # n 5, rad: of cars, expected; and from it on, what else it may be, and what starts before it leave


class Terms(NamedTuple):
    """Margins of this call."""

    eps: float
    tolerance: float
    turn_give: float


class Tried(NamedTuple):
    """What is tried where a proposal fails."""

    same: float  # m/s below which a change is none
    earlier: float  # m/s by which a candidate is preferred to the next one in line
    blends: Floats  # from the proposal to the brake
    turns: Floats  # of the wish, rad
    ring: Floats  # of changes of velocity, rad


class Columns(NamedTuple):
    """Where in KINDS the rules are that have no table of their own."""

    leash: int
    speed: int
    acceleration: int
    turn: int
    spacing: int
    grid: int
    steering: int
    kinds: int  # how many there are


class Answer(NamedTuple):
    """As `npc_sdk.shield.Certified`."""

    velocities: Floats  # n m 2
    expected: Floats  # n m 4
    points: Floats  # n m 2 2
    rank: NDArray[np.int8]  # n m
    tolerance: Floats  # n
    broken: Bools  # n c
    active: Bools  # n c
    rejected: Bools  # n c
    margins: Floats  # n c


class Start(NamedTuple):
    """Where everybody comes to rest, and how far it may come."""

    stop: Floats  # n 2
    held: Floats  # n p+OWN 2, everywhere it may come without a new chunk
    pace: Floats  # n, m/s, the largest in this chunk
    reach: Floats  # n, m


class Ground(NamedTuple):
    """What every NPC is judged against; NPC i has the rows first[i]..first[i + 1] of what `first` is for."""

    edge_first: Ints  # n+1
    edge: Floats  # k 6: the edge, the clearance that a whole segment needs (below 0: none) and that its end needs
    edge_kind: Ints  # k
    lost_first: Ints  # n+1, outlines on whose wrong side it is
    lost: Ints  # l
    floor: Floats  # l, signed clearance that it must not go below
    way: Floats  # n w, how far outside it must come to rest; -infinity: anywhere
    leash: Floats  # n
    spare: Floats  # n, what the start has in hand


@exactly
def certify(rules, movers, them, terms, tried, columns, wishes):  # type: ignore[no-untyped-def]
    """Certifies a chunk for every NPC: proposals as far as they hold, candidates or the brake where they do not.

    Args:
        rules: compiled rules.
        movers: everybody, `n` of them.
        them: whom rules about others are about.
        terms: margins.
        tried: candidates.
        columns: of the answer.
        wishes: n m 2, in m/s, NaN where there is none.
    """
    n, m, _ = wishes.shape
    answer = Answer(
        np.empty((n, m, 2)),
        np.empty((n, m, 4)),
        np.empty((n, m, 2, 2)),
        np.zeros((n, m), np.int8),
        np.empty(n),
        np.zeros((n, columns.kinds), np.bool_),
        np.zeros((n, columns.kinds), np.bool_),
        np.zeros((n, columns.kinds), np.bool_),
        np.full((n, columns.kinds), np.inf),
    )
    start = _start(movers, rules.dt, m)
    margin = terms.eps + terms.tolerance
    planes = share(movers, rules.spacing, rules.widest, start.held, start.reach, margin, terms.eps)
    ground = _outlines(rules, movers, terms, start, answer)
    _places(rules, movers, terms, columns, start, ground, answer)
    _others(rules, movers, them, start, ground, m, answer)
    least = min(0.1 * terms.eps, terms.tolerance)
    for i in range(n):
        for q in range(planes.first[i], planes.first[i + 1]):
            ground.spare[i] = min(ground.spare[i], planes.plane[q, 3])
            answer.active[i, columns.spacing] = True
        answer.broken[i, columns.spacing] = planes.tight[i]
        answer.tolerance[i] = min(max(ground.spare[i] - 0.5 * terms.eps, least), terms.tolerance)
    _steps(rules, movers, them, planes, ground, terms, tried, columns, wishes, answer)
    _margins(rules, movers, planes, ground, columns, answer)
    _rare_margins(rules, movers, them, ground, answer)
    _activity(movers, rules, columns, wishes, answer)
    return answer


@exactly
def _start(movers, dt, steps):  # type: ignore[no-untyped-def]
    """Follows everybody's brakes, and lays what it holds out for `planes`."""
    position, velocity, place, motion = movers.position, movers.velocity, movers.seen_position, movers.seen_velocity
    n, promised, _ = movers.promised.shape
    stop, pace, reach, held = np.empty((n, 2)), np.empty(n), np.empty(n), np.empty((n, promised + OWN, 2))
    for i in range(n):
        vx, vy, a = velocity[i, 0], velocity[i, 1], movers.certified_acceleration[i]
        pace[i] = max(movers.certified_speed[i], length(vx, vy))
        reach[i] = pace[i] * dt * steps + travel(pace[i], a, dt)
        ux, uy = brake(vx, vy, a, dt)
        stop[i, 0], stop[i, 1] = rest(position[i, 0], position[i, 1], ux, uy, a, dt)
        ux, uy = brake(motion[i, 0], motion[i, 1], a, dt)
        ex, ey = rest(place[i, 0], place[i, 1], ux, uy, a, dt)
        for q in range(promised):
            held[i, q, 0], held[i, q, 1] = movers.promised[i, q, 0], movers.promised[i, q, 1]
        held[i, promised, 0], held[i, promised, 1] = position[i, 0], position[i, 1]
        held[i, promised + 1, 0], held[i, promised + 1, 1] = stop[i, 0], stop[i, 1]
        held[i, promised + 2, 0], held[i, promised + 2, 1] = place[i, 0], place[i, 1]
        held[i, promised + 3, 0], held[i, promised + 3, 1] = ex, ey
    return Start(stop, held, pace, reach)


@exactly
def _outlines(rules, movers, terms, start, answer):  # type: ignore[no-untyped-def]
    """Gathers the edges within everybody's reach and what each asks for, and judges the start by them."""
    position, stop, rows, broken, active = movers.position, start.stop, movers.rows, answer.broken, answer.active
    edges, first, kinds, inside, mask = (
        rules.edges,
        rules.shape_first,
        rules.shape_kind,
        rules.shape_inside,
        rules.shape_mask,
    )
    n, shapes, eps, margin = len(rows), len(kinds), terms.eps, terms.eps + terms.tolerance
    edge_shape, edge_box, shape_box = _boxes(edges, first)
    x0, y0, x1, y1 = math.inf, math.inf, -math.inf, -math.inf
    for i in range(n):
        far = start.reach[i] + movers.radius[i] + margin
        x0, x1 = min(x0, position[i, 0] - far), max(x1, position[i, 0] + far)
        y0, y1 = min(y0, position[i, 1] - far), max(y1, position[i, 1] + far)
    edge_bins, shape_bins = spread(edge_box, x0, y0, x1, y1), spread(shape_box, x0, y0, x1, y1)
    boxed, boxed_first, within, within_first = edge_bins.boxes, edge_bins.first, shape_bins.boxes, shape_bins.first
    seen, wrong, enclosing = np.full(len(edges), -1), np.zeros(shapes, np.bool_), np.flatnonzero(inside)
    edge_first, lost_first = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    bins_of, most = np.empty((n, 4), np.int64), 0  # of what each can reach, and no fewer edges than lie in them
    for i in range(n):
        px, py, reach = position[i, 0], position[i, 1], start.reach[i] + movers.radius[i] + margin
        bins_of[i, 0] = line(px - reach, edge_bins.x, edge_bins.cell, edge_bins.columns)
        bins_of[i, 1] = line(px + reach, edge_bins.x, edge_bins.cell, edge_bins.columns)
        bins_of[i, 2] = line(py - reach, edge_bins.y, edge_bins.cell, edge_bins.rows)
        bins_of[i, 3] = line(py + reach, edge_bins.y, edge_bins.cell, edge_bins.rows)
        edges_there = 0
        for r in range(bins_of[i, 2], bins_of[i, 3] + 1):
            row = r * edge_bins.columns
            edges_there += boxed_first[row + bins_of[i, 1] + 1] - boxed_first[row + bins_of[i, 0]]
        most += min(edges_there, len(edges))
    near, near_shape, near_kind = np.empty((most, 6)), np.empty(most, np.int64), np.empty(most, np.int64)
    lost, floor = np.empty(16, np.int64), np.empty(16)
    spare = np.full(n, np.inf)
    found = misplaced = 0
    for i in range(n):
        px, py, ex, ey, radius, row = position[i, 0], position[i, 1], stop[i, 0], stop[i, 1], movers.radius[i], rows[i]
        full = radius + margin
        reach, stopping = start.reach[i] + full, length(ex - px, ey - py)
        # Which outlines hold it: all that it must stay within, and those whose box is here.
        here = line(py, shape_bins.y, shape_bins.cell, shape_bins.rows) * shape_bins.columns
        here += line(px, shape_bins.x, shape_bins.cell, shape_bins.columns)
        off = False
        for outline in enclosing:
            if mask[row, outline] and not holds(px, py, edges, first[outline], first[outline + 1]):
                wrong[outline] = off = True
        for slot in range(within_first[here], within_first[here + 1]):
            outline = within[slot]
            if inside[outline] or not mask[row, outline]:
                continue
            if holds(px, py, edges, first[outline], first[outline + 1]):
                wrong[outline] = off = True
        edge_first[i] = found
        for r in range(bins_of[i, 2], bins_of[i, 3] + 1):
            # Bins of one row lie one after the other.
            left, right = r * edge_bins.columns + bins_of[i, 0], r * edge_bins.columns + bins_of[i, 1]
            for slot in range(boxed_first[left], boxed_first[right + 1]):
                e = boxed[slot]
                if seen[e] == i or not mask[row, edge_shape[e]]:
                    continue
                seen[e] = i
                ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
                if at_least(px, py, px, py, ax, ay, bx, by) > reach * reach * (1.0 + 1e-9):
                    continue
                distance = from_point(px, py, ax, ay, bx, by)
                if not distance <= reach:
                    continue
                committed = distance - stopping
                if committed < full + eps:  # else the start asks for no less than the rule
                    committed, _ = from_segment(px, py, ex, ey, ax, ay, bx, by)
                if committed <= 0.0:
                    wrong[edge_shape[e]] = off = True
                near_shape[found], near_kind[found] = edge_shape[e], kinds[edge_shape[e]]
                near[found, 0], near[found, 1], near[found, 2], near[found, 3] = ax, ay, bx, by
                near[found, 4] = committed
                found += 1
        for slot in range(edge_first[i], found):
            committed = near[slot, 4]
            active[i, near_kind[slot]] = True
            if committed < radius + 0.5 * eps:
                broken[i, near_kind[slot]] = True
            if wrong[near_shape[slot]]:
                near[slot, 4] = near[slot, 5] = -1.0
            else:
                near[slot, 4], near[slot, 5] = min(full, committed), min(full, committed + 0.1 * eps)
                spare[i] = min(spare[i], near[slot, 4] - radius)
        lost_first[i] = misplaced
        for k in range(shapes if off else 0):
            if wrong[k]:
                if misplaced == len(lost):
                    lost, floor = longer(lost), longer(floor)
                lost[misplaced] = k
                floor[misplaced] = min(
                    signed(px, py, edges, first[k], first[k + 1], inside[k]),
                    signed(ex, ey, edges, first[k], first[k + 1], inside[k]),
                )
                misplaced += 1
                broken[i, kinds[k]] = True
                wrong[k] = False
    edge_first[n], lost_first[n] = found, misplaced
    way = np.full((n, len(rules.way_kind)), -np.inf)
    return Ground(edge_first, near, near_kind, lost_first, lost, floor, way, np.full(n, np.inf), spare)


@exactly
def _boxes(edges, first):  # type: ignore[no-untyped-def]
    """Returns each edge's outline and box, and each outline's box: x0 y0 x1 y1."""
    shapes = len(first) - 1
    edge_shape = np.empty(len(edges), np.int64)
    edge_box, shape_box = np.empty((len(edges), 4)), np.empty((shapes, 4))
    for k in range(shapes):
        shape_box[k, 0], shape_box[k, 1], shape_box[k, 2], shape_box[k, 3] = math.inf, math.inf, -math.inf, -math.inf
        for e in range(first[k], first[k + 1]):
            edge_shape[e] = k
            for d in range(2):
                edge_box[e, d] = min(edges[e, d], edges[e, d + 2])
                edge_box[e, d + 2] = max(edges[e, d], edges[e, d + 2])
                shape_box[k, d] = min(shape_box[k, d], edge_box[e, d])
                shape_box[k, d + 2] = max(shape_box[k, d + 2], edge_box[e, d + 2])
    return edge_shape, edge_box, shape_box


@exactly
def _places(rules, movers, terms, columns, start, ground, answer):  # type: ignore[no-untyped-def]
    """Judges everybody's start by speed, leash and clearways, and fills what these ask for."""
    eps, margin, position, stop, home = terms.eps, terms.eps + terms.tolerance, movers.position, start.stop, movers.home
    broken, active = answer.broken, answer.active
    for i in range(len(position)):
        px, py, ex, ey = position[i, 0], position[i, 1], stop[i, 0], stop[i, 1]
        pace = length(movers.velocity[i, 0], movers.velocity[i, 1])
        broken[i, columns.speed] = pace > movers.speed[i] * (1.0 + 1e-6)
        once = movers.certified_acceleration[i] * rules.dt
        broken[i, columns.grid] = len(rules.moves) > 0 and pace > once * (1.0 + 1e-9)
        limit, spare = movers.leash[i], 2e9
        away = max(length(px - home[i, 0], py - home[i, 1]), length(ex - home[i, 0], ey - home[i, 1]))
        if math.isfinite(limit):
            ground.leash[i] = max(limit - margin, away - 0.1 * eps)
            spare = limit - ground.leash[i]
        broken[i, columns.leash] = away > limit - 0.5 * eps
        active[i, columns.leash] = away + start.reach[i] > limit
        for w in range(len(rules.way_kind)):
            if not rules.way_binds[w, movers.rows[i]]:
                continue
            outside = signed(ex, ey, rules.way_edges, rules.way_first[w], rules.way_first[w + 1], False)
            ground.way[i, w] = min(margin, outside + 0.1 * eps)
            spare = min(spare, ground.way[i, w])
            if outside < 0.5 * eps:
                broken[i, rules.way_kind[w]] = True
            if signed(px, py, rules.way_edges, rules.way_first[w], rules.way_first[w + 1], False) < start.reach[i]:
                active[i, rules.way_kind[w]] = True
        ground.spare[i] = min(ground.spare[i], spare)


@exactly
def _against(them, i, j, x, y, ux, uy, step, acceleration, dt):  # type: ignore[no-untyped-def]
    """Returns by how much a motion of NPC i from x y keeps rule j."""
    if not them.binds[i, j]:
        return ANYWHERE
    tick = them.age_ticks + step + 1
    gx, gy = x - them.place[j, 0], y - them.place[j, 1]
    return never_worse(gx, gy, them.distance[j], them.top_speed[j], them.near[j], tick, ux, uy, acceleration, dt)


@exactly
def _others(rules, movers, them, start, ground, steps, answer):  # type: ignore[no-untyped-def]
    """Judges everybody's start by rules about others."""
    dt = rules.dt
    for i in range(len(movers.rows) if len(them.distance) else 0):
        x, y, a = movers.position[i, 0], movers.position[i, 1], movers.certified_acceleration[i]
        ux, uy = brake(movers.velocity[i, 0], movers.velocity[i, 1], a, dt)
        for j in range(len(them.distance)):
            in_hand = _against(them, i, j, x, y, ux, uy, 0, a, dt)
            ground.spare[i] = min(ground.spare[i], in_hand)
            if in_hand < -1e-9:
                answer.broken[i, them.kind[j]] = True
            gap = length(x - them.place[j, 0], y - them.place[j, 1])
            if them.near[j]:
                touch = gap + start.reach[i] > them.distance[j]
            else:
                time = dt * (them.age_ticks + steps) + start.pace[i] / a
                touch = gap - start.reach[i] < them.distance[j] + time * them.top_speed[j]
            if touch and them.binds[i, j]:
                answer.active[i, them.kind[j]] = True


@exactly
def _steps(rules, movers, them, planes, ground, terms, tried, columns, wishes, answer):  # type: ignore[no-untyped-def]
    """Writes everybody's steps: the proposal where it holds, else the best candidate, else the brake."""
    n, m, _ = wishes.shape
    dt, same, rejected = rules.dt, tried.same, answer.rejected
    velocities, expected, points, rank = answer.velocities, answer.expected, answer.points, answer.rank
    edge, edge_kind, plane = ground.edge, ground.edge_kind, planes.plane
    fails = np.empty(columns.kinds, np.bool_)
    candidates = np.empty((1 + len(tried.blends) + len(tried.turns) + len(tried.ring), 2))
    for i in range(n):
        x, y, vx, vy = movers.position[i, 0], movers.position[i, 1], movers.velocity[i, 0], movers.velocity[i, 1]
        speed, a = movers.certified_speed[i], movers.certified_acceleration[i]
        hx, hy, leash, frozen = movers.home[i, 0], movers.home[i, 1], ground.leash[i], planes.frozen[i]
        e0, e1, q0, q1 = ground.edge_first[i], ground.edge_first[i + 1], planes.first[i], planes.first[i + 1]
        rare = ground.lost_first[i] < ground.lost_first[i + 1] or len(rules.way_kind) > 0 or len(them.distance) > 0
        heading, low, high = movers.heading[i, 0], movers.heading[i, 1], movers.heading[i, 2]
        least, most, tight, above = movers.heading[i, 3], movers.heading[i, 4], movers.turn[i], movers.turn_above[i]
        for step in range(m):
            wx, wy = wishes[i, step, 0], wishes[i, step, 1]
            usable = math.isfinite(wx) and math.isfinite(wy)
            ax, ay, right, left, tells = cone(
                vx, vy, tight, above, terms.turn_give, rules.steers, heading, low, high, least, most
            )
            # A car whose velocity does not tell its direction starts as if from rest.
            gx, gy, change = vx, vy, a * dt
            if rules.steers and not tells:
                gx, gy, change = 0.0, 0.0, max(a * dt - length(vx, vy), 0.0)
            ux, uy = project(wx, wy, gx, gy, speed, change, ax, ay, right, left, rules.moves)
            ex, ey = rest(x, y, ux, uy, a, dt)
            fast, hard, turned, between = limited(wx, wy, vx, vy, speed, a * dt, ax, ay, right, left, rules.moves, same)
            rejected[i, columns.speed] |= fast
            rejected[i, columns.acceleration] |= hard
            rejected[i, columns.steering if rules.steers else columns.turn] |= turned
            rejected[i, columns.grid] |= between
            bad = not _holds(edge, e0, e1, plane, q0, q1, frozen, hx, hy, leash, x, y, ex, ey)
            if rare and not bad:
                bad = not _holds_rare(rules, them, ground, terms, i, a, step, ux, uy, x, y, ex, ey)
            if bad:
                _failing(edge, edge_kind, e0, e1, plane, q0, q1, frozen, hx, hy, leash, columns, x, y, ex, ey, fails)
                if rare:
                    _failing_rare(rules, them, ground, terms, i, a, step, ux, uy, x, y, ex, ey, fails)
                for c in range(columns.kinds):
                    rejected[i, c] |= fails[c]
            if usable and not bad:
                rank[i, step] = 1 if length(ux - wx, uy - wy) > same else 0
            else:
                bx, by = brake(vx, vy, a, dt)
                bx, by = np.float64(np.float32(bx)), np.float64(np.float32(by))
                _candidates(
                    tried,
                    speed,
                    change,
                    gx,
                    gy,
                    wx,
                    wy,
                    usable,
                    ux,
                    uy,
                    bx,
                    by,
                    ax,
                    ay,
                    right,
                    left,
                    rules.moves,
                    candidates,
                )
                far = np.empty(len(candidates))
                far[0] = math.inf  # it has failed, or nobody wished it
                for q in range(1, len(candidates)):
                    far[q] = length(candidates[q, 0] - ux, candidates[q, 1] - uy) + tried.earlier * q
                ux, uy = bx, by
                rank[i, step] = 4
                for _ in range(1, len(candidates)):
                    best = np.argmin(far)
                    cx, cy = candidates[best, 0], candidates[best, 1]
                    ex, ey = rest(x, y, cx, cy, a, dt)
                    good = _holds(edge, e0, e1, plane, q0, q1, frozen, hx, hy, leash, x, y, ex, ey)
                    if good and rare:
                        good = _holds_rare(rules, them, ground, terms, i, a, step, cx, cy, x, y, ex, ey)
                    if good:
                        ux, uy = cx, cy
                        rank[i, step] = 2 if best <= len(tried.blends) else 3
                        break
                    far[best] = math.inf
                ex, ey = rest(x, y, ux, uy, a, dt)
            velocities[i, step, 0], velocities[i, step, 1] = ux, uy
            points[i, step, 0, 0], points[i, step, 0, 1] = x, y
            points[i, step, 1, 0], points[i, step, 1, 1] = ex, ey
            expected[i, step, 0], expected[i, step, 1] = x, y
            expected[i, step, 2], expected[i, step, 3] = vx, vy
            x, y, vx, vy = x + ux * dt, y + uy * dt, ux, uy
            if rules.steers and (ux != 0.0 or uy != 0.0):
                turned_to = wrapped(math.atan2(uy + 0.0, ux + 0.0) - heading)
                low, high = min(low, turned_to), max(high, turned_to)


@exactly
def _holds(  # type: ignore[no-untyped-def]
    edge, e0, e1, plane, q0, q1, frozen, hx, hy, leash, sx, sy, ex, ey
):
    """Says whether the segment s..e keeps its leash, its half-planes and its distance from edges."""
    if frozen or length(ex - hx, ey - hy) > leash:
        return False
    for q in range(q0, q1):
        if ex * plane[q, 0] + ey * plane[q, 1] > plane[q, 2]:
            return False
    for k in range(e0, e1):
        swept, final = edge[k, 4], edge[k, 5]
        need = max(swept, final)
        if swept < 0.0 or at_least(sx, sy, ex, ey, edge[k, 0], edge[k, 1], edge[k, 2], edge[k, 3]) >= need * need:
            continue
        clear, last = from_segment(sx, sy, ex, ey, edge[k, 0], edge[k, 1], edge[k, 2], edge[k, 3])
        if clear < swept or last < final:
            return False
    return True


@exactly
def _failing(  # type: ignore[no-untyped-def]
    edge, edge_kind, e0, e1, plane, q0, q1, frozen, hx, hy, leash, columns, sx, sy, ex, ey, fails
):
    """Fills which of these rules turn the segment s..e down."""
    fails[:] = False
    fails[columns.leash] = length(ex - hx, ey - hy) > leash
    fails[columns.spacing] = frozen
    for q in range(q0, q1):
        if ex * plane[q, 0] + ey * plane[q, 1] > plane[q, 2]:
            fails[columns.spacing] = True
    for k in range(e0, e1):
        clear, last = from_segment(sx, sy, ex, ey, edge[k, 0], edge[k, 1], edge[k, 2], edge[k, 3])
        if clear < edge[k, 4] or last < edge[k, 5]:
            fails[edge_kind[k]] = True


@exactly
def _room(rules, w, x, y):  # type: ignore[no-untyped-def]
    """Returns a point's signed distance from a clearway, positive outside."""
    return signed(x, y, rules.way_edges, rules.way_first[w], rules.way_first[w + 1], False)


@exactly
def _sinks(rules, ground, lost, eps, sx, sy, ex, ey):  # type: ignore[no-untyped-def]
    """Says whether the segment s..e goes deeper into where an outline forbids, or does not come out at all."""
    k, depth = ground.lost[lost], 0.0
    for sample in range(1, _SAMPLES + 1):
        at = sample / _SAMPLES
        px, py = sx + (ex - sx) * at, sy + (ey - sy) * at
        depth = signed(px, py, rules.edges, rules.shape_first[k], rules.shape_first[k + 1], rules.shape_inside[k])
        if depth < ground.floor[lost]:
            return True
    return depth < ground.floor[lost] + 0.1 * eps


@exactly
def _holds_rare(rules, them, ground, terms, i, a, step, ux, uy, sx, sy, ex, ey):  # type: ignore[no-untyped-def]
    """Says whether the segment s..e keeps clear of clearways and others, and leads out of where it may not be."""
    for w in range(len(rules.way_kind)):
        if ground.way[i, w] > -math.inf and _room(rules, w, ex, ey) < ground.way[i, w]:
            return False
    for j in range(len(them.distance)):
        if _against(them, i, j, sx, sy, ux, uy, step, a, rules.dt) - (terms.eps + terms.tolerance) < 0.0:
            return False
    for lost in range(ground.lost_first[i], ground.lost_first[i + 1]):
        if _sinks(rules, ground, lost, terms.eps, sx, sy, ex, ey):
            return False
    return True


@exactly
def _failing_rare(rules, them, ground, terms, i, a, step, ux, uy, sx, sy, ex, ey, fails):  # type: ignore[no-untyped-def]
    """Adds which of these rules turn the segment s..e down."""
    for w in range(len(rules.way_kind)):
        if ground.way[i, w] > -math.inf and _room(rules, w, ex, ey) < ground.way[i, w]:
            fails[rules.way_kind[w]] = True
    for j in range(len(them.distance)):
        if _against(them, i, j, sx, sy, ux, uy, step, a, rules.dt) - (terms.eps + terms.tolerance) < 0.0:
            fails[them.kind[j]] = True
    for lost in range(ground.lost_first[i], ground.lost_first[i + 1]):
        if _sinks(rules, ground, lost, terms.eps, sx, sy, ex, ey):
            fails[rules.shape_kind[ground.lost[lost]]] = True


@exactly
def _candidates(  # type: ignore[no-untyped-def]
    tried, speed, change, vx, vy, wx, wy, usable, mx, my, bx, by, ax, ay, low, high, moves, out
):
    """Fills candidates within both discs: the aim m, blends to the brake b, turns of the wish, a ring."""
    out[0, 0], out[0, 1] = mx, my
    if not usable:
        wx, wy = 0.0, 0.0
    size = min(1.0, speed / max(length(wx, wy), 1e-12))
    wx, wy = wx * size, wy * size
    q = 1
    for blend in tried.blends:
        out[q, 0], out[q, 1] = mx + (bx - mx) * blend, my + (by - my) * blend
        q += 1
    for angle in tried.turns:
        cos, sin = math.cos(angle), math.sin(angle)
        slow = max(abs(cos), 0.25)
        out[q, 0], out[q, 1] = (wx * cos - wy * sin) * slow, (wx * sin + wy * cos) * slow
        q += 1
    for angle in tried.ring:
        out[q, 0], out[q, 1] = vx + change * math.cos(angle), vy + change * math.sin(angle)
        q += 1
    for k in range(1, q):
        out[k, 0], out[k, 1] = project(out[k, 0], out[k, 1], vx, vy, speed, change, ax, ay, low, high, moves)


@exactly
def _margins(rules, movers, planes, ground, columns, answer):  # type: ignore[no-untyped-def]
    """Fills the smallest distance of everybody's certified chunk from most bare rules."""
    n, m, _ = answer.velocities.shape
    points, velocities, out, home = answer.points, answer.velocities, answer.margins, movers.home
    edge, edge_kind, edge_first, plane = ground.edge, ground.edge_kind, ground.edge_first, planes.plane
    for i in range(n):
        away = fastest = hardest = 0.0
        vx, vy, radius = movers.velocity[i, 0], movers.velocity[i, 1], movers.radius[i]
        for step in range(m):
            away = max(away, length(points[i, step, 1, 0] - home[i, 0], points[i, step, 1, 1] - home[i, 1]))
            fastest = max(fastest, length(velocities[i, step, 0], velocities[i, step, 1]))
            hardest = max(hardest, length(velocities[i, step, 0] - vx, velocities[i, step, 1] - vy))
            vx, vy = velocities[i, step, 0], velocities[i, step, 1]
        for k in range(edge_first[i], edge_first[i + 1]):
            ax, ay, bx, by, nearest = edge[k, 0], edge[k, 1], edge[k, 2], edge[k, 3], out[i, edge_kind[k]]
            for step in range(m):
                sx, sy, ex, ey = (
                    points[i, step, 0, 0],
                    points[i, step, 0, 1],
                    points[i, step, 1, 0],
                    points[i, step, 1, 1],
                )
                # What is farther than the nearest so far changes nothing.
                if nearest < math.inf and at_least(sx, sy, ex, ey, ax, ay, bx, by) >= (nearest + radius) ** 2:
                    continue
                clear, _ = from_segment(sx, sy, ex, ey, ax, ay, bx, by)
                nearest = min(nearest, clear - radius)
            out[i, edge_kind[k]] = nearest
        out[i, columns.leash] = movers.leash[i] - away
        out[i, columns.speed] = movers.speed[i] - fastest
        out[i, columns.acceleration] = movers.acceleration[i] - hardest / rules.dt
        for q in range(planes.first[i], planes.first[i + 1]):
            for step in range(m):
                over = points[i, step, 1, 0] * plane[q, 0] + points[i, step, 1, 1] * plane[q, 1]
                out[i, columns.spacing] = min(out[i, columns.spacing], plane[q, 2] - over + plane[q, 3])


@exactly
def _rare_margins(rules, movers, them, ground, answer):  # type: ignore[no-untyped-def]
    """Fills the same for outlines on whose wrong side somebody is, clearways, and what others move."""
    n, m, _ = answer.velocities.shape
    points, velocities, out = answer.points, answer.velocities, answer.margins
    for i in range(n):
        for lost in range(ground.lost_first[i], ground.lost_first[i + 1]):
            k = ground.lost[lost]
            first, end, inside, kind = (
                rules.shape_first[k],
                rules.shape_first[k + 1],
                rules.shape_inside[k],
                rules.shape_kind[k],
            )
            for step in range(m):
                depth = signed(points[i, step, 0, 0], points[i, step, 0, 1], rules.edges, first, end, inside)
                out[i, kind] = min(out[i, kind], depth - movers.radius[i])
        for w in range(len(rules.way_kind)):
            for step in range(m if ground.way[i, w] > -math.inf else 0):
                room = _room(rules, w, points[i, step, 1, 0], points[i, step, 1, 1])
                out[i, rules.way_kind[w]] = min(out[i, rules.way_kind[w]], room)
        for j in range(len(them.distance)):
            for step in range(m):
                x, y, ux, uy = (
                    points[i, step, 0, 0],
                    points[i, step, 0, 1],
                    velocities[i, step, 0],
                    velocities[i, step, 1],
                )
                against = _against(them, i, j, x, y, ux, uy, step, movers.certified_acceleration[i], rules.dt)
                out[i, them.kind[j]] = min(out[i, them.kind[j]], against)


@exactly
def _activity(movers, rules, columns, wishes, answer):  # type: ignore[no-untyped-def]
    """Adds to the rules that can matter those that limit motion, and those that are broken."""
    n, m, _ = wishes.shape
    active, broken = answer.active, answer.broken
    for i in range(n):
        active[i, columns.grid] |= len(rules.moves) > 0
        active[i, columns.steering] |= rules.steers
        bx, by, speed = movers.velocity[i, 0], movers.velocity[i, 1], movers.certified_speed[i]
        change, turns = movers.certified_acceleration[i] * rules.dt, math.isfinite(movers.turn[i]) and not rules.steers
        for step in range(m):
            wx, wy = wishes[i, step, 0], wishes[i, step, 1]
            active[i, columns.speed] |= not (length(wx, wy) < 0.95 * speed)
            active[i, columns.acceleration] |= not (length(wx - bx, wy - by) < 0.95 * change)
            active[i, columns.turn] |= turns and length(bx, by) > movers.turn_above[i]
            bx, by = wx, wy
        for c in range(columns.kinds):
            active[i, c] |= broken[i, c]
