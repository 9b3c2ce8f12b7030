"""Rules about where an NPC may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npc_sdk.constraints import KeepIn, KeepOut, Leash, Navmesh, NoStop
from npc_sdk.experiments.pictures.stage import BODY, Floats, Played, Stage, Wish, played, still, towards
from npc_sdk.experiments.pictures.view import ASKED, KEPT, Area, Floor, Picture, Way

_PIT = ((3.0, 1.7), (5.6, -1.1), (7.0, -0.9), (6.0, 0.3), (7.4, 1.7))
_HALL = ((0.5, -2.2), (5.2, -2.2), (5.2, 0.2), (9.6, 0.2), (9.6, 2.3), (0.5, 2.3))
_CELLS = (
    ((0.4, -1.9), (4.2, -1.9), (3.4, 0.1), (0.4, 0.6)),
    ((4.2, -1.9), (6.2, -1.0), (6.4, 0.6), (6.6, 2.2), (3.4, 0.1)),
    ((6.2, -1.0), (9.8, -1.9), (9.8, 0.7), (6.4, 0.6)),
)
_DOOR = ((4.6, -1.1), (5.8, -1.1), (5.8, 1.1), (4.6, 1.1))


def keep_out() -> Picture:
    """An NPC that wants to be on the other side of a pit."""
    stage = Stage((KeepOut("pit", _PIT),), np.array([[1.0, 0.6]]), 110, towards((9.2, -1.5)))
    return _seen("keep_out", "An NPC slides along the pit that it would have crossed", stage, (Area(_as(_PIT)),))


def keep_in() -> Picture:
    """An NPC whose way leads through what is not its hall."""
    stage = Stage((KeepIn("hall", _HALL),), np.array([[1.3, -1.4]]), 90, towards((9.0, 1.3)))
    return _seen(
        "keep_in",
        "An NPC keeps its whole body in a hall with a corner that it would have cut",
        stage,
        (Area(_as(_HALL), True),),
    )


def navmesh() -> Picture:
    """An NPC whose way leads over the edge of the mesh."""
    stage = Stage((Navmesh("floor", _CELLS),), np.array([[1.0, -1.3]]), 110, towards((9.3, -0.9)))
    return _seen(
        "navmesh", "An NPC stays on a mesh of three polygons, notch and all", stage, (Area(_as(*_CELLS), True),)
    )


def no_stop() -> Picture:
    """An NPC that wants to stand in a doorway."""
    stage = Stage((NoStop("door", _DOOR),), np.array([[1.0, 0.0]]), 90, _until(60, towards((5.1, 0.0))))
    return _seen(
        "no_stop", "An NPC that would have stopped in a doorway comes to rest before it", stage, (Area(_as(_DOOR)),)
    )


def leash() -> Picture:
    """An NPC that wants to run off."""
    stage = Stage((Leash("post", 3.0),), np.array([[3.4, -0.6]]), 60, _legs(((9.0, 2.0), 22), ((9.4, -1.6), 99)))
    turn = np.linspace(0.0, 2.0 * np.pi, 90)
    ring = stage.start[0] + 3.0 * np.stack([np.cos(turn), np.sin(turn)], 1)
    return _seen(
        "leash", "An NPC that runs off is held within three metres of its home", stage, (Area((ring,), True),), 0.0
    )


PICTURES: Mapping[str, Callable[[], Picture]] = {
    rule.__name__: rule for rule in (keep_out, keep_in, navmesh, no_stop, leash)
}


def _as(*polygons: tuple[tuple[float, float], ...]) -> tuple[Floats, ...]:
    return tuple(np.asarray(polygon) for polygon in polygons)


def _legs(*legs: tuple[tuple[float, float], int]) -> Wish:
    """Wishes to be at one place after another, each until a tick."""

    def wish(tick: int, place: Floats) -> Floats:
        goal = next(goal for goal, until in legs if tick < until)
        return towards(goal)(tick, place)

    return wish


def _until(last: int, wish: Wish) -> Wish:
    """Wishes nothing any more after a tick."""
    return lambda tick, place: wish(tick, place) if tick < last else still(tick, place)


def _seen(rule: str, says: str, stage: Stage, areas: tuple[Area, ...], radius: float = BODY.radius) -> Picture:
    both = played(stage, rule)
    return Picture(rule, says, Floor((0.0, -2.5), 10.2, areas, ways(both, radius)), both.margin_asked, both.margin_kept)


def ways(both: Played, radius: float = BODY.radius) -> tuple[Way, ...]:
    """The ways of all NPCs of a scene, without and with its rules."""
    n = both.kept.position.shape[1]
    asked = [Way(ASKED, both.asked.position[:, npc], radius) for npc in range(n)]
    return (*asked, *(Way(KEPT, both.kept.position[:, npc], radius) for npc in range(n)))
