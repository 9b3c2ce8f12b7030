"""Who may attack at which tick: counters over time and shared capacities, kept for whatever may still be executed.

A chunk may be run or not, in part or as a whole; so an attack counts from the moment it is sent, at the tick at which
it would happen. Whatever is executed is among what was sent, and fewer attacks never break a rule about too many.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, KINDS, Pool, RuleTables, Stock, Window
from npc_sdk.shield.fire import Aim, Range, forbidden

_Key = tuple[str, tuple[bool, ...], bool]  # a counter's name or "", what counts as an attack, whether squads count
_Entry = tuple[int, int]  # tick, NPC


@dataclass(slots=True)
class Sent:
    """When each NPC may have attacked or may yet, one list per count. One per game session."""

    _entries: dict[_Key, dict[int, list[_Entry]]] = field(default_factory=dict)  # by NPC or squad; in order of ticks
    _counted: dict[tuple[_Key, int], tuple[int, float]] = field(default_factory=dict)

    def of(self, key: _Key, owner: int) -> list[_Entry]:
        """Attacks of an NPC or a squad, one entry each."""
        return self._entries.get(key, {}).get(owner, [])

    def observe(
        self,
        tick: int,
        tables: RuleTables,
        rows: NDArray[np.intp],
        fields: Mapping[str, Float[np.ndarray, " n"]],
    ) -> None:
        """Gives back what a counter of the game shows not to have happened, and forgets what no window reaches.

        Of the attacks that may have happened since the last look, as many as were counted are taken to be the latest:
        a later one binds for longer. Those that nobody sent, the game's own, are taken to have happened just now.
        """
        spans = [window.ticks for window in tables.windows] + [int(pool.ticks.max(initial=0)) for pool in tables.pools]
        reach = max(spans, default=0)
        for lists in self._entries.values():
            for entries in lists.values():
                del entries[: bisect_left(entries, (tick - reach,))]
        for window in tables.windows:
            if window.counter in fields:
                for row, value in zip(rows.tolist(), fields[window.counter].tolist(), strict=True):
                    self._count(_key(window), int(window.group[row]), int(tables.ids[row]), tick, value)

    def _count(self, key: _Key, owner: int, npc: int, tick: int, value: float) -> None:
        before = self._counted.get((key, npc))
        self._counted[key, npc] = (tick, value)
        if before is None or value < before[1] or tick <= before[0]:
            return
        entries = self._entries.setdefault(key, {}).setdefault(owner, [])
        possible = [e for e in entries if e[1] == npc and before[0] <= e[0] < tick]
        happened = round(value - before[1])
        for entry in possible[: max(0, len(possible) - happened)]:
            entries.remove(entry)
        for _ in range(happened - len(possible)):
            insort(entries, (tick - 1, npc))

    def add(
        self,
        apply_tick: int,
        tables: RuleTables,
        rows: NDArray[np.intp],
        triggers: Bool[np.ndarray, "n m t"],
    ) -> None:
        """Remembers a chunk that has been sent."""
        for npc, step in np.argwhere(triggers.any(2)).tolist():
            row, shot = int(rows[npc]), triggers[npc, step].tolist()
            entry = (apply_tick + step, int(tables.ids[row]))
            for key, owner in _owners(tables, row):
                entries = self._entries.setdefault(key, {}).setdefault(owner, [])
                if any(a and b for a, b in zip(key[1], shot, strict=True)) and not _holds(entries, entry):
                    insort(entries, entry)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The attacks that a decision asks for, and what it must know to be allowed them."""

    triggers: Bool[np.ndarray, "n m t"]  # t as TRIGGERS
    apply_tick: int = 0
    tick: int = 0  # of the snapshot
    hold_fire: bool = False
    fields: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)  # of the NPCs, by name
    priority: Float[np.ndarray, " n"] | None = None  # who is served first; by id where equal or not a number
    aim: Aim | None = None


@dataclass(frozen=True, slots=True)
class Permitted:
    """What is left of the wish."""

    triggers: Bool[np.ndarray, "n m t"]
    stopped: Bool[np.ndarray, "n c"]  # kinds of rules that turned down an attack
    active: Bool[np.ndarray, "n c"]  # kinds of rules that bind an NPC that wants to attack, or forbids it
    margins: Float[np.ndarray, "n c"]  # attacks or weight still to be had; infinity where none is counted


