"""The compiled certificate is the one in NumPy: the same verdicts, unless a margin lies within eps of its limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from chunk_laws import hangs_together
from empty_square import square
from numpy.typing import NDArray

from npc_sdk.constraints import (
    KIND,
    AllyDistance,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    NoStop,
    Rule,
    RuleTables,
    StayNear,
    compile_rules,
)
from npc_sdk.constraints import clearance as definition
from npc_sdk.experiments.zoo import Body, Outline, Setting, by_car, by_cells, make_crowd, make_setting, play, star
from npc_sdk.kernels import bins, braking, certificate, clearance, moving, projection, separation
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.kernels.warm import warm_up
from npc_sdk.shield import (
    REASONS,
    Certified,
    Movers,
    Others,
    Outstanding,
    ShieldConfig,
    certified_limits,
    certify,
)
from npc_sdk.shield.brake import brake_end, travel
from npc_sdk.shield.heading import Cone
from npc_sdk.shield.moving import Targets, never_worse
from npc_sdk.shield.separation import separate

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="numba is not there: the NumPy code runs")

shield_certify = __import__("npc_sdk.shield.certify", fromlist=["certify"])
Floats = NDArray[np.float64]
EITHER, NUMPY = ShieldConfig(), ShieldConfig(compiled=False)
DT = 1 / 30


def shifted(by: float) -> Callable[..., Any]:
    """Surveys as the definition does, and asks for `by` metres more everywhere."""
    survey = shield_certify.survey

    def tampered(*args: Any) -> Any:
        ground = survey(*args)
        planes = ground.planes.copy()
        planes[..., 2] -= by
        return replace(
            ground,
            swept=np.where(ground.swept < 0.0, -1.0, ground.swept + by),
            final=np.where(ground.final < 0.0, -1.0, ground.final + by),
            leash=ground.leash - by,
            planes=planes,
            clearways=tuple((way, need + by) for way, need in ground.clearways),
            spare=ground.spare + by,
            lost=tuple((npc, shape, floor + by) for npc, shape, floor in ground.lost),
        )

    return tampered


def verdict(answer: Certified) -> Floats:
    """All that is decided about each NPC, as numbers."""
    parts = [answer.velocities, answer.rank, answer.guarded, answer.rejected, answer.broken, answer.active]
    return np.concatenate([np.asarray(part, np.float64).reshape(len(answer.guarded), -1) for part in parts], 1)


class Twins:
    """Certifies twice, goes on with the compiled answer, and counts where the two differ beyond the band."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.certified = self.within_eps = 0
        self.differ: list[str] = []

    def __call__(self, *args: Any, config: ShieldConfig, **more: Any) -> Certified:
        quick = certify(*args, config=config, **more)
        plain = certify(*args, config=replace(config, compiled=False), **more)
        hangs_together(plain, args[0], args[1].dt)
        self.certified += len(quick.guarded)
        same = (np.abs(verdict(quick) - verdict(plain)) <= 1e-6).all(1)
        if not same.all():
            near = np.zeros(len(same), np.bool_)
            for by in (-config.eps, config.eps):
                with self.patch.context() as patch:
                    patch.setattr(shield_certify, "survey", shifted(by))
                    moved = certify(*args, config=replace(config, compiled=False), **more)
                near |= (np.abs(verdict(moved) - verdict(plain)) > 1e-6).any(1)
            self.within_eps += int((~same & near).sum())
            self.differ += [f"NPC {k}: {quick.rank[k]} for {plain.rank[k]}" for k in np.flatnonzero(~same & ~near)]
        for name in ("points", "expected", "tolerance", "margins"):
            ours, theirs = getattr(quick, name)[same], getattr(plain, name)[same]
            # Of slabs between two hulls each way takes one that is nearly the widest; all else is the same.
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=config.eps, err_msg=name)
            if name == "margins":
                ours, theirs = (np.delete(margins, KIND["spacing"], 1) for margins in (ours, theirs))
            if name != "tolerance":
                np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-9, err_msg=name)
        return quick


def cells(seed: int) -> Setting:
    return by_cells(make_setting(seed), seed)


