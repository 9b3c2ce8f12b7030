"""What the brain tells becomes pictures; what is malformed is left out and never raises."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.demo.thoughts import Mind, hear, read_why

PATHS = np.arange(12, dtype=np.float32).reshape(2, 3, 2)


def message(tick: int, **npc: object) -> dict[str, object]:
    return {
        "tick": tick,
        "revision": 3,
        "npcs": [{"id": 101, "persona": "sentry", "exposed": True, **npc}],
        "beliefs": [{"squad": 1, "x": 1.0, "y": 2.0, "sigma": 0.5, "age": 0.2, "seen": False}],
        "latency_ms": {"plan": 4.5},
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
        ghost=PATHS[1].tobytes(),
    )


def test_a_decision_is_heard_whole() -> None:
    mind = hear(Mind(), decided(30))
    thought = mind.thought(101, 30)
    assert thought is not None
    np.testing.assert_array_equal(thought.path, PATHS[0])
    np.testing.assert_array_equal(thought.alternatives, PATHS)
    np.testing.assert_array_equal(thought.alternatives_objective, [2.0, 3.0])
    np.testing.assert_array_equal(thought.ghost, PATHS[1])
    assert (thought.family, thought.objective, thought.lead, thought.exposed) == ("flank_left", 2.0, 0.5, True)
    assert (mind.personas[101], mind.revision, mind.latency_ms["plan"]) == ("sentry", 3, 4.5)
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


@given(st.dictionaries(st.sampled_from(["tick", "npcs", "beliefs", "latency_ms", "parts", "explanation"]), anything))
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
