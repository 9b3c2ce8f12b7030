from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from npc_sdk.designer.choice import Choice, ShieldChange, rechosen
from npc_sdk.designer.explain import Verdict, explain, verdict

TERMS = ("flank", "exposure", "cover")


def choice(
    weights: list[float], features: list[list[float]], families: tuple[str, ...], feasible: list[bool] | None = None
) -> Choice:
    """Choose the smallest J among the feasible, as a planner does."""
    w, f = np.array(weights), np.array(features)
    objective = f @ w
    allowed = np.array(feasible if feasible is not None else [True] * len(f))
    chosen = int(np.argmin(np.where(allowed, objective, np.inf)))
    return Choice(104, TERMS[: len(w)], w, f, objective, allowed, families, chosen)


def best(one: Choice, weights: NDArray[np.float64]) -> int:
    return int(np.argmin(np.where(one.feasible, one.features @ weights, np.inf)))


def test_the_parts_add_up_to_the_objective() -> None:
    told = explain(choice([2.0, 1.0, 0.5], [[0.5, 1.0, 2.0], [1.0, 0.0, 4.0]], ("flank_left", "hold")))
    assert [part.value for part in told.parts] == [1.0, 1.0, 1.0]
    assert told.objective == 3.0
    assert told.remainder == 0.0


def test_the_runner_up_is_the_best_plan_of_another_family() -> None:
    told = explain(choice([1.0], [[1.0], [1.1], [1.5], [9.0]], ("flank_left", "flank_left", "hold", "seek")))
    assert (told.family, told.runner_up) == ("flank_left", "hold")
    assert told.lead == pytest.approx(0.5)
    assert told.parts[0].lead == pytest.approx(0.5)
    assert told.leading == "flank"


def test_the_verdict_is_the_explanation_in_short() -> None:
    one = choice([1.0], [[1.0], [1.1], [1.5], [9.0]], ("flank_left", "flank_left", "hold", "seek"))
    assert verdict(one) == Verdict("flank_left", "hold", 1.0, pytest.approx(0.5), "flank")


def test_without_another_family_the_runner_up_is_the_next_best_and_without_rivals_there_is_none() -> None:
    told = explain(choice([1.0], [[1.0], [1.1]], ("seek", "seek")))
    assert told.runner_up == "seek"
    told = explain(choice([1.0, 3.0], [[1.0, 2.0]], ("seek",)))
    assert (told.runner_up, told.lead, told.leading) == ("", None, "exposure")
    assert all(part.raise_to is None and part.lower_to is None for part in told.parts)


def test_an_infeasible_rival_neither_runs_up_nor_flips() -> None:
    features = [[1.0, 0.0], [0.0, 0.5], [3.0, 1.0]]
    told = explain(choice([1.0, 1.0], features, ("seek", "hold", "retreat"), [True, False, True]))
    assert (told.family, told.runner_up, told.rejected) == ("seek", "retreat", 1)
    assert told.parts[0].lower_to is None


def test_the_flip_weight_is_where_another_plan_draws_level() -> None:
    one = choice([2.0, 1.0], [[0.5, 2.0], [1.0, 1.5]], ("flank_left", "hold"))  # J = 3.0 and 3.5
    told = explain(one)
    flank, exposure = told.parts
    assert flank.raise_to is None
    assert flank.lower_to == pytest.approx(1.0)
    assert exposure.raise_to == pytest.approx(2.0)
    assert exposure.lower_to is None
    assert (flank.lower_family, exposure.raise_family) == ("hold", "hold")
    for m, weight, side in ((0, 1.0, -1), (1, 2.0, 1)):
        for step, expected in ((1e-6, 1), (-1e-6, 0)):
            weights = one.weights.copy()
            weights[m] = weight + side * step
            assert best(one, weights) == expected


