"""The planner as a decider: filters the forecast's memory, states the planner's problem, and reads its plan back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from npc_sdk import tensors
from npc_sdk.belief import NEVER_S, PLAYER
from npc_sdk.constraints import KIND, Apart, RuleTables, Standing, shape_clearance
from npc_sdk.designer.choice import Choice
from npc_sdk.geometry import MapTables, grid_points
from npc_sdk.kernels import outlines
from npc_sdk.kernels.compiled import AVAILABLE
from npc_sdk.objectives.situation import Lookup
from npc_sdk.objectives.terms import TermSet, is_priced
from npc_sdk.planner.fields import FieldBook, Goals
from npc_sdk.planner.motion import Body, Held
from npc_sdk.planner.plan import Plan, cut, plan, shift
from npc_sdk.planner.problem import Bounds, PlannerConfig, Problem
from npc_sdk.runtime.forecasts import ForecastRules
from npc_sdk.runtime.game import Game
from npc_sdk.runtime.hands import hands
from npc_sdk.runtime.view import Evidence, Orders, View
from npc_sdk.shield import ShieldConfig, certified_limits, rounding
from npc_sdk.tensors import Grids, Places, Scene
from npc_sdk.world.conformal import Calibration
from npc_sdk.world.forecast import PLAYER_SLOT, Forecast, Memory, widened
from npc_sdk.world.forecast import join as join_memory

CELL = 0.25  # m, of the grids of where an NPC may be
PLANES_BIND = 2  # model steps for which an NPC is held to its part of the floor: the length of a chunk


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one NPC's newest decision was taken on: enough to take it again."""

    forecast: Forecast
    memory: Memory
    scene: Scene
    problem: Problem
    row: int  # of the NPC in `problem`
    standings: tuple[Standing, ...] = ()

    @property
    def priced(self) -> TermSet:
        """The terms that were priced when it decided; their prices are the last columns of its weights."""
        return TermSet(tuple(t for t in self.problem.terms.terms if is_priced(t.name)))


@dataclass(slots=True)
class _Kept:
    """What the planner remembers about one game."""

    memory: Memory | None = None
    filtered: int = -(10**9)  # tick of the last filter step
    elites: dict[int, tuple[int, torch.Tensor]] = field(default_factory=dict)  # NPC id -> apply tick, k h 2
    asked: dict[int, _Asked] = field(default_factory=dict)  # by NPC id, where decisions are explained


