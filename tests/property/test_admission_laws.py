"""Laws of admission: what can be obeyed is not refused, what is named is needed, and ways that are there are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from npc_sdk.audit.measure import zone_margin
from npc_sdk.constraints import (
    AllyDistance,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    NoStop,
    Rule,
    StayNear,
    check_rules,
    remarks,
)
from npc_sdk.constraints.reach import Ground
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body, Outline, star

BODY = Body(4.0, 16.0, 16.0, 0.35)
BOUNDS = (-6.0, -6.0, 6.0, 6.0)
Floats = NDArray[np.float64]


class World:
    """Random rules, and how much room each leaves each of some NPCs where they stand: by the audit's measure."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n = int(rng.integers(1, 6))
        self.place = rng.uniform(-5.5, 5.5, (self.n, 2))
        self.home = self.place + rng.normal(size=(self.n, 2)) * rng.choice([0.0, 0.5, 2.0])
        self.ids = np.arange(101, 101 + self.n)
        self.walls = [self._outline(rng, k) for k in range(int(rng.integers(0, 4)))]
        self.walls = [wall for wall in self.walls if self._clear(wall.vertices, False).min() >= 0.0]
        self.rules = [rule for k in range(9) for rule in [self.rule(rng, k)] if self.room(rule).min() >= 0.0]

    def _outline(self, rng: np.random.Generator, k: int) -> Outline:
        return Outline(f"wall {k}", "wall", star(rng, rng.uniform(-6, 6, 2), 0.3, 2.0, 7))

    def rule(self, rng: np.random.Generator, k: int) -> Rule:
        middle, who = rng.uniform(-5, 5, 2), "all" if rng.random() < 0.5 else tuple(rng.choice(self.ids, 1).tolist())
        kind = rng.integers(0, 8)
        if kind == 0:
            return KeepOut(f"{k}", star(rng, middle, 0.5, 3.0, 8), who)
        if kind == 1:
            return KeepIn(f"{k}", star(rng, 0.4 * middle, 2.0, 9.0, 9), who)
        if kind == 7:  # hardly larger than a body
            return KeepIn(f"{k}", star(rng, self.place[0], 0.4, 0.7, 12), (101,))
        if kind == 2:
            return Leash(f"{k}", float(rng.uniform(0.1, 6.0)), who)
        if kind == 3:
            return NoStop(f"{k}", star(rng, middle, 0.5, 4.0, 7), who)
        if kind == 4:
            return AllyDistance(f"{k}", float(rng.uniform(0.2, 4.0)))
        distance = float(rng.choice([2.0, 3.0, 4.0]))
        return KeepAway(f"{k}", distance, 3.0) if kind == 5 else StayNear(f"{k}", distance, 3.0, "player")

    def _clear(self, corners: Any, inside: bool, radius: float = BODY.radius) -> Floats:
        return zone_margin(self.place, self.place, np.array(corners), np.full(self.n, radius), inside)

    def room(self, rule: Rule) -> Floats:
        bound = np.ones(self.n, bool) if rule.who == "all" else np.isin(self.ids, rule.who)
        match rule:
            case KeepOut() | KeepIn():
                left = self._clear(rule.polygon, isinstance(rule, KeepIn))
            case NoStop():
                left = self._clear(rule.polygon, False, 0.0)
            case Leash():
                left = rule.radius - np.hypot(*(self.place - self.home).T)
            case AllyDistance():
                gap = self.place[:, None] - self.place[None]
                left = (np.hypot(gap[..., 0], gap[..., 1]) + 1e9 * np.eye(self.n)).min(1) - rule.distance
            case _:
                left = 3.0 - rule.distance if isinstance(rule, KeepAway) else rule.distance - 3.0  # a player 3 m away
                left = np.full(self.n, left)
        return np.where(bound, left, np.inf)

    def admit(self, rules: list[Rule]) -> None:
        more = {"ids": self.ids, "squads": np.zeros(self.n), "homes": self.home, "kinematics": BODY, "bounds": BOUNDS}
        check_rules(rules, walls=self.walls, **more)  # type: ignore[arg-type]  # a mapping of arguments

    def refused(self, rules: list[Rule]) -> tuple[str, ...]:
        """Returns the rules that a refusal names; none where the set is admitted."""
        try:
            self.admit(rules)
        except ConstraintError as error:
            return error.rules
        return ()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_set_that_can_be_satisfied_is_never_refused(seed: int) -> None:
    world = World(seed)
    world.admit(world.rules)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_named_is_refused_by_itself_and_needs_each_of_its_rules(seed: int) -> None:
    world, rng = World(seed), np.random.default_rng(seed)
    rules = [world.rule(rng, k) for k in range(8)]
    names = world.refused(rules)
    named = [rule for rule in rules if rule.name in names]
    assert len(named) == len(names)
    assert set(world.refused(named)) == set(names)
    for rule in named:
        world.admit([other for other in named if other is not rule])


