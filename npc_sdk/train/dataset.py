"""Recorded play as training data: what each squad believed, step by step, beside what was true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from npc_bridge.schema import Polygon
from npc_sdk.belief import NPC, PLAYER, BeliefTable, Frame, Tracker
from npc_sdk.geometry import SdfGrid, build_sdf, pad_edges, polygon_edges
from npc_sdk.geometry.places import build_places
from npc_sdk.tensors import Grids, Places, Scene, grids, places
from npc_sdk.tensors import features as feature_columns
from npc_sdk.world import DT, PLAYER_SLOT

_TOGETHER = 64  # plays whose beliefs are tracked in one batch
TURNS = 8  # the symmetries of a square


@dataclass(frozen=True, slots=True)
class Play:
    """One recorded fight, one row per model step.

    Attributes:
        frames: the truth; its leading axis is time instead of worlds.
        polygons: the map.
        bounds: of the map, m.
        squads: how many squads there are.
        label: which hidden style played, where the recorder knows; never a training input.
        radius: of NPCs' bodies, m.
    """

    frames: Frame
    polygons: tuple[Polygon, ...]
    bounds: tuple[float, float, float, float]
    squads: int
    label: str = ""
    radius: float = 0.35  # m, of the bodies for which ways are found

    @property
    def steps(self) -> int:
        """Model steps recorded."""
        return len(self.frames.ids)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the squads did not know, for targets only."""

    player: Float[Tensor, "... 4"]
    heading: Float[Tensor, "... 2"]
    alive: Bool[Tensor, ...]
    fires: Float[Tensor, ...]  # 1 where the player fires within the step that leads here
    hit_taken: Float[Tensor, "... e"]  # 1 where the NPC in this slot loses health within the step that leads here
    hit_dealt: Float[Tensor, "... e"]  # 1 where it fires while the player loses health


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive scenes of several fights, with the truth beside them: axes b (fight and squad), t (step)."""

    kind: Int[Tensor, "b t e"]
    pose: Float[Tensor, "b t e 4"]
    heading: Float[Tensor, "b t e 2"]
    features: Float[Tensor, "b t e f"]
    seen: Bool[Tensor, "b t e"]
    age: Float[Tensor, "b t e"]
    truth: Truth
    valid: Bool[Tensor, "b t"]  # the fight was still going on
    walls: Grids
    map_index: Int[Tensor, b]
    places: Places

    def scene(self, t: int) -> Scene:
        """The scenes at step `t`."""
        kind = self.kind[:, t]
        return Scene(
            kind,
            self.pose[:, t],
            self.heading[:, t],
            self.features[:, t],
            kind > 0,
            self.seen[:, t],
            self.age[:, t],
            self.walls,
            self.map_index,
            self.places,
        )

    def moves(self, t: int, h: int) -> Float[Tensor, "b e h 2"]:
        """The velocities that every entity really had in the `h` steps from `t` on; 0 where it was not there."""
        place = self.pose[:, t : t + h + 1, :, :2]
        there = self.kind[:, t : t + h + 1] > 0
        moves = (place[:, 1:] - place[:, :-1]) / DT * (there[:, 1:] & there[:, :-1])[..., None]
        return moves.transpose(1, 2)  # b e h 2


@dataclass(frozen=True, slots=True)
class Dataset:
    """All recorded play in memory. Row r is one squad of one fight."""

    kind: Int[Tensor, "r t e"]
    pose: Float[Tensor, "r t e 4"]
    heading: Float[Tensor, "r t e 2"]
    features: Float[Tensor, "r t e f"]
    seen: Bool[Tensor, "r t e"]
    age: Float[Tensor, "r t e"]
    truth: Truth  # r t
    length: Int[Tensor, r]
    play: Int[Tensor, r]
    walls: Grids
    places: Places
    labels: tuple[str, ...]  # per play

    def window(
        self, rows: Int[Tensor, b], first: Int[Tensor, b], steps: int, turns: Int[Tensor, b] | None = None
    ) -> Window:
        """Cuts `steps` consecutive scenes out of each row; `turns` picks a symmetry of the square for each."""
        at = first[:, None] + torch.arange(steps, device=first.device)
        valid = at < self.length[rows, None]
        at = torch.minimum(at, self.length[rows, None] - 1)
        r = rows[:, None]
        matrix = None if turns is None else _symmetries(self.pose.device, self.pose.dtype)[turns]
        truth = Truth(
            player=_turned(self.truth.player[r, at], matrix),
            heading=_turned(self.truth.heading[r, at], matrix),
            **{name: getattr(self.truth, name)[r, at] for name in ("alive", "fires", "hit_taken", "hit_dealt")},
        )
        return Window(
            kind=self.kind[r, at].long(),
            pose=_turned(self.pose[r, at], matrix),
            heading=_turned(self.heading[r, at], matrix),
            features=self.features[r, at],
            seen=self.seen[r, at],
            age=self.age[r, at],
            truth=truth,
            valid=valid,
            walls=self.walls,
            map_index=self.play[rows] * TURNS + (0 if turns is None else turns),
            places=self.places,
        )

    def to(self, device: torch.device) -> Dataset:
        """Moves everything to a device."""

        def moved(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device)
            if isinstance(value, Truth | Grids | Places):
                return type(value)(**{f.name: moved(getattr(value, f.name)) for f in fields(value)})  # type: ignore[arg-type]  # as read
            return value

        return Dataset(**{f.name: moved(getattr(self, f.name)) for f in fields(Dataset)})  # type: ignore[arg-type]  # as read


def build_dataset(plays: Sequence[Play], quiet: bool = True) -> Dataset:
    """Tracks every squad's belief through every play and lays all of it out in padded arrays."""
    if not plays:
        raise ValueError("expected at least one recorded play, got none")
    steps = max(p.steps for p in plays)
    width = max(p.frames.ids.shape[1] for p in plays)
    groups: dict[tuple[int, int], list[int]] = {}
    for i, one in enumerate(plays):
        groups.setdefault((one.squads, one.frames.ids.shape[1]), []).append(i)
    rows: list[tuple[int, dict[str, NDArray[np.generic]]]] = []
    for members in groups.values():
        for start in range(0, len(members), _TOGETHER):
            rows.extend(
                _tracked(
                    [plays[i] for i in members[start : start + _TOGETHER]],
                    members[start : start + _TOGETHER],
                    steps,
                    width,
                )
            )
    play = torch.tensor([i for i, _ in rows])
    columns = {name: torch.from_numpy(np.stack([row[name] for _, row in rows])) for name in rows[0][1]}
    truths = [_truth(p, steps, width) for p in plays]
    truth = Truth(**{f.name: torch.from_numpy(np.stack([t[f.name] for t in truths]))[play] for f in fields(Truth)})
    sdfs = [build_sdf([p.vertices for p in play.polygons if p.kind == "wall"], play.bounds) for play in plays]
    return Dataset(
        **columns,
        truth=truth,
        length=torch.tensor([plays[i].steps for i in play.tolist()]),
        play=play,
        walls=_all_turns(sdfs),
        places=places(
            [
                build_places(sdf, one.radius)
                for sdf, one in zip(tqdm(sdfs, desc="maps", unit="map", disable=quiet), plays, strict=True)
            ],
            torch.device("cpu"),
            _symmetries(torch.device("cpu"), torch.float32),
        ),
        labels=tuple(p.label for p in plays),
    )


