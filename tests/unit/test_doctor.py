from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from documented import PAGE, documented_keys, printed_keys

from npc_bridge import codec
from npc_sdk import cli, doctor
from npc_sdk.doctor import Finding, Verdict
from npc_sdk.envs.arena.maps import make_map
from npc_sdk.envs.arena.stream import arena_schema


def test_this_installation_is_whole() -> None:
    findings = {finding.check: finding for finding in doctor.examine()}
    broken = [finding for finding in findings.values() if finding.verdict is Verdict.BROKEN]
    assert broken == []
    assert {"python", "numpy", "msgpack", "zmq", "loopback", "torch", "threads", "pygame", "model"} <= findings.keys()


def test_an_old_python_is_broken() -> None:
    finding = doctor.check_python((3, 10, 4))
    assert finding.verdict is Verdict.BROKEN
    assert "3.10.4, expected 3.11 or newer" in finding.found


@pytest.mark.parametrize(
    ("installed", "verdict", "remedy"),
    [
        ({"pygame": "2.6.1", "pygame-ce": "2.5.5"}, Verdict.BROKEN, "pip uninstall -y pygame pygame-ce"),
        ({"pygame": "2.6.1"}, Verdict.NOTE, "pip install pygame-ce"),
        ({}, Verdict.NOTE, "npc-sdk[demo]"),
        ({"pygame-ce": "2.5.5"}, Verdict.GOOD, ""),
    ],
)
def test_the_two_pygames_are_told_apart(installed: dict[str, str], verdict: Verdict, remedy: str) -> None:
    finding = doctor.check_pygame(installed.get)
    assert finding.verdict is verdict
    assert remedy in finding.remedy


def test_a_port_in_use_is_noted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = doctor.check_loopback((port,))
    assert finding.verdict is Verdict.NOTE
    assert str(port) in finding.found


def test_a_bridge_without_compiled_code_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "compiled", None)
    assert doctor.check_codec().verdict is Verdict.NOTE
    monkeypatch.setattr(codec, "compiled", codec)
    assert doctor.check_codec().verdict is Verdict.GOOD


def test_more_threads_than_one_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert doctor.check_threads().verdict is Verdict.NOTE
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor.check_threads().verdict is Verdict.GOOD


def test_the_shipped_model_is_held_against_the_arena(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    assert doctor.check_model(config).verdict is Verdict.NOTE
    config.write_text(json.dumps({"interface_sha256": "0" * 64}))
    assert doctor.check_model(config).verdict is Verdict.BROKEN
    config.write_text("{")
    assert "damaged" in doctor.check_model(config).found
    config.write_text(json.dumps({"interface_sha256": arena_schema(make_map("train", 0)).interface_sha256}))
    assert doctor.check_model(config).verdict is Verdict.GOOD


def test_what_is_broken_makes_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: (Finding("zmq", Verdict.BROKEN, "too old", "pip install -U pyzmq"),))
    assert cli.main(["doctor"]) == 1
    assert "-> pip install -U pyzmq" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {
        "broken": 1,
        "findings": [{"check": "zmq", "verdict": "broken", "found": "too old", "remedy": "pip install -U pyzmq"}],
    }
    monkeypatch.setattr(doctor, "examine", lambda: (Finding("zmq", Verdict.GOOD, "fine"),))
    assert cli.main(["doctor"]) == 0
    assert "nothing is broken" in capsys.readouterr().out


def test_the_reference_page_lists_the_keys_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json"])
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed_keys(printed) == documented_keys("doctor")
    page = documented_checks()
    assert [finding["check"] for finding in printed["findings"]] == page


def documented_checks() -> list[str]:
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if "findings[].check" in line)
    return re.findall(r"`(\w+)`", line.split("|")[2])
