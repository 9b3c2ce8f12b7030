"""How loops are compiled for the CPU: once per machine, then kept on disk (docs/adr/0007)."""

from __future__ import annotations

from typing import Any

import numba

# Sums may be reordered; NaN and infinity keep their meaning. The same input gives the same bytes on the same machine.
compiled: Any = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")
