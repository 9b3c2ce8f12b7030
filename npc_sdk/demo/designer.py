"""The designer's line: requests to the board and what the brain tells, on a thread of its own: the game never waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from npc_bridge.client import ControlClient, TelemetryReader
from npc_bridge.errors import ControlRefused, ControlTimeout, ErrorCode
from npc_bridge.messages import Ack
from npc_bridge.packing import Value
from npc_sdk.demo.scene import Why
from npc_sdk.demo.settings import Request
from npc_sdk.demo.thoughts import Mind, hear, hear_swing, read_why

_TIMEOUT_MS = 400
_IDLE_MS = 4  # a request waits this long at most before the thread sees it
_PACE_S = 1.0 / 75.0  # between requests: more often than a picture is drawn, less often than the brain takes (90)
_QUESTION_S = 0.04  # between questions: a slider does not wait behind them
_QUESTIONS = ("explain", "inspect")
_TOPICS = ("plan", "swing")
_KEPT_SWINGS = 4096

Answer = Mapping[str, Value] | str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that waits, and since when what it settles has been waiting."""

    request: Request
    since: float  # perf_counter, s


class Designer:
    """Sends what is turned and keeps what is told. To be called from the game's thread; nothing waits."""

    def __init__(self, control: str, telemetry: str) -> None:
        """Start the thread; the sockets belong to it alone."""
        self._control, self._telemetry = control, telemetry
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}  # by what it settles: of a drag only the newest value is worth sending
        self._done: deque[tuple[Request, Answer]] = deque(maxlen=64)
        self._mind = Mind()
        self._why: dict[int, Why] = {}
        self._session = 0  # that is listened to, 0 for any
        self._swings: deque[tuple[int, float]] = deque(maxlen=64)  # revision of a turned weight, since when
        self.swing_ms: deque[float] = deque(maxlen=_KEPT_SWINGS)  # from a turned weight to the plans it leads to
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="designer", daemon=True)
        self._thread.start()

    @property
    def mind(self) -> Mind:
        """What the brain last told."""
        return self._mind

    def ask(self, *requests: Request) -> None:
        """Queue requests; one that settles the same thing replaces the one still waiting."""
        now = time.perf_counter()
        with self._lock:
            for request in requests:
                key = _settles(request)
                former = self._asked.pop(key, None)
                self._asked[key] = _Asked(request, now if former is None else former.since)

    def answers(self) -> list[tuple[Request, Answer]]:
        """Return the answers since the last call: the brain's reply, or in words why it said no."""
        out = []
        while self._done:
            out.append(self._done.popleft())
        return out

    @property
    def whys(self) -> Mapping[int, Why]:
        """The newest explanation of every NPC that was asked."""
        return self._why

    def follow(self, session: int) -> None:
        """Drop what was told and asked, and listen to this session: another match begins, or another brain."""
        with self._lock:
            self._asked.clear()
            self._session = session
            self._mind = Mind(model=self._mind.model, forecast=self._mind.forecast)
        self._why = {}

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(2.0)

    # the thread

    def _run(self) -> None:
        with (
            ControlClient(self._control, _TIMEOUT_MS) as control,
            TelemetryReader(self._telemetry, _TOPICS) as reader,
        ):
            sent = questioned = 0.0
            while not self._stop.is_set():
                for told in reader.poll(_IDLE_MS):
                    self._hear(told.topic, told.session, told.body)
                now = time.monotonic()
                if now - sent >= _PACE_S and (asked := self._next(now - questioned >= _QUESTION_S)) is not None:
                    sent = now
                    questioned = now if asked.request["op"] in _QUESTIONS else questioned
                    self._send(control, asked)

    def _hear(self, topic: str, session: int, body: Mapping[str, Value]) -> None:
        with self._lock:  # a mind of another session must not come back
            if self._session not in (0, session):
                return
            self._mind = (hear if topic == _TOPICS[0] else hear_swing)(self._mind, body)
        now = time.perf_counter()
        while self._swings and self._swings[0][0] <= self._mind.revision:
            self.swing_ms.append(1e3 * (now - self._swings.popleft()[1]))

    def _next(self, question: bool) -> _Asked | None:
        """Take the oldest change that waits, else the oldest question if it is time for one."""
        with self._lock:
            changes = (key for key, asked in self._asked.items() if asked.request["op"] not in _QUESTIONS)
            key = next(changes, next(iter(self._asked), None) if question else None)
            return None if key is None else self._asked.pop(key)

    def _send(self, control: ControlClient, asked: _Asked) -> None:
        request = asked.request
        verb = str(request["op"])
        try:
            ack = control.request(verb, {k: v for k, v in request.items() if k != "op"})
        except ControlTimeout:
            return  # no brain: everything turned is replayed when the next one listens
        except ControlRefused as error:
            if error.code is ErrorCode.BUSY:
                self._put_back(asked)
            elif verb != "explain":  # an NPC that has not decided yet has nothing to explain
                self._done.append((request, str(error)))
            return
        self._take(asked, ack)

    def _take(self, asked: _Asked, ack: Ack) -> None:
        verb = str(asked.request["op"])
        if verb == "set_weights":
            self._swings.append((ack.revision, asked.since))
        if verb in ("explain", "replan") and (why := read_why(ack.result)) is not None:
            self._why = {**self._why, why.npc: why}
        if verb != "explain":
            self._done.append((asked.request, ack.result))

    def _put_back(self, asked: _Asked) -> None:
        """Keep a request for later, unless a newer one about the same has come."""
        key = _settles(asked.request)
        with self._lock:
            newer = self._asked.get(key, asked)
            self._asked[key] = _Asked(newer.request, asked.since)


def _settles(request: Request) -> str:
    """What a request is about: a later one about the same makes it pointless."""
    rule = request.get("rule")
    name = rule.get("name", "") if isinstance(rule, Mapping) else ""
    changes = request.get("changes")
    rows = changes if isinstance(changes, (list, tuple)) else ()
    turned = [f"{c.get('scope')} {c.get('term')}" for c in rows if isinstance(c, Mapping)]
    parts = [request.get(key, "") for key in ("op", "scope", "target", "mode", "name", "npc")]
    return ":".join(str(part) for part in (*parts, name, *turned))
