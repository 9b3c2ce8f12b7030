"""Rules about how an NPC moves, by itself and among its own kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npc_sdk.audit import Trace
from npc_sdk.constraints import AccelerationLimit, AllyDistance, MoveInTurn, Rule, SpeedLimit, TurnLimit
from npc_sdk.experiments.pictures.places import ways
from npc_sdk.experiments.pictures.stage import DT, Floats, Stage, played
from npc_sdk.experiments.pictures.view import Area, Curves, Floor, Picture
from npc_sdk.experiments.zoo import Body

_SPEED, _CHANGE = 2.5, 8.0  # m/s, m/s^2
_SPREAD = 1.4  # m


def speed_limit() -> Picture:
    """A dash, and a stop."""
    return _curves(SpeedLimit("calm", _SPEED), _dash, "speed, m/s", _speed, (_SPEED, 5.0), "m/s")


def acceleration_limit() -> Picture:
    """The same."""
    rule = AccelerationLimit("gentle", _CHANGE)
    return _curves(rule, _dash, "change of velocity, m/s per s", _change, (_CHANGE, 20.0), "m/s per s")


def turn_limit() -> Picture:
    """An NPC at speed that wants to go off to the side, and back."""

    def wish(tick: int, place: Floats) -> Floats:
        return np.array([[2.1, 2.8] if 20 <= tick < 50 else [3.5, 0.0]])

    start, velocity = np.array([[1.0, -1.6]]), np.array([[3.5, 0.0]])
    both = played(
        Stage((TurnLimit("steady", 2.0, above=1.5),), start, 80, wish, velocity, body=Body(4.0, 60.0, 60.0, 0.35)),
        "turn",
    )
    floor = Floor((0.0, -2.5), 10.2, (), ways(both))
    says = "An NPC at speed takes a curve where it would have turned on the spot"
    return Picture("turn_limit", says, floor, both.margin_asked, both.margin_kept, "rad a tick")


def ally_distance() -> Picture:
    """Two NPCs that want to be where the other is."""

    def wish(tick: int, place: Floats) -> Floats:
        goals = np.array([[9.2, 0.6], [1.0, -0.5]])
        gap = goals - place
        far = np.hypot(gap[:, 0], gap[:, 1])[:, None]
        return np.asarray(gap / np.maximum(far, 1e-9) * np.minimum(3.5, 4.0 * far))

    stage = Stage((AllyDistance("spread", _SPREAD),), np.array([[1.0, -0.2], [9.2, 0.2]]), 110, wish)
    both = played(stage, "spacing")
    gap = both.kept.position[:, 0] - both.kept.position[:, 1]
    near = int(np.argmin(np.hypot(gap[:, 0], gap[:, 1])))
    turn = np.linspace(0.0, 2.0 * np.pi, 60)
    ring = 0.5 * _SPREAD * np.stack([np.cos(turn), np.sin(turn)], 1)
    areas = tuple(Area((place + ring,)) for place in both.kept.position[near])
    says = "Two NPCs that would have met pass each other; the discs, half the distance wide, touch at most"
    return Picture(
        "ally_distance", says, Floor((0.0, -2.5), 10.2, areas, ways(both)), both.margin_asked, both.margin_kept
    )


def move_in_turn() -> Picture:
    """Three NPCs that want to cross at once."""

    def wish(tick: int, place: Floats) -> Floats:
        return np.stack([np.clip(3.0 * (6.0 - place[:, 0]), 0.0, 4.0), np.zeros(len(place))], 1)

    start = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 4.0]])
    both = played(Stage((MoveInTurn("bounding", 1, 0.8, "all"),), start, 210, wish), "in_turn")
    asked, kept = (np.asarray(np.hypot(*np.moveaxis(t.command, 2, 0)) > 0.0).sum(1) for t in (both.asked, both.kept))
    view = Curves("NPCs in motion", DT * np.arange(1.0, 211.0), asked.astype(float), kept.astype(float), (1.0, 3.5))
    says = "Three NPCs that would have set off together cross one after the other, each for at most 0.8 s at a time"
    return Picture("move_in_turn", says, view, both.margin_asked, both.margin_kept, "NPCs")


PICTURES: Mapping[str, Callable[[], Picture]] = {
    rule.__name__: rule for rule in (speed_limit, acceleration_limit, turn_limit, ally_distance, move_in_turn)
}


def _dash(tick: int, place: Floats) -> Floats:
    return np.array([[4.0 if 10 <= tick < 50 else 0.0, 0.0]])


def _speed(trace: Trace) -> Floats:
    return np.asarray(np.hypot(*trace.velocity[1:, 0].T))


def _change(trace: Trace) -> Floats:
    return np.asarray(np.hypot(*np.diff(trace.velocity[:, 0], axis=0).T) / DT)


def _curves(
    rule: Rule,
    wish: Callable[[int, Floats], Floats],
    axis: str,
    measured: Callable[[Trace], Floats],
    barred: tuple[float, float],
    unit: str,
) -> Picture:
    both = played(Stage((rule,), np.array([[0.0, 0.0]]), 75, wish), rule.kind)
    asked, kept = measured(both.asked), measured(both.kept)
    view = Curves(axis, DT * np.arange(1.0, 1.0 + len(kept)), asked, kept, barred)
    says = f"{axis.capitalize()} of an NPC that dashes and stops, without and with the limit"
    return Picture(rule.rule, says, view, both.margin_asked, both.margin_kept, unit)
