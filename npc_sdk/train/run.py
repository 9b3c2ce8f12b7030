"""One training run: from recordings to a checkpoint, to be stopped and gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from npc_sdk.errors import InputError
from npc_sdk.train.dataset import build_dataset
from npc_sdk.train.loop import TrainConfig, Trainer, load_run, save_run
from npc_sdk.train.recordings import read_recordings
from npc_sdk.train.together import helpers
from npc_sdk.world import WorldModel, load_model, save_model
from npc_sdk.world.checkpoint import WEIGHTS


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
    jobs: int = 1,
) -> Trained:
    """Learns a world model from recordings and writes it to `out`; goes on with a run that was interrupted there.

    Exactly one of `budget_s` and `steps` must be given. With `steps`, an interrupted run ends with the same weights as
    one that was not, as long as one job trains. Several `jobs` are processes that share the `config.streams` fights and
    average their gradients: on the CPU only.

    Raises:
        InputError: no recordings, neither or both of `budget_s` and `steps`, or jobs that cannot be had.
        ModelError: recordings of several games, a run in `out` of another configuration or number of jobs, or a start
            that is no checkpoint of this game.
        KeyboardInterrupt: after saving what is needed to go on.
    """
    if (steps is None) == (budget_s is None):
        raise InputError(f"train: expected one of steps and budget_s, got steps={steps}, budget_s={budget_s}")
    if jobs < 1 or (jobs > 1 and torch.device(device).type != "cpu"):
        raise InputError(f"train: expected 1 job, or more of them on the CPU, got {jobs} on {device}")
    config, folder = config or TrainConfig(), Path(out)
    read = read_recordings(recordings, quiet)
    start = {}
    if config.start:
        load_model(config.start, interface_sha256=read.interface_sha256)  # of the same game
        start["start_sha256"] = hashlib.sha256((Path(config.start) / WEIGHTS).read_bytes()).hexdigest()
    dataset = build_dataset(read.plays, quiet)
    trainer = Trainer(dataset, config, torch.device(device), jobs=jobs)
    fingerprint = hashlib.sha256(
        f"{json.dumps(asdict(config) | start, sort_keys=True)} {read.fingerprint} {steps} {jobs}".encode()
    ).hexdigest()
    load_run(trainer, folder, fingerprint)

    def save() -> None:
        save_run(trainer, folder, fingerprint)
        notes = {
            "steps": str(trainer.step),
            "spent_s": f"{trainer.spent_s:.0f}",
            "plays": str(len(read.plays)),
            "regularizer": config.regularizer,
        } | start
        save_model(trainer.average, folder, read.interface_sha256, notes)

    bar_of = tqdm(total=100, desc="train", unit="%", disable=quiet, bar_format="{l_bar}{bar}| {elapsed} {postfix}")
    with bar_of as bar, helpers(dataset, config, jobs, folder, fingerprint):
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
