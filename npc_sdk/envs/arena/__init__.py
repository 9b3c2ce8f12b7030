"""The arena: squads of NPCs hunt a player among walls. Physics, maps, scripted players and NPCs, the wire view."""

from __future__ import annotations

from npc_sdk.envs.arena.config import CHANNELS, DT, TICK_HZ, ArenaConfig, Blast, Body, Gun
from npc_sdk.envs.arena.maps import BOUNDS, RADIUS, SPLITS, ArenaMap, make_map
from npc_sdk.envs.arena.stream import NPC_KINEMATICS, arena_frame, arena_schema, snapshot_blocks
from npc_sdk.envs.arena.world import Arena, Events, View

__all__ = [
    "BOUNDS",
    "CHANNELS",
    "DT",
    "NPC_KINEMATICS",
    "RADIUS",
    "SPLITS",
    "TICK_HZ",
    "Arena",
    "ArenaConfig",
    "ArenaMap",
    "Blast",
    "Body",
    "Events",
    "Gun",
    "View",
    "arena_frame",
    "arena_schema",
    "make_map",
    "snapshot_blocks",
]
