"""Judges executed trajectories by the declared rules, continuous in time between ticks, and says whose fault it was.

Categories: `npc` (the NPC did it, with nothing to excuse it), `external` (the game's own behaviour drove it or the one
it met, or standing still would have been no better), `breach` (an assumption did not hold, and the violation names it
by its number; so until the NPC has a legal brake again), `inadmissible` (K5: the NPC came from a spawn or the game's
hands without a legal brake, and has not had one since), `miss` (a forecast did not come true: nobody broke anything).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.audit.attacks import attack_findings
from npc_sdk.audit.causes import (
    ASSUMPTION,
    ASSUMPTIONS,
    CATEGORIES,
    CATEGORY,
    GAME,
    K3,
    K4,
    K4B,
    K5,
    MISS,
    OWN,
    Causes,
    astray,
    moved_by,
    outdated,
    strangers,
)
from npc_sdk.audit.fire import fire_findings
from npc_sdk.audit.forecasts import missed
from npc_sdk.audit.measure import (
    closest_approach,
    coast_to_rest,
    mesh_margin,
    off_grid,
    path_to_path,
    turned_by,
    zone_margin,
)
from npc_sdk.audit.others import brake_is_no_worse, margins_and_blame
from npc_sdk.audit.trace import Apart, Limits, Trace, Zone
from npc_sdk.audit.turns import Ending, turn_margins

_BLOCK = 512  # NPC-ticks measured at once against one zone
_AT_REST = 1e-6  # m/s
_NEAR = 1.0  # m from a zone's box within which its outline is measured


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What counts as exact, and how long the game's doings excuse."""

    executed: float = 1e-3  # m that a tick's motion may differ from its command's
    relative: float = 1e-5  # of a speed or acceleration limit, for float32 commands
    admission: float = 1e-3  # m that a start must have to spare to be admitted
    settle_ticks: int = 20  # that a pair is apart on end before it counts as parted: promises made before may still run
    place: float = 0.02  # m that the place on which a command was based may be off: what the last hop allows
    pace: float = 0.05  # m/s, the same of the velocity
    keep: int = 100  # violations kept as examples


@dataclass(frozen=True, slots=True)
class Violation:
    """One NPC breaking one rule in one tick."""

    tick: int
    npc: int
    rule: str
    category: str
    margin: float
    assumption: str = ""  # that did not hold, by its number


@dataclass(slots=True)
class RuleAudit:
    """What was found for one rule. `min_margin` leaves out what the NPC is excused for; infinity if nothing is left.
    Above 1 m it is a lower bound."""

    steps: int = 0
    violations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0))
    assumptions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ASSUMPTIONS, 0))  # of these violations
    min_margin: float = float("inf")


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is not held to what when a trace ends, for a trace that goes on from there to be judged as one with it."""

    off: Int[np.ndarray, " a"]  # since what cause NPCs have no legal brake; `OWN` where they have
    others_off: tuple[tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"]], ...]  # the same per entity, and for how long
    pairs_off: Int[np.ndarray, " q"]  # since what cause pairs with a spacing have not parted; `OWN` where they have
    apart: Int[np.ndarray, " q"]  # ticks in a row in which they were apart
    turns: tuple[Ending, ...] = ()  # of each rule about turns


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The verdict. A step is one living NPC in one tick."""

    steps: int
    excused_steps: int  # in which static rules were not held against the NPC
    rules: dict[str, RuleAudit]
    examples: tuple[Violation, ...]
    standing: Standing

    def total(self, category: str = "npc") -> int:
        """Returns the number of violations of a category over all rules."""
        return sum(rule.violations[category] for rule in self.rules.values())


