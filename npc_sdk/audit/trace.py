"""What the checker is given: what was declared, and what really happened. Plain numbers, from no other part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

PLAN, TAIL, CALLBACK, BRAKE, NONE = range(5)
"""Who drove an NPC in a tick: the newest chunk, the rest of one, the game's own behaviour, the brake, nobody."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon that a body of an NPC must not overlap, or must not leave. `kind` is the name it is reported under."""

    kind: str
    name: str
    corners: Float[np.ndarray, "v 2"]
    keep_in: bool
    binds: Bool[np.ndarray, " a"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The declared rules of `a` NPCs, in metres and seconds. Infinity or 0 where a rule does not bind."""

    dt: float
    radius: Float[np.ndarray, " a"]
    speed: Float[np.ndarray, " a"]
    acceleration: Float[np.ndarray, " a"]  # of any change of velocity, braking included
    home: Float[np.ndarray, "a 2"]
    leash: Float[np.ndarray, " a"]  # infinity: none
    spacing: Float[np.ndarray, "a a"]  # between centres; 0: none
    hold_fire: Bool[np.ndarray, " a"]
    zones: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened in t ticks. Row k of `position` is the state before tick k; there is one row more than ticks.

    `hold_known` says whether the decision that an NPC executed had seen the flag set; a shot decided before the flag
    was raised is not the NPC's doing (assumption K3 asks games to announce it).
    """

    ids: NDArray[np.uint32]  # a
    position: Float[np.ndarray, "t1 a 2"]
    velocity: Float[np.ndarray, "t1 a 2"]
    command: Float[np.ndarray, "t a 2"]  # the velocity the NPC was told to have
    alive: Bool[np.ndarray, "t1 a"]
    driver: NDArray[np.uint8]  # t a
    shots: Bool[np.ndarray, "t a"]
    hold_fire: Bool[np.ndarray, " t"]
    hold_known: Bool[np.ndarray, "t a"]
