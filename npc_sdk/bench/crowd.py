"""`npc-sdk bench crowd`: many games at one bridge for minutes, beside a bare ZeroMQ echo that takes turns with it.

With `--planner` a third has its turn: the bridge in a process that plans half of the time.
"""

from __future__ import annotations

import os
import struct
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count as count_from
from pathlib import Path
from typing import Protocol

import numpy as np
import zmq
from numpy.typing import NDArray

from npc_bridge.client import Client
from npc_bridge.endpoints import Context, client_options, game_context
from npc_bridge.memory import resident_bytes
from npc_sdk.bench.bridge import PATIENCE_S, blocks_of, served, wait_joined
from npc_sdk.bench.echoes import FIELDS, PLANNER, STAMPS, schema
from npc_sdk.errors import InputError
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural

LATE_US = 16_700  # between receiving and sending, in the server: a frame of 60 Hz
LOOK_S = 0.001  # between looks for answers
TURN_S = 4  # until the next has its turn: while two others have theirs a session must not end of silence
REST_S = 0.3  # for the last answers of a turn
PROMISED_IO, PROMISED_MIB, PROMISED_FAIR, PROMISED_PLANNING = 0.25, 1.0, 2.0, 3.0
BUSY = 0.3  # of a core at least, for a planner that was at work half of the time
KINDS = {"planning": "bridge_planning", "bridge": "bridge", "control": "raw_stamped"}  # of `echoes`, by name


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--games", type=count, default=16, help="at once (16)")
    parser.add_argument("--hz", type=count, default=60, help="snapshots per second of each (60)")
    parser.add_argument("--npcs", type=count, default=100, help="in each (100), with 32 numbers each")
    parser.add_argument("--seconds", type=count, default=600, help="of play at each server (600)")
    parser.add_argument("--planner", action="store_true", help="also beside a planner that works half of the time")
    parser.add_argument("--seed", type=natural, default=0, help="of the order in which games begin")
    add_json(parser)


def main(args: Namespace) -> int:
    """Measures and reports; exit status 0 where it ran."""
    names = [name for name in KINDS if args.planner or name != "planning"]
    sides = measure(Crowd(args.games, args.hz, args.npcs), args.seconds, args.seed, names)
    figures = _figures(sides, args)
    emit(_told(figures), figures, args.json)
    return 0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who plays."""

    games: int
    hz: int
    npcs: int


@dataclass(slots=True)
class Side:
    """What was seen of one server."""

    sent: int = 0
    trips: list[list[float]] = field(default_factory=list)  # by game, s from push to the look that found the answer
    waited: list[int] = field(default_factory=list)  # in the server, from receiving to sending, us
    io_s: float = 0.0  # of processor time of the thread that owns the sockets
    planned_s: float = 0.0  # the same of the one that plans
    played_s: float = 0.0
    held: list[int] = field(default_factory=list)  # bytes of memory, after each turn

    def grown(self, since: int) -> float:
        """Returns MiB per million snapshots that memory has grown by since a turn."""
        sent = self.sent * (1.0 - (since + 1) / len(self.held))
        return (self.held[-1] - self.held[since]) / 2**20 / max(sent, 1.0) * 1e6


class Line(Protocol):
    """A game's connection."""

    def push(self, tick: int) -> bool:
        """Sends a snapshot; False if it could not."""

    def poll(self) -> list[tuple[int, int]]:
        """Returns what was answered: tick, and how long the server had it, us."""

    def close(self) -> None:
        """Leaves."""


def measure(crowd: Crowd, seconds: int, seed: int, names: Sequence[str]) -> dict[str, Side]:
    """Lets the crowd play at these servers of KINDS in turn; returns what was seen, by name."""
    sides = {name: Side(trips=[[] for _ in range(crowd.games)]) for name in names}
    offsets = np.random.default_rng(seed).permutation(crowd.games) / (crowd.games * crowd.hz)
    turn = min(TURN_S, seconds)
    turns = seconds // turn
    with ExitStack() as stack, progress(turns * len(names), "bench crowd", "turn") as bar:
        served_by = {name: stack.enter_context(_crowded(KINDS[name], crowd)) for name in names}
        for _ in range(turns):
            for name, (pid, lines) in served_by.items():
                side, before = sides[name], _spent_s(pid)
                _play(side, lines, crowd.hz, turn, offsets)
                after = _spent_s(pid)
                side.io_s += after[0] - before[0]
                side.planned_s += after[1] - before[1]
                side.played_s += turn
                side.held.append(resident_bytes(pid))
                bar.update()
    return sides


