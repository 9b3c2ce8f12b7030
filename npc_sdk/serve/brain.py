"""The brain at work: takes the newest snapshots from the server, ticks the runtime, answers, tells the designers.

Everything here runs on one thread, the planner's; the server has its own for input and output.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from npc_bridge.errors import ErrorCode
from npc_bridge.messages import RUNG_NONE, Ack, Action, Control
from npc_bridge.packing import Value
from npc_bridge.schema import Schema
from npc_bridge.server import BridgeServer, ControlRequested, Event
from npc_bridge.session import GameJoined, GameLeft, SchemaChanged, SnapshotArrived
from npc_sdk.constraints import shifted
from npc_sdk.designer.answer import answer
from npc_sdk.designer.board import Board
from npc_sdk.objectives.terms import TermSet
from npc_sdk.runtime import Decider, Evidence, Report, Runtime
from npc_sdk.serve.models import Loaded, weights_sha256
from npc_sdk.serve.pace import Pace
from npc_sdk.serve.telemetry import SWING, TOPIC, Thought, Watch
from npc_sdk.shield import Sent
from npc_sdk.world import Forecast
from npc_sdk.world.conformal import Calibration

log = logging.getLogger(__name__)

IDLE_MS = 50  # how long the planner sleeps when no game asks
STILL_S = 0.3  # without a snapshot: the game stands still, and there is time to score old plans by new terms
REFRESH_S = 0.25  # between looks at the persona files
REMEMBERED = 64  # games that have left: as many as can be here


@runtime_checkable
class Planner(Decider, Protocol):
    """A decider that can be asked again, and given another forecast."""

    def use(self, forecast: Forecast, calibration: Calibration | None = None) -> None:
        """Plans with another forecast from now on."""

    def again(self, key: str, npc: int, weights: NDArray[np.float64], terms: TermSet) -> Evidence | None:
        """Takes an NPC's newest decision once more under other weights; None if there is none."""


@dataclass(slots=True)
class _Seat:
    """One game at the table."""

    name: str
    schema: Schema
    watch: Watch
    passed: bool = False  # over its last snapshot, which had waited too long
    breached: set[str] = field(default_factory=set)  # assumptions, each logged once


@dataclass(slots=True)
class Counters:
    """What the brain has done since it started."""

    ticks: int = 0
    actions: int = 0
    decisions: int = 0
    late: int = 0  # ticks whose planning was cut short
    refused: int = 0  # designer requests
    breaches: int = 0  # of what games declared, as their snapshots show


