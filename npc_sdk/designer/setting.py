"""One setting of all that designers turn, as a tick reads it: weights, personas, rules, switches, forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import Rule, parse_who
from npc_sdk.designer.request import NpcKey, ScopeKey
from npc_sdk.objectives.terms import TermSet
from npc_sdk.objectives.weights import NpcKeys, Weights


@dataclass(frozen=True, slots=True)
class BoardSnapshot:
    """One setting of everything. Immutable and safe to share between threads; read it once a tick."""

    revision: int
    terms: TermSet
    weights: Weights
    assigned: Mapping[ScopeKey, str]  # persona by NPC, squad, faction or globally; the narrowest counts
    rules: tuple[Rule, ...]  # in the order they were added
    modes: Mapping[str, bool]
    forecast: str = ""  # which is to be used, "" where there is no choice

    def persona_of(self, npc: NpcKey) -> str:
        """Return the name of the NPC's persona, "" when it has none."""
        for at in _scopes_of(npc):
            if at in self.assigned:
                return self.assigned[at]
        return ""

    def keys(self, npc: NpcKey) -> NpcKeys:
        """Return under which keys the NPC's weights are looked up."""
        squad = "" if npc.squad < 0 else str(npc.squad)
        return NpcKeys(faction=npc.faction, squad=squad, persona=self.persona_of(npc), npc=str(npc.id))

    def resolve(self, npcs: Sequence[NpcKey]) -> NDArray[np.float64]:
        """Return the weights in force: one row an NPC, one column a term of `terms`."""
        return self.weights.resolve([self.keys(npc) for npc in npcs])  # n M

    def rules_for(self, npcs: Sequence[NpcKey]) -> tuple[Rule, ...]:
        """Return the rules with personas resolved: who wears the persona now is bound, by id."""
        out = []
        for rule in self.rules:
            head, name = parse_who(rule.name, rule.who) if isinstance(rule.who, str) else ("", "")
            if head != "persona":
                out.append(rule)
                continue
            wearers = tuple(npc.id for npc in npcs if self.persona_of(npc) == name)
            if wearers:
                out.append(replace(rule, who=wearers))
        return tuple(out)


def _scopes_of(npc: NpcKey) -> tuple[ScopeKey, ...]:
    """Return where an NPC's persona may be assigned, the narrowest first."""
    return ("npc", str(npc.id)), ("squad", str(npc.squad)), ("faction", npc.faction), ("global", "")
