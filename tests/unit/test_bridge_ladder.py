"""The last hop beyond the vectors: callback, missing NPCs, held channels, bad poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_bridge.conformance import sample_action, sample_schema
from npc_bridge.errors import LocalProtocolError
from npc_bridge.ladder import HELD, Ladder
from npc_bridge.messages import RUNG_BRAKE, RUNG_NONE, RUNG_PLAN, Action, Floats, U32s

SCHEMA = sample_schema()
SESSION = 0x01020304
IDS = np.array([101, 102, 103], np.uint32)


def pose_of(action: Action, step: int) -> NDArray[np.float64]:
    return action.expected[:, step].astype(np.float64)


def started(**options: object) -> Ladder:
    ladder = Ladder(SCHEMA, **options)  # type: ignore[arg-type]
    ladder.start(SESSION)
    return ladder


def test_the_callback_commands_whoever_has_no_plan() -> None:
    asked: list[list[int]] = []

    def fallback(tick: int, ids: U32s, pose: Floats) -> Floats:
        asked.append(ids.tolist())
        commands = np.full((len(ids), 4), 99.0, np.float32)
        commands[ids == 103] = np.nan
        return commands

    ladder = started(fallback=fallback)
    ladder.accept(sample_action(npcs=1))
    result = ladder.step(302, IDS, np.zeros((3, 4)))
    assert asked == [[102, 103]]
    assert result.rung.tolist() == [0, 2, 3]
    np.testing.assert_allclose(result.commands[1], [6.0, 6.0, np.pi, 1.0])  # within the channels' ranges
    assert np.isfinite(result.commands).all()


def test_a_brain_that_allows_any_velocity_stops_no_game() -> None:
    ladder = Ladder(SCHEMA)
    ladder.start(SESSION, velocity_tolerance=1e200)  # WELCOME may say it, and its square is no number
    action = sample_action()
    ladder.accept(action)
    astray = pose_of(action, 0)
    astray[:, 2] += 3.0
    assert ladder.step(302, IDS, astray).rung.tolist() == [RUNG_PLAN] * 3


def test_a_callback_is_not_asked_for_an_npc_off_its_pose() -> None:
    ladder = started(fallback=lambda tick, ids, pose: np.ones((len(ids), 4), np.float32))
    ladder.accept(sample_action())
    result = ladder.step(302, IDS, np.full((3, 4), 5.0))
    assert result.rung.tolist() == [3, 3, 3]
    assert ladder.counters.off_pose == 3


def test_a_callback_of_the_wrong_shape_is_named() -> None:
    ladder = started(fallback=lambda tick, ids, pose: np.ones((1, 1), np.float32))
    with pytest.raises(LocalProtocolError, match="fallback"):
        ladder.step(1, IDS, np.zeros((3, 4)))


def test_a_pose_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(LocalProtocolError, match="pose"):
        started().step(1, IDS, np.zeros((2, 4)))


def test_the_dead_do_nothing_and_count_nowhere() -> None:
    ladder = started()
    ladder.accept(sample_action())
    result = ladder.step(302, IDS, np.zeros((3, 4)), np.array([False, False, False]))
    assert result.rung.tolist() == [4, 4, 4]
    assert not result.commands.any()
    assert ladder.counters.planned == ladder.counters.brake == ladder.counters.off_pose == 0


def test_an_older_chunk_that_matches_is_the_tail() -> None:
    ladder = started()
    old, new = sample_action(chunk=7, apply_tick=302), sample_action(chunk=8, apply_tick=303)
    ladder.accept(old)
    ladder.accept(replace(new, expected=new.expected + np.float32(1.0)))
    result = ladder.step(304, IDS, pose_of(old, 2))
    assert result.rung.tolist() == [1, 1, 1]
    assert result.chunk.tolist() == [7, 7, 7]
    assert ladder.counters.off_pose == 3


def test_nothing_runs_past_valid_until() -> None:
    ladder = started()
    action = replace(sample_action(), valid_until_tick=303)
    ladder.accept(action)
    assert ladder.step(303, IDS, pose_of(action, 1)).rung.tolist() == [0, 0, 0]
    assert ladder.step(304, IDS, pose_of(action, 2)).rung.tolist() == [3, 3, 3]


def test_a_new_session_forgets_the_chunks_of_the_old() -> None:
    ladder = started()
    ladder.accept(sample_action())
    ladder.start(9)
    assert ladder.step(302, IDS, np.zeros((3, 4))).rung.tolist() == [3, 3, 3]
    assert not ladder.accept(sample_action(chunk=8))
    assert ladder.counters.stale_dropped == 3


def test_who_was_told_how_to_brake_goes_on_so_when_a_new_session_begins() -> None:
    """Or a brain that comes back would have NPCs brake harder than their rules allow, until its first chunk."""
    ladder = started()
    ladder.accept(replace(sample_action(), brake=np.full(3, 8, np.float32)))
    pose = np.array([[0.0, 0.0, 2.0, 0.0]] * 3)
    for session in (SESSION, 9, 10):
        if session != SESSION:
            ladder.start(session)
        pose[:, 2:] = ladder.step(302, IDS, pose).commands[:, :2]
    np.testing.assert_allclose(pose[:, 2], 2.0 - 3 * 8.0 * SCHEMA.dt)


@pytest.mark.parametrize("waits", [False, True])
def test_who_was_told_how_to_brake_goes_on_so_under_another_schema(waits: bool) -> None:
    """Or a game that declares another origin would have NPCs brake harder than their rules allow."""
    first = started()
    first.accept(replace(sample_action(), brake=np.full(3, 8, np.float32)))
    pose = np.array([[0.0, 0.0, 2.0, 0.0]] * 3)
    first.step(302, IDS, pose)
    ladder = Ladder(replace(SCHEMA, origin=(5000.0, 0.0)), before=first)
    if waits:
        ladder.step(303, IDS, pose)
    ladder.start(9)
    np.testing.assert_allclose(ladder.step(304, IDS, pose).commands[:, 0], 2.0 - 8.0 * SCHEMA.dt)


def test_who_was_told_nothing_brakes_as_the_schema_says_in_every_session() -> None:
    ladder = started()
    ladder.start(9)
    pose = np.array([[0.0, 0.0, 2.0, 0.0]] * 3)
    command = ladder.step(302, IDS, pose).commands[:, 0]
    np.testing.assert_allclose(command, 2.0 - SCHEMA.kinematics.brake * SCHEMA.dt)


def test_actions_may_name_different_npcs_and_longer_chunks() -> None:
    ladder = started()
    ladder.accept(sample_action(npcs=2, chunk=7))
    longer = sample_action(npcs=3, m=9, chunk=8, apply_tick=303)
    only = replace(
        longer,
        **{n: getattr(longer, n)[2:] for n in ["ids", "steps", "expected", "brake", "tolerance", "status", "bark"]},
    )
    ladder.accept(only)
    result = ladder.step(303, IDS, np.vstack([pose_of(sample_action(), 1)[:2], pose_of(longer, 0)[2:]]))
    assert result.chunk.tolist() == [7, 7, 8]
    assert result.rung.tolist() == [0, 0, 0]


def test_only_the_newest_actions_are_held() -> None:
    ladder = started()
    own, other = np.array([101], np.uint32), np.array([102], np.uint32)
    first = sample_action(npcs=1, chunk=0, apply_tick=302)
    ladder.accept(replace(first, ids=own))
    for chunk in range(1, HELD):
        ladder.accept(replace(sample_action(npcs=1, chunk=chunk, apply_tick=302), ids=other))
    assert ladder.step(302, own, pose_of(first, 0)).rung.tolist() == [RUNG_PLAN]
    ladder.accept(replace(sample_action(npcs=1, chunk=HELD, apply_tick=303), ids=other))
    assert ladder.step(303, own, pose_of(first, 1)).rung.tolist() == [RUNG_BRAKE]


def test_rows_in_any_order_and_actions_without_rows_are_read() -> None:
    ladder = started()
    action = sample_action()
    backwards = {name: getattr(action, name)[::-1] for name in ("ids", "steps", "expected", "brake", "tolerance")}
    assert ladder.accept(replace(action, **backwards))
    assert ladder.accept(replace(sample_action(npcs=0), chunk=action.chunk + 1))
    result = ladder.step(302, IDS, pose_of(action, 0))
    assert result.rung.tolist() == [RUNG_PLAN] * 3
    assert np.array_equal(result.commands, action.steps[:, 0])


def test_off_pose_counts_only_npcs_whose_newest_chunk_does_not_fit() -> None:
    ladder = started()
    older, newer = sample_action(chunk=1, apply_tick=302), sample_action(chunk=2, apply_tick=302)
    newer = replace(newer, expected=newer.expected + np.float32(50.0))
    assert ladder.accept(older)
    assert ladder.accept(newer)
    pose = pose_of(newer, 0)
    pose[1] = older.expected[1, 0]  # fits the older one only
    assert ladder.step(302, IDS, pose).chunk.tolist() == [2, 1, 2]
    assert ladder.counters.off_pose == 1


def test_the_dead_get_defaults_even_while_they_slide() -> None:
    ladder = started()
    result = ladder.step(302, IDS, np.full((3, 4), 2.0), np.array([True, False, True]))
    defaults = [c.default for c in SCHEMA.channels]
    assert result.commands[1].tolist() == defaults
    assert result.commands[0].tolist() != defaults
    assert result.rung.tolist() == [RUNG_BRAKE, RUNG_NONE, RUNG_BRAKE]


def test_held_channels_repeat_the_last_command_and_others_default() -> None:
    ladder = started()
    action = sample_action(m=1)
    steps = action.steps.copy()
    steps[..., 2], steps[..., 3] = 1.5, 1.0
    ladder.accept(replace(action, steps=steps))
    assert ladder.step(302, IDS, pose_of(action, 0)).commands[:, 3].tolist() == [1, 1, 1]
    shuffled = np.array([104, 103, 101], np.uint32)
    result = ladder.step(303, shuffled, np.zeros((3, 4)))
    assert result.commands[:, 2].tolist() == [0.0, 1.5, 1.5]
    assert not result.commands[:, 3].any()


def test_a_pose_that_is_not_finite_brakes_with_finite_commands() -> None:
    ladder = started()
    ladder.accept(sample_action())
    result = ladder.step(302, IDS, np.full((3, 4), np.nan))
    assert result.rung.tolist() == [3, 3, 3]
    assert not result.commands.any()


def test_what_was_done_goes_into_the_next_snapshot() -> None:
    ladder = started()
    assert len(ladder.executing.ids) == 0
    action = sample_action()
    ladder.accept(action)
    ladder.step(303, IDS, pose_of(action, 1))
    assert ladder.executing.ids.tolist() == IDS.tolist()
    assert ladder.executing.step.tolist() == [1, 1, 1]
    assert ladder.executing.chunk.tolist() == [7, 7, 7]


def test_after_a_session_an_npc_brakes_by_what_that_session_told_it() -> None:
    """Even if two sessions end without a word; the first action of the next one has the say again."""
    action, moving = sample_action(), np.tile([9.0, 9.0, 4.0, 0.0], (3, 1))
    gentle = replace(action, brake=np.full(3, 3.0, np.float32))
    ladder = started()
    full = 4.0 - SCHEMA.kinematics.brake * SCHEMA.dt
    assert ladder.step(1, IDS, moving).commands[:, 0] == pytest.approx(full)
    assert ladder.accept(gentle)
    for session in (SESSION + 1, SESSION + 2):
        ladder.start(session)
        result = ladder.step(2, IDS, moving)
        assert result.rung.tolist() == [RUNG_BRAKE] * 3
        assert result.commands[:, 0] == pytest.approx(4.0 - 3.0 * SCHEMA.dt)
    assert ladder.accept(replace(action, session=SESSION + 2, brake=np.full(3, 7.0, np.float32)))
    assert ladder.step(3, IDS, moving).commands[:, 0] == pytest.approx(4.0 - 7.0 * SCHEMA.dt)