def test_the_two_laws_are_about_something() -> None:
    kept = [len(World(seed).rules) for seed in range(40)]
    assert np.mean(kept) > 3
    refusals = 0
    for seed in range(40):
        world, rng = World(seed), np.random.default_rng(seed)
        refusals += bool(world.refused([world.rule(rng, k) for k in range(8)]))
    assert 8 < refusals < 36


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.floats(0.1, 0.9))
def test_cells_hang_together_as_another_measure_says(seed: int, high: int, wide: int, share: float) -> None:
    """Over corners, too."""
    free = np.random.default_rng(seed).random((high, wide)) < share
    found = Ground(np.zeros(2), 1.0, np.where(free, 1.0, -9.0)).parts().label
    wanted, count = ndimage.label(free, np.ones((3, 3)))
    assert ((found > 0) == free).all()
    assert len(np.unique(np.stack([found[free], wanted[free]], 1), axis=0)) == count == len(np.unique(found[free]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_is_called_unreachable_that_a_way_leads_to(seed: int) -> None:
    """By another measure, every 4 cm: where two neighbouring places have so much to spare, the way between has room."""
    rng = np.random.default_rng(seed)
    zones: list[Rule] = [KeepOut(f"{k}", star(rng, rng.uniform(-2.5, 2.5, 2), 0.3, 1.5, 8)) for k in range(4)]
    square, step = ((-2.5, -2.5), (2.5, -2.5), (2.5, 2.5), (-2.5, 2.5)), 0.04
    axis = np.arange(-2.5 + step / 2, 2.5, step)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    left = 2.5 - np.abs(points).max(1) - BODY.radius
    for zone in zones:
        corners = np.array(zone.polygon)  # type: ignore[union-attr]  # all are zones
        left = np.minimum(left, zone_margin(points, points, corners, np.full(len(points), BODY.radius), False))
    parts, count = ndimage.label((left >= step).reshape(len(axis), -1))
    if count == 0:
        return
    start = int(np.argmax(np.where(parts.ravel() > 0, left, -np.inf)))
    told = remarks(
        [*zones, KeepIn("square", square)],
        ids=[101],
        squads=[0],
        homes=[[0.0, 0.0]],
        places=points[start : start + 1],
        kinematics=BODY,
        bounds=(-12.0, -12.0, 12.0, 12.0),
    )
    mine = parts.ravel() == parts.ravel()[start]
    for remark in told:
        x, y = (float(number) for number in remark.text.split(": (")[1].split(")")[0].split(", "))
        beyond = int(np.argmin(np.hypot(*(points - (x, y)).T)))
        assert left[beyond] >= -step, "a body has room there"
        assert not mine[np.hypot(*(points - (x, y)).T) < 0.05].any()
    if not told:  # what is wide apart on both measures would have been seen
        large = np.bincount(parts.ravel()) * step**2 > np.pi * BODY.radius**2
        others = {int(parts.ravel()[start]), *(np.flatnonzero(large[1:]) + 1).tolist()}
        wide, _ = ndimage.label((left >= -0.1).reshape(len(axis), -1))
        of = {int(np.unique(wide[parts == part])[0]) for part in others}
        assert len(of) == 1
