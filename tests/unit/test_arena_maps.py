"""Maps: varied, connected, and no map in two splits."""

from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.envs.arena import RADIUS, SPLITS, make_map
from npc_sdk.errors import InputError
from npc_sdk.geometry import UNREACHABLE, segment_distance, signed_distance


def test_a_map_is_the_same_every_time() -> None:
    one = make_map("train", 3)
    make_map.cache_clear()
    two = make_map("train", 3)
    assert one is not two
    assert one.polygons == two.polygons
    assert one.spawns.tobytes() == two.spawns.tobytes()


def test_no_two_maps_of_any_splits_are_alike() -> None:
    outlines = [make_map(split, i).polygons for split in SPLITS for i in range(6)]
    assert len({tuple(p.vertices for p in polygons) for polygons in outlines}) == len(outlines)


@pytest.mark.parametrize("index", range(6))
def test_a_map_has_6_to_12_walls_and_every_place_can_be_reached(index: int) -> None:
    arena_map = make_map("validation", index)
    assert 6 <= len(arena_map.polygons) <= 12
    assert {len(p.vertices) for p in arena_map.polygons} - {4}, "expected more than boxes"
    tables = arena_map.tables
    field = tables.path_field(arena_map.spawns[:1])[0]
    assert (field[tables.walkable] < UNREACHABLE).all()
    rings = [p.vertices for p in arena_map.polygons]
    assert (signed_distance(arena_map.spawns, rings, tables.bounds) > RADIUS).all()
    for i, ring in enumerate(rings):
        for j in range(i):
            gap = segment_distance(np.array(ring), tables.edges[:0] if j == i else _edges(rings[j])).min()
            assert gap > 2 * RADIUS


def _edges(ring: tuple[tuple[float, float], ...]) -> np.ndarray:
    at = np.array(ring)
    return np.concatenate([at, np.roll(at, -1, axis=0)], axis=1)


def test_unknown_splits_and_indices_are_refused() -> None:
    with pytest.raises(InputError, match="expected one of train, validation, test, got 'tset'"):
        make_map("tset", 0)
    with pytest.raises(InputError, match="expected 0 or more"):
        make_map("test", -1)
