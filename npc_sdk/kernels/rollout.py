"""The duet rollout as one compiled function: the update rule of `update.py`, row by row, without a call in between.

A rollout in torch is twenty times some two hundred operations on a few hundred rows; on a CPU starting them costs four
times what they compute. Here numba compiles the loops and BLAS multiplies the matrices (docs/adr/0007). The rule in
torch is the definition: it is trained, runs on GPUs, and tests compare this with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Weights(NamedTuple):
    """The rule's matrices, inputs first, and its constants."""

    relation: Floats  # f m
    own: Floats  # d m
    score: Floats  # m a
    first: Floats  # d+rest u
    first_bias: Floats
    second: Floats  # u u
    second_bias: Floats
    last: Floats  # u parts
    last_bias: Floats
    leak: Floats  # share of the drift taken per step, of the first numbers of z; the rest stay
    ring: Floats  # p 2, m, first ahead and then to the left
    limits: Floats  # turn m/s, speed m/s, radius m, time step s


class Ground(NamedTuple):
    """One grid read at places: `flat` holds all maps, a group's part begins at `base`."""

    flat: Floats  # cells
    base: Ints  # g
    shift: Floats  # g 2, of the origin, in cells
    cell: np.float32  # m
    columns: int
    rows: int


class Field(NamedTuple):
    """Path fields blended by chances; what is read of `table` is filled in when it is first asked for."""

    table: Floats  # g cells 3q: per guess metres of way left and the way on; NaN where unread, empty if not kept
    share: Floats  # g q p, chances of the places
    way: Floats  # m cells p, m of way from each node to each place
    stored: Ints  # g, the map in `way`
    order: Ints  # t cells, where each node of a turned map is stored
    turn: Ints  # g
    origin: Floats  # g 2, m
    scene: Ints  # of each group of rows, which g it reads
    cell: np.float32  # m
    columns: int


class Start(NamedTuple):
    """The rows before the first step; row r belongs to group `group[r]`."""

    group: Ints  # r
    pose: Floats  # r 4
    heading: Floats  # r 2
    z: Floats  # r d
    variance: Floats  # r
    clearance: Floats  # r
    slope: Floats  # r 2


class Beside(NamedTuple):
    """The bodies each row attends to."""

    path: Floats  # h r k 4, when each step begins
    heading: Floats  # g k 2
    key: Floats  # g k m
    valid: NDArray[np.bool_]  # g k


class Tape(NamedTuple):
    """What a step computes on its way: one entry per step for `backward.pull_back`, or one that all steps use."""

    pose: Floats  # t r 4, before the step
    given: Floats  # t r u, inputs of the first layer; the latent before the step comes first
    way: Floats  # t r 2
    seen: Floats  # t rk f
    units: Floats  # t r k 2
    mixed: Floats  # t rk m, messages
    share: Floats  # t rk a, of attention
    basis: Floats  # t r v 2
    one: Floats  # t r u
    two: Floats  # t r u
    told: Floats  # t r parts, what the last layer says


_F = np.float32


def tape(w: Weights, rows: int, near: int, guesses: int, steps: int) -> Tape:
    """Room for `steps` steps of `rows` rows that attend to `near` bodies each."""

    def room(*shape: int) -> Floats:
        return np.empty((steps, *shape), np.float32)

    features, width = w.relation.shape
    heads, hidden = w.score.shape[1], w.second.shape[0]
    return Tape(
        pose=room(rows, 4),
        given=room(rows, w.first.shape[0]),
        way=room(rows, 2),
        seen=room(rows * near, features),
        units=room(rows, near, 2),
        mixed=room(rows * near, width),
        share=room(rows * near, heads),
        basis=room(rows, heads + 3 + guesses, 2),
        one=room(rows, hidden),
        two=room(rows, hidden),
        told=room(rows, w.last.shape[1]),
    )


@compiled
def _node(at, last):  # type: ignore[no-untyped-def]
    return int(min(max(at, _F(0)), _F(last)) + _F(0.5))


@compiled
def _nearest(ground, g, x, y):  # type: ignore[no-untyped-def]
    column = _node(x / ground.cell - ground.shift[g, 0], ground.columns - 1)
    row = _node(y / ground.cell - ground.shift[g, 1], ground.rows - 1)
    return ground.base[g] + row * ground.columns + column


@compiled
def length(x, y):  # type: ignore[no-untyped-def]
    return np.sqrt(x * x + y * y)


