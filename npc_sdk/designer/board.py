"""The board: everything designers turn while the game runs, and the one way to turn it.

Every change is one `apply` of a plain dict, as it comes over the control channel. It is checked as a whole, gets a
revision, and can be undone. The tick reads one immutable `BoardSnapshot`, so a drag never mixes weights inside a plan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from npc_sdk.constraints import RULES, Points, Rule, check_polygons, parse_who
from npc_sdk.designer.persona import PersonaChange, PersonaEvent, PersonaLibrary
from npc_sdk.designer.request import (
    SCOPE_FORMS,
    TARGET_FORMS,
    NpcKey,
    ScopeKey,
    Table,
    check_fields,
    get,
    npc_of,
    scope_of,
    scope_text,
)
from npc_sdk.designer.rulebook import read_rule
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.errors import ConstraintError, ControlError, InputError, nearest
from npc_sdk.objectives.terms import DEFAULT_TERMS, NORMS, Term, TermSet, term
from npc_sdk.objectives.weights import NpcKeys, WeightBook, Weights

MAX_WEIGHT = 1e6  # above this, float32 sums of terms lose the small ones
MAX_TERMS = 64  # the score's width, and what a panel can show
MAX_RULES = 64
MAX_CHANGES = 256  # of one request: every NPC of a large game, several terms each
MAX_LAYERS = 512  # scopes that say something: bounds what a runaway script can pile up
UNDO_STEPS = 256
LOG_LENGTH = 1024


Reply = dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One accepted change, for the run log: who turned what at which tick, and what it was before."""

    revision: int
    tick: int
    who: str
    op: str
    subject: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class _Setting:
    """What undo goes back to."""

    terms: TermSet
    layers: Mapping[ScopeKey, Mapping[str, float]]
    assigned: Mapping[ScopeKey, str]
    rules: Mapping[str, tuple[Table, Rule]]  # as asked for, and as read
    modes: Mapping[str, bool]
    forecast: str


