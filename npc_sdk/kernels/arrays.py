"""Between tensors and what kernels compute with."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from npc_sdk.kernels import compiled


def serves(tensor: torch.Tensor) -> bool:
    """Says whether kernels may do this work: they know no GPU."""
    return compiled.AVAILABLE and tensor.device.type == "cpu"


def array(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's numbers, rows first, in its own memory where that is laid out so."""
    numbers: NDArray[Any] = tensor.detach().contiguous().numpy()
    return numbers
