"""`npc-sdk bench live`: what the brain costs a game that runs in real time, and what a killed brain does to it."""

from __future__ import annotations

import threading
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from npc_bridge.messages import RUNG_TAIL
from npc_sdk.bench.game import Frame, Game, fallen_back
from npc_sdk.bench.pace import Load, PairedRatios, block_order, paired_ratios
from npc_sdk.bench.process import BrainProcess
from npc_sdk.designer.client import Designer
from npc_sdk.envs.arena import TICK_HZ, ticks_in
from npc_sdk.errors import SdkError
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress
from npc_sdk.experiments.stats import quantiles
from npc_sdk.options import count, duration, natural

WARM_FRAMES = 8  # of a block, while caches and the other process settle
START_FRAMES = 300  # within which a game must be led by a fresh brain
PUSH_POLL_MS, FRAME_RATIO, AGE_MS = 1.0, 1.15, 66.0  # promised at most
DECISIONS_HZ = 9.0  # of every NPC: ten a second, less what the clock of a busy machine drops
FALLBACK_MS, BACK_MS = 300.0, 1000.0
STALL_MS = 1.0  # what a clock may wobble between two windows


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", default="arena", help="as for npc-sdk serve")
    parser.add_argument("--npcs", type=count, default=16)
    parser.add_argument("--blocks", type=count, default=20, help="groups of blocks: brain on, off, off again (20)")
    parser.add_argument("--block-seconds", type=duration, default=1.5)
    parser.add_argument("--changes", type=count, default=8, help="weight changes that are followed to a decision (8)")
    parser.add_argument("--lead-ticks", type=natural, default=0, help="from state to answer; 0 adapts (0)")
    parser.add_argument("--candidates", type=count, default=32, help="of the planner (32, as in play)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--kill", action="store_true", help="kill the brain mid-fight instead, and start it again")
    parser.add_argument("--kills", type=count, default=5, help="how often (5)")
    parser.add_argument("--quick", action="store_true", help="2 groups of 1 s, 2 changes: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench live`. Returns 1 when a promise is not met."""
    load = Load.of_at_least(4.0)
    figures, lines = (kill if args.kill else live)(args, load)
    figures |= {"npcs": args.npcs, "tick_hz": TICK_HZ, "model": args.model, "seed": args.seed, "machine": machine()}
    emit(lines, figures, args.json)
    return 0 if figures["passed"] or args.quick else 1


def live(args: Namespace, load: Load) -> tuple[dict[str, Json], list[str]]:
    """Measures the cost of a brain at work."""
    groups, seconds = (2, 1.0) if args.quick else (args.blocks, args.block_seconds)
    changes = 2 if args.quick else args.changes
    frames_per_block = WARM_FRAMES + ticks_in(seconds)
    with BrainProcess(*_options(args)) as brain:
        at = brain.wait()
        game = Game(str(at["data"]), args.npcs, args.seed, load)
        with progress(3 * groups + changes, "bench live", "block") as bar:
            _until_led(game, brain)
            blocks: list[dict[str, list[float]]] = []
            cpu: list[dict[str, list[float]]] = []
            on: list[Frame] = []
            for group in range(groups):
                blocks.append({})
                cpu.append({})
                for name in block_order(group):
                    frames = [game.frame(brain=name == "on") for _ in range(frames_per_block)][WARM_FRAMES:]
                    blocks[-1][name] = [f.work_ms for f in frames]
                    cpu[-1][name] = [f.cpu_ms for f in frames]
                    on += frames if name == "on" else []
                    bar.update()
            followed = []
            for k in range(changes):
                followed.append(_follow(game, str(at["control"]), str(at["telemetry"]), k))
                bar.update()
        fault = game.client.fault
        game.close()
    figures = _live_figures(paired_ratios(blocks), on, followed)
    figures["frame_cpu_ratio_on_off"] = paired_ratios(cpu).on_off
    figures["fault"] = "" if fault is None else str(fault)
    return figures, _live_lines(figures)


@dataclass(frozen=True, slots=True)
class Followed:
    """A weight change on its way into decisions."""

    decisions: int  # messages with new decisions published after the answer, up to the first that used the change
    ticks: int  # from the acknowledgement to the state on which that decision was taken


def _follow(game: Game, control: str, telemetry: str, number: int) -> Followed:
    """Turns a weight while the game runs and watches for the first decision that knows it."""
    found: list[Followed] = []
    stop = threading.Event()

    def turn() -> None:
        with Designer(control, telemetry) as designer:
            designer.metrics()  # the subscription stands
            revision = designer.set_weight("effort", 0.1 + 0.01 * number)
            asked, seen = game.tick, 0
            while not stop.is_set():
                told = designer.metrics()
                npcs = told.get("npcs")
                decided = isinstance(npcs, list) and any(isinstance(n, dict) and "J" in n for n in npcs)
                if not decided or int(str(told["tick"])) <= asked:
                    continue  # was on its way before the change was
                seen += 1
                if int(str(told["revision"])) >= revision:
                    found.append(Followed(seen, int(str(told["tick"])) - asked))
                    return

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    for _ in range(START_FRAMES):
        game.frame(brain=True)
        if not thread.is_alive():
            break
    stop.set()
    thread.join(5.0)
    return found[0] if found else Followed(-1, -1)


def _live_figures(ratios: PairedRatios, on: list[Frame], followed: list[Followed]) -> dict[str, Json]:
    bridge = quantiles(np.array([f.bridge_ms for f in on]), 50, 95, 99)
    ages = quantiles(np.array([a for f in on for a in f.ages_ms]), 50, 95, 99)
    ticks = [a for f in on for a in f.age_ticks]
    living = np.concatenate([f.rung[f.living] for f in on])
    rate = np.sum([f.decided for f in on], axis=0) * TICK_HZ / max(1, len(on))  # n
    next_one = all(f.decisions == 1 for f in followed)
    passed = bridge[2] <= PUSH_POLL_MS and ratios.on_off <= FRAME_RATIO and ages[1] <= AGE_MS and next_one
    passed = passed and float(rate.min()) >= DECISIONS_HZ
    return {
        "passed": bool(passed),
        "push_poll_ms": dict(zip(("p50", "p95", "p99"), bridge, strict=True)),
        "frame_ratio_on_off": ratios.on_off,
        "frame_ratio_on_off_quartiles": ratios.on_off_quartiles,
        "frame_ratio_off_off": ratios.off_off,
        "frame_work_ms": ratios.off_ms,
        "blocks": ratios.groups,
        "decision_age_ms": dict(zip(("p50", "p95", "p99"), ages, strict=True)),
        "decision_age_ticks_max": max(ticks, default=-1),
        "decisions_hz": float(rate.mean()),
        "decisions_hz_min": float(rate.min()),
        "planned_fraction": float((living == 0).mean()),
        "led_fraction": float((living < 2).mean()),
        "stale_executed": sum(f.stale for f in on),
        "weight_change_decisions": [f.decisions for f in followed],
        "weight_change_ticks": [f.ticks for f in followed],
    }


def _live_lines(f: dict[str, Json]) -> list[str]:
    bridge, age = f["push_poll_ms"], f["decision_age_ms"]
    assert isinstance(bridge, dict)
    assert isinstance(age, dict)
    return [
        f"frame work, brain on / off: {f['frame_ratio_on_off']:.3f} (off / off: {f['frame_ratio_off_off']:.3f}), "
        f"median of {f['blocks']} groups, {f['frame_work_ms']:.1f} ms without; "
        f"in the game's own CPU time {f['frame_cpu_ratio_on_off']:.3f}",
        f"push + poll: p50 {bridge['p50']:.3f} ms, p95 {bridge['p95']:.3f}, p99 {bridge['p99']:.3f}",
        f"age at first application: p50 {age['p50']:.1f} ms, p95 {age['p95']:.1f}, p99 {age['p99']:.1f}",
        f"decisions per NPC and second: {f['decisions_hz']:.1f}, of the NPC with fewest {f['decisions_hz_min']:.1f}",
        f"NPC-ticks on a fresh plan {100 * float(str(f['planned_fraction'])):.1f} %, "
        f"on any plan {100 * float(str(f['led_fraction'])):.1f} %",
        f"a weight change is in decision {f['weight_change_decisions']} after it, ticks {f['weight_change_ticks']}",
        "passed" if f["passed"] else "failed",
    ]


@dataclass(frozen=True, slots=True)
class Killed:
    """One kill: the frames from the last before it to some time after the return, and as many undisturbed ones."""

    tick: int
    fallback_ms: float
    fallback_ticks: int
    back_ms: float
    frames: list[Frame]
    control: list[Frame]
    led_before: float  # share of NPCs on a plan in the last frame before it


def kill(args: Namespace, load: Load) -> tuple[dict[str, Json], list[str]]:
    """Kills the brain with SIGKILL while it leads, starts it again, and compares with as many undisturbed frames.

    One longest interval says little: an idle machine wakes a sleeper up a millisecond late now and then. So the brain
    is killed several times, and the longest interval of all kills compared with that of the frames between them.
    """
    seconds, times = (1.0, 1) if args.quick else (3.0, args.kills)
    kills: list[Killed] = []
    brain = BrainProcess(*_options(args))
    try:
        at = {name: str(value) for name, value in brain.wait().items()}
        game = Game(at["data"], args.npcs, args.seed, load)
        again = _options(args, data=at["data"], control=at["control"], telemetry=at["telemetry"])
        with progress(times, "bench live --kill", "kill") as bar:
            _until_led(game, brain)
            last = _play(game, seconds)[-1]
            for _ in range(times):
                tick = game.tick
                brain.kill()
                frames = [last, *_play(game, seconds)]
                brain.stop()
                brain = BrainProcess(*again)
                while not brain.listening:
                    frames.append(game.frame(brain=True))
                    if len(frames) > 60 * TICK_HZ:
                        brain.wait()
                frames += _until_led(game, brain)
                back_ms = (frames[-1].start - brain.ready_at) * 1e3
                frames += _play(game, seconds)
                control = _play(game, len(frames) / TICK_HZ)
                fell = next((f for f in frames[1:] if fallen_back(f)), None)
                after = (fell.start - frames[1].start) * 1e3 if fell else float("inf")
                ticks = fell.tick - tick if fell else -1
                kills.append(Killed(tick, after, ticks, back_ms, frames, control, _led_share([last])))
                last = control[-1]
                bar.update()
        game.close()
    finally:
        brain.stop()
    return _kill_figures(kills)


def _kill_figures(kills: list[Killed]) -> tuple[dict[str, Json], list[str]]:
    worst, usual = max(_longest_interval(k.frames) for k in kills), max(_longest_interval(k.control) for k in kills)
    fallback, back = max(k.fallback_ms for k in kills), max(k.back_ms for k in kills)
    stale = sum(f.stale for k in kills for f in [*k.frames[1:], *k.control])
    passed = fallback <= FALLBACK_MS and back <= BACK_MS and worst <= usual + STALL_MS and stale == 0
    figures: dict[str, Json] = {
        "passed": passed and all(k.led_before == 1.0 for k in kills),  # there was something to lose
        "kills": len(kills),
        "killed_tick": [k.tick for k in kills],
        "fallback_ms": fallback,
        "fallback_ticks": max(k.fallback_ticks for k in kills),
        "back_ms": back,
        "interval_ms_max": worst,
        "interval_ms_max_control": usual,
        "interval_ms_p99": _interval_quantile([k.frames for k in kills], 99),
        "interval_ms_p99_control": _interval_quantile([k.control for k in kills], 99),
        "stale_executed": stale,
        "frames": sum(len(k.frames) for k in kills),
        "led_before": min(k.led_before for k in kills),
        "led_after": min(_led_share(k.control) for k in kills),
    }
    ticks = ", ".join(str(k.tick) for k in kills)
    lines = [
        f"killed at tick {ticks}: every NPC on callback or brake after at most {fallback:.0f} ms",
        f"planned again at most {back:.0f} ms after the new brain listened",
        f"longest tick interval {worst:.1f} ms, in as many undisturbed frames {usual:.1f} ms",
        f"stale steps executed: {stale}",
        "passed" if figures["passed"] else "failed",
    ]
    return figures, lines


def _options(
    args: Namespace,
    data: str = "tcp://127.0.0.1:0",
    control: str = "tcp://127.0.0.1:0",
    telemetry: str = "tcp://127.0.0.1:0",
) -> list[str]:
    options = ["--model", args.model, "--seed", str(args.seed), "--lead-ticks", str(args.lead_ticks)]
    options += ["--data", data, "--control", control, "--telemetry", telemetry]
    return [*options, "--candidates", str(args.candidates)]


def _play(game: Game, seconds: float) -> list[Frame]:
    return [game.frame(brain=True) for _ in range(round(seconds * TICK_HZ))]


def _until_led(game: Game, brain: BrainProcess) -> list[Frame]:
    """Plays until every living NPC has executed a plan.

    Raises:
        SdkError: that does not come.
    """
    frames: list[Frame] = []
    waiting = np.ones(game.npcs, np.bool_)
    while waiting.any():
        frames.append(game.frame(brain=True))
        waiting &= frames[-1].living & (frames[-1].rung > RUNG_TAIL)
        if len(frames) > START_FRAMES or not brain.alive:
            fault = game.client.fault or "no fault is shown"
            raise SdkError(f"the NPCs were not led within {len(frames)} frames: {fault}; the brain: {brain.last_words}")
    return frames


def _led_share(frames: list[Frame]) -> float:
    """The share of NPC-ticks on a plan."""
    return float(np.concatenate([f.rung[f.living] <= RUNG_TAIL for f in frames]).mean())


def _intervals(frames: list[Frame]) -> list[float]:
    return [(b.start - a.start) * 1e3 for a, b in pairwise(frames)]


def _longest_interval(frames: list[Frame]) -> float:
    return max(_intervals(frames))


def _interval_quantile(runs: list[list[Frame]], percent: float) -> float:
    return quantiles(np.concatenate([_intervals(frames) for frames in runs]), percent)[0]
