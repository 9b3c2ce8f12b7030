"""Rules of class H all the way: read, refused in tier 0, priced or ranked by, reported, and called what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from planner_toy import make_toy

from npc_bridge.messages import Action
from npc_sdk.constraints import ClearStanding, ShareLimit, ShareStanding, StayClear, from_table
from npc_sdk.designer.board import Board
from npc_sdk.designer.explain import explain
from npc_sdk.designer.rulebook import read_rulebook
from npc_sdk.envs.arena import ArenaConfig
from npc_sdk.errors import ConstraintError, ControlError
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.stage import cast, lock_step, new_board
from npc_sdk.experiments.under_rules import Asked, RulesConfig, fought, tables_without
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.plan import choose, plan
from npc_sdk.planner.problem import Clearance, PlannerConfig, Problem
from npc_sdk.planner.score import shortfall
from npc_sdk.runtime import Report
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.serve.telemetry import Watch
from npc_sdk.world import ConstantVelocity
from npc_sdk.world.conformal import Calibration
from npc_sdk.world.forecast import Imagined

SMALL = PlannerConfig(candidates=16)
WHOLE = replace(SMALL, elites=SMALL.candidates)  # all that was imagined is kept, as a brain does
QUIET: dict[str, object] = {
    "rule": "share_limit", "name": "quiet", "of": "(1 - player.cleared) * player.sees_me", "most": 0.2, "seconds": 5.0,
}  # fmt: skip
BERTH: dict[str, object] = {"rule": "stay_clear", "name": "berth", "distance": 3.0, "top_speed": 5.0}
TOML = """[[constraints]]
rule = "share_limit"
name = "quiet"
of = "(1 - player.cleared) * player.sees_me"
most = 0.2
seconds = 5.0

[[constraints]]
rule = "stay_clear"
name = "berth"
distance = 3.0
top_speed = 5.0
who = "squad:0"
"""


def drawn_from(factor: float) -> Calibration:
    """A calibration by which every radius is `factor` times the spread."""
    ordered = np.full(1000, factor)
    return Calibration({20: ordered}, {20: ordered})


class Reports:
    """Keeps what every answer rests on."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Action, Report]] = []

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        self.all += answers


def fight(board: Board, *, calibration: Calibration | None = None) -> tuple[LockStep, Reports, PlannerDecider]:
    decider = PlannerDecider(ConstantVelocity(), WHOLE, torch.device("cpu"), explain=True, calibration=calibration)
    reports = Reports()
    arena = ArenaConfig(npcs=4, mortal=False)
    return lock_step(cast("test", (3,)), arena, decider, board, (reports,)), reports, decider


# Read and refused.


@pytest.mark.parametrize("rule", [QUIET, BERTH])
def test_a_forecast_in_tier_0_is_refused_and_told_why(rule: dict[str, object]) -> None:
    assert from_table(rule).tier == 1
    for tier in (0, 2, True, "1"):
        with pytest.raises(ConstraintError, match=r"expected 1 .*is a forecast.*hold by proof.*got"):
            from_table({**rule, "tier": tier})
    with pytest.raises(ControlError, match="class H is a forecast"):
        Board().apply({"op": "add_rule", "rule": {**rule, "tier": 0}})


def test_in_python_tier_0_is_refused_too() -> None:
    with pytest.raises(ConstraintError, match="is a forecast"):
        ShareLimit("quiet", "player.sees_me", 0.2, tier=0)
    with pytest.raises(ConstraintError, match="is a forecast"):
        StayClear("berth", 3.0, 5.0, tier=0)


def test_a_hard_rule_in_tier_1_is_refused_as_before() -> None:
    with pytest.raises(ConstraintError, match="only tier of a hard rule"):
        from_table({"rule": "leash", "radius": 3.0, "tier": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of": "player.sees_mee"}, ["'of'", "player.sees_mee", "player.sees_me"]),
        ({"of": "player.sees_me +"}, ["'of'", "not an expression"]),
        ({"of": "event.hit_taken"}, ["'of'", "event.hit_taken", "present"]),
        ({"of": "self.speed * plan.change"}, ["plan.change", "column 14"]),
        ({"most": 1.0}, ["'most'", "above 0 and below 1"]),
        ({"most": None}, ["'most'"]),
        ({"seconds": 0}, ["'seconds'"]),
    ],
)
def test_what_is_wrong_with_a_share_limit_is_said_at_load(change: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ControlError) as error:
        Board().apply({"op": "add_rule", "rule": {k: v for k, v in {**QUIET, **change}.items() if v is not None}})
    for word in words:
        assert word in str(error.value)


