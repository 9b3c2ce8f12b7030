"""Attacks on the shield in virtual time: tight rules of every kind, wild weights, hostile plans. The audit judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import Action
from npc_sdk import audit
from npc_sdk.designer.board import Board
from npc_sdk.designer.request import Table
from npc_sdk.envs.arena import BOUNDS, DT, NPC_KINEMATICS, Arena, ArenaConfig, ArenaMap, make_map
from npc_sdk.envs.arena.players import ALL_STYLES, ScriptedPlayers
from npc_sdk.experiments.lockstep import LockStep, Trace
from npc_sdk.experiments.stage import Unshielded, new_board, persona_names
from npc_sdk.geometry import point_in_polygon, ring_edges, segment_distance
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.runtime import Decider, Orders, Report, Runtime, RuntimeConfig, View
from npc_sdk.runtime.tick import ramp
from npc_sdk.shield import ShieldConfig, Tally

Floats = NDArray[np.float64]

EVERY_TICKS = 3
RESTLESS_TICKS = 30  # between new weights and personas
ROOM = 0.08  # m of play an NPC starts with inside its rules
WINDOW_S, TOKEN_S, RESERVE = 3.0, 0.4, 2.0
_PLAYER_SPEED = ArenaConfig().player_body.max_speed
DECADES = 2.0  # weights are 10 ** uniform(-2, 2)


@dataclass(frozen=True, slots=True)
class StressConfig:
    """How hard and how long."""

    steps: int = 100_000  # NPC-ticks under the shield, over all batches
    npcs: int = 8
    attackers: float = 0.25  # share of NPCs whose plans are replaced by runs at the nearest forbidden thing
    control_share: float = 0.2  # of the steps, played again without the shield
    seed: int = 0

    @property
    def worlds(self) -> int:
        """Fights played together."""
        return 8 if self.steps >= 20_000 else 2

    @property
    def batches(self) -> int:
        """How many sets of rules are tried; an even number, one half of them with the untrained model."""
        return max(2, 2 * round(self.steps / (self.worlds * self.npcs * 400)))

    @property
    def ticks(self) -> int:
        """Length of one batch."""
        return -(-self.steps // (self.batches * self.worlds * self.npcs))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Tight rules for all fights of a batch, and the windows in which shooting is forbidden."""

    keep_out: tuple[Floats, ...]
    keep_in: Floats
    leash: float  # m
    speed: float  # m/s, squad 0 only
    acceleration: float  # m/s^2
    spacing: float  # m
    away: float  # m from the player
    door: Floats
    cooldown: float  # s
    most: int  # attacks of a squad within WINDOW_S
    tokens: float
    silence: tuple[tuple[int, int], ...]  # ticks

    def tables(self) -> tuple[Table, ...]:
        """As the board takes them."""
        zones = [{"rule": "keep_out", "name": f"out_{i}", "polygon": p.tolist()} for i, p in enumerate(self.keep_out)]
        return (
            *zones,
            {"rule": "keep_in", "name": "in", "polygon": self.keep_in.tolist()},
            {"rule": "leash", "name": "leash", "radius": self.leash},
            {"rule": "speed_limit", "name": "slow", "speed": self.speed, "who": "squad:0"},
            {"rule": "acceleration_limit", "name": "gentle", "acceleration": self.acceleration},
            {"rule": "ally_distance", "name": "apart", "distance": self.spacing},
            {"rule": "keep_away", "name": "away", "distance": self.away, "top_speed": _PLAYER_SPEED},
            {"rule": "no_stop", "name": "door", "polygon": self.door.tolist()},
            {"rule": "cooldown", "name": "slowly", "seconds": self.cooldown},
            {"rule": "attack_limit", "name": "few", "most": self.most, "seconds": WINDOW_S, "per": "squad"},
            {"rule": "attack_tokens", "name": "in turn", "capacity": self.tokens, "seconds": TOKEN_S},
            {"rule": "reserve", "name": "last rounds", "field": "ammo", "least": RESERVE},
            {"rule": "hold_fire", "name": "silence"},
        )


