"""What the brain's board was last heard to hold: its terms, weights, personas and forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from npc_sdk.demo.panel import PersonaButton, persona_buttons
from npc_sdk.demo.thoughts import number

Weights = Mapping[str, float]  # by term


@dataclass(slots=True)
class Heard:
    """Empty until the first answer; what an answer leaves out stays as it was."""

    personas: tuple[PersonaButton, ...] = ()
    forecasts: tuple[str, ...] = ()  # that the brain can plan with
    weights: Mapping[int, Weights] = field(default_factory=dict)  # in force, by NPC
    _terms: Weights = field(default_factory=dict)  # defaults
    _personas: Mapping[str, Weights] = field(default_factory=dict)  # what each says about weights

    def take(self, reply: Mapping[str, object]) -> None:
        """Take in the answer to `inspect`."""
        terms, personas, npcs, forecasts = (reply.get(key) for key in ("terms", "personas", "npcs", "forecasts"))
        if isinstance(forecasts, (list, tuple)):
            self.forecasts = tuple(str(name) for name in forecasts)
        if isinstance(terms, (list, tuple)):
            rows = [row for row in terms if isinstance(row, Mapping)]
            self._terms = {str(row.get("name")): number(row.get("default")) for row in rows}
        if isinstance(personas, Mapping):
            self.personas = persona_buttons(personas)
            self._personas = {str(name): _weights(table) for name, table in personas.items()}
        if isinstance(npcs, Mapping):
            self.weights = {int(str(npc)): _weights(row) for npc, row in npcs.items()}

    def default(self, term: str, persona: str) -> float:
        """Return the weight that a term has for a persona while nobody turns it."""
        return self._personas.get(persona, {}).get(term, self._terms.get(term, 1.0))

    @property
    def spans(self) -> list[dict[str, object]]:
        """The weights in force: a row a term, the lowest and the highest over the NPCs."""
        rows = list(self.weights.values())
        return [
            {"term": term, "low": min(row[term] for row in rows), "high": max(row[term] for row in rows)}
            for term in (rows[0] if rows else ())
        ]


def _weights(row: object) -> dict[str, float]:
    table = row.get("weights") if isinstance(row, Mapping) else None
    return {str(k): number(v) for k, v in table.items()} if isinstance(table, Mapping) else {}
