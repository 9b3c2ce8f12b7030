"""Who may move while others of its group stand: turns, taken one after the other.

An NPC counts as in motion while it moves, and while it holds any step that moves, sent and not yet over; so no lost or
late chunk makes two of them move where one may. Standing still is the brake, and the brake is always legal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.constraints import KINDS, RuleTables, Turns


@dataclass(slots=True)
class Moves:
    """Since when each NPC has been in motion, and until when it last was: who has waited longest is next."""

    since: dict[int, int] = field(default_factory=dict)  # NPC -> tick
    until: dict[int, int] = field(default_factory=dict)
    _looked: int = 0

    def observe(self, tick: int, ids: NDArray[np.uint32], moving: Bool[np.ndarray, " n"]) -> None:
        """Takes in who is in motion at a tick. Ticks that begin anew begin everything anew."""
        if tick < self._looked:
            self.since.clear()
            self.until.clear()
        self._looked = tick
        here = set(ids.tolist())  # who has left begins anew when it returns, or another one under its id
        self.since = {npc: began for npc, began in self.since.items() if npc in here}
        self.until = {npc: stopped for npc, stopped in self.until.items() if npc in here}
        self.begin(tick, ids[moving])
        for npc in ids[~moving].tolist():
            if self.since.pop(npc, None) is not None:
                self.until[npc] = tick

    def begin(self, tick: int, ids: NDArray[np.uint32]) -> None:
        """Remembers who has been sent a step that moves it."""
        for npc in ids.tolist():
            self.since.setdefault(npc, tick)

    def pass_on(self, tick: int, ids: NDArray[np.uint32]) -> None:
        """Sends those to the end of the queue who had a turn, and whom another rule let go nowhere."""
        for npc in ids.tolist():
            if npc not in self.since:
                self.until[npc] = tick


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the rules about turns say of one call. c runs over KINDS."""

    held: Bool[np.ndarray, " n"]  # has no turn: comes to rest, and stays there
    broken: Bool[np.ndarray, "n c"]  # in motion beyond what may be
    active: Bool[np.ndarray, "n c"]  # bound, and in motion or about to be
    rejected: Bool[np.ndarray, "n c"]  # wants to move and may not
    margins: Float[np.ndarray, "n c"]  # turns still to be had; infinity where none are taken


def take_turns(
    tables: RuleTables,
    rows: NDArray[np.intp],
    moves: Moves,
    moving: Bool[np.ndarray, " n"],
    wishes: Float[np.ndarray, "n m 2"],
    priority: Float[np.ndarray, " n"] | None,
    tick: int,
) -> Waiting:
    """Says who of every group goes on, who begins, and who stands.

    Those in motion go on, the longest ones first, as far as there are turns; what is left goes to those who have waited
    longest, then by priority, then by id. Whoever has used its time up stops if somebody is left waiting.

    Args:
        tables: compiled rules.
        rows: the NPCs' rows in them.
        moves: who has been in motion since when.
        moving: who is or may be, by what it was sent.
        wishes: proposals, m/s; no number is no wish.
        priority: who is served first among those that have waited as long.
        tick: of the snapshot.
    """
    n = len(rows)
    nothing = np.zeros((n, len(KINDS)), np.bool_)
    out = Waiting(np.zeros(n, np.bool_), nothing, nothing.copy(), nothing.copy(), np.full(nothing.shape, np.inf))
    wants = (np.hypot(wishes[..., 0], wishes[..., 1]) > 0.0).any(1)
    urgent = np.zeros(n) if priority is None else np.nan_to_num(priority, nan=-np.inf)
    ids = tables.ids[rows]
    since = np.array([moves.since.get(npc, tick) for npc in ids.tolist()], np.int64)
    until = np.array([moves.until.get(npc, -1) for npc in ids.tolist()], np.int64)
    oldest, longest = np.lexsort((ids, since)), np.lexsort((ids, -urgent, until))
    for rule in tables.turns:
        for group in np.unique(rule.group[rows][rule.binds[rows]]):
            ours = rule.binds[rows] & (rule.group[rows] == group)
            _one_group(rule, ours, oldest, longest, tick - since, moving, wants, out)
    return out


def _one_group(
    rule: Turns,
    ours: Bool[np.ndarray, " n"],
    oldest: NDArray[np.intp],
    longest: NDArray[np.intp],
    tired: NDArray[np.int64],
    moving: Bool[np.ndarray, " n"],
    wants: Bool[np.ndarray, " n"],
    out: Waiting,
) -> None:
    busy = [npc for npc in oldest.tolist() if ours[npc] and moving[npc]]
    asking = [npc for npc in longest.tolist() if ours[npc] and wants[npc] and not moving[npc] and not out.held[npc]]
    kept, free = busy[: rule.most], max(0, rule.most - len(busy))
    begun, left = asking[:free], len(asking[free:])
    done = [npc for npc in kept if tired[npc] >= rule.ticks][:left]
    held = ours.copy()
    held[[npc for npc in kept + begun if npc not in done]] = False
    out.held[held] = True
    out.broken[busy[rule.most :], rule.kind] = True
    out.active[ours & (moving | wants), rule.kind] = True
    out.rejected[held & wants, rule.kind] = True
    taken = min(len(busy) + len(begun), max(rule.most, len(busy)))
    out.margins[ours & (moving | wants), rule.kind] = rule.most - taken
