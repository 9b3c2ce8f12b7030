"""What went wrong silently in other safety filters, as behaviour. docs/explanation/shield.md has the list.

Expectations are computed here, in float64 and from the definitions: a body that moves and then brakes, tick by tick.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from empty_square import square
from numpy.typing import NDArray

from npc_sdk.constraints import (
    KIND,
    AccelerationLimit,
    AllyDistance,
    AttackLimit,
    AttackTokens,
    Cooldown,
    FriendlyFire,
    KeepAway,
    KeepOut,
    Leash,
    Reserve,
    Rule,
    RuleTables,
    SpeedLimit,
    Splash,
    StayNear,
    TurnLimit,
    check_rules,
)
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body
from npc_sdk.shield import REASONS, Certified, Movers, Others, Outstanding, ShieldConfig, certify

ROOT = Path(__file__).resolve().parents[2]
DT, M = 1 / 30, 6
BODY = Body(4.0, 16.0, 16.0, 0.35)
PIT = ((2.0, -3.0), (5.0, -3.0), (3.5, 0.0), (5.0, 3.0), (2.0, 3.0))  # a notch on its far side
PLAYER = frozenset(["player"])
Floats = NDArray[np.float64]


@pytest.fixture(params=[False, True], ids=["defined", "compiled"])
def config(request: pytest.FixtureRequest) -> ShieldConfig:
    return ShieldConfig(compiled=request.param)


def tables_for(*rules: Rule, n: int = 1, body: Body = BODY) -> RuleTables:
    return square(rules, body, DT, 50.0, n)


def movers(position: Any, velocity: Any = None) -> Movers:
    place = np.array(position, float).reshape(-1, 2)
    pace = np.zeros_like(place) if velocity is None else np.array(velocity, float).reshape(-1, 2)
    return Movers(np.arange(101, 101 + len(place), dtype=np.uint32), place, pace)


def ask(tables: RuleTables, who: Movers, wish: Any, **more: Any) -> Certified:
    wishes = np.broadcast_to(np.array(wish, float), (len(who.ids), M, 2))
    return certify(who, tables, Outstanding(), wishes, **more)


def brake_of(velocity: Floats, brake: float) -> Floats:
    """One tick of braking."""
    speed = float(np.hypot(*velocity))
    return velocity * max(0.0, 1.0 - brake * DT / speed) if speed > 0.0 else velocity


def way_of(place: Floats, commands: Floats, brake: float) -> Floats:
    """Every hundredth of a tick of some commands and the brake after them."""
    here, pace, out = np.array(place, float), np.zeros(2), [np.array(place, float)[None]]
    queue = [np.array(command) for command in commands]
    while True:
        pace = queue.pop(0) if queue else brake_of(pace, brake)
        if not queue and not pace.any():
            return np.concatenate(out)
        out.append(here + np.linspace(0.01, 1.0, 100)[:, None] * pace * DT)
        here = here + pace * DT


def from_outline(points: Floats, corners: Any) -> Floats:
    """Signed distance from a polygon, positive outside."""
    ring = np.array(corners)
    start, way = ring, np.roll(ring, -1, 0) - ring
    gap = points[:, None] - start
    share = np.clip((gap * way).sum(-1) / (way * way).sum(-1), 0.0, 1.0)
    distance = np.hypot(*np.moveaxis(gap - share[..., None] * way, -1, 0)).min(1)
    ray = ring - points[:, None]
    following = np.roll(ray, -1, 1)
    turned = np.arctan2(
        ray[..., 0] * following[..., 1] - ray[..., 1] * following[..., 0], (ray * following).sum(-1)
    ).sum(1)
    return np.asarray(np.where(np.abs(turned) > np.pi, -distance, distance))


def test_an_answer_that_is_reported_good_is_good(config: ShieldConfig) -> None:
    """cbfkit #126: a solver that reports success while the barrier is negative."""
    rng, tables, good = np.random.default_rng(5), tables_for(KeepOut("pit", PIT)), 0
    for _ in range(150):
        angle, speed = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 3.99)
        who = movers(rng.uniform([-1, -4], [6, 4]), [speed * np.cos(angle), speed * np.sin(angle)])
        answer = ask(tables, who, rng.normal(size=2) * 10.0 ** rng.uniform(-1, 3), config=config)
        steps, brake = answer.velocities[0], float(answer.brake[0])
        ways = [way_of(who.position[0], steps[: k + 1], brake) for k in range(M)]
        margin = float(from_outline(np.concatenate(ways), PIT).min()) - BODY.radius
        start = way_of(who.position[0], brake_of(who.velocity[0], brake)[None], brake)
        assert answer.guarded[0] == (from_outline(start, PIT).min() >= BODY.radius + 0.5 * config.eps)
        if answer.guarded[0]:
            good += 1
            assert margin >= 0.0
            if np.isfinite(answer.margins[0, KIND["keep_out"]]):
                assert answer.margins[0, KIND["keep_out"]] == pytest.approx(margin, abs=2e-3)
        else:
            assert answer.broken[0, KIND["keep_out"]]
    assert 40 < good < 140


