"""The check of servers: ours passes, and every part of the protocol that is broken in it is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from npc_bridge.conformance import sample_action
from npc_bridge.conformance.__main__ import main
from npc_bridge.conformance.serving import check_server
from npc_bridge.errors import ErrorCode
from npc_bridge.messages import Hello
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import Received, ServerSession, SnapshotArrived


@contextmanager
def standing() -> Iterator[str]:
    """A brain that has every NPC stand still."""
    with BridgeServer(Endpoints(control="", telemetry="")) as server:
        stop = threading.Event()

        def answer() -> None:
            while not stop.is_set():
                for event in server.poll(20):
                    if isinstance(event, SnapshotArrived):
                        tick, ids = event.snapshot.tick, event.snapshot.blocks["npc"].ids
                        action = sample_action(len(ids), 1)
                        still = np.zeros_like(action.steps)
                        told = replace(action, ids=ids, steps=still, source_tick=tick, apply_tick=tick + 1)
                        server.send(event.session, replace(told, valid_until_tick=tick + 1))

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.endpoints.data
        stop.set()
        thread.join()


def test_our_server_does_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with standing() as endpoint:
        assert main(["server", endpoint]) == 0
    assert "all as it should" in capsys.readouterr().out


def never(*_: object) -> bool:
    return False


def deaf(self: ServerSession, hello: Hello) -> Received:
    return Received()


def mild(self: ServerSession, code: ErrorCode, text: str, tick: int = 0) -> Received:
    self._bad = 0  # counts nothing
    return judged(self, code, text, tick)


judged = ServerSession.bad
BROKEN: list[tuple[str, Callable[..., object], str]] = [
    ("resumes", never, "a session goes on over another connection"),
    ("_stale", lambda *_: Received(), "a tick that does not grow is stale"),
    ("bad", mild, "the tenth bad message ends the session"),
]


@pytest.mark.parametrize(("name", "instead", "found"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_what_is_broken_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: Callable[..., object], found: str
) -> None:
    monkeypatch.setattr(ServerSession, name, instead)
    with standing() as endpoint:
        report = check_server(endpoint)
    assert any(line.startswith(f"{found}: ") for line in report.wrong)
    assert len(report.wrong) <= 2, "and nothing else is"


def test_a_server_that_does_not_answer_fails_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerSession, "_greeted", deaf)
    monkeypatch.setattr("npc_bridge.conformance.serving.WAIT_S", 0.02)
    with standing() as endpoint:
        report = check_server(endpoint)
    assert len(report.wrong) > 0.5 * report.checks
    assert not report.passed
    assert "wrong" in report.told()[-1]
