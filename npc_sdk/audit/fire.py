"""Judges where attacks went: who stood in the line of fire, or where something burst. From the definitions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from npc_sdk.audit.attacks import Finding
from npc_sdk.audit.causes import K4, K4B, OWN, Causes, strangers
from npc_sdk.audit.measure import closest_on_path
from npc_sdk.audit.trace import Burst, Cone, Limits, Trace


def fire_findings(
    trace: Trace, limits: Limits, living: Bool[np.ndarray, "t a"], astray: Causes, promised: int
) -> Iterator[Finding]:
    """Yields one finding per rule: the margin of the worst of those who were to be spared.

    Args:
        trace: what was executed.
        limits: the declared rules.
        living: who lived through a tick.
        astray: why NPCs may have been where nobody had to expect them, `OWN` where there is no excuse.
        promised: ticks that an attack may have been decided before it happens.
    """
    rules: tuple[Cone | Burst, ...] = (*limits.cones, *limits.bursts)
    for rule in rules:
        hit = (trace.attacks & rule.attack).any(2) & living & rule.binds
        margin, excuse = np.full(hit.shape, np.inf), np.full(hit.shape, OWN)
        whys = _whys(trace, limits, rule, astray)
        for tick, npc in np.argwhere(hit).tolist():
            then = tick + (rule.flight_ticks if isinstance(rule, Burst) else 0)
            if then >= len(trace.position):
                continue
            bodies = _spared(trace, rule, then, npc)
            room = _room(trace, rule, tick, npc, then, bodies)
            margin[tick, npc] = room.min(initial=np.inf)
            if not (room < 0.0).any():
                continue
            first = max(0, tick - promised)
            unknown = _unknown(trace, slice(first, tick + 1), npc, whys.shape[1])
            why = np.maximum(whys[first:then].max(0, initial=OWN), unknown)[bodies]
            if (why[room < 0.0] != OWN).all():
                excuse[tick, npc] = why[room.argmin()]
        yield Finding(rule.kind, margin, living & rule.binds, excuse)


def _whys(trace: Trace, limits: Limits, rule: Cone | Burst, astray: Causes) -> Int[np.ndarray, "t b"]:
    """Returns why each body, NPCs before the others, may have been where nobody had to expect it."""
    way = np.linalg.norm(np.diff(trace.others, axis=0), axis=-1)
    fast = ~(way <= rule.top_speed * limits.dt * (1.0 + 1e-6) + 1e-9)
    if not trace.others.shape[1]:
        return np.asarray(astray)
    return np.asarray(np.concatenate([astray, np.where(fast, K4, OWN)], 1))


def _unknown(trace: Trace, ticks: slice, npc: int, bodies: int) -> Int[np.ndarray, " b"]:
    """Says whom an NPC's attacks were not certified together with at some tick (K4b)."""
    out = np.full(bodies, OWN)
    mates = np.arange(trace.driver.shape[1])
    out[mates] = np.where(strangers(trace, ticks, np.full(len(mates), npc), mates).any(0), K4B, OWN)
    return out


def _spared(trace: Trace, rule: Cone | Burst, tick: int, shooter: int) -> Int[np.ndarray, " q"]:
    """Returns which bodies are to be spared at a tick. A line of fire spares nobody at its apex."""
    n = trace.alive.shape[1]
    others = np.array([n + column for column in rule.whom], np.int64)
    if not rule.npcs:
        return others
    mates = trace.alive[tick].copy()
    if isinstance(rule, Cone):
        mates[shooter] = False
    return np.concatenate([np.flatnonzero(mates), others])


def _room(
    trace: Trace, rule: Cone | Burst, tick: int, npc: int, then: int, bodies: Int[np.ndarray, " q"]
) -> Float[np.ndarray, " q"]:
    """Returns how much more than asked for each body is away, m."""
    others = trace.others[then] if trace.others.shape[1] else np.zeros((0, 2))
    place = np.concatenate([trace.position[then], others])[bodies]
    here, angle = trace.position[tick, npc], float(trace.aim[tick, npc])
    if isinstance(rule, Cone):
        return np.asarray(to_sector(place - here, angle, rule) - rule.clearance)
    burst = here + trace.reach[tick, npc] * np.array([np.cos(angle), np.sin(angle)])
    return np.asarray(np.linalg.norm(place - burst, axis=-1) - rule.radius)


def to_sector(gap: Float[np.ndarray, "q 2"], angle: float, cone: Cone) -> Float[np.ndarray, " q"]:
    """Returns the distance of points, given from the apex, to a sector; 0 inside."""
    far = np.linalg.norm(gap, axis=-1)
    off = np.abs((np.arctan2(gap[:, 1], gap[:, 0]) - angle + np.pi) % (2.0 * np.pi) - np.pi)
    sides = []
    for side in (-1.0, 1.0):
        end = cone.reach * np.array([np.cos(angle + side * cone.spread), np.sin(angle + side * cone.spread)])
        sides.append(closest_on_path(np.zeros(2), end, gap))
    beside = np.minimum(*sides)
    return np.asarray(np.where(off <= cone.spread, np.maximum(far - cone.reach, 0.0), beside))
