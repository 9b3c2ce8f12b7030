"""The commands of docs/tutorial/godot.md, read from the page and run, in a checkout in a temporary folder.

What `run.py` would install is lent: the checkout's `.venv` is the environment of the tests.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guide import lines
from yard import Scene, all_planned, needed

from npc_sdk.demo.brain import Brain, free_endpoints
from npc_sdk.serve.command import DATA

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "godot.md"
MOST = 6


def checkout(folder: Path) -> None:
    """Lays out the checkout, with everything installed as `run.py` would have it."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".git", ".venv", "run.py"):
            (folder / path.name).symlink_to(path)
    shutil.copy(ROOT / "run.py", folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    spec = importlib.util.spec_from_file_location("run_of_checkout", folder / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    (folder / ".venv" / ".npc-sdk-demo").write_text(run.fingerprint())


@pytest.mark.timeout(300)
def test_the_page_leads_to_planned_guards_in_godot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get_godot, serve, play, copy = lines(PAGE)
    assert len(lines(PAGE)) <= MOST
    assert get_godot.split()[-1] == "godot3-server"
    needed("godot3-server")  # what the first command brings
    home = tmp_path / "checkout"
    checkout(home)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(tmp_path))  # where Godot keeps folders of its own
    at = free_endpoints()  # in place of the usual ones, which somebody may use
    options = ["--attached", "--data", at.data, "--control", at.control, "--telemetry", at.telemetry]
    brain = Brain([*shlex.split(serve), *options])
    try:
        brain.start()
        brain.wait_ready(120)
        assert DATA in play
        scene = Scene(shlex.split(play.replace(DATA, at.data)))
        try:
            tick = scene.until(all_planned, since=0)
        finally:
            scene.close()
    finally:
        brain.stop()
    assert tick.fault == "fine"
    (tmp_path / "game").mkdir()
    subprocess.run(shlex.split(copy.replace("PATH/OF/YOUR/GAME", str(tmp_path / "game"))), check=True)
    assert (tmp_path / "game" / "addons" / "npcw" / "client.gd").is_file()
