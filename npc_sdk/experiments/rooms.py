"""How much room every rule is kept with in a tick, found out by trying many points on the way.

A second measure beside the audit's, slow and plain: no closed form is shared with it, no cause is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_POINTS = np.linspace(0.0, 1.0, 65)  # of a way at which places are tried
_FINE = np.linspace(0.0, 1.0, 513)  # where two bodies may pass each other
_COARSE = np.linspace(0.0, 1.0, 9)  # where every point means a whole body
_ROUND = np.exp(2j * np.pi * np.arange(24) / 24)  # directions about a body
_AT_REST = 1e-6  # m/s
_PUSHED = 0.05  # of what a body may go in a tick


@dataclass(frozen=True, slots=True)
class Motion:
    """What everybody did in one tick: a NPCs, o others, k kinds of attacks."""

    tick: int
    before: Floats  # a 2, m
    after: Floats
    pace: Floats  # a 2, m/s, before
    command: Floats
    attacks: Bools  # a k
    others_before: Floats  # o 2
    others_after: Floats


def motion(trace: audit.Trace, tick: int) -> Motion:
    """Returns what happened in a tick."""
    return Motion(
        tick=tick,
        before=trace.position[tick],
        after=trace.position[tick + 1],
        pace=trace.velocity[tick],
        command=trace.command[tick],
        attacks=trace.attacks[tick],
        others_before=trace.others[tick],
        others_after=trace.others[tick + 1],
    )


def rooms(trace: audit.Trace, limits: audit.Limits, now: Motion) -> dict[str, Floats]:
    """Returns by rule the room of each NPC in a tick, negative where it is broken; by default infinite.

    Args:
        trace: for what happened before, and where attacks burst later.
        limits: the rules.
        now: what is done in the tick, in place of what the trace says.
    """
    out: dict[str, Floats] = {}
    for rule, room in (*_places(limits, now), *_motions(limits, now), *_bodies(limits, now)):
        out[rule] = np.minimum(out.get(rule, np.inf), room)
    for rule, room in (*_counts(trace, limits, now), *_shots(trace, limits, now), *_forecasts(trace, now)):
        out[rule] = np.minimum(out.get(rule, np.inf), room)
    return out


def _way(before: Floats, after: Floats, points: Floats) -> Floats:
    return np.asarray(before[..., None, :] + (after - before)[..., None, :] * points[:, None])  # a s 2


def _inside(points: Floats, corners: Floats) -> Bools:
    """Says which points are inside a polygon, by how often a ray to the right crosses its outline."""
    x, y = points[..., 0, None], points[..., 1, None]
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return np.asarray((crosses & (x < at)).sum(-1) % 2 == 1)


def _to_outline(points: Floats, corners: Floats) -> Floats:
    """Returns how far points are from a polygon's outline."""
    edge = np.roll(corners, -1, axis=0) - corners  # v 2
    gap = points[..., None, :] - corners  # ... v 2
    along = np.clip((gap * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-300), 0.0, 1.0)
    return np.asarray(np.hypot(*np.moveaxis(gap - along[..., None] * edge, -1, 0)).min(-1))


def _signed(points: Floats, corners: Floats) -> Floats:
    """Returns how far points are from a polygon, negative inside."""
    far = _to_outline(points, corners)
    return np.where(_inside(points, corners), -far, far)


def _places(limits: audit.Limits, now: Motion) -> list[tuple[str, Floats]]:
    way, out = _way(now.before, now.after, _POINTS), []
    for zone in limits.zones:
        if now.tick >= zone.since:
            side = -1.0 if zone.keep_in else 1.0
            room = (side * _signed(way, zone.corners)).min(1) - limits.radius
            out.append((zone.kind, np.where(zone.binds, room, np.inf)))
    for mesh in limits.meshes:
        about = np.stack([_ROUND.real, _ROUND.imag], 1) * limits.radius[:, None, None, None]  # a 1 q 2
        points = _way(now.before, now.after, _COARSE)[:, :, None] + np.concatenate([0.0 * about[:, :, :1], about], 2)
        there = np.any([_inside(points, cell) for cell in mesh.polygons], axis=0).all((1, 2))
        out.append((mesh.kind, np.where(mesh.binds & ~there, -limits.radius, np.inf)))
    for zone in limits.clearways:
        rests = np.hypot(*((now.after - now.before) / limits.dt).T) <= _AT_REST
        out.append((zone.kind, np.where(zone.binds & rests, _signed(now.after, zone.corners), np.inf)))
    gone = np.maximum(*(np.hypot(*(place - limits.home).T) for place in (now.before, now.after)))
    out.append(("leash", limits.leash - gone))
    return out


def _motions(limits: audit.Limits, now: Motion) -> list[tuple[str, Floats]]:
    speed, before = np.hypot(*now.command.T), np.hypot(*now.pace.T)
    change = np.hypot(*(now.command - now.pace).T) / limits.dt
    out = [
        ("speed", limits.speed * (1.0 + 1e-5) - speed),
        ("acceleration", limits.acceleration * (1.0 + 1e-5) - change),
    ]
    if limits.turn is not None and limits.turn_above is not None:
        one, two = now.pace @ [1, 1j], now.command @ [1, 1j]
        turned = np.abs(np.angle(np.where(speed > 0.0, two, 1.0) * np.conj(np.where(speed > 0.0, one, 1.0))))
        room = limits.turn * limits.dt * (1.0 + 1e-5) - turned
        out.append(("turn", np.where((before > limits.turn_above) & np.isfinite(limits.turn), room, np.inf)))
    return out


