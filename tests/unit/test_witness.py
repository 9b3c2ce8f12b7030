"""Breaches of what a game declares: all that happen are named at the next snapshot, and nothing else is."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from deviating_game import DECLARED, Body, Play, Restless, judged, on, play, precision_and_recall, the_schema

from npc_bridge.ladder import VELOCITY_TOLERANCE, Ladder
from npc_bridge.messages import (
    RUNG_BRAKE,
    RUNG_CALLBACK,
    RUNG_PLAN,
    RUNG_TAIL,
    Action,
    EntityBlock,
    Executing,
    Snapshot,
)
from npc_bridge.packing import pack, unpack
from npc_sdk.constraints import KeepAway, RuleTables, compile_rules
from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, make_map
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Report, Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.runtime.witness import EXECUTED, Findings, Witness
from npc_sdk.serve.telemetry import Watch
from npc_sdk.shield import certificates
from npc_sdk.world import ConstantVelocity

ROUGH = Play(ticks=180, loss=0.2, outage=15, spawns=0.003)  # lost chunks, the game's own script, deaths and returns
DEVIANTS = {
    "brake 10 % weaker": Body(brake=0.9),
    "brake 20 % weaker": Body(brake=0.8),
    "brake 30 % weaker": Body(brake=0.7),
    "acceleration 10 % weaker": Body(pull=0.9),
    "acceleration 20 % weaker": Body(pull=0.8),
    "acceleration 30 % weaker": Body(pull=0.7),
    "10 % more than told": Body(zeal=1.1),
    "20 % more than told": Body(zeal=1.2),
    "30 % more than told": Body(zeal=1.3),
    "a tick late": Body(late_ticks=1),
}


@pytest.mark.parametrize("body", DEVIANTS.values(), ids=DEVIANTS)
def test_every_motion_that_was_not_asked_for_is_named_at_the_next_snapshot(body: Body) -> None:
    played = play(replace(ROUGH, body=body))
    assert len(played.true_k1) >= 50
    precision, recall = precision_and_recall(played.true_k1, played.said("K1"))
    assert precision >= 0.99
    assert recall >= 0.99
    assert not played.said("K4")


def test_everybody_who_is_faster_than_declared_is_named_at_the_next_snapshot() -> None:
    played = play(replace(ROUGH, rush=0.05, leaps=0.02))
    assert len(played.true_k4) >= 20
    precision, recall = precision_and_recall(played.true_k4, played.said("K4"))
    assert precision >= 0.99
    assert recall >= 0.99
    assert not played.said("K1")
    assert {b.what for b in played.breaches} == {"speed", "jump"}


@pytest.mark.parametrize("body", [Body(), Body(pull=1.3, brake=1.3)], ids=["as declared", "stronger"])
@pytest.mark.parametrize("every", [1, 3])
def test_bodies_that_can_do_what_is_declared_breach_nothing_and_break_no_rule(body: Body, every: int) -> None:
    """Through lost chunks, the game's own script, deaths and returns, and with gaps between the snapshots."""
    played = play(replace(ROUGH, body=body, every=every, ticks=400))
    assert played.breaches == []
    assert min(on(played.rungs, rung) for rung in (RUNG_PLAN, RUNG_TAIL, RUNG_CALLBACK, RUNG_BRAKE)) >= 10
    assert played.spawns >= 3
    assert played.judged > 300
    assert judged(played).total() == 0


def test_to_declare_less_than_bodies_can_do_mends_what_declaring_too_much_breaks() -> None:
    weak = Body(brake=0.7, pull=0.7)
    honest = replace(DECLARED, brake=0.7 * 0.9 * DECLARED.brake, max_acceleration=0.7 * 0.9 * DECLARED.max_acceleration)
    lying, truthful = play(replace(ROUGH, body=weak)), play(replace(ROUGH, body=weak), schema=the_schema(honest))
    assert lying.said("K1")
    assert truthful.breaches == []
    assert judged(truthful, honest).total() == 0


def test_after_a_gap_what_is_named_did_happen_in_it() -> None:
    """What braked in a gap cannot be told, so not all is named; but nothing is that did not happen."""
    played = play(replace(ROUGH, body=Body(zeal=1.3), every=3))
    said = played.said("K1")
    assert said
    assert all(any((tick - back, npc) in played.true_k1 for back in range(3)) for tick, npc in said)


