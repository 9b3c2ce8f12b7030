"""Somebody else's world as a game on the bridge: its schema, its snapshots, and a step by velocities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import EntityBlock
from npc_bridge.schema import Channel, EntityType, Field, Polygon, Schema
from npc_sdk.envs.pettingzoo.view import Action, Observations, Shown, World
from npc_sdk.errors import InputError

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv

Floats = NDArray[np.float64]

FIRST_PLAYER, FIRST_NPC = 1, 101  # entity ids
OBEYED = 1e-3  # m that a step's motion, and m/s that its velocity, may differ from what was told; as the audit has it
_FASTEST = 12.0  # m/s that anybody is shown with
_PI = float(np.float32(np.pi))


@dataclass(frozen=True, slots=True)
class Stepped:
    """What came of a step.

    Attributes:
        reward: of the NPCs, their mean.
        astray: n; the world moved this NPC otherwise than it was told: it was pushed, or stood in the way of itself.
    """

    reward: float
    astray: NDArray[np.bool_]


@dataclass(slots=True)
class _Body:
    """Where somebody was last."""

    id: int
    place: Floats  # m
    velocity: Floats  # m/s
    heading: float
    home: Floats  # m, where it began
    there: bool = True


class BorrowedGame:
    """One parallel environment as a game. `reset` first; then `step` until `over`.

    Rows of NPCs are in the order in which the view first showed them, and stay when somebody is gone.
    """

    def __init__(self, env: ParallelEnv[Any, Any, Any], world: World, name: str = "borrowed") -> None:
        self.env = env
        self.world = world
        self.name = name
        self.over = True
        self._begun = False
        self._bodies: dict[str, dict[str, _Body]] = {"npc": {}, "player": {}}
        self._observations: Observations = {}
        self._rng = np.random.default_rng()

    def reset(self, seed: int) -> None:
        """Starts an episode.

        Raises:
            InputError: the view shows no NPC.
        """
        self._rng = np.random.default_rng(seed)
        self._observations = self.env.reset(seed=seed)[0]
        self._bodies = {"npc": {}, "player": {}}
        self.over = self._begun = False
        self._look()
        if not self._bodies["npc"]:
            agents = ", ".join(map(str, self.env.agents))
            raise InputError(f"view: expected at least one entity with the role 'npc', got none of: {agents}")
        self.schema = self._declare()
        self._begun = True

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the NPCs: n."""
        return tuple(self._bodies["npc"])

    @property
    def ids(self) -> NDArray[np.uint32]:
        """Ids of the NPCs: n."""
        return np.array([body.id for body in self._bodies["npc"].values()], np.uint32)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Who is there: n."""
        return np.array([body.there for body in self._bodies["npc"].values()], np.bool_)

    @property
    def pose(self) -> Floats:
        """Places and velocities of the NPCs, m and m/s: n 4."""
        return self._pose("npc")

    @property
    def players(self) -> Floats:
        """The same of the players that there have been, where they were last: p 4."""
        return self._pose("player")

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which players are there: p."""
        return np.array([body.there for body in self._bodies["player"].values()], np.bool_)

    @property
    def homes(self) -> Floats:
        """Where the NPCs began, m: n 2."""
        return np.array([body.home for body in self._bodies["npc"].values()])

    def blocks(self) -> dict[str, EntityBlock]:
        """Returns the rows of a snapshot."""
        npcs = [body for body in self._bodies["npc"].values() if body.there]
        players = [body for body in self._bodies["player"].values() if body.there]
        return {
            "npc": _block([b.id for b in npcs], [(*b.place, *b.velocity, b.heading, *b.home) for b in npcs], 7),
            "player": _block([b.id for b in players], [(*b.place, *b.velocity, b.heading) for b in players], 5),
        }

    def step(self, velocity: NDArray[np.floating]) -> Stepped:
        """Lets everybody act for a tick.

        Args:
            velocity: n 2, m/s, that the NPCs are told to have.
        """
        pose, alive = self.pose, self.alive
        told = np.asarray(velocity, np.float64)
        metres, names = self.world.metres, self.agents
        actions: dict[str, Action] = {
            agent: self.world.act(told[row] / metres, pose[row, 2:] / metres)
            for row, agent in enumerate(names)
            if alive[row]
        }
        rest = [agent for agent in self.env.agents if agent not in actions]
        actions |= self.world.others(self.env, self._observations, rest, self._rng)
        self._observations, rewards, _, _, _ = self.env.step(actions)
        self._look()
        self.over = not self.env.agents
        due = np.concatenate([pose[:, :2] + told / self.world.tick_hz, told], 1)
        off = np.abs(self.pose - due).max(1) > OBEYED
        earned = [float(rewards[agent]) for agent in names if agent in rewards]
        return Stepped(float(np.mean(earned)) if earned else 0.0, off & alive & self.alive)

    def _look(self) -> None:
        """Takes in whom the view shows."""
        shown = self.world.view(self.env, self._observations)
        names = {(entity.role, entity.name) for entity in shown}
        for role, bodies in self._bodies.items():
            for name, body in bodies.items():
                body.there = (role, name) in names
        for entity in shown:
            self._place(entity)
        self._face()

    def _place(self, entity: Shown) -> None:
        bodies, scale = self._bodies[entity.role], self.world.metres
        place = (np.array(entity.place, np.float64) - np.array(self.world.middle)) * scale
        before = bodies.get(entity.name)
        if entity.velocity is not None:
            velocity = np.array(entity.velocity, np.float64) * scale
        else:
            velocity = np.zeros(2) if before is None else (place - before.place) * self.world.tick_hz
        if before is None:
            self._expect_nobody(entity)
            first = FIRST_NPC if entity.role == "npc" else FIRST_PLAYER
            before = bodies[entity.name] = _Body(first + len(bodies), place, velocity, 0.0, place)
        before.place, before.velocity = place, velocity

    def _expect_nobody(self, entity: Shown) -> None:
        """A schema says how many there can be, and stands for the episode."""
        if self._begun:
            raise InputError(f"view: expected nobody new during an episode, got {entity.role} {entity.name!r}")

    def _face(self) -> None:
        """Players face where they go. NPCs face the nearest player: in these worlds nobody has a back."""
        players = [body for body in self._bodies["player"].values() if body.there]
        for body in players:
            if np.hypot(*body.velocity) > OBEYED:
                body.heading = float(np.arctan2(body.velocity[1], body.velocity[0]))
        for body in self._bodies["npc"].values():
            if players:
                gap = min((player.place - body.place for player in players), key=lambda gap: float(np.hypot(*gap)))
                body.heading = float(np.arctan2(gap[1], gap[0]))

    def _pose(self, role: str) -> Floats:
        rows = [(*body.place, *body.velocity) for body in self._bodies[role].values()]
        return np.array(rows, np.float64).reshape(-1, 4)

    def _declare(self) -> Schema:
        """Returns what this episode is like. Fields are the same in every one: a model of one fits all."""
        world, half = self.world, self.world.half
        fastest = max(_FASTEST, 2.0 * world.body.max_speed)
        places = [Field(n, "m", -2.0 * half, 2.0 * half, role=n) for n in ("x", "y")]
        paces = [Field(n, "m/s", -fastest, fastest, role=n) for n in ("vx", "vy")]
        body = (*places, *paces, Field("heading", "rad", -_PI, _PI, role="heading"))
        homes = [Field(n, "m", -2.0 * half, 2.0 * half, role=n) for n in ("home_x", "home_y")]
        top = world.body.max_speed
        return Schema(
            game=self.name,
            tick_hz=world.tick_hz,
            coordinates="wire",
            bounds=(-half, -half, half, half),
            entities=(
                EntityType("player", "player", max(1, len(self._bodies["player"])), body),
                EntityType("npc", "npc", len(self._bodies["npc"]), (*body, *homes)),
            ),
            channels=(Channel("move_x", "m/s", -top, top), Channel("move_y", "m/s", -top, top)),
            kinematics=world.body,
            polygons=tuple(self._wall(k, outline) for k, outline in enumerate(world.walls(self.env))),
        )

    def _wall(self, number: int, outline: object) -> Polygon:
        corners = (np.array(outline, np.float64) - np.array(self.world.middle)) * self.world.metres
        return Polygon(f"wall {number}", "wall", tuple((float(x), float(y)) for x, y in corners), opaque=False)


def adapt(env: ParallelEnv[Any, Any, Any], world: World, name: str = "borrowed") -> BorrowedGame:
    """Makes a game of a parallel environment."""
    return BorrowedGame(env, world, name)


def _block(ids: list[int], rows: list[tuple[float, ...]], width: int) -> EntityBlock:
    values = np.array(rows, np.float64).reshape(len(ids), width)
    return EntityBlock(np.array(ids, np.uint32), np.ascontiguousarray(values, np.float32))
