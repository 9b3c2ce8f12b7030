"""The same test for every engine's client: its yard is planned, steered and kept to a rule, and outlives its brain.

The scene prints a line a tick: `tick N FAULT` and per guard its rung and place. All that is judged is judged here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_bridge.client import ControlClient
from npc_sdk.bench.cable import Cable
from npc_sdk.demo.brain import Brain, Endpoints, free_endpoints, serve_command
from npc_sdk.designer.client import Designer

CLIENTS = Path(__file__).resolve().parents[2] / "bridge" / "clients"
GUARDS = 4
RADIUS = 0.35  # m
PIT = ((-6.0, -2.5), (-4.5, -2.5), (-4.5, 2.5), (-6.0, 2.5))  # across the way of two guards to the player
PATIENCE_S = 60.0
CERTIFIED_TICKS = 9  # 250 ms and a tick: what a chunk may go on for after its brain
LATE_TICKS = 6  # that a line may take from the scene to here
PLANNED, TAIL, CALLBACK, BRAKE = range(4)


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of a scene."""

    number: int
    fault: str
    rung: tuple[int, ...]
    place: NDArray[np.float64]  # n 2, m, after the tick

    @classmethod
    def of(cls, line: str) -> Tick:
        """Reads a line."""
        _, number, fault, *rest = line.split(" ")
        rows = np.array(rest, np.float64).reshape(GUARDS, 3)
        return cls(int(number), fault, tuple(int(r) for r in rows[:, 0]), rows[:, 1:])

    @property
    def player(self) -> NDArray[np.float64]:
        """Where the scene has its player: 1.5 m/s on a circle of 3 m."""
        angle = 0.5 * self.number / 30.0
        return 3.0 * np.array([np.cos(angle), np.sin(angle)])

    @property
    def distance(self) -> float:
        """The guards' mean distance from the player, m."""
        return float(np.linalg.norm(self.place - self.player, axis=1).mean())


