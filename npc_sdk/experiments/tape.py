"""A recorded game in the place of a server: the brain is handed what it once answered, and its answers are kept.

What a served session depends on besides its frames is taken from the recording, too: its number, which snapshots were
answered (the others were overtaken), and how far ahead each answer aimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from npc_bridge.errors import RemoteProtocolError
from npc_bridge.frames import Kind
from npc_bridge.messages import Ack, Action, Hello, Welcome, decode, encode
from npc_bridge.packing import Value
from npc_bridge.recording import ChannelId, Direction, Record, Recording
from npc_bridge.session import Offer, Phase, ServerSession, SessionEvent, SnapshotArrived
from npc_sdk.errors import InputError
from npc_sdk.serve.pace import Pace

Answered = tuple[int, int]
"""Session, and tick of the snapshot that was answered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a brain once said in a recording."""

    welcome: Welcome  # the first
    numbers: Mapping[int, int]  # of sessions, by the nonce of the HELLO that opened or went on with it
    answers: Mapping[Answered, Action]

    @property
    def lost(self) -> int:
        """Answers that were sent but did not reach the game, by the gaps in their sequence."""
        lost = last = 0
        for action in self.answers.values():
            last = last if action.sequence > last else 0  # smaller: the brain was started again
            lost += action.sequence - last - 1
            last = action.sequence
        return lost


def heard(recording: Recording) -> Heard:
    """Reads what a brain said.

    Raises:
        InputError: it did not answer, or nobody recorded it.
    """
    welcomes: list[Welcome] = []
    answers: dict[Answered, Action] = {}
    for record in _data(recording, Direction.DOWN):
        try:
            message = decode(record.data, recording.schema)
        except RemoteProtocolError:
            continue  # the client did not take it either
        if isinstance(message, Welcome):
            welcomes.append(message)
        elif isinstance(message, Action):
            answers[message.session, message.source_tick] = message
    if not (welcomes and answers):
        raise InputError(f"{recording.path.name}: expected a brain's answers, as Client(recorder=...) keeps them")
    return Heard(welcomes[0], {w.nonce: w.session for w in welcomes}, answers)


class Tape:
    """Plays one recording to a brain; `serve.brain.Brain` asks it as it asks a server."""

    def __init__(self, recording: Recording, then: Heard) -> None:
        self.answers: dict[Answered, Action] = {}  # of the brain that listens now
        self.lead_ticks = 1  # of the answer that is asked for
        self.unanswered = 0  # snapshots that nobody answered then, so nobody is asked now
        self.over = False
        self._schema = recording.schema
        self._then = then
        self._records = _data(recording, Direction.UP)
        self._session = self._opened()
        self._number = 0
        self._resume = ""  # our own secret of the session, in the place of the recorded one

    def poll(self, timeout_ms: float) -> list[SessionEvent]:
        """Returns the next answered snapshot and what came before it; at the end, what is left.

        Without waiting there is nothing: what was overtaken then is known, and nothing else overtakes now.
        """
        events: list[SessionEvent] = []
        if not timeout_ms:
            return events
        for record in self._records:
            for event in self._received(record):
                if not isinstance(event, SnapshotArrived):
                    events.append(event)
                    continue
                answer = self._then.answers.get((event.session, event.snapshot.tick))
                if answer is not None:
                    self.lead_ticks = answer.apply_tick - answer.source_tick
                    return [*events, event]
                self.unanswered += 1
        self.over = True
        return events

    def send(self, session: int, action: Action) -> bool:
        """Keeps an answer, as a game would have got it."""
        got = decode(self._session.action(action, 0), self._schema)
        assert isinstance(got, Action)  # as it was one before it was encoded
        self.answers[got.session, got.source_tick] = got
        return True

    def acknowledge(self, peer: bytes, ack: Ack) -> None:
        """Is never asked for: a game's recording has no designers in it."""

    def publish(self, topic: str, body: Mapping[str, Value], session: int = 0, tick: int = 0) -> None:
        """Nobody reads telemetry."""

    def _opened(self) -> ServerSession:
        return ServerSession(lambda: self._number, Offer(), lambda schema: ())

    def _received(self, record: Record) -> tuple[SessionEvent, ...]:
        data = record.data
        if data[5:6] == bytes([Kind.HELLO]):
            hello = decode(data)
            assert isinstance(hello, Hello)  # by its kind, and as a client of ours wrote it
            if hello.nonce not in self._then.numbers:
                return ()  # nobody heard it
            self._number = self._then.numbers[hello.nonce]
            if self._session.phase is Phase.CLOSED:  # as after a BYE
                self._session = self._opened()
            goes_on = self._number == self._session.number
            data = encode(replace(hello, resume=self._resume if goes_on else ""))
        received = self._session.receive(data, record.time_us)
        for reply in received.replies:
            said = decode(reply, self._schema)
            if isinstance(said, Welcome):
                self._resume = said.resume
        return received.events


class Told(Pace):
    """Aims as far ahead as the recorded answers did, and passes over no snapshot."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(1)
        self._tape = tape

    def ticks(self, tick_hz: float, age_ms: float = 0.0) -> int:
        """Returns the lead of the answer that is asked for."""
        return self._tape.lead_ticks

    def fresh(self, age_ms: float, tick_hz: float) -> bool:
        """Says yes: it was answered."""
        return True


def _data(recording: Recording, direction: Direction) -> Iterator[Record]:
    return (r for r in recording if r.channel is ChannelId.DATA and r.direction is direction)
