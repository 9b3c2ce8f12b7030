"""What hangs together: parts of the room on a grid of cells, a leash's share of it, and what is measured where."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_sdk.constraints import KeepOut
from npc_sdk.constraints.reach import Ground, Parts, ground
from npc_sdk.constraints.room import room

CORNER, CELL = np.array([10.0, 20.0]), 0.5
LABEL = np.array([[1, 2, 0], [3, 0, 4]])
PARTS = Parts(CORNER, CELL, LABEL, np.array([[True, True, True], [False, True, True]]))


def test_a_place_is_in_the_part_of_its_cell_and_in_none_beyond_the_grid() -> None:
    places = [(10.0, 20.0), (10.6, 20.4), (10.4, 20.9), (11.4, 20.6), (11.4, 20.4)]
    assert PARTS.at(np.array(places)).tolist() == [1, 2, 3, 4, 0]
    beyond = [(9.9, 20.1), (10.1, 19.9), (11.5, 20.6), (10.1, 21.0), (-99.0, 20.9), (99.0, 20.9), (11.4, 99.0)]
    assert not PARTS.at(np.array(beyond)).any()


def test_apart_from_a_part_are_the_sure_cells_of_others() -> None:
    assert PARTS.apart_from(1).tolist() == [[False, True, False], [False, False, True]]
    assert PARTS.apart_from(4).tolist() == [[True, True, False], [False, False, False]]


@pytest.mark.parametrize(
    ("cells", "middle"),
    [
        (["#....", "....."], (10.25, 20.25)),
        ([".....", "...#."], (11.75, 20.75)),
        (["###..", "..###"], (11.25, 20.25)),
        (["#####", "....."], (11.25, 20.25)),
        ([".#...", ".#...", ".#...", ".####"], (10.75, 21.75)),
    ],
)
def test_the_middle_of_some_cells_is_the_middle_of_one_of_them(cells: list[str], middle: tuple[float, float]) -> None:
    assert PARTS.middle(np.array([list(line) for line in cells]) == "#") == middle


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize(
    "drawn",
    [
        ["aa.b", "a..b", ".a.b"],
        ["a.b.c", "a.b.c", "a...c", "aaa.c"],
        ["a.a.a", ".a.a.", "a.a.a"],
        ["aaaaa", "a...a", "a.b.a", "a...a", "aaaaa"],
        ["a.b..c", ".....c", "d.ee.."],
        ["aaaaaa", ".....a", "bbbb.a", "b....a", "b.aaaa"],
        ["a"],
        ["."],
        ["a....", ".a...", "..a..", "...a.", "b...."],
        ["..a..", "a.a.a", "aaaaa"],
        ["a.a.b.b", "a.a.b.b", ".a...b.", "....b.."],
    ],
)
def test_cells_hang_together_along_sides_and_over_corners(drawn: list[str], turn: int) -> None:
    """Parts are drawn by letters, and barred cells by dots; numbers go from 1."""
    wanted = np.rot90(np.array([list(line) for line in drawn]), turn)
    found = Ground(CORNER, CELL, np.where(wanted == ".", -9.0, 9.0)).parts().label
    assert ((found > 0) == (wanted != ".")).all()
    pairs = set(zip(found[found > 0].tolist(), wanted[found > 0].tolist(), strict=True))
    letters = set(wanted[found > 0].tolist())
    assert len(pairs) == len(letters)
    assert {number for number, _ in pairs} == set(range(1, len(letters) + 1))


def test_a_cell_is_passable_if_a_body_may_be_in_a_corner_of_it_and_sure_if_in_its_middle() -> None:
    cell, corner = 2.0, 2.0 * math.sqrt(0.5)
    parts = Ground(CORNER, cell, np.array([[0.0, -1e-9, -corner, -corner - 1e-9, 1.0]])).parts()
    assert (parts.label > 0).tolist() == [[True, True, True, False, True]]
    assert parts.sure.tolist() == [[True, False, False, False, True]]
    assert parts.cell == cell
    assert parts.corner.tolist() == CORNER.tolist()


def middles(of: Ground) -> NDArray[np.float64]:
    """The middles of its cells."""
    high, wide = of.room.shape
    x, y = np.meshgrid(np.arange(wide) + 0.5, np.arange(high) + 0.5)
    return of.corner + of.cell * np.stack([x, y], -1)


def kept(of: Ground) -> dict[tuple[float, float], float]:
    """The room at the middles of cells, where there is any."""
    free = of.room >= 0.0
    return {(x, y): room for (x, y), room in zip(middles(of)[free].tolist(), of.room[free].tolist(), strict=True)}


@pytest.mark.parametrize("home", [(12.25, 21.4), (10.1, 20.1), (14.9, 22.9), (9.0, 21.0), (12.0, 24.0), (16.0, 19.0)])
@pytest.mark.parametrize("radius", [0.2, 0.8, 1.7, 9.0])
def test_a_leash_leaves_of_the_room_what_is_within_it(home: tuple[float, float], radius: float) -> None:
    whole = Ground(CORNER, CELL, np.random.default_rng(3).uniform(-1, 1, (6, 10)))
    found = whole.leashed(np.array(home), radius)
    far = np.hypot(*np.moveaxis(middles(whole) - home, -1, 0))
    left = np.minimum(whole.room, radius - far)
    assert kept(found) == pytest.approx(kept(Ground(CORNER, CELL, left)))
    assert max(found.room.shape) < 2.0 * radius / CELL + 2.0, "and no more cells than that touches"


def test_of_a_leash_beyond_the_grid_there_is_a_cell_and_no_room() -> None:
    whole = Ground(CORNER, CELL, np.ones((6, 10)))
    for home in [(-99.0, 21.2), (99.0, 21.2), (12.2, -99.0), (99.0, 99.0)]:
        found = whole.leashed(np.array(home), 0.1)
        assert found.room.shape == (1, 1)
        assert found.room[0, 0] < 0.0


def slope(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return 3.0 - points[:, 0]


def hill(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(points[:, 0] - 1.0, points[:, 1] - 4.0) - 1.0)


@pytest.mark.parametrize(("high", "lines"), [(3.0, 24), (3.1, 25), (0.1, 1)])
def test_the_longer_side_has_64_large_cells_and_each_of_these_8_small_ones(high: float, lines: int) -> None:
    for bounds, shape in [
        ((1.0, 2.0, 9.0, 2.0 + high), (8 * lines, 512)),
        ((2.0, 1.0, 2.0 + high, 9.0), (512, 8 * lines)),
    ]:
        found = ground([slope], bounds)
        assert found.room.shape == shape
        assert found.cell == 8.0 / 512
        assert found.corner.tolist() == list(bounds[:2])


def test_room_is_measured_in_every_small_cell_near_an_edge_and_once_for_a_large_one_elsewhere() -> None:
    asked = []

    def counted(points: NDArray[np.float64]) -> NDArray[np.float64]:
        asked.append(len(points))
        return hill(points)

    found = ground([slope, counted], (-1.0, 2.0, 7.0, 5.0))
    places = middles(found)
    room = np.minimum(*(of(places.reshape(-1, 2)).reshape(found.room.shape) for of in (slope, hill)))
    assert ((found.room >= 0.0) == (room >= 0.0)).all()
    near = np.abs(room) < 0.01
    np.testing.assert_allclose(found.room[near], room[near], atol=1e-12)
    np.testing.assert_allclose(found.room, room, atol=8.0 / 64 * math.sqrt(0.5))
    assert asked[0] == 64 * 24
    assert asked[1] < 0.1 * room.size
    assert asked[2:] == []


def test_room_is_measured_for_any_number_of_points() -> None:
    """Of 2.2 million distances, some are taken after others."""
    around = np.linspace(0.0, 2.0 * np.pi, 1000, endpoint=False)
    disc = KeepOut("disc", tuple((3.0 + 2.0 * np.cos(angle), 4.0 + 2.0 * np.sin(angle)) for angle in around))
    points = np.stack([np.linspace(0.0, 9.0, 2200), np.full(2200, 4.0)], 1)
    found = room(disc, points, np.zeros(2), 0.5)
    np.testing.assert_allclose(found, np.abs(points[:, 0] - 3.0) - 2.0 - 0.5, atol=1e-3)
