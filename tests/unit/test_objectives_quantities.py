"""Every quantity against a plain reference, one point at a time in float64."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from planner_toy import Toy, box, make_toy, random_toy

from npc_sdk.errors import InputError
from npc_sdk.geometry import line_of_sight
from npc_sdk.objectives.features import features
from npc_sdk.objectives.norms import NORM, WORST
from npc_sdk.objectives.quantities import Quantities
from npc_sdk.objectives.situation import Situation
from npc_sdk.objectives.terms import DEFAULT_TERMS, NORMS, TermSet, named_term, term
from npc_sdk.objectives.vocabulary import QUANTITIES
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.planner.score import situation
from npc_sdk.world.forecast import Decision

SCENES, SQUAD, CANDIDATES, STEPS = 3, 3, 4, 20
CONFIG = PlannerConfig()


def imagined(toy: Toy) -> Situation:
    generator = torch.Generator().manual_seed(5)
    n = len(toy.problem.ids)
    moves = torch.randn(n, CANDIDATES, STEPS, 2, generator=generator) * 2
    decision = Decision(toy.problem.scene_index, toy.problem.slot, moves, toy.problem.committed)
    return situation(
        toy.problem, toy.scene, toy.memory, toy.forecast.imagine(toy.memory, toy.scene, decision, "duet"), CONFIG
    )


@pytest.fixture(scope="module")
def toy() -> Toy:
    made = random_toy(3, SCENES, SQUAD)
    made.problem.committed[:, 1:4] = torch.tensor([1.0, -0.5])
    made.problem.planned[::2] = True
    return made


@pytest.fixture(scope="module")
def known(toy: Toy) -> Situation:
    return imagined(toy)


class Point:
    """One NPC, candidate and step of the toy, read back into plain numbers."""

    def __init__(self, toy: Toy, known: Situation, n: int, s: int, k: int) -> None:
        self.x, self.y, self.vx, self.vy = known.own[n, s, k].tolist()
        self.px, self.py, self.pvx, self.pvy, self.fx, self.fy = known.player[n, s, k].tolist()
        self.npc, self.time = n, 0.1 * (k + 1)
        self.before = known.start[n, 2:].tolist() if k == 0 else known.own[n, s, k - 1, 2:].tolist()
        self.scene, self.me = divmod(n, SQUAD)
        self.home = known.start[n, :2].tolist()  # the toy's NPCs start at home
        pose = toy.scene.pose[self.scene].tolist()
        self.squad = [
            (pose[1 + i][0] + 1.0 * self.time, pose[1 + i][1] - 0.5 * self.time) for i in range(SQUAD)
        ]  # where all members are committed to be
        self.mates = [place for i, place in enumerate(self.squad) if i != self.me]
        self.grenade = pose[1 + SQUAD][:2]
        self.tables = toy.tables[self.scene]
        self.planned = bool(toy.problem.planned[n])

    def gap(self, place: tuple[float, float] | list[float]) -> float:
        return math.hypot(self.x - place[0], self.y - place[1])

    def bearing(self, place: tuple[float, float]) -> float:
        return math.atan2(place[1] - self.py, place[0] - self.px)


def apart(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def danger(p: Point) -> float:
    left = 1.2 - (p.time - 0.1)
    depth = min(1.0, max(0.0, (3.7 - p.gap(p.grenade)) / 3.7))
    return depth * math.exp(-left) if left > 1e-5 else 0.0


def middle(p: Point) -> tuple[float, float]:
    return (sum(m[0] for m in p.mates) / len(p.mates), sum(m[1] for m in p.mates) / len(p.mates))


REFERENCE = {
    "self.x": lambda p: p.x,
    "self.y": lambda p: p.y,
    "self.vx": lambda p: p.vx,
    "self.vy": lambda p: p.vy,
    "self.speed": lambda p: math.hypot(p.vx, p.vy),
    "self.acceleration": lambda p: math.hypot(p.vx - p.before[0], p.vy - p.before[1]) / 0.1,
    "self.wall": lambda p: float(p.tables.sdf.sample(np.array([p.x, p.y]))),
    "self.health": lambda p: 1.0,
    "self.ammo": lambda p: 0.0,
    "player.x": lambda p: p.px,
    "player.y": lambda p: p.py,
    "player.vx": lambda p: p.pvx,
    "player.vy": lambda p: p.pvy,
    "player.speed": lambda p: math.hypot(p.pvx, p.pvy),
    "player.distance": lambda p: p.gap([p.px, p.py]),
    "player.bearing_angle": lambda p: apart(p.bearing((p.x, p.y)), math.atan2(p.fy, p.fx)),
    "player.unseen": lambda p: 0.0,
    "player.age": lambda p: 0.0,
    "player.cleared": lambda p: 0.0,
    "leader.x": lambda p: p.squad[0][0] if p.me else p.home[0],
    "leader.y": lambda p: p.squad[0][1] if p.me else p.home[1],
    "leader.distance": lambda p: p.gap(p.squad[0]) if p.me else 0.0,
    "home.distance": lambda p: p.gap(p.home),
    "ally.distance": lambda p: min(p.gap(m) for m in p.mates),
    "ally.bearing_gap": lambda p: min(apart(p.bearing((p.x, p.y)), p.bearing(m)) for m in p.mates),
    "squad.distance": lambda p: p.gap(middle(p)),
    "danger": danger,
    "plan.change": lambda p: p.gap([p.home[0] + p.time, p.home[1] - 0.5 * p.time]) * p.planned,
    "time": lambda p: p.time,
}
LOOKED_UP = {
    "player.los",
    "player.sees_me",
    "player.path",
    "search.path",
    "home.path",
    "cover.distance",
}  # tested below
FORECAST = {"player.spread", "event.hit_taken", "event.hit_dealt", "event.player_fires"}  # passed through


@pytest.mark.parametrize("name", REFERENCE)
def test_quantity_equals_its_definition(name: str, toy: Toy, known: Situation) -> None:
    shape = known.own.shape[:3]
    value = Quantities(known)(name).expand(shape)
    for n in range(shape[0]):
        for s in range(shape[1]):
            for k in range(0, shape[2], 3):
                expected = REFERENCE[name](Point(toy, known, n, s, k))
                assert value[n, s, k].item() == pytest.approx(expected, abs=2e-3), (n, s, k)


def test_every_name_in_the_vocabulary_is_computed_and_covered(known: Situation) -> None:
    assert set(REFERENCE) | LOOKED_UP | FORECAST == set(QUANTITIES)
    compute = Quantities(known)
    for name in QUANTITIES:
        assert torch.isfinite(compute(name).expand(known.own.shape[:3])).all(), name
    with pytest.raises(InputError, match=r"did you mean 'player.distance'"):
        compute("player.distanc")


def test_soft_sight_agrees_with_exact_segments(toy: Toy, known: Situation) -> None:
    value = Quantities(known)("player.los")
    right = total = 0
    for n in range(len(toy.problem.ids)):
        tables = toy.tables[n // SQUAD]
        own, player = known.own[n, ..., :2].numpy(), known.player[n, ..., :2].numpy()
        outside = (tables.sdf.sample(own) > 0.2) & (tables.sdf.sample(player) > 0.2)  # nobody stands in a wall
        exact = line_of_sight(own.astype(np.float64), player.astype(np.float64), tables.opaque_edges)
        right += int(((value[n].numpy() > 0.5) == exact)[outside].sum())
        total += int(outside.sum())
    assert right / total > 0.95


def test_a_wall_hides_and_open_ground_does_not() -> None:
    toy = make_toy(
        npcs=np.array([[[-4.0, 0, 0, 0], [-4.0, 6, 0, 0]]]),
        player=np.array([[4.0, 0, 0, 0]]),
        facing=np.array([math.pi]),
        blocks=[[box(0, 0, 0.3, 2.0)]],
    )
    still = torch.zeros(2, 1, STEPS, 2)
    decision = Decision(toy.problem.scene_index, toy.problem.slot, still, toy.problem.committed)
    future = toy.forecast.imagine(toy.memory, toy.scene, decision, "duet")
    compute = Quantities(situation(toy.problem, toy.scene, toy.memory, future, CONFIG))
    torch.testing.assert_close(compute("player.los")[:, 0, 0], torch.tensor([0.0, 1.0]))
    assert compute("player.sees_me")[0, 0, 0] < 0.01
    assert compute("player.sees_me")[1, 0, 0] > 0.99
    assert compute("cover.distance")[0, 0, 0] < 0.05
    assert 1.4 < compute("cover.distance")[1, 0, 0] < 2.1  # the edge of the shadow is 1.5 m away
    # Around the wall's upper end: two legs of hypot(4, 2.55), a little more for the corner's clearance.
    assert 8.9 < compute("player.path")[0, 0, 0] < 10.2
    assert compute("player.path")[1, 0, 0] == pytest.approx(10.0, abs=0.4)


def test_walking_distance_is_never_shorter_than_the_straight_line(toy: Toy, known: Situation) -> None:
    compute = Quantities(known)
    assert (compute("player.path") >= compute("player.distance") - 1e-4).all()


@pytest.mark.parametrize("name", NORMS)
def test_norms_are_zero_at_zero_one_at_one_and_grow(name: str) -> None:
    x = torch.linspace(0, 20, 401, dtype=torch.float64)
    y = NORM[name](x)
    assert y[0].item() == 0.0
    assert NORM[name](torch.ones(1, dtype=torch.float64)).item() == pytest.approx(1.0)
    assert (y.diff() > 0).all()
    expected = {
        "linear": np.abs,
        "quadratic": np.square,
        "smooth": lambda v: (np.sqrt(v * v + 1) - 1) / (np.sqrt(2) - 1),
        "bounded": lambda v: 5 * np.abs(v) / (4 + np.abs(v)),
        "signed": lambda v: v,
    }[name]
    v = np.linspace(-9, 9, 73)
    np.testing.assert_allclose(NORM[name](torch.from_numpy(v)).numpy(), expected(v), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_norms_have_the_slope_of_finite_differences(name: str) -> None:
    x = torch.tensor([-2.3, -0.4, 0.7, 3.1], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(NORM[name](x).sum(), x)
    step = 1e-6
    with torch.no_grad():
        differences = (NORM[name](x + step) - NORM[name](x - step)) / (2 * step)
    torch.testing.assert_close(slope, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("patience", [0.7, math.inf])
def test_features_are_means_over_the_steps_of_which_early_ones_count_most(known: Situation, patience: float) -> None:
    terms = TermSet((term("far", "player.distance - 7", unit=2.0), named_term("north = relu(player.y + 4 - self.y)")))
    value = features(dataclasses.replace(known, patience=patience), terms)
    gap = (known.own[..., :2] - known.player[..., :2]).norm(dim=-1)
    counts = torch.tensor([math.exp(-0.1 * k / patience) for k in range(STEPS)])
    share = counts / counts.sum()
    torch.testing.assert_close(value[..., 0], ((gap - 7).abs() / 2 * share).sum(-1))
    north = (known.player[..., 1] + 4 - known.own[..., 1]).clamp_min(0)
    torch.testing.assert_close(value[..., 1], (north * share).sum(-1))


def test_the_planner_looks_ahead_with_patience(known: Situation) -> None:
    assert known.patience == CONFIG.patience < 1.0


def test_what_is_not_a_number_costs_much_but_stays_a_number(known: Situation) -> None:
    terms = TermSet((term("bad", "1 / (self.x - self.x)"), term("worse", "log(0 - 1) + self.x"), term("ok", "3")))
    value = features(known, terms)
    assert (value[..., 0] == WORST).all()
    assert (value[..., 1] == WORST).all()
    torch.testing.assert_close(value[..., 2], torch.full_like(value[..., 2], 3.0))


def test_no_terms_make_no_features(known: Situation) -> None:
    assert features(known, TermSet(())).shape == (*known.own.shape[:2], 0)


def test_there_are_at_least_twelve_terms_each_with_a_metric_of_its_own() -> None:
    assert len(DEFAULT_TERMS.terms) >= 12
    assert len({t.metric for t in DEFAULT_TERMS.terms}) == len(DEFAULT_TERMS.terms)
    assert all(t.doc and t.unit > 0 and t.unit_name for t in DEFAULT_TERMS.terms)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "not a name", "text": "1"}, "term name"),
        ({"name": "a", "text": "1", "unit": 0.0}, "unit > 0"),
        ({"name": "a", "text": "1", "unit": math.inf}, "unit > 0"),
        ({"name": "a", "text": "1", "norm": "lineer"}, "did you mean 'linear'"),
        ({"name": "a", "text": "1", "default": -1.0}, "default weight"),
        ({"name": "a", "text": "bogus"}, "unknown quantity"),
    ],
)
def test_a_wrong_term_says_what_was_expected(arguments: dict, message: str) -> None:
    text = arguments.pop("text")
    with pytest.raises(InputError, match=message):
        term(arguments.pop("name"), text, **arguments)


def test_term_sets_grow_replace_and_look_up_by_name() -> None:
    north = named_term("north = relu(player.y + 4 - self.y)")
    more = DEFAULT_TERMS.with_term(north)
    assert more.names == (*DEFAULT_TERMS.names, "north")
    assert more.index("north") == len(DEFAULT_TERMS.names)
    assert more.with_term(named_term("north = self.y", unit=2.0)).terms[-1].unit == 2.0
    assert more.with_units({"north": 3.0}).terms[-1].unit == 3.0
    assert {"player.y", "self.y"} <= more.quantities
    with pytest.raises(InputError, match="did you mean 'exposure'"):
        more.index("exposur")
    with pytest.raises(InputError, match="north"):
        TermSet((north, north))
    with pytest.raises(InputError, match="name = expression"):
        named_term("relu(self.y)")
