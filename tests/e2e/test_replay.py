"""A served game, recorded and replayed: the same answers to the last bit, and the first other one is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from documented import documented_keys, printed_keys
from waiting import until

from npc_bridge.client import Client
from npc_bridge.recording import Recorder
from npc_sdk.bench.game import Game
from npc_sdk.bench.pace import Load
from npc_sdk.bench.process import BrainProcess
from npc_sdk.cli import main

AT = "tcp://127.0.0.1:0"
PLANNER = ("--model", "constant-velocity", "--candidates", "16", "--pose-tolerance", "0.05")
SERVE = (*PLANNER, "--data", AT, "--control", AT, "--telemetry", AT, "--deadline-ms", "60000")


def answered(game: Game) -> bool:
    return bool(game.frame(brain=True).decided.any())


def record(path: Path) -> None:
    """Plays a little, in two sessions."""
    with BrainProcess(*SERVE) as brain:
        game = Game(str(brain.wait()["data"]), 4, 0, Load(0))
        endpoint = game.client.endpoint
        game.client.close()
        with Recorder(path, game.schema) as recorder:
            game.client = Client(endpoint, game.schema, recorder=recorder)
            for _ in range(20):
                until(lambda: answered(game))
            first = game.client.session
            game.client.restart()
            until(lambda: answered(game) and game.client.session not in (0, first))
            game.close()


@pytest.mark.timeout(240)
def test_a_served_game_replays_bit_by_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fight.npcrec"
    record(path)

    def replayed(*options: str) -> dict[str, object]:
        status = main(["replay", str(path), *PLANNER[2:], *options, "--json"])
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert isinstance(found, dict)
        assert status == (0 if found["passed"] else 1)
        return found

    whole = replayed()
    assert printed_keys(whole) == documented_keys("replay")
    assert whole["passed"] is True, whole["first_difference"]
    assert whole["same"] == whole["answers"]
    assert whole["sessions"] == 2
    assert whole["model"] == "constant-velocity", "as the recording says"
    other = replayed("--seed", "1")
    assert other["passed"] is False
    assert "steps[" in str(other["first_difference"])
    other = replayed("--pose-tolerance", "0.02")
    assert ": tolerance[" in str(other["first_difference"])
    path.write_bytes(path.read_bytes()[:-1000])
    crashed = replayed()
    assert crashed["passed"] is True, crashed["first_difference"]
    assert 0 < int(str(crashed["answers"])) < int(str(whole["answers"]))


def test_what_cannot_be_replayed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game = Game("tcp://127.0.0.1:9", 4, 0, Load(0))
    game.close()
    silent = tmp_path / "silent.npcrec"
    Recorder(silent, game.schema).close()
    assert main(["replay", str(silent)]) == 2
    assert "expected a brain's answers" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "nothing")]) == 2
    assert "found none" in capsys.readouterr().err