def _tracked(
    plays: list[Play], indices: list[int], steps: int, width: int
) -> Iterator[tuple[int, dict[str, NDArray[np.generic]]]]:
    """Runs one tracker over several plays at once; yields one row per play and squad."""
    opaque = [polygon_edges([p.vertices for p in play.polygons if p.kind == "wall" and p.opaque]) for play in plays]
    squads = plays[0].squads
    tracker = Tracker(pad_edges(opaque), squads)
    longest = max(p.steps for p in plays)
    out: dict[str, list[NDArray[np.generic]]] = {
        name: [] for name in ("kind", "pose", "heading", "features", "seen", "age")
    }
    for t in range(longest):
        now = Frame(
            **{f.name: np.stack([getattr(p.frames, f.name)[min(t, p.steps - 1)] for p in plays]) for f in fields(Frame)}
        )
        for name, column in _columns(tracker.update(now, DT)).items():
            out[name].append(column)
    stacked = {name: np.stack(column, 1) for name, column in out.items()}  # r t e
    for r in range(len(plays) * squads):
        yield indices[r // squads], {name: _padded(column[r], steps, width) for name, column in stacked.items()}


def _columns(table: BeliefTable) -> dict[str, NDArray[np.generic]]:
    return {
        "kind": table.kind,
        "pose": table.pose,
        "heading": np.stack([np.cos(table.heading), np.sin(table.heading)], -1).astype(np.float32),
        "features": feature_columns(table),
        "seen": table.seen,
        "age": table.age,
    }


def _truth(play: Play, steps: int, width: int) -> dict[str, NDArray[np.generic]]:
    f = play.frames
    lost = np.diff(f.health, axis=0, prepend=f.health[:1]) < -1e-3
    shot = np.diff(f.shots, axis=0, prepend=f.shots[:1]) > 0
    p = PLAYER_SLOT
    npc = f.kind == NPC
    values = {
        "player": f.pose[:, p],
        "heading": np.stack([np.cos(f.heading[:, p]), np.sin(f.heading[:, p])], -1).astype(np.float32),
        "alive": f.alive[:, p] & (f.kind[:, p] == PLAYER),
        "fires": shot[:, p].astype(np.float32),
    }
    per_entity = {
        "hit_taken": (lost & npc).astype(np.float32),
        "hit_dealt": (shot & npc & lost[:, p, None]).astype(np.float32),
    }
    whole = {name: _lengthened(value, steps) for name, value in values.items()}
    return whole | {name: _padded(value, steps, width) for name, value in per_entity.items()}


def _padded(column: NDArray[np.generic], steps: int, width: int) -> NDArray[np.generic]:
    """Pads t e ... with empty steps and empty slots."""
    slots = [(0, 0), (0, width - column.shape[1])] + [(0, 0)] * (column.ndim - 2)
    return _lengthened(np.pad(column, slots), steps)


def _lengthened(column: NDArray[np.generic], steps: int) -> NDArray[np.generic]:
    return np.pad(column[:steps], [(0, max(0, steps - len(column)))] + [(0, 0)] * (column.ndim - 1))


def _symmetries(device: torch.device, dtype: torch.dtype) -> Float[Tensor, "g 2 2"]:
    """The eight ways to lay a square onto itself; row g maps column vectors."""
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=dtype, device=device)
    mirror = torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=dtype, device=device)
    turns = [torch.eye(2, dtype=dtype, device=device)]
    for _ in range(3):
        turns.append(quarter @ turns[-1])
    return torch.stack([*turns, *[turn @ mirror for turn in turns]])


def _turned(vectors: Float[Tensor, "b ... c"], matrix: Float[Tensor, "b 2 2"] | None) -> Float[Tensor, "b ... c"]:
    """Turns vectors, or position and velocity pairs, each row by its own matrix."""
    if matrix is None:
        return vectors
    pairs = vectors.reshape(len(vectors), -1, 2)
    return (pairs @ matrix.transpose(1, 2)).reshape(vectors.shape)


def _all_turns(sdfs: list[SdfGrid]) -> Grids:
    """Lays every map out in its eight symmetries: entry map * TURNS + turn. Maps must be squares around the origin."""
    upright = grids(sdfs, torch.device("cpu"))
    values = upright.values  # m row column: y x
    rotated = [values]
    for _ in range(3):
        rotated.append(rotated[-1].transpose(1, 2).flip(2))  # value at (x, y) moves to (-y, x)
    mirrored = values.flip(2)
    turned = [mirrored]
    for _ in range(3):
        turned.append(turned[-1].transpose(1, 2).flip(2))
    stacked = torch.stack([*rotated, *turned], 1).flatten(0, 1).contiguous()
    return Grids(stacked, upright.origin.repeat_interleave(TURNS, 0), upright.cell)