def draw_rules(rng: np.random.Generator, ticks: int) -> RuleSet:
    """Draws rules that leave little room: NPCs start beside them and their plans run into them."""
    keep_in = _star(rng, np.zeros(2), 12, 6.5, 10.5)
    centres = [rng.uniform(2.0, 5.0) * np.array([np.cos(a), np.sin(a)]) for a in rng.uniform(0, 2 * np.pi) + _THIRDS]
    first = 3 * (ticks // 18)
    return RuleSet(
        keep_out=tuple(_star(rng, centre, int(rng.integers(4, 9)), 0.7, 1.8) for centre in centres),
        keep_in=keep_in,
        leash=float(rng.uniform(2.5, 4.5)),
        speed=float(rng.uniform(1.5, 2.8)),
        acceleration=float(rng.uniform(6.0, 12.0)),
        spacing=float(rng.uniform(0.9, 1.4)),
        away=float(rng.uniform(1.5, 4.0)),
        door=_star(rng, centres[0] + 1.5, 5, 0.5, 1.2),
        cooldown=float(rng.uniform(0.2, 0.6)),
        most=int(rng.integers(2, 6)),
        tokens=float(rng.integers(1, 4)),
        silence=((first, 2 * first), (3 * first, 5 * first)) if first else ((0, ticks),),
    )


_THIRDS = np.arange(3) * 2 * np.pi / 3


def _star(rng: np.random.Generator, centre: Floats, corners: int, near: float, far: float) -> Floats:
    """A simple polygon around a centre, usually not convex; counter-clockwise."""
    angle = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
    reach = rng.uniform(near, far, corners)
    ring: Floats = centre + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return ring.round(3)


def place(arena: Arena, rules: RuleSet, rng: np.random.Generator) -> None:
    """Puts all NPCs where their rules hold, at rest: assumption K5."""
    p, radius = arena.config.players, NPC_KINEMATICS.radius
    for w, arena_map in enumerate(arena.maps):
        free = _free_spots(arena_map, rules, radius + ROOM, rng)
        chosen: list[Floats] = []
        for spot in free:
            if len(chosen) == arena.config.npcs:
                break
            if all(np.hypot(*(spot - c)) >= rules.spacing + ROOM for c in chosen):
                chosen.append(spot)
        arena.pos[w, p : p + len(chosen)] = np.array(chosen)
        if len(chosen) < arena.config.npcs:
            raise ValueError(f"{arena_map.name}: found room for {len(chosen)} NPCs, expected {arena.config.npcs}")
        arena.home[w] = arena.pos[w]


def _free_spots(arena_map: ArenaMap, rules: RuleSet, clearance: float, rng: np.random.Generator) -> Floats:
    spots = rng.uniform(-11, 11, (4000, 2))
    good = arena_map.tables.sdf.sample(spots) >= clearance + 0.1  # the grid interpolates
    for ring, inside in [(rules.keep_in, True), (rules.door, False), *((z, False) for z in rules.keep_out)]:
        corners = [(float(x), float(y)) for x, y in ring]
        clear = segment_distance(spots, ring_edges(corners)).min(-1) >= clearance
        good &= clear & (point_in_polygon(spots, corners) == inside)
    out: Floats = spots[good]
    return out


class Attackers:
    """A decider whose NPCs partly ignore their planner: for a second they run at a zone, a mate or away, and shoot."""

    def __init__(self, decider: Decider, rules: RuleSet, share: float, seed: int) -> None:
        self._decider = decider
        self._targets = np.array([zone.mean(0) for zone in rules.keep_out])
        self._share = share
        self._seed = seed

    def forget(self, key: str) -> None:
        """Drops what the planner remembers about a game."""
        self._decider.forget(key)

    def decide(self, view: View) -> Orders:
        """Replaces some NPCs' plans."""
        orders = self._decider.decide(view)
        moves, hands = orders.moves.copy(), orders.hands.copy()
        for i, row in enumerate(orders.rows.tolist()):
            game = int(view.game[row])
            second = int(view.apply_tick[game]) // RESTLESS_TICKS
            rng = np.random.default_rng([self._seed, game, int(view.ids[row]), second])
            if rng.random() < self._share:
                moves[i] = self._attack(view, row, rng)
                hands[row, 1:3] = 1.0
        return replace(orders, moves=moves, hands=hands)

    def _attack(self, view: View, row: int, rng: np.random.Generator) -> NDArray[np.float32]:
        here = view.position[row]
        kind = rng.integers(3)
        if kind == 0:
            gap = self._targets - here
        elif kind == 1:
            others = (view.game == view.game[row]) & (np.arange(len(view.game)) != row)
            gap = view.position[others] - here
        else:
            gap = here[None]  # outward
        aim = gap[np.argmin(np.hypot(gap[:, 0], gap[:, 1]))] if len(gap) else here
        size = max(float(np.hypot(*aim)), 1e-3)
        velocity: NDArray[np.float32] = (aim / size * NPC_KINEMATICS.max_speed).astype(np.float32)
        return velocity


def _bare(action: Action, report: Report, wanted: NDArray[np.floating]) -> Action:
    """The same action with the plans as they are, cut only by what a body can physically do."""
    game, start = report.game, action.expected[:, 0].astype(np.float64)
    agile = np.full(len(start), ArenaConfig().npc_body.max_acceleration / game.schema.tick_hz)
    velocity = ramp(start[:, 2:], wanted, agile)  # n m 2
    steps = action.steps.copy()
    for axis, name in enumerate(("move_x", "move_y")):
        column = [c.name for c in game.schema.channels].index(name)
        steps[:, :, column] = velocity[:, :, axis]
    before = np.concatenate([start[:, None, 2:], velocity[:, :-1]], 1)
    travelled = np.cumsum(velocity, 1) / game.schema.tick_hz
    position = np.concatenate([start[:, None, :2], start[:, None, :2] + travelled[:, :-1]], 1)
    return replace(action, steps=steps, expected=np.concatenate([position, before], 2).astype(np.float32))


class Restless:
    """Turns weights over four decades and switches personas while the game runs."""

    def __init__(self, board: Board, personas: Sequence[str], worlds: int, squads: int, seed: int) -> None:
        self._board = board
        self._personas = tuple(personas)
        self._worlds = worlds
        self._squads = squads
        self._rng = np.random.default_rng(seed)
        self.switches = 0

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        """Turns everything from time to time."""
        if tick % RESTLESS_TICKS == 0:
            self.turn()

    def turn(self) -> None:
        """Draws new weights per fight, and personas (or none) per squad."""
        for w in range(self._worlds):
            for name in self._rng.choice(DEFAULT_TERMS.names, 6, replace=False):
                value = float(10 ** self._rng.uniform(-DECADES, DECADES))
                self._board.apply({"op": "set_weight", "scope": f"faction:{w}", "term": str(name), "value": value})
        for squad in range(self._squads):
            name = str(self._rng.choice(["", *self._personas]))
            self._board.apply({"op": "assign_persona", "target": f"squad:{squad}", "persona": name})
            self.switches += 1


class Counter:
    """Counts what the shield did, and what the planner wasted on it."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.ticks = self.changed = 0
        self.wasted: list[float] = []

    def answered(self, tick: int, answers: list[tuple[str, Action, Report]]) -> None:
        """Counts one brain tick, of each chunk the steps that run before the next one."""
        for _, _, report in answers:
            self.tally.add(report.certified)
            run = report.certified.rank[:, :EVERY_TICKS] > 0
            self.ticks += run.size
            self.changed += int(run.sum())
            if not math.isnan(report.wasted):
                self.wasted.append(report.wasted)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one batch showed."""

    reports: tuple[audit.AuditReport, ...]  # per world
    tally: Tally
    ticks: int  # NPC-ticks of motion that ran
    changed: int  # of them changed by the shield
    wasted: float  # share of the candidates that break a rule
    switches: int
    unguarded: int  # NPC-ticks
    seconds: float  # game time


def run_batch(config: StressConfig, index: int, decider: Decider, *, shielded: bool, ticks: int) -> BatchResult:
    """Plays one batch and audits it. The same index means the same maps, rules, starts and turns of the weights."""
    rng = np.random.default_rng([config.seed, index])
    rules = draw_rules(rng, ticks)
    rule_tables = rules.tables() if shielded else tuple(t for t in rules.tables() if t["rule"] != "hold_fire")
    board = new_board(rule_tables)
    arena_rules = ArenaConfig(npcs=config.npcs, mortal=False, hold_fire=rules.silence)
    first = 5000 + 100 * index
    maps = [make_map("test", first + w) for w in range(config.worlds)]
    arena = Arena(maps, arena_rules, [config.seed + first + w for w in range(config.worlds)])
    place(arena, rules, rng)
    styles = [ALL_STYLES[w % len(ALL_STYLES)] for w in range(config.worlds)]
    players = ScriptedPlayers(styles, arena.seeds)
    restless = Restless(board, persona_names(), config.worlds, arena_rules.squads, index)
    restless.turn()
    counter = Counter()
    brain = (Runtime if shielded else partial(Unshielded, _bare))(
        Attackers(decider, rules, config.attackers, index),
        lambda: board.snapshot,
        RuntimeConfig(lead_ticks=0, stagger=False),
    )
    trace = LockStep(arena, brain, players, (restless, counter), EVERY_TICKS).run(ticks)
    reports = judged(trace, arena, rules)
    living = trace.alive[:-1, :, arena.config.players :]
    unguarded = int((living & ~trace.guarded).sum())
    wasted = float(np.mean(counter.wasted)) if counter.wasted else 0.0
    counted = counter.tally, counter.ticks, counter.changed, wasted
    return BatchResult(reports, *counted, restless.switches, unguarded, ticks * DT)


def judged(trace: Trace, arena: Arena, rules: RuleSet) -> tuple[audit.AuditReport, ...]:
    """Has the audit judge every world of a trace."""
    return tuple(audit.audit(audit_trace(trace, arena, w), limits(arena, w, rules)) for w in range(arena.worlds))


def audit_trace(trace: Trace, arena: Arena, w: int) -> audit.Trace:
    """Returns what happened in one world, as the checker takes it."""
    p = arena.config.players
    hold = trace.hold_fire[:, w]
    decided = EVERY_TICKS * (np.arange(len(hold)) // EVERY_TICKS)
    return audit.Trace(
        ids=(101 + np.arange(arena.config.npcs)).astype(np.uint32),
        position=trace.pos[:, w, p:],
        velocity=trace.vel[:, w, p:],
        command=trace.command[:, w, :, :2].astype(np.float64),
        alive=trace.alive[:, w, p:],
        driver=trace.rung[:, w],
        attacks=np.stack([trace.fired, trace.threw], -1)[:, w, p:],
        hold_fire=hold,
        others=trace.pos[:, w, :p],
        levels={"ammo": trace.ammo[:, w, p:]},
        hold_known=np.repeat(hold[decided][:, None], arena.config.npcs, 1),
    )


def limits(arena: Arena, w: int, rules: RuleSet) -> audit.Limits:
    """The rules as declared, written down anew for the checker."""
    n, p, body = arena.config.npcs, arena.config.players, NPC_KINEMATICS
    everybody, any_attack = np.ones(n, np.bool_), np.ones(2, np.bool_)
    x0, y0, x1, y1 = BOUNDS
    border = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    walls = [
        audit.Zone("wall", z.name, np.array(z.vertices), keep_in=False, binds=everybody)
        for z in arena.maps[w].polygons
        if z.kind == "wall"
    ]
    zones = [
        audit.Zone("keep_out", f"out_{i}", z, keep_in=False, binds=everybody) for i, z in enumerate(rules.keep_out)
    ]
    slow, limit = arena.squad[w, p:] == 0, min(rules.acceleration, body.max_acceleration)
    return audit.Limits(
        dt=DT,
        radius=np.full(n, body.radius),
        speed=np.where(slow, min(rules.speed, body.max_speed), body.max_speed),
        acceleration=np.full(n, limit),
        brake=np.full(n, limit - (ShieldConfig().velocity_tolerance + 3e-7 * body.max_speed) / DT),
        home=arena.home[w, p:],
        leash=np.full(n, rules.leash),
        spacing=np.where(np.eye(n, dtype=np.bool_), 0.0, rules.spacing),
        hold_fire=everybody,
        zones=(
            *walls,
            audit.Zone("bounds", "bounds", border, keep_in=True, binds=everybody),
            *zones,
            audit.Zone("keep_in", "in", rules.keep_in, keep_in=True, binds=everybody),
        ),
        clearways=(audit.Zone("no_stop", "door", rules.door, keep_in=False, binds=everybody),),
        apart=(audit.Apart("keep_away", rules.away, _PLAYER_SPEED, False, everybody, tuple(range(p))),),
        quotas=(
            audit.Quota("cooldown", 1, math.ceil(rules.cooldown / DT), any_attack, np.arange(n), everybody),
            audit.Quota("attack_limit", rules.most, round(WINDOW_S / DT), any_attack, arena.squad[w, p:], everybody),
        ),
        shares=(
            audit.Share(
                "attack_tokens",
                rules.tokens,
                np.full(n, round(TOKEN_S / DT)),
                np.ones(n),
                np.tile(any_attack, (n, 1)),
                everybody,
            ),
        ),
        stocks=(audit.Stock("reserve", "ammo", 1.0, RESERVE, np.array([True, False]), everybody),),
    )
