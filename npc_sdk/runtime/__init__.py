"""The brain without sockets: snapshots and settings in, certified chunks and their reasons out."""

from __future__ import annotations

from npc_sdk.runtime.game import Game, Plans
from npc_sdk.runtime.tick import Report, Runtime, RuntimeConfig
from npc_sdk.runtime.view import Decider, Evidence, Orders, View
from npc_sdk.runtime.witness import Breach, Findings

__all__ = [
    "Breach",
    "Decider",
    "Evidence",
    "Findings",
    "Game",
    "Orders",
    "Plans",
    "Report",
    "Runtime",
    "RuntimeConfig",
    "View",
]
