"""The tensors behind the vocabulary: each computed at most once per batch, and only when a term asks."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from npc_sdk.errors import InputError, nearest
from npc_sdk.objectives.sight import line_of_sight
from npc_sdk.objectives.situation import Situation

ALONE = 24.0  # m, the distance of a squad mate one does not have
SOFT_CONE = 0.15  # rad over which the edge of the view cone fades
SOFT_REACH = 1.0  # m over which the end of the view fades
Values = Float[Tensor, "n s h"]


class Quantities:
    """Named quantities of one situation, each broadcastable to n s h."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self._known: dict[str, Tensor] = {}

    def __call__(self, name: str) -> Tensor:
        """Returns a quantity by name.

        Raises:
            InputError: nobody defined it.
        """
        value = self._known.get(name)
        if value is None:
            compute = _COMPUTE.get(name)
            if compute is None:
                raise InputError(f"unknown quantity {name!r}{nearest(name, _COMPUTE)}")
            value = compute(self)
            self._known[name] = value
        return value


def _distance(gap: Tensor) -> Tensor:
    return torch.hypot(gap[..., 0], gap[..., 1])


def _to_player(q: Quantities) -> Tensor:
    """The vector from the NPC to the player: n s h 2."""
    key = "to player"
    if key not in q._known:
        q._known[key] = q.situation.player[..., :2] - q.situation.own[..., :2]
    return q._known[key]


def _acceleration(q: Quantities) -> Values:
    own, start = q.situation.own[..., 2:], q.situation.start[:, None, None, 2:]
    before = torch.cat([start.expand(-1, own.shape[1], -1, -1), own[:, :, :-1]], 2)
    return _distance(own - before) / q.situation.dt


def _bearing_angle(q: Quantities) -> Values:
    gap, facing = _to_player(q), q.situation.player[..., 4:]
    ahead = -(gap * facing).sum(-1)
    aside = gap[..., 0] * facing[..., 1] - gap[..., 1] * facing[..., 0]
    return torch.atan2(aside.abs(), ahead)


def _player_path(q: Quantities) -> Values:
    """The way to where the player is believed now, made longer or shorter by as much as the straight line will be."""
    s = q.situation
    now = _distance(s.own[..., :2] - s.target[:, None, None])
    straight = q("player.distance")
    return torch.maximum(s.player_path.at(s.own[..., :2]) + straight - now, straight)


def _sees_me(q: Quantities) -> Values:
    s = q.situation
    inside = torch.sigmoid((s.view.half_angle - q("player.bearing_angle")) * (4.0 / SOFT_CONE))
    near = torch.sigmoid((s.view.reach - q("player.distance")) * (4.0 / SOFT_REACH))
    return q("player.los") * inside * near


def _ally_distance(q: Quantities) -> Values:
    s = q.situation
    if s.allies.shape[1] == 0:
        return torch.full_like(s.spread, ALONE)
    gap = s.own[:, :, None, :, :2] - s.allies[:, None, :, :, :2]  # n s a h 2
    apart = _distance(gap).masked_fill(~s.allied[:, None, :, None], ALONE)
    return apart.amin(2)


def _bearing_gap(q: Quantities) -> Values:
    s = q.situation
    if s.allies.shape[1] == 0:
        return torch.full_like(s.spread, math.pi)
    mine = -_to_player(q)[:, :, None]  # n s 1 h 2
    theirs = s.allies[:, None, :, :, :2] - s.player[:, :, None, :, :2]  # n s a h 2
    along = torch.nn.functional.normalize(mine, dim=-1) * torch.nn.functional.normalize(theirs, dim=-1)
    cosine = along.sum(-1).masked_fill(~s.allied[:, None, :, None], -1.0).amax(2)
    return torch.acos(cosine.clamp(-1.0, 1.0))


def _squad_distance(q: Quantities) -> Values:
    s = q.situation
    many = s.allied.sum(1)  # n
    share = s.allied / many.clamp_min(1)[:, None]  # n a
    middle = torch.einsum("na,nahc->nhc", share, s.allies[..., :2])
    return _distance(s.own[..., :2] - middle[:, None]) * (many > 0)[:, None, None]


