"""How loops are compiled for the CPU: once per machine, then kept on disk (docs/adr/0007)."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

AVAILABLE = importlib.util.find_spec("numba") is not None and importlib.util.find_spec("scipy") is not None


def serves(tensor: torch.Tensor) -> bool:
    """Says whether kernels may do this work: they know no GPU."""
    return AVAILABLE and tensor.device.type == "cpu"


def compiled(function: Any) -> Any:
    """Compiles a function on its first call; without numba it stays what it is, and nobody calls it.

    Sums may be reordered; NaN and infinity keep their meaning. The same input gives the same bytes on one machine.
    """
    if not AVAILABLE:
        return function
    import numba

    fast = {"reassoc", "contract", "nsz", "arcp"}
    return numba.njit(cache=True, nogil=True, fastmath=fast, error_model="numpy")(function)