def test_how_hard_a_wish_pulls_changes_nothing(config: ShieldConfig) -> None:
    """cbfkit #63: no answer, or NaN, from a penalty of 100 on."""
    tables = tables_for(KeepOut("pit", PIT), Leash("post", 5.0), AllyDistance("spread", 1.0), n=3)
    who = movers([[1.2, 0.3], [0.0, 0.0], [-3.0, 3.0]], [[1.0, 0.5], [2.0, 0.0], [-1.0, 1.0]])
    wish = np.array([[3.0, 1.0], [2.0, -0.5], [-2.0, 2.0]])[:, None]
    plain = ask(tables, who, 1e2 * wish, config=config)
    for scale in (1e3, 1e6, 1e12, 1e25):
        hard = ask(tables, who, scale * wish, config=config)
        np.testing.assert_allclose(hard.velocities, plain.velocities, atol=1e-6)
        assert (hard.guarded == plain.guarded).all()
        np.testing.assert_allclose(hard.margins, plain.margins, atol=1e-6)
    assert plain.guarded.all()


def test_who_needs_too_long_to_stop_is_not_vouched_for(config: ShieldConfig) -> None:
    """cbfkit #99: a limit on iterations that is raised until it is never met. Ours is on the ticks of a brake."""
    away, weak = KeepAway("room", 1.0, 1.0), Body(4.0, 0.03, 0.03, 0.35)
    tables = tables_for(away, body=weak)
    calm = ShieldConfig(0.02, 1e-4, compiled=config.compiled)
    others = Others(np.array([[-40.0, 0.0]]), (PLAYER,))
    fast, slow = (
        ask(tables, movers([[0.0, 0.0]], [[pace, 0.0]]), [4.0, 0.0], others=others, config=calm) for pace in (3.0, 0.1)
    )
    assert 3.0 / (0.03 * DT) > 2000 > 0.1 / (0.03 * DT)
    assert not fast.guarded[0]
    assert fast.broken[0, KIND["keep_away"]]
    assert (fast.rank[0] == REASONS.index("brake")).all()
    assert slow.guarded[0]


WRONG: list[tuple[Rule, str]] = [
    (Leash("r", -1.0), "radius"),
    (SpeedLimit("r", -2.0), "speed"),
    (SpeedLimit("r", float("nan")), "speed"),
    (AccelerationLimit("r", 0.0), "acceleration"),
    (TurnLimit("r", -3.0), "rate"),
    (AllyDistance("r", -1.0), "distance"),
    (KeepAway("r", -2.0, 5.0), "distance"),
    (KeepAway("r", 2.0, -5.0), "top_speed"),
    (StayNear("r", -4.0, 3.0), "distance"),
    (Cooldown("r", -0.5), "seconds"),
    (AttackLimit("r", 0, 1.0), "most"),
    (AttackTokens("r", -1.0, 1.0), "capacity"),
    (AttackTokens("r", 1.0, 1.0, weight=-1.0), "weight"),
    (Reserve("r", "ammo", -1.0), "cost"),
    (FriendlyFire("r", -9.0), "reach"),
    (Splash("r", 3.0, -0.5), "flight"),
]


@pytest.mark.parametrize(("rule", "key"), WRONG, ids=lambda value: value if isinstance(value, str) else value.rule)
def test_a_number_of_the_wrong_sign_is_refused_however_the_rule_was_made(rule: Rule, key: str) -> None:
    """cbfkit #183: a tuned gain below zero turned the constraint round."""
    with pytest.raises(ConstraintError, match=f"rule 'r', key '{key}'") as error:
        check_rules(
            [rule], ids=[101], squads=[0], homes=[[0.0, 0.0]], kinematics=BODY, bounds=(-12.0, -12.0, 12.0, 12.0)
        )
    assert error.value.rules == ("r",)


