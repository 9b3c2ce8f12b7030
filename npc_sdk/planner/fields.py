"""Walking distances to the places NPCs may want to go, as grids on the device; recent ones are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.geometry import CELL, UNREACHABLE, MapTables, grid_index, grid_points, ray_distances
from npc_sdk.objectives.situation import Lookup
from npc_sdk.tensors import Grids

KEPT = 512  # grids per map, 10 kB each: a player wandering for minutes
FLANK_ANGLE = 1.9  # rad off the player's facing: out of a 120 degree cone, with room
FLANK_RANGES = (4.0, 6.0, 8.0)  # m; few, so that squad mates share ways
FLANK_HEADINGS = 24  # for the same reason the player's facing is rounded to 15 degrees
SEARCH_SECONDS = 3.0  # an NPC that finds nothing looks elsewhere after this
SEARCH_SPEED = 2.5  # m/s by which the searched disc grows
SEARCH_MOST = 10.0  # m
GOALS = ("player", "search", "flank_left", "flank_right", "cover", "regroup", "home")
_GOLDEN = 0.6180339887  # turns between neighbours' search directions, so that a squad fans out

COVER_FAR = np.float32(10.0)  # m; cover further off than this is as good as none
_RAYS = np.arange(720, dtype=np.float32) * np.float32(2 * np.pi / 720)
_GRAZE = np.float32(0.05)  # m a node may lie behind what its ray hits: rays are rounded, walls are not

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Goals:
    """Where each deciding NPC's wishes are, on the map `map` of each. All in m."""

    map: NDArray[np.int64]  # n
    player: Float[np.ndarray, "n 2"]  # as believed
    facing: Float[np.ndarray, " n"]  # rad, the player's, as believed
    own: Float[np.ndarray, "n 2"]
    leader: Float[np.ndarray, "n 2"]
    home: Float[np.ndarray, "n 2"]
    lost: Bool[np.ndarray, " n"]  # unseen, and the place of the last sighting is empty
    age: Float[np.ndarray, " n"]  # s since the last sighting
    ids: NDArray[np.int64]  # n


@dataclass(frozen=True, slots=True)
class Fields:
    """Walking distance in m from everywhere to each goal of each NPC: plane `index[n, goal]` of `grids`."""

    grids: Grids
    index: Int[Tensor, "n goals"]

    def to(self, goal: str) -> Lookup:
        """The way to one of GOALS."""
        return Lookup(self.grids, self.index[:, GOALS.index(goal)])


