"""Which forecast a brain runs: the shipped arena model, a checkpoint folder, or one without learning."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch

from npc_sdk.errors import InputError
from npc_sdk.world import ConstantVelocity, Forecast, Frozen, ModelConfig, WorldModel, load_model
from npc_sdk.world.checkpoint import WEIGHTS, read_document
from npc_sdk.world.conformal import FILE, Calibration, read_calibration

ARENA = "arena"
LEARNED = "learned"
PLAIN = ("constant-velocity", "frozen", "untrained")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A forecast ready to plan with.

    Attributes:
        name: as asked for.
        forecast: the forecast.
        sha256: of the weights file, "" where there is none.
        interface_sha256: of the schema it was trained on, "" for forecasts that fit every game.
        calibration: how far off it was on held-out play, None where nobody measured that.
    """

    name: str
    forecast: Forecast
    sha256: str = ""
    interface_sha256: str = ""
    calibration: Calibration | None = None


def choices(loaded: Loaded, device: torch.device, seed: int = 0) -> dict[str, Loaded]:
    """Returns what a brain can swap between while it runs: the one it was started with first, then the plain ones.

    A model out of a file is called `learned`, whatever the file's name. All are made now: a swap then reads nothing.
    """
    first = LEARNED if loaded.sha256 else loaded.name
    return {first: loaded} | {name: load(name, device, seed) for name in PLAIN if name != first}


def shipped() -> Path:
    """Returns where the package keeps its trained arena model."""
    return Path(str(files("npc_sdk") / "models" / "arena"))


def device_of(name: str) -> torch.device:
    """Turns `auto`, `cpu` or `cuda` into a device.

    Raises:
        InputError: cuda was asked for and there is none, or the name is unknown.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: expected a CUDA device, found none; use --device cpu")
    if name not in ("cpu", "cuda"):
        raise InputError(f"device: expected auto, cpu or cuda, got {name!r}")
    return torch.device(name)


def load(name: str, device: torch.device, seed: int = 0, *, calibrate: bool = True) -> Loaded:
    """Loads a forecast by name; without `calibrate`, as if nobody had measured it.

    Raises:
        ModelError: the folder holds no checkpoint of ours, or a calibration of other weights.
        InputError: the name is none of the known ones and no folder.
    """
    if name == "constant-velocity":
        return Loaded(name, ConstantVelocity(device=device))
    if name == "frozen":
        return Loaded(name, Frozen(device=device))
    if name == "untrained":
        torch.manual_seed(seed)
        return Loaded(name, WorldModel(ModelConfig()).to(device).eval())
    folder = shipped() if name == ARENA else Path(name)
    if not folder.is_dir():
        raise InputError(f"model: expected {ARENA}, {', '.join(PLAIN)} or a checkpoint folder, got {name!r}")
    interface = str(read_document(folder)["interface_sha256"])
    model, sha256 = load_model(folder, device), hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    measured = folder / FILE
    calibration = read_calibration(measured, sha256) if calibrate and measured.exists() else None
    return Loaded(name, model, sha256, interface, calibration)


def weights_sha256(forecast: Forecast) -> str:
    """Returns the hash of a forecast's numbers as they are in memory now, "" for one without any.

    It changes with a single bit of a single weight, so it shows whether something has been trained meanwhile.
    """
    if not isinstance(forecast, torch.nn.Module):
        return ""
    digest = hashlib.sha256()
    for name, tensor in sorted(forecast.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
