"""Compiles every kernel ahead of the first game: seconds on a new machine, a blink once they lie on disk."""

from __future__ import annotations

import numpy as np

from npc_sdk.kernels import certificate, moving, outlines, places, plans, rollout, ways
from npc_sdk.kernels.compiled import AVAILABLE


def warm_up() -> None:
    """Runs each kernel once on the smallest input, so that no decision waits for a compiler."""
    if not AVAILABLE:
        return

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    index, one = np.zeros(1, np.int64), np.float32(1.0)
    weights = rollout.Weights(
        relation=zeros(15, 4),
        own=zeros(2, 4),
        score=zeros(4, 2),
        first=zeros(2 + 4 + 4 + 1 + 9 + 3, 4),
        first_bias=zeros(4),
        second=zeros(4, 4),
        second_bias=zeros(4),
        last=zeros(4, 2 + 3 * 12 + 3),
        last_bias=zeros(2 + 3 * 12 + 3),
        leak=zeros(2),
        ring=zeros(1, 2),
        limits=np.ones(4, np.float32),
    )
    start = rollout.Start(index, zeros(1, 4), zeros(1, 2), zeros(1, 2), zeros(1), zeros(1), zeros(1, 2))
    beside = rollout.Beside(zeros(1, 1, 1, 4), zeros(1, 1, 2), zeros(1, 1, 4), np.ones((1, 1), np.bool_))
    walls = rollout.Ground(zeros(4), index, zeros(1, 2), one, 2, 2)
    whole = np.zeros((1, 4), np.int64)
    field = rollout.Field(
        zeros(1, 4, 3), zeros(1, 1, 1), zeros(1, 4, 1), index, whole, index, zeros(1, 2), index, one, 2
    )
    rollout.relate(
        walls,
        index,
        start.pose,
        start.heading,
        beside.path[0],
        beside.heading,
        zeros(1, 2),
        zeros(1, 15),
        zeros(1, 1, 2),
    )
    rollout.roll(weights, start, beside, walls, field, rollout.tape(weights, 1, 1, 1, 1))
    rollout.look(field, zeros(1, 2), zeros(1, 3))
    map_ = places.Map(zeros(1, 1, 2), zeros(1, 4, 1), zeros(1, 2), zeros(1, 2, 2), index, index, one, 2)
    nobody = np.zeros(1, np.bool_)
    seen = places.Seen(zeros(1, 2), nobody, nobody, zeros(1, 1, 2), nobody[:, None])
    layers = places.Layers(zeros(places.INPUTS + 1, 4), zeros(4), zeros(1, 4), zeros(1), zeros(1), zeros(2))
    places.score(layers, map_, seen, zeros(1, 1, 3), zeros(1, 4), zeros(1, 1, places.INPUTS), zeros(1, 1, 3))
    limits = plans.Limits(zeros(1), zeros(1), one)
    pairs, no = zeros(0, 0, 2), zeros(0, 0)
    near = np.zeros((0, 0), np.bool_)
    held = plans.Held(
        zeros(0, 2), zeros(0), zeros(0), zeros(0), zeros(0, 0, 3), 0, pairs, pairs, no, no, near, zeros(0), one
    )
    plans.shape(plans.Planes(zeros(1, 2, 2), zeros(1, 2), one, index), limits, held, zeros(1, 4), zeros(1, 1, 1, 2))
    plans.follow(plans.Planes(zeros(1, 2, 2), zeros(1, 2), one, index[:, None]), limits, zeros(1, 4), 1, 0.0)
    ways.spread(zeros(1, 3, 3), zeros(8, 1, 1))
    _outlines()
    _certify()


def _outlines() -> None:
    """Asks of one triangle what is asked of a map's outlines."""
    edges, place = np.array([[-9.0, -9, 9, -9], [9, -9, 0, 9], [0, 9, -9, -9]]), np.zeros((1, 2))
    for kind in (np.float32, np.float64):
        outlines.sees(place.astype(kind), place.astype(kind), edges.astype(kind))
    outlines.signed_distance(place, edges, np.array([0, 3]))
    outlines.clearance(place, edges, np.array([0]), np.ones(1, np.bool_))


def _certify() -> None:
    """Lets the shield's loops judge one NPC at rest inside one triangle."""
    none, some, triangle = np.zeros(0), np.ones(1), np.array([[-9.0, -9, 9, -9], [9, -9, 0, 9], [0, 9, -9, -9]])
    pair, index, yes = np.zeros((1, 2)), np.zeros(1, np.int64), np.ones(1, np.bool_)
    rules = certificate.Rules(
        dt=1.0,
        spacing=np.zeros((1, 1)),
        widest=0.0,
        edges=triangle,
        shape_first=np.array([0, 3]),
        shape_kind=index,
        shape_inside=yes,
        shape_mask=yes[:, None],
        way_edges=np.zeros((0, 4)),
        way_first=index,
        way_kind=np.zeros(0, np.int64),
        way_binds=np.zeros((0, 1), np.bool_),
        moves=np.zeros((0, 2)),
        steers=False,
    )
    movers = certificate.Movers(
        index,
        index,
        pair,
        pair,
        pair,
        pair,
        np.zeros((1, 0, 2)),
        some,
        some,
        some,
        some,
        some,
        pair,
        some,
        some,
        some,
        np.zeros((1, 5)),
    )
    them = moving.Them(np.zeros((0, 2)), none, none, yes[:0], index[:0], np.zeros((1, 0), np.bool_), 0)
    terms, tried = certificate.Terms(1e-3, 0.0, 0.0), certificate.Tried(0.0, 0.0, some, some, some)
    certificate.certify(
        rules, movers, them, terms, tried, certificate.Columns(0, 1, 2, 3, 4, 5, 6, 7), np.zeros((1, 1, 2))
    )


if __name__ == "__main__":
    warm_up()
