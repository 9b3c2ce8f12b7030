"""Exact behaviour metrics of played episodes: what a term's slider is judged by. True states, exact geometry, NumPy.

A metric is a number per NPC and sampled moment, or NaN where it says nothing (a dead NPC, a leader's distance to
itself); means are taken over what is left. Names are those that the terms declare in `objectives.terms`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from npc_sdk.geometry import CELL, UNREACHABLE, MapTables, RoadAtlas, line_of_sight, pad_edges

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

VERSION = 2  # of the definitions below; figures of another version are not comparable

CROWDED_M = 3.0  # squad mates nearer than this crowd each other
BLAST_M = 3.7  # radius of a grenade's blast with the width of a wary body
RANGE_M = 7.0  # the distance the engage term asks for
ALONE_RAD = np.pi


@dataclass(frozen=True, slots=True)
class Eyes:
    """A view cone."""

    half_angle: float  # rad
    reach: float  # m


PLAYER_EYES = Eyes(np.pi / 3, 18.0)
NPC_EYES = Eyes(np.pi / 3, 16.0)


@dataclass(frozen=True, slots=True)
class Play:
    """What was played in `w` worlds: `t` sampled moments, `n` NPCs, one player, `g` grenade slots."""

    dt: float  # s between samples
    player: Float[np.ndarray, "t w 2"]
    facing: Float[np.ndarray, "t w"]  # of the player, rad
    player_alive: Bool[np.ndarray, "t w"]
    pos: Float[np.ndarray, "t w n 2"]
    vel: Float[np.ndarray, "t w n 2"]
    heading: Float[np.ndarray, "t w n"]
    alive: Bool[np.ndarray, "t w n"]
    squad: Int[np.ndarray, "w n"]
    leader: Bool[np.ndarray, "w n"]
    home: Float[np.ndarray, "w n 2"]
    grenades: Float[np.ndarray, "t w g 2"]
    armed: Bool[np.ndarray, "t w g"]
    dealt: Float[np.ndarray, "w n"]  # hp of damage to the player over the whole episode
    taken: Float[np.ndarray, "w n"]  # hp of damage from the player's side over the whole episode
    acceleration: Float[np.ndarray, "w n"]  # m/s^2, mean size over all ticks
    plan_change: Float[np.ndarray, "w n"]  # m, mean distance of a plan from the one before; NaN unknown


class Measures:
    """The metrics of one play, each computed when asked for."""

    def __init__(self, play: Play, maps: Sequence[MapTables]) -> None:
        self.play = play
        self._atlas = RoadAtlas([m.roads for m in maps])
        self._opaque = pad_edges([m.opaque_edges for m in maps])  # w v 4
        self.maps = tuple(maps)
        self._kept: dict[str, Floats] = {}

    def series(self, name: str) -> Float[np.ndarray, "t w n"]:
        """Returns a metric per moment and NPC (an axis of length 1 for metrics of the whole episode).

        Raises:
            KeyError: no metric has this name.
        """
        if name not in self._kept:
            self._kept[name] = METRICS[name](self)
        return self._kept[name]

    def per_world(self, name: str) -> Float[np.ndarray, " w"]:
        """Returns the mean over NPCs and moments of each world; NaN where nothing counts."""
        return mean(self.series(name), axis=(0, 2))

    def per_npc(self, name: str) -> Float[np.ndarray, "w n"]:
        """Returns the mean over moments of each NPC."""
        return mean(self.series(name), axis=0)

    # Geometry that several metrics share.

    def to_player(self) -> Float[np.ndarray, "t w n 2"]:
        """The vector from each NPC to the player."""
        gap: Floats = self.play.player[:, :, None] - self.play.pos
        return gap

    def sight(self) -> Bool[np.ndarray, "t w n"]:
        """Whether nothing opaque is between NPC and player."""
        if "sight" not in self._kept:
            p = self.play
            clear = self._clear(p.pos, np.broadcast_to(p.player[:, :, None], p.pos.shape))
            self._kept["sight"] = clear.astype(np.float64)
        return self._kept["sight"] > 0.5

    def engaged(self) -> Bool[np.ndarray, "t w n"]:
        """Whether somebody of the NPC's squad sees the player."""
        if "engaged" not in self._kept:
            p, gap = self.play, self.to_player()
            turn = np.abs(_wrap(np.arctan2(gap[..., 1], gap[..., 0]) - p.heading))
            near = np.linalg.norm(gap, axis=-1) <= NPC_EYES.reach
            sees = self.sight() & (turn <= NPC_EYES.half_angle) & near & p.alive
            same = p.squad[:, :, None] == p.squad[:, None]  # w n mate
            self._kept["engaged"] = (sees[:, :, None] & same).any(-1).astype(np.float64)
        return self._kept["engaged"] > 0.5

    def bearing(self) -> Float[np.ndarray, "t w n"]:
        """The angle between where the player faces and each NPC, 0 in front, pi behind."""
        gap, facing = -self.to_player(), self.play.facing[:, :, None]
        turn: Floats = np.abs(_wrap(np.arctan2(gap[..., 1], gap[..., 0]) - facing))
        return turn

    def living(self, values: Floats) -> Floats:
        """Blanks dead NPCs and moments without a player."""
        both = self.play.alive & self.play.player_alive[:, :, None]
        return np.where(both, values, np.nan)

    def _clear(self, a: Floats, b: Floats) -> Bools:
        """Lines of sight of t w ... 2 points."""
        t, w = a.shape[:2]
        swapped = [np.ascontiguousarray(x.swapaxes(0, 1)).reshape(w, -1, 2) for x in (a, b)]
        clear: Bools = np.asarray(line_of_sight(swapped[0], swapped[1], self._opaque))
        out: Bools = clear.reshape(w, t, *a.shape[2:-1]).swapaxes(0, 1)
        return out

    def ways(self, start: Float[np.ndarray, "t w n 2"], goal: Float[np.ndarray, "t w n 2"]) -> Floats:
        """Walking distances in m."""
        t, w, n = start.shape[:3]
        world = np.broadcast_to(np.arange(w)[None, :, None], (t, w, n)).reshape(-1)
        a, b, length = start.reshape(-1, 2), goal.reshape(-1, 2), np.empty(t * w * n)
        for i in range(0, len(a), 8192):  # keeps the temporaries small
            part = slice(i, i + 8192)
            length[part] = self._atlas.waypoints(world[part], a[part], b[part])[1]
        return length.reshape(t, w, n)


