"""Several processes train one model: each follows its share of the fights; a step takes the mean of the gradients."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from npc_sdk.errors import InputError
from npc_sdk.train.dataset import Dataset
from npc_sdk.train.loop import TrainConfig, Trainer, load_run

PATIENCE = timedelta(seconds=120)  # with a job that does not take part


@contextmanager
def helpers(dataset: Dataset, config: TrainConfig, jobs: int, folder: Path, fingerprint: str) -> Iterator[None]:
    """Runs `jobs` - 1 helpers beside the caller, who trains as number 0.

    Raises:
        InputError: several jobs where processes cannot share a dataset (no `fork`, no gloo).
    """
    if jobs == 1:
        yield
        return
    if "fork" not in multiprocessing.get_all_start_methods() or not dist.is_gloo_available():
        raise InputError("train: several jobs need a system with fork and torch with gloo; use --jobs 1")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    threads, context = torch.get_num_threads(), multiprocessing.get_context("fork")
    torch.set_num_threads(1)  # all jobs must round alike
    others = []
    with tempfile.TemporaryDirectory() as meeting:
        store = f"file://{meeting}/store"
        try:
            for rank in range(1, jobs):
                given = (rank, dataset, config, jobs, folder, fingerprint, store)
                others.append(context.Process(target=_help, args=given, daemon=True))
                others[-1].start()
            dist.init_process_group("gloo", init_method=store, rank=0, world_size=jobs, timeout=PATIENCE)
            yield
            for other in others:
                other.join(10.0)
        finally:  # whoever is left waits for a step that will not come
            for other in others:
                other.terminate()
                other.join()
            if dist.is_initialized():
                dist.destroy_process_group()
            torch.set_num_threads(threads)


def _help(
    rank: int, dataset: Dataset, config: TrainConfig, jobs: int, folder: Path, fingerprint: str, store: str
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller says when to stop
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=jobs, timeout=PATIENCE)
    trainer = Trainer(dataset, config, rank=rank, jobs=jobs)
    load_run(trainer, folder, fingerprint)
    trainer.assist()
    dist.destroy_process_group()
