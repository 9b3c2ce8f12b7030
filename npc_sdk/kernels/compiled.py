"""How loops are compiled for the CPU: once per machine, then kept on disk (docs/adr/0007)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

try:
    import numba
    import scipy.linalg.cython_blas  # noqa: F401  numba multiplies matrices by it
except ImportError:  # not there, or not for this Python or NumPy
    AVAILABLE = False
else:
    AVAILABLE = True


def serves(tensor: torch.Tensor) -> bool:
    """Says whether kernels may do this work: they know no GPU."""
    return AVAILABLE and tensor.device.type == "cpu"


def array(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's numbers, rows first, in its own memory where that is laid out so."""
    numbers: NDArray[Any] = tensor.detach().contiguous().numpy()
    return numbers


def compiled(function: Any) -> Any:
    """Compiles a function on its first call; without numba it stays what it is, and nobody calls it.

    Sums may be reordered; NaN and infinity keep their meaning. The same input gives the same bytes on one machine.
    """
    if not AVAILABLE:
        return function
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": {"reassoc", "contract", "nsz", "arcp"},
        "error_model": "numpy",
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in: compiled anew by every process
        return numba.njit(**options)(function)
