"""Where the player may be going: places, the guesses among them, and the way there."""

from __future__ import annotations

import numpy as np
import torch
from world_scenes import a_scene

from npc_sdk.envs.arena import make_map
from npc_sdk.geometry import build_map
from npc_sdk.geometry.places import FARTHEST, SPACING, build_places
from npc_sdk.tensors import Places, places
from npc_sdk.world import quick
from npc_sdk.world.destinations import AHEAD, TRACE, Destinations, Looked, Ways, destination_loss, guesses


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


def a_trace(likely: int, b: int = 2) -> tuple[torch.Tensor, Places, torch.Tensor]:
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


def nodes_near(tables: Places, index: torch.Tensor, likely: int) -> torch.Tensor:
    """A node of the grid some way off that place, per scene."""
    aside = tables.spots[index // len(tables.turns), likely] + torch.tensor([[2.0, 0.5], [-0.5, 2.0]])
    origin = tables.origin[index // len(tables.turns)]
    return origin + 0.5 * ((aside - origin) / 0.5).round()


def test_a_sure_guess_points_down_the_way_to_its_place() -> None:
    trace, tables, index = a_trace(likely=5)
    place = nodes_near(tables, index, 5)
    told = Ways.of(trace, tables, index).look(place).reshape(2, len(AHEAD), 3)
    left = tables.sample(index, place)[:, 5]
    torch.testing.assert_close(told[:, :, 0], (left / 12)[:, None].expand(2, 2), atol=1e-3, rtol=1e-3)
    step = 0.5 * told[:, 0, 1:] / told[:, 0, 1:].norm(dim=-1, keepdim=True)
    assert (tables.sample(index, place + step)[:, 5] < left - 0.3).all()


def test_unsure_guesses_are_blended_by_their_chances() -> None:
    trace, tables, index = a_trace(likely=7)
    trace[:, 9, 0] = 12.0  # the first guess knows only that it is one of two places
    place = nodes_near(tables, index, 7)
    told = Ways.of(trace, tables, index).look(place).reshape(2, len(AHEAD), 3)
    way = tables.sample(index, place)
    torch.testing.assert_close(told[:, 0, 0], (way[:, 7] + way[:, 9]) / 24, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(told[:, 1, 0], way[:, 7] / 12, atol=1e-3, rtol=1e-3)


def test_the_kernel_reads_the_field_as_torch_does() -> None:
    trace, tables, index = a_trace(likely=5, b=6)
    ways = Ways.of(trace + torch.randn(trace.shape, generator=torch.Generator().manual_seed(1)), tables, index)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        place = torch.rand(6, 2, generator=generator) * 30 - 15  # beyond the border, too
        torch.testing.assert_close(quick.look(ways, place), ways.look(place), atol=1e-5, rtol=1e-5)


def test_the_kernel_scores_places_as_torch_does_with_the_same_gradients() -> None:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    b, k = 6, 5
    _, tables, index = a_trace(likely=5, b=b)
    torch.manual_seed(3)
    scorer = Destinations(48, 32)
    start = torch.cat([draw(b, tables.spots.shape[1], 2), 6 * draw(b, tables.spots.shape[1], 2).abs()], -1)
    valid = draw(b, k) > 0
    valid[0] = False  # a scene with nobody
    looked = Looked(6 * draw(b, 2), draw(b, 1) > 0, draw(b, 1) > 0, 6 * draw(b, k, 2), valid)
    latent, wanted = draw(b, 48), draw(*start.shape[:2], 2) * tables.there[index // len(tables.turns)][..., None]
    results = []
    for score in (scorer.forward, scorer.by_rule):
        scorer.zero_grad()
        trace, z = start.clone().requires_grad_(), latent.clone().requires_grad_()
        after = score(trace, z, looked, tables, index)
        (after[..., : len(AHEAD)] * wanted).sum().backward()
        results.append([after.detach(), trace.grad[..., : len(AHEAD)], z.grad, *(p.grad for p in scorer.parameters())])
    assert all(part.abs().max() > 0.01 for part in results[1])
    for told, expected in zip(*results, strict=True):
        torch.testing.assert_close(told, expected, atol=2e-3, rtol=1e-4)


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
        torch.testing.assert_close(alone, among[:, : len(table.spots)])
