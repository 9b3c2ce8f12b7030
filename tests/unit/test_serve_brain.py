"""The brain's loop, between a server and a runtime that are stood in for."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from npc_bridge.errors import ErrorCode
from npc_bridge.messages import Ack, Control, Executing, Snapshot
from npc_bridge.server import ControlRequested
from npc_bridge.session import GameJoined, SchemaChanged, SnapshotArrived
from npc_sdk.designer.board import Board, NpcKey
from npc_sdk.designer.choice import Choice
from npc_sdk.designer.explain import verdict
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.runtime import Breach, Evidence, Findings
from npc_sdk.serve.brain import Brain, _Seat
from npc_sdk.serve.models import Loaded, load, weights_sha256
from npc_sdk.serve.pace import WINDOW, Pace
from npc_sdk.serve.telemetry import Thought, Watch

HZ = 30.0


class Thinking:
    """A runtime that notes which ticks it was asked about."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.leads: list[int] = []

    def tick(self, due: list[tuple[str, Snapshot]], late: object, lead: int) -> list[Any]:
        self.ticks += [snapshot.tick for _, snapshot in due]
        self.leads.append(lead)
        return []

    def register(self, key: str, schema: object) -> SimpleNamespace:
        return SimpleNamespace(key=key)

    change_schema = register


def arrived(tick: int, age_ms: float, session: int = 7) -> SnapshotArrived:
    received_us = time.monotonic_ns() // 1000 - round(age_ms * 1e3)
    ran = Executing(*(np.zeros(1, t) for t in (np.uint32, np.uint32, np.uint8, np.uint8)))
    return SnapshotArrived(session, Snapshot(session, 1, tick, 0, tick, {}, ran), received_us)


def a_brain(events: list[list[SnapshotArrived]]) -> tuple[Brain, Thinking]:
    pace = Pace()
    for tick in range(WINDOW):
        pace.note(7, tick + 1, tick + 1, 1, 40.0, work_ms=40.0, tick_hz=HZ)
    pace.forget(7)
    runtime, server = Thinking(), SimpleNamespace(poll=lambda _: events.pop(0))
    board = Board(forecasts=("plain",))
    planner = SimpleNamespace(use=lambda *_: None)
    forecasts = {"plain": SimpleNamespace(forecast=None, sha256="", calibration=None)}
    brain = Brain(server, runtime, planner, board, forecasts, 100.0, pace)  # type: ignore[arg-type]
    for session in (7, 8):
        brain._seats[session] = _Seat("game", SimpleNamespace(tick_hz=HZ), Watch(HZ))  # type: ignore[arg-type]
    return brain, runtime


def test_a_snapshot_that_has_waited_too_long_is_passed_over_but_not_two_in_a_row() -> None:
    brain, runtime = a_brain([[arrived(1, 1.0)], [arrived(2, 25.0)], [arrived(3, 25.0)], [arrived(4, 25.0)]])
    for _ in range(4):
        brain.step()
    assert runtime.ticks == [1, 3]


def test_the_first_answers_of_a_brain_aim_further_ahead_where_a_snapshot_has_waited() -> None:
    for ages, lead in (((1.0,), 2), ((60.0,), 4), ((1.0, 60.0), 4), ((60.0, 1.0), 4)):
        brain, runtime = a_brain([[arrived(1, age, session) for session, age in zip((7, 8), ages, strict=False)]])
        brain.pace = Pace()
        brain.step()
        assert runtime.leads == [lead], ages


def test_after_a_map_was_read_the_newest_snapshot_is_answered() -> None:
    schema = SimpleNamespace(tick_hz=HZ, polygons=(), origin=(0.0, 0.0))
    joined = GameJoined(7, "game", schema, ())  # type: ignore[arg-type]  # all that is read of it
    brain, runtime = a_brain([[joined, arrived(1, 60.0)], [arrived(4, 1.0)], [arrived(5, 1.0)]])
    brain.step()
    assert runtime.ticks == [4]
    brain.step()
    assert runtime.ticks == [4, 5], "and polled once more only then"


def test_a_snapshot_of_a_schema_that_was_changed_meanwhile_is_not_answered() -> None:
    schema = SimpleNamespace(tick_hz=HZ, polygons=(), origin=(0.0, 0.0))
    joined, changed = GameJoined(7, "game", schema, ()), SchemaChanged(8, schema, ())  # type: ignore[arg-type]  # all that is read
    brain, runtime = a_brain([[joined, arrived(1, 1.0), arrived(2, 1.0, 8)], [changed]])
    brain.step()
    assert runtime.ticks == [1]


def test_one_game_is_not_passed_over_for_another() -> None:
    brain, runtime = a_brain([[arrived(1, 25.0)], [arrived(10, 25.0, 8)], [arrived(2, 25.0)], [arrived(11, 25.0, 8)]])
    for _ in range(4):
        brain.step()
    assert runtime.ticks == [2, 11]