def test_the_arena_does_as_it_is_told() -> None:
    """The shipped game under the shipped planner: another body, another engine, no false alarm."""
    board = Board()
    board.apply({"op": "add_rule", "rule": {"rule": "keep_away", "distance": 2.0, "top_speed": 5.01}})
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=16, horizon=10), torch.device("cpu"))
    brain = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False, horizon=10))
    seen: list[Findings] = []

    class Reader:
        def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
            seen.extend(report.findings for _, _, report in answers)

    class Runner:
        def act(self, arena: Arena) -> np.ndarray:
            return np.tile(np.float32([5, 0, 0, 0, 0, 0]), (arena.worlds, 1))

    LockStep(Arena([make_map("test", 1)], ArenaConfig(npcs=4), seed=4), brain, Runner(), [Reader()], every=1).run(45)
    assert sum(findings.judged for findings in seen) > 150
    assert [b for findings in seen for b in findings.breaches] == []


def test_telemetry_carries_what_was_found_as_plain_values() -> None:
    board = Board()
    brain = Runtime(Restless(0), lambda: board.snapshot, RuntimeConfig(lead_ticks=0, horizon=10, stagger=False))
    brain.register("g", SCHEMA)
    watch = Watch(SCHEMA.tick_hz)
    ladder = Ladder(SCHEMA)
    ladder.start(1)
    ((_, action, report),) = brain.tick([("g", shown(10, [0, 0, 2, 0], Executing.none()))])
    first = watch.message("game", report, action, board.snapshot, {})
    assert first["breaches"] == []
    (row,) = unpack(pack({"npcs": [npc["certificate"] for npc in first["npcs"]]}))["npcs"]
    assert row == asdict(certificates(report.certified)[0]), "numbers, no sentence"
    assert watch.take(report) == {}
    assert asdict(watch.certificate(101)) == row
    assert watch.certificate(102) is None
    ladder.accept(action)
    ladder.step(10, IDS, np.float32([[0, 0, 2, 0]]))
    ((_, action, report),) = brain.tick([("g", shown(11, [1, 0, 2, 0], ladder.executing))])
    message = watch.message("game", report, action, board.snapshot, {})
    (breach,) = unpack(pack({"breaches": message["breaches"]}))["breaches"]
    assert set(breach) == {"tick", "entity", "assumption", "what", "excess", "unit"}
    assert (breach["tick"], breach["entity"], breach["assumption"], breach["what"]) == (11, 101, "K1", "place")
    assert 0.9 < breach["excess"] < 1.0
    assert message["judged"] == 1


# one NPC, one tick

SCHEMA = the_schema()
IDS = np.array([101], np.uint32)


def shown(
    tick: int, npc: list[float], executing: Executing, alive: float = 1.0, player: tuple[float, float] | None = None
) -> Snapshot:
    blocks = {"npc": EntityBlock(IDS, np.float32([[*npc, alive, 0.0]]))}
    if player is not None:
        blocks["player"] = EntityBlock(np.array([1], np.uint32), np.float32([[*player, 0, 0, 1]]))
    return Snapshot(1, SCHEMA.schema_id, tick, 0, tick, blocks, executing)


def told(chunk: int, apply: int, velocity: float, brake: float = 28.0) -> Action:
    steps = np.tile(np.float32([velocity, 0.0]), (1, 6, 1))
    expected = np.zeros((1, 6, 4), np.float32)
    expected[0, :, 0], expected[0, :, 2] = np.arange(6) * velocity / 30, velocity
    whole = {"received_us": 0, "planned_us": 0, "sent_us": 0, "sequence": 0, "source_tick": apply}
    return Action(
        session=1,
        schema_id=SCHEMA.schema_id,
        apply_tick=apply,
        valid_until_tick=apply + 5,
        chunk=chunk,
        ids=IDS,
        steps=steps,
        expected=expected,
        brake=np.float32([brake]),
        tolerance=np.float32([0.02]),
        status=np.zeros(1, np.uint8),
        bark=np.zeros(1, np.uint16),
        **whole,
    )


def did(chunk: int, step: int, rung: int) -> Executing:
    return Executing(IDS, np.uint32([chunk]), np.uint16([step]), np.uint8([rung]))


def tables(*rules: KeepAway) -> RuleTables:
    return compile_rules(
        rules,
        ids=IDS,
        squads=[0],
        homes=np.zeros((1, 2)),
        kinematics=DECLARED,
        walls=[],
        bounds=SCHEMA.bounds,
        dt=1 / 30,
    )