@pytest.mark.parametrize(
    ("place", "velocity", "wish", "kind"),
    [
        ((1.4, 0.0), (4.0, 0.0), (4.0, 0.0), "keep_out"),
        ((1.4, 0.0), (4.0, 0.0), (np.nan, 0.0), "keep_out"),
        ((0.0, 8.9), (0.0, 4.0), (0.0, 9.0), "leash"),
        ((0.0, -6.0), (0.0, -4.0), (0.0, -9.0), "keep_away"),
    ],
)
def test_where_nothing_can_be_certified_the_answer_is_the_brake_and_says_so(
    place: tuple[float, float],
    velocity: tuple[float, float],
    wish: tuple[float, float],
    kind: str,
    config: ShieldConfig,
) -> None:
    """cbfkit #299: the nominal input went out after a failure. safe-control-gym: a debug value of the solver did."""
    tables = tables_for(KeepOut("pit", PIT), Leash("post", 9.0), KeepAway("room", 2.0, 5.0))
    others = Others(np.array([[0.0, -8.5]]), (PLAYER,))
    answer = ask(tables, movers([place], [velocity]), wish, others=others, config=config)
    assert not answer.guarded[0]
    assert answer.broken[0, KIND[kind]]
    assert answer.reason[0].startswith("unguarded")
    pace = np.array(velocity)
    for step in answer.velocities[0]:
        np.testing.assert_allclose(step, brake_of(pace, float(answer.brake[0])), atol=1e-6)
        pace = step
    assert (answer.rank[0] == REASONS.index("brake")).all()


@pytest.mark.parametrize("name", ["velocity", "seen_position", "seen_velocity", "heading", "seen_heading"])
def test_movers_that_are_no_number_are_refused_and_not_called_guarded(name: str, config: ShieldConfig) -> None:
    who = replace(movers([[0.0, 0.0], [5.0, 0.0]]), heading=np.zeros(2))
    bad = np.zeros(2 if "heading" in name else (2, 2))
    bad[0] = np.nan
    car = Body(4.0, 16.0, 16.0, 0.35, kind="car", turn_rate=3.0)
    tight = replace(config, velocity_tolerance=0.003)
    for body in (BODY, car):
        with pytest.raises(ConstraintError, match=f"movers: expected a {name} in numbers, got .*nan"):
            ask(tables_for(n=2, body=body), replace(who, **{name: bad}), (1.0, 0.0), config=tight)


def test_rules_that_squeeze_an_npc_are_not_traded_for_each_other(config: ShieldConfig) -> None:
    """cbfpy relax_qp=True, safe-control-gym soft_constrained=True: one rule gives way to another, by default."""
    rng = np.random.default_rng(2)
    wedge = ((0.6, 0.0), (6.0, -0.3), (6.0, 6.0))
    other = ((0.6, -1.0), (6.0, -6.0), (6.0, -0.9))
    tables = tables_for(KeepOut("upper", wedge), KeepOut("lower", other), Leash("post", 2.5))
    who, walked = movers([[0.0, -0.5]]), [np.array([[0.0, -0.5]])]
    for tick in range(240):
        if tick % 20 == 0:
            wish = rng.normal(size=2) * 10.0 ** rng.uniform(0, 4) + np.array([9.0, 0.0])
        answer = ask(tables, who, wish, config=config)
        assert answer.guarded[0]
        pace = answer.velocities[0, 0]
        walked.append(who.position + np.linspace(0.0, 1.0, 20)[:, None] * pace * DT)
        who = movers(who.position + pace * DT, pace)
    path = np.concatenate(walked)
    for zone in (wedge, other):
        assert from_outline(path, zone).min() >= BODY.radius
    assert np.hypot(*path.T).max() <= 2.5
    assert min(from_outline(path, zone).min() for zone in (wedge, other)) < BODY.radius + 0.05, "it is squeezed"


