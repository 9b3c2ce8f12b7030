"""What a picture of a rule shows, in metres and seconds; how it looks is `paint`'s concern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

ASKED, KEPT, OTHER = "asked", "kept", "other"
"""Whose a line or a mark is: the NPC's without the rule, with it, and somebody else's."""


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the floor that a rule is about: a polygon, or several taken together. `outside`: all else is barred."""

    polygons: tuple[Float[np.ndarray, "v 2"], ...]
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """Where somebody went, and how large a body is shown along it; 0: none."""

    whose: str
    points: Float[np.ndarray, "t 2"]
    radius: float = 0.0
    every: int = 0  # ticks between bodies, 0: only where it ends


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a place: an attack that was granted (`KEPT`) or refused (`ASKED`)."""

    whose: str
    place: Float[np.ndarray, 2]


@dataclass(frozen=True, slots=True)
class Floor:
    """A view from above."""

    corner: tuple[float, float]  # m, lower left
    width: float  # m
    areas: tuple[Area, ...]
    ways: tuple[Way, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """A number over time, and what of it is barred."""

    says: str
    seconds: Float[np.ndarray, " t"]
    asked: Float[np.ndarray, " t"]
    kept: Float[np.ndarray, " t"]
    barred: tuple[float, float] | None = None  # from, to


@dataclass(frozen=True, slots=True)
class Row:
    """One NPC's attacks over time."""

    says: str
    granted: tuple[float, ...]  # s
    refused: tuple[float, ...]  # s
    holds: tuple[tuple[float, float], ...] = ()  # s: while the rule counts one of them


@dataclass(frozen=True, slots=True)
class Rows:
    """Attacks over time, and when none is allowed."""

    length: float  # s
    rows: tuple[Row, ...]
    barred: tuple[tuple[float, float], ...] = ()  # s


@dataclass(frozen=True, slots=True)
class Picture:
    """One rule. Margins are the smallest of the play, >= 0 is kept; `unit` is theirs."""

    rule: str
    says: str  # what is shown, for whom does not see it
    view: Floor | Curves | Rows
    asked: float  # without the rule
    kept: float  # with it
    unit: str = "m"


View: TypeAlias = Floor | Curves | Rows
