"""Plans for all NPCs of a tick: propose, imagine, score, blend, verify, choose. Feasible first, then cheap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import ModuleType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from npc_sdk.planner import cem, mppi
from npc_sdk.planner.motion import shape
from npc_sdk.planner.problem import Clearance, PlannerConfig, Problem, Projection, Rollout
from npc_sdk.planner.proposals import FAMILIES, STRUCTURED, draw, sampled, structured
from npc_sdk.planner.score import breaches, objective, order, score, shortfall, steps_over
from npc_sdk.tensors import Scene
from npc_sdk.world.forecast import Decision, Forecast, Memory

_BLEND: dict[str, ModuleType] = {"mppi": mppi, "cem": cem}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Scored plans, `s` per NPC. Features are kept, not costs: other weights need no new rollout."""

    moves: Float[Tensor, "n s h 2"]  # m/s per step
    family: Int[Tensor, "n s"]  # index into FAMILIES
    features: Float[Tensor, "n s M"]
    breaches: Float[Tensor, "n s rules"]  # m, as score.RULES
    short: Float[Tensor, "n s"]  # of being clear of the player, as a share of the distance asked for
    own: Float[Tensor, "n s h 4"]  # m, m/s: where the NPC would go
    player: Float[Tensor, "n s h 6"]  # how the player is forecast to answer
    spread: Float[Tensor, "n s h"]  # m, one sigma of the player's place

    def pick(self, index: Int[Tensor, "n v"]) -> Candidates:
        """Takes some of each NPC's candidates."""
        row = torch.arange(index.shape[0], device=index.device)[:, None]
        return Candidates(**{f.name: getattr(self, f.name)[row, index] for f in fields(Candidates)})

    def beside(self, other: Candidates) -> Candidates:
        """Puts the candidates of `other` after these."""
        return Candidates(
            **{f.name: torch.cat([getattr(self, f.name), getattr(other, f.name)], 1) for f in fields(Candidates)}
        )

    @property
    def depth(self) -> Float[Tensor, "n s"]:
        """Metres of the worst breach of any rule of tier 0, 0 where all are kept."""
        return self.breaches.amax(-1)

    def steps(self, config: PlannerConfig) -> Float[Tensor, "n s"]:
        """How badly rules are broken, as `steps_over` counts."""
        return steps_over(self.depth, self.short, config.tolerance)

    def feasible(self, config: PlannerConfig) -> Bool[Tensor, "n s"]:
        """Where all rules are kept, as far as forecasts can tell."""
        return torch.maximum(self.depth, self.short) < config.tolerance


@dataclass(frozen=True, slots=True)
class Plan:
    """What was chosen for each NPC, and all that it was chosen from."""

    moves: Float[Tensor, "n h 2"]  # m/s per step, of the chosen candidate
    chosen: Int[Tensor, " n"]  # index into the verified candidates
    runner_up: Int[Tensor, " n"]  # best of another family than the chosen, else the second best
    verified: Candidates  # n v
    objective: Float[Tensor, "n v"]  # J, float64
    feasible: Bool[Tensor, "n v"]
    weights: Float[Tensor, "n M"]
    names: tuple[str, ...]  # of the terms
    elites: Float[Tensor, "n k h 2"]  # to be tried at the next decision: the best ones, and last the blend of all
    complete: bool  # False when the deadline cut the search short
    wasted: Float[Tensor, " n"]  # share of all the candidates tried that break a rule

    @property
    def families(self) -> list[list[str]]:
        """Names of the verified candidates' families."""
        return [[FAMILIES[f] for f in row] for row in self.verified.family.tolist()]

    def parts(self) -> Float[Tensor, "n v M"]:
        """Weight x feature of each term; their sum over M is J."""
        return self.verified.features.double() * self.weights.double()[:, None]


Late = Callable[[], bool]


def _never() -> bool:
    return False


