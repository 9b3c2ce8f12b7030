"""Recordings as motions: what each body did from one snapshot to the next, and what it had been told if that was
recorded. Arrays over all NPCs and all times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from npc_bridge.errors import RemoteProtocolError
from npc_bridge.messages import RUNG_BRAKE, RUNG_TAIL, Action, Message, Snapshot
from npc_bridge.recording import Direction, Recording, read
from npc_bridge.schema import MOVE, Kinematics, Schema
from npc_sdk.errors import InputError
from npc_sdk.experiments.report import progress

SUFFIX = ".npcrec"
LONGEST = 6  # ticks between two snapshots that are compared; over more, a motion is too blurred to say anything

Floats = NDArray[np.float64]
_Columns = TypeVar("_Columns", "Moves", "Trips")


@dataclass(frozen=True, slots=True)
class Moves:
    """What NPCs did: `n` times from one snapshot to the next of one NPC, alive in both."""

    series: NDArray[np.int64]  # n, the same for one NPC of one session
    tick: NDArray[np.int64]  # n, the tick before which the later snapshot shows it
    ticks: NDArray[np.int64]  # n, between the two
    before: Floats  # n 2, m/s
    after: Floats  # n 2, m/s
    turned: Floats  # n, rad, how far the heading turned; NaN where the game has none
    told: Floats  # n 2, m/s, what the brain told it to have; NaN where that was not recorded


@dataclass(frozen=True, slots=True)
class Trips:
    """What others of one type did: `n` times from one snapshot to the next of one entity, alive in both."""

    seconds: Floats  # n
    way: Floats  # n, m, between the two places
    pace: Floats  # n, m/s, the larger of the two speeds that the game says it had


@dataclass(frozen=True, slots=True)
class Motions:
    """All that happened in some recordings of one game."""

    files: int
    dt: float  # s
    kinematics: Kinematics  # as declared
    moves: Moves
    trips: Mapping[tuple[str, str], Trips]  # by name and role of the entity type
    snapshots: int
    actions: int


def read_motions(paths: Sequence[Path]) -> Motions:
    """Reads recording files, and all of them in folders, in the order of their names.

    Raises:
        InputError: nothing to read there, recordings of different games, or a record that is damaged.
        RecordingError: a file is no recording.
    """
    files = sorted(file for path in paths for file in _files(path))
    if not files:
        raise InputError(f"recordings: expected *{SUFFIX} files under {', '.join(map(str, paths))}, found none")
    first = read(files[0]).schema
    moves, trips = list[Moves](), defaultdict[tuple[str, str], list[Trips]](list)
    snapshots = actions = 0
    sessions = count()
    with progress(len(files), "calibrate", "file") as bar:
        for file in files:
            recording = read(file)
            if _body(recording.schema) != _body(first):
                raise InputError(
                    f"{file.name}: expected the bodies and ticks of {files[0].name}, {_body(first)}, "
                    f"got {_body(recording.schema)}"
                )
            reader = _Reader(recording.schema, sessions)
            for message in _messages(recording):
                reader.take(message)
            moves += reader.moves
            for key, found in reader.trips.items():
                trips[key] += found
            snapshots, actions = snapshots + reader.snapshots, actions + reader.actions
            bar.update()
    return Motions(
        files=len(files),
        dt=first.dt,
        kinematics=first.kinematics,
        moves=_joined(Moves, [_no_moves(), *moves]),
        trips={key: _joined(Trips, found) for key, found in trips.items()},
        snapshots=snapshots,
        actions=actions,
    )


def _files(path: Path) -> Iterable[Path]:
    if not path.exists():
        raise InputError(f"recordings: expected a file or a folder, found nothing at {path}")
    return path.glob(f"*{SUFFIX}") if path.is_dir() else [path]


def _body(schema: Schema) -> tuple[float, Kinematics]:
    return schema.tick_hz, schema.kinematics


def _messages(recording: Recording) -> Iterable[Message]:
    try:
        for record, message in recording.messages(*Direction):
            if record.direction == (Direction.DOWN if isinstance(message, Action) else Direction.UP):
                yield message
    except RemoteProtocolError as error:
        raise InputError(str(error)) from None


class _Reader:
    """Goes through one recording."""

    def __init__(self, schema: Schema, sessions: Iterator[int]) -> None:
        self.moves: list[Moves] = []
        self.trips: dict[tuple[str, str], list[Trips]] = defaultdict(list)
        self.snapshots = self.actions = 0
        self._schema = schema
        self._sessions = sessions
        self._series = 0
        self._move = [schema.channel(name) for name in MOVE]
        self._types = [e for e in schema.entities if e.has_pose]
        self._chunks: dict[int, Action] = {}  # by number, oldest first
        self._last: Snapshot | None = None

    def take(self, message: Message) -> None:
        """Takes the next message in."""
        match message:
            case Action():
                self.actions += 1
                self._chunks[message.chunk] = message
            case Snapshot():
                self.snapshots += 1
                self._compare(message)

    def _compare(self, now: Snapshot) -> None:
        last, self._last = self._last, now
        if last is None or last.session != now.session:
            self._chunks, self._series = {}, next(self._sessions) << 32
            return
        gap = now.tick - last.tick
        if not 0 < gap <= LONGEST:
            return
        for entity in self._types:
            (old_ids, old), (new_ids, new) = self._living(last, entity.name), self._living(now, entity.name)
            ids, first, second = np.intersect1d(old_ids, new_ids, assume_unique=True, return_indices=True)
            before, after = old[first], new[second]
            if entity.role == "npc":
                self.moves.append(self._moved(now, gap, ids, before, after))
            else:
                way, pace = np.hypot(*(after - before)[:, :2].T), np.maximum(_speed(before), _speed(after))
                self.trips[entity.name, entity.role].append(Trips(np.full(len(ids), gap * self._schema.dt), way, pace))

    def _living(self, snapshot: Snapshot, name: str) -> tuple[NDArray[np.uint32], Floats]:
        """Returns ids and x y vx vy heading of the living; without a heading, NaN."""
        block = snapshot.blocks.get(name)
        if block is None:
            return np.zeros(0, np.uint32), np.zeros((0, 5))
        columns = [self._schema.role_column(name, role) for role in ("x", "y", "vx", "vy", "heading")]
        values = [np.full(len(block.ids), np.nan) if c is None else block.values[:, c] for c in columns]
        alive = self._schema.role_column(name, "alive")
        living = np.ones(len(block.ids), np.bool_) if alive is None else block.values[:, alive] > 0.5
        return block.ids[living], np.stack(values, 1).astype(np.float64)[living]

    def _moved(self, now: Snapshot, gap: int, ids: NDArray[np.uint32], before: Floats, after: Floats) -> Moves:
        n = len(ids)
        told = np.full((n, 2), np.nan)
        doing = {int(npc): k for k, npc in enumerate(now.executing.ids)}
        for row, npc in enumerate(ids.tolist()):
            if gap == 1 and npc in doing:
                told[row] = self._told(now, doing[npc], npc, before[row, 2:4])
        turned = np.abs((after[:, 4] - before[:, 4] + np.pi) % (2.0 * np.pi) - np.pi)
        series = self._series + ids.astype(np.int64)
        ticks = np.full((2, n), [[now.tick], [gap]])
        return Moves(series, ticks[0], ticks[1], before[:, 2:4], after[:, 2:4], turned, told)

    def _told(self, now: Snapshot, row: int, npc: int, velocity: Floats) -> Floats:
        """What the last hop made of the chunks in the tick before (PROTOCOL.md, Ladder); NaN if nobody knows."""
        doing = now.executing
        if doing.rung[row] <= RUNG_TAIL and int(doing.chunk[row]) in self._chunks:
            chunk, step = self._chunks[int(doing.chunk[row])], int(doing.step[row])
            at = np.flatnonzero(chunk.ids == npc)
            if len(at) and step < chunk.steps.shape[1]:
                return np.asarray(chunk.steps[at[0], step][self._move], np.float64)
        elif doing.rung[row] == RUNG_BRAKE:
            for chunk in reversed(self._chunks.values()):
                at = np.flatnonzero(chunk.ids == npc)
                if len(at):
                    lost = float(chunk.brake[at[0]]) * self._schema.dt / max(float(np.hypot(*velocity)), 1e-12)
                    return np.asarray(velocity * max(0.0, 1.0 - lost))
        return np.full(2, np.nan)


def _speed(pose: Floats) -> Floats:
    return np.asarray(np.hypot(pose[:, 2], pose[:, 3]))


def _no_moves() -> Moves:
    whole, flat, pair = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2))
    return Moves(whole, whole, whole, pair, pair, flat, pair)


def _joined(kind: type[_Columns], parts: Sequence[_Columns]) -> _Columns:
    return kind(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(kind)})
