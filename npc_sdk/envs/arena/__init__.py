"""The arena: squads of NPCs hunt a player among walls. Physics, maps, scripted players and NPCs, the wire view."""

from __future__ import annotations

from npc_sdk.envs.arena.aim import Shooting, aim_and_fire, limited
from npc_sdk.envs.arena.config import CHANNELS, DT, TICK_HZ, ArenaConfig, Blast, Body, Gun, ticks_in
from npc_sdk.envs.arena.fights import Fight, Unseen, unseen_fraction
from npc_sdk.envs.arena.maps import BOUNDS, RADIUS, SPLITS, ArenaMap, make_map
from npc_sdk.envs.arena.npcs import KINDS, ScriptedNpcs
from npc_sdk.envs.arena.players import ALL_STYLES, HELD_OUT_STYLES, STYLES, ScriptedPlayers
from npc_sdk.envs.arena.stream import NPC_KINEMATICS, arena_frame, arena_schema, snapshot_blocks
from npc_sdk.envs.arena.world import Arena, Events, View

__all__ = [
    "ALL_STYLES",
    "BOUNDS",
    "CHANNELS",
    "DT",
    "HELD_OUT_STYLES",
    "KINDS",
    "NPC_KINEMATICS",
    "RADIUS",
    "SPLITS",
    "STYLES",
    "TICK_HZ",
    "Arena",
    "ArenaConfig",
    "ArenaMap",
    "Blast",
    "Body",
    "Events",
    "Fight",
    "Gun",
    "ScriptedNpcs",
    "ScriptedPlayers",
    "Shooting",
    "Unseen",
    "View",
    "aim_and_fire",
    "arena_frame",
    "arena_schema",
    "limited",
    "make_map",
    "snapshot_blocks",
    "ticks_in",
    "unseen_fraction",
]
