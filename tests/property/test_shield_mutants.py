"""The checker's teeth: each of these broken shields must be found out on the same games that the real one passes.

A shield that no mutant of it can be told from would be untested; section 5 asks for 20 or more, all killed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from npc_sdk.constraints import KIND
from npc_sdk.experiments.zoo import Setting, make_crowd, make_setting, play
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.shield import Certified, Movers, Outstanding, certify
from npc_sdk.shield import outstanding as outstanding_module

shield_certify = __import__("npc_sdk.shield.certify", fromlist=["certify"])
shield_ground = __import__("npc_sdk.shield.ground", fromlist=["survey"])
shield_fire = __import__("npc_sdk.shield.fire", fromlist=["forbidden"])
shield_attacks = __import__("npc_sdk.shield.attacks", fromlist=["permit"])
shield_loops = __import__("npc_sdk.kernels.certificate", fromlist=["certify"])

ALL = os.environ.get("NPC_SDK_MUTANTS") == "all"  # minutes; otherwise those that are found out soon
QUICK = (
    "hold_fire_is_not_masked",
    "no_acceleration_limit",
    "no_brake_tail_in_the_segment",
    "no_keep_out",
    "no_reserve",
    "no_spacing",
    "no_speed_limit",
    "no_tokens",
    "no_turn_limit",
    "no_windows",
    "nobody_to_keep_away_from",
    "nobody_to_stay_near",
    "not_a_number_goes_through",
    "only_the_first_step_is_certified",
    "stale_own_state",
)
GAMES, CROWDS = 30, 24
SOON = 4  # of either, in which all of QUICK are found: the definition is slow
Patch = Callable[[pytest.MonkeyPatch], Any]
MUTANTS: dict[str, Patch] = {}  # of the definition in NumPy
COMPILED: dict[str, Patch] = {}  # of its compiled twin


def mutant(make: Patch) -> Patch:
    """Registers a broken shield under its function's name."""
    MUTANTS[make.__name__] = make
    return make


def compiled_mutant(make: Patch) -> Patch:
    """Registers a broken shield that certifies by compiled loops."""
    COMPILED[make.__name__] = make
    return make


@cache
def game(seed: int) -> Setting:
    """One of the fixed games."""
    rng = np.random.default_rng(seed + 77)
    return make_setting(seed, 1.0 / float(rng.choice([20, 30, 60])), 4.0, float(rng.choice([6.0, 16.0])), 0.7)


@cache
def crowd(seed: int) -> Setting:
    """Six NPCs that chase each other over a link that loses half, in a place with nothing else."""
    return make_crowd(seed)


def found_out(shield: Any, compiled: bool = False) -> bool:
    """Plays until the checker reports an NPC-caused violation; by the NumPy code, unless by the compiled loops."""
    count = GAMES + CROWDS if ALL or compiled else 2 * SOON
    games = [(seed, game) for seed in range(GAMES)] + [(seed, crowd) for seed in range(CROWDS)]
    for seed, make in sorted(games, key=lambda g: g[0])[:count]:
        setting = make(seed)
        setting = replace(setting, config=replace(setting.config, compiled=compiled))
        if play(setting, seed, ticks=60, shield=shield).report.total("npc") > 0:
            return True
    return False


