"""`npc-sdk demo`: a window in which squads hunt a player, or the same without one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from npc_sdk.errors import InputError
from npc_sdk.options import count, natural

_LEAST_NPCS, _MOST_NPCS = 4, 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--headless", action="store_true", help="play without a window; write pictures and a summary")
    parser.add_argument(
        "--frames",
        type=count,
        default=1800,
        metavar="N",
        help="headless: frames to play, 30 a second; from 1800 on the reel is played",
    )
    parser.add_argument("--seed", type=natural, default=1, metavar="S", help="of map, match and brain")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="where headless runs write")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object on the last line")
    parser.add_argument(
        "--player", choices=("human", "script"), help="who plays; without it the reel, until a key is pressed"
    )
    parser.add_argument("--npcs", type=count, default=8, metavar="N", help=f"{_LEAST_NPCS} to {_MOST_NPCS}")
    parser.add_argument("--model", default="arena", help="arena, constant-velocity, or a checkpoint folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where the brain computes")
    parser.add_argument("--kill-at", type=natural, metavar="N", help="headless: kill the brain at this frame")
    parser.add_argument("--drag-at", type=natural, metavar="N", help="headless: freeze at this frame and drag a weight")
    parser.add_argument("--restart-at", type=natural, metavar="N", help="headless: start the brain again at this frame")


def main(args: argparse.Namespace) -> int:
    """Play until the window is closed or the frames are over."""
    if not _LEAST_NPCS <= args.npcs <= _MOST_NPCS:
        raise InputError(f"--npcs: expected {_LEAST_NPCS}..{_MOST_NPCS}, got {args.npcs}")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _leave)  # so that the brain is stopped too
    if not args.headless and not _has_display():
        print("no display found: playing headless", file=sys.stderr)
        args.headless = True
    if args.headless:
        from npc_sdk.demo.headless import run
    else:
        from npc_sdk.demo.splash import run
    return run(args)


def _has_display() -> bool:
    """Whether a window can be opened."""
    import pygame

    if os.environ.get("SDL_VIDEODRIVER") in ("dummy", "offscreen"):
        return False
    try:
        pygame.display.init()
    except pygame.error:
        return False
    if pygame.display.get_driver() in ("dummy", "offscreen"):
        pygame.display.quit()
        return False
    return True


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
