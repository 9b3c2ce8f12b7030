"""`npc-sdk check replay`: has the shield answer a log again and compares every bit."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.shield.replay import Difference

TICKS = 120  # per game, without a file


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("replay", help="have the shield answer a log again and compare every bit")
    parser.add_argument("file", type=Path, nargs="?", help="of `serve --log`; without one, games are played for it")
    parser.add_argument("--games", type=count, default=40, help="played without a file (40)")
    parser.add_argument("--seed", type=natural, default=0, help="of these")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check replay`. Returns 1 when an answer is not the logged one.

    Raises:
        InputError: no such file.
        LedgerError: the log is cut short or changed.
    """
    from npc_sdk.errors import InputError

    if args.file is not None:
        if not args.file.is_file():
            raise InputError(f"log: expected a file, found none at {args.file}")
        return _replayed(args, args.file)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.npcledger"
        _play(path, args.games, args.seed)
        return _replayed(args, path)


def _play(path: Path, games: int, seed: int) -> None:
    """Plays games of the rule zoo and logs them."""
    from npc_sdk.experiments import campaign, zoo
    from npc_sdk.shield.ledger import Ledger

    with Ledger(path) as ledger, progress(games, "play", "game") as bar:
        for game in range(games):
            number = seed * 1_000_003 + game
            zoo.play(campaign.draw(number), number, TICKS, ledger=ledger)
            bar.update()


def _replayed(args: Namespace, path: Path) -> int:
    from npc_sdk.shield.replay import replay

    start, steps, npcs = time.perf_counter(), 0, 0
    difference: Difference | None = None
    with progress(0, "check replay", "answer") as bar:
        for checked in replay(path):
            steps, npcs, difference = steps + 1, npcs + checked.npcs, checked.difference
            bar.update()
    same = steps - (difference is not None)
    figures: dict[str, Json] = {
        "passed": steps > 0 and difference is None,
        "answers": steps,
        "same": same,
        "verdicts": npcs,
        "bytes": path.stat().st_size,
        "difference": None if difference is None else str(difference),
        "wall_s": time.perf_counter() - start,
        "machine": machine(),
    }
    lines = [f"{same} of {steps} answers ({npcs} NPCs' verdicts) the same to the last bit, {figures['bytes']} bytes"]
    if difference is not None:
        lines.append(f"first difference: {difference}")
    emit([*lines, "passed" if figures["passed"] else "failed"], figures, args.json)
    return 0 if figures["passed"] else 1
