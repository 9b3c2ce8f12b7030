"""What squads believe follows from what they see, and from nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from npc_sdk.belief import NEVER_S, NPC, PLAYER, BeliefTable, Frame, Sight, Slots, Tracker, join, sees
from npc_sdk.envs.arena import Arena, ArenaConfig, arena_frame, arena_schema, make_map, snapshot_blocks

WALL = np.array([[[0.0, -1.0, 0.0, 1.0]]], np.float32)  # one opaque edge through the origin


def frame(player: tuple[float, float], npcs: list[tuple[float, float, float, int]]) -> Frame:
    """One world: a player, and NPCs at x, y, heading, squad."""
    n = len(npcs)
    places = [player, *[(x, y) for x, y, _, _ in npcs]]
    pose = np.array([[[x, y, 0.0, 0.0] for x, y in places]], np.float32)
    one = np.ones((1, n + 1), np.float32)
    return Frame(
        ids=np.array([[1, *range(101, 101 + n)]], np.uint32),
        kind=np.array([[PLAYER] + [NPC] * n], np.int8),
        pose=pose,
        heading=np.array([[0.0, *[h for _, _, h, _ in npcs]]], np.float32),
        health=one * 100,
        ammo=one,
        cooldown=one * 0,
        shots=one * 0,
        fuse=one * 0,
        squad=np.array([[-1, *[s for _, _, _, s in npcs]]]),
        leader=np.zeros((1, n + 1), np.bool_),
        home=np.zeros((1, n + 1, 2), np.float32),
        alive=np.ones((1, n + 1), np.bool_),
    )


def test_a_squad_sees_what_one_of_its_members_sees() -> None:
    tracker = Tracker(WALL, squads=2)
    table = tracker.update(frame((3, 0), [(1, 0, 0.0, 0), (5, 3, np.pi, 0), (-3, 0, 0.0, 1)]), 0.1)
    assert table.seen[0, 0]
    assert not table.seen[1, 0], "the wall is between"
    assert table.age[1, 0] == NEVER_S


def test_an_unseen_player_stays_where_it_was_and_grows_uncertain() -> None:
    tracker = Tracker(WALL, squads=1)
    tracker.update(frame((3, 0), [(1, 0, 0.0, 0)]), 0.1)
    ages = []
    for k in range(5):
        table = tracker.update(frame((3 + k, 9), [(1, 0, np.pi, 0)]), 0.1)
        ages.append(float(table.sigma[0, 0]))
    assert table.pose[0, 0, :2] == pytest.approx([3, 0])
    assert table.age[0, 0] == pytest.approx(0.5)
    assert ages == sorted(ages)
    assert ages[0] < ages[-1]


def test_an_empty_last_seen_place_is_cleared() -> None:
    tracker = Tracker(WALL, squads=1)
    tracker.update(frame((3, 0), [(1, 0, 0.0, 0)]), 0.1)
    table = tracker.update(frame((-3, 0), [(1, 0, 0.0, 0)]), 0.1)
    assert table.cleared[0, 0]
    assert not table.seen[0, 0]


@pytest.mark.parametrize(
    ("heading", "distance", "expected"), [(0.0, 10.0, True), (1.2, 10.0, False), (0.0, 17.0, False), (3.0, 1.0, True)]
)
def test_the_cone_and_its_reach(heading: float, distance: float, expected: bool) -> None:
    eye = np.array([[[1.0, 0.0]]])
    target = np.array([[[1.0 + distance, 0.0]]])
    assert bool(sees(eye, np.array([[heading]]), target, Sight(), WALL)[0, 0]) is expected


def test_hidden_truth_changes_no_belief() -> None:
    """Whatever an unseen player does, the table is the same, bit for bit."""
    tables = []
    for hidden in ((8.0, 8.0), (-8.0, 5.0), (-9.0, 3.0)):
        tracker = Tracker(WALL, squads=1)
        tracker.update(frame((3, 0), [(1, 0, 0.0, 0)]), 0.1)
        moved = frame(hidden, [(1, 0, -1.2, 0)])
        shots = moved.shots.copy()
        shots[0, 0] = abs(hidden[0])
        health = moved.health.copy()
        health[0, 0] = 10 * abs(hidden[1])
        moved = replace(moved, shots=shots, health=health)
        table = tracker.update(moved, 0.1)
        assert not table.seen[0, 0]
        tables.append(table)
    for f in fields(BeliefTable):
        for other in tables[1:]:
            assert np.array_equal(getattr(tables[0], f.name), getattr(other, f.name)), f.name


def test_the_wire_and_the_batch_give_the_same_belief() -> None:
    """Recordings and vectorised play train on the same features."""
    config = ArenaConfig(npcs=8)
    arena = Arena([make_map("train", 3)], config, seed=5)
    schema = arena_schema(arena.maps[0], config)
    slots = Slots(schema)
    edges = arena.maps[0].tables.opaque_edges[None]
    wire, batch = Tracker(edges, config.squads), Tracker(edges, config.squads)
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.uniform(-1, 1, (1, config.agents, 6)).astype(np.float32) * np.array(
            [4, 4, 3, 1, 1, 8], np.float32
        )
        arena.step(actions)
        a = wire.update(slots.frame(snapshot_blocks(arena, 0)), 1 / 30)
        b = batch.update(arena_frame(arena), 1 / 30)
    squads = a.kind.shape[0]
    for name in ("kind", "pose", "seen", "age", "sigma", "own", "leader", "fired", "cleared"):
        left, right = getattr(a, name), getattr(b, name)
        bodies = 1 + config.npcs
        assert np.array_equal(left[:squads, :bodies], right[:squads, :bodies]), name


def test_joining_pads_with_empty_slots_and_numbers_worlds_on() -> None:
    small = Tracker(WALL, squads=1).update(frame((3, 0), [(1, 0, 0.0, 0)]), 0.1)
    large = Tracker(WALL, squads=2).update(frame((3, 0), [(1, 0, 0.0, 0), (2, 2, 0.0, 1)]), 0.1)
    both = join([small, large])
    assert both.kind.shape == (3, 3)
    assert both.world.tolist() == [0, 1, 1]
    assert both.kind[0].tolist() == [PLAYER, NPC, 0]


def test_slots_stay_with_their_entities() -> None:
    config = ArenaConfig(npcs=4)
    arena = Arena([make_map("train", 0)], config, seed=1)
    slots = Slots(arena_schema(arena.maps[0], config))
    blocks = snapshot_blocks(arena, 0)
    first = slots.frame(blocks)
    npc = blocks["npc"]
    gone = {**blocks, "npc": type(npc)(npc.ids[1:], npc.values[1:])}
    slots.frame(gone)
    third = slots.frame(blocks)
    assert np.array_equal(first.ids[0, 2:5], third.ids[0, 2:5])
