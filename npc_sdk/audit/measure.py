"""Distances for the checker, from first principles: what is checked must not be checked by its own code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float


def closest_on_path(
    start: Float[np.ndarray, "... 2"], end: Float[np.ndarray, "... 2"], point: Float[np.ndarray, "... 2"]
) -> Float[np.ndarray, ...]:
    """Returns the smallest distance of a point moving straight from `start` to `end` from a resting one."""
    way = end - start
    length = _dot(way, way)
    when = _dot(point - start, way) / np.where(length > 0.0, length, 1.0)
    when = np.clip(np.where(length > 0.0, when, 0.0), 0.0, 1.0)
    left = start + when[..., None] * way - point
    return np.asarray(np.sqrt(_dot(left, left)))


def _dot(first: Float[np.ndarray, "... 2"], second: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Multiplies vectors; much faster than a sum over two numbers."""
    return np.asarray(first[..., 0] * second[..., 0] + first[..., 1] * second[..., 1])


def crosses(
    start: Float[np.ndarray, "... 2"],
    end: Float[np.ndarray, "... 2"],
    first: Float[np.ndarray, "... 2"],
    second: Float[np.ndarray, "... 2"],
) -> Bool[np.ndarray, ...]:
    """Says whether the path start..end properly meets the wall first..second, by solving for both parameters."""
    way, wall, offset = end - start, second - first, first - start
    area = way[..., 0] * wall[..., 1] - way[..., 1] * wall[..., 0]
    safe = np.where(area == 0.0, 1.0, area)
    along = (offset[..., 0] * wall[..., 1] - offset[..., 1] * wall[..., 0]) / safe
    across = (offset[..., 0] * way[..., 1] - offset[..., 1] * way[..., 0]) / safe
    return np.asarray((area != 0.0) & (along >= 0.0) & (along <= 1.0) & (across >= 0.0) & (across <= 1.0))


def path_to_outline(
    start: Float[np.ndarray, "k 2"], end: Float[np.ndarray, "k 2"], corners: Float[np.ndarray, "v 2"]
) -> Float[np.ndarray, " k"]:
    """Returns the smallest distance of each path from a closed outline; 0 where it meets it."""
    return path_to_walls(start, end, corners, np.roll(corners, -1, axis=0))


def path_to_walls(
    start: Float[np.ndarray, "k 2"],
    end: Float[np.ndarray, "k 2"],
    first: Float[np.ndarray, "v 2"],
    second: Float[np.ndarray, "v 2"],
) -> Float[np.ndarray, " k"]:
    """Returns the smallest distance of each path from any of some walls; 0 where it meets one."""
    a, b = start[:, None], end[:, None]  # k 1 2
    gap = np.minimum(closest_on_path(a, b, first), closest_on_path(first, second, a))
    gap = np.minimum(gap, closest_on_path(first, second, b))  # k v
    return np.asarray(np.where(crosses(a, b, first, second), 0.0, gap).min(axis=1))


def path_to_path(
    start: Float[np.ndarray, "k 2"],
    end: Float[np.ndarray, "k 2"],
    first: Float[np.ndarray, "k 2"],
    second: Float[np.ndarray, "k 2"],
) -> Float[np.ndarray, " k"]:
    """Returns the smallest distance of each path from another one, wherever on them the two bodies are."""
    gap = np.minimum(closest_on_path(start, end, first), closest_on_path(start, end, second))
    gap = np.minimum(gap, np.minimum(closest_on_path(first, second, start), closest_on_path(first, second, end)))
    return np.asarray(np.where(crosses(start, end, first, second), 0.0, gap))


def winding(point: Float[np.ndarray, "k 2"], corners: Float[np.ndarray, "v 2"]) -> Bool[np.ndarray, " k"]:
    """Says whether each point is inside, by the angle that the outline turns about it; beyond its box none can be."""
    inside = np.asarray(np.all((point >= corners.min(axis=0)) & (point <= corners.max(axis=0)), axis=1))
    ray = corners - point[inside, None]  # k v 2
    following = np.roll(ray, -1, axis=1)
    cross = ray[..., 0] * following[..., 1] - ray[..., 1] * following[..., 0]
    inside[inside] = np.abs(np.arctan2(cross, _dot(ray, following)).sum(axis=1)) > np.pi
    return inside


def zone_margin(
    start: Float[np.ndarray, "k 2"],
    end: Float[np.ndarray, "k 2"],
    corners: Float[np.ndarray, "v 2"],
    radius: Float[np.ndarray, " k"],
    keep_in: bool,
) -> Float[np.ndarray, " k"]:
    """Returns how much room a disc that moves straight keeps from the forbidden side, m; negative is overlap."""
    gap, depth = path_to_outline(start, end, corners), np.full(len(start), -np.inf)
    for place in (start, end):
        wrong = winding(place, corners) != keep_in
        depth[wrong] = np.maximum(depth[wrong], path_to_outline(place[wrong], place[wrong], corners))
    return np.asarray(np.where(depth >= 0.0, -depth, gap) - radius)


