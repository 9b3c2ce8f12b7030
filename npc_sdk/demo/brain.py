"""The brain as a child process: started, watched, killed and started again without the game ever waiting for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from npc_sdk.errors import SdkError

USUAL_PORTS = (5757, 5758, 5759)  # as `npc-sdk serve` has them
STOP_S = 3.0  # the brain may take this long to end by itself
_LINES = 20  # of its complaints that are kept


class BrainError(SdkError):
    """The brain did not start; the message holds its last words."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the brain listens; the same after a restart."""

    data: str
    control: str
    telemetry: str


def usual_endpoints() -> Endpoints:
    """Pick the ports that scripts and examples look at, or any free ones while another brain has those."""
    try:
        return free_endpoints(USUAL_PORTS)
    except OSError:
        return free_endpoints()


def free_endpoints(ports: Sequence[int] = (0, 0, 0)) -> Endpoints:
    """Pick three free loopback ports; raises OSError where one that was asked for is taken."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in ports]
        for one, port in zip(sockets, ports, strict=True):
            one.bind(("127.0.0.1", port))
        data, control, telemetry = (f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    return Endpoints(data, control, telemetry)


def serve_command(endpoints: Endpoints, model: str, seed: int, device: str) -> list[str]:
    """Return the command line that starts the brain with this very interpreter."""
    return [
        *(sys.executable, "-m", "npc_sdk", "serve", "--attached"),
        *("--model", model, "--seed", str(seed), "--device", device),
        *("--data", endpoints.data, "--control", endpoints.control, "--telemetry", endpoints.telemetry),
    ]


class Brain:
    """One child process at a time. Used from the game's thread; its pipes are read by threads of their own."""

    def __init__(self, command: Sequence[str]) -> None:
        """Prepare to run `command`, which prints one line of JSON with `"ready": true` when it listens."""
        self._command = list(command)
        self._process: subprocess.Popen[str] | None = None
        self._killed = False
        self._ready = threading.Event()
        self._said: deque[str] = deque(maxlen=_LINES)
        self.starts = 0
        self.model = ""  # name of the model in use, as the brain said when it began to listen
        self.model_sha256 = ""  # of its weights file, if it has one

    def start(self) -> None:
        """Start the process; a running one stays."""
        if self.alive:
            return
        self.stop()  # lets go of the pipe of one that was killed
        self._killed = False
        self._ready = threading.Event()
        self._said.clear()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,  # closes with this process, so the brain can tell that nobody needs it any more
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.starts += 1
        for read in (self._read_out, self._read_err):
            threading.Thread(target=read, args=(self._process, self._ready), daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it runs, has said that it listens, and has not been killed since."""
        return self.alive and not self._killed and self._ready.is_set()

    @property
    def pid(self) -> int:
        """Its process id, 0 before the first start."""
        return 0 if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it ended without having been killed from here."""
        return self._process is not None and not self.alive and not self._killed

    @property
    def last_words(self) -> str:
        """The last line it wrote to its error stream."""
        return self._said[-1] if self._said else ""

    def describe(self) -> str:
        """Say in a few words how it is."""
        if self._process is None:
            return "not started"
        status = self._process.poll()
        if status is None:
            return f"running, pid {self.pid}" if self._ready.is_set() else f"starting, pid {self.pid}"
        if self._killed:
            return f"killed, pid was {self.pid}"
        return f"ended with status {status}"

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until it listens. For runs without a window only.

        Raises:
            BrainError: it ended, or was not ready in time.
        """
        until = time.monotonic() + timeout_s
        while not self._ready.wait(0.05):
            if not self.alive or time.monotonic() > until:
                raise BrainError(f"the brain is {self.describe()}: {self.last_words or 'it said nothing'}")

    def kill(self) -> None:
        """Kill it at once: SIGKILL, or TerminateProcess on Windows. Returns without waiting."""
        if self.alive and self._process is not None:
            self._killed = True
            self._process.kill()

    def stop(self) -> None:
        """End it, politely first."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _read_out(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                said = _ready_line(line)
                if said is not None:
                    self.model, self.model_sha256 = str(said.get("model", "")), str(said.get("model_sha256", ""))
                    ready.set()

    def _read_err(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if line.strip():
                    self._said.append(line.strip())


def _ready_line(line: str) -> dict[str, object] | None:
    """Read the line that says where the brain listens; None for any other."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("ready") is True else None
