"""The hunt on the wire, small: faults happen, nobody breaks a rule, and a careless last hop is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from documented import documented_keys, printed_keys

from npc_sdk.cli import main
from npc_sdk.experiments.wire import game, hunt
from npc_sdk.experiments.wire.faults import Worst


@pytest.mark.timeout(240)
def test_a_small_hunt_meets_every_fault_and_finds_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["check", "wire", "--steps", "3000", "--seed", "1", "--out", str(tmp_path), "--json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed_keys(found) == documented_keys("check wire")
    assert found["npc_caused_violations"] == 0
    assert found["kills"] > 0
    assert found["stalls"] > 0
    assert found["sessions"] > 2, "two games, whose brain was killed and came back"
    assert found["rungs"]["planned"] > 0.1
    assert all(count > 0 for count in found["messages"].values())
    assert max(found["control_violations_per_rule"].values()) > 0.1


@pytest.mark.timeout(240)
def test_a_last_hop_that_runs_whatever_came_last_is_found_out() -> None:
    """The shield alone does not keep the promise: on a bad line steps come late, and out of order."""
    size = hunt.Size(ticks=90, games=1, worst=Worst(stall_s=1.0, stall_every_s=3.0))
    found = hunt.shard(0, 1, True, size, game.Reckless)
    assert found.totals.steps > 0
    assert found.totals.caused() > 0
