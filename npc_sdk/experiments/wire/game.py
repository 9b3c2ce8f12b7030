"""A game of the rule zoo that speaks the protocol: the shipped client, its ladder as last hop, the truth in float64.

It is played by the brain alone: what it declares is in the schema, what it shows in snapshots. The rules are the
brain's; here they are known only to the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from npc_bridge.client import Client
from npc_bridge.errors import SchemaError
from npc_bridge.ladder import LadderResult
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_PLAN, STATUS_CHANGED, Action, EntityBlock
from npc_bridge.schema import EntityType, Polygon, Schema
from npc_sdk import audit
from npc_sdk.constraints import TYPES, Navmesh, Rule
from npc_sdk.designer.request import Table
from npc_sdk.envs.arena import DT, NPC_KINEMATICS, ArenaConfig, arena_schema, make_map
from npc_sdk.envs.arena.stream import FIRST_PLAYER, MODE
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments import zoo
from npc_sdk.shield import ShieldConfig

Floats = NDArray[np.float64]

FIRST_WARD = 50  # entity id
CROWD = 20  # NPCs that a game has at least
_MESHES = 10  # games, one of which has a mesh
_RULES = 10  # that a game has at least
_EDGE = 15.9  # m; what the arena's schema can say of places ends at 16
_SURPRISE = 0.02  # share of ticks in which the hold-fire flag changes
_RELOAD = 0.05  # share of NPC-ticks in which a round is found


@cache
def draw(seed: int, wards: bool = True, crowd: int = CROWD) -> zoo.Setting:
    """Draws a crowded game at 30 Hz, of arena bodies at rest; nearly every kind of rule is in it.

    Only one game in ten has a mesh: the checker measures those point by point, which takes it minutes.

    Args:
        seed: of the game.
        wards: whether there is somebody to protect; the arena's own schema knows nobody of the kind.
        crowd: NPCs that must find a place.
    """
    for attempt in count():
        setting = _attempt(1_000_003 * seed + attempt, 2 * crowd)
        if setting is None or len(setting.ids) < crowd:
            continue
        rules = tuple(r for r in setting.rules if not isinstance(r, Navmesh) or seed % _MESHES == _MESHES - 1)
        if len(rules) < _RULES:
            continue
        others = np.clip(setting.others if wards else setting.others[:1], -_EDGE, _EDGE)
        return replace(setting, rules=rules, velocity=np.zeros_like(setting.velocity), others=others)
    raise AssertionError  # `count` does not end


def _attempt(seed: int, most: int) -> zoo.Setting | None:
    """Draws a game; None if its limits are too fine for the tolerances, or a needle too thin to be declared."""
    body, size = NPC_KINEMATICS, float(np.random.default_rng([seed, 5]).uniform(0.8, 1.0))
    speeds = body.max_speed, body.max_acceleration
    try:
        setting = zoo.make_setting(seed, DT, *speeds, size, most, body.radius, ShieldConfig())
        schema(setting)
    except (ConstraintError, SchemaError):
        return None
    return setting


def schema(setting: zoo.Setting) -> Schema:
    """Returns what the game declares: the arena's entities, so that its model fits, and wards where there are some."""
    arena = arena_schema(make_map("test", 0), ArenaConfig())
    most = {"player": 1, "npc": len(setting.ids), "grenade": 1, "mode": 1}
    entities = [replace(entity, max_count=most[entity.name]) for entity in arena.entities]
    if len(setting.others) > 1:
        pose = next(entity for entity in arena.entities if entity.role == "projectile").fields[:4]
        entities.append(EntityType(zoo.WARD, "protected", 1, pose))
    walls = tuple(Polygon(wall.name, "wall", wall.vertices, opaque=True) for wall in setting.walls)
    return replace(arena, game="zoo", bounds=setting.bounds, entities=tuple(entities), polygons=walls)


def tables(rules: Sequence[Rule]) -> tuple[Table, ...]:
    """Returns rules as the board takes them."""
    return tuple(_table(rule) for rule in rules)


def _table(rule: Rule) -> Table:
    kind = TYPES[rule.rule]
    keys = [*kind.keys, *(("polygon",) if hasattr(rule, "polygon") else ())]
    who = list(rule.who) if isinstance(rule.who, tuple) else rule.who
    said = {key: value for key in keys if (value := getattr(rule, key)) != ""}  # an empty text is what is not said
    return {"rule": rule.rule, "name": rule.name, "who": who, **said}


Hop: TypeAlias = Callable[[Client, Sequence[Action], int, NDArray[np.uint32], Floats], LadderResult]
"""The last hop: (client, actions accepted now, tick, ids n, pose n 4) -> commands."""


def ladder(client: Client, actions: Sequence[Action], tick: int, ids: NDArray[np.uint32], pose: Floats) -> LadderResult:
    """The shipped last hop."""
    return client.step(tick, ids, pose)


