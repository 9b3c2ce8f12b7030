from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planner_toy import ARENA, RADIUS, Toy, box, make_toy, random_blocks, random_toy

from npc_sdk.geometry import build_map, path_field
from npc_sdk.objectives.terms import DEFAULT_TERMS, TermSet, named_term
from npc_sdk.planner.fields import FieldBook, Goals, MapWays, flank_places, search_places
from npc_sdk.planner.motion import follow, follow_by_steps, shape, shape_by_steps
from npc_sdk.planner.plan import Candidates, Plan, choose, leading_term, plan, reweigh, shift
from npc_sdk.planner.problem import PlannerConfig, Problem
from npc_sdk.planner.proposals import FAMILIES, STRUCTURED, draw, noise_pool
from npc_sdk.planner.score import objective, ranking, steps_over
from npc_sdk.world.forecast import Decision, Imagined, Memory, Mode

CONFIG = PlannerConfig()


def solve(toy: Toy, problem: Problem | None = None, config: PlannerConfig = CONFIG, **more: object) -> Plan:
    return plan(toy.forecast, toy.memory, toy.scene, problem or toy.problem, config, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def toy() -> Toy:
    return random_toy(7)


# The plan and its parts.


def test_explain_parts_sum_to_the_objective(toy: Toy) -> None:
    result = solve(toy)
    torch.testing.assert_close(result.parts().sum(-1), result.objective, rtol=1e-13, atol=1e-12)
    assert result.objective.dtype == torch.float64


def test_every_structured_family_keeps_a_seat_among_the_verified(toy: Toy) -> None:
    for rank in ("duet", "factored"):
        result = solve(toy, config=replace(CONFIG, rank=rank))
        for families in result.families:
            assert families[:STRUCTURED] == list(FAMILIES[:STRUCTURED])
            assert len(families) == STRUCTURED + CONFIG.elites


def test_chosen_plan_is_the_best_feasible_one_and_moves_belong_to_it(toy: Toy) -> None:
    result = solve(toy)
    for n in range(len(result.chosen)):
        J = result.objective[n].masked_fill(~result.feasible[n], torch.inf)
        if result.feasible[n].any():
            assert result.objective[n, result.chosen[n]] == J.min()
        torch.testing.assert_close(result.moves[n], result.verified.moves[n, result.chosen[n]])
        other = result.families[n]
        assert other[result.runner_up[n]] != other[result.chosen[n]]


def test_plans_keep_the_declared_limits(toy: Toy) -> None:
    moves = solve(toy).verified.moves
    start = toy.scene.pose[toy.problem.scene_index, toy.problem.slot, 2:]
    before = torch.cat([start[:, None, None].expand(-1, moves.shape[1], 1, -1), moves[:, :, :-1]], 2)
    assert moves.norm(dim=-1).max() <= 4.0 + 1e-4
    assert (moves - before).norm(dim=-1).max() <= 1.6 + 1e-4


def test_many_npcs_are_planned_in_pieces_with_the_same_result() -> None:
    toy = random_toy(11, scenes=8)
    whole = solve(toy)
    pieces = solve(toy, config=replace(CONFIG, rows=5 * CONFIG.candidates))
    torch.testing.assert_close(pieces.moves, whole.moves)
    torch.testing.assert_close(pieces.objective, whole.objective)
    assert pieces.complete


def test_same_input_same_plan(toy: Toy) -> None:
    assert torch.equal(solve(toy).moves, solve(toy).moves)


# Reaching places.


def test_an_npc_walks_round_a_box_to_the_player() -> None:
    toy = make_toy(
        npcs=np.array([[[-5.0, 0, 0, 0]]]), player=np.array([[5.0, 0, 0, 0]]), blocks=[[box(0, 0, 1.0, 3.0)]]
    )
    pose = toy.scene.pose.clone()
    problem = toy.with_weights(approach=1.0)
    elites = problem.elites
    walked = []
    for tick in range(40):
        scene = replace(toy.scene, pose=pose)
        result = plan(
            toy.forecast, toy.memory, scene, replace(problem, tick=problem.tick + tick, elites=elites), CONFIG
        )
        step = result.moves[:, 0]
        pose[:, 1, :2] += 0.1 * step
        pose[:, 1, 2:] = step
        elites = shift(result.elites, torch.ones(1, CONFIG.kept, dtype=torch.long))
        committed = torch.zeros_like(problem.committed)
        committed[0, 1] = shift(result.moves, torch.ones(1, dtype=torch.long))[0]
        problem = replace(problem, committed=committed, planned=torch.ones(1, dtype=torch.bool))
        walked.append(pose[0, 1, :2].clone())
    path = torch.stack(walked)
    assert (path[-1] - torch.tensor([5.0, 0.0])).norm() < 1.0
    clearance = toy.tables[0].sdf.sample(path.numpy())
    assert clearance.min() > RADIUS - 0.08
    assert len(walked) * 0.1 * 4.0 < 1.35 * 12.0  # no detour: about 12 m of way


def test_families_do_what_their_names_say() -> None:
    toy = make_toy(
        npcs=np.array([[[-6.0, -3, 0, 0], [-6.0, 3, 0, 0]]]),
        player=np.array([[4.0, 0, 0, 0]]),
        facing=np.array([np.pi]),
        blocks=[[box(-1, 0, 0.5, 2.0)]],
    )
    result = solve(toy)
    families = result.families[0]

    def final(name: str) -> torch.Tensor:
        return result.verified.own[0, families.index(name), -1, :2]

    start, player = torch.tensor([-6.0, -3.0]), torch.tensor([4.0, 0.0])
    assert (final("hold") - start).norm() < 0.1
    assert (final("seek") - player).norm() < 4.0
    assert final("flank_left")[1] < final("flank_right")[1]  # the player faces west: its left is south
    assert (final("regroup") - start).norm() < 0.3  # it leads
    assert (final("home") - start).norm() < 0.3
    assert (final("evade") - player).norm() > (start - player).norm()
    hidden = toy.problem.fields.to("cover").at(final("cover")[None, None, None].expand(2, 1, 1, 2))
    assert hidden[0].item() < 0.4


def test_zero_weights_hold_still() -> None:
    toy = random_toy(2)
    result = solve(toy, toy.with_weights())
    safe = result.feasible[:, 0]
    assert (result.chosen[safe] == FAMILIES.index("hold")).all()
    assert safe.any()


# Feasible first.


def frozen(J: list[float], depth: list[float]) -> Candidates:
    n, s, h = 1, len(J), 3
    return Candidates(
        moves=torch.arange(s).float()[None, :, None, None].expand(n, s, h, 2),
        family=torch.arange(s)[None] % len(FAMILIES),
        features=torch.tensor(J)[None, :, None],
        breaches=torch.tensor(depth)[None, :, None],
        short=torch.zeros(n, s),
        own=torch.zeros(n, s, h, 4),
        player=torch.zeros(n, s, h, 6),
        spread=torch.zeros(n, s, h),
    )


@pytest.mark.parametrize(
    ("J", "depth", "expected"),
    [
        ([1.0, 2.0, 3.0], [0.5, 0.9, 0.2], 2),  # all infeasible: the least
        ([1.0, 2.0, 3.0], [0.5, 0.9, 0.0], 2),  # one feasible, and it is the dearest
        ([1.0, 3.0, 2.0], [0.3, 0.0, 0.0], 2),  # sample 0 is infeasible and best
        ([1.0, 3.0, 2.0], [0.01, 0.0, 0.02], 0),  # within the tolerance: all feasible
        ([2.0, 2.0, 2.0], [0.0, 0.0, 0.0], 0),  # a tie goes to the first
        ([3.0, 2.0, 1.0], [9.0, 9.01, 9.02], 2),  # about equally deep: the cheapest
    ],
)
def test_feasible_first_then_cheap(J: list[float], depth: list[float], expected: int) -> None:
    result = choose(frozen(J, depth), torch.ones(1, 1), ("only",), CONFIG)
    assert result.chosen.item() == expected
    assert result.runner_up.item() != expected


def test_ranking_equals_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    J = rng.integers(0, 6, (50, 20)).astype(float)
    depth, short = rng.choice([0.0, 0.01, 0.2, 0.7], (2, 50, 20))
    order = ranking(steps_over(torch.tensor(depth), torch.tensor(short), 0.05), torch.tensor(J))
    for n in range(50):
        expected = sorted(range(20), key=lambda i: (int(depth[n, i] / 0.05), int(short[n, i] / 0.05), J[n, i], i))
        assert order[n].tolist() == expected


def test_no_weight_makes_an_npc_plan_through_a_wall_or_off_its_leash() -> None:
    toy = make_toy(
        npcs=np.array([[[-5.0, 0, 0, 0], [-5, 4, 0, 0]]]),
        player=np.array([[5.0, 0, 0, 0]]),
        blocks=[[box(0, 0, 1.0, 9.0)]],
        leash=3.0,
        spacing=1.0,
    )
    result = solve(toy, toy.with_weights(approach=1e6, engage=1e4))
    chosen = result.verified.own[torch.arange(2), result.chosen][..., :2]
    home = toy.problem.home
    assert (chosen - home[:, None]).norm(dim=-1).max() <= 3.0 + CONFIG.tolerance
    assert toy.tables[0].sdf.sample(chosen.numpy()).min() >= RADIUS - CONFIG.tolerance - 0.02
    assert result.feasible[torch.arange(2), result.chosen].all()
    assert not result.feasible.all()  # the rules did rule something out


def test_spacing_is_kept_to_committed_plans() -> None:
    npcs = np.array([[[0.0, 0, 0, 0], [1.5, 0, 0, 0]]])
    toy = make_toy(npcs=npcs, player=np.array([[8.0, 0, 0, 0]]), spacing=1.0)
    result = solve(toy, toy.with_weights(approach=10.0))
    mine = result.verified.own[0, result.chosen[0], :, :2]
    assert (mine - torch.tensor([1.5, 0.0])).norm(dim=-1).min() >= 1.0 - CONFIG.tolerance


# Steering.


def test_scaling_all_weights_changes_nothing(toy: Toy) -> None:
    first = solve(toy)
    for factor in (0.25, 8.0, 37.0):
        scaled = solve(toy, replace(toy.problem, weights=toy.problem.weights * factor))
        torch.testing.assert_close(scaled.moves, first.moves, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(scaled.objective, first.objective * factor, rtol=1e-3, atol=1e-3)


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(0, 5), st.floats(0, 8), st.floats(0.01, 8))
def test_on_frozen_candidates_a_feature_never_rises_with_its_weight(
    seed: int, index: int, weight: float, more: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, s, M = 40, 25, 6
    features = torch.rand(n, s, M, generator=generator)
    depth = torch.rand(n, s, 1, generator=generator) * (torch.rand(n, s, 1, generator=generator) > 0.7)
    pool = Candidates(
        moves=torch.zeros(n, s, 3, 2),
        family=torch.zeros(n, s, dtype=torch.long),
        features=features,
        breaches=depth,
        short=torch.zeros(n, s),
        own=torch.zeros(n, s, 3, 4),
        player=torch.zeros(n, s, 3, 6),
        spread=torch.zeros(n, s, 3),
    )
    weights = torch.rand(n, M, generator=generator, dtype=torch.float64) * 4
    low, high = weights.clone(), weights.clone()
    low[:, index], high[:, index] = weight, weight + more
    names = tuple("abcdef")
    before, after = choose(pool, low, names, CONFIG), choose(pool, high, names, CONFIG)
    row = torch.arange(n)
    assert (features[row, after.chosen, index] <= features[row, before.chosen, index] + 1e-6).all()


def test_reweighing_chooses_among_the_same_candidates(toy: Toy) -> None:
    result = solve(toy)
    weights = toy.with_weights(effort=100.0).weights
    again = reweigh(result, weights, CONFIG)
    assert again.verified is result.verified
    row = torch.arange(len(again.chosen))
    column = result.names.index("effort")
    speed = again.verified.features[..., column].masked_fill(~again.feasible, torch.inf).amin(1)
    fit = again.feasible.any(1)
    torch.testing.assert_close(again.verified.features[row, again.chosen, column][fit], speed[fit])


def test_noise_depends_on_seed_npc_and_tick_but_not_on_weights_or_company() -> None:
    ids, ticks = torch.tensor([101, 102, 103]), torch.tensor([5, 5, 6])
    noise = draw(ids, ticks, 10, 0, CONFIG)
    torch.testing.assert_close(draw(ids[1:], ticks[1:], 10, 0, CONFIG), noise[1:])
    assert not torch.allclose(draw(ids, ticks + 1, 10, 0, CONFIG), noise)
    assert not torch.allclose(draw(ids, ticks, 10, 0, replace(CONFIG, seed=1)), noise)
    assert not torch.allclose(draw(ids, ticks, 10, 1, CONFIG), noise)
    flat = noise.reshape(30, -1)
    assert (flat[:, None] - flat[None]).abs().sum(-1).eq(0).sum() == 30  # all different


@pytest.mark.parametrize("seed", [30_020, 2**31 + 1, 10**12])
def test_a_seed_may_be_as_large_as_it_likes(seed: int) -> None:
    ids, ticks = torch.tensor([101, 102]), torch.tensor([7, 7])
    noise = draw(ids, ticks, 10, 0, replace(CONFIG, seed=seed))
    assert not torch.allclose(noise, draw(ids, ticks, 10, 0, replace(CONFIG, seed=seed + 1)))


def test_noise_has_unit_variance_and_its_colour() -> None:
    pool = noise_pool(20, 2.0, torch.device("cpu"))
    assert pool.std().item() == pytest.approx(1.0, abs=0.01)
    power = torch.fft.rfft(pool, dim=1).abs().square().mean((0, 2))
    slope = np.polyfit(np.log(np.arange(1, 10)), np.log(power[1:10].numpy()), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.2)


def test_a_new_term_works_at_once(toy: Toy) -> None:
    terms = DEFAULT_TERMS.with_term(named_term("north = relu(player.y + 4 - self.y)"))
    weights = torch.zeros(len(toy.problem.ids), len(terms.names))
    off = solve(toy, replace(toy.problem, terms=terms, weights=weights))
    weights = weights.clone()
    weights[:, -1] = 4.0
    on = solve(toy, replace(toy.problem, terms=terms, weights=weights))
    row = torch.arange(len(weights))
    north = on.verified.features[row, on.chosen, -1] - off.verified.features[row, off.chosen, -1]
    assert north.mean() < -0.5


@pytest.mark.parametrize(
    "name", ["approach", "exposure", "los", "flank", "cover", "spacing", "danger", "home", "effort"]
)
def test_each_wish_moves_its_own_feature(name: str) -> None:
    low = high = 0.0
    for seed in (1, 2, 3):
        toy = random_toy(seed)
        base = toy.problem.weights
        column = toy.problem.terms.index(name)
        for weight in (0.0, 8.0):
            weights = base.clone()
            weights[:, column] = weight
            result = solve(toy, replace(toy.problem, weights=weights))
            row = torch.arange(len(base))
            value = result.verified.features[row, result.chosen, column].mean().item()
            low, high = (low + value, high) if weight == 0 else (low, high + value)
    assert high < low


def test_leading_term_speaks_loudest_against_the_runner_up(toy: Toy) -> None:
    result = solve(toy)
    leading = leading_term(result)
    parts = result.parts()
    for n in range(len(leading)):
        lead = parts[n, result.runner_up[n]] - parts[n, result.chosen[n]]
        if leading[n] >= 0:
            assert lead[leading[n]] == lead.max()
        else:
            assert lead.max() <= 0
    none = replace(result, verified=replace(result.verified, features=result.verified.features[..., :0]))
    assert (leading_term(replace(none, weights=result.weights[:, :0], names=())) == -1).all()


# Time.


class Clock:
    """Says late from the k-th question on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("questions", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("rank", ["duet", "factored"])
def test_a_deadline_always_leaves_a_plan(toy: Toy, questions: int, rank: str) -> None:
    result = solve(toy, config=replace(CONFIG, rank=rank, iterations=2), late=Clock(questions))
    assert torch.isfinite(result.moves).all()
    assert result.complete == (questions >= 4)
    assert result.objective.shape[1] >= STRUCTURED
    torch.testing.assert_close(result.parts().sum(-1), result.objective)


def test_a_deadline_in_the_middle_of_many_npcs_leaves_a_plan_for_all() -> None:
    toy = random_toy(11, scenes=4)
    result = solve(toy, config=replace(CONFIG, rows=4 * CONFIG.candidates), late=Clock(4))
    assert result.moves.shape == (16, 20, 2)
    assert not result.complete
    torch.testing.assert_close(result.parts().sum(-1), result.objective)


def test_the_blend_is_tried_at_the_next_decision(toy: Toy) -> None:
    result = solve(toy)
    assert result.elites.shape[1] == CONFIG.kept
    order = ranking(result.verified.steps(CONFIG), result.objective)
    row = torch.arange(len(order))[:, None]
    torch.testing.assert_close(result.elites[:, :-1], result.verified.moves[row, order[:, : CONFIG.kept - 1]])
    assert not torch.isclose(result.elites[:, -1:], result.verified.moves).all(-1).all(-1).any()


@pytest.mark.parametrize("method", ["mppi", "cem"])
def test_more_iterations_find_no_worse_plans(method: str) -> None:
    toy = random_toy(21)
    values = []
    for iterations in (0, 1, 3):
        result = solve(toy, config=replace(CONFIG, method=method, iterations=iterations))
        row = torch.arange(len(result.chosen))
        assert result.feasible[row, result.chosen].any()
        values.append(result.objective[row, result.chosen][result.feasible[row, result.chosen]].mean().item())
    assert values[2] <= values[1] + 1e-6 <= values[0] + 2e-6


# What the planner is given.


class Probe:
    """A forecast that notes which modes it is asked for."""

    def __init__(self, toy: Toy) -> None:
        self.inner, self.asked = toy.forecast, []

    def start(self, b: int, e: int) -> Memory:
        return self.inner.start(b, e)

    def filter(self, memory: Memory, scene: object) -> Memory:
        return self.inner.filter(memory, scene)  # type: ignore[arg-type]

    def imagine(self, memory: Memory, scene: object, decision: Decision, mode: Mode) -> Imagined:
        self.asked.append((mode, decision.moves.shape[1]))
        return self.inner.imagine(memory, scene, decision, mode)  # type: ignore[arg-type]


def test_elites_are_verified_in_the_verifying_roll_out(toy: Toy) -> None:
    probe = Probe(toy)
    plan(probe, toy.memory, toy.scene, toy.problem, replace(CONFIG, rank="factored"))  # type: ignore[arg-type]
    assert probe.asked == [("factored", 32), ("duet", STRUCTURED + CONFIG.elites)]


def test_the_projection_sees_only_the_verified_and_what_it_returns_is_what_counts(toy: Toy) -> None:
    def halved(problem: Problem, moves: torch.Tensor) -> torch.Tensor:
        assert moves.shape[1] == STRUCTURED + CONFIG.elites
        return moves * 0.5

    result = solve(toy, projection=halved)
    assert result.verified.moves.norm(dim=-1).max() <= 2.0 + 1e-4
    torch.testing.assert_close(result.verified.own[..., 2:], result.verified.moves)


def test_committed_plans_of_squad_mates_count() -> None:
    npcs = np.array([[[0.0, 0, 0, 0], [6.0, 0.0, 0, 0]]])
    toy = make_toy(npcs=npcs, player=np.array([[11.0, 11, 0, 0]]))
    problem = toy.with_weights(spacing=1.0)
    still = solve(toy, problem)
    assert still.chosen[0].item() == FAMILIES.index("hold")
    coming = problem.committed.clone()
    coming[0, 2, :, 0] = -4.0
    warned = solve(toy, replace(problem, committed=coming))
    assert warned.chosen[0].item() != FAMILIES.index("hold")


def test_shift_drops_what_has_passed() -> None:
    moves = torch.arange(8.0).reshape(1, 4, 2)
    torch.testing.assert_close(shift(moves, torch.tensor([1]))[0, :, 0], torch.tensor([2.0, 4.0, 6.0, 6.0]))
    torch.testing.assert_close(shift(moves, torch.tensor([9]))[0, :, 0], torch.full((4,), 6.0))


def test_shaping_leaves_what_is_possible_alone() -> None:
    toy = make_toy(npcs=np.array([[[0.0, 0, 1, 0]]]), player=np.array([[8.0, 0, 0, 0]]))
    wished = torch.tensor([1.0, 0.5]).expand(1, 3, 20, 2).clone()
    free = toy.problem.bounds.free
    start = toy.scene.pose[:, 1]
    torch.testing.assert_close(shape(free, toy.problem.bounds.body, 0.1, start, wished), wished)


def test_shaped_plans_brake_before_walls() -> None:
    toy = make_toy(
        npcs=np.array([[[-6.0, 0, 4.0, 0]]]), player=np.array([[8.0, 0, 0, 0]]), blocks=[[box(0, 0, 1.0, 5.0)]]
    )
    wished = torch.tensor([4.0, 0.0]).expand(1, 1, 20, 2)
    moves = shape(toy.problem.bounds.free, toy.problem.bounds.body, 0.1, toy.scene.pose[:, 1], wished)
    final = -6.0 + 0.1 * moves[0, 0, :, 0].cumsum(0)
    assert final.max() <= -1.0 - RADIUS + 0.02
    assert final[-1] > -1.7


# Walking distances.


@pytest.mark.parametrize("seed", [0, 4, 9])
def test_ways_agree_with_a_grid_search(seed: int) -> None:
    tables = build_map(random_blocks(seed), ARENA, RADIUS)
    ways = MapWays(tables)
    spot = ways.spot(np.array([[3.0, -2.0]]))
    way = ways.way(int(spot[0]))
    columns = tables.walkable.shape[1]
    goal = np.array([[spot[0] % columns, spot[0] // columns]]) * 0.5 - 12.0
    grid = path_field(~tables.walkable, 0.5, goal, origin=(-12.0, -12.0))[0]
    reached = tables.walkable & (grid < 500)
    ratio = way[reached] / np.maximum(grid[reached], 1e-6)
    assert np.quantile(ratio[grid[reached] > 1], 0.02) > 0.88  # eight directions overrate slanted ways by 8 %
    assert np.quantile(ratio[grid[reached] > 1], 0.98) < 1.15
    assert (way < 1000).mean() > 0.99


def test_fields_share_planes_and_are_kept() -> None:
    tables = build_map(random_blocks(1), ARENA, RADIUS)
    book = FieldBook([tables], torch.device("cpu"))
    n = 4
    goals = Goals(
        map=np.zeros(n, np.int64),
        player=np.zeros((n, 2)),
        facing=np.zeros(n),
        own=np.full((n, 2), 5.0),
        leader=np.zeros((n, 2)),
        home=np.zeros((n, 2)),
        lost=np.zeros(n, np.bool_),
        age=np.zeros(n),
        ids=np.arange(n),
    )
    fields = book.fields(goals)
    assert fields.grids.values.shape[0] == 4  # player (also search, regroup, home), two flanks, cover
    torch.testing.assert_close(book.fields(goals).grids.values, fields.grids.values)


def test_flank_places_lie_out_of_the_view_cone_and_searches_fan_out() -> None:
    n = 8
    goals = Goals(
        map=np.zeros(n, np.int64),
        player=np.zeros((n, 2)),
        facing=np.linspace(-3, 3, n),
        own=np.full((n, 2), 5.0),
        leader=np.zeros((n, 2)),
        home=np.zeros((n, 2)),
        lost=np.ones(n, np.bool_),
        age=np.full(n, 4.0),
        ids=np.arange(n),
    )
    for side in (1.0, -1.0):
        places = flank_places(goals, side)
        angle = np.arctan2(places[:, 1], places[:, 0]) - goals.facing
        off = np.abs((angle + np.pi) % (2 * np.pi) - np.pi)
        assert (off > np.pi / 3).all()
    near, later = search_places(goals), search_places(replace(goals, age=np.full(n, 13.0)))
    assert np.linalg.norm(later, axis=1).mean() > np.linalg.norm(near, axis=1).mean()
    turns = np.sort(np.arctan2(near[:, 1], near[:, 0]))
    assert np.diff(turns).min() > 0.2


def test_maps_of_different_sizes_are_refused() -> None:
    small = build_map([], (0.0, 0.0, 6.0, 6.0), RADIUS)
    with pytest.raises(ValueError, match="one size"):
        FieldBook([small, build_map([], ARENA, RADIUS)], torch.device("cpu"))


def test_objective_is_linear_in_weights() -> None:
    features = torch.rand(3, 5, 4)
    weights = torch.rand(3, 4)
    torch.testing.assert_close(
        objective(features, weights), torch.einsum("nsm,nm->ns", features.double(), weights.double())
    )
    assert TermSet(()).names == ()


def test_the_kernels_shape_and_walk_as_the_steps_do() -> None:
    toy = make_toy(
        npcs=np.array([[[-6.0, 0, 4.0, 0], [5.0, 4.0, 0.0, -2.0]]]),
        player=np.array([[8.0, 0, 0, 0]]),
        blocks=[[box(0, 0, 1.0, 5.0)]],
    )
    start, body = toy.scene.pose[0, 1:3], toy.problem.bounds.body
    wished = torch.randn(2, 9, 20, 2, generator=torch.Generator().manual_seed(3)) * 4
    free = toy.problem.bounds.free
    shaped = shape(free, body, 0.1, start, wished)
    torch.testing.assert_close(shaped, shape_by_steps(free, body, 0.1, start, wished), atol=2e-3, rtol=1e-3)
    ways = [toy.problem.fields.to(goal) for goal in ("player", "home")]
    plane = torch.stack([way.index for way in ways], 1)
    walked = follow(body, 0.1, start, ways, 20, 0.5)
    torch.testing.assert_close(
        walked, follow_by_steps(body, 0.1, start, ways[0].grids, plane, 20, 0.5), atol=2e-3, rtol=1e-3
    )
    assert walked.abs().max() > 1.0