def test_a_wrong_expression_in_a_file_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TOML.replace("player.sees_me", "player.sees"), encoding="utf-8")
    with pytest.raises(ConstraintError, match=r"rules.toml:1: .*'of'"):
        read_rulebook(path)


# Prices in decisions.


def test_prices_stand_beside_weights_that_nobody_turned() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": QUIET})
    stage, reports, _ = fight(board)
    before = board.snapshot.weights
    stage.run(90)
    assert board.snapshot.weights is before
    dear = 0
    for _, _, report in reports.all:
        for npc, evidence in report.evidence.items():
            choice = evidence.choice
            assert choice.terms == (*DEFAULT_TERMS.names, "limit:quiet")
            np.testing.assert_allclose(
                choice.weights[: len(DEFAULT_TERMS.names)], [t.default for t in DEFAULT_TERMS.terms], rtol=1e-6
            )
            (standing,) = report.standings[npc]
            assert isinstance(standing, ShareStanding)
            assert choice.weights[-1] == pytest.approx(standing.price, rel=1e-5, abs=1e-6)
            told = explain(choice)
            assert sum(part.value for part in told.parts) == pytest.approx(told.objective, abs=1e-6)
            assert told.parts[-1].raise_to is told.parts[-1].lower_to is None
            assert all(flip.term != "limit:quiet" for flip in told.flips)
            assert "forecast rule quiet" in told.sentence
            assert "guarantee" not in told.sentence
            dear += standing.price > 1.0
    assert dear > 0


def test_without_such_rules_the_problem_is_the_one_it_was() -> None:
    stage, reports, decider = fight(Board())
    seen: list[tuple[Problem, Problem]] = []
    apply = decider._rules.apply

    def spied(view: Any, rows: Any, scene: Any, memory: Any, problem: Problem, config: PlannerConfig) -> Problem:
        seen.append((problem, apply(view, rows, scene, memory, problem, config)))
        return seen[-1][1]

    decider._rules.apply = spied  # type: ignore[method-assign]
    stage.run(6)
    assert seen
    assert all(before is after for before, after in seen)
    assert all(not report.standings for _, _, report in reports.all)


def test_the_same_fight_comes_out_the_same_and_a_rule_that_is_taken_back_leaves_no_trace() -> None:
    tracks = []
    for removed in (False, False, True):
        board = Board()
        board.apply({"op": "add_rule", "rule": QUIET})
        stage, _, decider = fight(board)
        stage.run(60)
        if removed:
            board.apply({"op": "remove_rule", "name": "quiet"})
            stage.run(3)
            assert not decider._rules._games
        else:
            tracks.append(stage.run(30).pos)
    assert np.array_equal(tracks[0], tracks[1])


def test_a_game_that_is_forgotten_begins_without_prices() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": QUIET})
    stage, _, decider = fight(board)
    stage.run(60)
    assert decider._rules._games
    stage.runtime.forget("0")
    assert not decider._rules._games


def test_in_fights_npcs_show_themselves_less_under_a_share_limit() -> None:
    """Same seeds, with and without: in the player's view by what is true, not by what squads believe."""
    config = RulesConfig(seeds=3, seconds=10.0, npcs=4, batch=3, persona="aggressive")

    def make() -> PlannerDecider:
        return PlannerDecider(ConstantVelocity(), SMALL, torch.device("cpu"))

    asked = Asked.of([from_table(QUIET)])
    ruled = fought(config, [QUIET], asked, make, lambda: None)
    free = fought(config, tables_without([QUIET]), asked, make, lambda: None)
    assert free.shares[0].price < 1e-3
    assert free.shares[0].share > 0.25
    assert ruled.shares[0].share < 0.85 * free.shares[0].share
    assert ruled.exposed.mean() < 0.85 * free.exposed.mean()


