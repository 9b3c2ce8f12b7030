"""Barks: short lines an NPC calls out when its intent changes. Only ids travel; the game owns sound and language."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOLD_RADIUS = 0.6  # m; a plan that ends nearer than this to where it starts stays put
SIDE_STEP = 0.5  # m; a plan that ends further than this beside the line to the player goes round it
CLOSING = 0.5  # m; a change of range below this is neither advance nor retreat


@dataclass(frozen=True, slots=True)
class Bark:
    """One line: `id` on the wire (0 is silence), `key` in persona files, `text` in English."""

    id: int
    key: str
    text: str


BARKS: tuple[Bark, ...] = tuple(
    Bark(number, key, text)
    for number, (key, text) in enumerate(
        (
            ("none", ""),
            ("advance", "Moving in!"),
            ("flank_left", "Flanking left!"),
            ("flank_right", "Flanking right!"),
            ("retreat", "Falling back!"),
            ("hold", "Holding here!"),
            ("cover", "Taking cover!"),
            ("danger", "Grenade! Move!"),
            ("regroup", "Form up!"),
            ("spread", "Spread out!"),
            ("search", "Where did he go?"),
        )
    )
)
BARK_KEYS: tuple[str, ...] = tuple(bark.key for bark in BARKS[1:])
BARK_TEXTS: tuple[str, ...] = tuple(bark.text for bark in BARKS)
_IDS = {bark.key: bark.id for bark in BARKS}

# What an NPC says when this term leads its decision and the plan's motion agrees; other terms leave it to the motion.
TERM_BARKS = {
    "cover": "cover",
    "exposure": "cover",
    "danger": "danger",
    "cohesion": "regroup",
    "leader": "regroup",
    "spacing": "spread",
}


@dataclass(frozen=True, slots=True)
class Intent:
    """What an NPC is about to do, as far as a bark needs it.

    Attributes:
        npc: entity id.
        family: of the chosen plan.
        leading: the term that leads the decision, or "".
        path: [h, 2] m, where the plan goes, the present position first.
        player: [2] m, where the squad believes the player to be.
        player_seen: whether somebody of the squad sees the player now.
    """

    npc: int
    family: str
    leading: str
    path: NDArray[np.float64]
    player: NDArray[np.float64]
    player_seen: bool = True


def motion(path: NDArray[np.float64], player: NDArray[np.float64]) -> str:
    """Return what a path really does as seen from its start: hold, advance, retreat, flank_left or flank_right.

    Left and right are the mover's own, facing the player.
    """
    moved = path[-1] - path[0]
    if math.hypot(*moved) < HOLD_RADIUS:
        return "hold"
    line = player - path[0]
    distance = math.hypot(*line)
    if distance < 1e-6:
        return "retreat"
    side = float(line[0] * moved[1] - line[1] * moved[0]) / distance  # m to the left of the line to the player
    along = float(line @ moved) / distance  # m towards the player
    closing = distance - math.hypot(*(player - path[-1]))
    if abs(side) > SIDE_STEP and abs(side) > abs(along) / 2:
        return "flank_left" if side > 0 else "flank_right"
    if closing > CLOSING:
        return "advance"
    return "retreat" if closing < -CLOSING else "hold"


def bark_key(intent: Intent) -> str:
    """Return the key of the line that is true of this intent.

    The family and the leading term propose; what the path does disposes: an NPC never calls a flank it does not walk.
    """
    moves = motion(intent.path, intent.player)
    said = TERM_BARKS.get(intent.leading, "")
    if said == "cover":
        return said if moves != "advance" else moves
    if said:
        return said if moves != "hold" else moves
    if not intent.player_seen and moves == "advance":
        return "search"
    return moves


class BarkTracker:
    """Decides when an NPC speaks: its leading term or family changed, its line did too, and it has been quiet.

    The first decision of an NPC is not a change. One tracker serves one game; ticks are the game's.
    """

    def __init__(self, tick_hz: int, quiet_s: float = 3.0, squad_quiet_s: float = 0.8) -> None:
        """Keep each NPC quiet for `quiet_s` after its line, and everybody for `squad_quiet_s` after anybody's."""
        self._quiet_ticks = round(quiet_s * tick_hz)
        self._gap_ticks = round(squad_quiet_s * tick_hz)
        self._intents: dict[int, tuple[str, str]] = {}
        self._spoken: dict[int, tuple[int, str]] = {}  # npc -> tick and key of its last line
        self._last_tick: int | None = None

    def update(self, tick: int, intent: Intent) -> int:
        """Return the id of the line to call out now, 0 for none."""
        now = (intent.leading, intent.family)
        before = self._intents.get(intent.npc)
        self._intents[intent.npc] = before if before is not None and before != now else now
        if before is None or before == now:
            return 0
        spoken_tick, spoken_key = self._spoken.get(intent.npc, (tick - self._quiet_ticks, ""))
        gap = self._gap_ticks if self._last_tick is None else tick - self._last_tick
        if tick - spoken_tick < self._quiet_ticks or gap < self._gap_ticks:
            return 0  # the change stays pending: it is still news when the NPC may speak again
        key = bark_key(intent)
        self._intents[intent.npc] = now
        if key == spoken_key:
            return 0
        self._spoken[intent.npc] = (tick, key)
        self._last_tick = tick
        return _IDS[key]
