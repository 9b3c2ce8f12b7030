"""Recordings as plays: the snapshots of a wire file, read once into arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from npc_bridge.messages import Snapshot
from npc_bridge.recording import Direction, Recording, read
from npc_bridge.schema import Schema
from npc_sdk.belief import Frame, Slots
from npc_sdk.errors import InputError, ModelError
from npc_sdk.train.dataset import Play
from npc_sdk.world import DT

SUFFIX = ".npcrec"


@dataclass(frozen=True, slots=True)
class Recordings:
    """Plays of one game, and what identifies them."""

    plays: tuple[Play, ...]
    interface_sha256: str  # of the schema, the same for all
    fingerprint: str  # of the files read


def read_recordings(paths: Sequence[Path | str], quiet: bool = True) -> Recordings:
    """Reads recording files, and all of them in folders, in the order of their names.

    Raises:
        InputError: nothing to read there.
        ModelError: recordings of different games, or of a game whose tick or map does not fit the model.
    """
    files = sorted(_files(paths))
    if not files:
        raise InputError(f"recordings: expected *{SUFFIX} files under {', '.join(map(str, paths))}, found none")
    plays, interfaces = [], {}
    digest = hashlib.sha256()
    for file in tqdm(files, desc="read", unit="play", disable=quiet):
        recording = read(file)
        interfaces[recording.schema.interface_sha256] = file
        _check_map(file, recording.schema)
        frames = _frames(recording)
        digest.update(f"{file.name} {file.stat().st_size} {recording.schema.sha256}".encode())
        if len(frames) > 1:
            plays.append(_play(file, recording.schema, frames))
    if len(interfaces) > 1:
        names = " and ".join(str(f) for f in interfaces.values())
        raise ModelError(f"recordings: expected one schema interface, got {len(interfaces)}: {names}")
    if not plays:
        raise InputError(f"recordings: expected at least two snapshots in one of {len(files)} files, found none")
    return Recordings(tuple(plays), next(iter(interfaces)), digest.hexdigest())


def _files(paths: Sequence[Path | str]) -> Iterable[Path]:
    for path in map(Path, paths):
        yield from path.glob(f"*{SUFFIX}") if path.is_dir() else [path]


def _frames(recording: Recording) -> list[Frame]:
    """Reads the snapshots that fall on model steps."""
    schema = recording.schema
    every = DT * schema.tick_hz
    if abs(every - round(every)) > 1e-6:
        raise ModelError(f"recordings: expected a tick rate that divides into steps of {DT} s, got {schema.tick_hz} Hz")
    slots, frames = Slots(schema), []
    for _, message in recording.messages(Direction.UP):
        if isinstance(message, Snapshot) and message.tick % round(every) == 0:
            frames.append(slots.frame(message.blocks))
    return frames


def _check_map(file: Path, schema: Schema) -> None:
    """Play is turned and mirrored in training, map and all, and the first slot is what the model is to predict."""
    x0, y0, x1, y1 = schema.bounds
    if (x0, y0) != (-x1, -y1) or x1 != y1:
        raise ModelError(f"{file.name}: expected bounds that are a square around 0, 0, got {schema.bounds}")
    if not any(entity.role == "player" for entity in schema.entities):
        raise ModelError(f"{file.name}: expected an entity type with the role 'player', got none")


def _play(file: Path, schema: Schema, frames: list[Frame]) -> Play:
    stacked = Frame(**{f.name: np.concatenate([getattr(frame, f.name) for frame in frames]) for f in fields(Frame)})
    sidecar = file.with_suffix(".json")
    label = json.loads(sidecar.read_text(encoding="utf-8")).get("style", "") if sidecar.exists() else ""
    squads = int(stacked.squad.max()) + 1
    return Play(stacked, schema.polygons, schema.bounds, squads, label, schema.kinematics.radius)