class MapWays:
    """Exact shortest ways on one map, from its road table: a way bends only at corners."""

    def __init__(self, tables: MapTables) -> None:
        self.tables = tables
        roads = tables.roads
        self._points = grid_points(tables.bounds, CELL, tables.walkable.shape).reshape(-1, 2).astype(np.float32)
        gap = np.linalg.norm(self._points[:, None] - roads.nodes[None].astype(np.float32), axis=-1)
        links = np.where(roads.sees, gap, np.float32(UNREACHABLE)).astype(np.float32)  # g corners
        self._near = _nearest_linked(self._points, roads.snap, links, tables.walkable.reshape(-1))
        self._beside = np.linalg.norm(self._points - self._points[self._near], axis=-1).astype(np.float32)
        self._links = np.ascontiguousarray(links[self._near].T)  # corners g
        self._onward = roads.between.astype(np.float32)
        x0, y0, x1, y1 = tables.bounds
        self._longest = np.float32(2 * (x1 - x0 + y1 - y0))  # no way is longer; cut-off places are this far
        self._walls = roads.walls.astype(np.float32)
        self._opaque = tables.opaque_edges.astype(np.float32)
        self._kept: OrderedDict[tuple[str, int], Floats] = OrderedDict()

    def way(self, spot: int) -> Floats:
        """Metres of way from every grid node to the walkable node `spot`: r c."""
        return self._keep("way", spot, self._way)

    def cover(self, spot: int) -> Floats:
        """Metres of way from every grid node to the nearest place that `spot` cannot see: r c."""
        return self._keep("cover", spot, self._cover)

    def spot(self, xy: Float[np.ndarray, "k 2"]) -> NDArray[np.int64]:
        """The walkable nodes nearest to some places."""
        return self.tables.roads.snap[grid_index(self.tables.bounds, self.tables.walkable.shape, xy)].astype(np.int64)

    def _keep(self, kind: str, spot: int, make: Callable[[int], Floats]) -> Floats:
        found = self._kept.get((kind, spot))
        if found is None:
            found = make(spot).reshape(self.tables.walkable.shape).astype(np.float32)
            self._kept[kind, spot] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end((kind, spot))
        return found

    def _way(self, spot: int) -> Floats:
        goal = self._points[spot]
        gap = self._points - goal
        length = np.sqrt(gap[:, 0] * gap[:, 0] + gap[:, 1] * gap[:, 1])
        if len(self._onward):
            onward = (self._onward + self._links[:, spot]).min(-1) + self._beside[spot]  # corners
            around = np.full_like(length, UNREACHABLE)
            for link, rest in zip(self._links, onward, strict=True):
                np.minimum(around, link + rest, out=around)
            around += self._beside
            length = np.where(self._seen(spot, self._walls, length), length, around)
        out: Floats = np.minimum(length, self._longest)
        return out

    def _cover(self, spot: int) -> Floats:
        distance = np.linalg.norm(self._points - self._points[spot], axis=-1)
        hidden = ~self._seen(spot, self._opaque, distance) & self.tables.walkable.reshape(-1)
        near = np.where(hidden, np.float32(0.0), COVER_FAR).reshape(self.tables.walkable.shape)
        return _spread(near, self.tables.walkable, sweeps=round(COVER_FAR / CELL))

    def _seen(
        self, spot: int, edges: Float[np.ndarray, "v 4"], distance: Float[np.ndarray, " g"]
    ) -> Bool[np.ndarray, " g"]:
        """Which nodes the spot sees: one ray per half degree, a third of the time of one segment per node."""
        gap = self._points - self._points[spot]
        reach = ray_distances(self._points[spot], _RAYS, edges, float(self._longest))
        turn = np.arctan2(gap[:, 1], gap[:, 0]) * np.float32(len(_RAYS) / (2 * np.pi))
        out: Bool[np.ndarray, " g"] = distance <= reach[np.rint(turn).astype(np.int64) % len(_RAYS)] + _GRAZE
        return out


def _nearest_linked(
    points: Float[np.ndarray, "g 2"],
    snap: NDArray[np.int32],
    links: Float[np.ndarray, "g corners"],
    walkable: Bool[np.ndarray, " g"],
) -> NDArray[np.int64]:
    """Finds for every node itself or the nearest walkable node from which some corner can be walked to straight."""
    linked = (links.min(1, initial=UNREACHABLE) < UNREACHABLE) & walkable
    near = snap.astype(np.int64)
    if not linked.any():
        return near
    known = np.flatnonzero(linked)
    for node in np.flatnonzero(~linked[near]):
        near[node] = known[np.argmin(np.square(points[known] - points[node]).sum(1))]
    return near


def _spread(field: Floats, walkable: Bool[np.ndarray, "r c"], sweeps: int) -> Floats:
    """Lets each node reach what its neighbours reach, in place and in turn, so that one sweep goes far one way."""
    rows, columns = field.shape
    out = np.pad(field, 1, constant_values=COVER_FAR)
    wall = np.pad(np.where(walkable, np.float32(0.0), COVER_FAR), 1, constant_values=COVER_FAR)
    inner = out[1:-1, 1:-1]
    through = np.empty_like(inner)
    for _ in range(sweeps):
        before = float(inner.sum())
        for dr, dc in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            beside = slice(1 + dr, rows + 1 + dr), slice(1 + dc, columns + 1 + dc)
            np.add(out[beside], wall[beside], out=through)
            through += np.float32(CELL * np.hypot(dr, dc))
            np.minimum(inner, through, out=inner)
        if float(inner.sum()) == before:
            break
    return inner.copy()


