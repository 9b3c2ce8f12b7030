"""What every test runs under: one thread, checked shapes, repeatable random examples, no leaked sockets.

The GPU tests run under an interpreter that lacks some of these packages, so each is used only where it is there.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

TENSOR_PACKAGES = ["npc_sdk.tensors", "npc_sdk.world", "npc_sdk.objectives", "npc_sdk.planner", "npc_sdk.train"]
CLOSING_S = 2.0  # how long I/O threads of a closed server may take to close their sockets


def _there(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


if _there("jaxtyping", "beartype") and os.environ.get("NPC_SDK_CHECK_SHAPES", "1") == "1":
    from jaxtyping import install_import_hook

    install_import_hook(TENSOR_PACKAGES, "shape_checks.checked")

if _there("hypothesis"):
    from hypothesis import HealthCheck, settings

    settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("explore", deadline=None, max_examples=1000)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

if _there("zmq"):
    import zmq

    _opened: list[zmq.Socket[bytes]] = []
    _make_socket = zmq.Context.socket

    def _remember(self: zmq.Context[zmq.Socket[bytes]], *args: object, **kwargs: object) -> zmq.Socket[bytes]:
        made = _make_socket(self, *args, **kwargs)
        _opened.append(made)
        return made

    zmq.Context.socket = _remember

    @pytest.fixture(autouse=True)
    def no_leaked_sockets() -> Iterator[None]:
        """Fail a test that leaves a ZeroMQ socket open."""
        yield
        opened = _opened.copy()
        _opened.clear()
        deadline = time.monotonic() + CLOSING_S
        while (leaked := [one for one in opened if not one.closed]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not leaked, f"{len(leaked)} ZeroMQ socket(s) left open"
