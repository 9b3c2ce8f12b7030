"""The tick: what it may depend on, what it must answer, and that its answers hold in the game's own future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from npc_bridge.border import Border
from npc_bridge.frames import FLAG_KEYFRAME
from npc_bridge.ladder import Fallback, Ladder
from npc_bridge.messages import (
    RUNG_BRAKE,
    RUNG_CALLBACK,
    RUNG_PLAN,
    RUNG_TAIL,
    STATUS_PLANNED,
    Action,
    EntityBlock,
    Snapshot,
    decode,
    encode,
)
from npc_bridge.schema import EntityType
from npc_sdk.belief import PROJECTILE
from npc_sdk.designer.board import Board, NpcKey
from npc_sdk.designer.choice import rechosen
from npc_sdk.envs.arena import CHANNELS, Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
from npc_sdk.errors import ControlError
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Orders, Report, Runtime, RuntimeConfig, View
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.world import ConstantVelocity, Frozen

SMALL = PlannerConfig(candidates=16, horizon=10)
IDS = np.arange(101, 109, dtype=np.uint32)


class Still:
    """A player that stands."""

    def act(self, arena: Arena) -> np.ndarray:
        return np.zeros((arena.worlds, 6), np.float32)


def runtime(board: Board, **settings: object) -> Runtime:
    decider = PlannerDecider(ConstantVelocity(), SMALL, torch.device("cpu"))
    config = replace(RuntimeConfig(lead_ticks=0, stagger=False, horizon=10), **settings)  # type: ignore[arg-type]
    return Runtime(decider, lambda: board.snapshot, config)


def arena(seed: int = 4, **settings: object) -> Arena:
    return Arena([make_map("test", 1)], ArenaConfig(npcs=8, **settings), seed=seed)  # type: ignore[arg-type]


def snapshot(game: Arena, tick: int, ladder: Ladder, hide: tuple[float, float] | None = None) -> Snapshot:
    blocks = snapshot_blocks(game, 0)
    if hide is not None:
        values = blocks["player"].values.copy()
        values[:, :2] = hide
        blocks["player"] = EntityBlock(blocks["player"].ids, values)
    schema = arena_schema(game.maps[0], game.config)
    return Snapshot(0, schema.schema_id, tick, tick * 33333, tick, blocks, ladder.executing)


def staggered() -> tuple[Runtime, Arena, Ladder]:
    """A brain that knows one game, "g", whose NPCs decide in turn."""
    brain, game = runtime(Board(), stagger=True), arena()
    schema = arena_schema(game.maps[0], game.config)
    brain.register("g", schema)
    return brain, game, Ladder(schema)


def test_permuting_the_hidden_truth_changes_no_decision() -> None:
    """Two games whose squads see the same, while the player hides in different places, get the same bytes."""
    answers = []
    for hide in ((0.0, 1e3), (1e3, 0.0)):  # both out of everybody's reach
        brain, game = runtime(Board()), arena()
        schema = arena_schema(game.maps[0], game.config)
        ladder = Ladder(schema)
        brain.register("g", schema)
        steps = []
        for tick in range(0, 9, 3):
            ((_, action, _),) = brain.tick([("g", snapshot(game, tick, ladder, hide))])
            steps.append(action.steps)
        answers.append(np.stack(steps))
    assert np.array_equal(answers[0], answers[1])


def test_a_seen_player_does_change_decisions() -> None:
    """The counterpart: the test above can fail."""
    answers = []
    for near in (False, True):
        brain, game = runtime(Board()), arena()
        ladder = Ladder(arena_schema(game.maps[0], game.config))
        brain.register("g", arena_schema(game.maps[0], game.config))
        x, y = game.pos[0, 1]
        place = (float(x) + 1.0, float(y)) if near else (0.0, 1e3)
        ((_, action, report),) = brain.tick([("g", snapshot(game, 0, ladder, place))])
        assert report.game.table is not None
        assert bool(report.game.table.seen[:, 0].any()) is near
        answers.append(action.steps)
    assert not np.array_equal(answers[0], answers[1])


def test_a_world_of_a_thousand_things_is_read_off_the_wire_and_led_as_without_them() -> None:
    answers = []
    for count in (0, 991):  # beside a player and eight NPCs
        brain, game = runtime(Board()), arena()
        schema = arena_schema(game.maps[0], game.config)
        if count:
            crate = EntityType("crate", "item", count, schema.entities[0].fields)
            schema = replace(schema, entities=(*schema.entities, crate))
        ladder = Ladder(schema)
        brain.register("g", schema)
        steps = []
        for tick in range(0, 9, 3):
            shown = snapshot(game, tick, ladder)
            values = np.random.default_rng(tick).uniform(-10.0, 10.0, (count, len(schema.entities[0].fields)))
            crates = {"crate": EntityBlock(np.arange(count, dtype=np.uint32) + 5000, values.astype(np.float32))}
            blocks = {**shown.blocks, **(crates if count else {})}
            sent = replace(shown, schema_id=schema.schema_id, blocks=blocks, flags=FLAG_KEYFRAME)
            came = decode(encode(sent, schema), schema)
            assert isinstance(came, Snapshot)
            ((_, action, _),) = brain.tick([("g", Border(schema).admit(came).snapshot)])
            steps.append(action.steps)
        answers.append(np.stack(steps))
    assert np.array_equal(answers[0], answers[1])


def test_no_decision_rests_on_what_players_did_within_the_reaction_time() -> None:
    """A player beside an NPC jumps aside at tick 6: the answers part when the reaction time has passed, not before."""
    answers = []
    for aside in (0.0, 3.0):
        board = Board()
        board.apply({"op": "add_rule", "rule": {"rule": "reaction_time", "seconds": 0.3}})
        brain, game = runtime(board), arena()
        ladder = Ladder(arena_schema(game.maps[0], game.config))
        brain.register("g", arena_schema(game.maps[0], game.config))
        x, y = game.pos[0, 1]
        steps = []
        for tick in range(0, 24, 3):
            place = (float(x) + 1.0, float(y) + (aside if tick >= 6 else 0.0))
            ((_, action, _),) = brain.tick([("g", snapshot(game, tick, ladder, place))])
            steps.append(action.steps)
        answers.append(steps)
    same = [np.array_equal(one, two) for one, two in zip(*answers, strict=True)]
    assert same[:5] == [True] * 5  # up to tick 12: what happened at tick 6 is nine ticks old at tick 15
    assert not all(same[5:])


def test_what_a_player_has_just_thrown_is_not_known_before_the_reaction_time() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": {"rule": "reaction_time", "seconds": 0.3}})
    brain, game = runtime(board), arena()
    schema = arena_schema(game.maps[0], game.config)
    brain.register("g", schema)
    known = []
    for tick in range(0, 24, 3):
        shown = snapshot(game, tick, Ladder(schema))
        if tick >= 6:
            x, y = game.pos[0, 1]
            shown.blocks["grenade"] = EntityBlock(np.array([1001], np.uint32), np.float32([[x + 1, y, 0, 0, 1]]))
        ((_, _, report),) = brain.tick([("g", shown)])
        assert report.game.table is not None
        known.append(bool((report.game.table.kind == PROJECTILE).any()))
    assert known == [False] * 5 + [True] * 3


def test_before_a_reaction_time_has_passed_there_is_no_player_yet() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": {"rule": "reaction_time", "seconds": 0.3}})
    brain, game = runtime(board), arena()
    ladder = Ladder(arena_schema(game.maps[0], game.config))
    brain.register("g", arena_schema(game.maps[0], game.config))
    x, y = game.pos[0, 1]
    seen = []
    for tick in range(0, 15, 3):
        ((_, _, report),) = brain.tick([("g", snapshot(game, tick, ladder, (float(x) + 1.0, float(y))))])
        assert report.game.table is not None
        seen.append(bool(report.game.table.seen[:, 0].any()))
    assert seen == [False, False, False, True, True]


def test_same_input_same_bytes() -> None:
    traces = []
    for _ in range(2):
        board = Board()
        traces.append(LockStep(arena(), runtime(board), Still()).run(12))
    assert np.array_equal(traces[0].command, traces[1].command)
    assert np.array_equal(traces[0].pos, traces[1].pos)


def test_a_weight_change_is_in_the_next_decision() -> None:
    board, game = Board(), arena()
    brain = runtime(board)
    schema = arena_schema(game.maps[0], game.config)
    ladder = Ladder(schema)
    brain.register("g", schema)
    ((_, before, _),) = brain.tick([("g", snapshot(game, 0, ladder))])
    reply = board.apply({"op": "set_weight", "scope": "global", "term": "effort", "value": 1000.0})
    ((_, after, report),) = brain.tick([("g", snapshot(game, 3, ladder))])
    assert report.revision == reply["revision"]
    speed = np.hypot(after.steps[:, -1, 0], after.steps[:, -1, 1])
    assert speed.max() < np.hypot(before.steps[:, -1, 0], before.steps[:, -1, 1]).max()


class Line:
    """A game and a brain with `lead` ticks between them, from tick `begins` on; some answers can be lost."""

    def __init__(
        self,
        lead: int,
        lose: set[int] = frozenset(),  # type: ignore[assignment]  # an empty set
        fallback: Fallback | None = None,
        begins: int = 0,
    ) -> None:
        self.board, self.game, self.lead, self.lose = Board(), arena(), lead, lose
        self.brain = runtime(self.board, lead_ticks=lead, stagger=True)
        self.schema = arena_schema(self.game.maps[0], self.game.config)
        self.ladder = Ladder(self.schema, fallback)
        self.brain.register("g", self.schema)
        self.rungs: list[np.ndarray] = []
        self.begins = begins

    def run(self, ticks: int) -> None:
        flying: list[tuple[int, Action]] = []
        for tick in range(ticks):
            if tick >= self.begins:
                ((_, action, _),) = self.brain.tick([("g", snapshot(self.game, tick, self.ladder))])
                flying += [(tick + self.lead, action)] if tick not in self.lose else []
            for due, arrived in flying:
                if due == tick:
                    self.ladder.accept(arrived)
            pose = np.concatenate([self.game.pos, self.game.vel], -1)[0, 1:]
            step = self.ladder.step(tick, IDS, pose, self.game.alive[0, 1:])
            actions = np.zeros((1, 9, len(CHANNELS)), np.float32)
            actions[0, 1:] = step.commands
            self.game.step(actions)
            self.rungs.append(step.rung)


@pytest.mark.parametrize("lead", [0, 1, 2, 3])
def test_answers_fit_the_game_when_they_apply(lead: int) -> None:
    """Expected poses come true: after the first answer every NPC runs its newest plan, every tick."""
    line = Line(lead)
    line.run(40)
    assert (np.stack(line.rungs[lead:]) == RUNG_PLAN).all()
    assert line.ladder.counters.off_pose == 0


@pytest.mark.parametrize("every", [1, 2, 4])
def test_every_npc_decides_in_turn_however_slow_the_brain(every: int) -> None:
    """Plans age by at most one model step, or by the gap between snapshots where that is longer."""
    brain, game, ladder = staggered()
    counts, ages = [], []
    for tick in range(0, 24, every):
        ((_, action, report),) = brain.tick([("g", snapshot(game, tick, ladder))])
        counts.append(int((action.status & STATUS_PLANNED > 0).sum()))
        ages.append(int((tick - report.game.plans.start[report.slots]).max()))
    assert max(ages) < max(3, every)
    assert max(counts[2:]) <= -(-8 * min(every, 3) // 3)


@pytest.mark.parametrize("every", [1, 2])
def test_turns_are_fair_and_no_more_than_asked(every: int) -> None:
    """Ten decisions a second for every NPC, whether or not the brain keeps up with the snapshots."""
    brain, game, ladder = staggered()
    decided = np.zeros(8, np.int64)
    for tick in range(0, 60, every):
        ((_, action, _),) = brain.tick([("g", snapshot(game, tick, ladder))])
        decided += (action.status & STATUS_PLANNED > 0) & (tick >= 12)
    assert decided.min() >= 15
    assert decided.max() <= 17


def test_a_gap_is_caught_up_with_little_by_little() -> None:
    """All at once, the answer would be late, the next snapshot would wait, and that gap be caught up with in turn."""
    brain, game, ladder = staggered()
    counts = []
    for tick in [*range(12), *range(60, 84), *(range(84, 96, 2))]:
        ((_, action, report),) = brain.tick([("g", snapshot(game, tick, ladder))])
        counts.append(int((action.status & STATUS_PLANNED > 0).sum()))
        age = (tick - report.game.plans.start[report.slots]).max()
        assert age < 3 or 60 <= tick < 63 or tick >= 84
    assert max(counts[1:]) <= -(-8 // 3) + 1
    assert sum(counts[12:15]) >= 8, "nobody waits longer than the others took"


def test_a_game_that_begins_gets_its_first_decisions_in_bites() -> None:
    """One slow first answer would make all that follow aim further ahead for a second and a half."""
    brain, game, ladder = staggered()
    planned = []
    for tick in range(3):
        ((_, _, report),) = brain.tick([("g", snapshot(game, tick, ladder))])
        planned.append(int((report.game.plans.start[report.slots] >= 0).sum()))
    assert planned == [4, 8, 8]


def test_a_snapshot_that_is_looked_at_twice_says_nothing_of_turns() -> None:
    def walk(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([0.5] + [0.0] * (len(CHANNELS) - 1)), (len(ids), 1))

    line = Line(2, fallback=walk, begins=99)
    line.run(3)
    shown = snapshot(line.game, 3, line.ladder)
    first, again = (line.brain.tick([("g", shown)])[0][1] for _ in range(2))
    np.testing.assert_array_equal(first.expected[:, 0], again.expected[:, 0])


@pytest.mark.parametrize(("turn", "stops"), [(0.0, 0), (0.2, 1)])
def test_npcs_that_the_game_walks_about_are_led_by_the_first_answer_or_the_second(turn: float, stops: int) -> None:
    """How they turn takes two snapshots to see: by then the first answer has made them brake for a tick."""

    def walk(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
        phase = turn * tick + ids.astype(np.float64)
        commands = np.zeros((len(ids), len(CHANNELS)), np.float32)
        commands[:, 0], commands[:, 1] = 0.5 * np.cos(phase), 0.5 * np.sin(phase)
        return commands

    line = Line(2, fallback=walk, begins=8)
    line.run(20)
    rungs = np.stack(line.rungs)
    assert (rungs[:10] == RUNG_CALLBACK).all()
    assert (rungs[10 : 10 + stops] == RUNG_BRAKE).all()
    assert (rungs[10 + stops :] == RUNG_PLAN).all()


def test_lost_answers_are_bridged_by_the_certified_rest() -> None:
    line = Line(2, lose={10, 11, 12})
    line.run(40)
    rungs = np.stack(line.rungs[2:])
    assert set(np.unique(rungs).tolist()) <= {RUNG_PLAN, RUNG_TAIL, RUNG_BRAKE}
    assert (rungs[-10:] == RUNG_PLAN).all(), "everybody is back on the newest plan"


def test_certified_motion_never_meets_a_wall() -> None:
    """K1 in the arena: what was commanded is what happened, so expected poses never drift."""
    line = Line(1)
    line.board.apply({"op": "set_weight", "scope": "global", "term": "approach", "value": 50.0})
    line.run(60)
    assert line.ladder.counters.off_pose == 0


class Fumbling:
    """Asks of hands what no channel can carry."""

    def __init__(self, hands: list[float]) -> None:
        self._hands = hands

    def decide(self, view: View) -> Orders:
        nothing, n = np.zeros(0, np.int64), len(view.ids)
        return Orders(nothing, np.zeros((0, 10, 2), np.float32), np.tile(np.float32(self._hands), (n, 1)), ())

    def forget(self, key: str) -> None:
        pass


@pytest.mark.parametrize(
    ("hands", "sent"),
    [
        ([np.nan, np.nan, np.nan, np.nan], [0.0, 0.0, 0.0, 0.0]),
        ([100.0, 7.0, 1.0, np.inf], [np.pi, 1.0, 1.0, 10.0]),
        ([-np.inf, -1.0, 0.0, -3.0], [-np.pi, 0.0, 0.0, 0.0]),
    ],
)
def test_hands_are_certified_as_the_wire_carries_them(hands: list[float], sent: list[float]) -> None:
    """A number that is none must not end the brain, and an aim that is cut on its way must not go out uncut before."""
    game, board = arena(), Board()
    brain = Runtime(Fumbling(hands), lambda: board.snapshot, RuntimeConfig(lead_ticks=0))
    schema = arena_schema(game.maps[0], game.config)
    brain.register("g", schema)
    ((_, action, _),) = brain.tick([("g", snapshot(game, 0, Ladder(schema)))])
    np.testing.assert_allclose(action.steps[:, 0, 2:], np.tile(sent, (8, 1)), rtol=1e-6)
    np.testing.assert_array_equal(Border(schema).fit(action), action.steps)


def test_ways_lead_around_forbidden_zones() -> None:
    game = arena()
    schema = arena_schema(game.maps[0], game.config)
    board = Board()
    brain = runtime(board)
    known = brain.register("g", schema)
    ladder = Ladder(schema)
    brain.tick([("g", snapshot(game, 0, ladder))])
    assert known.ways is known.map
    x, y = (float(v) for v in game.pos[0, 1] + 2.0)
    square = [[x - 1, y - 1], [x + 1, y - 1], [x + 1, y + 1], [x - 1, y + 1]]
    board.apply({"op": "add_rule", "rule": {"rule": "keep_out", "name": "zone", "polygon": square}})
    brain.tick([("g", snapshot(game, 3, ladder))])
    assert known.ways.walkable.sum() < known.map.walkable.sum()
    assert len(known.ways.opaque_edges) == len(known.map.opaque_edges), "one can see through a zone"


def test_rules_that_leave_no_room_are_refused_by_name() -> None:
    game = arena()
    schema = arena_schema(game.maps[0], game.config)
    brain = runtime(Board())
    board = Board(admit=brain.admit)
    brain.register("g", schema)
    brain.tick([("g", snapshot(game, 0, Ladder(schema)))])
    everywhere = [[-12.0, -12.0], [12.0, -12.0], [12.0, 12.0], [-12.0, 12.0]]
    with pytest.raises(ControlError, match="nowhere"):
        board.apply({"op": "add_rule", "rule": {"rule": "keep_out", "name": "nowhere", "polygon": everywhere}})
    assert board.snapshot.rules == ()
    board.apply({"op": "add_rule", "rule": {"rule": "leash", "name": "stay", "radius": 6.0}})
    assert len(board.snapshot.rules) == 1


def explained() -> tuple[PlannerDecider, Board, Report]:
    """A brain that keeps all it imagined, after one decision of every NPC."""
    board, game = Board(), arena()
    decider = PlannerDecider(
        ConstantVelocity(), replace(SMALL, elites=SMALL.candidates), torch.device("cpu"), explain=True
    )
    brain = Runtime(decider, lambda: board.snapshot, replace(RuntimeConfig(), lead_ticks=0, stagger=False, horizon=10))
    schema = arena_schema(game.maps[0], game.config)
    brain.register("g", schema)
    ((_, _, report),) = brain.tick([("g", snapshot(game, 0, Ladder(schema)))])
    return decider, board, report


def test_a_decision_taken_again_comes_out_the_same() -> None:
    decider, board, report = explained()
    for npc, evidence in report.evidence.items():
        again = decider.again("g", npc, evidence.choice.weights, board.snapshot.terms)
        assert again is not None
        np.testing.assert_allclose(again.choice.objective, evidence.choice.objective, rtol=1e-5)
        np.testing.assert_allclose(again.paths, evidence.paths, atol=1e-4)
        assert again.choice.chosen == evidence.choice.chosen
    assert decider.again("g", 999, evidence.choice.weights, board.snapshot.terms) is None
    assert decider.again("h", npc, evidence.choice.weights, board.snapshot.terms) is None


def test_ranking_anew_is_what_a_new_decision_under_the_same_weights_chooses() -> None:
    decider, board, report = explained()
    swung = 0
    for npc, evidence in report.evidence.items():
        rng = np.random.default_rng(npc)
        weights = evidence.choice.weights * rng.choice([0.0, 0.2, 1.0, 5.0, 30.0], len(evidence.choice.weights))
        turned = rechosen(evidence.choice, weights)
        again = decider.again("g", npc, weights, board.snapshot.terms)
        assert again is not None
        np.testing.assert_allclose(evidence.paths[turned.chosen], again.paths[again.choice.chosen], atol=1e-4)
        swung += turned.chosen != evidence.choice.chosen
    assert swung


def test_a_new_wish_counts_when_a_decision_is_taken_again() -> None:
    decider, board, _ = explained()
    board.apply({"op": "add_term", "name": "north", "expression": "relu(20 - self.y)", "weight": 1000.0})
    npc = 101
    weights = board.snapshot.resolve([NpcKey(npc, 0)])[0]
    again = decider.again("g", npc, weights, board.snapshot.terms)
    assert again is not None
    best = again.paths[again.choice.feasible][:, :, 1].mean(1).max()
    assert again.paths[again.choice.chosen, :, 1].mean() == pytest.approx(best, abs=0.05)


def test_another_forecast_starts_without_the_memory_of_the_first() -> None:
    decider, board, report = explained()
    npc, evidence = next(iter(report.evidence.items()))
    other = Frozen()
    decider.use(other)
    assert decider.forecast is other
    assert decider.again("g", npc, evidence.choice.weights, board.snapshot.terms) is None
