"""Lines of sight and rays against edge tables, batched over worlds."""

from __future__ import annotations

from math import prod

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

_CHUNK = 400_000  # segment-edge pairs per pass: their temporaries stay in the cache


def line_of_sight(
    a: Float[np.ndarray, "... 2"], b: Float[np.ndarray, "... 2"], edges: Float[np.ndarray, "*w v 4"]
) -> Bool[np.ndarray, "..."]:
    """Tells for each pair of points whether no edge crosses the segment between them.

    Args:
        a, b: points that broadcast against each other.
        edges: `v 4` for one map, or `w v 4` with one table per world; then the first axis of the points is the world.

    Touching a corner counts as blocked; starting or ending exactly on an edge does not.
    """
    a, b = np.broadcast_arrays(a, b)
    if edges.ndim == 2:
        return _clear(a.reshape(1, -1, 2), b.reshape(1, -1, 2), edges[None]).reshape(a.shape[:-1])
    if a.shape[0] != edges.shape[0]:
        raise ValueError(f"expected points of {edges.shape[0]} worlds on the first axis, got {a.shape[0]}")
    shape = (a.shape[0], prod(a.shape[1:-1]), 2)
    return _clear(a.reshape(shape), b.reshape(shape), edges).reshape(a.shape[:-1])


def _clear(a: NDArray[np.floating], b: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.bool_]:
    worlds, pairs, count = a.shape[0], a.shape[1], edges.shape[1]
    out = np.ones((worlds, pairs), np.bool_)
    if not (worlds and pairs and count):
        return out
    if worlds == 1:
        step = max(1, _CHUNK // count)
        for i in range(0, pairs, step):
            out[:, i : i + step] = ~_crossed(a[:, i : i + step], b[:, i : i + step], edges)
        return out
    step = max(1, _CHUNK // (count * pairs))
    for i in range(0, worlds, step):
        out[i : i + step] = ~_crossed(a[i : i + step], b[i : i + step], edges[i : i + step])
    return out


def _crossed(a: NDArray[np.floating], b: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether any edge separates a from b while a-b separates (or touches) the edge's ends: w p."""
    ax, ay = a[..., 0, None], a[..., 1, None]  # w p 1
    x0, y0 = edges[:, None, :, 0], edges[:, None, :, 1]  # w 1 v
    ex, ey = edges[:, None, :, 2] - x0, edges[:, None, :, 3] - y0
    dx, dy = b[..., 0, None] - ax, b[..., 1, None] - ay
    rx, ry = ax - x0, ay - y0  # w p v
    side_a = ex * ry - ey * rx
    turn = ex * dy - ey * dx
    end_0 = dy * rx - dx * ry
    crossed: NDArray[np.bool_] = ((side_a * (side_a + turn) < 0) & (end_0 * (end_0 - turn) <= 0)).any(-1)
    return crossed


def ray_distances(
    origin: Float[np.ndarray, "... 2"],
    angle: Float[np.ndarray, "..."],
    edges: Float[np.ndarray, "*w v 4"],
    reach: float,
) -> Float[np.ndarray, "..."]:
    """Returns how far each ray (rad, from `origin`) gets before an edge, at most `reach` m.

    `edges` is `v 4`, or `w v 4` with the world on the first axis of `origin`.
    """
    extra = (1,) * (origin.ndim - 2)
    table = edges if edges.ndim == 2 else edges.reshape(edges.shape[0], *extra, *edges.shape[1:])
    rx, ry = table[..., 0] - origin[..., 0, None], table[..., 1] - origin[..., 1, None]  # ... v
    ex, ey = table[..., 2] - table[..., 0], table[..., 3] - table[..., 1]
    ux, uy = np.cos(angle)[..., None], np.sin(angle)[..., None]
    turn = ux * ey - uy * ex
    safe = np.where(np.abs(turn) < 1e-12, 1.0, turn)
    along, across = (rx * ey - ry * ex) / safe, (rx * uy - ry * ux) / safe
    hit = (np.abs(turn) >= 1e-12) & (along >= 0) & (across >= 0) & (across <= 1)
    nearest: NDArray[np.floating] = np.where(hit, along, reach).min(-1, initial=reach)
    return nearest