def _play(side: Side, lines: list[Line], hz: int, seconds: float, offsets: NDArray[np.float64]) -> None:
    pushed: list[dict[int, float]] = [{} for _ in lines]
    start = time.perf_counter()
    due = start + offsets
    ticks = count_from(time.monotonic_ns() // 1000)  # grow over turns
    while (now := time.perf_counter()) < start + seconds + REST_S:
        for game, line in enumerate(lines):
            if now >= due[game] and now < start + seconds:
                tick = next(ticks)
                due[game] += 1.0 / hz
                side.sent += 1
                pushed[game][tick] = time.perf_counter()
                line.push(tick)
            for tick, waited in line.poll():
                if tick in pushed[game]:  # not of the turn before
                    side.trips[game].append(time.perf_counter() - pushed[game].pop(tick))
                    side.waited.append(waited)
        time.sleep(max(0.0, min(LOOK_S, float(due.min()) - time.perf_counter())))


@contextmanager
def _crowded(kind: str, crowd: Crowd) -> Iterator[tuple[int, list[Line]]]:
    """Starts a server and connects every game to it; yields the server's process id, and the games."""
    with served(kind) as (pid, port), ExitStack() as s:
        context = game_context()
        s.callback(context.term)
        lines: list[Line] = []
        for _ in range(crowd.games):
            lines.append((_Bare if kind == KINDS["control"] else _Game)(context, port, crowd.npcs))
            s.callback(lines[-1].close)
        yield pid, lines


class _Game:
    """A game at the bridge."""

    def __init__(self, context: Context, port: int, npcs: int) -> None:
        self._client = Client(f"tcp://127.0.0.1:{port}", schema(npcs), context=context)
        self._blocks = blocks_of(npcs)
        wait_joined(self._client)

    def close(self) -> None:
        self._client.close()

    def push(self, tick: int) -> bool:
        return self._client.push(tick, self._blocks)

    def poll(self) -> list[tuple[int, int]]:
        return [(action.source_tick, action.sent_us - action.received_us) for action in self._client.poll()]


class _Bare:
    """A socket that sends as many bytes, with nothing of the bridge."""

    def __init__(self, context: Context, port: int, npcs: int) -> None:
        self._socket = context.socket(zmq.DEALER)
        client_options(self._socket)
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._state = np.full((npcs, FIELDS), 0.5, np.float32).tobytes()
        if not self._socket.poll(round(1e3 * PATIENCE_S), zmq.POLLOUT):
            raise InputError("bench crowd: nobody reads at the control")

    def close(self) -> None:
        self._socket.close()

    def push(self, tick: int) -> bool:
        try:
            self._socket.send(struct.pack("<q", tick) + self._state, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def poll(self) -> list[tuple[int, int]]:
        told: list[tuple[int, int]] = []
        while int(self._socket.getsockopt(zmq.EVENTS)) & int(zmq.POLLIN):
            tick, received, sent = STAMPS.unpack_from(self._socket.recv(zmq.NOBLOCK))
            told.append((tick, sent - received))
        return told


def _spent_s(pid: int) -> tuple[float, float]:
    """Returns processor time of a server's threads, s: of the one that owns the sockets, and of a planner (Linux only).

    Neither the one that answers, which is the first, nor ZeroMQ's own count.
    """
    io = planner = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        name, _, numbers = (task / "stat").read_text().partition(") ")
        spent = sum(int(number) for number in numbers.split()[11:13])
        if name.endswith(f"({PLANNER}"):
            planner += spent
        elif int(task.name) != pid and "ZMQ" not in name:
            io += spent
    return io / os.sysconf("SC_CLK_TCK"), planner / os.sysconf("SC_CLK_TCK")


def _figures(sides: Mapping[str, Side], args: Namespace) -> dict[str, Json]:
    told: dict[str, Json] = {
        "machine": machine(),
        **{key: getattr(args, key) for key in ("games", "hz", "npcs", "seconds", "seed")},
    }
    for name, side in sides.items():
        tails = [float(np.percentile(trips, 99)) for trips in side.trips if trips]
        trips = np.concatenate([np.array(trips) for trips in side.trips])
        waited = np.array(side.waited)
        told[name] = {
            "snapshots": side.sent,
            "unanswered": side.sent - len(trips),
            "late": int((waited > LATE_US).sum()),
            **{f"in_server_p{q}_us": float(np.percentile(waited, q)) for q in (50, 99)},
            **{f"trip_p{q}_ms": 1e3 * float(np.percentile(trips, q)) for q in (50, 99)},
            "worst_over_median_p99": max(tails) / float(np.median(tails)),
            "io_thread_share": side.io_s / side.played_s,
            "planner_share": side.planned_s / side.played_s,
            "grown_mib_per_million": side.grown(len(side.held) // 2),
            "grown_since_start_mib_per_million": side.grown(0),
        }
    bridge, control = told["bridge"], told["control"]
    assert isinstance(bridge, dict)
    assert isinstance(control, dict)
    told["passed"] = (
        bridge["late"] <= control["late"]
        and bridge["worst_over_median_p99"] <= PROMISED_FAIR
        and bridge["io_thread_share"] <= PROMISED_IO
        and bridge["grown_mib_per_million"] <= PROMISED_MIB
    )
    if isinstance(planning := told.get("planning"), dict):
        told["planning_over_bridge_p99"] = slower = float(planning["trip_p99_ms"]) / float(bridge["trip_p99_ms"])
        told["passed"] = told["passed"] and slower <= PROMISED_PLANNING and planning["planner_share"] >= BUSY
    return told


def _told(figures: Mapping[str, Json]) -> list[str]:
    columns = (
        "snapshots",
        "unanswered",
        "late",
        "in_server_p99_us",
        "trip_p50_ms",
        "trip_p99_ms",
        "worst_over_median_p99",
    )
    rows = []
    for name in KINDS:
        if not isinstance(found := figures.get(name), dict):
            continue
        rows.append((name, *(f"{found[column]:.3g}" if "_" in column else str(found[column]) for column in columns)))
    bridge = figures["bridge"]
    assert isinstance(bridge, dict)
    planned = []
    if isinstance(planning := figures.get("planning"), dict):
        planned = [
            f"planning: with a planner that takes {planning['planner_share']:.0%} of a core the p99 of a trip is "
            f"{figures['planning_over_bridge_p99']:.2f} times the bridge's (promised {PROMISED_PLANNING:g})"
        ]
    return [
        *table(("", *columns), rows),
        f"bridge: its sockets' thread takes {bridge['io_thread_share']:.0%} of a core (promised {PROMISED_IO:.0%}), "
        f"memory grows by {bridge['grown_mib_per_million']:.2f} MiB per million snapshots (promised {PROMISED_MIB:g}), "
        f"{bridge['grown_since_start_mib_per_million']:.2f} if the filling of pools in the first half counts",
        *planned,
        f"promised: no more late answers than the control has, worst_over_median_p99 {PROMISED_FAIR:g}",
    ]
