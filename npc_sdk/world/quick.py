"""Rolls rows on by the update rule: by compiled loops on a CPU, by the rule itself elsewhere.

The loops carry gradients back for one row per group, which is what training rolls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from npc_sdk.geometry.roads import CELL
from npc_sdk.kernels import rollout as kernel
from npc_sdk.kernels.arrays import array, serves
from npc_sdk.world import rolling
from npc_sdk.world.destinations import AIM, Ways
from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import RELATION, Body, Near, Update, relate


@dataclass(frozen=True, slots=True)
class Course:
    """Where rows went; entry k of axis `h` is where a row is after step k + 1."""

    path: Float[Tensor, "*r h 6"]  # pose and heading
    z: Float[Tensor, "*r h d"]
    variance: Float[Tensor, "*r h"]
    logits: Float[Tensor, "*r h 2"]  # player fires, player is alive


def run(
    update: Update, body: Body, near: Near, others: Float[Tensor, "h n s k 4"], ways: Ways, terrain: Terrain
) -> Course:
    """Rolls each of `s` rows of `n` groups on; a group shares `near`, `ways` and `terrain`."""
    plain = not serves(others) or (torch.is_grad_enabled() and others.shape[2] != 1)
    return (by_rule if plain else by_kernel)(update, body, near, others, ways, terrain)


def moved(update: Update, body: Body, near: Near, others: Float[Tensor, "b k 4"], ways: Ways, terrain: Terrain) -> Body:
    """Moves one body per scene on by one step."""
    course = alone(update, body, near, others[None], ways, terrain)
    pose, heading = course.path[:, 0].split((4, 2), -1)
    return update.body(pose, heading, course.z[:, 0], course.variance[:, 0], terrain)


def look(ways: Ways, place: Float[Tensor, "b 2"]) -> Float[Tensor, "b q"]:
    """Says what `Ways.look` does, at one place per scene."""
    if not serves(place):
        return ways.look(place)
    told = np.empty((len(place), AIM), np.float32)
    kernel.look(_field(ways.rows(torch.arange(len(place))[:, None]), kept=False), array(place), told)
    return torch.from_numpy(told)


def alone(
    update: Update, body: Body, near: Near, others: Float[Tensor, "h b k 4"], ways: Ways, terrain: Terrain
) -> Course:
    """Rolls one body per scene on, with gradients where they are wanted."""
    course = run(
        update,
        Body(*(part[:, None] for part in (body.pose, body.heading, body.z, body.variance, body.clearance, body.slope))),
        Near(near.heading[:, None], near.key[:, None], near.valid[:, None]),
        others[:, :, None],
        ways.rows(torch.arange(others.shape[1], device=others.device)[:, None]),
        replace(terrain, base=terrain.base[:, None], shift=terrain.shift[:, None]),
    )
    return Course(course.path[:, 0], course.z[:, 0], course.variance[:, 0], course.logits[:, 0])


def by_rule(
    update: Update, body: Body, near: Near, others: Float[Tensor, "h *r k 4"], ways: Ways, terrain: Terrain
) -> Course:
    """Rolls on by the rule."""
    bodies, logits, axis = [], [], others.ndim - 3
    for around in others:
        body, logit = update(body, near, around, ways.look(body.pose[..., :2]), terrain)
        bodies.append(body)
        logits.append(logit)
    return Course(
        path=torch.stack([torch.cat([b.pose, b.heading], -1) for b in bodies], axis),
        z=torch.stack([b.z for b in bodies], axis),
        variance=torch.stack([b.variance for b in bodies], axis),
        logits=torch.stack(logits, axis),
    )


def by_kernel(
    update: Update, body: Body, near: Near, others: Float[Tensor, "h n s k 4"], ways: Ways, terrain: Terrain
) -> Course:
    """Rolls on by the kernel; agrees with the rule to float32 rounding, and so do the gradients.

    Where gradients are wanted each group must be a single row (s = 1).
    """
    h, n, s, k, _ = others.shape
    rows = n * s
    start = tuple(
        part.expand(n, s, *part.shape[2:]).reshape(rows, *part.shape[2:])
        for part in (body.pose, body.heading, body.z, body.variance, body.clearance, body.slope)
    )
    beside = kernel.Beside(
        array(others.reshape(h, rows, k, 4)), *(array(part[:, 0]) for part in (near.heading, near.key, near.valid))
    )
    given = rolling.Given(start, beside, _walls(terrain), _field(ways, kept=h > 1))
    if torch.is_grad_enabled():
        if s != 1:
            raise ValueError(f"by_kernel: with gradients expected one row per group, got {s}")
        found = rolling.with_gradients(update, given, near.key[:, 0])
    else:
        found = rolling.rolled(update, given, steps=1)[0]
    path, z, variance, logits = (part.unflatten(0, (n, s)) for part in found)
    return Course(path, z, variance, logits)


def related(
    player: Float[Tensor, "n s h 6"], own: Float[Tensor, "n s h 4"], facing: Float[Tensor, "n 2"], terrain: Terrain
) -> Float[Tensor, "n s h f"]:
    """Describes one body of each group as the player sees it along both paths; `terrain` has one row per group."""
    n, s, h, _ = own.shape
    pose, heading = player.split((4, 2), -1)
    if torch.is_grad_enabled() or not serves(own):
        walls = replace(terrain, base=terrain.base[:, :, None], shift=terrain.shift[:, :, None])
        return relate(pose, heading, own[..., None, :], facing[:, None, None, None].expand(n, s, h, 1, 2), walls)[0][
            ..., 0, :
        ]
    group, rows = np.repeat(np.arange(n), s * h), n * s * h
    seen, _ = _seen(
        group, pose.reshape(rows, 4), heading.reshape(rows, 2), own.reshape(rows, 1, 4), facing[:, None], terrain
    )
    return seen.reshape(n, s, h, RELATION)


@torch.no_grad()
def around(
    pose: Float[Tensor, "b 4"],
    heading: Float[Tensor, "b 2"],
    others: Float[Tensor, "b k 4"],
    facing: Float[Tensor, "b k 2"],
    terrain: Terrain,
) -> tuple[Float[Tensor, "b k f"], Float[Tensor, "b k 2"]]:
    """Says what `relate` does, for one body per scene."""
    if not serves(pose):
        return relate(pose, heading, others, facing, terrain)
    alone = replace(terrain, base=terrain.base[:, None], shift=terrain.shift[:, None])
    return _seen(np.arange(len(pose)), pose, heading, others, facing, alone)


def _seen(
    group: NDArray[np.int64],
    pose: Float[Tensor, "r 4"],
    heading: Float[Tensor, "r 2"],
    others: Float[Tensor, "r k 4"],
    facing: Float[Tensor, "g k 2"],
    terrain: Terrain,
) -> tuple[Float[Tensor, "r k f"], Float[Tensor, "r k 2"]]:
    """Runs the kernel that relates; row r belongs to group `group[r]`."""
    rows, near = others.shape[:2]
    seen, units = np.empty((rows * near, RELATION), np.float32), np.empty((rows, near, 2), np.float32)
    given = (array(part) for part in (pose, heading, others, facing))
    kernel.relate(_walls(terrain), group, *given, np.empty((rows, 2), np.float32), seen, units)
    return torch.from_numpy(seen).reshape(rows, near, RELATION), torch.from_numpy(units)


def _walls(terrain: Terrain) -> kernel.Ground:
    return _ground(terrain.flat, terrain.base, terrain.shift, terrain.cell, terrain.last)


def _field(ways: Ways, *, kept: bool) -> kernel.Field:
    """The blended field; `kept`: nodes will be read more than once, so what is read is worth keeping."""
    places = ways.places
    stored, turn = places.split(ways.index)
    return kernel.Field(
        table=np.full((len(stored), places.way.shape[1] if kept else 0, AIM), np.nan, np.float32),
        share=array(ways.share),
        way=array(places.way),
        stored=array(stored),
        order=array(places.order),
        turn=array(turn),
        origin=array(places.origin[stored]),
        scene=array(ways.scene[:, 0]),
        cell=np.float32(CELL),
        columns=places.columns,
    )


def _ground(flat: Tensor, base: Tensor, shift: Tensor, cell: float, last: Tensor) -> kernel.Ground:
    """One row per group."""
    size = (int(edge) + 1 for edge in last)
    return kernel.Ground(array(flat), array(base[:, 0]), array(shift[:, 0]), np.float32(cell), *size)
