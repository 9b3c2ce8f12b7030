"""The outline of a navigation mesh, checked against what it means: a point beside it has one side in no polygon."""

from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.audit.measure import mesh_margin, mesh_outline
from npc_sdk.constraints import Navmesh, compile_rules, shape_clearance
from npc_sdk.constraints.clearance import inside, point_distance, polygon_edges
from npc_sdk.constraints.union import outline
from npc_sdk.experiments.zoo import Body, star

LEFT = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
DOOR = ((4.0, 1.0), (8.0, 1.0), (8.0, 3.0), (4.0, 3.0))
ROUND = (
    ((0.0, 0.0), (9.0, 0.0), (9.0, 3.0), (0.0, 3.0)),
    ((0.0, 6.0), (9.0, 6.0), (9.0, 9.0), (0.0, 9.0)),
    ((0.0, 0.0), (3.0, 0.0), (3.0, 9.0), (0.0, 9.0)),
    ((9.0, 9.0), (9.0, 0.0), (6.0, 0.0), (6.0, 9.0)),  # the other way round
)


def length(edges: np.ndarray) -> float:
    return float(np.hypot(*(edges[:, 2:] - edges[:, :2]).T).sum())


def test_a_shared_edge_is_no_wall_where_both_sides_are_floor() -> None:
    assert length(outline((LEFT, DOOR))) == pytest.approx(16.0 + 12.0 - 2 * 2.0)
    assert length(outline((LEFT,))) == pytest.approx(16.0)
    assert length(outline((LEFT, LEFT))) == pytest.approx(16.0)  # twice the same is the same


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("off", [0.0, 4e-7])
def test_the_outline_keeps_the_floor_to_its_left_whichever_way_polygons_go(turned: bool, off: float) -> None:
    door = tuple((x + off, y) for x, y in DOOR)
    edges = outline((LEFT[::-1], door) if turned else (door, LEFT))
    wanted = [
        (0, 0, 4, 0), (0, 4, 0, 0), (4, 0, 4, 1), (4, 1, 8, 1), (4, 3, 4, 4), (4, 4, 0, 4), (8, 1, 8, 3), (8, 3, 4, 3),
    ]  # fmt: skip
    np.testing.assert_allclose(sorted(np.round(edges, 5).tolist()), wanted, atol=1e-5)
    assert len({tuple(end) for end in edges.reshape(-1, 2).tolist()}) == 8, "ends that are joined are one point"


def test_neighbours_of_4_km_share_all_of_an_edge_but_a_metre_at_its_ends() -> None:
    """And half a micrometre is as near for them as for a door."""
    near, far = 4000.0 + 4e-7, 8000.0
    here, there = ((0, 0), (4000, 0), (4000, 4000), (0, 4000)), ((near, 1), (far, 1), (far, 3999), (near, 3999))
    wanted = [
        (0, 0, 4000, 0), (0, 4000, 0, 0), (4000, 0, 4000, 1), (4000, 1, 8000, 1), (4000, 3999, 4000, 4000),
        (4000, 4000, 0, 4000), (8000, 1, 8000, 3999), (8000, 3999, 4000, 3999),
    ]  # fmt: skip
    np.testing.assert_allclose(sorted(np.round(outline((here, there)), 5).tolist()), wanted, atol=1e-5)


@pytest.mark.parametrize(("gap", "joined"), [(0.9e-6, True), (2.5e-6, False), (1e-3, False)])
def test_a_gap_of_less_than_a_micrometre_is_joined(gap: float, joined: bool) -> None:
    beside = tuple((x + gap, y) for x, y in ((4.0, 0.0), (8.0, 0.0), (8.0, 4.0), (4.0, 4.0)))
    edges = outline((LEFT, beside))
    assert length(edges) == pytest.approx(24.0 if joined else 32.0, abs=0.01)
    assert len({tuple(end) for end in edges.reshape(-1, 2).tolist()}) == (6 if joined else 8)


