"""Scripted deciders, the stress of the shield and what a play is measured by, on real small fights."""

from __future__ import annotations

import numpy as np
import pytest

from npc_sdk.constraints import KINDS
from npc_sdk.envs.arena import ArenaConfig
from npc_sdk.experiments import stress
from npc_sdk.experiments.campaign import Totals
from npc_sdk.experiments.scripted import SCRIPTED, Kind, ScriptedDecider
from npc_sdk.experiments.stage import Cast, cast, new_board, play
from npc_sdk.geometry import build_map, point_in_polygon

FIGHTS = cast("test", range(2))
RULES = ArenaConfig(npcs=4, mortal=False)


def scripted(kind: Kind, fights: Cast = FIGHTS) -> ScriptedDecider:
    return ScriptedDecider(kind, RULES.npcs, fights.seeds)


@pytest.mark.parametrize("kind", SCRIPTED)
def test_scripts_play_under_the_shield(kind: Kind) -> None:
    trace, played = play(FIGHTS, RULES, scripted(kind), new_board(), 1.0)
    assert trace.guarded.all()
    assert (trace.rung == 0).all()
    assert np.linalg.norm(trace.command[..., :2], axis=-1).max() <= 4.0 + 1e-4
    assert played.pos.shape[1:] == (2, 4, 2)


def test_a_fight_is_the_same_alone_or_in_a_batch() -> None:
    both, _ = play(FIGHTS, RULES, scripted("utility"), new_board(), 1.0)
    second = Cast(FIGHTS.maps[1:], FIGHTS.seeds[1:], FIGHTS.styles[1:])
    alone, _ = play(second, RULES, scripted("utility", second), new_board(), 1.0)
    np.testing.assert_allclose(both.pos[:, 1], alone.pos[:, 0], atol=1e-9)


def test_damage_and_acceleration_are_taken_from_every_tick() -> None:
    trace, played = play(FIGHTS, RULES, scripted("chase"), new_board(), 2.0)
    np.testing.assert_allclose(played.dealt, trace.damage_dealt[:, :, 1:].sum(0))
    change = np.linalg.norm(np.diff(trace.vel[:, :, 1:], axis=0), axis=-1) * 30
    np.testing.assert_allclose(played.acceleration, change.mean(0), rtol=1e-6)


def test_drawn_rules_leave_every_npc_a_legal_start() -> None:
    from npc_sdk.envs.arena import Arena, make_map

    for index in range(4):
        rng = np.random.default_rng([1, index])
        rules = stress.draw_rules(rng, 200)
        arena = Arena([make_map("test", 5000 + index)], ArenaConfig(npcs=8), [index])
        stress.place(arena, rules, rng)
        at = arena.pos[0, 1:]
        for zone in rules.keep_out:
            assert not point_in_polygon(at, [tuple(p) for p in zone]).any()
        assert point_in_polygon(at, [tuple(p) for p in rules.keep_in]).all()
        gaps = np.linalg.norm(at[:, None] - at[None], axis=-1) + 99 * np.eye(8)
        assert gaps.min() >= rules.spacing
        walls = build_map(arena.maps[0].polygons, (-12, -12, 12, 12), 0.35)
        assert (walls.sdf.sample(at) >= 0.35).all()


def test_the_audit_sees_what_an_unshielded_brain_breaks() -> None:
    config = stress.StressConfig(steps=3000)
    shielded = stress.run_batch(config, 0, _script(config), shielded=True, ticks=60)
    control = stress.run_batch(config, 0, _script(config), shielded=False, ticks=60)
    totals, bare = Totals(), Totals()
    for batch, arm in ((shielded, totals), (control, bare)):
        for report in batch.reports:
            arm.judged(report)
        arm.certified_by(batch.tally)
    assert totals.caused() == 0
    assert totals.unguarded == 0
    assert sum(bare.broken(kind) for kind in KINDS if kind not in ("wall", "bounds")) > 100
    assert totals.steps == bare.steps == 60 * config.worlds * config.npcs


def _script(config: stress.StressConfig) -> ScriptedDecider:
    return ScriptedDecider("chase", config.npcs, tuple(range(config.worlds)))
