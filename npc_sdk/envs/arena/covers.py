"""Hiding places of many worlds, asked in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.geometry import FAR, MapTables, line_of_sight, pad_edges

_TRIED = 20  # places looked at per question, the most promising first


class Covers:
    """Places beside walls, padded into one table per world."""

    def __init__(self, tables: Sequence[MapTables]) -> None:
        width = max(max((len(t.cover) for t in tables), default=0), _TRIED)
        self.points = np.full((len(tables), width, 2), FAR, np.float32)
        for row, t in zip(self.points, tables, strict=True):
            row[: len(t.cover)] = t.cover
        self._edges = pad_edges([t.opaque_edges for t in tables]).astype(np.float32)

    def hidden(
        self,
        world: NDArray[np.int64],
        body: Float[np.ndarray, "m 2"],
        threats: Float[np.ndarray, "m t 2"],
        known: Bool[np.ndarray, "m t"],
        keep_off: Float[np.ndarray, "m"],
    ) -> Float[np.ndarray, "m 2"]:
        """Returns for each body a near place that few known threats see or reach first, `keep_off` m off them.

        Without a good one it is the least bad; there is always an answer.
        """
        body, threats = body.astype(np.float32), threats.astype(np.float32)
        places = self.points[world]  # m c 2
        walk = _length(places - body[:, None])
        away = np.where(known[:, None], _length(places[:, :, None] - threats[:, None]), np.float32(FAR)).min(-1)
        short = np.maximum(keep_off.astype(np.float32)[:, None] - away, 0)
        late = np.maximum(walk - away, 0)
        cost = np.float32(0.6) * walk + np.float32(1.5) * short + np.float32(2.0) * late  # m c
        tried = np.argsort(cost, axis=1, kind="stable")[:, :_TRIED]
        rows = np.arange(len(world))[:, None]
        spots = places[rows, tried]  # m tried 2
        seen = line_of_sight(spots[:, :, None], threats[:, None], self._edges[world]) & known[:, None]
        total = cost[rows, tried] + np.float32(8.0) * seen.sum(-1)
        best: NDArray[np.float64] = spots[np.arange(len(world)), total.argmin(1)].astype(np.float64)
        return best


def _length(gap: NDArray[np.float32]) -> NDArray[np.float32]:
    length: NDArray[np.float32] = np.sqrt(gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1])
    return length
