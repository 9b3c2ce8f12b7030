"""What the brain tells becomes pictures; what is malformed is left out and never raises."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.demo.thoughts import Mind, hear, hear_swing, read_why

PATHS = np.arange(12, dtype=np.float32).reshape(2, 3, 2)


def message(tick: int, **npc: object) -> dict[str, object]:
    return {
        "tick": tick,
        "revision": 3,
        "npcs": [{"id": 101, "persona": "sentry", "exposed": True, **npc}],
        "beliefs": [{"squad": 1, "x": 1.0, "y": 2.0, "sigma": 0.5, "age": 0.2, "seen": False}],
    }


def decided(tick: int) -> dict[str, object]:
    return message(
        tick,
        family="flank_left",
        J=2.0,
        lead=0.5,
        path=PATHS[0].tobytes(),
        alternatives=PATHS.tobytes(),
        alternatives_J=[2.0, 3.0],
        feasible=[True, False],
        ghost=PATHS[1].tobytes(),
        ghosts=PATHS.tobytes(),
    )


def test_a_decision_is_heard_whole() -> None:
    mind = hear(Mind(), decided(30))
    thought = mind.thought(101, 30)
    assert thought is not None
    np.testing.assert_array_equal(thought.path, PATHS[0])
    np.testing.assert_array_equal(thought.alternatives, PATHS)
    np.testing.assert_array_equal(thought.alternatives_objective, [2.0, 3.0])
    np.testing.assert_array_equal(thought.feasible, [True, False])
    np.testing.assert_array_equal(thought.ghost, PATHS[1])
    np.testing.assert_array_equal(thought.ghosts, PATHS)
    assert (thought.family, thought.objective, thought.lead, thought.exposed) == ("flank_left", 2.0, 0.5, True)
    assert (mind.personas[101], mind.revision) == ("sentry", 3)
    assert (mind.beliefs[0].squad, mind.beliefs[0].at, mind.beliefs[0].seen) == (1, (1.0, 2.0), False)


def test_an_npc_that_does_not_decide_keeps_its_thought_until_it_is_old() -> None:
    mind = hear(hear(Mind(), decided(30)), message(33, exposed=False))
    thought = mind.thought(101, 33)
    assert thought is not None
    assert thought.family == "flank_left"
    assert not thought.exposed
    assert mind.thought(101, 90) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=24),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["npcs", "id", "path", "alternatives", "alternatives_J", "ghost", "beliefs", "x", "parts", "shield"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["tick", "npcs", "beliefs", "parts", "explanation"]), anything))
def test_nothing_that_is_told_can_raise(body: dict[str, object]) -> None:
    mind = hear(hear(Mind(), body), body)
    for npc in mind.thoughts:
        thought = mind.thought(npc, mind.tick)
        assert thought is not None
        assert thought.path.shape[1:] == (2,)
        assert len(thought.alternatives) == len(thought.alternatives_objective)
    read_why(body)


def test_an_explanation_keeps_its_parts_and_names_the_shield() -> None:
    why = read_why(
        {
            "explanation": {
                "npc": 101,
                "family": "keep",
                "runner_up": "hold",
                "objective": 3.0,
                "lead": None,
                "parts": [{"term": "flank", "weight": 2.0, "value": 2.5}, {"term": "los", "weight": 1.0, "value": 0.5}],
                "sentence": "Because.",
                "shield": {"changed": True, "rules": ["spacing"]},
            }
        }
    )
    assert why is not None
    assert sum(value for _, _, value in why.parts) == why.objective
    assert (why.lead, why.shield) == (None, "the shield changed it: spacing")
    assert read_why({"parts": []}) is None


def test_a_swing_ranks_the_same_plans_anew_and_keeps_what_it_does_not_name() -> None:
    mind = hear(Mind(), decided(30))
    row = {"id": 101, "family": "hold", "J": 1.0, "lead": 0.2, "path": PATHS[1].tobytes()}
    row |= {"alternatives_J": [4.0, 1.0], "feasible": [True, False], "ghost": PATHS[0].tobytes()}
    swung = hear_swing(mind, {"revision": 9, "tick": 30, "npcs": [row]})
    thought = swung.thought(101, 30)
    assert thought is not None
    assert (thought.family, thought.objective, thought.exposed, swung.revision) == ("hold", 1.0, True, 9)
    np.testing.assert_array_equal(thought.path, PATHS[1])
    np.testing.assert_array_equal(thought.alternatives, PATHS)
    np.testing.assert_array_equal(thought.ghosts, PATHS)
    np.testing.assert_array_equal(thought.alternatives_objective, [4.0, 1.0])
    assert swung.personas == mind.personas


def test_a_swing_about_a_decision_that_is_not_known_is_dropped() -> None:
    mind = hear(Mind(), decided(30))
    row = {"id": 101, "path": PATHS[1].tobytes(), "alternatives_J": [1.0, 2.0, 3.0, 4.0, 5.0], "feasible": [True] * 5}
    swung = hear_swing(mind, {"revision": 9, "npcs": [row, {**row, "id": 102}, {"id": 101}, 5]})
    assert swung.thoughts == mind.thoughts


def test_an_older_answer_does_not_take_a_revision_back() -> None:
    mind = hear_swing(Mind(), {"revision": 9})
    assert hear_swing(mind, {"revision": 3}).revision == 9


def test_a_flip_is_read_only_where_it_is_whole() -> None:
    parts = [{"term": "cover", "weight": 1.0, "value": 2.0}]
    flip = {"term": "cover", "weight": 0.5, "past": 0.49, "family": "hold", "leads": [0.25]}
    why = read_why({"explanation": {"npc": 101, "parts": parts, "flips": [flip]}, "tick": 12})
    assert why is not None
    assert why.flip is not None
    assert (why.tick, why.flip.term, why.flip.past, why.flip.family) == (12, "cover", 0.49, "hold")
    assert why.flip.leads == {"cover": 0.25}
    torn = ({**flip, "past": float("nan")}, {**flip, "leads": []}, {**flip, "leads": ["x"]})
    for broken in (None, [3], [{}], *([row] for row in torn)):
        why = read_why({"explanation": {"npc": 101, "parts": parts, "flips": broken}})
        assert why is not None
        assert why.flip is None


def test_a_sliders_flip_to_a_plan_one_can_picture_is_told_first() -> None:
    parts = [{"term": "cover", "weight": 1.0, "value": 2.0}]
    flips = [
        {"term": term, "weight": at, "past": at, "family": family, "leads": [0.0]}
        for term, at, family in (
            ("effort", 0.1, "flank_left"),
            ("exposure", 9.0, "flank_left"),
            ("exposure", 0.6, "sample"),
            ("exposure", 0.7, "flank_right"),
            ("attack", 0.8, "flank_left"),
        )
    ]
    for left, expected in ((flips, 0.7), (flips[:3], 0.6), (flips[:2], 0.1), (flips[1:2], 9.0)):
        why = read_why({"explanation": {"npc": 101, "parts": parts, "flips": left}})
        assert why is not None
        assert why.flip is not None
        assert why.flip.weight == expected
    against = {"npc": 101, "parts": parts, "flips": flips, "runner_up": "flank_left"}
    why = read_why({"explanation": against})
    assert why is not None
    assert why.flip is not None
    assert (why.flip.term, why.flip.family) == ("attack", "flank_left")  # the one it is compared with anyway
