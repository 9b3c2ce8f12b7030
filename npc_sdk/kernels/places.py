"""The scorer of places (`world/destinations.py`) and its gradient as compiled loops: one pass over scenes and places.

In torch this is twenty small operations on scenes times places, three times over where gradients run back. The scorer
in torch is the definition; a test compares both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
INPUTS = 9  # what is seen of a place; the logits carried over come after
_F = np.float32


class Map(NamedTuple):
    """The places of the maps (`tensors.Places`) and which of them each scene plays on."""

    spots: Floats  # m p 2
    way: Floats  # m cells p
    origin: Floats  # m 2
    turns: Floats  # t 2 2
    stored: Ints  # b
    turn: Ints  # b
    cell: np.float32
    columns: int


class Seen(NamedTuple):
    """What each scene knows."""

    place: Floats  # b 2, of the player
    seen: Bools  # b
    known: Bools  # b
    others: Floats  # b k 2
    valid: Bools  # b k


class Layers(NamedTuple):
    """The scorer's weights."""

    place: Floats  # 9+q u, inputs first
    bias: Floats  # u
    out: Floats  # q u
    out_bias: Floats  # q
    keep: Floats  # q, share of the logits that stays
    rates: Floats  # of the two averages, per step


class Slopes(NamedTuple):
    """Gradients, filled by `unscore`; all but `logits` start at zero."""

    logits: Floats  # b p q
    context: Floats  # b u
    place: Floats  # 9+q u
    bias: Floats  # u
    out: Floats  # q u
    out_bias: Floats  # q
    keep: Floats  # q


@compiled
def _features(map_, seen, trace, rates, inputs, averages):  # type: ignore[no-untyped-def]
    """Fills what is seen of each place (b p 9), and the way there as two averages (b p 2)."""
    scenes, count = trace.shape[0], trace.shape[1]
    guesses, near = trace.shape[2] - 2, seen.others.shape[1]
    small, rows = _F(1.001), map_.way.shape[1] // map_.columns
    bodies = np.empty((near, 2), np.float32)
    for b in range(scenes):
        m, turn = map_.stored[b], map_.turns[map_.turn[b]]
        x = seen.place[b, 0] * turn[0, 0] + seen.place[b, 1] * turn[1, 0]
        y = seen.place[b, 0] * turn[0, 1] + seen.place[b, 1] * turn[1, 1]
        for k in range(near):
            ox, oy = seen.others[b, k]
            bodies[k, 0], bodies[k, 1] = ox * turn[0, 0] + oy * turn[1, 0], ox * turn[0, 1] + oy * turn[1, 1]
        u = min(max((x - map_.origin[m, 0]) / map_.cell, _F(0)), _F(map_.columns) - small)
        v = min(max((y - map_.origin[m, 1]) / map_.cell, _F(0)), _F(rows) - small)
        column, row = int(u), int(v)
        fx, fy = u - _F(column), v - _F(row)
        node = row * map_.columns + column
        low, high = map_.way[m, node], map_.way[m, node + map_.columns]
        low_next, high_next = map_.way[m, node + 1], map_.way[m, node + map_.columns + 1]
        for p in range(count):
            under, over = low[p] + fx * (low_next[p] - low[p]), high[p] + fx * (high_next[p] - high[p])
            way = under + fy * (over - under)
            sx, sy = map_.spots[m, p]
            walk = np.sqrt((sx - x) * (sx - x) + (sy - y) * (sy - y))
            nearest = _F(99)
            for k in range(near):
                if seen.valid[b, k]:
                    gx, gy = sx - bodies[k, 0], sy - bodies[k, 1]
                    nearest = min(nearest, np.sqrt(gx * gx + gy * gy))
            fast, slow = (trace[b, p, guesses], trace[b, p, guesses + 1]) if seen.known[b] else (way, way)
            one = inputs[b, p]
            one[0], one[1], one[2], one[3] = way / _F(12), walk / _F(12), (fast - way) / _F(1.5), (slow - way) / _F(4)
            one[4], one[5] = min(nearest, _F(24)) / _F(12), min(max(walk - nearest, _F(0)), _F(12)) / _F(6)
            one[6], one[7] = max(_F(12) - nearest, _F(0)) / _F(12), _F(1) / (_F(1) + way)
            one[8] = _F(1) if seen.seen[b] else _F(0)
            averages[b, p, 0], averages[b, p, 1] = fast + rates[0] * (way - fast), slow + rates[1] * (way - slow)


@compiled
def _hidden(layers, context, seen, logits, hidden):  # type: ignore[no-untyped-def]
    """Fills the hidden layer of one place."""
    for u in range(len(hidden)):
        hidden[u] = context[u] + layers.bias[u]
    for i in range(len(seen)):
        for u in range(len(hidden)):
            hidden[u] += seen[i] * layers.place[i, u]
    for q in range(len(logits)):
        for u in range(len(hidden)):
            hidden[u] += logits[q] * _F(0.3) * layers.place[len(seen) + q, u]
    for u in range(len(hidden)):
        hidden[u] = max(hidden[u], _F(0))


@compiled
def score(layers, map_, seen, trace, context, inputs, after):  # type: ignore[no-untyped-def]
    """Fills the trace after one more observation (b p q+2); `inputs` (b p 9) holds what `unscore` needs again."""
    scenes, count = trace.shape[0], trace.shape[1]
    guesses = trace.shape[2] - 2
    hidden = np.empty(context.shape[1], np.float32)
    _features(map_, seen, trace, layers.rates, inputs, after[:, :, guesses:])
    for b in range(scenes):
        stays = _F(1) if seen.known[b] else _F(0)
        for p in range(count):
            _hidden(layers, context[b], inputs[b, p], trace[b, p, :guesses], hidden)
            for q in range(guesses):
                total = layers.out_bias[q] + trace[b, p, q] * layers.keep[q] * stays
                for u in range(len(hidden)):
                    total += layers.out[q, u] * hidden[u]
                after[b, p, q] = total


@compiled
def unscore(layers, known, trace, context, inputs, wanted, slopes):  # type: ignore[no-untyped-def]
    """Fills the gradients that `wanted` (b p q+2), that of the trace after, has in what `score` was given."""
    scenes, count = trace.shape[0], trace.shape[1]
    guesses, seen = trace.shape[2] - 2, inputs.shape[2]
    hidden, back = np.empty(context.shape[1], np.float32), np.empty(context.shape[1], np.float32)
    for b in range(scenes):
        stays = _F(1) if known[b] else _F(0)
        for p in range(count):
            _hidden(layers, context[b], inputs[b, p], trace[b, p, :guesses], hidden)
            back[:] = _F(0)
            for q in range(guesses):
                g = wanted[b, p, q]
                slopes.out_bias[q] += g
                slopes.keep[q] += g * trace[b, p, q] * stays
                for u in range(len(hidden)):
                    slopes.out[q, u] += g * hidden[u]
                    back[u] += g * layers.out[q, u]
            for u in range(len(hidden)):
                g = back[u] if hidden[u] > _F(0) else _F(0)
                back[u] = g
                slopes.context[b, u] += g
                slopes.bias[u] += g
            for i in range(seen):
                for u in range(len(hidden)):
                    slopes.place[i, u] += inputs[b, p, i] * back[u]
            for q in range(guesses):
                total = _F(0)
                for u in range(len(hidden)):
                    slopes.place[seen + q, u] += trace[b, p, q] * _F(0.3) * back[u]
                    total += layers.place[seen + q, u] * back[u]
                slopes.logits[b, p, q] = wanted[b, p, q] * layers.keep[q] * stays + total * _F(0.3)
