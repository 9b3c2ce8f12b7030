"""Where sockets may listen and connect, and the ZeroMQ options that suit games."""

from __future__ import annotations

import ipaddress
import os

import zmq

from .errors import EndpointError
from .keys import PeerKeys, decoded
from .limits import LIMITS, Limits

HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS, HEARTBEAT_TTL_MS = 500, 1500, 2000
RECONNECT_MS = 20  # without back-off: on loopback a refused connection costs microseconds
HANDSHAKE_MS = 2000
ANSWERS_QUEUED = 16  # per peer; at 4, libzmq's late count of what was read made a fast dialogue lose answers

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]

NOW = int(zmq.NOBLOCK)  # plain numbers: the enum's arithmetic takes longer than the sending
NOW_AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


def send_now(socket: Socket, *parts: bytes) -> None:
    """Sends a message in so many parts without waiting, as `send_multipart` does in twice the time.

    Raises:
        zmq.Again: nobody takes it.
        zmq.ZMQError: nobody is there, or the socket is closed.
    """
    for part in parts[:-1]:
        socket.send(part, NOW_AND_MORE)
    socket.send(parts[-1], NOW)


def is_loopback(host: str) -> bool:
    """Says whether a host is this machine, and no other can reach it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_near(endpoint: str) -> bool:
    """Says whether an endpoint is on this machine."""
    kind, _, address = endpoint.partition("://")
    return kind != "tcp" or is_loopback(address.rpartition(":")[0])


def check_listenable(endpoint: str, guarded: bool = False) -> None:
    """Accepts loopback TCP, ipc and inproc; and what other machines can reach where peers need keys.

    Raises:
        EndpointError: anything that other machines could reach without a key, or no endpoint at all.
    """
    kind, _, address = endpoint.partition("://")
    if kind == "inproc" and guarded:
        raise EndpointError(f"endpoint: expected one at which ZeroMQ asks for keys, tcp or ipc, got '{endpoint}'")
    if kind in ("ipc", "inproc") and address:
        return
    host, _, port = address.rpartition(":")
    if kind != "tcp" or not host or not (port.isdecimal() or port == "*"):
        raise EndpointError(f"endpoint: expected tcp://127.0.0.1:PORT, ipc://PATH or inproc://NAME, got '{endpoint}'")
    if not guarded and not is_loopback(host):
        raise EndpointError(
            f"endpoint: expected a loopback address such as tcp://127.0.0.1:{port}, got '{endpoint}', which other "
            "machines can reach: make keys (npc-sdk keys make) and serve with --keys"
        )


def bind(socket: Socket, endpoint: str, guarded: bool = False) -> str:
    """Binds to a checked endpoint (TCP port 0: any free one) and returns the address others connect to.

    Raises:
        EndpointError: not loopback, and not `guarded` by keys; or taken.
    """
    check_listenable(endpoint, guarded)
    try:
        socket.bind(endpoint[:-2] + ":*" if endpoint.startswith("tcp://") and endpoint.endswith(":0") else endpoint)
    except zmq.ZMQError as error:
        raise EndpointError(
            f"endpoint '{endpoint}': {error.strerror}; is another brain running? Choose another port, or 0 for any"
        ) from None
    return socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\x00")  # type: ignore[union-attr]  # bytes for this option


def game_context() -> Context:
    """Makes a context whose I/O thread never interrupts the game's thread by waking up (Linux only).

    It is woken by every send; where cores are few it would otherwise run at once, in the middle of the game's frame.
    """
    context: Context = zmq.Context()
    if hasattr(os, "SCHED_BATCH"):
        context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_BATCH)
    return context


def server_options(socket: Socket, limits: Limits = LIMITS) -> None:
    """Sets what every listening socket needs, before it binds."""
    socket.linger = 0
    socket.setsockopt(zmq.MAXMSGSIZE, limits.frame_bytes)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.SNDHWM, ANSWERS_QUEUED)
    if socket.type == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    # No queue that can be full, and no heartbeats: libzmq 4.3.5 aborts the process where a peer broke off while its
    # queue was full and a heartbeat falls due for it (its issue 4364), or a PING of its own is read. Peers send theirs
    # and say how long they may be silent; what they pile up the watch on memory ends.


def keep_alive(socket: Socket) -> None:
    """Lets TCP notice a peer that is gone, not ZeroMQ: a reader that is not read would die of it as a server would."""
    socket.setsockopt(zmq.HEARTBEAT_IVL, 0)
    for option, value in ((zmq.TCP_KEEPALIVE, 1), (zmq.TCP_KEEPALIVE_IDLE, 2), (zmq.TCP_KEEPALIVE_INTVL, 1)):
        socket.setsockopt(option, value)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)


def client_options(socket: Socket, keys: PeerKeys | None = None, limits: Limits = LIMITS) -> None:
    """Sets what every connecting socket needs: nothing is ever queued for a peer that is not there."""
    if keys is not None:
        socket.setsockopt(zmq.CURVE_SERVERKEY, decoded(keys.server))
        socket.setsockopt(zmq.CURVE_PUBLICKEY, decoded(keys.public))
        socket.setsockopt(zmq.CURVE_SECRETKEY, decoded(keys.secret))
    socket.linger = 0
    socket.setsockopt(zmq.MAXMSGSIZE, limits.frame_bytes)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, 2)
    socket.setsockopt(zmq.SNDTIMEO, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TTL_MS)
