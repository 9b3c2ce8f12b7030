"""The wishes a designer can weigh. A term is an expression over quantities, in the designer's units; so is any new one.

feature = mean over the plan's steps of norm(residual / unit), early ones counting most (PATIENCE_S);
objective J = sum of weight x feature; less is better.
One unit of a term is meant to matter as much as one unit of any other term at weight 1.

Wishes about the player rest while the place where it was last seen is known to be empty, those about its facing while
it is unseen: then there is nobody to keep away from, and the search has the word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from npc_sdk.errors import ExpressionError, InputError, nearest
from npc_sdk.objectives.expression import Expression, parse
from npc_sdk.objectives.vocabulary import FORESEEN, QUANTITIES

Norm = Literal["linear", "quadratic", "smooth", "bounded", "signed"]
PATIENCE_S = 0.7  # in which the steps of a plan come to count less by e: far ahead forecasts are guesses (ADR 0013)
NORMS: tuple[Norm, ...] = ("linear", "quadratic", "smooth", "bounded", "signed")
Direction = Literal["falls", "rises"]


@dataclass(frozen=True, slots=True)
class Term:
    """One wish: its residual is zero when it is granted."""

    name: str
    expression: Expression
    unit: float  # residual that counts as one, in `unit_name`
    unit_name: str
    norm: Norm
    metric: str  # what to measure over an episode
    direction: Direction  # where the metric goes as the weight goes up
    default: float  # weight when no scope says anything
    doc: str


def term(
    name: str,
    text: str,
    *,
    unit: float = 1.0,
    unit_name: str = "1",
    norm: str = "linear",
    metric: str = "",
    direction: Direction = "falls",
    default: float = 0.0,
    doc: str = "",
) -> Term:
    """Builds a term from the text of its residual.

    Raises:
        ExpressionError: the text does not parse or names an unknown quantity.
        InputError: the name, unit, norm or default weight is out of range.
    """
    if not name.isidentifier():
        raise InputError(f"term name: expected letters, digits and _, got {name!r}")
    known = next((n for n in NORMS if n == norm), None)
    if known is None:
        raise InputError(f"term {name!r}: unknown norm {norm!r}{nearest(norm, NORMS)}")
    if not (math.isfinite(unit) and unit > 0):
        raise InputError(f"term {name!r}: expected a finite unit > 0, got {unit!r}")
    if not (math.isfinite(default) and default >= 0):
        raise InputError(f"term {name!r}: expected a finite default weight >= 0, got {default!r}")
    expression = parse(text, QUANTITIES.keys())
    return Term(name, expression, unit, unit_name, known, metric or f"mean {name}", direction, default, doc)


def named_term(line: str, *, unit: float = 1.0, norm: str = "linear", default: float = 1.0) -> Term:
    """Builds a term from `name = expression`, as a designer types it: `north = relu(player.y + 4 - self.y)`."""
    name, equals, text = line.partition("=")
    if not equals:
        raise ExpressionError(line, 1, "expected name = expression")
    return term(name.strip(), text.strip(), unit=unit, norm=norm, default=default)


_PRICED = "limit:"  # no designer's term can have a colon in its name


def is_priced(name: str) -> bool:
    """Whether a term of this name is priced for a rule, not weighed by a designer."""
    return name.startswith(_PRICED)


@lru_cache(maxsize=256)
def priced_term(rule: str, of: str) -> Term:
    """Builds the term by which a `share_limit` is paid for: its expression, held within 0 and 1.

    Raises:
        ExpressionError: the text does not parse, names an unknown quantity, or one that says nothing about the present.
    """
    for name in sorted(parse(of, QUANTITIES.keys()).names & FORESEEN):
        problem = f"{name!r} is of plans alone and cannot be measured in the present, as the share of a time has to be"
        raise ExpressionError(of, of.index(name) + 1, problem)
    expression = parse(f"clip({of.strip()}, 0, 1)", QUANTITIES.keys())
    doc = "Priced, so that its share of the time stays below a limit."
    return Term(f"{_PRICED}{rule}", expression, 1.0, "share of time", "linear", "", "falls", 0.0, doc)


@dataclass(frozen=True, slots=True)
class TermSet:
    """The terms in force, in the order of the weight and feature axis `M`."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        names = [t.name for t in self.terms]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise InputError(f"expected each term once, got {', '.join(twice)} again")

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(t.name for t in self.terms)

    @property
    def formulas(self) -> tuple[tuple[str, str, float, str, float], ...]:
        """What each term is: name, text of its residual, unit, norm, default weight. The same in every process."""
        return tuple((t.name, t.expression.text, t.unit, t.norm, t.default) for t in self.terms)

    @property
    def quantities(self) -> frozenset[str]:
        """Every quantity some term reads."""
        return frozenset().union(*(t.expression.names for t in self.terms))

    def index(self, name: str) -> int:
        """Finds a term's place on the axis `M`."""
        for i, t in enumerate(self.terms):
            if t.name == name:
                return i
        raise InputError(f"unknown term {name!r}{nearest(name, self.names)}")

    def with_term(self, new: Term) -> TermSet:
        """Adds a term at the end, or puts it in the place of the one with its name."""
        if new.name in self.names:
            return TermSet(tuple(new if t.name == new.name else t for t in self.terms))
        return TermSet((*self.terms, new))

    def with_units(self, units: dict[str, float]) -> TermSet:
        """Replaces units by name, as a calibration run found them."""
        for name in units:
            self.index(name)
        return TermSet(tuple(replace(t, unit=units.get(t.name, t.unit)) for t in self.terms))


