"""A bad line between games and the brain: real sockets on both sides, and `faults` between them."""

from __future__ import annotations

import heapq
import threading
import time
from types import TracebackType

import zmq

from npc_sdk.experiments.wire.faults import Counts, Line, Weather, Worst

_LOOK_MS = 5  # between looks at the clock
_TURN = 64  # messages read from one socket before the others get their turn
_QUEUE = 10_000  # messages kept for a peer: what a stall has held back leaves at once

_Socket = zmq.Socket[bytes]


class _Peer:
    """One game: its name at our socket, its own way to the brain, and both directions."""

    def __init__(self, name: bytes, way: _Socket, up: Line, down: Line) -> None:
        self.name = name
        self.way = way
        self.up = up
        self.down = down


class Proxy:
    """Passes messages on, badly. Use as a context manager; works on a thread of its own.

    Args:
        brain: the brain's data endpoint; it need not be there, and may come and go.
        seed: of everything that happens to messages.
        worst: the worst that happens.
    """

    def __init__(self, brain: str, seed: int, worst: Worst | None = None) -> None:
        self.counts = Counts()  # complete once closed
        self.stalls = 0  # in which a message came
        self._brain = brain
        self._seed = seed
        self.weather = Weather(seed, worst or Worst())
        self._context: zmq.Context[_Socket] = zmq.Context()
        self._games = self._open(zmq.ROUTER)
        self._games.setsockopt(zmq.ROUTER_MANDATORY, 1)  # so that it says when nobody is there
        self._games.bind("tcp://127.0.0.1:*")
        self.endpoint = self._games.getsockopt_string(zmq.LAST_ENDPOINT)
        self._poller = zmq.Poller()
        self._poller.register(self._games, zmq.POLLIN)
        self._peers: dict[bytes, _Peer] = {}
        self._waiting: list[tuple[float, int, _Peer, bool, int, bytes]] = []  # a heap, by when they leave
        self._entries = 0
        self._stalls: set[int] = set()
        self._begun = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bad-line", daemon=True)
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops; what is on its way is lost."""
        self._stopping.set()
        self._thread.join()
        self._context.destroy(0)

    def _open(self, kind: int) -> _Socket:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.setsockopt(zmq.SNDHWM, _QUEUE)
        socket.setsockopt(zmq.RCVHWM, _QUEUE)
        return socket

    def _run(self) -> None:
        while not self._stopping.is_set():
            ready = dict(self._poller.poll(_LOOK_MS))
            if self._games in ready:
                self._take_from_games()
            for peer in self._peers.values():
                if peer.way in ready:
                    self._take_from_brain(peer)
            self._release()

    def _take_from_games(self) -> None:
        for _ in range(_TURN):
            try:
                name, frame = self._games.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            peer = self._peers.get(name) or self._meet(name)
            self._hold(peer, True, frame)

    def _take_from_brain(self, peer: _Peer) -> None:
        for _ in range(_TURN):
            try:
                frame = peer.way.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._hold(peer, False, frame)

    def _meet(self, name: bytes) -> _Peer:
        """Opens a game's own way to the brain, so that the brain tells games apart as it would without us."""
        way = self._open(zmq.DEALER)
        way.setsockopt(zmq.IMMEDIATE, 1)  # nothing is kept for a brain that is not there
        way.setsockopt(zmq.RECONNECT_IVL, 20)
        way.connect(self._brain)
        self._poller.register(way, zmq.POLLIN)
        key, counts = (self._seed, 3, len(self._peers)), self.counts
        peer = _Peer(name, way, Line(self.weather, (*key, 0), counts), Line(self.weather, (*key, 1), counts))
        self._peers[name] = peer
        return peer

    def _hold(self, peer: _Peer, up: bool, frame: bytes) -> None:
        now = time.monotonic() - self._begun
        number, leaves, size = (peer.up if up else peer.down).take(now, len(frame))
        stall = self.weather.stall(now)
        if stall is not None:
            self._stalls.add(stall[0])
            self.stalls = len(self._stalls)
        for when in leaves:
            self._entries += 1  # a heap asks for an order among equals
            heapq.heappush(self._waiting, (when, self._entries, peer, up, number, frame[:size]))

    def _release(self) -> None:
        now = time.monotonic() - self._begun
        while self._waiting and self._waiting[0][0] <= now:
            _, _, peer, up, number, frame = heapq.heappop(self._waiting)
            (peer.up if up else peer.down).leave(number)
            try:
                if up:
                    peer.way.send(frame, zmq.NOBLOCK)
                else:
                    self._games.send_multipart((peer.name, frame), zmq.NOBLOCK)
            except zmq.ZMQError:
                self.counts.undeliverable += 1
