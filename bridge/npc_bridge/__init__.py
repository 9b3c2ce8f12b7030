"""Everything about the wire between a game and its NPC brain: schema, messages, session, ladder, server, client."""

from __future__ import annotations
