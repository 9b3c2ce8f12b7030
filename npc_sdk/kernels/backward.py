"""The gradient of the compiled rollout (`rollout.roll`), step by step back from the end.

Written out by hand because a rollout under autograd is thousands of small operations, and starting them costs twenty
times what they compute. What carries a gradient and what does not is the rule's word (`world/update.py`): it runs back
through latent, message, steering and integration, not through what the body sees. A test compares both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import compiled
from npc_sdk.kernels.rollout import bounding, length, steer

Floats = NDArray[np.float32]
_F = np.float32


class Backward(NamedTuple):
    """The rule's matrices, outputs first, as going back needs them."""

    own: Floats  # m d
    score: Floats  # a m
    first: Floats  # u d+rest
    second: Floats  # u u
    last: Floats  # parts u


class Wanted(NamedTuple):
    """The gradient of the loss in what `rollout.roll` returns."""

    path: Floats  # r h 6
    z: Floats  # r h d
    variance: Floats  # r h
    logits: Floats  # r h 2


class Slopes(NamedTuple):
    """The gradients that came out: per step where a matrix product turns them into those of weights."""

    pose: Floats  # r 4, of the start
    heading: Floats  # r 2
    z: Floats  # r d
    variance: Floats  # r
    key: Floats  # r k m
    leak: Floats  # of the share of the drift taken
    mixed: Floats  # t rk m
    own: Floats  # t r m
    share: Floats  # t rk a
    one: Floats  # t r u
    two: Floats  # t r u
    told: Floats  # t r parts


@compiled
def _unsteer(basis, told, first, gx, gy, out, back, heads):  # type: ignore[no-untyped-def]
    """Takes the gradient of a steered sum to its weights and to the first `heads` directions, for one row."""
    count = basis.shape[0]
    for v in range(count):
        bx, by = basis[v, 0], basis[v, 1]
        out[first + v], out[first + count + v] = gx * bx + gy * by, gy * bx - gx * by
    for v in range(heads):
        forward, sideways = told[first + v], told[first + count + v]
        back[v, 0] += gx * forward + gy * sideways
        back[v, 1] += gy * forward - gx * sideways


@compiled
def _unmove(limits, leak, pose, z, variance, basis, told, slopes, out, back):  # type: ignore[no-untyped-def]
    """Takes the gradient of the moved bodies to what the last layer said (`out`), and to the bodies before."""
    rows, latent, count = len(slopes.z), len(leak), 2 * basis.shape[1]
    heads, last = back.shape[1], told.shape[1]
    turn_limit, speed, _, dt = limits
    for r in range(rows):
        pull_x, pull_y = steer(basis, r, told, latent)
        dx, dy = pull_x * _F(4), pull_y * _F(4)
        slow = bounding(dx, dy, turn_limit)
        keep = bounding(pose[r, 2] + dx * slow, pose[r, 3] + dy * slow, speed)
        gx, gy, gvx, gvy = slopes.pose[r]
        half = dt / _F(2)
        cx, cy = (gvx + gx * half) * keep, (gvy + gy * half) * keep  # of velocity + change
        slopes.pose[r, 2], slopes.pose[r, 3] = gx * half + cx, gy * half + cy
        by = slow * _F(4)
        _unsteer(basis[r], told[r], latent, cx * by, cy * by, out[r], back[r], heads)
        turn_x, turn_y = steer(basis, r, told, latent + count)
        hx, hy = basis[r, heads + 1, 0] + turn_x, basis[r, heads + 1, 1] + turn_y
        size = length(hx, hy)
        ghx, ghy = slopes.heading[r]
        if size > _F(1e-3):
            hx, hy = hx / size, hy / size
            along = ghx * hx + ghy * hy
            ghx, ghy = (ghx - along * hx) / size, (ghy - along * hy) / size
        else:
            ghx, ghy = ghx * _F(1e3), ghy * _F(1e3)
        slopes.heading[r, 0], slopes.heading[r, 1] = ghx, ghy
        _unsteer(basis[r], told[r], latent + count, ghx, ghy, out[r], back[r], heads)
        _unsteer(basis[r], told[r], latent + 2 * count, gx * _F(0.1), gy * _F(0.1), out[r], back[r], heads)
        if variance[r] >= _F(144):
            slopes.variance[r] = _F(0)
        out[r, last - 3] = slopes.variance[r] * _F(0.1) / (_F(1) + np.exp(-told[r, last - 3]))
        for d in range(latent):
            g = slopes.z[r, d]
            out[r, d] = g * leak[d]
            slopes.leak[d] += g * (told[r, d] - z[r, d])
            slopes.z[r, d] = g * (_F(1) - leak[d])


