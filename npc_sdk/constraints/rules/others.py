"""Rules about what somebody else moves. Class X + N1: nobody can promise the distance itself, since the other may
walk up; promised is that the NPC never moves in a way that makes it worse than standing still would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npc_sdk.constraints.rules.read import Reader, Who, positive, word
from npc_sdk.errors import ConstraintError

_MOVING = ("K1", "K2", "K4", "K5", "K6")


@dataclass(frozen=True, slots=True)
class KeepAway:
    """Keeps `distance` metres from every entity of a role or a type, as far as that is up to the NPC.

    `top_speed`, m/s, is what those entities are declared not to exceed (assumption K4).
    """

    name: str
    distance: float
    top_speed: float
    to: str = "player"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "keep_away"
    kind: ClassVar[str] = "keep_away"
    class_: ClassVar[str] = "X + N1"
    assumptions: ClassVar[tuple[str, ...]] = _MOVING
    text: ClassVar[str] = (
        "no motion of the NPC brings it closer than the distance: whoever comes closer does it himself"
    )
    keys: ClassVar[dict[str, Reader]] = {"distance": positive, "top_speed": positive, "to": word("player")}


@dataclass(frozen=True, slots=True)
class StayNear:
    """Keeps within `distance` metres of every entity of a role or a type, as far as that is up to the NPC.

    `top_speed`, m/s, is what those entities are declared not to exceed (assumption K4).
    """

    name: str
    distance: float
    top_speed: float
    to: str = "protected"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "stay_near"
    kind: ClassVar[str] = "stay_near"
    class_: ClassVar[str] = "X + N1"
    assumptions: ClassVar[tuple[str, ...]] = _MOVING
    text: ClassVar[str] = (
        "no motion of the NPC takes it further away than the distance: whoever runs off does it himself"
    )
    keys: ClassVar[dict[str, Reader]] = {"distance": positive, "top_speed": positive, "to": word("protected")}


@dataclass(frozen=True, slots=True)
class ReactionTime:
    """Lets no decision rest on what players did in the last `seconds`.

    There are two sets of information: plans are made from the past, the shield certifies against the present, since
    nobody is protected by knowing less. It binds all NPCs, as squads share what they see.
    """

    name: str
    seconds: float
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "reaction_time"
    kind: ClassVar[str] = ""  # not the shield's
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ()
    text: ClassVar[str] = "no decision rests on where players were, faced or what they did since"
    keys: ClassVar[dict[str, Reader]] = {"seconds": positive}

    def __post_init__(self) -> None:
        if self.who != "all":
            raise ConstraintError(f"rule '{self.name}', key 'who': expected all, got {self.who!r}", [self.name])
