"""Whole fights between scripted players and scripted NPCs, batched; and what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk.belief import BeliefTable, Tracker
from npc_sdk.envs.arena.aim import limited
from npc_sdk.envs.arena.config import DT, TICK_HZ, ArenaConfig
from npc_sdk.envs.arena.maps import make_map
from npc_sdk.envs.arena.npcs import ScriptedNpcs
from npc_sdk.envs.arena.players import STYLES, ScriptedPlayers
from npc_sdk.envs.arena.stream import NPC_KINEMATICS, arena_frame
from npc_sdk.envs.arena.world import Arena, Events

DECISION_TICKS = 3


class Fight:
    """Steps an arena whose player and NPCs are scripted.

    Beliefs are updated and NPCs decide every third tick; in between, the NPCs' velocities run after their decisions
    within the declared acceleration.
    """

    def __init__(self, arena: Arena, players: ScriptedPlayers, npcs: ScriptedNpcs) -> None:
        self.arena = arena
        self.players = players
        self.npcs = npcs
        self.belief: BeliefTable | None = None  # at the last decision
        self._tracker = Tracker(arena.opaque_edges, arena.config.squads, arena.config.npc_sight)
        self._wanted = np.zeros((arena.worlds, arena.config.npcs, 6), np.float32)

    def actions(self) -> NDArray[np.float32]:
        """Returns everybody's actions for the coming tick: w a 6. Call once per tick."""
        arena, p = self.arena, self.arena.config.players
        if int(arena.tick[0]) % DECISION_TICKS == 0:
            self.belief = self._tracker.update(arena_frame(arena), DECISION_TICKS * DT)
            self._wanted = self.npcs.act(self.belief)
        actions = np.zeros((arena.worlds, arena.config.agents, 6), np.float32)
        actions[:, 0] = self.players.act(arena)
        actions[:, p:] = self._wanted
        k = NPC_KINEMATICS
        actions[:, p:, :2] = limited(self._wanted[..., :2], arena.vel[:, p:], k.max_speed, k.max_acceleration * DT)
        return actions

    def step(self) -> Events:
        """Plays one tick."""
        return self.arena.step(self.actions())


@dataclass(frozen=True, slots=True)
class Unseen:
    """How long players stayed out of every NPC's sight."""

    fraction: float  # over all fights
    by_style: dict[str, float]
    worlds: int
    seconds: float


def unseen_fraction(
    worlds: int = 32,
    seconds: float = 30.0,
    npcs: int = 8,
    split: str = "train",
    styles: Sequence[str] = STYLES,
    seed: int = 0,
) -> Unseen:
    """Measures the share of ticks in which no NPC sees the player, in ordinary fights.

    Ordinary: fights last (nobody dies), NPCs chase in one half of the worlds and play the utility AI in the other,
    styles take turns.
    """
    names = [styles[w % len(styles)] for w in range(worlds)]
    maps = [make_map(split, seed + w) for w in range(worlds)]
    arena = Arena(maps, ArenaConfig(npcs=npcs, mortal=False), seed)
    kinds = [("chase", "utility")[(w // len(styles)) % 2] for w in range(worlds)]
    npc_minds = ScriptedNpcs(kinds, [m.tables for m in maps], npcs, seed)
    fight = Fight(arena, ScriptedPlayers(names, seed), npc_minds)
    hidden, ticks = np.zeros(worlds), round(seconds * TICK_HZ)
    for _ in range(ticks):
        hidden += ~arena.view().npc_sees.any((1, 2))
        fight.step()
    share = hidden / ticks
    by_style = {
        s: float(np.mean([x for x, n in zip(share, names, strict=True) if n == s])) for s in dict.fromkeys(names)
    }
    return Unseen(float(share.mean()), by_style, worlds, seconds)
