"""A match of the demo: what is seen of it, and how its log is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_bridge.ladder import LadderResult
from npc_sdk.demo.controls import PLAYER_SPEED, Hands, player_action
from npc_sdk.demo.judge import FOLLOW_TICKS, Judge
from npc_sdk.demo.line import Moved
from npc_sdk.demo.match import SPACING, Match
from npc_sdk.demo.scene import CALLBACK, PLAN
from npc_sdk.demo.tally import Tally
from npc_sdk.envs.arena import ArenaConfig, make_map

STILL = np.zeros(6)


def moved(match: Match, command: NDArray[np.float32], rung: int = PLAN) -> Moved:
    n = len(match.ids)
    none = np.zeros(n, np.uint32)
    result = LadderResult(command, np.full(n, rung, np.uint8), none, none.astype(np.uint16))
    return Moved(result, np.ones(n, np.bool_), np.full(n, match.tick), 0.1, 0, (), {})


def new_match(index: int = 1) -> Match:
    return Match(make_map("test", index), ArenaConfig(npcs=4), seed=index)


def stand(match: Match) -> NDArray[np.float32]:
    return np.zeros((len(match.ids), 6), np.float32)


@pytest.mark.parametrize("index", range(12))
def test_nobody_starts_nearer_to_another_than_the_rule_allows(index: int) -> None:
    match = new_match(index)
    npcs = match.arena.pos[0, match.first_npc :]
    gaps = np.hypot(*(npcs[:, None] - npcs[None]).transpose(2, 0, 1)) + 9.0 * np.eye(len(npcs))
    assert gaps.min() > SPACING


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    judge.close()


def test_a_quiet_match_breaks_no_rule(judge: Judge) -> None:
    match = new_match()
    for _ in range(FOLLOW_TICKS):
        match.step(STILL, moved(match, stand(match)), ruled=True)
        judge.follow(match)
    judge.close()  # it has looked at everything then
    assert judge.broken == 0
    assert judge.total(match) == {"npc": 0, "external": 0, "breach": 0, "inadmissible": 0}


def into_the_zone(judge: Judge, match: Match, rung: int, bound: bool) -> None:
    """Paints a zone east of NPC 0 and drives it in."""
    x, y = match.arena.pos[0, match.first_npc]
    zone = ((x + 0.9, y - 1.0), (x + 3.0, y - 1.0), (x + 3.0, y + 1.0), (x + 0.9, y + 1.0))
    command = stand(match)
    for tick in range(FOLLOW_TICKS):
        command[0, 0] = min(1.0, 0.5 * (tick + 1))
        match.step(STILL, moved(match, command.copy(), rung), True, (zone,) if bound else ())
        judge.follow(match)
    judge.close()  # it has looked at everything then


def test_an_npc_that_walks_into_the_zone_is_counted(judge: Judge) -> None:
    match = new_match()
    into_the_zone(judge, match, PLAN, bound=True)
    assert judge.broken > 0
    assert judge.zone_broken == judge.broken
    assert judge.total(match)["npc"] > 0


def test_what_the_games_own_script_does_is_the_games(judge: Judge) -> None:
    match = new_match()
    into_the_zone(judge, match, CALLBACK, bound=True)
    assert (judge.broken, judge.total(match)["npc"]) == (0, 0)
    assert judge.total(match)["external"] > 0


def test_a_zone_binds_only_once_the_brain_knows_it(judge: Judge) -> None:
    match = new_match()
    into_the_zone(judge, match, PLAN, bound=False)
    assert judge.total(match)["npc"] == 0


def test_finished_matches_stay_in_the_count(judge: Judge) -> None:
    first = new_match()
    into_the_zone(judge, first, PLAN, bound=True)
    counted = judge.total(first)["npc"]
    judge.take(first)
    assert counted > 0
    assert judge.total(new_match(2))["npc"] == counted


def test_bodies_ease_from_tick_to_tick() -> None:
    match = new_match()
    command = stand(match)
    command[:, 0] = 0.5
    match.step(STILL, moved(match, command), ruled=True)
    before, _ = match.eased(0.0)
    half, _ = match.eased(0.5)
    after, _ = match.eased(1.0)
    np.testing.assert_allclose(half, (before + after) / 2)
    np.testing.assert_array_equal(after, match.arena.pos[0])


def test_shots_and_blasts_can_be_seen_for_a_moment() -> None:
    match = new_match()
    shoot = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 3.0])
    match.step(shoot, moved(match, stand(match)), ruled=True)
    assert [f.squad for f in match.flashes(0.0) if f.to is not None] == [-1]
    assert len(match.grenade_views()) == 1
    blasts = 0
    for _ in range(60):
        match.step(STILL, moved(match, stand(match)), ruled=True)
        blasts += any(f.to is None for f in match.flashes(0.5))
    assert blasts > 0
    assert match.flashes(0.0) == ()
    assert match.grenade_views() == ()


def test_the_hold_fire_switch_is_streamed() -> None:
    match = new_match()
    assert match.blocks()["mode"].values[0, 0] == 0.0
    match.hold_fire = True
    blocks = match.blocks()
    assert blocks["mode"].values[0, 0] == 1.0
    ids = np.concatenate([block.ids for block in blocks.values()])
    assert len(set(ids.tolist())) == len(ids)


def test_keys_and_mouse_become_an_action() -> None:
    action = player_action(Hands(up=True, right=True, fire=True, aim=(3.0, 5.0)), (3.0, 2.0))
    assert np.hypot(action[0], action[1]) == pytest.approx(PLAYER_SPEED)
    assert action[2] == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(action[3:], [1.0, 0.0, 3.0])
    assert not player_action(Hands(), (0.0, 0.0)).any()
    assert not player_action(Hands(up=True, down=True), (0.0, 0.0))[:2].any()


def tick_of(rungs: list[int], **rest: int | tuple[float, ...]) -> Moved:
    n = len(rungs)
    none = np.zeros(n, np.uint32)
    result = LadderResult(np.zeros((n, 6), np.float32), np.array(rungs, np.uint8), none, none.astype(np.uint16))
    bare = Moved(result, np.ones(n, np.bool_), np.zeros(n, np.int64), 0.2, 0, (), {})
    return replace(bare, **rest)  # type: ignore[arg-type]  # a field each


def test_the_tally_counts_what_each_npc_did() -> None:
    tally = Tally()
    tally.tick(tick_of([0, 1, 2, 3, 4], decisions=2, ages_ms=(40.0, 50.0)), unseen=True)
    tally.tick(tick_of([0, 0, 0, 0, 4]), unseen=False)
    assert (tally.frames, tally.decisions, tally.fallback_ticks, tally.npc_ticks) == (2, 2, 2, 8)
    assert tally.planned_fraction == 6 / 8
    assert tally.unseen_fraction == 0.5
    assert tally.now == (4, 0, 0, 0)
    assert tally.decisions_s(30.0) == 30.0
    assert tally.recent_age_ms() == 45.0
    assert tally.push_poll_ms == [0.2, 0.2]


def test_time_without_a_brain_is_left_out_of_the_share_that_it_is_judged_by() -> None:
    tally = Tally()
    tally.tick(tick_of([0, 1, 3]), unseen=False)
    tally.tick(tick_of([2, 2, 2], stale=2), unseen=False, killed=True)
    assert tally.planned_fraction == 2 / 6
    assert tally.planned_fraction_led == 2 / 3
    assert tally.stale_steps == 2