class Reckless:
    """The control's last hop: the newest step there is, whether it is due, fits, or is for another place and time."""

    def __init__(self) -> None:
        self._newest: Action | None = None

    def __call__(
        self, client: Client, actions: Sequence[Action], tick: int, ids: NDArray[np.uint32], pose: Floats
    ) -> LadderResult:
        """Returns the commands."""
        self._newest = actions[-1] if actions else self._newest
        n, newest = len(ids), self._newest
        nothing = np.zeros(n, np.uint32)
        if newest is None:
            rung = np.full(n, RUNG_BRAKE, np.uint8)
            return LadderResult(np.zeros((n, 6), np.float32), rung, nothing, np.zeros(n, np.uint16))
        age = int(np.clip(tick - newest.apply_tick, 0, newest.steps.shape[1] - 1))
        rung = np.full(n, RUNG_PLAN, np.uint8)
        return LadderResult(newest.steps[:, age].copy(), rung, nothing + newest.chunk, np.full(n, age, np.uint16))


@dataclass(slots=True)
class Tolls:
    """What happened in one game besides broken rules; NPC-ticks unless it says otherwise."""

    planned: int = 0
    tail: int = 0
    callback: int = 0
    brake: int = 0
    changed: int = 0  # rows of actions in which the shield changed the proposal
    rows: int = 0  # of actions that the client accepted
    sessions: int = 0  # that were opened
    across: int = 0  # attacks beyond a count, if it were counted over sessions


