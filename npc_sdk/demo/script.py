"""The game's own script for NPCs that nobody leads: a plain chase, no brain needed. The callback of the ladder."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from npc_sdk.belief import Tracker
from npc_sdk.envs.arena import Arena, arena_frame
from npc_sdk.envs.arena.aim import limited
from npc_sdk.envs.arena.config import DT
from npc_sdk.envs.arena.npcs import ScriptedNpcs
from npc_sdk.envs.arena.stream import FIRST_NPC, NPC_KINEMATICS

DECISION_TICKS = 3
_GRACE_TICKS = 10  # of a match, in which NPCs stand still: the brain's first answer is on its way
_ROOM, _TOUCH = 1.6, 0.9  # m between centres: where NPCs begin to heed each other, and where they come no nearer


class OwnScript:
    """Chases the player by the shortest way, on what the squad has seen. Looks on while the brain leads."""

    def __init__(self, arena: Arena, seed: int) -> None:
        """Follow world 0 of `arena`."""
        self._arena = arena
        self._tracker = Tracker(arena.opaque_edges, arena.config.squads, arena.config.npc_sight)
        self._npcs = ScriptedNpcs(["chase"], [m.tables for m in arena.maps], arena.config.npcs, seed)
        self._wanted = np.zeros((arena.config.npcs, 6), np.float32)
        self._table = self._tracker.update(arena_frame(arena), DECISION_TICKS * DT)
        self._decided = False

    def clone(self, arena: Arena) -> OwnScript:
        """Return a copy that will act the same way in `arena`, a copy of the one it follows."""
        return deepcopy(self, {id(self._arena): arena})

    def look(self) -> None:
        """Keep the squads' memory; call every tick."""
        if int(self._arena.tick[0]) % DECISION_TICKS == 0:
            self._table = self._tracker.update(arena_frame(self._arena), DECISION_TICKS * DT)
            self._decided = False

    def __call__(self, tick: int, ids: NDArray[np.uint32], pose: Float[np.ndarray, "n 4"]) -> NDArray[np.float32]:
        """Return the commands of the NPCs `ids`, as the ladder asks for them."""
        if not self._decided:
            self._wanted = self._npcs.act(self._table)[0]
            self._decided = True
        commands, body = self._wanted[ids.astype(np.int64) - FIRST_NPC].copy(), NPC_KINEMATICS
        commands[:, :2] = self._polite(commands[:, :2], pose[:, :2])
        if tick < _GRACE_TICKS:
            commands[:, :2] = 0.0
        commands[:, :2] = limited(commands[:, :2], pose[:, 2:], body.max_speed, body.max_acceleration * DT)
        return commands

    def _polite(self, wanted: NDArray[np.float32], at: Float[np.ndarray, "n 2"]) -> NDArray[np.float32]:
        """Return what is left of n velocities when nobody walks on towards another who is near: bodies do not overlap.

        A brain that takes a crowd over has to part those whom the script let come too near.
        """
        arena, first = self._arena, self._arena.config.players
        left = wanted.copy()
        for other in arena.pos[0, first:][arena.alive[0, first:]]:
            gap = other - at
            distance = np.hypot(gap[:, 0], gap[:, 1])
            towards = gap / np.maximum(distance, 1e-3)[:, None]  # n 2
            closing = np.maximum((left * towards).sum(1), 0.0)
            heeded = np.clip((_ROOM - distance) / (_ROOM - _TOUCH), 0.0, 1.0)
            left -= ((heeded * closing)[:, None] * towards).astype(np.float32)
        return left