def test_breaches_are_counted_and_the_first_of_each_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    brain, _ = a_brain([])
    found = [Breach(5, npc, kind, "place", 0.02, "m") for kind in ("K1", "K4") for npc in (101, 102)]
    for _ in range(2):
        brain._note_breaches(brain._seats[7], SimpleNamespace(findings=Findings(9, tuple(found))))  # type: ignore[arg-type]  # all it reads
    assert brain.counters.breaches == 8
    assert [record.getMessage() for record in caplog.records] == [
        f"game: tick 5: entity 101 breaks {kind}: place off by 0.02 m; see docs/howto/declare" for kind in ("K1", "K4")
    ]


class Server:
    """Hands in designers' requests and keeps what the brain sends."""

    def __init__(self, *rounds: list[object]) -> None:
        self.rounds = list(rounds)
        self.acks: list[Ack] = []
        self.told: list[tuple[str, dict[str, Any], int, int]] = []

    def poll(self, _: float) -> list[object]:
        return self.rounds.pop(0)

    def acknowledge(self, peer: bytes, ack: Ack) -> None:
        self.acks.append(ack)

    def publish(self, topic: str, body: dict[str, Any], session: int, tick: int) -> None:
        self.told.append((topic, body, session, tick))


def asked(verb: str, **arguments: Any) -> ControlRequested:
    return ControlRequested(b"panel", Control(1, verb, arguments))


class Planner:
    """Notes which forecasts it is told to use, and decides again as it is told."""

    def __init__(self, evidence: Evidence) -> None:
        self.used: list[object] = []
        self.evidence = evidence
        self.again_with: list[tuple[str, int, list[float]]] = []

    def use(self, forecast: object, calibration: object) -> None:
        self.used.append(forecast)

    def again(self, key: str, npc: int, weights: np.ndarray, terms: object) -> Evidence | None:
        self.again_with.append((key, npc, weights.tolist()))
        return self.evidence


def evidence(npc: int = 101) -> Evidence:
    """Two plans: near, and out of sight. Exposure decides."""
    terms = DEFAULT_TERMS.names
    features = np.zeros((2, len(terms)))
    features[0, terms.index("exposure")], features[1, terms.index("engage")] = 1.0, 1.0
    weights = np.array([t.default for t in DEFAULT_TERMS.terms], np.float32).astype(np.float64)
    weights[terms.index("exposure")], weights[terms.index("engage")] = 0.5, 1.0
    objective = features @ weights
    choice = Choice(npc, terms, weights, features, objective, np.ones(2, np.bool_), ("seek", "cover"), 0)
    paths = np.arange(80, dtype=np.float32).reshape(2, 20, 2)
    return Evidence(choice, paths, paths + 1)


def thinking_brain(*rounds: list[object]) -> tuple[Brain, Server, Planner]:
    """A brain whose game, session 7, has decided once."""
    server, planner = Server(*rounds), Planner(evidence())
    board = Board(forecasts=("learned", "frozen"))
    board.apply({"op": "set_weight", "term": "exposure", "value": 0.5})
    board.apply({"op": "set_weight", "term": "engage", "value": 1.0})
    loaded = {name: Loaded(name, object(), sha) for name, sha in (("learned", "abc"), ("frozen", ""))}  # type: ignore[arg-type]
    brain = Brain(server, Thinking(), planner, board, loaded, 100.0, Pace())  # type: ignore[arg-type]
    watch = Watch(HZ)
    one = evidence()
    watch._thoughts[101] = Thought(NpcKey(101), 30, one, one.choice, verdict(one.choice))
    watch._living, watch.tick = frozenset({101}), 30
    brain._seats[7] = _Seat("game", SimpleNamespace(tick_hz=HZ, game="arena"), watch)  # type: ignore[arg-type]
    brain._told = board.snapshot.revision
    return brain, server, planner


def test_turned_weights_are_told_as_swung_plans_at_once_and_once() -> None:
    turn = {"term": "exposure", "value": 4.0}
    brain, server, planner = thinking_brain([asked("set_weights", changes=[turn]), asked("status")], [], [])
    brain.step()
    ((topic, body, session, tick),) = server.told
    assert (topic, session, tick, body["revision"]) == ("swing", 7, 30, brain.board.snapshot.revision)
    (row,) = body["npcs"]
    assert (row["id"], row["family"]) == (101, "cover")
    assert row["path"] == evidence().paths[1].tobytes()
    assert row["alternatives_J"] == [4.0, 1.0]
    assert "alternatives" not in row  # they are the same
    assert planner.again_with == []  # nothing is imagined anew
    brain.step()
    assert len(server.told) == 1