# Clear of the player.


def imagined(own: list[list[float]], player: list[list[float]], spread: float) -> Imagined:
    """One NPC, one candidate, places per step."""
    h = len(own)
    return Imagined(
        own=torch.cat([torch.tensor(own), torch.zeros(h, 2)], 1)[None, None],
        player=torch.cat([torch.tensor(player), torch.zeros(h, 4)], 1)[None, None],
        spread=torch.full((1, 1, h), spread),
        others=torch.zeros(1, 2, h, 4),
        events=torch.zeros(1, 1, h, 3),
    )


def clearance(factor: float, *, top_speed: float = 100.0, steps: int = 2, since: float = 0.0) -> Clearance:
    def column(value: float) -> torch.Tensor:
        return torch.tensor([[value]])

    return Clearance(
        column(2.0),
        column(factor),
        column(top_speed),
        torch.tensor([[steps]]),
        torch.zeros(1, 2),
        torch.tensor([since]),
    )


def short_of(clear: Clearance, future: Imagined) -> float:
    toy = make_toy(npcs=np.array([[[4.0, 0.0, 0.0, 0.0]]]), player=np.zeros((1, 4)))
    return float(shortfall(replace(toy.problem, clear=clear), toy.scene, future)[0, 0])


def test_a_plan_falls_short_by_its_worst_step_as_a_share_of_the_distance() -> None:
    future = imagined([[4.0, 0.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], 0.5)
    assert short_of(clearance(2.0), future) == 0.0  # 3 m less a radius of 1 m is the distance of 2 m
    assert short_of(clearance(3.0), future) == pytest.approx(0.25)
    assert short_of(clearance(3.0, steps=1), future) == 0.0  # the second step is not looked at
    assert short_of(clearance(3.0, since=99.0), future) == 0.0  # nobody has ever seen a player


def test_no_radius_looks_further_than_the_player_can_run() -> None:
    future = imagined([[4.0, 0.0], [4.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]], 50.0)
    slow = clearance(10.0, top_speed=5.0)
    assert short_of(slow, future) == 0.0  # 4 m, and the player comes 1 m in 0.2 s
    assert short_of(clearance(10.0, top_speed=15.0), future) == pytest.approx(0.5)
    assert short_of(clearance(torch.inf, top_speed=15.0), future) == pytest.approx(0.5)
    assert short_of(replace(slow, since=torch.tensor([0.5])), future) == pytest.approx(0.75)  # seen half a second ago


def test_rules_of_tier_1_come_after_those_of_tier_0_and_before_every_weight() -> None:
    toy = make_toy(npcs=np.array([[[4.0, 0.0, 0.0, 0.0]]]), player=np.zeros((1, 4)))
    pool = plan(toy.forecast, toy.memory, toy.scene, toy.problem, SMALL).verified
    n, s = pool.short.shape
    J = torch.arange(s, 0, -1, dtype=torch.float32)
    breaches, short = torch.zeros(n, s, 3), torch.ones(n, s)
    breaches[0, s - 1, 0] = 0.2  # the cheapest breaks a rule of tier 0
    short[0, s - 1] = 0.0
    short[0, 3] = 0.4
    pool = replace(pool, features=J[None, :, None], breaches=breaches, short=short)
    dear = choose(pool, torch.full((1, 1), 1e6), ("only",), SMALL)
    assert dear.chosen.item() == 3
    assert not dear.feasible.any()


def test_a_rule_to_stay_clear_keeps_npcs_further_away_by_calibration_and_by_reach_alone() -> None:
    config = RulesConfig(seeds=3, seconds=8.0, npcs=4, batch=3)
    rule = {**BERTH, "distance": 5.0, "seconds": 0.5}
    asked = Asked.of([from_table(rule)])

    def near(rules: list[Any], calibration: Calibration | None) -> float:
        def make() -> PlannerDecider:
            return PlannerDecider(ConstantVelocity(), SMALL, torch.device("cpu"), calibration=calibration)

        return fought(config, rules, asked, make, lambda: None).clear[0].near

    free = near(tables_without([rule]), None)
    assert free > 0.05
    assert near([rule], None) < 0.6 * free
    assert near([rule], drawn_from(0.5)) < 0.6 * free


def test_what_became_of_forecasts_moves_the_level_they_are_drawn_at() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": {**BERTH, "seconds": 0.5}})
    stage, reports, _ = fight(board, calibration=drawn_from(0.2))  # far too narrow
    stage.run(300)
    told = [s for _, _, report in reports.all for row in report.standings.values() for s in row]
    assert {s.basis for s in told if isinstance(s, ClearStanding)} == {
        "conformal",
        "reach",
    }  # in the end no radius does
    last = max((s for s in told if isinstance(s, ClearStanding)), key=lambda s: s.settled)
    assert last.settled > 20
    assert last.coverage < 0.9
    assert last.level > 0.95


def test_without_a_calibration_the_reach_stands_in_and_is_named() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": BERTH})
    stage, reports, _ = fight(board)
    stage.run(30)
    told = [s for _, _, report in reports.all for row in report.standings.values() for s in row]
    assert told
    assert {s.basis for s in told if isinstance(s, ClearStanding)} == {"reach"}


# From a file to telemetry.


def test_a_file_of_rules_shows_in_telemetry_and_in_explanations(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TOML, encoding="utf-8")
    board = new_board()
    stage, reports, decider = fight(board, calibration=drawn_from(2.0))
    stage.run(30)
    board.apply({"op": "add_rules", "rules": [dict(table) for table in read_rulebook(path).tables]})
    stage.run(60)  # live: the fight goes on
    _, action, report = reports.all[-1]
    watch = Watch(30.0)
    watch.take(report)
    message = watch.message("game", report, action, board.snapshot, {})
    assert msgpack.unpackb(msgpack.packb(message))
    rows: Any = message["npcs"]
    assert len(rows) == 4
    for row in rows:
        share, clear = row["forecasts"]
        assert (share["kind"], share["rule"], share["most"]) == ("share_limit", "quiet", 0.2)
        assert 0.0 <= share["share"] <= 1.0
        assert share["price"] >= 0.0
        assert share["met"] is (share["share"] <= 0.2)
        assert (clear["kind"], clear["rule"], clear["basis"]) == ("stay_clear", "berth", "conformal")
        told = watch.explain(row["id"])
        assert told is not None
        assert [s.rule for s in told.standings] == ["quiet", "berth"]
        assert "95 % forecast" in told.sentence
    # A weight is turned: the plans swing under it, prices stay, and no decision counts as made under other terms.
    board.apply({"op": "set_weight", "term": "effort", "value": 4.0})
    price = watch.thought(rows[0]["id"]).choice.weights[-1]  # type: ignore[union-attr]
    watch.reweigh(board.snapshot)
    swung = watch.thought(rows[0]["id"])
    assert swung is not None
    assert swung.choice.weights[-1] == price
    assert swung.choice.weights[DEFAULT_TERMS.index("effort")] == 4.0
    assert watch.behind(board.snapshot.terms.names) is None
    # And taken again it is what it was: same prices, same choice.
    weights = swung.choice.weights[: len(DEFAULT_TERMS.names)]
    again = decider.again("0", swung.choice.npc, weights, board.snapshot.terms)
    assert again is not None
    assert again.choice.terms == swung.choice.terms
    np.testing.assert_allclose(np.sort(again.choice.objective), np.sort(swung.choice.objective), rtol=1e-4)
    np.testing.assert_allclose(again.paths[again.choice.chosen], swung.evidence.paths[swung.choice.chosen], atol=1e-4)


def test_a_rule_binds_whom_it_names_and_nobody_else() -> None:
    board = Board()
    board.apply({"op": "add_rule", "rule": {**QUIET, "who": [102, 103]}})
    stage, reports, _ = fight(board)
    stage.run(30)
    told = {npc for _, _, report in reports.all for npc in report.standings}
    assert told == {102, 103}
    prices = {e.choice.npc: e.choice.weights[-1] for _, _, r in reports.all for e in r.evidence.values()}
    assert prices[101] == prices[104] == 0.0
