"""One page's socket at the brain, and what becomes of its connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from npc_bridge.endpoints import Socket, client_options
from npc_bridge.errors import EndpointError
from npc_bridge.keys import PeerKeys

GOODBYE_MS = 100  # that what a page said last may take to go out
WATCHED = (
    zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
)  # of what ZeroMQ tells about a connection


class Change(StrEnum):
    """What became of the connection to the brain."""

    UP = "up"
    DOWN = "down"
    REFUSED = "refused"  # nothing listens there
    STRANGER = "stranger"  # it does not speak ZeroMQ, or does not let this key in; ZeroMQ may give it up for ever


class Link:
    """A DEALER to the brain's data channel. Connects again by itself; nothing is kept for a brain that is not there.

    Raises:
        EndpointError: it is no endpoint.
    """

    def __init__(self, context: zmq.asyncio.Context, endpoint: str, keys: PeerKeys | None) -> None:
        self._socket: zmq.asyncio.Socket = context.socket(zmq.DEALER)
        client_options(cast(Socket, self._socket), keys)  # options are set the same way
        self._monitor = self._socket.get_monitor_socket(WATCHED)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise EndpointError(
                f"endpoint '{endpoint}': {error.strerror}; expected tcp://127.0.0.1:PORT or ipc://PATH"
            ) from None

    async def send(self, frame: bytes) -> bool:
        """Sends a frame without waiting; False if the brain is not there, or does not read."""
        try:
            await self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    async def receive(self) -> bytes:
        """Waits for a frame; several at once, which are never the protocol's, are b""."""
        frames = await self._socket.recv_multipart()
        return frames[0] if len(frames) == 1 else b""

    async def changes(self) -> AsyncIterator[Change]:
        """Yields what becomes of the connection, each change once."""
        shaking, last = False, None
        while True:
            event = parse_monitor_message(await self._monitor.recv_multipart())["event"]
            change = _change(event, shaking)
            shaking = event == zmq.EVENT_CONNECTED
            if change not in (None, last):
                last = change
                yield change

    def close(self) -> None:
        """Closes the socket: to the brain the game is gone."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(GOODBYE_MS)


def _change(event: int, shaking: bool) -> Change | None:
    """Reads an event; `shaking`: TCP is connected, and ZeroMQ's handshake not over."""
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        return Change.UP
    if event == zmq.EVENT_DISCONNECTED:
        return Change.STRANGER if shaking else Change.DOWN
    return Change.REFUSED if event == zmq.EVENT_CLOSED and not shaking else None
