"""The demo without a window: the same loop in real time, with pictures and a summary at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pygame
from jaxtyping import Float

from npc_sdk.demo.brain import Brain, serve_command, usual_endpoints
from npc_sdk.demo.captions import draw_reel
from npc_sdk.demo.figures import facts, measure
from npc_sdk.demo.film import Film, every_ninth
from npc_sdk.demo.layout import SIZE
from npc_sdk.demo.play import Cast
from npc_sdk.demo.reel import REEL_S, Reel
from npc_sdk.demo.show import Show, Stage
from npc_sdk.demo.splash import draw_title, since_start_ms
from npc_sdk.demo.tally import percentile
from npc_sdk.envs.arena import TICK_HZ

READY_S = 90.0  # the first start of a brain may have to read its libraries from a slow disk
_DRAG_HZ, _DRAG_STEPS, _DRAG_TO = 60.0, 90, 4.0  # a slider under a hand: one value per drawn frame
_SELECT_AT = 45  # the frame from which one NPC shows why


def run(args: argparse.Namespace) -> int:
    """Play `args.frames` ticks and write contact sheet, GIF and summary into `args.out`."""
    if args.player == "human":
        print("without a window the player is played by a script", file=sys.stderr)
    draw_title(pygame.Surface(SIZE), 0.0)  # what a window would have shown by now
    first_ms = since_start_ms()
    args.out.mkdir(parents=True, exist_ok=True)
    endpoints = usual_endpoints()
    print(f"designers: control {endpoints.control}, telemetry {endpoints.telemetry}", file=sys.stderr)
    brain = Brain(serve_command(endpoints, args.model, args.seed, args.device))
    brain.start()
    try:
        brain.wait_ready(READY_S)
        staged = plays_reel(args)
        cast = Cast(args.npcs, args.seed, scripted=not staged, judged=True, staged=staged)
        show = Show(brain, endpoints, cast)
        try:
            film = _play_reel(show, args.frames) if staged else _play(show, args)
            summary = _summary(show, args, first_ms)
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


def plays_reel(args: argparse.Namespace) -> bool:
    """Whether a run without a window is long enough for the reel, and nothing else was asked of it."""
    asked = (args.kill_at, args.restart_at, args.drag_at)
    return bool(args.frames >= REEL_S * TICK_HZ and all(frame is None for frame in asked))


def _play(show: Show, args: argparse.Namespace) -> Film:
    """Play so many ticks in step with the wall clock."""
    film = Film(args.frames, TICK_HZ, every_ninth(args.frames))
    played = 0
    for _ in _in_step():
        if played == args.kill_at:
            show.kill_brain()
        if played == args.restart_at:
            show.restart_brain()
        if played == args.drag_at and not show.swing_ms:
            _drag(show)
        if _advance(show):
            if played % 90 == _SELECT_AT:
                show.desk.select_next()
            if film.wants(played):
                film.add(played, show.draw(1.0), _caption(show, played))
            played += 1
        if played == args.frames:
            break
    return film


def _play_reel(show: Show, frames: int) -> Film:
    """Play the reel in step with the wall clock, and let the match go on for the frames that are left."""
    reel = Reel()
    stills = {round(at * TICK_HZ): scene.title for scene in reel.scenes for at in scene.stills}
    film = Film(frames, TICK_HZ, {*stills, frames - 1})
    shown, rest = -1, 0
    for _ in _in_step():
        playing = show.stage is Stage.PLAYING
        if playing and not reel.over:
            reel.step(show)
        elif playing:
            rest += 1
        _advance(show, reel.action(show))
        if playing and reel.frame + rest - 1 > shown:  # the clock may have been held
            shown = reel.frame + rest - 1
            if film.wants(shown):
                screen, figures = show.draw(1.0), measure(show)
                draw_reel(screen, reel, facts(show, figures, reel.weights_before), figures, show.desk.refusal)
                film.add(shown, screen, stills.get(shown, "This run"))
        if shown == frames - 1:
            break
    return film


def _in_step() -> Iterator[None]:
    """Yield once per tick of the wall clock; a short hitch is caught up."""
    period = 1.0 / TICK_HZ
    due = time.perf_counter()
    while True:
        yield
        due = max(due + period, time.perf_counter() - period)
        time.sleep(max(0.0, due - time.perf_counter()))


def _advance(show: Show, action: Float[np.ndarray, "6"] | None = None) -> bool:
    """Do the game's work of a frame and take its time; pictures for the film come on top and are no part of it."""
    begun = time.perf_counter()
    played = show.advance(action)
    show.frame_ms.append(1e3 * (time.perf_counter() - begun))
    return played


def _drag(show: Show) -> None:
    """Freeze the match, drag `exposure` from 0 up as a hand would, wait for the last plans to swing, and go on."""
    show.freeze()
    everybody, due = show.desk.reaches()[0], time.perf_counter()
    for step in range(1, _DRAG_STEPS + 1):
        show.desk.turn(everybody, "exposure", _DRAG_TO * step / _DRAG_STEPS, "drag")
        if step % round(_DRAG_HZ / TICK_HZ) == 0:
            show.advance(None)
        show.draw(1.0)
        due = max(due + 1.0 / _DRAG_HZ, time.perf_counter() - 1.0 / _DRAG_HZ)
        time.sleep(max(0.0, due - time.perf_counter()))
    time.sleep(0.2)
    show.resume()


def _caption(show: Show, frame: int) -> str:
    tally = show.tally
    plan, tail, script, brake = tally.now
    seconds = f"{frame / TICK_HZ:.1f} s"
    if script + brake:
        return f"{seconds}   brain {show.brain.describe()}: {script} on their own script, {brake} braking"
    return f"{seconds}   {plan + tail} NPCs planned, {show.broken} rules broken"


def _summary(show: Show, args: argparse.Namespace, first_ms: float) -> dict[str, object]:
    tally, violations = show.tally, show.violations
    return {
        "frames": args.frames,
        "seed": args.seed,
        "npcs": args.npcs,
        "first_window_ms": round(first_ms, 1),
        "matches": show.matches,
        "planned_fraction": round(tally.planned_fraction, 4),
        "decision_age_ms_p50": _rounded(percentile(tally.decision_age_ms, 50)),
        "push_poll_ms_p50": _rounded(percentile(tally.push_poll_ms, 50)),
        "push_poll_ms_p99": _rounded(percentile(tally.push_poll_ms, 99)),
        "frame_ms_p50": _rounded(percentile(list(show.frame_ms), 50)),
        "swing_ms_p50": _rounded(percentile(show.swing_ms, 50)),
        "swing_ms_p95": _rounded(percentile(show.swing_ms, 95)),
        "swing_ms_max": _rounded(max(show.swing_ms, default=None)),
        "fallback_ticks": tally.fallback_ticks,
        "violations": violations["npc"],
        "violations_by_cause": violations,
        "unseen_fraction": round(tally.unseen_fraction, 4),
        "weights": show.weights,
        "model": args.model,
        **asdict(measure(show)),
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
        "planned_fraction_led",
        "stale_steps",
        "zone_broken",
        "control_zone_broken",
        "flip_verified",
        "unseen_fraction",
    ):
        print(f"{key:22} {summary[key]}")
    print(f"pictures and summary in {args.out}")