class PlannerDecider:
    """Plans with a forecast. Owns its memory; one thread at a time.

    Args:
        explain: keep what each NPC weighed, for explain and drawing; experiments do without.
        calibration: of the forecast, for rules that ask for a confidence; without one only reach bounds the player.
    """

    def __init__(
        self,
        forecast: Forecast,
        config: PlannerConfig,
        device: torch.device,
        *,
        explain: bool = False,
        calibration: Calibration | None = None,
    ) -> None:
        self.forecast = forecast
        self.config = config
        self.device = device
        self._explain = explain
        self._rules = ForecastRules(calibration)
        self._kept: dict[str, _Kept] = {}
        self._maps: tuple[tuple[MapTables, ...], Grids, Places, FieldBook] | None = None
        self._free: dict[int, tuple[RuleTables, NDArray[np.float32], NDArray[np.int64]]] = {}

    def forget(self, key: str) -> None:
        """Drops what it remembers about a game."""
        self._kept.pop(key, None)
        self._rules.forget(key)

    def use(self, forecast: Forecast, calibration: Calibration | None = None) -> None:
        """Plans with another forecast from now on; what the former one remembered means nothing to it."""
        if forecast is not self.forecast:
            self.forecast = forecast
            self._kept.clear()
            self._rules.use(calibration)

    @torch.inference_mode()
    def again(self, key: str, npc: int, weights: NDArray[np.float64], terms: TermSet) -> Evidence | None:
        """Takes an NPC's newest decision once more under other weights: same moment, same random numbers, same prices.

        Unlike `planner.plan.reweigh` this proposes, imagines and scores anew. The NPC goes on with the plan it has.

        Args:
            key: of its game.
            npc: its id.
            weights: M, in the order of `terms`.
            terms: to be scored by.

        Returns:
            What it weighed, None if it has not decided yet (or decisions are not explained).
        """
        asked = self._kept[key].asked.get(npc) if key in self._kept else None
        if asked is None:
            return None
        row = torch.from_numpy(np.asarray(weights, np.float32)[None]).to(self.device)
        problem, priced = cut(asked.problem, asked.row, asked.row + 1), asked.priced
        prices = problem.weights[:, problem.weights.shape[1] - len(priced.terms) :]
        problem = replace(problem, weights=torch.cat([row, prices], 1), terms=TermSet((*terms.terms, *priced.terms)))
        result = plan(asked.forecast, asked.memory, asked.scene, problem, self.config)
        return _evidence([npc], result, self.config, (asked.standings,))[0]

    @torch.inference_mode()
    def decide(self, view: View) -> Orders:
        """Answers for the NPCs that are due."""
        scene, memory = self.observe(view)
        rows = np.flatnonzero(view.due)
        if len(rows) == 0:
            return self._orders(view, rows, None)
        problem = self._rules.apply(view, rows, scene, memory, self.problem(view, rows, memory), self.config)
        result = plan(self.forecast, memory, scene, problem, self.config, late=view.late)
        standings = self._rules.standings(view, rows, problem, result)
        for row, elites in zip(rows, result.elites, strict=True):
            game = view.game[row]
            self._kept[view.games[game].key].elites[int(view.ids[row])] = (int(view.apply_tick[game]), elites)
        if self._explain:
            for i, row in enumerate(rows):
                asked = _Asked(self.forecast, memory, scene, problem, i, standings[i] if standings else ())
                self._kept[view.games[view.game[row]].key].asked[int(view.ids[row])] = asked
        return self._orders(view, rows, result, standings)

    @torch.inference_mode()
    def observe(self, view: View) -> tuple[Scene, Memory]:
        """Takes the view in, once per model step however often it is called."""
        walls, places, _ = self._tables(view)
        scene = tensors.scene(view.table, walls, places, np.arange(len(view.games)), self.device)
        return scene, self._filter(view, scene)

    def _tables(self, view: View) -> tuple[Grids, Places, FieldBook]:
        maps = tuple(game.ways for game in view.games)
        if (
            self._maps is None
            or len(maps) != len(self._maps[0])
            or any(a is not b for a, b in zip(maps, self._maps[0], strict=True))
        ):
            walls = tensors.grids([game.map.sdf for game in view.games], self.device)
            places = tensors.places([game.places for game in view.games], self.device)
            self._maps = (maps, walls, places, FieldBook(maps, self.device))
        return self._maps[1:]

    def _filter(self, view: View, scene: Scene) -> Memory:
        """Takes the scene in for every game whose last filter step is a model step ago."""
        width = scene.kind.shape[1]
        counts = [int((view.table.world == g).sum()) for g in range(len(view.games))]
        memories, due = [], []
        for game, count, tick in zip(view.games, counts, view.apply_tick, strict=True):
            kept = self._kept.setdefault(game.key, _Kept())
            if kept.memory is None or kept.memory.z.shape[:2] != (count, width):
                kept.memory = self.forecast.start(count, width)
            memories.append(kept.memory)
            step_due = tick - kept.filtered >= game.ticks_per_step
            due.append(step_due)
            if step_due:
                late = tick - kept.filtered >= 2 * game.ticks_per_step
                kept.filtered = int(tick) if late else kept.filtered + game.ticks_per_step
        before = join_memory(memories)
        if not any(due):
            return before
        after = self.forecast.filter(before, scene)
        if not all(due):
            takes = torch.from_numpy(np.repeat(due, counts)).to(self.device)
            after = _where(takes, after, before)
        first = 0
        for game, count in zip(view.games, counts, strict=True):
            self._kept[game.key].memory = after.rows(torch.arange(first, first + count, device=self.device))
            first += count
        return after

    def problem(self, view: View, rows: NDArray[np.intp], memory: Memory) -> Problem:
        """States who decides, what they weigh and what binds them."""
        book = self._tables(view)[2]

        def on(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        table, scene_of, slot, game = view.table, view.scene[rows], view.slot[rows], view.game[rows]
        believed = memory.pose[:, PLAYER_SLOT].cpu().numpy()[scene_of]
        facing = memory.heading[:, PLAYER_SLOT].cpu().numpy()[scene_of]
        own_squad = table.own[scene_of] & table.leader[scene_of]
        leader = np.where(own_squad.any(1), own_squad.argmax(1), slot)
        goals = Goals(
            map=game,
            player=believed[:, :2],
            facing=np.arctan2(facing[:, 1], facing[:, 0]),
            own=view.position[rows],
            leader=table.pose[scene_of, leader, :2],
            home=table.home[scene_of, slot],
            lost=table.cleared[scene_of, PLAYER_SLOT],
            age=table.age[scene_of, PLAYER_SLOT],
            ids=view.ids[rows].astype(np.int64),
        )
        return Problem(
            scene_index=on(scene_of),
            slot=on(slot),
            ids=on(view.ids[rows].astype(np.int64)),
            tick=on(view.apply_tick[game]),
            weights=on(view.weights[rows].astype(np.float32)),
            home=on(table.home[scene_of, slot]),
            bounds=self._bounds(view, rows, memory),
            fields=book.fields(goals),
            committed=on(view.committed),
            planned=on(view.planned[rows]),
            elites=self._elites(view, rows),
            terms=view.board.terms,
        )

    def _bounds(self, view: View, rows: NDArray[np.intp], memory: Memory) -> Bounds:
        """Gathers what binds the deciding NPCs, and the grids of where each may be."""
        names = ("speed", "acceleration", "leash", "spacing", "turn", "turn_above", "free", "walls")
        parts: dict[str, list[NDArray[np.generic]]] = {n: [] for n in names}
        grids, origins, count = [], [], 0
        for index, (game, tables) in enumerate(zip(view.games, view.rules, strict=True)):
            mine = np.flatnonzero(view.game == index)
            local = np.flatnonzero(np.isin(mine, rows))
            planes, plane_of = self._free_grids(game.map, tables, view.shield)
            grids.append(planes)
            origins += [game.map.sdf.origin] * len(planes)
            speed, acceleration = certified_limits(tables, local, game.margins(view.shield))
            parts["speed"].append(speed)
            parts["acceleration"].append(acceleration)
            parts["leash"].append(np.minimum(tables.leash, 1e6)[local])
            parts["spacing"].append(tables.spacing.max(1, initial=0.0)[local])
            turn, above = _turning(tables, local, game.margins(view.shield))
            parts["turn"].append(turn)
            parts["turn_above"].append(above)
            parts["free"].append(plane_of[local] + count)
            parts["walls"].append(np.full(len(local), count + len(planes) - 1))
            count += len(planes)
        whole = {n: torch.from_numpy(np.concatenate(p)).to(self.device) for n, p in parts.items()}
        free = Grids(
            torch.from_numpy(np.concatenate(grids)).to(self.device),
            torch.tensor(np.array(origins), dtype=torch.float32, device=self.device),
            CELL,
        )
        limits = {n: whole[n].float() for n in names[:6]}
        return Bounds(
            body=Body(limits["speed"], limits["acceleration"]),
            free=Lookup(free, whole["free"]),
            leash=limits["leash"],
            spacing=limits["spacing"],
            held=self._held(view, rows, memory, limits),
            walls=Lookup(free, whole["walls"]),
        )

    def _held(self, view: View, rows: NDArray[np.intp], memory: Memory, limits: dict[str, torch.Tensor]) -> Held:
        """Says what the shield will hold the deciding NPCs to, with the margins that it keeps itself."""
        scene, game = view.scene[rows], view.game[rows]
        player = memory.pose[torch.from_numpy(scene).to(self.device), PLAYER_SLOT]  # n 4
        distance, top_speed, near = _apart(view, rows)
        there = view.table.kind[scene, PLAYER_SLOT] == PLAYER
        # Who has never been seen, or is not where it was, is nowhere that a plan could mind; the shield knows better.
        there &= (view.table.age[scene, PLAYER_SLOT] < NEVER_S) & ~view.table.cleared[scene, PLAYER_SLOT]
        ages = [(apply - g.tick) * g.dt for g, apply in zip(view.games, view.apply_tick.tolist(), strict=True)]
        margin = view.shield.tolerance + view.shield.eps

        def on(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(array.astype(np.float32)).to(self.device)

        return Held(
            home=on(view.table.home[scene, view.slot[rows]]),
            leash=limits["leash"] - margin,
            turn=limits["turn"],
            turn_above=limits["turn_above"],
            planes=on(view.floor[rows]),
            steps=PLANES_BIND,
            place=player[:, None, :2].expand(-1, distance.shape[1], 2),
            pace=player[:, None, 2:].expand(-1, distance.shape[1], 2),
            distance=on(np.where(there[:, None], distance, np.inf)),
            top_speed=on(top_speed),
            near=torch.from_numpy(near).to(self.device),
            age=on(np.array(ages)[game]),
            spare=margin,
        )

    def _free_grids(
        self, map_: MapTables, tables: RuleTables, shield: ShieldConfig
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Samples how far a body's centre is from where it must not be: a plane per set of shapes, last the walls'."""
        found = self._free.get(id(tables))
        if found is not None and found[0] is tables:
            return found[1], found[2]
        walls = np.isin(tables.shape_kind, (KIND["wall"], KIND["bounds"]))
        masks, plane_of = np.unique(tables.shape_mask, axis=0, return_inverse=True)
        points = grid_points(map_.bounds, CELL)
        at = points.reshape(-1, 2)
        if AVAILABLE:
            clear = outlines.clearance(at, tables.edges, tables.shape_first, tables.shape_inside)  # k p
        else:
            clear = shape_clearance(tables, at)
        body = float(tables.radius.max(initial=0.0))
        body += shield.tolerance + rounding(tables, np.zeros((1, 2)), shield)
        planes = [
            np.where(mask, clear, np.inf).min(1, initial=1e3).reshape(points.shape[:2]) - body
            for mask in (*masks, walls)
        ]
        stack = np.stack(planes).astype(np.float32)
        if len(self._free) > 256:
            self._free.clear()
        self._free[id(tables)] = (tables, stack, plane_of.reshape(-1))
        return stack, plane_of.reshape(-1)

    def _elites(self, view: View, rows: NDArray[np.intp]) -> torch.Tensor:
        """Takes last decision's best candidates, shifted to now; NPCs without any try standing still."""
        out = torch.zeros(len(rows), self.config.kept, self.config.horizon, 2, device=self.device)
        steps = torch.zeros(len(rows), self.config.kept, dtype=torch.int64, device=self.device)
        for i, row in enumerate(rows):
            game = view.games[view.game[row]]
            found = self._kept[game.key].elites.get(int(view.ids[row]))
            if found is not None:
                out[i, : len(found[1])] = found[1]
                steps[i] = int(view.apply_tick[view.game[row]] - found[0]) // game.ticks_per_step
        return shift(out, steps)

    def _orders(
        self,
        view: View,
        rows: NDArray[np.intp],
        result: Plan | None,
        standings: tuple[tuple[Standing, ...], ...] = (),
    ) -> Orders:
        moves = np.zeros((0, self.config.horizon, 2), np.float32) if result is None else result.moves.cpu().numpy()
        evidence: tuple[Evidence | None, ...] = (None,) * len(rows)
        if result is not None and self._explain:
            evidence = _evidence(view.ids[rows].tolist(), result, self.config, standings)
        wanted = view.committed[view.scene, view.slot, 0]
        if len(rows):
            wanted[rows] = moves[:, 0]

        wasted = np.zeros(0, np.float32) if result is None else result.wasted.cpu().numpy()
        return Orders(rows.astype(np.int64), moves, hands(view, wanted), evidence, wasted, standings)


def _apart(view: View, rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Returns distance (infinite where it does not bind), top speed and direction of each rule about players: n q."""
    about = [_about_players(game, tables) for game, tables in zip(view.games, view.rules, strict=True)]
    shape = (len(rows), max(len(rules) for rules in about))
    distance, top_speed, near = np.full(shape, np.inf), np.zeros(shape), np.zeros(shape, np.bool_)
    for index, rules in enumerate(about):
        mine = np.flatnonzero(view.game == index)
        here, local = view.game[rows] == index, np.flatnonzero(np.isin(mine, rows))
        for q, rule in enumerate(rules):
            distance[here, q] = np.where(rule.binds[local], rule.distance, np.inf)
            top_speed[here, q], near[here, q] = rule.top_speed, rule.near
    return distance, top_speed, near


def _turning(
    tables: RuleTables, local: NDArray[np.intp], shield: ShieldConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the rate, rad/s, that is left of each turn limit for a velocity that may be off, and from which speed.

    Of a car none: a plan that has to stop before it turns round would be one for a body that turns on the spot.
    """
    if tables.steers:
        return np.full(len(local), np.inf), np.full(len(local), np.inf)
    give, above = shield.velocity_tolerance, tables.turn_above[local]
    hidden = np.arcsin(np.minimum(1.0, give / np.maximum(above - give, 1e-9))) / tables.dt
    return np.maximum(tables.turn[local] - hidden, 0.0), above - give


def _about_players(game: Game, tables: RuleTables) -> list[Apart]:
    names = {"player", *(entity.name for entity in game.schema.entities if entity.role == "player")}
    return [rule for rule in tables.apart if rule.to in names]


def _where(takes: torch.Tensor, after: Memory, before: Memory) -> Memory:
    def pick(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.where(takes.reshape(-1, *[1] * (a.dim() - 1)), a, b)

    return Memory(
        z=pick(after.z, before.z),
        pose=pick(after.pose, before.pose),
        heading=pick(after.heading, before.heading),
        variance=pick(after.variance, before.variance),
        known=pick(after.known, before.known),
        trace=pick(after.trace, widened(before.trace, after.trace.shape[1])),
    )


def _evidence(
    ids: Sequence[int], result: Plan, config: PlannerConfig, standings: tuple[tuple[Standing, ...], ...]
) -> tuple[Evidence, ...]:
    """Copies what each NPC weighed into plain arrays."""
    features = result.verified.features.double().cpu().numpy()
    objective, feasible = result.objective.cpu().numpy(), result.feasible.cpu().numpy()
    weights, chosen = result.weights.double().cpu().numpy(), result.chosen.cpu().numpy()
    paths = result.verified.own[..., :2].cpu().numpy()
    players = result.verified.player[..., :2].cpu().numpy()
    steps = result.verified.steps(config).long().cpu().numpy()
    priced = sum(is_priced(name) for name in result.names)
    return tuple(
        Evidence(
            choice=Choice(
                npc=int(npc),
                terms=result.names,
                weights=weights[i],
                features=features[i],
                objective=objective[i],
                feasible=feasible[i],
                families=tuple(families),
                chosen=int(chosen[i]),
                steps=steps[i],
                priced=priced,
                standings=standings[i] if standings else (),
            ),
            paths=paths[i],
            ghosts=players[i],
        )
        for i, (npc, families) in enumerate(zip(ids, result.families, strict=True))
    )
