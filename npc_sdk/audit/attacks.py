"""Judges when NPCs attacked: counts within windows, shared capacities, what attacks use up. From the definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.audit.causes import GAME, K4B, OWN, Causes
from npc_sdk.audit.trace import Limits, Quota, Share, Trace

Attacks: TypeAlias = NDArray[np.bool_] | NDArray[np.int64]  # t a: whether, or how many


@dataclass(frozen=True, slots=True)
class Finding:
    """How far each NPC kept one rule in each tick; infinite where the rule had nothing to say."""

    rule: str
    margin: Float[np.ndarray, "t a"]
    bound: Bool[np.ndarray, "t a"]
    excuse: Causes  # what it would have been kept without, `OWN` where there is nothing


def attack_findings(
    trace: Trace, limits: Limits, living: Bool[np.ndarray, "t a"], own: Bool[np.ndarray, "t a"]
) -> Iterator[Finding]:
    """Yields one finding per rule. `own` says in which ticks an NPC did what it had been told."""
    for quota in limits.quotas:
        hits = (trace.attacks & quota.attack).sum(2) * (living & quota.binds)  # a shot and a throw at once are two
        total, mine = _counted(hits, quota), _counted(hits * own, quota)
        together = _largest(trace, hits * own, partial(_counted, quota=quota))
        yield Finding(
            quota.kind,
            np.where(hits > 0, quota.most - total, np.inf),
            living & quota.binds,
            _excuse(total > quota.most, mine <= quota.most, together <= quota.most),
        )
    for share in limits.shares:
        hit = (trace.attacks & share.attack).any(2) & living & share.binds
        total, mine = _load(hit, living, share), _load(hit & own, living, share)
        room = share.capacity + 1e-9
        together = _largest(trace, hit & own, partial(_shared, living=living, share=share))
        yield Finding(
            share.kind,
            np.where(hit, room - total[:, None], np.inf),
            living & share.binds,
            np.broadcast_to(_excuse((total > room)[:, None], (mine <= room)[:, None], together <= room), hit.shape),
        )
    for stock in limits.stocks:
        hit = (trace.attacks & stock.attack).any(2) & living & stock.binds
        left = trace.levels[stock.field][:-1] - _spent(trace, limits, stock.field) - stock.least
        yield Finding(stock.kind, np.where(hit, left, np.inf), living & stock.binds, np.full(hit.shape, OWN))


def _largest(trace: Trace, hit: Attacks, count: Callable[[Attacks], NDArray[np.generic]]) -> NDArray[np.float64]:
    """Returns the largest count of attacks that were certified together: those of one session."""
    if not len(trace.session):
        return np.asarray(count(hit), np.float64)
    counts = [
        count(np.where(trace.session == session, hit, np.zeros_like(hit))) for session in np.unique(trace.session)
    ]
    return np.asarray(np.max(counts, axis=0), np.float64)


def _excuse(over: Bool[np.ndarray, "..."], mine: Bool[np.ndarray, "..."], together: Bool[np.ndarray, "..."]) -> Causes:
    """Returns what made too many attacks of attacks that would have been few enough."""
    return np.where(over & mine, GAME, np.where(over & together, K4B, OWN))


def _spent(trace: Trace, limits: Limits, name: str) -> Float[np.ndarray, "t a"]:
    """Returns what an NPC's attacks of each tick use up of a field; of several costs of one attack the largest."""
    cost = np.zeros(trace.attacks.shape)
    for stock in limits.stocks:
        if stock.field == name:
            cost = np.where(stock.binds[:, None] & stock.attack, np.maximum(cost, stock.cost), cost)
    return np.asarray((cost * trace.attacks).sum(2))


def _counted(hits: Int[np.ndarray, "t a"], quota: Quota) -> Int[np.ndarray, "t a"]:
    """Returns how many attacks of its group the window that ends with each tick holds, in that tick all of them."""
    sums = np.zeros(hits.shape, np.int64)
    for group in np.unique(quota.group[quota.binds]):
        members = quota.binds & (quota.group == group)
        upto = np.concatenate([[0], np.cumsum(hits[:, members].sum(1))])
        first = np.maximum(np.arange(len(hits)) + 1 - quota.ticks, 0)
        sums[:, members] = (upto[1:] - upto[first])[:, None]
    return sums


def _shared(hit: Bool[np.ndarray, "t a"], living: Bool[np.ndarray, "t a"], share: Share) -> Float[np.ndarray, "t 1"]:
    return _load(hit, living, share)[:, None]


def _load(hit: Bool[np.ndarray, "t a"], living: Bool[np.ndarray, "t a"], share: Share) -> Float[np.ndarray, " t"]:
    """Returns the weight of all living NPCs that attacked within their time before each tick, that tick included.

    An NPC that died has given back what it held, also if it is alive again.
    """
    last = np.full(hit.shape[1], -(10**9), np.int64)
    load = np.zeros(len(hit))
    for tick in range(len(hit)):
        last[~living[tick]] = -(10**9)
        last[hit[tick]] = tick
        holds: NDArray[np.bool_] = (tick - last < share.ticks) & living[tick]
        load[tick] = share.weight[holds].sum()
    return load
