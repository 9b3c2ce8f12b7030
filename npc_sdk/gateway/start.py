"""Listens for pages until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import zmq.asyncio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from npc_bridge.endpoints import HANDSHAKE_MS, is_loopback
from npc_bridge.errors import EndpointError
from npc_bridge.keys import PeerKeys
from npc_bridge.limits import LIMITS
from npc_sdk.gateway.link import Link
from npc_sdk.gateway.origins import origin, refusal
from npc_sdk.gateway.page import Page

LOG = logging.getLogger(__name__)

PING_S, PONG_S = 5.0, 10.0  # between looks at a page, and until one that does not answer is given up
CLOSING_S = 1.0  # that a page may take to answer a goodbye
REFUSALS_TOLD = 100  # in the log, each once
UNSENT_BYTES = 1 << 16  # in the kernel, for a page that reads slowly; what waits longer is overtaken (Outbox)


def gateway(args: argparse.Namespace) -> int:
    """Serves until interrupted; prints one JSON line once it listens."""
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, stream=sys.stderr)
    host, port = address(args.listen)
    settings = Settings(
        host, port, args.brain, frozenset(map(origin, args.origin)), args.key and PeerKeys.load(args.key)
    )
    asyncio.run(_until_signalled(Gateway(settings)))
    return 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a gateway does.

    Args:
        host: to listen at, loopback.
        port: 0 takes any free one.
        brain: endpoint of its data channel.
        origins: of the pages that are let in, as browsers write them.
        keys: for a brain that asks for them.
        pages: at a time.
    """

    host: str
    port: int
    brain: str
    origins: frozenset[str]
    keys: PeerKeys | None = None
    pages: int = LIMITS.games


class Gateway:
    """Lets pages in, and gives each a link of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = zmq.asyncio.Context()
        self._pages: set[Page] = set()
        self._told: set[str] = set()  # whom the log says that they are not let in: pages try again and again

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        """Listens until `stop`, then lets pages go with a word and ends; once.

        Args:
            stop: of the loop that this runs on.
            ready: told the URL once it listens.

        Raises:
            EndpointError: the address is taken, or the brain's is none.
        """
        try:
            self._link().close()  # what is no endpoint is said now, and not to every page
            async with self._server() as server:
                host, port = server.sockets[0].getsockname()[:2]
                ready(f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}")
                await stop.wait()
                server.close(close_connections=False)  # nobody comes any more
                await asyncio.gather(*(page.close(CloseCode.GOING_AWAY, "the gateway ends") for page in self._pages))
        finally:
            self._context.term()

    def _server(self) -> AbstractAsyncContextManager[Server]:
        return serve(
            self._handle,
            sock=_listening(self._settings.host, self._settings.port),
            process_request=self._judge,
            compression=None,
            server_header=None,
            max_size=LIMITS.frame_bytes,
            open_timeout=HANDSHAKE_MS / 1e3,
            close_timeout=CLOSING_S,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
        )

    def _link(self) -> Link:
        return Link(self._context, self._settings.brain, self._settings.keys)

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Lets a request in, None, or says why not."""
        why = refusal(request.headers.get_all("Origin"), self._settings.origins)
        if not why:
            return None
        if why not in self._told and len(self._told) < REFUSALS_TOLD:
            self._told.add(why)
            LOG.warning(why)
        return connection.respond(HTTPStatus.FORBIDDEN, f"{why}\n")

    async def _handle(self, connection: ServerConnection) -> None:
        page = Page(connection, self._link(), self._settings.brain)
        self._pages.add(page)
        try:
            if len(self._pages) > self._settings.pages:
                text = f"expected at most {self._settings.pages} pages, got one more"
                await page.refuse(CloseCode.TRY_AGAIN_LATER, text)
            await page.run()
        finally:
            self._pages.discard(page)


def address(url: str) -> tuple[str, int]:
    """Reads where to listen.

    Raises:
        EndpointError: it is no address, or one that other machines can reach.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.scheme != "ws" or parts.path.strip("/") or parts.query:
        raise EndpointError(f"listen: expected ws://127.0.0.1:PORT, got '{url}'")
    if not is_loopback(host):
        raise EndpointError(
            f"listen: expected a loopback address such as ws://127.0.0.1:{port}, got '{url}', which other machines can "
            "reach: pages have no keys, so let a proxy that asks who comes stand before it (docs/howto/engines)"
        )
    return host, port


def _listening(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise EndpointError(
            f"listen: ws://{host}:{port}: {error.strerror}; is another gateway running? Choose another port, or 0"
        ) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)  # those that it accepts have it, too
    return listener


async def _until_signalled(gateway: Gateway) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await gateway.run(stop, _tell)


def _tell(url: str) -> None:
    print(json.dumps({"ready": True, "pid": os.getpid(), "url": url}), flush=True)