def closest_approach(start: Float[np.ndarray, "... 2"], end: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns how near two bodies come that both move straight, given their offset before and after."""
    return closest_on_path(start, end, np.zeros_like(start))


def coast_to_rest(
    position: Float[np.ndarray, "k 2"],
    velocity: Float[np.ndarray, "k 2"],
    braking: Float[np.ndarray, " k"],
    dt: float,
) -> Float[np.ndarray, "k 2"]:
    """Returns where bodies rest that brake from now on, tick by tick."""
    place, speed = position.copy(), np.linalg.norm(velocity, axis=-1)
    heading = velocity / np.where(speed > 0.0, speed, 1.0)[:, None]
    while np.any(speed > 0.0):
        speed = np.maximum(speed - braking * dt, 0.0)
        place = place + heading * (speed * dt)[:, None]
    return place


def turned_by(before: Float[np.ndarray, "... 2"], after: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, ...]:
    """Returns the angle between two velocities, rad; 0 where one of them is nothing."""
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    along = _dot(before, after) + 0.0  # of nothing, -0.0 would be half a turn
    return np.asarray(np.abs(np.arctan2(cross, along)))


def off_grid(way: Float[np.ndarray, "... 2"], cell: float, diagonals: bool) -> Float[np.ndarray, ...]:
    """Returns how far a tick's way is from the nearest step by a cell, along an axis or both, or none, m."""
    steps = [complex(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if diagonals or x == 0 or y == 0]
    off = (way[..., 0] + 1j * way[..., 1])[..., None] - cell * np.array(steps)
    return np.asarray(np.abs(off).min(axis=-1))


def mesh_outline(polygons: Sequence[Float[np.ndarray, "v 2"]], spacing: float) -> Float[np.ndarray, "q 2 2"]:
    """Returns the pieces of the polygons' edges that are the outline of their union, by their ends.

    Those are what has one side in none of the polygons. Where that changes along an edge, between two points
    `spacing` apart, the place is searched for by halving.
    """
    first = np.concatenate(polygons)
    way = np.concatenate([np.roll(corners, -1, axis=0) for corners in polygons]) - first
    length = np.linalg.norm(way, axis=1)
    aside = 1e-5 * np.stack([way[:, 1], -way[:, 0]], 1) / length[:, None]
    counts = np.maximum(2, np.ceil(length / spacing).astype(int) + 1)
    edge = np.repeat(np.arange(len(first)), counts)
    along = np.concatenate([np.linspace(0.0, 1.0, count) for count in counts])
    outer = _borders(first[edge] + along[:, None] * way[edge], aside[edge], polygons)
    same = edge[1:] == edge[:-1]
    change = np.flatnonzero((outer[1:] != outer[:-1]) & same)
    low, high, side = along[change], along[change + 1], edge[change]
    for _ in range(30):
        middle = 0.5 * (low + high)
        as_low = _borders(first[side] + middle[:, None] * way[side], aside[side], polygons) == outer[change]
        low, high = np.where(as_low, middle, low), np.where(as_low, high, middle)
    starts = np.append(outer[0], outer[1:] & ~(outer[:-1] & same))
    ends = np.append(outer[:-1] & ~(outer[1:] & same), outer[-1])
    begin, finish = along.copy(), along.copy()
    begin[change + 1], finish[change] = high, low
    at_first, at_last = np.flatnonzero(starts), np.flatnonzero(ends)
    pieces = [(begin, at_first), (finish, at_last)]
    return np.stack([first[edge[row]] + place[row][:, None] * way[edge[row]] for place, row in pieces], axis=1)


def _borders(
    points: Float[np.ndarray, "k 2"], aside: Float[np.ndarray, "k 2"], polygons: Sequence[Float[np.ndarray, "v 2"]]
) -> Bool[np.ndarray, " k"]:
    """Says which points on edges have one side in no polygon."""
    sides = [np.any([winding(p, c) for c in polygons], axis=0) for p in (points - aside, points + aside)]
    return np.asarray(~(sides[0] & sides[1]))


def mesh_margin(
    start: Float[np.ndarray, "k 2"],
    end: Float[np.ndarray, "k 2"],
    polygons: Sequence[Float[np.ndarray, "v 2"]],
    outline: Float[np.ndarray, "q 2 2"],
    radius: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """Returns how much room a disc that moves straight keeps within a union of polygons, m; negative is overlap."""
    gap = path_to_walls(start, end, outline[:, 0], outline[:, 1])
    there = np.any([winding(start, c) for c in polygons], axis=0) & np.any([winding(end, c) for c in polygons], axis=0)
    return np.asarray(np.where(there, gap, -gap) - radius)
