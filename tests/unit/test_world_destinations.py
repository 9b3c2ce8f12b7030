"""Where the player may be going: places, the guesses among them, and the way there."""

from __future__ import annotations

import numpy as np
import torch
from world_scenes import a_scene

from npc_sdk.envs.arena import make_map
from npc_sdk.geometry import build_map
from npc_sdk.geometry.places import FARTHEST, SPACING, build_places
from npc_sdk.tensors import places
from npc_sdk.world.destinations import AHEAD, TRACE, Ways, aim_at, destination_loss, guesses


def test_places_fit_a_body_keep_apart_and_leave_no_floor_out() -> None:
    map_ = make_map("train", 3).tables
    found = build_places(map_.sdf, map_.radius)
    gap = np.hypot(*np.moveaxis(found.spots[:, None] - found.spots, -1, 0))
    assert gap[~np.eye(len(gap), dtype=bool)].min() >= SPACING - 1e-9
    assert all(map_.sdf.sample(found.spots) >= map_.radius - 1e-6)
    reachable = (found.way < FARTHEST).any(2)
    assert found.way.min(2)[reachable].max() < 2 * SPACING  # from all floor some place is near


def test_the_way_to_a_place_is_no_shorter_than_the_air_line_and_ends_there() -> None:
    map_ = make_map("train", 4).tables
    found = build_places(map_.sdf, map_.radius)
    rows, columns, _ = found.way.shape
    y, x = np.mgrid[0:rows, 0:columns] * 0.5
    nodes = np.stack([x, y], -1) + np.array(found.origin)
    air = np.hypot(*np.moveaxis(nodes[:, :, None] - found.spots, -1, 0))
    walkable = found.way < FARTHEST
    assert (found.way - air)[walkable].min() > -0.8
    assert found.way.min((0, 1)).max() < 0.75


def a_trace(likely: int, b: int = 2) -> tuple[torch.Tensor, object, torch.Tensor]:
    scene = a_scene(b=b)
    trace = torch.zeros(b, scene.places.spots.shape[1], TRACE)
    trace[:, likely, : len(AHEAD)] = 12.0
    return trace, scene.places, scene.map_index


def test_who_has_seen_nothing_finds_all_places_alike() -> None:
    scene = a_scene(b=2)
    log = guesses(torch.zeros(2, 0, TRACE), scene.places, scene.map_index)
    there = scene.places.there[scene.map_index][:, None].expand_as(log)
    assert torch.allclose(log.exp().sum(-1), torch.ones(2, len(AHEAD)))
    for row, mask in zip(log.flatten(0, 1), there.flatten(0, 1), strict=True):
        assert row[mask].std() < 1e-5
        assert (row[~mask] < -1e3).all()


def test_a_sure_guess_points_down_the_way_to_its_place() -> None:
    trace, tables, index = a_trace(likely=5)
    spots = tables.spots[index, 5]
    place = spots + torch.tensor([[1.0, 0.5], [-0.5, 1.0]])
    aim = aim_at(trace, tables, index, place).reshape(2, len(AHEAD), 3)
    way, slope = tables.sample(index, place)
    torch.testing.assert_close(aim[:, 0, 0], way[:, 5] / 12, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(aim[:, 0, 1:], -slope[:, 5].clamp(-1.5, 1.5), atol=1e-2, rtol=1e-2)


def test_the_blended_field_says_at_its_nodes_what_the_guess_says_there() -> None:
    trace, tables, index = a_trace(likely=7)
    ways = Ways.of(trace, tables, index)
    place = tables.origin[index] + 0.5 * torch.tensor([[20.0, 21.0], [25.0, 12.0]])
    looked = ways.look(place).reshape(2, len(AHEAD), 3)
    asked = aim_at(trace, tables, index, place).reshape(2, len(AHEAD), 3)
    torch.testing.assert_close(looked[..., 0], asked[..., 0], atol=2e-3, rtol=1e-3)


def test_the_loss_prefers_the_place_the_player_went_to() -> None:
    trace, tables, index = a_trace(likely=5)
    truth = tables.spots[index, 5][:, None, None].expand(2, 1, len(AHEAD), 2)
    counts = torch.ones(2, 1, len(AHEAD))
    other = trace.roll(3, 1)
    right, wrong = (destination_loss(t[:, None], tables, index, truth, counts) for t in (trace, other))
    assert right < 2.0 < wrong
    assert destination_loss(trace[:, None], tables, index, truth, 0 * counts) == 0


def test_maps_of_different_size_share_one_table() -> None:
    sizes = ((-12.0, -12.0, 12.0, 12.0), (-6.0, -9.0, 8.0, 5.0))
    tables = [build_places(build_map((), bounds, 0.35).sdf, 0.35) for bounds in sizes]
    joined = places(tables, torch.device("cpu"))
    assert joined.there.sum(1).tolist() == [len(t.spots) for t in tables]
    at = torch.tensor([[1.3, -2.2]])
    for index, table in enumerate(tables):
        alone = places([table], torch.device("cpu")).sample(torch.tensor([0]), at)
        among = joined.sample(torch.tensor([index]), at)
        for one, other in zip(alone, among, strict=True):
            torch.testing.assert_close(one, other[:, : len(table.spots)])
