from __future__ import annotations

import argparse
import subprocess
import sys
from types import ModuleType

import pytest
from documented import PAGE

from npc_sdk import __version__, cli
from npc_sdk.errors import InputError
from npc_sdk.experiments import steer

WITHOUT_TORCH = """
import sys
from npc_sdk.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
loaded = sorted(set(sys.modules) & {{"torch", "zmq", "pygame", "pettingzoo"}})
assert "torch" not in loaded, loaded
"""


def command(monkeypatch: pytest.MonkeyPatch, work: object) -> list[argparse.Namespace]:
    """Put a sub-command `work` in the table; returns what it gets called with."""
    module, calls = ModuleType("a_command"), []

    def main(args: argparse.Namespace) -> int:
        calls.append(args)
        if isinstance(work, BaseException):
            raise work
        return int(str(work))

    module.add_arguments = lambda parser: parser.add_argument("--frames", type=int)  # type: ignore[attr-defined]
    module.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_command", module)
    monkeypatch.setitem(cli.COMMANDS, "work", cli.Entry("a_command", "do some work"))
    return calls


def test_help_lists_every_command_without_loading_torch() -> None:
    code = WITHOUT_TORCH.format(arguments=["--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for name, entry in cli.COMMANDS.items():
        assert name in done.stdout
        assert entry.summary.split()[0] in done.stdout


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_explains_itself_without_loading_torch(name: str) -> None:
    code = WITHOUT_TORCH.format(arguments=[name, "--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"npc-sdk {name}" in done.stdout


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"npc-sdk {__version__}\n"


def test_a_command_gets_its_options_and_gives_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = command(monkeypatch, 3)
    assert cli.main(["work", "--frames", "7"]) == 3
    assert calls[0].frames == 7


@pytest.mark.parametrize("arguments", [[], ["dance"], ["doctor", "--louder"]])
def test_a_request_that_makes_no_sense_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bench", "live", "--kill", "--kills", "0"], "--kills: expected a whole number of at least 1, got '0'"),
        (["bench", "live", "--blocks", "-2"], "--blocks: expected a whole number of at least 1, got '-2'"),
        (["bench", "live", "--block-seconds", "nan"], "--block-seconds: expected a finite number above 0, got 'nan'"),
        (["check", "shield", "--planned", "1.5"], "--planned: expected a number from 0 to 1, got '1.5'"),
        (["check", "shield", "--planned", "half"], "--planned: expected a number from 0 to 1, got 'half'"),
        (["train", "plays", "--out", "m", "--minutes", "0"], "--minutes: expected a finite number above 0, got '0'"),
        (["record", "--out", "plays", "--seed", "-1"], "--seed: expected a whole number of at least 0, got '-1'"),
        (["demo", "--frames", "+-3"], "--frames: expected a whole number of at least 1, got '+-3'"),
        (["demo", "--frames", "many"], "--frames: expected a whole number of at least 1, got 'many'"),
    ],
)
def test_a_number_out_of_range_is_named_with_what_was_expected(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_a_typed_error_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, InputError("expected a model, got a cat"))
    assert cli.main(["work"]) == 2
    assert capsys.readouterr().err == "npc-sdk: expected a model, got a cat\n"


def test_a_missing_package_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert cli.main(["work"]) == 2
    assert capsys.readouterr().err == "npc-sdk: torch is not installed: pip install 'npc-sdk[brain]'\n"


def test_a_missing_module_of_our_own_is_a_bug_and_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, ModuleNotFoundError("No module named 'npc_sdk.ghost'", name="npc_sdk.ghost"))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["work"])


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command(monkeypatch, KeyboardInterrupt())
    assert cli.main(["work"]) == 130
    assert capsys.readouterr().err == ""


def test_the_reference_page_lists_every_command_as_help_does() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in cli.COMMANDS:
        assert f"| `npc-sdk {name}` |" in page


def test_steering_without_personas_is_asked_for_with_0() -> None:
    parser = argparse.ArgumentParser()
    steer.add_arguments(parser)
    assert parser.parse_args(["--persona-seeds", "0"]).persona_seeds == 0
