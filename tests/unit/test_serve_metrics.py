"""The page of figures without a brain behind it: where it may be, and what it says of a planner that hangs."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import cast

import pytest

from npc_bridge.errors import EndpointError
from npc_sdk.serve.brain import Brain
from npc_sdk.serve.metrics import ALIVE_S, Metrics


def fake(idle_s: float = 0.0) -> Brain:
    return cast("Brain", SimpleNamespace(turned=time.monotonic() - idle_s, observe=None))


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "192.168.1.5:0", "example.org:0", "9464", "127.0.0.1:http", "127.0.0.1:99999", "::1:0", ""]
)
def test_figures_are_shown_on_loopback_only(address: str) -> None:
    with pytest.raises(EndpointError, match="expected a loopback address and port"):
        Metrics(address, fake())


def test_a_taken_port_is_named() -> None:
    with Metrics("127.0.0.1:0", fake()) as first:
        address = first.url.split("/")[2]
        with pytest.raises(EndpointError, match=f"{address}.*in use"):
            Metrics(address, fake())


def test_a_planner_that_hangs_is_not_healthy() -> None:
    with Metrics("127.0.0.1:0", fake(ALIVE_S + 1)) as metrics, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(metrics.url.replace("metrics", "healthz"), timeout=10)
    with refused.value as answer:
        assert answer.code == 503
        assert answer.read() == b"the planner has not turned for 6 s\n"


def test_no_other_page_is_there() -> None:
    with Metrics("127.0.0.1:0", fake()) as metrics, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(metrics.url.replace("metrics", "secrets"), timeout=10)
    with refused.value as answer:
        assert answer.code == 404
