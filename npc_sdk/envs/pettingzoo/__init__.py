"""Worlds that others wrote, as games on the bridge: declare a `World`, `adapt` its environment, speak the protocol.

Importing this package loads neither PettingZoo nor torch.
"""

from __future__ import annotations

from npc_sdk.envs.pettingzoo.game import BorrowedGame, Stepped, adapt
from npc_sdk.envs.pettingzoo.known import KNOWN, world_of
from npc_sdk.envs.pettingzoo.view import NamedColumns, Nearest, Push, Shown, World, at_random

__all__ = [
    "KNOWN",
    "BorrowedGame",
    "NamedColumns",
    "Nearest",
    "Push",
    "Shown",
    "Stepped",
    "World",
    "adapt",
    "at_random",
    "world_of",
]
