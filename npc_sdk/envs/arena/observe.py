"""What agents of the PettingZoo arena observe, as flat named columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.belief import PROJECTILE, BeliefTable, Tracker
from npc_sdk.envs.arena.config import CHANNELS, DT, MAX_REACH, ArenaConfig
from npc_sdk.envs.arena.stream import arena_frame
from npc_sdk.envs.arena.world import Arena
from npc_sdk.geometry import ray_distances

RAYS = 16
RAY_REACH = 12.0  # m
_AGE_CAP = 10.0  # s


@dataclass(frozen=True, slots=True)
class Column:
    """A named number and its range."""

    name: str
    low: float
    high: float


def _vector(columns: tuple[Column, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    low, high = ([getattr(c, end) for c in columns] for end in ("low", "high"))
    return np.array(low, np.float32), np.array(high, np.float32)


_POSE = (Column("x", -13.0, 13.0), Column("y", -13.0, 13.0), Column("vx", -12.0, 12.0), Column("vy", -12.0, 12.0))
_FACING = (Column("cos", -1.0, 1.0), Column("sin", -1.0, 1.0))
_OWN = (
    Column("player", 0.0, 1.0),
    *_POSE,
    *_FACING,
    Column("health", 0.0, 200.0),
    Column("ammo", 0.0, 100.0),
    Column("cooldown", 0.0, 10.0),
    Column("grenades", 0.0, 10.0),
    Column("hold_fire", 0.0, 1.0),
)
_OTHER = (Column("ally", 0.0, 1.0), Column("seen", 0.0, 1.0), Column("age", 0.0, _AGE_CAP), *_POSE, *_FACING)
_GRENADE = (Column("seen", 0.0, 1.0), *_POSE, Column("fuse", 0.0, 10.0))
_BODY = (Column("alive", 0.0, 1.0), *_OWN[1:-1])
_PI = float(np.pi)
ACTION_COLUMNS = tuple(
    Column(name, low, high)
    for name, low, high in zip(
        CHANNELS, (-6.0, -6.0, -_PI, 0.0, 0.0, 0.0), (6.0, 6.0, _PI, 1.0, 1.0, MAX_REACH), strict=True
    )
)


def observation_columns(config: ArenaConfig) -> tuple[Column, ...]:
    """Names an agent's observation, alike for all; `other_i` are the other agents in the world's order."""
    return (
        *_named("self", _OWN),
        *(c for i in range(config.agents - 1) for c in _named(f"other_{i}", _OTHER)),
        *(c for i in range(config.max_grenades) for c in _named(f"grenade_{i}", _GRENADE)),
        *(Column(f"wall_{i}", 0.0, RAY_REACH) for i in range(RAYS)),
    )


def state_columns(config: ArenaConfig) -> tuple[Column, ...]:
    """Names the world's true state."""
    names = [f"player_{i}" for i in range(config.players)] + [f"npc_{i}" for i in range(config.npcs)]
    return (
        Column("tick", 0.0, 1e6),
        Column("hold_fire", 0.0, 1.0),
        *(c for name in names for c in _named(name, _BODY)),
        *(c for i in range(config.max_grenades) for c in _named(f"grenade_{i}", _GRENADE)),
    )


def _named(prefix: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}.{c.name}", c.low, c.high) for c in columns)


class Observer:
    """Turns one world into observations: NPCs get what their squad believes, the player what it has seen itself."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        c = arena.config
        self.low, self.high = _vector(observation_columns(c))
        self.state_low, self.state_high = _vector(state_columns(c))
        self._tracker = Tracker(arena.opaque_edges, c.squads, c.npc_sight)
        self._table: BeliefTable | None = None
        self._player_sight = np.zeros((c.npcs, 9))  # as _OTHER, as last seen
        self._player_sight[:, 2] = _AGE_CAP

    def look(self) -> None:
        """Takes in the present tick; call once per tick, the first included."""
        arena, p = self._arena, self._arena.config.players
        self._table = self._tracker.update(arena_frame(arena), DT)
        seen = arena.view().player_sees[0, 0]
        now = np.concatenate([arena.pos[0, p:], arena.vel[0, p:], _facing(arena.heading[0, p:])], axis=1)
        self._player_sight[:, 3:] = np.where(seen[:, None], now, self._player_sight[:, 3:])
        self._player_sight[:, 2] = np.where(seen, 0.0, np.minimum(self._player_sight[:, 2] + DT, _AGE_CAP))
        self._player_sight[:, 1] = seen

    def observations(self) -> NDArray[np.float32]:
        """Returns everybody's observation, a f."""
        arena, c = self._arena, self._arena.config
        turns = arena.heading[0][:, None] + np.arange(RAYS) * (2 * np.pi / RAYS)
        origin = np.repeat(arena.pos[0][:, None], RAYS, axis=1)
        walls = ray_distances(origin, turns, arena.edges[0], RAY_REACH)
        rows = []
        for a in range(c.agents):
            others, grenades = self._players(a) if a < c.players else self._npcs(a)
            others = np.delete(others, a, axis=0)
            rows.append(np.concatenate([self._own(a), others.ravel(), grenades.ravel(), walls[a]]))
        return np.asarray(np.clip(np.array(rows), self.low, self.high), np.float32)

    def state(self) -> NDArray[np.float32]:
        """Returns the true state."""
        arena = self._arena
        bodies = np.array(
            [np.concatenate([[arena.alive[0, a]], self._own(a)[1:-1]]) for a in range(arena.config.agents)]
        )
        live = arena.grenade_id[0] > 0
        grenades = self._grenades(live)
        flat = np.concatenate([[arena.tick[0], arena.hold_fire[0]], bodies.ravel(), grenades.ravel()])
        return np.asarray(np.clip(flat, self.state_low, self.state_high), np.float32)

    def _own(self, a: int) -> NDArray[np.float64]:
        arena = self._arena
        numbers = [arena.health[0, a], arena.ammo[0, a], arena.cooldown[0, a], arena.grenades[0, a], arena.hold_fire[0]]
        facing = _facing(arena.heading[0, a : a + 1])[0]
        return np.concatenate([[float(not arena.is_npc[a])], arena.pos[0, a], arena.vel[0, a], facing, numbers])

    def _grenades(self, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
        arena = self._arena
        rows = np.column_stack([seen, arena.grenade_pos[0], arena.grenade_vel[0], arena.grenade_fuse[0]])
        return rows * seen[:, None]

    def _players(self, a: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        others = np.zeros((self._arena.config.agents, 9))
        others[self._arena.config.players :] = self._player_sight
        others[self._arena.config.players :][~self._arena.alive[0, self._arena.config.players :]] = 0.0
        return others, self._grenades(self._arena.grenade_id[0] > 0)

    def _npcs(self, a: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        arena, table = self._arena, self._table
        assert table is not None, "look() comes first"
        agents, row = arena.config.agents, int(arena.squad[0, a])
        age = np.minimum(table.age[row, :agents], _AGE_CAP)
        ally = arena.squad[0] == row
        pose, facing = table.pose[row, :agents], _facing(table.heading[row, :agents])
        others = np.column_stack([ally, table.seen[row, :agents], age, pose, facing])
        others[table.kind[row, :agents] == 0] = 0.0
        return others, self._grenades(table.kind[row, agents:] == PROJECTILE)


def _facing(heading: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.stack([np.cos(heading), np.sin(heading)], axis=-1).astype(np.float64)