def audit(
    trace: Trace, limits: Limits, config: AuditConfig | None = None, standing: Standing | None = None
) -> AuditReport:
    """Checks every rule in every tick.

    Every NPC is held to what the limits say from the first moment at which it has a legal brake; whoever certified it,
    and what they claim about it, is not asked.

    Args:
        trace: what was executed.
        limits: the declared rules.
        config: what counts as exact, and how long the game's doings excuse.
        standing: of the trace that ended where this one begins, under the same limits; None for a beginning.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # a trace with NaN is judged too: no margin is >= 0 there
        return _audit(trace, limits, config or AuditConfig(), standing)


def _audit(trace: Trace, limits: Limits, config: AuditConfig, standing: Standing | None) -> AuditReport:
    living = trace.alive[:-1] & trace.alive[1:]  # t a
    cause = moved_by(trace, limits, config.executed, config.place, config.pace)
    since, off = _without_brake(trace, limits, living, cause, config, standing)
    fault = np.where(cause == OWN, since, cause)
    rules: dict[str, RuleAudit] = {}
    examples: list[Violation] = []

    def judge(rule: str, margin: Float[np.ndarray, "t a"], bound: Bool[np.ndarray, "t a"], why: Causes) -> None:
        """Adds one rule's margins (negative: broken) to the report."""
        entry = rules.setdefault(rule, RuleAudit())
        entry.steps += int(bound.sum())
        broken = bound & ~(margin >= 0.0)
        for code, count in zip(*np.unique(why[broken], return_counts=True), strict=True):
            entry.violations[CATEGORY[code]] += int(count)
            if ASSUMPTION[code]:
                entry.assumptions[ASSUMPTION[code]] += int(count)
        held = margin[bound & (why == OWN)]
        entry.min_margin = min(entry.min_margin, float(held.min(initial=np.inf)))
        for tick, npc in np.argwhere(broken)[: config.keep]:
            examples.append(
                Violation(
                    tick=int(tick),
                    npc=int(trace.ids[npc]),
                    rule=rule,
                    category=CATEGORY[why[tick, npc]],
                    margin=float(margin[tick, npc]),
                    assumption=ASSUMPTION[why[tick, npc]],
                )
            )

    for zone in limits.zones:
        bound = living & zone.binds & (np.arange(len(living)) >= zone.since)[:, None]
        late = _announced(trace, limits, zone, living, config)
        excuse = np.where((cause == OWN) & (late != OWN), late, fault)
        judge(zone.kind, _zone_margins(trace, limits, zone.corners, zone.keep_in, bound), bound, excuse)
    for mesh in limits.meshes:
        bound, margin = living & mesh.binds, np.full(living.shape, np.inf)
        t, a = np.nonzero(living & mesh.binds)
        ways = trace.position[t, a], trace.position[t + 1, a]
        margin[t, a] = mesh_margin(*ways, mesh.polygons, mesh.outline, limits.radius[a])
        judge(mesh.kind, margin, bound, fault)
    away = trace.position - limits.home
    judge(
        "leash",
        limits.leash - np.maximum(np.linalg.norm(away[:-1], axis=-1), np.linalg.norm(away[1:], axis=-1)),
        living & np.isfinite(limits.leash),
        fault,
    )
    pace = np.linalg.norm(trace.command, axis=-1)
    judge("speed", limits.speed * (1.0 + config.relative) - pace, living, fault)
    change = np.linalg.norm(trace.command - trace.velocity[:-1], axis=-1) / limits.dt
    judge("acceleration", limits.acceleration * (1.0 + config.relative) - change, living, fault)
    pairs_off, apart = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if np.any(limits.spacing > 0.0):
        margin, why, pairs_off, apart = _spacing(trace, limits, living, cause, config, standing)
        judge("spacing", margin, living & (limits.spacing > 0.0).any(axis=1), why)
    if limits.turn is not None and limits.turn_above is not None:
        turned = turned_by(trace.velocity[:-1], trace.command)
        binds = living & np.isfinite(limits.turn) & (np.linalg.norm(trace.velocity[:-1], axis=-1) > limits.turn_above)
        judge("turn", limits.turn * limits.dt * (1.0 + config.relative) - turned, binds, fault)
    if limits.cell > 0.0:
        room = config.relative * limits.cell - off_grid(trace.command * limits.dt, limits.cell, limits.diagonals)
        judge("grid", room, living, fault)
    if np.isfinite(limits.steering):
        facing = np.stack([np.cos(trace.heading[:-1]), np.sin(trace.heading[:-1])], -1)
        room = limits.steering * limits.dt * (1.0 + config.relative) - turned_by(facing, trace.command)
        judge(
            "steering",
            np.where(pace > 0.0, room, limits.steering * limits.dt),
            living,
            _lately(fault, config.settle_ticks),
        )
    for zone in limits.clearways:
        rests = np.linalg.norm(trace.velocity[1:], axis=-1) <= _AT_REST
        judge(zone.kind, _rest_margins(trace, zone.corners, rests & living & zone.binds), living & zone.binds, fault)
    others_off = []
    for place, (rule, other) in enumerate((r, o) for r in limits.apart for o in r.whom):
        left = None if standing is None else standing.others_off[place]
        margin, why, now = _from_others(trace, limits, rule, other, living, cause, config, left)
        others_off.append(now)
        judge(rule.kind, margin, living & rule.binds, why)
    turns_off = []
    for place, taken in enumerate(limits.turns):
        ended = None if standing is None else standing.turns[place]
        margin, why, end = turn_margins(
            trace, limits, taken, living, cause, config.executed, config.settle_ticks, ended
        )
        turns_off.append(end)
        judge(taken.kind, margin, living & taken.binds, why)
    forbidden = living & limits.hold_fire & trace.hold_fire[:, None]
    late = np.where(~trace.hold_known & (cause == OWN), K3, cause)
    judge("hold_fire", np.where(trace.attacks.any(2), -1.0, 1.0), forbidden, late)
    for found in (
        *attack_findings(trace, limits, living, cause == OWN),
        *fire_findings(trace, limits, living, astray(trace, limits, cause, config.executed), config.settle_ticks),
    ):
        judge(found.rule, found.margin, found.bound, np.where(cause == OWN, found.excuse, cause))
    if trace.forecasts:
        margin = missed(trace)
        judge("forecast", margin, np.isfinite(margin), np.full(living.shape, MISS))
    return AuditReport(
        steps=int(living.sum()),
        excused_steps=int((living & (fault != OWN)).sum()),
        rules=rules,
        examples=tuple(sorted(examples, key=lambda v: (v.category != "npc", v.tick))[: config.keep]),
        standing=Standing(off, tuple(others_off), pairs_off, apart, tuple(turns_off)),
    )


