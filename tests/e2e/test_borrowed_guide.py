"""The guide to other people's worlds, run as a reader would run it: every command of the page, with smaller numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from documented import documented_keys, printed_keys
from guide import BORROWED, blocks, commands

from npc_sdk import cli
from npc_sdk.demo.brain import Brain, Endpoints, free_endpoints, serve_command

SMALLER = {"--episodes": "1", "--steps": "2", "--horizon": "8"}
SECONDS = "6"


def smaller(command: list[str], at: Endpoints) -> list[str]:
    """The same command with fewer episodes and steps, at the brain's free ports; figures as JSON."""
    out = [at.data if word == "tcp://127.0.0.1:5757" else word for word in command]
    for option, value in SMALLER.items():
        if option in out:
            out[out.index(option) + 1] = value
    return [*out, *(("--seconds", SECONDS) if out[0] == "play" else ()), "--json"]


def steer(block: str, at: Endpoints) -> None:
    exec(block.replace("tcp://127.0.0.1:5758", at.control), {})


@contextmanager
def serving(model: str, at: Endpoints) -> Iterator[None]:
    brain = Brain([*serve_command(at, model, 1, "cpu"), "--deadline-ms", "500"])
    try:
        brain.start()
        brain.wait_ready(120)
        yield
    finally:
        brain.stop()


@pytest.mark.timeout(300)  # trains, and starts a brain: on a machine with other work
def test_every_command_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, _ = blocks(BORROWED, "python")
    (tmp_path / "rules.toml").write_text(blocks(BORROWED, "toml")[0])
    at, todo = free_endpoints(), commands(BORROWED)
    started = next(k for k, command in enumerate(todo) if command[0] == "serve")

    def run(command: list[str]) -> dict[str, object]:
        status = cli.main(smaller(command, at))
        assert status == 0, command
        found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    for command in todo[:started]:
        run(command)
    played, judged, _ = todo[started + 1 :]
    with serving("tag-model", at):
        kept_away = run(played)
        steer(first, at)
        hunted = run(played)
        steer("from npc_sdk.designer.client import Designer\n" + second, at)
        ruled = run(judged)
    assert float(str(hunted["distance_m"])) < float(str(kept_away["distance_m"])) - 0.5
    assert isinstance(ruled["rules"], dict)
    assert {name for name, rule in ruled["rules"].items() if rule["npc"]} == set()
    assert printed_keys(ruled) == documented_keys("play")


def test_the_page_shows_the_loop_in_order() -> None:
    assert [c[0] for c in commands(BORROWED)] == ["play"] * 2 + ["train"] + ["play"] * 2 + ["evaluate", "serve"] + [
        "play"
    ] * 3
