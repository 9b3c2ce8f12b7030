"""What each squad believes: last seen places, growing uncertainty, memory. The only door between truth and decisions.

A *frame* is the true world as the game streams it; a *table* is one squad's view of it. Everything downstream (model,
planner, scripted baselines) reads tables, so an NPC cannot act on what its squad has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Schema
from npc_sdk.geometry import line_of_sight
from npc_sdk.geometry.vectors import wrap

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

EMPTY, PLAYER, NPC, PROJECTILE = 0, 1, 2, 3
NEVER_S = 99.0  # the age of something never seen


@dataclass(frozen=True, slots=True)
class Sight:
    """How an NPC sees and forgets."""

    half_angle: float = np.pi / 3  # of the view cone, rad
    reach: float = 16.0  # m
    near: float = 1.2  # m within which it notices all around, walls permitting
    sigma_seen: float = 0.05  # m, uncertainty of a place just seen
    sigma_growth: float = 2.5  # m/s while unseen
    sigma_max: float = 12.0  # m


@dataclass(frozen=True, slots=True)
class Frame:
    """The true state of `w` worlds in fixed slots: players first, then NPCs, then projectiles (`e` slots in all)."""

    ids: NDArray[np.uint32]  # w e, 0 = empty slot
    kind: NDArray[np.int8]  # w e
    pose: Floats  # w e 4, m and m/s
    heading: Floats  # w e, rad
    health: Floats  # w e, hp (0 where the type has none)
    ammo: Floats  # w e
    cooldown: Floats  # w e, s
    shots: Floats  # w e, fired since the start
    fuse: Floats  # w e, s
    squad: Ints  # w e, -1 where none
    leader: Bools  # w e
    home: Floats  # w e 2, m
    alive: Bools  # w e


def with_players_of(frame: Frame, past: Frame | None) -> Frame:
    """Returns a frame whose players and projectiles are as in an earlier one, or not there at all if there is none.

    A grenade in the air says what a player has just done.
    """
    theirs = np.isin(frame.kind, (PLAYER, PROJECTILE))
    if past is not None:
        theirs |= np.isin(past.kind, (PLAYER, PROJECTILE))

    def pick(name: str) -> Any:
        now = getattr(frame, name)
        then = np.zeros_like(now) if past is None else getattr(past, name)
        return np.where(theirs.reshape(*theirs.shape, *[1] * (now.ndim - 2)), then, now)

    return Frame(**{f.name: pick(f.name) for f in fields(Frame)})


@dataclass(frozen=True, slots=True)
class BeliefTable:
    """One row of slots per scene; a scene is one squad of one world (`b` scenes, `e` slots)."""

    kind: NDArray[np.int8]  # b e
    ids: NDArray[np.uint32]  # b e
    pose: Floats  # b e 4, last seen
    heading: Floats  # b e, last seen
    seen: Bools  # b e, now
    age: Floats  # b e, s since last seen
    sigma: Floats  # b e, m
    health: Floats  # b e, last seen
    ammo: Floats  # b e
    cooldown: Floats  # b e
    leader: Bools  # b e
    fired: Bools  # b e, since the last update, if seen
    fuse: Floats  # b e
    own: Bools  # b e, member of this scene's squad
    home: Floats  # b e 2
    cleared: Bools  # b e, the last seen place is in view and empty
    world: Ints  # b
    squad: Ints  # b


def join(tables: list[BeliefTable]) -> BeliefTable:
    """Stacks tables of several games, numbering their worlds on and padding them to the widest with empty slots."""
    if len(tables) == 1:
        return tables[0]
    width = max(t.kind.shape[1] for t in tables)
    worlds = np.cumsum([0] + [int(t.world.max()) + 1 for t in tables[:-1]])
    columns = {}
    for f in fields(BeliefTable):
        parts = [np.asarray(getattr(t, f.name)) for t in tables]
        if f.name == "world":
            parts = [p + first for p, first in zip(parts, worlds, strict=True)]
        elif parts[0].ndim > 1:
            parts = [np.pad(p, [(0, 0), (0, width - p.shape[1])] + [(0, 0)] * (p.ndim - 2)) for p in parts]
        columns[f.name] = np.concatenate(parts)
    return BeliefTable(**columns)


class Tracker:
    """Keeps the belief of every squad of `w` worlds that share one slot layout.

    Args:
        edges: opaque wall edges, w k 4 (x0 y0 x1 y1, m), padded with edges far outside the map.
        squads: squads per world; every world gets that many scenes, world-major.
    """

    def __init__(self, edges: NDArray[np.floating], squads: int, sight: Sight | None = None) -> None:
        self.sight = sight or Sight()
        self._edges = np.asarray(edges, np.float32)
        self._squads = squads
        self._table: BeliefTable | None = None
        self._shots: Floats | None = None

    def update(self, frame: Frame, dt: float) -> BeliefTable:
        """Takes the true frame `dt` seconds after the last one and returns what each squad now believes."""
        w = frame.ids.shape[0]
        squad = np.tile(np.arange(self._squads), w)  # b
        world = np.repeat(np.arange(w), self._squads)  # b
        truth = {f.name: np.asarray(getattr(frame, f.name))[world] for f in fields(Frame)}
        own = (truth["squad"] == squad[:, None]) & (truth["kind"] == NPC)
        sees = self._visible(frame)  # w e(viewer) e(seen)
        seen = (sees[world] & (own & truth["alive"])[:, :, None]).any(1) | (truth["kind"] == NPC)
        seen &= truth["alive"] | (truth["kind"] == PROJECTILE)
        old = self._previous(truth)
        new_body = old.ids != truth["ids"]
        age = np.where(seen, 0.0, np.where(new_body, NEVER_S, np.minimum(old.age + dt, NEVER_S))).astype(np.float32)
        known = age < NEVER_S

        def latest(now: NDArray[np.generic], before: NDArray[np.generic]) -> NDArray[np.generic]:
            shown = seen.reshape(seen.shape + (1,) * (now.ndim - 2))
            kept = (~new_body).reshape(shown.shape)
            return np.where(shown, now, np.where(kept, before, np.zeros_like(before)))

        pose = latest(truth["pose"], old.pose).astype(np.float32)
        shots = truth["shots"]
        fired = seen & (shots > (shots if self._shots is None else self._shots)) & ~new_body
        self._shots = shots
        kind = truth["kind"].copy()
        kind[(kind == PROJECTILE) & ~known] = EMPTY
        kind[(kind != PROJECTILE) & ~truth["alive"]] = EMPTY
        sight = self.sight
        grown = np.minimum(sight.sigma_seen + sight.sigma_growth * age, sight.sigma_max)
        self._table = BeliefTable(
            kind=kind,
            ids=truth["ids"],
            pose=pose,
            heading=latest(truth["heading"], old.heading).astype(np.float32),
            seen=seen,
            age=age,
            sigma=np.where(known, grown, sight.sigma_max).astype(np.float32),
            health=latest(truth["health"], old.health).astype(np.float32),
            ammo=latest(np.where(truth["kind"] == NPC, truth["ammo"], 0), old.ammo).astype(np.float32),
            cooldown=latest(np.where(truth["kind"] == NPC, truth["cooldown"], 0), old.cooldown).astype(np.float32),
            leader=truth["leader"],
            fired=fired,
            fuse=latest(truth["fuse"], old.fuse).astype(np.float32),
            own=own,
            home=truth["home"].astype(np.float32),
            cleared=self._cleared(frame, pose, own & truth["alive"], world) & ~seen & known & (truth["kind"] == PLAYER),
            world=world,
            squad=squad,
        )
        return self._table

    def _previous(self, truth: dict[str, NDArray[np.generic]]) -> BeliefTable:
        if self._table is not None:
            return self._table
        shape = truth["ids"].shape
        zeros, off = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        return BeliefTable(
            kind=np.zeros(shape, np.int8),
            ids=np.zeros(shape, np.uint32),
            pose=np.zeros((*shape, 4), np.float32),
            heading=zeros,
            seen=off,
            age=zeros + np.float32(NEVER_S),
            sigma=zeros,
            health=zeros,
            ammo=zeros,
            cooldown=zeros,
            leader=off,
            fired=off,
            fuse=zeros,
            own=off,
            home=np.zeros((*shape, 2), np.float32),
            cleared=off,
            world=np.zeros(shape[0], np.int64),
            squad=np.zeros(shape[0], np.int64),
        )

    def _visible(self, frame: Frame) -> Bools:
        """Who sees whom: w e(viewer) e(target); viewers are living NPCs, targets players and projectiles."""
        w, e = frame.ids.shape
        out = np.zeros((w, e, e), np.bool_)
        viewers = np.flatnonzero((frame.kind == NPC).any(0))
        targets = np.flatnonzero(((frame.kind == PLAYER) | (frame.kind == PROJECTILE)).any(0))
        if viewers.size and targets.size:
            a, b = frame.pose[:, viewers, None, :2], frame.pose[:, None, targets, :2]
            seen = sees(a, frame.heading[:, viewers, None], b, self.sight, self._edges)
            alive = (frame.alive & (frame.kind == NPC))[:, viewers, None] & (frame.kind[:, None, targets] != EMPTY)
            out[np.ix_(np.arange(w), viewers, targets)] = seen & alive
        return out

    def _cleared(self, frame: Frame, pose: Floats, watching: Bools, world: Ints) -> Bools:
        """Whether a squad member looks at the place where each player was last seen: b e."""
        players = np.flatnonzero((frame.kind == PLAYER).any(0))
        viewers = np.flatnonzero((frame.kind == NPC).any(0))
        out = np.zeros(pose.shape[:2], np.bool_)
        if not (players.size and viewers.size):
            return out
        w = frame.ids.shape[0]
        places = pose[:, players, :2].reshape(w, -1, 2)  # w (squads players) 2
        a = frame.pose[:, viewers, None, :2]
        views = sees(a, frame.heading[:, viewers, None], places[:, None], self.sight, self._edges)  # w v (s p)
        views = views.reshape(w, viewers.size, self._squads, players.size).transpose(0, 2, 1, 3)  # w s v p
        views = views.reshape(-1, viewers.size, players.size) & watching[:, viewers, None]
        out[:, players] = views.any(1)
        return out


def in_view(
    viewer: NDArray[np.floating], heading: NDArray[np.floating], target: NDArray[np.floating], sight: Sight
) -> Bools:
    """Tells whether targets are inside the viewers' cone and reach, or very near; walls are not looked at."""
    gap = target - viewer
    distance = np.sqrt(gap[..., 0] ** 2 + gap[..., 1] ** 2)
    turn = np.abs(wrap(np.arctan2(gap[..., 1], gap[..., 0]) - heading))
    inside: Bools = ((turn <= sight.half_angle) & (distance <= sight.reach)) | (distance <= sight.near)
    return inside


