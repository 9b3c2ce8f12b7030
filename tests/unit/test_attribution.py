"""Who the audit blames, against replays with each mover frozen; audits that cannot tell are found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npc_sdk.audit import check as audit_check
from npc_sdk.audit import fire as audit_fire
from npc_sdk.audit.causes import GAME, K1, K2, K6, OWN
from npc_sdk.experiments import blame
from npc_sdk.experiments.culprits import Culprit, Replay, draw, play
from npc_sdk.experiments.rooms import motion, rooms

ACTING = dict.fromkeys(Culprit, 0) | {
    Culprit.SHOVE: 1,
    Culprit.STALE: 1,
    Culprit.ZONE: 1,
    Culprit.FLAG: 1,
    Culprit.FAST: 4,
    Culprit.APART: 1,
    Culprit.FORECAST: 2,
}
"""By culprit the number of an episode in which it does harm."""


@pytest.mark.parametrize("culprit", list(Culprit), ids=lambda culprit: culprit.name.lower())
def test_the_audit_names_the_one_whom_the_replays_name(culprit: Culprit) -> None:
    named = blame.trial(draw(culprit, ACTING[culprit]))
    told = {n.label for n in named} - {"undecided"}
    assert told >= {culprit.assumption.replace("K5", "inadmissible") or culprit.category}
    assert [n for n in named if n.label not in ("undecided", n.verdict)] == []


@pytest.mark.parametrize(
    ("culprit", "number"),
    [
        (Culprit.SPAWN, 1000062),
        (Culprit.SPAWN, 1000043),
        (Culprit.APART, 1000044),
        (Culprit.APART, 1000063),
        (Culprit.ZONE, 2000018),
    ],
    ids=str,
)
def test_episodes_that_an_audit_once_got_wrong(culprit: Culprit, number: int) -> None:
    """A chunk of the time without a legal brake runs after it; one that rests is run into by a brain that does not know
    it; a zone comes up for one that has old chunks to run."""
    named = blame.trial(draw(culprit, number))
    assert named
    assert [n for n in named if n.label not in ("undecided", n.verdict)] == []


def test_the_same_number_is_the_same_episode_and_an_honest_one_is_another() -> None:
    episode = draw(Culprit.SHOVE, ACTING[Culprit.SHOVE])
    one, two, honest = play(episode), play(episode), play(episode, Replay(honest=True))
    np.testing.assert_array_equal(one.trace.position, two.trace.position)
    until = episode.when + 1
    np.testing.assert_array_equal(one.trace.position[:until], honest.trace.position[:until])
    assert not np.array_equal(one.trace.position, honest.trace.position)
    assert blame.breaches(episode, honest) == []


def causes_without(patch: pytest.MonkeyPatch, *numbers: int) -> None:
    """An audit that does not notice some causes."""
    sees = audit_check.moved_by

    def blind(*args: Any) -> Any:
        found = sees(*args)
        return np.where(np.isin(found, numbers), OWN, found)

    patch.setattr(audit_check, "moved_by", blind)


def everybody_moves_on_purpose(patch: pytest.MonkeyPatch) -> None:
    causes_without(patch, GAME)


def the_engine_is_never_at_fault(patch: pytest.MonkeyPatch) -> None:
    causes_without(patch, K1)


def nobody_is_ever_misled(patch: pytest.MonkeyPatch) -> None:
    causes_without(patch, K2)


def the_last_hop_always_brakes(patch: pytest.MonkeyPatch) -> None:
    causes_without(patch, K6)


def nobody_is_faster_than_declared(patch: pytest.MonkeyPatch) -> None:
    fast = audit_check.margins_and_blame

    def slow(*args: Any) -> Any:
        margin, worse, found = fast(*args)
        return margin, worse, np.zeros_like(found)

    patch.setattr(audit_check, "margins_and_blame", slow)
    patch.setattr(audit_fire, "_whys", lambda trace, limits, rule, astray: np.zeros((len(astray), 9), np.int64))


def standing_still_is_never_better(patch: pytest.MonkeyPatch) -> None:
    fast = audit_check.margins_and_blame

    def meek(*args: Any) -> Any:
        margin, worse, found = fast(*args)
        return margin, np.zeros_like(worse), found

    patch.setattr(audit_check, "margins_and_blame", meek)


def who_moves_is_always_to_blame(patch: pytest.MonkeyPatch) -> None:
    fast = audit_check.margins_and_blame

    def strict(*args: Any) -> Any:
        margin, worse, found = fast(*args)
        return margin, np.ones_like(worse), found

    patch.setattr(audit_check, "margins_and_blame", strict)


def every_zone_was_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit_check, "_announced", lambda trace, limits, zone, living, config: np.zeros(living.shape, int))


def all_are_certified_together(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit_check, "strangers", lambda trace, tick, one, two: np.zeros(len(one), bool))


def every_start_is_admissible(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit_check, "_has_brake", lambda here, now, asked, *rest: np.ones(len(asked), bool))


def breaches_are_forgotten_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit_check, "_left_by", lambda cause, living, off: np.where(living, off, off))


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], Culprit] = {
    everybody_moves_on_purpose: Culprit.GAME,
    the_engine_is_never_at_fault: Culprit.SHOVE,
    nobody_is_ever_misled: Culprit.STALE,
    the_last_hop_always_brakes: Culprit.COAST,
    nobody_is_faster_than_declared: Culprit.FAST,
    standing_still_is_never_better: Culprit.FAST,
    who_moves_is_always_to_blame: Culprit.PLAYER,
    every_zone_was_told: Culprit.ZONE,
    all_are_certified_together: Culprit.APART,
    every_start_is_admissible: Culprit.SPAWN,
    breaches_are_forgotten_at_once: Culprit.SHOVE,
}


@pytest.mark.parametrize("mutant", list(MUTANTS), ids=lambda mutant: mutant.__name__)
def test_an_audit_that_cannot_tell_is_found_out(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    culprit = MUTANTS[mutant]
    score = blame.Score.none()
    mutant(monkeypatch)
    for number in range(ACTING[culprit], ACTING[culprit] + 24):
        episode = draw(culprit, number)
        score.add(episode, blame.trial(episode))
        if score.right < score.labelled:
            return
    pytest.fail("24 episodes, and every verdict still right")


def test_rooms_found_by_trying_points_are_those_of_the_audit() -> None:
    """Where the two measure the same thing: the smallest margin of every rule about places and others."""
    episode = draw(Culprit.HOSTILE, ACTING[Culprit.HOSTILE])
    played = play(episode)
    report = blame.judged(episode, played)
    least: dict[str, float] = {}
    for tick in range(len(played.trace.command)):
        for rule, room in rooms(played.trace, played.limits, motion(played.trace, tick)).items():
            least[rule] = min(least.get(rule, np.inf), float(room.min()))
    for rule in ("wall", "bounds", "keep_out", "keep_in", "leash", "spacing"):
        found = [v.margin for v in report.examples if v.rule == rule]
        if found:
            assert least[rule] == pytest.approx(min(found), rel=0.1, abs=2e-3 * episode.setting.body.max_speed)


def test_kept_counts_are_the_counts() -> None:
    score, again = blame.Score.none(), blame.Score.none()
    episode = draw(Culprit.FLAG, ACTING[Culprit.FLAG])
    named = blame.trial(episode)
    score.add(episode, [*named, replace(named[0], verdict="unseen")])
    again.plus(score.table())
    np.testing.assert_array_equal(again.matrix, score.matrix)
    np.testing.assert_array_equal(again.culprits, score.culprits)
    assert again.wrong == score.wrong
    assert len(score.wrong) == 1
    assert score.right == 0
    assert score.excused == 0
