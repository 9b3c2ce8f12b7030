"""What the page on running a brain shows is what the command line takes, and what the figures are called."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from guide import DOCS, blocks

from npc_sdk.serve import command
from npc_sdk.serve.metrics import COUNTS

PAGE = DOCS / "howto" / "operate.md"


def block(language: str) -> str:
    (only,) = blocks(PAGE, language)
    return only


def options(words: Sequence[str]) -> argparse.Namespace:
    assert Path(words[0]).name == "npc-sdk"
    assert words[1] == "serve"
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    return parser.parse_args(words[2:])


def test_every_command_of_the_page_is_taken() -> None:
    unit = configparser.ConfigParser()
    unit.read_string(block("ini"))
    entry = re.search(r"^ENTRYPOINT (\[.*?\])$", block("dockerfile").replace("\\\n", ""), re.MULTILINE)
    assert entry
    for words in (shlex.split(block("bash")), shlex.split(unit["Service"]["ExecStart"]), json.loads(entry[1])):
        taken = options(words)
        assert taken.metrics == "127.0.0.1:9464"
        assert taken.log_format == "json"
    assert f"http://{taken.metrics}/healthz" in block("dockerfile")
    assert {taken.data[-4:], taken.control[-4:], taken.telemetry[-4:]} == set(
        re.findall(r"\d+", block("dockerfile").split("EXPOSE")[1].splitlines()[0])
    )


def test_every_figure_the_page_names_is_shown() -> None:
    shown = {f"{name}_total" for name, _, _ in COUNTS} | {"npc_games", "npc_answer_seconds", "npc_plan_seconds"}
    named = set(re.findall(r"`(npc_[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert named
    assert named <= shown
