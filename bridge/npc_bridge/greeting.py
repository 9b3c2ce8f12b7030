"""Asks a TCP peer that hung up for ZeroMQ's greeting, which names the mechanism by which it lets others in (RFC 37).

libzmq often cannot say why a handshake failed: who sees first that mechanisms differ hangs up, and takes what it said
with it. A peer that is told no more than a version has nothing to refuse yet, and tells its mechanism.
"""

from __future__ import annotations

import errno
import socket
from enum import Enum

BEGIN = bytes.fromhex("ff 00 00 00 00 00 00 00 01 7f 03")  # ZeroMQ's signature, and version 3
NOT_YET = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS, errno.ENOTCONN)
MECHANISM = slice(12, 32)  # within a greeting, padded with zeros


class Mechanism(Enum):
    """What a greeting said."""

    NULL = "NULL"  # everybody is let in
    CURVE = "CURVE"  # who has a key is
    FOREIGN = ""  # this was no greeting


class Question:
    """One connection that is only there to be greeted; nothing here blocks or raises.

    Args:
        endpoint: `tcp://ADDRESS:PORT`; a host that is no address would have to be looked up, which may take long.
    """

    def __init__(self, endpoint: str) -> None:
        self._heard = b""
        self._told = False
        self._socket: socket.socket | None = None
        kind, _, address = endpoint.partition("://")
        host, _, port = address.rpartition(":")
        try:
            if kind != "tcp":
                return
            asked = (host.strip("[]").replace("localhost", "127.0.0.1"), int(port))
            found = socket.getaddrinfo(*asked, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            family, *_, at = found[0]
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            self._socket.connect_ex(at)
        except (OSError, ValueError):
            self.close()

    def look(self) -> Mechanism | None:
        """Returns what the peer has said, None while it may still say it."""
        if self._socket is None:
            return None
        try:
            if not self._told:
                self._told = self._socket.send(BEGIN) == len(BEGIN)
            part = self._socket.recv(64)
        except OSError as error:
            if error.errno in NOT_YET:
                return None
            part = b""
        self._heard += part
        if not part or self._heard[:1] != BEGIN[:1]:
            return Mechanism.FOREIGN
        if len(self._heard) < MECHANISM.stop:
            return None
        name = self._heard[MECHANISM].rstrip(b"\0").decode("ascii", "replace")
        return next((known for known in Mechanism if known.value == name), Mechanism.FOREIGN)

    def close(self) -> None:
        """Hangs up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
