"""Other people's filters, the game they are compared in, and what is read off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from npc_sdk.constraints import AllyDistance, KeepOut, compile_rules
from npc_sdk.experiments import errands, filters, safety
from npc_sdk.experiments.filters import Moment, nearest
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.zoo import Body
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.shield import Movers, Outstanding, ShieldConfig, certify
from npc_sdk.world import ConstantVelocity

GRID = np.linspace(-3.0, 3.0, 301)
POINTS = np.stack(np.meshgrid(GRID, GRID), -1).reshape(-1, 2)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("slack", [None, 5.0])
def test_the_quadratic_program_finds_what_a_grid_finds(seed: int, slack: float | None) -> None:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 4)
    barriers = np.stack([np.cos(angle), np.sin(angle)], 1), rng.uniform(-1.5, 0.9, 4)
    hard = filters._rim(np.zeros(2), 2.5, np.array([1.0, 0.0]))
    wish = rng.uniform(-3.0, 3.0, 2)
    short = np.maximum(barriers[1] - POINTS @ barriers[0].T, 0.0)
    cost = ((POINTS - wish) ** 2).sum(1)
    allowed = (hard[1] - 1e-9 <= POINTS @ hard[0].T).all(1)
    if slack is None:
        allowed &= (short <= 1e-9).all(1)
    else:
        cost = cost + slack * (short**2).sum(1)
    found = nearest(wish, barriers, hard, slack)
    if not allowed.any():
        # The grid may miss a sliver that the program finds; what it finds must then be allowed, but for rounding.
        assert found is None or (found @ barriers[0].T >= barriers[1] - 1e-6).all()
        return
    best = POINTS[allowed][np.argmin(cost[allowed])]
    assert found is not None
    mine = float(((found - wish) ** 2).sum())
    if slack is not None:
        mine += slack * float((np.maximum(barriers[1] - barriers[0] @ found, 0.0) ** 2).sum())
    assert (hard[0] @ found >= hard[1] - 1e-6).all()
    if slack is None:
        assert (barriers[0] @ found >= barriers[1] - 1e-6).all()
    assert mine <= cost[allowed].min() + 1e-9, (found, best)
    assert mine >= cost[allowed].min() - 0.3, "no better than the grid but for its mesh"


def test_a_program_without_a_solution_says_so_and_its_relaxation_does_not() -> None:
    apart = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, 1.0])
    hard = filters._rim(np.zeros(2), 2.0, np.array([1.0, 0.0]))
    assert nearest(np.zeros(2), apart, hard, None) is None
    found = nearest(np.zeros(2), apart, hard, 100.0)
    assert found is not None
    np.testing.assert_allclose(found, 0.0, atol=1e-6)


def run_into_a_zone(step: filters.Filter | None, ticks: int = 60) -> tuple[float, float]:
    """Lets one NPC run at a zone at full speed; returns its least clearance and the way it made, m."""
    zone = ((2.0, -3.0), (4.0, -3.0), (4.0, 3.0), (2.0, 3.0))
    tables = compile_rules(
        [KeepOut("zone", zone), AllyDistance("spread", 0.9)],
        ids=[1],
        squads=[0],
        homes=[[0.0, 0.0]],
        kinematics=Body(4.0, 16.0, 16.0, 0.35),
        walls=[],
        bounds=(-20.0, -20.0, 20.0, 20.0),
        dt=1 / 30,
    )
    config, place, velocity = ShieldConfig(), np.array([[-1.0, 0.0]]), np.array([[4.0, 0.0]])
    least, wish = np.inf, np.array([[4.0, 0.0]])
    for _ in range(ticks):
        moment = Moment(place, velocity, wish, np.zeros((0, 4)), tables, np.array([0]), config)
        if step is None:
            movers = Movers(np.array([1], np.uint32), place, velocity)
            command = certify(movers, tables, Outstanding(), wish[:, None], config=config).velocities[:, 0]
        else:
            command = step(moment)
            change = float(np.hypot(*(command - velocity)[0]))
            assert change <= 16.0 / 30 + 1e-6, "no filter asks for more than the body can do"
        velocity, place = command, place + command / 30
        least = min(least, 2.0 - float(place[0, 0]) - 0.35)
    return least, float(place[0, 0]) + 1.0


def test_looking_at_the_next_state_alone_breaks_a_rule_where_the_shield_does_not() -> None:
    assert run_into_a_zone(filters.nothing)[0] < -0.5
    assert run_into_a_zone(filters.next_state)[0] < -0.05
    for step in (None, filters.barrier):
        least, way = run_into_a_zone(step)
        assert least >= 0.0
        assert way > 2.3, "and it goes up to the zone"


def test_a_relaxed_barrier_gives_way_where_the_brake_is_too_weak_for_it() -> None:
    strict, relaxed = run_into_a_zone(filters.barrier)[0], run_into_a_zone(filters.relaxed_barrier)[0]
    assert strict >= relaxed - 1e-6


def test_all_errands_of_a_world_can_be_run() -> None:
    world = errands.make_world("test", 9003)
    for zone in world.zones:
        corners = [(float(x), float(y)) for x, y in zone]
        from npc_sdk.geometry import point_in_polygon, ring_edges, segment_distance

        assert not point_in_polygon(world.spots, corners).any()
        assert segment_distance(world.spots, ring_edges(corners)).min() >= 0.35
    assert len(world.spots) >= 20


@pytest.mark.timeout(240)
def test_bent_plans_break_nothing_behind_the_shield_and_are_changed_less_than_others() -> None:
    config = errands.ErrandsConfig(seeds=1, seconds=4.0)
    how = PlannerConfig(candidates=16)

    def played(row: str) -> dict[str, np.ndarray]:
        return safety.episode(config, how, ConstantVelocity(), row, 9001)

    ours, only = played("ours"), played("shield_only")
    assert ours["violations"] == only["violations"] == 0
    assert ours["intervened"] < only["intervened"]
    assert ours["wasted"] / ours["decisions"] < only["wasted"] / only["decisions"]
    assert played("none")["violations"] > 0


@pytest.mark.parametrize("rule", errands.RULES)
def test_a_rule_that_is_left_out_binds_nobody_and_is_not_judged(rule: str) -> None:
    world = errands.make_world("test", 9001)
    asked = {str(table["rule"]) for table in errands.rules(world, (rule,))}
    assert asked == set(errands.RULES) - {rule}
    arena, _, board = errands.stage(errands.ErrandsConfig(without=(rule,)), 9001)
    assert {rule.rule for rule in board.snapshot.rules} == asked
    judged = errands.limits(arena, world, (rule,))
    kinds = {zone.kind for zone in judged.zones} | {apart.kind for apart in judged.apart}
    kinds |= {"ally_distance"} if (judged.spacing > 0.0).any() else set()
    assert kinds - {"wall", "bounds"} == asked


def test_who_has_never_been_seen_is_minded_nowhere() -> None:
    """Nobody has seen the player of this fight: an NPC near the middle of the map must not keep away from there."""
    arena, game, board = errands.stage(errands.ErrandsConfig(), 9006)
    begun = arena.pos[0, 1:].copy()
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=16), torch.device("cpu"))
    brain = Runtime(decider, lambda: board.snapshot, RuntimeConfig(lead_ticks=0, stagger=False))
    LockStep(arena, brain, game, every=1).run(20)
    assert np.hypot(*begun[2]) < 1.0
    assert np.hypot(*(arena.pos[0, 1:] - begun).T).min() > 0.5


def test_price_of_safety_is_a_share_of_the_way_from_random_to_unshielded() -> None:
    def outcome(row: str, done: list[float], broken: list[float]) -> safety.Outcome:
        columns = {name: np.zeros(2) for name in (*safety.COLUMNS, *safety.TIMES)}
        columns |= {"errands": np.array(done), "violations": np.array(broken)}
        return safety.Outcome(row, columns, np.zeros(1), 60.0, 1)

    results = {
        "none": outcome("none", [10.0, 6.0], [3.0, 0.0]),
        "random": outcome("random", [2.0, 2.0], [0.0, 0.0]),
        "ours": outcome("ours", [8.0, 6.0], [0.0, 0.0]),
    }
    price = safety.price(results, "ours")
    assert price.all == pytest.approx(10 / 12)
    assert price.share_kept == 0.5
    assert price.kept == pytest.approx(1.0)


def test_kept_episodes_are_not_played_again(tmp_path: Path) -> None:
    config, how = errands.ErrandsConfig(seeds=1, seconds=0.3), PlannerConfig(candidates=12)
    rows = ("none", "random")
    first = safety.measure(config, how, ConstantVelocity(), "cv", rows, tmp_path)
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = safety.measure(config, how, ConstantVelocity(), "cv", rows, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps
    assert len(stamps) == 2
    np.testing.assert_array_equal(first["none"].score, again["none"].score)
