"""What is declared of a world that somebody else wrote: who is where in it, and which action brings about a velocity.

Everything here is in the world's own units and per second; `game` turns it into metres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npc_bridge.schema import Kinematics
from npc_sdk.errors import InputError

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv

Floats = NDArray[np.float64]
Observations: TypeAlias = Mapping[str, NDArray[np.floating]]
Outline: TypeAlias = Sequence[tuple[float, float]]
Action: TypeAlias = "NDArray[np.float32] | int"


@dataclass(frozen=True, slots=True)
class Shown:
    """One entity as a view shows it.

    Attributes:
        name: its own as long as it lives; of an NPC the agent's.
        role: `npc` is led by the brain, `player` is what the model predicts.
        place: x, y.
        velocity: x, y per second; None: the difference of two places.
    """

    name: str
    role: Literal["npc", "player"]
    place: tuple[float, float]
    velocity: tuple[float, float] | None = None


class View(Protocol):
    """Says who is where."""

    def __call__(self, env: ParallelEnv[Any, Any, Any], observations: Observations) -> Sequence[Shown]:
        """Shows those who are there, always in the same order."""


class Act(Protocol):
    """Says which action of an NPC brings about a velocity."""

    def __call__(self, wanted: Floats, now: Floats) -> Action:
        """Returns the action that turns the velocity `now` into `wanted`, as nearly as can be; 2 each."""


class Others(Protocol):
    """Plays the agents that are no NPCs."""

    def __call__(
        self,
        env: ParallelEnv[Any, Any, Any],
        observations: Observations,
        agents: Sequence[str],
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        """Returns an action for each of `agents`."""


@dataclass(frozen=True, slots=True)
class NamedColumns:
    """A view that reads every agent's own observation, a vector, by the index of its columns.

    Args:
        roles: pattern of agents' names (`adversary_*`) -> role; agents of no pattern are not shown.
        x, y: columns of the place.
        vx, vy: columns of the velocity; without them it is the difference of two places.
        ahead: s. Some worlds move bodies first and change their velocity after, so that a command shows a step late.
            Shown this much ahead, where they are bound to be, bodies obey in the step itself.
    """

    roles: Mapping[str, Literal["npc", "player"]]
    x: int
    y: int
    vx: int | None = None
    vy: int | None = None
    ahead: float = 0.0

    def __call__(self, env: ParallelEnv[Any, Any, Any], observations: Observations) -> Sequence[Shown]:
        """Shows every agent whose name fits a pattern."""
        shown = []
        for agent, seen in observations.items():
            role = next((role for pattern, role in self.roles.items() if fnmatchcase(agent, pattern)), None)
            if role is None:
                continue
            place = np.array([seen[self.x], seen[self.y]], np.float64)
            velocity = None
            if self.vx is not None and self.vy is not None:
                velocity = float(seen[self.vx]), float(seen[self.vy])
                place = place + self.ahead * np.array(velocity)
            shown.append(Shown(agent, role, (float(place[0]), float(place[1])), velocity))
        return shown


@dataclass(frozen=True, slots=True)
class Push:
    """Continuous actions that push a body: v+ = keep v + gain a, where a is what the columns say.

    Args:
        pairs: per axis the columns that push up and down it; twice the same column where one does both.
        size: of the action.
        keep: share of the velocity that is left after a step.
        gain: velocity that an action of 1 adds in a step.
    """

    pairs: tuple[tuple[int, int], tuple[int, int]]
    size: int
    keep: float = 0.0
    gain: float = 1.0

    def __call__(self, wanted: Floats, now: Floats) -> Action:
        """Returns the action; each column within -1..1, or 0..1 where an axis has two."""
        action = np.zeros(self.size, np.float32)
        for (up, down), push in zip(self.pairs, (wanted - self.keep * now) / self.gain, strict=True):
            push = float(np.clip(push, -1.0, 1.0))
            if up == down:
                action[up] = push
            else:
                action[up], action[down] = max(push, 0.0), max(-push, 0.0)
        return action


@dataclass(frozen=True, slots=True)
class Nearest:
    """Discrete actions, each of which brings about a velocity: the one nearest to what is wanted."""

    velocities: Mapping[int, tuple[float, float]]

    def __call__(self, wanted: Floats, now: Floats) -> Action:
        """Returns the number of the action; of equals the first."""
        return min(self.velocities, key=lambda action: float(np.hypot(*(wanted - np.array(self.velocities[action])))))


def at_random(
    env: ParallelEnv[Any, Any, Any], observations: Observations, agents: Sequence[str], rng: np.random.Generator
) -> Mapping[str, Any]:
    """Samples the action spaces."""
    actions = {}
    for agent in agents:
        space = env.action_space(agent)
        space.seed(int(rng.integers(2**31)))
        actions[agent] = space.sample()
    return actions


def _open_floor(env: ParallelEnv[Any, Any, Any]) -> Sequence[Outline]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that turns somebody else's world into a game.

    Attributes:
        make: makes the parallel environment; called with a render mode, or None.
        view: who is where.
        act: what an NPC does to have a velocity.
        body: what NPCs' bodies are declared to do, in metres (docs/howto/declare).
        half: m from the middle of the square that NPCs may be in to its sides.
        metres: per unit of the world. Models and default units are made for bodies of the size and pace of a person.
        middle: of the square, in the world's units.
        tick_hz: steps per second of game time; a model's step is 0.1 s, so a multiple of 10.
        walls: outlines that stop bodies, in the world's units, of the episode that has begun.
        others: plays agents that are no NPCs.
    """

    make: Callable[[str | None], ParallelEnv[Any, Any, Any]]
    view: View
    act: Act
    body: Kinematics
    half: float
    metres: float = 1.0
    middle: tuple[float, float] = (0.0, 0.0)
    tick_hz: float = 10.0
    walls: Callable[[ParallelEnv[Any, Any, Any]], Sequence[Outline]] = _open_floor
    others: Others = field(default=at_random)

    def __post_init__(self) -> None:
        for name in ("half", "metres", "tick_hz"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"world: {name} expected a number above 0, got {getattr(self, name)}")