def test_ends_that_are_joined_by_others_between_them_are_one_point() -> None:
    """Three corners in a row, the outer two 3 micrometres apart."""
    b, c = 4.0 + 1.5e-6, 4.0 + 3e-6
    below, beside = ((b, 0.0), (b, -4.0), (8.0, -4.0), (8.0, 0.0)), ((c, 0.0), (8.0, 0.0), (8.0, 4.0), (c, 4.0))
    ends = outline((LEFT, below, beside)).reshape(-1, 2)
    met = ends[np.hypot(*(ends - (4.0, 0.0)).T) < 1e-3]
    assert len(met) > 2
    assert (met == met[0]).all()


def test_polygons_that_do_not_meet_keep_their_edges_whole() -> None:
    """Though the lines of some run into the other."""
    apart = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ((1.5, -2.0), (5.0, -2.0), (5.0, 3.0), (1.5, 3.0)))
    assert sorted(outline(apart).tolist()) == sorted(
        np.concatenate([polygon_edges(np.array(p)) for p in apart]).tolist()
    )


def test_polygons_that_cross_are_cut_where_they_do() -> None:
    """A cross of two bars, off the axes' directions: 3 x 1 and 1 x 3, turned by half a radian."""
    turn = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
    bars = [np.array([(-a, -b), (a, -b), (a, b), (-a, b)]) @ turn + [7.0, 3.0] for a, b in ((1.5, 0.5), (0.5, 1.5))]
    edges = outline(tuple(tuple(map(tuple, bar.tolist())) for bar in bars))
    assert len(edges) == 12
    np.testing.assert_allclose(np.hypot(*(edges[:, 2:] - edges[:, :2]).T), 1.0)
    assert sorted(edges[:, :2].tolist()) == sorted(edges[:, 2:].tolist()), "each corner ends one edge and begins one"


def test_overlapping_polygons_leave_a_hole() -> None:
    assert length(outline(ROUND)) == pytest.approx(4 * 9.0 + 4 * 3.0)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 5e-7])
@pytest.mark.parametrize("seed", range(12))
def test_cells_that_all_but_share_their_edges_do_not_blur_what_is_inside(noise: float, seed: int) -> None:
    """As exporters write them: corners on each other's edges, off by a rounding. Two walls in one place, and whoever is
    behind both counts as inside."""
    rng = np.random.default_rng(seed)
    turn, away = rng.uniform(0.0, 6.28), float(rng.choice([0.0, 1000.0, 8000.0]))
    cells = []
    for _ in range(6):
        x, y, w, h = *rng.integers(0, 5, 2), *rng.integers(1, 4, 2)
        corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], float)
        spun = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        cells.append(spun + away + rng.uniform(-noise, noise, (4, 2)))
    edges = outline(tuple(tuple(map(tuple, cell.tolist())) for cell in cells))
    points = np.concatenate(cells).mean(0) + rng.uniform(-7, 7, (400, 2))
    clear = point_distance(points[:, None], edges[None]).min(1) > 1e-3
    first = np.zeros(1, np.int64)
    within = np.any([inside(points, polygon_edges(cell), first)[:, 0] for cell in cells], 0)
    assert (inside(points, edges, first)[:, 0] == within)[clear].all()


def tables(*polygons: tuple[tuple[float, float], ...]) -> object:
    return compile_rules(
        [Navmesh("floor", polygons)],
        ids=[101],
        squads=[0],
        homes=[[0.0, 0.0]],
        kinematics=Body(4.0, 16.0, 16.0, 0.2),
        walls=[],
        bounds=(-90.0, -90.0, 90.0, 90.0),
        dt=1 / 30,
    )


@pytest.mark.parametrize("seed", range(12))
def test_clearance_from_a_mesh_is_what_the_checker_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = tuple(star(rng, rng.uniform(-3, 3, 2), 2.0, 5.0, 8) for _ in range(int(rng.integers(1, 5))))
    points = rng.uniform(-8, 8, (200, 2))
    found = shape_clearance(tables(*cells), points)[:, -1]  # type: ignore[arg-type]  # plain tables
    polygons = [np.array(cell) for cell in cells]
    outline = mesh_outline(polygons, 0.01)
    margin = mesh_margin(points, points, polygons, outline, np.zeros(200))
    np.testing.assert_allclose(found, margin, atol=0.0051)  # half the spacing, right at the outline
    far = np.abs(found) > 0.1
    np.testing.assert_allclose(found[far], margin[far], atol=0.001)