class Game:
    """One game on one line.

    Args:
        setting: what it is like.
        seed: of all that happens in it but for the brain's doing.
        endpoint: where it looks for a brain.
        own_ways: whether it has a behaviour of its own for NPCs without a plan.
        hop: the last hop.
    """

    def __init__(
        self, setting: zoo.Setting, seed: int, endpoint: str, *, own_ways: bool = False, hop: Hop = ladder
    ) -> None:
        self.setting = setting
        self.tick = 0
        self.tolls = Tolls()
        fallback = self._wander if own_ways else None
        self.client = Client(endpoint, schema(setting), fallback=fallback)
        self._rng = np.random.default_rng([seed, 6])
        self._hop = hop
        self._position, self._velocity = setting.kept(setting.position), setting.velocity.copy()
        self._whom, self._heading = setting.others.copy(), self._rng.normal(size=setting.others.shape)
        self._ammo = self._rng.integers(0, 8, len(setting.ids)).astype(np.float64)
        self._shots = np.zeros(len(setting.ids))
        self._leader = np.unique(setting.squads, return_index=True)[1]
        self._flags = [False]
        self._sources: dict[int, int] = {}  # chunk -> tick of the snapshot that it answers, of this session
        self._session = 0
        self._cuts = [0]  # ticks at which another session began to be executed
        self._states = [self._state()]
        self._deeds: list[dict[str, NDArray[np.generic]]] = []

    def close(self) -> None:
        """Leaves the brain."""
        self.client.close()

    def play(self) -> None:
        """Plays one tick: look for answers, move everybody, show what has come of it."""
        actions = self.client.poll()
        for action in actions:
            self._note(action)
        if self.client.ladder.session != self._session:
            self._begin()
        pose = np.concatenate([self._position, self._velocity], 1)
        step = self._hop(self.client, actions, self.tick, self.setting.ids, pose)
        self._move(step)
        self._count(step.rung)
        self.tick += 1
        self._flags.append(self._flags[-1] ^ bool(self._rng.random() < _SURPRISE))
        self._states.append(self._state())
        self.client.push(self.tick, self._blocks())

    def judge(self, executed_m: float = 1e-3) -> list[audit.AuditReport]:
        """Returns the checker's word on every session, in order: what an attack rule counts begins with a session.

        Args:
            executed_m: how far a tick's motion may differ from its command's.
        """
        whole, limits, config = self._trace(), zoo.limits(self.setting), audit.AuditConfig(executed=executed_m)
        reports: list[audit.AuditReport] = []
        standing: audit.Standing | None = None
        for first, last in zip(self._cuts, [*self._cuts[1:], self.tick], strict=True):
            if last > first:
                reports.append(audit.audit(_piece(whole, first, last), limits, config, standing))
                standing = reports[-1].standing
        counted = replace(limits, zones=(), meshes=(), clearways=(), apart=(), cones=(), bursts=(), stocks=())
        together = audit.audit(whole, counted, config)
        kinds = {"cooldown", "attack_limit", "attack_tokens"}
        self.tolls.across = _broken([together], kinds) - _broken(reports, kinds)
        return reports

    def _note(self, action: Action) -> None:
        if action.session != self._session:
            self._begin()
        self._sources[action.chunk] = action.source_tick
        self.tolls.rows += len(action.ids)
        self.tolls.changed += int((action.status & STATUS_CHANGED > 0).sum())

    def _begin(self) -> None:
        """Another session is executed from this tick on."""
        self._session = self.client.ladder.session
        self._sources.clear()
        self.tolls.sessions += 1
        if self._cuts[-1] != self.tick:
            self._cuts.append(self.tick)

    def _move(self, step: LadderResult) -> None:
        setting, n = self.setting, len(self.setting.ids)
        command = step.commands[:, :2].astype(np.float64)
        fired = (step.commands[:, 3:5] > 0.5) & (step.rung != RUNG_BRAKE)[:, None]
        source = [self._sources.get(int(chunk), -1) if chunk else -1 for chunk in step.chunk]
        self._deeds.append(
            {
                "command": command,
                "driver": step.rung.astype(np.uint8),
                "attacks": fired,
                "hold_known": np.array([self._flags[tick] if tick >= 0 else False for tick in source], np.bool_),
                "aim": step.commands[:, 2].astype(np.float64),
                "reach": step.commands[:, 5].astype(np.float64),
            }
        )
        before = self._position
        self._position = setting.kept(self._position + command * DT)
        self._velocity = command
        self._whom = np.clip(zoo.walk(self._rng, setting, self._whom, self._heading, before), -_EDGE, _EDGE)
        self._ammo = np.clip(self._ammo - fired @ zoo.ROUNDS + (self._rng.random(n) < _RELOAD), 0.0, 100.0)
        self._shots = self._shots + fired[:, 0]

    def _wander(self, tick: int, ids: NDArray[np.uint32], pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """The game's own behaviour: aimless, as fast as bodies can, over zones and bounds, now and then with a shot."""
        commands = np.zeros((len(ids), 6), np.float32)
        gust = self._rng.normal(size=(len(ids), 2)) * NPC_KINEMATICS.max_acceleration * DT
        velocity = pose[:, 2:] + gust
        out = np.abs(pose[:, :2]) > self.setting.bounds[2]  # not so far that the schema could not say where
        velocity = np.where(out, -np.sign(pose[:, :2]) * np.abs(velocity), velocity)
        size = np.maximum(np.hypot(*velocity.T), 1e-9)
        commands[:, :2] = velocity * np.minimum(1.0, NPC_KINEMATICS.max_speed / size)[:, None]
        commands[:, 3:5] = self._rng.random((len(ids), 2)) < 0.05
        return commands

    def _count(self, rung: NDArray[np.uint8]) -> None:
        found = np.bincount(rung, minlength=5).tolist()
        self.tolls.planned += found[RUNG_PLAN]
        self.tolls.tail += found[RUNG_PLAN + 1]
        self.tolls.callback += found[RUNG_CALLBACK]
        self.tolls.brake += found[RUNG_BRAKE]

    def _state(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self._position, self._velocity, self._whom, self._ammo

    def _blocks(self) -> Mapping[str, EntityBlock]:
        setting, n = self.setting, len(self.setting.ids)
        npcs = np.zeros((n, 15))
        npcs[:, :2], npcs[:, 2:4], npcs[:, 5] = self._position, self._velocity, 100.0
        npcs[:, 6], npcs[:, 9], npcs[:, 10] = self._ammo, self._shots, setting.squads
        npcs[self._leader, 11] = 1.0
        npcs[:, 12:14], npcs[:, 14] = setting.homes, 1.0
        whom = np.zeros((len(self._whom), 8))
        whom[:, :2], whom[:, 5], whom[:, 7] = self._whom, 100.0, 1.0
        blocks = {
            "npc": _block(setting.ids, npcs),
            "player": _block([FIRST_PLAYER], whom[:1]),
            "mode": _block([MODE], np.array([[float(self._flags[-1])]])),
        }
        if not len(whom):
            del blocks["player"]
        if len(whom) > 1:
            blocks[zoo.WARD] = _block([FIRST_WARD], whom[1:, :4])
        return blocks

    def _trace(self) -> audit.Trace:
        position, velocity, others, ammo = (np.stack(column) for column in zip(*self._states, strict=True))
        deeds = {name: np.stack([deed[name] for deed in self._deeds]) for name in self._deeds[0]}
        return audit.Trace(
            ids=self.setting.ids,
            position=position,
            velocity=velocity,
            alive=np.ones(position.shape[:2], np.bool_),
            hold_fire=np.array(self._flags[:-1], np.bool_),
            others=others,
            levels={zoo.AMMO: ammo},
            **deeds,  # type: ignore[arg-type]  # as the trace names them
        )


def _block(ids: Sequence[int] | NDArray[np.uint32], values: Floats) -> EntityBlock:
    return EntityBlock(np.asarray(ids, np.uint32), np.ascontiguousarray(values, np.float32))


def _piece(trace: audit.Trace, first: int, last: int) -> audit.Trace:
    """Returns the ticks from `first` to before `last`."""
    during, around = slice(first, last), slice(first, last + 1)
    return replace(
        trace,
        position=trace.position[around],
        velocity=trace.velocity[around],
        command=trace.command[during],
        alive=trace.alive[around],
        driver=trace.driver[during],
        attacks=trace.attacks[during],
        hold_fire=trace.hold_fire[during],
        hold_known=trace.hold_known[during],
        aim=trace.aim[during],
        reach=trace.reach[during],
        others=trace.others[around],
        levels={name: level[around] for name, level in trace.levels.items()},
    )


def _broken(reports: Sequence[audit.AuditReport], kinds: set[str]) -> int:
    found = [rule.violations["npc"] for r in reports for kind, rule in r.rules.items() if kind in kinds]
    return sum(found)
