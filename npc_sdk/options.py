"""Types of command-line numbers: what argparse reports names the option, what was expected and what came."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def count(text: str) -> int:
    """Reads a whole number of at least 1."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """Reads a whole number of at least 0."""
    return _whole(text, 0)


def duration(text: str) -> float:
    """Reads a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0.0):
        raise ArgumentTypeError(f"expected a finite number above 0, got {text!r}")
    return number


def share(text: str) -> float:
    """Reads a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return number


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
    return number
