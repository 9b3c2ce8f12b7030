"""World models as files: weights in safetensors, everything else in readable JSON beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from npc_sdk.errors import ModelError
from npc_sdk.tensors import FEATURES
from npc_sdk.world.model import ModelConfig, WorldModel
from npc_sdk.world.update import UpdateConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KIND, VERSION = "npc_sdk.world", 4  # 1 knew no habit, 2 made it of other numbers, 3 was told how NPCs move


def save_model(
    model: WorldModel, folder: Path | str, interface_sha256: str, notes: dict[str, str] | None = None
) -> None:
    """Writes a checkpoint's folder; `interface_sha256` is the schema's, so that another game is refused at load."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    document = {
        "kind": KIND,
        "version": VERSION,
        "interface_sha256": interface_sha256,
        "model": asdict(model.config),
        "notes": notes or {},
    }
    (folder / CONFIG).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_model(
    folder: Path | str, device: torch.device | str = "cpu", interface_sha256: str | None = None
) -> WorldModel:
    """Reads a checkpoint folder.

    Raises:
        ModelError: a file is missing or damaged, was made by another version, or, where `interface_sha256` is given,
            for another game.
    """
    folder = Path(folder)
    document = read_document(folder)
    if interface_sha256 is not None and document["interface_sha256"] != interface_sha256:
        raise ModelError(
            f"{folder}: expected a model for schema interface {interface_sha256[:12]}, "
            f"got one for {str(document['interface_sha256'])[:12]}; "
            "train one on recordings of this game"
        )
    model = WorldModel(_config(folder, document))
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder / WEIGHTS}: expected the weights that {CONFIG} describes, got: {error}") from error
    return model.to(device).eval()


def read_document(folder: Path) -> dict[str, object]:
    try:
        document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG}: expected the description of a checkpoint, got: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ModelError(f"{folder / CONFIG}: expected kind {KIND}; this file was written by something else")
    if document.get("version") != VERSION:
        raise ModelError(
            f"{folder / CONFIG}: expected a checkpoint of version {VERSION}, got {document.get('version')}; "
            "train it again with this version of npc-sdk"
        )
    return document


def _config(folder: Path, document: dict[str, object]) -> ModelConfig:
    try:
        raw = dict(document["model"])  # type: ignore[call-overload]  # checked by the except below
        update = UpdateConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.pop("update").items()})  # type: ignore[arg-type]  # JSON
        config = ModelConfig(**{**raw, "features": tuple(raw["features"]), "update": update})
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG}: expected the fields of a model config, got: {error}") from error
    if config.features != FEATURES:
        raise ModelError(
            f"{folder / CONFIG}: expected features {FEATURES}, got {config.features}; train again with this version"
        )
    return config
