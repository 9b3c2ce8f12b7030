"""Reads what the brain tells about its plans (telemetry topic `plan`). Wrong shapes are dropped, never drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from npc_sdk.demo.because import PICTURED
from npc_sdk.demo.panel import MAX_WEIGHT, SLIDER_TERMS
from npc_sdk.demo.scene import BeliefView, Flip, Thought, Why

_FRESH_TICKS = 30  # a thought older than this is no longer what the NPC thinks
_FAR = 1e4  # m; what is further out is no place in any arena
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Mind:
    """What is known of the brain's thoughts. Immutable: the game's thread reads while another makes the next."""

    tick: int = -1
    revision: int = 0
    model: str = ""
    forecast: str = ""  # in use
    thoughts: Mapping[int, tuple[int, Thought]] = field(default_factory=dict)  # npc -> tick, thought
    personas: Mapping[int, str] = field(default_factory=dict)
    beliefs: tuple[BeliefView, ...] = ()

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
    return replace(
        mind,
        tick=tick,
        revision=_whole(body.get("revision")),
        model=str(body.get("model_sha256", "")),
        forecast=str(body.get("forecast", "")),
        thoughts=thoughts,
        personas=personas,
        beliefs=tuple(b for row in _tables(body.get("beliefs")) if (b := _belief(row)) is not None),
    )


def hear_swing(mind: Mind, body: Table) -> Mind:
    """Take in plans that were chosen anew between two answers; what they say nothing about stays as it was."""
    thoughts = dict(mind.thoughts)
    for row in _tables(body.get("npcs")):
        npc = _whole(row.get("id"))
        if npc not in thoughts or "path" not in row:
            continue
        since, before = thoughts[npc]
        new = _thought(
            {"alternatives": before.alternatives.tobytes(), "ghosts": before.ghosts.tobytes(), **row}
        )  # without: the same plans, ranked anew
        if len(new.alternatives):  # else it is about another decision than the one that is known
            thoughts[npc] = (since, replace(new, exposed=before.exposed))
    return replace(mind, revision=max(mind.revision, _whole(body.get("revision"))), thoughts=thoughts)


def read_why(reply: Table) -> Why | None:
    """Read the answer to `explain`; None if it holds no explanation."""
    inner, whole = reply.get("explanation"), reply
    reply = inner if isinstance(inner, Mapping) else reply
    parts = tuple(
        (str(p.get("term", "")), number(p.get("weight")), number(p.get("value"))) for p in _tables(reply.get("parts"))
    )
    if not parts or not all(math.isfinite(value) for _, _, value in parts):
        return None
    lead, runner_up = reply.get("lead"), str(reply.get("runner_up", ""))
    return Why(
        npc=_whole(reply.get("npc")),
        family=str(reply.get("family", "")),
        runner_up=runner_up,
        objective=number(reply.get("objective", reply.get("J"))),
        lead=None if lead is None else number(lead),
        parts=parts,
        shield=_shield(reply.get("shield")),
        tick=_whole(whole.get("tick")),
        flip=_flip(_tables(reply.get("flips")), [term for term, _, _ in parts], runner_up),
        leads={str(p.get("term", "")): number(p.get("lead")) for p in _tables(reply.get("parts"))},
    )


def _flip(rows: list[Table], terms: list[str], runner_up: str) -> Flip | None:
    """Choose among the changes of one weight that lead to another plan.

    A slider's first; of these, to a plan that one can picture, and rather to the runner-up.
    """
    whole = [flip for row in rows if (flip := _whole_flip(row, terms)) is not None]
    beyond = [flip.term not in SLIDER_TERMS or flip.past > MAX_WEIGHT for flip in whole]
    ranked = sorted(
        range(len(whole)),
        key=lambda i: (beyond[i], whole[i].family not in PICTURED, whole[i].family != runner_up, i),
    )
    return whole[ranked[0]] if ranked else None


def _whole_flip(row: Table, terms: list[str]) -> Flip | None:
    weight, past, leads = number(row.get("weight")), number(row.get("past")), _list(row.get("leads"))
    figures = [number(lead) for lead in leads]
    if len(figures) != len(terms) or not all(math.isfinite(value) for value in (weight, past, *figures)):
        return None
    return Flip(
        str(row.get("term", "")), weight, past, str(row.get("family", "")), dict(zip(terms, figures, strict=True))
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
    feasible, ghosts = _list(row.get("feasible")), _floats(row.get("ghosts"))
    count = len(objectives)
    fits = count > 0 and alternatives.size % (2 * count) == 0 and len(feasible) == count
    answered = fits and ghosts.size % (2 * count) == 0 and ghosts.size > 0
    return Thought(
        family=str(row.get("family", "")),
        objective=number(row.get("J")),
        lead=number(row.get("lead")),
        path=_path(row.get("path")),
        alternatives=alternatives.reshape(count, -1, 2) if fits else np.zeros((0, 0, 2), np.float32),
        alternatives_objective=np.array([number(x) for x in objectives] if fits else [], np.float64),
        feasible=np.array([f is True for f in feasible] if fits else [], np.bool_),
        ghost=_path(row.get("ghost")),
        ghosts=ghosts.reshape(count, -1, 2) if answered else np.zeros((0, 0, 2), np.float32),
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
