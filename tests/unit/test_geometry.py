"""Distances, sight and ways against short references."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from npc_bridge.schema import Polygon
from npc_sdk.experiments.errands import make_world
from npc_sdk.geometry import (
    UNREACHABLE,
    RoadAtlas,
    build_map,
    build_sdf,
    grid_points,
    line_of_sight,
    offset_ring,
    pad_edges,
    path_field,
    point_in_polygon,
    polygon_edges,
    ray_distances,
    ring_edges,
    sample_grid,
    signed_area,
    signed_distance,
)
from npc_sdk.planner.fields import MapWays

BOUNDS = (-12.0, -12.0, 12.0, 12.0)
BOX = ((-1.0, -2.0), (1.0, -2.0), (1.0, 2.0), (-1.0, 2.0))
ELL = ((4.0, 4.0), (8.0, 4.0), (8.0, 5.0), (5.0, 5.0), (5.0, 9.0), (4.0, 9.0))


def wall(ring: tuple[tuple[float, float], ...], kind: str = "wall", opaque: bool = True) -> Polygon:
    return Polygon(name="p", kind=kind, vertices=ring, opaque=opaque)


def crosses(a: np.ndarray, b: np.ndarray, edge: np.ndarray) -> bool:
    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    c, d = edge[:2], edge[2:]
    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) < 0


def test_line_of_sight_agrees_with_testing_every_edge_alone() -> None:
    rng = np.random.default_rng(0)
    edges = polygon_edges([BOX, ELL])
    a, b = rng.uniform(-10, 10, (2, 300, 2))
    expected = [not any(crosses(p, q, e) for e in edges) for p, q in zip(a, b, strict=True)]
    assert line_of_sight(a, b, edges).tolist() == expected
    assert 20 < sum(expected) < 280


def test_line_of_sight_of_many_worlds_agrees_with_each_world_alone() -> None:
    rng = np.random.default_rng(1)
    tables = [polygon_edges([BOX]), polygon_edges([BOX, ELL]), np.zeros((0, 4))]
    a, b = rng.uniform(-10, 10, (3, 5, 1, 2)), rng.uniform(-10, 10, (3, 1, 7, 2))
    together = line_of_sight(a, b, pad_edges(tables))
    assert together.shape == (3, 5, 7)
    for w, table in enumerate(tables):
        assert np.array_equal(together[w], line_of_sight(a[w], b[w], table))
    assert together[2].all()


def test_a_corner_blocks_sight_and_a_wall_does_not_block_who_stands_on_it() -> None:
    edges = polygon_edges([BOX])
    through_corner = line_of_sight(np.array([0.0, 3.0]), np.array([2.0, 1.0]), edges)
    along_face = line_of_sight(np.array([1.0, 0.0]), np.array([5.0, 0.0]), edges)
    assert not through_corner
    assert along_face


def test_line_of_sight_refuses_points_of_other_worlds() -> None:
    with pytest.raises(ValueError, match="expected points of 2 worlds"):
        line_of_sight(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((2, 1, 4)))


def test_ray_distance_is_where_sight_ends() -> None:
    rng = np.random.default_rng(2)
    edges = polygon_edges([BOX, ELL])
    origin = rng.uniform(-10, 10, (200, 2))
    origin = origin[signed_distance(origin, [BOX, ELL]) > 0.05]
    angle = rng.uniform(-np.pi, np.pi, len(origin))
    reach = ray_distances(origin, angle, edges, 15.0)
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)
    assert line_of_sight(origin, origin + ray * (reach - 1e-6)[:, None], edges).all()
    hit = reach < 15.0
    assert hit.any()
    beyond = origin + ray * (reach + 1e-3)[:, None]
    assert not line_of_sight(origin[hit], beyond[hit], edges).any()


@pytest.mark.parametrize(
    ("point", "distance"),
    [((3.0, 0.0), 2.0), ((0.0, 0.0), -1.0), ((2.0, 3.0), np.sqrt(2.0)), ((11.5, 0.0), 0.5), ((13.0, 0.0), -1.0)],
)
def test_signed_distance_of_known_places(point: tuple[float, float], distance: float) -> None:
    assert signed_distance(np.array([point]), [BOX], BOUNDS)[0] == pytest.approx(distance)


def test_point_in_polygon_knows_the_notch_of_an_l() -> None:
    inside = point_in_polygon(np.array([[4.5, 8.0], [7.0, 4.5], [7.0, 7.0], [3.0, 4.5]]), ELL)
    assert inside.tolist() == [True, True, False, False]


def test_sdf_grid_holds_the_exact_distance_at_its_nodes() -> None:
    sdf = build_sdf([BOX, ELL], BOUNDS)
    nodes = grid_points(BOUNDS, sdf.cell)
    assert np.allclose(sdf.values, signed_distance(nodes, [BOX, ELL], BOUNDS), atol=1e-5)
    assert sdf.sample(nodes[10, 20] + 0.1)[()] == pytest.approx(
        signed_distance(nodes[10, 20] + 0.1, [BOX, ELL], BOUNDS), abs=0.1
    )


def test_offset_ring_moves_every_edge_outward() -> None:
    grown = [(float(x), float(y)) for x, y in offset_ring(BOX, 0.5)]
    assert signed_area(grown) == pytest.approx(3.0 * 5.0)
    assert ring_edges(grown)[:, :2].min() == pytest.approx(-2.5)


def dijkstra(blocked: np.ndarray, cell: float, start: tuple[int, int]) -> np.ndarray:
    rows, columns = blocked.shape
    best = np.full(blocked.shape, UNREACHABLE)
    best[start] = 0.0
    queue = [(0.0, start)]
    while queue:
        length, (r, c) = heapq.heappop(queue)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                i, j = r + dr, c + dc
                if not (0 <= i < rows and 0 <= j < columns) or blocked[i, j] or blocked[i, c] or blocked[r, j]:
                    continue
                total = length + cell * np.hypot(dr, dc)
                if total < best[i, j] - 1e-9:
                    best[i, j] = total
                    heapq.heappush(queue, (total, (i, j)))
    return best


def test_path_field_agrees_with_dijkstra_and_marks_what_is_cut_off() -> None:
    rng = np.random.default_rng(3)
    blocked = rng.random((20, 24)) < 0.25
    blocked[:3, :3] = True
    blocked[1, 1] = blocked[10, 10] = blocked[4, 20] = False
    targets = np.array([[10 * 0.5, 10 * 0.5], [20 * 0.5, 4 * 0.5]])
    field = path_field(blocked, 0.5, targets)
    for k, start in enumerate(((10, 10), (4, 20))):
        assert np.allclose(field[k], dijkstra(blocked, 0.5, start), atol=1e-3)
    assert field[0, 1, 1] == UNREACHABLE


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45])
def test_compiled_passes_and_passes_over_the_whole_grid_end_at_the_same_bytes(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    blocked, targets = rng.random((30, 41)) < share, rng.uniform(0.0, 20.0, (12, 2))
    quick = path_field(blocked, 0.5, targets)
    monkeypatch.setattr("npc_sdk.kernels.compiled.AVAILABLE", False)
    assert quick.tobytes() == path_field(blocked, 0.5, targets).tobytes()


def test_map_tables_leave_zones_out_and_keep_low_walls_out_of_sight_tables() -> None:
    zone, low = wall(ELL, kind="zone", opaque=False), wall(BOX, opaque=False)
    tables = build_map([zone, low], BOUNDS, 0.35)
    assert len(tables.edges) == len(BOX) + 4
    assert len(tables.opaque_edges) == 0
    assert tables.sdf.sample(np.array([4.5, 4.5])) > 0
    assert build_map([zone, low], BOUNDS, 0.35) is tables


def test_cover_points_are_walkable_and_beside_walls() -> None:
    tables = build_map([wall(BOX), wall(ELL)], BOUNDS, 0.35)
    distance = signed_distance(tables.cover, [BOX, ELL])
    assert len(tables.cover) > 10
    assert (distance >= 0.35 - 0.1).all()
    assert (distance <= 0.95).all()


@pytest.mark.parametrize("width", np.arange(10.0, 11.0, 0.11).tolist())
def test_maps_may_be_as_large_as_they_like(width: float) -> None:
    """The grid of ways is every other node of the finer one, whichever of the two a width rounds up for."""
    bounds = (-5.0, -5.0, width, 12.3)
    tables = build_map([wall(BOX)], bounds, 0.35)
    field = tables.path_field(np.array([[5.0, 0.5]]))
    assert field.shape[1:] == tables.walkable.shape
    assert field[:, tables.walkable].max() < UNREACHABLE, "every place has a way"
    assert tables.roads.sees.shape[0] == tables.walkable.size


def test_path_field_of_a_map_continues_behind_walls_and_is_kept() -> None:
    tables = build_map([wall(BOX)], BOUNDS, 0.35)
    targets = np.array([[5.0, 0.0], [0.0, 0.0]])  # the second lies in the wall: its nearest walkable node counts
    field = tables.path_field(targets)
    assert field.shape == (2, 49, 49)
    beside = sample_grid(field[0], (-12.0, -12.0), 0.5, np.array([-1.36, 0.0]))
    assert 8.0 < beside < 10.5  # around the box, not through it
    assert field[1].min() == 0.0
    assert np.array_equal(field, tables.path_field(targets))


def test_walkers_that_follow_waypoints_arrive_along_shortest_ways() -> None:
    tables = build_map([wall(BOX), wall(ELL)], BOUNDS, 0.35)
    atlas = RoadAtlas([tables.roads])
    start, goal = np.array([[-3.0, 0.5], [6.5, 7.0]]), np.array([[3.0, -0.5], [3.0, 4.5]])
    at, walked, world = start.copy(), np.zeros(2), np.zeros(2, np.int64)
    _, length = atlas.waypoints(world, start, goal)
    for _ in range(400):
        way, _ = atlas.waypoints(world, at, goal)
        gap = way - at
        step = gap * np.minimum(0.05 / np.maximum(np.hypot(*gap.T), 1e-9), 1.0)[:, None]
        walked += np.hypot(*step.T)
        at = at + step
        assert (signed_distance(at, [BOX, ELL]) > 0.2).all()
    assert np.allclose(at, goal, atol=1e-3)
    assert np.allclose(walked, length, rtol=0.05)


def passage(gap: float, right: float) -> RoadAtlas:
    """A wall from the left border, a passage and a block, for a body of 0.7 m."""
    long = wall(((-12.0, -1.0), (0.0, -1.0), (0.0, 1.0), (-12.0, 1.0)))
    block = wall(((gap, -2.0), (right, -3.0), (right, 3.0), (gap, 2.0)))
    return RoadAtlas([build_map([long, block], BOUNDS, 0.35).roads])


def through(atlas: RoadAtlas, gap: float, start: float) -> tuple[np.ndarray, float]:
    """Where to head for from below the passage, to a place above it, and how long the way is."""
    heading, length = atlas.waypoints(np.zeros(1, np.int64), np.array([[start, -4.0]]), np.array([[gap / 2, 8.0]]))
    return heading[0], float(length[0])


@pytest.mark.parametrize(("gap", "leads"), [(0.5, False), (0.7, False), (0.95, False), (1.05, True), (1.3, True)])
def test_a_way_leads_through_an_easy_passage_and_round_a_narrow_one_and_never_only_looks_through(
    gap: float, leads: bool
) -> None:
    atlas = passage(gap, 8.0)
    for start in (-1.5, -0.5, 0.0, gap / 2, 1.0, 2.0):
        assert (through(atlas, gap, start)[1] < 15.0) == leads


@pytest.mark.parametrize(("gap", "leads"), [(0.5, False), (0.7, False), (0.78, True), (0.95, True), (1.05, True)])
def test_where_no_way_leads_round_a_body_squeezes_through_whatever_it_fits_through(gap: float, leads: bool) -> None:
    heading, length = through(passage(gap, 12.0), gap, -1.5)
    assert (abs(heading[0] - gap / 2) < 1e-6 and heading[1] == 8.0) != leads  # the goal itself: nobody knows a way
    assert not leads or 12.0 < length < 32.0


def test_whoever_is_in_a_narrow_alley_is_led_out_of_it() -> None:
    """Nine tenths of a metre wide and closed at its end, beyond which the goal lies."""
    alley = wall(((0.0, 0.0), (6.0, 0.0), (6.0, 3.0), (0.0, 3.0), (0.0, 1.95), (5.0, 1.95), (5.0, 1.05), (0.0, 1.05)))
    ways = MapWays(build_map([alley], BOUNDS, 0.35))
    length = ways.way(int(ways.spot(np.array([[8.0, 1.5]]))[0]))
    assert (np.diff(length[27, 24:34]) > 0.0).all()  # y 1.5, x 0 to 4.5
    assert length[27, 33] > 10.0


def test_who_stands_right_at_a_corner_has_a_way_like_those_beside_it() -> None:
    """One place of this world is within the outline grown by almost the body, which sticks out at corners."""
    world = make_world("test", 9010)
    tables = build_map([*world.map.polygons, *(wall(tuple(map(tuple, z.tolist()))) for z in world.zones)], BOUNDS, 0.35)
    ways = MapWays(tables)
    length = ways.way(int(ways.spot(np.array([[1.8, 10.3]]))[0]))
    assert tables.walkable[27, 32]  # (4, 1.5)
    assert length[27, 32] == pytest.approx(length[26, 32], abs=2.5)
    assert length[27, 32] == pytest.approx(length[28, 33], abs=2.5)


@pytest.mark.parametrize("seed", [9006, 9012, 9026, 9040])
def test_places_that_see_each_other_are_about_as_far_from_anywhere(seed: int) -> None:
    """Zones beside walls leave passages of any width; a place nearer than all those about it would be a trap."""
    world = make_world("test", seed)
    tables = build_map([*world.map.polygons, *(wall(tuple(map(tuple, z.tolist()))) for z in world.zones)], BOUNDS, 0.35)
    ways, free = MapWays(tables), tables.walkable
    index = np.arange(free.size).reshape(free.shape)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    one, two = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    both = free.ravel()[one] & free.ravel()[two]
    one, two = one[both], two[both]
    point = grid_points(BOUNDS, 0.5, free.shape).reshape(-1, 2)
    clear = line_of_sight(point[one][:, None], point[two][:, None], tables.roads.walls)[:, 0]
    for spot in ways.spot(world.spots[:6]):
        length = ways.way(int(spot)).reshape(-1)
        assert np.abs(length[one] - length[two])[clear].max() < 2.5, "half a metre, and what rounding corners takes"


def test_an_atlas_answers_alike_for_one_map_and_for_many() -> None:
    one, two = build_map([wall(BOX)], BOUNDS, 0.35), build_map([wall(BOX), wall(ELL)], BOUNDS, 0.35)
    rng = np.random.default_rng(4)
    start, goal = rng.uniform(-11, 11, (2, 50, 2))
    alone = RoadAtlas([two.roads]).waypoints(np.zeros(50, np.int64), start, goal)
    together = RoadAtlas([one.roads, two.roads]).waypoints(np.ones(50, np.int64), start, goal)
    assert all(np.array_equal(x, y) for x, y in zip(alone, together, strict=True))
