"""Stand-ins for two small packages: these tests run on an interpreter with torch, numpy, cupy, msgpack and pytest only.

A stand-in is put in only where the real package is absent.
"""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch


class _Shape:
    """Takes any shape annotation and means nothing: annotations are not checked without jaxtyping."""

    def __class_getitem__(cls, item: object) -> object:
        return object


def load_file(path: str | Path, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Reads a safetensors file: u64 header length, JSON header, raw little-endian tensors."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    types = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            raw = np.frombuffer(data[8 + length + first : 8 + length + last], types[entry["dtype"]])
            out[name] = torch.from_numpy(raw.reshape(entry["shape"]).copy()).to(device)
    return out


def _put_in(name: str, **contents: object) -> None:
    module = ModuleType(name)
    for key, value in contents.items():
        setattr(module, key, value)
    sys.modules[name] = module


if importlib.util.find_spec("jaxtyping") is None:
    _put_in("jaxtyping", Float=_Shape, Int=_Shape, Bool=_Shape, Shaped=_Shape, UInt8=_Shape)
if importlib.util.find_spec("safetensors") is None:
    _put_in("safetensors", SafetensorError=ValueError)
    _put_in("safetensors.torch", load_file=load_file, save_file=None)  # nothing here writes a checkpoint


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))
