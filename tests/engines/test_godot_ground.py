"""Bodies that Godot moves, on rough ground: what was in the way, and what it does to the rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from yard import CLIENTS, needed

from npc_sdk.experiments.executed import OFF, judge, read_play

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "05_declare_for_an_engine.py"
SECONDS = "18"  # one knock-back after 11, the teleport after 16.7


@pytest.mark.timeout(300)
def test_what_godot_makes_of_commands_is_told_by_cause_and_breaks_no_rule(tmp_path: Path) -> None:
    needed("godot3-server")
    godot = ["env", f"HOME={tmp_path}", "godot3-server", "--no-window", "--fixed-fps", "30"]
    scene = ["--path", str(CLIENTS / "gdscript"), "res://example/rough.tscn"]
    one = ["--word", "mapped", "--shares", "0.2", "--tolerances", "0.05", "--seconds", SECONDS, str(tmp_path / "logs")]
    subprocess.run([sys.executable, str(EXAMPLE), *one, *godot, *scene], check=True)
    (log,) = (tmp_path / "logs").glob("*.jsonl")
    play = read_play(log)
    assert (round(play.less, 3), round(play.tolerance, 4)) == (0.2, 0.05)
    assert set(play.cause.ravel()) >= {"", "slope", "knock-back", "teleport"}
    differs = play.off > OFF
    assert differs[play.cause == "teleport"].all()
    assert play.led.mean() > 0.9, "the brain or the brake, not the game, led"
    free, slope = (differs[play.led & (play.cause == name)].mean() for name in ("", "slope"))
    assert max(free, slope) < 0.1, "legs that have enough to spare do what they are told, also uphill"
    moved = play.led & (abs(play.issued).max(2) > 0.5)
    assert moved[play.cause == "slope"].sum() > 50, "there was something to see"
    judged = judge(play)
    assert judged.led == ()
    share = differs[play.led].mean()
    print(f"\nGodot's ground: {play.rung.size} NPC-ticks, {share:.1%} not as issued, none broke a rule")