def _bodies(limits: audit.Limits, now: Motion) -> list[tuple[str, Floats]]:
    way, out = _way(now.before, now.after, _FINE), []
    if (limits.spacing > 0.0).any():
        gap = np.hypot(*np.moveaxis(way[:, None] - way[None], -1, 0)).min(-1) - limits.spacing  # a a
        out.append(("spacing", np.where(limits.spacing > 0.0, gap, np.inf).min(1)))
    whom = _way(now.others_before, now.others_after, _FINE)
    for rule in limits.apart:
        for other in rule.whom:
            far = np.hypot(*np.moveaxis(way - whom[other], -1, 0))
            room = rule.distance - far.max(1) if rule.near else far.min(1) - rule.distance
            out.append((rule.kind, np.where(rule.binds, room, np.inf)))
    shift = np.hypot(*(now.after - now.before).T)  # where nothing is commanded, float32 may round it a little
    moves = (np.hypot(*now.command.T) > _AT_REST) | (shift > _PUSHED * limits.speed * limits.dt)
    for taken in limits.turns:
        together = moves & taken.binds
        count = np.array([together[taken.group == group].sum() for group in taken.group])
        out.append((taken.kind, np.where(together, taken.most - count, np.inf)))
    return out


def _counts(trace: audit.Trace, limits: audit.Limits, now: Motion) -> list[tuple[str, Floats]]:
    attacks = np.concatenate([trace.attacks[: now.tick], now.attacks[None]])  # t a k
    silent = limits.hold_fire & bool(trace.hold_fire[now.tick]) & now.attacks.any(1)
    out = [("hold_fire", np.where(silent, -1.0, np.inf))]
    for quota in limits.quotas:
        hits = (attacks & quota.attack).any(2) & quota.binds
        recent = hits[max(0, now.tick + 1 - quota.ticks) :].sum(0)
        total = np.array([recent[quota.group == group].sum() for group in quota.group])
        out.append((quota.kind, np.where(hits[-1], quota.most - total, np.inf)))
    for share in limits.shares:
        hits = (attacks & share.attack).any(2) & share.binds
        holds = np.array([hits[max(0, now.tick + 1 - int(span)) :, npc].any() for npc, span in enumerate(share.ticks)])
        load = float(share.weight[holds].sum())
        out.append((share.kind, np.where(hits[-1], share.capacity + 1e-9 - load, np.inf)))
    for stock in limits.stocks:
        left = trace.levels[stock.field][now.tick] - stock.cost - stock.least
        out.append((stock.kind, np.where((now.attacks & stock.attack).any(1) & stock.binds, left, np.inf)))
    return out


def _shots(trace: audit.Trace, limits: audit.Limits, now: Motion) -> list[tuple[str, Floats]]:
    out: list[tuple[str, Floats]] = []
    rules: tuple[audit.Cone | audit.Burst, ...] = (*limits.cones, *limits.bursts)
    for rule in rules:
        room = np.full(len(now.before), np.inf)
        for npc in np.flatnonzero((now.attacks & rule.attack).any(1) & rule.binds).tolist():
            room[npc] = _spared(trace, rule, now.tick, npc)
        out.append((rule.kind, room))
    return out


def _spared(trace: audit.Trace, rule: audit.Cone | audit.Burst, tick: int, npc: int) -> float:
    """Returns how much further than asked for the nearest is from where an attack goes; infinity beyond the end."""
    mates = np.ones(len(trace.ids), np.bool_)
    if isinstance(rule, audit.Cone):
        then, needed, hit = tick, rule.clearance, _line(trace, rule, tick, npc)
        mates[npc] = False
    else:
        then, needed, hit = tick + rule.flight_ticks, rule.radius, _burst(trace, tick, npc)[None]
    if then >= len(trace.position):
        return np.inf
    bodies = [trace.position[then][mates & rule.npcs], *(trace.others[then, [other]] for other in rule.whom)]
    gaps = [np.hypot(*(body[:, None] - hit).reshape(-1, 2).T).min(initial=np.inf) for body in bodies]
    return float(min(gaps, default=np.inf)) - needed


def _burst(trace: audit.Trace, tick: int, npc: int) -> Floats:
    angle = float(trace.aim[tick, npc])
    return np.asarray(trace.position[tick, npc] + trace.reach[tick, npc] * np.array([np.cos(angle), np.sin(angle)]))


def _line(trace: audit.Trace, rule: audit.Cone, tick: int, npc: int) -> Floats:
    """Returns many points of the sector that an attack reaches."""
    turns = np.linspace(-rule.spread, rule.spread, 25) + float(trace.aim[tick, npc])
    far = np.linspace(0.0, rule.reach, 97)
    sector = np.stack([np.cos(turns), np.sin(turns)], 1)[:, None] * far[:, None]  # q s 2
    return np.asarray(trace.position[tick, npc] + sector.reshape(-1, 2))


def _forecasts(trace: audit.Trace, now: Motion) -> list[tuple[str, Floats]]:
    out = []
    for forecast in trace.forecasts:
        step = now.tick - forecast.tick
        if 0 <= step < len(forecast.place):
            room = np.full(len(now.before), np.inf)
            off = float(np.hypot(*(now.others_after[forecast.other] - forecast.place[step])))
            room[forecast.npc] = forecast.radius[step] - off
            out.append(("forecast", room))
    return out
