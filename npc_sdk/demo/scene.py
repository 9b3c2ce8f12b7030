"""What one drawn frame shows, as plain values: the game fills it in, the drawing reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

PLAN, TAIL, CALLBACK, BRAKE, NONE = range(5)  # rungs of the ladder, as on the wire


@dataclass(frozen=True, slots=True)
class Thought:
    """What the brain told about one NPC's last decision, for eyes only."""

    family: str
    objective: float  # J of the chosen plan
    lead: float  # over the runner-up, nan without one
    path: Float[np.ndarray, "h 2"]
    alternatives: Float[np.ndarray, "v h 2"]
    alternatives_objective: Float[np.ndarray, "v"]
    feasible: Bool[np.ndarray, "v"]
    ghost: Float[np.ndarray, "t 2"]  # where it imagines the player in 0.5, 1 and 1.5 s
    ghosts: Float[np.ndarray, "v t 2"]  # and where it would be if it took one of the alternatives
    exposed: bool


@dataclass(frozen=True, slots=True)
class NpcView:
    """One NPC."""

    id: int
    squad: int
    at: tuple[float, float]
    heading: float
    health: float  # 0..1
    alive: bool
    leader: bool
    rung: int
    persona: str
    bark: str
    bark_age: float  # s
    chunk: Float[np.ndarray, "m 2"]  # the rest of the chunk in execution: a view of the message that is executed
    thought: Thought | None


@dataclass(frozen=True, slots=True)
class PlayerView:
    """The player."""

    at: tuple[float, float]
    heading: float
    health: float  # 0..1
    alive: bool


@dataclass(frozen=True, slots=True)
class BeliefView:
    """Where a squad believes the player to be."""

    squad: int
    at: tuple[float, float]
    sigma: float  # m
    age: float  # s
    seen: bool


@dataclass(frozen=True, slots=True)
class GrenadeView:
    """A grenade on its way or on the floor."""

    at: tuple[float, float]
    fuse: float  # s


@dataclass(frozen=True, slots=True)
class Flash:
    """Something short: a shot (a line from `at` to `to`) or a blast (`to` is None)."""

    at: tuple[float, float]
    to: tuple[float, float] | None
    age: float  # s
    squad: int  # -1 for the player
    hit: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of the game."""

    time: float  # s
    npcs: tuple[NpcView, ...]
    player: PlayerView
    beliefs: tuple[BeliefView, ...]
    grenades: tuple[GrenadeView, ...]
    flashes: tuple[Flash, ...]
    hold_fire: bool
    selected: int  # id, 0 for nobody
    zones: tuple[tuple[tuple[float, float], ...], ...] = ()  # painted, corners in m
    stroke: tuple[tuple[float, float], ...] = ()  # of a zone that is being painted, m


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change of one weight that changes a choice: level at `weight`, decided at `past`, for `family`."""

    term: str
    weight: float
    past: float
    family: str
    leads: Mapping[str, float] = field(default_factory=dict)  # term -> how much it speaks for the choice, against it


@dataclass(frozen=True, slots=True)
class Why:
    """One NPC's explanation, as the panel shows it; `parts` add up to `objective`."""

    npc: int
    family: str
    runner_up: str
    objective: float
    lead: float | None
    parts: tuple[tuple[str, float, float], ...]  # term, weight, weight x feature
    shield: str  # what the shield changed, in words, "" for nothing
    tick: int = 0  # of the snapshot that was decided on
    flip: Flip | None = None
    leads: Mapping[str, float] = field(default_factory=dict)  # the same against the runner-up


@dataclass(frozen=True, slots=True)
class Status:
    """The figures of the status strip."""

    frame_ms: tuple[float, ...]  # last frames
    decisions_s: float
    decision_age_ms: float
    broken: int  # rules broken by NPCs on a certified plan
    model_sha256: str  # of the weights file, "" without one
    forecast: str  # in use
    fault: str  # empty while all is well
    brain: str  # "running", "killed", ...
