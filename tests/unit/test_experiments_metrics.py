from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from npc_bridge.schema import Polygon
from npc_sdk.experiments.metrics import METRICS, Measures, Play
from npc_sdk.geometry import MapTables, build_map
from npc_sdk.objectives.terms import DEFAULT_TERMS

WALL = Polygon(name="wall", kind="wall", vertices=((-1.0, -3.0), (1.0, -3.0), (1.0, 3.0), (-1.0, 3.0)), opaque=True)
BOUNDS = (-12.0, -12.0, 12.0, 12.0)


def room() -> MapTables:
    return build_map((WALL,), BOUNDS, 0.35)


def play(
    npcs: list[tuple[float, float]], player: tuple[float, float] = (-5.0, 0.0), facing: float = 0.0, look: float = np.pi
) -> Play:
    """One moment of one world; all NPCs in one squad, the first leads, looking west by default."""
    n = len(npcs)
    return Play(
        dt=0.1,
        player=np.array(player)[None, None],
        facing=np.full((1, 1), facing),
        player_alive=np.ones((1, 1), np.bool_),
        pos=np.array(npcs, np.float64)[None, None],
        vel=np.zeros((1, 1, n, 2)),
        heading=np.full((1, 1, n), look),
        alive=np.ones((1, 1, n), np.bool_),
        squad=np.zeros((1, n), np.int64),
        leader=np.arange(n)[None] == 0,
        home=np.zeros((1, n, 2)),
        grenades=np.array([[[[0.0, 8.0]]]]),
        armed=np.ones((1, 1, 1), np.bool_),
        dealt=np.zeros((1, n)),
        taken=np.zeros((1, n)),
        acceleration=np.zeros((1, n)),
        plan_change=np.full((1, n), np.nan),
    )


def test_every_term_names_a_metric_that_exists() -> None:
    assert {t.metric for t in DEFAULT_TERMS.terms} <= set(METRICS)


def test_every_metric_has_one_number_per_npc() -> None:
    measures = Measures(play([(5.0, 0.0), (-8.0, 1.0)]), [room()])
    for name in METRICS:
        assert measures.per_npc(name).shape == (1, 2)


def test_exposed_needs_cone_reach_and_a_clear_line() -> None:
    ahead, behind, hidden, beside = (-2.0, 0.0), (-8.0, 0.0), (5.0, 0.0), (-5.0, 6.0)
    measures = Measures(play([ahead, behind, hidden, beside]), [room()])
    assert measures.per_npc("exposed_fraction")[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert measures.per_npc("los_fraction")[0].tolist() == [1.0, 1.0, 0.0, 1.0]


def test_flank_angle_is_zero_ahead_and_pi_behind() -> None:
    angle = Measures(play([(-2.0, 0.0), (-8.0, 0.0), (-5.0, 6.0)]), [room()]).per_npc("flank_angle_rad")[0]
    assert angle == pytest.approx([0.0, np.pi, np.pi / 2])


def test_the_way_to_the_player_goes_around_walls() -> None:
    way = Measures(play([(5.0, 0.0), (-8.0, 0.0)]), [room()]).per_npc("player_path_m")[0]
    around = 2 * np.hypot(4.0 - 0.4, 3.4) + 2.8  # over two corners, at a body's distance from them
    assert way[0] == pytest.approx(around, abs=0.6)
    assert way[1] == pytest.approx(3.0, abs=1e-5)


def test_who_is_hidden_has_no_way_to_cover() -> None:
    way = Measures(play([(5.0, 0.0), (-2.0, 0.0)]), [room()]).per_npc("cover_distance_m")[0]
    assert way[0] == 0.0
    assert 3.0 < way[1] < 9.0  # around a corner of the wall


def test_leader_distance_leaves_the_leader_out() -> None:
    distance = Measures(play([(0.0, 5.0), (3.0, 9.0)]), [room()]).per_npc("leader_distance_m")[0]
    assert np.isnan(distance[0])
    assert distance[1] == pytest.approx(5.0)


def test_the_dead_do_not_count() -> None:
    scene = play([(0.0, 5.0), (0.5, 5.0), (8.0, 8.0)])
    assert Measures(scene, [room()]).per_world("crowded_fraction")[0] == pytest.approx(2 / 3)
    dead = replace(scene, alive=np.array([[[True, False, True]]]))
    assert Measures(dead, [room()]).per_world("crowded_fraction")[0] == 0.0


def test_bearing_gap_is_the_angle_seen_from_the_player() -> None:
    gap = Measures(play([(-5.0, 4.0), (-9.0, 0.0)], look=0.0), [room()]).per_npc("bearing_gap_rad")[0]
    assert gap == pytest.approx([np.pi / 2, np.pi / 2])


def test_range_and_flank_count_only_while_the_squad_sees_the_player() -> None:
    looking = Measures(play([(-5.0, 4.0), (-9.0, 0.0)], look=0.0), [room()])
    assert looking.per_npc("range_error_m")[0] == pytest.approx([3.0, 3.0])
    away = Measures(play([(-5.0, 4.0), (-9.0, 0.0)], look=np.pi), [room()])
    for name in ("range_error_m", "flank_angle_rad", "bearing_gap_rad"):
        assert np.isnan(away.per_npc(name)).all()


def test_unseen_is_a_matter_of_the_whole_squad() -> None:
    blind, watching = (5.0, 0.0), (-2.0, 0.0)  # both look west; the wall is between the first and the player
    assert Measures(play([blind]), [room()]).per_world("unseen_fraction")[0] == 1.0
    assert Measures(play([blind, watching]), [room()]).per_world("unseen_fraction")[0] == 0.0
    apart = replace(play([blind, watching]), squad=np.array([[0, 1]]))
    assert Measures(apart, [room()]).per_npc("unseen_fraction")[0].tolist() == [1.0, 0.0]


def test_danger_grows_towards_the_grenade() -> None:
    danger = Measures(play([(0.0, 8.0), (0.0, 10.0), (9.0, -9.0)]), [room()]).per_npc("danger_mean")[0]
    assert danger[0] == pytest.approx(1.0)
    assert 0 < danger[1] < 1
    assert danger[2] == 0.0


def test_a_world_measures_the_same_alone_or_in_a_batch() -> None:
    one, two = play([(5.0, 0.0), (-2.0, 0.0)]), play([(-5.0, 6.0), (-8.0, 0.0)], player=(4.0, 1.0), facing=2.0)
    joined = Play(
        one.dt,
        *(
            np.concatenate([getattr(one, name), getattr(two, name)], axis=axis)
            for name, axis in (
                *(("player", 1), ("facing", 1), ("player_alive", 1), ("pos", 1), ("vel", 1), ("heading", 1)),
                *(("alive", 1), ("squad", 0), ("leader", 0), ("home", 0), ("grenades", 1), ("armed", 1)),
                *(("dealt", 0), ("taken", 0), ("acceleration", 0), ("plan_change", 0)),
            )
        ),
    )
    both = Measures(joined, [room(), room()])
    for name in METRICS:
        alone = [Measures(p, [room()]).per_npc(name)[0] for p in (one, two)]
        np.testing.assert_allclose(both.per_npc(name), alone, rtol=1e-6)
