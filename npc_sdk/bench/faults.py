"""`npc-sdk bench faults`: what a stopped brain, a bad line and a pulled plug do to the frames of a game."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np

from npc_bridge.messages import RUNG_TAIL
from npc_sdk.bench.game import Game
from npc_sdk.bench.pace import Load
from npc_sdk.bench.process import BrainProcess
from npc_sdk.bench.troubles import TROUBLES, Trouble
from npc_sdk.envs.arena import TICK_HZ, ticks_in
from npc_sdk.errors import SdkError
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.experiments.stats import quantiles
from npc_sdk.options import count, duration, natural

LOOKS = 1  # frames between ticks: a game at 60 frames a second that moves at 30
STALL_MS = 1.0  # what a clock may wobble between two windows
PATIENCE_S = 20.0  # for being led, at first and again
WORK_MS = 2.0  # of a frame


@dataclass(slots=True)
class Window:
    """Some seconds of frames, in trouble or undisturbed."""

    starts: list[float] = field(default_factory=list)  # of frames, perf_counter, s
    cpu_ms: list[float] = field(default_factory=list)  # of the game's thread, per frame
    led: int = 0  # NPC-ticks on a plan
    npc_ticks: int = 0
    stale: int = 0  # steps that ran although they must not have
    all_led: bool = False  # in the last tick

    def tick(self, game: Game) -> None:
        """Plays one tick and the frames before it."""
        for _ in range(LOOKS):
            start, ms = game.look()
            self.starts.append(start)
            self.cpu_ms.append(ms)
        frame = game.frame(brain=True)
        led = frame.rung[frame.living] <= RUNG_TAIL
        self.starts.append(frame.start)
        self.cpu_ms.append(frame.cpu_ms)
        self.led += int(led.sum())
        self.npc_ticks += len(led)
        self.stale += frame.stale
        self.all_led = bool(led.all())

    @property
    def intervals_ms(self) -> list[float]:
        """Times between the starts of frames."""
        return [(b - a) * 1e3 for a, b in pairwise(self.starts)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one kind of trouble did."""

    fault: str
    happened: int
    interval_ms_max: float
    interval_ms_max_control: float
    interval_ms_p99: float
    interval_ms_p99_control: float
    cpu_ms_max: float  # of one frame, without the turns of other processes
    cpu_ms_max_control: float
    led: float  # share of NPC-ticks on a plan while it lasted
    led_control: float
    back_ms: float  # from its end until every NPC was led; -1 if that did not come
    stale_executed: int
    frames: int

    @property
    def passed(self) -> bool:
        """Whether it happened, cost the game no time, ran nothing stale, and was got over."""
        in_time = self.interval_ms_max <= self.interval_ms_max_control + STALL_MS
        return bool(self.happened and in_time and self.back_ms >= 0 and not self.stale_executed)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", default="arena", help="as for npc-sdk serve")
    parser.add_argument("--npcs", type=count, default=8)
    parser.add_argument("--seconds", type=duration, default=10.0, help="of each fault, and of its control (10)")
    parser.add_argument("--stop-seconds", type=duration, default=5.0, help="that the brain is stopped for (5)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--quick", action="store_true", help="1.5 s of each: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench faults`. Returns 1 when a fault cost the game more than it may."""
    seconds, stop_s = (1.5, 1.0) if args.quick else (args.seconds, args.stop_seconds)
    at, load = "tcp://127.0.0.1:0", Load.of_at_least(WORK_MS)
    options = ["--model", args.model, "--seed", str(args.seed), "--data", at, "--control", at, "--telemetry", at]
    outcomes = []
    with BrainProcess(*options) as brain, progress(len(TROUBLES), "bench faults", "fault") as bar:
        data = str(brain.wait()["data"])
        for name, make in TROUBLES.items():
            with (
                closing(make(data, brain.pid, stop_s, args.seed)) as trouble,
                closing(Game(trouble.endpoint, args.npcs, args.seed, load, LOOKS)) as game,
            ):
                outcomes.append(_outcome(name, trouble, game, seconds))
            bar.update()
        if not brain.alive:
            raise SdkError(f"the brain died of a fault: {brain.last_words}")
    figures: dict[str, Json] = {
        "passed": all(o.passed for o in outcomes),
        "faults": [asdict(o) | {"passed": o.passed} for o in outcomes],
        "stale_executed": sum(o.stale_executed for o in outcomes),
        "frame_hz": TICK_HZ * (1 + LOOKS),
        "npcs": args.npcs,
        "model": args.model,
        "seed": args.seed,
        "machine": machine(),
    }
    emit(_lines(outcomes), figures, args.json)
    return 0 if figures["passed"] or args.quick else 1


def _outcome(name: str, trouble: Trouble, game: Game, seconds: float) -> Outcome:
    """Plays undisturbed for half the time, then in trouble, then undisturbed for the other half."""
    first = _back(game)
    if first is None:
        raise SdkError(f"the NPCs were not led at first: {game.client.fault or 'no fault is shown'}")
    control, fault, ticks = Window(), Window(), ticks_in(seconds)
    _play(game, control, ticks // 2)
    trouble.begin()
    for _ in range(ticks):
        fault.tick(game)
        trouble.turn()
    trouble.end()
    ended = time.perf_counter()
    back = _back(game)
    rest = Window()
    _play(game, rest, ticks - ticks // 2)
    p99, usual_p99 = (quantiles(np.array(w), 99)[0] for w in (fault.intervals_ms, _both(control, rest)))
    return Outcome(
        fault=name,
        happened=trouble.happened,
        interval_ms_max=max(fault.intervals_ms),
        interval_ms_max_control=max(_both(control, rest)),
        interval_ms_p99=p99,
        interval_ms_p99_control=usual_p99,
        cpu_ms_max=max(fault.cpu_ms),
        cpu_ms_max_control=max(control.cpu_ms + rest.cpu_ms),
        led=fault.led / fault.npc_ticks,
        led_control=(control.led + rest.led) / (control.npc_ticks + rest.npc_ticks),
        back_ms=-1.0 if back is None else (back - ended) * 1e3,
        stale_executed=control.stale + fault.stale + rest.stale,
        frames=len(fault.starts),
    )


def _play(game: Game, window: Window, ticks: int) -> None:
    for _ in range(ticks):
        window.tick(game)


def _back(game: Game) -> float | None:
    """Plays until every NPC is led; returns when that was, perf_counter, s; None if it does not come."""
    window, until = Window(), time.perf_counter() + PATIENCE_S
    while time.perf_counter() < until:
        window.tick(game)
        if window.all_led:
            return window.starts[-1]
    return None


def _both(one: Window, other: Window) -> list[float]:
    return one.intervals_ms + other.intervals_ms


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    header = (
        "fault",
        "times",
        "longest ms",
        "control",
        "p99",
        "control",
        "calls",
        "control",
        "led",
        "back ms",
        "stale",
    )
    rows = [
        (
            o.fault,
            str(o.happened),
            f"{o.interval_ms_max:.1f}",
            f"{o.interval_ms_max_control:.1f}",
            f"{o.interval_ms_p99:.1f}",
            f"{o.interval_ms_p99_control:.1f}",
            f"{o.cpu_ms_max:.1f}",
            f"{o.cpu_ms_max_control:.1f}",
            f"{100 * o.led:.0f} %",
            f"{o.back_ms:.0f}",
            str(o.stale_executed),
        )
        for o in outcomes
    ]
    verdict = "passed" if all(o.passed for o in outcomes) else "failed"
    return [*table(header, rows), verdict]
