"""`npc-sdk train`: learns a world model from recordings."""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from npc_sdk.errors import InputError
from npc_sdk.train.dataset import build_dataset
from npc_sdk.train.loop import TrainConfig, Trainer, load_run, save_run
from npc_sdk.train.recordings import read_recordings
from npc_sdk.world import WorldModel, save_model


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run gave."""

    model: WorldModel
    folder: Path
    steps: int
    spent_s: float  # in optimizer steps, earlier parts of the run included


def train(
    recordings: Sequence[Path | str],
    out: Path | str,
    config: TrainConfig | None = None,
    budget_s: float | None = None,
    steps: int | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = False,
) -> Trained:
    """Learns a world model from recordings and writes it to `out`; goes on with a run that was interrupted there.

    Exactly one of `budget_s` and `steps` must be given. With `steps`, an interrupted run ends with the same weights as
    one that was not.

    Raises:
        InputError: no recordings, or neither or both of `budget_s` and `steps`.
        ModelError: recordings of several games, or a run in `out` of another configuration.
        KeyboardInterrupt: after saving what is needed to go on.
    """
    if (steps is None) == (budget_s is None):
        raise InputError(f"train: expected one of steps and budget_s, got steps={steps}, budget_s={budget_s}")
    config, folder = config or TrainConfig(), Path(out)
    read = read_recordings(recordings)
    trainer = Trainer(build_dataset(read.plays), config, torch.device(device))
    fingerprint = hashlib.sha256(
        f"{json.dumps(asdict(config), sort_keys=True)} {read.fingerprint} {steps}".encode()
    ).hexdigest()
    load_run(trainer, folder, fingerprint)

    def save() -> None:
        save_run(trainer, folder, fingerprint)
        notes = {
            "steps": str(trainer.step),
            "spent_s": f"{trainer.spent_s:.0f}",
            "plays": str(len(read.plays)),
            "regularizer": config.regularizer,
        }
        save_model(trainer.average, folder, read.interface_sha256, notes)

    with tqdm(total=100, desc="train", unit="%", disable=quiet, bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:
        try:
            trainer.run(steps=steps, budget_s=budget_s, progress=_shown(bar), save=save)
        finally:
            save()
    return Trained(trainer.average.eval(), folder, trainer.step, trainer.spent_s)


def _shown(bar: tqdm) -> Callable[[int, float, dict[str, float]], None]:
    def show(step: int, share: float, parts: dict[str, float]) -> None:
        bar.update(min(100.0, 100 * share) - bar.n)
        if step % 20 == 0:
            bar.set_postfix_str(
                f"step {step}, 1 s ahead {parts['sight']:.2f} m, latent {parts['embedding']:.2f}", refresh=False
            )

    return show


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk train`."""
    parser.add_argument("recordings", nargs="+", type=Path, help="recording files, or folders of them")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the checkpoint; an interrupted run there goes on"
    )
    parser.add_argument("--minutes", type=float, help="how long to train (6.5, unless --steps is given)")
    parser.add_argument("--steps", type=int, help="train this many steps instead: the same result on every run")
    parser.add_argument(
        "--regularizer", choices=("sigreg", "vicreg", "none"), default="sigreg", help="against collapse of the latent"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")


def main(args: Namespace) -> int:
    """Runs `npc-sdk train`."""
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    budget = None if args.steps is not None else 60 * (args.minutes if args.minutes is not None else 6.5)
    config = TrainConfig(regularizer=args.regularizer, seed=args.seed)
    try:
        done = train(args.recordings, args.out, config, budget_s=budget, steps=args.steps, device=device)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {args.out}")
        return 130
    print(f"{done.steps} steps in {done.spent_s:.0f} s; checkpoint in {done.folder}")
    if args.json:
        print(json.dumps({"steps": done.steps, "spent_s": round(done.spent_s, 1), "checkpoint": str(done.folder)}))
    return 0