def _range_error(m: Measures) -> Floats:
    """How far the distance is from the wanted one, while the squad sees the player: nobody keeps a range to a guess."""
    error = np.abs(np.linalg.norm(m.to_player(), axis=-1) - RANGE_M)
    return m.living(np.where(m.engaged(), error, np.nan))


def _player_path(m: Measures) -> Floats:
    p = m.play
    return m.living(m.ways(p.pos, np.broadcast_to(p.player[:, :, None], p.pos.shape)))


def _exposed(m: Measures) -> Floats:
    near = np.linalg.norm(m.to_player(), axis=-1) <= PLAYER_EYES.reach
    return m.living((m.sight() & near & (m.bearing() <= PLAYER_EYES.half_angle)).astype(np.float64))


def _los(m: Measures) -> Floats:
    return m.living(m.sight().astype(np.float64))


def _flank(m: Measures) -> Floats:
    """The angle off the player's front, while the squad sees the player."""
    return m.living(np.where(m.engaged(), m.bearing(), np.nan))


def _cover_distance(m: Measures) -> Floats:
    """The way to the nearest hiding place out of the player's line; 0 for who is hidden already."""
    p = m.play
    t, w, n = p.alive.shape
    out = np.full((t, w, n), np.nan)
    for k, tables in enumerate(m.maps):
        if not len(tables.cover):
            continue
        eye = np.broadcast_to(p.player[:, k, None], (t, *tables.cover.shape))
        clear = np.asarray(line_of_sight(eye, tables.cover[None], tables.opaque_edges))  # t p
        way = sample_fields(tables, tables.path_field(tables.cover), p.pos[:, k])  # p t n
        way = np.where(clear.T[:, :, None], UNREACHABLE, way).min(0)
        out[:, k] = np.where(way < UNREACHABLE, way, np.nan)
    return m.living(np.where(m.sight(), out, 0.0))


