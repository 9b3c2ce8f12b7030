"""The game's own script keeps bodies apart, and what was called out goes back with the match."""

from __future__ import annotations

import numpy as np

from npc_bridge.ladder import Ladder
from npc_sdk.demo.line import Moved
from npc_sdk.demo.match import SPACING
from npc_sdk.demo.play import Cast, Play

CROWD = Cast(npcs=8, seed=7, scripted=True, staged=True)


def run(play: Play, ticks: int, barks: dict[int, dict[int, str]] | None = None) -> None:
    """Plays with nobody but the own script to lead."""
    match = play.match
    ladder = Ladder(match.schema, fallback=play.script)
    n = len(match.ids)
    for _ in range(ticks):
        player = play.begin_tick(None)
        result = ladder.step(match.tick, match.ids, match.pose, match.alive)
        called = (barks or {}).get(match.tick, {})
        match.step(player, Moved(result, np.zeros(n, np.bool_), np.full(n, -1), 0.0, 0, (), called), ruled=False)
        play.end_tick(called)


def test_the_own_script_does_not_let_a_squad_walk_into_itself() -> None:
    play = Play(CROWD, 0)
    run(play, 200)
    places = np.stack([step.position for step in play.match.log[60:]])  # t n 2
    gaps = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1) + 9.0 * np.eye(8)
    assert (gaps.min(-1) < SPACING).mean() < 0.04
    assert gaps.min() > 0.4
    first = play.match.log[0].position
    assert np.hypot(*(play.match.now().position - first).T).min() > 1.0  # they hunt all the same


def test_who_called_out_what_goes_back_with_the_match() -> None:
    play = Play(CROWD, 0)
    run(play, 20, {12: {101: "There!"}, 16: {102: "Cover me!"}})
    moment = play.earlier(0.0)
    assert moment is not None
    assert {npc: text for npc, (text, _) in moment.barks.items()} == {101: "There!", 102: "Cover me!"}
    again = play.earlier(0.1)
    assert again is not None
    assert dict(again.barks) == {}
    play.back(again)
    assert play.match.tick == again.match.tick == 12
    assert len(play.match.log) == 12
