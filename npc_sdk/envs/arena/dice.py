"""Random numbers per world: a world draws the same ones alone and in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64  # steps drawn ahead at once


def world_seeds(seed: int | Sequence[int], worlds: int) -> tuple[int, ...]:
    """Returns one seed per world; a single `seed` gives seed, seed + 1, ..."""
    if isinstance(seed, int):
        return tuple(range(seed, seed + worlds))
    if len(seed) != worlds:
        raise ValueError(f"expected {worlds} seeds, got {len(seed)}")
    return tuple(int(s) for s in seed)


class Dice:
    """Standard normal numbers for every world and step, each world from its own SFC64 generator.

    Args:
        seeds: one per world.
        purpose: tells streams of one world apart.
        shape: of the numbers of one world and step.
    """

    def __init__(self, seeds: Sequence[int], purpose: int, shape: tuple[int, ...]) -> None:
        self.generators = [np.random.Generator(np.random.SFC64([seed, purpose])) for seed in seeds]
        self._block = np.zeros((len(self.generators), _BLOCK, *shape))
        self._step = 0

    def normal(self) -> NDArray[np.float64]:
        """Returns the next step's numbers: w, then `shape`. Valid until the next call."""
        at = self._step % _BLOCK
        if at == 0:
            for row, generator in zip(self._block, self.generators, strict=True):
                generator.standard_normal(out=row)
        self._step += 1
        return self._block[:, at]

    def copy(self) -> Dice:
        """Returns dice that will fall the same way."""
        return deepcopy(self)


class Luck:
    """Stands in for dice where worlds are only imagined: all rows of a group draw the same numbers.

    Args:
        generator: draws for all groups in turn.
        group: of each row, counted from 0.
        shape: of the numbers of one row and step.
    """

    def __init__(self, generator: np.random.Generator, group: NDArray[np.int64], shape: tuple[int, ...]) -> None:
        self._generator = generator
        self._group = group
        self._shape = (int(group.max()) + 1, *shape)

    def normal(self) -> NDArray[np.float64]:
        """Returns the next step's numbers: one row per world, then `shape`."""
        return self._generator.standard_normal(self._shape)[self._group]
