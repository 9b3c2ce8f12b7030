"""Rolls rows on by the update rule: the rule itself where gradients or a GPU are wanted, else the compiled kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from npc_sdk.geometry.roads import CELL
from npc_sdk.kernels import rollout as kernel
from npc_sdk.kernels.compiled import array, serves
from npc_sdk.world.destinations import Ways
from npc_sdk.world.forecast import DT
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
    runs = by_rule if torch.is_grad_enabled() or not serves(others) else by_kernel
    return runs(update, body, near, others, ways, terrain)


def moved(
    update: Update,
    body: Body,
    near: Near,
    others: Float[Tensor, "b k 4"],
    aim: Float[Tensor, "b q"],
    terrain: Terrain,
) -> Body:
    """Moves one body per scene on by one step; `aim` is what `Ways.look` would say."""
    if torch.is_grad_enabled() or not serves(others):
        after: Body = update(body, near, others, aim, terrain)[0]
        return after
    b = len(others)
    ways = Ways(
        table=aim,
        base=torch.arange(b)[:, None],
        origin=aim.new_zeros(b, 1, 2),
        last=aim.new_zeros(2),
        stride=aim.new_ones(2),
    )
    one = Body(
        *(part[:, None] for part in (body.pose, body.heading, body.z, body.variance, body.clearance, body.slope))
    )
    each = Near(near.heading[:, None], near.key[:, None], near.valid[:, None])
    walls = replace(terrain, base=terrain.base[:, None], shift=terrain.shift[:, None])
    course = by_kernel(update, one, each, others[None, :, None], ways, walls)
    pose, heading = course.path[:, 0, 0].split((4, 2), -1)
    return update.body(pose, heading, course.z[:, 0, 0], course.variance[:, 0, 0], terrain)


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


@torch.no_grad()
def by_kernel(
    update: Update, body: Body, near: Near, others: Float[Tensor, "h n s k 4"], ways: Ways, terrain: Terrain
) -> Course:
    """Rolls on by the kernel; agrees with the rule to float32 rounding."""
    h, n, s, k, _ = others.shape
    start = kernel.Start(
        np.repeat(np.arange(n), s),
        *(
            array(part.expand(n, s, *part.shape[2:]).reshape(n * s, *part.shape[2:])).copy()
            for part in (body.pose, body.heading, body.z, body.variance, body.clearance, body.slope)
        ),
    )
    beside = kernel.Beside(
        array(others.reshape(h, n * s, k, 4)), *(array(part[:, 0]) for part in (near.heading, near.key, near.valid))
    )
    blended = _ground(ways.table, ways.base, ways.origin / CELL, CELL, ways.last)
    path, z, variance, logits = (
        torch.from_numpy(found).unflatten(0, (n, s))
        for found in kernel.roll(_weights(update), start, beside, _walls(terrain), blended)
    )
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
    rows = n * s * h
    seen, units, way = (np.empty(shape, np.float32) for shape in ((rows, RELATION), (rows, 1, 2), (rows, 2)))
    kernel.relate(
        _walls(terrain),
        np.repeat(np.arange(n), s * h),
        *(array(part.reshape(rows, -1)) for part in (pose, heading)),
        array(own.reshape(rows, 1, 4)),
        array(facing[:, None]),
        way,
        seen,
        units,
    )
    return torch.from_numpy(seen).reshape(n, s, h, RELATION)


def _walls(terrain: Terrain) -> kernel.Ground:
    return _ground(terrain.flat, terrain.base, terrain.shift, terrain.cell, terrain.last)


def _ground(flat: Tensor, base: Tensor, shift: Tensor, cell: float, last: Tensor) -> kernel.Ground:
    """One row per group."""
    size = (int(edge) + 1 for edge in last)
    return kernel.Ground(array(flat), array(base[:, 0]), array(shift[:, 0]), np.float32(cell), *size)


def _weights(update: Update) -> kernel.Weights:
    attend, config = update.attend, update.config
    return kernel.Weights(
        relation=array(attend.relation.weight.T),
        own=array(attend.own.weight.T),
        score=array(attend.score.weight.T),
        first=array(update.first.weight.T),
        first_bias=array(update.first.bias),
        second=array(update.second.weight.T),
        second_bias=array(update.second.bias),
        last=array(update.last.weight.T),
        last_bias=array(update.last.bias),
        leak=array(update.leak.sigmoid()),
        ring=array(update.ring),
        limits=np.array([config.max_turn_speed, config.max_speed, config.radius, DT], np.float32),
    )
