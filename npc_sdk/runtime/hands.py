"""What NPCs do with their hands: the one aim rule, on what each squad believes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npc_sdk.belief import NPC, PLAYER
from npc_sdk.envs.arena.aim import aim_and_fire, scan_clock
from npc_sdk.runtime.view import View

_FAR = 1e3  # m: where a player would be in a game without one


def hands(view: View, velocity: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns aim (rad), fire, throw and reach (m) of every NPC: n 4.

    Args:
        velocity: n 2, where each is about to move, m/s; who has no target looks there.
    """
    table, scene, slot = view.table, view.scene, view.slot
    players = table.kind[scene] == PLAYER  # n e
    gap = table.pose[scene, :, :2] - view.position[:, None]
    distance = np.where(players, np.hypot(gap[..., 0], gap[..., 1]) + 10.0 * table.age[scene], _FAR)
    target = distance.argmin(1)
    there = players[np.arange(len(slot)), target]
    mates = table.own[scene] & (table.kind[scene] == NPC)
    clock = view.apply_tick[view.game] / np.array([g.schema.tick_hz for g in view.games])[view.game]
    shooting = aim_and_fire(
        pose=np.concatenate([view.position, view.velocity], 1),
        heading=table.heading[scene, slot],
        move=velocity,
        target=table.pose[scene, target],
        seen=table.seen[scene, target] & there,
        age=np.where(there, table.age[scene, target], _FAR),
        allies=table.pose[scene, :, :2],
        ally_known=mates,
        scan=scan_clock(clock, view.ids),
    )
    return shooting.columns()
