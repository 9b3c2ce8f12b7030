"""Where an NPC stands with its rules of class H: forecasts and what came of them, never a guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class ShareStanding:
    """One NPC under one `share_limit`."""

    kind: ClassVar[str] = "share_limit"
    rule: str
    share: float  # of the last `seconds`, as far as the squad can know
    most: float
    seconds: float
    price: float  # added to J per unit of the expression
    met: bool

    @property
    def words(self) -> str:
        """The standing in words."""
        return f"{self.rule} at {100 * self.share:.0f} % of at most {100 * self.most:.0f} %, price {self.price:.2f}"


@dataclass(frozen=True, slots=True)
class ClearStanding:
    """One NPC under one `stay_clear`."""

    kind: ClassVar[str] = "stay_clear"
    rule: str
    confidence: float  # asked for
    level: float  # that forecasts are drawn at now, so that the confidence is reached; may leave 0..1
    basis: str  # "conformal", or "reach": without a calibration only the declared top speed bounds the player
    radius: float  # m, about the player's forecast place at the end of the plan looked at
    kept: bool  # the chosen plan keeps the distance all along
    settled: int  # forecasts whose time has passed with the player in sight
    coverage: float  # share of these that held; NaN before the first

    @property
    def words(self) -> str:
        """The standing in words."""
        told = "kept" if self.kept else "not kept"
        width = f"{self.radius:.1f} m wide" if self.basis == "conformal" else "as wide as the player can run"
        return f"{self.rule} {told}, a {100 * self.confidence:.0f} % forecast {width}"


Standing: TypeAlias = ShareStanding | ClearStanding
