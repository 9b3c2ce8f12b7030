"""Runs another implementation over all cases and compares what it says with what this one does.

The other side needs no JSON: cases and verdicts are lines of words. docs/reference/conformance.md describes both.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..coordinates import preset
from ..errors import ConformanceError
from ..frames import FLAG_DELTA, Kind, read_header
from ..messages import decode, encode
from ..schema import COORDINATES
from .cases import invalid, ladder_scripts, lenient, sample_schema, valid

TIMEOUT_S = 120.0
READ_ONLY = "-"  # in the place of a frame that an implementation reads, but never writes
Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Report:
    """What an implementation got right."""

    frames: int
    read_only: int  # of the frames: understood, and not of a kind that it writes
    ladders: int
    presets: tuple[str, ...]  # those that it has
    wrong: tuple[str, ...]  # a sentence for each case that it judged otherwise, or not at all

    @property
    def passed(self) -> bool:
        """True where nothing is wrong."""
        return not self.wrong

    def told(self) -> list[str]:
        """Returns the lines to print."""
        presets = f"presets {', '.join(self.presets) or '(none)'}"
        counts = f"{self.frames} frames, of which {self.read_only} were only read, {self.ladders} ladders, {presets}"
        return [*self.wrong, f"{counts}: {f'{len(self.wrong)} wrong' if self.wrong else 'all as they should be'}"]


def check(command: Sequence[str]) -> Report:
    """Runs a command over all cases.

    Raises:
        ConformanceError: it does not start, does not end, fails, or leaves no verdicts.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, verdicts = Path(name), Path(name) / "verdicts.txt"
        expected = _lay_out(folder)
        try:
            done = subprocess.run([*command, str(folder), str(verdicts)], capture_output=True, timeout=TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConformanceError(f"{command[0]}: expected verdicts within {TIMEOUT_S:g} s, got: {error}") from None
        if done.returncode or not verdicts.exists():
            said = (done.stderr or done.stdout).decode("utf-8", "replace")[-2000:]
            raise ConformanceError(f"{command[0]}: expected verdicts, got exit status {done.returncode}: {said}")
        return _compare(expected, verdicts.read_text("utf-8").splitlines())


def _lay_out(folder: Path) -> dict[str, list[str]]:
    """Writes the cases into a folder; returns what is to be said of each."""
    schema = sample_schema()
    expected: dict[str, list[str]] = {}
    frames = [*valid(), *lenient(), *((name, frame) for name, frame, _ in invalid())]
    codes = {name: code for name, _, code in invalid()}
    for name, frame in frames:
        (folder / f"{name}.bin").write_bytes(frame)
        again = "" if name in codes else encode(decode(frame, schema), schema).hex()
        expected[f"frame {name}"] = [f"error {int(codes[name])}" if name in codes else f"ok {again}"]
    for name, script in ladder_scripts():
        (folder / f"{name}.txt").write_text("\n".join(_words(script)) + "\n", "ascii")
        expected[f"ladder {name}"] = list(_answers(script))
    for name in COORDINATES:
        asked = np.random.default_rng(3).uniform(-9.0, 9.0, (4, 3))
        rows = [" ".join(map(repr, row)) for row in asked.tolist()]
        (folder / f"{name}.txt").write_text("\n".join(rows) + "\n", "ascii")
        expected[f"preset {name}"] = list(_converted(name, asked))
    (folder / "schema.bin").write_bytes(schema.canonical())
    (folder / "cases.txt").write_text("\n".join(expected) + "\n", "ascii")
    return expected


def _converted(name: str, asked: NDArray[np.float64]) -> Iterator[str]:
    """Yields what a preset makes of the engine's numbers, and of the same as the wire's."""
    one = preset(name)
    to = np.column_stack([one.to_wire(asked[:, :2]), one.angle_to_wire(asked[:, 2])])
    back = np.column_stack([one.from_wire(asked[:, :2]), one.angle_from_wire(asked[:, 2])])
    for there, here in zip(to.tolist(), back.tolist(), strict=True):
        yield "converted " + " ".join(map(repr, [*there, *here]))


def _words(script: Sequence[Line]) -> Iterator[str]:
    for line in script:
        if "start" in line:
            yield f"start {line['start']} {line['fresh_steps']} {line['velocity_tolerance']}"
        elif "accept" in line:
            yield f"accept {line['accept']}"
        elif "tick" in line:
            rows = zip(line["ids"], line["pose"], strict=True)  # type: ignore[call-overload]  # lists
            yield " ".join(["step", str(line["tick"]), *(f"{npc} " + " ".join(map(repr, pose)) for npc, pose in rows)])


def _answers(script: Sequence[Line]) -> Iterator[str]:
    for line in script:
        if "accepted" in line:
            yield f"accepted {int(bool(line['accepted']))}"
        elif "tick" in line:
            rows = zip(line["rung"], line["chunk"], line["step"], line["commands"], strict=True)  # type: ignore[call-overload]  # lists
            yield " ".join(["step", *(f"{r} {c} {s} " + " ".join(map(repr, u)) for r, c, s, u in rows)])
        elif "counters" in line:
            yield " ".join(["counters", *(str(n) for n in line["counters"].values())])  # type: ignore[attr-defined]  # a map


def _compare(expected: dict[str, list[str]], lines: Sequence[str]) -> Report:
    said: dict[str, list[str]] = {}
    for line in lines:
        kind, name, verdict = [*line.split(" ", 2), "", ""][:3]
        said.setdefault(f"{kind} {name}", []).append(verdict)
    wrong = [f"{case}: expected no such case, got {said[case][0]}" for case in said if case not in expected]
    read_only, presets = 0, []
    for case, wanted in expected.items():
        got = said.get(case, [])
        if case.startswith("preset "):
            if not got:
                continue
            presets.append(case.removeprefix("preset "))
        if got == [f"ok {READ_ONLY}"] and _never_written(wanted[0]):
            read_only += 1
        elif not _same(wanted, got):
            wrong.append(f"{case}: expected {_short(wanted)}, got {_short(got)}")
    frames, ladders = (sum(case.startswith(f"{kind} ") for case in expected) for kind in ("frame", "ladder"))
    return Report(frames, read_only, ladders, tuple(presets), tuple(wrong))


def _never_written(wanted: str) -> bool:
    """Says whether games write no such frame, or need not."""
    word, frame = wanted.split(" ", 1)
    if word != "ok":
        return False
    header = read_header(bytes.fromhex(frame))
    return header.kind is Kind.ACTION or bool(header.flags & FLAG_DELTA)


def _same(wanted: Sequence[str], got: Sequence[str]) -> bool:
    if len(wanted) != len(got):
        return False
    return all(w == g or _alike(w, g) for w, g in zip(wanted, got, strict=True))


def _alike(wanted: str, got: str) -> bool:
    """Compares two lines of numbers as float32, in which commands travel."""
    (word, *a), (other, *b) = wanted.split(" "), got.split(" ")
    if word != other or len(a) != len(b) or word not in ("step", "counters", "accepted", "converted"):
        return False
    try:
        if word == "converted":
            return bool(np.allclose(np.array(a, float), np.array(b, float), rtol=1e-5, atol=1e-5))
        return bool((np.array(a, np.float32) == np.array(b, np.float32)).all())
    except ValueError:
        return False


def _short(lines: Sequence[str]) -> str:
    text = " | ".join(lines) or "nothing"
    return text if len(text) <= 200 else f"{text[:200]} ..."
