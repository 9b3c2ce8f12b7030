from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

import npc_sdk

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """run.py as a module, with an environment folder of its own."""
    spec = importlib.util.spec_from_file_location("run_script", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.delenv("NPC_SDK_TORCH_INDEX", raising=False)
    return module


@pytest.fixture
def commands(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What run.py would have run; nothing is."""
    called: list[list[str]] = []

    def call(command: list[str]) -> int:
        called.append(command)
        if "venv" in command:
            run.VENV.mkdir()
            run.PYTHON.touch()
        return 0

    def why_not(command: list[str]) -> str:
        called.append(command)
        return ""

    monkeypatch.setattr(run, "call", call)
    monkeypatch.setattr(run, "why_not", why_not)
    return called


def test_every_requirement_has_a_floor_and_a_pin() -> None:
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in (*project["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()):
        wanted += group
    pinned = pins()
    for requirement in wanted:
        if requirement.startswith("npc-sdk["):
            continue
        found = re.fullmatch(r"([\w.-]+)>=[\d.]+", requirement)
        assert found, f"{requirement!r}: expected a lower bound and nothing else"
        assert canonical(found[1]) in pinned, f"{found[1]} is missing in constraints.txt"


def test_what_is_installed_here_is_what_is_pinned() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    installed = {canonical(n): v for n, _, v in (line.partition("==") for line in listed.splitlines()) if v}
    for name, version in pins().items():
        if name in installed:
            assert installed[name].partition("+")[0] == version, f"{name}: constraints.txt says {version}"


def test_what_the_requirements_pull_in_is_pinned_too() -> None:
    pinned = pins()
    todo = [("npc-sdk", frozenset({"demo", "brain", "env"}))]
    todo += [
        (Requirement(line).name, frozenset(())) for group in PROJECT["dependency-groups"].values() for line in group
    ]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        assert canonical(name) in pinned or name == "npc-sdk", f"{name} is missing in constraints.txt"
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            wanted = [needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)] if needed.marker else [True]
            if any(wanted):
                todo.append((needed.name, frozenset(needed.extras)))


def test_the_version_is_told_once() -> None:
    assert PROJECT["project"]["version"] == npc_sdk.__version__


def test_the_wheel_holds_both_packages_their_data_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        timeout=100,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"npc_sdk", "npc_bridge"}
    for needed in ("npc_sdk/py.typed", "npc_bridge/py.typed", "npc_sdk/personas/aggressive.toml"):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name]


def test_a_second_run_installs_nothing(run: ModuleType, commands: list[list[str]]) -> None:
    assert run.main(["test", "-k", "board"]) == 0
    assert any("pip" in command for command in commands)
    commands.clear()
    assert run.main(["test", "-k", "board"]) == 0
    assert run.main(["demo", "--frames", "3"]) == 0  # the test environment holds the demo's
    assert [command[1:] for command in commands] == [
        ["-m", "pytest", "-k", "board"],
        ["-m", "npc_sdk", "demo", "--frames", "3"],
    ]


def test_without_a_compiler_the_rest_is_installed_and_what_is_missing_is_told(
    run: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "why_not", lambda command: "error: no compiler")
    assert run.main(["setup"]) == 0
    assert "codec was not compiled; it reads frames in Python, at twice the time: error: no" in capsys.readouterr().out
    assert not any(str(ROOT / "bridge" / "codec") in command for command in commands)


def test_a_quiet_command_says_why_it_failed(run: ModuleType) -> None:
    said = {"0": "", "3": "exit status 3", "'a\\nsome error: no compiler\\nb'": "some error: no compiler"}
    for words, why in said.items():
        assert run.why_not([sys.executable, "-c", f"import sys; sys.exit({words})"]) == why


def test_with_a_compiler_the_codec_is_built(run: ModuleType, commands: list[list[str]]) -> None:
    assert run.main(["setup"]) == 0
    assert any(str(ROOT / "bridge" / "codec") in command for command in commands)


def test_the_download_size_is_told_before_anything_is_fetched(
    run: ModuleType, commands: list[list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    before = run.call
    monkeypatch.setattr(run, "call", lambda command: told.append(capsys.readouterr().out) or before(command))
    run.main(["setup"])
    assert re.search(r"download: about \d+ MB", told[0])


def test_every_pip_call_is_held_to_the_constraints(run: ModuleType, commands: list[list[str]]) -> None:
    run.main(["setup"])
    pip = [command for command in commands if "pip" in command]
    assert len(pip) == 3
    assert all(command[command.index("-c") + 1] == str(ROOT / "constraints.txt") for command in pip)


def test_torch_can_come_from_another_index(
    run: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.main(["setup"])
    monkeypatch.setenv("NPC_SDK_TORCH_INDEX", "https://example.org/cpu")
    commands.clear()
    run.main(["setup"])
    from_there = [command for command in commands if "https://example.org/cpu" in command]
    assert len(from_there) == 1
    assert from_there[0][-1] == "torch"


def test_a_python_without_ensurepip_is_told_the_apt_line(
    run: ModuleType,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    assert run.main(["demo"]) == 1
    assert re.search(r"sudo apt install python3\.\d+-venv", capsys.readouterr().err)
    assert commands == []


def test_a_failed_installation_is_tried_again(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run.VENV.mkdir()
    run.PYTHON.touch()
    monkeypatch.setattr(run, "call", lambda command: 1)
    assert run.main(["setup"]) == 1
    assert "run this again" in capsys.readouterr().err
    assert not list(run.VENV.glob(".npc-sdk-*"))


def test_run_without_a_command_explains_itself(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([]) == 2
    assert run.main(["--help"]) == 0
    assert "python3 run.py demo" in capsys.readouterr().out
