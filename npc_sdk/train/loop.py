"""The training loop: streams of play, checkpoints that resume to the same result."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
import torch.distributed as dist
from jaxtyping import Bool, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from npc_sdk.errors import ModelError
from npc_sdk.train.dataset import TURNS, Dataset
from npc_sdk.train.losses import LossWeights, chunk_loss
from npc_sdk.train.muon import Muon
from npc_sdk.world import Memory, ModelConfig, WorldModel, load_model
from npc_sdk.world.destinations import AHEAD

log = logging.getLogger(__name__)

Progress = Callable[[int, float, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train. One of `steps` and `budget_s` of the call ends it."""

    model: ModelConfig = field(default_factory=ModelConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    regularizer: str = "sigreg"  # sigreg, vicreg or none
    streams: int = 64  # fights followed side by side, by all jobs together
    chunk: int = 8  # observations filtered per step
    horizon: int = 30  # model steps rolled on
    start: str = ""  # folder of a checkpoint whose weights training begins with; "" begins afresh
    learning_rate: float = 4e-3
    averaging: float = 0.99  # decay of the weight average that is kept as the result
    clip: float = 1.0
    seed: int = 0
    save_every_s: float = 30.0


@dataclass(slots=True)
class _Streams:
    """Where each stream is in the recordings, and what the model remembers of it."""

    row: Int[Tensor, b]
    at: Int[Tensor, b]
    turn: Int[Tensor, b]
    memory: Memory


class Trainer:
    """Holds one training run. Deterministic on the CPU for a seed, a number of steps and a thread count."""

    def __init__(
        self,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device | None = None,
        *,
        rank: int = 0,
        jobs: int = 1,
    ) -> None:
        self.config = config
        self._rank, self._jobs = rank, jobs
        self.device = device or torch.device("cpu")
        self.dataset = dataset.to(self.device)
        torch.manual_seed(config.seed)  # weights only; everything else draws from the generator
        fresh = WorldModel(config.model) if not config.start else load_model(config.start)
        self.model = fresh.to(self.device)
        self.average = copy.deepcopy(self.model)
        self.generator = torch.Generator().manual_seed(config.seed + 1_000_003 * rank)
        self._optimizers = _optimizers(self.model, config.learning_rate)
        self.step = 0
        self.spent_s = 0.0
        b, e = -(-config.streams // jobs), dataset.kind.shape[2]
        zeros = torch.zeros(b, dtype=torch.long, device=self.device)
        self._streams = _Streams(zeros, zeros.clone(), zeros.clone(), self.model.start(b, e))
        self._renew(torch.ones(b, dtype=torch.bool, device=self.device), anywhere=True)

    def run(
        self,
        steps: int | None = None,
        budget_s: float | None = None,
        progress: Progress | None = None,
        save: Callable[[], None] | None = None,
    ) -> None:
        """Trains until `steps` are done or `budget_s` is spent, earlier parts of this run included."""
        if (steps is None) == (budget_s is None):
            raise ValueError(f"expected one of steps and budget_s, got steps={steps}, budget_s={budget_s}")
        saved = time.perf_counter()
        while True:
            share = self.step / steps if steps is not None else self.spent_s / (budget_s or 1.0)
            if self._agree(share) >= 1:
                break
            began = time.perf_counter()
            parts = self._advance(share)
            self.spent_s += time.perf_counter() - began
            if progress:
                progress(self.step, share, parts)
            if save and time.perf_counter() - saved > self.config.save_every_s:
                save()
                saved = time.perf_counter()

    def assist(self) -> None:
        """Trains along as a helper, until number 0 stops."""
        while (share := self._agree(0.0)) < 1:
            self._advance(share)

    def _agree(self, share: float) -> float:
        """Tells all jobs what share of the training is done; number 0 knows."""
        if self._jobs == 1:
            return share
        told = torch.tensor([share], dtype=torch.float64)
        dist.broadcast(told, 0)
        return float(told)

    def _average_gradients(self) -> None:
        if self._jobs == 1:
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.reshape(gradient.shape) / self._jobs)

    def _advance(self, share: float) -> dict[str, float]:
        """Does one optimizer step on the next chunk of every stream."""
        config, streams = self.config, self._streams
        window = self.dataset.window(streams.row, streams.at, config.chunk + max(config.horizon, *AHEAD), streams.turn)
        chunk = chunk_loss(
            self.model,
            window,
            streams.memory,
            config.chunk,
            config.horizon,
            config.weights,
            config.regularizer,
            self.generator,
        )
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        chunk.loss.backward()
        self._average_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        warm = min(1.0, (self.step + 1) / 50)
        rate = config.learning_rate * warm * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.step += 1
        self._fold(min(config.averaging, self.step / (self.step + 10)))
        streams.memory = chunk.memory
        streams.at = streams.at + config.chunk
        self._renew(streams.at + config.chunk >= self.dataset.length[streams.row], anywhere=False)
        return {name: float(value) for name, value in chunk.parts.items()} | {
            "norm": float(norm),
            "loss": float(chunk.loss.detach()),
        }

    def _fold(self, keep: float) -> None:
        """Moves the averaged weights towards the current ones."""
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def _renew(self, over: Bool[Tensor, b], anywhere: bool) -> None:
        """Puts streams that ran out onto another fight; at first anywhere in it, so that streams are out of step."""
        b = len(over)
        row = torch.randint(len(self.dataset.length), (b,), generator=self.generator).to(self.device)
        turn = torch.randint(TURNS, (b,), generator=self.generator).to(self.device)
        offset = torch.rand(b, generator=self.generator).to(self.device)
        if not anywhere:
            offset = offset * self.config.chunk / self.dataset.length[row]
        at = (offset * (self.dataset.length[row] - self.config.chunk).clamp(min=0)).long()
        streams = self._streams
        streams.row, streams.at, streams.turn = (
            torch.where(over, new, old) for new, old in ((row, streams.row), (at, streams.at), (turn, streams.turn))
        )
        memory = streams.memory
        streams.memory = Memory(**{f.name: _cleared(getattr(memory, f.name), over) for f in fields(Memory)})

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Everything needed to go on, as tensors and plain values."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for which, optimizer in enumerate(self._optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{which}.{index}.{name}": value for name, value in state.items()}
        streams = self._streams
        tensors |= {"stream.row": streams.row, "stream.at": streams.at, "stream.turn": streams.turn}
        tensors |= {f"memory.{f.name}": getattr(streams.memory, f.name) for f in fields(Memory)}
        tensors["generator"] = self.generator.get_state()
        return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {
            "step": self.step,
            "spent_s": self.spent_s,
        }

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, object]) -> None:
        """Goes back to a saved state."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        self.average.load_state_dict(under("average."))
        moments: list[dict[int, dict[str, Tensor]]] = [{} for _ in self._optimizers]
        for key, value in under("optimizer.").items():
            which, index, name = key.split(".")
            moments[int(which)].setdefault(int(index), {})[name] = value
        for optimizer, state in zip(self._optimizers, moments, strict=True):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.step, self.spent_s = int(str(plain["step"])), float(str(plain["spent_s"]))
        if self._rank:  # a helper goes on with fights of its own
            self.generator.manual_seed(self.config.seed + 1_000_003 * self._rank + self.step)
            self._renew(torch.ones_like(self._streams.row, dtype=torch.bool), anywhere=True)
            return
        stream, memory = under("stream."), under("memory.")
        remembered = Memory(**{f.name: memory[f.name].to(self.device) for f in fields(Memory)})
        self._streams = _Streams(
            stream["row"].to(self.device), stream["at"].to(self.device), stream["turn"].to(self.device), remembered
        )
        self.generator.set_state(tensors["generator"])


def _optimizers(model: WorldModel, rate: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for matrices, Adam for the rest: fewer steps for the same loss, and a step is dear next to either."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    return Muon(matrices, rate), torch.optim.Adam(others, lr=rate, betas=(0.9, 0.98))


def save_run(trainer: Trainer, folder: Path, fingerprint: str) -> None:
    """Writes a run so that it can go on later; a crash in between leaves the older one."""
    tensors, plain = trainer.state()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        tensors, folder / "run.safetensors.new", metadata={"plain": json.dumps({**plain, "fingerprint": fingerprint})}
    )
    (folder / "run.safetensors.new").replace(folder / "run.safetensors")


def load_run(trainer: Trainer, folder: Path, fingerprint: str) -> bool:
    """Goes on with the run in `folder`, if there is one.

    Raises:
        ModelError: it was started with another configuration or other recordings.
    """
    path = folder / "run.safetensors"
    if not path.exists():
        return False
    plain = _plain(path)
    if plain.get("fingerprint") != fingerprint:
        raise ModelError(
            f"{path}: expected a run of this configuration and these recordings; remove it or choose another folder"
        )
    trainer.restore(load_file(path), plain)
    return True


def _plain(path: Path) -> dict[str, object]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        loaded: dict[str, object] = json.loads((file.metadata() or {})["plain"])
    return loaded


def _cleared(part: Tensor, over: Bool[Tensor, b]) -> Tensor:
    return torch.where(over.reshape(-1, *(1,) * (part.ndim - 1)), torch.zeros_like(part), part)
