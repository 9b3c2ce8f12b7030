"""What a player can do to a match of the demo, with a real brain: order, counts and ticks; never milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pygame
import pytest
from demo_player import Player

from npc_sdk.audit.measure import zone_margin
from npc_sdk.demo.show import Stage
from npc_sdk.demo.window import Window
from npc_sdk.designer.client import Designer

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.show.close()


@pytest.fixture
def immortal() -> Iterator[Player]:
    player = Player(staged=True)
    yield player
    player.show.close()


def paths(player: Player) -> dict[int, np.ndarray]:
    """The chosen plans as they are drawn."""
    return {n.id: n.thought.path for n in player.show.scene(1.0).npcs if n.thought is not None}


def test_a_frozen_match_stands_still_while_its_plans_swing_and_then_moves_as_turned(player: Player) -> None:
    show = player.show

    def from_home() -> float:
        first = show.match.first_npc
        gap = show.match.arena.pos[0, first:] - show.match.arena.home[0, first:]
        return float(np.hypot(*gap.T).sum())

    player.until(lambda: from_home() > 12.0 and len(paths(player)) == 4)
    show.freeze()
    tick, before = show.match.tick, paths(player)
    alternatives = {n.id: n.thought.alternatives for n in show.scene(1.0).npcs if n.thought is not None}
    for value in (2.0, 40.0, 400.0):
        show.desk.turn(show.desk.reaches()[0], "home", value, "drag")
    player.until(lambda: len(show.swing_ms) > 0)
    player.until(lambda: any(not np.array_equal(path, before[npc]) for npc, path in paths(player).items()))
    assert show.match.tick == tick
    for npc in show.scene(1.0).npcs:
        assert npc.thought is not None
        np.testing.assert_array_equal(npc.thought.alternatives, alternatives[npc.id])  # nothing was imagined anew

    far = from_home()
    show.resume()
    player.until(lambda: show.match.tick > tick + 90 or show.stage is not Stage.PLAYING)
    assert from_home() < far


def test_a_match_goes_back_to_where_it_was_and_no_old_plan_is_executed(player: Player) -> None:
    show = player.show
    places = {}

    def at_ninety() -> bool:
        places.setdefault(show.match.tick, show.match.now().position)
        return show.match.tick >= 90

    player.until(at_ninety)
    session = show.session
    show.rewind(1.0)
    tick = show.match.tick
    assert 48 <= tick <= 60
    assert len(show.match.log) == tick
    np.testing.assert_array_equal(show.match.now().position, places[tick])
    player.until(lambda: show.match.tick > tick + 30)
    assert show.session not in (0, session)
    assert player.planned()
    assert show.tally.stale_steps == 0
    assert show.violations["npc"] == 0
    assert show.tally.frames > show.match.tick  # what was given up has been played all the same

    show.freeze()
    show.rewind(10.0)
    tick = show.match.tick
    player.until(lambda: len(paths(player)) == 4)  # the brain has thought about the moment it never saw
    assert show.match.tick == tick


def test_going_back_over_the_hold_fire_switch_takes_it_back_from_the_brain_too(player: Player) -> None:
    show = player.show

    def board() -> object:
        with Designer(player.endpoints.control, timeout_s=10.0) as designer:
            return designer.inspect()["modes"]

    player.until(lambda: show.match.tick >= 60)
    show.desk.hold_fire()
    player.until(lambda: show.match.tick >= 75)
    assert board() == {"hold_fire": True}
    show.rewind(2.0)
    assert not show.match.hold_fire
    until = show.match.tick + 5
    player.until(lambda: show.match.tick > until)
    assert board() == {"hold_fire": False}


def test_a_painted_zone_is_kept_where_a_wish_is_not(immortal: Player) -> None:
    player, show = immortal, immortal.show
    show.prepare_control()
    player.until(lambda: player.planned() and show.match.tick > 30)
    show.freeze()
    npcs, centre = show.match.now().position, np.array(show.player_at)
    reach = float(np.hypot(*(npcs - centre).T).min()) - 1.2
    ring = [(centre[0] + reach * np.cos(a), centre[1] + reach * np.sin(a)) for a in np.linspace(0, 6.2, 30)]
    show.desk.paint(ring)
    show.start_control()
    show.desk.turn(show.desk.reaches()[0], "engage", 1000.0)
    player.until(lambda: len(show.desk.zones) == 1 and len(show.desk.laws) == 1)
    show.resume()
    player.until(lambda: (show.control_zone_broken or 0) > 0 or show.stage is not Stage.PLAYING)
    assert (show.control_zone_broken or 0) > 0
    player.until(lambda: show.match.tick > 150 or show.stage is not Stage.PLAYING)
    assert show.violations["npc"] == 0
    assert show.zone_broken == 0
    assert any(step.zones for step in show.match.log)

    show.unpaint()
    assert show.desk.zones == ()
    assert show.control is None
    show.desk.paint([(-13, -13), (13, -13), (13, 13), (-13, 13)])
    player.until(lambda: "expected a place that all of them allow" in show.desk.refusal)
    assert show.desk.zones == ()


def test_an_npc_that_was_painted_over_walks_out_and_is_not_blamed(player: Player) -> None:
    show = player.show
    player.until(lambda: player.planned() and show.match.tick > 30)
    body = show.match.now().position[0]
    show.desk.paint([(body[0] + 1.5 * np.cos(a), body[1] + 1.5 * np.sin(a)) for a in np.linspace(0, 6.2, 30)])
    player.until(lambda: len(show.desk.laws) == 1)
    zone, radius = np.array(show.desk.zones[0]), np.full(1, show.match.schema.kinematics.radius)

    def outside() -> bool:
        at = show.match.now().position[:1]
        return bool(zone_margin(at, at, zone, radius, keep_in=False)[0] > 0.0)

    assert not outside()
    player.until(lambda: outside() or show.stage is not Stage.PLAYING)
    tick = show.match.tick
    player.until(lambda: show.match.tick > tick + 60 or show.stage is not Stage.PLAYING)
    assert show.violations["npc"] == 0
    assert show.zone_broken == 0


def test_wishes_forecasts_and_flips_reach_the_running_brain(player: Player) -> None:
    show, brain = player.show, player.brain.pid
    player.until(lambda: player.planned() and show.forecast == "constant-velocity")
    show.desk.swap_forecast()
    player.until(lambda: show.forecast == "untrained")
    assert show.model == ""
    show.desk.swap_forecast("learned")  # this brain was started without one
    player.until(lambda: "unknown forecast 'learned'" in show.desk.refusal)
    show.desk.swap_forecast("constant-velocity")
    player.until(lambda: show.forecast == "constant-velocity")

    show.desk.add_term("north = relu(player.yy + 4 - self.y)")
    player.until(lambda: "column 6" in show.desk.refusal)
    show.desk.add_term("north = relu(player.y + 4 - self.y)")
    player.until(lambda: show.desk.wishes == ("north",))
    player.until(lambda: "north" in {row["term"] for row in show.weights})
    assert "north" in {knob.term for knob in show.desk.view().knobs}

    verified = []
    for npc in (101, 102, 103, 104):
        show.flip(npc)
        assert show.frozen
        player.until(lambda: show.flipped)
        verified.append(show.flip_verified)
        show.resume()
        player.until(lambda until=show.match.tick + 10: show.match.tick > until or show.stage is not Stage.PLAYING)
    assert True in verified
    assert False not in verified
    assert player.brain.pid == brain
    assert show.violations["npc"] == 0


def press(key: int, letters: str = "") -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0, unicode=letters))


def test_the_window_takes_keys_for_all_of_it(player: Player) -> None:
    show = player.show
    player.until(lambda: player.planned() and show.match.tick > 40)
    pygame.display.init()
    window = pygame.display.set_mode((1280, 720))
    try:
        press(pygame.K_f)
        press(pygame.K_BACKSPACE)
        press(pygame.K_t)
        for letter in "up = self.y":
            press(ord(letter), letter)
        press(pygame.K_RETURN)
        press(pygame.K_ESCAPE)
        press(pygame.K_z)
        corners = [(250, 250), (330, 250), (330, 330), (250, 330)]
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=corners[0]))
        for corner in corners[1:]:
            pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=corner, rel=(1, 1), buttons=(1, 0, 0)))
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, pos=corners[-1]))
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        Window(window, show).run()
    finally:
        pygame.display.quit()
    assert show.frozen
    assert show.match.tick <= 40
    assert len(show.desk.zones) == 1
    player.until(lambda: show.desk.wishes == ("up",) and len(show.desk.laws) == 1)
