"""The brain as a child process of a measurement: started, waited for, killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType

from npc_sdk.errors import SdkError

START_S = 120.0  # importing torch on a busy machine takes long, and compiling, once per machine, longer


class BrainProcess:
    """`npc-sdk serve` under this interpreter. Its first JSON line says where it listens.

    Args:
        arguments: options of `npc-sdk serve`.
    """

    def __init__(self, *arguments: str) -> None:
        self._ready: Mapping[str, object] | None = None
        self.ready_at = 0.0  # perf_counter, s
        self._process = subprocess.Popen(
            [sys.executable, "-m", "npc_sdk", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._words: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._overhear, daemon=True).start()

    @property
    def listening(self) -> bool:
        """Whether it has said that it listens."""
        return self._ready is not None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """What it wrote last to its error stream."""
        return " ".join(self._words[-3:]) or "said nothing"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self) -> Mapping[str, object]:
        """Waits until it listens and returns its first line.

        Raises:
            SdkError: it ended or took too long; the message holds its last words.
        """
        until = time.monotonic() + START_S
        while self._ready is None:
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise SdkError(f"the brain did not start: {self.last_words}")
            time.sleep(0.02)
        return self._ready

    def kill(self) -> None:
        """Kills it at once, as `kill -9` does."""
        self._process.kill()

    def stop(self) -> None:
        """Ends it, politely first."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def __enter__(self) -> BrainProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                if line.startswith("{") and self._ready is None:
                    self.ready_at = time.perf_counter()
                    self._ready = json.loads(line)

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            for line in errors:
                self._words.append(line.strip())
