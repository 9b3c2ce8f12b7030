"""`npc-sdk play`: plays a PettingZoo world that somebody else wrote as a game on the bridge."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.envs.pettingzoo.known import KNOWN
from npc_sdk.experiments.report import add_json, emit, progress
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.audit import AuditReport
    from npc_sdk.envs.pettingzoo import BorrowedGame
    from npc_sdk.experiments.leaders import Leader


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk play`."""
    parser.add_argument("world", metavar="ENV_ID", help=f"{', '.join(KNOWN)}, or with --view any name")
    parser.add_argument("--view", default="", metavar="MODULE:FUNCTION", help="returns the World to play")
    parser.add_argument("--endpoint", default="", help="of a brain's data channel; without it the script plays alone")
    parser.add_argument("--script", choices=("random", "chase"), help="what NPCs do without a plan (random, or brake)")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write one recording per episode there")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="judge what was executed by these rules")
    parser.add_argument("--episodes", type=count, default=1)
    parser.add_argument("--seconds", type=duration, default=20.0, help="longest episode, of game time (20)")
    parser.add_argument("--seed", type=natural, default=0, help="of the first episode; the next has the next (0)")
    parser.add_argument("--fast", action="store_true", help="go at the brain's pace, not the clock's")
    parser.add_argument("--render", type=Path, metavar="FILE", help="draw the last episode: .gif or .png")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk play`. Returns 1 when an NPC broke a rule that it was to keep."""
    from npc_sdk.designer.rulebook import read_rule, read_rulebook
    from npc_sdk.envs.pettingzoo import adapt, world_of
    from npc_sdk.experiments.borrowed import figures, judge, play
    from npc_sdk.experiments.strip import Strip

    world = world_of(args.world, args.view)
    rules = [read_rule(table) for table in read_rulebook(args.rules).tables] if args.rules else []
    game = adapt(world.make("rgb_array" if args.render else None), world, args.world)
    strip = Strip(args.render) if args.render else None
    diaries, reports = [], []
    ticks = max(1, round(args.seconds * world.tick_hz))
    if args.record:
        args.record.mkdir(parents=True, exist_ok=True)
    with closing(game.env), progress(args.episodes, "play", "episode") as bar:
        for episode in range(args.episodes):
            game.reset(args.seed + episode)
            leader = _leader(game, args, episode)
            last = episode == args.episodes - 1
            try:
                diaries.append(play(game, leader, ticks, strip.take if strip and last else None))
            finally:
                leader.close()
            if args.rules:
                reports.append(judge(game, diaries[-1], rules))
            bar.update()
    if strip:
        strip.write(world.tick_hz)
    found = asdict(figures(diaries))
    lines = [f"{name:12} {value:.6g}" for name, value in found.items() if name != "distances_m"]
    if args.rules:
        found["rules"] = _kept(reports)
        lines += [f"{name:12} {rule}" for name, rule in found["rules"].items()]
    emit(lines, found, args.json)
    return int(any(report.total() for report in reports))


def _leader(game: BorrowedGame, args: Namespace, episode: int) -> Leader:
    from npc_sdk.envs.pettingzoo.scripts import SCRIPTS
    from npc_sdk.experiments.leaders import SUFFIX, Alone, Led

    record = args.record / f"episode_{args.seed + episode:06d}{SUFFIX}" if args.record else None
    seed = args.seed + episode
    if not args.endpoint:
        return Alone(game, SCRIPTS[args.script or "random"](game, seed), record)
    script = SCRIPTS[args.script](game, seed) if args.script else None
    return Led(game, args.endpoint, script, record, fast=args.fast)


def _kept(reports: Sequence[AuditReport]) -> dict[str, dict[str, float]]:
    """Sums up, per rule, the NPC-ticks in which it was broken, by whose doing, and the least margin."""
    kept: dict[str, dict[str, float]] = {}
    for report in reports:
        for name, rule in report.rules.items():
            sums = kept.setdefault(name, {**dict.fromkeys(rule.violations, 0), "min_margin": float("inf")})
            for category, broken in rule.violations.items():
                sums[category] += broken
            sums["min_margin"] = min(sums["min_margin"], rule.min_margin)
    return kept
