"""What a planner is given: who decides, what they weigh, what binds them, what everybody has said they will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.objectives.situation import Blast, Lookup, View
from npc_sdk.objectives.terms import DEFAULT_TERMS, PATIENCE_S, TermSet
from npc_sdk.planner.fields import Fields
from npc_sdk.planner.motion import Body, Held
from npc_sdk.world.forecast import DT

Rollout = Literal["duet", "factored"]
Obedience = Literal["project", "rank", "price"]


@dataclass(frozen=True, slots=True)
class PlannerConfig:
    """How much is tried, and how."""

    candidates: int = 32  # per NPC and iteration
    horizon: int = 20  # model steps of DT
    patience: float = PATIENCE_S  # s in which steps come to count less by e
    iterations: int = 0  # rounds of blending and trying again: dearer than as many more candidates, see the page
    method: Literal["mppi", "cem"] = "mppi"  # how the candidates of an iteration are blended into the next
    elites: int = 4  # best candidates that are verified and kept for the next decision, besides one per family
    kept: int = 3  # candidates tried again at the next decision: the best, and the blend of all
    temperature: float = 0.1  # of the blend, in standard deviations of J among the NPC's candidates
    noise: float = 0.3  # of the speed limit: one sigma of the velocity noise
    colour: float = 2.0  # power of the noise falls with frequency to this power; 0 is white
    rank: Rollout = "duet"  # roll-out that ranks all candidates; see ADR 0015
    verify: Rollout = "duet"  # roll-out that decides among the elites and the families
    rows: int = 4096  # candidates scored in one go; more NPCs are cut into pieces of this size
    tolerance: float = 0.05  # m (of a distance from the player: share) by which a forecast may break a rule
    mates: int = 4  # nearest squad mates that terms look at
    neighbours: int = 6  # nearest NPCs that rules look at
    grenades: int = 3  # nearest grenades that terms look at
    seed: int = 0
    rules: Obedience = "project"  # plans are bent to rules before they are imagined, or only ranked, or priced
    price: float = 0.0  # J per metre of the worst breach, where rules are priced: a soft penalty, for comparison
    view: View = field(default_factory=View)
    blast: Blast = field(default_factory=Blast)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What binds each deciding NPC, as far as forecasts can tell; the shield has the last word."""

    body: Body
    free: Lookup  # signed distance of the NPC's centre to where it must not be, m: walls, zones, radius taken off
    leash: Float[Tensor, " n"]  # m from home, infinite without one
    spacing: Float[Tensor, " n"]  # m from other NPCs, 0 without a rule
    held: Held | None = None  # what plans are bent to beside body and ground
    walls: Lookup | None = None  # as `free` without the zones: all that plans are bent to where rules only rank


@dataclass(frozen=True, slots=True)
class Clearance:
    """How far plans are to keep from where the player will be: `c` rules of class H. Forecasts, ranked by."""

    distance: Float[Tensor, "n c"]  # m, 0 where a rule does not bind
    factor: Float[Tensor, "n c"]  # what the forecast's spread is multiplied by; infinite: only the reach is known
    top_speed: Float[Tensor, "n c"]  # m/s that the player is declared not to exceed
    steps: Int[Tensor, "n c"]  # model steps that are looked at
    place: Float[Tensor, "n 2"]  # m, where the squad last saw the player
    since: Float[Tensor, " n"]  # s ago, by the time the plan begins


@dataclass(frozen=True, slots=True)
class Problem:
    """One batch of decisions. Poses come from the scene: `scene.pose[scene_index, slot]`."""

    scene_index: Int[Tensor, " n"]
    slot: Int[Tensor, " n"]
    ids: Int[Tensor, " n"]  # entity ids: with the tick they seed the noise
    tick: Int[Tensor, " n"]  # of the decision, per NPC as games run apart
    weights: Float[Tensor, "n M"]  # in the order of `terms`
    home: Float[Tensor, "n 2"]
    bounds: Bounds
    fields: Fields
    committed: Float[Tensor, "b e h 2"]  # velocity plans of all NPCs from now on
    planned: Bool[Tensor, " n"]  # whether the NPC's own row of `committed` is a plan
    elites: Float[Tensor, "n k h 2"]  # candidates of the previous decision, shifted to now; k may be 0
    clear: Clearance | None = None  # None where no rule asks
    sight: Lookup | None = None  # signed distance to opaque walls, m, where not every wall is opaque
    terms: TermSet = DEFAULT_TERMS
    dt: float = DT


@runtime_checkable
class Projection(Protocol):
    """What the shield would make of a plan. Injected; only the verified candidates pass through it."""

    def __call__(self, problem: Problem, moves: Float[Tensor, "n v h 2"]) -> Float[Tensor, "n v h 2"]:
        """Returns the velocities that would be executed."""
