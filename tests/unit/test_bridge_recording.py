"""Recordings after a crash or with damage, at every byte; and the reader of the reference page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from guide import blocks

from npc_bridge.conformance import sample_schema
from npc_bridge.errors import RecordingError
from npc_bridge.recording import CRC, HEAD, RECORD, ChannelId, Direction, Record, Recorder, read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "recording.md"
WHOLE = sample_schema()
NPC = next(entity for entity in WHOLE.entities if entity.role == "npc")
SCHEMA = replace(WHOLE, polygons=(), channels=WHOLE.channels[:2], entities=(replace(NPC, fields=NPC.fields[:4]),))
WRITTEN = [
    Record(5, Direction.UP, ChannelId.DATA, b"abc"),
    Record(6, Direction.DOWN, ChannelId.DATA, b""),
    Record(7, Direction.UP, ChannelId.NOTE, bytes(range(40))),
]


def recorded(path: Path) -> tuple[bytes, list[int]]:
    """Writes a recording; returns its bytes and where its records end, the schema's first."""
    with Recorder(path, SCHEMA) as recorder:
        for record in WRITTEN:
            recorder.write(*record)
    lengths = [len(SCHEMA.canonical()), *(len(record.data) for record in WRITTEN)]
    ends, end = [], HEAD.size
    for length in lengths:
        end += RECORD.size + length + CRC.size
        ends.append(end)
    data = path.read_bytes()
    assert len(data) == ends[-1]
    return data, ends


def got(path: Path, data: bytes) -> list[Record] | None:
    """Reads bytes as a recording, None if they are refused."""
    path.write_bytes(data)
    try:
        return list(read(path))
    except RecordingError:
        return None


def test_a_recording_cut_at_any_byte_reads_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.npcrec"
    data, ends = recorded(path)
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        assert got(path, data[:cut]) == (WRITTEN[: whole - 1] if whole else None), cut


def test_a_recording_damaged_at_any_byte_reads_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.npcrec"
    data, ends = recorded(path)
    says_nothing = {*range(16, 24), *range(56, 64)}  # when it began, and what is reserved
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        if at in says_nothing:
            assert got(path, bytes(damaged)) == WRITTEN
            continue
        whole = sum(end <= at for end in ends)
        assert got(path, bytes(damaged)) == (WRITTEN[: whole - 1] if whole else None), at


@pytest.fixture
def shown() -> Callable[[Path], Iterable[tuple[int, int, int, bytes]]]:
    """The reader that the page shows."""
    code = next(code for code in blocks(PAGE, "python") if "def records" in code)
    assert code.count("\n") <= 21, "twenty lines, as the page's title for it says"
    names: dict[str, Callable[[Path], Iterable[tuple[int, int, int, bytes]]]] = {}
    exec(code, names)  # the page's own code
    return names["records"]


def test_the_reader_of_the_page_reads_the_same(
    tmp_path: Path, shown: Callable[[Path], Iterable[tuple[int, int, int, bytes]]]
) -> None:
    path = tmp_path / "a.npcrec"
    data, ends = recorded(path)
    first = (0, Direction.UP, ChannelId.SCHEMA, SCHEMA.canonical())
    assert list(shown(path)) == [first, *WRITTEN]
    for cut in (ends[0], ends[1] + 1, ends[2] - 1, ends[-1] - 1):
        path.write_bytes(data[:cut])
        assert list(shown(path)) == [first, *read(path)]
