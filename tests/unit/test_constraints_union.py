"""The outline of a navigation mesh, checked against what it means: a point beside it has one side in no polygon."""

from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.audit.measure import mesh_margin, mesh_outline
from npc_sdk.constraints import Navmesh, compile_rules, shape_clearance
from npc_sdk.constraints.union import outline
from npc_sdk.experiments.zoo import Body, star

LEFT = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
DOOR = ((4.0, 1.0), (8.0, 1.0), (8.0, 3.0), (4.0, 3.0))
ROUND = (
    ((0.0, 0.0), (9.0, 0.0), (9.0, 3.0), (0.0, 3.0)),
    ((0.0, 6.0), (9.0, 6.0), (9.0, 9.0), (0.0, 9.0)),
    ((0.0, 0.0), (3.0, 0.0), (3.0, 9.0), (0.0, 9.0)),
    ((6.0, 9.0), (6.0, 0.0), (9.0, 0.0), (9.0, 9.0)),  # the other way round
)


def length(edges: np.ndarray) -> float:
    return float(np.hypot(*(edges[:, 2:] - edges[:, :2]).T).sum())


def test_a_shared_edge_is_no_wall_where_both_sides_are_floor() -> None:
    assert length(outline((LEFT, DOOR))) == pytest.approx(16.0 + 12.0 - 2 * 2.0)
    assert length(outline((LEFT,))) == pytest.approx(16.0)
    assert length(outline((LEFT, LEFT))) == pytest.approx(16.0)  # twice the same is the same


def test_overlapping_polygons_leave_a_hole() -> None:
    assert length(outline(ROUND)) == pytest.approx(4 * 9.0 + 4 * 3.0)


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