def sees(
    viewer: NDArray[np.floating],
    heading: NDArray[np.floating],
    target: NDArray[np.floating],
    sight: Sight,
    edges: NDArray[np.floating],
) -> Bools:
    """Says whether targets (w ... 2) are in the viewers' cone and reach, or near, with no edge (w k 4) between."""
    inside = in_view(viewer, heading, target, sight)
    viewer, target = np.broadcast_arrays(viewer, target)
    clear: Bools = line_of_sight(viewer, target, edges)
    seen: Bools = inside & clear
    return seen


_MOTION = ("x", "y", "vx", "vy", "heading")
_STATE = ("health", "ammo", "cooldown", "shots", "fuse", "squad", "leader", "home_x", "home_y", "alive")
_ROLES = _MOTION + _STATE
_KINDS = {"player": PLAYER, "npc": NPC, "projectile": PROJECTILE}


class Slots:
    """Gives every entity of one game a slot that stays its own as long as it lives, and reads blocks into frames."""

    def __init__(self, schema: Schema) -> None:
        self._types = [t for role in _KINDS for t in schema.entities if t.role == role]
        self._columns = {}  # per type, the rows of a frame's table that it fills, and from which of its fields
        for entity in self._types:
            found = [(row, schema.role_column(entity.name, role)) for row, role in enumerate(_ROLES)]
            pairs = [(row, column) for row, column in found if column is not None]
            self._columns[entity.name] = np.array(pairs, np.intp).reshape(-1, 2).T
        self._slot: dict[int, int] = {}
        self.size = sum(t.max_count for t in self._types)

    def frame(self, blocks: Mapping[str, EntityBlock]) -> Frame:
        """Reads one game's entity blocks into a frame of one world. Unknown ids take free slots of their type."""
        table = np.zeros((len(_ROLES), self.size), np.float32)
        columns = dict(zip(_ROLES, table, strict=True))
        ids, kind = np.zeros(self.size, np.uint32), np.zeros(self.size, np.int8)
        first = 0
        for entity in self._types:
            block = blocks.get(entity.name)
            if block is not None:
                at = self._slots(block.ids, first, entity.max_count)
                ids[at] = block.ids
                kind[at] = _KINDS[entity.role]
                columns["alive"][at] = 1.0
                rows, sources = self._columns[entity.name]
                table[rows[:, None], at] = block.values[:, sources].T
                if entity.role != "npc":
                    columns["squad"][at] = -1
            first += entity.max_count
        pose = np.stack([columns[name] for name in ("x", "y", "vx", "vy")], -1)
        return Frame(
            ids=ids[None],
            kind=kind[None],
            pose=pose[None],
            heading=columns["heading"][None],
            health=columns["health"][None],
            ammo=columns["ammo"][None],
            cooldown=columns["cooldown"][None],
            shots=columns["shots"][None],
            fuse=columns["fuse"][None],
            squad=columns["squad"].astype(np.int64)[None],
            leader=(columns["leader"] > 0.5)[None],
            home=np.stack([columns["home_x"], columns["home_y"]], -1)[None],
            alive=(columns["alive"] > 0.5)[None],
        )

    def _slots(self, ids: NDArray[np.uint32], first: int, count: int) -> Ints:
        present = {int(i) for i in ids}
        taken = {slot: i for i, slot in self._slot.items() if first <= slot < first + count}
        for i in taken.values():
            if i not in present:
                del self._slot[i]
        free = [slot for slot in range(first, first + count) if taken.get(slot) not in present]
        for i in (int(i) for i in ids if int(i) not in self._slot):
            self._slot[i] = free.pop(0)
        return np.array([self._slot[int(i)] for i in ids], np.int64)
