"""What compiled loops say of a map's outlines is what the NumPy code says that defines it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from npc_sdk.constraints import compile_rules, shape_clearance
from npc_sdk.envs.arena import ArenaConfig, arena_schema, make_map
from npc_sdk.geometry import Roads, build_map, grid_points, line_of_sight, polygon_edges, signed_distance
from npc_sdk.geometry.tables import make_map_tables
from npc_sdk.kernels import outlines
from npc_sdk.kernels.compiled import AVAILABLE

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="nothing can be compiled here")
SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_maps_tables_are_the_same(seed: int) -> None:
    arena_map = make_map("test", seed)
    schema = arena_schema(arena_map, ArenaConfig(npcs=4))
    walls = tuple((p.vertices, p.opaque) for p in schema.polygons if p.kind == "wall")
    ours, compiled = (make_map_tables(walls, schema.bounds, 0.35, c) for c in (False, True))
    assert np.array_equal(compiled.sdf.values, ours.sdf.values)
    assert np.array_equal(compiled.cover, ours.cover)
    for f in fields(Roads):
        assert np.array_equal(getattr(ours.roads, f.name), getattr(compiled.roads, f.name)), f.name
    assert 0.01 < ours.roads.sees.mean() < 0.9


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_who_sees_whom_agrees_at_corners_and_along_edges(kind: type[np.floating]) -> None:
    rings = [((-1.0, -2.0), (1.0, -2.0), (1.0, 2.0), (-1.0, 2.0)), ((2.0, 0.0), (4.0, 0.0), (3.0, 3.0))]
    edges = polygon_edges(rings).astype(kind)
    places = grid_points((-5.0, -5.0, 5.0, 5.0), 1.0).reshape(-1, 2).astype(kind)  # many on edges and corners
    expected = line_of_sight(places[:, None], places[None], edges)
    assert np.array_equal(outlines.sees(places, places, edges), expected)
    assert 0.2 < expected.mean() < 0.9
    assert outlines.sees(places, places, edges[:0]).all()


def test_signed_distances_agree_and_without_outlines_everything_is_far() -> None:
    rings = [((-1.0, -2.0), (1.0, -2.0), (1.0, -2.0), (1.0, 2.0)), ((0.0, 0.0), (4.0, 0.0), (3.0, 3.0))]
    places = np.concatenate(
        [grid_points((-5.0, -5.0, 5.0, 5.0), 0.5).reshape(-1, 2), np.random.default_rng(0).uniform(-6, 6, (500, 2))]
    )
    told = signed_distance(places, rings, compiled=True)
    assert np.array_equal(told, signed_distance(places, rings))
    assert (told < 0).any()
    assert (told > 0).any()
    assert np.isinf(signed_distance(places, [], compiled=True)).all()
    assert signed_distance(places[0], rings, compiled=True) == signed_distance(places[0], rings)
    touching = [((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)), ((2.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0))]
    assert np.array_equal(signed_distance(places, touching, compiled=True), signed_distance(places, touching))


def test_clearance_agrees_with_what_the_shield_keeps() -> None:
    schema = arena_schema(make_map("test", 1), ArenaConfig(npcs=4))
    tables = compile_rules(
        (),
        ids=np.arange(1, 5, dtype=np.uint32),
        squads=np.zeros(4, np.int64),
        homes=np.zeros((4, 2)),
        kinematics=schema.kinematics,
        walls=schema.polygons,
        bounds=schema.bounds,
        dt=1 / 30,
    )
    places = np.random.default_rng(0).uniform(-25, 25, (2000, 2))
    expected = shape_clearance(tables, places)
    told = outlines.clearance(places, tables.edges, tables.shape_first, tables.shape_inside)
    np.testing.assert_allclose(told, expected, rtol=0, atol=1e-12)
    assert tables.shape_inside.any()
    assert not tables.shape_inside.all()
    assert (expected < 0).any(0).all()


def test_world_and_brain_in_one_process_share_a_maps_tables() -> None:
    schema = arena_schema(make_map("test", 2), ArenaConfig(npcs=4))
    ours, brains = (build_map(schema.polygons, schema.bounds, 0.35, compiled=c) for c in (False, True))
    assert ours is brains


def test_a_game_without_a_brain_loads_no_compiler() -> None:
    code = """
import sys
from npc_sdk.envs.arena import make_map
make_map("test", 0).tables
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
