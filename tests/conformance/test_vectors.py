"""The shipped vectors: what this package makes of them is what their files say, and what it would write today."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from npc_bridge.conformance import folder, invalid, judge, sample_schema, valid, vectors
from npc_bridge.errors import ErrorCode
from npc_bridge.ladder import Ladder
from npc_bridge.messages import Action, decode, encode
from npc_bridge.schema import Schema

FILES = {path.name: path for path in folder().iterdir() if path.suffix in (".bin", ".json")}
FRAMES = sorted(name for name in FILES if name.endswith(".bin") and name != "schema.bin")
LADDERS = sorted(name for name in FILES if name.startswith("ladder_"))


def meaning(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(FILES[name.replace(".bin", ".json")].read_text("utf-8"))
    return loaded


def test_there_are_enough_cases() -> None:
    assert len(list(valid())) >= 60
    assert len(list(invalid())) >= 120
    assert len(LADDERS) >= 8


def test_the_files_are_what_this_version_writes() -> None:
    assert {name: path.read_bytes() for name, path in FILES.items()} == dict(vectors())


def test_the_schema_reads_back() -> None:
    assert Schema.from_canonical(FILES["schema.bin"].read_bytes()) == sample_schema()


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_means_what_its_file_says(name: str) -> None:
    frame, expected = FILES[name].read_bytes(), meaning(name)
    verdict = judge(frame)
    if expected.pop("valid"):
        written = expected.pop("written", True)
        assert json.loads(json.dumps(verdict.meaning)) == expected
        assert (encode(decode(frame, sample_schema()), sample_schema()) == frame) is written
    else:
        assert verdict.code is ErrorCode(int(str(expected["code"])))


def test_the_examples_of_the_page_are_the_vectors_byte_by_byte() -> None:
    page = folder().parents[1] / "PROTOCOL.md"
    shown = re.findall(r"^```\n(\w+\.bin)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(shown) >= 6
    for name, lines in shown:
        assert bytes.fromhex("".join(line[:47] for line in lines.splitlines())) == FILES[name].read_bytes(), name


@pytest.mark.parametrize("name", LADDERS)
def test_the_ladder_does_what_its_script_says(name: str) -> None:
    schema = sample_schema()
    ladder = Ladder(schema)
    for line in json.loads(FILES[name].read_text("utf-8"))["ladder"]:
        if "start" in line:
            ladder.start(line["start"], line["fresh_steps"], line["velocity_tolerance"])
        elif "accept" in line:
            action = decode(bytes.fromhex(line["accept"]), schema)
            assert isinstance(action, Action)
            assert ladder.accept(action) is line["accepted"]
        elif "tick" in line:
            result = ladder.step(line["tick"], np.array(line["ids"], np.uint32), np.array(line["pose"]))
            assert result.rung.tolist() == line["rung"]
            assert result.chunk.tolist() == line["chunk"]
            assert result.step.tolist() == line["step"]
            np.testing.assert_array_equal(result.commands, np.array(line["commands"], np.float32))
        else:
            counters = ladder.counters
            assert {n: getattr(counters, n) for n in counters.__slots__} == line["counters"]
