"""Judges where attacks went: who stood in the line of fire, or where something burst. From the definitions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from npc_sdk.audit.attacks import Finding
from npc_sdk.audit.measure import closest_on_path
from npc_sdk.audit.trace import Cone, Limits, Trace


def fire_findings(trace: Trace, limits: Limits, living: Bool[np.ndarray, "t a"]) -> Iterator[Finding]:
    """Yields one finding per rule: the margin of the worst of those who were to be spared."""
    for cone in limits.cones:
        hit = (trace.attacks & cone.attack).any(2) & living & cone.binds
        margin = np.full(hit.shape, np.inf)
        for tick, npc in np.argwhere(hit).tolist():
            spared = _spared(trace, tick, npc, cone.npcs, cone.whom)
            if len(spared):
                gap = spared - trace.position[tick, npc]
                margin[tick, npc] = (to_sector(gap, float(trace.aim[tick, npc]), cone) - cone.clearance).min()
        yield Finding(cone.kind, margin, living & cone.binds, np.zeros_like(hit))
    for burst in limits.bursts:
        hit = (trace.attacks & burst.attack).any(2) & living & burst.binds
        margin = np.full(hit.shape, np.inf)
        for tick, npc in np.argwhere(hit).tolist():
            angle, then = trace.aim[tick, npc], tick + burst.flight_ticks
            if then < len(trace.position):
                place = trace.position[tick, npc] + trace.reach[tick, npc] * np.array([np.cos(angle), np.sin(angle)])
                spared = _spared(trace, then, -1, burst.npcs, burst.whom)
                if len(spared):
                    margin[tick, npc] = np.linalg.norm(spared - place, axis=-1).min() - burst.radius
        yield Finding(burst.kind, margin, living & burst.binds, np.zeros_like(hit))


def _spared(trace: Trace, tick: int, shooter: int, npcs: bool, whom: tuple[int, ...]) -> Float[np.ndarray, "q 2"]:
    """Places of all who are to be spared at a tick, without the shooter."""
    others = trace.others[tick, list(whom)]
    if not npcs:
        return np.asarray(others)
    mates = trace.alive[tick] & (np.arange(trace.alive.shape[1]) != shooter)
    return np.concatenate([trace.position[tick, mates], others])


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