def sample_fields(
    tables: MapTables, fields: Float[np.ndarray, "p r c"], xy: Float[np.ndarray, "t n 2"]
) -> Float[np.ndarray, "p t n"]:
    """Interpolates path fields bilinearly."""
    rows, columns = tables.walkable.shape
    x = np.clip((xy[..., 0] - tables.bounds[0]) / CELL, 0, columns - 1.001)
    y = np.clip((xy[..., 1] - tables.bounds[1]) / CELL, 0, rows - 1.001)
    i, j = y.astype(np.int64), x.astype(np.int64)
    fx, fy = x - j, y - i
    low = fields[:, i, j] * (1 - fx) + fields[:, i, j + 1] * fx
    high = fields[:, i + 1, j] * (1 - fx) + fields[:, i + 1, j + 1] * fx
    between: Floats = low * (1 - fy) + high * fy
    return between


def _leader_distance(m: Measures) -> Floats:
    p = m.play
    same = (p.squad[:, :, None] == p.squad[:, None]) & p.leader[:, None, :]  # w n leader
    has = same.any(-1)
    lead = same.argmax(-1)  # w n
    at = np.take_along_axis(p.pos, lead[None, ..., None], axis=2)
    alive = np.take_along_axis(p.alive, np.broadcast_to(lead, p.alive.shape), axis=2)
    led = has & ~p.leader
    return m.living(np.where(led & alive, np.linalg.norm(p.pos - at, axis=-1), np.nan))


def _mates(m: Measures) -> Bool[np.ndarray, "t w n n"]:
    p = m.play
    same = (p.squad[:, :, None] == p.squad[:, None]) & ~np.eye(p.squad.shape[1], dtype=np.bool_)
    both: Bools = same & p.alive[:, :, :, None] & p.alive[:, :, None]
    return both


def _crowded(m: Measures) -> Floats:
    p, mates = m.play, _mates(m)
    gap = np.linalg.norm(p.pos[:, :, :, None] - p.pos[:, :, None], axis=-1)
    close = ((gap < CROWDED_M) & mates).any(-1).astype(np.float64)
    return m.living(np.where(mates.any(-1), close, np.nan))


def _bearing_gap(m: Measures) -> Floats:
    """The angle, seen from the player, to the nearest squad mate, while the squad sees the player."""
    gap = -m.to_player()
    side = np.arctan2(gap[..., 1], gap[..., 0])  # t w n, seen from the player
    mates = _mates(m)
    angle = np.where(mates, np.abs(_wrap(side[..., :, None] - side[..., None, :])), ALONE_RAD)
    return m.living(np.where(mates.any(-1) & m.engaged(), angle.min(-1), np.nan))


def _danger(m: Measures) -> Floats:
    p = m.play
    gap = np.linalg.norm(p.pos[:, :, :, None] - p.grenades[:, :, None], axis=-1)  # t w n g
    depth = np.clip(1.0 - gap / BLAST_M, 0.0, 1.0) * p.armed[:, :, None]
    return m.living(1.0 - (1.0 - depth).prod(-1))


def _unseen(m: Measures) -> Floats:
    """1 while nobody of the NPC's squad sees the player."""
    return m.living(1.0 - m.engaged())


METRICS: dict[str, Callable[[Measures], Floats]] = {
    "range_error_m": _range_error,
    "player_path_m": _player_path,
    "exposed_fraction": _exposed,
    "los_fraction": _los,
    "flank_angle_rad": _flank,
    "cover_distance_m": _cover_distance,
    "leader_distance_m": _leader_distance,
    "crowded_fraction": _crowded,
    "bearing_gap_rad": _bearing_gap,
    "danger_mean": _danger,
    "damage_taken_hp": lambda m: m.play.taken[None].astype(np.float64),
    "damage_dealt_hp": lambda m: m.play.dealt[None].astype(np.float64),
    "unseen_fraction": _unseen,
    "home_distance_m": lambda m: m.living(np.linalg.norm(m.play.pos - m.play.home, axis=-1)),
    "speed_m_s": lambda m: m.living(np.linalg.norm(m.play.vel, axis=-1)),
    "acceleration_m_s2": lambda m: m.play.acceleration[None],
    "plan_change_m": lambda m: m.play.plan_change[None],
}


def _wrap(angle: Floats) -> Floats:
    wrapped: Floats = (angle + np.pi) % (2 * np.pi) - np.pi
    return wrapped


def mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Returns the mean of what is not NaN; NaN where nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as documented
        found: Floats = np.nanmean(values, axis=axis)
    return found
