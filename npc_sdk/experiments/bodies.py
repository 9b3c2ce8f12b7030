"""What bodies can do, by what they did: values to declare, and which declarations the play contradicts.

The promises of the shield rest on the kinematics a game declares (K1, docs/explanation/shield.md). Declaring less than
a body can do is always safe; declaring more is not. For others it is the other way round (K4). Where it is recorded
what bodies were told, they are held to that: of the ticks in which the most was asked, the lowest 0.1 % quantile of
what came of it. Without that, only what has been seen can be said to be possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npc_bridge.ladder import VELOCITY_TOLERANCE
from npc_sdk.experiments.motions import Motions, Moves, Trips

LEAST = 100  # motions of a kind, fewer say nothing
LOW, HIGH = 0.001, 0.999  # the quantiles that stand for the least and the most
CLOSE = 0.01  # of a value that two measures of the same may differ by: float32, rounding of ticks
HARD = 0.9  # of the most that was asked: what counts as asking for all
STILL = 0.05  # m/s: slower is at rest, and as close to a command is as told
TURNING = 1e-3  # rad/s
LATEST = 8  # ticks of delay that are tried
LEAP = 0.5  # m beyond twice what its own speed explains: it was put there

SAFE, UNSAFE, UNSEEN, UNKNOWN, UNDECLARED = "safe", "unsafe", "unseen", "unknown", "undeclared"

_PUSH = "m/s^2"
_TICKS = {"brake": "ticks of slowing down", "max_acceleration": "ticks of speeding up"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """One declared number and what the recordings say of it.

    `verdict` is `safe` (the play bears it out), `unsafe` (it promises more than the play has shown), `unseen` (the play
    neither bears it out nor speaks against it), `unknown` (too little data) or `undeclared`.
    """

    name: str
    unit: str
    declared: float | None
    measured: float | None
    proposed: float | None
    verdict: str
    samples: int  # motions that it rests on
    note: str


def findings(motions: Motions, top_speeds: Mapping[str, float], safety: float = 0.9) -> list[Finding]:
    """Holds every declaration against the play.

    Args:
        motions: what happened.
        top_speeds: m/s that rules declare of others, by the role or the name of their type; the lowest counts.
        safety: share of what bodies can do that is proposed to be declared; of others, its inverse.
    """
    body, moves, dt = motions.kinematics, motions.moves, motions.dt
    late = delay(moves)
    prompt = _shifted(moves, int(late.measured or 0))  # what a late body can do is judged by the command it follows
    out = [
        top_speed(prompt, body.max_speed, safety),
        acceleration(prompt, dt, body.max_acceleration, safety),
        brake(prompt, dt, body.brake, safety),
        turn_rate(moves, dt, body.turn_rate),
        late,
        executed(moves),
    ]
    for (name, role), trips in sorted(motions.trips.items()):
        declared = [top_speeds[key] for key in {name, role} if key in top_speeds]
        out.append(others(name, trips, min(declared, default=None), safety))
    return out


def brake(moves: Moves, dt: float, declared: float, safety: float) -> Finding:
    """How hard bodies brake, m/s^2: change their velocity while they slow down."""
    speed = _size(moves.before)
    asked = _size(moves.told) < speed
    if _enough(asked):
        return _as_asked("brake", moves, asked, dt, declared, safety)
    return _as_seen("brake", moves, _size(moves.after) < speed, dt, declared, safety)


def acceleration(moves: Moves, dt: float, declared: float, safety: float) -> Finding:
    """How fast bodies change their velocity while they do not brake, m/s^2."""
    speed = _size(moves.before)
    fastest = float(np.quantile(_size(moves.after), HIGH)) if len(speed) else 0.0
    asked = (_size(moves.told) >= speed) & (speed < HARD * fastest)  # at its top speed nobody gains more
    if _enough(asked):
        return _as_asked("max_acceleration", moves, asked, dt, declared, safety)
    return _as_seen("max_acceleration", moves, _size(moves.after) > speed, dt, declared, safety)


def top_speed(moves: Moves, declared: float, safety: float) -> Finding:
    """How fast bodies get, m/s."""
    name, unit = "max_speed", "m/s"
    before, after, told = _size(moves.before), _size(moves.after), _size(moves.told)
    moving = after > STILL
    samples = int(moving.sum())
    if samples < LEAST:
        return _too_little(name, unit, declared, samples, "ticks of walking")
    most = float(np.quantile(after[moving], HIGH))
    fast = (before >= HARD * most) & (told >= before)  # from rest, it is its acceleration by which a body fails
    if _enough(fast) and most < (1.0 - CLOSE) * (asked := float(np.quantile(told[fast], HIGH))):
        note = f"asked for up to {asked:.3g} {unit} while fast"
        return Finding(name, unit, declared, most, safety * most, UNSAFE, int(fast.sum()), note)
    return _as_fast(name, unit, declared, most, samples)


def turn_rate(moves: Moves, dt: float, declared: float) -> Finding:
    """How fast bodies turn, rad/s."""
    name, unit = "turn_rate", "rad/s"
    rate = moves.turned / (moves.ticks * dt)
    turning = rate[rate > TURNING]
    if len(turning) < LEAST:
        return _too_little(name, unit, declared, len(turning), "ticks of turning")
    return _as_fast(name, unit, declared, float(np.quantile(turning, HIGH)), len(turning))


def delay(moves: Moves) -> Finding:
    """How many ticks pass from the tick a command is for to the motion that it asks for; K1 wants none."""
    name, unit = "delay", "ticks"
    order = np.lexsort((moves.tick, moves.series))
    series, tick = moves.series[order], moves.tick[order]
    after, told = moves.after[order], moves.told[order]
    changes = np.zeros(len(order), np.bool_)
    changes[1:] = (np.diff(series) == 0) & (np.diff(tick) == 1) & (_size(np.diff(told, axis=0)) > STILL)
    samples = int(changes.sum())
    errors = []
    for late in range(LATEST + 1):
        source = np.flatnonzero(changes[: len(order) - late])
        motion = source + late
        same = (series[motion] == series[source]) & (tick[motion] == tick[source] + late)
        errors.append(_typical(after[motion[same]] - told[source[same]]))
    if samples < LEAST:
        return _too_little(name, unit, 0.0, samples, "changes of command")
    best = int(np.argmin(errors))
    note = f"off by {errors[best]:.2g} m/s" + ("" if best == 0 else f"; taken as prompt, by {errors[0]:.2g} m/s")
    return Finding(name, unit, 0.0, float(best), 0.0, SAFE if best == 0 else UNSAFE, samples, note)


def executed(moves: Moves) -> Finding:
    """The share of ticks in which a body had the velocity that it was told to have."""
    off = _size(moves.after - moves.told)
    known = ~np.isnan(off)
    if not _enough(known):
        return _too_little("executed", "1", 1.0, int(known.sum()), "ticks whose command was recorded")
    share = float((off[known] <= STILL).mean())
    note = f"within {STILL:g} m/s of the command; at worst {float(off[known].max()):.2g} m/s off"
    return Finding("executed", "1", 1.0, share, 1.0, SAFE if share == 1.0 else UNSAFE, int(known.sum()), note)


def others(name: str, trips: Trips, declared: float | None, safety: float) -> Finding:
    """How fast somebody else comes from one place to another, m/s: what `top_speed` in rules must not be below."""
    where, unit = f"top_speed of {name}", "m/s"
    leapt = trips.way > 2.0 * trips.pace * trips.seconds + LEAP
    speed = (trips.way / trips.seconds)[~leapt]
    if not _enough(speed > STILL):
        return _too_little(where, unit, declared, int((speed > STILL).sum()), "ticks of walking")
    most = float(speed.max())
    note = (
        f"{int(leapt.sum())} leaps left out: give who is put elsewhere a new id" if leapt.any() else "the fastest seen"
    )
    proposed = most / safety
    if declared is None:
        return Finding(where, unit, None, most, proposed, UNDECLARED, len(speed), note)
    if most > (1.0 + CLOSE) * declared:
        return Finding(where, unit, declared, most, proposed, UNSAFE, len(speed), note)
    return Finding(where, unit, declared, most, max(declared, proposed), SAFE, len(speed), note)


def _shifted(moves: Moves, late: int) -> Moves:
    """Returns the same with the commands of so many ticks before."""
    if late == 0:
        return moves
    order = np.lexsort((moves.tick, moves.series))
    told = np.full(moves.told.shape, np.nan)
    now, then = order[late:], order[:-late]
    same = (moves.series[now] == moves.series[then]) & (moves.tick[now] == moves.tick[then] + late)
    told[now[same]] = moves.told[then[same]]
    return replace(moves, told=told)


def _asked_and_got(moves: Moves, dt: float) -> tuple[Floats, Floats]:
    """Returns which change of velocity was asked for and how much of it came, both n, m/s^2; NaN where unknown."""
    change, seconds = moves.told - moves.before, moves.ticks * dt
    size = _size(change)
    got = np.sum((moves.after - moves.before) * change, 1) / np.maximum(size, 1e-9)
    return size / seconds, np.asarray(got / seconds)


def _as_asked(name: str, moves: Moves, mask: NDArray[np.bool_], dt: float, declared: float, safety: float) -> Finding:
    """Holds bodies to what they were told, in the ticks in which the most was asked of them.

    Nobody knows what a body can do that did all that was asked: the declaration stands.
    """
    asked, got = (column[mask] for column in _asked_and_got(moves, dt))
    hard = asked >= HARD * float(np.quantile(asked, 1.0 - CLOSE))
    samples = int(hard.sum())
    if samples < LEAST:
        return _too_little(name, _PUSH, declared, samples, f"{_TICKS[name]} as hard as asked at most")
    if float(np.quantile(got[hard] / asked[hard], LOW, method="lower")) >= 1.0 - CLOSE:
        most = float(asked.max())
        note = f"did all that was asked, up to {most:.3g} {_PUSH}"
        if most < HARD * (declared - VELOCITY_TOLERANCE / dt):  # the shield asks for no more: the rest is tolerance
            return Finding(name, _PUSH, declared, most, None, UNSEEN, samples, note)
        return Finding(name, _PUSH, declared, most, declared, SAFE, samples, note)
    least = float(np.quantile(got[hard], LOW, method="lower"))
    verdict = UNSAFE if least < (1.0 - CLOSE) * declared else SAFE
    note = f"the least of what came of {float(asked[hard].min()):.3g} {_PUSH} and more"
    return Finding(name, _PUSH, declared, least, safety * max(least, 0.0), verdict, samples, note)


def _as_seen(name: str, moves: Moves, mask: NDArray[np.bool_], dt: float, declared: float, safety: float) -> Finding:
    """Says what bodies did at their best, where nobody knows what they were told: what is never seen is not safe."""
    samples = int(mask.sum())
    if samples < LEAST:
        return _too_little(name, _PUSH, declared, samples, _TICKS[name])
    change = _size(moves.after - moves.before) / (moves.ticks * dt)
    most = float(np.quantile(change[mask], HIGH))
    if most < (1.0 - CLOSE) * declared:
        return Finding(name, _PUSH, declared, most, safety * most, UNSAFE, samples, "the most seen")
    note = "seen at times; whether always, only recorded actions can tell"
    return Finding(name, _PUSH, declared, most, None, UNSEEN, samples, note)


def _as_fast(name: str, unit: str, declared: float, most: float, samples: int) -> Finding:
    if most >= (1.0 - CLOSE) * declared:
        return Finding(name, unit, declared, most, declared, SAFE, samples, "the fastest seen")
    return Finding(name, unit, declared, most, None, UNSEEN, samples, "the fastest seen; nothing asked for more")


def _too_little(name: str, unit: str, declared: float | None, samples: int, what: str) -> Finding:
    return Finding(
        name, unit, declared, None, None, UNKNOWN, samples, f"expected at least {LEAST} {what}, got {samples}"
    )


def _enough(mask: NDArray[np.bool_]) -> bool:
    return int(np.count_nonzero(mask)) >= LEAST


def _typical(errors: Floats) -> float:
    return float(np.median(_size(errors))) if len(errors) >= LEAST else np.inf


def _size(vectors: Floats) -> Floats:
    return np.asarray(np.hypot(vectors[:, 0], vectors[:, 1]))