def _age_ms(event: SnapshotArrived) -> float:
    return (time.monotonic_ns() // 1000 - event.received_us) / 1e3


def _nobody(plan_s: float, answer_s: float) -> None:
    """Takes what nobody measures."""


@dataclass(slots=True)
class Brain:
    """Joins one server, one runtime with its planner, and one board."""

    server: BridgeServer
    runtime: Runtime
    planner: Planner  # of the runtime
    board: Board
    forecasts: Mapping[str, Loaded]  # by the names that the board knows
    deadline_ms: float  # of planning, per tick
    pace: Pace
    observe: Callable[[float, float], None] = _nobody  # how long an answer was planned, and took in all, s
    counters: Counters = field(default_factory=Counters)
    turned: float = field(default_factory=time.monotonic)  # when its planner last looked for something to do, s
    _seats: dict[int, _Seat] = field(default_factory=dict)
    _left: dict[str, tuple[str, Sent]] = field(default_factory=dict)  # by the game's name: its key, its attacks
    _refreshed: float = 0.0
    _tick: int = 0
    _told: int = 0  # revision of the board that the thoughts were last ranked by
    _forecast: str = ""  # in use
    _thought: float = 0.0  # when, monotonic s

    def run(self, stopped: Callable[[], bool]) -> None:
        """Works until `stopped`."""
        while not stopped():
            self.step()

    def step(self) -> None:
        """Waits for something to do, at most IDLE_MS, and does it."""
        newest: dict[int, SnapshotArrived] = {}
        self.turned = time.monotonic()
        still = time.monotonic() - self._thought > STILL_S
        behind = self._behind() if still else None
        events = self.server.poll(IDLE_MS if behind is None else 0.0)
        if behind is not None and not events:
            self._again(*behind)
        self._take(events, newest)
        if any(isinstance(event, GameJoined | SchemaChanged) for event in events):
            self._take(self.server.poll(0.0), newest)  # what came while the map's tables were made
        now = time.monotonic()
        if now - self._refreshed > REFRESH_S:
            self._refreshed = now
            for change in self.board.refresh():
                log.info("persona %s", change)
        if self.board.snapshot.revision != self._told:
            self._swing()
        newest = {session: event for session, event in newest.items() if self._worth_it(session, event)}
        if newest:
            self._think(newest)

    def _take(self, events: list[Event], newest: dict[int, SnapshotArrived]) -> None:
        """Does what events ask for; keeps the newest snapshot of each game, none of a game or a schema that is gone."""
        for event in events:
            match event:
                case GameJoined() | SchemaChanged():
                    self._seat(event)
                    self._log(event.session, "joined" if isinstance(event, GameJoined) else "changed its schema")
                    self.pace.forget(event.session)
                    newest.pop(event.session, None)
                case GameLeft():
                    self._log(event.session, f"left: {event.reason}")
                    self._leave(event.session)
                    self.pace.forget(event.session)
                    newest.pop(event.session, None)
                case SnapshotArrived():
                    newest[event.session] = event
                case ControlRequested():
                    self.server.acknowledge(event.peer, self._control(event.control))

    def _log(self, session: int, what: str) -> None:
        name = self._seats[session].name
        log.info("%s %s", name, what, extra={"game": name, "session": session})

    def _swing(self) -> None:
        """Tells at once what changed weights make of the plans that were imagined last: it costs no roll-out."""
        board = self.board.snapshot
        self._told = board.revision
        for session, seat in self._seats.items():
            if rows := seat.watch.reweigh(board):
                self._publish_swing(session, seat, rows)

    def _behind(self) -> tuple[int, Thought] | None:
        """Finds an NPC whose newest decision was scored by other terms than the board's."""
        names = self.board.snapshot.terms.names
        for session, seat in self._seats.items():
            if (thought := seat.watch.behind(names)) is not None:
                return session, thought
        return None

    def _again(self, session: int, thought: Thought) -> bool:
        """Takes an NPC's newest decision once more, under the board's weights and terms of now, and tells it."""
        board, npc = self.board.snapshot, thought.key.id
        evidence = self.planner.again(str(session), npc, board.resolve([thought.key])[0], board.terms)
        seat = self._seats[session]
        if evidence is None:  # another forecast has been taken up since
            seat.watch.drop(npc)
            return False
        self._publish_swing(session, seat, [seat.watch.retake(npc, evidence)])
        return True

    def _publish_swing(self, session: int, seat: _Seat, rows: list[Value]) -> None:
        tick, revision = seat.watch.tick, self.board.snapshot.revision
        message: dict[str, Value] = {"game": seat.name, "tick": tick, "revision": revision, "npcs": rows}
        self.server.publish(SWING, message, session, tick)

    def _take_up(self, name: str) -> None:
        """Plans with the forecast that the board names."""
        if name != self._forecast:
            self._forecast = name
            self.planner.use(self.forecasts[name].forecast, self.forecasts[name].calibration)

    @property
    def in_use(self) -> str:
        """Name of the forecast that plans are imagined by."""
        return self._forecast or self.board.snapshot.forecast

    @property
    def sha256(self) -> str:
        """Of the model in use, "" without one."""
        return self.forecasts[self.in_use].sha256

    def _leave(self, session: int) -> None:
        """Drops a game, but not what counts against its rules about attacks: it may be back in a moment."""
        seat = self._seats.pop(session, None)
        if seat is not None:
            self._left.pop(seat.name, None)
            self._left[seat.name] = str(session), self.runtime.attacks(str(session))
            for name in list(self._left)[:-REMEMBERED]:
                del self._left[name]
        self.runtime.forget(str(session))

    def _seat(self, event: GameJoined | SchemaChanged) -> None:
        name = event.game if isinstance(event, GameJoined) else self._seats[event.session].name
        take = self.runtime.register if isinstance(event, GameJoined) else self.runtime.change_schema
        game = take(str(event.session), event.schema)
        game.faction = name
        if isinstance(event, GameJoined) and name in self._left:
            self.runtime.remember(str(event.session), *self._left.pop(name))
        self._seats[event.session] = _Seat(name, event.schema, Watch(event.schema.tick_hz))
        zones = {p.name: shifted(p.vertices, event.schema.origin) for p in event.schema.polygons if p.kind == "zone"}
        self.board.declare_zones(zones)

    def _worth_it(self, session: int, event: SnapshotArrived) -> bool:
        """Says no to a snapshot that has waited too long, but never twice in a row."""
        seat = self._seats.get(session)
        if seat is None:
            return False
        seat.passed = not seat.passed and not self.pace.fresh(_age_ms(event), seat.schema.tick_hz)
        return not seat.passed

    def _think(self, newest: dict[int, SnapshotArrived]) -> None:
        """One tick over every game that has sent something new."""
        begun, self._thought = time.perf_counter(), time.monotonic()
        for session, event in newest.items():
            ran = event.snapshot.executing
            if (ran.rung != RUNG_NONE).any():
                self.pace.learn(session, event.snapshot.tick, int(ran.chunk.max()), self._seats[session].schema.tick_hz)
        due = [(str(session), event.snapshot) for session, event in newest.items()]
        deadline = begun + self.deadline_ms / 1e3
        cut = [False]

        def late() -> bool:
            cut[0] = cut[0] or time.perf_counter() > deadline
            return cut[0]

        self._tick = max(event.snapshot.tick for event in newest.values())
        tick_hz = max(self._seats[int(key)].schema.tick_hz for key, _ in due)
        lead = self.pace.ticks(tick_hz, max(_age_ms(event) for event in newest.values()))
        self._take_up(self.board.snapshot.forecast)
        answers = self.runtime.tick(due, late, lead)
        planned = time.perf_counter()
        self.counters.ticks += 1
        self.counters.late += cut[0]
        for key, action, report in answers:
            session = int(key)
            self._answer(session, action, report, newest[session], begun, planned)

    def _answer(
        self, session: int, action: Action, report: Report, event: SnapshotArrived, begun: float, planned: float
    ) -> None:
        seat = self._seats[session]
        barks = seat.watch.take(report)
        if barks:
            row_of = {int(i): row for row, i in enumerate(action.ids)}
            bark = action.bark.copy()
            for npc, text in barks.items():
                bark[row_of[npc]] = text
            action = replace(action, bark=bark)
        now_us = time.monotonic_ns() // 1000  # the clock that stamped the snapshot
        self.server.send(session, replace(action, received_us=event.received_us, planned_us=now_us))
        total_ms = _age_ms(event)
        lead = action.apply_tick - action.source_tick
        work_ms = (time.perf_counter() - begun) * 1e3
        self.pace.note(session, action.chunk, action.apply_tick, lead, total_ms, work_ms, seat.schema.tick_hz)
        self.observe(planned - begun, total_ms / 1e3)
        self.counters.actions += 1
        self.counters.decisions += len(report.evidence)
        self._note_breaches(seat, report)
        facts: dict[str, Value] = {
            "model_sha256": self.sha256,
            "forecast": self.in_use,
            "latency_ms": {"plan": (planned - begun) * 1e3, "total": total_ms},
            "lead_ticks": lead,
            "counters": dict(asdict(self.counters)),
        }
        message = seat.watch.message(seat.name, report, action, self.board.snapshot, facts)
        self.server.publish(TOPIC, message, session, report.snapshot.tick)

    def _note_breaches(self, seat: _Seat, report: Report) -> None:
        """Counts what games did otherwise than declared; the log hears of the first of each kind."""
        self.counters.breaches += len(report.findings.breaches)
        for breach in report.findings.breaches:
            if breach.assumption not in seat.breached:
                seat.breached.add(breach.assumption)
                log.warning(
                    "%s: tick %d: entity %d breaks %s: %s off by %.3g %s; see docs/howto/declare",
                    seat.name, breach.tick, breach.entity, breach.assumption, breach.what, breach.excess, breach.unit,
                    extra={"game": seat.name, "assumption": breach.assumption, "entity": breach.entity},
                )  # fmt: skip

    def _control(self, control: Control) -> Ack:
        """Carries out a designer's request; what is wrong with it goes back in words."""
        if control.verb == "explain":
            return self._explain(control)
        if control.verb == "replan":
            return self._replan(control)
        if control.verb == "status":
            return Ack(control.request, self.board.snapshot.revision, result=self._status())
        ack = answer(self.board, control, self._tick)
        self.counters.refused += ack.code != 0
        return ack

    def _explain(self, control: Control) -> Ack:
        """Says why an NPC does what it does, after weights that were turned in this very step."""
        if self.board.snapshot.revision != self._told:
            self._swing()
        found = self._thinker(control.arguments.get("npc"))
        return self._undecided(control) if found is None else self._explained(control, *found)

    def _replan(self, control: Control) -> Ack:
        """Lets an NPC decide once more; it goes on with the plan it has, its next decision is its own."""
        found = self._thinker(control.arguments.get("npc"))
        if found is None:
            return self._undecided(control)
        return self._explained(control, *found) if self._again(*found) else self._undecided(control)

    def _thinker(self, npc: Value) -> tuple[int, Thought] | None:
        """Finds the session and the newest decision of an NPC."""
        for session, seat in self._seats.items():
            if isinstance(npc, int) and (thought := seat.watch.thought(npc)) is not None:
                return session, thought
        return None

    def _explained(self, control: Control, session: int, thought: Thought) -> Ack:
        seat = self._seats[session]
        told = seat.watch.explain(thought.key.id)
        result = {"explanation": _plain(asdict(told)) if told else None, "game": seat.name, "tick": thought.tick}
        certificate = seat.watch.certificate(thought.key.id)
        if certificate is not None:
            result["certificate"] = {**certificate.numbers(), "reason": certificate.reason}
        return Ack(control.request, self.board.snapshot.revision, result=result)

    def _undecided(self, control: Control) -> Ack:
        known: list[Value] = [n for seat in self._seats.values() for n in seat.watch.npcs]
        npc = control.arguments.get("npc")
        text = f"{control.verb}: npc: expected one of those that have decided, got {npc!r}"
        return Ack(control.request, self.board.snapshot.revision, ErrorCode.CONTROL, text, {"valid": known})

    def _status(self) -> dict[str, Value]:
        return {
            "games": [{"session": s, "name": seat.name, "game": seat.schema.game} for s, seat in self._seats.items()],
            "model_sha256": self.sha256,
            "weights_sha256": weights_sha256(self.forecasts[self.in_use].forecast),
            "forecast": self.in_use,
            "revision": self.board.snapshot.revision,
            "counters": dict(asdict(self.counters)),
        }


def _plain(value: object) -> Value:
    """Turns results into what msgpack carries."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    return str(value)
