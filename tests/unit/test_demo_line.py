"""The game's end of the line: what is drawn is what is executed, and the figures are those of the messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_bridge.faults import Fault
from npc_bridge.ladder import Fallback, Ladder, LadderResult
from npc_bridge.messages import STATUS_GUARDED, STATUS_PLANNED, Action, EntityBlock
from npc_bridge.schema import Schema
from npc_sdk.demo.line import Line
from npc_sdk.demo.match import Match
from npc_sdk.demo.scene import CALLBACK, PLAN
from npc_sdk.demo.script import OwnScript
from npc_sdk.envs.arena import ArenaConfig, make_map

STEPS = 6


class ScriptedBridge:
    """A client whose brain answers what the test puts into `inbox`; the ladder is the real one."""

    def __init__(self, schema: Schema, fallback: Fallback | None = None) -> None:
        self.ladder = Ladder(schema, fallback)
        self.ladder.start(7)
        self.inbox: list[Action] = []
        self.session = 7
        self.fault: Fault | None = None
        self.pushed: list[int] = []

    def push(self, tick: int, blocks: Mapping[str, EntityBlock]) -> bool:
        self.pushed.append(tick)
        return True

    def poll(self) -> tuple[Action, ...]:
        arrived, self.inbox = self.inbox, []
        return tuple(action for action in arrived if self.ladder.accept(action))

    def step(
        self, tick: int, ids: NDArray[np.uint32], pose: NDArray[np.floating], alive: NDArray[np.bool_] | None = None
    ) -> LadderResult:
        return self.ladder.step(tick, ids, pose, alive)

    def bark(self, number: int) -> str:
        return {0: "", 1: "Moving in!"}[number]

    def restart(self, schema: Schema | None = None) -> None:
        self.ladder.start(8)

    def close(self) -> None:
        self.session = 0


@pytest.fixture
def match() -> Match:
    return Match(make_map("test", 1), ArenaConfig(npcs=4), seed=3)


def straight_on(match: Match, chunk: int) -> Action:
    """A chunk that lets every NPC walk east from where it stands."""
    schema, n = match.schema, len(match.ids)
    steps = np.zeros((n, STEPS, len(schema.channels)), np.float32)
    speed = np.minimum(np.arange(1, STEPS + 1) * 0.5, 3.0)
    steps[:, :, 0] = speed
    expected = np.repeat(match.pose[:, None], STEPS, 1)
    expected[:, 1:, 0] += np.cumsum(speed)[:-1] / schema.tick_hz
    expected[:, 1:, 2] = speed[:-1]
    return Action(
        session=7,
        schema_id=schema.schema_id,
        source_tick=match.tick,
        apply_tick=match.tick,
        valid_until_tick=match.tick + STEPS - 1,
        chunk=chunk,
        sequence=1,
        received_us=0,
        planned_us=0,
        sent_us=0,
        ids=match.ids,
        steps=steps,
        expected=expected.astype(np.float32),
        brake=np.full(n, 16.0, np.float32),
        tolerance=np.full(n, 0.02, np.float32),
        status=np.full(n, STATUS_GUARDED | STATUS_PLANNED, np.uint8),
        bark=np.array([1, 0, 0, 0], np.uint16),
    )


def play(match: Match, line: Line) -> None:
    moved = line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    match.step(np.zeros(6), moved, ruled=True)


def test_the_drawn_plan_is_the_executed_chunk_itself(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    action = straight_on(match, chunk=5)
    bridge.inbox.append(action)
    for step in range(STEPS):
        play(match, line)
        for row, npc in enumerate(match.ids):
            drawn = line.chunk(int(npc))
            assert np.shares_memory(drawn, action.expected)
            np.testing.assert_array_equal(drawn, action.expected[row, step:, :2])
            np.testing.assert_array_equal(match.log[-1].command[row], action.steps[row, step])


def test_npcs_go_where_the_drawn_plan_says(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    bridge.inbox.append(straight_on(match, chunk=5))
    play(match, line)
    drawn = np.stack([line.chunk(int(npc)) for npc in match.ids])
    for step in range(1, STEPS):
        np.testing.assert_allclose(match.pose[:, :2], drawn[:, step], atol=1e-4)
        play(match, line)


def test_nothing_is_drawn_for_an_npc_that_the_brain_does_not_lead(match: Match) -> None:
    bridge = ScriptedBridge(match.schema, OwnScript(match.arena, 1))
    line = Line(bridge)
    bridge.inbox.append(straight_on(match, chunk=5))
    for _ in range(STEPS):
        play(match, line)
    play(match, line)
    assert (match.log[-1].rung == CALLBACK).all()
    assert not match.log[-1].guarded.any()
    assert all(len(line.chunk(int(npc))) == 0 for npc in match.ids)


def test_a_decision_is_counted_and_aged_once_when_it_comes_into_force(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    bridge.inbox.append(straight_on(match, chunk=5))
    first = line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    match.step(np.zeros(6), first, ruled=True)
    again = line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    assert (first.decisions, len(first.ages_ms)) == (4, 4)
    assert (again.decisions, len(again.ages_ms)) == (0, 0)
    assert first.guarded.all()
    assert (first.result.rung == PLAN).all()
    assert first.barks == {101: "Moving in!"}
    assert bridge.pushed == [0, 1]


class CarelessBridge(ScriptedBridge):
    """A client whose ladder runs one chunk whatever its date."""

    chunk = 5

    def step(
        self, tick: int, ids: NDArray[np.uint32], pose: NDArray[np.floating], alive: NDArray[np.bool_] | None = None
    ) -> LadderResult:
        right = super().step(tick, ids, pose, alive)
        return replace(right, chunk=np.full(len(ids), self.chunk, right.chunk.dtype))


def test_a_step_of_a_plan_past_its_date_or_of_another_session_is_counted_as_stale(match: Match) -> None:
    bridge = CarelessBridge(match.schema)
    line = Line(bridge)
    bridge.inbox.append(straight_on(match, chunk=5))
    n = len(match.ids)

    def stale(tick: int) -> int:
        return line.tick(tick, match.blocks(), match.ids, match.pose, match.alive).stale

    assert [stale(match.tick + step) for step in (0, STEPS - 1, STEPS)] == [0, 0, n]
    bridge.session = 0  # the line is down: what was certified may run to its end
    assert stale(match.tick) == 0
    bridge.session = 8
    assert stale(match.tick) == n
    bridge.session, bridge.chunk = 7, 6  # never seen
    assert stale(match.tick) == n


def test_a_fault_is_shown_with_its_type_and_its_remedy(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    assert (line.fault, line.remedy) == ("", "")
    bridge.fault = Fault(None, "nothing listens", "start the brain")
    assert (line.fault, line.remedy) == ("Fault: nothing listens", "start the brain")


def test_what_comes_while_nobody_moves_is_led_by_and_counted_later(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    bridge.inbox.append(straight_on(match, chunk=5))
    line.listen()
    moved = line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    assert (moved.decisions, moved.barks) == (4, {101: "Moving in!"})
    assert moved.guarded.all()
    assert len(line.chunk(101)) == STEPS


def test_a_pause_of_the_game_does_not_age_the_decisions_on_their_way(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    match.step(np.zeros(6), line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive), ruled=True)
    late = straight_on(match, chunk=5)
    bridge.inbox.append(replace(late, source_tick=0))
    line.pause()
    moved = line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    assert (moved.decisions, moved.ages_ms) == (4, ())
    assert moved.guarded.all()


def test_a_new_session_is_shown_a_still_world_once(match: Match) -> None:
    for _ in range(10):
        match.arena.step(np.zeros((1, 5, 6), np.float32))
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    for _ in range(8):
        line.show(match.tick, match.blocks())
    assert bridge.pushed == [7, 8, 9, 10]
    assert not line.met
    bridge.inbox.append(straight_on(match, chunk=5))
    line.listen()
    assert line.met
    line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    assert bridge.pushed == [7, 8, 9, 10]  # it knows this tick
    line.restart(match.schema)
    bridge.session = 8
    assert not line.met
    line.show(match.tick, match.blocks())
    line.tick(match.tick, match.blocks(), match.ids, match.pose, match.alive)
    assert bridge.pushed[4:] == [7, 10]


def test_a_state_that_was_passed_over_when_the_game_stopped_is_shown_again_once(match: Match) -> None:
    bridge = ScriptedBridge(match.schema)
    line = Line(bridge)
    play(match, line)
    for _ in range(30):
        line.show(match.tick, match.blocks())
        line.listen()
    assert bridge.pushed == [0, 1]
    bridge.inbox.append(replace(straight_on(match, chunk=5), source_tick=1))
    play(match, line)
    assert bridge.pushed == [0, 1]
    for _ in range(30):
        line.show(match.tick, match.blocks())
    assert bridge.pushed == [0, 1]  # that one was answered