DEFAULT_TERMS = TermSet(
    (
        term(
            "engage",
            "(1 - player.cleared) * (player.distance - 7)",
            unit=4.0,
            unit_name="m",
            norm="smooth",
            metric="range_error_m",
            direction="falls",
            default=1.0,
            doc="Keeps 7 m from the believed player.",
        ),
        term(
            "approach",
            "(1 - player.cleared) * player.path",
            unit=4.0,
            unit_name="m",
            norm="linear",
            metric="player_path_m",
            direction="falls",
            default=0.0,
            doc="Closes in along walkable ground, all the way.",
        ),
        term(
            "exposure",
            "(1 - player.cleared) * player.sees_me",
            unit=0.25,
            unit_name="share of time",
            norm="linear",
            metric="exposed_fraction",
            direction="falls",
            default=0.5,
            doc="Stays out of the player's view.",
        ),
        term(
            "los",
            "(1 - player.cleared) * (1 - player.los)",
            unit=0.4,
            unit_name="share of time",
            norm="linear",
            metric="los_fraction",
            direction="rises",
            default=0.5,
            doc="Keeps a clear line to the believed player.",
        ),
        term(
            "flank",
            "(1 - player.unseen) * relu(2.4 - player.bearing_angle)",
            unit=0.35,
            unit_name="rad",
            norm="linear",
            metric="flank_angle_rad",
            direction="rises",
            default=0.25,
            doc="Gets to the player's side or back.",
        ),
        term(
            "cover",
            "(1 - player.cleared) * cover.distance",
            unit=2.5,
            unit_name="m",
            norm="smooth",
            metric="cover_distance_m",
            direction="falls",
            default=0.25,
            doc="Stays near places the player cannot see.",
        ),
        term(
            "cohesion",
            "relu(leader.distance - 2)",
            unit=4.0,
            unit_name="m",
            norm="smooth",
            metric="leader_distance_m",
            direction="falls",
            default=0.25,
            doc="Stays within 2 m of the squad's leader.",
        ),
        term(
            "spacing",
            "relu(3 - ally.distance)",
            unit=1.0,
            unit_name="m",
            norm="linear",
            metric="crowded_fraction",
            direction="falls",
            default=1.0,
            doc="Keeps squad mates at least 3 m apart.",
        ),
        term(
            "surround",
            "(1 - player.unseen) * relu(1.2 - ally.bearing_gap)",
            unit=0.25,
            unit_name="rad",
            norm="linear",
            metric="bearing_gap_rad",
            direction="rises",
            default=0.25,
            doc="Comes at the player from another side than squad mates.",
        ),
        term(
            "danger",
            "danger",
            unit=0.05,
            unit_name="share of a blast",
            norm="linear",
            metric="danger_mean",
            direction="falls",
            default=1.0,
            doc="Gets away from grenades.",
        ),
        term(
            "harm",
            "event.hit_taken",
            unit=0.01,
            unit_name="hits per step",
            norm="linear",
            metric="damage_taken_hp",
            direction="falls",
            default=1.5,
            doc="Avoids being hit, as far as the forecast knows; a hit taken costs three times a hit dealt.",
        ),
        term(
            "attack",
            "relu(0.1 - event.hit_dealt)",
            unit=0.01,
            unit_name="hits per step",
            norm="linear",
            metric="damage_dealt_hp",
            direction="rises",
            default=0.5,
            doc="Hits the player, as far as the forecast knows.",
        ),
        term(
            "search",
            "player.unseen * search.path",
            unit=3.0,
            unit_name="m",
            norm="linear",
            metric="unseen_fraction",
            direction="falls",
            default=1.0,
            doc="Looks for the unseen player: the last known place first, then ever wider.",
        ),
        term(
            "home",
            "home.distance",
            unit=3.0,
            unit_name="m",
            norm="linear",
            metric="home_distance_m",
            direction="falls",
            default=0.0,
            doc="Guards the place where it belongs.",
        ),
        term(
            "effort",
            "self.speed",
            unit=2.0,
            unit_name="m/s",
            norm="linear",
            metric="speed_m_s",
            direction="falls",
            default=0.1,
            doc="Moves no more than it must.",
        ),
        term(
            "smoothness",
            "self.acceleration",
            unit=12.0,
            unit_name="m/s^2",
            norm="quadratic",
            metric="acceleration_m_s2",
            direction="falls",
            default=0.05,
            doc="Changes speed and direction gently.",
        ),
        term(
            "switching",
            "plan.change",
            unit=2.5,
            unit_name="m",
            norm="linear",
            metric="plan_change_m",
            direction="falls",
            default=0.2,
            doc="Keeps to the previous plan.",
        ),
    )
)
