"""One page: what it says goes to the brain, what the brain answers goes to it, and nothing is read in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from npc_bridge.limits import LIMITS
from npc_sdk.gateway.link import Change, Link
from npc_sdk.gateway.outbox import Outbox

LOG = logging.getLogger(__name__)

FLOOD = 10 * LIMITS.snapshots_per_s  # messages in a second that no game sends


class Page:
    """Joins a WebSocket to a link, until one of them ends it.

    Args:
        socket: of the page, open.
        link: of this page alone.
        brain: the link's endpoint, as the page is told it.
        clock: monotonic seconds.
    """

    def __init__(
        self, socket: ServerConnection, link: Link, brain: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped = 0  # what came too often, or for a brain that is not there or does not read
        self._socket = socket
        self._link = link
        self._brain = brain
        self._clock = clock
        self._outbox = Outbox()
        self._second = 0
        self._in_second = 0

    async def run(self) -> None:
        """Works until the page is gone or was told to go."""
        tasks = [asyncio.ensure_future(_closed(work())) for work in (self._up, self._down, self._out, self._watch)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # what nobody expected is raised
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._link.close()
        LOG.info(
            "a page left: %d of its messages were dropped, %d of the brain's", self.dropped, self._outbox.overtaken
        )

    async def refuse(self, code: CloseCode, reason: str) -> None:
        """Ends it for something that is wrong."""
        LOG.warning("a page was told to go: %s", reason)
        await self.close(code, reason)

    async def close(self, code: CloseCode, reason: str) -> None:
        """Ends it, and tells the page why; `run` returns."""
        await self._socket.close(code, reason)

    async def _up(self) -> None:
        async for message in self._socket:
            if isinstance(message, str):
                await self.refuse(CloseCode.UNSUPPORTED_DATA, "expected binary messages, got text")
                return
            count = self._count()
            if count > FLOOD:
                text = f"expected at most {LIMITS.snapshots_per_s} messages in a second, got more than {FLOOD}"
                await self.refuse(CloseCode.POLICY_VIOLATION, text)
                return
            if count > LIMITS.snapshots_per_s or not await self._link.send(message):
                self.dropped += 1

    async def _down(self) -> None:
        while True:
            self._outbox.put(await self._link.receive())

    async def _out(self) -> None:
        while True:
            await self._socket.send(await self._outbox.take())  # waits for a page that reads slowly

    async def _watch(self) -> None:
        async for change in self._link.changes():
            if change is Change.STRANGER:
                text = f"{self._brain} does not speak ZeroMQ, or asks for another key"
                await self.refuse(CloseCode.TRY_AGAIN_LATER, text)
                return
            self._outbox.put(f"{change} {self._brain}")

    def _count(self) -> int:
        """Returns how many messages have come in this second."""
        second = int(self._clock())
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second
        return self._in_second


async def _closed(work: Awaitable[None]) -> None:
    """Ends with the WebSocket, which is no error."""
    try:
        await work
    except ConnectionClosed:
        return
