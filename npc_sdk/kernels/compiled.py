"""How loops are compiled for the CPU: once per machine, then kept on disk (docs/adr/0007)."""

from __future__ import annotations

from typing import Any

try:
    import numba
    import scipy.linalg.cython_blas  # noqa: F401  numba multiplies matrices by it
except ImportError:  # not there, or not for this Python or NumPy
    AVAILABLE = False
else:
    AVAILABLE = True


def compiled(function: Any) -> Any:
    """Compiles a function on its first call; without numba it stays what it is, and nobody calls it.

    Sums may be reordered; NaN and infinity keep their meaning. The same input gives the same bytes on one machine.
    """
    return _compiled(function, {"reassoc", "contract", "nsz", "arcp"})


def exactly(function: Any) -> Any:
    """As `compiled`, but every operation is rounded as written: two ways to one number end at the same bits."""
    return _compiled(function, set())


def _compiled(function: Any, liberties: set[str]) -> Any:
    if not AVAILABLE:
        return function
    options: dict[str, Any] = {"nogil": True, "fastmath": liberties or False, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in: compiled anew by every process
        return numba.njit(**options)(function)