def permit(
    tables: RuleTables, rows: NDArray[np.intp], sent: Sent, wanted: Wanted, where: Range | None = None
) -> Permitted:
    """Allows attacks one after another, the most important NPC first; what one is given is taken from the others."""
    shots = np.asarray(wanted.triggers, np.bool_).copy()
    n, m, _ = shots.shape
    stopped, active = np.zeros((n, len(KINDS)), np.bool_), np.zeros((n, len(KINDS)), np.bool_)
    margins = np.full((n, len(KINDS)), np.inf)
    held = tables.hold_fire[rows] & wanted.hold_fire
    active[:, KIND["hold_fire"]] = held
    stopped[:, KIND["hold_fire"]] = held & shots.any((1, 2))
    margins[held, KIND["hold_fire"]] = 0.0
    shots[held] = False
    for rule, hit in forbidden(tables, rows, wanted.aim, where) if where is not None else ():
        aimed = (shots & np.array(rule.attack)).any(2)
        active[:, rule.kind] |= rule.binds[rows] & aimed.any(1)
        stopped[:, rule.kind] |= (aimed & hit).any(1)
        shots &= ~(hit[..., None] & np.array(rule.attack))
    if not shots.any() or not (tables.windows or tables.pools or tables.stocks):
        return Permitted(shots, stopped, active, margins)
    books: list[_Book] = [
        *(_WindowBook(window, tables, rows, sent) for window in tables.windows),
        *(_PoolBook(pool, tables, rows, sent, wanted.apply_tick, m) for pool in tables.pools),
        *(_StockBook(stock, tables, rows, sent, wanted) for stock in tables.stocks),
    ]
    # An attack is a bit, so that what counts and what is asked for compare without an array per question.
    bits = 1 << np.arange(shots.shape[2])
    asked: list[list[int]] = (shots @ bits).tolist()
    counts: list[list[int]] = [(book.attack @ bits).tolist() for book in books]
    for npc in _order(tables.ids[rows], wanted.priority):
        left = asked[npc]
        mine = [
            (book, what[npc])
            for book, what in zip(books, counts, strict=True)
            if book.binds[npc] and any(shot & what[npc] for shot in left)
        ]
        for book, _ in mine:
            active[npc, book.kind] = True
        for step in range(m):
            for book, what in mine:
                if left[step] & what and not book.allows(npc, wanted.apply_tick + step):
                    left[step] &= ~what
                    stopped[npc, book.kind] = True
            for book, what in mine:
                if left[step] & what:
                    book.take(npc, wanted.apply_tick + step)
        for book, _ in mine:
            margins[npc, book.kind] = min(margins[npc, book.kind], book.left(npc))
    return Permitted((np.array(asked)[..., None] & bits) != 0, stopped, active, margins)


def _key(rule: Window | Stock) -> _Key:
    return (rule.counter, rule.attack, rule.squads) if isinstance(rule, Window) else ("", rule.attack, False)


def _alone(attack: Bool[np.ndarray, " t"]) -> _Key:
    """An NPC's own attacks, as a pool counts them."""
    return "", tuple(attack.tolist()), False


def _owners(tables: RuleTables, row: int) -> set[tuple[_Key, int]]:
    """Returns every count that an NPC's attack goes into."""
    npc = int(tables.ids[row])
    windows = {(_key(window), int(window.group[row])) for window in tables.windows if window.binds[row]}
    pools = {(_alone(pool.attack[row]), npc) for pool in tables.pools if pool.binds[row]}
    return windows | pools | {(_key(stock), npc) for stock in tables.stocks if stock.binds[row]}


def _holds(entries: list[_Entry], entry: _Entry) -> bool:
    place = bisect_left(entries, entry)
    return place < len(entries) and entries[place] == entry


def _order(ids: NDArray[np.uint32], priority: Float[np.ndarray, " n"] | None) -> list[int]:
    """NPCs by descending priority; no number is the lowest."""
    urgent = np.zeros(len(ids)) if priority is None else np.nan_to_num(priority, nan=-np.inf)
    order: list[int] = np.lexsort((ids, -urgent)).tolist()
    return order