@compiled
def _unattend(w, valid, way, units, mixed, share, given, back, score, hidden, own, slopes):  # type: ignore[no-untyped-def]
    """Takes the gradient of messages and directions to the layer before (`hidden`), its keys and the own latent."""
    rows, near = units.shape[0], units.shape[1]
    heads, width = share.shape[1], mixed.shape[1]
    each, latent = width // heads, slopes.z.shape[1]
    for r in range(rows):
        wx, wy = way[r]
        for a in range(heads):
            c = latent + width + 2 * a
            ahead, left = given[r, c], given[r, c + 1]
            dx, dy = back[r, a, 0] + ahead * wx - left * wy, back[r, a, 1] + ahead * wy + left * wx
            mean = _F(0)
            for k in range(near):
                n = r * near + k
                of = dx * units[r, k, 0] + dy * units[r, k, 1]
                for m in range(a * each, (a + 1) * each):
                    of += given[r, latent + m] * mixed[n, m]
                score[n, a] = of
                mean += of * share[n, a]
            for k in range(near):
                n = r * near + k
                score[n, a] = share[n, a] * (score[n, a] - mean) if valid[r, k] else _F(0)
    np.dot(score, w.score, hidden)
    for r in range(rows):
        for m in range(width):
            a, total = m // each, _F(0)
            for k in range(near):
                n = r * near + k
                g = hidden[n, m] + share[n, a] * given[r, latent + m] if mixed[n, m] > _F(0) else _F(0)
                hidden[n, m] = g
                slopes.key[r, k, m] += g
                total += g
            own[r, m] = total


@compiled
def _unrelu(x, out):  # type: ignore[no-untyped-def]
    for r in range(x.shape[0]):
        for u in range(x.shape[1]):
            if x[r, u] <= _F(0):
                out[r, u] = _F(0)


@compiled
def pull_back(w, limits, leak, valid, tape, variance, wanted, slopes):  # type: ignore[no-untyped-def]
    """Fills `slopes` from the gradient `wanted` of each step's results; `slopes` starts at zero.

    `tape` has an entry per step, `variance` (r h) is what the rollout returned, `valid` (r k) who is attended to.
    """
    steps, rows, latent = len(tape.pose), len(wanted.path), wanted.z.shape[2]
    heads = tape.share.shape[2]
    given, more = np.empty_like(tape.given[0]), np.empty((rows, latent), np.float32)
    back = np.empty((rows, heads, 2), np.float32)
    for step in range(steps - 1, -1, -1):
        slopes.pose[:] += wanted.path[:, step, :4]
        slopes.heading[:] += wanted.path[:, step, 4:]
        slopes.z[:] += wanted.z[:, step]
        slopes.variance[:] += wanted.variance[:, step]
        told, one, two, own = slopes.told[step], slopes.one[step], slopes.two[step], slopes.own[step]
        back[:] = _F(0)
        _unmove(
            limits,
            leak,
            tape.pose[step],
            tape.given[step],
            variance[:, step],
            tape.basis[step],
            tape.told[step],
            slopes,
            told,
            back,
        )
        told[:, told.shape[1] - 2 :] = wanted.logits[:, step]
        np.dot(told, w.last, two)
        _unrelu(tape.two[step], two)
        np.dot(two, w.second, one)
        _unrelu(tape.one[step], one)
        np.dot(one, w.first, given)
        _unattend(
            w,
            valid,
            tape.way[step],
            tape.units[step],
            tape.mixed[step],
            tape.share[step],
            given,
            back,
            slopes.share[step],
            slopes.mixed[step],
            own,
            slopes,
        )
        np.dot(own, w.own, more)
        for r in range(rows):
            for d in range(latent):
                slopes.z[r, d] += given[r, d] + more[r, d]
