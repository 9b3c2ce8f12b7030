"""What an engine's bodies were told and what became of it: read from the lines that the game printed, and judged.

A log is lines of JSON among whatever else an engine prints: first what is declared, then a line a tick
(docs/howto/engines.md). What the game did to an NPC itself, knock-back and teleports, is laid at the game's door.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npc_sdk.audit import CALLBACK, AuditConfig, Limits, Trace, Violation, Zone, audit
from npc_sdk.audit.measure import zone_margin
from npc_sdk.errors import InputError

GAMES = ("knock-back", "teleport")
"""Causes that are the game's own doing, and no motion of a body that was told something."""
OFF = AuditConfig().executed  # m a tick from which executed motion differs from issued
_KEPT = 1_000_000  # violations looked at

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Play:
    """One log: `t` ticks of `a` NPCs. Row k of place and velocity is before tick k: one row more than ticks."""

    engine: str
    dt: float  # s
    radius: float  # m
    able: Mapping[str, float]  # what bodies can do: max_speed, max_acceleration, brake
    declared: Mapping[str, float]  # what the game said of them
    zones: tuple[tuple[str, str, Floats], ...]  # kind, name, corners
    ids: NDArray[np.uint32]  # a
    place: Floats  # t1 a 2, m
    velocity: Floats  # t1 a 2, m/s
    issued: Floats  # t a 2, m/s
    rung: NDArray[np.uint8]  # t a
    cause: NDArray[np.str_]  # t a, "" where the game knows of nothing that was in the way
    tolerance: float  # m, the pose tolerance that the brain had

    @property
    def less(self) -> float:
        """By what share less is declared than bodies can do."""
        return 1.0 - self.declared["max_speed"] / self.able["max_speed"]

    @property
    def off(self) -> Floats:
        """How far executed motion is from issued, t a, m a tick."""
        return np.asarray(np.linalg.norm(np.diff(self.place, axis=0) - self.issued * self.dt, axis=-1))

    @property
    def led(self) -> NDArray[np.bool_]:
        """Where a body was told something, and the game itself did nothing to it: t a."""
        return np.asarray(~np.isin(self.cause, GAMES) & (self.rung != CALLBACK))


@dataclass(frozen=True, slots=True)
class Judged:
    """NPC-ticks in which a rule was broken."""

    npcs: int  # by NPCs, with nothing to excuse them: of these the shield promises that there are none
    led: tuple[Violation, ...]  # that began while the brain or the brake led, those of NPCs among them
    games: int  # that began in a knock-back, a teleport or the game's own behaviour
    zones: frozenset[str]  # kinds of zones, by which margins are metres
    nearest: float  # m, the least room that a body had to a zone while led; infinity without zones

    @property
    def deepest(self) -> float:
        """How far a body was in a zone at most while the brain or the brake led, m."""
        return max((-violation.margin for violation in self.led if violation.rule in self.zones), default=0.0)


