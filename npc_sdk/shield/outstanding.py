"""What has been promised: every chunk that an NPC may still execute, kept until it no longer can.

A chunk may be late, lost, adopted at a later step, or left for an older one; so all of them bind until their last tick.
Adopted or not is not asked: forgetting goes by the tick alone, which no lost message can falsify.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from npc_sdk.shield.attacks import Sent
from npc_sdk.shield.turns import Moves


@dataclass(frozen=True, slots=True)
class Issued:
    """One chunk of several NPCs. points[i, k] = (place at the start of step k, resting place if braking follows it);
    velocities[i, k] = (velocity expected before step k, the one that it tells), m/s."""

    chunk: int
    apply_tick: int
    valid_until_tick: int
    ids: NDArray[np.uint32]  # n
    points: Float[np.ndarray, "n m 2 2"]
    velocities: Float[np.ndarray, "n m 2 2"]

    def remaining(self, tick: int) -> Float[np.ndarray, "n q 2"]:
        """Points whose hull holds every path that can still be run from `tick` on."""
        first = max(0, tick - self.apply_tick)
        return np.concatenate([self.points[:, first : first + 1, 0], self.points[:, first:, 1]], axis=1)


class Outstanding:
    """Issued chunks of one game. Not thread-safe; one per game session."""

    def __init__(self) -> None:
        self.attacks = Sent()
        self.moves = Moves()
        self._issued: list[Issued] = []
        self._tick = 0

    def __len__(self) -> int:
        return len(self._issued)

    def forget(self, tick: int) -> None:
        """Drops what can no longer be executed now that a snapshot of `tick` shows where the NPCs really are."""
        self._tick = tick
        self._issued = [issued for issued in self._issued if issued.valid_until_tick >= tick]

    def add(
        self,
        chunk: int,
        valid_until_tick: int,
        ids: NDArray[np.uint32],
        points: Float[np.ndarray, "n m 2 2"],
        velocities: Float[np.ndarray, "n m 2 2"],
    ) -> None:
        """Remembers a chunk that has been sent, its last step being `valid_until_tick`. Arrays as in `Issued`."""
        if len(ids):
            apply_tick = valid_until_tick - points.shape[1] + 1
            self._issued.append(
                Issued(chunk, apply_tick, valid_until_tick, ids.copy(), points.copy(), velocities.copy())
            )

    def clear(self) -> None:
        """Forgets all chunks: those of an old session are never executed in the new one. Attacks go on counting."""
        self._issued.clear()

    def shift(self, by: tuple[float, float]) -> None:
        """Says all places anew, m: the game has moved its origin."""
        self._issued = [replace(issued, points=issued.points + np.array(by)) for issued in self._issued]

    def moving(self, ids: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Says who still holds a step that moves it."""
        moves = np.zeros(len(ids), np.bool_)
        for issued in self._issued:
            first = max(0, self._tick - issued.apply_tick)
            goes = issued.velocities[:, first:, 1].any((1, 2))
            moves |= np.isin(ids, issued.ids[goes])
        return moves

    def points(self, ids: NDArray[np.uint32], filler: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n q 2"]:
        """Returns all outstanding points of the NPCs; where an NPC has fewer than others, `filler` stands in."""
        columns = [filler[:, None]]
        for issued in self._issued:
            place, known = _rows_of(issued, ids)
            points = issued.remaining(self._tick)[place]
            columns.append(np.where(known[:, None, None], points, filler[:, None]))
        return np.concatenate(columns, axis=1)

    def commands(self, ids: NDArray[np.uint32]) -> tuple[Float[np.ndarray, "n q 2 2"], Int[np.ndarray, " q"]]:
        """Returns what the NPCs may still be told and before which velocity, as in `Issued`, and at which tick.

        Where one has fewer than others, it stands still.
        """
        columns, ticks = [np.zeros((len(ids), 0, 2, 2))], [np.zeros(0, np.int64)]
        for issued in self._issued:
            place, known = _rows_of(issued, ids)
            first = max(0, self._tick - issued.apply_tick)
            columns.append(np.where(known[:, None, None, None], issued.velocities[place, first:], 0.0))
            ticks.append(np.arange(issued.apply_tick + first, issued.valid_until_tick + 1))
        return np.concatenate(columns, axis=1), np.concatenate(ticks)


def _rows_of(issued: Issued, ids: NDArray[np.uint32]) -> tuple[NDArray[np.intp] | slice, NDArray[np.bool_]]:
    """Returns where the NPCs are in a chunk, and whether they are."""
    if np.array_equal(issued.ids, ids):
        return slice(None), np.ones(len(ids), np.bool_)
    order = np.argsort(issued.ids, kind="stable")
    place = order[np.minimum(np.searchsorted(issued.ids, ids, sorter=order), len(order) - 1)]
    return place, issued.ids[place] == ids
