"""One connected game inside the brain: its slots, belief, rules, issued chunks and current plans. No I/O, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npc_bridge.ladder import Ladder
from npc_bridge.messages import Snapshot
from npc_bridge.schema import Schema
from npc_sdk.belief import NPC, BeliefTable, Frame, Sight, Slots, Tracker
from npc_sdk.constraints import Rule, RuleTables, compile_rules, from_table
from npc_sdk.designer.board import BoardSnapshot
from npc_sdk.designer.request import Npc
from npc_sdk.geometry import MapTables, build_map
from npc_sdk.shield import Outstanding

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


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
        self.map: MapTables = build_map(schema.polygons, schema.bounds, schema.kinematics.radius)
        self.slots = Slots(schema)
        self.horizon = horizon
        self.ladder = Ladder(schema)  # mirrors the client's last hop, to know what it will execute
        self.plans = Plans.none(self.slots.size, horizon)
        self.outstanding = Outstanding()
        self.chunk = 0
        self._sight = sight
        self._tracker: Tracker | None = None
        self._tick: int | None = None
        self._rules: tuple[tuple[object, ...], RuleTables] | None = None
        self.frame: Frame | None = None
        self.table: BeliefTable | None = None

    def observe(self, snapshot: Snapshot) -> BeliefTable:
        """Takes a snapshot in and returns what the squads believe now."""
        self.frame = self.slots.frame(snapshot.blocks)
        if self._tracker is None:
            squads = int(max(1, self.frame.squad.max() + 1))
            self._tracker = Tracker(self.map.opaque_edges[None], squads, self._sight)
        passed = 1 if self._tick is None else max(1, snapshot.tick - self._tick)
        self._tick = snapshot.tick
        self.table = self._tracker.update(self.frame, passed * self.dt)
        return self.table

    def movers(self) -> NDArray[np.intp]:
        """Slots of the living NPCs."""
        frame = self.frame
        assert frame is not None
        return np.flatnonzero((frame.kind[0] == NPC) & frame.alive[0])

    def ahead(self, snapshot: Snapshot, slots: NDArray[np.intp], lead: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rolls our own NPCs forward, through what they have been told, to the tick at which an answer can apply.

        Returns positions and velocities, n 2 each. Exact under K1 and K2 (docs/explanation/shield.md) when every issued chunk arrives in time.
        """
        frame = self.frame
        assert frame is not None
        pose = frame.pose[0, slots].astype(np.float64)
        ids = frame.ids[0, slots]
        alive = np.ones(len(slots), np.bool_)
        for tick in range(snapshot.tick, snapshot.tick + lead):
            step = self.ladder.step(tick, ids, pose.astype(np.float32), alive)
            velocity = step.commands[:, :2].astype(np.float64)
            pose = np.concatenate([pose[:, :2] + velocity * self.dt, velocity], 1)
        return pose[:, :2], pose[:, 2:]

    def rules(self, board: BoardSnapshot, npcs: Sequence[Npc], slots: NDArray[np.intp]) -> RuleTables:
        """Compiles the board's rules for these NPCs, once per setting."""
        frame = self.frame
        assert frame is not None
        personas = tuple(board.persona_of(npc) for npc in npcs)
        key = (board.rules, personas, tuple(npc.id for npc in npcs))
        if self._rules is None or self._rules[0] != key:
            zones = {p.name: p.vertices for p in self.schema.polygons if p.kind == "zone"}
            holders: dict[str, tuple[int, ...]] = {
                name: tuple(npc.id for npc, persona in zip(npcs, personas, strict=True) if persona == name)
                for name in set(personas)
            }
            rules = [_resolved(from_table(table, zones), holders) for table in board.rules]
            tables = compile_rules(
                rules,
                ids=np.array([npc.id for npc in npcs], np.uint32),
                squads=frame.squad[0, slots],
                homes=frame.home[0, slots].astype(np.float64),
                kinematics=self.schema.kinematics,
                walls=self.schema.polygons,
                bounds=self.schema.bounds,
                dt=self.dt,
            )
            self._rules = (key, tables)
        return self._rules[1]


def _resolved(rule: Rule, holders: Mapping[str, tuple[int, ...]]) -> Rule:
    """Turns a rule for a persona into one for the NPCs that have it now."""
    if isinstance(rule.who, str) and rule.who.startswith("persona:"):
        return replace(rule, who=holders.get(rule.who.partition(":")[2], ()))
    return rule
