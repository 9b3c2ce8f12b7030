"""What encode refuses, and what recordings and bodies refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from npc_bridge.conformance import sample_action, sample_schema, sample_snapshot
from npc_bridge.errors import LocalProtocolError, RecordingError, RemoteProtocolError
from npc_bridge.limits import LIMITS
from npc_bridge.messages import Bye, Control, EntityBlock, Welcome, decode, encode
from npc_bridge.packing import Reader, clip_text
from npc_bridge.recording import HEAD, ChannelId, Direction, Recorder, read

SCHEMA = sample_schema()
IDS = np.arange(1, 3, dtype=np.uint32)

WRONG: list[tuple[str, Callable[[], object]]] = [
    ("need a schema", lambda: encode(sample_snapshot())),
    ("need a schema", lambda: decode(encode(sample_action(), SCHEMA))),
    ("not in the schema: dragon", lambda: encode(replace(sample_snapshot(), blocks={"dragon": block(5)}), SCHEMA)),
    ("expected shape (2, 5)", lambda: encode(replace(sample_snapshot(), blocks={"npc": block(4)}), SCHEMA)),
    ("dtype float32, got float64", lambda: encode(replace(sample_snapshot(), blocks={"npc": wide()}), SCHEMA)),
    ("ACTION: steps", lambda: encode(replace(sample_action(), steps=np.zeros((3, 4), np.float32)), SCHEMA)),
    ("Snapshot", lambda: encode(replace(sample_snapshot(), tick=-1), SCHEMA)),
    ("Bye", lambda: encode(Bye(1 << 32))),
    ("Control", lambda: encode(Control(1, "x", {"a": object()}))),  # type: ignore[dict-item]  # on purpose
    ("expected a message, got str", lambda: encode("hello")),  # type: ignore[arg-type]  # on purpose
]


def block(width: int) -> EntityBlock:
    return EntityBlock(IDS, np.zeros((2, width), np.float32))


def wide() -> EntityBlock:
    return EntityBlock(IDS, np.zeros((2, 5)))  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(("text", "act"), WRONG, ids=[text for text, _ in WRONG])
def test_what_cannot_be_sent_is_named(text: str, act: Callable[[], object]) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        act()
    assert text in str(refused.value)


def test_decoded_arrays_are_read_only_views() -> None:
    message = decode(encode(sample_snapshot(), SCHEMA), SCHEMA)
    with pytest.raises(ValueError, match="read-only"):
        message.blocks["npc"].values[0, 0] = 1.0  # type: ignore[union-attr]


READINGS: list[tuple[str, Callable[[Reader], object]]] = [
    ("body.a: expected an integer 0..9", lambda r: r.integer("a", 0, 9)),
    ("body.a: expected a number", lambda r: r.number("a")),
    ("body.a: expected true or false", lambda r: r.flag("a")),
    ("body.n: expected a string of at most 64 bytes", lambda r: r.text("n")),
    ("body.a: expected at most 5 bytes", lambda r: r.blob("a", 5)),
    ("body.a: expected a list of at most 5", lambda r: r.items("a", 5)),
    ("body.l: expected a list of at most 1", lambda r: r.items("l", 1)),
    ("body.l: expected 3 numbers", lambda r: r.numbers("l", 3)),
    ("body.n: expected a map", lambda r: r.map("n")),
    ("body.l[0]: expected a map", lambda r: r.maps("l", 5)),
    ("body: expected 'z'", lambda r: r.text("z")),
]


@pytest.mark.parametrize(("text", "take"), READINGS, ids=[text for text, _ in READINGS])
def test_entries_of_the_wrong_type_are_named(text: str, take: Callable[[Reader], object]) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        take(Reader({"a": "x", "n": 5, "l": [1, 2]}, "body"))
    assert text in str(refused.value)


def test_a_welcome_with_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="velocity_tolerance"):
        decode(encode(Welcome(1, 1, 1, "", velocity_tolerance=-1.0)))


def test_texts_are_cut_at_a_character() -> None:
    assert clip_text("grün", 3) == "gr"
    assert clip_text("grün", 4) == "grü"


def test_a_recording_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.npcw"
    with Recorder(path, SCHEMA, start_us=123) as recorder:
        recorder.write(5, Direction.DOWN, ChannelId.DATA, b"abc")
        recorder.flush()
        recorder.write(6, Direction.UP, ChannelId.NOTE, b"")
        with pytest.raises(LocalProtocolError):
            recorder.write(7, Direction.UP, ChannelId.DATA, bytes(LIMITS.frame_bytes + 1))
    recording = read(path)
    assert (recording.schema, recording.start_us) == (SCHEMA, 123)
    expected = [(5, Direction.DOWN, ChannelId.DATA, b"abc"), (6, Direction.UP, ChannelId.NOTE, b"")]
    assert list(recording) == expected
    assert list(recording) == expected  # as often as wanted


def spoil(data: bytes, case: str) -> bytes:
    match case:
        case "empty":
            return b""
        case "magic":
            return b"X" + data[1:]
        case "version":
            return data[:8] + b"\x09" + data[9:]
        case "hash":
            return data[:24] + b"\x00" * 32 + data[56:]
        case "cut":
            return data[: HEAD.size + 30]
        case "channel":
            return data[: HEAD.size + 13] + b"\x01" + data[HEAD.size + 14 :]
    raise AssertionError(case)


@pytest.mark.parametrize("case", ["empty", "magic", "version", "hash", "cut", "channel"])
def test_what_is_no_recording_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npcw"
    Recorder(path, SCHEMA).close()
    path.write_bytes(spoil(path.read_bytes(), case))
    with pytest.raises(RecordingError, match="expected"):
        read(path)


def test_a_damaged_record_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.npcw"
    with Recorder(path, SCHEMA) as recorder:
        for i in range(3):
            recorder.write(i, Direction.UP, ChannelId.DATA, b"abc")
    data = bytearray(path.read_bytes())
    data[-25] ^= 1  # in the second record
    path.write_bytes(data)
    assert [record.time_us for record in read(path)] == [0]
