"""The demo: squads of NPCs hunt a player; the game here, the brain in another process."""

from __future__ import annotations

from npc_sdk.demo.command import add_arguments, main

__all__ = ["add_arguments", "main"]
