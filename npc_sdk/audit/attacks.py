"""Judges when NPCs attacked: counts within windows, shared capacities, what attacks use up. From the definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.audit.trace import Limits, Quota, Share, Trace


@dataclass(frozen=True, slots=True)
class Finding:
    """How far each NPC kept one rule in each tick; infinite where the rule had nothing to say."""

    rule: str
    margin: Float[np.ndarray, "t a"]
    bound: Bool[np.ndarray, "t a"]
    others: Bool[np.ndarray, "t a"]  # it would have been kept but for what the game did


def attack_findings(
    trace: Trace, limits: Limits, living: Bool[np.ndarray, "t a"], own: Bool[np.ndarray, "t a"]
) -> Iterator[Finding]:
    """Yields one finding per rule. `own` says in which ticks an NPC did what it had been told."""
    for quota in limits.quotas:
        hits = (trace.attacks & quota.attack).sum(2) * (living & quota.binds)  # a shot and a throw at once are two
        total, mine = _counted(hits, quota), _counted(hits * own, quota)
        yield Finding(
            quota.kind,
            np.where(hits > 0, quota.most - total, np.inf),
            living & quota.binds,
            (total > quota.most) & (mine <= quota.most),
        )
    for share in limits.shares:
        hit = (trace.attacks & share.attack).any(2) & living & share.binds
        total, mine = _load(hit, living, share), _load(hit & own, living, share)
        room = share.capacity + 1e-9
        yield Finding(
            share.kind,
            np.where(hit, room - total[:, None], np.inf),
            living & share.binds,
            np.broadcast_to(((total > room) & (mine <= room))[:, None], hit.shape),
        )
    for stock in limits.stocks:
        hit = (trace.attacks & stock.attack).any(2) & living & stock.binds
        left = trace.levels[stock.field][:-1] - _spent(trace, limits, stock.field) - stock.least
        yield Finding(stock.kind, np.where(hit, left, np.inf), living & stock.binds, np.zeros_like(hit))


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
