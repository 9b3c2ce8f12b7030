"""Hostile peers beside a game that behaves, few of them: nobody suffers, and the control is a control."""

from __future__ import annotations

import json
import threading
import time
from argparse import Namespace
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from documented import documented_keys, printed_keys
from waiting import until

from npc_bridge.conformance import sample_schema
from npc_bridge.messages import Hello, decode
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import GameJoined, GameLeft
from npc_sdk.check.peers import _figures
from npc_sdk.cli import main
from npc_sdk.experiments.peers import attack
from npc_sdk.experiments.peers.hunt import Host, Side
from npc_sdk.experiments.peers.scripts import BREAKS, GREETING, HELLO, Script, hostile, polite, ready

ENOUGH = 30_000  # frames of peers that break off, by which a server that can be ended by them has been


@pytest.mark.timeout(180)
def test_a_few_hostile_peers_are_borne(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "peers", "--scripts", "60", "--json"])  # whether answers are late is the machine's doing here
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    shared = {f"*.{key}" for key in printed_keys(found["hostile"]) | printed_keys(found["control"])}
    assert set(found) - {"control"} | shared == documented_keys("check peers")
    assert found["control"]["joined"] == 60 + found["control"]["sessions"]
    for side in (found["hostile"], found["control"]):
        assert side["rebound"] == 0
        assert side["scripts"] == 60
        assert (side["died"], side["incidents"], side["unsafe"]) == (False, 0, 0)
        assert side["answered"] > 30
    assert found["hostile"]["multipart"] > 0
    assert found["hostile"]["refused"] > found["control"]["refused"] == 0


def test_polite_peers_join_and_leave_and_hostile_ones_do_not_keep_their_places() -> None:
    with BridgeServer(Endpoints(control="", telemetry="")) as server:
        seen: Counter[str] = Counter()

        def left() -> int:
            seen.update(type(event).__name__ for event in server.poll(10))
            return seen[GameLeft.__name__]

        attack.attack(server.endpoints.data, 0, 5, True, lambda _: None)
        until(lambda: left() == 5)
        assert seen[GameJoined.__name__] == 5
        assert server.counters.refused == 0


def test_a_flood_joins_and_is_dropped_by_its_rate() -> None:
    with BridgeServer(Endpoints(control="", telemetry="")) as server:
        stopping, joined = threading.Event(), list[GameJoined]()
        peer = threading.Thread(target=attack.flood, args=(server.endpoints.data, stopping))
        peer.start()

        def dropped() -> int:
            joined.extend(event for event in server.poll(10) if isinstance(event, GameJoined))
            counters = server.session_counters(joined[0].session) if joined else None
            return counters.dropped_rate if counters else 0

        until(lambda: dropped() > 100)
        stopping.set()
        peer.join()


def test_messages_of_many_parts_are_thrown_away_and_drips_come_to_nothing() -> None:
    with BridgeServer(Endpoints(control="", telemetry="")) as server, ThreadPoolExecutor() as pool:
        stopping = threading.Event()
        peers = [pool.submit(kind, server.endpoints.data, stopping) for kind in (attack.flood_parts, attack.drip)]
        until(lambda: server.counters.multipart > 0)
        stopping.set()
        assert [peer.result() for peer in peers] == [None, None]
        assert server.poll() == []


def test_a_peer_that_breaks_off_with_pings_on_their_way_does_not_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where reading is held back (a bounded RCVHWM), libzmq 4.3.5 aborts within some hundred of these."""
    monkeypatch.setattr(attack, "BREAK_S", 0.0)
    with Host() as host, ThreadPoolExecutor() as pool:
        stopping, until_s = threading.Event(), time.monotonic() + 4.0
        peers = [pool.submit(attack.break_off, host.data, stopping) for _ in range(4)]
        until(lambda: time.monotonic() > until_s or host.report().get("refused", ENOUGH) >= ENOUGH)
        stopping.set()
        assert [peer.result() for peer in peers] == [None] * 4
        assert host.status is None
        assert host.report()["refused"] > 1000


def test_scripts_are_drawn_from_their_seed_and_of_every_kind() -> None:
    assert decode(HELLO, sample_schema()) == decode(HELLO)
    assert isinstance(decode(HELLO), Hello)
    assert polite().parts[:2] == (GREETING, ready())
    drawn = [hostile(Random(f"0 {number}")) for number in range(200)]
    assert drawn == [hostile(Random(f"0 {number}")) for number in range(200)]
    assert len(set(drawn)) > 100
    for kind in BREAKS:
        scripts = [kind(Random(seed)) for seed in range(20)]
        assert polite() not in scripts, kind.__name__
        assert all(isinstance(script, Script) for script in scripts)


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"died": True}, False),
        ({"server": {"incidents": 1}}, False),
        ({"server": {"slow": 1}}, False),
        ({"server": {"rebound": 1}}, True),
        ({"unsafe": 1}, False),
        ({"sessions": 2}, False),
        ({"growth_kib": 65 * 1024}, False),
        ({"late": 12}, True),
        ({"late": 25}, False),
        ({"answered": 0}, False),
    ],
)
def test_what_the_verdict_asks_for(change: dict[str, object], passed: bool) -> None:
    assert verdict(side(late=10), side(**change)) is passed


@pytest.mark.parametrize("server", [{"joined": 9}, {"joined": 10, "rebound": 1}, {}])
def test_a_control_whose_peers_did_not_all_join_or_were_cut_off_is_none(server: dict[str, float]) -> None:
    assert verdict(side(server=server), side()) is False


def side(**what: object) -> Side:
    usual = {"scripts": 9, "pushed": 1000, "answered": 1000, "sessions": 1, "server": {"joined": 10}}
    return Side(**usual | what)  # type: ignore[arg-type]  # by name


def verdict(control: Side, hostile: Side) -> object:
    return _figures(Namespace(seed=0), control, hostile)["passed"]
