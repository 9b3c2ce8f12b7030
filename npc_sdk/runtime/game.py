"""One connected game inside the brain: its slots, belief, rules, issued chunks and current plans. No I/O, no torch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from npc_bridge.ladder import Ladder
from npc_bridge.messages import RUNG_CALLBACK, Snapshot
from npc_bridge.schema import ENTITY_ROLES, Polygon, Schema
from npc_sdk.belief import NPC, BeliefTable, Frame, Sight, Slots, Tracker, with_players_of
from npc_sdk.constraints import (
    KIND,
    FriendlyFire,
    KeepAway,
    Remark,
    Rule,
    RuleTables,
    Splash,
    StayNear,
    check_rules,
    compile_rules,
    moved,
    remarks,
    shifted,
)
from npc_sdk.constraints.admission import listed, names_of, smallest
from npc_sdk.errors import ConstraintError, nearest
from npc_sdk.geometry import MapTables, build_map, signed_area
from npc_sdk.geometry.places import build_places
from npc_sdk.geometry.vectors import wrap
from npc_sdk.runtime.witness import Witness
from npc_sdk.shield import Others, Outstanding, ShieldConfig, check_margins

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_STANDS = 1e-6  # m and m/s within which an NPC is at rest, and nothing it was told moves it
_HEADS = 0.05  # m/s from which on a velocity says where an NPC is heading
_PACE = 8  # gaps between snapshots, the shortest of which is the pace of a brain that keeps up


@dataclass(slots=True)
class Plans:
    """The current plan of every slot: velocities per model step from `start` (tick) on; start -1 means none."""

    moves: Floats  # e h 2
    start: Ints  # e

    @classmethod
    def none(cls, slots: int, horizon: int) -> Plans:
        return cls(np.zeros((slots, horizon, 2), np.float32), np.full(slots, -1, np.int64))

    def ahead(self, tick: int, ticks_per_step: int) -> Floats:
        """Shifts every plan so that step 0 is the one running at `tick`; past its end a plan stands still: e h 2."""
        horizon = self.moves.shape[1]
        shift = np.where(self.start < 0, horizon, (tick - self.start) // ticks_per_step)
        index = np.clip(np.arange(horizon) + shift[:, None], 0, horizon)
        padded = np.concatenate([self.moves, np.zeros_like(self.moves[:, :1])], 1)
        return padded[np.arange(len(shift))[:, None], index]

    def at(self, tick: int, ticks_per_step: int) -> Floats:
        """The velocity every plan asks for during `tick`: e 2."""
        return self.ahead(tick, ticks_per_step)[:, 0]


class Game:
    """What the brain keeps about one game between snapshots."""

    def __init__(self, key: str, schema: Schema, horizon: int, sight: Sight) -> None:
        self.key = key
        self.faction = key  # weights may be set per game under this name
        self.schema = schema
        self.dt = 1.0 / schema.tick_hz
        self.ticks_per_step = max(1, round(schema.tick_hz * 0.1))
        self.map: MapTables = self._map()
        self.places = build_places(self.map.sdf, self.map.radius)
        self.ways = self.map  # the map on which ways are found, forbidden zones in it
        self.slots = Slots(schema)
        self.horizon = horizon
        self.ladder = Ladder(schema, self._go_on)  # mirrors the client's last hop, to know what it will execute
        self._before: tuple[int, NDArray[np.uint32], NDArray[np.float64]] | None = None  # tick, ids, velocities n 2
        self._turns: dict[int, float] = {}  # rad a tick, of the NPCs that the game itself moves
        self.witness = Witness(schema)
        self.plans = Plans.none(self.slots.size, horizon)
        self.outstanding = Outstanding()
        self.chunk = 0
        self._sight = sight
        self._tracker: Tracker | None = None
        self._tick: int | None = None
        self._rules: tuple[tuple[object, ...], RuleTables] | None = None
        self._brakes: dict[int, float] = {}  # m/s^2, by NPC, as it has been promised to brake
        self._guarded: tuple[RuleTables, frozenset[int]] | None = None  # whom the last answer found on its certificate
        self.settling: NDArray[np.uint32] = np.zeros(0, np.uint32)  # NPCs that brake until another limit takes hold
        self._between: tuple[RuleTables, RuleTables] | None = None  # and as long as somebody settles
        self.refused = ""  # why the last answer was not given
        self.looks = 0  # at what there is to remark on
        self.remarked: tuple[Remark, ...] = ()  # what the log has said of the rules in force
        self.frame: Frame | None = None
        self.hold_fire = False
        self.passed = 1  # ticks between the last two snapshots
        self._gaps: deque[int] = deque(maxlen=_PACE)
        self._past: deque[tuple[int, Frame]] = deque()  # by tick, as far back as a reaction time asks for
        self._owed = 0.0  # decisions, the part of one that the last tick left over
        self._next = 0  # the NPC whose turn it is among equals
        self.table: BeliefTable | None = None

    def follow(self, other: Game) -> None:
        """Goes on where another one of the same session stops: what was sent may still be executed."""
        self.outstanding, self.chunk, self._brakes = other.outstanding, other.chunk, other._brakes
        self.outstanding.shift(self.further(other))

    def further(self, other: Game) -> tuple[float, float]:
        """Returns by how much a place has other numbers here than in a game of another origin, m."""
        (x, y), (x0, y0) = self.schema.origin, other.schema.origin
        return x0 - x, y0 - y

    def observe(self, snapshot: Snapshot, reaction_ticks: int = 0) -> BeliefTable:
        """Takes a snapshot in and returns what the squads believe now.

        Args:
            snapshot: the game's.
            reaction_ticks: how long ago players are shown as they were then.
        """
        self.frame = self.slots.frame(snapshot.blocks)
        self.hold_fire = self._mode(snapshot, "hold_fire")
        if self._tracker is None:
            squads = int(max(1, self.frame.squad.max() + 1))
            self._tracker = Tracker(self.map.opaque_edges[None], squads, self._sight)
        if self._tick is not None:
            self.passed = max(1, snapshot.tick - self._tick)
            self._gaps.append(self.passed)
        self._tick = snapshot.tick
        self.table = self._tracker.update(self._shown(snapshot.tick, reaction_ticks), self.passed * self.dt)
        return self.table

    @property
    def tick(self) -> int:
        """Of the newest snapshot, which must have been observed."""
        assert self._tick is not None
        return self._tick

    def _shown(self, tick: int, reaction_ticks: int) -> Frame:
        """Returns the newest frame, its players as they were at least so many ticks ago."""
        assert self.frame is not None
        if reaction_ticks == 0:
            self._past.clear()
            return self.frame
        self._past.append((tick, self.frame))
        while len(self._past) > 1 and self._past[1][0] <= tick - reaction_ticks:
            self._past.popleft()
        then, frame = self._past[0]
        return with_players_of(self.frame, frame if then <= tick - reaction_ticks else None)

    def _mode(self, snapshot: Snapshot, role: str) -> bool:
        """Reads a mode flag of the game, False where it has none."""
        for entity in self.schema.entities:
            column = self.schema.role_column(entity.name, role)
            block = snapshot.blocks.get(entity.name)
            if column is not None and block is not None and len(block.ids):
                return bool(block.values[0, column] > 0.5)
        return False

    def movers(self) -> NDArray[np.intp]:
        """Slots of the living NPCs."""
        frame = self.frame
        assert frame is not None
        return np.flatnonzero((frame.kind[0] == NPC) & frame.alive[0])

    def others(self, snapshot: Snapshot, age_ticks: int) -> Others:
        """Returns the living entities that have a place and are not our NPCs, where the snapshot shows them."""
        places: list[NDArray[np.float64]] = [np.zeros((0, 2))]
        names: list[frozenset[str]] = []
        for entity in self.schema.entities:
            block = snapshot.blocks.get(entity.name)
            if entity.role == "npc" or not entity.has_pose or block is None:
                continue
            values = block.values.astype(np.float64)
            alive = self.schema.role_column(entity.name, "alive")
            if alive is not None:
                values = values[values[:, alive] > 0.5]
            at = [self.schema.role_column(entity.name, axis) for axis in ("x", "y")]
            places.append(values[:, np.array(at, np.intp)])
            names += [frozenset((entity.role, entity.name))] * len(values)
        return Others(np.concatenate(places), tuple(names), age_ticks)

    def fields(self, snapshot: Snapshot, ids: NDArray[np.uint32]) -> dict[str, NDArray[np.float64]]:
        """Returns what the game says of the NPCs `ids`, by the name of the field."""
        out: dict[str, NDArray[np.float64]] = {}
        for entity in self.schema.entities:
            block = snapshot.blocks.get(entity.name)
            if entity.role == "npc" and block is not None:
                row = {int(npc): k for k, npc in enumerate(block.ids)}
                at = np.array([row.get(int(npc), -1) for npc in ids], np.intp)
                known = at >= 0
                for column, name in enumerate(self.schema.columns(entity.name)):
                    values = out.setdefault(name, np.full(len(ids), np.nan))
                    values[known] = block.values[at[known], column]
        return out

    def airborne(self, snapshot: Snapshot, ids: NDArray[np.uint32]) -> NDArray[np.bool_] | None:
        """Says which of the NPCs `ids` are in the air and obey nobody; None in a game that does not show it."""
        flying = set[int]()
        declared = False
        for entity in self.schema.entities:
            column = self.schema.role_column(entity.name, "airborne")
            if entity.role == "npc" and column is not None:
                declared = True
                block = snapshot.blocks.get(entity.name)
                flying |= set() if block is None else set(block.ids[block.values[:, column] > 0.5].tolist())
        return np.isin(ids, list(flying)) if declared else None

    def names(self, snapshot: Snapshot, ids: NDArray[np.uint32]) -> tuple[frozenset[str], ...]:
        """Returns the role and the type of each of the NPCs `ids`, as rules about whom to spare name them."""
        types = {
            int(npc): entity.name
            for entity in self.schema.entities
            if entity.role == "npc" and entity.name in snapshot.blocks
            for npc in snapshot.blocks[entity.name].ids
        }
        return tuple(frozenset(("npc", types[int(npc)])) for npc in ids)

    def ahead(
        self, snapshot: Snapshot, slots: NDArray[np.intp], lead: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Rolls our own NPCs forward, through what they have been told, to the tick at which an answer can apply.

        Returns positions and velocities, n 2 each, and headings, n. Exact under K1 and K2 (docs/explanation/shield.md)
        when every issued chunk arrives in time; of NPCs that the game still moves itself a guess, and where that is
        wrong they brake once before they are led.
        """
        frame = self.frame
        assert frame is not None
        pose = frame.pose[0, slots].astype(np.float64)
        ids, heading = frame.ids[0, slots], self.facing(slots)
        self._watch(snapshot, ids, pose[:, 2:])
        alive = np.ones(len(slots), np.bool_)
        for tick in range(snapshot.tick, snapshot.tick + lead):
            step = self.ladder.step(tick, ids, pose.astype(np.float32), alive)
            velocity = step.commands[:, :2].astype(np.float64)
            pose = np.concatenate([pose[:, :2] + velocity * self.dt, velocity], 1)
            heading = np.where((velocity != 0.0).any(1), np.arctan2(velocity[:, 1], velocity[:, 0]), heading)
        return pose[:, :2], pose[:, 2:], heading

    def _watch(self, snapshot: Snapshot, ids: NDArray[np.uint32], velocity: NDArray[np.float64]) -> None:
        """Notes whom the game itself moves, and how fast they turn: by this snapshot and an older one."""
        doing = snapshot.executing
        self._turns = dict.fromkeys(doing.ids[doing.rung == RUNG_CALLBACK].tolist(), 0.0)
        if self._turns and self._before is not None and self._before[0] < snapshot.tick:
            tick, known, then = self._before
            both, now, before = np.intersect1d(ids, known, return_indices=True)
            moving = np.minimum(np.hypot(*velocity[now].T), np.hypot(*then[before].T)) > _HEADS
            turned = np.arctan2(*velocity[now, ::-1].T) - np.arctan2(*then[before, ::-1].T)
            rates = np.where(moving, wrap(turned), 0.0) / (snapshot.tick - tick)
            self._turns |= {
                npc: rate for npc, rate in zip(both.tolist(), rates.tolist(), strict=True) if npc in self._turns
            }
        self._before = snapshot.tick, ids, velocity

    def _go_on(self, tick: int, ids: NDArray[np.uint32], pose: Floats) -> Floats:
        """Stands for the game's own behaviour: whom it moves keeps speed and turn, the others brake (NaN).

        Constant turn rate and velocity; Schubert, Richter, Wanielik, "Comparison and evaluation of advanced motion
        models for vehicle tracking" (2008).
        """
        commands = np.tile(np.array([c.default for c in self.schema.channels], np.float32), (len(ids), 1))
        turn = np.array([self._turns.get(npc, np.nan) for npc in ids.tolist()])
        x, y, cos, sin = pose[:, 2], pose[:, 3], np.cos(turn), np.sin(turn)
        commands[:, self.schema.channel("move_x")] = x * cos - y * sin
        commands[:, self.schema.channel("move_y")] = x * sin + y * cos
        return commands

    def facing(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """Returns where the newest snapshot shows our NPCs to face: n, rad."""
        assert self.frame is not None
        return np.asarray(self.frame.heading[0, slots], np.float64)

    def margins(self, config: ShieldConfig) -> ShieldConfig:
        """Returns what the shield keeps for this game: a car's velocity must tell its direction."""
        return _margins(self.schema, config)

    def due(self, slots: NDArray[np.intp], apply_tick: int, stagger: bool) -> NDArray[np.bool_]:
        """Says which NPCs decide now: who has no plan before those with the oldest plans.

        With `stagger`, as many as keep every plan younger than one model step at the pace at which snapshots come, in
        turn among equals; without, all whose plan is that old. What a gap between snapshots left undone, and what a
        game's beginning asks for, is done little by little: at once it would make this answer late, and the next
        snapshot wait, and so on.
        """
        age = np.where(self.plans.start[slots] < 0, np.iinfo(np.int64).max, apply_tick - self.plans.start[slots])
        if not stagger:
            return np.asarray(age >= self.ticks_per_step)
        rate, pace = len(slots) / self.ticks_per_step, min(self._gaps, default=1)
        self._owed = min(self._owed + rate * self.passed, float(len(slots)))
        fresh = int((self.plans.start[slots] < 0).sum())
        quota = min(max(int(self._owed + 1e-9), fresh), math.ceil(rate * pace) + 1)
        self._owed = max(self._owed - quota, 0.0)
        turn = (np.arange(len(slots)) - self._next) % max(1, len(slots))
        chosen = np.lexsort((turn, -age))[:quota]
        due = np.zeros(len(slots), np.bool_)
        due[chosen] = True
        if quota:
            self._next = int(chosen[-1]) + 1
        return np.asarray(due & (age > 0))

    def admit(self, rules: tuple[Rule, ...], config: ShieldConfig) -> None:
        """Refuses rules that leave some NPC of this game no place to be, or the shield nothing to certify by.

        Raises:
            ConstraintError: see `check_rules` and `check_margins`.
        """
        frame = self.frame
        if frame is not None:
            slots = self.movers()
            ids, squads, homes = frame.ids[0, slots], frame.squad[0, slots], frame.home[0, slots]
            body, bounds = self.schema.kinematics, self.schema.bounds
            walls = self.schema.polygons
            here = self._here(rules)
            check_rules(here, ids=ids, squads=squads, homes=homes, kinematics=body, bounds=bounds, walls=walls)
            self._check_margins(rules, ids, slots, config)

    def _check_margins(
        self, rules: tuple[Rule, ...], ids: NDArray[np.uint32], slots: NDArray[np.intp], config: ShieldConfig
    ) -> None:
        """Names the rules but for which the shield could certify."""

        def refused(some: Sequence[Rule]) -> str:
            try:
                check_margins(self._compiled(tuple(some), ids, slots), self.margins(config))
            except ConstraintError as error:
                return str(error)
            return ""

        if refused(rules):
            few = smallest(rules, lambda some: bool(refused(some)))
            said = refused(few)
            raise ConstraintError(f"{listed(few)}: {said}" if few else said, names_of(few))

    def remarks(self, rules: tuple[Rule, ...], config: ShieldConfig) -> Callable[[], tuple[Remark, ...]]:
        """Returns what will say what can be obeyed, but hardly as it was meant; it takes a while, on any thread."""
        frame = self.frame
        if frame is None:
            return tuple
        slots, origin = self.movers(), self.schema.origin  # what is told is in the world's coordinates, as rules are
        x0, y0, x1, y1 = self.schema.bounds
        most: dict[str, float] = {}
        for entity in self.schema.entities:
            for told in entity.fields if entity.role == "npc" else ():
                most[told.name] = max(told.high, most.get(told.name, told.high))
        return partial(
            remarks,
            rules,
            ids=frame.ids[0, slots],
            squads=frame.squad[0, slots],
            homes=frame.home[0, slots] + np.array(origin),
            places=frame.pose[0, slots, :2] + np.array(origin),
            kinematics=self.schema.kinematics,
            bounds=(x0 + origin[0], y0 + origin[1], x1 + origin[0], y1 + origin[1]),
            walls=[replace(wall, vertices=shifted(wall.vertices, origin)) for wall in self.schema.polygons],
            most=most,
            spare=config.eps + config.tolerance,
        )

    def rules(self, rules: tuple[Rule, ...], ids: NDArray[np.uint32], slots: NDArray[np.intp]) -> RuleTables:
        """Compiles the rules for the NPCs `ids`, once per set of rules, NPCs, squads and homes."""
        frame = self.frame
        assert frame is not None
        key = (rules, ids.tobytes(), frame.squad[0, slots].tobytes(), frame.home[0, slots].tobytes())
        if self._rules is None or self._rules[0] != key:
            tables = self._compiled(rules, ids, slots)
            self._rules = (key, tables)
            self.ways = self._ways_around(tables)
        return self._settled(self._rules[1], ids, slots)

    def _settled(self, tables: RuleTables, ids: NDArray[np.uint32], slots: NDArray[np.intp]) -> RuleTables:
        """Lets another acceleration limit take hold of an NPC only when it stands, and all it was sent leaves it there.

        The limit is the brake, too, and what was certified rests on the brake as it was: with a weaker one an NPC ends
        in the wall before which it would have stopped, with a stronger one in the doorway it would have left.
        """
        frame = self.frame
        assert frame is not None
        asked = tables.acceleration
        old = np.array([self._brakes.get(int(npc), a) for npc, a in zip(ids, asked, strict=True)])
        stands = np.ones(len(ids), np.bool_)
        if (old != asked).any():
            pose = frame.pose[0, slots].astype(np.float64)
            way = self.outstanding.points(ids, pose[:, :2]) - pose[:, None, :2]
            stands = np.maximum(np.abs(way).max((1, 2)), np.abs(pose[:, 2:]).max(1)) <= _STANDS
        now = np.where(stands, asked, old)
        self._brakes = dict(zip(ids.tolist(), now.tolist(), strict=True))
        self.settling = ids[now != asked]
        if not len(self.settling):
            return tables
        if self._between is None or self._between[0] is not tables or (self._between[1].acceleration != now).any():
            self._between = (tables, replace(tables, acceleration=now))
        return self._between[1]

    def overtaken(self, tables: RuleTables, ids: NDArray[np.uint32], guarded: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Returns the NPCs that other rules, and nothing else, have put off their certificate since the last answer."""
        before, self._guarded = self._guarded, (tables, frozenset(ids[guarded].tolist()))
        if before is None or before[0] is tables:
            return ids[:0]
        return ids[~guarded & np.isin(ids, list(before[1]))]

    def _compiled(self, rules: tuple[Rule, ...], ids: NDArray[np.uint32], slots: NDArray[np.intp]) -> RuleTables:
        frame = self.frame
        assert frame is not None
        return compile_rules(
            self._here(rules),
            ids=ids,
            squads=frame.squad[0, slots],
            homes=frame.home[0, slots].astype(np.float64),
            kinematics=self.schema.kinematics,
            walls=self.schema.polygons,
            bounds=self.schema.bounds,
            dt=self.dt,
        )

    def _here(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Returns the rules, which are the world's, in the game's coordinates."""
        x, y = self.schema.origin
        return moved(rules, (-x, -y))

    def _ways_around(self, tables: RuleTables) -> MapTables:
        """Returns the map on which ways are found: zones that nobody may enter are walls that can be seen through."""
        forbidden = (tables.shape_kind == KIND["keep_out"]) & tables.shape_mask.all(0)
        shapes = []
        for shape in np.flatnonzero(forbidden):
            corners = tuple((float(x), float(y)) for x, y in tables.edges[tables.edge_shape == shape, :2])
            corners = corners if signed_area(corners) > 0 else corners[::-1]
            shapes.append(Polygon(tables.shape_name[shape], "wall", corners, opaque=False))
        if not shapes:
            return self.map
        return self._map(*shapes)

    def _map(self, *besides: Polygon) -> MapTables:
        polygons, radius = (*self.schema.polygons, *besides), self.schema.kinematics.radius
        return build_map(polygons, self.schema.bounds, radius, compiled=True)


def check_game(schema: Schema, config: ShieldConfig) -> None:
    """Refuses a game for whose bodies and map nothing can be certified.

    Raises:
        ConstraintError: see `check_margins`.
    """
    tables = compile_rules(
        (),
        ids=[0],
        squads=[0],
        homes=[(0.0, 0.0)],
        kinematics=schema.kinematics,
        walls=schema.polygons,
        bounds=schema.bounds,
        dt=schema.dt,
    )
    check_margins(tables, _margins(schema, config))


def _margins(schema: Schema, config: ShieldConfig) -> ShieldConfig:
    """Takes the velocity tolerance that the game's last hop is told: see `npc_bridge.session`."""
    return replace(config, velocity_tolerance=min(config.velocity_tolerance, schema.velocity_tolerance))


def check_names(rules: Sequence[Rule], schemas: Sequence[Schema]) -> None:
    """Refuses rules about somebody whom none of the games has a name for, and about distances from our own NPCs.

    Raises:
        ConstraintError: names the rule; it would hold of nobody.
    """
    entities = [entity for schema in schemas for entity in schema.entities]
    ours = {"npc", *(entity.name for entity in entities if entity.role == "npc")}
    nowhere = {name for entity in entities if not entity.has_pose for name in (entity.name, entity.role)}
    places = {name for entity in entities if entity.has_pose for name in (entity.name, entity.role)}
    known = {*ENTITY_ROLES, *places} - (nowhere - places)
    for rule in rules if entities else ():
        if isinstance(rule, KeepAway | StayNear | FriendlyFire | Splash):
            names = sorted(known - ours if isinstance(rule, KeepAway | StayNear) else known)
            if rule.to not in names:
                text = f"rule '{rule.name}', key 'to': expected a role or a type that has a place, got {rule.to!r}"
                raise ConstraintError(text + nearest(rule.to, names), [rule.name])
