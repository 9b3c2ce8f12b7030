"""Everything the quantities are computed from: forecasts of each deciding NPC's candidates, and lookup tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.tensors import Grids


@dataclass(frozen=True, slots=True)
class Lookup:
    """Grids plus the one that each row of a batch reads; row index is a plane of `grids.values`."""

    grids: Grids
    index: Int[Tensor, " n"]

    def at(self, xy: Float[Tensor, "n s h 2"]) -> Float[Tensor, "n s h"]:
        """Interpolates each row's grid."""
        return self.grids.sample(self.index[:, None, None], xy)


@dataclass(frozen=True, slots=True)
class View:
    """How the player sees, by the rules of the game."""

    half_angle: float = 1.0471976  # rad, of the cone
    reach: float = 18.0  # m


@dataclass(frozen=True, slots=True)
class Blast:
    """How grenades hurt, by the rules of the game."""

    radius: float = 3.0  # m
    margin: float = 0.7  # m outside of which a wary NPC feels safe
    patience: float = 1.0  # s; danger falls by e for each of these that the fuse still has


@dataclass(frozen=True, slots=True)
class Situation:
    """`n` deciding NPCs, `s` candidates, `h` steps; entry k of `h` is the state after step k + 1."""

    dt: float  # s, one step
    start: Float[Tensor, "n 4"]  # x y vx vy now
    own: Float[Tensor, "n s h 4"]
    player: Float[Tensor, "n s h 6"]  # x y vx vy cos sin
    spread: Float[Tensor, "n s h"]  # m
    events: Float[Tensor, "n s h q"]  # hit_taken, hit_dealt, player_fires
    target: Float[Tensor, "n 2"]  # where `player_path` leads: the player as believed now
    unseen: Bool[Tensor, " n"]
    age: Float[Tensor, " n"]  # s
    cleared: Bool[Tensor, " n"]
    health: Float[Tensor, " n"]  # share of full
    ammo: Float[Tensor, " n"]  # share of full
    home: Float[Tensor, "n 2"]
    allies: Float[Tensor, "n a h 4"]  # squad mates under their committed plans
    allied: Bool[Tensor, "n a"]
    leader: Float[Tensor, "n h 4"]  # of the squad; own start where there is none
    led: Bool[Tensor, " n"]  # has a leader other than itself
    grenades: Float[Tensor, "n g h 4"]
    armed: Bool[Tensor, "n g"]
    fuse: Float[Tensor, "n g"]  # s
    previous: Float[Tensor, "n h 2"]  # positions under the previous plan
    planned: Bool[Tensor, " n"]  # has a previous plan
    walls: Lookup  # signed distance to the nearest wall, m
    sight: Lookup  # the same for opaque walls only
    player_path: Lookup  # walking distance to `target`, m
    search_path: Lookup  # walking distance to the place to search, m
    home_path: Lookup  # walking distance to where the NPC belongs, m
    cover: Lookup  # walking distance to a place hidden from the believed player, m
    view: View = View()
    blast: Blast = Blast()
    patience: float = math.inf  # s in which what lies ahead comes to count less by e
