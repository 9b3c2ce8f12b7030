"""Each NPC's half of the floor against every near one: the twin of `_half_planes` in `npc_sdk.shield.ground`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.clearance import length
from npc_sdk.kernels.compiled import exactly
from npc_sdk.kernels.separation import slab

Floats = NDArray[np.float64]
OWN = 4  # points of an NPC's own, the last ones held


class Planes(NamedTuple):
    """Half-planes x . (0, 1) <= 2, and 3 that they keep in hand; NPC i has those in the rows first[i]..first[i + 1]."""

    plane: Floats  # q 4
    first: NDArray[np.int64]  # n+1
    tight: NDArray[np.bool_]  # n, too close to somebody
    frozen: NDArray[np.bool_]  # n, because of what was promised


@exactly
def longer(numbers):  # type: ignore[no-untyped-def]
    """Returns the numbers with room for as many again."""
    more = np.empty(2 * len(numbers), numbers.dtype)
    for k in range(len(numbers)):
        more[k] = numbers[k]
    return more


@exactly
def share(movers, spacing, widest, held, reach, margin, eps):  # type: ignore[no-untyped-def]
    """Divides the floor between all pairs that are near.

    Args:
        movers: everybody, `n` of them (`certificate.Movers`).
        spacing: distance to keep, 0 for none.
        widest: at least the largest of them.
        held: n p 2, everywhere each may come without a new chunk, its own points last.
        reach: n, how far each may come in this chunk.
        margin: kept by each beyond the rule.
        eps: for rounding.
    """
    position, order, rows = movers.position, movers.order, movers.rows
    n = len(position)
    extent, longest = np.empty(n), 0.0
    for i in range(n):
        extent[i] = reach[i]
        for k in range(held.shape[1]):
            extent[i] = max(extent[i], length(held[i, k, 0] - position[i, 0], held[i, k, 1] - position[i, 1]))
        longest = max(longest, extent[i])
    left, right, found = np.empty(16 * n + 16, np.int64), np.empty(16 * n + 16, np.int64), 0
    for a in range(n if widest > 0.0 else 0):
        i = order[a]
        most = widest + 2.0 * margin + extent[i] + longest + eps
        for b in range(a + 1, n):
            j = order[b]
            if position[j, 0] - position[i, 0] > most:
                break
            dx, dy = position[i, 0] - position[j, 0], position[i, 1] - position[j, 1]
            if abs(dy) > most:
                continue
            rule = spacing[rows[i], rows[j]]
            if rule > 0.0 and length(dx, dy) < rule + 2.0 * margin + extent[i] + extent[j] + eps:
                if found == len(left):
                    left, right = longer(left), longer(right)
                left[found], right[found] = min(i, j), max(i, j)
                found += 1
    first = np.zeros(n + 2, np.int64)
    for q in range(found):
        first[left[q] + 2] += 1
        first[right[q] + 2] += 1
    for i in range(n):
        first[i + 2] += first[i + 1]
    plane = np.empty((2 * found, 4))
    tight, frozen = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for q in range(found):
        i, j = left[q], right[q]
        rule = spacing[rows[i], rows[j]]
        nx, ny, low, high = slab(held[i], held[j])
        gap = high - low
        keep = min(rule + 2.0 * margin, gap + 0.1 * eps)
        middle = 0.5 * (low + high)
        one, two = first[i + 1], first[j + 1]
        plane[one, 0], plane[one, 1], plane[one, 2] = nx, ny, middle - 0.5 * keep
        plane[two, 0], plane[two, 1], plane[two, 2] = -nx, -ny, -(middle + 0.5 * keep)
        plane[one, 3] = plane[two, 3] = 0.5 * (keep - rule)
        first[i + 1] += 1
        first[j + 1] += 1
        if gap < rule + 0.5 * eps:
            tight[i] = tight[j] = True
            _, _, low, high = slab(held[i, -OWN:], held[j, -OWN:])
            if gap < min(high - low, rule) - 0.1 * eps:
                frozen[i] = frozen[j] = True
    return Planes(plane, first[: n + 1], tight, frozen)