def test_an_explanation_that_follows_a_turned_weight_knows_it() -> None:
    turn = {"term": "exposure", "value": 4.0}
    brain, server, _ = thinking_brain([asked("set_weights", changes=[turn]), asked("explain", npc=101)])
    brain.step()
    told = server.acks[1].result["explanation"]
    assert isinstance(told, dict)
    assert (told["family"], server.acks[1].result["tick"]) == ("cover", 30)


def test_the_dead_do_not_swing() -> None:
    brain, server, _ = thinking_brain([asked("set_weights", changes=[{"term": "exposure", "value": 4.0}])])
    brain._seats[7].watch._living = frozenset()
    brain.step()
    assert server.told == []


def test_deciding_again_uses_the_boards_weights_of_now_and_is_told_whole() -> None:
    brain, server, planner = thinking_brain(
        [asked("set_weights", changes=[{"term": "exposure", "value": 3.0}]), asked("replan", npc=101)],
        [asked("replan", npc=999)],
    )
    brain.step()
    ((key, npc, weights),) = planner.again_with
    assert (key, npc, weights[DEFAULT_TERMS.index("exposure")]) == ("7", 101, 3.0)
    rows = [body["npcs"][0] for topic, body, _, _ in server.told if "alternatives" in body["npcs"][0]]
    assert len(rows) == 1
    assert server.acks[1].code == 0
    assert server.acks[1].result["tick"] == 30
    brain.step()
    assert server.acks[2].code == ErrorCode.CONTROL
    assert server.acks[2].result["valid"] == [101]


def test_another_forecast_is_taken_up_at_the_next_tick_and_not_before() -> None:
    brain, server, planner = thinking_brain(
        [arrived(1, 1.0)], [asked("set_forecast", name="frozen"), asked("status")], [arrived(2, 1.0)], [arrived(3, 1.0)]
    )
    brain.step()
    assert planner.used == [brain.forecasts["learned"].forecast]
    brain.step()
    assert len(planner.used) == 1
    assert (server.acks[0].code, server.acks[0].revision) == (0, brain.board.snapshot.revision)
    assert (server.acks[1].result["forecast"], server.acks[1].result["model_sha256"]) == ("learned", "abc")
    brain.step()
    brain.step()
    assert planner.used[1:] == [brain.forecasts["frozen"].forecast]
    assert (brain.in_use, brain.sha256) == ("frozen", "")


def test_a_new_term_is_scored_at_once_where_the_game_stands_still() -> None:
    add = asked("add_term", name="north", expression="relu(20 - self.y)")
    brain, server, planner = thinking_brain([arrived(1, 1.0)], [add], [], [])
    brain.step()
    brain.step()
    brain.step()
    assert planner.again_with == []  # the game goes on: the next decision will know it
    brain._thought = 0.0
    planner.evidence = rescored("north")
    brain.step()
    ((key, npc, weights),) = planner.again_with
    assert (key, npc, weights[-1]) == ("7", 101, 1.0)
    assert "alternatives" in server.told[-1][1]["npcs"][0]
    assert brain._behind() is None


def rescored(term: str) -> Evidence:
    """The plans of `evidence`, scored by one more term."""
    one = evidence()
    choice = one.choice
    features = np.concatenate([choice.features, np.ones((2, 1))], 1)
    weights = np.append(choice.weights, 1.0)
    more = replace(
        choice, terms=(*choice.terms, term), weights=weights, features=features, objective=features @ weights
    )
    return replace(one, choice=more)


def test_the_hash_of_the_weights_changes_with_a_single_one_of_them() -> None:
    loaded = load("untrained", torch.device("cpu"), 1)
    assert isinstance(loaded.forecast, torch.nn.Module)
    before = weights_sha256(loaded.forecast)
    assert before == weights_sha256(load("untrained", torch.device("cpu"), 1).forecast)
    with torch.no_grad():
        next(loaded.forecast.parameters()).view(-1)[0] += 1e-3
    assert weights_sha256(loaded.forecast) != before
    assert weights_sha256(load("constant-velocity", torch.device("cpu")).forecast) == ""


def test_the_player_is_told_as_imagined_under_every_plan_after_half_a_second_one_and_one_and_a_half() -> None:
    brain, _, _ = thinking_brain()
    one = evidence()
    row = brain._seats[7].watch.retake(101, one)
    told = np.frombuffer(row["ghosts"], "<f4").reshape(2, 3, 2)  # type: ignore[arg-type]  # bytes
    np.testing.assert_array_equal(told, one.ghosts[:, [4, 9, 14]])  # steps of 0.1 s
    np.testing.assert_array_equal(np.frombuffer(row["ghost"], "<f4"), told[0].ravel())  # type: ignore[arg-type]
    assert row["feasible"] == [True, True]