def _zone_margins(
    trace: Trace, limits: Limits, corners: Float[np.ndarray, "v 2"], keep_in: bool, bound: Bool[np.ndarray, "t a"]
) -> Float[np.ndarray, "t a"]:
    """Measures every bound step against one zone; far from a keep-out's box, the distance from the box will do."""
    low = np.minimum(trace.position[:-1], trace.position[1:])
    high = np.maximum(trace.position[:-1], trace.position[1:])
    apart = np.maximum(low - corners.max(axis=0), corners.min(axis=0) - high)
    margin = np.linalg.norm(np.maximum(apart, 0.0), axis=-1) - limits.radius
    ticks, npcs = np.nonzero(bound & (keep_in | ~(margin > _NEAR)))
    for first in range(0, len(ticks), _BLOCK):
        t, a = ticks[first : first + _BLOCK], npcs[first : first + _BLOCK]
        margin[t, a] = zone_margin(trace.position[t, a], trace.position[t + 1, a], corners, limits.radius[a], keep_in)
    return np.asarray(margin)


def _without_brake(
    trace: Trace,
    limits: Limits,
    living: Bool[np.ndarray, "t a"],
    cause: Causes,
    config: AuditConfig,
    standing: Standing | None,
) -> tuple[Causes, Int[np.ndarray, " a"]]:
    """Returns since what cause each NPC has no legal brake, through no doing of its own; `OWN` where it has.

    In every tick, and after the last. A spawn and the game's hands leave what is inadmissible, a breach a breach. Who
    has a legal brake again and runs a step that was decided before is where that step takes it for the old cause.
    """
    since = np.zeros(living.shape, np.int64)
    off = np.full(living.shape[1], K5) if standing is None else standing.off.copy()
    before, sound = off.copy(), np.zeros(len(off), np.int64)  # the cause it was off for, and the tick it no longer was
    again = np.zeros(len(off), np.bool_)  # it is off only by a step of the time before that tick
    for tick in range(len(living)):
        asked = np.flatnonzero((off != OWN) & living[tick])
        if len(asked):
            good = _has_brake(trace.position[tick], trace.velocity[tick], asked, limits, config.admission, tick)
            good = asked[good]
            sound[good] = np.where(again[good], sound[good], tick)
            before[good], again[good], off[good] = off[good], False, OWN
        old = (off == OWN) & outdated(trace, tick, sound)
        off, again = np.where(old, before, off), again | old
        since[tick] = off
        again &= (cause[tick] == OWN) & living[tick]
        off = _left_by(cause[tick], living[tick], off)
    return since, off


