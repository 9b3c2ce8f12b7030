"""In the air nobody obeys: it is said at once and by name, nothing is vouched for, and the game is held to account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chunk_laws import hangs_together
from deviating_game import Restless, the_schema

from npc_bridge.ladder import Ladder
from npc_bridge.messages import STATUS_GUARDED, EntityBlock, Snapshot
from npc_bridge.schema import Field, Schema
from npc_sdk.audit import Limits, Trace, Zone, audit
from npc_sdk.constraints import KIND, KeepOut, compile_rules
from npc_sdk.designer.board import Board
from npc_sdk.experiments.zoo import Body, make_setting, play
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.shield import Movers, Outstanding, ShieldConfig, Wanted, certificates, certify

DT = 1 / 30


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.skipif(not AVAILABLE, reason="numba is not there"))]
)
def test_who_is_in_the_air_is_unguarded_by_that_name_and_told_to_brake(compiled: bool) -> None:
    tables = compile_rules(
        (), ids=[101, 102], squads=[0, 0], homes=np.zeros((2, 2)), kinematics=Body(4.0, 16.0, 16.0, 0.3), walls=[],
        bounds=(-12.0, -12.0, 12.0, 12.0), dt=DT,
    )  # fmt: skip
    ids, pace = np.array([101, 102], np.uint32), np.array([[2.0, 0.0], [2.0, 0.0]])
    movers = Movers(ids, np.array([[-3.0, 0.0], [3.0, 0.0]]), pace, airborne=np.array([True, False]))
    asked = Wanted(np.ones((2, 6, 2), np.bool_))
    config = ShieldConfig(compiled=compiled)
    answer = certify(movers, tables, Outstanding(), np.full((2, 6, 2), 2.0), wanted=asked, config=config)
    hangs_together(answer, movers, DT)
    assert answer.reason[0] == "unguarded: airborne"
    assert answer.guarded.tolist() == [False, True]
    assert answer.broken[0].sum() == 1
    assert answer.velocities[1, -1] == pytest.approx([2.0, 2.0]), "the other one goes on as it wishes"
    assert answer.velocities[0, 0] == pytest.approx([2.0 - 16 * DT, 0.0], abs=0.06)
    assert not answer.velocities[0, -1].any()
    assert not answer.triggers[0].any()
    assert answer.triggers[1].all()
    assert "off its certificate for airborne" in certificates(answer)[0].reason
    landed = certify(replace(movers, airborne=np.zeros(2, np.bool_)), tables, Outstanding(), np.full((2, 6, 2), 2.0))
    assert landed.guarded.all()
    assert not landed.broken[:, KIND["airborne"]].any()


@pytest.mark.parametrize("compiled", [False, True])
def test_who_is_in_the_air_over_a_pit_is_told_to_brake_and_not_to_leave_it(compiled: bool) -> None:
    tables = compile_rules(
        [KeepOut("pit", ((-3.0, -3.0), (1.0, -3.0), (1.0, 3.0), (-3.0, 3.0)))], ids=[101], squads=[0],
        homes=np.zeros((1, 2)), kinematics=Body(4.0, 16.0, 16.0, 0.3), walls=[], bounds=(-12.0, -12.0, 12.0, 12.0),
        dt=DT,
    )  # fmt: skip
    start = Movers(np.array([101], np.uint32), np.zeros((1, 2)), np.array([[0.0, 2.0]]), airborne=np.ones(1, np.bool_))
    config = ShieldConfig(compiled=compiled)
    answer = certify(start, tables, Outstanding(), np.ones((1, 6, 2)), config=config)
    assert answer.reason == ("unguarded: keep_out, airborne",)
    pace = np.maximum(2.0 - answer.brake[0] * DT * np.arange(1, 7), 0.0)
    np.testing.assert_allclose(answer.velocities[0], np.stack([np.zeros(6), pace], 1), atol=1e-5)
    walks = certify(replace(start, airborne=None), tables, Outstanding(), np.ones((1, 6, 2)), config=config)
    assert walks.velocities[0, :, 0].any()


def flying_schema() -> Schema:
    schema = the_schema()
    npc = schema.entity("npc")
    npc = replace(npc, fields=(*npc.fields, Field("jumps", "1", 0, 1, role="airborne")))
    return replace(schema, entities=(schema.entity("player"), npc))


@pytest.mark.parametrize("shown", [True, False])
def test_a_jump_that_is_shown_is_no_breach_and_takes_the_guarded_bit_until_the_landing(shown: bool) -> None:
    """The counterpart, a jump that is not shown, is named K1."""
    schema, ids = flying_schema(), np.array([101, 102], np.uint32)
    brain = Runtime(Restless(3), lambda: Board().snapshot, RuntimeConfig(lead_ticks=0, horizon=10, stagger=False))
    brain.register("g", schema)
    ladder, place, pace = Ladder(schema), np.array([[-5.0, 0.0], [5.0, 0.0]]), np.zeros((2, 2))
    ladder.start(1)
    guarded, breaches = [], []
    for tick in range(24):
        flies = 6 <= tick < 14
        rows = np.float32(np.c_[place, pace, np.ones(2), np.zeros(2), [flies and shown, 0.0]])
        blocks = {"npc": EntityBlock(ids, rows)}
        snapshot = Snapshot(1, schema.schema_id, tick, tick * 33_333, tick, blocks, ladder.executing)
        ((_, action, report),) = brain.tick([("g", snapshot)])
        guarded.append((action.status & STATUS_GUARDED > 0).tolist())
        breaches += [breach.entity for breach in report.findings.breaches]
        ladder.accept(action)
        pace = ladder.step(tick, ids, np.c_[place, pace], np.ones(2, np.bool_)).commands[:, :2].astype(np.float64)
        pace[0] = [0.0, 3.0] if flies else pace[0]
        place = place + pace * DT
    assert [row[1] for row in guarded] == [True] * 24
    assert [row[0] for row in guarded] == [not (6 <= tick < 14 and shown) for tick in range(24)]
    assert (set(breaches) == set()) if shown else (set(breaches) == {101})


def flight(airborne: Any) -> dict[str, int]:
    """What the checker says of one that goes through a wall."""
    t, command = 6, np.tile([[[3.0, 0.0]]], (6, 1, 1))
    one = np.ones(1)
    trace = Trace(
        ids=np.array([1], np.uint32),
        position=np.concatenate([np.zeros((1, 1, 2)), np.cumsum(command * DT, 0)]),
        velocity=np.concatenate([command[:1], command]),
        command=command,
        alive=np.ones((t + 1, 1), np.bool_),
        driver=np.zeros((t, 1), np.uint8),
        attacks=np.zeros((t, 1, 2), np.bool_),
        hold_fire=np.zeros(t, np.bool_),
        hold_known=np.zeros((t, 1), np.bool_),
        airborne=airborne,
    )
    wall = Zone(
        "wall", "w", np.array([(0.45, -1.0), (0.5, -1.0), (0.5, 1.0), (0.45, 1.0)]), False, np.ones(1, np.bool_)
    )
    limits = Limits(
        dt=DT, radius=0.1 * one, speed=4 * one, acceleration=200 * one, brake=100 * one, home=np.zeros((1, 2)),
        leash=np.inf * one, spacing=np.zeros((1, 1)), hold_fire=np.zeros(1, np.bool_), zones=(wall,),
    )  # fmt: skip
    return {who: count for who, count in audit(trace, limits).rules["wall"].violations.items() if count}


def test_what_one_in_the_air_breaks_is_the_games_doing() -> None:
    assert flight(np.zeros((0, 0), np.bool_)) == {"npc": 3}
    assert flight(np.ones((6, 1), np.bool_)) == {"external": 3}
    assert flight(np.arange(6)[:, None] < 4) == {"external": 1, "inadmissible": 2}  # it lands in the wall


@pytest.mark.slow
def test_games_in_which_the_shield_is_told_of_jumps_leave_nobody_to_blame() -> None:
    unguarded = 0
    for seed in range(6):
        result = play(replace(make_setting(seed, size=0.8), kidnaps=0.02, flies=True), seed, ticks=80)
        assert result.report.total("npc") == 0, result.report.examples[:3]
        unguarded += int(result.tally.broken[KIND["airborne"]])
    assert unguarded > 100
