"""What NPCs do with their hands: the shared aim rule on what each squad believes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npc_sdk.runtime.view import View


def hands(view: View, believed: NDArray[np.floating]) -> NDArray[np.float32]:
    gap = believed[:, :2] - view.position
    aim = np.arctan2(gap[:, 1], gap[:, 0])
    seen = view.table.seen[view.scene, 0]
    out = np.zeros((len(view.ids), 4), np.float32)
    out[:, 0] = aim
    out[:, 1] = seen
    return out