def looked(first: Snapshot, second: Snapshot, *actions: Action, rules: tuple[KeepAway, ...] = ()) -> Findings:
    witness = Witness(SCHEMA)
    witness.look(first, tables(*rules))
    for action in actions:
        witness.tell(action)
    return witness.look(second, tables(*rules))


def test_a_breach_says_who_when_what_and_by_how_much() -> None:
    start = shown(10, [0, 0, 3, 0], Executing.none())
    short = shown(11, [0.08, 0, 2.4, 0], did(1, 0, RUNG_PLAN))
    (breach,) = looked(start, short, told(1, 10, 3.0)).breaches
    assert (breach.tick, breach.entity, breach.assumption, breach.what, breach.unit) == (11, 101, "K1", "place", "m")
    assert breach.excess == pytest.approx(0.02, abs=1e-6)


def test_right_in_place_but_not_in_velocity_is_a_breach_too() -> None:
    start = shown(10, [0, 0, 3, 0], Executing.none())
    (breach,) = looked(start, shown(11, [0.1, 0, 2.5, 0], did(1, 0, RUNG_PLAN)), told(1, 10, 3.0)).breaches
    assert (breach.what, breach.unit) == ("velocity", "m/s")
    assert breach.excess == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("off", "named"), [(0.9, False), (1.1, True)])
def test_a_millimetre_is_the_tolerance(off: float, named: bool) -> None:
    start = shown(10, [0, 0, 3, 0], Executing.none())
    second = shown(11, [0.1 + off * EXECUTED, 0, 3, 0], did(1, 0, RUNG_PLAN))
    assert bool(looked(start, second, told(1, 10, 3.0)).breaches) is named


def test_the_velocity_tolerance_is_never_more_than_that_of_the_last_hop() -> None:
    """At 144 Hz a millimetre a tick is 0.14 m/s, more than the last hop lets pass."""
    fast = replace(SCHEMA, tick_hz=144.0)
    witness = Witness(fast)
    witness.look(shown(10, [0, 0, 3, 0], Executing.none()), tables())
    witness.tell(told(1, 10, 3.0))
    off = 3.0 - VELOCITY_TOLERANCE * 1.2
    assert witness.look(shown(11, [3 / 144, 0, off, 0], did(1, 0, RUNG_PLAN)), tables()).breaches


@pytest.mark.parametrize(
    ("why", "first", "second"),
    [
        ("the game's callback drove it", {}, {"executing": did(0, 0, RUNG_CALLBACK)}),
        ("the callback drove it, whatever chunk is named", {}, {"executing": did(1, 0, RUNG_CALLBACK)}),
        ("nobody knows its chunk", {}, {"executing": did(9, 0, RUNG_PLAN)}),
        ("its step is not for this tick", {}, {"executing": did(1, 3, RUNG_PLAN)}),
        ("the game does not say", {}, {"executing": Executing.none()}),
        ("it was dead", {"alive": 0.0}, {"executing": did(1, 0, RUNG_PLAN)}),
        ("it is dead", {}, {"executing": did(1, 0, RUNG_PLAN), "alive": 0.0}),
    ],
)
def test_who_was_told_nothing_that_is_known_is_not_judged(
    why: str, first: dict[str, float], second: dict[str, object]
) -> None:
    start = shown(10, [0, 0, 3, 0], Executing.none(), **first)
    found = looked(start, shown(11, [5, 5, 0, 0], **second), told(1, 10, 3.0))  # type: ignore[arg-type]  # of one kind each
    assert found == Findings(0, ()), why


def test_the_first_snapshot_of_another_session_is_compared_with_nothing() -> None:
    start = shown(10, [0, 0, 3, 0], Executing.none())
    second = replace(shown(11, [5, 5, 0, 0], did(1, 0, RUNG_PLAN)), session=2)
    assert looked(start, second, told(1, 10, 3.0)) == Findings(0, ())


