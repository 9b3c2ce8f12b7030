"""Plans are bent to the rules: an independent check of every step, and what the loops do beside what the steps do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from planner_toy import make_toy, random_toy

from npc_sdk.planner.motion import Body, Held, shape, shape_by_steps
from npc_sdk.planner.plan import plan
from npc_sdk.planner.problem import PlannerConfig

DT, SPEED, ACCELERATION = 0.1, 4.0, 14.5
Floats = NDArray[np.float64]


def held(n: int, **rules: torch.Tensor | int) -> Held:
    """Nothing binds but what is given."""
    far = torch.full((n,), torch.inf)
    none = Held(
        home=torch.zeros(n, 2),
        leash=far,
        turn=far,
        turn_above=far,
        planes=torch.zeros(n, 0, 3),
        steps=2,
        place=torch.zeros(n, 0, 2),
        pace=torch.zeros(n, 0, 2),
        distance=torch.zeros(n, 0),
        top_speed=torch.zeros(n, 0),
        near=torch.zeros(n, 0, dtype=torch.bool),
        age=torch.zeros(n),
        spare=0.02,
    )
    return replace(none, **rules)


def wild(n: int, seed: int, candidates: int = 48, steps: int = 20) -> torch.Tensor:
    """Plans of all sizes, half of them steady."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(n, candidates, 1, 2, generator=generator) * 5
    noise = torch.randn(n, candidates, steps, 2, generator=generator) * 4
    return drift + noise * (torch.arange(candidates) % 2)[None, :, None, None]


class Bent:
    """Plans bent in an empty place, and where each step and the brake after it lead, by arithmetic of its own."""

    def __init__(self, start: torch.Tensor, rules: Held, seed: int = 0) -> None:
        toy = make_toy(npcs=np.zeros((1, len(start), 4)), player=np.array([[50.0, 50.0, 0.0, 0.0]]))
        n = len(start)
        body = Body(torch.full((n,), SPEED), torch.full((n,), ACCELERATION))
        free = replace(toy.problem.bounds.free, index=torch.zeros(n, dtype=torch.long))
        wished = wild(n, seed)
        self.moves = shape(free, body, DT, start, wished, rules).double().numpy()
        self.plain = shape(free, body, DT, start, wished).double().numpy()
        self.steps = shape_by_steps(free, body, DT, start, wished, rules).double().numpy()
        self.start = start.double().numpy()

    def places(self, moves: Floats) -> Floats:
        """n s h+1 2: before each step and at the end."""
        here = np.repeat(self.start[:, None, None, :2], moves.shape[1], 1)
        return np.concatenate([here, here + np.cumsum(moves, 2) * DT], 2)

    def rests(self, moves: Floats) -> Floats:
        """n s h 2: where a body would rest that brakes after each step, tick by tick of 1/30 s."""
        place, velocity = self.places(moves)[:, :, 1:].copy(), moves.copy()
        for _ in range(40):
            speed = np.maximum(np.hypot(velocity[..., 0], velocity[..., 1]), 1e-12)
            velocity *= np.maximum(0.0, 1.0 - ACCELERATION / 30 / speed)[..., None]
            place += velocity / 30
        return place


def starts(n: int, seed: int, room: float, speed: float) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    angle, heading = rng.uniform(0, 2 * np.pi, (2, n))
    away, pace = room * np.sqrt(rng.random(n)), speed * rng.random(n)
    columns = [away * np.cos(angle), away * np.sin(angle), pace * np.cos(heading), pace * np.sin(heading)]
    return torch.tensor(np.stack(columns, 1), dtype=torch.float32)


def test_bent_plans_keep_speed_acceleration_and_leash() -> None:
    start = starts(12, 1, 2.0, 3.0)
    bent = Bent(start, held(12, leash=torch.full((12,), 3.5)))
    speed = np.hypot(bent.moves[..., 0], bent.moves[..., 1])
    assert speed.max() <= SPEED * (1 + 1e-5)
    before = np.concatenate([np.repeat(bent.start[:, None, None, 2:], 48, 1), bent.moves[:, :, :-1]], 2)
    change = np.hypot(*np.moveaxis(bent.moves - before, -1, 0))
    assert change.max() <= ACCELERATION * DT * (1 + 1e-4)
    away = np.hypot(*np.moveaxis(bent.rests(bent.moves), -1, 0))
    assert away.max() <= 3.5 + 1e-3
    assert np.hypot(*np.moveaxis(bent.rests(bent.plain), -1, 0)).max() > 8.0, "unbent plans leave it by far"
    assert speed.mean() > 0.5, "and plans are not merely stopped"


def test_bent_plans_stay_in_their_part_of_the_floor_for_as_long_as_it_binds() -> None:
    planes = torch.tensor([[[1.0, 0.0, 0.6], [0.0, -1.0, 0.5]]]).expand(8, -1, -1)
    bent = Bent(starts(8, 2, 0.3, 2.0) * torch.tensor([1.0, 1.0, 0.3, 0.3]), held(8, planes=planes))
    rest = bent.rests(bent.moves)[:, :, :2]
    assert rest[..., 0].max() <= 0.6 + 1e-3
    assert rest[..., 1].min() >= -0.5 - 1e-3
    assert bent.rests(bent.plain)[:, :, :2, 0].max() > 0.8
    assert bent.places(bent.moves)[..., 0].max() > 1.5, "later steps are free of it"


