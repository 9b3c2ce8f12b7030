"""Numbers at the border: ranges, nan policies, ids; in both directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from npc_bridge.border import Border
from npc_bridge.conformance import sample_action, sample_schema, sample_snapshot
from npc_bridge.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from npc_bridge.messages import EntityBlock, Snapshot

BORDER = Border(sample_schema())


def changed(entity: str, row: int, column: int, value: float) -> Snapshot:
    snapshot = sample_snapshot()
    block = snapshot.blocks[entity]
    values = block.values.copy()
    values[row, column] = value
    return replace(snapshot, blocks={**snapshot.blocks, entity: EntityBlock(block.ids, values)})


def test_a_clean_snapshot_passes_unchanged() -> None:
    snapshot = sample_snapshot()
    admitted = BORDER.admit(snapshot)
    assert admitted.snapshot is snapshot
    assert (admitted.clamped, admitted.masked, admitted.note) == (0, 0, "")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_reject_refuses_the_message_and_names_the_field(value: float) -> None:
    with pytest.raises(RemoteProtocolError, match="field 'x' of entity 'npc' 102") as refused:
        BORDER.admit(changed("npc", 1, 0, value))
    assert refused.value.code is ErrorCode.VALUE


@pytest.mark.parametrize(("value", "becomes"), [(np.nan, 0.0), (np.inf, 100.0), (-np.inf, 0.0)])
def test_clamp_repairs_and_counts(value: float, becomes: float) -> None:
    admitted = BORDER.admit(changed("player", 0, 4, value))
    assert admitted.snapshot.blocks["player"].values[0, 4] == becomes
    assert (admitted.clamped, admitted.masked) == (1, 0)
    assert "health" in admitted.note


def test_mask_leaves_the_entity_out() -> None:
    admitted = BORDER.admit(changed("npc", 1, 4, np.nan))
    assert admitted.snapshot.blocks["npc"].ids.tolist() == [101, 103]
    assert (admitted.clamped, admitted.masked) == (0, 1)
    assert np.isfinite(admitted.snapshot.blocks["npc"].values).all()


def test_out_of_range_is_clamped_and_counted_under_every_policy() -> None:
    for entity, column, value, becomes in (("npc", 0, 99.0, 12.0), ("player", 4, -5.0, 0.0), ("npc", 4, 10.0, 9.0)):
        admitted = BORDER.admit(changed(entity, 0, column, value))
        assert admitted.snapshot.blocks[entity].values[0, column] == becomes
        assert admitted.clamped == 1


def test_fit_pulls_commands_into_range_and_rounds_discrete_ones() -> None:
    action = sample_action()
    steps = action.steps.copy()
    steps[0, 0] = [9.0, -9.0, 4.0, 0.6]
    fitted = BORDER.fit(replace(action, steps=steps))
    np.testing.assert_allclose(fitted[0, 0], [6.0, -6.0, np.pi, 1.0])
    BORDER.check(replace(action, steps=fitted))


def test_fit_refuses_what_is_not_finite() -> None:
    action = sample_action()
    for name in ("steps", "expected", "brake", "tolerance"):
        broken = replace(action, **{name: getattr(action, name) * np.float32(np.nan)})
        with pytest.raises(LocalProtocolError):
            BORDER.fit(broken)
