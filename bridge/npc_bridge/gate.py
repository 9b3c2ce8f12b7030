"""Lets those in whose keys are known: ZeroMQ asks by ZAP (RFC 27) about every connection that is made with a key."""

from __future__ import annotations

import logging

import zmq

from .endpoints import Context, Socket
from .errors import EndpointError, KeysError
from .keys import Peer, ServerKeys, decoded

LOG = logging.getLogger(__name__)

ADDRESS = "inproc://zeromq.zap.01"


class Gate:
    """Answers for one context; owned by the I/O thread, but for what happens before it starts.

    Args:
        context: of the sockets that are guarded; it can have but one gate.
        keys: of the brain.

    Raises:
        KeysError: the folder holds no keys.
    """

    def __init__(self, context: Context, keys: ServerKeys) -> None:
        self._keys = keys
        self._secret = decoded(keys.pair[1])
        self._stamp = -1
        self._known: dict[bytes, Peer] = {}
        self._look()
        self.socket: Socket = context.socket(zmq.REP)
        self.socket.linger = 0
        try:
            self.socket.bind(ADDRESS)
        except zmq.ZMQError as error:
            self.socket.close()
            raise EndpointError(f"keys: expected a context without another gate: {error.strerror}") from None

    def guard(self, socket: Socket, role: str) -> None:
        """Makes a socket, before it binds, take only peers that may do what a role does."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, role.encode())

    def answer(self) -> None:
        """Answers what ZeroMQ has asked."""
        while int(self.socket.getsockopt(zmq.EVENTS)) & int(zmq.POLLIN):
            version, request, domain, address, _, mechanism, *credentials = self.socket.recv_multipart()
            key = credentials[0] if mechanism == b"CURVE" and len(credentials) == 1 else b""
            role = domain.decode("ascii", "replace")  # what `guard` gave the socket
            peer = self._allowed(key, role)
            if peer is None:
                LOG.warning("a %s at %s was not let in", role, address.decode("ascii", "replace"))
                verdict = (b"400", b"no key of this brain", b"")
            else:
                verdict = (b"200", b"", peer.name.encode())
            self.socket.send_multipart((version, request, *verdict, b""))

    def _allowed(self, key: bytes, role: str) -> Peer | None:
        try:
            self._look()
        except KeysError as error:  # somebody is writing it, or wrote nonsense: the last good list holds
            LOG.error("%s; the list before it holds", error)
        peer = self._known.get(key)
        return peer if peer is not None and peer.may(role) else None

    def _look(self) -> None:
        stamp = self._keys.stamp
        if stamp != self._stamp:
            self._known = {decoded(peer.public): peer for peer in self._keys.peers}
            self._stamp = stamp
