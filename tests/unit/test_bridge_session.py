"""Both ends of a session in step, without sockets or clocks."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from npc_bridge.conformance import car_schema, sample_action, sample_schema, sample_snapshot
from npc_bridge.errors import ErrorCode, LocalProtocolError, Refused, RemoteProtocolError
from npc_bridge.faults import KINDS, REMEDIES, of_code
from npc_bridge.frames import Kind
from npc_bridge.limits import Limits
from npc_bridge.messages import Bye, Control, ErrorReport, Hello, SchemaChange, Welcome, decode, encode
from npc_bridge.schema import Schema
from npc_bridge.session import (
    CLIENT_TABLE,
    SERVER_TABLE,
    Acted,
    ClientSession,
    Cue,
    GameJoined,
    GameLeft,
    Greeting,
    Ignored,
    Offer,
    Phase,
    Received,
    Reported,
    SchemaChanged,
    ServerSession,
    SnapshotArrived,
    Welcomed,
)

SCHEMA = sample_schema()
BLOCKS = sample_snapshot().blocks
EXECUTING = sample_snapshot().executing


def pair(offer: Offer | None = None) -> tuple[ClientSession, ServerSession]:
    numbers = count(100)
    client = ClientSession(SCHEMA, Greeting("test", "game"), nonce=0xFFFFFFFF)
    return client, ServerSession(lambda: next(numbers), offer or Offer(), lambda schema: ())


def live(offer: Offer | None = None) -> tuple[ClientSession, ServerSession]:
    client, server = pair(offer)
    (reply,) = server.receive(client.connected(0), 0).replies
    assert isinstance(client.receive(reply, 0), Welcomed)
    return client, server


def push(client: ClientSession, tick: int) -> bytes:
    data = client.snapshot(tick, 0, BLOCKS, EXECUTING)
    assert data is not None
    return data


def report_of(received: Received) -> ErrorReport:
    message = decode(received.replies[-1])
    assert isinstance(message, ErrorReport)
    return message


def test_a_session_from_hello_to_bye() -> None:
    client, server = pair()
    received = server.receive(client.connected(0), 0)
    assert isinstance(received.events[0], GameJoined)
    client.receive(received.replies[0], 0)
    assert (client.phase, server.phase) == (Phase.LIVE, Phase.LIVE)
    assert client.session == server.number == 100
    (arrived,) = server.receive(push(client, 1), 5).events
    assert isinstance(arrived, SnapshotArrived)
    assert arrived.received_us == 5
    event = client.receive(server.action(sample_action(), 6), 7)
    assert isinstance(event, Acted)
    assert (event.action.session, event.action.sent_us, event.action.sequence) == (100, 6, 1)
    bye = client.bye()
    assert bye is not None
    assert isinstance(server.receive(bye, 8).events[0], GameLeft)
    assert server.phase is Phase.CLOSED


def test_nothing_is_sent_before_the_session_opens() -> None:
    client, server = pair()
    assert client.snapshot(1, 0, BLOCKS, EXECUTING) is None
    assert client.bye() is None
    assert client.restart(None, 0) is None
    with pytest.raises(LocalProtocolError, match="open session"):
        server.action(sample_action(), 0)


def test_a_hello_said_twice_makes_one_session() -> None:
    client, server = pair()
    first = client.connected(0)
    assert client.due(100_000) is None
    again = client.due(300_000)
    assert again == first
    one, two = server.receive(first, 0), server.receive(again, 1)
    assert one.replies == two.replies
    assert two.events == ()
    client.receive(one.replies[0], 0)
    assert client.due(10_000_000) is None
    assert isinstance(client.receive(two.replies[0], 1), Welcomed)


def test_a_new_hello_on_a_live_session_replaces_it() -> None:
    client, server = live()
    hello = client.restart(None, 0)
    assert hello is not None
    received = server.receive(hello, 0)
    assert [type(event) for event in received.events] == [GameLeft, GameJoined]
    client.receive(received.replies[0], 0)
    assert client.session == 101
    assert server.receive(push(client, 1), 0).events


def test_a_welcome_of_an_earlier_attempt_is_ignored() -> None:
    client, server = pair()
    old = server.receive(client.connected(0), 0).replies[0]
    client.lost()
    client.connected(1)
    assert isinstance(client.receive(old, 1), Ignored)
    assert client.phase is Phase.GREETING


def test_actions_of_another_session_are_ignored() -> None:
    client, server = live()
    frame = server.action(sample_action(), 0)
    client.lost()
    assert isinstance(client.receive(frame, 0), Ignored)


def test_a_welcome_that_does_not_match_is_refused() -> None:
    client, server = pair()
    welcome = decode(server.receive(client.connected(0), 0).replies[0])
    assert isinstance(welcome, Welcome)
    for wrong, code in (
        (replace(welcome, schema_sha256="00"), ErrorCode.SCHEMA),
        (replace(welcome, major=2), ErrorCode.VERSION),
    ):
        with pytest.raises(RemoteProtocolError) as refused:
            client.receive(encode(wrong), 0)
        assert refused.value.code is code


def test_a_client_refuses_what_only_servers_read() -> None:
    client, _ = live()
    with pytest.raises(RemoteProtocolError, match="expected WELCOME, ACTION or ERROR"):
        client.receive(encode(Bye(client.session)), 0)


def test_an_unknown_session_is_greeted_anew_at_once_and_a_refusal_later() -> None:
    client, _ = live()
    gone = encode(ErrorReport(client.session, ErrorCode.SESSION, True, "gone", ""))
    assert isinstance(client.receive(gone, 10), Reported)
    assert client.phase is Phase.REFUSED
    assert isinstance(client.receive(gone, 10), Ignored)  # the session it names is no longer ours
    hello = client.due(10)
    assert hello is not None
    client.receive(encode(ErrorReport(0, ErrorCode.MODEL, True, "no", "")), 20)
    assert client.due(500_000) is None
    assert client.due(1_100_000) is not None


def test_a_passing_error_leaves_the_session_open() -> None:
    client, _ = live()
    client.receive(encode(ErrorReport(client.session, ErrorCode.VALUE, False, "nan", "")), 0)
    assert client.phase is Phase.LIVE


def test_ticks_must_grow() -> None:
    client, server = live()
    server.receive(push(client, 5), 0)
    received = server.receive(push(client, 5), 0)
    assert received.events == ()
    assert report_of(received).code is ErrorCode.STALE
    assert server.counters.dropped_stale == 1


def test_snapshots_above_the_rate_are_dropped() -> None:
    client, server = live(Offer(limits=Limits(snapshots_per_s=2)))
    taken = [bool(server.receive(push(client, tick), 0).events) for tick in range(4)]
    assert taken == [True, True, False, False]
    assert server.receive(push(client, 9), 1_000_000).events
    assert server.counters.dropped_rate == 2


def test_good_messages_wipe_out_bad_ones() -> None:
    client, server = live(Offer(limits=Limits(snapshots_per_s=1000)))
    for round_ in range(3):
        for _ in range(9):
            assert not report_of(server.receive(push(client, 10_000)[:-1], 0)).fatal
        for tick in range(100):
            server.receive(push(client, 1 + round_ * 100 + tick), 0)
    assert server.phase is Phase.LIVE
    assert server.counters.bad == 27


def test_messages_out_of_place_are_errors() -> None:
    client, server = live()
    control = encode(Control(1, "x"))
    assert report_of(server.receive(control, 0)).code is ErrorCode.SESSION  # its session is 0
    assert report_of(server.receive(encode(Welcome(100, 1, 0, "")), 0)).code is ErrorCode.VALUE
    other = encode(Bye(5))
    assert report_of(server.receive(other, 0)).code is ErrorCode.SESSION
    assert client.phase is Phase.LIVE


def test_a_schema_change_keeps_the_session_or_closes_it() -> None:
    numbers = count(7)

    def admit(schema: Schema) -> tuple[str, ...]:
        if schema.game == "bad":
            raise Refused(ErrorCode.MODEL, "no model")
        return ("careful",)

    server = ServerSession(lambda: next(numbers), Offer(), admit)
    server.receive(encode(Hello((1,), "c", "g", SCHEMA)), 0)
    changed = replace(SCHEMA, barks=())
    received = server.receive(encode(SchemaChange(7, changed)), 0)
    assert received.events == (SchemaChanged(7, changed, ("careful",)),)
    received = server.receive(encode(SchemaChange(7, replace(SCHEMA, game="bad"))), 0)
    assert isinstance(received.events[0], GameLeft)
    assert report_of(received).fatal


def test_a_game_of_cars_is_told_a_tolerance_that_tells_their_direction_and_keeps_it_for_the_session() -> None:
    cars, numbers = car_schema(), count(7)
    server = ServerSession(lambda: next(numbers), Offer(), lambda schema: ())
    (welcome,) = (decode(reply) for reply in server.receive(encode(Hello((1,), "c", "g", cars)), 0).replies)
    assert isinstance(welcome, Welcome)
    assert welcome.velocity_tolerance == cars.velocity_tolerance < Offer().velocity_tolerance
    same = server.receive(encode(SchemaChange(7, replace(cars, barks=()))), 0)
    assert isinstance(same.events[0], SchemaChanged)
    slower = replace(cars, kinematics=replace(cars.kinematics, turn_rate=1.0))
    refused = server.receive(encode(SchemaChange(7, slower)), 0)
    assert report_of(refused).code is ErrorCode.SCHEMA
    assert report_of(refused).fatal


def test_bodies_of_another_kind_begin_another_session() -> None:
    """Chunks that are under way are no motion of theirs."""
    _, server = live()
    cells = replace(SCHEMA.kinematics, kind="grid", cell=0.1, max_acceleration=900.0, brake=900.0)
    refused = server.receive(encode(SchemaChange(100, replace(SCHEMA, kinematics=cells))), 0)
    assert report_of(refused).code is ErrorCode.SCHEMA
    assert "'velocity'" in report_of(refused).text
    assert "'grid'" in report_of(refused).text


def test_an_action_of_the_wrong_shape_is_the_brains_fault() -> None:
    _, server = live()
    action = sample_action()
    with pytest.raises(LocalProtocolError, match="steps"):
        server.action(replace(action, steps=action.steps[..., :2]), 0)


def test_a_lost_connection_ends_the_session() -> None:
    client, server = live()
    assert server.lost("gone").events == (GameLeft(100, "gone"),)
    client.lost()
    assert client.session == 0
    with pytest.raises(RemoteProtocolError):
        client.receive(encode(ErrorReport(0, ErrorCode.VALUE, False, "", "")), 0)


def test_a_session_goes_on_over_another_connection() -> None:
    client, server = live()
    server.receive(push(client, 5), 1)
    client.lost()
    hello = client.connected(10)
    received = server.receive(hello, 11)
    assert received.events == ()  # nobody has left, nobody has joined
    assert isinstance(client.receive(received.replies[0], 12), Welcomed)
    assert client.session == server.number == 100
    assert report_of(server.receive(push(client, 5), 13)).code is ErrorCode.STALE  # ticks go on, too
    (arrived,) = server.receive(push(client, 6), 14).events
    assert isinstance(arrived, SnapshotArrived)


def test_only_who_was_given_the_token_goes_on_with_a_session_and_only_as_it_was() -> None:
    client, server = live()
    hello = decode(client.connected(10))
    assert isinstance(hello, Hello)
    assert len(hello.resume) == 32
    assert server.resumes(hello)
    for other in (
        replace(hello, resume=""),
        replace(hello, resume="0" * 32),
        replace(hello, resume="ü"),
        replace(hello, game="another"),
        replace(hello, schema=replace(SCHEMA, tick_hz=2 * SCHEMA.tick_hz)),
        replace(hello, capabilities=("delta",)),
    ):
        assert not server.resumes(other)
    assert not pair()[1].resumes(replace(hello, resume=""))  # nor is there anything to go on with before HELLO
    server.lost("silence")
    assert not server.resumes(hello)


def test_a_restart_does_not_go_on_with_the_old_session() -> None:
    client, server = live()
    hello = client.restart(None, 10)
    assert hello is not None
    kinds = [type(event) for event in server.receive(hello, 11).events]
    assert kinds == [GameLeft, GameJoined]


def test_deltas_begin_with_a_keyframe_where_a_session_goes_on() -> None:
    client = ClientSession(SCHEMA, Greeting("test", "game", capabilities=("delta",)), nonce=1)
    numbers = count(100)
    server = ServerSession(lambda: next(numbers), Offer(), lambda schema: ())
    client.receive(server.receive(client.connected(0), 0).replies[0], 0)
    for tick in (1, 2):
        (arrived,) = server.receive(push(client, tick), tick).events
        assert isinstance(arrived, SnapshotArrived)
        client.receive(server.action(replace(sample_action(), source_tick=tick), tick), tick)
    client.lost()
    client.receive(server.receive(client.connected(3), 3).replies[0], 3)
    (arrived,) = server.receive(push(client, 3), 4).events  # and is read at once
    assert isinstance(arrived, SnapshotArrived)


def test_a_plan_for_a_session_that_is_over_is_not_taken_for_one_of_the_next() -> None:
    client, server = live()
    hello = client.restart(None, 10)
    assert hello is not None
    client.receive(server.receive(hello, 11).replies[-1], 12)
    assert (client.session, server.number) == (101, 101)
    assert isinstance(client.receive(server.action(sample_action(), 13, session=100), 14), Ignored)
    assert isinstance(client.receive(server.action(sample_action(), 13), 14), Acted)


def test_only_listed_transitions_exist() -> None:
    assert {phase for phase, _ in CLIENT_TABLE} == {Phase.IDLE, Phase.GREETING, Phase.LIVE, Phase.REFUSED}
    assert {phase for phase, _ in SERVER_TABLE} == {Phase.IDLE, Phase.LIVE}
    assert (Phase.CLOSED, Kind.HELLO) not in SERVER_TABLE
    assert (Phase.IDLE, Cue.FATAL) not in CLIENT_TABLE


def test_every_code_has_a_fault_with_a_remedy() -> None:
    for code in ErrorCode:
        fault = of_code(code, "text")
        assert (fault.code, fault.text) == (code, "text")
        assert fault.remedy
    assert set(KINDS) < set(REMEDIES) == set(ErrorCode)
    assert of_code(ErrorCode.MODEL, "t", "do this").remedy == "do this"
