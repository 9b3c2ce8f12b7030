"""Laws of distances and sight."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.envs.arena import make_map
from npc_sdk.geometry import line_of_sight, polygon_edges, signed_distance

places = st.tuples(st.floats(-12, 12), st.floats(-12, 12)).map(np.array)
maps = st.integers(0, 3).map(lambda i: make_map("train", i))


@given(maps, places, places)
def test_sight_is_mutual(arena_map, a, b) -> None:  # type: ignore[no-untyped-def]
    edges = arena_map.tables.opaque_edges
    assert line_of_sight(a, b, edges) == line_of_sight(b, a, edges)


@given(maps, places, places)
def test_distance_changes_no_faster_than_one_moves(arena_map, a, b) -> None:  # type: ignore[no-untyped-def]
    rings = [p.vertices for p in arena_map.polygons]
    change = abs(signed_distance(a[None], rings)[0] - signed_distance(b[None], rings)[0])
    assert change <= np.hypot(*(a - b)) + 1e-9


@given(maps, places, places)
def test_who_sees_each_other_has_free_space_between(arena_map, a, b) -> None:  # type: ignore[no-untyped-def]
    rings = [p.vertices for p in arena_map.polygons]
    if signed_distance(np.stack([a, b]), rings).min() < 1e-6:
        return
    between = a + np.linspace(0, 1, 200)[:, None] * (b - a)
    deepest = signed_distance(between, rings).min()
    if line_of_sight(a, b, polygon_edges(rings)):
        assert deepest > -0.1  # a grazed corner at most
    else:
        assert deepest < 0.1


@given(maps, st.lists(places, min_size=1, max_size=4))
def test_a_way_is_never_shorter_than_the_straight_line(arena_map, targets) -> None:  # type: ignore[no-untyped-def]
    tables = arena_map.tables
    field = tables.path_field(np.array(targets))
    rows, columns = np.nonzero(tables.walkable)
    nodes = np.stack([-12 + 0.5 * columns, -12 + 0.5 * rows], -1)
    for k, target in enumerate(targets):
        straight = np.hypot(*(nodes - target).T)
        snapped = np.hypot(*(nodes[field[k][rows, columns].argmin()] - target))
        assert (field[k][rows, columns] >= straight - snapped - 1e-3).all()
