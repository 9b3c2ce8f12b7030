"""Rules about how an NPC moves, by itself and among its own kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npc_sdk.constraints.rules.read import Reader, Who, count, number, one_of, positive


@dataclass(frozen=True, slots=True)
class SpeedLimit:
    """Limits the commanded speed, m/s."""

    name: str
    speed: float
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "speed_limit"
    kind: ClassVar[str] = "speed"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K5")
    text: ClassVar[str] = "the commanded speed never exceeds the limit"
    keys: ClassVar[dict[str, Reader]] = {"speed": positive}


@dataclass(frozen=True, slots=True)
class AccelerationLimit:
    """Limits the change of velocity per second, m/s^2. Braking obeys it too, so it is also the brake."""

    name: str
    acceleration: float
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "acceleration_limit"
    kind: ClassVar[str] = "acceleration"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K5", "K6")
    text: ClassVar[str] = "velocity never changes faster than the limit"
    keys: ClassVar[dict[str, Reader]] = {"acceleration": positive}


@dataclass(frozen=True, slots=True)
class TurnLimit:
    """Limits how fast the direction of motion turns, rad/s, while the NPC is faster than `above`, m/s."""

    name: str
    rate: float
    above: float = 1.0
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "turn_limit"
    kind: ClassVar[str] = "turn"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K5")
    text: ClassVar[str] = "at speed, the direction of motion never turns faster than the limit"
    keys: ClassVar[dict[str, Reader]] = {"rate": positive, "above": number(1.0)}


@dataclass(frozen=True, slots=True)
class AllyDistance:
    """Keeps the centres of any two NPCs that it binds at least `distance` metres apart."""

    name: str
    distance: float
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "ally_distance"
    kind: ClassVar[str] = "spacing"
    class_: ClassVar[str] = "N1 joint"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K4b", "K5", "K6")
    text: ClassVar[str] = "two bound NPCs are never closer than the distance"
    keys: ClassVar[dict[str, Reader]] = {"distance": positive}


@dataclass(frozen=True, slots=True)
class MoveInTurn:
    """Lets at most `most` of a squad, or of all NPCs that it binds, move at a time: the others stand and wait.

    Whoever has moved for `seconds` stops and makes room if somebody waits.
    """

    name: str
    most: int
    seconds: float
    per: str = "squad"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "move_in_turn"
    kind: ClassVar[str] = "in_turn"
    class_: ClassVar[str] = "J"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K4b", "K5", "K6")
    text: ClassVar[str] = "no more of them than that move at a time"
    keys: ClassVar[dict[str, Reader]] = {
        "most": count,
        "seconds": positive,
        "per": one_of(("squad", "all"), "squad"),
    }
