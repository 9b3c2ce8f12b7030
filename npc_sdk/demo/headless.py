"""The demo without a window: the same loop in real time, with pictures and a summary at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time

from npc_sdk.demo.brain import Brain, serve_command, usual_endpoints
from npc_sdk.demo.film import Film
from npc_sdk.demo.show import Cast, Show
from npc_sdk.demo.tally import percentile
from npc_sdk.envs.arena import TICK_HZ

READY_S = 90.0  # the first start of a brain may have to read its libraries from a slow disk
_SELECT_AT = 45  # the frame from which one NPC shows why


def run(args: argparse.Namespace) -> int:
    """Play `args.frames` ticks and write contact sheet, GIF and summary into `args.out`."""
    if args.player == "human":
        print("without a window the player is played by a script", file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    endpoints = usual_endpoints()
    print(f"designers: control {endpoints.control}, telemetry {endpoints.telemetry}", file=sys.stderr)
    brain = Brain(serve_command(endpoints, args.model, args.seed, args.device))
    brain.start()
    try:
        brain.wait_ready(READY_S)
        show = Show(brain, endpoints, Cast(args.npcs, args.seed, scripted=True, judged=True), patience_s=5.0)
        try:
            film = _play(show, args)
            summary = _summary(show, args)
        finally:
            show.close()
    finally:
        brain.stop()
    if summary["fault"] and show.brain.last_words:
        print(f"the brain's last words: {show.brain.last_words}", file=sys.stderr)
    film.write_sheet(args.out / "contact.png")
    film.write_gif(args.out / "demo.gif")
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if not args.json:
        _print(summary, args)
    else:
        print(json.dumps(summary))
    return 0


def _play(show: Show, args: argparse.Namespace) -> Film:
    """Run the loop in step with the wall clock."""
    film = Film(args.frames, TICK_HZ)
    period = 1.0 / TICK_HZ
    due = time.perf_counter()
    played = 0
    while played < args.frames:
        begun = time.perf_counter()
        if played == args.kill_at:
            show.kill_brain()
        if played == args.restart_at:
            show.restart_brain()
        if show.advance(None):
            if played % 90 == _SELECT_AT:
                show.select_next()
            if film.wants(played):
                film.add(played, show.draw(1.0), _caption(show, played))
            show.frame_ms.append(1e3 * (time.perf_counter() - begun))
            played += 1
        due = max(due + period, time.perf_counter() - period)
        time.sleep(max(0.0, due - time.perf_counter()))
    return film


def _caption(show: Show, frame: int) -> str:
    tally = show.tally
    plan, tail, script, brake = tally.now
    seconds = f"{frame / TICK_HZ:.1f} s"
    if script + brake:
        return f"{seconds}   brain {show.brain.describe()}: {script} on their own script, {brake} braking"
    return f"{seconds}   {plan + tail} NPCs planned, {show.broken} rules broken"


def _summary(show: Show, args: argparse.Namespace) -> dict[str, object]:
    tally, violations = show.tally, show.violations
    return {
        "frames": tally.frames,
        "seed": args.seed,
        "npcs": args.npcs,
        "matches": show.matches,
        "decisions": tally.decisions,
        "planned_fraction": round(tally.planned_fraction, 4),
        "decision_age_ms_p50": _rounded(percentile(tally.decision_age_ms, 50)),
        "decision_age_ms_p95": _rounded(percentile(tally.decision_age_ms, 95)),
        "push_poll_ms_p50": _rounded(percentile(tally.push_poll_ms, 50)),
        "push_poll_ms_p99": _rounded(percentile(tally.push_poll_ms, 99)),
        "frame_ms_p50": _rounded(percentile(list(show.frame_ms), 50)),
        "fallback_ticks": tally.fallback_ticks,
        "violations": violations["npc"],
        "violations_by_cause": violations,
        "unseen_fraction": round(tally.unseen_fraction, 4),
        "weights": show.weights,
        "model": args.model,
        "model_sha256": show.model,
        "brain_starts": show.brain.starts,
        "fault": show.fault,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _print(summary: dict[str, object], args: argparse.Namespace) -> None:
    for key in (
        "frames",
        "decisions",
        "planned_fraction",
        "decision_age_ms_p95",
        "push_poll_ms_p99",
        "fallback_ticks",
        "violations",
        "unseen_fraction",
    ):
        print(f"{key:22} {summary[key]}")
    print(f"pictures and summary in {args.out}")
