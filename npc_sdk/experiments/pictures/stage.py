"""Plays one small scene twice, with its rules and without them, and has both judged by the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import TRIGGERS, Rule
from npc_sdk.experiments.zoo import AMMO, Body, Setting, limits
from npc_sdk.shield import Aim, Case, Movers, Others, Outstanding, ShieldConfig, Wanted, issue

DT = 1.0 / 30.0
FIRST = 101  # id of the first NPC
BODY = Body(4.0, 16.0, 16.0, 0.35)
FIRE, THROW = range(len(TRIGGERS))

Floats = NDArray[np.float64]
Wish = Callable[[int, Floats], Floats]


def towards(goal: tuple[float, float], speed: float = BODY.max_speed) -> Wish:
    """Wishes to be at a place, slowing down in time."""

    def wish(tick: int, place: Floats) -> Floats:
        gap = np.asarray(goal) - place
        far = np.hypot(gap[:, 0], gap[:, 1])[:, None]
        return np.asarray(np.where(far > 0.03, gap / np.maximum(far, 1e-9) * np.minimum(speed, 4.0 * far), 0.0))

    return wish


def still(tick: int, place: Floats) -> Floats:
    """Wishes to stand."""
    return np.zeros_like(place)


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene: where everybody is, what everybody wants, and the rules."""

    rules: tuple[Rule, ...]
    start: Float[np.ndarray, "n 2"]
    ticks: int
    wish: Wish = still
    velocity: Float[np.ndarray, "n 2"] | None = None
    others: Float[np.ndarray, "t1 o 2"] | None = None  # where they go: a player, and somebody to protect
    attacks: Bool[np.ndarray, "t n k"] | None = None  # asked for
    aim: float = 0.0  # rad
    reach: float = 0.0  # m
    flag: Bool[np.ndarray, " t"] | None = None  # hold-fire
    ammo: float = 0.0
    body: Body = BODY

    @property
    def setting(self) -> Setting:
        """The scene as a game of the zoo, for the audit's limits."""
        n = len(self.start)
        return Setting(
            rules=self.rules,
            walls=(),
            bounds=(-30.0, -30.0, 30.0, 30.0),
            body=self.body,
            dt=DT,
            ids=np.arange(FIRST, FIRST + n, dtype=np.uint32),
            squads=np.zeros(n, np.int64),
            homes=self.start,
            config=ShieldConfig(),
            position=self.start,
            velocity=np.zeros((n, 2)) if self.velocity is None else self.velocity,
            others=np.zeros((0, 2)) if self.others is None else self.others[0],
            top_speed=0.0,
            steps=1,
            lead=0,
            loss=0.0,
            delay=0,
            obstinate=0.0,
            single=False,
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What an NPC did without the rules and with them, and the audit's word on both: the smallest margin."""

    asked: audit.Trace
    kept: audit.Trace
    margin_asked: float
    margin_kept: float


def played(stage: Stage, kind: str) -> Played:
    """Plays a scene without and with its rules, and measures both by the rules of a kind."""
    ruled = stage.setting
    asked, kept = _run(stage, replace(ruled, rules=())), _run(stage, ruled)
    found = [audit.audit(trace, limits(ruled)).rules[kind].min_margin for trace in (asked, kept)]
    return Played(asked, kept, *found)


def _run(stage: Stage, setting: Setting) -> audit.Trace:
    """Lets every certified step run."""
    n, tables, promised = len(stage.start), setting.tables(), Outstanding()
    place, pace, ammo = setting.position, setting.velocity, np.full(n, stage.ammo)
    whom = np.zeros((stage.ticks + 1, 0, 2)) if stage.others is None else stage.others
    flags = np.zeros(stage.ticks, np.bool_) if stage.flag is None else stage.flag
    asks = np.zeros((stage.ticks, n, len(TRIGGERS)), np.bool_) if stage.attacks is None else stage.attacks
    aim = Aim(np.full((n, 1), stage.aim), np.full((n, 1), stage.reach))
    rows, shots = [(place, pace, ammo)], []
    for tick in range(stage.ticks):
        case = Case(
            Movers(setting.ids, place, pace),
            tables,
            stage.wish(tick, place)[:, None],
            Others(whom[tick], setting.names),
            Wanted(asks[tick][:, None], tick, tick, bool(flags[tick]), {AMMO: ammo}, None, aim),
            setting.config,
        )
        answer = issue(promised, case, tick)
        pace, fired = answer.velocities[:, 0], answer.triggers[:, 0]
        place, ammo = place + pace * DT, ammo - fired.any(1)
        rows.append((place, pace, ammo))
        shots.append(fired)
    places, paces, levels = (np.stack(column) for column in zip(*rows, strict=True))
    return audit.Trace(
        ids=setting.ids,
        position=places,
        velocity=paces,
        command=paces[1:],
        alive=np.ones(places.shape[:2], np.bool_),
        driver=np.full((stage.ticks, n), audit.PLAN, np.uint8),
        attacks=np.stack(shots),
        hold_fire=flags,
        hold_known=np.tile(flags[:, None], (1, n)),
        aim=np.full((stage.ticks, n), stage.aim),
        reach=np.full((stage.ticks, n), stage.reach),
        others=whom,
        levels={AMMO: levels},
    )