@torch.inference_mode()
def plan(
    forecast: Forecast,
    memory: Memory,
    scene: Scene,
    problem: Problem,
    config: PlannerConfig,
    *,
    late: Late = _never,
    projection: Projection | None = None,
) -> Plan:
    """Decides for every NPC in `problem`.

    Args:
        forecast: says what the player and the others will do.
        memory: has already taken `scene` in.
        late: True once the time is used up; asked between steps, and the best plan so far is returned.
        projection: what the shield would make of the verified candidates.
    """
    n = problem.slot.shape[0]
    most = max(1, config.rows // config.candidates)
    if n > most:
        parts = [
            _plan(forecast, memory, scene, cut(problem, i, i + most), config, late, projection)
            for i in range(0, n, most)
        ]
        return _joined(parts)
    return _plan(forecast, memory, scene, problem, config, late, projection)


def _plan(
    forecast: Forecast,
    memory: Memory,
    scene: Scene,
    problem: Problem,
    config: PlannerConfig,
    late: Late,
    projection: Projection | None,
) -> Plan:
    blend = _BLEND[config.method].blend
    start = scene.pose[problem.scene_index, problem.slot]
    body = problem.bounds.body

    def rolled(moves: Float[Tensor, "n s h 2"], family: Int[Tensor, "n s"], mode: Rollout) -> Candidates:
        return roll_out(forecast, memory, scene, problem, config, moves, family, mode)

    # Propose: one plan per family, last time's elites, noise around both.
    complete = not late()
    moves, tags = propose(scene, problem, config, sampling=complete)
    # Imagine and score.
    pool = rolled(moves, tags, config.rank)
    # Improve: try the blend of the good ones, and around it.
    for i in range(config.iterations):
        if not complete or late():
            complete = False
            break
        mean = blend(pool.moves, *_merit(pool, problem, config), config)
        noise = draw(problem.ids, problem.tick, config.candidates // 2, i + 1, config) * (0.5 / (i + 1))
        bent = mean[:, None] + noise * (config.noise * body.speed)[:, None, None, None]
        near = shaped(problem, config, start, torch.cat([mean[:, None], bent], 1))
        pool = pool.beside(rolled(near, _tags(tags[:, :0], blend=1, sample=bent.shape[1]), config.rank))
    # Verify the best, and one of every family.
    verified = pool.pick(_seats(pool, problem, config))
    complete = complete and not late()
    if complete and (projection is not None or config.rank != config.verify):
        moves = verified.moves if projection is None else projection(problem, verified.moves)
        verified = rolled(moves, verified.family, config.verify)
    result = choose(verified, problem.weights, problem.terms.names, config, complete)
    # The blend of all is not worth a roll-out of its own now; as a candidate of the next decision it costs nothing.
    mean = blend(pool.moves, *_merit(pool, problem, config), config)
    elites = torch.cat([result.elites[:, : config.kept - 1], mean[:, None]], 1)
    return replace(result, elites=elites, wasted=(pool.depth >= config.tolerance).float().mean(1))


def shaped(
    problem: Problem, config: PlannerConfig, start: Float[Tensor, "n 4"], wished: Float[Tensor, "n s h 2"]
) -> Float[Tensor, "n s h 2"]:
    """Bends plans to what a body can do and, if so configured, to all that the rules allow."""
    bounds = problem.bounds
    if config.rules == "project":
        return shape(bounds.free, bounds.body, problem.dt, start, wished, bounds.held)
    return shape(bounds.walls or bounds.free, bounds.body, problem.dt, start, wished)


def _merit(
    pool: Candidates, problem: Problem, config: PlannerConfig
) -> tuple[Float[Tensor, "n s"], Bool[Tensor, "n s"]]:
    """Returns what blends go by: J, and who takes part."""
    J, depth = objective(pool.features, problem.weights), pool.depth
    if config.rules == "price":
        return J + config.price * depth, torch.ones_like(depth, dtype=torch.bool)
    return J, pool.feasible(config)


def propose(
    scene: Scene, problem: Problem, config: PlannerConfig, *, sampling: bool = True
) -> tuple[Float[Tensor, "n s h 2"], Int[Tensor, "n s"]]:
    """Returns the plans to try, shaped to what a body can do, and their families; `sampling` adds all but the first."""
    start, h = scene.pose[problem.scene_index, problem.slot], config.horizon
    families = structured(problem, scene, start, h)
    tags = torch.arange(STRUCTURED, device=start.device).expand(len(start), -1)
    if sampling:
        count = max(0, config.candidates - STRUCTURED - problem.elites.shape[1])
        samples = sampled(problem, families, count, config)
        families = torch.cat([families, problem.elites[:, :, :h], samples], 1)
        tags = _tags(tags, elite=problem.elites.shape[1], sample=count)
    return shaped(problem, config, start, families), tags


def choose(
    verified: Candidates,
    weights: Float[Tensor, "n M"],
    names: tuple[str, ...],
    config: PlannerConfig,
    complete: bool = True,
) -> Plan:
    """Chooses among scored candidates: feasible first, then by J."""
    J = objective(verified.features, weights)
    depth = verified.depth
    ranks = order(depth, verified.short, J, config)
    row = torch.arange(ranks.shape[0], device=ranks.device)
    chosen = ranks[:, 0]
    family = verified.family.gather(1, ranks)
    another = family != family[:, :1]
    second = torch.where(another.any(1), another.long().argmax(1), min(1, ranks.shape[1] - 1))
    return Plan(
        moves=verified.moves[row, chosen],
        chosen=chosen,
        runner_up=ranks[row, second],
        verified=verified,
        objective=J,
        feasible=verified.feasible(config),
        weights=weights,
        names=names,
        elites=verified.moves[row[:, None], ranks[:, : config.kept]],
        complete=complete,
        wasted=(depth >= config.tolerance).float().mean(1),
    )


@torch.inference_mode()
def reweigh(plan: Plan, weights: Float[Tensor, "n M"], config: PlannerConfig) -> Plan:
    """Chooses again among a plan's verified candidates under other weights; nothing is imagined anew."""
    return replace(choose(plan.verified, weights, plan.names, config, plan.complete), wasted=plan.wasted)


@torch.inference_mode()
def leading_term(plan: Plan) -> Int[Tensor, " n"]:
    """Returns the index of the term that speaks loudest for the choice against the runner-up, -1 if none does."""
    parts = plan.parts()
    row = torch.arange(parts.shape[0], device=parts.device)
    lead = parts[row, plan.runner_up] - parts[row, plan.chosen]  # n M
    if lead.shape[1] == 0:
        return torch.full_like(plan.chosen, -1)
    best = lead.max(-1)
    return torch.where(best.values > 0, best.indices, -1)


def shift(moves: Float[Tensor, "*r h 2"], steps: Int[Tensor, "*r"]) -> Float[Tensor, "*r h 2"]:
    """Drops the steps that have passed; the end is filled with the last velocity, as a warm start should go on."""
    h = moves.shape[-2]
    index = (torch.arange(h, device=moves.device) + steps[..., None]).clamp(0, h - 1)
    return moves.gather(-2, index[..., None].expand_as(moves))


def roll_out(
    forecast: Forecast,
    memory: Memory,
    scene: Scene,
    problem: Problem,
    config: PlannerConfig,
    moves: Float[Tensor, "n s h 2"],
    family: Int[Tensor, "n s"],
    mode: Rollout,
) -> Candidates:
    """Imagines plans and scores where they lead."""
    decision = Decision(problem.scene_index, problem.slot, moves, problem.committed)
    imagined = forecast.imagine(memory, scene, decision, mode)
    return Candidates(
        moves=moves,
        family=family,
        features=score(problem, scene, memory, imagined, config),
        breaches=breaches(problem, scene, imagined, config),
        short=shortfall(problem, scene, imagined),
        own=imagined.own,
        player=imagined.player,
        spread=imagined.spread,
    )


def _tags(first: Int[Tensor, "n f"], **counts: int) -> Int[Tensor, "n s"]:
    """Continues rows of family indices with some of others."""
    more = [first.new_full((first.shape[0], c), FAMILIES.index(name)) for name, c in counts.items()]
    return torch.cat([first, *more], 1)


def _seats(pool: Candidates, problem: Problem, config: PlannerConfig) -> Int[Tensor, "n v"]:
    """Gives every structured family a seat, in order, then the best of the others."""
    n, s = pool.family.shape
    J = objective(pool.features, problem.weights)
    ranks = order(pool.depth, pool.short, J, config)
    own = torch.arange(STRUCTURED, device=ranks.device).expand(n, -1)  # the families come first
    free = ranks >= STRUCTURED  # n s, by rank
    best = (~free).long().argsort(dim=1, stable=True)[:, : min(config.elites, s - STRUCTURED)]
    return torch.cat([own, ranks.gather(1, best)], 1)  # n v


def cut(problem: Problem, first: int, last: int) -> Problem:
    """Cuts a piece of a batch out; scenes stay whole."""
    cut = slice(first, last)
    bounds, fields_ = problem.bounds, problem.fields
    body = replace(bounds.body, speed=bounds.body.speed[cut], acceleration=bounds.body.acceleration[cut])
    return replace(
        problem,
        scene_index=problem.scene_index[cut],
        slot=problem.slot[cut],
        ids=problem.ids[cut],
        tick=problem.tick[cut],
        weights=problem.weights[cut],
        home=problem.home[cut],
        bounds=replace(
            bounds,
            body=body,
            free=replace(bounds.free, index=bounds.free.index[cut]),
            leash=bounds.leash[cut],
            spacing=bounds.spacing[cut],
            held=None if bounds.held is None else bounds.held.rows(first, last),
            walls=None if bounds.walls is None else replace(bounds.walls, index=bounds.walls.index[cut]),
        ),
        fields=replace(fields_, index=fields_.index[cut]),
        planned=problem.planned[cut],
        elites=problem.elites[cut],
        clear=None if problem.clear is None else _cut_clear(problem.clear, cut),
        sight=None if problem.sight is None else replace(problem.sight, index=problem.sight.index[cut]),
    )


def _cut_clear(clear: Clearance, cut: slice) -> Clearance:
    return Clearance(**{f.name: getattr(clear, f.name)[cut] for f in fields(Clearance)})


def _joined(parts: list[Plan]) -> Plan:
    """Stacks the plans of pieces. A piece that ran out of time verified fewer candidates: it is padded by its first."""
    width = max(p.objective.shape[1] for p in parts)
    padded = [p if p.objective.shape[1] == width else _padded(p, width) for p in parts]
    whole = {
        name: torch.cat([getattr(p, name) for p in padded])
        for name in ("moves", "chosen", "runner_up", "objective", "feasible", "weights", "elites", "wasted")
    }
    verified = Candidates(
        **{f.name: torch.cat([getattr(p.verified, f.name) for p in padded]) for f in fields(Candidates)}
    )
    complete = all(p.complete for p in parts)
    return Plan(**whole, verified=verified, names=parts[0].names, complete=complete)


def _padded(plan: Plan, width: int) -> Plan:
    n, v = plan.objective.shape
    index = torch.arange(width, device=plan.objective.device)
    index = torch.where(index < v, index, 0).expand(n, -1)
    row = torch.arange(n, device=index.device)[:, None]
    return replace(
        plan,
        verified=plan.verified.pick(index),
        objective=plan.objective[row, index],
        feasible=plan.feasible[row, index],
    )