def _left_by(cause: Int[np.ndarray, " a"], living: Bool[np.ndarray, " a"], off: Int[np.ndarray, " a"]) -> Causes:
    """Returns what holds of NPCs after a tick in which they were moved so."""
    left = np.where(cause == OWN, off, np.where(cause == GAME, K5, cause))
    return np.where(living, left, K5)


def _lately(cause: Causes, ticks: int) -> Causes:
    """Returns what moved each NPC in a tick, or else in so many before it: what was sent then knew nothing of it."""
    out = cause.copy()
    for back in range(1, min(ticks, len(cause) - 1) + 1):
        before = np.where(cause[:-back] == GAME, K5, cause[:-back])
        out[back:] = np.where(out[back:] == OWN, before, out[back:])
    return out


def _announced(
    trace: Trace, limits: Limits, zone: Zone, living: Bool[np.ndarray, "t a"], config: AuditConfig
) -> Causes:
    """Returns what excuses NPCs from a zone that is new: t a.

    Told too late (K3), or told in time to NPCs that had no legal brake outside it when all they had been sent before
    had run out (K5); in both cases until they have one.
    """
    excuse = np.zeros(living.shape, np.int64)
    if zone.since == 0:
        return excuse
    ready = zone.told + limits.notice
    code = K3 if zone.since < ready else K5
    off = np.ones(living.shape[1], np.bool_)
    for tick in range(min(zone.told, zone.since), len(living)):
        asked = np.flatnonzero(off & living[tick])
        if tick >= ready and len(asked):
            here, now = trace.position[tick, asked], trace.velocity[tick, asked]
            rest = coast_to_rest(here, now, limits.brake[asked], limits.dt)
            off[asked] = zone_margin(here, rest, zone.corners, limits.radius[asked], zone.keep_in) < config.admission
        excuse[tick] = np.where(off, code, OWN)
    return excuse


def _has_brake(
    position: Float[np.ndarray, "a 2"],
    velocity: Float[np.ndarray, "a 2"],
    asked: NDArray[np.intp],
    limits: Limits,
    spare: float,
    tick: int,
) -> Bool[np.ndarray, " k"]:
    """Says who could stop from here without breaking a rule about places or speeds."""
    here, now = position[asked], velocity[asked]
    rest = coast_to_rest(here, now, limits.brake[asked], limits.dt)
    good = np.linalg.norm(now, axis=-1) <= limits.speed[asked] * (1.0 + 1e-6)
    if limits.cell > 0.0:  # its brake is a step of the grid if it leaves nothing
        good &= np.linalg.norm(now, axis=-1) <= limits.brake[asked] * limits.dt
    home, leash = limits.home[asked], limits.leash[asked] - spare
    good &= (np.linalg.norm(here - home, axis=-1) <= leash) & (np.linalg.norm(rest - home, axis=-1) <= leash)
    for zone in limits.zones:
        if tick < zone.since:
            continue
        room = zone_margin(here, rest, zone.corners, limits.radius[asked], zone.keep_in)
        good &= (room >= spare) | ~zone.binds[asked]
    for mesh in limits.meshes:
        room = mesh_margin(here, rest, mesh.polygons, mesh.outline, limits.radius[asked])
        good &= (room >= spare) | ~mesh.binds[asked]
    for zone in limits.clearways:
        outside = zone_margin(rest, rest, zone.corners, np.zeros(len(rest)), keep_in=False)
        good &= (outside >= spare) | ~zone.binds[asked]
    return np.asarray(good)


def _rest_margins(
    trace: Trace, corners: Float[np.ndarray, "v 2"], rests: Bool[np.ndarray, "t a"]
) -> Float[np.ndarray, "t a"]:
    """Measures how far outside a zone the centres of NPCs at rest are; infinite where an NPC moves."""
    margin = np.full(rests.shape, np.inf)
    place = trace.position[1:][rests]
    if len(place):
        margin[rests] = zone_margin(place, place, corners, np.zeros(len(place)), keep_in=False)
    return margin