def ground_with(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Lets every call judge by tampered requirements."""
    survey = shield_ground.survey
    patch.setattr(shield_certify, "survey", lambda *args: change(survey(*args)))


def verdict_without(patch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Ignores some kinds of rejections."""
    judge = shield_certify._rejections

    def deaf(*args: Any) -> Any:
        out = judge(*args)
        out[..., [KIND[kind] for kind in kinds]] = False
        return out

    patch.setattr(shield_certify, "_rejections", deaf)


def answering(change: Callable[[Certified], Certified]) -> Any:
    """Tampers with the answer."""
    return lambda *args, **more: change(certify(*args, **more))


def certified_elsewhere(change: Callable[[Movers], Movers]) -> Any:
    """Certifies for another start than the one the chunk claims; one at the wrong place would never match."""

    def shield(movers: Movers, tables: Any, *args: Any, **more: Any) -> Certified:
        answer = certify(change(movers), tables, *args, **more)
        travelled = np.cumsum(answer.velocities, 1) * tables.dt
        place = movers.position[:, None] + np.concatenate([np.zeros_like(travelled[:, :1]), travelled[:, :-1]], 1)
        speed = np.concatenate([movers.velocity[:, None], answer.velocities[:, :-1]], 1)
        return replace(answer, expected=np.concatenate([place, speed], 2))

    return shield


@mutant
def nobody_waits_for_a_turn(patch: pytest.MonkeyPatch) -> Any:
    take_turns = shield_certify.take_turns

    def all_at_once(*args: Any) -> Any:
        waiting = take_turns(*args)
        return replace(waiting, held=np.zeros_like(waiting.held))

    patch.setattr(shield_certify, "take_turns", all_at_once)


@mutant
def a_turn_lasts_as_long_as_its_motion_is_seen(patch: pytest.MonkeyPatch) -> Any:
    def seen(movers: Movers, outstanding: Outstanding, config: Any) -> Any:
        velocity = movers.velocity if movers.seen_velocity is None else movers.seen_velocity
        return np.hypot(velocity[:, 0], velocity[:, 1]) > 0.0

    patch.setattr(shield_certify, "in_motion", seen)


@mutant
def no_brake_tail_in_the_segment(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(shield_certify, "segment_end", lambda p, u, a, dt: p + u * dt)


@mutant
def endpoint_instead_of_segment(patch: pytest.MonkeyPatch) -> Any:
    whole = shield_certify.segment_and_end_distance
    patch.setattr(shield_certify, "segment_and_end_distance", lambda a, b, e: whole(b, b, e))


@mutant
def start_instead_of_segment(patch: pytest.MonkeyPatch) -> Any:
    whole = shield_certify.segment_and_end_distance
    patch.setattr(shield_certify, "segment_and_end_distance", lambda a, b, e: whole(a + 0.0 * b, a + 0.0 * b, e))
    ground_with(patch, lambda g: replace(g, final=np.full_like(g.final, -1.0)))


@mutant
def stopping_distance_of_a_continuous_brake(patch: pytest.MonkeyPatch) -> Any:
    def short(p: Any, u: Any, a: Any, dt: float) -> Any:
        speed = np.hypot(u[..., 0], u[..., 1])
        return p + u * (0.5 * speed / a)[..., None]

    patch.setattr(shield_certify, "segment_end", short)


@mutant
def no_walls(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "wall")


@mutant
def no_bounds(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "bounds")


@mutant
def no_keep_out(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "keep_out")


@mutant
def no_keep_in(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "keep_in")


@mutant
def no_navmesh(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "navmesh")


@mutant
def no_leash(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "leash")


@mutant
def no_spacing(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "spacing")


@mutant
def clearance_without_the_body(patch: pytest.MonkeyPatch) -> Any:
    def thin(g: Any) -> Any:
        return replace(g, swept=g.swept - g.body[:, None], final=g.final - g.body[:, None])

    ground_with(patch, thin)


@mutant
def clearance_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> Any:
    ground_with(patch, lambda g: replace(g, swept=-g.swept, final=-g.final))


@mutant
def half_planes_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> Any:
    ground_with(patch, lambda g: replace(g, planes=g.planes * np.array([-1.0, -1.0, 1.0])))


@mutant
def half_planes_that_share_the_gap_twice(patch: pytest.MonkeyPatch) -> Any:
    def greedy(g: Any) -> Any:
        planes = g.planes.copy()
        planes[..., 2] += np.where(np.isfinite(g.plane_slack), 2.0 * g.plane_slack + 0.5 * g.body[:, None] + 0.2, 0.0)
        return replace(g, planes=planes)

    ground_with(patch, greedy)


@mutant
def half_planes_by_the_next_place_only(patch: pytest.MonkeyPatch) -> Any:
    judge = shield_certify._rejections

    def near_sighted(ground: Any, tables: Any, u: Any, start: Any, end: Any, steps: Any, rows: Any = None) -> Any:
        out = judge(ground, tables, u, start, end, steps, rows)
        near = judge(ground, tables, u, start, start + 0.2 * (end - start), steps, rows)
        out[..., KIND["spacing"]] = near[..., KIND["spacing"]]
        return out

    patch.setattr(shield_certify, "_rejections", near_sighted)


@mutant
def half_the_spacing(patch: pytest.MonkeyPatch) -> Any:
    return lambda movers, tables, *args, **more: certify(
        movers, replace(tables, spacing=0.5 * tables.spacing), *args, **more
    )


@mutant
def issued_chunks_are_forgotten_at_once(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        outstanding_module.Outstanding, "points", lambda self, ids, filler: np.repeat(filler[:, None], 1, axis=1)
    )


@mutant
def brakes_are_not_outstanding(patch: pytest.MonkeyPatch) -> Any:
    held = shield_ground._held

    def standing(m: Any, o: Any, p: Any, v: Any, a: Any, dt: float) -> Any:
        points = held(replace(m, seen_position=None), Outstanding(), p, v, a, dt)
        points[:, -3] = p  # where it would rest
        return points

    patch.setattr(shield_ground, "_held", standing)


@mutant
def stale_own_state(patch: pytest.MonkeyPatch) -> Any:
    return certified_elsewhere(lambda m: replace(m, position=m.position - 3.0 * m.velocity / 30.0))


@mutant
def velocity_taken_for_zero(patch: pytest.MonkeyPatch) -> Any:
    return certified_elsewhere(lambda m: replace(m, velocity=np.zeros_like(m.velocity)))


@mutant
def steps_without_a_match_at_the_start(patch: pytest.MonkeyPatch) -> Any:
    """Chunks that claim to start wherever the NPC is: the expected pose is made to fit anything."""

    def fits_all(c: Certified) -> Certified:
        return replace(c, velocities=c.velocities[:, ::-1].copy())

    return answering(fits_all)


@mutant
def no_acceleration_limit(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        shield_certify, "project", lambda w, v, s, c, *more: certify_project(w, v, s, np.asarray(c) * 3.0, *more)
    )


@mutant
def no_speed_limit(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        shield_certify, "project", lambda w, v, s, c, *more: certify_project(w, v, np.asarray(s) * 2.0, c, *more)
    )


@mutant
def not_a_number_goes_through(patch: pytest.MonkeyPatch) -> Any:
    def leaky(movers: Any, tables: Any, outstanding: Any, proposals: Any, **more: Any) -> Certified:
        answer = certify(movers, tables, outstanding, proposals, **more)
        return replace(answer, velocities=np.where(np.isfinite(proposals), answer.velocities, proposals))

    return leaky


@mutant
def hold_fire_is_not_masked(patch: pytest.MonkeyPatch) -> Any:
    return lambda *args, wanted, **more: certify(*args, wanted=replace(wanted, hold_fire=False), **more)


@mutant
def the_nearest_candidate_is_taken_unchecked(patch: pytest.MonkeyPatch) -> Any:
    judge = shield_certify._rejections

    def lenient(*args: Any) -> Any:
        out = judge(*args)
        return out if len(args) == 6 else np.zeros_like(out)

    patch.setattr(shield_certify, "_rejections", lenient)


@mutant
def only_the_first_step_is_certified(patch: pytest.MonkeyPatch) -> Any:
    judge = shield_certify._rejections

    def once(*args: Any) -> Any:
        out = judge(*args)
        if len(args) == 6:
            out[:, 1:] = False
        return out

    patch.setattr(shield_certify, "_rejections", once)


@mutant
def broad_phase_too_short(patch: pytest.MonkeyPatch) -> Any:
    near = shield_ground._near_edges
    patch.setattr(shield_ground, "_near_edges", lambda t, r, p, reach: near(t, r, p, 0.4 * reach))


@mutant
def a_brake_weaker_than_certified(patch: pytest.MonkeyPatch) -> Any:
    return answering(lambda c: replace(c, brake=0.4 * c.brake))


@mutant
def crossing_a_thin_wall_goes_unseen(patch: pytest.MonkeyPatch) -> Any:
    """The distance of end points alone: success is reported where the margin is negative."""
    whole = shield_certify.segment_and_end_distance

    def blind(start: Any, end: Any, edges: Any) -> Any:
        first, last = whole(start, start, edges)[0], whole(end, end, edges)[0]
        return np.minimum(first, last), last

    patch.setattr(shield_certify, "segment_and_end_distance", blind)


@mutant
def no_turn_limit(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(shield_certify, "within_cone", lambda wanted, cone: wanted)


@mutant
def turning_as_if_velocities_were_never_off(patch: pytest.MonkeyPatch) -> Any:
    ground_with(patch, lambda g: replace(g, turn=g.turn * 1.5, turn_give=0.0))


@mutant
def no_clearways(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "no_stop")


@mutant
def clearways_by_the_next_place(patch: pytest.MonkeyPatch) -> Any:
    judge = shield_certify._rejections

    def hasty(ground: Any, tables: Any, u: Any, start: Any, end: Any, *more: Any) -> Any:
        out = judge(ground, tables, u, start, end, *more)
        soon = judge(ground, tables, u, start, start + u * ground.dt, *more)
        out[..., KIND["no_stop"]] = soon[..., KIND["no_stop"]]
        return out

    patch.setattr(shield_certify, "_rejections", hasty)


@mutant
def nobody_to_keep_away_from(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "keep_away")


@mutant
def nobody_to_stay_near(patch: pytest.MonkeyPatch) -> Any:
    verdict_without(patch, "stay_near")


@mutant
def others_stand_still(patch: pytest.MonkeyPatch) -> Any:
    them = shield_ground.targets
    patch.setattr(shield_ground, "targets", lambda *args: replace(them(*args), top_speed=0.0 * them(*args).top_speed))


@mutant
def others_are_where_they_were_seen(patch: pytest.MonkeyPatch) -> Any:
    return lambda *args, others, **more: certify(*args, others=replace(others, age_ticks=-1), **more)


@mutant
def others_by_the_first_tick_only(patch: pytest.MonkeyPatch) -> Any:
    whole = shield_certify.never_worse

    def short(them: Any, npc: Any, start: Any, command: Any, step: Any, a: Any, dt: float, spare: float) -> Any:
        return whole(them, npc, start, command, step, np.full_like(a, 1e9), dt, spare)

    patch.setattr(shield_certify, "never_worse", short)


@mutant
def away_from_where_the_other_is_now(patch: pytest.MonkeyPatch) -> Any:
    """The escape rule that a circling player defeats: going away from the place at which it was seen."""
    whole = shield_certify.never_worse

    def loose(them: Any, npc: Any, start: Any, command: Any, step: Any, a: Any, dt: float, spare: float) -> Any:
        ahead = np.sum(command[:, None] * (start[:, None] - them.place), -1)
        return np.where(ahead >= 0.0, 1.0, whole(them, npc, start, command, step, a, dt, spare))

    patch.setattr(shield_certify, "never_worse", loose)


def book_with(patch: pytest.MonkeyPatch, book: str, change: Callable[[Any], Any]) -> None:
    """Lets one kind of attack book be kept wrongly."""
    patch.setattr(getattr(shield_attacks, book), "allows", change(getattr(shield_attacks, book).allows))


@mutant
def no_windows(patch: pytest.MonkeyPatch) -> Any:
    book_with(patch, "_WindowBook", lambda allows: lambda self, npc, tick, trigger: True)


@mutant
def windows_a_tick_too_short(patch: pytest.MonkeyPatch) -> Any:
    def hasty(allows: Any) -> Any:
        def check(self: Any, npc: int, tick: int, trigger: int) -> bool:
            self._length -= 1
            try:
                return bool(allows(self, npc, tick, trigger))
            finally:
                self._length += 1

        return check

    book_with(patch, "_WindowBook", hasty)


@mutant
def no_tokens(patch: pytest.MonkeyPatch) -> Any:
    book_with(patch, "_PoolBook", lambda allows: lambda self, npc, tick, trigger: True)


@mutant
def tokens_are_held_for_a_tick(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        shield_attacks._PoolBook,
        "_span",
        lambda self, npc, tick: slice(max(0, tick - self._start), max(0, tick - self._start + 1)),
    )


@mutant
def tokens_for_all_at_once(patch: pytest.MonkeyPatch) -> Any:
    """What one is given is not taken from the others."""
    patch.setattr(shield_attacks._PoolBook, "take", lambda self, npc, tick, trigger: None)


@mutant
def no_reserve(patch: pytest.MonkeyPatch) -> Any:
    book_with(patch, "_StockBook", lambda allows: lambda self, npc, tick, trigger: True)


@mutant
def rounds_that_are_on_their_way_are_not_counted(patch: pytest.MonkeyPatch) -> Any:
    book_with(
        patch, "_StockBook", lambda allows: lambda self, npc, tick, trigger: self._over(npc, {(tick, trigger)}) >= 0.0
    )


@mutant
def rules_about_one_field_are_counted_apart(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(shield_attacks, "_by_field", lambda tables: [[stock] for stock in tables.stocks])


@mutant
def a_shot_and_a_throw_at_once_are_one_attack(patch: pytest.MonkeyPatch) -> Any:
    def lax(allows: Any) -> Any:
        def check(self: Any, npc: int, tick: int, trigger: int) -> bool:
            entries, own = self._entries[self._group[npc]], self._ids[npc]
            return any((tick, own, k) in entries for k in range(2)) or bool(allows(self, npc, tick, trigger))

        return check

    book_with(patch, "_WindowBook", lax)


@mutant
def attacks_sent_are_not_remembered(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(shield_attacks.Sent, "add", lambda self, *args: None)


def deaf_to(patch: pytest.MonkeyPatch, kind: str) -> None:
    """Ignores one kind of rules about where attacks go."""

    def some(*args: Any) -> Any:
        return [found for found in shield_fire.forbidden(*args) if found[0].kind != KIND[kind]]

    patch.setattr(shield_attacks, "forbidden", some)


@mutant
def nobody_in_the_line_of_fire(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        shield_attacks, "forbidden", lambda *args: [f for f in shield_fire.forbidden(*args) if hasattr(f[0], "flight")]
    )


@mutant
def nobody_near_a_burst(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(
        shield_attacks, "forbidden", lambda *args: [f for f in shield_fire.forbidden(*args) if hasattr(f[0], "spread")]
    )


@mutant
def everybody_stays_where_he_was_seen(patch: pytest.MonkeyPatch) -> Any:
    def still(self: Any, rule: Any, later_s: float = 0.0) -> Any:
        spared, reach = within(self, rule, later_s)
        return spared, 0.0 * reach

    within = shield_fire.Range.within
    patch.setattr(shield_fire.Range, "within", still)


@mutant
def the_line_of_fire_on_the_wrong_side(patch: pytest.MonkeyPatch) -> Any:
    line = shield_fire.in_the_line
    patch.setattr(
        shield_fire, "in_the_line", lambda rule, aim, where: line(rule, replace(aim, angle=-aim.angle), where)
    )


def loops_given(patch: pytest.MonkeyPatch, which: int, change: Callable[[Any], Any]) -> None:
    """Hands the compiled loops a tampered argument: 0 the rules, 1 the NPCs, 2 the others, 3 the margins."""
    loops = shield_loops.certify

    def misled(*args: Any) -> Any:
        return loops(*args[:which], change(args[which]), *args[which + 1 :])

    patch.setattr(shield_loops, "certify", misled)


def loops_answering(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Tampers with what the compiled loops answer."""
    loops = shield_loops.certify
    patch.setattr(shield_loops, "certify", lambda *args: change(loops(*args)))


@compiled_mutant
def loops_without_outlines(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 0, lambda rules: rules._replace(shape_mask=np.zeros_like(rules.shape_mask)))


@compiled_mutant
def loops_that_take_bodies_for_points(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 1, lambda movers: movers._replace(radius=np.zeros_like(movers.radius)))


@compiled_mutant
def loops_that_look_at_no_pair(patch: pytest.MonkeyPatch) -> Any:
    """The broad phase of pairs, too short."""
    loops_given(patch, 0, lambda rules: rules._replace(widest=0.0))


@compiled_mutant
def loops_that_halve_the_spacing(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 0, lambda rules: rules._replace(spacing=0.5 * rules.spacing))


@compiled_mutant
def loops_that_forget_promises(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 1, lambda movers: movers._replace(promised=movers.promised[:, :1].copy()))


@compiled_mutant
def loops_with_a_brake_three_times_as_strong(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 1, lambda movers: movers._replace(certified_acceleration=3.0 * movers.certified_acceleration))


@compiled_mutant
def loops_without_a_leash(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 1, lambda movers: movers._replace(leash=np.full_like(movers.leash, np.inf)))


@compiled_mutant
def loops_without_a_turn_limit(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 1, lambda movers: movers._replace(turn=np.full_like(movers.turn, np.inf)))


@compiled_mutant
def loops_without_clearways(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 0, lambda rules: rules._replace(way_binds=np.zeros_like(rules.way_binds)))


@compiled_mutant
def loops_for_which_others_stand_still(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 2, lambda them: them._replace(top_speed=np.zeros_like(them.top_speed)))


@compiled_mutant
def loops_that_leave_no_margin(patch: pytest.MonkeyPatch) -> Any:
    loops_given(patch, 3, lambda terms: terms._replace(eps=-terms.tolerance, tolerance=terms.tolerance))


@compiled_mutant
def loops_that_answer_a_little_faster_than_they_judge(patch: pytest.MonkeyPatch) -> Any:
    loops_answering(patch, lambda answer: answer._replace(velocities=1.2 * answer.velocities))


certify_project = shield_certify.project


@pytest.mark.parametrize("compiled", [False, True])
def test_the_real_shield_passes_every_game_that_the_mutants_play(compiled: bool) -> None:
    assert not found_out(certify, compiled)


@pytest.mark.parametrize("name", sorted(MUTANTS) if ALL else sorted(QUICK))
def test_the_checker_finds_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shield = MUTANTS[name](monkeypatch)
    assert found_out(shield or certify), f"mutant {name} survived {GAMES + CROWDS} games"


@pytest.mark.skipif(not AVAILABLE, reason="numba is not there: nothing is compiled")
@pytest.mark.parametrize("name", sorted(COMPILED))
def test_the_checker_finds_out_compiled_loops(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    COMPILED[name](monkeypatch)
    assert found_out(certify, compiled=True), f"mutant {name} survived {GAMES + CROWDS} games"


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 20
    assert len(COMPILED) >= 5
