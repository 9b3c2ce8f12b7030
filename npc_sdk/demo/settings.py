"""What a designer has turned in this demo, as requests to the board; kept so that a restarted brain gets them again.

The board's narrowest scope wins: global, squad, persona, NPC. A slider has to act whatever personas say, so it writes
at the NPC's own scope where a persona or a squad is concerned, and globally where nothing narrower is in the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from npc_bridge.packing import Value
from npc_sdk.errors import InputError

Request = dict[str, Value]
WHO = "demo"
_AT_ONCE = 200  # changes in one request


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a slider or button acts on: `label` for the eye, `npcs` by id, `target` as the board names them."""

    label: str
    target: str
    npcs: tuple[int, ...]


@dataclass(slots=True)
class Settings:
    """The designer's side of the board. Every change returns the requests that carry it out."""

    everywhere: dict[str, float] = field(default_factory=dict)
    own: dict[int, dict[str, float]] = field(default_factory=dict)  # by NPC
    assigned: dict[str, str] = field(default_factory=dict)  # target -> persona
    personas: dict[int, str] = field(default_factory=dict)  # by NPC
    modes: dict[str, bool] = field(default_factory=dict)
    rules: dict[str, Request] = field(default_factory=dict)
    terms: dict[str, Request] = field(default_factory=dict)  # added ones that the brain has taken, by name
    forecast: str = ""  # "" leaves the brain the one it was started with

    def set_weight(self, reach: Reach, term: str, value: float, group: str = "") -> list[Request]:
        """Turn one weight for everybody in reach."""
        changes: list[Value] = []
        narrow: Sequence[int] = reach.npcs
        if reach.target == "global":
            self.everywhere[term] = value
            changes.append(_weight("global", term, value))
            narrow = [npc for npc in reach.npcs if self.personas.get(npc) or term in self.own.get(npc, {})]
        for npc in narrow:
            self.own.setdefault(npc, {})[term] = value
            changes.append(_weight(f"npc:{npc}", term, value))
        return [_weights(changes, group)]

    def assign(self, reach: Reach, persona: str) -> list[Request]:
        """Give everybody in reach a persona; what was turned for them by hand is forgotten."""
        requests: list[Request] = []
        for npc in reach.npcs:
            if self.own.pop(npc, None):
                requests.append({"op": "unset_weight", "scope": f"npc:{npc}", "who": WHO})
            self.personas[npc] = persona
        narrower = {f"npc:{npc}" for npc in reach.npcs}
        for target in [t for t in self.assigned if _inside(t, reach, narrower)]:
            del self.assigned[target]
            requests.append({"op": "assign_persona", "target": target, "persona": "", "who": WHO})
        self.assigned[reach.target] = persona
        requests.append({"op": "assign_persona", "target": reach.target, "persona": persona, "who": WHO})
        return requests

    def set_mode(self, mode: str, on: bool) -> list[Request]:
        """Turn a switch."""
        self.modes[mode] = on
        return [{"op": "set_mode", "mode": mode, "on": on, "who": WHO}]

    def set_forecast(self, name: str) -> list[Request]:
        """Let the brain plan with another forecast."""
        self.forecast = name
        return [{"op": "set_forecast", "name": name, "who": WHO}]

    def set_rules(self, rules: Sequence[Request]) -> None:
        """Put these rules in the place of all that were set here before; `replay` tells them to the brain."""
        self.rules = {str(rule["name"]): rule for rule in rules}

    def clear(self) -> list[Request]:
        """Return what takes all of it back, and forget it; the forecast stays."""
        requests: list[Request] = [{"op": "remove_rule", "name": name, "who": WHO} for name in self.rules]
        if self.everywhere:
            requests.append({"op": "unset_weight", "scope": "global", "who": WHO})
        requests += [{"op": "unset_weight", "scope": f"npc:{npc}", "who": WHO} for npc in self.own]
        requests += [{"op": "assign_persona", "target": t, "persona": "", "who": WHO} for t in self.assigned]
        requests += [{"op": "remove_term", "name": name, "who": WHO} for name in self.terms]
        requests += [{"op": "set_mode", "mode": mode, "on": False, "who": WHO} for mode, on in self.modes.items() if on]
        for kept in (self.everywhere, self.own, self.assigned, self.personas, self.modes, self.rules, self.terms):
            kept.clear()
        return requests

    def replay(self) -> list[Request]:
        """Return what brings a board to these settings: a fresh one, or one that missed the last of them."""
        requests: list[Request] = [{"op": "add_rule", "rule": rule, "who": WHO} for rule in self.rules.values()]
        requests += [
            {"op": "assign_persona", "target": target, "persona": persona, "who": WHO}
            for target, persona in sorted(self.assigned.items(), key=lambda item: _width(item[0]))
        ]
        requests += self.terms.values()
        if self.forecast:
            requests += self.set_forecast(self.forecast)
        changes: list[Value] = [_weight("global", term, value) for term, value in self.everywhere.items()]
        changes += [_weight(f"npc:{npc}", t, value) for npc, layer in self.own.items() for t, value in layer.items()]
        requests += [_weights(changes[i : i + _AT_ONCE]) for i in range(0, len(changes), _AT_ONCE)]
        return requests + [{"op": "set_mode", "mode": m, "on": on, "who": WHO} for m, on in self.modes.items()]


def term_request(line: str) -> Request:
    """Read `name = expression`, a new wish of weight 1; whether it is one is for the brain to say.

    Raises:
        InputError: there is no name, or nothing after it; says where.
    """
    head, sign, expression = line.partition("=")
    name = head.strip()
    if not sign or not expression.strip():
        raise InputError(f"column {len(line) + 1}: expected name = expression, such as north = relu(player.y - self.y)")
    if not name.isidentifier():
        raise InputError(f"column 1: expected a name of letters, digits and _, got {name!r}")
    return {"op": "add_term", "name": name, "expression": expression.strip(), "weight": 1.0, "who": WHO}


def reaches(squads: Mapping[int, Sequence[int]], selected: int) -> tuple[Reach, ...]:
    """Return whom one can act on: everybody, each squad, and the selected NPC."""
    everybody = tuple(npc for members in squads.values() for npc in members)
    out = [Reach("all", "global", everybody)]
    word = "squad " if len(squads) < 3 else ""  # the labels share one row
    out += [Reach(f"{word}{chr(65 + s)}", f"squad:{s}", tuple(members)) for s, members in sorted(squads.items())]
    if selected:
        out.append(Reach(f"npc {selected}", f"npc:{selected}", (selected,)))
    return tuple(out)


def _weight(scope: str, term: str, value: float) -> Request:
    return {"scope": scope, "term": term, "value": value}


def _weights(changes: list[Value], group: str = "") -> Request:
    """One request for all: it is one revision, so no plan is made with half of them."""
    return {"op": "set_weights", "changes": changes, "who": WHO, "group": group}


def _inside(target: str, reach: Reach, narrower: set[str]) -> bool:
    return target != reach.target and (reach.target == "global" or target in narrower)


def _width(target: str) -> int:
    return ("global", "squad", "npc").index(target.partition(":")[0])
