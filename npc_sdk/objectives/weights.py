"""Weights by scope: global, then faction, squad, persona and NPC, where the later overrides the earlier.

A book is edited by the designer's side; each edit makes a new immutable `Weights` with the next revision. The planner
takes one `Weights` per tick, so one plan never mixes two settings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from npc_sdk.errors import ControlError, nearest

Scope = Literal["global", "faction", "squad", "persona", "npc"]
SCOPES: tuple[Scope, ...] = ("global", "faction", "squad", "persona", "npc")


@dataclass(frozen=True, slots=True)
class NpcKeys:
    """Under which key of each scope an NPC is looked up; an empty key means none."""

    faction: str = ""
    squad: str = ""
    persona: str = ""
    npc: str = ""

    def key(self, scope: Scope) -> str:
        """The NPC's key in `scope`; the global scope has one key, the empty one."""
        return "" if scope == "global" else str(getattr(self, scope))


Layer = Mapping[str, float]  # term name -> weight


@dataclass(frozen=True, slots=True)
class Weights:
    """One immutable setting of all weights. Safe to share between threads."""

    revision: int
    terms: tuple[str, ...]
    defaults: tuple[float, ...]
    layers: Mapping[tuple[Scope, str], Layer]
    _rows: dict[NpcKeys, NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)

    def resolve(self, npcs: Sequence[NpcKeys]) -> NDArray[np.float64]:
        """Returns the weights in force for each NPC: n M."""
        rows = [self._row(keys) for keys in npcs]
        return np.stack(rows) if rows else np.zeros((0, len(self.terms)))

    def origin(self, keys: NpcKeys, term: str) -> Scope | None:
        """Names the scope that an NPC's weight comes from, None when it is the term's default."""
        found: Scope | None = None
        for scope in SCOPES:
            if self._asks(scope, keys) and term in self.layers.get((scope, keys.key(scope)), {}):
                found = scope
        return found

    def _row(self, keys: NpcKeys) -> NDArray[np.float64]:
        row = self._rows.get(keys)
        if row is None:
            merged = dict(zip(self.terms, self.defaults, strict=True))
            for scope in SCOPES:
                if self._asks(scope, keys):
                    merged.update(self.layers.get((scope, keys.key(scope)), {}))
            row = np.array([merged[name] for name in self.terms])
            row.setflags(write=False)
            self._rows[keys] = row
        return row

    @staticmethod
    def _asks(scope: Scope, keys: NpcKeys) -> bool:
        return scope == "global" or keys.key(scope) != ""


class WeightBook:
    """The weights being edited. One writer at a time; `current` may be read from any thread."""

    def __init__(self, defaults: Mapping[str, float]) -> None:
        for name, value in defaults.items():
            _check(name, value)
        self._weights = Weights(0, tuple(defaults), tuple(map(float, defaults.values())), MappingProxyType({}))

    @property
    def current(self) -> Weights:
        """The setting in force. Read it once per tick."""
        return self._weights

    def set(self, scope: str, key: str, changes: Mapping[str, object]) -> Weights:
        """Sets weights in one scope; all of `changes` or none.

        Raises:
            ControlError: an unknown scope or term, or a weight that is not a finite number >= 0.
        """
        at = self._scope(scope, key)
        self._check_terms(changes)
        old = self._weights.layers.get((at, key), {})
        return self._put(at, key, {**old, **{name: _check(name, value) for name, value in changes.items()}})

    def replace(self, scope: str, key: str, layer: Mapping[str, object]) -> Weights:
        """Puts `layer` in the place of everything set in one scope: how a persona file is loaded again."""
        at = self._scope(scope, key)
        self._check_terms(layer)
        return self._put(at, key, {name: _check(name, value) for name, value in layer.items()})

    def clear(self, scope: str, key: str, terms: Iterable[str] | None = None) -> Weights:
        """Forgets what a scope says about `terms`, or all of it, so that the earlier scopes show again."""
        at = self._scope(scope, key)
        dropped = None if terms is None else set(terms)
        old = self._weights.layers.get((at, key), {})
        return self._put(at, key, {} if dropped is None else {n: v for n, v in old.items() if n not in dropped})

    def with_terms(self, defaults: Mapping[str, float]) -> Weights:
        """Takes another list of terms; weights of terms that are gone are dropped."""
        for name, value in defaults.items():
            _check(name, value)
        layers = {
            at: MappingProxyType({n: v for n, v in layer.items() if n in defaults})
            for at, layer in self._weights.layers.items()
        }
        return self._publish(tuple(defaults), tuple(map(float, defaults.values())), layers)

    def _put(self, scope: Scope, key: str, layer: dict[str, float]) -> Weights:
        layers = dict(self._weights.layers)
        layers.pop((scope, key), None)
        if layer:
            layers[scope, key] = MappingProxyType(layer)
        return self._publish(self._weights.terms, self._weights.defaults, layers)

    def _publish(
        self, terms: tuple[str, ...], defaults: tuple[float, ...], layers: Mapping[tuple[Scope, str], Layer]
    ) -> Weights:
        self._weights = Weights(self._weights.revision + 1, terms, defaults, MappingProxyType(dict(layers)))
        return self._weights

    def _scope(self, scope: str, key: str) -> Scope:
        known = next((s for s in SCOPES if s == scope), None)
        if known is None:
            raise ControlError(f"unknown scope {scope!r}{nearest(scope, SCOPES)}", valid=SCOPES)
        if (scope == "global") != (key == ""):
            wanted = "no key" if scope == "global" else "a key"
            raise ControlError(f"scope {scope!r}: expected {wanted}, got {key!r}")
        return known

    def _check_terms(self, changes: Mapping[str, object]) -> None:
        for name in changes:
            if name not in self._weights.terms:
                known = self._weights.terms
                raise ControlError(f"unknown term {name!r}{nearest(name, known)}", valid=known)


def _check(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ControlError(f"weight of {name!r}: expected a finite number >= 0, got {value!r}")
    return float(value)
