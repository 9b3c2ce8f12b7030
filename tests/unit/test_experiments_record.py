from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from npc_bridge.messages import Snapshot, decode
from npc_bridge.recording import read
from npc_sdk.envs.arena.players import HELD_OUT_STYLES
from npc_sdk.errors import InputError
from npc_sdk.experiments.record import RecordConfig, record

SHORT = RecordConfig(episodes=3, seconds=0.5, seed=5)


def test_a_recording_is_the_wire_and_reads_back(tmp_path: Path) -> None:
    figures = record(SHORT, tmp_path)
    assert figures["episodes"] == 3
    recording = read(tmp_path / "episode_000000.npcrec")
    snapshots = [decode(r.data, recording.schema) for r in recording]
    assert [s.tick for s in snapshots if isinstance(s, Snapshot)] == [0, 3, 6, 9, 12, 15]
    assert figures["frames"] == 18
    first = snapshots[0]
    assert isinstance(first, Snapshot)
    assert len(first.blocks["npc"].ids) == 8


def test_the_hidden_style_is_in_the_sidecar_only(tmp_path: Path) -> None:
    record(SHORT, tmp_path)
    style = json.loads((tmp_path / "episode_000001.json").read_text())["style"]
    assert style.encode() not in (tmp_path / "episode_000001.npcrec").read_bytes()


def test_same_seed_same_bytes_and_a_run_cut_short_goes_on(tmp_path: Path) -> None:
    record(SHORT, tmp_path / "whole")
    record(RecordConfig(episodes=2, seconds=0.5, seed=5), tmp_path / "resumed")
    (tmp_path / "resumed" / "episode_000000.json").unlink()  # as if it had been stopped before the mark
    record(SHORT, tmp_path / "resumed")
    for name in ("episode_000000.npcrec", "episode_000002.npcrec"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    record(SHORT, tmp_path)
    with pytest.raises(InputError, match="other settings"):
        record(RecordConfig(episodes=3, seconds=0.5, seed=6), tmp_path)


def test_held_out_styles_stay_out_of_training() -> None:
    with pytest.raises(InputError, match="kept out of training"):
        RecordConfig(styles=HELD_OUT_STYLES)
    assert RecordConfig(styles=HELD_OUT_STYLES, split="test").styles == HELD_OUT_STYLES


def test_an_unknown_style_is_named_with_its_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'charger'"):
        RecordConfig(styles=("charge",))


def test_unseen_fraction_is_a_share(tmp_path: Path) -> None:
    figures = record(SHORT, tmp_path)
    assert np.isfinite(figures["unseen_fraction"])
    assert 0 <= figures["unseen_fraction"] <= 1


def test_fights_of_planned_npcs_are_recorded_each_under_weights_of_its_own(tmp_path: Path) -> None:
    from npc_sdk.designer.request import NpcKey
    from npc_sdk.experiments.varied import varied

    planned = RecordConfig(episodes=2, seconds=0.5, seed=5, model="frozen")
    assert planned.fingerprint() != SHORT.fingerprint()
    record(planned, tmp_path / "planned")
    scripted, plans = (tmp_path / name / "episode_000000.npcrec" for name in ("scripted", "planned"))
    record(SHORT, tmp_path / "scripted")
    last = [list(read(path))[-1] for path in (scripted, plans)]
    blocks = [decode(r.data, read(p).schema) for r, p in zip(last, (scripted, plans), strict=True)]
    assert all(isinstance(b, Snapshot) for b in blocks)
    assert [len(b.blocks["npc"].ids) for b in blocks if isinstance(b, Snapshot)] == [8, 4]
    board = varied((1, 2)).snapshot
    first, second = (board.resolve([NpcKey(101, 0, str(w))])[0] for w in (0, 1))
    assert (first != second).sum() > 12  # wishes that are usually off stay off in most fights
    np.testing.assert_array_equal(first, varied((1,)).snapshot.resolve([NpcKey(101, 0, "0")])[0])
