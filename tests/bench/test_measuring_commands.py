"""Every measuring command runs in its smallest form, and prints exactly the keys that its reference page names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from documented import documented_keys, printed_keys

from npc_sdk import cli

WRONG = ("culprit", "number", "tick", "npc", "rule", "replay", "audit")
"""Keys of what `check attribution` lists when the audit errs, which it does not here."""


def figures(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, object]:
    """Runs a command and returns the object in its last line."""
    cli.main([*command, "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = figures(capsys, "record", "--out", str(tmp_path), "--episodes", "2", "--seconds", "1")
    assert printed_keys(found) == documented_keys("record")
    assert found["episodes"] == 2


def test_steer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = figures(
        capsys,
        *("steer", "--quick", "--model", "constant-velocity", "--terms", "effort", "--out", str(tmp_path)),
    )
    assert printed_keys(found) == documented_keys("steer")
    assert (tmp_path / "steer.png").stat().st_size > 0
    assert (tmp_path / "cross_talk.png").stat().st_size > 0


def test_evaluate_play(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("evaluate", "play", "--quick", "--seeds", "2", "--model", "constant-velocity")
    found = figures(capsys, *asked, "--first-seed", "7")
    assert printed_keys(found) == documented_keys("evaluate play")
    assert found["first_seed"] == 7
    duels = found["duels"]
    assert isinstance(duels, list)
    assert [d["rival"] for d in duels] == ["random", "chase", "utility"]


def test_evaluate_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("evaluate", "coverage", "--model", "constant-velocity", "--episodes", "16", "--seconds", "6")
    found = figures(capsys, *asked)
    assert printed_keys(found) == documented_keys("evaluate coverage")
    covers = found["covers"]
    assert isinstance(covers, list)
    assert {c["group"] for c in covers} == {"seen", "unseen"}
    assert any(c["radius"] is not None and c["radius"] > 0 for c in covers)


def test_evaluate_rules(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    quiet = '[[constraints]]\nrule = "share_limit"\nname = "quiet"\nof = "player.sees_me"\nmost = 0.2\nseconds = 1.0\n'
    berth = '[[constraints]]\nrule = "stay_clear"\ndistance = 3.0\ntop_speed = 5.0\nseconds = 0.5\n'
    rules.write_text(quiet + berth, encoding="utf-8")
    found = figures(capsys, "evaluate", "rules", str(rules), "--quick", "--model", "constant-velocity")
    assert printed_keys(found) == documented_keys("evaluate rules")
    arms = found["arms"]
    assert isinstance(arms, list)
    assert arms[0]["shares"][0]["price"] > arms[1]["shares"][0]["price"]
    assert arms[1]["clear"][0]["kept"] is None


@pytest.mark.timeout(240)
def test_check_shield_finds_nothing_and_its_control_breaks_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("check", "shield", "--steps", "16000", "--model", "constant-velocity", "--out", str(tmp_path))
    found = figures(capsys, *asked)
    assert printed_keys(found) == documented_keys("check shield")
    assert found["npc_caused_violations"] == 0
    assert found["unguarded"] == 0
    assert found["passed"] is True, (found["idle_rules"], found["tame_in_control"])
    kept = sorted(path.name for path in tmp_path.iterdir())
    again = figures(capsys, *asked)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert again["rules"] == found["rules"]


@pytest.mark.timeout(240)
def test_check_adversary_finds_no_margin_below_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, searched = tmp_path / "worst.jsonl", tmp_path / "kept"
    asked = ("check", "adversary", "--searches", "1", "--planned", "1", "--episodes", "15")
    asked += ("--candidates", "2", "--out", str(searched), "--corpus", str(corpus))
    found = figures(capsys, *asked)
    assert printed_keys(found) == documented_keys("check adversary")
    assert found["passed"] is True
    assert [row["proposals"] for row in found["found"]] == ["scripted", "planned"]
    written = corpus.read_text()
    assert len(written.splitlines()) == 1
    assert figures(capsys, *asked)["found"] == found["found"]
    assert corpus.read_text() == written


@pytest.mark.timeout(300)
def test_check_attribution_agrees_with_replays_of_every_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("check", "attribution", "--episodes", "36", "--jobs", "2", "--out", str(tmp_path))
    found = figures(capsys, *asked)
    assert printed_keys(found) | {f"wrong[].{key}" for key in WRONG} == documented_keys("check attribution")
    assert found["passed"] is True, (found["wrong"], found["silent"])
    assert found["excused_npcs"] == 0
    assert found["labelled"] == found["right"]
    assert figures(capsys, *asked)["confusion"] == found["confusion"]


def test_check_replay_finds_every_answer_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "check", "replay", "--games", "3")
    assert printed_keys(found) == documented_keys("check replay")
    assert found["passed"] is True
    assert found["same"] == found["answers"] != 0


@pytest.mark.timeout(240)
def test_bench_crowd(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "crowd", "--games", "3", "--seconds", "1", "--planner")
    sides = {name: found[name] for name in ("bridge", "planning", "control")}
    shared = {f"*.{key}" for side in sides.values() for key in side}  # type: ignore[union-attr]  # a map
    assert set(found) - {"control", "planning"} | shared == documented_keys("bench crowd")
    for side in sides.values():
        assert isinstance(side, dict)
        assert 0 < side["snapshots"] <= 3 * 60
        assert side["unanswered"] < 0.5 * side["snapshots"]
    assert sides["bridge"]["planner_share"] == 0.0 < sides["planning"]["planner_share"]  # type: ignore[index]  # maps


def test_bench_bridge(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "bridge", "--quick")
    printed = {re.sub(r"^wires\.[^.]+", "wires.*", key) for key in printed_keys(found)} - {"wires.*"}
    assert printed | {"wires"} == documented_keys("bench bridge")
    wires = found["wires"]
    assert isinstance(wires, dict)
    others = ["raw_polled", "raw_blocking", "json", "grpc", "websocket"]
    assert list(wires) == ["bridge", "session", *others, "bridge_keys"]
    assert all(0.0 < wire["p50_us"] <= wire["p95_us"] <= wire["p99_us"] for wire in wires.values())


@pytest.mark.timeout(240)
def test_bench_live(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "live", "--quick", "--npcs", "4", "--model", "constant-velocity")
    assert printed_keys(found) == documented_keys("bench live")
    assert found["stale_executed"] == 0
    assert found["weight_change_decisions"] == [1, 1]


@pytest.mark.timeout(240)
def test_bench_live_with_a_killed_brain(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "live", "--kill", "--quick", "--npcs", "4", "--model", "constant-velocity")
    assert printed_keys(found) == documented_keys("bench live --kill")
    assert found["stale_executed"] == 0
    assert isinstance(found["fallback_ticks"], int)
    assert 0 <= found["fallback_ticks"] <= 9


@pytest.mark.timeout(240)
def test_bench_errors_names_every_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "errors", "--times", "2")
    assert printed_keys(found) == documented_keys("bench errors")
    cases = found["cases"]
    assert isinstance(cases, list)
    assert {c["case"]: c["type"] for c in cases} == {
        "nothing_listening": "NotListening",
        "other_protocol": "NotOurProtocol",
        "silent_peer": "NotOurProtocol",
        "deaf_peer": "NotOurProtocol",
        "control_port": "NotOurProtocol",
        "telemetry_port": "NotOurProtocol",
        "connection_cut": "SessionLost",
        "no_key": "NotLetIn",
        "key_not_let_in": "NotLetIn",
        "key_of_another_brain": "NotLetIn",
        "key_for_nobody": "NotLetIn",
        "wrong_version": "VersionFault",
        "unregistered_schema": "SchemaFault",
        "model_against_game": "SchemaMismatch",
        "nan_in_field": "ValueFault",
        "ten_megabytes": "TooLarge",
        "ten_raw_megabytes": "Disconnected",
        "invalid_persona": "PersonaError",
        "other_games_checkpoint": "ModelFault",
    }
    assert all(c["alive"] and c["remedy"] for c in cases)
    why = [c["text"] for c in cases if c["type"] == "NotLetIn"]
    assert len(set(why)) == len(why), "each says something else"


@pytest.mark.timeout(240)
def test_bench_faults_happen_and_are_got_over(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "faults", "--quick", "--npcs", "4", "--model", "constant-velocity")
    assert printed_keys(found) == documented_keys("bench faults")
    assert found["stale_executed"] == 0
    outcomes = found["faults"]
    assert isinstance(outcomes, list)
    assert [o["fault"] for o in outcomes] == ["stopped", "drops", "duplicates", "reorders", "truncations", "cuts"]
    assert all(o["happened"] > 0 for o in outcomes)
    assert all(o["back_ms"] >= 0 for o in outcomes), "every NPC is led again"
    assert outcomes[0]["led"] < outcomes[0]["led_control"], "a stop that nobody notices is none"


@pytest.mark.timeout(240)
def test_bench_shield(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "bench", "shield", "--quick")
    assert printed_keys(found) == documented_keys("bench shield")
    crowds = found["crowds"]
    assert isinstance(crowds, list)
    assert [(c["npcs"], c["edges"] >= 320) for c in crowds] == [(64, True), (1024, True), (1024, True)]
    assert all(0.0 < c["numpy"]["expanded"] <= 0.1 for c in crowds), "some proposals fail, at most a tenth"
    gaps = [abs(c["compiled"]["expanded"] - c["numpy"]["expanded"]) for c in crowds]
    assert max(gaps) < 0.002, "both judge alike, but for margins within eps"


@pytest.mark.timeout(240)
def test_bench_safety(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = ("soft_1", "next_state", "cbf_qp_relaxed", "cbf_qp", "ours")
    found = figures(capsys, "bench", "safety", "--quick", "--out", str(tmp_path), "--rows", *rows)
    printed = {re.sub(r"^rows\.[^.]+", "rows.*", key) for key in printed_keys(found)}
    broken = "rows.*.violations_by_rule.<rule>"
    assert printed | {broken} == documented_keys("bench safety")
    assert found["passed"] is True
    assert isinstance(found["rows"], dict)
    assert set(found["rows"]) == {*rows, "none", "random"}
    assert (tmp_path / "safety.png").stat().st_size > 0
