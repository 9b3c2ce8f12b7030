"""Mutated frames by the million: shards of them, each with its own judges, and what came of it.

A frame that was judged as none before it in the shard is broken further: so ways into a decoder are followed to their
end. What tells two judgements apart is the code and the words of the refusal, which name the line that refused.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from npc_bridge.conformance import invalid, lenient, valid
from npc_bridge.errors import ErrorCode
from npc_bridge.memory import resident_bytes
from npc_sdk.experiments import kept
from npc_sdk.experiments.fuzz.judges import ACCEPTED, JUDGES, Judge, Unsafe
from npc_sdk.experiments.fuzz.mutate import mutated
from npc_sdk.experiments.kept import in_turn

FRAMES = 20_000  # per shard
SHARES = {"server": 0.7, "game": 0.2, "panel": 0.1}  # of the frames, by who reads them
SLOW_MS = 100.0  # of CPU time, that no frame may take
ADDRESSED = 0.9  # share of frames that are made to fit the open session before they are broken
LONGEST_SEED = 1 << 14  # bytes
MOST_SEEDS = 2_000  # per judge
OWN = 24  # times a judge's own frames are among those that are broken, each vector but once
EXAMPLES = 5  # finds that a shard keeps

Values = NDArray[np.float64]


@dataclass(slots=True)
class Found:
    """What some frames came to."""

    frames: int = 0
    accepted: int = 0
    crashes: int = 0  # exceptions that are none of the protocol's
    unsafe: int = 0  # numbers let through that are not finite or out of their range
    slow: int = 0  # took longer than SLOW_MS of CPU time
    shapes: int = 0  # judgements unlike all before them, over shards
    held_kib: float = 0.0  # of memory, by the process at the end of the last shard
    cpu_ms_max: float = 0.0
    codes: Values = field(default_factory=lambda: np.zeros(len(ErrorCode) + 1))  # refusals, by code
    examples: list[str] = field(default_factory=list)

    def table(self) -> dict[str, Values]:
        """Returns the counts as arrays, to be kept."""
        whole = [self.frames, self.accepted, self.crashes, self.unsafe, self.slow, self.shapes, self.held_kib]
        return {"whole": np.array([*whole, self.cpu_ms_max], np.float64), "codes": self.codes}

    def plus(self, table: Mapping[str, Values]) -> None:
        """Adds what a shard kept."""
        frames, accepted, crashes, unsafe, slow, shapes, self.held_kib, longest = table["whole"].tolist()
        self.frames += int(frames)
        self.accepted += int(accepted)
        self.crashes += int(crashes)
        self.unsafe += int(unsafe)
        self.slow += int(slow)
        self.shapes += int(shapes)
        self.cpu_ms_max = max(self.cpu_ms_max, longest)
        self.codes = self.codes + table["codes"]


def shard(index: int, seed: int, frames: int, judges: Mapping[str, Callable[[], Judge]] = JUDGES) -> Found:
    """Breaks and judges so many frames."""
    found = Found()
    for name, share in SHARES.items():
        _hunt(judges[name](), Random(f"{seed} {index} {name}"), round(share * frames), found)
    found.held_kib = resident_bytes() / 1024
    return found


def _hunt(judge: Judge, random: Random, frames: int, found: Found) -> None:
    seeds = _seeds(judge)
    seen: set[str] = set()
    for _ in range(frames):
        frame = random.choice(seeds)
        if random.random() < ADDRESSED:
            frame = judge.addressed(frame)
        frame = mutated(random, frame, seeds)
        shape = _judged(judge, frame, found)
        if shape not in seen:
            seen.add(shape)
            if len(frame) <= LONGEST_SEED and len(seeds) < MOST_SEEDS:
                seeds.append(frame)
    found.shapes += len(seen)


def _judged(judge: Judge, frame: bytes, found: Found) -> str:
    """Has a frame read, and counts what came of it."""
    begun = time.thread_time()
    try:
        shape = judge.take(frame)
    except Unsafe as error:
        found.unsafe += 1
        shape = _example(found, frame, f"unsafe: {error}")
    except Exception as error:  # the hunt is for these
        found.crashes += 1
        at = traceback.extract_tb(error.__traceback__)[-1]
        shape = _example(found, frame, f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {error}")
    ms = (time.thread_time() - begun) * 1e3
    found.frames += 1
    found.cpu_ms_max = max(found.cpu_ms_max, ms)
    if ms > SLOW_MS:
        found.slow += 1
        _example(found, frame, f"slow: {ms:.0f} ms")
    found.accepted += shape.startswith(ACCEPTED)
    code = ErrorCode.__members__.get(shape.partition(" ")[0])
    if code is not None:
        found.codes[code] += 1
    return shape


def _example(found: Found, frame: bytes, text: str) -> str:
    if len(found.examples) < EXAMPLES:
        found.examples.append(f"{text}; frame {frame[:2048].hex()}")
    return text


def _seeds(judge: Judge) -> list[bytes]:
    """Returns frames to break: the judge's own, more often, and the vectors, good and bad."""
    vectors = [frame for _, frame in (*valid(), *lenient())] + [frame for _, frame, _ in invalid()]
    return [*judge.seeds() * OWN, *(frame for frame in vectors if len(frame) <= LONGEST_SEED)]


def hunt(frames: int, seed: int, folder: Path | None = None, jobs: int = 1) -> Iterator[Found]:
    """Yields shards until so many frames are judged; finished ones in the folder are not judged again."""
    sizes = [min(FRAMES, frames - first) for first in range(0, frames, FRAMES)]
    work = partial(_kept, seed=seed, folder=folder, shipped=code())
    yield from in_turn(work, list(enumerate(sizes)), jobs)


def _kept(item: tuple[int, int], seed: int, folder: Path | None, shipped: str) -> Found:
    index, frames = item
    name = f"frames_{seed}_{index}_{frames}"
    return kept.shard(folder, shipped, name, Found(), partial(shard, index, seed, frames))


def code() -> str:
    """Names what a shard depends on."""
    return kept.fingerprint(kept.code_in("experiments/fuzz", "designer"), kept.code_in(".", package="npc_bridge"))
