"""A match that goes back plays on as it did the first time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npc_bridge.ladder import LadderResult
from npc_sdk.demo.judge import FOLLOW_TICKS, PAINTED, Judge, limits_of, stretches
from npc_sdk.demo.line import Moved
from npc_sdk.demo.match import Match
from npc_sdk.demo.rewind import REACH_S, Moment, Past
from npc_sdk.demo.scene import CALLBACK, PLAN
from npc_sdk.demo.script import OwnScript
from npc_sdk.envs.arena import TICK_HZ, ArenaConfig, ScriptedPlayers, make_map


class World:
    """A match, the script that leads its NPCs, and its player."""

    def __init__(self) -> None:
        self.match = Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)
        self.script = OwnScript(self.match.arena, 3)
        self.player = ScriptedPlayers(["charger"], 3)

    def tick(self) -> None:
        match = self.match
        self.script.look()
        player = self.player.act(match.arena)[0]
        commands = self.script(match.tick, match.ids, match.pose)
        match.step(player.astype(np.float64), moved(match, commands, CALLBACK), ruled=True)

    def moment(self) -> Moment:
        kept = self.match.keep()
        return Moment(kept, self.script.clone(kept.arena), self.player.clone(), {})

    def back(self, moment: Moment) -> None:
        self.match.back(moment.match)
        self.script, self.player = moment.script.clone(self.match.arena), moment.player.clone()


def moved(match: Match, commands: np.ndarray, rung: int = PLAN) -> Moved:
    n = len(match.ids)
    none = np.zeros(n, np.uint32)
    result = LadderResult(commands, np.full(n, rung, np.uint8), none, none.astype(np.uint16))
    return Moved(result, np.ones(n, np.bool_), np.full(n, match.tick), 0.1, 0, (), {})


def test_what_was_played_once_is_played_again() -> None:
    world = World()
    for _ in range(20):
        world.tick()
    moment = world.moment()
    for _ in range(2):
        for _ in range(60):
            world.tick()
        played = [step.position for step in world.match.log]
        shots = [step.fired.any() for step in world.match.log]
        health = world.match.arena.health.copy()
        assert len(played) == 80
        world.back(moment)
        assert (world.match.tick, len(world.match.log)) == (20, 20)
    for _ in range(60):
        world.tick()
    np.testing.assert_array_equal([step.position for step in world.match.log], played)
    assert [step.fired.any() for step in world.match.log] == shots
    np.testing.assert_array_equal(world.match.arena.health, health)


def test_ten_seconds_are_kept_and_no_more() -> None:
    world, past = World(), Past()
    kept = []
    for tick in range(450):
        if past.wants(tick):
            past.keep(world.moment())
            kept.append(tick)
        world.tick()
    now = world.match.tick
    assert len(past._moments) * (kept[1] - kept[0]) <= (REACH_S + 0.4) * TICK_HZ
    back = past.back(now - 90)
    assert back is not None
    assert now - 90 - (kept[1] - kept[0]) < back.match.tick <= now - 90
    later = past.back(now - 60)  # what came after the moment it went back to is no longer there
    assert later is not None
    assert later.match.tick < back.match.tick
    oldest = past.back(0)
    assert oldest is not None
    assert 0 <= now - oldest.match.tick - REACH_S * TICK_HZ < 2 * (kept[1] - kept[0])
    assert past.back(0) is None


def into(match: Match, zone: tuple[tuple[float, float], ...], ticks: int, rung: int = PLAN) -> None:
    """Drives NPC 0 east, slowly at first."""
    commands = np.zeros((len(match.ids), 6), np.float32)
    for tick in range(ticks):
        commands[0, 0] = min(1.5, 0.3 * (tick + 1))
        match.step(np.zeros(6), moved(match, commands.copy(), rung), ruled=False, zones=zone and (zone,))


def test_a_painted_zone_is_judged_apart_and_what_was_given_up_stays_in_the_count() -> None:
    judge = Judge()
    match = Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)
    x, y = match.arena.pos[0, match.first_npc]
    zone = ((x + 0.9, y - 1), (x + 3, y - 1), (x + 3, y + 1), (x + 0.9, y + 1))
    start = match.keep()
    into(match, zone, 40)
    total = judge.total(match)["npc"]
    painted = judge.zone_broken
    assert painted > 10
    assert {z.kind for z in limits_of(match, False, (zone,)).zones} >= {PAINTED}
    judge.branch(match, start.logged)
    match.back(start)
    assert (judge.total(match)["npc"], judge.zone_broken) == (total, painted)
    into(match, (), 40)  # the same way, while nothing was painted
    assert (judge.total(match)["npc"], judge.zone_broken) == (total, painted)
    judge.close()
    assert len(stretches(match, 0)) == 1


def overstay(match: Match, ticks: int, follow: Callable[[Match], None]) -> None:
    """Walks NPC 0 into a zone, in which it stays."""
    x, y = match.arena.pos[0, match.first_npc]
    zone = ((x + 0.9, y - 1), (x + 3, y - 1), (x + 3, y + 1), (x + 0.9, y + 1))
    commands = np.zeros((len(match.ids), 6), np.float32)
    for tick in range(ticks):
        commands[0, 0] = max(0.0, min(1.0, 0.2 * (tick + 1), 0.1 * (45 - tick)))
        match.step(np.zeros(6), moved(match, commands.copy()), ruled=True, zones=(zone,))
        follow(match)


def test_the_count_on_the_screen_is_the_audits_count_of_the_whole_match() -> None:
    judge = Judge()
    match = Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)
    overstay(match, 3 * FOLLOW_TICKS, judge.follow)
    judge.take(match)
    judge.close()
    broken, painted = judge.broken, judge.zone_broken
    assert broken == painted > 150  # once a tick for as long as it stays
    assert judge.total(Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3))["npc"] == broken
    assert judge.zone_broken == painted


def test_a_match_that_is_judged_in_one_go_is_counted_to_the_end() -> None:
    judge = Judge(thorough=False)
    match = Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)
    overstay(match, 3 * FOLLOW_TICKS, lambda _: None)
    judge.take(match)
    judge.close()
    assert judge.broken == judge.zone_broken > 150


def test_what_is_played_after_going_back_is_counted_beside_what_was_given_up() -> None:
    judge = Judge()
    match = Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)
    for _ in range(30):
        match.step(np.zeros(6), moved(match, np.zeros((4, 6), np.float32)), ruled=True)
    start = match.keep()
    for _ in range(2):
        overstay(match, 2 * FOLLOW_TICKS, judge.follow)
        judge.branch(match, start.logged)
        match.back(start)
    judge.close()
    assert judge.broken == judge.total(match)["npc"] > 150
