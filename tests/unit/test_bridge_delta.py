"""Snapshots told by what differs: what is coded how, which baseline is taken, and what happens when it is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npc_bridge.conformance import sample_action, sample_schema, sample_snapshot
from npc_bridge.delta import BASELINE_BYTES, BASELINES, Baselines, apply, diff, snapped
from npc_bridge.errors import ErrorCode, LocalProtocolError, RemoteProtocolError, SchemaError
from npc_bridge.limits import Limits
from npc_bridge.messages import Delta, EntityBlock, ErrorReport, Executing, Snapshot, Welcome, decode, encode
from npc_bridge.schema import CODINGS, EntityType, Field, Schema
from npc_bridge.session import ClientSession, GameLeft, Greeting, Offer, Received, ServerSession, SnapshotArrived

CODED = EntityType(
    "npc",
    "npc",
    8,
    (
        Field("x", "m", -100.0, 100.0, role="x"),
        Field("half", "m", -8.0, 8.303, coding="f16"),
        Field("fine", "m", -10.0, 30.0, coding="q16"),
        Field("coarse", "1", 0.0, 100.0, nan="clamp", coding="q8"),
    ),
)
WRONG: Any = np.zeros((1, 4))  # float64
SCHEMA = replace(sample_schema(), entities=(sample_schema().entities[0], CODED))


def snapshot(values: list[list[float]], ids: list[int] | None = None, tick: int = 300) -> Snapshot:
    rows = np.array(values, np.float32).reshape(-1, 4)
    block = EntityBlock(np.array(ids or range(101, 101 + len(rows)), np.uint32), rows)
    return Snapshot(5, SCHEMA.schema_id, tick, 7, 9, {"npc": block})


def same(one: Snapshot, other: Snapshot) -> bool:
    """Says whether two snapshots are the same on the wire."""
    return encode(one, SCHEMA) == encode(other, SCHEMA)


def over_the_wire(delta: Delta) -> Delta:
    frame = encode(delta, SCHEMA)
    again = decode(frame, SCHEMA)
    assert isinstance(again, Delta)
    assert encode(again, SCHEMA) == frame
    return again


def test_numbers_are_moved_to_the_nearest_that_has_a_code() -> None:
    asked = [[1.23456789, 1.0004, 0.0, 50.1], [500.0, 99.0, 99.0, -5.0], [-0.0, -9.0, -99.0, 1e9]]
    values = snapped(snapshot(asked), SCHEMA).blocks["npc"].values
    assert values[0].tolist() == [
        np.float32(1.23456789),
        1.0,
        pytest.approx(0.0, abs=0.5 * 40.0 / 65535 + 1e-6),
        pytest.approx(50.1, abs=0.5 * 100.0 / 255 + 1e-6),
    ]
    assert values[1].tolist() == [500.0, np.float32(8.303), 30.0, 0.0], "coded columns lie within their range"
    assert values[2].tolist() == [0.0, -8.0, -10.0, 100.0]
    assert np.signbit(values[2, 0])


def test_what_is_snapped_stays_where_it_is_and_shares_no_memory_with_what_came() -> None:
    first = snapshot([[1.5, 0.1, 0.7, 33.3]] * 3)
    coded = snapped(first, SCHEMA)
    assert same(coded, snapped(coded, SCHEMA))
    plain = sample_snapshot()
    for one, other in ((first, coded), (plain, snapped(plain, sample_schema()))):
        for name, block in one.blocks.items():
            assert not np.shares_memory(block.values, other.blocks[name].values)
            assert not np.shares_memory(block.ids, other.blocks[name].ids)


def test_a_cell_travels_only_if_its_bits_changed() -> None:
    before = snapped(snapshot([[1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 3.0, 4.0]]), SCHEMA)
    after = snapped(snapshot([[1.0, 2.5, 3.0, 4.0], [-0.0, 2.0, 3.0, 5.0]], tick=303), SCHEMA)
    delta = over_the_wire(diff(before, after))
    assert delta.blocks["npc"].changed.tolist() == [[False, True, False, False], [True, False, False, True]]
    assert delta.baseline == 300
    assert same(apply(delta, before), after)


def test_entities_come_and_go_and_change_places() -> None:
    row = [1.0, 2.0, 3.0, 4.0]
    before = snapped(snapshot([row, row, row], [7, 3, 5]), SCHEMA)
    after = snapped(snapshot([row, [0.0, 0.0, -10.0, 0.0], row], [5, 9, 7], tick=303), SCHEMA)
    delta = over_the_wire(diff(before, after))
    assert delta.blocks["npc"].changed.any(1).tolist() == [False, True, False], "5 and 7 are as they were"
    assert same(apply(delta, before), after)
    none = replace(after, blocks={}, tick=304)
    assert same(apply(over_the_wire(diff(after, none)), after), none), "a type without rows is left out"
    assert same(apply(over_the_wire(diff(none, replace(after, tick=305))), none), replace(after, tick=305))


def test_a_keyframe_differs_from_nothing() -> None:
    first = replace(snapped(snapshot([[1.0, 2.0, 3.0, 4.0]]), SCHEMA), executing=sample_snapshot().executing)
    delta = over_the_wire(diff(None, first))
    assert delta.baseline is None
    assert same(apply(delta, None), first)


def test_where_little_changes_little_is_sent() -> None:
    crowd = replace(CODED, max_count=1000, fields=tuple(Field(f"f{i}", "1", 0.0, 1.0) for i in range(32)))
    schema = replace(SCHEMA, entities=(SCHEMA.entities[0], crowd))
    rng = np.random.default_rng(0)
    ids, values = np.arange(1, 1001, dtype=np.uint32), rng.random((1000, 32), np.float32)
    before = Snapshot(5, schema.schema_id, 1, 0, 0, {"npc": EntityBlock(ids, values)})
    moved = values.copy()
    moved[:, :4] += np.float32(0.001)  # all of them walk
    after = replace(before, tick=2, blocks={"npc": EntityBlock(ids, moved)})
    whole, delta = (len(encode(message, schema)) for message in (after, diff(before, after)))
    assert delta < 0.2 * whole


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"blocks": {"ghost": EntityBlock(np.zeros(0, np.uint32), np.zeros((0, 4), np.float32))}}, "ghost"),
        ({"blocks": {"npc": EntityBlock(np.ones(1, np.uint32), np.zeros((1, 5), np.float32))}}, r"values.*\(1, 4\)"),
        ({"blocks": {"npc": EntityBlock(np.ones(2, np.uint32), np.zeros((1, 4), np.float32))}}, r"values.*\(2, 4\)"),
        ({"blocks": {"npc": EntityBlock(np.ones(1, np.uint32), WRONG)}}, "values.*float64"),
        ({"blocks": {"npc": EntityBlock(WRONG[0, :1], np.zeros((1, 4), np.float32))}}, "ids.*float64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_anything_is_kept(change: dict[str, object], told: str) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        snapped(replace(snapshot([]), **change), SCHEMA)  # type: ignore[arg-type]  # some of its fields


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_whole_numbers_have_no_code_for_what_is_no_number(number: float) -> None:
    with pytest.raises(LocalProtocolError, match=rf"'fine' of entity 'npc' 102: .*'q16' has no other, got {number}"):
        snapped(snapshot([[0.0] * 4, [0.0, 0.0, number, 0.0]]), SCHEMA)
    clamped = snapped(snapshot([[0.0, 0.0, 0.0, number]]), SCHEMA).blocks["npc"].values[0, 3]
    assert clamped == {"inf": 100.0}.get(str(number), 0.0), "the bound, or the default"
    floats = apply(over_the_wire(diff(None, snapped(snapshot([[number, number, 0.0, 0.0]]), SCHEMA))), None)
    np.testing.assert_array_equal(floats.blocks["npc"].values[0, :2], [number, number])
    with pytest.raises(SchemaError, match="coding 'q16' has no NaN to mask by"):
        Field("f", "1", 0.0, 1.0, nan="mask", coding="q16")


@pytest.mark.parametrize(
    ("low", "high", "coding", "told"),
    [
        (0.0, 1.0, "f8", "coding: expected one of f32, f16, q16, q8, got 'f8'"),
        (-65505.0, 0.0, "f16", "expected a range within 65504, got up to 65505"),
        (0.0, 1e6, "f16", "expected a range within 65504, got up to 1e.06"),
        (1e6, 1e6 + 1.0, "q16", "expected steps of at least 0.25, which float32 tells apart at 1e.06, got 1.52"),
        (-16.0, -15.999, "q8", "expected steps of at least 7.6"),
    ],
)
def test_a_coding_that_cannot_tell_numbers_apart_is_refused(low: float, high: float, coding: str, told: str) -> None:
    with pytest.raises(SchemaError, match=f"field 'f': .*{told}"):
        Field("f", "1", low, high, default=low, coding=coding)
    for name, top in (("f16", 65504.0), ("q16", 1e6), ("q8", 1e6)):
        assert Field("f", "1", 0.0, top, coding=name).coding == name


def test_codings_are_part_of_the_schema_and_not_of_what_a_model_depends_on() -> None:
    plain = replace(SCHEMA, entities=tuple(
        replace(e, fields=tuple(replace(f, coding="f32") for f in e.fields)) for e in SCHEMA.entities
    ))  # fmt: skip
    assert Schema.from_canonical(SCHEMA.canonical()) == SCHEMA
    assert b"coding" not in plain.canonical()
    assert SCHEMA.sha256 != plain.sha256
    assert SCHEMA.interface_sha256 == plain.interface_sha256
    assert list(CODINGS) == ["f32", "f16", "q16", "q8"], "the wire has them in this order"


def test_only_so_many_baselines_are_kept() -> None:
    kept = Baselines()
    for tick in range(BASELINES + 5):
        kept.keep(snapshot([[0.0] * 4], tick=tick))
    assert [kept.get(tick) is not None for tick in (4, 5, BASELINES + 4)] == [False, True, True]
    big = EntityBlock(np.zeros(0, np.uint32), np.zeros((BASELINE_BYTES // 64, 4), np.float32))  # a quarter
    for tick in range(1000, 1005):
        kept.keep(replace(snapshot([], tick=tick), blocks={"npc": big}))
    assert [kept.get(tick) is not None for tick in (1000, 1001, 1004)] == [False, True, True]
    kept.keep(snapshot([[0.0] * 4], tick=1005))
    assert kept.get(1001) is None
    kept.clear()
    assert kept.get(1004) is None


# sessions


def sessions(*, offer: Offer | None = None, capable: bool = True) -> tuple[ClientSession, ServerSession]:
    client = ClientSession(SCHEMA, Greeting("test", "game", capabilities=("delta",) if capable else ()), nonce=0)
    server = ServerSession(lambda: 100, offer or Offer(), lambda schema: ())
    client.receive(server.receive(client.connected(0), 0).replies[0], 0)
    return client, server


def push(client: ClientSession, tick: int, x: float = 0.0) -> bytes:
    data = client.snapshot(tick, 0, snapshot([[x, 1.0, 2.0, 3.0]]).blocks, Executing.none())
    assert data is not None
    return data


def answer(client: ClientSession, server: ServerSession, tick: int) -> None:
    action = replace(sample_action(0, apply_tick=tick + 2), source_tick=tick, chunk=tick & 0xFFFF)
    client.receive(server.action(action, 0), 0)


def arrived(received: Received) -> Snapshot:
    (event,) = received.events
    assert isinstance(event, SnapshotArrived), received
    return event.snapshot


def test_a_game_tells_by_the_newest_snapshot_that_was_answered() -> None:
    client, server = sessions()
    for tick in (1, 2, 3):
        first = decode(push(client, tick), SCHEMA)
        assert isinstance(first, Delta)
        assert first.baseline is None, "nothing was answered yet"
        server.receive(encode(first, SCHEMA), 0)
    answer(client, server, 2)
    answer(client, server, 1)  # late
    data = push(client, 4, x=8.0)
    delta = decode(data, SCHEMA)
    assert isinstance(delta, Delta)
    assert delta.baseline == 2
    assert delta.blocks["npc"].changed.tolist() == [[True, False, False, False]]
    got = arrived(server.receive(data, 0)).blocks["npc"]
    wanted = snapped(snapshot([[8.0, 1.0, 2.0, 3.0]]), SCHEMA).blocks["npc"]
    assert got.values.tobytes() == wanted.values.tobytes()
    assert got.ids.tolist() == [101]


def test_without_a_baseline_the_brain_asks_for_a_keyframe_and_gets_one() -> None:
    client, server = sessions()
    server.receive(push(client, 1), 0)
    answer(client, server, 1)
    lost = ServerSession(lambda: 100, Offer(), lambda schema: ())
    lost.receive(ClientSession(SCHEMA, Greeting("t", "g", capabilities=("delta",)), 0).connected(0), 0)
    received = lost.receive(push(client, 2), 0)
    report = decode(received.replies[0])
    assert isinstance(report, ErrorReport)
    assert (report.code, report.fatal, report.tick) == (ErrorCode.KEYFRAME, False, 2)
    assert "expected a baseline that is kept (ticks none), got tick 1" in report.text
    assert report.remedy
    client.receive(received.replies[0], 0)
    whole = decode(push(client, 3), SCHEMA)
    assert isinstance(whole, Delta)
    assert whole.baseline is None
    arrived(lost.receive(encode(whole, SCHEMA), 0))
    answer(client, lost, 3)
    kept = lost.receive(encode(replace(whole, tick=9, baseline=4), SCHEMA), 0).replies[0]
    told = decode(kept)
    assert isinstance(told, ErrorReport)
    assert "(ticks 3..3), got tick 4" in told.text


def test_a_tick_that_is_told_twice_leads_nobody_astray() -> None:
    client, server = sessions()
    server.receive(push(client, 1), 0)
    answer(client, server, 1)
    first = push(client, 2, x=1.0)
    server.receive(first, 0)
    again = push(client, 2, x=2.0)
    told = decode(again, SCHEMA)
    assert isinstance(told, Delta)
    assert told.baseline is None
    stale = decode(server.receive(again, 0).replies[0])
    assert isinstance(stale, ErrorReport)
    assert stale.code is ErrorCode.STALE
    answer(client, server, 2)
    got = arrived(server.receive(push(client, 3, x=2.0), 0))
    assert got.blocks["npc"].values[0, 0] == 2.0


def test_a_game_that_stands_still_in_time_keeps_its_session() -> None:
    client, server = sessions()
    server.receive(push(client, 5), 0)
    answer(client, server, 5)
    for tick in (5, 5, 4, 3, 5, 5, 5, 5, 5, 5, 5):
        report = decode(server.receive(push(client, tick), 0).replies[0])
        assert isinstance(report, ErrorReport)
        assert (report.code, report.fatal) == (ErrorCode.STALE, False)
    arrived(server.receive(push(client, 6), 0))
    for x in (1.0, 2.0, 3.0):
        server.receive(push(client, 6, x=x), 0)
    answer(client, server, 6)
    assert arrived(server.receive(push(client, 7, x=3.0), 0)).blocks["npc"].values[0, 0] == 3.0


def test_answers_to_what_was_never_sent_and_lost_baselines_end_nothing() -> None:
    client, server = sessions()
    server.receive(push(client, 1), 0)
    answer(client, server, 1 << 60)
    answer(client, server, 1)
    delta = decode(push(client, 2), SCHEMA)
    assert isinstance(delta, Delta)
    assert delta.baseline == 1
    for tick in range(3, 30):
        report = decode(server.receive(encode(replace(delta, tick=tick, baseline=2), SCHEMA), 0).replies[0])
        assert isinstance(report, ErrorReport)
        assert (report.code, report.fatal) == (ErrorCode.KEYFRAME, False)


def test_few_bytes_may_not_claim_a_world_that_no_whole_snapshot_could_tell() -> None:
    wide = replace(CODED, max_count=4096, fields=tuple(Field(f"f{i}", "1", 0.0, 1.0) for i in range(128)))
    schema = replace(SCHEMA, entities=(SCHEMA.entities[0], wide))
    nothing = np.zeros((2048, 128), np.float32)
    most = Snapshot(5, schema.schema_id, 1, 0, 0, {"npc": EntityBlock(np.arange(1, 2049, dtype=np.uint32), nothing)})
    decode(encode(diff(None, most), schema), schema)
    more = replace(
        most, blocks={"npc": EntityBlock(np.arange(1, 2050, dtype=np.uint32), np.zeros((2049, 128), np.float32))}
    )
    with pytest.raises(RemoteProtocolError, match="expected at most 1048576 bytes of cells, got 1049088") as caught:
        decode(encode(diff(None, more), schema), schema)
    assert caught.value.code is ErrorCode.LIMIT


def test_what_comes_too_often_or_too_late_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = sessions(offer=Offer(limits=Limits(snapshots_per_s=2)))
    frames = [push(client, tick) for tick in (1, 2, 3)]
    for frame in (frames[0], frames[0], frames[2]):
        server.receive(frame, 0)
    monkeypatch.setattr("npc_bridge.session.decode", lambda *_: pytest.fail("it was read"))
    assert server.receive(frames[1], 0) == Received()
    report = decode(server.receive(frames[0], 1_000_000).replies[0])
    assert isinstance(report, ErrorReport)
    assert report.code is ErrorCode.STALE
    assert (server.counters.dropped_rate, server.counters.dropped_stale) == (2, 2)


@pytest.mark.parametrize("blocks", [None, {"npc": None}, {"npc": EntityBlock([1], [[0.0] * 4])}])  # type: ignore[arg-type]  # wrong
@pytest.mark.parametrize("capable", [False, True])
def test_what_is_no_array_is_refused_alike_with_and_without_deltas(blocks: Any, capable: bool) -> None:
    client, _ = sessions(capable=capable)
    with pytest.raises(LocalProtocolError):
        client.snapshot(1, 0, blocks, Executing.none())


def test_another_session_begins_with_a_keyframe() -> None:
    client, server = sessions()
    server.receive(push(client, 1), 0)
    answer(client, server, 1)
    hello = client.restart(None, 0)
    assert hello is not None
    events = server.receive(hello, 0)
    assert isinstance(events.events[0], GameLeft)
    client.receive(events.replies[0], 0)
    again = decode(push(client, 2), SCHEMA)
    assert isinstance(again, Delta)
    assert again.baseline is None


@pytest.mark.parametrize(("offer", "capable"), [(Offer(capabilities=()), True), (Offer(), False)])
def test_without_agreement_snapshots_are_whole_and_deltas_refused(offer: Offer, capable: bool) -> None:
    client, server = sessions(offer=offer, capable=capable)
    data = push(client, 1)
    whole = decode(data, SCHEMA)
    assert isinstance(whole, Snapshot)
    arrived(server.receive(data, 0))
    delta = replace(diff(None, snapped(whole, SCHEMA)), tick=2)
    report = decode(server.receive(encode(delta, SCHEMA), 0).replies[0])
    assert isinstance(report, ErrorReport)
    assert report.code is ErrorCode.VALUE
    assert "did not agree" in report.text
    with pytest.raises(RemoteProtocolError, match="expected no delta"):
        decode(encode(Welcome(5, 1, 1, ""))[:6] + b"\x02\x00" + encode(Welcome(5, 1, 1, ""))[8:])
