"""Vectors that every implementation of the protocol must agree with, and what holds one to them."""

from .cases import (
    POSE,
    Verdict,
    car_schema,
    describe,
    folder,
    grid_schema,
    invalid,
    judge,
    ladder_scripts,
    lenient,
    sample_action,
    sample_schema,
    sample_snapshot,
    valid,
    vectors,
    write,
)
from .check import Report, check

__all__ = [
    "POSE",
    "Report",
    "Verdict",
    "car_schema",
    "check",
    "describe",
    "folder",
    "grid_schema",
    "invalid",
    "judge",
    "ladder_scripts",
    "lenient",
    "sample_action",
    "sample_schema",
    "sample_snapshot",
    "valid",
    "vectors",
    "write",
]