def test_bent_plans_turn_no_faster_than_their_limit() -> None:
    start = torch.tensor([[0.0, 0.0, 2.5, 0.0], [0.0, 0.0, -1.5, 2.0]])
    bent = Bent(start, held(2, turn=torch.full((2,), 2.0), turn_above=torch.full((2,), 1.0)))

    def turned(moves: Floats) -> Floats:
        before = np.concatenate([np.repeat(bent.start[:, None, None, 2:], 48, 1), moves[:, :, :-1]], 2)
        fast = (np.hypot(*np.moveaxis(before, -1, 0)) > 1.0) & (np.hypot(*np.moveaxis(moves, -1, 0)) > 1e-3)
        cross = before[..., 0] * moves[..., 1] - before[..., 1] * moves[..., 0]
        return np.abs(np.arctan2(cross, (before * moves).sum(-1)))[fast]

    assert turned(bent.moves).max() <= 2.0 * DT + 1e-3
    assert turned(bent.plain).max() > 0.5


@pytest.mark.parametrize("near", [False, True])
def test_no_step_of_a_bent_plan_is_worse_than_standing_wherever_the_other_goes(near: bool) -> None:
    """The worst other: at its declared speed, it is where it hurts most at the time of each piece of the way."""
    n, distance, pace = 10, 2.0, 1.5
    start = starts(n, 3, 1.0, 0.0) + torch.tensor([2.5 if not near else 1.0, 0.0, 0.0, 0.0])
    one = torch.ones(n, 1)
    rules = held(
        n,
        place=torch.zeros(n, 1, 2),
        pace=torch.zeros(n, 1, 2),
        distance=distance * one,
        top_speed=pace * one,
        near=torch.full((n, 1), near),
    )
    bent = Bent(start, rules)

    def worst(moves: Floats) -> Floats:
        """Margin of the first step and the brake after it, by ticks: far enough, or leading away from every place."""
        place, out = np.repeat(bent.start[:, None, :2], 48, 1), np.full(moves.shape[:2], np.inf)
        velocity = moves[:, :, 0].copy()
        for tick in range(1, 30):
            speed = np.hypot(velocity[..., 0], velocity[..., 1])
            step = velocity / 30
            heading = velocity / np.maximum(speed, 1e-12)[..., None]
            reach = pace * tick / 30
            if near:
                far = np.maximum(np.hypot(*np.moveaxis(place, -1, 0)), np.hypot(*np.moveaxis(place + step, -1, 0)))
                margin = np.maximum(distance - far, -(heading * (place + step)).sum(-1)) - reach
            else:
                part = np.clip(-(place * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12), 0, 1)
                closest = np.hypot(*np.moveaxis(place + part[..., None] * step, -1, 0))
                margin = np.maximum(closest - distance, (heading * place).sum(-1)) - reach
            out = np.where(speed > 1e-3, np.minimum(out, margin), out)
            place = place + step
            if tick >= 3:
                velocity = velocity * np.maximum(0.0, 1.0 - ACCELERATION / 30 / np.maximum(speed, 1e-12))[..., None]
        return out

    assert worst(bent.moves).min() >= 0.0
    assert worst(bent.plain).min() < -0.3
    assert np.hypot(*np.moveaxis(bent.moves[:, :, 0], -1, 0)).max() > 0.5, "some may move all the same"


def test_the_loops_bend_as_the_steps_do() -> None:
    n = 10
    one, generator = torch.ones(n, 1), torch.Generator().manual_seed(5)
    planes = torch.nn.functional.normalize(torch.randn(n, 3, 2, generator=generator), dim=-1)
    rules = held(
        n,
        leash=torch.linspace(2.5, 6.0, n),
        turn=torch.full((n,), 3.0),
        turn_above=torch.full((n,), 1.0),
        planes=torch.cat([planes, torch.ones(n, 3, 1)], -1),
        place=torch.randn(n, 1, 2, generator=generator) * 3,
        pace=torch.randn(n, 1, 2, generator=generator),
        distance=1.5 * one,
        top_speed=2.0 * one,
        near=(torch.arange(n) % 2 == 0)[:, None],
    )
    bent = Bent(starts(n, 4, 1.0, 2.0), rules)
    off = np.hypot(*np.moveaxis(bent.moves - bent.steps, -1, 0)).max(-1)
    assert (off < 2e-3).mean() > 0.97, "where a verdict hangs on the last bit, a plan may go another way"
    assert np.abs(bent.moves - bent.plain).max() > 1.0


def test_the_same_problem_is_bent_to_the_same_bytes() -> None:
    start, rules = starts(6, 7, 1.0, 2.0), held(6, leash=torch.full((6,), 3.0))
    assert Bent(start, rules).moves.tobytes() == Bent(start, rules).moves.tobytes()


def test_bending_wastes_fewer_candidates_than_ranking_and_pricing_may_choose_a_broken_rule() -> None:
    toy = random_toy(3, scenes=2, squad=4, leash=2.0)
    n = len(toy.problem.ids)
    rules = held(n, leash=torch.full((n,), 2.0), home=toy.problem.home)
    problem = replace(toy.with_weights(approach=1.0), bounds=replace(toy.problem.bounds, held=rules))
    wasted, feasible = {}, {}
    for how in ("project", "rank", "price"):
        result = plan(toy.forecast, toy.memory, toy.scene, problem, PlannerConfig(rules=how))
        wasted[how] = float(result.wasted.mean())
        feasible[how] = float(result.feasible[torch.arange(n), result.chosen].float().mean())
    assert wasted["project"] < 0.3 * wasted["rank"]
    assert feasible["project"] >= feasible["rank"] > feasible["price"]
    dear = plan(toy.forecast, toy.memory, toy.scene, problem, PlannerConfig(rules="price", price=1e4))
    assert float(dear.feasible[torch.arange(n), dear.chosen].float().mean()) > feasible["price"]
