"""How the arena declares itself and streams its worlds: the wire's schema and blocks, and batched frames for belief."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Polygon, Schema
from npc_sdk.belief import EMPTY, NPC, PLAYER, PROJECTILE, Frame
from npc_sdk.envs.arena.config import MAX_REACH, TICK_HZ, ArenaConfig
from npc_sdk.envs.arena.maps import BOUNDS, RADIUS, ArenaMap
from npc_sdk.envs.arena.world import Arena

FIRST_PLAYER, MODE, FIRST_NPC, FIRST_GRENADE = 1, 90, 101, 1001  # entity ids, unique over all types

# What an NPC's body is declared to do; the physics allows more, so an unguarded NPC can break it.
NPC_KINEMATICS = Kinematics(max_speed=4.0, max_acceleration=16.0, brake=16.0, radius=RADIUS, turn_rate=float(2 * np.pi))

_PI = float(np.float32(np.pi))


def _pose() -> tuple[Field, ...]:
    return (
        Field("x", "m", -16.0, 16.0, role="x"),
        Field("y", "m", -16.0, 16.0, role="y"),
        Field("vx", "m/s", -12.0, 12.0, role="vx"),
        Field("vy", "m/s", -12.0, 12.0, role="vy"),
    )


def _body() -> tuple[Field, ...]:
    return (
        *_pose(),
        Field("heading", "rad", -_PI, _PI, role="heading"),
        Field("health", "hp", 0.0, 200.0, role="health", default=100.0),
    )


_SHOTS = Field("shots", "1", 0.0, 1e6, role="shots")
_ALIVE = Field("alive", "1", 0.0, 1.0, role="alive", default=1.0)
_NPC = (
    *_body(),
    Field("ammo", "1", 0.0, 100.0, role="ammo"),
    Field("cooldown", "s", 0.0, 10.0, role="cooldown"),
    Field("grenades", "1", 0.0, 10.0, role="grenades"),
    _SHOTS,
    Field("squad", "1", 0.0, 63.0, role="squad"),
    Field("leader", "1", 0.0, 1.0, role="leader"),
    Field("home_x", "m", -16.0, 16.0, role="home_x"),
    Field("home_y", "m", -16.0, 16.0, role="home_y"),
    _ALIVE,
)
_GRENADE = (*_pose(), Field("fuse", "s", 0.0, 10.0, role="fuse"))
_MODE = (Field("hold_fire", "1", 0.0, 1.0, role="hold_fire"),)
_CHANNELS = (
    Channel("move_x", "m/s", -6.0, 6.0),
    Channel("move_y", "m/s", -6.0, 6.0),
    Channel("aim", "rad", -_PI, _PI, hold=True),
    Channel("fire", "1", 0.0, 1.0, kind="discrete", count=2),
    Channel("throw", "1", 0.0, 1.0, kind="discrete", count=2),
    Channel("reach", "m", 0.0, MAX_REACH),
)


def arena_schema(arena_map: ArenaMap, config: ArenaConfig | None = None) -> Schema:
    """Returns what the game on this map declares to the brain."""
    return _schema(arena_map.polygons, config or ArenaConfig())


@lru_cache(maxsize=512)
def _schema(polygons: tuple[Polygon, ...], config: ArenaConfig) -> Schema:
    return Schema(
        game="arena",
        tick_hz=TICK_HZ,
        coordinates="wire",
        bounds=BOUNDS,
        entities=(
            EntityType("player", "player", config.players, (*_body(), _SHOTS, _ALIVE)),
            EntityType("npc", "npc", config.npcs, _NPC),
            EntityType("grenade", "projectile", config.max_grenades, _GRENADE),
            EntityType("mode", "mode", 1, _MODE),
        ),
        channels=_CHANNELS,
        kinematics=NPC_KINEMATICS,
        polygons=polygons,
    )


def snapshot_blocks(arena: Arena, world: int) -> dict[str, EntityBlock]:
    """Returns one world's entities as the wire carries them, in the schema's field order.

    The dead stay in with alive 0; grenades are there while they fly or burn.
    """
    p, w = arena.config.players, world
    body = np.column_stack([arena.pos[w], arena.vel[w], arena.heading[w], arena.health[w]])
    player = np.column_stack([body[:p], arena.shots[w, :p], arena.alive[w, :p]])
    npc = np.column_stack(
        [
            body[p:],
            arena.ammo[w, p:],
            arena.cooldown[w, p:],
            arena.grenades[w, p:],
            arena.shots[w, p:],
            arena.squad[w, p:],
            arena.leader[w, p:],
            arena.home[w, p:],
            arena.alive[w, p:],
        ]
    )
    live = np.flatnonzero(arena.grenade_id[w] > 0)
    grenade = np.column_stack([arena.grenade_pos[w, live], arena.grenade_vel[w, live], arena.grenade_fuse[w, live]])
    return {
        "player": _block(FIRST_PLAYER + np.arange(p), player),
        "npc": _block(FIRST_NPC + np.arange(arena.config.npcs), npc),
        "grenade": _block(arena.grenade_id[w, live], grenade),
        "mode": _block(np.array([MODE]), np.array([[float(arena.hold_fire[w])]])),
    }


def _block(ids: np.ndarray[tuple[int, ...], np.dtype[np.int64]], values: np.ndarray) -> EntityBlock:
    return EntityBlock(ids=ids.astype(np.uint32), values=_float32(values))


def arena_frame(arena: Arena) -> Frame:
    """Returns the true state of all worlds in fixed slots: players, NPCs, then grenades."""
    c, w = arena.config, arena.worlds
    live = arena.grenade_id > 0

    def column(agents: np.ndarray, grenades: np.ndarray | float = 0.0) -> np.ndarray:
        tail = np.broadcast_to(grenades, (w, c.max_grenades))
        return _float32(np.concatenate([agents, np.where(live, tail, 0.0)], axis=1))

    agent_ids = np.concatenate([FIRST_PLAYER + np.arange(c.players), FIRST_NPC + np.arange(c.npcs)])
    agent_kinds = np.where(arena.is_npc, NPC, PLAYER)
    pose = np.concatenate([arena.pos, arena.vel], axis=-1)
    grenade_pose = np.concatenate([arena.grenade_pos, arena.grenade_vel], axis=-1) * live[..., None]
    npc = arena.is_npc
    zeros = np.zeros((w, c.agents))
    return Frame(
        ids=np.concatenate([np.tile(agent_ids, (w, 1)), arena.grenade_id], axis=1).astype(np.uint32),
        kind=np.concatenate([np.tile(agent_kinds, (w, 1)), np.where(live, PROJECTILE, EMPTY)], axis=1).astype(np.int8),
        pose=_float32(np.concatenate([pose, grenade_pose], axis=1)),
        heading=column(arena.heading),
        health=column(arena.health),
        ammo=column(np.where(npc, arena.ammo, 0)),
        cooldown=column(np.where(npc, arena.cooldown, 0)),
        shots=column(arena.shots),
        fuse=column(zeros, arena.grenade_fuse),
        squad=np.concatenate([arena.squad, np.full((w, c.max_grenades), -1)], axis=1),
        leader=np.concatenate([arena.leader, np.zeros_like(live)], axis=1),
        home=_float32(np.concatenate([arena.home * npc[:, None], np.zeros((w, c.max_grenades, 2))], axis=1)),
        alive=np.concatenate([arena.alive, live], axis=1),
    )


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)
