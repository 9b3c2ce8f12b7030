"""`npc-sdk evaluate`: a world model beside simpler forecasts, on maps and styles outside its training."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from npc_sdk.experiments import covered, fight, foresight, ruled
from npc_sdk.experiments.report import add_json, emit, machine, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.train.dataset import Dataset

HORIZONS = ("0.1", "0.5", "1.0", "3.0")


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk evaluate`."""
    parser.add_argument("--model", default="arena", help="arena or a checkpoint folder")
    parser.add_argument("--without", type=Path, metavar="FOLDER", help="a checkpoint trained with --regularizer none")
    parser.add_argument("--test", nargs="+", type=Path, metavar="PATH", help="recordings of held-out play, all styles")
    parser.add_argument("--train", nargs="+", type=Path, metavar="PATH", help="recordings the plain rivals learn from")
    parser.add_argument("--episodes", type=count, default=80, help="fresh fights where no --test is given (80)")
    parser.add_argument("--seconds", type=duration, default=20.0, help="length of fresh fights (20)")
    parser.add_argument("--seed", type=natural, default=0, help="of the fresh fights")
    parser.add_argument("--jobs", type=count, default=1, help="processes that play fresh fights (1)")
    add_json(parser)
    kinds = parser.add_subparsers(dest="what", metavar="play | plans | coverage | rules")
    fight.add_arguments(kinds.add_parser("play", help="planned NPCs against scripted ones"))
    foresight.add_arguments(kinds.add_parser("plans", help="imagined against realised plans"))
    covered.add_arguments(kinds.add_parser("coverage", help="how often forecasts hold that are to with a confidence"))
    ruled.add_arguments(kinds.add_parser("rules", help="what rules of class H come to, and cost"))


def main(args: Namespace) -> int:
    """Runs `npc-sdk evaluate`."""
    if args.what == "play":
        return fight.main(args)
    if args.what == "plans":
        return foresight.main(args)
    if args.what == "coverage":
        return covered.main(args)
    if args.what == "rules":
        return ruled.main(args)
    import torch

    from npc_sdk.envs.arena.players import HELD_OUT_STYLES
    from npc_sdk.errors import InputError
    from npc_sdk.serve.models import load
    from npc_sdk.train.evaluate import evaluate
    from npc_sdk.world import WorldModel, load_model

    torch.set_num_threads(1)
    loaded = load(args.model, torch.device("cpu"))
    if not isinstance(loaded.forecast, WorldModel):
        raise InputError(f"evaluate: expected a learned model, got {args.model!r}")
    with TemporaryDirectory() as scratch:
        test = _dataset(args, args.test, Path(scratch) / "test", "test", args.episodes, args.seed + 1)
        train = _dataset(args, args.train, Path(scratch) / "train", "train", 2 * args.episodes, args.seed)
        without = load_model(args.without) if args.without else None
        report = dict(evaluate(loaded.forecast, test, train, HELD_OUT_STYLES, without))
    figures = report | {"model": args.model, "model_sha256": loaded.sha256, "seed": args.seed, "machine": machine()}
    emit(_lines(report), figures, args.json)
    return 0


def _dataset(args: Namespace, given: list[Path] | None, folder: Path, split: str, episodes: int, seed: int) -> Dataset:
    """Reads recordings, or plays fresh fights on the maps of a split: all styles on held-out maps, else the known."""
    from npc_sdk.envs.arena.players import ALL_STYLES, STYLES
    from npc_sdk.experiments.record import RecordConfig, record
    from npc_sdk.train.dataset import build_dataset
    from npc_sdk.train.recordings import read_recordings

    if not given:
        styles = STYLES if split == "train" else ALL_STYLES
        record(RecordConfig(episodes, args.seconds, seed, split, styles), folder, args.jobs)
        given = [folder]
    return build_dataset(read_recordings(given, quiet=False).plays, quiet=False)


def _lines(report: Mapping[str, object]) -> list[str]:
    lines = []
    for key in ("player_error_m", "player_error_seen_now_m", "player_error_unseen_style_m"):
        rows = report[key]
        assert isinstance(rows, dict)
        body = [[name, *(f"{errors[h]:.3f}" for h in HORIZONS)] for name, errors in rows.items()]
        lines += [*table((key, *(f"{h} s" for h in HORIZONS)), body), ""]
    for key in ("npc_error_m", "projectile_error_m", "events", "latent", "style_probe"):
        lines.append(f"{key}: {report[key]}")
    return lines
