"""The designer's line: requests to the board and what the brain tells, on a thread of its own: the game never waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping

from npc_bridge.client import ControlClient, TelemetryReader
from npc_bridge.errors import ControlRefused, ControlTimeout, ErrorCode
from npc_bridge.packing import Value
from npc_sdk.demo.scene import Why
from npc_sdk.demo.settings import Request
from npc_sdk.demo.thoughts import Mind, hear, read_why

_TIMEOUT_MS = 400
_IDLE_MS = 15
_PACE_S = 0.036  # between requests: the server takes 30 a second from one peer
_TOPIC = "plan"

Answer = Mapping[str, Value] | str


class Designer:
    """Sends what is turned and keeps what is told. To be called from the game's thread; nothing waits."""

    def __init__(self, control: str, telemetry: str) -> None:
        """Start the thread; the sockets belong to it alone."""
        self._control, self._telemetry = control, telemetry
        self._lock = threading.Lock()
        self._asked: dict[str, Request] = {}  # by what it settles: of a drag only the newest value is worth sending
        self._done: deque[tuple[Request, Answer]] = deque(maxlen=64)
        self._mind = Mind()
        self._why: dict[int, Why] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="designer", daemon=True)
        self._thread.start()

    @property
    def mind(self) -> Mind:
        """What the brain last told."""
        return self._mind

    def ask(self, *requests: Request) -> None:
        """Queue requests; one that settles the same thing replaces the one still waiting."""
        with self._lock:
            for request in requests:
                key = _settles(request)
                self._asked.pop(key, None)
                self._asked[key] = request

    def answers(self) -> list[tuple[Request, Answer]]:
        """Return the answers since the last call: the brain's reply, or in words why it said no."""
        out = []
        while self._done:
            out.append(self._done.popleft())
        return out

    def why(self, npc: int) -> Why | None:
        """Return the newest explanation of an NPC."""
        return self._why.get(npc)

    def forget(self) -> None:
        """Drop what was told and asked: another match begins, or another brain."""
        with self._lock:
            self._asked.clear()
        self._mind = Mind(model=self._mind.model)
        self._why = {}

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(2.0)

    # the thread

    def _run(self) -> None:
        with (
            ControlClient(self._control, _TIMEOUT_MS) as control,
            TelemetryReader(self._telemetry, (_TOPIC,)) as reader,
        ):
            sent = 0.0
            while not self._stop.is_set():
                for told in reader.poll(_IDLE_MS):
                    self._mind = hear(self._mind, told.body)
                if time.monotonic() - sent >= _PACE_S and (request := self._next()) is not None:
                    self._send(control, request)
                    sent = time.monotonic()

    def _next(self) -> Request | None:
        with self._lock:
            return self._asked.pop(next(iter(self._asked))) if self._asked else None

    def _send(self, control: ControlClient, request: Request) -> None:
        verb = str(request["op"])
        try:
            ack = control.request(verb, {k: v for k, v in request.items() if k != "op"})
        except ControlTimeout:
            return  # no brain: everything turned is replayed when the next one listens
        except ControlRefused as error:
            if error.code is ErrorCode.BUSY:
                self._put_back(request)
            elif verb != "explain":  # an NPC that has not decided yet has nothing to explain
                self._done.append((request, str(error)))
            return
        if verb != "explain":
            self._done.append((request, ack.result))
        elif (why := read_why(ack.result)) is not None:
            self._why = {**self._why, why.npc: why}

    def _put_back(self, request: Request) -> None:
        """Keep a request for later, unless a newer one about the same has come."""
        with self._lock:
            self._asked.setdefault(_settles(request), request)


def _settles(request: Request) -> str:
    """What a request is about: a later one about the same makes it pointless."""
    rule = request.get("rule")
    name = rule.get("name", "") if isinstance(rule, Mapping) else ""
    parts = [request.get(key, "") for key in ("op", "scope", "target", "term", "mode", "name", "npc")]
    return ":".join(str(part) for part in (*parts, name))
