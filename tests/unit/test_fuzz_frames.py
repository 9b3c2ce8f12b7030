"""The hunt by broken frames, small: it meets every refusal, finds nothing, and finds out those who bear too little."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from documented import documented_keys, printed_keys

from npc_bridge.conformance import sample_snapshot
from npc_bridge.errors import ErrorCode
from npc_sdk.check.frames import _figures
from npc_sdk.cli import main
from npc_sdk.experiments.fuzz import judges
from npc_sdk.experiments.fuzz.frames import EXAMPLES, FRAMES, Found, shard
from npc_sdk.experiments.fuzz.judges import ACCEPTED, Game, Panel, Server, Unsafe
from npc_sdk.experiments.fuzz.mutate import MOST_BYTES, MUTATIONS, mutated


def test_a_small_hunt_finds_nothing_and_goes_on_where_it_stopped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["check", "frames", "--frames", "6000", "--seed", "3", "--out", str(tmp_path), "--json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed_keys(found) == documented_keys("check frames")
    assert found["frames"] == 6000
    assert (found["crashes"], found["unsafe"], found["slow"]) == (0, 0, 0)
    assert found["unmet"] == []
    assert found["judgements"] > 100
    assert 0 < found["accepted"] < 3000
    assert main(asked) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {k: again[k] for k in found if k != "wall_s"} == {k: found[k] for k in found if k != "wall_s"}


@pytest.mark.parametrize(
    ("frames", "per_shard_kib", "passed"),
    [(100_000, 4.0, True), (100_000, 4000.0, False), (10_000_000, 20.0, True), (10_000_000, 200.0, False)],
)
def test_memory_that_grows_fails_a_hunt_that_is_large_enough(frames: int, per_shard_kib: float, passed: bool) -> None:
    total = Found(frames=frames, accepted=1, codes=np.ones(len(ErrorCode) + 1))
    held = [50_000.0 + k * per_shard_kib for k in range(frames // FRAMES)]
    assert _figures(Namespace(seed=0), total, held, 1.0)["passed"] is passed
    few = _figures(Namespace(seed=0), Found(99_999, 1, codes=total.codes), held, 1.0)
    assert (few["passed"], few["growth_kib"]) == (True, None)


def test_every_judge_takes_what_it_is_made_for() -> None:
    for judge in (Server(), Game()):
        assert all(judge.take(judge.addressed(frame)).startswith(ACCEPTED) for frame in judge.seeds())
    panel = Panel()
    assert sum(panel.take(frame) == ACCEPTED for frame in panel.seeds()) == len(panel.seeds()) - 1


class Frail(Server):
    """Bears nothing whose last byte is odd, lets it through, or takes its time."""

    def __init__(self, does: str) -> None:
        super().__init__()
        self._does = does

    def take(self, frame: bytes) -> str:
        if frame and frame[-1] == 1:
            match self._does:
                case "crash":
                    raise IndexError("no such byte")
                case "unsafe":
                    raise Unsafe("nan")
                case "slow":
                    begun = time.thread_time()
                    while time.thread_time() - begun < 0.11:
                        pass
        return super().take(frame)


@pytest.mark.parametrize(("does", "count"), [("crash", "crashes"), ("unsafe", "unsafe"), ("slow", "slow")])
def test_who_bears_too_little_is_found_out(does: str, count: str) -> None:
    found = shard(0, 0, 200, {"server": lambda: Frail(does), "game": Game, "panel": Panel})
    assert getattr(found, count) > 0
    assert sum((found.crashes, found.unsafe, found.slow)) == getattr(found, count)
    assert 0 < len(found.examples) <= EXAMPLES
    assert "; frame " in found.examples[0]
    kept = Found()
    kept.plus(found.table())
    assert kept.table()["whole"].tolist() == found.table()["whole"].tolist()


def test_a_snapshot_out_of_its_ranges_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    good = sample_snapshot()
    judges._check_snapshot(good)
    for change in (np.nan, 1e9):
        bad = sample_snapshot()
        values = bad.blocks["npc"].values.copy()
        values[1, 2] = change
        object.__setattr__(bad.blocks["npc"], "values", values)
        with pytest.raises(Unsafe, match="field 'vx'"):
            judges._check_snapshot(bad)
    twice = sample_snapshot()
    twice.blocks["npc"].ids[1] = twice.blocks["npc"].ids[0]
    with pytest.raises(Unsafe, match="ids"):
        judges._check_snapshot(twice)


def test_every_mutation_changes_frames_and_the_same_seed_does_the_same() -> None:
    frames = [*Server().seeds(), *Panel().seeds()]
    for mutation in MUTATIONS:
        broken = [mutation(Random(seed), frames[seed % len(frames)], frames) for seed in range(40)]
        assert sum(one != frames[seed % len(frames)] for seed, one in enumerate(broken)) > 10, mutation.__name__
    one = [mutated(Random(5), frame, frames) for frame in frames]
    assert one == [mutated(Random(5), frame, frames) for frame in frames]
    assert max(len(mutated(Random(seed), frames[0], frames)) for seed in range(2000)) <= MOST_BYTES
    assert judges._shape(ErrorCode.VALUE, "npc 12 of 3") == judges._shape(ErrorCode.VALUE, "npc 7 of 40")
