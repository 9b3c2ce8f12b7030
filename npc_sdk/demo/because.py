"""Says in an NPC's own words why it does what it does: its explanation's numbers, turned into things one can see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from npc_sdk.demo.scene import Why
from npc_sdk.objectives.terms import DEFAULT_TERMS, PATIENCE_S

READ_S = 2.5  # for one sentence
STEP_S = 0.1
STEPS = sum(math.exp(-k * STEP_S / PATIENCE_S) for k in range(20))  # of a plan, later ones counting less
HORIZON_S = STEPS * STEP_S  # so figures are small: a second near the end of a plan is said as a tenth
_NOUNS = {
    "hold": "holding still",
    "keep": "keeping on",
    "seek": "straight in",
    "flank_left": "left",
    "flank_right": "right",
    "cover": "cover",
    "regroup": "back to the squad",
    "evade": "dodging",
    "home": "home",
    "sample": "my own way",
    "elite": "my last plan",
    "blend": "a middle way",
}
PICTURED = frozenset({"hold", "seek", "flank_left", "flank_right", "cover", "regroup", "evade"})  # seen at a glance
_UNITS = {term.name: term.unit for term in DEFAULT_TERMS.terms}


@dataclass(frozen=True, slots=True)
class _Words:
    """How a difference of one term between two plans is said: more of it, less of it, and the figure it comes to."""

    more: str
    less: str
    factor: float = 0.0  # from units of the term to the figure; 0 for terms that have none a player would know


_SAID = {
    "engage": _Words("at a worse range", "at a better range"),
    "approach": _Words("{:.1f} m farther off", "{:.1f} m nearer", 1.0),
    "exposure": _Words("seen {:.1f} s longer", "seen {:.1f} s less", HORIZON_S),
    "los": _Words("blind {:.1f} s longer", "blind {:.1f} s less", HORIZON_S),
    "flank": _Words("{:.0f} degrees more in your view", "{:.0f} degrees more behind you", 57.3),
    "cover": _Words("farther from cover", "nearer to cover"),
    "cohesion": _Words("farther from the leader", "nearer to the leader"),
    "spacing": _Words("{:.1f} m tighter", "{:.1f} m roomier", 1.0),
    "surround": _Words("on the side of the others", "on another side than the others"),
    "danger": _Words("deeper in a blast", "farther from a blast"),
    "harm": _Words("hit {:.1f} times more", "hit {:.1f} times less", STEPS),
    "attack": _Words("{:.1f} hits weaker", "{:.1f} hits stronger", STEPS),
    "search": _Words("{:.1f} m farther from the search", "{:.1f} m nearer to the search", 1.0),
    "effort": _Words("{:.1f} m longer", "{:.1f} m shorter", HORIZON_S),
    "home": _Words("{:.1f} m farther from home", "{:.1f} m nearer to home", 1.0),
    "smoothness": _Words("jerkier", "smoother"),
    "switching": _Words("less like my last plan", "more like my last plan"),
}


@dataclass(slots=True)
class Telling:
    """What an NPC says, kept for as long as one needs to read it: it decides ten times a second."""

    text: str = ""
    _npc: int = 0
    _since: float = 0.0

    def hear(self, why: Why | None, now: float, at_once: bool) -> None:
        """Take in the newest explanation of whoever is asked, None without one; `now` in s.

        A frozen NPC says something new only when it was made to: that is told `at_once`.
        """
        npc = 0 if why is None else why.npc
        if why is None or npc != self._npc or at_once or now - self._since >= READ_S:
            self.text = "" if why is None else because(why)
            self._npc, self._since = npc, now


def because(why: Why) -> str:
    """Return one sentence: the choice, what speaks for and against another plan, and what would change it to that.

    The other plan is the one that the named change leads to, where a change is named; else the runner-up.
    """
    sentence = noun(why.family).capitalize()
    family, leads = (why.runner_up, why.leads) if why.flip is None else (why.flip.family, why.flip.leads)
    other = "another way" if family == why.family else noun(family)
    if family:
        worse, better = _loudest(why, leads, 1.0), _loudest(why, leads, -1.0)
        said = " but ".join(part for part in (better, worse) if part)
        sentence += f": {other} is {said or 'as good'}"
    if why.flip is not None:
        side = "above" if why.flip.past > why.flip.weight else "below"
        sentence += f"; {side} {why.flip.term} {why.flip.weight:.2f} I choose {other}"
    if why.shield:
        sentence += f"; {why.shield}"
    return sentence + "."


def noun(family: str) -> str:
    """Return what a family of plans is called in speech."""
    return _NOUNS.get(family, family.replace("_", " "))


def _loudest(why: Why, leads: Mapping[str, float], sign: float) -> str:
    """Say the term that speaks loudest against the other plan (sign +1) or for it (-1); empty if none can be seen."""
    weights = {term: weight for term, weight, _ in why.parts}
    for term, lead in sorted(leads.items(), key=lambda row: -sign * row[1]):
        if sign * lead <= 0.0:
            break
        if said := _said(term, sign, sign * lead, weights[term]):
            return said
    return ""


def _said(term: str, sign: float, lead: float, weight: float) -> str:
    """Say one difference; empty if its figure is too small to be told."""
    words = _SAID.get(term)
    if words is None:
        return f"{lead:.2f} {'worse' if sign > 0 else 'better'} on {term}"
    figure = lead / weight * _UNITS[term] * words.factor  # the lead is weight x difference, in units of the term
    pattern = words.more if sign > 0 else words.less
    return pattern.format(figure) if pattern.format(figure) != pattern.format(0.0) or "{" not in pattern else ""