def test_a_flip_below_weight_zero_is_no_flip() -> None:
    told = explain(choice([1.0, 1.0], [[0.0, 1.0], [0.5, 4.0]], ("hold", "seek")))
    assert told.parts[0].lower_to is None


def test_the_sentence_says_what_why_against_what_and_what_would_change_it() -> None:
    told = explain(choice([2.0, 1.0], [[0.5, 2.0], [1.0, 1.5]], ("flank_left", "hold")))
    assert told.sentence == (
        "NPC 104 chose flank left over hold by 0.50, mostly for flank; it would take hold with exposure raised to 2.00."
    )


def test_the_sentence_says_what_the_shield_did() -> None:
    one = choice([2.0, 1.0], [[0.5, 2.0], [1.0, 1.5]], ("flank_left", "hold"))
    told = explain(replace(one, shield=ShieldChange(True, ("vault",), 0.25)))
    assert told.sentence.endswith("; the shield moved it by 0.25 m for vault.")
    assert told.shield.changed
    assert "for a rule" in explain(replace(one, shield=ShieldChange(True))).sentence


def test_a_choice_among_infeasible_plans_says_so() -> None:
    one = Choice(
        7, ("flank",), np.ones(1), np.array([[1.0], [2.0]]), np.array([1.0, 2.0]), np.zeros(2, bool), ("a", "b"), 0
    )
    assert "no plan met every constraint" in explain(one).sentence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(2)}, r"weights: expected shape \(1,\), got \(2,\)"),
        ({"families": ("a",)}, r"families: expected shape \(2,\), got \(1,\)"),
        ({"chosen": 2}, "chosen: expected 0..1, got 2"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: dict[str, object], message: str) -> None:
    one = choice([1.0], [[1.0], [2.0]], ("a", "b"))
    with pytest.raises(ValueError, match=message):
        replace(one, **change)  # type: ignore[arg-type]  # the point of the test


@given(
    st.integers(1, 6).flatmap(
        lambda m: st.tuples(
            st.lists(st.floats(0, 8), min_size=m, max_size=m),
            st.lists(st.lists(st.floats(-5, 5), min_size=m, max_size=m), min_size=1, max_size=8),
        )
    )
)
def test_parts_add_up_and_flips_are_where_the_choice_flips(case: tuple[list[float], list[list[float]]]) -> None:
    weights, features = np.array(case[0]), np.array(case[1])
    terms = tuple(f"t{m}" for m in range(len(weights)))
    objective = features @ weights
    chosen = int(np.argmin(objective))
    families = tuple(f"f{v % 3}" for v in range(len(features)))
    one = Choice(1, terms, weights, features, objective, np.ones(len(features), bool), families, chosen)
    told = explain(one)
    assert abs(told.remainder) <= 1e-9 * (1 + np.abs(features * weights).sum())
    for m, part in enumerate(told.parts):
        for flip in (part.raise_to, part.lower_to):
            if flip is None or abs(flip) > 1e9:
                continue
            assert flip >= 0
            moved = weights.copy()
            moved[m] = flip
            level = features @ moved
            scale = 1e-6 * (1 + np.abs(features * moved).sum())
            assert level.min() >= level[chosen] - scale  # nobody wins before it
            rivals = np.delete(level, chosen)
            assert rivals.min() <= level[chosen] + scale  # and somebody draws level at it
        if part.raise_to is None:
            moved = weights.copy()
            moved[m] += 100.0
            assert (features @ moved).min() >= (features @ moved)[chosen] - 1e-6


def test_the_same_plan_under_another_name_is_no_runner_up() -> None:
    """A kept plan that the sampler found again says nothing; the next really different plan does."""
    choice = Choice(
        npc=1,
        terms=("engage", "exposure"),
        weights=np.array([1.0, 1.0]),
        features=np.array([[1.0, 1.0], [1.001, 1.0], [0.2, 2.5]]),
        objective=np.array([2.0, 2.001, 2.7]),
        feasible=np.ones(3, np.bool_),
        families=("keep", "elite", "flank_left"),
        chosen=0,
    )
    told = explain(choice)
    assert told.runner_up == "flank_left"
    assert told.lead == pytest.approx(0.7)


