"""Rules of class H: about what will be, or about how often. They are forecasts, held to by the planner, not certified.

Nothing here is promised. A rule of this class says with which confidence it is meant, or how much of the time, and the
brain reports what came of it. Hence tier 0, in which rules hold by proof, is closed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npc_sdk.constraints.rules.read import Reader, Who, duration, forecast_tier, fraction, positive, word


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """Wants an expression over the quantities of objectives to hold for at most a share `most` of any `seconds`.

    The expression counts as held within 0 and 1: `player.sees_me` is how exposed an NPC is. It is priced: each NPC that
    the rule binds pays for it beside its weights, the more the longer it is over the limit (`planner.prices`).
    """

    name: str
    of: str
    most: float
    seconds: float = 10.0
    who: Who = "all"
    tier: int = 1
    rule: ClassVar[str] = "share_limit"
    kind: ClassVar[str] = ""  # not the shield's
    class_: ClassVar[str] = "H"
    assumptions: ClassVar[tuple[str, ...]] = ()
    text: ClassVar[str] = "a forecast: the expression is to hold for no more than that share of the time"
    keys: ClassVar[dict[str, Reader]] = {"of": word(), "most": fraction(), "seconds": duration(10.0)}

    def __post_init__(self) -> None:
        forecast_tier(self.name, self.tier)


@dataclass(frozen=True, slots=True)
class StayClear:
    """Wants plans that keep `distance` metres from where the player will be, with a confidence, `seconds` ahead.

    The confidence is one of forecasts: so often the player was to stay within the radius drawn about its forecast place
    all the time. `top_speed`, m/s, is what the player is declared not to exceed; no radius looks further than that.
    """

    name: str
    distance: float
    top_speed: float
    confidence: float = 0.95
    seconds: float = 1.0
    who: Who = "all"
    tier: int = 1
    rule: ClassVar[str] = "stay_clear"
    kind: ClassVar[str] = ""  # not the shield's
    class_: ClassVar[str] = "H"
    assumptions: ClassVar[tuple[str, ...]] = ("K4",)
    text: ClassVar[str] = "a forecast: plans keep the distance from where the player will be, with that confidence"
    keys: ClassVar[dict[str, Reader]] = {
        "distance": positive,
        "top_speed": positive,
        "confidence": fraction(0.95),
        "seconds": duration(1.0),
    }

    def __post_init__(self) -> None:
        forecast_tier(self.name, self.tier)