class _WindowBook:
    """Counts of one `Window` rule."""

    def __init__(self, window: Window, tables: RuleTables, rows: NDArray[np.intp], sent: Sent) -> None:
        self.kind, self._most, self._length = window.kind, window.most, window.ticks
        self.binds = window.binds[rows]
        self.attack = np.broadcast_to(np.array(window.attack), (len(rows), len(window.attack)))
        self._ids, self._group = tables.ids[rows].tolist(), window.group[rows].tolist()
        self._entries = {owner: list(sent.of(_key(window), owner)) for owner in set(self._group)}

    def allows(self, npc: int, tick: int) -> bool:
        entries = self._entries[self._group[npc]]
        if _holds(entries, (tick, self._ids[npc])):
            return True
        near = entries[bisect_left(entries, (tick - self._length + 1,)) : bisect_left(entries, (tick + self._length,))]
        ticks = sorted([*(t for t, _ in near), tick])
        return all(later - first >= self._length for first, later in zip(ticks, ticks[self._most :], strict=False))

    def take(self, npc: int, tick: int) -> None:
        entry, entries = (tick, self._ids[npc]), self._entries[self._group[npc]]
        if not _holds(entries, entry):
            insort(entries, entry)

    def left(self, npc: int) -> float:
        entries = self._entries[self._group[npc]]
        fullest = max((bisect_left(entries, (e[0] + self._length,)) - k for k, e in enumerate(entries)), default=0)
        return float(self._most - fullest)


class _PoolBook:
    """Holders of one `Pool` from the apply tick on."""

    def __init__(
        self, pool: Pool, tables: RuleTables, rows: NDArray[np.intp], sent: Sent, start: int, steps: int
    ) -> None:
        self.kind, self._capacity, self._start = pool.kind, pool.capacity, start
        self._hold, self._weight, self.attack = pool.ticks[rows], pool.weight[rows], pool.attack[rows]
        self.binds = pool.binds[rows]
        # Chunks that were sent before may end later than this one: their attacks start at most a chunk from now.
        length = int(pool.ticks.max(initial=0)) + 2 * steps
        self._holds = np.zeros((len(rows), length), np.bool_)
        self._load = np.zeros(length)
        for npc, name in enumerate(tables.ids[rows].tolist()):
            if self.binds[npc]:
                for tick, _ in sent.of(_alone(self.attack[npc]), name):
                    self.take(npc, tick)

    def _span(self, npc: int, tick: int) -> slice:
        return slice(max(0, tick - self._start), max(0, tick - self._start + int(self._hold[npc])))

    def allows(self, npc: int, tick: int) -> bool:
        span = self._span(npc, tick)
        added = np.where(self._holds[npc, span], 0.0, self._weight[npc])
        return bool(((self._load[span] + added <= self._capacity + 1e-9) | (added == 0.0)).all())

    def take(self, npc: int, tick: int) -> None:
        span = self._span(npc, tick)
        self._load[span] += np.where(self._holds[npc, span], 0.0, self._weight[npc])
        self._holds[npc, span] = True

    def left(self, npc: int) -> float:
        return float(self._capacity - self._load.max(initial=0.0))


class _StockBook:
    """What is left of one field."""

    def __init__(self, stock: Stock, tables: RuleTables, rows: NDArray[np.intp], sent: Sent, wanted: Wanted) -> None:
        self.kind, self._cost, self._least = stock.kind, stock.cost, stock.least
        self.attack = np.broadcast_to(np.array(stock.attack), (len(rows), len(stock.attack)))
        # Where the game lacks the field nothing can be promised, so nothing is allowed.
        self._value = np.asarray(wanted.fields.get(stock.field, np.full(len(rows), -np.inf)), np.float64)
        self.binds = stock.binds[rows]
        entries = [sent.of(_key(stock), npc) for npc in tables.ids[rows].tolist()]
        self._coming = [{tick for tick, _ in mine[bisect_left(mine, (wanted.tick,)) :]} for mine in entries]

    def allows(self, npc: int, tick: int) -> bool:
        uses = len(self._coming[npc] | {tick})
        return bool(self._value[npc] - self._cost * uses >= self._least)

    def take(self, npc: int, tick: int) -> None:
        self._coming[npc].add(tick)

    def left(self, npc: int) -> float:
        return float(self._value[npc] - self._cost * len(self._coming[npc]) - self._least)


_Book = _WindowBook | _PoolBook | _StockBook
