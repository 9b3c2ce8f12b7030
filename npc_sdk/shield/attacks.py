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
_Entry = tuple[int, int, int]  # tick, NPC, which of TRIGGERS: a shot and a throw in one tick are two attacks


@dataclass(slots=True)
class Sent:
    """When each NPC may have attacked or may yet, one list per count. One per game, through all its sessions."""

    _entries: dict[_Key, dict[int, list[_Entry]]] = field(default_factory=dict)  # by NPC or squad; in order of ticks
    _counted: dict[tuple[_Key, int], tuple[int, float]] = field(default_factory=dict)
    _looked: int = 0  # tick of the last look

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
        Of who is gone nothing is given back when it returns: its counter may have begun anew. Who has changed squads
        takes along what it may still do. Where the ticks have begun anew, a level has been restarted, and nothing
        counts any more.
        """
        if tick < self._looked:
            self._entries.clear()
            self._counted.clear()
        self._looked = tick
        spans = [window.ticks for window in tables.windows] + [int(pool.ticks.max(initial=0)) for pool in tables.pools]
        reach = max(spans, default=0)
        for lists in self._entries.values():
            for entries in lists.values():
                del entries[: bisect_left(entries, (tick - reach,))]
        present = set(tables.ids[rows].tolist())
        self._counted = {key: seen for key, seen in self._counted.items() if key[1] in present}
        for window in tables.windows:
            if window.squads:
                self._take_along(_key(window), dict(zip(tables.ids.tolist(), window.group.tolist(), strict=True)), tick)
            if window.counter in fields:
                for row, value in zip(rows.tolist(), fields[window.counter].tolist(), strict=True):
                    self._count(_key(window), int(window.group[row]), int(tables.ids[row]), tick, value)

    def _take_along(self, key: _Key, squads: Mapping[int, int], tick: int) -> None:
        """Counts what is still to come for the squad that each NPC is in now, too."""
        lists = self._entries.get(key, {})
        for owner, entries in list(lists.items()):
            for entry in entries[bisect_left(entries, (tick,)) :]:
                joined = lists.setdefault(squads.get(entry[1], owner), [])
                if not _holds(joined, entry):
                    insort(joined, entry)

    def _count(self, key: _Key, owner: int, npc: int, tick: int, value: float) -> None:
        if not np.isfinite(value):  # the game has no such field for this NPC
            return
        before = self._counted.get((key, npc))
        self._counted[key, npc] = (tick, value)
        if before is None or value < before[1]:
            return
        entries = self._entries.setdefault(key, {}).setdefault(owner, [])
        possible = [e for e in entries if e[1] == npc and before[0] <= e[0] < tick]
        happened = round(value - before[1])
        for entry in possible[: max(0, len(possible) - happened)]:
            entries.remove(entry)
        for _ in range(happened - len(possible)):
            insort(entries, (tick - 1, npc, key[1].index(True)))

    def add(
        self,
        apply_tick: int,
        tables: RuleTables,
        rows: NDArray[np.intp],
        triggers: Bool[np.ndarray, "n m t"],
    ) -> None:
        """Remembers a chunk that has been sent."""
        owners = {npc: _owners(tables, int(rows[npc])) for npc in np.flatnonzero(triggers.any((1, 2))).tolist()}
        for npc, step, trigger in np.argwhere(triggers).tolist():
            entry = (apply_tick + step, int(tables.ids[rows[npc]]), trigger)
            for key, owner in owners[npc]:
                entries = self._entries.setdefault(key, {}).setdefault(owner, [])
                if key[1][trigger] and not _holds(entries, entry):
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
        *(_StockBook(stocks, tables, rows, sent, wanted) for stocks in _by_field(tables)),
    ]
    # An attack is a bit, so that what counts and what is asked for compare without an array per question.
    bits = 1 << np.arange(shots.shape[2])
    asked: list[list[int]] = (shots @ bits).tolist()
    wish: list[int] = (shots.any(1) @ bits).tolist()
    counts: list[list[int]] = [(book.attack * book.binds[:, None] @ bits).tolist() for book in books]
    for npc in _order(tables.ids[rows], wanted.priority):
        left = asked[npc]
        mine = [(book, what[npc]) for book, what in zip(books, counts, strict=True) if wish[npc] & what[npc]]
        for book, _ in mine:
            active[npc, book.kind] = True
        for step, trigger in _each(left, shots.shape[2]):
            tick, counting = wanted.apply_tick + step, [book for book, what in mine if what >> trigger & 1]
            refusing = next((book for book in counting if not book.allows(npc, tick, trigger)), None)
            if refusing is not None:
                left[step] &= ~(1 << trigger)
                stopped[npc, refusing.kind] = True
                continue
            for book in counting:
                book.take(npc, tick, trigger)
        for book, _ in mine:
            margins[npc, book.kind] = min(margins[npc, book.kind], book.left(npc))
    return Permitted((np.array(asked)[..., None] & bits) != 0, stopped, active, margins)


def _each(asked: list[int], triggers: int) -> list[tuple[int, int]]:
    """Lists the attacks asked for, step by step."""
    return [(step, trigger) for step, bits in enumerate(asked) for trigger in range(triggers) if bits >> trigger & 1]


def _by_field(tables: RuleTables) -> list[list[Stock]]:
    """Puts the rules about one field together: what one kind of attack uses up, another one lacks."""
    fields = dict.fromkeys(stock.field for stock in tables.stocks)
    return [[stock for stock in tables.stocks if stock.field == name] for name in fields]


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

    def allows(self, npc: int, tick: int, trigger: int) -> bool:
        entries = self._entries[self._group[npc]]
        if _holds(entries, (tick, self._ids[npc], trigger)):
            return True
        near = entries[bisect_left(entries, (tick - self._length + 1,)) : bisect_left(entries, (tick + self._length,))]
        ticks = sorted([*(e[0] for e in near), tick])
        return all(later - first >= self._length for first, later in zip(ticks, ticks[self._most :], strict=False))

    def take(self, npc: int, tick: int, trigger: int) -> None:
        entry, entries = (tick, self._ids[npc], trigger), self._entries[self._group[npc]]
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
        # The weight held is greatest where some attack starts. Chunks that were sent before may end later than this
        # one: their attacks start at most a chunk from now.
        length = 2 * steps
        self._holds = np.zeros((len(rows), length), np.bool_)
        self._load = np.zeros(length)
        for npc, name in enumerate(tables.ids[rows].tolist()):
            if self.binds[npc]:
                for tick, _, trigger in sent.of(_alone(self.attack[npc]), name):
                    self.take(npc, tick, trigger)

    def _span(self, npc: int, tick: int) -> slice:
        return slice(max(0, tick - self._start), max(0, tick - self._start + int(self._hold[npc])))

    def allows(self, npc: int, tick: int, trigger: int) -> bool:
        span, weight = self._span(npc, tick), self._weight[npc]
        full = self._load[span] + weight > self._capacity + 1e-9
        return bool(weight == 0.0) or not bool((full & ~self._holds[npc, span]).any())

    def take(self, npc: int, tick: int, trigger: int) -> None:
        span = self._span(npc, tick)
        self._load[span] += np.where(self._holds[npc, span], 0.0, self._weight[npc])
        self._holds[npc, span] = True

    def left(self, npc: int) -> float:
        return float(self._capacity - self._load.max(initial=0.0))


class _StockBook:
    """What is left of one field, for all rules about it: each names a cost and a least, for its kinds of attacks."""

    def __init__(
        self, stocks: list[Stock], tables: RuleTables, rows: NDArray[np.intp], sent: Sent, wanted: Wanted
    ) -> None:
        self.kind = stocks[0].kind
        counts: NDArray[np.bool_] = np.stack([s.binds[rows][:, None] & np.array(s.attack) for s in stocks])  # s n t
        cost, least = np.array([(stock.cost, stock.least) for stock in stocks]).T[..., None, None]
        self.attack: NDArray[np.bool_] = np.asarray(counts.any(0))
        self.binds: NDArray[np.bool_] = np.asarray(self.attack.any(1))
        self._cost: list[list[float]] = np.where(counts, cost, 0.0).max(0).tolist()
        self._least: list[list[float]] = np.where(counts, least, -np.inf).max(0).tolist()
        # Where the game lacks the field nothing can be promised, so nothing is allowed.
        self._value = np.asarray(wanted.fields.get(stocks[0].field, np.full(len(rows), -np.inf)), np.float64)
        self._coming = [
            {
                (tick, trigger)
                for stock in stocks
                for tick, _, trigger in sent.of(_key(stock), npc)
                if tick >= wanted.tick and self._least[row][trigger] > -np.inf
            }
            for row, npc in enumerate(tables.ids[rows].tolist())
        ]

    def _over(self, npc: int, uses: set[tuple[int, int]]) -> float:
        """Returns what these attacks leave of the field beyond what the strictest of them must leave."""
        spent = sum(self._cost[npc][trigger] for _, trigger in uses)
        return float(self._value[npc]) - spent - max((self._least[npc][trigger] for _, trigger in uses), default=0.0)

    def allows(self, npc: int, tick: int, trigger: int) -> bool:
        return self._over(npc, self._coming[npc] | {(tick, trigger)}) >= 0.0

    def take(self, npc: int, tick: int, trigger: int) -> None:
        self._coming[npc].add((tick, trigger))

    def left(self, npc: int) -> float:
        return self._over(npc, self._coming[npc])


_Book = _WindowBook | _PoolBook | _StockBook
