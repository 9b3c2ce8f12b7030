"""`npc-sdk evaluate coverage`: how often forecasts of the player hold that are to hold with a confidence."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.train.coverage import Cover, Windows
    from npc_sdk.world import Forecast

TOGETHER = 128  # fights read at once: the maps of thousands would not fit into memory
WANTED = 0.015  # that coverage may be off in fights like those it was calibrated on


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk evaluate coverage`."""
    parser.add_argument("--model", default="arena", help="arena, constant-velocity, frozen or a checkpoint folder")
    parser.add_argument(
        "--calibrate", nargs="+", type=Path, metavar="PATH", help="recordings that radii are taken from"
    )
    parser.add_argument("--test", nargs="+", type=Path, metavar="PATH", help="recordings that they are judged by")
    parser.add_argument("--episodes", type=count, default=2000, help="fresh fights of each kind where not given (2000)")
    parser.add_argument("--seconds", type=duration, default=12.0, help="length of fresh fights (12)")
    parser.add_argument("--seed", type=natural, default=0, help="of fresh fights, and of the windows drawn")
    parser.add_argument("--jobs", type=count, default=1, help="processes that play fresh fights (1)")
    parser.add_argument("--save", action="store_true", help="keep the calibration beside the model's weights")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk evaluate coverage`."""
    import torch

    from npc_sdk.envs.arena import ArenaConfig
    from npc_sdk.errors import InputError
    from npc_sdk.serve.models import ARENA, load, shipped
    from npc_sdk.train.coverage import calibrated, coverage
    from npc_sdk.world import DT
    from npc_sdk.world.conformal import FILE

    torch.set_num_threads(1)
    loaded = load(args.model, torch.device("cpu"), calibrate=False)
    if args.save and not loaded.sha256:
        raise InputError(f"evaluate coverage: --save: expected a model out of a folder, got {args.model!r}")
    with TemporaryDirectory() as scratch:
        first = _windows(args, loaded.forecast, args.calibrate, Path(scratch) / "calibrate", "validation", args.seed)
        second = _windows(args, loaded.forecast, args.test, Path(scratch) / "test", "test", args.seed + 1)
    notes = {"fights": str(len(first.error)), "seconds": f"{args.seconds:g}", "seed": str(args.seed)}
    calibration = calibrated(first, loaded.sha256, notes)
    if args.save:
        folder = shipped() if args.model == ARENA else Path(args.model)
        calibration.save(folder / FILE)
    covers = coverage(calibration, second, ArenaConfig().player_body.max_speed, DT)
    worst = max((abs(c.coverage - c.level) for c in covers if c.windows), default=float("nan"))
    figures: dict[str, Json] = {
        "passed": worst <= WANTED,
        "worst": worst,
        "covers": [asdict(c) for c in covers],
        "calibrated_on": len(first.error),
        "tested_on": len(second.error),
        "model": args.model,
        "model_sha256": loaded.sha256,
        "seed": args.seed,
        "machine": machine(),
    }
    emit(_lines(covers, len(first.error), worst), figures, args.json)
    return 0


def _windows(
    args: Namespace, forecast: Forecast, given: list[Path] | None, folder: Path, split: str, seed: int
) -> Windows:
    """Draws one window from each recording, or from each fresh fight of all styles on the maps of a split."""
    from npc_sdk.envs.arena.players import ALL_STYLES
    from npc_sdk.experiments.record import RecordConfig, record
    from npc_sdk.train.coverage import joined, windows
    from npc_sdk.train.dataset import build_dataset
    from npc_sdk.train.recordings import SUFFIX, read_recordings

    if not given:
        record(RecordConfig(args.episodes, args.seconds, seed, split, ALL_STYLES), folder, args.jobs)
        given = [folder]
    files = sorted(f for path in given for f in (path.glob(f"*{SUFFIX}") if path.is_dir() else [path]))
    parts: list[Windows] = []
    with progress(len(files), split, "fight") as bar:
        for some in _cut(files):
            plays = read_recordings(some).plays
            parts.append(windows(forecast, build_dataset(plays), seed + len(parts)))
            bar.update(len(some))
    return joined(parts)


def _cut(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for first in range(0, len(files), TOGETHER):
        yield files[first : first + TOGETHER]


def _lines(covers: Sequence[Cover], calibrated_on: int, worst: float) -> list[str]:
    header = ("forecast of the player", "seconds", "level", "held", "radius m", "of reach", "fights")
    body = [
        [c.group, f"{c.seconds:.1f}", f"{100 * c.level:.0f} %", f"{100 * c.coverage:.1f} %", f"{c.radius:.2f}",
         f"{100 * c.of_reach:.0f} %", str(c.windows)]
        for c in covers
    ]  # fmt: skip
    told = f"calibrated on {calibrated_on} other fights; furthest off by {100 * worst:.1f} points"
    return [*table(header, body), "", told]
