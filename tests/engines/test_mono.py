"""The C# client in Mono. Unity's editor is not run."""

from __future__ import annotations

import shutil
import subprocess
from ctypes.util import find_library
from pathlib import Path

import pytest
from yard import CLIENTS, needed, play

from npc_bridge.conformance import check

CSHARP = CLIENTS / "csharp"
LIBRARY = "Npcw.dll"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client, its two programs, and where Mono finds libzmq."""
    needed("mcs", "mono")
    if find_library("zmq") is None:
        needed("libzmq.so.5")
    folder = tmp_path_factory.mktemp("csharp")
    shutil.copy(CSHARP / f"{LIBRARY}.config", folder)
    _compile("-target:library", f"-out:{folder / LIBRARY}", *sorted(CSHARP.glob("Runtime/*.cs")))
    for source in (CSHARP / "Conformance~" / "Conformance.cs", CSHARP / "Samples~" / "Yard" / "Yard.cs"):
        _compile(f"-r:{folder / LIBRARY}", "-r:System.Core.dll", f"-out:{folder / source.stem}.exe", source)
    return folder


def _compile(*arguments: str | Path) -> None:
    done = subprocess.run(["mcs", "-warnaserror", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_agrees_with_every_vector(built: Path) -> None:
    report = check(["mono", str(built / "Conformance.exe")])
    assert report.passed, report.told()
    assert (report.frames, report.ladders) >= (220, 15)
    assert report.presets == ("wire", "unity")


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(built: Path) -> None:
    said = subprocess.run(["mono", "--version"], capture_output=True, text=True, check=True).stdout
    version = said.split("version ", 1)[1].split(" ", 1)[0]
    play("Mono", version, lambda endpoint: ["mono", str(built / "Yard.exe"), endpoint, "600"])
