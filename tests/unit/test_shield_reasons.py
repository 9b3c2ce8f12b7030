"""What a certificate says in a few numbers, and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from npc_sdk.constraints import KIND, KINDS
from npc_sdk.experiments import campaign, zoo
from npc_sdk.shield import REASONS, Certified, Tally, certificates, certify
from npc_sdk.shield.reasons import DISTANCES, kinds_in


def an_answer() -> Certified:
    """For three NPCs, two steps each; nothing near, nothing changed."""
    kinds, n = len(KINDS), 3
    nothing = np.zeros((n, kinds), np.bool_)
    return Certified(
        velocities=np.zeros((n, 2, 2)),
        expected=np.zeros((n, 2, 4)),
        points=np.zeros((n, 2, 2, 2)),
        triggers=np.zeros((n, 2, 2), np.bool_),
        brake=np.full(n, 5.0),
        tolerance=np.full(n, 0.02),
        guarded=np.ones(n, np.bool_),
        broken=nothing.copy(),
        active=nothing.copy(),
        rejected=nothing.copy(),
        margins=np.full((n, kinds), np.inf),
        changed=np.zeros((n, 2), np.bool_),
        rank=np.zeros((n, 2), np.int8),
    )


def test_an_untouched_proposal_is_accepted_and_says_so() -> None:
    told = certificates(an_answer())[1]
    assert told.accepted
    assert (told.candidate, told.active, told.rejected, told.broken) == (0, 0, 0, 0)
    assert (told.margin, told.nearest) == (None, -1)
    assert told.reason == "goes as proposed"


def test_a_tally_adds_up_and_counts_no_margin_of_who_came_off_its_certificate() -> None:
    answer, tally, wall = an_answer(), Tally(), KIND["wall"]
    answer.rejected[:2, wall], answer.changed[0, 1] = True, True
    answer.active[:, wall], answer.margins[:2, wall] = True, (0.5, 0.25)
    answer.broken[2, KIND["leash"]], answer.guarded[2], answer.margins[2, KIND["leash"]] = True, False, -1.0
    tally.add(answer)
    tally.add(answer)
    assert (tally.steps, tally.unguarded, tally.changed) == (6, 2, 2)
    assert tally.rows()["wall"] == {"active": 6, "changed": 2, "unguarded": 0, "min_margin": 0.25}
    assert tally.rows()["leash"] == {"active": 0, "changed": 0, "unguarded": 2, "min_margin": None}


def test_an_answer_of_no_steps_says_what_it_says_of_the_start() -> None:
    answer = an_answer()
    none = replace(answer, changed=answer.changed[:, :0], rank=answer.rank[:, :0])
    assert [told.reason for told in certificates(none)] == ["goes as proposed"] * 3


def test_the_first_kind_of_rule_is_one_like_any_other() -> None:
    answer = an_answer()
    answer.margins[1, KIND["wall"]], answer.margins[2, KIND["bounds"]] = 0.5, 1.5
    assert KIND["wall"] == 0
    assert [told.margin for told in certificates(answer)] == [None, 0.5, 1.5]


def test_the_worst_step_counts_and_the_rules_that_turned_it_down_are_named() -> None:
    answer = an_answer()
    answer.rank[1], answer.changed[1, 1] = (0, 4), True
    answer.rejected[1, [KIND["keep_out"], KIND["spacing"]]] = True
    answer.active[1, [KIND["keep_out"], KIND["spacing"], KIND["wall"]]] = True
    answer.margins[1, KIND["speed"]], answer.margins[1, KIND["spacing"]] = 0.0, 0.25
    told = certificates(answer)[1]
    assert not told.accepted
    assert REASONS[told.candidate] == "brake"
    assert kinds_in(told.active) == ("wall", "keep_out", "spacing")
    assert (told.margin, KINDS[told.nearest]) == (0.25, "spacing"), "a speed is no distance"
    assert told.reason == "brakes; keep out, spacing turned the proposal down; 0.25 m to spare for spacing"
    assert certificates(answer)[0].accepted
    assert told.numbers() == {
        "accepted": False,
        "candidate": 4,
        "active": told.active,
        "rejected": told.rejected,
        "broken": 0,
        "margin": 0.25,
        "nearest": KIND["spacing"],
    }


def test_an_attack_that_was_stopped_is_told_from_a_motion() -> None:
    answer = an_answer()
    answer.changed[2, 0], answer.rejected[2, KIND["cooldown"]] = True, True
    told = certificates(answer)[2]
    assert not told.accepted
    assert told.reason == "goes as proposed; cooldown turned an attack down"


def test_an_unguarded_start_comes_first() -> None:
    answer = an_answer()
    answer.broken[0, KIND["keep_in"]], answer.guarded[0] = True, False
    answer.rank[0, 0] = 3
    assert certificates(answer)[0].reason == "off its certificate for keep in; took the nearest certified step"


def test_the_numbers_are_those_of_the_arrays_in_play() -> None:
    seen: list[Certified] = []

    def watched(*args: object, **more: object) -> Certified:
        seen.append(certify(*args, **more))  # type: ignore[arg-type]
        return seen[-1]

    setting = replace(campaign.draw(5), loss=0.0)
    zoo.play(setting, 5, 30, watched)
    changed = 0
    for answer in seen:
        for row in range(len(answer.guarded)):
            one = certificates(answer)[row]
            changed += not one.accepted
            assert one.accepted == (not answer.changed[row].any())
            assert [KIND[k] for k in kinds_in(one.active)] == np.flatnonzero(answer.active[row]).tolist()
            assert [KIND[k] for k in kinds_in(one.rejected)] == np.flatnonzero(answer.rejected[row]).tolist()
            near = [answer.margins[row, KIND[kind]] for kind in DISTANCES]
            assert one.margin == (min(near) if np.isfinite(min(near)) else None)
            assert one.accepted or one.rejected or one.candidate
    assert changed > 0


def test_the_protocol_lists_the_kinds_of_rules_in_the_order_of_the_bits() -> None:
    text = (Path(__file__).resolve().parents[2] / "bridge" / "PROTOCOL.md").read_text(encoding="utf-8")
    listed = text[text.index("Kinds of rules, from 0: ") :].partition(": ")[2].partition(".")[0]
    assert tuple(name.strip() for name in listed.split(",")) == KINDS
