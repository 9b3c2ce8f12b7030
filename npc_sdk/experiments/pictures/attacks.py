"""Rules about when and where an NPC may attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from npc_sdk.constraints import AttackLimit, AttackTokens, Cooldown, FriendlyFire, HoldFire, Reserve, Rule, Splash
from npc_sdk.experiments.pictures.others import FAR_OFF
from npc_sdk.experiments.pictures.places import ways
from npc_sdk.experiments.pictures.stage import DT, FIRE, THROW, Floats, Played, Stage, played
from npc_sdk.experiments.pictures.view import ASKED, KEPT, OTHER, Area, Curves, Floor, Mark, Picture, Row, Rows, Way
from npc_sdk.experiments.zoo import AMMO

_TICKS = 120
_TRUCE = (1.2, 2.6)  # s


def hold_fire() -> Picture:
    """Shots through a truce."""
    flag = np.zeros(_TICKS, np.bool_)
    flag[_tick(_TRUCE[0]) : _tick(_TRUCE[1])] = True
    stage = Stage((HoldFire("truce"),), np.zeros((1, 2)), _TICKS, attacks=_every(0.25), flag=flag)
    says = "Shots asked for during a truce, the grey band, are refused"
    return _rows("hold_fire", says, stage, lambda rule, shots: (), "shots", (_TRUCE,))


def cooldown() -> Picture:
    """Shots faster than the cooldown."""
    stage = Stage((Cooldown("reload", 0.8),), np.zeros((1, 2)), _TICKS, attacks=_every(0.25))
    says = "After every granted shot, none is for 0.8 s, the grey bar"
    return _rows("cooldown", says, stage, lambda rule, shots: tuple((t, t + 0.8) for t in shots), "shots")


def attack_limit() -> Picture:
    """More shots than three in two seconds."""
    stage = Stage((AttackLimit("burst", 3, 2.0),), np.zeros((1, 2)), _TICKS, attacks=_every(0.25))
    says = "Of shots asked for every quarter second, no two seconds, the grey bars, hold more than three"
    return _rows("attack_limit", says, stage, lambda rule, shots: tuple((t, t + 2.0) for t in shots[::3]), "shots")


def attack_tokens() -> Picture:
    """Three NPCs who would all attack at once, and tokens for two."""
    rule = AttackTokens("two at once", 2.0, 0.9)
    asks = np.zeros((_TICKS, 3, 2), np.bool_)
    for npc, seconds in enumerate(((0.2, 1.0, 2.6), (0.5, 1.5, 2.4, 3.4), (0.4, 1.4, 2.1, 3.0))):
        asks[[_tick(second) for second in seconds], npc, FIRE] = True
    stage = Stage((rule,), 3.0 * np.arange(6.0).reshape(3, 2), _TICKS, attacks=asks)
    says = "Three NPCs ask for attacks; at no time do more than two hold a token, the grey bars"
    return _rows("attack_tokens", says, stage, lambda rule, shots: tuple((t, t + 0.9) for t in shots), "tokens")


def reserve() -> Picture:
    """Shots until nothing is left."""
    stage = Stage((Reserve("last two", AMMO, 1.0, 2.0),), np.zeros((1, 2)), _TICKS, attacks=_every(0.5), ammo=6.0)
    both = played(stage, "reserve")
    levels = [trace.levels[AMMO][1:, 0] for trace in (both.asked, both.kept)]
    view = Curves("rounds left", DT * np.arange(1.0, 1.0 + _TICKS), levels[0], levels[1], (-2.5, 2.0))
    says = "Six rounds, of which shots leave two"
    return Picture("reserve", says, view, both.margin_asked, both.margin_kept, "rounds")


def friendly_fire() -> Picture:
    """A mate who walks across the line of fire."""
    rule = FriendlyFire("mates", 7.5, 0.12, 0.4)
    asks = np.zeros((_TICKS, 2, 2), np.bool_)
    asks[4::7, 0, FIRE] = True
    start = np.array([[1.0, 0.0], [5.6, -2.2]])
    stage = Stage((rule,), start, _TICKS, _second((0.05, 1.15)), attacks=asks)
    both = played(stage, "friendly_fire")
    turn = np.linspace(-rule.spread, rule.spread, 20)
    arc = start[0] + rule.reach * np.stack([np.cos(turn), np.sin(turn)], 1)
    floor = _fired(both, FIRE, both.kept.position[:, 1], Area((np.concatenate([start[:1], arc]),)))
    says = "Where a mate was at each shot that was asked for: refused while he might be in the line of fire"
    return Picture("friendly_fire", says, floor, both.margin_asked, both.margin_kept)


def splash() -> Picture:
    """A bystander who walks through where grenades would burst."""
    rule = Splash("bystanders", 1.5, 0.5, "protected", 1.8)
    asks = np.zeros((_TICKS, 1, 2), np.bool_)
    asks[2::7, 0, THROW] = True
    ward = np.linspace([3.0, -2.1], [9.2, 1.1], _TICKS + 1)
    whom = np.stack([np.broadcast_to(FAR_OFF, ward.shape), ward], 1)
    stage = Stage((rule,), np.array([[1.0, 0.4]]), _TICKS, others=whom, attacks=asks, reach=4.6)
    both = played(stage, "splash")
    turn = np.linspace(0.0, 2.0 * np.pi, 80)
    burst = stage.start[0] + np.array([stage.reach, 0.0]) + rule.radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    floor = _fired(both, THROW, ward, Area((burst,)))
    says = "Where a bystander was at each throw that was asked for: refused while he might be there when it bursts"
    return Picture("splash", says, floor, both.margin_asked, both.margin_kept)


PICTURES: Mapping[str, Callable[[], Picture]] = {
    rule.__name__: rule for rule in (hold_fire, cooldown, attack_limit, attack_tokens, reserve, friendly_fire, splash)
}


def _tick(seconds: float) -> int:
    return round(seconds / DT)


def _every(seconds: float) -> NDArray[np.bool_]:
    """Asks one NPC's shots at even times."""
    asks = np.zeros((_TICKS, 1, 2), np.bool_)
    asks[_tick(seconds) :: _tick(seconds), 0, FIRE] = True
    return asks


