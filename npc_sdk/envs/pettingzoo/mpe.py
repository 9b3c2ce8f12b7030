"""`simple_tag_v3` of mpe2: three chasers after a faster fugitive, among round posts (R. Lowe et al., 2017).

The world moves a body by the velocity it has, then slows it by a quarter and pushes it: p+ = p + v dt,
v+ = 0.75 v + 0.3 a for chasers, |a| <= 1 along each axis. So a body at speed v can always add 0.3 - 0.25 v: the faster
it is declared to be, the less it can be declared to gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npc_bridge.schema import Kinematics
from npc_sdk.envs.pettingzoo.view import NamedColumns, Observations, Outline, Push, World

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv

METRES = 4.0  # per unit: a chaser is 0.3 m in radius, its world 8 m across
STEP = 0.1  # s
POSTS = 2
POST_RADIUS = 0.2  # units
MAX_CYCLES = 10_000  # the caller ends an episode
_CORNERS = 8  # of the polygon about a post
_SPEED = 0.8  # units/s, of 1.0
_GAIN = 0.3 - 0.25 * _SPEED  # units/s in a step
_BRAKE = 0.3  # units/s in a step, from any speed: friction only helps

BODY = Kinematics(
    max_speed=METRES * _SPEED,
    max_acceleration=METRES * _GAIN / STEP,
    brake=METRES * _BRAKE / STEP,
    radius=METRES * 0.075,
    turn_rate=2.0 * np.pi,
)
_CHASER = Push(pairs=((2, 1), (4, 3)), size=5, keep=0.75, gain=0.3)
_FUGITIVE = Push(pairs=((2, 1), (4, 3)), size=5)


def simple_tag() -> World:
    """Returns the world; NPCs are the adversaries, the player is the good agent, which flees."""
    return World(
        make=_make,
        view=NamedColumns({"adversary_*": "npc", "agent_*": "player"}, x=2, y=3, vx=0, vy=1, ahead=STEP),
        act=_CHASER,
        body=BODY,
        half=METRES * 1.25,
        metres=METRES,
        walls=_posts,
        others=flee,
    )


def _make(render_mode: str | None) -> ParallelEnv[Any, Any, Any]:
    from mpe2 import simple_tag_v3

    return simple_tag_v3.parallel_env(
        num_obstacles=POSTS, max_cycles=MAX_CYCLES, continuous_actions=True, render_mode=render_mode
    )


def _posts(env: ParallelEnv[Any, Any, Any]) -> Sequence[Outline]:
    """Puts an octagon about every post: where it is, is in everybody's observation, from 4 on, seen from there."""
    seen = env.unwrapped.observe(env.agents[0]).astype(np.float64)
    turns = (np.arange(_CORNERS) + 0.5) * (2.0 * np.pi / _CORNERS)
    ring = POST_RADIUS / np.cos(np.pi / _CORNERS) * np.stack([np.cos(turns), np.sin(turns)], 1)
    middles = seen[2:4] + seen[4 : 4 + 2 * POSTS].reshape(POSTS, 2)
    return [[(float(x), float(y)) for x, y in middle + ring] for middle in middles]


def flee(
    env: ParallelEnv[Any, Any, Any], observations: Observations, agents: Sequence[str], rng: np.random.Generator
) -> Mapping[str, NDArray[np.float32]]:
    """The fugitive's script, ours: the world has none. Away from chasers, posts and the border, with a tremor."""
    return {agent: _flight(observations[agent].astype(np.float64), rng) for agent in agents}


def _flight(seen: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    place, rest = seen[2:4], seen[4:].reshape(-1, 2)
    posts, chasers = rest[:POSTS], rest[POSTS:]
    force = -_pull(chasers, 1.0) - 0.02 * _pull(posts, 2.0) - 8.0 * np.sign(place) * np.maximum(np.abs(place) - 0.6, 0)
    force = force + 0.2 * rng.normal(size=2)
    action = _FUGITIVE(force / max(1.0, float(np.abs(force).max())), np.zeros(2))
    return np.asarray(action, np.float32)


def _pull(gaps: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Sums the ways to several things, each as strong as 0.2 / distance ** power."""
    distance = np.maximum(np.hypot(*gaps.T), 0.05)
    return np.asarray((gaps / distance[:, None] * (0.2 / distance**power)[:, None]).sum(0))
