"""A real brain process and a real game over real sockets: order, counts and ticks; never milliseconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile

import numpy as np
import pytest
from waiting import until

from npc_bridge.client import Client, ControlClient, TelemetryReader
from npc_bridge.errors import ControlRefused
from npc_bridge.faults import Fault
from npc_bridge.ladder import LadderResult
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_PLAN, RUNG_TAIL
from npc_sdk.demo.brain import Brain, free_endpoints, serve_command
from npc_sdk.envs.arena import CHANNELS, Arena, ArenaConfig, arena_schema, make_map, snapshot_blocks
from npc_sdk.envs.arena.players import ScriptedPlayers
from npc_sdk.errors import LedgerError
from npc_sdk.shield.replay import Checked, replay

NPCS = 4
IDS = np.arange(101, 101 + NPCS, dtype=np.uint32)
PATIENCE_TICKS = 900  # 30 s: how long a busy machine may take for what should be at once


class Game:
    """An arena at its own pace, with a callback that stands still on purpose."""

    def __init__(self, endpoint: str) -> None:
        self.arena = Arena([make_map("test", 0)], ArenaConfig(npcs=NPCS, mortal=False), seed=1)
        self.players = ScriptedPlayers(["circler"], seed=1)
        self.client = Client(endpoint, arena_schema(self.arena.maps[0], self.arena.config), fallback=self.stand)
        self.tick = 0
        self.due = time.perf_counter()
        self.step: LadderResult | None = None
        self.sessions: list[tuple[int, int]] = []  # of the chunks that ran: session, chunk

    def stand(self, tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
        commands = np.zeros((len(ids), len(CHANNELS)), np.float32)
        commands[:, 2] = 0.5
        return commands

    def play(self) -> np.ndarray:
        """One frame; returns the rungs."""
        self.due += 1 / 30
        time.sleep(max(0.0, self.due - time.perf_counter()))
        self.due = max(self.due, time.perf_counter() - 0.1)
        self.client.poll()
        pose = np.concatenate([self.arena.pos, self.arena.vel], -1)[0, 1:]
        step = self.client.step(self.tick, IDS, pose, self.arena.alive[0, 1:])
        actions = np.zeros((1, NPCS + 1, len(CHANNELS)), np.float32)
        actions[0, 0] = self.players.act(self.arena)[0]
        actions[0, 1:] = step.commands
        self.arena.step(actions)
        self.tick += 1
        self.client.push(self.tick, snapshot_blocks(self.arena, 0))
        self.sessions += [(self.client.session, int(chunk)) for chunk in step.chunk if chunk]
        self.step = step
        return step.rung

    def until(self, done: Callable[[np.ndarray], bool]) -> int:
        """Plays until a condition on the rungs holds; returns the ticks that took."""
        for ticks in range(PATIENCE_TICKS):
            if done(self.play()):
                return ticks + 1
        pytest.fail(f"not within {PATIENCE_TICKS} ticks; fault: {self.client.fault}")


def planned(rung: np.ndarray) -> bool:
    return bool((rung == RUNG_PLAN).all())


@pytest.fixture
def line() -> Iterator[tuple[Brain, Game, str, str]]:
    endpoints = free_endpoints()
    brain = Brain(serve_command(endpoints, "constant-velocity", 1, "cpu"))
    game = Game(endpoints.data)
    try:
        brain.start()
        yield brain, game, endpoints.control, endpoints.telemetry
    finally:
        game.client.close()
        brain.stop()


def test_kill_and_restart(line: tuple[Brain, Game, str, str]) -> None:
    """Planned, killed, certified rest, callback, started again, planned again; nothing of the old session runs."""
    brain, game, _, _ = line
    assert isinstance(game.client.fault, Fault), "the brain cannot be there at once"
    game.until(planned)
    assert game.client.fault is None
    first_session, pid = game.client.session, brain.pid

    os.kill(pid, signal.SIGKILL)
    ticks = game.until(lambda rung: bool((rung >= RUNG_CALLBACK).all()))
    assert ticks <= 9, "the certified rest of a chunk is at most 250 ms"
    assert set(np.unique(game.play()).tolist()) <= {RUNG_CALLBACK, RUNG_BRAKE}

    game.sessions.clear()
    brain.start()
    game.until(planned)
    assert game.client.fault is None
    assert game.client.session not in (0, first_session)
    assert brain.pid != pid
    assert {session for session, _ in game.sessions} == {game.client.session}, "no stale plan ran"


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux schedules so")
def test_nothing_that_wakes_up_interrupts_the_games_thread(line: tuple[Brain, Game, str, str]) -> None:
    """The brain's threads and the I/O thread of the game's own socket are batch, the game's thread is not."""
    brain, game, _, _ = line
    game.until(planned)
    assert set(policies(brain.pid)) == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert os.SCHED_BATCH in policies(os.getpid())


def policies(pid: int) -> list[int]:
    return [os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]