@compiled
def _slope(ground, g, x, y):  # type: ignore[no-untyped-def]
    """The interpolated distance to the nearest wall and its gradient (`Terrain.slope`)."""
    small = _F(1e-3)
    u = min(max(x / ground.cell - ground.shift[g, 0], _F(0)), _F(ground.columns - 1) - small)
    v = min(max(y / ground.cell - ground.shift[g, 1], _F(0)), _F(ground.rows - 1) - small)
    column, row = int(u), int(v)
    fx, fy = u - _F(column), v - _F(row)
    at = ground.base[g] + row * ground.columns + column
    a, b = ground.flat[at], ground.flat[at + 1]
    c, d = ground.flat[at + ground.columns], ground.flat[at + ground.columns + 1]
    left, right = a + fy * (c - a), b + fy * (d - b)
    up = (c - a) + fx * ((d - b) - (c - a))
    return left + fx * (right - left), (right - left) / ground.cell, up / ground.cell


@compiled
def relate(walls, group, pose, heading, others, facing, way, seen, units):  # type: ignore[no-untyped-def]
    """Fills the direction each row goes (r 2), and per neighbour what `update.relate` says (rk f) and where (r k 2)."""
    near, looks = others.shape[1], 5
    for r in range(len(group)):
        g = group[r]
        px, py, vx, vy = pose[r]
        hx, hy = heading[r]
        wx, wy = vx + _F(0.3) * hx, vy + _F(0.3) * hy
        size = max(length(wx + _F(1e-9), wy + _F(1e-9)), _F(1e-3))
        wx, wy = wx / size, wy / size
        way[r, 0], way[r, 1] = wx, wy
        for k in range(near):
            ox, oy, ovx, ovy = others[r, k]
            gx, gy = ox - px, oy - py
            far = max(length(gx, gy), _F(1e-2))
            ux, uy = gx / far, gy / far
            fx, fy = facing[g, k]
            least = _F(1)
            for i in range(looks):
                part = (_F(i) + _F(0.5)) / _F(looks)
                least = min(least, walls.flat[_nearest(walls, g, px + gx * part, py + gy * part)])
            one = seen[r * near + k]
            one[0], one[1] = (gx * wx + gy * wy) / _F(6), (wx * gy - wy * gx) / _F(6)
            one[2], one[3] = ux * wx + uy * wy, wx * uy - wy * ux
            one[4], one[5] = (vx * ux + vy * uy) * _F(0.2), (ux * vy - uy * vx) * _F(0.2)
            one[6], one[7] = (ovx * ux + ovy * uy) * _F(0.2), (ux * ovy - uy * ovx) * _F(0.2)
            one[8], one[9] = hx * ux + hy * uy, ux * hy - uy * hx
            one[10], one[11] = fx * ux + fy * uy, ux * fy - uy * fx
            one[12], one[13], one[14] = far / _F(6), _F(1) / (_F(1) + far), max(least, _F(-1))
            units[r, k, 0], units[r, k, 1] = ux, uy


@compiled
def _attend(w, start, beside, own, units, way, hidden, share, given, basis):  # type: ignore[no-untyped-def]
    """Mixes the messages of `Attend` into each row's inputs and its directions into `basis`."""
    near, width = beside.key.shape[1:]
    heads, latent = w.score.shape[1], start.z.shape[1]
    each = width // heads
    for r in range(len(start.group)):
        g = start.group[r]
        for k in range(near):
            line, key, mine = hidden[r * near + k], beside.key[g, k], own[r]
            for m in range(width):
                line[m] = max(line[m] + key[m] + mine[m], _F(0))
    np.dot(hidden, w.score, share)
    for r in range(len(start.group)):
        g = start.group[r]
        row, (wx, wy) = given[r], way[r]
        for c in range(latent, latent + width):
            row[c] = _F(0)
        for a in range(heads):
            top, total = _F(-1e9), _F(0)
            for k in range(near):
                if not beside.valid[g, k]:
                    share[r * near + k, a] = _F(-1e4)
                top = max(top, share[r * near + k, a])
            for k in range(near):
                share[r * near + k, a] = np.exp(share[r * near + k, a] - top)
                total += share[r * near + k, a]
            dx, dy = _F(0), _F(0)
            for k in range(near):
                share[r * near + k, a] /= total
                part, line = share[r * near + k, a], hidden[r * near + k]
                dx += part * units[r, k, 0]
                dy += part * units[r, k, 1]
                for m in range(a * each, (a + 1) * each):
                    row[latent + m] += line[m] * part
            basis[r, a, 0], basis[r, a, 1] = dx, dy
            c = latent + width + 2 * a
            row[c], row[c + 1] = dx * wx + dy * wy, wx * dy - wy * dx