class Board:
    """The live setting. One writer at a time (the control channel); `snapshot` may be read from any thread."""

    def __init__(
        self,
        library: PersonaLibrary | None = None,
        terms: TermSet = DEFAULT_TERMS,
        modes: Iterable[str] = ("hold_fire",),
        admit: Callable[[tuple[Rule, ...]], None] = check_polygons,
        forecasts: Sequence[str] = (),
    ) -> None:
        """Start from the terms' default weights.

        Args:
            library: the personas that can be assigned.
            terms: the built-in terms; they stay.
            modes: names of the switches, all off at first.
            admit: raises ConstraintError when rules cannot hold together.
            forecasts: names of those that can be used, the first from the beginning.
        """
        self._library = library
        self._forecasts = tuple(forecasts)
        self._builtin = terms
        self._admit = admit
        self._zones: Mapping[str, Points] = {}
        self._setting = _Setting(
            terms,
            MappingProxyType({}),
            MappingProxyType({}),
            MappingProxyType({}),
            MappingProxyType(dict.fromkeys(modes, False)),
            self._forecasts[0] if self._forecasts else "",
        )
        self._past: deque[_Setting] = deque(maxlen=UNDO_STEPS)
        self._future: list[_Setting] = []
        self._group = ""
        self._revision = 0
        self._log: deque[Change] = deque(maxlen=LOG_LENGTH)
        self._operations: dict[
            str, tuple[Callable[[Table], tuple[_Setting, Reply]], frozenset[str], frozenset[str]]
        ] = {
            # name: what it does, fields it needs, fields it may have
            "set_weight": (self._set_weight, frozenset({"term", "value"}), frozenset({"scope"})),
            "set_weights": (self._set_weights, frozenset({"changes"}), frozenset()),
            "unset_weight": (self._unset_weight, frozenset(), frozenset({"scope", "term"})),
            "assign_persona": (self._assign_persona, frozenset({"target", "persona"}), frozenset()),
            "add_term": (self._add_term, frozenset({"name", "expression"}), frozenset({"unit", "norm", "weight"})),
            "remove_term": (self._remove_term, frozenset({"name"}), frozenset()),
            "add_rule": (self._add_rule, frozenset({"rule"}), frozenset()),
            "add_rules": (self._add_rules, frozenset({"rules"}), frozenset()),
            "remove_rule": (self._remove_rule, frozenset({"name"}), frozenset()),
            "set_mode": (self._set_mode, frozenset({"mode", "on"}), frozenset()),
            "set_forecast": (self._set_forecast, frozenset({"name"}), frozenset()),
        }
        self._snapshot = self._publish()

    @property
    def snapshot(self) -> BoardSnapshot:
        """Return the setting in force. Read it once a tick."""
        return self._snapshot

    @property
    def log(self) -> tuple[Change, ...]:
        """Return the newest accepted changes, oldest first."""
        return tuple(self._log)

    @property
    def operations(self) -> tuple[str, ...]:
        """Return the names `apply` knows."""
        return (*self._operations, "undo", "redo", "inspect")

    def apply(self, op: Table, tick: int = 0) -> Reply:
        """Carry out one request and return the reply: `revision` and, for a change, `subject`, `old` and `new`.

        Consecutive changes with the same non-empty `group` (one drag of a slider) are one step of undo. `who` goes
        into the log.

        Raises:
            ControlError: the request is refused and nothing has changed.
        """
        name = op.get("op")
        who, group = get(op, "who", str, ""), get(op, "group", str, "")
        if name == "inspect":
            check_fields(op, frozenset(), frozenset({"npcs"}))
            return self._inspect(op)
        if name in ("undo", "redo"):
            check_fields(op, frozenset(), frozenset())
            return self._step_back(who, tick) if name == "undo" else self._step_forward(who, tick)
        if not isinstance(name, str) or name not in self._operations:
            raise ControlError(f"unknown op {name!r}{nearest(str(name), self.operations)}", valid=self.operations)
        operation, needed, allowed = self._operations[name]
        check_fields(op, needed, allowed)
        setting, reply = operation(op)
        if not (group and group == self._group):
            self._past.append(self._setting)
        self._group = group
        self._future.clear()
        self._setting = setting
        return self._accept(name, reply, who, tick)

    def declare_zones(self, zones: Mapping[str, Points]) -> None:
        """Name the polygons that rules added from now on may refer to: the zones of the game's map."""
        self._zones = MappingProxyType(dict(zones))

    def refresh(self) -> tuple[PersonaChange, ...]:
        """Look whether persona files changed and put what did into force."""
        if self._library is None:
            return ()
        changes = self._library.refresh(self._setting.terms.names)
        if any(change.event in (PersonaEvent.LOADED, PersonaEvent.CHANGED) for change in changes):
            self._snapshot = self._publish()
        return changes

    # Each operation checks its request and returns the setting it leads to, with what changed.

    def _set_weight(self, op: Table) -> tuple[_Setting, Reply]:
        return self._turned(self._setting, op)

    def _set_weights(self, op: Table) -> tuple[_Setting, Reply]:
        """Turn several weights at once: one revision, and nothing changes where one of them is refused."""
        changes = get(op, "changes", list)
        if not 0 < len(changes) <= MAX_CHANGES:
            raise ControlError(f"changes: expected 1..{MAX_CHANGES} of them, got {len(changes)}")
        setting, olds, news, last = self._setting, list[object](), list[object](), ""
        for change in changes:
            if not isinstance(change, dict):
                raise ControlError(f"changes: expected tables with term, value and scope, got {change!r}")
            check_fields({"op": "set_weights", **change}, frozenset({"term", "value"}), frozenset({"scope"}))
            setting, reply = self._turned(setting, change)
            olds.append(reply["old"])
            news.append(reply["new"])
            last = str(reply["subject"])
        subject = last if len(changes) == 1 else f"{len(changes)} weights, last {last}"
        return setting, {"subject": subject, "old": olds, "new": news}

    def _turned(self, before: _Setting, op: Table) -> tuple[_Setting, Reply]:
        """Return `before` with one weight turned."""
        at = self._weight_scope(op)
        name, value = get(op, "term", str), get(op, "value", float)
        old = before.layers.get(at, {}).get(name)
        current = self._current_weight(at, name)
        if not value <= MAX_WEIGHT:
            raise ControlError(f"weight of {name!r}: expected 0..{MAX_WEIGHT:g}, got {value!r}", current=current)
        if at not in before.layers and len(before.layers) >= MAX_LAYERS:
            raise ControlError(f"expected weights in at most {MAX_LAYERS} scopes", current=current)
        try:
            WeightBook({t.name: t.default for t in before.terms.terms}).set(*at, {name: value})
        except ControlError as error:
            raise ControlError(str(error), current=current, valid=error.valid) from error
        layer = {**before.layers.get(at, {}), name: value}
        layers = {**before.layers, at: MappingProxyType(layer)}
        setting = replace(before, layers=MappingProxyType(layers))
        return setting, {"subject": f"{scope_text(at)} {name}", "old": old, "new": value}

    def _unset_weight(self, op: Table) -> tuple[_Setting, Reply]:
        at = self._weight_scope(op)
        old = self._setting.layers.get(at, {})
        name = get(op, "term", str, "")
        if name and name not in old:
            raise ControlError(f"{scope_text(at)} says nothing about {name!r}{nearest(name, old)}", valid=sorted(old))
        kept = {key: value for key, value in old.items() if name and key != name}
        layers = {key: layer for key, layer in self._setting.layers.items() if key != at}
        if kept:
            layers[at] = MappingProxyType(kept)
        setting = replace(self._setting, layers=MappingProxyType(layers))
        return setting, {
            "subject": f"{scope_text(at)} {name or '*'}",
            "old": old[name] if name else dict(old),
            "new": None,
        }

    def _assign_persona(self, op: Table) -> tuple[_Setting, Reply]:
        at = scope_of(get(op, "target", str), TARGET_FORMS)
        name = get(op, "persona", str)
        old = self._setting.assigned.get(at, "")
        known = self._personas()
        if name and name not in known:
            raise ControlError(f"unknown persona {name!r}{nearest(name, known)}", current=old, valid=sorted(known))
        assigned = {key: value for key, value in self._setting.assigned.items() if key != at}
        if name:
            if len(assigned) >= MAX_LAYERS:
                raise ControlError(f"expected at most {MAX_LAYERS} assignments", current=old)
            assigned[at] = name
        setting = replace(self._setting, assigned=MappingProxyType(assigned))
        return setting, {"subject": scope_text(at), "old": old, "new": name}

    def _add_term(self, op: Table) -> tuple[_Setting, Reply]:
        name, text = get(op, "name", str), get(op, "expression", str)
        before = self._setting.terms
        if name in self._builtin.names:
            raise ControlError(f"term {name!r} is built in: choose another name", valid=self._extra_names())
        if name not in before.names and len(before.terms) >= MAX_TERMS:
            raise ControlError(f"expected at most {MAX_TERMS} terms", current=len(before.terms))
        weight = get(op, "weight", float, 1.0)
        if not 0 <= weight <= MAX_WEIGHT:
            raise ControlError(f"weight of {name!r}: expected 0..{MAX_WEIGHT:g}, got {weight!r}")
        unit, norm = get(op, "unit", float, 1.0), get(op, "norm", str, "linear")
        old = before.terms[before.index(name)].expression.text if name in before.names else None
        new = _term(name, text, unit, norm, weight, old)
        setting = replace(self._setting, terms=before.with_term(new))
        return setting, {"subject": name, "old": old, "new": text}

    def _remove_term(self, op: Table) -> tuple[_Setting, Reply]:
        name = get(op, "name", str)
        extra = self._extra_names()
        if name not in extra:
            raise ControlError(f"no added term {name!r}{nearest(name, extra)}", valid=extra)
        before = self._setting.terms
        old = before.terms[before.index(name)].expression.text
        terms = TermSet(tuple(t for t in before.terms if t.name != name))
        cleaned = {at: {n: v for n, v in layer.items() if n != name} for at, layer in self._setting.layers.items()}
        layers = {at: MappingProxyType(layer) for at, layer in cleaned.items() if layer}
        return replace(self._setting, terms=terms, layers=MappingProxyType(layers)), {
            "subject": name,
            "old": old,
            "new": None,
        }

    def _add_rule(self, op: Table) -> tuple[_Setting, Reply]:
        return self._with_rules([get(op, "rule", dict)])

    def _add_rules(self, op: Table) -> tuple[_Setting, Reply]:
        """Add several rules at once: one revision, and nothing changes where one of them is refused."""
        tables = get(op, "rules", list)
        if not tables or not all(isinstance(table, dict) for table in tables):
            raise ControlError(f"rules: expected a list of tables, got {tables!r}")
        return self._with_rules(tables)

    def _with_rules(self, tables: Sequence[Table]) -> tuple[_Setting, Reply]:
        before, rules = self._setting.rules, dict(self._setting.rules)
        names = []
        for table in tables:
            rule = self._read_rule(table)
            rules[rule.name] = (MappingProxyType(dict(table)), rule)
            names.append(rule.name)
        if len(set(names)) < len(names):
            raise ControlError(f"rules: expected a name of its own for each, got {names}")
        if len(rules) > MAX_RULES:
            raise ControlError(f"expected at most {MAX_RULES} rules", current=len(before))
        olds = [_table(before, name) for name in names]
        try:
            self._admit(tuple(read for _, read in rules.values()))
        except ConstraintError as error:
            raise ControlError(str(error), current=olds[-1], valid=sorted(before)) from error
        setting = replace(self._setting, rules=MappingProxyType(rules))
        if len(tables) == 1:
            return setting, {"subject": names[0], "old": olds[0], "new": dict(tables[0])}
        subject = f"{len(names)} rules, last {names[-1]}"
        return setting, {"subject": subject, "old": olds, "new": [dict(table) for table in tables]}

    def _read_rule(self, table: Table) -> Rule:
        try:
            rule = read_rule(table, self._zones)
        except ConstraintError as error:
            raise ControlError(str(error), valid=RULES) from error
        head, name = parse_who(rule.name, rule.who) if isinstance(rule.who, str) else ("", "")
        known = self._personas()
        if head == "persona" and name not in known:
            text = f"rule {rule.name!r}: unknown persona {name!r}{nearest(name, known)}"
            raise ControlError(text, valid=sorted(known))
        return rule

    def _remove_rule(self, op: Table) -> tuple[_Setting, Reply]:
        name = get(op, "name", str)
        before = self._setting.rules
        if name not in before:
            raise ControlError(f"no rule {name!r}{nearest(name, before)}", valid=sorted(before))
        rules = {key: pair for key, pair in before.items() if key != name}
        setting = replace(self._setting, rules=MappingProxyType(rules))
        return setting, {"subject": name, "old": _table(before, name), "new": None}

    def _set_mode(self, op: Table) -> tuple[_Setting, Reply]:
        name, on = get(op, "mode", str), get(op, "on", bool)
        before = self._setting.modes
        if name not in before:
            raise ControlError(f"unknown mode {name!r}{nearest(name, before)}", valid=sorted(before))
        setting = replace(self._setting, modes=MappingProxyType({**before, name: on}))
        return setting, {"subject": name, "old": before[name], "new": on}

    def _set_forecast(self, op: Table) -> tuple[_Setting, Reply]:
        name, old = get(op, "name", str), self._setting.forecast
        if name not in self._forecasts:
            text = f"unknown forecast {name!r}{nearest(name, self._forecasts)}"
            raise ControlError(text, current=old, valid=self._forecasts)
        return replace(self._setting, forecast=name), {"subject": "forecast", "old": old, "new": name}

    # Undo, inspection and publishing.

    def _step_back(self, who: str, tick: int) -> Reply:
        if not self._past:
            raise ControlError("nothing to undo", current=self._revision)
        self._future.append(self._setting)
        self._setting = self._past.pop()
        self._group = ""
        return self._accept("undo", {"subject": "", "old": None, "new": None}, who, tick)

    def _step_forward(self, who: str, tick: int) -> Reply:
        if not self._future:
            raise ControlError("nothing to redo", current=self._revision)
        self._past.append(self._setting)
        self._setting = self._future.pop()
        self._group = ""
        return self._accept("redo", {"subject": "", "old": None, "new": None}, who, tick)

    def _accept(self, name: str, reply: Reply, who: str, tick: int) -> Reply:
        self._snapshot = self._publish()
        self._log.append(Change(self._revision, tick, who, name, str(reply["subject"]), reply["old"], reply["new"]))
        return {"revision": self._revision, **reply, "undo": len(self._past), "redo": len(self._future)}

    def _publish(self) -> BoardSnapshot:
        self._revision += 1
        weights = self._weights()
        setting = self._setting
        return BoardSnapshot(
            self._revision,
            setting.terms,
            weights,
            setting.assigned,
            tuple(rule for _, rule in setting.rules.values()),
            setting.modes,
            setting.forecast,
        )

    def _weights(self) -> Weights:
        """Return the setting as weights: persona files first, what designers turned on top of them."""
        terms = self._setting.terms
        layers: dict[ScopeKey, Mapping[str, float]] = {}
        for name, weights in self._personas().items():
            layers["persona", name] = {term: value for term, value in weights.items() if term in terms.names}
        for at, layer in self._setting.layers.items():
            layers[at] = {**layers.get(at, {}), **layer}
        return Weights(self._revision, terms.names, tuple(t.default for t in terms.terms), MappingProxyType(layers))

    def _inspect(self, op: Table) -> Reply:
        now, setting = self._snapshot, self._setting
        extra = self._extra_names()
        reply: Reply = {
            "revision": now.revision,
            "terms": [
                {
                    "name": t.name,
                    "unit": t.unit,
                    "unit_name": t.unit_name,
                    "norm": t.norm,
                    "doc": t.doc,
                    "expression": t.expression.text,
                    "default": t.default,
                    "added": t.name in extra,
                }
                for t in now.terms.terms
            ],
            "weights": {scope_text(at): dict(layer) for at, layer in setting.layers.items()},
            "personas": self._describe_personas(),
            "assigned": {scope_text(at): name for at, name in now.assigned.items()},
            "rules": [dict(table) for table, _ in setting.rules.values()],
            "modes": dict(now.modes),
            "forecast": now.forecast,
            "forecasts": list(self._forecasts),
            "undo": len(self._past),
            "redo": len(self._future),
        }
        npcs = get(op, "npcs", list, [])
        if npcs:
            reply["npcs"] = {str(npc.id): self._describe_npc(npc) for npc in map(npc_of, npcs)}
        return reply

    def _describe_personas(self) -> dict[str, object]:
        if self._library is None:
            return {}
        return {
            name: {"description": p.description, "colour": p.colour, "weights": dict(p.weights), "barks": dict(p.barks)}
            for name, p in self._library.personas.items()
        }

    def _describe_npc(self, npc: NpcKey) -> Reply:
        keys = self._snapshot.keys(npc)
        row = self._snapshot.resolve([npc])[0]
        origins = {name: self._snapshot.weights.origin(keys, name) for name in self._snapshot.terms.names}
        return {
            "persona": keys.persona,
            "weights": {name: float(w) for name, w in zip(self._snapshot.terms.names, row, strict=True)},
            "origin": {name: origin or "default" for name, origin in origins.items()},
        }

    def _weight_scope(self, op: Table) -> ScopeKey:
        at = scope_of(get(op, "scope", str, "global"), SCOPE_FORMS)
        if at[0] == "persona" and at[1] not in self._personas():
            known = self._personas()
            raise ControlError(f"unknown persona {at[1]!r}{nearest(at[1], known)}", valid=sorted(known))
        return at

    def _personas(self) -> Mapping[str, Mapping[str, float]]:
        if self._library is None:
            return {}
        return {name: persona.weights for name, persona in self._library.personas.items()}

    def _extra_names(self) -> tuple[str, ...]:
        return tuple(name for name in self._setting.terms.names if name not in self._builtin.names)

    def _current_weight(self, at: ScopeKey, name: str) -> float | None:
        """Return what `at` itself says about a term, else what the wider scopes leave, else None."""
        if name not in self._setting.terms.names:
            return None
        keys = NpcKeys(**({} if at[0] == "global" else {at[0]: at[1]}))
        return float(self._snapshot.weights.resolve([keys])[0][self._setting.terms.index(name)])


def _table(rules: Mapping[str, tuple[Table, Rule]], name: str) -> dict[str, object] | None:
    """Return a rule as it was asked for, None when there is none of that name."""
    return dict(rules[name][0]) if name in rules else None


def _term(name: str, text: str, unit: float, norm: str, weight: float, current: str | None) -> Term:
    for known in NORMS:
        if norm == known:
            try:
                return term(name, text, unit=unit, norm=known, default=weight, doc="Added while the game runs.")
            except InputError as error:
                raise ControlError(str(error), current=current) from error
    raise ControlError(f"unknown norm {norm!r}{nearest(norm, NORMS)}", current=current, valid=NORMS)


__all__ = ["Board", "BoardSnapshot", "Change", "NpcKey"]
