"""What a brain shows to Prometheus: its counts, how long it thinks, whether it is alive (`npc-sdk serve --metrics`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from types import TracebackType

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import MetricsHandler

import npc_sdk
from npc_bridge.endpoints import is_loopback
from npc_bridge.errors import EndpointError
from npc_bridge.server import ServerCounters
from npc_bridge.session import SessionCounters
from npc_sdk.serve.brain import Brain, Counters

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.0167, 0.025, 0.0333, 0.05, 0.1, 0.25, 1.0)  # with the frames of 60 and 30 Hz
POLL_S = 0.02  # between looks at whether it is to end
ALIVE_S = 5.0  # a planner that has not turned for so long hangs


@dataclass(frozen=True, slots=True)
class Reading:
    """What a brain, its server and all sessions so far have counted."""

    did: Counters
    served: ServerCounters
    seen: SessionCounters


COUNTS: tuple[tuple[str, str, Callable[[Reading], int]], ...] = (
    ("npc_ticks", "Rounds of planning.", lambda it: it.did.ticks),
    ("npc_late", "Rounds whose planning was cut short by the deadline.", lambda it: it.did.late),
    ("npc_decisions", "NPCs that decided anew.", lambda it: it.did.decisions),
    ("npc_actions", "Answers sent.", lambda it: it.did.actions),
    ("npc_actions_dropped", "Answers nobody read.", lambda it: it.served.dropped_actions),
    ("npc_breaches", "What games did otherwise than they declared.", lambda it: it.did.breaches),
    ("npc_requests_refused", "Requests of designers that were refused.", lambda it: it.did.refused),
    ("npc_snapshots", "Snapshots read.", lambda it: it.seen.snapshots),
    ("npc_snapshots_stale", "Snapshots that newer ones replaced.", lambda it: it.seen.dropped_stale),
    ("npc_snapshots_excess", "Snapshots beyond the limit per second.", lambda it: it.seen.dropped_rate),
    ("npc_values_clamped", "Numbers pulled into their range.", lambda it: it.seen.clamped),
    ("npc_entities_masked", "Entities left out because of NaN.", lambda it: it.seen.masked),
    ("npc_bad_messages", "Messages that broke the protocol.", lambda it: it.seen.bad),
    ("npc_multipart", "Forbidden messages of several frames.", lambda it: it.served.multipart),
    ("npc_refused", "Frames of peers without a session.", lambda it: it.served.refused),
    ("npc_rebound", "Times all connections were cut for memory.", lambda it: it.served.rebound),
)


class Metrics:
    """Serves `/metrics` and `/healthz` over HTTP on loopback until it is closed; a thread of its own answers.

    Args:
        address: such as `127.0.0.1:9464`; port 0 takes any free one.
        brain: whose figures are shown; it tells this how long its answers take.

    Raises:
        EndpointError: no loopback address and port, or taken.
    """

    def __init__(self, address: str, brain: Brain) -> None:
        registry = CollectorRegistry()
        self._plan = Histogram("npc_plan_seconds", "Thinking about one answer.", buckets=SECONDS, registry=registry)
        self._answer = Histogram(
            "npc_answer_seconds", "From a snapshot's arrival to its answer.", buckets=SECONDS, registry=registry
        )
        ProcessCollector(registry=registry)
        registry.register(_Figures(brain))

        class Handler(MetricsHandler):
            """Answers one request."""

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    self._health(time.monotonic() - brain.turned)
                elif self.path.partition("?")[0] == "/metrics":
                    super().do_GET()
                else:
                    self.send_error(404, "expected /metrics or /healthz")

            def _health(self, idle_s: float) -> None:
                well = idle_s < ALIVE_S
                text = "ok\n" if well else f"the planner has not turned for {idle_s:.0f} s\n"
                self.send_response(200 if well else 503)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        Handler.registry = registry
        try:
            self._server = ThreadingHTTPServer(_loopback(address), Handler)
        except OSError as error:
            raise EndpointError(f"metrics: '{address}': {error.strerror}; choose another port, or 0 for any") from None
        self._server.daemon_threads = True
        self.url = "http://{}:{}/metrics".format(*self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="metrics", daemon=True).start()
        brain.observe = self._observe

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _observe(self, plan_s: float, answer_s: float) -> None:
        self._plan.observe(plan_s)
        self._answer.observe(answer_s)


class _Figures:
    """Reads a brain whenever somebody asks."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def collect(self) -> Iterator[Metric]:
        brain = self._brain
        model = {"model": brain.forecasts[brain.in_use].name, "model_sha256": brain.sha256}
        yield InfoMetricFamily("npc_brain", "What runs.", {"version": npc_sdk.__version__, **model})
        yield GaugeMetricFamily("npc_games", "Open sessions.", brain.server.games)
        reading = Reading(brain.counters, brain.server.counters, brain.server.total())
        for name, meaning, read in COUNTS:
            yield CounterMetricFamily(name, meaning, read(reading))


def _loopback(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if ":" in host or not is_loopback(host) or not port.isdecimal() or int(port) >= 1 << 16:
        raise EndpointError(
            f"metrics: expected a loopback address and port such as 127.0.0.1:9464, got '{address}'; whoever asks from "
            "another machine goes through a proxy that knows whom to let in"
        )
    return host, int(port)
