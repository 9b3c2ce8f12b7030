"""Several processes train one model: each follows fights of its own, every step takes the mean of the gradients."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist

from npc_sdk.errors import InputError
from npc_sdk.train.dataset import Dataset
from npc_sdk.train.loop import TrainConfig, Trainer, load_run


@contextmanager
def helpers(dataset: Dataset, config: TrainConfig, jobs: int, folder: Path, fingerprint: str) -> Iterator[None]:
    """Runs `jobs` - 1 helpers beside the caller, who trains as number 0.

    Raises:
        InputError: fewer than one job, or several where processes cannot share a dataset (no `fork`, no gloo).
    """
    if jobs < 1:
        raise InputError(f"train: expected at least one job, got {jobs}")
    if jobs == 1:
        yield
        return
    if "fork" not in multiprocessing.get_all_start_methods() or not dist.is_gloo_available():
        raise InputError("train: several jobs need a system with fork and torch with gloo; use --jobs 1")
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as meeting:
        store = f"file://{meeting}/store"
        given = (dataset, config, jobs, folder, fingerprint, store)
        others = [context.Process(target=_help, args=(rank, *given), daemon=True) for rank in range(1, jobs)]
        for other in others:
            other.start()
        dist.init_process_group("gloo", init_method=store, rank=0, world_size=jobs)
        try:
            yield
            for other in others:
                other.join(10.0)
        finally:  # whoever is left waits for a step that will not come
            for other in others:
                other.terminate()
            dist.destroy_process_group()


def _help(
    rank: int, dataset: Dataset, config: TrainConfig, jobs: int, folder: Path, fingerprint: str, store: str
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller says when to stop
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=jobs)
    trainer = Trainer(dataset, config, rank=rank, jobs=jobs)
    load_run(trainer, folder, fingerprint)
    trainer.assist()
    dist.destroy_process_group()
