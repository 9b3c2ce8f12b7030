"""A brain that asks for keys: who has one plays, who has none is told so, and the list may change meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import zmq
from waiting import until

from npc_bridge import faults
from npc_bridge.client import Client, ControlClient, TelemetryReader
from npc_bridge.conformance import sample_schema
from npc_bridge.errors import ControlTimeout, EndpointError, KeysError, ServerError
from npc_bridge.keys import PeerKeys, ServerKeys
from npc_bridge.messages import Ack
from npc_bridge.server import BridgeServer, ControlRequested, Endpoints

SCHEMA = sample_schema()


@pytest.fixture
def keys(tmp_path: Path) -> ServerKeys:
    made = ServerKeys.make(tmp_path / "keys")
    for name in ("game", "designer", "observer"):
        made.add(name, [name])
    return made


@pytest.fixture
def server(keys: ServerKeys) -> Iterator[BridgeServer]:
    with BridgeServer(keys=keys) as guarded:
        yield guarded


def handed(keys: ServerKeys, name: str) -> PeerKeys:
    return PeerKeys.load(keys.folder / f"{name}.toml")


def plays(client: Client) -> bool:
    client.poll()
    return client.session != 0


def fault_of(client: Client, kind: type[faults.Fault]) -> faults.Fault:
    until(lambda: client.poll() == () and isinstance(client.fault, kind))
    assert client.session == 0
    assert client.fault is not None
    return client.fault


def test_a_game_with_a_key_plays(server: BridgeServer, keys: ServerKeys) -> None:
    with Client(server.endpoints.data, SCHEMA, keys=handed(keys, "game")) as client:
        until(lambda: plays(client))


def test_a_game_without_a_key_or_with_one_for_something_else_is_told_so(server: BridgeServer, keys: ServerKeys) -> None:
    with Client(server.endpoints.data, SCHEMA) as client:
        fault = fault_of(client, faults.NotLetIn)
        assert "asks for keys, and this game has none" in fault.text
        assert "keys=PeerKeys.load" in fault.remedy
    for name in ("observer", "designer"):
        with Client(server.endpoints.data, SCHEMA, keys=handed(keys, name)) as client:
            fault = fault_of(client, faults.NotLetIn)
            assert "does not let this key in" in fault.text
            assert "npc-sdk keys add" in fault.remedy


def test_a_key_of_another_brain_is_told_so(server: BridgeServer, tmp_path: Path) -> None:
    other = ServerKeys.make(tmp_path / "other")
    other.add("game", ["game"])
    with Client(server.endpoints.data, SCHEMA, keys=handed(other, "game")) as client:
        assert "which is for another brain" in fault_of(client, faults.NotLetIn).text


def test_a_brain_without_keys_is_told_from_one_that_does_not_let_in(keys: ServerKeys) -> None:
    with BridgeServer() as open_to_all, Client(open_to_all.endpoints.data, SCHEMA, keys=handed(keys, "game")) as client:
        fault = fault_of(client, faults.NotLetIn)
        assert "asks for no keys" in fault.text
        assert "--keys" in fault.remedy


def test_the_list_may_change_while_the_brain_runs(server: BridgeServer, keys: ServerKeys) -> None:
    late, good = PeerKeys.load(keys.add("late", ["observer"])), handed(keys, "game")
    with Client(server.endpoints.data, SCHEMA, keys=late) as client:
        fault_of(client, faults.NotLetIn)
        keys.remove("late")
        keys.add("late", ["game"])
        with Client(server.endpoints.data, SCHEMA, keys=handed(keys, "late")) as again:
            until(lambda: plays(again))
        assert not plays(client), "the old key is good for nothing"
    list_of_peers = keys.folder / "peers.toml"
    whole = list_of_peers.read_text()
    for text in (
        whole[: len(whole) // 2],
        whole.replace('["game"]', '[["game"]]'),
        whole.replace('public = "', 'public = "~'),
    ):
        list_of_peers.write_text(text)  # as an editor might leave it
        keyed = Client(server.endpoints.data, SCHEMA, keys=good)
        until(partial(plays, keyed))
        keyed.close()
    assert server.poll(), "it lives"


def test_designers_ask_and_look_and_observers_only_look(server: BridgeServer, keys: ServerKeys) -> None:
    at = server.endpoints

    def answer() -> None:
        for event in server.poll(50):
            if isinstance(event, ControlRequested):
                server.acknowledge(event.peer, Ack(event.control.request, 3))
        server.publish("tick", {"n": 1})

    for name in ("observer", "designer"):
        with TelemetryReader(at.telemetry, keys=handed(keys, name)) as reader:

            def reads() -> bool:
                answer()
                return bool(reader.poll(10))  # called within this turn

            until(reads)
    with TelemetryReader(at.telemetry, keys=handed(keys, "game")) as reader:
        for _ in range(20):
            answer()
            assert reader.poll(10) == []
    with ControlClient(at.control, 300, keys=handed(keys, "observer")) as control, pytest.raises(ControlTimeout):
        control.request("ping")
    assert not [event for event in server.poll() if isinstance(event, ControlRequested)]


def test_what_cannot_ask_for_keys_is_refused_with_them(keys: ServerKeys, server: BridgeServer) -> None:
    with pytest.raises(EndpointError, match="expected one at which ZeroMQ asks for keys"):
        BridgeServer(Endpoints("inproc://keys", "", ""), keys=keys)
    told = pytest.raises(EndpointError, match="expected a context without another gate")
    with zmq.Context() as shared, BridgeServer(context=shared, keys=keys), told:
        BridgeServer(context=shared, keys=keys)


def test_a_server_whose_thread_ended_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BridgeServer, "_sweep", lambda self, now_us: 1 / 0)
    told = pytest.raises(ServerError, match="its I/O thread ended")
    with BridgeServer(Endpoints(control="", telemetry="")) as server, told:
        until(lambda: server.poll(100))


def test_other_machines_are_let_in_by_keys_alone(keys: ServerKeys, tmp_path: Path) -> None:
    everywhere = Endpoints("tcp://0.0.0.0:0", "", "")
    with pytest.raises(EndpointError, match=r"which other machines can reach: make keys \(npc-sdk keys make\)"):
        BridgeServer(everywhere)
    with pytest.raises(KeysError, match="npc-sdk keys makes one"):
        BridgeServer(everywhere, keys=ServerKeys(tmp_path / "nothing"))
    with BridgeServer(everywhere, keys=keys) as server:
        endpoint = server.endpoints.data.replace("0.0.0.0", "127.0.0.1")
        with Client(endpoint, SCHEMA, keys=handed(keys, "game")) as client:
            until(lambda: plays(client))


@pytest.mark.timeout(60)
def test_the_command_does_not_start_where_others_could_reach_it_without_a_key() -> None:
    asked = ["serve", "--model", "frozen", "--data", "tcp://0.0.0.0:0"]
    done = subprocess.run([sys.executable, "-m", "npc_sdk", *asked], capture_output=True, text=True, timeout=50)
    assert done.returncode == 2
    assert "which other machines can reach: make keys (npc-sdk keys make) and serve with --keys" in done.stderr
    assert not done.stdout
