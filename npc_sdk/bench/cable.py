"""A cable between games and a brain that can be cut at any byte: TCP in, TCP out."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType

_LOOK_S = 0.02  # between looks at what is asked
_PART = 1 << 16  # bytes passed on at once


class Cable:
    """Passes bytes on as they come. Use as a context manager; works on a thread of its own.

    Args:
        brain: `tcp://ADDRESS:PORT`; it need not be there, and may come and go.
    """

    def __init__(self, brain: str) -> None:
        host, _, port = brain.removeprefix("tcp://").rpartition(":")
        self.cuts = 0  # connections that were cut
        self._brain = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._listener, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._left: int | None = None  # bytes until the next cut, None where none is asked for
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)
        self._thread.start()

    def __enter__(self) -> Cable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self, after: int = 0) -> None:
        """Cuts the connection that passes so many more bytes, either way; it may be in the middle of a message."""
        self._left = after

    def close(self) -> None:
        """Cuts everything, and listens no more."""
        self._stopping.set()
        self._thread.join()
        for one in list(self._other):
            one.close()
        self._listener.close()
        self._ready.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._ready.select(_LOOK_S):
                one = key.fileobj
                assert isinstance(one, socket.socket)  # nothing else is registered
                if one is self._listener:
                    self._join()
                elif one in self._other:
                    self._pass_on(one)
            if self._left == 0 and self._other:
                self._cut(next(iter(self._other)))

    def _join(self) -> None:
        game, _ = self._listener.accept()
        try:
            brain = socket.create_connection(self._brain, timeout=1.0)
        except OSError:
            game.close()
            return
        brain.settimeout(None)
        for one, other in ((game, brain), (brain, game)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._other[one] = other
            self._ready.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            part = one.recv(_PART)
            if self._left is not None:
                part = part[: self._left]
                self._left -= len(part)
            self._other[one].sendall(part)
        except OSError:
            part = b""
        if not part and self._left != 0:  # the end; a cut is made by who asked for it
            self._hang_up(one)

    def _cut(self, one: socket.socket) -> None:
        self._left = None
        self.cuts += 1
        self._hang_up(one)

    def _hang_up(self, one: socket.socket) -> None:
        for side in (one, self._other[one]):
            with contextlib.suppress(KeyError):
                self._ready.unregister(side)
            self._other.pop(side, None)
            side.close()
