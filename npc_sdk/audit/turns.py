"""Judges how many NPCs of a group moved at a time. From the definition."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.audit.causes import K4B, K5, OWN, Causes
from npc_sdk.audit.trace import Limits, Trace, Turns

_AT_REST = 1e-6  # m/s

Ending = tuple[Int[np.ndarray, " g"], Int[np.ndarray, " g"]]
"""Of each group: since what cause there may be too many, `OWN` where there may not; and ticks without, in a row."""


def turn_margins(
    trace: Trace,
    limits: Limits,
    rule: Turns,
    living: Bool[np.ndarray, "t a"],
    cause: Causes,
    executed: float,
    settle_ticks: int,
    left: Ending | None,
) -> tuple[Float[np.ndarray, "t a"], Causes, Ending]:
    """Returns how many more might have moved beside each NPC that did, whose fault too many are, and how it ends.

    Where the game moves one of a group, or puts one there in motion, all of the group are excused until none too many
    have moved for as long as old promises run; so from a start with too many in motion.

    Args:
        trace: what was executed.
        limits: for the length of a tick.
        rule: whose group, and how many.
        living: who is there.
        cause: who or what moved each NPC.
        executed: m of a tick's motion that count as none where nothing was commanded.
        settle_ticks: how long old promises run.
        left: of a trace that ended where this one begins.
    """
    shift = np.linalg.norm(trace.position[1:] - trace.position[:-1], axis=-1)
    moves = living & rule.binds & ((np.linalg.norm(trace.command, axis=-1) > _AT_REST) | (shift > executed))
    margin, why = np.full(living.shape, np.inf), cause.copy()
    groups = np.unique(rule.group[rule.binds])
    off, quiet = np.full(len(groups), K5), np.zeros(len(groups), np.int64)
    if left is not None:
        off, quiet = left[0].copy(), left[1].copy()
    for place, group in enumerate(groups):
        ours = rule.binds & (rule.group == group)
        if left is None and _in_motion(trace, ours, 0).sum() <= rule.most:
            off[place] = OWN
        for tick in range(len(living)):
            moving = moves[tick] & ours
            new = ours & living[tick] & ~(living[tick - 1] if tick else living[0])
            worst = cause[tick, moving].max(initial=OWN)
            worst = max(worst, K5 if (_in_motion(trace, new, tick)).any() else OWN)
            if worst == OWN and _by_several(trace, tick, moving):
                worst = K4B
            few = moving.sum() <= rule.most
            margin[tick, moving] = rule.most - moving.sum()
            excuse = worst if worst != OWN else off[place]
            why[tick, ours] = np.where(cause[tick, ours] == OWN, excuse, cause[tick, ours])
            if worst != OWN:
                off[place], quiet[place] = worst, 0
            else:
                quiet[place] = quiet[place] + 1 if few else 0
                off[place] = OWN if quiet[place] > settle_ticks else off[place]
    return margin, why, (off, quiet)


def _in_motion(trace: Trace, who: Bool[np.ndarray, " a"], tick: int) -> Bool[np.ndarray, " a"]:
    return np.asarray(who & trace.alive[tick] & ~(np.linalg.norm(trace.velocity[tick], axis=-1) <= _AT_REST))


def _by_several(trace: Trace, tick: int, moving: NDArray[np.bool_]) -> bool:
    """Says whether those that move were not certified together: by different sessions (K4b)."""
    if not len(trace.session):
        return False
    sessions = trace.session[tick, moving]
    return len(np.unique(sessions[sessions > 0])) > 1