@given(st.integers(0, 10_000))
def test_a_flip_is_where_the_choice_first_becomes_another_plan(seed: int) -> None:
    """Before it the chosen plan wins, or the same under another name; past it, the plan that is named."""
    rng = np.random.default_rng(seed)
    families = ("hold", "seek", "flank_left", "sample", "sample", "elite")
    one = choice(
        rng.uniform(0.1, 2.0, 3).tolist(), rng.uniform(0.0, 2.0, (6, 3)).tolist(), families, [True] * 5 + [seed % 2 > 0]
    )

    def winner(m: int, weight: float) -> int:
        return best(one, np.array([*one.weights[:m], weight, *one.weights[m + 1 :]]))

    def another(v: int) -> bool:
        apart = np.abs(one.features[v] - one.features[one.chosen]) @ one.weights
        return one.families[v] != one.families[one.chosen] and apart > 0.02 * one.objective[one.chosen]

    for flip in explain(one).flips:
        m = TERMS.index(flip.term)
        assert flip.past >= 0.0
        assert one.families[winner(m, flip.past)] == flip.family
        assert another(winner(m, flip.past))
        other = winner(m, flip.past)
        np.testing.assert_allclose(flip.leads, one.weights * (one.features[other] - one.features[one.chosen]))
        assert sum(flip.leads) == pytest.approx(one.objective[other] - one.objective[one.chosen])
        for share in (0.0, 0.5, 0.9, 0.999):
            assert not another(winner(m, one.weights[m] + share * (flip.weight - one.weights[m])))


def test_a_flip_to_a_plan_with_a_name_is_told_before_a_nearer_one_to_a_sample() -> None:
    one = choice([1.0, 1.0], [[1.0, 1.0], [3.0, 0.0], [0.0, 2.2]], ("hold", "seek", "sample"))
    first, *others = explain(one).flips
    assert (first.family, first.term, first.weight) == ("seek", "flank", 0.5)  # the sample wins at 1.2 already
    assert ("sample", "flank") in {(flip.family, flip.term) for flip in others}


@given(st.integers(0, 10_000))
def test_choosing_again_does_as_the_planner_does(seed: int) -> None:
    torch = pytest.importorskip("torch")
    from npc_sdk.planner.score import objective, ranking, steps_over

    rng = np.random.default_rng(seed)
    features, turned = rng.uniform(0, 2, (5, 3)), rng.uniform(0, 2, 3)
    depth = rng.choice([0.0, 0.01, 0.07, 0.08, 0.3], 5)
    one = choice([1.0, 1.0, 1.0], features.tolist(), ("seek",) * 5)
    short = rng.choice([0.0, 0.2], 5)
    steps = steps_over(torch.tensor(depth)[None], torch.tensor(short)[None], 0.05)
    J = objective(torch.tensor(features)[None], torch.tensor(turned)[None])
    again = rechosen(replace(one, steps=steps[0].long().numpy()), turned)
    assert again.chosen == int(ranking(steps, J)[0, 0])
    np.testing.assert_allclose(again.objective, J[0].numpy())
    assert again.shield == ShieldChange()


def test_no_weight_is_said_to_make_up_for_a_deeper_breach() -> None:
    features = [[1.0, 0.0], [0.0, 1.2], [0.0, 1.1]]
    one = choice([1.0, 1.0], features, ("hold", "seek", "flank_left"), [False] * 3)
    deep = replace(one, steps=np.array([2, 2, 3]))
    assert explain(deep).runner_up == "seek"
    assert {flip.family for flip in explain(deep).flips} == {"seek"}
    assert rechosen(deep, np.array([9.0, 1.0])).chosen == 1
    assert "flank_left" in {flip.family for flip in explain(one).flips}