@compiled
def _blended(field, g, q, column, row):  # type: ignore[no-untyped-def]
    """The way left from a node, blended over the places; beyond the border that of the border."""
    columns = field.columns
    rows = field.way.shape[1] // columns
    node = min(max(row, 0), rows - 1) * columns + min(max(column, 0), columns - 1)
    way, share = field.way[field.stored[g], field.order[field.turn[g], node]], field.share[g, q]
    total = _F(0)
    for p in range(len(way)):
        total += share[p] * way[p]
    return total


@compiled
def _way_on(field, group, x, y):  # type: ignore[no-untyped-def]
    """What the node nearest to a place says (`Ways.look`)."""
    g, columns = field.scene[group], field.columns
    column = _node((x - field.origin[g, 0]) / field.cell, columns - 1)
    row = _node((y - field.origin[g, 1]) / field.cell, field.way.shape[1] // columns - 1)
    kept = field.table.shape[1] > 0
    told = field.table[g, row * columns + column] if kept else np.empty(field.table.shape[2], np.float32)
    if not kept or np.isnan(told[0]):
        for q in range(field.share.shape[1]):
            told[3 * q] = _blended(field, g, q, column, row) / _F(12)
            for axis in range(2):
                east, north = 1 - axis, axis
                ahead = _blended(field, g, q, column + east, row + north)
                behind = _blended(field, g, q, column - east, row - north)
                told[3 * q + 1 + axis] = min(max((behind - ahead) / (_F(2) * field.cell), _F(-1.5)), _F(1.5))
    return told


@compiled
def look(field, places, told):  # type: ignore[no-untyped-def]
    """Fills what each group's field says at its place (g 3q)."""
    for g in range(len(places)):
        told[g] = _way_on(field, g, places[g, 0], places[g, 1])


@compiled
def _look(w, start, walls, ways, way, given, basis):  # type: ignore[no-untyped-def]
    """Fills what each row sees of the map and of itself into its inputs and directions."""
    heads, guesses = w.score.shape[1], ways.table.shape[2] // 3
    first = start.z.shape[1] + w.relation.shape[1] + 2 * heads
    for r in range(len(start.group)):
        g = start.group[r]
        px, py, vx, vy = start.pose[r]
        hx, hy = start.heading[r]
        wx, wy = way[r]
        row, c = given[r], first
        for i in range(len(w.ring)):
            ahead, left = w.ring[i]
            found = walls.flat[_nearest(walls, g, px + ahead * wx - left * wy, py + ahead * wy + left * wx)]
            row[c + i] = min(max(found, _F(-1)), _F(3)) / _F(3)
        c += len(w.ring)
        sx, sy = start.slope[r]
        row[c] = length(vx, vy) * _F(0.2)
        row[c + 1], row[c + 2] = hx * wx + hy * wy, wx * hy - wy * hx
        row[c + 3], row[c + 4] = sx * wx + sy * wy, wx * sy - wy * sx
        row[c + 5], row[c + 6] = px / _F(12), py / _F(12)
        row[c + 7] = min(start.clearance[r], _F(3)) / _F(3)
        row[c + 8] = np.sqrt(start.variance[r]) * _F(0.2)
        c += 9
        basis[r, heads, 0], basis[r, heads, 1] = vx * _F(0.2), vy * _F(0.2)
        basis[r, heads + 1, 0], basis[r, heads + 1, 1] = hx, hy
        basis[r, heads + 2, 0], basis[r, heads + 2, 1] = sx, sy
        aim = _way_on(ways, g, px, py)
        for q in range(guesses):
            left, tx, ty = aim[3 * q], aim[3 * q + 1], aim[3 * q + 2]
            basis[r, heads + 3 + q, 0], basis[r, heads + 3 + q, 1] = tx, ty
            row[c + q] = left
            row[c + guesses + 2 * q] = tx * wx + ty * wy
            row[c + guesses + 2 * q + 1] = wx * ty - wy * tx


@compiled
def steer(basis, r, told, first):  # type: ignore[no-untyped-def]
    """The sum of a row's directions, each scaled and turned by the pair of weights from column `first` on."""
    x, y, count = _F(0), _F(0), basis.shape[1]
    for v in range(count):
        forward, sideways = told[r, first + v], told[r, first + count + v]
        x += forward * basis[r, v, 0] - sideways * basis[r, v, 1]
        y += forward * basis[r, v, 1] + sideways * basis[r, v, 0]
    return x, y


@compiled
def bounding(x, y, limit):  # type: ignore[no-untyped-def]
    """By how much a vector is shortened so that it is no longer than `limit`."""
    return limit / max(length(x, y), limit)


@compiled
def _move(w, start, walls, basis, told):  # type: ignore[no-untyped-def]
    """Moves every row on in place by what the last layer said."""
    latent, count = len(w.leak), 2 * basis.shape[1]
    turn_limit, speed, radius, dt = w.limits
    for r in range(len(start.group)):
        px, py, vx, vy = start.pose[r]
        pull_x, pull_y = steer(basis, r, told, latent)
        turn_x, turn_y = steer(basis, r, told, latent + count)
        push_x, push_y = steer(basis, r, told, latent + 2 * count)
        dx, dy = pull_x * _F(4), pull_y * _F(4)
        slow = bounding(dx, dy, turn_limit)
        mx, my = vx + dx * slow, vy + dy * slow
        keep = bounding(mx, my, speed)
        mx, my = mx * keep, my * keep
        px += (vx + mx) * (dt / _F(2)) + push_x * _F(0.1)
        py += (vy + my) * (dt / _F(2)) + push_y * _F(0.1)
        clearance, sx, sy = _slope(walls, start.group[r], px, py)
        inside = min(max(radius - clearance, _F(0)), _F(0.5))
        hx, hy = start.heading[r, 0] + turn_x, start.heading[r, 1] + turn_y
        size = max(length(hx + _F(1e-9), hy + _F(1e-9)), _F(1e-3))
        grown = told[r, latent + 3 * count]
        soft = max(grown, _F(0)) + np.log1p(np.exp(-abs(grown)))
        start.pose[r, 0], start.pose[r, 1] = px + sx * inside, py + sy * inside
        start.pose[r, 2], start.pose[r, 3] = mx, my
        start.heading[r, 0], start.heading[r, 1] = hx / size, hy / size
        start.variance[r] = min(start.variance[r] + soft * _F(0.1), _F(144))
        start.clearance[r] = clearance + inside
        start.slope[r, 0], start.slope[r, 1] = sx, sy
        for d in range(latent):
            start.z[r, d] += w.leak[d] * (told[r, d] - start.z[r, d])


@compiled
def _dense(x, matrix, bias, out):  # type: ignore[no-untyped-def]
    np.dot(x, matrix, out)
    for r in range(out.shape[0]):
        for u in range(out.shape[1]):
            out[r, u] += bias[u]


@compiled
def _relu(x):  # type: ignore[no-untyped-def]
    for r in range(x.shape[0]):
        for u in range(x.shape[1]):
            x[r, u] = max(x[r, u], _F(0))


@compiled
def roll(w, start, beside, walls, ways, tape):  # type: ignore[no-untyped-def]
    """Rolls every row on by as many steps as `beside.path` has; uses `start` up and writes down in `tape` how.

    Returns pose and heading (r h 6), latents (r h d), variances (r h) and logits (r h 2), after each step.
    """
    rows, latent = start.z.shape
    steps, kept = beside.path.shape[0], len(tape.pose)
    own = np.empty((rows, w.own.shape[1]), np.float32)
    path, zs = np.empty((rows, steps, 6), np.float32), np.empty((rows, steps, latent), np.float32)
    variances, logits = np.empty((rows, steps), np.float32), np.empty((rows, steps, 2), np.float32)
    for step in range(steps):
        at = step % kept
        way, seen, units, given = tape.way[at], tape.seen[at], tape.units[at], tape.given[at]
        mixed, basis, one, two, told = tape.mixed[at], tape.basis[at], tape.one[at], tape.two[at], tape.told[at]
        tape.pose[at] = start.pose
        np.dot(start.z, w.own, own)
        given[:, :latent] = start.z
        relate(walls, start.group, start.pose, start.heading, beside.path[step], beside.heading, way, seen, units)
        np.dot(seen, w.relation, mixed)
        _attend(w, start, beside, own, units, way, mixed, tape.share[at], given, basis)
        _look(w, start, walls, ways, way, given, basis)
        _dense(given, w.first, w.first_bias, one)
        _relu(one)
        _dense(one, w.second, w.second_bias, two)
        _relu(two)
        _dense(two, w.last, w.last_bias, told)
        _move(w, start, walls, basis, told)
        path[:, step, :4], path[:, step, 4:] = start.pose, start.heading
        zs[:, step], variances[:, step] = start.z, start.variance
        logits[:, step] = told[:, told.shape[1] - 2 :]
    return path, zs, variances, logits
