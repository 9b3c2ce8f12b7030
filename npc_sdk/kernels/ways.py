"""Lengths of ways on a grid, as `npc_sdk.geometry.path_field` asks for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npc_sdk.kernels.compiled import compiled

Floats = NDArray[np.float32]
# Row and column of the neighbours of a node: first the four that a pass from the lower left has been at already.
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@compiled
def spread(field: Floats, steps: Floats) -> None:
    """Lowers every node to the length of its shortest way, until nothing changes.

    Passes from the lower left and the upper right take turns, so that one pass carries a length along any way that
    does not turn back. The lengths of neighbours are added up as in a pass over all nodes at once: the same bytes.

    Args:
        field: k r+2 c+2, in m, changed; the outermost nodes stay as they are.
        steps: 8 r c, from each node to its NEIGHBOURS in m, no shorter than `field` at first where there is no step.
    """
    _, rows, columns = steps.shape
    for k in range(len(field)):
        changed = True
        while changed:
            changed = False
            for half in range(2):
                for at in range(rows * columns):
                    node = at if half == 0 else rows * columns - 1 - at
                    r, c = node // columns, node % columns
                    best = field[k, r + 1, c + 1]
                    for n in range(8):
                        dr, dc = NEIGHBOURS[n]
                        way = field[k, r + 1 + dr, c + 1 + dc] + steps[n, r, c]
                        if way < best:
                            best = way
                    if best < field[k, r + 1, c + 1]:
                        field[k, r + 1, c + 1] = best
                        changed = True