_kept_maps: OrderedDict[int, MapWays] = OrderedDict()  # by id of the tables, which each entry keeps alive
MOST_MAPS = 128


def _ways_of(tables: MapTables) -> MapWays:
    """Finds or makes a map's ways, so that a batch with other games in it need not start anew."""
    found = _kept_maps.get(id(tables))
    if found is None:
        found = _kept_maps[id(tables)] = MapWays(tables)
        if len(_kept_maps) > MOST_MAPS:
            _kept_maps.popitem(last=False)
    return found


class FieldBook:
    """The ways of all maps in play. Not thread-safe: one planner owns it."""

    def __init__(self, maps: Sequence[MapTables], device: torch.device) -> None:
        shapes = {m.walkable.shape for m in maps}
        if len(shapes) > 1:
            raise ValueError(f"expected maps of one size, got {sorted(shapes)}")
        self._ways = [_ways_of(m) for m in maps]
        self._device = device

    def fields(self, goals: Goals) -> Fields:
        """Looks up or computes the ways to every goal of every NPC; equal ones share a plane."""
        places = {
            "player": goals.player,
            "search": np.where(goals.lost[:, None], search_places(goals), goals.player),
            "flank_left": flank_places(goals, 1.0),
            "flank_right": flank_places(goals, -1.0),
            "cover": goals.player,
            "regroup": goals.leader,
            "home": goals.home,
        }
        planes: dict[tuple[int, str, int], int] = {}
        grids: list[Floats] = []
        index = np.zeros((len(goals.map), len(GOALS)), np.int64)
        for m in np.unique(goals.map):
            rows = np.flatnonzero(goals.map == m)
            ways = self._ways[m]
            for column, goal in enumerate(GOALS):
                kind = "cover" if goal == "cover" else "way"
                for row, spot in zip(rows, ways.spot(places[goal][rows]).tolist(), strict=True):
                    key = (int(m), kind, spot)
                    if key not in planes:
                        planes[key] = len(grids)
                        grids.append(ways.cover(spot) if kind == "cover" else ways.way(spot))
                    index[row, column] = planes[key]
        origins = np.array([self._ways[m].tables.bounds[:2] for m, _, _ in planes], np.float32).reshape(-1, 2)
        values = np.stack(grids) if grids else np.zeros((0, 2, 2), np.float32)
        return Fields(
            Grids(torch.from_numpy(values).to(self._device), torch.from_numpy(origins).to(self._device), CELL),
            torch.from_numpy(index).to(self._device),
        )


def flank_places(goals: Goals, side: float) -> Float[np.ndarray, "n 2"]:
    """Places beside the believed player, its left for side 1, at the one of FLANK_RANGES nearest to the NPC's own."""
    ranges = np.array(FLANK_RANGES)
    now = np.linalg.norm(goals.own - goals.player, axis=-1)
    reach = ranges[np.abs(ranges - now[:, None]).argmin(1)]
    facing = np.round(goals.facing * (FLANK_HEADINGS / (2 * np.pi))) * (2 * np.pi / FLANK_HEADINGS)
    return _around(goals.player, facing + side * FLANK_ANGLE, reach)


def search_places(goals: Goals) -> Float[np.ndarray, "n 2"]:
    """Places around the last sighting, ever wider; others every SEARCH_SECONDS; squad mates fan out."""
    epoch = np.floor(goals.age / SEARCH_SECONDS)
    turn = np.modf(_GOLDEN * (goals.ids + 7.0 * epoch))[0]
    reach = np.minimum(SEARCH_SPEED * np.maximum(epoch, 0.5) * SEARCH_SECONDS, SEARCH_MOST)
    near = 0.5 + 0.5 * np.modf(turn * 7.0)[0]
    return _around(goals.player, 2 * np.pi * turn, reach * near)


def _around(
    centre: Float[np.ndarray, "n 2"], angle: Float[np.ndarray, " n"], reach: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 2"]:
    out: NDArray[np.floating] = centre + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return out
