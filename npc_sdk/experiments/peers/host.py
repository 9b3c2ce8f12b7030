"""The server under attack, as a process of its own: it answers every snapshot at once, and watches its I/O thread.

Says where it listens in a first line of JSON, and then one more for every line on its input.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from npc_bridge.memory import resident_bytes
from npc_bridge.messages import Action
from npc_bridge.server import BridgeServer, Endpoints
from npc_bridge.session import GameJoined, SnapshotArrived

SLOW_MS = 100.0  # of the I/O thread's CPU time, that no turn may take
STEPS = 6  # per answer


class Watched(BridgeServer):
    """A server that measures every turn of receiving."""

    joined = 0  # sessions opened
    slow = 0
    cpu_ms_max = 0.0

    def _drain(self, socket: Any, take: Callable[[bytes, bytes], None]) -> None:
        begun = time.thread_time()
        super()._drain(socket, take)
        ms = (time.thread_time() - begun) * 1e3
        self.slow += ms > SLOW_MS
        self.cpu_ms_max = max(self.cpu_ms_max, ms)


class Incidents(logging.Handler):
    """Counts exceptions that a server's log tells of, and shows them."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one in."""
        if record.exc_info is not None:
            self.count += 1
            print(self.format(record), file=sys.stderr)


def main() -> None:
    """Serves until its input ends."""
    incidents = Incidents()
    logging.getLogger().addHandler(incidents)
    server = Watched(Endpoints(telemetry=""))
    with server:
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        at = server.endpoints
        print(json.dumps({"data": at.data, "control": at.control, "pid": os.getpid()}), flush=True)
        for _ in sys.stdin:
            report = {
                "incidents": incidents.count,
                "slow": server.slow,
                "cpu_ms_max": server.cpu_ms_max,
                "rss_kib": resident_bytes() >> 10,
                "multipart": server.counters.multipart,
                "refused": server.counters.refused,
                "joined": server.joined,
                "rebound": server.counters.rebound,
            }
            print(json.dumps(report), flush=True)


def _answer(server: Watched) -> None:
    """Answers every snapshot with a plan to stand still; ends the process if the server ends."""
    chunk = 0
    try:
        while True:
            for event in server.poll(50):
                server.joined += isinstance(event, GameJoined)
                if isinstance(event, SnapshotArrived):
                    chunk += 1
                    server.send(event.session, _stand(event, chunk))
    except BaseException:
        traceback.print_exc()
        os._exit(3)  # a server without a planner is none


def _stand(arrived: SnapshotArrived, chunk: int) -> Action:
    ids, tick = arrived.snapshot.blocks["npc"].ids, arrived.snapshot.tick
    n = len(ids)
    return Action(
        session=0,
        schema_id=0,
        source_tick=tick,
        apply_tick=tick + 1,
        valid_until_tick=tick + STEPS,
        chunk=chunk,
        sequence=0,
        received_us=arrived.received_us,
        planned_us=arrived.received_us,
        sent_us=0,
        ids=ids,
        steps=np.zeros((n, STEPS, 4), np.float32),
        expected=np.zeros((n, STEPS, 4), np.float32),
        brake=np.full(n, 16, np.float32),
        tolerance=np.full(n, 0.05, np.float32),
        status=np.ones(n, np.uint8),
        bark=np.zeros(n, np.uint16),
    )


if __name__ == "__main__":
    main()