class Scene:
    """A running scene and all that it has said."""

    def __init__(self, command: Sequence[str]) -> None:
        self.ticks: list[Tick] = []
        self.said: list[str] = []  # anything else
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, what: Callable[[Tick], bool], since: int | None = None) -> Tick:
        """Waits for a tick after `since` (the last one there is) of which something holds."""
        seen = len(self.ticks) if since is None else since
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            while True:
                for tick in self.ticks[seen:]:
                    if what(tick):
                        return tick
                seen = len(self.ticks)
                late = not self._changed.wait(deadline - time.monotonic())
                if late or (self._process.poll() is not None and seen == len(self.ticks)):
                    pytest.fail(f"the scene did not come to it: {self.ticks[-1:]} {self.said[-5:]}")

    def close(self) -> None:
        """Ends the scene and all that it has started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                with self._changed:
                    tick = _tick(line)
                    if tick is not None:
                        self.ticks.append(tick)
                    else:
                        self.said.append(line.rstrip())
                    self._changed.notify_all()
        except ValueError:
            return  # closed


def _tick(line: str) -> Tick | None:
    try:
        return Tick.of(line.rstrip()) if line.startswith("tick ") else None
    except ValueError:
        return None  # goes with what it said


@contextmanager
def brain() -> Iterator[tuple[Brain, Endpoints]]:
    """The brain that a user starts, with the shipped model."""
    endpoints = free_endpoints()
    process = Brain(serve_command(endpoints, "arena", 1, "cpu"))
    try:
        process.start()
        yield process, endpoints
    finally:
        process.stop()


def needed(*programs: str, headers: Sequence[str] = ()) -> None:
    """Skips the test where a program, or a header of C++, is missing; fails it where engines are required."""
    missing = [name for name in programs if shutil.which(name) is None]
    missing += [name for name in headers if not missing and not _includable(name)]
    if missing and os.environ.get("NPC_SDK_ENGINES") == "required":
        pytest.fail(f"expected {', '.join(missing)} to be installed")
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed")


def _includable(header: str) -> bool:
    command = ["g++", "-fsyntax-only", "-x", "c++", "-include", header, os.devnull]
    return subprocess.run(command, capture_output=True).returncode == 0


def all_planned(tick: Tick) -> bool:
    """Says whether every guard is on a fresh plan."""
    return all(rung == PLANNED for rung in tick.rung)


def play(name: str, version: str, command: Callable[[str], Sequence[str]]) -> None:
    """Plays a scene through all that can happen to it, judges it, and prints what a table of engines has.

    Args:
        name: of the engine.
        version: of the engine.
        command: what starts the scene for an endpoint.
    """
    with brain() as (process, endpoints), Cable(endpoints.data) as cable:
        scene = Scene(command(cable.endpoint))
        try:
            scene.until(all_planned, since=0)
            _steer(scene, endpoints)
            _cut(scene, cable, endpoints)
            ended, recovered = _kill(scene, process)
        finally:
            scene.close()
    _judge(scene.ticks)
    assert ended <= CERTIFIED_TICKS + LATE_TICKS, "nothing runs beyond what was certified"
    applied = sum(rung <= TAIL for tick in scene.ticks for rung in tick.rung)
    print(
        f"\n{name:<10} {version:<24} {len(scene.ticks)} ticks, {applied} commands of plans applied, "
        f"without a plan {ended} ticks after the kill, planned again {recovered} ticks after the restart"
    )


def _steer(scene: Scene, endpoints: Endpoints) -> None:
    """A rule and two weights: guards go home, then to the player, and never into the pit."""
    with Designer(endpoints.control, endpoints.telemetry) as designer:
        designer.add_rule({"rule": "keep_out", "name": "pit", "polygon": [list(point) for point in PIT]})
        terms = designer.inspect()["terms"]
        assert isinstance(terms, (list, dict))
        for term in terms:
            designer.set_weight(term["name"] if isinstance(term, dict) else term, 0.0)
        designer.set_weight("home", 4.0)
        scene.until(lambda tick: tick.distance > 7.5)
        designer.set_weight("home", 0.0)
        designer.set_weight("approach", 4.0)
        scene.until(lambda tick: tick.distance < 3.5)


def _cut(scene: Scene, cable: Cable, endpoints: Endpoints) -> None:
    """Cuts the connection: the scene goes on with its session."""
    with ControlClient(endpoints.control) as designer:
        before = designer.request("status").result["games"]
        cable.cut()
        scene.until(lambda tick: tick.fault != "fine")
        scene.until(lambda tick: all_planned(tick) and tick.fault == "fine")
        assert cable.cuts == 1
        assert designer.request("status").result["games"] == before, "another session was opened"


def _kill(scene: Scene, process: Brain) -> tuple[int, int]:
    """Kills the brain and starts another; returns ticks until nobody had a plan, and until all had one again."""
    os.kill(process.pid, signal.SIGKILL)
    killed = len(scene.ticks)
    alone = scene.until(lambda tick: min(tick.rung) >= CALLBACK, since=killed)
    scene.until(lambda tick: not process.alive)  # until it has ended it would not be started again
    process.start()
    started = len(scene.ticks)
    again = scene.until(all_planned, since=started)
    return alone.number - scene.ticks[killed - 1].number, again.number - scene.ticks[started - 1].number


def _judge(ticks: Sequence[Tick]) -> None:
    """The rule was held, the scene went on tick by tick, and what was lost was named and made good."""
    assert [tick.number for tick in ticks] == list(range(len(ticks)))
    fresh = next(i for i, tick in enumerate(ticks) if all_planned(tick))
    assert {tick.fault for tick in ticks[fresh:]} > {"fine"}, "the killed brain was named"
    assert ticks[-1].fault == "fine"
    low, high = np.array(PIT[0]), np.array(PIT[2])
    for tick in ticks:
        gap = np.linalg.norm(np.maximum(np.maximum(low - tick.place, tick.place - high), 0.0), axis=1)
        assert gap.min() > RADIUS - 1e-3, f"tick {tick.number}: a guard is {RADIUS - gap.min():.3f} m in the pit"
