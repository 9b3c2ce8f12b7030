"""What waits for a page that reads slowly: of actions the newest alone, an older one is worth nothing."""

from __future__ import annotations

import asyncio
from collections import deque

from npc_bridge.frames import Kind

OTHERS = 16  # frames that are no actions, as many as the brain keeps for a game


class Outbox:
    """Filled and emptied on one event loop."""

    def __init__(self) -> None:
        self.overtaken = 0  # actions that a newer one took the place of, and others that found no room
        self._others: deque[bytes | str] = deque()
        self._action: bytes | None = None
        self._filled = asyncio.Event()

    def put(self, frame: bytes | str) -> None:
        """Adds a frame, or a word of the gateway's own."""
        if isinstance(frame, bytes) and frame[5:6] == bytes([Kind.ACTION]):
            self.overtaken += self._action is not None
            self._action = frame
        else:
            self._others.append(frame)
            if len(self._others) > OTHERS:
                self._others.popleft()
                self.overtaken += 1
        self._filled.set()

    async def take(self) -> bytes | str:
        """Waits for what is to be sent next: an action only when nothing else waits, as WELCOME must come before."""
        await self._filled.wait()
        if self._others:
            frame = self._others.popleft()
        else:
            assert self._action is not None  # or it would not be filled
            frame, self._action = self._action, None
        if not self._others and self._action is None:
            self._filled.clear()
        return frame