def test_a_player_who_circles_makes_no_motion_worse_than_standing(config: ShieldConfig) -> None:
    """ "Away from where he is now" fails while the NPC brakes: he is somewhere else by then."""
    rng, top, room = np.random.default_rng(3), 5.0, 2.0
    tables, moved = tables_for(KeepAway("room", room, top)), 0
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    for _ in range(60):
        player = rng.uniform(1.5, 4.5) * np.array([np.cos(a := rng.uniform(0, 7)), np.sin(a)])
        away = -player / np.hypot(*player)
        wish = 4.0 * (away + rng.uniform(-1.5, 1.5) * np.array([-away[1], away[0]]))
        answer = ask(tables, movers([[0.0, 0.0]]), wish, others=Others(player[None], (PLAYER,)), config=config)
        assert answer.guarded[0]
        path = way_of(np.zeros(2), answer.velocities[0], float(answer.brake[0]))
        moved += len(path) > 1 and float(np.hypot(*path[-1])) > 0.1
        seconds = np.arange(len(path))[:, None] * DT / 100
        for first in angles:
            for bend in (0.0, 3.0, -3.0):  # rad/s: straight on, or round
                turned = first + bend * seconds
                where = player + np.cumsum(
                    top * np.diff(seconds, axis=0, prepend=0.0) * np.hstack([np.cos(turned), np.sin(turned)]), 0
                )
                gone = np.hypot(*(path - where).T)
                # At every moment: the distance is kept, or it is no smaller than if the NPC had stood in this tick.
                stood = np.hypot(*(path[(np.arange(len(path)) - 1).clip(0) // 100 * 100] - where).T)
                assert (gone >= np.minimum(room, stood) - 1e-6).all()
    assert moved > 15


def test_a_step_that_replaces_a_proposal_is_within_both_discs(config: ShieldConfig) -> None:
    """A candidate that is clipped to the top speed can leave what a tick may change."""
    rng, tables, replaced = np.random.default_rng(4), tables_for(KeepOut("pit", PIT), Leash("post", 6.0)), 0
    for _ in range(300):
        angle, speed = rng.uniform(0, 2 * np.pi), rng.choice([0.5, 3.0, 3.9, 4.0]) * (1 - 1e-6)
        who = movers(rng.uniform([-1, -4], [2, 4]), speed * np.array([np.cos(angle), np.sin(angle)]))
        answer = ask(tables, who, rng.normal(size=2) * 40.0, config=config)
        path = np.concatenate([who.velocity, answer.velocities[0]])
        assert np.hypot(*np.diff(path, axis=0).T).max() <= BODY.max_acceleration * DT + 1e-6
        assert np.hypot(*path.T).max() <= BODY.max_speed + 1e-6
        replaced += int((answer.rank[0] >= REASONS.index("blended")).sum())
    assert replaced > 200


@pytest.mark.parametrize("wish", [0.0, -0.0, 1e-300, 5e-324, 1e-12])
def test_who_stands_has_no_heading_and_needs_none(wish: float, config: ShieldConfig) -> None:
    rules = (TurnLimit("steady", 4.0), KeepAway("room", 2.0, 5.0), StayNear("escort", 3.0, 5.0, "player"))
    tables = tables_for(*rules, KeepOut("pit", PIT), Leash("post", 5.0), AllyDistance("spread", 1.0), n=2)
    who = movers([[0.0, 0.0], [-1.5, 0.0]])
    answer = ask(tables, who, [wish, wish], others=Others(np.array([[0.0, 0.0]]), (PLAYER,)), config=config)
    assert answer.guarded.all()
    assert not answer.velocities.any()
    assert np.isfinite(answer.expected).all()


def test_npcs_on_one_spot_are_reported_and_may_part(config: ShieldConfig) -> None:
    """Segments that touch have no closest points to put a plane between."""
    tables = tables_for(AllyDistance("spread", 1.0), n=3)
    who = movers([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0 + 1e-12]])
    wish = 4.0 * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])[:, None]
    first = ask(tables, who, wish, config=config)
    assert not first.guarded.any()
    assert first.broken[:, KIND["spacing"]].all()
    for _ in range(60):
        answer = ask(tables, who, wish, config=config)
        assert np.isfinite(answer.velocities).all()
        who = movers(who.position + answer.velocities[:, 0] * DT, answer.velocities[:, 0])
    gaps = who.position[:, None] - who.position[None]
    apart = np.hypot(gaps[..., 0], gaps[..., 1])[np.triu_indices(3, 1)]
    assert apart.min() >= 1.0
    assert answer.guarded.all()


def test_a_body_that_touches_an_edge_exactly_is_reported_and_not_stuck(config: ShieldConfig) -> None:
    """Stuck after a breach: where only the brake is legal, nobody who is off by a hair ever comes back."""
    tables = tables_for(KeepOut("pit", PIT))
    for off in (0.0, 1e-12, -1e-12, -0.2):
        who = movers([[2.0 - BODY.radius - off, 0.5]])
        assert not ask(tables, who, [-1.0, 0.0], config=config).guarded[0]
        for _ in range(30):
            answer = ask(tables, who, [-2.0, 0.0], config=config)
            who = movers(who.position + answer.velocities[:, 0] * DT, answer.velocities[:, 0])
        assert answer.guarded[0]
        assert who.position[0, 0] < 0.5


LISTED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[(\w+)\])?`")


@pytest.mark.slow
def test_every_test_in_the_list_of_failures_is_there() -> None:
    page = (ROOT / "docs" / "explanation" / "shield.md").read_text(encoding="utf-8")
    section = page.split("## Silent failures elsewhere", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 18
    for row in rows:
        named = LISTED.findall(row)
        assert named, f"no test is named in: {row}"
        for path, test, mutant in named:
            functions = {
                node.name
                for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef)
            }
            assert test in functions, f"{path} has no {test}"
            assert test.startswith("test_")
            assert not mutant or mutant in functions, f"{path} has no {mutant}"
    ours = {test for path, test, _ in LISTED.findall(section) if path.endswith("test_known_failures.py")}
    here = {name for name in globals() if name.startswith("test_")} - {
        "test_every_test_in_the_list_of_failures_is_there"
    }
    assert ours == here