def read_play(path: Path) -> Play:
    """Reads a log.

    Raises:
        InputError: no such file, or its lines are not those of a log.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head, *ticks = _objects(file)
    except OSError as error:
        raise InputError(f"{path}: expected a log of an engine: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: expected lines of JSON, of what is declared and of two ticks or more") from None
    try:
        return _play(head, ticks)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected the lines of docs/howto/engines.md, got others: {error!r}") from None


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # an engine's own words, or the last line of one that was ended


def judge(play: Play) -> Judged:
    """Has the audit judge what was executed by what was declared: zones, speed and acceleration."""
    ticks, n = play.rung.shape
    everybody = np.ones(n, np.bool_)
    trace = Trace(
        ids=play.ids,
        position=play.place,
        velocity=play.velocity,
        command=play.issued,
        alive=np.ones((ticks + 1, n), np.bool_),
        driver=np.where(play.led, play.rung, CALLBACK).astype(np.uint8),
        attacks=np.zeros((ticks, n, 1), np.bool_),
        hold_fire=np.zeros(ticks, np.bool_),
        hold_known=np.zeros((ticks, n), np.bool_),
    )
    limits = Limits(
        dt=play.dt,
        radius=np.full(n, play.radius),
        speed=np.full(n, play.declared["max_speed"]),
        acceleration=np.full(n, max(play.declared["max_acceleration"], play.declared["brake"])),
        brake=np.full(n, play.declared["brake"]),
        home=np.zeros((n, 2)),
        leash=np.full(n, np.inf),
        spacing=np.zeros((n, n)),
        hold_fire=np.zeros(n, np.bool_),
        zones=tuple(Zone(kind, name, corners, False, everybody) for kind, name, corners in play.zones),
    )
    found = audit(trace, limits, AuditConfig(place=play.tolerance, keep=_KEPT)).examples
    led = tuple(_begun_while_led(found))
    return Judged(
        npcs=sum(v.category == "npc" for v in led),
        led=led,
        games=len(found) - len(led),
        zones=frozenset(kind for kind, _, _ in play.zones),
        nearest=_nearest(play),
    )


def _nearest(play: Play) -> float:
    """Finds the least room to a zone, of NPCs that have had what the shield keeps since the game last moved them."""
    ticks, n = play.rung.shape
    room = np.full(play.rung.shape, np.inf)
    first, last, radius = play.place[:-1].reshape(-1, 2), play.place[1:].reshape(-1, 2), np.full(ticks * n, play.radius)
    for _, _, corners in play.zones:
        room = np.minimum(room, zone_margin(first, last, corners, radius, keep_in=False).reshape(ticks, n))
    least, sound = np.inf, np.zeros(n, np.bool_)
    for here, led in zip(room, play.led, strict=True):
        sound = led & (sound | (here >= play.tolerance + OFF))
        least = min(least, float(here[sound].min(initial=np.inf)))
    return least


def _begun_while_led(found: Iterable[Violation]) -> Iterator[Violation]:
    """Leaves out what began in the game's hands: who was thrown into a zone is in it by its doing until it is out."""
    before, games = None, False
    for violation in sorted(found, key=lambda v: (v.npc, v.rule, v.tick)):
        key = (violation.npc, violation.rule, violation.tick)
        if before is None or key != (*before[:2], before[2] + 1):
            games = violation.category in ("external", "inadmissible")
        before = key
        if not games:
            yield violation


def _play(head: Mapping[str, Any], ticks: Sequence[Mapping[str, Any]]) -> Play:
    if len(ticks) < 2 or any(two["tick"] != one["tick"] + 1 for one, two in pairwise(ticks)):
        raise ValueError(f"{len(ticks)} ticks, of which each should follow the one before")
    numbers = np.array([[row[:6] for row in tick["npcs"]] for tick in ticks], np.float64)  # t a 6
    rung = np.array([[row[6] for row in tick["npcs"]] for tick in ticks], np.uint8)
    cause = np.array([[row[7] for row in tick["npcs"]] for tick in ticks], np.str_)
    return Play(
        engine=str(head["engine"]),
        dt=1.0 / float(head["tick_hz"]),
        radius=float(head["radius"]),
        able=_limits(head["able"]),
        declared=_limits(head["declared"]),
        zones=tuple((str(z["kind"]), str(z["name"]), np.array(z["corners"], np.float64)) for z in head["zones"]),
        ids=np.array(head["ids"], np.uint32),
        place=numbers[:, :, :2],
        velocity=numbers[:, :, 2:4],
        issued=numbers[:-1, :, 4:],
        rung=rung[:-1],
        cause=cause[:-1],
        tolerance=max(float(tick["tolerance"]) for tick in ticks),
    )


def _limits(told: Mapping[str, float]) -> dict[str, float]:
    return {name: float(told[name]) for name in ("max_speed", "max_acceleration", "brake")}
