"""How every measuring command speaks: plain lines for people, then, if asked, one JSON object as the last line."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def add_json(parser: ArgumentParser) -> None:
    """Adds the option that all measuring commands share."""
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")


def emit(lines: Iterable[str], figures: Mapping[str, object], as_json: bool) -> None:
    """Prints the lines, then the figures if asked; numbers that are not finite become null."""
    for line in lines:
        print(line)
    if as_json:
        print(json.dumps(plain(figures), allow_nan=False))
    sys.stdout.flush()


def plain(value: object) -> Json:
    """Turns NumPy scalars and arrays, tuples and non-finite numbers into what JSON knows.

    Raises:
        TypeError: a value of another kind.
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"expected a number, text, list or mapping, got {type(value).__name__}")


def machine() -> str:
    """Names what the figures were taken on."""
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count() or 0} cores, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, OMP_NUM_THREADS {threads}"
    )


def progress(total: int, title: str, unit: str = "it") -> tqdm[None]:
    """Returns a progress bar on stderr; it stays silent where stderr is no terminal and the work is short."""
    return tqdm(total=total, desc=title, unit=unit, file=sys.stderr, mininterval=0.5, smoothing=0.1)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns aligned lines; the first column is text, the others are numbers."""
    body = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[k]) for row in body) for k in range(len(header))]
    return [
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in body
    ]