def _from_others(
    trace: Trace,
    limits: Limits,
    rule: Apart,
    other: int,
    living: Bool[np.ndarray, "t a"],
    cause: Causes,
    config: AuditConfig,
    left: tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"]] | None,
) -> tuple[Float[np.ndarray, "t a"], Causes, tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"]]]:
    """Returns margins against one entity, whose fault a breach is, and since when who is excused after the last tick.

    Where standing still would have been no better, it is the other's doing, whatever else happened. An entity that was
    faster than declared excuses everybody until they have had a harmless brake for as long as old promises run; a
    spawn or the game's hands do until there is a harmless brake.
    """
    margin, worse, fast = margins_and_blame(trace, limits, rule, other)
    why = np.where(worse, cause, GAME)
    off = np.full(living.shape[1], K5)
    wait = np.zeros(living.shape[1], np.int64)  # ticks of a harmless brake that are still asked for
    if left is not None:
        off, wait = left[0].copy(), left[1].copy()
    for tick in range(len(living)):
        asked = np.flatnonzero((off != OWN) & living[tick])
        if len(asked):
            whom = trace.others[tick, other]
            here, now = trace.position[tick, asked], trace.velocity[tick, asked]
            harmless = brake_is_no_worse(here, now, whom, rule, limits, asked)
            off[asked[harmless & (wait[asked] == 0)]] = OWN
            wait[asked] = np.where(harmless, np.maximum(wait[asked] - 1, 0), wait[asked])
        why[tick] = np.where(why[tick] == OWN, K4 if fast[tick] else off, why[tick])
        off = _left_by(cause[tick], living[tick], off)
        if fast[tick]:
            off[:] = K4
            wait[:] = config.settle_ticks
    return margin, why, (off, wait)


def _spacing(
    trace: Trace,
    limits: Limits,
    living: Bool[np.ndarray, "t a"],
    cause: Causes,
    config: AuditConfig,
    standing: Standing | None,
) -> tuple[Float[np.ndarray, "t a"], Causes, Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
    """Returns each NPC's smallest spacing margin per tick, whose fault the worst pair is, and how the pairs end."""
    margin = np.full(living.shape, np.inf)
    why = np.full(living.shape, OWN)
    one, two = np.nonzero(np.triu(limits.spacing > 0.0, 1))
    needed = limits.spacing[one, two]
    off = np.full(len(one), K5)  # since what cause the pair has not been apart, with legal brakes
    apart = np.zeros(len(one), np.int64)  # ticks in a row in which they were
    if standing is not None:
        off, apart = standing.pairs_off.copy(), standing.apart.copy()
    for tick in range(len(living)):
        present = living[tick, one] & living[tick, two]
        asked = np.flatnonzero((off != OWN) & present)
        if len(asked):
            clear = _apart(trace, limits, tick, one[asked], two[asked], needed[asked] + config.admission)
            apart[asked] = np.where(clear, apart[asked] + 1, 0)
            parted = apart[asked] > (0 if tick == 0 and standing is None else config.settle_ticks)
            off[asked[parted]] = OWN
        before_gap = trace.position[tick, one] - trace.position[tick, two]
        after_gap = trace.position[tick + 1, one] - trace.position[tick + 1, two]
        room = np.where(present, closest_approach(before_gap, after_gap) - needed, np.inf)
        worst = np.maximum(cause[tick, one], cause[tick, two])
        worst = np.where((worst == OWN) & strangers(trace, tick, one, two), K4B, worst)
        blame = np.where(worst == OWN, off, worst)
        # An excused pair must not hide one that is not: of an NPC's pairs the worst comes last and is kept, and among
        # broken pairs those without an excuse are the worst.
        rank = np.where(room < 0.0, np.where(blame == OWN, 2, 1), np.where(blame == OWN, 0, -1))
        order = np.lexsort((-room, rank))
        members = np.stack([one, two], 1)[order]
        margin[tick, members] = room[order, None]
        why[tick, members] = blame[order, None]
        off = _left_by(worst, present, off)
        apart[worst != OWN] = 0
    return margin, why, off, apart


def _apart(
    trace: Trace,
    limits: Limits,
    tick: int,
    one: NDArray[np.intp],
    two: NDArray[np.intp],
    needed: Float[np.ndarray, " q"],
) -> Bool[np.ndarray, " q"]:
    """Says which pairs stay far enough apart however each brakes: their two brake paths are."""
    place, speed = trace.position[tick], trace.velocity[tick]
    rest = coast_to_rest(place, speed, limits.brake, limits.dt)
    return np.asarray(path_to_path(place[one], rest[one], place[two], rest[two]) >= needed)
