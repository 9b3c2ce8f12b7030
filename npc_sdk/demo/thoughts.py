"""Reads what the brain tells about its plans (telemetry topic `plan`). Wrong shapes are dropped, never drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from npc_sdk.demo.scene import BeliefView, Thought, Why

_FRESH_TICKS = 30  # a thought older than this is no longer what the NPC thinks
_FAR = 1e4  # m; what is further out is no place in any arena
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Mind:
    """What is known of the brain's thoughts. Immutable: the game's thread reads while another makes the next."""

    tick: int = -1
    revision: int = 0
    model: str = ""
    thoughts: Mapping[int, tuple[int, Thought]] = field(default_factory=dict)  # npc -> tick, thought
    personas: Mapping[int, str] = field(default_factory=dict)
    beliefs: tuple[BeliefView, ...] = ()
    latency_ms: Mapping[str, float] = field(default_factory=dict)

    def thought(self, npc: int, tick: int) -> Thought | None:
        """What an NPC thinks at `tick`, None if it has not told for a second."""
        told = self.thoughts.get(npc)
        return told[1] if told is not None and tick - told[0] <= _FRESH_TICKS else None


def hear(mind: Mind, body: Table) -> Mind:
    """Take in one message: NPCs that it does not name keep their last thought."""
    tick = _whole(body.get("tick"))
    thoughts, personas = dict(mind.thoughts), dict(mind.personas)
    for row in _tables(body.get("npcs")):
        npc = _whole(row.get("id"))
        personas[npc] = str(row.get("persona", ""))
        if "path" in row:  # it has decided anew
            thoughts[npc] = (tick, _thought(row))
        elif npc in thoughts:
            since, thought = thoughts[npc]
            thoughts[npc] = (since, replace(thought, exposed=bool(row.get("exposed", False))))
    latency = body.get("latency_ms")
    return replace(
        mind,
        tick=tick,
        revision=_whole(body.get("revision")),
        model=str(body.get("model_sha256", "")),
        thoughts=thoughts,
        personas=personas,
        beliefs=tuple(b for row in _tables(body.get("beliefs")) if (b := _belief(row)) is not None),
        latency_ms={str(k): number(v) for k, v in latency.items()} if isinstance(latency, Mapping) else {},
    )


def read_why(reply: Table) -> Why | None:
    """Read the answer to `explain`; None if it holds no explanation."""
    inner = reply.get("explanation")
    reply = inner if isinstance(inner, Mapping) else reply
    parts = tuple(
        (str(p.get("term", "")), number(p.get("weight")), number(p.get("value"))) for p in _tables(reply.get("parts"))
    )
    if not parts or not all(math.isfinite(value) for _, _, value in parts):
        return None
    lead = reply.get("lead")
    return Why(
        npc=_whole(reply.get("npc")),
        family=str(reply.get("family", "")),
        runner_up=str(reply.get("runner_up", "")),
        objective=number(reply.get("objective", reply.get("J"))),
        lead=None if lead is None else number(lead),
        parts=parts,
        sentence=str(reply.get("sentence", "")),
        shield=_shield(reply.get("shield")),
    )


def _shield(value: object) -> str:
    if not isinstance(value, Mapping) or not value.get("changed"):
        return ""
    rules = value.get("rules")
    names = ", ".join(str(r) for r in rules) if isinstance(rules, (list, tuple)) else ""
    return f"the shield changed it: {names}" if names else "the shield changed it"


def _thought(row: Table) -> Thought:
    alternatives = _floats(row.get("alternatives"))
    objectives = _list(row.get("alternatives_J"))
    count = len(objectives)
    fits = count > 0 and alternatives.size % (2 * count) == 0
    return Thought(
        family=str(row.get("family", "")),
        objective=number(row.get("J")),
        lead=number(row.get("lead")),
        path=_path(row.get("path")),
        alternatives=alternatives.reshape(count, -1, 2) if fits else np.zeros((0, 0, 2), np.float32),
        alternatives_objective=np.array([number(x) for x in objectives] if fits else [], np.float64),
        ghost=_path(row.get("ghost")),
        exposed=bool(row.get("exposed", False)),
    )


def _belief(row: Table) -> BeliefView | None:
    x, y, sigma, age = (number(row.get(key)) for key in ("x", "y", "sigma", "age"))
    if not all(math.isfinite(v) and abs(v) < _FAR for v in (x, y, sigma)):
        return None
    return BeliefView(_whole(row.get("squad")), (x, y), sigma, age, bool(row.get("seen")))


def _path(value: object) -> NDArray[np.float32]:
    flat = _floats(value)
    return flat.reshape(-1, 2) if flat.size % 2 == 0 else np.zeros((0, 2), np.float32)


def _floats(value: object) -> NDArray[np.float32]:
    if not isinstance(value, bytes) or len(value) % 4:
        return np.zeros(0, np.float32)
    flat = np.frombuffer(value, "<f4")
    return flat if bool((np.abs(flat) < _FAR).all()) else np.zeros(0, np.float32)


def _tables(value: object) -> list[Table]:
    return [row for row in _list(value) if isinstance(row, Mapping)]


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def number(value: object) -> float:
    """Read a number; anything else is NaN."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
