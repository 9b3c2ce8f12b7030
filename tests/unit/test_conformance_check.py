"""Another implementation is held to the vectors: what agrees passes, and whatever differs is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from npc_bridge.conformance import Report, check
from npc_bridge.conformance.__main__ import main
from npc_bridge.errors import ConformanceError

IMPLEMENTATION = """
import sys
from pathlib import Path

import numpy as np

from npc_bridge.conformance import judge, sample_schema
from npc_bridge.coordinates import preset
from npc_bridge.ladder import Ladder
from npc_bridge.messages import decode, encode

folder, verdicts = map(Path, sys.argv[1:3])
schema = sample_schema()
lines = []
for case in (folder / "cases.txt").read_text().split("\\n")[:-1]:
    kind, name = case.split(" ")
    if kind == "preset":
        one = preset(name)
        for line in (folder / f"{name}.txt").read_text().split("\\n")[:-1]:
            a, b, angle = map(float, line.split(" "))
            cells = [*one.to_wire(np.array([a, b])), one.angle_to_wire(angle), *one.from_wire(np.array([a, b]))]
            cells.append(one.angle_from_wire(angle))
            lines.append(f"preset {name} converted {' '.join(f'{x:.9g}' for x in cells)}")
        continue
    if kind == "frame":
        frame = (folder / f"{name}.bin").read_bytes()
        code = judge(frame).code
        told = f"error {int(code)}" if code else "ok " + encode(decode(frame, schema), schema).hex()
        lines.append(f"frame {name} {told}")
        continue
    ladder = Ladder(schema)
    for line in (folder / f"{name}.txt").read_text().split("\\n")[:-1]:
        word, *rest = line.split(" ")
        if word == "start":
            ladder.start(int(rest[0]), int(rest[1]), float(rest[2]))
        elif word == "accept":
            lines.append(f"ladder {name} accepted {int(ladder.accept(decode(bytes.fromhex(rest[0]), schema)))}")
        else:
            rows = np.array(rest[1:], float).reshape(-1, 5)
            out = ladder.step(int(rest[0]), rows[:, 0].astype(np.uint32), rows[:, 1:])
            cells = [f"{r} {c} {s} " + " ".join(f"{x:.9g}" for x in u)
                     for r, c, s, u in zip(out.rung, out.chunk, out.step, out.commands.tolist())]
            lines.append(f"ladder {name} step {' '.join(cells)}")
    c = ladder.counters
    lines.append(f"ladder {name} counters {c.planned} {c.tail} {c.callback} {c.brake} {c.stale_dropped} {c.off_pose}")
TAMPER
verdicts.write_text("\\n".join(lines) + "\\n")
"""


def command(folder: Path, tamper: str = "") -> Sequence[str]:
    script = folder / "implementation.py"
    script.write_text(IMPLEMENTATION.replace("TAMPER", tamper))
    return [sys.executable, str(script)]


def test_an_implementation_that_agrees_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *command(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith(
        "of which 0 were only read, 15 ladders, presets wire, unity, unreal, godot, pygame: all as they should be\n"
    )


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        ("lines = [x.replace('frame magic_wrong error 1', 'frame magic_wrong error 2') for x in lines]",
         "frame magic_wrong: expected error 1, got error 2"),
        ("lines = [x.replace('frame bye ok', 'frame bye ok 00') for x in lines]", "frame bye: expected ok 4e504357"),
        ("lines = [x for x in lines if not x.startswith('frame hello ')]", "frame hello: expected ok 4e50"),
        ("lines = [x if not x.startswith('frame hello ') else 'frame hello ok -' for x in lines]",
         "frame hello: expected ok 4e50"),
        ("lines = [x.replace('preset unity converted ', 'preset unity converted 1') for x in lines]",
         "preset unity: expected converted"),
        ("lines = lines[:-1]", "preset pygame: expected converted"),
        ("lines.append('frame ghost ok -')", "frame ghost: expected no such case, got ok -"),
        ("lines.append('frame bye ok -')", "frame bye: expected ok"),
        ("lines.append('nonsense')", "nonsense : expected no such case"),
        ("lines = [x.replace('ladder_plan accepted 1', 'ladder_plan accepted 0') for x in lines]",
         "ladder ladder_plan: expected accepted 1"),
        ("lines = [x.replace('ladder_plan step 0 ', 'ladder_plan step 1 ') for x in lines]",
         "ladder ladder_plan: expected accepted 1"),
        ("lines = [x + ' 0' if 'ladder_plan counters' in x else x for x in lines]", "ladder ladder_plan: expected"),
        ("lines = [x.replace('ladder_plan step 0', 'ladder_plan step zero') for x in lines]", "ladder ladder_plan"),
    ],
)  # fmt: skip
def test_whatever_it_says_otherwise_is_named(
    tmp_path: Path, tamper: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *command(tmp_path, tamper)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert printed[0].startswith(told)
    assert printed[1].endswith("1 wrong")


def test_frames_that_it_never_writes_may_be_only_read(tmp_path: Path) -> None:
    tamper = """
for i, line in enumerate(lines):
    kind, name, word = line.split(" ")[:3]
    if kind == "frame" and word == "ok" and name.startswith(("action", "delta")):
        lines[i] = f"frame {name} ok -"
"""
    report = check(command(tmp_path, tamper))
    assert report.passed, report.told()
    assert report.read_only > 20


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        ("sys.exit('no such thing')", "exit status 1: no such thing"),
        ("sys.exit(0)", "expected verdicts, got exit status 0"),
    ],
)
def test_one_that_ends_without_verdicts_is_an_error(tmp_path: Path, tamper: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check(command(tmp_path, tamper))


def test_one_that_does_not_start_is_an_error_and_none_at_all_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConformanceError, match="there-is-no-such-program: expected verdicts within 120 s"):
        check(["there-is-no-such-program"])
    with pytest.raises(SystemExit):
        main(["check"])
    assert "expected a command, got none" in capsys.readouterr().err
    assert Report(1, 0, 0, (), ()).passed


def test_vectors_can_be_written_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["write", str(tmp_path / "new")]) == 0
    assert len(list((tmp_path / "new").iterdir())) > 400
    assert "files in" in capsys.readouterr().out