def _second(velocity: tuple[float, float]) -> Callable[[int, Floats], Floats]:
    """The first NPC stands, the second walks."""
    return lambda tick, place: np.array([[0.0, 0.0], velocity])


def _rows(
    name: str,
    says: str,
    stage: Stage,
    holds: Callable[[Rule, tuple[float, ...]], tuple[tuple[float, float], ...]],
    unit: str,
    barred: tuple[tuple[float, float], ...] = (),
) -> Picture:
    (rule,) = stage.rules
    both = played(stage, rule.kind)
    rows = []
    for npc in range(len(stage.start)):
        asked, granted = both.asked.attacks[:, npc].any(1), both.kept.attacks[:, npc].any(1)
        shots = tuple((DT * np.flatnonzero(granted)).tolist())
        refused = tuple((DT * np.flatnonzero(asked & ~granted)).tolist())
        rows.append(Row(f"NPC {both.kept.ids[npc]}", shots, refused, holds(rule, shots)))
    view = Rows(DT * _TICKS, tuple(rows), barred)
    return Picture(name, says, view, both.margin_asked, both.margin_kept, unit)


def _fired(both: Played, trigger: int, whom: Floats, area: Area) -> Floor:
    """Shows where whoever is spared was at each attack of the first NPC, granted or refused."""
    asked, granted = both.asked.attacks[:, 0, trigger], both.kept.attacks[:, 0, trigger]
    marks = [Mark(KEPT if granted[tick] else ASKED, whom[tick]) for tick in np.flatnonzero(asked)]
    shooter = ways(both)[both.kept.position.shape[1]]
    return Floor((0.0, -2.5), 10.2, (area,), (Way(OTHER, whom), shooter), tuple(marks))