def cars(seed: int) -> Setting:
    return by_car(make_setting(seed), seed)


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 10), marks=pytest.mark.slow)], ids=["first", "rest"])
@pytest.mark.parametrize("make", [make_setting, make_crowd, cells, cars])
def test_both_decide_alike_in_games_of_every_rule(
    make: Callable[[int], Setting], seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = Twins(monkeypatch)
    for seed in seeds:
        play(replace(make(seed), kidnaps=0.02 * (seed % 2)), seed, ticks=40, shield=twins)
    assert not twins.differ
    assert twins.certified > 100 * len(seeds)
    assert twins.within_eps < 0.02 * twins.certified, "so many would be no matter of rounding"


def test_the_comparison_would_see_a_margin_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = certificate.certify
    monkeypatch.setattr(
        certificate,
        "certify",
        lambda rules, movers, *rest: kernel(rules, movers._replace(radius=0.9 * movers.radius), *rest),
    )
    twins = Twins(monkeypatch)

    def games() -> None:
        for seed in range(4):
            play(make_setting(seed), seed, ticks=40, shield=twins)
        assert not twins.differ, "verdicts"

    with pytest.raises(AssertionError, match=r"tolerance|margins|verdicts"):
        games()


def crowd(count: int, wide: float, *rules: Any, walls: int = 0, seed: int = 0) -> tuple[Movers, RuleTables, Floats]:
    """NPCs thrown on a floor at any speed, some inside each other and inside walls, and heavy-tailed wishes."""
    rng = np.random.default_rng(seed)
    ids = np.arange(1, count + 1, dtype=np.uint32)
    outlines = [Outline(f"w{k}", "wall", star(rng, rng.uniform(-wide, wide, 2), 0.5, 2.0, 8)) for k in range(walls)]
    tables = compile_rules(
        rules,
        ids=ids,
        squads=np.zeros(count),
        homes=np.zeros((count, 2)),
        kinematics=Body(4.0, 16.0, 16.0, 0.35),
        walls=outlines,
        bounds=(-wide, -wide, wide, wide),
        dt=1 / 30,
    )
    place, motion = rng.uniform(-1.2 * wide, 1.2 * wide, (count, 2)), rng.normal(0, 2.0, (count, 2))
    wish = rng.normal(size=(count, 6, 2)) * 10.0 ** rng.uniform(-1, 2, (count, 1, 1))
    return Movers(ids, place, motion), tables, wish


@pytest.mark.parametrize("seed", range(6))
def test_both_decide_alike_about_crowds_that_nobody_admitted(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off their certificate, on wrong sides of several outlines, in more pairs than memory was laid out for."""
    room = KeepIn("room", ((-6, -6), (6, -6), (6, 6), (-6, 6)), (1, 2, 3))
    pit = KeepOut("pit", ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    movers, tables, wish = crowd(40, 8.0, AllyDistance("spread", 1.5), room, pit, walls=12, seed=seed)
    twins = Twins(monkeypatch)
    answer = twins(movers, tables, Outstanding(), wish, config=ShieldConfig())
    assert not twins.differ
    assert {"wall", "keep_in", "spacing"} <= {word for why in answer.reason for word in why.replace(",", "").split()}


def alike(tables: RuleTables, place: Any, wish: Any, velocity: Any = None, **more: Any) -> Certified:
    """Certifies six steps both ways, and finds each field of both answers the same."""
    here = np.array(place, float)
    now = np.zeros_like(here) if velocity is None else np.array(velocity, float)
    movers = Movers(np.arange(101, 101 + len(here), dtype=np.uint32), here, now, more.pop("seen", None))
    wishes = np.broadcast_to(np.array(wish, float), (len(here), 6, 2))
    promised = more.pop("outstanding", Outstanding())
    quick, plain = (certify(movers, tables, promised, wishes, config=config, **more) for config in (EITHER, NUMPY))
    for field in fields(Certified):
        one, two = (np.asarray(getattr(answer, field.name), np.float64) for answer in (quick, plain))
        np.testing.assert_allclose(one, two, rtol=0.0, atol=1e-9, err_msg=field.name)
    return plain


PIT = KeepOut("pit", ((2.0, -3.0), (5.0, -3.0), (5.0, 3.0), (2.0, 3.0)))
BODY = Body(4.0, 16.0, 16.0, 0.35)


def test_who_has_no_wish_and_may_not_stay_leaves_alike() -> None:
    answer = alike(square([PIT], BODY, DT, 12.0), [[4.8, 0.0]], np.nan)
    assert answer.rank[0, 0] == REASONS.index("nearest")
    assert answer.velocities[0, 0] == pytest.approx([16 * DT, 0.0], abs=0.06)


def test_a_slow_body_turns_aside_alike() -> None:
    """What a wish of its own pace, turned aside, is cut to counts only where its top speed is below 1 m/s."""
    turn, slow = np.radians(10.0), Body(0.5, 16.0, 16.0, 0.35)
    corners = np.array([(-4.0, 0.36), (4.0, 0.36), (4.0, 3.0), (-4.0, 3.0)])
    turned = corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    wall = KeepOut("wall", tuple(map(tuple, turned.tolist())))
    answer = alike(square([wall], slow, DT, 12.0), [[0.0, 0.0]], 0.6 * np.array([np.cos(2 * turn), np.sin(2 * turn)]))
    assert answer.rank[0, 0] == REASONS.index("nearest")
    course = np.arctan2(answer.velocities[0, 0, 1], answer.velocities[0, 0, 0])
    assert course == pytest.approx(np.radians(5.0)), "turned aside by 15 degrees"


def test_who_is_near_a_border_and_who_is_near_nothing_are_judged_alike() -> None:
    answer = alike(square([], BODY, DT, 12.0, 2), [[11.5, 0.0], [0.0, 0.0]], [4.0, 0.0])
    assert answer.active[:, KIND["bounds"]].tolist() == [True, False]


def test_whoever_of_several_is_turned_down_is_judged_by_its_own_rules() -> None:
    """The second alone is kept from the player, and it alone is repaired."""
    tables = square([KeepAway("room", 2.0, 5.0, who=(102,))], BODY, DT, 12.0, 2)
    player = Others(np.array([[3.0, 0.0]]), (frozenset(["player"]),))
    answer = alike(tables, [[0.0, 0.0], [0.0, 0.0]], [4.0, 0.0], others=player)
    assert answer.points[0, -1, 1, 0] > 0.5
    assert answer.points[1, -1, 1, 0] < 0.2
    assert answer.rejected[:, KIND["keep_away"]].tolist() == [False, True]


ODD = tuple(range(101, 302, 2))
DOORS = [((-1.0, -1.0), (0.0, -1.0), (0.0, 1.0), (-1.0, 1.0)), ((3.0, -1.0), (4.0, -1.0), (4.0, 1.0), (3.0, 1.0))]


@pytest.mark.parametrize(
    "rules",
    [
        [KeepOut("pit", DOORS[0]), KeepIn("hall", ((-2.0, -3.0), (9.0, -3.0), (9.0, 3.0), (-2.0, 3.0)), ODD)],
        [Leash("post", 3.0)],
        [NoStop("door", DOORS[0], ODD), NoStop("gate", DOORS[1])],
        [KeepAway("room", 1.0, 2.0)],
        [KeepAway("room", 1.0, 2.0, who=ODD), StayNear("escort", 3.0, 1.0)],
    ],
    ids=lambda rules: rules[-1].rule,
)
@pytest.mark.parametrize("velocity", [(0.0, 0.0), (0.7, 0.2), (-3.0, 0.2)])
def test_both_decide_alike_at_every_distance(rules: list[Any], velocity: tuple[float, float]) -> None:
    """What is broken, and what is within reach at all."""
    x = np.linspace(-1.5, 6.0, 201)
    tables = square(rules, BODY, DT, 40.0, len(x))
    tables = replace(tables, home=np.tile([0.5, 0.25], (len(x), 1)))
    players = (frozenset(["player", "protected"]), frozenset(["player"]))
    others = Others(np.array([[0.3, -0.2], [9.0, 0.0]]), players, 3)
    answer = alike(tables, np.stack([x, 0.0 * x], 1), (-2.0, 1.0), np.tile(velocity, (len(x), 1)), others=others)
    for rule in rules:
        assert 0 < answer.active[:, KIND[rule.kind]].sum() < len(x)


HAIRS = np.linspace(-2.03e-3, 30.03e-3, 41)  # m in hand, to either side of eps and of the tolerance


@pytest.mark.parametrize("wish", [(0.0, 0.0), (3.0, 1.0), (-3.0, 1.0), (0.5, 3.0)])
@pytest.mark.parametrize("velocity", [(0.0, 0.0), (0.7, 0.2), (-0.7, 0.2)])
def test_both_decide_alike_a_hair_from_a_limit(wish: tuple[float, float], velocity: tuple[float, float]) -> None:
    """Each comes to rest as far as one of HAIRS from what it may not touch, leave or stop in."""
    place: dict[Rule, tuple[Floats, Floats]] = {
        PIT: (2.0 - BODY.radius - HAIRS, 0.0 * HAIRS),
        Leash("post", 5.0): (5.0 - HAIRS, 0.0 * HAIRS),
        NoStop("door", PIT.polygon): (2.0 - HAIRS, 0.0 * HAIRS),
    }
    rest = brake_end(np.zeros(2), np.array(velocity), np.array(16.0), DT)
    for rule, (x, y) in place.items():
        tables = square([rule], BODY, DT, 12.0, len(HAIRS))
        answer = alike(tables, np.stack([x, y], 1) - rest, wish, np.broadcast_to(velocity, (len(HAIRS), 2)))
        assert 0 < answer.guarded.sum() < len(HAIRS)
        assert len(set(answer.tolerance.tolist())) > 5


SPREAD = square([AllyDistance("spread", 1.0)], BODY, DT, 12.0, 2)
TOWARDS, AWAY = ([[[toward, 0.0]], [[-toward, 0.5]]] for toward in (3.0, -3.0))


@pytest.mark.parametrize("hair", [-2.0e-3, -0.3e-3, 0.3e-3, 0.7e-3, 1.2e-3, 0.02, 0.0415, 0.0425])
def test_both_decide_alike_about_two_a_hair_from_too_near(hair: float) -> None:
    for wish in (TOWARDS, AWAY):
        answer = alike(SPREAD, [[0.0, 0.0], [1.0 + hair, 0.0]], wish)
        assert (answer.guarded == (hair >= 0.5e-3)).all()


def test_both_say_alike_whether_two_could_come_too_near() -> None:
    speed, acceleration = certified_limits(SPREAD, np.arange(1), EITHER)
    reach = float((speed * 6 * DT + travel(speed, acceleration, DT))[0])
    near = 1.0 + 2.0 * (EITHER.tolerance + EITHER.eps) + 2.0 * reach
    for hair, active in ((-0.5e-3, True), (0.5e-3, True), (1.5e-3, False)):
        answer = alike(SPREAD, [[0.0, 0.0], [near + hair, 0.0]], TOWARDS)
        assert (answer.active[:, KIND["spacing"]] == active).all()


@pytest.mark.parametrize("short", [-0.7e-3, -0.05e-3, 0.05e-3, 0.15e-3, 0.7e-3, 1.5e-3, 0.5, 2.0])
@pytest.mark.parametrize("apart", [0.9, 1.1])
def test_both_decide_alike_about_two_whose_promises_cross(apart: float, short: float) -> None:
    """One was sent to where it would be `short` of what they keep now, or must keep; a third is no party to it."""
    tables = square([AllyDistance("spread", 1.0)], BODY, DT, 12.0, 3)
    promised, points = Outstanding(), np.zeros((3, 4, 2, 2))
    points[:, :, :] = np.array([[0.0, 0.0], [apart, 0.0], [0.0, 3.0]])[:, None, None]
    points[0, -1, 1, 0] = apart - min(apart, 1.0) + short
    promised.add(1, 3, np.arange(101, 104, dtype=np.uint32), points, points)
    wish = [[[-3.0, 0.0]], [[3.0, 0.5]], [[1.0, -3.0]]]
    answer = alike(tables, points[:, 0, 0], wish, outstanding=promised)
    assert answer.guarded.tolist() == [False, False, True] if apart < 1.0 or short > 0.0 else [True] * 3
    stuck = (answer.rank[0] == REASONS.index("brake")).all()
    assert stuck == (short > 0.1e-3)


def test_a_promise_beyond_an_npcs_reach_counts_for_both() -> None:
    promised, points = Outstanding(), np.zeros((2, 4, 2, 2))
    points[1] = [9.0, 0.0]
    points[0, -1, 1] = [7.5, 0.0]
    promised.add(1, 3, np.arange(101, 103, dtype=np.uint32), points, points)
    answer = alike(SPREAD, [[0.0, 0.0], [9.0, 0.0]], TOWARDS, outstanding=promised)
    assert answer.active[:, KIND["spacing"]].all()
    assert answer.rejected[1, KIND["spacing"]]


def test_nobody_to_keep_apart_and_no_edge_within_reach_are_no_special_case() -> None:
    movers, tables, wish = crowd(3, 500.0)
    one = certify(movers, tables, Outstanding(), wish)
    two = certify(movers, tables, Outstanding(), wish, config=NUMPY)
    np.testing.assert_array_equal(one.velocities, two.velocities)


def test_arrays_of_another_kind_or_layout_are_taken_without_compiling_anew() -> None:
    movers, tables, wish = crowd(5, 8.0, walls=3)
    want = certify(movers, tables, Outstanding(), wish)
    frozen = np.asfortranarray(movers.position)
    frozen.flags.writeable = False
    odd = Movers(movers.ids, frozen, movers.velocity[::-1][::-1], np.ascontiguousarray(movers.position))
    answer = certify(odd, tables, Outstanding(), np.broadcast_to(wish[:1, :1], (5, 6, 2)))
    assert answer.velocities.shape == want.velocities.shape
    certify(replace(movers, position=movers.position.astype(np.float32)), tables, Outstanding(), wish)
    assert len(certificate.certify.signatures) == 1


def test_warming_up_leaves_nothing_to_compile() -> None:
    warm_up()
    movers, tables, wish = crowd(5, 8.0, AllyDistance("spread", 1.5), walls=3)
    certify(movers, tables, Outstanding(), wish, others=Others(np.zeros((1, 2)), (frozenset(["player"]),)))
    assert len(certificate.certify.signatures) == 1


def test_the_definition_runs_where_it_is_asked_for_and_where_a_velocity_is_no_games_doing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> Any:
        raise AssertionError("compiled")

    movers, tables, wish = crowd(3, 8.0)
    monkeypatch.setattr(certificate, "certify", fails)
    certify(movers, tables, Outstanding(), wish, config=NUMPY)
    with pytest.raises(AssertionError, match="compiled"):
        certify(movers, tables, Outstanding(), wish)
    fast = np.zeros((3, 2))
    fast[1, 0] = -1e6
    with pytest.raises(AssertionError, match="compiled"):
        certify(replace(movers, velocity=fast), tables, Outstanding(), wish)
    certify(replace(movers, velocity=1.001 * fast), tables, Outstanding(), wish)


def test_distances_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    start, end, edges = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)), rng.normal(size=(500, 4))
    end[::5], edges[::7, 2:] = start[::5], edges[::7, :2]  # at rest; an edge without length
    want, last = definition.segment_and_end_distance(start, end, edges)
    got = np.array([clearance.from_segment(*s, *e, *edge) for s, e, edge in zip(start, end, edges, strict=True)])
    np.testing.assert_array_equal(got, np.stack([want, last], 1))
    assert 20 < (want == 0.0).sum() < 200
    boxes = np.array([clearance.at_least(*s, *e, *edge) for s, e, edge in zip(start, end, edges, strict=True)])
    assert (np.sqrt(boxes) <= want + 1e-12).all()
    outline = definition.polygon_edges(np.array(star(rng, np.zeros(2), 0.5, 1.5, 9)))
    held = definition.inside(start, outline, np.zeros(1, np.int64))[:, 0]
    assert [clearance.holds(*p, outline, 0, len(outline)) for p in start] == held.tolist()


@pytest.mark.parametrize("apart", [0.0, 1.0, 3.0, 30.0])
def test_slabs_are_at_least_as_wide_as_those_of_the_definition(apart: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        points = rng.normal(size=(2, 7, 2)) * 10.0 ** rng.uniform(-2, 0.5, (2, 1, 1))
        points[1] += apart * np.array([np.cos(1.0), np.sin(1.0)])
        points += rng.uniform(-1e3, 1e3, 2)
        want = separate(points, np.array([0]), np.array([1]))
        nx, ny, low, high = separation.slab(points[0], points[1])
        assert np.hypot(nx, ny) == pytest.approx(1.0, abs=1e-12)
        assert (points[0] @ [nx, ny]).max() <= low + 1e-9
        assert (points[1] @ [nx, ny]).min() >= high - 1e-9
        assert high - low >= want.gap[0] - 1e-9
        assert high - low <= want.gap[0] + 1e-3 * np.abs(points - points.mean((0, 1))).max()


def test_margins_against_others_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        gap, command = rng.normal(size=(1, 2)) * 3, rng.normal(size=(1, 2)) * 2
        distance, top, near = (
            np.array([rng.uniform(0.5, 4)]),
            np.array([rng.uniform(0, 5)]),
            np.array([rng.random() < 0.5]),
        )
        them = Targets(np.zeros((1, 2)), distance, top, near, np.zeros(1, np.int64), np.ones((1, 1), np.bool_), 2)
        want = never_worse(them, np.zeros(1, np.int64), gap, command, np.array([3]), np.array([16.0]), 1 / 30, 0.0)
        got = moving.never_worse(*gap[0], distance[0], top[0], near[0], 2 + 3 + 1, *command[0], 16.0, 1 / 30)
        assert got == pytest.approx(want[0, 0], abs=1e-12)


@pytest.mark.parametrize("turn", [np.inf, 0.0, 0.2])
def test_wishes_are_projected_as_by_the_definition(turn: float) -> None:
    rng = np.random.default_rng(4)
    wish, now = rng.normal(size=(200, 2)) * 5, rng.normal(size=(200, 2)) * 2
    wish[0], wish[1] = np.nan, 1e30
    axis = now / np.hypot(*now.T)[:, None]
    cone = Cone(axis, np.full(200, -turn), np.full(200, turn))
    want = shield_certify.project(wish, now, np.full(200, 3.0), np.full(200, 0.5), cone)
    got = np.array(
        [
            projection.project(*w, *v, 3.0, 0.5, *a, -turn, turn, np.zeros((0, 2)))
            for w, v, a in zip(wish, now, axis, strict=True)
        ]
    )
    np.testing.assert_allclose(got, want, rtol=3e-7)


def test_bins_hold_every_box_that_touches_a_place() -> None:
    rng = np.random.default_rng(5)
    corner = rng.uniform(-30, 30, (300, 2))
    boxes = np.concatenate([corner, corner + rng.exponential(2.0, (300, 2))], 1)
    grid = bins.spread(boxes, -20.0, -10.0, 20.0, 15.0)
    for x, y in rng.uniform([-20, -10], [20, 15], (200, 2)):
        at = bins.line(y, grid.y, grid.cell, grid.rows) * grid.columns + bins.line(x, grid.x, grid.cell, grid.columns)
        held = set(grid.boxes[grid.first[at] : grid.first[at + 1]].tolist())
        here = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        assert set(np.flatnonzero(here).tolist()) <= held
        assert len(held) < 150, "bins that hold everything spare nothing"


def test_brakes_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(6)
    for _ in range(100):
        place, motion, a = rng.normal(size=2), rng.normal(size=2) * 3, float(rng.uniform(2, 40))
        ux, uy = braking.brake(*motion, a, 1 / 30)
        want = brake_end(place, motion, np.array(a), 1 / 30)
        assert braking.rest(*place, ux, uy, a, 1 / 30) == pytest.approx(want, abs=1e-12)