def _leader_distance(q: Quantities) -> Values:
    s = q.situation
    return _distance(s.own[..., :2] - s.leader[:, None, :, :2]) * s.led[:, None, None]


def _danger(q: Quantities) -> Values:
    s = q.situation
    if s.grenades.shape[1] == 0:
        return torch.zeros_like(s.spread)
    reach = s.blast.radius + s.blast.margin
    gap = _distance(s.own[:, :, None, :, :2] - s.grenades[:, None, :, :, :2])  # n s g h
    depth = ((reach - gap) / reach).clamp(0.0, 1.0)
    left = s.fuse[:, :, None] - s.dt * torch.arange(s.own.shape[2], device=s.own.device, dtype=s.own.dtype)  # n g h
    soon = torch.exp(-left / s.blast.patience) * (left > 0) * s.armed[:, :, None]
    return 1.0 - (1.0 - depth * soon[:, None]).prod(2)


def _time(q: Quantities) -> Tensor:
    own = q.situation.own
    return q.situation.dt * torch.arange(1, own.shape[2] + 1, device=own.device, dtype=own.dtype)


def _previous(q: Quantities) -> Values:
    s = q.situation
    return _distance(s.own[..., :2] - s.previous[:, None]) * s.planned[:, None, None]


def _row(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, None, None]


_COMPUTE: dict[str, Callable[[Quantities], Tensor]] = {
    "self.x": lambda q: q.situation.own[..., 0],
    "self.y": lambda q: q.situation.own[..., 1],
    "self.vx": lambda q: q.situation.own[..., 2],
    "self.vy": lambda q: q.situation.own[..., 3],
    "self.speed": lambda q: _distance(q.situation.own[..., 2:]),
    "self.acceleration": _acceleration,
    "self.wall": lambda q: q.situation.walls.at(q.situation.own[..., :2]),
    "self.health": lambda q: _row(q.situation.health, q.situation.own),
    "self.ammo": lambda q: _row(q.situation.ammo, q.situation.own),
    "player.x": lambda q: q.situation.player[..., 0],
    "player.y": lambda q: q.situation.player[..., 1],
    "player.vx": lambda q: q.situation.player[..., 2],
    "player.vy": lambda q: q.situation.player[..., 3],
    "player.speed": lambda q: _distance(q.situation.player[..., 2:4]),
    "player.spread": lambda q: q.situation.spread,
    "player.distance": lambda q: _distance(_to_player(q)),
    "player.bearing_angle": _bearing_angle,
    "player.path": _player_path,
    "player.los": lambda q: line_of_sight(q.situation.sight, q.situation.own[..., :2], q.situation.player[..., :2]),
    "player.sees_me": _sees_me,
    "player.unseen": lambda q: _row(q.situation.unseen, q.situation.own),
    "player.age": lambda q: _row(q.situation.age, q.situation.own),
    "player.cleared": lambda q: _row(q.situation.cleared, q.situation.own),
    "search.path": lambda q: q.situation.search_path.at(q.situation.own[..., :2]),
    "leader.x": lambda q: q.situation.leader[:, None, :, 0],
    "leader.y": lambda q: q.situation.leader[:, None, :, 1],
    "leader.distance": _leader_distance,
    "home.distance": lambda q: _distance(q.situation.own[..., :2] - q.situation.home[:, None, None]),
    "home.path": lambda q: q.situation.home_path.at(q.situation.own[..., :2]),
    "ally.distance": _ally_distance,
    "ally.bearing_gap": _bearing_gap,
    "squad.distance": _squad_distance,
    "cover.distance": lambda q: q.situation.cover.at(q.situation.own[..., :2]),
    "danger": _danger,
    "plan.change": _previous,
    "event.hit_taken": lambda q: q.situation.events[..., 0],
    "event.hit_dealt": lambda q: q.situation.events[..., 1],
    "event.player_fires": lambda q: q.situation.events[..., 2],
    "time": _time,
}
