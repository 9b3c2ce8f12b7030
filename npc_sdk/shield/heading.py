"""The directions that a body may turn to in a tick: about its velocity, or about a heading that it has at rest, too.

A velocity tells its direction as long as it is faster than what it may be off. A car's heading is not told by so slow a
velocity, and what it is then depends on which of the commands sent so far have been run. So a start from (nearly) rest
must be within a tick's turn of everything that may have been run before it; and nothing else may be sent, while such
a start can still run, that is further from it than that. The proof is docs/explanation/shield.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from npc_sdk.shield.outstanding import Outstanding

_ROUNDED = 1e-6  # rad, far more than float32 commands hide of their direction


class Cone(NamedTuple):
    """Directions from `low` to `high` rad about an axis; all where these are infinite, none where low > high."""

    axis: Float[np.ndarray, "... 2"]
    low: Float[np.ndarray, ...]
    high: Float[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Headings:
    """Where each NPC may head, in rad from where it is expected to head at the start of the chunk."""

    expected: Float[np.ndarray, " n"]  # rad, the direction that the others are measured from
    low: Float[np.ndarray, " n"]  # what it may head for at any time before a start of its own
    high: Float[np.ndarray, " n"]
    least: Float[np.ndarray, " n"]  # what a start that was sent before, and may still run, leaves of directions
    most: Float[np.ndarray, " n"]


def wrapped(angle: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """Returns the same directions as angles within half a turn of 0."""
    return np.asarray(np.arctan2(np.sin(angle), np.cos(angle)))


def direction(vectors: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns the angles of vectors; 0 where there is none."""
    return np.asarray(np.arctan2(vectors[..., 1] + 0.0, vectors[..., 0] + 0.0))


def promised_headings(
    ids: NDArray[np.uint32],
    outstanding: Outstanding,
    heading: Float[np.ndarray, " n"],
    seen: Float[np.ndarray, "n s"],
    turn: Float[np.ndarray, " n"],
    tells: Float[np.ndarray, " n"],
    apply_tick: int,
) -> Headings:
    """Gathers what NPCs may head for, and what was sent of starts.

    Args:
        ids: of the NPCs.
        outstanding: chunks issued before.
        heading: rad, at the start of the chunk.
        seen: rad, otherwise known headings; NaN where there is none.
        turn: rad per tick.
        tells: m/s beyond which a velocity tells its direction.
        apply_tick: at which the chunk starts.
    """
    commands, ticks = outstanding.commands(ids)  # n q 2 2, q
    before, sent = commands[:, :, 0], commands[:, :, 1]
    sent_to = np.where((sent != 0.0).any(2), wrapped(direction(sent) - heading[:, None]), np.nan)
    known = np.concatenate([sent_to, wrapped(seen - heading[:, None])], 1)
    slow = np.hypot(before[..., 0], before[..., 1]) <= tells[:, None] * (1.0 + 1e-6)
    starts = np.where(slow & (ticks > apply_tick), sent_to, np.nan)
    most_turn = np.minimum(turn, 0.5 * np.pi) - _ROUNDED
    return Headings(
        expected=heading,
        low=np.nanmin(known, 1, initial=0.0),
        high=np.nanmax(known, 1, initial=0.0),
        least=np.where(np.isnan(starts), -np.inf, starts).max(1, initial=-np.inf) - most_turn,
        most=np.where(np.isnan(starts), np.inf, starts).min(1, initial=np.inf) + most_turn,
    )


def about_velocity(
    now: Float[np.ndarray, "q 2"],
    turn: Float[np.ndarray, " q"],
    above: Float[np.ndarray, " q"],
    give: float,
) -> tuple[Cone, Bool[np.ndarray, " q"]]:
    """Returns to where each velocity may turn in a tick, whatever it is within `give` of `now`; and whose is limited.

    Args:
        now: m/s.
        turn: rad per tick; infinity: any.
        above: m/s from which it binds.
        give: m/s by which a velocity may be off.
    """
    pace = np.hypot(now[:, 0], now[:, 1])
    hidden = np.arcsin(np.minimum(1.0, give / np.maximum(pace, 1e-12)))
    room = np.clip(turn - hidden - _ROUNDED, 0.0, 0.5 * np.pi)
    binds = np.isfinite(turn) & (pace > above - give)
    room = np.where(binds, room, np.inf)
    return Cone(now / np.maximum(pace, 1e-12)[:, None], -room, room), binds


def about_heading(
    cone: Cone,
    tells: Bool[np.ndarray, " q"],
    headings: Headings,
    rows: NDArray[np.intp],
    turn: Float[np.ndarray, " q"],
    before: Float[np.ndarray, "q k 2"],
) -> Cone:
    """Returns to where cars may turn: about the velocity where that tells its direction, else about what they may head.

    Args:
        cone: about the velocity.
        tells: whose velocity tells its direction.
        headings: of all NPCs.
        rows: of those asked about.
        turn: rad per tick.
        before: m/s, earlier commands of this chunk.
    """
    expected, least, most = headings.expected[rows], headings.least[rows], headings.most[rows]
    own = np.where((before != 0.0).any(2), wrapped(direction(before) - expected[:, None]), 0.0)  # q k
    low = np.minimum(headings.low[rows], own.min(1, initial=0.0))
    high = np.maximum(headings.high[rows], own.max(1, initial=0.0))
    most_turn = np.minimum(turn, 0.5 * np.pi) - _ROUNDED
    ahead = wrapped(direction(cone.axis) - expected)
    # Where a start still to run leaves the velocity's own direction out, there is none to go in.
    free = (least <= ahead) & (ahead <= most)
    moving_low = np.where(free, np.maximum(cone.low, least - ahead), np.inf)
    moving_high = np.where(free, np.minimum(cone.high, most - ahead), -np.inf)
    return Cone(
        axis=np.where(tells[:, None], cone.axis, np.stack([np.cos(expected), np.sin(expected)], 1)),
        low=np.where(tells, moving_low, np.maximum(high - most_turn, least)),
        high=np.where(tells, moving_high, np.minimum(low + most_turn, most)),
    )


def within_cone(wanted: Float[np.ndarray, "... 2"], cone: Cone) -> Float[np.ndarray, "... 2"]:
    """Returns the point of a cone that is nearest to the wanted velocity: nothing where the cone holds none."""
    if np.isposinf(cone.high).all():
        return wanted
    axis = cone.axis
    side = axis[..., 0] * wanted[..., 1] - axis[..., 1] * wanted[..., 0]
    along = axis[..., 0] * wanted[..., 0] + axis[..., 1] * wanted[..., 1]
    angle = np.arctan2(side + 0.0, along + 0.0)  # of nothing, -0.0 would be half a turn
    bound = np.where(np.isfinite(cone.low), np.clip(angle, cone.low, cone.high), angle)
    cos, sin = np.cos(bound), np.sin(bound)
    edge = np.stack([axis[..., 0] * cos - axis[..., 1] * sin, axis[..., 0] * sin + axis[..., 1] * cos], -1)
    on_edge = edge * np.maximum(np.sum(edge * wanted, -1), 0.0)[..., None]
    inside = (cone.low <= angle) & (angle <= cone.high)
    nearest = np.where(inside[..., None], wanted, on_edge)
    return np.asarray(np.where((cone.low > cone.high)[..., None], 0.0, nearest))