def test_a_weight_is_acknowledged_and_in_the_next_decisions(line: tuple[Brain, Game, str, str]) -> None:
    _, game, control, telemetry = line
    with TelemetryReader(telemetry) as reader, ControlClient(control, timeout_ms=5000) as designer:
        game.until(planned)
        ack = designer.request("set_weight", {"scope": "global", "term": "exposure", "value": 4.0})
        assert ack.code == 0
        for _ in range(PATIENCE_TICKS):
            game.play()
            seen = [m.body["revision"] for m in reader.poll()]
            if ack.revision in seen:
                break
        else:
            pytest.fail("no decision under the new revision")
        answer = designer.request("explain", {"npc": 101}).result
        told, certificate = answer["explanation"], answer["certificate"]
        assert certificate["reason"].startswith(("goes as proposed", "shortened", "blended", "took", "brakes"))
        assert certificate["accepted"] == (certificate["candidate"] == 0 and certificate["rejected"] == 0)
        assert sum(part["value"] for part in told["parts"]) == pytest.approx(told["objective"], abs=1e-6)
        with pytest.raises(ControlRefused, match="did you mean 'exposure'"):
            designer.request("set_weight", {"term": "exposre", "value": 1.0})


def test_what_a_brain_logs_is_answered_the_same_again(tmp_path: Path) -> None:
    """Asked to end, it ends its log; killed, what it answered is there all the same."""
    for end in (Brain.stop, Brain.kill):
        path, endpoints = tmp_path / f"{end.__name__}.npcledger", free_endpoints()
        brain = Brain([*serve_command(endpoints, "constant-velocity", 1, "cpu"), "--log", str(path)])
        game = Game(endpoints.data)
        try:
            brain.start()
            game.until(planned)
            for _ in range(10):
                game.play()
            end(brain)
        finally:
            game.client.close()
            brain.stop()
        again = list[Checked]()
        with nullcontext() if end is Brain.stop else pytest.raises(LedgerError, match="cut short"):
            again += replay(path)  # keeps those before the end
        assert len(again) >= 10
        assert [checked.difference for checked in again] == [None] * len(again)


def test_a_brain_that_is_told_to_stop_says_so_and_lets_its_last_plans_run(line: tuple[Brain, Game, str, str]) -> None:
    brain, game, _, _ = line
    game.until(planned)
    assert brain.pid is not None
    os.kill(brain.pid, signal.SIGTERM)
    told: list[str] = []

    def braking(rung: np.ndarray) -> bool:
        told.append(game.client.fault.text if game.client.fault else "")
        return bool((rung >= RUNG_CALLBACK).all())

    game.until(braking)
    assert any("the brain is stopping" in text for text in told)
    until(lambda: brain.describe() == "ended with status 0")


def test_a_brain_shows_its_figures_and_its_health_and_logs_who_comes_and_goes() -> None:
    endpoints = free_endpoints()
    with ExitStack() as stack:
        log = stack.enter_context(TemporaryFile("w+"))
        command = [*serve_command(endpoints, "constant-velocity", 1, "cpu"), "--metrics", "127.0.0.1:0", "--verbose"]
        command += ["--log-format", "json"]
        brain = stack.enter_context(subprocess.Popen(command, stdout=PIPE, stdin=PIPE, stderr=log, text=True))
        stack.callback(brain.kill)
        assert brain.stdout is not None
        url = json.loads(brain.stdout.readline())["metrics"]
        game = Game(endpoints.data)
        game.until(planned)
        shown = figures(url)
        assert shown["npc_games"] == 1.0
        assert shown["npc_actions_total"] > 0
        assert shown["npc_snapshots_total"] >= shown["npc_answer_seconds_count"] == shown["npc_actions_total"]
        assert shown["npc_plan_seconds_sum"] <= shown["npc_answer_seconds_sum"]
        assert any(name.startswith("npc_brain_info{") and "constant-velocity" in name for name in shown)
        assert fetch(url.replace("/metrics", "/healthz")) == "ok\n"
        brain.send_signal(signal.SIGSTOP)
        session = game.client.session
        game.client.close()
        brain.send_signal(signal.SIGCONT)
        until(lambda: figures(url)["npc_games"] == 0.0)
        assert figures(url)["npc_snapshots_total"] >= shown["npc_snapshots_total"]  # what a game left behind stays
        until(lambda: b"goodbye" in os.pread(log.fileno(), 1 << 20, 0))  # off the books before it is told of
        brain.terminate()
        assert brain.wait(10.0) == 0
        log.seek(0)
        told = [json.loads(line) for line in log]
        about = [(line["message"].partition(" ")[2], line["session"]) for line in told if "session" in line]
        assert about == [("joined", session), ("left: the game said goodbye", session)]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def figures(url: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in fetch(url).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_losing_the_brain_never_stops_the_game(line: tuple[Brain, Game, str, str]) -> None:
    """Without any brain the callback moves every NPC, every tick, and poll and push stay quiet."""
    brain, game, _, _ = line
    brain.kill()
    rungs = [game.play() for _ in range(30)]
    assert all((rung == RUNG_CALLBACK).all() for rung in rungs[5:])
    assert game.client.counters.planned == 0
    assert RUNG_TAIL not in np.unique(rungs[5:])