@pytest.mark.parametrize(
    ("rate", "named"),
    [(28.0, False), (14.0, False), (30.0, True), (20.0, True)],
    ids=["newest", "the one before", "schema", "none"],
)
def test_a_brake_may_be_that_of_a_chunk_that_may_have_been_lost(rate: float, named: bool) -> None:
    """The game ran chunk 1; whether chunk 2, with another brake, reached it, nobody knows."""
    witness = Witness(SCHEMA)
    witness.tell(told(1, 9, 3.0, brake=28.0))
    witness.tell(told(2, 10, 3.0, brake=14.0))
    witness.look(shown(10, [0.0, 0, 3, 0], did(1, 0, RUNG_PLAN)), tables())
    left = 3.0 - rate / 30
    found = witness.look(shown(11, [left / 30, 0, left, 0], did(0, 0, RUNG_BRAKE)), tables())
    assert bool(found.breaches) is named
    assert found.judged == 1


def test_a_game_that_has_run_no_chunk_yet_brakes_as_its_schema_says() -> None:
    ladder = Ladder(SCHEMA)
    pose = np.float32([[0, 0, 3, 0]])
    command = ladder.step(10, IDS, pose).commands[0, 0]
    second = shown(11, [command / 30, 0, command, 0], ladder.executing)
    assert looked(shown(10, [0, 0, 3, 0], Executing.none()), second) == Findings(1, ())


@pytest.mark.parametrize(("rate", "named"), [(DECLARED.brake / 2, False), (2 * DECLARED.brake, True)])
def test_who_has_run_no_chunk_yet_may_brake_as_an_earlier_session_told_it(rate: float, named: bool) -> None:
    left = 3.0 - rate / 30
    second = shown(11, [left / 30, 0, left, 0], did(0, 0, RUNG_BRAKE))
    found = looked(shown(10, [0, 0, 3, 0], Executing.none()), second)
    assert bool(found.breaches) is named
    assert found.judged == 1


def test_beside_one_that_brakes_one_on_the_callback_is_not_judged() -> None:
    ids = np.array([101, 102], np.uint32)
    before, after = (
        np.float32([[0, 0, 3, 0, 1, 0], [5, 5, 3, 0, 1, 0]]),
        np.float32([[0, 0, 0, 0, 1, 0], [9, 9, 0, 0, 1, 0]]),
    )
    doing = Executing(ids, np.uint32([0, 0]), np.uint16([0, 0]), np.uint8([RUNG_BRAKE, RUNG_CALLBACK]))
    first = replace(shown(10, [0, 0, 3, 0], Executing.none()), blocks={"npc": EntityBlock(ids, before)})
    second = replace(shown(11, [0, 0, 0, 0], doing), blocks={"npc": EntityBlock(ids, after)})
    found = looked(first, second)
    assert found.judged == 1
    assert [b.entity for b in found.breaches] == [101]


def test_a_chunk_of_an_ended_session_says_nothing_about_which_chunks_of_this_one_the_game_has() -> None:
    witness = Witness(SCHEMA)
    witness.look(shown(9, [0, 0, 3, 0], did(512, 1, RUNG_PLAN)), tables())
    witness.tell(told(1, 9, 3.0, brake=28.0))
    witness.look(shown(10, [0.1, 0, 3, 0], did(1, 0, RUNG_PLAN)), tables())
    left = 3.0 - DECLARED.brake / 30
    second = shown(11, [0.1 + left / 30, 0, left, 0], did(0, 0, RUNG_BRAKE))
    assert witness.look(second, tables()).breaches, "it has chunk 1, and brakes by that"


@pytest.mark.parametrize(
    ("way", "what", "excess"), [(0.19, "", 0.0), (0.3, "speed", 3.0), (3.2, "jump", 3.0)], ids=["slow", "fast", "far"]
)
def test_the_strictest_rule_about_somebody_counts(way: float, what: str, excess: float) -> None:
    rules = (KeepAway("a", 2.0, 9.0), KeepAway("b", 1.0, 6.0))
    first = shown(10, [9, 9, 0, 0], Executing.none(), player=(0.0, 0.0))
    found = looked(first, shown(11, [9, 9, 0, 0], Executing.none(), player=(way, 0.0)), rules=rules)
    assert [b.what for b in found.breaches] == ([what] if what else [])
    assert found.judged == 1
    if what:
        assert found.breaches[0].excess == pytest.approx(excess, abs=1e-4)


def test_without_a_rule_about_somebody_nothing_is_declared_and_nothing_judged() -> None:
    first = shown(10, [9, 9, 0, 0], Executing.none(), player=(0.0, 0.0))
    assert looked(first, shown(11, [9, 9, 0, 0], Executing.none(), player=(9.0, 0.0))) == Findings(0, ())
