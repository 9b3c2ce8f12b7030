"""Rules about when an NPC may attack: what is decided is a trigger, a discrete command of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npc_sdk.constraints.rules.read import Reader, Who, count, number, one_of, positive, word

ATTACKS = ("any", "fire", "throw")
"""Which triggers a rule counts as an attack."""

_ATTACK: Reader = one_of(ATTACKS, "any")


@dataclass(frozen=True, slots=True)
class HoldFire:
    """Forbids attacks in every decision that knows the mode flag to be set: a cutscene, a truce."""

    name: str
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "hold_fire"
    kind: ClassVar[str] = "hold_fire"
    class_: ClassVar[str] = "S"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K3")
    text: ClassVar[str] = "no shot and no throw is decided while the flag is known to be set"
    keys: ClassVar[dict[str, Reader]] = {}


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Leaves at least `seconds` between two attacks of one NPC."""

    name: str
    seconds: float
    attack: str = "any"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "cooldown"
    kind: ClassVar[str] = "cooldown"
    class_: ClassVar[str] = "T"
    assumptions: ClassVar[tuple[str, ...]] = ("K1",)
    text: ClassVar[str] = "an NPC's attacks are never closer in time"
    keys: ClassVar[dict[str, Reader]] = {"seconds": positive, "attack": _ATTACK}


@dataclass(frozen=True, slots=True)
class AttackLimit:
    """Allows at most `most` attacks in any `seconds`, counted per NPC or per squad.

    An attack counts from when it is sent, as it may be executed. With `counter`, the name of an NPC's field that counts
    such attacks up in the game, those that turn out not to have happened are given back. A field that counts hits makes
    this an accuracy cap: every shot on its way may be one.
    """

    name: str
    most: int
    seconds: float
    per: str = "npc"
    attack: str = "any"
    counter: str = ""
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "attack_limit"
    kind: ClassVar[str] = "attack_limit"
    class_: ClassVar[str] = "T"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K4b")
    text: ClassVar[str] = "no window of that length holds more attacks"
    keys: ClassVar[dict[str, Reader]] = {
        "most": count,
        "seconds": positive,
        "per": one_of(("npc", "squad"), "npc"),
        "attack": _ATTACK,
        "counter": word(""),
    }


@dataclass(frozen=True, slots=True)
class AttackTokens:
    """Lets NPCs attack at once up to a capacity: each attacker holds `weight` of it for `seconds` from an attack on.

    Rules with the same `pool` share one capacity, the smallest of theirs: so heavy NPCs may weigh more than light ones.
    """

    name: str
    capacity: float
    seconds: float
    weight: float = 1.0
    pool: str = ""
    attack: str = "any"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "attack_tokens"
    kind: ClassVar[str] = "attack_tokens"
    class_: ClassVar[str] = "J"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K4b")
    text: ClassVar[str] = "the weights of those who attacked within the time never exceed the capacity"
    keys: ClassVar[dict[str, Reader]] = {
        "capacity": positive,
        "seconds": positive,
        "weight": number(1.0),
        "pool": word(""),
        "attack": _ATTACK,
    }


@dataclass(frozen=True, slots=True)
class Reserve:
    """Forbids an attack that would take a field of the NPC (ammo, grenades, stamina) below `least`."""

    name: str
    field: str
    cost: float = 1.0
    least: float = 0.0
    attack: str = "fire"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "reserve"
    kind: ClassVar[str] = "reserve"
    class_: ClassVar[str] = "T"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2")
    text: ClassVar[str] = "no attack takes the field below the least"
    keys: ClassVar[dict[str, Reader]] = {
        "field": word(),
        "cost": number(1.0),
        "least": number(0.0),
        "attack": one_of(ATTACKS, "fire"),
    }


@dataclass(frozen=True, slots=True)
class FriendlyFire:
    """Forbids an attack while somebody of a role or type may be in the line of fire, or nearer to it than `clearance`.

    The line of fire is a sector of `reach` metres and `spread` radians to either side of the aim; walls are not asked.
    NPCs are taken to be no faster than their bodies, others no faster than `top_speed`. `to` may be the NPCs' role or a
    type of theirs.
    """

    name: str
    reach: float
    spread: float = 0.05
    clearance: float = 0.5
    to: str = "npc"
    top_speed: float = 0.0
    attack: str = "fire"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "friendly_fire"
    kind: ClassVar[str] = "friendly_fire"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K4")
    text: ClassVar[str] = "no attack while one of them may be in the line of fire"
    keys: ClassVar[dict[str, Reader]] = {
        "reach": positive,
        "spread": number(0.05, 1.5),
        "clearance": number(0.5),
        "to": word("npc"),
        "top_speed": number(0.0),
        "attack": one_of(ATTACKS, "fire"),
    }


@dataclass(frozen=True, slots=True)
class Splash:
    """Forbids an attack that may burst within `radius` metres of somebody of a role or type, `flight` seconds later.

    It bursts `reach` (the command's) metres ahead along the aim. NPCs are taken to be no faster than their bodies,
    others no faster than `top_speed`. `to` may be the NPCs' role or a type of theirs.
    """

    name: str
    radius: float
    flight: float
    to: str = "protected"
    top_speed: float = 0.0
    attack: str = "throw"
    who: Who = "all"
    tier: int = 0
    rule: ClassVar[str] = "splash"
    kind: ClassVar[str] = "splash"
    class_: ClassVar[str] = "N1"
    assumptions: ClassVar[tuple[str, ...]] = ("K1", "K2", "K4")
    text: ClassVar[str] = "no attack bursts where one of them may be by then"
    keys: ClassVar[dict[str, Reader]] = {
        "radius": positive,
        "flight": number(0.0),
        "to": word("protected"),
        "top_speed": number(0.0),
        "attack": one_of(ATTACKS, "throw"),
    }
