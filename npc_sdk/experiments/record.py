"""`npc-sdk record`: plays the arena headless and writes what crosses the wire, one recording per fight.

A recording holds the schema and SNAPSHOT frames and nothing a game would not stream. What only the recorder knows, such
as the player's hidden style, goes into a sidecar of the same name (`.json`): for probes, never for training inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_bridge.schema import Schema
from npc_sdk.envs.arena import SPLITS, TICK_HZ, Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks, ticks_in
from npc_sdk.envs.arena.fights import Fight
from npc_sdk.envs.arena.npcs import ScriptedNpcs
from npc_sdk.envs.arena.players import ALL_STYLES, HELD_OUT_STYLES, STYLES, ScriptedPlayers
from npc_sdk.errors import InputError, nearest
from npc_sdk.experiments.kept import in_turn
from npc_sdk.experiments.report import add_json, emit, progress
from npc_sdk.options import count, duration, natural

BATCH = 16  # worlds stepped together: enough to amortise NumPy, few enough to lose little on Ctrl-C
NPC_COUNTS = (8, 4, 12, 8, 6, 16)  # by batch, so that a model sees squads of several sizes
PLANNED_COUNTS = (4, 4, 8)  # planning takes its time
SUFFIX = ".npcrec"


@dataclass(frozen=True, slots=True)
class Episode:
    """One fight to record; everything about it follows from these fields."""

    index: int
    map_split: str
    map_index: int
    seed: int
    style: str
    npcs: int
    mortal: bool

    @property
    def stem(self) -> str:
        """The file name without suffix."""
        return f"episode_{self.index:06d}"


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What to record."""

    episodes: int = 64
    seconds: float = 30.0
    seed: int = 0
    split: str = "train"
    styles: tuple[str, ...] = STYLES
    every_ticks: int = 3  # snapshots per engine tick; 3 is the model's step
    model: str = ""  # whose plans the NPCs follow, under weights drawn per fight; "" is scripted NPCs of all kinds
    model_sha256: str = ""

    def __post_init__(self) -> None:
        for style in self.styles:
            if style not in ALL_STYLES:
                raise InputError(f"unknown player style {style!r}{nearest(style, ALL_STYLES)}")
            if style in HELD_OUT_STYLES and self.split == "train":
                raise InputError(f"player style {style!r} is kept out of training: expected --split validation or test")
        if not self.styles or self.episodes < 1 or self.seconds <= 0 or self.every_ticks < 1:
            raise InputError("record: expected at least one style, one episode, some seconds and one tick per snapshot")

    def fingerprint(self) -> str:
        """Names everything an episode's bytes depend on, besides its index."""
        values = {k: v for k, v in asdict(self).items() if k != "episodes" and (self.model or "model" not in k)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def episodes(config: RecordConfig) -> Iterator[Episode]:
    """Yields the fights; the first ones stay the same when more are asked for."""
    counts = PLANNED_COUNTS if config.model else NPC_COUNTS
    for i in range(config.episodes):
        batch = i // BATCH
        yield Episode(
            index=i,
            map_split=config.split,
            map_index=(config.seed * 7919 + i) % 100_000,
            seed=(config.seed * 1_000_003 + i) % 2**31,
            style=config.styles[i % len(config.styles)],
            npcs=counts[batch % len(counts)],
            mortal=batch % 2 == 0,
        )


def unfinished(config: RecordConfig, out: Path) -> list[list[Episode]]:
    """Returns the batches that still have an episode to record.

    Raises:
        InputError: the folder holds recordings of other settings.
    """
    batches: dict[int, list[Episode]] = {}
    for episode in episodes(config):
        sidecar = out / f"{episode.stem}.json"
        if sidecar.exists():
            made_with = json.loads(sidecar.read_text()).get("fingerprint")
            if made_with != config.fingerprint():
                raise InputError(f"{sidecar}: recorded with other settings; choose another --out or delete the folder")
            continue
        batches.setdefault(episode.index // BATCH, []).append(episode)
    return list(batches.values())


def record_batch(batch: Sequence[Episode], config: RecordConfig, out: Path) -> int:
    """Plays and writes some fights of one batch; returns how many. Sidecars come last, as marks of whole files."""
    rules = ArenaConfig(npcs=batch[0].npcs, mortal=batch[0].mortal, max_ticks=ticks_in(config.seconds))
    maps = [make_map(e.map_split, e.map_index) for e in batch]
    seeds = [e.seed for e in batch]
    players = ScriptedPlayers([e.style for e in batch], seeds)
    step: Callable[[], object]
    if config.model:
        from npc_sdk.experiments.varied import planned

        stage = planned(config.model, rules, maps, players)
        arena, step = stage.arena, stage.step
    else:
        arena = Arena(maps, rules, seeds)
        step = Fight(arena, players, ScriptedNpcs.mixture([m.tables for m in maps], rules.npcs, seeds)).step
    schemas = [arena_schema(m, rules) for m in maps]
    parts = [out / f"{e.stem}{SUFFIX}.part" for e in batch]
    recorders = [Recorder(path, schema) for path, schema in zip(parts, schemas, strict=True)]
    unseen, moments = np.zeros(len(batch)), np.zeros(len(batch))
    lengths = np.zeros(len(batch), np.int64)
    running: NDArray[np.bool_] = np.ones(len(batch), np.bool_)
    for tick in range(rules.max_ticks + 1):
        unseen += running & ~arena.view().npc_sees.any((1, 2))
        moments += running
        if tick % config.every_ticks == 0:
            for w in np.flatnonzero(running).tolist():
                data = _frame(arena, w, schemas[w], tick, int(lengths[w]))
                recorders[w].write(_time_us(tick), Direction.UP, ChannelId.DATA, data)
                lengths[w] += 1
        running &= ~arena.over
        if not running.any():
            break
        step()
    for w, episode in enumerate(batch):
        recorders[w].close()
        os.replace(parts[w], out / f"{episode.stem}{SUFFIX}")
        facts = asdict(episode) | {
            "fingerprint": config.fingerprint(),
            "squads": rules.squads,
            "snapshots": int(lengths[w]),
            "every_ticks": config.every_ticks,
            "unseen_fraction": round(float(unseen[w] / max(1.0, moments[w])), 4),
        }
        (out / f"{episode.stem}.json").write_text(json.dumps(facts, sort_keys=True) + "\n")
    return len(batch)


def record(config: RecordConfig, out: Path, jobs: int = 1) -> dict[str, float]:
    """Records what is missing in `out` and returns figures of the whole folder.

    Raises:
        InputError: the folder holds recordings of other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    todo = unfinished(config, out)
    with progress(sum(map(len, todo)), "record", "fight") as bar:
        for done in in_turn(partial(record_batch, config=config, out=out), todo, jobs):
            bar.update(done)
    return summary(config, out)


def summary(config: RecordConfig, out: Path) -> dict[str, float]:
    """Returns counts and the share of time the player was unseen over the folder's sidecars."""
    facts = [json.loads((out / f"{e.stem}.json").read_text()) for e in episodes(config)]
    frames = sum(f["snapshots"] for f in facts)
    return {
        "episodes": len(facts),
        "frames": frames,
        "hours": frames * config.every_ticks / TICK_HZ / 3600,
        "unseen_fraction": sum(f["unseen_fraction"] * f["snapshots"] for f in facts) / max(1, frames),
        "bytes": sum((out / f"{e.stem}{SUFFIX}").stat().st_size for e in episodes(config)),
    }


def _time_us(tick: int) -> int:
    return tick * 1_000_000 // TICK_HZ


def _frame(arena: Arena, world: int, schema: Schema, tick: int, sequence: int) -> bytes:
    """Returns one world at one tick as the wire carries it."""
    blocks = snapshot_blocks(arena, world)
    return encode(Snapshot(1, schema.schema_id, tick, _time_us(tick), sequence, blocks), schema)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk record`."""
    parser.add_argument("--out", type=Path, required=True, help="folder for recordings; finished ones are kept")
    parser.add_argument("--episodes", type=count, default=64, help="fights to play (64)")
    parser.add_argument("--seconds", type=duration, default=30.0, help="longest length of a fight in game time (30)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--split", choices=SPLITS, default="train", help="which maps")
    parser.add_argument(
        "--styles",
        nargs="+",
        default=list(STYLES),
        metavar="STYLE",
        help=f"player styles: {' '.join(ALL_STYLES)} (all but {' '.join(HELD_OUT_STYLES)})",
    )
    parser.add_argument(
        "--model",
        default="",
        help="NPCs plan with it, each fight under weights of its own: arena, a checkpoint folder",
    )
    parser.add_argument("--every", type=count, default=3, metavar="TICKS", help="engine ticks per snapshot (3)")
    parser.add_argument("--jobs", type=count, default=1, help="processes (1)")
    add_json(parser)


def _sha(model: str) -> str:
    if not model:
        return ""
    import torch

    from npc_sdk.serve.models import load

    return load(model, torch.device("cpu")).sha256


def main(args: Namespace) -> int:
    """Runs `npc-sdk record`."""
    config = RecordConfig(
        args.episodes, args.seconds, args.seed, args.split, tuple(args.styles), args.every, args.model, _sha(args.model)
    )
    figures = record(config, args.out, args.jobs)
    text = (
        f"{figures['episodes']:.0f} fights, {figures['hours']:.2f} h of play, {figures['bytes'] / 1e6:.1f} MB; "
        f"the player was unseen {100 * figures['unseen_fraction']:.0f} % of the time"
    )
    emit([text], figures, args.json)
    return 0
