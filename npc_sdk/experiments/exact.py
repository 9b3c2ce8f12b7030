"""The exact simulator as a forecast: copies the fight itself and plays every candidate in it. What learning can reach.

It is privileged: it knows where the player is, which script plays it and what that has in mind. It does not know how
shots will fall or hands will tremble: candidates of one decision share made-up luck, and hits are expected ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.envs.arena import DT, NPC_KINEMATICS, Arena, Gun, ScriptedPlayers, aim_and_fire, limited
from npc_sdk.envs.arena.aim import scan_clock
from npc_sdk.envs.arena.dice import Luck
from npc_sdk.envs.arena.players import DECISION_TICKS
from npc_sdk.envs.arena.stream import FIRST_NPC
from npc_sdk.tensors import Scene
from npc_sdk.world import ConstantVelocity
from npc_sdk.world.forecast import EVENTS, PLAYER_SLOT, Decision, Imagined, Memory, Mode, everybody

_LUCKS = tuple(NormalDist().inv_cdf((i + 0.5) / 7) for i in range(7))  # at which shots are tried, evenly in probability
ROWS = 4096  # copies of fights played side by side
_SPEED, _CHANGE = NPC_KINEMATICS.max_speed, NPC_KINEMATICS.max_acceleration * DT  # m/s, m/s per tick
_SURE = 0.05**2  # m^2, the variance of a place that is known

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Belief:
    """What each squad of each copy knows about the player: r copies, q squads."""

    pose: Floats  # r q 4
    age: Floats  # r q, s
    seen: NDArray[np.bool_]  # r q


class ExactForecast(ConstantVelocity):
    """Imagines in copies of the fights that `watch` named; for lock-step, where a decision applies at once.

    Args:
        seed: of the luck in its copies.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._random = np.random.Generator(np.random.SFC64([seed, 71]))
        self._fights: tuple[Arena, ScriptedPlayers] | None = None

    def watch(self, arena: Arena, players: ScriptedPlayers) -> None:
        """Names fights that have not begun; worlds that still have living NPCs are those asked about, in order."""
        players.meet(arena)
        self._fights = arena, players

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        arena, _ = self._watched()
        world = _worlds(arena, scene)
        memory = super().filter(memory, scene)
        pose, heading, variance = memory.pose.clone(), memory.heading.clone(), memory.variance.clone()
        pose[:, PLAYER_SLOT] = _floats(np.concatenate([arena.pos[world, 0], arena.vel[world, 0]], -1))
        heading[:, PLAYER_SLOT] = _floats(_facing(arena.heading[world, 0]))
        variance[:, PLAYER_SLOT] = _SURE
        return replace(memory, pose=pose, heading=heading, variance=variance)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        n, s = decision.moves.shape[:2]
        each = max(1, ROWS // s)
        parts = [self._played(scene, _some(decision, slice(i, i + each))) for i in range(0, n, each)]
        own, player, events = (torch.cat(part) for part in zip(*parts, strict=True))
        spread = torch.full(player.shape[:3], _SURE**0.5)
        return Imagined(own, player, spread, everybody(scene, decision.committed), events)

    def _watched(self) -> tuple[Arena, ScriptedPlayers]:
        assert self._fights is not None, "watch() comes first"
        return self._fights

    def _played(self, scene: Scene, decision: Decision) -> tuple[Tensor, Tensor, Tensor]:
        """Plays every candidate: own n s h 4, player n s h 6, events n s h q."""
        arena, players = self._watched()
        n, s, h, _ = decision.moves.shape
        at, slot = decision.scene_index.numpy(), np.repeat(decision.slot.numpy(), s)
        group = np.repeat(np.arange(n), s)
        world = _worlds(arena, scene)[at][group]
        copies = arena.imagined(world, Luck(self._random, group, (arena.config.agents,)))
        minds = players.imagined(world, Luck(self._random, group, (2,)))
        belief = _believed(arena, scene, world)
        moves = decision.committed.numpy()[at][group][:, 1 : arena.config.agents]  # r n h 2
        rows = np.arange(n * s)
        moves[rows, slot - 1] = decision.moves.reshape(n * s, h, 2).numpy()
        own, player, events = np.empty((n * s, h, 4)), np.empty((n * s, h, 6)), np.zeros((n * s, h, len(EVENTS)))
        actions = np.zeros((n * s, arena.config.agents, 6), np.float32)
        for k in range(h):
            if k:
                _look(copies, belief)
            actions[:, 1:, 2:] = _hands(copies, belief, moves[:, :, k])
            for _ in range(DECISION_TICKS):
                actions[:, 0] = minds.act(copies)
                actions[:, 1:, :2] = limited(moves[:, :, k], copies.vel[:, 1:], _SPEED, _CHANGE)
                copies.step(actions)
            own[:, k] = np.concatenate([copies.pos[rows, slot], copies.vel[rows, slot]], -1)
            player[:, k] = np.concatenate([copies.pos[:, 0], copies.vel[:, 0], _facing(copies.heading[:, 0])], -1)
            events[:, k] = np.stack(_chances(copies, actions[..., 3] > 0.5, slot), -1)
        own_, player_, events_ = (_floats(part).reshape(n, s, h, -1) for part in (own, player, events))
        return own_, player_, events_


def _some(decision: Decision, cut: slice) -> Decision:
    """Takes some of the NPCs that decide."""
    return replace(decision, scene_index=decision.scene_index[cut], slot=decision.slot[cut], moves=decision.moves[cut])


def _floats(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _facing(heading: Floats) -> Floats:
    return np.stack([np.cos(heading), np.sin(heading)], -1)


def _worlds(arena: Arena, scene: Scene) -> NDArray[np.int64]:
    """Which world each scene is of."""
    due = np.flatnonzero(arena.alive[:, arena.is_npc].any(1))
    worlds: NDArray[np.int64] = due[scene.map_index.numpy()]
    return worlds


def _believed(arena: Arena, scene: Scene, world: NDArray[np.int64]) -> _Belief:
    """What the squads of each copy know when it begins."""
    of = _worlds(arena, scene)
    first = np.searchsorted(of, world)  # a world's scenes are its squads in order
    rows = first[:, None] + np.arange(arena.config.squads)
    pose, age, seen = (t[:, PLAYER_SLOT].numpy()[rows] for t in (scene.pose, scene.age, scene.seen))
    return _Belief(pose.astype(np.float64), age.astype(np.float64), seen)


def _look(copies: Arena, belief: _Belief) -> None:
    """Takes in what the squads see now."""
    p = copies.config.players
    sees = copies.view().npc_sees[..., 0]  # r n
    squads = np.arange(belief.age.shape[1])
    belief.seen = (sees[:, None] & (copies.squad[:, None, p:] == squads[:, None])).any(-1)
    now = np.concatenate([copies.pos[:, 0], copies.vel[:, 0]], -1)[:, None]
    belief.pose = np.where(belief.seen[..., None], now, belief.pose)
    belief.age = np.where(belief.seen, 0.0, belief.age + DECISION_TICKS * DT)


def _hands(copies: Arena, belief: _Belief, wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """What everybody's hands do by the one aim rule: r n 4."""
    p = copies.config.players
    r, n = wanted.shape[:2]
    rows, squad = np.arange(r)[:, None], copies.squad[:, p:]
    pos = copies.pos[:, p:]
    mates = (squad[:, :, None] == squad[:, None]) & copies.alive[:, None, p:]
    clock = scan_clock(copies.tick[:, None] * DT, FIRST_NPC + np.arange(n))
    shooting = aim_and_fire(
        pose=np.concatenate([pos, copies.vel[:, p:]], -1).reshape(r * n, 4),
        heading=copies.heading[:, p:].reshape(-1),
        move=wanted.reshape(r * n, 2),
        target=belief.pose[rows, squad].reshape(r * n, 4),
        seen=belief.seen[rows, squad].reshape(-1),
        age=belief.age[rows, squad].reshape(-1),
        allies=np.repeat(pos, n, 0),
        ally_known=mates.reshape(r * n, n),
        scan=clock.reshape(-1),
    )
    return shooting.columns().reshape(r, n, 4)


def _chances(copies: Arena, trigger: NDArray[np.bool_], slot: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """The chances of EVENTS within a step like this one: how shots fall and how a gun beats time is left open."""
    rows, zero = np.arange(len(slot)), np.zeros_like(slot)
    firing = trigger & copies.alive
    c = copies.config
    player, npc = _rate(c.player_gun), _rate(c.npc_gun)
    taken = player * _share(copies, np.flatnonzero(firing[:, 0]), zero, slot)
    dealt = npc * _share(copies, np.flatnonzero(firing[rows, slot]), slot, zero)
    return taken, dealt, player * firing[:, 0].astype(np.float64)


def _rate(gun: Gun) -> float:
    """Shots per step while the trigger is held, reloading included."""
    return DECISION_TICKS * DT * gun.magazine / (gun.magazine * gun.cooldown + gun.reload)


def _share(copies: Arena, row: NDArray[np.int64], shooter: NDArray[np.int64], victim: NDArray[np.int64]) -> Floats:
    """Which share of the shots of `shooter` would hit `victim`; 0 in all other rows."""
    out = np.zeros(len(shooter))
    agent = shooter[row]
    for luck in _LUCKS:
        angle = copies.heading[row, agent] + luck * copies.spread(agent)
        out[row] += (copies.struck(row, agent, angle) == victim[row]) / len(_LUCKS)
    return out
